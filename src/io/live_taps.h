/* SPDX-License-Identifier: BSD-2-Clause */
/* live_taps.h: every packet of a live run, on every tap, as one pcapng file. */
#ifndef LIVE_TAPS_H
#define LIVE_TAPS_H

#include "miresga/live_port.h"
#include "miresga/world.h"

struct live_taps;
/* NULL and a message that names the file. */
struct live_taps *live_taps_open(const struct config *config, const char *path, char error[LIVE_ERROR_MAX]);
/* A frame as it entered its consumer; `p` tells what became of it. `now_ns` is of the monotonic clock. */
void live_taps_write(struct live_taps *t, unsigned interface, const uint8_t *frame, uint32_t len,
		     const struct packet *p, uint64_t now_ns);
/* The file's interface of a tap. */
unsigned live_taps_interface(const struct live_taps *t, enum tap_kind kind, unsigned index);
uint64_t live_taps_packets(const struct live_taps *t);
/* 0, or -1 and a message. Accepts NULL. */
int live_taps_close(struct live_taps *t, char error[LIVE_ERROR_MAX]);

#endif
