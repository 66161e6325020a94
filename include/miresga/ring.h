/* SPDX-License-Identifier: BSD-2-Clause */
/* ring.h: single-producer single-consumer ring of packets; what wires switch, front-ends,
 * agents and servers. Head and tail live on their own cache lines and are published with
 * release/acquire, so that a host may run the two ends in different threads. */
#ifndef MIRESGA_RING_H
#define MIRESGA_RING_H

#include <stdalign.h>
#include <stdatomic.h>

#include "miresga/packet.h"

struct ring {
	alignas(64) _Atomic uint32_t head; /* next to read; the consumer's */
	alignas(64) _Atomic uint32_t tail; /* next to write; the producer's */
	alignas(64) uint32_t mask;
	struct packet **slots;
};

/* `size` is a power of two. Returns 0, or -1 if memory is short. */
int ring_init(struct ring *r, uint32_t size);
void ring_fini(struct ring *r);

static inline uint32_t ring_count(struct ring *r)
{
	return atomic_load_explicit(&r->tail, memory_order_acquire) -
	       atomic_load_explicit(&r->head, memory_order_acquire);
}

/* False when full; the packet stays the caller's. */
static inline bool ring_push(struct ring *r, struct packet *p)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	if (tail - atomic_load_explicit(&r->head, memory_order_acquire) > r->mask)
		return false;
	r->slots[tail & r->mask] = p;
	atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
	return true;
}

/* Takes up to `max` packets into `out`; returns how many. */
static inline uint32_t ring_pop(struct ring *r, struct packet **out, uint32_t max)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t n = MIN(atomic_load_explicit(&r->tail, memory_order_acquire) - head, max);

	for (uint32_t i = 0; i < n; i++)
		out[i] = r->slots[(head + i) & r->mask];
	atomic_store_explicit(&r->head, head + n, memory_order_release);
	return n;
}

#endif
