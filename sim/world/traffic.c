/* SPDX-License-Identifier: BSD-2-Clause */
/* traffic.c: packets between the components, and the components that consume them.
 *
 * A link is one ring and what consumes it. Every push appends to a FIFO of (link, count) runs;
 * the drain takes runs from its head, at most a batch of one link at a time, lets the consumer
 * work, and dispatches what it left, in packet order. Since runs are consumed in the order in
 * which they were pushed, a batch of n does what n batches of one do.
 *
 * In a simulated world, and in any that a fault has befallen, a packet goes through the link's
 * model first, then waits for the consumer's core, and only then comes onto the ring. Where
 * neither takes time it comes there at once.
 *
 *   clients | <-> | switch      models of client_link
 *    switch | <-> | front-end   models of frontend_link, into the front-end its core
 *    switch | <-> | agent       models of backend_link
 *     agent | <-> | stack       the server's core, both ways
 *
 * Invariant: a packet is in exactly one place: an event, a core, a ring, the batch being worked on,
 * or the host's hands.
 *
 * Refusals: RING_FULL, QUEUE_FULL, LINK_LOST, CORE_BUSY, DOWN, NO_PACKET (no copy): the packet is freed. */
#include "world_internal.h"

#include <stdlib.h>
#include <string.h>

/* --- where packets go along ---------------------------------------------------------------------- */

static const struct config_link *link_config(const struct config *c, enum tap_kind tap)
{
	switch (tap) {
	case TAP_CLIENT:
		return &c->simulation.client_link;
	case TAP_FRONTEND:
		return &c->simulation.frontend_link;
	case TAP_WIRE:
		return &c->simulation.backend_link;
	default:
		return NULL;
	}
}

static struct cpu *link_cpu(const struct world *w, enum link_kind kind, unsigned index)
{
	if (kind == LINK_TO_FRONTEND)
		return &w->fronts[index].cpu;
	return kind == LINK_FROM_STACK || kind == LINK_TO_STACK ? &w->hosts[index].cpu : NULL;
}

static int link_init(struct world *w, uint32_t at, enum link_kind kind, unsigned index)
{
	const struct config_link *config;
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
	l->ring_max = LINK_SLOTS;
	l->cpu = link_cpu(w, kind, index);
	config = link_config(w->config, l->tap);
	if (w->hooks.simulated && config) {
		l->model = &w->models[at];
		link_model_init(l->model, config, w->config->seed, 2u * l->ingress_port + l->towards_server);
	}
	return ring_init(&l->ring, LINK_SLOTS);
}

