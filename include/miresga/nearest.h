/* SPDX-License-Identifier: BSD-2-Clause */
/* nearest.h: which known word a mistyped one was meant to be. */
#ifndef MIRESGA_NEAREST_H
#define MIRESGA_NEAREST_H

#include <stddef.h>

/* Fed with the known words one by one; remembers the closest, the first of equals. */
struct nearest {
	const char *word;      /* the mistyped one */
	const char *best;      /* NULL: none is close enough */
	unsigned distance;     /* of best */
	unsigned distance_max; /* what still counts as a typing error; grows with the word */
};

void nearest_init(struct nearest *n, const char *word);
/* `known` must outlive the answer. */
void nearest_offer(struct nearest *n, const char *known);

#endif
