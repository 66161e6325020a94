/* SPDX-License-Identifier: BSD-2-Clause */
/* frontend.c: a front-end's entry points: a packet, a reply of the control plane, a timer.
 *
 * Life of a flow: a verified handshake adds it (inbound.c); the FSM carries it; after LINGER it
 * is over, and its record goes when the switch has no entry of it either. So there is no entry
 * without a flow, and a flow table that is empty means a connection table that is.
 *
 * Everything is allocated in frontend_create(): flows, buffers. Full is counted and survived. */
#include "frontend_internal.h"

#include <stdlib.h>
#include <string.h>

static unsigned backend_hash(struct endpoint e)
{
	return (unsigned)(hash_mix64(endpoint_word(e)) % 1024);
}

static void index_backends(struct frontend *fe)
{
	for (unsigned i = 0; i < fe->config->backend_count; i++) {
		unsigned at = backend_hash(fe->config->backends[i].address);

		while (fe->backend_slot[at] > 0)
			at = (at + 1) % ARRAY_LEN(fe->backend_slot);
		fe->backend_slot[at] = (uint16_t)(i + 1);
	}
}

/* Index of the backend with that address, or -1. */
static int find_backend(const struct frontend *fe, struct endpoint e)
{
	for (unsigned at = backend_hash(e); fe->backend_slot[at] > 0; at = (at + 1) % ARRAY_LEN(fe->backend_slot)) {
		unsigned i = fe->backend_slot[at] - 1u;

		if (endpoint_equal(fe->config->backends[i].address, e))
			return (int)i;
	}
	return -1;
}

static void set_timeouts(struct frontend *fe)
{
	const struct config_timeouts *t = &fe->config->timeouts;
	struct timer_list *l = fe->flows.timers;

	l[IDLE_REQUEST].timeout_ns = t->request_ns;
	l[IDLE_ESTABLISHED].timeout_ns = t->established_ns;
	l[IDLE_CLOSING].timeout_ns = t->closing_ns;
	l[IDLE_LINGER].timeout_ns = t->linger_ns;
	for (unsigned i = 0; i < RETRY_STEPS_MAX; i++)
		l[IDLE_CLASSES + i].timeout_ns = t->rto_ns << i; /* RFC 6298 §5.5 */
}

struct frontend *frontend_create(const struct config *config, unsigned index, struct packet_pool *pool,
				 frontend_notice_fn *notice, void *notice_ctx)
{
	struct frontend *fe = calloc(1, sizeof(*fe));

	if (!fe)
		return NULL;
	fe->config = config;
	fe->index = index;
	fe->cookie_key = config->cookie_key;
	fe->pool = pool;
	fe->notice = notice;
	fe->notice_ctx = notice_ctx;
	for (unsigned i = 1; i < config->rule_count; i++)
		fe->may_move |= config->rules[i].pool != config->rules[0].pool;
	if (flow_table_init(&fe->flows, config->frontends.flows_max) < 0 ||
	    stream_buffer_pool_init(&fe->buffers, config->frontends.buffers, config->frontends.buffer_size) < 0) {
		frontend_free(fe);
		return NULL;
	}
	index_backends(fe);
	set_timeouts(fe);
	return fe;
}

void frontend_set_cookie_key(struct frontend *fe, const struct siphash_key *key)
{
	fe->cookie_key = *key;
}

void frontend_free(struct frontend *fe)
{
	if (!fe)
		return;
	flow_table_fini(&fe->flows);
	stream_buffer_pool_fini(&fe->buffers);
	free(fe);
}

/* What the held request waits for. */
static enum fsm_event held_event(const struct flow *f)
{
	uint32_t end;

	if (f->held == HELD_FOR_ENTRY)
		return f->entry == ENTRY_NONE ? EVENT_HELD_GOES_ON : EVENT_NONE;
	/* Acknowledged, but never seen here: it went by the fast path, and may have been anything. */
	if (f->response.lost || f->tunnel || (f->response.body_left == 0 && seq_gt(f->c_ack, f->response.next)))
		return EVENT_END_UNKNOWN;
	/* Equality: beyond E there is nothing to acknowledge, and it holds modulo 2^32. */
	if (!response_end_known(f, &end) || f->c_ack != end)
		return EVENT_NONE;
	/* Back to a backend whose entry is not deleted yet: it would carry the new response's head past us, and no
	 * later request could move. frontend_reply() comes back here. */
	if (f->held == HELD_TO_MOVE && f->entry != ENTRY_NONE && f->entry_backend == f->held_backend)
		return EVENT_NONE;
	return f->held == HELD_TO_MOVE ? EVENT_HELD_MOVES : EVENT_HELD_REFUSED;
}

static bool offload_ready(const struct flow *f)
{
	return f->want_offload && f->state == FSM_COMPLETE && f->entry == ENTRY_NONE && !f->buffer &&
	       !f->wait_response && seq_ge(f->c_una, request_owed(f));
}

/* Both FINs acknowledged; in REFUSING the backend's is ours. */
static bool all_acked(const struct flow *f)
{
	if (f->state == FSM_REFUSING)
		return f->c_fin_seen && seq_ge(f->c_ack, f->s_nxt);
	return f->state == FSM_CLOSING && seq_gt(f->c_una, f->c_fin) && seq_gt(f->c_ack, f->s_fin);
}

