/* SPDX-License-Identifier: BSD-2-Clause */
/* test_tcp_segments.c: one TCP stack against a peer that is written down: a table of rows, one for each packet, call or
 * lapse of time. Sequence and acknowledgement numbers count from the SYNs. Every table runs with initial sequence
 * numbers at several places, two of them just below 2^32. */
#include <check.h>
#include <stdlib.h>

#include "miresga/checksum.h"
#include "miresga/seq.h"
#include "miresga/tcp.h"
#include "miresga/tcp_options.h"

Suite *tcp_segments_suite(void);

#define S TCP_SYN
#define A TCP_ACK
#define F TCP_FIN
#define R TCP_RST
#define OUT_MAX 128
#define STREAM_MAX 65536
/* The peer's, where a row does not say. */
#define WINDOW 60000

struct bench;

struct row {
	void (*run)(struct bench *b, const struct row *r);
	int line;
	uint8_t flags;
	uint32_t seq, ack, len;
	uint32_t window; /* OUT: checked if not 0 */
	uint32_t sack[6];
	uint32_t tsval, tsecr;
	uint16_t mss;	/* SYN */
	uint8_t wscale; /* SYN; one more than it is */
};
#define ZERO_WINDOW UINT32_MAX
/* SEQ 0 itself, as a RST without a connection has it. */
#define NO_SEQ UINT32_MAX

struct script {
	const char *name;
	void (*tune)(struct tcp_settings *s);
	struct row row[48];
};

/* The stack under test is 10.0.0.1:80; the peer is 10.0.0.2:4000. */
struct bench {
	struct tcp_stack *stack;
	struct packet_pool *pool;
	struct packet *out[OUT_MAX];
	uint32_t first, count;
	struct tcp *c;
	uint64_t now_ns;
	uint32_t isn, peer_isn;
	uint32_t events[TCP_EVENT_COUNT];
	uint64_t read, written;
	uint32_t states;
	const char *name;
	int line;
	uint8_t bytes[STREAM_MAX];
};

static struct endpoint own(void)
{
	return endpoint_make(be32_from(0x0a000001), be16_from(80));
}

static struct endpoint peer(void)
{
	return endpoint_make(be32_from(0x0a000002), be16_from(4000));
}

static void bench_send(void *ctx, struct packet *p, uint64_t now_ns)
{
	struct bench *b = ctx;

	ck_assert_uint_eq(now_ns, b->now_ns);
	ck_assert_uint_lt(b->count, OUT_MAX);
	b->out[b->count++] = p;
}

static void bench_event(void *ctx, struct tcp *c, enum tcp_event e, uint64_t now_ns)
{
	struct bench *b = ctx;

	(void)now_ns;
	b->events[e]++;
	b->c = e == TCP_EVENT_RESET || e == TCP_EVENT_TIMED_OUT || e == TCP_EVENT_ENDED ? NULL : c;
}

/* A packet of the peer's. Options as the row says. */
static void run_in(struct bench *b, const struct row *r)
{
	uint8_t options[TCP_OPTIONS_MAX] = { TCPOPT_NOP, TCPOPT_NOP, TCPOPT_TIMESTAMPS, 10 };
	struct tcp_packet_spec spec = {
		.src = peer(),
		.dst = own(),
		.seq = b->peer_isn + r->seq,
		.ack = r->flags & A ? b->isn + r->ack : 0,
		.flags = r->flags,
		.window = (uint16_t)(r->window == ZERO_WINDOW ? 0
				     : r->window	      ? r->window
							      : WINDOW),
		.options = options,
		.payload = b->bytes + (r->seq ? r->seq - 1 : 0),
		.payload_len = r->len,
	};
	struct tcp_options o = {
		.mss = r->mss,
		.wscale = r->wscale ? r->wscale - 1 : TCP_WSCALE_NONE,
		.sack_permitted = true,
		.has_timestamps = r->tsval,
		.tsval = r->tsval,
	};
	struct packet *p;

	if (r->flags & S) {
		spec.options_len = tcp_options_write(&o, options);
	} else if (r->tsval) {
		store_be32(options + 4, r->tsval);
		store_be32(options + 8, r->tsecr);
		spec.options_len = 12;
	} else if (r->sack[1]) {
		unsigned edges = 0;

		for (; edges < ARRAY_LEN(r->sack) && r->sack[edges]; edges++)
			store_be32(options + 4 + 4 * edges, b->isn + r->sack[edges]);
		options[2] = TCPOPT_SACK;
		options[3] = (uint8_t)(2 + 4 * edges);
		spec.options_len = 4 + 4 * edges;
	}
	p = packet_make_tcp(b->pool, &spec);
	ck_assert_ptr_nonnull(p);
	tcp_stack_input(b->stack, p, b->now_ns);
	packet_free(b->pool, p);
}

