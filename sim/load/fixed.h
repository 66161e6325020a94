/* SPDX-License-Identifier: BSD-2-Clause */
/* fixed.h: the few functions of analysis that distributions need, in integers: the same bits on
 * every machine, which libm does not promise. */
#ifndef SIM_FIXED_H
#define SIM_FIXED_H

#include <stdint.h>

/* A real number as a multiple of 2^-48: |x| < 32,768. */
#define FIXED_BITS 48
#define FIXED_ONE (INT64_C(1) << FIXED_BITS)

/* value * e^x; saturates. */
uint64_t fixed_exp(uint64_t value, int64_t x);
/* -ln(p / 2^64), p > 0. */
int64_t fixed_minus_ln(uint64_t p);

/* Upper tails of the standard normal distribution: tail[i] is 2^64 times the chance to lie above i * NORMAL_STEP. */
#define NORMAL_STEPS_PER_ONE 256
#define NORMAL_POINTS (9 * NORMAL_STEPS_PER_ONE + 1)
void fixed_normal_tails(uint64_t tail[NORMAL_POINTS]);
/* The number above which the normal distribution lies with chance p / 2^64, 0 < p <= 2^63. */
int64_t fixed_normal_above(const uint64_t tail[NORMAL_POINTS], uint64_t p);

#endif
