/* SPDX-License-Identifier: BSD-2-Clause */
/* test_explain.c: explanations of the bundled captures and of small traces written row by row:
 * that the story holds what happened, that nothing drops without being told, that the diagram fits
 * its width, and that each reason for a flow to stay on the slow path is the one that is given. */
#include <jansson.h>

#include "miresga/explain.h"
#include "replay_fixture.h"

Suite *explain_suite(void);

/* One explanation: its text and the replay's result. */
struct explained {
	char *text;
	struct replay_result result;
};

enum form {
	FORM_TEXT,
	FORM_DIAGRAM,
	FORM_VERBOSE,
	FORM_JSON,
};

static void explained_free(struct explained *x)
{
	free(x->text);
	replay_result_free(&x->result);
}

static void explain_run(struct explained *x, const struct config *c, const char *path, const struct explain_request *q,
			enum form form)
{
	struct explain *e = explain_create(c, q);
	struct replay_options o = { .trace = path, .observer = explain_observer(e) };
	char error[TRACE_ERROR_MAX] = "";
	size_t len = 0;
	FILE *out = open_memstream(&x->text, &len);
	const struct explain_style style = {
		.out = out, .quiet = form == FORM_DIAGRAM, .verbose = form == FORM_VERBOSE, .width = 80
	};

	ck_assert_ptr_nonnull(out);
	ck_assert_msg(replay_run(c, &o, &x->result, error) == 0, "%s", error);
	if (form == FORM_JSON)
		ck_assert_int_eq(explain_write_json(e, out, &x->result), 0);
	else
		explain_write(e, &style, &x->result);
	fclose(out);
	explain_free(e);
}

static struct explain_request flow_request(enum explain_question question, const char *flow)
{
	struct explain_request q = { .question = question, .flow_count = 1 };

	ck_assert_int_eq(explain_flow_parse(flow, &q.flows[0]), 0);
	return q;
}

/* The pieces stand in the text, in this order. */
static void assert_in_order(const char *text, const char *const *pieces)
{
	const char *at = text;

	for (; *pieces; pieces++) {
		const char *found = strstr(at, *pieces);

		ck_assert_msg(found != NULL, "'%s' is missing, or comes too early, in:\n%s", *pieces, text);
		at = found + strlen(*pieces);
	}
}

static void trace_path(const char *name, char path[512])
{
	const char *dir = getenv("MIRESGA_TRACES");

	snprintf(path, 512, "%s/%s", dir ? dir : "build/traces", name);
}

static const char *const captures[] = {
	"chunked.pcap", "close_modes.pcap", "demo.pcap",       "gso.pcap",	   "keepalive.pcap", "loss.pcap",
	"options.pcap", "pipelined.pcap",   "port_reuse.pcap", "probes.pcap",	   "seq_wrap.pcap",  "sizes.pcap",
	"upload.pcap",	"slow_head.pcap",   "two_hosts.pcap",  "loss_client.pcap",
};

/* --- rows ---------------------------------------------------------------------------------------- */

#define TEST_FLOW "198.51.100.7:40000"
#define GET_A "GET /a HTTP/1.1\r\nHost: x\r\n\r\n" /* 28 bytes: 1 to 29 */
#define GET_B "GET /b HTTP/1.1\r\nHost: x\r\n\r\n"
#define OK_20 "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" /* 39 bytes: 1 to 40 */
#define BODY_20 "01234567890123456789"
#define OK_CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" /* 47 */
#define HANDSHAKE C(0, SYN, 0, 0), S(1, SYN | ACK, 0, 1), C(2, ACK, 1, 1)
#define CLOSE(t, c, s) C(t, FIN | ACK, c, s), S((t) + 1, FIN | ACK, s, (c) + 1), C((t) + 2, ACK, (c) + 1, (s) + 1)

static const struct row rows_plain[] = {
	HANDSHAKE,
	C(3, PSH | ACK, 1, 1, .data = GET_A),
	S(4, ACK, 1, 29, .data = OK_20),
	C(14, ACK, 29, 40),
	S(24, PSH | ACK, 40, 29, .data = BODY_20),
	C(25, ACK, 29, 60),
	CLOSE(30, 29, 60),
	{ 0 },
};

