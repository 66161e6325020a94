/* SPDX-License-Identifier: BSD-2-Clause */
/* arp.c: stage 2, answers who-has requests for the address in the VIP Table (RFC 826).
 *
 * The request becomes the reply in place and leaves where it came in, past the other stages.
 * Refusal: ARP_NOT_OURS for any other ARP; the switch learns nothing, its neighbours are known. */
#include "../switch_internal.h"

#define ARP_HW_ETHERNET 1

static bool is_request_for_vip(const struct switch_model *sw, const struct arp_hdr *arp)
{
	return be16_to(arp->hw_type) == ARP_HW_ETHERNET && be16_to(arp->proto_type) == ETHERTYPE_IPV4 &&
	       arp->hw_len == ETH_ADDR_LEN && arp->proto_len == sizeof(be32) && be16_to(arp->op) == ARP_OP_REQUEST &&
	       arp->target_ip == sw->tables.vip.addr;
}

/* The asker's addresses are copied before anything is written over them. */
static void answer(struct packet *p, const struct arp_hdr *request)
{
	struct eth_hdr *eth = (struct eth_hdr *)(void *)p->data;
	struct arp_hdr reply = *request;

	reply.op = be16_from(ARP_OP_REPLY);
	memcpy(reply.target_hw, request->sender_hw, ETH_ADDR_LEN);
	reply.target_ip = request->sender_ip;
	switch_own_mac(reply.sender_hw);
	reply.sender_ip = request->target_ip;

	memcpy(eth->dst, eth->src, ETH_ADDR_LEN);
	memcpy(eth->src, reply.sender_hw, ETH_ADDR_LEN);
	memcpy(p->data + p->phv.l3_at, &reply, sizeof(reply));
	p->len = p->phv.l3_at + (uint32_t)sizeof(reply);
	p->egress_port = p->ingress_port;
	p->fate = FATE_REPLY;
	p->note.stage = STAGE_arp;
	p->note.remark = "who-has VIP: answered";
}

BREAKABLE void stage_arp_run(struct switch_model *sw, struct batch *b, uint64_t now_ns)
{
	(void)now_ns;
	for (uint32_t i = 0; i < b->count; i++) {
		struct packet *p = b->pkt[i];
		struct arp_hdr request;

		if (LIKELY(p->phv.ether_type != ETHERTYPE_ARP) || p->fate != FATE_FORWARD)
			continue;
		memcpy(&request, p->data + p->phv.l3_at, sizeof(request));
		if (!is_request_for_vip(sw, &request)) {
			switch_drop(sw, p, STAGE_arp, DROP_ARP_NOT_OURS);
			continue;
		}
		answer(p, &request);
		sw->stats.arp_answered++;
	}
}
