/* SPDX-License-Identifier: BSD-2-Clause */
/* cli.h: the command line's own vocabulary: commands, options as data, messages.
 *
 * An option is one row. The row feeds the parser, --help and every error message, so that they
 * cannot disagree. A command owns a struct of results; main.c clears it, the parser fills it by
 * the rows' offsets, and run() reads it. */
#ifndef CLI_H
#define CLI_H

#include <stddef.h>

#include "miresga/base.h"
#include "miresga/config.h"

#define EXIT_USAGE 2

enum option_kind {
	OPTION_FLAG,   /* bool */
	OPTION_TEXT,   /* const char * */
	OPTION_NUMBER, /* struct option_number */
	OPTION_CHOICE, /* int: index into `choices` */
	OPTION_LIST,   /* struct option_list: may be given again and again */
};

struct option_number {
	bool given;
	uint64_t value;
};

#define OPTION_LIST_MAX 32
struct option_list {
	unsigned count;
	const char *items[OPTION_LIST_MAX];
};

struct cli_option {
	const char *name; /* without the dashes */
	char letter;	  /* 0: none */
	enum option_kind kind;
	size_t at;	      /* offset of the result in the command's struct */
	const char *argument; /* what help calls the value; NULL for a flag */
	const char *choices;  /* OPTION_CHOICE: "one|another" */
	uint64_t min, max;    /* OPTION_NUMBER */
	const char *help;
};

/* Results of the options that every command has. */
struct cli_globals {
	bool json, quiet, verbose, help, version;
	int color; /* enum cli_color */
};

enum cli_color {
	COLOR_AUTO,
	COLOR_ALWAYS,
	COLOR_NEVER,
};

struct cli {
	struct cli_globals globals;
	const struct command *command; /* NULL until it is known */
	unsigned operand_count;
	char **operands;
};

struct command {
	const char *name;
	const char *summary;  /* one line */
	const char *usage;    /* what follows the name */
	const char *about;    /* a paragraph for --help */
	const char *examples; /* whole lines, without the indent */
	const char *operands; /* what an operand can be, "one|another"; NULL: anything */
	const struct cli_option *options;
	size_t option_count;
	size_t options_size; /* of the struct that `at` counts in */
	/* Returns the exit code. */
	int (*run)(const struct cli *cli, const void *options);
};

extern const struct command cli_check, cli_live, cli_capacity, cli_replay, cli_explain, cli_script, cli_completion,
	cli_man, cli_agent, cli_fuzz, cli_sim, cli_bench;
/* All of them, in the order in which help lists them. */
extern const struct command *const cli_commands[];
extern const size_t cli_command_count;
/* What miresga is; lines. */
extern const char cli_about[];

/* The options that every command has. */
extern const struct cli_option cli_global_options[];
extern const size_t cli_global_option_count;

/* Parses argv[0..argc) into cli->globals and, when the command is known, into `options`.
 * Operands are gathered at the front of argv; without a command, parsing stops at the first one.
 * Returns how many of argv were consumed (all, or up to the command's name), or -1 after an error message. */
int cli_parse(struct cli *cli, void *options, int argc, char **argv);
/* A number in the range, as the options take it. */
bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *value);
/* Index of `text` in "one|another", or -1. */
int cli_choice(const char *choices, const char *text);
void cli_help(const struct cli *cli);
/* "miresga: COMMAND: unknown WHAT 'word'; did you mean ..." among "one|another". Returns EXIT_USAGE. */
int cli_unknown(const struct cli *cli, const char *what, const char *word, const char *choices);

/* "miresga: COMMAND: message" on stderr. Returns EXIT_USAGE. */
int cli_usage_error(const struct cli *cli, const char *format, ...) FORMAT_PRINTF(2, 3);
/* The same; returns EXIT_FAILURE. */
int cli_failure(const struct cli *cli, const char *format, ...) FORMAT_PRINTF(2, 3);
/* Should output to this stream be coloured? */
bool cli_use_color(const struct cli *cli, int fd);

/* Loads the file of -f, printing every error. Returns 0 and *config (free() it), or the exit code. */
int cli_load_config(const struct cli *cli, const char *file, struct config **config);

/* The row that every command with a configuration has. */
#define CLI_OPTION_CONFIG(type) \
	{ \
		.name = "config", .letter = 'f', .kind = OPTION_TEXT, .at = offsetof(type, config_file), \
		.argument = "FILE", .help = "the configuration (YAML; '-' is standard input)" \
	}

#endif
