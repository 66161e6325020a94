/* SPDX-License-Identifier: BSD-2-Clause */
/* prng.h: the one source of chance: splitmix64 seeding xoshiro256** (Blackman, Vigna 2018).
 * One run seed; every component gets a child generator by name, so that adding a draw in one
 * place never changes another place's. */
#ifndef MIRESGA_PRNG_H
#define MIRESGA_PRNG_H

#include <stdint.h>

struct prng {
	uint64_t s[4];
};

void prng_seed(struct prng *p, uint64_t seed);
/* The generator of component `name`, number `index`, in a run seeded with `seed`. */
void prng_child(struct prng *p, uint64_t seed, const char *name, uint32_t index);
uint64_t prng_u64(struct prng *p);
uint32_t prng_u32(struct prng *p);
/* Uniform in [0, bound), bound > 0, without modulo bias. */
uint32_t prng_below(struct prng *p, uint32_t bound);

#endif
