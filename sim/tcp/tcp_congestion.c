/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_congestion.c: how much may be in the network, and what of it is lost.
 *
 * Slow start and congestion avoidance by bytes (RFC 5681, RFC 3465), limited
 * transmit (RFC 3042), recovery from a SACK scoreboard (RFC 6675) or from
 * duplicate ACKs (NewReno, RFC 6582), both with the window of RFC 6937 (PRR)
 * meanwhile.
 *
 * One estimate serves both: without SACK, each duplicate ACK stands for one
 * segment that has left the network, and the segment at the front is the one
 * that is lost. What is lost lies before `lost_to`, what was sent again of it
 * before `resent_to`; so the bytes in the network follow without a walk over
 * segments. */
#include "tcp_internal.h"

/* RFC 5681 §3.1. */
static uint32_t half_flight(const struct tcp *c)
{
	return MAX(tcp_flight(c) / 2, 2u * c->snd.mss);
}

static uint32_t initial_window(const struct tcp *c)
{
	/* RFC 6928 §2; RFC 5681 §3.1: one segment if the SYN was lost more than once
	 * (as Linux counts). */
	return c->snd.mss * (c->retransmits > 1 ? 1u : c->settings->initial_window);
}

void tcp_congestion_start(struct tcp *c)
{
	c->cc.cwnd = initial_window(c);
	c->cc.ssthresh = UINT32_MAX;
}

void tcp_congestion_idle(struct tcp *c, uint64_t now_ns)
{
	uint32_t restart = MIN(initial_window(c), c->cc.cwnd);
	uint64_t idle = now_ns - c->sent_ns, rto = tcp_rto(c);

	/* RFC 5681 §4.1; RFC 2861: half for each timeout that has passed. */
	for (; idle > rto && c->cc.cwnd > restart; idle -= rto)
		c->cc.cwnd = MAX(c->cc.cwnd / 2, restart);
}

uint32_t tcp_pipe(const struct tcp *c)
{
	const struct tcp_congestion *cc = &c->cc;
	uint32_t pipe = tcp_flight(c) - MIN(cc->sacked_bytes, tcp_flight(c)), from;

	if (cc->mode == TCP_MODE_OPEN)
		return pipe;
	from = seq_max(cc->resent_to, c->snd.una);
	if (seq_gt(cc->lost_to, from))
		pipe -= MIN(pipe, cc->lost_to - from -
					  (uint32_t)ranges_count(&cc->sacked, tcp_snd_at(c, from),
								 tcp_snd_at(c, cc->lost_to)));
	return pipe;
}

bool tcp_lost_piece(const struct tcp *c, uint32_t max, uint32_t *seq, uint32_t *len)
{
	const struct tcp_congestion *cc = &c->cc;
	uint32_t from = seq_max(cc->resent_to, c->snd.una), to = seq_min(cc->lost_to, c->snd.nxt);
	struct range gap;

	if (cc->mode == TCP_MODE_OPEN || seq_ge(from, to) ||
	    !ranges_gap(&cc->sacked, tcp_snd_at(c, from), tcp_snd_at(c, to), &gap))
		return false;
	*seq = c->snd.iss + (uint32_t)gap.lo;
	*len = (uint32_t)MIN(gap.hi - gap.lo, max);
	return true;
}

uint32_t tcp_sack_received(struct tcp *c, const struct tcp_arrival *a)
{
	const uint8_t *at = a->option_bytes + a->options.sack_at + 2;
	struct tcp_congestion *cc = &c->cc;
	uint32_t fresh = 0;

	if (!c->sack)
		return 0;
	for (uint8_t i = 0; i < a->options.sack_blocks; i++, at += 8) {
		uint32_t lo = load_be32(at), hi = load_be32(at + 4), known;

		/* RFC 2883 §4: a D-SACK lies before the acknowledgement; and what was never
		 * sent is nothing. */
		if (seq_ge(lo, hi) || seq_lt(lo, c->snd.una) || seq_le(lo, a->ack) || seq_gt(hi, c->snd.nxt))
			continue;
		known = (uint32_t)ranges_count(&cc->sacked, tcp_snd_at(c, lo), tcp_snd_at(c, hi));
		if (known == hi - lo || cc->sacked.count >= TCP_HOLES_MAX ||
		    !ranges_add(&cc->sacked, tcp_snd_at(c, lo), tcp_snd_at(c, hi)))
			continue;
		fresh += hi - lo - known;
	}
	cc->sacked_bytes += fresh;
	return fresh;
}

