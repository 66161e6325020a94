/* SPDX-License-Identifier: BSD-2-Clause */
/* test_frontend.c: a front-end alone, driven by scripts: a row is one packet, reply or wait, and
 * the text of everything that it made the front-end send.
 *
 * Numbers in the scripts are relative: a client's SEQ and a backend's ACK to the client's ISN, a
 * backend's SEQ and a client's ACK to L. Every script runs with ordinary ISNs and with ISNs just
 * below 2^32.
 *
 *   from    "c" client, "b0".."b3" backend, "t" wait `seq` milliseconds, "r" the oldest operation
 *           took effect, "full" it found no place
 *   output  "c:PA 1(10)a41" to the client ("u:" if it went through untouched), "b0:S 0(0)a0" to a backend ("*" behind
 * S: tagged),
 *           "+b1" an entry is asked for, "-" its deletion, "drop:KEY" */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/checksum.h"
#include "miresga/cookie.h"
#include "miresga/prng.h"
#include "miresga/special_syn.h"
#include "miresga/tcp_options.h"
#include "src/frontend/frontend_internal.h"

Suite *frontend_suite(void);

#define START_NS (UINT64_C(1700000000) * NS_PER_S)
#define GET_A "GET /1 HTTP/1.1\r\nHost: a.example\r\n\r\n"					 /* 36 */
#define GET_B "GET /2 HTTP/1.1\r\nHost: b.example\r\n\r\n"					 /* 36 */
#define OK_0 "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"					 /* 38 */
#define OK_BIG "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"				 /* 43 */
#define POST_8 "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 8\r\n\r\n"		 /* 55 */
#define POST_3G "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3000000000\r\n\r\n"	 /* 64 */
#define UPGRADE "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n" /* 68 */
#define OK_5G "HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\n"				 /* 47 */
#define END_5G 705032752						   /* 48 + 5,000,000,000 modulo 2^32 */
#define OK_CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" /* 47 */

struct row {
	const char *from;
	uint32_t seq, ack;
	const char *flags;
	const char *data;
	const char *expect;
};

struct bench {
	struct config config;
	struct packet_pool *pool;
	struct frontend *fe;
	struct control_op ops[64];
	unsigned op_count;
	uint64_t now_ns;
	uint32_t client_isn, isn;
	struct endpoint client;
	bool timestamps;
	uint16_t backend_mss;
	void (*seen)(void *ctx, const struct packet *p); /* may be NULL */
	void *seen_ctx;
	bool quiet; /* packets of several clients: they are only checked to be sound */
	char got[4096];
};

static struct endpoint address(unsigned last, unsigned port)
{
	return endpoint_make(be32_from(0xc6120000 + last), be16_from((uint16_t)port));
}

static void bench_config(struct config *c)
{
	config_defaults(c);
	c->vip = endpoint_make(be32_from(0x0a00010a), be16_from(80));
	c->seed = 1;
	config_derive_keys(c);
	c->backend_count = 4;
	for (unsigned i = 0; i < 4; i++)
		c->backends[i] = (struct config_backend){ .address = address(i + 1, 80), .weight = 1 };
	c->pool_count = 2;
	c->pools[0] = (struct config_pool){ .member_count = 1, .members = { 0 } };
	c->pools[1] = (struct config_pool){ .member_count = 1, .members = { 1 } };
	c->rule_count = 2;
	c->rules[0] = (struct config_rule){ .host = "a.example", .pool = 0 };
	c->rules[1] = (struct config_rule){ .host = "b.example", .pool = 1 };
	c->frontends.flows_max = 64;
	c->frontends.buffers = 16;
	c->frontends.buffer_size = 65536;
	c->timeouts.rto_ns = NS_PER_S;
	c->timeouts.retries = 3;
}

static const struct syn_offer usual_offer = { .mss = 1460, .wscale = 7, .sack = true };

static void bench_start(struct bench *b, uint32_t client_isn, const struct syn_offer *offer)
{
	b->pool = packet_pool_create(512, 16);
	b->fe = frontend_create(&b->config, 0, b->pool, NULL, NULL);
	ck_assert_ptr_nonnull(b->fe);
	b->now_ns = START_NS;
	b->timestamps = b->config.sw.timestamps;
	b->backend_mss = 1460;
	b->client = address(100, 4000);
	b->client_isn = client_isn;
	b->isn = cookie_make(&b->config.cookie_key, b->client, b->config.vip, client_isn, offer, b->now_ns);
}

static void bench_stop(struct bench *b)
{
	ck_assert_uint_eq(packet_pool_used(b->pool), 0);
	frontend_free(b->fe);
	packet_pool_free(b->pool);
}

static void say(struct bench *b, const char *text)
{
	size_t len = strlen(b->got);

	snprintf(b->got + len, sizeof(b->got) - len, "%s%s", len > 0 ? " " : "", text);
}

/* Options are spelt out only where they are not the usual ones. */
static const char *special_text(const struct tcp_options *o, char text[64])
{
	if (o->mss == usual_offer.mss && o->wscale == usual_offer.wscale && o->sack_permitted)
		return "S*";
	snprintf(text, 64, "S*[mss %u wscale %u%s]", o->mss, o->wscale, o->sack_permitted ? " sack" : "");
	return text;
}

static const char *flag_text(const struct bench *b, const struct packet *p, char text[64])
{
	static const char *const names[256] = {
		[TCP_SYN] = "S",
		[TCP_ACK] = "A",
		[TCP_ACK | TCP_PSH] = "PA",
		[TCP_FIN | TCP_ACK] = "FA",
		[TCP_RST] = "R",
		[TCP_RST | TCP_ACK] = "RA",
		[TCP_FIN | TCP_ACK | TCP_PSH] = "FPA",
		[TCP_SYN | TCP_ACK] = "SA",
		[TCP_RST | TCP_ACK | TCP_PSH] = "RPA",
	};
	struct tcp_options o;

	tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &o);
	if (o.tag_len > 0 && special_syn_check(&b->config.tag_key, p->phv.src, p->phv.dst, p->phv.seq, p->phv.ack,
					       packet_tcp_options(p) + o.tag_at, o.tag_len))
		return special_text(&o, text);
	return names[p->phv.tcp_flags] ? names[p->phv.tcp_flags] : "?";
}

static void say_packet(struct bench *b, struct packet *p)
{
	bool to_client, untouched;
	char text[128], special[64], to[16];

	ck_assert_int_eq(headers_parse(p), DROP_NONE);
	ck_assert(packet_checksum_right(p));
	if (b->seen)
		b->seen(b->seen_ctx, p);
	if (b->quiet)
		return;
	to_client = endpoint_equal(p->phv.dst, b->client);
	snprintf(to, sizeof(to), "b%u", (unsigned)(be32_to(p->phv.dst.addr) - 0xc6120001));
	untouched = to_client && !endpoint_equal(p->phv.src, b->config.vip);
	if (!to_client)
		ck_assert(endpoint_equal(p->phv.src, b->client));
	snprintf(text, sizeof(text), "%s:%s %u(%u)a%u",
		 untouched   ? "u"
		 : to_client ? "c"
			     : to,
		 flag_text(b, p, special), p->phv.seq - (to_client ? b->isn : b->client_isn), p->phv.payload_len,
		 p->phv.tcp_flags & (TCP_ACK | TCP_SYN) ? p->phv.ack - (to_client ? b->client_isn : b->isn) : 0);
	say(b, text);
}

