/* SPDX-License-Identifier: BSD-2-Clause */
/* test_switch.c: the pipeline as a whole: what leaves, bit by bit. SYN-ACKs, the fast path, ARP, VLAN, refusals,
 * batches, routes, and quirks P2 and P3. */
#include <check.h>

#include "miresga/cookie.h"
#include "miresga/prng.h"
#include "src/switch/switch_internal.h"
#include "switch_fixture.h"

Suite *switch_suite(void);

#define CLIENT_ISN 0xfffffffe

/* --- SYN-ACK ---------------------------------------------------------------------------------- */

#define MSS_(v) 2, 4, (v) >> 8, (v)&255
#define WS_(v) 1, 3, 3, (v)
#define SACK_ 1, 1, 4, 2
#define TS_(v) 1, 1, 8, 10, 0, 0, 0, (v), 0, 0, 0, 0

struct synack_row {
	const char *what;
	uint8_t options[TCP_OPTIONS_MAX];
	uint8_t options_len;
	uint8_t flags; /* besides SYN */
	bool timestamps, ecn;
	/* the reply */
	uint16_t mss;
	uint8_t wscale;
	bool sack, tsval;
	uint8_t reply_flags; /* besides SYN and ACK */
};

#define ECN_SETUP (TCP_ECE | TCP_CWR)
#define NONE_ TCP_WSCALE_NONE
static const struct synack_row synacks[] = {
	{ "no options", { 0 }, 0, 0, false, false, 1460, NONE_, false, false, 0 },
	{ "MSS", { MSS_(1200) }, 4, 0, false, false, 1460, NONE_, false, false, 0 },
	{ "window scale", { WS_(9) }, 4, 0, false, false, 1460, 7, false, false, 0 },
	{ "window scale 0", { WS_(0) }, 4, 0, false, false, 1460, 7, false, false, 0 },
	{ "SACK", { SACK_ }, 4, 0, false, false, 1460, NONE_, true, false, 0 },
	{ "timestamps, not ours", { TS_(5) }, 12, 0, false, false, 1460, NONE_, false, false, 0 },
	{ "timestamps", { TS_(5) }, 12, 0, true, false, 1460, NONE_, false, true, 0 },
	{ "timestamps not offered", { MSS_(1460) }, 4, 0, true, false, 1460, NONE_, false, false, 0 },
	{ "like Linux",
	  { MSS_(1460), 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0, WS_(7) },
	  20,
	  0,
	  true,
	  false,
	  1460,
	  7,
	  true,
	  true,
	  0 },
	{ "like Windows", { MSS_(1460), WS_(8), SACK_ }, 12, 0, true, false, 1460, 7, true, false, 0 },
	{ "like macOS", { MSS_(1460), WS_(6), TS_(9), 4, 2, 0, 0 }, 24, 0, true, false, 1460, 7, true, true, 0 },
	{ "ECN refused", { 0 }, 0, ECN_SETUP, false, false, 1460, NONE_, false, false, 0 },
	{ "ECN accepted", { 0 }, 0, ECN_SETUP, false, true, 1460, NONE_, false, false, TCP_ECE },
	{ "half an ECN-setup", { 0 }, 0, TCP_ECE, false, true, 1460, NONE_, false, false, 0 },
	{ "malformed option", { WS_(3), 2, 9, 0, 0 }, 8, 0, false, false, 1460, 7, false, false, 0 },
	{ "Fast Open cookie", { 34, 2, 1, 1 }, 4, 0, false, false, 1460, NONE_, false, false, 0 },
};

static struct frame_spec syn_of(const struct synack_row *r)
{
	return (struct frame_spec){
		.src = CLIENT,
		.dst = VIP,
		.flags = TCP_SYN | r->flags,
		.seq = CLIENT_ISN,
		.options = r->options,
		.options_len = r->options_len,
	};
}

static void assert_synack_headers(const struct packet *p, uint8_t extra_flags)
{
	const struct ipv4_hdr *ip = packet_ip(p);

	assert_endpoint(p->phv.src, VIP);
	assert_endpoint(p->phv.dst, CLIENT);
	ck_assert_uint_eq(ip->version_ihl, 0x45);
	ck_assert_uint_eq(ip->tos, 0);
	ck_assert_uint_eq(ip->ttl, 64);
	ck_assert_uint_eq(be16_to(ip->id), 0);
	ck_assert_uint_eq(be16_to(ip->frag), IP_FLAG_DF);
	ck_assert_uint_eq(p->phv.tcp_flags, TCP_SYN | TCP_ACK | extra_flags);
	ck_assert_uint_eq(p->phv.ack, 0xffffffff);
	ck_assert_uint_eq(p->phv.window, 65535);
	ck_assert_uint_eq(p->phv.payload_len, 0);
	ck_assert_uint_eq(be16_to(packet_tcp(p)->urgent), 0);
	ck_assert_uint_eq(p->len, p->phv.payload_at);
}

