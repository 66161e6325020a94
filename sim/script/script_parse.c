/* SPDX-License-Identifier: BSD-2-Clause */
/* script_parse.c: a scenario script, line by line: settings first, then events.
 *
 * Every statement is a row of one table; a line that begins with none of their words is a packet
 * at a port. The first error ends the parsing. What cannot be known before the run (the value of
 * a symbol) is the run's to refuse. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/nearest.h"
#include "script_internal.h"

#define BOUND_NS (24 * 3600 * NS_PER_S)
#define BOUND_PACKETS 100000
#define CLIENT_DEFAULT "192.0.2.1:40000"

/* Where config_load() reports; only the first error is kept. */
struct config_report {
	struct script_cursor *cursor;
	const char *named; /* where the script names the file; NULL: inline */
};

static void report_config(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	struct config_report *r = ctx;
	struct script_cursor *c = r->cursor;

	if (c->failed)
		return;
	if (r->named) {
		char place[32] = "";

		if (line)
			snprintf(place, sizeof(place), ":%u:%u", line, column);
		script_error(c, r->named, "%s%s: %s", file, place, message);
		return;
	}
	script_error(c, c->at, "%s", message);
	c->error_line = line;
	c->error_column = column;
}

/* The lines up to a lone '}', behind as many empty ones as stand before them: so errors name the script's lines. */
static bool config_inline(struct script_cursor *c, struct config_report *r)
{
	const char *start = c->at, *end = start;
	unsigned above = c->line, below = 0;
	size_t len;
	char *text;

	do {
		end += strcspn(end, "\n");
		if (*end == '\0')
			return script_error(c, start,
					    "the configuration has no end; expected '}' in a line of its own");
		end++;
		below++;
	} while (*end != '}');
	start += strcspn(start, "\n") + 1;
	len = above + (size_t)(end - start);
	text = malloc(len);
	if (!text)
		return script_error(c, c->at, "out of memory");
	memset(text, '\n', above);
	memcpy(text + above, start, (size_t)(end - start));
	config_load_memory(c->script->config, c->script->name, text, len, report_config, r);
	free(text);
	c->at = end + 1;
	c->line_start = end;
	c->line += below;
	return !c->failed;
}

static bool parse_config(struct script_cursor *c, struct script_event *e)
{
	struct script *s = c->script;
	struct config_report r = { .cursor = c };
	const char *slash = strrchr(s->name, '/');
	char path[CONFIG_PATH_MAX], name[256];

	(void)e;
	if (s->config)
		return script_error(c, c->at, "there is a configuration already");
	s->config = calloc(1, sizeof(*s->config));
	if (!s->config)
		return script_error(c, c->at, "out of memory");
	if (script_take(c, '{')) {
		if (!config_inline(c, &r))
			return false;
	} else {
		script_skip_blanks(c);
		r.named = c->at;
		if (!script_word(c, "a file, or '{' before an inline configuration", name, sizeof(name)))
			return false;
		snprintf(path, sizeof(path), "%.*s%s", slash && *name != '/' ? (int)(slash + 1 - s->name) : 0, s->name,
			 name);
		config_load(s->config, path, report_config, &r);
	}
	for (unsigned i = 0; i < s->config->backend_count && !c->failed; i++)
		s->watched_since[TAP_STACK][i][true] = 1;
	s->watched_since[TAP_CLIENT][0][true] = 1;
	return script_end_of_line(c);
}

bool script_need_config(struct script_cursor *c)
{
	return c->script->config || script_error(c, c->at, "expected 'config' before this line");
}

static bool parse_set(struct script_cursor *c, struct script_event *e)
{
	char key[128], value[128], error[512] = "";
	const char *start;

	(void)e;
	script_skip_blanks(c);
	start = c->at;
	if (!script_need_config(c) || !script_word(c, "a key of the configuration", key, sizeof(key)) ||
	    !script_word(c, "a value", value, sizeof(value)))
		return false;
	if (config_set(c->script->config, key, value, error, sizeof(error)) < 0)
		return script_error(c, start, "%s", error);
	return script_end_of_line(c);
}

