/* SPDX-License-Identifier: BSD-2-Clause */
/* test_tcp.c: two TCP stacks against each other (tcp_fixture.h): whatever the link does, each application gets exactly
 * the other's bytes, and nothing is left behind. */
#include <stdlib.h>

#include "miresga/hash.h"
#include "tcp_fixture.h"

Suite *tcp_suite(void);

#define LONG_ENOUGH (3600 * NS_PER_S)

/* Below 2^32 by so much that the numbers wrap in the handshake, in the data, at a segment's end. */
static const uint32_t isns[] = { 0, 0xffffffff, 0xfffffffe, 0xfffff000, 0xffff0000, 0x7fffff00 };

static struct tcp_settings draw_settings(struct prng *prng)
{
	static const uint32_t buffers[] = { 2000, 4096, 20000, 65535, 300000 };
	struct tcp_settings s;

	tcp_settings_default(&s);
	s.sack = prng_below(prng, 3) > 0;
	s.timestamps = prng_below(prng, 2);
	s.nagle = prng_below(prng, 2);
	s.wscale = prng_below(prng, 3) ? (uint8_t)prng_below(prng, 9) : TCP_WSCALE_NONE;
	s.mss = prng_below(prng, 4) ? 1460 : (uint16_t)(88 + prng_below(prng, 1400));
	s.receive_buffer = buffers[prng_below(prng, ARRAY_LEN(buffers))];
	s.send_buffer = buffers[prng_below(prng, ARRAY_LEN(buffers))];
	s.delayed_ack_ns = prng_below(prng, 3) ? 40 * NS_PER_MS : 0;
	s.initial_window = (uint16_t)(1 + prng_below(prng, 10));
	return s;
}

static void draw_host(struct host *h, struct prng *prng)
{
	h->to_write = prng_below(prng, 4) ? prng_below(prng, 200000) : prng_below(prng, 3);
	h->write_piece = prng_below(prng, 3) ? 0 : 1 + prng_below(prng, 3000);
	h->close = prng_below(prng, 2) ? CLOSE_WHEN_WRITTEN : CLOSE_AFTER_PEER;
	if (!prng_below(prng, 4)) {
		h->read_every_ns = (1 + prng_below(prng, 20)) * NS_PER_MS;
		h->read_piece = 100 + prng_below(prng, 20000);
	}
}

/* A link and two applications out of a seed. */
static struct link *draw_link(uint64_t seed)
{
	struct tcp_settings settings;
	struct prng prng;
	struct link *l;

	prng_child(&prng, seed, "draw", 0);
	settings = draw_settings(&prng);
	l = link_create(seed, &settings, isns[prng_below(&prng, ARRAY_LEN(isns))]);
	l->delay_ns = prng_below(&prng, 2) ? 50 * NS_PER_US : prng_below(&prng, 50) * NS_PER_MS;
	l->packet_ns = prng_below(&prng, 100) * NS_PER_US;
	l->faults = (struct link_faults){
		.loss = prng_below(&prng, 3) ? prng_below(&prng, 15) : 0,
		.duplicate = prng_below(&prng, 2) ? prng_below(&prng, 20) : 0,
		.reorder = prng_below(&prng, 2) ? prng_below(&prng, 40) : 0,
		.reorder_ns = (1 + prng_below(&prng, 60)) * NS_PER_MS,
	};
	for (unsigned i = 0; i < HOST_COUNT; i++)
		draw_host(&l->host[i], &prng);
	if (l->host[0].close == CLOSE_AFTER_PEER && l->host[1].close == CLOSE_AFTER_PEER)
		l->host[0].close = CLOSE_WHEN_WRITTEN;
	return l;
}

START_TEST(test_seed)
{
	struct link *l = draw_link((uint64_t)_i);

	link_connect(l);
	link_run(l, LONG_ENOUGH);
	link_check_complete(l);
	link_free(l);
}
END_TEST

/* The same seed, the same packets: a hash over everything that was sent, and when. */
static bool hash_packet(struct link *l, unsigned from, const struct packet *p)
{
	uint64_t *h = l->filter_ctx;

	*h = hash_mix64(*h ^ l->now_ns ^ (uint64_t)from << 63);
	*h = hash_mix64(*h ^ hash_crc32(p->data, p->len));
	return true;
}

