/* SPDX-License-Identifier: BSD-2-Clause */
/* test_fault.c: a simulated world: links and cores on the way of packets, and
 * what each fault does to it.
 *
 * The ends are answering machines without a state: whatever comes is answered
 * from its own numbers. */
#include "miresga/world.h"
#include "replay_fixture.h"

Suite *fault_suite(void);

#define T0 (UINT64_C(1700000000) * NS_PER_S)
#define MS NS_PER_MS
#define REQUEST "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define SERVER_ISN 5000
#define REPLIES_MAX 64

struct bench {
	struct config *config;
	struct world *world;
	unsigned synacks, responses, resets, syns_at_server, requests_at_server, restarts, wakes;
	uint64_t synack_ns, response_ns, request_ns, wake_ns;
	uint64_t hash; /* of everything on every tap */
	unsigned lost; /* packets that the taps saw end on their way */
	struct control_reply replies[REPLIES_MAX];
	unsigned reply_count;
	bool ask;	      /* clients send a request */
	const char *response; /* of the server */
	/* One fault that is asked for in the middle of a component's work. */
	bool pending;
	struct config_fault fault;
};

static struct endpoint client_of(unsigned port)
{
	return endpoint_make(be32_from(TEST_CLIENT_ADDR), be16_from((uint16_t)(TEST_CLIENT_PORT + port)));
}

/* The answer to a packet: the ends exchanged, numbers as the packet says. */
static struct packet *answer(struct bench *b, const struct packet *p, uint8_t flags, const char *text)
{
	const struct tcp_packet_spec spec = {
		.src = p->phv.dst,
		.dst = p->phv.src,
		.seq = p->phv.tcp_flags & ACK ? p->phv.ack : SERVER_ISN,
		.ack = p->phv.seq + packet_seq_len(p),
		.flags = flags,
		.window = 60000,
		.payload = text,
		.payload_len = text ? strlen(text) : 0,
	};

	return packet_make_tcp(world_pool(b->world), &spec);
}

static void on_client(void *ctx, struct packet *p, uint64_t now_ns)
{
	struct bench *b = ctx;

	if (headers_parse(p) != DROP_NONE)
		return;
	if (p->phv.tcp_flags & RST) {
		b->resets++;
	} else if (p->phv.tcp_flags & SYN) {
		b->synacks++;
		b->synack_ns = now_ns;
		if (b->ask)
			world_client_sends(b->world, answer(b, p, ACK | PSH, REQUEST));
	} else if (p->phv.payload_len) {
		b->responses++;
		b->response_ns = now_ns;
		world_client_sends(b->world, answer(b, p, ACK, NULL));
	}
}

static void on_server(void *ctx, unsigned backend, struct packet *p, uint64_t now_ns)
{
	struct bench *b = ctx;

	if (headers_parse(p) != DROP_NONE)
		return;
	if (p->phv.tcp_flags & SYN) {
		b->syns_at_server++;
		world_server_sends(b->world, backend, answer(b, p, SYN | ACK, NULL));
	} else if (p->phv.payload_len) {
		b->requests_at_server++;
		b->request_ns = now_ns;
		world_server_sends(b->world, backend, answer(b, p, ACK | PSH, b->response));
	}
}

static void on_tap(void *ctx, enum tap_kind kind, unsigned index, bool towards_server, const uint8_t *frame,
		   uint32_t len, const struct packet *p, uint64_t now_ns)
{
	struct bench *b = ctx;
	uint64_t what = (uint64_t)kind << 40 | index << 16 | p->drop << 8 | towards_server;

	b->lost += p->fate == FATE_DROP && drop_on_the_way(p->drop);
	b->hash = hash_mix64(b->hash ^ now_ns) + what;
	for (uint32_t i = 0; i < len; i++)
		b->hash = hash_mix64(b->hash + frame[i]);
	if (b->pending && kind == TAP_FRONTEND && towards_server) {
		b->pending = false;
		world_fault(b->world, &b->fault);
	}
}

static void on_control(void *ctx, const struct control_op *op, const struct control_reply *reply, uint64_t now_ns)
{
	struct bench *b = ctx;

	(void)op;
	(void)now_ns;
	if (reply && b->reply_count < REPLIES_MAX)
		b->replies[b->reply_count++] = *reply;
}

static void on_restart(void *ctx, unsigned backend, uint64_t now_ns)
{
	struct bench *b = ctx;

	(void)backend;
	(void)now_ns;
	b->restarts++;
}

