/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_fixture.h: traces written row by row, and a configuration to replay them with. Numbers
 * in rows are offsets from the initial sequence numbers (the SYN is 0, the first byte 1), so that
 * the same rows can be played with any. */
#ifndef TESTS_REPLAY_FIXTURE_H
#define TESTS_REPLAY_FIXTURE_H

#include <check.h>
#include <stdlib.h>

#include "capture.h"
#include "miresga/config.h"
#include "miresga/replay.h"
#include "miresga/tcp_options.h"

#define FIN TCP_FIN
#define SYN TCP_SYN
#define RST TCP_RST
#define PSH TCP_PSH
#define ACK TCP_ACK

struct row {
	uint32_t ms;
	char from; /* 'c' or 's' */
	uint8_t flags;
	uint32_t seq, ack;
	const char *data;    /* NULL: none */
	uint16_t window;     /* 0: 1000; ZERO_WINDOW: 0 */
	uint8_t port;	     /* added to the client's port */
	uint8_t generation;  /* of the connections on that port: other ISNs */
	uint16_t mss;	     /* SYN: 0 = no such option */
	uint8_t wscale;	     /* SYN: shift + 1, 0 = no such option */
	bool sack_permitted; /* SYN */
	uint32_t tsval, tsecr;
	uint32_t sack[2]; /* one block; 0, 0: none */
};
#define ZERO_WINDOW 0xffff

/* A row of the client, of the server: time, flags, SEQ, ACK, and what else there is by name. */
#define C(t, f, s, a, ...) \
	{ \
		.ms = t, .from = 'c', .flags = f, .seq = s, .ack = a, ##__VA_ARGS__ \
	}
#define S(t, f, s, a, ...) \
	{ \
		.ms = t, .from = 's', .flags = f, .seq = s, .ack = a, ##__VA_ARGS__ \
	}

#define TEST_VIP "192.0.2.1:80"
#define TEST_CLIENT_ADDR 0xc6336407 /* 198.51.100.7 */
#define TEST_CLIENT_PORT 40000

struct isns {
	uint32_t client, server;
};
static const struct isns isn_rows[] = { { 1000, 500000 }, { 0xfffffff0, 0xffffffe0 }, { 0x7ffffffe, 0 } };

static inline struct endpoint endpoint_of(const char *text)
{
	struct endpoint e = { 0 };

	ck_assert_int_eq(endpoint_parse(text, &e), 0);
	return e;
}

/* Options of a row; returns their length, a multiple of four. */
static inline size_t row_options(const struct row *r, uint32_t peer_isn, uint8_t out[TCP_OPTIONS_MAX])
{
	struct tcp_options o = {
		.mss = r->flags & SYN ? r->mss : 0,
		.wscale = r->flags & SYN && r->wscale ? r->wscale - 1 : TCP_WSCALE_NONE,
		.sack_permitted = r->flags & SYN && r->sack_permitted,
		.has_timestamps = r->tsval,
		.tsval = r->tsval,
		.tsecr = r->tsecr,
	};
	size_t len = tcp_options_write(&o, out);

	if (r->sack[1]) {
		memcpy(out + len, (const uint8_t[]){ TCPOPT_NOP, TCPOPT_NOP, TCPOPT_SACK, 10 }, 4);
		store_be32(out + len + 4, peer_isn + r->sack[0]);
		store_be32(out + len + 8, peer_isn + r->sack[1]);
		len += 12;
	}
	return len;
}

/* The datagram of a row, checksums right; returns its length. */
static inline uint32_t row_datagram(const struct row *r, struct isns isn, uint8_t ip[2048])
{
	struct endpoint client = endpoint_make(be32_from(TEST_CLIENT_ADDR),
					       be16_from((uint16_t)(TEST_CLIENT_PORT + r->port)));
	struct endpoint vip = endpoint_of(TEST_VIP), src = r->from == 'c' ? client : vip,
			dst = r->from == 'c' ? vip : client;
	uint32_t own = (r->from == 'c' ? isn.client : isn.server) + r->generation * 10000000u;
	uint32_t peer = (r->from == 'c' ? isn.server : isn.client) + r->generation * 10000000u;
	struct ipv4_hdr *h = (void *)ip;
	struct tcp_hdr *t = (void *)(ip + IPV4_HDR_MIN);
	size_t options, data = r->data ? strlen(r->data) : 0, len;

	memset(ip, 0, IPV4_HDR_MIN + TCP_HDR_MIN);
	options = row_options(r, peer, ip + IPV4_HDR_MIN + TCP_HDR_MIN);
	len = IPV4_HDR_MIN + TCP_HDR_MIN + options + data;
	ck_assert_uint_le(len, 2048);
	h->version_ihl = 0x45;
	h->total_len = be16_from((uint16_t)len);
	h->ttl = 64;
	h->proto = IP_PROTO_TCP;
	h->src = src.addr;
	h->dst = dst.addr;
	t->sport = src.port;
	t->dport = dst.port;
	t->seq = be32_from(own + r->seq);
	t->ack = be32_from(r->flags & ACK ? peer + r->ack : 0);
	t->data_off = (uint8_t)((TCP_HDR_MIN + options) / 4 << 4);
	t->flags = r->flags;
	t->window = be16_from(r->window == ZERO_WINDOW ? 0 : r->window ? r->window : 1000);
	if (data)
		memcpy(ip + len - data, r->data, data);
	sum_header(ip);
	sum_transport(ip, len);
	return (uint32_t)len;
}

/* Adds rows up to one without `from`. */
static inline void rows_capture(struct bytes *b, const struct row *rows, struct isns isn)
{
	uint8_t ip[2048];

	for (const struct row *r = rows; r->from; r++) {
		uint32_t len = row_datagram(r, isn, ip), time[2] = { 1000 + r->ms / 1000, r->ms % 1000 * 1000 };

		capture_record(b, &containers[0], time, ip, len, len);
	}
}

/* A file with the rows; the caller unlinks it. Link type RAW. */
static inline void rows_write(const struct row *rows, struct isns isn, char path[32])
{
	struct bytes b = { 0 };

	capture_begin(&b, &containers[0], 101);
	rows_capture(&b, rows, isn);
	capture_write(&b, path);
	bytes_free(&b);
}

/* Paths that begin with /b go to pool 1, backend "b"; all else to pool 0, backend "a". */
static inline struct config *replay_config(void)
{
	struct config *c = calloc(1, sizeof(*c));

	ck_assert_ptr_nonnull(c);
	config_defaults(c);
	c->vip = endpoint_of("10.0.1.10:80");
	c->backend_count = 2;
	for (unsigned i = 0; i < 2; i++) {
		snprintf(c->backends[i].name, sizeof(c->backends[i].name), "%c", 'a' + i);
		c->backends[i].address = endpoint_of(i ? "198.18.0.2:8080" : "198.18.0.1:80");
		c->backends[i].weight = 1;
		c->pools[i].member_count = 1;
		c->pools[i].members[0] = (uint8_t)i;
	}
	c->pool_count = 2;
	c->rule_count = 2;
	snprintf(c->rules[0].path, sizeof(c->rules[0].path), "/b");
	c->rules[0].path_is_prefix = true;
	c->rules[0].pool = 1;
	c->rules[0].offload = c->rules[1].offload = OFFLOAD_AUTO;
	return c;
}

#endif
