/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_bench.c: `miresga bench [NAME]...`: measures the paths named, or all (bench.h), and prints a figure for each
 * beside its budget. A missed budget is no failure: the figures are the machine's as much as the program's.
 *
 * Lines appear as their bench ends. Ctrl-C ends the run; what was measured by then stays. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "interrupt.h"
#include "miresga/bench.h"
#include "miresga/text.h"
#include "progress_display.h"

#define ROUNDS 10
#define TIME_NS NS_PER_S
/* Below this share of the wall clock somebody else had the processor. */
#define BUSY_SHARE 0.95

struct bench_cli {
	bool list;
	const char *trace, *time;
	struct option_number rounds;
};

static const struct cli_option options[] = {
	{ .name = "list",
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct bench_cli, list),
	  .help = "only list the benches, with their budgets" },
	{ .name = "rounds",
	  .kind = OPTION_NUMBER,
	  .at = offsetof(struct bench_cli, rounds),
	  .argument = "N",
	  .min = 1,
	  .max = BENCH_ROUNDS_MAX,
	  .help = "rounds of each, after one that does not count (default: 10)" },
	{ .name = "time",
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct bench_cli, time),
	  .argument = "TIME",
	  .help = "measured time of each, over all rounds (default: 1s)" },
	{ .name = "trace",
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct bench_cli, trace),
	  .argument = "TRACE",
	  .help = "the capture of the group replay (default: one that is made)" },
};

/* One bench, measured or not. */
struct line {
	const struct bench *bench;
	bool wanted, done;
	struct bench_result result;
	double times; /* of the bench whose cost its budget counts in; 0: that was not measured */
};

struct run {
	const struct cli *cli;
	struct line *lines; /* bench_count */
	unsigned wanted, done;
	unsigned rounds;
	struct progress_display display;
};

static bool select_benches(struct run *r, const char *name)
{
	bool found = false;

	for (unsigned i = 0; i < bench_count; i++) {
		if (name && !bench_matches(r->lines[i].bench, name))
			continue;
		r->wanted += !r->lines[i].wanted;
		r->lines[i].wanted = found = true;
	}
	return found;
}

/* "GROUP|...|NAME|...", for the message about an unknown one. free() it. */
static char *known_names(void)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	MUST(out);
	fputs(BENCH_GROUPS, out);
	for (unsigned i = 0; i < bench_count; i++)
		if (strchr(bench_list[i].name, '-'))
			fprintf(out, "|%s", bench_list[i].name);
	fclose(out);
	return text;
}

static int choose(struct run *r)
{
	const struct cli *cli = r->cli;

	for (unsigned i = 0; i < bench_count; i++)
		r->lines[i].bench = &bench_list[i];
	if (cli->operand_count == 0)
		select_benches(r, NULL);
	for (unsigned i = 0; i < cli->operand_count; i++) {
		char *known;
		int rc;

		if (select_benches(r, cli->operands[i]))
			continue;
		known = known_names();
		rc = cli_unknown(cli, "bench", cli->operands[i], known);
		free(known);
		return rc;
	}
	return EXIT_SUCCESS;
}

static const struct line *line_of(const struct run *r, const char *name)
{
	for (unsigned i = 0; name && i < bench_count; i++)
		if (strcmp(r->lines[i].bench->name, name) == 0)
			return &r->lines[i];
	return NULL;
}

static const char *budget_text(const struct bench *b, char text[64])
{
	text[0] = '\0';
	if (b->budget_ns)
		snprintf(text, 64, "%u ns", b->budget_ns);
	else if (b->budget_times)
		snprintf(text, 64, "%u x %s", b->budget_times, b->than);
	return text;
}

static bool within(const struct line *l)
{
	if (l->bench->budget_ns)
		return l->result.median_ns <= l->bench->budget_ns;
	return l->times <= l->bench->budget_times;
}

static bool judged(const struct line *l)
{
	return l->bench->budget_ns || l->times > 0;
}

static double spread(const struct bench_result *r)
{
	return (r->quartile3_ns - r->quartile1_ns) / r->median_ns;
}

