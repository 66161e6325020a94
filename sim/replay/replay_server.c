/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_server.c: the servers: recorded packets out of the stacks of the backends that serve.
 *
 * The recorded SYN-ACK answers the first special SYN. Every other packet leaves from the backend
 * whose part of the stream it lies in (replay_serve.c), in that backend's sequence space; one that
 * spans two parts is cut, and each piece leaves when its own causes are there. An ACK reaches at
 * most to the end of the backend's own part of the client's stream. Addresses become the
 * backend's; the window field is encoded anew if this run negotiated scaling otherwise. */
#include <stdio.h>

#include "replay_internal.h"

/* A piece of a recorded packet: payload [from, to), from part `index`, acknowledging at most through `through`. */
struct piece {
	uint32_t from, to;
	unsigned index;
	uint64_t through;
	bool unplaced; /* the next part has begun, but it is not known yet where in the server's stream */
};

/* The recorded server had part of a request head that the front-end has taken over and keeps until the head is
 * complete. What does not acknowledge more than that answers earlier requests. */
static bool server_may_yield(const struct replay_flow *f, const struct segment *s)
{
	return !f->held && (s->flags & TCP_ACK) && replay_flow_offset(f, SIDE_CLIENT, s->ack) <= (int64_t)f->taken_over;
}

/* The piece that starts `from` bytes into the segment. */
static struct piece server_piece(const struct replay_flow *f, const struct segment *s, uint32_t from)
{
	uint64_t at = (uint64_t)MAX(replay_flow_offset(f, SIDE_SERVER, s->seq), 0);
	struct piece c = {
		.from = from, .to = s->payload_len, .index = serving_at(f, at + from), .through = STREAM_NONE
	};
	const struct serving *next = c.index + 1 < f->served_count ? &f->served[c.index + 1] : NULL;

	if (f->yielding || server_may_yield(f, s))
		c.through = ranges_head(&f->stream[SIDE_CLIENT].received);
	if (!next)
		return c;
	c.through = next->request;
	c.unplaced = !next->base_known;
	if (next->base_known && next->base < at + c.to)
		c.to = (uint32_t)(next->base - at);
	return c;
}

static void server_edit(const struct replay_flow *f, const struct segment *s, struct packet *p, struct expectation *e,
			const struct piece *c)
{
	const struct serving *sv = &f->served[c->index];

	if (c->index)
		segment_set_seq(s, p, s->seq - (f->isn[SIDE_SERVER] + (uint32_t)sv->base) + (sv->isn + 1));
	if (c->from || c->to < s->payload_len)
		segment_cut(s, p, c->from, c->to);
	if (c->to < s->payload_len)
		e->flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

/* False if starved. */
static bool server_send_piece(struct replay *r, struct replay_flow *f, const struct segment *s, const struct piece *c)
{
	const struct serving *sv = &f->served[c->index];
	bool both = f->syn.wscale != TCP_WSCALE_NONE && f->synack.wscale != TCP_WSCALE_NONE;
	uint32_t window = (uint32_t)s->window << (both ? f->synack.wscale : 0);
	int64_t ack = replay_flow_offset(f, SIDE_CLIENT, s->ack);
	struct expectation *e;
	struct packet *p = replay_packet(r, s, &e);

	if (!p)
		return false;
	e->side = SIDE_SERVER;
	e->scale = serving_scale(f, sv);
	e->window = (uint16_t)MIN(window >> e->scale, UINT16_MAX);
	if (e->window != s->window)
		segment_set_window(s, p, e->window);
	e->has_ack = s->flags & TCP_ACK;
	e->ack = s->ack;
	if (e->has_ack && ack > 0 && (uint64_t)ack > c->through) {
		e->ack = f->isn[SIDE_CLIENT] + (uint32_t)c->through;
		segment_set_ack(s, p, e->ack);
	}
	e->sack_blocks = s->options.sack_blocks;
	segment_sack_edges(s, e->sack);
	e->has_tsecr = e->has_ack && s->options.has_timestamps;
	e->tsecr = s->options.tsecr;
	segment_set_source(s, p, r->config->backends[sv->backend].address);
	server_edit(f, s, p, e, c);
	world_server_sends(r->world, sv->backend, p);
	r->result->injected_server++;
	return true;
}

/* The recorded SYN-ACK, its repetitions too. What it acknowledged of a SYN's data it cannot have seen in this run. It
 * leaves later than recorded: with timestamps on, its clock shows what the client has last seen of the recorded one. */
static enum release server_send_synack(struct replay *r, struct replay_flow *f, const struct segment *s)
{
	struct serving *sv = &f->served[0];
	struct expectation *e;
	struct packet *p = replay_packet(r, s, &e);

	if (!p)
		return RELEASE_STARVED;
	e->side = SIDE_SERVER;
	segment_set_ack(s, p, sv->syn_seq + 1);
	if (f->switch_synack.has_timestamps)
		segment_set_tsval(s, p, f->client_tsecr);
	segment_set_source(s, p, r->config->backends[sv->backend].address);
	sv->isn = f->isn[SIDE_SERVER];
	sv->answered = true;
	world_server_sends(r->world, sv->backend, p);
	r->result->injected_server++;
	return RELEASE_SENT;
}

/* What the next piece of the packet waits for: NULL for nothing, "" for bytes from gap->lo on. */
static const char *server_cause(const struct replay_flow *f, const struct segment *s, struct range *gap)
{
	struct piece c;

	if (!f->served_count)
		return "a connection to its backend";
	if ((s->flags & TCP_SYN) && (s->flags & TCP_ACK))
		return NULL;
	if (!f->synack_seen)
		return "its SYN-ACK, which the trace does not hold";
	if (!(s->flags & TCP_ACK))
		return NULL;
	c = server_piece(f, s, f->cut_sent);
	/* Whoever acknowledges bytes of the next part's request may be the next part. */
	if (c.unplaced && replay_flow_offset(f, SIDE_CLIENT, s->ack) > (int64_t)c.through)
		return "the connection to its next backend";
	return replay_flow_has_seen(f, SIDE_CLIENT, s, c.through, gap) ? NULL : "";
}

bool server_waits(const struct replay_flow *f, const struct segment *s, char why[REPLAY_TEXT_MAX])
{
	struct range gap = { 0, 0 };
	const char *cause = server_cause(f, s, &gap);

	if (why && cause && *cause)
		snprintf(why, REPLAY_TEXT_MAX, "frame %u of the server waits for %s", s->frame, cause);
	else if (why && cause)
		snprintf(why, REPLAY_TEXT_MAX, "frame %u of the server waits for client byte %llu", s->frame,
			 (unsigned long long)gap.lo);
	return cause != NULL;
}

enum release server_send(struct replay *r, struct replay_flow *f, const struct segment *s)
{
	struct piece c;

	do {
		if (server_waits(f, s, NULL))
			return RELEASE_WAITS;
		if ((s->flags & TCP_SYN) && (s->flags & TCP_ACK))
			return server_send_synack(r, f, s);
		c = server_piece(f, s, f->cut_sent);
		if (!server_send_piece(r, f, s, &c))
			return RELEASE_STARVED;
		f->cut_sent = c.to;
	} while (f->cut_sent < s->payload_len);
	f->cut_sent = 0;
	return RELEASE_SENT;
}
