/* SPDX-License-Identifier: BSD-2-Clause */
/* test_agent.c: the agent model and splice.h: what is shifted, what is left alone, for how long.
 *
 * Every packet that comes back from the agent has its checksums computed from scratch. The basic
 * cases run with several sets of initial sequence numbers, some just below 2^32. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "guard_page.h"
#include "miresga/agent.h"
#include "miresga/checksum.h"
#include "miresga/prng.h"
#include "miresga/seq.h"
#include "miresga/special_syn.h"
#include "miresga/tcp_options.h"

Suite *agent_suite(void);

#define T0_NS (UINT64_C(1000) * NS_PER_S)
#define ESTABLISHED_NS (7440 * NS_PER_S)
#define LINGER_NS (5 * NS_PER_S)
/* A pair goes when it has been silent for its timeout, at most this much later. */
#define SLACK_NS(timeout_ns) ((timeout_ns) / 64)
#define ENTRIES_MAX 4
#define NO_WS TCP_WSCALE_NONE

/* C, L and S: initial sequence numbers of client, switch and server. */
static const struct isns {
	uint32_t c, l, s;
} isn_rows[] = {
	{ 9000, 1000, 500000 },	       { 0xfffffffe, 0xfffffff0, 7 }, { 0xffffffff, 3, 0xfffffffd },
	{ 0x7fffffff, 0x80000000, 0 }, { 0, 0xffffffff, 0xffffffff },
};

struct bench {
	struct config *config;
	struct packet_pool *pool;
	struct agent *agent;
	struct endpoint client, backend;
	struct isns isn;
	uint8_t client_wscale, server_wscale;
	uint32_t ts_shown, ts_server; /* 0: no timestamps */
	uint64_t now_ns;
};

static void bench_init(struct bench *b, uint32_t quirks)
{
	*b = (struct bench){
		.config = calloc(1, sizeof(struct config)),
		.pool = packet_pool_create(8, 0),
		.client = endpoint_make(be32_from(0xc0a80001), be16_from(40000)),
		.backend = endpoint_make(be32_from(0x0a000002), be16_from(8080)),
		.isn = isn_rows[0],
		.client_wscale = 7,
		.server_wscale = 7,
		.now_ns = T0_NS,
	};
	ck_assert(b->config && b->pool);
	b->config->backend_count = 3;
	b->config->backends[2].address = b->backend;
	b->config->agent.entries_max = ENTRIES_MAX;
	b->config->timeouts.established_ns = ESTABLISHED_NS;
	b->config->timeouts.linger_ns = LINGER_NS;
	b->config->tag_key = (struct siphash_key){ 11, 12 };
	b->config->sw.wscale = 7;
	b->config->quirks = quirks;
	b->agent = agent_create(b->config, 2);
	ck_assert_ptr_nonnull(b->agent);
}

static void bench_fini(struct bench *b)
{
	ck_assert_uint_eq(packet_pool_used(b->pool), 0);
	agent_free(b->agent);
	packet_pool_free(b->pool);
	free(b->config);
}

static bool checksums_right(const struct packet *p)
{
	const struct ipv4_hdr *ip = packet_ip(p);
	size_t ihl = (ip->version_ihl & 15) * 4u, l4_len = be16_to(ip->total_len) - ihl;
	const uint8_t *l4 = (const uint8_t *)ip + ihl;

	if (ip->check != csum_ipv4(ip, ihl))
		return false;
	if (ip->proto == IP_PROTO_ICMP)
		return csum_sum(l4, l4_len, 0) == 0xffff;
	return ((const struct tcp_hdr *)(const void *)l4)->check == csum_tcp(ip, (const void *)l4, l4_len);
}

static void to_server(struct bench *b, struct packet *p)
{
	agent_ingress(b->agent, p, b->now_ns);
	ck_assert(checksums_right(p));
	ck_assert_uint_eq(p->note.backend, 2);
}

static void to_client(struct bench *b, struct packet *p)
{
	agent_egress(b->agent, p, b->now_ns);
	ck_assert(checksums_right(p));
	ck_assert_int_eq(p->fate, FATE_FORWARD);
}

static struct packet *from_client(struct bench *b, uint8_t flags, uint32_t seq, uint32_t ack, size_t len)
{
	const struct tcp_packet_spec spec = {
		.src = b->client,
		.dst = b->backend,
		.flags = flags,
		.seq = seq,
		.ack = ack,
		.window = 500,
		.payload = "0123456789abcdef",
		.payload_len = len,
	};

	return packet_make_tcp(b->pool, &spec);
}

static struct packet *from_server(struct bench *b, uint8_t flags, uint32_t seq, uint32_t ack, size_t len)
{
	const struct tcp_packet_spec spec = {
		.src = b->backend,
		.dst = b->client,
		.flags = flags,
		.seq = seq,
		.ack = ack,
		.window = 500,
		.payload = "0123456789abcdef",
		.payload_len = len,
	};

	return packet_make_tcp(b->pool, &spec);
}

/* Options of a SYN, tagged for b->isn if `tagged`. Returns their length; *tag_at from the first. */
static size_t syn_options(const struct bench *b, bool tagged, uint8_t *out, size_t *tag_at)
{
	struct tcp_options o = {
		.mss = 1400,
		.wscale = b->client_wscale,
		.sack_permitted = true,
		.has_timestamps = b->ts_shown,
		.tsval = 77,
		.tsecr = b->ts_shown,
	};
	size_t len = tcp_options_write(&o, out);

	*tag_at = len;
	if (tagged) {
		special_syn_write(&b->config->tag_key, b->client, b->backend, b->isn.c, b->isn.l, out + len);
		len += SPECIAL_SYN_TAG_LEN;
	}
	return len;
}

static struct packet *special_syn(struct bench *b)
{
	uint8_t options[TCP_OPTIONS_MAX];
	size_t tag_at, len = syn_options(b, true, options, &tag_at);
	const struct tcp_packet_spec spec = {
		.src = b->client,
		.dst = b->backend,
		.flags = TCP_SYN,
		.seq = b->isn.c,
		.ack = b->isn.l,
		.window = 1000,
		.options = options,
		.options_len = len,
	};

	return packet_make_tcp(b->pool, &spec);
}

static struct packet *syn_ack(struct bench *b)
{
	const struct tcp_options o = {
		.mss = 1460,
		.wscale = b->server_wscale,
		.has_timestamps = b->ts_server,
		.tsval = b->ts_server,
		.tsecr = 77,
	};
	uint8_t options[TCP_OPTIONS_MAX];
	const struct tcp_packet_spec spec = {
		.src = b->backend,
		.dst = b->client,
		.flags = TCP_SYN | TCP_ACK,
		.seq = b->isn.s,
		.ack = b->isn.c + 1,
		.window = 64000,
		.options_len = tcp_options_write(&o, options),
		.options = options,
	};

	return packet_make_tcp(b->pool, &spec);
}

static void announce(struct bench *b)
{
	struct packet *p = special_syn(b);

	to_server(b, p);
	ck_assert_int_eq(p->fate, FATE_FORWARD);
	packet_free(b->pool, p);
}

/* Special SYN and SYN-ACK. */
static void connect_pair(struct bench *b)
{
	struct packet *p;

	announce(b);
	p = syn_ack(b);
	to_client(b, p);
	ck_assert_uint_eq(be32_to(packet_tcp(p)->seq), b->isn.l);
	ck_assert_uint_eq(be16_to(packet_tcp(p)->window), 64000); /* of a SYN: never scaled */
	packet_free(b->pool, p);
}

/* What a packet from the client in L space must have become, and the other way. */
static void assert_ingress(struct bench *b, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t want_ack)
{
	struct packet *p = from_client(b, flags, seq, ack, 0);

	to_server(b, p);
	ck_assert_uint_eq(be32_to(packet_tcp(p)->seq), seq);
	ck_assert_uint_eq(be32_to(packet_tcp(p)->ack), want_ack);
	packet_free(b->pool, p);
}

