/* SPDX-License-Identifier: BSD-2-Clause */
/* checksum.h: the Internet checksum (RFC 1071) and its incremental update (RFC 1624).
 *
 * The core changes header fields only through the csum_update functions: a checksum that was
 * wrong before stays wrong by the same amount, it is never repaired. csum_ipv4() and
 * csum_tcp() compute one from scratch, for packets that we make ourselves and for the trace reader. */
#ifndef MIRESGA_CHECKSUM_H
#define MIRESGA_CHECKSUM_H

#include "miresga/base.h"
#include "miresga/wire.h"

/* RFC 1624 eqn. 3: HC' = ~(~HC + ~m + m'). Works on the stored (big-endian) values directly,
 * since one's complement addition is byte-order independent. */
static inline be16 csum_update16(be16 check, be16 from, be16 to)
{
	uint32_t sum = (uint16_t) ~(WIRE_FORCE uint16_t)check;

	sum += (uint16_t) ~(WIRE_FORCE uint16_t)from;
	sum += (WIRE_FORCE uint16_t)to;
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (WIRE_FORCE be16)(uint16_t)~sum;
}

static inline be16 csum_update32(be16 check, be32 from, be32 to)
{
	uint32_t f = (WIRE_FORCE uint32_t)from, t = (WIRE_FORCE uint32_t)to;

	check = csum_update16(check, (WIRE_FORCE be16)(uint16_t)f, (WIRE_FORCE be16)(uint16_t)t);
	return csum_update16(check, (WIRE_FORCE be16)(uint16_t)(f >> 16), (WIRE_FORCE be16)(uint16_t)(t >> 16));
}

/* The TCP checksum of a segment of which one endpoint changes; address (by the pseudo-header) and port are covered.
 * A `partial` one (struct packet) is the pseudo-header's sum alone, not complemented: the port is not in it. */
static inline be16 csum_update_endpoint(be16 check, struct endpoint from, struct endpoint to, bool partial)
{
	if (partial) {
		check = (WIRE_FORCE be16)(uint16_t) ~(WIRE_FORCE uint16_t)check;
		check = csum_update32(check, from.addr, to.addr);
		return (WIRE_FORCE be16)(uint16_t) ~(WIRE_FORCE uint16_t)check;
	}
	return csum_update16(csum_update32(check, from.addr, to.addr), from.port, to.port);
}

/* Replaces `len` bytes at `field`, which lies `offset` bytes into the data that `check` covers
 * (an odd offset is handled), and updates `*check`. */
void csum_replace(be16 *check, uint8_t *field, const uint8_t *with, size_t len, size_t offset);

/* One's complement sum of a buffer, folded, not inverted; 0..0xffff in stored byte order. */
uint16_t csum_sum(const void *data, size_t len, uint32_t initial);

/* Sum of the pseudo-header (RFC 9293 §3.1, RFC 768) of a segment or datagram of `len` bytes, to begin a csum_sum()
 * with. */
static inline uint32_t csum_pseudo_header(const struct ipv4_hdr *ip, uint8_t proto, size_t len)
{
	uint32_t src = (WIRE_FORCE uint32_t)ip->src, dst = (WIRE_FORCE uint32_t)ip->dst;

	return (src & 0xffff) + (src >> 16) + (dst & 0xffff) + (dst >> 16) + (WIRE_FORCE uint16_t)be16_from(proto) +
	       (WIRE_FORCE uint16_t)be16_from((uint16_t)len);
}

/* The value that the IPv4 header's checksum field must have; ihl bytes are read. */
be16 csum_ipv4(const struct ipv4_hdr *ip, size_t ihl);
/* The value that the TCP checksum field must have, segment length `len` from the TCP header on. */
be16 csum_tcp(const struct ipv4_hdr *ip, const struct tcp_hdr *tcp, size_t len);
/* True if it has that value, or the other one of 0 and 0xffff, which are the same number in one's complement. */
bool csum_tcp_right(const struct ipv4_hdr *ip, const struct tcp_hdr *tcp, size_t len);

#endif