static const struct row rows_chunked[] = {
	HANDSHAKE,
	C(3, PSH | ACK, 1, 1, .data = GET_A),
	S(4, ACK, 1, 29, .data = OK_CHUNKED "0\r\n\r\n"),
	C(14, ACK, 29, 53),
	CLOSE(30, 29, 53),
	{ 0 },
};

/* A request line longer than is told of, and a header's middle where the second packet begins. */
#define A_40 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
static const struct row rows_long_line[] = {
	HANDSHAKE,
	C(3, ACK, 1, 1, .data = "GET /" A_40 A_40 " HTTP/1.1\r\nHost: x\r\nA: b"),
	C(4, PSH | ACK, 110, 1, .data = " c d\r\n\r\n"),
	S(5, ACK, 118, 1),
	{ 0 },
};

static const struct row rows_half_closed[] = {
	HANDSHAKE,
	C(3, PSH | ACK | FIN, 1, 1, .data = GET_A),
	S(4, ACK, 1, 30, .data = OK_20 BODY_20),
	S(5, FIN | ACK, 60, 30),
	C(6, ACK, 30, 61),
	{ 0 },
};

static const struct row rows_no_request[] = {
	HANDSHAKE,
	CLOSE(30, 1, 1),
	{ 0 },
};

/* Everything is over before the table's latency. */
static const struct row rows_quick[] = {
	HANDSHAKE, C(3, PSH | ACK, 1, 1, .data = GET_A), S(3, ACK, 1, 29, .data = OK_20 BODY_20), C(3, RST, 29, 0),
	{ 0 },
};

/* A second request, for the same pool, comes with the first; its pool has a rival. */
static const struct row rows_pipelined[] = {
	HANDSHAKE,
	C(3, PSH | ACK, 1, 1, .data = GET_A GET_A),
	S(4, ACK, 1, 57, .data = OK_20 BODY_20),
	C(5, ACK, 57, 60),
	S(6, ACK, 60, 57, .data = OK_CHUNKED "0\r\n\r\n"),
	C(7, ACK, 57, 112),
	CLOSE(30, 57, 112),
	{ 0 },
};

/* The head of the next request is never completed, but was acknowledged to the client. */
static const struct row rows_owing[] = {
	HANDSHAKE,
	C(3, PSH | ACK, 1, 1, .data = GET_A "GET /a"),
	S(4, ACK, 1, 35, .data = OK_20 BODY_20),
	C(5, ACK, 35, 60),
	C(6, RST, 35, 0),
	{ 0 },
};

/* Only the neighbour's handshake is there. */
static const struct row rows_midway[] = {
	C(0, SYN, 0, 0, .port = 1),
	S(1, SYN | ACK, 0, 1, .port = 1),
	C(3, PSH | ACK, 1, 1, .data = GET_A),
	S(4, ACK, 1, 29, .data = OK_20 BODY_20),
	{ 0 },
};

/* The server acknowledges what the client never sent. */
static const struct row rows_blocked[] = {
	HANDSHAKE,
	C(3, PSH | ACK, 1, 1, .data = GET_A),
	S(4, ACK, 1, 99, .data = OK_20),
	{ 0 },
};

static const struct row rows_bad[] = {
	HANDSHAKE,
	C(3, PSH | ACK, 1, 1, .data = "GET /a HTTP/9.9\r\n\r\n"),
	S(4, ACK, 1, 20, .data = "HTTP/1.1 400 Bad Request\r\n\r\n"),
	{ 0 },
};

static const struct row rows_moves[] = {
	HANDSHAKE,
	C(3, PSH | ACK, 1, 1, .data = GET_A),
	S(4, ACK, 1, 29, .data = OK_20 BODY_20),
	C(5, PSH | ACK, 29, 60, .data = GET_B),
	S(6, ACK, 60, 57, .data = OK_20 BODY_20),
	C(7, ACK, 57, 119),
	CLOSE(30, 57, 119),
	{ 0 },
};