START_TEST(test_same_seed)
{
	uint64_t hash[3];

	for (unsigned i = 0; i < ARRAY_LEN(hash); i++) {
		struct link *l = draw_link(7 + i / 2);

		hash[i] = 0;
		l->filter = hash_packet;
		l->filter_ctx = &hash[i];
		link_connect(l);
		link_run(l, LONG_ENOUGH);
		link_free(l);
	}
	ck_assert(hash[0] == hash[1]);
	ck_assert(hash[0] != hash[2]);
}
END_TEST

/* The path dies: both ends find out, and everything goes. */
static bool lose_all(struct link *l, unsigned from, const struct packet *p)
{
	(void)from, (void)p;
	return l->now_ns < *(const uint64_t *)l->filter_ctx;
}

START_TEST(test_dead_path)
{
	struct tcp_settings settings;
	struct link *l;
	uint64_t until = 5 * NS_PER_S + 200 * NS_PER_MS;

	tcp_settings_default(&settings);
	settings.keepalive_ns = 60 * NS_PER_S;
	l = link_create(3, &settings, 0);
	l->host[0].to_write = 3 << 20;
	l->packet_ns = NS_PER_MS;
	l->filter = lose_all;
	l->filter_ctx = &until;
	link_connect(l);
	link_run(l, LONG_ENOUGH);
	for (unsigned i = 0; i < HOST_COUNT; i++) {
		ck_assert_uint_eq(l->host[i].events[TCP_EVENT_TIMED_OUT], 1);
		ck_assert_uint_eq(tcp_stack_leftovers(l->host[i].stack), 0);
		ck_assert_uint_eq(tcp_stack_stats(l->host[i].stack)->timed_out, 1);
		ck_assert_uint_eq(tcp_stack_stats(l->host[i].stack)->buffered, 0);
	}
	ck_assert_uint_gt(tcp_stack_stats(l->host[0].stack)->timeouts, 10);
	ck_assert_uint_gt(tcp_stack_stats(l->host[1].stack)->keepalives, 5);
	link_free(l);
}
END_TEST

/* A reader that stops: the window closes, probes go on for as long as they are answered, then all arrives. */
START_TEST(test_stopped_reader)
{
	struct link *l = link_create(4, NULL, 0xfffffff0);

	l->host[0].to_write = 1 << 20;
	l->host[1].no_reading = true;
	link_connect(l);
	link_run(l, 1000 * NS_PER_S);
	ck_assert_uint_eq(host_info(&l->host[0]).snd_wnd, 0);
	ck_assert_uint_gt(tcp_stack_stats(l->host[0].stack)->probes, 8);
	ck_assert_uint_eq(tcp_stack_stats(l->host[0].stack)->timeouts, 0);
	/* What the scaled window was rounded up by comes on top (RFC 7323 §2.4). */
	ck_assert_uint_ge(host_info(&l->host[1]).unread, 256 << 10);
	ck_assert_uint_lt(host_info(&l->host[1]).unread, 280 << 10);
	l->host[1].no_reading = false;
	host_read(&l->host[1]);
	link_run(l, LONG_ENOUGH);
	link_check_complete(l);
	link_free(l);
}
END_TEST

/* 2 % loss costs no timeouts to speak of: recovery works. Without SACK it takes longer, not for ever. */
START_TEST(test_recovery)
{
	struct tcp_settings settings;
	struct link *l;

	tcp_settings_default(&settings);
	settings.sack = _i;
	l = link_create(5, &settings, 0);
	l->host[0].to_write = 4 << 20;
	l->packet_ns = 10 * NS_PER_US;
	l->faults.loss = 2;
	link_connect(l);
	link_run(l, LONG_ENOUGH);
	link_check_complete(l);
	ck_assert_uint_gt(tcp_stack_stats(l->host[0].stack)->fast_recoveries, 20);
	ck_assert_uint_lt(tcp_stack_stats(l->host[0].stack)->timeouts, _i ? 15 : 40);
	ck_assert_uint_lt(tcp_stack_stats(l->host[0].stack)->retransmitted, 150);
	link_free(l);
}
END_TEST

