/* SPDX-License-Identifier: BSD-2-Clause */
/* request.c: the client's byte stream: request heads are found, matched, assigned to a backend.
 *
 * A backend gets only bytes that are assigned to it: whole heads that matched a rule which chose
 * it, and their bodies. Bytes of a known body pass untouched, in any order. Everything else must
 * be read first, in order: straight from the packet in the ordinary case, through the flow's
 * buffer when a head is in pieces, a segment came early, or a request must wait.
 *
 * What is read must be intact, so checksums are verified exactly there. */
#include "frontend_internal.h"

static bool may_read(const struct flow *f)
{
	if (f->held != HELD_NOTHING || f->wait_response)
		return false;
	return f->state == FSM_INIT || (flow_connected(f) && f->state != FSM_HELD);
}

uint32_t request_received(const struct flow *f)
{
	uint32_t end;

	if (!f->buffer)
		return f->state == FSM_INIT ? f->c_start : f->c_nxt;
	end = stream_buffer_end(f->buffer);
	return f->c_fin_seen && end == f->c_fin ? seq_add(end, 1) : end;
}

void request_release_buffer(struct work *w, struct flow *f)
{
	stream_buffer_put(&w->fe->buffers, f->buffer);
	f->buffer = NULL;
}

static void extend_body(struct flow *f)
{
	while (f->c_body_left > 0 && f->held == HELD_NOTHING &&
	       seq_diff(f->c_limit, f->c_nxt) < (int)(FLOW_BODY_STEP / 2)) {
		uint32_t step = (uint32_t)MIN(f->c_body_left, FLOW_BODY_STEP);

		f->c_limit = f->c_fed = seq_add(f->c_limit, step);
		f->c_body_left -= step;
	}
}

static bool end_lost(const struct flow *f)
{
	return f->response.lost || f->tunnel;
}

/* The request at c_limit waits, as `kind` says; or the flow is reset where E cannot be known. */
static void hold(struct work *w, struct flow *f, enum held_kind kind)
{
	bool closing = f->state == FSM_BACKEND_FIN || f->state == FSM_CLOSING;

	if (kind != HELD_FOR_ENTRY && end_lost(f) && !closing) {
		f->refusal = REFUSAL_END_UNKNOWN;
		fsm_fire(w, f, EVENT_END_UNKNOWN);
		return;
	}
	f->held = (uint8_t)kind;
	fsm_fire(w, f, EVENT_REQUEST_HELD);
}

void request_refuse(struct work *w, struct flow *f, enum refusal why)
{
	f->refusal = (uint8_t)why;
	if (f->state == FSM_INIT)
		fsm_fire(w, f, EVENT_REQUEST_BAD);
	else
		hold(w, f, HELD_TO_REFUSE);
}

/* The next response must be seen from its first byte if a later request may have to move, or if it
 * decides whether a tunnel follows: so the entry goes before the request is passed on. After the
 * backend's FIN there is no next response. */
static bool entry_in_the_way(const struct work *w, const struct flow *f)
{
	bool must_see = f->wait_response || (w->fe->may_move && f->offload != OFFLOAD_ALWAYS);

	return must_see && f->entry != ENTRY_NONE && !f->s_fin_seen;
}

static void request_matched(struct work *w, struct flow *f)
{
	if (f->state == FSM_INIT) {
		fsm_fire(w, f, EVENT_REQUEST);
	} else if (f->held_backend != f->backend) {
		hold(w, f, HELD_TO_MOVE);
	} else if (entry_in_the_way(w, f)) {
		hold(w, f, HELD_FOR_ENTRY);
	} else {
		if (f->state == FSM_OFFLOADED && f->offload != OFFLOAD_ALWAYS)
			fsm_fire(w, f, EVENT_PULL_BACK);
		f->c_limit = f->c_fed;
		response_await(f, f->held_awaited);
		fsm_fire(w, f, EVENT_REQUEST);
	}
}

