/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_dispatcher.h: the agent's ingress program beside others in libxdp's dispatcher. Where this was built without
 * libxdp, no dispatcher can be joined. */
#ifndef IO_AGENT_DISPATCHER_H
#define IO_AGENT_DISPATCHER_H

#include "agent_pin.h"

/* The dispatcher's main program. */
#define AGENT_DISPATCHER_NAME "xdp_dispatcher"
/* Behind filters (xdp-filter: 10) and whoever does not say (50): they see frames as they were on the wire. */
#define AGENT_DISPATCHER_PRIORITY 60

bool agent_dispatcher_is_built(void);
/* Can the programs in the dispatcher of the interface be read, so that ours may join them? */
bool agent_dispatcher_is_readable(const struct agent_place *place);
/* Is ours in it? Gives a descriptor of the program (-1: no) for the caller to close. */
enum agent_ingress_hook agent_dispatcher_find(const struct agent_place *place, int *program);

/* Loads the object and puts its ingress program into the dispatcher. Returns 0, or -1 with an error. */
int agent_dispatcher_join(const struct agent_place *place, const struct agent_object *object);
/* Before the object is loaded: its ingress program is to take the place of ours that is there. Returns a descriptor, to
 * be closed when it is loaded, or -1 with an error. */
int agent_dispatcher_fit(const struct agent_place *place, const struct agent_object *object);
/* And then: it does. Returns 0, or -1 with an error; then the old one goes on. */
int agent_dispatcher_renew(const struct agent_place *place, int program);
/* Takes ours out, and nothing else. Returns 0, also where it is not there any more, or -1 with an error. */
int agent_dispatcher_leave(const struct agent_place *place);

#endif
