/* SPDX-License-Identifier: BSD-2-Clause */
/* bench.c: the list of benches, and how one is measured (bench.h).
 *
 * A round is repetitions of prepare(), work() until as much time as wanted was spent in work(); its figure is the time
 * by the units done. The first round warms caches and branch predictors up and does not count. The median of the
 * others is the figure to quote, the least of them what the machine can do undisturbed, and the quartiles tell how
 * much it was.
 *
 * Life-cycle: a session keeps the state of one subject, from the first bench of it to the first of another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_internal.h"

/* Budgets: DESIGN §5, on one core, for batches of 32 and more. */
#define SWITCH_NS 60
#define FRONTEND_NS 100
#define AGENT_NS 40
#define EVENT_NS 1000 /* a million events a second */
#define REPLAY_TIMES 3

#define ROW(subject_, name_, text_, unit_) .name = name_, .text = text_, .unit = unit_, .subject = &bench_##subject_

const struct bench bench_list[] = {
	{ ROW(switch, "switch-in-1", "ACK of an offloaded flow, 1.43 M entries, one packet at a time", "packet"),
	  .variant = BENCH_SWITCH_IN, .batch = 1 },
	{ ROW(switch, "switch-in-32", "the same, batches of 32", "packet"), .variant = BENCH_SWITCH_IN, .batch = 32,
	  .budget_ns = SWITCH_NS },
	{ ROW(switch, "switch-in-256", "the same, batches of 256", "packet"), .variant = BENCH_SWITCH_IN, .batch = 256,
	  .budget_ns = SWITCH_NS },
	{ ROW(switch, "switch-out-1", "segment of an offloaded flow, one at a time", "packet"),
	  .variant = BENCH_SWITCH_OUT, .batch = 1 },
	{ ROW(switch, "switch-out-32", "the same, batches of 32", "packet"), .variant = BENCH_SWITCH_OUT, .batch = 32,
	  .budget_ns = SWITCH_NS },
	{ ROW(switch, "switch-out-256", "the same, batches of 256", "packet"), .variant = BENCH_SWITCH_OUT,
	  .batch = 256, .budget_ns = SWITCH_NS },
	{ ROW(switch, "switch-miss", "ACK of a flow without entry, to its front-end", "packet"),
	  .variant = BENCH_SWITCH_MISS, .batch = 32 },
	{ ROW(switch, "switch-syn", "SYN, answered with a cookie", "packet"), .variant = BENCH_SWITCH_SYN,
	  .batch = 32 },
	{ ROW(frontend, "frontend-in", "ACK, COMPLETE, 100,000 flows", "packet"), .variant = BENCH_FRONTEND_IN,
	  .batch = 32, .budget_ns = FRONTEND_NS },
	{ ROW(frontend, "frontend-out", "segment of a response, COMPLETE, 100,000 flows", "packet"),
	  .variant = BENCH_FRONTEND_OUT, .batch = 32, .budget_ns = FRONTEND_NS },
	{ ROW(agent, "agent-in", "ACK without options, 100,000 pairs", "packet"), .variant = BENCH_AGENT_IN,
	  .batch = 32, .budget_ns = AGENT_NS },
	{ ROW(agent, "agent-in-timestamps", "ACK with timestamps", "packet"), .variant = BENCH_AGENT_IN_TIMESTAMPS,
	  .batch = 32, .budget_ns = AGENT_NS },
	{ ROW(agent, "agent-in-sack", "ACK with timestamps and two SACK blocks", "packet"),
	  .variant = BENCH_AGENT_IN_SACK, .batch = 32, .budget_ns = AGENT_NS },
	{ ROW(agent, "agent-out", "segment without options", "packet"), .variant = BENCH_AGENT_OUT, .batch = 32,
	  .budget_ns = AGENT_NS },
	{ ROW(agent, "agent-out-timestamps", "segment with timestamps", "packet"),
	  .variant = BENCH_AGENT_OUT_TIMESTAMPS, .batch = 32, .budget_ns = AGENT_NS },
	{ ROW(ring, "ring", "into a ring and out of it, batches of 32", "hop"), .batch = 32 },
	{ ROW(headers, "headers", "Ethernet, IPv4 and TCP headers into the PHV", "packet") },
	{ ROW(checksum, "checksum-update", "RFC 1624 update for a 32-bit field", "update"),
	  .variant = BENCH_CHECKSUM_UPDATE },
	{ ROW(checksum, "checksum-segment", "TCP checksum of 1,448 bytes from scratch", "packet"),
	  .variant = BENCH_CHECKSUM_SEGMENT },
	{ ROW(tcp, "tcp-out", "full segment, from the application's write to the wire", "segment"),
	  .variant = BENCH_TCP_OUT },
	{ ROW(tcp, "tcp-in", "full segment, from the wire to the application's read", "segment"),
	  .variant = BENCH_TCP_IN },
	{ ROW(tcp, "tcp-ack", "acknowledgement of two segments, from the wire", "segment"), .variant = BENCH_TCP_ACK },
	{ ROW(world, "world", "simulation of configs/traffic2.yaml, under the oracle", "event"),
	  .budget_ns = EVENT_NS },
	{ ROW(replay, "replay-read", "libpcap merely reading the trace", "packet"), .variant = BENCH_REPLAY_READ },
	{ ROW(replay, "replay-play", "the whole replay of the trace, with the oracle's verdict", "packet"),
	  .variant = BENCH_REPLAY_PLAY, .budget_times = REPLAY_TIMES, .than = "replay-read" },
};
const unsigned bench_count = ARRAY_LEN(bench_list);

