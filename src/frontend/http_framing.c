/* SPDX-License-Identifier: BSD-2-Clause */
/* http_framing.c: our own reading of HTTP/1.x framing (RFC 9112), the strictness that llhttp lacks.
 *
 * Three small readers, none of which keeps a byte of what it has read:
 *   http_scan_*    byte by byte: finds where a head (or trailer section) ends, and refuses at the
 *                  first byte that cannot belong to one, so that what is not HTTP is answered at
 *                  once. What it passes has CRLF line ends, one space twice in the request line,
 *                  and lines of the form `token:value` only.
 *   http_head_read line by line over a complete head that the scan has passed: the fields that decide
 *                  about framing and routing.
 *   http_chunks_*  a chunked body: sizes, extensions, trailers. Chunk data is skipped, not touched.
 *
 * Invariants: results do not depend on how the bytes are cut into pieces; each byte is looked at
 * once by each reader; a reader that has said BAD is not asked again.
 *
 * Refused, lenient or not: whatever one parser could take for the end of a line, of a field or of
 * a message and another not. Every refusal is a row of HTTP_REFUSALS; docs/http-policy.md argues. */
#include "http_framing.h"

#include <string.h>

enum line_end {
	LINE_END_UNKNOWN,
	LINE_END_CRLF,
	LINE_END_LF,
};

/* Position inside a head. The states up to AFTER_VERSION belong to the request line. */
enum scan_state {
	SCAN_BLANK,    /* before the request line: empty lines */
	SCAN_BLANK_CR, /* ... CR seen */
	SCAN_METHOD,
	SCAN_TARGET_START,
	SCAN_TARGET,
	SCAN_VERSION,
	SCAN_AFTER_VERSION,
	SCAN_LINE_START,
	SCAN_NAME,
	SCAN_VALUE,
	SCAN_CR,     /* CR at the end of a line */
	SCAN_END_CR, /* CR of the empty line that ends the head */
	SCAN_DONE,
};

#define ALPHA_NUM (HTTP_TCHAR | HTTP_VCHAR | HTTP_NAME | HTTP_PCHAR)
#define SUB_DELIM (HTTP_VCHAR | HTTP_NAME | HTTP_PCHAR)

static const uint8_t classes_of[256] = {
	['\t'] = HTTP_BLANK,
	[' '] = HTTP_BLANK,
	['0' ... '9'] = ALPHA_NUM | HTTP_HEX | HTTP_IP_LIT,
	['A' ... 'F'] = ALPHA_NUM | HTTP_HEX | HTTP_IP_LIT,
	['G' ... 'Z'] = ALPHA_NUM,
	['a' ... 'f'] = ALPHA_NUM | HTTP_HEX | HTTP_IP_LIT,
	['g' ... 'z'] = ALPHA_NUM,
	['-'] = ALPHA_NUM,
	['_'] = ALPHA_NUM,
	['~'] = ALPHA_NUM,
	['.'] = ALPHA_NUM | HTTP_IP_LIT,
	['!'] = SUB_DELIM | HTTP_TCHAR,
	['$'] = SUB_DELIM | HTTP_TCHAR,
	['&'] = SUB_DELIM | HTTP_TCHAR,
	['\''] = SUB_DELIM | HTTP_TCHAR,
	['*'] = SUB_DELIM | HTTP_TCHAR,
	['+'] = SUB_DELIM | HTTP_TCHAR,
	['('] = SUB_DELIM,
	[')'] = SUB_DELIM,
	[','] = SUB_DELIM,
	[';'] = SUB_DELIM,
	['='] = SUB_DELIM,
	[':'] = HTTP_VCHAR | HTTP_PCHAR | HTTP_IP_LIT,
	['@'] = HTTP_VCHAR | HTTP_PCHAR,
	['/'] = HTTP_VCHAR | HTTP_PCHAR,
	['?'] = HTTP_VCHAR | HTTP_PCHAR,
	['#'] = HTTP_VCHAR | HTTP_TCHAR,
	['%'] = HTTP_VCHAR | HTTP_TCHAR,
	['^'] = HTTP_VCHAR | HTTP_TCHAR,
	['`'] = HTTP_VCHAR | HTTP_TCHAR,
	['|'] = HTTP_VCHAR | HTTP_TCHAR,
	['"'] = HTTP_VCHAR,
	['<'] = HTTP_VCHAR,
	['>'] = HTTP_VCHAR,
	['['] = HTTP_VCHAR,
	['\\'] = HTTP_VCHAR,
	[']'] = HTTP_VCHAR,
	['{'] = HTTP_VCHAR,
	['}'] = HTTP_VCHAR,
	[0x80 ... 0xff] = HTTP_OBS,
};

