/* SPDX-License-Identifier: BSD-2-Clause */
/* actions.c: what the cells of the transition table do. An action sends, asks the control plane,
 * sets marks of the flow; it never changes the state and never fires an event. */
#include "frontend_internal.h"

#include <string.h>

static struct frontend_notice notice_about(const struct flow *f, enum notice_kind kind)
{
	return (struct frontend_notice){
		.client = f->client,
		.client_isn = f->client_isn,
		.kind = (uint8_t)kind,
		.pool = f->held_pool,
		.backend = f->held_backend,
		.refusal = f->refusal,
		.rule = f->held_rule,
		.offload = f->offload,
	};
}

static void notice_tell(const struct work *w, const struct frontend_notice *n)
{
	if (w->fe->notice)
		w->fe->notice(w->fe->notice_ctx, n, w->now_ns);
}

void notice_send(struct work *w, const struct flow *f, enum notice_kind kind, uint64_t delay_ns)
{
	struct frontend_notice n = notice_about(f, kind);

	n.delay_ns = delay_ns;
	notice_tell(w, &n);
}

void notice_send_step(struct work *w, const struct flow *f, const struct packet_transition *step)
{
	struct frontend_notice n = notice_about(f, NOTICE_STEP);

	n.step = *step;
	notice_tell(w, &n);
}

void flow_reset_seen(struct work *w, struct flow *f)
{
	if (f->state == FSM_LINGER)
		return;
	w->fe->stats.flows_reset++;
	notice_send(w, f, NOTICE_CLOSED, 0);
}

void retry_start(struct work *w, struct flow *f)
{
	if (f->retry.list != 0)
		return;
	f->retry_step = 0;
	flow_retry_set(&w->fe->flows, f, IDLE_CLASSES, w->now_ns);
}

void retry_stop(struct work *w, struct flow *f)
{
	flow_retry_set(&w->fe->flows, f, 0, w->now_ns);
}

static void ask(struct work *w, struct flow *f, enum control_kind kind)
{
	MUST(w->out->op_count < w->out->ops_max);
	f->entry_serial = ++w->fe->serial;
	w->out->ops[w->out->op_count++] = (struct control_op){
		.client = f->client,
		.serial = f->entry_serial,
		.frontend = (uint16_t)w->fe->index,
		.kind = (uint8_t)kind,
		.d_index = f->backend,
	};
}

static BREAKABLE void entry_delete(struct work *w, struct flow *f)
{
	f->want_offload = false;
	if (f->entry != ENTRY_ADDING && f->entry != ENTRY_PRESENT)
		return;
	ask(w, f, CONTROL_DELETE);
	f->entry = ENTRY_DELETING;
}

static BREAKABLE void entry_add(struct work *w, struct flow *f)
{
	MUST(f->entry == ENTRY_NONE);
	ask(w, f, CONTROL_ADD);
	f->entry_isn = f->client_isn;
	f->entry_backend = f->backend;
	f->entry = ENTRY_ADDING;
	w->fe->stats.offloads_asked++;
}

static void release_buffers(struct work *w, struct flow *f)
{
	request_release_buffer(w, f);
	response_release_buffer(w, f);
}

void flow_begin(struct work *w, struct flow *f)
{
	const struct handshake *h = &w->handshake;
	const struct config *c = w->fe->config;

	f->client_isn = h->client_isn;
	f->isn = h->isn;
	f->offer = h->offer;
	f->has_timestamps = h->has_timestamps;
	f->c_start = f->c_una = f->c_limit = f->c_fed = f->c_nxt = f->c_sent = f->c_owed = seq_add(h->client_isn, 1);
	f->c_ack = f->s_start = f->s_nxt = seq_add(h->isn, 1);
	f->s_unseen = f->entry != ENTRY_NONE;
	f->c_fin_seen = f->c_fin_sent = f->s_fin_seen = f->has_backend = f->ended = false;
	f->c_body_left = 0;
	f->c_window = 0;
	f->c_tsval = f->c_tsecr = f->s_tsval = 0;
	f->tunnel = f->wait_response = f->want_offload = false;
	f->held = HELD_NOTHING;
	f->refusal = REFUSAL_NONE;
	memset(f->chosen, 0, sizeof(f->chosen));
	http_request_init(&f->request, c->http.strictness, c->http.head_max);
	response_begin(w, f, f->s_start);
	w->fe->stats.flows_started++;
}

