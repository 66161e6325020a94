/* SPDX-License-Identifier: BSD-2-Clause */
/* test_packetdrill.c: tools/packetdrill2miresga.py: packetdrill's scripts pass through the whole pipeline.
 *
 * $MIRESGA_SHARED/vectors/packetdrill/json holds those of packetdrill, gVisor and Linux that speak of the
 * wire alone. All are translated, for the slow path and for the fast one, and what is translated must hold;
 * how many are not, and why, must be what docs/scripts.md says. The parser of packetdrill's own text is
 * tested with scripts of our own. Without the scripts, or without python3, these tests say so and pass. */
#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture.h"
#include "miresga/script.h"

Suite *packetdrill_suite(void);

#define TOOL "tools/packetdrill2miresga.py"
#define TEXT_MAX (1u << 18)

static char *output_of(const char *command, int *status)
{
	char *text = calloc(1, TEXT_MAX);
	FILE *f = popen(command, "r");
	int rc;

	ck_assert(f && text);
	(void)!fread(text, 1, TEXT_MAX - 1, f);
	rc = pclose(f);
	ck_assert(WIFEXITED(rc));
	*status = WEXITSTATUS(rc);
	return text;
}

static bool have_python(void)
{
	int status;

	free(output_of("python3 -c 'import json' 2>&1", &status));
	if (status != 0)
		printf("skipped: no python3\n");
	return status == 0;
}

static void remove_folder(const char *path)
{
	char pattern[256];
	glob_t files;

	snprintf(pattern, sizeof(pattern), "%s/*", path);
	ck_assert_int_eq(glob(pattern, 0, NULL, &files), 0);
	for (size_t i = 0; i < files.gl_pathc; i++)
		unlink(files.gl_pathv[i]);
	globfree(&files);
	ck_assert_int_eq(rmdir(path), 0);
}

static const char *const quirks_that_harm[] = { "F5", "A7" };

/* What came of the translated scripts of a folder. */
struct outcome {
	unsigned count, passed;
	uint64_t fast; /* outbound packets that the switch carried alone */
};

static unsigned row_of(const char *name)
{
	unsigned row = 0;

	while (row < switch_steering_rows && strcmp(switch_steering[row].name, name) != 0)
		row++;
	ck_assert_uint_lt(row, switch_steering_rows);
	return row;
}

static char *read_file(const char *path)
{
	char *text = calloc(1, TEXT_MAX);
	FILE *f = fopen(path, "r");

	ck_assert(f && text);
	(void)!fread(text, 1, TEXT_MAX - 1, f);
	fclose(f);
	return text;
}

/* Runs each of them, with a quirk if one is given; without, all must pass. */
static void run_folder(const char *folder, const char *quirk, struct outcome *out)
{
	char pattern[256], *with = malloc(TEXT_MAX + 64);
	glob_t files;

	*out = (struct outcome){ .count = 0 };
	snprintf(pattern, sizeof(pattern), "%s/*.pkt", folder);
	ck_assert(with && glob(pattern, 0, NULL, &files) == 0);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		char *text = read_file(files.gl_pathv[i]), *settings = strstr(text, "\n}\n");
		struct script_result r;

		ck_assert_ptr_nonnull(settings);
		snprintf(with, TEXT_MAX + 64, "%.*s\n}\n%s%s%s", (int)(settings - text), text, quirk ? "quirk " : "",
			 quirk ? quirk : "", settings + (quirk ? 2 : 3));
		script_run_memory(files.gl_pathv[i], with, strlen(with), NULL, &r);
		ck_assert_msg(r.verdict == SCRIPT_PASSED || (quirk && r.verdict == SCRIPT_FAILED), "%s:%u:%u: %s\n%s",
			      files.gl_pathv[i], r.line, r.column, r.message, r.detail);
		out->count++;
		out->passed += r.verdict == SCRIPT_PASSED;
		out->fast += r.steering[row_of("out_hit")];
		script_result_free(&r);
		free(text);
	}
	globfree(&files);
	free(with);
}

static const char *const modes[] = { "never", "always" };