static bool parse_quirk(struct script_cursor *c, struct script_event *e)
{
	char name[SCRIPT_NAME_MAX], error[512] = "";
	const char *start;

	(void)e;
	do {
		script_skip_blanks(c);
		start = c->at;
		if (!script_need_config(c) || !script_word(c, "the id of a quirk", name, sizeof(name)))
			return false;
		if (config_add_quirks(c->script->config, name, error, sizeof(error)) < 0)
			return script_error(c, start, "%s", error);
	} while (script_take(c, ','));
	return script_end_of_line(c);
}

static int client_find(const struct script *s, const char *name)
{
	for (unsigned i = 0; i < s->client_count; i++)
		if (strcmp(s->clients[i].name, name) == 0)
			return (int)i;
	return -1;
}

static bool parse_client(struct script_cursor *c)
{
	struct script *s = c->script;
	struct script_client client = { .isn = 0 };
	uint64_t isn = 0;
	int at;

	if (!script_word(c, "a name for the client", client.name, sizeof(client.name)) ||
	    !script_endpoint(c, &client.address))
		return false;
	if (script_take_word(c, "isn") && !script_number(c, "an initial sequence number", UINT32_MAX, &isn))
		return false;
	client.isn = (uint32_t)isn;
	at = client_find(s, client.name);
	if (at < 0 && s->client_count == SCRIPT_CLIENTS_MAX)
		return script_error(c, c->at, "more than %d clients", SCRIPT_CLIENTS_MAX);
	s->clients[at < 0 ? s->client_count++ : (unsigned)at] = client;
	return script_end_of_line(c);
}

static bool parse_let(struct script_cursor *c, struct script_event *e)
{
	struct script_expr symbol;
	const char *start;
	uint64_t n;

	(void)e;
	script_skip_blanks(c);
	start = c->at;
	if (!script_expression(c, "a symbol", &symbol))
		return false;
	if (symbol.any || symbol.count != 1 || symbol.constant || symbol.terms[0].minus)
		return script_error(c, start, "expected a symbol");
	if (!script_number(c, "its value", UINT32_MAX, &n))
		return false;
	c->script->preset[symbol.terms[0].symbol] = (struct script_symbol_value){ true, (uint32_t)n };
	return script_end_of_line(c);
}

#define PORT_WORD_MAX (CONFIG_NAME_MAX + 16)

/* "fe0", "be1.wire", "web1.stack"; the index of a front-end or backend, by number or by name. */
bool script_port_word(const struct script *s, const char *word, struct script_port *port)
{
	const struct config *config = s->config;
	const char *dot = strrchr(word, '.');
	size_t n = dot ? (size_t)(dot - word) : strlen(word);
	char *end;

	*port = (struct script_port){ .tap = TAP_CLIENT };
	if (strcmp(word, "client") == 0)
		return true;
	if (!dot && strncmp(word, "fe", 2) == 0) {
		unsigned long i = strtoul(word + 2, &end, 10);

		*port = (struct script_port){ .tap = TAP_FRONTEND, .index = (uint16_t)i };
		return end != word + 2 && *end == '\0' && i < config->frontends.count;
	}
	if (!dot || (strcmp(dot, ".wire") != 0 && strcmp(dot, ".stack") != 0))
		return false;
	port->tap = strcmp(dot, ".wire") == 0 ? TAP_WIRE : TAP_STACK;
	for (unsigned i = 0; i < config->backend_count; i++) {
		char number[16];

		snprintf(number, sizeof(number), "be%u", i);
		if ((strlen(number) == n && memcmp(number, word, n) == 0) ||
		    (strlen(config->backends[i].name) == n && memcmp(config->backends[i].name, word, n) == 0)) {
			port->index = (uint16_t)i;
			return true;
		}
	}
	return false;
}

