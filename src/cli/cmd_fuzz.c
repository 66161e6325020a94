/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_fuzz.c: `miresga fuzz --seeds A..B`: runs the world of every seed in worker processes, and
 * shrinks the first one that fails.
 *
 * Seeds are independent of each other, so neither their order nor the number of processes changes
 * what any of them does. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"
#include "miresga/fuzz.h"
#include "miresga/jobs.h"
#include "miresga/json_number.h"
#include "progress_display.h"

#define FAILURES_KEPT 32
#define SHRINK_RUNS 400
#define QUIRK_ERROR_MAX 256
#define RERUN_MAX 2048

struct fuzz_cli {
	const char *config_file;
	const char *seeds;
	const char *budget;
	struct option_list quirks;
	bool as_published;
	const char *save;
	struct option_number jobs;
};

static const struct cli_option options[] = {
	{ .name = "seeds",
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct fuzz_cli, seeds),
	  .argument = "A..B",
	  .help = "the seeds to run, both included; or one seed" },
	{ .name = "config",
	  .letter = 'f',
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct fuzz_cli, config_file),
	  .argument = "FILE",
	  .help = "draw only links, faults and workloads around this system (default: all)" },
	{ .name = "jobs",
	  .kind = OPTION_NUMBER,
	  .at = offsetof(struct fuzz_cli, jobs),
	  .argument = "N",
	  .min = 1,
	  .max = JOBS_MAX,
	  .help = "processes (default: one per processor)" },
	{ .name = "budget",
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct fuzz_cli, budget),
	  .argument = "TIME",
	  .help = "stop after so long, as in 60s" },
	{ .name = "quirk",
	  .kind = OPTION_LIST,
	  .at = offsetof(struct fuzz_cli, quirks),
	  .argument = "ID,...",
	  .help = "bring behaviours of the published code back, or all" },
	{ .name = "as-published",
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct fuzz_cli, as_published),
	  .help = "the same as --quirk=all" },
	{ .name = "save",
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct fuzz_cli, save),
	  .argument = "FILE",
	  .help = "the shrunk world as a configuration for miresga sim" },
};

/* What a worker tells of a seed. */
struct outcome {
	bool failed;
	uint32_t kind; /* enum sim_violation_kind */
	uint64_t events, connections, responses;
	char text[SIM_TEXT_MAX];
};

struct failure {
	uint64_t seed;
	int signal;   /* crashed: by this one, -1 without one */
	bool crashed; /* there is only the seed */
	struct outcome outcome;
};

struct fuzz {
	const struct cli *cli;
	const struct fuzz_cli *options;
	struct config *base; /* NULL: none */
	uint64_t first, last, budget_ns, started_ns;
	struct progress_display display;
	uint64_t run, failed, events, connections, responses;
	unsigned kept;
	struct failure failures[FAILURES_KEPT]; /* those with the lowest seeds, ascending */
	/* of the lowest one */
	struct config *world; /* as small as it became */
	struct failure left;  /* what that does */
	bool repeated;	      /* it has failed again */
	unsigned shrink_runs;
	const struct config *trial; /* a world to be tried, and what came of it */
	struct failure came;
	/* a worker's */
	struct config *drawn;
	struct sim_result *result;
};

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Returns 0, or -1 with a message. */
static int add_quirks(const struct fuzz_cli *o, struct config *c, char error[QUIRK_ERROR_MAX])
{
	int rc = o->as_published ? config_add_quirks(c, "all", error, QUIRK_ERROR_MAX) : 0;

	for (unsigned i = 0; !rc && i < o->quirks.count; i++)
		rc = config_add_quirks(c, o->quirks.items[i], error, QUIRK_ERROR_MAX);
	return rc;
}

static void draw(const struct fuzz *f, struct config *c, uint64_t seed)
{
	char error[QUIRK_ERROR_MAX];

	fuzz_draw(c, f->base, seed);
	MUST(!add_quirks(f->options, c, error)); /* prepare() has tried */
}

static void run_world(struct fuzz *f, const struct config *c, struct outcome *o)
{
	o->failed = fuzz_try(c, f->result);
	o->events = f->result->events;
	o->connections = f->result->connections;
	o->responses = sim_responses(f->result);
	if (!o->failed)
		return;
	o->kind = f->result->violation[0].kind;
	memcpy(o->text, f->result->violation[0].text, sizeof(o->text));
}

static void run_seed(void *ctx, uint64_t seed, void *record)
{
	struct fuzz *f = ctx;

	draw(f, f->drawn, seed);
	run_world(f, f->drawn, record);
}

