/* SPDX-License-Identifier: BSD-2-Clause */
/* fault.c: what goes wrong in the system itself (docs/faults.md says what each must lead to).
 *
 * A fault begins when the host asks for it, or, if a component is at work just then, right after
 * all that it does at that moment; it ends by an event, or when the host heals it. Faults of one
 * kind may overlap: what is in force is worked out from those that are active, whenever one begins or
 * ends, so that the last one to end restores what was before the first.
 *
 * A front-end that was killed: its flows, buffers and timers are gone at once; packets that wait
 * for its core, and those that come while it is down, are lost (DOWN). Its entries stay in the
 * switch and work on. Answers of the control plane are for nobody. When the outage is over the
 * switch's driver deletes every entry whose clients are this front-end's, and an add of the old
 * incarnation that still takes effect meanwhile is deleted after it. Only when the last of these
 * operations is answered does the front-end take packets again. So no answer to the old incarnation
 * can reach the new one, whose serials begin anew, and no entry stands in the switch that no front-end knows.
 *
 * An agent that starts anew has neither map. The host is told: with the numbers lost, connections
 * of the service's port can only do harm, and must be gone (world.h, agent_restarted).
 *
 * Refusals: more than WORLD_FAULTS_MAX faults at a time are ignored, and counted. A front-end or
 * agent for whose new incarnation there is no memory does not come back, or is not restarted. */
#include "miresga/cookie.h"
#include "world_internal.h"

#include <stdlib.h>

/* Faults that are in force together are as bad as the worst of them. */
struct force {
	bool active;
	uint32_t most, least; /* factor */
};

static struct force force_of(const struct world *w, enum sim_fault what, unsigned index)
{
	struct force f = { .least = UINT32_MAX };

	for (unsigned i = 0; i < WORLD_FAULTS_MAX; i++) {
		const struct active_fault *a = &w->faults[i];

		if (!a->begun || a->fault.what != what || a->fault.index != index)
			continue;
		f.active = true;
		f.most = MAX(f.most, a->fault.factor);
		f.least = MIN(f.least, a->fault.factor);
	}
	return f;
}

/* --- the control plane ---------------------------------------------------------------------------- */

static void control_stalls(struct world *w, const struct config_fault *f)
{
	world_stall_control(w, f->for_ns ? f->for_ns : TIME_NEVER);
}

static void control_changes(struct world *w, const struct config_fault *f)
{
	const struct control_trouble trouble = {
		.slow = force_of(w, SIM_FAULT_CONTROL_SLOW, f->index).most,
		.full = force_of(w, SIM_FAULT_TABLE_FULL, f->index).active,
		.reorder = force_of(w, SIM_FAULT_CONTROL_REORDER, f->index).active ? &w->reorder_prng : NULL,
	};

	switch_control_trouble(w->sw, &trouble);
}

/* --- front-ends ------------------------------------------------------------------------------------ */

/* The packets of a link that wait for its core. */
static void core_loses(struct world *w, uint32_t link)
{
	struct packet_queue lost = { .count = 0 };
	struct packet *p;

	cpu_drop(w->links[link].cpu, link, &lost);
	while ((p = packet_queue_pop(&lost)))
		world_drop(w, link, p, DROP_DOWN);
}

static void frontend_dies(struct world *w, const struct config_fault *f)
{
	struct front *front = &w->fronts[f->index];
	struct frontend *fresh;

	front->cleaning = false;
	if (front->down)
		return;
	front->down = true;
	front->late_count = 0;
	core_loses(w, link_frontend(f->index, LINK_TO_FRONTEND));
	cookie_key_renew(&front->cookie_key, 0);
	switch_set_cookie_key(w->sw, f->index, &front->cookie_key);
	fresh = frontend_create(w->config, f->index, w->pool, w->hooks.notice, w->hooks.ctx);
	w->fault_stats.flows_lost += frontend_stats(w->frontends[f->index])->flows;
	timers_set(&w->timers, 1u + f->index, TIME_NEVER);
	if (!fresh)
		return;
	frontend_set_cookie_key(fresh, &front->cookie_key);
	frontend_free(w->frontends[f->index]);
	w->frontends[f->index] = fresh;
}

static int compare_clients(const void *a, const void *b)
{
	const struct endpoint *x = a, *y = b;
	uint64_t m = (uint64_t)be32_to(x->addr) << 16 | be16_to(x->port);
	uint64_t n = (uint64_t)be32_to(y->addr) << 16 | be16_to(y->port);

	return m < n ? -1 : m > n;
}

