/* SPDX-License-Identifier: BSD-2-Clause */
/* base.h: the few macros that every room uses.
 *
 * MUST() states what our own code guarantees; it stays on in release builds. Bytes that a peer
 * sent are never the subject of a MUST(): they get a verdict and a drop reason (drop.h). */
#ifndef MIRESGA_BASE_H
#define MIRESGA_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PREFETCH(p) __builtin_prefetch(p)

/* Out of line under a stable name, so that a debugger can stop on it in an optimised build. */
#define BREAKABLE __attribute__((noinline))

#define FORMAT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

_Noreturn void must_failed(const char *what, const char *file, int line);
#define MUST(cond) (LIKELY(cond) ? (void)0 : must_failed(#cond, __FILE__, __LINE__))

/* Time is virtual or real nanoseconds since the epoch; never read from a clock inside the core. */
#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
/* "no event": later than every due time. */
#define TIME_NEVER UINT64_MAX

#endif