/* RFC 9110 §6.5.1: fields that would change framing or routing if a recipient merged the trailer
 * section into the head, as some do. */
static const char *const trailer_forbidden[] = { "content-length", "transfer-encoding", "host" };

bool http_is(uint8_t byte, unsigned classes)
{
	return classes_of[byte] & classes;
}

unsigned http_hex_value(uint8_t byte)
{
	return byte <= '9' ? byte - '0' : (byte | 0x20) - 'a' + 10;
}

static uint8_t lower(uint8_t byte)
{
	return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
}

bool http_span_is(const uint8_t *head, struct http_span span, const char *word)
{
	if (span.len != strlen(word))
		return false;
	for (uint32_t i = 0; i < span.len; i++) {
		if (lower(head[span.at + i]) != (uint8_t)word[i])
			return false;
	}
	return true;
}

/* ---- the scan ---------------------------------------------------------------------------------- */

void http_scan_init(struct http_scan *s, enum strictness strictness)
{
	*s = (struct http_scan){ .state = SCAN_BLANK, .strictness = strictness };
}

bool http_scan_is_blank(const struct http_scan *s)
{
	return s->state == SCAN_BLANK || s->state == SCAN_BLANK_CR;
}

bool http_scan_is_done(const struct http_scan *s)
{
	return s->state == SCAN_DONE;
}

bool http_scan_has_bare_lf(const struct http_scan *s)
{
	return s->line_end == LINE_END_LF;
}

/* RFC 9112 §2.2 lets a recipient take a single LF for a line end. Who does not can make no sense of
 * a request line that ends so; but where CRLF and LF are mixed, both can make sense, and a
 * different one. Hence: lenient passes LF in the whole head or not at all. */
static enum http_refusal scan_line_end(struct http_scan *s, enum line_end kind)
{
	if (kind == LINE_END_LF && s->line_end == LINE_END_CRLF)
		return HTTP_REFUSE_MIXED_LINE_ENDS;
	if (kind == LINE_END_LF && s->strictness == STRICTNESS_STRICT)
		return HTTP_REFUSE_BARE_LF;
	if (s->line_end != LINE_END_UNKNOWN && s->line_end != kind)
		return HTTP_REFUSE_MIXED_LINE_ENDS;
	s->line_end = kind;
	return HTTP_REFUSE_NONE;
}

static enum http_refusal scan_blank(struct http_scan *s, uint8_t byte)
{
	if (s->state == SCAN_BLANK_CR && byte != '\n')
		return HTTP_REFUSE_BARE_CR;
	if (byte == '\r') {
		s->state = SCAN_BLANK_CR;
		return HTTP_REFUSE_NONE;
	}
	if (byte == '\n') {
		/* RFC 9112 §2.2: ignore empty lines before a request; old clients end bodies with one. */
		bool bare = s->state == SCAN_BLANK;
		s->state = SCAN_BLANK;
		return bare && s->strictness == STRICTNESS_STRICT ? HTTP_REFUSE_EMPTY_LINE : HTTP_REFUSE_NONE;
	}
	if (!http_is(byte, HTTP_TCHAR))
		return HTTP_REFUSE_REQUEST_LINE;
	s->state = SCAN_METHOD;
	return HTTP_REFUSE_NONE;
}

