/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_replay.c: `miresga replay`: a recorded conversation against the whole pipeline. Reads the
 * configuration, lets options override it, runs the replay (sim/replay/replay.c), prints the report.
 *
 * Refuses an output that is also an input or another output: opening it would empty it.
 * Ctrl-C ends the replay early; what there is by then is printed. A second Ctrl-C kills. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interrupt.h"
#include "miresga/kernel_agent.h"
#include "miresga/report.h"
#include "progress_display.h"
#include "replay_cli.h"

static const struct cli_option options[] = { REPLAY_CLI_ROWS };

static void show_progress(void *ctx, uint64_t bytes_read, uint64_t bytes_total, uint64_t packets)
{
	progress_display_update(ctx, bytes_read, bytes_total, packets);
}

static int override_config(const struct cli *cli, const struct replay_cli *o, struct config *config)
{
	char error[256] = "";

	if (o->as_published && config_add_quirks(config, "all", error, sizeof(error)))
		return cli_usage_error(cli, "--as-published: %s", error);
	for (unsigned i = 0; i < o->quirks.count; i++)
		if (config_add_quirks(config, o->quirks.items[i], error, sizeof(error)))
			return cli_usage_error(cli, "--quirk: %s", error);
	if (o->batch.given)
		config->sw.batch = (uint16_t)o->batch.value;
	if (o->seed.given) {
		config->seed = o->seed.value;
		config_derive_keys(config);
	}
	return EXIT_SUCCESS;
}

/* The words after TRACE are one BPF expression, as with tcpdump. NULL if there are none. */
static char *join_filter(const struct cli *cli)
{
	char *filter = NULL;
	size_t len = 0;
	FILE *out;

	if (cli->operand_count < 2)
		return NULL;
	out = open_memstream(&filter, &len);
	if (!out)
		return NULL;
	for (unsigned i = 1; i < cli->operand_count; i++)
		fprintf(out, "%s%s", i > 1 ? " " : "", cli->operands[i]);
	fclose(out);
	return filter;
}

