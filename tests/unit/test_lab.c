/* SPDX-License-Identifier: BSD-2-Clause */
/* test_lab.c: every scenario of the lab, tests/lab/scenarios/NAME.sh, is a test: real curl, wrk and nginx, the real
 * agents, `miresga live`, in namespaces that go with the scenario. Where one cannot run it says why, and passes.
 * LAB_ONLY=NAME runs one alone; LAB_LONG=1 makes them longer. */
#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "miresga/base.h"

Suite *lab_suite(void);

#define SCENARIOS "tests/lab/scenarios/*.sh"
#define EXIT_SKIPPED 77
/* A load on a program that is many times slower shows other things than it is meant to. */
#ifdef __SANITIZE_ADDRESS__
#define SLOW_BINARY 1
#else
#define SLOW_BINARY 0
#endif
#define OUTPUT_MAX 16384

/* Runs a shell command; its exit status, and in `output` what it said. */
static int run(const char *command, char output[OUTPUT_MAX])
{
	FILE *f = popen(command, "r");
	size_t len;
	int status;

	ck_assert_ptr_nonnull(f);
	len = fread(output, 1, OUTPUT_MAX - 1, f);
	output[len] = '\0';
	while (fgetc(f) != EOF) {
		/* so that it need not die of a closed pipe */
	}
	status = pclose(f);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The name between the last slash and the dot. */
static void name_of(const char *path, char name[64])
{
	const char *base = strrchr(path, '/');

	snprintf(name, 64, "%s", base ? base + 1 : path);
	name[strcspn(name, ".")] = '\0';
}

START_TEST(scenario)
{
	char command[512], output[OUTPUT_MAX], name[64];
	const char *binary = getenv("MIRESGA_BINARY"), *only = getenv("LAB_ONLY");
	glob_t all;
	int status;

	ck_assert_int_eq(glob(SCENARIOS, 0, NULL, &all), 0);
	name_of(all.gl_pathv[_i], name);
	if (only ? strcmp(only, name) != 0 : SLOW_BINARY && strcmp(name, "downloads") && strcmp(name, "taps")) {
		globfree(&all);
		return;
	}
	snprintf(command, sizeof(command), "MIRESGA_BINARY='%s' %s 2>&1 </dev/null", binary ? binary : "build/miresga",
		 all.gl_pathv[_i]);
	globfree(&all);
	status = run(command, output);
	if (status == EXIT_SKIPPED)
		printf("lab: %s skipped: %s", name, output);
	else
		ck_assert_msg(status == 0, "%s: exit status %d\n%s", name, status, output);
}
END_TEST

Suite *lab_suite(void)
{
	Suite *s = suite_create("lab");
	TCase *t = tcase_create("lab");
	glob_t all;

	if (glob(SCENARIOS, 0, NULL, &all) == 0) {
		tcase_add_loop_test(t, scenario, 0, (int)all.gl_pathc);
		globfree(&all);
	}
	suite_add_tcase(s, t);
	return s;
}
