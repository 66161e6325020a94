/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_sockets.h: ends TCP connections of the host whose numbers the agent does not, or will no longer, shift. */
#ifndef IO_AGENT_SOCKETS_H
#define IO_AGENT_SOCKETS_H

enum agent_sockets {
	AGENT_SOCKETS_STRAY,	 /* at the port of a service, without a pair */
	AGENT_SOCKETS_LOST,	 /* with a pair, at a port that is no service's */
	AGENT_SOCKETS_ANNOUNCED, /* with a pair */
};

/* Ends those connections of this network namespace as `ss -K` would; pairs that have ended count as none. `pairs` and
 * `services` are the maps. Returns how many it were, or a negative errno if one could not be ended. */
int agent_sockets_end(enum agent_sockets which, int pairs, int services);

#endif
