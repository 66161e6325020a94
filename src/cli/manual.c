/* SPDX-License-Identifier: BSD-2-Clause */
/* manual.c: miresga(1). Commands and options are those of the rows that the parser and --help
 * use; only what no row knows is written here. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "manual.h"
#include "roff.h"

struct item {
	const char *tag, *text;
};

static const struct item exit_codes[] = {
	{ "0", "Success." },
	{ "1", "Failure: a file that cannot be read or written, an invalid configuration, a finding of the "
	       "verification, a scenario that did not pass, an interrupt." },
	{ "2", "Wrong usage." },
};

static const struct item environment[] = {
	{ "NO_COLOR", "If it is set and not empty, output has no colours, unless `--color=always` asks for them." },
	{ "TERM", "With `dumb` there are neither colours nor a progress bar." },
	{ "COLUMNS", "The width of diagrams where output is no terminal." },
};

static const struct item files[] = {
	{ "share/miresga/configs/*.yaml", "Ready configurations, each with a comment that says what it shows." },
	{ "share/doc/miresga/", "The documentation; both below the prefix of the installation, such as `/usr/local`." },
};

static void items(struct roff *r, const struct item *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		roff_literal_tag(r, list[i].tag);
		roff_text(r, list[i].text);
	}
}

/* "-f, --config=FILE" */
void manual_option(struct roff *r, const struct cli_option *o)
{
	const char *value = o->argument ? o->argument : o->choices;
	char tag[160], letter[16] = "";

	if (o->letter)
		snprintf(letter, sizeof(letter), "`-%c`, ", o->letter);
	snprintf(tag, sizeof(tag), "%s`--%s`%s%s", letter, o->name, value ? "=" : "", value ? value : "");
	roff_tag(r, tag);
	roff_text(r, o->help);
	if (o->kind == OPTION_LIST)
		roff_text(r, "(repeatable)");
}

static void command(struct roff *r, const struct command *c)
{
	char heading[64];

	snprintf(heading, sizeof(heading), "miresga %s", c->name);
	roff_subsection(r, heading);
	roff_text(r, c->about);
	for (size_t i = 0; i < c->option_count; i++)
		manual_option(r, &c->options[i]);
	roff_example(r, c->examples);
}

static void synopsis(struct roff *r)
{
	char name[64];

	roff_section(r, "SYNOPSIS");
	for (size_t i = 0; i < cli_command_count; i++) {
		snprintf(name, sizeof(name), "miresga %s", cli_commands[i]->name);
		roff_synopsis(r, name, cli_commands[i]->usage);
	}
	roff_synopsis(r, "miresga", "--help | --version");
}

void manual_program(FILE *out)
{
	struct roff roff = { .out = out }, *r = &roff;

	roff_begin(r, &(struct roff_title){ "miresga", "1", "hybrid layer-7 load balancer, emulated and verified" });
	synopsis(r);
	roff_section(r, "DESCRIPTION");
	roff_text(r, cli_about);
	roff_paragraph(r);
	roff_text(r, "The switch answers handshakes and carries large responses; the front-ends read the requests and "
		     "choose the backends; an agent at every backend shifts sequence numbers, so that two TCP "
		     "connections become one. Equal input and equal seed give equal output. "
		     "For input and output files `-` is standard input or output. "
		     "Ctrl-C ends a run early and prints what there is.");
	roff_section(r, "OPTIONS");
	roff_text(r, "These go before or after the command:");
	for (size_t i = 0; i < cli_global_option_count; i++)
		manual_option(r, &cli_global_options[i]);
	roff_section(r, "COMMANDS");
	for (size_t i = 0; i < cli_command_count; i++)
		command(r, cli_commands[i]);
	roff_section(r, "EXIT STATUS");
	items(r, exit_codes, ARRAY_LEN(exit_codes));
	roff_section(r, "ENVIRONMENT");
	items(r, environment, ARRAY_LEN(environment));
	roff_section(r, "FILES");
	items(r, files, ARRAY_LEN(files));
	roff_see_also(r,
		      "miresga.yaml(5), miresga-script(5), miresga-agent(8), pcap-filter(7), tcpdump(8), wireshark(1)");
}
