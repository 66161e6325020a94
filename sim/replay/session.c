/* SPDX-License-Identifier: BSD-2-Clause */
/* session.c: one recorded conversation in this run: its two endpoints, and how far they are.
 *
 * Life-cycle: the client connects when its SYN was recorded, or when the conversation before on
 * the same port is over. The server's side is whatever connection a backend accepts for that
 * client; when the front-end moves the flow, the next one takes over where the client's stream
 * stands. Each side says its steps (session_steps.c) when it has heard what they follow and their
 * time has come, never earlier than recorded. A recorded RST is sent when everything recorded has
 * arrived; so is one where the port is used again without an orderly end.
 *
 * A front-end may hold a request back that the recorded server had already acknowledged. What such
 * a server said next does not wait for it for ever: once the client's bytes are acknowledged, and
 * so the front-end's, and nothing has moved for a while, it is said.
 *
 * What arrives is compared in the flow's streams; a session only says where it belongs. */
#include <stdlib.h>

#include "session.h"

/* A recorded RST waits so long for what the recording may still hold. */
#define RESET_GRACE_NS NS_PER_S
/* A held request: how long nothing must have moved. */
#define YIELD_NS (3 * NS_PER_S)
/* How long a conversation may keep the next one on its port waiting. */
#define SUCCESSOR_NS (120 * NS_PER_S)

static enum side other_side(enum side side)
{
	return side == SIDE_CLIENT ? SIDE_SERVER : SIDE_CLIENT;
}

static bool is_complete(const struct replay_flow *f)
{
	struct range gap;

	return stream_complete(&f->stream[SIDE_CLIENT], &gap) && stream_complete(&f->stream[SIDE_SERVER], &gap);
}

/* --- saying --------------------------------------------------------------------------------- */

/* Hands the endpoint its stream up to `end`; false if it has no room for all of it yet. */
static bool session_write(struct replay *r, struct replay_flow *f, enum side side, uint64_t end)
{
	struct session *ss = f->session;
	const struct stream *stream = &f->stream[side];
	uint64_t bytes = MIN(end, stream->fin), now = world_now(r->world);

	while (ss->written[side] < bytes) {
		const uint8_t *data;
		uint32_t len = stream_recorded(stream, ss->written[side], bytes, &data), took;

		took = tcp_write(ss->end[side], data, len, ss->written[side] + len < bytes, now);
		ss->written[side] += took;
		if (took < len)
			return false;
	}
	if (end > stream->fin && ss->written[side] == stream->fin) {
		ss->written[side]++;
		tcp_shutdown(ss->end[side], now);
	}
	return true;
}

/* When the side says the step: as long after its cause as recorded, but not before it was. */
static uint64_t step_due(const struct session *ss, enum side side, const struct step *step)
{
	if (ss->read[side] != step->after)
		return step->at_ns;
	return MAX(step->at_ns, ss->caused_ns[side] + (step->at_ns - step->caused_ns));
}

/* The client's bytes before `offset` are acknowledged, though the server has not got them. */
static bool taken_over(const struct session *ss, uint64_t offset)
{
	struct tcp_info info;

	if (!ss->end[SIDE_CLIENT])
		return false;
	tcp_info(ss->end[SIDE_CLIENT], &info);
	return ss->written[SIDE_CLIENT] >= offset + info.unacked + info.unsent;
}

/* Says what is due; when to ask again. */
static uint64_t session_say(struct replay *r, struct replay_flow *f, enum side side)
{
	struct session *ss = f->session;
	uint64_t now = world_now(r->world), due;
	const struct step *step;

	while ((step = steps_first(&ss->steps[side]))) {
		if (f->dead || !ss->end[side] || !ss->connected[side])
			return TIME_NEVER;
		if (ss->read[side] < step->after) {
			if (side == SIDE_CLIENT || !taken_over(ss, step->after))
				return TIME_NEVER;
			due = MAX(ss->caused_ns[SIDE_CLIENT], ss->caused_ns[SIDE_SERVER]) + YIELD_NS;
		} else {
			due = step_due(ss, side, step);
		}
		if (due > now)
			return due;
		if (!session_write(r, f, side, step->end))
			return TIME_NEVER;
		ss->caused_ns[side] = ss->read[side] < step->after ? now : ss->caused_ns[side];
		steps_pop(&ss->steps[side]);
		r->sessions->pending--;
	}
	return TIME_NEVER;
}

