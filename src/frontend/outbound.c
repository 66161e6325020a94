/* SPDX-License-Identifier: BSD-2-Clause */
/* outbound.c: a backend's packet becomes events of its flow.
 *
 * Only the flow's present backend speaks for it. What a former backend of the connection still
 * sends is dropped (its numbers mean nothing any more); what belongs to no flow, or comes from a
 * backend that answers somebody directly, goes back to the switch untouched. */
#include "frontend_internal.h"
#include "miresga/tcp_options.h"

static bool was_drawn(const struct flow *f, unsigned backend)
{
	if (f->last_backend == backend + 1)
		return true;
	for (unsigned i = 0; i < ARRAY_LEN(f->chosen); i++)
		if (f->chosen[i] == backend + 1)
			return true;
	return false;
}

static void untouched(struct work *w)
{
	w->fe->stats.untouched++;
	w->packet->fate = FATE_FORWARD;
	packet_queue_push(&w->out->packets, w->packet);
}

/* While the special SYN is out: its SYN-ACK, or a RST that acknowledges it; an ACK of anything else
 * is answered by a RST, and the SYN's repetition will find the way clear (RFC 9293 §3.10.7.3). */
static void outbound_connecting(struct work *w, struct flow *f)
{
	struct packet *p = w->packet;
	bool mine = (p->phv.tcp_flags & TCP_ACK) && p->phv.ack == f->c_start;
	struct tcp_options o;

	if (!mine && (p->phv.tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK && p->phv.payload_len == 0) {
		/* A challenge ACK: our RST of an earlier splice was lost, and the SYN met its socket. */
		p->note.remark = "challenge ACK of an older connection: reset";
		send_backend_reset(w, f, p->phv.ack);
	}
	if (!mine || !(p->phv.tcp_flags & (TCP_SYN | TCP_RST))) {
		packet_drop(p, DROP_NOT_FLOW_BACKEND);
		return;
	}
	if (p->phv.tcp_flags & TCP_RST) {
		f->refusal = REFUSAL_BACKEND_REFUSED;
		p->fate = FATE_ABSORB;
		fsm_fire(w, f, EVENT_BACKEND_RST);
		return;
	}
	if (p->phv.seq != seq_sub(f->s_start, 1)) {
		packet_drop(p, DROP_STRAY_SYNACK); /* its agent did not hear of this connection */
		return;
	}
	tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &o);
	f->s_mss = flow_payload_max(f, o.mss);
	f->s_tsval = o.has_timestamps ? o.tsval : 0;
	f->want_offload = f->offload == OFFLOAD_ALWAYS;
	p->fate = FATE_ABSORB;
	fsm_fire(w, f, EVENT_BACKEND_SYNACK);
	request_continue(w, f);
}

/* While an entry is there the backend's next number is not known exactly: the client judges. */
static void outbound_reset(struct work *w, struct flow *f)
{
	struct packet *p = w->packet;
	bool exact = p->phv.seq == f->s_nxt || p->phv.seq == f->c_ack || f->entry != ENTRY_NONE || f->entry_seen;

	if (exact) {
		flow_reset_seen(w, f);
		fsm_fire(w, f, EVENT_BACKEND_RST);
	} else if (!seq_in(p->phv.seq, seq_sub(f->c_ack, 65536), FLOW_WINDOW_MAX)) {
		packet_drop(p, DROP_RST_INVALID);
		return;
	}
	forward_to_client(w, f);
}

/* Quirk F5, the other way. */
static void outbound_fin_to_rst(struct work *w, struct flow *f)
{
	send_backend_reset(w, f, request_backend_next(f));
	fin_to_rst(w->packet);
	fsm_fire(w, f, EVENT_BACKEND_RST);
	forward_to_client(w, f);
}

/* What is echoed may have gone to the backend by the fast path, so that we never saw it. */
static void take_timestamps(struct flow *f, const struct packet *p)
{
	struct tcp_options o;

	tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &o);
	if (!o.has_timestamps)
		return;
	f->s_tsval = o.tsval;
	if (p->phv.tcp_flags & TCP_ACK)
		f->c_tsval = seq_max(f->c_tsval, o.tsecr);
}

static void outbound_segment(struct work *w, struct flow *f)
{
	struct packet *p = w->packet;
	uint32_t end = seq_add(p->phv.seq, p->phv.payload_len);
	bool fin = p->phv.tcp_flags & TCP_FIN;

	if (fin && flow_connected(f) && config_has_quirk(w->fe->config, QUIRK_F5)) {
		outbound_fin_to_rst(w, f);
		return;
	}
	if (f->has_timestamps)
		take_timestamps(f, p);
	if (flow_connected(f)) {
		if (p->phv.tcp_flags & TCP_ACK)
			request_acknowledged(w, f, p->phv.ack);
		response_segment(w, f);
	}
	f->s_nxt = seq_max(f->s_nxt, seq_add(end, fin));
	fsm_fire(w, f, EVENT_BACKEND_DATA);
	if (fin && !f->s_fin_seen) {
		f->s_fin_seen = true;
		f->s_fin = end;
		if (f->held == HELD_FOR_ENTRY) { /* no response follows that would have to be seen */
			fsm_fire(w, f, EVENT_HELD_GOES_ON);
			request_continue(w, f);
		}
		fsm_fire(w, f, EVENT_BACKEND_FIN);
	}
	forward_to_client(w, f);
}

void outbound_packet(struct work *w, unsigned backend)
{
	struct packet *p = w->packet;
	struct flow *f = flow_find(&w->fe->flows, p->phv.client);
	bool speaks;

	if (!f || f->state == FSM_NONE) {
		untouched(w);
		return;
	}
	speaks = f->has_backend && backend == f->backend && f->state != FSM_INIT && f->state != FSM_REFUSING;
	if (!speaks) {
		if (was_drawn(f, backend) || (f->has_backend && backend == f->backend))
			packet_drop(p, DROP_NOT_FLOW_BACKEND);
		else
			untouched(w);
		return;
	}
	if (!packet_believed(w, f, f->s_nxt, f->c_una))
		return;
	if (f->state == FSM_BACKEND_SYN) {
		outbound_connecting(w, f);
	} else if (p->phv.tcp_flags & TCP_RST) {
		outbound_reset(w, f);
	} else if (p->phv.tcp_flags & TCP_SYN) {
		fsm_fire(w, f, EVENT_BACKEND_SYNACK);
		packet_drop(p, DROP_STRAY_SYNACK);
	} else {
		outbound_segment(w, f);
	}
	flow_settle(w, f);
}
