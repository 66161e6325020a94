/* SPDX-License-Identifier: BSD-2-Clause */
/* fifo.h: a growing ring of what waits in front of a line or a core, oldest first. */
#ifndef SIM_FIFO_H
#define SIM_FIFO_H

#include "miresga/packet.h"

struct fifo_item {
	uint64_t at_ns; /* when its waiting ends */
	struct packet *packet;
	uint32_t value;
};

struct fifo {
	struct fifo_item *items; /* room is a power of two, or 0 */
	uint32_t room, head, count;
};

void fifo_fini(struct fifo *f);
/* False if memory is short: nothing happened. */
bool fifo_push(struct fifo *f, const struct fifo_item *item);

/* The oldest; there must be one. */
static inline struct fifo_item *fifo_first(const struct fifo *f)
{
	return &f->items[f->head];
}

static inline void fifo_pop(struct fifo *f)
{
	f->head = (f->head + 1) & (f->room - 1);
	f->count--;
}

#endif