/* The port's neighbour fills the control plane's queue. */
static const struct row rows_rivals[] = {
	C(0, SYN, 0, 0, .port = 1),
	S(1, SYN | ACK, 0, 1, .port = 1),
	C(2, ACK, 1, 1, .port = 1),
	C(3, PSH | ACK, 1, 1, .data = GET_A, .port = 1),
	S(4, ACK, 1, 29, .data = OK_20 BODY_20, .port = 1),
	C(5, SYN, 0, 0),
	S(6, SYN | ACK, 0, 1),
	C(7, ACK, 1, 1),
	C(8, PSH | ACK, 1, 1, .data = GET_A),
	S(9, ACK, 1, 29, .data = OK_20 BODY_20),
	C(10, ACK, 29, 60),
	{ 0 },
};

static void explain_rows(struct explained *x, const struct config *c, const struct row *rows,
			 const struct explain_request *q, enum form form)
{
	char path[32];

	rows_write(rows, isn_rows[1], path);
	explain_run(x, c, path, q, form);
	unlink(path);
}

static void change_nothing(struct config *c)
{
	(void)c;
}

static void offload_from_ten_bytes(struct config *c)
{
	c->offload_threshold = 10;
}

static void never_offload(struct config *c)
{
	offload_from_ten_bytes(c);
	c->rules[0].offload = c->rules[1].offload = OFFLOAD_NEVER;
}

static void no_place(struct config *c)
{
	offload_from_ten_bytes(c);
	c->sw.control_queue = 1;
	c->sw.insertion_latency_ns = NS_PER_S;
}

static void slow_table(struct config *c)
{
	offload_from_ten_bytes(c);
	c->sw.insertion_latency_ns = 10 * NS_PER_S;
}

/* Each reason, and a trace that has it. */
static const struct {
	const struct row *rows;
	void (*change)(struct config *c);
	const char *text;
} reasons[] = {
	{ rows_plain, offload_from_ten_bytes, "It was offloaded: its entry took effect" },
	{ rows_plain, change_nothing,
	  "its largest response announced a Content-Length of 20 bytes, below the threshold of 65,536" },
	{ rows_plain, never_offload, "rule 2, which its request matched, says offload: never" },
	{ rows_rivals, no_place, "the switch had no place for it" },
	{ rows_quick, slow_table,
	  "an entry was asked for on frame 5 and took effect 10.00 s later, but no packet came" },
	{ rows_quick, slow_table, "on frame 6: the client reset the connection" },
	{ rows_chunked, offload_from_ten_bytes, "it was chunked, and nobody knows its length beforehand" },
	{ rows_half_closed, offload_from_ten_bytes, "the client had closed its half" },
	{ rows_no_request, offload_from_ten_bytes, "no complete request came" },
	{ rows_pipelined, offload_from_ten_bytes, "1 more request was waiting behind it" },
	{ rows_owing, offload_from_ten_bytes, "acknowledged the client's bytes up to 35 by itself" },
	{ rows_midway, change_nothing, "It was not played at all: the trace does not hold its handshake." },
	{ rows_bad, offload_from_ten_bytes, "the front-end answered it by itself: HTTP version not supported (505)" },
};

START_TEST(the_reason_is_given)
{
	struct explain_request q = flow_request(EXPLAIN_WHY_NOT_OFFLOADED, TEST_FLOW);
	struct config *c = replay_config();
	struct explained x = { 0 };

	reasons[_i].change(c);
	explain_rows(&x, c, reasons[_i].rows, &q, FORM_TEXT);
	ck_assert_msg(strstr(x.text, reasons[_i].text) != NULL, "'%s' is not in: %s", reasons[_i].text, x.text);
	ck_assert_msg(strchr(x.text, '\n') == x.text + strlen(x.text) - 1, "more than a sentence: %s", x.text);
	explained_free(&x);
	free(c);
}
END_TEST

