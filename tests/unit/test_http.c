/* SPDX-License-Identifier: BSD-2-Clause */
/* test_http.c: the HTTP parsers by their own rows: what each refusal is for, how targets and hosts
 * are read, where bodies and responses end. Each row is also fed byte by byte. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "http_reading.h"

Suite *http_suite(void);

#define BOTH 3
#define STRICT_ONLY (1 << STRICTNESS_STRICT)
#define LENIENT_ONLY (1 << STRICTNESS_LENIENT)

#define GET "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"
#define POST_CHUNKED "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
/* A string literal with its length: some hold NULs. */
#define BYTES(text) text, sizeof(text) - 1

struct refusal_row {
	const char *bytes;
	size_t len;
	enum http_refusal refusal;
	unsigned status;
	unsigned modes; /* refused in these, passed in the others */
};

static const struct refusal_row refusal_rows[] = {
	{ BYTES("\n" GET HOST "\r\n"), HTTP_REFUSE_EMPTY_LINE, 400, STRICT_ONLY },
	{ BYTES("\x16\x03\x01"), HTTP_REFUSE_REQUEST_LINE, 400, BOTH },
	{ BYTES("SSH-2.0-OpenSSH_9.2\r\n"), HTTP_REFUSE_REQUEST_LINE, 400, BOTH },
	{ BYTES(" GET / HTTP/1.1\r\n"), HTTP_REFUSE_REQUEST_LINE, 400, BOTH },
	{ BYTES("GET  / HTTP/1.1\r\n"), HTTP_REFUSE_REQUEST_LINE, 400, BOTH },
	{ BYTES("GET\t/ HTTP/1.1\r\n"), HTTP_REFUSE_REQUEST_LINE, 400, BOTH },
	{ BYTES("head / HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_METHOD_CASE, 400, BOTH },
	{ BYTES("Connect a:1 HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_METHOD_CASE, 400, BOTH },
	{ BYTES("GET /\x7f HTTP/1.1\r\n"), HTTP_REFUSE_TARGET_BYTE, 400, BOTH },
	{ BYTES("GET /a\tb HTTP/1.1\r\n"), HTTP_REFUSE_TARGET_BYTE, 400, BOTH },
	{ BYTES("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_BYTE, 400, STRICT_ONLY },
	{ BYTES("GET /a|b HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_BYTE, 400, STRICT_ONLY },
	{ BYTES("GET /%zz HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_BYTE, 400, STRICT_ONLY },
	{ BYTES("GET /#top HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_BYTE, 400, STRICT_ONLY },
	{ BYTES("GET a/b HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_FORM, 400, BOTH },
	{ BYTES("GET * HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_FORM, 400, BOTH },
	{ BYTES("GET a:80 HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_FORM, 400, BOTH },
	{ BYTES("GET urn:x HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_FORM, 400, BOTH },
	{ BYTES("GET http:///x HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_AUTHORITY, 400, BOTH },
	{ BYTES("GET http://:80/x HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_AUTHORITY, 400, BOTH },
	{ BYTES("GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_AUTHORITY, 400, BOTH },
	{ BYTES("GET http://\xe9/ HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_AUTHORITY, 400, LENIENT_ONLY },
	{ BYTES("CONNECT a HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_AUTHORITY, 400, BOTH },
	{ BYTES("CONNECT a: HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_AUTHORITY, 400, BOTH },
	{ BYTES("CONNECT /x HTTP/1.1\r\n" HOST "\r\n"), HTTP_REFUSE_TARGET_AUTHORITY, 400, BOTH },
	{ BYTES("GET /\r\n"), HTTP_REFUSE_NO_VERSION, 400, BOTH },
	{ BYTES("GET / HTTP/1.1 \r\n"), HTTP_REFUSE_VERSION_SYNTAX, 400, BOTH },
	{ BYTES("GET / http/1.1\r\n"), HTTP_REFUSE_VERSION_SYNTAX, 400, BOTH },
	{ BYTES("GET / HTTP/1.10\r\n"), HTTP_REFUSE_VERSION_SYNTAX, 400, BOTH },
	{ BYTES("GET /a b HTTP/1.1\r\n"), HTTP_REFUSE_VERSION_SYNTAX, 400, BOTH },
	{ BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HTTP_REFUSE_VERSION, 505, BOTH },
	{ BYTES("GET / HTTP/0.9\r\n"), HTTP_REFUSE_VERSION, 505, BOTH },
	{ BYTES("GET / HTTP/1.2\r\n"), HTTP_REFUSE_VERSION, 505, BOTH },
	{ BYTES("GET / HTTP/1.1\nHost: a\n\n"), HTTP_REFUSE_BARE_LF, 400, STRICT_ONLY },
	{ BYTES("GET / HTTP/1.1\nHost: a\r\n\r\n"), HTTP_REFUSE_MIXED_LINE_ENDS, 400, LENIENT_ONLY },
	{ BYTES("GET / HTTP/1.1\nHost: a\r\n\r\n"), HTTP_REFUSE_BARE_LF, 400, STRICT_ONLY },
	{ BYTES(GET "Host: a\n\r\n"), HTTP_REFUSE_MIXED_LINE_ENDS, 400, BOTH },
	{ BYTES(GET HOST "\n"), HTTP_REFUSE_MIXED_LINE_ENDS, 400, BOTH },
	{ BYTES("\rGET / HTTP/1.1\r\n"), HTTP_REFUSE_BARE_CR, 400, BOTH },
	{ BYTES("GET / HTTP/1.1\rHost: a\r\n"), HTTP_REFUSE_BARE_CR, 400, BOTH },
	{ BYTES(GET "Host: a\rX: b\r\n"), HTTP_REFUSE_BARE_CR, 400, BOTH },
	{ BYTES(GET HOST "\rX"), HTTP_REFUSE_BARE_CR, 400, BOTH },
	{ BYTES(GET "X: a\0b\r\n"), HTTP_REFUSE_NUL, 400, BOTH },
	{ BYTES(GET "X\0: a\r\n"), HTTP_REFUSE_NUL, 400, BOTH },
	{ BYTES(GET "X: a\x01\r\n"), HTTP_REFUSE_CONTROL, 400, BOTH },
	{ BYTES(GET "X: a\x7f\r\n"), HTTP_REFUSE_CONTROL, 400, BOTH },
	{ BYTES(GET "X: a\r\n b\r\n"), HTTP_REFUSE_LINE_FOLDING, 400, BOTH },
	{ BYTES(GET "\tHost: a\r\n"), HTTP_REFUSE_LINE_FOLDING, 400, BOTH },
	{ BYTES(GET ": a\r\n"), HTTP_REFUSE_FIELD_NAME, 400, BOTH },
	{ BYTES(GET "X@: a\r\n"), HTTP_REFUSE_FIELD_NAME, 400, BOTH },
	{ BYTES(GET "X\r\n"), HTTP_REFUSE_FIELD_NAME, 400, BOTH },
	{ BYTES(GET "Host : a\r\n"), HTTP_REFUSE_SPACE_BEFORE_COLON, 400, BOTH },
	{ BYTES(GET "Host\t: a\r\n"), HTTP_REFUSE_SPACE_BEFORE_COLON, 400, BOTH },
	{ BYTES(GET "\r\n"), HTTP_REFUSE_HOST_MISSING, 400, STRICT_ONLY },
	{ BYTES("GET http://a/ HTTP/1.1\r\n\r\n"), HTTP_REFUSE_HOST_MISSING, 400, STRICT_ONLY },
	{ BYTES(GET HOST HOST "\r\n"), HTTP_REFUSE_HOST_TWICE, 400, BOTH },
	{ BYTES("GET / HTTP/1.0\r\n" HOST "hOsT: b\r\n\r\n"), HTTP_REFUSE_HOST_TWICE, 400, BOTH },
	{ BYTES(GET "Host: a b\r\n\r\n"), HTTP_REFUSE_HOST_SYNTAX, 400, BOTH },
	{ BYTES(GET "Host: a/b\r\n\r\n"), HTTP_REFUSE_HOST_SYNTAX, 400, BOTH },
	{ BYTES(GET "Host: u@a\r\n\r\n"), HTTP_REFUSE_HOST_SYNTAX, 400, BOTH },
	{ BYTES(GET "Host: a:b\r\n\r\n"), HTTP_REFUSE_HOST_SYNTAX, 400, BOTH },
	{ BYTES(GET "Host: :80\r\n\r\n"), HTTP_REFUSE_HOST_SYNTAX, 400, BOTH },
	{ BYTES(GET "Host: [::1\r\n\r\n"), HTTP_REFUSE_HOST_SYNTAX, 400, BOTH },
	{ BYTES(GET "Host: []\r\n\r\n"), HTTP_REFUSE_HOST_SYNTAX, 400, BOTH },
	{ BYTES(GET "Host: a%2\r\n\r\n"), HTTP_REFUSE_HOST_SYNTAX, 400, BOTH },
	{ BYTES(GET "Host: \xc3\xa9.a\r\n\r\n"), HTTP_REFUSE_HOST_SYNTAX, 400, STRICT_ONLY },
	{ BYTES(GET HOST "Content-Length: +5\r\n\r\n"), HTTP_REFUSE_LENGTH_SYNTAX, 400, BOTH },
	{ BYTES(GET HOST "Content-Length: 0x5\r\n\r\n"), HTTP_REFUSE_LENGTH_SYNTAX, 400, BOTH },
	{ BYTES(GET HOST "Content-Length: 5, 5\r\n\r\n"), HTTP_REFUSE_LENGTH_SYNTAX, 400, BOTH },
	{ BYTES(GET HOST "Content-Length:\r\n\r\n"), HTTP_REFUSE_LENGTH_SYNTAX, 400, BOTH },
	{ BYTES(GET HOST "Content-Length: 9223372036854775808\r\n\r\n"), HTTP_REFUSE_LENGTH_SYNTAX, 400, BOTH },
	{ BYTES(GET HOST "Content-Length: 18446744073709551621\r\n\r\n"), HTTP_REFUSE_LENGTH_SYNTAX, 400, BOTH },
	{ BYTES(GET HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), HTTP_REFUSE_LENGTH_TWICE, 400, BOTH },
	{ BYTES(GET HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), HTTP_REFUSE_LENGTH_TWICE, 400, BOTH },
	{ BYTES(GET HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_REFUSE_LENGTH_AND_CODING, 400,
	  BOTH },
	{ BYTES("GET / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"), HTTP_REFUSE_CODING_IN_1_0, 400, BOTH },
	{ BYTES(GET HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_REFUSE_CODING_TWICE,
	  400, BOTH },
	{ BYTES(GET HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"), HTTP_REFUSE_CODING_UNKNOWN, 501, BOTH },
	{ BYTES(GET HOST "Transfer-Encoding: identity\r\n\r\n"), HTTP_REFUSE_CODING_UNKNOWN, 501, BOTH },
	{ BYTES(GET HOST "Transfer-Encoding:\r\n\r\n"), HTTP_REFUSE_CODING_UNKNOWN, 501, BOTH },
	{ BYTES(GET HOST "Transfer-Encoding: xchunked\r\n\r\n"), HTTP_REFUSE_CODING_UNKNOWN, 501, BOTH },
	{ BYTES(GET HOST "Transfer_Encoding: chunked\r\n\r\n"), HTTP_REFUSE_LOOKALIKE, 400, BOTH },
	{ BYTES(GET HOST "Content_Length: 1\r\n\r\n"), HTTP_REFUSE_LOOKALIKE, 400, BOTH },
	{ BYTES("CONNECT a:1 HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\n"), HTTP_REFUSE_CONNECT_CONTENT, 400, BOTH },
	{ BYTES(GET HOST "Content-Length: 5 \t\r\n\r\n"), HTTP_REFUSE_READINGS_DIFFER, 400, BOTH },
	{ BYTES(GET HOST "Transfer-Encoding: chunked\t\r\n\r\n"), HTTP_REFUSE_READINGS_DIFFER, 400, BOTH },
	{ BYTES(POST_CHUNKED "-5\r\n"), HTTP_REFUSE_CHUNK_SIZE, 400, BOTH },
	{ BYTES(POST_CHUNKED "0x5\r\n"), HTTP_REFUSE_CHUNK_SIZE, 400, BOTH },
	{ BYTES(POST_CHUNKED " 5\r\n"), HTTP_REFUSE_CHUNK_SIZE, 400, BOTH },
	{ BYTES(POST_CHUNKED "5 \r\n"), HTTP_REFUSE_CHUNK_SIZE, 400, BOTH },
	{ BYTES(POST_CHUNKED "5\n"), HTTP_REFUSE_CHUNK_SIZE, 400, BOTH },
	{ BYTES(POST_CHUNKED "\r\n"), HTTP_REFUSE_CHUNK_SIZE, 400, BOTH },
	{ BYTES(POST_CHUNKED "00000000000000001\r\n"), HTTP_REFUSE_CHUNK_SIZE, 400, BOTH },
	{ BYTES(POST_CHUNKED "8000000000000000\r\n"), HTTP_REFUSE_CHUNK_SIZE, 400, BOTH },
	{ BYTES(POST_CHUNKED "1\r\rx"), HTTP_REFUSE_BARE_CR, 400, BOTH },
	{ BYTES(POST_CHUNKED "1;a\nb\r\n"), HTTP_REFUSE_CHUNK_EXTENSION, 400, BOTH },
	{ BYTES(POST_CHUNKED "1;a=\"b\r\n"), HTTP_REFUSE_CHUNK_EXTENSION, 400, BOTH },
	{ BYTES(POST_CHUNKED "1;a=\"\\\"\r\n"), HTTP_REFUSE_CHUNK_EXTENSION, 400, BOTH },
	{ BYTES(POST_CHUNKED "1\r\nxy"), HTTP_REFUSE_CHUNK_END, 400, BOTH },
	{ BYTES(POST_CHUNKED "1\r\nx\n"), HTTP_REFUSE_CHUNK_END, 400, BOTH },
	{ BYTES(POST_CHUNKED "1\r\nx\r\r"), HTTP_REFUSE_CHUNK_END, 400, BOTH },
	{ BYTES(POST_CHUNKED "0\r\nX: a\n"), HTTP_REFUSE_MIXED_LINE_ENDS, 400, BOTH },
	{ BYTES(POST_CHUNKED "0\r\n\n"), HTTP_REFUSE_MIXED_LINE_ENDS, 400, BOTH },
	{ BYTES(POST_CHUNKED "0\r\n x\r\n"), HTTP_REFUSE_LINE_FOLDING, 400, BOTH },
	{ BYTES(POST_CHUNKED "0\r\nHOST: b\r\n"), HTTP_REFUSE_TRAILER_FIELD, 400, BOTH },
	{ BYTES(POST_CHUNKED "0\r\nX: a\r\nContent-Length: 3\r\n"), HTTP_REFUSE_TRAILER_FIELD, 400, BOTH },
	{ BYTES(POST_CHUNKED "0\r\nTransfer-Encoding: a\r\n"), HTTP_REFUSE_TRAILER_FIELD, 400, BOTH },
};

static void check_refusal(const struct refusal_row *row, enum strictness strictness, struct cut cut)
{
	struct reading r;

	reading_of_requests(&r, strictness, (const uint8_t *)row->bytes, row->len, cut);
	if (row->modes & 1u << strictness) {
		ck_assert_msg(r.end == READING_BAD, "`%s` passes in mode %d", row->bytes, strictness);
		ck_assert_msg(r.refusal == row->refusal, "`%s` is refused for %s, not %s", row->bytes,
			      refusal_name(r.refusal), refusal_name(row->refusal));
	} else {
		ck_assert_msg(r.end != READING_BAD || r.refusal != row->refusal, "`%s` is refused in mode %d",
			      row->bytes, strictness);
	}
}

START_TEST(refuses_for_the_right_reason)
{
	for (size_t i = 0; i < ARRAY_LEN(refusal_rows); i++) {
		for (int strictness = STRICTNESS_STRICT; strictness <= STRICTNESS_LENIENT; strictness++) {
			check_refusal(&refusal_rows[i], strictness, CUT_WHOLE);
			check_refusal(&refusal_rows[i], strictness, CUT_BYTES);
		}
	}
}
END_TEST

static void check_refusal_is_final(const struct refusal_row *row)
{
	const uint8_t *bytes = (const uint8_t *)row->bytes;
	enum strictness strictness = row->modes & STRICT_ONLY ? STRICTNESS_STRICT : STRICTNESS_LENIENT;
	struct http_request r;
	size_t at = 0, head = 0, consumed;
	enum http_result result = HTTP_NEED_MORE;

	http_request_init(&r, strictness, READING_HEAD_MAX);
	while (result != HTTP_BAD && at < row->len) {
		result = http_request_feed(&r, bytes + head, bytes + at, row->len - at, &consumed);
		at += consumed;
		if (result == HTTP_HEAD_END || result == HTTP_MESSAGE_END)
			head = at;
	}
	ck_assert_int_eq(result, HTTP_BAD);
	ck_assert_uint_eq(r.refusal_status, row->status);
	ck_assert_ptr_nonnull(strstr(r.why, "(RFC "));
	ck_assert_int_eq(http_request_feed(&r, bytes, (const uint8_t *)GET, 4, &consumed), HTTP_BAD);
	ck_assert_uint_eq(consumed, 0);
}

START_TEST(refusal_is_final_and_says_why)
{
	for (size_t i = 0; i < ARRAY_LEN(refusal_rows); i++)
		check_refusal_is_final(&refusal_rows[i]);
}
END_TEST

/* Every refusal has a row above (the two limits have tests of their own), and a place in the text. */
START_TEST(every_refusal_is_tested_and_documented)
{
	static char text[65536];
	FILE *f = fopen("docs/http-policy.md", "r");
	bool seen[HTTP_REFUSAL_COUNT] = {
		[HTTP_REFUSE_NONE] = true, [HTTP_REFUSE_HEAD_TOO_LARGE] = true, [HTTP_REFUSE_CHUNKS_TOO_LARGE] = true
	};

	ck_assert_msg(f != NULL, "docs/http-policy.md cannot be read");
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	for (size_t i = 0; i < ARRAY_LEN(refusal_rows); i++)
		seen[refusal_rows[i].refusal] = true;
	for (unsigned i = 1; i < HTTP_REFUSAL_COUNT; i++) {
		char name[64];

		snprintf(name, sizeof(name), "`%s`", refusal_name(i));
		ck_assert_msg(seen[i], "no row for %s", name);
		ck_assert_msg(strstr(text, name) != NULL, "%s is not in docs/http-policy.md", name);
	}
}
END_TEST

struct pass_row {
	const char *bytes;
	unsigned modes;
	const char *host, *path;
	uint8_t method, body;
	uint64_t body_length;
};

static const struct pass_row pass_rows[] = {
	{ GET HOST "\r\n", BOTH, "a", "/", HTTP_GET, HTTP_BODY_NONE, 0 },
	{ "\r\n\r\n" GET HOST "\r\n", BOTH, "a", "/", HTTP_GET, HTTP_BODY_NONE, 0 },
	{ "GET /a/b?c=d?e HTTP/1.1\r\nHost:\t www.Example.org:80 \r\n\r\n", BOTH, "www.Example.org", "/a/b", HTTP_GET,
	  HTTP_BODY_NONE, 0 },
	{ "GET / HTTP/1.0\r\n\r\n", BOTH, "", "/", HTTP_GET, HTTP_BODY_NONE, 0 },
	{ GET "Host:\r\n\r\n", BOTH, "", "/", HTTP_GET, HTTP_BODY_NONE, 0 },
	{ GET "Host: a:\r\n\r\n", BOTH, "a", "/", HTTP_GET, HTTP_BODY_NONE, 0 },
	{ GET "Host: [::1]:8080\r\n\r\n", BOTH, "[::1]", "/", HTTP_GET, HTTP_BODY_NONE, 0 },
	{ GET "Host: a_b-c.~d%41\r\n\r\n", BOTH, "a_b-c.~d%41", "/", HTTP_GET, HTTP_BODY_NONE, 0 },
	{ GET "X:\xff\r\nY\x21#$%&'*+-.^_`|~: b\r\n" HOST "\r\n", BOTH, "a", "/", HTTP_GET, HTTP_BODY_NONE, 0 },
	{ "GET http://b.c:81/p?q HTTP/1.1\r\n" HOST "\r\n", BOTH, "b.c", "/p", HTTP_GET, HTTP_BODY_NONE, 0 },
	{ "GET http://b HTTP/1.1\r\n" HOST "\r\n", BOTH, "b", "/", HTTP_GET, HTTP_BODY_NONE, 0 },
	{ "GET HTTPS://b?q HTTP/1.1\r\n" HOST "\r\n", BOTH, "b", "/", HTTP_GET, HTTP_BODY_NONE, 0 },
	{ "GET http://[::1]/ HTTP/1.1\r\n" HOST "\r\n", BOTH, "[::1]", "/", HTTP_GET, HTTP_BODY_NONE, 0 },
	{ "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", BOTH, "a", "*", HTTP_OPTIONS, HTTP_BODY_NONE, 0 },
	{ "CONNECT b:443 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", BOTH, "b", "b:443", HTTP_CONNECT,
	  HTTP_BODY_NONE, 0 },
	{ "CONNECT [::1]:443 HTTP/1.1\r\n" HOST "\r\n", BOTH, "[::1]", "[::1]:443", HTTP_CONNECT, HTTP_BODY_NONE, 0 },
	{ "HEAD / HTTP/1.1\r\n" HOST "\r\n", BOTH, "a", "/", HTTP_HEAD, HTTP_BODY_NONE, 0 },
	{ "PROPFIND /x HTTP/1.1\r\n" HOST "\r\n", BOTH, "a", "/x", HTTP_PROPFIND, HTTP_BODY_NONE, 0 },
	{ "BREW /pot HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", BOTH, "a", "/pot", HTTP_METHOD_OTHER,
	  HTTP_BODY_LENGTH, 3 },
	{ "get / HTTP/1.1\r\n" HOST "\r\n", BOTH, "a", "/", HTTP_METHOD_OTHER, HTTP_BODY_NONE, 0 },
	{ "PRI /x HTTP/1.1\r\n" HOST "\r\n", BOTH, "a", "/x", HTTP_METHOD_OTHER, HTTP_BODY_NONE, 0 },
	{ "POST / HTTP/1.1\r\n" HOST "Content-Length: 005\r\n\r\nhello", BOTH, "a", "/", HTTP_POST, HTTP_BODY_LENGTH,
	  5 },
	{ "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", BOTH, "a", "/", HTTP_POST, HTTP_BODY_NONE, 0 },
	{ "GET / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nab", BOTH, "a", "/", HTTP_GET, HTTP_BODY_LENGTH, 2 },
	{ "POST / HTTP/1.1\r\n" HOST "transfer-encoding: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n", BOTH, "a", "/",
	  HTTP_POST, HTTP_BODY_CHUNKED, 0 },
	{ POST_CHUNKED "000000000000000a;x=\"a;\\\"b\" ; y\r\n0123456789\r\n1\r\n\n\r\n000\r\nX: y\r\nHostx: z\r\n\r\n",
	  BOTH, "a", "/", HTTP_POST, HTTP_BODY_CHUNKED, 0 },
	{ "GET / HTTP/1.1\nHost: a\nContent-Length: 1\n\nx", LENIENT_ONLY, "a", "/", HTTP_GET, HTTP_BODY_LENGTH, 1 },
	{ "BREW / HTTP/1.1\nHost: a\n\n", LENIENT_ONLY, "a", "/", HTTP_METHOD_OTHER, HTTP_BODY_NONE, 0 },
	{ "\n\r\n" GET HOST "\r\n", LENIENT_ONLY, "a", "/", HTTP_GET, HTTP_BODY_NONE, 0 },
	{ GET "\r\n", LENIENT_ONLY, "", "/", HTTP_GET, HTTP_BODY_NONE, 0 },
	{ "GET /{\"\xe9\"}#f HTTP/1.1\r\nHost: \xe9.a\r\n\r\n", LENIENT_ONLY, "\xe9.a", "/{\"\xe9\"}", HTTP_GET,
	  HTTP_BODY_NONE, 0 },
};

static void check_pass(const struct pass_row *row, enum strictness strictness, struct cut cut)
{
	const uint8_t *bytes = (const uint8_t *)row->bytes;
	const struct reading_message *m;
	struct reading r;

	reading_of_requests(&r, strictness, bytes, strlen(row->bytes), cut);
	ck_assert_msg(r.end == READING_CLEAN, "`%s`: %s", row->bytes, refusal_name(r.refusal));
	ck_assert_uint_eq(r.count, 1);
	m = &r.m[0];
	ck_assert_uint_eq(m->host_len, strlen(row->host));
	ck_assert(memcmp(bytes + m->host_at, row->host, m->host_len) == 0);
	ck_assert_uint_eq(m->path_len, strlen(row->path));
	ck_assert(memcmp(bytes + m->path_at, row->path, m->path_len) == 0);
	ck_assert_uint_eq(m->method, row->method);
	ck_assert_uint_eq(m->is_head, row->method == HTTP_HEAD);
	ck_assert_uint_eq(m->is_connect, row->method == HTTP_CONNECT);
	ck_assert_uint_eq(m->body, row->body);
	ck_assert_uint_eq(m->body_length, row->body_length);
}

START_TEST(reads_what_is_asked_for)
{
	for (size_t i = 0; i < ARRAY_LEN(pass_rows); i++) {
		for (int strictness = STRICTNESS_STRICT; strictness <= STRICTNESS_LENIENT; strictness++) {
			if (!(pass_rows[i].modes & 1u << strictness))
				continue;
			check_pass(&pass_rows[i], strictness, CUT_WHOLE);
			check_pass(&pass_rows[i], strictness, CUT_BYTES);
		}
	}
}
END_TEST

START_TEST(pipelined_requests_follow_each_other)
{
	static const char bytes[] = "POST /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nGET"
				    "\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
				    "3\r\nGET\r\n0\r\nX: y\r\n\r\n"
				    "GET /3 HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
				    "GET /4 HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
				    "\r\n";
	struct reading r;

	for (size_t cut = 1; cut < sizeof(bytes); cut++) {
		reading_of_requests(&r, STRICTNESS_STRICT, (const uint8_t *)bytes, sizeof(bytes) - 1, CUT_AT(cut));
		ck_assert_int_eq(r.end, READING_CLEAN);
		ck_assert_uint_eq(r.count, 4);
		for (unsigned i = 0; i < 4; i++)
			ck_assert_int_eq(bytes[r.m[i].path_at + 1], '1' + (int)i);
		ck_assert(!r.m[0].keep_alive && r.m[1].keep_alive && r.m[2].keep_alive && !r.m[3].keep_alive);
		ck_assert(r.m[2].wants_upgrade && !r.m[3].wants_upgrade && !r.m[0].wants_upgrade);
	}
}
END_TEST

/* `head` is where the head begins, whatever was fed before from elsewhere. */
START_TEST(head_may_be_gathered_elsewhere)
{
	static const char bytes[] = "GET /where HTTP/1.1\r\nHost: there\r\n\r\n";
	uint8_t gathered[sizeof(bytes)];
	struct http_request r;
	size_t consumed;

	http_request_init(&r, STRICTNESS_STRICT, 4096);
	ck_assert(r.blank);
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		enum http_result want = i + 1 < sizeof(bytes) - 1 ? HTTP_NEED_MORE : HTTP_HEAD_END;

		gathered[i] = (uint8_t)bytes[i];
		ck_assert_int_eq(http_request_feed(&r, gathered, gathered + i, 1, &consumed), want);
		ck_assert_uint_eq(consumed, 1);
		ck_assert_uint_eq(r.head_len, i + 1);
		ck_assert(!r.blank);
	}
	ck_assert_int_eq(memcmp(gathered + r.host_at, "there", r.host_len), 0);
	ck_assert_int_eq(http_request_feed(&r, (const uint8_t *)"\r\n", (const uint8_t *)"\r\n", 2, &consumed),
			 HTTP_NEED_MORE);
	ck_assert(r.blank);
	ck_assert_uint_eq(r.head_len, 2);
}
END_TEST

/* Feeds a head of `len` bytes under head_max 256, in pieces of `step`. */
static enum http_result feed_head_of(struct http_request *r, size_t len, size_t step)
{
	static uint8_t head[512];
	int fixed = snprintf((char *)head, sizeof(head), "GET / HTTP/1.1\r\nHost: a\r\nX: ");
	size_t at = 0, consumed;
	enum http_result result = HTTP_NEED_MORE;

	memset(head + fixed, 'x', len - (size_t)fixed - 4);
	memcpy(head + len - 4, "\r\n\r\n", 4);
	http_request_init(r, STRICTNESS_LENIENT, 256);
	while (at < len && result == HTTP_NEED_MORE) {
		result = http_request_feed(r, head, head + at, MIN(step, len - at), &consumed);
		at += consumed;
	}
	return result;
}

START_TEST(head_has_a_limit)
{
	static const size_t steps[] = { 1, 7, 256, 512 };
	struct http_request r;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		ck_assert_int_eq(feed_head_of(&r, 256, steps[i]), HTTP_HEAD_END);
		ck_assert_int_eq(feed_head_of(&r, 257, steps[i]), HTTP_BAD);
		ck_assert_uint_eq(r.refusal, HTTP_REFUSE_HEAD_TOO_LARGE);
		ck_assert_uint_eq(r.refusal_status, 431);
	}
}
END_TEST

/* Extensions and trailers together stay below head_max, over any number of chunks. */
START_TEST(chunk_overhead_has_a_limit)
{
	static const char head[] = POST_CHUNKED;
	static const char *const endless[] = { "1;0123456789\r\nx\r\n", "0\r\n", "X: 0123456789\r\n" };
	struct http_request r;
	size_t consumed, fed = 0;
	enum http_result result = HTTP_NEED_MORE;

	for (unsigned kind = 0; kind < 2; kind++) {
		http_request_init(&r, STRICTNESS_LENIENT, 256);
		ck_assert_int_eq(http_request_feed(&r, (const uint8_t *)head, (const uint8_t *)head, sizeof(head) - 1,
						   &consumed),
				 HTTP_HEAD_END);
		if (kind == 1)
			http_request_feed(&r, NULL, (const uint8_t *)endless[1], 3, &consumed);
		for (fed = 0, result = HTTP_NEED_MORE; result == HTTP_NEED_MORE && fed < 4096; fed += consumed) {
			const char *more = endless[kind * 2];
			result = http_request_feed(&r, NULL, (const uint8_t *)more, strlen(more), &consumed);
		}
		ck_assert_int_eq(result, HTTP_BAD);
		ck_assert_uint_eq(r.refusal, HTTP_REFUSE_CHUNKS_TOO_LARGE);
		ck_assert_uint_eq(r.refusal_status, 431);
	}
}
END_TEST

START_TEST(chunks_of_any_size_are_skipped)
{
	static const char size[] = "7fffffffffffffff\r\n";
	static const uint8_t data[4096];
	struct http_request r;
	size_t consumed;

	http_request_init(&r, STRICTNESS_STRICT, 256);
	http_request_feed(&r, (const uint8_t *)POST_CHUNKED, (const uint8_t *)POST_CHUNKED, strlen(POST_CHUNKED),
			  &consumed);
	ck_assert_int_eq(http_request_feed(&r, NULL, (const uint8_t *)size, strlen(size), &consumed), HTTP_NEED_MORE);
	ck_assert_int_eq(http_request_feed(&r, NULL, data, sizeof(data), &consumed), HTTP_NEED_MORE);
	ck_assert_uint_eq(consumed, sizeof(data));
}
END_TEST

/* ---- responses --------------------------------------------------------------------------------- */

struct response_row {
	const char *bytes;
	bool to_head, to_connect;
	unsigned count;
	enum reading_end end;
	/* of the last head */
	uint16_t status;
	uint8_t body;
	uint64_t announced;
	bool keep_alive;
};

#define OK "HTTP/1.1 200 OK\r\n"

static const struct response_row response_rows[] = {
	{ OK "Content-Length: 3\r\n\r\nabc", 0, 0, 1, READING_CLEAN, 200, HTTP_BODY_LENGTH, 3, true },
	{ OK "Content-Length: 3\r\n\r\nab", 0, 0, 1, READING_IN_BODY, 200, HTTP_BODY_LENGTH, 3, true },
	{ OK "Content-Length: 0\r\n\r\n" OK "Content-Length: 0\r\n\r\n", 0, 0, 2, READING_CLEAN, 200, HTTP_BODY_NONE, 0,
	  true },
	{ OK "Content-Length: 3\r\n\r\n", 1, 0, 1, READING_CLEAN, 200, HTTP_BODY_NONE, 3, true },
	{ OK "Transfer-Encoding: chunked\r\n\r\n", 1, 0, 1, READING_CLEAN, 200, HTTP_BODY_NONE, 0, true },
	{ OK "\r\n", 1, 0, 1, READING_CLEAN, 200, HTTP_BODY_NONE, 0, true },
	{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", 0, 0, 1, READING_CLEAN, 304, HTTP_BODY_NONE, 3,
	  true },
	{ "HTTP/1.1 204 No Content\r\n\r\n", 0, 0, 1, READING_CLEAN, 204, HTTP_BODY_NONE, 0, true },
	{ "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\nConnection: close\r\n\r\nx", 0, 0, 2, READING_CLEAN,
	  200, HTTP_BODY_LENGTH, 1, false },
	{ "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nanything", 0, 0, 1, READING_TUNNEL, 101,
	  HTTP_BODY_TUNNEL, 0, true },
	{ OK "Content-Length: 3\r\n\r\nanything", 0, 1, 1, READING_TUNNEL, 200, HTTP_BODY_TUNNEL, 3, true },
	{ "HTTP/1.1 407 No\r\nContent-Length: 1\r\n\r\nx", 0, 1, 1, READING_CLEAN, 407, HTTP_BODY_LENGTH, 1, true },
	{ OK "\r\nanything", 0, 0, 1, READING_UNTIL_CLOSE, 200, HTTP_BODY_UNTIL_CLOSE, 0, false },
	{ "HTTP/1.0 200 OK\r\n\r\n", 0, 0, 1, READING_UNTIL_CLOSE, 200, HTTP_BODY_UNTIL_CLOSE, 0, false },
	{ OK "Transfer-Encoding: gzip\r\n\r\nanything", 0, 0, 1, READING_UNTIL_CLOSE, 200, HTTP_BODY_UNTIL_CLOSE, 0,
	  false },
	{ OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n" OK "Content-Length: 0\r\n\r\n", 0, 0, 2,
	  READING_CLEAN, 200, HTTP_BODY_NONE, 0, true },
	{ OK "Transfer-Encoding: gzip, chunked\r\n\r\n3  \r\nabc\r\n0\r\n\r\n", 0, 0, 1, READING_CLEAN, 200,
	  HTTP_BODY_CHUNKED, 0, true },
	{ OK "Transfer-Encoding: chunked\r\n\r\n3\r\nab", 0, 0, 1, READING_IN_BODY, 200, HTTP_BODY_CHUNKED, 0, true },
	{ "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 0, 0, 1, READING_CLEAN, 200, HTTP_BODY_NONE, 0, true },
	{ "HTTP/1.1 500 \xe9\r\nContent-Length: 0\r\n\r\n", 0, 0, 1, READING_CLEAN, 500, HTTP_BODY_NONE, 0, true },
	{ "HTTP/1.1 2", 0, 0, 0, READING_IN_HEAD, 0, 0, 0, false },
	/* framing lost */
	{ "ICY 200 OK\r\n\r\n", 0, 0, 0, READING_BAD, 0, 0, 0, false },
	{ "HTTP/2.0 200 OK\r\n\r\n", 0, 0, 0, READING_BAD, 0, 0, 0, false },
	{ "HTTP/1.1 099 X\r\n\r\n", 0, 0, 0, READING_BAD, 0, 0, 0, false },
	{ OK "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 0, 0, READING_BAD, 0, 0, 0, false },
	{ "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 0, 0, READING_BAD, 0, 0, 0, false },
	{ OK "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 0, 0, 0, READING_BAD, 0, 0, 0, false },
	{ OK "Content-Length: -3\r\n\r\n", 0, 0, 0, READING_BAD, 0, 0, 0, false },
	{ OK "Content-Length : 3\r\n\r\n", 0, 0, 0, READING_BAD, 0, 0, 0, false },
	{ OK "X: a\r\n Content-Length: 3\r\n\r\n", 0, 0, 0, READING_BAD, 0, 0, 0, false },
	{ OK "Bad Name: 3\r\n\r\n", 0, 0, 0, READING_BAD, 0, 0, 0, false },
	{ "HTTP/1.1 200 OK\rContent-Length: 3\r\n\r\n", 0, 0, 0, READING_BAD, 0, 0, 0, false },
	{ "HTTP/1.1 200 OK\nContent-Length: 3\n\n", 0, 0, 0, READING_BAD, 0, 0, 0, false },
	{ OK "Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n", 0, 0, 1, READING_BAD, 200, HTTP_BODY_CHUNKED, 0, true },
	{ OK "Transfer-Encoding: chunked\r\n\r\n3 4\r\nabc\r\n", 0, 0, 1, READING_BAD, 200, HTTP_BODY_CHUNKED, 0,
	  true },
	{ OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 0, 0, 1, READING_BAD, 200, HTTP_BODY_CHUNKED, 0, true },
};

static void check_response(const struct response_row *row, struct cut cut)
{
	const struct reading_message *m;
	struct reading r;

	reading_of_responses(&r, row->to_head, row->to_connect, (const uint8_t *)row->bytes, strlen(row->bytes), cut);
	ck_assert_msg(r.end == row->end, "`%s` ends as %d", row->bytes, r.end);
	ck_assert_uint_eq(r.count, row->count);
	if (row->count == 0)
		return;
	m = &r.m[r.count - 1];
	ck_assert_uint_eq(m->status, row->status);
	ck_assert_msg(m->body == row->body, "`%s` has body %u", row->bytes, m->body);
	ck_assert_uint_eq(m->body_length, row->announced);
	ck_assert_msg(m->keep_alive == row->keep_alive, "`%s`: keep_alive", row->bytes);
	ck_assert_int_eq(r.m[0].interim, r.m[0].status == 100);
}

START_TEST(finds_the_end_of_responses)
{
	for (size_t i = 0; i < ARRAY_LEN(response_rows); i++) {
		const struct response_row *row = &response_rows[i];

		check_response(row, CUT_WHOLE);
		for (size_t cut = 1; cut < strlen(row->bytes); cut++)
			check_response(row, CUT_AT(cut));
		check_response(row, CUT_BYTES);
	}
}
END_TEST

START_TEST(lost_framing_stays_lost)
{
	struct http_response r;
	size_t consumed;

	http_response_init(&r);
	ck_assert_int_eq(http_response_feed(&r, (const uint8_t *)"ICY 200", 7, &consumed), HTTP_BAD);
	ck_assert_int_eq(http_response_feed(&r, (const uint8_t *)OK, 5, &consumed), HTTP_BAD);
	ck_assert_uint_eq(consumed, 0);
}
END_TEST

/* ---- error responses --------------------------------------------------------------------------- */

static void check_error_response(unsigned status)
{
	struct reading r;
	size_t len;
	const char *bytes = http_error_response(status, true, &len);

	reading_of_responses(&r, true, false, (const uint8_t *)bytes, len, CUT_WHOLE);
	ck_assert_int_eq(r.end, READING_CLEAN);
	ck_assert_int_eq(memcmp(bytes + len - 4, "\r\n\r\n", 4), 0);
	bytes = http_error_response(status, false, &len);
	reading_of_responses(&r, false, false, (const uint8_t *)bytes, len, CUT_WHOLE);
	ck_assert_int_eq(r.end, READING_CLEAN);
	ck_assert_uint_eq(r.count, 1);
	ck_assert_uint_eq(r.at, len);
	ck_assert_uint_eq(r.m[0].status, status);
	ck_assert_uint_eq(r.m[0].body, HTTP_BODY_LENGTH);
	ck_assert_uint_gt(r.m[0].body_length, 0);
	ck_assert(!r.m[0].keep_alive);
	ck_assert_ptr_nonnull(strstr(bytes, "\r\nContent-Type: text/plain\r\n"));
	ck_assert_int_eq(bytes[len - 1], '\n');
	ck_assert_uint_eq(strlen(bytes), len);
}

START_TEST(error_responses_are_sound)
{
	static const unsigned statuses[] = { 400, 404, 408, 431, 501, 503, 504, 505 };

	for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
		check_error_response(statuses[i]);
}
END_TEST

/* Every refusal's status has its response. */
START_TEST(every_refusal_can_be_answered)
{
	static const unsigned statuses[] = {
#define X(name, status, text) status,
		HTTP_REFUSALS(X)
#undef X
	};
	size_t len;

	for (size_t i = 1; i < ARRAY_LEN(statuses); i++)
		ck_assert_uint_gt((http_error_response(statuses[i], false, &len), len), 0);
}
END_TEST

Suite *http_suite(void)
{
	Suite *s = suite_create("http");
	TCase *requests = tcase_create("requests");
	TCase *responses = tcase_create("responses");

	tcase_add_test(requests, refuses_for_the_right_reason);
	tcase_add_test(requests, refusal_is_final_and_says_why);
	tcase_add_test(requests, every_refusal_is_tested_and_documented);
	tcase_add_test(requests, reads_what_is_asked_for);
	tcase_add_test(requests, pipelined_requests_follow_each_other);
	tcase_add_test(requests, head_may_be_gathered_elsewhere);
	tcase_add_test(requests, head_has_a_limit);
	tcase_add_test(requests, chunk_overhead_has_a_limit);
	tcase_add_test(requests, chunks_of_any_size_are_skipped);
	suite_add_tcase(s, requests);
	tcase_add_test(responses, finds_the_end_of_responses);
	tcase_add_test(responses, lost_framing_stays_lost);
	tcase_add_test(responses, error_responses_are_sound);
	tcase_add_test(responses, every_refusal_can_be_answered);
	suite_add_tcase(s, responses);
	return s;
}
