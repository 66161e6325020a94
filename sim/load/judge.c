/* SPDX-License-Identifier: BSD-2-Clause */
/* judge.c: the oracle: what must never be, whatever the world does.
 *
 * Bytes, order and backends have no excuse. The end of a connection has one if the plan of the
 * workload asked for it, if a front-end said why, if an endpoint's TCP gave up, or if something
 * has gone wrong in the world: a fault has begun, or more was lost than TCP is made for. What is
 * not excused is a violation. At the very end nothing may be left.
 *
 * It only watches: nothing of the run depends on what it finds, but that a connection with wrong
 * bytes is broken off. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../tcp/segment.h"
#include "load.h"

void judge_violation(struct sim *sim, enum sim_violation_kind kind, struct endpoint client, const char *format, ...)
{
	struct sim_result *r = sim->result;
	struct sim_violation *v = &r->violation[r->kept];
	va_list args;

	r->violations[kind]++;
	r->violation_count++;
	if (r->kept == SIM_VIOLATIONS_KEPT)
		return;
	r->kept++;
	*v = (struct sim_violation){ .kind = kind, .time_ns = world_now(sim->world), .client = client };
	va_start(args, format);
	vsnprintf(v->text, sizeof(v->text), format, args);
	va_end(args);
}

/* What a fault may do to a connection beside delaying it. Whoever has lost all it knew cannot end it in order; an
 * outage holds it up as long as it lasts. The switch's control plane has no part in a connection's life: its faults
 * excuse nothing. */
static const struct {
	bool resets;  /* and refuses */
	bool forgets; /* the other side may be silent for ever */
	bool stalls;  /* while it lasts */
} excuses[SIM_FAULT_COUNT] = {
	[SIM_FAULT_FRONTEND_KILL] = { .resets = true, .forgets = true, .stalls = true },
	[SIM_FAULT_FRONTEND_PAUSE] = { .stalls = true },
	[SIM_FAULT_AGENT_RESTART] = { .resets = true, .forgets = true },
	[SIM_FAULT_BACKEND_DEAD] = { .stalls = true },
	[SIM_FAULT_BACKEND_SLOW] = { .stalls = true },
	[SIM_FAULT_BACKEND_REFUSES] = { .resets = true },
	[SIM_FAULT_RING_FULL] = { .stalls = true },
};

/* Has a fault begun that resets connections? */
static bool fault_resets(const struct sim *sim, uint64_t now_ns)
{
	const struct config_simulation *s = &sim->config->simulation;

	for (unsigned i = 0; i < s->fault_count; i++)
		if (s->faults[i].at_ns <= now_ns && excuses[s->faults[i].what].resets)
			return true;
	return false;
}

/* Is a fault to blame that nothing has come since `since_ns`? An outage is if it took a good part of that time: who
 * retransmits doubles his waiting again and again, and goes on doing so when it is over. */
static bool fault_stalls(const struct sim *sim, uint64_t since_ns, uint64_t now_ns)
{
	const struct config_simulation *s = &sim->config->simulation;

	for (unsigned i = 0; i < s->fault_count; i++) {
		const struct config_fault *f = &s->faults[i];
		uint64_t end = f->for_ns ? f->at_ns + f->for_ns : TIME_NEVER;
		uint64_t from = MAX(f->at_ns, since_ns), to = MIN(end, now_ns);

		if (f->at_ns <= now_ns && excuses[f->what].forgets)
			return true;
		if (excuses[f->what].stalls && to > from && to - from > (now_ns - since_ns) / 16)
			return true;
	}
	return false;
}

/* Has there been an outage in that time, however short? */
static bool fault_touches(const struct sim *sim, uint64_t since_ns, uint64_t now_ns)
{
	const struct config_simulation *s = &sim->config->simulation;

	for (unsigned i = 0; i < s->fault_count; i++) {
		const struct config_fault *f = &s->faults[i];

		if (excuses[f->what].stalls && f->at_ns <= now_ns && (!f->for_ns || f->at_ns + f->for_ns > since_ns))
			return true;
	}
	return false;
}

/* Losses that TCP gets over in time: on a link, one packet in so many. */
#define LOSS_BEARABLE 20

/* What was lost on links, in rings and queues. */
struct losses {
	uint64_t lost;
	bool rough; /* so much on one link, or by something too small for the load, that connections may well break */
};

