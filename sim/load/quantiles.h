/* SPDX-License-Identifier: BSD-2-Clause */
/* quantiles.h: a distribution as a table of its inverse: 64 random bits in, a value out. */
#ifndef SIM_QUANTILES_H
#define SIM_QUANTILES_H

#include <stdbool.h>
#include <stdint.h>

/* Cells are finer towards both ends, as floating point is towards 0, so that tails keep their shape: 64 in each of 32
 * halvings. */
#define QUANTILE_CELLS 64
#define QUANTILE_HALVINGS 32
#define QUANTILE_POINTS (QUANTILE_CELLS * QUANTILE_HALVINGS + 1)
struct quantiles {
	/* [0]: from below, up to the median; [1]: from above */
	uint64_t value[2][QUANTILE_POINTS];
};

/* The value below which (`above`: above which) the distribution lies with chance p / 2^64, 0 < p <= 2^63. */
typedef uint64_t quantile_fn(const void *ctx, bool above, uint64_t p);
void quantiles_fill(struct quantiles *q, quantile_fn *fn, const void *ctx);
uint64_t quantiles_draw(const struct quantiles *q, uint64_t random);

/* median * e^(sigma Z), sigma in thousandths; at most `max`. */
void quantiles_lognormal(struct quantiles *q, uint64_t median, uint32_t sigma_thousandths, uint64_t max);
/* Exponential with mean `mean`. */
void quantiles_exponential(struct quantiles *q, uint64_t mean);

#endif
