/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_timers.c: retransmission, persist, delayed acknowledgement, keep-alive,
 * and the end of FIN-WAIT-2.
 *
 * Each connection has one place in the stack's heap. It is moved there only
 * when something becomes due earlier; what is put off (the retransmission
 * timer, with each acknowledgement) is found to be not yet due when the old
 * time comes. So a wake may be for nothing, but the heap is not touched by
 * packets. */
#include "tcp_internal.h"

static uint64_t earliest(const struct tcp *c)
{
	return MIN(MIN(c->rexmit_ns, c->delack_ns), MIN(c->keepalive_ns, c->linger_ns));
}

void tcp_timers_arm(struct tcp *c)
{
	uint64_t due = earliest(c);

	if (due >= c->due_ns)
		return;
	c->due_ns = due;
	timers_set(&c->stack->timers, c->id, due);
}

void tcp_timers_output(struct tcp *c, uint64_t now_ns)
{
	bool waits = c->snd.end != c->snd.nxt || c->snd.fin_wanted;

	if (tcp_flight(c)) {
		if (c->rexmit_ns == TIME_NEVER || c->persisting) {
			c->rexmit_ns = now_ns + tcp_rto(c);
			c->persisting = false;
		}
	} else if (waits && !tcp_fin_sent(c)) {
		if (c->rexmit_ns == TIME_NEVER || !c->persisting) {
			c->rexmit_ns = now_ns + tcp_rto(c);
			c->persisting = true;
		}
	} else {
		c->rexmit_ns = TIME_NEVER;
		c->persisting = false;
	}
	tcp_timers_arm(c);
}

static void fire_handshake(struct tcp *c, uint64_t now_ns)
{
	if (c->retransmits >= c->settings->syn_retries) {
		tcp_end(c, TCP_EVENT_TIMED_OUT, now_ns);
		return;
	}
	c->retransmits++;
	tcp_rtt_backoff(c);
	c->stack->stats.timeouts++;
	tcp_send_syn(c, now_ns);
	c->rexmit_ns = now_ns + tcp_rto(c);
}

static void fire_retransmit(struct tcp *c, uint64_t now_ns)
{
	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED) {
		fire_handshake(c, now_ns);
		return;
	}
	/* As Linux: a peer that closes its window over what is in flight, and says so, is alive. */
	if (c->retransmits >= c->settings->retries &&
	    (c->snd.wnd || c->closed || now_ns - c->rcv.heard_ns > c->settings->rto_max_ns)) {
		tcp_end(c, TCP_EVENT_TIMED_OUT, now_ns);
		return;
	}
	c->stack->stats.timeouts++;
	tcp_congestion_timeout(c);
	c->retransmits += c->retransmits < UINT8_MAX;
	tcp_rtt_backoff(c);
	tcp_output_head(c, now_ns);
	c->rexmit_ns = now_ns + tcp_rto(c);
}

/* RFC 9293 §3.8.6.1; also what waits for a window that is worth it, and has
 * waited long enough. */
static void fire_persist(struct tcp *c, uint64_t now_ns)
{
	if (tcp_output_forced(c, now_ns)) {
		tcp_timers_output(c, now_ns);
		return;
	}
	if (c->probes >= c->settings->retries) {
		tcp_end(c, TCP_EVENT_TIMED_OUT, now_ns);
		return;
	}
	c->probes++;
	c->stack->stats.probes++;
	tcp_rtt_backoff(c);
	tcp_send_probe(c, now_ns);
	c->rexmit_ns = now_ns + tcp_rto(c);
}

/* RFC 9293 §3.8.4. What was heard since the timer was set only puts it off. */
static void fire_keepalive(struct tcp *c, uint64_t now_ns)
{
	uint64_t idle_ns = now_ns - c->rcv.heard_ns;

	/* What is in flight or waits for a window has its own timer. */
	if (tcp_flight(c) || c->persisting) {
		c->keepalive_ns = now_ns + c->settings->keepalive_ns;
		return;
	}
	if (idle_ns < c->settings->keepalive_ns) {
		c->keepalive_ns = c->rcv.heard_ns + c->settings->keepalive_ns;
		return;
	}
	if (c->probes >= c->settings->keepalive_probes) {
		tcp_send_reset(c, now_ns);
		tcp_end(c, TCP_EVENT_TIMED_OUT, now_ns);
		return;
	}
	c->probes++;
	c->stack->stats.keepalives++;
	tcp_send_probe(c, now_ns);
	c->keepalive_ns = now_ns + c->settings->keepalive_interval_ns;
}

static void fire_linger(struct tcp *c, uint64_t now_ns)
{
	tcp_end(c, TCP_EVENT_ENDED, now_ns);
}

static void fire_rexmit(struct tcp *c, uint64_t now_ns)
{
	(c->persisting ? fire_persist : fire_retransmit)(c, now_ns);
}

static void fire_delayed_ack(struct tcp *c, uint64_t now_ns)
{
	tcp_send_ack(c, now_ns);
}

void tcp_timers_fire(struct tcp *c, uint64_t now_ns)
{
	static const struct {
		size_t at;
		void (*fire)(struct tcp *c, uint64_t now_ns);
	} timer[] = {
		{ offsetof(struct tcp, delack_ns), fire_delayed_ack },
		{ offsetof(struct tcp, rexmit_ns), fire_rexmit },
		{ offsetof(struct tcp, keepalive_ns), fire_keepalive },
		{ offsetof(struct tcp, linger_ns), fire_linger },
	};

	tcp_pin(c);
	for (size_t i = 0; i < ARRAY_LEN(timer) && !c->dead; i++) {
		uint64_t *due = (uint64_t *)(void *)((uint8_t *)c + timer[i].at);

		if (*due > now_ns)
			continue;
		*due = TIME_NEVER;
		timer[i].fire(c, now_ns);
	}
	if (!c->dead) {
		c->due_ns = earliest(c);
		timers_set(&c->stack->timers, c->id, c->due_ns);
	}
	tcp_unpin(c);
}
