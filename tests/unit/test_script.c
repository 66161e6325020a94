/* SPDX-License-Identifier: BSD-2-Clause */
/* test_script.c: scenario scripts: every one of tests/scenarios, what a failure and a mistake say,
 * the bounds, and the reports of the command. */
#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "miresga/quirk.h"
#include "miresga/script.h"
#include "miresga/switch.h"

Suite *script_suite(void);

#define FOLDER "tests/scenarios"

static glob_t scenarios;

START_TEST(every_scenario)
{
	struct script_result r;

	script_run_file(scenarios.gl_pathv[_i], NULL, &r);
	ck_assert_msg(r.verdict == SCRIPT_PASSED, "%s:%u:%u: %s\n%s", scenarios.gl_pathv[_i], r.line, r.column,
		      r.message, r.detail);
	ck_assert_msg(r.about != NULL, "%s does not open with what it shows", scenarios.gl_pathv[_i]);
	ck_assert_uint_gt(r.expectations, 0);
	script_result_free(&r);
}
END_TEST

/* File names are in lower case. */
static void need_scenario(const char *before, const char *name, const char *after)
{
	char path[192];

	snprintf(path, sizeof(path), FOLDER "/%s%s%s.pkt", before, name, after);
	for (char *c = path; *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
	ck_assert_msg(access(path, R_OK) == 0, "%s is missing", path);
}

/* Each row of the steering table, each quirk with and without. */
START_TEST(the_library_is_whole)
{
	for (unsigned i = 0; i < switch_steering_rows; i++)
		need_scenario("steering_", switch_steering[i].name, "");
	for (unsigned q = 0; q < QUIRK_COUNT; q++) {
		need_scenario("quirk_", quirk_id(q), "_with");
		need_scenario("quirk_", quirk_id(q), "_without");
	}
}
END_TEST

#define CONFIG "config " FOLDER "/site.yaml\n"
#define SYN "0.000 client < S 0:0(0) win 65535 <mss 1460>\n"

static const struct trouble {
	const char *text;
	enum script_verdict verdict;
	unsigned line, column;
	const char *message, *detail; /* parts of them */
} troubles[] = {
	/* No script: line, column, and what would have been right. */
	{ "", SCRIPT_BROKEN, 1, 1, "expected 'config', found the end of the file", "" },
	{ "client < S 0:0(0)\n", SCRIPT_BROKEN, 1, 1, "expected 'config' before this line", "" },
	{ "confg site.yaml\n", SCRIPT_BROKEN, 1, 1, "did you mean 'config'?", "" },
	{ "config nowhere.yaml\n", SCRIPT_BROKEN, 1, 8, "nowhere.yaml: No such file", "" },
	{ "config {\nvip: 10.0.1.10:80\nbackends: [{name: a, address: 198.18.0.1:80}]\n"
	  "pools: [{name: p, backends: [a]}]\nrules: [{pool: q}]\n}\n",
	  SCRIPT_BROKEN, 5, 16, "there is no pool \"q\"", "" },
	{ "config {\nvip: 10.0.1.10:80\nbackends: [{name: a, address: 198.18.0.1:80}]\n"
	  "pools: [{name: p, backends: [a]}]\nrules: [{pool: p}]\n}\nflow C INIT\n",
	  SCRIPT_FAILED, 7, 0, "flow C INIT: is not so", "expected INIT, got NONE" },
	{ "config {\nvip: 10.0.1.10:80\n", SCRIPT_BROKEN, 1, 9, "has no end; expected '}'", "" },
	{ CONFIG CONFIG, SCRIPT_BROKEN, 2, 7, "there is a configuration already", "" },
	{ CONFIG "set switch.wscal 7\n", SCRIPT_BROKEN, 2, 5, "did you mean \"switch.wscale\"?", "" },
	{ CONFIG "quirk F99\n", SCRIPT_BROKEN, 2, 7, "F99", "" },
	{ CONFIG "quirks F5\n", SCRIPT_BROKEN, 2, 1, "did you mean 'quirk'?", "" },
	{ CONFIG "bound 5s\n", SCRIPT_BROKEN, 2, 7, "expected 'time' or 'packets', found '5s'", "" },
	{ CONFIG "bound time 5\n", SCRIPT_BROKEN, 2, 12, "expected a duration with its unit", "" },
	{ CONFIG "+0 clinet < S 0:0(0)\n", SCRIPT_BROKEN, 2, 4, "expected a port (client, fe0, be0 to be1 with", "" },
	{ CONFIG "+0 clinet < S 0:0(0)\n", SCRIPT_BROKEN, 2, 4, "did you mean 'client'?", "" },
	{ CONFIG "+0 be1.stak < S 0:0(0)\n", SCRIPT_BROKEN, 2, 4, "did you mean 'be1.stack'?", "" },
	{ CONFIG "+0 web2.wir > S 0:0(0)\n", SCRIPT_BROKEN, 2, 4, "did you mean 'web2.wire'?", "" },
	{ CONFIG "+0 kil fe0\n", SCRIPT_BROKEN, 2, 4, "did you mean 'kill'?", "" },
	{ CONFIG "+0 inject kill fe0\n", SCRIPT_BROKEN, 2, 11, "found 'kill'", "" },
	{ CONFIG "+0 be2.stack > S 0:0(0)\n", SCRIPT_BROKEN, 2, 4, "be0 to be1", "" },
	{ CONFIG "+0 client D < S 0:0(0)\n", SCRIPT_BROKEN, 2, 11, "there is no client 'D'", "" },
	{ CONFIG "+0 client S 0:0(0)\n", SCRIPT_BROKEN, 2, 11, "there is no client 'S'", "" },
	{ CONFIG "+x client < S 0:0(0)\n", SCRIPT_BROKEN, 2, 2, "expected a time, as in '.010', found 'x'", "" },
	{ CONFIG "+1~+0 client > S 0:0(0)\n", SCRIPT_BROKEN, 2, 6, "expected a later end", "" },
	{ CONFIG "+0 client < X 0:0(0)\n", SCRIPT_BROKEN, 2, 13, "expected TCP flags", "" },
	{ CONFIG "+0 client < S 0;0(0)\n", SCRIPT_BROKEN, 2, 16, "expected '(' before the length", "" },
	{ CONFIG "+0 client < S 0:0(0\n", SCRIPT_BROKEN, 2, 20,
	  "expected ')' behind the length of the payload, found "
	  "the end of the line",
	  "" },
	{ CONFIG "+0 client < P. 1:9(7) ack 1\n", SCRIPT_BROKEN, 2, 16, "the edges lie 8 apart, but the length is 7",
	  "" },
	{ CONFIG "+0 client < P. 1:4(3) ack 1 \"four\"\n", SCRIPT_BROKEN, 2, 29, "4 bytes, but the length says 3", "" },
	{ CONFIG "+0 client < P. 1:9(8) ack 1 \"four\"\n", SCRIPT_BROKEN, 2, 29, "'...' behind the string", "" },
	{ CONFIG "+0 client < . 1:4(3) ack 1 \"ab\n", SCRIPT_BROKEN, 2, 28, "this string has no end", "" },
	{ CONFIG "+0 client < . 1:4(3) ack 1 \"\\q\"\n", SCRIPT_BROKEN, 2, 30, "expected one of \\n", "" },
	{ CONFIG "+0 client < S 0:0(0) <mss>\n", SCRIPT_BROKEN, 2, 26, "expected its value", "" },
	{ CONFIG "+0 client < S 0:0(0) <mss 65536>\n", SCRIPT_BROKEN, 2, 27, "its value of at most 65535", "" },
	{ CONFIG "+0 client < S 0:0(0) <wscale 256>\n", SCRIPT_BROKEN, 2, 30, "its value of at most 255", "" },
	{ CONFIG "+0 client < S 0:0(0) win 65536\n", SCRIPT_BROKEN, 2, 26, "a window of at most 65535", "" },
	{ CONFIG "+0 client < S 0:0(0) <sackok>\n", SCRIPT_BROKEN, 2, 23, "did you mean 'sackOK'?", "" },
	{ CONFIG "+0 client < S 0:0(0) <mss 1460\n", SCRIPT_BROKEN, 2, 31, "expected '>' behind the options", "" },
	{ CONFIG "+0 client < S 0:0(0) ack *\n", SCRIPT_BROKEN, 2, 13, "the script sends this packet", "" },
	{ CONFIG "+0 client < S 0:0(0) window 7\n", SCRIPT_BROKEN, 2, 22,
	  "expected the end of the line, found 'window'", "" },
	{ CONFIG "+0 client < icmp nothing\n", SCRIPT_BROKEN, 2, 18, "expected frag_needed", "" },
	{ CONFIG "+0 flow C COMPLET\n", SCRIPT_BROKEN, 2, 11, "did you mean 'COMPLETE'?", "" },
	{ CONFIG "+0 inject client < R 1:1(0)\n", SCRIPT_BROKEN, 2, 11, "expected a front-end or the wire of a backend",
	  "" },
	{ CONFIG "+0 inject fe0 < R 1:1(0)\n", SCRIPT_BROKEN, 2, 11, "expected 'to' a backend or 'from' the VIP", "" },
	{ CONFIG "+0 inject fe0 > from 10.0.1.10:80 S. L:L(0) ack 1\n+0 counter frontend.packets 0\n", SCRIPT_FAILED, 3,
	  0, "is not so", "expected 0, got 1\n" },
	{ CONFIG "+0 table offload\n", SCRIPT_BROKEN, 2, 17, "expected 'has' or 'lacks'", "" },
	{ CONFIG "+0 counter drop.bad_cooky 1\n", SCRIPT_BROKEN, 2, 12, "did you mean 'drop.bad_cookie'?", "" },
	{ CONFIG "+0 agent be7 has C\n", SCRIPT_BROKEN, 2, 10, "there is no backend 'be7'", "" },
	{ CONFIG "+0 any {\n client > S 0:0(0)\n", SCRIPT_BROKEN, 4, 1, "expected '}' for the 'any' of line 2", "" },
	{ CONFIG "+0 any {\n client < S 0:0(0)\n}\n", SCRIPT_BROKEN, 3, 2, "'any' sends none", "" },
	{ CONFIG "+0 control add C d=2\n", SCRIPT_BROKEN, 2, 21, "the D index of a backend, 0 to 1", "" },
	{ CONFIG "+0 kill fe9 5ms\n", SCRIPT_BROKEN, 2, 9, "there is no front-end 'fe9'; expected fe0 to fe0", "" },
	{ CONFIG "+0 backend web9 down\n", SCRIPT_BROKEN, 2, 12, "there is no backend 'web9'; expected be0 to be1",
	  "" },
	{ CONFIG "+0 backend web1 gone\n", SCRIPT_BROKEN, 2, 17, "expected 'down', 'refuses' or 'up', found 'gone'",
	  "" },
	{ CONFIG "+0 fault table_ful\n", SCRIPT_BROKEN, 2, 10, "did you mean 'table_full'?", "" },
	{ CONFIG "+0 fault backend_slow web1 factor\n", SCRIPT_BROKEN, 2, 34, "a factor", "" },
	{ CONFIG "+0 heal frontend_kill web1\n", SCRIPT_BROKEN, 2, 23, "there is no front-end 'web1'", "" },
	{ CONFIG "+0 stall switch 5ms\n", SCRIPT_BROKEN, 2, 10, "expected 'control', found 'switch'", "" },
	{ CONFIG "/* to the end\n", SCRIPT_BROKEN, 2, 1, "expected '*/'", "" },
	{ CONFIG "+0 client < S 99999999999:0(0)\n", SCRIPT_BROKEN, 2, 15, "of at most 4294967295", "" },
	/* A script that does not hold: its line, and the difference field by field. */
	{ CONFIG SYN, SCRIPT_FAILED, 2, 0, "a packet came that nobody expected", "got       client > C S." },
	{ CONFIG SYN "+0 client > S. L:L(0) ack 2\n", SCRIPT_FAILED, 3, 0, "another packet came",
	  "    ack       expected 2, got 1 (1)\n" },
	{ CONFIG SYN "+0 client > . L:L(0) ack 1\n", SCRIPT_FAILED, 3, 0, "another packet", "expected ., got S." },
	{ CONFIG SYN "+0 client > S. L:L(0) ack 1 win 7\n", SCRIPT_FAILED, 3, 0, "another packet",
	  "    win       expected 7, got " },
	{ CONFIG SYN "+0 client > S. L:L(0) ack 1 <mss 1400>\n", SCRIPT_FAILED, 3, 0, "another packet",
	  "    mss       expected 1400, got " },
	{ CONFIG SYN "+0 client > S. L:L(0) ack 1 <mss 1460,sackOK>\n", SCRIPT_FAILED, 3, 0, "another packet",
	  "    options   expected sackOK, got <mss 1460>\n" },
	{ CONFIG SYN "+0 client > S. L:L(0) ack 1 <>\n", SCRIPT_FAILED, 3, 0, "another packet",
	  "    options   expected none, got <mss 1460>\n" },
	{ CONFIG SYN "+0 be0.stack > S 0:0(0)\n", SCRIPT_FAILED, 3, 0, "another packet",
	  "    port      expected be0.stack >, got client >\n" },
	{ CONFIG SYN "+1 client > S. L:L(0)\n", SCRIPT_FAILED, 3, 0, "too early",
	  "    time      expected 1.000000, got 0.000000\n" },
	{ CONFIG SYN "+0 client > S. L:L(0)\n+1 client > . 1:1(0)\n", SCRIPT_FAILED, 4, 0, "nothing came", "" },
	{ CONFIG "0.000 client < SF 0:0(0)\n+0 client > S. L:L(0)\n", SCRIPT_FAILED, 3, 0, "nothing came",
	  "    dropped   client < bad_flags: " },
	{ CONFIG "+0 client < . 1:1(0) ack L+1\n", SCRIPT_FAILED, 2, 0, "L has no value yet", "" },
	{ CONFIG SYN "+0 client > S. L:L(0)\n+0 flow C COMPLETE\n", SCRIPT_FAILED, 4, 0, "is not so at 0.000000",
	  "    state     expected COMPLETE, got NONE\n" },
	{ CONFIG "+0 counter switch.packets 3\n", SCRIPT_FAILED, 2, 0, "is not so", "expected 3, got 0\n" },
	{ CONFIG "+0 table offload has C d=1\n", SCRIPT_FAILED, 2, 0, "is not so",
	  "expected one with d=1, got none\n" },
	{ CONFIG "+0 agent be0 has C\n", SCRIPT_FAILED, 2, 0, "is not so", "got none\n" },
	{ CONFIG SYN "+0 any {\n client > . 1:1(0)\n client > S. 9:9(0)\n}\n", SCRIPT_FAILED, 3, 0,
	  "fits no expectation of this 'any'", "expected  client > S. 9:9(0)\n" },
	{ CONFIG "1.000 flow C NONE\n0.500 flow C NONE\n", SCRIPT_FAILED, 3, 0, "time goes back", "" },
	/* Endless ones. */
	{ CONFIG "bound packets 1\n" SYN "+0 client > S. L:L(0)\n", SCRIPT_FAILED, 3, 0,
	  "stopped: 1 packets have passed", "" },
	{ CONFIG "bound time 5s\n+6 flow C NONE\n", SCRIPT_FAILED, 3, 0, "lies beyond 'bound time'", "" },
	{ CONFIG "* client > . 1:1(0)\n", SCRIPT_FAILED, 2, 0, "nothing came, and no timer waits", "" },
	{ CONFIG "bound time 1min\n" SYN
		 "+0 client > S. L:L(0)\n+0 client < . 1:1(0) ack L+1\n* client > R L+1:L+1(0)\n",
	  SCRIPT_FAILED, 6, 0, "stopped: nothing came until 'bound time' (60.000000)", "" },
};

START_TEST(every_trouble_says_what_and_where)
{
	const struct trouble *t = &troubles[_i];
	struct script_result r;

	script_run_memory("x.pkt", t->text, strlen(t->text), NULL, &r);
	ck_assert_msg(r.verdict == t->verdict && r.line == t->line && r.column == t->column &&
			      strstr(r.message, t->message) && strstr(r.detail, t->detail),
		      "verdict %d at %u:%u: %s\n%s", (int)r.verdict, r.line, r.column, r.message, r.detail);
	script_result_free(&r);
}
END_TEST

/* Every beginning of a script is refused or runs; none is read beyond its end. */
START_TEST(every_prefix_ends)
{
	static const char text[] = CONFIG "client D 192.0.2.9:99 isn 7\nlet S 5\n" SYN
					  "+0~+.5 client > S. L:L(0) ack 1 <mss *, *>\n"
					  "+0 any {\n client > . L:L(0)\n}\n+0 counter drop.none 1 /* end */\n";

	for (size_t len = 0; len < sizeof(text); len++) {
		char *copy = malloc(len + 1);
		struct script_result r;

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, text, len);
		script_run_memory("x.pkt", copy, len, NULL, &r);
		ck_assert(r.verdict != SCRIPT_BROKEN || r.line > 0);
		script_result_free(&r);
		free(copy);
	}
}
END_TEST

