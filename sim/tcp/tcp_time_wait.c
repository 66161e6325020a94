/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_time_wait.c: TIME-WAIT (RFC 9293 §3.6.1) in a small record of its own,
 * since most of a busy host's connections are in it.
 *
 * Life-cycle: tcp_wait_enter() when both FINs are exchanged and this side
 * closed first; the record answers late segments, and goes when its time is up,
 * when a new SYN may take its place (RFC 6191), when a RST hits exactly, or,
 * the oldest first, when a connection needs the room.
 *
 * Invariant: records are linked by due time, so the oldest is the first to go.
 */
#include <stdlib.h>

#include "tcp_internal.h"

static void wait_link(struct tcp_stack *s, struct tcp_wait *w)
{
	struct tcp_wait *before = s->newest;

	while (before && before->due_ns > w->due_ns)
		before = before->older; /* only with settings that differ */
	w->older = before;
	w->newer = before ? before->newer : s->oldest;
	*(w->newer ? &w->newer->older : &s->newest) = w;
	*(before ? &before->newer : &s->oldest) = w;
}

static void wait_unlink(struct tcp_stack *s, struct tcp_wait *w)
{
	*(w->older ? &w->older->newer : &s->oldest) = w->newer;
	*(w->newer ? &w->newer->older : &s->newest) = w->older;
}

void tcp_wait_enter(struct tcp *c, uint64_t now_ns)
{
	struct tcp_stack *s = c->stack;
	struct tcp_wait *w = s->spare;

	tcp_detach(c);
	if (w)
		s->spare = w->newer;
	else
		w = malloc(sizeof(*w));
	if (!w)
		return; /* the table is the poorer for it, not the peer: what comes late
			   draws a RST */
	*w = (struct tcp_wait){
		.node = { .local = c->node.local, .remote = c->node.remote, .waiting = true },
		.due_ns = now_ns + c->settings->time_wait_ns,
		.since_ns = now_ns,
		.snd_nxt = c->snd.nxt,
		.rcv_nxt = c->rcv.nxt,
		.rcv_wnd = c->rcv.adv - c->rcv.nxt,
		.ts_recent = c->ts_recent,
		.ts_offset = c->ts_offset,
		.timestamps = c->timestamps,
		.rcv_wscale = c->rcv.wscale,
		.time_wait_ns = c->settings->time_wait_ns,
	};
	s->waits++;
	tcp_table_add(s, &w->node);
	wait_link(s, w);
}

void tcp_wait_remove(struct tcp_stack *s, struct tcp_wait *w)
{
	tcp_table_remove(s, &w->node);
	wait_unlink(s, w);
	s->waits--;
	w->newer = s->spare;
	s->spare = w;
}

void tcp_wait_expire(struct tcp_stack *s, uint64_t now_ns)
{
	while (s->oldest && s->oldest->due_ns <= now_ns)
		tcp_wait_remove(s, s->oldest);
}

/* As Linux: with timestamps, and when their clock has surely moved on. */
bool tcp_wait_reusable(const struct tcp_stack *s, const struct tcp_wait *w, uint64_t now_ns)
{
	return s->options.settings.timestamps && w->timestamps && now_ns - w->since_ns > NS_PER_S;
}

/* RFC 6191 §2. */
static bool wait_opens_anew(const struct tcp_wait *w, const struct tcp_arrival *a)
{
	if ((a->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN)
		return false;
	if (w->timestamps && a->options.has_timestamps && a->options.tsval != w->ts_recent)
		return seq_gt(a->options.tsval, w->ts_recent);
	return seq_gt(a->seq, w->rcv_nxt);
}

bool tcp_wait_input(struct tcp_stack *s, struct tcp_wait *w, const struct tcp_arrival *a, uint32_t *snd_nxt)
{
	bool old = w->timestamps && a->options.has_timestamps && seq_lt(a->options.tsval, w->ts_recent);

	if (a->flags & TCP_RST) {
		if (a->seq == w->rcv_nxt && !old) /* RFC 5961 §3.2; nothing of RFC 1337's dangers is left then */
			tcp_wait_remove(s, w);
		return false;
	}
	if (wait_opens_anew(w, a)) {
		*snd_nxt = w->snd_nxt;
		tcp_wait_remove(s, w);
		return true;
	}
	if (!old && a->seq == a->end && a->seq == w->rcv_nxt)
		return false;		  /* an acknowledgement: nothing to say to it */
	if (a->flags & TCP_FIN && !old) { /* RFC 9293 §3.10.7.4, eighth: the 2 MSL start again */
		wait_unlink(s, w);
		w->due_ns = a->now_ns + w->time_wait_ns;
		wait_link(s, w);
	}
	if (a->seq == a->end) {
		if (a->now_ns < w->challenge_ns)
			return false;
		w->challenge_ns = a->now_ns + TCP_CHALLENGE_INTERVAL_NS;
	}
	tcp_send_wait_ack(s, w, a->now_ns);
	return false;
}
