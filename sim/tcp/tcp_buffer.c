/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_buffer.c: the bytes of a connection: a ring each way, and what has
 * arrived behind holes.
 *
 * Life-cycle: a ring has no memory until there are bytes that must wait,
 * doubles as they grow, and gives its memory back when it is empty: an idle
 * connection holds none. Bytes in order that find an empty ring are shown to
 * the application where they are, in the packet; only what it leaves is copied
 * (tcp_receive_keep()).
 *
 * Invariants: the unread bytes end at rcv.nxt (or the FIN before it) and only
 * the last direct_len of them are outside the ring; what lies behind holes
 * stands in the ring at its place and in `ahead`; nothing is kept beyond
 * rcv.adv.
 *
 * Refusals: what is outside the window, beyond the FIN, or makes more than
 * TCP_HOLES_MAX holes is dropped as if lost. */
#include <stdlib.h>

#include "tcp_internal.h"

#define RING_FIRST 2048u
/* Of the smallest rings that were given back so many wait for the next connection that needs one. */
#define RINGS_KEPT 4096u

static uint8_t *ring_memory(struct tcp_stack *s, uint32_t size)
{
	struct tcp_spare_ring *spare = s->rings;

	if (size != RING_FIRST || !spare)
		return malloc(size);
	s->rings = spare->next;
	s->ring_count--;
	return (uint8_t *)spare;
}

void tcp_ring_free(struct tcp_stack *s, struct tcp_ring *r)
{
	struct tcp_spare_ring *spare = (void *)r->bytes;

	if (r->size == RING_FIRST && s->ring_count < RINGS_KEPT) {
		spare->next = s->rings;
		s->rings = spare;
		s->ring_count++;
	} else {
		free(spare);
	}
	*r = (struct tcp_ring){ 0 };
}

void tcp_rings_fini(struct tcp_stack *s)
{
	for (struct tcp_spare_ring *r = s->rings, *next; r; r = next) {
		next = r->next;
		free(r);
	}
}

bool tcp_ring_reserve(struct tcp_stack *s, struct tcp_ring *r, uint32_t from, uint32_t used, uint32_t need)
{
	struct tcp_ring new = { .size = r->size ? r->size : RING_FIRST };

	while (new.size < need)
		new.size *= 2;
	if (new.size == r->size)
		return true;
	new.bytes = ring_memory(s, new.size);
	if (!new.bytes)
		return false;
	for (uint32_t done = 0, n; done < used; done += n) {
		uint32_t place = (from + done) & (r->size - 1);

		n = MIN(used - done, r->size - place);
		tcp_ring_put(&new, from + done, r->bytes + place, n);
	}
	tcp_ring_free(s, r);
	*r = new;
	return true;
}

void tcp_ring_put(struct tcp_ring *r, uint32_t at, const uint8_t *data, uint32_t len)
{
	uint32_t place = at & (r->size - 1), first = MIN(len, r->size - place);

	memcpy(r->bytes + place, data, first);
	if (len > first)
		memcpy(r->bytes, data + first, len - first);
}

const uint8_t *tcp_ring_get(const struct tcp_ring *r, uint32_t at, uint32_t len, uint8_t *scratch)
{
	uint32_t place = at & (r->size - 1), first = MIN(len, r->size - place);

	if (LIKELY(first == len))
		return r->bytes + place;
	memcpy(scratch, r->bytes + place, first);
	memcpy(scratch + first, r->bytes, len - first);
	return scratch;
}

void tcp_count_buffered(struct tcp_stack *s, int64_t by)
{
	s->stats.buffered += (uint64_t)by;
	s->stats.buffered_peak = MAX(s->stats.buffered_peak, s->stats.buffered);
}

/* Where the unread bytes end. */
static uint32_t receive_end(const struct tcp *c)
{
	return c->rcv.nxt - c->rcv.fin_taken;
}

/* Makes the ring hold [first unread, `to`). */
static bool receive_reserve(struct tcp *c, uint32_t to)
{
	struct tcp_receive *r = &c->rcv;
	uint32_t from = receive_end(c) - r->unread;

	/* All that a ring has is copied when it grows: what lies behind holes may be
	 * anywhere in it. */
	return tcp_ring_reserve(c->stack, &r->ring, from, r->ring.size, to - from);
}

