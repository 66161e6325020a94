/* SPDX-License-Identifier: BSD-2-Clause */
/* segment.h: a recorded TCP segment, read, and the edits that a driver makes to its copy. */
#ifndef SIM_SEGMENT_H
#define SIM_SEGMENT_H

#include "miresga/packet.h"
#include "miresga/tcp_options.h"

struct segment {
	const uint8_t *ip; /* the datagram, `len` bytes; borrowed */
	uint32_t len;
	uint32_t frame;	      /* number in the trace */
	bool sound;	      /* checksums are right */
	uint16_t tcp_at;      /* offsets in the datagram */
	uint16_t payload_at;  /* = len if there is no payload */
	uint32_t payload_len; /* bytes after the IPv4 total length do not count */
	struct endpoint src, dst;
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;
	struct tcp_options options;
};

/* False if the datagram holds no readable TCP header. */
bool segment_parse(struct segment *s, const uint8_t *ip, uint32_t len);
/* Only the addresses: true if it is TCP with both ports there. */
bool segment_endpoints(const uint8_t *ip, uint32_t len, struct endpoint *src, struct endpoint *dst);
/* True if the IPv4 and TCP checksums of the datagram that stands at `ip` are right. */
bool segment_checksums_right(const uint8_t *ip, uint32_t tcp_at);

/* The 2 * sack_blocks edges in host order. */
void segment_sack_edges(const struct segment *s, uint32_t edges[2 * TCP_SACK_BLOCKS_MAX]);

/* Edits of a packet whose frame is an Ethernet header and a copy of the segment's datagram. All update checksums
 * incrementally: wrong stays wrong. */
void segment_set_source(const struct segment *s, struct packet *p, struct endpoint src);
void segment_set_seq(const struct segment *s, struct packet *p, uint32_t seq);
void segment_set_ack(const struct segment *s, struct packet *p, uint32_t ack);
void segment_set_window(const struct segment *s, struct packet *p, uint16_t window);
/* Adds to every SACK edge / to TSecr; nothing happens without the option. */
void segment_shift_sack(const struct segment *s, struct packet *p, uint32_t by);
void segment_shift_tsecr(const struct segment *s, struct packet *p, uint32_t by);
void segment_set_tsval(const struct segment *s, struct packet *p, uint32_t tsval);
/* Leaves payload bytes [from, to) alone; a part that is not the last loses FIN and PSH, SEQ moves along. */
void segment_cut(const struct segment *s, struct packet *p, uint32_t from, uint32_t to);

#endif
