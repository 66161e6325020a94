/* SPDX-License-Identifier: BSD-2-Clause */
/* test_http_vectors.c: the HTTP parsers against the test vectors of other parsers.
 *
 * $MIRESGA_SHARED/vectors/http1/PEER/index.json says what each peer makes of each vector. Where we
 * differ, http_policy.tsv has a row: vector, what we make of it, the RFC section, the reason.
 * A difference without a row fails, and so does a row without its difference.
 *
 * Peers are compared with the lenient mode, since most vectors have no Host; the strict mode must
 * read every vector like the lenient one, or refuse it for one of the reasons that are its own.
 * Without the vectors these tests say so and pass. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "guard_page.h"
#include "http_reading.h"

Suite *http_vectors_suite(void);

#define VECTOR_MAX 65536
#define POLICY_FILE "tests/unit/http_policy.tsv"
#define POLICY_MAX 512
#define SPLIT_MAX 1024 /* longer vectors are not split at every point */

static const char *const peers[] = { "llhttp", "http-parser", "picohttpparser", "gunicorn", "sniproxy", "libhtp" };

/* One vector: its bytes (with what a fragment needs around it) and what the index says of it. */
struct vector {
	char name[128]; /* PEER/FILE */
	bool response;
	json_t *entry; /* borrowed */
	size_t len;
	uint8_t bytes[VECTOR_MAX];
};

typedef void vector_fn(const char *peer, struct vector *v, void *ctx);

/* ---- reading the vectors ----------------------------------------------------------------------- */

static const char *text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void append(struct vector *v, const char *text)
{
	size_t len = strlen(text);

	ck_assert_uint_le(v->len + len, VECTOR_MAX);
	memcpy(v->bytes + v->len, text, len);
	v->len += len;
}

static void append_file(struct vector *v, const char *dir, const char *file)
{
	char path[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "rb");
	ck_assert_msg(f != NULL, "%s cannot be read", path);
	v->len += fread(v->bytes + v->len, 1, VECTOR_MAX - v->len, f);
	fclose(f);
}

/* Some vectors are fragments: a URL, fields without a request line, a body without a head. */
static bool vector_load(struct vector *v, const char *peer, const char *dir, json_t *entry)
{
	const char *kind = text_of(entry, json_object_get(entry, "type") ? "type" : "kind");
	const char *file = text_of(entry, json_object_get(entry, "c2s") ? "c2s" : "file");

	snprintf(v->name, sizeof(v->name), "%s/%s", peer, file);
	v->entry = entry;
	v->len = 0;
	v->response = strncmp(kind, "response", 8) == 0;
	if (strcmp(kind, "url") == 0)
		append(v, "GET ");
	if (strcmp(kind, "headers") == 0)
		append(v, "GET / HTTP/1.1\r\n");
	if (strcmp(kind, "chunked-body") == 0)
		append(v, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
	append_file(v, dir, file);
	if (strcmp(kind, "url") == 0)
		append(v, " HTTP/1.1\r\nHost: a\r\n\r\n");
	/* picohttpparser can leave the trailer section, empty as it is, to its caller. */
	if (strcmp(kind, "chunked-body") == 0 && strcmp(text_of(entry, "verdict"), "complete") == 0 &&
	    json_integer_value(json_object_get(entry, "consume_trailer")) == 0 &&
	    json_integer_value(json_object_get(entry, "bytes_left_over")) == 0)
		append(v, "\r\n");
	return true;
}

static const char *shared_dir(void)
{
	const char *dir = getenv("MIRESGA_SHARED");

	return dir ? dir : "../shared";
}

/* Calls fn for every vector. False, and a word on stdout, if there are none. */
static bool for_each_vector(vector_fn *fn, void *ctx)
{
	static struct vector v;
	unsigned found = 0;

	for (size_t p = 0; p < ARRAY_LEN(peers); p++) {
		char dir[900], path[1000];
		json_error_t error;
		json_t *index, *entry;
		size_t i;

		snprintf(dir, sizeof(dir), "%s/vectors/http1/%s", shared_dir(), peers[p]);
		snprintf(path, sizeof(path), "%s/index.json", dir);
		index = json_load_file(path, 0, &error);
		if (!index)
			continue;
		json_array_foreach(index, i, entry)
		{
			if (vector_load(&v, peers[p], dir, entry))
				fn(peers[p], &v, ctx);
			found++;
		}
		json_decref(index);
	}
	if (!found)
		printf("skipped: no HTTP vectors below %s (set MIRESGA_SHARED)\n", shared_dir());
	return found > 0;
}

/* ---- what a peer expects ----------------------------------------------------------------------- */

enum verdict {
	VERDICT_PASS,
	VERDICT_REFUSE,
	VERDICT_INCOMPLETE,
	VERDICT_NOT_REFUSED, /* pass or incomplete */
	VERDICT_NONE,	     /* nothing said */
};

#define LENGTH_UNKNOWN UINT64_MAX
#define LENGTH_CHUNKED (UINT64_MAX - 1)

/* A text or NULL for what is not said. */
struct expected_message {
	const char *method, *target, *host;
	uint64_t length; /* of the body, or one of the above */
	int status;	 /* responses; 0: not said */
};

struct expected {
	enum verdict verdict;
	unsigned count;
	struct expected_message m[READING_MAX];
	bool stops;   /* what follows the last message is not the peer's business */
	bool no_host; /* no message has a host */
};

static struct expected_message *expect_message(struct expected *e)
{
	struct expected_message *m = &e->m[MIN(e->count, READING_MAX - 1)];

	e->count++;
	*m = (struct expected_message){ .length = LENGTH_UNKNOWN };
	return m;
}

static enum verdict verdict_of(const char *text)
{
	static const struct {
		const char *text;
		enum verdict verdict;
	} rows[] = {
		{ "complete", VERDICT_PASS },
		{ "ok", VERDICT_PASS },
		{ "paused/upgrade", VERDICT_PASS },
		{ "host", VERDICT_PASS },
		{ "error", VERDICT_REFUSE },
		{ "incomplete", VERDICT_INCOMPLETE },
		{ "ok-or-incomplete", VERDICT_NOT_REFUSED },
		{ "no-host", VERDICT_NONE },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].text, text) == 0)
			return rows[i].verdict;
	}
	ck_abort_msg("verdict `%s` of the index is unknown", text);
}

