/* SPDX-License-Identifier: BSD-2-Clause */
/* explain_why.c: why a flow was not offloaded, in one sentence with the evidence.
 *
 * The events are read once into facts; then a table of answers is tried in order, from what ended
 * everything (the flow was not played, was refused) over the switch's side (no place, too late) to
 * the front-end's conditions: rule, size, requests behind it, closing, bytes that it still owes. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "explain_internal.h"
#include "miresga/seq.h"
#include "miresga/text.h"

struct facts {
	const struct explain *e;
	const struct explain_flow *flow;
	const struct explain_verdict *verdict;
	char *text;
	/* requests and responses */
	unsigned requests, responses, modes[3];
	unsigned waiting_at_large; /* requests unanswered when the large response began */
	uint8_t never_rule;
	uint64_t largest;
	unsigned chunked, until_close, tunnels;
	uint8_t refusal;
	bool refused;
	/* the table */
	const struct explain_event *asked, *effective, *full, *removal;
	uint64_t fast_packets;
	/* the end */
	const char *closing;	/* what closed the flow first */
	uint32_t closing_frame; /* 0: a packet of our own */
	bool closed_before_large, large_seen;
	/* the client's bytes: acknowledged by the front-end, by the backend */
	bool owes, backend_acked;
	uint32_t owed, acked, client_isn;
	uint64_t hops;
};

static bool answer(const struct facts *f, const char *format, ...) FORMAT_PRINTF(2, 3);

static bool answer(const struct facts *f, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(f->text, EXPLAIN_TEXT_MAX, format, args);
	va_end(args);
	return true;
}

/* --- facts -------------------------------------------------------------------------------------- */

static void note_closing(struct facts *f, const struct explain_event *ev)
{
	static const struct {
		uint8_t event;
		const char *text;
	} ends[] = {
		{ EVENT_CLIENT_FIN, "the client had closed its half" },
		{ EVENT_BACKEND_FIN, "the server had closed its half" },
		{ EVENT_CLIENT_RST, "the client had reset the connection" },
		{ EVENT_BACKEND_RST, "the server had reset the connection" },
	};
	const struct packet_note *n = &ev->hop.note;

	for (unsigned i = 0; i < n->transitions && !f->closing; i++)
		for (size_t k = 0; k < ARRAY_LEN(ends); k++)
			if (n->transition[i].event == ends[k].event) {
				f->closing = ends[k].text;
				f->closing_frame = f->e->journeys[ev->journey].frame;
			}
}

static void note_response(struct facts *f, const struct explain_hop *h)
{
	f->responses++;
	f->chunked += h->body == HTTP_BODY_CHUNKED;
	f->until_close += h->body == HTTP_BODY_UNTIL_CLOSE;
	f->tunnels += h->body == HTTP_BODY_TUNNEL;
	f->largest = MAX(f->largest, h->body_length);
	if (h->body_length < f->e->config->offload_threshold || f->large_seen)
		return;
	f->large_seen = true;
	f->closed_before_large = f->closing;
	f->waiting_at_large = f->requests > f->responses ? f->requests - f->responses : 0;
}

static void note_hop(struct facts *f, const struct explain_event *ev)
{
	const struct explain_hop *h = &ev->hop;

	f->hops++;
	f->fast_packets += h->fate != FATE_DROP &&
			   (h->phv.action == STEER_FAST_TO_BACKEND || h->phv.action == STEER_FAST_TO_CLIENT) &&
			   h->phv.hit && (h->tap == TAP_CLIENT || h->tap == TAP_WIRE);
	if (h->tap != TAP_FRONTEND)
		return;
	f->client_isn = h->client_isn;
	if (h->towards_server) {
		if (h->response)
			note_response(f, h);
		note_closing(f, ev);
		if (!h->from_client && (h->before.flags & TCP_ACK)) {
			f->acked = f->backend_acked ? seq_max(f->acked, h->before.ack) : h->before.ack;
			f->backend_acked = true;
		}
	} else if (!h->from_client && !f->e->journeys[ev->journey].frame) {
		f->owed = f->owes ? seq_max(f->owed, h->before.ack) : h->before.ack;
		f->owes = true;
	}
}

static void note_notice(struct facts *f, const struct explain_event *ev)
{
	const struct frontend_notice *n = &ev->notice;

	if (n->kind == NOTICE_REQUEST) {
		f->requests++;
		f->modes[n->offload % ARRAY_LEN(f->modes)]++;
		if (n->offload == OFFLOAD_NEVER)
			f->never_rule = n->rule;
	} else if (n->kind == NOTICE_REFUSED) {
		f->refused = true;
		f->refusal = n->refusal;
	}
}

static void note_control(struct facts *f, const struct explain_event *ev)
{
	const struct explain_control *c = &ev->control;

	if (ev->kind == EXPLAIN_ASKED) {
		if (c->op.kind == CONTROL_ADD && !f->asked)
			f->asked = ev;
		if (c->op.kind == CONTROL_DELETE && f->asked && !f->removal)
			f->removal = ev;
	} else if (c->op.kind == CONTROL_ADD) {
		if (c->status == CONTROL_FULL)
			f->full = ev;
		else if (!f->effective)
			f->effective = ev;
	}
}

