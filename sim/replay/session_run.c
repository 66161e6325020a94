/* SPDX-License-Identifier: BSD-2-Clause */
/* session_run.c: the endpoints of all conversations in the world, and their time.
 *
 * All clients live on one stack, each backend has its own. The world calls for the stack whose
 * timer is due, and for the session that has something to say. The trace is read in step with
 * virtual time; where the conversations fall behind it by more than BACKLOG_MAX, reading waits. */
#include <stdlib.h>

#include "session.h"

#define BACKLOG_MAX (UINT64_C(256) << 20)
#define CONNECTIONS_MAX (1u << 20)
/* In which the world goes on while reading waits, and after the end of the trace. */
#define PIECE_NS (10 * NS_PER_MS)
#define FINISH_PIECE_NS NS_PER_S
/* How long after the recording's end its conversations may take. */
#define FINISH_NS (3600 * NS_PER_S)
/* For the last FINs, and then for TIME-WAIT. */
#define CLOSE_NS (90 * NS_PER_S)

static unsigned clients_id(const struct replay *r)
{
	return r->config->backend_count;
}

/* In all->wakes, behind the stacks. */
static unsigned steps_id(const struct replay *r)
{
	return clients_id(r) + 1;
}

static unsigned faults_id(const struct replay *r)
{
	return clients_id(r) + 2;
}

static void sessions_tell(struct replay *r)
{
	world_host_wake(r->world, timers_due(&r->sessions->wakes));
}

static void stack_ran(struct replay *r, unsigned id)
{
	struct sessions *all = r->sessions;

	timers_set(&all->wakes, id, tcp_stack_next_wake(id == clients_id(r) ? all->clients : all->servers[id]));
	sessions_tell(r);
}

void sessions_ran(struct replay *r)
{
	for (unsigned id = 0; id <= clients_id(r); id++)
		stack_ran(r, id);
}

void sessions_wake(struct replay *r, const struct replay_flow *f, uint64_t due_ns)
{
	struct sessions *all = r->sessions;

	if (f->number >= all->due.count && timers_grow(&all->due, 2 * (f->number + 1))) {
		r->out_of_memory = true;
		return;
	}
	timers_set(&all->due, f->number, due_ns);
	timers_set(&all->wakes, steps_id(r), timers_due(&all->due));
	sessions_tell(r);
}

void sessions_settings(const struct replay_flow *f, struct tcp_settings *settings)
{
	tcp_settings_default(settings);
	if (f->syn.mss)
		settings->mss = MIN(settings->mss, MAX(f->syn.mss, TCP_MSS_DEFAULT));
	settings->wscale = f->syn.wscale;
	settings->sack = f->syn.sack_permitted;
	settings->timestamps = f->syn.has_timestamps;
	if (settings->wscale == TCP_WSCALE_NONE)
		settings->receive_buffer = MIN(settings->receive_buffer, UINT16_MAX);
}

static void faults_run(struct replay *r, uint64_t now_ns)
{
	const struct config_simulation *s = &r->config->simulation;
	struct sessions *all = r->sessions;
	uint64_t next = TIME_NEVER;

	for (unsigned i = 0; i < s->fault_count; i++) {
		uint64_t due = all->started_ns + s->faults[i].at_ns;

		if (all->faults & UINT32_C(1) << i)
			continue;
		if (due > now_ns) {
			next = MIN(next, due);
			continue;
		}
		all->faults |= UINT32_C(1) << i;
		world_fault(r->world, &s->faults[i]);
	}
	timers_set(&all->wakes, faults_id(r), next);
}

void sessions_run(void *ctx, uint64_t now_ns)
{
	struct replay *r = ctx;
	struct sessions *all = r->sessions;

	while (timers_due(&all->wakes) <= now_ns) {
		unsigned id = timers_first(&all->wakes);

		if (id <= clients_id(r)) {
			tcp_stack_timers(id == clients_id(r) ? all->clients : all->servers[id], now_ns);
		} else if (id == faults_id(r)) {
			faults_run(r, now_ns);
		} else {
			uint32_t number = timers_first(&all->due);

			timers_set(&all->due, number, TIME_NEVER);
			session_advance(r, r->flows[number]);
			timers_set(&all->wakes, id, timers_due(&all->due));
		}
		sessions_ran(r);
	}
}

void sessions_client_received(void *ctx, struct packet *p, uint64_t now_ns)
{
	struct replay *r = ctx;

	if (!r->sessions->clients)
		return;
	tcp_stack_input(r->sessions->clients, p, now_ns);
	sessions_ran(r);
}

void sessions_server_received(void *ctx, unsigned backend, struct packet *p, uint64_t now_ns)
{
	struct replay *r = ctx;

	if (!r->sessions->servers[backend])
		return;
	tcp_listen(r->sessions->servers[backend], r->config->backends[backend].address,
		   !world_backend_refuses(r->world, backend));
	tcp_stack_input(r->sessions->servers[backend], p, now_ns);
	sessions_ran(r);
}

static void host_send(void *ctx, struct packet *p, uint64_t now_ns)
{
	const struct session_host *host = ctx;
	struct replay *r = host->replay;

	(void)now_ns;
	if (host->backend == clients_id(r)) {
		r->result->injected_client++;
		world_client_sends(r->world, p);
	} else {
		r->result->injected_server++;
		world_server_sends(r->world, host->backend, p);
	}
}

