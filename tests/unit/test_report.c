/* SPDX-License-Identifier: BSD-2-Clause */
/* test_report.c: the summary and the JSON document of made-up results. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/report.h"

Suite *report_suite(void);

/* One made-up run: two front-ends and two backends, of which the second ones did nothing. */
struct made_up {
	struct config config;
	struct replay_result result;
	struct frontend_stats frontends[2];
	struct agent_stats backends[2];
	uint64_t backend_requests[2], backend_flows[2];
	struct replay_report report;
};

static struct made_up *made_up(void)
{
	struct made_up *m = calloc(1, sizeof(*m));

	ck_assert_ptr_nonnull(m);
	m->config.backend_count = 2;
	strncpy(m->config.backends[0].name, "web1", CONFIG_NAME_MAX - 1);
	strncpy(m->config.backends[1].name, "web2", CONFIG_NAME_MAX - 1);
	m->result.frontends = m->frontends;
	m->result.backends = m->backends;
	m->result.backend_requests = m->backend_requests;
	m->result.backend_flows = m->backend_flows;
	m->result.frontend_count = m->result.backend_count = 2;
	m->result.vip_found = true;
	ck_assert_int_eq(endpoint_parse("192.0.2.1:80", &m->result.vip), 0);
	strncpy(m->result.linktype, "Ethernet", sizeof(m->result.linktype) - 1);
	m->result.packets = 1234;
	m->result.seconds = 0.5;
	m->result.outcomes[OUTCOME_BYTE_EXACT] = 188;
	m->result.sw.fast_path_packets = 3;
	m->result.sw.to_frontend_packets = 1;
	m->result.sw.drops[DROP_NO_ROUTE] = 2;
	m->frontends[0].packets = 7;
	m->frontends[0].drops[DROP_NO_FLOW] = 4;
	m->frontends[1].drops[DROP_NO_FLOW] = 5;
	m->backends[0].ingress_packets = 9;
	m->report = (struct replay_report){ .config = &m->config, .trace = "some.pcap", .result = &m->result };
	return m;
}

static const struct {
	uint64_t exact, refused, mismatched, incomplete, skipped, checksum_errors, wrong_backend, leaked;
	bool interrupted, damaged, no_vip;
	const char *expected;
} verdicts[] = {
	{ .exact = 188, .expected = "All 188 flows byte-exact." },
	{ .exact = 12345, .expected = "All 12,345 flows byte-exact." },
	{ .exact = 1, .expected = "The one flow is byte-exact." },
	{ .exact = 5, .skipped = 1, .expected = "All 5 flows byte-exact. 1 flow skipped." },
	{ .exact = 186, .refused = 2, .expected = "186 flows byte-exact, 2 flows refused by policy." },
	{ .refused = 1, .expected = "1 flow refused by policy." },
	{ .exact = 7, .mismatched = 1, .expected = "FAILED: 1 flow mismatched; 7 of 8 flows byte-exact." },
	{ .exact = 7,
	  .mismatched = 2,
	  .incomplete = 1,
	  .checksum_errors = 3,
	  .leaked = 1,
	  .expected = "FAILED: 2 flows mismatched, 1 flow incomplete, 3 checksum errors, 1 entry left behind; "
		      "7 of 10 flows byte-exact." },
	{ .exact = 4, .leaked = 2, .expected = "FAILED: 2 entries left behind; 4 of 4 flows byte-exact." },
	{ .exact = 4, .damaged = true, .expected = "FAILED: the trace is damaged; 4 of 4 flows byte-exact." },
	{ .exact = 4, .interrupted = true, .expected = "Interrupted. All 4 flows byte-exact." },
	{ .skipped = 3, .expected = "No flow could be replayed. 3 flows skipped." },
	{ .expected = "No TCP packet to or from 192.0.2.1:80 in the trace: nothing to replay." },
	{ .interrupted = true, .expected = "Interrupted. No flow could be replayed." },
	{ .no_vip = true, .expected = "No TCP handshake in the trace: nothing to replay." },
};

