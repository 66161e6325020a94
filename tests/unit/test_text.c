/* SPDX-License-Identifier: BSD-2-Clause */
/* test_text.c: numbers as people read them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "miresga/base.h"
#include "miresga/text.h"

Suite *text_suite(void);

static const struct {
	char *(*function)(uint64_t, char[TEXT_NUMBER_MAX]);
	uint64_t value;
	const char *expected;
} rows[] = {
	{ text_count, 0, "0" },
	{ text_count, 999, "999" },
	{ text_count, 1000, "1,000" },
	{ text_count, 1433600, "1,433,600" },
	{ text_count, UINT64_MAX, "18,446,744,073,709,551,615" },
	{ text_bytes, 0, "0 B" },
	{ text_bytes, 1023, "1023 B" },
	{ text_bytes, 1024, "1.0 KiB" },
	{ text_bytes, 1536, "1.5 KiB" },
	{ text_bytes, 65536, "64.0 KiB" },
	{ text_bytes, 1024 * 1024 - 1, "1.0 MiB" },
	{ text_bytes, 10 * 1024 * 1024, "10.0 MiB" },
	{ text_bytes, UINT64_MAX, "16.0 EiB" },
	{ text_duration, 0, "0 ns" },
	{ text_duration, 999, "999 ns" },
	{ text_duration, 1000, "1.00 us" },
	{ text_duration, 1500000, "1.50 ms" },
	{ text_duration, 59990000000, "59.99 s" },
	{ text_duration, 60000000000, "1 min 0 s" },
	{ text_duration, 90000000000, "1 min 30 s" },
	{ text_duration, 3599999999999, "59 min 59 s" },
	{ text_duration, 7440000000000, "2 h 4 min 0 s" },
	{ text_duration, UINT64_MAX, "5124095 h 34 min 33 s" },
};

START_TEST(number)
{
	char buf[TEXT_NUMBER_MAX];

	ck_assert_str_eq(rows[_i].function(rows[_i].value, buf), rows[_i].expected);
	ck_assert_ptr_eq(rows[_i].function(rows[_i].value, buf), buf);
}
END_TEST

static const struct {
	uint64_t part, whole;
	const char *expected;
} shares[] = {
	{ 0, 0, "-" },
	{ 0, 5, "0.0 %" },
	{ 5, 8, "62.5 %" },
	{ 5, 5, "100.0 %" },
	/* What is not all or nothing must not look like it. */
	{ 1, 1000000, "0.1 %" },
	{ 999999, 1000000, "99.9 %" },
	{ UINT64_MAX / 2, UINT64_MAX, "50.0 %" },
};

START_TEST(share)
{
	char buf[TEXT_NUMBER_MAX];

	ck_assert_str_eq(text_share(shares[_i].part, shares[_i].whole, buf), shares[_i].expected);
}
END_TEST

static const struct {
	const char *text, *expected;
} utf8[] = {
	{ "", "" },
	{ "plain", "plain" },
	{ "\xce\x94 \xe2\x82\xac \xf0\x9f\x98\x80", "\xce\x94 \xe2\x82\xac \xf0\x9f\x98\x80" },
	{ "\xff", "?" },
	{ "a\xceg", "a?g" },
	{ "\xce", "?" },
	{ "\xe2\x82", "??" },
	{ "\xc0\xaf", "??" },		/* overlong */
	{ "\xed\xa0\x80", "???" },	/* a surrogate */
	{ "\xf4\x90\x80\x80", "????" }, /* beyond U+10FFFF */
};

START_TEST(bytes_that_are_no_utf8)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%s", utf8[_i].text);
	text_make_utf8(buf);
	ck_assert_str_eq(buf, utf8[_i].expected);
}
END_TEST

Suite *text_suite(void)
{
	Suite *s = suite_create("text");
	TCase *tc = tcase_create("numbers");

	tcase_add_loop_test(tc, number, 0, (int)ARRAY_LEN(rows));
	tcase_add_loop_test(tc, share, 0, (int)ARRAY_LEN(shares));
	tcase_add_loop_test(tc, bytes_that_are_no_utf8, 0, (int)ARRAY_LEN(utf8));
	suite_add_tcase(s, tc);
	return s;
}