static enum http_refusal scan_target(struct http_scan *s, uint8_t byte)
{
	if (byte == '\r' || byte == '\n')
		return HTTP_REFUSE_NO_VERSION;
	if (byte == ' ') {
		/* RFC 9112 §3: white space other than one SP between the parts has been smuggled with. */
		if (s->state == SCAN_TARGET_START)
			return HTTP_REFUSE_REQUEST_LINE;
		s->state = SCAN_VERSION;
		s->at = 0;
		return HTTP_REFUSE_NONE;
	}
	if (!http_is(byte, s->strictness == STRICTNESS_STRICT ? HTTP_VCHAR : HTTP_VCHAR | HTTP_OBS))
		return HTTP_REFUSE_TARGET_BYTE;
	s->state = SCAN_TARGET;
	return HTTP_REFUSE_NONE;
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static enum http_refusal scan_version(struct http_scan *s, uint8_t byte)
{
	static const char pattern[] = "HTTP/1.1";
	uint8_t at = s->at++;
	bool digit = at == 5 || at == 7;

	if (digit ? !is_digit(byte) : byte != (uint8_t)pattern[at])
		return HTTP_REFUSE_VERSION_SYNTAX;
	/* Remember that the major number was not 1 until the syntax is known to be right. */
	if ((at == 5 && byte != '1') || (at == 7 && byte > '1'))
		s->refusal = HTTP_REFUSE_VERSION;
	if (s->at < sizeof(pattern) - 1)
		return HTTP_REFUSE_NONE;
	s->state = SCAN_AFTER_VERSION;
	return s->refusal;
}

static enum http_refusal scan_request_line(struct http_scan *s, uint8_t byte)
{
	switch ((enum scan_state)s->state) {
	case SCAN_BLANK:
	case SCAN_BLANK_CR:
		return scan_blank(s, byte);
	case SCAN_METHOD:
		if (byte == ' ')
			s->state = SCAN_TARGET_START;
		else if (!http_is(byte, HTTP_TCHAR))
			return HTTP_REFUSE_REQUEST_LINE;
		return HTTP_REFUSE_NONE;
	case SCAN_TARGET_START:
	case SCAN_TARGET:
		return scan_target(s, byte);
	case SCAN_VERSION:
		return scan_version(s, byte);
	default: /* SCAN_AFTER_VERSION */
		if (byte == '\r') {
			s->state = SCAN_CR;
			return HTTP_REFUSE_NONE;
		}
		if (byte != '\n')
			return HTTP_REFUSE_VERSION_SYNTAX;
		s->state = SCAN_LINE_START;
		return scan_line_end(s, LINE_END_LF);
	}
}

/* Of the forbidden names, those whose byte at s->at is this one. */
static void scan_trailer_name(struct http_scan *s, uint8_t byte)
{
	for (unsigned i = 0; i < ARRAY_LEN(trailer_forbidden); i++) {
		const char *name = trailer_forbidden[i];
		if (s->at >= strlen(name) || lower(byte) != (uint8_t)name[s->at])
			s->names &= (uint8_t) ~(1u << i);
	}
	s->at = (uint8_t)MIN(s->at + 1, UINT8_MAX);
}

static bool scan_trailer_is_forbidden(const struct http_scan *s)
{
	for (unsigned i = 0; i < ARRAY_LEN(trailer_forbidden); i++) {
		if (s->names & 1u << i && s->at == strlen(trailer_forbidden[i]))
			return true;
	}
	return false;
}

static enum http_refusal scan_line_start(struct http_scan *s, uint8_t byte)
{
	if (byte == '\r') {
		s->state = SCAN_END_CR;
		return HTTP_REFUSE_NONE;
	}
	if (byte == '\n') {
		s->state = SCAN_DONE;
		return scan_line_end(s, LINE_END_LF);
	}
	if (http_is(byte, HTTP_BLANK))
		return HTTP_REFUSE_LINE_FOLDING;
	if (!http_is(byte, HTTP_TCHAR))
		return byte ? HTTP_REFUSE_FIELD_NAME : HTTP_REFUSE_NUL;
	s->state = SCAN_NAME;
	if (s->trailers) {
		s->at = 0;
		s->names = (1u << ARRAY_LEN(trailer_forbidden)) - 1;
		scan_trailer_name(s, byte);
	}
	return HTTP_REFUSE_NONE;
}

static enum http_refusal scan_name(struct http_scan *s, uint8_t byte)
{
	if (http_is(byte, HTTP_TCHAR)) {
		if (s->trailers)
			scan_trailer_name(s, byte);
		return HTTP_REFUSE_NONE;
	}
	if (http_is(byte, HTTP_BLANK))
		return HTTP_REFUSE_SPACE_BEFORE_COLON;
	if (byte != ':')
		return byte ? HTTP_REFUSE_FIELD_NAME : HTTP_REFUSE_NUL;
	s->state = SCAN_VALUE;
	return s->trailers && scan_trailer_is_forbidden(s) ? HTTP_REFUSE_TRAILER_FIELD : HTTP_REFUSE_NONE;
}

static enum http_refusal scan_field(struct http_scan *s, uint8_t byte)
{
	switch ((enum scan_state)s->state) {
	case SCAN_LINE_START:
		return scan_line_start(s, byte);
	case SCAN_NAME:
		return scan_name(s, byte);
	case SCAN_VALUE:
		if (http_is(byte, HTTP_VCHAR | HTTP_OBS | HTTP_BLANK))
			return HTTP_REFUSE_NONE;
		if (byte == '\r') {
			s->state = SCAN_CR;
			return HTTP_REFUSE_NONE;
		}
		if (byte != '\n')
			return byte ? HTTP_REFUSE_CONTROL : HTTP_REFUSE_NUL;
		s->state = SCAN_LINE_START;
		return scan_line_end(s, LINE_END_LF);
	case SCAN_CR:
		if (byte != '\n')
			return HTTP_REFUSE_BARE_CR;
		s->state = SCAN_LINE_START;
		return scan_line_end(s, LINE_END_CRLF);
	default: /* SCAN_END_CR */
		if (byte != '\n')
			return HTTP_REFUSE_BARE_CR;
		s->state = SCAN_DONE;
		return scan_line_end(s, LINE_END_CRLF);
	}
}

enum http_result http_scan_feed(struct http_scan *s, const uint8_t *data, size_t len, size_t *consumed)
{
	MUST(s->state != SCAN_DONE);
	for (size_t i = 0; i < len; i++) {
		enum http_refusal refusal = s->state < SCAN_LINE_START ? scan_request_line(s, data[i])
								       : scan_field(s, data[i]);
		if (refusal != HTTP_REFUSE_NONE) {
			s->refusal = (uint8_t)refusal;
			*consumed = i;
			return HTTP_BAD;
		}
		if (s->state == SCAN_DONE) {
			*consumed = i + 1;
			return HTTP_HEAD_END;
		}
	}
	*consumed = len;
	return HTTP_NEED_MORE;
}

/* ---- the complete head ------------------------------------------------------------------------- */

/* RFC 9112 §6.3: one decimal number. Nobody reads 2^63 and above alike. */
static enum http_refusal read_length(const uint8_t *head, struct http_span value, struct http_facts *f)
{
	uint64_t n = 0;