/* The best so far is kept in `best`: the words that are offered are made for it alone. */
static void offer_port(struct nearest *near, char best[PORT_WORD_MAX], const char *name, const char *side)
{
	char word[PORT_WORD_MAX];

	snprintf(word, sizeof(word), "%s%s", name, side);
	nearest_offer(near, word);
	if (near->best != word)
		return;
	memcpy(best, word, sizeof(word));
	near->best = best;
}

static void offer_ports(const struct config *config, struct nearest *near, char best[PORT_WORD_MAX])
{
	char number[16];

	nearest_offer(near, "client");
	for (unsigned i = 0; i < config->frontends.count; i++) {
		snprintf(number, sizeof(number), "fe%u", i);
		offer_port(near, best, number, "");
	}
	for (unsigned i = 0; i < config->backend_count; i++) {
		snprintf(number, sizeof(number), "be%u", i);
		offer_port(near, best, number, ".wire");
		offer_port(near, best, number, ".stack");
		offer_port(near, best, config->backends[i].name, ".wire");
		offer_port(near, best, config->backends[i].name, ".stack");
	}
}

static void offer_events(struct nearest *near);

/* No port. At the start of an event it may have been meant to be one of another kind. */
static bool unknown_port(struct script_cursor *c, const char *start, const char *word)
{
	const struct script *s = c->script;
	const struct config *config = s->config;
	char best[PORT_WORD_MAX], meant[SCRIPT_MEANT_MAX], frontends[32] = "fe0", backends[32] = "be0";
	struct nearest near;

	nearest_init(&near, word);
	if (s->event_count && s->events[s->event_count - 1].source == start)
		offer_events(&near);
	offer_ports(config, &near, best);
	if (config->frontends.count > 1)
		snprintf(frontends, sizeof(frontends), "fe0 to fe%u", config->frontends.count - 1u);
	if (config->backend_count > 1)
		snprintf(backends, sizeof(backends), "be0 to be%u", config->backend_count - 1u);
	return script_error(c, start, "expected a port (client, %s, %s with .wire or .stack), found '%s'%s", frontends,
			    backends, word, script_meant(&near, meant));
}

static bool parse_port(struct script_cursor *c, struct script_port *port)
{
	const char *start;
	char word[PORT_WORD_MAX];

	script_skip_blanks(c);
	start = c->at;
	if (!script_need_config(c) || !script_word(c, "a port", word, sizeof(word)))
		return false;
	return script_port_word(c->script, word, port) || unknown_port(c, start, word);
}

static bool parse_ignore(struct script_cursor *c, struct script_event *e)
{
	struct script *s = c->script;
	struct script_port port;

	(void)e;
	if (s->event_count > 0)
		return script_error(c, c->at, "expected 'ignore' before the first event");
	if (!parse_port(c, &port))
		return false;
	for (unsigned out = 0; out < 2; out++)
		s->ignored[port.tap][port.index][out] = true;
	return script_end_of_line(c);
}

static bool parse_bound(struct script_cursor *c, struct script_event *e)
{
	struct script *s = c->script;
	char found[48];

	(void)e;
	if (script_take_word(c, "time"))
		return script_duration(c, &s->bound_ns) && script_end_of_line(c);
	if (script_take_word(c, "packets"))
		return script_number(c, "a number of packets", UINT32_MAX, &s->bound_packets) && script_end_of_line(c);
	return script_error(c, c->at, "expected 'time' or 'packets', found %s", script_found(c, found));
}

static bool parse_client_name(struct script_cursor *c, struct script_event *e)
{
	char name[SCRIPT_NAME_MAX];
	const char *start;
	int at;

	script_skip_blanks(c);
	start = c->at;
	if (!script_word(c, "the name of a client", name, sizeof(name)))
		return false;
	at = client_find(c->script, name);
	if (at < 0)
		return script_error(c, start, "there is no client '%s'; expected 'client %s ADDRESS:PORT' before", name,
				    name);
	e->client = (uint8_t)at;
	return true;
}

