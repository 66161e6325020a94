/* SPDX-License-Identifier: BSD-2-Clause */
/* exchange.c: requests and responses as functions of (seed, workload, connection, number, backend,
 * offset).
 *
 * Bodies are words of an arithmetic progression modulo 2^64, from a key of their own: a byte that
 * is missing, there twice, or another exchange's or backend's differs within the next word, and a
 * word costs an addition. Draws are hashes, so that exchange n needs no exchange n - 1.
 *
 * A chunked body has chunks of CHUNK bytes and a shorter one at the end. */
#include "exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/hash.h"
#include "miresga/http.h"
#include "miresga/prng.h"

#define STEP UINT64_C(0x9e3779b97f4a7c15) /* odd: the words of 2^64 steps are all different */
#define CHUNK 8192u
#define CHUNK_DIGITS 4u
#define CHUNK_STREAM (CHUNK_DIGITS + 2 + CHUNK + 2)
#define QUERY_LEN (1 + 1 + 8 + 1 + 8)

/* A draw for `what` of the thing that `key` names. */
static uint64_t draw(uint64_t key, unsigned what)
{
	return hash_mix64(key + (what + 1) * STEP);
}

static bool chance(uint64_t key, unsigned what, uint32_t parts_per_billion)
{
	return parts_per_billion && (draw(key, what) >> 32) * CHANCE_ALWAYS >> 32 < parts_per_billion;
}

static uint64_t below(uint64_t key, unsigned what, uint64_t bound)
{
	return (uint64_t)((unsigned __int128)draw(key, what) * bound >> 64);
}

enum draw_of_connection {
	DRAW_ABORT,
	DRAW_ABORT_NUMBER,
	DRAW_HALF_CLOSE,
	DRAW_SLOW,
	DRAW_PLAIN,
};

enum draw_of_exchange {
	DRAW_SIZE,
	DRAW_HOST,
	DRAW_UPLOAD,
	DRAW_EARLY,
	DRAW_FRAMING,
	DRAW_RESET,
	DRAW_CUT,
	DRAW_BYTES,
};

static uint64_t connection_key(const struct exchange_plan *plan, uint32_t connection)
{
	return draw(plan->key, connection);
}

void connection_plan_make(const struct exchange_plan *plan, unsigned workload, uint32_t connection,
			  struct connection_plan *out)
{
	const struct config_workload *w = &plan->config->simulation.workloads[workload];
	uint64_t key = ~connection_key(plan, connection);

	*out = (struct connection_plan){
		.abort = chance(key, DRAW_ABORT, w->abort),
		.abort_number = (uint32_t)below(key, DRAW_ABORT_NUMBER, w->requests),
		.half_close = chance(key, DRAW_HALF_CLOSE, w->half_close),
		.slow = chance(key, DRAW_SLOW, w->slow_reader),
		.plain = chance(key, DRAW_PLAIN, w->plain),
		.requests = w->requests,
	};
}

void exchange_make(const struct exchange_plan *plan, unsigned workload, uint32_t connection, uint32_t number,
		   struct exchange *x)
{
	const struct config_workload *w = &plan->config->simulation.workloads[workload];
	uint64_t key = draw(connection_key(plan, connection), number);
	uint64_t framing = (draw(key, DRAW_FRAMING) >> 32) * CHANCE_ALWAYS >> 32;

	*x = (struct exchange){
		.connection = connection,
		.number = number,
		.workload = (uint8_t)workload,
		.host = (uint8_t)below(key, DRAW_HOST, MAX(w->host_count, 1)),
		.size = sizes_draw(&plan->sizes[workload], draw(key, DRAW_SIZE)),
		.upload = chance(key, DRAW_UPLOAD, w->upload_chance) ? w->upload : 0,
		.chunked = framing < w->chunked,
		.until_close = framing >= w->chunked && framing < (uint64_t)w->chunked + w->until_close,
		.server_reset = chance(key, DRAW_RESET, w->server_reset),
		.key = draw(key, DRAW_BYTES),
	};
	x->early = x->upload && !x->until_close && !x->server_reset && chance(key, DRAW_EARLY, w->early);
	x->cut = below(key, DRAW_CUT, x->size + 1);
}

/* ---------------------------------------------------------------------------------- requests */

static char *put_text(char *at, const char *text)
{
	size_t len = strlen(text);

	memcpy(at, text, len);
	return at + len;
}

static char *put_hex(char *at, uint32_t value)
{
	static const char digits[] = "0123456789abcdef";

	for (int i = 28; i >= 0; i -= 4)
		*at++ = digits[value >> i & 15];
	return at;
}

static char *put_decimal(char *at, uint64_t value)
{
	char digits[20];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + value % 10);
	while (value /= 10);
	while (n)
		*at++ = digits[--n];
	return at;
}

