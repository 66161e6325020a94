/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_flow.c: the flows of a trace: identity, what is recorded of them, and their queues.
 *
 * Life-cycle: a flow starts at the first packet between a client's port and the VIP, or at a SYN
 * with another ISN; each packet is recorded into its direction's stream and then leaves or is
 * queued; every arrival at an endpoint tries the queue's head again (replay_flow_release). A flow ends
 * when a newer one takes its port or the run ends (replay_flow_finish); its record stays for --flows. Once its
 * front-end has let it go, or it is given up, its bytes need no memory any more (replay_flow_rest).
 *
 * A capture may have reordered a handshake: a SYN that comes late goes to the head of its queue,
 * and what came before it is recorded then. So does a SYN-ACK.
 *
 * Invariants: queues keep the order of the trace; a dead flow has empty queues; each flow is in
 * r->flows once, and the newest of a client in r->table.
 *
 * Refusals: the queues' bounds (QUEUE_FLOW_MAX, QUEUE_ALL_MAX), a stream's bounds (stream.h): the
 * flow is given up as incomplete. Segments far from both streams belong to no flow of ours. */
#include <stdio.h>
#include <stdlib.h>

#include "miresga/seq.h"
#include "session.h"

#define TABLE_FIRST 1024u

/* --- the table ---------------------------------------------------------------------------- */

static struct flow_slot *table_place(struct flow_slot *table, uint64_t size, struct endpoint client)
{
	uint64_t at = hash_mix64(endpoint_word(client)) & (size - 1);

	while (table[at].flow && !endpoint_equal(table[at].client, client))
		at = (at + 1) & (size - 1);
	return &table[at];
}

static bool table_grow(struct replay *r)
{
	uint64_t size = r->table_size ? 2 * r->table_size : TABLE_FIRST;
	struct flow_slot *table = calloc(size, sizeof(*table));

	if (!table)
		return false;
	for (uint64_t i = 0; i < r->table_size; i++)
		if (r->table[i].flow)
			*table_place(table, size, r->table[i].client) = r->table[i];
	free(r->table);
	r->table = table;
	r->table_size = size;
	return true;
}

struct replay_flow *replay_flow_find(const struct replay *r, struct endpoint client)
{
	return r->table_size ? table_place(r->table, r->table_size, client)->flow : NULL;
}

struct replay_flow *replay_flow_find_isn(const struct replay *r, struct endpoint client, uint32_t isn)
{
	struct replay_flow *newest = replay_flow_find(r, client);

	for (struct replay_flow *f = newest; f; f = f->older)
		if (f->syn_seen && isn == (f->session ? f->session->iss : f->isn[SIDE_CLIENT]))
			return f;
	return newest;
}

static bool flow_conflicts(const struct replay *r, struct endpoint client)
{
	for (unsigned i = 0; i < r->config->backend_count; i++)
		if (r->config->backends[i].address.addr == client.addr)
			return true;
	return false;
}

/* Enters a new flow as the client's newest; the one before it is over. NULL if memory is short. */
static struct replay_flow *flow_start(struct replay *r, struct endpoint client)
{
	struct replay_flow *f = calloc(1, sizeof(*f));
	struct flow_slot *place;

	if (f && r->flow_count == r->flow_room) {
		uint64_t room = r->flow_room ? 2 * r->flow_room : TABLE_FIRST;
		struct replay_flow **flows = realloc(r->flows, room * sizeof(struct replay_flow *));

		if (flows) {
			r->flows = flows;
			r->flow_room = room;
		}
	}
	if (!f || r->flow_count == r->flow_room || (r->table_used >= r->table_size / 2 && !table_grow(r))) {
		free(f);
		r->out_of_memory = true;
		return NULL;
	}
	place = table_place(r->table, r->table_size, client);
	r->table_used += !place->flow;
	f->older = place->flow;
	f->client = client;
	f->number = (uint32_t)r->flow_count;
	f->k = f->older ? f->older->k + 1 : 0;
	stream_init(&f->stream[SIDE_CLIENT]);
	stream_init(&f->stream[SIDE_SERVER]);
	if (f->older && !r->sessions) /* a session may still be under way */
		replay_flow_finish(r, f->older);
	*place = (struct flow_slot){ .client = client, .flow = f };
	r->flows[r->flow_count++] = f;
	r->result->flows++;
	if (flow_conflicts(r, client))
		replay_flow_skip(r, f, SKIP_ADDRESS_CONFLICT);
	return f;
}