/* Has the front-end's entries deleted, in the order of their clients. */
static void delete_entries(struct world *w, unsigned index)
{
	uint32_t entries = switch_stats(w->sw)->entries, count = 0;
	struct endpoint *clients = malloc(entries * sizeof(*clients) + 1), client;
	struct control_op op = { .frontend = (uint16_t)index, .kind = CONTROL_DELETE };

	if (!clients) {
		w->overflow_lost += entries;
		return;
	}
	for (uint64_t at = 0; switch_next_entry(w->sw, &at, &client);)
		if (switch_frontend_of(w->sw, client) == index)
			clients[count++] = client;
	qsort(clients, count, sizeof(*clients), compare_clients);
	for (uint32_t i = 0; i < count; i++) {
		op.client = clients[i];
		world_ask(w, &op);
	}
	w->fault_stats.entries_deleted += count;
	free(clients);
}

void world_front_cleaned(struct world *w, unsigned index)
{
	struct front *front = &w->fronts[index];

	if (!front->cleaning || front->ops_waiting)
		return;
	delete_entries(w, index);
	if (front->ops_waiting)
		return; /* once more, when they are answered */
	front->cleaning = false;
	front->down = false;
	timers_set(&w->timers, 1 + index, frontend_next_wake(w->frontends[index]));
}

static void frontend_returns(struct world *w, const struct config_fault *f)
{
	if (force_of(w, SIM_FAULT_FRONTEND_KILL, f->index).active)
		return;
	w->fronts[f->index].cleaning = true;
	world_front_cleaned(w, f->index);
}

static void frontend_pauses(struct world *w, const struct config_fault *f)
{
	struct front *front = &w->fronts[f->index];

	if (front->paused)
		return;
	front->paused = true;
	cpu_pause(&front->cpu, w->now_ns);
}

static void frontend_resumes(struct world *w, const struct config_fault *f)
{
	struct front *front = &w->fronts[f->index];

	if (force_of(w, SIM_FAULT_FRONTEND_PAUSE, f->index).active)
		return;
	front->paused = false;
	cpu_resume(&front->cpu, w->now_ns);
	world_late_replies(w, f->index);
	timers_set(&w->timers, 1u + f->index, front->down ? TIME_NEVER : frontend_next_wake(w->frontends[f->index]));
	world_arm(w, &front->cpu);
}

static void rings_change(struct world *w, const struct config_fault *f)
{
	struct force force = force_of(w, SIM_FAULT_RING_FULL, f->index);

	w->fronts[f->index].cpu.limit = force.active ? force.least : UINT32_MAX;
	w->links[link_frontend(f->index, LINK_TO_FRONTEND)].ring_max = force.active ? MIN(force.least, LINK_SLOTS)
										    : LINK_SLOTS;
}

/* --- backends -------------------------------------------------------------------------------------- */

static void agent_restarts(struct world *w, const struct config_fault *f)
{
	struct agent *fresh = w->agents[f->index] ? world_make_agent(w, f->index) : NULL;

	if (!fresh)
		return;
	w->fault_stats.agent_entries_lost += agent_stats(w->agents[f->index])->entries;
	agent_free(w->agents[f->index]);
	w->agents[f->index] = fresh;
	timers_set(&w->timers, timer_agent(w, f->index), agent_next_wake(fresh));
	/* What the stack has sent and the agent not yet seen is of those connections. */
	core_loses(w, link_backend(w, f->index, LINK_FROM_STACK));
	if (w->hooks.agent_restarted)
		w->hooks.agent_restarted(w->hooks.ctx, f->index, w->now_ns);
}

static void backend_changes(struct world *w, const struct config_fault *f)
{
	struct host *host = &w->hosts[f->index];

	host->dead = force_of(w, SIM_FAULT_BACKEND_DEAD, f->index).active;
	host->refuses = force_of(w, SIM_FAULT_BACKEND_REFUSES, f->index).active;
	host->cpu.factor = MAX(force_of(w, SIM_FAULT_BACKEND_SLOW, f->index).most, 1);
}

/* --- all of them ----------------------------------------------------------------------------------- */

