/* SPDX-License-Identifier: BSD-2-Clause */
/* explain_record.c: what an explanation remembers of a replay.
 *
 * The observer's functions keep what concerns the question and decode headers at once, since
 * frames are gone afterwards. A packet is known by its descriptor from where it enters (client,
 * server, or a front-end that made it) to where it ends; its hops form a journey.
 *
 * What a front-end tells while it handles a packet comes before that packet's hop: such notices
 * are pending until the hop says whose they are. What it asks of the control plane comes right
 * after the hop. Replies and timers belong to no packet.
 *
 * Refusal: more than EXPLAIN_EVENTS_MAX events, or no memory: the rest is counted in `omitted`. */
#include <stdio.h>
#include <stdlib.h>

#include "explain_internal.h"
#include "miresga/seq.h"

bool explain_same_flow(const struct explain_flow *a, const struct explain_flow *b)
{
	return a->k == b->k && endpoint_equal(a->client, b->client);
}

int explain_asked_flow(const struct explain *e, const struct explain_flow *f)
{
	for (unsigned i = 0; i < e->request.flow_count; i++)
		if (explain_same_flow(&e->request.flows[i], f))
			return (int)i;
	return -1;
}

const struct explain_verdict *explain_verdict_of(const struct explain *e, const struct explain_flow *f)
{
	for (uint32_t i = 0; i < e->verdict_count; i++)
		if (explain_same_flow(&e->verdicts[i].flow, f))
			return &e->verdicts[i];
	return NULL;
}

const struct explain_event *explain_first_hop(const struct explain *e, const struct explain_journey *j)
{
	return &e->events[j->first];
}

/* Makes room for one more in an array; false if memory is short. */
static bool grow(struct explain *e, void **array, uint32_t *room, uint32_t count, size_t size)
{
	uint32_t wanted = *room ? 2 * *room : 64;
	void *grown;

	if (count < *room)
		return true;
	grown = realloc(*array, wanted * size);
	if (!grown) {
		e->out_of_memory = true;
		return false;
	}
	*array = grown;
	*room = wanted;
	return true;
}

/* A new event; NULL if there is no room for it. */
static struct explain_event *event_add(struct explain *e, enum explain_kind kind, const struct explain_flow *flow,
				       uint64_t now_ns)
{
	struct explain_event *ev;

	if (e->event_count == EXPLAIN_EVENTS_MAX ||
	    !grow(e, (void **)&e->events, &e->event_room, e->event_count, sizeof(*e->events))) {
		e->omitted++;
		return NULL;
	}
	ev = &e->events[e->event_count++];
	*ev = (struct explain_event){
		.now_ns = now_ns, .flow = *flow, .kind = (uint8_t)kind, .journey = EXPLAIN_NONE, .next = EXPLAIN_NONE
	};
	return ev;
}

static void journey_append(struct explain *e, uint32_t journey, uint32_t event)
{
	struct explain_journey *j = &e->journeys[journey];

	e->events[event].journey = journey;
	if (j->first == EXPLAIN_NONE)
		j->first = event;
	else
		e->events[j->last].next = event;
	j->last = event;
}

/* --- packets in flight ----------------------------------------------------------------------- */

static uint32_t flight_find(const struct explain *e, const struct packet *p)
{
	for (uint32_t i = 0; i < e->flight_count; i++)
		if (e->flights[i].packet == p)
			return i;
	return EXPLAIN_NONE;
}

static void flight_end(struct explain *e, const struct packet *p)
{
	uint32_t at = flight_find(e, p);

	if (at != EXPLAIN_NONE)
		e->flights[at] = e->flights[--e->flight_count];
}

/* Takes the frame's wait off the list of those that last; EXPLAIN_NONE if it did not wait. */
static uint32_t wait_take(struct explain *e, uint32_t frame)
{
	for (uint32_t i = 0; frame && i < e->waiting_count; i++) {
		uint32_t event = e->waiting[i];

		if (e->events[event].wait.frame != frame)
			continue;
		e->waiting_count--;
		memmove(e->waiting + i, e->waiting + i + 1, (e->waiting_count - i) * sizeof(*e->waiting));
		return event;
	}
	return EXPLAIN_NONE;
}

