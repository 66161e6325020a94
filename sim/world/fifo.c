/* SPDX-License-Identifier: BSD-2-Clause */
/* fifo.c: the memory of a ring that grows to what the run needs and then allocates no more.
 *
 * The ring owns no packets. Refusal: no memory. */
#include "fifo.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 64u

void fifo_fini(struct fifo *f)
{
	free(f->items);
	*f = (struct fifo){ 0 };
}

static bool fifo_grow(struct fifo *f)
{
	uint32_t room = f->room ? 2 * f->room : ROOM_FIRST, tail = f->room - f->head;
	struct fifo_item *grown = malloc(room * sizeof(*grown));

	if (!grown)
		return false;
	if (f->room) { /* full: from head to the end, then from the start to head */
		memcpy(grown, f->items + f->head, tail * sizeof(*grown));
		memcpy(grown + tail, f->items, f->head * sizeof(*grown));
	}
	free(f->items);
	f->items = grown;
	f->room = room;
	f->head = 0;
	return true;
}

bool fifo_push(struct fifo *f, const struct fifo_item *item)
{
	if (UNLIKELY(f->count == f->room) && !fifo_grow(f))
		return false;
	f->items[(f->head + f->count++) & (f->room - 1)] = *item;
	return true;
}
