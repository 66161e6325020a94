/* SPDX-License-Identifier: BSD-2-Clause */
/* inbound.c: a client's packet becomes events of its flow.
 *
 * Without a flow only an ACK that proves the switch's handshake (cookie.h) begins one: nothing
 * is stored for anybody who cannot receive at the address he claims. */
#include "frontend_internal.h"
#include "miresga/tcp_options.h"

/* Reads what the ACK proves into w->handshake. An unkeyed ISN proves and tells nothing: anybody
 * may begin a flow (quirk P3), but not replace one. */
static bool handshake_verify(struct work *w, bool known)
{
	const struct config *c = w->fe->config;
	const struct packet *p = w->packet;
	struct handshake *h = &w->handshake;
	struct tcp_options o;

	if ((p->phv.tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) != TCP_ACK)
		return false;
	h->client_isn = seq_sub(p->phv.seq, 1);
	h->isn = seq_sub(p->phv.ack, 1);
	h->has_timestamps = false;
	if (c->sw.isn == ISN_CRC32 || config_has_quirk(c, QUIRK_P3)) {
		if (known && h->isn != cookie_unkeyed_isn(p->phv.client))
			return false;
		h->offer = (struct syn_offer){ .mss = 1460, .wscale = TCP_WSCALE_NONE };
	} else if (!cookie_check(&w->fe->cookie_key, p->phv.client, c->vip, h->client_isn, h->isn, w->now_ns,
				 &h->offer)) {
		return false;
	}
	if (c->sw.timestamps) {
		tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &o);
		h->has_timestamps = o.has_timestamps;
	}
	return true;
}

static void take_timestamps(struct flow *f, const struct packet *p)
{
	struct tcp_options o;

	tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &o);
	if (!o.has_timestamps)
		return;
	f->c_tsval = o.tsval;
	f->c_tsecr = o.tsecr;
	/* Until the backend's clock is known it is the switch's; and what passed by the fast path was younger than what
	 * we saw. A segment of ours that were older would be thrown away (RFC 7323 §5.3). */
	f->s_tsval = f->s_tsval ? seq_max(f->s_tsval, o.tsecr) : o.tsecr;
}

/* The client acknowledges more than was sent, or less than it did before (cookies of one moment
 * lie within 2^21 of each other). Not known once bytes have passed by the fast path. */
static bool acknowledges_strange(const struct flow *f, const struct packet *p)
{
	return !f->s_unseen && (seq_gt(p->phv.ack, f->s_nxt) || seq_lt(p->phv.ack, f->c_ack));
}

/* As far from the next expected byte as `near`, or further. */
static bool is_off(const struct flow *f, const struct packet *p, uint32_t near)
{
	return !seq_in(p->phv.seq, seq_sub(f->c_nxt, near), 2 * near);
}

/* A method and a blank (RFC 9112 §3); of an upload's segments hardly any begins so. */
static bool begins_request(const struct packet *p)
{
	const uint8_t *payload = packet_payload(p);
	uint32_t n = 0;

	while (n < p->phv.payload_len && payload[n] >= 'A' && payload[n] <= 'Z')
		n++;
	return n > 0 && n < p->phv.payload_len && payload[n] == ' ';
}

/* True if a segment hardly belongs to the flow as it stands, so that it may begin a new one (a new
 * connection on the port, RFC 9293 §3.6.1; its ISN may well be near the old numbers). What does
 * belong is not to be asked: in millions of ACKs some pass for a cookie by chance. */
static bool foreign(const struct flow *f, const struct packet *p)
{
	if (seq_sub(p->phv.seq, 1) == f->client_isn || p->phv.seq == f->c_nxt)
		return false;
	if (f->state >= FSM_CLIENT_FIN || acknowledges_strange(f, p))
		return true;
	return is_off(f, p, FLOW_LESS_NEAR) || (is_off(f, p, FLOW_NEAR) && begins_request(p));
}

static struct flow *flow_open(struct work *w)
{
	struct packet *p = w->packet;
	struct flow *f = flow_find(&w->fe->flows, p->phv.client);
	bool known = f && f->state != FSM_NONE;