static uint32_t journey_begin(struct explain *e, const struct packet *p)
{
	if (!grow(e, (void **)&e->journeys, &e->journey_room, e->journey_count, sizeof(*e->journeys)) ||
	    !grow(e, (void **)&e->flights, &e->flight_room, e->flight_count, sizeof(*e->flights)))
		return EXPLAIN_NONE;
	e->journeys[e->journey_count] = (struct explain_journey){
		.frame = p->frame,
		.cause = p->cause,
		.cut = p->cut,
		.first = EXPLAIN_NONE,
		.last = EXPLAIN_NONE,
		.waited = wait_take(e, p->frame),
	};
	e->flights[e->flight_count++] = (struct explain_flight){ .packet = p, .journey = e->journey_count };
	return e->journey_count++;
}

/* The packet in flight was seen last at a front-end. */
static bool left_frontend(const struct explain *e, uint32_t flight)
{
	const struct explain_event *last = &e->events[e->journeys[e->flights[flight].journey].last];

	return last->kind != EXPLAIN_HOP || (last->hop.tap == TAP_FRONTEND && last->hop.towards_server);
}

static uint32_t journey_of(struct explain *e, const struct replay_sighting *s)
{
	bool enters = s->tap == TAP_CLIENT ? s->towards_server : s->tap == TAP_STACK && !s->towards_server;
	uint32_t at = flight_find(e, s->packet);

	/* A descriptor that was lost on a full ring may be in use again. */
	if (at != EXPLAIN_NONE && (enters || (s->tap == TAP_FRONTEND && !s->towards_server && !left_frontend(e, at)))) {
		flight_end(e, s->packet);
		at = EXPLAIN_NONE;
	}
	return at == EXPLAIN_NONE ? journey_begin(e, s->packet) : e->flights[at].journey;
}

/* --- what concerns the question ---------------------------------------------------------------- */

/* Bytes of the frame that the front-end kept and sends on in a packet of its own. */
static bool carries_frame(const struct explain *e, const struct replay_sighting *s, const struct explain_flow *f,
			  const struct explain_segment *seg)
{
	if (s->packet->frame || !e->frame_seen || !explain_same_flow(f, &e->frame_flow) || !seg->tcp)
		return false;
	return s->towards_server == (s->tap != TAP_FRONTEND) && endpoint_equal(seg->src, f->client) &&
	       seq_lt(seg->seq, e->frame_seq_end) && seq_gt(seq_add(seg->seq, seg->payload_len), e->frame_seq);
}

static bool wanted(struct explain *e, const struct replay_sighting *s, const struct explain_flow *f,
		   const struct explain_segment *seg)
{
	const struct packet *p = s->packet;

	switch (e->request.question) {
	case EXPLAIN_PACKET:
		return p->frame == e->request.frame || (!p->frame && p->cause == e->request.frame) ||
		       carries_frame(e, s, f, seg);
	case EXPLAIN_DROPS:
		return p->fate == FATE_DROP || p->drop != DROP_NONE;
	case EXPLAIN_FLOW:
	case EXPLAIN_MISMATCH:
	case EXPLAIN_WHY_NOT_OFFLOADED:
		break;
	}
	return explain_asked_flow(e, f) >= 0;
}

/* A frame that was asked for is on its way: what it carries, to know it again. */
static void frame_found(struct explain *e, const struct replay_sighting *s, const struct explain_flow *f,
			const struct explain_segment *seg)
{
	if (e->frame_seen || s->packet->frame != e->request.frame)
		return;
	e->frame_seen = true;
	e->frame_flow = *f;
	e->frame_seq = seg->seq;
	/* Only a client's bytes are ever sent on by somebody else. */
	e->frame_seq_end = endpoint_equal(seg->src, f->client) ? seq_add(seg->seq, seg->payload_len) : seg->seq;
}

/* --- the observer ------------------------------------------------------------------------------ */

static void request_line(const struct packet *p, char text[EXPLAIN_REQUEST_LINE])
{
	const uint8_t *data = packet_payload(p);
	uint32_t len = p->phv.l4_at && p->phv.payload_at + p->phv.payload_len <= p->len ? p->phv.payload_len : 0;
	uint32_t n = 0;

	while (n < len && n + 1 < EXPLAIN_REQUEST_LINE && data[n] >= 0x20 && data[n] < 0x7f) {
		text[n] = (char)data[n];
		n++;
	}
	text[n] = '\0';
	if (!strstr(text, " ") || (n < len && data[n] != '\r' && data[n] != '\n' && n + 1 < EXPLAIN_REQUEST_LINE))
		text[0] = '\0';
}

