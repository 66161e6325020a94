/* SPDX-License-Identifier: BSD-2-Clause */
/* icmp.c: ICMP errors about what the VIP sent go to the backend that really sent it.
 *
 * Without this Path MTU discovery dies silently (RFC 1191, RFC 5508 §7). The quoted packet bears
 * VIP and L space; the backend knows it by its own address and numbers. Addresses and port are
 * put right here, the quoted sequence number by the agent. Only unreachable, time exceeded and
 * parameter problem are let through, and only about a flow that is spliced. */
#include "frontend_internal.h"
#include "miresga/checksum.h"

#include <string.h>

/* Of the quoted TCP header only 8 bytes must be there (RFC 792); the checksum stands at 16. */
#define QUOTED_TCP_MIN 8
#define QUOTED_TCP_CHECK_END 18

struct quoted {
	struct ipv4_hdr *ip;
	struct tcp_hdr *tcp;
	uint32_t tcp_len; /* bytes that are there */
};

static bool find_quoted(const struct packet *p, struct quoted *q)
{
	uint8_t *at = packet_payload(p);
	uint32_t left = p->phv.payload_len, ihl;
	const struct icmp_hdr *icmp = (const void *)(p->data + p->phv.l4_at);

	if (icmp->type != ICMP_UNREACHABLE && icmp->type != ICMP_TIME_EXCEEDED && icmp->type != ICMP_PARAMETER)
		return false;
	if (p->phv.fragment || left < IPV4_HDR_MIN)
		return false;
	q->ip = (void *)at;
	ihl = (q->ip->version_ihl & 15) * 4u;
	if (ihl < IPV4_HDR_MIN || left < ihl + QUOTED_TCP_MIN || q->ip->proto != IP_PROTO_TCP)
		return false;
	q->tcp = (void *)(at + ihl);
	q->tcp_len = left - ihl;
	return true;
}

/* A 16-bit field inside what the ICMP checksum covers. */
static void set16(struct icmp_hdr *icmp, void *field, be16 to)
{
	be16 from;

	memcpy(&from, field, sizeof(from));
	icmp->check = csum_update16(icmp->check, from, to);
	memcpy(field, &to, sizeof(to));
}

static void set32(struct icmp_hdr *icmp, void *field, be32 to)
{
	be32 from;

	memcpy(&from, field, sizeof(from));
	icmp->check = csum_update32(icmp->check, from, to);
	memcpy(field, &to, sizeof(to));
}

static void readdress(struct packet *p, const struct quoted *q, struct endpoint backend)
{
	struct icmp_hdr *icmp = (void *)(p->data + p->phv.l4_at);
	struct ipv4_hdr *outer = packet_ip(p);
	be32 vip = q->ip->src;
	be16 port = q->tcp->sport;

	outer->check = csum_update32(outer->check, outer->dst, backend.addr);
	outer->dst = backend.addr;
	set16(icmp, &q->ip->check, csum_update32(q->ip->check, vip, backend.addr));
	set32(icmp, &q->ip->src, backend.addr);
	set16(icmp, &q->tcp->sport, backend.port);
	if (q->tcp_len >= QUOTED_TCP_CHECK_END)
		set16(icmp, &q->tcp->check,
		      csum_update16(csum_update32(q->tcp->check, vip, backend.addr), port, backend.port));
}

void icmp_packet(struct work *w)
{
	struct packet *p = w->packet;
	struct quoted q;
	struct flow *f;

	if (p->phv.l4_at == 0 || p->phv.ip_proto != IP_PROTO_ICMP || !find_quoted(p, &q) ||
	    !endpoint_equal(endpoint_make(q.ip->src, q.tcp->sport), w->fe->config->vip)) {
		packet_drop(p, DROP_ICMP_NO_FLOW);
		return;
	}
	p->phv.client = endpoint_make(q.ip->dst, q.tcp->dport);
	f = flow_find(&w->fe->flows, p->phv.client);
	if (!f || !flow_connected(f)) {
		packet_drop(p, DROP_ICMP_NO_FLOW);
		return;
	}
	readdress(p, &q, w->fe->config->backends[f->backend].address);
	p->note.backend = f->backend;
	p->fate = FATE_FORWARD;
	packet_queue_push(&w->out->packets, p);
}