static void assert_egress(struct bench *b, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t want_seq)
{
	struct packet *p = from_server(b, flags, seq, ack, 0);

	to_client(b, p);
	ck_assert_uint_eq(be32_to(packet_tcp(p)->seq), want_seq);
	ck_assert_uint_eq(be32_to(packet_tcp(p)->ack), ack);
	packet_free(b->pool, p);
}

static bool translates(struct bench *b)
{
	struct packet *p = from_server(b, TCP_ACK, b->isn.s + 1, b->isn.c + 1, 0);
	bool result;

	to_client(b, p);
	result = p->note.translated;
	ck_assert_uint_eq(be32_to(packet_tcp(p)->seq), result ? b->isn.l + 1 : b->isn.s + 1);
	packet_free(b->pool, p);
	return result;
}

START_TEST(handshake_and_data)
{
	struct packet *p, *before;
	uint32_t delta, c, l, s;
	struct bench b;

	bench_init(&b, 0);
	b.isn = isn_rows[_i];
	c = b.isn.c + 1, l = b.isn.l + 1, s = b.isn.s + 1;
	p = special_syn(&b);
	before = special_syn(&b);
	to_server(&b, p);
	ck_assert_uint_eq(p->len, before->len);
	ck_assert_uint_eq(be32_to(packet_tcp(p)->seq), b.isn.c);
	ck_assert_uint_eq(be32_to(packet_tcp(p)->ack), 0);
	ck_assert_uint_eq(packet_tcp(p)->flags, TCP_SYN);
	ck_assert_uint_eq(be16_to(packet_tcp(p)->window), 1000);
	ck_assert_mem_eq(packet_tcp_options(p), packet_tcp_options(before), 12);
	for (size_t i = 12; i < 12 + SPECIAL_SYN_TAG_LEN; i++)
		ck_assert_uint_eq(packet_tcp_options(p)[i], TCPOPT_NOP);
	packet_free(b.pool, p);
	packet_free(b.pool, before);
	ck_assert(!agent_lookup(b.agent, b.client, &delta));
	for (unsigned again = 0; again < 2; again++) { /* retransmitted SYN-ACKs as well */
		p = syn_ack(&b);
		to_client(&b, p);
		ck_assert_uint_eq(be32_to(packet_tcp(p)->seq), b.isn.l);
		ck_assert_uint_eq(be32_to(packet_tcp(p)->ack), c);
		ck_assert_uint_eq(be16_to(packet_tcp(p)->window), 64000);
		ck_assert_uint_eq(p->phv.seq, b.isn.l);
		packet_free(b.pool, p);
	}
	ck_assert(agent_lookup(b.agent, b.client, &delta));
	ck_assert_uint_eq(delta, b.isn.s - b.isn.l);
	assert_ingress(&b, TCP_ACK, c, l, s);
	assert_ingress(&b, TCP_ACK | TCP_PSH, c + 100, l + 5000, s + 5000);
	assert_ingress(&b, TCP_ACK, c - 1, l, s); /* keep-alive (RFC 9293 §3.8.4) */
	assert_egress(&b, TCP_ACK, s, c + 100, l);
	assert_egress(&b, TCP_ACK, s + 70000, c + 100, l + 70000);
	ck_assert_uint_eq(agent_stats(b.agent)->translated_in, 3);
	ck_assert_uint_eq(agent_stats(b.agent)->translated_out, 4);
	ck_assert_uint_eq(agent_stats(b.agent)->special_syns, 1);
	ck_assert_uint_eq(agent_stats(b.agent)->entries, 1);
	bench_fini(&b);
}
END_TEST

#define EDGES(n) 0xff, 0xff, 0xff, (n), 0, 0, 0, (n)
#define TS 8, 10, 0, 0, 0, 77, 0, 0, 3, 232 /* TSecr 1000 */

/* Options of a segment from the client; offsets from the first option byte, 0 edges: none. */
static const struct layout_row {
	const char *name;
	uint8_t len;
	uint8_t bytes[TCP_OPTIONS_MAX];
	uint8_t edges_at, edges; /* of the SACK edges that must be shifted */
	uint8_t tsecr_at;	 /* 0: none */
	bool found_by_a7;	 /* as published finds the edges too */
} layout_rows[] = {
	{ "none", 0, { 0 }, 0, 0, 0, true },
	{ "1 block", 12, { 1, 1, 5, 10, EDGES(1) }, 4, 2, 0, true },
	{ "2 blocks", 20, { 1, 1, 5, 18, EDGES(1), EDGES(2) }, 4, 4, 0, true },
	{ "3 blocks", 28, { 1, 1, 5, 26, EDGES(1), EDGES(2), EDGES(3) }, 4, 6, 0, true },
	{ "4 blocks", 36, { 1, 1, 5, 34, EDGES(1), EDGES(2), EDGES(3), EDGES(4) }, 4, 8, 0, true },
	{ "at offset 0", 12, { 5, 10, EDGES(9), 1, 1 }, 2, 2, 0, true },
	{ "at offset 1, odd", 12, { 1, 5, 10, EDGES(9), 1 }, 3, 2, 0, true },
	{ "at offset 3, odd", 16, { 1, 1, 1, 5, 10, EDGES(9), 1, 1, 1 }, 5, 2, 0, false },
	{ "timestamps", 12, { 1, 1, TS }, 0, 0, 8, true },
	{ "timestamps, 1 block", 24, { 1, 1, TS, 1, 1, 5, 10, EDGES(1) }, 16, 2, 8, false },
	{ "timestamps, 2 blocks", 32, { 1, 1, TS, 1, 1, 5, 18, EDGES(1), EDGES(2) }, 16, 4, 8, false },
	{ "timestamps, 3 blocks", 40, { 1, 1, TS, 1, 1, 5, 26, EDGES(1), EDGES(2), EDGES(3) }, 16, 6, 8, false },
	{ "no padding", 20, { TS, 5, 10, EDGES(1) }, 12, 2, 6, false },
	{ "odd timestamps", 12, { 1, TS, 1 }, 0, 0, 7, true },
	{ "blocks, then timestamps", 24, { 1, 1, 5, 10, EDGES(1), 1, 1, TS }, 4, 2, 20, true },
	{ "behind an unknown option", 20, { 30, 6, 0, 0, 0, 0, 1, 1, 5, 10, EDGES(1), 1, 1 }, 10, 2, 0, false },
	{ "behind the end of the list", 12, { 0, 1, 5, 10, EDGES(1) }, 0, 0, 0, true },
	{ "broken length before it", 16, { 30, 1, 1, 1, 1, 1, 5, 10, EDGES(1) }, 0, 0, 0, true },
	{ "broken length of its own", 12, { 1, 1, 5, 9, EDGES(1) }, 0, 0, 0, true },
	{ "runs out of the header", 12, { 1, 1, 5, 18, EDGES(1) }, 0, 0, 0, true },
};

static struct packet *with_options(struct bench *b, const struct layout_row *r, uint8_t flags)
{
	const struct tcp_packet_spec spec = {
		.src = b->client,
		.dst = b->backend,
		.flags = flags,
		.seq = b->isn.c + 1,
		.ack = b->isn.l + 1,
		.window = 500,
		.options = r->bytes,
		.options_len = r->len,
		.payload = "odd",
		.payload_len = 3,
	};

	return packet_make_tcp(b->pool, &spec);
}