/* [NAME] < PACKET, behind the port */
static bool parse_packet_event(struct script_cursor *c, struct script_event *e, bool injected)
{
	bool inner = e->port.tap == TAP_FRONTEND || e->port.tap == TAP_WIRE;
	unsigned *since;
	char found[48];

	script_skip_blanks(c);
	if (*c->at != '<' && *c->at != '>' && !parse_client_name(c, e))
		return false;
	e->port.out = script_take(c, '>');
	if (!e->port.out && !script_take(c, '<'))
		return script_error(c, c->at, "expected '<' (into the pipeline) or '>' (out of it), found %s",
				    script_found(c, found));
	e->kind = injected || (!inner && !e->port.out) ? SCRIPT_EVENT_SEND : SCRIPT_EVENT_EXPECT;
	since = &c->script->watched_since[e->port.tap][e->port.index][e->port.out];
	if (e->kind == SCRIPT_EVENT_SEND)
		c->script->last_action = c->script->event_count;
	else if (*since == 0)
		*since = MAX(c->script->last_action, 1);
	return script_parse_packet(c, &e->packet, e->kind == SCRIPT_EVENT_EXPECT);
}

static bool parse_inject(struct script_cursor *c, struct script_event *e)
{
	const char *start;

	script_skip_blanks(c);
	start = c->at;
	if (!parse_port(c, &e->port))
		return false;
	if (e->port.tap != TAP_WIRE && e->port.tap != TAP_FRONTEND)
		return script_error(c, start, "expected a front-end or the wire of a backend, as in fe0 or be0.wire");
	if (!parse_packet_event(c, e, true))
		return false;
	if (e->port.tap == TAP_WIRE || e->port.out || e->packet.has_to || e->packet.has_from)
		return true;
	return script_error(c, start, "expected 'to' a backend or 'from' the VIP: what else would a front-end send?");
}

static bool parse_flow(struct script_cursor *c, struct script_event *e)
{
	struct nearest near;
	const char *start;
	char word[SCRIPT_NAME_MAX], meant[SCRIPT_MEANT_MAX];

	e->kind = SCRIPT_EVENT_FLOW;
	if (!script_need_config(c) || !parse_client_name(c, e))
		return false;
	script_skip_blanks(c);
	start = c->at;
	if (!script_word(c, "a state", word, sizeof(word)))
		return false;
	nearest_init(&near, word);
	for (unsigned i = 0; i < FSM_STATE_COUNT; i++) {
		if (strcmp(word, fsm_state_name(i)) == 0) {
			e->state = (uint8_t)i;
			return script_end_of_line(c);
		}
		nearest_offer(&near, fsm_state_name(i));
	}
	return script_error(c, start, "expected a state of the flow such as COMPLETE or NONE, found '%s'%s", word,
			    script_meant(&near, meant));
}

/* has NAME, lacks NAME */
static bool parse_has(struct script_cursor *c, struct script_event *e)
{
	char found[48];

	e->lacks = script_take_word(c, "lacks");
	if (!e->lacks && !script_take_word(c, "has"))
		return script_error(c, c->at, "expected 'has' or 'lacks', found %s", script_found(c, found));
	return parse_client_name(c, e);
}

/* d=N */
static bool parse_d_index(struct script_cursor *c, struct script_event *e)
{
	uint64_t n = 0;

	e->has_value = script_take_word(c, "d");
	if (e->has_value &&
	    (!script_need(c, '=', "before the D index") || !script_number(c, "a D index", BACKENDS_MAX - 1, &n)))
		return false;
	e->index = (unsigned)n;
	return !c->failed;
}

