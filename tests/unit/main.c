/* SPDX-License-Identifier: BSD-2-Clause */
/* main.c: the test runner. One SRunner over every suite, so that libcheck closes with one line,
 * `100%: Checks: N, Failures: 0, Errors: 0`. suites.h is made by the Makefile from the names of
 * tests/unit/test_NAME.c; each of them exports `Suite *NAME_suite(void)`.
 *
 * CK_RUN_SUITE=name runs one suite, CK_FORK=no runs the tests in this process (for a debugger). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "suites.h"

#define X(name) Suite *name##_suite(void);
SUITES(X)
#undef X

int main(void)
{
	static Suite *(*const make[])(void) = {
#define X(name) name##_suite,
		SUITES(X)
#undef X
	};
	SRunner *sr = NULL;
	int failed, run;

	for (size_t i = 0; i < sizeof(make) / sizeof(make[0]); i++) {
		if (sr)
			srunner_add_suite(sr, make[i]());
		else
			sr = srunner_create(make[i]());
	}
	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	run = srunner_ntests_run(sr);
	srunner_free(sr);
	if (run == 0)
		fprintf(stderr, "no test ran: is CK_RUN_SUITE the name of a suite?\n");
	return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
