/* SPDX-License-Identifier: BSD-2-Clause */
/* deparse.c: stage 8 (egress): MAC addresses, and exactly the datagram's bytes.
 *
 * Neighbours are deterministic, one per port, for a SYN-ACK as for any other packet; VLAN tags
 * stay as they came. Bytes behind the datagram (Ethernet padding) are cut: no MAC here needs
 * 60 bytes. Refusals: none. */
#include "../switch_internal.h"

BREAKABLE void stage_deparse_run(struct switch_model *sw, struct batch *b, uint64_t now_ns)
{
	(void)sw;
	(void)now_ns;
	for (uint32_t i = 0; i < b->count; i++) {
		struct packet *p = b->pkt[i];
		struct eth_hdr *eth = (struct eth_hdr *)(void *)p->data;

		if (p->fate != FATE_FORWARD)
			continue;
		switch_neighbour_mac(p->egress_port, eth->dst);
		switch_own_mac(eth->src);
		p->len = p->phv.l3_at + be16_to(packet_ip(p)->total_len);
	}
}
