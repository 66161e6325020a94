/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_output.c: what to send next, and how it looks on the wire.
 *
 * Lost pieces go before new ones, both only as far as the congestion window has
 * room; new ones also only into the peer's window, and a short one only if
 * Nagle's rule in Minshall's form (as in Linux), `more` and the avoidance of
 * silly windows (RFC 9293 §3.8.6.2.1) let it. Every segment but the SYN carries
 * the acknowledgement.
 *
 * Invariants: snd.nxt only grows; the right edge that is announced never moves
 * left (RFC 9293 §3.8.6); a packet that the pool has no room for is as good as
 * lost on the wire. */
#include "tcp_internal.h"

#define TIMESTAMP_TICK_NS NS_PER_MS
#define SACK_OVERHEAD 4u
#define SACK_BLOCK 8u

/* A piece of the stream for the wire. */
struct tcp_piece {
	uint32_t seq, len;
	uint8_t flags;
};

uint32_t tcp_timestamp(uint32_t offset, uint64_t now_ns)
{
	return (uint32_t)(now_ns / TIMESTAMP_TICK_NS) + offset;
}

/* Room for what may still arrive, as far as a window can say it. */
static uint32_t receive_free(const struct tcp *c)
{
	uint32_t buffer = c->settings->receive_buffer;

	return buffer > c->rcv.unread ? MIN(buffer - c->rcv.unread, 65535u << c->rcv.wscale) : 0;
}

void tcp_window_start(struct tcp *c)
{
	c->rcv.adv = c->rcv.nxt + MIN(receive_free(c), 65535u);
	c->rcv.wup = c->rcv.nxt;
}

/* RFC 9293 §3.8.6.2.2: by less than this the window does not move. */
static uint32_t window_step(const struct tcp *c)
{
	return MIN((uint32_t)MIN(c->settings->mss, c->snd.mss), c->settings->receive_buffer / 2);
}

/* The window to announce (RFC 9293 §3.8.6.2.2): the edge moves by a segment or
 * half a buffer, or not at all. */
static uint16_t window_select(struct tcp *c)
{
	struct tcp_receive *r = &c->rcv;
	uint32_t free = receive_free(c), left = r->adv - r->nxt, wnd = left;

	if (seq_gt(r->nxt, r->adv)) /* the FIN stood at the edge */
		left = wnd = 0;
	if (free > left && free - left >= window_step(c))
		wnd = free;
	/* RFC 7323 §2.4: rounded up if rounding down took back what was announced */
	wnd >>= r->wscale;
	if (wnd << r->wscale < left)
		wnd++;
	wnd = MIN(wnd, 65535);
	r->adv = seq_max(r->adv, r->nxt + (wnd << r->wscale));
	return (uint16_t)wnd;
}

bool tcp_window_worth_telling(const struct tcp *c)
{
	uint32_t left = seq_gt(c->rcv.nxt, c->rcv.adv) ? 0 : c->rcv.adv - c->rcv.nxt;
	uint32_t free = receive_free(c);

	/* As Linux: twice the window, so that a reader of small pieces does not make
	 * an ACK of each. */
	return !c->rcv.fin_taken && free >= 2 * left && free >= window_step(c);
}

static size_t options_timestamps(bool on, uint32_t tsval, uint32_t tsecr, uint8_t *out)
{
	if (!on)
		return 0;
	out[0] = out[1] = TCPOPT_NOP;
	out[2] = TCPOPT_TIMESTAMPS;
	out[3] = TCP_TIMESTAMPS_SPACE - 2;
	store_be32(out + 4, tsval);
	store_be32(out + 8, tsecr);
	return TCP_TIMESTAMPS_SPACE;
}

static size_t options_data(const struct tcp *c, uint8_t *out, uint64_t now_ns)
{
	uint8_t *p = out + options_timestamps(c->timestamps, tcp_timestamp(c->ts_offset, now_ns), c->ts_recent, out);
	uint32_t edges[2 * TCP_SACK_BLOCKS_MAX];
	unsigned blocks;

	if (LIKELY(!c->sack || (!c->rcv.ahead.count && c->rcv.dsack_lo == c->rcv.dsack_hi)))
		return (size_t)(p - out);
	blocks = tcp_receive_blocks(c, edges, c->timestamps ? TCP_SACK_BLOCKS_MAX - 1 : TCP_SACK_BLOCKS_MAX);
	if (!blocks)
		return (size_t)(p - out);
	p[0] = p[1] = TCPOPT_NOP;
	p[2] = TCPOPT_SACK;
	p[3] = (uint8_t)(2 + SACK_BLOCK * blocks);
	p += SACK_OVERHEAD;
	for (unsigned i = 0; i < 2 * blocks; i++, p += 4)
		store_be32(p, edges[i]);
	return (size_t)(p - out);
}