/* The client closed although a request head is not complete: `partial` or nothing at all came. */
static enum fsm_event premature_fin(const struct flow *f)
{
	if (!f->c_fin_seen || f->held != HELD_NOTHING || f->wait_response || f->c_fed != f->c_fin)
		return EVENT_NONE;
	if (f->state == FSM_INIT)
		return f->c_fed == f->c_start ? EVENT_CLIENT_FIN : EVENT_REQUEST_BAD;
	if ((f->state == FSM_COMPLETE || f->state == FSM_OFFLOADED) && f->c_limit != f->c_fin)
		return EVENT_REQUEST_BAD;
	return EVENT_NONE;
}

/* The backend closed first, and then the client, behind bytes that no backend will get: a request
 * that waits, or half a head. The client has the whole response, so nobody misses anything. */
static bool closed_in_vain(const struct flow *f)
{
	bool stuck = f->held != HELD_NOTHING || f->wait_response || f->c_fed == f->c_fin;

	return f->state == FSM_BACKEND_FIN && f->c_fin_seen && !f->c_fin_sent && stuck && seq_gt(f->c_ack, f->s_fin);
}

static enum fsm_event due_event(const struct flow *f)
{
	bool fin_told = f->state == FSM_CLIENT_FIN || f->state == FSM_CLOSING;

	if (flow_connected(f) && f->state != FSM_HELD && f->c_fin_sent && !fin_told)
		return EVENT_CLIENT_FIN;
	if (f->state == FSM_HELD)
		return held_event(f);
	if (all_acked(f))
		return EVENT_ALL_ACKED;
	if (closed_in_vain(f))
		return EVENT_HELD_VOID;
	if (offload_ready(f))
		return EVENT_OFFLOAD;
	return premature_fin(f);
}

static void flow_retire(struct work *w, struct flow *f)
{
	if (f->state == FSM_NONE && f->entry == ENTRY_NONE)
		flow_remove(&w->fe->flows, f);
}

void flow_settle(struct work *w, struct flow *f)
{
	enum fsm_event event;

	if (f->buffer && !f->wait_response && flow_connected(f) && f->held == HELD_NOTHING)
		request_continue(w, f); /* a response may have let waiting bytes go */
	while ((event = due_event(f)) != EVENT_NONE) {
		if (event == EVENT_REQUEST_BAD) {
			request_refuse(w, f, REFUSAL_MALFORMED);
			continue;
		}
		if (event == EVENT_END_UNKNOWN)
			f->refusal = REFUSAL_END_UNKNOWN;
		if (event == EVENT_OFFLOAD)
			f->want_offload = false;
		if (event == EVENT_ALL_ACKED || event == EVENT_HELD_VOID) {
			w->fe->stats.flows_closed++;
			notice_send(w, f, NOTICE_CLOSED, 0);
		}
		fsm_fire(w, f, event);
		if (event == EVENT_HELD_GOES_ON)
			request_continue(w, f);
	}
	if (f->state == FSM_HELD)
		request_acknowledge_held(w, f); /* it waits; the client should not */
	flow_retire(w, f);
}

static void count_used(struct frontend *fe)
{
	fe->stats.flows = fe->flows.count;
	fe->stats.flows_peak = fe->flows.peak;
	fe->stats.buffers_used = fe->buffers.used;
	fe->stats.buffers_peak = fe->buffers.used_peak;
}

static void count_fate(struct frontend *fe, const struct packet *p)
{
	if (p->fate == FATE_DROP)
		fe->stats.drops[p->drop]++;
	count_used(fe);
}

BREAKABLE void frontend_packet(struct frontend *fe, struct packet *p, struct frontend_out *out, uint64_t now_ns)
{
	struct work w = { .fe = fe, .out = out, .packet = p, .now_ns = now_ns };
	enum drop_reason bad = headers_parse(p);
	int backend;

	MUST(out->ops_max - out->op_count >= 2);
	p->note = (struct packet_note){ 0 };
	fe->stats.packets++;
	if (bad != DROP_NONE) {
		packet_drop(p, bad);
		count_fate(fe, p);
		return;
	}
	if (p->phv.ether_type == ETHERTYPE_IPV4)
		fe->stats.bytes += be16_to(packet_ip(p)->total_len);
	if (p->phv.l4_at == 0 || p->phv.ip_proto != IP_PROTO_TCP) {
		icmp_packet(&w);
	} else if (endpoint_equal(p->phv.dst, fe->config->vip)) {
		p->phv.client = p->phv.src;
		inbound_packet(&w);
	} else if ((backend = find_backend(fe, p->phv.src)) >= 0) {
		p->phv.client = p->phv.dst;
		outbound_packet(&w, (unsigned)backend);
	} else {
		packet_drop(p, DROP_NO_FLOW);
	}
	count_fate(fe, p);
}

