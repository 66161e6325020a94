/* SPDX-License-Identifier: BSD-2-Clause */
/* test_tcp_options.c: walking TCP options, every prefix of them, and writing a SYN's. */
#include <check.h>

#include "guard_page.h"
#include "miresga/base.h"
#include "miresga/prng.h"
#include "miresga/tcp_options.h"

Suite *tcp_options_suite(void);

#define NO_WS .wscale = TCP_WSCALE_NONE
#define TS 8, 10, 0, 0, 0, 1, 0, 0, 0, 2
#define BLOCK 0, 0, 0, 1, 0, 0, 0, 2

static const struct parse_row {
	const char *name;
	uint8_t len;
	uint8_t bytes[TCP_OPTIONS_MAX];
	struct tcp_options want;
} parse_rows[] = {
	{ "none", 0, { 0 }, { NO_WS } },
	{ "linux syn",
	  20,
	  { 2, 4, 5, 180, 4, 2, TS, 1, 3, 3, 7 },
	  { .mss = 1460,
	    .wscale = 7,
	    .sack_permitted = true,
	    .has_timestamps = true,
	    .timestamps_at = 6,
	    .tsval = 1,
	    .tsecr = 2 } },
	{ "windows syn",
	  12,
	  { 2, 4, 5, 180, 1, 3, 3, 8, 1, 1, 4, 2 },
	  { .mss = 1460, .wscale = 8, .sack_permitted = true } },
	{ "macos syn",
	  24,
	  { 2, 4, 5, 180, 1, 3, 3, 6, 1, 1, TS, 4, 2, 0, 0 },
	  { .mss = 1460,
	    .wscale = 6,
	    .sack_permitted = true,
	    .has_timestamps = true,
	    .timestamps_at = 10,
	    .tsval = 1,
	    .tsecr = 2 } },
	{ "one sack block after two nops", 12, { 1, 1, 5, 10, BLOCK }, { NO_WS, .sack_blocks = 1, .sack_at = 2 } },
	{ "sack at offset 0", 10, { 5, 10, BLOCK }, { NO_WS, .sack_blocks = 1, .sack_at = 0 } },
	{ "timestamps, then three blocks",
	  40,
	  { 1, 1, TS, 1, 1, 5, 26, BLOCK, BLOCK, BLOCK },
	  { NO_WS, .has_timestamps = true, .timestamps_at = 2, .tsval = 1, .tsecr = 2, .sack_blocks = 3,
	    .sack_at = 14 } },
	{ "four blocks", 36, { 1, 1, 5, 34, BLOCK, BLOCK, BLOCK, BLOCK }, { NO_WS, .sack_blocks = 4, .sack_at = 2 } },
	{ "sack of a broken length", 12, { 1, 1, 5, 9, BLOCK }, { NO_WS, .malformed = true } },
	{ "sack without a block", 4, { 5, 2, 1, 1 }, { NO_WS } },
	{ "end of list hides the rest", 8, { 0, 2, 4, 5, 180, 0, 0, 0 }, { NO_WS } },
	{ "length 0", 4, { 3, 0, 3, 7 }, { NO_WS, .malformed = true } },
	{ "length 1", 4, { 3, 1, 3, 7 }, { NO_WS, .malformed = true } },
	{ "runs out of the header", 8, { 2, 4, 5, 180, 8, 10, 0, 0 }, { .mss = 1460, NO_WS, .malformed = true } },
	{ "kind without a length", 4, { 1, 1, 1, 2 }, { NO_WS, .malformed = true } },
	{ "mss of length 3 is stepped over", 8, { 2, 3, 5, 3, 3, 7, 1, 1 }, { .wscale = 7 } },
	{ "window scale 255", 4, { 3, 3, 255, 1 }, { .wscale = 14 } },
	{ "the last of two counts", 8, { 2, 4, 2, 0, 2, 4, 5, 180 }, { .mss = 1460, NO_WS } },
	{ "unknown options", 12, { 34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 30, 2 }, { NO_WS } },
	{ "tag", 16, { 2, 4, 5, 180, 253, 12, 0x4d, 0x52 }, { .mss = 1460, NO_WS, .tag_len = 12, .tag_at = 4 } },
};