#define SAME(is, should, what) \
	ck_assert_msg((is) == (should), "%s, line %d: %s is %u, not %u", b->name, r->line, what, (unsigned)(is), \
		      (unsigned)(should))

static void check_sack(struct bench *b, const struct row *r, const struct packet *p)
{
	struct tcp_options o;
	unsigned edges = 0;

	tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &o);
	for (; edges < ARRAY_LEN(r->sack) && r->sack[edges]; edges++)
		;
	SAME(o.sack_blocks * 2u, edges, "edges of SACK blocks");
	for (unsigned i = 0; i < edges; i++)
		SAME(load_be32(packet_tcp_options(p) + o.sack_at + 2 + 4 * i) - b->peer_isn, r->sack[i], "a SACK edge");
	if (r->tsecr)
		SAME(o.tsecr, r->tsecr, "TSecr");
}

/* The next packet of the stack's. PSH is not looked at. */
static void run_out(struct bench *b, const struct row *r)
{
	struct packet *p;

	ck_assert_msg(b->first < b->count, "%s, line %d: no packet", b->name, r->line);
	p = b->out[b->first++];
	SAME(p->phv.tcp_flags & ~TCP_PSH, r->flags, "flags");
	SAME(r->seq == NO_SEQ ? p->phv.seq - NO_SEQ : p->phv.seq - b->isn, r->seq == NO_SEQ ? 0 - NO_SEQ : r->seq,
	     "SEQ");
	if (r->flags & A)
		SAME(p->phv.ack - b->peer_isn, r->ack, "ACK");
	SAME(p->phv.payload_len, r->len, "length");
	if (r->window)
		SAME(p->phv.window, r->window == ZERO_WINDOW ? 0 : r->window, "window");
	if (!(r->flags & S))
		check_sack(b, r, p);
	if (r->len)
		ck_assert_mem_eq(packet_payload(p), b->bytes + (r->seq - 1), r->len);
	ck_assert_uint_eq(
		csum_tcp(packet_ip(p), packet_tcp(p), (size_t)(p->phv.payload_at - p->phv.l4_at) + p->phv.payload_len),
		packet_tcp(p)->check);
	packet_free(b->pool, p);
}

static void run_quiet(struct bench *b, const struct row *r)
{
	SAME(b->count - b->first, 0, "packets too many");
}

static void run_lapse(struct bench *b, const struct row *r)
{
	uint64_t until = b->now_ns + r->len * NS_PER_MS;

	while (tcp_stack_next_wake(b->stack) <= until) {
		b->now_ns = MAX(b->now_ns, tcp_stack_next_wake(b->stack));
		tcp_stack_timers(b->stack, b->now_ns);
	}
	b->now_ns = until;
}

static void run_deaf(struct bench *b, const struct row *r)
{
	(void)r;
	tcp_listen(b->stack, own(), false);
}

static void run_connect(struct bench *b, const struct row *r)
{
	(void)r;
	tcp_listen(b->stack, own(), false);
	b->c = tcp_connect(b->stack, own(), peer(), NULL, b->now_ns);
	ck_assert_ptr_nonnull(b->c);
}

static void run_write(struct bench *b, const struct row *r)
{
	SAME(tcp_write(b->c, b->bytes + b->written, r->len, r->flags, b->now_ns), r->ack, "written");
	b->written += r->ack;
}

