/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_input.c: a segment arrives (RFC 9293 §3.10.7): for a listener, in
 * SYN-SENT, and the eight checks of all other states, in their order, with RFC
 * 5961's answers to what may be forged and PAWS (RFC 7323 §5) before them.
 *
 * What a segment causes is noted and sent at the end, by tcp_settle(). As in
 * Linux: data on a SYN waits to be sent again; a segment without the timestamps
 * option is taken even if it was agreed on; urgent data are data. */
#include "tcp_internal.h"

/* RFC 7323 §5.5: a timestamp of a connection that was idle for so long says
 * nothing. */
#define PAWS_VALID_NS (UINT64_C(24) * 24 * 3600 * NS_PER_S)
/* What Linux takes for the smallest MSS; what a peer announces below it is no
 * use. */
#define MSS_MIN 88u
/* RFC 6298 §5.7, in units of the first timeout. */
#define RTO_AFTER_LOST_SYN 3u
#define QUICK_ACKS 16u

/* RFC 7323 §4.3 (2), for a segment whose acknowledgement is good: what is forged must not date the rest. */
static void take_timestamp(struct tcp *c, const struct tcp_arrival *a)
{
	if (!c->timestamps || !a->options.has_timestamps || seq_gt(a->seq, c->rcv.wup))
		return;
	c->ts_recent = a->options.tsval;
	c->ts_recent_ns = a->now_ns;
}

/* What the peer's SYN says, and what of it is used: what both offer. */
static void take_syn(struct tcp *c, const struct tcp_arrival *a)
{
	const struct tcp_settings *own = c->settings;
	const struct tcp_options *o = &a->options;

	c->rcv.irs = a->seq;
	c->rcv.nxt = a->seq + 1;
	c->rcv.nxt_at = 1;
	c->scaled = own->wscale != TCP_WSCALE_NONE && o->wscale != TCP_WSCALE_NONE;
	if (c->scaled) {
		c->rcv.wscale = own->wscale;
		c->snd.wscale = o->wscale;
	}
	c->sack = own->sack && o->sack_permitted;
	c->timestamps = own->timestamps && o->has_timestamps;
	tcp_set_mss(c, MIN(own->mss, MAX(o->mss ? o->mss : TCP_MSS_DEFAULT, MSS_MIN)));
	c->snd.wnd = c->snd.wnd_max = a->window; /* RFC 7323 §2.2: never scaled in a SYN */
	c->snd.wl1 = a->seq;
	c->snd.wl2 = a->ack;
	tcp_window_start(c);
	take_timestamp(c, a);
}

void tcp_set_mss(struct tcp *c, uint32_t mss)
{
	c->snd.mss = (uint16_t)(mss - (c->timestamps ? TCP_TIMESTAMPS_SPACE : 0));
}

/* The peer has acknowledged our SYN. */
static void established(struct tcp *c, const struct tcp_arrival *a)
{
	c->state = c->snd.fin_wanted ? TCP_FIN_WAIT_1 : TCP_ESTABLISHED;
	c->snd.una_at += a->ack - c->snd.una;
	c->snd.una = a->ack;
	tcp_rtt_ack(c, a);
	tcp_congestion_start(c);
	if (!c->rtt.srtt_ns && c->retransmits) {
		c->rtt.backoff = 0;
		c->rtt.rto_ns = MIN(RTO_AFTER_LOST_SYN * c->settings->rto_initial_ns, c->settings->rto_max_ns);
	}
	c->retransmits = 0;
	c->rexmit_ns = TIME_NEVER;
	c->rcv.quick = QUICK_ACKS;
	c->rcv.mss = MIN(c->settings->mss, TCP_MSS_DEFAULT);
	c->told = true;
	c->stack->stats.accepted += c->passive;
	if (c->settings->keepalive_ns)
		c->keepalive_ns = a->now_ns + c->settings->keepalive_ns;
	tcp_event_note(c, c->passive ? TCP_EVENT_ACCEPTED : TCP_EVENT_CONNECTED);
}

