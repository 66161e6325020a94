/* SPDX-License-Identifier: BSD-2-Clause */
/* completion_bash.c: completion for bash, with or without the bash-completion package.
 *
 * bash breaks words at '=', so "--name=va" arrives as three words: the function looks behind the
 * sign for the option. Results: COMPREPLY. */
#include "completion.h"
#include "miresga/config_keys.h"
#include "miresga/quirk.h"

static const char head[] =
	"# bash completion for miresga; made by `miresga completion bash`.\n"
	"# shellcheck shell=bash disable=SC2046,SC2207\n"
	"\n"
	"# Words that begin as the current one does; a lone one that ends in '=' wants its value at once.\n"
	"_miresga_words()\n"
	"{\n"
	"	COMPREPLY=($(compgen -W \"$1\" -- \"$cur\"))\n"
	"	[[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null\n"
	"}\n"
	"\n"
	"# Words with commas between them.\n"
	"_miresga_list()\n"
	"{\n"
	"	local before=\n"
	"	[[ $cur != *,* ]] || before=${cur%,*},\n"
	"	COMPREPLY=($(compgen -P \"$before\" -W \"$1\" -- \"${cur##*,}\"))\n"
	"	compopt -o nospace 2>/dev/null\n"
	"}\n"
	"\n"
	"# Folders, and files with these suffixes; where there are none, all files.\n"
	"_miresga_files()\n"
	"{\n"
	"	local IFS=$'\\n' suffix files=()\n"
	"	for suffix; do files+=($(compgen -f -X \"!*.$suffix\" -- \"$cur\")); done\n"
	"	[[ ${#files[@]} != 0 ]] || files=($(compgen -f -- \"$cur\"))\n"
	"	COMPREPLY=($(printf '%s\\n' \"${files[@]}\" $(compgen -d -- \"$cur\") | sort -u))\n"
	"	compopt -o filenames 2>/dev/null\n"
	"}\n"
	"\n"
	"_miresga()\n"
	"{\n"
	"	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' i\n"
	"	COMPREPLY=()\n"
	"	for ((i = 1; i < COMP_CWORD; i++)); do\n"
	"		case ${COMP_WORDS[i]} in\n"
	"		";

static const char behind_commands[] = ")\n"
				      "			command=${COMP_WORDS[i]}\n"
				      "			break\n"
				      "			;;\n"
				      "		esac\n"
				      "	done\n"
				      "	if [[ $cur == '=' ]]; then\n"
				      "		cur=\n"
				      "	elif [[ $prev == '=' ]]; then\n"
				      "		prev=${COMP_WORDS[COMP_CWORD - 2]}\n"
				      "	fi\n"
				      "	case $command:$prev in\n";

static void put_words(FILE *out, const char *choices)
{
	for (; *choices != '\0'; choices++)
		fputc(*choices == '|' ? ' ' : *choices, out);
}

static const struct config_section *geometry(void)
{
	return config_key_find(config_key_find(&config_root, "switch")->section, "table")->section;
}

static void put_action(FILE *out, struct complete c)
{
	switch (c.kind) {
	case COMPLETE_NOTHING:
		fputs("COMPREPLY=()", out);
		return;
	case COMPLETE_WORDS:
		fputs("_miresga_words '", out);
		put_words(out, c.words);
		break;
	case COMPLETE_QUIRKS:
		fputs("_miresga_list '", out);
		for (unsigned i = 0; i < QUIRK_COUNT; i++)
			fprintf(out, "%s ", quirk_id((enum quirk)i));
		fputs("all", out);
		break;
	case COMPLETE_GEOMETRY:
		fputs("_miresga_words '", out);
		for (unsigned i = 0; i < geometry()->key_count; i++)
			fprintf(out, "%s%s=", i ? " " : "", geometry()->keys[i].name);
		break;
	case COMPLETE_FILES:
		fputs("_miresga_files", out);
		fputs(*c.words ? " " : "", out);
		put_words(out, c.words);
		return;
	case COMPLETE_FOLDERS:
		fputs("COMPREPLY=($(compgen -d -- \"$cur\")); compopt -o filenames 2>/dev/null", out);
		return;
	}
	fputc('\'', out);
}

static void put_case(FILE *out, const char *command, const struct cli_option *o)
{
	if (o->kind == OPTION_FLAG)
		return;
	fprintf(out, "	%s:--%s", command, o->name);
	if (o->letter)
		fprintf(out, " | %s:-%c", command, o->letter);
	fputs(") ", out);
	put_action(out, complete_value(o));
	fputs("; return ;;\n", out);
}

static void put_cases(FILE *out)
{
	for (size_t i = 0; i < cli_global_option_count; i++)
		put_case(out, "*", &cli_global_options[i]);
	for (size_t i = 0; i < cli_command_count; i++)
		for (size_t k = 0; k < cli_commands[i]->option_count; k++)
			put_case(out, cli_commands[i]->name, &cli_commands[i]->options[k]);
	for (unsigned i = 0; i < geometry()->key_count; i++)
		if (geometry()->keys[i].kind == CONFIG_KIND_BOOLEAN)
			fprintf(out, "	capacity:%s) _miresga_words 'true false'; return ;;\n",
				geometry()->keys[i].name);
		else
			fprintf(out, "	capacity:%s) return ;;\n", geometry()->keys[i].name);
}

static void put_options(FILE *out, const struct cli_option *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		fprintf(out, " --%s%s", rows[i].name, rows[i].kind == OPTION_FLAG ? "" : "=");
		if (rows[i].letter)
			fprintf(out, " -%c", rows[i].letter);
	}
}

void completion_bash(FILE *out)
{
	fputs(head, out);
	for (size_t i = 0; i < cli_command_count; i++)
		fprintf(out, "%s%s", i ? " | " : "", cli_commands[i]->name);
	fputs(behind_commands, out);
	put_cases(out);
	fputs("	esac\n	case $command:$cur in\n", out);
	for (size_t i = 0; i < cli_command_count; i++) {
		const struct command *c = cli_commands[i];

		fprintf(out, "	%s:-*) _miresga_words '", c->name);
		put_options(out, cli_global_options, cli_global_option_count);
		put_options(out, c->options, c->option_count);
		fprintf(out, "' ;;\n	%s:*) ", c->name);
		put_action(out, complete_operand(c));
		fputs(" ;;\n", out);
	}
	fputs("	:-*) _miresga_words '", out);
	put_options(out, cli_global_options, cli_global_option_count);
	fputs("' ;;\n	:*) _miresga_words '", out);
	for (size_t i = 0; i < cli_command_count; i++)
		fprintf(out, "%s%s", i ? " " : "", cli_commands[i]->name);
	fputs("' ;;\n	esac\n}\n\ncomplete -F _miresga miresga\n", out);
}
