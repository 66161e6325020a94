/* SPDX-License-Identifier: BSD-2-Clause */
/* script_fault.c: the statements of a script that let something go wrong, and set it right again.
 *
 *   kill fe0 [TIME]                           a front-end loses all it knows
 *   pause fe0 [TIME]                          it does nothing
 *   backend NAME down|refuses|up [TIME]       a backend's host is silent, or resets every SYN, or works again
 *   fault KEY [PLACE] [factor N] [TIME]       any of SIM_FAULTS by its key
 *   heal KEY [PLACE]                          ends it
 *
 * Without a time a fault lasts until it is healed. What each does is docs/faults.md's to say. */
#include <string.h>

#include "miresga/nearest.h"
#include "script_internal.h"

static const char *const fault_keys[SIM_FAULT_COUNT] = {
#define X(name, key, text) [SIM_FAULT_##name] = key,
	SIM_FAULTS(X)
#undef X
};

/* fe0 or be0, web1: as the fault concerns one or the other. */
static bool parse_place(struct script_cursor *c, struct config_fault *f)
{
	const struct config *config = c->script->config;
	bool backend = world_fault_place(f->what) == FAULT_OF_BACKEND;
	char word[CONFIG_NAME_MAX], port[CONFIG_NAME_MAX + 8];
	struct script_port found;
	const char *start;

	if (world_fault_place(f->what) == FAULT_OF_SWITCH)
		return true;
	script_skip_blanks(c);
	start = c->at;
	if (!script_word(c, backend ? "a backend" : "a front-end", word, sizeof(word)))
		return false;
	snprintf(port, sizeof(port), "%s%s", word, backend ? ".wire" : "");
	if (!script_port_word(c->script, port, &found) || found.tap != (backend ? TAP_WIRE : TAP_FRONTEND))
		return script_error(
			c, start, "there is no %s '%s'; expected %s%s%u%s", backend ? "backend" : "front-end", word,
			backend ? "be0 to " : "fe0 to ", backend ? "be" : "fe",
			(backend ? config->backend_count : config->frontends.count) - 1u, backend ? ", or a name" : "");
	f->index = found.index;
	return true;
}

/* [TIME], and the end of the line */
static bool parse_rest(struct script_cursor *c, struct script_event *e)
{
	e->kind = SCRIPT_EVENT_FAULT;
	if (!script_at_end(c) && !script_duration(c, &e->fault.for_ns))
		return false;
	return script_end_of_line(c);
}

static bool parse_frontend_fault(struct script_cursor *c, struct script_event *e, enum sim_fault what)
{
	e->fault.what = what;
	return script_need_config(c) && parse_place(c, &e->fault) && parse_rest(c, e);
}

bool script_parse_kill(struct script_cursor *c, struct script_event *e)
{
	return parse_frontend_fault(c, e, SIM_FAULT_FRONTEND_KILL);
}

bool script_parse_pause(struct script_cursor *c, struct script_event *e)
{
	return parse_frontend_fault(c, e, SIM_FAULT_FRONTEND_PAUSE);
}

bool script_parse_backend(struct script_cursor *c, struct script_event *e)
{
	char found[48];

	e->fault.what = SIM_FAULT_BACKEND_DEAD;
	if (!script_need_config(c) || !parse_place(c, &e->fault))
		return false;
	if (script_take_word(c, "up")) {
		e->kind = SCRIPT_EVENT_HEAL;
		e->heal_all = true;
		return script_end_of_line(c);
	}
	if (script_take_word(c, "refuses"))
		e->fault.what = SIM_FAULT_BACKEND_REFUSES;
	else if (!script_take_word(c, "down"))
		return script_error(c, c->at, "expected 'down', 'refuses' or 'up', found %s", script_found(c, found));
	return parse_rest(c, e);
}

static bool parse_fault_key(struct script_cursor *c, struct config_fault *f)
{
	struct nearest near;
	const char *start;
	char word[48], meant[SCRIPT_MEANT_MAX];

	script_skip_blanks(c);
	start = c->at;
	if (!script_need_config(c) || !script_word(c, "the name of a fault", word, sizeof(word)))
		return false;
	nearest_init(&near, word);
	for (unsigned i = 0; i < SIM_FAULT_COUNT; i++) {
		nearest_offer(&near, fault_keys[i]);
		if (strcmp(word, fault_keys[i]) != 0)
			continue;
		f->what = i;
		return true;
	}
	return script_error(c, start, "there is no fault '%s'%s", word, script_meant(&near, meant));
}

bool script_parse_fault(struct script_cursor *c, struct script_event *e)
{
	uint64_t factor = 0;

	if (!parse_fault_key(c, &e->fault) || !parse_place(c, &e->fault))
		return false;
	if (script_take_word(c, "factor") && !script_number(c, "a factor", 1000000, &factor))
		return false;
	e->fault.factor = (uint32_t)factor;
	return parse_rest(c, e);
}

bool script_parse_heal(struct script_cursor *c, struct script_event *e)
{
	e->kind = SCRIPT_EVENT_HEAL;
	return parse_fault_key(c, &e->fault) && parse_place(c, &e->fault) && script_end_of_line(c);
}

void script_fault(struct world *w, const struct script_event *e)
{
	if (e->kind == SCRIPT_EVENT_FAULT) {
		world_fault(w, &e->fault);
		return;
	}
	world_heal(w, e->fault.what, e->fault.index);
	if (e->heal_all)
		world_heal(w, SIM_FAULT_BACKEND_REFUSES, e->fault.index);
}
