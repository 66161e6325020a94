/* SPDX-License-Identifier: BSD-2-Clause */
/* ranges.c: interval lists. A stream that arrives in order is one interval that grows, which is
 * the case that is handled first everywhere. Intervals are removed only at the front. */
#include "ranges.h"

#include <stdlib.h>
#include <string.h>

#define RANGES_FIRST 2u

void ranges_fini(struct ranges *r)
{
	free(r->v);
	*r = (struct ranges){ 0 };
}

/* Index of the first interval that ends at or after `at`. */
static uint32_t ranges_find(const struct ranges *r, uint64_t at)
{
	uint32_t lo = 0, hi = r->count;

	if (hi && r->v[hi - 1].lo <= at)
		return r->v[hi - 1].hi >= at ? hi - 1 : hi;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (r->v[mid].hi < at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool ranges_insert(struct ranges *r, uint32_t at, struct range new)
{
	if (r->count == r->room) {
		uint32_t room = r->room ? 2 * r->room : RANGES_FIRST;
		struct range *v = r->count < RANGES_MAX ? realloc(r->v, room * sizeof(*v)) : NULL;

		if (!v)
			return false;
		r->v = v;
		r->room = room;
	}
	memmove(r->v + at + 1, r->v + at, (r->count - at) * sizeof(*r->v));
	r->v[at] = new;
	r->count++;
	return true;
}

bool ranges_add(struct ranges *r, uint64_t lo, uint64_t hi)
{
	uint32_t at = ranges_find(r, lo), end;

	if (lo >= hi)
		return true;
	if (at == r->count || r->v[at].lo > hi)
		return ranges_insert(r, at, (struct range){ lo, hi });
	r->v[at].lo = MIN(r->v[at].lo, lo);
	if (hi <= r->v[at].hi)
		return true;
	r->v[at].hi = hi;
	for (end = at + 1; end < r->count && r->v[end].lo <= hi; end++)
		r->v[at].hi = MAX(hi, r->v[end].hi);
	memmove(r->v + at + 1, r->v + end, (r->count - end) * sizeof(*r->v));
	r->count -= end - at - 1;
	return true;
}

bool ranges_gap(const struct ranges *r, uint64_t lo, uint64_t hi, struct range *gap)
{
	uint32_t at = ranges_find(r, lo);

	if (at < r->count && r->v[at].lo <= lo) {
		lo = r->v[at].hi;
		at++;
	}
	if (lo >= hi)
		return false;
	gap->lo = lo;
	gap->hi = at < r->count ? MIN(hi, r->v[at].lo) : hi;
	return true;
}

bool ranges_cover(const struct ranges *r, uint64_t lo, uint64_t hi)
{
	struct range gap;

	return lo >= hi || !ranges_gap(r, lo, hi, &gap);
}

uint64_t ranges_end(const struct ranges *r, uint64_t at)
{
	uint32_t i = ranges_find(r, at);

	return i < r->count && r->v[i].lo <= at ? r->v[i].hi : at;
}

bool ranges_at(const struct ranges *r, uint64_t at, struct range *holds)
{
	uint32_t i = ranges_find(r, at + 1);

	if (i == r->count || r->v[i].lo > at)
		return false;
	*holds = r->v[i];
	return true;
}

uint64_t ranges_count(const struct ranges *r, uint64_t lo, uint64_t hi)
{
	uint64_t count = 0;

	for (uint32_t i = ranges_find(r, lo); i < r->count && r->v[i].lo < hi; i++)
		count += MIN(r->v[i].hi, hi) - MIN(MAX(r->v[i].lo, lo), MIN(r->v[i].hi, hi));
	return count;
}

void ranges_drop_first(struct ranges *r)
{
	r->count--;
	memmove(r->v, r->v + 1, r->count * sizeof(*r->v));
}
