/* SPDX-License-Identifier: BSD-2-Clause */
/* help.c: --help, and messages on standard error. All texts come from the command and option
 * rows. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "miresga/nearest.h"

static FORMAT_PRINTF(2, 0) void message(const struct cli *cli, const char *format, va_list args)
{
	fflush(stdout);
	fprintf(stderr, "miresga: ");
	if (cli->command)
		fprintf(stderr, "%s: ", cli->command->name);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int cli_usage_error(const struct cli *cli, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	message(cli, format, args);
	va_end(args);
	return EXIT_USAGE;
}

int cli_failure(const struct cli *cli, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	message(cli, format, args);
	va_end(args);
	return EXIT_FAILURE;
}

bool cli_use_color(const struct cli *cli, int fd)
{
	const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");

	if (cli->globals.color != COLOR_AUTO)
		return cli->globals.color == COLOR_ALWAYS;
	/* https://no-color.org: present and not empty. */
	return isatty(fd) && !(no_color && *no_color) && !(terminal && strcmp(terminal, "dumb") == 0);
}

static void print_options(const struct cli_option *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct cli_option *o = &rows[i];
		const char *value = o->argument ? o->argument : o->choices;
		char left[80];

		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
			 o->letter ? ", " : "  ", o->name, value ? "=" : "", value ? value : "");
		/* One that is too long for its column has the text below. */
		printf("  %-30s%s%s\n", left, strlen(left) > 29 ? "\n                                 " : " ", o->help);
	}
}

static void print_lines(const char *lines)
{
	printf("  ");
	for (; *lines != '\0'; lines++) {
		putchar(*lines);
		if (*lines == '\n')
			printf("  ");
	}
	putchar('\n');
}

static void command_help(const struct command *c)
{
	printf("Usage: miresga %s %s\n\n%s\n", c->name, c->usage, c->about);
	if (c->option_count > 0) {
		printf("\nOptions:\n");
		print_options(c->options, c->option_count);
	}
	printf("\nGlobal options:\n");
	print_options(cli_global_options, cli_global_option_count);
	printf("\nExamples:\n");
	print_lines(c->examples);
}

const char cli_about[] = "The Miresga hybrid layer-7 load balancer in one process: a programmable switch,\n"
			 "front-end servers and back-end agents, driven by packet traces in virtual time.";

void cli_help(const struct cli *cli)
{
	if (cli->command) {
		command_help(cli->command);
		return;
	}
	printf("Usage: miresga [GLOBAL OPTIONS] COMMAND [OPTIONS] [OPERANDS]\n\n%s\n\nCommands:\n", cli_about);
	for (size_t i = 0; i < cli_command_count; i++)
		printf("  %-10s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
	printf("\nGlobal options, before or after COMMAND:\n");
	print_options(cli_global_options, cli_global_option_count);
	printf("\nExample:\n");
	print_lines("miresga replay -f configs/minimal.yaml trace.pcap");
	printf("\n'miresga COMMAND --help' lists a command's options. Exit status: 0 success,\n"
	       "1 failure (also when the verification found something), 2 wrong usage.\n");
}

int cli_unknown(const struct cli *cli, const char *what, const char *word, const char *choices)
{
	struct nearest near;
	char known[32], best[32] = "";

	nearest_init(&near, word);
	for (const char *c = choices; *c != '\0'; c += strspn(c, "|")) {
		size_t len = strcspn(c, "|");

		snprintf(known, sizeof(known), "%.*s", (int)len, c);
		nearest_offer(&near, known);
		if (near.best == known) {
			memcpy(best, known, sizeof(best));
			near.best = best;
		}
		c += len;
	}
	if (*best)
		return cli_usage_error(cli, "unknown %s '%s'; did you mean '%s'?", what, word, best);
	return cli_usage_error(cli, "unknown %s '%s'; there are %s", what, word, choices);
}