static void keep(struct fuzz *f, const struct failure *new)
{
	unsigned at = MIN(f->kept, FAILURES_KEPT - 1);

	if (f->kept == FAILURES_KEPT && new->seed > f->failures[at].seed)
		return;
	for (; at > 0 && f->failures[at - 1].seed > new->seed; at--)
		f->failures[at] = f->failures[at - 1];
	f->failures[at] = *new;
	f->kept = MIN(f->kept + 1, FAILURES_KEPT);
}

static void seed_done(void *ctx, uint64_t seed, const void *record, int signal)
{
	struct fuzz *f = ctx;
	struct failure new = { .seed = seed, .signal = signal, .crashed = !record };

	if (record)
		new.outcome = *(const struct outcome *)record;
	f->run++;
	f->events += new.outcome.events;
	f->connections += new.outcome.connections;
	f->responses += new.outcome.responses;
	if (new.crashed || new.outcome.failed) {
		f->failed++;
		keep(f, &new);
	}
	progress_display_update(&f->display, f->run, f->last - f->first + 1, f->run);
}

static bool should_stop(void *ctx)
{
	const struct fuzz *f = ctx;

	return *interrupt_requested() || (f->budget_ns && wall_ns() - f->started_ns >= f->budget_ns);
}

/* "A..B" or "A". */
static bool parse_seeds(const char *text, uint64_t *first, uint64_t *last)
{
	const char *dots = strstr(text, "..");
	char from[24];

	if (!dots)
		dots = text + strlen(text);
	if (dots == text || (size_t)(dots - text) >= sizeof(from))
		return false;
	memcpy(from, text, (size_t)(dots - text));
	from[dots - text] = '\0';
	if (!cli_number(from, 0, UINT64_MAX - 1, first))
		return false;
	*last = *first;
	return !*dots || cli_number(dots + 2, *first, UINT64_MAX - 1, last);
}

static void shrinking(void *ctx, unsigned runs, const struct config *smallest)
{
	struct fuzz *f = ctx;

	(void)smallest;
	progress_display_update(&f->display, runs, SHRINK_RUNS, runs);
}

static void run_trial(void *ctx, uint64_t n, void *record)
{
	struct fuzz *f = ctx;

	(void)n;
	run_world(f, f->trial, record);
}

static void trial_done(void *ctx, uint64_t n, const void *record, int signal)
{
	struct fuzz *f = ctx;

	(void)n;
	f->came = (struct failure){ .signal = signal, .crashed = !record };
	if (record)
		f->came.outcome = *(const struct outcome *)record;
}

/* Does that world do what the lowest seed's did? It may well end its process. */
static bool fails_alike(void *ctx, const struct config *c)
{
	struct fuzz *f = ctx;
	const struct failure *first = &f->failures[0], *came = &f->came;
	const struct jobs trial = {
		.jobs = 1,
		.record_size = sizeof(struct outcome),
		.ctx = f,
		.work = run_trial,
		.done = trial_done,
		.stop = should_stop,
	};

	f->trial = c;
	f->came = (struct failure){ .seed = first->seed };
	if (jobs_run(&trial) || came->crashed != first->crashed)
		return false;
	if (first->crashed ? came->signal != first->signal
			   : !came->outcome.failed || came->outcome.kind != first->outcome.kind)
		return false;
	f->left = *came;
	return true;
}

/* Runs the lowest seed once more, and smaller and smaller. */
static void shrink(struct fuzz *f)
{
	const struct fuzz_shrink how = {
		.runs_max = SHRINK_RUNS,
		.fails = fails_alike,
		.progress = shrinking,
		.ctx = f,
		.stop = interrupt_requested(),
	};

	if (!f->kept)
		return;
	f->budget_ns = 0;
	draw(f, f->world, f->failures[0].seed);
	f->repeated = fails_alike(f, f->world);
	if (!f->repeated)
		return;
	progress_display_begin(&f->display, f->cli, "shrinking");
	f->shrink_runs = fuzz_shrink(f->world, &how);
	progress_display_end(&f->display);
}

static const char *rerun_command(const struct fuzz *f, uint64_t seed, char text[RERUN_MAX])
{
	const struct fuzz_cli *o = f->options;
	int at = snprintf(text, RERUN_MAX, "miresga fuzz --seeds %llu%s%s%s", (unsigned long long)seed,
			  o->config_file ? " -f " : "", o->config_file ? o->config_file : "",
			  o->as_published ? " --as-published" : "");

	for (unsigned i = 0; i < o->quirks.count && at < RERUN_MAX; i++)
		at += snprintf(text + at, (size_t)(RERUN_MAX - at), " --quirk=%s", o->quirks.items[i]);
	return text;
}