static void on_wake(void *ctx, uint64_t now_ns)
{
	struct bench *b = ctx;

	b->wakes++;
	b->wake_ns = now_ns;
}

static struct bench *bench_create(void)
{
	struct bench *b = calloc(1, sizeof(*b));

	ck_assert_ptr_nonnull(b);
	b->config = replay_config();
	b->config->vip = endpoint_of(TEST_VIP);
	b->config->frontends.count = 1;
	b->config->simulation.client_link.delay_ns = MS;
	b->ask = true;
	b->response = RESPONSE;
	return b;
}

static void bench_start(struct bench *b, bool simulated)
{
	const struct world_hooks hooks = {
		.ctx = b,
		.client_received = on_client,
		.server_received = on_server,
		.tap = on_tap,
		.control = on_control,
		.agent_restarted = on_restart,
		.wake = on_wake,
		.simulated = simulated,
	};

	b->world = world_create(b->config, &hooks);
	ck_assert_ptr_nonnull(b->world);
	world_run(b->world, T0);
}

static void bench_free(struct bench *b)
{
	world_free(b->world);
	free(b->config);
	free(b);
}

static void client_syn(struct bench *b, unsigned port)
{
	const struct tcp_packet_spec spec = {
		.src = client_of(port), .dst = b->config->vip, .seq = 1000, .flags = SYN, .window = 60000
	};
	struct packet *p = packet_make_tcp(world_pool(b->world), &spec);

	ck_assert_ptr_nonnull(p);
	world_client_sends(b->world, p);
}

static void begin(struct bench *b, enum sim_fault what, uint64_t for_ns, uint32_t factor)
{
	world_fault(b->world, &(struct config_fault){ .what = what, .for_ns = for_ns, .factor = factor });
}

static uint64_t drops(const struct bench *b, enum drop_reason why)
{
	return world_drops(b->world)[why];
}

static void assert_nothing_left(struct bench *b)
{
	world_run(b->world, world_now(b->world) + config_longest_timeout(b->config));
	ck_assert_uint_eq(world_leftovers(b->world), 0);
}

/* --- links and cores on the way
 * ------------------------------------------------------------------- */

/* SYN and SYN-ACK cross the client's link, and nothing else: twice delay and
 * transmission. */
START_TEST(test_round_trip)
{
	struct bench *b = bench_create();
	struct link_stats out, back;

	b->config->simulation.client_link.rate = NS_PER_S; /* a bit a nanosecond */
	b->config->simulation.client_link.queue = 10000;
	b->ask = false;
	bench_start(b, true);
	client_syn(b, 0);
	ck_assert_uint_eq(world_next_due(b->world), T0 + MS + 54 * 8);
	world_run(b->world, T0 + 2 * MS);
	ck_assert_uint_eq(b->synacks, 0);
	ck_assert_uint_eq(world_leftovers(b->world), 1); /* the SYN-ACK, in flight */
	world_run(b->world, T0 + 3 * MS);
	world_link_stats(b->world, TAP_CLIENT, true, &out);
	world_link_stats(b->world, TAP_CLIENT, false, &back);
	ck_assert_uint_eq(out.packets, 1);
	ck_assert_uint_eq(out.bytes, 54);
	ck_assert_uint_eq(back.packets, 1);
	ck_assert_uint_eq(b->synack_ns, T0 + 2 * MS + (54 + back.bytes) * 8);
	ck_assert_uint_eq(world_leftovers(b->world), 0);
	bench_free(b);
}
END_TEST

/* Not simulated: the same configuration takes no time. */
START_TEST(test_not_simulated)
{
	struct bench *b = bench_create();

	b->config->simulation.frontend_cpu.packet_ns = MS;
	b->config->simulation.client_link.loss = CHANCE_ALWAYS;
	bench_start(b, false);
	client_syn(b, 0);
	world_run(b->world, T0);
	ck_assert_uint_eq(b->response_ns, T0);
	bench_free(b);
}
END_TEST

/* A request passes the front-end's core, and that of the server in both
 * directions. */
