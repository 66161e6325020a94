/* SPDX-License-Identifier: BSD-2-Clause */
/* make.c: TCP packets of our own: special SYNs, acknowledgements, resets, error responses.
 *
 * Complete frames with checksums from scratch, parsed like received ones. The MAC addresses are
 * zero: the switch's deparser alone knows them. Refusal: NULL when the pool is empty. */
#include "miresga/checksum.h"
#include "miresga/packet.h"
#include "miresga/tcp_options.h"

#define TTL_DEFAULT 64

static void fill_ip(struct ipv4_hdr *ip, const struct tcp_packet_spec *spec, size_t total)
{
	*ip = (struct ipv4_hdr){
		.version_ihl = 4 << 4 | IPV4_HDR_MIN / 4,
		.tos = spec->tos,
		.total_len = be16_from((uint16_t)total),
		.frag = be16_from(IP_FLAG_DF), /* RFC 6864 §4.1: atomic, so id 0 is allowed */
		.ttl = TTL_DEFAULT,
		.proto = IP_PROTO_TCP,
		.src = spec->src.addr,
		.dst = spec->dst.addr,
	};
	ip->check = csum_ipv4(ip, sizeof(*ip));
}

struct packet *packet_make_tcp(struct packet_pool *pool, const struct tcp_packet_spec *spec)
{
	size_t header = TCP_HDR_MIN + spec->options_len;
	size_t total = IPV4_HDR_MIN + header + spec->payload_len;
	struct packet *p;
	struct tcp_hdr *tcp;

	MUST(spec->options_len % 4 == 0 && spec->options_len <= TCP_OPTIONS_MAX);
	MUST(total <= FRAME_MAX - ETH_HDR_LEN);
	p = packet_alloc(pool, (uint32_t)(ETH_HDR_LEN + total));
	if (!p)
		return NULL;
	*(struct eth_hdr *)(void *)p->data = (struct eth_hdr){ .type = be16_from(ETHERTYPE_IPV4) };
	fill_ip((struct ipv4_hdr *)(void *)(p->data + ETH_HDR_LEN), spec, total);
	tcp = (struct tcp_hdr *)(void *)(p->data + ETH_HDR_LEN + IPV4_HDR_MIN);
	*tcp = (struct tcp_hdr){
		.sport = spec->src.port,
		.dport = spec->dst.port,
		.seq = be32_from(spec->seq),
		.ack = be32_from(spec->ack),
		.data_off = (uint8_t)(header / 4 << 4),
		.flags = spec->flags,
		.window = be16_from(spec->window),
	};
	if (spec->options_len)
		memcpy(tcp + 1, spec->options, spec->options_len);
	if (spec->payload_len)
		memcpy((uint8_t *)tcp + header, spec->payload, spec->payload_len);
	MUST(headers_parse(p) == DROP_NONE);
	tcp->check = csum_tcp(packet_ip(p), tcp, total - IPV4_HDR_MIN);
	return p;
}
