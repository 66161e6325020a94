/* SPDX-License-Identifier: BSD-2-Clause */
/* world.c: the engine: switch, front-ends and agents wired by packet rings, in virtual time.
 *
 * A link is one ring and what consumes it. Every push appends to a FIFO of (link, count) runs;
 * the drain takes runs from its head, at most a batch of one link at a time, lets the consumer
 * work, and dispatches what it left, in packet order. Since runs are consumed in the order in
 * which they were pushed, a batch of n does what n batches of one do.
 *
 * Time stands still while rings are drained. world_run() drains at the present moment, then
 * fires timers one after the other, draining after each, up to the given time. An operation of
 * the control plane that falls due at the present moment (latency 0) takes effect before the
 * next batch that the switch sees.
 *
 * Invariants: a packet is in exactly one place: a ring, the batch being worked on, or the host's
 * hands. A front-end's operations reach the control plane in the order in which it asked; while
 * deletes wait for a place in the queue, adds are refused, so none overtakes a delete.
 *
 * Refusals: RING_FULL (the packet is freed), NO_PACKET (an empty pool). */
#include "miresga/world.h"

#include <stdlib.h>

#include "miresga/ring.h"
#include "timers.h"

#define LINK_SLOTS 4096u
#define POOL_SMALL 8192u
#define POOL_LARGE 512u
/* At least one packet stands behind every run, so there are never more runs than packets. */
#define RUNS 16384u
#define OPS_MAX 64
#define REPLIES_MAX 64

enum link_kind {
	LINK_FROM_CLIENT, /* into the switch */
	LINK_TO_CLIENT,	  /* to the host */
	LINK_FROM_FRONTEND,
	LINK_TO_FRONTEND,
	LINK_FROM_WIRE, /* agent to switch */
	LINK_TO_WIRE,	/* switch to agent */
	LINK_FROM_STACK,
	LINK_TO_STACK, /* to the host */
};

struct link {
	struct ring ring;
	uint8_t kind; /* enum link_kind */
	uint8_t tap;  /* enum tap_kind */
	bool towards_server;
	uint16_t index;
	uint16_t ingress_port; /* of what the consumer gets from here */
};

struct run {
	uint32_t link;
	uint32_t count;
};

struct world {
	const struct config *config;
	struct world_hooks hooks;
	uint64_t now_ns;
	struct packet_pool *pool;
	struct switch_model *sw;
	struct frontend *frontends[FRONTENDS_MAX];
	struct agent *agents[BACKENDS_MAX];
	struct link *links;
	uint32_t link_count;
	struct run *runs;
	uint32_t run_head, run_tail; /* free-running */
	struct timers timers;	     /* 0: control plane, then front-ends, then agents */
	struct frontend_out out;
	struct control_op ops[OPS_MAX];
	/* Deletes that found the control queue full, oldest first from overflow_head on. */
	struct control_op *overflow;
	size_t overflow_head, overflow_count, overflow_room;
	uint64_t overflow_lost; /* deletes lost because memory is short: their entries stay */
	uint64_t drops[DROP_COUNT];
	uint32_t cause; /* of what a front-end makes now; struct packet */
	/* Copies of a batch's frames for the tap; NULL without one. */
	uint8_t *copies;
	uint32_t copy_len[BATCH_MAX];
	struct batch batch;
};

/* The links stand in a fixed order: the two of the client, then per front-end, then per backend. */
static uint32_t link_frontend(unsigned index, enum link_kind kind)
{
	return 2 + 2 * index + (kind - LINK_FROM_FRONTEND);
}

static uint32_t link_backend(const struct world *w, unsigned index, enum link_kind kind)
{
	return 2 + 2u * w->config->frontends.count + 4 * index + (kind - LINK_FROM_WIRE);
}

static int link_init(struct world *w, uint32_t at, enum link_kind kind, unsigned index)
{
	struct link *l = &w->links[at];

	l->kind = (uint8_t)kind;
	l->index = (uint16_t)index;
	l->towards_server = kind == LINK_FROM_CLIENT || kind == LINK_TO_FRONTEND || kind == LINK_TO_WIRE ||
			    kind == LINK_TO_STACK;
	if (kind <= LINK_TO_CLIENT) {
		l->tap = TAP_CLIENT;
		l->ingress_port = PORT_CLIENT;
	} else if (kind <= LINK_TO_FRONTEND) {
		l->tap = TAP_FRONTEND;
		l->ingress_port = (uint16_t)PORT_FRONTEND(index);
	} else {
		l->tap = kind <= LINK_TO_WIRE ? TAP_WIRE : TAP_STACK;
		l->ingress_port = (uint16_t)PORT_BACKEND(index);
	}
	return ring_init(&l->ring, LINK_SLOTS);
}