START_TEST(test_cores)
{
	struct bench *b = bench_create();
	uint64_t requested;

	b->config->simulation.frontend_cpu = (struct config_cpu){ .packet_ns = 10000, .queue = 100 };
	b->config->simulation.server_cpu = (struct config_cpu){ .packet_ns = 300, .queue = 100 };
	bench_start(b, true);
	client_syn(b, 0);
	world_run(b->world, T0 + 10 * MS);
	/* The request reaches its front-end after 3 delays. There, and for its
	 * SYN-ACK, the front-end's core; the SYN, its answer and the request are the
	 * server's. */
	requested = T0 + 3 * MS + 2 * 10000 + 3 * 300;
	ck_assert_uint_eq(b->request_ns, requested);
	ck_assert_uint_eq(b->response_ns, requested + 300 + 10000 + MS);
	/* request, SYN-ACK, response, last ACK; into the stack SYN, request, ACK, out
	 * of it SYN-ACK and response */
	ck_assert_uint_eq(world_frontend_cpu(b->world, 0)->packets, 4);
	ck_assert_uint_eq(world_frontend_cpu(b->world, 0)->busy_ns, 40000);
	ck_assert_uint_eq(world_server_cpu(b->world, 0)->packets, 5);
	ck_assert_uint_eq(world_server_cpu(b->world, 1)->packets, 0);
	bench_free(b);
}
END_TEST

START_TEST(test_core_full)
{
	struct bench *b = bench_create();

	b->config->simulation.frontend_cpu = (struct config_cpu){ .packet_ns = MS, .queue = 3 };
	bench_start(b, true);
	for (unsigned i = 0; i < 10; i++)
		client_syn(b, i);
	world_run(b->world, T0 + 3 * MS);
	ck_assert_uint_eq(b->synacks, 10);
	ck_assert_uint_eq(drops(b, DROP_CORE_BUSY), 6);
	ck_assert_uint_eq(world_frontend_cpu(b->world, 0)->drops, 6);
	ck_assert_uint_eq(b->lost, 6);
	assert_nothing_left(b);
	bench_free(b);
}
END_TEST

/* Links that do all they can: what was put on them arrived, or is counted. */
static void trouble(struct bench *b, uint64_t seed, unsigned clients)
{
	const struct config_link bad = { .rate = 100000000,
					 .delay_ns = 100000,
					 .queue = 20000,
					 .loss = 50000000,
					 .duplicate = 50000000,
					 .reorder = 50000000,
					 .reorder_ns = MS,
					 .spike = 1000000,
					 .spike_ns = 5 * MS,
					 .corrupt = 20000000 };

	b->config->seed = seed;
	b->config->simulation.client_link = b->config->simulation.frontend_link = b->config->simulation.backend_link =
		bad;
	bench_start(b, true);
	for (unsigned i = 0; i < clients; i++) {
		client_syn(b, i);
		world_run(b->world, T0 + i * 10000);
	}
}

START_TEST(test_conserved)
{
	struct bench *b = bench_create();
	struct link_stats s;
	uint64_t lost = 0, full = 0, arrived = 0;

	trouble(b, 1, 3000);
	world_run(b->world, T0 + NS_PER_S);
	for (unsigned tap = TAP_CLIENT; tap <= TAP_WIRE; tap++)
		for (unsigned out = 0; out < 2; out++) {
			world_link_stats(b->world, tap, out, &s);
			ck_assert_uint_gt(s.lost + s.queue_drops, 0);
			lost += s.lost;
			full += s.queue_drops;
			arrived += s.packets + s.duplicated - s.lost - s.queue_drops;
		}
	ck_assert_uint_eq(drops(b, DROP_LINK_LOST), lost);
	ck_assert_uint_eq(drops(b, DROP_QUEUE_FULL), full);
	ck_assert_uint_eq(b->lost, lost + full);
	/* Every packet that arrived was consumed; those of the stacks cross no link.
	 */
	ck_assert_uint_ge(world_events(b->world), arrived);
	ck_assert_uint_eq(switch_stats(world_switch(b->world))->control_depth, 0);
	ck_assert_uint_eq(packet_pool_used(world_pool(b->world)), 0);
	ck_assert_uint_eq(drops(b, DROP_NO_PACKET), 0);
	assert_nothing_left(b);
	bench_free(b);
}
END_TEST

static uint64_t history(uint64_t seed, uint16_t batch)
{
	struct bench *b = bench_create();
	uint64_t hash;

	b->config->sw.batch = batch;
	trouble(b, seed, 300);
	world_run(b->world, T0 + 10 * NS_PER_S);
	hash = b->hash;
	bench_free(b);
	return hash;
}

