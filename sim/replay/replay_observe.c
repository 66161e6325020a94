/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_observe.c: what an observer of the replay is told (struct replay_observer): every packet
 * at every tap, what front-ends and the control plane say, which frames wait and for what, and
 * the verdicts. It only looks: a replay with an observer plays as one without. */
#include <stdio.h>

#include "replay_internal.h"
#include "session.h"

static bool has_fault(const struct replay_flow *f)
{
	return f->fault || f->stream[SIDE_CLIENT].mismatch != STREAM_NONE ||
	       f->stream[SIDE_SERVER].mismatch != STREAM_NONE;
}

/* The flow of a frame between the components: its client is one end or the other. NULL: of none. */
static const struct replay_flow *flow_of_frame(const struct replay *r, const struct packet *p, const uint8_t *frame,
					       uint32_t len)
{
	const struct replay_flow *f = NULL;
	struct segment s;

	if (len > ETH_HDR_LEN && load_be16(frame + ETH_HDR_LEN - 2) == ETHERTYPE_IPV4 &&
	    segment_parse(&s, (uint8_t *)(uintptr_t)frame + ETH_HDR_LEN, len - ETH_HDR_LEN)) {
		f = replay_flow_find(r, s.src);
		return f ? f : replay_flow_find(r, s.dst);
	}
	return replay_flow_find(r, p->phv.client);
}

void observe_tap(void *ctx, enum tap_kind kind, unsigned index, bool towards_server, const uint8_t *frame, uint32_t len,
		 const struct packet *p, uint64_t now_ns)
{
	struct replay *r = ctx;
	const struct replay_observer *o = r->options->observer;
	const struct replay_flow *f = flow_of_frame(r, p, frame, len);
	struct replay_sighting s = {
		.tap = (uint8_t)kind,
		.index = (uint8_t)index,
		.towards_server = towards_server,
		.frame = frame,
		.len = len,
		.packet = p,
	};

	if (r->pcapng)
		replay_taps_hook(ctx, kind, index, towards_server, frame, len, p, now_ns);
	if (f) {
		s.client = f->client;
		s.k = f->k;
		s.faulty = has_fault(f);
		s.syn_seen = f->syn_seen;
		s.connected = f->connected;
		s.client_isn = f->session ? f->session->iss : f->isn[SIDE_CLIENT];
		s.switch_isn = f->switch_isn;
	}
	if (o->sighting)
		o->sighting(o->ctx, &s, now_ns);
}

void observe_notice(void *ctx, const struct frontend_notice *n, uint64_t now_ns)
{
	struct replay *r = ctx;
	const struct replay_observer *o = r->options->observer;
	const struct replay_flow *f = replay_flow_find_isn(r, n->client, n->client_isn);

	replay_oracle_notice(ctx, n, now_ns);
	if (o->notice)
		o->notice(o->ctx, n, f ? f->k : 0, now_ns);
}

void observe_control(void *ctx, const struct control_op *op, const struct control_reply *reply, uint64_t now_ns)
{
	struct replay *r = ctx;
	const struct replay_observer *o = r->options->observer;
	const struct replay_flow *f = replay_flow_find(r, op->client);
	const struct replay_control c = { .k = f ? f->k : 0, .op = op, .reply = reply };

	if (o->control)
		o->control(o->ctx, &c, now_ns);
}

static void tell(struct replay *r, const struct replay_flow *f, struct replay_event *e)
{
	const struct replay_observer *o = r->options->observer;

	if (f) {
		e->client = f->client;
		e->k = f->k;
	}
	o->event(o->ctx, e, r->now_ns);
}

static bool is_listening(const struct replay *r)
{
	return r->options->observer && r->options->observer->event;
}

/* Why a frame is not played; NULL if it is. */
static const char *not_played(const struct trace_packet *p, const struct segment *s, const struct replay_flow *f)
{
	static const char *const kinds[TRACE_KIND_COUNT] = {
#define X(name, key, text) text,
		TRACE_KINDS(X)
#undef X
	};

	if (s)
		return f && !f->dead			    ? NULL
		       : f && f->outcome == OUTCOME_SKIPPED ? skip_text(f->skip)
							    : "its flow is over";
	return p->kind == TRACE_IPV4 ? "not TCP of the service" : kinds[p->kind];
}

void observe_read(struct replay *r, const struct trace_packet *p, const struct segment *s)
{
	const struct replay_flow *f = NULL;
	struct replay_event e = { .kind = REPLAY_READ, .frame = (uint32_t)p->frame };

	if (!is_listening(r))
		return;
	if (s)
		f = replay_flow_find(r, endpoint_equal(s->dst, r->config->vip) ? s->src : s->dst);
	e.text = not_played(p, s, f);
	tell(r, f, &e);
}

void observe_waits(struct replay *r, const struct replay_flow *f, enum side side, const struct segment *s)
{
	const struct queued *head = f->queue[side].head;
	struct replay_event e = { .kind = REPLAY_WAITS, .frame = s->frame };
	char why[REPLAY_TEXT_MAX];

	if (!is_listening(r))
		return;
	if (head && head->frame != s->frame)
		snprintf(why, sizeof(why), "frame %u of the %s waits behind frame %u", s->frame,
			 side == SIDE_CLIENT ? "client" : "server", head->frame);
	else if (!(side == SIDE_CLIENT ? client_waits : server_waits)(f, s, why))
		snprintf(why, sizeof(why), "frame %u waits for the rings to empty", s->frame);
	e.text = why;
	tell(r, f, &e);
}

void observe_leaves(struct replay *r, const struct replay_flow *f, uint32_t frame)
{
	struct replay_event e = { .kind = REPLAY_LEAVES, .frame = frame };

	if (is_listening(r) && !f->dead)
		tell(r, f, &e);
}

void observe_verdict(struct replay *r, const struct replay_flow *f)
{
	struct replay_event e = { .kind = REPLAY_VERDICT, .outcome = f->outcome, .text = f->reason };

	if (!is_listening(r))
		return;
	if (f->outcome == OUTCOME_SKIPPED)
		e.text = skip_text(f->skip);
	tell(r, f, &e);
}
