/* SPDX-License-Identifier: BSD-2-Clause */
/* events.c: the simulator's heap of events.
 *
 * Four children a node: half the levels of a binary heap, and the four stand side by side in two
 * cache lines. The memory doubles until it holds what the run needs; from then on an event
 * allocates nothing. Insertion numbers make the order total: no two runs can differ in it.
 *
 * Refusals: more than `max` events, or no memory. */
#include "events.h"

#include <stdlib.h>

#define CHILDREN 4u
#define ROOM_FIRST 1024u

void events_init(struct events *e, uint32_t max)
{
	MUST(max > 0);
	*e = (struct events){ .max = max };
}

void events_fini(struct events *e)
{
	free(e->heap);
	*e = (struct events){ 0 };
}

static bool event_before(const struct event *a, const struct event *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static bool events_grow(struct events *e)
{
	uint32_t room = e->room > e->max / 2 ? e->max : MAX(2 * e->room, MIN(ROOM_FIRST, e->max));
	struct event *grown;

	if (e->room == e->max)
		return false;
	grown = realloc(e->heap, room * sizeof(*grown));
	if (!grown)
		return false;
	e->heap = grown;
	e->room = room;
	return true;
}

bool events_add(struct events *e, const struct event *event)
{
	struct event added = *event;
	uint32_t i = e->count;

	if (UNLIKELY(i == e->room) && !events_grow(e))
		return false;
	added.number = e->next_number++;
	e->count++;
	while (i > 0 && event_before(&added, &e->heap[(i - 1) / CHILDREN])) {
		e->heap[i] = e->heap[(i - 1) / CHILDREN];
		i = (i - 1) / CHILDREN;
	}
	e->heap[i] = added;
	return true;
}

struct event events_take(struct events *e)
{
	struct event first, last;
	uint32_t i = 0;

	MUST(e->count > 0);
	first = e->heap[0];
	last = e->heap[--e->count];
	for (;;) {
		uint32_t child = CHILDREN * i + 1, end = MIN(child + CHILDREN, e->count), least = child;

		if (child >= e->count)
			break;
		while (++child < end)
			if (event_before(&e->heap[child], &e->heap[least]))
				least = child;
		if (!event_before(&e->heap[least], &last))
			break;
		e->heap[i] = e->heap[least];
		i = least;
	}
	e->heap[i] = last;
	return first;
}