static void losses_add(struct losses *sum, uint64_t lost, uint64_t of)
{
	sum->lost += lost;
	sum->rough |= lost * LOSS_BEARABLE > of;
}

static struct losses losses_of(const struct sim *sim)
{
	const uint64_t *drops = world_drops(sim->world);
	struct losses sum = { .lost = drops[DROP_RING_FULL] + drops[DROP_NO_PACKET] + drops[DROP_DOWN],
			      .rough = drops[DROP_NO_PACKET] > 0 };

	for (unsigned tap = TAP_CLIENT; tap <= TAP_WIRE; tap++)
		for (unsigned up = 0; up < 2; up++) {
			struct link_stats l;

			world_link_stats(sim->world, tap, up, &l);
			losses_add(&sum, l.lost + l.corrupted + l.queue_drops, l.packets);
		}
	for (unsigned i = 0; i < sim->config->frontends.count; i++) {
		const struct frontend_stats *f = frontend_stats(world_frontend(sim->world, i));
		const struct cpu_stats *core = world_frontend_cpu(sim->world, i);

		losses_add(&sum, core->drops, core->packets);
		sum.rough |= f->drops[DROP_FLOW_TABLE_FULL] || f->drops[DROP_NO_BUFFER];
	}
	for (unsigned i = 0; i < sim->config->backend_count; i++) {
		const struct cpu_stats *core = world_server_cpu(sim->world, i);

		losses_add(&sum, core->drops, core->packets);
		sum.rough |= agent_stats(world_agent(sim->world, i))->refused_full > 0;
	}
	return sum;
}

static bool is_rough(const struct sim *sim)
{
	return losses_of(sim).rough;
}

/* The server broke off, as the workload wants, and the client may not have heard of it: nobody sends a RST again. */
static bool is_unheard_reset(const struct sim *sim, const struct client *c)
{
	return client_reset_planned(sim, c) && losses_of(sim).lost > 0;
}

static bool is_lossless(const struct sim *sim)
{
	const struct config_simulation *s = &sim->config->simulation;
	const struct config_link *links[] = { &s->client_link, &s->frontend_link, &s->backend_link };

	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (links[i]->loss || links[i]->corrupt)
			return false;
	return true;
}

/* The front-end has let a silent flow go. It may be silent while its ends wait for a retransmission; where nothing is
 * lost it has no cause to be. */
static bool is_let_go(const struct sim *sim, const struct client *c, uint64_t now_ns)
{
	return c->let_go && (!is_lossless(sim) || fault_touches(sim, c->started_ns, now_ns));
}

/* As above, by agents: they have reaped silent pairs, none has one of this client, and it was silent for so long. */
static bool is_pair_let_go(const struct sim *sim, const struct client *c, uint64_t now_ns)
{
	uint64_t reaped = 0;
	uint32_t delta;

	if (now_ns - c->progress_ns < sim->config->timeouts.established_ns)
		return false;
	for (unsigned i = 0; i < sim->config->backend_count; i++) {
		const struct agent *a = world_agent(sim->world, i);

		if (agent_lookup(a, c->local, &delta))
			return false;
		reaped += agent_stats(a)->removed_idle;
	}
	return reaped > 0 && (!is_lossless(sim) || fault_touches(sim, c->started_ns, now_ns));
}

/* What is longer than this may outlast a retransmission timer, at six passages of links before the first answer. */
#define SMOOTH_DELAY_NS (2 * NS_PER_MS)
#define SMOOTH_RATE UINT64_C(10000000000) /* where the slow path queues, the fast path overtakes it by a window */
#define SMOOTH_CORE_NS (5 * NS_PER_US)

static bool is_smooth_link(const struct config_link *l)
{
	return l->delay_ns <= SMOOTH_DELAY_NS && (l->rate == 0 || l->rate >= SMOOTH_RATE) &&
	       !(l->loss | l->duplicate | l->reorder | l->spike | l->corrupt);
}

/* May the fast path overtake the slow one by more than a window? An acknowledgement is so old then that the server
 * refuses the request which carries it (RFC 5961 §5.2). */
static bool is_overtaking(const struct config_simulation *s)
{
	uint64_t slow = s->frontend_link.rate, fast = UINT64_MAX;
	const struct config_link *ends[] = { &s->client_link, &s->backend_link };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		fast = ends[i]->rate ? MIN(fast, ends[i]->rate) : fast;
	return (slow && slow < fast) || s->frontend_link.delay_ns + s->frontend_cpu.packet_ns >
						s->client_link.delay_ns + s->backend_link.delay_ns;
}