/* Runs a row and compares the options; `edges` and `ts` say what must have moved. */
static void run_layout(struct bench *b, const struct layout_row *r, bool edges, bool ts)
{
	struct packet *p = with_options(b, r, TCP_ACK);
	uint8_t want[TCP_OPTIONS_MAX];
	uint32_t delta = b->isn.s - b->isn.l;

	memcpy(want, r->bytes, sizeof(want));
	for (unsigned i = 0; edges && i < r->edges; i++)
		store_be32(want + r->edges_at + 4 * i, load_be32(want + r->edges_at + 4 * i) + delta);
	if (ts && r->tsecr_at)
		store_be32(want + r->tsecr_at, load_be32(want + r->tsecr_at) + b->ts_server - b->ts_shown);
	to_server(b, p);
	ck_assert_uint_eq(be32_to(packet_tcp(p)->ack), b->isn.s + 1);
	ck_assert_msg(memcmp(packet_tcp_options(p), want, r->len) == 0, "%s", r->name);
	ck_assert_mem_eq(packet_payload(p), "odd", 3);
	packet_free(b->pool, p);
}

START_TEST(option_layouts)
{
	const struct layout_row *r = &layout_rows[_i];

	for (size_t i = 0; i < ARRAY_LEN(isn_rows); i++) {
		for (uint32_t shown = 0; shown < 2000; shown += 1000) {
			struct bench b;

			bench_init(&b, 0);
			b.isn = isn_rows[i];
			b.ts_shown = shown;
			b.ts_server = shown ? 0xfffffff0 : 0;
			connect_pair(&b);
			run_layout(&b, r, true, shown);
			bench_fini(&b);
		}
	}
}
END_TEST

START_TEST(options_without_ack_flag)
{
	/* Without ACK neither ACK field nor SACK nor TSecr mean anything. */
	const struct layout_row *r = &layout_rows[9];
	struct packet *p;
	struct bench b;

	bench_init(&b, 0);
	connect_pair(&b);
	p = with_options(&b, r, TCP_RST);
	to_server(&b, p);
	ck_assert_uint_eq(be32_to(packet_tcp(p)->ack), b.isn.l + 1);
	ck_assert_mem_eq(packet_tcp_options(p), r->bytes, r->len);
	packet_free(b.pool, p);
	bench_fini(&b);
}
END_TEST

START_TEST(egress_leaves_the_client_space_alone)
{
	/* The server's ACK and SACK are in the client's own numbers. */
	static const uint8_t options[] = { 1, 1, TS, 1, 1, 5, 10, EDGES(1) };
	uint8_t want[sizeof(options)];
	struct packet *p;
	struct bench b;

	bench_init(&b, 0);
	b.ts_shown = 5000;
	b.ts_server = 60;
	connect_pair(&b);
	p = packet_make_tcp(b.pool, &(struct tcp_packet_spec){ .src = b.backend,
							       .dst = b.client,
							       .flags = TCP_ACK,
							       .seq = b.isn.s + 1,
							       .ack = b.isn.c + 1,
							       .options = options,
							       .options_len = sizeof(options) });
	memcpy(want, options, sizeof(want));
	store_be32(want + 4, 77 + 5000 - 60);
	to_client(&b, p);
	ck_assert_uint_eq(be32_to(packet_tcp(p)->seq), b.isn.l + 1);
	ck_assert_mem_eq(packet_tcp_options(p), want, sizeof(want));
	packet_free(b.pool, p);
	bench_fini(&b);
}
END_TEST

START_TEST(timestamp_zero_is_a_timestamp)
{
	/* What a client has seen last may be 0 (RFC 7323 §3.2: any 32 bits): a second backend still has to follow. */
	struct tcp_options o;
	struct packet *p;
	struct bench b;
	be16 check;

	bench_init(&b, 0);
	b.ts_shown = 1;
	b.ts_server = 70000;
	p = special_syn(&b);
	tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &o);
	ck_assert_uint_eq(o.tsecr, 1);
	check = packet_tcp(p)->check;
	csum_replace(&check, packet_tcp_options(p) + o.timestamps_at + 6, (const uint8_t[4]){ 0 }, 4,
		     TCP_HDR_MIN + o.timestamps_at + 6);
	packet_tcp(p)->check = check;
	to_server(&b, p);
	packet_free(b.pool, p);
	p = syn_ack(&b);
	to_client(&b, p);
	tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &o);
	ck_assert(o.has_timestamps);
	ck_assert_uint_eq(o.tsval, 0);
	packet_free(b.pool, p);
	bench_fini(&b);
}
END_TEST

START_TEST(timestamps_offset_is_constant)
{
	/* A SYN-ACK sent again carries a later TSval; the client must see time go on. */
	struct tcp_options o;
	struct packet *p;
	struct bench b;

	bench_init(&b, 0);
	b.ts_shown = 1000;
	b.ts_server = 0xffffff00;
	p = special_syn(&b);
	to_server(&b, p);
	tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &o);
	ck_assert(o.has_timestamps && o.tsval == 77 && o.tsecr == 0 && !o.tag_len);
	packet_free(b.pool, p);
	for (uint32_t later = 0; later < 1000; later += 500) {
		b.ts_server = 0xffffff00 + later;
		p = syn_ack(&b);
		to_client(&b, p);
		tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &o);
		ck_assert_uint_eq(o.tsval, 1000 + later);
		ck_assert_uint_eq(o.tsecr, 77);
		packet_free(b.pool, p);
	}
	bench_fini(&b);
}
END_TEST

static const struct window_row {
	uint8_t client, announced, server; /* window scales */
	uint16_t out, want_out;		   /* egress, no SYN */
	uint16_t in, want_in;
} window_rows[] = {
	/* client, announced, server; egress; ingress */
	{ 7, 7, 7, 500, 500, 500, 500 },
	{ 0, 7, 7, 500, 500, 500, 500 },
	{ 9, 7, 9, 500, 2000, 500, 500 },
	{ 9, 7, 9, 65535, 65535, 65535, 65535 },
	{ 9, 7, 4, 500, 62, 500, 500 },
	{ 9, 7, 4, 8, 1, 1, 1 },
	{ 9, 7, 4, 7, 1, 1, 1 }, /* not 0: the server has closed nothing */
	{ 9, 14, 0, 16383, 1, 1, 1 },
	{ 9, 7, 4, 0, 0, 0, 0 },
	{ 9, 0, 14, 3, 49152, 1, 1 },
	{ 9, 0, 14, 4, 65535, 1, 1 },
	{ 9, 14, 0, 65535, 3, 1, 1 },
	{ 9, 7, 0, 65535, 511, 1, 1 },
	{ 9, 7, NO_WS, 65535, 511, 500, 65535 }, /* refused: unscaled both ways */
	{ 9, 7, NO_WS, 1280, 10, 100, 51200 },
	{ 0, 7, NO_WS, 1280, 10, 100, 100 },
	{ 14, 0, NO_WS, 1280, 1280, 4, 65535 },
	{ NO_WS, 7, NO_WS, 1280, 1280, 100, 100 }, /* not offered: nothing is scaled */
};

START_TEST(windows)
{
	const struct window_row *r = &window_rows[_i];
	struct packet *p;
	struct bench b;

	bench_init(&b, 0);
	agent_free(b.agent);
	b.config->sw.wscale = r->announced;
	b.agent = agent_create(b.config, 2);
	b.client_wscale = r->client;
	b.server_wscale = r->server;
	connect_pair(&b);
	p = from_server(&b, TCP_ACK, b.isn.s + 1, b.isn.c + 1, 3);
	packet_tcp(p)->check = csum_update16(packet_tcp(p)->check, packet_tcp(p)->window, be16_from(r->out));
	packet_tcp(p)->window = be16_from(r->out);
	to_client(&b, p);
	ck_assert_uint_eq(be16_to(packet_tcp(p)->window), r->want_out);
	ck_assert_uint_eq(p->phv.window, r->want_out);
	packet_free(b.pool, p);
	p = from_client(&b, TCP_ACK, b.isn.c + 1, b.isn.l + 1, 3);
	packet_tcp(p)->check = csum_update16(packet_tcp(p)->check, packet_tcp(p)->window, be16_from(r->in));
	packet_tcp(p)->window = be16_from(r->in);
	to_server(&b, p);
	ck_assert_uint_eq(be16_to(packet_tcp(p)->window), r->want_in);
	packet_free(b.pool, p);
	bench_fini(&b);
}
END_TEST

