/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_script.c: `miresga script FILE.pkt|DIR…`: runs scenarios and reports as a test runner does.
 *
 * A folder stands for every *.pkt below it, in the order of their names. Each file is a test: what
 * went wrong is told as file:line, with what was expected and what came. Reports: lines for people,
 * TAP 13, JUnit XML, JSON. Times in them are virtual, so that equal runs give equal reports. */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "miresga/script.h"
#include "miresga/text.h"
#include "progress_display.h"

struct script_cli_options {
	bool tap, coverage;
	const char *junit;
	const char *pcapng;
};

static const struct cli_option options[] = {
	{ .name = "tap",
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct script_cli_options, tap),
	  .help = "results as TAP (Test Anything Protocol)" },
	{ .name = "coverage",
	  .kind = OPTION_FLAG,
	  .at = offsetof(struct script_cli_options, coverage),
	  .help = "also which steering rows and FSM cells no script has used; fails if one could be" },
	{ .name = "junit",
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct script_cli_options, junit),
	  .argument = "FILE",
	  .help = "results as JUnit XML into FILE ('-' is standard output)" },
	{ .name = "write",
	  .letter = 'w',
	  .kind = OPTION_TEXT,
	  .at = offsetof(struct script_cli_options, pcapng),
	  .argument = "FILE",
	  .help = "what every port saw, as pcapng; of one script alone" },
};

struct test {
	char *path;
	char *name; /* of reports: the path in UTF-8 */
	struct script_result result;
};

struct tests {
	struct test *list;
	size_t count, room;
	unsigned failed, broken;
};

static int add_file(struct tests *t, const char *path)
{
	if (t->count == t->room) {
		size_t room = t->room ? 2 * t->room : 64;
		struct test *grown = realloc(t->list, room * sizeof(*grown));

		if (!grown)
			return -1;
		t->list = grown;
		t->room = room;
	}
	t->list[t->count] = (struct test){ .path = strdup(path), .name = strdup(path) };
	if (t->list[t->count].name)
		text_make_utf8(t->list[t->count].name);
	t->count++;
	return t->list[t->count - 1].path && t->list[t->count - 1].name ? 0 : -1;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* Every *.pkt below a folder. Returns 0, or -1 with errno. */
static int add_folder(struct tests *t, const char *folder)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, NULL, by_name), rc = n < 0 ? -1 : 0;
	char path[4096];

	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;
		size_t len = strlen(name);

		snprintf(path, sizeof(path), "%s%s%s", folder, folder[strlen(folder) - 1] == '/' ? "" : "/", name);
		if (rc == 0 && name[0] != '.' && is_folder(path))
			rc = add_folder(t, path);
		else if (rc == 0 && len > 4 && strcmp(name + len - 4, ".pkt") == 0)
			rc = add_file(t, path);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return rc;
}

static int collect(const struct cli *cli, struct tests *t)
{
	if (cli->operand_count == 0)
		return cli_usage_error(cli, "no script given, as in\n  miresga script tests/scenarios");
	for (unsigned i = 0; i < cli->operand_count; i++) {
		const char *operand = cli->operands[i];
		size_t before = t->count;

		if (is_folder(operand) ? add_folder(t, operand) : add_file(t, operand))
			return cli_usage_error(cli, "%s: %s", operand, strerror(errno));
		if (t->count == before)
			return cli_usage_error(cli, "%s: there is no *.pkt in this folder", operand);
	}
	return EXIT_SUCCESS;
}

static const char *const verdicts[] = {
	[SCRIPT_PASSED] = "passed",
	[SCRIPT_FAILED] = "failed",
	[SCRIPT_BROKEN] = "error",
};

/* file:line:column: message */
static void print_place(FILE *out, const struct test *t)
{
	const struct script_result *r = &t->result;

	fputs(t->path, out);
	if (r->line)
		fprintf(out, ":%u", r->line);
	if (r->column)
		fprintf(out, ":%u", r->column);
	fprintf(out, ": %s%s\n", r->verdict == SCRIPT_BROKEN ? "error: " : "", r->message);
}

