/* SPDX-License-Identifier: BSD-2-Clause */
/* test_load.c: what clients and servers are made of: the agenda's order, requests and responses as
 * functions of the seed, and that a wrong byte anywhere is noticed. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/http.h"
#include "miresga/prng.h"
#include "sim/load/agenda.h"
#include "sim/load/exchange.h"

Suite *load_suite(void);

/* --------------------------------------------------------------------------------- agenda */

#define ITEMS 500
START_TEST(agenda_is_a_stable_queue)
{
	static struct agenda_item items[ITEMS];
	struct agenda agenda = { .count = 0 };
	struct agenda_item *last = NULL, *item;
	struct prng prng;
	unsigned taken = 0, off = 0;

	prng_seed(&prng, (uint64_t)_i);
	for (unsigned round = 0; round < 4 * ITEMS; round++) {
		struct agenda_item *it = &items[prng_below(&prng, ITEMS)];

		ck_assert(agenda_set(&agenda, it, prng_below(&prng, 8) ? prng_below(&prng, 50) : TIME_NEVER));
	}
	for (unsigned i = 0; i < ITEMS; i++)
		off += items[i].place == 0;
	while ((item = agenda_take(&agenda, 49))) {
		ck_assert_uint_eq(item->place, 0);
		if (last)
			ck_assert(last->due_ns < item->due_ns ||
				  (last->due_ns == item->due_ns && last->order < item->order));
		last = item;
		taken++;
	}
	ck_assert_uint_eq(taken + off, ITEMS);
	ck_assert_uint_eq(agenda_due(&agenda), TIME_NEVER);
	ck_assert(agenda_set(&agenda, &items[0], 7));
	ck_assert_ptr_null(agenda_take(&agenda, 6));
	ck_assert_ptr_eq(agenda_take(&agenda, 7), &items[0]);
	agenda_fini(&agenda);
}
END_TEST

/* ------------------------------------------------------------------------------- exchanges */

static struct config config;
static struct exchange_plan plan;

static void complain(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	(void)ctx;
	ck_abort_msg("%s:%u:%u: %s", file, line, column, message);
}

static const char world[] =
	"vip: 10.0.1.10:80\n"
	"backends: [{name: web1, address: 198.18.0.1:80}, {name: web2, address: 198.18.0.2:80}]\n"
	"pools: [{name: a, backends: [web1]}, {name: b, backends: [web2]}]\n"
	"rules: [{host: a.example, pool: a}, {host: b.example, path_prefix: /x/, pool: b}]\n"
	"simulation:\n"
	"  links: {client: {delay: 1ms}}\n"
	"  workloads:\n"
	"    - name: one\n"
	"      requests: 4\n"
	"      path: /x/y\n"
	"      hosts: [a.example, b.example, c.example]\n"
	"      responses: {sizes: lognormal, size: 5KiB, sigma: 2, chunked: 30%, until_close: 30%, reset: 10%}\n"
	"      uploads: {size: 3KiB, chance: 50%, early: 50%}\n"
	"      clients: {abort: 25%, half_close: 50%, slow: 10%, plain: 1}\n";

static void setup(void)
{
	char error[SIZE_FILE_ERROR_MAX];

	ck_assert_int_eq(config_load_memory(&config, "world", world, strlen(world), complain, NULL), 0);
	ck_assert_int_eq(exchange_plan_init(&plan, &config, error), 0);
}

static void teardown(void)
{
	exchange_plan_fini(&plan);
}

/* The whole stream; free() it. */
static uint8_t *stream_of(const struct message *m)
{
	uint8_t *bytes = malloc(m->total);

	ck_assert_ptr_nonnull(bytes);
	for (uint64_t at = 0; at < m->total;) {
		uint32_t n = message_fill(m, at, bytes + at, (uint32_t)(m->total - at));

		ck_assert_uint_gt(n, 0);
		at += n;
	}
	return bytes;
}

