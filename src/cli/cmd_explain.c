/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_explain.c: `miresga explain`: what happened to a packet or a flow in a replay, and why. Runs
 * the replay with an observer (src/report/explain*.c) and prints its answer. Which flows the oracle
 * finds fault with is known only at the end: --mismatch plays twice, which changes nothing, since
 * a replay is the same each time; a trace on standard input would be gone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "miresga/explain.h"
#include "replay_cli.h"

struct explain_cli {
	struct replay_cli replay; /* first: its rows count from here */
	const char *flow, *why;
	struct option_number packet;
	bool drops, mismatch;
};

static const struct cli_option options[] = {
	{ .name = "flow",
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct explain_cli, flow),
	  .argument = "IP:PORT[-K]",
	  .help = "the story of a client's connection (the port's K-th, from 0)" },
	{ .name = "packet",
	  .kind = OPTION_NUMBER,
	  .at = offsetof(struct explain_cli, packet),
	  .argument = "N",
	  .min = 1,
	  .max = UINT32_MAX,
	  .help = "frame N of the file, from 1, and what it caused" },
	{ .name = "drops",
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct explain_cli, drops),
	  .help = "every packet that was dropped, and why" },
	{ .name = "mismatch",
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct explain_cli, mismatch),
	  .help = "the flows that the verification found fault with" },
	{ .name = "why-not-offloaded",
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct explain_cli, why),
	  .argument = "IP:PORT[-K]",
	  .help = "one sentence on that connection" },
	REPLAY_CLI_ROWS,
};

static const struct explain_cli *explain_cli_of(const struct replay_cli *o)
{
	return (const struct explain_cli *)(const void *)o;
}

/* The question of the command line; exactly one is asked. */
static int read_question(const struct cli *cli, const struct explain_cli *o, struct explain_request *q)
{
	const char *flow = o->flow ? o->flow : o->why;
	unsigned asked = !!o->flow + !!o->why + o->packet.given + o->drops + o->mismatch;

	if (asked != 1)
		return cli_usage_error(cli,
				       "%s of --flow, --packet, --drops, --mismatch and --why-not-offloaded is needed",
				       asked ? "only one" : "one");
	if (flow && explain_flow_parse(flow, &q->flows[q->flow_count++]))
		return cli_usage_error(cli, "--%s: '%s' is not IP:PORT or IP:PORT-K, as in 192.168.1.7:40112-0",
				       o->flow ? "flow" : "why-not-offloaded", flow);
	if (o->mismatch && cli->operand_count && strcmp(cli->operands[0], "-") == 0)
		return cli_usage_error(cli, "--mismatch plays the trace twice: it cannot be standard input");
	q->question = o->flow	    ? EXPLAIN_FLOW
		      : o->why	    ? EXPLAIN_WHY_NOT_OFFLOADED
		      : o->drops    ? EXPLAIN_DROPS
		      : o->mismatch ? EXPLAIN_MISMATCH
				    : EXPLAIN_PACKET;
	q->frame = (uint32_t)o->packet.value;
	return EXIT_SUCCESS;
}

/* The first of the two replays: which flows. */
static int find_mismatches(const struct cli *cli, const struct config *config, const struct replay_options *ro,
			   struct explain_request *q)
{
	struct replay_options quiet = *ro;
	struct replay_result *result = calloc(1, sizeof(*result));
	int rc;

	if (!result)
		return cli_failure(cli, "out of memory");
	quiet.pcapng = quiet.streams_dir = quiet.flows_file = NULL;
	rc = replay_cli_run(cli, config, &quiet, result);
	for (unsigned i = 0; rc == EXIT_SUCCESS && i < MIN(result->finding_count, REPLAY_FINDINGS_MAX); i++)
		q->flows[q->flow_count++] = (struct explain_flow){ .client = result->findings[i].client,
								   .k = result->findings[i].k };
	if (rc == EXIT_SUCCESS)
		replay_result_free(result);
	free(result);
	return rc;
}