START_TEST(a_flow_has_its_story)
{
	static const char *const pieces[] = {
		"Flow 198.51.100.7:40000-0: byte_exact",
		"row in_syn: answer with a SYN-ACK",
		"becomes its SYN-ACK: SEQ L = ",
		"NONE x HANDSHAKE -> INIT",
		"\"GET /a HTTP/1.1\"",
		"rule 2 (host any, path any) -> pool ",
		"a, one of the pool's 1",
		"INIT x REQUEST -> BACKEND_SYN",
		"made by fe",
		" on frame 4: S 0",
		"special SYN: L stored",
		"frame 2, which waited, may leave now",
		"waited 2.00 ms: frame 2 of the server waits for a connection to its backend",
		"SYN-ACK: Δ learned, leaves with SEQ L",
		" - Δ = ",
		"BACKEND_SYN x BACKEND_SYNACK -> COMPLETE",
		" + Δ = ",
		"COMPLETE x OFFLOAD -> OFFLOADED",
		"asks the switch: add 198.51.100.7:40000 = D index 0 (a)",
		"takes effect, 1.00 ms after fe",
		"hit: D index 0 (a)",
		"row in_ack_hit: fast path",
		"CLOSING x ALL_ACKED -> LINGER",
		"client         switch        front-end        agent         server",
		"Offload: It was offloaded",
		NULL,
	};
	struct explain_request q = flow_request(EXPLAIN_FLOW, TEST_FLOW);
	struct config *c = replay_config();
	struct explained x = { 0 };

	offload_from_ten_bytes(c);
	explain_rows(&x, c, rows_plain, &q, FORM_VERBOSE);
	assert_in_order(x.text, pieces);
	explained_free(&x);
	free(c);
}
END_TEST

/* What an answer of the control plane or a timer does to the FSM has a name, too. */
START_TEST(steps_without_a_packet_are_told)
{
	static const char *const pieces[] = { "between packets\n    switch       table             add ",
					      "found no place: the table or its queue is full",
					      ", 0 ns after fe0 asked\n    front-end    fsm               OFFLOADED x "
					      "ENTRY_FULL -> COMPLETE (the switch",
					      "between packets\n    front-end ",
					      "fsm               COMPLETE x IDLE -> ",
					      "[OFFLOADED]",
					      "[COMPLETE]",
					      NULL };
	struct explain_request q = flow_request(EXPLAIN_FLOW, TEST_FLOW);
	struct config *c = replay_config();
	struct explained x = { 0 };

	no_place(c);
	explain_rows(&x, c, rows_rivals, &q, FORM_TEXT);
	assert_in_order(x.text, pieces);
	explained_free(&x);
	explain_rows(&x, c, rows_rivals, &q, FORM_JSON);
	ck_assert_msg(strstr(x.text, "\"event\": \"ENTRY_FULL\"") != NULL, "%s", x.text);
	explained_free(&x);
	free(c);
}
END_TEST

START_TEST(a_move_is_told)
{
	static const char *const pieces[] = { "rule 1 (host any, path /b*)",
					      "REQUEST_HELD -> HELD",
					      "HELD_MOVES -> BACKEND_SYN",
					      "the new server's own",
					      "(b)",
					      NULL };
	struct explain_request q = flow_request(EXPLAIN_FLOW, TEST_FLOW "-0");
	struct config *c = replay_config();
	struct explained x = { 0 };

	explain_rows(&x, c, rows_moves, &q, FORM_VERBOSE);
	assert_in_order(x.text, pieces);
	explained_free(&x);
	free(c);
}
END_TEST

/* The request's frame: kept by the front-end, and its bytes go on in a packet that another one caused. */
START_TEST(a_frame_and_what_it_caused)
{
	static const char *const pieces[] = { "Frame 4 of flow 198.51.100.7:40000-0",
					      "frame 4 of the client: P. 1:29 (28) ack 1",
					      "kept: goes no further as a packet",
					      " on frame 4: S 0",
					      " on frame 2: P. 1:29 (28) ack 1",
					      "server a",
					      NULL };
	struct explain_request q = { .question = EXPLAIN_PACKET, .frame = 4 };
	struct config *c = replay_config();
	struct explained x = { 0 };

	explain_rows(&x, c, rows_plain, &q, FORM_TEXT);
	assert_in_order(x.text, pieces);
	ck_assert_ptr_null(strstr(x.text, "frame 5 of the server:"));
	explained_free(&x);
	free(c);
}
END_TEST