/* Is there nothing in the world for which TCP would have to send anything twice? A flow that moves to another pool may
 * wait for longer than a timer. */
static bool is_smooth(const struct sim *sim)
{
	const struct config *c = sim->config;
	const struct config_simulation *s = &c->simulation;
	const struct losses losses = losses_of(sim);

	return c->pool_count == 1 && s->fault_count == 0 && losses.lost == 0 && !losses.rough &&
	       is_smooth_link(&s->client_link) && is_smooth_link(&s->frontend_link) &&
	       is_smooth_link(&s->backend_link) && !is_overtaking(s) &&
	       s->frontend_cpu.packet_ns + s->frontend_cpu.kib_ns <= SMOOTH_CORE_NS &&
	       s->server_cpu.packet_ns + s->server_cpu.kib_ns <= SMOOTH_CORE_NS;
}

/* What a sender waits before he repeats something for the first time, and the second. */
#define FIRST_TIMEOUTS_NS (4 * NS_PER_S)

/* Since it last got something, a packet of its own was lost: whoever sent it doubles his waiting each time, perhaps
 * ever since the connection began (RFC 6298 §5: what was sent twice is no measure). That is no excuse for a silence
 * which has become longer than this makes it. */
static bool is_waiting(const struct client *c, uint64_t now_ns)
{
	return c->lost_ns > 0 && c->lost_ns >= c->progress_ns &&
	       now_ns - c->lost_ns <= 2 * (c->lost_ns - c->started_ns) + FIRST_TIMEOUTS_NS;
}

static const char *why_refused(const struct client *c)
{
	return c->refusal ? refusal_key(c->refusal) : "none";
}

/* May a connection stand still for so long? */
static bool may_hang(const struct sim *sim, const struct client *c, uint64_t now_ns)
{
	return c->refusal || is_let_go(sim, c, now_ns) || is_pair_let_go(sim, c, now_ns) ||
	       fault_stalls(sim, c->started_ns, now_ns) || is_unheard_reset(sim, c) || c->misled ||
	       is_waiting(c, now_ns) || is_rough(sim);
}

void judge_given_up(struct sim *sim, const struct serving *s, uint64_t now_ns)
{
	struct client *c = client_find(sim, s->client);

	if (!c || !s->known || c->connection != s->connection)
		return;
	c->given_up = true;
	if (!may_hang(sim, c, now_ns))
		judge_violation(sim, SIM_VIOLATION_HANG, c->local,
				"%s waited %.6f s for its client, %u of %u requests answered",
				sim->config->backends[s->stack->backend].name, (double)(now_ns - s->progress_ns) / 1e9,
				c->answered, c->sent);
}

void judge_ended(struct sim *sim, const struct client *c, enum sim_outcome outcome, uint64_t now_ns)
{
	double seconds = (double)(now_ns - c->started_ns) / 1e9;

	switch (outcome) {
	case SIM_OUTCOME_RESET:
		/* The front-end resets what it must give up, and says so; a server that gave up answers with a RST. */
		if (c->refusal || c->given_up || sim->server_timeouts || is_let_go(sim, c, now_ns) ||
		    fault_resets(sim, now_ns) || c->misled || is_rough(sim))
			return;
		judge_violation(
			sim, SIM_VIOLATION_RESET, c->local,
			"reset %.6f s after its start, %u of %u requests answered, byte %llu of the next response",
			seconds, c->answered, c->sent, (unsigned long long)c->read_at);
		return;
	case SIM_OUTCOME_TIMED_OUT:
	case SIM_OUTCOME_GAVE_UP:
		if (may_hang(sim, c, now_ns))
			return;
		judge_violation(
			sim, SIM_VIOLATION_HANG, c->local,
			"%s %.6f s after its start, %.6f s after the last byte: %u of %u requests answered, byte "
			"%llu of the next response",
			sim_outcome_text(outcome), seconds, (double)(now_ns - c->progress_ns) / 1e9, c->answered,
			c->sent, (unsigned long long)c->read_at);
		return;
	case SIM_OUTCOME_CLOSED:
		if (c->peer_closed || fault_resets(sim, now_ns) || is_rough(sim))
			return;
		judge_violation(sim, SIM_VIOLATION_TRUNCATED, c->local, "ended with %u of %u requests answered",
				c->answered, c->sent);
		return;
	default:
		return;
	}
}

