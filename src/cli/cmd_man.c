/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_man.c: `miresga man PAGE`: a manual page on standard output, for `man -l -` and for
 * installing. Only miresga-script(5) has no tables behind it (manual_script.c). */
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "manual.h"

#define PAGES "miresga.1|miresga.yaml.5|miresga-agent.8|miresga-script.5"

static void (*const pages[])(FILE *out) = { manual_program, manual_config, manual_agent, manual_script };

static int run(const struct cli *cli, const void *options)
{
	const char *page = cli->operand_count > 0 ? cli->operands[0] : "miresga.1";
	int index = cli_choice(PAGES, page);

	(void)options;
	if (cli->operand_count > 1)
		return cli_usage_error(cli, "unexpected operand '%s'", cli->operands[1]);
	if (index < 0)
		return cli_unknown(cli, "page", page, PAGES);
	pages[index](stdout);
	return EXIT_SUCCESS;
}

const struct command cli_man = {
	.name = "man",
	.summary = "print a manual page",
	.usage = "[" PAGES "]",
	.about = "Prints a manual page in man(7), miresga.1 unless another is named. 'make install'\n"
		 "puts them where man finds them.",
	.examples = "miresga man | man -l -\n"
		    "miresga man miresga.yaml.5 > miresga.yaml.5",
	.operands = PAGES,
	.run = run,
};