static void run_read(struct bench *b, const struct row *r)
{
	uint32_t left = r->len, len;
	const uint8_t *data;

	while (left) {
		len = MIN(tcp_peek(b->c, &data), left);
		ck_assert_msg(len, "%s, line %d: nothing to read", b->name, r->line);
		ck_assert_mem_eq(data, b->bytes + b->read, len);
		b->read += len;
		left -= len;
		tcp_consume(b->c, len, b->now_ns);
	}
}

static void run_shutdown(struct bench *b, const struct row *r)
{
	(void)r;
	tcp_shutdown(b->c, b->now_ns);
}

static void run_close(struct bench *b, const struct row *r)
{
	(void)r;
	tcp_close(b->c, b->now_ns);
	b->c = NULL;
}

static void run_abort(struct bench *b, const struct row *r)
{
	(void)r;
	tcp_abort(b->c, b->now_ns);
	b->c = NULL;
}

static void run_event(struct bench *b, const struct row *r)
{
	SAME(b->events[r->len], r->ack, tcp_event_name((enum tcp_event)r->len));
}

static void run_state(struct bench *b, const struct row *r)
{
	struct tcp_info info;

	ck_assert_msg(b->c, "%s, line %d: no connection", b->name, r->line);
	tcp_info(b->c, &info);
	ck_assert_msg(info.state == r->len, "%s, line %d: state is %s", b->name, r->line, tcp_state_name(info.state));
	b->states |= 1u << info.state;
}

static void run_left(struct bench *b, const struct row *r)
{
	SAME(tcp_stack_leftovers(b->stack), r->len, "connections left");
}

/* A router's complaint (type 3, `flags` the code) of the segment that begins at `seq`, with a next-hop MTU of `len`. */
static void run_icmp(struct bench *b, const struct row *r)
{
	struct packet *p = packet_alloc(b->pool, ETH_HDR_LEN + 2 * IPV4_HDR_MIN + sizeof(struct icmp_hdr) + 8);
	struct ipv4_hdr *ip, *inner;
	struct icmp_hdr *icmp;

	ck_assert_ptr_nonnull(p);
	memset(p->data, 0, p->len);
	store_be16(p->data + 12, ETHERTYPE_IPV4);
	ip = (void *)(p->data + ETH_HDR_LEN);
	icmp = (void *)(ip + 1);
	inner = (void *)(icmp + 1);
	*ip = (struct ipv4_hdr){ .version_ihl = 0x45, .ttl = 64, .proto = IP_PROTO_ICMP, .dst = own().addr };
	ip->total_len = be16_from((uint16_t)(p->len - ETH_HDR_LEN));
	ip->check = csum_ipv4(ip, sizeof(*ip));
	*inner = (struct ipv4_hdr){ .version_ihl = 0x45, .proto = IP_PROTO_TCP, .src = own().addr, .dst = peer().addr };
	inner->total_len = be16_from(1500);
	store_be16((uint8_t *)(inner + 1), 80);
	store_be16((uint8_t *)(inner + 1) + 2, 4000);
	store_be32((uint8_t *)(inner + 1) + 4, b->isn + r->seq);
	*icmp = (struct icmp_hdr){ .type = ICMP_UNREACHABLE, .code = r->flags, .rest = be32_from(r->len) };
	icmp->check = (WIRE_FORCE be16)(uint16_t)~csum_sum(icmp, sizeof(*icmp) + sizeof(*inner) + 8, 0);
	tcp_stack_input(b->stack, p, b->now_ns);
	packet_free(b->pool, p);
}

#define ROW(fn, ...) \
	{ \
		.run = (fn), .line = __LINE__, __VA_ARGS__ \
	}