/* One packet of a connection that ends. Numbers count from the first byte after the SYNs. */
struct close_step {
	bool server;
	uint8_t flags;
	uint32_t seq, len, ack;
};
#define CLIENT(flags, seq, len, ack) \
	{ \
		false, flags, seq, len, ack \
	}
#define SERVER(flags, seq, len, ack) \
	{ \
		true, flags, seq, len, ack \
	}
#define FIN_ACK (TCP_FIN | TCP_ACK)

static const struct close_row {
	const char *name;
	struct close_step steps[8];
	uint8_t marked_at; /* number of the step, from 1, that ends the pair; 0: none does */
	bool by_rst;
} close_rows[] = {
	{ "client first",
	  { CLIENT(TCP_ACK, 0, 10, 0), SERVER(TCP_ACK, 0, 16, 10), CLIENT(FIN_ACK, 10, 0, 16),
	    SERVER(TCP_ACK, 16, 0, 11), SERVER(FIN_ACK, 16, 0, 11), CLIENT(TCP_ACK, 11, 0, 17),
	    CLIENT(TCP_ACK, 11, 0, 17) },
	  6,
	  false },
	{ "server first, FIN with data",
	  { SERVER(FIN_ACK, 0, 5, 0), CLIENT(TCP_ACK, 0, 0, 6), CLIENT(FIN_ACK, 0, 3, 6), SERVER(TCP_ACK, 6, 0, 4) },
	  4,
	  false },
	{ "crossing",
	  { CLIENT(FIN_ACK, 0, 0, 0), SERVER(FIN_ACK, 0, 0, 0), CLIENT(TCP_ACK, 1, 0, 1), SERVER(TCP_ACK, 1, 0, 1) },
	  4,
	  false },
	{ "FIN is retransmitted",
	  { CLIENT(FIN_ACK, 0, 0, 0), CLIENT(FIN_ACK, 0, 0, 0), SERVER(FIN_ACK, 0, 0, 1), SERVER(FIN_ACK, 0, 0, 1),
	    CLIENT(TCP_ACK, 1, 0, 0), CLIENT(TCP_ACK, 1, 0, 1) },
	  6,
	  false },
	{ "half-closed",
	  { CLIENT(FIN_ACK, 0, 0, 0), SERVER(TCP_ACK, 0, 0, 1), SERVER(TCP_ACK, 0, 16, 1), CLIENT(TCP_ACK, 1, 0, 16) },
	  0,
	  false },
	{ "FIN before its data",
	  { CLIENT(FIN_ACK, 10, 0, 0), SERVER(FIN_ACK, 0, 0, 0), CLIENT(TCP_ACK, 11, 0, 1), CLIENT(TCP_ACK, 0, 10, 1),
	    SERVER(TCP_ACK, 1, 0, 11) },
	  5,
	  false },
	{ "FIN far away counts nothing",
	  { SERVER(FIN_ACK, 0, 0, 0), CLIENT(TCP_ACK, 0, 0, 1), CLIENT(FIN_ACK, 0x60000000, 0, 1),
	    SERVER(TCP_ACK, 1, 0, 0) },
	  0,
	  false },
	{ "ACK of the FIN is not any ACK",
	  { CLIENT(FIN_ACK, 0, 0, 0), SERVER(FIN_ACK, 0, 0, 1), CLIENT(TCP_ACK, 1, 0, 0), CLIENT(TCP_ACK, 1, 0, 9) },
	  0,
	  false },
	{ "no FIN, since data follow",
	  { CLIENT(FIN_ACK, 0, 0, 0), CLIENT(TCP_ACK, 0, 10, 0), SERVER(FIN_ACK, 0, 0, 10), CLIENT(TCP_ACK, 10, 0, 1),
	    SERVER(TCP_ACK, 1, 0, 10) },
	  0,
	  false },
	{ "bytes far away do not hide the exact RST",
	  { CLIENT(TCP_ACK, 0, 10, 0), CLIENT(TCP_ACK, 0x60000000, 10, 0), CLIENT(TCP_RST, 10, 0, 0) },
	  3,
	  true },
	{ "client RST, exact", { CLIENT(TCP_ACK, 0, 10, 0), CLIENT(TCP_RST, 10, 0, 0) }, 2, true },
	{ "client RST at what the server acknowledged",
	  { CLIENT(TCP_ACK, 5, 10, 0), SERVER(TCP_ACK, 0, 0, 0), CLIENT(TCP_RST, 0, 0, 0) },
	  3,
	  true },
	{ "client RST in the window, not exact", { CLIENT(TCP_ACK, 0, 10, 0), CLIENT(TCP_RST, 11, 0, 0) }, 0, true },
	{ "client RST, old",
	  { CLIENT(TCP_ACK, 0, 10, 0), SERVER(TCP_ACK, 0, 0, 10), CLIENT(TCP_RST, 5, 0, 0) },
	  0,
	  true },
	{ "server RST", { SERVER(TCP_ACK, 0, 5, 0), SERVER(TCP_RST | TCP_ACK, 5, 0, 0) }, 2, true },
	{ "server RST, no socket", { SERVER(TCP_ACK, 0, 16, 0), SERVER(TCP_RST, 8, 0, 0) }, 2, true },
};

static void run_close_step(struct bench *b, const struct close_step *s)
{
	uint32_t delta = b->isn.s - b->isn.l;
	struct packet *p;

	if (s->server) {
		p = from_server(b, s->flags, b->isn.s + 1 + s->seq, b->isn.c + 1 + s->ack, s->len);
		to_client(b, p);
		ck_assert_uint_eq(be32_to(packet_tcp(p)->seq), b->isn.l + 1 + s->seq);
	} else {
		p = from_client(b, s->flags, b->isn.c + 1 + s->seq, b->isn.l + 1 + s->ack, s->len);
		to_server(b, p);
		ck_assert_uint_eq(be32_to(packet_tcp(p)->ack),
				  b->isn.l + 1 + s->ack + (s->flags & TCP_ACK ? delta : 0));
	}
	ck_assert(p->note.translated);
	packet_free(b->pool, p);
}

/* The only pair, which has just spoken, will be looked at when it has been silent for `timeout_ns`. */
static void assert_wake(const struct bench *b, uint64_t timeout_ns)
{
	uint64_t wake = agent_next_wake(b->agent);

	if (timeout_ns == TIME_NEVER) {
		ck_assert_uint_eq(wake, TIME_NEVER);
		return;
	}
	ck_assert_uint_gt(wake, b->now_ns + timeout_ns);
	ck_assert_uint_le(wake, b->now_ns + timeout_ns + SLACK_NS(timeout_ns));
}

static void run_close(const struct close_row *r, const struct isns *isn, uint32_t quirks)
{
	uint64_t timeout_ns = r->marked_at ? LINGER_NS : ESTABLISHED_NS;
	unsigned steps = 0;
	struct bench b;
	bool marked;

	bench_init(&b, quirks);
	b.isn = *isn;
	connect_pair(&b);
	for (const struct close_step *s = r->steps; s->flags; s++) {
		b.now_ns += NS_PER_S;
		run_close_step(&b, s);
		steps++;
		marked = r->marked_at && steps >= r->marked_at && !quirks;
		ck_assert_msg(agent_stats(b.agent)->removed_fin == (marked && !r->by_rst), "%s: %u", r->name, steps);
		ck_assert_msg(agent_stats(b.agent)->removed_rst == (marked && r->by_rst), "%s: %u", r->name, steps);
		assert_wake(&b, quirks ? TIME_NEVER : marked ? LINGER_NS : ESTABLISHED_NS);
	}
	/* Strays are still translated, then nothing is left. */
	b.now_ns += NS_PER_S;
	ck_assert(translates(&b));
	b.now_ns += timeout_ns;
	agent_sweep(b.agent, b.now_ns);
	ck_assert_uint_eq(agent_stats(b.agent)->entries, 1);
	b.now_ns += SLACK_NS(timeout_ns);
	agent_sweep(b.agent, b.now_ns);
	ck_assert_uint_eq(agent_stats(b.agent)->entries, quirks ? 1 : 0);
	ck_assert_uint_eq(agent_stats(b.agent)->removed_idle, !quirks && !r->marked_at);
	ck_assert_uint_eq(agent_next_wake(b.agent), TIME_NEVER);
	ck_assert_int_eq(translates(&b), quirks != 0);
	bench_fini(&b);
}