static void print_lines(const struct cli *cli, const struct tests *t)
{
	int width = 0;

	for (size_t i = 0; i < t->count; i++)
		width = MAX(width, (int)strlen(t->list[i].path));
	for (size_t i = 0; i < t->count; i++) {
		const struct script_result *r = &t->list[i].result;

		if (r->verdict != SCRIPT_PASSED) {
			print_place(stdout, &t->list[i]);
			if (!cli->globals.quiet)
				fputs(r->detail, stdout);
		} else if (cli->globals.verbose) {
			printf("%-6s  %-*s  %s\n", verdicts[r->verdict], width, t->list[i].path,
			       r->about ? r->about : "");
		}
	}
	if (!cli->globals.quiet)
		printf("%zu scenario%s: %zu passed, %u failed, %u with errors\n", t->count, t->count == 1 ? "" : "s",
		       t->count - t->failed - t->broken, t->failed, t->broken);
}

/* How much of what there is the scripts have used. */
struct coverage {
	unsigned rows, rows_used;
	unsigned cells, cells_used, cells_unreachable;
};

static void cover_rows(const struct tests *t, struct coverage *c, FILE *out)
{
	for (unsigned row = 0; row < switch_steering_rows; row++) {
		uint64_t used = 0;

		for (size_t i = 0; i < t->count; i++)
			used += t->list[i].result.steering[row];
		if (!used)
			fprintf(out, "%s  %s\n", c->rows == c->rows_used ? "Steering rows not used:\n" : "",
				switch_steering[row].name);
		c->rows++;
		c->rows_used += used > 0;
	}
}

static uint64_t cell_uses(const struct tests *t, unsigned state, unsigned event)
{
	uint64_t used = 0;

	for (size_t i = 0; i < t->count; i++)
		used += t->list[i].result.transitions[state][event];
	return used;
}

enum cell_kind {
	CELL_NOT_USED,
	CELL_UNREACHABLE,
	CELL_WRONG, /* used although listed as unreachable */
	CELL_USED,
};

static enum cell_kind cell_kind(const struct tests *t, unsigned state, unsigned event)
{
	bool used = cell_uses(t, state, event) > 0, listed = fsm_cell_unreachable(state, event) != NULL;

	return listed ? (used ? CELL_WRONG : CELL_UNREACHABLE) : (used ? CELL_USED : CELL_NOT_USED);
}

/* The cells of one kind, if any, with the reason where there is one. Returns their number. */
static unsigned list_cells(const struct tests *t, enum cell_kind kind, const char *title, FILE *out)
{
	unsigned count = 0;

	for (unsigned cell = 0; cell < FSM_STATE_COUNT * FSM_EVENT_COUNT; cell++) {
		unsigned state = cell / FSM_EVENT_COUNT, event = cell % FSM_EVENT_COUNT;
		const char *reason = fsm_cell_unreachable(state, event);

		if (!fsm_cell_exists(state, event) || cell_kind(t, state, event) != kind)
			continue;
		if (count++ == 0)
			fprintf(out, "%s:\n", title);
		fprintf(out, "  %-12s %-*s%s\n", fsm_state_name(state), reason ? 14 : 0, fsm_event_name(event),
			reason ? reason : "");
	}
	return count;
}

static void cover_cells(const struct tests *t, struct coverage *c, FILE *out)
{
	for (unsigned state = 0; state < FSM_STATE_COUNT; state++)
		for (unsigned event = 0; event < FSM_EVENT_COUNT; event++)
			c->cells += fsm_cell_exists(state, event);
	c->cells_used = c->cells - list_cells(t, CELL_NOT_USED, "FSM cells not used", out);
	c->cells_unreachable = list_cells(t, CELL_UNREACHABLE, "FSM cells that nothing reaches", out);
	c->cells_used -= c->cells_unreachable;
	c->cells_used -= list_cells(t, CELL_WRONG, "FSM cells said to be unreachable, but used", out);
}

/* What the scripts have left out, and why some of it must be. False if anything else is missing; a use
 * that the reason rules out does not count. */