void frontend_prefetch(const struct frontend *fe, struct packet *const packets[], uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		flow_prefetch_bucket(&fe->flows, packets[i]->phv.client);
	for (uint32_t i = 0; i < count; i++)
		flow_prefetch(&fe->flows, packets[i]->phv.client);
	for (uint32_t i = 0; i < count; i++)
		flow_prefetch_neighbours(&fe->flows, packets[i]->phv.client);
}

BREAKABLE void frontend_reply(struct frontend *fe, const struct control_reply *reply, struct frontend_out *out,
			      uint64_t now_ns)
{
	struct work w = { .fe = fe, .out = out, .now_ns = now_ns };
	struct flow *f = flow_find(&fe->flows, reply->op.client);
	bool latest, there = reply->status == CONTROL_OK || reply->status == CONTROL_EXISTS;

	if (!f)
		return;
	latest = reply->op.serial == f->entry_serial;
	if (reply->op.kind == CONTROL_ADD && there) {
		f->s_unseen = true;
		f->entry_seen |= reply->op.d_index == f->backend;
		if (latest)
			f->entry = ENTRY_PRESENT;
		fe->stats.offloads_effective++;
		if (f->entry_isn == f->client_isn) /* else the port has been reused meanwhile */
			notice_send(&w, f, NOTICE_OFFLOADED, reply->applied_ns - reply->asked_ns);
	} else if (reply->op.kind == CONTROL_ADD) {
		fe->stats.offloads_full++;
		notice_send(&w, f, NOTICE_OFFLOAD_FULL, 0);
		if (latest) {
			f->entry = ENTRY_NONE;
			if (f->state == FSM_OFFLOADED)
				fsm_fire(&w, f, EVENT_ENTRY_FULL);
		}
	} else if (latest) {
		f->entry = ENTRY_NONE;
		/* Whatever the held request is answered with comes this way from its first byte. */
		f->entry_seen = f->entry_seen && f->held != HELD_FOR_ENTRY;
		request_ask_progress(&w, f);
		response_ask_progress(&w, f);
	}
	if (f->state == FSM_HELD && request_timer_needed(f))
		retry_start(&w, f); /* acknowledgements may have passed us by */
	flow_settle(&w, f);
	count_used(fe);
}

uint64_t frontend_next_wake(const struct frontend *fe)
{
	return flow_timers_next(&fe->flows);
}

static void idle_expired(struct work *w, struct flow *f)
{
	/* With both FINs seen only the last ACK is missing: it may have gone by the fast path. */
	if (f->state == FSM_CLOSING) {
		w->fe->stats.flows_closed++;
		notice_send(w, f, NOTICE_CLOSED, 0);
	} else if (f->state != FSM_LINGER && f->state != FSM_OFFLOADED) {
		w->fe->stats.flows_timed_out++;
		notice_send(w, f, NOTICE_TIMED_OUT, 0);
	}
	if (f->state == FSM_INIT ? f->c_nxt != f->c_start : request_unfinished(f))
		request_refuse(w, f, REFUSAL_REQUEST_TIMEOUT);
	else
		fsm_fire(w, f, EVENT_IDLE);
	flow_settle(w, f);
}

static void retry_expired(struct work *w, struct flow *f)
{
	bool last = f->retry_step >= w->fe->config->timeouts.retries;

	if (f->held != HELD_NOTHING && f->state != FSM_HELD) {
		retry_stop(w, f); /* the backend closed meanwhile: the held request has nowhere to go */
	} else if (f->held == HELD_FOR_ENTRY) {
		/* The control plane is slow: the request goes on, its response may pass unseen. */
		f->entry_seen = true;
		fsm_fire(w, f, EVENT_HELD_GOES_ON);
		request_continue(w, f);
	} else if (last) {
		if (f->state == FSM_BACKEND_SYN)
			f->refusal = REFUSAL_BACKEND_TIMEOUT;
		retry_stop(w, f);
		if (f->state != FSM_BACKEND_SYN) {
			w->fe->stats.flows_timed_out++;
			notice_send(w, f, NOTICE_TIMED_OUT, 0);
		}
		fsm_fire(w, f, EVENT_GIVE_UP);
	} else {
		f->retry_step++;
		flow_retry_set(&w->fe->flows, f, IDLE_CLASSES + f->retry_step, w->now_ns);
		fsm_fire(w, f, EVENT_RETRY);
	}
	flow_settle(w, f);
}

void frontend_timers(struct frontend *fe, struct frontend_out *out, uint64_t now_ns)
{
	struct work w = { .fe = fe, .out = out, .now_ns = now_ns };
	struct flow *f;

	for (unsigned list = 1; list < TIMER_LISTS; list++)
		while (out->ops_max - out->op_count >= 2 && (f = flow_timer_due(&fe->flows, list, now_ns)) != NULL) {
			if (list < IDLE_CLASSES)
				idle_expired(&w, f);
			else
				retry_expired(&w, f);
		}
	count_used(fe);
}

const struct frontend_stats *frontend_stats(const struct frontend *fe)
{
	return &fe->stats;
}

enum fsm_state frontend_flow_state(const struct frontend *fe, struct endpoint client)
{
	const struct flow *f = flow_find(&fe->flows, client);

	return f ? f->state : FSM_NONE;
}
