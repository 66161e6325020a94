/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_sim.c: `miresga sim`: the world of a configuration, in virtual time, under the oracle. Reads
 * the configuration, lets options override it, runs the world (sim/load/sim.c), prints the report.
 *
 * Ctrl-C ends the run early; what there is by then is printed. A second Ctrl-C kills. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"
#include "miresga/kernel_agent.h"
#include "miresga/report_sim.h"
#include "progress_display.h"

struct sim_cli {
	const char *config_file, *pcapng, *duration;
	int agent;
	struct option_list quirks;
	bool as_published;
	struct option_number batch, seed;
};

static const struct cli_option options[] = {
	CLI_OPTION_CONFIG(struct sim_cli),
	{ .name = "seed",
	  .kind = OPTION_NUMBER,
	  .at = offsetof(struct sim_cli, seed),
	  .argument = "N",
	  .max = UINT64_MAX,
	  .help = "the run's seed (default: the configuration's)" },
	{ .name = "duration",
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct sim_cli, duration),
	  .argument = "TIME",
	  .help = "how long the clients ask, as 10s (default: the configuration's)" },
	{ .name = "write",
	  .letter = 'w',
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct sim_cli, pcapng),
	  .argument = "OUT.pcapng",
	  .help = "every packet on every tap, with comments" },
	{ .name = "agent",
	  .kind = OPTION_CHOICE,
	  .at = offsetof(struct sim_cli, agent),
	  .choices = "model|kernel",
	  .help = "kernel: the agents' BPF programs work, packet by packet, in place of the model" },
	{ .name = "quirk",
	  .kind = OPTION_LIST,
	  .at = offsetof(struct sim_cli, quirks),
	  .argument = "ID,...",
	  .help = "bring behaviours of the published code back, or all" },
	{ .name = "as-published",
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct sim_cli, as_published),
	  .help = "the same as --quirk=all" },
	{ .name = "batch",
	  .kind = OPTION_NUMBER,
	  .at = offsetof(struct sim_cli, batch),
	  .argument = "N",
	  .min = 1,
	  .max = BATCH_MAX,
	  .help = "packets that a stage sees at once, 1 to 256" },
};

static int override_config(const struct cli *cli, const struct sim_cli *o, struct config *config)
{
	char error[256] = "";

	if (o->as_published && config_add_quirks(config, "all", error, sizeof(error)))
		return cli_usage_error(cli, "--as-published: %s", error);
	for (unsigned i = 0; i < o->quirks.count; i++)
		if (config_add_quirks(config, o->quirks.items[i], error, sizeof(error)))
			return cli_usage_error(cli, "--quirk: %s", error);
	if (o->duration && config_set(config, "simulation.duration", o->duration, error, sizeof(error)))
		return cli_usage_error(cli, "--duration: %s", error);
	if (o->batch.given)
		config->sw.batch = (uint16_t)o->batch.value;
	if (o->seed.given) {
		config->seed = o->seed.value;
		config_derive_keys(config);
	}
	return EXIT_SUCCESS;
}

static bool is_dash(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

static void show_progress(void *ctx, uint64_t now_ns, uint64_t until_ns, uint64_t events)
{
	progress_display_update(ctx, MIN(now_ns, until_ns), until_ns, events);
}

static int report(const struct cli *cli, const struct sim_cli *o, const struct sim_report *r)
{
	/* The report makes way where standard output carries the packets. */
	FILE *out = is_dash(o->pcapng) ? stderr : stdout;
	const struct report_style style = {
		.out = out,
		.color = cli_use_color(cli, fileno(out)),
		.quiet = cli->globals.quiet,
		.verbose = cli->globals.verbose,
	};

	if (!cli->globals.json)
		report_sim(&style, r);
	else if (report_sim_json(stdout, r) && !ferror(stdout))
		return cli_failure(cli, "out of memory");
	if (r->result->output_error[0])
		cli_failure(cli, "%s", r->result->output_error);
	return sim_failed(r->result) || r->result->interrupted ? EXIT_FAILURE : EXIT_SUCCESS;
}

#define AGAIN_MAX 512
/* The options that make this world another one than the file's, beside the seed. */
static const char *again(const struct sim_cli *o, char text[AGAIN_MAX])
{
	int at = snprintf(text, AGAIN_MAX, "%s%s%s%s", o->duration ? " --duration=" : "",
			  o->duration ? o->duration : "", o->as_published ? " --as-published" : "",
			  o->agent ? " --agent=kernel" : "");

	for (unsigned i = 0; i < o->quirks.count && at < AGAIN_MAX; i++)
		at += snprintf(text + at, (size_t)(AGAIN_MAX - at), " --quirk=%s", o->quirks.items[i]);
	return text;
}

static int simulate(const struct cli *cli, const struct sim_cli *o, const struct config *config)
{
	struct sim_result *result = calloc(1, sizeof(*result));
	char further[AGAIN_MAX];
	const struct sim_report r = { .config = config, .result = result, .again = again(o, further) };
	struct progress_display display;
	struct sim_options so = {
		.agent = o->agent ? kernel_agent_create : NULL,
		.pcapng = o->pcapng,
		.taps = true,
		.progress = show_progress,
		.progress_ctx = &display,
		.stop = interrupt_requested(),
	};
	char error[SIM_ERROR_MAX] = "";
	int rc;

	if (!result)
		return cli_failure(cli, "out of memory");
	interrupt_catch();
	progress_display_begin(&display, cli, "events");
	rc = sim_run(config, &so, result, error);
	progress_display_end(&display);
	rc = rc ? cli_failure(cli, "%s", error) : report(cli, o, &r);
	free(result);
	return rc;
}

static int run(const struct cli *cli, const void *options_of_run)
{
	const struct sim_cli *o = options_of_run;
	struct config *config = NULL;
	int rc;

	if (cli->operand_count > 0)
		return cli_usage_error(cli, "unexpected operand '%s'", cli->operands[0]);
	if (is_dash(o->pcapng) && cli->globals.json)
		return cli_usage_error(cli, "only one of --json and --write can be standard output");
	rc = cli_load_config(cli, o->config_file, &config);
	if (rc != EXIT_SUCCESS)
		return rc;
	rc = override_config(cli, o, config);
	if (rc == EXIT_SUCCESS)
		rc = simulate(cli, o, config);
	free(config);
	return rc;
}

const struct command cli_sim = {
	.name = "sim",
	.summary = "clients, servers, links and faults around the whole pipeline",
	.usage = "-f FILE [OPTIONS]",
	.about = "Runs the world that the configuration describes below `simulation`: HTTP clients and\n"
		 "servers on TCP endpoints, links that delay and lose, cores that take time, faults;\n"
		 "all in virtual time. Every byte at both ends is verified. The same configuration and\n"
		 "seed give the same output, byte for byte. Exit status 1 if the verification found\n"
		 "something.",
	.examples = "miresga sim -f configs/traffic2.yaml\n"
		    "miresga sim -f configs/traffic2.yaml --seed=7 --duration=200ms -w taps.pcapng\n"
		    "miresga -j sim -f configs/traffic1.yaml",
	.options = options,
	.option_count = ARRAY_LEN(options),
	.options_size = sizeof(struct sim_cli),
	.run = run,
};