/* The head of a response, if the packet begins with one and holds all of it. */
static void response_head(struct explain *e, struct explain_hop *h, const struct packet *p)
{
	struct http_response r;
	size_t consumed = 0;

	if (h->from_client) {
		e->head_request = h->request[0] ? strncmp(h->request, "HEAD ", 5) == 0 : e->head_request;
		return;
	}
	if (strncmp(h->request, "HTTP/1.", 7) != 0)
		return;
	http_response_init(&r);
	http_response_expect(&r, e->head_request, false);
	if (http_response_feed(&r, packet_payload(p), p->phv.payload_len, &consumed) != HTTP_HEAD_END || r.interim)
		return;
	h->response = true;
	h->status = r.status;
	h->body = r.body;
	h->body_length = r.body == HTTP_BODY_LENGTH ? r.body_length : 0;
}

static void hop_fill(struct explain *e, struct explain_hop *h, const struct replay_sighting *s,
		     const struct explain_segment *before)
{
	const struct packet *p = s->packet;

	h->before = *before;
	explain_segment_parse(p->data, p->len, &h->after);
	h->phv = p->phv;
	h->note = p->note;
	h->tap = s->tap;
	h->index = s->index;
	h->fate = p->fate;
	h->drop = p->drop;
	h->egress_port = p->egress_port;
	h->towards_server = s->towards_server;
	h->from_client = endpoint_equal(before->src, s->client);
	h->syn_seen = s->syn_seen;
	h->connected = s->connected;
	h->client_isn = s->client_isn;
	h->switch_isn = s->switch_isn;
	if (s->tap != TAP_FRONTEND || !s->towards_server)
		return;
	request_line(p, h->request);
	response_head(e, h, p);
}

/* Is it the first line of a request, or as much of one as there was room for? */
static bool begins_request(const char *line)
{
	size_t method = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-");

	return strstr(line, " HTTP/") || (method && line[method] == ' ' && strlen(line) + 1 == EXPLAIN_REQUEST_LINE);
}

/* A request that came in pieces began earlier than in the packet that completes it; what that one begins with is
 * then no request line. */
static void head_settle(struct explain *e, struct explain_event *hop, bool complete)
{
	bool begins = begins_request(hop->hop.request);

	if (!hop->hop.from_client)
		return;
	if (complete && !begins) {
		bool known = explain_same_flow(&e->head_flow, &hop->flow);

		snprintf(hop->hop.request, sizeof(hop->hop.request), "%s", known ? e->head : "");
	}
	if (complete || !begins)
		return;
	e->head_flow = hop->flow;
	snprintf(e->head, sizeof(e->head), "%s", hop->hop.request);
}

static void pending_settle(struct explain *e, uint32_t journey, bool at_frontend)
{
	uint32_t end = e->pending + e->pending_count, hop = e->event_count - 1;
	bool complete = false;

	for (uint32_t i = e->pending; at_frontend && i < end && i < e->event_count; i++) {
		if (e->events[i].kind != EXPLAIN_NOTICE || e->events[i].journey != EXPLAIN_NONE)
			continue;
		journey_append(e, journey, i);
		complete |= e->events[i].notice.kind == NOTICE_REQUEST;
	}
	e->pending_count = 0;
	if (at_frontend)
		head_settle(e, &e->events[hop], complete);
}

/* What was told just before belongs to a packet that does not concern the question. */
static void unsettle(struct explain *e, const struct replay_sighting *s, const struct explain_flow *flow)
{
	char line[EXPLAIN_REQUEST_LINE] = "";

	if (e->request.question == EXPLAIN_PACKET && s->tap == TAP_FRONTEND && s->towards_server)
		request_line(s->packet, line);
	if (begins_request(line)) { /* the frame may complete what this one begins */
		e->head_flow = *flow;
		snprintf(e->head, sizeof(e->head), "%s", line);
	}
	while (e->request.question == EXPLAIN_PACKET && e->event_count > 0 &&
	       e->events[e->event_count - 1].journey == EXPLAIN_NONE &&
	       (e->events[e->event_count - 1].kind == EXPLAIN_LEAVES ||
		e->events[e->event_count - 1].kind == EXPLAIN_NOTICE))
		e->event_count--;
	e->pending_count = 0;
}