/* The frame that completes a request names it by its beginning, which came earlier. */
START_TEST(a_long_request_in_two_frames)
{
	struct explain_request q = { .question = EXPLAIN_PACKET, .frame = 5 };
	struct config *c = replay_config();
	struct explained x = { 0 };

	explain_rows(&x, c, rows_long_line, &q, FORM_TEXT);
	ck_assert_msg(strstr(x.text, "request           \"GET /" A_40) != NULL, "%s", x.text);
	ck_assert_msg(strstr(x.text, "a\"...\n") != NULL, "%s", x.text);
	ck_assert_ptr_null(strstr(x.text, "c d"));
	explained_free(&x);
	free(c);
}
END_TEST

/* Where in its line the first `piece` of the text begins. */
static size_t column_of(const char *text, const char *piece)
{
	const char *at = strstr(text, piece);
	size_t n = 0;

	ck_assert_msg(at != NULL, "'%s' is missing in:\n%s", piece, text);
	while (at - n > text && at[-(ptrdiff_t)n - 1] != '\n')
		n++;
	return n;
}

/* A name longer than its column makes the column wider: what stands behind it stays in line. */
START_TEST(long_names_stay_in_line)
{
	struct explain_request q = { .question = EXPLAIN_PACKET, .frame = 4 };
	struct config *c = replay_config();
	struct explained x = { 0 };

	snprintf(c->backends[0].name, sizeof(c->backends[0].name), "a-longer-name");
	explain_rows(&x, c, rows_plain, &q, FORM_TEXT);
	ck_assert_uint_eq(column_of(x.text, "special SYN: L stored"), column_of(x.text, "row in_payload"));
	ck_assert_uint_eq(column_of(x.text, "ACK "), column_of(x.text, "row in_payload"));
	explained_free(&x);
	free(c);
}
END_TEST

/* What still waits at the end is told, and for what. */
START_TEST(what_waits_is_told)
{
	static const char *const pieces[] = { "incomplete: ", "frame 5 of the server waits for client byte 29", NULL };
	struct explain_request q = flow_request(EXPLAIN_FLOW, TEST_FLOW);
	struct config *c = replay_config();
	struct explained x = { 0 };

	explain_rows(&x, c, rows_blocked, &q, FORM_TEXT);
	assert_in_order(x.text, pieces);
	explained_free(&x);
	free(c);
}
END_TEST

/* A frame that is not played says so. */
START_TEST(a_frame_that_is_not_played)
{
	struct explain_request q = { .question = EXPLAIN_PACKET, .frame = 4 };
	struct config *c = replay_config();
	struct explained x = { 0 };

	explain_rows(&x, c, rows_midway, &q, FORM_TEXT);
	ck_assert_msg(strstr(x.text, "not played: the trace does not hold its handshake") != NULL, "%s", x.text);
	explained_free(&x);
	free(c);
}
END_TEST

START_TEST(a_missing_frame_is_not_found)
{
	struct explain_request q = { .question = EXPLAIN_PACKET, .frame = 9999 };
	struct config *c = replay_config();
	struct explain *e = explain_create(c, &q);
	struct replay_options o = { .observer = explain_observer(e) };
	struct replay_result result;
	char path[32], error[TRACE_ERROR_MAX];

	rows_write(rows_plain, isn_rows[0], path);
	o.trace = path;
	ck_assert_int_eq(replay_run(c, &o, &result, error), 0);
	ck_assert(!explain_found(e));
	unlink(path);
	explain_free(e);
	replay_result_free(&result);
	free(c);
}
END_TEST

/* --- captures -------------------------------------------------------------------------------------- */

static uint64_t sum(const uint64_t drops[DROP_COUNT])
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DROP_COUNT; i++)
		n += drops[i];
	return n;
}

