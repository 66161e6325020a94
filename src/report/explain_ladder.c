/* SPDX-License-Identifier: BSD-2-Clause */
/* explain_ladder.c: the ladder diagram: five columns, time runs downward.
 *
 *     client        switch      front-end       agent        server
 *        |-- S 0 ----->|            |             |             |
 *
 * Hops that go the same way share a line. `X` marks a drop, `*` a packet that ends on purpose;
 * `==` are table operations, `[STATE]` is what the front-end's FSM changes to. ASCII alone, so that
 * it means the same on every terminal. Widths follow the style's; nothing is longer than it. */
#include <inttypes.h>
#include <stdio.h>

#include "explain_internal.h"
#include "miresga/text.h"

enum column {
	COLUMN_CLIENT,
	COLUMN_SWITCH,
	COLUMN_FRONTEND,
	COLUMN_AGENT,
	COLUMN_SERVER,
	COLUMNS,
};

#define TIME_WIDTH 11u
#define WIDTH_MIN 60u
#define WIDTH_MAX 240u

struct ladder {
	const struct explain *e;
	const struct explain_style *style;
	uint64_t first_ns;
	unsigned at[COLUMNS];
	unsigned width;
	char line[WIDTH_MAX + 1];
	char server[CONFIG_NAME_MAX]; /* named last */
};

#define LABELS 4u

/* One arrow: hops that go the same way. */
struct arrow {
	unsigned from, to;
	bool visited[COLUMNS];
	char fill;
	const char *labels[LABELS]; /* the longest first */
};

static void clear(struct ladder *l)
{
	memset(l->line, ' ', l->width);
	l->line[l->width] = '\0';
	for (unsigned i = 0; i < COLUMNS; i++)
		l->line[l->at[i]] = '|';
}

/* Centred on `x`, as far as it fits into the line. */
static void put(struct ladder *l, unsigned x, const char *text)
{
	unsigned len = (unsigned)MIN(strlen(text), l->width - TIME_WIDTH), start = x > len / 2 ? x - len / 2 : 0;

	start = MAX(start, TIME_WIDTH);
	start = MIN(start, l->width - len);
	memcpy(l->line + start, text, len);
}

static void stamp(struct ladder *l, uint64_t now_ns)
{
	uint64_t since = now_ns > l->first_ns ? now_ns - l->first_ns : 0;
	char text[32];
	int n = snprintf(text, sizeof(text), "%3" PRIu64 ".%06" PRIu64, since / NS_PER_S, since % NS_PER_S / NS_PER_US);

	memcpy(l->line, text, MIN((size_t)n, (size_t)TIME_WIDTH - 1));
}

static void flush(struct ladder *l, const char *code)
{
	unsigned end = l->width;

	while (end > 0 && l->line[end - 1] == ' ')
		end--;
	fprintf(l->style->out, "%s%.*s%s\n", l->style->color ? code : "", (int)end, l->line,
		l->style->color && *code ? "\033[0m" : "");
	clear(l);
}

static void draw(struct ladder *l, const struct arrow *a)
{
	unsigned left = l->at[MIN(a->from, a->to)], right = l->at[MAX(a->from, a->to)], room = right - left - 1;
	unsigned i = 0;
	char text[WIDTH_MAX];

	while (i + 1 < LABELS && strlen(a->labels[i]) + 3 > room)
		i++;
	for (unsigned x = left + 1; x < right; x++)
		l->line[x] = a->fill;
	for (unsigned c = MIN(a->from, a->to) + 1; c < MAX(a->from, a->to); c++)
		if (a->visited[c])
			l->line[l->at[c]] = '+';
	snprintf(text, sizeof(text), " %.*s ", (int)MIN(room > 4 ? room - 3 : 0, sizeof(text) - 3), a->labels[i]);
	if (room > 4)
		put(l, left + 1 + room / 2, text);
	l->line[a->to > a->from ? right - 1 : left + 1] = a->to > a->from ? '>' : '<';
}

static void hop_columns(const struct explain_hop *h, unsigned *from, unsigned *to)
{
	static const uint8_t ends[][2] = {
		[TAP_CLIENT] = { COLUMN_CLIENT, COLUMN_SWITCH },
		[TAP_FRONTEND] = { COLUMN_SWITCH, COLUMN_FRONTEND },
		[TAP_WIRE] = { COLUMN_SWITCH, COLUMN_AGENT },
		[TAP_STACK] = { COLUMN_AGENT, COLUMN_SERVER },
	};

	*from = ends[h->tap][!h->towards_server];
	*to = ends[h->tap][h->towards_server];
}

