/* SPDX-License-Identifier: BSD-2-Clause */
/* size_file.c: reads the file of an empirical size distribution. It is read twice: when the
 * configuration is checked, for the message, and when a run begins, for the numbers. Refuses what
 * is no number, what is above BODY_MAX, an empty file, and more than SIZE_FILE_ENTRIES_MAX sizes. */
#include "miresga/size_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/config.h"

#define LINE_MAX_CHARS 256

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Returns how many sizes the line holds, 0 or 1, or -1: what stands in *column, from 1, is none. */
static int line_read(char *line, uint64_t *size, unsigned *column)
{
	char *s = line, *end;

	s[strcspn(s, "#\r\n")] = '\0';
	while (isspace((unsigned char)*s))
		s++;
	*column = (unsigned)(s - line) + 1;
	if (*s == '\0')
		return 0;
	if (!isdigit((unsigned char)*s))
		return -1;
	errno = 0;
	*size = strtoull(s, &end, 10);
	if (errno || *size > BODY_MAX)
		return -1;
	while (isspace((unsigned char)*end))
		end++;
	*column = (unsigned)(end - line) + 1;
	return *end ? -1 : 1;
}

struct sizes_read {
	uint64_t *sizes;
	uint32_t count, room;
};

static const char *add(struct sizes_read *r, uint64_t size)
{
	uint64_t *grown;

	if (r->count == SIZE_FILE_ENTRIES_MAX)
		return "more than 1,048,576 sizes";
	if (r->count == r->room) {
		r->room = r->room ? 2 * r->room : 256;
		grown = realloc(r->sizes, r->room * sizeof(*grown));
		if (!grown)
			return "out of memory";
		r->sizes = grown;
	}
	r->sizes[r->count++] = size;
	return NULL;
}

/* Where it went wrong: line and column from 1, 0 where there is none. */
struct place {
	unsigned line, column;
};

static const char *read_lines(FILE *f, struct sizes_read *r, struct place *at)
{
	char text[LINE_MAX_CHARS];
	const char *why = NULL;
	uint64_t size;

	while (!why && fgets(text, sizeof(text), f)) {
		bool too_long = strlen(text) == sizeof(text) - 1;
		int sizes = too_long ? -1 : line_read(text, &size, &at->column);

		at->line++;
		if (too_long)
			at->column = LINE_MAX_CHARS;
		if (sizes < 0)
			why = too_long ? "the line is too long" : "expected a number of bytes, at most 64 GiB";
		else if (sizes > 0)
			why = add(r, size);
	}
	if (why)
		return why;
	*at = (struct place){ 0 };
	if (ferror(f))
		return strerror(errno);
	return r->count ? NULL : "holds no size: a number of bytes on every line";
}

uint64_t *size_file_read(const char *path, uint32_t *count, char error[SIZE_FILE_ERROR_MAX])
{
	struct sizes_read r = { .sizes = NULL };
	FILE *f = fopen(path, "r");
	struct place at = { 0 };
	char place[32] = "";
	const char *why;

	if (!f) {
		snprintf(error, SIZE_FILE_ERROR_MAX, "%s: %s", path, strerror(errno));
		return NULL;
	}
	why = read_lines(f, &r, &at);
	fclose(f);
	if (why) {
		if (at.line)
			snprintf(place, sizeof(place), ":%u:%u", at.line, at.column);
		snprintf(error, SIZE_FILE_ERROR_MAX, "%s%s: %s", path, place, why);
		free(r.sizes);
		return NULL;
	}
	qsort(r.sizes, r.count, sizeof(*r.sizes), compare);
	*count = r.count;
	return r.sizes;
}
