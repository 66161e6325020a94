/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_switch.c: the switch's pipeline with as many entries as the paper's chip holds (Table 1: 1,433,600).
 *
 * Clients are drawn at random from all that have an entry, so that nearly every lookup misses the caches: the
 * table is 16 MiB. What the front-end and SYN rows take misses too: those clients have no entry.
 *
 * Refusals: if the table is full before every slot is taken (eight moves, as on the chip), what fits must be
 * within a hundredth of the capacity. */
#include <stdio.h>
#include <stdlib.h>

#include "bench_internal.h"
#include "miresga/switch.h"
#include "miresga/tcp_options.h"

#define BACKENDS 16
#define OPERATIONS 4096

struct state {
	struct bench_frames frames;
	struct config *config;
	struct switch_model *sw;
	struct prng prng;
	uint32_t entries; /* of clients 0.. */
	uint64_t now_ns;
};

static void destroy(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	switch_free(s->sw);
	bench_frames_fini(&s->frames);
	free(s->config);
	free(s);
}

/* Adds clients in order until one finds no place. */
static void fill(struct state *s, uint64_t capacity)
{
	struct control_reply *replies = calloc(OPERATIONS, sizeof(*replies));
	unsigned count = OPERATIONS;
	bool full = !replies;

	while (!full && s->entries < capacity && count == OPERATIONS) {
		for (unsigned i = 0; i < OPERATIONS; i++) {
			const struct control_op op = { .client = bench_client(s->entries + i),
						       .kind = CONTROL_ADD,
						       .d_index = (uint8_t)((s->entries + i) % BACKENDS) };

			MUST(switch_control_submit(s->sw, &op, s->now_ns));
		}
		s->now_ns += NS_PER_S;
		count = switch_control_advance(s->sw, s->now_ns, replies, OPERATIONS);
		for (unsigned i = 0; i < count && !full; i++) {
			full = replies[i].status != CONTROL_OK;
			s->entries += !full;
		}
	}
	free(replies);
}

static void *create(const struct bench_options *o, char error[BENCH_ERROR_MAX])
{
	struct state *s = calloc(1, sizeof(*s));
	struct capacity capacity = { 0 };

	(void)o;
	if (!s || bench_frames_init(&s->frames) || !(s->config = bench_config(BACKENDS)))
		goto short_of_memory;
	s->config->sw.geometry = (struct config_geometry){ .stages = 7,
							   .blocks = 80,
							   .word_blocks = 2,
							   .ghost_bits = 10,
							   .version_bits = 4,
							   .entry_compression = true,
							   .backend_agent = true,
							   .table_arrangement = true };
	s->config->sw.insertion_rate = 1000000000;
	s->config->sw.insertion_latency_ns = 0;
	s->config->sw.control_queue = OPERATIONS;
	s->now_ns = BENCH_START_NS;
	s->sw = switch_create(s->config);
	if (!s->sw || capacity_compute(&s->config->sw.geometry, &capacity))
		goto short_of_memory;
	prng_child(&s->prng, BENCH_SEED, "bench switch", 0);
	fill(s, capacity.connections);
	if (s->entries >= capacity.connections - capacity.connections / 100)
		return s;
	snprintf(error, BENCH_ERROR_MAX, "the table took %u entries only", s->entries);
	destroy(s);
	return NULL;
short_of_memory:
	snprintf(error, BENCH_ERROR_MAX, "out of memory");
	destroy(s);
	return NULL;
}

/* A SYN as Linux sends it: MSS, SACK permitted, timestamps, window scale. */
static void dress(struct state *s, const struct bench *b)
{
	const struct tcp_options syn = {
		.mss = 1460, .wscale = 7, .sack_permitted = true, .has_timestamps = true, .tsval = 1
	};
	const struct tcp_options data = { .wscale = TCP_WSCALE_NONE, .has_timestamps = true, .tsval = 1, .tsecr = 1 };
	uint8_t options[TCP_OPTIONS_MAX];
	struct tcp_packet_spec like = { .flags = TCP_ACK, .window = 500, .options = options };

	if (b->variant == BENCH_SWITCH_SYN)
		like.flags = TCP_SYN;
	if (b->variant == BENCH_SWITCH_OUT)
		like.payload_len = BENCH_SEGMENT;
	like.options_len = tcp_options_write(b->variant == BENCH_SWITCH_SYN ? &syn : &data, options);
	like.payload = calloc(1, BENCH_SEGMENT);
	MUST(like.payload);
	bench_frames_dress(&s->frames, b, &like);
	free((void *)like.payload);
}

static void prepare(void *state, const struct bench *b)
{
	struct state *s = state;

	dress(s, b);
	for (unsigned i = 0; i < BENCH_PACKETS; i++) {
		uint32_t n = prng_below(&s->prng, s->entries);
		struct bench_stamp stamp = {
			.src = bench_client(n), .dst = s->config->vip, .seq = n, .port = PORT_CLIENT
		};

		if (b->variant == BENCH_SWITCH_MISS || b->variant == BENCH_SWITCH_SYN)
			stamp.src = bench_client(s->entries + OPERATIONS + n);
		if (b->variant == BENCH_SWITCH_OUT)
			stamp = (struct bench_stamp){ .src = s->config->backends[n % BACKENDS].address,
						      .dst = bench_client(n),
						      .seq = n,
						      .port = PORT_BACKEND(n % BACKENDS) };
		bench_frames_stamp(&s->frames, i, &stamp);
	}
}

static uint64_t work(void *state, const struct bench *b)
{
	struct state *s = state;
	struct batch batch;

	for (unsigned at = 0; at < BENCH_PACKETS; at += b->batch) {
		batch.count = b->batch;
		for (unsigned i = 0; i < b->batch; i++)
			batch.pkt[i] = s->frames.packets[at + i];
		switch_run(s->sw, &batch, s->now_ns);
		s->now_ns += NS_PER_US;
	}
	return BENCH_PACKETS;
}

static bool check(void *state, const struct bench *b, char error[BENCH_ERROR_MAX])
{
	static const uint8_t wanted[] = {
		[BENCH_SWITCH_IN] = STEER_FAST_TO_BACKEND,
		[BENCH_SWITCH_OUT] = STEER_FAST_TO_CLIENT,
		[BENCH_SWITCH_MISS] = STEER_TO_FRONTEND,
		[BENCH_SWITCH_SYN] = STEER_REPLY_SYNACK,
	};
	struct state *s = state;
	unsigned wrong = 0;

	for (unsigned i = 0; i < BENCH_PACKETS; i++)
		wrong += s->frames.packets[i]->fate != FATE_FORWARD ||
			 s->frames.packets[i]->phv.action != wanted[b->variant];
	if (wrong)
		snprintf(error, BENCH_ERROR_MAX, "%u of %u packets went another way through the switch", wrong,
			 BENCH_PACKETS);
	return !wrong;
}

const struct bench_subject bench_switch = { create, destroy, prepare, work, check };
