/* SPDX-License-Identifier: BSD-2-Clause */
/* histogram.c: a value's bucket is its exponent and the seven bits behind its leading one; values
 * below 128 have a bucket of their own each. */
#include "histogram.h"

#define SUB (1u << HISTOGRAM_SUB_BITS)

static unsigned bucket_of(uint64_t value)
{
	unsigned exponent;

	if (value < SUB)
		return (unsigned)value;
	exponent = 63 - (unsigned)__builtin_clzll(value);
	return (exponent - HISTOGRAM_SUB_BITS + 1) * SUB +
	       (unsigned)(value >> (exponent - HISTOGRAM_SUB_BITS) & (SUB - 1));
}

/* The largest value of a bucket. */
static uint64_t bucket_top(unsigned bucket)
{
	unsigned shift = bucket / SUB - 1;

	if (bucket < SUB)
		return bucket;
	return ((uint64_t)(SUB + bucket % SUB) << shift) + ((UINT64_C(1) << shift) - 1);
}

void histogram_add(struct histogram *h, uint64_t value)
{
	h->bucket[bucket_of(value)]++;
	h->sum += value;
	if (h->count == 0 || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count++;
}

uint64_t histogram_mean(const struct histogram *h)
{
	return h->count ? (uint64_t)(h->sum / h->count) : 0;
}

uint64_t histogram_percentile(const struct histogram *h, uint32_t per_hundred_thousand)
{
	/* The rank, rounded up. */
	uint64_t rank = (uint64_t)(((unsigned __int128)h->count * per_hundred_thousand + 99999) / 100000), seen = 0;

	if (h->count == 0)
		return 0;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		uint64_t top = bucket_top(i);

		seen += h->bucket[i];
		if (seen >= rank && seen > 0)
			return top < h->max ? top : h->max;
	}
	return h->max;
}
