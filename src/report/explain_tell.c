/* SPDX-License-Identifier: BSD-2-Clause */
/* explain_tell.c: what happened to a packet in one component, in words.
 *
 * One function per kind of component; each calls the sink for every stage, FSM cell or rewrite
 * that decided or changed something (with `verbose` also for those that did not). All of it is
 * read from the frame before, the packet after, PHV, note and notices. */
#include <stdarg.h>
#include <stdio.h>

#include "explain_internal.h"
#include "miresga/text.h"

struct teller {
	const struct explain *e;
	const struct explain_event *ev;
	const struct explain_sink *sink;
	char where[EXPLAIN_WHERE_MAX];
	bool request_told; /* the packet's first line is that of a request told of before */
};

static FORMAT_PRINTF(3, 4) void say(const struct teller *t, const char *step, const char *format, ...)
{
	char text[EXPLAIN_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	t->sink->line(t->sink->ctx, t->where, step, text);
}

static const char *backend_name(const struct explain *e, unsigned index)
{
	return index < e->config->backend_count ? e->config->backends[index].name : "?";
}

void explain_where(const struct explain *e, const struct explain_event *ev, char text[EXPLAIN_WHERE_MAX])
{
	const struct explain_hop *h = &ev->hop;

	if (h->tap == TAP_FRONTEND && h->towards_server)
		snprintf(text, EXPLAIN_WHERE_MAX, "fe%u", h->index);
	else if (h->tap == TAP_STACK && h->towards_server)
		snprintf(text, EXPLAIN_WHERE_MAX, "server %s", backend_name(e, h->index));
	else if (h->tap == TAP_STACK || (h->tap == TAP_WIRE && h->towards_server))
		snprintf(text, EXPLAIN_WHERE_MAX, "agent %s", backend_name(e, h->index));
	else if (h->tap == TAP_CLIENT && !h->towards_server)
		snprintf(text, EXPLAIN_WHERE_MAX, "client");
	else
		snprintf(text, EXPLAIN_WHERE_MAX, "switch");
}

void explain_origin(const struct explain *e, const struct explain_journey *j, char text[EXPLAIN_TEXT_MAX])
{
	const struct explain_hop *h = &explain_first_hop(e, j)->hop;
	const char *from = h->tap == TAP_CLIENT ? "the client" : "the server";

	if (!j->frame && e->request.sessions && h->tap != TAP_FRONTEND)
		snprintf(text, EXPLAIN_TEXT_MAX, "sent by %s", from);
	else if (j->frame && j->cut)
		snprintf(text, EXPLAIN_TEXT_MAX, "frame %u of %s, from its payload byte %u on", j->frame, from, j->cut);
	else if (j->frame && h->tap == TAP_FRONTEND)
		snprintf(text, EXPLAIN_TEXT_MAX, "frame %u", j->frame);
	else if (j->frame)
		snprintf(text, EXPLAIN_TEXT_MAX, "frame %u of %s", j->frame, from);
	else if (h->tap == TAP_STACK)
		snprintf(text, EXPLAIN_TEXT_MAX, "the new server's own");
	else if (h->tap == TAP_CLIENT)
		snprintf(text, EXPLAIN_TEXT_MAX, "the client again, with the SYN's data");
	else if (j->cause)
		snprintf(text, EXPLAIN_TEXT_MAX, "made by fe%u on frame %u", h->index, j->cause);
	else
		snprintf(text, EXPLAIN_TEXT_MAX, "made by fe%u by itself", h->index);
}

/* --- what changed ------------------------------------------------------------------------------- */

static void say_endpoint(const struct teller *t, const char *step, const char *what, struct endpoint from,
			 struct endpoint to)
{
	char a[ENDPOINT_TEXT_MAX], b[ENDPOINT_TEXT_MAX];

	if (!endpoint_equal(from, to))
		say(t, step, "%s %s -> %s", what, endpoint_format(from, a), endpoint_format(to, b));
}

static void say_number(const struct teller *t, const char *what, uint32_t from, uint32_t to)
{
	const struct explain_hop *h = &t->ev->hop;

	if (from == to)
		return;
	if (h->note.translated && to - from == h->note.delta)
		say(t, "", "%s %u + Δ = %u", what, from, to);
	else if (h->note.translated && from - to == h->note.delta)
		say(t, "", "%s %u - Δ = %u", what, from, to);
	else
		say(t, "", "%s %u -> %u", what, from, to);
}

static void say_addresses(const struct teller *t, const char *step)
{
	const struct explain_hop *h = &t->ev->hop;

	say_endpoint(t, step, "source", h->before.src, h->after.src);
	say_endpoint(t, step, "destination", h->before.dst, h->after.dst);
}

/* --- the switch ---------------------------------------------------------------------------------- */

static void say_keys(const struct teller *t)
{
	static const char *const directions[] = { "neither to nor from the VIP", "inbound", "outbound" };
	const struct phv *v = &t->ev->hop.phv;
	char client[ENDPOINT_TEXT_MAX], backend[CONFIG_NAME_MAX + 32] = "";

	if (v->direction == DIRECTION_NONE) {
		if (t->sink->verbose)
			say(t, "key_extraction", "%s", directions[v->direction]);
		return;
	}
	if (v->from_backend)
		snprintf(backend, sizeof(backend), ", D index %u (%s)", v->source_d_index,
			 backend_name(t->e, v->source_d_index));
	say(t, "key_extraction", "%s, key %s%s", directions[v->direction], endpoint_format(v->client, client), backend);
	if (v->hit)
		say(t, "connection_query", "hit: D index %u (%s)", v->hit_d_index, backend_name(t->e, v->hit_d_index));
	else
		say(t, "connection_query", "no entry");
}

static void port_name(const struct explain *e, unsigned port, char text[EXPLAIN_WHERE_MAX])
{
	if (port == PORT_CLIENT)
		snprintf(text, EXPLAIN_WHERE_MAX, "the clients");
	else if (port < PORT_BACKEND(0))
		snprintf(text, EXPLAIN_WHERE_MAX, "fe%u", port - PORT_FRONTEND(0));
	else
		snprintf(text, EXPLAIN_WHERE_MAX, "%s", backend_name(e, port - PORT_BACKEND(0)));
}

static void say_forwarding(const struct teller *t)
{
	const struct explain_hop *h = &t->ev->hop;
	char port[EXPLAIN_WHERE_MAX];

	port_name(t->e, h->egress_port, port);
	switch ((enum steering_action)h->phv.action) {
	case STEER_TO_FRONTEND:
		say(t, "forwarding", "LB index %u (CRC-8 of the key) -> %s", h->phv.lb_index, port);
		break;
	case STEER_FAST_TO_BACKEND:
		say(t, "forwarding", "D index %u -> %s", h->phv.hit_d_index, port);
		break;
	default:
		say(t, "forwarding", "longest prefix match -> %s", port);
	}
}

static void say_synack(const struct teller *t)
{
	const struct explain_hop *h = &t->ev->hop;
	const struct tcp_options *o = &h->after.options;
	char scale[32] = "";

	if (o->wscale != TCP_WSCALE_NONE)
		snprintf(scale, sizeof(scale), ", wscale %u", o->wscale);
	say(t, "header_rewrite", "becomes its SYN-ACK: SEQ L = %u (%s), ACK %u, mss %u%s%s%s", h->after.seq,
	    t->e->config->sw.isn == ISN_CRC32 ? "CRC-32" : "cookie", h->after.ack, o->mss, scale,
	    o->sack_permitted ? ", sackOK" : "", o->has_timestamps ? ", timestamps" : "");
}

static void tell_switch(const struct teller *t)
{
	const struct explain_hop *h = &t->ev->hop;
	const char *stage = h->note.stage < STAGE_COUNT ? switch_pipeline[h->note.stage].name : "?";
	bool steered = h->phv.ether_type == ETHERTYPE_IPV4 && h->phv.steering_row < switch_steering_rows &&
		       (h->note.stage >= STAGE_packet_steering || h->fate != FATE_DROP);

	if (!steered) {
		if (h->fate == FATE_DROP)
			say(t, stage, "dropped: %s", drop_text(h->drop));
		else
			say(t, stage, "%s", h->note.remark ? h->note.remark : "answered");
		return;
	}
	say_keys(t);
	say(t, "packet_steering", "row %s: %s", switch_steering[h->phv.steering_row].name,
	    switch_steering_action_text(h->phv.action));
	if (h->fate == FATE_DROP) {
		say(t, stage, "dropped: %s", drop_text(h->drop));
		return;
	}
	if (h->phv.action == STEER_REPLY_SYNACK) {
		say_synack(t);
		return;
	}
	say_forwarding(t);
	say_addresses(t, "header_rewrite");
	if (t->sink->verbose)
		say(t, "deparse", "MAC addresses of the way out");
}

/* --- the front-end ------------------------------------------------------------------------------- */

static const char *const state_texts[] = {
#define X(name, text) text,
	FSM_STATES(X)
#undef X
};

static const char *const event_texts[] = {
#define X(name, text) text,
	FSM_EVENTS(X)
#undef X
};

static void rule_text(const struct config *c, unsigned index, char text[EXPLAIN_TEXT_MAX])
{
	const struct config_rule *r = &c->rules[index];

	snprintf(text, EXPLAIN_TEXT_MAX, "rule %u (host %s, path %s%s)", index + 1, r->host[0] ? r->host : "any",
		 r->path[0] ? r->path : "any", r->path[0] && r->path_is_prefix ? "*" : "");
}

static void say_request(const struct teller *t, const struct frontend_notice *n)
{
	static const char *const modes[] = { "auto", "always", "never" };
	const struct config *c = t->e->config;
	char rule[EXPLAIN_TEXT_MAX];

	rule_text(c, n->rule, rule);
	if (t->request_told)
		say(t, "request", "another one in the same packet");
	else if (t->ev->kind == EXPLAIN_HOP && t->ev->hop.request[0])
		say(t, "request", "\"%s\"%s", t->ev->hop.request,
		    strlen(t->ev->hop.request) + 1 < EXPLAIN_REQUEST_LINE ? "" : "...");
	say(t, "rule", "%s -> pool %s, offload %s", rule, c->pools[n->pool].name, modes[n->offload % ARRAY_LEN(modes)]);
	say(t, "balance", "%s, one of the pool's %u, drawn once per connection and pool",
	    backend_name(t->e, n->backend), c->pools[n->pool].member_count);
}

/* A cell of the FSM. */
static void say_step(const struct teller *t, const struct packet_transition *tr)
{
	if (tr->state == tr->next)
		say(t, "fsm", "%s x %s: stays (%s)", fsm_state_name(tr->state), fsm_event_name(tr->event),
		    event_texts[tr->event]);
	else
		say(t, "fsm", "%s x %s -> %s (%s)", fsm_state_name(tr->state), fsm_event_name(tr->event),
		    fsm_state_name(tr->next), event_texts[tr->event]);
}

static void say_notice(const struct teller *t, const struct frontend_notice *n)
{
	char delay[TEXT_NUMBER_MAX];

	switch ((enum notice_kind)n->kind) {
	case NOTICE_REQUEST:
		say_request(t, n);
		break;
	case NOTICE_CONNECTED:
		say(t, "connected", "%s has answered the special SYN", backend_name(t->e, n->backend));
		break;
	case NOTICE_REFUSED:
		say(t, "refused", "%s", refusal_text(n->refusal));
		break;
	case NOTICE_OFFLOADED:
		say(t, "offloaded", "the entry is effective, %s after it was asked for",
		    text_duration(n->delay_ns, delay));
		break;
	case NOTICE_OFFLOAD_FULL:
		say(t, "offload", "no place in the table: the flow stays on the slow path");
		break;
	case NOTICE_CLOSED:
		say(t, "closed", "the flow has ended in order, or by a RST");
		break;
	case NOTICE_TIMED_OUT:
		say(t, "timed out", "the flow has ended by a timeout");
		break;
	case NOTICE_STEP:
		say_step(t, &n->step);
		break;
	}
}

static void say_control(const struct teller *t)
{
	static const char *const results[] = { [CONTROL_OK] = "takes effect",
					       [CONTROL_FULL] = "found no place: the table or its queue is full",
					       [CONTROL_EXISTS] = "found the key there already",
					       [CONTROL_MISSING] = "found no such key" };
	const struct explain_control *c = &t->ev->control;
	const char *what = c->op.kind == CONTROL_ADD ? "add" : "delete";
	char client[ENDPOINT_TEXT_MAX], delay[TEXT_NUMBER_MAX], value[CONFIG_NAME_MAX + 32] = "";

	endpoint_format(c->op.client, client);
	if (c->op.kind == CONTROL_ADD)
		snprintf(value, sizeof(value), " = D index %u (%s)", c->op.d_index, backend_name(t->e, c->op.d_index));
	if (t->ev->kind == EXPLAIN_ASKED)
		say(t, "table", "asks the switch: %s %s%s", what, client, value);
	else
		say(t, "table", "%s %s%s %s, %s after fe%u asked", what, client, value, results[c->status % 4],
		    text_duration(c->delay_ns, delay), c->op.frontend);
}

static void say_transitions(const struct teller *t)
{
	const struct explain_hop *h = &t->ev->hop;

	for (unsigned i = 0; i < h->note.transitions; i++)
		say_step(t, &h->note.transition[i]);
	if (t->sink->verbose && h->note.transitions)
		say(t, "state", "%s", state_texts[h->note.transition[h->note.transitions - 1].next]);
}

/* The notices and operations of this hop stand behind it in the journey. */
static void say_attached(const struct teller *t, enum explain_kind kind)
{
	uint32_t i = t->ev->next;
	struct teller own = *t, other = *t;

	for (; i != EXPLAIN_NONE && t->e->events[i].kind != EXPLAIN_HOP; i = t->e->events[i].next) {
		other.ev = &t->e->events[i];
		if (other.ev->kind != kind)
			continue;
		if (kind == EXPLAIN_NOTICE)
			say_notice(&own, &other.ev->notice);
		else
			say_control(&other);
		own.request_told |= kind == EXPLAIN_NOTICE && other.ev->notice.kind == NOTICE_REQUEST;
	}
}

static void tell_frontend(const struct teller *t)
{
	const struct explain_hop *h = &t->ev->hop;

	say_attached(t, EXPLAIN_NOTICE);
	say_transitions(t);
	if (h->fate == FATE_DROP)
		say(t, "", "dropped: %s", drop_text(h->drop));
	else if (h->fate == FATE_ABSORB)
		say(t, "", "%s", h->note.remark ? h->note.remark : "kept: goes no further as a packet");
	else
		say_addresses(t, "splice");
	say_attached(t, EXPLAIN_ASKED);
}

/* --- the agent, the ends ------------------------------------------------------------------------- */

static void tell_agent(const struct teller *t)
{
	const struct explain_hop *h = &t->ev->hop;
	const struct explain_segment *a = &h->before, *b = &h->after;

	if (h->note.remark)
		say(t, "", "%s", h->note.remark);
	if (h->note.translated)
		say(t, "", "Δ = S - L = %u (modulo 2^32)", h->note.delta);
	else if (!h->note.remark)
		say(t, "", "no pair of its own: untouched");
	say_number(t, "SEQ", a->seq, b->seq);
	say_number(t, "ACK", a->ack, b->ack);
	for (unsigned i = 0; i < 2u * MIN(a->options.sack_blocks, b->options.sack_blocks); i++)
		say_number(t, i % 2 ? "SACK right edge" : "SACK left edge", a->sack[i], b->sack[i]);
	say_number(t, "TSval", a->options.tsval, b->options.tsval);
	say_number(t, "TSecr", a->options.tsecr, b->options.tsecr);
	say_number(t, "window", a->window, b->window);
	if (h->fate == FATE_REPLY || h->fate == FATE_DROP)
		say(t, "", "%s: %s", h->fate == FATE_REPLY ? "sent back" : "dropped", drop_text(h->drop));
}

/* An arrival may be what frames waited for; they are told of just before it. */
static void tell_end(const struct teller *t)
{
	uint32_t first = (uint32_t)(t->ev - t->e->events);

	say(t, "", "delivered%s", t->e->journeys[t->ev->journey].fault ? "; HERE the oracle found fault" : "");
	while (first > 0 && t->e->events[first - 1].kind == EXPLAIN_LEAVES)
		first--;
	for (; &t->e->events[first] != t->ev; first++)
		say(t, "", "frame %u, which waited, may leave now", t->e->events[first].wait.frame);
}

void explain_tell(const struct explain *e, const struct explain_event *ev, const struct explain_sink *sink)
{
	struct teller t = { .e = e, .ev = ev, .sink = sink, .where = "switch" };
	const struct explain_hop *h = &ev->hop;

	switch ((enum explain_kind)ev->kind) {
	case EXPLAIN_HOP:
		break;
	case EXPLAIN_NOTICE:
		snprintf(t.where, sizeof(t.where), "front-end");
		say_notice(&t, &ev->notice);
		return;
	case EXPLAIN_ASKED:
		snprintf(t.where, sizeof(t.where), "fe%u", ev->control.op.frontend);
		say_control(&t);
		return;
	case EXPLAIN_ANSWERED:
		say_control(&t);
		return;
	case EXPLAIN_WAITS:
	case EXPLAIN_READ:
		snprintf(t.where, sizeof(t.where), "trace");
		say(&t, "", ev->kind == EXPLAIN_WAITS ? "%s" : "not played: %s", ev->wait.text);
		return;
	case EXPLAIN_LEAVES:
		return;
	}
	explain_where(e, ev, t.where);
	if (drop_on_the_way(h->drop))
		say(&t, "", "dropped: %s: it never got here", drop_text(h->drop));
	else if (h->tap == TAP_CLIENT ? !h->towards_server : h->tap == TAP_STACK && h->towards_server)
		tell_end(&t);
	else if (h->tap == TAP_FRONTEND && h->towards_server)
		tell_frontend(&t);
	else if (h->tap == TAP_STACK || (h->tap == TAP_WIRE && h->towards_server))
		tell_agent(&t);
	else
		tell_switch(&t);
}