static void gather(struct facts *f)
{
	for (uint32_t i = 0; i < f->e->event_count; i++) {
		const struct explain_event *ev = &f->e->events[i];

		if (!explain_concerns(ev, f->flow))
			continue;
		if (ev->kind == EXPLAIN_HOP)
			note_hop(f, ev);
		else if (ev->kind == EXPLAIN_NOTICE)
			note_notice(f, ev);
		else if (ev->kind == EXPLAIN_ASKED || ev->kind == EXPLAIN_ANSWERED)
			note_control(f, ev);
	}
}

/* --- answers: each returns false if it is not this one -------------------------------------------- */

static bool why_offloaded(const struct facts *f)
{
	char delay[TEXT_NUMBER_MAX], count[TEXT_NUMBER_MAX];

	if (!f->effective || f->fast_packets == 0)
		return false;
	return answer(f,
		      "It was offloaded: its entry took effect %s after it was asked for, and %s %s by the fast path.",
		      text_duration(f->effective->control.delay_ns, delay), text_count(f->fast_packets, count),
		      f->fast_packets == 1 ? "packet went" : "packets went");
}

static bool why_not_played(const struct facts *f)
{
	if (f->verdict && f->verdict->outcome == OUTCOME_SKIPPED)
		return answer(f, "It was not played at all: %s.", f->verdict->text);
	return false;
}

static bool why_refused(const struct facts *f)
{
	if (!f->refused || f->effective || f->responses)
		return false;
	return answer(f, "It was not offloaded: the front-end answered it by itself: %s.",
		      refusal_text((enum refusal)f->refusal));
}

static bool why_full(const struct facts *f)
{
	char delay[TEXT_NUMBER_MAX];

	if (!f->full || f->effective)
		return false;
	return answer(
		f,
		"It was not offloaded: the front-end asked for an entry, but the switch had no place for it (%s later: "
		"table full within 8 cuckoo moves, or its control queue full).",
		text_duration(f->full->control.delay_ns, delay));
}

/* The packet that an operation was asked on: "frame 12" or "a timer". */
static void asked_on(const struct facts *f, const struct explain_event *op, char text[64])
{
	uint32_t frame = op->journey == EXPLAIN_NONE ? 0 : f->e->journeys[op->journey].frame;

	if (frame)
		snprintf(text, 64, "frame %u", frame);
	else
		snprintf(text, 64, "a packet or timer of its own");
}

/* Why the front-end had the entry deleted: the event that its packet became. */
static const char *removal_reason(const struct facts *f)
{
	static const char *const reasons[FSM_EVENT_COUNT] = {
		[EVENT_PULL_BACK] = "a new request came, whose response it had to see",
		[EVENT_REQUEST_HELD] = "a new request came that had to wait",
		[EVENT_CLIENT_FIN] = "the client closed its half",
		[EVENT_BACKEND_FIN] = "the server closed its half",
		[EVENT_CLIENT_RST] = "the client reset the connection",
		[EVENT_BACKEND_RST] = "the server reset the connection",
		[EVENT_END_UNKNOWN] = "a request had to move, but the end of the response before it was unknown",
		[EVENT_REUSE] = "the client used the port for a new connection",
	};
	uint32_t i = f->removal->journey == EXPLAIN_NONE ? EXPLAIN_NONE : f->e->journeys[f->removal->journey].first;
	const char *reason = "a timer ran out, or the switch's answer came";

	for (; i != EXPLAIN_NONE; i = f->e->events[i].next) {
		const struct explain_event *ev = &f->e->events[i];

		for (unsigned n = 0; ev->kind == EXPLAIN_HOP && n < ev->hop.note.transitions; n++)
			if (reasons[ev->hop.note.transition[n].event])
				reason = reasons[ev->hop.note.transition[n].event];
	}
	return reason;
}

static bool why_too_late(const struct facts *f)
{
	char on[64], off[64], delay[TEXT_NUMBER_MAX], lead[TEXT_NUMBER_MAX], ended[256] = "the recording ended";

	if (!f->asked || f->fast_packets)
		return false;
	asked_on(f, f->asked, on);
	if (f->removal) {
		asked_on(f, f->removal, off);
		snprintf(ended, sizeof(ended), "it was given up %s after that, on %s: %s",
			 text_duration(f->removal->now_ns - f->asked->now_ns, lead), off, removal_reason(f));
	}
	if (f->effective)
		return answer(
			f,
			"No packet of it went by the fast path: an entry was asked for on %s and took effect %s later, "
			"but no packet came that it could have carried; %s.",
			on, text_duration(f->effective->control.delay_ns, delay), ended);
	return answer(f, "It was not offloaded: an entry was asked for on %s, but before it took effect %s.", on,
		      ended);
}

static bool why_no_request(const struct facts *f)
{
	if (f->requests)
		return false;
	if (!f->hops)
		return answer(f, "It was not offloaded: no packet of it was played.");
	return answer(f, "It was not offloaded: no complete request came that a rule could have matched%s%s.",
		      f->closing ? "; " : "", f->closing ? f->closing : "");
}

