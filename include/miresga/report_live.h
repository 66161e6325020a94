/* SPDX-License-Identifier: BSD-2-Clause */
/* report_live.h: what `miresga live` has to say at its end, for people and as one JSON document. */
#ifndef MIRESGA_REPORT_LIVE_H
#define MIRESGA_REPORT_LIVE_H

#include "miresga/live.h"
#include "miresga/report.h"

void report_live(const struct report_style *style, const struct config *config, const struct live_result *result);
/* One document "miresga.live/1" and a newline. Returns 0, or -1 if it could not be made or written. */
int report_live_json(FILE *out, const struct config *config, const struct live_result *result);

#endif