START_TEST(any_piece_is_the_same)
{
	char head[RESPONSE_HEAD_MAX];
	struct exchange x;
	struct message m;
	struct prng prng;
	uint8_t *whole, piece[700];

	prng_seed(&prng, (uint64_t)_i);
	exchange_make(&plan, 0, (uint32_t)_i, 0, &x);
	exchange_response(&x, 1, head, &m);
	whole = stream_of(&m);
	for (unsigned i = 0; i < 300; i++) {
		uint64_t at = prng_u64(&prng) % m.total;
		uint32_t n = message_fill(&m, at, piece, 1 + prng_below(&prng, sizeof(piece)));

		ck_assert_uint_gt(n, 0);
		ck_assert_uint_le(at + n, m.total);
		ck_assert_int_eq(memcmp(piece, whole + at, n), 0);
	}
	free(whole);
}
END_TEST

/* llhttp reads in a response what the exchange says. */
START_TEST(responses_are_http)
{
	char head[RESPONSE_HEAD_MAX];
	struct http_response reader;
	enum http_result result;
	struct exchange x;
	struct message m;
	size_t consumed;
	uint8_t *whole;

	exchange_make(&plan, 0, (uint32_t)_i, 1, &x);
	exchange_response(&x, 0, head, &m);
	whole = stream_of(&m);
	http_response_init(&reader);
	http_response_expect(&reader, false, false);
	result = http_response_feed(&reader, whole, m.total, &consumed);
	ck_assert_int_eq(result, HTTP_HEAD_END);
	ck_assert_uint_eq(consumed, m.head_len);
	ck_assert_uint_eq(reader.status, 200);
	if (x.chunked) {
		ck_assert_uint_eq(reader.body, HTTP_BODY_CHUNKED);
		ck_assert_int_eq(http_response_feed(&reader, whole + consumed, m.total - consumed, &consumed),
				 HTTP_MESSAGE_END);
		ck_assert_uint_eq(consumed, m.total - m.head_len);
	} else if (x.until_close) {
		ck_assert_uint_eq(reader.body, HTTP_BODY_UNTIL_CLOSE);
	} else {
		ck_assert_uint_eq(reader.body_length, x.size);
		ck_assert_uint_eq(m.total, m.head_len + x.size);
	}
	free(whole);
}
END_TEST

/* A request is recognised, and is what the front-end's reader takes it for. */
START_TEST(requests_are_http)
{
	char head[REQUEST_HEAD_MAX], again[REQUEST_HEAD_MAX];
	struct http_request reader;
	struct exchange x, y;
	struct message m, n;
	size_t consumed;

	exchange_make(&plan, 0, 1000u * (unsigned)_i, (uint32_t)_i, &x);
	exchange_request(&plan, &x, head, &m);
	http_request_init(&reader, STRICTNESS_STRICT, 65536);
	ck_assert_int_eq(http_request_feed(&reader, (uint8_t *)head, (uint8_t *)head, m.head_len, &consumed),
			 HTTP_HEAD_END);
	ck_assert_uint_eq(consumed, m.head_len);
	ck_assert_uint_eq(reader.body_length, x.upload);
	ck_assert_int_eq(memcmp(head + reader.path_at, "/x/y", reader.path_len), 0);
	ck_assert(exchange_recognise(&plan, head, m.head_len, &y));
	exchange_request(&plan, &y, again, &n);
	ck_assert_uint_eq(n.head_len, m.head_len);
	ck_assert_int_eq(memcmp(head, again, m.head_len), 0);
	ck_assert_uint_eq(x.key, y.key);
	/* Not with one hex digit less. */
	ck_assert(!exchange_recognise(&plan, head, 20, &y));
}
END_TEST

