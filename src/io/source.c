/* SPDX-License-Identifier: BSD-2-Clause */
/* source.c: opens the file or pipe that a trace comes from.
 *
 * One descriptor for the whole life of a reader, so that a file which is renamed or removed
 * meanwhile can still be rewound; each reading gets a stdio stream on a duplicate of it, because
 * libpcap closes its stream. A pipe that must be read twice is copied to a temporary file first.
 * Refusals, each with its own message: what cannot be opened, a directory, an empty file, a
 * compressed file, a full disk while spooling, a second reading of a pipe. */
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const struct source *s, const char *what, char error[TRACE_ERROR_MAX])
{
	snprintf(error, TRACE_ERROR_MAX, "%s: %s", s->name, what);
	return -1;
}

/* The end of an overlong path is the part that tells files apart. */
static void set_name(struct source *s, const char *path)
{
	size_t len = strlen(path);

	if (strcmp(path, "-") == 0)
		snprintf(s->name, sizeof(s->name), "standard input");
	else if (len < sizeof(s->name))
		memcpy(s->name, path, len + 1);
	else
		snprintf(s->name, sizeof(s->name), "...%s", path + len - (sizeof(s->name) - 4));
}

static int copy_all(struct source *s, int to, char error[TRACE_ERROR_MAX])
{
	for (;;) {
		ssize_t got = read(s->fd, s->buffer, sizeof(s->buffer));

		if (got < 0 && errno != EINTR)
			return fail(s, strerror(errno), error);
		if (got <= 0)
			return 0; /* Ctrl-C ends a live source; what it gave counts */
		for (ssize_t done = 0; done < got;) {
			ssize_t put = write(to, s->buffer + done, (size_t)(got - done));

			if (put < 0)
				return -1;
			done += put;
		}
	}
}

static int spool_failed(const struct source *s, const char *file, char error[TRACE_ERROR_MAX])
{
	/* A message from reading the source stands already. */
	if (error[0] == '\0')
		snprintf(error, TRACE_ERROR_MAX, "%s: cannot keep a copy in %.180s: %s (TMPDIR chooses the place)",
			 s->name, file, strerror(errno));
	return -1;
}

static int spool_to_file(struct source *s, char error[TRACE_ERROR_MAX])
{
	const char *dir = getenv("TMPDIR");
	char file[1024];
	int fd;

	if (!dir || !*dir)
		dir = "/tmp";
	snprintf(file, sizeof(file), "%s/miresga.XXXXXX", dir);
	fd = mkstemp(file);
	if (fd < 0)
		return spool_failed(s, file, error);
	unlink(file);
	if (copy_all(s, fd, error) < 0) {
		spool_failed(s, file, error);
		close(fd);
		return -1;
	}
	close(s->fd);
	s->fd = fd;
	return 0;
}

int source_open(struct source *s, const char *path, bool spool, char error[TRACE_ERROR_MAX])
{
	struct stat st;

	error[0] = '\0';
	s->started = false;
	set_name(s, path);
	if (strcmp(path, "-") == 0)
		s->fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	else
		s->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0 || fstat(s->fd, &st) < 0)
		return fail(s, strerror(errno), error);
	s->start = lseek(s->fd, 0, SEEK_CUR);
	if (s->start < 0 && spool) {
		if (spool_to_file(s, error) < 0)
			return -1;
		s->start = 0;
		if (fstat(s->fd, &st) < 0)
			return fail(s, strerror(errno), error);
	}
	s->seekable = s->start >= 0;
	s->bytes = S_ISREG(st.st_mode) && s->seekable && st.st_size > s->start ? (uint64_t)(st.st_size - s->start) : 0;
	return 0;
}

void source_close(struct source *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* Looks at the first bytes and gives them back. Refuses what libpcap would only call unknown. */
static int look(const struct source *s, FILE *stream, char error[TRACE_ERROR_MAX])
{
	static const struct {
		uint8_t magic[4];
		uint8_t len;
		const char *kind, *tool;
	} compressed[] = {
		{ { 0x1f, 0x8b }, 2, "gzip", "zcat" },
		{ { 0x28, 0xb5, 0x2f, 0xfd }, 4, "zstd", "zstdcat" },
		{ { 0xfd, '7', 'z', 'X' }, 4, "xz", "xzcat" },
		{ { 'B', 'Z', 'h' }, 3, "bzip2", "bzcat" },
	};
	uint8_t first[4];
	size_t got = fread(first, 1, sizeof(first), stream);

	if (got == 0)
		return fail(s, ferror(stream) ? strerror(errno) : "the file is empty", error);
	for (size_t i = 0; i < ARRAY_LEN(compressed); i++) {
		if (got < compressed[i].len || memcmp(first, compressed[i].magic, compressed[i].len) != 0)
			continue;
		snprintf(error, TRACE_ERROR_MAX, "%s: is %s-compressed; use %s FILE | … -", s->name, compressed[i].kind,
			 compressed[i].tool);
		return -1;
	}
	clearerr(stream);
	/* These bytes still stand in the stream's buffer, so giving back more than one works. */
	while (got > 0) {
		if (ungetc(first[--got], stream) == EOF)
			return fail(s, "cannot be read", error);
	}
	return 0;
}

FILE *source_stream(struct source *s, char error[TRACE_ERROR_MAX])
{
	FILE *stream;
	int fd;

	if (s->started && !s->seekable) {
		fail(s, "is not seekable and cannot be read twice", error);
		return NULL;
	}
	s->started = true;
	if (s->seekable && lseek(s->fd, s->start, SEEK_SET) < 0) {
		fail(s, strerror(errno), error);
		return NULL;
	}
	fd = fcntl(s->fd, F_DUPFD_CLOEXEC, 3);
	stream = fd < 0 ? NULL : fdopen(fd, "rb");
	if (!stream) {
		fail(s, strerror(errno), error);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	setvbuf(stream, s->buffer, _IOFBF, sizeof(s->buffer));
	if (look(s, stream, error) < 0) {
		fclose(stream);
		return NULL;
	}
	return stream;
}

bool source_shrunk(const struct source *s, FILE *stream)
{
	off_t at = ftello(stream);

	return s->bytes && at >= 0 && (uint64_t)(at - s->start) < s->bytes;
}