static int world_init_links(struct world *w)
{
	const struct config *c = w->config;
	size_t size;
	int failed = 0;

	w->link_count = 2 + 2u * c->frontends.count + 4u * c->backend_count;
	size = w->link_count * sizeof(struct link);
	w->links = aligned_alloc(alignof(struct link), size);
	w->runs = malloc(RUNS * sizeof(*w->runs));
	if (!w->links || !w->runs)
		return -1;
	memset(w->links, 0, size);
	for (unsigned kind = LINK_FROM_CLIENT; kind <= LINK_TO_CLIENT; kind++)
		failed |= link_init(w, kind, kind, 0);
	for (unsigned i = 0; i < c->frontends.count; i++)
		for (unsigned kind = LINK_FROM_FRONTEND; kind <= LINK_TO_FRONTEND; kind++)
			failed |= link_init(w, link_frontend(i, kind), kind, i);
	for (unsigned i = 0; i < c->backend_count; i++)
		for (unsigned kind = LINK_FROM_WIRE; kind <= LINK_TO_STACK; kind++)
			failed |= link_init(w, link_backend(w, i, kind), kind, i);
	return failed;
}

static int world_init_parts(struct world *w)
{
	const struct config *c = w->config;

	w->pool = packet_pool_create(POOL_SMALL, POOL_LARGE);
	w->sw = switch_create(c);
	if (!w->pool || !w->sw)
		return -1;
	for (unsigned i = 0; i < c->frontends.count; i++)
		if (!(w->frontends[i] = frontend_create(c, i, w->pool, w->hooks.notice, w->hooks.ctx)))
			return -1;
	for (unsigned i = 0; i < c->backend_count; i++)
		if (!(w->agents[i] = agent_create(c, i)))
			return -1;
	return timers_init(&w->timers, 1u + c->frontends.count + c->backend_count);
}

struct world *world_create(const struct config *config, const struct world_hooks *hooks)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->config = config;
	w->hooks = *hooks;
	w->out.ops = w->ops;
	w->out.ops_max = OPS_MAX;
	if (hooks->tap)
		w->copies = malloc((size_t)BATCH_MAX * FRAME_MAX); /* untouched pages cost nothing */
	if (world_init_links(w) || world_init_parts(w) || (hooks->tap && !w->copies)) {
		world_free(w);
		return NULL;
	}
	return w;
}

void world_free(struct world *w)
{
	if (!w)
		return;
	timers_fini(&w->timers);
	for (unsigned i = 0; i < w->config->backend_count; i++)
		agent_free(w->agents[i]);
	for (unsigned i = 0; i < w->config->frontends.count; i++)
		frontend_free(w->frontends[i]);
	switch_free(w->sw);
	packet_pool_free(w->pool);
	for (uint32_t i = 0; w->links && i < w->link_count; i++)
		ring_fini(&w->links[i].ring);
	free(w->links);
	free(w->runs);
	free(w->overflow);
	free(w->copies);
	free(w);
}

/* Ownership passes; the newest run grows if it is of the same link. */
static BREAKABLE void world_push(struct world *w, uint32_t link, struct packet *p)
{
	struct run *newest;

	if (UNLIKELY(!ring_push(&w->links[link].ring, p))) {
		w->drops[DROP_RING_FULL]++;
		packet_free(w->pool, p);
		return;
	}
	newest = &w->runs[(w->run_tail - 1) % RUNS];
	if (w->run_tail != w->run_head && newest->link == link) {
		newest->count++;
		return;
	}
	MUST(w->run_tail - w->run_head < RUNS);
	w->runs[w->run_tail++ % RUNS] = (struct run){ .link = link, .count = 1 };
}

