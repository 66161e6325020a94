/* SPDX-License-Identifier: BSD-2-Clause */
/* test_completion.c: what makes miresga found: the manual pages say what every option and key is
 * for, and the shells complete command lines. The scripts are run by the shells themselves.
 *
 * MIRESGA_BINARY says where the program lies; the Makefile sets it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/config_keys.h"
#include "miresga/frontend.h"
#include "miresga/quirk.h"
#include "sim/script/script_internal.h"

Suite *completion_suite(void);

#define OUTPUT_MAX (1 << 18)

/* Standard output of a shell command in which $M is the program. */
static char *output_of(const char *command, int *status)
{
	const char *binary = getenv("MIRESGA_BINARY");
	char *text = calloc(1, OUTPUT_MAX);
	FILE *out;

	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(setenv("M", binary ? binary : "build/miresga", 1), 0);
	out = popen(command, "r");
	ck_assert_ptr_nonnull(out);
	fread(text, 1, OUTPUT_MAX - 1, out);
	*status = pclose(out);
	return text;
}

static char *output(const char *command)
{
	int status;
	char *text = output_of(command, &status);

	ck_assert_msg(status == 0, "%s: status %d: %s", command, status, text);
	return text;
}

static bool have(const char *program)
{
	char command[64];
	int status;

	snprintf(command, sizeof(command), "command -v %s", program);
	free(output_of(command, &status));
	return status == 0;
}

/* The text below a page's tag "\fBNAME\fR...": the line behind the one that holds it, after `from`. */
static void has_text(const char *page, const char *from, const char *tag)
{
	const char *at = from;
	bool described = false;

	while (at && !described && (at = strstr(at, tag)) != NULL) {
		const char *line = strchr(at, '\n');

		described = line && line[1] != '.' && line[1] != '\n' && line[1] != '\0';
		at = line;
	}
	ck_assert_msg(described, "%s does not describe '%s'", page, tag);
}

/* A word as roff_text() writes it. */
static void roff_word(const char *word, char *out, size_t size)
{
	size_t n = 0;

	for (; *word != '\0' && n + 3 < size; word++) {
		if (*word == '-')
			out[n++] = '\\';
		out[n++] = *word;
	}
	out[n] = '\0';
}

/* Every "--name" that begins an option's line in a help text is described in the part of the page that begins at
 * `from`. */
static void options_have_text(const char *help, const char *from)
{
	const char *end = strstr(from + 1, "\n.S");
	char *part = strndup(from, (size_t)(end - from));
	unsigned found = 0;

	ck_assert_ptr_nonnull(part);
	for (const char *line = help; line; line = strchr(line, '\n')) {
		const char *name = line += *line == '\n';
		char word[64], plain[64], tag[80];

		name += strspn(name, " ");
		if (name[0] == '-' && name[1] != '-')
			name += strlen("-x, ");
		if (strncmp(line, "  ", 2) != 0 || strncmp(name, "--", 2) != 0)
			continue;
		snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(name, " =\n"), name);
		roff_word(plain, word, sizeof(word));
		snprintf(tag, sizeof(tag), "\\fB%s\\fR", word);
		has_text("miresga.1", part, tag);
		found++;
	}
	ck_assert_uint_gt(found, 0);
	free(part);
}

/* The names below "Commands:". */
START_TEST(every_option_is_in_the_manual)
{
	char *page = output("$M man miresga.1"), *help = output("$M --help"), *line = strstr(help, "\nCommands:\n");
	unsigned commands = 0;

	options_have_text(strstr(help, "Global options"), strstr(page, "\n.SH \"OPTIONS\""));
	for (line = strchr(line + 1, '\n'); line && line[1] == ' '; line = strchr(line + 1, '\n'), commands++) {
		char name[32], call[64], section[64];
		const char *below;
		char *own;

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(line + 3, " "), line + 3);
		snprintf(call, sizeof(call), "$M %s --help", name);
		snprintf(section, sizeof(section), "\n.SS \"miresga %s\"", name);
		below = strstr(page, section);
		ck_assert_msg(below != NULL, "miresga.1 has no part on %s", name);
		own = output(call);
		ck_assert_msg(strstr(own, "\nExamples:\n  ") != NULL, "%s has no example", call);
		*strstr(own, "\nGlobal options:\n") = '\0';
		if (strstr(own, "\nOptions:\n"))
			options_have_text(strstr(own, "\nOptions:\n"), below);
		free(own);
	}
	ck_assert_uint_gt(commands, 4);
	free(help);
	free(page);
}
END_TEST

