/* SPDX-License-Identifier: BSD-2-Clause */
/* test_steering.c: who a packet is for. One crafted packet after another against the steering table, by the name of
 * the row that must match; every row of the table must have been matched in the end. */
#include <check.h>

#include "switch_fixture.h"

Suite *steering_suite(void);

#define S TCP_SYN
#define K TCP_ACK
#define F TCP_FIN
#define R TCP_RST
#define BACKEND2 "10.0.1.1:8081"
#define ELSEWHERE "198.51.100.9:5000"
/* Offloaded: CLIENT to backend 1, SELF to backend 2. UNKNOWN has no entry. */
#define SELF "10.0.0.1:40000"
#define UNKNOWN "192.0.2.8:40000"

/* ICMP "fragmentation needed" about a packet from the VIP to CLIENT: just the eight bytes. */
static const uint8_t icmp_error[] = {
	3,    4,  0,	0,    0, 0, 5,	  0xdc,						/* header, next-hop MTU */
	0x45, 0,  5,	0xdc, 0, 0, 0x40, 0,	64, 6, 0, 0, 10, 0, 0, 1, 192, 0, 2, 7, /* its IPv4 header */
	0,    80, 0x9c, 0x40, 0, 0, 0,	  1,						/* its ports and SEQ */
};
/* The same about a packet that came from another port of the VIP. */
static const uint8_t icmp_other_port[] = {
	3, 1, 0,  0, 0, 0, 0,	0, 0x45, 0, 5, 0xdc, 0,	   0,	 0x40, 0, 64, 6,
	0, 0, 10, 0, 0, 1, 192, 0, 2,	 7, 0, 81,   0x9c, 0x40, 0,    0, 0,  1,
};
/* The same, but cut before the ports; and about UDP; and with an impossible header length. */
static const uint8_t icmp_udp[] = {
	3, 1, 0,  0, 0, 0, 0,	0, 0x45, 0, 5, 0xdc, 0,	   0,	 0x40, 0, 64, 17,
	0, 0, 10, 0, 0, 1, 192, 0, 2,	 7, 0, 80,   0x9c, 0x40, 0,    0, 0,  1,
};
static const uint8_t icmp_bad_header[] = {
	3, 1, 0,  0, 0, 0, 0,	0, 0x4f, 0, 5, 0xdc, 0,	   0,	 0x40, 0, 64, 6,
	0, 0, 10, 0, 0, 1, 192, 0, 2,	 7, 0, 80,   0x9c, 0x40, 0,    0, 0,  1,
};
static const uint8_t icmp_echo[] = { 8, 0, 0, 0, 0, 1, 0, 1 };
static const uint8_t udp[] = { 0, 99, 0, 80, 0, 8, 0, 0 };

#define ICMP(bytes) .proto = IP_PROTO_ICMP, .l4 = (bytes), .l4_len = sizeof(bytes)
#define IN_(src_) .src = (src_), .dst = VIP, .port = PORT_CLIENT
#define OUT_(j, src_, dst_) .src = (src_), .dst = (dst_), .port = PORT_BACKEND(j)

/* The packet; the row that matches; where it leaves (-1: dropped), with which reason if so. */
struct steering_case {
	const char *what;
	struct frame_spec frame;
	const char *row;
	int egress;
	enum drop_reason drop;
};
/* "egress" of a packet for the front-end that its client's LB index chooses. */
#define TO_FRONTEND (-2)
#define DROPPED (-1)

