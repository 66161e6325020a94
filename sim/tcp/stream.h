/* SPDX-License-Identifier: BSD-2-Clause */
/* stream.h: one direction of one recorded connection: what the trace holds of it, what has been
 * delivered of it in this run, and the comparison of the two.
 *
 * Positions are offsets in sequence space from the initial sequence number: the SYN is 0, the
 * first byte 1, the FIN takes one. Bytes are kept from when they are recorded until they have
 * been delivered, compared and taken by the output. */
#ifndef SIM_STREAM_H
#define SIM_STREAM_H

#include "ranges.h"

/* Bytes that may be recorded but not delivered; also how far ahead a segment may lie. */
#define STREAM_SPAN_MAX (UINT64_C(64) << 20)
#define STREAM_NONE UINT64_MAX

struct stream {
	struct ranges known;	/* recorded, SYN and FIN included */
	struct ranges received; /* delivered, SYN and FIN included */
	uint64_t fin;		/* offset of the recorded FIN, or STREAM_NONE */
	uint64_t taken;		/* bytes before this offset have left memory */
	uint64_t mismatch;	/* offset of the first byte that was delivered otherwise, or STREAM_NONE */
	uint8_t expected, got;	/* there; equal: the recording has no such byte */
	uint8_t *ring;		/* bytes [taken, taken + ring_size), by offset modulo ring_size */
	uint64_t ring_size;	/* a power of two, or 0 */
};

enum stream_result {
	STREAM_OK,
	STREAM_TOO_FAR, /* beyond STREAM_SPAN_MAX; nothing was stored */
	STREAM_NO_MEMORY,
};

void stream_init(struct stream *s);
void stream_fini(struct stream *s);
/* `raw` is a sequence number minus the ISN; the offset nearest to what is recorded and delivered. May be below 0. */
static inline int64_t stream_offset(const struct stream *s, uint32_t raw)
{
	uint64_t near = MAX(ranges_max(&s->known), ranges_head(&s->received));

	return (int64_t)near + (int32_t)(raw - (uint32_t)near);
}
/* Bytes of the recording. What was recorded before at an offset stays (a retransmission is the same or loses). */
enum stream_result stream_record(struct stream *s, uint64_t offset, const uint8_t *data, uint32_t len);
enum stream_result stream_record_fin(struct stream *s, uint64_t offset);
/* Bytes that an endpoint got. Compares what it had not got before. */
enum stream_result stream_deliver(struct stream *s, uint64_t offset, const uint8_t *data, uint32_t len);
/* End of what was delivered without a hole, bytes only (the FIN does not count). */
static inline uint64_t stream_in_order(const struct stream *s)
{
	return MIN(MAX(ranges_head(&s->received), 1), s->fin);
}
/* The next in-order bytes that were not taken: pointer and length (0: none); a piece at a time. */
uint64_t stream_peek(const struct stream *s, const uint8_t **data);
void stream_take(struct stream *s, uint64_t len);
/* Recorded bytes [from, to) that were not taken, at least one: pointer and length, a piece at a time. */
uint32_t stream_recorded(const struct stream *s, uint64_t from, uint64_t to, const uint8_t **data);
/* Bytes in order that were not taken. */
static inline uint64_t stream_waiting(const struct stream *s)
{
	uint64_t end = stream_in_order(s);

	return end > s->taken ? end - s->taken : 0;
}
/* True if every byte that is recorded or delivered has been taken. */
bool stream_empty(const struct stream *s);
/* Gives back the bytes' memory; what has not been taken is lost. More may come all the same. */
void stream_drop(struct stream *s);
/* True if everything recorded has been delivered; else *gap is the first part that was not. */
bool stream_complete(const struct stream *s, struct range *gap);

#endif
