/* SPDX-License-Identifier: BSD-2-Clause */
/* test_own_traces.c: whole captures through the whole pipeline; what is delivered is compared, by
 * digest over --streams, with what another program found in the capture.
 *
 * tests/traces/ holds the project's own captures and their digests; the Makefile unpacks them
 * into $MIRESGA_TRACES. Captures of others lie outside the tree; where they are absent those
 * tests say so and pass. The few flows that policy refuses are listed in tests/traces/policy.tsv;
 * none of them may be delivered, no other may be refused. */
#include <check.h>
#include <dirent.h>
#include <sys/stat.h>

#include "capture.h"
#include "miresga/config.h"
#include "miresga/replay.h"
#include "sha256.h"

Suite *own_traces_suite(void);

#define LINE_MAX_LEN 4096
#define COLUMNS_MAX 40

/* How others' captures are replayed: packets; conversations; conversations on a rough network, by different seeds. Less
 * of everything where it takes long. */
#ifdef __SANITIZE_ADDRESS__
#define SHARED_WAYS 3
#define SETTING_STEP 5	/* of the settings, every so many-th */
#define SESSION_STEP 16 /* of hostile captures */
#else
#define SHARED_WAYS 5
#define SETTING_STEP 1
#define SESSION_STEP 1
#endif

/* A table whose first line names its columns. */
struct table {
	FILE *file;
	char header[LINE_MAX_LEN], line[LINE_MAX_LEN];
	char *names[COLUMNS_MAX], *values[COLUMNS_MAX];
	unsigned columns;
};

static unsigned split(char *line, char *parts[COLUMNS_MAX])
{
	unsigned n = 0;

	line[strcspn(line, "\r\n")] = '\0';
	for (char *at = line; at && n < COLUMNS_MAX; n++) {
		parts[n] = at;
		at = strchr(at, '\t');
		if (at)
			*at++ = '\0';
	}
	return n;
}

static bool table_open(struct table *t, const char *path)
{
	t->file = fopen(path, "r");
	if (!t->file)
		return false;
	ck_assert_ptr_nonnull(fgets(t->header, sizeof(t->header), t->file));
	t->columns = split(t->header, t->names);
	return true;
}

static bool table_next(struct table *t)
{
	if (!fgets(t->line, sizeof(t->line), t->file)) {
		fclose(t->file);
		return false;
	}
	return split(t->line, t->values) == t->columns;
}

static const char *table_get(const struct table *t, const char *name)
{
	for (unsigned i = 0; i < t->columns; i++)
		if (!strcmp(t->names[i], name))
			return t->values[i];
	ck_abort_msg("no column %s", name);
	return NULL;
}

static void report_error(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	(void)ctx;
	printf("%s:%u:%u: %s\n", file, line, column, message);
}

static struct config *load_config(const char *file)
{
	struct config *c = malloc(sizeof(*c));

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(config_load(c, file, report_error, NULL), 0);
	return c;
}

/* How captures are replayed. */
struct way {
	const struct config *config;
	enum replay_mode mode;
};

/* On each link, in each direction: 2 % lost, 5 % reordered. */
static void make_rough(struct config *c)
{
	struct config_simulation *s = &c->simulation;
	struct config_link *const links[] = { &s->client_link, &s->frontend_link, &s->backend_link };

	for (unsigned i = 0; i < 3; i++) {
		links[i]->rate = i == 0 ? 100000000 : 10000000000;
		links[i]->delay_ns = i == 0 ? 10 * NS_PER_MS : 20 * NS_PER_US;
		links[i]->loss = CHANCE_ALWAYS / 50;
		links[i]->reorder = CHANCE_ALWAYS / 20;
		links[i]->reorder_ns = links[i]->delay_ns / 2;
	}
}

/* One capture, replayed into a temporary directory. */
struct replayed {
	char dir[32], flows[48];
	struct replay_result result;
};

static void replayed_make(struct replayed *r, const struct way *way, const char *path, const char *vip)
{
	struct endpoint server = { 0 };
	struct replay_options o = { .mode = way->mode, .trace = path, .vip = vip ? &server : NULL };
	char error[TRACE_ERROR_MAX] = "";

	strncpy(r->dir, "/tmp/miresga-test.XXXXXX", sizeof(r->dir));
	ck_assert_ptr_nonnull(mkdtemp(r->dir));
	snprintf(r->flows, sizeof(r->flows), "%s/flows", r->dir);
	o.streams_dir = r->dir;
	o.flows_file = r->flows;
	if (vip)
		ck_assert_int_eq(endpoint_parse(vip, &server), 0);
	ck_assert_msg(replay_run(way->config, &o, &r->result, error) == 0, "%s", error);
}

