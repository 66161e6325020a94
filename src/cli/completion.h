/* SPDX-License-Identifier: BSD-2-Clause */
/* completion.h: shell completion, made from the command and option rows. */
#ifndef COMPLETION_H
#define COMPLETION_H

#include <stdio.h>

#include "cli.h"

/* What can be completed in a place of the command line. */
enum complete_kind {
	COMPLETE_NOTHING,
	COMPLETE_WORDS,	   /* `words`, "one|another" */
	COMPLETE_QUIRKS,   /* ids of quirks, with commas between */
	COMPLETE_GEOMETRY, /* KEY=VALUE of the switch's table */
	COMPLETE_FILES,	   /* `words`: their suffixes, "" for all */
	COMPLETE_FOLDERS,
};
struct complete {
	enum complete_kind kind;
	const char *words;
};

/* The value of an option; an operand of a command. */
struct complete complete_value(const struct cli_option *row);
struct complete complete_operand(const struct command *c);

/* The scripts. */
void completion_bash(FILE *out);
void completion_zsh(FILE *out);

#endif