START_TEST(verdict)
{
	struct made_up *m = made_up();
	char text[REPORT_VERDICT_MAX];

	m->result.outcomes[OUTCOME_BYTE_EXACT] = verdicts[_i].exact;
	m->result.outcomes[OUTCOME_REFUSED] = verdicts[_i].refused;
	m->result.outcomes[OUTCOME_MISMATCHED] = verdicts[_i].mismatched;
	m->result.outcomes[OUTCOME_INCOMPLETE] = verdicts[_i].incomplete;
	m->result.outcomes[OUTCOME_SKIPPED] = verdicts[_i].skipped;
	m->result.checksum_errors = verdicts[_i].checksum_errors;
	m->result.wrong_backend = verdicts[_i].wrong_backend;
	m->result.leaked = verdicts[_i].leaked;
	m->result.interrupted = verdicts[_i].interrupted;
	m->result.vip_found = !verdicts[_i].no_vip;
	if (verdicts[_i].damaged)
		strncpy(m->result.trace_error, "some.pcap: frame 3: cut", TRACE_ERROR_MAX - 1);
	report_replay_verdict(&m->result, text);
	ck_assert_str_eq(text, verdicts[_i].expected);
	free(m);
}
END_TEST

/* What report_replay() prints; free() it. */
static char *summary(const struct made_up *m, struct report_style style)
{
	char *text = NULL;
	size_t len;

	style.out = open_memstream(&text, &len);
	ck_assert_ptr_nonnull(style.out);
	report_replay(&style, &m->report);
	fclose(style.out);
	return text;
}

static const struct {
	const char *text;
	bool in_normal, in_quiet, in_verbose;
} shown[] = {
	{ "some.pcap (Ethernet)", true, false, true },
	{ "to or from 192.0.2.1:80", true, false, true },
	{ "75.0 % of packets", true, false, true },
	{ "  web1 ", true, false, true },
	{ "  web2 ", false, false, true }, /* idle */
	{ "  front-end 1 ", false, false, true },
	{ "  no_flow                           9   ", true, false, true }, /* of both front-ends */
	{ "  no_route                          2   ", true, false, true },
	{ "stray_syn", false, false, false },	    /* nothing was dropped for it */
	{ "checksum errors", true, false, true },   /* says something by being zero */
	{ "mismatched flows", false, false, true }, /* does not */
	{ "packets per second", true, false, true },
	{ "All 188 flows byte-exact.\n", true, true, true },
	{ "\033[", false, false, false },
};

START_TEST(summary_shows)
{
	struct made_up *m = made_up();
	char *normal = summary(m, (struct report_style){ .quiet = false });
	char *quiet = summary(m, (struct report_style){ .quiet = true });
	char *verbose = summary(m, (struct report_style){ .verbose = true });

	ck_assert_msg((strstr(normal, shown[_i].text) != NULL) == shown[_i].in_normal, "'%s' in:\n%s", shown[_i].text,
		      normal);
	ck_assert_msg((strstr(quiet, shown[_i].text) != NULL) == shown[_i].in_quiet, "'%s' in:\n%s", shown[_i].text,
		      quiet);
	ck_assert_msg((strstr(verbose, shown[_i].text) != NULL) == shown[_i].in_verbose, "'%s' in:\n%s", shown[_i].text,
		      verbose);
	free(normal);
	free(quiet);
	free(verbose);
	free(m);
}
END_TEST

START_TEST(colour_only_when_asked)
{
	struct made_up *m = made_up();
	char *good = summary(m, (struct report_style){ .color = true, .quiet = true });
	char *bad, *early;

	m->result.interrupted = true;
	early = summary(m, (struct report_style){ .color = true, .quiet = true });
	m->result.interrupted = false;
	m->result.leaked = 1;
	bad = summary(m, (struct report_style){ .color = true, .quiet = true });
	ck_assert_str_eq(good, "\033[1;32mAll 188 flows byte-exact.\033[0m\n");
	ck_assert_str_eq(bad, "\033[1;31mFAILED: 1 entry left behind; 188 of 188 flows byte-exact.\033[0m\n");
	ck_assert_str_eq(early, "\033[1;33mInterrupted. All 188 flows byte-exact.\033[0m\n");
	free(good);
	free(early);
	free(bad);
	free(m);
}
END_TEST

