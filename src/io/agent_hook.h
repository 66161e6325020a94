/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_hook.h: the agent's programs on the hooks of an interface. Each call makes the folder's pins and the
 * interface agree; what others have put on the interface stays. */
#ifndef IO_AGENT_HOOK_H
#define IO_AGENT_HOOK_H

#include "agent_pin.h"

/* Says no, with an error, where somebody else has XDP. To be asked before a first attachment. */
int agent_ingress_check(const struct agent_place *place);
/* Puts the program on the hook, or in the place of the one that is there by us. Return 0 and how, or -1 with an error.
 */
int agent_ingress_attach(const struct agent_place *place, int program, bool generic, enum agent_ingress_hook *hook);
int agent_egress_attach(const struct agent_place *place, int program, bool clsact, enum agent_egress_hook *hook);
/* Take it off, and remove the pins. */
void agent_ingress_detach(const struct agent_place *place);
void agent_egress_detach(const struct agent_place *place);
/* Says where ours is, and gives a descriptor of the program (-1: none is) for the caller to close. */
enum agent_ingress_hook agent_ingress_find(const struct agent_place *place, int *program);
enum agent_egress_hook agent_egress_find(const struct agent_place *place, int *program);

#endif
