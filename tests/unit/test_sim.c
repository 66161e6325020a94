/* SPDX-License-Identifier: BSD-2-Clause */
/* test_sim.c: whole worlds: clean ones in which the oracle finds nothing, ones with faults in which
 * every connection ends with a counted reason, and ones with a quirk of the published code, which
 * it must find. Equal seeds give equal output, whatever the batch size. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "miresga/report_sim.h"

Suite *sim_suite(void);

static struct config config;
static struct sim_result result;

static void complain(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	(void)ctx;
	ck_abort_msg("%s:%u:%u: %s", file, line, column, message);
}

#define HEAD \
	"vip: 10.0.1.10:80\n" \
	"backends: [{name: web1, address: 198.18.0.1:80}, {name: web2, address: 198.18.0.2:80}, " \
	"{name: web3, address: 198.18.0.3:80}]\n" \
	"pools: [{name: a, backends: [web1]}, {name: b, backends: [web2, web3]}]\n" \
	"rules: [{host: a.example, pool: a}, {host: b.example, pool: b}]\n" \
	"offload: {threshold: 8KiB}\n"
#define CALM \
	"  duration: 60ms\n" \
	"  clients: 2\n" \
	"  links: {client: {delay: 50us}, frontend: {delay: 5us}, backend: {rate: 10Gbit/s, delay: 10us}}\n" \
	"  cores: {frontend: {packet: 500ns}, server: {packet: 300ns, request: 20us}}\n"
#define LOSSY \
	"  duration: 60ms\n" \
	"  clients: 2\n" \
	"  links: {client: {rate: 1Gbit/s, delay: 50us, loss: 1%, reorder: 2%, duplicate: 0.5%},\n" \
	"          frontend: {delay: 5us, loss: 0.5%}, backend: {rate: 1Gbit/s, delay: 10us, loss: 0.5%}}\n"
#define ONE(more) \
	"  workloads:\n" \
	"    - {name: one, connections: 8, hosts: [a.example, b.example]" more "}\n"
#define MIXED \
	"  workloads:\n" \
	"    - name: short\n" \
	"      connections: 8\n" \
	"      hosts: [a.example, b.example, nobody.example]\n" \
	"      responses: {sizes: lognormal, size: 5KiB, sigma: 2, chunked: 20%, until_close: 30%}\n" \
	"    - name: long\n" \
	"      connections: 8\n" \
	"      requests: 6\n" \
	"      pipeline: 3\n" \
	"      hosts: [b.example]\n" \
	"      responses: {sizes: table, table: [{size: 1KiB, share: 7}, {size: 100KiB}], chunked: 20%, reset: 3%}\n" \
	"      uploads: {size: 20KiB, chance: 20%, early: 30%}\n" \
	"      clients: {abort: 10%, half_close: 20%, plain: 30%}\n" \
	"    - name: slow\n" \
	"      arrival: poisson\n" \
	"      rate: 500/s\n" \
	"      requests: 2\n" \
	"      hosts: [b.example]\n" \
	"      responses: {size: 40KiB, delay: 1ms}\n" \
	"      clients: {slow: 50%, read_rate: 20Mbit/s, think: 2ms}\n"
#define QUIRKS_OF(list) "quirks: [" list "]\n"

static int run(const char *text, const struct sim_options *options)
{
	char error[SIM_ERROR_MAX] = "";
	int rc;

	ck_assert_int_eq(config_load_memory(&config, "world", text, strlen(text), complain, NULL), 0);
	rc = sim_run(&config, options, &result, error);
	ck_assert_msg(rc == 0, "%s", error);
	return rc;
}

static const char *findings(void)
{
	static char text[4096];
	size_t at = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < result.kept && at < sizeof(text) - SIM_TEXT_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s: %s\n",
				       sim_violation_key(result.violation[i].kind), result.violation[i].text);
	return text;
}

static uint64_t outcomes(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < SIM_OUTCOME_COUNT; i++)
		n += result.outcomes[i];
	return n;
}

/* ------------------------------------------------------------------------------ clean ones */

