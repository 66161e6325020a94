/* SPDX-License-Identifier: BSD-2-Clause */
/* forwarding.c: stage 6, from the steering decision to an egress port.
 *
 * Front-ends are chosen by the LB index, CRC-8 over <CIP,CPort>, which is the same in both
 * directions (paper §3.2); backends by the D index, or by the endpoint that a front-end wrote; all
 * else by longest prefix match on the destination. Here each packet is counted for the way that it
 * takes.
 * Refusal: NO_ROUTE. */
#include "../switch_internal.h"

/* An ICMP error that a front-end passes on is for whoever sent the segment that it quotes. */
static struct endpoint destination(const struct packet *p)
{
	struct endpoint sender, receiver;

	if (LIKELY(p->phv.ip_proto == IP_PROTO_TCP) || !port_is_frontend(p->ingress_port) ||
	    !switch_quoted_tcp(p, &sender, &receiver) || sender.addr != p->phv.dst.addr)
		return p->phv.dst;
	return sender;
}

/* The VIP is routed to nobody, except that a client may have its address (on a loopback): what the
 * service itself sends there goes to the clients. */
static uint16_t route(const struct switch_model *sw, const struct packet *p)
{
	const struct phv *v = &p->phv;
	uint16_t port = tables_route(&sw->tables, destination(p));

	if (UNLIKELY(port == LPM_NO_ROUTE) && v->dst.addr == sw->tables.vip.addr &&
	    (v->from_backend || endpoint_equal(v->src, sw->tables.vip)))
		return PORT_CLIENT;
	return port;
}

static void forward(struct switch_model *sw, struct packet *p)
{
	struct switch_stats *st = &sw->stats;
	struct phv *v = &p->phv;
	uint16_t port = LPM_NO_ROUTE, bytes = be16_to(packet_ip(p)->total_len);

	switch ((enum steering_action)v->action) {
	case STEER_TO_FRONTEND:
		v->lb_index = hash_lb_index(v->client);
		port = sw->tables.lb_port[v->lb_index];
		st->to_frontend_packets++;
		st->to_frontend_bytes += bytes;
		break;
	case STEER_FAST_TO_BACKEND:
		port = PORT_BACKEND(v->hit_d_index);
		st->fast_path_packets++;
		st->fast_path_bytes += bytes;
		break;
	case STEER_FAST_TO_CLIENT:
		port = route(sw, p);
		st->fast_path_packets += port != LPM_NO_ROUTE;
		st->fast_path_bytes += port != LPM_NO_ROUTE ? bytes : 0;
		break;
	case STEER_ROUTE:
		port = route(sw, p);
		st->routed_packets += port != LPM_NO_ROUTE;
		break;
	case STEER_REPLY_SYNACK:
		port = p->ingress_port;
		break;
	case STEER_DROP:
	case STEER_COUNT:
		break;
	}
	if (UNLIKELY(port == LPM_NO_ROUTE))
		switch_drop(sw, p, STAGE_forwarding, DROP_NO_ROUTE);
	else
		p->egress_port = port;
}

BREAKABLE void stage_forwarding_run(struct switch_model *sw, struct batch *b, uint64_t now_ns)
{
	(void)now_ns;
	for (uint32_t i = 0; i < b->count; i++)
		if (b->pkt[i]->fate == FATE_FORWARD)
			forward(sw, b->pkt[i]);
}