/* A whole segment with its payload from the ring. */
static void emit(struct tcp *c, const struct tcp_piece *piece, const uint8_t *options, size_t options_len,
		 uint64_t now_ns)
{
	struct tcp_stack *s = c->stack;
	struct tcp_packet_spec spec = {
		.src = c->node.local,
		.dst = c->node.remote,
		.seq = piece->seq,
		.flags = piece->flags,
		.options = options,
		.options_len = options_len,
		.payload_len = piece->len,
	};
	struct packet *p;

	if (piece->len)
		spec.payload = tcp_ring_get(&c->snd.ring, piece->seq, piece->len, s->scratch);
	if (piece->flags & TCP_ACK) {
		spec.ack = c->rcv.nxt;
		spec.window = piece->flags & TCP_SYN ? 0 : window_select(c);
		c->rcv.wup = c->rcv.nxt;
		c->rcv.delayed = c->rcv.at_once = false;
		c->rcv.dsack_lo = c->rcv.dsack_hi;
		c->delack_ns = TIME_NEVER;
	}
	if (piece->flags & TCP_SYN)
		spec.window = (uint16_t)MIN(receive_free(c), 65535u);
	s->stats.segments_out++;
	s->stats.bytes_out += piece->len;
	p = packet_make_tcp(s->options.pool, &spec);
	if (p)
		s->options.send(s->options.ctx, p, now_ns);
}

static void emit_data(struct tcp *c, const struct tcp_piece *piece, uint64_t now_ns)
{
	uint8_t options[TCP_OPTIONS_MAX];
	size_t len = options_data(c, options, now_ns);

	emit(c, piece, options, len, now_ns);
}

void tcp_send_ack(struct tcp *c, uint64_t now_ns)
{
	c->rcv.quick -= c->rcv.quick > 0;
	emit_data(c, &(struct tcp_piece){ .seq = c->snd.nxt, .flags = TCP_ACK }, now_ns);
}

void tcp_send_probe(struct tcp *c, uint64_t now_ns)
{
	emit_data(c, &(struct tcp_piece){ .seq = c->snd.una - 1, .flags = TCP_ACK }, now_ns);
}

void tcp_send_challenge(struct tcp *c, uint64_t now_ns)
{
	if (now_ns < c->challenge_ns)
		return;
	c->challenge_ns = now_ns + TCP_CHALLENGE_INTERVAL_NS;
	c->stack->stats.challenge_acks++;
	tcp_send_ack(c, now_ns);
}

void tcp_send_reset(struct tcp *c, uint64_t now_ns)
{
	uint32_t edge = c->snd.una + c->snd.wnd;
	struct tcp_piece rst = {
		.seq = seq_lt(edge, c->snd.nxt) ? edge : c->snd.nxt, /* it must be in the peer's window */
		.flags = TCP_RST | TCP_ACK,
	};
	uint8_t options[TCP_TIMESTAMPS_SPACE];

	c->stack->stats.resets_out++;
	emit(c, &rst, options,
	     options_timestamps(c->timestamps, tcp_timestamp(c->ts_offset, now_ns), c->ts_recent, options), now_ns);
}

void tcp_send_syn(struct tcp *c, uint64_t now_ns)
{
	bool answer = c->state == TCP_SYN_RECEIVED;
	struct tcp_options o = {
		.mss = c->settings->mss,
		.wscale = answer && !c->scaled ? TCP_WSCALE_NONE : c->settings->wscale,
		.sack_permitted = answer ? c->sack : c->settings->sack,
		.has_timestamps = answer ? c->timestamps : c->settings->timestamps,
		.tsval = tcp_timestamp(c->ts_offset, now_ns),
		.tsecr = c->ts_recent,
	};
	uint8_t options[TCP_OPTIONS_MAX];
	size_t len;

	len = tcp_options_write(&o, options);
	if (c->snd.nxt == c->snd.iss) {
		c->snd.nxt++;
		tcp_rtt_time(c, c->snd.nxt, now_ns);
	} else {
		c->rtt.timing = false;
		c->stack->stats.retransmitted++;
	}
	emit(c, &(struct tcp_piece){ .seq = c->snd.iss, .flags = answer ? TCP_SYN | TCP_ACK : TCP_SYN }, options, len,
	     now_ns);
	c->sent_ns = now_ns;
}

