/* SPDX-License-Identifier: BSD-2-Clause */
/* sizes.h: how large the bodies of a workload's responses are. */
#ifndef SIM_SIZES_H
#define SIM_SIZES_H

#include "miresga/config.h"
#include "miresga/size_file.h"
#include "quantiles.h"

struct size_source {
	enum sizes kind;
	uint64_t fixed;
	unsigned entries; /* of the table */
	uint32_t shares;  /* their sum */
	struct config_size table[SIZES_MAX];
	struct quantiles *quantiles; /* lognormal */
	uint64_t *values;	     /* of the file, ascending */
	uint32_t value_count;
};

/* Returns 0, or -1 and a message. */
int sizes_init(struct size_source *s, const struct config_workload *w, char error[SIZE_FILE_ERROR_MAX]);
void sizes_fini(struct size_source *s);
/* 64 random bits in, bytes out, at most BODY_MAX. */
uint64_t sizes_draw(const struct size_source *s, uint64_t random);

/* Classes for reports: a size belongs to the first class whose bound it does not exceed. X(NAME, bound, "key", "text")
 */
#define SIZE_CLASSES(X) \
	X(TINY, UINT64_C(1) << 10, "to_1k", "up to 1 KiB") \
	X(SMALL, UINT64_C(64) << 10, "to_64k", "up to 64 KiB") \
	X(MEDIUM, UINT64_C(1) << 20, "to_1m", "up to 1 MiB") \
	X(LARGE, UINT64_MAX, "above_1m", "above 1 MiB")

#endif
