/* SPDX-License-Identifier: BSD-2-Clause */
/* completion_zsh.c: completion for zsh: specifications for _arguments, with the descriptions of
 * the rows. */
#include <string.h>

#include "completion.h"
#include "miresga/config_keys.h"
#include "miresga/quirk.h"

/* Inside single quotes and a specification. */
static void put_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\'') {
			fputs("'\\''", out);
			continue;
		}
		if (strchr("[]:\\", *text))
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void put_words(FILE *out, const char *choices)
{
	for (; *choices != '\0'; choices++)
		fputc(*choices == '|' ? ' ' : *choices, out);
}

static void put_action(FILE *out, struct complete c)
{
	const struct config_section *geometry =
		config_key_find(config_key_find(&config_root, "switch")->section, "table")->section;

	switch (c.kind) {
	case COMPLETE_NOTHING:
		fputc(' ', out);
		break;
	case COMPLETE_WORDS:
		fputc('(', out);
		put_words(out, c.words);
		fputc(')', out);
		break;
	case COMPLETE_QUIRKS:
		fputs("_sequence compadd -", out);
		for (unsigned i = 0; i < QUIRK_COUNT; i++)
			fprintf(out, " %s", quirk_id((enum quirk)i));
		fputs(" all", out);
		break;
	case COMPLETE_GEOMETRY:
		fputs("compadd -S = -", out);
		for (unsigned i = 0; i < geometry->key_count; i++)
			fprintf(out, " %s", geometry->keys[i].name);
		break;
	case COMPLETE_FILES:
		fputs("_files", out);
		if (*c.words)
			fprintf(out, " -g \"*.(%s)\"", c.words);
		break;
	case COMPLETE_FOLDERS:
		fputs("_files -/", out);
		break;
	}
}

static void put_option(FILE *out, const struct cli_option *o)
{
	const char *value = o->argument ? o->argument : o->choices;

	fputs("		", out);
	if (o->kind == OPTION_LIST)
		fprintf(out, "'*--%s=[", o->name);
	else if (o->letter && value)
		fprintf(out, "'(-%c --%s)'{-%c+,--%s=}'[", o->letter, o->name, o->letter, o->name);
	else if (o->letter)
		fprintf(out, "'(-%c --%s)'{-%c,--%s}'[", o->letter, o->name, o->letter, o->name);
	else
		fprintf(out, "'--%s%s[", o->name, value ? "=" : "");
	put_text(out, o->help);
	fputc(']', out);
	if (value) {
		fputc(':', out);
		put_text(out, value);
		fputc(':', out);
		put_action(out, complete_value(o));
	}
	fputs("'\n", out);
}

static void put_command(FILE *out, const struct command *c)
{
	struct complete operand = complete_operand(c);

	fprintf(out, "	%s)\n		specs+=(\n", c->name);
	for (size_t i = 0; i < c->option_count; i++)
		put_option(out, &c->options[i]);
	if (operand.kind != COMPLETE_NOTHING) {
		fputs("		'*:operand:", out);
		put_action(out, operand);
		fputs("'\n", out);
	}
	fputs("		)\n		;;\n", out);
}

void completion_zsh(FILE *out)
{
	fputs("#compdef miresga\n"
	      "# zsh completion for miresga; made by `miresga completion zsh`.\n"
	      "\n"
	      "_miresga_commands() {\n"
	      "	local -a commands=(\n",
	      out);
	for (size_t i = 0; i < cli_command_count; i++) {
		fprintf(out, "		'%s:", cli_commands[i]->name);
		put_text(out, cli_commands[i]->summary);
		fputs("'\n", out);
	}
	fputs("	)\n"
	      "	_describe -t commands command commands\n"
	      "}\n"
	      "\n"
	      "_miresga() {\n"
	      "	local context state state_descr line curcontext=\"$curcontext\"\n"
	      "	typeset -A opt_args\n"
	      "	local -a specs=(\n",
	      out);
	for (size_t i = 0; i < cli_global_option_count; i++)
		put_option(out, &cli_global_options[i]);
	fputs("	)\n"
	      "	_arguments -C -s -S $specs '1: :_miresga_commands' '*::: :->rest' && return\n"
	      "	[[ $state == rest ]] || return\n"
	      "	words=($line[1] \"${words[@]}\")\n"
	      "	(( CURRENT += 1 ))\n"
	      "	curcontext=\"${curcontext%:*:*}:miresga-$line[1]:\"\n"
	      "	case $line[1] in\n",
	      out);
	for (size_t i = 0; i < cli_command_count; i++)
		put_command(out, cli_commands[i]);
	fputs("	esac\n"
	      "	_arguments -s -S $specs\n"
	      "}\n"
	      "\n"
	      "if [[ $funcstack[1] == _miresga ]]; then\n"
	      "	_miresga \"$@\"\n"
	      "else\n"
	      "	compdef _miresga miresga\n"
	      "fi\n",
	      out);
}