static const struct steering_case cases[] = {
	/* from a front-end, rewritten already: whatever it is, by LPM */
	{ "request to a backend",
	  { .src = CLIENT, .dst = BACKEND1, .port = PORT_FRONTEND(0), .flags = K, .payload_len = 9 },
	  "from_frontend",
	  PORT_BACKEND(1),
	  0 },
	{ "response to a client",
	  { .src = VIP, .dst = CLIENT, .port = PORT_FRONTEND(2), .flags = K, .payload_len = 9 },
	  "from_frontend",
	  PORT_CLIENT,
	  0 },
	{ "untouched outbound",
	  { .src = BACKEND1, .dst = CLIENT, .port = PORT_FRONTEND(255), .flags = K },
	  "from_frontend",
	  PORT_CLIENT,
	  0 },
	{ "to the VIP",
	  { .src = CLIENT, .dst = VIP, .port = PORT_FRONTEND(0), .flags = S },
	  "from_frontend",
	  DROPPED,
	  DROP_NO_ROUTE },
	/* fragments */
	{ "first fragment",
	  { IN_(CLIENT), .flags = K, .payload_len = 8, .frag = IP_FLAG_MF },
	  "vip_fragment",
	  DROPPED,
	  DROP_FRAGMENT },
	{ "later fragment",
	  { IN_(CLIENT), .flags = K, .payload_len = 8, .frag = 185 },
	  "vip_fragment",
	  DROPPED,
	  DROP_FRAGMENT },
	{ "ICMP fragment",
	  { IN_(CLIENT), ICMP(icmp_error), .frag = IP_FLAG_MF },
	  "vip_fragment",
	  DROPPED,
	  DROP_FRAGMENT },
	{ "outbound fragment",
	  { OUT_(1, BACKEND1, CLIENT), .flags = K, .payload_len = 8, .frag = IP_FLAG_MF },
	  "out_fragment",
	  DROPPED,
	  DROP_FRAGMENT },
	{ "transit fragment",
	  { .src = ELSEWHERE, .dst = BACKEND0, .flags = K, .frag = 185 },
	  "transit",
	  PORT_BACKEND(0),
	  0 },
	/* ICMP */
	{ "ICMP error", { .src = ELSEWHERE, .dst = VIP, ICMP(icmp_error) }, "in_icmp_error", TO_FRONTEND, 0 },
	{ "ICMP error, other port",
	  { IN_(CLIENT), ICMP(icmp_other_port) },
	  "vip_other",
	  DROPPED,
	  DROP_NOT_VIP_SERVICE },
	{ "ICMP error, UDP", { IN_(CLIENT), ICMP(icmp_udp) }, "vip_other", DROPPED, DROP_NOT_VIP_SERVICE },
	{ "ICMP error, bad header",
	  { IN_(CLIENT), ICMP(icmp_bad_header) },
	  "vip_other",
	  DROPPED,
	  DROP_NOT_VIP_SERVICE },
	{ "ICMP error, cut",
	  { IN_(CLIENT), .proto = IP_PROTO_ICMP, .l4 = icmp_error, .l4_len = sizeof(icmp_error) - 1 },
	  "vip_other",
	  DROPPED,
	  DROP_NOT_VIP_SERVICE },
	{ "ICMP error, header alone",
	  { IN_(CLIENT), .proto = IP_PROTO_ICMP, .l4 = icmp_error, .l4_len = 8 },
	  "vip_other",
	  DROPPED,
	  DROP_NOT_VIP_SERVICE },
	{ "ICMP error, not from clients",
	  { .src = ELSEWHERE, .dst = VIP, .port = PORT_BACKEND(0), ICMP(icmp_error) },
	  "vip_other",
	  DROPPED,
	  DROP_NOT_VIP_SERVICE },
	{ "ping", { IN_(CLIENT), ICMP(icmp_echo) }, "vip_other", DROPPED, DROP_NOT_VIP_SERVICE },
	{ "ICMP of a backend", { OUT_(0, BACKEND0, CLIENT), ICMP(icmp_echo) }, "transit", PORT_CLIENT, 0 },
	/* not the service */
	{ "other port",
	  { .src = CLIENT, .dst = "10.0.0.1:81", .flags = S },
	  "vip_other",
	  DROPPED,
	  DROP_NOT_VIP_SERVICE },
	{ "UDP",
	  { IN_(CLIENT), .proto = IP_PROTO_UDP, .l4 = udp, .l4_len = sizeof(udp) },
	  "vip_other",
	  DROPPED,
	  DROP_NOT_VIP_SERVICE },
	{ "VIP from a backend's side",
	  { OUT_(0, "10.0.1.1:51000", VIP), .flags = S },
	  "vip_other",
	  DROPPED,
	  DROP_NOT_VIP_SERVICE },
	/* a client on the VIP's own address, as in a capture from a loopback */
	{ "SYN from the VIP's address", { IN_(SELF), .flags = S }, "in_syn", PORT_CLIENT, 0 },
	{ "ACK from the VIP's address", { IN_(SELF), .flags = K }, "in_ack_hit", PORT_BACKEND(2), 0 },
	{ "data to the VIP's address",
	  { OUT_(2, BACKEND2, SELF), .flags = K, .payload_len = 9 },
	  "out_hit",
	  PORT_CLIENT,
	  0 },
	{ "SYN+ACK to the VIP's address", { OUT_(0, BACKEND0, SELF), .flags = S | K }, "out_syn", TO_FRONTEND, 0 },
	{ "response to the VIP's address",
	  { .src = VIP, .dst = SELF, .port = PORT_FRONTEND(1), .flags = K },
	  "from_frontend",
	  PORT_CLIENT,
	  0 },
	/* neither to nor from the VIP */
	{ "ssh to a backend", { .src = CLIENT, .dst = "10.0.1.1:22", .flags = S }, "transit", PORT_BACKEND(0), 0 },
	{ "ssh from a backend", { OUT_(0, "10.0.1.1:22", CLIENT), .flags = S | K }, "transit", PORT_CLIENT, 0 },
	{ "odd flags in transit", { .src = CLIENT, .dst = ELSEWHERE, .flags = S | F }, "transit", PORT_CLIENT, 0 },
	/* a backend's address is not enough: the port it comes from counts */
	{ "backend's address from clients",
	  { .src = BACKEND1, .dst = CLIENT, .flags = K, .payload_len = 5 },
	  "transit",
	  PORT_CLIENT,
	  0 },
	{ "backend's address to the VIP", { IN_(BACKEND1), .flags = S }, "in_syn", PORT_CLIENT, 0 },
	{ "behind another backend's port", { OUT_(0, BACKEND1, CLIENT), .flags = K }, "transit", PORT_CLIENT, 0 },
	{ "same address, other service's port", { OUT_(0, BACKEND2, CLIENT), .flags = K }, "transit", PORT_CLIENT, 0 },
	/* flags that nobody may send */
	{ "SYN+FIN", { IN_(CLIENT), .flags = S | F }, "bad_syn_fin", DROPPED, DROP_BAD_FLAGS },
	{ "SYN+FIN outbound",
	  { OUT_(1, BACKEND1, CLIENT), .flags = S | F | K },
	  "bad_syn_fin",
	  DROPPED,
	  DROP_BAD_FLAGS },
	{ "SYN+RST", { IN_(UNKNOWN), .flags = S | R }, "bad_syn_rst", DROPPED, DROP_BAD_FLAGS },
	{ "no flag", { IN_(CLIENT), .payload_len = 3 }, "bad_no_flag", DROPPED, DROP_BAD_FLAGS },
	{ "URG+PSH alone", { IN_(CLIENT), .flags = TCP_URG | TCP_PSH }, "bad_no_flag", DROPPED, DROP_BAD_FLAGS },
	{ "SYN+ACK", { IN_(CLIENT), .flags = S | K }, "in_syn_ack", DROPPED, DROP_BAD_FLAGS },
	/* inbound */
	{ "SYN, no entry", { IN_(UNKNOWN), .flags = S }, "in_syn", PORT_CLIENT, 0 },
	{ "SYN, entry", { IN_(CLIENT), .flags = S }, "in_syn", PORT_CLIENT, 0 },
	{ "SYN with data and ECN",
	  { IN_(CLIENT), .flags = S | TCP_ECE | TCP_CWR, .payload_len = 20 },
	  "in_syn",
	  PORT_CLIENT,
	  0 },
	{ "FIN+ACK", { IN_(CLIENT), .flags = F | K }, "in_fin", TO_FRONTEND, 0 },
	{ "FIN with data", { IN_(CLIENT), .flags = F | K, .payload_len = 4 }, "in_fin", TO_FRONTEND, 0 },
	{ "RST", { IN_(CLIENT), .flags = R }, "in_rst", TO_FRONTEND, 0 },
	{ "RST+ACK, no entry", { IN_(UNKNOWN), .flags = R | K }, "in_rst", TO_FRONTEND, 0 },
	{ "payload, entry", { IN_(CLIENT), .flags = K, .payload_len = 1 }, "in_payload", TO_FRONTEND, 0 },
	{ "payload, no entry",
	  { IN_(UNKNOWN), .flags = K | TCP_PSH, .payload_len = 900 },
	  "in_payload",
	  TO_FRONTEND,
	  0 },
	{ "pure ACK, entry", { IN_(CLIENT), .flags = K }, "in_ack_hit", PORT_BACKEND(1), 0 },
	/* P6: IPv4 options and padding are no payload */
	{ "pure ACK with IPv4 options",
	  { IN_(CLIENT), .flags = K, .ip_options_len = 8 },
	  "in_ack_hit",
	  PORT_BACKEND(1),
	  0 },
	{ "pure ACK, padded frame", { IN_(CLIENT), .flags = K, .padding = 6 }, "in_ack_hit", PORT_BACKEND(1), 0 },
	{ "pure ACK, no entry", { IN_(UNKNOWN), .flags = K }, "in_ack_miss", TO_FRONTEND, 0 },
	/* outbound */
	{ "SYN+ACK of a backend", { OUT_(1, BACKEND1, CLIENT), .flags = S | K }, "out_syn", TO_FRONTEND, 0 },
	{ "FIN of a backend",
	  { OUT_(1, BACKEND1, CLIENT), .flags = F | K, .payload_len = 8 },
	  "out_fin",
	  TO_FRONTEND,
	  0 },
	{ "RST of a backend", { OUT_(1, BACKEND1, CLIENT), .flags = R }, "out_rst", TO_FRONTEND, 0 },
	{ "data of the entry's backend",
	  { OUT_(1, BACKEND1, CLIENT), .flags = K, .payload_len = 1000 },
	  "out_hit",
	  PORT_CLIENT,
	  0 },
	/* after a move, what the old backend still sends is none of the entry's */
	{ "data of another backend",
	  { OUT_(0, BACKEND0, CLIENT), .flags = K, .payload_len = 1000 },
	  "out_miss",
	  TO_FRONTEND,
	  0 },
	{ "data, no entry",
	  { OUT_(2, BACKEND2, UNKNOWN), .flags = K, .payload_len = 1000 },
	  "out_miss",
	  TO_FRONTEND,
	  0 },
};