static const char *const clean[] = {
	HEAD "simulation:\n" CALM ONE(""),
	HEAD "simulation:\n" CALM ONE(", requests: 5, pipeline: 2"),
	HEAD "simulation:\n" CALM ONE(", responses: {size: 1MiB}"),
	HEAD "simulation:\n" CALM ONE(", responses: {size: 0B, until_close: 50%}"),
	HEAD "simulation:\n" CALM ONE(", requests: 3, responses: {size: 8KiB, chunked: 1}"),
	HEAD "simulation:\n" CALM ONE(", requests: 3, uploads: {size: 100KiB, chance: 1, early: 50%}"),
	HEAD "simulation:\n" CALM MIXED,
	HEAD "simulation:\n" LOSSY ONE(", requests: 3"),
	HEAD "simulation:\n" LOSSY MIXED,
	HEAD "switch: {timestamps: true, insertion_rate: 500/s, control_queue: 2}\n"
	     "simulation:\n" LOSSY MIXED,
	HEAD
	"simulation:\n  duration: 50ms\n  links: {client: {rate: 1Gbit/s, corrupt: 1%}, backend: {corrupt: 1%}}\n" ONE(
		""),
};

START_TEST(clean_world)
{
	struct sim_options options = { .taps = true, .events_max = 20000000 };

	run(clean[_i], &options);
	ck_assert_msg(!sim_failed(&result), "%s", findings());
	ck_assert(!result.limit);
	ck_assert_uint_gt(result.outcomes[SIM_OUTCOME_COMPLETED], 5);
	ck_assert_uint_gt(result.responses, 5);
	ck_assert_uint_eq(outcomes(), result.connections);
	ck_assert_uint_eq(result.outcomes[SIM_OUTCOME_WRONG] + result.outcomes[SIM_OUTCOME_CUT], 0);
}
END_TEST

START_TEST(mixed_world_has_every_end)
{
	struct sim_options options = { .events_max = 20000000 };

	run(HEAD "simulation:\n" CALM MIXED, &options);
	ck_assert_uint_gt(result.outcomes[SIM_OUTCOME_REFUSED], 0);
	ck_assert_uint_gt(result.outcomes[SIM_OUTCOME_ABORTED], 0);
	ck_assert_uint_gt(result.outcomes[SIM_OUTCOME_SERVER_RESET], 0);
	ck_assert_uint_eq(result.outcomes[SIM_OUTCOME_RESET] + result.outcomes[SIM_OUTCOME_TIMED_OUT] +
				  result.outcomes[SIM_OUTCOME_GAVE_UP],
			  0);
	ck_assert_uint_eq(result.refused[REFUSAL_NO_RULE], result.outcomes[SIM_OUTCOME_REFUSED]);
	ck_assert_uint_eq(result.sample_count, SIM_SAMPLES);
	ck_assert_uint_gt(result.offloaded_responses, 0);
	ck_assert_uint_gt(result.servers[0].busy_ns, 0);
	ck_assert_uint_gt(result.frontend_busy_ns[0] + result.frontend_busy_ns[1], 0);
	ck_assert_uint_gt(result.servers[1].memory_peak, 0);
}
END_TEST

/* ------------------------------------------------------------------------------ same again */

static char *document(uint64_t seed, unsigned batch)
{
	struct sim_options options = { .events_max = 20000000 };
	const struct sim_report report = { .config = &config, .result = &result, .again = "" };
	char error[SIM_ERROR_MAX], *text = NULL;
	size_t len;
	FILE *out;

	ck_assert_int_eq(config_load_memory(&config, "world", clean[8], strlen(clean[8]), complain, NULL), 0);
	config.seed = seed;
	config.sw.batch = (uint16_t)batch;
	config_derive_keys(&config);
	ck_assert_int_eq(sim_run(&config, &options, &result, error), 0);
	out = open_memstream(&text, &len);
	ck_assert_ptr_nonnull(out);
	report_sim(&(struct report_style){ .out = out, .verbose = true }, &report);
	ck_assert_int_eq(report_sim_json(out, &report), 0);
	fclose(out);
	return text;
}

START_TEST(equal_seeds_give_equal_output)
{
	char *first = document(3, 32), *again = document(3, 32), *single = document(3, 1), *other = document(4, 32);

	ck_assert_str_eq(first, again);
	ck_assert_str_eq(first, single);
	ck_assert_str_ne(first, other);
	free(first);
	free(again);
	free(single);
	free(other);
}
END_TEST

/* ------------------------------------------------------------------------------------ teeth */

