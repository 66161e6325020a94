/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_event.c: what the application hears of a connection, and its end.
 *
 * While a segment is worked on, events are only noted; they are told when all
 * of it is done, so that what the application does in an event finds a
 * connection that is whole, and what it writes carries the acknowledgement.
 * Exactly one event is the last (RESET, TIMED_OUT or ENDED), unless the
 * application leaves first. */
#include "tcp_internal.h"

void tcp_event_note(struct tcp *c, enum tcp_event e)
{
	c->pending |= (uint16_t)(1u << e);
}

void tcp_event_dispatch(struct tcp *c, uint64_t now_ns)
{
	const struct tcp_stack_options *o = &c->stack->options;

	/* In the order of the enum; an event may close the connection, or note more.
	 */
	for (unsigned e = 0; c->pending && !c->dead && !c->closed && e < TCP_EVENT_COUNT; e++) {
		if (!(c->pending & 1u << e))
			continue;
		c->pending &= (uint16_t) ~(1u << e);
		o->event(o->ctx, c, (enum tcp_event)e, now_ns);
	}
	c->pending = 0;
}

void tcp_end(struct tcp *c, enum tcp_event e, uint64_t now_ns)
{
	const struct tcp_stack_options *o = &c->stack->options;

	c->stack->stats.reset += e == TCP_EVENT_RESET;
	c->stack->stats.timed_out += e == TCP_EVENT_TIMED_OUT;
	tcp_detach(c);
	c->state = TCP_CLOSED;
	c->pending = 0;
	tcp_pin(c);
	if (c->told && !c->closed)
		o->event(o->ctx, c, e, now_ns);
	c->dead = true;
	tcp_unpin(c);
}

void tcp_end_orderly(struct tcp *c, uint64_t now_ns)
{
	tcp_detach(c);
	if (c->closed || !c->told) {
		tcp_release(c);
	} else if (!c->pins) {
		c->linger_ns = c->rcv.unread ? TIME_NEVER : now_ns;
		tcp_timers_arm(c);
	}
}

void tcp_settle(struct tcp *c, uint64_t now_ns)
{
	tcp_event_dispatch(c, now_ns);
	if (c->dead)
		return;
	if (c->detached) {
		if (!c->rcv.unread)
			tcp_end(c, TCP_EVENT_ENDED, now_ns);
		else if (!tcp_receive_keep(c))
			tcp_end(c, TCP_EVENT_RESET, now_ns);
		return;
	}
	if (UNLIKELY(!tcp_receive_keep(c))) {
		tcp_send_reset(c, now_ns);
		tcp_end(c, TCP_EVENT_RESET, now_ns);
		return;
	}
	tcp_output(c, now_ns);
	if (c->rcv.delayed)
		tcp_output_ack(c, now_ns);
	tcp_timers_arm(c);
}
