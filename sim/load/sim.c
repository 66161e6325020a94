/* SPDX-License-Identifier: BSD-2-Clause */
/* sim.c: the run. Clients and servers are one component of the world: what they have to do stands
 * on an agenda, whose first time is the host's next wake.
 *
 * Life of a run: the workload's time; then no new requests, and what is under way may end; what
 * still is not through long after is broken off; then all timeouts of everybody pass, in silence;
 * then the oracle's sweep: nothing may be left. The limits of the options stop it anywhere.
 *
 * Refuses: nothing of a checked configuration but a lack of memory and files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../world/taps.h"
#include "load.h"
#include "miresga/pcapng.h"

/* What is under way when the workload's time is over has so long, beside its clients' patience. */
#define GRACE_NS (600 * NS_PER_S)
/* The most that a TCP may go on retransmitting or probing (RFC 9293 §3.8.3: at least 100 s; Linux: 924 s), in
 * TIME-WAIT, and a little. */
#define TCP_SILENCE_NS (2000 * NS_PER_S)
#define DRAIN_STEP_NS NS_PER_S
#define CONNECTIONS_SPARE 1024u
/* Calls of the stop hook between two looks at the clock of the progress line. */
#define PROGRESS_CALLS 4096u

bool is_heard(const struct tcp *tcp, uint64_t *acked)
{
	struct tcp_info info;
	uint64_t before = *acked;

	tcp_info(tcp, &info);
	*acked = info.written - info.unacked - info.unsent;
	return *acked != before;
}

void sim_schedule(struct sim *sim, struct agenda_item *item, uint64_t due_ns)
{
	if (!agenda_set(&sim->agenda, item, due_ns))
		sim->out_of_memory = true;
}

/* ------------------------------------------------------------------------------------ hooks */

static void stack_arm(struct load_stack *stack)
{
	sim_schedule(stack->sim, &stack->item, tcp_stack_next_wake(stack->tcp));
}

static void sim_arm(struct sim *sim)
{
	world_host_wake(sim->world, agenda_due(&sim->agenda));
}

static void client_received(void *ctx, struct packet *p, uint64_t now_ns)
{
	struct sim *sim = ctx;

	judge_handshake(sim, p, true);
	tcp_stack_input(sim->clients.tcp, p, now_ns);
	stack_arm(&sim->clients);
	sim_arm(sim);
}

static void server_received(void *ctx, unsigned backend, struct packet *p, uint64_t now_ns)
{
	struct sim *sim = ctx;
	struct load_stack *stack = &sim->servers[backend];
	bool refuses = world_backend_refuses(sim->world, backend);

	if (UNLIKELY(refuses != stack->refuses)) {
		stack->refuses = refuses;
		tcp_listen(stack->tcp, sim->config->backends[backend].address, !refuses);
	}
	judge_handshake(sim, p, false);
	tcp_stack_input(stack->tcp, p, now_ns);
	stack_arm(stack);
	sim_arm(sim);
}

static void client_sends(void *ctx, struct packet *p, uint64_t now_ns)
{
	struct load_stack *stack = ctx;

	(void)now_ns;
	world_client_sends(stack->sim->world, p);
}

static void server_sends(void *ctx, struct packet *p, uint64_t now_ns)
{
	struct load_stack *stack = ctx;

	(void)now_ns;
	world_server_sends(stack->sim->world, stack->backend, p);
}

static void sample_due(struct sim *sim, uint64_t now_ns)
{
	uint64_t step = sim->config->simulation.duration_ns / SIM_SAMPLES;

	books_sample(sim, now_ns);
	if (sim->result->sample_count < SIM_SAMPLES)
		sim_schedule(sim, &sim->sample, now_ns + MAX(step, 1));
}

/* The stack's work makes work for itself: what it sends, what an application asks of it. */
static void item_due(struct sim *sim, struct agenda_item *item, uint64_t now_ns)
{
	switch (item->kind) {
	case AGENDA_STACK:
		tcp_stack_timers(((struct load_stack *)(void *)item)->tcp, now_ns);
		stack_arm((struct load_stack *)(void *)item);
		break;
	case AGENDA_CLIENT:
		client_timer(sim, (struct client *)(void *)item, now_ns);
		stack_arm(&sim->clients);
		break;
	case AGENDA_ARRIVAL:
		arrival_timer((struct arrivals *)(void *)item, now_ns);
		stack_arm(&sim->clients);
		break;
	case AGENDA_SERVING: {
		struct load_stack *stack = ((struct serving *)(void *)item)->stack;

		serving_timer((struct serving *)(void *)item, now_ns);
		stack_arm(stack);
		break;
	}
	case AGENDA_FAULT:
		world_fault(sim->world, ((struct planned_fault *)(void *)item)->fault);
		break;
	default:
		sample_due(sim, now_ns);
		break;
	}
}

/* One item: what it lets out into the world goes first. */
static void wake(void *ctx, uint64_t now_ns)
{
	struct sim *sim = ctx;
	struct agenda_item *item = agenda_take(&sim->agenda, now_ns);

	if (item)
		item_due(sim, item, now_ns);
	sim_arm(sim);
}