START_TEST(closes)
{
	for (size_t i = 0; i < ARRAY_LEN(isn_rows); i++)
		run_close(&close_rows[_i], &isn_rows[i], 0);
}
END_TEST

START_TEST(quirk_a1_keeps_everything)
{
	run_close(&close_rows[_i], &isn_rows[0], QUIRK_BIT(QUIRK_A1));
}
END_TEST

START_TEST(refused_by_the_server)
{
	struct bench b;

	bench_init(&b, 0);
	announce(&b);
	/* A RST without Δ that answers nothing of ours is an earlier connection's. */
	assert_egress(&b, TCP_RST, 4711, 0, 4711);
	ck_assert_uint_eq(agent_stats(b.agent)->removed_rst, 0);
	assert_egress(&b, TCP_RST | TCP_ACK, 0, b.isn.c + 1, 0);
	ck_assert_uint_eq(agent_stats(b.agent)->removed_rst, 1);
	agent_sweep(b.agent, b.now_ns + LINGER_NS + SLACK_NS(LINGER_NS));
	ck_assert_uint_eq(agent_stats(b.agent)->entries, 0);
	bench_fini(&b);
}
END_TEST

START_TEST(given_up_by_the_frontend)
{
	struct bench b;

	bench_init(&b, 0);
	announce(&b);
	assert_ingress(&b, TCP_RST, b.isn.c + 2, 0, 0);
	ck_assert_uint_eq(agent_stats(b.agent)->removed_rst, 0);
	assert_ingress(&b, TCP_RST, b.isn.c + 1, 0, 0);
	ck_assert_uint_eq(agent_stats(b.agent)->removed_rst, 1);
	bench_fini(&b);
}
END_TEST

START_TEST(reuse_renews)
{
	/* The port comes again, or the connection comes back from another backend (A, B, A):
	 * with the pair as it was, or just ended. */
	const struct isns first = isn_rows[_i % (int)ARRAY_LEN(isn_rows)];
	bool ended = _i >= (int)ARRAY_LEN(isn_rows);
	const struct isns second = { first.c + 5000, first.l + 70000, first.s + 0x12345678 };
	uint32_t delta;
	struct bench b;

	bench_init(&b, 0);
	b.isn = first;
	connect_pair(&b);
	if (ended) {
		assert_egress(&b, TCP_RST, first.s + 1, 0, first.l + 1);
		ck_assert_uint_eq(agent_stats(b.agent)->removed_rst, 1);
	}
	b.isn = second;
	announce(&b);
	ck_assert_uint_eq(agent_stats(b.agent)->renewed, 1);
	/* Until the SYN-ACK nothing may be shifted by the old Δ. */
	ck_assert(!agent_lookup(b.agent, b.client, &delta));
	assert_egress(&b, TCP_ACK, first.s + 100, first.c + 1, first.s + 100);
	assert_ingress(&b, TCP_ACK, first.c + 1, first.l + 100, first.l + 100);
	/* Nor does the old connection's SYN-ACK count. */
	b.isn = first;
	{
		struct packet *p = syn_ack(&b);

		to_client(&b, p);
		ck_assert_uint_eq(be32_to(packet_tcp(p)->seq), first.s);
		packet_free(b.pool, p);
	}
	b.isn = second;
	{
		struct packet *p = syn_ack(&b);

		to_client(&b, p);
		ck_assert_uint_eq(be32_to(packet_tcp(p)->seq), second.l);
		packet_free(b.pool, p);
	}
	ck_assert(agent_lookup(b.agent, b.client, &delta));
	ck_assert_uint_eq(delta, second.s - second.l);
	ck_assert_uint_eq(agent_stats(b.agent)->entries, 1);
	assert_wake(&b, ESTABLISHED_NS);
	bench_fini(&b);
}
END_TEST

START_TEST(quirk_a3_keeps_the_old_delta)
{
	const struct isns second = { 40000, 50000, 60000 };
	uint32_t old, now;
	struct packet *p;
	struct bench b;

	bench_init(&b, QUIRK_BIT(QUIRK_A3));
	connect_pair(&b); /* the first time all is well */
	ck_assert(agent_lookup(b.agent, b.client, &old));
	b.isn = second;
	announce(&b);
	p = syn_ack(&b);
	to_client(&b, p);
	ck_assert_uint_ne(be32_to(packet_tcp(p)->seq),
			  second.l); /* the harm: the client gets numbers it does not know */
	ck_assert_uint_eq(be32_to(packet_tcp(p)->seq), second.s - old);
	packet_free(b.pool, p);
	ck_assert(agent_lookup(b.agent, b.client, &now));
	ck_assert_uint_eq(now, old);
	ck_assert_uint_eq(agent_stats(b.agent)->renewed, 0);
	bench_fini(&b);
}
END_TEST

START_TEST(quirk_a7_misses_options)
{
	const struct layout_row *r = &layout_rows[_i];
	struct bench b;

	bench_init(&b, QUIRK_BIT(QUIRK_A7));
	b.ts_shown = 1000;
	b.ts_server = 5;
	connect_pair(&b);
	run_layout(&b, r, r->found_by_a7, false);
	bench_fini(&b);
}
END_TEST

START_TEST(same_special_syn_again)
{
	/* A duplicate that arrives when the server is connected draws no SYN-ACK: Δ must stay. */
	struct bench b;

	bench_init(&b, 0);
	connect_pair(&b);
	announce(&b);
	ck_assert(translates(&b));
	ck_assert_uint_eq(agent_stats(b.agent)->special_syns, 2);
	ck_assert_uint_eq(agent_stats(b.agent)->renewed, 0);
	/* But a server that has forgotten answers with another S. */
	b.isn.s += 12345;
	connect_pair(&b);
	ck_assert(translates(&b));
	bench_fini(&b);
}
END_TEST

START_TEST(special_syn_again_before_the_answer)
{
	/* A copy whose options were broken on the way: the server drops it, the next one counts. */
	struct packet *p;
	struct bench b;

	bench_init(&b, 0);
	p = special_syn(&b);
	packet_tcp_options(p)[7] = 2; /* window scale 7, as the client has it */
	agent_ingress(b.agent, p, b.now_ns);
	packet_free(b.pool, p);
	b.server_wscale = NO_WS;
	connect_pair(&b);
	p = from_client(&b, TCP_ACK, b.isn.c + 1, b.isn.l + 1, 0);
	to_server(&b, p);
	ck_assert_uint_eq(be16_to(packet_tcp(p)->window), 500 << 7);
	packet_free(b.pool, p);
	ck_assert_uint_eq(agent_stats(b.agent)->special_syns, 2);
	ck_assert_uint_eq(agent_stats(b.agent)->renewed, 0);
	/* One that was refused is announced anew by its retransmission. */
	b.isn = isn_rows[1];
	announce(&b);
	assert_egress(&b, TCP_RST | TCP_ACK, 0, b.isn.c + 1, 0);
	connect_pair(&b);
	agent_sweep(b.agent, b.now_ns + 2 * LINGER_NS);
	ck_assert(translates(&b));
	bench_fini(&b);
}
END_TEST