static void describe(const struct failure *x, char *text, size_t size)
{
	if (x->crashed && x->signal)
		snprintf(text, size, "crash: ended by signal %d (%s)", x->signal, strsignal(x->signal));
	else if (x->crashed)
		snprintf(text, size, "crash: the process ended");
	else
		snprintf(text, size, "%s: %s", sim_violation_key(x->outcome.kind), x->outcome.text);
}

static void print_shrunk(const struct fuzz *f)
{
	const struct config_simulation *s = &f->world->simulation;
	char text[SIM_TEXT_MAX + 64];

	if (!f->repeated) {
		puts("  the same seed has not failed again: please report this");
		return;
	}
	describe(&f->left, text, sizeof(text));
	printf("  shrunk in %u runs to %u workload%s, %u fault%s; then: %s\n", f->shrink_runs, s->workload_count,
	       s->workload_count == 1 ? "" : "s", s->fault_count, s->fault_count == 1 ? "" : "s", text);
	if (f->options->save)
		printf("  rerun what is left: miresga sim -f %s\n\n", f->options->save);
	else
		puts("  what is left, for miresga sim -f FILE (--save FILE writes it):\n");
	if (!f->options->save)
		config_print(f->world, false, stdout);
}

static void print_report(const struct fuzz *f)
{
	char text[SIM_TEXT_MAX + 64], rerun[RERUN_MAX];

	for (unsigned i = 0; i < f->kept; i++) {
		describe(&f->failures[i], text, sizeof(text));
		printf("seed %llu: %s\n  rerun: %s\n", (unsigned long long)f->failures[i].seed, text,
		       rerun_command(f, f->failures[i].seed, rerun));
		if (i == 0 && !f->cli->globals.quiet)
			print_shrunk(f);
	}
	if (f->failed > f->kept)
		printf("... and %llu more seeds\n", (unsigned long long)(f->failed - f->kept));
	if (!f->cli->globals.quiet)
		printf("Seeds        %llu of %llu run\nEvents       %llu\nConnections  %llu\nResponses    %llu\n\n",
		       (unsigned long long)f->run, (unsigned long long)(f->last - f->first + 1),
		       (unsigned long long)f->events, (unsigned long long)f->connections,
		       (unsigned long long)f->responses);
	if (*interrupt_requested())
		fputs("Interrupted. ", stdout);
	if (f->failed)
		printf("%llu of %llu seeds failed.\n", (unsigned long long)f->failed, (unsigned long long)f->run);
	else
		printf("All %llu seeds clean.\n", (unsigned long long)f->run);
}

static json_t *failure_json(const struct fuzz *f, const struct failure *x)
{
	char text[SIM_TEXT_MAX + 64], rerun[RERUN_MAX];

	describe(x, text, sizeof(text));
	return json_pack("{s:o, s:s, s:s, s:s}", "seed", json_number(x->seed), "kind",
			 x->crashed ? "crash" : sim_violation_key(x->outcome.kind), "text", text, "rerun",
			 rerun_command(f, x->seed, rerun));
}