static void collect(struct bench *b, struct frontend_out *out)
{
	struct packet *p;

	while ((p = packet_queue_pop(&out->packets)) != NULL) {
		say_packet(b, p);
		packet_free(b->pool, p);
	}
	for (unsigned i = b->op_count; i < out->op_count; i++) {
		char text[16];

		snprintf(text, sizeof(text), b->ops[i].kind == CONTROL_ADD ? "+b%u" : "-", b->ops[i].d_index);
		say(b, text);
	}
	b->op_count = out->op_count;
}

static uint8_t parse_flags(const char *s)
{
	uint8_t f = 0;

	for (; s && *s; s++)
		f |= *s == 'S' ? TCP_SYN : *s == 'A' ? TCP_ACK : *s == 'P' ? TCP_PSH : *s == 'F' ? TCP_FIN : TCP_RST;
	return f;
}

/* "b0" speaks in L space here: the agents have already shifted. */
static struct packet *make(struct bench *b, const struct row *r)
{
	uint8_t options[TCP_OPTIONS_MAX];
	struct tcp_options o = { .wscale = TCP_WSCALE_NONE,
				 .has_timestamps = b->timestamps,
				 .tsval = (uint32_t)(b->now_ns / NS_PER_MS),
				 .tsecr = 1 };
	bool client = r->from[0] == 'c';
	uint8_t flags = parse_flags(r->flags);
	struct packet *p;

	o.mss = flags & TCP_SYN ? b->backend_mss : 0;
	p = packet_make_tcp(b->pool, &(struct tcp_packet_spec){
					     .src = client ? b->client : b->config.backends[r->from[1] - '0'].address,
					     .dst = client ? b->config.vip : b->client,
					     .seq = r->seq + (client ? b->client_isn : b->isn),
					     .ack = r->ack + (client ? b->isn : b->client_isn),
					     .flags = flags,
					     .window = 1000,
					     .options = options,
					     .options_len = tcp_options_write(&o, options),
					     .payload = r->data,
					     .payload_len = r->data ? strlen(r->data) : 0,
				     });

	ck_assert_ptr_nonnull(p);
	return p;
}

static void reply(struct bench *b, struct frontend_out *out, enum control_status status)
{
	struct control_reply r = {
		.op = b->ops[0], .status = (uint8_t)status, .asked_ns = b->now_ns, .applied_ns = b->now_ns
	};

	ck_assert_uint_gt(b->op_count, 0);
	memmove(b->ops, b->ops + 1, --b->op_count * sizeof(b->ops[0]));
	out->op_count = b->op_count;
	frontend_reply(b->fe, &r, out, b->now_ns);
}

static void bench_row(struct bench *b, const struct row *r)
{
	struct frontend_out out = { .ops = b->ops, .op_count = b->op_count, .ops_max = ARRAY_LEN(b->ops) };
	struct packet *p = NULL;
	uint64_t until;

	b->got[0] = '\0';
	switch (r->from[0]) {
	case 't':
		until = b->now_ns + r->seq * NS_PER_MS;
		while (frontend_next_wake(b->fe) <= until) {
			b->now_ns = frontend_next_wake(b->fe);
			frontend_timers(b->fe, &out, b->now_ns);
			collect(b, &out);
		}
		b->now_ns = until;
		break;
	case 'r':
		reply(b, &out, CONTROL_OK);
		break;
	case 'f':
		reply(b, &out, CONTROL_FULL);
		break;
	default:
		p = make(b, r);
		frontend_packet(b->fe, p, &out, b->now_ns);
		break;
	}
	collect(b, &out);
	if (p && p->fate == FATE_DROP) {
		char text[64];

		snprintf(text, sizeof(text), "drop:%s", drop_key(p->drop));
		say(b, text);
	}
	if (p && p->fate != FATE_FORWARD)
		packet_free(b->pool, p);
}

static const uint32_t isns[] = { 1000, UINT32_MAX - 20 };

struct script {
	const char *name;
	uint32_t quirks;
	enum offload_mode offload;
	struct syn_offer offer; /* mss 0: 1460, window scale 7, SACK */
	uint16_t backend_mss;	/* 0: 1460 */
	bool timestamps;
	struct row rows[16];
};

/* A connection that is spliced to backend 0, first response open. */
#define SPLICED \
	{ "c", 1, 1, "PA", GET_A, "b0:S* 0(0)a0" }, \
	{ \
		"b0", 0, 1, "SA", NULL, "b0:PA 1(36)a1" \
	}

