/* SPDX-License-Identifier: BSD-2-Clause */
/* response.c: follows the backend's byte stream just far enough to know where responses end.
 *
 * That tells two things: whether a response is an elephant (its Content-Length), and E, the end
 * of the last response, where another backend may take over. The tracker only listens: packets
 * are forwarded whatever it understands. When it can no longer know, it is `lost`, and says so:
 * a wrong E would be worse than none.
 *
 * It is lost after a response that only the connection's end delimits, after bytes that are not
 * HTTP, when too many requests wait, and when bytes that it would have had to read passed by the
 * switch's fast path, or early, when there was no place for them. A body of known length needs no
 * reading and may pass so. */
#include "frontend_internal.h"

static void lose(struct work *w, struct flow *f)
{
	f->response.lost = true;
	f->wait_response = false; /* nothing will tell; what waited is read as HTTP */
	response_release_buffer(w, f);
}

void response_begin(struct work *w, struct flow *f, uint32_t first_byte)
{
	struct response_tracker *t = &f->response;

	response_release_buffer(w, f);
	http_response_init(&t->http);
	t->next = first_byte;
	t->body_left = 0;
	t->lost = t->begun = false;
	t->first = t->count = 0;
	/* An entry carries what its own backend sends; another one's, on its way out, carries nothing of this. */
	f->entry_seen = f->entry != ENTRY_NONE && f->entry_backend == f->backend;
}

void response_release_buffer(struct work *w, struct flow *f)
{
	stream_buffer_put(&w->fe->buffers, f->response.early);
	f->response.early = NULL;
}

void response_await(struct flow *f, uint8_t awaited)
{
	struct response_tracker *t = &f->response;
	uint32_t end;

	/* The client has it all, but most of a long body went by the fast path: steps would not do. */
	if (t->body_left > 0 && response_end_known(f, &end) && f->c_ack == end) {
		t->next = end;
		t->body_left = 0;
	}
	if (t->count == AWAITED_MAX) {
		t->lost = true;
		return;
	}
	t->awaited[(t->first + t->count) % AWAITED_MAX] = awaited;
	t->count++;
}

bool response_end_known(const struct flow *f, uint32_t *end)
{
	const struct response_tracker *t = &f->response;

	if (t->lost || f->tunnel || t->begun || t->count > 0)
		return false;
	*end = seq_add(t->next, (uint32_t)t->body_left);
	return true;
}

/* A segment of old bytes: the client answers with what it has (RFC 9293 §3.10.7.4). */
void response_ask_progress(struct work *w, struct flow *f)
{
	if (f->state == FSM_HELD && f->held != HELD_FOR_ENTRY && f->s_unseen)
		send_to_client(w, f, seq_sub(f->c_ack, 1), TCP_ACK, NULL, 0);
}

/* The response at hand needs no more reading. A surplus one answers nobody. */
static void response_done(struct response_tracker *t)
{
	t->begun = false;
	if (t->count > 0) {
		t->first = (t->first + 1) % AWAITED_MAX;
		t->count--;
	}
}

static void extend_body(struct response_tracker *t, uint32_t seen)
{
	while (t->body_left > 0 && seq_diff(t->next, seen) < (int)(FLOW_BODY_STEP / 2)) {
		uint32_t step = (uint32_t)MIN(t->body_left, FLOW_BODY_STEP);

		t->next = seq_add(t->next, step);
		t->body_left -= step;
	}
}

static void decide_offload(struct work *w, struct flow *f, uint8_t awaited)
{
	const struct http_response *r = &f->response.http;
	const struct config *c = w->fe->config;

	switch ((enum offload_mode)(awaited >> AWAITED_OFFLOAD_SHIFT)) {
	case OFFLOAD_ALWAYS:
		f->want_offload = true;
		break;
	case OFFLOAD_AUTO:
		/* Requests that wait behind it must be seen answered, if one may move. */
		f->want_offload = r->body == HTTP_BODY_LENGTH && r->body_length >= c->offload_threshold &&
				  (f->response.count == 0 || !w->fe->may_move);
		break;
	case OFFLOAD_NEVER:
		f->want_offload = false;
		break;
	}
}