/* Each SYN plain, with data, with IPv4 options, in VLANs, in a padded frame: the answer is the same. */
static const struct frame_spec variants[] = {
	{ .padding = 0 },  { .payload_len = 300 }, { .ip_options_len = 40 }, { .vlan_tags = 2, .ip_options_len = 4 },
	{ .padding = 18 },
};

START_TEST(test_synack)
{
	const struct synack_row *r = &synacks[_i];

	for (unsigned v = 0; v < ARRAY_LEN(variants); v++) {
		struct fixture *f = fixture_create();
		struct frame frame;
		struct frame_spec s = syn_of(r);
		struct packet *p;
		struct tcp_options o, offered;
		struct syn_offer offer;

		f->config.sw.timestamps = r->timestamps;
		f->config.sw.ecn = r->ecn;
		fixture_start(f);
		s.payload_len = variants[v].payload_len;
		s.ip_options_len = variants[v].ip_options_len;
		s.vlan_tags = variants[v].vlan_tags;
		s.padding = variants[v].padding;
		p = frame_make(&frame, &s);
		run_one(f->sw, p, T0);
		ck_assert_uint_eq(p->fate, FATE_FORWARD);
		ck_assert_uint_eq(p->egress_port, PORT_CLIENT);
		ck_assert_uint_eq(p->phv.action, STEER_REPLY_SYNACK);
		assert_checksums(p, true, true);
		assert_synack_headers(p, r->reply_flags);
		ck_assert_uint_eq(p->phv.l3_at, ETH_HDR_LEN + 4 * s.vlan_tags);

		tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &o);
		ck_assert(!o.malformed);
		ck_assert_uint_eq(o.mss, r->mss);
		ck_assert_uint_eq(o.wscale, r->wscale);
		ck_assert_int_eq(o.sack_permitted, r->sack);
		ck_assert_int_eq(o.has_timestamps, r->tsval);
		tcp_options_parse(r->options, r->options_len, &offered);
		if (r->tsval)
			ck_assert_uint_eq(o.tsecr, offered.tsval);
		/* L proves itself, and carries what the client offered. */
		ck_assert(cookie_check(&f->config.cookie_key, ep(CLIENT), ep(VIP), CLIENT_ISN, p->phv.seq, T0, &offer));
		ck_assert_uint_eq(offer.wscale, offered.wscale);
		ck_assert_int_eq(offer.sack, offered.sack_permitted);
		ck_assert_int_eq(offer.ecn, r->reply_flags == TCP_ECE);
		ck_assert_uint_eq(offer.mss, offered.mss ? offered.mss : TCP_MSS_DEFAULT);
		ck_assert_uint_eq(switch_stats(f->sw)->syn_answered, 1);
		fixture_free(f);
	}
}
END_TEST

/* Answers a SYN of `s` at `now_ns`; the reply's options in *o. Returns L. */
static uint32_t isn_of(struct fixture *f, const struct frame_spec *s, uint64_t now_ns, struct tcp_options *o)
{
	struct frame frame;
	struct packet *p = frame_make(&frame, s);

	run_one(f->sw, p, now_ns);
	assert_checksums(p, true, true);
	tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, o);
	return p->phv.seq;
}

#define LIKE_LINUX 8

START_TEST(test_retransmitted_syn)
{
	struct fixture *f = fixture_create();
	struct frame_spec s = syn_of(&synacks[LIKE_LINUX]);
	/* T0 begins a clock step of both the cookie and the timestamps. */
	const uint64_t step_ns = 64 * NS_PER_S, start_ns = T0 / step_ns * step_ns;
	struct tcp_options first, again, later;
	uint32_t l;

	f->config.sw.timestamps = true;
	fixture_start(f);
	l = isn_of(f, &s, start_ns, &first);
	ck_assert_uint_eq(isn_of(f, &s, start_ns + 7 * NS_PER_S, &again), l);
	ck_assert_uint_eq(again.tsval, first.tsval);
	/* Later the clock has moved; TSval never falls. */
	ck_assert_uint_ne(isn_of(f, &s, start_ns + step_ns, &later), l);
	ck_assert_uint_eq(later.tsval - first.tsval, 64000);
	/* Another connection from the same port. */
	s.seq++;
	ck_assert_uint_ne(isn_of(f, &s, start_ns, &again), l);
	ck_assert_uint_eq(again.tsval, first.tsval);
	fixture_free(f);
}
END_TEST

