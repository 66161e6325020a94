/* SPDX-License-Identifier: BSD-2-Clause */
/* quantiles.c: inverse-CDF tables. Filled once, before a run; drawing is a shift, two loads and a
 * multiplication. Between two points the value is interpolated; beyond the last one, which happens once
 * in 2^33 draws, it is that of the last. */
#include "quantiles.h"

#include "fixed.h"
#include "miresga/base.h"

/* The chance of point k, from one end. */
static uint64_t point_chance(unsigned k)
{
	unsigned halving = k / QUANTILE_CELLS, cell = k % QUANTILE_CELLS;

	return (UINT64_C(1) << 31 << halving) / QUANTILE_CELLS * (QUANTILE_CELLS + cell);
}

void quantiles_fill(struct quantiles *q, quantile_fn *fn, const void *ctx)
{
	for (unsigned above = 0; above < 2; above++)
		for (unsigned k = 0; k < QUANTILE_POINTS; k++)
			q->value[above][k] = fn(ctx, above, point_chance(k));
}

uint64_t quantiles_draw(const struct quantiles *q, uint64_t random)
{
	unsigned above = random >> 63, halving, k;
	uint64_t p = (above ? ~random : random) << 1 >> 1, rest;
	const uint64_t *v = q->value[above];
	int64_t step;

	if (p < UINT64_C(1) << 31)
		return v[0];
	halving = 32 - (unsigned)__builtin_clzll(p);
	/* The leading one goes; the next six bits are the cell, 25 of what follows the place within it. */
	p <<= 63 - (31 + halving);
	k = halving * QUANTILE_CELLS + (unsigned)(p >> 57 & (QUANTILE_CELLS - 1));
	rest = p >> 32 & ((1u << 25) - 1);
	step = (int64_t)(v[k + 1] - v[k]);
	return v[k] + (uint64_t)(((__int128)step * (int64_t)rest) >> 25);
}

struct lognormal {
	uint64_t median, max;
	uint32_t sigma_thousandths;
	uint64_t tail[NORMAL_POINTS];
};

static uint64_t lognormal_quantile(const void *ctx, bool above, uint64_t p)
{
	const struct lognormal *l = ctx;
	int64_t z = fixed_normal_above(l->tail, p), x = (int64_t)((__int128)z * l->sigma_thousandths / 1000);

	return MIN(fixed_exp(l->median, above ? x : -x), l->max);
}

void quantiles_lognormal(struct quantiles *q, uint64_t median, uint32_t sigma_thousandths, uint64_t max)
{
	struct lognormal l = { .median = median, .max = max, .sigma_thousandths = sigma_thousandths };

	fixed_normal_tails(l.tail);
	quantiles_fill(q, lognormal_quantile, &l);
}

static uint64_t exponential_quantile(const void *ctx, bool above, uint64_t p)
{
	const uint64_t *mean = ctx;
	int64_t x = fixed_minus_ln(above ? p : -p);

	return (uint64_t)((unsigned __int128)*mean * (uint64_t)x >> FIXED_BITS);
}

void quantiles_exponential(struct quantiles *q, uint64_t mean)
{
	quantiles_fill(q, exponential_quantile, &mean);
}