struct bench_session {
	const struct bench_options *options;
	const struct bench_subject *subject; /* of `state` */
	void *state;
	double figures[BENCH_ROUNDS_MAX];
};

bool bench_matches(const struct bench *b, const char *name)
{
	size_t len = strlen(name);

	return strncmp(b->name, name, len) == 0 &&
	       (b->name[len] == '\0' || (b->name[len] == '-' && !memchr(name, '-', len)));
}

struct bench_session *bench_open(const struct bench_options *options)
{
	struct bench_session *s = calloc(1, sizeof(*s));

	MUST(options->rounds >= 1 && options->rounds <= BENCH_ROUNDS_MAX);
	if (s)
		s->options = options;
	return s;
}

static void let_go(struct bench_session *s)
{
	if (s->state)
		s->subject->free(s->state);
	s->state = NULL;
}

void bench_close(struct bench_session *s)
{
	if (!s)
		return;
	let_go(s);
	free(s);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static bool stopped(const struct bench_session *s)
{
	return s->options->stop && *s->options->stop;
}

struct round {
	uint64_t units, cpu_ns, wall_ns;
};

/* Apart and out of line, so that a profiler can be told to count only what is below it. */
BREAKABLE static uint64_t bench_work(struct bench_session *s, const struct bench *b)
{
	return s->subject->work(s->state, b);
}

/* False if the work failed. */
static bool run_round(struct bench_session *s, const struct bench *b, struct round *r)
{
	*r = (struct round){ 0 };
	do {
		uint64_t wall, cpu, units;

		if (s->subject->prepare)
			s->subject->prepare(s->state, b);
		wall = clock_ns(CLOCK_MONOTONIC);
		cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		units = bench_work(s, b);
		r->cpu_ns += clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
		r->wall_ns += clock_ns(CLOCK_MONOTONIC) - wall;
		r->units += units;
		if (!units)
			return false;
	} while (r->cpu_ns < s->options->round_ns && !stopped(s));
	return true;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value below which a share of numerator / 4 lies. */
static double quartile(const double *sorted, unsigned count, unsigned numerator)
{
	double at = (double)(count - 1) * numerator / 4;
	unsigned below = (unsigned)at;

	if (below + 1 >= count)
		return sorted[count - 1];
	return sorted[below] + (sorted[below + 1] - sorted[below]) * (at - below);
}

static void summarise(struct bench_session *s, struct bench_result *r)
{
	qsort(s->figures, r->rounds, sizeof(s->figures[0]), ascending);
	r->min_ns = s->figures[0];
	r->max_ns = s->figures[r->rounds - 1];
	r->quartile1_ns = quartile(s->figures, r->rounds, 1);
	r->median_ns = quartile(s->figures, r->rounds, 2);
	r->quartile3_ns = quartile(s->figures, r->rounds, 3);
}

static bool set_up(struct bench_session *s, const struct bench *b, char error[BENCH_ERROR_MAX])
{
	if (s->state && s->subject == b->subject)
		return true;
	let_go(s);
	s->subject = b->subject;
	s->state = b->subject->create(s->options, error);
	return s->state;
}

int bench_run(struct bench_session *s, const struct bench *b, struct bench_result *result, char error[BENCH_ERROR_MAX])
{
	const struct bench_options *o = s->options;
	struct round round;

	*result = (struct bench_result){ 0 };
	error[0] = '\0';
	if (o->progress)
		o->progress(o->progress_ctx, b, 0);
	if (!set_up(s, b, error))
		return -1;
	for (unsigned i = 0; i <= o->rounds; i++) {
		bool done;

		if (i > 0 && o->progress)
			o->progress(o->progress_ctx, b, i);
		done = run_round(s, b, &round);
		if (stopped(s))
			break; /* half a round */
		if ((s->subject->check && !s->subject->check(s->state, b, error)) || !done)
			return -1;
		if (i == 0)
			continue;
		/* A clock may be coarser than a very short round. */
		s->figures[result->rounds++] = (double)MAX(round.cpu_ns, 1) / (double)round.units;
		result->units += round.units;
		result->cpu_ns += round.cpu_ns;
		result->wall_ns += round.wall_ns;
	}
	if (!result->rounds)
		return 1;
	summarise(s, result);
	return 0;
}