	if (f->length_count++)
		return HTTP_REFUSE_LENGTH_TWICE;
	if (value.len == 0)
		return HTTP_REFUSE_LENGTH_SYNTAX;
	for (uint32_t i = 0; i < value.len; i++) {
		uint8_t byte = head[value.at + i];
		if (!is_digit(byte) || n > (INT64_MAX - 9) / 10)
			return HTTP_REFUSE_LENGTH_SYNTAX;
		n = n * 10 + (byte - '0');
	}
	f->content_length = n;
	return HTTP_REFUSE_NONE;
}

static enum http_refusal read_coding(const uint8_t *head, struct http_span value, struct http_facts *f)
{
	if (f->coding_count++)
		return HTTP_REFUSE_CODING_TWICE;
	/* RFC 9112 §6.1: not understood: 501. "gzip, chunked" too: who looks for the word alone misses it. */
	return http_span_is(head, value, "chunked") ? HTTP_REFUSE_NONE : HTTP_REFUSE_CODING_UNKNOWN;
}

static enum http_refusal read_field(const uint8_t *head, struct http_span name, struct http_span value,
				    struct http_facts *f)
{
	if (http_span_is(head, name, "host")) {
		if (f->host_count++)
			return HTTP_REFUSE_HOST_TWICE;
		f->host = value;
		return HTTP_REFUSE_NONE;
	}
	if (http_span_is(head, name, "content-length"))
		return read_length(head, value, f);
	if (http_span_is(head, name, "transfer-encoding"))
		return read_coding(head, value, f);
	/* Gateways that map names to variables (RFC 3875 §4.1.18) cannot tell '_' from '-'. */
	if (http_span_is(head, name, "content_length") || http_span_is(head, name, "transfer_encoding"))
		return HTTP_REFUSE_LOOKALIKE;
	return HTTP_REFUSE_NONE;
}

/* Offset of `byte` at or after `at`; the scan guarantees that there is one. */
static uint32_t find(const uint8_t *head, uint32_t len, uint32_t at, uint8_t byte)
{
	const uint8_t *found = memchr(head + at, byte, len - at);

	MUST(found);
	return (uint32_t)(found - head);
}

/* head[at..end) without the white space and CR around it (RFC 9112 §5). */
static struct http_span trimmed(const uint8_t *head, uint32_t at, uint32_t end)
{
	while (at < end && http_is(head[at], HTTP_BLANK))
		at++;
	while (end > at && (http_is(head[end - 1], HTTP_BLANK) || head[end - 1] == '\r'))
		end--;
	return (struct http_span){ at, end - at };
}

/* What the fields say together. Order matters: the first refusal is what the client is told. */
static enum http_refusal judge(const struct http_facts *f, enum strictness strictness)
{
	if (f->coding_count && f->length_count)
		return HTTP_REFUSE_LENGTH_AND_CODING;
	if (f->coding_count && f->minor == 0)
		return HTTP_REFUSE_CODING_IN_1_0;
	/* Without Host the rules have no host to go by, but no two parsers differ: the backend decides. */
	if (!f->host_count && f->minor == 1 && strictness == STRICTNESS_STRICT)
		return HTTP_REFUSE_HOST_MISSING;
	return HTTP_REFUSE_NONE;
}

enum http_refusal http_head_read(const uint8_t *head, uint32_t len, enum strictness strictness, struct http_facts *f)
{
	uint32_t at = 0, end;

