/* SPDX-License-Identifier: BSD-2-Clause */
/* test_packet.c: header parsing against every truncation, the pool, the ring, packets of our own. */
#include <check.h>
#include <stdlib.h>

#include "guard_page.h"
#include "miresga/checksum.h"
#include "miresga/packet.h"
#include "miresga/prng.h"
#include "miresga/ring.h"

Suite *packet_suite(void);

/* How a row's frame is built: IPv4 from 10.0.0.1:1000 to 10.0.1.10:80. */
struct frame_spec {
	uint16_t tags[3];    /* ethertypes of VLAN tags, 0: none */
	uint16_t ether_type; /* 0: IPv4 */
	uint8_t version_ihl; /* 0: 0x45 */
	uint16_t frag;
	uint8_t proto;	  /* 0: TCP */
	uint8_t data_off; /* in words, 0: 5 */
	uint16_t l4_len;  /* bytes after the IP header */
	uint16_t padding; /* bytes after the datagram */
	int total_error;  /* added to the IPv4 total length */
};

struct parsed {
	enum drop_reason drop;
	uint16_t l3_at, l4_at, payload_at;
	uint32_t payload_len;
	bool fragment;
};

static const struct parse_row {
	const char *name;
	struct frame_spec frame;
	struct parsed want;
} parse_rows[] = {
	{ "plain", { .l4_len = 25 }, { DROP_NONE, 14, 34, 54, 5, false } },
	{ "no payload", { .l4_len = 20 }, { DROP_NONE, 14, 34, 54, 0, false } },
	{ "padding is no payload", { .l4_len = 20, .padding = 6 }, { DROP_NONE, 14, 34, 54, 0, false } },
	{ "tcp options", { .l4_len = 62, .data_off = 15 }, { DROP_NONE, 14, 34, 94, 2, false } },
	{ "ip options", { .l4_len = 21, .version_ihl = 0x4f }, { DROP_NONE, 14, 74, 94, 1, false } },
	{ "vlan", { .l4_len = 20, .tags = { 0x8100 } }, { DROP_NONE, 18, 38, 58, 0, false } },
	{ "qinq", { .l4_len = 20, .tags = { 0x88a8, 0x8100 } }, { DROP_NONE, 22, 42, 62, 0, false } },
	{ "three tags", { .l4_len = 20, .tags = { 0x88a8, 0x8100, 0x8100 } }, { DROP_NOT_IPV4, 22, 0, 0, 0, false } },
	{ "ipv6", { .l4_len = 40, .ether_type = ETHERTYPE_IPV6 }, { DROP_NOT_IPV4, 14, 0, 0, 0, false } },
	{ "arp", { .l4_len = 20, .ether_type = ETHERTYPE_ARP }, { DROP_NONE, 14, 0, 0, 0, false } },
	{ "version 6 in an ipv4 frame",
	  { .l4_len = 20, .version_ihl = 0x65 },
	  { DROP_BAD_IP_HEADER, 14, 0, 0, 0, false } },
	{ "ihl 4", { .l4_len = 20, .version_ihl = 0x44 }, { DROP_BAD_IP_HEADER, 14, 0, 0, 0, false } },
	{ "total length one too large", { .l4_len = 20, .total_error = 1 }, { DROP_RUNT, 14, 0, 0, 0, false } },
	{ "total length 0", { .l4_len = 20, .total_error = -40 }, { DROP_RUNT, 14, 0, 0, 0, false } },
	{ "total length below ihl", { .l4_len = 20, .total_error = -21 }, { DROP_RUNT, 14, 0, 0, 0, false } },
	{ "total length cuts the tcp header",
	  { .l4_len = 20, .total_error = -1 },
	  { DROP_RUNT, 14, 0, 34, 19, false } },
	{ "total length cuts the payload", { .l4_len = 30, .total_error = -4 }, { DROP_NONE, 14, 34, 54, 6, false } },
	{ "data offset 4", { .l4_len = 20, .data_off = 4 }, { DROP_BAD_TCP_HEADER, 14, 0, 34, 20, false } },
	{ "data offset too large", { .l4_len = 59, .data_off = 15 }, { DROP_BAD_TCP_HEADER, 14, 0, 34, 59, false } },
	{ "first fragment", { .l4_len = 28, .frag = IP_FLAG_MF }, { DROP_NONE, 14, 34, 54, 8, true } },
	{ "tiny first fragment", { .l4_len = 8, .frag = IP_FLAG_MF }, { DROP_NONE, 14, 0, 34, 8, true } },
	{ "middle fragment", { .l4_len = 32, .frag = IP_FLAG_MF | 185 }, { DROP_NONE, 14, 0, 34, 32, true } },
	{ "last fragment", { .l4_len = 4, .frag = 185 }, { DROP_NONE, 14, 0, 34, 4, true } },
	{ "do not fragment is no fragment", { .l4_len = 20, .frag = IP_FLAG_DF }, { DROP_NONE, 14, 34, 54, 0, false } },
	{ "icmp", { .l4_len = 36, .proto = IP_PROTO_ICMP }, { DROP_NONE, 14, 34, 42, 28, false } },
	{ "icmp of 7 bytes", { .l4_len = 7, .proto = IP_PROTO_ICMP }, { DROP_RUNT, 14, 0, 34, 7, false } },
	{ "udp", { .l4_len = 12, .proto = IP_PROTO_UDP }, { DROP_NONE, 14, 0, 34, 12, false } },
};