/* Same seed, same bytes at the same nanosecond on every tap, whatever the batch
 * size. */
START_TEST(test_seeds)
{
	uint64_t one = history(1, 1);

	ck_assert_uint_eq(one, history(1, 1));
	ck_assert_uint_eq(one, history(1, BATCH_MAX));
	ck_assert_uint_ne(one, history(2, 1));
}
END_TEST

/* The host is called once, when it said last. */
START_TEST(test_host_wake)
{
	struct bench *b = bench_create();

	bench_start(b, true);
	world_host_wake(b->world, T0 + 7);
	ck_assert_uint_eq(world_next_due(b->world), T0 + 7);
	world_host_wake(b->world, T0 + 5);
	world_run(b->world, T0 + MS);
	ck_assert_uint_eq(b->wakes, 1);
	ck_assert_uint_eq(b->wake_ns, T0 + 5);
	world_host_wake(b->world, T0 + 2 * MS);
	world_host_wake(b->world, TIME_NEVER);
	world_run(b->world, T0 + 3 * MS);
	ck_assert_uint_eq(b->wakes, 1);
	bench_free(b);
}
END_TEST

/* --- the control plane
 * -----------------------------------------------------------------------------
 */

static void ask(struct bench *b, enum control_kind kind, unsigned port, uint32_t serial)
{
	ck_assert(world_ask_control(b->world,
				    &(struct control_op){ .client = client_of(port), .kind = kind, .serial = serial }));
}

START_TEST(test_control_stall)
{
	struct bench *b = bench_create();

	bench_start(b, true);
	begin(b, SIM_FAULT_CONTROL_STALL, 50 * MS, 0);
	ask(b, CONTROL_ADD, 1, 1);
	world_run(b->world, T0 + 50 * MS - 1);
	ck_assert_uint_eq(b->reply_count, 0);
	world_run(b->world, T0 + 50 * MS);
	ck_assert_uint_eq(b->reply_count, 1);
	begin(b, SIM_FAULT_CONTROL_STALL, 0, 0); /* for good */
	ask(b, CONTROL_DELETE, 1, 1);
	world_run(b->world, T0 + 3600 * NS_PER_S);
	ck_assert_uint_eq(b->reply_count, 1);
	ck_assert_uint_eq(world_leftovers(b->world), 2);
	bench_free(b);
}
END_TEST

/* Latency 1 ms, ten times as much for 100 ms. */
START_TEST(test_control_slow)
{
	struct bench *b = bench_create();
	uint64_t interval;

	b->config->sw.insertion_latency_ns = MS;
	b->config->sw.insertion_rate = 1000000;
	interval = 1000;
	bench_start(b, true);
	begin(b, SIM_FAULT_CONTROL_SLOW, 100 * MS, 10);
	ask(b, CONTROL_ADD, 1, 1);
	ask(b, CONTROL_ADD, 2, 2);
	world_run(b->world, T0 + 200 * MS);
	ck_assert_uint_eq(b->replies[0].applied_ns, T0 + 10 * MS);
	ck_assert_uint_eq(b->replies[1].applied_ns, T0 + 10 * MS + 10 * interval);
	ask(b, CONTROL_ADD, 3, 3);
	world_run(b->world, T0 + 300 * MS);
	ck_assert_uint_eq(b->replies[2].applied_ns, T0 + 201 * MS);
	bench_free(b);
}
END_TEST

START_TEST(test_table_full)
{
	struct bench *b = bench_create();

	bench_start(b, true);
	ask(b, CONTROL_ADD, 0, 1);
	world_run(b->world, T0 + 10 * MS);
	begin(b, SIM_FAULT_TABLE_FULL, 100 * MS, 0);
	ask(b, CONTROL_ADD, 0, 2);
	ask(b, CONTROL_ADD, 1, 3);
	ask(b, CONTROL_DELETE, 0, 4);
	world_run(b->world, T0 + 200 * MS);
	ask(b, CONTROL_ADD, 1, 5);
	world_run(b->world, T0 + 300 * MS);
	ck_assert_uint_eq(b->replies[1].status, CONTROL_EXISTS);
	ck_assert_uint_eq(b->replies[2].status, CONTROL_FULL);
	ck_assert_uint_eq(b->replies[3].status, CONTROL_OK);
	ck_assert_uint_eq(b->replies[4].status, CONTROL_OK);
	ck_assert_uint_eq(switch_stats(world_switch(b->world))->add_full, 1);
	bench_free(b);
}
END_TEST

