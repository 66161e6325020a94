/* SPDX-License-Identifier: BSD-2-Clause */
/* http_framing.h: our own reading of HTTP/1.x framing, beside llhttp's. Shared by the request and
 * the response side; nobody else needs it. */
#ifndef MIRESGA_FRONTEND_HTTP_FRAMING_H
#define MIRESGA_FRONTEND_HTTP_FRAMING_H

#include "miresga/http.h"

/* What bytes may stand where (RFC 9110 §5.6.2, RFC 3986 §2). */
enum http_class {
	HTTP_TCHAR = 1 << 0,  /* of a token */
	HTTP_VCHAR = 1 << 1,  /* visible ASCII */
	HTTP_OBS = 1 << 2,    /* obs-text: 0x80 and above */
	HTTP_BLANK = 1 << 3,  /* SP and HTAB */
	HTTP_HEX = 1 << 4,    /* of a hexadecimal number */
	HTTP_NAME = 1 << 5,   /* of a reg-name: unreserved and sub-delims */
	HTTP_PCHAR = 1 << 6,  /* of a path or query: HTTP_NAME, ":@/?" */
	HTTP_IP_LIT = 1 << 7, /* inside the brackets of an IP-literal */
};
bool http_is(uint8_t byte, unsigned classes);
/* Value of a byte that is HTTP_HEX. */
unsigned http_hex_value(uint8_t byte);

/* A stretch of a head: offsets from its first byte. */
struct http_span {
	uint32_t at, len;
};

/* ASCII case-insensitive comparison with a lower-case word. */
bool http_span_is(const uint8_t *head, struct http_span span, const char *lower);

/* What the complete head says, by our own reading. */
struct http_facts {
	struct http_span method, target;
	struct http_span host; /* the Host field's value; meaningful if host_count */
	uint64_t content_length;
	uint8_t minor; /* HTTP/1.minor */
	uint8_t host_count, length_count, coding_count;
};

void http_scan_init(struct http_scan *s, enum strictness strictness);
/* Walks through the next `len` bytes. NEED_MORE, HEAD_END after *consumed bytes (the empty line
 * included), or BAD with s->refusal. */
enum http_result http_scan_feed(struct http_scan *s, const uint8_t *data, size_t len, size_t *consumed);
/* Nothing but empty lines so far. */
bool http_scan_is_blank(const struct http_scan *s);
/* The head ended; the next one needs http_scan_init(). */
bool http_scan_is_done(const struct http_scan *s);
/* The lines so far end in bare LF, all of them. */
bool http_scan_has_bare_lf(const struct http_scan *s);

/* Reads a complete head that http_scan_feed() has passed. */
enum http_refusal http_head_read(const uint8_t *head, uint32_t len, enum strictness strictness, struct http_facts *f);

/* `max`: bytes of extensions and trailers, 0 for no limit. Tolerant: white space after the size. */
void http_chunks_init(struct http_chunks *c, uint32_t max, bool tolerant);
/* NEED_MORE, MESSAGE_END after *consumed bytes, or BAD with *refusal. */
enum http_result http_chunks_feed(struct http_chunks *c, const uint8_t *data, size_t len, size_t *consumed,
				  enum http_refusal *refusal);

#endif