bool sim_links_corrupt(const struct config_simulation *s)
{
	return s->client_link.corrupt || s->frontend_link.corrupt || s->backend_link.corrupt;
}

static void tap(void *ctx, enum tap_kind kind, unsigned index, bool towards_server, const uint8_t *frame, uint32_t len,
		const struct packet *p, uint64_t now_ns)
{
	struct sim *sim = ctx;
	const struct config_simulation *s = &sim->config->simulation;
	const struct tap_sight sight = { .config = sim->config,
					 .kind = kind,
					 .index = index,
					 .towards_server = towards_server,
					 .frame = frame,
					 .len = len,
					 .packet = p };

	if (sim->pcapng)
		taps_write(sim->pcapng, &sight, now_ns);
	if (sim_links_corrupt(s))
		return;
	sim->result->verified++;
	if (taps_checksums_hold(&sight))
		return;
	judge_violation(sim, SIM_VIOLATION_CHECKSUM, (struct endpoint){ .zero = 0 },
			"tap %u of kind %u: a packet of %u bytes has a wrong checksum", index, (unsigned)kind, len);
}

static struct agent *make_agent(void *ctx, const struct config *config, unsigned index)
{
	struct sim *sim = ctx;

	return sim->options->agent(config, index, sim->agent_error);
}

static bool stop(void *ctx)
{
	struct sim *sim = ctx;
	const struct sim_options *o = sim->options;

	if (o->progress && ++sim->stop_calls % PROGRESS_CALLS == 0)
		o->progress(o->progress_ctx, world_now(sim->world), sim->config->simulation.duration_ns,
			    world_events(sim->world));
	if (o->stop && *o->stop)
		sim->result->interrupted = true;
	if (o->violations_max && sim->result->violation_count >= o->violations_max)
		sim->result->limit = true;
	if (o->events_max && world_events(sim->world) >= o->events_max)
		sim->result->limit = true;
	return sim->result->interrupted || sim->result->limit || sim->out_of_memory;
}

/* ------------------------------------------------------------------------------- life cycle */

/* Number 0: the clients', then the servers'. */
static int stack_init(struct sim *sim, struct load_stack *stack, uint32_t number)
{
	bool is_client = number == 0;
	struct tcp_stack_options options = {
		.pool = world_pool(sim->world),
		.connections_max = sim->connections_max,
		.ctx = stack,
		.ports = sim->config->simulation.client_ports,
		.send = is_client ? client_sends : server_sends,
		.event = is_client ? client_event : server_event,
	};
	struct prng prng;

	/* A stack that starts again has other initial sequence numbers. */
	prng_child(&prng, sim->config->seed, "tcp", number + stack->starts++ * (BACKENDS_MAX + 1));
	options.seed = prng_u64(&prng);
	tcp_settings_default(&options.settings);
	stack->item.kind = AGENDA_STACK;
	stack->sim = sim;
	stack->backend = is_client ? 0 : number - 1;
	stack->tcp = tcp_stack_create(&options);
	if (!stack->tcp)
		return -1;
	return is_client || tcp_listen(stack->tcp, sim->config->backends[number - 1].address, true) ? 0 : -1;
}

/* Who had connections there has none any more; a RST answers what still comes for them. */
static void agent_restarted(void *ctx, unsigned backend, uint64_t now_ns)
{
	struct sim *sim = ctx;
	struct load_stack *stack = &sim->servers[backend];

	(void)now_ns;
	servings_forget(stack);
	books_stack(sim, stack);
	tcp_stack_free(stack->tcp);
	stack->refuses = false;
	if (stack_init(sim, stack, backend + 1))
		sim->out_of_memory = true;
	else
		stack_arm(stack);
}

static int stacks_init(struct sim *sim)
{
	const struct config *c = sim->config;
	uint64_t connections = 0;

	for (unsigned i = 0; i < c->simulation.workload_count; i++)
		connections += c->simulation.workloads[i].connections;
	/* As many again in TIME-WAIT, or lingering at a server after the client has left. */
	sim->connections_max = (uint32_t)(2 * connections + CONNECTIONS_SPARE);
	sim->servers = calloc(c->backend_count, sizeof(*sim->servers));
	if (!sim->servers || stack_init(sim, &sim->clients, 0))
		return -1;
	for (unsigned i = 0; i < c->backend_count; i++)
		if (stack_init(sim, &sim->servers[i], i + 1))
			return -1;
	return 0;
}

