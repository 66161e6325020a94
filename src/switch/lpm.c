/* SPDX-License-Identifier: BSD-2-Clause */
/* lpm.c: longest prefix match over IPv4 destinations.
 *
 * One exact-match table holds all prefixes, keyed by length and masked address; a lookup tries
 * the lengths in use, longest first (Waldvogel et al., SIGCOMM'97, without the binary search:
 * a load balancer has two or three lengths). Filled at creation. Refusals: none; of two
 * routes for a prefix the first stays. */
#include "switch_internal.h"

static uint64_t prefix_key(be32 addr, unsigned length)
{
	uint32_t mask = length ? UINT32_MAX << (32 - length) : 0;

	return (uint64_t)length << 32 | (be32_to(addr) & mask);
}

void lpm_init(struct lpm_table *t)
{
	exact_init(&t->prefixes);
	t->length_count = 0;
}

void lpm_insert(struct lpm_table *t, be32 addr, unsigned length, uint16_t port)
{
	unsigned at = 0;

	MUST(length <= 32);
	exact_insert(&t->prefixes, prefix_key(addr, length), port);
	while (at < t->length_count && t->lengths[at] > length)
		at++;
	if (at < t->length_count && t->lengths[at] == length)
		return;
	for (unsigned i = t->length_count; i > at; i--)
		t->lengths[i] = t->lengths[i - 1];
	t->lengths[at] = (uint8_t)length;
	t->length_count++;
}

uint16_t lpm_lookup(const struct lpm_table *t, be32 addr)
{
	for (unsigned i = 0; i < t->length_count; i++) {
		uint16_t port = exact_find(&t->prefixes, prefix_key(addr, t->lengths[i]));

		if (port != EXACT_NONE)
			return port == LPM_REJECT ? LPM_NO_ROUTE : port;
	}
	return LPM_NO_ROUTE;
}