/* A backend that was not the one before: its name stands over the server's column. */
static void name_server(struct ladder *l, const struct explain_hop *h)
{
	const char *name = h->index < l->e->config->backend_count ? l->e->config->backends[h->index].name : "?";
	char text[CONFIG_NAME_MAX + 2];

	if ((h->tap != TAP_WIRE && h->tap != TAP_STACK) || strcmp(l->server, name) == 0)
		return;
	snprintf(l->server, sizeof(l->server), "%s", name);
	snprintf(text, sizeof(text), "(%s)", name);
	put(l, l->at[COLUMN_SERVER], text);
	flush(l, "");
}

/* What a narrow arrow can hold: flags, and the bytes' numbers or else the ACK. */
static void shorten(const struct explain_hop *h, const char *label, char shorter[EXPLAIN_SEGMENT_TEXT])
{
	char *ack, *len;

	snprintf(shorter, EXPLAIN_SEGMENT_TEXT, "%s", label);
	ack = strstr(shorter, " ack ");
	len = strstr(shorter, " (");
	if (h->before.payload_len || (h->before.flags & (TCP_SYN | TCP_FIN | TCP_RST)) || !ack) {
		if (len || ack)
			*(len ? len : ack) = '\0';
	} else {
		memmove(shorter, ack + 1, strlen(ack));
	}
}

/* Draws the arrow from event *i on; leaves *i at its last hop. */
static const struct explain_hop *draw_run(struct ladder *l, uint32_t *i)
{
	const struct explain_event *events = l->e->events;
	const struct explain_hop *first = &events[*i].hop, *last = first;
	char label[EXPLAIN_SEGMENT_TEXT], shorter[EXPLAIN_SEGMENT_TEXT], sized[32], flags[16];
	struct arrow a = { .fill = '-', .labels = { label, shorter, sized, flags } };
	unsigned from, to;

	hop_columns(first, &a.from, &a.to);
	explain_segment_label(first, label);
	shorten(first, label, shorter);
	snprintf(flags, sizeof(flags), "%.*s", (int)strcspn(label, " "), label);
	snprintf(sized, sizeof(sized), "%s", flags);
	if (first->before.payload_len)
		snprintf(sized, sizeof(sized), "%s (%u)", flags, first->before.payload_len);
	for (uint32_t n = events[*i].next; n != EXPLAIN_NONE && events[n].kind == EXPLAIN_HOP; n = events[n].next) {
		hop_columns(&events[n].hop, &from, &to);
		if (from != a.to || (to > from) != (a.to > a.from) || last->fate == FATE_DROP)
			break;
		a.visited[from] = true;
		a.to = to;
		last = &events[n].hop;
		*i = n;
	}
	draw(l, &a);
	if (last->fate == FATE_DROP || last->fate == FATE_ABSORB)
		l->line[l->at[a.to]] = last->fate == FATE_DROP ? 'X' : '*';
	return last;
}

static void draw_operation(struct ladder *l, const struct explain_event *ev)
{
	bool asked = ev->kind == EXPLAIN_ASKED, add = ev->control.op.kind == CONTROL_ADD;
	bool done = ev->control.status == CONTROL_OK;
	const char *text = add	   ? asked    ? "add entry"
				       : done ? "entry added"
					      : "entry not added"
			   : asked ? "delete entry"
			   : done  ? "entry deleted"
				   : "no such entry";
	const char *word = add	   ? asked    ? "add"
				       : done ? "added"
					      : "not added"
			   : asked ? "delete"
			   : done  ? "deleted"
				   : "none";
	struct arrow a = { .from = asked ? COLUMN_FRONTEND : COLUMN_SWITCH,
			   .to = asked ? COLUMN_SWITCH : COLUMN_FRONTEND,
			   .fill = '=',
			   .labels = { text, word, word, word } };

	draw(l, &a);
	flush(l, "\033[33m");
}

/* A new state. */
static void draw_step(struct ladder *l, const struct packet_transition *step)
{
	char text[32];

	if (step->state == step->next)
		return;
	snprintf(text, sizeof(text), "[%s]", fsm_state_name(step->next));
	put(l, l->at[COLUMN_FRONTEND], text);
	flush(l, "\033[36m");
}

