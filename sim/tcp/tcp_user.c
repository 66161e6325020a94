/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_user.c: the calls of the application (RFC 9293 §3.10.1 to §3.10.6).
 *
 * tcp_close() and tcp_abort() void the pointer: the stack goes on with the
 * connection by itself, or releases it, at the latest when the event returns
 * that the call was made in. */
#include "tcp_internal.h"

struct tcp *tcp_connect(struct tcp_stack *s, struct endpoint local, struct endpoint remote,
			const struct tcp_settings *settings, uint64_t now_ns)
{
	const uint32_t *after = NULL;
	struct tcp_node *n;
	uint32_t old_nxt;
	struct tcp *c;

	if (!be16_to(local.port) && !tcp_port_choose(s, &local, remote, now_ns))
		return NULL;
	n = tcp_table_find(s, local, remote);
	if (n) { /* RFC 6191 */
		if (!n->waiting || !tcp_wait_reusable(s, (struct tcp_wait *)n, now_ns))
			return NULL;
		old_nxt = ((struct tcp_wait *)n)->snd_nxt;
		after = &old_nxt;
		tcp_wait_remove(s, (struct tcp_wait *)n);
	}
	c = tcp_new(s, local, remote, settings);
	if (!c)
		return NULL;
	s->stats.connections++;
	c->told = true;
	c->state = TCP_SYN_SENT;
	tcp_start(c, tcp_isn_choose(s, &c->node, after, now_ns));
	tcp_send_syn(c, now_ns);
	c->rexmit_ns = now_ns + tcp_rto(c);
	tcp_timers_arm(c);
	return c;
}

void tcp_set_user(struct tcp *c, void *user)
{
	c->user = user;
}

void *tcp_user(const struct tcp *c)
{
	return c->user;
}

uint32_t tcp_write(struct tcp *c, const void *data, uint32_t len, bool more, uint64_t now_ns)
{
	uint32_t used = tcp_snd_bytes(c), room = c->settings->send_buffer > used ? c->settings->send_buffer - used : 0;
	uint32_t take = MIN(len, room);

	if (c->snd.fin_wanted || c->detached || c->closed)
		return 0;
	if (take && !tcp_ring_reserve(c->stack, &c->snd.ring, c->snd.end - used, used, used + take))
		take = 0;
	c->snd.full = take < len;
	c->snd.more = more;
	if (take) {
		tcp_ring_put(&c->snd.ring, c->snd.end, data, take);
		c->snd.end += take;
		tcp_count_buffered(c->stack, take);
	}
	tcp_output(c, now_ns);
	return take;
}

/* RFC 9293 §3.10.4: no more is written; the FIN goes when it can. */
static void user_finish(struct tcp *c, uint64_t now_ns)
{
	static const uint8_t next[TCP_STATE_COUNT] = {
		[TCP_ESTABLISHED] = TCP_FIN_WAIT_1,
		[TCP_CLOSE_WAIT] = TCP_LAST_ACK,
	};

	if (c->snd.fin_wanted || c->detached)
		return;
	c->snd.fin_wanted = true; /* in SYN-SENT and SYN-RECEIVED it waits for the handshake */
	c->snd.more = false;
	if (next[c->state])
		c->state = next[c->state];
	tcp_output(c, now_ns);
}

void tcp_shutdown(struct tcp *c, uint64_t now_ns)
{
	user_finish(c, now_ns);
}

void tcp_close(struct tcp *c, uint64_t now_ns)
{
	if (c->rcv.unread && !c->detached) { /* RFC 2525 §2.17 */
		tcp_abort(c, now_ns);
		return;
	}
	if (c->detached || c->state == TCP_SYN_SENT) {
		tcp_release(c);
		return;
	}
	user_finish(c, now_ns);
	c->closed = true;
	if (c->state == TCP_FIN_WAIT_2) {
		c->linger_ns = now_ns + c->settings->fin_wait_ns;
		tcp_timers_arm(c);
	}
}

void tcp_abort(struct tcp *c, uint64_t now_ns)
{
	/* RFC 9293 §3.10.5: in these states the peer still takes us for alive. */
	static const bool tells[TCP_STATE_COUNT] = {
		[TCP_SYN_RECEIVED] = true, [TCP_ESTABLISHED] = true, [TCP_FIN_WAIT_1] = true,
		[TCP_FIN_WAIT_2] = true,   [TCP_CLOSE_WAIT] = true,
	};

	if (!c->detached && tells[c->state])
		tcp_send_reset(c, now_ns);
	c->closed = true;
	tcp_release(c);
}

void tcp_set_nagle(struct tcp *c, bool on, uint64_t now_ns)
{
	c->snd.nagle = on;
	if (!on && !c->detached)
		tcp_output(c, now_ns);
}

void tcp_info(const struct tcp *c, struct tcp_info *info)
{
	uint32_t queued = tcp_snd_bytes(c), sent = tcp_fin_sent(c) ? c->snd.end : c->snd.nxt;
	uint32_t unsent = seq_gt(c->snd.end, sent) ? MIN(queued, c->snd.end - sent) : 0;

	*info = (struct tcp_info){
		.state = (enum tcp_state)c->state,
		.local = c->node.local,
		.remote = c->node.remote,
		.iss = c->snd.iss,
		.irs = c->rcv.irs,
		.snd_una = c->snd.una,
		.snd_nxt = c->snd.nxt,
		.rcv_nxt = c->rcv.nxt,
		.cwnd = c->cc.cwnd,
		.ssthresh = c->cc.ssthresh,
		.snd_wnd = c->snd.wnd,
		.rcv_wnd = seq_gt(c->rcv.nxt, c->rcv.adv) ? 0 : c->rcv.adv - c->rcv.nxt,
		.mss = c->snd.mss,
		.srtt_ns = c->rtt.srtt_ns,
		.rto_ns = tcp_rto(c),
		.unsent = unsent,
		.unacked = queued - unsent,
		.unread = c->rcv.unread,
		.written = tcp_snd_at(c, c->snd.end) - 1,
		.read = c->rcv.nxt_at ? c->rcv.nxt_at - 1 - c->rcv.fin_taken - c->rcv.unread : 0,
		.sack = c->sack,
		.timestamps = c->timestamps,
		.snd_wscale = c->snd.wscale,
		.rcv_wscale = c->rcv.wscale,
	};
}
