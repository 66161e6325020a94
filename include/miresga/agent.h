/* SPDX-License-Identifier: BSD-2-Clause */
/* agent.h: a backend's agent: XDP on ingress, TC on egress, around splice.h.
 *
 * Seq map and diff map (paper §4.1) keyed {client address, port, local address, port}. Acts only
 * on flows that a front-end announced by a tagged special SYN; everything else passes untouched.
 *
 * A host calls agent_*() and need not know who does the work: the model (agent_create()), or the kernel's own
 * programs (kernel_agent.h), which say the same of every packet. */
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
	uint64_t shortened;	 /* kernel's programs: frames that they were given with less payload */
	uint64_t challenge_acks; /* of the server: a sign of a wrong Δ, or of an older connection's socket */
	uint32_t entries, entries_peak;
};

/* What an agent remarks in a packet's note. */
#define AGENT_REMARK_SYN "special SYN: L stored"
#define AGENT_REMARK_SYN_RENEWS "special SYN: L stored, Δ will be renewed"
#define AGENT_REMARK_SYN_AGAIN "special SYN again: nothing new"
#define AGENT_REMARK_BAD_TAG "wrong tag: passes as it is"
#define AGENT_REMARK_FULL "agent map full: special SYN answered with RST"
#define AGENT_REMARK_SYNACK "SYN-ACK: Δ learned, leaves with SEQ L"
#define AGENT_REMARK_SYNACK_AGAIN "SYN-ACK again: leaves with SEQ L"
#define AGENT_REMARK_ICMP "ICMP error: quoted numbers shifted"

/* Who does the work; each function is what agent_*() of its name promises, `free` gets no NULL. */
struct agent;
struct agent_ops {
	const char *name;
	void (*free)(struct agent *a);
	void (*prefetch)(const struct agent *a, struct packet *const packets[], uint32_t count, bool ingress);
	void (*ingress)(struct agent *a, struct packet *p, uint64_t now_ns);
	void (*egress)(struct agent *a, struct packet *p, uint64_t now_ns);
	uint64_t (*next_wake)(const struct agent *a);
	void (*sweep)(struct agent *a, uint64_t now_ns);
	const struct agent_stats *(*stats)(const struct agent *a);
	bool (*lookup)(const struct agent *a, struct endpoint client, uint32_t *delta);
	const char *(*trouble)(const struct agent *a);
};

/* What every kind of agent begins with. */
struct agent {
	const struct agent_ops *ops;
	uint8_t index; /* of its backend */
};

/* Makes the agent of config->backends[index], or returns NULL and says why. */
#define AGENT_REFUSAL_MAX 256
typedef struct agent *agent_create_fn(const struct config *config, unsigned index, char error[AGENT_REFUSAL_MAX]);

/* The model of config->backends[index]'s agent; NULL if memory is short. */
struct agent *agent_create(const struct config *config, unsigned index);
void agent_free(struct agent *a);
/* Prefetches the pairs of a batch, at most BATCH_MAX. Only a hint; a PHV need only be that of the frame, or zero. */
void agent_prefetch(const struct agent *a, struct packet *const packets[], uint32_t count, bool ingress);
/* From the wire to the server's stack. Fate: FORWARD, or REPLY (map full: the packet has become a RST to the
 * front-end). */
void agent_ingress(struct agent *a, struct packet *p, uint64_t now_ns);
/* From the server's stack to the wire. Fate: FORWARD. */
void agent_egress(struct agent *a, struct packet *p, uint64_t now_ns);
/* Not later than agent_sweep() has work; TIME_NEVER if never. */
uint64_t agent_next_wake(const struct agent *a);
/* Removes what has been idle or lingering too long. */
void agent_sweep(struct agent *a, uint64_t now_ns);
const struct agent_stats *agent_stats(const struct agent *a);
/* NULL, or why packets have not been worked on as they should: for people. The model has none. */
const char *agent_trouble(const struct agent *a);
/* Δ of a pair, for tests and explanations: true if it has one. */
bool agent_lookup(const struct agent *a, struct endpoint client, uint32_t *delta);

#endif