/* --- which flow ----------------------------------------------------------------------------- */

/* Does a SYN-ACK with this ACK answer a SYN with this SEQ? It may acknowledge the SYN's data (RFC 7413). */
static bool answers(uint32_t ack, uint32_t isn)
{
	return ack - isn >= 1 && ack - isn <= UINT16_MAX;
}

static struct replay_flow *flow_of_syn(struct replay *r, const struct segment *s)
{
	struct replay_flow *f = replay_flow_find(r, s->src);
	struct segment synack;

	if (f && f->syn_seen && f->isn[SIDE_CLIENT] == s->seq)
		return f;
	if (f && !f->syn_seen && f->synack_seen && queued_parse(f->synack_packet, &synack) &&
	    answers(synack.ack, s->seq))
		return f;
	return flow_start(r, s->src);
}

/* NULL: it answers a SYN of an earlier flow, which is over. */
static struct replay_flow *flow_of_synack(struct replay *r, const struct segment *s)
{
	struct replay_flow *f = replay_flow_find(r, s->dst);
	struct segment synack;

	for (struct replay_flow *old = f; old; old = old->older)
		if (old->syn_seen && answers(s->ack, old->isn[SIDE_CLIENT]))
			return old == f ? f : NULL;
	if (f && !f->syn_seen && f->synack_seen && queued_parse(f->synack_packet, &synack) && synack.ack == s->ack)
		return f;
	return flow_start(r, s->dst);
}

static struct replay_flow *flow_of(struct replay *r, enum side side, const struct segment *s)
{
	struct replay_flow *f;

	if ((s->flags & TCP_SYN) && side == SIDE_CLIENT && !(s->flags & TCP_ACK))
		return flow_of_syn(r, s);
	if ((s->flags & TCP_SYN) && side == SIDE_SERVER && (s->flags & TCP_ACK))
		return flow_of_synack(r, s);
	f = replay_flow_find(r, side == SIDE_CLIENT ? s->src : s->dst);
	if (f)
		return f;
	f = flow_start(r, side == SIDE_CLIENT ? s->src : s->dst);
	if (f && !f->dead)
		replay_flow_skip(r, f, SKIP_NO_HANDSHAKE);
	return f;
}

/* --- queues --------------------------------------------------------------------------------- */

struct queued *queued_copy(const struct segment *s)
{
	struct queued *q = malloc(sizeof(*q) + s->len);

	if (!q)
		return NULL;
	*q = (struct queued){ .frame = s->frame, .len = s->len, .sound = s->sound };
	memcpy(q->ip, s->ip, s->len);
	return q;
}

bool queued_parse(const struct queued *q, struct segment *s)
{
	if (!segment_parse(s, q->ip, q->len))
		return false;
	s->frame = q->frame;
	s->sound = q->sound;
	return true;
}

/* `first`: the opening packet of a side, which comes first wherever the capture has it. */
static void flow_enqueue(struct replay *r, struct replay_flow *f, enum side side, const struct segment *s, bool first)
{
	char why[REPLAY_TEXT_MAX] = "";
	struct queue *queue = &f->queue[side];
	struct queued *q;

	if (f->queued_bytes + s->len > QUEUE_FLOW_MAX || r->queued_bytes + s->len > QUEUE_ALL_MAX) {
		verdict_blocked(f, why);
		snprintf(why + strlen(why), sizeof(why) - strlen(why), "%smore packets are blocked than may be kept",
			 *why ? "; " : "");
		replay_flow_give_up(r, f, OUTCOME_INCOMPLETE, why);
		return;
	}
	q = queued_copy(s);
	if (!q) {
		r->out_of_memory = true;
		return;
	}
	if (first) {
		q->next = queue->head;
		queue->head = q;
	} else if (queue->tail) {
		queue->tail->next = q;
	} else {
		queue->head = q;
	}
	if (!q->next)
		queue->tail = q;
	queue->count++;
	f->queued_bytes += s->len;
	r->queued_bytes += s->len;
	observe_waits(r, f, side, s);
}

