/* SPDX-License-Identifier: BSD-2-Clause */
/* segment.c: recorded TCP segments.
 *
 * A segment borrows the datagram that the trace reader or a queue holds. Edits go to a packet's
 * copy of it and keep the state of its checksums: right stays right, wrong stays wrong
 * (RFC 1624). Refused are datagrams whose headers do not fit. */
#include "segment.h"

#include "miresga/checksum.h"

/* Offset of the TCP header; 0 if this is no whole IPv4 datagram with TCP in it. */
static uint32_t segment_tcp_at(const uint8_t *ip, uint32_t len)
{
	const struct ipv4_hdr *h = (const void *)ip;
	uint32_t ihl;

	if (len < IPV4_HDR_MIN || h->version_ihl >> 4 != 4 || h->proto != IP_PROTO_TCP)
		return 0;
	ihl = (h->version_ihl & 15) * 4u;
	if (ihl < IPV4_HDR_MIN || ihl + 4 > len || be16_to(h->total_len) > len ||
	    (be16_to(h->frag) & (IP_FLAG_MF | IP_OFFSET_MASK)))
		return 0;
	return ihl;
}

bool segment_endpoints(const uint8_t *ip, uint32_t len, struct endpoint *src, struct endpoint *dst)
{
	const struct ipv4_hdr *h = (const void *)ip;
	uint32_t at = segment_tcp_at(ip, len);

	if (!at)
		return false;
	*src = endpoint_make(h->src, be16_from(load_be16(ip + at)));
	*dst = endpoint_make(h->dst, be16_from(load_be16(ip + at + 2)));
	return true;
}

bool segment_parse(struct segment *s, const uint8_t *ip, uint32_t len)
{
	const struct ipv4_hdr *h = (const void *)ip;
	const struct tcp_hdr *tcp;
	uint32_t at = segment_tcp_at(ip, len), total, header;

	if (!at)
		return false;
	total = be16_to(h->total_len);
	if (total < at + TCP_HDR_MIN)
		return false;
	tcp = (const void *)(ip + at);
	header = (tcp->data_off >> 4) * 4u;
	if (header < TCP_HDR_MIN || at + header > total)
		return false;
	*s = (struct segment){
		.ip = ip,
		.len = total,
		.tcp_at = (uint16_t)at,
		.payload_at = (uint16_t)(at + header),
		.payload_len = total - at - header,
		.src = endpoint_make(h->src, tcp->sport),
		.dst = endpoint_make(h->dst, tcp->dport),
		.seq = be32_to(tcp->seq),
		.ack = be32_to(tcp->ack),
		.window = be16_to(tcp->window),
		.flags = tcp->flags,
	};
	tcp_options_parse(ip + at + TCP_HDR_MIN, header - TCP_HDR_MIN, &s->options);
	return true;
}

bool segment_checksums_right(const uint8_t *ip, uint32_t tcp_at)
{
	const struct ipv4_hdr *h = (const void *)ip;

	return csum_sum(h, tcp_at, 0) == 0xffff &&
	       csum_tcp_right(h, (const void *)(ip + tcp_at), be16_to(h->total_len) - tcp_at);
}

void segment_sack_edges(const struct segment *s, uint32_t edges[2 * TCP_SACK_BLOCKS_MAX])
{
	const uint8_t *at = s->ip + s->tcp_at + TCP_HDR_MIN + s->options.sack_at + 2;

	for (unsigned i = 0; i < 2u * s->options.sack_blocks; i++)
		edges[i] = load_be32(at + 4 * i);
}

static struct ipv4_hdr *edit_ip(struct packet *p)
{
	return (void *)(p->data + ETH_HDR_LEN);
}

static struct tcp_hdr *edit_tcp(const struct segment *s, struct packet *p)
{
	return (void *)(p->data + ETH_HDR_LEN + s->tcp_at);
}

void segment_set_source(const struct segment *s, struct packet *p, struct endpoint src)
{
	struct ipv4_hdr *ip = edit_ip(p);
	struct tcp_hdr *tcp = edit_tcp(s, p);

	ip->check = csum_update32(ip->check, ip->src, src.addr);
	tcp->check = csum_update32(tcp->check, ip->src, src.addr);
	tcp->check = csum_update16(tcp->check, tcp->sport, src.port);
	ip->src = src.addr;
	tcp->sport = src.port;
}

void segment_set_seq(const struct segment *s, struct packet *p, uint32_t seq)
{
	struct tcp_hdr *tcp = edit_tcp(s, p);

	tcp->check = csum_update32(tcp->check, tcp->seq, be32_from(seq));
	tcp->seq = be32_from(seq);
}

void segment_set_ack(const struct segment *s, struct packet *p, uint32_t ack)
{
	struct tcp_hdr *tcp = edit_tcp(s, p);

	tcp->check = csum_update32(tcp->check, tcp->ack, be32_from(ack));
	tcp->ack = be32_from(ack);
}

void segment_set_window(const struct segment *s, struct packet *p, uint16_t window)
{
	struct tcp_hdr *tcp = edit_tcp(s, p);

	tcp->check = csum_update16(tcp->check, tcp->window, be16_from(window));
	tcp->window = be16_from(window);
}

/* Adds to the 32-bit number `at` bytes into the options. */
static void shift_option(const struct segment *s, struct packet *p, uint32_t at, uint32_t by)
{
	struct tcp_hdr *tcp = edit_tcp(s, p);
	uint8_t *field = (uint8_t *)tcp + TCP_HDR_MIN + at, shifted[4];
	be16 check = tcp->check;

	store_be32(shifted, load_be32(field) + by);
	csum_replace(&check, field, shifted, sizeof(shifted), TCP_HDR_MIN + at);
	tcp->check = check;
}

void segment_shift_sack(const struct segment *s, struct packet *p, uint32_t by)
{
	for (uint32_t edge = 0; edge < 2u * s->options.sack_blocks; edge++)
		shift_option(s, p, s->options.sack_at + 2u + 4 * edge, by);
}

void segment_shift_tsecr(const struct segment *s, struct packet *p, uint32_t by)
{
	if (s->options.has_timestamps)
		shift_option(s, p, s->options.timestamps_at + 6u, by);
}

void segment_set_tsval(const struct segment *s, struct packet *p, uint32_t tsval)
{
	if (s->options.has_timestamps)
		shift_option(s, p, s->options.timestamps_at + 2u, tsval - s->options.tsval);
}

void segment_cut(const struct segment *s, struct packet *p, uint32_t from, uint32_t to)
{
	struct ipv4_hdr *ip = edit_ip(p);
	struct tcp_hdr *tcp = edit_tcp(s, p);
	uint8_t *payload = p->data + ETH_HDR_LEN + s->payload_at;
	uint32_t len = to - from, tcp_len = s->payload_at - s->tcp_at + len;
	be16 total = be16_from((uint16_t)(s->payload_at + len));

	memmove(payload, payload + from, len);
	p->len = ETH_HDR_LEN + s->payload_at + len;
	ip->check = csum_update16(ip->check, ip->total_len, total);
	ip->total_len = total;
	tcp->seq = be32_from(be32_to(tcp->seq) + from);
	if (to < s->payload_len)
		tcp->flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	tcp->check = csum_tcp(ip, tcp, tcp_len);
	if (!s->sound) /* a wrong one stays wrong */
		tcp->check = csum_update16(tcp->check, be16_from(0), be16_from(1));
	p->cut = from;
}
