/* SPDX-License-Identifier: BSD-2-Clause */
/* test_connection_table.c: the cuckoo table: filling it, emptying it, moves, refusals, agreement of its two views. */
#include <check.h>
#include <stdlib.h>

#include "miresga/prng.h"
#include "src/switch/switch_internal.h"

Suite *connection_table_suite(void);

static const struct config_geometry geometries[] = {
	{ 4, 2, 2, 10, 4, true, true, true },  /* 20,480 in buckets of five */
	{ 8, 1, 1, 10, 4, true, true, true },  /* 16,384 in buckets of two */
	{ 3, 4, 4, 10, 0, true, true, true },  /* 30,720 in buckets of ten */
	{ 2, 1, 1, 10, 4, true, true, true },  /* two choices only: full long before the end */
	{ 7, 1, 1, 10, 4, false, true, true }, /* uncompressed: stages of unequal size */
};
/* The least share of the slots, in percent, that random keys must fill before the first FULL. */
static const unsigned fill_min[ARRAY_LEN(geometries)] = { 99, 99, 99, 80, 97 };

static struct endpoint client_of(uint32_t i)
{
	return endpoint_make(be32_from(0xc0000200 + i / 1000), be16_from((uint16_t)(1024 + i % 1000)));
}

static int find(const struct connection_table *t, struct endpoint client)
{
	uint64_t key = connection_key(client);
	const uint64_t *entry = connection_find(t, key, connection_hash(key));

	return entry ? connection_d_index(*entry) : -1;
}

static void table_create(struct connection_table *t, unsigned geometry)
{
	struct capacity c;

	ck_assert_int_eq(capacity_compute(&geometries[geometry], &c), 0);
	ck_assert_int_eq(connection_table_init(t, &c), 0);
	ck_assert_uint_eq(t->capacity, c.connections);
}

/* Adds clients 0.. until the first refusal; returns how many. */
static uint32_t fill(struct connection_table *t)
{
	uint32_t n = 0;
	enum control_status status;

	while ((status = connection_table_add(t, client_of(n), (uint8_t)(n % 251))) == CONTROL_OK)
		n++;
	ck_assert_int_eq(status, CONTROL_FULL);
	ck_assert_uint_eq(t->entries, n);
	return n;
}

static uint64_t words_used(const uint64_t *words, uint64_t count)
{
	uint64_t used = 0;

	for (uint64_t i = 0; i < count; i++)
		used += words[i] != 0;
	return used;
}

static void assert_views_agree(const struct connection_table *t)
{
	uint32_t buckets = t->stage[t->stages - 1].first + t->stage[t->stages - 1].buckets;

	ck_assert_uint_eq(words_used(t->index, (uint64_t)t->index_mask + 1), t->entries);
	ck_assert_uint_eq(words_used(t->placed, (uint64_t)buckets << t->stride_log2), t->entries);
}

START_TEST(test_fill_then_empty)
{
	struct connection_table t;
	uint32_t n;

	table_create(&t, (unsigned)_i);
	n = fill(&t);
	ck_assert_msg(n >= t.capacity * fill_min[_i] / 100, "full at %u of %llu", n, (unsigned long long)t.capacity);
	ck_assert_uint_gt(t.moves, 0);
	assert_views_agree(&t);
	for (uint32_t i = 0; i < n; i++) {
		ck_assert_int_eq(find(&t, client_of(i)), (int)(i % 251));
		ck_assert_int_ge(connection_table_stage(&t, client_of(i)), 0);
	}
	ck_assert_int_eq(find(&t, client_of(n)), -1);
	ck_assert_int_eq(connection_table_stage(&t, client_of(n)), -1);
	/* From the middle outwards, so that probe chains are cut everywhere. */
	for (uint32_t i = 0; i < n; i++) {
		uint32_t victim = i % 2 ? n / 2 - (i + 1) / 2 : n / 2 + i / 2;

		ck_assert_int_eq(connection_table_delete(&t, client_of(victim)), CONTROL_OK);
		ck_assert_int_eq(find(&t, client_of(victim)), -1);
	}
	ck_assert_uint_eq(t.entries, 0);
	assert_views_agree(&t);
	connection_table_fini(&t);
}
END_TEST

START_TEST(test_full_leaves_table_alone)
{
	struct connection_table t;
	uint32_t n;
	uint64_t moves;

	table_create(&t, 0);
	n = fill(&t);
	moves = t.moves;
	ck_assert_int_eq(connection_table_add(&t, client_of(n), 1), CONTROL_FULL);
	ck_assert_uint_eq(t.moves, moves);
	ck_assert_uint_eq(t.entries, n);
	/* What was refused fits when a place is free where it hashes to; keys come and go. */
	for (uint32_t i = 0; i < n; i++)
		ck_assert_int_eq(connection_table_delete(&t, client_of(i)), CONTROL_OK);
	ck_assert_int_eq(connection_table_add(&t, client_of(n), 1), CONTROL_OK);
	connection_table_fini(&t);
}
END_TEST

START_TEST(test_exists_missing)
{
	struct connection_table t;

	table_create(&t, 0);
	ck_assert_int_eq(connection_table_delete(&t, client_of(1)), CONTROL_MISSING);
	ck_assert_int_eq(connection_table_add(&t, client_of(1), 5), CONTROL_OK);
	ck_assert_int_eq(connection_table_add(&t, client_of(1), 6), CONTROL_EXISTS);
	ck_assert_int_eq(find(&t, client_of(1)), 5);
	ck_assert_int_eq(connection_table_delete(&t, client_of(1)), CONTROL_OK);
	ck_assert_int_eq(connection_table_delete(&t, client_of(1)), CONTROL_MISSING);
	/* All bits zero is a key like any other. */
	ck_assert_int_eq(find(&t, endpoint_make(be32_from(0), be16_from(0))), -1);
	ck_assert_int_eq(connection_table_add(&t, endpoint_make(be32_from(0), be16_from(0)), 0), CONTROL_OK);
	ck_assert_int_eq(find(&t, endpoint_make(be32_from(0), be16_from(0))), 0);
	connection_table_fini(&t);
}
END_TEST

