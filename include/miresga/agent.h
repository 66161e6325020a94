/* SPDX-License-Identifier: BSD-2-Clause */
/* agent.h: the model of a backend's agent: XDP on ingress, TC on egress, around splice.h.
 *
 * Seq map and diff map (paper §4.1) keyed {client address, port, local address, port}. Acts only
 * on flows that a front-end announced by a tagged special SYN; everything else passes untouched. */
#ifndef MIRESGA_AGENT_H
#define MIRESGA_AGENT_H

#include "miresga/config.h"
#include "miresga/packet.h"

struct agent_stats {
	uint64_t ingress_packets, egress_packets; /* all */
	uint64_t translated_in, translated_out;	  /* Δ applied */
	uint64_t special_syns, renewed;		  /* renewed: the pair had a Δ before */
	uint64_t bad_tags;			  /* SYN with our option, but a wrong tag: passes as it is */
	uint64_t refused_full;
	uint64_t removed_fin, removed_rst, removed_idle;
	uint32_t entries, entries_peak;
};

struct agent;
/* The agent of config->backends[index]; NULL if memory is short. */
struct agent *agent_create(const struct config *config, unsigned index);
void agent_free(struct agent *a);
/* For batches: all prefetched first, then all run. Only a hint; the PHV need only be that of the frame, or zero. */
void agent_prefetch(const struct agent *a, const struct packet *p, bool ingress);
/* From the wire to the server's stack. Fate: FORWARD, or REPLY (map full: the packet has become a RST to the
 * front-end). */
void agent_ingress(struct agent *a, struct packet *p, uint64_t now_ns);
/* From the server's stack to the wire. Fate: FORWARD. */
void agent_egress(struct agent *a, struct packet *p, uint64_t now_ns);
/* When agent_sweep() has work; TIME_NEVER if never. */
uint64_t agent_next_wake(const struct agent *a);
/* Removes what has been idle or lingering too long. */
void agent_sweep(struct agent *a, uint64_t now_ns);
const struct agent_stats *agent_stats(const struct agent *a);
/* Δ of a pair, for tests and explanations: true if it has one. */
bool agent_lookup(const struct agent *a, struct endpoint client, uint32_t *delta);

#endif
