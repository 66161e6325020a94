/* SPDX-License-Identifier: BSD-2-Clause */
/* hash.h: the hashes of the data plane. SipHash-2-4 (Aumasson, Bernstein 2012) keys the ISN
 * cookie and the special SYN's tag; CRC-8 picks the front-end (paper §3.2); CRC-32 is the
 * published switch's ISN (quirk P3). */
#ifndef MIRESGA_HASH_H
#define MIRESGA_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "miresga/siphash.h"
#include "miresga/wire.h"

/* SipHash-2-4 of `len` bytes, 64 bits. */
uint64_t siphash(const struct siphash_key *key, const void *data, size_t len);

/* CRC-8, polynomial 0x07, initial value 0, no reflection, over CIP then CPort in wire order. */
uint8_t hash_lb_index(struct endpoint client);

/* CRC-32 (IEEE 802.3, reflected) of `len` bytes. */
uint32_t hash_crc32(const void *data, size_t len);

/* A fast unkeyed 64-bit mix for table placement (splitmix64's finaliser). */
static inline uint64_t hash_mix64(uint64_t x)
{
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

#endif
