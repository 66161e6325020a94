/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_replay.c: `miresga replay`: a recorded conversation against the whole pipeline. Reads the
 * configuration, lets options override it, runs the replay (sim/replay.c), prints the report.
 *
 * Ctrl-C ends the replay early; what there is by then is printed. A second Ctrl-C kills. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "miresga/replay.h"
#include "miresga/report.h"
#include "miresga/text.h"

struct replay_cli {
	const char *config_file, *vip, *pcapng, *streams, *flows;
	int speed, checksums;
	struct option_list quirks;
	bool as_published;
	struct option_number batch, seed;
};

static const struct cli_option options[] = {
	CLI_OPTION_CONFIG(struct replay_cli),
	{ .name = "vip",
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct replay_cli, vip),
	  .argument = "IP:PORT",
	  .help = "the trace's server (default: who answered most handshakes)" },
	{ .name = "write",
	  .letter = 'w',
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct replay_cli, pcapng),
	  .argument = "OUT.pcapng",
	  .help = "every packet on every tap, with comments" },
	{ .name = "flows",
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct replay_cli, flows),
	  .argument = "FILE.tsv",
	  .help = "a line per flow" },
	{ .name = "streams",
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct replay_cli, streams),
	  .argument = "DIR",
	  .help = "the bytes that were delivered, two files a flow" },
	{ .name = "speed",
	  .kind = OPTION_CHOICE,
	  .at = offsetof(struct replay_cli, speed),
	  .choices = "topspeed|trace",
	  .help = "trace: the wall clock follows the trace's" },
	{ .name = "checksums",
	  .kind = OPTION_CHOICE,
	  .at = offsetof(struct replay_cli, checksums),
	  .choices = "complete|keep",
	  .help = "what to do with wrong ones in the trace" },
	{ .name = "quirk",
	  .kind = OPTION_LIST,
	  .at = offsetof(struct replay_cli, quirks),
	  .argument = "ID,...",
	  .help = "bring behaviours of the published code back" },
	{ .name = "as-published",
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct replay_cli, as_published),
	  .help = "all of them" },
	{ .name = "batch",
	  .kind = OPTION_NUMBER,
	  .at = offsetof(struct replay_cli, batch),
	  .argument = "N",
	  .min = 1,
	  .max = BATCH_MAX,
	  .help = "packets that a stage sees at once" },
	{ .name = "seed",
	  .kind = OPTION_NUMBER,
	  .at = offsetof(struct replay_cli, seed),
	  .argument = "N",
	  .max = UINT64_MAX,
	  .help = "the run's seed" },
};

/* The one mutable static of the program: a signal handler has no other way to be heard. */
static volatile int stop_requested;

static void request_stop(int signal_number)
{
	(void)signal_number;
	stop_requested = 1;
}

static void catch_interrupt(void)
{
	struct sigaction action = { .sa_handler = request_stop, .sa_flags = (int)SA_RESETHAND };

	sigset_t both;

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* A parent may have left them blocked. */
	sigemptyset(&both);
	sigaddset(&both, SIGINT);
	sigaddset(&both, SIGTERM);
	sigprocmask(SIG_UNBLOCK, &both, NULL);
}

static void show_progress(void *ctx, uint64_t bytes_read, uint64_t bytes_total, uint64_t packets)
{
	char count[TEXT_NUMBER_MAX], share[TEXT_NUMBER_MAX];

	(void)ctx;
	fprintf(stderr, "\r%s packets", text_count(packets, count));
	if (bytes_total > 0)
		fprintf(stderr, "  %s", text_share(MIN(bytes_read, bytes_total), bytes_total, share));
	fprintf(stderr, "\033[K");
	fflush(stderr);
}

/* Adds the quirks of one "F5,P3" to *quirks. */
static int add_quirks(const struct cli *cli, const char *list, uint32_t *quirks)
{
	char known[256] = "";

	for (const char *id = list;; id++) {
		size_t len = strcspn(id, ",");
		int q = quirk_from_id(id, len);

		if (q < 0) {
			for (unsigned i = 0; i < QUIRK_COUNT; i++)
				snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", i ? ", " : "",
					 quirk_id(i));
			return cli_usage_error(cli, "--quirk: '%.*s' is none of %s", (int)len, id, known);
		}
		*quirks |= QUIRK_BIT(q);
		id += len;
		if (*id == '\0')
			return EXIT_SUCCESS;
	}
}