/* Operations of one key keep their order, others do not; nothing takes effect
 * before its latency has passed. */
START_TEST(test_control_reorder)
{
	struct bench *b = bench_create();
	unsigned overtaken = 0;
	uint32_t last[4] = { 0 };

	bench_start(b, true);
	begin(b, SIM_FAULT_CONTROL_REORDER, 0, 0);
	for (uint32_t i = 0; i < 40; i++)
		ask(b, i % 8 < 4 ? CONTROL_ADD : CONTROL_DELETE, i % 4, i + 1);
	world_run(b->world, T0 + NS_PER_S);
	ck_assert_uint_eq(b->reply_count, 40);
	for (unsigned i = 0; i < 40; i++) {
		const struct control_reply *r = &b->replies[i];
		unsigned key = be16_to(r->op.client.port) - TEST_CLIENT_PORT;

		ck_assert_uint_eq(r->status, CONTROL_OK);
		ck_assert_uint_gt(r->op.serial, last[key]);
		ck_assert_uint_ge(r->applied_ns, r->asked_ns + b->config->sw.insertion_latency_ns);
		last[key] = r->op.serial;
		overtaken += i > 0 && r->op.serial < b->replies[i - 1].op.serial;
	}
	ck_assert_uint_gt(overtaken, 3);
	bench_free(b);
}
END_TEST

/* --- front-ends
 * --------------------------------------------------------------------------------------
 */

/* A flow with an entry; then its front-end dies for 10 ms. */
static struct bench *flow_with_entry(void)
{
	struct bench *b = bench_create();

	b->config->rules[1].offload = OFFLOAD_ALWAYS;
	b->config->sw.insertion_latency_ns = MS;
	bench_start(b, true);
	client_syn(b, 0);
	world_run(b->world, T0 + 20 * MS);
	ck_assert_uint_eq(b->responses, 1);
	ck_assert_int_eq(switch_lookup(world_switch(b->world), client_of(0)), 0);
	ck_assert_uint_eq(frontend_stats(world_frontend(b->world, 0))->flows, 1);
	return b;
}

START_TEST(test_frontend_kill)
{
	struct bench *b = flow_with_entry();

	begin(b, SIM_FAULT_FRONTEND_KILL, 10 * MS, 0);
	ck_assert_uint_eq(world_fault_stats(b->world)->flows_lost, 1);
	ck_assert_uint_eq(frontend_stats(world_frontend(b->world, 0))->flows, 0);
	client_syn(b, 1); /* the switch answers; the request is lost */
	world_run(b->world, T0 + 30 * MS);
	ck_assert_uint_eq(b->synacks, 2);
	ck_assert_uint_eq(b->requests_at_server, 1);
	ck_assert_uint_eq(drops(b, DROP_DOWN), 1);
	ck_assert_int_eq(switch_lookup(world_switch(b->world), client_of(0)), 0); /* works on */
	/* Back only when its old entry is gone. */
	client_syn(b, 2);
	world_run(b->world, T0 + 31 * MS);
	ck_assert_int_eq(switch_lookup(world_switch(b->world), client_of(0)), -1);
	ck_assert_uint_eq(world_fault_stats(b->world)->entries_deleted, 1);
	world_run(b->world, T0 + 40 * MS);
	ck_assert_uint_eq(b->requests_at_server, 2);
	ck_assert_uint_eq(b->responses, 2);
	ck_assert_uint_eq(frontend_stats(world_frontend(b->world, 0))->flows, 1);
	assert_nothing_left(b);
	bench_free(b);
}
END_TEST

/* The add is asked for, the front-end dies, comes back, and only then it takes
 * effect: its reply is nobody's, and the entry is deleted before the front-end
 * takes packets again. */