/* --- the end -------------------------------------------------------------------------------- */

void session_end(struct replay *r, struct replay_flow *f)
{
	struct session *ss = f->session;

	if (ss->phase == SESSION_OVER)
		return;
	ss->phase = SESSION_OVER;
	for (unsigned side = 0; side < SIDE_COUNT; side++) {
		if (ss->end[side])
			tcp_set_user(ss->end[side], NULL);
		ss->end[side] = NULL;
		r->sessions->pending -= ss->steps[side].count;
		steps_fini(&ss->steps[side]);
	}
	r->sessions->backlog -= ss->backlog;
	ss->backlog = 0;
	sessions_wake(r, f, TIME_NEVER);
}

static void session_reset(struct replay *r, struct replay_flow *f, enum side side)
{
	struct session *ss = f->session;

	if (ss->end[side])
		tcp_abort(ss->end[side], world_now(r->world));
	ss->end[side] = NULL;
}

static void session_open(struct replay *r, struct replay_flow *f)
{
	struct session *ss = f->session;
	struct tcp_settings settings;
	struct tcp_info info;

	sessions_settings(f, &settings);
	ss->end[SIDE_CLIENT] = tcp_connect(r->sessions->clients, f->client, r->config->vip, &settings,
					   world_now(r->world));
	if (!ss->end[SIDE_CLIENT]) {
		replay_flow_give_up(r, f, OUTCOME_INCOMPLETE, "the client's port is in use");
		session_end(r, f);
		return;
	}
	ss->phase = SESSION_OPEN;
	tcp_set_user(ss->end[SIDE_CLIENT], f);
	tcp_info(ss->end[SIDE_CLIENT], &info);
	ss->iss = info.iss;
	ss->written[SIDE_CLIENT] = ss->written[SIDE_SERVER] = 1;
}

/* Sends a recorded RST, or lets the next flow have the port, if it is time. When to ask again. */
static uint64_t session_leave(struct replay *r, struct replay_flow *f)
{
	struct session *ss = f->session;
	uint64_t now = world_now(r->world), wake = TIME_NEVER;

	for (unsigned side = 0; side < SIDE_COUNT; side++) {
		uint64_t due = ss->successor ? 0 : ss->reset_ns[side] + RESET_GRACE_NS;

		if (!ss->reset_ns[side] || !ss->end[side] || ss->steps[side].count || !is_complete(f))
			continue;
		if (due <= now)
			session_reset(r, f, side);
		else
			wake = MIN(wake, due);
	}
	if (!ss->successor)
		return wake;
	if (ss->end[SIDE_CLIENT] && (is_complete(f) || now >= ss->successor_ns + SUCCESSOR_NS))
		session_reset(r, f, SIDE_CLIENT);
	return ss->end[SIDE_CLIENT] ? MIN(wake, MAX(now + 1, ss->successor_ns + SUCCESSOR_NS)) : TIME_NEVER;
}

void session_advance(struct replay *r, struct replay_flow *f)
{
	struct session *ss = f->session;
	struct replay_flow *next;
	uint64_t wake;

	if (ss->phase != SESSION_OPEN)
		return;
	wake = MIN(session_say(r, f, SIDE_CLIENT), session_say(r, f, SIDE_SERVER));
	wake = MIN(wake, session_leave(r, f));
	next = ss->successor;
	if (!next || ss->end[SIDE_CLIENT]) {
		sessions_wake(r, f, wake);
		return;
	}
	session_end(r, f);
	replay_flow_finish(r, f);
	session_open(r, next);
	session_advance(r, next);
}

