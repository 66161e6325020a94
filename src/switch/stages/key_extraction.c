/* SPDX-License-Identifier: BSD-2-Clause */
/* key_extraction.c: stage 3, direction and key <CIP,CPort> by VIP Table and DIP Table I.
 *
 *   inbound   from the client port, to the VIP's service: the key is the source;
 *             or an ICMP error about a packet that the VIP's service sent: the key is the
 *             destination of the packet quoted in it (RFC 5508; ports are in its first 8 bytes)
 *   outbound  source in DIP Table I, on that backend's port: the key is the destination
 *   none      everything else; from a front-end all of it, which has rewritten it already
 *
 * The ingress port decides who may be what: a client with a backend's address is a client.
 * Refusals: none here; packet_steering decides about what has no direction. */
#include "../switch_internal.h"

/* What RFC 792 has an ICMP error quote at least of the datagram behind its IP header. */
#define QUOTED_L4_MIN 8

static bool is_icmp_error(const struct packet *p)
{
	const struct icmp_hdr *icmp = (const void *)(p->data + p->phv.l4_at);

	if (p->phv.ip_proto != IP_PROTO_ICMP || !p->phv.l4_at || p->phv.fragment)
		return false;
	return icmp->type == ICMP_UNREACHABLE || icmp->type == ICMP_TIME_EXCEEDED || icmp->type == ICMP_PARAMETER;
}

bool switch_quoted_tcp(const struct packet *p, struct endpoint *sender, struct endpoint *receiver)
{
	const uint8_t *quoted = p->data + p->phv.payload_at;
	const struct ipv4_hdr *ip = (const void *)quoted;
	const struct tcp_hdr *tcp;
	uint32_t ihl;

	if (!is_icmp_error(p) || p->phv.payload_len < IPV4_HDR_MIN + QUOTED_L4_MIN || ip->version_ihl >> 4 != 4)
		return false;
	ihl = (ip->version_ihl & 15) * 4u;
	if (ihl < IPV4_HDR_MIN || p->phv.payload_len < ihl + QUOTED_L4_MIN)
		return false;
	if (ip->proto != IP_PROTO_TCP || be16_to(ip->frag) & IP_OFFSET_MASK)
		return false;
	tcp = (const void *)(quoted + ihl);
	*sender = endpoint_make(ip->src, tcp->sport);
	*receiver = endpoint_make(ip->dst, tcp->dport);
	return true;
}

static void extract_from_client(const struct switch_tables *t, struct packet *p)
{
	struct phv *v = &p->phv;
	struct endpoint sender, receiver;

	if (v->dst.addr != t->vip.addr || !v->l4_at)
		return;
	if (LIKELY(v->ip_proto == IP_PROTO_TCP)) {
		if (v->dst.port != t->vip.port)
			return;
		v->client = v->src;
	} else {
		if (!switch_quoted_tcp(p, &sender, &receiver) || !endpoint_equal(sender, t->vip))
			return;
		v->client = receiver;
	}
	v->direction = DIRECTION_INBOUND;
}

static void extract_from_backend(const struct switch_tables *t, struct packet *p)
{
	struct phv *v = &p->phv;
	uint16_t d_index;

	if (v->ip_proto != IP_PROTO_TCP || !v->l4_at)
		return;
	d_index = tables_source_backend(t, v->src, p->ingress_port);
	if (d_index == EXACT_NONE)
		return;
	v->from_backend = true;
	v->source_d_index = (uint8_t)d_index;
	v->client = v->dst;
	v->direction = DIRECTION_OUTBOUND;
}

BREAKABLE void stage_key_extraction_run(struct switch_model *sw, struct batch *b, uint64_t now_ns)
{
	(void)now_ns;
	for (uint32_t i = 0; i < b->count; i++) {
		struct packet *p = b->pkt[i];

		if (p->fate != FATE_FORWARD)
			continue;
		if (p->ingress_port == PORT_CLIENT)
			extract_from_client(&sw->tables, p);
		else if (!port_is_frontend(p->ingress_port))
			extract_from_backend(&sw->tables, p);
	}
}
