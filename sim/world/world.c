/* SPDX-License-Identifier: BSD-2-Clause */
/* world.c: the engine: switch, front-ends and agents in virtual time.
 *
 * Time stands still while packets move over rings (traffic.c). world_run() drains them at the
 * present moment, then goes from event to event and from timer to timer, draining after each, up to
 * the given time. Of what is due at one moment the events come first, in the order of their
 * insertion, then the timers, in the order of their ids; both orders are total. An operation of
 * the control plane that falls due at the present moment (latency 0) takes effect before the
 * next batch that the switch sees.
 *
 * Without hooks.simulated there are no events, and packets take no time, until a fault is asked for.
 *
 * The pool is sized once, from what links can hold; an empty one is a counted drop. */
#include "world_internal.h"

#include <stdlib.h>

#define POOL_SMALL 8192u
#define POOL_SMALL_MAX 131072u
/* What is in flight without a rate has no bound of its own. */
#define POOL_SMALL_UNRATED 32768u
#define POOL_LARGE 512u
/* Segments and acknowledgements in turn. */
#define PACKET_MEAN 512u

/* Packets that both directions of `count` links can hold. */
static uint64_t link_packets(const struct config_link *l, unsigned count)
{
	uint64_t delay_ns = MIN(l->delay_ns + l->reorder_ns + l->spike_ns, 10 * NS_PER_S);
	uint64_t bytes = l->rate / 8 / 1000 * (delay_ns / 1000) / 1000 + l->queue;

	if (!l->rate)
		return delay_ns ? POOL_SMALL_UNRATED : 0;
	return 2 * count * MIN(bytes / PACKET_MEAN, POOL_SMALL_MAX);
}

static uint32_t pool_size(const struct world *w)
{
	const struct config *c = w->config;
	const struct config_simulation *s = &c->simulation;
	uint64_t n = POOL_SMALL;

	if (w->hooks.simulated)
		n += link_packets(&s->client_link, 1) + link_packets(&s->frontend_link, c->frontends.count) +
		     link_packets(&s->backend_link, c->backend_count);
	return (uint32_t)MIN(n, POOL_SMALL_MAX);
}

struct agent *world_make_agent(const struct world *w, unsigned index)
{
	return w->hooks.agent ? w->hooks.agent(w->hooks.ctx, w->config, index) : agent_create(w->config, index);
}

static int world_init_parts(struct world *w)
{
	static const struct config_cpu free_of_cost = { .queue = 0 };
	const struct config *c = w->config;
	const struct config_simulation *s = &c->simulation;
	bool simulated = w->hooks.simulated;

	for (unsigned i = 0; i < c->frontends.count; i++) {
		cpu_init(&w->fronts[i].cpu, simulated ? &s->frontend_cpu : &free_of_cost, i);
		w->fronts[i].cookie_key = c->cookie_key;
		if (!(w->frontends[i] = frontend_create(c, i, w->pool, w->hooks.notice, w->hooks.ctx)))
			return -1;
	}
	for (unsigned i = 0; i < c->backend_count; i++) {
		cpu_init(&w->hosts[i].cpu, simulated ? &s->server_cpu : &free_of_cost, c->frontends.count + i);
		if (!w->hooks.wire_received && !(w->agents[i] = world_make_agent(w, i)))
			return -1;
	}
	return timers_init(&w->timers, timer_host(w) + 1);
}

static int world_init(struct world *w)
{
	const struct config *c = w->config;
	uint32_t packets = pool_size(w) + POOL_LARGE;

	/* At least one packet stands behind every run, so there are never more runs than packets. */
	for (w->run_mask = 1; w->run_mask < packets;)
		w->run_mask = 2 * w->run_mask + 1;
	/* Packets, cores, and every fault's beginning and end. */
	events_init(&w->events, packets + c->frontends.count + c->backend_count + 2 * WORLD_FAULTS_MAX);
	prng_child(&w->reorder_prng, c->seed, "control_reorder", 0);
	w->pool = packet_pool_create(pool_size(w), POOL_LARGE);
	w->sw = switch_create(c);
	w->fronts = calloc(c->frontends.count, sizeof(*w->fronts));
	w->hosts = calloc(c->backend_count, sizeof(*w->hosts));
	if (w->hooks.tap)
		w->copies = malloc((size_t)BATCH_MAX * FRAME_MAX); /* untouched pages cost nothing */
	if (!w->pool || !w->sw || !w->fronts || !w->hosts || (w->hooks.tap && !w->copies))
		return -1;
	return traffic_init(w) || world_init_parts(w) ? -1 : 0;
}

struct world *world_create(const struct config *config, const struct world_hooks *hooks)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->config = config;
	w->hooks = *hooks;
	w->timed = hooks->simulated;
	w->out.ops = w->ops;
	w->out.ops_max = OPS_MAX;
	if (world_init(w)) {
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
	events_fini(&w->events);
	for (unsigned i = 0; i < w->config->backend_count; i++)
		agent_free(w->agents[i]);
	for (unsigned i = 0; i < w->config->frontends.count; i++)
		frontend_free(w->frontends[i]);
	for (unsigned i = 0; w->hosts && i < w->config->backend_count; i++)
		cpu_fini(&w->hosts[i].cpu);
	for (unsigned i = 0; w->fronts && i < w->config->frontends.count; i++)
		cpu_fini(&w->fronts[i].cpu);
	switch_free(w->sw);
	traffic_fini(w);
	packet_pool_free(w->pool);
	control_fini(w);
	free(w->fronts);
	free(w->hosts);
	free(w->copies);
	free(w);
}