static bool parse_table(struct script_cursor *c, struct script_event *e)
{
	char found[48];

	if (!script_need_config(c))
		return false;
	if (!script_take_word(c, "offload"))
		return script_error(c, c->at, "expected 'offload', found %s", script_found(c, found));
	e->kind = SCRIPT_EVENT_ENTRIES;
	if (script_take_word(c, "empty"))
		return script_end_of_line(c);
	if (script_take_word(c, "entries"))
		return script_number(c, "a number of entries", UINT32_MAX, &e->number) && script_end_of_line(c);
	e->kind = SCRIPT_EVENT_TABLE;
	if (!parse_has(c, e))
		return false;
	return (e->lacks || parse_d_index(c, e)) && script_end_of_line(c);
}

static bool parse_agent(struct script_cursor *c, struct script_event *e)
{
	char word[CONFIG_NAME_MAX], port[CONFIG_NAME_MAX + 8];
	const char *start;

	e->kind = SCRIPT_EVENT_AGENT;
	script_skip_blanks(c);
	start = c->at;
	if (!script_need_config(c) || !script_word(c, "a backend", word, sizeof(word)))
		return false;
	snprintf(port, sizeof(port), "%s.wire", word);
	if (!script_port_word(c->script, port, &e->port) || e->port.tap != TAP_WIRE)
		return script_error(c, start, "there is no backend '%s'; expected be0 to be%u, or a name", word,
				    c->script->config->backend_count - 1);
	if (!parse_has(c, e))
		return false;
	if (!e->lacks && script_take_word(c, "delta")) {
		e->has_value = true;
		if (!script_expression(c, "a difference", &e->value))
			return false;
	}
	return script_end_of_line(c);
}

static bool parse_counter(struct script_cursor *c, struct script_event *e)
{
	struct nearest near = { .best = NULL };
	const char *start;
	char meant[SCRIPT_MEANT_MAX];

	e->kind = SCRIPT_EVENT_COUNTER;
	script_skip_blanks(c);
	start = c->at;
	if (!script_need_config(c) || !script_word(c, "the name of a counter", e->counter, sizeof(e->counter)))
		return false;
	if (!script_counter_known(e->counter)) {
		near.best = script_counter_nearest(e->counter);
		return script_error(c, start, "there is no counter '%s'%s", e->counter, script_meant(&near, meant));
	}
	return script_number(c, "its value", UINT64_MAX, &e->number) && script_end_of_line(c);
}

static bool parse_leftovers(struct script_cursor *c, struct script_event *e)
{
	e->kind = SCRIPT_EVENT_LEFTOVERS;
	return script_need_config(c) && script_number(c, "how many", UINT32_MAX, &e->number) && script_end_of_line(c);
}

/* add NAME d=N, delete NAME */
static bool parse_control(struct script_cursor *c, struct script_event *e)
{
	char found[48];

	e->kind = SCRIPT_EVENT_CONTROL;
	c->script->last_action = c->script->event_count;
	if (!script_need_config(c))
		return false;
	e->lacks = script_take_word(c, "delete");
	if (!e->lacks && !script_take_word(c, "add"))
		return script_error(c, c->at, "expected 'add' or 'delete', found %s", script_found(c, found));
	if (!parse_client_name(c, e) || (!e->lacks && !parse_d_index(c, e)))
		return false;
	if (!e->lacks && (!e->has_value || e->index >= c->script->config->backend_count))
		return script_error(c, c->at, "expected 'd=' and the D index of a backend, 0 to %u",
				    c->script->config->backend_count - 1);
	return script_end_of_line(c);
}

static bool parse_stall(struct script_cursor *c, struct script_event *e)
{
	char found[48];

	e->kind = SCRIPT_EVENT_STALL;
	if (!script_need_config(c))
		return false;
	if (!script_take_word(c, "control"))
		return script_error(c, c->at, "expected 'control', found %s", script_found(c, found));
	return script_duration(c, &e->number) && script_end_of_line(c);
}