/* --- hearing -------------------------------------------------------------------------------- */

static void session_heard(struct replay *r, struct replay_flow *f, enum side side, uint64_t to)
{
	struct session *ss = f->session;
	uint64_t new = to - ss->read[side], known = MIN(new, ss->backlog);

	ss->read[side] = to;
	ss->caused_ns[side] = world_now(r->world);
	ss->backlog -= known;
	r->sessions->backlog -= known;
}

static void session_read(struct replay *r, struct replay_flow *f, enum side side)
{
	struct session *ss = f->session;
	enum side from = other_side(side);
	const uint8_t *data;
	uint32_t len;

	while (ss->end[side] && (len = tcp_peek(ss->end[side], &data))) {
		enum stream_result result = f->dead ? STREAM_OK
						    : stream_deliver(&f->stream[from], ss->read[side], data, len);

		if (result == STREAM_TOO_FAR)
			verdict_fault(f, "the %s got bytes far ahead of what is recorded",
				      side == SIDE_CLIENT ? "client" : "server");
		r->out_of_memory |= result == STREAM_NO_MEMORY;
		session_heard(r, f, side, ss->read[side] + len);
		tcp_consume(ss->end[side], len, world_now(r->world));
		output_streams(r, f, from, false);
	}
}

static void session_peer_closed(struct replay *r, struct replay_flow *f, enum side side)
{
	struct session *ss = f->session;
	struct stream *stream = &f->stream[other_side(side)];

	session_read(r, f, side);
	if (f->dead) {
		tcp_close(ss->end[side], world_now(r->world));
		ss->end[side] = NULL;
	} else if (ss->read[side] == stream->fin) {
		r->out_of_memory |= !ranges_add(&stream->received, stream->fin, stream->fin + 1);
		session_heard(r, f, side, stream->fin + 1);
	} else if (ss->read[side] < ranges_max(&stream->known)) {
		verdict_fault(f, "the %s got a FIN before byte %llu", side == SIDE_CLIENT ? "client" : "server",
			      (unsigned long long)ss->read[side]);
	}
}

static void session_connected(struct replay *r, struct replay_flow *f)
{
	struct session *ss = f->session;
	struct tcp_info info;

	tcp_info(ss->end[SIDE_CLIENT], &info);
	f->connected = ss->connected[SIDE_CLIENT] = true;
	f->switch_isn = info.irs;
	r->out_of_memory |= !ranges_add(&f->stream[SIDE_SERVER].received, 0, 1);
	ss->read[SIDE_CLIENT] = 1;
	ss->caused_ns[SIDE_CLIENT] = world_now(r->world);
}

/* The endpoint is gone, and not because both sides had closed. */
static void session_lost(struct replay_flow *f, enum side side, enum tcp_event e)
{
	static const char *const why[SIDE_COUNT][2] = {
		[SIDE_CLIENT] = { "the client's connection was reset", "the client gave up" },
		[SIDE_SERVER] = { "the server's connection was reset", "the server gave up" },
	};
	struct session *ss = f->session;

	ss->end[side] = NULL;
	if (!ss->broken && !f->rst_seen)
		ss->broken = why[side][e == TCP_EVENT_TIMED_OUT];
}

void session_event(struct replay *r, struct replay_flow *f, enum side side, enum tcp_event e)
{
	struct session *ss = f->session;

	switch (e) {
	case TCP_EVENT_CONNECTED:
		session_connected(r, f);
		break;
	case TCP_EVENT_READABLE:
		session_read(r, f, side);
		break;
	case TCP_EVENT_PEER_CLOSED:
		session_peer_closed(r, f, side);
		break;
	case TCP_EVENT_RESET:
	case TCP_EVENT_TIMED_OUT:
		session_read(r, f, side);
		session_lost(f, side, e);
		break;
	case TCP_EVENT_ENDED:
		ss->end[side] = NULL;
		break;
	default:
		break;
	}
	session_advance(r, f);
}