#define IN(f, s, a, n, ...) ROW(run_in, .flags = (f), .seq = (s), .ack = (a), .len = (n), ##__VA_ARGS__)
#define OUT(f, s, a, n, ...) ROW(run_out, .flags = (f), .seq = (s), .ack = (a), .len = (n), ##__VA_ARGS__)
#define QUIET ROW(run_quiet, .len = 0)
#define LAPSE(ms) ROW(run_lapse, .len = (ms))
#define CONNECT ROW(run_connect, .len = 0)
#define DEAF ROW(run_deaf, .len = 0)
#define WRITE(n) ROW(run_write, .len = (n), .ack = (n))
#define WRITE_MORE(n) ROW(run_write, .len = (n), .ack = (n), .flags = 1)
#define WRITE_TAKES(n, took) ROW(run_write, .len = (n), .ack = (took))
#define READ(n) ROW(run_read, .len = (n))
#define SHUTDOWN ROW(run_shutdown, .len = 0)
#define CLOSE ROW(run_close, .len = 0)
#define ABORT ROW(run_abort, .len = 0)
#define EVENT(e, n) ROW(run_event, .len = TCP_EVENT_##e, .ack = (n))
#define STATE(s) ROW(run_state, .len = TCP_##s)
#define LEFT(n) ROW(run_left, .len = (n))
#define ICMP(code, s, mtu) ROW(run_icmp, .flags = (code), .seq = (s), .len = (mtu))

#define SACK(...) .sack = { __VA_ARGS__ }
#define ACCEPT IN(S, 0, 0, 0, .mss = 1000), OUT(S | A, 0, 1, 0), IN(A, 1, 1, 0), EVENT(ACCEPTED, 1)
#define OPEN CONNECT, OUT(S, 0, 0, 0), IN(S | A, 0, 1, 0, .mss = 1000), OUT(A, 1, 1, 0), EVENT(CONNECTED, 1)
#include "tcp_scripts.h"

static const uint32_t isns[][2] = {
	{ 1000, 5000 }, { 0xfffffff0, 0xffffff00 }, { 0xfffffc00, 3 }, { 0x7ffffff0, 0xfffffffe }
};

/* Runs it; returns the states it has seen, a bit each. */
static uint32_t script_run(const struct script *script, const uint32_t isn[2])
{
	struct bench *b = calloc(1, sizeof(*b));
	struct tcp_stack_options options = {
		.connections_max = 4,
		.isn = &b->isn,
		.ctx = b,
		.send = bench_send,
		.event = bench_event,
	};
	uint32_t states;

	ck_assert_ptr_nonnull(b);
	b->pool = options.pool = packet_pool_create(256, 16);
	b->now_ns = 1000 * NS_PER_S;
	b->isn = isn[0];
	b->peer_isn = isn[1];
	b->name = script->name;
	for (uint32_t i = 0; i < STREAM_MAX; i++)
		b->bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	tcp_settings_default(&options.settings);
	options.settings.timestamps = false;
	options.settings.delayed_ack_ns = 0;
	options.settings.wscale = TCP_WSCALE_NONE;
	options.settings.receive_buffer = 20000;
	if (script->tune)
		script->tune(&options.settings);
	b->stack = tcp_stack_create(&options);
	ck_assert(tcp_listen(b->stack, own(), true));
	for (const struct row *r = script->row; r->run; r++)
		r->run(b, r);
	ck_assert_msg(b->first == b->count, "%s: packets are left over", script->name);
	states = b->states;
	tcp_stack_free(b->stack);
	ck_assert_uint_eq(packet_pool_used(b->pool), 0);
	packet_pool_free(b->pool);
	free(b);
	return states;
}

START_TEST(test_script)
{
	for (size_t i = 0; i < ARRAY_LEN(isns); i++)
		script_run(&scripts[_i], isns[i]);
}
END_TEST

/* RFC 9293 figure 5: the tables lead through every state. */
START_TEST(test_states)
{
	uint32_t states = 0;

	for (size_t i = 0; i < ARRAY_LEN(scripts); i++)
		states |= script_run(&scripts[i], isns[0]);
	for (unsigned s = TCP_CLOSED + 1; s < TCP_STATE_COUNT; s++)
		ck_assert_msg(states & 1u << s, "%s was never seen", tcp_state_name((enum tcp_state)s));
}
END_TEST

Suite *tcp_segments_suite(void)
{
	Suite *s = suite_create("tcp_segments");
	TCase *tc = tcase_create("scripts");

	tcase_add_loop_test(tc, test_script, 0, ARRAY_LEN(scripts));
	tcase_add_test(tc, test_states);
	suite_add_tcase(s, tc);
	return s;
}
