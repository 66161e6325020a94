/* SPDX-License-Identifier: BSD-2-Clause */
/* agenda.c: the heap, four children a node. An item knows its place, so that it can be moved or taken off.
 *
 * Most items are timeouts that move into the future whenever something happens, and never come. So
 * an item that is set to a later time stays where it is; only when its slot comes to the top is it
 * moved to where it belongs. What is asked of the agenda is asked of a top that is in order.
 *
 * Invariants: a slot is never later than its item; between slots the order of a heap holds. So a
 * top slot that is as late as its item is the first of all. A million items are scattered over
 * memory: slots carry what is compared. */
#include "agenda.h"

#include <stdlib.h>

#define CHILDREN 4u

void agenda_fini(struct agenda *a)
{
	free(a->heap);
}

static bool before(const struct agenda_slot *x, const struct agenda_slot *y)
{
	return x->due_ns != y->due_ns ? x->due_ns < y->due_ns : x->order < y->order;
}

static void put(struct agenda *a, uint32_t at, const struct agenda_slot *slot)
{
	a->heap[at] = *slot;
	slot->item->place = at + 1;
}

/* Finds the place of the slot, from the hole at `at` on. */
static void settle(struct agenda *a, uint32_t at, struct agenda_slot slot)
{
	for (; at > 0 && before(&slot, &a->heap[(at - 1) / CHILDREN]); at = (at - 1) / CHILDREN)
		put(a, at, &a->heap[(at - 1) / CHILDREN]);
	for (;;) {
		uint32_t child = CHILDREN * at + 1, end = MIN(child + CHILDREN, a->count), least = child;

		if (child >= a->count)
			break;
		while (++child < end)
			if (before(&a->heap[child], &a->heap[least]))
				least = child;
		if (!before(&a->heap[least], &slot))
			break;
		put(a, at, &a->heap[least]);
		at = least;
	}
	put(a, at, &slot);
}

static struct agenda_slot slot_of(struct agenda_item *item)
{
	return (struct agenda_slot){ .due_ns = item->due_ns, .order = item->order, .item = item };
}

static void take_off(struct agenda *a, struct agenda_item *item)
{
	uint32_t at = item->place - 1;
	struct agenda_slot last = a->heap[--a->count];

	item->place = 0;
	if (last.item != item)
		settle(a, at, last);
}

bool agenda_set(struct agenda *a, struct agenda_item *item, uint64_t due_ns)
{
	struct agenda_slot *grown;

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
	if (!item->place || due_ns < a->heap[item->place - 1].due_ns)
		settle(a, item->place ? item->place - 1 : a->count++, slot_of(item));
	return true;
}

/* The first item; NULL if there is none. */
static struct agenda_item *first_of(struct agenda *a)
{
	while (a->count > 0) {
		struct agenda_slot now = slot_of(a->heap[0].item);

		if (!before(&a->heap[0], &now))
			return now.item;
		settle(a, 0, now);
	}
	return NULL;
}

uint64_t agenda_due(struct agenda *a)
{
	const struct agenda_item *first = first_of(a);

	return first ? first->due_ns : TIME_NEVER;
}

struct agenda_item *agenda_take(struct agenda *a, uint64_t now_ns)
{
	struct agenda_item *first = first_of(a);

	if (!first || first->due_ns > now_ns)
		return NULL;
	take_off(a, first);
	return first;
}