/* The Host field of [[name, value], ...] or {"0": {name, value}, ...}. */
static const char *host_of(json_t *fields)
{
	size_t n = json_is_array(fields) ? json_array_size(fields) : json_object_size(fields);

	for (size_t i = 0; i < n; i++) {
		json_t *row = json_array_get(fields, i);
		const char *name, *value;
		char key[24];

		snprintf(key, sizeof(key), "%zu", i);
		if (json_is_object(fields))
			row = json_object_get(fields, key);
		name = json_is_array(row) ? json_string_value(json_array_get(row, 0)) : text_of(row, "name");
		value = json_is_array(row) ? json_string_value(json_array_get(row, 1)) : text_of(row, "value");
		if (name && strcasecmp(name, "host") == 0)
			return value;
	}
	return NULL;
}

/* llhttp: flags and content_length as its own trace prints them. */
static void expect_llhttp(struct expected *e, json_t *entry)
{
	json_t *message;
	size_t i;

	if (strcmp(text_of(entry, "type"), "url") == 0) {
		e->verdict = strcmp(text_of(entry, "verdict"), "ok") == 0 ? VERDICT_PASS : VERDICT_REFUSE;
		return;
	}
	e->stops = strcmp(text_of(entry, "verdict"), "paused/upgrade") == 0;
	json_array_foreach(json_object_get(entry, "messages"), i, message)
	{
		unsigned long flags = strtoul(text_of(message, "hc_flags"), NULL, 16);
		struct expected_message *m;

		if (!json_object_get(message, "hc_flags"))
			continue;
		m = expect_message(e);
		m->method = json_string_value(json_object_get(message, "method"));
		m->target = json_string_value(json_object_get(message, "url"));
		m->host = host_of(json_object_get(message, "headers"));
		m->status = atoi(text_of(message, "hc_status"));
		m->length = flags & F_CHUNKED ? LENGTH_CHUNKED
					      : strtoull(text_of(message, "hc_content_length"), NULL, 10);
	}
}

