/* SPDX-License-Identifier: BSD-2-Clause */
/* http_request.c: the request side: head, target, host, and where the body ends.
 *
 * Life-cycle of one request: the bytes of the head go through the incremental scan (http_framing.c)
 * as they come, in any pieces; when it says that the head is complete, the contiguous head is read
 * twice, by http_head_read() and by llhttp. What passes has one reading: both found the same end,
 * version, length and coding. Then the target is taken apart, and the parser waits for the next
 * head, or for a chunked body first.
 *
 * llhttp knows a fixed set of methods, while any token is one (RFC 9110 §9.1), and CRLF alone. The
 * framing of a request does not depend on the method, so an unknown one is shown to it as POST; a
 * head with bare LF throughout is shown with CRLF.
 *
 * Refused beyond framing: targets that fit none of the four forms of RFC 9112 §3.2, user
 * information in an authority (RFC 9110 §4.2.4), CONNECT with content, and HEAD or CONNECT spelt
 * in another case, which would leave the end of the response in doubt. */
#include "http_framing.h"

#include <string.h>

static const struct {
	uint16_t status;
	const char *text;
} refusals[HTTP_REFUSAL_COUNT] = {
#define X(name, status, text) [HTTP_REFUSE_##name] = { status, text },
	HTTP_REFUSALS(X)
#undef X
};

static const struct {
	const char *name;
	uint8_t number;
} methods[] = {
#define METHOD_ROW(number, name, text) { #text, number },
	HTTP_METHOD_MAP(METHOD_ROW)
#undef METHOD_ROW
};

static int pause_after_head(llhttp_t *parser)
{
	(void)parser;
	return HPE_PAUSED;
}

static const llhttp_settings_t head_only = { .on_headers_complete = pause_after_head };

void http_request_init(struct http_request *r, enum strictness strictness, uint32_t head_max)
{
	*r = (struct http_request){ .strictness = strictness, .head_max = head_max, .blank = true };
	http_scan_init(&r->scan, strictness);
}

static enum http_result refuse(struct http_request *r, enum http_refusal refusal)
{
	r->refusal = (uint8_t)refusal;
	r->refusal_status = refusals[refusal].status;
	r->why = refusals[refusal].text;
	return HTTP_BAD;
}

/* ---- authority and target ---------------------------------------------------------------------- */

/* What is sought in an authority. */
struct authority {
	struct http_span host; /* without port; brackets included */
	bool has_port;	       /* a port with at least one digit */
};

/* Length of the percent-encoded triplet at `at`, or 0. */
static uint32_t triplet(const uint8_t *head, uint32_t at, uint32_t end)
{
	return end - at >= 3 && head[at] == '%' && http_is(head[at + 1], HTTP_HEX) && http_is(head[at + 2], HTTP_HEX)
		       ? 3
		       : 0;
}

/* RFC 3986 §3.2.2: end of the IP-literal or reg-name (an IPv4 address is one) that begins at `at`.
 * What is inside an IP-literal is not taken apart: it is only compared. */
static uint32_t host_end(const uint8_t *head, uint32_t at, uint32_t end, bool obs)
{
	if (at < end && head[at] == '[') {
		uint32_t i = at + 1;
		while (i < end && http_is(head[i], HTTP_IP_LIT))
			i++;
		return i < end && i > at + 1 && head[i] == ']' ? i + 1 : at;
	}
	for (;;) {
		uint32_t step = at < end ? triplet(head, at, end) : 0;
		if (at < end && http_is(head[at], obs ? HTTP_NAME | HTTP_OBS : HTTP_NAME))
			step = 1;
		if (step == 0)
			return at;
		at += step;
	}
}

/* uri-host [ ":" port ]; false if it is anything else, user information included. `obs`: bytes above
 * 0x7f may be part of the host. */
static bool authority_parse(const uint8_t *head, struct http_span s, bool obs, struct authority *a)
{
	uint32_t end = s.at + s.len;
	uint32_t at = host_end(head, s.at, end, obs);

	a->host = (struct http_span){ s.at, at - s.at };
	a->has_port = false;
	if (at == end)
		return true;
	if (head[at++] != ':' || a->host.len == 0)
		return false;
	a->has_port = at < end;
	while (at < end && head[at] >= '0' && head[at] <= '9')
		at++;
	return at == end;
}

/* A strict path and query is RFC 3986's; lenient takes what the scan let through. */
static bool path_is_clean(const uint8_t *head, struct http_span s)
{
	uint32_t at = s.at, end = s.at + s.len;

	while (at < end) {
		uint32_t step = http_is(head[at], HTTP_PCHAR) ? 1 : triplet(head, at, end);
		if (step == 0)
			return false;
		at += step;
	}
	return true;
}

