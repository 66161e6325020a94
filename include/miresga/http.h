/* SPDX-License-Identifier: BSD-2-Clause */
/* http.h: what the front-end needs of HTTP/1.x: where a request head ends and what it asks for,
 * where bodies and responses end. llhttp does the tokenising; the framing strictness that it
 * lacks is ours (RFC 9112; docs/http-policy.md lists every decision).
 *
 * Parsers hold no buffer and never allocate. A head is identified by offsets from its first
 * byte; the caller keeps its bytes until the head is complete. Bodies with a Content-Length are
 * not fed: the caller skips `body_length` bytes of the stream. */
#ifndef MIRESGA_HTTP_H
#define MIRESGA_HTTP_H

#include <llhttp/llhttp.h>

#include "miresga/config.h"

enum http_result {
	HTTP_NEED_MORE,	  /* everything consumed, more is needed */
	HTTP_HEAD_END,	  /* request: the head ends after `consumed` bytes, details are filled */
	HTTP_MESSAGE_END, /* the message (its chunked body too) ends after `consumed` bytes */
	HTTP_BAD,	  /* refuse: `refusal_status` */
};

enum http_body {
	HTTP_BODY_NONE,
	HTTP_BODY_LENGTH,      /* body_length bytes follow the head; skip them, do not feed */
	HTTP_BODY_CHUNKED,     /* feed on until HTTP_MESSAGE_END */
	HTTP_BODY_UNTIL_CLOSE, /* responses only */
	HTTP_BODY_TUNNEL,      /* after 101 or a 2xx to CONNECT: no HTTP any more, both ways */
};

/* X(NAME, status, "text"): every reason to refuse a request. docs/http-policy.md explains each. */
#define HTTP_REFUSALS(X) \
	X(NONE, 0, "") \
	X(EMPTY_LINE, 400, "empty line before the request ends in a bare LF (RFC 9112 section 2.2)") \
	X(REQUEST_LINE, 400, "malformed request line (RFC 9112 section 3)") \
	X(METHOD_CASE, 400, "HEAD or CONNECT in another case (RFC 9110 section 9.1)") \
	X(TARGET_BYTE, 400, "byte that no request target may hold (RFC 9112 section 3.2)") \
	X(TARGET_FORM, 400, "request target fits none of the four forms (RFC 9112 section 3.2)") \
	X(TARGET_AUTHORITY, 400, "invalid authority in the request target (RFC 9110 section 4.2)") \
	X(NO_VERSION, 400, "request line without a version (RFC 9112 section 3)") \
	X(VERSION_SYNTAX, 400, "malformed HTTP version (RFC 9112 section 2.3)") \
	X(VERSION, 505, "HTTP version other than 1.0 and 1.1 (RFC 9110 section 15.6.6)") \
	X(BARE_LF, 400, "line ends in a bare LF (RFC 9112 section 2.2)") \
	X(MIXED_LINE_ENDS, 400, "CRLF and bare LF in one head (RFC 9112 section 2.2)") \
	X(BARE_CR, 400, "CR without LF (RFC 9112 section 2.2)") \
	X(NUL, 400, "NUL in a field (RFC 9110 section 5.5)") \
	X(CONTROL, 400, "control character in a field value (RFC 9110 section 5.5)") \
	X(LINE_FOLDING, 400, "line that begins with white space (RFC 9112 sections 2.2 and 5.2)") \
	X(FIELD_NAME, 400, "invalid field name (RFC 9110 section 5.1)") \
	X(SPACE_BEFORE_COLON, 400, "white space between field name and colon (RFC 9112 section 5.1)") \
	X(HEAD_TOO_LARGE, 431, "request head larger than http.head_max (RFC 6585 section 5)") \
	X(HOST_MISSING, 400, "HTTP/1.1 request without Host (RFC 9112 section 3.2)") \
	X(HOST_TWICE, 400, "more than one Host (RFC 9112 section 3.2)") \
	X(HOST_SYNTAX, 400, "invalid Host (RFC 9112 section 3.2)") \
	X(LENGTH_SYNTAX, 400, "Content-Length is not one decimal number (RFC 9112 section 6.3)") \
	X(LENGTH_TWICE, 400, "more than one Content-Length (RFC 9112 section 6.3)") \
	X(LENGTH_AND_CODING, 400, "Content-Length beside Transfer-Encoding (RFC 9112 section 6.1)") \
	X(CODING_IN_1_0, 400, "Transfer-Encoding in HTTP/1.0 (RFC 9112 section 6.1)") \
	X(CODING_TWICE, 400, "more than one Transfer-Encoding (RFC 9112 section 6.1)") \
	X(CODING_UNKNOWN, 501, "Transfer-Encoding other than chunked (RFC 9112 section 6.1)") \
	X(LOOKALIKE, 400, "framing field spelt with an underscore (RFC 9112 section 11.2)") \
	X(CONNECT_CONTENT, 400, "CONNECT with content (RFC 9110 section 9.3.6)") \
	X(READINGS_DIFFER, 400, "two parsers disagree about the head (RFC 9112 section 11.2)") \
	X(CHUNK_SIZE, 400, "malformed chunk size (RFC 9112 section 7.1)") \
	X(CHUNK_EXTENSION, 400, \
	  "control character or unfinished quotes in a chunk extension (RFC 9112 section 7.1.1)") \
	X(CHUNK_END, 400, "chunk data not followed by CRLF (RFC 9112 section 7.1)") \
	X(TRAILER_FIELD, 400, "framing or routing field in a trailer section (RFC 9110 section 6.5.1)") \
	X(CHUNKS_TOO_LARGE, 431, "chunk extensions and trailers exceed http.head_max (RFC 9112 section 7.1.1)")