/* Asks the control plane; what finds no place is refused (adds) or kept (deletes). */
static bool world_submit(struct world *w, const struct control_op *op)
{
	struct control_op *grown;
	size_t room;

	if (w->overflow_head == w->overflow_count && switch_control_submit(w->sw, op, w->now_ns))
		return true;
	if (op->kind == CONTROL_ADD)
		return false;
	if (w->overflow_count == w->overflow_room && w->overflow_head > w->overflow_count / 2) {
		w->overflow_count -= w->overflow_head;
		memmove(w->overflow, w->overflow + w->overflow_head, w->overflow_count * sizeof(*w->overflow));
		w->overflow_head = 0;
	}
	if (w->overflow_count == w->overflow_room) {
		room = w->overflow_room ? 2 * w->overflow_room : 256;
		grown = realloc(w->overflow, room * sizeof(*grown));
		if (!grown) {
			w->overflow_lost++;
			return true;
		}
		w->overflow = grown;
		w->overflow_room = room;
	}
	w->overflow[w->overflow_count++] = *op;
	return true;
}

static void world_tell_control(const struct world *w, const struct control_op *op, const struct control_reply *reply)
{
	if (w->hooks.control)
		w->hooks.control(w->hooks.ctx, op, reply, w->now_ns);
}

/* Takes over what a front-end has put into w->out, answers to its refused adds included. */
static void world_take_out(struct world *w, unsigned index)
{
	struct control_op ops[OPS_MAX];
	struct packet *p;
	unsigned count;

	for (;;) {
		while ((p = packet_queue_pop(&w->out.packets))) {
			p->cause = p->frame ? 0 : w->cause;
			world_push(w, link_frontend(index, LINK_FROM_FRONTEND), p);
		}
		count = w->out.op_count;
		if (!count)
			break;
		memcpy(ops, w->ops, count * sizeof(ops[0]));
		w->out.op_count = 0;
		for (unsigned i = 0; i < count; i++) {
			struct control_reply full = {
				.op = ops[i], .status = CONTROL_FULL, .asked_ns = w->now_ns, .applied_ns = w->now_ns
			};

			world_tell_control(w, &ops[i], NULL);
			if (!world_submit(w, &ops[i])) {
				world_tell_control(w, &ops[i], &full);
				frontend_reply(w->frontends[index], &full, &w->out, w->now_ns);
			}
			MUST(w->out.op_count + 2 <= OPS_MAX);
		}
		timers_set(&w->timers, 0, switch_next_wake(w->sw));
	}
	timers_set(&w->timers, 1 + index, frontend_next_wake(w->frontends[index]));
}

static void world_retry_overflow(struct world *w)
{
	while (w->overflow_head < w->overflow_count &&
	       switch_control_submit(w->sw, &w->overflow[w->overflow_head], w->now_ns))
		w->overflow_head++;
	if (w->overflow_head == w->overflow_count)
		w->overflow_head = w->overflow_count = 0;
}

/* Applies every operation that is due, and tells who asked. */
static void world_control(struct world *w)
{
	struct control_reply replies[REPLIES_MAX];
	unsigned count;

	do {
		count = switch_control_advance(w->sw, w->now_ns, replies, REPLIES_MAX);
		world_retry_overflow(w);
		for (unsigned i = 0; i < count; i++) {
			unsigned index = replies[i].op.frontend;

			MUST(index < w->config->frontends.count);
			world_tell_control(w, &replies[i].op, &replies[i]);
			frontend_reply(w->frontends[index], &replies[i], &w->out, w->now_ns);
			world_take_out(w, index);
		}
	} while (count);
	timers_set(&w->timers, 0, switch_next_wake(w->sw));
}

static void world_tap(struct world *w, const struct link *l, uint32_t i)
{
	if (w->copies)
		w->hooks.tap(w->hooks.ctx, l->tap, l->index, l->towards_server, w->copies + (size_t)i * FRAME_MAX,
			     w->copy_len[i], w->batch.pkt[i], w->now_ns);
}

/* Where a packet that the switch forwards goes on. */
static uint32_t world_out_link(const struct world *w, const struct packet *p)
{
	unsigned port = p->fate == FATE_REPLY ? p->ingress_port : p->egress_port;

	if (port == PORT_CLIENT)
		return LINK_TO_CLIENT;
	if (port < PORT_BACKEND(0)) {
		MUST(port - PORT_FRONTEND(0) < w->config->frontends.count);
		return link_frontend(port - PORT_FRONTEND(0), LINK_TO_FRONTEND);
	}
	MUST(port - PORT_BACKEND(0) < w->config->backend_count);
	return link_backend(w, port - PORT_BACKEND(0), LINK_TO_WIRE);
}

