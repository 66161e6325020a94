/* SPDX-License-Identifier: BSD-2-Clause */
/* timers.c: the world's indexed heap of due times, four children a node.
 *
 * Every id is always in the heap; what is not due stands there with TIME_NEVER. Moving an id is
 * one sift, so a component may change its mind after every packet. Nothing is refused. */
#include "timers.h"

#include <stdlib.h>

#define CHILDREN 4u

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
	struct timer_slot *heap = realloc(t->heap, count * sizeof(*heap));
	uint32_t *place = realloc(t->place, count * sizeof(*place));

	t->due = due ? due : t->due;
	t->heap = heap ? heap : t->heap;
	t->place = place ? place : t->place;
	if (!due || !heap || !place)
		return -1;
	/* What is never due, and has the highest id, may stand at the end of the heap. */
	for (; t->count < count; t->count++) {
		t->due[t->count] = TIME_NEVER;
		t->heap[t->count] = (struct timer_slot){ .due_ns = TIME_NEVER, .id = t->count };
		t->place[t->count] = t->count;
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

static bool slot_before(const struct timer_slot *a, const struct timer_slot *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->id < b->id;
}

static void slot_put(struct timers *t, uint32_t at, const struct timer_slot *slot)
{
	t->heap[at] = *slot;
	t->place[slot->id] = at;
}

void timers_set(struct timers *t, uint32_t id, uint64_t due_ns)
{
	const struct timer_slot slot = { .due_ns = due_ns, .id = id };
	uint32_t i = t->place[id];

	if (t->due[id] == due_ns)
		return;
	t->due[id] = due_ns;
	for (; i > 0 && slot_before(&slot, &t->heap[(i - 1) / CHILDREN]); i = (i - 1) / CHILDREN)
		slot_put(t, i, &t->heap[(i - 1) / CHILDREN]);
	for (;;) {
		uint32_t child = CHILDREN * i + 1, end = MIN(child + CHILDREN, t->count), least = child;

		if (child >= t->count)
			break;
		while (++child < end)
			if (slot_before(&t->heap[child], &t->heap[least]))
				least = child;
		if (!slot_before(&t->heap[least], &slot))
			break;
		slot_put(t, i, &t->heap[least]);
		i = least;
	}
	slot_put(t, i, &slot);
}
