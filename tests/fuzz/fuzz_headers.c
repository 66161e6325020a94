/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz_headers.c: input: a frame. headers_parse() and the walks over TCP options.
 *
 * What is found lies inside the frame and fits together; bytes after the datagram change nothing; a frame that is
 * cut within its datagram is not taken for whole; both walks over options (tcp_options.c, splice.h) find the same;
 * what a SYN's options say survives being written. */
#include "fuzz.h"
#include "miresga/packet.h"
#include "miresga/tcp_options.h"
#include "src/agent/splice.h"

static enum drop_reason parse(struct packet *p, uint8_t *frame, size_t len)
{
	*p = (struct packet){ .data = frame, .len = (uint32_t)len, .room = (uint32_t)len };
	return headers_parse(p);
}

static void check_offsets(const struct packet *p)
{
	const struct phv *v = &p->phv;
	uint32_t end = v->payload_at + v->payload_len;

	MUST(v->l3_at >= ETH_HDR_LEN && v->l3_at <= p->len);
	if (v->ether_type != ETHERTYPE_IPV4)
		return;
	MUST(v->l3_at + IPV4_HDR_MIN <= v->payload_at);
	MUST(end == (uint32_t)v->l3_at + be16_to(packet_ip(p)->total_len) && end <= p->len);
	MUST(endpoint_equal(v->src, endpoint_make(packet_ip(p)->src, v->src.port)));
	if (!v->l4_at) {
		MUST(v->tcp_flags == 0 && v->tcp_options_len == 0 && v->seq == 0);
		return;
	}
	MUST(v->l4_at >= v->l3_at + IPV4_HDR_MIN && v->l4_at <= v->l3_at + 60);
	if (v->ip_proto == IP_PROTO_TCP) {
		MUST(v->tcp_options_len <= TCP_OPTIONS_MAX && v->tcp_options_len % 4 == 0);
		MUST(v->payload_at == v->l4_at + TCP_HDR_MIN + v->tcp_options_len);
		MUST(v->seq == be32_to(packet_tcp(p)->seq) && v->tcp_flags == packet_tcp(p)->flags);
	} else {
		MUST(v->ip_proto == IP_PROTO_ICMP && v->payload_at == v->l4_at + sizeof(struct icmp_hdr));
	}
}

static void check_options(const struct packet *p)
{
	const uint8_t *options = packet_tcp_options(p);
	const struct splice_segment g = { .tcp = p->data + p->phv.l4_at, .end = p->data + p->phv.payload_at };
	struct splice_options s;
	struct tcp_options o;
	uint8_t len = p->phv.tcp_options_len;

	tcp_options_parse(options, len, &o);
	MUST(!o.sack_blocks || (o.sack_at + 2 + 8 * o.sack_blocks <= len && options[o.sack_at] == TCPOPT_SACK));
	MUST(!o.has_timestamps || (o.timestamps_at + 10 <= len && load_be32(options + o.timestamps_at + 2) == o.tsval));
	MUST(!o.tag_len || (o.tag_at + o.tag_len <= len && options[o.tag_at] == TCPOPT_EXPERIMENT));
	MUST(o.wscale <= TCP_WSCALE_MAX || o.wscale == TCP_WSCALE_NONE);
	splice_options_find(&g, &s);
	MUST(s.sack_edges == 2 * o.sack_blocks);
	MUST(!s.sack_edges || s.sack_at == TCP_HDR_MIN + o.sack_at + 2);
	MUST(s.timestamps_at == (o.has_timestamps ? TCP_HDR_MIN + o.timestamps_at + 2 : 0));
	MUST(s.wscale == o.wscale);
}

static void check_written(const struct packet *p)
{
	uint8_t written[TCP_OPTIONS_MAX];
	struct tcp_options o, again;
	size_t len;

	tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &o);
	len = tcp_options_write(&o, written);
	MUST(len <= 20 && len % 4 == 0);
	tcp_options_parse(written, len, &again);
	MUST(!again.malformed && again.mss == o.mss && again.wscale == o.wscale);
	MUST(again.sack_permitted == o.sack_permitted && again.has_timestamps == o.has_timestamps);
	MUST(again.tsval == o.tsval && again.tsecr == o.tsecr);
}

/* The same datagram in a frame that is longer or shorter. */
static void check_other_lengths(const struct packet *p, const uint8_t *data, size_t size)
{
	uint32_t end = p->phv.payload_at + p->phv.payload_len;
	uint8_t *longer = malloc(FUZZ_ALIGN + size + 1), *shorter;
	struct packet q;

	MUST(longer);
	memcpy(longer + FUZZ_ALIGN, data, size);
	longer[FUZZ_ALIGN + size] = 0xa5;
	MUST(parse(&q, longer + FUZZ_ALIGN, size + 1) == DROP_NONE);
	MUST(memcmp(&q.phv, &p->phv, sizeof(q.phv)) == 0);
	free(longer);
	shorter = fuzz_frame(data, end - 1);
	MUST(parse(&q, shorter, end - 1) == DROP_RUNT);
	fuzz_frame_free(shorter);
}

FUZZ_TARGET(headers)
{
	uint8_t *frame = fuzz_frame(data, size);
	struct packet p;

	if (size <= FRAME_MAX && parse(&p, frame, size) == DROP_NONE) {
		check_offsets(&p);
		if (p.phv.ip_proto == IP_PROTO_TCP && p.phv.l4_at) {
			check_options(&p);
			check_written(&p);
		}
		if (p.phv.ether_type == ETHERTYPE_IPV4)
			check_other_lengths(&p, data, size);
	}
	fuzz_frame_free(frame);
	return 0;
}