/* A client whose clock offset comes to 0 at some time: the reply carries another number. */
START_TEST(test_tsval_is_never_zero)
{
	struct fixture *f = fixture_create();
	struct frame_spec s = syn_of(&synacks[LIKE_LINUX]);
	char client[ENDPOINT_TEXT_MAX];
	unsigned found = 0;

	f->config.sw.timestamps = true;
	fixture_start(f);
	s.src = client;
	for (uint16_t port = 1; port < 60000; port++) {
		struct tcp_options o;
		uint32_t left_ms;

		endpoint_format(endpoint_make(be32_from(0xc0000207), be16_from(port)), client);
		isn_of(f, &s, 0, &o);
		left_ms = 0 - o.tsval;
		if (left_ms % 8000) /* the clock's step */
			continue;
		isn_of(f, &s, left_ms * NS_PER_MS, &o);
		ck_assert_uint_eq(o.tsval, 1);
		found++;
	}
	ck_assert_uint_gt(found, 0);
	fixture_free(f);
}
END_TEST

/* A broken SYN gets a broken SYN-ACK, wrong by the same amount. */
START_TEST(test_synack_keeps_errors)
{
	static const struct {
		uint16_t ip, tcp, payload;
	} errors[] = { { 1, 0, 0 }, { 0, 1, 0 }, { 0x8000, 0xfffe, 0 }, { 0x1234, 0x0100, 333 } };
	struct fixture *f = fixture_create();
	struct frame frame, right;
	struct frame_spec s = syn_of(&synacks[LIKE_LINUX]);
	struct packet *p, *q;

	fixture_start(f);
	q = frame_make(&right, &s);
	run_one(f->sw, q, T0);
	s.ip_error = errors[_i].ip;
	s.tcp_error = errors[_i].tcp;
	s.payload_len = errors[_i].payload;
	p = frame_make(&frame, &s);
	run_one(f->sw, p, T0);
	ck_assert_uint_eq(p->len, q->len);
	ck_assert_uint_eq(be16_to(packet_ip(p)->check), be16_to(wrong_by(packet_ip(q)->check, s.ip_error)));
	ck_assert_uint_eq(be16_to(packet_tcp(p)->check), be16_to(wrong_by(packet_tcp(q)->check, s.tcp_error)));
	assert_checksums(p, !s.ip_error, !s.tcp_error);
	fixture_free(f);
}
END_TEST

/* --- quirks ----------------------------------------------------------------------------------- */

/* P2's harm: options are promised to a client that did not offer them (RFC 7323 §2.2 forbids it). */
START_TEST(test_quirk_p2)
{
	struct fixture *f = fixture_create();
	const struct frame_spec s = syn_of(&synacks[0]); /* no options */
	struct tcp_options o;
	bool quirk = _i;

	f->config.sw.mss = 1400;
	f->config.quirks = quirk ? QUIRK_BIT(QUIRK_P2) : 0;
	fixture_start(f);
	isn_of(f, &s, T0, &o);
	ck_assert_uint_eq(o.mss, quirk ? 1460 : 1400);
	ck_assert_uint_eq(o.wscale, quirk ? 7 : TCP_WSCALE_NONE);
	ck_assert_int_eq(o.sack_permitted, quirk);
	ck_assert(!o.has_timestamps);
	fixture_free(f);
}
END_TEST

/* P3's harm: whoever knows address and port knows L, for ever. Row 2: the same by isn: crc32. */
START_TEST(test_quirk_p3)
{
	struct fixture *f = fixture_create();
	struct frame_spec s = syn_of(&synacks[0]);
	struct endpoint client = ep(CLIENT);
	uint8_t known[6];
	struct tcp_options o;
	uint32_t guess, l, later;

	f->config.quirks = _i == 1 ? QUIRK_BIT(QUIRK_P3) : 0;
	f->config.sw.isn = _i == 2 ? ISN_CRC32 : ISN_COOKIE;
	fixture_start(f);
	memcpy(known, &client.addr, 4);
	memcpy(known + 4, &client.port, 2);
	guess = hash_crc32(known, sizeof(known));
	l = isn_of(f, &s, T0, &o);
	s.seq += 1000;
	later = isn_of(f, &s, T0 + 3600 * NS_PER_S, &o);
	ck_assert_int_eq(l == guess, _i > 0);
	ck_assert_int_eq(l == later, _i > 0);
	fixture_free(f);
}
END_TEST

/* --- the fast path ---------------------------------------------------------------------------- */

struct fast_row {
	const char *what;
	struct frame_spec frame;
	const char *src, *dst;
	uint16_t egress;
};