/* Takes the packet behind `before` (NULL: the first one) out of its queue. */
static void flow_unlink(struct replay *r, struct replay_flow *f, enum side side, struct queued *before)
{
	struct queue *queue = &f->queue[side];
	struct queued **place = before ? &before->next : &queue->head, *q = *place;

	*place = q->next;
	if (!q->next)
		queue->tail = before;
	queue->count--;
	f->queued_bytes -= q->len;
	r->queued_bytes -= q->len;
	free(q);
}

static void flow_dequeue(struct replay *r, struct replay_flow *f, enum side side)
{
	observe_leaves(r, f, f->queue[side].head->frame);
	flow_unlink(r, f, side, NULL);
}

void replay_flow_wait(struct replay *r, struct replay_flow *f)
{
	if (f->is_waiting)
		return;
	f->is_waiting = true;
	f->next_waiting = NULL;
	if (r->waiting_tail)
		r->waiting_tail->next_waiting = f;
	else
		r->waiting_head = f;
	r->waiting_tail = f;
}

static enum release flow_send(struct replay *r, struct replay_flow *f, enum side side, const struct segment *s)
{
	enum release sent = side == SIDE_CLIENT ? client_send(r, f, s) : server_send(r, f, s);

	if (sent == RELEASE_STARVED)
		replay_flow_wait(r, f);
	return sent;
}

void replay_flow_release(struct replay *r, struct replay_flow *f, enum side side)
{
	struct segment s;

	while (!f->dead && f->queue[side].head) {
		MUST(queued_parse(f->queue[side].head, &s));
		if (flow_send(r, f, side, &s) != RELEASE_SENT)
			return;
		flow_dequeue(r, f, side);
	}
}

/* The front-end holds a pipelined request back until the response before it has been acknowledged, while the recorded
 * server had the request before it sent that response. So its next packet leaves with an ACK of what has arrived; one
 * at a time, since the front-end may move the flow after any of them. */
static void flow_yield(struct replay *r, struct replay_flow *f)
{
	struct segment s;

	if (!f->held || f->dead || !f->queue[SIDE_SERVER].head || !queued_parse(f->queue[SIDE_SERVER].head, &s))
		return;
	f->yielding = true;
	if (flow_send(r, f, SIDE_SERVER, &s) == RELEASE_SENT) {
		flow_dequeue(r, f, SIDE_SERVER);
		replay_flow_wait(r, f);
	}
	f->yielding = false;
}

void replay_release_waiting(struct replay *r)
{
	/* With the rings empty there is room, unless packets have leaked. */
	while (r->waiting_head && packet_pool_used(world_pool(r->world)) < IN_FLIGHT_LARGE_MAX) {
		struct replay_flow *f = r->waiting_head;

		r->waiting_head = NULL;
		r->waiting_tail = NULL;
		while (f) {
			struct replay_flow *next = f->next_waiting;

			f->is_waiting = false;
			replay_flow_release(r, f, SIDE_CLIENT);
			replay_flow_release(r, f, SIDE_SERVER);
			flow_yield(r, f);
			f = next;
		}
		world_run(r->world, r->now_ns);
	}
}

/* --- recording ------------------------------------------------------------------------------ */

int64_t replay_flow_offset(const struct replay_flow *f, enum side side, uint32_t seq)
{
	return stream_offset(&f->stream[side], seq - f->isn[side]);
}

/* The server speaks first if it sends bytes and has seen none of the client's. The byte that a keep-alive probe may
 * hold is none of its stream (RFC 1122 §4.2.3.6). */