/* The client's flow that is open; NULL if none is. */
static struct replay_flow *open_flow(const struct replay *r, struct endpoint client)
{
	struct replay_flow *f = replay_flow_find(r, client);

	while (f && (!f->session || f->session->phase != SESSION_OPEN))
		f = f->older;
	return f;
}

static void host_event(void *ctx, struct tcp *c, enum tcp_event e, uint64_t now_ns)
{
	const struct session_host *host = ctx;
	struct replay *r = host->replay;
	enum side side = host->backend == clients_id(r) ? SIDE_CLIENT : SIDE_SERVER;
	struct replay_flow *f = tcp_user(c);
	struct tcp_info info;

	(void)now_ns;
	if (e == TCP_EVENT_ACCEPTED) {
		tcp_info(c, &info);
		f = open_flow(r, info.remote);
		if (f && !session_accept(r, f, host->backend, c))
			f = NULL;
	}
	if (f)
		session_event(r, f, side, e);
}

/* Takes over the books of a stack, and frees it. */
static void host_close(struct replay *r, struct tcp_stack **stack)
{
	struct replay_result *result = r->result;
	const struct config_simulation *s = &r->config->simulation;
	const struct tcp_stats *stats;

	if (!*stack)
		return;
	stats = tcp_stack_stats(*stack);
	result->segments += stats->segments_out;
	result->retransmitted += stats->retransmitted;
	result->timeouts += stats->timeouts;
	if (!s->client_link.corrupt && !s->frontend_link.corrupt && !s->backend_link.corrupt)
		result->checksum_errors += stats->bad_checksums;
	tcp_stack_free(*stack);
	*stack = NULL;
}

static struct tcp_stack *host_open(struct replay *r, unsigned id)
{
	struct session_host *host = &r->sessions->hosts[id];
	struct tcp_stack_options options = {
		.pool = world_pool(r->world),
		.connections_max = CONNECTIONS_MAX,
		.ctx = host,
		.send = host_send,
		.event = host_event,
	};
	struct prng chance;

	*host = (struct session_host){ .replay = r, .backend = id };
	prng_child(&chance, r->config->seed, "session endpoints", id);
	options.seed = prng_u64(&chance);
	tcp_settings_default(&options.settings);
	return tcp_stack_create(&options);
}

void sessions_agent_restarted(void *ctx, unsigned backend, uint64_t now_ns)
{
	struct replay *r = ctx;
	struct sessions *all = r->sessions;

	(void)now_ns;
	for (uint64_t i = 0; i < r->flow_count; i++) {
		struct session *ss = r->flows[i]->session;

		if (ss && ss->end[SIDE_SERVER] && ss->backend == backend)
			session_forget_server(r->flows[i]);
	}
	host_close(r, &all->servers[backend]);
	all->servers[backend] = host_open(r, backend);
	r->out_of_memory |= !all->servers[backend];
}

int sessions_open(struct replay *r)
{
	struct sessions *all = calloc(1, sizeof(*all));
	unsigned backends = r->config->backend_count;

	if (!all)
		return -1;
	r->sessions = all;
	r->result->sessions = true;
	if (timers_init(&all->due, 1024) || timers_init(&all->wakes, faults_id(r) + 1))
		return -1;
	all->clients = host_open(r, backends);
	if (!all->clients)
		return -1;
	for (unsigned i = 0; i < backends; i++) {
		all->servers[i] = host_open(r, i);
		if (!all->servers[i] || !tcp_listen(all->servers[i], r->config->backends[i].address, true))
			return -1;
	}
	return 0;
}

void sessions_start(struct replay *r)
{
	r->sessions->started_ns = r->now_ns;
	timers_set(&r->sessions->wakes, faults_id(r), r->now_ns);
	sessions_tell(r);
}

void sessions_catch_up(struct replay *r)
{
	uint64_t last = world_now(r->world) + FINISH_NS;

	while (r->sessions->backlog > BACKLOG_MAX && world_now(r->world) < last && !replay_stopped(r))
		world_run(r->world, world_now(r->world) + PIECE_NS);
}

static void hosts_close(struct replay *r)
{
	struct sessions *all = r->sessions;

	host_close(r, &all->clients);
	for (unsigned i = 0; i < r->config->backend_count; i++)
		host_close(r, &all->servers[i]);
	world_host_wake(r->world, TIME_NEVER);
}

void sessions_finish(struct replay *r)
{
	const struct sessions *all = r->sessions;
	uint64_t last = world_now(r->world) + FINISH_NS;

	for (uint64_t i = 0; i < r->flow_count; i++)
		session_fill(r, r->flows[i]);
	while ((all->pending || all->backlog) && world_now(r->world) < last && !replay_stopped(r))
		world_run(r->world, world_now(r->world) + FINISH_PIECE_NS);
	world_run(r->world, world_now(r->world) + CLOSE_NS);
	for (uint64_t i = 0; i < r->flow_count; i++)
		if (r->flows[i]->session)
			session_end(r, r->flows[i]);
	hosts_close(r);
}

void sessions_close(struct replay *r)
{
	if (!r->sessions)
		return;
	hosts_close(r);
	timers_fini(&r->sessions->due);
	timers_fini(&r->sessions->wakes);
	free(r->sessions);
}