static void replayed_free(struct replayed *r)
{
	DIR *d = opendir(r->dir);
	char path[320];

	ck_assert_ptr_nonnull(d);
	for (struct dirent *e; (e = readdir(d));) {
		snprintf(path, sizeof(path), "%s/%s", r->dir, e->d_name);
		unlink(path);
	}
	closedir(d);
	ck_assert_int_eq(rmdir(r->dir), 0);
	replay_result_free(&r->result);
}

static bool digest_is(const struct replayed *r, const char *flow, const char *suffix, const char *want)
{
	char path[128], hex[65];

	snprintf(path, sizeof(path), "%s/%s.%s", r->dir, flow, suffix);
	/* Some tables keep the first half of the digest. */
	return strlen(want) >= 32 && sha256_file(path, hex) && !strncmp(hex, want, strlen(want));
}

/* Is the flow in policy.tsv? */
static bool is_policy(const char *capture, const char *client, const char *k)
{
	struct table t;
	bool found = false;

	ck_assert(table_open(&t, "tests/traces/policy.tsv"));
	while (table_next(&t))
		found |= !strcmp(table_get(&t, "capture"), capture) && !strcmp(table_get(&t, "client"), client) &&
			 !strcmp(table_get(&t, "k"), k);
	return found;
}

static bool was_refused(const struct replayed *r, const char *client, const char *k)
{
	struct table t;
	bool refused = false;

	ck_assert(table_open(&t, r->flows));
	while (table_next(&t))
		if (!strcmp(table_get(&t, "client"), client) && !strcmp(table_get(&t, "k"), k))
			refused = !strcmp(table_get(&t, "outcome"), outcome_key(OUTCOME_REFUSED));
	return refused;
}

static void check_flow(const struct replayed *r, const char *capture, const char *client, const char *k,
		       const char *const digests[2])
{
	char flow[64];
	bool policy = is_policy(capture, client, k);

	snprintf(flow, sizeof(flow), "%s-%s", client, k);
	ck_assert_msg(was_refused(r, client, k) == policy, "%s: %s is %srefused", capture, flow, policy ? "not " : "");
	if (policy)
		return;
	ck_assert_msg(digest_is(r, flow, "c2s", digests[0]), "%s: %s: the server got something else", capture, flow);
	ck_assert_msg(digest_is(r, flow, "s2c", digests[1]), "%s: %s: the client got something else", capture, flow);
}

/* --- our own -------------------------------------------------------------------------------- */

static const char *traces_dir(void)
{
	const char *dir = getenv("MIRESGA_TRACES");

	return dir ? dir : "build/traces";
}

static unsigned number_at(const struct table *t, const char *name)
{
	return (unsigned)strtoul(table_get(t, name), NULL, 10);
}

/* One row of the manifest. */
static void own_capture(const struct way *way, const struct table *row)
{
	const char *file = table_get(row, "file");
	char path[256], name[64], flows[128];
	struct replayed r;
	struct table t;
	unsigned seen = 0;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(file, "."), file);
	snprintf(path, sizeof(path), "%s/%s.pcap", traces_dir(), name);
	snprintf(flows, sizeof(flows), "tests/traces/flows/%s.tsv", name);
	replayed_make(&r, way, path, table_get(row, "vip"));
	ck_assert_msg(!replay_failed(&r.result), "%s with %s: %s", name, way->config->file,
		      r.result.finding_count ? r.result.findings[0].text : "checksums, leaks or outputs");
	ck_assert_uint_eq(r.result.flows, number_at(row, "flows"));
	ck_assert(table_open(&t, flows));
	while (table_next(&t)) {
		const char *digests[2];

		if (strcmp(table_get(&t, "exact"), "1") != 0)
			continue;
		digests[0] = table_get(&t, "c2s_sha256");
		digests[1] = table_get(&t, "s2c_sha256");
		check_flow(&r, name, table_get(&t, "client"), table_get(&t, "k"), digests);
		seen++;
	}
	ck_assert_uint_eq(seen, number_at(row, "exact_flows"));
	replayed_free(&r);
}