static bool flow_server_first(const struct replay_flow *f, enum side side, const struct segment *s)
{
	return side == SIDE_SERVER && f->syn_seen && f->synack_seen && !f->data_seen && !(s->flags & TCP_RST) &&
	       replay_flow_offset(f, side, s->seq) + s->payload_len > 1 && seq_diff(s->ack, f->isn[SIDE_CLIENT]) <= 1 &&
	       s->payload_len;
}

static bool flow_known(const struct replay_flow *f, enum side side)
{
	return side == SIDE_CLIENT ? f->syn_seen : f->synack_seen;
}

/* Enters the segment into its stream. */
static void flow_record(struct replay *r, struct replay_flow *f, enum side side, const struct segment *s)
{
	struct stream *stream = &f->stream[side];
	enum stream_result result = STREAM_OK;
	bool syn = s->flags & TCP_SYN;
	int64_t at = replay_flow_offset(f, side, s->seq) + syn, skip = at < 1 ? 1 - at : 0;

	if (s->flags & TCP_RST) {
		f->rst_seen = true; /* its payload, if any, is no part of the stream (RFC 9293 §3.5.3) */
		return;
	}
	if (syn && !ranges_add(&stream->known, 0, 1))
		result = STREAM_NO_MEMORY;
	if (result == STREAM_OK && s->payload_len > skip)
		result = stream_record(stream, (uint64_t)(at + skip), s->ip + s->payload_at + skip,
				       s->payload_len - (uint32_t)skip);
	if (result == STREAM_OK && (s->flags & TCP_FIN))
		result = stream_record_fin(stream, (uint64_t)(at + s->payload_len));
	if (result == STREAM_NO_MEMORY)
		r->out_of_memory = true;
	if (result == STREAM_TOO_FAR)
		replay_flow_give_up(r, f, OUTCOME_INCOMPLETE,
				    "more bytes are recorded but not delivered than may be kept");
}

/* True if the segment lies before its stream, or so far behind it, that it must be another connection's: a port is
 * used again while segments of the connection before are still on their way (RFC 9293 §3.6.1). */
static bool flow_foreign(const struct replay_flow *f, enum side side, const struct segment *s)
{
	int64_t at, near = (int64_t)ranges_max(&f->stream[side].known);

	if (!flow_known(f, side) || ((s->flags & TCP_SYN) && side == SIDE_CLIENT))
		return false;
	if (s->flags & TCP_SYN)
		return s->seq != f->isn[SIDE_SERVER];
	at = replay_flow_offset(f, side, s->seq);
	return at < 0 || at + s->payload_len > near + FOREIGN_DISTANCE;
}

/* Its side's first number is known now: what was queued before is recorded, unless it is another connection's. */
static void flow_record_queue(struct replay *r, struct replay_flow *f, enum side side)
{
	struct queued *before = NULL;
	struct segment early;

	while (!f->dead && (before ? before->next : f->queue[side].head)) {
		struct queued *q = before ? before->next : f->queue[side].head;

		MUST(queued_parse(q, &early));
		if (flow_foreign(f, side, &early)) {
			flow_unlink(r, f, side, before);
			continue;
		}
		before = q;
		flow_record(r, f, side, &early);
	}
}

/* The segment opens its side of the flow; what was queued before it can now be recorded. */
static void flow_learn(struct replay *r, struct replay_flow *f, enum side side, const struct segment *s)
{
	f->isn[side] = s->seq;
	if (side == SIDE_CLIENT) {
		f->syn_seen = true;
		f->syn = s->options;
		f->syn_data = s->payload_len ? queued_copy(s) : NULL;
		f->data_seen |= s->payload_len > 0;
	} else {
		f->synack_seen = true;
		f->synack = s->options;
		f->synack_packet = queued_copy(s);
		if (!f->synack_packet) {
			f->synack_seen = false;
			r->out_of_memory = true;
		}
	}
	flow_record_queue(r, f, side);
}

/* A server that keeps no state of a handshake (RFC 4987 §3.6) answers a repeated SYN with another ISN. */
static void flow_note_synack(struct replay_flow *f, enum side side, const struct segment *s)
{
	if (side != SIDE_SERVER || !(s->flags & TCP_SYN) || f->client_seen)
		return;
	free(f->other_synack);
	f->other_synack = queued_copy(s);
}