/* RFC 6675 §4 IsLost: what has three segments, or as many intervals, SACKed
 * above it. Returns the edge below which that is so; snd.una if nowhere. */
static uint32_t lost_edge(const struct tcp *c)
{
	const struct ranges *r = &c->cc.sacked;
	uint64_t above = 0;

	for (uint32_t i = r->count; i-- > 0;) {
		above += r->v[i].hi - r->v[i].lo;
		if (above > (TCP_DUP_THRESHOLD - 1) * (uint64_t)c->snd.mss || r->count - i >= TCP_DUP_THRESHOLD)
			return c->snd.iss + (uint32_t)r->v[i].lo;
	}
	return c->snd.una;
}

/* The front segment, as far as it is not SACKed. */
static uint32_t front_edge(const struct tcp *c)
{
	return seq_min(c->snd.una + c->snd.mss, c->snd.nxt);
}

static void enter_recovery(struct tcp *c, uint32_t flight)
{
	struct tcp_congestion *cc = &c->cc;

	c->stack->stats.fast_recoveries++;
	cc->mode = TCP_MODE_RECOVERY;
	cc->ssthresh = half_flight(c);
	cc->recover = c->snd.nxt;
	cc->recovering = true;
	cc->resent_to = c->snd.una;
	cc->prr_flight = MAX(flight, 1);
	cc->prr_delivered = cc->prr_out = 0;
	cc->credit = 0;
}

/* What has arrived by this acknowledgement: not once more what had been SACKed, or was taken for gone. */
static uint32_t delivered(const struct tcp *c, const struct tcp_news *news)
{
	uint32_t now = news->acked + c->cc.sacked_bytes;

	return now - MIN(now, news->sacked_before);
}

/* RFC 6937 §3.1, with the reduction bound that slow-starts. */
static void recovery_window(struct tcp *c, const struct tcp_news *news)
{
	struct tcp_congestion *cc = &c->cc;
	uint32_t pipe = tcp_pipe(c), fresh = delivered(c, news), send;
	uint64_t share;

	cc->prr_delivered += fresh;
	if (pipe > cc->ssthresh) {
		share = ((uint64_t)cc->prr_delivered * cc->ssthresh + cc->prr_flight - 1) / cc->prr_flight;
		send = (uint32_t)(share > cc->prr_out ? share - cc->prr_out : 0);
	} else {
		send = MAX(cc->prr_delivered - MIN(cc->prr_out, cc->prr_delivered), fresh) + c->snd.mss;
		send = MIN(send, cc->ssthresh - pipe);
	}
	if (!cc->prr_out) /* the first retransmission is always sent: RFC 6675 §5
			     (4.3) */
		send = MAX(send, c->snd.mss);
	cc->cwnd = pipe + send;
}

static void leave_recovery(struct tcp *c)
{
	c->cc.mode = TCP_MODE_OPEN;
	c->cc.dup_acks = 0;
	if (!c->sack)
		c->cc.sacked_bytes = 0;
}

/* RFC 5681 §3.1. */
static void grow(struct tcp *c, uint32_t acked)
{
	struct tcp_congestion *cc = &c->cc;

	if (cc->cwnd < cc->ssthresh) {
		uint32_t step = MIN(acked, cc->ssthresh - cc->cwnd);

		cc->cwnd += step;
		acked -= step;
	}
	cc->credit += acked;
	if (acked && cc->credit >= cc->cwnd) {
		cc->credit -= cc->cwnd;
		cc->cwnd += c->snd.mss;
	}
}

/* Duplicate ACKs without SACK: as many segments are gone as there were of them,
 * but not the one in front. */
static void count_duplicates(struct tcp *c, const struct tcp_news *news)
{
	struct tcp_congestion *cc = &c->cc;
	uint32_t mss = c->snd.mss, most = tcp_flight(c) > mss ? tcp_flight(c) - mss : 0;

	if (c->sack)
		return;
	if (news->duplicate)
		cc->sacked_bytes += mss;
	else if (news->acked > mss)
		cc->sacked_bytes -= MIN(cc->sacked_bytes, news->acked - mss);
	cc->sacked_bytes = MIN(cc->sacked_bytes, most);
}