static size_t frame_build(const struct frame_spec *f, uint8_t *out)
{
	uint8_t version_ihl = f->version_ihl ? f->version_ihl : 0x45;
	size_t at = 12, ihl = MAX((version_ihl & 15) * 4u, 20u);

	memset(out, 0, 256);
	for (unsigned i = 0; i < 3 && f->tags[i]; i++, at += 4) {
		store_be16(out + at, f->tags[i]);
		store_be16(out + at + 2, 0x2064);
	}
	store_be16(out + at, f->ether_type ? f->ether_type : ETHERTYPE_IPV4);
	at += 2;
	out[at] = version_ihl;
	store_be16(out + at + 2, (uint16_t)((int)(ihl + f->l4_len) + f->total_error));
	store_be16(out + at + 6, f->frag);
	out[at + 8] = 64;
	out[at + 9] = f->proto ? f->proto : IP_PROTO_TCP;
	store_be32(out + at + 12, 0x0a000001);
	store_be32(out + at + 16, 0x0a00010a);
	at += ihl;
	store_be16(out + at, 1000);
	store_be16(out + at + 2, 80);
	store_be32(out + at + 4, 0xfffffff0);
	store_be32(out + at + 8, 0x12345678);
	out[at + 12] = (uint8_t)((f->data_off ? f->data_off : 5) << 4);
	out[at + 13] = TCP_ACK | TCP_PSH;
	store_be16(out + at + 14, 502);
	return at + f->l4_len + f->padding;
}

/* What any PHV must keep to, whatever the frame. */
static void assert_inside(const struct packet *p, enum drop_reason drop)
{
	const struct phv *v = &p->phv;

	if (drop == DROP_NONE) {
		ck_assert_uint_le(v->payload_at + v->payload_len, p->len);
		ck_assert_uint_le(v->l4_at, p->len);
	}
	if (v->l4_at && v->ip_proto == IP_PROTO_TCP)
		ck_assert_uint_le(v->l4_at + TCP_HDR_MIN + v->tcp_options_len, v->payload_at);
	if (v->l4_at && v->ip_proto == IP_PROTO_ICMP)
		ck_assert_uint_le(v->l4_at + 8, v->payload_at);
}

START_TEST(parses)
{
	const struct parse_row *r = &parse_rows[_i];
	uint8_t frame[256];
	size_t len = frame_build(&r->frame, frame);
	struct packet p = { .data = frame, .len = (uint32_t)len };
	enum drop_reason drop;
	struct guard g;

	memset(&p.phv, 0xa5, sizeof(p.phv)); /* nothing of an earlier parse may remain */
	drop = headers_parse(&p);
	ck_assert_msg(drop == r->want.drop, "%s: %s", r->name, drop_key(drop));
	ck_assert_msg(p.phv.l3_at == r->want.l3_at, "%s: l3_at %u", r->name, p.phv.l3_at);
	ck_assert_msg(p.phv.l4_at == r->want.l4_at, "%s: l4_at %u", r->name, p.phv.l4_at);
	ck_assert_msg(p.phv.payload_at == r->want.payload_at, "%s: payload_at %u", r->name, p.phv.payload_at);
	ck_assert_msg(p.phv.payload_len == r->want.payload_len, "%s: payload_len %u", r->name, p.phv.payload_len);
	ck_assert_msg(p.phv.fragment == r->want.fragment, "%s: fragment", r->name);
	ck_assert(!p.phv.hit && !p.phv.from_backend && !p.phv.direction && !p.phv.client.addr);
	if (p.phv.l4_at && p.phv.ip_proto == IP_PROTO_TCP) {
		ck_assert_uint_eq(be32_to(p.phv.src.addr), 0x0a000001);
		ck_assert_uint_eq(be32_to(p.phv.dst.addr), 0x0a00010a);
		ck_assert_uint_eq(be16_to(p.phv.src.port), 1000);
		ck_assert_uint_eq(be16_to(p.phv.dst.port), 80);
		ck_assert_uint_eq(p.phv.seq, 0xfffffff0);
		ck_assert_uint_eq(p.phv.ack, 0x12345678);
		ck_assert_uint_eq(p.phv.tcp_flags, TCP_ACK | TCP_PSH);
		ck_assert_uint_eq(p.phv.window, 502);
	} else {
		ck_assert_uint_eq(p.phv.src.port, 0);
	}
	/* Every truncation, against the guard page. */
	ck_assert_int_eq(guard_init(&g), 0);
	for (size_t cut = 0; cut <= len; cut++) {
		p.data = guard_put(&g, frame, cut);
		p.len = (uint32_t)cut;
		drop = headers_parse(&p);
		assert_inside(&p, drop);
		if (cut < len - r->frame.padding && r->want.drop == DROP_NONE && !r->frame.ether_type &&
		    r->frame.total_error == 0)
			ck_assert_msg(drop == DROP_RUNT, "%s cut to %zu: %s", r->name, cut, drop_key(drop));
	}
	guard_fini(&g);
}
END_TEST

