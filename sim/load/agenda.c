/* SPDX-License-Identifier: BSD-2-Clause */
/* agenda.c: the heap. An item knows its place, so that it can be moved or taken off. */
#include "agenda.h"

#include <stdlib.h>

void agenda_fini(struct agenda *a)
{
	free(a->heap);
}

static bool before(const struct agenda_item *x, const struct agenda_item *y)
{
	return x->due_ns != y->due_ns ? x->due_ns < y->due_ns : x->order < y->order;
}

static void put(struct agenda *a, uint32_t at, struct agenda_item *item)
{
	a->heap[at] = item;
	item->place = at + 1;
}

/* Finds the place of `item`, from the hole at `at` on. */
static void settle(struct agenda *a, uint32_t at, struct agenda_item *item)
{
	for (; at > 0 && before(item, a->heap[(at - 1) / 2]); at = (at - 1) / 2)
		put(a, at, a->heap[(at - 1) / 2]);
	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= a->count)
			break;
		if (child + 1 < a->count && before(a->heap[child + 1], a->heap[child]))
			child++;
		if (!before(a->heap[child], item))
			break;
		put(a, at, a->heap[child]);
		at = child;
	}
	put(a, at, item);
}

static void take_off(struct agenda *a, struct agenda_item *item)
{
	uint32_t at = item->place - 1;
	struct agenda_item *last = a->heap[--a->count];

	item->place = 0;
	if (last != item)
		settle(a, at, last);
}

bool agenda_set(struct agenda *a, struct agenda_item *item, uint64_t due_ns)
{
	struct agenda_item **grown;

	if (item->place && item->due_ns == due_ns)
		return true;
	if (due_ns == TIME_NEVER) {
		if (item->place)
			take_off(a, item);
		return true;
	}
	if (!item->place && a->count == a->room) {
		uint32_t room = a->room ? 2 * a->room : 1024;

		grown = realloc(a->heap, room * sizeof(*grown));
		if (!grown)
			return false;
		a->heap = grown;
		a->room = room;
	}
	item->due_ns = due_ns;
	item->order = a->order++;
	settle(a, item->place ? item->place - 1 : a->count++, item);
	return true;
}

struct agenda_item *agenda_take(struct agenda *a, uint64_t now_ns)
{
	struct agenda_item *first = a->count ? a->heap[0] : NULL;

	if (!first || first->due_ns > now_ns)
		return NULL;
	take_off(a, first);
	return first;
}
