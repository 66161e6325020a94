/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_fuzz.c: `miresga fuzz --seeds A..B`: runs the world of every seed in worker processes, and
 * shrinks the first one that fails.
 *
 * Seeds are independent of each other, so neither their order nor the number of processes changes
 * what any of them does. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"
#include "miresga/fuzz.h"
#include "miresga/jobs.h"
#include "progress_display.h"

#define FAILURES_KEPT 32
#define SHRINK_RUNS 400

struct fuzz_cli {
	const char *config_file;
	const char *seeds;
	const char *budget;
	const char *quirks;
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
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct fuzz_cli, quirks),
	  .argument = "ID,...",
	  .help = "bring behaviours of the published code back; 'all' for all" },
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
	struct config *world;
	struct sim_result *result;
	unsigned shrink_runs;
	/* a worker's */
	struct config *drawn;
};

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void draw(const struct fuzz *f, struct config *c, uint64_t seed)
{
	char error[CONFIG_HOST_MAX];

	fuzz_draw(c, f->base, seed);
	if (f->options->quirks)
		MUST(!config_add_quirks(c, f->options->quirks, error, sizeof(error)));
}

static void run_seed(void *ctx, uint64_t seed, void *record)
{
	struct fuzz *f = ctx;
	struct outcome *o = record;

	draw(f, f->drawn, seed);
	o->failed = fuzz_try(f->drawn, f->result);
	o->events = f->result->events;
	o->connections = f->result->connections;
	o->responses = sim_responses(f->result);
	if (!o->failed)
		return;
	o->kind = f->result->violation[0].kind;
	memcpy(o->text, f->result->violation[0].text, sizeof(o->text));
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

/* Runs the lowest seed once more, and smaller and smaller. */
static void shrink(struct fuzz *f)
{
	const struct fuzz_shrink how = {
		.runs_max = SHRINK_RUNS,
		.progress = shrinking,
		.ctx = f,
		.stop = interrupt_requested(),
	};

	if (!f->kept || f->failures[0].crashed)
		return;
	draw(f, f->world, f->failures[0].seed);
	if (!fuzz_try(f->world, f->result))
		return; /* a run that is not repeatable: the report says so */
	progress_display_begin(&f->display, f->cli, "shrinking");
	f->shrink_runs = fuzz_shrink(f->world, f->result, &how);
	progress_display_end(&f->display);
}

static void rerun_command(const struct fuzz *f, uint64_t seed, char *text, size_t size)
{
	const struct fuzz_cli *o = f->options;

	snprintf(text, size, "miresga fuzz --seeds %llu%s%s%s%s", (unsigned long long)seed,
		 o->config_file ? " -f " : "", o->config_file ? o->config_file : "", o->quirks ? " --quirk=" : "",
		 o->quirks ? o->quirks : "");
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

	if (!f->result->violation_count) {
		puts("  the same seed has not failed again: please report this");
		return;
	}
	printf("  shrunk in %u runs to %u workload%s, %u fault%s; then: %s: %s\n", f->shrink_runs, s->workload_count,
	       s->workload_count == 1 ? "" : "s", s->fault_count, s->fault_count == 1 ? "" : "s",
	       sim_violation_key(f->result->violation[0].kind), f->result->violation[0].text);
	if (f->options->save)
		printf("  rerun what is left: miresga sim -f %s\n\n", f->options->save);
	else
		puts("  what is left, for miresga sim -f FILE (--save FILE writes it):\n");
	if (!f->options->save)
		config_print(f->world, false, stdout);
}

static void print_report(const struct fuzz *f)
{
	char text[SIM_TEXT_MAX + 64], rerun[1200];

	for (unsigned i = 0; i < f->kept; i++) {
		describe(&f->failures[i], text, sizeof(text));
		rerun_command(f, f->failures[i].seed, rerun, sizeof(rerun));
		printf("seed %llu: %s\n  rerun: %s\n", (unsigned long long)f->failures[i].seed, text, rerun);
		if (i == 0 && !f->failures[i].crashed && !f->cli->globals.quiet)
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
	char text[SIM_TEXT_MAX + 64], rerun[1200];

	describe(x, text, sizeof(text));
	rerun_command(f, x->seed, rerun, sizeof(rerun));
	return json_pack("{s:I, s:s, s:s, s:s}", "seed", (json_int_t)x->seed, "kind",
			 x->crashed ? "crash" : sim_violation_key(x->outcome.kind), "text", text, "rerun", rerun);
}

static int print_json(const struct fuzz *f)
{
	json_t *failures = json_array(), *document;
	char *world = NULL;
	size_t size = 0;
	FILE *out;

	for (unsigned i = 0; i < f->kept; i++)
		json_array_append_new(failures, failure_json(f, &f->failures[i]));
	document = json_pack("{s:s, s:{s:I, s:I}, s:I, s:I, s:I, s:I, s:I, s:o}", "schema", "miresga.fuzz/1", "seeds",
			     "first", (json_int_t)f->first, "last", (json_int_t)f->last, "run", (json_int_t)f->run,
			     "failed", (json_int_t)f->failed, "events", (json_int_t)f->events, "connections",
			     (json_int_t)f->connections, "responses", (json_int_t)f->responses, "failures", failures);
	if (document && f->result->violation_count && (out = open_memstream(&world, &size))) {
		config_print(f->world, false, out);
		fclose(out);
		json_object_set_new(document, "shrunk_world", json_string(world));
		free(world);
	}
	if (!document)
		return cli_failure(f->cli, "out of memory");
	json_dumpf(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(document);
	return EXIT_SUCCESS;
}

static int save_world(const struct fuzz *f)
{
	FILE *out;
	int rc;

	if (!f->options->save || !f->result->violation_count)
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
	char error[256];

	if (f->cli->operand_count > 0)
		return cli_usage_error(f->cli, "unexpected operand '%s'", f->cli->operands[0]);
	if (!o->seeds)
		return cli_usage_error(f->cli, "no seeds given, as in\n  miresga fuzz --seeds 1..2000");
	if (!parse_seeds(o->seeds, &f->first, &f->last))
		return cli_usage_error(f->cli, "--seeds: '%s' is no range of seeds, as 1..2000", o->seeds);
	if (o->budget && config_parse_duration(o->budget, &f->budget_ns, error, sizeof(error)))
		return cli_usage_error(f->cli, "--budget: %s", error);
	config_defaults(f->drawn);
	if (o->quirks && config_add_quirks(f->drawn, o->quirks, error, sizeof(error)))
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