static const uint8_t sack_block[] = { 1, 1, 5, 10, 0, 0, 1, 0, 0, 0, 2, 0 };
#define INBOUND .src = CLIENT, .dst = VIP, .port = PORT_CLIENT, .flags = TCP_ACK, .seq = 9, .ack = 0x12345678
#define OUTBOUND .src = BACKEND1, .dst = CLIENT, .port = PORT_BACKEND(1), .flags = TCP_ACK, .seq = 0xfffffff0, .ack = 7
static const struct fast_row fast[] = {
	{ "ACK", { INBOUND }, CLIENT, BACKEND1, PORT_BACKEND(1) },
	{ "ACK with SACK", { INBOUND, .options = sack_block, .options_len = 12 }, CLIENT, BACKEND1, PORT_BACKEND(1) },
	{ "ACK in a VLAN", { INBOUND, .vlan_tags = 1 }, CLIENT, BACKEND1, PORT_BACKEND(1) },
	{ "ACK with IPv4 options", { INBOUND, .ip_options_len = 12 }, CLIENT, BACKEND1, PORT_BACKEND(1) },
	{ "ACK, padded", { INBOUND, .padding = 6 }, CLIENT, BACKEND1, PORT_BACKEND(1) },
	{ "wrong TCP checksum", { INBOUND, .tcp_error = 0x4321 }, CLIENT, BACKEND1, PORT_BACKEND(1) },
	{ "wrong IPv4 checksum", { INBOUND, .ip_error = 1 }, CLIENT, BACKEND1, PORT_BACKEND(1) },
	{ "data", { OUTBOUND, .payload_len = 1448 }, VIP, CLIENT, PORT_CLIENT },
	{ "odd data in two VLANs", { OUTBOUND, .payload_len = 11, .vlan_tags = 2 }, VIP, CLIENT, PORT_CLIENT },
	{ "data with IPv4 options", { OUTBOUND, .payload_len = 500, .ip_options_len = 40 }, VIP, CLIENT, PORT_CLIENT },
	{ "data, both checksums wrong",
	  { OUTBOUND, .payload_len = 5, .ip_error = 9, .tcp_error = 0xff00 },
	  VIP,
	  CLIENT,
	  PORT_CLIENT },
};

/* Nothing but addresses, ports, checksums and MACs has changed. */
START_TEST(test_fast_path)
{
	const struct fast_row *r = &fast[_i];
	struct fixture *f = fixture_create();
	struct frame frame, wanted;
	struct frame_spec rewritten = r->frame;
	struct packet *p, *w;
	uint8_t mac[ETH_ADDR_LEN];

	fixture_start(f);
	fixture_offload(f, ep(CLIENT), 1);
	p = frame_make(&frame, &r->frame);
	run_one(f->sw, p, T0);
	ck_assert_uint_eq(p->fate, FATE_FORWARD);
	ck_assert_uint_eq(p->egress_port, r->egress);
	ck_assert(p->phv.hit);
	rewritten.src = r->src;
	rewritten.dst = r->dst;
	rewritten.padding = 0;
	w = frame_make(&wanted, &rewritten);
	switch_neighbour_mac(r->egress, mac);
	ck_assert_mem_eq(p->data, mac, ETH_ADDR_LEN);
	switch_own_mac(mac);
	ck_assert_mem_eq(p->data + ETH_ADDR_LEN, mac, ETH_ADDR_LEN);
	ck_assert_uint_eq(p->len, w->len);
	ck_assert_mem_eq(p->data + 2 * ETH_ADDR_LEN, w->data + 2 * ETH_ADDR_LEN, p->len - 2 * ETH_ADDR_LEN);
	assert_checksums(p, !r->frame.ip_error, !r->frame.tcp_error);
	/* The lookup left its mark, once. */
	ck_assert(connection_table_take_hit(&f->sw->connections, ep(CLIENT)));
	ck_assert(!connection_table_take_hit(&f->sw->connections, ep(CLIENT)));
	fixture_free(f);
}
END_TEST

/* The slow path to the front-end changes MACs alone. */
START_TEST(test_to_frontend_untouched)
{
	struct fixture *f = fixture_create();
	struct frame frame, same;
	const struct frame_spec s = { INBOUND, .payload_len = 700, .vlan_tags = 1, .ip_options_len = 4,
				      .tcp_error = 3 };
	struct packet *p = frame_make(&frame, &s), *w = frame_make(&same, &s);

	fixture_start(f);
	fixture_offload(f, ep(CLIENT), 1);
	run_one(f->sw, p, T0);
	ck_assert_uint_eq(p->phv.action, STEER_TO_FRONTEND);
	ck_assert_uint_eq(p->len, w->len);
	ck_assert_mem_eq(p->data + 2 * ETH_ADDR_LEN, w->data + 2 * ETH_ADDR_LEN, p->len - 2 * ETH_ADDR_LEN);
	fixture_free(f);
}
END_TEST