/* Path and query from `at` on; an absolute-form target may have none, then it is "/". */
static enum http_refusal path_parse(struct http_request *r, const uint8_t *head, struct http_span s)
{
	uint32_t len = 0;

	if (r->strictness == STRICTNESS_STRICT && !path_is_clean(head, s))
		return HTTP_REFUSE_TARGET_BYTE;
	while (len < s.len && head[s.at + len] != '?' && head[s.at + len] != '#')
		len++;
	r->path_at = s.at;
	r->path_len = len;
	return HTTP_REFUSE_NONE;
}

/* RFC 9112 §3.2.2: scheme "://" authority path. Its host replaces the Host field's. */
static enum http_refusal absolute_parse(struct http_request *r, const uint8_t *head, struct http_span target)
{
	uint32_t at = target.at, end = target.at + target.len, start;
	struct authority a;
	enum http_refusal refusal;

	while (at < end && ((head[at] | 0x20) >= 'a' && (head[at] | 0x20) <= 'z'))
		at++;
	if (at == target.at || end - at < 3 || memcmp(head + at, "://", 3) != 0)
		return HTTP_REFUSE_TARGET_FORM;
	start = at += 3;
	while (at < end && head[at] != '/' && head[at] != '?' && head[at] != '#')
		at++;
	/* RFC 9110 §4.2.1: an empty host is invalid. */
	if (at == start || !authority_parse(head, (struct http_span){ start, at - start }, false, &a))
		return HTTP_REFUSE_TARGET_AUTHORITY;
	r->host_at = a.host.at;
	r->host_len = a.host.len;
	refusal = path_parse(r, head, (struct http_span){ at, end - at });
	if (r->path_len == 0) {
		r->path_at = start - 1; /* a "/" of the "://" stands for the empty path */
		r->path_len = 1;
	}
	return refusal;
}

/* RFC 9112 §3.2.3: host and port, both; RFC 9110 §9.3.6: refuse an empty port. */
static enum http_refusal connect_parse(struct http_request *r, const uint8_t *head, struct http_span target)
{
	struct authority a;

	if (!authority_parse(head, target, false, &a) || a.host.len == 0 || !a.has_port)
		return HTTP_REFUSE_TARGET_AUTHORITY;
	r->host_at = a.host.at;
	r->host_len = a.host.len;
	r->path_at = target.at;
	r->path_len = target.len;
	return HTTP_REFUSE_NONE;
}

static enum http_refusal target_parse(struct http_request *r, const uint8_t *head, struct http_span target)
{
	if (r->is_connect)
		return connect_parse(r, head, target);
	if (head[target.at] == '/')
		return path_parse(r, head, target);
	if (target.len == 1 && head[target.at] == '*') {
		r->path_at = target.at;
		r->path_len = 1;
		return r->method == HTTP_OPTIONS ? HTTP_REFUSE_NONE : HTTP_REFUSE_TARGET_FORM;
	}
	return absolute_parse(r, head, target);
}

/* ---- the complete head ------------------------------------------------------------------------- */

static enum http_refusal method_read(struct http_request *r, const uint8_t *head, struct http_span method)
{
	r->method = HTTP_METHOD_OTHER;
	for (unsigned i = 0; i < ARRAY_LEN(methods); i++) {
		if (strlen(methods[i].name) == method.len && memcmp(methods[i].name, head + method.at, method.len) == 0)
			r->method = methods[i].number;
	}
	r->is_head = r->method == HTTP_HEAD;
	r->is_connect = r->method == HTTP_CONNECT;
	/* Whoever ignores case would answer without a body, or open a tunnel. */
	if ((!r->is_head && http_span_is(head, method, "head")) ||
	    (!r->is_connect && http_span_is(head, method, "connect")))
		return HTTP_REFUSE_METHOD_CASE;
	return HTTP_REFUSE_NONE;
}

/* Shows a head to llhttp. It knows a fixed set of methods and, as built, CRLF alone: another method
 * is shown as POST, a head whose lines all end in LF with CRLF. True if it saw the end of the head
 * exactly there. */
static bool llhttp_reads(llhttp_t *p, const struct http_request *r, const uint8_t *head, const struct http_facts *f)
{
	const char *at = (const char *)head + f->method.at, *end = (const char *)head + r->head_len;
	bool bare = http_scan_has_bare_lf(&r->scan);
	llhttp_errno_t error = HPE_OK;

	if (r->method == HTTP_METHOD_OTHER) {
		error = llhttp_execute(p, "POST", 4);
		at += f->method.len;
	}
	while (error == HPE_OK && at < end) {
		const char *stop = bare ? memchr(at, '\n', (size_t)(end - at)) : end;

		error = llhttp_execute(p, at, (size_t)(stop - at));
		if (bare && error == HPE_OK) {
			error = llhttp_execute(p, "\r", 1);
			error = error == HPE_OK ? llhttp_execute(p, stop++, 1) : error;
		}
		at = stop;
	}
	return error == HPE_PAUSED && at == end && llhttp_get_error_pos(p) == end;
}

