/* SPDX-License-Identifier: BSD-2-Clause */
/* test_cookie.c: the ISN cookie carries what it should, for as long as it should, to whom it should. */
#include <check.h>

#include "miresga/cookie.h"
#include "miresga/prng.h"
#include "miresga/tcp_options.h"

Suite *cookie_suite(void);

#define STEP_NS (64 * NS_PER_S)
#define NOW_NS (UINT64_C(1700000000) * NS_PER_S)

static const struct siphash_key key = { 1, 2 };

static struct endpoint client(void)
{
	return endpoint_make(be32_from(0xc0a80001), be16_from(40000));
}

static struct endpoint vip(void)
{
	return endpoint_make(be32_from(0x0a00010a), be16_from(80));
}

static const struct mss_row {
	uint16_t offered, carried;
} mss_rows[] = { { 0, 536 },	 { 1, 216 },	 { 216, 216 },	 { 535, 216 },	 { 536, 536 },	 { 1199, 536 },
		 { 1200, 1200 }, { 1359, 1200 }, { 1360, 1360 }, { 1399, 1360 }, { 1400, 1400 }, { 1440, 1440 },
		 { 1459, 1440 }, { 1460, 1460 }, { 8959, 1460 }, { 8960, 8960 }, { 65495, 8960 } };

START_TEST(mss_is_the_largest_class_not_above)
{
	const struct syn_offer in = { .mss = mss_rows[_i].offered, .wscale = 7 };
	struct syn_offer out;
	uint32_t l = cookie_make(&key, client(), vip(), 99, &in, NOW_NS);

	ck_assert(cookie_check(&key, client(), vip(), 99, l, NOW_NS, &out));
	ck_assert_uint_eq(out.mss, mss_rows[_i].carried);
}
END_TEST

START_TEST(every_combination_comes_back)
{
	static const uint16_t classes[] = { 216, 536, 1200, 1360, 1400, 1440, 1460, 8960 };

	for (unsigned n = 0; n < 8 * 16 * 4; n++) {
		const struct syn_offer in = {
			.mss = classes[n & 7], .wscale = n >> 3 & 15, .sack = n >> 7 & 1, .ecn = n >> 8 & 1
		};
		struct syn_offer out = { 0 };
		uint32_t l = cookie_make(&key, client(), vip(), n, &in, NOW_NS + n * STEP_NS);

		ck_assert(cookie_check(&key, client(), vip(), n, l, NOW_NS + n * STEP_NS, &out));
		ck_assert_uint_eq(out.mss, in.mss);
		ck_assert_uint_eq(out.wscale, in.wscale);
		ck_assert_int_eq(out.sack, in.sack);
		ck_assert_int_eq(out.ecn, in.ecn);
		ck_assert_uint_ne(l & 0x1fffff, 0);
		ck_assert_uint_eq(l >> 30, (NOW_NS / STEP_NS + n) & 3);
	}
}
END_TEST

START_TEST(ages)
{
	/* In steps since the cookie was made; negative: its clock is ahead of ours. */
	static const struct {
		int steps;
		bool valid;
	} rows[] = { { 0, true }, { 1, true }, { 2, true }, { 3, false }, { 4, false }, { 8, false }, { -1, false } };
	const struct syn_offer in = { .mss = 1460, .wscale = TCP_WSCALE_NONE };
	struct syn_offer out;
	uint32_t l = cookie_make(&key, client(), vip(), 5, &in, NOW_NS);

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		ck_assert_int_eq(cookie_check(&key, client(), vip(), 5, l,
					      NOW_NS + (uint64_t)((int64_t)STEP_NS * rows[i].steps), &out),
				 rows[i].valid);
	/* The first steps after time 0: a clock before the epoch does not exist. */
	l = cookie_make(&key, client(), vip(), 5, &in, 0);
	ck_assert(cookie_check(&key, client(), vip(), 5, l, 0, &out));
	ck_assert(!cookie_check(&key, client(), vip(), 5, l | UINT32_C(0x80000000), 0, &out));
	/* A retransmitted SYN gets the same answer. */
	ck_assert_uint_eq(l, cookie_make(&key, client(), vip(), 5, &in, STEP_NS - 1));
}
END_TEST