static bool print_coverage(const struct tests *t, FILE *out)
{
	struct coverage c = { 0 };
	unsigned reachable, all, used;

	fputc('\n', out);
	cover_rows(t, &c, out);
	cover_cells(t, &c, out);
	reachable = c.cells - c.cells_unreachable;
	all = c.rows + reachable;
	used = c.rows_used + c.cells_used;
	fprintf(out, "Used: %u of %u steering rows, %u of %u FSM cells that can be reached (of %u)\n", c.rows_used,
		c.rows, c.cells_used, reachable, c.cells);
	fprintf(out, "%u %% of reachable cells\n", 100 * used / all); /* 100 only if none is missing */
	return used == all;
}

/* Every line of the text behind "# ". */
static void print_tap_comment(const char *text)
{
	while (*text) {
		int n = (int)strcspn(text, "\n");

		printf("# %.*s\n", n, text);
		text += n + (text[n] == '\n');
	}
}

static void print_tap(const struct tests *t)
{
	printf("TAP version 13\n1..%zu\n", t->count);
	for (size_t i = 0; i < t->count; i++) {
		const struct script_result *r = &t->list[i].result;

		printf("%sok %zu - %s\n", r->verdict == SCRIPT_PASSED ? "" : "not ", i + 1, t->list[i].path);
		if (r->verdict == SCRIPT_PASSED)
			continue;
		fputs("# ", stdout);
		print_place(stdout, &t->list[i]);
		print_tap_comment(r->detail);
	}
}

static void print_xml(FILE *out, const char *text)
{
	static const struct {
		char byte;
		const char *as;
	} escapes[] = { { '<', "&lt;" }, { '>', "&gt;" }, { '&', "&amp;" }, { '"', "&quot;" } };

	for (; *text; text++) {
		const char *as = NULL;

		for (size_t i = 0; i < ARRAY_LEN(escapes); i++)
			if (escapes[i].byte == *text)
				as = escapes[i].as;
		if (as)
			fputs(as, out);
		else if ((unsigned char)*text >= 32 || *text == '\n' || *text == '\t') /* XML 1.0 has no others */
			fputc(*text, out);
	}
}

static void print_case(FILE *out, const struct test *t)
{
	const char *element = t->result.verdict == SCRIPT_BROKEN ? "error" : "failure";

	fputs("    <testcase classname=\"miresga.script\" name=\"", out);
	print_xml(out, t->name);
	fprintf(out, "\" time=\"%.6f\"", (double)t->result.virtual_ns / 1e9);
	if (t->result.verdict == SCRIPT_PASSED) {
		fputs("/>\n", out);
		return;
	}
	fprintf(out, ">\n      <%s message=\"", element);
	print_xml(out, t->result.message);
	fputs("\">", out);
	print_xml(out, t->name);
	fprintf(out, ":%u", t->result.line);
	if (t->result.column)
		fprintf(out, ":%u", t->result.column);
	fputc('\n', out);
	print_xml(out, t->result.detail);
	fprintf(out, "</%s>\n    </testcase>\n", element);
}

static int write_junit(const struct cli *cli, const struct tests *t, const char *path)
{
	FILE *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
	bool failed;

	if (!out)
		return cli_failure(cli, "%s: %s", path, strerror(errno));
	fprintf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
		"  <testsuite name=\"miresga script\" tests=\"%zu\" failures=\"%u\" errors=\"%u\">\n",
		t->count, t->failed, t->broken);
	for (size_t i = 0; i < t->count; i++)
		print_case(out, &t->list[i]);
	fputs("  </testsuite>\n</testsuites>\n", out);
	if (out == stdout)
		return EXIT_SUCCESS;
	failed = ferror(out);
	if (fclose(out) != 0 || failed)
		return cli_failure(cli, "%s: %s", path, strerror(errno));
	return EXIT_SUCCESS;
}

