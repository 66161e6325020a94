/* SPDX-License-Identifier: BSD-2-Clause */
/* stream_buffer.h: bytes of one direction of a flow that the front-end must keep: a request head
 * that is not complete, a cached request, segments out of order. Contiguous, so that a parser
 * can read a whole head; of fixed size, from a pool that is made once. */
#ifndef MIRESGA_STREAM_BUFFER_H
#define MIRESGA_STREAM_BUFFER_H

#include "miresga/base.h"
#include "miresga/seq.h"

#define STREAM_BUFFER_RANGES 32

struct stream_range {
	uint32_t start, end; /* sequence numbers, start < end */
};

struct stream_buffer {
	uint8_t *bytes;
	uint32_t size;
	uint32_t base; /* sequence number of bytes[0] */
	uint16_t range_count;
	struct stream_range ranges[STREAM_BUFFER_RANGES]; /* sorted, disjoint, not adjacent */
	struct stream_buffer *next_free;
};

struct stream_buffer_pool {
	struct stream_buffer *all;
	uint8_t *memory;
	size_t memory_size;
	struct stream_buffer *free; /* of those that have been in use: the first used_peak */
	uint32_t count, size, used, used_peak;
};

/* Returns 0, or -1 if memory is short. Memory is touched only when used. */
int stream_buffer_pool_init(struct stream_buffer_pool *pool, uint32_t count, uint32_t size);
void stream_buffer_pool_fini(struct stream_buffer_pool *pool);
/* An empty buffer whose first byte is `base`; NULL when all are in use. */
struct stream_buffer *stream_buffer_get(struct stream_buffer_pool *pool, uint32_t base);
void stream_buffer_put(struct stream_buffer_pool *pool, struct stream_buffer *b);

/* Stores what of [seq, seq + len) is not there yet; bytes below base are ignored, bytes stored
 * before win. False, with nothing stored, if it does not fit or makes too many ranges. */
bool stream_buffer_insert(struct stream_buffer *b, uint32_t seq, const uint8_t *data, uint32_t len);
/* End of the bytes that are contiguous from base; base if there are none. */
uint32_t stream_buffer_end(const struct stream_buffer *b);
/* The first run of stored bytes at or after `from`: [*start, *end), *start >= from. False if there is none. */
bool stream_buffer_run(const struct stream_buffer *b, uint32_t from, uint32_t *start, uint32_t *end);
/* End of the last range; base if there are none. */
uint32_t stream_buffer_last(const struct stream_buffer *b);
/* Forgets everything below `upto` (base <= upto). */
void stream_buffer_discard(struct stream_buffer *b, uint32_t upto);

static inline const uint8_t *stream_buffer_at(const struct stream_buffer *b, uint32_t seq)
{
	return b->bytes + (seq - b->base);
}

#endif
