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

/* 1: a size, 0: nothing on this line, -1: neither. */
static int line_read(char *line, uint64_t *size)
{
	char *end, *s = line;

	s[strcspn(s, "#\r\n")] = '\0';
	while (isspace((unsigned char)*s))
		s++;
	if (*s == '\0')
		return 0;
	if (!isdigit((unsigned char)*s))
		return -1;
	errno = 0;
	*size = strtoull(s, &end, 10);
	while (isspace((unsigned char)*end))
		end++;
	return errno == 0 && *end == '\0' && *size <= BODY_MAX ? 1 : -1;
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

static const char *read_lines(FILE *f, struct sizes_read *r, unsigned *line)
{
	char text[LINE_MAX_CHARS];
	const char *why = NULL;
	uint64_t size;

	while (!why && fgets(text, sizeof(text), f)) {
		int kind = strlen(text) == sizeof(text) - 1 ? -1 : line_read(text, &size);

		++*line;
		if (kind < 0)
			why = "expected a number of bytes, at most 64 GiB";
		else if (kind > 0)
			why = add(r, size);
	}
	return why;
}

uint64_t *size_file_read(const char *path, uint32_t *count, char error[SIZE_FILE_ERROR_MAX])
{
	struct sizes_read r = { .sizes = NULL };
	FILE *f = fopen(path, "r");
	unsigned line = 0;
	const char *why;

	if (!f) {
		snprintf(error, SIZE_FILE_ERROR_MAX, "%s: %s", path, strerror(errno));
		return NULL;
	}
	why = read_lines(f, &r, &line);
	if (!why && ferror(f))
		why = "cannot be read";
	if (!why && r.count == 0)
		why = "holds no size";
	fclose(f);
	if (why) {
		snprintf(error, SIZE_FILE_ERROR_MAX, "%s:%u: %s", path, line, why);
		free(r.sizes);
		return NULL;
	}
	qsort(r.sizes, r.count, sizeof(*r.sizes), compare);
	*count = r.count;
	return r.sizes;
}
