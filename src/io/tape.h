/* SPDX-License-Identifier: BSD-2-Clause */
/* tape.h: what a trace reader has handed out, kept in memory to be handed out again (src/io/ only). */
#ifndef MIRESGA_IO_TAPE_H
#define MIRESGA_IO_TAPE_H

#include "datagram.h"

/* A frame, and the reader's books after it, as far as they do not follow from it. */
struct tape_record {
	struct trace_packet packet;
	uint64_t hidden, bytes, reassembled, abandoned; /* struct trace_stats */
};

struct tape;
/* NULL if memory is short. `max`: bytes that it may take. */
struct tape *tape_create(uint64_t max);
void tape_free(struct tape *t);
/* Where the next frame's datagram is to be put: room for DATAGRAM_MAX bytes. NULL: it would be more than may be kept,
 * or memory is short. */
uint8_t *tape_room(struct tape *t);
/* Keeps the record, and of the room that tape_room() gave last the first packet.len bytes, if packet.ip is it. */
void tape_keep(struct tape *t, const struct tape_record *record);
/* Back to the first record. */
void tape_rewind(struct tape *t);
/* The next one, valid as long as the tape; NULL at the end. */
const struct tape_record *tape_next(struct tape *t);

#endif
