/* SPDX-License-Identifier: BSD-2-Clause */
/* timers.h: when each component next has work: an indexed heap ordered by (time, id), so
 * that of two components due at once the one with the lower id comes first, always. */
#ifndef SIM_TIMERS_H
#define SIM_TIMERS_H

#include "miresga/base.h"

/* A due time stands beside its id: to compare two, nothing else is looked at. */
struct timer_slot {
	uint64_t due_ns;
	uint32_t id;
};

struct timers {
	uint64_t *due; /* by id */
	struct timer_slot *heap;
	uint32_t *place; /* of an id in the heap */
	uint32_t count;
};

/* `count` > 0 ids, none of them due. Returns 0, or -1 if memory is short. */
int timers_init(struct timers *t, uint32_t count);
void timers_fini(struct timers *t);
/* At least `count` ids from now on. Returns 0, or -1 if memory is short: all is as it was. */
int timers_grow(struct timers *t, uint32_t count);
/* `due_ns` may be TIME_NEVER. */
void timers_set(struct timers *t, uint32_t id, uint64_t due_ns);

static inline uint32_t timers_first(const struct timers *t)
{
	return t->heap[0].id;
}

static inline uint64_t timers_due(const struct timers *t)
{
	return t->heap[0].due_ns;
}

#endif