static bool is_dash(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

/* One file of the run, as the command line names it; a NULL path is none. */
struct named_file {
	const char *option, *path;
	bool output;
};

static int file_stat(const struct named_file *f, struct stat *st)
{
	if (is_dash(f->path))
		return fstat(f->output ? STDOUT_FILENO : STDIN_FILENO, st);
	return stat(f->path, st);
}

/* Are both one regular file, or would they make one? A device or a pipe may well serve twice. */
static bool same_file(const struct named_file *one, const struct named_file *other)
{
	struct stat a, b;
	int no_one = file_stat(one, &a), no_other = file_stat(other, &b);

	if (no_one || no_other)
		return no_one && no_other && strcmp(one->path, other->path) == 0;
	return S_ISREG(a.st_mode) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Opening an output empties it, so it must be no other file of the run. */
static int check_files(const struct cli *cli, const struct replay_cli *o)
{
	const struct named_file files[] = {
		{ "TRACE", cli->operands[0], false },
		{ "--config", o->config_file, false },
		{ "--write", o->pcapng, true },
		{ "--flows", o->flows, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		for (size_t j = 0; j < i; j++)
			if (files[i].output && files[i].path && files[j].path && same_file(&files[j], &files[i]))
				return cli_usage_error(cli, "%s would overwrite %s: '%s' and '%s' are one file",
						       files[i].option, files[j].option, files[i].path, files[j].path);
	return EXIT_SUCCESS;
}

/* What can be said to be wrong before any file is opened. */
static int check_usage(const struct cli *cli, const struct replay_cli *o, struct endpoint *vip)
{
	if (o->config_file && (cli->operand_count == 0 || !*cli->operands[0]))
		return cli_usage_error(cli, "no TRACE given, as in\n  miresga %s -f %s trace.pcap", cli->command->name,
				       o->config_file);
	if (o->vip && endpoint_parse(o->vip, vip))
		return cli_usage_error(cli, "--vip: '%s' is not IP:PORT, as in --vip 10.0.1.10:80", o->vip);
	if (is_dash(o->config_file) && is_dash(cli->operands[0]))
		return cli_usage_error(cli, "configuration and trace cannot both be standard input");
	if (is_dash(o->pcapng) + is_dash(o->flows) + cli->globals.json > 1)
		return cli_usage_error(cli, "only one of --json, --write and --flows can be standard output");
	return check_files(cli, o);
}

static int report(const struct cli *cli, const struct replay_cli *o, const struct replay_report *r)
{
	/* The report makes way where standard output carries a file. */
	FILE *out = is_dash(o->pcapng) || is_dash(o->flows) ? stderr : stdout;
	const struct report_style style = {
		.out = out,
		.color = cli_use_color(cli, fileno(out)),
		.quiet = cli->globals.quiet,
		.verbose = cli->globals.verbose,
	};

	if (cli->globals.json) {
		/* What cannot be written is said once, by main(). */
		if (report_replay_json(stdout, r) && !ferror(stdout))
			return cli_failure(cli, "out of memory");
	} else {
		report_replay(&style, r);
	}
	if (r->result->trace_error[0])
		cli_failure(cli, "%s", r->result->trace_error);
	if (r->result->output_error[0])
		cli_failure(cli, "%s", r->result->output_error);
	if (r->result->agent_error[0])
		cli_failure(cli, "%s", r->result->agent_error);
	return replay_failed(r->result) || r->result->interrupted ? EXIT_FAILURE : EXIT_SUCCESS;
}

int replay_cli_run(const struct cli *cli, const struct config *config, const struct replay_options *ro,
		   struct replay_result *result)
{
	struct progress_display display;
	struct replay_options watched = *ro;
	char error[TRACE_ERROR_MAX] = "";
	int rc;

	interrupt_catch();
	progress_display_begin(&display, cli, "packets");
	watched.progress = display.wanted ? show_progress : NULL;
	watched.progress_ctx = &display;
	rc = replay_run(config, &watched, result, error);
	progress_display_end(&display);
	return rc ? cli_failure(cli, "%s", error) : EXIT_SUCCESS;
}

static int replay(const struct cli *cli, const struct replay_cli *o, const struct config *config,
		  struct replay_options *ro)
{
	struct replay_result *result = calloc(1, sizeof(*result));
	const struct replay_report r = { .config = config, .trace = ro->trace, .result = result };
	int rc;

	if (!result)
		return cli_failure(cli, "out of memory");
	rc = replay_cli_run(cli, config, ro, result);
	if (rc == EXIT_SUCCESS) {
		rc = report(cli, o, &r);
		replay_result_free(result);
	}
	free(result);
	return rc;
}

int replay_cli_prepare(const struct cli *cli, const struct replay_cli *o, replay_cli_job *job)
{
	struct endpoint vip = { .zero = 0 };
	struct config *config = NULL;
	char *filter;
	int rc = check_usage(cli, o, &vip);

	if (rc == EXIT_SUCCESS)
		rc = cli_load_config(cli, o->config_file, &config);
	if (rc != EXIT_SUCCESS)
		return rc;
	filter = join_filter(cli);
	rc = override_config(cli, o, config);
	if (rc == EXIT_SUCCESS) {
		struct replay_options ro = {
			.trace = cli->operands[0],
			.filter = filter,
			.vip = o->vip ? &vip : NULL,
			.mode = (enum replay_mode)o->mode,
			.speed = (enum replay_speed)o->speed,
			.checksums = (enum trace_checksums)o->checksums,
			.agent = o->agent ? kernel_agent_create : NULL,
			.pcapng = o->pcapng,
			.streams_dir = o->streams,
			.flows_file = o->flows,
			.stop = interrupt_requested(),
		};

		rc = job(cli, o, config, &ro);
	}
	free(filter);
	free(config);
	return rc;
}

static int run(const struct cli *cli, const void *options_of_run)
{
	return replay_cli_prepare(cli, options_of_run, replay);
}

const struct command cli_replay = {
	.name = "replay",
	.summary = "play a captured trace through switch, front-ends and agents",
	.usage = "-f FILE [OPTIONS] TRACE [FILTER...]",
	.about = "Plays the conversations of a capture (anything that libpcap reads; '-' is standard\n"
		 "input) through the whole pipeline in virtual time, and verifies that both ends of\n"
		 "every flow got exactly the recorded bytes. FILTER is a BPF expression. Exit status 1\n"
		 "if the verification found something.",
	.examples = "miresga replay -f configs/minimal.yaml trace.pcap\n"
		    "miresga replay -f configs/paper.yaml --vip 10.0.1.10:80 -w taps.pcapng trace.pcap\n"
		    "miresga -j replay -f configs/minimal.yaml --quirk=F5,P3 trace.pcap tcp port 80",
	.options = options,
	.option_count = ARRAY_LEN(options),
	.options_size = sizeof(struct replay_cli),
	.run = run,
};