START_TEST(mutated_frames_stay_inside)
{
	uint8_t frame[256];
	struct guard g;
	struct prng r;

	ck_assert_int_eq(guard_init(&g), 0);
	prng_seed(&r, 11);
	for (unsigned round = 0; round < 200000; round++) {
		size_t len = frame_build(&parse_rows[prng_below(&r, ARRAY_LEN(parse_rows))].frame, frame);
		struct packet p = { 0 };

		for (unsigned i = prng_below(&r, 4); i > 0; i--)
			frame[prng_below(&r, (uint32_t)len)] = (uint8_t)prng_u32(&r);
		len = prng_below(&r, 3) ? len : prng_below(&r, (uint32_t)len + 1);
		p.data = guard_put(&g, frame, len);
		p.len = (uint32_t)len;
		assert_inside(&p, headers_parse(&p));
	}
	guard_fini(&g);
}
END_TEST

START_TEST(largest_datagram)
{
	static uint8_t frame[FRAME_MAX];
	struct packet p = { .data = frame, .len = FRAME_MAX };

	frame_build(&(struct frame_spec){ .l4_len = 20 }, frame);
	store_be16(frame + 16, 65535);
	ck_assert_int_eq(headers_parse(&p), DROP_NONE);
	ck_assert_uint_eq(p.phv.payload_len, 65535 - 40);
}
END_TEST

START_TEST(pool_hands_out_and_takes_back)
{
	struct packet_pool *pool = packet_pool_create(2, 1);
	struct packet *a, *b, *c;

	ck_assert_ptr_nonnull(pool);
	a = packet_alloc(pool, 60);
	b = packet_alloc(pool, PACKET_SMALL);
	c = packet_alloc(pool, 60); /* a large one stands in */
	ck_assert(a && b && c);
	ck_assert_uint_eq(a->room, PACKET_SMALL);
	ck_assert_uint_eq(c->room, FRAME_MAX);
	ck_assert_uint_eq(packet_pool_used(pool), 3);
	ck_assert_ptr_null(packet_alloc(pool, 60));
	ck_assert_ptr_null(packet_alloc(pool, FRAME_MAX));
	memset(a->data, 1, a->room);
	memset(b->data, 2, b->room);
	memset(c->data, 3, c->room);
	ck_assert(a->data[0] == 1 && a->data[a->room - 1] == 1 && b->data[0] == 2 && b->data[b->room - 1] == 2);
	ck_assert_uint_eq((uintptr_t)a->data % 4, 2);
	ck_assert_uint_eq((uintptr_t)c->data % 4, 2);
	a->fate = FATE_DROP;
	a->frame = 7;
	a->phv.seq = 7;
	packet_free(pool, b);
	packet_free(pool, a);
	ck_assert_ptr_eq(packet_alloc(pool, 1), a); /* last in, first out */
	ck_assert(a->fate == FATE_FORWARD && a->frame == 0 && a->phv.seq == 0 && a->len == 1);
	packet_free(pool, NULL);
	ck_assert_uint_eq(packet_pool_used(pool), 2);
	packet_pool_free(pool);
	packet_pool_free(NULL);
}
END_TEST

START_TEST(pool_of_one_class)
{
	struct packet_pool *pool = packet_pool_create(0, 1);
	struct packet *p = packet_alloc(pool, FRAME_MAX);

	ck_assert_ptr_nonnull(p);
	p->data[FRAME_MAX - 1] = 1;
	ck_assert_ptr_null(packet_alloc(pool, 1));
	packet_pool_free(pool);
	pool = packet_pool_create(1, 0);
	ck_assert_ptr_null(packet_alloc(pool, PACKET_SMALL + 1));
	ck_assert_ptr_nonnull(packet_alloc(pool, PACKET_SMALL));
	packet_pool_free(pool);
}
END_TEST

