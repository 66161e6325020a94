/* SPDX-License-Identifier: BSD-2-Clause */
/* test_bench.c: every bench does the work that it names, for as short as it can, and gives a sound figure. Nothing here
 * depends on how fast the machine is. */
#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "miresga/checksum.h"
#include "sim/bench/bench_internal.h"

Suite *bench_suite(void);

#define ROUNDS 3

static const char *const groups[] = { "switch",	  "frontend", "agent", "ring",	"headers",
				      "checksum", "tcp",      "world", "replay" };

START_TEST(the_groups_are_the_list)
{
	char joined[256] = "";
	unsigned next = 0;

	for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
		size_t at = strlen(joined);

		snprintf(&joined[at], sizeof(joined) - at, "%s%s", at ? "|" : "", groups[i]);
		ck_assert_msg(next < bench_count && bench_matches(&bench_list[next], groups[i]),
			      "the list does not go on with the group %s", groups[i]);
		while (next < bench_count && bench_matches(&bench_list[next], groups[i]))
			next++;
	}
	ck_assert_str_eq(joined, BENCH_GROUPS);
	ck_assert_uint_eq(next, bench_count);
}
END_TEST

START_TEST(names_are_unique_and_rows_complete)
{
	const struct bench *b = &bench_list[_i];
	bool than = !b->than;

	for (unsigned i = 0; i < bench_count; i++) {
		ck_assert(i == (unsigned)_i || strcmp(bench_list[i].name, b->name) != 0);
		/* What it is compared with is measured before. */
		than |= i < (unsigned)_i && b->than && strcmp(bench_list[i].name, b->than) == 0;
	}
	ck_assert(than && !b->than == !b->budget_times && b->text && b->unit && b->subject);
	ck_assert_uint_eq(BENCH_PACKETS % MAX(b->batch, 1), 0);
}
END_TEST

START_TEST(a_name_is_a_bench_or_its_group)
{
	static const struct bench one = { .name = "agent-in" }, other = { .name = "agent-in-sack" };

	ck_assert(bench_matches(&one, "agent") && bench_matches(&other, "agent"));
	ck_assert(bench_matches(&one, "agent-in") && bench_matches(&other, "agent-in-sack"));
	ck_assert(!bench_matches(&other, "agent-in") && !bench_matches(&one, "agent-in-sack"));
	ck_assert(!bench_matches(&one, "age") && !bench_matches(&one, "agent-") && !bench_matches(&one, ""));
}
END_TEST

static void count_round(void *ctx, const struct bench *b, unsigned round)
{
	unsigned *rounds = ctx;

	(void)b;
	ck_assert_uint_eq(round, *rounds % (ROUNDS + 1));
	++*rounds;
}

static void assert_sound(const struct bench *b, const struct bench_result *r)
{
	ck_assert_uint_eq(r->rounds, ROUNDS);
	ck_assert_uint_ge(r->units, ROUNDS);
	ck_assert_msg(isfinite(r->min_ns) && r->min_ns > 0 && isfinite(r->max_ns), "%s: %f to %f", b->name, r->min_ns,
		      r->max_ns);
	ck_assert(r->min_ns <= r->quartile1_ns && r->quartile1_ns <= r->median_ns);
	ck_assert(r->median_ns <= r->quartile3_ns && r->quartile3_ns <= r->max_ns);
}

START_TEST(every_bench_of_a_group_measures)
{
	unsigned rounds = 0, run = 0;
	const struct bench_options o = { .rounds = ROUNDS, .progress = count_round, .progress_ctx = &rounds };
	struct bench_session *s = bench_open(&o);
	struct bench_result r;
	char error[BENCH_ERROR_MAX];

	ck_assert_ptr_nonnull(s);
	for (unsigned i = 0; i < bench_count; i++) {
		if (!bench_matches(&bench_list[i], groups[_i]))
			continue;
		ck_assert_msg(bench_run(s, &bench_list[i], &r, error) == 0, "%s: %s", bench_list[i].name, error);
		assert_sound(&bench_list[i], &r);
		run++;
	}
	bench_close(s);
	ck_assert_uint_gt(run, 0);
	ck_assert_uint_eq(rounds, run * (ROUNDS + 1));
}
END_TEST