void tcp_send_refusal(struct tcp_stack *s, const struct tcp_arrival *a)
{
	struct tcp_packet_spec spec = { .src = a->local, .dst = a->remote, .flags = TCP_RST };
	struct packet *p;

	if (a->flags & TCP_RST)
		return;
	if (a->flags & TCP_ACK) {
		spec.seq = a->ack;
	} else {
		spec.ack = a->end;
		spec.flags |= TCP_ACK;
	}
	s->stats.resets_out++;
	s->stats.segments_out++;
	p = packet_make_tcp(s->options.pool, &spec);
	if (p)
		s->options.send(s->options.ctx, p, a->now_ns);
}

void tcp_send_wait_ack(struct tcp_stack *s, const struct tcp_wait *w, uint64_t now_ns)
{
	struct tcp_packet_spec spec = {
		.src = w->node.local,
		.dst = w->node.remote,
		.seq = w->snd_nxt,
		.ack = w->rcv_nxt,
		.flags = TCP_ACK,
		.window = (uint16_t)MIN(w->rcv_wnd >> w->rcv_wscale, 65535u),
	};
	uint8_t options[TCP_TIMESTAMPS_SPACE];
	struct packet *p;

	spec.options = options;
	spec.options_len = options_timestamps(w->timestamps, tcp_timestamp(w->ts_offset, now_ns), w->ts_recent,
					      options);
	s->stats.segments_out++;
	p = packet_make_tcp(s->options.pool, &spec);
	if (p)
		s->options.send(s->options.ctx, p, now_ns);
}

/* Payload that a segment has room for beside its options. */
static uint32_t payload_room(const struct tcp *c)
{
	uint32_t edges[2 * TCP_SACK_BLOCKS_MAX], blocks;

	if (LIKELY(!c->rcv.ahead.count && c->rcv.dsack_lo == c->rcv.dsack_hi))
		return c->snd.mss;
	blocks = tcp_receive_blocks(c, edges, c->timestamps ? TCP_SACK_BLOCKS_MAX - 1 : TCP_SACK_BLOCKS_MAX);
	return c->sack && blocks ? c->snd.mss - SACK_OVERHEAD - SACK_BLOCK * blocks : c->snd.mss;
}

/* Bytes of the peer's window that are not used. */
static uint32_t window_room(const struct tcp *c)
{
	int room = seq_diff(c->snd.una + c->snd.wnd, c->snd.nxt);

	return room > 0 ? (uint32_t)room : 0;
}

/* PSH when it is the last that there is, as Linux does. */
static uint8_t piece_flags(const struct tcp *c, const struct tcp_piece *p)
{
	return p->len && p->seq + p->len == c->snd.end && !c->snd.more ? TCP_ACK | TCP_PSH : TCP_ACK;
}

static void send_again(struct tcp *c, struct tcp_piece *p, uint64_t now_ns)
{
	uint32_t end = p->seq + p->len;

	/* The FIN is the last of what counts as bytes here. */
	if (seq_gt(end, c->snd.end)) {
		p->len--;
		p->flags = TCP_FIN;
	}
	p->flags |= piece_flags(c, p);
	c->rtt.timing = false; /* Karn */
	c->stack->stats.retransmitted++;
	emit_data(c, p, now_ns);
	c->cc.resent_to = seq_max(c->cc.resent_to, end);
	c->cc.prr_out += end - p->seq;
	c->sent_ns = now_ns;
}

static bool output_lost(struct tcp *c, uint64_t now_ns)
{
	struct tcp_piece p = { 0 };
	uint32_t pipe;

	if (!tcp_lost_piece(c, payload_room(c), &p.seq, &p.len))
		return false;
	/* Beyond a window that was taken back only the front is tried. */
	if (p.seq != c->snd.una && seq_ge(p.seq, c->snd.una + c->snd.wnd))
		return false;
	pipe = tcp_pipe(c);
	if (pipe && pipe + p.len > c->cc.cwnd)
		return false;
	send_again(c, &p, now_ns);
	return true;
}