START_TEST(test_frontend_kill_with_add_waiting)
{
	struct bench *b = bench_create();

	b->config->rules[1].offload = OFFLOAD_ALWAYS;
	b->config->sw.insertion_latency_ns = 50 * MS;
	bench_start(b, true);
	client_syn(b, 0);
	world_run(b->world, T0 + 20 * MS);
	ck_assert_uint_eq(switch_stats(world_switch(b->world))->control_depth, 1);
	begin(b, SIM_FAULT_FRONTEND_KILL, MS, 0);
	world_run(b->world, T0 + 30 * MS);
	client_syn(b, 1);
	world_run(b->world, T0 + 60 * MS);
	ck_assert_int_eq(switch_lookup(world_switch(b->world), client_of(0)), 0);
	ck_assert_uint_eq(drops(b, DROP_DOWN), 1);
	world_run(b->world, T0 + 110 * MS);
	ck_assert_int_eq(switch_lookup(world_switch(b->world), client_of(0)), -1);
	client_syn(b, 2);
	world_run(b->world, T0 + 200 * MS);
	ck_assert_uint_eq(b->requests_at_server, 2);
	/* Its own add is answered to it: serials begin anew, and are not mistaken. */
	ck_assert_uint_eq(frontend_stats(world_frontend(b->world, 0))->offloads_effective, 1);
	assert_nothing_left(b);
	bench_free(b);
}
END_TEST

/* Two faults of one kind: the longer one decides. For good, until healed. */
START_TEST(test_overlap)
{
	struct bench *b = bench_create();

	bench_start(b, true);
	begin(b, SIM_FAULT_FRONTEND_KILL, 10 * MS, 0);
	begin(b, SIM_FAULT_FRONTEND_KILL, 30 * MS, 0);
	world_run(b->world, T0 + 20 * MS);
	client_syn(b, 0);
	world_run(b->world, T0 + 29 * MS);
	ck_assert_uint_eq(drops(b, DROP_DOWN), 1);
	world_run(b->world, T0 + 30 * MS);
	client_syn(b, 1);
	world_run(b->world, T0 + 40 * MS);
	ck_assert_uint_eq(b->responses, 1);
	begin(b, SIM_FAULT_FRONTEND_KILL, 0, 0);
	world_run(b->world, T0 + 1000 * MS);
	client_syn(b, 2);
	world_run(b->world, T0 + 1010 * MS);
	ck_assert_uint_eq(drops(b, DROP_DOWN), 2);
	world_heal(b->world, SIM_FAULT_FRONTEND_KILL, 0);
	client_syn(b, 3);
	world_run(b->world, T0 + 1020 * MS);
	ck_assert_uint_eq(b->responses, 2);
	ck_assert_uint_eq(world_fault_stats(b->world)->begun[SIM_FAULT_FRONTEND_KILL], 3);
	bench_free(b);
}
END_TEST

/* From within the front-end's own work: it dies when it has done that. */
START_TEST(test_kill_from_a_hook)
{
	struct bench *b = bench_create();

	bench_start(b, _i);
	b->pending = true;
	b->fault = (struct config_fault){ .what = SIM_FAULT_FRONTEND_KILL, .for_ns = MS };
	client_syn(b, 0);
	client_syn(b, 1);
	world_run(b->world, T0 + 20 * MS);
	ck_assert_uint_eq(world_fault_stats(b->world)->begun[SIM_FAULT_FRONTEND_KILL], 1);
	/* The second client's request was there at the same moment: it was handled before. */
	ck_assert_uint_eq(world_fault_stats(b->world)->flows_lost, 2);
	ck_assert_uint_eq(frontend_stats(world_frontend(b->world, 0))->flows, 0);
	assert_nothing_left(b);
	bench_free(b);
}
END_TEST

/* Packets, answers and timers wait; the packets come as soon as it runs again.
 */
START_TEST(test_frontend_pause)
{
	struct bench *b = bench_create();

	b->config->rules[1].offload = OFFLOAD_ALWAYS;
	b->config->sw.insertion_latency_ns = 10 * MS;
	bench_start(b, true);
	client_syn(b, 0);
	world_run(b->world, T0 + 5 * MS); /* response is there, add is asked for */
	ck_assert_uint_eq(b->responses, 1);
	begin(b, SIM_FAULT_FRONTEND_PAUSE, 3600 * NS_PER_S, 0);
	client_syn(b, 1);
	world_run(b->world, T0 + 3600 * NS_PER_S);
	ck_assert_uint_eq(b->responses, 1);
	ck_assert_uint_eq(frontend_stats(world_frontend(b->world, 0))->offloads_effective, 0);
	ck_assert_uint_eq(frontend_stats(world_frontend(b->world, 0))->flows_timed_out, 0);
	ck_assert_uint_eq(frontend_stats(world_frontend(b->world, 0))->flows, 1);
	world_run(b->world, T0 + 3600 * NS_PER_S + 5 * MS);
	ck_assert_uint_eq(frontend_stats(world_frontend(b->world, 0))->offloads_effective, 1);
	/* The cookie of the second handshake is an hour old. */
	ck_assert_uint_eq(frontend_stats(world_frontend(b->world, 0))->drops[DROP_BAD_COOKIE], 1);
	assert_nothing_left(b);
	bench_free(b);
}
END_TEST