/* Subjects of the test's own. */
static const uint64_t figures[] = { 1000, 1, 2, 5, 3, 4 };

static void *fake_create(const struct bench_options *o, char error[BENCH_ERROR_MAX])
{
	(void)error;
	return o->progress_ctx;
}

static void fake_free(void *state)
{
	unsigned *calls = state;

	*calls |= 0x100;
}

/* Units that grow with the round: of the first, that does not count, the most. */
static uint64_t fake_work(void *state, const struct bench *b)
{
	unsigned *calls = state;

	(void)b;
	return figures[(*calls)++ % ARRAY_LEN(figures)];
}

static bool fake_check(void *state, const struct bench *b, char error[BENCH_ERROR_MAX])
{
	const unsigned *calls = state;

	if (*calls != b->variant)
		return true;
	snprintf(error, BENCH_ERROR_MAX, "call %u went wrong", *calls);
	return false;
}

static const struct bench_subject fake = {
	.create = fake_create, .free = fake_free, .work = fake_work, .check = fake_check
};

START_TEST(the_first_round_does_not_count)
{
	unsigned calls = 0;
	const struct bench_options o = { .rounds = 5, .progress_ctx = &calls };
	const struct bench b = { .name = "fake", .subject = &fake };
	struct bench_session *s = bench_open(&o);
	struct bench_result r;
	char error[BENCH_ERROR_MAX];

	ck_assert_int_eq(bench_run(s, &b, &r, error), 0);
	ck_assert_uint_eq(calls, 6);
	ck_assert_uint_eq(r.rounds, 5);
	ck_assert_uint_eq(r.units, 1 + 2 + 5 + 3 + 4);
	bench_close(s);
	ck_assert_uint_eq(calls, 0x100 | 6);
}
END_TEST

START_TEST(other_work_than_named_is_an_error)
{
	unsigned calls = 0;
	const struct bench_options o = { .rounds = 5, .progress_ctx = &calls };
	const struct bench b = { .name = "fake", .subject = &fake, .variant = 3 };
	struct bench_session *s = bench_open(&o);
	struct bench_result r;
	char error[BENCH_ERROR_MAX];

	ck_assert_int_eq(bench_run(s, &b, &r, error), -1);
	ck_assert_str_eq(error, "call 3 went wrong");
	bench_close(s);
}
END_TEST

START_TEST(a_stopped_run_has_no_figure)
{
	const int stop = 1;
	unsigned calls = 0;
	const struct bench_options o = {
		.rounds = 5, .round_ns = 1000 * NS_PER_S, .progress_ctx = &calls, .stop = &stop
	};
	const struct bench b = { .name = "fake", .subject = &fake };
	struct bench_session *s = bench_open(&o);
	struct bench_result r;
	char error[BENCH_ERROR_MAX];

	ck_assert_int_eq(bench_run(s, &b, &r, error), 1);
	ck_assert_uint_eq(calls, 1);
	bench_close(s);
}
END_TEST

static const struct {
	const char *trace, *says;
} bad_traces[] = {
	{ "-", "cannot be standard input" },
	{ "tests/cli/no-such-trace.pcap", "tests/cli/no-such-trace.pcap" },
	{ "configs/minimal.yaml", "unknown file format" },
};