/* The examples of the manual run. */
START_TEST(the_manual_is_right)
{
	char *text = calloc(1, 1 << 18);
	FILE *f = fopen("docs/scripts.md", "r");
	unsigned blocks = 0;

	ck_assert(f && text && fread(text, 1, (1 << 18) - 1, f) > 0);
	fclose(f);
	for (char *at = text; (at = strstr(at, "```pkt\n")) != NULL; blocks++) {
		char *start = at + 7, *end = strstr(start, "```\n");
		struct script_result r;

		ck_assert_ptr_nonnull(end);
		script_run_memory(FOLDER "/manual", start, (size_t)(end - start), NULL, &r);
		ck_assert_msg(r.verdict == SCRIPT_PASSED, "example %u, line %u:%u: %s\n%s", blocks + 1, r.line,
			      r.column, r.message, r.detail);
		script_result_free(&r);
		at = end;
	}
	ck_assert_uint_gt(blocks, 0);
	free(text);
}
END_TEST

/* Of each scenario; fewer where $MIRESGA_RUNS says so. */
#define RUNS 100

/* What a run shows to anybody: every packet that every port saw, with its comment, and the report. */
static char *everything(const char *scenario, const char *pcapng, size_t *len)
{
	const struct script_options options = { .pcapng = pcapng };
	struct script_result r;
	char *bytes = NULL, block[BUFSIZ];
	size_t n;
	FILE *f, *all = open_memstream(&bytes, len);

	script_run_file(scenario, &options, &r);
	ck_assert_msg(r.verdict == SCRIPT_PASSED, "%s", r.message);
	f = fopen(pcapng, "rb");
	ck_assert(f && all);
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		fwrite(block, 1, n, all);
	fclose(f);
	unlink(pcapng); /* to write over it would wait for the disk */
	fwrite(r.steering, sizeof(r.steering), 1, all);
	fwrite(r.transitions, sizeof(r.transitions), 1, all);
	fprintf(all, "%s %s %u %llu %llu", r.message, r.detail, r.expectations, (unsigned long long)r.packets,
		(unsigned long long)r.virtual_ns);
	script_result_free(&r);
	fclose(all);
	return bytes;
}