/* Many connections at once and one after another, over one pair of addresses. */
#define CROWD 5000

struct crowd {
	struct tcp_stack *stack[HOST_COUNT];
	struct packet_queue wire;
	struct packet_pool *pool;
	uint64_t now_ns;
	uint32_t ended;
	bool hasty; /* the client closes before it has the server's FIN */
};

static void crowd_send(void *ctx, struct packet *p, uint64_t now_ns)
{
	struct crowd *w = ctx;

	(void)now_ns;
	packet_queue_push(&w->wire, p);
}

/* The client asks with one byte, the server answers with its port's number and closes; the client closes then.
 * Or at the same time: then both sides are in TIME-WAIT, and the client's ports come from there (RFC 6191). */
static void crowd_event(void *ctx, struct tcp *c, enum tcp_event e, uint64_t now_ns)
{
	struct crowd *w = ctx;
	struct tcp_info info;
	const uint8_t *data;
	uint32_t len;

	tcp_info(c, &info);
	if (e == TCP_EVENT_CONNECTED)
		ck_assert_uint_eq(tcp_write(c, "?", 1, false, now_ns), 1);
	ck_assert(e != TCP_EVENT_RESET && e != TCP_EVENT_TIMED_OUT);
	if (e == TCP_EVENT_READABLE && be16_to(info.local.port) == 80) {
		tcp_consume(c, 1, now_ns);
		ck_assert_uint_eq(tcp_write(c, &info.remote.port, 2, false, now_ns), 2);
		tcp_close(c, now_ns);
	} else if (e == TCP_EVENT_READABLE) {
		len = tcp_peek(c, &data);
		ck_assert_uint_eq(len, 2);
		ck_assert_mem_eq(data, &info.local.port, 2);
		tcp_consume(c, len, now_ns);
		if (w->hasty)
			tcp_shutdown(c, now_ns);
	} else if (e == TCP_EVENT_PEER_CLOSED) {
		tcp_shutdown(c, now_ns);
	}
	w->ended += e == TCP_EVENT_ENDED;
}

static void crowd_run(struct crowd *w, uint64_t until_ns)
{
	while (w->now_ns < until_ns) {
		struct packet *p = packet_queue_pop(&w->wire);
		uint64_t next = until_ns;

		if (p) {
			tcp_stack_input(w->stack[be16_to(p->phv.dst.port) == 80], p, w->now_ns);
			packet_free(w->pool, p);
			continue;
		}
		for (unsigned i = 0; i < HOST_COUNT; i++) {
			tcp_stack_timers(w->stack[i], w->now_ns);
			next = MIN(next, MAX(tcp_stack_next_wake(w->stack[i]), w->now_ns + 1));
		}
		w->now_ns = w->wire.head ? w->now_ns : next;
	}
}

START_TEST(test_crowd)
{
	struct crowd w = { .now_ns = NS_PER_S, .hasty = _i };
	struct tcp_stack_options options = {
		.connections_max = 20000, .ctx = &w, .send = crowd_send, .event = crowd_event
	};

	options.pool = w.pool = packet_pool_create(4 * CROWD, 16);
	tcp_settings_default(&options.settings);
	for (unsigned i = 0; i < HOST_COUNT; i++) {
		options.seed = i;
		w.stack[i] = tcp_stack_create(&options);
	}
	ck_assert(tcp_listen(w.stack[1], host_endpoint(1), true));
	for (unsigned wave = 0; wave < 8; wave++) { /* 40,000 of them, out of 28,232 ports */
		for (unsigned i = 0; i < CROWD; i++)
			ck_assert_ptr_nonnull(tcp_connect(w.stack[0],
							  endpoint_make(host_endpoint(0).addr, be16_from(0)),
							  host_endpoint(1), NULL, w.now_ns));
		crowd_run(&w, w.now_ns + 2 * NS_PER_S);
		ck_assert_uint_eq(w.ended, (wave + 1) * CROWD);
	}
	ck_assert_uint_eq(tcp_stack_stats(w.stack[1])->accepted, 8 * CROWD);
	ck_assert_uint_eq(tcp_stack_leftovers(w.stack[0]), w.hasty ? 20000 : 0);
	ck_assert_uint_eq(tcp_stack_leftovers(w.stack[1]), 20000); /* no more than it may */
	crowd_run(&w, w.now_ns + 61 * NS_PER_S);
	for (unsigned i = 0; i < HOST_COUNT; i++) {
		ck_assert_uint_eq(tcp_stack_leftovers(w.stack[i]), 0);
		tcp_stack_free(w.stack[i]);
	}
	ck_assert_uint_eq(packet_pool_used(w.pool), 0);
	packet_pool_free(w.pool);
}
END_TEST