START_TEST(a_bad_trace_is_told)
{
	const struct bench_options o = { .rounds = 1, .trace = bad_traces[_i].trace };
	struct bench_session *s = bench_open(&o);
	struct bench_result r;
	char error[BENCH_ERROR_MAX];

	for (unsigned i = 0; i < bench_count; i++) {
		if (!bench_matches(&bench_list[i], "replay"))
			continue;
		ck_assert_int_eq(bench_run(s, &bench_list[i], &r, error), -1);
		ck_assert_msg(strstr(error, bad_traces[_i].says) || bench_list[i].variant == BENCH_REPLAY_PLAY,
			      "%s: %s", bench_list[i].name, error);
		ck_assert_str_ne(error, "");
	}
	bench_close(s);
}
END_TEST

/* Restored again and again, in one dress and another, after something has been written over the frame. */
START_TEST(frames_are_restored)
{
	static const struct bench dresses[2] = { { .name = "one" }, { .name = "other" } };
	static const uint8_t options[12] = { 1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8 };
	static const uint8_t body[BENCH_SEGMENT];
	struct bench_frames *f = malloc(sizeof(*f));

	ck_assert(f && !bench_frames_init(f));
	for (unsigned round = 0; round < 4; round++) {
		unsigned other = round & 1, at = round * 7;
		const struct bench_stamp stamp = { .src = bench_client(round),
						   .dst = bench_client(90000 + round),
						   .seq = 0xfffffff0u + round,
						   .ack = round * 0x12345678u,
						   .port = (uint16_t)round };
		struct packet *p = f->packets[at];

		bench_frames_dress(f, &dresses[other],
				   &(struct tcp_packet_spec){ .flags = TCP_ACK,
							      .options = options,
							      .options_len = other ? sizeof(options) : 0,
							      .payload = body,
							      .payload_len = other ? BENCH_SEGMENT : 0 });
		bench_frames_stamp(f, at, &stamp);
		memset(p->data, 0x55, p->phv.payload_at);
		p->len = 1;
		bench_frames_stamp(f, at, &stamp);
		ck_assert(endpoint_equal(p->phv.src, stamp.src) && endpoint_equal(p->phv.dst, stamp.dst));
		ck_assert(p->phv.seq == stamp.seq && p->phv.ack == stamp.ack && p->ingress_port == stamp.port);
		ck_assert_uint_eq(p->phv.payload_len, other ? BENCH_SEGMENT : 0);
		ck_assert(packet_ip(p)->check == csum_ipv4(packet_ip(p), IPV4_HDR_MIN));
		ck_assert(packet_tcp(p)->check ==
			  csum_tcp(packet_ip(p), packet_tcp(p), p->len - ETH_HDR_LEN - IPV4_HDR_MIN));
	}
	bench_frames_fini(f);
	free(f);
}
END_TEST

START_TEST(clients_differ)
{
	const uint32_t far = 1433600u + 8192u;

	for (uint32_t i = 1; i < far; i++) {
		struct endpoint a = bench_client(i - 1), b = bench_client(i);
		bool next = a.addr == b.addr && be16_to(a.port) + 1 == be16_to(b.port);

		ck_assert(next || be32_to(a.addr) + 1 == be32_to(b.addr));
	}
}
END_TEST

static void no_error(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	(void)ctx;
	ck_abort_msg("%s:%u:%u: %s", file, line, column, message);
}

static char *printed(const struct config *c)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert(out && !config_print(c, true, out));
	fclose(out);
	return text;
}

START_TEST(the_world_is_that_of_the_file)
{
	char error[BENCH_ERROR_MAX];
	struct config *here = bench_config_load("bench", bench_world_yaml, error), *file = malloc(sizeof(*file));
	char *a, *b;

	ck_assert_msg(here != NULL, "%s", error);
	ck_assert(file && !config_load(file, "configs/traffic2.yaml", no_error, NULL));
	a = printed(here);
	b = printed(file);
	ck_assert_str_eq(a, b);
	free(a);
	free(b);
	free(here);
	free(file);
}
END_TEST

