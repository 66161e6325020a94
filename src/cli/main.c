/* SPDX-License-Identifier: BSD-2-Clause */
/* main.c: `miresga [GLOBAL OPTIONS] COMMAND [OPTIONS] [OPERANDS]`. Finds the command, has its
 * options parsed, runs it, and makes sure that what was printed has really been written. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "miresga/nearest.h"

const struct command *const cli_commands[] = {
	&cli_replay, &cli_sim,	    &cli_fuzz,	&cli_explain, &cli_script,     &cli_live,
	&cli_check,  &cli_capacity, &cli_bench, &cli_agent,   &cli_completion, &cli_man,
};
const size_t cli_command_count = ARRAY_LEN(cli_commands);

static const struct command *find_command(const struct cli *cli, const char *name)
{
	struct nearest near;

	nearest_init(&near, name);
	for (size_t i = 0; i < cli_command_count; i++) {
		if (strcmp(cli_commands[i]->name, name) == 0)
			return cli_commands[i];
		nearest_offer(&near, cli_commands[i]->name);
	}
	if (near.best)
		cli_usage_error(cli, "unknown command '%s'; did you mean '%s'?", name, near.best);
	else
		cli_usage_error(cli, "unknown command '%s'; 'miresga --help' lists the commands", name);
	return NULL;
}

/* A full disk or a closed pipe must not look like success. */
static int finish(const struct cli *cli, int rc)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		return cli_failure(cli, "standard output: %s", strerror(errno));
	return rc;
}

static int run_command(struct cli *cli, int argc, char **argv)
{
	void *options = calloc(1, MAX(cli->command->options_size, 1));
	int rc;

	if (!options)
		return cli_failure(cli, "out of memory");
	if (cli_parse(cli, options, argc, argv) < 0) {
		rc = EXIT_USAGE;
	} else if (cli->globals.help) {
		cli_help(cli);
		rc = EXIT_SUCCESS;
	} else {
		rc = cli->command->run(cli, options);
	}
	free(options);
	return rc;
}

int main(int argc, char **argv)
{
	struct cli cli = { .command = NULL };
	int at = cli_parse(&cli, NULL, argc - 1, argv + 1);

	if (at < 0)
		return EXIT_USAGE;
	if (cli.globals.version) {
		printf("miresga " MIRESGA_VERSION "\n");
		return finish(&cli, EXIT_SUCCESS);
	}
	if (at == argc - 1) {
		if (!cli.globals.help)
			return cli_usage_error(&cli, "no command given; 'miresga --help' lists the commands");
		cli_help(&cli);
		return finish(&cli, EXIT_SUCCESS);
	}
	cli.command = find_command(&cli, argv[1 + at]);
	if (!cli.command)
		return EXIT_USAGE;
	return finish(&cli, run_command(&cli, argc - 2 - at, argv + 2 + at));
}
