/* SPDX-License-Identifier: BSD-2-Clause */
/* test_world.c: the engine: who gets which packet and when, timers, taps, what is full, what is
 * left. And its heap of due times (sim/world/timers.h). */
#include "miresga/checksum.h"
#include "miresga/world.h"
#include "replay_fixture.h"
#include "sim/world/timers.h"

Suite *world_suite(void);

#define T0 (UINT64_C(1700000000) * NS_PER_S)
#define EVENTS_MAX 4096

/* What the hooks saw, in order. */
struct event {
	uint64_t now_ns;
	uint32_t frame, seq;
	uint8_t what; /* 'c' client, 's' server, 't' tap */
	uint8_t tap, index, fate, towards_server;
	uint8_t zero[3]; /* so that events compare bytewise */
};

struct bench {
	struct config *config;
	struct world *world;
	struct event events[EVENTS_MAX];
	unsigned count, notices[16];
	unsigned lost;			 /* packets that a tap saw on a full ring */
	uint32_t isn;			 /* of the last SYN-ACK that a client got */
	unsigned told_lost, told_misled; /* of client 0 */
	bool answer;			 /* the hooks answer a SYN-ACK with an ACK, a SYN with a SYN-ACK */
};

static void record(struct bench *b, struct event e)
{
	if (b->count < EVENTS_MAX)
		b->events[b->count++] = e;
}

/* A packet of a row, at `port` of the client; rows of the server leave the stack of backend 0. */
static struct packet *packet_of(struct bench *b, const struct row *r, uint32_t server_isn)
{
	uint8_t ip[2048];
	uint32_t len = row_datagram(r, (struct isns){ 1000, server_isn }, ip);
	struct packet *p = world_packet(b->world, ETH_HDR_LEN + len);

	if (!p)
		return NULL;
	memset(p->data, 0, ETH_HDR_LEN);
	store_be16(p->data + 12, ETHERTYPE_IPV4);
	memcpy(p->data + ETH_HDR_LEN, ip, len);
	p->frame = r->port + 1;
	return p;
}

static void client_sends(struct bench *b, struct row r)
{
	struct packet *p = packet_of(b, &r, b->isn);

	ck_assert_ptr_nonnull(p);
	world_client_sends(b->world, p);
}

static void on_client(void *ctx, struct packet *p, uint64_t now_ns)
{
	struct bench *b = ctx;

	ck_assert_int_eq(headers_parse(p), DROP_NONE);
	record(b, (struct event){ .now_ns = now_ns, .what = 'c', .frame = p->frame, .seq = p->phv.seq });
	if ((p->phv.tcp_flags & (SYN | ACK)) != (SYN | ACK))
		return;
	b->isn = p->phv.seq;
	if (b->answer) {
		struct row ack = C(0, ACK, 1, 1);

		ack.port = (uint8_t)(be16_to(p->phv.dst.port) - TEST_CLIENT_PORT);
		client_sends(b, ack);
	}
}

static void on_server(void *ctx, unsigned backend, struct packet *p, uint64_t now_ns)
{
	struct bench *b = ctx;

	record(b, (struct event){ .now_ns = now_ns, .what = 's', .frame = p->frame, .index = (uint8_t)backend });
}

static void on_notice(void *ctx, const struct frontend_notice *n, uint64_t now_ns)
{
	struct bench *b = ctx;

	(void)now_ns;
	b->notices[n->kind]++;
}

static void on_tap(void *ctx, enum tap_kind kind, unsigned index, bool towards_server, const uint8_t *frame,
		   uint32_t len, const struct packet *p, uint64_t now_ns)
{
	struct bench *b = ctx;

	ck_assert_uint_ge(len, ETH_HDR_LEN + IPV4_HDR_MIN + TCP_HDR_MIN);
	b->lost += p->fate == FATE_DROP && p->drop == DROP_RING_FULL && kind == TAP_CLIENT && towards_server;
	record(b, (struct event){ .now_ns = now_ns,
				  .what = 't',
				  .frame = p->frame,
				  .seq = load_be32(frame + ETH_HDR_LEN + IPV4_HDR_MIN + 4),
				  .tap = (uint8_t)kind,
				  .index = (uint8_t)index,
				  .fate = p->fate,
				  .towards_server = towards_server });
}

static void on_lost(void *ctx, struct endpoint client, uint64_t now_ns)
{
	struct bench *b = ctx;

	(void)now_ns;
	b->told_lost += be16_to(client.port) == TEST_CLIENT_PORT;
}