/* Everything read so far becomes the backend's: the held request, or the first one. */
static void assign(struct flow *f)
{
	f->c_limit = f->c_fed;
	f->held = HELD_NOTHING;
	response_await(f, f->held_awaited);
}

static void connect_backend(struct work *w, struct flow *f, uint32_t client_start, uint32_t server_start)
{
	f->backend = f->held_backend;
	f->has_backend = true;
	f->c_start = f->c_una = f->c_sent = client_start;
	f->c_owed = seq_max(f->c_owed, client_start);
	f->s_start = f->s_nxt = server_start;
	f->s_mss = TCP_MSS_DEFAULT;
	response_begin(w, f, server_start);
	assign(f);
	send_special_syn(w, f);
	retry_stop(w, f);
	retry_start(w, f);
}

static BREAKABLE void move(struct work *w, struct flow *f)
{
	uint32_t end = f->s_nxt;

	MUST(response_end_known(f, &end));
	send_backend_reset(w, f, f->c_limit);
	f->last_backend = f->backend + 1;
	w->fe->stats.moves++;
	connect_backend(w, f, f->c_limit, end);
}

/* The error response in segments that the client can take, FIN on the last. */
static void send_refusal(struct work *w, struct flow *f)
{
	unsigned status = refusal_status(f->refusal);
	size_t len = 0, at = 0, mss = flow_payload_max(f, f->offer.mss);
	const char *text = status > 0 ? http_error_response(status, refusal_to_head(f), &len) : NULL;

	while (len - at > mss) {
		send_to_client(w, f, seq_add(f->refuse_start, (uint32_t)at), TCP_ACK, text + at, mss);
		at += mss;
	}
	send_to_client(w, f, seq_add(f->refuse_start, (uint32_t)at), TCP_ACK | TCP_PSH | TCP_FIN,
		       text ? text + at : NULL, len - at);
	f->refuse_len = (uint32_t)len;
	f->s_nxt = seq_add(f->refuse_start, f->refuse_len + 1);
}

/* From here on the front-end is the server: its response begins at E. */
static BREAKABLE void refuse(struct work *w, struct flow *f)
{
	uint32_t end = f->s_start;

	if (f->held == HELD_TO_REFUSE) {
		MUST(response_end_known(f, &end));
		send_backend_reset(w, f, f->c_limit);
		f->last_backend = f->backend + 1;
	} else if (f->refusal == REFUSAL_BACKEND_TIMEOUT) {
		send_backend_reset(w, f, f->c_start);
	}
	f->held = HELD_NOTHING;
	f->has_backend = false;
	entry_delete(w, f);
	release_buffers(w, f);
	f->refuse_start = end;
	send_refusal(w, f);
	retry_stop(w, f);
	retry_start(w, f);
	if (f->refusal != REFUSAL_NONE) {
		w->fe->stats.refused[f->refusal]++;
		notice_send(w, f, NOTICE_REFUSED, 0);
	}
}

static BREAKABLE void end(struct work *w, struct flow *f)
{
	retry_stop(w, f);
	entry_delete(w, f);
	release_buffers(w, f);
	f->held = HELD_NOTHING;
	f->ended = true;
}

/* The numbers are the best we know: an end that expects others answers with a challenge ACK,
 * which the lingering flow carries to the other end, whose RST is then exact (RFC 5961 §3). */
static BREAKABLE void reset_both(struct work *w, struct flow *f)
{
	send_to_client(w, f, seq_max(f->s_nxt, f->c_ack), TCP_RST, NULL, 0);
	if (f->has_backend)
		send_backend_reset(w, f, request_backend_next(f));
	if (f->refusal == REFUSAL_END_UNKNOWN) {
		w->fe->stats.refused[f->refusal]++;
		notice_send(w, f, NOTICE_REFUSED, 0);
	}
	end(w, f);
}

static BREAKABLE void abandon(struct work *w, struct flow *f)
{
	send_to_client(w, f, seq_max(f->s_nxt, f->c_ack), TCP_ACK, NULL, 0);
	send_backend_reset(w, f, request_backend_next(f));
	f->last_backend = f->backend + 1;
	f->has_backend = false;
	end(w, f);
}

