/* SPDX-License-Identifier: BSD-2-Clause */
/* test_control_plane.c: when operations take effect, in which order, with what reply; quirk C3. */
#include <check.h>

#include "switch_fixture.h"

Suite *control_plane_suite(void);

#define US NS_PER_US
#define A 0
#define B 1

static struct endpoint client_of(unsigned i)
{
	return endpoint_make(be32_from(0xc6336400 + i), be16_from(50000));
}

/* One operation: asked when, what, for which client; then its expected effect and status. */
struct op_row {
	uint64_t asked_ns;
	enum control_kind kind;
	unsigned client;
	uint8_t d_index;
	uint64_t applied_ns;
	enum control_status status;
};

static void submit(struct fixture *f, const struct op_row *r, uint32_t serial)
{
	const struct control_op op = {
		.client = client_of(r->client),
		.kind = (uint8_t)r->kind,
		.d_index = r->d_index,
		.serial = serial,
		.frontend = 2,
	};

	ck_assert(switch_control_submit(f->sw, &op, r->asked_ns));
}

/* Latency 1 ms, 200,000 operations a second: 5 us apart. Rows in the order of effect. */
static const struct op_row timing[] = {
	{ 0 * US, CONTROL_ADD, 1, A, 1000 * US, CONTROL_OK },
	{ 0 * US, CONTROL_ADD, 2, B, 1005 * US, CONTROL_OK },
	{ 1 * US, CONTROL_ADD, 1, B, 1010 * US, CONTROL_EXISTS },
	{ 2 * US, CONTROL_DELETE, 3, 0, 1015 * US, CONTROL_MISSING },
	/* the queue is idle again: latency alone */
	{ 100 * US, CONTROL_DELETE, 1, 0, 1100 * US, CONTROL_OK },
	/* delete before add of the same key: a move */
	{ 200 * US, CONTROL_DELETE, 2, 0, 1200 * US, CONTROL_OK },
	{ 200 * US, CONTROL_ADD, 2, A, 1205 * US, CONTROL_OK },
	{ 203 * US, CONTROL_ADD, 4, A, 1210 * US, CONTROL_OK },
};

static void assert_reply(const struct control_reply *got, const struct op_row *want, uint32_t serial)
{
	ck_assert_uint_eq(got->op.serial, serial);
	ck_assert_uint_eq(got->op.frontend, 2);
	ck_assert_uint_eq(got->op.kind, want->kind);
	ck_assert(endpoint_equal(got->op.client, client_of(want->client)));
	ck_assert_uint_eq(got->asked_ns, want->asked_ns);
	ck_assert_uint_eq(got->applied_ns, want->applied_ns);
	ck_assert_uint_eq(got->status, want->status);
}

/* Wakes exactly when told to, one operation at a time. */
START_TEST(test_timing)
{
	struct fixture *f = fixture_create();
	struct control_reply reply;
	const struct switch_stats *st;

	fixture_start(f);
	st = switch_stats(f->sw);
	ck_assert_uint_eq(switch_next_wake(f->sw), TIME_NEVER);
	for (uint32_t i = 0; i < ARRAY_LEN(timing); i++)
		submit(f, &timing[i], i);
	ck_assert_uint_eq(st->control_depth, ARRAY_LEN(timing));
	for (uint32_t i = 0; i < ARRAY_LEN(timing); i++) {
		const struct op_row *r = &timing[i];

		ck_assert_uint_eq(switch_next_wake(f->sw), r->applied_ns);
		ck_assert_uint_eq(switch_control_advance(f->sw, r->applied_ns - 1, &reply, 1), 0);
		if (r->status == CONTROL_OK && r->kind == CONTROL_ADD)
			ck_assert_int_eq(switch_lookup(f->sw, client_of(r->client)), -1);
		ck_assert_uint_eq(switch_control_advance(f->sw, r->applied_ns, &reply, 1), 1);
		assert_reply(&reply, r, i);
		if (r->status == CONTROL_OK)
			ck_assert_int_eq(switch_lookup(f->sw, client_of(r->client)),
					 r->kind == CONTROL_ADD ? r->d_index : -1);
	}
	ck_assert_uint_eq(switch_next_wake(f->sw), TIME_NEVER);
	ck_assert_uint_eq(switch_control_busy(f->sw, 1210 * US), 7 * 5 * US);
	ck_assert_uint_eq(switch_control_busy(f->sw, 1212 * US), 7 * 5 * US + 2 * US);
	ck_assert_uint_eq(switch_control_busy(f->sw, 9000 * US), 8 * 5 * US);
	ck_assert_uint_eq(st->adds, 4);
	ck_assert_uint_eq(st->deletes, 2);
	ck_assert_uint_eq(st->add_exists, 1);
	ck_assert_uint_eq(st->delete_missing, 1);
	ck_assert_uint_eq(st->entries, 2);
	ck_assert_uint_eq(st->entries_peak, 2);
	ck_assert_uint_eq(st->control_depth, 0);
	ck_assert_uint_eq(st->control_depth_peak, ARRAY_LEN(timing));
	fixture_free(f);
}
END_TEST