/* What must be found, and in which world. */
static const struct {
	enum sim_violation_kind kind;
	const char *world;
} quirks[] = {
	{ SIM_VIOLATION_OPTIONS, HEAD QUIRKS_OF("P2") "simulation:\n" CALM ONE(", clients: {plain: 1}") },
	{ SIM_VIOLATION_OPTIONS, HEAD QUIRKS_OF("F10") "simulation:\n" CALM ONE(", clients: {plain: 1}") },
	{ SIM_VIOLATION_RESET, HEAD QUIRKS_OF("F5") "simulation:\n" CALM ONE(", responses: {until_close: 1}") },
	{ SIM_VIOLATION_LEFTOVER, HEAD QUIRKS_OF("A1") "simulation:\n" CALM ONE("") },
	{ SIM_VIOLATION_HANG,
	  HEAD QUIRKS_OF("A7") "switch: {timestamps: true}\nsimulation:\n" CALM ONE(", requests: 4") },
};

START_TEST(quirk_is_found)
{
	struct sim_options options = { .events_max = 20000000 };

	run(quirks[_i].world, &options);
	ck_assert(sim_failed(&result));
	ck_assert_msg(result.violations[quirks[_i].kind] > 0, "found instead:\n%s", findings());
}
END_TEST

/* ----------------------------------------------------------------------------------- faults */

static const struct {
	const char *fault;
	enum sim_outcome outcome; /* that it must bring about; COMPLETED: nothing else */
} faults[] = {
	{ "{what: control_stall, at: 10ms, for: 20ms}", SIM_OUTCOME_COMPLETED },
	{ "{what: control_slow, at: 10ms, for: 20ms, factor: 100}", SIM_OUTCOME_COMPLETED },
	{ "{what: control_reorder, at: 10ms, for: 20ms}", SIM_OUTCOME_COMPLETED },
	{ "{what: table_full, at: 10ms, for: 20ms}", SIM_OUTCOME_COMPLETED },
	{ "{what: frontend_kill, index: 1, at: 20ms, for: 10ms}", SIM_OUTCOME_GAVE_UP },
	{ "{what: frontend_pause, index: 1, at: 20ms, for: 10ms}", SIM_OUTCOME_COMPLETED },
	{ "{what: agent_restart, index: 1, at: 20ms}", SIM_OUTCOME_RESET },
	{ "{what: backend_dead, index: 1, at: 20ms, for: 10ms}", SIM_OUTCOME_COMPLETED },
	{ "{what: backend_slow, index: 1, at: 20ms, for: 10ms, factor: 50}", SIM_OUTCOME_COMPLETED },
	{ "{what: backend_refuses, index: 1, at: 20ms, for: 10ms}", SIM_OUTCOME_REFUSED },
	{ "{what: ring_full, index: 1, at: 20ms, for: 10ms, factor: 2}", SIM_OUTCOME_COMPLETED },
};

START_TEST(fault_has_its_outcome)
{
	struct sim_options options = { .events_max = 20000000 };
	char text[4096];

	snprintf(text, sizeof(text),
		 HEAD "simulation:\n" CALM "  faults: [%s]\n"
		      "  workloads: [{name: w, connections: 20, requests: 3, hosts: [b.example], responses: {size: "
		      "30KiB}}]\n",
		 faults[_i].fault);
	run(text, &options);
	ck_assert_msg(!sim_failed(&result), "%s", findings());
	ck_assert_uint_eq(outcomes(), result.connections);
	ck_assert_uint_gt(result.outcomes[faults[_i].outcome], 0);
	if (faults[_i].outcome == SIM_OUTCOME_COMPLETED)
		ck_assert_uint_eq(result.outcomes[SIM_OUTCOME_COMPLETED], result.connections);
}
END_TEST

/* ----------------------------------------------------------------------------------- limits */

START_TEST(limit_of_events)
{
	struct sim_options options = { .events_max = 1000 };

	run(clean[0], &options);
	ck_assert(result.limit && sim_failed(&result));
	ck_assert_uint_eq(result.violations[SIM_VIOLATION_OVERRUN], 1);
}
END_TEST

/* What crosses the switch after the workload's time is no part of its figures. */
START_TEST(figures_of_the_workloads_time)
{
	struct sim_options options = { .events_max = 20000000 };

	run(HEAD "simulation:\n  duration: 12ms\n  links: {client: {delay: 5ms}}\n  workloads: [{name: a, "
		 "arrival: poisson, rate: 10k/s, requests: 1}]\n",
	    &options);
	ck_assert_msg(!sim_failed(&result), "%s", findings());
	ck_assert_uint_gt(result.connections, 0);
	ck_assert_uint_eq(result.responses, 0);
	ck_assert_uint_gt(result.sw.to_frontend_packets, 0);
	ck_assert_uint_eq(result.to_frontend_packets + result.fast_path_packets, 0);
	for (unsigned i = 0; i < result.frontend_count; i++)
		ck_assert_uint_eq(result.frontend_cpus[i].packets, 0);
	for (unsigned i = 0; i < result.backend_count; i++)
		ck_assert_uint_eq(result.servers[i].requests + result.servers[i].memory_peak, 0);
}
END_TEST

