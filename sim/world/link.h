/* SPDX-License-Identifier: BSD-2-Clause */
/* link.h: one direction of a simulated link: rate, propagation, tail-drop queue, fault plan. */
#ifndef SIM_LINK_H
#define SIM_LINK_H

#include "fifo.h"
#include "miresga/prng.h"
#include "miresga/world.h"

struct link_model {
	const struct config_link *config;
	struct prng prng;
	uint64_t free_ns;	/* the line is busy until then */
	uint64_t remainder;	/* of that time: parts of 1 ns, in 1/rate */
	uint64_t waiting_bytes; /* accepted, not yet on the line */
	struct fifo waiting;	/* when each of them will be; value: its length */
	struct link_stats stats;
};

/* What becomes of a packet. */
struct link_fate {
	uint8_t drop; /* enum drop_reason; DROP_NONE: it arrives */
	bool twice;   /* a copy of it arrives, too */
	bool damaged; /* with this bit of the IP datagram flipped */
	uint32_t bit;
	uint64_t arrives_ns; /* its last bit */
	uint64_t again_ns;   /* the copy's */
};

/* `number` tells its draws from other links'. *config must outlive it. */
void link_model_init(struct link_model *l, const struct config_link *config, uint64_t seed, uint32_t number);
void link_model_fini(struct link_model *l);
/* Puts a packet on the link; it stays the caller's, and as it is. */
void link_model_carry(struct link_model *l, struct packet *p, uint64_t now_ns, struct link_fate *fate);
/* Flips a bit of its IP datagram. */
void link_damage(struct packet *p, uint32_t bit);
/* False if a link has flipped a bit in it. Parses it; what is no readable IPv4 is not intact. */
bool link_spared(struct packet *p);
void link_stats_add(struct link_stats *sum, const struct link_stats *stats);

#endif
