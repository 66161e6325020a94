/* SPDX-License-Identifier: BSD-2-Clause */
/* test_jobs.c: numbered work in child processes (src/io/jobs.c): every piece is told of exactly
 * once, also those whose process dies. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "miresga/jobs.h"

Suite *jobs_suite(void);

#define PIECES 200u
#define FIRST UINT64_C(1000)
#define KILLS(n) ((n) % 31 == 7)
#define LEAVES(n) ((n) % 47 == 11)

struct seen {
	unsigned times[PIECES], lost[PIECES], stop_after, total;
};

static void work(void *ctx, uint64_t n, void *record)
{
	(void)ctx;
	if (KILLS(n))
		raise(SIGKILL);
	if (LEAVES(n))
		_exit(3);
	*(uint64_t *)record = n * n;
}

static void done(void *ctx, uint64_t n, const void *record, int signal)
{
	struct seen *s = ctx;

	ck_assert(n >= FIRST && n < FIRST + PIECES);
	s->total++;
	s->times[n - FIRST]++;
	if (record) {
		ck_assert(*(const uint64_t *)record == n * n);
	} else {
		s->lost[n - FIRST]++;
		ck_assert_int_eq(signal, KILLS(n) ? SIGKILL : 0);
	}
}

static bool stop(void *ctx)
{
	const struct seen *s = ctx;

	return s->stop_after && s->total >= s->stop_after;
}

static void run(struct seen *s, unsigned jobs, uint64_t first, uint64_t last)
{
	const struct jobs j = {
		.first = first,
		.last = last,
		.jobs = jobs,
		.record_size = sizeof(uint64_t),
		.ctx = s,
		.work = work,
		.done = done,
		.stop = stop,
	};

	ck_assert_int_eq(jobs_run(&j), 0);
}

static const unsigned counts[] = { 1, 2, 7, 64 };

START_TEST(every_piece_once)
{
	struct seen s = { 0 };

	run(&s, counts[_i], FIRST, FIRST + PIECES - 1);
	for (unsigned i = 0; i < PIECES; i++) {
		ck_assert_uint_eq(s.times[i], 1);
		ck_assert_uint_eq(s.lost[i], KILLS(FIRST + i) || LEAVES(FIRST + i));
	}
}
END_TEST

START_TEST(fewer_pieces_than_processes)
{
	struct seen s = { 0 };

	run(&s, 5, FIRST + 1, FIRST + 2);
	ck_assert_uint_eq(s.total, 2);
}
END_TEST

START_TEST(stops_when_asked)
{
	struct seen s = { .stop_after = 10 };

	run(&s, 2, FIRST, FIRST + PIECES - 1);
	ck_assert_uint_ge(s.total, 10);
	ck_assert_uint_lt(s.total, PIECES);
}
END_TEST

Suite *jobs_suite(void)
{
	Suite *s = suite_create("jobs");
	TCase *t = tcase_create("jobs");

	tcase_add_loop_test(t, every_piece_once, 0, sizeof(counts) / sizeof(counts[0]));
	tcase_add_test(t, fewer_pieces_than_processes);
	tcase_add_test(t, stops_when_asked);
	suite_add_tcase(s, t);
	return s;
}
