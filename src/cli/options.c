/* SPDX-License-Identifier: BSD-2-Clause */
/* options.c: the option parser. It knows rows (struct cli_option), not commands.
 *
 * GNU conventions: -f FILE, -fFILE, --name=VALUE, --name VALUE, bundled letters, options anywhere
 * among the operands, `--` ends them, a lone `-` is an operand. The first mistake ends the
 * parsing with one message on standard error that says what would have been right. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "miresga/nearest.h"

const struct cli_option cli_global_options[] = {
	{ .name = "json",
	  .letter = 'j',
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct cli_globals, json),
	  .help = "one JSON document on standard output" },
	{ .name = "quiet",
	  .letter = 'q',
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct cli_globals, quiet),
	  .help = "only the verdict" },
	{ .name = "verbose",
	  .letter = 'v',
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct cli_globals, verbose),
	  .help = "more, also what is zero" },
	{ .name = "color",
	  .kind = OPTION_CHOICE,
	  .at = offsetof(struct cli_globals, color),
	  .choices = "auto|always|never",
	  .help = "auto: on terminals, unless NO_COLOR is set" },
	{ .name = "help",
	  .letter = 'h',
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct cli_globals, help),
	  .help = "this text" },
	{ .name = "version",
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct cli_globals, version),
	  .help = "the program's version" },
};
const size_t cli_global_option_count = ARRAY_LEN(cli_global_options);

/* Where the parser stands. A row and the struct that its result goes to. */
struct parse {
	struct cli *cli;
	char *options;
	int argc, next; /* argv[next] is the next argument */
	char **argv;
};

struct target {
	const struct cli_option *row;
	char *base;
};

bool cli_number(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *value >= min && *value <= max;
}

int cli_choice(const char *choices, const char *text)
{
	size_t len = strlen(text);
	int index = 0;

	for (const char *c = choices;; index++) {
		size_t n = strcspn(c, "|");

		if (n == len && memcmp(c, text, n) == 0)
			return index;
		if (c[n] == '\0')
			return -1;
		c += n + 1;
	}
}

/* How the row is written in messages. */
static const char *row_name(const struct cli_option *row, char buf[80])
{
	snprintf(buf, 80, "--%s", row->name);
	return buf;
}

static int store_choice(const struct parse *p, const struct target *t, const char *value)
{
	int *choice = (void *)(t->base + t->row->at);
	int index = cli_choice(t->row->choices, value);
	char name[80];

	if (index < 0) {
		cli_usage_error(p->cli, "%s: '%s' is not one of %s", row_name(t->row, name), value, t->row->choices);
		return -1;
	}
	*choice = index;
	return 0;
}

static int store_number(const struct parse *p, const struct target *t, const char *value)
{
	struct option_number *number = (void *)(t->base + t->row->at);
	char name[80];

	if (!cli_number(value, t->row->min, t->row->max, &number->value)) {
		cli_usage_error(p->cli, "%s: '%s' is not a number from %llu to %llu", row_name(t->row, name), value,
				(unsigned long long)t->row->min, (unsigned long long)t->row->max);
		return -1;
	}
	number->given = true;
	return 0;
}

static int store_item(const struct parse *p, const struct target *t, const char *value)
{
	struct option_list *list = (void *)(t->base + t->row->at);
	char name[80];

	if (list->count == OPTION_LIST_MAX) {
		cli_usage_error(p->cli, "%s: more than %d times", row_name(t->row, name), OPTION_LIST_MAX);
		return -1;
	}
	list->items[list->count++] = value;
	return 0;
}

static int store_text(const struct parse *p, const struct target *t, const char *value)
{
	const char **text = (void *)(t->base + t->row->at);
	char name[80];

	if (*text) {
		cli_usage_error(p->cli, "%s: given twice: '%s' and '%s'", row_name(t->row, name), *text, value);
		return -1;
	}
	if (*value == '\0') {
		cli_usage_error(p->cli, "%s: the value is empty", row_name(t->row, name));
		return -1;
	}
	*text = value;
	return 0;
}

static int store(const struct parse *p, const struct target *t, const char *value)
{
	switch (t->row->kind) {
	case OPTION_FLAG:
		*(bool *)(void *)(t->base + t->row->at) = true;
		return 0;
	case OPTION_TEXT:
		return store_text(p, t, value);
	case OPTION_NUMBER:
		return store_number(p, t, value);
	case OPTION_CHOICE:
		return store_choice(p, t, value);
	case OPTION_LIST:
		return store_item(p, t, value);
	}
	return -1;
}