START_TEST(map_full)
{
	struct packet *p;
	struct bench b;

	bench_init(&b, 0);
	for (uint16_t i = 0; i < ENTRIES_MAX; i++) {
		b.client.port = be16_from((uint16_t)(40000 + i));
		connect_pair(&b);
	}
	b.client.port = be16_from(50000);
	b.isn.c = 0xffffffff;
	p = special_syn(&b);
	p->data[0] = 1;
	to_server(&b, p);
	ck_assert_int_eq(p->fate, FATE_REPLY);
	ck_assert_uint_eq(p->len, 54);
	ck_assert_uint_eq(be16_to(packet_ip(p)->total_len), 40);
	ck_assert(endpoint_equal(p->phv.src, b.backend) && endpoint_equal(p->phv.dst, b.client));
	ck_assert_uint_eq(p->phv.tcp_flags, TCP_RST | TCP_ACK);
	ck_assert_uint_eq(p->phv.seq, 0);
	ck_assert_uint_eq(p->phv.ack, b.isn.c + 1); /* acceptable in SYN-SENT (RFC 9293 §3.10.7.3) */
	ck_assert_uint_eq(p->data[6], 1);
	packet_free(b.pool, p);
	ck_assert_uint_eq(agent_stats(b.agent)->refused_full, 1);
	ck_assert_uint_eq(agent_stats(b.agent)->entries, ENTRIES_MAX);
	/* The others go on, may be renewed, and give way when they have ended. */
	b.isn = isn_rows[0];
	b.client.port = be16_from(40001);
	ck_assert(translates(&b));
	b.isn = isn_rows[1];
	connect_pair(&b);
	assert_egress(&b, TCP_RST, b.isn.s + 1, 0, b.isn.l + 1);
	ck_assert(translates(&b));
	b.client.port = be16_from(50000);
	connect_pair(&b);
	ck_assert(translates(&b));
	ck_assert_uint_eq(agent_stats(b.agent)->refused_full, 1);
	ck_assert_uint_eq(agent_stats(b.agent)->entries, ENTRIES_MAX);
	ck_assert_uint_eq(agent_stats(b.agent)->entries_peak, ENTRIES_MAX);
	b.client.port = be16_from(40001);
	ck_assert(!translates(&b));
	bench_fini(&b);
}
END_TEST

START_TEST(idle_in_order)
{
	/* What was silent longest goes first, and only that. */
	const uint64_t step_ns = 200 * NS_PER_S, longest_ns = ESTABLISHED_NS + SLACK_NS(ESTABLISHED_NS);
	struct bench b;

	bench_init(&b, 0);
	for (uint16_t i = 0; i < 3; i++, b.now_ns += step_ns) {
		b.client.port = be16_from((uint16_t)(40000 + i));
		connect_pair(&b);
	}
	b.client.port = be16_from(40000);
	ck_assert(translates(&b)); /* at step 3; the others spoke at 1 and 2 */
	ck_assert_uint_eq(agent_next_wake(b.agent), T0_NS + step_ns + longest_ns);
	agent_sweep(b.agent, T0_NS + step_ns + longest_ns);
	ck_assert_uint_eq(agent_stats(b.agent)->entries, 2);
	b.client.port = be16_from(40001);
	ck_assert(!translates(&b));
	ck_assert_uint_eq(agent_next_wake(b.agent), T0_NS + 2 * step_ns + longest_ns);
	agent_sweep(b.agent, T0_NS + 3 * step_ns + longest_ns);
	ck_assert_uint_eq(agent_stats(b.agent)->entries, 0);
	ck_assert_uint_eq(agent_stats(b.agent)->removed_idle, 3);
	ck_assert_uint_eq(agent_next_wake(b.agent), TIME_NEVER);
	bench_fini(&b);
}
END_TEST

/* Packets that are not the agent's business; the pair of the bench is connected. */
static const struct untouched_row {
	const char *name;
	bool egress;
	uint16_t client_port, local_port;
	uint8_t flags;
	uint32_t ack;
} untouched_rows[] = {
	{ "ordinary SYN of another client", false, 1, 8080, TCP_SYN, 2 },
	{ "ordinary SYN of the pair itself", false, 40000, 8080, TCP_SYN, 2 },
	{ "SYN to another port", false, 40000, 22, TCP_SYN, 2 },
	{ "SYN-ACK for a connection of the host", false, 443, 45678, TCP_SYN | TCP_ACK, 2 },
	{ "SYN-ACK to the service port", false, 40000, 8080, TCP_SYN | TCP_ACK, 2 },
	{ "data to ssh", false, 40000, 22, TCP_ACK, 2 },
	{ "data of another client", false, 1, 8080, TCP_ACK, 2 },
	{ "host connects out", true, 443, 45678, TCP_SYN, 2 },
	{ "host connects out from the service port", true, 40000, 8080, TCP_SYN, 9001 },
	{ "SYN-ACK of ssh", true, 40000, 22, TCP_SYN | TCP_ACK, 2 },
	{ "SYN-ACK for another client", true, 1, 8080, TCP_SYN | TCP_ACK, 2 },
	{ "SYN-ACK that answers another SYN", true, 40000, 8080, TCP_SYN | TCP_ACK, 2 },
	{ "data of ssh", true, 40000, 22, TCP_ACK, 2 },
};

START_TEST(untouched)
{
	const struct untouched_row *r = &untouched_rows[_i];
	uint8_t frame[128];
	struct packet *p;
	uint64_t wake;
	struct bench b;

	bench_init(&b, 0);
	connect_pair(&b);
	wake = agent_next_wake(b.agent);
	b.now_ns += NS_PER_S;
	b.client.port = be16_from(r->client_port);
	b.backend.port = be16_from(r->local_port);
	p = r->egress ? from_server(&b, r->flags, 1, r->ack, 5) : from_client(&b, r->flags, 1, r->ack, 5);
	memcpy(frame, p->data, p->len);
	if (r->egress)
		to_client(&b, p);
	else
		to_server(&b, p);
	ck_assert_int_eq(p->fate, FATE_FORWARD);
	ck_assert(!p->note.translated);
	ck_assert_mem_eq(p->data, frame, p->len);
	ck_assert_uint_eq(agent_stats(b.agent)->entries, 1);
	ck_assert_uint_eq(agent_next_wake(b.agent), wake);
	packet_free(b.pool, p);
	bench_fini(&b);
}
END_TEST

START_TEST(wrong_tags)
{
	/* 0: a bit of the tag; 1: another experiment; 2: SEQ; 3: ACK; 4: client; 5: a tag for another backend */
	uint8_t options[TCP_OPTIONS_MAX], frame[128];
	size_t tag_at, len;
	struct tcp_packet_spec spec;
	struct packet *p;
	struct bench b;

	bench_init(&b, 0);
	len = syn_options(&b, true, options, &tag_at);
	options[tag_at + 11] ^= _i == 0;
	options[tag_at + 3] ^= _i == 1;
	spec = (struct tcp_packet_spec){
		.src = b.client,
		.dst = b.backend,
		.flags = TCP_SYN,
		.seq = b.isn.c + (_i == 2),
		.ack = b.isn.l + (_i == 3),
		.options = options,
		.options_len = len,
	};
	spec.src.port ^= _i == 4 ? be16_from(1) : 0;
	if (_i == 5)
		special_syn_write(&b.config->tag_key, b.client, b.client, b.isn.c, b.isn.l, options + tag_at);
	p = packet_make_tcp(b.pool, &spec);
	memcpy(frame, p->data, p->len);
	to_server(&b, p);
	ck_assert_int_eq(p->fate, FATE_FORWARD);
	ck_assert_mem_eq(p->data, frame, p->len);
	ck_assert_uint_eq(agent_stats(b.agent)->bad_tags, _i != 1);
	ck_assert_uint_eq(agent_stats(b.agent)->special_syns, 0);
	ck_assert_uint_eq(agent_stats(b.agent)->entries, 0);
	packet_free(b.pool, p);
	bench_fini(&b);
}
END_TEST