static const struct script scripts[] = {
	{ "a request, its response, and an orderly close",
	  .rows = { { "c", 1, 1, "A", NULL, "" },
		    { "c", 1, 1, "PA", GET_A, "b0:S* 0(0)a0" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(36)a1" },
		    { "b0", 1, 37, "PA", OK_0, "c:PA 1(38)a37" },
		    { "c", 37, 39, "A", NULL, "b0:A 37(0)a39" },
		    { "c", 37, 39, "FA", NULL, "b0:FA 37(0)a39" },
		    { "b0", 39, 38, "FA", NULL, "c:FA 39(0)a38" },
		    { "c", 38, 40, "A", NULL, "b0:A 38(0)a40" },
		    { "b0", 39, 38, "FA", NULL, "c:FA 39(0)a38" }, /* lingering: a stray retransmission */
		    { "t", 11000, 0, NULL, NULL, "" },
		    { "b0", 39, 38, "FA", NULL, "u:FA 39(0)a38" } } },
	{ "a head in pieces is acknowledged by us and then ours to deliver",
	  .rows = { { "c", 1, 1, "PA", "GET /1 HT", "c:A 1(0)a10" },
		    { "c", 10, 1, "PA", "TP/1.1\r\n", "c:A 1(0)a18" },
		    { "c", 1, 1, "PA", "GET /1 HT", "c:A 1(0)a18" },
		    { "c", 18, 1, "PA", "Host: a.example\r\n\r\n", "b0:S* 0(0)a0" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(36)a1" },
		    { "t", 1000, 0, NULL, NULL, "b0:PA 1(36)a1" },
		    { "t", 2000, 0, NULL, NULL, "b0:PA 1(36)a1" },
		    { "b0", 1, 37, "A", NULL, "c:A 1(0)a37" },
		    { "t", 8000, 0, NULL, NULL, "" } } },
	{ "segments out of order, twice, and a keep-alive before any request",
	  .rows = { { "c", 1, 1, "A", NULL, "" },
		    { "c", 11, 1, "PA", "P/1.1\r\nHost: a.example\r\n\r\n", "c:A 1(0)a1" },
		    { "c", 0, 1, "A", NULL, "c:A 1(0)a1" },
		    { "c", 1, 1, "PA", "GET /1 HTT", "b0:S* 0(0)a0" } } },
	{ "our SYN is sent again, by timer and when the client repeats itself; then 504",
	  .rows = { { "c", 1, 1, "PA", GET_A, "b0:S* 0(0)a0" },
		    { "c", 1, 1, "PA", GET_A, "b0:S* 0(0)a0" },
		    { "t", 1000, 0, NULL, NULL, "b0:S* 0(0)a0" },
		    { "t", 2000, 0, NULL, NULL, "b0:S* 0(0)a0" },
		    { "t", 4000, 0, NULL, NULL, "b0:S* 0(0)a0" },
		    { "t", 8000, 0, NULL, NULL, "b0:R 1(0)a0 c:FPA 1(?)a37" } } },
	{ "a backend that refuses: 503, FIN, and the client may close",
	  .rows = { { "c", 1, 1, "PA", GET_A, "b0:S* 0(0)a0" },
		    { "b1", 0, 1, "RA", NULL, "u:?" },
		    { "b0", 0, 1, "RA", NULL, "c:FPA 1(?)a37" },
		    { "t", 1000, 0, NULL, NULL, "c:FPA 1(?)a37" } } },
	{ "two steps to another backend, E acknowledged by the request itself",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", OK_0, "c:PA 1(38)a37" },
		    { "c", 37, 39, "PA", GET_B, "b0:R 37(0)a0 b1:S* 36(0)a38" },
		    { "b0", 39, 37, "R", NULL, "drop:not_flow_backend" },
		    { "b0", 1, 37, "PA", OK_0, "drop:not_flow_backend" },
		    { "b1", 38, 37, "SA", NULL, "b1:PA 37(36)a39" },
		    { "b1", 39, 73, "PA", OK_0, "c:PA 39(38)a73" },
		    { "c", 73, 77, "PA", GET_A, "b1:R 73(0)a0 b0:S* 72(0)a76" },
		    { "b0", 76, 73, "SA", NULL, "b0:PA 73(36)a77" } } },
	{ "a pipelined request for another backend waits for E",
	  .rows = { SPLICED,
		    { "c", 37, 1, "PA", GET_A GET_B, "b0:PA 37(36)a1" },
		    { "b0", 1, 73, "PA", OK_0, "c:PA 1(38)a73 c:A 39(0)a109" },
		    { "c", 109, 39, "A", NULL, "b0:A 73(0)a39" },
		    { "b0", 39, 73, "PA", OK_0, "c:PA 39(38)a109" },
		    { "c", 109, 77, "A", NULL, "b0:A 73(0)a77 b0:R 73(0)a0 b1:S* 72(0)a76" },
		    { "b1", 76, 73, "SA", NULL, "b1:PA 73(36)a77" } } },
	{ "where E cannot be known the flow is reset",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", "HTTP/1.0 200 OK\r\n\r\nx", "c:PA 1(20)a37" },
		    { "c", 37, 21, "PA", GET_B, "c:R 21(0)a0 b0:R 37(0)a0" } } },
	{ "an elephant is offloaded, a full table changes nothing, the FIN takes the entry away",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", OK_BIG, "c:PA 1(43)a37 +b0" },
		    { "b0", 44, 37, "PA", "x", "c:PA 44(1)a37" }, /* no packet waits for the switch */
		    { "full", 0, 0, NULL, NULL, "" },
		    { "b0", 45, 37, "PA", "x", "c:PA 45(1)a37" },
		    { "c", 37, 46, "FA", NULL, "b0:FA 37(0)a46" } } },
	{ "an offloaded flow: the next request waits for the delete, since its response must be seen",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", OK_BIG, "c:PA 1(43)a37 +b0" },
		    { "r", 0, 0, NULL, NULL, "" },
		    { "c", 37, 100044, "PA", GET_A, "-" },
		    { "r", 0, 0, NULL, NULL, "b0:PA 37(36)a100044" },
		    { "b0", 100044, 73, "PA", OK_0, "c:PA 100044(38)a73" },
		    { "c", 73, 100082, "PA", GET_B, "b0:R 73(0)a0 b1:S* 72(0)a100081" } } },
	{ "an offloaded flow: a request for another backend moves at once when E is known",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", OK_BIG, "c:PA 1(43)a37 +b0" },
		    { "r", 0, 0, NULL, NULL, "" },
		    { "c", 37, 100044, "PA", GET_B, "b0:R 37(0)a0 b1:S* 36(0)a100043 -" } } },
	{ "a stalled control plane holds a request no longer than one timeout",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", OK_BIG, "c:PA 1(43)a37 +b0" },
		    { "r", 0, 0, NULL, NULL, "" },
		    { "c", 37, 100044, "PA", GET_A, "-" },
		    { "t", 1000, 0, NULL, NULL, "b0:PA 37(36)a100044" } } },
	{ "offload: always, and the entry goes with the FIN", .offload = OFFLOAD_ALWAYS,
	  .rows = { { "c", 1, 1, "PA", GET_A, "b0:S* 0(0)a0" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(36)a1 +b0" },
		    { "r", 0, 0, NULL, NULL, "" },
		    { "c", 37, 39, "PA", GET_A, "b0:PA 37(36)a39" },
		    { "b0", 77, 73, "FA", NULL, "c:FA 77(0)a73 -" } } },
	{ "malformed, unmatched, old: answered and closed, never silence",
	  .rows = { { "c", 1, 1, "PA", "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n", "c:FPA 1(?)a37" },
		    { "c", 37, 149, "PA", "more", "c:A 149(0)a41" } } },
	{ "no rule: 404",
	  .rows = { { "c", 1, 1, "PA", "GET / HTTP/1.1\r\nHost: c.example\r\n\r\n", "c:FPA 1(?)a36" } } },
	{ "a bad second request is answered after the first response",
	  .rows = { SPLICED,
		    { "c", 37, 1, "PA", "BAD\r\n\r\n", "" },
		    { "b0", 1, 37, "PA", OK_0, "c:PA 1(38)a37 c:A 39(0)a44" },
		    { "c", 44, 39, "A", NULL, "b0:A 37(0)a39 b0:R 37(0)a0 c:FPA 39(?)a44" } } },
	{ "a request that never comes: 408 if it began, a reset if not",
	  .rows = { { "c", 1, 1, "PA", "GET", "c:A 1(0)a4" }, { "t", 600000, 0, NULL, NULL, "c:FPA 1(?)a4" } } },
	{ "a request that trickles has no more time than another",
	  .rows = { { "c", 1, 1, "PA", "GET", "c:A 1(0)a4" },
		    { "t", 400000, 0, NULL, NULL, "" },
		    { "c", 4, 1, "PA", " /", "c:A 1(0)a6" },
		    { "t", 200000, 0, NULL, NULL, "c:FPA 1(?)a6" } } },
	{ "a later request that never ends: 408 behind the response before it",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", OK_0, "c:PA 1(38)a37" },
		    { "c", 37, 39, "PA", "GET", "c:A 39(0)a40" },
		    { "t", 600000, 0, NULL, NULL, "b0:R 37(0)a0 c:FPA 39(?)a40" } } },
	{ "the special SYN meets a socket whose RST was lost: its challenge ACK is answered by another",
	  .rows = { { "c", 1, 1, "PA", GET_A, "b0:S* 0(0)a0" },
		    { "b0", 7000, 4000, "A", NULL, "b0:R 4000(0)a0 drop:not_flow_backend" },
		    { "t", 1000, 0, NULL, NULL, "b0:S* 0(0)a0" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(36)a1" } } },
	{ "not one byte: reset",
	  .rows = { { "c", 1, 1, "A", NULL, "" }, { "t", 600000, 0, NULL, NULL, "c:R 1(0)a0" } } },
	{ "an ACK without a handshake starts nothing",
	  .rows = { { "c", 1, 2, "PA", GET_A, "drop:bad_cookie" }, { "c", 1, 2, "R", NULL, "drop:no_flow" } } },
	{ "quirk P3: it starts a flow", .quirks = QUIRK_BIT(QUIRK_P3),
	  .rows = { { "c", 1, 2, "PA", GET_A, "b0:S*[mss 1460 wscale 15] 0(0)a1" } } },
	{ "half close: the response still comes", .rows = { { "c", 1, 1, "FPA", GET_A, "b0:S* 0(0)a0" },
							    { "b0", 0, 1, "SA", NULL, "b0:FPA 1(36)a1" },
							    { "b0", 1, 38, "PA", OK_0, "c:PA 1(38)a38" },
							    { "b0", 39, 38, "FPA", "tail", "c:FPA 39(4)a38" },
							    { "c", 38, 44, "A", NULL, "b0:A 38(0)a44" } } },
	{ "quirk F10: the special SYN is always the same", .quirks = QUIRK_BIT(QUIRK_F10),
	  .rows = { { "c", 1, 1, "PA", GET_A, "b0:S*[mss 1460 wscale 9 sack] 0(0)a0" } } },
	{ "the special SYN has what the client offered", .offer = { .mss = 1200, .wscale = 3 },
	  .rows = { { "c", 1, 1, "PA", GET_A, "b0:S*[mss 1200 wscale 3] 0(0)a0" } } },
	{ "far into an upload bytes are neither old nor ours to repeat: silence ends nothing",
	  .rows = { { "c", 1, 1, "PA", POST_3G, "b0:S* 0(0)a0" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(64)a1" },
		    { "c", 500000000, 1, "A", "x", "b0:A 500000000(1)a1" },
		    { "b0", 1, 500000001, "A", NULL, "c:A 1(0)a500000001" },
		    { "c", 1000000000, 1, "A", "x", "b0:A 1000000000(1)a1" },
		    { "b0", 1, 1000000001, "A", NULL, "c:A 1(0)a1000000001" },
		    { "c", 1500000000, 1, "A", "x", "b0:A 1500000000(1)a1" },
		    { "b0", 1, 1500000001, "A", NULL, "c:A 1(0)a1500000001" },
		    { "c", 2000000000, 1, "A", "x", "b0:A 2000000000(1)a1" },
		    { "b0", 1, 2000000001, "A", NULL, "c:A 1(0)a2000000001" },
		    { "c", 2500000000, 1, "A", "x", "b0:A 2500000000(1)a1" },
		    { "t", 20000, 0, NULL, NULL, "" },
		    { "b0", 1, 2500000001, "A", NULL, "c:A 1(0)a2500000001" } } },
	{ "half a head is ours to repeat, however much of the body is on its way",
	  .rows = { { "c", 1, 1, "PA", "PO", "c:A 1(0)a3" },
		    { "c", 3, 1, "PA", &POST_3G[2], "b0:S* 0(0)a0" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(64)a1" },
		    { "c", 500000000, 1, "A", "x", "b0:A 500000000(1)a1" },
		    { "c", 900000000, 1, "A", "x", "b0:A 900000000(1)a1" },
		    { "c", 900000001, 1, "A", "x", "b0:A 900000001(1)a1" },
		    { "t", 1000, 0, NULL, NULL, "b0:PA 1(64)a1" } } },
	{ "quirk F5: the FIN is a RST, the rest is lost", .quirks = QUIRK_BIT(QUIRK_F5),
	  .rows = { SPLICED, { "b0", 1, 37, "FPA", OK_0, "b0:R 37(0)a0 c:RPA 1(38)a37" } } },
	{ "a second segment while the backend is connected is kept",
	  .rows = { { "c", 1, 1, "PA", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\n",
		      "b0:S* 0(0)a0" },
		    { "c", 56, 1, "PA", "body", "" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(59)a1" } } },
	{ "quirk F8: it is dropped", .quirks = QUIRK_BIT(QUIRK_F8),
	  .rows = { { "c", 1, 1, "PA", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\n",
		      "b0:S* 0(0)a0" },
		    { "c", 56, 1, "PA", "body", "drop:quirk" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(55)a1" } } },
	{ "RST: exactly the next number ends the flow, one in the window is passed, others are nobody's",
	  .rows = { SPLICED,
		    { "c", 36, 1, "R", NULL, "b0:R 36(0)a0" },
		    { "c", 500000, 1, "R", NULL, "drop:rst_invalid" },
		    { "b0", 5000000, 37, "R", NULL, "c:R 5000000(0)a0" },
		    { "b1", 1, 37, "R", NULL, "u:?" },
		    { "c", 37, 1, "R", NULL, "b0:R 37(0)a0" } } },
	{ "a tunnel after 101: bytes are bytes",
	  .rows = { { "c", 1, 1, "PA", "GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		      "b0:S* 0(0)a0" },
		    { "c", 69, 1, "PA", "\1\2", "" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(68)a1" },
		    { "b0", 1, 69, "PA", "HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		      "c:PA 1(51)a69 b0:PA 69(2)a1" },
		    { "c", 71, 52, "PA", "GET \3", "b0:PA 71(5)a52" },
		    { "b0", 52, 76, "PA", "\4", "c:PA 52(1)a76" } } },
	{ "100 Continue, then the body, then the answer, then the next request",
	  .rows = { { "c", 1, 1, "PA",
		      "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
		      "b0:S* 0(0)a0" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(77)a1" },
		    { "b0", 1, 78, "PA", "HTTP/1.1 100 Continue\r\n\r\n", "c:PA 1(25)a78" },
		    { "c", 78, 26, "PA", "body", "b0:PA 78(4)a26" },
		    { "b0", 26, 82, "PA", OK_0, "c:PA 26(38)a82" },
		    { "c", 82, 64, "PA", GET_B, "b0:R 82(0)a0 b1:S* 81(0)a63" } } },
	{ "a body of known length passes in any order, and a request behind it is found at once",
	  .rows = { { "c", 1, 1, "PA", "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 8\r\n\r\n",
		      "b0:S* 0(0)a0" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(55)a1" },
		    { "c", 60, 1, "PA", "5678" GET_A, "b0:PA 60(40)a1" },
		    { "c", 56, 1, "PA", "1234", "b0:PA 56(4)a1" } } },
	{ "empty lines after a body go where the body went",
	  .rows = { SPLICED,
		    { "c", 37, 1, "PA", "\r\n\r\n", "b0:PA 37(4)a1" },
		    { "b0", 1, 41, "A", NULL, "c:A 1(0)a41" },
		    { "c", 41, 1, "PA", "\r", "c:A 1(0)a42" },
		    { "c", 42, 1, "PA", "\n", "b0:PA 41(2)a1" },
		    { "c", 43, 1, "PA", GET_A, "b0:PA 43(36)a1" } } },
	{ "a chunked response ends where it ends",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", OK_CHUNKED "3\r\nabc\r\n", "c:PA 1(55)a37" },
		    { "c", 37, 56, "PA", GET_B, "c:A 56(0)a73" },
		    { "b0", 61, 37, "A", NULL, "c:A 61(0)a73" },
		    { "b0", 56, 37, "PA", "0\r\n\r\n", "c:PA 56(5)a73" },
		    { "c", 73, 61, "A", NULL, "b0:A 37(0)a61 b0:R 37(0)a0 b1:S* 36(0)a60" } } },
	{ "a body of more than 1 GiB is a body from its first byte on",
	  .rows = { { "c", 1, 1, "PA", POST_3G "GET ", "b0:S* 0(0)a0" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(68)a1" },
		    { "c", 69, 1, "PA", "GET /", "b0:PA 69(5)a1" } } },
	{ "the same on a connection in use", .rows = { SPLICED,
						       { "b0", 1, 37, "PA", OK_0, "c:PA 1(38)a37" },
						       { "c", 37, 39, "PA", POST_3G "GET ", "b0:PA 37(68)a39" } } },
	{ "a response beyond 4 GiB passes unseen, and its end is known modulo 2^32",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", OK_5G, "c:PA 1(47)a37 +b0" },
		    { "r", 0, 0, NULL, NULL, "" },
		    { "c", 37, END_5G, "PA", GET_A, "-" },
		    { "r", 0, 0, NULL, NULL, "b0:PA 37(36)a705032752" },
		    { "b0", END_5G, 73, "PA", OK_0, "c:PA 705032752(38)a73" },
		    { "c", 73, END_5G + 38, "PA", GET_B, "b0:R 73(0)a0 b1:S* 72(0)a705032789" } } },
	{ "the same, and the next request moves at once",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", OK_5G, "c:PA 1(47)a37 +b0" },
		    { "r", 0, 0, NULL, NULL, "" },
		    { "c", 37, END_5G, "PA", GET_B, "b0:R 37(0)a0 b1:S* 36(0)a705032751 -" } } },
	{ "nothing is acknowledged beyond bytes that may be lost",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", OK_0, "c:PA 1(38)a37" },
		    { "c", 37, 39, "PA", POST_8, "b0:PA 37(55)a39" },
		    { "c", 96, 39, "PA", "5678GET /1", "b0:PA 96(4)a39" },
		    { "b0", 39, 92, "A", NULL, "c:A 39(0)a92" },
		    { "c", 92, 39, "PA", "1234", "b0:PA 92(4)a39" },
		    { "b0", 39, 100, "A", NULL, "c:A 39(0)a100 c:A 39(0)a106" } } },
	{ "a body out of order beside the buffer does not stop the next request",
	  .rows = { { "c", 1, 1, "PA", "POST / HTTP", "c:A 1(0)a12" },
		    { "c", 12, 1, "PA", &POST_8[11], "b0:S* 0(0)a0" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(55)a1" },
		    { "c", 60, 1, "PA", "5678", "b0:PA 60(4)a1" },
		    { "c", 56, 1, "PA", "1234", "b0:PA 56(4)a1" },
		    { "c", 64, 1, "PA", GET_A, "b0:PA 64(36)a1" } } },
	{ "a FIN that we acknowledged is ours to deliver, with the bytes before it and alone",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", OK_0, "c:PA 1(38)a37" },
		    { "c", 37, 1, "FPA", GET_B, "c:A 39(0)a74" },
		    { "c", 74, 39, "A", NULL, "b0:A 37(0)a39 b0:R 37(0)a0 b1:S* 36(0)a38" },
		    { "b1", 38, 37, "SA", NULL, "b1:FPA 37(36)a39" },
		    { "t", 1000, 0, NULL, NULL, "b1:FPA 37(36)a39" },
		    { "b1", 39, 73, "A", NULL, "c:A 39(0)a74" },
		    { "t", 1000, 0, NULL, NULL, "b1:FA 73(0)a39" },
		    { "b1", 39, 74, "A", NULL, "c:A 39(0)a74" },
		    { "t", 10000, 0, NULL, NULL, "" } } },
	{ "a FIN before the last request is not forgotten",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", OK_0, "c:PA 1(38)a37" },
		    { "c", 73, 39, "FA", NULL, "" },
		    { "c", 37, 39, "PA", GET_A, "b0:PA 37(36)a39 b0:FA 73(0)a39" } } },
	{ "a backend that gets on, however slowly, is not given up",
	  .rows = { { "c", 1, 1, "PA", "GET /1 HT", "c:A 1(0)a10" },
		    { "c", 10, 1, "PA", &GET_A[9], "b0:S* 0(0)a0" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(36)a1" },
		    { "t", 7500, 0, NULL, NULL, "b0:PA 1(36)a1 b0:PA 1(36)a1 b0:PA 1(36)a1" },
		    { "b0", 1, 5, "A", NULL, "c:A 1(0)a10" },
		    { "t", 1000, 0, NULL, NULL, "b0:PA 5(32)a1" },
		    { "b0", 1, 37, "A", NULL, "c:A 1(0)a37" },
		    { "t", 60000, 0, NULL, NULL, "" } } },
	{ "what the backend acknowledged by the fast path is asked again before a part is", .offload = OFFLOAD_ALWAYS,
	  .rows = { { "c", 1, 1, "PA", GET_A, "b0:S* 0(0)a0" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(36)a1 +b0" },
		    { "r", 0, 0, NULL, NULL, "" },
		    { "c", 37, 39, "PA", "GET /1", "-" },
		    { "r", 0, 0, NULL, NULL, "b0:A 36(0)a39" },
		    { "b0", 39, 37, "A", NULL, "c:A 39(0)a37 c:A 39(0)a43" },
		    { "c", 43, 39, "PA", &GET_A[6], "b0:PA 37(36)a39" } } },
	{ "the backend closes while a request waits for the entry: it may judge that itself",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", OK_BIG, "c:PA 1(43)a37 +b0" },
		    { "r", 0, 0, NULL, NULL, "" },
		    { "c", 37, 100044, "PA", GET_A, "-" },
		    { "b0", 100044, 37, "FA", NULL, "b0:PA 37(36)a100044 c:FA 100044(0)a37" },
		    { "c", 73, 100045, "PA", GET_A, "b0:PA 73(36)a100045" } } },
	{ "the backend closes before a request for another one: both ends can close",
	  .rows = { SPLICED,
		    { "c", 37, 1, "PA", GET_B, "" },
		    { "b0", 1, 37, "FPA", OK_0, "c:FPA 1(38)a37" },
		    { "c", 73, 40, "A", NULL, "b0:A 37(0)a40" },
		    { "c", 73, 40, "FA", NULL, "c:A 40(0)a74 b0:R 37(0)a0" } } },
	{ "the backend closes behind half a head: both ends can close",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "FPA", OK_0, "c:FPA 1(38)a37" },
		    { "c", 37, 40, "PA", "GET /", "" },
		    { "c", 42, 40, "FA", NULL, "c:A 40(0)a43 b0:R 37(0)a0" } } },
	{ "a tunnel's answer must be seen, whatever the rule says", .offload = OFFLOAD_ALWAYS,
	  .rows = { { "c", 1, 1, "PA", GET_A, "b0:S* 0(0)a0" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(36)a1 +b0" },
		    { "r", 0, 0, NULL, NULL, "" },
		    { "c", 37, 39, "PA", UPGRADE, "-" },
		    { "r", 0, 0, NULL, NULL, "b0:PA 37(68)a39" } } },
	{ "timestamps take their part of the MSS", .timestamps = true, .backend_mss = 64,
	  .rows = { { "c", 1, 1, "PA", UPGRADE, "b0:?" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(52)a1 b0:PA 53(16)a1" } } },
	{ "the same for a response of ours, to HEAD without content", .timestamps = true, .offer = { .mss = 216 },
	  .rows = { { "c", 1, 1, "PA", "HEAD / HTTP/1.1\r\nHost: c.example\r\n\r\n", "c:FPA 1(91)a37" } } },
	{ "404 to GET has its content",
	  .rows = { { "c", 1, 1, "PA", "GET / HTTP/1.1\r\nHost: c.example\r\n\r\n", "c:FPA 1(142)a36" } } },
	{ "an ACK of what nobody sent spoils nothing",
	  .rows = { SPLICED,
		    { "c", 37, 9999, "A", NULL, "b0:A 37(0)a9999" },
		    { "b0", 1, 37, "PA", OK_0, "c:PA 1(38)a37" },
		    { "c", 37, 39, "PA", GET_B, "b0:R 37(0)a0 b1:S* 36(0)a38" } } },
	{ "a client's RST behind a held request is exact for its backend, too",
	  .rows = { SPLICED, { "c", 37, 1, "PA", GET_B, "" }, { "c", 73, 1, "R", NULL, "b0:R 37(0)a0" } } },
	{ "a RST behind a FIN counts it", .rows = { SPLICED,
						    { "c", 37, 1, "FA", NULL, "b0:FA 37(0)a1" },
						    { "t", 240000, 0, NULL, NULL, "c:R 1(0)a0 b0:R 38(0)a0" } } },
	{ "a FIN before bytes that were seen already is nobody's",
	  .rows = { SPLICED,
		    { "b0", 1, 37, "PA", OK_0, "c:PA 1(38)a37" },
		    { "c", 37, 39, "PA", GET_B "GET", "b0:R 37(0)a0 b1:S* 36(0)a38" },
		    { "b1", 38, 37, "SA", NULL, "b1:PA 37(36)a39 c:A 39(0)a76" },
		    { "b1", 39, 73, "A", NULL, "c:A 39(0)a76" },
		    { "c", 7, 39, "FPA", "GET", "drop:out_of_window" } } },
	{ "a keep-alive after our refusal is answered",
	  .rows = { { "c", 1, 1, "PA", "BAD\r\n\r\n", "c:FPA 1(?)a8" }, { "c", 7, 148, "A", NULL, "c:A ?a8" } } },
	{ "the backend's SYN-ACK again is absorbed; one with other numbers is not believed",
	  .rows = { { "c", 1, 1, "PA", GET_A, "b0:S* 0(0)a0" },
		    { "b0", 5, 1, "SA", NULL, "drop:stray_synack" },
		    { "b0", 0, 2, "SA", NULL, "drop:not_flow_backend" },
		    { "b0", 0, 1, "SA", NULL, "b0:PA 1(36)a1" },
		    { "b0", 0, 1, "SA", NULL, "drop:stray_synack" } } },
};

/* '?' in an expectation stands for any run of characters. */
static bool matches(const char *want, const char *got)
{
	if (*want == '?') {
		for (;; got++) {
			if (matches(want + 1, got))
				return true;
			if (!*got)
				return false;
		}
	}
	return *want == *got && (!*want || matches(want + 1, got + 1));
}

/* Whatever happened: silence ends everything. */
static void end_in_silence(struct bench *b)
{
	for (unsigned i = 0; i < 8; i++) {
		bench_row(b, &(struct row){ .from = "t", .seq = 4 * 3600 * 1000 });
		while (b->op_count > 0)
			bench_row(b, &(struct row){ .from = "r" });
	}
	ck_assert_uint_eq(frontend_stats(b->fe)->flows, 0);
	ck_assert_uint_eq(b->fe->buffers.used, 0);
}

START_TEST(scripts_say_what_is_sent)
{
	const struct script *s = &scripts[_i / 2];
	struct bench *b = calloc(1, sizeof(*b));

	bench_config(&b->config);
	b->config.quirks = s->quirks;
	b->config.sw.timestamps = s->timestamps;
	for (unsigned i = 0; i < b->config.rule_count; i++)
		b->config.rules[i].offload = s->offload;
	bench_start(b, isns[_i % 2], s->offer.mss > 0 ? &s->offer : &usual_offer);
	b->backend_mss = s->backend_mss > 0 ? s->backend_mss : 1460;
	for (unsigned i = 0; i < ARRAY_LEN(s->rows) && s->rows[i].from; i++) {
		bench_row(b, &s->rows[i]);
		ck_assert_msg(matches(s->rows[i].expect, b->got), "%s, row %u: expected \"%s\", got \"%s\"", s->name, i,
			      s->rows[i].expect, b->got);
	}
	end_in_silence(b);
	bench_stop(b);
	free(b);
}
END_TEST

/* Another client of the bench, or the same port anew. */
struct caller {
	struct endpoint client;
	uint32_t client_isn, isn;
};

static void random_config(struct bench *b, struct prng *prng)
{
	bench_config(&b->config);
	b->config.quirks = prng_below(prng, 4) == 0 ? prng_u32(prng) & QUIRKS_ALL & ~QUIRK_BIT(QUIRK_P3) : 0;
	b->config.rules[1].offload = prng_below(prng, 3);
	b->config.rules[0].offload = prng_below(prng, 3);
	b->config.pools[0] = (struct config_pool){ .member_count = 2, .members = { 0, 1 } };
	b->config.pools[1] = (struct config_pool){ .member_count = 2, .members = { 1, 2 } };
	b->config.rule_count = prng_below(prng, 4) ? 2 : 1;
	b->config.http.strictness = prng_below(prng, 2) ? STRICTNESS_STRICT : STRICTNESS_LENIENT;
	b->config.sw.timestamps = prng_below(prng, 2);
	b->config.frontends.flows_max = prng_below(prng, 2) ? 1 + prng_below(prng, 3) : 64;
	b->config.frontends.buffers = prng_below(prng, 2) ? 1 + prng_below(prng, 3) : 16;
	b->config.timeouts.retries = (uint8_t)prng_below(prng, 4);
}

static void random_call(struct bench *b, struct caller *c, struct prng *prng)
{
	const struct syn_offer offer = { .mss = prng_below(prng, 2) ? 1460 : 216,
					 .wscale = prng_below(prng, 2) ? 7 : TCP_WSCALE_NONE,
					 .sack = prng_below(prng, 2) };

	c->client_isn = prng_u32(prng);
	c->isn = cookie_make(&b->config.cookie_key, c->client, b->config.vip, c->client_isn, &offer, b->now_ns);
}

/* Mostly numbers that fit, so that the flow gets on. */
static void random_numbers(struct bench *b, struct row *r, struct prng *prng)
{
	struct flow *f = flow_find(&b->fe->flows, b->client);

	r->seq = prng_below(prng, 4) ? 1 : prng_below(prng, 300);
	r->ack = 1 + (prng_below(prng, 4) ? 0 : prng_below(prng, 200));
	if (!f || f->client_isn != b->client_isn || prng_below(prng, 8) == 0)
		return;
	r->seq = r->from[0] == 'c' ? f->c_nxt - b->client_isn : f->s_nxt - b->isn;
	r->ack = r->from[0] == 'c' ? f->s_nxt - b->isn : f->c_nxt - b->client_isn;
	if (f->state == FSM_BACKEND_SYN && r->from[0] == 'b') {
		static const char *const names[] = { "b0", "b1", "b2", "b3" };

		r->from = names[f->backend];
		r->seq = f->s_start - 1 - b->isn;
		r->ack = f->c_start - b->client_isn;
		r->flags = prng_below(prng, 8) ? "SA" : "RA";
	}
}

static struct row random_row(struct bench *b, struct prng *prng)
{
	static const char *const texts[] = {
		NULL,
		NULL,
		GET_A,
		GET_B,
		GET_A GET_B,
		POST_8,
		POST_3G "x",
		UPGRADE,
		"CONNECT a.example:80 HTTP/1.1\r\nHost: a.example\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: b.example\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
		"0\r\n\r\n",
		"GET / HTTP/1.1\r\n",
		"BAD\r\n\r\n",
		"HTTP/1.1 101 x\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\n",
		OK_0,
		OK_BIG,
		OK_5G,
		OK_CHUNKED "1\r\nx\r\n0\r\n\r\n",
		"Host: a.example\r\n\r\n",
		"\r\n",
		"x"
	};
	static const char *const flag_sets[] = { "A", "A", "PA", "PA", "PA", "PA", "FA", "FPA", "R", "RA", "SA", "S" };
	static const char *const froms[] = { "c", "c", "c", "c", "b0", "b0", "b1", "b2", "t", "r", "full" };
	struct row r = { .from = froms[prng_below(prng, ARRAY_LEN(froms))],
			 .flags = flag_sets[prng_below(prng, ARRAY_LEN(flag_sets))],
			 .data = texts[prng_below(prng, ARRAY_LEN(texts))] };

	random_numbers(b, &r, prng);
	if (r.from[0] == 't')
		r.seq = prng_below(prng, 50) ? prng_below(prng, 2000) : 11 * 60 * 1000;
	if (b->op_count > 50)
		r.from = "r";
	return r;
}

/* What fsm.c says that nothing reaches was not reached. */
static void check_unreachable(const struct bench *b)
{
	for (unsigned cell = 0; cell < FSM_STATE_COUNT * FSM_EVENT_COUNT; cell++) {
		unsigned state = cell / FSM_EVENT_COUNT, event = cell % FSM_EVENT_COUNT;

		if (fsm_cell_unreachable(state, event))
			ck_assert_msg(fsm_cell_exists(state, event) &&
					      frontend_stats(b->fe)->transitions[state][event] == 0,
				      "%s %s", fsm_state_name(state), fsm_event_name(event));
	}
}

/* Any packet of anybody at any time: no event that the table calls illegal, nothing left afterwards. */
START_TEST(random_packets_do_no_harm)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct caller callers[4];
	struct prng prng;

	prng_seed(&prng, (uint64_t)_i + 1);
	random_config(b, &prng);
	bench_start(b, 0, &usual_offer);
	b->quiet = true;
	for (unsigned i = 0; i < ARRAY_LEN(callers); i++) {
		callers[i].client = address(100 + i, 4000);
		random_call(b, &callers[i], &prng);
	}
	for (unsigned n = 0; n < 3000; n++) {
		struct caller *c = &callers[prng_below(&prng, ARRAY_LEN(callers))];
		struct row r;

		if (prng_below(&prng, 40) == 0)
			random_call(b, c, &prng); /* the port is used again, in whatever state it was */
		b->client = c->client;
		b->client_isn = c->client_isn;
		b->isn = c->isn;
		b->timestamps = b->config.sw.timestamps && prng_below(&prng, 8);
		r = random_row(b, &prng);
		if ((r.from[0] != 'r' && r.from[0] != 'f') || b->op_count > 0)
			bench_row(b, &r);
	}
	end_in_silence(b);
	check_unreachable(b);
	bench_stop(b);
	free(b);
}
END_TEST

/* Two ends around the front-end, and losses on all sides. Numbers are relative, as in the scripts. */
struct lossy {
	struct bench b;
	struct prng prng;
	char text[2048]; /* text[i] is the client's byte i + 1; then comes its FIN */
	uint32_t end;	 /* the number after the last byte: the FIN's */
	uint32_t acked;	 /* of the client: what it need not send again */
	bool got[2048];	 /* of the backend */
	bool got_fin, connected;
	unsigned loss; /* one packet in this many is lost; 0: none */
};

static bool lost(struct lossy *l)
{
	return l->loss > 0 && prng_below(&l->prng, l->loss) == 0;
}

/* What the front-end sent, if it arrives. */
static void lossy_seen(void *ctx, const struct packet *p)
{
	struct lossy *l = ctx;
	uint32_t seq = p->phv.seq - l->b.client_isn, ack = p->phv.ack - l->b.client_isn;

	ck_assert(!(p->phv.tcp_flags & TCP_RST));
	if (lost(l))
		return;
	if (endpoint_equal(p->phv.dst, l->b.client)) {
		l->acked = MAX(l->acked, ack);
		return;
	}
	if (p->phv.tcp_flags & TCP_SYN)
		return;
	ck_assert_uint_le(seq + p->phv.payload_len, l->end);
	if (p->phv.payload_len > 0)
		ck_assert_int_eq(memcmp(packet_payload(p), l->text + seq - 1, p->phv.payload_len), 0);
	memset(l->got + seq, true, p->phv.payload_len);
	if (p->phv.tcp_flags & TCP_FIN) {
		ck_assert_uint_eq(seq + p->phv.payload_len, l->end);
		l->got_fin = true;
	}
	l->connected = true;
}

static void lossy_client(struct lossy *l, uint32_t seq, uint32_t len)
{
	char data[sizeof(l->text)];
	bool fin;

	if (seq > l->end)
		return;
	len = MIN(len, l->end - seq);
	fin = seq + len == l->end;
	snprintf(data, sizeof(data), "%.*s", (int)len, l->text + seq - 1);
	if (!lost(l))
		bench_row(&l->b, &(struct row){ "c", seq, 1, fin ? "FPA" : "PA", data, NULL });
}

static uint32_t lossy_backend_next(const struct lossy *l)
{
	uint32_t next = 1;

	while (next < l->end && l->got[next])
		next++;
	return next == l->end && l->got_fin ? next + 1 : next;
}

static void lossy_backend(struct lossy *l)
{
	struct row r = { "b0", 0, 1, "SA", NULL, NULL };

	if (l->connected)
		r = (struct row){ "b0", 1, lossy_backend_next(l), "A", NULL, NULL };
	if (!lost(l))
		bench_row(&l->b, &r);
}

static void lossy_text(struct lossy *l)
{
	static const char *const requests[] = { GET_A, POST_8 "12345678", "\r\n" GET_A,
						"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: "
						"chunked\r\n\r\n3\r\nabc\r\nb\r\n0123456789a\r\n0\r\n\r\n" };

	size_t len = 0;

	for (unsigned i = 0; i < 15; i++)
		len += (size_t)snprintf(l->text + len, sizeof(l->text) - len, "%s",
					requests[prng_below(&l->prng, ARRAY_LEN(requests))]);
	ck_assert_uint_lt(len, sizeof(l->text));
	l->end = (uint32_t)len + 1;
}

/* What was acknowledged to the client arrives, whatever is lost; nothing arrives that it did not send. */
START_TEST(every_byte_arrives)
{
	struct lossy *l = calloc(1, sizeof(*l));
	struct bench *b = &l->b;

	bench_config(&b->config);
	b->config.timeouts.retries = 15;
	prng_seed(&l->prng, (uint64_t)_i + 1);
	bench_start(b, isns[_i % 2], &usual_offer);
	b->seen = lossy_seen;
	b->seen_ctx = l;
	b->quiet = true;
	lossy_text(l);
	l->acked = 1;
	l->loss = 2 + prng_below(&l->prng, 5);
	for (unsigned n = 0; n < 400; n++) {
		uint32_t ahead = prng_below(&l->prng, 2) ? 0 : prng_below(&l->prng, 150);

		lossy_client(l, l->acked + ahead, 1 + prng_below(&l->prng, 120));
		if (prng_below(&l->prng, 4) == 0)
			lossy_backend(l);
		if (prng_below(&l->prng, 16) == 0)
			bench_row(b, &(struct row){ .from = "t", .seq = prng_below(&l->prng, 1500) });
	}
	l->loss = 0;
	for (unsigned n = 0; n < 100 && lossy_backend_next(l) <= l->end; n++) {
		lossy_client(l, l->acked, 100);
		lossy_backend(l);
		bench_row(b, &(struct row){ .from = "t", .seq = 500 });
	}
	ck_assert_uint_eq(lossy_backend_next(l), l->end + 1);
	b->seen = NULL;
	end_in_silence(b);
	check_unreachable(b);
	bench_stop(b);
	free(l);
}
END_TEST

/* A new connection on the port, its ISN close to the old numbers: what it acknowledges gives it away. */
START_TEST(a_near_isn_is_still_a_new_connection)
{
	static const struct row begin[] = { { "c", 1, 1, "PA", GET_A, "" }, { "b0", 0, 1, "SA", NULL, "" } };
	struct bench *b = calloc(1, sizeof(*b));
	struct row r = { .from = "c", .flags = "PA", .seq = 50001, .data = GET_A };

	bench_config(&b->config);
	bench_start(b, isns[_i], &usual_offer);
	for (unsigned i = 0; i < ARRAY_LEN(begin); i++)
		bench_row(b, &begin[i]);
	r.ack = cookie_make(&b->config.cookie_key, b->client, b->config.vip, b->client_isn + 50000, &usual_offer,
			    b->now_ns) +
		1 - b->isn;
	bench_row(b, &r);
	ck_assert_uint_eq(frontend_stats(b->fe)->transitions[FSM_COMPLETE][EVENT_REUSE], 1);
	ck_assert_uint_eq(frontend_stats(b->fe)->special_syns, 2);
	end_in_silence(b);
	bench_stop(b);
	free(b);
}
END_TEST

/* A pure ACK or an upload may look like a handshake by chance: one in 2^21 does. */
START_TEST(an_accidental_cookie_restarts_nothing)
{
	static const struct row begin[] = { { "c", 1, 1, "PA", POST_3G, "" },
					    { "b0", 0, 1, "SA", NULL, "" },
					    { "r", 0, 0, NULL, NULL, "" } };
	struct bench *b = calloc(1, sizeof(*b));
	struct row r = { .from = "c", .flags = "A" };

	bench_config(&b->config);
	b->config.rules[0].offload = OFFLOAD_ALWAYS;
	bench_start(b, isns[_i], &usual_offer);
	for (unsigned i = 0; i < ARRAY_LEN(begin); i++)
		bench_row(b, &begin[i]);
	for (unsigned i = 1; i <= 4; i++) {
		bool fin = i == 4;

		r.seq = 65 + i * 10000000;
		r.ack = cookie_make(&b->config.cookie_key, b->client, b->config.vip, b->client_isn + r.seq - 1,
				    &usual_offer, b->now_ns) +
			1 - b->isn;
		r.flags = fin ? "FA" : "A";
		r.data = fin ? NULL : "x";
		bench_row(b, &r);
		ck_assert_uint_eq(frontend_stats(b->fe)->transitions[FSM_OFFLOADED][EVENT_REUSE], 0);
	}
	r.flags = "A";
	r.seq++;
	r.ack = cookie_make(&b->config.cookie_key, b->client, b->config.vip, b->client_isn + r.seq - 1, &usual_offer,
			    b->now_ns) +
		1 - b->isn;
	bench_row(b, &r);
	ck_assert_int_eq(flow_find(&b->fe->flows, b->client)->state, FSM_CLIENT_FIN);
	end_in_silence(b);
	bench_stop(b);
	free(b);
}
END_TEST

START_TEST(round_robin_follows_weights)
{
	struct bench *b = calloc(1, sizeof(*b));
	char got[32] = "";

	bench_config(&b->config);
	b->config.pools[0] = (struct config_pool){ .member_count = 3, .members = { 0, 1, 2 } };
	b->config.backends[0].weight = 5;
	bench_start(b, 1, &usual_offer);
	for (unsigned i = 0; i < 14; i++)
		got[i] = (char)('a' + balance_draw(b->fe, 0));
	ck_assert_str_eq(got, "aabacaaaabacaa");
	bench_stop(b);
	free(b);
}
END_TEST

Suite *frontend_suite(void)
{
	Suite *s = suite_create("frontend");
	TCase *t = tcase_create("scripts");

	tcase_add_loop_test(t, scripts_say_what_is_sent, 0, 2 * (int)ARRAY_LEN(scripts));
	suite_add_tcase(s, t);
	t = tcase_create("random");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, random_packets_do_no_harm, 0, 200);
	suite_add_tcase(s, t);
	t = tcase_create("loss");
	tcase_add_loop_test(t, every_byte_arrives, 0, 200);
	suite_add_tcase(s, t);
	t = tcase_create("port reuse");
	tcase_add_loop_test(t, a_near_isn_is_still_a_new_connection, 0, 2);
	tcase_add_loop_test(t, an_accidental_cookie_restarts_nothing, 0, 2);
	suite_add_tcase(s, t);
	t = tcase_create("balance");
	tcase_add_test(t, round_robin_follows_weights);
	suite_add_tcase(s, t);
	return s;
}