int traffic_init(struct world *w)
{
	const struct config *c = w->config;
	size_t size;
	int failed = 0;

	w->link_count = 2 + 2u * c->frontends.count + 4u * c->backend_count;
	size = w->link_count * sizeof(struct link);
	w->links = aligned_alloc(alignof(struct link), size);
	w->models = calloc(w->link_count, sizeof(*w->models));
	w->runs = malloc((w->run_mask + 1) * sizeof(*w->runs));
	if (!w->links || !w->models || !w->runs)
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

void traffic_fini(struct world *w)
{
	for (uint32_t i = 0; w->links && i < w->link_count; i++)
		ring_fini(&w->links[i].ring);
	for (uint32_t i = 0; w->models && i < w->link_count; i++)
		link_model_fini(&w->models[i]);
	free(w->links);
	free(w->models);
	free(w->runs);
}

/* --- on the way ---------------------------------------------------------------------------------- */

/* A front-end's links carry both directions, so the addresses tell. */
static bool is_of_service(const struct config *c, struct endpoint e)
{
	bool found = endpoint_equal(e, c->vip);

	for (unsigned i = 0; i < c->backend_count && !found; i++)
		found = endpoint_equal(e, c->backends[i].address);
	return found;
}

static void tell_lost(const struct world *w, struct packet *p)
{
	if (w->hooks.lost && headers_parse(p) == DROP_NONE && p->phv.l4_at && p->phv.ip_proto == IP_PROTO_TCP)
		w->hooks.lost(w->hooks.ctx, is_of_service(w->config, p->phv.src) ? p->phv.dst : p->phv.src, w->now_ns);
}

/* Nobody handles the packet any more, but somebody may look. */
void world_drop(struct world *w, uint32_t at, struct packet *p, enum drop_reason why)
{
	const struct link *l = &w->links[at];

	w->drops[why]++;
	tell_lost(w, p);
	p->note = (struct packet_note){ 0 };
	packet_drop(p, why);
	if (w->hooks.tap)
		w->hooks.tap(w->hooks.ctx, l->tap, l->index, l->towards_server, p->data, p->len, p, w->now_ns);
	packet_free(w->pool, p);
}

/* Ownership passes; the newest run grows if it is of the same link. */
static BREAKABLE void world_push(struct world *w, uint32_t link, struct packet *p)
{
	struct run *newest;

	if (UNLIKELY(!ring_push(&w->links[link].ring, p))) {
		world_drop(w, link, p, DROP_RING_FULL);
		return;
	}
	newest = &w->runs[(w->run_tail - 1) & w->run_mask];
	if (w->run_tail != w->run_head && newest->link == link) {
		newest->count++;
		return;
	}
	MUST(w->run_tail - w->run_head <= w->run_mask);
	w->runs[w->run_tail++ & w->run_mask] = (struct run){ .link = link, .count = 1 };
}

/* From the core, or past it, onto the ring. */
static void world_enters(struct world *w, uint32_t at, struct packet *p)
{
	struct link *l = &w->links[at];

	if (UNLIKELY(l->ring_max < LINK_SLOTS && ring_count(&l->ring) >= l->ring_max))
		world_drop(w, at, p, DROP_RING_FULL);
	else
		world_push(w, at, p);
}

/* Is there nobody at this end of the wire? */
static bool is_down(const struct world *w, const struct link *l)
{
	if (l->kind == LINK_TO_FRONTEND)
		return w->fronts[l->index].down;
	return (l->kind == LINK_TO_WIRE || l->kind == LINK_FROM_WIRE) && w->hosts[l->index].dead;
}

/* The packet has come to the end of the link. */
static void world_arrives(struct world *w, uint32_t at, struct packet *p)
{
	const struct link *l = &w->links[at];

	if (UNLIKELY(l->kind != LINK_FROM_WIRE && is_down(w, l))) {
		world_drop(w, at, p, DROP_DOWN);
		return;
	}
	switch (l->cpu ? cpu_take(l->cpu, p, at, w->now_ns) : CPU_AT_ONCE) {
	case CPU_AT_ONCE:
		world_enters(w, at, p);
		break;
	case CPU_WAITS:
		world_arm(w, l->cpu);
		break;
	case CPU_FULL:
		world_drop(w, at, p, l->ring_max < LINK_SLOTS ? DROP_RING_FULL : DROP_CORE_BUSY);
		break;
	}
}

static void world_travels(struct world *w, uint32_t at, struct packet *p, uint64_t arrives_ns)
{
	const struct event e = { .due_ns = arrives_ns, .packet = p, .what = WORLD_ARRIVES, .where = at };

	if (arrives_ns == w->now_ns)
		world_arrives(w, at, p);
	else if (!events_add(&w->events, &e))
		world_drop(w, at, p, DROP_QUEUE_FULL); /* no memory */
}

static struct packet *packet_copy(struct world *w, const struct packet *p)
{
	struct packet *copy = world_packet(w, p->len);

	if (!copy)
		return NULL;
	memcpy(copy->data, p->data, p->len);
	copy->checksum_partial = p->checksum_partial;
	copy->frame = p->frame;
	copy->cut = p->cut;
	copy->host_tag = p->host_tag;
	copy->cause = p->cause;
	return copy;
}

/* A packet sets out on a link that takes time, or from or to somebody who is down. */
static void world_sets_out(struct world *w, uint32_t at, struct packet *p)
{
	const struct link *l = &w->links[at];
	struct packet *copy = NULL;
	struct link_fate fate;

	if (UNLIKELY(l->kind == LINK_FROM_WIRE && is_down(w, l))) {
		world_drop(w, at, p, DROP_DOWN);
		return;
	}
	if (!l->model) {
		world_arrives(w, at, p);
		return;
	}
	link_model_carry(l->model, p, w->now_ns, &fate);
	if (fate.drop != DROP_NONE) {
		world_drop(w, at, p, fate.drop);
		return;
	}
	if (fate.damaged) {
		tell_lost(w, p);
		link_damage(p, fate.bit);
	}
	if (fate.twice)
		copy = packet_copy(w, p);
	world_travels(w, at, p, fate.arrives_ns);
	if (copy)
		world_travels(w, at, copy, fate.again_ns);
}

void world_send(struct world *w, uint32_t link, struct packet *p)
{
	if (UNLIKELY(w->timed))
		world_sets_out(w, link, p);
	else
		world_push(w, link, p);
}

void world_arrived(struct world *w, const struct event *e)
{
	world_arrives(w, e->where, e->packet);
}

/* By number: the front-ends' cores, then the servers'. */
static struct cpu *core(struct world *w, uint32_t number)
{
	uint32_t frontends = w->config->frontends.count;

	return number < frontends ? &w->fronts[number].cpu : &w->hosts[number - frontends].cpu;
}

void world_arm(struct world *w, struct cpu *cpu)
{
	struct event e = { .due_ns = cpu_due(cpu), .what = WORLD_SERVED, .where = cpu->number };

	if (cpu->armed || e.due_ns == TIME_NEVER)
		return;
	cpu->armed = true;
	MUST(events_add(&w->events, &e)); /* a place is kept for each core */
}

void world_served(struct world *w, const struct event *e)
{
	struct cpu *cpu = core(w, e->where);
	uint32_t at;
	struct packet *p = cpu_done(cpu, w->now_ns, &at);

	cpu->armed = false;
	world_arm(w, cpu);
	if (p)
		world_enters(w, at, p);
}

/* --- the components ------------------------------------------------------------------------------ */

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
			world_send(w, world_out_link(w, p), p);
		else
			packet_free(w->pool, p);
	}
}

