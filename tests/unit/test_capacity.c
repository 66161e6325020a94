/* SPDX-License-Identifier: BSD-2-Clause */
/* test_capacity.c: SRAM geometry to connections: Table 1 of the paper to the last entry, and the bounds. */
#include <check.h>

#include "miresga/switch.h"

Suite *capacity_suite(void);

#define PAPER .stages = 7, .blocks = 80, .word_blocks = 2, .ghost_bits = 10, .version_bits = 4

struct capacity_row {
	const char *name;
	struct config_geometry g;
	uint32_t stages_used, entry_bits, entries_per_word, cost_words, cost_connections;
	uint64_t connections; /* 0: refused */
};

static const struct capacity_row rows[] = {
	/* Table 1 */
	{ "a+b+c", { PAPER, true, true, true }, 7, 51, 5, 2, 5, 1433600 },
	{ "a+c", { PAPER, true, true, false }, 5, 51, 5, 2, 5, 1024000 },
	{ "a+b", { PAPER, true, false, true }, 7, 83, 3, 2, 3, 860160 },
	{ "b+c", { PAPER, false, true, true }, 7, 91, 2, 7, 2, 163840 },
	/* Nothing but arrangement: both actions then take 128 bits. */
	{ "b", { PAPER, false, false, true }, 7, 91, 2, 4, 1, 143360 },
	/* one block per word: two entries in 128 bits */
	{ "default", { 8, 4, 1, 10, 4, true, true, true }, 8, 51, 2, 1, 2, 65536 },
	{ "one block", { 1, 1, 1, 10, 4, true, true, true }, 1, 51, 2, 1, 2, 2048 },
	{ "wide word", { 2, 80, 4, 10, 0, true, true, true }, 2, 47, 10, 2, 5, 409600 },
	{ "blocks left over", { 1, 5, 2, 10, 4, true, true, true }, 1, 51, 5, 2, 5, 10240 },
	{ "no ghost bits", { 1, 2, 2, 0, 4, true, true, true }, 1, 61, 4, 1, 2, 4096 },
	{ "ghost bits beyond the address", { 1, 2, 2, 255, 4, true, true, true }, 1, 51, 5, 2, 5, 5120 },
	{ "largest", { 20, 80, 2, 10, 0, true, true, true }, 20, 47, 5, 2, 5, 4096000 },
	{ "smallest uncompressed", { 1, 1, 1, 0, 4, false, false, true }, 1, 101, 1, 4, 1, 256 },
	/* refused */
	{ "no stage", { 0, 80, 2, 10, 4, true, true, true }, .connections = 0 },
	{ "all stages lost", { 2, 80, 2, 10, 4, true, true, false }, .connections = 0 },
	{ "too many stages", { 21, 80, 2, 10, 4, true, true, true }, .connections = 0 },
	{ "no block", { 7, 0, 2, 10, 4, true, true, true }, .connections = 0 },
	{ "no block per word", { 7, 80, 0, 10, 4, true, true, true }, .connections = 0 },
	{ "word wider than a stage", { 7, 1, 2, 10, 4, true, true, true }, .connections = 0 },
	{ "word too wide", { 7, 80, 5, 10, 4, true, true, true }, .connections = 0 },
	{ "entry wider than a word", { 7, 80, 1, 0, 255, true, true, true }, .connections = 0 },
};

START_TEST(test_capacity_rows)
{
	const struct capacity_row *r = &rows[_i];
	struct capacity c;
	int rc = capacity_compute(&r->g, &c);

	ck_assert_msg(rc == (r->connections ? 0 : -1), "%s: returned %d", r->name, rc);
	if (rc)
		return;
	ck_assert_msg(c.connections == r->connections, "%s: %llu connections", r->name,
		      (unsigned long long)c.connections);
	ck_assert_uint_eq(c.stages_used, r->stages_used);
	ck_assert_uint_eq(c.entry_bits, r->entry_bits);
	ck_assert_uint_eq(c.entries_per_word, r->entries_per_word);
	ck_assert_uint_eq(c.cost_words, r->cost_words);
	ck_assert_uint_eq(c.cost_connections, r->cost_connections);
	ck_assert_uint_eq(c.connections % c.entries_per_word, 0);
}
END_TEST

/* Every value of every field, a byte wide: no trap, and no more than the RAM bits could hold. */
START_TEST(test_capacity_any_geometry)
{
	struct config_geometry g = { PAPER, true, true, true };
	uint8_t *field[] = { &g.stages, &g.blocks, &g.word_blocks, &g.ghost_bits, &g.version_bits };

	for (unsigned f = 0; f < ARRAY_LEN(field); f++) {
		uint8_t usual = *field[f];

		for (unsigned v = 0; v < 256 * 8; v++) {
			struct capacity c;

			*field[f] = (uint8_t)(v >> 3);
			g.entry_compression = v & 1;
			g.backend_agent = v & 2;
			g.table_arrangement = v & 4;
			if (capacity_compute(&g, &c) != 0)
				continue;
			ck_assert_uint_gt(c.connections, 0);
			ck_assert_uint_le(c.entries_per_word, 5u * g.word_blocks);
			ck_assert_uint_le(c.connections * c.entry_bits, (uint64_t)c.blocks_total * 1024 * 128);
		}
		*field[f] = usual;
	}
}
END_TEST

Suite *capacity_suite(void)
{
	Suite *s = suite_create("capacity");
	TCase *tc = tcase_create("capacity");

	tcase_add_loop_test(tc, test_capacity_rows, 0, ARRAY_LEN(rows));
	tcase_add_test(tc, test_capacity_any_geometry);
	suite_add_tcase(s, tc);
	return s;
}
