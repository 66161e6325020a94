/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_icmp.c: what routers say of segments that were sent: that they are too
 * large (RFC 1191), or that there is nobody.
 *
 * A message counts only if the sequence number in it is in flight (RFC 5927
 * §4.1); anything else may be forged. Only a connection that is being opened
 * ends by one (RFC 5927 §5.2, RFC 1122 §4.2.3.9). */
#include "miresga/checksum.h"
#include "tcp_internal.h"

#define ICMP_PROTO_UNREACHABLE 2
#define ICMP_PORT_UNREACHABLE 3
#define ICMP_FRAGMENTATION_NEEDED 4
/* As Linux (RFC 1191 §3 would allow 68): a smaller one is an attack rather than
 * a path. */
#define PMTU_MIN 552u
#define HEADERS (IPV4_HDR_MIN + TCP_HDR_MIN)

/* RFC 1191 §7.1: what a router that does not name its MTU may have. */
static uint32_t plateau_below(uint32_t len)
{
	static const uint16_t plateau[] = { 32000, 17914, 8166, 4352, 2002, 1492, 1006 };

	for (size_t i = 0; i < ARRAY_LEN(plateau); i++)
		if (plateau[i] < len)
			return plateau[i];
	return PMTU_MIN;
}

static void path_is_narrow(struct tcp *c, uint32_t mtu, uint64_t now_ns)
{
	uint32_t mss = MAX(mtu, PMTU_MIN) - HEADERS, now = c->snd.mss + (c->timestamps ? TCP_TIMESTAMPS_SPACE : 0);

	if (mss >= now || c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED)
		return;
	tcp_set_mss(c, mss);
	if (!tcp_flight(c))
		return;
	tcp_congestion_resend(c);
	tcp_output(c, now_ns);
}

void tcp_icmp(struct tcp_stack *s, const struct packet *p, uint64_t now_ns)
{
	const struct icmp_hdr *icmp = (const void *)(p->data + p->phv.l4_at);
	const uint8_t *inner = packet_payload(p);
	uint32_t left = p->phv.payload_len, ihl, seq;
	struct endpoint local, remote;
	struct tcp_node *n;
	struct tcp *c;

	if (icmp->type != ICMP_UNREACHABLE || left < IPV4_HDR_MIN)
		return;
	if (csum_sum(icmp, sizeof(*icmp) + left, 0) != 0xffff) {
		s->stats.bad_checksums++;
		return;
	}
	ihl = (inner[0] & 15) * 4u;
	if (inner[0] >> 4 != 4 || ihl < IPV4_HDR_MIN || left < ihl + 8 || inner[9] != IP_PROTO_TCP)
		return;
	memset(&local, 0, sizeof(local));
	memset(&remote, 0, sizeof(remote));
	memcpy(&local.addr, inner + 12, sizeof(local.addr));
	memcpy(&remote.addr, inner + 16, sizeof(remote.addr));
	memcpy(&local.port, inner + ihl, sizeof(local.port));
	memcpy(&remote.port, inner + ihl + 2, sizeof(remote.port));
	n = tcp_table_find(s, local, remote);
	if (!n || n->waiting)
		return;
	c = (struct tcp *)n;
	seq = load_be32(inner + ihl + 4);
	if (!seq_in(seq, c->snd.una, tcp_flight(c)))
		return;
	if (icmp->code == ICMP_FRAGMENTATION_NEEDED) {
		uint32_t mtu = be32_to(icmp->rest) & 0xffff;

		path_is_narrow(c, mtu ? mtu : plateau_below(load_be16(inner + 2)), now_ns);
	} else if ((icmp->code == ICMP_PORT_UNREACHABLE || icmp->code == ICMP_PROTO_UNREACHABLE) &&
		   c->state == TCP_SYN_SENT) {
		tcp_end(c, TCP_EVENT_RESET, now_ns);
	}
}