/* The books of the components agree with what is told, and every drop has its reason. */
START_TEST(every_drop_is_told)
{
	struct explain_request q = { .question = EXPLAIN_DROPS };
	struct config *c = replay_config();
	struct explained x = { 0 };
	json_t *document;
	char path[512];
	uint64_t dropped;

	trace_path(captures[_i / 2], path);
	if (_i % 2)
		c->quirks = QUIRKS_ALL;
	explain_run(&x, c, path, &q, FORM_JSON);
	document = json_loads(x.text, 0, NULL);
	ck_assert_ptr_nonnull(document);
	dropped = sum(x.result.sw.drops);
	for (unsigned i = 0; i < x.result.frontend_count; i++)
		dropped += sum(x.result.frontends[i].drops);
	for (unsigned i = 0; i < x.result.backend_count; i++)
		dropped += x.result.backends[i].refused_full;
	ck_assert_uint_eq(json_array_size(json_object_get(document, "packets")), dropped);
	for (size_t i = 0; i < dropped; i++) {
		json_t *packet = json_array_get(json_object_get(document, "packets"), i);
		json_t *hop = json_array_get(json_object_get(packet, "hops"), 0);

		ck_assert(json_is_string(json_object_get(hop, "drop")));
	}
	json_decref(document);
	explained_free(&x);
	free(c);
}
END_TEST

static void assert_lines_fit(const char *text, size_t width)
{
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		ck_assert_msg(strcspn(line, "\n") <= width, "longer than %zu: %.*s", width, (int)strcspn(line, "\n"),
			      line);
}

/* The flows that the oracle finds fault with, when everything is as published. */
static struct explain_request find_mismatches(const struct config *c, const char *path)
{
	struct explain_request q = { .question = EXPLAIN_MISMATCH };
	struct replay_options o = { .trace = path };
	struct replay_result result;
	char error[TRACE_ERROR_MAX];

	ck_assert_int_eq(replay_run(c, &o, &result, error), 0);
	for (unsigned i = 0; i < result.finding_count; i++)
		q.flows[q.flow_count++] = (struct explain_flow){ .client = result.findings[i].client,
								 .k = result.findings[i].k };
	replay_result_free(&result);
	return q;
}

START_TEST(a_fault_is_shown_where_it_is)
{
	struct config *c = replay_config();
	struct explain_request q;
	struct explained x = { 0 };
	char path[512];

	trace_path(captures[_i], path);
	c->quirks = QUIRKS_ALL;
	q = find_mismatches(c, path);
	explain_run(&x, c, path, &q, FORM_TEXT);
	if (x.result.outcomes[OUTCOME_MISMATCHED])
		ck_assert_msg(strstr(x.text, "HERE the oracle found fault") != NULL, "%s", x.text);
	if (q.flow_count == 0)
		ck_assert_str_eq(x.text, "The oracle found fault with no flow.\n");
	explained_free(&x);
	free(c);
}
END_TEST

/* Every frame of a capture can be asked for, and its diagram fits. */
START_TEST(every_frame_can_be_told)
{
	struct explain_request q = { .question = EXPLAIN_PACKET, .frame = (uint32_t)_i * 7 + 1 };
	struct config *c = replay_config();
	struct explained x = { 0 };
	char path[512], title[32];

	trace_path("pipelined.pcap", path);
	explain_run(&x, c, path, &q, FORM_TEXT);
	snprintf(title, sizeof(title), "Frame %u", q.frame);
	ck_assert_msg(strstr(x.text, title) == x.text && strlen(x.text) > strlen(title) + 40, "%s", x.text);
	explained_free(&x);
	free(c);
}
END_TEST

START_TEST(the_diagram_fits)
{
	struct explain_request q = flow_request(EXPLAIN_FLOW, "10.77.2.11:54600");
	struct config *c = replay_config();
	struct explained x = { 0 };
	char path[512], *offload;

	trace_path("loss.pcap", path);
	explain_run(&x, c, path, &q, FORM_DIAGRAM);
	offload = strstr(x.text, "\nOffload:");
	ck_assert_msg(offload != NULL, "%s", x.text);
	*offload = '\0';
	assert_lines_fit(x.text, 80);
	ck_assert_ptr_nonnull(strstr(x.text, "more like these"));
	explained_free(&x);
	free(c);
}
END_TEST

