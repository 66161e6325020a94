/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_live.c: `miresga live`: the switch and the front-ends on real interfaces, until Ctrl-C or SIGTERM. Loads the
 * configuration, has src/io/live.c bind and run, prints the counters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "interrupt.h"
#include "miresga/cookie.h"
#include "miresga/report_live.h"

struct live_cli {
	const char *config_file, *pcapng;
};

static const struct cli_option options[] = {
	CLI_OPTION_CONFIG(struct live_cli),
	{ .name = "write",
	  .letter = 'w',
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct live_cli, pcapng),
	  .argument = "OUT.pcapng",
	  .help = "every packet on every tap, with comments; costs speed" },
};

/* On standard error, at once: whoever waits for it to be ready reads the line "ready". */
static void tell(void *ctx, bool warning, const char *text)
{
	const struct cli *cli = ctx;

	if (!cli->globals.quiet || warning)
		fprintf(stderr, "miresga: live: %s%s\n", warning ? "warning: " : "", text);
}

static int report(const struct cli *cli, const struct live_cli *o, const struct config *config,
		  const struct live_result *result)
{
	/* The report makes way where standard output carries a file. */
	FILE *out = o->pcapng && strcmp(o->pcapng, "-") == 0 ? stderr : stdout;
	const struct report_style style = {
		.out = out,
		.color = cli_use_color(cli, fileno(out)),
		.quiet = cli->globals.quiet,
		.verbose = cli->globals.verbose,
	};

	if (!cli->globals.json)
		report_live(&style, config, result);
	else if (report_live_json(stdout, config, result) && !ferror(stdout))
		return cli_failure(cli, "out of memory");
	if (result->output_error[0])
		return cli_failure(cli, "%s", result->output_error);
	return EXIT_SUCCESS;
}

/* This process knows no flow of the one before it: what proved their handshakes must prove nothing to it. */
static void renew_cookies(struct config *config)
{
	uint64_t nonce;

	if (getrandom(&nonce, sizeof(nonce), GRND_NONBLOCK) != sizeof(nonce))
		nonce = (uint64_t)time(NULL);
	cookie_key_renew(&config->cookie_key, nonce);
}

static int live(const struct cli *cli, const struct live_cli *o, const struct config *config,
		struct live_result *result)
{
	const struct live_options options_of_run = {
		.pcapng = o->pcapng, .tell = tell, .tell_ctx = (void *)cli, .stop = interrupt_requested()
	};
	char error[LIVE_ERROR_MAX] = "";
	struct live *l;
	int lost, rc;

	interrupt_catch();
	l = live_open(config, &options_of_run, error);
	if (!l)
		return cli_failure(cli, "%s", error);
	lost = live_run(l, error);
	live_result(l, result);
	live_close(l);
	rc = report(cli, o, config, result);
	return lost ? cli_failure(cli, "%s", error) : rc;
}

static int run(const struct cli *cli, const void *opaque)
{
	const struct live_cli *o = opaque;
	struct live_result *result;
	struct config *config = NULL;
	char error[LIVE_ERROR_MAX];
	int rc;

	if (cli->operand_count > 0)
		return cli_usage_error(cli, "unexpected operand '%s'; did you mean '-f %s'?", cli->operands[0],
				       cli->operands[0]);
	if (o->pcapng && strcmp(o->pcapng, "-") == 0 && cli->globals.json)
		return cli_usage_error(cli, "only one of --json and --write can be standard output");
	rc = cli_load_config(cli, o->config_file, &config);
	if (rc != EXIT_SUCCESS)
		return rc;
	if (config_read_secret(config, error, sizeof(error))) {
		free(config);
		return cli_failure(cli, "%s", error);
	}
	renew_cookies(config);
	result = calloc(1, sizeof(*result));
	rc = result ? live(cli, o, config, result) : cli_failure(cli, "out of memory");
	free(result);
	free(config);
	return rc;
}

const struct command cli_live = {
	.name = "live",
	.summary = "the switch and the front-ends on real network interfaces",
	.usage = "-f FILE [-w OUT.pcapng]",
	.about = "Binds the switch and the front-ends to the interfaces that the configuration names,\n"
		 "and serves until Ctrl-C or SIGTERM; then it prints its counters. The agents must run\n"
		 "on the backends, with the same secret. Needs root, or CAP_NET_RAW, CAP_NET_ADMIN and\n"
		 "CAP_BPF. Exit status 1 if it could not begin, or an interface has gone.",
	.examples = "miresga live -f live.yaml\n"
		    "miresga -j live -f live.yaml > counters.json\n"
		    "miresga live -f live.yaml -w - | tshark -r -",
	.options = options,
	.option_count = ARRAY_LEN(options),
	.options_size = sizeof(struct live_cli),
	.run = run,
};
