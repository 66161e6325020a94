/* SPDX-License-Identifier: BSD-2-Clause */
/* bench.h: `miresga bench`: what a packet costs on each path of the core (sim/bench/).
 *
 * A bench is one row of bench_list. A session runs rows one after the other; rows of one subject that
 * follow each other share what was set up for them. Only time in the measured function counts, by the
 * thread's CPU clock, so that a busy machine disturbs the caches but not the sum. Inputs are drawn from
 * fixed seeds: two runs do the same work. Nothing is judged here: the budgets of DESIGN §5 stand beside
 * the figures. */
#ifndef MIRESGA_BENCH_H
#define MIRESGA_BENCH_H

#include "miresga/base.h"

struct bench_subject;
struct bench {
	const char *name; /* GROUP or GROUP-WHAT, unique */
	const char *text;
	const char *unit;   /* what is counted, in the singular */
	uint32_t budget_ns; /* per unit; 0: none */
	/* Or a budget in units of another bench's cost. */
	uint32_t budget_times;
	const char *than;
	const struct bench_subject *subject;
	uint16_t variant; /* the subject's own */
	uint16_t batch;	  /* packets handled at a time; 0: does not apply */
};
extern const struct bench bench_list[];
extern const unsigned bench_count;
/* Everything that stands before a dash in the list's names, in its order. */
#define BENCH_GROUPS "switch|frontend|agent|ring|headers|checksum|tcp|world|replay"
/* True if `name` is the bench's, or its group's. */
bool bench_matches(const struct bench *b, const char *name);

#define BENCH_ROUNDS_MAX 1000
struct bench_options {
	unsigned rounds;   /* 1..BENCH_ROUNDS_MAX, after one that does not count */
	uint64_t round_ns; /* a round goes on until this much was measured; 0: one repetition */
	const char *trace; /* of the group `replay`; NULL: one that is made for it */
	/* Before each round, from 0 (the one that does not count); NULL: never. */
	void (*progress)(void *ctx, const struct bench *b, unsigned round);
	void *progress_ctx;
	const volatile int *stop; /* set by Ctrl-C; NULL: never */
};

struct bench_result {
	unsigned rounds;		   /* that were completed */
	uint64_t units;			   /* in all of them */
	double median_ns, min_ns, max_ns;  /* per unit, of the rounds */
	double quartile1_ns, quartile3_ns; /* of the rounds */
	uint64_t cpu_ns, wall_ns;	   /* of what was measured */
};

#define BENCH_ERROR_MAX 640
struct bench_session;
/* `options` must outlive the session. NULL if memory is short. */
struct bench_session *bench_open(const struct bench_options *options);
void bench_close(struct bench_session *s);
/* Returns 0 and *result; 1 if it was stopped before the first round was complete; -1 and a message if the subject could
 * not be set up, or did other work than it should have. */
int bench_run(struct bench_session *s, const struct bench *b, struct bench_result *result, char error[BENCH_ERROR_MAX]);

#endif