static void expect_http_parser(struct expected *e, json_t *entry)
{
	json_t *x = json_object_get(entry, "expect");
	struct expected_message *m;
	json_int_t length;

	if (!x || e->verdict != VERDICT_PASS)
		return;
	m = expect_message(e);
	m->method = json_string_value(json_object_get(x, "method"));
	m->target = json_string_value(json_object_get(x, "url"));
	m->host = host_of(json_object_get(x, "headers"));
	if (json_is_string(json_object_get(x, "url_host")))
		m->host = text_of(x, "url_host");
	m->status = (int)json_integer_value(json_object_get(x, "status"));
	length = json_integer_value(json_object_get(x, "content_length"));
	m->length = json_array_size(json_object_get(x, "chunk_lengths")) ? LENGTH_CHUNKED
		    : length > 0					 ? (uint64_t)length
									 : 0;
	e->stops = json_is_string(json_object_get(x, "upgrade_payload"));
}

static void expect_picohttpparser(struct expected *e, json_t *entry)
{
	json_t *x = json_object_get(entry, "expect");
	struct expected_message *m;

	if (e->verdict != VERDICT_PASS || strcmp(text_of(entry, "kind"), "chunked-body") == 0)
		return;
	m = expect_message(e);
	m->method = json_string_value(json_object_get(x, "method"));
	m->target = json_string_value(json_object_get(x, "path"));
	m->host = host_of(json_object_get(x, "headers"));
	m->status = (int)json_integer_value(json_object_get(x, "status"));
}

static void expect_gunicorn(struct expected *e, json_t *entry)
{
	json_t *message, *field;
	size_t i, k;

	json_array_foreach(json_object_get(entry, "messages"), i, message)
	{
		struct expected_message *m = expect_message(e);

		m->method = text_of(message, "method");
		m->target = text_of(message, "target");
		m->host = host_of(json_object_get(message, "headers_upper"));
		m->length = json_string_length(json_object_get(message, "body"));
		json_array_foreach(json_object_get(message, "headers_upper"), k, field)
		{
			const char *name = json_string_value(json_array_get(field, 0));
			if (name && strcmp(name, "TRANSFER-ENCODING") == 0)
				m->length = LENGTH_CHUNKED;
		}
	}
}

static void expect_sniproxy(struct expected *e, json_t *entry)
{
	e->no_host = e->verdict == VERDICT_NONE;
	if (!e->no_host)
		expect_message(e)->host = text_of(entry, "host");
}

/* The text between the quotes of an assertion `..., "TEXT"));` about this member; a new string. */
static char *asserted(const char *assertion, const char *member)
{
	const char *at = strstr(assertion, member), *end;
	char *text;

	if (!at || !(at = strchr(at, '"')) || !(end = strrchr(at, '"')) || end == at)
		return NULL;
	text = strndup(at + 1, (size_t)(end - at - 1));
	ck_assert_ptr_nonnull(text);
	return text;
}

/* libhtp tells in the assertions of its tests, in C. What they say of one transaction among
 * several is not looked at. */
static void expect_libhtp(struct expected *e, json_t *entry)
{
	static char *kept[3]; /* the strings of the vector before */
	json_t *line;
	unsigned count = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(kept); i++) {
		free(kept[i]);
		kept[i] = NULL;
	}
	e->verdict = VERDICT_NONE;
	json_array_foreach(json_object_get(entry, "peer_assertions"), i, line)
	{
		const char *text = json_string_value(line);
		static const char *const members[] = { "tx->request_method,", "tx->request_uri,",
						       "tx->request_hostname," };

		if (strstr(text, "htp_list_size(connp->conn->transactions)"))
			sscanf(text, "ASSERT_EQ(%u,", &count);
		for (size_t k = 0; k < ARRAY_LEN(members) && strstr(text, "bstr_cmp_c"); k++) {
			if (!kept[k])
				kept[k] = asserted(text, members[k]);
		}
	}
	if (count == 0)
		return;
	e->verdict = VERDICT_PASS;
	for (i = 0; i < count; i++)
		expect_message(e);
	if (count == 1) {
		e->m[0].method = kept[0];
		e->m[0].target = kept[1];
		e->m[0].host = kept[2];
	}
}

