/* SPDX-License-Identifier: BSD-2-Clause */
/* seq.h: TCP sequence numbers, arithmetic modulo 2^32 (RFC 9293 §3.4). Compare and move them
 * only through these helpers. Inline: shared by user space and BPF. */
#ifndef MIRESGA_SEQ_H
#define MIRESGA_SEQ_H

#ifdef __bpf__
#include <linux/types.h>
typedef __u32 seq_u32;
#else
#include <stdbool.h>
#include <stdint.h>
typedef uint32_t seq_u32;
#endif

/* a - b as a signed distance in [-2^31, 2^31). */
static inline int seq_diff(seq_u32 a, seq_u32 b)
{
	return (int)(a - b);
}

static inline _Bool seq_lt(seq_u32 a, seq_u32 b)
{
	return seq_diff(a, b) < 0;
}

static inline _Bool seq_le(seq_u32 a, seq_u32 b)
{
	return seq_diff(a, b) <= 0;
}

static inline _Bool seq_gt(seq_u32 a, seq_u32 b)
{
	return seq_diff(a, b) > 0;
}

static inline _Bool seq_ge(seq_u32 a, seq_u32 b)
{
	return seq_diff(a, b) >= 0;
}

static inline seq_u32 seq_add(seq_u32 a, seq_u32 n)
{
	return a + n;
}

static inline seq_u32 seq_sub(seq_u32 a, seq_u32 n)
{
	return a - n;
}

static inline seq_u32 seq_max(seq_u32 a, seq_u32 b)
{
	return seq_gt(a, b) ? a : b;
}

static inline seq_u32 seq_min(seq_u32 a, seq_u32 b)
{
	return seq_lt(a, b) ? a : b;
}

/* start <= s < start + len */
static inline _Bool seq_in(seq_u32 s, seq_u32 start, seq_u32 len)
{
	return s - start < len;
}

#endif
