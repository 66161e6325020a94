/* SPDX-License-Identifier: BSD-2-Clause */
/* http_reading.h: what the HTTP parsers make of a whole stream, cut into any pieces, as one value
 * that can be compared: the same bytes must give the same reading however they are cut. */
#ifndef TESTS_HTTP_READING_H
#define TESTS_HTTP_READING_H

#include <string.h>

#include "miresga/http.h"

#define READING_MAX 16
#define READING_HEAD_MAX 65536

/* X(NAME): how a stream ended. */
#define READING_ENDS(X) \
	X(CLEAN) /* after a message, or in empty lines behind it */ \
	X(IN_HEAD) \
	X(IN_BODY) \
	X(UNTIL_CLOSE) \
	X(TUNNEL) \
	X(BAD)
enum reading_end {
#define X(name) READING_##name,
	READING_ENDS(X)
#undef X
};

/* Offsets are the stream's. */
struct reading_message {
	size_t head_at, head_end;
	size_t host_at, host_len, path_at, path_len;
	uint64_t body_length;
	uint16_t status; /* responses */
	uint8_t body, method;
	bool keep_alive, is_head, is_connect, wants_upgrade, interim;
};

struct reading {
	struct reading_message m[READING_MAX];
	unsigned count; /* beyond READING_MAX they are only counted */
	enum reading_end end;
	unsigned refusal; /* enum http_refusal, if BAD */
	size_t at;	  /* how far it came */
};

/* The first piece has `first` bytes, the others `step`. */
struct cut {
	size_t first, step;
};
#define CUT_WHOLE ((struct cut){ SIZE_MAX, SIZE_MAX })
#define CUT_BYTES ((struct cut){ 1, 1 })
#define CUT_AT(n) ((struct cut){ (n), SIZE_MAX })

static inline size_t cut_piece(struct cut c, size_t at, size_t len)
{
	size_t piece = at < c.first ? c.first - at : c.step;

	return piece < len - at ? piece : len - at;
}

static inline struct reading_message *reading_add(struct reading *r)
{
	struct reading_message *m = &r->m[r->count < READING_MAX ? r->count : READING_MAX - 1];

	r->count++;
	memset(m, 0, sizeof(*m));
	return m;
}

static inline void reading_note_request(struct reading *r, const struct http_request *q, size_t head)
{
	struct reading_message *m = reading_add(r);

	m->head_at = head;
	m->head_end = head + q->head_len;
	m->host_at = head + q->host_at;
	m->host_len = q->host_len;
	m->path_at = head + q->path_at;
	m->path_len = q->path_len;
	m->body_length = q->body_length;
	m->body = q->body;
	m->method = q->method;
	m->keep_alive = q->keep_alive;
	m->is_head = q->is_head;
	m->is_connect = q->is_connect;
	m->wants_upgrade = q->wants_upgrade;
}

static inline void reading_of_requests(struct reading *r, enum strictness strictness, const uint8_t *bytes, size_t len,
				       struct cut cut)
{
	struct http_request q;
	size_t head = 0, at = 0;

	memset(r, 0, sizeof(*r));
	http_request_init(&q, strictness, READING_HEAD_MAX);
	while (at < len && r->end != READING_BAD) {
		size_t piece = cut_piece(cut, at, len), consumed;
		enum http_result result = http_request_feed(&q, bytes + head, bytes + at, piece, &consumed);

		MUST(consumed <= piece);
		at += consumed;
		if (result == HTTP_NEED_MORE) {
			MUST(consumed == piece);
			r->end = q.in_body ? READING_IN_BODY : q.blank ? READING_CLEAN : READING_IN_HEAD;
			continue;
		}
		r->end = result == HTTP_BAD ? READING_BAD : READING_CLEAN;
		if (result == HTTP_HEAD_END) {
			reading_note_request(r, &q, head);
			if (q.body == HTTP_BODY_CHUNKED)
				r->end = READING_IN_BODY;
			if (q.body == HTTP_BODY_LENGTH && q.body_length > len - at) {
				r->end = READING_IN_BODY;
				at = len;
			} else if (q.body == HTTP_BODY_LENGTH) {
				at += q.body_length;
			}
		}
		head = at;
	}
	r->refusal = q.refusal;
	r->at = at;
}

static inline void reading_note_response(struct reading *r, const struct http_response *s)
{
	struct reading_message *m = reading_add(r);

	m->status = s->status;
	m->body = s->body;
	m->body_length = s->announced;
	m->keep_alive = s->keep_alive;
	m->interim = s->interim;
}

static inline void reading_of_responses(struct reading *r, bool to_head, bool to_connect, const uint8_t *bytes,
					size_t len, struct cut cut)
{
	struct http_response s;
	size_t at = 0;

	memset(r, 0, sizeof(*r));
	http_response_init(&s);
	http_response_expect(&s, to_head, to_connect);
	while (at < len && r->end != READING_BAD && r->end != READING_UNTIL_CLOSE && r->end != READING_TUNNEL) {
		size_t piece = cut_piece(cut, at, len), consumed;
		enum http_result result = http_response_feed(&s, bytes + at, piece, &consumed);

		MUST(consumed <= piece);
		at += consumed;
		r->end = result == HTTP_BAD	    ? READING_BAD
			 : result != HTTP_NEED_MORE ? READING_CLEAN
			 : s.in_body		    ? READING_IN_BODY
						    : READING_IN_HEAD;
		if (result != HTTP_HEAD_END)
			continue;
		reading_note_response(r, &s);
		if (s.body == HTTP_BODY_UNTIL_CLOSE)
			r->end = READING_UNTIL_CLOSE;
		else if (s.body == HTTP_BODY_TUNNEL)
			r->end = READING_TUNNEL;
		else if (s.body == HTTP_BODY_CHUNKED || s.body_length > len - at)
			r->end = READING_IN_BODY;
		at += s.body == HTTP_BODY_LENGTH ? MIN((uint64_t)(len - at), s.body_length) : 0;
	}
	r->at = at;
}

static inline const char *refusal_name(unsigned refusal)
{
	static const char *const names[] = {
#define X(name, status, text) #name,
		HTTP_REFUSALS(X)
#undef X
	};

	return refusal < HTTP_REFUSAL_COUNT ? names[refusal] : "?";
}

#endif