START_TEST(every_wrong_byte_is_noticed)
{
	char head[RESPONSE_HEAD_MAX], other_head[RESPONSE_HEAD_MAX];
	struct exchange x = { .size = 20000, .key = 5, .chunked = _i };
	struct message m, other;
	uint8_t *whole, *swapped;
	uint32_t same;
	int want;

	exchange_response(&x, 0, head, &m);
	whole = stream_of(&m);
	ck_assert_uint_eq(message_differs(&m, 0, whole, (uint32_t)m.total, &want), m.total);
	for (uint32_t at = 0; at < m.total; at += 37) {
		whole[at] ^= 1;
		ck_assert_uint_eq(message_differs(&m, 0, whole, (uint32_t)m.total, &want), at);
		ck_assert_int_eq(want, whole[at] ^ 1);
		whole[at] ^= 1;
	}
	/* Eight bytes too many, a repeated or missing piece, another backend's body. */
	ck_assert_uint_eq(message_differs(&m, m.total, whole, 1, &want), 0);
	ck_assert_int_eq(want, -1);
	for (uint32_t shift = 1; shift < 64; shift++)
		ck_assert_uint_lt(message_differs(&m, 1000, whole + 1000 + shift, 500, &want), 8);
	exchange_response(&x, 1, other_head, &other);
	swapped = stream_of(&other);
	same = message_differs(&m, 1000, swapped + 1000, 500, &want);
	ck_assert_uint_lt(same, 8);
	free(whole);
	free(swapped);
}
END_TEST

START_TEST(targets_follow_the_rules)
{
	ck_assert_uint_eq(plan.target[0][0].pool, 0);
	ck_assert_uint_eq(plan.target[0][0].expected_status, 200);
	ck_assert_uint_eq(plan.target[0][1].pool, 1);
	ck_assert_uint_eq(plan.target[0][2].pool, NO_POOL);
	ck_assert_uint_eq(plan.target[0][2].expected_status, 404);
}
END_TEST

START_TEST(shares_are_as_configured)
{
	unsigned chunked = 0, until_close = 0, uploads = 0, early = 0, reset = 0, abort = 0, half = 0, plain = 0;
	unsigned hosts[3] = { 0 };
	struct connection_plan c;
	struct exchange x;

	for (uint32_t i = 0; i < 10000; i++) {
		exchange_make(&plan, 0, i, 3, &x);
		chunked += x.chunked;
		until_close += x.until_close;
		uploads += x.upload > 0;
		early += x.early;
		reset += x.server_reset;
		hosts[x.host]++;
		ck_assert(!(x.chunked && x.until_close));
		ck_assert_uint_le(x.cut, x.size);
		connection_plan_make(&plan, 0, i, &c);
		abort += c.abort;
		half += c.half_close;
		plain += c.plain;
		ck_assert_uint_lt(c.abort_number, 4);
	}
	ck_assert(chunked > 2800 && chunked < 3200);
	ck_assert(until_close > 2800 && until_close < 3200);
	ck_assert(uploads > 4800 && uploads < 5200);
	ck_assert(early > 1400 && early < 1800); /* of 5,000, without those that end with the connection or a RST */
	ck_assert(reset > 900 && reset < 1100);
	ck_assert(abort > 2300 && abort < 2700);
	ck_assert(half > 4800 && half < 5200);
	ck_assert_uint_eq(plain, 10000);
	for (unsigned i = 0; i < 3; i++)
		ck_assert(hosts[i] > 3100 && hosts[i] < 3600);
}
END_TEST

Suite *load_suite(void)
{
	Suite *s = suite_create("load");
	TCase *agenda = tcase_create("agenda"), *exchanges = tcase_create("exchanges");

	tcase_add_loop_test(agenda, agenda_is_a_stable_queue, 0, 5);
	suite_add_tcase(s, agenda);
	tcase_add_checked_fixture(exchanges, setup, teardown);
	tcase_add_loop_test(exchanges, any_piece_is_the_same, 0, 20);
	tcase_add_loop_test(exchanges, responses_are_http, 0, 50);
	tcase_add_loop_test(exchanges, requests_are_http, 0, 20);
	tcase_add_loop_test(exchanges, every_wrong_byte_is_noticed, 0, 2);
	tcase_add_test(exchanges, targets_follow_the_rules);
	tcase_add_test(exchanges, shares_are_as_configured);
	suite_add_tcase(s, exchanges);
	return s;
}
