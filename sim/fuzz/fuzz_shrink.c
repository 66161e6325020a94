/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz_shrink.c: a smaller world that fails in the same way.
 *
 * A world has a numbered list of ways to be simpler: without one of its faults or workloads, with
 * half of a number, with a value as it is by default. Each is tried; what still fails is kept and
 * tried further, until none of them helps any more. The same seed draws what happens in the
 * smaller world; so it may well do without what it was shrunk of, or not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/fuzz.h"

/* Far above what a world of fuzz_draw() needs. */
#define EVENTS_MAX UINT64_C(20000000)

bool fuzz_try(const struct config *c, struct sim_result *result)
{
	static const struct sim_options options = { .taps = true, .events_max = EVENTS_MAX, .violations_max = 1 };
	struct sim_violation *v = &result->violation[0];
	char error[SIM_ERROR_MAX];

	if (!sim_run(c, &options, result, error))
		return result->violation_count > 0;
	*result = (struct sim_result){ .violation_count = 1, .kept = 1 };
	v->kind = SIM_VIOLATION_OVERRUN;
	snprintf(v->text, sizeof(v->text), "the world could not be made: %.*s", SIM_TEXT_MAX - 40, error);
	return true;
}

/* A number that becomes what it is in a plain configuration, or half of itself down to `least`. */
struct reducible {
	uint32_t offset;
	uint8_t width;
	bool halve;
	uint16_t least;
};

#define DEFAULT(type, member) \
	{ \
		offsetof(struct type, member), sizeof(((struct type *)0)->member), false, 0 \
	}
#define HALVE(type, member, least) \
	{ \
		offsetof(struct type, member), sizeof(((struct type *)0)->member), true, least \
	}
#define SIMULATED(member) DEFAULT(config, simulation.member)
#define LINK(link) \
	SIMULATED(link.loss), SIMULATED(link.duplicate), SIMULATED(link.reorder), SIMULATED(link.spike), \
		SIMULATED(link.corrupt), SIMULATED(link.rate), SIMULATED(link.delay_ns), SIMULATED(link.queue), \
		SIMULATED(link.reorder_ns), SIMULATED(link.spike_ns)
#define CORE(cpu) SIMULATED(cpu.packet_ns), SIMULATED(cpu.kib_ns), SIMULATED(cpu.request_ns), SIMULATED(cpu.queue)

static const struct reducible of_world[] = {
	HALVE(config, simulation.duration_ns, 1000),
	HALVE(config, simulation.client_hosts, 1),
	DEFAULT(config, simulation.client_ports),
	HALVE(config, frontends.count, 1),
	LINK(client_link),
	LINK(frontend_link),
	LINK(backend_link),
	CORE(frontend_cpu),
	CORE(server_cpu),
	DEFAULT(config, frontends.flows_max),
	DEFAULT(config, frontends.buffers),
	DEFAULT(config, http.strictness),
	DEFAULT(config, offload_threshold),
	DEFAULT(config, agent.entries_max),
	DEFAULT(config, sw.wscale),
	DEFAULT(config, sw.mss),
	DEFAULT(config, sw.window),
	DEFAULT(config, sw.timestamps),
	DEFAULT(config, sw.ecn),
	DEFAULT(config, sw.insertion_rate),
	DEFAULT(config, sw.insertion_latency_ns),
	DEFAULT(config, sw.control_queue),
	DEFAULT(config, sw.batch),
	DEFAULT(config, timeouts.request_ns),
	DEFAULT(config, timeouts.established_ns),
	DEFAULT(config, timeouts.closing_ns),
	DEFAULT(config, timeouts.linger_ns),
	DEFAULT(config, timeouts.rto_ns),
	DEFAULT(config, timeouts.retries),
};

static const struct reducible of_workload[] = {
	HALVE(config_workload, connections, 1), HALVE(config_workload, requests, 1),
	HALVE(config_workload, rate, 1),	HALVE(config_workload, pipeline, 1),
	HALVE(config_workload, host_count, 1),	HALVE(config_workload, size_count, 1),
	HALVE(config_workload, size, 0),	DEFAULT(config_workload, upload_chance),
	HALVE(config_workload, upload, 1),	DEFAULT(config_workload, chunked),
	DEFAULT(config_workload, until_close),	DEFAULT(config_workload, early),
	DEFAULT(config_workload, abort),	DEFAULT(config_workload, half_close),
	DEFAULT(config_workload, server_reset), DEFAULT(config_workload, plain),
	DEFAULT(config_workload, slow_reader),	DEFAULT(config_workload, delay_ns),
};