/* A head is complete; its first byte is head[0], the parser stands behind it. */
static void request_head(struct work *w, struct flow *f, const uint8_t *head)
{
	const struct http_request *r = &f->request;
	const struct config *c = w->fe->config;
	int rule = rules_match(c, (const char *)head + r->host_at, r->host_len, (const char *)head + r->path_at,
			       r->path_len);
	unsigned pool;
	uint32_t step;

	w->fe->stats.requests++;
	if (rule < 0) {
		request_refuse(w, f, REFUSAL_NO_RULE);
		return;
	}
	pool = c->rules[rule].pool;
	if (f->chosen[pool] == 0)
		f->chosen[pool] = (uint16_t)(balance_draw(w->fe, pool) + 1);
	f->held_pool = (uint8_t)pool;
	f->held_rule = (uint8_t)rule;
	f->held_backend = (uint8_t)(f->chosen[pool] - 1);
	f->offload = (uint8_t)c->rules[rule].offload;
	f->held_awaited = (uint8_t)((r->is_head ? AWAITED_HEAD : 0) | (r->is_connect ? AWAITED_CONNECT : 0) |
				    (f->offload << AWAITED_OFFLOAD_SHIFT));
	w->fe->stats.requests_by_backend[f->held_backend]++;
	notice_send(w, f, NOTICE_REQUEST, 0);
	if (r->body == HTTP_BODY_LENGTH) {
		step = (uint32_t)MIN(r->body_length, FLOW_BODY_STEP);
		f->c_fed = seq_add(f->c_fed, step);
		f->c_body_left = r->body_length - step;
	}
	f->wait_response = (r->is_connect || r->wants_upgrade) && !end_lost(f);
	request_matched(w, f);
}

/* Empty lines after a body belong to nobody, but old clients send them and old servers count
 * them in (RFC 9112 §2.2): they go where the body went. */
static void pass_blank(struct work *w, struct flow *f, uint8_t last_byte)
{
	if (!f->request.blank || last_byte != '\n' || !flow_connected(f))
		return;
	http_request_init(&f->request, w->fe->config->http.strictness, w->fe->config->http.head_max);
	f->c_limit = f->c_fed;
}

/* Reads what it may of bytes[0..len), whose first byte is number `at`; at <= c_limit. True if an
 * event was fired. */
static bool read_bytes(struct work *w, struct flow *f, const uint8_t *bytes, uint32_t at, uint32_t len)
{
	uint32_t end = seq_add(at, len);
	bool fired = false;

	while (may_read(f) && seq_lt(f->c_fed, end)) {
		size_t consumed = 0;
		enum http_result r;

		if (f->tunnel) {
			f->c_limit = f->c_fed = end;
			break;
		}
		r = http_request_feed(&f->request, bytes + (f->c_limit - at), bytes + (f->c_fed - at), end - f->c_fed,
				      &consumed);
		f->c_fed = seq_add(f->c_fed, (uint32_t)consumed);
		switch (r) {
		case HTTP_NEED_MORE:
			if (f->request.in_body)
				f->c_limit = f->c_fed;
			else
				pass_blank(w, f, bytes[f->c_fed - at - 1]);
			break;
		case HTTP_HEAD_END:
			request_head(w, f, bytes + (f->c_limit - at));
			fired = true;
			break;
		case HTTP_MESSAGE_END:
			f->c_limit = f->c_fed;
			break;
		case HTTP_BAD:
			request_refuse(w, f, refusal_from_status(f->request.refusal_status));
			fired = true;
			break;
		}
	}
	return fired;
}

/* True once the FIN's turn has come: everything before it is the present backend's. */
static bool fin_assigned(const struct flow *f)
{
	return f->c_fin_seen && seq_ge(f->c_limit, f->c_fin);
}

/* End of what is ours to deliver to the present backend; what is held is owed to a later one. */
uint32_t request_owed(const struct flow *f)
{
	return seq_min(f->c_owed, fin_assigned(f) ? seq_add(f->c_fin, 1) : f->c_limit);
}

uint32_t request_backend_next(const struct flow *f)
{
	return f->c_fin_sent ? seq_add(f->c_fin, 1) : seq_min(f->c_limit, f->c_nxt);
}

/* Bytes that were sent need no keeping, unless they are ours to repeat, or become so when we
 * acknowledge what waits behind them. */