/* An outbound miss of the old backend leaves no hit bit. */
START_TEST(test_old_backend_leaves_no_mark)
{
	struct fixture *f = fixture_create();
	struct frame frame;
	struct packet *p = frame_make(&frame, &(const struct frame_spec){ OUTBOUND, .payload_len = 100 });

	fixture_start(f);
	fixture_offload(f, ep(CLIENT), 0);
	run_one(f->sw, p, T0);
	ck_assert(!p->phv.hit);
	ck_assert_uint_eq(p->phv.action, STEER_TO_FRONTEND);
	ck_assert(!connection_table_take_hit(&f->sw->connections, ep(CLIENT)));
	fixture_free(f);
}
END_TEST

/* --- ARP -------------------------------------------------------------------------------------- */

#define ASKER 0x52, 0x54, 0, 1, 2, 3
struct arp_row {
	const char *what;
	uint8_t vlan_tags;
	uint8_t arp[28];
	uint8_t cut; /* bytes missing at the end */
	enum drop_reason drop;
};
#define WHO_HAS(op, a, b, c, d) \
	{ \
		0, 1, 8, 0, 6, 4, 0, op, ASKER, 192, 0, 2, 7, 0, 0, 0, 0, 0, 0, a, b, c, d \
	}
static const struct arp_row arps[] = {
	{ "who-has VIP", 0, WHO_HAS(1, 10, 0, 0, 1), 0, DROP_NONE },
	{ "who-has VIP in a VLAN", 1, WHO_HAS(1, 10, 0, 0, 1), 0, DROP_NONE },
	{ "who-has another", 0, WHO_HAS(1, 10, 0, 0, 2), 0, DROP_ARP_NOT_OURS },
	{ "who-has a backend", 0, WHO_HAS(1, 10, 0, 1, 1), 0, DROP_ARP_NOT_OURS },
	{ "reply", 0, WHO_HAS(2, 10, 0, 0, 1), 0, DROP_ARP_NOT_OURS },
	{ "not Ethernet",
	  0,
	  { 0, 6, 8, 0, 6, 4, 0, 1, ASKER, 192, 0, 2, 7, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1 },
	  0,
	  DROP_ARP_NOT_OURS },
	{ "cut", 0, WHO_HAS(1, 10, 0, 0, 1), 1, DROP_RUNT },
};

static struct packet *arp_make(struct frame *f, const struct arp_row *r)
{
	static const uint8_t asker[ETH_ADDR_LEN] = { ASKER };
	size_t at = ETH_HDR_LEN + 4u * r->vlan_tags;
	uint8_t *data = f->buffer + 2;

	memset(f, 0, sizeof(*f));
	memset(data, 0xff, ETH_ADDR_LEN);
	memcpy(data + ETH_ADDR_LEN, asker, ETH_ADDR_LEN);
	for (unsigned i = 0; i < r->vlan_tags; i++) {
		store_be16(data + 12 + 4 * i, ETHERTYPE_QINQ);
		store_be16(data + 14 + 4 * i, 5);
	}
	store_be16(data + at - 2, ETHERTYPE_ARP);
	memcpy(data + at, r->arp, sizeof(r->arp));
	f->p.data = data;
	/* what is not cut short is padded to 60 bytes, as on a wire */
	f->p.len = r->cut ? (uint32_t)(at + sizeof(r->arp) - r->cut) : 60;
	f->p.room = sizeof(f->buffer) - 2;
	f->p.ingress_port = PORT_BACKEND(2);
	return &f->p;
}

START_TEST(test_arp)
{
	static const uint8_t asker[ETH_ADDR_LEN] = { ASKER };
	const struct arp_row *r = &arps[_i];
	struct fixture *f = fixture_create();
	struct frame frame;
	struct packet *p = arp_make(&frame, r);
	const struct arp_hdr *arp = (const void *)(p->data + ETH_HDR_LEN + 4 * r->vlan_tags);
	uint8_t own[ETH_ADDR_LEN];

	fixture_start(f);
	switch_own_mac(own);
	run_one(f->sw, p, T0);
	ck_assert_msg(p->drop == r->drop, "%s: %s", r->what, drop_key(p->drop));
	ck_assert_uint_eq(p->fate, r->drop ? FATE_DROP : FATE_FORWARD);
	ck_assert_uint_eq(switch_stats(f->sw)->arp_answered, r->drop == DROP_NONE);
	if (!r->drop) {
		ck_assert_uint_eq(p->egress_port, PORT_BACKEND(2));
		ck_assert_uint_eq(p->note.stage, STAGE_arp);
		ck_assert_uint_eq(p->len, ETH_HDR_LEN + 4u * r->vlan_tags + sizeof(*arp));
		ck_assert_mem_eq(p->data, asker, ETH_ADDR_LEN);
		ck_assert_mem_eq(p->data + ETH_ADDR_LEN, own, ETH_ADDR_LEN);
		ck_assert_uint_eq(be16_to(arp->op), ARP_OP_REPLY);
		ck_assert_mem_eq(arp->sender_hw, own, ETH_ADDR_LEN);
		ck_assert_uint_eq(be32_to(arp->sender_ip), 0x0a000001);
		ck_assert_mem_eq(arp->target_hw, asker, ETH_ADDR_LEN);
		ck_assert_uint_eq(be32_to(arp->target_ip), 0xc0000207);
		ck_assert_uint_eq(own[0] & 3, 2); /* locally administered, unicast */
	}
	fixture_free(f);
}
END_TEST