static void print_head(const struct run *r)
{
	if (!r->cli->globals.quiet && !r->cli->globals.json)
		printf("%-20s %10s %10s %8s %12s  %s\n", "", "ns", "least", "spread", "per second", "budget");
}

static void print_line(const struct run *r, const struct line *l)
{
	char count[TEXT_NUMBER_MAX], budget[64];
	const struct bench_result *m = &l->result;

	if (r->cli->globals.json)
		return;
	if (r->cli->globals.quiet) {
		printf("%s %.2f\n", l->bench->name, m->median_ns);
		return;
	}
	printf("%-20s %10.2f %10.2f %6.1f %% %12s", l->bench->name, m->median_ns, m->min_ns, 100 * spread(m),
	       text_count((uint64_t)(1e9 / m->median_ns + 0.5), count));
	if (*budget_text(l->bench, budget))
		printf("  %s", budget);
	if (l->times > 0)
		printf(": %.1f x", l->times);
	printf("%s\n", !judged(l) || within(l) ? "" : ", missed");
	if (r->cli->globals.verbose)
		printf("  %s; most %.2f ns, %s %ss in %u rounds\n", l->bench->text, m->max_ns,
		       text_count(m->units, count), l->bench->unit, m->rounds);
	fflush(stdout);
}

/* Where the processor was not ours alone, or the compiler was told not to bother. */
static void print_caveats(const struct run *r)
{
	uint64_t cpu_ns = 0, wall_ns = 0;

	for (unsigned i = 0; i < bench_count; i++) {
		cpu_ns += r->lines[i].result.cpu_ns;
		wall_ns += r->lines[i].result.wall_ns;
	}
	if (r->cli->globals.quiet)
		return;
	if ((double)cpu_ns < BUSY_SHARE * (double)wall_ns)
		printf("\nThe machine was busy: %.0f %% of the time while these were measured went to others, who use "
		       "the "
		       "same\ncaches. Measure again on an idle one.\n",
		       100 - 100 * (double)cpu_ns / (double)wall_ns);
#ifndef __OPTIMIZE__
	printf("\nBuilt without optimisation: the figures say nothing about a release build.\n");
#endif
}

static json_t *line_json(const struct line *l)
{
	const struct bench *b = l->bench;
	const struct bench_result *m = &l->result;
	json_t *o = json_pack("{s:s, s:s, s:s}", "name", b->name, "text", b->text, "unit", b->unit);

	json_object_set_new(o, "budget_ns", b->budget_ns ? json_integer(b->budget_ns) : json_null());
	json_object_set_new(o, "budget_times", b->budget_times ? json_integer(b->budget_times) : json_null());
	json_object_set_new(o, "budget_than", b->than ? json_string(b->than) : json_null());
	if (!l->done)
		return o;
	json_object_set_new(o, "median_ns", json_real(m->median_ns));
	json_object_set_new(o, "min_ns", json_real(m->min_ns));
	json_object_set_new(o, "max_ns", json_real(m->max_ns));
	json_object_set_new(o, "quartile1_ns", json_real(m->quartile1_ns));
	json_object_set_new(o, "quartile3_ns", json_real(m->quartile3_ns));
	json_object_set_new(o, "rounds", json_integer(m->rounds));
	json_object_set_new(o, "units", json_integer((json_int_t)m->units));
	json_object_set_new(o, "cpu_ns", json_integer((json_int_t)m->cpu_ns));
	json_object_set_new(o, "wall_ns", json_integer((json_int_t)m->wall_ns));
	json_object_set_new(o, "times", l->times > 0 ? json_real(l->times) : json_null());
	json_object_set_new(o, "within_budget", judged(l) ? json_boolean(within(l)) : json_null());
	return o;
}

