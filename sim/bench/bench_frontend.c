/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_frontend.c: a front-end that carries flows on the slow path (state COMPLETE), both ways.
 *
 * Life-cycle: every flow is made as in life: a client's verified handshake with its request, the backend's
 * SYN-ACK, the head of a response whose body has no end that a bench could reach. Then only full segments of
 * the body go out, and acknowledgements come in. Flows are drawn at random. */
#include <stdio.h>
#include <stdlib.h>

#include "bench_internal.h"
#include "miresga/cookie.h"
#include "miresga/frontend.h"
#include "miresga/tcp_options.h"

#define FLOWS 100000u
#define OPERATIONS_MAX 64

static const char request[] = "GET /bench HTTP/1.1\r\nHost: bench.example\r\n\r\n";
static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000\r\n\r\n";
#define REQUEST_LEN (sizeof(request) - 1)
#define RESPONSE_LEN (sizeof(response) - 1)

struct state {
	struct bench_frames frames;
	struct config *config;
	struct frontend *fe;
	struct prng prng;
	struct bench_flow *flows;
	struct control_op ops[OPERATIONS_MAX];
	uint64_t now_ns;
	uint64_t asked, forwarded; /* packets, since the last check */
};

static void destroy(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	frontend_free(s->fe);
	bench_frames_fini(&s->frames);
	free(s->config);
	free(s->flows);
	free(s);
}

/* One packet of a handshake; what the front-end makes of it goes nowhere. */
static void feed(struct state *s, const struct tcp_packet_spec *spec)
{
	struct frontend_out out = { .ops = s->ops, .ops_max = OPERATIONS_MAX };
	struct packet *p = packet_make_tcp(s->frames.pool, spec), *made;

	MUST(p);
	frontend_packet(s->fe, p, &out, s->now_ns);
	if (p->fate != FATE_FORWARD)
		packet_free(s->frames.pool, p);
	while ((made = packet_queue_pop(&out.packets)) != NULL)
		packet_free(s->frames.pool, made);
}

static void connect_flow(struct state *s, struct bench_flow *f)
{
	const struct syn_offer offer = { .mss = 1460, .wscale = 7, .sack = true };
	const struct tcp_options o = { .mss = 1460, .wscale = 7, .sack_permitted = true };
	struct endpoint vip = s->config->vip, backend = s->config->backends[0].address;
	uint8_t options[TCP_OPTIONS_MAX];

	f->isn = cookie_make(&s->config->cookie_key, f->client, vip, f->client_isn, &offer, s->now_ns);
	feed(s, &(struct tcp_packet_spec){ .src = f->client,
					   .dst = vip,
					   .seq = f->client_isn + 1,
					   .ack = f->isn + 1,
					   .flags = TCP_ACK | TCP_PSH,
					   .window = 500,
					   .payload = request,
					   .payload_len = REQUEST_LEN });
	feed(s, &(struct tcp_packet_spec){ .src = backend,
					   .dst = f->client,
					   .seq = f->isn,
					   .ack = f->client_isn + 1,
					   .flags = TCP_SYN | TCP_ACK,
					   .window = 65535,
					   .options = options,
					   .options_len = tcp_options_write(&o, options) });
	feed(s, &(struct tcp_packet_spec){ .src = backend,
					   .dst = f->client,
					   .seq = f->isn + 1,
					   .ack = f->client_isn + 1 + REQUEST_LEN,
					   .flags = TCP_ACK | TCP_PSH,
					   .window = 500,
					   .payload = response,
					   .payload_len = RESPONSE_LEN });
	f->sent = RESPONSE_LEN;
}

static void *create(const struct bench_options *o, char error[BENCH_ERROR_MAX])
{
	struct state *s = calloc(1, sizeof(*s));

	(void)o;
	if (!s || bench_frames_init(&s->frames) || !(s->config = bench_config(1)))
		goto short_of_memory;
	s->config->frontends.flows_max = FLOWS;
	s->config->frontends.buffers = 64;
	s->now_ns = BENCH_START_NS;
	s->flows = calloc(FLOWS, sizeof(*s->flows));
	s->fe = frontend_create(s->config, 0, s->frames.pool, NULL, NULL);
	if (!s->flows || !s->fe)
		goto short_of_memory;
	prng_child(&s->prng, BENCH_SEED, "bench frontend", 0);
	for (uint32_t i = 0; i < FLOWS; i++) {
		s->flows[i] = (struct bench_flow){ .client = bench_client(i), .client_isn = prng_u32(&s->prng) };
		connect_flow(s, &s->flows[i]);
		if (frontend_flow_state(s->fe, s->flows[i].client) != FSM_COMPLETE) {
			snprintf(error, BENCH_ERROR_MAX, "flow %u of the front-end is not COMPLETE", i);
			destroy(s);
			return NULL;
		}
	}
	return s;
short_of_memory:
	snprintf(error, BENCH_ERROR_MAX, "out of memory");
	destroy(s);
	return NULL;
}

static void prepare(void *state, const struct bench *b)
{
	static const uint8_t body[BENCH_SEGMENT];
	struct state *s = state;
	bool out = b->variant == BENCH_FRONTEND_OUT;

	bench_frames_dress(
		&s->frames, b,
		&(struct tcp_packet_spec){
			.flags = TCP_ACK, .window = 500, .payload = body, .payload_len = out ? BENCH_SEGMENT : 0 });
	for (unsigned i = 0; i < BENCH_PACKETS; i++) {
		struct bench_flow *f = &s->flows[prng_below(&s->prng, FLOWS)];
		uint32_t client_next = f->client_isn + 1 + REQUEST_LEN, server_next = f->isn + 1 + f->sent;

		bench_frames_stamp(&s->frames, i,
				   &(struct bench_stamp){ .src = out ? s->config->backends[0].address : f->client,
							  .dst = out ? f->client : s->config->vip,
							  .seq = out ? server_next : client_next,
							  .ack = out ? client_next : server_next });
		s->frames.packets[i]->phv.client = f->client; /* the switch's key: for prefetching */
		f->sent += out ? BENCH_SEGMENT : 0;
	}
}

static uint64_t work(void *state, const struct bench *b)
{
	struct state *s = state;

	for (unsigned at = 0; at < BENCH_PACKETS; at += b->batch) {
		struct frontend_out out = { .ops = s->ops, .ops_max = OPERATIONS_MAX };

		frontend_prefetch(s->fe, &s->frames.packets[at], b->batch);
		for (unsigned i = 0; i < b->batch; i++)
			frontend_packet(s->fe, s->frames.packets[at + i], &out, s->now_ns);
		s->forwarded += out.packets.count;
		s->now_ns += NS_PER_US;
	}
	s->asked += BENCH_PACKETS;
	return BENCH_PACKETS;
}

static bool check(void *state, const struct bench *b, char error[BENCH_ERROR_MAX])
{
	struct state *s = state;
	bool right = s->forwarded == s->asked;

	(void)b;
	if (!right)
		snprintf(error, BENCH_ERROR_MAX, "the front-end forwarded %llu of %llu packets",
			 (unsigned long long)s->forwarded, (unsigned long long)s->asked);
	s->forwarded = s->asked = 0;
	return right;
}

const struct bench_subject bench_frontend = { create, destroy, prepare, work, check };
