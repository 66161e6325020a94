/* SPDX-License-Identifier: BSD-2-Clause */
/* pcapng.h: writes one pcapng file with several Ethernet interfaces, nanosecond time stamps and
 * a comment per packet (draft-ietf-opsawg-pcapng). Errors (a full disk) stick and are reported
 * once, by pcapng_close() or pcapng_error(). */
#ifndef MIRESGA_PCAPNG_H
#define MIRESGA_PCAPNG_H

#include "miresga/base.h"

#define PCAPNG_ERROR_MAX 512
struct pcapng_writer;
/* `path` "-": stdout. NULL and a message that names the file on error. */
struct pcapng_writer *pcapng_open(const char *path, const char *application, char error[PCAPNG_ERROR_MAX]);
/* Adds an interface before the first packet is written; returns its number. */
unsigned pcapng_add_interface(struct pcapng_writer *w, const char *name, const char *description);
/* At most FRAME_MAX (wire.h) bytes; `comment` may be NULL. Silently does nothing after an error. */
void pcapng_write(struct pcapng_writer *w, unsigned interface, uint64_t time_ns, const void *frame, uint32_t len,
		  const char *comment);
/* NULL while all is well. */
const char *pcapng_error(const struct pcapng_writer *w);
uint64_t pcapng_packets(const struct pcapng_writer *w);
/* Flushes and closes; 0, or -1 with the message copied to error (may be NULL). Accepts NULL. */
int pcapng_close(struct pcapng_writer *w, char error[PCAPNG_ERROR_MAX]);

#endif
