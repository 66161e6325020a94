/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel_agent.h: the agent's BPF programs, loaded but attached nowhere, run packet by packet through
 * BPF_PROG_TEST_RUN: an agent (agent.h) whose word is the kernel's.
 *
 * Time is the host's: last_ns of a pair is the now_ns of its packet. Of frames longer than KERNEL_AGENT_FRAME_MAX the
 * programs get as much payload as the kernel takes here, which is not what it takes when attached; such frames are
 * counted (`shortened`). Frames too short for the kernel, and so for an IPv4 header, pass without being run. */
#ifndef MIRESGA_KERNEL_AGENT_H
#define MIRESGA_KERNEL_AGENT_H

#include "miresga/agent.h"

#define KERNEL_AGENT_INGRESS_MIN 15
#define KERNEL_AGENT_EGRESS_MIN 34
#define KERNEL_AGENT_FRAME_MAX 3400

/* The agent of config->backends[index]. NULL, and in `error` why: built without BPF, no privilege, a kernel that
 * refuses, quirks of the agent (the programs have none). */
struct agent *kernel_agent_create(const struct config *config, unsigned index, char error[AGENT_REFUSAL_MAX]);
/* The same as a kernel before 5.18 gets it: XDP without fragments. */
struct agent *kernel_agent_create_plain(const struct config *config, unsigned index, char error[AGENT_REFUSAL_MAX]);

#endif
