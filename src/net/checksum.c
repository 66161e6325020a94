/* SPDX-License-Identifier: BSD-2-Clause */
/* checksum.c: the Internet checksum over buffers (RFC 1071) and in-place replacement (RFC 1624).
 *
 * All sums are kept in the byte order of memory: one's complement addition commutes with a byte
 * swap (RFC 1071 §2 (B)), so nothing is swapped on the way. Pure functions; nothing beyond the
 * given lengths is read. */
#include "miresga/checksum.h"

#include "miresga/base.h"

static uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t csum_sum(const void *data, size_t len, uint32_t initial)
{
	const uint8_t *p = data;
	unsigned __int128 sum = initial; /* carries gather above bit 64, where they weigh one again */
	uint64_t words[4];
	uint16_t half;

	for (; len >= sizeof(words); p += sizeof(words), len -= sizeof(words)) {
		memcpy(words, p, sizeof(words));
		for (unsigned i = 0; i < ARRAY_LEN(words); i++)
			sum += words[i];
	}
	for (; len >= sizeof(words[0]); p += sizeof(words[0]), len -= sizeof(words[0])) {
		memcpy(words, p, sizeof(words[0]));
		sum += words[0];
	}
	for (; len >= sizeof(half); p += sizeof(half), len -= sizeof(half)) {
		memcpy(&half, p, sizeof(half));
		sum += half;
	}
	if (len)
		sum += *p; /* RFC 1071 §4.1: padded with a zero byte behind */
	return fold((uint64_t)fold((uint64_t)sum) + (uint64_t)(sum >> 64));
}

void csum_replace(be16 *check, uint8_t *field, const uint8_t *with, size_t len, size_t offset)
{
	uint16_t from = csum_sum(field, len, 0), to = csum_sum(with, len, 0);

	if (offset & 1) {
		from = __builtin_bswap16(from);
		to = __builtin_bswap16(to);
	}
	*check = csum_update16(*check, (WIRE_FORCE be16)from, (WIRE_FORCE be16)to);
	memmove(field, with, len);
}

be16 csum_ipv4(const struct ipv4_hdr *ip, size_t ihl)
{
	const uint8_t *bytes = (const uint8_t *)ip;
	uint16_t sum = csum_sum(bytes, offsetof(struct ipv4_hdr, check), 0);
	size_t rest = offsetof(struct ipv4_hdr, src);

	return (WIRE_FORCE be16)(uint16_t)~csum_sum(bytes + rest, ihl - rest, sum);
}

be16 csum_tcp(const struct ipv4_hdr *ip, const struct tcp_hdr *tcp, size_t len)
{
	const uint8_t *bytes = (const uint8_t *)tcp;
	size_t rest = offsetof(struct tcp_hdr, urgent);
	uint32_t sum = csum_sum(&ip->src, 2 * sizeof(ip->src), 0);

	/* RFC 9293 §3.1: pseudo-header of addresses, protocol and segment length. */
	sum += __builtin_bswap16(IP_PROTO_TCP);
	sum += __builtin_bswap16((uint16_t)len);
	sum = csum_sum(bytes, offsetof(struct tcp_hdr, check), sum);
	return (WIRE_FORCE be16)(uint16_t)~csum_sum(bytes + rest, len - rest, sum);
}
