/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_cli.h: what `miresga agent` and its manual page share. */
#ifndef AGENT_CLI_H
#define AGENT_CLI_H

#include <stddef.h>

/* A counter of `agent status`, in the order in which people read them. */
struct agent_counter {
	const char *key, *text; /* in JSON, in the list */
	const char *help;
	size_t at; /* of its uint64_t in struct agent_status */
};
extern const struct agent_counter agent_counters[];
extern const size_t agent_counter_count;

#endif