/* Whoever looks on changes nothing. */
START_TEST(an_observer_changes_nothing)
{
	struct explain_request q = { .question = EXPLAIN_DROPS };
	struct config *c = replay_config();
	struct explained x = { 0 };
	struct replay_options o = { 0 };
	struct replay_result plain;
	char path[512], error[TRACE_ERROR_MAX];

	trace_path(captures[_i], path);
	o.trace = path;
	ck_assert_int_eq(replay_run(c, &o, &plain, error), 0);
	explain_run(&x, c, path, &q, FORM_TEXT);
	ck_assert_int_eq(memcmp(&plain.sw, &x.result.sw, sizeof(plain.sw)), 0);
	ck_assert_int_eq(memcmp(plain.outcomes, x.result.outcomes, sizeof(plain.outcomes)), 0);
	ck_assert_uint_eq(plain.virtual_ns, x.result.virtual_ns);
	ck_assert_uint_eq(plain.injected_server, x.result.injected_server);
	for (unsigned i = 0; i < plain.frontend_count; i++)
		ck_assert_int_eq(memcmp(&plain.frontends[i], &x.result.frontends[i], sizeof(plain.frontends[i])), 0);
	replay_result_free(&plain);
	explained_free(&x);
	free(c);
}
END_TEST

START_TEST(a_story_does_not_depend_on_the_batch)
{
	struct explain_request q = flow_request(EXPLAIN_FLOW, "10.77.2.11:54600");
	struct config *c = replay_config();
	struct explained one = { 0 }, many = { 0 };
	char path[512];

	trace_path("loss.pcap", path);
	c->sw.batch = 1;
	explain_run(&one, c, path, &q, FORM_VERBOSE);
	c->sw.batch = BATCH_MAX;
	explain_run(&many, c, path, &q, FORM_VERBOSE);
	ck_assert_int_eq(strcmp(one.text, many.text), 0);
	explained_free(&one);
	explained_free(&many);
	free(c);
}
END_TEST

START_TEST(json_of_every_question)
{
	static const char *const names[] = { "flow", "packet", "drops", "mismatch", "why_not_offloaded" };
	struct explain_request q = flow_request((enum explain_question)_i, TEST_FLOW);
	struct config *c = replay_config();
	struct explained x = { 0 };
	json_t *document;

	q.frame = 4;
	if (_i == EXPLAIN_PACKET || _i == EXPLAIN_DROPS)
		q.flow_count = 0;
	explain_rows(&x, c, rows_moves, &q, FORM_JSON);
	document = json_loads(x.text, 0, NULL);
	ck_assert_ptr_nonnull(document);
	ck_assert_str_eq(json_string_value(json_object_get(document, "schema")), "miresga.explain/1");
	ck_assert_str_eq(json_string_value(json_object_get(document, "question")), names[_i]);
	ck_assert(json_is_array(json_object_get(document, "packets")));
	json_decref(document);
	explained_free(&x);
	free(c);
}
END_TEST

static const struct {
	const char *text;
	int rc;
	unsigned k;
} names[] = {
	{ "10.0.0.1:80", 0, 0 },
	{ "10.0.0.1:80-0", 0, 0 },
	{ "10.0.0.1:80-12", 0, 12 },
	{ "10.0.0.1:80-", -1, 0 },
	{ "10.0.0.1:80--1", -1, 0 },
	{ "10.0.0.1:80-1x", -1, 0 },
	{ "10.0.0.1", -1, 0 },
	{ "", -1, 0 },
	{ "-1", -1, 0 },
	{ "10.0.0.1:0", -1, 0 },
	{ "10.0.0.1:80-99999", -1, 0 },
};

START_TEST(names_of_flows)
{
	struct explain_flow flow = { .k = 0 };

	ck_assert_int_eq(explain_flow_parse(names[_i].text, &flow), names[_i].rc);
	ck_assert_uint_eq(flow.k, names[_i].k);
}
END_TEST