static bool is_member(const struct config *c, unsigned pool, unsigned backend)
{
	for (unsigned i = 0; pool < c->pool_count && i < c->pools[pool].member_count; i++)
		if (c->pools[pool].members[i] == backend)
			return true;
	return false;
}

/* May the front-end answer so? */
static bool refusal_is_due(const struct sim *sim, const struct client *c)
{
	unsigned expected = exchange_target(&sim->plan, &c->asked)->expected_status;
	uint64_t now_ns = world_now(sim->world);

	if (expected != 200 && c->status == expected)
		return true;
	/* Of the others only these may come by chance: a backend that refuses or is silent, a request that takes too
	 * long. */
	return c->refusal && (c->status == 408 || c->status == 503 || c->status == 504) &&
	       (!is_lossless(sim) || fault_resets(sim, now_ns) || fault_stalls(sim, c->started_ns, now_ns) ||
		is_rough(sim));
}

bool judge_response_start(struct sim *sim, struct client *c)
{
	const struct exchange_target *t = exchange_target(&sim->plan, &c->asked);

	if (!c->response.head) {
		judge_violation(sim, SIM_VIOLATION_RESPONSE_BYTES, c->local, "response %u begins with \"%.*s\"",
				c->asked.number, RESPONSE_START, c->start);
		return false;
	}
	if (c->status != 200) {
		if (refusal_is_due(sim, c))
			return true;
		judge_violation(sim, SIM_VIOLATION_REFUSAL, c->local,
				"request %u was answered with %u, expected %u (%s)", c->asked.number, c->status,
				t->expected_status, why_refused(c));
		return false;
	}
	if (t->expected_status != 200) {
		judge_violation(sim, SIM_VIOLATION_REFUSAL, c->local, "request %u was served, expected %u",
				c->asked.number, t->expected_status);
		return false;
	}
	if (c->backend >= sim->config->backend_count || !is_member(sim->config, t->pool, c->backend) ||
	    (c->last_pool == t->pool && c->last_backend != c->backend)) {
		judge_violation(sim, SIM_VIOLATION_WRONG_BACKEND, c->local,
				"response %u is backend %u's, expected %s of pool %s", c->asked.number, c->backend,
				c->last_pool == t->pool ? "that of the response before" : "one",
				sim->config->pools[t->pool].name);
		return false;
	}
	return true;
}

bool judge_request(struct sim *sim, const struct serving *s, const struct exchange *x)
{
	const struct exchange_target *t = exchange_target(&sim->plan, x);
	const struct client *c = client_find(sim, s->client);
	unsigned backend = s->stack->backend;

	if (t->expected_status != 200 || !is_member(sim->config, t->pool, backend)) {
		judge_violation(sim, SIM_VIOLATION_WRONG_BACKEND, s->client,
				"request %u reached %s, which no rule chose", x->number,
				sim->config->backends[backend].name);
		return false;
	}
	if (s->known && (x->connection != s->connection || x->number <= s->number)) {
		judge_violation(
			sim, SIM_VIOLATION_ORDER, s->client, "%s got request %u of connection %u behind %u of %u",
			sim->config->backends[backend].name, x->number, x->connection, s->number, s->connection);
		return false;
	}
	/* The client may have left; then it is known no more, or the next one has its port. */
	if (c && c->connection == x->connection && x->number >= c->sent) {
		judge_violation(sim, SIM_VIOLATION_ORDER, s->client, "%s got request %u, its client sent %u so far",
				sim->config->backends[backend].name, x->number, c->sent);
		return false;
	}
	return true;
}

void judge_notice(void *ctx, const struct frontend_notice *n, uint64_t now_ns)
{
	struct sim *sim = ctx;
	struct client *c;

	(void)now_ns;
	if (n->kind == NOTICE_REFUSED)
		sim->result->refused[n->refusal]++;
	if (n->kind != NOTICE_REFUSED && n->kind != NOTICE_OFFLOADED && n->kind != NOTICE_TIMED_OUT)
		return;
	c = client_find(sim, n->client);
	if (!c)
		return;
	if (n->kind == NOTICE_REFUSED)
		c->refusal = n->refusal;
	else if (n->kind == NOTICE_TIMED_OUT)
		c->let_go = true;
	else
		c->offloaded = true;
}