	memset(f, 0, sizeof(*f));
	while (head[at] == '\r' || head[at] == '\n')
		at++;
	f->method = (struct http_span){ at, find(head, len, at, ' ') - at };
	at += f->method.len + 1;
	f->target = (struct http_span){ at, find(head, len, at, ' ') - at };
	at += f->target.len + 1;
	end = find(head, len, at, '\n');
	f->minor = head[at + 7] - '0';
	for (at = end + 1; at < len; at = end + 1) {
		enum http_refusal refusal;
		uint32_t colon;

		end = find(head, len, at, '\n');
		if (head[at] == '\r' || head[at] == '\n')
			break;
		colon = find(head, len, at, ':');
		refusal = read_field(head, (struct http_span){ at, colon - at }, trimmed(head, colon + 1, end), f);
		if (refusal != HTTP_REFUSE_NONE)
			return refusal;
	}
	return judge(f, strictness);
}

/* ---- chunked bodies ---------------------------------------------------------------------------- */

enum chunk_state {
	CHUNK_SIZE,
	CHUNK_SPACE, /* tolerant: white space after the size */
	CHUNK_EXTENSION,
	CHUNK_QUOTED, /* inside the quotes of an extension's value */
	CHUNK_QUOTED_PAIR,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILERS,
};

#define CHUNK_DIGITS_MAX 16

void http_chunks_init(struct http_chunks *c, uint32_t max, bool tolerant)
{
	*c = (struct http_chunks){ .max = max, .tolerant = tolerant, .state = CHUNK_SIZE };
}

static bool chunk_over(const struct http_chunks *c)
{
	return c->max && c->overhead > c->max;
}

static void chunk_begin_trailers(struct http_chunks *c)
{
	/* Line ends in a chunked body are CRLF, lenient or not: a bare LF inside an extension is the
	 * end of the line to some and not to others. */
	c->trailers = (struct http_scan){ .state = SCAN_LINE_START,
					  .strictness = STRICTNESS_STRICT,
					  .line_end = LINE_END_CRLF,
					  .trailers = !c->tolerant };
	c->state = CHUNK_TRAILERS;
}

static enum http_refusal chunk_size(struct http_chunks *c, uint8_t byte)
{
	if (http_is(byte, HTTP_HEX)) {
		/* Sixteen digits are 64 bits; beyond 2^63 signed and unsigned readers part. */
		if (c->state == CHUNK_SPACE || c->digits++ == CHUNK_DIGITS_MAX || c->size >> 59)
			return HTTP_REFUSE_CHUNK_SIZE;
		c->size = c->size << 4 | http_hex_value(byte);
		return HTTP_REFUSE_NONE;
	}
	if (c->digits == 0)
		return HTTP_REFUSE_CHUNK_SIZE;
	if (byte == ';')
		c->state = CHUNK_EXTENSION;
	else if (byte == '\r')
		c->state = CHUNK_SIZE_LF;
	else if (c->tolerant && http_is(byte, HTTP_BLANK))
		c->state = CHUNK_SPACE;
	else
		return HTTP_REFUSE_CHUNK_SIZE;
	return HTTP_REFUSE_NONE;
}

/* The grammar of extensions is not checked (nobody uses them), but their quotes are followed: a
 * line that ends inside quotes is one line to some and not to others. */
static enum http_refusal chunk_extension(struct http_chunks *c, uint8_t byte)
{
	if (byte == '\r' && c->state == CHUNK_EXTENSION)
		c->state = CHUNK_SIZE_LF;
	else if (!http_is(byte, HTTP_VCHAR | HTTP_OBS | HTTP_BLANK))
		return HTTP_REFUSE_CHUNK_EXTENSION;
	else if (c->state == CHUNK_QUOTED_PAIR)
		c->state = CHUNK_QUOTED;
	else if (c->state == CHUNK_QUOTED && byte == '\\')
		c->state = CHUNK_QUOTED_PAIR;
	else if (byte == '"')
		c->state = c->state == CHUNK_QUOTED ? CHUNK_EXTENSION : CHUNK_QUOTED;
	c->overhead++;
	return chunk_over(c) ? HTTP_REFUSE_CHUNKS_TOO_LARGE : HTTP_REFUSE_NONE;
}

static enum http_refusal chunk_byte(struct http_chunks *c, uint8_t byte)
{
	switch ((enum chunk_state)c->state) {
	case CHUNK_SIZE:
	case CHUNK_SPACE:
		return chunk_size(c, byte);
	case CHUNK_EXTENSION:
	case CHUNK_QUOTED:
	case CHUNK_QUOTED_PAIR:
		return chunk_extension(c, byte);
	case CHUNK_SIZE_LF:
		if (byte != '\n')
			return HTTP_REFUSE_BARE_CR;
		c->state = CHUNK_DATA;
		if (c->size == 0)
			chunk_begin_trailers(c);
		return HTTP_REFUSE_NONE;
	case CHUNK_DATA_CR:
		c->state = CHUNK_DATA_LF;
		return byte == '\r' ? HTTP_REFUSE_NONE : HTTP_REFUSE_CHUNK_END;
	default: /* CHUNK_DATA_LF */
		c->state = CHUNK_SIZE;
		c->digits = 0;
		return byte == '\n' ? HTTP_REFUSE_NONE : HTTP_REFUSE_CHUNK_END;
	}
}

static enum http_result chunk_trailers(struct http_chunks *c, const uint8_t *data, size_t len, size_t *consumed,
				       enum http_refusal *refusal)
{
	size_t room = c->max ? c->max - c->overhead : len;
	enum http_result result = http_scan_feed(&c->trailers, data, MIN(len, room), consumed);

