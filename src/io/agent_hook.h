/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_hook.h: the agent's programs on the hooks of an interface. Each call makes the folder's pins and the
 * interface agree; what others have put on the interface stays. */
#ifndef IO_AGENT_HOOK_H
#define IO_AGENT_HOOK_H

#include "agent_pin.h"

/* How the ingress program gets on the hook. */
enum agent_ingress_way {
	AGENT_INGRESS_LINK,  /* alone: a link of its own */
	AGENT_INGRESS_JOIN,  /* into libxdp's dispatcher, beside others */
	AGENT_INGRESS_RENEW, /* ours is in the dispatcher already */
};
/* Says which, or no with an error where somebody else has XDP. To be asked before the object is loaded. Return 0 or -1.
 */
int agent_ingress_ask(const struct agent_place *place, enum agent_ingress_way *way);
/* Puts the program on the hook, or in the place of the one that is there by us; one that joins is there since its
 * object was loaded (agent_dispatcher_join()). Return 0, or -1 with an error. */
int agent_ingress_attach(const struct agent_place *place, enum agent_ingress_way way, int program, bool generic);
int agent_egress_attach(const struct agent_place *place, int program, bool clsact, enum agent_egress_hook *hook);
/* Take it off, and remove the pins. Only a dispatcher can refuse: -1 with an error. */
int agent_ingress_detach(const struct agent_place *place);
void agent_egress_detach(const struct agent_place *place);
/* Says where ours is, and gives a descriptor of the program (-1: none is) for the caller to close. */
enum agent_ingress_hook agent_ingress_find(const struct agent_place *place, int *program, bool *dispatched);
enum agent_egress_hook agent_egress_find(const struct agent_place *place, int *program);

#endif
