/* SPDX-License-Identifier: BSD-2-Clause */
/* ring.c: the memory of a packet ring; its two hot ends are inline in ring.h.
 *
 * The slots are allocated once; the ring owns no packets, so whoever drains it frees them. */
#include "miresga/ring.h"

#include <stdlib.h>

int ring_init(struct ring *r, uint32_t size)
{
	MUST(size && (size & (size - 1)) == 0);
	atomic_init(&r->head, 0);
	atomic_init(&r->tail, 0);
	r->mask = size - 1;
	r->slots = calloc(size, sizeof(struct packet *));
	return r->slots ? 0 : -1;
}

void ring_fini(struct ring *r)
{
	free(r->slots);
	r->slots = NULL;
}
