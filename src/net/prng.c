/* SPDX-License-Identifier: BSD-2-Clause */
/* prng.c: xoshiro256** seeded by splitmix64 (Blackman, Vigna 2018), and named child generators.
 *
 * A child's seed is a hash of (run seed, component's name, index): generators of different
 * components are independent, and neither the order in which they are made nor how much one of
 * them draws shows in another. The caller owns the state. */
#include "miresga/prng.h"

#include "miresga/base.h"
#include "miresga/hash.h"

#define GOLDEN_GAMMA UINT64_C(0x9e3779b97f4a7c15)

void prng_seed(struct prng *p, uint64_t seed)
{
	/* splitmix64 visits every 64-bit value once, so the state is never all zero. */
	for (unsigned i = 0; i < ARRAY_LEN(p->s); i++) {
		seed += GOLDEN_GAMMA;
		p->s[i] = hash_mix64(seed);
	}
}

void prng_child(struct prng *p, uint64_t seed, const char *name, uint32_t index)
{
	uint64_t h = hash_mix64(seed + GOLDEN_GAMMA);

	for (; *name; name++)
		h = hash_mix64((h ^ (uint8_t)*name) + GOLDEN_GAMMA);
	prng_seed(p, hash_mix64(h + index * GOLDEN_GAMMA));
}

uint64_t prng_u64(struct prng *p)
{
	uint64_t *s = p->s;
	uint64_t x = s[1] * 5, shifted = s[1] << 17;
	uint64_t result = (x << 7 | x >> 57) * 9;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = s[3] << 45 | s[3] >> 19;
	return result;
}

uint32_t prng_u32(struct prng *p)
{
	return (uint32_t)(prng_u64(p) >> 32);
}

uint32_t prng_below(struct prng *p, uint32_t bound)
{
	uint64_t m = (uint64_t)prng_u32(p) * bound;

	/* Lemire 2019: products whose low half falls short of 2^32 mod bound would be too frequent. */
	if ((uint32_t)m < bound) {
		uint32_t excess = (uint32_t)((UINT64_C(1) << 32) % bound);

		while ((uint32_t)m < excess)
			m = (uint64_t)prng_u32(p) * bound;
	}
	return (uint32_t)(m >> 32);
}
