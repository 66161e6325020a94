/* SPDX-License-Identifier: BSD-2-Clause */
/* tape.c: frames in memory, in the order in which they were read.
 *
 * Life: tape_room() and tape_keep() in turn, a frame at a time; then tape_rewind() and tape_next(), as often as wanted.
 * Memory is taken a block at a time, and never moves, so the datagrams may be written to where they stand. In a block
 * lie records, each with its datagram behind it: reading them is going straight through memory.
 *
 * Invariant: from tape_room() to tape_keep() the newest block has room for the longest record.
 * Refusals: blocks beyond the bound, no memory. What the tape holds stays. */
#include "tape.h"

#include <stdalign.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Of the size of a huge page: thousands of small ones cost as much as reading the file again. */
#define BLOCK_SIZE (2u << 20)
/* Of the longest record, with what aligns the next one. */
#define RECORD_MAX (sizeof(struct tape_record) + DATAGRAM_MAX + alignof(struct tape_record))

/* How far ahead of writer and reader memory is fetched, in bytes: a frame or two. */
#define AHEAD 3072u
#define CACHE_LINE 64u

struct block {
	struct block *next;
	uint32_t used; /* of bytes[] */
	alignas(struct tape_record) uint8_t bytes[];
};

#define BLOCK_ROOM (BLOCK_SIZE - (uint32_t)sizeof(struct block))

struct tape {
	uint64_t left; /* bytes that may still be taken */
	struct block *first, *last;
	/* the next record to read */
	const struct block *at;
	uint32_t offset;
};

struct tape *tape_create(uint64_t max)
{
	struct tape *t = malloc(sizeof(*t));

	if (t)
		*t = (struct tape){ .left = max };
	return t;
}

void tape_free(struct tape *t)
{
	while (t && t->first) {
		struct block *next = t->first->next;

		free(t->first);
		t->first = next;
	}
	free(t);
}

static bool add_block(struct tape *t)
{
	struct block *b = t->left < BLOCK_SIZE ? NULL : aligned_alloc(BLOCK_SIZE, BLOCK_SIZE);

	if (!b)
		return false;
	madvise(b, BLOCK_SIZE, MADV_HUGEPAGE); /* a wish */
	t->left -= BLOCK_SIZE;
	b->next = NULL;
	b->used = 0;
	if (t->last)
		t->last->next = b;
	else
		t->first = b;
	t->last = b;
	return true;
}

/* While [from, to) is written or read. */
static void fetch_ahead(const struct block *b, uint32_t from, uint32_t to)
{
	uint32_t end = MIN(to + AHEAD, BLOCK_ROOM);

	for (uint32_t at = from + AHEAD; at < end; at += CACHE_LINE)
		PREFETCH(b->bytes + at);
}

static struct tape_record *next_place(const struct tape *t)
{
	return (struct tape_record *)(void *)(t->last->bytes + t->last->used);
}

uint8_t *tape_room(struct tape *t)
{
	bool fits = t->last && BLOCK_ROOM - t->last->used >= RECORD_MAX;

	return fits || add_block(t) ? (uint8_t *)(next_place(t) + 1) : NULL;
}

/* Bytes of a record with its datagram; the next one begins behind them. */
static uint32_t size(const struct tape_record *record)
{
	uint32_t len = record->packet.ip == (const uint8_t *)(record + 1) ? record->packet.len : 0;

	return (uint32_t)((sizeof(*record) + len + alignof(struct tape_record) - 1) &
			  ~(alignof(struct tape_record) - 1));
}

void tape_keep(struct tape *t, const struct tape_record *record)
{
	struct tape_record *kept = next_place(t);
	struct block *b = t->last;
	uint32_t len;

	*kept = *record;
	len = size(kept);
	fetch_ahead(b, b->used, b->used + len);
	b->used += len;
}

void tape_rewind(struct tape *t)
{
	t->at = t->first;
	t->offset = 0;
}

const struct tape_record *tape_next(struct tape *t)
{
	const struct tape_record *record;
	uint32_t len;

	if (t->at && t->offset == t->at->used) {
		t->at = t->at->next;
		t->offset = 0;
	}
	if (!t->at || t->offset == t->at->used)
		return NULL;
	record = (const void *)(t->at->bytes + t->offset);
	len = size(record);
	fetch_ahead(t->at, t->offset, t->offset + len);
	t->offset += len;
	return record;
}