/* The client's first packet tells which of the SYN-ACKs it has taken. Nothing of the server's has left by then. */
static void flow_choose_synack(struct replay *r, struct replay_flow *f, const struct segment *s)
{
	struct segment other;

	if (!f->other_synack || f->client_seen || f->served_count || !queued_parse(f->other_synack, &other) ||
	    s->ack != other.seq + 1)
		return;
	while (f->queue[SIDE_SERVER].head)
		flow_unlink(r, f, SIDE_SERVER, NULL);
	free(f->synack_packet);
	flow_learn(r, f, SIDE_SERVER, &other);
	flow_enqueue(r, f, SIDE_SERVER, &other, true);
}

/* Session mode: the segment is what a conversation is made of, and is not sent. One whose side's first number is not
 * known waits for that. */
static void flow_converse(struct replay *r, struct replay_flow *f, enum side side, const struct segment *s, bool learnt)
{
	struct segment early;

	if (!flow_known(f, side)) {
		flow_enqueue(r, f, side, s, false);
		return;
	}
	session_record(r, f, side, s);
	while (learnt && !f->dead && f->queue[side].head) {
		MUST(queued_parse(f->queue[side].head, &early));
		session_record(r, f, side, &early);
		if (f->queue[side].head)
			flow_dequeue(r, f, side);
	}
}

void replay_segment(struct replay *r, const struct segment *s)
{
	enum side side = endpoint_equal(s->dst, r->config->vip) ? SIDE_CLIENT : SIDE_SERVER;
	struct replay_flow *f = flow_of(r, side, s);
	bool learnt;

	if (f && f->dead && (s->flags & TCP_SYN) && side == SIDE_CLIENT && !f->syn_seen) {
		f->syn_seen = true; /* to know its repetitions and its answer */
		f->isn[side] = s->seq;
	}
	if (!f || f->dead)
		return;
	f->outlived |= f->timed_out;
	learnt = (s->flags & TCP_SYN) && !(s->flags & TCP_RST) && !flow_known(f, side) &&
		 !!(s->flags & TCP_ACK) == (side == SIDE_SERVER);
	if (learnt)
		flow_learn(r, f, side, s);
	if (flow_foreign(f, side, s)) {
		flow_note_synack(f, side, s);
		return;
	}
	if (flow_server_first(f, side, s)) {
		replay_flow_skip(r, f, SKIP_SERVER_FIRST);
		return;
	}
	if (side == SIDE_CLIENT && !(s->flags & TCP_SYN)) {
		flow_choose_synack(r, f, s);
		f->client_seen |= !(s->flags & TCP_RST);
		f->data_seen |= s->payload_len > 0 && !(s->flags & TCP_RST);
	}
	if (flow_known(f, side))
		flow_record(r, f, side, s);
	if (f->dead)
		return;
	if (r->sessions) {
		flow_converse(r, f, side, s, learnt);
		return;
	}
	if ((f->queue[side].head && !learnt) || flow_send(r, f, side, s) != RELEASE_SENT)
		flow_enqueue(r, f, side, s, learnt);
	if (f->held)
		replay_flow_wait(r, f);
	if (learnt) {
		replay_flow_release(r, f, SIDE_CLIENT);
		replay_flow_release(r, f, SIDE_SERVER);
	}
}

bool replay_flow_has_seen(const struct replay_flow *f, enum side side, const struct segment *s, uint64_t through,
			  struct range *gap)
{
	const struct stream *stream = &f->stream[side];
	int64_t ack = replay_flow_offset(f, side, s->ack), far = (int64_t)ranges_max(&stream->known) + FOREIGN_DISTANCE;
	uint32_t edges[2 * TCP_SACK_BLOCKS_MAX];

