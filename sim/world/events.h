/* SPDX-License-Identifier: BSD-2-Clause */
/* events.h: what will happen later: a heap ordered by (virtual time, insertion number), so that of two
 * events of one moment the one that was added first comes first, always. */
#ifndef SIM_EVENTS_H
#define SIM_EVENTS_H

#include "miresga/packet.h"

struct event {
	uint64_t due_ns;
	uint64_t number; /* of the insertion */
	struct packet *packet;
	uint32_t what, where; /* the host's */
};

struct events {
	struct event *heap;
	uint32_t count, room, max;
	uint64_t next_number;
};

/* At most `max` > 0 events wait at a time; no memory is taken yet. */
void events_init(struct events *e, uint32_t max);
void events_fini(struct events *e);
/* Takes a copy; event->number is given here. False if `max` wait already, or memory is short: nothing happened. */
bool events_add(struct events *e, const struct event *event);
/* Takes the first one out; there must be one. */
struct event events_take(struct events *e);

/* When the first one is due; TIME_NEVER if there is none. */
static inline uint64_t events_due(const struct events *e)
{
	return e->count ? e->heap[0].due_ns : TIME_NEVER;
}

#endif