static void on_misled(void *ctx, struct endpoint client, uint64_t now_ns)
{
	struct bench *b = ctx;

	(void)now_ns;
	b->told_misled += be16_to(client.port) == TEST_CLIENT_PORT;
}

static void bench_init(struct bench *b, uint16_t batch, bool taps)
{
	struct world_hooks hooks = {
		.ctx = b,
		.client_received = on_client,
		.server_received = on_server,
		.notice = on_notice,
		.tap = taps ? on_tap : NULL,
	};

	memset(b, 0, sizeof(*b));
	b->config = replay_config();
	b->config->vip = endpoint_of(TEST_VIP);
	b->config->frontends.count = 3;
	if (batch)
		b->config->sw.batch = batch;
	b->world = world_create(b->config, &hooks);
	ck_assert_ptr_nonnull(b->world);
	world_run(b->world, T0);
}

static void bench_fini(struct bench *b)
{
	world_free(b->world);
	free(b->config);
}

/* The switch alone answers a SYN; nothing of it is left. */
START_TEST(test_syn)
{
	struct bench b;

	bench_init(&b, 0, false);
	client_sends(&b, (struct row)C(0, SYN, 0, 0));
	ck_assert_uint_eq(b.count, 0);
	ck_assert_uint_eq(world_leftovers(b.world), 1); /* the packet in the ring */
	world_run(b.world, T0);
	ck_assert_uint_eq(b.count, 1);
	ck_assert_uint_eq(b.events[0].what, 'c');
	ck_assert_uint_eq(b.events[0].now_ns, T0);
	ck_assert_uint_eq(world_leftovers(b.world), 0);
	bench_fini(&b);
}
END_TEST

/* A flow is left until its timeout has passed, to the nanosecond of the timer. */
START_TEST(test_timeout)
{
	struct bench b;

	bench_init(&b, 0, false);
	b.answer = true;
	client_sends(&b, (struct row)C(0, SYN, 0, 0));
	world_run(b.world, T0);
	ck_assert_uint_eq(world_leftovers(b.world), 1);
	world_run(b.world, T0 + b.config->timeouts.request_ns - 1);
	ck_assert_uint_eq(b.notices[NOTICE_TIMED_OUT], 0);
	world_run(b.world, T0 + config_longest_timeout(b.config));
	ck_assert_uint_eq(b.notices[NOTICE_TIMED_OUT], 1);
	ck_assert_uint_eq(world_leftovers(b.world), 0);
	bench_fini(&b);
}
END_TEST

START_TEST(test_time_never_goes_back)
{
	struct bench b;

	bench_init(&b, 0, false);
	world_run(b.world, T0 + 5);
	client_sends(&b, (struct row)C(0, SYN, 0, 0));
	world_run(b.world, T0);
	ck_assert_uint_eq(world_now(b.world), T0 + 5);
	ck_assert_uint_eq(b.events[0].now_ns, T0 + 5);
	bench_fini(&b);
}
END_TEST

/* Packets are handled at the moment at which they were put in, not at that to which time moves. */
START_TEST(test_packets_before_time)
{
	struct bench b;

	bench_init(&b, 0, false);
	client_sends(&b, (struct row)C(0, SYN, 0, 0));
	world_run(b.world, T0 + NS_PER_S);
	ck_assert_uint_eq(b.events[0].now_ns, T0);
	bench_fini(&b);
}
END_TEST

/* The same packets give the same taps in the same order, whatever the batch size. */
START_TEST(test_batches)
{
	static const uint16_t sizes[] = { 2, 7, BATCH_MAX };
	struct bench *one = malloc(sizeof(*one)), *many = malloc(sizeof(*many));

	ck_assert(one && many);
	bench_init(one, 1, true);
	one->answer = true;
	for (unsigned port = 0; port < 100; port++)
		client_sends(one, (struct row)C(0, SYN, 0, 0, .port = (uint8_t)port));
	world_run(one->world, T0);
	ck_assert_uint_eq(one->count, 100u * (1 + 1 + 1 + 1 + 1)); /* SYN, SYN-ACK twice (hook and tap), ACK twice */
	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
		bench_init(many, sizes[i], true);
		many->answer = true;
		for (unsigned port = 0; port < 100; port++)
			client_sends(many, (struct row)C(0, SYN, 0, 0, .port = (uint8_t)port));
		world_run(many->world, T0);
		ck_assert_uint_eq(many->count, one->count);
		for (unsigned e = 0; e < one->count; e++)
			ck_assert_msg(!memcmp(&one->events[e], &many->events[e], sizeof(one->events[e])),
				      "batch %u: event %u differs", sizes[i], e);
		bench_fini(many);
	}
	bench_fini(one);
	free(one);
	free(many);
}
END_TEST