static const struct fault_kind {
	enum fault_place place;
	void (*begins)(struct world *w, const struct config_fault *f);
	void (*ends)(struct world *w, const struct config_fault *f); /* NULL: nothing to restore */
} kinds[SIM_FAULT_COUNT] = {
	[SIM_FAULT_CONTROL_STALL] = { FAULT_OF_SWITCH, control_stalls, NULL },
	[SIM_FAULT_CONTROL_SLOW] = { FAULT_OF_SWITCH, control_changes, control_changes },
	[SIM_FAULT_CONTROL_REORDER] = { FAULT_OF_SWITCH, control_changes, control_changes },
	[SIM_FAULT_TABLE_FULL] = { FAULT_OF_SWITCH, control_changes, control_changes },
	[SIM_FAULT_FRONTEND_KILL] = { FAULT_OF_FRONTEND, frontend_dies, frontend_returns },
	[SIM_FAULT_FRONTEND_PAUSE] = { FAULT_OF_FRONTEND, frontend_pauses, frontend_resumes },
	[SIM_FAULT_AGENT_RESTART] = { FAULT_OF_BACKEND, agent_restarts, NULL },
	[SIM_FAULT_BACKEND_DEAD] = { FAULT_OF_BACKEND, backend_changes, backend_changes },
	[SIM_FAULT_BACKEND_SLOW] = { FAULT_OF_BACKEND, backend_changes, backend_changes },
	[SIM_FAULT_BACKEND_REFUSES] = { FAULT_OF_BACKEND, backend_changes, backend_changes },
	[SIM_FAULT_RING_FULL] = { FAULT_OF_FRONTEND, rings_change, rings_change },
};

static void fault_begins(struct world *w, struct active_fault *a)
{
	const struct fault_kind *kind = &kinds[a->fault.what];
	struct event healed = { .what = WORLD_HEALED, .where = a->number };

	w->inside = true; /* what the host asks for now must wait: a component may be at work */
	a->begun = true;
	w->fault_stats.begun[a->fault.what]++;
	kind->begins(w, &a->fault);
	w->inside = false;
	if (!kind->ends) {
		a->number = 0;
		a->begun = false;
	} else if (a->fault.for_ns && a->fault.for_ns < TIME_NEVER - w->now_ns) {
		healed.due_ns = w->now_ns + a->fault.for_ns;
		MUST(events_add(&w->events, &healed));
	}
}

static void fault_ends(struct world *w, struct active_fault *a)
{
	bool was_inside = w->inside;

	a->number = 0;
	a->begun = false;
	w->inside = true;
	kinds[a->fault.what].ends(w, &a->fault);
	w->inside = was_inside;
}

/* The fault of that number; NULL if it was healed meanwhile. */
static struct active_fault *fault_numbered(struct world *w, uint32_t number)
{
	for (unsigned i = 0; i < WORLD_FAULTS_MAX; i++)
		if (w->faults[i].number == number)
			return &w->faults[i];
	return NULL;
}

void world_fault_begins(struct world *w, const struct event *e)
{
	struct active_fault *a = fault_numbered(w, e->where);

	if (a)
		fault_begins(w, a);
}

void world_fault_ends(struct world *w, const struct event *e)
{
	struct active_fault *a = fault_numbered(w, e->where);

	if (a)
		fault_ends(w, a);
}

void world_fault(struct world *w, const struct config_fault *fault)
{
	struct active_fault *a = fault_numbered(w, 0);
	struct event begins = { .due_ns = w->now_ns, .what = WORLD_FAULT };

	MUST(fault->what < SIM_FAULT_COUNT);
	MUST(kinds[fault->what].place != FAULT_OF_FRONTEND || fault->index < w->config->frontends.count);
	MUST(kinds[fault->what].place != FAULT_OF_BACKEND || fault->index < w->config->backend_count);
	if (!a) {
		w->fault_stats.ignored++;
		return;
	}
	w->timed = true;
	*a = (struct active_fault){ .fault = *fault, .number = ++w->last_fault };
	if (kinds[fault->what].place == FAULT_OF_SWITCH)
		a->fault.index = 0;
	begins.where = a->number;
	if (w->inside)
		MUST(events_add(&w->events, &begins));
	else
		fault_begins(w, a);
}

enum fault_place world_fault_place(enum sim_fault what)
{
	MUST(what < SIM_FAULT_COUNT);
	return kinds[what].place;
}

void world_heal(struct world *w, enum sim_fault what, unsigned index)
{
	MUST(!w->inside);
	for (unsigned i = 0; i < WORLD_FAULTS_MAX; i++) {
		struct active_fault *a = &w->faults[i];

		if (a->number && a->begun && a->fault.what == what && a->fault.index == index)
			fault_ends(w, a);
	}
}

bool world_backend_refuses(const struct world *w, unsigned backend)
{
	MUST(backend < w->config->backend_count);
	return w->hosts[backend].refuses;
}

const struct world_fault_stats *world_fault_stats(const struct world *w)
{
	return &w->fault_stats;
}