START_TEST(wrong_checksum_stays_wrong)
{
	struct packet *p, *right;
	struct bench b;

	bench_init(&b, 0);
	b.isn = isn_rows[_i];
	connect_pair(&b);
	right = from_client(&b, TCP_ACK, b.isn.c + 1, b.isn.l + 1, 5);
	p = from_client(&b, TCP_ACK, b.isn.c + 1, b.isn.l + 1, 5);
	packet_tcp(p)->check = csum_update16(packet_tcp(p)->check, 0, be16_from(0x1234));
	agent_ingress(b.agent, p, b.now_ns);
	to_server(&b, right);
	ck_assert_uint_eq(packet_tcp(p)->check, csum_update16(packet_tcp(right)->check, 0, be16_from(0x1234)));
	packet_free(b.pool, p);
	packet_free(b.pool, right);
	bench_fini(&b);
}
END_TEST

START_TEST(first_fragment_is_translated)
{
	/* The agent need not reassemble: the checksum covers the datagram, its change does not care. */
	struct packet *p;
	uint16_t before;
	struct bench b;

	bench_init(&b, 0);
	connect_pair(&b);
	p = from_server(&b, TCP_RST | TCP_ACK, b.isn.s + 1, b.isn.c + 1, 16);
	before = be16_to(packet_tcp(p)->check);
	packet_ip(p)->frag = be16_from(IP_FLAG_MF);
	agent_egress(b.agent, p, b.now_ns);
	ck_assert_uint_eq(be32_to(packet_tcp(p)->seq), b.isn.l + 1);
	ck_assert_uint_eq(be16_to(packet_tcp(p)->check),
			  be16_to(csum_update32(be16_from(before), be32_from(b.isn.s + 1), be32_from(b.isn.l + 1))));
	ck_assert_uint_eq(agent_stats(b.agent)->removed_rst, 0); /* half a segment ends nothing */
	packet_free(b.pool, p);
	bench_fini(&b);
}
END_TEST

static const struct icmp_row {
	const char *name;
	bool egress;
	uint8_t type;
	uint8_t quoted; /* TCP bytes */
	bool shifted;
	uint16_t frag; /* of the quoted datagram */
} icmp_rows[] = {
	{ "8 bytes", false, 3, 8, true, 0 },
	{ "whole header", false, 3, 20, true, 0 },
	{ "header and data", false, 11, 27, true, 0 },
	{ "up to the checksum", false, 12, 16, true, 0 },
	{ "too short", false, 3, 7, false, 0 },
	{ "echo", false, 8, 20, false, 0 },
	{ "ours: 8 bytes hold no ACK", true, 3, 8, true, 0 },
	{ "ours: whole header", true, 3, 20, true, 0 },
	{ "ours: header and data", true, 3, 33, true, 0 },
	{ "quotes a first fragment", false, 3, 20, true, IP_FLAG_MF },
	{ "quotes a later fragment", false, 3, 20, false, 100 },
};

/* An ICMP message that quotes `quoted` bytes of the segment in *inner. */
static struct packet *icmp_make(struct bench *b, const struct icmp_row *r, const struct packet *inner)
{
	size_t len = 34 + 8 + 20 + r->quoted;
	struct packet *p = packet_alloc(b->pool, (uint32_t)len);
	struct ipv4_hdr *ip = (void *)(p->data + 14);
	struct icmp_hdr *icmp = (void *)(p->data + 34);

	memset(p->data, 0, len);
	store_be16(p->data + 12, ETHERTYPE_IPV4);
	*ip = (struct ipv4_hdr){ .version_ihl = 0x45,
				 .total_len = be16_from((uint16_t)(len - 14)),
				 .ttl = 3,
				 .proto = IP_PROTO_ICMP,
				 .src = r->egress ? b->backend.addr : be32_from(0x09090909),
				 .dst = r->egress ? b->client.addr : b->backend.addr };
	ip->check = csum_ipv4(ip, 20);
	icmp->type = r->type;
	memcpy(icmp + 1, inner->data + 14, 20 + r->quoted);
	icmp->check = be16_from(__builtin_bswap16((uint16_t)~csum_sum(icmp, 28 + r->quoted, 0)));
	return p;
}

START_TEST(icmp_errors)
{
	const struct icmp_row *r = &icmp_rows[_i];
	struct packet *seen, *sent, *p;
	struct bench b;

	for (size_t i = 0; i < ARRAY_LEN(isn_rows); i++) {
		bench_init(&b, 0);
		b.isn = isn_rows[i];
		connect_pair(&b);
		if (r->egress) { /* quotes what the server saw; the client must get what it sent */
			seen = from_client(&b, TCP_ACK, b.isn.c + 9, b.isn.s + 70, 13);
			sent = from_client(&b, TCP_ACK, b.isn.c + 9, b.isn.l + 70, 13);
		} else { /* quotes what the network saw; the server must get what it sent */
			seen = from_server(&b, TCP_ACK, b.isn.l + 70, b.isn.c + 9, 13);
			sent = from_server(&b, TCP_ACK, b.isn.s + 70, b.isn.c + 9, 13);
		}
		packet_ip(seen)->frag = packet_ip(sent)->frag = be16_from(r->frag);
		p = icmp_make(&b, r, seen);
		if (r->egress)
			to_client(&b, p);
		else
			to_server(&b, p);
		ck_assert_msg(p->note.translated == r->shifted, "%s", r->name);
		ck_assert_msg(memcmp(p->data + 42, (r->shifted ? sent : seen)->data + 14, 20 + r->quoted) == 0, "%s",
			      r->name);
		packet_free(b.pool, p);
		packet_free(b.pool, seen);
		packet_free(b.pool, sent);
		bench_fini(&b);
	}
}
END_TEST

START_TEST(icmp_about_others)
{
	struct packet *seen, *p;
	struct bench b;

	bench_init(&b, 0);
	connect_pair(&b);
	b.client.port = be16_from(1);
	seen = from_server(&b, TCP_ACK, 1, 2, 0);
	p = icmp_make(&b, &icmp_rows[1], seen);
	to_server(&b, p);
	ck_assert(!p->note.translated);
	ck_assert_mem_eq(p->data + 42, seen->data + 14, 40);
	packet_free(b.pool, p);
	packet_free(b.pool, seen);
	bench_fini(&b);
}
END_TEST

START_TEST(mutated_frames)
{
	/* Whatever arrives: no byte beyond the frame, no crash, no change of length unless refused. */
	struct bench b;
	struct guard g;
	struct prng r;

	ck_assert_int_eq(guard_init(&g), 0);
	bench_init(&b, 0);
	b.ts_shown = 1000;
	b.ts_server = 5;
	connect_pair(&b);
	prng_seed(&r, 12);
	for (unsigned round = 0; round < 100000; round++) {
		const struct layout_row *row = &layout_rows[prng_below(&r, ARRAY_LEN(layout_rows))];
		struct packet *made = with_options(&b, row, (uint8_t)prng_u32(&r)), p = { 0 };
		uint32_t len = made->len;

		if (prng_below(&r, 4) == 0) {
			packet_free(b.pool, made);
			made = special_syn(&b);
			len = made->len;
		} else if (prng_below(&r, 4) == 0) {
			struct packet *icmp = icmp_make(&b, &icmp_rows[prng_below(&r, ARRAY_LEN(icmp_rows))], made);

			packet_free(b.pool, made);
			made = icmp;
			len = made->len;
		}
		for (unsigned i = prng_below(&r, 4); i > 0; i--)
			made->data[prng_below(&r, len)] = (uint8_t)prng_u32(&r);
		len = prng_below(&r, 3) ? len : prng_below(&r, len + 1);
		p.data = guard_put(&g, made->data, len);
		p.len = len;
		b.now_ns += prng_below(&r, 1000000);
		if (headers_parse(&p) == DROP_NONE)
			agent_prefetch(b.agent, &(struct packet *){ &p }, 1, round & 1);
		if (round & 1)
			agent_ingress(b.agent, &p, b.now_ns);
		else
			agent_egress(b.agent, &p, b.now_ns);
		ck_assert(p.fate == FATE_FORWARD ? p.len == len : p.len <= len);
		ck_assert_uint_le(agent_stats(b.agent)->entries, ENTRIES_MAX);
		packet_free(b.pool, made);
	}
	agent_sweep(b.agent, b.now_ns + 2 * ESTABLISHED_NS);
	ck_assert_uint_eq(agent_stats(b.agent)->entries, 0);
	guard_fini(&g);
	bench_fini(&b);
}
END_TEST

