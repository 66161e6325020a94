/* SPDX-License-Identifier: BSD-2-Clause */
/* progress.h: how far a long run is, as one line of a terminal. */
#ifndef MIRESGA_PROGRESS_H
#define MIRESGA_PROGRESS_H

#include <stdint.h>

struct progress {
	uint64_t done, total; /* of the same unit; total 0: unknown */
	uint64_t count, elapsed_ns;
	unsigned width;	  /* columns of the terminal */
	const char *unit; /* of count, in the plural: "packets" */
};

#define PROGRESS_LINE_MAX 256
/* Share, bar, count, rate and the time that is left, as far as they fit: the line never reaches
 * the last column, where a terminal would wrap. Returns buf. */
char *progress_line(const struct progress *p, char buf[PROGRESS_LINE_MAX]);

#endif
