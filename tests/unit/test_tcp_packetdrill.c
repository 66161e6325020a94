/* SPDX-License-Identifier: BSD-2-Clause */
/* test_tcp_packetdrill.c: the TCP endpoints against the scripts by which kernels are tested.
 *
 * $MIRESGA_SHARED/vectors/packetdrill holds packetdrill's, Linux's and gVisor's scripts as event lists. Every list is
 * played, but for those that need what tcp.h does not offer (`beyond`, below). Where an endpoint differs from a script
 * on purpose, packetdrill_policy.tsv has a row: script, event at which it differs, reason. A difference without a row
 * fails, and so does a row without its difference. Each script is played with initial sequence numbers of the script's
 * side far from and just below 2^32.
 *
 * Without the vectors these tests say so and pass. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/base.h"
#include "packetdrill_play.h"

Suite *tcp_packetdrill_suite(void);

#define SCRIPTS_MAX 256
#define PAGE "docs/tcp.md"
#define POLICY_FILE "tests/unit/packetdrill_policy.tsv"
#define LINE_MAX_LEN 1024
#define NOT_DIFFERENT UINT32_MAX

static const struct play_options variants[] = {
	{ .remote_isn = 1000000, .seed = 1 },
	{ .remote_isn = UINT32_C(0xfffffff0), .seed = 2 }, /* wraps in the first segment */
	{ .remote_isn = UINT32_C(0xffffec78), .seed = 3 }, /* after 5000 bytes */
};

/* Scripts that need what an endpoint of tcp.h has not: the text is searched in their options and arguments. */
enum beyond_where {
	BEYOND_OPTIONS,
	BEYOND_ARGS,
	BEYOND_SOURCE,
};

static const struct beyond {
	enum beyond_where where;
	const char *text, *reason;
} beyond[] = {
	{ BEYOND_OPTIONS, "FO", "needs TCP Fast Open (RFC 7413)" },
	{ BEYOND_ARGS, "MSG_EOR", "needs MSG_EOR: records within the stream are the kernel's own" },
	{ BEYOND_ARGS, "TCP_DEFER_ACCEPT", "needs TCP_DEFER_ACCEPT: a kernel's own" },
	{ BEYOND_SOURCE, "mtu_probe", "needs path MTU probing (RFC 4821)" },
	{ BEYOND_SOURCE, "sanity_test", "has no segment" },
};

/* What CLASSIFICATION.tsv says of scripts (first letters), and whether their event lists must be there. */
static const struct tier {
	const char *text;
	bool listed;
	const char *reason;
} tiers[] = {
	{ "A:", true, "" },
	{ "B:", true, "" },
	{ "C:", false, "socket options, tcp_info, cwnd and other insides of the kernel" },
	{ "no (client side", false, "active open" },
	{ "no (kernel feature", false, "PSP, MD5, ICMP to a Fast Open listener" },
};

/* ---- files --------------------------------------------------------------------------------------- */

static void shared_path(char *out, size_t size, const char *name)
{
	const char *dir = getenv("MIRESGA_SHARED");

	snprintf(out, size, "%s/vectors/packetdrill/%s", dir ? dir : "../shared", name);
}

static int is_json(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && strcmp(dot, ".json") == 0;
}

