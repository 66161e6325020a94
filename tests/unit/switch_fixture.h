/* SPDX-License-Identifier: BSD-2-Clause */
/* switch_fixture.h: a small switch and hand-made frames, for the tests of the switch. */
#ifndef SWITCH_FIXTURE_H
#define SWITCH_FIXTURE_H

#include <check.h>
#include <stdlib.h>

#include "miresga/checksum.h"
#include "miresga/switch.h"
#include "miresga/tcp_options.h"

#define T0 (UINT64_C(1700000000) * NS_PER_S)
#define CLIENT "192.0.2.7:40000"
#define VIP "10.0.0.1:80"
#define BACKEND0 "10.0.1.1:8080"
#define BACKEND1 "10.0.1.2:8080"

static inline struct endpoint ep(const char *text)
{
	struct endpoint e = { 0 };

	ck_assert_int_eq(endpoint_parse(text, &e), 0);
	return e;
}

struct fixture {
	struct config config;
	struct switch_model *sw;
};

/* Three backends, three front-ends, 20,480 entries. Change ->config, then fixture_start(). */
static inline struct fixture *fixture_create(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	ck_assert_ptr_nonnull(f);
	f->config.vip = ep(VIP);
	f->config.backend_count = 3;
	f->config.backends[0].address = ep(BACKEND0);
	f->config.backends[1].address = ep(BACKEND1);
	f->config.backends[2].address = ep("10.0.1.1:8081");
	f->config.frontends.count = 3;
	f->config.cookie_key = (struct siphash_key){ 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
	f->config.sw = (struct config_switch){
		.geometry = { .stages = 4,
			      .blocks = 2,
			      .word_blocks = 2,
			      .ghost_bits = 10,
			      .version_bits = 4,
			      .entry_compression = true,
			      .backend_agent = true,
			      .table_arrangement = true },
		.wscale = 7,
		.mss = 1460,
		.window = 65535,
		.insertion_rate = 200000,
		.insertion_latency_ns = NS_PER_MS,
		.control_queue = 1024,
		.batch = 32,
	};
	return f;
}

static inline void fixture_start(struct fixture *f)
{
	f->sw = switch_create(&f->config);
	ck_assert_ptr_nonnull(f->sw);
}

static inline void fixture_free(struct fixture *f)
{
	switch_free(f->sw);
	free(f);
}

/* Adds an entry and waits until it is effective. */
static inline void fixture_offload(struct fixture *f, struct endpoint client, uint8_t d_index)
{
	const struct control_op op = { .client = client, .kind = CONTROL_ADD, .d_index = d_index };
	struct control_reply reply;

	ck_assert(switch_control_submit(f->sw, &op, 0));
	ck_assert_uint_eq(switch_control_advance(f->sw, T0, &reply, 1), 1);
	ck_assert_uint_eq(reply.status, CONTROL_OK);
}

/* One frame. What is zero is left out or has its usual value. */
struct frame_spec {
	const char *src, *dst; /* endpoints; ports count for TCP only */
	uint16_t port;	       /* ingress */
	uint8_t flags;
	uint8_t proto; /* 0: TCP */
	uint8_t vlan_tags;
	uint8_t ip_options_len; /* multiple of 4 */
	uint16_t frag;		/* IPv4 flags and fragment offset */
	uint16_t payload_len;
	uint16_t padding; /* behind the datagram */
	uint32_t seq, ack;
	const uint8_t *options;
	uint8_t options_len; /* multiple of 4 */
	const uint8_t *l4;   /* instead of a TCP segment */
	uint16_t l4_len;
	uint16_t ip_error, tcp_error; /* the checksums are wrong by this */
};

struct frame {
	struct packet p;
	_Alignas(4) uint8_t buffer[2048];
};

static inline be16 wrong_by(be16 check, uint16_t error)
{
	return error ? csum_update16(check, be16_from(error), be16_from(0)) : check;
}

static inline size_t frame_put_segment(uint8_t *at, const struct frame_spec *s)
{
	size_t header = TCP_HDR_MIN + s->options_len;
	struct tcp_hdr tcp = {
		.sport = ep(s->src).port,
		.dport = ep(s->dst).port,
		.seq = be32_from(s->seq),
		.ack = be32_from(s->ack),
		.data_off = (uint8_t)(header / 4 << 4),
		.flags = s->flags,
		.window = be16_from(501),
	};

	memcpy(at, &tcp, sizeof(tcp));
	if (s->options_len)
		memcpy(at + TCP_HDR_MIN, s->options, s->options_len);
	for (unsigned i = 0; i < s->payload_len; i++)
		at[header + i] = (uint8_t)(i * 7 + 1);
	return header + s->payload_len;
}

static inline struct packet *frame_make(struct frame *f, const struct frame_spec *s)
{
	size_t l3 = ETH_HDR_LEN + s->vlan_tags * sizeof(struct vlan_hdr), ihl = IPV4_HDR_MIN + s->ip_options_len, len;
	uint8_t *data = f->buffer + 2, *l4 = data + l3 + ihl;
	struct ipv4_hdr *ip = (struct ipv4_hdr *)(void *)(data + l3);

	memset(f, 0, sizeof(*f));
	memset(data, 0xee, 2 * ETH_ADDR_LEN);
	for (unsigned i = 0; i < s->vlan_tags; i++) {
		store_be16(data + 12 + 4 * i, ETHERTYPE_VLAN);
		store_be16(data + 14 + 4 * i, (uint16_t)(100 + i));
	}
	store_be16(data + l3 - 2, ETHERTYPE_IPV4);
	memset(ip + 1, 1, s->ip_options_len); /* no-operation */
	if (s->l4)
		memcpy(l4, s->l4, s->l4_len);
	len = s->l4 ? s->l4_len : frame_put_segment(l4, s);
	*ip = (struct ipv4_hdr){
		.version_ihl = (uint8_t)(4 << 4 | ihl / 4),
		.tos = 0x03,
		.total_len = be16_from((uint16_t)(ihl + len)),
		.id = be16_from(77),
		.frag = be16_from(s->frag),
		.ttl = 57,
		.proto = s->proto ? s->proto : IP_PROTO_TCP,
		.src = ep(s->src).addr,
		.dst = ep(s->dst).addr,
	};
	ip->check = wrong_by(csum_ipv4(ip, ihl), s->ip_error);
	if (!s->l4) {
		struct tcp_hdr *tcp = (struct tcp_hdr *)(void *)l4;

		tcp->check = wrong_by(csum_tcp(ip, tcp, len), s->tcp_error);
	}
	f->p.data = data;
	f->p.len = (uint32_t)(l3 + ihl + len + s->padding);
	f->p.room = sizeof(f->buffer) - 2;
	f->p.ingress_port = s->port;
	return &f->p;
}

static inline void run_one(struct switch_model *sw, struct packet *p, uint64_t now_ns)
{
	struct batch b = { .count = 1, .pkt = { p } };

	switch_run(sw, &b, now_ns);
}

/* Both checksums of a TCP packet against what they should be; parses it anew. */
static inline void assert_checksums(struct packet *p, bool ip_right, bool tcp_right)
{
	size_t ihl;

	ck_assert_int_eq(headers_parse(p), DROP_NONE);
	ihl = p->phv.l4_at - p->phv.l3_at;
	ck_assert_int_eq(packet_ip(p)->check == csum_ipv4(packet_ip(p), ihl), ip_right);
	ck_assert_int_eq(packet_tcp(p)->check ==
				 csum_tcp(packet_ip(p), packet_tcp(p), be16_to(packet_ip(p)->total_len) - ihl),
			 tcp_right);
}

static inline void assert_endpoint(struct endpoint got, const char *want)
{
	char text[ENDPOINT_TEXT_MAX];

	ck_assert_str_eq(endpoint_format(got, text), want);
}

#endif
