/* SPDX-License-Identifier: BSD-2-Clause */
/* packet_steering.c: stage 5, the ternary table: who a packet is for.
 *
 * switch_steering[] below is all of it; the first row that matches wins. At creation the table is
 * expanded into one byte per possible key, which is what a TCAM amounts to in software.
 *
 * Invariant: every key matches a row (steering_init() checks). Refusals: the rows that drop. */
#include "../switch_internal.h"

#define SYN STEER_KEY_SYN
#define ACK STEER_KEY_ACK
#define FIN STEER_KEY_FIN
#define RST STEER_KEY_RST
#define PAYLOAD STEER_KEY_PAYLOAD
#define HIT STEER_KEY_HIT
#define IN STEER_KEY_INBOUND
#define OUT STEER_KEY_OUTBOUND
#define TCP STEER_KEY_TCP
#define ICMP_ERROR STEER_KEY_ICMP_ERROR
#define FRONTEND STEER_KEY_FROM_FRONTEND
#define VIP STEER_KEY_TO_VIP
#define FRAGMENT STEER_KEY_FRAGMENT

const struct steering_row switch_steering[] = {
	/* name, value, mask, action, drop reason */
	/* The front-end has chosen the destination and rewritten the packet. */
	{ "from_frontend", FRONTEND, FRONTEND, STEER_ROUTE, DROP_NONE },
	/* Later fragments have no ports, so no fragment can be steered. */
	{ "vip_fragment", VIP | FRAGMENT, VIP | FRAGMENT, STEER_DROP, DROP_FRAGMENT },
	{ "out_fragment", OUT | FRAGMENT, OUT | FRAGMENT, STEER_DROP, DROP_FRAGMENT },
	{ "in_icmp_error", IN | ICMP_ERROR, IN | ICMP_ERROR, STEER_TO_FRONTEND, DROP_NONE },
	/* Outbound is none of these: a client may share the VIP's address, on a loopback. */
	{ "vip_other", VIP, VIP | IN | OUT, STEER_DROP, DROP_NOT_VIP_SERVICE },
	{ "transit", 0, IN | OUT, STEER_ROUTE, DROP_NONE },
	/* From here on it is TCP of a connection to the VIP. RFC 9293 §3.10.7 has no use for these. */
	{ "bad_syn_fin", SYN | FIN, SYN | FIN, STEER_DROP, DROP_BAD_FLAGS },
	{ "bad_syn_rst", SYN | RST, SYN | RST, STEER_DROP, DROP_BAD_FLAGS },
	{ "bad_no_flag", TCP, TCP | SYN | ACK | FIN | RST, STEER_DROP, DROP_BAD_FLAGS },
	/* A simultaneous open (RFC 9293 §3.5) cannot be: the VIP never opens a connection. */
	{ "in_syn_ack", IN | SYN | ACK, IN | SYN | ACK, STEER_DROP, DROP_BAD_FLAGS },
	/* Hit or not: the client may reuse the port of a connection that has not been deleted yet. */
	{ "in_syn", IN | SYN, IN | SYN, STEER_REPLY_SYNACK, DROP_NONE },
	{ "in_fin", IN | FIN, IN | FIN, STEER_TO_FRONTEND, DROP_NONE },
	{ "in_rst", IN | RST, IN | RST, STEER_TO_FRONTEND, DROP_NONE },
	/* Payload may start a request. */
	{ "in_payload", IN | PAYLOAD, IN | PAYLOAD, STEER_TO_FRONTEND, DROP_NONE },
	{ "in_ack_hit", IN | HIT, IN | HIT, STEER_FAST_TO_BACKEND, DROP_NONE },
	{ "in_ack_miss", IN, IN, STEER_TO_FRONTEND, DROP_NONE },
	{ "out_syn", OUT | SYN, OUT | SYN, STEER_TO_FRONTEND, DROP_NONE },
	{ "out_fin", OUT | FIN, OUT | FIN, STEER_TO_FRONTEND, DROP_NONE },
	{ "out_rst", OUT | RST, OUT | RST, STEER_TO_FRONTEND, DROP_NONE },
	{ "out_hit", OUT | HIT, OUT | HIT, STEER_FAST_TO_CLIENT, DROP_NONE },
	{ "out_miss", OUT, OUT, STEER_TO_FRONTEND, DROP_NONE },
};
const unsigned switch_steering_rows = ARRAY_LEN(switch_steering);

