/* SPDX-License-Identifier: BSD-2-Clause */
/* jobs.h: numbered pieces of work in child processes (src/io/jobs.c). A piece that crashes takes
 * only itself along. */
#ifndef MIRESGA_JOBS_H
#define MIRESGA_JOBS_H

#include "miresga/base.h"

#define JOBS_MAX 256u
#define JOBS_RECORD_MAX 2048u

struct jobs {
	uint64_t first, last; /* the pieces, both included */
	unsigned jobs;	      /* processes, 1..JOBS_MAX */
	size_t record_size;   /* of what one piece brings back, at most JOBS_RECORD_MAX */
	void *ctx;
	/* In a child: does piece `n` and fills the record. */
	void (*work)(void *ctx, uint64_t n, void *record);
	/* In the caller, in the order in which they end: `record` of piece `n`; NULL if its process was killed by
	 * `signal`, or ended of itself (0). */
	void (*done)(void *ctx, uint64_t n, const void *record, int signal);
	/* Asked in the caller several times a second: true ends the run, pieces under way included. */
	bool (*stop)(void *ctx);
};

/* Returns 0, or -1 with errno if a process could not be started or heard. All children are gone when it returns. */
int jobs_run(const struct jobs *j);

#endif