static const struct statement {
	const char *word;
	bool is_event; /* else a setting: no time before it */
	bool (*parse)(struct script_cursor *c, struct script_event *e);
} statements[] = {
	{ "config", false, parse_config },
	{ "set", false, parse_set },
	{ "quirk", false, parse_quirk },
	{ "let", false, parse_let },
	{ "ignore", false, parse_ignore },
	{ "bound", false, parse_bound },
	{ "inject", true, parse_inject },
	{ "flow", true, parse_flow },
	{ "table", true, parse_table },
	{ "agent", true, parse_agent },
	{ "counter", true, parse_counter },
	{ "stall", true, parse_stall },
	{ "control", true, parse_control },
	{ "leftovers", true, parse_leftovers },
	{ "kill", true, script_parse_kill },
	{ "pause", true, script_parse_pause },
	{ "backend", true, script_parse_backend },
	{ "fault", true, script_parse_fault },
	{ "heal", true, script_parse_heal },
};

static void offer_events(struct nearest *near)
{
	for (size_t i = 0; i < ARRAY_LEN(statements); i++)
		if (statements[i].is_event)
			nearest_offer(near, statements[i].word);
	nearest_offer(near, "any");
}

static struct script_event *event_add(struct script_cursor *c)
{
	struct script *s = c->script;
	struct script_event *grown;

	if (s->event_count == s->event_room) {
		s->event_room = s->event_room ? 2 * s->event_room : 64;
		grown = realloc(s->events, s->event_room * sizeof(*grown));
		if (!grown) {
			script_error(c, c->at, "out of memory");
			return NULL;
		}
		s->events = grown;
	}
	s->events[s->event_count] = (struct script_event){ .line = c->line };
	return &s->events[s->event_count++];
}

static void event_source(struct script_event *e, const char *start)
{
	int n = (int)strcspn(start, "\n");

	while (n > 0 && (start[n - 1] == ' ' || start[n - 1] == '\r' || start[n - 1] == '\t'))
		n--;
	e->source = start;
	e->source_len = n;
}

/* The lines of `any {` up to '}'. */
static bool parse_any(struct script_cursor *c, unsigned at)
{
	struct script *s = c->script;
	unsigned line = c->line;

	s->events[at].kind = SCRIPT_EVENT_ANY;
	if (!script_need(c, '{', "behind 'any'") || !script_end_of_line(c))
		return false;
	for (;;) {
		struct script_event *e;

		script_skip_lines(c);
		if (script_take(c, '}'))
			return script_end_of_line(c);
		if (*c->at == '\0')
			return script_error(c, c->at, "expected '}' for the 'any' of line %u", line);
		e = event_add(c);
		if (!e)
			return false;
		event_source(e, c->at);
		if (!parse_port(c, &e->port) || !parse_packet_event(c, e, false))
			return false;
		if (e->kind != SCRIPT_EVENT_EXPECT)
			return script_error(c, e->source, "expected packets that come: 'any' sends none");
		s->events[at].count++;
	}
}

static bool parse_time(struct script_cursor *c, struct script_time *t)
{
	script_skip_blanks(c);
	if (script_take(c, '*')) {
		t->any = true;
		t->to_ns = TIME_NEVER;
		return true;
	}
	if (*c->at != '+' && *c->at != '.' && !(*c->at >= '0' && *c->at <= '9'))
		return true;
	t->absolute = !script_take(c, '+');
	if (!script_seconds(c, &t->from_ns))
		return false;
	t->to_ns = t->from_ns;
	if (*c->at != '~')
		return true;
	c->at++;
	if (!t->absolute)
		script_take(c, '+');
	return script_seconds(c, &t->to_ns) &&
	       (t->to_ns >= t->from_ns || script_error(c, c->at, "expected a later end of the range of time"));
}

static bool parse_event(struct script_cursor *c, struct script_time time)
{
	unsigned at = c->script->event_count;
	struct script_event *e = event_add(c);

	if (!e)
		return false;
	e->time = time;
	event_source(e, c->at);
	for (size_t i = 0; i < ARRAY_LEN(statements); i++)
		if (statements[i].is_event && script_take_word(c, statements[i].word))
			return statements[i].parse(c, e);
	if (script_take_word(c, "any"))
		return parse_any(c, at);
	return parse_port(c, &e->port) && parse_packet_event(c, e, false);
}

