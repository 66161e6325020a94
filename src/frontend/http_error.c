/* SPDX-License-Identifier: BSD-2-Clause */
/* http_error.c: the responses that the front-end gives by itself instead of a backend.
 *
 * Constant bytes. No Date: the core has no clock, and RFC 9110 §6.6.1 forbids one then.
 * Connection: close, since the front-end closes after it (RFC 9112 §9.6). A status that is not in
 * the list is our own mistake. */
#include "miresga/http.h"

/* X(status, "reason phrase", length of the body, "body") */
#define ERROR_RESPONSES(X) \
	X(400, "Bad Request", 54, "The request is malformed or its framing is ambiguous.\n") \
	X(404, "Not Found", 51, "No rule of the load balancer matches this request.\n") \
	X(408, "Request Timeout", 47, "The request did not arrive completely in time.\n") \
	X(431, "Request Header Fields Too Large", 38, "The head of the request is too large.\n") \
	X(501, "Not Implemented", 53, "The transfer coding of the request is not supported.\n") \
	X(503, "Service Unavailable", 53, "The backend for this request refused the connection.\n") \
	X(504, "Gateway Timeout", 53, "The backend for this request did not answer in time.\n") \
	X(505, "HTTP Version Not Supported", 47, "Only HTTP/1.0 and HTTP/1.1 are supported here.\n")

#define X(status, reason, length, body) _Static_assert(sizeof(body) - 1 == length, "length of the body of " #status);
ERROR_RESPONSES(X)
#undef X

static const struct {
	unsigned status;
	const char *bytes;
	size_t len, content_len;
} responses[] = {
#define BYTES(status, reason, length, body) \
	"HTTP/1.1 " #status " " reason "\r\n" \
	"Content-Type: text/plain\r\n" \
	"Content-Length: " #length "\r\n" \
	"Connection: close\r\n" \
	"\r\n" body
#define X(status, reason, length, body) \
	{ status, BYTES(status, reason, length, body), sizeof(BYTES(status, reason, length, body)) - 1, length },
	ERROR_RESPONSES(X)
#undef X
};

const char *http_error_response(unsigned status, bool to_head, size_t *len)
{
	unsigned i = 0;

	while (i < ARRAY_LEN(responses) && responses[i].status != status)
		i++;
	MUST(i < ARRAY_LEN(responses));
	*len = responses[i].len - (to_head ? responses[i].content_len : 0); /* RFC 9110 §9.3.2 */
	return responses[i].bytes;
}