static const char *host_of(const struct config_workload *w, unsigned host)
{
	return w->host_count ? w->hosts[host] : "localhost";
}

/* What the front-end will say to such a request, by its own reader and rules. */
static void target_expect(struct exchange_plan *plan, unsigned workload, unsigned host)
{
	struct exchange_target *t = &plan->target[workload][host];
	const struct config_workload *w = &plan->config->simulation.workloads[workload];
	struct exchange x = { .workload = (uint8_t)workload, .host = (uint8_t)host };
	char head[REQUEST_HEAD_MAX];
	struct http_request reader;
	struct message m;
	size_t consumed;
	int rule;

	exchange_request(plan, &x, head, &m);
	http_request_init(&reader, plan->config->http.strictness, plan->config->http.head_max);
	if (http_request_feed(&reader, (const uint8_t *)head, (const uint8_t *)head, m.head_len, &consumed) !=
	    HTTP_HEAD_END) {
		t->expected_status = reader.refusal_status;
		return;
	}
	rule = rules_match(plan->config, host_of(w, host), strlen(host_of(w, host)), w->path, strlen(w->path));
	t->expected_status = rule < 0 ? 404 : 200;
	if (rule >= 0)
		t->pool = plan->config->rules[rule].pool;
}

static void target_init(struct exchange_plan *plan, unsigned workload, unsigned host)
{
	const struct config_workload *w = &plan->config->simulation.workloads[workload];
	struct exchange_target *t = &plan->target[workload][host];
	char *at = put_text(put_text(t->line, w->path), "?");

	t->pool = NO_POOL;
	t->before_query = (uint16_t)(at - t->line);
	at = put_text(at, " HTTP/1.1\r\nHost: ");
	at = put_text(put_text(at, host_of(w, host)), "\r\n");
	t->length = (uint16_t)(at - t->line);
	target_expect(plan, workload, host);
}

int exchange_plan_init(struct exchange_plan *plan, const struct config *config, char error[SIZE_FILE_ERROR_MAX])
{
	struct prng prng;

	memset(plan, 0, sizeof(*plan));
	plan->config = config;
	prng_child(&prng, config->seed, "exchanges", 0);
	plan->key = prng_u64(&prng);
	for (unsigned i = 0; i < config->simulation.workload_count; i++) {
		const struct config_workload *w = &config->simulation.workloads[i];

		if (sizes_init(&plan->sizes[i], w, error))
			return -1;
		for (unsigned h = 0; h < MAX(w->host_count, 1); h++)
			target_init(plan, i, h);
	}
	return 0;
}

void exchange_plan_fini(struct exchange_plan *plan)
{
	for (unsigned i = 0; i < WORKLOADS_MAX; i++)
		sizes_fini(&plan->sizes[i]);
}

void exchange_request(const struct exchange_plan *plan, const struct exchange *x, char head[REQUEST_HEAD_MAX],
		      struct message *m)
{
	const struct exchange_target *t = exchange_target(plan, x);
	char *at = put_text(head, x->upload ? "POST " : "GET ");

	memcpy(at, t->line, t->before_query);
	at += t->before_query;
	*at++ = (char)('0' + x->workload);
	*at++ = '-';
	at = put_hex(at, x->connection);
	*at++ = '-';
	at = put_hex(at, x->number);
	memcpy(at, t->line + t->before_query, t->length - t->before_query);
	at += t->length - t->before_query;
	if (x->upload)
		at = put_text(put_decimal(put_text(at, "Content-Length: "), x->upload), "\r\n");
	if (x->until_close)
		at = put_text(at, "Connection: close\r\n");
	at = put_text(at, "\r\n");
	*m = (struct message){ .head = head,
			       .head_len = (uint32_t)(at - head),
			       .key = ~x->key,
			       .body = x->upload,
			       .total = (uint64_t)(at - head) + x->upload };
}

static bool read_hex(const char *text, uint32_t *value)
{
	*value = 0;
	for (unsigned i = 0; i < 8; i++) {
		unsigned c = (uint8_t)text[i];

		if (c - '0' < 10)
			*value = *value << 4 | (c - '0');
		else if (c - 'a' < 6)
			*value = *value << 4 | (c - 'a' + 10);
		else
			return false;
	}
	return true;
}

bool exchange_recognise(const struct exchange_plan *plan, const char *head, size_t len, struct exchange *x)
{
	const char *query = memchr(head, '?', len);
	uint32_t connection, number;
	unsigned workload;

	if (!query || len - (size_t)(query - head) < 1 + QUERY_LEN || query[2] != '-' || query[11] != '-')
		return false;
	workload = (unsigned)(query[1] - '0');
	if (workload >= plan->config->simulation.workload_count || !read_hex(query + 3, &connection) ||
	    !read_hex(query + 12, &number))
		return false;
	exchange_make(plan, workload, connection, number, x);
	return true;
}