static void run_frontend(struct world *w, const struct link *l)
{
	struct frontend *fe = w->frontends[l->index];

	frontend_prefetch(fe, w->batch.pkt, w->batch.count);
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

/* Whom an agent may misunderstand if it is given this packet. */
static void warn_of_damage(const struct world *w, struct packet *p)
{
	if (!link_spared(p) && p->phv.l4_at && p->phv.ip_proto == IP_PROTO_TCP &&
	    p->phv.tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST))
		w->hooks.agent_misled(w->hooks.ctx, p->phv.src, w->now_ns);
}

static void run_agent(struct world *w, const struct link *l)
{
	struct agent *a = w->agents[l->index];
	bool ingress = l->kind == LINK_TO_WIRE;
	uint32_t onward = link_backend(w, l->index, ingress ? LINK_TO_STACK : LINK_FROM_WIRE);

	agent_prefetch(a, w->batch.pkt, w->batch.count, ingress);
	for (uint32_t i = 0; i < w->batch.count; i++) {
		struct packet *p = w->batch.pkt[i];

		if (UNLIKELY(ingress && w->hooks.agent_misled))
			warn_of_damage(w, p);
		if (ingress)
			agent_ingress(a, p, w->now_ns);
		else
			agent_egress(a, p, w->now_ns);
		world_tap(w, l, i);
		if (p->fate == FATE_FORWARD)
			world_send(w, onward, p);
		else if (p->fate == FATE_REPLY)
			world_send(w, link_backend(w, l->index, LINK_FROM_WIRE), p);
		else
			packet_free(w->pool, p);
	}
	timers_set(&w->timers, timer_agent(w, l->index), agent_next_wake(a));
}

static void run_host(struct world *w, const struct link *l)
{
	for (uint32_t i = 0; i < w->batch.count; i++) {
		struct packet *p = w->batch.pkt[i];

		if (l->kind == LINK_TO_CLIENT && w->hooks.client_received)
			w->hooks.client_received(w->hooks.ctx, p, w->now_ns);
		else if (l->kind == LINK_TO_STACK && w->hooks.server_received)
			w->hooks.server_received(w->hooks.ctx, l->index, p, w->now_ns);
		else if (l->kind == LINK_TO_WIRE)
			w->hooks.wire_received(w->hooks.ctx, l->index, p, w->now_ns);
		world_tap(w, l, i);
		packet_free(w->pool, p);
	}
}

/* Takes the next packets of the oldest run into w->batch and clears what the last component said of them. */
static const struct link *world_next_batch(struct world *w)
{
	struct run *oldest = &w->runs[w->run_head & w->run_mask];
	struct link *l = &w->links[oldest->link];
	uint32_t n = MIN(oldest->count, w->config->sw.batch);

	oldest->count -= n;
	if (!oldest->count)
		w->run_head++;
	w->batch.count = ring_pop(&l->ring, w->batch.pkt, n);
	MUST(w->batch.count == n);
	w->handled += n;
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

/* The packets came onto the ring before the front-end went down. */
static void lose_batch(struct world *w, const struct link *l)
{
	for (uint32_t i = 0; i < w->batch.count; i++)
		world_drop(w, (uint32_t)(l - w->links), w->batch.pkt[i], DROP_DOWN);
}

static void world_consume(struct world *w, const struct link *l)
{
	switch (l->kind) {
	case LINK_FROM_CLIENT:
	case LINK_FROM_FRONTEND:
	case LINK_FROM_WIRE:
		if (UNLIKELY(w->timers.due[0] <= w->now_ns))
			world_control(w);
		run_switch(w, l);
		break;
	case LINK_TO_FRONTEND:
		if (UNLIKELY(w->fronts[l->index].down))
			lose_batch(w, l);
		else
			run_frontend(w, l);
		break;
	case LINK_TO_WIRE:
	case LINK_FROM_STACK:
		if (w->hooks.wire_received)
			run_host(w, l);
		else
			run_agent(w, l);
		break;
	default:
		run_host(w, l);
	}
}

void world_drain(struct world *w)
{
	w->inside = true;
	while (w->run_head != w->run_tail && !world_stopped(w))
		world_consume(w, world_next_batch(w));
	w->inside = false;
}
