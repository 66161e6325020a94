/* SPDX-License-Identifier: BSD-2-Clause */
/* parse.c: stage 1, headers into the packet header vector.
 *
 * Every later stage relies on the offsets found here. Refusals: whatever headers_parse() cannot
 * read (RUNT, NOT_IPV4, BAD_IP_HEADER, BAD_TCP_HEADER). */
#include "../switch_internal.h"

BREAKABLE void stage_parse_run(struct switch_model *sw, struct batch *b, uint64_t now_ns)
{
	(void)now_ns;
	for (uint32_t i = 0; i < b->count; i++) {
		struct packet *p = b->pkt[i];
		enum drop_reason why = headers_parse(p);

		sw->stats.packets++;
		if (UNLIKELY(why != DROP_NONE))
			switch_drop(sw, p, STAGE_parse, why);
		else if (p->phv.ether_type == ETHERTYPE_IPV4)
			sw->stats.bytes += be16_to(packet_ip(p)->total_len);
	}
}