static void run_switch(struct world *w, const struct link *l)
{
	switch_run(w->sw, &w->batch, w->now_ns);
	for (uint32_t i = 0; i < w->batch.count; i++) {
		struct packet *p = w->batch.pkt[i];

		world_tap(w, l, i);
		if (p->fate == FATE_FORWARD || p->fate == FATE_REPLY)
			world_push(w, world_out_link(w, p), p);
		else
			packet_free(w->pool, p);
	}
}

static void run_frontend(struct world *w, const struct link *l)
{
	struct frontend *fe = w->frontends[l->index];

	for (uint32_t i = 0; i < w->batch.count; i++)
		frontend_prefetch(fe, w->batch.pkt[i]);
	for (uint32_t i = 0; i < w->batch.count; i++) {
		struct packet *p = w->batch.pkt[i];

		w->cause = p->frame ? p->frame : p->cause;
		frontend_packet(fe, p, &w->out, w->now_ns);
		world_tap(w, l, i);
		if (p->fate != FATE_FORWARD)
			packet_free(w->pool, p);
		world_take_out(w, l->index);
	}
	w->cause = 0;
}

static void run_agent(struct world *w, const struct link *l)
{
	struct agent *a = w->agents[l->index];
	bool ingress = l->kind == LINK_TO_WIRE;
	uint32_t onward = link_backend(w, l->index, ingress ? LINK_TO_STACK : LINK_FROM_WIRE);

	for (uint32_t i = 0; i < w->batch.count; i++)
		agent_prefetch(a, w->batch.pkt[i], ingress);
	for (uint32_t i = 0; i < w->batch.count; i++) {
		struct packet *p = w->batch.pkt[i];

		if (ingress)
			agent_ingress(a, p, w->now_ns);
		else
			agent_egress(a, p, w->now_ns);
		world_tap(w, l, i);
		if (p->fate == FATE_FORWARD)
			world_push(w, onward, p);
		else if (p->fate == FATE_REPLY)
			world_push(w, link_backend(w, l->index, LINK_FROM_WIRE), p);
		else
			packet_free(w->pool, p);
	}
	timers_set(&w->timers, 1u + w->config->frontends.count + l->index, agent_next_wake(a));
}

static void run_host(struct world *w, const struct link *l)
{
	for (uint32_t i = 0; i < w->batch.count; i++) {
		struct packet *p = w->batch.pkt[i];

		if (l->kind == LINK_TO_CLIENT && w->hooks.client_received)
			w->hooks.client_received(w->hooks.ctx, p, w->now_ns);
		else if (l->kind == LINK_TO_STACK && w->hooks.server_received)
			w->hooks.server_received(w->hooks.ctx, l->index, p, w->now_ns);
		world_tap(w, l, i);
		packet_free(w->pool, p);
	}
}

/* Takes the next packets of the oldest run into w->batch and clears what the last component said of them. */
static const struct link *world_next_batch(struct world *w)
{
	struct run *oldest = &w->runs[w->run_head % RUNS];
	struct link *l = &w->links[oldest->link];
	uint32_t n = MIN(oldest->count, w->config->sw.batch);

	oldest->count -= n;
	if (!oldest->count)
		w->run_head++;
	w->batch.count = ring_pop(&l->ring, w->batch.pkt, n);
	MUST(w->batch.count == n);
	for (uint32_t i = 0; i < n; i++) {
		struct packet *p = w->batch.pkt[i];

		p->fate = FATE_FORWARD;
		p->drop = DROP_NONE;
		p->note = (struct packet_note){ 0 };
		p->ingress_port = l->ingress_port;
		if (w->copies) {
			memcpy(w->copies + (size_t)i * FRAME_MAX, p->data, p->len);
			w->copy_len[i] = p->len;
		}
	}
	return l;
}

static bool world_stopped(const struct world *w)
{
	return UNLIKELY(w->hooks.stop && w->hooks.stop(w->hooks.ctx));
}