enum http_refusal {
#define X(name, status, text) HTTP_REFUSE_##name,
	HTTP_REFUSALS(X)
#undef X
	HTTP_REFUSAL_COUNT
};

/* A method that llhttp has no number for: any other token (RFC 9110 section 9.1). */
#define HTTP_METHOD_OTHER 0xff

/* Position inside a head or trailer section; http_framing.c's. */
struct http_scan {
	uint8_t state;
	uint8_t strictness; /* enum strictness */
	uint8_t line_end;   /* how lines end here: unknown yet, CRLF or bare LF */
	uint8_t at;	    /* inside "HTTP/1.1" or a trailer's name */
	uint8_t names;	    /* trailers: which forbidden names still fit */
	uint8_t refusal;    /* enum http_refusal */
	bool trailers;
};

/* Position inside a chunked body; http_framing.c's. */
struct http_chunks {
	uint64_t size;		/* of the chunk, then what is left of it */
	uint32_t overhead, max; /* bytes of extensions and trailers; max 0: unlimited */
	uint8_t state, digits;
	bool tolerant;
	struct http_scan trailers;
};

/* Request side. Opaque but for sizeof: it lives inside the flow. */
struct http_request {
	enum strictness strictness;
	uint32_t head_max;
	uint32_t head_len; /* bytes of the current head fed so far; its length when complete */
	bool blank;	   /* nothing but empty lines, or nothing at all, has come of the current head */
	/* valid after HTTP_HEAD_END; offsets from the head's first byte (leading CRLFs included) */
	uint32_t host_at, host_len; /* from an absolute-form target, else the Host field, without port */
	uint32_t path_at, path_len; /* without query; "/" in the bytes, "*" or authority-form as sent */
	uint64_t body_length;
	uint8_t body;	/* enum http_body; NONE if Content-Length is 0 */
	uint8_t method; /* llhttp's number or HTTP_METHOD_OTHER */
	bool is_head, is_connect, wants_upgrade;
	bool keep_alive;
	bool in_body;		 /* feeding a chunked body */
	uint8_t refusal;	 /* after HTTP_BAD: enum http_refusal */
	uint16_t refusal_status; /* after HTTP_BAD: 400, 431, 501, 505 */
	const char *why;	 /* after HTTP_BAD: static text with the RFC section */
	union {
		struct http_scan scan;	   /* while !in_body */
		struct http_chunks chunks; /* while in_body */
	};
};

void http_request_init(struct http_request *r, enum strictness strictness, uint32_t head_max);
/* Feeds the next `len` bytes of the stream. `head` points at the first byte of the current head
 * (for a head that came in pieces: the caller's buffer, of which data is the newest part;
 * otherwise data itself); it is read only when the head is complete. *consumed <= len. After
 * HTTP_HEAD_END: bytes up to *consumed are the head; go on with the body as `body` says. After
 * HTTP_HEAD_END with BODY_NONE or LENGTH (skipped), and after HTTP_MESSAGE_END, the parser is ready
 * for the next head. After HTTP_BAD it is finished. */
enum http_result http_request_feed(struct http_request *r, const uint8_t *head, const uint8_t *data, size_t len,
				   size_t *consumed);

/* Response side: passive, never refuses. HTTP_BAD means that framing is lost from here on. */
struct http_response {
	llhttp_t parser;
	/* valid after HTTP_HEAD_END */
	uint16_t status;
	uint8_t body; /* enum http_body */
	bool interim; /* 1xx but not 101: the final response is still to come */
	bool keep_alive;
	bool in_body;
	bool in_head; /* some of the next head has come */
	uint8_t last; /* byte of the head so far */
	bool suspect; /* the head holds something that others may read otherwise */
	bool lost;    /* HTTP_BAD was said */
	struct http_chunks chunks;
	uint64_t body_length;	  /* HTTP_BODY_LENGTH */
	uint64_t announced;	  /* Content-Length as announced (also for HEAD), or 0 */
	bool to_head, to_connect; /* the request's method, set by http_response_expect() */
};
void http_response_init(struct http_response *r);
/* The request that the next response answers. Call before its first byte is fed. */
void http_response_expect(struct http_response *r, bool is_head, bool is_connect);
enum http_result http_response_feed(struct http_response *r, const uint8_t *data, size_t len, size_t *consumed);

/* Index of the first rule that matches, or -1. host and path need not be terminated. */
int rules_match(const struct config *c, const char *host, size_t host_len, const char *path, size_t path_len);

/* A complete small error response with Connection: close, for one of the refusal statuses
 * (400, 404, 408, 431, 501, 503, 504, 505); to a HEAD request without its content. Static; *len is its length. */
const char *http_error_response(unsigned status, bool to_head, size_t *len);

#endif