/* A tap shows the frame as it came, and what became of the packet. */
START_TEST(test_tap)
{
	struct bench b;

	bench_init(&b, 0, true);
	client_sends(&b, (struct row)C(0, SYN | FIN, 7, 0));
	client_sends(&b, (struct row)C(0, SYN, 9, 0));
	world_run(b.world, T0);
	ck_assert_uint_eq(b.count, 4);
	ck_assert_uint_eq(b.events[0].fate, FATE_DROP);
	ck_assert_uint_eq(b.events[0].seq, 1007);
	ck_assert_uint_eq(b.events[1].fate, FATE_FORWARD); /* it has become the SYN-ACK; the frame is still the SYN */
	ck_assert_uint_eq(b.events[1].seq, 1009);
	ck_assert(b.events[1].towards_server && b.events[1].tap == TAP_CLIENT);
	ck_assert_uint_eq(b.events[2].what, 'c');
	ck_assert(b.events[3].what == 't' && !b.events[3].towards_server && b.events[3].tap == TAP_CLIENT);
	bench_fini(&b);
}
END_TEST

START_TEST(test_ring_full)
{
	struct bench b;
	uint64_t lost;

	bench_init(&b, 0, false);
	for (unsigned i = 0; i < 5000; i++)
		client_sends(&b, (struct row)C(0, SYN, 0, 0));
	lost = world_drops(b.world)[DROP_RING_FULL];
	ck_assert_uint_gt(lost, 0);
	world_run(b.world, T0);
	ck_assert_uint_eq(b.count + lost, 5000);
	ck_assert_uint_eq(packet_pool_used(world_pool(b.world)), 0);
	bench_fini(&b);
}
END_TEST

/* What finds no place on a ring is not lost on who looks. */
START_TEST(test_ring_full_is_seen)
{
	struct bench b;

	bench_init(&b, 0, true);
	for (unsigned i = 0; i < 5000; i++)
		client_sends(&b, (struct row)C(0, SYN, 0, 0));
	ck_assert_uint_gt(b.lost, 0);
	ck_assert_uint_eq(b.lost, world_drops(b.world)[DROP_RING_FULL]);
	world_run(b.world, T0);
	bench_fini(&b);
}
END_TEST

START_TEST(test_pool_empty)
{
	struct packet *first = NULL, *p;
	struct bench b;

	bench_init(&b, 0, false);
	while ((p = world_packet(b.world, 100))) {
		p->next = first;
		first = p;
	}
	ck_assert_uint_eq(world_drops(b.world)[DROP_NO_PACKET], 1);
	ck_assert_uint_eq(world_leftovers(b.world), packet_pool_used(world_pool(b.world)));
	for (; first; first = p) {
		p = first->next;
		world_release(b.world, first);
	}
	ck_assert_uint_eq(world_leftovers(b.world), 0);
	bench_fini(&b);
}
END_TEST

/* What a stack sends for no flow goes through its agent, switch, front-end and switch, untouched, to the client. */
START_TEST(test_stack_without_flow)
{
	struct bench b;
	struct row r = S(0, PSH | ACK, 5, 5, .data = "x");
	struct packet *p;
	struct tcp_packet_spec spec;

	bench_init(&b, 0, true);
	p = packet_of(&b, &r, 77);
	ck_assert_int_eq(headers_parse(p), DROP_NONE);
	spec = (struct tcp_packet_spec){
		.src = b.config->backends[1].address, .dst = p->phv.dst, .seq = 3, .flags = ACK
	};
	world_release(b.world, p);
	p = packet_make_tcp(world_pool(b.world), &spec);
	world_server_sends(b.world, 1, p);
	world_run(b.world, T0);
	ck_assert_uint_eq(b.count, 6);
	ck_assert(b.events[0].tap == TAP_STACK && b.events[0].index == 1 && !b.events[0].towards_server);
	ck_assert(b.events[1].tap == TAP_WIRE && b.events[1].index == 1 && !b.events[1].towards_server);
	ck_assert(b.events[2].tap == TAP_FRONTEND && b.events[2].towards_server);
	ck_assert(b.events[3].tap == TAP_FRONTEND && !b.events[3].towards_server);
	ck_assert(b.events[4].what == 'c' && b.events[4].seq == 3);
	ck_assert_uint_eq(world_leftovers(b.world), 0);
	bench_fini(&b);
}
END_TEST

