/* SPDX-License-Identifier: BSD-2-Clause */
/* script_check.c: checks of state: flow, table, agent, counters, what is left.
 *
 * Counters are rows of one table and four families that follow the X-macros of the core: drop.KEY,
 * refused.KEY, steering.ROW and fsm.STATE.EVENT. Those of front-ends and agents are sums over all of them. */
#include "script_internal.h"

#include <string.h>

#include "miresga/nearest.h"

enum counter_room {
	ROOM_SWITCH,
	ROOM_FRONTEND,
	ROOM_AGENT,
};

struct counter {
	const char *name;
	uint8_t room; /* enum counter_room */
	uint8_t size; /* of the field: 4 or 8 bytes */
	size_t at;
};

#define COUNTER(room_, prefix, type, field) \
	{ \
		.name = prefix "." #field, .room = room_, .size = sizeof(((struct type *)0)->field), \
		.at = offsetof(struct type, field) \
	}
#define SW(field) COUNTER(ROOM_SWITCH, "switch", switch_stats, field)
#define FE(field) COUNTER(ROOM_FRONTEND, "frontend", frontend_stats, field)
#define AGENT(field) COUNTER(ROOM_AGENT, "agent", agent_stats, field)

static const struct counter counters[] = {
	SW(packets),
	SW(syn_answered),
	SW(fast_path_packets),
	SW(to_frontend_packets),
	SW(routed_packets),
	SW(adds),
	SW(deletes),
	SW(add_full),
	SW(add_exists),
	SW(delete_missing),
	SW(entries),
	SW(entries_peak),
	SW(control_depth),
	FE(packets),
	FE(requests),
	FE(responses),
	FE(flows),
	FE(flows_started),
	FE(flows_closed),
	FE(flows_reset),
	FE(flows_timed_out),
	FE(special_syns),
	FE(retransmissions),
	FE(moves),
	FE(offloads_asked),
	FE(offloads_effective),
	FE(offloads_full),
	FE(untouched),
	FE(buffers_used),
	AGENT(translated_in),
	AGENT(translated_out),
	AGENT(special_syns),
	AGENT(renewed),
	AGENT(bad_tags),
	AGENT(refused_full),
	AGENT(removed_fin),
	AGENT(removed_rst),
	AGENT(removed_idle),
	AGENT(entries),
};

static const char *const drop_names[] = {
#define X(name, room, key, text) "drop." key,
	DROP_REASONS(X)
#undef X
};

static const char *const refusal_names[] = {
#define X(name, key, text) "refused." key,
	REFUSALS(X)
#undef X
};

static const void *room_stats(struct world *w, uint8_t room, unsigned i)
{
	if (room == ROOM_SWITCH)
		return switch_stats(world_switch(w));
	if (room == ROOM_FRONTEND)
		return frontend_stats(world_frontend(w, i));
	return agent_stats(world_agent(w, i));
}

static uint64_t read_counter(struct world *w, const struct counter *c)
{
	const struct config *config = world_config(w);
	unsigned parts = c->room == ROOM_SWITCH	    ? 1
			 : c->room == ROOM_FRONTEND ? config->frontends.count
						    : config->backend_count;
	uint64_t sum = 0;

	for (unsigned i = 0; i < parts; i++) {
		const char *at = (const char *)room_stats(w, c->room, i) + c->at;
		uint64_t wide;
		uint32_t narrow;

		memcpy(&wide, at, c->size == 8 ? 8 : 0);
		memcpy(&narrow, at, 4);
		sum += c->size == 8 ? wide : narrow;
	}
	return sum;
}

static uint64_t read_drops(struct world *w, unsigned reason)
{
	uint64_t sum = switch_stats(world_switch(w))->drops[reason] + world_drops(w)[reason];

	for (unsigned i = 0; i < world_config(w)->frontends.count; i++)
		sum += frontend_stats(world_frontend(w, i))->drops[reason];
	return sum;
}

static uint64_t read_refusals(struct world *w, unsigned why)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < world_config(w)->frontends.count; i++)
		sum += frontend_stats(world_frontend(w, i))->refused[why];
	return sum;
}

/* "fsm.STATE.EVENT" */
static bool find_cell(const char *name, unsigned *state, unsigned *event)
{
	char cell[64];

	for (*state = 0; *state < FSM_STATE_COUNT; (*state)++)
		for (*event = 0; *event < FSM_EVENT_COUNT; (*event)++) {
			snprintf(cell, sizeof(cell), "fsm.%s.%s", fsm_state_name(*state), fsm_event_name(*event));
			if (strcmp(cell, name) == 0)
				return true;
		}
	return false;
}