static void ack_open(struct tcp *c, const struct tcp_news *news)
{
	struct tcp_congestion *cc = &c->cc;
	uint32_t edge;

	if (news->duplicate || (news->sacked && !news->acked)) {
		cc->dup_acks++;
	} else if (news->acked) {
		cc->dup_acks = 0;
		if (!c->sack)
			cc->sacked_bytes = 0;
		/* RFC 6582 §3.2 step 1; RFC 7661: nothing is learnt of a window that was
		 * not used */
		cc->recovering = cc->recovering && seq_le(c->snd.una, cc->recover);
		if (cc->limited || (cc->cwnd < cc->ssthresh && cc->cwnd < 2 * news->flight))
			grow(c, delivered(c, news));
	}
	count_duplicates(c, news);
	edge = lost_edge(c);
	if (cc->dup_acks >= TCP_DUP_THRESHOLD)
		edge = seq_max(edge, front_edge(c));
	if (seq_le(edge, c->snd.una) || (!c->sack && cc->recovering))
		return;
	enter_recovery(c, news->flight);
	cc->lost_to = edge;
	recovery_window(c, news);
}

static void ack_recovery(struct tcp *c, const struct tcp_news *news)
{
	struct tcp_congestion *cc = &c->cc;

	if (seq_ge(c->snd.una, cc->recover)) {
		cc->cwnd = MAX(cc->ssthresh, c->snd.mss);
		leave_recovery(c);
		return;
	}
	count_duplicates(c, news);
	cc->lost_to = seq_max(cc->lost_to, lost_edge(c));
	/* RFC 6582 §3.2 step 3, RFC 6675 §5: a partial acknowledgement says that the
	 * next one is lost, too. */
	if (news->acked)
		cc->lost_to = seq_max(cc->lost_to, front_edge(c));
	recovery_window(c, news);
}

static void ack_loss(struct tcp *c, const struct tcp_news *news)
{
	if (news->acked)
		grow(c, news->acked);
	if (seq_ge(c->snd.una, c->cc.recover))
		leave_recovery(c);
}

void tcp_congestion_ack(struct tcp *c, const struct tcp_news *news)
{
	static void (*const react[])(struct tcp *, const struct tcp_news *) = {
		[TCP_MODE_OPEN] = ack_open,
		[TCP_MODE_RECOVERY] = ack_recovery,
		[TCP_MODE_LOSS] = ack_loss,
	};

	if (c->cc.sacked.count) {
		uint64_t una = c->snd.una_at;
		struct range *first = &c->cc.sacked.v[0];

		while (c->cc.sacked.count && first->lo < una) {
			uint64_t gone = MIN(first->hi, una) - first->lo;

			c->cc.sacked_bytes -= (uint32_t)gone;
			first->lo += gone;
			if (first->lo == first->hi)
				ranges_drop_first(&c->cc.sacked);
		}
		if (!c->cc.sacked.count)
			ranges_fini(&c->cc.sacked);
	}
	react[c->cc.mode](c, news);
}

void tcp_congestion_resend(struct tcp *c)
{
	struct tcp_congestion *cc = &c->cc;

	cc->mode = TCP_MODE_LOSS;
	cc->recover = cc->lost_to = c->snd.nxt;
	cc->recovering = true;
	cc->resent_to = c->snd.una;
	cc->dup_acks = 0;
	/* RFC 2018 §8: who has SACKed what stands at the front has taken it back. */
	if (!c->sack || (cc->sacked.count && cc->sacked.v[0].lo == c->snd.una_at)) {
		ranges_fini(&cc->sacked);
		cc->sacked_bytes = 0;
	}
}

void tcp_congestion_timeout(struct tcp *c)
{
	/* RFC 5681 §3.1: once for a loss, not for each timeout of it. */
	if (!c->retransmits)
		c->cc.ssthresh = half_flight(c);
	c->cc.cwnd = c->snd.mss;
	c->cc.credit = 0;
	tcp_congestion_resend(c);
}