START_TEST(another_handshake_is_refused)
{
	const struct siphash_key other_key = { 1, 3 };
	const struct syn_offer in = { .mss = 1460, .wscale = 7 };
	struct endpoint c = client(), v = vip();
	struct syn_offer out;
	uint32_t l = cookie_make(&key, c, v, 5, &in, NOW_NS);

	ck_assert(!cookie_check(&other_key, c, v, 5, l, NOW_NS, &out));
	ck_assert(!cookie_check(&key, c, v, 6, l, NOW_NS, &out));
	ck_assert(!cookie_check(&key, v, c, 5, l, NOW_NS, &out));
	c.port = be16_from(40001);
	ck_assert(!cookie_check(&key, c, v, 5, l, NOW_NS, &out));
	c = client();
	c.addr = be32_from(0xc0a80002);
	ck_assert(!cookie_check(&key, c, v, 5, l, NOW_NS, &out));
	v.port = be16_from(81);
	ck_assert(!cookie_check(&key, client(), v, 5, l, NOW_NS, &out));
}
END_TEST

/* Each incarnation refuses the cookies of all others; those that begin alike may be told apart. */
START_TEST(a_renewed_key_refuses_what_was_before)
{
	const struct syn_offer in = { .mss = 1460, .wscale = 7 };
	struct siphash_key keys[5] = { key };
	struct syn_offer out;

	for (unsigned i = 1; i < ARRAY_LEN(keys); i++) {
		keys[i] = i < 4 ? keys[i - 1] : keys[0];
		cookie_key_renew(&keys[i], i < 4 ? 0 : 1);
	}
	for (unsigned made = 0; made < ARRAY_LEN(keys); made++) {
		uint32_t l = cookie_make(&keys[made], client(), vip(), 5, &in, NOW_NS);

		for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
			ck_assert_int_eq(cookie_check(&keys[i], client(), vip(), 5, l, NOW_NS, &out), i == made);
	}
}
END_TEST

START_TEST(any_flipped_bit_is_refused)
{
	const struct syn_offer in = { .mss = 1460, .wscale = 7, .sack = true };
	struct syn_offer out;

	for (uint32_t isn = 0; isn < 64; isn++) {
		uint32_t l = cookie_make(&key, client(), vip(), isn, &in, NOW_NS);

		for (int bit = 0; bit < 32; bit++)
			ck_assert(!cookie_check(&key, client(), vip(), isn, l ^ UINT32_C(1) << bit, NOW_NS, &out));
	}
}
END_TEST

START_TEST(guessing_succeeds_as_rarely_as_it_should)
{
	struct syn_offer out;
	unsigned hits = 0;
	struct prng r;

	prng_seed(&r, 9);
	for (unsigned i = 0; i < 1000000; i++)
		hits += cookie_check(&key, client(), vip(), 5, prng_u32(&r), NOW_NS, &out);
	ck_assert_uint_le(hits, 6); /* 3/4 * 10^6 / 2^21 = 0.36 expected */
}
END_TEST

Suite *cookie_suite(void)
{
	Suite *s = suite_create("cookie");
	TCase *t = tcase_create("cookie");

	tcase_add_loop_test(t, mss_is_the_largest_class_not_above, 0, (int)ARRAY_LEN(mss_rows));
	tcase_add_test(t, every_combination_comes_back);
	tcase_add_test(t, ages);
	tcase_add_test(t, another_handshake_is_refused);
	tcase_add_test(t, a_renewed_key_refuses_what_was_before);
	tcase_add_test(t, any_flipped_bit_is_refused);
	tcase_add_test(t, guessing_succeeds_as_rarely_as_it_should);
	suite_add_tcase(s, t);
	return s;
}
