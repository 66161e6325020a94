/* SPDX-License-Identifier: BSD-2-Clause */
/* completion.c: what can be completed where. What help calls a value (FILE.tsv, ID,...) says what
 * it is; `miresga completion` prints the scripts (completion_bash.c, completion_zsh.c). */
#include "completion.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *argument; /* of an option, or part of a command's usage */
	struct complete complete;
} kinds[] = {
	{ "FILE.pkt|DIR...", { COMPLETE_FILES, "pkt" } },
	{ "TRACE", { COMPLETE_FILES, "pcap|pcapng|cap" } },
	{ "OUT.pcapng", { COMPLETE_FILES, "pcapng" } },
	{ "FILE.tsv", { COMPLETE_FILES, "tsv" } },
	{ "FILE", { COMPLETE_FILES, "" } },
	{ "DIR", { COMPLETE_FOLDERS, NULL } },
	{ "ID,...", { COMPLETE_QUIRKS, NULL } },
	{ "KEY=VALUE", { COMPLETE_GEOMETRY, NULL } },
};

struct complete complete_value(const struct cli_option *row)
{
	if (row->choices)
		return (struct complete){ COMPLETE_WORDS, row->choices };
	if (strcmp(row->name, "config") == 0)
		return (struct complete){ COMPLETE_FILES, "yaml|yml" };
	for (size_t i = 0; row->argument && i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].argument, row->argument) == 0)
			return kinds[i].complete;
	return (struct complete){ COMPLETE_NOTHING, NULL };
}

struct complete complete_operand(const struct command *c)
{
	if (c->operands)
		return (struct complete){ COMPLETE_WORDS, c->operands };
	/* The first two rows are operands. */
	for (size_t i = 0; i < 2; i++)
		if (strstr(c->usage, kinds[i].argument))
			return kinds[i].complete;
	return (struct complete){ COMPLETE_NOTHING, NULL };
}

#define SHELLS "bash|zsh"

static void (*const shells[])(FILE *out) = { completion_bash, completion_zsh };

static int run(const struct cli *cli, const void *options)
{
	int index;

	(void)options;
	if (cli->operand_count != 1)
		return cli_usage_error(cli, "one shell is needed, %s, as in\n  %s", SHELLS, cli->command->examples);
	index = cli_choice(SHELLS, cli->operands[0]);
	if (index < 0)
		return cli_unknown(cli, "shell", cli->operands[0], SHELLS);
	shells[index](stdout);
	return EXIT_SUCCESS;
}

const struct command cli_completion = {
	.name = "completion",
	.summary = "print a script that completes miresga's command lines",
	.usage = "bash|zsh",
	.about = "Prints a script for a shell; 'make install' puts it where bash-completion and zsh\n"
		 "look. For a shell without either, its start-up file can read it as below.",
	.examples = "eval \"$(miresga completion bash)\"",
	.operands = SHELLS,
	.run = run,
};