	/* Numbers that a middlebox forgot to shift point anywhere; there is nothing to wait for. */
	if (ack > 0 && ack <= far && ranges_gap(&stream->received, 0, MIN((uint64_t)ack, through), gap))
		return false;
	segment_sack_edges(s, edges);
	for (unsigned i = 0; i < s->options.sack_blocks; i++) {
		int64_t lo = replay_flow_offset(f, side, edges[2 * i]),
			hi = replay_flow_offset(f, side, edges[2 * i + 1]);

		if (lo >= 0 && hi <= far &&
		    ranges_gap(&stream->received, (uint64_t)lo, MIN((uint64_t)hi, through), gap))
			return false;
	}
	return true;
}

struct packet *replay_packet(struct replay *r, const struct segment *s, struct expectation **expect)
{
	uint32_t used = packet_pool_used(world_pool(r->world)), len = ETH_HDR_LEN + s->len;
	struct packet *p = NULL;
	struct expectation *e;

	if (used < (len > PACKET_SMALL ? IN_FLIGHT_LARGE_MAX : IN_FLIGHT_MAX))
		p = world_packet(r->world, len);
	if (!p)
		return NULL;
	memset(p->data, 0, ETH_HDR_LEN - 2);
	store_be16(p->data + ETH_HDR_LEN - 2, ETHERTYPE_IPV4);
	memcpy(p->data + ETH_HDR_LEN, s->ip, s->len);
	p->frame = s->frame;
	if (!expect)
		return p;
	if (++r->next_tag == 0)
		r->next_tag = 1;
	p->host_tag = r->next_tag;
	e = &r->expectations[r->next_tag % EXPECTATIONS];
	*e = (struct expectation){
		.tag = r->next_tag,
		.sound = s->sound,
		.flags = s->flags,
		.has_tsval = s->options.has_timestamps,
		.tsval = s->options.tsval,
	};
	*expect = e;
	return p;
}

/* --- the end -------------------------------------------------------------------------------- */

static void flow_purge(struct replay *r, struct replay_flow *f)
{
	for (unsigned side = 0; side < SIDE_COUNT; side++)
		while (f->queue[side].head)
			flow_dequeue(r, f, side);
}

void replay_flow_rest(struct replay *r, struct replay_flow *f)
{
	for (unsigned side = 0; side < SIDE_COUNT && !f->finished; side++) {
		struct stream *s = &f->stream[side];

		if (f->outcome != OUTCOME_SKIPPED && stream_waiting(s))
			output_streams(r, f, side, true);
		if (f->dead || stream_empty(s))
			stream_drop(s);
	}
}

void replay_flow_give_up(struct replay *r, struct replay_flow *f, enum outcome outcome, const char *reason)
{
	if (f->dead)
		return;
	f->dead = true;
	f->outcome = (uint8_t)outcome;
	f->reason = reason ? strdup(reason) : NULL;
	flow_purge(r, f);
	replay_flow_rest(r, f);
}

void replay_flow_skip(struct replay *r, struct replay_flow *f, enum skip_reason reason)
{
	if (f->dead)
		return;
	f->skip = (uint8_t)reason;
	replay_flow_give_up(r, f, OUTCOME_SKIPPED, NULL);
}

void replay_flow_finish(struct replay *r, struct replay_flow *f)
{
	if (f->finished)
		return;
	verdict_speak(r, f);
	f->finished = true;
	if (f->outcome != OUTCOME_SKIPPED)
		for (unsigned side = 0; side < SIDE_COUNT; side++)
			output_streams(r, f, side, true);
	f->dead = true;
	flow_purge(r, f);
	for (unsigned side = 0; side < SIDE_COUNT; side++)
		stream_fini(&f->stream[side]);
	free(f->synack_packet);
	free(f->other_synack);
	free(f->syn_data);
	f->synack_packet = f->other_synack = f->syn_data = NULL;
}

void replay_free_flows(struct replay *r)
{
	for (uint64_t i = 0; i < r->flow_count; i++) {
		struct replay_flow *f = r->flows[i];

		flow_purge(r, f);
		for (unsigned side = 0; side < SIDE_COUNT; side++)
			stream_fini(&f->stream[side]);
		free(f->synack_packet);
		free(f->other_synack);
		free(f->syn_data);
		free(f->served);
		session_free(f);
		free(f->reason);
		free(f->fault);
		free(f);
	}
	free(r->flows);
	free(r->table);
}
