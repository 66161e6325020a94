/* SPDX-License-Identifier: BSD-2-Clause */
/* linklayer.h: what lies in front of the network layer, by link type (src/io/ only). */
#ifndef MIRESGA_IO_LINKLAYER_H
#define MIRESGA_IO_LINKLAYER_H

#include "miresga/trace.h"

/* The rest of a frame: `left` captured bytes at `at`, and `cut` more that were on the wire but
 * not captured. Nothing at or after at[left] may be read. */
struct frame_view {
	const uint8_t *at;
	uint32_t left;
	uint32_t cut;
};

struct link_layer {
	int number; /* pcap_datalink()'s */
	const char *name;
	/* Moves the view to the network layer. TRACE_IPV4: v->at should be an IPv4 header (nothing of
	 * it has been looked at); any other kind: the frame is that, and the view is of no use. */
	enum trace_kind (*strip)(struct frame_view *v);
};

/* NULL if the link type is not one that can carry IPv4 here. */
const struct link_layer *link_layer_find(int number);

/* Why a view is too short: the capture cut it, or the frame itself was. */
static inline enum trace_kind view_short(const struct frame_view *v)
{
	return v->cut ? TRACE_CUT : TRACE_MALFORMED;
}

#endif