/* No place: the SYN is dropped, not answered; tcp_connect() says so. The pair in use: so, too. */
START_TEST(test_full)
{
	struct link *l = link_create(6, NULL, 0);
	struct endpoint local = host_endpoint(0);
	unsigned open = 0;

	l->host[0].close = l->host[1].close = CLOSE_NEVER;
	link_establish(l);
	ck_assert_ptr_null(tcp_connect(l->host[0].stack, local, host_endpoint(1), NULL, l->now_ns));
	local.port = be16_from(0);
	while (open < 100 &&
	       tcp_connect(l->host[0].stack, local, endpoint_make(local.addr, be16_from(9)), NULL, l->now_ns))
		open++;
	ck_assert_uint_eq(open, 15);
	link_free(l);
}
END_TEST

#define HOSTS 6
#define PORTS 24
/* However others choose between, all ports of an address have their turn before one comes again. */
START_TEST(test_ports_in_turn)
{
	struct crowd w = { .now_ns = 0 };
	struct tcp_stack_options options = {
		.connections_max = 10, .ports = PORTS, .ctx = &w, .send = crowd_send, .event = crowd_event
	};
	uint16_t chosen[HOSTS][2 * PORTS];
	struct tcp_stack *stack;
	struct packet *p;

	options.pool = w.pool = packet_pool_create(16, 16);
	tcp_settings_default(&options.settings);
	stack = tcp_stack_create(&options);
	for (unsigned round = 0; round < 2 * PORTS; round++)
		for (uint32_t host = 0; host < HOSTS; host++) {
			struct endpoint local = endpoint_make(be32_from(0x64400001u + host), be16_from(0));
			struct tcp *c = tcp_connect(stack, local, host_endpoint(1), NULL, 0);
			struct tcp_info info;

			ck_assert_ptr_nonnull(c);
			tcp_info(c, &info);
			chosen[host][round] = be16_to(info.local.port);
			for (unsigned i = round / PORTS * PORTS; i < round; i++)
				ck_assert_uint_ne(chosen[host][i], chosen[host][round]);
			tcp_abort(c, 0);
			while ((p = packet_queue_pop(&w.wire)))
				packet_free(w.pool, p);
		}
	ck_assert_int_ne(memcmp(chosen[0], chosen[1], sizeof(chosen[0])), 0);
	tcp_stack_free(stack);
	packet_pool_free(w.pool);
}
END_TEST

START_TEST(test_names)
{
	ck_assert_str_eq(tcp_state_name(TCP_FIN_WAIT_2), "FIN-WAIT-2");
	ck_assert_str_eq(tcp_event_name(TCP_EVENT_ALL_ACKED), "ALL_ACKED");
}
END_TEST

Suite *tcp_suite(void)
{
	Suite *s = suite_create("tcp");
	TCase *tc = tcase_create("two stacks");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, test_seed, 1, 201);
	tcase_add_test(tc, test_same_seed);
	tcase_add_test(tc, test_dead_path);
	tcase_add_test(tc, test_stopped_reader);
	tcase_add_loop_test(tc, test_recovery, 0, 2);
	tcase_add_loop_test(tc, test_crowd, 0, 2);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_ports_in_turn);
	tcase_add_test(tc, test_names);
	suite_add_tcase(s, tc);
	return s;
}