/* What a link takes away from a client's connection is told, and what an agent may misunderstand. */
START_TEST(test_losses_are_told)
{
	/* The link that is as bad as can be; what is told of a request: at least, at most. */
	static const struct {
		size_t link;
		bool corrupt;
		unsigned lost, misled;
	} rows[] = {
		{ offsetof(struct config_simulation, client_link), false, 1, 0 },   /* the SYN */
		{ offsetof(struct config_simulation, frontend_link), false, 1, 0 }, /* the ACK */
		{ offsetof(struct config_simulation, backend_link), false, 1, 0 },  /* the special SYN */
		{ offsetof(struct config_simulation, backend_link), true, 1, 1 },
	};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		unsigned lost = 0, misled = 0;

		for (unsigned seed = 1; seed <= 20; seed++) {
			struct bench b = { .answer = true };
			struct world_hooks hooks = { .ctx = &b,
						     .simulated = true,
						     .client_received = on_client,
						     .server_received = on_server,
						     .lost = on_lost,
						     .agent_misled = on_misled };
			struct config_link *link;
			struct row request = C(0, ACK, 1, 1, .data = "GET / HTTP/1.1\r\nHost: a\r\n\r\n");

			b.config = replay_config();
			b.config->vip = endpoint_of(TEST_VIP);
			b.config->seed = seed;
			link = (void *)((char *)&b.config->simulation + rows[i].link);
			*(rows[i].corrupt ? &link->corrupt : &link->loss) = CHANCE_ALWAYS;
			b.world = world_create(b.config, &hooks);
			ck_assert_ptr_nonnull(b.world);
			world_run(b.world, T0);
			client_sends(&b, (struct row)C(0, SYN, 0, 0));
			world_run(b.world, T0);
			if (b.count > 0)
				client_sends(&b, request);
			world_run(b.world, T0);
			lost += b.told_lost > 0;
			misled += b.told_misled > 0;
			bench_fini(&b);
		}
		ck_assert_msg(lost == 20 * rows[i].lost, "row %u: %u of 20", i, lost);
		/* A flipped bit may also hit the header's length, the flags, or the port. */
		ck_assert(rows[i].misled ? misled > 10 : misled == 0);
	}
}
END_TEST

START_TEST(test_timers)
{
	struct timers t;
	uint64_t state = 1, due[50];

	ck_assert_int_eq(timers_init(&t, ARRAY_LEN(due)), 0);
	ck_assert_uint_eq(timers_due(&t), TIME_NEVER);
	for (unsigned i = 0; i < ARRAY_LEN(due); i++)
		due[i] = TIME_NEVER;
	for (unsigned step = 0; step < 5000; step++) {
		unsigned id, first = 0;

		state = hash_mix64(state + step);
		id = (unsigned)(state % ARRAY_LEN(due));
		due[id] = state >> 32 & 1 ? TIME_NEVER : state >> 40 & 15;
		timers_set(&t, id, due[id]);
		for (unsigned i = 1; i < ARRAY_LEN(due); i++)
			if (due[i] < due[first])
				first = i;
		ck_assert_uint_eq(timers_due(&t), due[first]);
		ck_assert_uint_eq(timers_first(&t), first); /* of equals, the lower id */
	}
	timers_fini(&t);
}
END_TEST

Suite *world_suite(void)
{
	Suite *s = suite_create("world");
	TCase *tc = tcase_create("world");

	tcase_add_test(tc, test_syn);
	tcase_add_test(tc, test_timeout);
	tcase_add_test(tc, test_time_never_goes_back);
	tcase_add_test(tc, test_packets_before_time);
	tcase_add_test(tc, test_batches);
	tcase_add_test(tc, test_tap);
	tcase_add_test(tc, test_ring_full);
	tcase_add_test(tc, test_ring_full_is_seen);
	tcase_add_test(tc, test_pool_empty);
	tcase_add_test(tc, test_stack_without_flow);
	tcase_add_test(tc, test_losses_are_told);
	tcase_add_test(tc, test_timers);
	suite_add_tcase(s, tc);
	return s;
}