static int print_json(const struct cli *cli, const struct tests *t)
{
	json_t *list = json_array(), *document;

	for (size_t i = 0; i < t->count; i++) {
		const struct script_result *r = &t->list[i].result;

		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:i, s:i, s:s, s:s, s:i, s:I, s:I}", "file",
						t->list[i].name, "verdict", verdicts[r->verdict], "line", (int)r->line,
						"column", (int)r->column, "message", r->message, "detail", r->detail,
						"expectations", (int)r->expectations, "packets", (json_int_t)r->packets,
						"virtual_ns", (json_int_t)r->virtual_ns));
	}
	document = json_pack("{s:s, s:i, s:i, s:i, s:o}", "schema", "miresga.script/1", "scenarios", (int)t->count,
			     "failed", (int)t->failed, "errors", (int)t->broken, "results", list);
	if (!document)
		return cli_failure(cli, "out of memory");
	json_dumpf(document, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(document);
	return EXIT_SUCCESS;
}

static bool is_stdout(const char *path)
{
	return path && strcmp(path, "-") == 0;
}

static int report(const struct cli *cli, const struct script_cli_options *o, const struct tests *t)
{
	bool to_stdout = is_stdout(o->junit) || is_stdout(o->pcapng);
	bool covered = true;
	int rc = EXIT_SUCCESS;

	if (cli->globals.json)
		rc = print_json(cli, t);
	else if (o->tap)
		print_tap(t);
	else if (!to_stdout)
		print_lines(cli, t);
	/* Where standard output is a document for a machine, what is for people goes beside it. */
	if (o->coverage)
		covered = print_coverage(t, to_stdout || o->tap || cli->globals.json ? stderr : stdout);
	if (o->junit && rc == EXIT_SUCCESS)
		rc = write_junit(cli, t, o->junit);
	if (rc != EXIT_SUCCESS)
		return rc;
	if (t->broken)
		return EXIT_USAGE;
	return t->failed || !covered ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run_all(const struct cli *cli, const struct script_cli_options *o, struct tests *t)
{
	const struct script_options run_options = { .pcapng = o->pcapng };
	struct progress_display display;

	if (o->pcapng && t->count > 1)
		return cli_usage_error(cli, "-w takes one script, not %zu", t->count);
	if (cli->globals.json + o->tap + is_stdout(o->junit) + is_stdout(o->pcapng) > 1)
		return cli_usage_error(cli, "only one of --json, --tap, --junit=- and -w - can go to standard output");
	progress_display_begin(&display, cli, "scenarios");
	for (size_t i = 0; i < t->count; i++) {
		progress_display_update(&display, i, t->count, i);
		script_run_file(t->list[i].path, &run_options, &t->list[i].result);
		t->failed += t->list[i].result.verdict == SCRIPT_FAILED;
		t->broken += t->list[i].result.verdict == SCRIPT_BROKEN;
	}
	progress_display_end(&display);
	for (size_t i = 0; i < t->count; i++) {
		if (!t->list[i].result.message || !t->list[i].result.detail)
			return cli_failure(cli, "out of memory");
		text_make_utf8(t->list[i].result.message);
		text_make_utf8(t->list[i].result.detail);
	}
	return report(cli, o, t);
}

static int run(const struct cli *cli, const void *opaque)
{
	struct tests t = { .list = NULL };
	int rc = collect(cli, &t);

	if (rc == EXIT_SUCCESS)
		rc = run_all(cli, opaque, &t);
	for (size_t i = 0; i < t.count; i++) {
		script_result_free(&t.list[i].result);
		free(t.list[i].path);
		free(t.list[i].name);
	}
	free(t.list);
	return rc;
}

const struct command cli_script = {
	.name = "script",
	.summary = "run scenarios: packets, expectations and checks in virtual time",
	.usage = "[OPTIONS] FILE.pkt|DIR...",
	.about = "Runs scripts in packetdrill's syntax, extended with the ports of the pipeline and its tables, each\n"
		 "over a switch, front-ends and agents of its own. A folder stands for every *.pkt below it.\n"
		 "docs/scripts.md describes the language. Exit status 0 if all passed, 1 if one failed, 2 if one\n"
		 "is no script.",
	.examples = "miresga script tests/scenarios\n"
		    "miresga script -w taps.pcapng tests/scenarios/figure2_workflow.pkt\n"
		    "miresga script --tap my-scenarios",
	.options = options,
	.option_count = ARRAY_LEN(options),
	.options_size = sizeof(struct script_cli_options),
	.run = run,
};