/* In the time of a packet's flight nothing is lost, in a world without
 * simulation neither. */
START_TEST(test_short_pause)
{
	struct bench *b = bench_create();

	bench_start(b, _i);
	begin(b, SIM_FAULT_FRONTEND_PAUSE, 50 * MS, 0);
	client_syn(b, 0);
	world_run(b->world, T0 + 49 * MS);
	ck_assert_uint_eq(b->syns_at_server, 0);
	world_run(b->world, T0 + 60 * MS);
	ck_assert_uint_eq(b->response_ns, T0 + (_i ? 51 : 50) * MS);
	assert_nothing_left(b);
	bench_free(b);
}
END_TEST

/* Ten requests at once; the ring into the front-end holds three. */
START_TEST(test_ring_full)
{
	struct bench *b = bench_create();

	if (_i)
		b->config->simulation.frontend_cpu = (struct config_cpu){ .packet_ns = 1000, .queue = 100 };
	bench_start(b, _i);
	begin(b, SIM_FAULT_RING_FULL, 100 * MS, 3);
	for (unsigned i = 0; i < 10; i++)
		client_syn(b, i);
	world_run(b->world, T0 + 20 * MS);
	ck_assert_uint_eq(drops(b, DROP_RING_FULL), 7);
	ck_assert_uint_eq(b->responses, 3);
	world_run(b->world, T0 + 100 * MS);
	for (unsigned i = 10; i < 20; i++)
		client_syn(b, i);
	world_run(b->world, T0 + 200 * MS);
	ck_assert_uint_eq(b->responses, 13);
	bench_free(b);
}
END_TEST

/* --- backends
 * ----------------------------------------------------------------------------------------
 */

START_TEST(test_agent_restart)
{
	struct bench *b = flow_with_entry();
	uint32_t delta;

	ck_assert(agent_lookup(world_agent(b->world, 0), client_of(0), &delta));
	begin(b, SIM_FAULT_AGENT_RESTART, 0, 0);
	ck_assert(!agent_lookup(world_agent(b->world, 0), client_of(0), &delta));
	ck_assert_uint_eq(world_fault_stats(b->world)->agent_entries_lost, 1);
	ck_assert_uint_eq(b->restarts, 1);
	client_syn(b, 1);
	world_run(b->world, T0 + 30 * MS);
	ck_assert_uint_eq(b->responses, 2);
	assert_nothing_left(b);
	bench_free(b);
}
END_TEST

START_TEST(test_backend_dead)
{
	struct bench *b = bench_create();

	bench_start(b, _i);
	client_syn(b, 0);
	world_run(b->world, T0 + 10 * MS);
	begin(b, SIM_FAULT_BACKEND_DEAD, 0, 0);
	client_syn(b, 1);
	world_run(b->world, T0 + 20 * MS);
	ck_assert_uint_eq(drops(b, DROP_DOWN), 1); /* its special SYN */
	ck_assert_uint_eq(b->syns_at_server, 1);
	/* And what it sends itself. */
	world_server_sends(
		b->world, 0,
		packet_make_tcp(world_pool(b->world), &(struct tcp_packet_spec){ .src = b->config->backends[0].address,
										 .dst = client_of(0),
										 .flags = ACK }));
	world_run(b->world, T0 + 30 * MS);
	ck_assert_uint_eq(drops(b, DROP_DOWN), 2);
	world_heal(b->world, SIM_FAULT_BACKEND_DEAD, 0);
	world_run(b->world, T0 + 2 * NS_PER_S); /* the special SYN is repeated */
	ck_assert_uint_eq(b->responses, 2);
	assert_nothing_left(b);
	bench_free(b);
}
END_TEST