/* Nothing that is seen may depend on where memory lies: each run finds the heap otherwise. */
START_TEST(same_scenario_same_bytes)
{
	char path[] = "/tmp/miresga-script-XXXXXX", *first, *again;
	const char *wanted = getenv("MIRESGA_RUNS");
	unsigned runs = wanted ? MIN((unsigned)atoi(wanted), RUNS) : RUNS;
	int fd = mkstemp(path);
	void *shift[RUNS];
	size_t len, n;

	ck_assert_int_ge(fd, 0);
	close(fd);
	first = everything(scenarios.gl_pathv[_i], path, &len);
	for (unsigned i = 1; i < runs; i++) {
		shift[i] = malloc(48 * i);
		again = everything(scenarios.gl_pathv[_i], path, &n);
		ck_assert_msg(n == len && memcmp(first, again, len) == 0, "%s: run %u differs from the first",
			      scenarios.gl_pathv[_i], i + 1);
		free(again);
	}
	for (unsigned i = 1; i < runs; i++)
		free(shift[i]);
	free(first);
}
END_TEST

/* Nor on where the program lies: each process has other addresses. */
START_TEST(same_library_same_report)
{
	const char *binary = getenv("MIRESGA_BINARY");
	char command[256], *first = NULL, *again;

	snprintf(command, sizeof(command), "%s script -j " FOLDER, binary ? binary : "build/miresga");
	for (unsigned i = 0; i < 4; i++) {
		FILE *f = popen(command, "r");

		again = calloc(1, 1 << 20);
		ck_assert(f && again);
		(void)!fread(again, 1, (1 << 20) - 1, f);
		ck_assert_int_eq(pclose(f), 0);
		ck_assert(strstr(again, "\"failed\": 0") != NULL && (!first || strcmp(first, again) == 0));
		free(first);
		first = again;
	}
	free(first);
}
END_TEST