/* Looks a long name (len bytes) or a letter up, first among the command's rows. */
static struct target find(const struct parse *p, const char *name, size_t len, char letter)
{
	const struct command *c = p->cli->command;
	struct target t = { NULL, NULL };

	for (size_t i = 0; c && i < c->option_count && !t.row; i++) {
		const struct cli_option *row = &c->options[i];

		if (name ? strlen(row->name) == len && memcmp(row->name, name, len) == 0 : row->letter == letter)
			t = (struct target){ row, p->options };
	}
	for (size_t i = 0; i < cli_global_option_count && !t.row; i++) {
		const struct cli_option *row = &cli_global_options[i];

		if (name ? strlen(row->name) == len && memcmp(row->name, name, len) == 0 : row->letter == letter)
			t = (struct target){ row, (char *)&p->cli->globals };
	}
	return t;
}

/* An option that resembles none. A command's own are unknown until it is named. */
static void unlisted(const struct parse *p, const char *dashes, const char *word)
{
	const struct command *c = p->cli->command;

	if (c)
		cli_usage_error(p->cli, "unknown option '%s%s'; 'miresga %s --help' lists the options", dashes, word,
				c->name);
	else
		cli_usage_error(p->cli, "unknown option '%s%s' before the command; 'miresga --help' lists those",
				dashes, word);
}

static int unknown_long(const struct parse *p, const char *name, size_t len)
{
	const struct command *c = p->cli->command;
	struct nearest near;
	char word[64];

	snprintf(word, sizeof(word), "%.*s", (int)MIN(len, sizeof(word)), name);
	nearest_init(&near, word);
	for (size_t i = 0; c && i < c->option_count; i++)
		nearest_offer(&near, c->options[i].name);
	for (size_t i = 0; i < cli_global_option_count; i++)
		nearest_offer(&near, cli_global_options[i].name);
	if (near.best)
		cli_usage_error(p->cli, "unknown option '--%s'; did you mean '--%s'?", word, near.best);
	else
		unlisted(p, "--", word);
	return -1;
}

static int parse_long(struct parse *p, const char *arg)
{
	size_t len = strcspn(arg, "=");
	const char *value = arg[len] == '=' ? arg + len + 1 : NULL;
	struct target t = find(p, arg, len, 0);

	if (!t.row)
		return unknown_long(p, arg, len);
	if (t.row->kind == OPTION_FLAG && value) {
		cli_usage_error(p->cli, "option '--%s' takes no value", t.row->name);
		return -1;
	}
	if (t.row->kind != OPTION_FLAG && !value) {
		if (p->next == p->argc) {
			cli_usage_error(p->cli, "option '--%s' needs a value: --%s=%s", t.row->name, t.row->name,
					t.row->argument ? t.row->argument : t.row->choices);
			return -1;
		}
		value = p->argv[p->next++];
	}
	return store(p, &t, value);
}

static int parse_letters(struct parse *p, const char *arg)
{
	for (const char *letter = arg; *letter != '\0'; letter++) {
		struct target t = find(p, NULL, 0, *letter);
		const char *value = NULL;

		if (!t.row) {
			unlisted(p, "-", (const char[]){ *letter, '\0' });
			return -1;
		}
		if (t.row->kind == OPTION_FLAG) {
			if (store(p, &t, NULL))
				return -1;
			continue;
		}
		if (letter[1] != '\0') {
			value = letter + 1;
		} else if (p->next < p->argc) {
			value = p->argv[p->next++];
		} else {
			cli_usage_error(p->cli, "option '-%c' needs a value: -%c %s", *letter, *letter,
					t.row->argument ? t.row->argument : t.row->choices);
			return -1;
		}
		return store(p, &t, value);
	}
	return 0;
}

int cli_parse(struct cli *cli, void *options, int argc, char **argv)
{
	struct parse p = { .cli = cli, .options = options, .argc = argc, .argv = argv };
	bool options_end = false;
	unsigned operands = 0;

	while (p.next < argc) {
		char *arg = argv[p.next];
		int rc = 0;

		if (options_end || arg[0] != '-' || arg[1] == '\0') {
			if (!cli->command)
				return p.next;
			argv[operands++] = arg;
			p.next++;
			continue;
		}
		p.next++;
		if (arg[1] != '-')
			rc = parse_letters(&p, arg + 1);
		else if (arg[2] != '\0')
			rc = parse_long(&p, arg + 2);
		else
			options_end = true;
		if (rc)
			return -1;
	}
	cli->operands = argv;
	cli->operand_count = operands;
	return p.next;
}