/* Columns of the terminal; else what the environment says; else 80. */
static unsigned terminal_width(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size = { 0 };
	uint64_t width;

	if (isatty(fd) && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return columns && cli_number(columns, 1, 10000, &width) ? (unsigned)width : 80;
}

static bool is_stdout(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

static int answer(const struct cli *cli, const struct explain_cli *o, const struct explain *e,
		  const struct replay_result *result)
{
	/* The answer makes way where standard output carries a file. */
	FILE *out = is_stdout(o->replay.pcapng) || is_stdout(o->replay.flows) ? stderr : stdout;
	const struct explain_style style = {
		.out = out,
		.color = cli_use_color(cli, fileno(out)),
		.quiet = cli->globals.quiet,
		.verbose = cli->globals.verbose,
		.width = terminal_width(fileno(out)),
	};

	if (cli->globals.json && explain_write_json(e, stdout, result) && !ferror(stdout))
		return cli_failure(cli, "out of memory");
	if (!cli->globals.json)
		explain_write(e, &style, result);
	if (result->trace_error[0])
		cli_failure(cli, "%s", result->trace_error);
	if (result->output_error[0])
		cli_failure(cli, "%s", result->output_error);
	if (result->agent_error[0])
		cli_failure(cli, "%s", result->agent_error);
	return result->trace_error[0] || result->output_error[0] || result->agent_error[0] || result->interrupted
		       ? EXIT_FAILURE
		       : EXIT_SUCCESS;
}

/* The replay did not hold what was asked for. */
static int not_found(const struct cli *cli, const struct explain_cli *o, const struct replay_result *result)
{
	char vip[ENDPOINT_TEXT_MAX];

	if (o->packet.given)
		return cli_failure(cli, "the trace has no frame %llu (or the filter hides it); its last one is %llu",
				   (unsigned long long)o->packet.value,
				   (unsigned long long)(result->trace.frames + result->trace.hidden));
	if (!result->vip_found)
		return cli_failure(cli, "no TCP handshake in the trace tells its server; --vip=IP:PORT names it");
	return cli_failure(cli, "no connection %s to %s in the trace; 'miresga replay --flows=-' lists them",
			   o->flow ? o->flow : o->why, endpoint_format(result->vip, vip));
}

static int job(const struct cli *cli, const struct replay_cli *options_of_replay, const struct config *config,
	       struct replay_options *ro)
{
	const struct explain_cli *o = explain_cli_of(options_of_replay);
	struct explain_request q = { .flow_count = 0 };
	struct replay_result *result = calloc(1, sizeof(*result));
	struct explain *e = NULL;
	int rc = read_question(cli, o, &q);

	q.sessions = ro->mode == REPLAY_SESSIONS;
	if (rc == EXIT_SUCCESS && q.sessions && q.question == EXPLAIN_PACKET)
		rc = cli_usage_error(cli, "--packet: with --mode=session no frame of the file is played as it is; "
					  "--flow tells what the endpoints sent");
	if (rc == EXIT_SUCCESS && o->mismatch)
		rc = find_mismatches(cli, config, ro, &q);
	if (rc == EXIT_SUCCESS) {
		e = explain_create(config, &q);
		if (!e || !result)
			rc = cli_failure(cli, "out of memory");
	}
	if (rc == EXIT_SUCCESS) {
		ro->observer = explain_observer(e);
		rc = replay_cli_run(cli, config, ro, result);
	}
	if (rc == EXIT_SUCCESS) {
		if (!explain_found(e) && !o->drops && !o->mismatch && !cli->globals.json)
			rc = not_found(cli, o, result);
		else
			rc = answer(cli, o, e, result);
		replay_result_free(result);
	}
	explain_free(e);
	free(result);
	return rc;
}

/* The question is looked at first, before any file is. */
static int run(const struct cli *cli, const void *opaque)
{
	const struct explain_cli *o = opaque;
	struct explain_request q = { .flow_count = 0 };
	int rc = read_question(cli, o, &q);

	return rc == EXIT_SUCCESS ? replay_cli_prepare(cli, &o->replay, job) : rc;
}

const struct command cli_explain = {
	.name = "explain",
	.summary = "tell what happened to a packet or a flow in a replay, and why",
	.usage = "-f FILE (--flow IP:PORT[-K] | --packet N | --drops | --mismatch |\n"
		 "        --why-not-offloaded IP:PORT[-K])\n"
		 "       [OPTIONS] TRACE [FILTER...]",
	.about = "Replays the capture as 'miresga replay' does and tells, for what was asked, what every\n"
		 "component did: stages of the switch, the steering row, cells of the front-end's FSM,\n"
		 "rule, pool and backend, the agent's shift, table operations and their delay, what waited\n"
		 "for what, why a packet was dropped; and draws the flow as a ladder diagram. Packets like\n"
		 "those shown before are folded, unless -v; -q leaves the diagram alone. Exit status 1 if\n"
		 "the trace does not hold it.",
	.examples = "miresga explain -f configs/minimal.yaml --flow 192.168.1.7:40112 trace.pcap\n"
		    "miresga explain -f configs/minimal.yaml --packet 17 trace.pcap\n"
		    "miresga explain -f configs/minimal.yaml --why-not-offloaded 192.168.1.7:40112 trace.pcap\n"
		    "miresga -j explain -f configs/minimal.yaml --drops trace.pcap",
	.options = options,
	.option_count = ARRAY_LEN(options),
	.options_size = sizeof(struct explain_cli),
	.run = run,
};