static void trim_buffer(struct work *w, struct flow *f)
{
	struct stream_buffer *b = f->buffer;
	bool keep_unacked;
	uint32_t done;

	if (!b)
		return;
	keep_unacked = seq_gt(request_owed(f), f->c_una) || seq_gt(stream_buffer_last(b), f->c_limit);
	done = seq_min(keep_unacked ? f->c_una : seq_max(f->c_una, f->c_sent), f->c_limit);
	if (seq_gt(done, b->base))
		stream_buffer_discard(b, done); /* also of bytes that passed beside the buffer */
	f->c_sent = seq_max(f->c_sent, b->base);
	if (b->range_count == 0 && flow_connected(f))
		request_release_buffer(w, f);
}

/* Sends what is buffered below c_limit; gaps in it pass beside the buffer when they come. */
static void deliver_bytes(struct work *w, struct flow *f)
{
	uint32_t start, end;

	while (stream_buffer_run(f->buffer, f->c_sent, &start, &end) && seq_lt(start, f->c_limit)) {
		uint32_t len = MIN(seq_min(end, f->c_limit) - start, f->s_mss);
		bool fin = f->c_fin_seen && seq_add(start, len) == f->c_fin;

		if (!send_to_backend(w, f, start, TCP_ACK | TCP_PSH | (fin ? TCP_FIN : 0),
				     stream_buffer_at(f->buffer, start), len))
			return;
		f->c_sent = seq_add(start, len);
		f->c_fin_sent |= fin;
	}
}

bool request_timer_needed(const struct flow *f)
{
	bool held = f->state == FSM_HELD && f->held != HELD_FOR_ENTRY;

	if (f->state == FSM_INIT)
		return false; /* nobody to deliver to yet */
	return seq_gt(request_owed(f), f->c_una) || (held && f->s_unseen);
}

void request_deliver(struct work *w, struct flow *f)
{
	trim_buffer(w, f);
	if (f->buffer)
		deliver_bytes(w, f);
	if (fin_assigned(f) && !f->c_fin_sent)
		f->c_fin_sent = send_to_backend(w, f, f->c_fin, TCP_ACK | TCP_FIN, NULL, 0);
	if (request_timer_needed(f))
		retry_start(w, f);
	trim_buffer(w, f);
}

void request_repeat(struct work *w, struct flow *f)
{
	uint32_t start, end;
	bool fin;

	request_deliver(w, f); /* if there was no packet for it before */
	if (f->buffer && stream_buffer_run(f->buffer, f->c_una, &start, &end) && seq_lt(start, f->c_sent)) {
		end = seq_min(seq_min(end, f->c_sent), seq_add(start, f->s_mss));
		fin = f->c_fin_sent && end == f->c_fin;
		w->fe->stats.retransmissions += send_to_backend(w, f, start, TCP_ACK | TCP_PSH | (fin ? TCP_FIN : 0),
								stream_buffer_at(f->buffer, start), end - start);
	} else if (f->c_fin_sent && seq_gt(request_owed(f), f->c_fin)) {
		w->fe->stats.retransmissions += send_to_backend(w, f, f->c_fin, TCP_ACK | TCP_FIN, NULL, 0);
	}
}

void request_acknowledged(struct work *w, struct flow *f, uint32_t ack)
{
	bool progress = seq_gt(ack, f->c_una) && seq_le(ack, f->c_nxt);

	if (progress)
		f->c_una = ack;
	if (progress && f->retry.list != 0 && f->held != HELD_FOR_ENTRY) {
		retry_stop(w, f);
		if (request_timer_needed(f))
			retry_start(w, f); /* RFC 6298 §5.3: it is alive, the patience begins anew */
	}
	trim_buffer(w, f);
}

/* The stream ends, for now, inside a request head; or a request must wait for E. */
static bool holds_part(const struct flow *f)
{
	if (f->state == FSM_HELD)
		return f->buffer && f->held != HELD_FOR_ENTRY; /* that one goes on in a moment */
	return f->buffer && may_read(f) && seq_gt(f->c_fed, f->c_limit);
}

bool request_unfinished(const struct flow *f)
{
	return f->state != FSM_HELD && holds_part(f);
}