	c->overhead += c->max ? (uint32_t)*consumed : 0;
	if (result == HTTP_BAD) {
		*refusal = c->trailers.refusal;
		return HTTP_BAD;
	}
	if (result == HTTP_HEAD_END)
		return HTTP_MESSAGE_END;
	if (c->max && c->overhead == c->max) {
		*refusal = HTTP_REFUSE_CHUNKS_TOO_LARGE;
		return HTTP_BAD;
	}
	return HTTP_NEED_MORE;
}

enum http_result http_chunks_feed(struct http_chunks *c, const uint8_t *data, size_t len, size_t *consumed,
				  enum http_refusal *refusal)
{
	size_t i = 0;

	while (i < len && c->state != CHUNK_TRAILERS) {
		if (c->state == CHUNK_DATA) {
			size_t step = (size_t)MIN((uint64_t)(len - i), c->size);
			i += step;
			c->size -= step;
			if (c->size == 0)
				c->state = CHUNK_DATA_CR;
			continue;
		}
		*refusal = chunk_byte(c, data[i]);
		if (*refusal != HTTP_REFUSE_NONE) {
			*consumed = i;
			return HTTP_BAD;
		}
		i++;
	}
	*consumed = i;
	if (c->state == CHUNK_TRAILERS && i < len) {
		enum http_result result = chunk_trailers(c, data + i, len - i, consumed, refusal);
		*consumed += i;
		return result;
	}
	return HTTP_NEED_MORE;
}