/* --------------------------------------------------------------------------------- responses */

/* Chunk lines, CRLFs and the last chunk included. */
static uint64_t chunked_total(uint64_t body)
{
	uint64_t rest = body % CHUNK;

	return body / CHUNK * CHUNK_STREAM + (rest ? rest + CHUNK_DIGITS + 4 : 0) + 5;
}

void exchange_response(const struct exchange *x, unsigned backend, char head[RESPONSE_HEAD_MAX], struct message *m)
{
	char *at = put_text(head, "HTTP/1.1 200 b");

	*at++ = (char)('0' + backend / 100);
	*at++ = (char)('0' + backend / 10 % 10);
	*at++ = (char)('0' + backend % 10);
	at = put_text(at, "\r\n");
	if (x->chunked)
		at = put_text(at, "Transfer-Encoding: chunked\r\n");
	else if (x->until_close)
		at = put_text(at, "Connection: close\r\n");
	else
		at = put_text(put_decimal(put_text(at, "Content-Length: "), x->size), "\r\n");
	at = put_text(at, "\r\n");
	*m = (struct message){ .head = head,
			       .head_len = (uint32_t)(at - head),
			       .chunked = x->chunked,
			       .key = hash_mix64(x->key + (backend + 1) * STEP),
			       .body = x->size };
	m->total = m->head_len + (x->chunked ? chunked_total(x->size) : x->size);
}

/* ------------------------------------------------------------------------------------- bytes */

/* The body's bytes from `at` on. */
static void body_fill(uint64_t key, uint64_t at, uint8_t *out, uint32_t len)
{
	uint64_t word = key + at / 8 * STEP;
	uint32_t skip = at % 8, n;

	if (skip) {
		word >>= 8 * skip;
		n = MIN(8 - skip, len);
		memcpy(out, &word, n);
		out += n;
		len -= n;
		word = key + (at / 8 + 1) * STEP;
	}
	for (; len >= 8; len -= 8, out += 8, word += STEP)
		memcpy(out, &word, 8);
	memcpy(out, &word, len);
}

static uint32_t copy_part(uint8_t *out, uint32_t room, const char *text, uint64_t from, uint64_t len)
{
	uint32_t n = (uint32_t)MIN(len - from, room);

	memcpy(out, text + from, n);
	return n;
}

/* What stands at `at` of a chunked body's stream, up to the next border of a part. */
static uint32_t chunked_fill(const struct message *m, uint64_t at, uint8_t *out, uint32_t room)
{
	/* Behind a short chunk the body's end may reach across what would be the next one's border. */
	uint64_t chunk = MIN(at / CHUNK_STREAM, m->body / CHUNK), within = at - chunk * CHUNK_STREAM;
	uint64_t len = m->body - chunk * CHUNK;
	char line[CHUNK_DIGITS + 3];

	if (len == 0)
		return copy_part(out, room, "0\r\n\r\n", within, 5);
	len = MIN(len, CHUNK);
	if (within < CHUNK_DIGITS + 2) {
		snprintf(line, sizeof(line), "%04x\r\n", (unsigned)(len & 0xffff));
		return copy_part(out, room, line, within, CHUNK_DIGITS + 2);
	}
	within -= CHUNK_DIGITS + 2;
	if (within < len) {
		room = (uint32_t)MIN(len - within, room);
		body_fill(m->key, chunk * CHUNK + within, out, room);
		return room;
	}
	within -= len;
	if (within < 2)
		return copy_part(out, room, "\r\n", within, 2);
	/* A short chunk is the last: what ends the body follows. */
	return copy_part(out, room, "0\r\n\r\n", within - 2, 5);
}

uint32_t message_fill(const struct message *m, uint64_t at, uint8_t *out, uint32_t room)
{
	if (at < m->head_len)
		return copy_part(out, room, m->head, at, m->head_len);
	at -= m->head_len;
	if (m->chunked)
		return chunked_fill(m, at, out, room);
	room = (uint32_t)MIN(m->body - at, room);
	body_fill(m->key, at, out, room);
	return room;
}

uint32_t message_differs(const struct message *m, uint64_t at, const uint8_t *data, uint32_t len, int *want)
{
	uint8_t expected[2048];
	uint32_t done = 0;

	while (done < len) {
		uint32_t n;

		if (at + done >= m->total) {
			*want = -1;
			return done;
		}
		n = message_fill(m, at + done, expected, MIN(len - done, (uint32_t)sizeof(expected)));
		if (memcmp(expected, data + done, n) != 0) {
			uint32_t i = 0;

			while (expected[i] == data[done + i])
				i++;
			*want = expected[i];
			return done + i;
		}
		done += n;
	}
	return len;
}