/* Captures in tests/traces, compressed or not. */
static unsigned own_captures(void)
{
	DIR *d = opendir("tests/traces");
	unsigned n = 0;

	ck_assert_ptr_nonnull(d);
	for (struct dirent *e; (e = readdir(d));)
		n += strstr(e->d_name, ".pcap") != NULL;
	closedir(d);
	return n;
}

/* How the project's own captures are replayed. */
static const struct setting {
	const char *config;
	bool timestamps, always;
	uint16_t batch;
	enum replay_mode mode;
	bool rough;
} settings[] = {
	{ "configs/minimal.yaml", false, false, 0, REPLAY_PACKETS, false },
	{ "configs/paper.yaml", false, false, 0, REPLAY_PACKETS, false },
	{ "configs/paper.yaml", true, false, 1, REPLAY_PACKETS, false },
	{ "configs/minimal.yaml", true, true, 256, REPLAY_PACKETS, false },
	{ "configs/minimal.yaml", false, false, 0, REPLAY_SESSIONS, false },
	{ "configs/minimal.yaml", false, false, 0, REPLAY_SESSIONS, true },
	{ "configs/paper.yaml", true, false, 1, REPLAY_SESSIONS, true },
};

START_TEST(test_own)
{
	const struct setting *setting = &settings[_i * SETTING_STEP];
	struct config *c = load_config(setting->config);
	const struct way way = { c, setting->mode };
	struct table t;
	unsigned captures = 0;

	c->sw.timestamps = setting->timestamps;
	if (setting->batch)
		c->sw.batch = setting->batch;
	for (unsigned i = 0; setting->always && i < c->rule_count; i++)
		c->rules[i].offload = OFFLOAD_ALWAYS;
	if (setting->rough)
		make_rough(c);
	ck_assert(table_open(&t, "tests/traces/MANIFEST.tsv"));
	while (table_next(&t)) {
		own_capture(&way, &t);
		captures++;
	}
	/* None lies there untested. */
	ck_assert_uint_eq(captures, own_captures());
	free(c);
}
END_TEST

/* --- others' -------------------------------------------------------------------------------- */

/* k of a row: how many flows of this client and server stand before it. The tables are in order. */
static unsigned count_before(const char *path, const char *client, const char *server, const char *first)
{
	struct table t;
	unsigned k = 0;

	ck_assert(table_open(&t, path));
	while (table_next(&t))
		k += !strcmp(table_get(&t, "client"), client) && !strcmp(table_get(&t, "server"), server) &&
		     strtoul(table_get(&t, "first_pkt"), NULL, 10) < strtoul(first, NULL, 10);
	return k;
}

/* Compares a replayed capture with its table; returns how many flows were compared. */
static unsigned shared_compare(const struct replayed *r, const char *capture, const char *flows, const char *vip)
{
	unsigned seen = 0;
	struct table t;

	if (!table_open(&t, flows))
		return 0;
	while (table_next(&t)) {
		const char *digests[2], *client = table_get(&t, "client");
		char k[16];

		if (strcmp(table_get(&t, "exact"), "1") != 0 || strcmp(table_get(&t, "app"), "http1") != 0 ||
		    strcmp(table_get(&t, "server"), vip) != 0)
			continue;
		snprintf(k, sizeof(k), "%u", count_before(flows, client, vip, table_get(&t, "first_pkt")));
		digests[0] = table_get(&t, "c2s_sha");
		digests[1] = table_get(&t, "s2c_sha");
		check_flow(r, capture, client, k, digests);
		seen++;
	}
	return seen;
}