/* --- refusals of the parser ------------------------------------------------------------------- */

struct patch_row {
	const char *what;
	uint16_t at;
	uint8_t value;
	uint16_t len; /* 0: whole */
	enum drop_reason drop;
};
static const struct patch_row patches[] = {
	{ "empty frame", 0, 0, 1, DROP_RUNT },
	{ "IPv6", 12, 0x86, 0, DROP_NOT_IPV4 },
	{ "half an IPv4 header", 0, 0, 24, DROP_RUNT },
	{ "IPv4 version 5", 14, 0x55, 0, DROP_BAD_IP_HEADER },
	{ "IPv4 header of 16 bytes", 14, 0x44, 0, DROP_BAD_IP_HEADER },
	{ "total length beyond the frame", 16, 0x40, 0, DROP_RUNT },
	{ "TCP header of 16 bytes", 46, 0x40, 0, DROP_BAD_TCP_HEADER },
	{ "TCP header beyond the datagram", 46, 0xf0, 0, DROP_BAD_TCP_HEADER },
};

START_TEST(test_unreadable)
{
	const struct patch_row *r = &patches[_i];
	struct fixture *f = fixture_create();
	struct frame frame;
	struct packet *p = frame_make(&frame, &(const struct frame_spec){ INBOUND, .payload_len = 4 });

	fixture_start(f);
	p->data[r->at] = r->value;
	if (!strcmp(r->what, "IPv6"))
		p->data[13] = 0xdd;
	p->len = r->len ? r->len : p->len;
	run_one(f->sw, p, T0);
	ck_assert_msg(p->fate == FATE_DROP && p->drop == r->drop, "%s: %s", r->what, drop_key(p->drop));
	ck_assert_uint_eq(p->note.stage, STAGE_parse);
	ck_assert_uint_eq(switch_stats(f->sw)->drops[r->drop], 1);
	fixture_free(f);
}
END_TEST

/* --- batches ---------------------------------------------------------------------------------- */

#define MIX 2000
/* Packet `i` of a seeded mixture of everything above. */
static struct packet *mixed(struct frame *frame, struct prng *prng)
{
	char client[ENDPOINT_TEXT_MAX];
	const struct synack_row *syn = &synacks[prng_below(prng, ARRAY_LEN(synacks))];
	struct frame_spec s = fast[prng_below(prng, ARRAY_LEN(fast))].frame;
	struct packet *p;

	if (prng_below(prng, 20) == 0)
		return arp_make(frame, &arps[prng_below(prng, ARRAY_LEN(arps))]);
	endpoint_format(endpoint_make(be32_from(0xc0000200 + prng_below(prng, 64)), be16_from(40000)), client);
	if (prng_below(prng, 4) == 0)
		s = syn_of(syn);
	if (!strcmp(s.src, CLIENT))
		s.src = client;
	else
		s.dst = client;
	s.flags |= prng_below(prng, 8) == 0 ? (uint8_t)prng_below(prng, 64) : 0;
	p = frame_make(frame, &s);
	if (prng_below(prng, 16) == 0)
		p->data[prng_below(prng, p->len)] ^= (uint8_t)prng_u32(prng);
	return p;
}

static struct frame *run_mixture(struct fixture *f, uint32_t batch)
{
	struct frame *frames = calloc(MIX, sizeof(*frames));
	struct prng prng;

	ck_assert_ptr_nonnull(frames);
	fixture_start(f);
	for (uint32_t i = 0; i < 64; i += 2)
		fixture_offload(f, endpoint_make(be32_from(0xc0000200 + i), be16_from(40000)), 1);
	prng_seed(&prng, 11);
	for (uint32_t i = 0; i < MIX; i++)
		mixed(&frames[i], &prng);
	for (uint32_t i = 0; i < MIX; i += batch) {
		struct batch b = { .count = MIN(batch, MIX - i) };

		for (uint32_t j = 0; j < b.count; j++)
			b.pkt[j] = &frames[i + j].p;
		switch_run(f->sw, &b, T0);
	}
	return frames;
}

