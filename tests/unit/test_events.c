/* SPDX-License-Identifier: BSD-2-Clause */
/* test_events.c: the simulator's heap of events, and the growing rings in front
 * of lines and cores. */
#include <check.h>
#include <stdlib.h>

#include "miresga/hash.h"
#include "sim/world/events.h"
#include "sim/world/fifo.h"

Suite *events_suite(void);

#define COUNT 3000

static struct event due(uint64_t due_ns, uint32_t where)
{
	return (struct event){ .due_ns = due_ns, .where = where };
}

/* Few distinct times, so that many events share one: what comes out is a stable
 * sort of what went in. */
START_TEST(test_order)
{
	struct event in[COUNT];
	bool taken[COUNT] = { false };
	struct events e;

	events_init(&e, COUNT);
	ck_assert_uint_eq(events_due(&e), TIME_NEVER);
	for (uint32_t i = 0; i < COUNT; i++) {
		in[i] = due(hash_mix64(i) % 97, i);
		ck_assert(events_add(&e, &in[i]));
	}
	for (uint32_t n = 0; n < COUNT; n++) {
		uint32_t first = UINT32_MAX;
		struct event out;

		for (uint32_t i = 0; i < COUNT; i++)
			if (!taken[i] && (first == UINT32_MAX || in[i].due_ns < in[first].due_ns))
				first = i;
		ck_assert_uint_eq(events_due(&e), in[first].due_ns);
		out = events_take(&e);
		ck_assert_uint_eq(out.where, first);
		taken[first] = true;
	}
	ck_assert_uint_eq(e.count, 0);
	events_fini(&e);
}
END_TEST

/* Added and taken in turn, as a run does: never one out of order, and equals by
 * insertion. */
START_TEST(test_steady)
{
	uint64_t state = 1, now = 0, last_number = 0;
	struct events e;

	events_init(&e, 500);
	for (uint32_t i = 0; i < 500; i++)
		ck_assert(events_add(&e, &(struct event){ .due_ns = i % 7 }));
	for (uint32_t i = 0; i < 20000; i++) {
		struct event out = events_take(&e);

		ck_assert_uint_ge(out.due_ns, now);
		ck_assert(out.due_ns > now || i == 0 || out.number > last_number);
		now = out.due_ns;
		last_number = out.number;
		state = hash_mix64(state + i);
		out.due_ns = now + 1 + state % 5;
		ck_assert(events_add(&e, &out));
	}
	ck_assert_uint_eq(e.count, 500);
	ck_assert_uint_le(e.room, 500);
	events_fini(&e);
}
END_TEST

START_TEST(test_bound)
{
	const struct event one = due(1, 0);
	struct events e;

	events_init(&e, 3000);
	for (uint32_t i = 0; i < 3000; i++)
		ck_assert(events_add(&e, &one));
	ck_assert(!events_add(&e, &one));
	ck_assert_uint_eq(e.count, 3000);
	events_take(&e);
	ck_assert(events_add(&e, &one));
	events_fini(&e);
}
END_TEST

/* Grows wherever its head stands; oldest first. */
START_TEST(test_fifo)
{
	uint32_t in = 0, out = 0;
	struct fifo f = { 0 };

	for (uint32_t round = 0; round < 400; round++) {
		for (uint32_t i = 0; i < round % 7 + 1; i++)
			ck_assert(fifo_push(&f, &(struct fifo_item){ .value = in++ }));
		for (uint32_t i = 0; i < round % 5 && f.count; i++) {
			ck_assert_uint_eq(fifo_first(&f)->value, out++);
			fifo_pop(&f);
		}
	}
	ck_assert_uint_gt(f.room, 64);
	for (; f.count; fifo_pop(&f))
		ck_assert_uint_eq(fifo_first(&f)->value, out++);
	ck_assert_uint_eq(in, out);
	fifo_fini(&f);
}
END_TEST

Suite *events_suite(void)
{
	Suite *s = suite_create("events");
	TCase *tc = tcase_create("events");

	tcase_add_test(tc, test_order);
	tcase_add_test(tc, test_steady);
	tcase_add_test(tc, test_bound);
	tcase_add_test(tc, test_fifo);
	suite_add_tcase(s, tc);
	return s;
}