/* A new seed means new keys, unless the file gave the keys a secret of their own. */
static void set_seed(struct config *config, uint64_t seed)
{
	struct siphash_key cookie = config->cookie_key, tag = config->tag_key;
	bool derived;

	config_derive_keys(config);
	derived = memcmp(&cookie, &config->cookie_key, sizeof(cookie)) == 0 &&
		  memcmp(&tag, &config->tag_key, sizeof(tag)) == 0;
	config->seed = seed;
	if (derived) {
		config_derive_keys(config);
	} else {
		config->cookie_key = cookie;
		config->tag_key = tag;
	}
}

static int override_config(const struct cli *cli, const struct replay_cli *o, struct config *config)
{
	int rc = EXIT_SUCCESS;

	if (o->as_published)
		config->quirks |= QUIRKS_ALL;
	for (unsigned i = 0; i < o->quirks.count && rc == EXIT_SUCCESS; i++)
		rc = add_quirks(cli, o->quirks.items[i], &config->quirks);
	if (config_has_quirk(config, QUIRK_P3))
		config->sw.isn = ISN_CRC32;
	if (o->batch.given)
		config->sw.batch = (uint16_t)o->batch.value;
	if (o->seed.given)
		set_seed(config, o->seed.value);
	return rc;
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

/* What can be said to be wrong before any file is opened. */
static int check_usage(const struct cli *cli, const struct replay_cli *o, struct endpoint *vip)
{
	if (o->config_file && cli->operand_count == 0)
		return cli_usage_error(cli, "no TRACE given, as in\n  miresga replay -f %s trace.pcap", o->config_file);
	if (o->vip && endpoint_parse(o->vip, vip))
		return cli_usage_error(cli, "--vip: '%s' is not IP:PORT, as in --vip 10.0.1.10:80", o->vip);
	if (is_dash(o->config_file) && is_dash(cli->operands[0]))
		return cli_usage_error(cli, "configuration and trace cannot both be standard input");
	if (is_dash(o->pcapng) + is_dash(o->flows) + cli->globals.json > 1)
		return cli_usage_error(cli, "only one of --json, --write and --flows can be standard output");
	return EXIT_SUCCESS;
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
		if (report_replay_json(stdout, r))
			return cli_failure(cli, "the JSON document could not be written: %s", strerror(errno));
	} else {
		report_replay(&style, r);
	}
	if (r->result->trace_error[0])
		cli_failure(cli, "%s", r->result->trace_error);
	if (r->result->output_error[0])
		cli_failure(cli, "%s", r->result->output_error);
	return replay_failed(r->result) || r->result->interrupted ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int replay(const struct cli *cli, const struct replay_cli *o, const struct config *config,
		  struct replay_options *ro)
{
	char error[TRACE_ERROR_MAX] = "";
	struct replay_result *result = calloc(1, sizeof(*result));
	const struct replay_report r = { .config = config, .trace = ro->trace, .result = result };
	int rc;

	if (!result)
		return cli_failure(cli, "out of memory");
	catch_interrupt();
	if (isatty(STDERR_FILENO) && !cli->globals.quiet)
		ro->progress = show_progress;
	rc = replay_run(config, ro, result, error);
	if (ro->progress)
		fprintf(stderr, "\r\033[K");
	if (rc) {
		rc = cli_failure(cli, "%s", error);
	} else {
		rc = report(cli, o, &r);
		replay_result_free(result);
	}
	free(result);
	return rc;
}

static int run(const struct cli *cli, const void *opaque)
{
	const struct replay_cli *o = opaque;
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
			.speed = (enum replay_speed)o->speed,
			.checksums = (enum trace_checksums)o->checksums,
			.pcapng = o->pcapng,
			.streams_dir = o->streams,
			.flows_file = o->flows,
			.stop = &stop_requested,
		};

		rc = replay(cli, o, config, &ro);
	}
	free(filter);
	free(config);
	return rc;
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