/* An ACK speaks of everything before it: what went to the backend but was not acknowledged there,
 * and is not ours to repeat, may yet be lost, and then only the client has it. */
bool request_acknowledge_held(struct work *w, struct flow *f)
{
	if (!holds_part(f) || seq_ge(f->c_owed, stream_buffer_end(f->buffer)))
		return false;
	if (f->state == FSM_OFFLOADED)
		fsm_fire(w, f, EVENT_PULL_BACK); /* so that we see the backend's ACKs */
	if (seq_lt(f->c_una, f->buffer->base))
		return false;
	fsm_fire(w, f, EVENT_CLIENT_PART);
	return true;
}

void request_ask_progress(struct work *w, struct flow *f)
{
	if (f->s_unseen && holds_part(f) && seq_lt(f->c_una, f->buffer->base))
		send_to_backend(w, f, seq_sub(f->buffer->base, 1), TCP_ACK, NULL, 0);
}

bool request_continue(struct work *w, struct flow *f)
{
	bool fired = false;

	while (f->buffer && may_read(f)) {
		uint32_t start, end;

		if (!stream_buffer_run(f->buffer, f->c_limit, &start, &end) || start != f->c_limit ||
		    seq_ge(f->c_fed, end))
			break;
		fired |= read_bytes(w, f, stream_buffer_at(f->buffer, start), start, end - start);
	}
	if (flow_connected(f))
		request_deliver(w, f);
	if (f->state != FSM_HELD && request_acknowledge_held(w, f))
		fired = true;
	return fired;
}

/* The packet's bytes all belong to the present backend, or are such that it may judge itself. */
static void pass(struct work *w, struct flow *f, bool again)
{
	const struct packet *p = w->packet;
	uint32_t end = seq_add(p->phv.seq, p->phv.payload_len);

	if (p->phv.payload_len > 0)
		fsm_fire(w, f, again ? EVENT_CLIENT_AGAIN : EVENT_CLIENT_DATA);
	if (f->buffer && seq_le(p->phv.seq, f->c_sent) && seq_gt(end, f->c_sent))
		f->c_sent = end;
	f->c_fin_sent |= !!(p->phv.tcp_flags & TCP_FIN);
	forward_to_backend(w, f);
	request_deliver(w, f); /* it may have closed a gap */
}

/* Puts the packet's bytes into the buffer; it is absorbed, or dropped for want of place. */
static bool keep(struct work *w, struct flow *f)
{
	struct packet *p = w->packet;
	uint32_t start = seq_max(p->phv.seq, f->c_start), body;

	if (!f->buffer) {
		f->buffer = stream_buffer_get(&w->fe->buffers,
					      flow_connected(f) ? seq_min(f->c_limit, start) : f->c_start);
		if (f->buffer)
			f->c_sent = f->buffer->base;
	} else if (flow_connected(f) && seq_lt(start, f->buffer->base)) {
		/* The end of a body before what is buffered: it passes, the rest is kept. */
		body = seq_min(seq_add(p->phv.seq, p->phv.payload_len), f->buffer->base);
		send_to_backend(w, f, start, TCP_ACK, packet_payload(p) + (start - p->phv.seq), body - start);
	}
	if (!f->buffer || !stream_buffer_insert(f->buffer, p->phv.seq, packet_payload(p), p->phv.payload_len)) {
		packet_drop(p, DROP_NO_BUFFER);
		return false;
	}
	p->fate = FATE_ABSORB;
	return true;
}

/* The ordinary case: in order, nothing buffered: read straight from the packet. */
static void read_packet(struct work *w, struct flow *f, bool again)
{
	struct packet *p = w->packet;
	uint32_t start = p->phv.seq, end = seq_add(start, p->phv.payload_len), first = f->c_limit;
	struct stream_buffer *spare = stream_buffer_get(&w->fe->buffers, start);

	/* Reading moves the parser on, and what it leaves must then be kept: so first a place for it. */
	if (!spare) {
		packet_drop(p, DROP_NO_BUFFER);
		return;
	}
	if (!read_bytes(w, f, packet_payload(p) + (first - start), first, end - first))
		fsm_fire(w, f, again ? EVENT_CLIENT_AGAIN : EVENT_CLIENT_DATA);
	if (!flow_connected(f) || seq_le(end, f->c_limit)) {
		stream_buffer_put(&w->fe->buffers, spare);
		if (flow_connected(f)) {
			f->c_fin_sent |= !!(p->phv.tcp_flags & TCP_FIN);
			forward_to_backend(w, f);
			request_deliver(w, f); /* the FIN, if it came first */
		} else {
			p->fate = FATE_ABSORB; /* reset meanwhile */
		}
		return;
	}
	f->buffer = spare;
	f->c_sent = start;
	MUST(stream_buffer_insert(spare, start, packet_payload(p), p->phv.payload_len));
	p->fate = FATE_ABSORB;
	request_continue(w, f);
}