static int frontend_port(const char *client, unsigned frontends)
{
	return (int)PORT_FRONTEND(hash_lb_index(ep(client)) * frontends / 256);
}

static struct fixture *offloaded_switch(void)
{
	struct fixture *f = fixture_create();

	fixture_start(f);
	fixture_offload(f, ep(CLIENT), 1);
	fixture_offload(f, ep(SELF), 2);
	return f;
}

/* The client that a case is about; the ICMP error quotes CLIENT. */
static const char *client_of(const struct steering_case *c)
{
	if (c->frame.proto == IP_PROTO_ICMP)
		return CLIENT;
	return c->frame.port == PORT_CLIENT ? c->frame.src : c->frame.dst;
}

START_TEST(test_row)
{
	const struct steering_case *c = &cases[_i];
	struct fixture *f = offloaded_switch();
	struct frame frame;
	struct packet *p = frame_make(&frame, &c->frame);
	const struct steering_row *row;

	run_one(f->sw, p, T0);
	row = &switch_steering[p->phv.steering_row];
	ck_assert_msg(!strcmp(row->name, c->row), "%s: row %s, not %s", c->what, row->name, c->row);
	ck_assert_str_eq(p->note.remark, c->row);
	ck_assert_uint_eq(switch_stats(f->sw)->steering_hits[p->phv.steering_row], 1);
	if (c->egress == DROPPED) {
		ck_assert_uint_eq(p->fate, FATE_DROP);
		ck_assert_str_eq(drop_key(p->drop), drop_key(c->drop));
		ck_assert_uint_eq(switch_stats(f->sw)->drops[c->drop], 1);
		ck_assert_uint_eq(p->note.stage, c->drop == DROP_NO_ROUTE ? STAGE_forwarding : STAGE_packet_steering);
	} else {
		int egress = c->egress == TO_FRONTEND ? frontend_port(client_of(c), 3) : c->egress;

		ck_assert_uint_eq(p->fate, FATE_FORWARD);
		ck_assert_msg(p->egress_port == egress, "%s: port %u, not %d", c->what, p->egress_port, egress);
		ck_assert_uint_eq(p->note.stage, STAGE_packet_steering);
	}
	fixture_free(f);
}
END_TEST

