/* SPDX-License-Identifier: BSD-2-Clause */
/* stream.c: recorded and delivered bytes of one direction, compared and forgotten.
 *
 * Life-cycle: stream_record() as the trace is read, stream_deliver() as packets reach their
 * endpoint, stream_peek()/stream_take() by whoever writes the delivered bytes away (or nobody:
 * then they are taken as they come). The comparison happens at delivery, byte for byte at the
 * byte's own offset, so the order of arrival does not matter.
 *
 * Invariants: the ring holds what is recorded or delivered at or after `taken`; a delivered byte
 * overwrites the recorded one, so that what is taken is what the endpoint got.
 *
 * Refusals: STREAM_TOO_FAR, STREAM_NO_MEMORY (also for more than RANGES_MAX holes). */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

#define RING_FIRST 4096u

void stream_init(struct stream *s)
{
	*s = (struct stream){ .fin = STREAM_NONE, .mismatch = STREAM_NONE, .taken = 1 };
}

void stream_fini(struct stream *s)
{
	ranges_fini(&s->known);
	ranges_fini(&s->received);
	stream_drop(s);
}

bool stream_empty(const struct stream *s)
{
	uint64_t end = MAX(ranges_max(&s->known), ranges_max(&s->received));

	return end <= s->taken + (s->fin == s->taken);
}

void stream_drop(struct stream *s)
{
	free(s->ring);
	s->ring = NULL;
	s->ring_size = 0;
}

/* Makes the ring hold offsets up to `end`. */
static enum stream_result stream_reserve(struct stream *s, uint64_t end)
{
	uint64_t size = s->ring_size ? s->ring_size : RING_FIRST, old = s->ring_size;
	uint8_t *ring;

	if (end - s->taken > STREAM_SPAN_MAX)
		return STREAM_TOO_FAR;
	while (size < end - s->taken)
		size *= 2;
	if (size == old)
		return STREAM_OK;
	ring = malloc(size);
	if (!ring)
		return STREAM_NO_MEMORY;
	for (uint64_t at = s->taken, n; at < s->taken + old; at += n) {
		n = MIN(old - at % old, size - at % size);
		n = MIN(n, s->taken + old - at);
		memcpy(ring + at % size, s->ring + at % old, n);
	}
	free(s->ring);
	s->ring = ring;
	s->ring_size = size;
	return STREAM_OK;
}

static void ring_put(struct stream *s, uint64_t at, const uint8_t *data, uint64_t len)
{
	uint64_t place = at & (s->ring_size - 1), first = MIN(len, s->ring_size - place);

	memcpy(s->ring + place, data, first);
	memcpy(s->ring, data + first, len - first);
}

enum stream_result stream_record(struct stream *s, uint64_t offset, const uint8_t *data, uint32_t len)
{
	uint64_t end = offset + len, from = MAX(offset, s->taken);
	struct range gap;
	enum stream_result result;

	if (from < end) {
		result = stream_reserve(s, end);
		if (result != STREAM_OK)
			return result;
		for (; ranges_gap(&s->known, from, end, &gap); from = gap.hi)
			ring_put(s, gap.lo, data + (gap.lo - offset), gap.hi - gap.lo);
	}
	return ranges_add(&s->known, offset, end) ? STREAM_OK : STREAM_NO_MEMORY;
}

enum stream_result stream_record_fin(struct stream *s, uint64_t offset)
{
	if (s->fin != STREAM_NONE)
		return STREAM_OK;
	if (offset > s->taken + STREAM_SPAN_MAX)
		return STREAM_TOO_FAR;
	s->fin = offset;
	return ranges_add(&s->known, offset, offset + 1) ? STREAM_OK : STREAM_NO_MEMORY;
}

static void stream_differs(struct stream *s, uint64_t at, uint8_t expected, uint8_t got)
{
	if (s->mismatch != STREAM_NONE && s->mismatch <= at)
		return;
	s->mismatch = at;
	s->expected = expected;
	s->got = got;
}

/* Compares [lo, hi), which had not been delivered before, with the recording: true if it is the same. */
static bool stream_compare(struct stream *s, struct range part, const uint8_t *data)
{
	struct range unknown;
	uint64_t at = part.lo, n;
	bool known = !ranges_gap(&s->known, part.lo, part.hi, &unknown);

	if (!known) {
		stream_differs(s, unknown.lo, 0, 0);
		part.hi = unknown.lo; /* what precedes it is compared, what follows is no use */
	}
	for (; at < part.hi; at += n) {
		uint64_t place = at & (s->ring_size - 1);
		const uint8_t *is = data + (at - part.lo);

		n = MIN(part.hi - at, s->ring_size - place);
		if (LIKELY(!memcmp(s->ring + place, is, n)))
			continue;
		for (uint64_t i = 0; i < n; i++) {
			if (s->ring[place + i] != is[i]) {
				stream_differs(s, at + i, s->ring[place + i], is[i]);
				return false;
			}
		}
	}
	return known;
}

enum stream_result stream_deliver(struct stream *s, uint64_t offset, const uint8_t *data, uint32_t len)
{
	uint64_t end = offset + len, from = MAX(offset, s->taken);
	enum stream_result result;
	struct range part;

	if (from >= end)
		return STREAM_OK;
	result = stream_reserve(s, end);
	if (result != STREAM_OK)
		return result;
	for (; ranges_gap(&s->received, from, end, &part); from = part.hi) {
		if (!stream_compare(s, part, data + (part.lo - offset)))
			ring_put(s, part.lo, data + (part.lo - offset), part.hi - part.lo);
	}
	return ranges_add(&s->received, offset, end) ? STREAM_OK : STREAM_NO_MEMORY;
}

uint64_t stream_peek(const struct stream *s, const uint8_t **data)
{
	uint64_t len = stream_waiting(s), place;

	if (!len)
		return 0;
	place = s->taken & (s->ring_size - 1);
	*data = s->ring + place;
	return MIN(len, s->ring_size - place);
}

uint32_t stream_recorded(const struct stream *s, uint64_t from, uint64_t to, const uint8_t **data)
{
	uint64_t place = from & (s->ring_size - 1);

	MUST(s->taken <= from && from < to && to <= s->taken + s->ring_size);
	*data = s->ring + place;
	return (uint32_t)MIN(to - from, s->ring_size - place);
}

void stream_take(struct stream *s, uint64_t len)
{
	s->taken += len;
}

bool stream_complete(const struct stream *s, struct range *gap)
{
	for (uint32_t i = 0; i < s->known.count; i++)
		if (ranges_gap(&s->received, s->known.v[i].lo, s->known.v[i].hi, gap))
			return false;
	return true;
}