/* Comparisons hold within 2^31, uploads are longer: the marks that stand still follow at the largest
 * window's distance. What lies further back is acknowledged (the fast path may not have told us). */
static void marks_follow(struct work *w, struct flow *f)
{
	if (!flow_connected(f) || seq_diff(f->c_nxt, f->c_limit) > (int)FLOW_WINDOW_MAX)
		return;
	if (seq_diff(f->c_nxt, f->c_start) > (int)FLOW_WINDOW_MAX)
		f->c_start = seq_sub(f->c_nxt, FLOW_WINDOW_MAX);
	if (seq_diff(f->c_nxt, f->c_una) > (int)FLOW_WINDOW_MAX) {
		f->c_una = seq_sub(f->c_nxt, FLOW_WINDOW_MAX);
		if (f->held != HELD_FOR_ENTRY && !request_timer_needed(f))
			retry_stop(w, f);
	}
	/* A backend may acknowledge what it never got: beyond c_limit only our own ACKs make bytes ours. */
	f->c_owed = seq_max(f->c_owed, seq_min(f->c_una, f->c_limit));
}

void request_segment(struct work *w, struct flow *f)
{
	struct packet *p = w->packet;
	uint32_t start = p->phv.seq, len = p->phv.payload_len, end = seq_add(start, len);
	bool fin = p->phv.tcp_flags & TCP_FIN;
	bool again = len > 0 && seq_le(end, f->c_nxt), passes;

	extend_body(f);
	passes = flow_connected(f) && seq_ge(start, f->c_start) && (f->tunnel || seq_le(end, f->c_limit));
	if (f->c_fin_seen ? seq_gt(end, f->c_fin) || (fin && end != f->c_fin) : fin && seq_lt(end, f->c_nxt)) {
		packet_drop(p, DROP_OUT_OF_WINDOW); /* nothing follows a FIN (RFC 9293 §3.10.7.4) */
		return;
	}
	if (seq_lt(start, f->c_start) && seq_le(end, f->c_start) && !fin && f->state != FSM_INIT) {
		packet_drop(p, DROP_OLD_DATA);
		return;
	}
	if (!passes && !checksum_ok(w)) {
		packet_drop(p, DROP_BAD_CHECKSUM);
		return;
	}
	f->c_nxt = seq_max(f->c_nxt, seq_add(end, fin));
	if (fin) {
		f->c_fin_seen = true;
		f->c_fin = end;
	}
	marks_follow(w, f);
	if (passes) {
		if (f->tunnel)
			f->c_limit = f->c_fed = seq_max(f->c_limit, end);
		pass(w, f, again);
	} else if (flow_connected(f) && !f->buffer && may_read(f) && seq_le(start, f->c_limit) &&
		   seq_ge(start, f->c_start)) {
		read_packet(w, f, again);
	} else if (f->state == FSM_BACKEND_SYN && !again && config_has_quirk(w->fe->config, QUIRK_F8)) {
		packet_drop(p, DROP_QUIRK);
	} else if (keep(w, f) && !request_continue(w, f)) {
		if (again && holds_part(f) && seq_ge(f->c_owed, end))
			fsm_fire(w, f, EVENT_CLIENT_PART); /* our ACK was lost */
		else
			fsm_fire(w, f, again ? EVENT_CLIENT_AGAIN : EVENT_CLIENT_DATA);
		if (again)
			request_ask_progress(w, f); /* or its answer was lost */
	}
}
