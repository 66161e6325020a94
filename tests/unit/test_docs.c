/* SPDX-License-Identifier: BSD-2-Clause */
/* test_docs.c: what the pages say is what the program has: every quirk, reason, stage, JSON key and
 * `make` target that a page lists, and no file that a page names and that is not there. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "miresga/quirk.h"
#include "miresga/report.h"
#include "miresga/sim.h"

Suite *docs_suite(void);

#define PAGE_MAX (1 << 20)

static char *page(const char *path)
{
	char *text = calloc(1, PAGE_MAX);
	FILE *f = fopen(path, "r");

	ck_assert_ptr_nonnull(text);
	ck_assert_msg(f != NULL, "%s is missing", path);
	ck_assert_uint_gt(fread(text, 1, PAGE_MAX - 1, f), 0);
	fclose(f);
	return text;
}

/* A row that begins with these cells, "| one | two |". */
struct entry {
	const char *page;
	const char *cells[3]; /* NULL: no more */
};

static const struct entry entries[] = {
#define X(id, text) { "docs/quirks.md", { #id, text } },
	QUIRKS(X)
#undef X
#define X(name, gress, text) { "docs/architecture.md", { #name, #gress } },
		SWITCH_STAGES(X)
#undef X
#define X(name, key, text) { "docs/replay.md", { "`" key "`", text } },
			OUTCOMES(X) SKIP_REASONS(X) REFUSALS(X)
#undef X
#define X(name, room, key, text) { "docs/replay.md", { "`" key "`", room, text } },
				DROP_REASONS(X)
#undef X
#define X(name, key, text) { "docs/simulation.md", { "`" key "`", text } },
					SIM_FAULTS(X) SIM_OUTCOMES(X) SIM_VIOLATIONS(X)
#undef X
};

START_TEST(every_entry_is_listed)
{
	const struct entry *e = &entries[_i];
	char row[512] = "\n|", *text;

	if (strcmp(e->cells[0], "`none`") == 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(e->cells) && e->cells[i]; i++)
		snprintf(row + strlen(row), sizeof(row) - strlen(row), " %s |", e->cells[i]);
	text = page(e->page);
	ck_assert_msg(strstr(text, row) != NULL, "%s lacks the row '%s'", e->page, row + 1);
	free(text);
}
END_TEST

/* What stands between `before` and `after`, below `folder`, names a file. */
static const struct {
	const char *page, *folder, *before, *after;
} references[] = {
	{ "README.md", "", "](", ")" },
	{ "README.md", "configs/", "-f configs/", " " },
	{ "docs/architecture.md", "docs/", "](", ")" },
	{ "docs/architecture.md", "src/", "`src/", "`" },
	{ "docs/replay.md", "docs/", "](", ")" },
	{ "docs/debugging.md", "docs/", "](", ")" },
	{ "docs/quirks.md", "configs/", "`configs/", "`" },
	{ "docs/simulation.md", "docs/", "](", ")" },
	{ "docs/simulation.md", "configs/", "`configs/", "`" },
};

START_TEST(every_file_is_there)
{
	const char *before = references[_i].before, *after = references[_i].after;
	char *text = page(references[_i].page);
	unsigned found = 0;

	for (const char *at = strstr(text, before); at; at = strstr(at, before)) {
		const char *name = at + strlen(before);
		char path[256];

		snprintf(path, sizeof(path), "%s%.*s", references[_i].folder, (int)(strstr(name, after) - name), name);
		ck_assert_msg(access(path, F_OK) == 0, "%s names '%s', which is not there", references[_i].page, path);
		found++;
		at = name;
	}
	ck_assert_uint_gt(found, 0);
	free(text);
}
END_TEST

/* Their keys are the reasons and kinds that the X-macros list. */
static const char *const by_reason[] = { "skipped", "skipped_packets", "frames", "drops", "refused", "refused_by" };

static bool is_by_reason(const char *key, const json_t *value)
{
	bool named = false;

	for (size_t i = 0; i < ARRAY_LEN(by_reason); i++)
		named |= strcmp(key, by_reason[i]) == 0;
	return named && json_is_object(value);
}

/* Every key below `prefix` stands in the page in backquotes, lists as their first element. */
static void keys_are_listed(const char *text, const char *prefix, json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		bool list = json_is_array(value);
		json_t *below = list ? json_array_get(value, 0) : value;
		char path[128], cell[132];

		snprintf(path, sizeof(path), "%s%s%s%s", prefix, *prefix ? "." : "", key, list ? "[]" : "");
		snprintf(cell, sizeof(cell), "`%s`", path);
		if (json_is_object(below) && !is_by_reason(key, value))
			keys_are_listed(text, path, below);
		else
			ck_assert_msg(strstr(text, cell) != NULL, "docs/replay.md does not list %s", cell);
	}
}

START_TEST(every_json_key_is_listed)
{
	struct config *config = calloc(1, sizeof(*config));
	struct frontend_stats *frontend = calloc(1, sizeof(*frontend));
	struct agent_stats agent = { 0 };
	uint64_t requests = 0, flows = 0;
	struct replay_result result = { .frontend_count = 1,
					.backend_count = 1,
					.frontends = frontend,
					.backends = &agent,
					.backend_requests = &requests,
					.backend_flows = &flows };
	struct replay_report report = { .config = config, .trace = "some.pcap", .result = &result };
	char *document = NULL, *text = page("docs/replay.md");
	size_t len;
	FILE *out = open_memstream(&document, &len);
	json_t *root;

	ck_assert(config && frontend && out);
	ck_assert_int_eq(report_replay_json(out, &report), 0);
	fclose(out);
	root = json_loads(document, 0, NULL);
	ck_assert_ptr_nonnull(root);
	keys_are_listed(text, "", root);
	json_decref(root);
	free(document);
	free(text);
	free(frontend);
	free(config);
}
END_TEST

Suite *docs_suite(void)
{
	Suite *s = suite_create("docs");
	TCase *tc = tcase_create("pages");

	tcase_add_loop_test(tc, every_entry_is_listed, 0, (int)ARRAY_LEN(entries));
	tcase_add_loop_test(tc, every_file_is_there, 0, (int)ARRAY_LEN(references));
	tcase_add_test(tc, every_json_key_is_listed);
	suite_add_tcase(s, tc);
	return s;
}