static void assert_options_equal(const struct tcp_options *a, const struct tcp_options *b, const char *name)
{
	ck_assert_msg(a->mss == b->mss, "%s: mss %u", name, a->mss);
	ck_assert_msg(a->wscale == b->wscale, "%s: wscale %u", name, a->wscale);
	ck_assert_msg(a->sack_permitted == b->sack_permitted, "%s: sack_permitted", name);
	ck_assert_msg(a->has_timestamps == b->has_timestamps, "%s: has_timestamps", name);
	ck_assert_msg(a->timestamps_at == b->timestamps_at, "%s: timestamps_at %u", name, a->timestamps_at);
	ck_assert_msg(a->tsval == b->tsval && a->tsecr == b->tsecr, "%s: timestamps", name);
	ck_assert_msg(a->sack_blocks == b->sack_blocks, "%s: sack_blocks %u", name, a->sack_blocks);
	ck_assert_msg(a->sack_at == b->sack_at, "%s: sack_at %u", name, a->sack_at);
	ck_assert_msg(a->tag_len == b->tag_len && a->tag_at == b->tag_at, "%s: tag", name);
	ck_assert_msg(a->malformed == b->malformed, "%s: malformed", name);
}

START_TEST(parses)
{
	const struct parse_row *r = &parse_rows[_i];
	struct guard g;
	struct tcp_options o;

	ck_assert_int_eq(guard_init(&g), 0);
	tcp_options_parse(guard_put(&g, r->bytes, r->len), r->len, &o);
	assert_options_equal(&o, &r->want, r->name);
	/* Every prefix: no read beyond it, and nothing found that does not lie inside. */
	for (size_t len = 0; len < r->len; len++) {
		tcp_options_parse(guard_put(&g, r->bytes, len), len, &o);
		ck_assert_uint_le(o.has_timestamps ? o.timestamps_at + 10u : 0, len);
		ck_assert_uint_le(o.sack_blocks ? o.sack_at + 2u + 8u * o.sack_blocks : 0, len);
		ck_assert_uint_le(o.tag_len ? o.tag_at + o.tag_len : 0u, len);
	}
	guard_fini(&g);
}
END_TEST

START_TEST(random_bytes_stay_inside)
{
	uint8_t bytes[TCP_OPTIONS_MAX];
	struct tcp_options o;
	struct guard g;
	struct prng r;

	ck_assert_int_eq(guard_init(&g), 0);
	prng_seed(&r, 6);
	for (unsigned round = 0; round < 100000; round++) {
		size_t len = prng_below(&r, TCP_OPTIONS_MAX + 1);

		for (size_t i = 0; i < len; i++) /* mostly small numbers: kinds and lengths that fit */
			bytes[i] = (uint8_t)prng_below(&r, prng_below(&r, 4) ? 12 : 256);
		tcp_options_parse(guard_put(&g, bytes, len), len, &o);
		ck_assert_uint_le(o.has_timestamps ? o.timestamps_at + 10u : 0, len);
		ck_assert_uint_le(o.sack_blocks, TCP_SACK_BLOCKS_MAX);
		ck_assert_uint_le(o.sack_blocks ? o.sack_at + 2u + 8u * o.sack_blocks : 0, len);
		ck_assert_uint_le(o.tag_len ? o.tag_at + o.tag_len : 0u, len);
	}
	guard_fini(&g);
}
END_TEST

START_TEST(writes_what_it_parses)
{
	/* All sixteen combinations of presence. */
	struct tcp_options o = { .mss = _i & 1 ? 1400 : 0,
				 .wscale = _i & 2 ? 9 : TCP_WSCALE_NONE,
				 .sack_permitted = _i & 4,
				 .has_timestamps = _i & 8,
				 .tsval = _i & 8 ? 0x01020304 : 0,
				 .tsecr = _i & 8 ? 0xfffefdfc : 0 };
	uint8_t out[TCP_OPTIONS_MAX];
	struct tcp_options again;
	size_t len = tcp_options_write(&o, out);

	ck_assert_uint_le(len, 20);
	ck_assert_uint_eq(len % 4, 0);
	tcp_options_parse(out, len, &again);
	o.timestamps_at = again.timestamps_at;
	assert_options_equal(&again, &o, "written");
}
END_TEST

START_TEST(writes_like_linux)
{
	static const uint8_t want[] = { 2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, 1, 3, 3, 7 };
	const struct tcp_options o = {
		.mss = 1460, .wscale = 7, .sack_permitted = true, .has_timestamps = true, .tsval = 9
	};
	uint8_t out[TCP_OPTIONS_MAX];

	ck_assert_uint_eq(tcp_options_write(&o, out), sizeof(want));
	ck_assert_mem_eq(out, want, sizeof(want));
}
END_TEST

Suite *tcp_options_suite(void)
{
	Suite *s = suite_create("tcp_options");
	TCase *t = tcase_create("tcp_options");

	tcase_add_loop_test(t, parses, 0, (int)ARRAY_LEN(parse_rows));
	tcase_add_test(t, random_bytes_stay_inside);
	tcase_add_loop_test(t, writes_what_it_parses, 0, 16);
	tcase_add_test(t, writes_like_linux);
	suite_add_tcase(s, t);
	return s;
}