/* Each packet is counted once, for the way that it took. */
START_TEST(test_counters)
{
	struct fixture *f = offloaded_switch();
	const struct switch_stats *st = switch_stats(f->sw);
	uint64_t drops = 0, answered = 0, routed = 0, fast = 0, frontend = 0, frontend_bytes = 0, fast_bytes = 0;

	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct frame frame;
		struct packet *p = frame_make(&frame, &cases[i].frame);
		uint64_t bytes = be16_to(((struct ipv4_hdr *)(void *)(p->data + ETH_HDR_LEN))->total_len);

		run_one(f->sw, p, T0);
		drops += p->fate == FATE_DROP;
		answered += p->fate != FATE_DROP && p->phv.action == STEER_REPLY_SYNACK;
		routed += p->fate != FATE_DROP && p->phv.action == STEER_ROUTE;
		if (p->phv.action == STEER_TO_FRONTEND) {
			frontend++;
			frontend_bytes += bytes;
		}
		if (p->phv.action == STEER_FAST_TO_BACKEND || p->phv.action == STEER_FAST_TO_CLIENT) {
			fast++;
			fast_bytes += bytes;
		}
	}
	ck_assert_uint_eq(st->packets, ARRAY_LEN(cases));
	ck_assert_uint_eq(st->packets, drops + answered + routed + fast + frontend);
	ck_assert_uint_eq(st->syn_answered, answered);
	ck_assert_uint_eq(st->routed_packets, routed);
	ck_assert_uint_eq(st->fast_path_packets, fast);
	ck_assert_uint_eq(st->fast_path_bytes, fast_bytes);
	ck_assert_uint_eq(st->to_frontend_packets, frontend);
	ck_assert_uint_eq(st->to_frontend_bytes, frontend_bytes);
	fixture_free(f);
}
END_TEST

