/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_world.c: events per second of the simulator: the world of configs/traffic2.yaml, from its creation to the
 * end of all timeouts, under the oracle. One repetition is one world of a short workload; events are packets that
 * reach a component, and timers.
 *
 * Refusal: a world in which the oracle finds something is none to measure. */
#include <stdio.h>
#include <stdlib.h>

#include "bench_internal.h"
#include "miresga/sim.h"

#define DURATION_NS (10 * NS_PER_MS)

#define WORKLOAD(name, host) \
	"  - name: " name "\n" \
	"    connections: 16\n" \
	"    requests: 20\n" \
	"    hosts: [" host "]\n" \
	"    responses:\n" \
	"      sizes: table\n" \
	"      table:\n" \
	"        - {size: 1KiB, share: 70}\n" \
	"        - {size: 10KiB, share: 20}\n" \
	"        - {size: 1MiB, share: 8}\n" \
	"        - {size: 10MiB, share: 2}\n"

const char bench_world_yaml[] = "vip: 10.0.1.10:80\n"
				"backends:\n"
				"  - {name: server-a, address: 198.18.0.1:80}\n"
				"  - {name: server-b, address: 198.18.0.2:80}\n"
				"pools:\n"
				"  - {name: a, backends: [server-a]}\n"
				"  - {name: b, backends: [server-b]}\n"
				"rules:\n"
				"  - {host: a.example, pool: a}\n"
				"  - {host: b.example, pool: b}\n"
				"offload:\n"
				"  threshold: 64KiB\n"
				"simulation:\n"
				"  duration: 200ms\n"
				"  links:\n"
				"    client: {rate: 100Gbit/s, delay: 20us, queue: 16MiB}\n"
				"    frontend: {rate: 100Gbit/s, delay: 2us, queue: 16MiB}\n"
				"    backend: {rate: 100Gbit/s, delay: 5us, queue: 16MiB}\n"
				"  cores:\n"
				"    frontend: {packet: 500ns}\n"
				"    server: {packet: 200ns, kib: 50ns, request: 20us}\n"
				"  workloads:\n" WORKLOAD("a", "a.example") WORKLOAD("b", "b.example");

struct state {
	struct config *config;
	struct sim_result result;
	bool refused; /* error says why */
	char error[SIM_ERROR_MAX];
	const volatile int *stop;
};

static void destroy(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	free(s->config);
	free(s);
}

static void *create(const struct bench_options *o, char error[BENCH_ERROR_MAX])
{
	struct state *s = calloc(1, sizeof(*s));

	if (!s) {
		snprintf(error, BENCH_ERROR_MAX, "out of memory");
		return NULL;
	}
	s->stop = o->stop;
	s->config = bench_config_load("the world of the bench", bench_world_yaml, error);
	if (!s->config) {
		destroy(s);
		return NULL;
	}
	s->config->simulation.duration_ns = DURATION_NS;
	return s;
}

static uint64_t work(void *state, const struct bench *b)
{
	struct state *s = state;
	const struct sim_options o = { .stop = s->stop };

	(void)b;
	s->refused = sim_run(s->config, &o, &s->result, s->error) != 0;
	return s->refused ? 0 : s->result.events;
}

static bool check(void *state, const struct bench *b, char error[BENCH_ERROR_MAX])
{
	const struct state *s = state;

	(void)b;
	if (s->refused)
		snprintf(error, BENCH_ERROR_MAX, "%s", s->error);
	else if (sim_failed(&s->result))
		snprintf(error, BENCH_ERROR_MAX, "the oracle found %llu violations, the first: %s",
			 (unsigned long long)s->result.violation_count, s->result.violation[0].text);
	return !s->refused && !sim_failed(&s->result);
}

const struct bench_subject bench_world = { .create = create, .free = destroy, .work = work, .check = check };