/* After a front-end's hop: new states, and what it asks of the control plane. */
static void draw_frontend(struct ladder *l, uint32_t hop)
{
	const struct explain_hop *h = &l->e->events[hop].hop;

	for (unsigned i = 0; i < h->note.transitions; i++)
		draw_step(l, &h->note.transition[i]);
	for (uint32_t i = l->e->events[hop].next; i != EXPLAIN_NONE && l->e->events[i].kind != EXPLAIN_HOP;
	     i = l->e->events[i].next)
		if (l->e->events[i].kind == EXPLAIN_ASKED)
			draw_operation(l, &l->e->events[i]);
}

static void draw_journey(struct ladder *l, const struct explain_journey *j)
{
	const struct explain_event *events = l->e->events;

	for (uint32_t i = j->first; i != EXPLAIN_NONE; i = events[i].next) {
		const struct explain_hop *last;
		uint32_t first = i;

		if (events[i].kind != EXPLAIN_HOP)
			continue;
		name_server(l, &events[i].hop);
		if (first == j->first)
			stamp(l, events[i].now_ns);
		last = draw_run(l, &i);
		flush(l, last->fate == FATE_DROP ? "\033[1;31m" : "");
		if (last->tap == TAP_FRONTEND && last->towards_server)
			draw_frontend(l, i);
	}
}

static void draw_folded(struct ladder *l, struct explain_fold *fold)
{
	char text[64], count[TEXT_NUMBER_MAX];

	if (fold->folded == 0)
		return;
	snprintf(text, sizeof(text), "... %s more like these ...", text_count(fold->folded, count));
	put(l, (l->at[COLUMN_CLIENT] + l->at[COLUMN_SERVER]) / 2, text);
	flush(l, "");
	fold->folded = 0;
}

static void ladder_begin(struct ladder *l)
{
	static const char *const names[COLUMNS] = { "client", "switch", "front-end", "agent", "server" };
	unsigned gap;

	l->width = MAX(WIDTH_MIN, MIN(l->style->width, WIDTH_MAX));
	gap = (l->width - TIME_WIDTH - 8) / (COLUMNS - 1);
	for (unsigned i = 0; i < COLUMNS; i++)
		l->at[i] = TIME_WIDTH + 3 + i * gap;
	memset(l->line, ' ', l->width);
	l->line[l->width] = '\0';
	for (unsigned i = 0; i < COLUMNS; i++)
		put(l, l->at[i], names[i]);
	flush(l, "\033[1m");
}

/* By a timer, or an answer of the control plane. That a flow is forgotten is the end of its diagram. */
static bool is_new_state(const struct explain_event *ev)
{
	return ev->kind == EXPLAIN_NOTICE && ev->notice.kind == NOTICE_STEP &&
	       ev->notice.step.state != ev->notice.step.next && ev->notice.step.next != FSM_NONE;
}

void explain_ladder(const struct explain *e, const struct explain_style *style, const struct explain_flow *f,
		    uint64_t first_ns)
{
	struct ladder l = { .e = e, .style = style, .first_ns = first_ns };
	struct explain_fold fold = { .verbose = style->verbose };
	uint32_t from, to;

	explain_span(e, f, &from, &to);
	if (from == to)
		return;
	ladder_begin(&l);
	for (uint32_t i = e->journeys[from].first; i < e->event_count; i++) {
		const struct explain_event *ev = &e->events[i];

		if (to < e->journey_count && i >= e->journeys[to].first)
			break;
		if (!explain_concerns(ev, f))
			continue;
		if (ev->kind == EXPLAIN_HOP && e->journeys[ev->journey].first == i) {
			if (!explain_fold_show(e, &fold, ev->journey))
				continue;
			draw_folded(&l, &fold);
			draw_journey(&l, &e->journeys[ev->journey]);
		} else if (ev->kind == EXPLAIN_ANSWERED && e->request.question != EXPLAIN_PACKET) {
			draw_folded(&l, &fold);
			stamp(&l, ev->now_ns);
			draw_operation(&l, ev);
		} else if (is_new_state(ev) && e->request.question != EXPLAIN_PACKET) {
			draw_folded(&l, &fold);
			stamp(&l, ev->now_ns);
			draw_step(&l, &ev->notice.step);
		}
	}
	draw_folded(&l, &fold);
}
