/* SPDX-License-Identifier: BSD-2-Clause */
/* report_sim.h: the result of `miresga sim` on paper: the summary for people, and the document
 * "miresga.sim/1". Neither holds anything of the wall clock: equal runs give equal text. */
#ifndef MIRESGA_REPORT_SIM_H
#define MIRESGA_REPORT_SIM_H

#include "miresga/report.h"
#include "miresga/sim.h"

struct sim_report {
	const struct config *config;
	const struct sim_result *result;
	const char *again; /* further options of the command that ran it, each behind a blank; may be "" */
};

void report_sim(const struct report_style *style, const struct sim_report *report);
/* Returns 0, or -1 if it could not be made or written. */
int report_sim_json(FILE *out, const struct sim_report *report);
/* The verdict's sentence. */
void report_sim_verdict(const struct sim_report *report, char text[REPORT_VERDICT_MAX]);

#endif
