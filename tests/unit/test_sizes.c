/* SPDX-License-Identifier: BSD-2-Clause */
/* test_sizes.c: the functions behind size distributions and arrivals against exact values, the
 * distributions against their moments, and the file of an empirical one. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "miresga/prng.h"
#include "miresga/size_file.h"
#include "sim/load/fixed.h"
#include "sim/load/sizes.h"

Suite *sizes_suite(void);

/* e^x and -ln p to twelve digits, by another program. */
static const struct {
	int64_t numerator, denominator; /* x */
	uint64_t value, result;
} exponentials[] = {
	{ 0, 1, 1000, 1000 },
	{ 1, 1, UINT64_C(1000000000000), UINT64_C(2718281828459) },
	{ -1, 1, UINT64_C(1000000000000), UINT64_C(367879441171) },
	{ 1, 2, UINT64_C(1000000000000), UINT64_C(1648721270700) },
	{ 20, 1, 1000, UINT64_C(485165195409) },
	{ -20, 1, UINT64_C(1000000000000000), UINT64_C(2061153) },
	{ 100, 1, 1, UINT64_MAX },
	{ -100, 1, UINT64_MAX, 0 },
};

START_TEST(exponential)
{
	int64_t x = exponentials[_i].numerator * (FIXED_ONE / exponentials[_i].denominator);

	ck_assert_uint_eq(fixed_exp(exponentials[_i].value, x), exponentials[_i].result);
}
END_TEST

static const struct {
	uint64_t p;
	int64_t billionths; /* of -ln(p / 2^64) */
} logarithms[] = {
	{ UINT64_C(1) << 63, INT64_C(693147180) },
	{ UINT64_C(3) << 62, INT64_C(287682072) },
	{ UINT64_C(1) << 32, INT64_C(22180709777) },
	{ 1, INT64_C(44361419555) },
	{ UINT64_MAX, 0 },
};

START_TEST(logarithm)
{
	__int128 got = (__int128)fixed_minus_ln(logarithms[_i].p) * 1000000000 / FIXED_ONE;

	ck_assert_int_eq((int64_t)got, logarithms[_i].billionths);
}
END_TEST

/* Upper tails of the normal distribution at 1, 2, ... in multiples of 10^-15. */
static const uint64_t tails[] = { UINT64_C(500000000000000), UINT64_C(158655253931457), UINT64_C(22750131948179),
				  UINT64_C(1349898031630),   UINT64_C(31671241833),	UINT64_C(286651571) };

START_TEST(normal_tail)
{
	static uint64_t tail[NORMAL_POINTS];
	uint64_t got;

	fixed_normal_tails(tail);
	got = (uint64_t)((unsigned __int128)tail[_i * NORMAL_STEPS_PER_ONE] * UINT64_C(1000000000000000) >> 64);
	/* Simpson's error. */
	ck_assert_uint_le(got > tails[_i] ? got - tails[_i] : tails[_i] - got, 200);
}
END_TEST

/* z above which lies so much, in 10^-4. */
static const struct {
	uint64_t one_in;
	int64_t z;
} quantile_rows[] = { { 2, 0 },	       { 20, 16449 },	   { 100, 23263 },
		      { 1000, 30902 }, { 1000000, 47534 }, { 1000000000, 59978 } };

START_TEST(normal_quantile)
{
	static uint64_t tail[NORMAL_POINTS];
	int64_t z;

	fixed_normal_tails(tail);
	z = fixed_normal_above(tail, UINT64_MAX / quantile_rows[_i].one_in);
	z = (int64_t)((__int128)z * 10000 / FIXED_ONE);
	ck_assert_int_ge(z, quantile_rows[_i].z - 1);
	ck_assert_int_le(z, quantile_rows[_i].z + 1);
}
END_TEST

#define DRAWS 1000000

static uint64_t mean_of(const struct quantiles *q)
{
	struct prng prng;
	uint64_t sum = 0;

	prng_seed(&prng, 1);
	for (unsigned i = 0; i < DRAWS; i++)
		sum += quantiles_draw(q, prng_u64(&prng));
	return sum / DRAWS;
}

START_TEST(exponential_gaps)
{
	static struct quantiles q;

	quantiles_exponential(&q, 1000000);
	/* The standard error of the mean is a thousandth. */
	ck_assert_uint_ge(mean_of(&q), 996000);
	ck_assert_uint_le(mean_of(&q), 1004000);
	/* The median is ln 2, to the cells' width. */
	ck_assert_uint_eq(quantiles_draw(&q, (UINT64_C(1) << 63) - 1) / 100, 6931);
	/* The table's numbers are the same everywhere. */
	ck_assert_uint_eq(quantiles_draw(&q, UINT64_MAX), 22873856);
	ck_assert_uint_eq(quantiles_draw(&q, 0), 0);
	for (unsigned k = 1; k < QUANTILE_POINTS; k++) {
		ck_assert_uint_ge(q.value[0][k], q.value[0][k - 1]);
		ck_assert_uint_le(q.value[1][k], q.value[1][k - 1]);
	}
	ck_assert_uint_eq(q.value[0][QUANTILE_POINTS - 1], q.value[1][QUANTILE_POINTS - 1]);
}
END_TEST