static void world_drain(struct world *w)
{
	while (w->run_head != w->run_tail && !world_stopped(w)) {
		const struct link *l = world_next_batch(w);

		switch (l->kind) {
		case LINK_FROM_CLIENT:
		case LINK_FROM_FRONTEND:
		case LINK_FROM_WIRE:
			if (UNLIKELY(w->timers.due[0] <= w->now_ns))
				world_control(w);
			run_switch(w, l);
			break;
		case LINK_TO_FRONTEND:
			run_frontend(w, l);
			break;
		case LINK_TO_WIRE:
		case LINK_FROM_STACK:
			run_agent(w, l);
			break;
		default:
			run_host(w, l);
		}
	}
}

static void world_fire(struct world *w, uint32_t id)
{
	const struct config *c = w->config;

	if (id == 0) {
		world_control(w);
	} else if (id <= c->frontends.count) {
		frontend_timers(w->frontends[id - 1], &w->out, w->now_ns);
		world_take_out(w, id - 1);
	} else {
		unsigned index = id - 1 - c->frontends.count;

		agent_sweep(w->agents[index], w->now_ns);
		timers_set(&w->timers, id, agent_next_wake(w->agents[index]));
	}
}

void world_run(struct world *w, uint64_t until_ns)
{
	world_drain(w);
	while (timers_due(&w->timers) <= until_ns && !world_stopped(w)) {
		w->now_ns = MAX(w->now_ns, timers_due(&w->timers));
		world_fire(w, timers_first(&w->timers));
		world_drain(w);
	}
	if (!world_stopped(w))
		w->now_ns = MAX(w->now_ns, until_ns);
}

uint64_t world_now(const struct world *w)
{
	return w->now_ns;
}

uint64_t world_next_due(const struct world *w)
{
	return timers_due(&w->timers);
}

void world_wire_carries(struct world *w, unsigned backend, bool towards_server, struct packet *p)
{
	MUST(backend < w->config->backend_count);
	world_push(w, link_backend(w, backend, towards_server ? LINK_TO_WIRE : LINK_FROM_WIRE), p);
}

bool world_ask_control(struct world *w, const struct control_op *op)
{
	bool queued = world_submit(w, op);

	timers_set(&w->timers, 0, switch_next_wake(w->sw));
	return queued;
}

void world_stall_control(struct world *w, uint64_t for_ns)
{
	switch_control_stall(w->sw, w->now_ns + for_ns);
	timers_set(&w->timers, 0, switch_next_wake(w->sw));
}

struct packet *world_packet(struct world *w, uint32_t len)
{
	struct packet *p = packet_alloc(w->pool, len);

	if (!p)
		w->drops[DROP_NO_PACKET]++;
	return p;
}

void world_release(struct world *w, struct packet *p)
{
	packet_free(w->pool, p);
}

void world_client_sends(struct world *w, struct packet *p)
{
	world_push(w, LINK_FROM_CLIENT, p);
}

void world_server_sends(struct world *w, unsigned backend, struct packet *p)
{
	MUST(backend < w->config->backend_count);
	world_push(w, link_backend(w, backend, LINK_FROM_STACK), p);
}

const struct config *world_config(const struct world *w)
{
	return w->config;
}

struct packet_pool *world_pool(struct world *w)
{
	return w->pool;
}

struct switch_model *world_switch(struct world *w)
{
	return w->sw;
}

struct frontend *world_frontend(struct world *w, unsigned index)
{
	return w->frontends[index];
}

struct agent *world_agent(struct world *w, unsigned index)
{
	return w->agents[index];
}

const uint64_t *world_drops(const struct world *w)
{
	return w->drops;
}

uint64_t world_leftovers(const struct world *w)
{
	const struct switch_stats *sw = switch_stats(w->sw);
	uint64_t left = sw->entries + sw->control_depth + packet_pool_used(w->pool) + w->overflow_lost +
			(w->overflow_count - w->overflow_head);

	for (unsigned i = 0; i < w->config->frontends.count; i++)
		left += frontend_stats(w->frontends[i])->flows + frontend_stats(w->frontends[i])->buffers_used;
	for (unsigned i = 0; i < w->config->backend_count; i++)
		left += agent_stats(w->agents[i])->entries;
	return left;
}
