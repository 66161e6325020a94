/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* siphash.h: SipHash-2-4 (Aumasson, Bernstein 2012). Inline and without libc: shared by user space and BPF. */
#ifndef MIRESGA_SIPHASH_H
#define MIRESGA_SIPHASH_H

struct siphash_key {
	__UINT64_TYPE__ k0, k1;
};
_Static_assert(sizeof(struct siphash_key) == 16, "kernel/user contract");

static inline __attribute__((always_inline)) __UINT64_TYPE__ siphash_rotate(__UINT64_TYPE__ x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline __attribute__((always_inline)) void siphash_rounds(__UINT64_TYPE__ v[4], int rounds)
{
	while (rounds--) {
		v[0] += v[1];
		v[1] = siphash_rotate(v[1], 13) ^ v[0];
		v[0] = siphash_rotate(v[0], 32);
		v[2] += v[3];
		v[3] = siphash_rotate(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = siphash_rotate(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = siphash_rotate(v[1], 17) ^ v[2];
		v[2] = siphash_rotate(v[2], 32);
	}
}

/* `len` bytes; in BPF a constant. */
static inline __attribute__((always_inline)) __UINT64_TYPE__ siphash_inline(const struct siphash_key *key,
									    const void *data, __SIZE_TYPE__ len)
{
	__UINT64_TYPE__ v[4] = {
		key->k0 ^ 0x736f6d6570736575u,
		key->k1 ^ 0x646f72616e646f6du,
		key->k0 ^ 0x6c7967656e657261u,
		key->k1 ^ 0x7465646279746573u,
	};
	const unsigned char *p = (const unsigned char *)data;
	__UINT64_TYPE__ m, last = (__UINT64_TYPE__)len << 56;

	for (; len >= sizeof(m); p += sizeof(m), len -= sizeof(m)) {
		__builtin_memcpy(&m, p, sizeof(m));
		v[3] ^= m;
		siphash_rounds(v, 2);
		v[0] ^= m;
	}
	for (__SIZE_TYPE__ i = 0; i < len; i++)
		last |= (__UINT64_TYPE__)p[i] << 8 * i;
	v[3] ^= last;
	siphash_rounds(v, 2);
	v[0] ^= last;
	v[2] ^= 0xff;
	siphash_rounds(v, 4);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
