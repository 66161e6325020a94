/* SPDX-License-Identifier: BSD-2-Clause */
/* test_terminal.c: what only shows where output is a terminal: colours, progress, and who forbids them. The
 * terminal is that of script(1). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/base.h"

Suite *terminal_suite(void);

#define OUTPUT_MAX 65536

static const struct {
	const char *environment, *options;
	bool color;
} rows[] = {
	{ "TERM=xterm", "", true },
	{ "TERM=xterm NO_COLOR=1", "", false },
	{ "TERM=xterm NO_COLOR=", "", true }, /* https://no-color.org: not empty */
	{ "TERM=dumb", "", false },
	{ "TERM=xterm", "--color=never", false },
	{ "TERM=xterm NO_COLOR=1", "--color=always", true },
};

static const char *const commands[] = {
	"replay -f configs/minimal.yaml $T/demo.pcap",
	"explain -f configs/minimal.yaml --packet=1 $T/demo.pcap",
};

static const char *setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value ? value : otherwise;
}

START_TEST(colors)
{
	const char *environment = rows[_i].environment, *options = rows[_i].options;

	ck_assert_int_eq(setenv("M", setting("MIRESGA_BINARY", "build/miresga"), 1), 0);
	ck_assert_int_eq(setenv("T", setting("MIRESGA_TRACES", "build/traces"), 1), 0);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		char *text = calloc(1, OUTPUT_MAX), call[512];
		FILE *out;

		ck_assert_ptr_nonnull(text);
		snprintf(call, sizeof(call), "env -u NO_COLOR %s script -qec '$M %s %s' /dev/null </dev/null",
			 environment, options, commands[i]);
		out = popen(call, "r");
		ck_assert_ptr_nonnull(out);
		ck_assert_uint_gt(fread(text, 1, OUTPUT_MAX - 1, out), 0);
		ck_assert_msg(pclose(out) == 0, "%s: %s", call, text);
		ck_assert_msg((strstr(text, "\033[1m") != NULL) == rows[_i].color, "%s: %s", call, text);
		free(text);
	}
}
END_TEST

#define FOLDER5 " tests/scenarios tests/scenarios tests/scenarios tests/scenarios tests/scenarios"
#define FOLDERS FOLDER5 FOLDER5 FOLDER5 FOLDER5

static const struct {
	const char *environment, *options;
	bool shown;
} progress_rows[] = {
	{ "TERM=xterm", "", true },
	{ "TERM=xterm", "-q", false },
	{ "TERM=dumb", "", false },
};

/* The same folder so often takes more than the tenth of a second before which nothing is drawn. */
START_TEST(progress_of_scripts)
{
	char *text = calloc(1, OUTPUT_MAX), call[512];
	FILE *out;

	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(setenv("M", setting("MIRESGA_BINARY", "build/miresga"), 1), 0);
	ck_assert_int_eq(setenv("F", FOLDERS, 1), 0);
	snprintf(call, sizeof(call), "%s script -qec '$M script %s $F' /dev/null </dev/null",
		 progress_rows[_i].environment, progress_rows[_i].options);
	out = popen(call, "r");
	ck_assert_ptr_nonnull(out);
	(void)!fread(text, 1, OUTPUT_MAX - 1, out);
	ck_assert_msg(pclose(out) == 0, "%s: %s", call, text);
	ck_assert_msg((strstr(text, " scenarios  ") && strstr(text, " %  [")) == progress_rows[_i].shown, "%s: %s",
		      call, text);
	ck_assert_msg(!progress_rows[_i].shown || strstr(text, "\r\033[K"), "%s: %s", call, text);
	free(text);
}
END_TEST

Suite *terminal_suite(void)
{
	Suite *s = suite_create("terminal");
	TCase *tc = tcase_create("terminal");

	/* util-linux has it; where it is missing there is nothing to see. */
	if (system("command -v script >/dev/null") == 0) {
		tcase_add_loop_test(tc, colors, 0, (int)ARRAY_LEN(rows));
		tcase_add_loop_test(tc, progress_of_scripts, 0, (int)ARRAY_LEN(progress_rows));
	}
	suite_add_tcase(s, tc);
	return s;
}