static json_t *json_of(const char *arguments)
{
	const char *binary = getenv("MIRESGA_BINARY");
	char command[512];
	json_error_t error;
	json_t *document;
	FILE *out;

	snprintf(command, sizeof(command), "'%s' -j bench %s", binary ? binary : "build/miresga", arguments);
	out = popen(command, "r");
	ck_assert_ptr_nonnull(out);
	document = json_loadf(out, 0, &error);
	ck_assert_msg(document != NULL, "%s: %s", command, error.text);
	ck_assert_int_eq(pclose(out), 0);
	ck_assert_str_eq(json_string_value(json_object_get(document, "schema")), "miresga.bench/1");
	return document;
}

START_TEST(json_has_the_figures)
{
	static const char *const names[] = { "ring", "headers", "checksum-update" };
	static const char *const positive[] = { "median_ns", "min_ns", "max_ns", "quartile1_ns", "quartile3_ns",
						"rounds",    "units",  "cpu_ns", "wall_ns" };
	json_t *document = json_of("--rounds 2 --time 1us checksum-update ring headers ring");
	json_t *benches = json_object_get(document, "benches");

	ck_assert_uint_eq(json_array_size(benches), ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		json_t *b = json_array_get(benches, i);

		ck_assert_str_eq(json_string_value(json_object_get(b, "name")), names[i]);
		for (size_t k = 0; k < ARRAY_LEN(positive); k++)
			ck_assert_msg(json_number_value(json_object_get(b, positive[k])) > 0, "%s: %s", names[i],
				      positive[k]);
		ck_assert(json_is_null(json_object_get(b, "within_budget")));
	}
	json_decref(document);
}
END_TEST

START_TEST(json_lists_all)
{
	json_t *document = json_of("--list"), *benches = json_object_get(document, "benches");

	ck_assert_uint_eq(json_array_size(benches), bench_count);
	for (unsigned i = 0; i < bench_count; i++) {
		json_t *b = json_array_get(benches, i);

		ck_assert_str_eq(json_string_value(json_object_get(b, "name")), bench_list[i].name);
		ck_assert(!json_object_get(b, "median_ns"));
	}
	json_decref(document);
}
END_TEST

/* The page has a row for each. */
START_TEST(the_page_names_every_bench)
{
	char row[128], line[1024];
	FILE *page = fopen("docs/bench.md", "r");
	bool found = false;

	ck_assert_ptr_nonnull(page);
	snprintf(row, sizeof(row), "| `%s` |", bench_list[_i].name);
	while (fgets(line, sizeof(line), page))
		found |= strncmp(line, row, strlen(row)) == 0;
	fclose(page);
	ck_assert_msg(found, "docs/bench.md lacks a row '%s'", row);
}
END_TEST

Suite *bench_suite(void)
{
	Suite *suite = suite_create("bench");
	TCase *tc = tcase_create("bench");

	tcase_add_test(tc, the_groups_are_the_list);
	tcase_add_loop_test(tc, names_are_unique_and_rows_complete, 0, (int)bench_count);
	tcase_add_test(tc, a_name_is_a_bench_or_its_group);
	tcase_add_loop_test(tc, every_bench_of_a_group_measures, 0, ARRAY_LEN(groups));
	tcase_add_test(tc, the_first_round_does_not_count);
	tcase_add_test(tc, other_work_than_named_is_an_error);
	tcase_add_test(tc, a_stopped_run_has_no_figure);
	tcase_add_loop_test(tc, a_bad_trace_is_told, 0, ARRAY_LEN(bad_traces));
	tcase_add_test(tc, frames_are_restored);
	tcase_add_test(tc, clients_differ);
	tcase_add_test(tc, the_world_is_that_of_the_file);
	tcase_add_test(tc, json_has_the_figures);
	tcase_add_test(tc, json_lists_all);
	tcase_add_loop_test(tc, the_page_names_every_bench, 0, (int)bench_count);
	suite_add_tcase(suite, tc);
	return suite;
}