static int sim_init(struct sim *sim, char error[SIM_ERROR_MAX])
{
	const struct config_simulation *s = &sim->config->simulation;
	bool taps = sim->options->taps || sim->options->pcapng;
	const struct world_hooks hooks = {
		.ctx = sim,
		.client_received = client_received,
		.server_received = server_received,
		.notice = judge_notice,
		.agent = sim->options->agent ? make_agent : NULL,
		.tap = taps ? tap : NULL,
		.agent_restarted = agent_restarted,
		.control = judge_control,
		.lost = judge_lost,
		.agent_misled = sim_links_corrupt(s) ? judge_misled : NULL,
		.wake = wake,
		.simulated = true,
		.stop = stop,
	};

	sim->sample.kind = AGENDA_SAMPLE;
	for (unsigned i = 0; i < s->workload_count; i++)
		sim->patience_ns = MAX(sim->patience_ns,
				       workload_think_ns(&s->workloads[i]) + s->workloads[i].timeout_ns);
	if (exchange_plan_init(&sim->plan, sim->config, error) || clients_init(sim, error))
		return -1;
	if (sim->options->pcapng && !(sim->pcapng = taps_open(sim->config, sim->options->pcapng, "miresga sim", error)))
		return -1;
	snprintf(error, SIM_ERROR_MAX, "out of memory");
	sim->world = world_create(sim->config, &hooks);
	if (sim->agent_error[0])
		snprintf(error, SIM_ERROR_MAX, "%s", sim->agent_error);
	return sim->world && books_init(sim) == 0 && stacks_init(sim) == 0 ? 0 : -1;
}

static void sim_fini(struct sim *sim)
{
	for (unsigned i = 0; sim->servers && i < sim->config->backend_count; i++)
		tcp_stack_free(sim->servers[i].tcp);
	tcp_stack_free(sim->clients.tcp);
	servings_fini(sim);
	world_free(sim->world);
	clients_fini(sim);
	books_fini(sim);
	exchange_plan_fini(&sim->plan);
	agenda_fini(&sim->agenda);
	free(sim->servers);
}

static bool is_stopped(struct sim *sim)
{
	return stop(sim);
}

/* Runs until `until_ns`, or until no client is under way if `idle` says so. */
static void drain(struct sim *sim, uint64_t until_ns)
{
	while (sim->active > 0 && world_now(sim->world) < until_ns && !is_stopped(sim))
		world_run(sim->world, MIN(world_now(sim->world) + DRAIN_STEP_NS, until_ns));
}

static void play(struct sim *sim)
{
	uint64_t duration = sim->config->simulation.duration_ns;

	for (unsigned i = 0; i < sim->config->simulation.fault_count; i++) {
		sim->faults[i].item.kind = AGENDA_FAULT;
		sim->faults[i].fault = &sim->config->simulation.faults[i];
		sim_schedule(sim, &sim->faults[i].item, sim->faults[i].fault->at_ns);
	}
	clients_start(sim);
	sim_schedule(sim, &sim->sample, MAX(duration / SIM_SAMPLES, 1));
	sim_arm(sim);
	world_run(sim->world, duration);
	books_close(sim, world_now(sim->world));
	if (is_stopped(sim))
		return;
	clients_end(sim, world_now(sim->world));
	stack_arm(&sim->clients);
	sim_arm(sim);
	drain(sim, duration + GRACE_NS + sim->patience_ns);
	if (is_stopped(sim))
		return;
	clients_cut(sim, world_now(sim->world));
	stack_arm(&sim->clients);
	sim_arm(sim);
	world_run(sim->world,
		  world_now(sim->world) + sim->patience_ns + TCP_SILENCE_NS + config_longest_timeout(sim->config));
}

int sim_run(const struct config *config, const struct sim_options *options, struct sim_result *result,
	    char error[SIM_ERROR_MAX])
{
	struct sim *sim = calloc(1, sizeof(*sim));
	int rc = -1;

	memset(result, 0, sizeof(*result));
	if (!sim) {
		snprintf(error, SIM_ERROR_MAX, "out of memory");
		return -1;
	}
	sim->config = config;
	sim->options = options;
	sim->result = result;
	if (config->simulation.workload_count == 0) {
		snprintf(error, SIM_ERROR_MAX,
			 "%s: no simulation.workloads: there is nobody who would ask for anything", config->file);
	} else if (sim_init(sim, error) == 0) {
		play(sim);
		if (!is_stopped(sim))
			judge_sweep(sim);
		books_finish(sim);
		if (result->limit && options->events_max && result->events >= options->events_max)
			judge_violation(sim, SIM_VIOLATION_OVERRUN, (struct endpoint){ .zero = 0 },
					"%llu events at %.6f s", (unsigned long long)result->events,
					(double)world_now(sim->world) / 1e9);
		rc = sim->out_of_memory ? -1 : 0;
		snprintf(error, SIM_ERROR_MAX, "out of memory");
	}
	if (sim->pcapng && pcapng_close(sim->pcapng, result->output_error) && rc)
		snprintf(error, SIM_ERROR_MAX, "%s", result->output_error);
	sim_fini(sim);
	free(sim);
	return rc;
}

uint64_t sim_responses(const struct sim_result *result)
{
	return result->class_count ? result->classes[result->class_count - 1].count : 0;
}

bool sim_failed(const struct sim_result *result)
{
	return result->violation_count > 0 || result->output_error[0];
}
