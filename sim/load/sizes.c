/* SPDX-License-Identifier: BSD-2-Clause */
/* sizes.c: size distributions. All of them take 64 random bits and give the size that these stand
 * for, in integers: the same draw is the same size on every machine. */
#include "sizes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int sizes_init(struct size_source *s, const struct config_workload *w, char error[SIZE_FILE_ERROR_MAX])
{
	*s = (struct size_source){ .kind = w->sizes, .fixed = w->size, .entries = w->size_count };
	memcpy(s->table, w->table, sizeof(s->table));
	for (unsigned i = 0; i < s->entries; i++)
		s->shares += s->table[i].share;
	if (s->kind == SIZES_FILE) {
		s->values = size_file_read(w->size_file, &s->value_count, error);
		return s->values ? 0 : -1;
	}
	if (s->kind != SIZES_LOGNORMAL)
		return 0;
	s->quantiles = malloc(sizeof(*s->quantiles));
	if (!s->quantiles) {
		snprintf(error, SIZE_FILE_ERROR_MAX, "out of memory");
		return -1;
	}
	quantiles_lognormal(s->quantiles, w->size, w->sigma_thousandths, BODY_MAX);
	return 0;
}

void sizes_fini(struct size_source *s)
{
	free(s->quantiles);
	free(s->values);
}

static uint64_t scale(uint64_t random, uint64_t bound)
{
	return (uint64_t)((unsigned __int128)random * bound >> 64);
}

uint64_t sizes_draw(const struct size_source *s, uint64_t random)
{
	uint64_t at;

	switch (s->kind) {
	case SIZES_TABLE:
		at = scale(random, s->shares);
		for (unsigned i = 0;; i++) {
			if (at < s->table[i].share)
				return s->table[i].bytes;
			at -= s->table[i].share;
		}
	case SIZES_LOGNORMAL:
		return quantiles_draw(s->quantiles, random);
	case SIZES_FILE:
		return s->values[scale(random, s->value_count)];
	default:
		return s->fixed;
	}
}
