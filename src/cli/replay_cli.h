/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_cli.h: the options of a replay, for every command that runs one. Such a command's struct
 * of results begins with a struct replay_cli, and its table with REPLAY_CLI_ROWS. */
#ifndef REPLAY_CLI_H
#define REPLAY_CLI_H

#include "cli.h"
#include "miresga/replay.h"

struct replay_cli {
	const char *config_file, *vip, *pcapng, *streams, *flows;
	int mode, speed, checksums, agent;
	struct option_list quirks;
	bool as_published;
	struct option_number batch, seed;
};

#define REPLAY_CLI_ROWS \
	CLI_OPTION_CONFIG(struct replay_cli), \
		{ .name = "vip", \
		  .kind = OPTION_TEXT, \
		  .at = offsetof(struct replay_cli, vip), \
		  .argument = "IP:PORT", \
		  .help = "the trace's server (default: who answered most handshakes)" }, \
		{ .name = "write", \
		  .letter = 'w', \
		  .kind = OPTION_TEXT, \
		  .at = offsetof(struct replay_cli, pcapng), \
		  .argument = "OUT.pcapng", \
		  .help = "every packet on every tap, with comments" }, \
		{ .name = "flows", \
		  .kind = OPTION_TEXT, \
		  .at = offsetof(struct replay_cli, flows), \
		  .argument = "FILE.tsv", \
		  .help = "a line per flow" }, \
		{ .name = "streams", \
		  .kind = OPTION_TEXT, \
		  .at = offsetof(struct replay_cli, streams), \
		  .argument = "DIR", \
		  .help = "the bytes that were delivered, two files a flow" }, \
		{ .name = "mode", \
		  .kind = OPTION_CHOICE, \
		  .at = offsetof(struct replay_cli, mode), \
		  .choices = "packet|session", \
		  .help = "session: TCP endpoints hold the recorded conversations anew, over the " \
			  "configured links and faults (default: packet)" }, \
		{ .name = "speed", \
		  .kind = OPTION_CHOICE, \
		  .at = offsetof(struct replay_cli, speed), \
		  .choices = "topspeed|trace", \
		  .help = "trace: the wall clock follows the trace's (default: topspeed)" }, \
		{ .name = "checksums", \
		  .kind = OPTION_CHOICE, \
		  .at = offsetof(struct replay_cli, checksums), \
		  .choices = "complete|keep", \
		  .help = "what to do with wrong ones in the trace (default: complete)" }, \
		{ .name = "agent", \
		  .kind = OPTION_CHOICE, \
		  .at = offsetof(struct replay_cli, agent), \
		  .choices = "model|kernel", \
		  .help = "kernel: the agents' BPF programs work, packet by packet, in place of the model" }, \
		{ .name = "quirk", \
		  .kind = OPTION_LIST, \
		  .at = offsetof(struct replay_cli, quirks), \
		  .argument = "ID,...", \
		  .help = "bring behaviours of the published code back, or all" }, \
		{ .name = "as-published", \
		  .kind = OPTION_FLAG, \
		  .at = offsetof(struct replay_cli, as_published), \
		  .help = "the same as --quirk=all" }, \
		{ .name = "batch", \
		  .kind = OPTION_NUMBER, \
		  .at = offsetof(struct replay_cli, batch), \
		  .argument = "N", \
		  .min = 1, \
		  .max = BATCH_MAX, \
		  .help = "packets that a stage sees at once, 1 to 256" }, \
	{ \
		.name = "seed", .kind = OPTION_NUMBER, .at = offsetof(struct replay_cli, seed), .argument = "N", \
		.max = UINT64_MAX, .help = "the run's seed (default: the configuration's)" \
	}

/* What a command does with a replay that is ready to run. Returns the exit code. */
typedef int replay_cli_job(const struct cli *cli, const struct replay_cli *o, const struct config *config,
			   struct replay_options *ro);
/* Checks the options, loads the configuration, lets the options override it, calls the job. */
int replay_cli_prepare(const struct cli *cli, const struct replay_cli *o, replay_cli_job *job);
/* Runs the replay, with Ctrl-C and progress. Returns 0 and *result (replay_result_free() it), or the exit code. */
int replay_cli_run(const struct cli *cli, const struct config *config, const struct replay_options *ro,
		   struct replay_result *result);

#endif
