/* SPDX-License-Identifier: BSD-2-Clause */
/* headers.c: one pass over a frame fills the packet header vector.
 *
 * Reads at most p->len bytes, believes no length field without checking it against what is
 * there, and never asserts on content. Every offset it leaves in the PHV is safe to
 * dereference for the whole header that stands there. Fields that do not apply are zero.
 *
 * Refusals: RUNT (something is shorter than a header before it says, an IPv4 total length of 0
 * included), NOT_IPV4 (also a third VLAN tag), BAD_IP_HEADER, BAD_TCP_HEADER. A first fragment
 * that breaks off within its TCP header is no refusal: it is a fragment without L4, since only
 * reassembly can tell what it is. */
#include "miresga/checksum.h"
#include "miresga/packet.h"

#define VLAN_TAGS_MAX 2

/* Steps over the VLAN tags. Sets l3_at and ether_type; false if the frame ends in between. */
static bool parse_ethernet(struct packet *p)
{
	uint32_t at = offsetof(struct eth_hdr, type);

	for (int tags = 0;; tags++) {
		if (p->len < at + sizeof(be16))
			return false;
		p->phv.ether_type = load_be16(p->data + at);
		if (tags == VLAN_TAGS_MAX ||
		    (p->phv.ether_type != ETHERTYPE_VLAN && p->phv.ether_type != ETHERTYPE_QINQ))
			break;
		at += sizeof(struct vlan_hdr);
	}
	p->phv.l3_at = (uint16_t)(at + sizeof(be16));
	return true;
}

/* `left` bytes of the datagram stand from `at` on. */
static enum drop_reason parse_tcp(struct packet *p, uint32_t at, uint32_t left)
{
	const struct tcp_hdr *tcp = (const void *)(p->data + at);
	struct phv *v = &p->phv;
	uint32_t header;

	if (left < TCP_HDR_MIN)
		return DROP_RUNT;
	header = (tcp->data_off >> 4) * 4u;
	if (header < TCP_HDR_MIN || header > left)
		return DROP_BAD_TCP_HEADER;
	v->l4_at = (uint16_t)at;
	v->payload_at = (uint16_t)(at + header);
	v->payload_len = left - header;
	v->tcp_flags = tcp->flags;
	v->tcp_options_len = (uint8_t)(header - TCP_HDR_MIN);
	v->src.port = tcp->sport;
	v->dst.port = tcp->dport;
	v->seq = be32_to(tcp->seq);
	v->ack = be32_to(tcp->ack);
	v->window = be16_to(tcp->window);
	return DROP_NONE;
}

static enum drop_reason parse_l4(struct packet *p, uint32_t at, uint32_t left)
{
	struct phv *v = &p->phv;

	v->payload_at = (uint16_t)at;
	v->payload_len = left;
	if (LIKELY(v->ip_proto == IP_PROTO_TCP))
		return parse_tcp(p, at, left);
	if (v->ip_proto == IP_PROTO_ICMP) {
		if (left < sizeof(struct icmp_hdr))
			return DROP_RUNT;
		v->l4_at = (uint16_t)at;
		v->payload_at = (uint16_t)(at + sizeof(struct icmp_hdr));
		v->payload_len = left - (uint32_t)sizeof(struct icmp_hdr);
	}
	return DROP_NONE;
}

static enum drop_reason parse_ipv4(struct packet *p)
{
	const struct ipv4_hdr *ip = packet_ip(p);
	struct phv *v = &p->phv;
	uint32_t frame_left = p->len - v->l3_at, ihl, total, frag;

	if (frame_left < IPV4_HDR_MIN)
		return DROP_RUNT;
	ihl = (ip->version_ihl & 15) * 4u;
	if (ip->version_ihl >> 4 != 4 || ihl < IPV4_HDR_MIN)
		return DROP_BAD_IP_HEADER;
	total = be16_to(ip->total_len);
	if (total > frame_left || total < ihl)
		return DROP_RUNT;
	v->ip_proto = ip->proto;
	v->src.addr = ip->src;
	v->dst.addr = ip->dst;
	frag = be16_to(ip->frag);
	if (UNLIKELY(frag & (IP_FLAG_MF | IP_OFFSET_MASK))) {
		v->fragment = true;
		if (frag & IP_OFFSET_MASK || parse_l4(p, v->l3_at + ihl, total - ihl) != DROP_NONE) {
			v->payload_at = (uint16_t)(v->l3_at + ihl);
			v->payload_len = total - ihl;
		}
		return DROP_NONE;
	}
	return parse_l4(p, v->l3_at + ihl, total - ihl);
}

enum drop_reason headers_parse(struct packet *p)
{
	p->phv = (struct phv){ 0 };
	if (UNLIKELY(!parse_ethernet(p)))
		return DROP_RUNT;
	if (LIKELY(p->phv.ether_type == ETHERTYPE_IPV4))
		return parse_ipv4(p);
	if (p->phv.ether_type == ETHERTYPE_ARP)
		return p->len - p->phv.l3_at < sizeof(struct arp_hdr) ? DROP_RUNT : DROP_NONE;
	return DROP_NOT_IPV4;
}

bool packet_checksum_right(const struct packet *p)
{
	const struct ipv4_hdr *ip = packet_ip(p);

	return p->checksum_partial ||
	       csum_tcp_right(ip, packet_tcp(p), (size_t)be16_to(ip->total_len) - (p->phv.l4_at - p->phv.l3_at));
}