START_TEST(test_shared_real)
{
	struct config *c = load_config("configs/minimal.yaml");
	const struct way way = { c, _i ? REPLAY_SESSIONS : REPLAY_PACKETS };
	char manifest[512], path[512], flows[512];
	struct table t;
	unsigned seen = 0;

	c->seed = (uint64_t)_i;
	if (_i > 1)
		make_rough(c);
	if (!shared_path("traces/real/MANIFEST.tsv", manifest, sizeof(manifest))) {
		free(c);
		return;
	}
	ck_assert(table_open(&t, manifest));
	while (table_next(&t)) {
		const char *file = table_get(&t, "file"), *vip = table_get(&t, "vip");
		int dir = (int)(strrchr(manifest, '/') - manifest), stem = (int)(strrchr(file, '.') - file);
		struct replayed r;

		snprintf(path, sizeof(path), "%.*s/%s", dir, manifest, file);
		snprintf(flows, sizeof(flows), "%.*s/flows/%.*s.tsv", dir, manifest, stem, file);
		if (vip[0] == '[') /* IPv6: skipped and counted by a replay */
			vip = NULL;
		replayed_make(&r, &way, path, vip);
		ck_assert_uint_eq(r.result.outcomes[OUTCOME_MISMATCHED], 0);
		ck_assert_uint_eq(r.result.checksum_errors + r.result.number_errors + r.result.wrong_backend, 0);
		ck_assert_msg(r.result.leaked == 0, "%s: %u left behind", file, (unsigned)r.result.leaked);
		if (vip)
			seen += shared_compare(&r, file, flows, vip);
		replayed_free(&r);
	}
	ck_assert_uint_gt(seen, 0);
	free(c);
}
END_TEST

/* One recording in many containers and link layers: the same flows from each. */
START_TEST(test_shared_derived)
{
	static const char vip[] = "216.34.181.96:80";
	struct config *c = load_config("configs/minimal.yaml");
	char dir[512], flows[512], path[1024];
	unsigned captures = 0;
	DIR *d = NULL;

	if (shared_path("traces/derived", dir, sizeof(dir)) &&
	    shared_path("traces/real/flows/pcap2har_fhs.tsv", flows, sizeof(flows)))
		d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d));) {
		struct replayed r;

		if (!strstr(e->d_name, ".pcap"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		replayed_make(&r, &(struct way){ c, REPLAY_PACKETS }, path, vip);
		ck_assert_msg(!replay_failed(&r.result), "%s", e->d_name);
		ck_assert_uint_eq(r.result.flows, 6);
		ck_assert_msg(shared_compare(&r, "pcap2har_fhs.pcap", flows, vip) == 6, "%s", e->d_name);
		replayed_free(&r);
		captures++;
	}
	if (d) {
		closedir(d);
		ck_assert_uint_gt(captures, 0);
	}
	free(c);
}
END_TEST

/* Damaged and odd captures: a verdict or a message that names the file; no crash, no hang. */
START_TEST(test_shared_hostile)
{
	struct config *c = load_config("configs/minimal.yaml");
	char dir[512], path[1024], error[TRACE_ERROR_MAX];
	unsigned seen = 0, played = 0, refused = 0;
	DIR *d = NULL;

	if (shared_path("traces/hostile", dir, sizeof(dir)))
		d = opendir(dir);
	for (struct dirent *e; d && (e = readdir(d));) {
		struct replay_options o = { .trace = path, .mode = (enum replay_mode)_i };
		struct replay_result r;
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || strstr(e->d_name, ".tsv"))
			continue;
		if (_i == REPLAY_SESSIONS && seen++ % SESSION_STEP)
			continue;
		error[0] = '\0';
		if (replay_run(c, &o, &r, error)) {
			ck_assert_msg(strstr(error, e->d_name) != NULL, "%s: %s", e->d_name, error);
			refused++;
			continue;
		}
		ck_assert_msg(!r.trace_error[0] || strstr(r.trace_error, e->d_name), "%s: %s", e->d_name,
			      r.trace_error);
		ck_assert_msg(r.outcomes[OUTCOME_MISMATCHED] + r.leaked + r.number_errors + r.checksum_errors +
					      r.wrong_backend ==
				      0,
			      "%s", e->d_name);
		replay_result_free(&r);
		played++;
	}
	if (d) {
		closedir(d);
		ck_assert_uint_gt(played, 0);
		ck_assert_uint_gt(refused, 0);
	}
	free(c);
}
END_TEST

Suite *own_traces_suite(void)
{
	Suite *s = suite_create("own_traces");
	TCase *own = tcase_create("own"), *shared = tcase_create("shared");

	tcase_add_loop_test(own, test_own, 0, (ARRAY_LEN(settings) + SETTING_STEP - 1) / SETTING_STEP);
	suite_add_tcase(s, own);
	tcase_add_loop_test(shared, test_shared_real, 0, SHARED_WAYS);
	tcase_add_test(shared, test_shared_derived);
	tcase_add_loop_test(shared, test_shared_hostile, REPLAY_PACKETS, REPLAY_SESSIONS + 1);
	suite_add_tcase(s, shared);
	return s;
}
