/* SPDX-License-Identifier: BSD-2-Clause */
/* manual.h: the manual pages that are made from tables. */
#ifndef MANUAL_H
#define MANUAL_H

#include <stdio.h>

#include "cli.h"
#include "roff.h"

/* miresga(1), from the command and option rows. */
void manual_program(FILE *out);
/* miresga.yaml(5), from the configuration's keys. */
void manual_config(FILE *out);
/* miresga-agent(8), from the command's rows and the counters'. */
void manual_agent(FILE *out);
/* miresga-script(5), as docs/man has it. */
void manual_script(FILE *out);

/* One option's paragraph. */
void manual_option(struct roff *r, const struct cli_option *o);

#endif
