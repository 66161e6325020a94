/* SPDX-License-Identifier: BSD-2-Clause */
/* stream_buffer.c: reassembly in a fixed window. Ranges are kept sorted, disjoint and merged;
 * a byte that was stored once is never overwritten, so that what a parser has read and what a
 * backend gets are the same bytes. Refuses (returns false) instead of growing. */
#include "stream_buffer.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int stream_buffer_pool_init(struct stream_buffer_pool *pool, uint32_t count, uint32_t size)
{
	memset(pool, 0, sizeof(*pool));
	pool->all = calloc(count, sizeof(*pool->all));
	pool->memory_size = (size_t)count * size;
	pool->memory = mmap(NULL, pool->memory_size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pool->memory == MAP_FAILED)
		pool->memory = NULL;
	if (!pool->all || !pool->memory) {
		stream_buffer_pool_fini(pool);
		return -1;
	}
	pool->count = count;
	pool->size = size;
	return 0;
}

void stream_buffer_pool_fini(struct stream_buffer_pool *pool)
{
	if (pool->memory)
		munmap(pool->memory, pool->memory_size);
	free(pool->all);
	memset(pool, 0, sizeof(*pool));
}

/* All that have been in use are: the next one, which nobody has touched yet. */
static struct stream_buffer *fresh_buffer(const struct stream_buffer_pool *pool)
{
	struct stream_buffer *b = &pool->all[pool->used_peak];

	if (pool->used_peak == pool->count)
		return NULL;
	b->bytes = pool->memory + (size_t)pool->used_peak * pool->size;
	b->size = pool->size;
	return b;
}

struct stream_buffer *stream_buffer_get(struct stream_buffer_pool *pool, uint32_t base)
{
	struct stream_buffer *b = pool->free;

	if (b)
		pool->free = b->next_free;
	else
		b = fresh_buffer(pool);
	if (!b)
		return NULL;
	pool->used++;
	pool->used_peak = MAX(pool->used_peak, pool->used);
	b->base = base;
	b->range_count = 0;
	return b;
}

void stream_buffer_put(struct stream_buffer_pool *pool, struct stream_buffer *b)
{
	if (!b)
		return;
	b->next_free = pool->free;
	pool->free = b;
	pool->used--;
}

/* Copies the parts of [start, end) that no range covers; data[0] is byte `origin`. */
static void copy_gaps(struct stream_buffer *b, uint32_t start, uint32_t end, uint32_t origin, const uint8_t *data)
{
	uint32_t at = start;

	for (unsigned i = 0; i < b->range_count && seq_lt(at, end); i++) {
		const struct stream_range *r = &b->ranges[i];

		if (seq_le(r->end, at))
			continue;
		if (seq_lt(at, r->start)) {
			uint32_t stop = seq_min(r->start, end);

			memcpy(b->bytes + (at - b->base), data + (at - origin), stop - at);
		}
		at = seq_max(at, r->end);
	}
	if (seq_lt(at, end))
		memcpy(b->bytes + (at - b->base), data + (at - origin), end - at);
}

bool stream_buffer_insert(struct stream_buffer *b, uint32_t seq, const uint8_t *data, uint32_t len)
{
	uint32_t start = seq_max(seq, b->base), end = seq_add(seq, len);
	unsigned first = 0, last;

	if (seq_le(end, start))
		return true;
	if (end - b->base > b->size)
		return false;
	while (first < b->range_count && seq_lt(b->ranges[first].end, start))
		first++;
	last = first; /* one past the last range that touches [start, end] */
	while (last < b->range_count && seq_le(b->ranges[last].start, end))
		last++;
	if (first == last && b->range_count == STREAM_BUFFER_RANGES)
		return false;
	copy_gaps(b, start, end, seq, data);
	if (last > first) {
		start = seq_min(start, b->ranges[first].start);
		end = seq_max(end, b->ranges[last - 1].end);
	}
	memmove(&b->ranges[first + 1], &b->ranges[last], (b->range_count - last) * sizeof(b->ranges[0]));
	b->range_count = (uint16_t)(b->range_count - (last - first) + 1);
	b->ranges[first] = (struct stream_range){ .start = start, .end = end };
	return true;
}

uint32_t stream_buffer_end(const struct stream_buffer *b)
{
	return b->range_count > 0 && b->ranges[0].start == b->base ? b->ranges[0].end : b->base;
}

bool stream_buffer_run(const struct stream_buffer *b, uint32_t from, uint32_t *start, uint32_t *end)
{
	for (unsigned i = 0; i < b->range_count; i++)
		if (seq_gt(b->ranges[i].end, from)) {
			*start = seq_max(b->ranges[i].start, from);
			*end = b->ranges[i].end;
			return true;
		}
	return false;
}

uint32_t stream_buffer_last(const struct stream_buffer *b)
{
	return b->range_count > 0 ? b->ranges[b->range_count - 1].end : b->base;
}

void stream_buffer_discard(struct stream_buffer *b, uint32_t upto)
{
	uint32_t last = stream_buffer_last(b);
	unsigned keep = 0;

	if (upto == b->base)
		return;
	if (seq_lt(upto, last))
		memmove(b->bytes, b->bytes + (upto - b->base), last - upto);
	for (unsigned i = 0; i < b->range_count; i++) {
		struct stream_range r = b->ranges[i];

		if (seq_le(r.end, upto))
			continue;
		r.start = seq_max(r.start, upto);
		b->ranges[keep++] = r;
	}
	b->range_count = (uint16_t)keep;
	b->base = upto;
}
