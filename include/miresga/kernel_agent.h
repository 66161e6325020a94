/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel_agent.h: the agent's BPF programs, loaded but attached nowhere, run packet by packet through
 * BPF_PROG_TEST_RUN. The same calls as agent.h, so that a host may run either.
 *
 * Time is the host's: last_ns of a pair is the now_ns of its packet. Frames must have between
 * KERNEL_AGENT_INGRESS_MIN or _EGRESS_MIN and _FRAME_MAX bytes; that is what the kernel takes here, not what it
 * takes when attached. */
#ifndef MIRESGA_KERNEL_AGENT_H
#define MIRESGA_KERNEL_AGENT_H

#include "miresga/agent.h"

#define KERNEL_AGENT_ERROR_MAX 256
#define KERNEL_AGENT_INGRESS_MIN 15
#define KERNEL_AGENT_EGRESS_MIN 34
#define KERNEL_AGENT_FRAME_MAX 3400

struct kernel_agent;
/* The agent of config->backends[index]. NULL, and in `error` why: built without BPF, no privilege, a kernel that
 * refuses, quirks of the agent (the programs have none). */
struct kernel_agent *kernel_agent_create(const struct config *config, unsigned index,
					 char error[KERNEL_AGENT_ERROR_MAX]);
void kernel_agent_free(struct kernel_agent *a);
/* Fate and frame as of agent_ingress() and agent_egress(); the note says only whose agent it was. Return 0, or a
 * negative errno of the kernel with the packet as it was. */
int kernel_agent_ingress(struct kernel_agent *a, struct packet *p, uint64_t now_ns);
int kernel_agent_egress(struct kernel_agent *a, struct packet *p, uint64_t now_ns);
/* Not later than kernel_agent_sweep() has work; TIME_NEVER if never. */
uint64_t kernel_agent_next_wake(const struct kernel_agent *a);
/* Removes what has been idle or lingering too long. */
void kernel_agent_sweep(struct kernel_agent *a, uint64_t now_ns);
/* Summed up over all CPUs. `entries` counts the map's, `entries_peak` stays 0: nobody watches it. */
void kernel_agent_stats(const struct kernel_agent *a, struct agent_stats *out);

#endif