static int print_json(const struct fuzz *f)
{
	json_t *failures = json_array(), *document;
	char *world = NULL;
	size_t size = 0;
	FILE *out;
	int rc;

	for (unsigned i = 0; i < f->kept; i++)
		json_array_append_new(failures, failure_json(f, &f->failures[i]));
	document = json_pack("{s:s, s:{s:o, s:o}, s:I, s:I, s:I, s:I, s:I, s:o}", "schema", "miresga.fuzz/1", "seeds",
			     "first", json_number(f->first), "last", json_number(f->last), "run", (json_int_t)f->run,
			     "failed", (json_int_t)f->failed, "events", (json_int_t)f->events, "connections",
			     (json_int_t)f->connections, "responses", (json_int_t)f->responses, "failures", failures);
	if (document && f->repeated && (out = open_memstream(&world, &size))) {
		config_print(f->world, false, out);
		fclose(out);
		json_object_set_new(document, "shrunk_world", json_string(world));
		free(world);
	}
	if (!document)
		return cli_failure(f->cli, "out of memory");
	rc = json_number_write(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(document);
	return rc ? cli_failure(f->cli, "out of memory") : EXIT_SUCCESS;
}

static int save_world(const struct fuzz *f)
{
	FILE *out;
	int rc;

	if (!f->options->save || !f->repeated)
		return EXIT_SUCCESS;
	out = fopen(f->options->save, "w");
	if (!out)
		return cli_failure(f->cli, "%s: %s", f->options->save, strerror(errno));
	rc = config_print(f->world, false, out);
	if (fclose(out) || rc)
		return cli_failure(f->cli, "%s: %s", f->options->save, strerror(errno));
	return EXIT_SUCCESS;
}

static int fuzz(struct fuzz *f)
{
	const struct fuzz_cli *o = f->options;
	const struct jobs jobs = {
		.first = f->first,
		.last = f->last,
		.jobs = o->jobs.given ? (unsigned)o->jobs.value
				      : (unsigned)MIN(MAX(sysconf(_SC_NPROCESSORS_ONLN), 1), JOBS_MAX),
		.record_size = sizeof(struct outcome),
		.ctx = f,
		.work = run_seed,
		.done = seed_done,
		.stop = should_stop,
	};
	int rc;

	interrupt_catch();
	f->started_ns = wall_ns();
	progress_display_begin(&f->display, f->cli, "seeds");
	rc = jobs_run(&jobs);
	progress_display_end(&f->display);
	if (rc)
		return cli_failure(f->cli, "worker processes: %s", strerror(errno));
	shrink(f);
	rc = save_world(f);
	if (f->cli->globals.json)
		rc = print_json(f) ? EXIT_FAILURE : rc;
	else
		print_report(f);
	return f->failed || *interrupt_requested() ? EXIT_FAILURE : rc;
}

/* What may be wrong before anything is run. */
static int prepare(struct fuzz *f)
{
	const struct fuzz_cli *o = f->options;
	char error[QUIRK_ERROR_MAX];

	if (f->cli->operand_count > 0)
		return cli_usage_error(f->cli, "unexpected operand '%s'", f->cli->operands[0]);
	if (!o->seeds)
		return cli_usage_error(f->cli, "no seeds given, as in\n  miresga fuzz --seeds 1..2000");
	if (!parse_seeds(o->seeds, &f->first, &f->last))
		return cli_usage_error(f->cli, "--seeds: '%s' is no range of seeds below 2^64 - 1, as 1..2000",
				       o->seeds);
	if (o->budget && config_parse_duration(o->budget, &f->budget_ns, error, sizeof(error)))
		return cli_usage_error(f->cli, "--budget: %s", error);
	if (o->budget && !f->budget_ns)
		return cli_usage_error(f->cli, "--budget: '%s' is no time to run anything in", o->budget);
	config_defaults(f->drawn);
	if (add_quirks(o, f->drawn, error))
		return cli_usage_error(f->cli, "--quirk: %s", error);
	return o->config_file ? cli_load_config(f->cli, o->config_file, &f->base) : EXIT_SUCCESS;
}

static int run(const struct cli *cli, const void *opaque)
{
	struct fuzz *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return cli_failure(cli, "out of memory");
	f->cli = cli;
	f->options = opaque;
	f->world = calloc(1, sizeof(*f->world));
	f->drawn = calloc(1, sizeof(*f->drawn));
	f->result = calloc(1, sizeof(*f->result));
	rc = f->world && f->drawn && f->result ? prepare(f) : cli_failure(cli, "out of memory");
	if (rc == EXIT_SUCCESS)
		rc = fuzz(f);
	free(f->base);
	free(f->world);
	free(f->drawn);
	free(f->result);
	free(f);
	return rc;
}

const struct command cli_fuzz = {
	.name = "fuzz",
	.summary = "run random worlds under the oracle, shrink what fails",
	.usage = "--seeds A..B [OPTIONS]",
	.about = "A seed draws a whole world: topology, configuration, links, faults and workloads; it is\n"
		 "run as miresga sim does. Nothing may ever reach an end that the other did not send, no\n"
		 "flow may hang or leak. The first seed that fails is shrunk to a smaller world that still\n"
		 "does. Exit status 1 if any failed.",
	.examples = "miresga fuzz --seeds 1..2000\n"
		    "miresga fuzz --seeds 1..1000000 --jobs 8 --budget 10min\n"
		    "miresga fuzz --seeds 1..100 --quirk=F5 --save world.yaml",
	.options = options,
	.option_count = ARRAY_LEN(options),
	.options_size = sizeof(struct fuzz_cli),
	.run = run,
};
