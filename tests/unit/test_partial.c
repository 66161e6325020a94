/* SPDX-License-Identifier: BSD-2-Clause */
/* test_partial.c: segments whose TCP checksum is partial (struct packet) go through every rewrite of the switch and
 * the front-end beside the same segments with a full one. A world without agents carries them, as for `miresga live`,
 * in descriptors of the host. */
#include <check.h>
#include <stdlib.h>

#include "miresga/checksum.h"
#include "miresga/world.h"

Suite *partial_suite(void);

#define T0 (UINT64_C(1700000000) * NS_PER_S)
#define CLIENT_ISN 0xfffffff0u /* numbers wrap at once */
#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
#define TEXT_LEN(text) ((uint32_t)sizeof(text) - 1)

static const char config_text[] = "vip: 10.0.1.10:80\n"
				  "backends: [{name: web1, address: 198.18.0.1:8080}]\n"
				  "pools: [{name: web, backends: [web1]}]\n"
				  "rules: [{pool: web, offload: never}]\n"
				  "switch: {insertion_latency: 0us}\n"
				  "frontends: {count: 1, flows: 8, buffers: 8}\n";

/* What came out last at one end. */
struct seen {
	struct packet packet;
	uint8_t frame[2048];
	unsigned count;
};

struct bench {
	struct config *config;
	struct world *world;
	struct packet_pool *pool; /* what the tests' own packets are made in */
	bool partial;
	uint32_t isn; /* L */
	struct seen client, wire;
};

static void keep(struct seen *s, const struct packet *p)
{
	ck_assert_uint_le(p->len, sizeof(s->frame));
	s->packet = *p;
	s->packet.data = s->frame;
	memcpy(s->frame, p->data, p->len);
	ck_assert_int_eq(headers_parse(&s->packet), DROP_NONE);
	s->count++;
}

static void on_client(void *ctx, struct packet *p, uint64_t now_ns)
{
	(void)now_ns;
	keep(&((struct bench *)ctx)->client, p);
}

static void on_wire(void *ctx, unsigned backend, struct packet *p, uint64_t now_ns)
{
	(void)now_ns;
	ck_assert_uint_eq(backend, 0);
	keep(&((struct bench *)ctx)->wire, p);
}

static void report_error(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	(void)ctx;
	printf("%s:%u:%u: %s\n", file, line, column, message);
}

static struct bench bench_open(bool partial, bool offload, uint32_t quirks)
{
	struct bench b = { .config = calloc(1, sizeof(struct config)), .partial = partial };

	ck_assert_ptr_nonnull(b.config);
	ck_assert_int_eq(config_load_memory(b.config, "test", config_text, sizeof(config_text) - 1, report_error, NULL),
			 0);
	b.config->rules[0].offload = offload ? OFFLOAD_ALWAYS : OFFLOAD_NEVER;
	b.config->quirks = quirks;
	b.pool = packet_pool_create(4, 4);
	ck_assert_ptr_nonnull(b.pool);
	return b;
}

static void bench_start(struct bench *b)
{
	const struct world_hooks hooks = { .ctx = b, .client_received = on_client, .wire_received = on_wire };

	b->world = world_create(b->config, &hooks);
	ck_assert_ptr_nonnull(b->world);
	world_run(b->world, T0);
}

static void bench_close(struct bench *b)
{
	world_free(b->world);
	packet_pool_free(b->pool);
	free(b->config);
}

/* What a sender leaves to its interface: the sum of the pseudo-header (RFC 9293 §3.1), not complemented. */
static be16 seed(const struct packet *p)
{
	const struct ipv4_hdr *ip = packet_ip(p);
	uint32_t sum = csum_sum(&ip->src, 2 * sizeof(ip->src), 0);

	sum += __builtin_bswap16(IP_PROTO_TCP);
	sum += __builtin_bswap16((uint16_t)(be16_to(ip->total_len) - (p->phv.l4_at - p->phv.l3_at)));
	return (WIRE_FORCE be16)csum_sum("", 0, sum);
}