/* The file's name of script `index` in alphabetical order; returns how many there are. */
static unsigned scripts_count(unsigned index, char path[1024])
{
	struct dirent **entries;
	char dir[800];
	int n;

	shared_path(dir, sizeof(dir), "json");
	n = scandir(dir, &entries, is_json, alphasort);
	for (int i = 0; i < n; i++) {
		if (path && (unsigned)i == index)
			snprintf(path, 1024, "%s/%s", dir, entries[i]->d_name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return n > 0 ? (unsigned)n : 0;
}

/* By their name in the policy. */
static const char *const leaves[] = {
	[PLAY_LEAVE_NONE] = "stop",	  [PLAY_LEAVE_TIME] = "time",	    [PLAY_LEAVE_EXTRA] = "extra",
	[PLAY_LEAVE_MISSING] = "missing", [PLAY_LEAVE_OPTIONS] = "options",
};

struct policy {
	char script[SCRIPT_NAME_MAX];
	unsigned event;
	enum play_leave leave;
	char reason[LINE_MAX_LEN];
};

/* Row `index` of the policy; false after the last. */
static bool policy_row(unsigned index, struct policy *row)
{
	char line[LINE_MAX_LEN], how[16];
	FILE *f = fopen(POLICY_FILE, "r");
	unsigned at = 0;
	bool found = false;

	ck_assert_msg(f != NULL, "%s cannot be read", POLICY_FILE);
	while (!found && fgets(line, sizeof(line), f)) {
		if (line[0] == '#' || at++ != index)
			continue;
		ck_assert_msg(sscanf(line, "%127[^\t]\t%u\t%15[^\t]\t%1023[^\n]", row->script, &row->event, how,
				     row->reason) == 4,
			      "%s: not SCRIPT EVENT HOW REASON: %s", POLICY_FILE, line);
		row->leave = PLAY_LEAVE_NONE;
		while (row->leave < ARRAY_LEN(leaves) && strcmp(leaves[row->leave], how) != 0)
			row->leave++;
		ck_assert_msg(row->leave < ARRAY_LEN(leaves), "%s: '%s'", POLICY_FILE, how);
		found = true;
	}
	fclose(f);
	return found;
}

static bool policy_of(const char *script, struct policy *row)
{
	for (unsigned i = 0; policy_row(i, row); i++)
		if (strcmp(row->script, script) == 0)
			return true;
	return false;
}

/* ---- one script ---------------------------------------------------------------------------------- */

static bool is_beyond(const struct beyond *b, const struct drill *s)
{
	if (b->where == BEYOND_SOURCE)
		return strstr(s->source, b->text) != NULL;
	for (unsigned i = 0; i < s->count; i++) {
		const struct drill_event *e = &s->event[i];
		const char *text = e->kind == SCRIPT_CALL ? e->call.args : e->segment.options;

		if ((e->kind == SCRIPT_CALL) == (b->where == BEYOND_ARGS) && strstr(text, b->text))
			return true;
	}
	return false;
}

/* NULL: it can be played. */
static const struct beyond *drill_beyond(const struct drill *s)
{
	for (size_t i = 0; i < ARRAY_LEN(beyond); i++)
		if (is_beyond(&beyond[i], s))
			return &beyond[i];
	return NULL;
}

static void load(struct drill *s, unsigned index)
{
	char path[1024], why[256];

	scripts_count(index, path);
	ck_assert_msg(drill_load(s, path, why), "%s", why);
}

static void plays_as_written(const struct drill *s, const struct play_options *o)
{
	struct play_result result;

	drill_play(s, o, &result);
	ck_assert_msg(result.as_written, "%s: event %u: %s (first number %u)", s->name, result.event, result.why,
		      o->remote_isn);
}

/* It differs at the policy's event, and at no other. */
static void plays_as_known(const struct drill *s, struct play_options o, const struct policy *policy)
{
	struct play_result result;

	drill_play(s, &o, &result);
	ck_assert_msg(!result.as_written, "%s goes as written, but %s knows a difference: %s", s->name, POLICY_FILE,
		      policy->reason);
	ck_assert_msg(result.event == policy->event,
		      "%s: a difference is known at event %u, but here is one at event %u: %s", s->name, policy->event,
		      result.event, result.why);
	o.leave = policy->leave;
	o.leave_event = policy->event;
	if (o.leave != PLAY_LEAVE_NONE)
		plays_as_written(s, &o);
}

START_TEST(test_script)
{
	static struct drill s;
	struct policy policy;

	load(&s, (unsigned)_i);
	for (size_t v = 0; v < ARRAY_LEN(variants) && !drill_beyond(&s); v++) {
		if (policy_of(s.name, &policy))
			plays_as_known(&s, variants[v], &policy);
		else
			plays_as_written(&s, &variants[v]);
	}
	drill_free(&s);
}
END_TEST

/* ---- the account --------------------------------------------------------------------------------- */

struct account {
	unsigned lists, as_written, known, beyond[ARRAY_LEN(beyond)];
	unsigned tier[ARRAY_LEN(tiers)], tier_listed[ARRAY_LEN(tiers)];
};

static void account_lists(struct account *a)
{
	static struct drill s;
	struct play_result result;
	const struct beyond *b;

	a->lists = scripts_count(0, NULL);
	for (unsigned i = 0; i < a->lists; i++) {
		load(&s, i);
		b = drill_beyond(&s);
		if (b)
			a->beyond[b - beyond]++;
		else
			drill_play(&s, &variants[0], &result);
		a->as_written += !b && result.as_written;
		a->known += !b && !result.as_written;
		drill_free(&s);
	}
}

/* True if there is an event list that was made from the script at `path`. */
static bool is_listed(const char *path)
{
	static struct drill s;
	bool found = false;

	for (unsigned i = 0; i < scripts_count(0, NULL) && !found; i++) {
		load(&s, i);
		found = strchr(s.source, ':') && strcmp(strchr(s.source, ':') + 1, path) == 0;
		drill_free(&s);
	}
	return found;
}

static void account_classification(struct account *a)
{
	char path[1024], line[LINE_MAX_LEN], script[512], tier[128];
	FILE *f;

	shared_path(path, sizeof(path), "CLASSIFICATION.tsv");
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s cannot be read", path);
	while (fgets(line, sizeof(line), f)) {
		size_t t = 0;

		if (line[0] == '#' || sscanf(line, "%511[^\t]\t%127[^\t]", script, tier) != 2 ||
		    strcmp(script, "script") == 0)
			continue;
		while (t < ARRAY_LEN(tiers) && strncmp(tier, tiers[t].text, strlen(tiers[t].text)) != 0)
			t++;
		ck_assert_msg(t < ARRAY_LEN(tiers), "%s: a class that is not known: %s", script, tier);
		a->tier[t]++;
		a->tier_listed[t] += is_listed(script);
	}
	fclose(f);
}

/* The page says the same. */
static void page_says(unsigned count, const char *text)
{
	char row[256], line[LINE_MAX_LEN];
	FILE *f = fopen(PAGE, "r");
	bool found = false;

	ck_assert_msg(f != NULL, "%s cannot be read", PAGE);
	snprintf(row, sizeof(row), "| %u | %s", count, text);
	while (!found && fgets(line, sizeof(line), f))
		found = strncmp(line, row, strlen(row)) == 0;
	fclose(f);
	ck_assert_msg(found, "%s lacks the row '%s'", PAGE, row);
}

START_TEST(test_account)
{
	struct account a = { .lists = 0 };
	struct policy policy;
	unsigned rows = 0, sum;

	if (scripts_count(0, NULL) == 0) {
		shared_path(policy.reason, sizeof(policy.reason), "json");
		printf("skipped: no packetdrill scripts in %s (set MIRESGA_SHARED)\n", policy.reason);
		return;
	}
	account_lists(&a);
	account_classification(&a);
	while (policy_row(rows, &policy))
		rows++;
	printf("packetdrill: %u event lists: %u go as written, %u differ as %s says", a.lists, a.as_written, a.known,
	       POLICY_FILE);
	page_says(a.as_written, "go as written |");
	page_says(a.known, "differ at one event");
	sum = a.as_written + a.known;
	for (size_t i = 0; i < ARRAY_LEN(beyond); i++) {
		printf("; not played: %u: %s", a.beyond[i], beyond[i].reason);
		page_says(a.beyond[i], beyond[i].reason);
		sum += a.beyond[i];
	}
	printf("\npacketdrill: scripts without an event list:");
	for (size_t t = 0; t < ARRAY_LEN(tiers); t++) {
		if (tiers[t].listed) {
			ck_assert_msg(a.tier_listed[t] == a.tier[t], "class %s: %u of %u scripts have a list",
				      tiers[t].text, a.tier_listed[t], a.tier[t]);
			continue;
		}
		printf(" %u: %s;", a.tier[t] - a.tier_listed[t], tiers[t].reason);
		page_says(a.tier[t] - a.tier_listed[t], tiers[t].reason);
	}
	printf("\n");
	ck_assert_uint_eq(sum, a.lists);
	ck_assert_uint_eq(rows, a.known);
}
END_TEST

Suite *tcp_packetdrill_suite(void)
{
	Suite *s = suite_create("tcp_packetdrill");
	TCase *tc = tcase_create("scripts");

	tcase_add_test(tc, test_account);
	tcase_add_loop_test(tc, test_script, 0, (int)scripts_count(0, NULL));
	suite_add_tcase(s, tc);
	return s;
}