#define OUTPUT_MAX (1u << 18)

/* A block of the page: a command, and what it prints. Both are indented by four blanks. */
static void run_documented(const char *command, char *output, size_t size)
{
	const char *binary = getenv("MIRESGA_BINARY"), *traces = getenv("MIRESGA_TRACES"),
		   *at = strstr(command, "build/traces/");
	char line[1024];
	FILE *pipe;

	ck_assert_msg(strncmp(command, "build/miresga ", 14) == 0 && at != NULL, "%s", command);
	snprintf(line, sizeof(line), "COLUMNS=80 %s %.*s%s%s", binary ? binary : "build/miresga",
		 (int)(at - command - 14), command + 14, traces ? traces : "build/traces", at + strlen("build/traces"));
	pipe = popen(line, "r");
	ck_assert_ptr_nonnull(pipe);
	output[fread(output, 1, size - 1, pipe)] = '\0';
	ck_assert_int_eq(pclose(pipe), 0);
}

/* What docs/explain.md shows is what the program prints. */
START_TEST(the_page_is_true)
{
	char *got = malloc(OUTPUT_MAX);
	FILE *page = fopen("docs/explain.md", "r");
	char line[1024], *at = NULL;
	unsigned commands = 0;

	ck_assert_ptr_nonnull(page);
	ck_assert_ptr_nonnull(got);
	while (fgets(line, sizeof(line), page)) {
		const char *text = strncmp(line, "    ", 4) == 0 ? line + 4 : line;

		line[strcspn(line, "\n")] = '\0';
		if (strncmp(text, "$ ", 2) == 0 && text != line) {
			run_documented(text + 2, got, OUTPUT_MAX);
			at = got;
			commands++;
			continue;
		}
		if (!at || !*at)
			continue;
		ck_assert_msg(strncmp(at, text, strlen(text)) == 0 && at[strlen(text)] == '\n',
			      "docs/explain.md has\n%s\nwhere the program prints\n%.*s", text, (int)strcspn(at, "\n"),
			      at);
		at += strlen(text) + 1;
	}
	fclose(page);
	free(got);
	ck_assert_uint_gt(commands, 0);
}
END_TEST

Suite *explain_suite(void)
{
	Suite *s = suite_create("explain");
	TCase *tc = tcase_create("story");

	tcase_add_loop_test(tc, the_reason_is_given, 0, (int)ARRAY_LEN(reasons));
	tcase_add_test(tc, a_flow_has_its_story);
	tcase_add_test(tc, a_move_is_told);
	tcase_add_test(tc, steps_without_a_packet_are_told);
	tcase_add_test(tc, a_frame_and_what_it_caused);
	tcase_add_test(tc, long_names_stay_in_line);
	tcase_add_test(tc, a_long_request_in_two_frames);
	tcase_add_test(tc, what_waits_is_told);
	tcase_add_test(tc, a_frame_that_is_not_played);
	tcase_add_test(tc, a_missing_frame_is_not_found);
	tcase_add_loop_test(tc, json_of_every_question, 0, EXPLAIN_WHY_NOT_OFFLOADED + 1);
	tcase_add_loop_test(tc, names_of_flows, 0, (int)ARRAY_LEN(names));
	suite_add_tcase(s, tc);
	tc = tcase_create("captures");
	tcase_add_loop_test(tc, every_drop_is_told, 0, 2 * (int)ARRAY_LEN(captures));
	tcase_add_loop_test(tc, a_fault_is_shown_where_it_is, 0, (int)ARRAY_LEN(captures));
	tcase_add_loop_test(tc, every_frame_can_be_told, 0, 20);
	tcase_add_test(tc, the_diagram_fits);
	tcase_add_test(tc, a_story_does_not_depend_on_the_batch);
	tcase_add_loop_test(tc, an_observer_changes_nothing, 0, (int)ARRAY_LEN(captures));
	tcase_add_test(tc, the_page_is_true);
	suite_add_tcase(s, tc);
	return s;
}