/* A host that wakes late, and takes what fits, gets the same answers. */
START_TEST(test_late_host)
{
	struct fixture *f = fixture_create();
	struct control_reply replies[3];
	unsigned done = 0, n;

	fixture_start(f);
	for (uint32_t i = 0; i < ARRAY_LEN(timing); i++)
		submit(f, &timing[i], i);
	while ((n = switch_control_advance(f->sw, NS_PER_S, replies, ARRAY_LEN(replies))) > 0)
		for (unsigned i = 0; i < n; i++, done++)
			assert_reply(&replies[i], &timing[done], done);
	ck_assert_uint_eq(done, ARRAY_LEN(timing));
	fixture_free(f);
}
END_TEST

START_TEST(test_queue_full)
{
	struct fixture *f = fixture_create();
	struct control_reply reply;
	const struct control_op op = { .client = client_of(9), .kind = CONTROL_ADD };

	f->config.sw.control_queue = 3;
	fixture_start(f);
	/* around the ring's end and back */
	for (unsigned round = 0; round < 5; round++) {
		unsigned queued = 0;

		while (switch_control_submit(f->sw, &op, 0))
			queued++;
		ck_assert_uint_eq(queued, round ? 1 : 3);
		ck_assert_uint_eq(switch_control_advance(f->sw, NS_PER_S, &reply, 1), 1);
		ck_assert_uint_eq(reply.status, round ? CONTROL_EXISTS : CONTROL_OK);
	}
	fixture_free(f);
}
END_TEST

START_TEST(test_rate_is_never_exceeded)
{
	struct fixture *f = fixture_create();
	struct control_reply replies[4];

	f->config.sw.insertion_rate = 3;
	f->config.sw.insertion_latency_ns = 0;
	fixture_start(f);
	for (uint32_t i = 0; i < 4; i++)
		submit(f, &(const struct op_row){ .kind = CONTROL_ADD, .client = i }, i);
	ck_assert_uint_eq(switch_control_advance(f->sw, 2 * NS_PER_S, replies, 4), 4);
	ck_assert_uint_ge(replies[3].applied_ns - replies[0].applied_ns, NS_PER_S);
	ck_assert_uint_lt(replies[3].applied_ns - replies[0].applied_ns, NS_PER_S + 10);
	fixture_free(f);
}
END_TEST

START_TEST(test_full_table_is_told_and_counted)
{
	struct fixture *f = fixture_create();
	struct control_reply reply;
	uint32_t n = 0;

	f->config.sw.geometry.stages = 1;
	f->config.sw.insertion_rate = 1000000000;
	fixture_start(f);
	do {
		n++;
		submit(f, &(const struct op_row){ .kind = CONTROL_ADD, .client = n }, n);
		ck_assert_uint_eq(switch_control_advance(f->sw, NS_PER_S, &reply, 1), 1);
	} while (reply.status == CONTROL_OK);
	/* One stage: no other place to move to, so full as soon as one bucket is. */
	ck_assert_uint_eq(reply.status, CONTROL_FULL);
	ck_assert_uint_lt(n, 5120);
	ck_assert_uint_eq(switch_stats(f->sw)->add_full, 1);
	ck_assert_uint_eq(switch_stats(f->sw)->adds, n - 1);
	ck_assert_int_eq(switch_lookup(f->sw, client_of(n)), -1);
	fixture_free(f);
}
END_TEST

