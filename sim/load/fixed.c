/* SPDX-License-Identifier: BSD-2-Clause */
/* fixed.c: exponential, logarithm and normal distribution in fixed point.
 *
 * The exponential is a Taylor series after reduction by ln 2, the logarithm the series of the
 * inverse hyperbolic tangent, the normal tails Simpson's rule over the density, from the far end
 * inwards. Inside, numbers are multiples of 2^-60. Errors are far below the 2^-48 of the results
 * (10^-5 for the inverse of the normal tails, which interpolates). */
#include "fixed.h"

#include "miresga/base.h"

#define INNER_BITS 60
#define INNER_ONE (INT64_C(1) << INNER_BITS)
#define LN2 INT64_C(0xb17217f7d1cf79a)
/* 1 / sqrt(2 pi), in multiples of 2^-64. */
#define DENSITY_AT_0 UINT64_C(0x662114cf50d94234)
#define SERIES_TERMS 24

static int64_t inner_mul(int64_t a, int64_t b)
{
	return (int64_t)(((__int128)a * b) >> INNER_BITS);
}

uint64_t fixed_exp(uint64_t value, int64_t x)
{
	__int128 inner = (__int128)x * (1 << (INNER_BITS - FIXED_BITS));
	int64_t whole = (int64_t)(inner / LN2), rest = (int64_t)(inner % LN2);
	int64_t sum = INNER_ONE;
	unsigned __int128 product;

	if (rest < 0) {
		rest += LN2;
		whole--;
	}
	for (int k = SERIES_TERMS; k > 0; k--)
		sum = INNER_ONE + inner_mul(rest, sum) / k;
	product = (unsigned __int128)value * (uint64_t)sum >> INNER_BITS;
	if (whole <= 0)
		return whole <= -128
			       ? 0
			       : (uint64_t)((unsigned __int128)value * (uint64_t)sum >> MIN(INNER_BITS - whole, 127));
	if (whole >= 64 || product > UINT64_MAX >> whole)
		return UINT64_MAX;
	/* Shifted before the rounding, as far as there is room. */
	whole = MIN(whole, INNER_BITS);
	return (uint64_t)((unsigned __int128)value * (uint64_t)sum >> (INNER_BITS - whole));
}

int64_t fixed_minus_ln(uint64_t p)
{
	unsigned zeros = (unsigned)__builtin_clzll(p);
	/* 1 <= y < 2; p = y * 2^(63 - zeros) */
	int64_t y = (int64_t)((p << zeros) >> (63 - INNER_BITS)), z, square, sum = 0;

	z = (int64_t)(((__int128)(y - INNER_ONE) << INNER_BITS) / (y + INNER_ONE));
	square = inner_mul(z, z);
	for (int k = SERIES_TERMS; k >= 0; k--)
		sum = inner_mul(square, sum) + INNER_ONE / (2 * k + 1);
	sum = 2 * inner_mul(z, sum);
	return (int64_t)((((__int128)LN2 * (zeros + 1)) - sum) >> (INNER_BITS - FIXED_BITS));
}

/* The density at x = halves / (2 * NORMAL_STEPS_PER_ONE), in multiples of 2^-64. */
static uint64_t density(int64_t halves)
{
	const int64_t per_one = 2 * NORMAL_STEPS_PER_ONE;

	return fixed_exp(DENSITY_AT_0, -(int64_t)((__int128)halves * halves * FIXED_ONE / (2 * per_one * per_one)));
}

void fixed_normal_tails(uint64_t tail[NORMAL_POINTS])
{
	uint64_t outer = density(2 * (NORMAL_POINTS - 1));

	tail[NORMAL_POINTS - 1] = 1;
	for (int i = NORMAL_POINTS - 2; i >= 0; i--) {
		uint64_t middle = density(2 * i + 1), inner = density(2 * i);
		unsigned __int128 sum = (unsigned __int128)outer + (unsigned __int128)4 * middle + inner;

		tail[i] = tail[i + 1] + (uint64_t)(sum / (6 * NORMAL_STEPS_PER_ONE));
		outer = inner;
	}
}

int64_t fixed_normal_above(const uint64_t tail[NORMAL_POINTS], uint64_t p)
{
	unsigned low = 0, high = NORMAL_POINTS - 1;

	if (p >= tail[0])
		return 0;
	while (high - low > 1) {
		unsigned middle = (low + high) / 2;

		if (tail[middle] > p)
			low = middle;
		else
			high = middle;
	}
	return (int64_t)(((__int128)low * FIXED_ONE +
			  (__int128)(tail[low] - p) * FIXED_ONE / (tail[low] - tail[high])) /
			 NORMAL_STEPS_PER_ONE);
}
