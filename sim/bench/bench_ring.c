/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_ring.c: a ring hop: packets go into a ring by one end and come out of the other, a batch at a time, in one
 * thread. Only the ring's slots and the two indices are touched, not the packets. */
#include <stdio.h>
#include <stdlib.h>

#include "bench_internal.h"
#include "miresga/ring.h"

#define SIZE 1024
#define HOPS 32768u

struct state {
	struct ring ring;
	struct packet packet;
	uint64_t lost;
};

static void destroy(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	ring_fini(&s->ring);
	free(s);
}

static void *create(const struct bench_options *o, char error[BENCH_ERROR_MAX])
{
	/* The ring's indices have cache lines of their own. */
	struct state *s = aligned_alloc(alignof(struct state), sizeof(*s));

	(void)o;
	if (s)
		*s = (struct state){ .lost = 0 };
	if (s && !ring_init(&s->ring, SIZE))
		return s;
	free(s);
	snprintf(error, BENCH_ERROR_MAX, "out of memory");
	return NULL;
}

static uint64_t work(void *state, const struct bench *b)
{
	struct state *s = state;
	struct packet *out[BATCH_MAX];

	for (unsigned at = 0; at < HOPS; at += b->batch) {
		for (unsigned i = 0; i < b->batch; i++)
			s->lost += !ring_push(&s->ring, &s->packet);
		s->lost += b->batch - ring_pop(&s->ring, out, b->batch);
	}
	return HOPS;
}

static bool check(void *state, const struct bench *b, char error[BENCH_ERROR_MAX])
{
	const struct state *s = state;

	(void)b;
	if (s->lost)
		snprintf(error, BENCH_ERROR_MAX, "the ring lost %llu packets", (unsigned long long)s->lost);
	return !s->lost;
}

const struct bench_subject bench_ring = { .create = create, .free = destroy, .work = work, .check = check };
