/* SPDX-License-Identifier: BSD-2-Clause */
/* checksum.c: the Internet checksum over buffers (RFC 1071) and in-place replacement (RFC 1624).
 *
 * All sums are kept in the byte order of memory: one's complement addition commutes with a byte
 * swap (RFC 1071 §2 (B)), so nothing is swapped on the way. Pure functions; nothing beyond the
 * given lengths is read. */
#include "miresga/checksum.h"

#include "miresga/base.h"

/* Compiled for plain x86-64 and for AVX2; the loader takes what the processor has. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__CHECKER__)
#define FOR_THE_MACHINE __attribute__((target_clones("avx2", "default")))
#else
#define FOR_THE_MACHINE
#endif

static uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Four sums beside each other. */
typedef uint64_t lanes __attribute__((vector_size(32)));
#define BLOCK (2 * sizeof(lanes))

/* Of `blocks` blocks, words of 32 bits into sums of 64: no carry is lost below 16 GiB, and fold() puts those that came
 * where they weigh one again. Plain C, and faster than adding up with carries, each of which waits for the one before;
 * the machine says whether a register holds all four sums, or two of them. */
FOR_THE_MACHINE static uint64_t sum_blocks(const uint8_t *p, size_t blocks)
{
	lanes even = { 0 }, odd = { 0 }, words;
	uint64_t sums[4];

	for (; blocks > 0; blocks--, p += BLOCK) {
		memcpy(&words, p, sizeof(words));
		even += (words & 0xffffffff) + (words >> 32);
		memcpy(&words, p + sizeof(words), sizeof(words));
		odd += (words & 0xffffffff) + (words >> 32);
	}
	even += odd;
	memcpy(sums, &even, sizeof(sums));
	return sums[0] + sums[1] + sums[2] + sums[3];
}

uint16_t csum_sum(const void *data, size_t len, uint32_t initial)
{
	const uint8_t *p = data;
	uint64_t sum = initial;
	uint32_t word;
	uint16_t half;

	if (len >= BLOCK) {
		sum += sum_blocks(p, len / BLOCK);
		p += len / BLOCK * BLOCK;
		len %= BLOCK;
	}
	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		sum += word;
	}
	if (len >= sizeof(half)) {
		memcpy(&half, p, sizeof(half));
		sum += half;
		p += sizeof(half);
		len -= sizeof(half);
	}
	if (len)
		sum += *p; /* RFC 1071 §4.1: padded with a zero byte behind */
	return fold(sum);
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
	uint32_t sum = csum_sum(bytes, offsetof(struct tcp_hdr, check), csum_pseudo_header(ip, IP_PROTO_TCP, len));

	return (WIRE_FORCE be16)(uint16_t)~csum_sum(bytes + rest, len - rest, sum);
}

bool csum_tcp_right(const struct ipv4_hdr *ip, const struct tcp_hdr *tcp, size_t len)
{
	/* As a receiver does: 0 and 0xffff, which are the same number, both make it so (RFC 1071 §1 (3)). */
	return csum_sum(tcp, len, csum_pseudo_header(ip, IP_PROTO_TCP, len)) == 0xffff;
}
