/* SPDX-License-Identifier: BSD-2-Clause */
/* test_config_print.c: a configuration that is written and read again is the same
 * (src/config/print.c). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/config.h"

Suite *config_print_suite(void);

static void complain(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	(void)ctx;
	fprintf(stderr, "%s:%u:%u: %s\n", file, line, column, message);
}

/* Every kind of key away from its default; what YAML would read otherwise without quotes. */
static const char everything[] =
	"vip: 10.0.1.10:443\n"
	"backends:\n"
	"  - {name: '1', address: 10.0.2.1:80, weight: 7}\n"
	"  - {name: true-one, address: 10.0.2.2:8080}\n"
	"  - {name: null_, address: 10.0.2.3:80}\n"
	"pools:\n"
	"  - {name: a, backends: ['1', true-one]}\n"
	"  - {name: b, backends: [null_]}\n"
	"rules:\n"
	"  - {host: '*.example.org', path: \"/it's,{odd}:[x]\", pool: b, offload: always}\n"
	"  - {host: 'exact.example.org', path_prefix: '/img/', pool: a, offload: never}\n"
	"  - {pool: a}\n"
	"http: {strictness: lenient, max_head: 300B}\n"
	"offload: {threshold: 1048577B}\n"
	"switch: {table: {stages: 3, backend_agent: false}, timestamps: true, insertion_rate: 1234567/s,\n"
	"         insertion_latency: 1500us}\n"
	"timeouts: {request: 90s, linger: 1ms}\n"
	"quirks: [F5, P3]\n"
	"secret: 000102030405060708090a0b0c0d0eff\n"
	"seed: 18446744073709551615\n"
	"simulation:\n"
	"  links: {client: {rate: 1.5Gbit/s, delay: 250us, loss: 0.0000001%, reorder: 5%, reorder_by: 3ms}}\n"
	"  faults:\n"
	"    - {what: frontend_kill, index: 1, at: 20ms, for: 1s}\n"
	"  workloads:\n"
	"    - {name: w, hosts: [a.example.org, b.example.org],\n"
	"       responses: {sizes: table, table: [{size: 1KiB, share: 7}, {size: 3B, share: 1}], chunked: 12.5%}}\n";

/* Reads `text`, writes it, reads that: the same configuration. */
static void round_trip(const char *name, const char *text, size_t len, bool all)
{
	static struct config first, second;
	char *printed = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);

	ck_assert_ptr_nonnull(out);
	ck_assert_msg(config_load_memory(&first, name, text, len, complain, NULL) == 0, "%s", name);
	ck_assert_int_eq(config_print(&first, all, out), 0);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_msg(config_load_memory(&second, name, printed, size, complain, NULL) == 0, "%s:\n%s", name, printed);
	ck_assert_msg(memcmp(&first, &second, sizeof(first)) == 0, "%s differs from:\n%s", name, printed);
	free(printed);
}

START_TEST(everything_comes_back)
{
	round_trip("everything", everything, sizeof(everything) - 1, _i);
}
END_TEST

static const char *const ready[] = { "minimal", "paper", "as-published" };

START_TEST(ready_ones_come_back)
{
	static char text[1 << 16];
	char path[64];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "configs/%s.yaml", ready[_i]);
	f = fopen(path, "r");
	ck_assert_msg(f != NULL, "%s", path);
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	round_trip(path, text, len, true);
	round_trip(path, text, len, false);
}
END_TEST

/* What is as it would be anyway is not written. */
START_TEST(defaults_are_left_out)
{
	static const char least[] = "vip: 10.0.1.10:80\nbackends:\n  - {name: a, address: 10.0.2.1:80}\n"
				    "pools:\n  - {name: p, backends: [a]}\nrules:\n  - {pool: p}\n";
	static struct config c;
	char *printed = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);

	ck_assert_int_eq(config_load_memory(&c, "least", least, sizeof(least) - 1, complain, NULL), 0);
	ck_assert_int_eq(config_print(&c, false, out), 0);
	fclose(out);
	ck_assert_str_eq(printed, least);
	free(printed);
}
END_TEST

/* What has no effect would be refused: it is not written, and the rest loads. */
START_TEST(what_has_no_effect_is_left_out)
{
	static struct config c, loaded;
	struct config_workload *w = &c.simulation.workloads[0];
	char *printed = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&printed, &size);

	ck_assert_int_eq(config_load_memory(&c, "all", everything, sizeof(everything) - 1, complain, NULL), 0);
	w->sizes = SIZES_FIXED;
	w->early = w->chunked = w->until_close = CHANCE_ALWAYS;
	w->pipeline = 7;
	c.simulation.faults[0].what = SIM_FAULT_AGENT_RESTART;
	c.simulation.client_link.reorder = 0;
	ck_assert_int_eq(config_print(&c, _i, out), 0);
	fclose(out);
	ck_assert_msg(config_load_memory(&loaded, "printed", printed, size, complain, NULL) == 0, "%s", printed);
	ck_assert_uint_eq(loaded.simulation.workloads[0].chunked, CHANCE_ALWAYS);
	ck_assert_uint_eq(loaded.simulation.workloads[0].size_count, 0);
	ck_assert_uint_eq(loaded.simulation.workloads[0].until_close, 0);
	ck_assert_uint_eq(loaded.simulation.faults[0].for_ns, 0);
	ck_assert_uint_eq(loaded.simulation.faults[0].at_ns, c.simulation.faults[0].at_ns);
	free(printed);
}
END_TEST

Suite *config_print_suite(void)
{
	Suite *s = suite_create("config_print");
	TCase *t = tcase_create("config_print");

	tcase_add_loop_test(t, everything_comes_back, 0, 2);
	tcase_add_loop_test(t, ready_ones_come_back, 0, sizeof(ready) / sizeof(ready[0]));
	tcase_add_test(t, defaults_are_left_out);
	tcase_add_loop_test(t, what_has_no_effect_is_left_out, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