static bool unknown_word(struct script_cursor *c)
{
	char word[CONFIG_NAME_MAX], found[48], meant[SCRIPT_MEANT_MAX];
	const char *start = c->at;
	struct nearest near;

	script_found(c, found);
	if (!script_word(c, "a time, a setting, a check or a port", word, sizeof(word)))
		return false;
	nearest_init(&near, word);
	for (size_t i = 0; i < ARRAY_LEN(statements); i++)
		nearest_offer(&near, statements[i].word);
	nearest_offer(&near, "client");
	return script_error(c, start, "expected a time, a setting, a check or a port, found %s%s", found,
			    script_meant(&near, meant));
}

/* `client` begins a declaration as well as a packet; a second word decides. */
static bool is_declaration(struct script_cursor *c)
{
	struct script_cursor ahead = *c;
	char name[SCRIPT_NAME_MAX];

	return script_take_word(&ahead, "client") && script_word(&ahead, "", name, sizeof(name)) &&
	       !script_at_end(&ahead) && *ahead.at != '<' && *ahead.at != '>';
}

/* Does the word begin an event that is a packet? Without a configuration nobody knows the ports' names. */
static bool is_place(const struct script *s, const char *word)
{
	struct script_port port;

	if (strcmp(word, "any") == 0 || strcmp(word, "client") == 0)
		return true;
	return s->config ? script_port_word(s, word, &port) : strchr(word, '.') != NULL;
}

static bool parse_line(struct script_cursor *c)
{
	struct script_time time = { .any = false };
	const char *start = c->at;
	char word[PORT_WORD_MAX];
	struct script_cursor ahead;

	if (!parse_time(c, &time))
		return false;
	script_skip_blanks(c);
	if (c->at != start)
		return parse_event(c, time);
	if (is_declaration(c))
		return script_take_word(c, "client") && parse_client(c);
	for (size_t i = 0; i < ARRAY_LEN(statements); i++)
		if (!statements[i].is_event && script_take_word(c, statements[i].word))
			return statements[i].parse(c, NULL);
	for (size_t i = 0; i < ARRAY_LEN(statements); i++) {
		ahead = *c;
		if (script_take_word(&ahead, statements[i].word))
			return parse_event(c, time);
	}
	ahead = *c;
	if (script_word(&ahead, "", word, sizeof(word)) && is_place(c->script, word) && script_need_config(c))
		return parse_event(c, time);
	return unknown_word(c);
}

struct script *script_parse(const char *name, const char *text, size_t len, struct script_cursor *c)
{
	struct script *s = calloc(1, sizeof(*s));

	*c = (struct script_cursor){ .script = s, .line = 1 };
	if (s)
		s->text = malloc(len + 1);
	if (!s || !s->text) {
		script_free(s);
		c->script = NULL;
		script_error(c, c->at, "out of memory");
		return NULL;
	}
	memcpy(s->text, text, len);
	s->text[len] = '\0';
	s->name = name;
	s->bound_ns = BOUND_NS;
	s->bound_packets = BOUND_PACKETS;
	s->clients[0].name[0] = 'C';
	MUST(endpoint_parse(CLIENT_DEFAULT, &s->clients[0].address) == 0);
	s->client_count = 1;
	c->at = c->line_start = s->text;
	for (;;) {
		script_skip_lines(c);
		if (c->failed || *c->at == '\0')
			break;
		if (!parse_line(c))
			break;
	}
	if (!c->failed && strlen(s->text) != len)
		script_error(c, c->at, "there is a zero byte; expected text");
	if (!c->failed && !s->config)
		script_error(c, c->at, "expected 'config', found the end of the file");
	return s;
}

void script_free(struct script *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->event_count; i++)
		free(s->events[i].packet.text);
	free(s->events);
	free(s->config);
	free(s->text);
	free(s);
}