static const struct call {
	const char *arguments;
	int status;
	const char *output; /* a part of it */
} calls[] = {
	{ FOLDER, 0, " 0 failed, 0 with errors\n" },
	{ FOLDER "/figure2_workflow.pkt", 0, "1 scenario: 1 passed, 0 failed, 0 with errors\n" },
	{ "-q " FOLDER "/figure2_workflow.pkt", 0, "" },
	{ "-v " FOLDER "/figure2_workflow.pkt", 0, "passed  " FOLDER "/figure2_workflow.pkt  The workflow" },
	{ "--tap " FOLDER "/figure2_workflow.pkt", 0,
	  "TAP version 13\n1..1\nok 1 - " FOLDER "/figure2_workflow.pkt\n" },
	{ "--junit - " FOLDER "/figure2_workflow.pkt", 0, "tests=\"1\" failures=\"0\" errors=\"0\"" },
	{ "-j " FOLDER "/figure2_workflow.pkt", 0, "\"schema\": \"miresga.script/1\"" },
	{ "--coverage " FOLDER, 0, " errors\n\nFSM cells that nothing reaches:\n" },
	{ "--coverage " FOLDER, 0, "\n100 % of reachable cells\n" },
	{ "--coverage " FOLDER "/figure2_workflow.pkt", 1, "  REFUSING     CLIENT_AGAIN\n" },
	{ "--coverage " FOLDER "/figure2_workflow.pkt", 1, " errors\n\nSteering rows not used:\n  vip_fragment\n" },
	{ "-j --coverage " FOLDER "/figure2_workflow.pkt", 1, "miresga.script/1" },
	{ "--tap --junit - " FOLDER "/figure2_workflow.pkt", 2, "only one of" },
	{ "tests/cli/failing.pkt", 1, "tests/cli/failing.pkt:8: another packet came than the expected one\n" },
	{ "--tap tests/cli/failing.pkt", 1, "not ok 1 - tests/cli/failing.pkt\n# tests/cli/failing.pkt:8: " },
	{ "--junit - tests/cli/failing.pkt", 1, "<failure message=\"another packet came than the expected one\">" },
	{ "tests/cli/broken.pkt", 2, "tests/cli/broken.pkt:4:13: error: expected TCP flags" },
	{ "tests/cli/broken.pkt tests/cli/failing.pkt", 2, "2 scenarios: 0 passed, 1 failed, 1 with errors" },
	{ "tests/cli/absent.pkt", 2, "tests/cli/absent.pkt: error: No such file or directory\n" },
	{ "", 2, "no script given" },
	{ "src/cli", 2, "there is no *.pkt in this folder" },
	{ "-w /tmp/x.pcapng " FOLDER, 2, "-w takes one script" },
};

