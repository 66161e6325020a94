/* SPDX-License-Identifier: BSD-2-Clause */
/* ranges.h: a set of stream offsets as an ordered list of half-open intervals [lo, hi). */
#ifndef SIM_RANGES_H
#define SIM_RANGES_H

#include "miresga/base.h"

/* More holes than this are no TCP stream. */
#define RANGES_MAX 65536u

struct range {
	uint64_t lo, hi;
};

/* All zero is the empty set. */
struct ranges {
	struct range *v; /* ascending, disjoint, not touching */
	uint32_t count, room;
};

void ranges_fini(struct ranges *r);
/* False if memory is short or the set would have more than RANGES_MAX intervals. */
bool ranges_add(struct ranges *r, uint64_t lo, uint64_t hi);
/* True if all of [lo, hi) is in the set, or it is empty. */
bool ranges_cover(const struct ranges *r, uint64_t lo, uint64_t hi);
/* The first part of [lo, hi) that is not in the set; false if there is none. */
bool ranges_gap(const struct ranges *r, uint64_t lo, uint64_t hi, struct range *gap);
/* Where the interval that holds `at` ends; `at` itself if none does. */
uint64_t ranges_end(const struct ranges *r, uint64_t at);
/* The interval that holds `at`; false if none does. */
bool ranges_at(const struct ranges *r, uint64_t at, struct range *holds);
/* How much of [lo, hi) is in the set. */
uint64_t ranges_count(const struct ranges *r, uint64_t lo, uint64_t hi);
/* Removes the first interval; there is one. */
void ranges_drop_first(struct ranges *r);
/* One past the largest member; 0 if empty. */
static inline uint64_t ranges_max(const struct ranges *r)
{
	return r->count ? r->v[r->count - 1].hi : 0;
}
/* ranges_end() of 0. */
static inline uint64_t ranges_head(const struct ranges *r)
{
	return r->count && r->v[0].lo == 0 ? r->v[0].hi : 0;
}

#endif
