/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_tcp.c: the simulator's TCP endpoints: segments out, segments in, acknowledgements in.
 *
 * One stack sends on many connections to another, over queues that lose nothing. A turn is: every connection
 * writes some segments (OUT), the receiver takes and reads them (IN), the sender takes the acknowledgements (ACK).
 * One of the three is the measured work; prepare() does what comes before it, and the turn that was begun is ended
 * at the next one. */
#include <stdio.h>
#include <stdlib.h>

#include "bench_internal.h"
#include "miresga/tcp.h"

#define CONNECTIONS 128u
#define SEGMENTS 8u /* of each, in a turn */
#define PACKETS (CONNECTIONS * SEGMENTS)
#define TURN_NS (100 * NS_PER_US)

enum stage {
	WRITE,
	TAKE,
	ACKNOWLEDGE,
	STAGES,
};

struct end {
	struct state *bench;
	struct tcp_stack *stack;
	struct packet_queue sent;
};

struct state {
	struct packet_pool *pool;
	struct end sender, receiver;
	struct tcp *connections[CONNECTIONS];
	unsigned connected;
	enum stage next;
	uint64_t now_ns, written, read;
	uint8_t data[SEGMENTS * BENCH_SEGMENT];
};

static void on_send(void *ctx, struct packet *p, uint64_t now_ns)
{
	struct end *e = ctx;

	(void)now_ns;
	packet_queue_push(&e->sent, p);
}

static void on_event(void *ctx, struct tcp *c, enum tcp_event event, uint64_t now_ns)
{
	struct end *e = ctx;
	const uint8_t *data;
	uint32_t len;

	e->bench->connected += event == TCP_EVENT_CONNECTED;
	while (event == TCP_EVENT_READABLE && (len = tcp_peek(c, &data)) > 0) {
		e->bench->read += len;
		tcp_consume(c, len, now_ns);
	}
}

/* What one end has sent reaches the other. Returns how many packets. */
static uint64_t deliver(struct state *s, struct end *from, struct end *to)
{
	uint64_t count = 0;
	struct packet *p;

	for (; (p = packet_queue_pop(&from->sent)) != NULL; count++) {
		tcp_stack_input(to->stack, p, s->now_ns);
		packet_free(s->pool, p);
	}
	return count;
}

static uint64_t write_segments(struct state *s)
{
	uint32_t before = s->sender.sent.count;

	for (unsigned i = 0; i < CONNECTIONS; i++)
		s->written += tcp_write(s->connections[i], s->data, sizeof(s->data), false, s->now_ns);
	return s->sender.sent.count - before;
}

static uint64_t step(struct state *s)
{
	enum stage stage = s->next;

	s->next = (stage + 1) % STAGES;
	if (stage == WRITE)
		return write_segments(s);
	if (stage == TAKE)
		return deliver(s, &s->sender, &s->receiver);
	return deliver(s, &s->receiver, &s->sender);
}

static void turn(struct state *s)
{
	s->now_ns += TURN_NS;
	tcp_stack_timers(s->receiver.stack, s->now_ns);
	tcp_stack_timers(s->sender.stack, s->now_ns);
}

static void destroy(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	tcp_stack_free(s->sender.stack);
	tcp_stack_free(s->receiver.stack);
	packet_pool_free(s->pool);
	free(s);
}

static bool make_end(struct state *s, struct end *e, uint64_t seed)
{
	struct tcp_stack_options o = { .pool = s->pool,
				       .connections_max = CONNECTIONS,
				       .seed = seed,
				       .ctx = e,
				       .send = on_send,
				       .event = on_event };

	tcp_settings_default(&o.settings);
	e->bench = s;
	e->stack = tcp_stack_create(&o);
	return e->stack;
}

static void *create(const struct bench_options *o, char error[BENCH_ERROR_MAX])
{
	const struct endpoint server = endpoint_make(be32_from(0xc6120001), be16_from(80));
	struct state *s = calloc(1, sizeof(*s));

	(void)o;
	if (s)
		s->pool = packet_pool_create(4 * PACKETS, 0);
	if (!s || !s->pool || !make_end(s, &s->sender, 1) || !make_end(s, &s->receiver, 2)) {
		snprintf(error, BENCH_ERROR_MAX, "out of memory");
		destroy(s);
		return NULL;
	}
	s->now_ns = BENCH_START_NS;
	MUST(tcp_listen(s->receiver.stack, server, true));
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		s->connections[i] = tcp_connect(s->sender.stack, bench_client(i), server, NULL, s->now_ns);
		MUST(s->connections[i]);
	}
	while (deliver(s, &s->sender, &s->receiver) + deliver(s, &s->receiver, &s->sender) > 0)
		turn(s);
	if (s->connected == CONNECTIONS)
		return s;
	snprintf(error, BENCH_ERROR_MAX, "%u of %u connections were made", s->connected, CONNECTIONS);
	destroy(s);
	return NULL;
}

static void prepare(void *state, const struct bench *b)
{
	static const enum stage measured[] = {
		[BENCH_TCP_OUT] = WRITE, [BENCH_TCP_IN] = TAKE, [BENCH_TCP_ACK] = ACKNOWLEDGE
	};
	struct state *s = state;

	while (s->next != measured[b->variant]) {
		if (s->next == WRITE)
			turn(s);
		step(s);
	}
	if (s->next == WRITE)
		turn(s);
}

static uint64_t work(void *state, const struct bench *b)
{
	(void)b;
	return step(state);
}

static bool check(void *state, const struct bench *b, char error[BENCH_ERROR_MAX])
{
	struct state *s = state;
	const struct tcp_stats *st = tcp_stack_stats(s->sender.stack);
	uint64_t waits = s->next == TAKE ? sizeof(s->data) * CONNECTIONS : 0;
	bool right = !st->retransmitted && s->written == s->read + waits;

	(void)b;
	if (!right)
		snprintf(error, BENCH_ERROR_MAX, "%llu bytes were written, %llu read; %llu segments were sent again",
			 (unsigned long long)s->written, (unsigned long long)s->read,
			 (unsigned long long)st->retransmitted);
	return right;
}

const struct bench_subject bench_tcp = { create, destroy, prepare, work, check };