void judge_control(void *ctx, const struct control_op *op, const struct control_reply *reply, uint64_t now_ns)
{
	struct sim *sim = ctx;
	struct client *c = client_find(sim, op->client);

	(void)now_ns;
	if (!c)
		return;
	if (reply) {
		c->entry = op->kind == CONTROL_ADD && reply->status != CONTROL_FULL;
		return;
	}
	if (op->kind == CONTROL_DELETE && c->entry && switch_lookup(world_switch(sim->world), c->local) < 0)
		judge_violation(sim, SIM_VIOLATION_TABLE, c->local,
				"front-end %u has an entry deleted that it was told of, and that is not there",
				op->frontend);
	c->entry &= op->kind != CONTROL_DELETE;
}

void judge_lost(void *ctx, struct endpoint client, uint64_t now_ns)
{
	struct client *c = client_find(ctx, client);

	if (c)
		c->lost_ns = now_ns;
}

void judge_misled(void *ctx, struct endpoint client, uint64_t now_ns)
{
	struct client *c = client_find(ctx, client);

	(void)now_ns;
	if (c)
		c->misled = true;
}

void judge_handshake(struct sim *sim, const struct packet *p, bool at_client)
{
	const struct tcp_options *o;
	const struct client *c;
	struct segment s;

	/* The PHV's numbers may still be those of the packet that this one was made of; what is damaged nobody reads.
	 */
	if (LIKELY(!(packet_tcp(p)->flags & TCP_SYN)) ||
	    !segment_parse(&s, p->data + p->phv.l3_at, p->len - p->phv.l3_at) ||
	    !segment_checksums_right(s.ip, s.tcp_at))
		return;
	c = client_find(sim, at_client ? s.dst : s.src);
	o = &s.options;
	if (c && c->plan.plain && (o->wscale != TCP_WSCALE_NONE || o->sack_permitted || o->has_timestamps))
		judge_violation(sim, SIM_VIOLATION_OPTIONS, c->local,
				"at the %s: window scale %s, SACK %s, timestamps %s; the client "
				"offered none of them",
				at_client ? "client" : "server", o->wscale != TCP_WSCALE_NONE ? "yes" : "no",
				o->sack_permitted ? "yes" : "no", o->has_timestamps ? "yes" : "no");
}

static void sweep_stack(struct sim *sim, const struct load_stack *stack, const char *who, bool corrupts)
{
	const struct tcp_stats *st = tcp_stack_stats(stack->tcp);
	uint32_t left = tcp_stack_leftovers(stack->tcp);
	struct endpoint none = { .zero = 0 };

	if (left)
		judge_violation(sim, SIM_VIOLATION_LEFTOVER, none, "%s: %u TCP connections left", who, left);
	if (st->bad_checksums && !corrupts)
		judge_violation(sim, SIM_VIOLATION_CHECKSUM, none, "%s got %llu segments with a wrong checksum", who,
				(unsigned long long)st->bad_checksums);
}

void judge_sweep(struct sim *sim)
{
	const struct config_simulation *s = &sim->config->simulation;
	bool corrupts = sim_links_corrupt(s);
	struct endpoint none = { .zero = 0 };
	uint64_t left = world_leftovers(sim->world);
	const struct switch_stats *sw = switch_stats(world_switch(sim->world));
	uint64_t flows = 0, agents = 0;

	sweep_stack(sim, &sim->clients, "the clients", corrupts);
	if (tcp_stack_stats(sim->clients.tcp)->timeouts && is_smooth(sim))
		judge_violation(sim, SIM_VIOLATION_STALL, none, "the clients' retransmission timers expired %llu times",
				(unsigned long long)tcp_stack_stats(sim->clients.tcp)->timeouts);
	for (unsigned i = 0; i < sim->config->backend_count; i++) {
		sweep_stack(sim, &sim->servers[i], sim->config->backends[i].name, corrupts);
		agents += agent_stats(world_agent(sim->world, i))->entries;
	}
	for (unsigned i = 0; i < sim->config->frontends.count; i++)
		flows += frontend_stats(world_frontend(sim->world, i))->flows;
	if (left)
		judge_violation(
			sim, SIM_VIOLATION_LEFTOVER, none,
			"%llu left: %llu flows, %u table entries, %u waiting operations, %llu agent entries, %u "
			"packets",
			(unsigned long long)left, (unsigned long long)flows, sw->entries, sw->control_depth,
			(unsigned long long)agents, packet_pool_used(world_pool(sim->world)));
}
