/* SPDX-License-Identifier: BSD-2-Clause */
/* nearest.c: edit distance for "did you mean".
 *
 * Optimal string alignment: insertions, deletions, replacements and swaps of neighbours cost one
 * each, letters compare without case. Words longer than WORD_MAX are not typing errors of ours:
 * they have no nearest word, so the cost of a hostile file is bounded. */
#include "miresga/nearest.h"

#include <ctype.h>
#include <string.h>

#include "miresga/base.h"

#define WORD_MAX 64

static unsigned fold(char c)
{
	return (unsigned)tolower((unsigned char)c);
}

static unsigned edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	/* Three rows of the table, by i modulo 3. */
	unsigned row[3][WORD_MAX + 1];

	for (size_t j = 0; j <= b_len; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++) {
		unsigned *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned same = fold(a[i - 1]) == fold(b[j - 1]);
			unsigned d = last[j - 1] + !same;

			d = MIN(d, last[j] + 1);
			d = MIN(d, now[j - 1] + 1);
			if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]))
				d = MIN(d, before[j - 2] + 1);
			now[j] = d;
		}
	}
	return row[a_len % 3][b_len];
}

void nearest_init(struct nearest *n, const char *word)
{
	size_t len = strlen(word);

	*n = (struct nearest){ .word = word };
	/* A third of the letters may be wrong, but never the whole word. */
	if (len >= 2 && len <= WORD_MAX)
		n->distance_max = MAX(1u, (unsigned)len / 3);
}

void nearest_offer(struct nearest *n, const char *known)
{
	size_t len = strlen(known);
	unsigned d;

	if (n->distance_max == 0 || len > WORD_MAX)
		return;
	d = edit_distance(n->word, strlen(n->word), known, len);
	if (d > n->distance_max || (n->best && d >= n->distance))
		return;
	n->best = known;
	n->distance = d;
}