/* Translates the shared scripts into a new folder; the tool's report, or NULL without them. */
static char *translate_shared(const char *mode, char folder[64])
{
	char path[512], command[1024], *report;
	int status;

	if (!have_python() || !shared_path("vectors/packetdrill/json", path, sizeof(path)))
		return NULL;
	snprintf(folder, 64, "/tmp/miresga-packetdrill-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(command, sizeof(command), "python3 " TOOL " --offload %s -o %s %s 2>&1", mode, folder, path);
	report = output_of(command, &status);
	ck_assert_msg(status == 0, "%s", report);
	return report;
}

START_TEST(every_script_passes_through)
{
	char folder[64], *report = translate_shared(modes[_i], folder);
	struct outcome o;

	if (!report)
		return;
	run_folder(folder, NULL, &o);
	ck_assert_uint_eq(o.count, o.passed);
	ck_assert(_i == 0 ? o.fast == 0 : o.fast > 0);
	remove_folder(folder);
	free(report);
}
END_TEST

/* What the tool says of how many it skips, and why, is in the manual, line by line. */
START_TEST(the_manual_tells_what_is_left_out)
{
	char folder[64], *report = translate_shared("auto", folder), *manual, *summary, *save = NULL;

	if (!report)
		return;
	manual = read_file("docs/scripts.md");
	summary = strstr(report, " scripts: ");
	ck_assert_ptr_nonnull(summary);
	while (summary > report && summary[-1] != '\n')
		summary--;
	for (char *line = strtok_r(summary, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		ck_assert_msg(strstr(manual, line), "docs/scripts.md lacks: %s", line);
	remove_folder(folder);
	free(manual);
	free(report);
}
END_TEST

/* The scripts do notice: a FIN that becomes a RST, timestamps that nobody shifts. */
START_TEST(a_quirk_makes_some_fail)
{
	char folder[64], *report = translate_shared("never", folder);
	struct outcome o;

	if (!report)
		return;
	run_folder(folder, quirks_that_harm[_i], &o);
	ck_assert_uint_lt(o.passed, o.count);
	remove_folder(folder);
	free(report);
}
END_TEST

/* ---- packetdrill's own text --------------------------------------------------------------------- */

/* What the tool makes of a script. */
static char *translate_text(const char *text, const char *options, int *status)
{
	char path[] = "/tmp/miresga-packetdrill-XXXXXX.pkt", command[256], *out;
	int fd = mkstemps(path, 4);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
	snprintf(command, sizeof(command), "python3 " TOOL " %s %s 2>&1", options, path);
	out = output_of(command, status);
	unlink(path);
	return out;
}

#define SYN "0 < S 0:0(0) win 32792 <mss 1460,sackOK,nop,nop,nop,wscale 7>\n"
#define SYNACK "+0 > S. 0:0(0) ack 1 <...>\n"
#define OPEN SYN SYNACK "+.01 < . 1:1(0) ack 1 win 257\n"

/* Each of packetdrill's words that a translation must get over, and the two numberings. */
static const char whole[] = "// A server that answers.\n--tolerance_usecs=10000\n`../common/defaults.sh`\n\n/* The "
			    "handshake,\n * late. */\n"
			    "    0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n"
			    "0.100 < S 0:0(0) win 32792 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>\n"
			    "+0 > S. 0:0(0) ack 1 <mss 1460,sackOK,TS val 700 ecr 100,nop,wscale 8>\n"
			    "+.01 < . 1:1(0) ack 1 win 257 <nop,nop,TS val 110 ecr 700>\n"
			    "+0...0.300 accept(3, ..., ...) = 4\n"
			    "+0 < [ect0] P. 1:101(100) ack 1 win 257 <nop,nop,TS val 110 ecr 700>\n"
			    "+0 %{ assert tcpi_snd_cwnd == 10,\n      tcpi_snd_cwnd }%\n"
			    "+0 setsockopt(4, SOL_TCP, TCP_INFO, {x=1,\n\ty=2}, 8) = 0\n"
			    "+.005~+.010 > P. 1:1461(1460) ack 101 <nop,nop,TS val 705 ecr 110>\n"
			    "+0 > P. 1461:2921(1460) ack 101 <nop,nop,TS val 705 ecr 110>\n"
			    "+.01 < . 101:101(0) ack 1 win 257 <nop,nop,TS val 120 ecr 705,nop,nop,sack 1461:2921>\n"
			    "* > . 1:1461(1460) ack 101 <nop,nop,TS val 706 ecr 120>\n"
			    "+.01 < F. 101(0) ack 2921 win 257 <nop,nop,TS val 130 ecr 706>\n";

static const char *const whole_says[] = {
	"+0.1 client C < S 0:0(0) ",
	"set switch.wscale 8\n",
	"Content-Length: 100\\r\\n",
	"+0 client C < P. 71:171(100) ack L+1 win 257 <nop,nop,TS val 110 ecr V>\n",
	"+0 be0.stack C > P. 71:171(100) ack S+1 win 257 <nop,nop,TS val 110 ecr 700>\n",
	"+0.005 be0.stack C < P. S+1:S+1461(1460) ack 171 <nop,nop,TS val 705 ecr 110> \"HTTP/1.1 200 OK",
	"+0 client C > P. L+1461:L+2921(1460) ack 171 <nop,nop,TS val V+5 ecr 110>\n",
	",sack L+1461:L+2921>\n",
	",sack S+1461:S+2921>\n",
	"+0.01 client C < F. 171:171(0) ack L+2921 ",
};

START_TEST(packetdrills_own_text)
{
	struct script_result r;
	char *out, *end;
	int status;

	if (!have_python())
		return;
	out = translate_text(whole, "", &status);
	ck_assert_msg(status == 0 && strstr(out, "1 script: 1 translated, 0 skipped"), "%s", out);
	for (size_t i = 0; i < ARRAY_LEN(whole_says); i++)
		ck_assert_msg(strstr(out, whole_says[i]), "not said: %s\n%s", whole_says[i], out);
	end = strstr(out, "1 script: ");
	script_run_memory("x.pkt", out, (size_t)(end - out), NULL, &r);
	ck_assert_msg(r.verdict == SCRIPT_PASSED, "%u:%u: %s\n%s\n%s", r.line, r.column, r.message, r.detail, out);
	script_result_free(&r);
	free(out);
}
END_TEST

static const struct left_out {
	const char *text, *says;
	int status;
} left_out[] = {
	{ "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n", "skipped: no packets\n", 0 },
	{ "0 < . 1:1(0) ack 1 win 9\n+0 > R 1:1(0)\n", "skipped: no handshake that the script completes\n", 0 },
	{ SYN SYNACK "+0 < R 1:1(0)\n", "skipped: no handshake that the script completes\n", 0 },
	{ "0 > S 0:0(0) <mss 1460>\n", "skipped: the script opens the connection itself\n", 0 },
	{ "0 < S 0:0(0) win 9 <mss 1460,FO>\n", "skipped: Fast Open: ", 0 },
	{ "0 < S 0:0(0) win 9 <mss 1460,FOEXP>\n", "skipped: Fast Open: ", 0 },
	{ "0 < S 0:40(40) win 9 <mss 1460>\n+0 > S. 0:0(0) ack 41 <mss 1460>\n", "skipped: Fast Open: ", 0 },
	{ "0 < S 0:0(0) win 9 <mss 1460,md5>\n", "skipped: a TCP option that scenarios do not have: md5\n", 0 },
	{ "0 < S 0:0(0) win 9 <...>\n", "skipped: the client's options are left open\n", 0 },
	{ "--ip_version=ipv6\n" OPEN, "skipped: a packet that is not plain TCP over IPv4: IPv6\n", 0 },
	{ OPEN "+0 < icmp unreachable frag_needed mtu 1300 [1:1461(1460)]\n",
	  "over IPv4: line 4, icmp\n1 script: 0 translated, 1 skipped\n    1  a packet that is not plain TCP over "
	  "IPv4\n",
	  0 },
	{ OPEN "\n+0 what is this\n", "skipped: text that is no event: line 5\n", 0 },
	{ "nothing like it\n", "skipped: text that is no event: line 1\n", 0 },
};

START_TEST(what_is_left_out_says_why)
{
	const struct left_out *l = &left_out[_i];
	char *out;
	int status;

	if (!have_python())
		return;
	out = translate_text(l->text, "", &status);
	ck_assert_msg(status == l->status && strstr(out, l->says), "status %d\n%s", status, out);
	free(out);
}
END_TEST

START_TEST(a_file_that_cannot_be_read)
{
	char *out;
	int status;

	if (!have_python())
		return;
	out = output_of("python3 " TOOL " tests/absent.json 2>&1", &status);
	ck_assert_msg(status == 1 && strstr(out, "tests/absent.json: error: "), "%d %s", status, out);
	free(out);
	out = output_of("python3 " TOOL " 2>&1", &status);
	ck_assert_msg(status == 2 && strstr(out, "usage: "), "%d %s", status, out);
	free(out);
}
END_TEST

Suite *packetdrill_suite(void)
{
	Suite *s = suite_create("packetdrill");
	TCase *tc = tcase_create("packetdrill");

	tcase_add_loop_test(tc, every_script_passes_through, 0, (int)ARRAY_LEN(modes));
	tcase_add_loop_test(tc, a_quirk_makes_some_fail, 0, (int)ARRAY_LEN(quirks_that_harm));
	tcase_add_test(tc, the_manual_tells_what_is_left_out);
	tcase_add_test(tc, packetdrills_own_text);
	tcase_add_loop_test(tc, what_is_left_out_says_why, 0, (int)ARRAY_LEN(left_out));
	tcase_add_test(tc, a_file_that_cannot_be_read);
	suite_add_tcase(s, tc);
	return s;
}
