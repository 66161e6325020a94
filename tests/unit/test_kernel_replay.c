/* SPDX-License-Identifier: BSD-2-Clause */
/* test_kernel_replay.c: replays with the agents' BPF programs in the loop, against the same replays with the model:
 * one document, speed and the agent's name aside, and one capture of all taps. Where the programs cannot be loaded
 * the tests say why, and pass. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "each_capture.h"
#include "miresga/kernel_agent.h"
#include "miresga/report.h"

Suite *kernel_replay_suite(void);

/* False, and the reason on stdout, if the kernel's agents are not to be had. */
static bool kernel_is_there(const struct config *c)
{
	char error[AGENT_REFUSAL_MAX];
	struct agent *a = kernel_agent_create(c, 0, error);

	if (!a)
		printf("skipped: %s\n", error);
	agent_free(a);
	return a;
}

static uint8_t *read_all(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	uint8_t *bytes;
	long end;

	ck_assert_ptr_nonnull(f);
	fseek(f, 0, SEEK_END);
	end = ftell(f);
	ck_assert_int_ge(end, 0);
	rewind(f);
	*len = (size_t)end;
	bytes = malloc(*len + 1);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_uint_eq(fread(bytes, 1, *len, f), *len);
	fclose(f);
	return bytes;
}

/* What a replay says, without what may differ. */
struct saying {
	json_t *document;
	uint8_t *taps;
	size_t taps_len;
	uint64_t shortened;
};

/* False if there is no such agent here. */
static bool saying_take(struct saying *s, const struct config *c, const char *trace, agent_create_fn *agent)
{
	char taps[] = "/tmp/miresga-kernel-replay-XXXXXX", error[TRACE_ERROR_MAX] = "", *text = NULL;
	struct replay_options o = { .trace = trace, .agent = agent, .pcapng = taps };
	struct replay_result result;
	const struct replay_report r = { .config = c, .trace = trace, .result = &result };
	int fd = mkstemp(taps);
	size_t len;
	FILE *out;

	ck_assert_int_ge(fd, 0);
	close(fd);
	if (replay_run(c, &o, &result, error)) {
		unlink(taps);
		ck_assert_msg(agent && !kernel_is_there(c), "%s", error);
		return false;
	}
	ck_assert_str_eq(result.agent, agent ? "kernel" : "model");
	ck_assert_msg(!result.agent_error[0], "%s", result.agent_error);
	out = open_memstream(&text, &len);
	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(report_replay_json(out, &r), 0);
	fclose(out);
	s->document = json_loads(text, 0, NULL);
	ck_assert_ptr_nonnull(s->document);
	s->shortened = (uint64_t)json_integer_value(
		json_object_get(json_object_get(s->document, "agent"), "shortened"));
	json_object_del(s->document, "speed");
	json_object_del(s->document, "agent");
	s->taps = read_all(taps, &s->taps_len);
	unlink(taps);
	free(text);
	replay_result_free(&result);
	return true;
}

static void saying_free(struct saying *s)
{
	json_decref(s->document);
	free(s->taps);
}

/* False if the kernel's agents are not to be had. */
static bool compare(const struct config *c, const char *trace)
{
	struct saying model, kernel;

	if (!saying_take(&kernel, c, trace, kernel_agent_create))
		return false;
	saying_take(&model, c, trace, NULL);
	if (!json_equal(model.document, kernel.document)) {
		char *m = json_dumps(model.document, JSON_INDENT(1)), *k = json_dumps(kernel.document, JSON_INDENT(1));

		ck_abort_msg("%s: model %s\nkernel %s", trace, m, k);
	}
	ck_assert_msg(model.taps_len == kernel.taps_len && memcmp(model.taps, kernel.taps, model.taps_len) == 0,
		      "%s: the taps' captures differ", trace);
	ck_assert_uint_eq(model.shortened, 0);
	if (strstr(trace, "/gso.pcap"))
		ck_assert_uint_gt(kernel.shortened, 0);
	saying_free(&model);
	saying_free(&kernel);
	return true;
}

START_TEST(captures)
{
	each_capture(compare);
}
END_TEST

/* A map that is too small: special SYNs are refused, ended pairs give way. */
START_TEST(full_map)
{
	const char *dir = getenv("MIRESGA_TRACES");
	struct config *c = each_capture_config();
	char path[512];

	c->agent.entries_max = 3;
	snprintf(path, sizeof(path), "%s/parallel40.pcap", dir);
	compare(c, path);
	free(c);
}
END_TEST

/* What the programs cannot do is said before anything is played. */
START_TEST(quirks_are_refused)
{
	struct config *c = each_capture_config();
	char error[TRACE_ERROR_MAX] = "", path[512];
	struct replay_options o = { .trace = path, .agent = kernel_agent_create };
	struct replay_result result;

	snprintf(path, sizeof(path), "%s/demo.pcap", getenv("MIRESGA_TRACES"));
	if (kernel_is_there(c)) {
		c->quirks |= QUIRK_BIT(QUIRK_A3);
		ck_assert_int_eq(replay_run(c, &o, &result, error), -1);
		ck_assert_str_eq(error, "the kernel's agent: it has no quirks; use the model for A1, A3, A7 and P2");
	}
	free(c);
}
END_TEST

Suite *kernel_replay_suite(void)
{
	Suite *s = suite_create("kernel_replay");
	TCase *tc = tcase_create("kernel_replay");

	tcase_add_test(tc, captures);
	tcase_add_test(tc, full_map);
	tcase_add_test(tc, quirks_are_refused);
	suite_add_tcase(s, tc);
	return s;
}
