/* SPDX-License-Identifier: BSD-2-Clause */
/* test_flow_table.c: the Full Connection Table, its timers, and the reassembly buffers. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/prng.h"
#include "src/frontend/flow.h"

Suite *flow_table_suite(void);

static struct endpoint client(uint32_t i)
{
	return endpoint_make(be32_from(0x0a000000 + i / 100), be16_from((uint16_t)(1000 + i % 100)));
}

START_TEST(flows_are_found_until_removed)
{
	struct flow_table t;

	ck_assert_int_eq(flow_table_init(&t, 1000), 0);
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_ptr_nonnull(flow_add(&t, client(i)));
	ck_assert_ptr_null(flow_add(&t, client(1000)));
	for (uint32_t i = 0; i < 1000; i += 2)
		flow_remove(&t, flow_find(&t, client(i)));
	ck_assert_uint_eq(t.count, 500);
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_int_eq(flow_find(&t, client(i)) != NULL, i % 2);
	for (uint32_t i = 2000; i < 2500; i++)
		ck_assert_ptr_nonnull(flow_add(&t, client(i)));
	ck_assert_ptr_null(flow_add(&t, client(1)));
	ck_assert_uint_eq(t.peak, 1000);
	flow_table_fini(&t);
}
END_TEST

START_TEST(a_reused_record_is_clean)
{
	struct flow_table t;
	struct flow *f;

	ck_assert_int_eq(flow_table_init(&t, 1), 0);
	f = flow_add(&t, client(1));
	f->state = FSM_COMPLETE;
	f->c_nxt = 77;
	flow_remove(&t, f);
	f = flow_add(&t, client(2));
	ck_assert_uint_eq(f->state, FSM_NONE);
	ck_assert_uint_eq(f->c_nxt, 0);
	flow_table_fini(&t);
}
END_TEST

START_TEST(timers_fire_in_order_of_their_refresh)
{
	struct flow_table t;
	struct flow *a, *b, *c;

	ck_assert_int_eq(flow_table_init(&t, 3), 0);
	t.timers[IDLE_LINGER].timeout_ns = 100;
	t.timers[IDLE_CLASSES].timeout_ns = 30;
	a = flow_add(&t, client(1));
	b = flow_add(&t, client(2));
	c = flow_add(&t, client(3));
	flow_idle_set(&t, a, IDLE_LINGER, 0);
	flow_idle_set(&t, b, IDLE_LINGER, 1);
	flow_idle_set(&t, c, IDLE_LINGER, 2);
	flow_idle_set(&t, a, IDLE_LINGER, 3);
	flow_retry_set(&t, c, IDLE_CLASSES, 50);
	ck_assert_uint_eq(flow_timers_next(&t), 80);
	flow_retry_set(&t, c, 0, 60);
	ck_assert_uint_eq(flow_timers_next(&t), 101);
	ck_assert_ptr_null(flow_timer_due(&t, IDLE_LINGER, 100));
	ck_assert_ptr_eq(flow_timer_due(&t, IDLE_LINGER, 101), b);
	flow_remove(&t, b);
	ck_assert_ptr_eq(flow_timer_due(&t, IDLE_LINGER, 200), c);
	flow_idle_set(&t, c, 0, 200);
	ck_assert_ptr_eq(flow_timer_due(&t, IDLE_LINGER, 200), a);
	flow_remove(&t, a);
	ck_assert_uint_eq(flow_timers_next(&t), TIME_NEVER);
	flow_table_fini(&t);
}
END_TEST

/* Random segments of a known stream, in any order and overlap, against a plain bitmap. */
START_TEST(reassembly_agrees_with_a_bitmap)
{
	struct stream_buffer_pool pool;
	struct stream_buffer *b;
	struct prng prng;
	uint32_t base = _i ? UINT32_MAX - 500 : 1000;
	uint8_t text[2000], seen[2000];

	prng_seed(&prng, (uint64_t)_i);
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)prng_u32(&prng);
	ck_assert_int_eq(stream_buffer_pool_init(&pool, 1, sizeof(text)), 0);
	for (unsigned round = 0; round < 300; round++) {
		uint32_t low = 0;

		memset(seen, 0, sizeof(seen));
		b = stream_buffer_get(&pool, base);
		ck_assert_ptr_nonnull(b);
		ck_assert_ptr_null(stream_buffer_get(&pool, 0));
		for (unsigned n = 0; n < 60; n++) {
			uint32_t at = prng_below(&prng, 1900), len = prng_below(&prng, 101), end = 0, start, stop;

			if (stream_buffer_insert(b, base + at, text + at, len))
				memset(seen + at, 1, len);
			else
				ck_assert_uint_eq(b->range_count, STREAM_BUFFER_RANGES);
			if (prng_below(&prng, 10) == 0 && low < 1800) {
				low += prng_below(&prng, 50);
				stream_buffer_discard(b, base + low);
			}
			for (end = low; end < sizeof(seen) && seen[end]; end++)
				;
			ck_assert_uint_eq(stream_buffer_end(b), base + end);
			ck_assert_int_eq(memcmp(stream_buffer_at(b, base + low), text + low, end - low), 0);
			for (at = MAX(at, low); at < sizeof(seen) && !seen[at]; at++)
				;
			for (end = at; end < sizeof(seen) && seen[end]; end++)
				;
			ck_assert_int_eq(stream_buffer_run(b, base + MAX(at, low), &start, &stop), at < sizeof(seen));
			if (at < sizeof(seen)) {
				ck_assert_uint_eq(start, base + at);
				ck_assert_uint_eq(stop, base + end);
			}
		}
		stream_buffer_put(&pool, b);
	}
	stream_buffer_pool_fini(&pool);
}
END_TEST

START_TEST(what_was_stored_first_stays)
{
	struct stream_buffer_pool pool;
	struct stream_buffer *b;

	ck_assert_int_eq(stream_buffer_pool_init(&pool, 1, 16), 0);
	b = stream_buffer_get(&pool, 0);
	ck_assert(stream_buffer_insert(b, 4, (const uint8_t *)"EFGH", 4));
	ck_assert(stream_buffer_insert(b, 2, (const uint8_t *)"cdefghij", 8));
	ck_assert(stream_buffer_insert(b, 0, (const uint8_t *)"ab", 2));
	ck_assert_int_eq(memcmp(b->bytes, "abcdEFGHij", 10), 0);
	ck_assert(!stream_buffer_insert(b, 10, (const uint8_t *)"1234567", 7));
	ck_assert_uint_eq(stream_buffer_end(b), 10);
	stream_buffer_pool_fini(&pool);
}
END_TEST

Suite *flow_table_suite(void)
{
	Suite *s = suite_create("flow_table");
	TCase *t = tcase_create("flows");

	tcase_add_test(t, flows_are_found_until_removed);
	tcase_add_test(t, a_reused_record_is_clean);
	tcase_add_test(t, timers_fire_in_order_of_their_refresh);
	suite_add_tcase(s, t);
	t = tcase_create("buffers");
	tcase_add_loop_test(t, reassembly_agrees_with_a_bitmap, 0, 2);
	tcase_add_test(t, what_was_stored_first_stays);
	suite_add_tcase(s, t);
	return s;
}
