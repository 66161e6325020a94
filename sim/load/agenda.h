/* SPDX-License-Identifier: BSD-2-Clause */
/* agenda.h: what is due when: a heap of intrusive items, ordered by (time, number of the call that
 * set it), so that what is due at once comes in the order in which it was asked for. */
#ifndef SIM_AGENDA_H
#define SIM_AGENDA_H

#include "miresga/base.h"

struct agenda_item {
	uint64_t due_ns, order;
	uint32_t place; /* in the heap, from 1; 0: not there */
	uint8_t kind;	/* the owner's */
};

/* An item's place; its time and order may be earlier than the item's own. */
struct agenda_slot {
	uint64_t due_ns, order;
	struct agenda_item *item;
};

struct agenda {
	struct agenda_slot *heap;
	uint32_t count, room;
	uint64_t order;
};

void agenda_fini(struct agenda *a);
/* TIME_NEVER takes it off. False if memory is short: the item is where it was. */
bool agenda_set(struct agenda *a, struct agenda_item *item, uint64_t due_ns);

/* When the first item is due; TIME_NEVER if there is none. */
uint64_t agenda_due(struct agenda *a);
/* Takes the first item off if it is due by `now_ns`; NULL if none is. */
struct agenda_item *agenda_take(struct agenda *a, uint64_t now_ns);

#endif