static bool why_never(const struct facts *f)
{
	if (!f->modes[OFFLOAD_NEVER] || f->modes[OFFLOAD_AUTO] || f->modes[OFFLOAD_ALWAYS])
		return false;
	return answer(f, "It was not offloaded: rule %u, which its %s matched, says offload: never.",
		      f->never_rule + 1u, f->requests == 1 ? "request" : "requests");
}

static bool why_no_response(const struct facts *f)
{
	if (f->responses || f->modes[OFFLOAD_ALWAYS])
		return false;
	return answer(f,
		      "It was not offloaded: the decision needs the head of a response, and none was seen after its %u "
		      "%s%s%s.",
		      f->requests, f->requests == 1 ? "request" : "requests", f->closing ? "; " : "",
		      f->closing ? f->closing : "");
}

static bool why_small(const struct facts *f)
{
	char threshold[TEXT_NUMBER_MAX], largest[TEXT_NUMBER_MAX], framing[96] = "";

	if (f->large_seen || f->modes[OFFLOAD_ALWAYS])
		return false;
	text_count(f->e->config->offload_threshold, threshold);
	if (f->responses == 1 && f->largest == 0 && (f->chunked || f->until_close || f->tunnels))
		return answer(
			f,
			"It was not offloaded: its only response announced no Content-Length, which would have to be "
			"at least %s bytes (offload_threshold): it was %s.",
			threshold,
			f->chunked	 ? "chunked, and nobody knows its length beforehand"
			: f->until_close ? "delimited by the connection's end alone"
					 : "a tunnel");
	if (f->chunked)
		snprintf(framing, sizeof(framing), "%u of them chunked, whose length nobody knows beforehand",
			 f->chunked);
	else if (f->until_close)
		snprintf(framing, sizeof(framing), "%u of them delimited by the connection's end alone",
			 f->until_close);
	else if (f->tunnels)
		snprintf(framing, sizeof(framing), "%u of them a tunnel", f->tunnels);
	if (framing[0] && f->largest == 0)
		return answer(f,
			      "It was not offloaded: none of its %u %s announced a Content-Length of at least %s bytes "
			      "(offload_threshold): %s.",
			      f->responses, f->responses == 1 ? "response" : "responses", threshold, framing);
	return answer(f,
		      "It was not offloaded: its largest response announced a Content-Length of %s bytes, below the "
		      "threshold of %s (%u %s seen%s%s).",
		      text_count(f->largest, largest), threshold, f->responses,
		      f->responses == 1 ? "response" : "responses", framing[0] ? ", " : "", framing);
}

static bool may_move(const struct config *c)
{
	for (unsigned i = 1; i < c->rule_count; i++)
		if (c->rules[i].pool != c->rules[0].pool)
			return true;
	return false;
}

static bool why_pipelined(const struct facts *f)
{
	char largest[TEXT_NUMBER_MAX];

	if (!f->waiting_at_large || !may_move(f->e->config) || f->modes[OFFLOAD_ALWAYS])
		return false;
	return answer(f,
		      "It was not offloaded: when its response of %s bytes began, %u more %s waiting behind it, and "
		      "since the "
		      "rules lead to more than one pool, the front-end had to see those answered.",
		      text_count(f->largest, largest), f->waiting_at_large,
		      f->waiting_at_large == 1 ? "request was" : "requests were");
}

static bool why_closing(const struct facts *f)
{
	bool early = f->modes[OFFLOAD_ALWAYS] && f->closing && !f->asked;

	if (!f->closed_before_large && !early)
		return false;
	return answer(f, "It was not offloaded: %s (frame %u) before %s.", f->closing, f->closing_frame,
		      early ? "an entry could be asked for" : "its large response began");
}

static bool why_owed(const struct facts *f)
{
	if (!f->owes || !f->backend_acked || seq_le(f->owed, f->acked))
		return false;
	return answer(
		f,
		"It was not offloaded: the front-end had acknowledged the client's bytes up to %u by itself, and the "
		"backend had confirmed only those up to %u: until then they are the front-end's to deliver.",
		f->owed - f->client_isn, f->acked - f->client_isn);
}

static bool why_otherwise(const struct facts *f)
{
	return answer(f,
		      "It was not offloaded, although a rule and a response allowed it: %s while the front-end still "
		      "held bytes "
		      "of a request or waited for an acknowledgement.",
		      f->closing ? f->closing : "the recording ended");
}

bool explain_why_not_offloaded(const struct explain *e, char text[EXPLAIN_TEXT_MAX])
{
	static bool (*const answers[])(const struct facts *f) = {
		why_offloaded,	 why_not_played, why_refused,	why_full,    why_too_late, why_no_request, why_never,
		why_no_response, why_small,	 why_pipelined, why_closing, why_owed,	   why_otherwise,
	};
	struct facts f = { .e = e, .flow = &e->request.flows[0], .text = text };

	if (e->request.flow_count != 1)
		return false;
	f.verdict = explain_verdict_of(e, f.flow);
	gather(&f);
	if (!f.verdict && !f.hops)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++)
		if (answers[i](&f))
			return true;
	return false;
}
