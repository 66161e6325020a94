/* SPDX-License-Identifier: BSD-2-Clause */
/* drop.h: every reason for which a packet ends inside the pipeline. One line here makes the enum
 * value, the counter and the text. A packet without a reason (DROP_NONE) was not dropped. */
#ifndef MIRESGA_DROP_H
#define MIRESGA_DROP_H

#include <stdbool.h>

/* X(NAME, room, "key used in JSON, scenarios and breakpoints", "sentence for people") */
#define DROP_REASONS(X) \
	X(NONE, "-", "none", "not dropped") \
	/* the switch */ \
	X(RUNT, "switch", "runt", "frame shorter than its headers say") \
	X(NOT_IPV4, "switch", "not_ipv4", "neither IPv4 nor ARP") \
	X(BAD_IP_HEADER, "switch", "bad_ip_header", "IPv4 version or header length invalid") \
	X(BAD_TCP_HEADER, "switch", "bad_tcp_header", "TCP header length invalid") \
	X(FRAGMENT, "switch", "fragment", "IPv4 fragment for the VIP; fragments are reassembled at the door") \
	X(ARP_NOT_OURS, "switch", "arp_not_ours", "ARP for an address that the switch does not own") \
	X(NOT_VIP_SERVICE, "switch", "not_vip_service", "to the VIP, but neither its TCP port nor an ICMP error") \
	X(BAD_FLAGS, "switch", "bad_flags", "TCP flags that no sender may combine (SYN+FIN, SYN+RST, none)") \
	X(NO_ROUTE, "switch", "no_route", "no LPM entry for the destination") \
	/* the front-end */ \
	X(BAD_COOKIE, "frontend", "bad_cookie", "no flow, and the ACK does not prove a handshake") \
	X(BAD_CHECKSUM, "frontend", "bad_checksum", "bytes that the front-end must read have a wrong TCP checksum") \
	X(NO_FLOW, "frontend", "no_flow", "no flow for this client and nothing that could start one") \
	X(FLOW_TABLE_FULL, "frontend", "flow_table_full", "the Full Connection Table is full") \
	X(NO_BUFFER, "frontend", "no_buffer", "every reassembly buffer is in use, or the flow's is full") \
	X(OLD_DATA, "frontend", "old_data", "bytes that the backend, or an earlier one, already has") \
	X(OUT_OF_WINDOW, "frontend", "out_of_window", "segment outside the flow's window") \
	X(RST_INVALID, "frontend", "rst_invalid", "RST outside the window (RFC 5961 §3)") \
	X(NOT_FLOW_BACKEND, "frontend", "not_flow_backend", "from a backend that is not, or no longer, the flow's") \
	X(STRAY_SYNACK, "frontend", "stray_synack", "SYN-ACK of a backend that is already connected: absorbed") \
	X(STRAY_SYN, "frontend", "stray_syn", "SYN that the switch should have answered") \
	X(FLOW_CLOSED, "frontend", "flow_closed", "the flow has ended; only its linger time is left") \
	X(ICMP_NO_FLOW, "frontend", "icmp_no_flow", "ICMP error about a flow that is not here") \
	X(QUIRK, "frontend", "quirk", "dropped as the published code does (a quirk is on)") \
	/* the agent */ \
	X(AGENT_MAP_FULL, "agent", "agent_map_full", "agent map full: the front-end was answered with a RST") \
	/* rings and pools, links, cores */ \
	X(RING_FULL, "world", "ring_full", "packet ring full") \
	X(NO_PACKET, "world", "no_packet", "packet pool empty") \
	X(QUEUE_FULL, "world", "queue_full", "no room in the queue of a link") \
	X(LINK_LOST, "world", "link_lost", "lost on a link, as its fault plan says") \
	X(CORE_BUSY, "world", "core_busy", "no room in the queue of a core") \
	X(DOWN, "world", "down", "the front-end, or the backend's host, is down")

enum drop_reason {
#define X(name, room, key, text) DROP_##name,
	DROP_REASONS(X)
#undef X
	DROP_COUNT
};

/* Between two components: the taps are told, but no component has seen the packet. */
static inline bool drop_on_the_way(enum drop_reason reason)
{
	return reason >= DROP_RING_FULL && reason != DROP_NO_PACKET;
}

/* Both return a static string; `reason` must be below DROP_COUNT. */
const char *drop_key(enum drop_reason reason);
const char *drop_text(enum drop_reason reason);

#endif
