/* SPDX-License-Identifier: BSD-2-Clause */
/* http_response.c: the response side: a passive tracker that says where each response ends.
 *
 * The head goes through llhttp as it comes; RFC 9112 §6.3 then says how long the body is, knowing
 * the request that it answers. The end E of a response is where a connection may move to another
 * backend, so a wrong E is worse than none: whatever the client could read in another way makes
 * framing lost (HTTP_BAD), and the caller then treats E as unknown: bare CR or LF in the head, a
 * folded field, a field name that is no token, Content-Length twice or beside Transfer-Encoding.
 * What servers do oddly without harm (reason phrases, white space after chunk sizes) passes.
 *
 * Life-cycle: init; then for each request expect(), then feed() until the head's end. Interim
 * (1xx) heads keep the expectation. After HEAD_END with no body or a length (skipped by the
 * caller), and after MESSAGE_END, the next head may follow. BAD is final. */
#include "http_framing.h"

#include <string.h>

static int pause_after_head(llhttp_t *parser)
{
	(void)parser;
	return HPE_PAUSED;
}

/* llhttp's loose build takes spaces inside field names; for some a "Content-Length :" is framing. */
static int doubt_field_name(llhttp_t *parser, const char *at, size_t len)
{
	struct http_response *r = parser->data;

	for (size_t i = 0; i < len; i++)
		r->suspect |= !http_is((uint8_t)at[i], HTTP_TCHAR);
	return 0;
}

/* CR and LF belong together in a head; llhttp takes a CR alone for a line end here and there. A
 * line that begins with white space goes on the field before to some, and is a field to others. */
static void doubt_lines(struct http_response *r, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		r->suspect |= (r->last == '\r') != (data[i] == '\n');
		r->suspect |= r->last == '\n' && http_is(data[i], HTTP_BLANK);
		r->last = data[i];
	}
}

static const llhttp_settings_t settings = {
	.on_header_field = doubt_field_name,
	.on_headers_complete = pause_after_head,
};

static void begin_head(struct http_response *r)
{
	llhttp_init(&r->parser, HTTP_RESPONSE, &settings);
	r->suspect = false;
	r->last = '\0';
	r->in_head = true;
}

void http_response_init(struct http_response *r)
{
	memset(r, 0, sizeof(*r));
}

void http_response_expect(struct http_response *r, bool is_head, bool is_connect)
{
	r->to_head = is_head;
	r->to_connect = is_connect;
}

/* Is there more than one way to read the framing of this head? */
static bool head_is_doubtful(const struct http_response *r)
{
	const llhttp_t *p = &r->parser;

	if (r->suspect || p->http_major != 1 || p->status_code < 100)
		return true;
	if (!(p->flags & F_TRANSFER_ENCODING))
		return false;
	/* RFC 9112 §6.1: Transfer-Encoding in HTTP/1.0 is faulty framing; beside Content-Length it
	 * overrides (§6.3), but not for everybody. */
	return p->http_minor == 0 || (p->flags & F_CONTENT_LENGTH);
}

/* RFC 9112 §6.3, in its order. */
static enum http_body body_of(const struct http_response *r)
{
	const llhttp_t *p = &r->parser;
	unsigned status = p->status_code;

	if (status == 101 || (r->to_connect && status / 100 == 2))
		return HTTP_BODY_TUNNEL;
	if (r->to_head || status / 100 == 1 || status == 204 || status == 304)
		return HTTP_BODY_NONE;
	if (p->flags & F_CHUNKED)
		return HTTP_BODY_CHUNKED;
	if ((p->flags & F_TRANSFER_ENCODING) || !(p->flags & F_CONTENT_LENGTH))
		return HTTP_BODY_UNTIL_CLOSE;
	return p->content_length ? HTTP_BODY_LENGTH : HTTP_BODY_NONE;
}

static enum http_result head_complete(struct http_response *r)
{
	llhttp_t *p = &r->parser;

	if (head_is_doubtful(r)) {
		r->lost = true;
		return HTTP_BAD;
	}
	r->in_head = false;
	r->status = p->status_code;
	r->interim = p->status_code / 100 == 1 && p->status_code != 101;
	r->body = (uint8_t)body_of(r);
	r->announced = p->flags & F_CONTENT_LENGTH ? p->content_length : 0;
	r->body_length = r->body == HTTP_BODY_LENGTH ? p->content_length : 0;
	if (r->to_head)
		p->flags |= F_SKIPBODY; /* for llhttp's idea of what needs an end of file */
	r->keep_alive = llhttp_should_keep_alive(p);
	r->in_body = r->body == HTTP_BODY_CHUNKED;
	if (r->in_body)
		http_chunks_init(&r->chunks, 0, true);
	return HTTP_HEAD_END;
}

static enum http_result feed_chunks(struct http_response *r, const uint8_t *data, size_t len, size_t *consumed)
{
	enum http_refusal refusal;
	enum http_result result = http_chunks_feed(&r->chunks, data, len, consumed, &refusal);

	r->in_body = result == HTTP_NEED_MORE;
	r->lost = result == HTTP_BAD;
	return result;
}

enum http_result http_response_feed(struct http_response *r, const uint8_t *data, size_t len, size_t *consumed)
{
	llhttp_errno_t error;

	*consumed = 0;
	if (r->lost)
		return HTTP_BAD;
	if (len == 0)
		return HTTP_NEED_MORE;
	if (r->in_body)
		return feed_chunks(r, data, len, consumed);
	if (!r->in_head)
		begin_head(r);
	r->parser.data = r; /* the flow may have been moved since */
	error = llhttp_execute(&r->parser, (const char *)data, len);
	*consumed = error == HPE_OK ? len : (size_t)((const uint8_t *)llhttp_get_error_pos(&r->parser) - data);
	doubt_lines(r, data, *consumed);
	if (error == HPE_PAUSED)
		return head_complete(r);
	if (error == HPE_OK)
		return HTTP_NEED_MORE;
	r->lost = true;
	return HTTP_BAD;
}