/* RFC 9293 §3.10.7.2. */
void tcp_input_listen(struct tcp_stack *s, const struct tcp_arrival *a, const uint32_t *after)
{
	struct tcp *c;

	if (a->flags & TCP_RST)
		return;
	if (a->flags & TCP_ACK) {
		tcp_send_refusal(s, a);
		return;
	}
	if ((a->flags & (TCP_SYN | TCP_FIN)) != TCP_SYN)
		return;
	c = tcp_new(s, a->local, a->remote, NULL);
	if (!c) {
		s->stats.refused++; /* the peer tries again */
		return;
	}
	c->passive = true;
	c->state = TCP_SYN_RECEIVED;
	tcp_start(c, tcp_isn_choose(s, &c->node, after, a->now_ns));
	c->rcv.heard_ns = a->now_ns;
	take_syn(c, a);
	tcp_send_syn(c, a->now_ns);
	c->rexmit_ns = a->now_ns + tcp_rto(c);
	tcp_timers_arm(c);
}

/* RFC 9293 §3.10.7.3. */
static void arrive_syn_sent(struct tcp *c, const struct tcp_arrival *a)
{
	bool ack = a->flags & TCP_ACK;

	if (ack && a->ack != c->snd.nxt) {
		tcp_send_refusal(c->stack, a);
		return;
	}
	if (a->flags & TCP_RST) {
		if (ack) {
			c->stack->stats.resets_in++;
			tcp_end(c, TCP_EVENT_RESET, a->now_ns);
		}
		return;
	}
	if (!(a->flags & TCP_SYN))
		return;
	take_syn(c, a);
	if (ack) {
		established(c, a);
		c->rcv.delayed = c->rcv.at_once = true;
		return;
	}
	c->state = TCP_SYN_RECEIVED; /* simultaneous open, §3.5 */
	tcp_send_syn(c, a->now_ns);
}

/* First, before the sequence number: PAWS, RFC 7323 §5.3 R1. */
static bool paws_rejects(const struct tcp *c, const struct tcp_arrival *a)
{
	return c->timestamps && a->options.has_timestamps && seq_lt(a->options.tsval, c->ts_recent) &&
	       a->now_ns - c->ts_recent_ns < PAWS_VALID_NS;
}

/* First: the sequence number. As Linux: from what was acknowledged last on, so
 * that an acknowledgement that comes late counts, and for an acknowledgement
 * also at the edge of a closed window. */
static bool in_window(const struct tcp *c, const struct tcp_arrival *a)
{
	return seq_ge(a->end, c->rcv.wup) && seq_le(a->seq, seq_max(c->rcv.adv, c->rcv.nxt));
}

/* What is outside the window draws an acknowledgement: a payload at once, so
 * that a peer's retransmissions end; an empty segment not too often, lest two
 * ends that disagree never cease. */
static void answer_unacceptable(struct tcp *c, const struct tcp_arrival *a)
{
	if (a->len && !a->stale)
		tcp_receive_data(c, a);
	else if (a->len)
		c->rcv.delayed = c->rcv.at_once = true;
	else
		tcp_send_challenge(c, a->now_ns);
}

/* Second: RST, RFC 5961 §3.2. */
static void arrive_reset(struct tcp *c, const struct tcp_arrival *a)
{
	if (a->seq != c->rcv.nxt) {
		tcp_send_challenge(c, a->now_ns);
		return;
	}
	c->stack->stats.resets_in++;
	tcp_end(c, TCP_EVENT_RESET, a->now_ns);
}

/* Fourth: a SYN where none belongs, RFC 5961 §4.2. True if the segment goes on:
 * the SYN-ACK of a simultaneous open. */
static bool arrive_syn(struct tcp *c, const struct tcp_arrival *a)
{
	if (c->state == TCP_SYN_RECEIVED && a->seq == c->rcv.irs) {
		if (a->flags & TCP_ACK)
			return true;
		tcp_send_syn(c, a->now_ns); /* its SYN again: ours was lost */
		return false;
	}
	tcp_send_challenge(c, a->now_ns);
	return false;
}

static void enter_time_wait(struct tcp *c, uint64_t now_ns)
{
	c->state = TCP_TIME_WAIT;
	if (c->rcv.delayed)
		tcp_send_ack(c, now_ns);
	tcp_wait_enter(c, now_ns);
	tcp_end_orderly(c, now_ns);
}