static int find_name(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

static int find_row(const char *name)
{
	for (unsigned i = 0; strncmp(name, "steering.", 9) == 0 && i < switch_steering_rows; i++)
		if (strcmp(switch_steering[i].name, name + 9) == 0)
			return (int)i;
	return -1;
}

static const struct counter *find_counter(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(counters); i++)
		if (strcmp(counters[i].name, name) == 0)
			return &counters[i];
	return NULL;
}

bool script_counter_known(const char *name)
{
	unsigned state, event;

	return find_counter(name) || find_name(drop_names, ARRAY_LEN(drop_names), name) >= 0 ||
	       find_name(refusal_names, ARRAY_LEN(refusal_names), name) >= 0 || find_row(name) >= 0 ||
	       find_cell(name, &state, &event);
}

const char *script_counter_nearest(const char *name)
{
	struct nearest near;

	nearest_init(&near, name);
	for (size_t i = 0; i < ARRAY_LEN(counters); i++)
		nearest_offer(&near, counters[i].name);
	for (size_t i = 0; i < ARRAY_LEN(drop_names); i++)
		nearest_offer(&near, drop_names[i]);
	for (size_t i = 0; i < ARRAY_LEN(refusal_names); i++)
		nearest_offer(&near, refusal_names[i]);
	return near.best;
}

static uint64_t counter_value(struct world *w, const char *name)
{
	const struct counter *c = find_counter(name);
	unsigned state, event;
	uint64_t sum = 0;
	int at;

	if (c)
		return read_counter(w, c);
	if ((at = find_name(drop_names, ARRAY_LEN(drop_names), name)) >= 0)
		return read_drops(w, (unsigned)at);
	if ((at = find_name(refusal_names, ARRAY_LEN(refusal_names), name)) >= 0)
		return read_refusals(w, (unsigned)at);
	if ((at = find_row(name)) >= 0)
		return switch_stats(world_switch(w))->steering_hits[at];
	MUST(find_cell(name, &state, &event));
	for (unsigned i = 0; i < world_config(w)->frontends.count; i++)
		sum += frontend_stats(world_frontend(w, i))->transitions[state][event];
	return sum;
}

static bool check_number(const char *what, uint64_t expected, uint64_t actual, FILE *out)
{
	if (expected != actual)
		fprintf(out, "    %-9s expected %llu, got %llu\n", what, (unsigned long long)expected,
			(unsigned long long)actual);
	return expected == actual;
}

/* The client's flow is at one front-end, if anywhere. */
static bool check_flow(struct world *w, const struct script *s, const struct script_event *e, FILE *out)
{
	enum fsm_state state = FSM_NONE;

	for (unsigned i = 0; i < s->config->frontends.count && state == FSM_NONE; i++)
		state = frontend_flow_state(world_frontend(w, i), s->clients[e->client].address);
	if (state == e->state)
		return true;
	fprintf(out, "    %-9s expected %s, got %s\n", "state", fsm_state_name(e->state), fsm_state_name(state));
	return false;
}

static bool check_table(struct world *w, const struct script *s, const struct script_event *e, FILE *out)
{
	int d = switch_lookup(world_switch(w), s->clients[e->client].address);

	if (e->lacks ? d < 0 : d >= 0 && (!e->has_value || d == (int)e->index))
		return true;
	fprintf(out, "    %-9s expected %s", "entry", e->lacks ? "none" : "one");
	if (e->has_value)
		fprintf(out, " with d=%u", e->index);
	if (d < 0)
		fputs(", got none\n", out);
	else
		fprintf(out, ", got one with d=%d\n", d);
	return false;
}

static bool check_agent(struct world *w, struct script_values *v, const struct script_event *e, FILE *out)
{
	uint32_t delta = 0;
	bool there = agent_lookup(world_agent(w, e->port.index), v->script->clients[e->client].address, &delta);

	if (there == e->lacks) {
		fprintf(out, "    %-9s expected %s, got %s\n", "pair", e->lacks ? "none" : "one with its delta",
			there ? "one" : "none");
		return false;
	}
	if (!e->has_value || script_agree(v, &e->value, NULL, delta))
		return true;
	fprintf(out, "    %-9s expected ", "delta");
	script_print_expr(out, v->script, &e->value);
	fprintf(out, ", got %u\n", delta);
	return false;
}

bool script_check(struct world *w, struct script_values *v, const struct script_event *e, FILE *out)
{
	switch (e->kind) {
	case SCRIPT_EVENT_FLOW:
		return check_flow(w, v->script, e, out);
	case SCRIPT_EVENT_TABLE:
		return check_table(w, v->script, e, out);
	case SCRIPT_EVENT_AGENT:
		return check_agent(w, v, e, out);
	case SCRIPT_EVENT_ENTRIES:
		return check_number("entries", e->number, switch_stats(world_switch(w))->entries, out);
	case SCRIPT_EVENT_COUNTER:
		return check_number("counter", e->number, counter_value(w, e->counter), out);
	default:
		return check_number("left", e->number, world_leftovers(w), out);
	}
}