/* A move from A to B, both parts asked within 100 us. Quirk C3's harm: both
 * parts of the move report success and the switch has no entry. */
static void move_in_one_tick(struct fixture *f, struct control_reply replies[2])
{
	const struct op_row there = { 0, CONTROL_ADD, 1, A, 0, CONTROL_OK };
	const struct op_row leave = { 5010 * US, CONTROL_DELETE, 1, 0, 0, CONTROL_OK };
	const struct op_row enter = { 5020 * US, CONTROL_ADD, 1, B, 0, CONTROL_OK };

	submit(f, &there, 0);
	ck_assert_uint_eq(switch_control_advance(f->sw, 5000 * US, replies, 2), 1);
	ck_assert_int_eq(switch_lookup(f->sw, client_of(1)), A);
	submit(f, &leave, 1);
	submit(f, &enter, 2);
	ck_assert_uint_eq(switch_control_advance(f->sw, NS_PER_S, replies, 2), 2);
	for (unsigned i = 0; i < 2; i++)
		ck_assert_uint_eq(replies[i].status, CONTROL_OK);
}

START_TEST(test_quirk_c3_move)
{
	struct fixture *f = fixture_create();
	struct control_reply replies[2];
	bool quirk = _i;

	f->config.quirks = quirk ? QUIRK_BIT(QUIRK_C3) : 0;
	fixture_start(f);
	move_in_one_tick(f, replies);
	ck_assert_int_eq(switch_lookup(f->sw, client_of(1)), quirk ? -1 : B);
	ck_assert_uint_eq(replies[0].op.kind, quirk ? CONTROL_ADD : CONTROL_DELETE);
	ck_assert_uint_eq(switch_stats(f->sw)->add_exists, quirk);
	fixture_free(f);
}
END_TEST

/* Quirk C3 again: a tick ends at a multiple of 100 us, later ticks stay later, adds keep their order. */
START_TEST(test_quirk_c3_ticks)
{
	static const struct op_row asked[] = {
		{ 10 * US, CONTROL_DELETE, 1, 0, 1110 * US, CONTROL_OK },
		{ 20 * US, CONTROL_ADD, 2, A, 1100 * US, CONTROL_OK },
		{ 99 * US, CONTROL_ADD, 3, B, 1105 * US, CONTROL_OK },
		{ 100 * US, CONTROL_ADD, 4, B, 1200 * US, CONTROL_OK },
	};
	static const unsigned effect[] = { 1, 2, 0, 3 };
	struct fixture *f = fixture_create();
	struct control_reply reply;

	f->config.quirks = QUIRK_BIT(QUIRK_C3);
	fixture_start(f);
	for (uint32_t i = 0; i < ARRAY_LEN(asked); i++)
		submit(f, &asked[i], i);
	for (unsigned i = 0; i < ARRAY_LEN(effect); i++) {
		ck_assert_uint_eq(switch_control_advance(f->sw, switch_next_wake(f->sw), &reply, 1), 1);
		assert_reply(&reply, &asked[effect[i]], effect[i]);
	}
	/* The failed delete is not told, as published. */
	ck_assert_uint_eq(switch_stats(f->sw)->delete_missing, 1);
	fixture_free(f);
}
END_TEST

Suite *control_plane_suite(void)
{
	Suite *s = suite_create("control_plane");
	TCase *tc = tcase_create("control_plane");

	tcase_add_test(tc, test_timing);
	tcase_add_test(tc, test_late_host);
	tcase_add_test(tc, test_queue_full);
	tcase_add_test(tc, test_rate_is_never_exceeded);
	tcase_add_test(tc, test_full_table_is_told_and_counted);
	tcase_add_loop_test(tc, test_quirk_c3_move, 0, 2);
	tcase_add_test(tc, test_quirk_c3_ticks);
	suite_add_tcase(s, tc);
	return s;
}