/* --- time ---------------------------------------------------------------------------------------- */

static void fire_frontend(struct world *w, unsigned index)
{
	const struct front *f = &w->fronts[index];

	if (UNLIKELY(f->down || f->paused)) {
		timers_set(&w->timers, 1 + index, TIME_NEVER); /* set again when it runs again */
		return;
	}
	frontend_timers(w->frontends[index], &w->out, w->now_ns);
	world_take_out(w, index);
}

/* The host's own work is not a component's: what it asks for happens at once. */
static void fire_host(struct world *w)
{
	timers_set(&w->timers, timer_host(w), TIME_NEVER);
	if (w->hooks.wake)
		w->hooks.wake(w->hooks.ctx, w->now_ns);
}

static void world_fire(struct world *w, uint32_t id)
{
	w->handled++;
	if (id == timer_host(w)) {
		fire_host(w);
		return;
	}
	w->inside = true;
	if (id == 0) {
		world_control(w);
	} else if (id < timer_agent(w, 0)) {
		fire_frontend(w, id - 1);
	} else {
		unsigned index = id - timer_agent(w, 0);

		agent_sweep(w->agents[index], w->now_ns);
		timers_set(&w->timers, id, agent_next_wake(w->agents[index]));
	}
	w->inside = false;
}

static void world_happens(struct world *w, const struct event *e)
{
	switch ((enum world_event)e->what) {
	case WORLD_ARRIVES:
		world_arrived(w, e);
		break;
	case WORLD_SERVED:
		world_served(w, e);
		break;
	case WORLD_FAULT:
		world_fault_begins(w, e);
		break;
	case WORLD_HEALED:
		world_fault_ends(w, e);
		break;
	}
}

void world_run(struct world *w, uint64_t until_ns)
{
	world_drain(w);
	for (;;) {
		uint64_t event_ns = events_due(&w->events), timer_ns = timers_due(&w->timers);
		uint64_t due_ns = MIN(event_ns, timer_ns);

		if (due_ns > until_ns || due_ns == TIME_NEVER || world_stopped(w))
			break;
		w->now_ns = MAX(w->now_ns, due_ns);
		if (event_ns <= timer_ns) {
			struct event e = events_take(&w->events);

			world_happens(w, &e);
		} else {
			world_fire(w, timers_first(&w->timers));
		}
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
	return MIN(events_due(&w->events), timers_due(&w->timers));
}

uint64_t world_events(const struct world *w)
{
	return w->handled;
}

void world_host_wake(struct world *w, uint64_t due_ns)
{
	timers_set(&w->timers, timer_host(w), due_ns);
}

uint64_t world_server_work(struct world *w, unsigned index, uint64_t cost_ns)
{
	MUST(index < w->config->backend_count);
	return cpu_work(&w->hosts[index].cpu, cost_ns, w->now_ns);
}

/* --- packets of the host -------------------------------------------------------------------------- */

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
	world_send(w, LINK_FROM_CLIENT, p);
}

void world_server_sends(struct world *w, unsigned backend, struct packet *p)
{
	MUST(backend < w->config->backend_count);
	world_send(w, link_backend(w, backend, LINK_FROM_STACK), p);
}

void world_wire_carries(struct world *w, unsigned backend, bool towards_server, struct packet *p)
{
	MUST(backend < w->config->backend_count);
	world_send(w, link_backend(w, backend, towards_server ? LINK_TO_WIRE : LINK_FROM_WIRE), p);
}

void world_frontend_carries(struct world *w, unsigned index, bool towards_frontend, struct packet *p)
{
	MUST(index < w->config->frontends.count);
	world_send(w, link_frontend(index, towards_frontend ? LINK_TO_FRONTEND : LINK_FROM_FRONTEND), p);
}

/* --- what there is to see -------------------------------------------------------------------------- */

void world_link_stats(const struct world *w, enum tap_kind tap, bool towards_server, struct link_stats *stats)
{
	*stats = (struct link_stats){ 0 };
	for (uint32_t i = 0; i < w->link_count; i++)
		if (w->links[i].model && w->links[i].tap == tap && w->links[i].towards_server == towards_server)
			link_stats_add(stats, &w->links[i].model->stats);
}

const struct cpu_stats *world_frontend_cpu(const struct world *w, unsigned index)
{
	MUST(index < w->config->frontends.count);
	return &w->fronts[index].cpu.stats;
}

const struct cpu_stats *world_server_cpu(const struct world *w, unsigned index)
{
	MUST(index < w->config->backend_count);
	return &w->hosts[index].cpu.stats;
}

uint64_t world_frontend_busy(const struct world *w, unsigned index)
{
	MUST(index < w->config->frontends.count);
	return cpu_busy(&w->fronts[index].cpu, w->now_ns);
}

uint64_t world_server_busy(const struct world *w, unsigned index)
{
	MUST(index < w->config->backend_count);
	return cpu_busy(&w->hosts[index].cpu, w->now_ns);
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
		left += frontend_stats(w->frontends[i])->flows + frontend_stats(w->frontends[i])->buffers_used +
			w->fronts[i].late_count;
	for (unsigned i = 0; i < w->config->backend_count; i++)
		left += w->agents[i] ? agent_stats(w->agents[i])->entries : 0;
	return left;
}