START_TEST(test_backend_slow)
{
	struct bench *b = bench_create();

	b->config->simulation.server_cpu = (struct config_cpu){ .packet_ns = 1000, .queue = 100 };
	bench_start(b, true);
	ck_assert_uint_eq(world_server_work(b->world, 0, 500), T0 + 500);
	world_run(b->world, T0 + MS);
	begin(b, SIM_FAULT_BACKEND_SLOW, 5 * MS, 20);
	begin(b, SIM_FAULT_BACKEND_SLOW, 7 * MS, 3);
	ck_assert_uint_eq(world_server_work(b->world, 0, 500), T0 + MS + 10000);
	ck_assert_uint_eq(world_server_work(b->world, 1, 500), T0 + MS + 500);
	world_run(b->world, T0 + 7 * MS);
	ck_assert_uint_eq(world_server_work(b->world, 0, 500), T0 + 7 * MS + 1500);
	world_run(b->world, T0 + 9 * MS);
	ck_assert_uint_eq(world_server_work(b->world, 0, 500), T0 + 9 * MS + 500);
	bench_free(b);
}
END_TEST

START_TEST(test_backend_refuses)
{
	struct bench *b = bench_create();

	bench_start(b, true);
	world_fault(b->world,
		    &(struct config_fault){ .what = SIM_FAULT_BACKEND_REFUSES, .index = 1, .for_ns = 5 * MS });
	ck_assert(!world_backend_refuses(b->world, 0));
	ck_assert(world_backend_refuses(b->world, 1));
	world_run(b->world, T0 + 5 * MS);
	ck_assert(!world_backend_refuses(b->world, 1));
	bench_free(b);
}
END_TEST

/* No fault is forgotten half way: after any of them, for a while, connections
 * are served as before. */
START_TEST(test_all_heal)
{
	struct bench *b = bench_create();

	bench_start(b, true);
	begin(b, _i, 20 * MS, 2);
	client_syn(b, 0);
	world_run(b->world, T0 + 5 * MS);
	begin(b, _i, 5 * MS, 7);
	world_run(b->world, T0 + 100 * MS);
	b->responses = 0;
	client_syn(b, 1);
	world_run(b->world, T0 + 200 * MS);
	ck_assert_uint_eq(b->responses, 1);
	ck_assert_uint_eq(world_fault_stats(b->world)->begun[_i], 2);
	assert_nothing_left(b);
	bench_free(b);
}
END_TEST

START_TEST(test_too_many)
{
	struct bench *b = bench_create();

	bench_start(b, true);
	for (unsigned i = 0; i < 1000; i++)
		begin(b, SIM_FAULT_BACKEND_DEAD, 10 * MS, 0);
	ck_assert_uint_gt(world_fault_stats(b->world)->ignored, 0);
	ck_assert_uint_eq(world_fault_stats(b->world)->ignored +
				  world_fault_stats(b->world)->begun[SIM_FAULT_BACKEND_DEAD],
			  1000);
	world_run(b->world, T0 + 10 * MS);
	client_syn(b, 1);
	world_run(b->world, T0 + 20 * MS);
	ck_assert_uint_eq(b->responses, 1);
	bench_free(b);
}
END_TEST

Suite *fault_suite(void)
{
	Suite *s = suite_create("fault");
	TCase *way = tcase_create("links and cores"), *tc = tcase_create("faults");

	tcase_add_test(way, test_round_trip);
	tcase_add_test(way, test_not_simulated);
	tcase_add_test(way, test_cores);
	tcase_add_test(way, test_core_full);
	tcase_add_test(way, test_conserved);
	tcase_add_test(way, test_seeds);
	tcase_add_test(way, test_host_wake);
	suite_add_tcase(s, way);
	tcase_add_test(tc, test_control_stall);
	tcase_add_test(tc, test_control_slow);
	tcase_add_test(tc, test_table_full);
	tcase_add_test(tc, test_control_reorder);
	tcase_add_test(tc, test_frontend_kill);
	tcase_add_test(tc, test_frontend_kill_with_add_waiting);
	tcase_add_test(tc, test_overlap);
	tcase_add_loop_test(tc, test_kill_from_a_hook, 0, 2);
	tcase_add_test(tc, test_frontend_pause);
	tcase_add_loop_test(tc, test_short_pause, 0, 2);
	tcase_add_loop_test(tc, test_ring_full, 0, 2);
	tcase_add_test(tc, test_agent_restart);
	tcase_add_loop_test(tc, test_backend_dead, 0, 2);
	tcase_add_test(tc, test_backend_slow);
	tcase_add_test(tc, test_backend_refuses);
	tcase_add_loop_test(tc, test_all_heal, 0, SIM_FAULT_COUNT);
	tcase_add_test(tc, test_too_many);
	suite_add_tcase(s, tc);
	return s;
}
