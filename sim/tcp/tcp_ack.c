/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_ack.c: the fifth check of a segment's arrival: what its acknowledgement
 * and window say (RFC 9293 §3.10.7.4).
 *
 * Refusals (the segment is dropped): an acknowledgement of what was never sent,
 * or older than anything that can still be under way (RFC 5961 §5); both draw a
 * challenge ACK. */
#include "tcp_internal.h"

/* Everything before `ack` has arrived. */
static void ack_advance(struct tcp *c, const struct tcp_arrival *a)
{
	uint32_t before = tcp_snd_bytes(c), after;

	c->snd.una_at += a->ack - c->snd.una;
	c->snd.una = a->ack;
	after = tcp_snd_bytes(c);
	tcp_count_buffered(c->stack, (int64_t)after - (int64_t)before);
	if (!after)
		tcp_ring_free(c->stack, &c->snd.ring);
	c->retransmits = 0;
	tcp_rtt_ack(c, a);
	c->rexmit_ns = TIME_NEVER; /* RFC 6298 §5.2, §5.3: armed anew by what is sent,
				      or still in flight */
	if (before != after || tcp_fin_sent(c)) {
		if (!after && (!c->snd.fin_wanted || seq_gt(c->snd.una, c->snd.end)))
			tcp_event_note(c, TCP_EVENT_ALL_ACKED);
	}
	/* As Linux: not for each byte, but when a third is free. */
	if (c->snd.full && after <= c->settings->send_buffer / 3 * 2) {
		c->snd.full = false;
		tcp_event_note(c, TCP_EVENT_WRITABLE);
	}
}

/* RFC 9293 §3.10.7.4: not from an old segment. True if the window is another
 * one now. */
static bool ack_window(struct tcp *c, const struct tcp_arrival *a)
{
	struct tcp_send *s = &c->snd;
	uint32_t wnd = a->window << s->wscale, was = s->wnd;

	if (seq_lt(s->wl1, a->seq) || (s->wl1 == a->seq && seq_le(s->wl2, a->ack))) {
		s->wnd = wnd;
		s->wnd_max = MAX(s->wnd_max, wnd);
		s->wl1 = a->seq;
		s->wl2 = a->ack;
	}
	return s->wnd != was;
}

bool tcp_ack(struct tcp *c, const struct tcp_arrival *a)
{
	struct tcp_news news = { .flight = tcp_flight(c), .sacked_before = c->cc.sacked_bytes };
	bool window;

	if (seq_gt(a->ack, c->snd.nxt)) {
		tcp_send_challenge(c, a->now_ns);
		return false;
	}
	if (seq_lt(a->ack, c->snd.una)) {
		if (c->snd.una - a->ack <= c->snd.wnd_max)
			return true; /* late; its data may be new */
		tcp_send_challenge(c, a->now_ns);
		return false;
	}
	c->probes = 0; /* someone is there */
	news.acked = a->ack - c->snd.una;
	if (news.acked)
		ack_advance(c, a);
	window = ack_window(c, a);
	if (a->options.sack_blocks)
		news.sacked = tcp_sack_received(c, a);
	news.duplicate = !news.acked && !window && a->seq == a->end && news.flight;
	if (c->persisting && window) {
		c->rexmit_ns = TIME_NEVER;
		c->rtt.backoff = 0;
	}
	tcp_congestion_ack(c, &news);
	return true;
}