void session_forget_server(struct replay_flow *f)
{
	f->session->end[SIDE_SERVER] = NULL;
	f->session->broken = "its server has forgotten it";
}

bool session_accept(struct replay *r, struct replay_flow *f, unsigned backend, struct tcp *c)
{
	struct session *ss = f->session;
	struct tcp_info info;
	uint32_t delta;
	int64_t from, to;

	tcp_info(c, &info);
	from = stream_offset(&f->stream[SIDE_CLIENT], info.irs - ss->iss) + 1;
	if (from < 1 || !agent_lookup(world_agent(r->world, backend), f->client, &delta))
		return false;
	/* L' = ISN - Δ stands one before the first byte that this server says, in the client's view. */
	to = stream_offset(&f->stream[SIDE_SERVER], info.iss - delta - f->switch_isn) + 1;
	if (to < 1)
		return false;
	if (!(f->chosen[backend / 64] & UINT64_C(1) << backend % 64)) {
		r->result->wrong_backend++;
		verdict_fault(f, "%s accepted a connection, which no rule chose", r->config->backends[backend].name);
	}
	if (ss->end[SIDE_SERVER])
		tcp_set_user(ss->end[SIDE_SERVER], NULL);
	if (from == 1)
		r->out_of_memory |= !ranges_add(&f->stream[SIDE_CLIENT].received, 0, 1);
	ss->broken = NULL; /* the backend before was reset, as it must be */
	ss->end[SIDE_SERVER] = c;
	ss->backend = backend;
	ss->connected[SIDE_SERVER] = true;
	ss->read[SIDE_SERVER] = (uint64_t)from;
	ss->written[SIDE_SERVER] = (uint64_t)to;
	ss->caused_ns[SIDE_SERVER] = world_now(r->world);
	tcp_set_user(c, f);
	r->result->backend_flows[backend]++;
	return true;
}

/* --- recording ------------------------------------------------------------------------------ */

/* The first segment of the flow whose client's numbers are known. */
static void session_start(struct replay *r, struct replay_flow *f)
{
	struct replay_flow *before = f->older;

	f->session = calloc(1, sizeof(*f->session));
	if (!f->session) {
		r->out_of_memory = true;
		return;
	}
	if (!before || !before->session || before->session->phase == SESSION_OVER) {
		session_open(r, f);
		return;
	}
	before->session->successor = f;
	before->session->successor_ns = r->now_ns;
	session_advance(r, before);
}

void session_record(struct replay *r, struct replay_flow *f, enum side side, const struct segment *s)
{
	struct session *ss;
	uint64_t said, new;

	if (!f->syn_seen)
		return;
	if (!f->session)
		session_start(r, f);
	ss = f->session;
	if (!ss || f->dead)
		return;
	said = ss->steps[side].said;
	new = ss->steps[side].count;
	if (ss->phase != SESSION_OVER) {
		r->out_of_memory |= !steps_record(f, side, s, r->now_ns);
		r->sessions->pending += ss->steps[side].count - new;
		ss->backlog += ss->steps[side].said - said;
		r->sessions->backlog += ss->steps[side].said - said;
	}
	if (s->flags & TCP_RST)
		ss->reset_ns[side] = r->now_ns;
	session_advance(r, f);
	sessions_ran(r);
}

void session_fill(struct replay *r, struct replay_flow *f)
{
	struct session *ss = f->session;

	for (unsigned side = 0; side < SIDE_COUNT && ss && ss->phase != SESSION_OVER && !f->dead; side++) {
		uint32_t count = ss->steps[side].count;

		r->out_of_memory |= !steps_fill(f, side, r->now_ns);
		r->sessions->pending += ss->steps[side].count - count;
	}
	if (!ss)
		return;
	session_advance(r, f);
	sessions_ran(r);
}

void session_free(struct replay_flow *f)
{
	for (unsigned side = 0; side < SIDE_COUNT && f->session; side++)
		steps_fini(&f->session->steps[side]);
	free(f->session);
}
