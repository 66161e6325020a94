/* SPDX-License-Identifier: BSD-2-Clause */
/* datagram.h: an IPv4 datagram in a captured frame: its bounds and its checksums (src/io/ only). */
#ifndef MIRESGA_IO_DATAGRAM_H
#define MIRESGA_IO_DATAGRAM_H

#include "linklayer.h"

#define DATAGRAM_MAX 65535

struct datagram {
	const uint8_t *ip; /* in the frame; NULL if not even the header was captured */
	uint32_t ihl;	   /* header bytes, 20..60 */
	uint32_t len;	   /* of the datagram, ihl..65535 */
	uint32_t captured; /* of these; less only if TRACE_CUT */
	uint32_t offset;   /* of a fragment's payload, bytes */
	bool more;	   /* more fragments */
	bool super;	   /* its total length field is 0: a segmentation offload's super-packet */
};

/* Finds the bounds of the datagram at v->at. `trailer`: bytes at the frame's end that are the
 * link's checksum. TRACE_IPV4 (also for a fragment), TRACE_CUT (then d->ip may be set and
 * d->captured says how much there is) or TRACE_MALFORMED. */
enum trace_kind datagram_measure(const struct frame_view *v, uint32_t trailer, struct datagram *d);

static inline bool datagram_is_fragment(const struct datagram *d)
{
	return d->offset || d->more;
}

/* Sets total length and fragment field in a header and keeps its checksum as right or as wrong as
 * it was (RFC 1624). */
void datagram_set_header(uint8_t *ip, uint32_t len, uint16_t fragment_field);

/* Corrects the checksums of IPv4, TCP and UDP. `ip`: a whole datagram of `len` bytes. True if one
 * was wrong. A UDP checksum of 0 says that there is none (RFC 768) and is left alone. */
bool datagram_complete_checksums(uint8_t *ip, uint32_t len);

#endif