	if (known && !foreign(f, p))
		return f;
	if (!handshake_verify(w, known)) {
		if (!known)
			packet_drop(p, p->phv.tcp_flags & TCP_RST ? DROP_NO_FLOW : DROP_BAD_COOKIE);
		return known ? f : NULL;
	}
	if (!checksum_ok(w)) {
		packet_drop(p, DROP_BAD_CHECKSUM);
		return NULL;
	}
	if (known) {
		fsm_fire(w, f, EVENT_REUSE);
		return f;
	}
	if (!f)
		f = flow_add(&w->fe->flows, p->phv.client);
	if (!f) {
		packet_drop(p, DROP_FLOW_TABLE_FULL);
		return NULL;
	}
	flow_begin(w, f);
	fsm_fire(w, f, EVENT_HANDSHAKE);
	return f;
}

/* RFC 5961 §3: exactly the next number closes; one inside the window is passed on, so that the
 * backend answers with a challenge ACK; anything else is nobody's. */
static void inbound_reset(struct work *w, struct flow *f)
{
	struct packet *p = w->packet;
	uint32_t window = MAX((uint32_t)f->c_window << (f->offer.wscale % TCP_WSCALE_NONE), 65536);
	bool exact = p->phv.seq == f->c_nxt;
	/* A backend that has not got all bytes before it expects another number. */
	bool other = exact && flow_connected(f) && seq_lt(request_backend_next(f), p->phv.seq);
	/* The one that is being asked has got nothing at all: the action tells it. */
	bool told = exact && f->state == FSM_BACKEND_SYN;

	if (exact) {
		flow_reset_seen(w, f);
		fsm_fire(w, f, EVENT_CLIENT_RST);
	} else if (!seq_in(p->phv.seq, f->c_una, f->c_nxt - f->c_una + window)) {
		packet_drop(p, DROP_RST_INVALID);
		return;
	}
	if (other)
		send_backend_reset(w, f, request_backend_next(f));
	if (!other && !told && f->has_backend && (flow_connected(f) || f->state == FSM_LINGER))
		forward_to_backend(w, f);
	else
		p->fate = FATE_ABSORB;
}

static void inbound_acknowledgement(struct work *w, struct flow *f)
{
	struct packet *p = w->packet;

	fsm_fire(w, f, seq_lt(p->phv.seq, f->c_nxt) ? EVENT_CLIENT_AGAIN : EVENT_CLIENT_ACK);
	if (flow_connected(f))
		forward_acknowledgement(w, f);
	else
		p->fate = FATE_ABSORB;
}

/* The front-end is the server: bytes are taken and thrown away until the client has closed. */
static void inbound_refusing(struct work *w, struct flow *f)
{
	struct packet *p = w->packet;
	uint32_t len = packet_seq_len(p), end = seq_add(p->phv.seq, len);
	bool fin = p->phv.tcp_flags & TCP_FIN;

	p->fate = FATE_ABSORB;
	f->c_nxt = seq_max(f->c_nxt, end);
	f->c_fin_seen |= fin;
	if (seq_ge(f->c_ack, f->s_nxt))
		retry_stop(w, f);
	if (fin)
		fsm_fire(w, f, EVENT_CLIENT_FIN);
	else if (len > 0)
		fsm_fire(w, f, EVENT_CLIENT_DATA);
	else
		fsm_fire(w, f, seq_lt(end, f->c_nxt) ? EVENT_CLIENT_AGAIN : EVENT_CLIENT_ACK);
}

/* It may be of the port's next connection, and have overtaken what proves its handshake. */
static bool is_stray(const struct flow *f, const struct packet *p)
{
	return seq_ge(p->phv.seq, seq_sub(f->c_start, 1)) && seq_le(p->phv.seq, f->c_nxt);
}

/* Whose bytes are a stray's? What is no backend's must not reach one now, either. */
static enum fsm_event lingering_event(const struct flow *f, const struct packet *p)
{
	bool assigned = f->tunnel || seq_le(seq_add(p->phv.seq, p->phv.payload_len), f->c_limit);

	if (!f->has_backend && packet_seq_len(p) > 0 && f->c_fin_seen)
		return EVENT_CLIENT_AGAIN;
	if (p->phv.payload_len == 0)
		return EVENT_CLIENT_ACK;
	return f->has_backend && assigned ? EVENT_CLIENT_DATA : EVENT_CLIENT_PART;
}