static void on_sighting(void *ctx, const struct replay_sighting *s, uint64_t now_ns)
{
	struct explain *e = ctx;
	struct explain_flow flow = { .client = s->client, .k = s->k };
	bool at_frontend = s->tap == TAP_FRONTEND && s->towards_server;
	bool delivered = s->tap == TAP_CLIENT ? !s->towards_server : s->tap == TAP_STACK && s->towards_server;
	struct explain_segment before;
	struct explain_event *ev;
	uint32_t journey;
	int asked;

	e->last_frontend_hop = EXPLAIN_NONE;
	explain_segment_parse(s->frame, s->len, &before);
	if (!wanted(e, s, &flow, &before)) {
		unsettle(e, s, &flow);
		return;
	}
	journey = journey_of(e, s);
	if (journey == EXPLAIN_NONE)
		return;
	if (e->request.question == EXPLAIN_PACKET)
		frame_found(e, s, &flow, &before);
	ev = event_add(e, EXPLAIN_HOP, &flow, now_ns);
	if (!ev)
		return;
	hop_fill(e, &ev->hop, s, &before);
	journey_append(e, journey, e->event_count - 1);
	pending_settle(e, journey, at_frontend);
	asked = explain_asked_flow(e, &flow);
	if (asked >= 0 && s->faulty && !e->faulty[asked]) {
		e->faulty[asked] = true;
		e->journeys[journey].fault = true;
	}
	if (at_frontend)
		e->last_frontend_hop = e->event_count - 1;
	if (delivered || s->packet->fate == FATE_DROP || s->packet->fate == FATE_ABSORB ||
	    e->request.question == EXPLAIN_DROPS)
		flight_end(e, s->packet);
}

static bool is_asked(const struct explain *e, const struct explain_flow *f)
{
	return e->request.question == EXPLAIN_PACKET ? e->frame_seen && explain_same_flow(&e->frame_flow, f)
						     : explain_asked_flow(e, f) >= 0;
}

static void on_notice(void *ctx, const struct frontend_notice *n, unsigned k, uint64_t now_ns)
{
	struct explain *e = ctx;
	const struct explain_flow flow = { .client = n->client, .k = k };
	bool of_no_packet = n->kind == NOTICE_OFFLOADED || n->kind == NOTICE_OFFLOAD_FULL || n->kind == NOTICE_STEP;
	struct explain_event *ev = is_asked(e, &flow) ? event_add(e, EXPLAIN_NOTICE, &flow, now_ns) : NULL;

	if (!ev)
		return;
	ev->notice = *n;
	if (of_no_packet)
		return;
	if (e->pending_count == 0)
		e->pending = e->event_count - 1;
	e->pending_count = e->event_count - e->pending;
}

/* Takes the event that asked for an operation off the list of those unanswered; NULL if that was not ours. */
static const struct explain_event *asked_take(struct explain *e, const struct control_op *op)
{
	for (uint32_t i = 0; i < e->open_count; i++) {
		const struct explain_event *ev = &e->events[e->open[i]];

		if (ev->control.op.serial != op->serial || ev->control.op.frontend != op->frontend)
			continue;
		e->open[i] = e->open[--e->open_count];
		return ev;
	}
	return NULL;
}

/* An answer belongs to the flow that asked, though its port may have a new one by now. */
static void on_control(void *ctx, const struct replay_control *c, uint64_t now_ns)
{
	struct explain *e = ctx;
	struct explain_flow flow = { .client = c->op->client, .k = c->k };
	const struct explain_event *asked = c->reply ? asked_take(e, c->op) : NULL;
	struct explain_event *ev;

	if (asked)
		flow = asked->flow;
	if (c->reply ? !asked : !is_asked(e, &flow))
		return;
	ev = event_add(e, c->reply ? EXPLAIN_ANSWERED : EXPLAIN_ASKED, &flow, now_ns);
	if (!ev)
		return;
	ev->control.op = *c->op;
	if (c->reply) {
		ev->control.status = c->reply->status;
		ev->control.delay_ns = c->reply->applied_ns - c->reply->asked_ns;
		return;
	}
	if (grow(e, (void **)&e->open, &e->open_room, e->open_count, sizeof(*e->open)))
		e->open[e->open_count++] = e->event_count - 1;
	if (e->last_frontend_hop != EXPLAIN_NONE) {
		journey_append(e, e->events[e->last_frontend_hop].journey, e->event_count - 1);
	}
}

