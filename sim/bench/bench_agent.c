/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_agent.c: a backend's agent with 100,000 pairs, both ways, by what the segments carry.
 *
 * Every pair is made as in life, by a tagged special SYN and the server's SYN-ACK, both with timestamps, so that Δ
 * and the timestamps' offset are known. In: acknowledgements, without options, with timestamps, with timestamps and
 * two SACK blocks. Out: full segments. Pairs are drawn at random. */
#include <stdio.h>
#include <stdlib.h>

#include "bench_internal.h"
#include "miresga/agent.h"
#include "miresga/special_syn.h"
#include "miresga/tcp_options.h"

#define PAIRS 100000u
#define TS_SHOWN 77

struct state {
	struct bench_frames frames;
	struct config *config;
	struct agent *agent;
	struct prng prng;
	struct bench_flow *flows; /* isn: the server's */
	uint32_t *shown;	  /* L */
	uint64_t now_ns;
	uint64_t asked, before; /* packets; of them translated, by the agent's count, before the last check */
};

static void destroy(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	agent_free(s->agent);
	bench_frames_fini(&s->frames);
	free(s->config);
	free(s->flows);
	free(s->shown);
	free(s);
}

static uint64_t translated(const struct state *s)
{
	const struct agent_stats *st = agent_stats(s->agent);

	return st->translated_in + st->translated_out;
}

static void connect_pair(struct state *s, uint32_t i)
{
	const struct bench_flow *f = &s->flows[i];
	struct endpoint backend = s->config->backends[0].address;
	struct tcp_options o = { .mss = 1460, .wscale = 7, .sack_permitted = true, .has_timestamps = true };
	uint8_t options[TCP_OPTIONS_MAX];
	struct tcp_packet_spec spec = { .src = f->client,
					.dst = backend,
					.seq = f->client_isn,
					.ack = s->shown[i],
					.flags = TCP_SYN,
					.window = 500,
					.options = options };
	struct packet *p;

	o.tsecr = TS_SHOWN;
	spec.options_len = tcp_options_write(&o, options);
	special_syn_write(&s->config->tag_key, f->client, backend, f->client_isn, s->shown[i],
			  options + spec.options_len);
	spec.options_len += SPECIAL_SYN_TAG_LEN;
	p = packet_make_tcp(s->frames.pool, &spec);
	MUST(p);
	agent_ingress(s->agent, p, s->now_ns);
	packet_free(s->frames.pool, p);
	o.tsval = i;
	spec = (struct tcp_packet_spec){ .src = backend,
					 .dst = f->client,
					 .seq = f->isn,
					 .ack = f->client_isn + 1,
					 .flags = TCP_SYN | TCP_ACK,
					 .window = 65535,
					 .options = options,
					 .options_len = tcp_options_write(&o, options) };
	p = packet_make_tcp(s->frames.pool, &spec);
	MUST(p);
	agent_egress(s->agent, p, s->now_ns);
	packet_free(s->frames.pool, p);
}

static void *create(const struct bench_options *o, char error[BENCH_ERROR_MAX])
{
	struct state *s = calloc(1, sizeof(*s));

	(void)o;
	if (!s || bench_frames_init(&s->frames) || !(s->config = bench_config(1)))
		goto short_of_memory;
	s->config->agent.entries_max = PAIRS;
	s->now_ns = BENCH_START_NS;
	s->flows = calloc(PAIRS, sizeof(*s->flows));
	s->shown = calloc(PAIRS, sizeof(*s->shown));
	s->agent = agent_create(s->config, 0);
	if (!s->flows || !s->shown || !s->agent)
		goto short_of_memory;
	prng_child(&s->prng, BENCH_SEED, "bench agent", 0);
	for (uint32_t i = 0; i < PAIRS; i++) {
		s->flows[i].client = bench_client(i);
		s->flows[i].client_isn = prng_u32(&s->prng);
		s->flows[i].isn = prng_u32(&s->prng);
		s->shown[i] = prng_u32(&s->prng);
		connect_pair(s, i);
	}
	s->before = translated(s);
	return s;
short_of_memory:
	snprintf(error, BENCH_ERROR_MAX, "out of memory");
	destroy(s);
	return NULL;
}

static bool is_out(const struct bench *b)
{
	return b->variant == BENCH_AGENT_OUT || b->variant == BENCH_AGENT_OUT_TIMESTAMPS;
}

static void dress(struct state *s, const struct bench *b)
{
	/* As Linux lays them out: NOP NOP timestamps, NOP NOP two SACK blocks. */
	static const uint8_t options[TCP_OPTIONS_MAX] = {
		TCPOPT_NOP, TCPOPT_NOP, TCPOPT_TIMESTAMPS, 10,	       0,	    0, 0, 1, 0, 0,
		0,	    77,		TCPOPT_NOP,	   TCPOPT_NOP, TCPOPT_SACK, 18
	};
	static const uint8_t options_len[] = {
		[BENCH_AGENT_IN] = 0,  [BENCH_AGENT_IN_TIMESTAMPS] = 12,  [BENCH_AGENT_IN_SACK] = 12 + 20,
		[BENCH_AGENT_OUT] = 0, [BENCH_AGENT_OUT_TIMESTAMPS] = 12,
	};
	static const uint8_t body[BENCH_SEGMENT];

	bench_frames_dress(&s->frames, b,
			   &(struct tcp_packet_spec){ .flags = TCP_ACK,
						      .window = 500,
						      .options = options,
						      .options_len = options_len[b->variant],
						      .payload = body,
						      .payload_len = is_out(b) ? BENCH_SEGMENT : 0 });
}

static void prepare(void *state, const struct bench *b)
{
	struct state *s = state;
	struct endpoint backend = s->config->backends[0].address;
	bool out = is_out(b);

	dress(s, b);
	for (unsigned i = 0; i < BENCH_PACKETS; i++) {
		uint32_t n = prng_below(&s->prng, PAIRS);
		struct bench_flow *f = &s->flows[n];

		bench_frames_stamp(&s->frames, i,
				   &(struct bench_stamp){ .src = out ? backend : f->client,
							  .dst = out ? f->client : backend,
							  .seq = out ? f->isn + 1 + f->sent : f->client_isn + 1,
							  .ack = out ? f->client_isn + 1 : s->shown[n] + 1 + f->sent });
		f->sent += out ? BENCH_SEGMENT : 0;
	}
}

static uint64_t work(void *state, const struct bench *b)
{
	void (*const handle)(struct agent *, struct packet *, uint64_t) = is_out(b) ? agent_egress : agent_ingress;
	struct state *s = state;

	for (unsigned at = 0; at < BENCH_PACKETS; at += b->batch) {
		agent_prefetch(s->agent, &s->frames.packets[at], b->batch, !is_out(b));
		for (unsigned i = 0; i < b->batch; i++)
			handle(s->agent, s->frames.packets[at + i], s->now_ns);
		s->now_ns += NS_PER_US;
	}
	s->asked += BENCH_PACKETS;
	return BENCH_PACKETS;
}

static bool check(void *state, const struct bench *b, char error[BENCH_ERROR_MAX])
{
	struct state *s = state;
	uint64_t done = translated(s) - s->before;
	bool right = done == s->asked;

	(void)b;
	if (!right)
		snprintf(error, BENCH_ERROR_MAX, "the agent translated %llu of %llu packets", (unsigned long long)done,
			 (unsigned long long)s->asked);
	s->before += done;
	s->asked = 0;
	return right;
}

const struct bench_subject bench_agent = { create, destroy, prepare, work, check };
