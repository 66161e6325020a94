/* SPDX-License-Identifier: BSD-2-Clause */
/* histogram.h: a log-linear histogram, as HdrHistogram has it: 128 buckets in every octave, so that
 * a value is known to 0.8 %, at any size, in constant memory. Integers only. */
#ifndef SIM_HISTOGRAM_H
#define SIM_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)
struct histogram {
	uint64_t count, min, max;
	unsigned __int128 sum;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

/* A cleared struct is an empty histogram. */
void histogram_add(struct histogram *h, uint64_t value);
/* The mean, rounded down; 0 if empty. */
uint64_t histogram_mean(const struct histogram *h);
/* The value that `per_hundred_thousand` of all do not exceed (p99.9: 99,900): the top of its bucket, but no more than
 * the maximum. 0 if empty. */
uint64_t histogram_percentile(const struct histogram *h, uint32_t per_hundred_thousand);

#endif
