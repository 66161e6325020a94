/* SPDX-License-Identifier: BSD-2-Clause */
/* balance.c: which backend of a pool a connection gets.
 *
 * Smooth weighted round robin: every draw credits each member with its weight, takes the richest
 * (the first of equals) and charges it the pool's whole weight. Weights 5,1,1 give a a b a c a a,
 * never five in a row. Drawn once per (connection, pool). */
#include "frontend_internal.h"

unsigned balance_draw(struct frontend *fe, unsigned pool)
{
	const struct config_pool *p = &fe->config->pools[pool];
	int32_t *credit = fe->credit[pool];
	unsigned best = p->members[0];
	int32_t total = 0;

	for (unsigned i = 0; i < p->member_count; i++) {
		unsigned b = p->members[i];

		credit[b] += fe->config->backends[b].weight;
		total += fe->config->backends[b].weight;
		if (credit[b] > credit[best])
			best = b;
	}
	credit[best] -= total;
	return best;
}