/* Random adds and deletes against a plain array. */
START_TEST(test_churn)
{
	enum {
		KEYS = 24000,
		STEPS = 400000
	};
	struct connection_table t;
	struct prng prng;
	int *model = malloc(KEYS * sizeof(*model));
	uint32_t entries = 0;

	ck_assert_ptr_nonnull(model);
	for (uint32_t i = 0; i < KEYS; i++)
		model[i] = -1;
	prng_seed(&prng, (uint64_t)_i);
	table_create(&t, 0);
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t i = prng_below(&prng, KEYS);
		/* Three deletions for five additions: the table is nearly full in the end, not quite. */
		bool add = prng_below(&prng, 8) < 5;
		enum control_status status;

		if (add) {
			status = connection_table_add(&t, client_of(i), (uint8_t)step);
			ck_assert_int_eq(status == CONTROL_EXISTS, model[i] >= 0);
			if (status == CONTROL_OK)
				model[i] = (uint8_t)step;
			entries += status == CONTROL_OK;
		} else {
			status = connection_table_delete(&t, client_of(i));
			ck_assert_int_eq(status == CONTROL_OK, model[i] >= 0);
			model[i] = -1;
			entries -= status == CONTROL_OK;
		}
		ck_assert_uint_eq(t.entries, entries);
	}
	for (uint32_t i = 0; i < KEYS; i++)
		ck_assert_int_eq(find(&t, client_of(i)), model[i]);
	assert_views_agree(&t);
	connection_table_fini(&t);
	free(model);
}
END_TEST

/* One entry a bucket and two stages make for long chains: eight moves happen, nine never. */
START_TEST(test_moves_are_at_most_eight)
{
	const struct config_geometry narrow = { 2, 1, 1, 10, 4, false, true, true };
	uint64_t longest = 0;
	struct capacity c;

	ck_assert_int_eq(capacity_compute(&narrow, &c), 0);
	ck_assert_uint_eq(c.entries_per_word, 1);
	for (uint32_t start = 0; start < 1000000; start += 10000) {
		struct connection_table t;
		uint64_t before;

		ck_assert_int_eq(connection_table_init(&t, &c), 0);
		for (uint32_t n = start;; n++) {
			before = t.moves;
			if (connection_table_add(&t, client_of(n), 0) != CONTROL_OK)
				break;
			longest = t.moves - before > longest ? t.moves - before : longest;
		}
		ck_assert_uint_eq(t.moves, before);
		assert_views_agree(&t);
		connection_table_fini(&t);
	}
	ck_assert_uint_eq(longest, 8);
}
END_TEST

START_TEST(test_deterministic)
{
	struct connection_table a, b;
	uint32_t n;

	table_create(&a, 3);
	table_create(&b, 3);
	n = fill(&a);
	ck_assert_uint_eq(fill(&b), n);
	ck_assert_uint_eq(a.moves, b.moves);
	for (uint32_t i = 0; i < n; i++)
		ck_assert_int_eq(connection_table_stage(&a, client_of(i)), connection_table_stage(&b, client_of(i)));
	connection_table_fini(&a);
	connection_table_fini(&b);
}
END_TEST

START_TEST(test_hit_bit)
{
	struct connection_table t;
	uint64_t key = connection_key(client_of(1));

	table_create(&t, 0);
	ck_assert(!connection_table_take_hit(&t, client_of(1)));
	ck_assert_int_eq(connection_table_add(&t, client_of(1), 200), CONTROL_OK);
	ck_assert(!connection_table_take_hit(&t, client_of(1)));
	*connection_find(&t, key, connection_hash(key)) |= CONNECTION_HIT;
	ck_assert_int_eq(find(&t, client_of(1)), 200);
	ck_assert(connection_table_take_hit(&t, client_of(1)));
	ck_assert(!connection_table_take_hit(&t, client_of(1)));
	ck_assert_int_eq(find(&t, client_of(1)), 200);
	connection_table_fini(&t);
}
END_TEST

/* The paper's geometry takes 1,433,600 connections, all but a few of them in practice. */
START_TEST(test_paper_geometry_fills)
{
	const struct config_geometry paper = { 7, 80, 2, 10, 4, true, true, true };
	struct connection_table t;
	struct capacity c;
	uint32_t n;

	ck_assert_int_eq(capacity_compute(&paper, &c), 0);
	ck_assert_int_eq(connection_table_init(&t, &c), 0);
	ck_assert_uint_eq(t.capacity, 1433600);
	n = fill(&t);
	ck_assert_uint_ge(n, 1433600 / 1000 * 999);
	connection_table_fini(&t);
}
END_TEST

Suite *connection_table_suite(void)
{
	Suite *s = suite_create("connection_table");
	TCase *tc = tcase_create("connection_table");

	tcase_add_loop_test(tc, test_fill_then_empty, 0, ARRAY_LEN(geometries));
	tcase_add_test(tc, test_full_leaves_table_alone);
	tcase_add_test(tc, test_exists_missing);
	tcase_add_loop_test(tc, test_churn, 0, 2);
	tcase_add_test(tc, test_moves_are_at_most_eight);
	tcase_add_test(tc, test_deterministic);
	tcase_add_test(tc, test_hit_bit);
	tcase_add_test(tc, test_paper_geometry_fills);
	suite_add_tcase(s, tc);
	return s;
}