static void key_has_text(void *ctx, const char *path, const struct config_key *key)
{
	char tag[CONFIG_KEY_PATH_MAX + 16];

	ck_assert_msg(key->help && *key->help, "%s has no help", path);
	snprintf(tag, sizeof(tag), "\\fB%s\\fR\n", path);
	has_text("miresga.yaml.5", ctx, tag);
}

START_TEST(every_key_is_in_the_manual)
{
	char *page = output("$M man miresga.yaml.5");

	config_keys_walk(key_has_text, page);
	for (unsigned i = 0; i < QUIRK_COUNT; i++) {
		char tag[32];

		snprintf(tag, sizeof(tag), "\n\\fB%s\\fR\n", quirk_id((enum quirk)i));
		has_text("miresga.yaml.5", page, tag);
	}
	free(page);
}
END_TEST

/* Statements and options of a script; script_parse.c and script_parse_packet.c have the words. */
static const char *const script_words[] = { "config",
					    "set",
					    "quirk",
					    "client",
					    "let",
					    "ignore",
					    "bound",
					    "inject",
					    "flow",
					    "table",
					    "agent",
					    "counter",
					    "stall",
					    "control",
					    "leftovers",
					    "kill",
					    "pause",
					    "backend",
					    "fault",
					    "heal",
					    "any",
#define X(name, word, byte, values) word,
					    SCRIPT_TCP_OPTIONS(X)
#undef X
};

static bool in_a_tag(const char *page, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = strstr(page, word); at; at = strstr(at + 1, word)) {
		const char *line = at;

		while (line > page && line[-1] != '\n')
			line--;
		if (line[0] == '.' && !strchr("abcdefghijklmnopqrstuvwxyzSTF", at[len]) &&
		    strchr(" \"P", at[-1]) != NULL)
			return true;
	}
	return false;
}

START_TEST(every_statement_is_in_the_manual)
{
	char *page = output("$M man miresga-script.5");

	ck_assert_msg(in_a_tag(page, script_words[_i]), "miresga-script.5 does not tell '%s'", script_words[_i]);
	free(page);
}
END_TEST

static const char *const pages[] = { "$M man", "$M man miresga.yaml.5", "$M man miresga-agent.8",
				     "$M man miresga-script.5" };

/* Formatters have nothing to say about the pages. */
START_TEST(pages_are_clean)
{
	static const char *const checks[] = { "mandoc -T lint", "groff -man -Tutf8 -Kutf8 -ww -z" };

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		char command[128], program[16];
		int status;
		char *said;

		snprintf(program, sizeof(program), "%.*s", (int)strcspn(checks[i], " "), checks[i]);
		if (!have(program))
			continue;
		snprintf(command, sizeof(command), "%s | %s 2>&1", pages[_i], checks[i]);
		said = output_of(command, &status);
		ck_assert_msg(*said == '\0', "%s: %s", command, said);
		free(said);
	}
}
END_TEST

/* The example at the end of miresga-script(5) is a script that passes. */
START_TEST(example_of_scripts_passes)
{
	free(output("sed -n '/^.SH EXAMPLES/,/^.EE/p' docs/man/miresga-script.5 | sed '/^\\./d' | "
		    "sed 's/\\\\-/-/g; s/\\\\(dq/\"/g; s/\\\\e/\\\\/g' | $M script -"));
}
END_TEST

struct completion {
	const char *words;   /* as bash splits them; the last is the one to complete, "''" empty */
	const char *replies; /* of bash, with blanks between */
};