static void response_head(struct work *w, struct flow *f)
{
	struct response_tracker *t = &f->response;
	const struct http_response *r = &t->http;
	uint8_t awaited = t->count > 0 ? t->awaited[t->first] : 0;

	w->fe->stats.responses++;
	if (r->interim) {
		t->begun = false; /* 100 Continue: the final response follows (RFC 9110 §15.2) */
		return;
	}
	f->wait_response = false;
	switch ((enum http_body)r->body) {
	case HTTP_BODY_NONE:
		response_done(t);
		break;
	case HTTP_BODY_LENGTH:
		response_done(t);
		t->body_left = r->body_length;
		extend_body(t, t->next);
		break;
	case HTTP_BODY_CHUNKED:
		break;
	case HTTP_BODY_UNTIL_CLOSE:
		response_done(t);
		lose(w, f);
		break;
	case HTTP_BODY_TUNNEL:
		response_done(t);
		f->tunnel = true;
		break;
	}
	decide_offload(w, f, awaited);
}

/* data[0] is byte t->next of the stream. Stops where reading stops: at a body, when lost. */
static void feed(struct work *w, struct flow *f, const uint8_t *data, uint32_t len)
{
	struct response_tracker *t = &f->response;
	uint32_t end = seq_add(t->next, len);

	while (!t->lost && !f->tunnel && seq_lt(t->next, end)) {
		uint8_t awaited = t->count > 0 ? t->awaited[t->first] : 0;
		size_t consumed = 0;
		enum http_result r;

		if (!t->begun) {
			http_response_expect(&t->http, awaited & AWAITED_HEAD, awaited & AWAITED_CONNECT);
			t->begun = true;
		}
		r = http_response_feed(&t->http, data + len - (end - t->next), end - t->next, &consumed);
		t->next = seq_add(t->next, (uint32_t)consumed);
		if (r == HTTP_HEAD_END)
			response_head(w, f);
		else if (r == HTTP_MESSAGE_END)
			response_done(t);
		else if (r == HTTP_BAD)
			lose(w, f);
	}
}

static void feed_early(struct work *w, struct flow *f)
{
	struct response_tracker *t = &f->response;

	while (t->early && !t->lost) {
		uint32_t last = stream_buffer_last(t->early);

		if (seq_le(last, t->next) || f->tunnel) {
			response_release_buffer(w, f);
			return;
		}
		if (seq_gt(t->next, t->early->base))
			stream_buffer_discard(t->early, t->next);
		if (stream_buffer_end(t->early) == t->next)
			return;
		feed(w, f, stream_buffer_at(t->early, t->next), stream_buffer_end(t->early) - t->next);
	}
}

/* What finds no place passes unread. That does no harm if the head which fills the hole says that it is of a body. */
static void keep_early(struct work *w, struct flow *f, const struct packet *p)
{
	struct response_tracker *t = &f->response;

	if (!t->early)
		t->early = stream_buffer_get(&w->fe->buffers, t->next);
	if (t->early)
		stream_buffer_insert(t->early, p->phv.seq, packet_payload(p), p->phv.payload_len);
}

/* The client has bytes that would have to be read here, and passed unread: nobody sends them again. */
static bool read_too_late(const struct flow *f)
{
	const struct response_tracker *t = &f->response;

	return !f->entry_seen && t->body_left == 0 && seq_gt(f->c_ack, t->next);
}

void response_segment(struct work *w, struct flow *f)
{
	struct response_tracker *t = &f->response;
	const struct packet *p = w->packet;
	uint32_t start = p->phv.seq, end = seq_add(start, p->phv.payload_len);

	if (t->lost || f->tunnel || p->phv.payload_len == 0)
		return;
	extend_body(t, end);
	if (seq_le(end, t->next) || !checksum_ok(w))
		return;
	if (seq_gt(start, t->next)) {
		if (f->entry_seen || read_too_late(f))
			lose(w, f); /* with an entry, the gap went by the fast path */
		else
			keep_early(w, f, p);
		return;
	}
	if (f->entry == ENTRY_NONE)
		f->entry_seen = false; /* back in step: whatever comes now is seen */
	feed(w, f, packet_payload(p) + (t->next - start), end - t->next);
	feed_early(w, f);
}
