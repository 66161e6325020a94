/* SPDX-License-Identifier: BSD-2-Clause */
/* test_replay.c: small recorded conversations, row by row, and what a replay must say of them.
 *
 * Every conversation is played with several initial sequence numbers, some just below 2^32, with
 * and without the switch's timestamps, and with other batch sizes. */
#include "replay_fixture.h"

Suite *replay_suite(void);

#define N(text) (sizeof(text) - 1)
#define REQUEST "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
#define REQUEST_B "GET /b HTTP/1.1\r\nHost: a\r\n\r\n"
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define RESPONSE_B "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nworld"
#define Q N(REQUEST)
#define R N(RESPONSE)
#define HELLO "SSH-2.0-server\r\n"
#define ALL_OPTIONS .mss = 1460, .sack_permitted = true, .wscale = 8
#define HANDSHAKE C(0, SYN, 0, 0, .mss = 1460), S(1, SYN | ACK, 0, 1, .mss = 1460), C(2, ACK, 1, 1)

struct want {
	enum outcome outcome;
	const char *reason; /* a part of it in --flows; NULL: any */
};

struct talk {
	const char *name;
	struct row rows[24];
	unsigned requests;
	struct want flows[4]; /* in order of their start */
	unsigned flow_count;
};

static const struct talk talks[] = {
	{ "a request and its response",
	  { HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = REQUEST), S(4, ACK, 1, 1 + Q),
	    S(5, PSH | ACK, 1, 1 + Q, .data = RESPONSE), C(6, ACK, 1 + Q, 1 + R), C(7, FIN | ACK, 1 + Q, 1 + R),
	    S(8, FIN | ACK, 1 + R, 2 + Q), C(9, ACK, 2 + Q, 2 + R) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "half-close: FIN with the request",
	  { HANDSHAKE, C(3, FIN | PSH | ACK, 1, 1, .data = REQUEST), S(5, PSH | ACK, 1, 2 + Q, .data = RESPONSE),
	    S(6, FIN | ACK, 1 + R, 2 + Q), C(9, ACK, 2 + Q, 2 + R) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "a SYN alone", { C(0, SYN, 0, 0), C(1000, SYN, 0, 0) }, 0, { { OUTCOME_SKIPPED, "no_handshake" } }, 1 },
	{ "a SYN scan",
	  { C(0, SYN, 0, 0), S(1, SYN | ACK, 0, 1), C(2, RST, 1, 0) },
	  0,
	  { { OUTCOME_SKIPPED, "no_handshake" } },
	  1 },
	{ "a closed port", { C(0, SYN, 0, 0), S(1, RST | ACK, 0, 1) }, 0, { { OUTCOME_SKIPPED, "no_handshake" } }, 1 },
	{ "the middle of a connection",
	  { C(0, PSH | ACK, 50, 70, .data = REQUEST), S(1, PSH | ACK, 70, 50 + Q, .data = RESPONSE) },
	  0,
	  { { OUTCOME_SKIPPED, "no_handshake" } },
	  1 },
	{ "nothing said",
	  { HANDSHAKE, C(3, FIN | ACK, 1, 1), S(4, FIN | ACK, 1, 2), C(5, ACK, 2, 2) },
	  0,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "the server speaks first",
	  { HANDSHAKE, S(3, PSH | ACK, 1, 1, .data = HELLO), C(4, PSH | ACK, 1, 1 + N(HELLO), .data = REQUEST) },
	  0,
	  { { OUTCOME_SKIPPED, "server_first" } },
	  1 },
	{ "SYN-ACK captured before the SYN",
	  { S(0, SYN | ACK, 0, 1), C(0, SYN, 0, 0), C(1, ACK, 1, 1), C(2, PSH | ACK, 1, 1, .data = REQUEST),
	    S(3, PSH | ACK, 1, 1 + Q, .data = RESPONSE) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "another SYN-ACK to a repeated SYN, and the client takes that",
	  { C(0, SYN, 0, 0), S(1, SYN | ACK, 0, 1), C(1000, SYN, 0, 0), S(1001, SYN | ACK, 5000, 1),
	    C(1002, ACK, 1, 5001), C(1003, PSH | ACK, 1, 5001, .data = REQUEST),
	    S(1004, PSH | ACK, 5001, 1 + Q, .data = RESPONSE), C(1005, FIN | ACK, 1 + Q, 5001 + R),
	    S(1006, FIN | ACK, 5001 + R, 2 + Q), C(1007, ACK, 2 + Q, 5002 + R) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "another SYN-ACK to a repeated SYN, and the client takes the first",
	  { C(0, SYN, 0, 0), S(1, SYN | ACK, 0, 1), C(1, SYN, 0, 0), S(2, SYN | ACK, 5000, 1), C(2, ACK, 1, 1),
	    C(3, PSH | ACK, 1, 1, .data = REQUEST), S(4, PSH | ACK, 1, 1 + Q, .data = RESPONSE),
	    C(5, ACK, 1 + Q, 1 + R) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "response captured before the request, and that before the ACK",
	  { C(0, SYN, 0, 0), S(1, SYN | ACK, 0, 1), S(2, PSH | ACK, 1, 1 + Q, .data = RESPONSE),
	    C(2, PSH | ACK, 1, 1, .data = REQUEST), C(2, ACK, 1, 1), C(3, ACK, 1 + Q, 1 + R) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "a segment of the response was not captured",
	  { HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = REQUEST), S(4, PSH | ACK, 1, 1 + Q, .data = "HTTP/1.1 200 OK\r\n"),
	    S(5, PSH | ACK, 20, 1 + Q, .data = "rest"), C(6, ACK, 1 + Q, 24) },
	  1,
	  { { OUTCOME_INCOMPLETE, "frame 7 of the client waits for server byte 18" } },
	  1 },
	{ "the request was not captured",
	  { HANDSHAKE, S(4, PSH | ACK, 1, 1 + Q, .data = RESPONSE), C(5, ACK, 1 + Q, 1 + R) },
	  0,
	  { { OUTCOME_INCOMPLETE, "frame 5 of the client waits for server byte 1" } },
	  1 },
	{ "part of the request was not captured",
	  { HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = "GET /x HT"), S(4, PSH | ACK, 1, 1 + Q, .data = RESPONSE) },
	  0,
	  { { OUTCOME_REFUSED, "request_timeout" } },
	  1 },
	{ "loss: reordering, SACK, retransmission",
	  { C(0, SYN, 0, 0, ALL_OPTIONS), S(1, SYN | ACK, 0, 1, ALL_OPTIONS), C(2, ACK, 1, 1),
	    C(3, PSH | ACK, 1, 1, .data = REQUEST), S(4, ACK, 11, 1 + Q, .data = &RESPONSE[10]),
	    C(5, ACK, 1 + Q, 1, .sack = { 11, 44 }), S(6, ACK, 1, 1 + Q, .data = "HTTP/1.1 2"), C(7, ACK, 1 + Q, 44),
	    S(8, ACK, 1, 1 + Q, .data = "HTTP/1.1 2"), C(9, ACK, 1 + Q, 44, .sack = { 1, 11 }) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "zero window, its probe, keep-alive probes",
	  { HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = REQUEST),
	    S(4, PSH | ACK, 1, 1 + Q, .data = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
	    C(5, ACK, 1 + Q, 39, .window = ZERO_WINDOW), S(300, ACK, 38, 1 + Q),
	    C(301, ACK, 1 + Q, 39, .window = ZERO_WINDOW), S(600, ACK, 39, 1 + Q, .data = "h"), C(601, ACK, 1 + Q, 40),
	    S(602, PSH | ACK, 40, 1 + Q, .data = "ello"), C(603, ACK, 1 + Q, 44), C(9000, ACK, Q, 44, .data = "\n"),
	    S(9001, ACK, 44, 1 + Q) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "a port used again",
	  { HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = REQUEST), S(4, PSH | ACK, 1, 1 + Q, .data = RESPONSE),
	    C(5, RST | ACK, 1 + Q, 1 + R), C(10, SYN, 0, 0, .generation = 1), S(11, SYN | ACK, 0, 1, .generation = 1),
	    C(12, ACK, 1, 1, .generation = 1), C(13, PSH | ACK, 1, 1, .data = REQUEST_B, .generation = 1),
	    S(14, PSH | ACK, 1, 1 + Q, .data = RESPONSE_B, .generation = 1) },
	  2,
	  { { OUTCOME_BYTE_EXACT, NULL }, { OUTCOME_BYTE_EXACT, NULL } },
	  2 },
	{ "a port used again while segments of the connection before still come",
	  { HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = REQUEST), S(4, PSH | ACK, 1, 1 + Q, .data = RESPONSE),
	    C(5, FIN | ACK, 1 + Q, 1 + R), S(6, FIN | ACK, 1 + R, 2 + Q), C(7, ACK, 2 + Q, 2 + R),
	    C(10, SYN, 0, 0, .generation = 1), S(11, FIN | PSH | ACK, 1, 2 + Q, .data = RESPONSE),
	    S(12, SYN | ACK, 0, 1, .generation = 1), S(13, FIN | ACK, 1 + R, 2 + Q),
	    S(14, FIN | PSH | ACK, 1, 2 + Q, .data = RESPONSE), C(15, ACK, 2 + Q, 2 + R),
	    C(16, ACK, 1, 1, .generation = 1), C(17, PSH | ACK, 1, 1, .data = REQUEST_B, .generation = 1),
	    S(18, PSH | ACK, 1, 1 + Q, .data = RESPONSE_B, .generation = 1), C(19, FIN | ACK, 1 + Q, 1 + R) },
	  2,
	  { { OUTCOME_BYTE_EXACT, NULL }, { OUTCOME_BYTE_EXACT, NULL } },
	  2 },
	{ "a port used again, the connection before never closed",
	  { HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = REQUEST), S(4, PSH | ACK, 1, 1 + Q, .data = RESPONSE),
	    C(5, ACK, 1 + Q, 1 + R), C(10, SYN, 0, 0, .generation = 1), S(11, SYN | ACK, 0, 1, .generation = 1),
	    C(12, ACK, 1, 1, .generation = 1), C(13, PSH | ACK, 1, 1, .data = REQUEST_B, .generation = 1),
	    S(14, PSH | ACK, 1, 1 + Q, .data = RESPONSE_B, .generation = 1) },
	  2,
	  { { OUTCOME_BYTE_EXACT, NULL }, { OUTCOME_BYTE_EXACT, NULL } },
	  2 },
	{ "the server's keep-alive probe with a byte, before the first request",
	  { HANDSHAKE, S(75000, ACK, 0, 1, .data = "\n"), C(75001, ACK, 1, 1),
	    C(80000, PSH | ACK, 1, 1, .data = REQUEST), S(80001, PSH | ACK, 1, 1 + Q, .data = RESPONSE) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "idle for longer than the timeout",
	  { HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = REQUEST), S(4, PSH | ACK, 1, 1 + Q, .data = RESPONSE),
	    C(5, ACK, 1 + Q, 1 + R), C(7500000, PSH | ACK, 1 + Q, 1 + R, .data = REQUEST),
	    S(7500001, PSH | ACK, 1 + R, 1 + 2 * Q, .data = RESPONSE) },
	  1,
	  { { OUTCOME_INCOMPLETE, "an idle timeout had ended the flow before" } },
	  1 },
	{ "data on the SYN, answered before the client's next packet",
	  { C(0, SYN, 0, 0, .data = REQUEST), S(1, SYN | ACK, 0, 1 + Q), S(2, PSH | ACK, 1, 1 + Q, .data = RESPONSE),
	    C(3, ACK, 1 + Q, 1 + R) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "data on the SYN, which the recorded server took",
	  { C(0, SYN, 0, 0, .data = REQUEST), S(1, SYN | ACK, 0, 1 + Q), C(2, ACK, 1 + Q, 1),
	    S(3, PSH | ACK, 1, 1 + Q, .data = RESPONSE), C(4, ACK, 1 + Q, 1 + R) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "data on the SYN, which the recorded server did not take",
	  { C(0, SYN, 0, 0, .data = REQUEST), S(1, SYN | ACK, 0, 1), C(2, ACK, 1, 1),
	    C(3, PSH | ACK, 1, 1, .data = REQUEST), S(4, PSH | ACK, 1, 1 + Q, .data = RESPONSE) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "window scaling that the recorded server refused",
	  { C(0, SYN, 0, 0, ALL_OPTIONS), S(1, SYN | ACK, 0, 1, .mss = 1460), C(2, ACK, 1, 1, .window = 64000),
	    C(3, PSH | ACK, 1, 1, .data = REQUEST, .window = 64001),
	    S(4, PSH | ACK, 1, 1 + Q, .data = RESPONSE, .window = 65535), C(5, ACK, 1 + Q, 1 + R, .window = 100) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "window scaling, 14 and 0",
	  { C(0, SYN, 0, 0, .wscale = 15), S(1, SYN | ACK, 0, 1, .wscale = 1), C(2, ACK, 1, 1, .window = 65535),
	    C(3, PSH | ACK, 1, 1, .data = REQUEST, .window = 1),
	    S(4, PSH | ACK, 1, 1 + Q, .data = RESPONSE, .window = 65535), S(5, ACK, 1 + R, 1 + Q, .window = 127),
	    C(6, ACK, 1 + Q, 1 + R, .window = 2) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "timestamps",
	  { C(0, SYN, 0, 0, ALL_OPTIONS, .tsval = 100), S(1, SYN | ACK, 0, 1, ALL_OPTIONS, .tsval = 7000, .tsecr = 100),
	    C(2, ACK, 1, 1, .tsval = 102, .tsecr = 7000),
	    C(3, PSH | ACK, 1, 1, .data = REQUEST, .tsval = 103, .tsecr = 7000),
	    S(4, PSH | ACK, 1, 1 + Q, .data = RESPONSE, .tsval = 7003, .tsecr = 103),
	    C(5, ACK, 1 + Q, 1 + R, .tsval = 105, .tsecr = 7003),
	    C(90, PSH | ACK, 1 + Q, 1 + R, .data = REQUEST_B, .tsval = 190, .tsecr = 7003),
	    S(91, PSH | ACK, 1 + R, 1 + 2 * Q, .data = RESPONSE_B, .tsval = 7090, .tsecr = 190),
	    C(92, ACK, 1 + 2 * Q, 1 + 2 * R, .tsval = 192, .tsecr = 7090) },
	  2,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "not HTTP",
	  { HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = "\x16\x03\x01\x01"), S(4, PSH | ACK, 1, 5, .data = "\x15\x03") },
	  0,
	  { { OUTCOME_REFUSED, "malformed" } },
	  1 },
	{ "requests for two backends in turn",
	  { HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = REQUEST), S(4, PSH | ACK, 1, 1 + Q, .data = RESPONSE),
	    C(5, PSH | ACK, 1 + Q, 1 + R, .data = REQUEST_B), S(6, PSH | ACK, 1 + R, 1 + 2 * Q, .data = RESPONSE_B),
	    C(7, PSH | ACK, 1 + 2 * Q, 1 + 2 * R, .data = REQUEST),
	    S(8, PSH | ACK, 1 + 2 * R, 1 + 3 * Q, .data = RESPONSE), C(9, FIN | ACK, 1 + 3 * Q, 1 + 3 * R),
	    S(10, FIN | ACK, 1 + 3 * R, 2 + 3 * Q), C(11, ACK, 2 + 3 * Q, 2 + 3 * R) },
	  3,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "requests for two backends in one segment, responses in turn",
	  { HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = REQUEST REQUEST_B), S(4, ACK, 1, 1 + 2 * Q),
	    S(5, PSH | ACK, 1, 1 + 2 * Q, .data = RESPONSE), C(6, ACK, 1 + 2 * Q, 1 + R),
	    S(7, PSH | ACK, 1 + R, 1 + 2 * Q, .data = RESPONSE_B), C(8, ACK, 1 + 2 * Q, 1 + 2 * R) },
	  2,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "requests for two backends in one segment, responses in one segment",
	  { HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = REQUEST REQUEST_B),
	    S(5, PSH | ACK, 1, 1 + 2 * Q, .data = RESPONSE RESPONSE_B), C(6, ACK, 1 + 2 * Q, 1 + 2 * R),
	    C(7, FIN | ACK, 1 + 2 * Q, 1 + 2 * R), S(8, FIN | ACK, 1 + 2 * R, 2 + 2 * Q) },
	  2,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "the recorded server acknowledged half a head before it answered",
	  { HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = REQUEST "GET /x HTTP"),
	    S(4, PSH | ACK, 1, 12 + Q, .data = RESPONSE),
	    C(5, PSH | ACK, 12 + Q, 1 + R, .data = "/1.1\r\nHost: a\r\n\r\n"),
	    S(6, PSH | ACK, 1 + R, 1 + 2 * Q, .data = RESPONSE), C(7, ACK, 1 + 2 * Q, 1 + 2 * R) },
	  2,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
	{ "numbers of another connection in between",
	  { HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = REQUEST), S(4, ACK, 900000000, 1 + Q, .data = "late"),
	    S(5, PSH | ACK, 1, 1 + Q, .data = RESPONSE), C(6, ACK, 1 + Q, 1 + R, .sack = { 1700000000, 1700000100 }) },
	  1,
	  { { OUTCOME_BYTE_EXACT, NULL } },
	  1 },
};

static void play(const char *path, struct config *c, const struct replay_options *extra, struct replay_result *result)
{
	struct endpoint vip = endpoint_of(TEST_VIP);
	struct replay_options o = extra ? *extra : (struct replay_options){ 0 };
	char error[TRACE_ERROR_MAX] = "";

	o.trace = path;
	o.vip = &vip;
	ck_assert_msg(replay_run(c, &o, result, error) == 0, "%s", error);
}

/* Line `n` of a file, from 0, without its end. */
static void read_line(const char *path, unsigned n, char line[512])
{
	FILE *f = fopen(path, "r");

	ck_assert_ptr_nonnull(f);
	for (unsigned i = 0; i <= n; i++)
		ck_assert_msg(fgets(line, 512, f) != NULL, "%s has no line %u", path, n);
	line[strcspn(line, "\n")] = '\0';
	fclose(f);
}

static void check_talk(const struct talk *t, struct isns isn, bool timestamps)
{
	char path[32], flows[40], line[512];
	struct config *c = replay_config();
	struct replay_result r;
	unsigned bad = 0;

	rows_write(t->rows, isn, path);
	snprintf(flows, sizeof(flows), "%s.tsv", path);
	c->sw.timestamps = timestamps;
	play(path, c, &(struct replay_options){ .flows_file = flows }, &r);
	for (unsigned i = 0; i < t->flow_count; i++) {
		const struct want *w = &t->flows[i];

		read_line(flows, 1 + i, line);
		ck_assert_msg(strstr(line, outcome_key(w->outcome)) && (!w->reason || strstr(line, w->reason)),
			      "%s, ISN %u and %u: %s", t->name, isn.client, isn.server, line);
		bad += w->outcome == OUTCOME_MISMATCHED || w->outcome == OUTCOME_INCOMPLETE;
	}
	ck_assert_msg(r.flows == t->flow_count && r.requests == t->requests && r.number_errors == 0 &&
			      r.checksum_errors == 0 && r.wrong_backend == 0 && r.leaked == 0,
		      "%s: flows %d requests %d numbers %d checksums %d backend %d leaked %d", t->name, (int)r.flows,
		      (int)r.requests, (int)r.number_errors, (int)r.checksum_errors, (int)r.wrong_backend,
		      (int)r.leaked);
	ck_assert_msg(replay_failed(&r) == (bad > 0), "%s", t->name);
	ck_assert_uint_eq(r.finding_count, bad);
	replay_result_free(&r);
	unlink(path);
	unlink(flows);
	free(c);
}

START_TEST(test_talk)
{
	for (unsigned i = 0; i < ARRAY_LEN(isn_rows); i++) {
		check_talk(&talks[_i], isn_rows[i], false);
		check_talk(&talks[_i], isn_rows[i], true);
	}
}
END_TEST

/* The harm that each quirk of the published code does to one of the conversations above. F8 and C3
 * need segments and operations at the same moment: test_frontend.c and test_control_plane.c. */
static const struct harm {
	const char *talk;
	uint32_t quirks;
	bool timestamps;
} harms[] = {
	{ "a request and its response", QUIRK_BIT(QUIRK_P2), false },
	{ "window scaling, 14 and 0", QUIRK_BIT(QUIRK_P3), false },
	{ "window scaling, 14 and 0", QUIRK_BIT(QUIRK_F10), false },
	{ "a request and its response", QUIRK_BIT(QUIRK_F10), false },
	{ "a request and its response", QUIRK_BIT(QUIRK_F5), false },
	{ "a request and its response", QUIRK_BIT(QUIRK_A1), false },
	{ "requests for two backends in turn", QUIRK_BIT(QUIRK_A3) | QUIRK_BIT(QUIRK_A1), false },
	{ "timestamps", QUIRK_BIT(QUIRK_A7), true },
};

static const struct talk *talk_named(const char *name)
{
	for (unsigned i = 0; i < ARRAY_LEN(talks); i++)
		if (!strcmp(talks[i].name, name))
			return &talks[i];
	ck_abort_msg("no talk %s", name);
	return NULL;
}

START_TEST(test_harm)
{
	const struct harm *h = &harms[_i];
	const struct talk *t = talk_named(h->talk);
	struct replay_result r;
	char path[32];

	rows_write(t->rows, isn_rows[0], path);
	for (unsigned with = 0; with < 2; with++) {
		struct config *c = replay_config();

		c->quirks = with ? h->quirks : 0;
		c->sw.timestamps = h->timestamps;
		play(path, c, NULL, &r);
		ck_assert_msg(replay_failed(&r) == with, "%s, quirks 0x%x: %s", h->talk, (unsigned)c->quirks,
			      r.finding_count ? r.findings[0].text : "nothing found");
		replay_result_free(&r);
		free(c);
	}
	unlink(path);
}
END_TEST

/* A front-end without a buffer for it does not take a request: that is no refusal by policy. */
START_TEST(test_no_buffer)
{
	static const struct row rows[] = { HANDSHAKE,
					   C(3, SYN, 0, 0, .port = 1),
					   S(4, SYN | ACK, 0, 1, .port = 1),
					   C(5, ACK, 1, 1, .port = 1),
					   C(6, ACK, 1, 1, .data = "GET /x"),
					   C(7, ACK, 1, 1, .data = "GET /x", .port = 1),
					   { .from = 0 } };
	struct config *c = replay_config();
	struct replay_result r;
	char path[32];

	c->frontends.count = 1;
	c->frontends.buffers = 1;
	rows_write(rows, isn_rows[0], path);
	play(path, c, NULL, &r);
	ck_assert_uint_eq(r.outcomes[OUTCOME_REFUSED], 1);
	ck_assert_uint_eq(r.outcomes[OUTCOME_INCOMPLETE], 1);
	ck_assert_str_eq(r.findings[0].text, "the front-end has not taken all of the request");
	replay_result_free(&r);
	unlink(path);
	free(c);
}
END_TEST

/* All of a small file. */
static void check_file(const char *path, const char *want)
{
	char got[512];
	FILE *f = fopen(path, "rb");
	size_t n;

	ck_assert_msg(f != NULL, "%s is not there", path);
	n = fread(got, 1, sizeof(got), f);
	fclose(f);
	ck_assert_msg(n == strlen(want) && !memcmp(got, want, n), "%s: %.*s", path, (int)n, got);
	unlink(path);
}

START_TEST(test_streams)
{
	struct config *c = replay_config();
	char path[32], dir[] = "/tmp/miresga-test.XXXXXX", file[96];
	struct replay_result r;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	rows_write(talk_named("a port used again")->rows, isn_rows[1], path);
	play(path, c, &(struct replay_options){ .streams_dir = dir }, &r);
	snprintf(file, sizeof(file), "%s/198.51.100.7:40000-0.c2s", dir);
	check_file(file, REQUEST);
	snprintf(file, sizeof(file), "%s/198.51.100.7:40000-0.s2c", dir);
	check_file(file, RESPONSE);
	snprintf(file, sizeof(file), "%s/198.51.100.7:40000-1.c2s", dir);
	check_file(file, REQUEST_B);
	snprintf(file, sizeof(file), "%s/198.51.100.7:40000-1.s2c", dir);
	check_file(file, RESPONSE_B);
	ck_assert_int_eq(rmdir(dir), 0);
	replay_result_free(&r);
	unlink(path);
	free(c);
}
END_TEST

START_TEST(test_flows_file)
{
	struct config *c = replay_config();
	char path[32], flows[40], line[512];
	struct replay_result r;

	rows_write(talk_named("requests for two backends in turn")->rows, isn_rows[0], path);
	snprintf(flows, sizeof(flows), "%s.tsv", path);
	c->rules[0].offload = c->rules[1].offload = OFFLOAD_ALWAYS;
	play(path, c, &(struct replay_options){ .flows_file = flows }, &r);
	read_line(flows, 0, line);
	ck_assert_str_eq(line, "client\tk\toutcome\treason\trequests\tc2s_bytes\ts2c_bytes\tfrontend\tbackends\t"
			       "offloaded\toffload_delay");
	read_line(flows, 1, line);
	ck_assert_msg(strstr(line, "198.51.100.7:40000\t0\t") == line, "%s", line);
	replay_result_free(&r);
	unlink(path);
	unlink(flows);
	free(c);
}
END_TEST

/* What cannot be written at all stops the replay before it starts; what fails later does not. */
START_TEST(test_outputs_that_fail)
{
	static const struct replay_options at_once[] = {
		{ .flows_file = "/nonexistent/flows.tsv" },
		{ .streams_dir = "/nonexistent/streams" },
		{ .pcapng = "/nonexistent/out.pcapng" },
	};
	static const struct replay_options later[] = { { .flows_file = "/dev/full" }, { .pcapng = "/dev/full" } };
	struct endpoint vip = endpoint_of(TEST_VIP);
	struct config *c = replay_config();
	char path[32], error[TRACE_ERROR_MAX];
	struct replay_result r;

	rows_write(talks[0].rows, isn_rows[0], path);
	for (unsigned i = 0; i < ARRAY_LEN(at_once); i++) {
		struct replay_options o = at_once[i];

		o.trace = path;
		o.vip = &vip;
		error[0] = '\0';
		ck_assert_int_eq(replay_run(c, &o, &r, error), -1);
		ck_assert_msg(strstr(error, "/nonexistent/") != NULL, "%s", error);
	}
	for (unsigned i = 0; i < ARRAY_LEN(later); i++) {
		play(path, c, &later[i], &r);
		ck_assert_msg(strstr(r.output_error, "/dev/full") != NULL, "%s", r.output_error);
		ck_assert_uint_eq(r.outcomes[OUTCOME_BYTE_EXACT], 1);
		ck_assert(replay_failed(&r));
		replay_result_free(&r);
	}
	unlink(path);
	free(c);
}
END_TEST

START_TEST(test_trace_that_is_missing)
{
	struct config *c = replay_config();
	struct replay_options o = { .trace = "/nonexistent/trace.pcap" };
	char error[TRACE_ERROR_MAX] = "";
	struct replay_result r;

	ck_assert_int_eq(replay_run(c, &o, &r, error), -1);
	ck_assert_msg(strstr(error, o.trace) != NULL, "%s", error);
	free(c);
}
END_TEST

START_TEST(test_trace_that_breaks_off)
{
	struct config *c = replay_config();
	struct bytes b = { 0 };
	struct replay_result r;
	char path[32];

	capture_begin(&b, &containers[0], 101);
	rows_capture(&b, talks[0].rows, isn_rows[0]);
	b.len -= 7;
	capture_write(&b, path);
	bytes_free(&b);
	play(path, c, NULL, &r);
	ck_assert_msg(strstr(r.trace_error, path) && strstr(r.trace_error, "10"), "%s", r.trace_error);
	ck_assert_uint_eq(r.packets, 9);
	ck_assert_uint_eq(r.outcomes[OUTCOME_BYTE_EXACT], 1); /* what is there of it has been played */
	ck_assert(replay_failed(&r));
	replay_result_free(&r);
	unlink(path);
	free(c);
}
END_TEST

START_TEST(test_stop)
{
	struct config *c = replay_config();
	volatile int stop = 1;
	struct replay_result r;
	char path[32];

	rows_write(talks[0].rows, isn_rows[0], path);
	play(path, c, &(struct replay_options){ .stop = &stop }, &r);
	ck_assert(r.interrupted);
	ck_assert_uint_eq(r.packets, 0);
	replay_result_free(&r);
	unlink(path);
	free(c);
}
END_TEST

/* Without --vip: who answered the most handshakes; of equals, the first. */
START_TEST(test_vip)
{
	static const struct {
		struct row rows[8];
		bool found;
	} cases[] = {
		{ { C(0, SYN, 0, 0), S(1, SYN | ACK, 0, 1), C(2, ACK, 1, 1) }, true },
		{ { C(0, SYN, 0, 0), S(1, SYN | ACK, 0, 2) }, true }, /* it took a byte of data */
		{ { S(0, SYN | ACK, 0, 1), C(1, ACK, 1, 1) }, false },
		{ { C(0, SYN, 0, 0), C(1, ACK, 1, 1) }, false },
		{ { C(0, SYN, 9, 0), S(1, SYN | ACK, 0, 1) }, false }, /* answers another SYN */
	};

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct config *c = replay_config();
		char path[32], error[TRACE_ERROR_MAX];
		struct replay_options o = { .trace = path };
		struct replay_result r;

		rows_write(cases[i].rows, isn_rows[0], path);
		ck_assert_int_eq(replay_run(c, &o, &r, error), 0);
		ck_assert_msg(r.vip_found == cases[i].found, "case %u", i);
		if (r.vip_found)
			ck_assert(endpoint_equal(r.vip, endpoint_of(TEST_VIP)));
		replay_result_free(&r);
		unlink(path);
		free(c);
	}
}
END_TEST

START_TEST(test_address_conflict)
{
	struct config *c = replay_config();
	struct endpoint vip = endpoint_of(TEST_VIP);
	char path[32], error[TRACE_ERROR_MAX];
	struct replay_options o = { .trace = path, .vip = &vip };
	struct replay_result r;

	rows_write(talks[0].rows, isn_rows[0], path);
	c->backends[1].address = endpoint_of("198.51.100.7:80");
	play(path, c, NULL, &r);
	ck_assert_uint_eq(r.skipped_flows[SKIP_ADDRESS_CONFLICT], 1);
	replay_result_free(&r);
	c->backends[1].address = endpoint_of("192.0.2.1:8080");
	ck_assert_int_eq(replay_run(c, &o, &r, error), -1);
	ck_assert_msg(strstr(error, "backend b") != NULL, "%s", error);
	unlink(path);
	free(c);
}
END_TEST

static void read_all(const char *path, struct bytes *b)
{
	uint8_t part[4096];
	FILE *f = fopen(path, "rb");
	size_t n;

	ck_assert_ptr_nonnull(f);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		bytes_put(b, part, n);
	fclose(f);
	unlink(path);
}

/* Every tap, comments included, byte for byte, whatever the batch size. */
START_TEST(test_same_bytes)
{
	struct bytes first = { 0 };
	char path[32], out[48];

	rows_write(talk_named("requests for two backends in turn")->rows, isn_rows[1], path);
	snprintf(out, sizeof(out), "%s.pcapng", path);
	for (unsigned i = 0; i < 3; i++) {
		struct config *c = replay_config();
		struct bytes again = { 0 };
		struct replay_result r;

		c->sw.batch = i ? (uint16_t)(i == 1 ? 7 : BATCH_MAX) : 1;
		play(path, c, &(struct replay_options){ .pcapng = out }, &r);
		ck_assert_str_eq(r.output_error, "");
		ck_assert(!replay_failed(&r));
		replay_result_free(&r);
		read_all(out, i ? &again : &first);
		ck_assert_uint_gt(first.len, 2000);
		if (i)
			ck_assert(again.len == first.len && !memcmp(again.data, first.data, first.len));
		bytes_free(&again);
		free(c);
	}
	bytes_free(&first);
	unlink(path);
}
END_TEST

/* A control queue of one place: adds are refused and counted, deletes are never lost. */
START_TEST(test_control_queue_full)
{
	struct config *c = replay_config();
	struct row rows[4 * 9 + 1] = { { 0 } };
	const struct talk *t = &talks[0];
	struct replay_result r;
	char path[32];

	for (unsigned port = 0; port < 4; port++) {
		for (unsigned i = 0; i < 9; i++) {
			rows[port + 4 * i] = t->rows[i];
			rows[port + 4 * i].port = (uint8_t)port;
		}
	}
	rows_write(rows, isn_rows[0], path);
	c->rules[0].offload = c->rules[1].offload = OFFLOAD_ALWAYS;
	c->sw.control_queue = 1;
	c->sw.insertion_rate = 1;
	play(path, c, NULL, &r);
	ck_assert_uint_eq(r.outcomes[OUTCOME_BYTE_EXACT], 4);
	ck_assert_uint_eq(r.leaked, 0);
	ck_assert_uint_gt(r.frontends[0].offloads_full + (r.frontend_count > 1 ? r.frontends[1].offloads_full : 0), 0);
	replay_result_free(&r);
	unlink(path);
	free(c);
}
END_TEST

Suite *replay_suite(void)
{
	Suite *s = suite_create("replay");
	TCase *talk = tcase_create("talks"), *harm = tcase_create("quirks"), *run = tcase_create("run");

	tcase_add_loop_test(talk, test_talk, 0, ARRAY_LEN(talks));
	suite_add_tcase(s, talk);
	tcase_add_loop_test(harm, test_harm, 0, ARRAY_LEN(harms));
	suite_add_tcase(s, harm);
	tcase_add_test(run, test_no_buffer);
	tcase_add_test(run, test_streams);
	tcase_add_test(run, test_flows_file);
	tcase_add_test(run, test_outputs_that_fail);
	tcase_add_test(run, test_trace_that_is_missing);
	tcase_add_test(run, test_trace_that_breaks_off);
	tcase_add_test(run, test_stop);
	tcase_add_test(run, test_vip);
	tcase_add_test(run, test_address_conflict);
	tcase_add_test(run, test_same_bytes);
	tcase_add_test(run, test_control_queue_full);
	suite_add_tcase(s, run);
	return s;
}