static int print_json(const struct run *r, bool list)
{
	json_t *benches = json_array(), *document;

	for (unsigned i = 0; i < bench_count; i++)
		if (r->lines[i].done || (list && r->lines[i].wanted))
			json_array_append_new(benches, line_json(&r->lines[i]));
	document = json_pack("{s:s, s:o}", "schema", "miresga.bench/1", "benches", benches);
	if (!document)
		return cli_failure(r->cli, "out of memory");
	json_dumpf(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(document);
	return EXIT_SUCCESS;
}

static void print_list(const struct run *r)
{
	for (unsigned i = 0; i < bench_count; i++) {
		const struct bench *b = r->lines[i].bench;
		char budget[64];

		if (!r->lines[i].wanted)
			continue;
		if (r->cli->globals.quiet)
			puts(b->name);
		else if (*budget_text(b, budget))
			printf("%-20s %s; per %s, budget %s\n", b->name, b->text, b->unit, budget);
		else
			printf("%-20s %s; per %s\n", b->name, b->text, b->unit);
	}
}

static void show_progress(void *ctx, const struct bench *b, unsigned round)
{
	struct run *r = ctx;
	uint64_t of_each = r->rounds + 1, done = r->done * of_each + round;

	(void)b;
	progress_display_update(&r->display, done, r->wanted * of_each, done);
}

static int measure(struct run *r, struct bench_session *s)
{
	char error[BENCH_ERROR_MAX];

	print_head(r);
	for (unsigned i = 0; i < bench_count && !*interrupt_requested(); i++) {
		struct line *l = &r->lines[i];
		const struct line *than = line_of(r, l->bench->than);
		int rc;

		if (!l->wanted)
			continue;
		rc = bench_run(s, l->bench, &l->result, error);
		progress_display_end(&r->display);
		if (rc < 0)
			return cli_failure(r->cli, "%s: %s", l->bench->name, error);
		r->done++;
		l->done = rc == 0;
		if (l->done && than && than->done)
			l->times = l->result.median_ns / than->result.median_ns;
		if (l->done)
			print_line(r, l);
	}
	return *interrupt_requested() ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run_benches(struct run *r, const struct bench_cli *o, uint64_t time_ns)
{
	const struct bench_options bo = {
		.rounds = r->rounds,
		.round_ns = time_ns / r->rounds,
		.trace = o->trace,
		.progress = show_progress,
		.progress_ctx = r,
		.stop = interrupt_requested(),
	};
	struct bench_session *s = bench_open(&bo);
	int rc;

	if (!s)
		return cli_failure(r->cli, "out of memory");
	interrupt_catch();
	progress_display_begin(&r->display, r->cli, "rounds");
	rc = measure(r, s);
	bench_close(s);
	if (!r->cli->globals.json)
		print_caveats(r);
	else if (print_json(r, false))
		rc = EXIT_FAILURE;
	return rc;
}

static int run(const struct cli *cli, const void *opaque)
{
	const struct bench_cli *o = opaque;
	struct run r = { .cli = cli, .rounds = o->rounds.given ? (unsigned)o->rounds.value : ROUNDS };
	uint64_t time_ns = TIME_NS;
	char error[256];
	int rc;

	if (o->time && config_parse_duration(o->time, &time_ns, error, sizeof(error)))
		return cli_usage_error(cli, "--time: %s", error);
	r.lines = calloc(bench_count, sizeof(*r.lines));
	if (!r.lines)
		return cli_failure(cli, "out of memory");
	rc = choose(&r);
	if (rc == EXIT_SUCCESS && !o->list)
		rc = run_benches(&r, o, time_ns);
	else if (rc == EXIT_SUCCESS && cli->globals.json)
		rc = print_json(&r, true);
	else if (rc == EXIT_SUCCESS)
		print_list(&r);
	free(r.lines);
	return rc;
}

const struct command cli_bench = {
	.name = "bench",
	.summary = "measure what a packet costs on each path",
	.usage = "[OPTIONS] [NAME]...",
	.about = "Measures the paths named, a whole group by its first word, or all of them: the median of\n"
		 "some rounds, in nanoseconds of processor time, the least of them, and the spread (the\n"
		 "middle half of the rounds, in percent of the median). Budgets stand beside the figures;\n"
		 "missing one is no failure. 'miresga bench --list' names the paths.",
	.examples = "miresga bench\n"
		    "miresga bench switch agent-in-sack\n"
		    "miresga bench replay --trace trace.pcap\n"
		    "miresga -j bench --rounds 30 --time 3s > figures.json",
	.operands = BENCH_GROUPS,
	.options = options,
	.option_count = ARRAY_LEN(options),
	.options_size = sizeof(struct bench_cli),
	.run = run,
};