static void verdict_keep(struct explain *e, const struct explain_flow *flow, const struct replay_event *r)
{
	struct explain_verdict *v;

	if (!grow(e, (void **)&e->verdicts, &e->verdict_room, e->verdict_count, sizeof(*e->verdicts)))
		return;
	v = &e->verdicts[e->verdict_count++];
	*v = (struct explain_verdict){ .flow = *flow, .outcome = r->outcome };
	snprintf(v->text, sizeof(v->text), "%s", r->text ? r->text : "");
}

static void on_event(void *ctx, const struct replay_event *r, uint64_t now_ns)
{
	static const uint8_t kinds[] = {
		[REPLAY_READ] = EXPLAIN_READ, [REPLAY_WAITS] = EXPLAIN_WAITS, [REPLAY_LEAVES] = EXPLAIN_LEAVES
	};
	struct explain *e = ctx;
	struct explain_flow flow = { .client = r->client, .k = r->k };
	bool asked = explain_asked_flow(e, &flow) >= 0, the_frame = r->frame && r->frame == e->request.frame;
	struct explain_event *ev;

	if (e->request.flow_count && endpoint_equal(flow.client, e->request.flows[0].client))
		e->port_flows = MAX(e->port_flows, r->k + 1);
	if (r->kind == REPLAY_VERDICT) {
		if (asked || (e->request.question == EXPLAIN_PACKET && explain_same_flow(&flow, &e->frame_flow)))
			verdict_keep(e, &flow, r);
		return;
	}
	e->frame_read |= the_frame && r->kind == REPLAY_READ;
	if (e->request.question == EXPLAIN_PACKET)
		asked = the_frame || (r->kind == REPLAY_LEAVES && is_asked(e, &flow));
	if (!asked || (r->kind == REPLAY_READ && (!r->text || !the_frame)))
		return;
	ev = event_add(e, (enum explain_kind)kinds[r->kind], &flow, now_ns);
	if (!ev)
		return;
	if (the_frame && r->kind == REPLAY_READ) {
		e->frame_seen = true;
		e->frame_flow = flow;
	}
	if (r->kind == REPLAY_WAITS &&
	    grow(e, (void **)&e->waiting, &e->waiting_room, e->waiting_count, sizeof(*e->waiting)))
		e->waiting[e->waiting_count++] = e->event_count - 1;
	ev->wait.frame = r->frame;
	snprintf(ev->wait.text, sizeof(ev->wait.text), "%s", r->text ? r->text : "");
}

struct explain *explain_create(const struct config *config, const struct explain_request *request)
{
	struct explain *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->config = config;
	e->request = *request;
	e->last_frontend_hop = EXPLAIN_NONE;
	e->observer = (struct replay_observer){
		.ctx = e,
		.sighting = on_sighting,
		.notice = on_notice,
		.control = on_control,
		.event = on_event,
	};
	return e;
}

void explain_free(struct explain *e)
{
	if (!e)
		return;
	free(e->events);
	free(e->journeys);
	free(e->flights);
	free(e->verdicts);
	free(e->waiting);
	free(e->open);
	free(e);
}

const struct replay_observer *explain_observer(const struct explain *e)
{
	return &e->observer;
}

bool explain_found(const struct explain *e)
{
	return e->event_count > 0 || e->verdict_count > 0 || e->frame_read;
}

int explain_flow_parse(const char *text, struct explain_flow *flow)
{
	const char *dash = strchr(text, '-');
	char address[ENDPOINT_TEXT_MAX], *end;
	size_t len = dash ? (size_t)(dash - text) : strlen(text);
	unsigned long k = 0;

	if (len >= sizeof(address))
		return -1;
	memcpy(address, text, len);
	address[len] = '\0';
	if (dash) {
		if (dash[1] < '0' || dash[1] > '9')
			return -1;
		k = strtoul(dash + 1, &end, 10);
		if (*end != '\0' || k > UINT16_MAX)
			return -1;
	}
	if (endpoint_parse(address, &flow->client))
		return -1;
	flow->k = (unsigned)k;
	return 0;
}
