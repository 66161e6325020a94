/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz.h: `miresga fuzz`: random worlds under the oracle (sim/fuzz/). A seed is a world: topology,
 * configuration, links, faults and workloads are drawn from it, and then everything that happens
 * in it. So a seed that fails is rerun by its number alone, on every machine. */
#ifndef MIRESGA_FUZZ_H
#define MIRESGA_FUZZ_H

#include "miresga/sim.h"

/* The world of a seed. With `base` only links, faults and workloads are drawn; the rest is the base's, and requests
 * name hosts that its rules do. */
void fuzz_draw(struct config *c, const struct config *base, uint64_t seed);

/* Runs the world to its first violation. Returns true if there was one: result->violation[0]. A world that could not be
 * made is one too: kind OVERRUN, and the message. */
bool fuzz_try(const struct config *c, struct sim_result *result);

/* How shrinking goes on; called after each run. NULL: nobody wants to know. */
typedef void fuzz_progress_fn(void *ctx, unsigned runs, const struct config *smallest);
struct fuzz_shrink {
	unsigned runs_max;
	bool (*fails)(void *ctx, const struct config *c); /* as the first one did */
	fuzz_progress_fn *progress;
	void *ctx;
	const volatile int *stop; /* NULL: never */
};
/* Makes a world that fails smaller as long as it still does: fewer faults, flows, links' mischief, parts. *c becomes
 * the smallest found. Returns how many worlds were run. */
unsigned fuzz_shrink(struct config *c, const struct fuzz_shrink *how);

#endif