bool tcp_receive_keep(struct tcp *c)
{
	struct tcp_receive *r = &c->rcv;
	uint32_t at = receive_end(c) - r->direct_len;

	if (!r->direct_len)
		return true;
	if (!receive_reserve(c, receive_end(c)))
		return false;
	tcp_ring_put(&r->ring, at, r->direct, r->direct_len);
	r->direct = NULL;
	r->direct_len = 0;
	return true;
}

void tcp_receive_drop(struct tcp *c)
{
	tcp_ring_free(c->stack, &c->rcv.ring);
	ranges_fini(&c->rcv.ahead);
	c->rcv.unread = c->rcv.direct_len = 0;
}

uint32_t tcp_peek(const struct tcp *c, const uint8_t **data)
{
	const struct tcp_receive *r = &c->rcv;
	uint32_t place, kept = r->unread - r->direct_len;

	if (!kept) {
		*data = r->direct;
		return r->direct_len;
	}
	place = (receive_end(c) - r->unread) & (r->ring.size - 1);
	*data = r->ring.bytes + place;
	return MIN(kept, r->ring.size - place);
}

void tcp_consume(struct tcp *c, uint32_t len, uint64_t now_ns)
{
	struct tcp_receive *r = &c->rcv;
	uint32_t kept = r->unread - r->direct_len;

	MUST(len <= r->unread);
	if (!len)
		return;
	tcp_count_buffered(c->stack, -(int64_t)len);
	r->unread -= len;
	if (len > kept) {
		r->direct += len - kept;
		r->direct_len -= len - kept;
	}
	if (r->unread == r->direct_len && r->ring.size && !r->ahead.count)
		tcp_ring_free(c->stack, &r->ring);
	if (c->detached) {
		if (!r->unread) {
			c->linger_ns = now_ns; /* tcp_end_orderly() waits for it */
			tcp_timers_arm(c);
		}
		return;
	}
	/* While a segment is being worked on, its acknowledgement will say it. */
	if (!c->pins && tcp_window_worth_telling(c))
		tcp_send_ack(c, now_ns);
}

/* The interval that `seq` touched becomes the first of what is reported: RFC
 * 2018 §4 (a). */
static void receive_recent(struct tcp *c, uint32_t seq)
{
	struct tcp_receive *r = &c->rcv;
	struct range now, old;
	uint32_t keep[TCP_SACK_BLOCKS_MAX];
	uint8_t kept = 1;

	if (!ranges_at(&r->ahead, tcp_rcv_at(c, seq), &now))
		return;
	keep[0] = seq;
	for (uint8_t i = 0; i < r->recents && kept < TCP_SACK_BLOCKS_MAX; i++)
		if (ranges_at(&r->ahead, tcp_rcv_at(c, r->recent[i]), &old) && old.lo != now.lo)
			keep[kept++] = r->recent[i];
	memcpy(r->recent, keep, sizeof(keep));
	r->recents = kept;
}

unsigned tcp_receive_blocks(const struct tcp *c, uint32_t edges[2 * TCP_SACK_BLOCKS_MAX], unsigned max)
{
	const struct tcp_receive *r = &c->rcv;
	unsigned count = 0;
	struct range block;

	if (r->dsack_lo != r->dsack_hi) {
		edges[0] = r->dsack_lo;
		edges[1] = r->dsack_hi;
		count = 1;
	}
	for (uint8_t i = 0; i < r->recents && count < max; i++) {
		if (!ranges_at(&r->ahead, tcp_rcv_at(c, r->recent[i]), &block))
			continue; /* acknowledged meanwhile */
		edges[2 * count] = r->irs + (uint32_t)block.lo;
		edges[2 * count + 1] = r->irs + (uint32_t)block.hi;
		count++;
	}
	return count;
}

static void receive_twice(struct tcp *c, uint32_t lo, uint32_t hi)
{
	if (!c->sack || c->rcv.dsack_lo != c->rcv.dsack_hi)
		return;
	c->rcv.dsack_lo = lo;
	c->rcv.dsack_hi = hi;
}

