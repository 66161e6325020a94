/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_check.c: `miresga check -f FILE`: every error of a configuration, as
 * `file:line:column: error: …`, the form that editors jump to. Also how the other commands load
 * their configuration. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

struct check_options {
	const char *config_file;
	bool print;
};

static const struct cli_option options[] = {
	CLI_OPTION_CONFIG(struct check_options),
	{ .name = "print",
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct check_options, print),
	  .help = "write the whole configuration to standard output, defaults and all" },
};

static void print_error(void *ctx, const char *file, unsigned line, unsigned column, const char *text)
{
	(void)ctx;
	fprintf(stderr, "%s:", file);
	if (line > 0)
		fprintf(stderr, "%u:", line);
	if (line > 0 && column > 0)
		fprintf(stderr, "%u:", column);
	fprintf(stderr, " error: %s\n", text);
}

static void collect_error(void *ctx, const char *file, unsigned line, unsigned column, const char *text)
{
	json_array_append_new(ctx, json_pack("{s:s, s:I, s:I, s:s}", "file", file, "line", (json_int_t)line, "column",
					     (json_int_t)column, "message", text));
}

int cli_load_config(const struct cli *cli, const char *file, struct config **config)
{
	struct config *c;

	if (!file)
		return cli_usage_error(cli, "no configuration given: -f FILE is missing, as in\n  %.*s",
				       (int)strcspn(cli->command->examples, "\n"), cli->command->examples);
	c = calloc(1, sizeof(*c));
	if (!c)
		return cli_failure(cli, "out of memory");
	if (config_load(c, file, print_error, NULL) > 0) {
		free(c);
		return EXIT_FAILURE;
	}
	*config = c;
	return EXIT_SUCCESS;
}

static int check_json(const struct cli *cli, struct config *config, const char *file)
{
	json_t *errors = json_array();
	int found = config_load(config, file, collect_error, errors);
	json_t *document = json_pack("{s:s, s:s, s:b, s:o}", "schema", "miresga.check/1", "file", file, "valid",
				     found == 0, "errors", errors);

	if (!document)
		return cli_failure(cli, "out of memory");
	json_dumpf(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(document);
	return found > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(const struct cli *cli, const void *opaque)
{
	const struct check_options *o = opaque;
	struct config *config = NULL;
	int rc;

	if (cli->operand_count > 0)
		return cli_usage_error(cli, "unexpected operand '%s'; did you mean '-f %s'?", cli->operands[0],
				       cli->operands[0]);
	if (cli->globals.json && o->print)
		return cli_usage_error(cli, "--print writes YAML; it does not go with --json");
	if (cli->globals.json && o->config_file) {
		config = calloc(1, sizeof(*config));
		rc = config ? check_json(cli, config, o->config_file) : cli_failure(cli, "out of memory");
	} else {
		rc = cli_load_config(cli, o->config_file, &config);
		if (rc == EXIT_SUCCESS && o->print)
			rc = config_print(config, true, stdout) ? cli_failure(cli, "%s", strerror(errno)) : rc;
		else if (rc == EXIT_SUCCESS && !cli->globals.quiet)
			printf("Configuration file is valid\n");
	}
	free(config);
	return rc;
}

const struct command cli_check = {
	.name = "check",
	.summary = "report every error of a configuration file",
	.usage = "-f FILE [--print]",
	.about = "Reads a configuration and prints every error as file:line:column: error: text.\n"
		 "Exit status 0 if there is none, else 1.",
	.examples = "miresga check -f configs/minimal.yaml\n"
		    "miresga check -f configs/minimal.yaml --print",
	.options = options,
	.option_count = ARRAY_LEN(options),
	.options_size = sizeof(struct check_options),
	.run = run,
};
