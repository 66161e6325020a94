/* SPDX-License-Identifier: BSD-2-Clause */
/* test_histogram.c: percentiles against sorted values: exact below 128, within a bucket above. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/base.h"
#include "miresga/prng.h"
#include "sim/load/histogram.h"

Suite *histogram_suite(void);

static struct histogram h;

START_TEST(empty)
{
	memset(&h, 0, sizeof(h));
	ck_assert_uint_eq(histogram_mean(&h), 0);
	ck_assert_uint_eq(histogram_percentile(&h, 50000), 0);
	ck_assert_uint_eq(histogram_percentile(&h, 100000), 0);
}
END_TEST

START_TEST(small_values_are_exact)
{
	memset(&h, 0, sizeof(h));
	for (uint64_t i = 1; i <= 100; i++)
		histogram_add(&h, i);
	ck_assert_uint_eq(histogram_mean(&h), 50);
	ck_assert_uint_eq(histogram_percentile(&h, 0), 1);
	ck_assert_uint_eq(histogram_percentile(&h, 1000), 1);
	ck_assert_uint_eq(histogram_percentile(&h, 1001), 2);
	ck_assert_uint_eq(histogram_percentile(&h, 50000), 50);
	ck_assert_uint_eq(histogram_percentile(&h, 99000), 99);
	ck_assert_uint_eq(histogram_percentile(&h, 99900), 100);
	ck_assert_uint_eq(histogram_percentile(&h, 100000), 100);
	ck_assert_uint_eq(h.min, 1);
	ck_assert_uint_eq(h.max, 100);
}
END_TEST

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

#define VALUES 10000
START_TEST(percentiles_are_close)
{
	static const uint32_t wanted[] = { 1, 10000, 50000, 90000, 99000, 99900, 100000 };
	static uint64_t values[VALUES];
	struct prng prng;

	memset(&h, 0, sizeof(h));
	prng_seed(&prng, (uint64_t)_i);
	for (unsigned i = 0; i < VALUES; i++) {
		values[i] = prng_u64(&prng) >> prng_below(&prng, 64);
		histogram_add(&h, values[i]);
	}
	qsort(values, VALUES, sizeof(values[0]), compare);
	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		uint64_t rank = ((uint64_t)VALUES * wanted[i] + 99999) / 100000, got, exact = values[rank - 1];

		got = histogram_percentile(&h, wanted[i]);
		ck_assert_uint_ge(got, exact);
		ck_assert_uint_le(got - exact, exact / 128);
	}
	ck_assert_uint_eq(histogram_percentile(&h, 100000), values[VALUES - 1]);
}
END_TEST

START_TEST(extremes)
{
	memset(&h, 0, sizeof(h));
	histogram_add(&h, 0);
	histogram_add(&h, UINT64_MAX);
	histogram_add(&h, UINT64_MAX);
	ck_assert_uint_eq(histogram_percentile(&h, 10000), 0);
	ck_assert_uint_eq(histogram_percentile(&h, 50000), UINT64_MAX);
	ck_assert_uint_eq(histogram_mean(&h), UINT64_MAX / 3 * 2);
}
END_TEST

Suite *histogram_suite(void)
{
	Suite *s = suite_create("histogram");
	TCase *tc = tcase_create("percentiles");

	tcase_add_test(tc, empty);
	tcase_add_test(tc, small_values_are_exact);
	tcase_add_loop_test(tc, percentiles_are_close, 0, 5);
	tcase_add_test(tc, extremes);
	suite_add_tcase(s, tc);
	return s;
}