START_TEST(the_command_reports)
{
	const struct call *c = &calls[_i];
	const char *binary = getenv("MIRESGA_BINARY");
	char command[512], *output = calloc(1, 1 << 20);
	FILE *f;
	int status;

	snprintf(command, sizeof(command), "%s script %s 2>&1", binary ? binary : "build/miresga", c->arguments);
	f = popen(command, "r");
	ck_assert(f && output);
	(void)!fread(output, 1, (1 << 20) - 1, f);
	status = pclose(f);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == c->status && strstr(output, c->output),
		      "status %d\n%s", status, output);
	free(output);
}
END_TEST

Suite *script_suite(void)
{
	Suite *s = suite_create("script");
	TCase *tc = tcase_create("scripts");

	if (glob(FOLDER "/*.pkt", 0, NULL, &scenarios) != 0)
		scenarios.gl_pathc = 0;
	tcase_add_loop_test(tc, every_scenario, 0, (int)scenarios.gl_pathc);
	tcase_add_test(tc, the_library_is_whole);
	tcase_add_loop_test(tc, every_trouble_says_what_and_where, 0, (int)ARRAY_LEN(troubles));
	tcase_add_test(tc, every_prefix_ends);
	tcase_add_test(tc, the_manual_is_right);
	tcase_add_test(tc, same_library_same_report);
	tcase_add_loop_test(tc, same_scenario_same_bytes, 0, (int)scenarios.gl_pathc);
	tcase_add_loop_test(tc, the_command_reports, 0, (int)ARRAY_LEN(calls));
	suite_add_tcase(s, tc);
	return s;
}