/* True if the number has changed. */
static bool reduce(void *base, const void *plain, const struct reducible *r)
{
	uint64_t value = 0, simple = 0;

	memcpy(&value, (uint8_t *)base + r->offset, r->width);
	memcpy(&simple, (const uint8_t *)plain + r->offset, r->width);
	if (r->halve)
		simple = value / 2 >= r->least ? value / 2 : value;
	memcpy((uint8_t *)base + r->offset, &simple, r->width);
	return simple != value;
}

static bool drop_fault(struct config_simulation *s, unsigned i)
{
	if (i >= s->fault_count)
		return false;
	memmove(&s->faults[i], &s->faults[i + 1], (s->fault_count - i - 1u) * sizeof(s->faults[0]));
	memset(&s->faults[--s->fault_count], 0, sizeof(s->faults[0]));
	return true;
}

static bool drop_workload(struct config_simulation *s, unsigned i)
{
	if (i >= s->workload_count || s->workload_count == 1)
		return false;
	memmove(&s->workloads[i], &s->workloads[i + 1], (s->workload_count - i - 1u) * sizeof(s->workloads[0]));
	memset(&s->workloads[--s->workload_count], 0, sizeof(s->workloads[0]));
	return true;
}

/* A fault of a front-end that is gone concerns another one. */
static void mend(struct config *c)
{
	for (unsigned i = 0; i < c->simulation.fault_count; i++) {
		struct config_fault *f = &c->simulation.faults[i];

		if (f->what == SIM_FAULT_FRONTEND_KILL || f->what == SIM_FAULT_FRONTEND_PAUSE ||
		    f->what == SIM_FAULT_RING_FULL)
			f->index %= c->frontends.count;
	}
}

static void ignore_error(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	(void)ctx;
	(void)file;
	(void)line;
	(void)column;
	(void)message;
}

/* A world that no file could hold proves nothing. */
static bool is_possible(const struct config *c)
{
	struct config *loaded = malloc(sizeof(*loaded));
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool possible = false;

	if (out) {
		config_print(c, false, out);
		fclose(out);
		possible = loaded && config_load_memory(loaded, "world", text, size, ignore_error, NULL) == 0;
	}
	free(text);
	free(loaded);
	return possible;
}

#define WAYS (FAULTS_MAX + WORKLOADS_MAX + ARRAY_LEN(of_world) + WORKLOADS_MAX * ARRAY_LEN(of_workload))

/* Makes the world simpler in way `n` < WAYS; false if it is not any simpler for it. */
static bool simplify(struct config *c, const struct config *plain, unsigned n)
{
	struct config_simulation *s = &c->simulation;

	if (n < FAULTS_MAX)
		return drop_fault(s, n);
	n -= FAULTS_MAX;
	if (n < WORKLOADS_MAX)
		return drop_workload(s, n);
	n -= WORKLOADS_MAX;
	if (n < ARRAY_LEN(of_world))
		return reduce(c, plain, &of_world[n]);
	n -= ARRAY_LEN(of_world);
	if (n / ARRAY_LEN(of_workload) >= s->workload_count)
		return false;
	return reduce(&s->workloads[n / ARRAY_LEN(of_workload)], &plain->simulation.workloads[0],
		      &of_workload[n % ARRAY_LEN(of_workload)]);
}

unsigned fuzz_shrink(struct config *c, const struct fuzz_shrink *how)
{
	struct config *plain = malloc(sizeof(*plain)), *smaller = malloc(sizeof(*smaller));
	unsigned runs = 0;
	bool better = plain && smaller;

	if (better) {
		config_defaults(plain);
		config_workload_defaults(&plain->simulation.workloads[0]);
	}
	while (better) {
		better = false;
		for (unsigned n = 0; n < WAYS && runs < how->runs_max && !(how->stop && *how->stop); n++) {
			*smaller = *c;
			if (!simplify(smaller, plain, n))
				continue;
			mend(smaller);
			if (!is_possible(smaller))
				continue;
			runs++;
			if (how->fails(how->ctx, smaller)) {
				*c = *smaller;
				better = true;
				n--; /* the same again: the next fault, the next half */
			}
			if (how->progress)
				how->progress(how->ctx, runs, c);
		}
	}
	free(plain);
	free(smaller);
	return runs;
}