/* What must be in the table: a plain array. */
struct churn_pair {
	uint64_t moved_ns, timeout_ns; /* 0 timeout: not there */
};

static bool churn_is_due(const struct churn_pair *w, uint64_t now_ns)
{
	return w->timeout_ns && w->moved_ns + w->timeout_ns + SLACK_NS(w->timeout_ns) <= now_ns;
}

/* Forgets the pair that ended first; false if all go on. */
static bool churn_give_way(struct churn_pair *want, unsigned count)
{
	struct churn_pair *first = NULL;

	for (unsigned k = 0; k < count; k++)
		if (want[k].timeout_ns == LINGER_NS && (!first || want[k].moved_ns < first->moved_ns))
			first = &want[k];
	if (first)
		first->timeout_ns = 0;
	return first;
}

/* Something of a pair that is there; the last word of some. */
static void churn_talk(struct bench *b, struct churn_pair *w, bool ends)
{
	ck_assert(translates(b));
	if (ends && w->timeout_ns == ESTABLISHED_NS) {
		assert_egress(b, TCP_RST, b->isn.s + 1, 0, b->isn.l + 1);
		*w = (struct churn_pair){ b->now_ns, LINGER_NS };
	} else if (b->now_ns - w->moved_ns >= SLACK_NS(w->timeout_ns)) {
		w->moved_ns = b->now_ns;
	}
}

START_TEST(churn)
{
	/* Many pairs come, talk, end and expire in a table of 64. */
	enum {
		PORTS = 300,
		ROOM = 64
	};
	struct churn_pair want[PORTS] = { 0 };
	unsigned present = 0, gave_way = 0;
	struct bench b;
	struct prng r;

	bench_init(&b, 0);
	agent_free(b.agent);
	b.config->agent.entries_max = ROOM;
	b.agent = agent_create(b.config, 2);
	prng_seed(&r, 13);
	for (unsigned round = 0; round < 50000; round++) {
		unsigned i = prng_below(&r, PORTS), dice = prng_below(&r, 10);

		b.now_ns += 1 + prng_below(&r, 100) * NS_PER_S;
		agent_sweep(b.agent, b.now_ns);
		for (unsigned k = 0; k < PORTS; k++) {
			if (churn_is_due(&want[k], b.now_ns)) {
				want[k].timeout_ns = 0;
				present--;
			}
		}
		ck_assert_uint_eq(agent_stats(b.agent)->entries, present);
		b.client.port = be16_from((uint16_t)(1000 + i));
		b.isn = (struct isns){ i, 1000 * i, 77777 * i };
		if (want[i].timeout_ns) {
			churn_talk(&b, &want[i], dice < 3);
			continue;
		}
		ck_assert(!translates(&b));
		if (present < ROOM || churn_give_way(want, PORTS)) {
			gave_way += present == ROOM;
			present += present < ROOM;
			connect_pair(&b);
			want[i] = (struct churn_pair){ b.now_ns, ESTABLISHED_NS };
		} else {
			struct packet *p = special_syn(&b);

			to_server(&b, p);
			ck_assert_int_eq(p->fate, FATE_REPLY);
			packet_free(b.pool, p);
		}
	}
	ck_assert_uint_gt(gave_way, 0);
	ck_assert_uint_gt(agent_stats(b.agent)->refused_full, 0);
	ck_assert_uint_gt(agent_stats(b.agent)->removed_idle, 0);
	ck_assert_uint_gt(agent_stats(b.agent)->removed_rst, 0);
	bench_fini(&b);
}
END_TEST

START_TEST(splice_compiles_for_bpf)
{
	/* Where clang can target BPF; the kernel's verifier is tried where the programs are. */
	static const char command[] =
		"command -v clang >/dev/null && clang --print-targets 2>/dev/null | grep -qw bpf || exit 77\n"
		"[ -f src/agent/splice.h ] || exit 77\n"
		"arch=$(cc -print-multiarch 2>/dev/null || gcc -print-multiarch)\n"
		"printf '%s\\n' '#include \"splice.h\"' "
		"'int f(struct splice *s, struct splice_segment *g, struct splice_options *o, struct splice_seen *n) "
		"{' "
		"'splice_options_find(g, o); splice_ingress(s, g, o); splice_egress(s, g, o); splice_plain_syn(g, 40, "
		"o);' "
		"'splice_announce(s, g, o, 7); splice_learn(s, g, o); splice_icmp(s, g->tcp, 28, g->end, "
		"SPLICE_EGRESS);' "
		"'return (int)(splice_csum_diff(g) + splice_track_ingress(s, n) + splice_track_egress(s, n)); }' | "
		"clang -target bpf -O2 -Wall -Werror -Iinclude -Isrc/agent -I/usr/include/$arch -x c -c - -o /dev/null";
	int status = system(command);

	ck_assert_int_ne(status, -1);
	if (status == 77 << 8) {
		printf("agent: splice_compiles_for_bpf skipped: no clang with a BPF target, or not run from the "
		       "tree\n");
		return;
	}
	ck_assert_int_eq(status, 0);
}
END_TEST

Suite *agent_suite(void)
{
	Suite *s = suite_create("agent");
	TCase *t = tcase_create("agent");

	tcase_add_loop_test(t, handshake_and_data, 0, (int)ARRAY_LEN(isn_rows));
	tcase_add_loop_test(t, option_layouts, 0, (int)ARRAY_LEN(layout_rows));
	tcase_add_test(t, options_without_ack_flag);
	tcase_add_test(t, egress_leaves_the_client_space_alone);
	tcase_add_test(t, timestamp_zero_is_a_timestamp);
	tcase_add_test(t, timestamps_offset_is_constant);
	tcase_add_loop_test(t, windows, 0, (int)ARRAY_LEN(window_rows));
	tcase_add_loop_test(t, closes, 0, (int)ARRAY_LEN(close_rows));
	tcase_add_loop_test(t, quirk_a1_keeps_everything, 0, (int)ARRAY_LEN(close_rows));
	tcase_add_test(t, refused_by_the_server);
	tcase_add_test(t, given_up_by_the_frontend);
	tcase_add_loop_test(t, reuse_renews, 0, 2 * (int)ARRAY_LEN(isn_rows));
	tcase_add_test(t, quirk_a3_keeps_the_old_delta);
	tcase_add_loop_test(t, quirk_a7_misses_options, 0, (int)ARRAY_LEN(layout_rows));
	tcase_add_test(t, same_special_syn_again);
	tcase_add_test(t, special_syn_again_before_the_answer);
	tcase_add_test(t, map_full);
	tcase_add_test(t, idle_in_order);
	tcase_add_loop_test(t, untouched, 0, (int)ARRAY_LEN(untouched_rows));
	tcase_add_loop_test(t, wrong_tags, 0, 6);
	tcase_add_loop_test(t, wrong_checksum_stays_wrong, 0, (int)ARRAY_LEN(isn_rows));
	tcase_add_test(t, first_fragment_is_translated);
	tcase_add_loop_test(t, icmp_errors, 0, (int)ARRAY_LEN(icmp_rows));
	tcase_add_test(t, icmp_about_others);
	tcase_add_test(t, mutated_frames);
	tcase_add_test(t, churn);
	tcase_add_test(t, splice_compiles_for_bpf);
	suite_add_tcase(s, t);
	return s;
}