/* Fifth: the acknowledgement. False: the segment is dropped. */
static bool arrive_ack(struct tcp *c, const struct tcp_arrival *a)
{
	if (!(a->flags & TCP_ACK))
		return false;
	if (c->state == TCP_SYN_RECEIVED) {
		if (a->ack != c->snd.nxt) {
			tcp_send_refusal(c->stack, a);
			return false;
		}
		if (c->passive && !tcp_listening(c->stack, c->node.local)) { /* nobody will accept it */
			tcp_send_refusal(c->stack, a);
			tcp_release(c);
			return false;
		}
		take_timestamp(c, a);
		c->snd.wnd = a->flags & TCP_SYN ? a->window : a->window << c->snd.wscale;
		c->snd.wnd_max = MAX(c->snd.wnd_max, c->snd.wnd);
		c->snd.wl1 = a->seq;
		c->snd.wl2 = a->ack;
		established(c, a);
		return true;
	}
	if (!tcp_ack(c, a))
		return false;
	take_timestamp(c, a);
	if (!tcp_fin_sent(c) || !seq_gt(c->snd.una, c->snd.end))
		return true;
	switch (c->state) { /* our FIN is acknowledged */
	case TCP_FIN_WAIT_1:
		c->state = TCP_FIN_WAIT_2;
		if (c->closed)
			c->linger_ns = a->now_ns + c->settings->fin_wait_ns;
		break;
	case TCP_CLOSING:
		enter_time_wait(c, a->now_ns);
		return false;
	case TCP_LAST_ACK:
		c->state = TCP_CLOSED;
		tcp_end_orderly(c, a->now_ns);
		return false;
	default:
		break;
	}
	return true;
}

/* Eighth: the FIN, once everything before it has arrived. */
static void arrive_fin(struct tcp *c, uint64_t now_ns)
{
	c->rcv.fin_taken = true;
	c->rcv.nxt++;
	c->rcv.nxt_at++;
	c->rcv.delayed = c->rcv.at_once = true;
	tcp_event_note(c, TCP_EVENT_PEER_CLOSED);
	if (c->state == TCP_ESTABLISHED)
		c->state = TCP_CLOSE_WAIT;
	else if (c->state == TCP_FIN_WAIT_1)
		c->state = TCP_CLOSING;
	else if (c->state == TCP_FIN_WAIT_2)
		enter_time_wait(c, now_ns);
}

/* Seventh: the payload, in the states in which the peer may still send. */
static void arrive_text(struct tcp *c, const struct tcp_arrival *a)
{
	static const bool receives[TCP_STATE_COUNT] = {
		[TCP_ESTABLISHED] = true, [TCP_FIN_WAIT_1] = true, [TCP_FIN_WAIT_2] = true
	};

	if (!receives[c->state]) {
		if (a->flags & TCP_FIN)
			c->rcv.delayed = c->rcv.at_once = true;
		return;
	}
	if (!a->len && !(a->flags & TCP_FIN))
		return;
	if (c->closed && a->len && seq_gt(a->seq + a->len, c->rcv.nxt)) { /* RFC 9293 §3.6.1: nobody will read it */
		tcp_send_reset(c, a->now_ns);
		tcp_release(c);
		return;
	}
	tcp_receive_data(c, a);
	if (a->len)
		c->rcv.data_ns = a->now_ns;
	if (c->rcv.fin_known && c->rcv.nxt == c->rcv.fin)
		arrive_fin(c, a->now_ns);
}

static void arrive(struct tcp *c, struct tcp_arrival *a)
{
	a->stale = paws_rejects(c, a);
	if (a->flags & TCP_SYN && !(a->flags & TCP_RST)) {
		if (!arrive_syn(c, a))
			return;
	} else if (a->stale && !(a->flags & TCP_RST)) {
		c->stack->stats.paws_dropped++;
		answer_unacceptable(c, a);
		return;
	} else if (!in_window(c, a)) {
		if (!(a->flags & TCP_RST))
			answer_unacceptable(c, a);
		return;
	}
	if (a->flags & TCP_RST) {
		arrive_reset(c, a);
		return;
	}
	if (arrive_ack(c, a) && !c->dead)
		arrive_text(c, a);
}

void tcp_input_connection(struct tcp *c, struct tcp_arrival *a)
{
	tcp_pin(c);
	if (c->state == TCP_SYN_SENT)
		arrive_syn_sent(c, a);
	else
		arrive(c, a);
	if (!c->dead) {
		c->rcv.heard_ns = a->now_ns;
		tcp_settle(c, a->now_ns);
	}
	tcp_unpin(c);
}