/* Advances over [nxt, to) and over what was waiting behind it. */
static void receive_advance(struct tcp *c, uint32_t to)
{
	struct tcp_receive *r = &c->rcv;
	struct range next;
	uint32_t from = r->nxt, len;

	/* RFC 2883 §4.1: of what came twice, the first piece. */
	if (UNLIKELY(r->ahead.count)) {
		next = r->ahead.v[0];
		if (next.lo < tcp_rcv_at(c, to))
			receive_twice(c, r->irs + (uint32_t)next.lo, seq_min(r->irs + (uint32_t)next.hi, to));
		while (r->ahead.count && r->ahead.v[0].lo <= tcp_rcv_at(c, to)) {
			to = seq_max(to, r->irs + (uint32_t)r->ahead.v[0].hi);
			ranges_drop_first(&r->ahead);
			r->at_once = true; /* RFC 5681 §4.2: it fills a hole */
		}
		if (!r->ahead.count)
			ranges_fini(&r->ahead);
	}
	len = to - from;
	r->nxt = to;
	r->nxt_at += len;
	r->unread += len;
	tcp_count_buffered(c->stack, len);
	tcp_event_note(c, TCP_EVENT_READABLE);
}

/* [lo, hi) of the stream, in the window and not before nxt. */
static void receive_store(struct tcp *c, uint32_t lo, uint32_t hi, const uint8_t *data)
{
	struct tcp_receive *r = &c->rcv;

	if (LIKELY(lo == r->nxt && !r->unread && !r->ahead.count)) {
		r->direct = data;
		r->direct_len = hi - lo;
		r->delayed = true;
		receive_advance(c, hi);
		return;
	}
	if (!receive_reserve(c, hi))
		return; /* as if it were lost; the peer sends it again */
	if (lo == r->nxt) {
		tcp_ring_put(&r->ring, lo, data, hi - lo);
		r->delayed = true;
		receive_advance(c, hi);
		return;
	}
	c->stack->stats.out_of_order++;
	r->delayed = r->at_once = true; /* RFC 5681 §4.2 */
	if (r->ahead.count >= TCP_HOLES_MAX || !ranges_add(&r->ahead, tcp_rcv_at(c, lo), tcp_rcv_at(c, hi)))
		return;
	tcp_ring_put(&r->ring, lo, data, hi - lo);
	receive_recent(c, lo);
}

void tcp_receive_data(struct tcp *c, const struct tcp_arrival *a)
{
	struct tcp_receive *r = &c->rcv;
	uint32_t seq = a->seq + !!(a->flags & TCP_SYN), end = seq + a->len;
	uint32_t lo = seq_max(seq, r->nxt), hi = seq_min(end, r->adv);
	struct range held;

	if (a->flags & TCP_FIN && !r->fin_known && seq_le(end, r->adv) && seq_ge(end, r->nxt)) {
		r->fin_known = true;
		r->fin = end;
	}
	if (r->fin_known)
		hi = seq_min(hi, r->fin);
	if (seq_lt(seq, r->nxt) && end != seq) {
		receive_twice(c, seq, seq_min(end, r->nxt));
		r->delayed = r->at_once = true;
	}
	/* Nothing of it is new, or nothing of it has room; the segment may be as far off as numbers go, where lo and hi
	 * alone tell nothing. */
	if (seq_le(end, r->nxt) || seq_ge(seq, r->adv) || seq_ge(lo, hi)) {
		c->stack->stats.duplicates += seq_lt(seq, r->nxt);
		r->delayed = r->at_once = true;
		return;
	}
	if (UNLIKELY(r->ahead.count) && lo != r->nxt && ranges_at(&r->ahead, tcp_rcv_at(c, lo), &held) &&
	    held.hi >= tcp_rcv_at(c, hi)) {
		c->stack->stats.duplicates++;
		receive_twice(c, lo, hi);
		receive_recent(c, lo);
		r->delayed = r->at_once = true;
		return;
	}
	r->mss = MAX(r->mss, MIN(a->len, c->settings->mss));
	receive_store(c, lo, hi, a->data + (lo - seq));
}
