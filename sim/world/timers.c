/* SPDX-License-Identifier: BSD-2-Clause */
/* timers.c: the world's indexed heap of due times.
 *
 * Every id is always in the heap; what is not due stands there with TIME_NEVER. Moving an id is
 * one sift, so a component may change its mind after every packet. Nothing is refused. */
#include "timers.h"

#include <stdlib.h>

int timers_init(struct timers *t, uint32_t count)
{
	MUST(count > 0);
	*t = (struct timers){ 0 };
	if (timers_grow(t, count)) {
		timers_fini(t);
		return -1;
	}
	return 0;
}

int timers_grow(struct timers *t, uint32_t count)
{
	uint64_t *due = realloc(t->due, count * sizeof(*due));
	uint32_t *heap = realloc(t->heap, count * sizeof(*heap)), *place = realloc(t->place, count * sizeof(*place));

	t->due = due ? due : t->due;
	t->heap = heap ? heap : t->heap;
	t->place = place ? place : t->place;
	if (!due || !heap || !place)
		return -1;
	/* What is never due, and has the highest id, may stand at the end of the heap. */
	for (; t->count < count; t->count++) {
		t->due[t->count] = TIME_NEVER;
		t->heap[t->count] = t->place[t->count] = t->count;
	}
	return 0;
}

void timers_fini(struct timers *t)
{
	free(t->due);
	free(t->heap);
	free(t->place);
	*t = (struct timers){ 0 };
}

static bool timers_before(const struct timers *t, uint32_t a, uint32_t b)
{
	return t->due[a] != t->due[b] ? t->due[a] < t->due[b] : a < b;
}

static void timers_swap(struct timers *t, uint32_t i, uint32_t j)
{
	uint32_t id = t->heap[i];

	t->heap[i] = t->heap[j];
	t->heap[j] = id;
	t->place[t->heap[i]] = i;
	t->place[t->heap[j]] = j;
}

void timers_set(struct timers *t, uint32_t id, uint64_t due_ns)
{
	uint32_t i = t->place[id];

	if (t->due[id] == due_ns)
		return;
	t->due[id] = due_ns;
	while (i > 0 && timers_before(t, t->heap[i], t->heap[(i - 1) / 2])) {
		timers_swap(t, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
	for (;;) {
		uint32_t least = i, left = 2 * i + 1;

		if (left < t->count && timers_before(t, t->heap[left], t->heap[least]))
			least = left;
		if (left + 1 < t->count && timers_before(t, t->heap[left + 1], t->heap[least]))
			least = left + 1;
		if (least == i)
			return;
		timers_swap(t, i, least);
		i = least;
	}
}