void tcp_output_head(struct tcp *c, uint64_t now_ns)
{
	struct tcp_piece p = { .seq = c->snd.una, .len = MIN(payload_room(c), tcp_flight(c)) };

	if (p.len)
		send_again(c, &p, now_ns);
}

static void send_new(struct tcp *c, struct tcp_piece *p, bool fin, uint64_t now_ns)
{
	p->flags = piece_flags(c, p) | (fin ? TCP_FIN : 0);
	if (!c->rtt.timing && c->cc.mode == TCP_MODE_OPEN)
		tcp_rtt_time(c, p->seq + p->len + fin, now_ns);
	if (p->len && p->len < c->snd.mss)
		c->snd.small_end = p->seq + p->len;
	c->snd.nxt += p->len + fin;
	c->cc.prr_out += p->len + fin;
	c->sent_ns = now_ns;
	/* As Linux: who answers what it has just received will do so again. */
	if (c->rcv.nxt_at > 1 && now_ns - c->rcv.data_ns < c->settings->delayed_ack_ns)
		c->rcv.answering = true;
	emit_data(c, p, now_ns);
}

/* A segment shorter than the others: may it go? */
static bool short_may_go(const struct tcp *c, uint32_t len, uint32_t queued)
{
	if (len < queued) /* RFC 9293 §3.8.6.2.1 (3): the window, not the data, makes
			     it short */
		return len >= c->snd.wnd_max / 2;
	if (c->snd.fin_wanted)
		return true;
	if (c->snd.more)
		return false;
	return !c->snd.nagle || seq_le(c->snd.small_end, c->snd.una);
}

static bool output_new(struct tcp *c, uint64_t now_ns)
{
	struct tcp_piece p = { .seq = c->snd.nxt };
	uint32_t queued, room = window_room(c), max = payload_room(c), pipe;
	bool fin;

	if (tcp_fin_sent(c))
		return false;
	queued = c->snd.end - c->snd.nxt;
	p.len = MIN(MIN(queued, room), max);
	fin = c->snd.fin_wanted && p.len == queued && room > p.len;
	if (!p.len && !fin)
		return false;
	if (p.len && p.len < max && !short_may_go(c, p.len, queued))
		return false;
	pipe = tcp_pipe(c);
	if (pipe && pipe + p.len > c->cc.cwnd) {
		c->cc.limited = true;
		return false;
	}
	send_new(c, &p, fin, now_ns);
	return true;
}

bool tcp_output_forced(struct tcp *c, uint64_t now_ns)
{
	struct tcp_piece p = { .seq = c->snd.nxt };
	uint32_t queued, room = window_room(c);
	bool fin;

	if (tcp_fin_sent(c) || !room)
		return false;
	queued = c->snd.end - c->snd.nxt;
	p.len = MIN(MIN(queued, room), payload_room(c));
	fin = c->snd.fin_wanted && p.len == queued && room > p.len;
	if (!p.len && !fin)
		return false;
	send_new(c, &p, fin, now_ns);
	return true;
}

/* States in which there may be something to send. */
static bool state_sends(uint8_t state)
{
	return 1u << state & (1u << TCP_ESTABLISHED | 1u << TCP_CLOSE_WAIT | 1u << TCP_FIN_WAIT_1 | 1u << TCP_CLOSING |
			      1u << TCP_LAST_ACK);
}

void tcp_output(struct tcp *c, uint64_t now_ns)
{
	if (!state_sends(c->state))
		return;
	if (c->snd.una == c->snd.nxt && c->snd.end != c->snd.nxt && !tcp_fin_sent(c))
		tcp_congestion_idle(c, now_ns);
	c->cc.limited = false;
	while (output_lost(c, now_ns) || output_new(c, now_ns))
		;
	tcp_timers_output(c, now_ns);
}

void tcp_output_ack(struct tcp *c, uint64_t now_ns)
{
	struct tcp_receive *r = &c->rcv;

	/* RFC 5681 §4.2: a second full-sized segment at the latest. At first every
	 * one, as Linux does: it spares a peer in slow start, and one that waits with
	 * Nagle, the delay. */
	if (r->at_once || !c->settings->delayed_ack_ns || r->nxt - r->wup > r->mss || (r->quick && !r->answering))
		tcp_send_ack(c, now_ns);
	else if (c->delack_ns == TIME_NEVER)
		c->delack_ns = now_ns + c->settings->delayed_ack_ns;
}
