/* SPDX-License-Identifier: BSD-2-Clause */
/* test_progress.c: the line of a long run: what it says, and that it fits. */
#include <check.h>
#include <string.h>

#include "miresga/base.h"
#include "miresga/progress.h"

Suite *progress_suite(void);

#define MILLION UINT64_C(1000000)

static const struct {
	struct progress progress;
	const char *line;
} rows[] = {
	{ { 25, 100, MILLION, 2 * NS_PER_S, 100, NULL },
	  " 25.0 %  [==========>                             ]  1,000,000 packets  500,000/s  ETA 0:06" },
	{ { 25, 100, MILLION, 2 * NS_PER_S, 80, NULL },
	  " 25.0 %  [=======>                    ]  1,000,000 packets  500,000/s  ETA 0:06" },
	{ { 25, 100, MILLION, 2 * NS_PER_S, 60, NULL }, " 25.0 %  1,000,000 packets  500,000/s  ETA 0:06" },
	{ { 25, 100, MILLION, 2 * NS_PER_S, 40, NULL }, " 25.0 %  500,000/s  ETA 0:06" },
	{ { 25, 100, MILLION, 2 * NS_PER_S, 20, NULL }, " 25.0 %  ETA 0:06" },
	{ { 25, 100, MILLION, 2 * NS_PER_S, 10, NULL }, " 25.0 %" },
	{ { 25, 100, MILLION, 2 * NS_PER_S, 3, NULL }, "" },
	{ { 25, 100, MILLION, 2 * NS_PER_S, 0, NULL }, "" },
	{ { 75, 100, MILLION, 2 * NS_PER_S, 40, NULL }, " 75.0 %  500,000/s  ETA 0:01" },
	/* hours left; too early to tell; all read; more than all */
	{ { 1, 10001, MILLION, 2 * NS_PER_S, 40, NULL }, "  0.1 %  500,000/s  ETA 5:33:20" },
	{ { 25, 100, MILLION, NS_PER_S / 10, 40, NULL }, " 25.0 %  1,000,000 packets" },
	{ { 100, 100, MILLION, 2 * NS_PER_S, 45, NULL }, "100.0 %  [============]  500,000/s  ETA 0:00" },
	{ { 300, 100, MILLION, 2 * NS_PER_S, 40, NULL }, "100.0 %  500,000/s  ETA 0:00" },
	{ { 0, 100, 0, 2 * NS_PER_S, 40, NULL }, "  0.0 %  [>           ]  0 packets  0/s" },
	/* a pipe: nobody knows how long */
	{ { 25, 0, MILLION, 2 * NS_PER_S, 80, NULL }, "1,000,000 packets  500,000/s" },
	{ { 25, 0, MILLION, 2 * NS_PER_S, 20, NULL }, "500,000/s" },
	/* something else is counted */
	{ { 25, 100, 25, NS_PER_S / 2, 80, "scenarios" },
	  " 25.0 %  [=========>                            ]  25 scenarios  50/s  ETA 0:02" },
};

START_TEST(says)
{
	char line[PROGRESS_LINE_MAX];

	struct progress p = rows[_i].progress;

	if (!p.unit)
		p.unit = "packets";
	ck_assert_str_eq(progress_line(&p, line), rows[_i].line);
}
END_TEST

START_TEST(fits)
{
	char line[PROGRESS_LINE_MAX];
	struct progress p = {
		.total = UINT64_MAX, .count = UINT64_MAX, .elapsed_ns = UINT64_MAX / 2, .unit = "scenarios"
	};

	for (p.width = 1; p.width < 1000; p.width++)
		for (unsigned tenth = 0; tenth <= 10; tenth++) {
			p.done = UINT64_MAX / 10 * tenth;
			ck_assert_uint_lt(strlen(progress_line(&p, line)), p.width);
		}
}
END_TEST

Suite *progress_suite(void)
{
	Suite *s = suite_create("progress");
	TCase *tc = tcase_create("line");

	tcase_add_loop_test(tc, says, 0, (int)ARRAY_LEN(rows));
	tcase_add_test(tc, fits);
	suite_add_tcase(s, tc);
	return s;
}
