/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_object.h: the agent's BPF object, which this program carries in itself: opened, fitted to the kernel,
 * loaded. Only where it was built with BPF. */
#ifndef IO_AGENT_OBJECT_H
#define IO_AGENT_OBJECT_H

#include <bpf/libbpf.h>

#include "miresga/config.h"

enum agent_map {
	AGENT_MAP_SETTINGS,
	AGENT_MAP_SERVICES,
	AGENT_MAP_PAIRS,
	AGENT_MAP_ENDED,
	AGENT_MAP_CLOCK,
	AGENT_MAP_COUNTERS,
	AGENT_MAP_COUNT
};
extern const char *const agent_map_names[AGENT_MAP_COUNT];

struct agent_object {
	struct bpf_object *object;
	struct bpf_program *ingress, *egress, *start;
	struct bpf_map *maps[AGENT_MAP_COUNT];
	void *skeleton;
};

/* Opens it with maps of that size, fitted to the running kernel; `plain`: as if the kernel had no fragments in XDP.
 * Returns 0 or a negative errno. */
int agent_object_open(struct agent_object *o, uint32_t entries_max, bool plain);
/* Loads it. Returns 0, or a negative errno with the end of what libbpf and the verifier said in `log`. */
#define AGENT_LOG_MAX 1024
int agent_object_load(struct agent_object *o, char log[AGENT_LOG_MAX]);
/* Starts the clock, for those whose time is the kernel's; settings are written. Returns 0 or a negative errno. */
int agent_object_start(const struct agent_object *o);
/* Can be called for one that is all zero. */
void agent_object_close(struct agent_object *o);

/* What the configuration says to the programs. */
struct agent_settings;
void agent_settings_make(struct agent_settings *s, const struct config *config);

#endif