static BREAKABLE void reset_again(struct work *w, struct flow *f)
{
	send_to_client(w, f, w->packet->phv.ack, TCP_RST, NULL, 0); /* RFC 9293 §3.10.7.1 */
	if (f->has_backend)
		send_backend_reset(w, f, request_backend_next(f));
}

static BREAKABLE void retry_data(struct work *w, struct flow *f)
{
	request_repeat(w, f);
}

static BREAKABLE void retry_held(struct work *w, struct flow *f)
{
	request_repeat(w, f);
	request_ask_progress(w, f);
	response_ask_progress(w, f);
}

static BREAKABLE void acknowledge(struct work *w, struct flow *f)
{
	/* An old SEQ would make the client answer instead of reading the ACK (RFC 9293 §3.10.7.4). */
	send_to_client(w, f, seq_max(f->s_nxt, f->c_ack), TCP_ACK, NULL, 0);
	if (f->state == FSM_REFUSING || f->state == FSM_LINGER)
		return; /* nobody's bytes, thrown away */
	f->c_owed = seq_max(f->c_owed, request_received(f));
	if (request_timer_needed(f))
		retry_start(w, f); /* the client will not repeat them any more */
}

static BREAKABLE void restart(struct work *w, struct flow *f)
{
	/* The old connection's own ends are gone or will find out; its backend is told. */
	if (f->has_backend && !f->ended)
		send_backend_reset(w, f, request_backend_next(f));
	if (f->has_backend)
		f->last_backend = f->backend + 1;
	end(w, f);
	flow_begin(w, f);
}

static BREAKABLE void nothing(struct work *w, struct flow *f)
{
	(void)w;
	(void)f;
}

static BREAKABLE void connect_first(struct work *w, struct flow *f)
{
	connect_backend(w, f, f->c_start, f->s_start);
}

static BREAKABLE void splice(struct work *w, struct flow *f)
{
	retry_stop(w, f);
	request_deliver(w, f);
	notice_send(w, f, NOTICE_CONNECTED, 0);
}

static BREAKABLE void hold(struct work *w, struct flow *f)
{
	entry_delete(w, f);
	if (f->held == HELD_FOR_ENTRY || request_timer_needed(f))
		retry_start(w, f); /* a stalled control plane must not hold the request for ever */
}

static BREAKABLE void go_on(struct work *w, struct flow *f)
{
	retry_stop(w, f);
	assign(f);
	request_deliver(w, f);
}

static BREAKABLE void reset_backend(struct work *w, struct flow *f)
{
	send_backend_reset(w, f, f->c_start);
	end(w, f);
}

static BREAKABLE void retry_syn(struct work *w, struct flow *f)
{
	send_special_syn(w, f);
	w->fe->stats.retransmissions++;
}

static BREAKABLE void retry_refusal(struct work *w, struct flow *f)
{
	send_refusal(w, f);
	w->fe->stats.retransmissions++;
}

static void (*const actions[FSM_ACTION_COUNT])(struct work *w, struct flow *f) = {
	[ACTION_NOTHING] = nothing,
	[ACTION_ACKNOWLEDGE] = acknowledge,
	[ACTION_CONNECT] = connect_first,
	[ACTION_SPLICE] = splice,
	[ACTION_HOLD] = hold,
	[ACTION_GO_ON] = go_on,
	[ACTION_MOVE] = move,
	[ACTION_REFUSE] = refuse,
	[ACTION_RESET_BACKEND] = reset_backend,
	[ACTION_RESET_BOTH] = reset_both,
	[ACTION_RESET_AGAIN] = reset_again,
	[ACTION_OFFLOAD] = entry_add,
	[ACTION_PULL_BACK] = entry_delete,
	[ACTION_RETRY_SYN] = retry_syn,
	[ACTION_RETRY_DATA] = retry_data,
	[ACTION_RETRY_HELD] = retry_held,
	[ACTION_RETRY_REFUSAL] = retry_refusal,
	[ACTION_RESTART] = restart,
	[ACTION_ABANDON] = abandon,
	[ACTION_END] = end,
};

BREAKABLE void action_run(struct work *w, struct flow *f, enum fsm_action action)
{
	actions[action](w, f);
}