START_TEST(test_batch_size_does_not_matter)
{
	static const uint32_t sizes[] = { 2, 7, 32, 256 };
	struct fixture *f = fixture_create(), *g = fixture_create();
	struct frame *one = run_mixture(f, 1), *many = run_mixture(g, sizes[_i]);

	for (uint32_t i = 0; i < MIX; i++) {
		const struct packet *p = &one[i].p, *q = &many[i].p;

		ck_assert_uint_eq(p->fate, q->fate);
		ck_assert_uint_eq(p->drop, q->drop);
		ck_assert_uint_eq(p->egress_port, q->egress_port);
		ck_assert_uint_eq(p->len, q->len);
		ck_assert_mem_eq(p->data, q->data, p->len);
		ck_assert_mem_eq(&p->phv, &q->phv, sizeof(p->phv));
		ck_assert_mem_eq(&p->note, &q->note, sizeof(p->note));
	}
	ck_assert_mem_eq(switch_stats(f->sw), switch_stats(g->sw), sizeof(struct switch_stats));
	ck_assert_uint_gt(switch_stats(f->sw)->fast_path_packets, MIX / 10);
	ck_assert_uint_gt(switch_stats(f->sw)->to_frontend_packets, MIX / 10);
	ck_assert_uint_gt(switch_stats(f->sw)->syn_answered, MIX / 10);
	ck_assert_uint_gt(switch_stats(f->sw)->arp_answered, 0);
	fixture_free(f);
	fixture_free(g);
	free(one);
	free(many);
}
END_TEST

/* --- tables ----------------------------------------------------------------------------------- */

START_TEST(test_lpm)
{
	static const struct {
		uint32_t addr;
		unsigned length;
		uint16_t port;
	} routes[] = {
		{ 0x0a000000, 8, 1 },  { 0x0a010000, 16, 2 },	       { 0x0a010203, 32, 3 },
		{ 0x0a010280, 25, 4 }, { 0x0a0102ff, 32, LPM_REJECT }, { 0x0a01ffff, 16, 9 }, /* the first stays */
	};
	static const struct {
		uint32_t addr;
		uint16_t port;
	} lookups[] = {
		{ 0x0a020304, 1 },
		{ 0x0a010304, 2 },
		{ 0x0a010203, 3 },
		{ 0x0a010204, 2 },
		{ 0x0a010281, 4 },
		{ 0x0a01027f, 2 },
		{ 0x0a0102ff, LPM_NO_ROUTE },
		{ 0x0b000000, LPM_NO_ROUTE },
	};
	struct lpm_table t;

	lpm_init(&t);
	ck_assert_uint_eq(lpm_lookup(&t, be32_from(0)), LPM_NO_ROUTE);
	for (unsigned i = 0; i < ARRAY_LEN(routes); i++)
		lpm_insert(&t, be32_from(routes[i].addr), routes[i].length, routes[i].port);
	for (unsigned i = 0; i < ARRAY_LEN(lookups); i++)
		ck_assert_msg(lpm_lookup(&t, be32_from(lookups[i].addr)) == lookups[i].port, "%08x", lookups[i].addr);
	lpm_insert(&t, be32_from(0), 0, 7);
	ck_assert_uint_eq(lpm_lookup(&t, be32_from(0xffffffff)), 7);
	ck_assert_uint_eq(lpm_lookup(&t, be32_from(0x0a010203)), 3);
}
END_TEST