static void expect(struct expected *e, const char *peer, json_t *entry)
{
	static const struct {
		const char *peer;
		void (*fill)(struct expected *e, json_t *entry);
	} rows[] = {
		{ "llhttp", expect_llhttp },
		{ "http-parser", expect_http_parser },
		{ "picohttpparser", expect_picohttpparser },
		{ "gunicorn", expect_gunicorn },
		{ "sniproxy", expect_sniproxy },
		{ "libhtp", expect_libhtp },
	};

	memset(e, 0, sizeof(*e));
	if (json_object_get(entry, "verdict"))
		e->verdict = verdict_of(text_of(entry, "verdict"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (strcmp(rows[i].peer, peer) == 0)
			rows[i].fill(e, entry);
	}
}

/* ---- comparing --------------------------------------------------------------------------------- */

struct text {
	const char *at;
	size_t len;
};

/* JSON is UTF-8; the indexes write bytes from 0x80 on as the characters of Latin-1. */
static bool same_text(struct text want, const uint8_t *got, size_t got_len)
{
	size_t n = 0;

	for (size_t i = 0; i < want.len; i++, n++) {
		uint8_t byte = (uint8_t)want.at[i];
		if ((byte == 0xc2 || byte == 0xc3) && i + 1 < want.len)
			byte = (uint8_t)(byte << 6 | ((uint8_t)want.at[++i] & 0x3f));
		if (n >= got_len || got[n] != byte)
			return false;
	}
	return n == got_len;
}

/* A second, simple-minded idea of what the parts of a target are. */
static struct text authority_in(const char *target, bool is_connect)
{
	const char *scheme = strstr(target, "://");

	if (is_connect)
		return (struct text){ target, strlen(target) };
	if (target[0] == '/' || !scheme)
		return (struct text){ NULL, 0 };
	return (struct text){ scheme + 3, strcspn(scheme + 3, "/?#") };
}

static struct text path_in(const char *target, bool is_connect)
{
	struct text authority = authority_in(target, is_connect);
	const char *path = authority.at && !is_connect ? authority.at + authority.len : target;
	size_t len = is_connect ? strlen(path) : strcspn(path, "?#");

	return len ? (struct text){ path, len } : (struct text){ "/", 1 };
}

static struct text without_port(struct text host)
{
	size_t len = host.len;

	while (len > 0 && host.at[len - 1] >= '0' && host.at[len - 1] <= '9')
		len--;
	if (len > 0 && host.at[len - 1] == ':')
		host.len = len - 1;
	return host;
}

/* NULL, or what differs. */
static const char *compare_message(const struct expected_message *want, const struct reading_message *got,
				   const uint8_t *bytes)
{
	uint64_t length = got->body == HTTP_BODY_CHUNKED ? LENGTH_CHUNKED : got->body_length;
	struct text host = { want->host, want->host ? strlen(want->host) : 0 };

	if (want->status)
		return want->status != got->status ? "differs:status" : NULL;
	if (want->method && got->method != HTTP_METHOD_OTHER &&
	    strcmp(llhttp_method_name((llhttp_method_t)got->method), want->method) != 0)
		return "differs:method";
	if (want->target && !same_text(path_in(want->target, got->is_connect), bytes + got->path_at, got->path_len))
		return "differs:path";
	if (want->target && authority_in(want->target, got->is_connect).at)
		host = authority_in(want->target, got->is_connect);
	if (host.at && !same_text(without_port(host), bytes + got->host_at, got->host_len))
		return "differs:host";
	if (want->length != LENGTH_UNKNOWN && want->length != length)
		return "differs:framing";
	return NULL;
}

static const char *outcome_of(const struct reading *r, bool response, char *buffer, size_t size)
{
	if (r->end == READING_BAD && response)
		snprintf(buffer, size, "lost");
	else if (r->end == READING_BAD)
		snprintf(buffer, size, "refuse:%s", refusal_name(r->refusal));
	else
		snprintf(buffer, size, "%s",
			 r->end == READING_IN_HEAD || r->end == READING_IN_BODY ? "incomplete" : "pass");
	return buffer;
}

static void read_vector(struct reading *r, const struct vector *v, enum strictness strictness, struct cut cut)
{
	if (v->response)
		reading_of_responses(r, false, false, v->bytes, v->len, cut);
	else
		reading_of_requests(r, strictness, v->bytes, v->len, cut);
}

/* A peer may refuse before the head is complete; we may say so only when it is. */
static bool refused_when_complete(const struct vector *v)
{
	static struct vector longer;
	struct reading r;

	longer = *v;
	append(&longer, "\r\n\r\n");
	read_vector(&r, &longer, STRICTNESS_LENIENT, CUT_WHOLE);
	return r.end == READING_BAD;
}

static bool verdict_agrees(const struct expected *e, const struct reading *r, const struct vector *v)
{
	bool incomplete = r->end == READING_IN_HEAD || r->end == READING_IN_BODY || r->end == READING_UNTIL_CLOSE;
	bool reached = e->count > 0 && e->count < READING_MAX && r->count >= e->count;
	const struct reading_message *last = &r->m[reached ? e->count - 1 : 0];

	switch (e->verdict) {
	case VERDICT_PASS:
		/* Behind an upgrade, a tunnel or the peer's last message nothing is compared. */
		if (reached && (e->stops || last->is_connect || !last->keep_alive))
			return true;
		return r->end != READING_BAD && (!incomplete || r->end == READING_UNTIL_CLOSE) &&
		       (e->count == 0 || r->count == e->count);
	case VERDICT_REFUSE:
		return r->end == READING_BAD || (r->end == READING_IN_HEAD && refused_when_complete(v));
	case VERDICT_INCOMPLETE:
		return incomplete;
	case VERDICT_NOT_REFUSED:
		return r->end != READING_BAD;
	default:
		return true;
	}
}

/* NULL if we agree with the peer; else what we make of the vector. */
static const char *compare(const struct expected *e, const struct vector *v, char *buffer, size_t size)
{
	struct reading r;

	read_vector(&r, v, STRICTNESS_LENIENT, CUT_WHOLE);
	if (!verdict_agrees(e, &r, v))
		return outcome_of(&r, v->response, buffer, size);
	for (unsigned i = 0; i < e->count && i < r.count && i < READING_MAX - 1; i++) {
		const char *differs = compare_message(&e->m[i], &r.m[i], v->bytes);
		if (differs)
			return differs;
	}
	for (unsigned i = 0; e->no_host && i < MIN(r.count, READING_MAX); i++) {
		if (r.m[i].host_len)
			return "differs:host";
	}
	return NULL;
}

/* ---- the policy table -------------------------------------------------------------------------- */

struct policy_row {
	char vector[128], ours[64], rfc[64];
	bool used;
};

struct policy {
	struct policy_row rows[POLICY_MAX];
	unsigned count, wrong;
};

static void policy_load(struct policy *p)
{
	FILE *f = fopen(POLICY_FILE, "r");
	char line[1024];
	unsigned number = 0;

	ck_assert_msg(f != NULL, POLICY_FILE " cannot be read");
	while (fgets(line, sizeof(line), f)) {
		struct policy_row *row = &p->rows[p->count];
		char reason[512];

		if (++number == 1)
			continue; /* names of the columns */
		ck_assert_uint_lt(p->count, POLICY_MAX);
		ck_assert_msg(sscanf(line, "%127[^\t]\t%63[^\t]\t%63[^\t]\t%511[^\n]", row->vector, row->ours, row->rfc,
				     reason) == 4,
			      POLICY_FILE ":%u: not four columns", number);
		p->count++;
	}
	fclose(f);
}

static struct policy_row *policy_find(struct policy *p, const char *vector)
{
	for (unsigned i = 0; i < p->count; i++) {
		if (strcmp(p->rows[i].vector, vector) == 0)
			return &p->rows[i];
	}
	return NULL;
}

static void compare_with_peer(const char *peer, struct vector *v, void *ctx)
{
	struct policy *p = ctx;
	struct policy_row *row = policy_find(p, v->name);
	struct expected e;
	char buffer[64];
	const char *ours;

	expect(&e, peer, v->entry);
	ours = compare(&e, v, buffer, sizeof(buffer));
	if (ours && (!row || strcmp(row->ours, ours) != 0)) {
		printf("%s\t%s\t(the peer: %s)\n", v->name, ours, text_of(v->entry, "verdict"));
		p->wrong++;
	}
	if (row)
		row->used = ours != NULL;
}

START_TEST(agrees_with_peers_but_for_policy)
{
	static struct policy p;

	memset(&p, 0, sizeof(p));
	policy_load(&p);
	if (!for_each_vector(compare_with_peer, &p))
		return;
	for (unsigned i = 0; i < p.count; i++) {
		if (!p.rows[i].used) {
			printf("%s\tis listed in " POLICY_FILE ", but no longer differs\n", p.rows[i].vector);
			p.wrong++;
		}
	}
	fflush(stdout); /* a failed assertion ends the process without that */
	ck_assert_msg(p.wrong == 0, "%u differences between " POLICY_FILE " and the vectors", p.wrong);
}
END_TEST

/* ---- cuts, prefixes, strictness ---------------------------------------------------------------- */

static void assert_same_reading(const struct vector *v, const struct reading *a, const struct reading *b, size_t cut)
{
	ck_assert_msg(a->end == b->end && a->refusal == b->refusal && a->count == b->count,
		      "%s cut at %zu ends otherwise", v->name, cut);
	ck_assert_msg(memcmp(a->m, b->m, sizeof(a->m)) == 0, "%s cut at %zu reads otherwise", v->name, cut);
	if (!v->response || a->end != READING_BAD)
		ck_assert_msg(a->at == b->at, "%s cut at %zu ends elsewhere", v->name, cut);
}

static void try_cuts(const char *peer, struct vector *v, void *ctx)
{
	(void)peer;
	(void)ctx;
	for (int strictness = STRICTNESS_STRICT; strictness <= STRICTNESS_LENIENT; strictness++) {
		struct reading whole, r;

		read_vector(&whole, v, strictness, CUT_WHOLE);
		read_vector(&r, v, strictness, CUT_BYTES);
		assert_same_reading(v, &whole, &r, 1);
		for (size_t at = 1; at < v->len && v->len <= SPLIT_MAX; at++) {
			read_vector(&r, v, strictness, CUT_AT(at));
			assert_same_reading(v, &whole, &r, at);
		}
	}
}

START_TEST(cuts_make_no_difference)
{
	for_each_vector(try_cuts, NULL);
}
END_TEST

/* What a prefix gives must be the beginning of what the whole gives, and a refusal is final. */
static void try_prefixes(const char *peer, struct vector *v, void *ctx)
{
	struct guard *g = ctx;
	struct reading whole, r;

	(void)peer;
	read_vector(&whole, v, STRICTNESS_LENIENT, CUT_WHOLE);
	for (size_t len = 0; len < v->len; len++) {
		const uint8_t *bytes = guard_put(g, v->bytes, len);
		unsigned same;

		if (v->response)
			reading_of_responses(&r, false, false, bytes, len, CUT_WHOLE);
		else
			reading_of_requests(&r, STRICTNESS_LENIENT, bytes, len, CUT_WHOLE);
		ck_assert_msg(r.count <= whole.count, "%s: the first %zu bytes give more than all", v->name, len);
		same = MIN(r.count, READING_MAX - 1);
		ck_assert_msg(memcmp(r.m, whole.m, same * sizeof(r.m[0])) == 0,
			      "%s: the first %zu bytes read otherwise", v->name, len);
		if (r.end == READING_BAD)
			ck_assert_msg(whole.end == READING_BAD && whole.refusal == r.refusal,
				      "%s: the first %zu bytes are refused, all are not", v->name, len);
	}
}

START_TEST(prefixes_end_before_the_guard_page)
{
	struct guard g;

	ck_assert_int_eq(guard_init(&g), 0);
	for_each_vector(try_prefixes, &g);
	guard_fini(&g);
}
END_TEST

static bool is_strict_alone(unsigned refusal)
{
	switch (refusal) {
	case HTTP_REFUSE_HOST_MISSING:
	case HTTP_REFUSE_HOST_SYNTAX:
	case HTTP_REFUSE_TARGET_BYTE:
	case HTTP_REFUSE_BARE_LF:
	case HTTP_REFUSE_EMPTY_LINE:
		return true;
	default:
		return false;
	}
}

static void compare_modes(const char *peer, struct vector *v, void *ctx)
{
	struct reading strict, lenient;

	(void)peer;
	(void)ctx;
	if (v->response)
		return;
	read_vector(&strict, v, STRICTNESS_STRICT, CUT_WHOLE);
	read_vector(&lenient, v, STRICTNESS_LENIENT, CUT_WHOLE);
	if (strict.end == READING_BAD && is_strict_alone(strict.refusal))
		return;
	assert_same_reading(v, &strict, &lenient, 0);
}

START_TEST(strict_reads_like_lenient_or_refuses)
{
	for_each_vector(compare_modes, NULL);
}
END_TEST

Suite *http_vectors_suite(void)
{
	Suite *s = suite_create("http_vectors");
	TCase *tc = tcase_create("vectors");

	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, agrees_with_peers_but_for_policy);
	tcase_add_test(tc, cuts_make_no_difference);
	tcase_add_test(tc, prefixes_end_before_the_guard_page);
	tcase_add_test(tc, strict_reads_like_lenient_or_refuses);
	suite_add_tcase(s, tc);
	return s;
}