START_TEST(lognormal)
{
	struct config_workload w = { .sizes = SIZES_LOGNORMAL, .size = 10000, .sigma_thousandths = 1500 };
	struct size_source s;
	char error[SIZE_FILE_ERROR_MAX];
	uint64_t mean;

	ck_assert_int_eq(sizes_init(&s, &w, error), 0);
	mean = mean_of(s.quantiles);
	/* median * e^(sigma^2 / 2) = 30,802 */
	ck_assert_uint_ge(mean, 30500);
	ck_assert_uint_le(mean, 31100);
	ck_assert_uint_eq(sizes_draw(&s, UINT64_C(1) << 63), 10000);
	/* Drawn the other way round, one is below the median as far as the other is above: 10,000 e^(+-1.5). */
	ck_assert_uint_ge(sizes_draw(&s, UINT64_MAX / 1000000 * 158655), 2229);
	ck_assert_uint_le(sizes_draw(&s, UINT64_MAX / 1000000 * 158655), 2233);
	ck_assert_uint_ge(sizes_draw(&s, UINT64_MAX - UINT64_MAX / 1000000 * 158655), 2229);
	sizes_fini(&s);
	w.sigma_thousandths = 0;
	ck_assert_int_eq(sizes_init(&s, &w, error), 0);
	for (uint64_t r = 1; r; r <<= 1)
		ck_assert_uint_eq(sizes_draw(&s, r), 10000);
	sizes_fini(&s);
	w.sigma_thousandths = 4000;
	w.size = BODY_MAX;
	ck_assert_int_eq(sizes_init(&s, &w, error), 0);
	ck_assert_uint_eq(sizes_draw(&s, UINT64_MAX), BODY_MAX);
	sizes_fini(&s);
}
END_TEST

START_TEST(table)
{
	struct config_workload w = { .sizes = SIZES_TABLE,
				     .size_count = 3,
				     .table = { { 1024, 70 }, { 0, 20 }, { 1 << 20, 10 } } };
	char error[SIZE_FILE_ERROR_MAX];
	struct size_source s;
	unsigned seen[3] = { 0 };

	ck_assert_int_eq(sizes_init(&s, &w, error), 0);
	/* Equally spaced draws meet the shares exactly. */
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t size = sizes_draw(&s, UINT64_MAX / 1000 * i + UINT64_MAX / 2000);

		seen[size == 1024 ? 0 : size == 0 ? 1 : 2]++;
	}
	ck_assert_uint_eq(seen[0], 700);
	ck_assert_uint_eq(seen[1], 200);
	ck_assert_uint_eq(seen[2], 100);
	sizes_fini(&s);
}
END_TEST

/* Writes the text to a temporary file, and its name to `path`. */
static void temporary(char path[64], const char *text)
{
	FILE *f;
	int fd;

	snprintf(path, 64, "/tmp/miresga-sizes-XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	f = fdopen(fd, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

START_TEST(empirical)
{
	struct config_workload w = { .sizes = SIZES_FILE };
	char error[SIZE_FILE_ERROR_MAX], path[64];
	struct size_source s;

	temporary(path, "# sizes\n300\n\n 100 # the smallest\n200\r\n400");
	snprintf(w.size_file, sizeof(w.size_file), "%s", path);
	ck_assert_msg(sizes_init(&s, &w, error) == 0, "%s", error);
	unlink(path);
	ck_assert_uint_eq(s.value_count, 4);
	for (uint64_t i = 0; i < 4; i++)
		ck_assert_uint_eq(sizes_draw(&s, i << 62), 100 * (i + 1));
	ck_assert_uint_eq(sizes_draw(&s, UINT64_MAX), 400);
	sizes_fini(&s);
}
END_TEST

#define LONG "#..................................................................."
static const struct {
	const char *text, *error;
} bad_files[] = {
	{ "", ": holds no size: a number of bytes on every line" },
	{ "# nothing\n\n", ": holds no size: a number of bytes on every line" },
	{ "1\n-2\n", ":2:1: expected a number of bytes, at most 64 GiB" },
	{ "# KiB\n  1k\n", ":2:4: expected a number of bytes, at most 64 GiB" },
	{ "1 2\n", ":1:3: expected a number of bytes, at most 64 GiB" },
	{ "\n\n 68719476737\n", ":3:2: expected a number of bytes, at most 64 GiB" },
	{ "99999999999999999999999\n", ":1:1: expected a number of bytes, at most 64 GiB" },
	{ "1\n" LONG LONG LONG LONG LONG "\n", ":2:256: the line is too long" },
};

START_TEST(bad_file)
{
	char error[SIZE_FILE_ERROR_MAX] = "", path[64];
	uint32_t count;

	temporary(path, bad_files[_i].text);
	ck_assert_ptr_null(size_file_read(path, &count, error));
	unlink(path);
	ck_assert_int_eq(strncmp(error, path, strlen(path)), 0);
	ck_assert_str_eq(&error[strlen(path)], bad_files[_i].error);
	ck_assert_ptr_null(size_file_read("/", &count, error));
	ck_assert_str_eq(error, "/: Is a directory");
	ck_assert_ptr_null(size_file_read("/dev/zero", &count, error));
	ck_assert_str_eq(error, "/dev/zero: is no regular file");
	ck_assert_ptr_null(size_file_read("/nonexistent/sizes", &count, error));
	ck_assert_str_eq(error, "/nonexistent/sizes: No such file or directory");
}
END_TEST

Suite *sizes_suite(void)
{
	Suite *s = suite_create("sizes");
	TCase *tc = tcase_create("distributions");

	tcase_add_loop_test(tc, exponential, 0, ARRAY_LEN(exponentials));
	tcase_add_loop_test(tc, logarithm, 0, ARRAY_LEN(logarithms));
	tcase_add_loop_test(tc, normal_tail, 0, ARRAY_LEN(tails));
	tcase_add_loop_test(tc, normal_quantile, 0, ARRAY_LEN(quantile_rows));
	tcase_add_test(tc, exponential_gaps);
	tcase_add_test(tc, lognormal);
	tcase_add_test(tc, table);
	tcase_add_test(tc, empirical);
	tcase_add_loop_test(tc, bad_file, 0, ARRAY_LEN(bad_files));
	suite_add_tcase(s, tc);
	return s;
}