/* Ended: strays are carried on, so that the ends can settle what is left between them. */
static void inbound_lingering(struct work *w, struct flow *f)
{
	struct packet *p = w->packet;
	enum fsm_event event = lingering_event(f, p);

	if (config_has_quirk(w->fe->config, QUIRK_F5) || !is_stray(f, p)) {
		packet_drop(p, DROP_FLOW_CLOSED); /* with the quirk all is forgotten */
		return;
	}
	fsm_fire(w, f, event);
	if (f->has_backend && event != EVENT_CLIENT_PART)
		forward_to_backend(w, f);
	else
		packet_drop(p, DROP_FLOW_CLOSED);
}

/* Quirk F5: the FIN becomes a RST for both ends, data or not, and the flow is forgotten. */
static void inbound_fin_to_rst(struct work *w, struct flow *f)
{
	f->c_nxt = seq_max(f->c_nxt, seq_add(w->packet->phv.seq, w->packet->phv.payload_len));
	send_to_client(w, f, f->s_nxt, TCP_RST, NULL, 0);
	fin_to_rst(w->packet);
	fsm_fire(w, f, EVENT_CLIENT_RST);
	forward_to_backend(w, f);
}

static void inbound_segment(struct work *w, struct flow *f)
{
	struct packet *p = w->packet;
	bool fin = p->phv.tcp_flags & TCP_FIN;

	if (f->state == FSM_REFUSING)
		inbound_refusing(w, f);
	else if (f->state == FSM_LINGER)
		inbound_lingering(w, f);
	else if (fin && flow_connected(f) && config_has_quirk(w->fe->config, QUIRK_F5))
		inbound_fin_to_rst(w, f);
	else if (p->phv.payload_len > 0 || fin)
		request_segment(w, f);
	else
		inbound_acknowledgement(w, f);
}

/* It answers, so it lives: it may take its time to read the response that a request waits behind. */
static void renew_patience(const struct work *w, struct flow *f)
{
	bool asked = f->state == FSM_HELD && f->held != HELD_FOR_ENTRY && seq_ge(f->c_una, request_owed(f));

	if (asked && f->retry_step > 0 && f->retry_step == w->fe->config->timeouts.retries)
		f->retry_step--;
}

/* RFC 9293 §3.10.7.4: nobody acknowledges what was not sent. */
static bool ack_possible(const struct flow *f, uint32_t ack)
{
	return seq_le(ack, f->s_nxt) || f->s_unseen || f->entry != ENTRY_NONE;
}

/* Nothing of such a segment counts, not even its FIN or its timestamp; an ACK answers it. That is the backend's to
 * send, where the segment holds nothing that a backend may not see. */
static void inbound_impossible(struct work *w, struct flow *f)
{
	if (flow_connected(f) && w->packet->phv.payload_len == 0)
		forward_to_backend(w, f);
	else
		packet_drop(w->packet, DROP_OUT_OF_WINDOW);
}

void inbound_packet(struct work *w)
{
	struct packet *p = w->packet;
	struct flow *f;

	if (p->phv.tcp_flags & TCP_SYN) {
		packet_drop(p, DROP_STRAY_SYN);
		return;
	}
	f = flow_open(w);
	if (!f)
		return;
	if (!packet_believed(w, f, f->c_nxt, f->c_ack)) {
		flow_settle(w, f);
		return;
	}
	if (p->phv.tcp_flags & TCP_RST) {
		inbound_reset(w, f);
	} else if (!(p->phv.tcp_flags & TCP_ACK) ||
		   !seq_in(p->phv.seq, seq_sub(f->c_nxt, FLOW_WINDOW_MAX), 2 * FLOW_WINDOW_MAX)) {
		packet_drop(p, DROP_OUT_OF_WINDOW);
	} else if (!ack_possible(f, p->phv.ack)) {
		inbound_impossible(w, f);
	} else {
		if (seq_ge(p->phv.ack, f->c_ack)) {
			f->c_ack = p->phv.ack;
			f->c_window = p->phv.window;
		}
		renew_patience(w, f);
		if (f->has_timestamps)
			take_timestamps(f, p);
		inbound_segment(w, f);
	}
	flow_settle(w, f);
}
