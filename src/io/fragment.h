/* SPDX-License-Identifier: BSD-2-Clause */
/* fragment.h: reassembly of IPv4 datagrams from fragments (src/io/ only). */
#ifndef MIRESGA_IO_FRAGMENT_H
#define MIRESGA_IO_FRAGMENT_H

#include "datagram.h"

/* Bounds: so many datagrams at once, so long in trace time from a datagram's first fragment
 * (RFC 1122 §3.3.2 wants 60 to 120 s, Linux gives 30 s). */
#define FRAGMENT_DATAGRAMS_MAX 256
#define FRAGMENT_TIMEOUT_NS (30 * NS_PER_S)

struct fragment_table;
/* NULL if memory is short. */
struct fragment_table *fragment_table_create(void);
void fragment_table_free(struct fragment_table *t);
/* Adds a fragment that datagram_measure() found good. TRACE_IPV4: it completed its datagram,
 * which now stands in out[0..*out_len), room for DATAGRAM_MAX; TRACE_FRAGMENT: held;
 * TRACE_FRAGMENT_BAD: it contradicts its datagram, and so will all that belong to it. */
enum trace_kind fragment_add(struct fragment_table *t, const struct datagram *d, uint64_t now_ns, uint8_t *out,
			     uint32_t *out_len);
/* Gives up whatever is incomplete. */
void fragment_flush(struct fragment_table *t);
/* How many datagrams have been given up, for lack of time, of place, or by fragment_flush(). */
uint64_t fragment_abandoned(const struct fragment_table *t);
/* As if new. */
void fragment_table_reset(struct fragment_table *t);

#endif