static void assert_checksums(const struct packet *p, bool partial)
{
	const struct ipv4_hdr *ip = packet_ip(p);
	be16 right = csum_tcp(ip, packet_tcp(p), (size_t)be16_to(ip->total_len) - (p->phv.l4_at - p->phv.l3_at));

	ck_assert_int_eq(p->checksum_partial, partial);
	ck_assert_uint_eq(be16_to(ip->check), be16_to(csum_ipv4(ip, p->phv.l4_at - p->phv.l3_at)));
	ck_assert_uint_eq(be16_to(packet_tcp(p)->check), be16_to(partial ? seed(p) : right));
}

struct segment {
	bool from_wire;
	uint32_t seq, ack; /* relative to the initial numbers */
	uint8_t flags;
	const char *text;
};

/* Sends a segment through the world, from memory of the host's own. */
static void send_segment(struct bench *b, const struct segment *s)
{
	static const char client_text[] = "192.0.2.7:51000";
	struct endpoint client, backend = b->config->backends[0].address;
	uint32_t client_isn = CLIENT_ISN, seq = s->seq, ack = s->ack;
	struct packet *made, own = { .size_class = PACKET_OF_HOST, .room = sizeof(b->client.frame) };
	uint8_t frame[sizeof(b->client.frame)];

	ck_assert_int_eq(endpoint_parse(client_text, &client), 0);
	seq += s->from_wire ? b->isn : client_isn;
	ack += s->from_wire ? client_isn : b->isn;
	made = packet_make_tcp(b->pool, &(struct tcp_packet_spec){ .src = s->from_wire ? backend : client,
								   .dst = s->from_wire ? client : b->config->vip,
								   .seq = seq,
								   .ack = s->flags & TCP_ACK ? ack : 0,
								   .flags = s->flags,
								   .window = 1000,
								   .payload = s->text,
								   .payload_len = s->text ? strlen(s->text) : 0 });
	ck_assert_ptr_nonnull(made);
	if (b->partial)
		packet_tcp(made)->check = seed(made);
	memcpy(frame, made->data, made->len);
	own.data = frame;
	own.len = made->len;
	own.checksum_partial = b->partial;
	packet_free(b->pool, made);
	b->client.count = b->wire.count = 0;
	if (s->from_wire)
		world_wire_carries(b->world, 0, false, &own);
	else
		world_client_sends(b->world, &own);
	world_run(b->world, T0);
	ck_assert_ptr_null(own.data); /* the world has let go of it */
}

/* From the client's SYN to the first request's delivery; everything that comes out is made here. */
static void connect_both(struct bench *b)
{
	send_segment(b, &(struct segment){ .flags = TCP_SYN });
	ck_assert_uint_eq(b->client.count, 1);
	ck_assert_uint_eq(b->client.packet.phv.tcp_flags, TCP_SYN | TCP_ACK);
	assert_checksums(&b->client.packet, false);
	b->isn = b->client.packet.phv.seq;
	send_segment(b, &(struct segment){ .seq = 1, .ack = 1, .flags = TCP_ACK });
	send_segment(b, &(struct segment){ .seq = 1, .ack = 1, .flags = TCP_ACK | TCP_PSH, .text = GET });
	ck_assert_uint_eq(b->wire.count, 1);
	ck_assert_uint_eq(b->wire.packet.phv.tcp_flags, TCP_SYN);
	assert_checksums(&b->wire.packet, false);
	send_segment(b, &(struct segment){ .from_wire = true, .ack = 1, .flags = TCP_SYN | TCP_ACK });
	ck_assert_uint_eq(b->wire.count, 1);
	ck_assert_uint_eq(b->wire.packet.phv.payload_len, TEXT_LEN(GET));
	assert_checksums(&b->wire.packet, false);
}