_Static_assert(ARRAY_LEN(switch_steering) <= ARRAY_LEN(((struct switch_stats *)0)->steering_hits), "a counter a row");
_Static_assert(STEER_KEY_FRAGMENT == 1 << (STEER_KEY_BITS - 1), "STEER_KEY_BITS covers every bit");

const char *switch_steering_action_text(enum steering_action a)
{
	static const char *const text[STEER_COUNT] = {
#define X(name, text_) [STEER_##name] = text_,
		STEERING_ACTIONS(X)
#undef X
	};

	MUST(a < STEER_COUNT);
	return text[a];
}

void steering_init(struct switch_model *sw)
{
	for (unsigned key = 0; key < ARRAY_LEN(sw->steering); key++) {
		unsigned row = 0;

		while (row < switch_steering_rows && (key & switch_steering[row].mask) != switch_steering[row].value)
			row++;
		MUST(row < switch_steering_rows);
		sw->steering[key] = (uint8_t)row;
	}
}

static unsigned steering_key(const struct switch_model *sw, const struct packet *p)
{
	_Static_assert(TCP_FIN == 1 && TCP_SYN == 2 && TCP_RST == 4 && TCP_ACK == 16, "the shifts below");
	const struct phv *v = &p->phv;
	bool inbound = v->direction == DIRECTION_INBOUND;
	unsigned key = 0;

	if (LIKELY(v->ip_proto == IP_PROTO_TCP && v->l4_at)) {
		key |= STEER_KEY_TCP;
		key |= v->tcp_flags & TCP_SYN ? STEER_KEY_SYN : 0;
		key |= v->tcp_flags & TCP_ACK ? STEER_KEY_ACK : 0;
		key |= v->tcp_flags & TCP_FIN ? STEER_KEY_FIN : 0;
		key |= v->tcp_flags & TCP_RST ? STEER_KEY_RST : 0;
	}
	key |= v->payload_len ? STEER_KEY_PAYLOAD : 0;
	key |= v->hit ? STEER_KEY_HIT : 0;
	key |= inbound ? STEER_KEY_INBOUND : 0;
	key |= v->direction == DIRECTION_OUTBOUND ? STEER_KEY_OUTBOUND : 0;
	key |= inbound && v->ip_proto == IP_PROTO_ICMP ? STEER_KEY_ICMP_ERROR : 0;
	key |= port_is_frontend(p->ingress_port) ? STEER_KEY_FROM_FRONTEND : 0;
	key |= v->dst.addr == sw->tables.vip.addr ? STEER_KEY_TO_VIP : 0;
	key |= v->fragment ? STEER_KEY_FRAGMENT : 0;
	return key;
}

BREAKABLE void stage_packet_steering_run(struct switch_model *sw, struct batch *b, uint64_t now_ns)
{
	(void)now_ns;
	for (uint32_t i = 0; i < b->count; i++) {
		struct packet *p = b->pkt[i];
		const struct steering_row *row;

		if (p->fate != FATE_FORWARD)
			continue;
		p->phv.steering_row = sw->steering[steering_key(sw, p)];
		row = &switch_steering[p->phv.steering_row];
		sw->stats.steering_hits[p->phv.steering_row]++;
		p->phv.action = row->action;
		p->note.stage = STAGE_packet_steering;
		p->note.remark = row->name;
		if (UNLIKELY(row->action == STEER_DROP))
			switch_drop(sw, p, STAGE_packet_steering, (enum drop_reason)row->drop);
	}
}
