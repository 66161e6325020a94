/* SPDX-License-Identifier: BSD-2-Clause */
/* source.h: where a trace's bytes come from: a file, a pipe, or a spooled copy (src/io/ only). */
#ifndef MIRESGA_IO_SOURCE_H
#define MIRESGA_IO_SOURCE_H

#include <stdio.h>
#include <sys/types.h>

#include "miresga/trace.h"

#define SOURCE_NAME_MAX 200
/* stdio reads this much at once: libpcap itself asks for one packet at a time. */
#define SOURCE_BUFFER_SIZE (256u << 10)

struct source {
	int fd;
	bool seekable;
	bool started;	/* source_stream() has been called */
	off_t start;	/* of the capture, in a seekable file */
	uint64_t bytes; /* from there to the end of the file when it was opened, 0 if unknown */
	char name[SOURCE_NAME_MAX];
	char buffer[SOURCE_BUFFER_SIZE];
};

/* Opens `path` ("-": stdin). With `spool`, what is not seekable is copied to an unlinked file in
 * $TMPDIR first. 0, or -1 and a message that begins with the name; source_close() is due in any case. */
int source_open(struct source *s, const char *path, bool spool, char error[TRACE_ERROR_MAX]);
void source_close(struct source *s);
/* A stream from the capture's first byte, using s->buffer: at most one at a time. The caller, or
 * libpcap for it, closes it. NULL and a message for what is empty, compressed, or not seekable
 * and read already. */
FILE *source_stream(struct source *s, char error[TRACE_ERROR_MAX]);
/* A regular file that now ends before the byte that it had when it was opened. */
bool source_shrunk(const struct source *s, FILE *stream);

#endif
