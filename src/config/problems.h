/* SPDX-License-Identifier: BSD-2-Clause */
/* problems.h: the errors of one file, collected in any order, told in file order. */
#ifndef CONFIG_PROBLEMS_H
#define CONFIG_PROBLEMS_H

#include "miresga/config.h"

#define PROBLEM_TEXT_MAX 400
/* More than that many help nobody; the last one says that there are more. */
#define PROBLEMS_MAX 1000

struct problem;
struct problems {
	struct problem *list;
	unsigned count, capacity;
	bool out_of_memory;
};

/* line and column from 1, 0 where there is none. */
void problems_add(struct problems *p, unsigned line, unsigned column, const char *format, ...) FORMAT_PRINTF(4, 5);
/* Is there one at a place from the first to the last, both included? */
bool problems_within(const struct problems *p, const unsigned first[2], const unsigned last[2]);
/* Reports everything in file order, then frees it. Returns how many errors were reported. */
int problems_tell(struct problems *p, const char *file, config_error_fn *report, void *ctx);

/* `text` in double quotes, printable whatever it holds, cut when it is long. Returns buf. */
#define QUOTE_MAX 80
const char *config_quote(char buf[QUOTE_MAX], const char *text, size_t len);

#endif
