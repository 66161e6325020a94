/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_rtt.c: the round trip and the retransmission timeout (RFC 6298).
 *
 * One segment at a time is timed, exactly; once anything is retransmitted its
 * sample is void (Karn's rule) and the timestamps option gives one instead, to
 * the millisecond (RFC 7323 §4). As in Linux, the variation never counts for
 * less than rto_min, so that a delayed acknowledgement is no timeout. The
 * backoff stays until there is a sample. */
#include "tcp_internal.h"

/* RFC 7323 §5.4: between 1 ms and 1 s. */
#define TIMESTAMP_TICK_NS NS_PER_MS
/* Longer round trips than this are a peer's invention. */
#define ROUND_TRIP_MAX_TICKS 3600000u

void tcp_rtt_start(struct tcp *c)
{
	c->rtt = (struct tcp_rtt){ .rto_ns = c->settings->rto_initial_ns };
}

void tcp_rtt_time(struct tcp *c, uint32_t end, uint64_t now_ns)
{
	if (c->rtt.timing)
		return;
	c->rtt.timing = true;
	c->rtt.end = end;
	c->rtt.started_ns = now_ns;
}

static void rtt_sample(struct tcp *c, uint64_t rtt_ns)
{
	struct tcp_rtt *r = &c->rtt;
	uint64_t error;

	rtt_ns = MAX(rtt_ns, 1);
	if (!r->srtt_ns) { /* RFC 6298 §2.2 */
		r->srtt_ns = rtt_ns;
		r->var_ns = rtt_ns / 2;
	} else { /* §2.3 */
		error = r->srtt_ns > rtt_ns ? r->srtt_ns - rtt_ns : rtt_ns - r->srtt_ns;
		r->var_ns = r->var_ns - r->var_ns / 4 + error / 4;
		r->srtt_ns = r->srtt_ns - r->srtt_ns / 8 + rtt_ns / 8;
	}
	r->rto_ns = MIN(r->srtt_ns + MAX(4 * r->var_ns, c->settings->rto_min_ns), c->settings->rto_max_ns);
	r->backoff = 0;
}

void tcp_rtt_ack(struct tcp *c, const struct tcp_arrival *a)
{
	struct tcp_rtt *r = &c->rtt;

	if (r->timing && seq_ge(a->ack, r->end)) {
		r->timing = false;
		rtt_sample(c, a->now_ns - r->started_ns);
	} else if (!r->timing && c->timestamps && a->options.has_timestamps && a->options.tsecr) {
		uint32_t ticks = tcp_timestamp(c->ts_offset, a->now_ns) - a->options.tsecr;

		/* RFC 7323 §4.1; a peer's invention of a future or of an hour's round trip
		 * is none. */
		if (ticks < 3600000)
			rtt_sample(c, MAX(ticks, 1) * TIMESTAMP_TICK_NS);
	}
}

/* RFC 6298 §5.5. */
void tcp_rtt_backoff(struct tcp *c)
{
	c->rtt.backoff += tcp_rto(c) < c->settings->rto_max_ns;
}

uint64_t tcp_rto(const struct tcp *c)
{
	return MIN(c->rtt.rto_ns << c->rtt.backoff, c->settings->rto_max_ns);
}
