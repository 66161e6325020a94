/* SPDX-License-Identifier: BSD-2-Clause */
/* progress_display.h: how far a long command is, on a terminal at standard error, drawn ten times a second. */
#ifndef CLI_PROGRESS_DISPLAY_H
#define CLI_PROGRESS_DISPLAY_H

#include "cli.h"

struct progress_display {
	bool wanted;
	const char *unit;    /* what is counted, in the plural */
	uint64_t started_ns; /* of this pass: there may be one that only looks first */
	uint64_t drawn_ns;   /* 0: never */
	uint64_t count;
};

/* Nothing will be drawn with --quiet, or where standard error is no terminal that knows how to erase. */
void progress_display_begin(struct progress_display *d, const struct cli *cli, const char *unit);
/* `done` of `total` (0: unknown), and `count` units by now; a smaller count than before is a new pass. */
void progress_display_update(struct progress_display *d, uint64_t done, uint64_t total, uint64_t count);
/* Takes the line away. */
void progress_display_end(struct progress_display *d);

#endif