/* Backends 0 and 2 are two ports of one host, each behind its own agent. */
START_TEST(test_backends_that_share_an_address)
{
	static const uint8_t error[] = { 3, 4, 0,  0, 0, 0, 0,	 0, 0x45, 0, 0,	   40,	 0,    0,    0, 0, 64, 6,
					 0, 0, 10, 0, 1, 1, 192, 0, 2,	  7, 0x1f, 0x91, 0x9c, 0x40, 0, 0, 0,  1 };
	static const uint8_t echo[] = { 8, 0, 0, 0, 0, 1, 0, 1 };
	static const struct {
		struct frame_spec frame;
		uint16_t egress;
	} rows[] = {
		{ { .src = CLIENT, .dst = BACKEND0, .port = PORT_FRONTEND(0), .flags = TCP_ACK }, PORT_BACKEND(0) },
		{ { .src = CLIENT, .dst = "10.0.1.1:8081", .port = PORT_FRONTEND(0), .flags = TCP_ACK },
		  PORT_BACKEND(2) },
		{ { .src = CLIENT, .dst = "10.0.1.1:8081", .port = PORT_CLIENT, .flags = TCP_SYN }, PORT_BACKEND(2) },
		{ { .src = CLIENT, .dst = "10.0.1.1:22", .port = PORT_CLIENT, .flags = TCP_SYN }, PORT_BACKEND(0) },
		{ { .src = CLIENT, .dst = BACKEND0, .proto = IP_PROTO_ICMP, .l4 = echo, .l4_len = sizeof(echo) },
		  PORT_BACKEND(0) },
		/* the error quotes a segment of 10.0.1.1:8081 */
		{ { .src = "192.0.2.99:1",
		    .dst = BACKEND0,
		    .port = PORT_FRONTEND(0),
		    .proto = IP_PROTO_ICMP,
		    .l4 = error,
		    .l4_len = sizeof(error) },
		  PORT_BACKEND(2) },
	};
	struct fixture *f = fixture_create();

	fixture_start(f);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct frame frame;
		struct packet *p = frame_make(&frame, &rows[i].frame);

		run_one(f->sw, p, T0);
		ck_assert_uint_eq(p->fate, FATE_FORWARD);
		ck_assert_msg(p->egress_port == rows[i].egress, "row %u: port %u", i, p->egress_port);
	}
	fixture_free(f);
}
END_TEST

/* As many backends as there can be: each is known by its own port, D index and route. */
START_TEST(test_all_backends)
{
	struct fixture *f = fixture_create();

	f->config.backend_count = BACKENDS_MAX;
	for (uint32_t j = 0; j < BACKENDS_MAX; j++)
		f->config.backends[j].address = endpoint_make(be32_from(0x0a000200 + j), be16_from(8080));
	fixture_start(f);
	for (uint32_t j = 0; j < BACKENDS_MAX; j++) {
		struct endpoint dip = f->config.backends[j].address;

		ck_assert_uint_eq(tables_source_backend(&f->sw->tables, dip, (uint16_t)PORT_BACKEND(j)), j);
		ck_assert_uint_eq(tables_source_backend(&f->sw->tables, dip, PORT_CLIENT), EXACT_NONE);
		ck_assert_uint_eq(lpm_lookup(&f->sw->tables.lpm, dip.addr), PORT_BACKEND(j));
	}
	fixture_free(f);
}
END_TEST

START_TEST(test_pipeline_array)
{
	static const char *const names[] = { "parse",		"arp",	      "key_extraction", "connection_query",
					     "packet_steering", "forwarding", "header_rewrite", "deparse" };

	ck_assert_uint_eq(ARRAY_LEN(names), STAGE_COUNT);
	for (unsigned i = 0; i < STAGE_COUNT; i++) {
		ck_assert_str_eq(switch_pipeline[i].name, names[i]);
		ck_assert_str_eq(switch_pipeline[i].gress, i < STAGE_header_rewrite ? "ingress" : "egress");
		ck_assert_ptr_nonnull(switch_pipeline[i].run);
	}
}
END_TEST

START_TEST(test_create_free)
{
	struct fixture *f = fixture_create();

	f->config.sw.geometry.blocks = 0;
	ck_assert_ptr_null(switch_create(&f->config));
	switch_free(NULL);
	free(f);
}
END_TEST

Suite *switch_suite(void)
{
	Suite *s = suite_create("switch");
	TCase *tc = tcase_create("switch");

	tcase_add_loop_test(tc, test_synack, 0, ARRAY_LEN(synacks));
	tcase_add_test(tc, test_retransmitted_syn);
	tcase_add_test(tc, test_tsval_is_never_zero);
	tcase_add_loop_test(tc, test_synack_keeps_errors, 0, 4);
	tcase_add_loop_test(tc, test_quirk_p2, 0, 2);
	tcase_add_loop_test(tc, test_quirk_p3, 0, 3);
	tcase_add_loop_test(tc, test_fast_path, 0, ARRAY_LEN(fast));
	tcase_add_test(tc, test_to_frontend_untouched);
	tcase_add_test(tc, test_old_backend_leaves_no_mark);
	tcase_add_loop_test(tc, test_arp, 0, ARRAY_LEN(arps));
	tcase_add_loop_test(tc, test_unreadable, 0, ARRAY_LEN(patches));
	tcase_add_loop_test(tc, test_batch_size_does_not_matter, 0, 4);
	tcase_add_test(tc, test_lpm);
	tcase_add_test(tc, test_backends_that_share_an_address);
	tcase_add_test(tc, test_all_backends);
	tcase_add_test(tc, test_pipeline_array);
	tcase_add_test(tc, test_create_free);
	suite_add_tcase(s, tc);
	return s;
}