START_TEST(test_every_row_is_covered)
{
	for (unsigned row = 0; row < switch_steering_rows; row++) {
		unsigned covered = 0;

		for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
			covered += !strcmp(cases[i].row, switch_steering[row].name);
		ck_assert_msg(covered > 0, "no packet for row %s", switch_steering[row].name);
	}
}
END_TEST

/* The table is well formed: names once each, no value outside its mask, no row hidden by one before. */
START_TEST(test_table_is_sound)
{
	for (unsigned i = 0; i < switch_steering_rows; i++) {
		const struct steering_row *r = &switch_steering[i];

		ck_assert_uint_eq(r->value & ~r->mask, 0);
		ck_assert_uint_lt(r->action, STEER_COUNT);
		ck_assert_int_eq(r->action == STEER_DROP, r->drop != DROP_NONE);
		for (unsigned j = 0; j < i; j++) {
			const struct steering_row *before = &switch_steering[j];

			ck_assert_str_ne(r->name, before->name);
			ck_assert_msg((before->mask & ~r->mask) || ((r->value ^ before->value) & before->mask),
				      "%s hides %s", before->name, r->name);
		}
	}
	for (unsigned a = 0; a < STEER_COUNT; a++)
		ck_assert_uint_gt(strlen(switch_steering_action_text((enum steering_action)a)), 0);
}
END_TEST

/* Both directions of a connection, and ICMP errors about it, reach the same front-end. */
START_TEST(test_one_frontend_per_connection)
{
	static const uint16_t counts[] = { 1, 2, 3, 7, 256 };
	struct fixture *f = fixture_create();
	unsigned frontends = counts[_i], used = 0;
	bool seen[FRONTENDS_MAX] = { false };

	f->config.frontends.count = (uint16_t)frontends;
	fixture_start(f);
	for (unsigned i = 0; i < 4096; i++) {
		char client[ENDPOINT_TEXT_MAX];
		struct endpoint e = endpoint_make(be32_from(0xc0000200 + i % 256), be16_from((uint16_t)(1024 + i)));
		struct frame in, out;
		struct packet *p, *q;

		endpoint_format(e, client);
		p = frame_make(&in, &(struct frame_spec){ IN_(client), .flags = K, .payload_len = 10 });
		q = frame_make(&out, &(struct frame_spec){ OUT_(0, BACKEND0, client), .flags = K, .payload_len = 10 });
		run_one(f->sw, p, T0);
		run_one(f->sw, q, T0);
		ck_assert_uint_eq(p->egress_port, frontend_port(client, frontends));
		ck_assert_uint_eq(p->egress_port, q->egress_port);
		ck_assert_uint_eq(p->phv.lb_index, hash_lb_index(e));
		used += !seen[p->egress_port - PORT_FRONTEND(0)];
		seen[p->egress_port - PORT_FRONTEND(0)] = true;
	}
	ck_assert_uint_eq(used, frontends);
	fixture_free(f);
}
END_TEST

Suite *steering_suite(void)
{
	Suite *s = suite_create("steering");
	TCase *tc = tcase_create("steering");

	tcase_add_loop_test(tc, test_row, 0, ARRAY_LEN(cases));
	tcase_add_test(tc, test_counters);
	tcase_add_test(tc, test_every_row_is_covered);
	tcase_add_test(tc, test_table_is_sound);
	tcase_add_loop_test(tc, test_one_frontend_per_connection, 0, 5);
	suite_add_tcase(s, tc);
	return s;
}