START_TEST(pool_freeing_twice_aborts)
{
	struct packet_pool *pool = packet_pool_create(1, 0);
	struct packet *p = packet_alloc(pool, 1);

	packet_free(pool, p);
	packet_free(pool, p);
}
END_TEST

START_TEST(queue_is_first_in_first_out)
{
	struct packet p[3] = { 0 };
	struct packet_queue q = { 0 };

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 3; i++)
			packet_queue_push(&q, &p[i]);
		ck_assert_uint_eq(q.count, 3);
		for (unsigned i = 0; i < 3; i++)
			ck_assert_ptr_eq(packet_queue_pop(&q), &p[i]);
		ck_assert_ptr_null(packet_queue_pop(&q));
	}
}
END_TEST

START_TEST(ring_wraps_and_fills)
{
	struct packet p[8] = { 0 };
	struct packet *out[8];
	struct ring r;

	ck_assert_int_eq(ring_init(&r, 4), 0);
	ck_assert_uint_eq(ring_pop(&r, out, 8), 0);
	/* Let the free-running indices wrap around 2^32 as well. */
	atomic_store(&r.head, UINT32_MAX - 5);
	atomic_store(&r.tail, UINT32_MAX - 5);
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 4; i++)
			ck_assert(ring_push(&r, &p[i]));
		ck_assert(!ring_push(&r, &p[4]));
		ck_assert_uint_eq(ring_count(&r), 4);
		ck_assert_uint_eq(ring_pop(&r, out, 3), 3);
		ck_assert(out[0] == &p[0] && out[1] == &p[1] && out[2] == &p[2]);
		ck_assert_uint_eq(ring_pop(&r, out, 8), 1);
		ck_assert_ptr_eq(out[0], &p[3]);
	}
	ring_fini(&r);
}
END_TEST

START_TEST(makes_tcp)
{
	static const uint8_t options[] = { 2, 4, 5, 180, 1, 1, 4, 2 };
	static const char body[] = "hello"; /* odd length without its terminator */
	struct tcp_packet_spec spec = {
		.src = endpoint_make(be32_from(0x0a000001), be16_from(1000)),
		.dst = endpoint_make(be32_from(0x0a00010a), be16_from(80)),
		.seq = 0xffffffff,
		.ack = 5,
		.flags = TCP_SYN | TCP_ACK,
		.tos = 2,
		.window = 65535,
		.options = options,
		.options_len = _i & 1 ? sizeof(options) : 0,
		.payload = body,
		.payload_len = _i & 2 ? 5 : 0,
	};
	struct packet_pool *pool = packet_pool_create(1, 0);
	struct packet *p = packet_make_tcp(pool, &spec);
	size_t l4_len = 20 + spec.options_len + spec.payload_len;

	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(p->len, 34 + l4_len);
	ck_assert(endpoint_equal(p->phv.src, spec.src) && endpoint_equal(p->phv.dst, spec.dst));
	ck_assert(p->phv.seq == spec.seq && p->phv.ack == spec.ack && p->phv.window == spec.window);
	ck_assert_uint_eq(p->phv.tcp_flags, spec.flags);
	ck_assert_uint_eq(p->phv.payload_len, spec.payload_len);
	ck_assert_uint_eq(packet_seq_len(p), spec.payload_len + 1);
	ck_assert_mem_eq(packet_tcp_options(p), options, spec.options_len);
	ck_assert_mem_eq(packet_payload(p), body, spec.payload_len);
	ck_assert_uint_eq(packet_ip(p)->check, csum_ipv4(packet_ip(p), 20));
	ck_assert_uint_eq(packet_tcp(p)->check, csum_tcp(packet_ip(p), packet_tcp(p), l4_len));
	ck_assert_uint_eq(packet_ip(p)->tos, 2);
	ck_assert_ptr_null(packet_make_tcp(pool, &spec));
	packet_pool_free(pool);
}
END_TEST

Suite *packet_suite(void)
{
	Suite *s = suite_create("packet");
	TCase *t = tcase_create("packet");

	tcase_add_loop_test(t, parses, 0, (int)ARRAY_LEN(parse_rows));
	tcase_add_test(t, mutated_frames_stay_inside);
	tcase_add_test(t, largest_datagram);
	tcase_add_test(t, pool_hands_out_and_takes_back);
	tcase_add_test(t, pool_of_one_class);
	tcase_add_test_raise_signal(t, pool_freeing_twice_aborts, 6); /* SIGABRT */
	tcase_add_test(t, queue_is_first_in_first_out);
	tcase_add_test(t, ring_wraps_and_fills);
	tcase_add_loop_test(t, makes_tcp, 0, 4);
	suite_add_tcase(s, t);
	return s;
}
