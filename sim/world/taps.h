/* SPDX-License-Identifier: BSD-2-Clause */
/* taps.h: what the taps of a world see, written to a pcapng file, and its checksums. */
#ifndef SIM_TAPS_H
#define SIM_TAPS_H

#include "miresga/pcapng.h"
#include "miresga/world.h"

/* What world_hooks.tap tells. */
struct tap_sight {
	const struct config *config;
	enum tap_kind kind;
	unsigned index;
	bool towards_server;
	const uint8_t *frame; /* as it was before, `len` bytes */
	uint32_t len;
	const struct packet *packet; /* as it is now */
};

/* `path` "-": stdout. NULL and a message on error. pcapng_close() it. */
struct pcapng_writer *taps_open(const struct config *config, const char *path, const char *application,
				char error[PCAPNG_ERROR_MAX]);
void taps_write(struct pcapng_writer *w, const struct tap_sight *s, uint64_t now_ns);
/* The packet has reached clients or a server's stack: no component is left that would say what it did. */
bool taps_at_endpoint(const struct tap_sight *s);
/* IPv4 and TCP; true also of what is neither. */
bool taps_checksums_hold(const struct tap_sight *s);

#endif