static const struct completion completions[] = {
	{ "re", "replay" },
	{ "-j re", "replay" },
	{ "--color = a", "auto always" },
	{ "--color = ''", "auto always never" },
	{ "replay --col", "--color=" },
	{ "replay --quirk = F", "F5 F8 F10" },
	{ "replay --quirk = F5,P", "F5,P2 F5,P3" },
	{ "replay --speed t", "topspeed trace" },
	{ "replay --vip ''", "" },
	{ "replay --qui", "--quiet --quirk=" },
	{ "check -f configs/m", "configs/minimal.yaml" },
	{ "check -f conf", "configs" },
	{ "check --config = configs/p", "configs/paper.yaml" },
	{ "script tests/scenarios/figure", "tests/scenarios/figure2_workflow.pkt" },
	{ "replay --streams = tes", "tests" },
	/* a suffix that no file here has: all of them */
	{ "replay LIC", "LICENSE" },
	{ "capacity --what-if sta", "stages=" },
	{ "capacity --what-if backend_agent = ''", "true false" },
	{ "explain --why", "--why-not-offloaded=" },
	{ "completion ''", "bash zsh" },
	{ "bench ag", "agent" },
	{ "bench --tr", "--trace=" },
	{ "man miresga.y", "miresga.yaml.5" },
	{ "quux", "" },
};

START_TEST(bash_completes)
{
	char command[1024];
	char *said;

	if (!have("bash"))
		return;
	snprintf(command, sizeof(command),
		 "bash --norc -c 'eval \"$(\"$M\" completion bash)\"; COMP_WORDS=(miresga \"$@\"); COMP_CWORD=$#; "
		 "_miresga; "
		 "echo \"${COMPREPLY[*]}\"' bash %s 2>&1",
		 completions[_i].words);
	said = output(command);
	said[strcspn(said, "\n")] = '\0';
	ck_assert_msg(strcmp(said, completions[_i].replies) == 0, "miresga %s: <%s>, expected <%s>",
		      completions[_i].words, said, completions[_i].replies);
	free(said);
}
END_TEST

/* In a terminal of its own, since zsh completes nowhere else: the list that the tabulator shows. */
static const struct {
	const char *line;
	const char *shown[3];
} menus[] = {
	{ "miresga ", { "replay      --", "capacity    --", "print a script" } },
	{ "miresga replay --", { "--quirk", "--color", "--write" } },
	{ "miresga replay --speed=", { "topspeed", "trace", "trace" } },
	{ "miresga replay --quirk=F", { "F10", "F5", "F8" } },
	{ "miresga check -f configs/", { "minimal.yaml", "paper.yaml", "as-published.yaml" } },
	{ "miresga capacity --what-if b", { "blocks", "backend_agent", "blocks" } },
};

START_TEST(zsh_completes)
{
	char command[128];
	char *said;

	if (!have("zsh"))
		return;
	snprintf(command, sizeof(command), "timeout 60 zsh -f tests/cli/complete.zsh '%s' 2>&1", menus[_i].line);
	said = output(command);
	for (size_t i = 0; i < ARRAY_LEN(menus[_i].shown); i++)
		ck_assert_msg(strstr(said, menus[_i].shown[i]) != NULL, "'%s' shows no '%s': %s", menus[_i].line,
			      menus[_i].shown[i], said);
	free(said);
}
END_TEST

Suite *completion_suite(void)
{
	Suite *s = suite_create("completion");
	TCase *tc = tcase_create("found");

	tcase_add_test(tc, every_option_is_in_the_manual);
	tcase_add_test(tc, every_key_is_in_the_manual);
	tcase_add_loop_test(tc, every_statement_is_in_the_manual, 0, (int)ARRAY_LEN(script_words));
	tcase_add_loop_test(tc, pages_are_clean, 0, (int)ARRAY_LEN(pages));
	tcase_add_test(tc, example_of_scripts_passes);
	tcase_add_loop_test(tc, bash_completes, 0, (int)ARRAY_LEN(completions));
	tcase_add_loop_test(tc, zsh_completes, 0, (int)ARRAY_LEN(menus));
	suite_add_tcase(s, tc);
	return s;
}