START_TEST(findings_are_listed)
{
	struct made_up *m = made_up();
	char *text;

	ck_assert_int_eq(endpoint_parse("192.0.2.9:4711", &m->result.findings[0].client), 0);
	m->result.findings[0].k = 3;
	m->result.findings[0].outcome = OUTCOME_MISMATCHED;
	strncpy(m->result.findings[0].text, "s2c differs at 17", REPLAY_TEXT_MAX - 1);
	m->result.finding_count = 1;
	m->result.outcomes[OUTCOME_MISMATCHED] = 1;
	text = summary(m, (struct report_style){ .quiet = false });
	ck_assert_msg(strstr(text, "  192.0.2.9:4711-3 mismatched: s2c differs at 17\n") != NULL, "%s", text);
	free(text);
	free(m);
}
END_TEST

static json_t *document_of(const struct made_up *m)
{
	json_t *document;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(report_replay_json(out, &m->report), 0);
	fclose(out);
	document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(document != NULL, "%s", text);
	ck_assert_int_eq(text[len - 1], '\n');
	free(text);
	return document;
}

static json_int_t number_at(json_t *document, const char *outer, const char *inner)
{
	json_t *value = json_object_get(json_object_get(document, outer), inner);

	ck_assert_msg(json_is_integer(value), "%s.%s", outer, inner);
	return json_integer_value(value);
}

START_TEST(json_values)
{
	struct made_up *m = made_up();
	json_t *document, *drops;

	m->result.outcomes[OUTCOME_REFUSED] = 2;
	m->result.outcomes[OUTCOME_SKIPPED] = 3;
	m->result.skipped_flows[SKIP_SERVER_FIRST] = 3;
	document = document_of(m);
	ck_assert_str_eq(json_string_value(json_object_get(document, "schema")), "miresga.replay/1");
	ck_assert_int_eq(number_at(document, "trace", "packets"), 1234);
	ck_assert_int_eq(number_at(document, "verify", "flows"), 190);
	ck_assert_int_eq(number_at(document, "verify", "refused"), 2);
	ck_assert_int_eq(number_at(json_object_get(document, "trace"), "skipped", "server_first"), 3);
	drops = json_object_get(json_object_get(document, "switch"), "drops");
	ck_assert_int_eq(json_integer_value(json_object_get(drops, "no_route")), 2);
	ck_assert_uint_eq(json_object_size(drops), DROP_COUNT - 1);
	ck_assert_uint_eq(json_array_size(json_object_get(document, "frontends")), 2);
	ck_assert_uint_eq(json_array_size(json_object_get(document, "backends")), 2);
	ck_assert_double_eq(json_real_value(json_object_get(json_object_get(document, "speed"), "seconds")), 0.5);
	json_decref(document);
	free(m);
}
END_TEST

/* A path that is not UTF-8 cannot stand in JSON; the document must survive it. */
START_TEST(json_survives_odd_bytes)
{
	struct made_up *m = made_up();
	json_t *document;

	m->report.trace = "caf\xe9.pcap";
	strncpy(m->result.findings[0].text, "host \xff\xfe", REPLAY_TEXT_MAX - 1);
	m->result.finding_count = 1;
	document = document_of(m);
	ck_assert(json_is_string(json_object_get(json_object_get(document, "trace"), "file")));
	ck_assert_uint_eq(json_array_size(json_object_get(json_object_get(document, "verify"), "findings")), 1);
	json_decref(document);
	free(m);
}
END_TEST

START_TEST(json_write_error)
{
	struct made_up *m = made_up();
	FILE *full = fopen("/dev/full", "w");

	ck_assert_ptr_nonnull(full);
	ck_assert_int_eq(report_replay_json(full, &m->report), -1);
	fclose(full);
	free(m);
}
END_TEST

Suite *report_suite(void)
{
	Suite *s = suite_create("report");
	TCase *tc = tcase_create("summary");

	tcase_add_loop_test(tc, verdict, 0, (int)ARRAY_LEN(verdicts));
	tcase_add_loop_test(tc, summary_shows, 0, (int)ARRAY_LEN(shown));
	tcase_add_test(tc, colour_only_when_asked);
	tcase_add_test(tc, findings_are_listed);
	suite_add_tcase(s, tc);
	tc = tcase_create("json");
	tcase_add_test(tc, json_values);
	tcase_add_test(tc, json_survives_odd_bytes);
	tcase_add_test(tc, json_write_error);
	suite_add_tcase(s, tc);
	return s;
}