/* Sends what must come out at the other end, readdressed; its checksum stays of the kind that it is. */
static void assert_forwarded(struct bench *b, const struct segment *s)
{
	const struct seen *seen = s->from_wire ? &b->client : &b->wire;
	const struct phv *v = &seen->packet.phv;

	send_segment(b, s);
	ck_assert_uint_eq(seen->count, 1);
	ck_assert(endpoint_equal(s->from_wire ? v->src : v->dst,
				 s->from_wire ? b->config->vip : b->config->backends[0].address));
	ck_assert_uint_eq(v->payload_len, s->text ? strlen(s->text) : 0);
	assert_checksums(&seen->packet, b->partial);
}

static const struct segment exchange[] = {
	{ true, 1, 1 + TEXT_LEN(GET), TCP_ACK | TCP_PSH, RESPONSE },
	{ false, 1 + TEXT_LEN(GET), 1 + TEXT_LEN(RESPONSE), TCP_ACK, NULL },
	{ false, 1 + TEXT_LEN(GET), 1 + TEXT_LEN(RESPONSE), TCP_ACK | TCP_PSH, GET },
	{ true, 1 + TEXT_LEN(RESPONSE), 1 + 2 * TEXT_LEN(GET), TCP_ACK | TCP_PSH, RESPONSE },
};

/* Bit 0: partial; bit 1: offloaded. */
START_TEST(forwarded)
{
	struct bench b = bench_open(_i & 1, _i & 2, 0);

	bench_start(&b);
	connect_both(&b);
	for (size_t i = 0; i < ARRAY_LEN(exchange); i++)
		assert_forwarded(&b, &exchange[i]);
	ck_assert_uint_eq(switch_stats(world_switch(b.world))->fast_path_packets > 0, !!(_i & 2));
	bench_close(&b);
}
END_TEST

/* Quirk F5 turns FINs into RSTs in place. */
START_TEST(fin_to_rst)
{
	const struct segment fin = { false, 1 + TEXT_LEN(GET), 1, TCP_ACK | TCP_FIN, NULL };
	struct bench b = bench_open(_i, false, QUIRK_BIT(QUIRK_F5));

	bench_start(&b);
	connect_both(&b);
	assert_forwarded(&b, &fin);
	ck_assert_uint_eq(b.wire.packet.phv.tcp_flags, TCP_ACK | TCP_RST);
	bench_close(&b);
}
END_TEST

/* A full checksum that is wrong stays wrong, by the same amount; that a partial one is never taken for it. */
START_TEST(endpoint_changes)
{
	const struct endpoint from = endpoint_make(be32_from(0xc0000207), be16_from(51000));
	const struct endpoint to = endpoint_make(be32_from(0xc6120001), be16_from(80));
	struct bench b = bench_open(false, false, 0);
	struct packet *p = packet_make_tcp(b.pool, &(struct tcp_packet_spec){ .src = from, .dst = b.config->vip });
	be16 partial, full;

	ck_assert_ptr_nonnull(p);
	full = packet_tcp(p)->check;
	partial = seed(p);
	packet_ip(p)->src = to.addr;
	packet_tcp(p)->sport = to.port;
	ck_assert_uint_eq(be16_to(csum_update_endpoint(partial, from, to, true)), be16_to(seed(p)));
	packet_tcp(p)->check = full;
	ck_assert_uint_eq(be16_to(csum_update_endpoint(full, from, to, false)),
			  be16_to(csum_tcp(packet_ip(p), packet_tcp(p), TCP_HDR_MIN)));
	packet_free(b.pool, p);
	packet_pool_free(b.pool);
	free(b.config);
}
END_TEST

Suite *partial_suite(void)
{
	Suite *s = suite_create("partial");
	TCase *t = tcase_create("partial");

	tcase_add_loop_test(t, forwarded, 0, 4);
	tcase_add_loop_test(t, fin_to_rst, 0, 2);
	tcase_add_test(t, endpoint_changes);
	suite_add_tcase(s, t);
	return s;
}
