/* SPDX-License-Identifier: BSD-2-Clause */
/* size_file.c: reads the file of an empirical size distribution. It is read twice: when the
 * configuration is checked, for the message, and when a run begins, for the numbers. Refuses what
 * is no number, what is above BODY_MAX, an empty file, more than SIZE_FILE_ENTRIES_MAX sizes, and
 * whatever is no regular file, or so long that reading it would take for ever. */
#include "miresga/size_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miresga/config.h"

#define LINE_MAX_CHARS 255
#define FILE_MAX_BYTES (64 << 20)

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

/* Takes in one line of `len` characters. */
static const char *take_line(struct sizes_read *r, char *line, size_t len, unsigned *column)
{
	const char *nul = memchr(line, '\0', len);
	uint64_t size;
	int sizes;

	if (nul) {
		*column = (unsigned)(nul - line) + 1;
		return "a NUL character";
	}
	if (len > LINE_MAX_CHARS) {
		*column = LINE_MAX_CHARS + 1;
		return "the line is too long";
	}
	sizes = line_read(line, &size, column);
	if (sizes < 0)
		return "expected a number of bytes, at most 64 GiB";
	return sizes > 0 ? add(r, size) : NULL;
}

static const char *read_lines(FILE *f, struct sizes_read *r, struct place *at)
{
	const char *why = NULL;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	while (!why && (len = getline(&line, &room, f)) >= 0) {
		at->line++;
		why = take_line(r, line, (size_t)len, &at->column);
	}
	free(line);
	if (why)
		return why;
	*at = (struct place){ 0 };
	if (ferror(f))
		return strerror(errno);
	return r->count ? NULL : "holds no size: a number of bytes on every line";
}

/* NULL, and why: neither a device nor a pipe, which might never end. */
static FILE *open_file(const char *path, const char **why)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	FILE *f;

	if (fd < 0 || fstat(fd, &st))
		*why = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		*why = S_ISDIR(st.st_mode) ? strerror(EISDIR) : "is no regular file";
	else if (st.st_size > FILE_MAX_BYTES)
		*why = "is longer than 64 MiB";
	else if ((f = fdopen(fd, "r")))
		return f;
	else
		*why = strerror(errno);
	if (fd >= 0)
		close(fd);
	return NULL;
}

uint64_t *size_file_read(const char *path, uint32_t *count, char error[SIZE_FILE_ERROR_MAX])
{
	struct sizes_read r = { .sizes = NULL };
	struct place at = { 0 };
	char place[32] = "";
	const char *why;
	FILE *f = open_file(path, &why);

	if (!f) {
		snprintf(error, SIZE_FILE_ERROR_MAX, "%s: %s", path, why);
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