/* Use is what operations take, at present: a slow driver is busy for longer with each. */
START_TEST(slow_control_plane_is_busy)
{
	struct sim_options options = { .events_max = 20000000 };
	const uint64_t factors[] = { 1, 40 };
	uint64_t whole;

	run(_i ? HEAD "switch: {insertion_rate: 100k/s}\nsimulation:\n" CALM
		      "  faults: [{what: control_slow, factor: 40}]\n" ONE(", responses: {size: 1MiB}")
	       : HEAD "switch: {insertion_rate: 100k/s}\nsimulation:\n" CALM ONE(", responses: {size: 1MiB}"),
	    &options);
	ck_assert_msg(!sim_failed(&result), "%s", findings());
	ck_assert_uint_gt(result.control_operations, 10);
	whole = result.control_operations * 10000 * factors[_i];
	ck_assert_uint_le(result.control_busy_ns, whole);
	ck_assert_uint_gt(result.control_busy_ns, whole - 10000 * factors[_i]);
	ck_assert_uint_le(result.control_busy_ns, result.duration_ns);
}
END_TEST

START_TEST(stop_request)
{
	const volatile int stop = 1;
	struct sim_options options = { .stop = &stop };

	run(clean[0], &options);
	ck_assert(result.interrupted && !sim_failed(&result));
}
END_TEST

START_TEST(nobody_asks)
{
	struct sim_options options = { .events_max = 0 };
	char error[SIM_ERROR_MAX] = "";

	ck_assert_int_eq(config_load_memory(&config, "world", HEAD, strlen(HEAD), complain, NULL), 0);
	ck_assert_int_eq(sim_run(&config, &options, &result, error), -1);
	ck_assert_str_eq(error, "world: no simulation.workloads: there is nobody who would ask for anything");
	options.pcapng = "/nonexistent/taps.pcapng";
	ck_assert_int_eq(config_load_memory(&config, "world", clean[0], strlen(clean[0]), complain, NULL), 0);
	ck_assert_int_eq(sim_run(&config, &options, &result, error), -1);
	ck_assert_msg(strstr(error, "/nonexistent/taps.pcapng") != NULL, "%s", error);
}
END_TEST

START_TEST(taps_are_written)
{
	char path[] = "/tmp/miresga-sim-XXXXXX";
	struct sim_options options = { .taps = true };
	int fd = mkstemp(path);
	uint64_t verified;

	ck_assert_int_ge(fd, 0);
	run(clean[0], &options);
	verified = result.verified;
	options = (struct sim_options){ .pcapng = path };
	run(clean[0], &options);
	ck_assert(!sim_failed(&result));
	ck_assert_uint_gt(verified, 1000);
	ck_assert_uint_eq(result.verified, verified);
	ck_assert_int_gt(lseek(fd, 0, SEEK_END), 10000);
	close(fd);
	unlink(path);
}
END_TEST

Suite *sim_suite(void)
{
	Suite *s = suite_create("sim");
	TCase *worlds = tcase_create("worlds"), *teeth = tcase_create("teeth"), *limits = tcase_create("limits");

	tcase_add_loop_test(worlds, clean_world, 0, ARRAY_LEN(clean));
	tcase_add_test(worlds, mixed_world_has_every_end);
	tcase_add_test(worlds, equal_seeds_give_equal_output);
	tcase_add_loop_test(worlds, fault_has_its_outcome, 0, ARRAY_LEN(faults));
	suite_add_tcase(s, worlds);
	tcase_add_loop_test(teeth, quirk_is_found, 0, ARRAY_LEN(quirks));
	suite_add_tcase(s, teeth);
	tcase_add_test(limits, limit_of_events);
	tcase_add_test(limits, figures_of_the_workloads_time);
	tcase_add_loop_test(limits, slow_control_plane_is_busy, 0, 2);
	tcase_add_test(limits, stop_request);
	tcase_add_test(limits, nobody_asks);
	tcase_add_test(limits, taps_are_written);
	suite_add_tcase(s, limits);
	return s;
}
