/* SPDX-License-Identifier: BSD-2-Clause */
/* report.h: what a run looks like on paper: the summary for people, and one JSON document for
 * programs. Nothing here decides anything: all of it can be read from the result. */
#ifndef MIRESGA_REPORT_H
#define MIRESGA_REPORT_H

#include <stdio.h>

#include "miresga/replay.h"

struct report_style {
	FILE *out;
	bool color;   /* ANSI colours */
	bool quiet;   /* the verdict alone */
	bool verbose; /* also what is zero */
};

/* One run of `miresga replay`, as the reports see it. */
struct replay_report {
	const struct config *config;
	const char *trace; /* as named on the command line */
	const struct replay_result *result;
};

/* The summary. Its last line is the verdict in one sentence. */
void report_replay(const struct report_style *style, const struct replay_report *report);
/* One document "miresga.replay/1" and a newline. Returns 0, or -1 if it could not be made or written. */
int report_replay_json(FILE *out, const struct replay_report *report);

/* The verdict's sentence, e.g. "All 188 flows byte-exact." */
#define REPORT_VERDICT_MAX 512
void report_replay_verdict(const struct replay_result *result, char text[REPORT_VERDICT_MAX]);

#endif