/* llhttp's reading of the same head. Whatever differs could be read differently elsewhere too. */
static enum http_refusal second_reading(struct http_request *r, const uint8_t *head, const struct http_facts *f)
{
	llhttp_t p;

	llhttp_init(&p, HTTP_REQUEST, &head_only);
	if (!llhttp_reads(&p, r, head, f))
		return HTTP_REFUSE_READINGS_DIFFER;
	if (p.http_major != 1 || p.http_minor != f->minor || p.content_length != f->content_length ||
	    !(p.flags & F_CONTENT_LENGTH) != !f->length_count || !(p.flags & F_CHUNKED) != !f->coding_count)
		return HTTP_REFUSE_READINGS_DIFFER;
	r->keep_alive = llhttp_should_keep_alive(&p);
	/* RFC 9110 §7.8: Upgrade is to be ignored in HTTP/1.0. */
	r->wants_upgrade = (p.flags & F_UPGRADE) && (p.flags & F_CONNECTION_UPGRADE) && f->minor == 1;
	return HTTP_REFUSE_NONE;
}

static void body_decide(struct http_request *r, const struct http_facts *f)
{
	r->body = HTTP_BODY_NONE;
	r->body_length = 0;
	if (f->coding_count) {
		r->body = HTTP_BODY_CHUNKED;
		r->in_body = true;
		http_chunks_init(&r->chunks, r->head_max, false);
	} else if (f->content_length) {
		r->body = HTTP_BODY_LENGTH;
		r->body_length = f->content_length;
	}
}

static enum http_refusal head_complete(struct http_request *r, const uint8_t *head)
{
	struct http_facts f;
	struct authority host = { 0 };
	bool obs = r->strictness == STRICTNESS_LENIENT;
	enum http_refusal refusal = http_head_read(head, r->head_len, r->strictness, &f);

	if (refusal == HTTP_REFUSE_NONE)
		refusal = method_read(r, head, f.method);
	if (refusal == HTTP_REFUSE_NONE && f.host_count && !authority_parse(head, f.host, obs, &host))
		refusal = HTTP_REFUSE_HOST_SYNTAX;
	r->host_at = host.host.at;
	r->host_len = host.host.len;
	if (refusal == HTTP_REFUSE_NONE)
		refusal = target_parse(r, head, f.target);
	if (refusal == HTTP_REFUSE_NONE && r->is_connect && (f.content_length || f.coding_count))
		refusal = HTTP_REFUSE_CONNECT_CONTENT;
	if (refusal == HTTP_REFUSE_NONE)
		refusal = second_reading(r, head, &f);
	if (refusal == HTTP_REFUSE_NONE)
		body_decide(r, &f);
	return refusal;
}

static enum http_result feed_chunks(struct http_request *r, const uint8_t *data, size_t len, size_t *consumed)
{
	enum http_refusal refusal;
	enum http_result result = http_chunks_feed(&r->chunks, data, len, consumed, &refusal);

	if (result == HTTP_BAD)
		return refuse(r, refusal);
	if (result == HTTP_MESSAGE_END) {
		r->in_body = false;
		r->head_len = 0;
		r->blank = true;
		http_scan_init(&r->scan, r->strictness);
	}
	return result;
}

enum http_result http_request_feed(struct http_request *r, const uint8_t *head, const uint8_t *data, size_t len,
				   size_t *consumed)
{
	enum http_result result;
	enum http_refusal refusal;

	*consumed = 0;
	if (r->refusal != HTTP_REFUSE_NONE)
		return HTTP_BAD;
	if (len == 0)
		return HTTP_NEED_MORE;
	if (r->in_body)
		return feed_chunks(r, data, len, consumed);
	if (http_scan_is_done(&r->scan)) {
		r->head_len = 0;
		http_scan_init(&r->scan, r->strictness);
	}
	result = http_scan_feed(&r->scan, data, MIN(len, (size_t)(r->head_max - r->head_len)), consumed);
	r->head_len += (uint32_t)*consumed;
	r->blank = http_scan_is_blank(&r->scan);
	if (result == HTTP_BAD)
		return refuse(r, r->scan.refusal);
	if (result == HTTP_NEED_MORE)
		return r->head_len == r->head_max ? refuse(r, HTTP_REFUSE_HEAD_TOO_LARGE) : HTTP_NEED_MORE;
	refusal = head_complete(r, head);
	return refusal == HTTP_REFUSE_NONE ? HTTP_HEAD_END : refuse(r, refusal);
}
