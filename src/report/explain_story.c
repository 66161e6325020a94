/* SPDX-License-Identifier: BSD-2-Clause */
/* explain_story.c: the answer for people: each packet's journey in the order in which the packets
 * came, what happened between them, the ladder diagram, the verdict.
 *
 * A transfer is thousands of packets to which the same thing happens. Journeys that are like one
 * shown before, and tell nothing new, are folded into a line that counts them, unless `verbose`. */
#include <inttypes.h>
#include <stdio.h>

#include "explain_internal.h"
#include "miresga/text.h"

/* How many journeys before and after a fault are shown. */
#define FAULT_BEFORE 12u
#define FAULT_AFTER 4u
/* The column of components: as wide as the longest name of a backend needs, within these. */
#define WHERE_WIDTH_MIN 12u
#define WHERE_WIDTH_MAX 28u

#define BOLD "\033[1m"
#define RED "\033[1;31m"
#define CYAN "\033[36m"
#define PLAIN "\033[0m"

static const char *color(const struct explain_style *s, const char *code)
{
	return s->color ? code : "";
}

/* --- folding ------------------------------------------------------------------------------------ */

static bool same_steps(const struct explain_hop *a, const struct explain_hop *b)
{
	const struct packet_note *m = &a->note, *n = &b->note;

	if (m->transitions != n->transitions || m->translated != n->translated || m->delta != n->delta)
		return false;
	for (unsigned i = 0; i < m->transitions; i++)
		if (m->transition[i].state != n->transition[i].state ||
		    m->transition[i].next != n->transition[i].next ||
		    m->transition[i].event != n->transition[i].event || m->transition[i].state != m->transition[i].next)
			return false;
	return true;
}

static bool same_hop(const struct explain_event *x, const struct explain_event *y)
{
	const struct explain_hop *a = &x->hop, *b = &y->hop;
	const uint8_t psh = TCP_PSH;

	if (x->kind != EXPLAIN_HOP || y->kind != EXPLAIN_HOP)
		return false; /* a notice, an operation: never folded */
	return a->tap == b->tap && a->index == b->index && a->towards_server == b->towards_server &&
	       a->fate == b->fate && a->drop == b->drop && a->egress_port == b->egress_port && !b->response &&
	       a->phv.steering_row == b->phv.steering_row && (a->before.flags | psh) == (b->before.flags | psh) &&
	       !a->before.payload_len == !b->before.payload_len && same_steps(a, b);
}

bool explain_alike(const struct explain *e, const struct explain_journey *a, const struct explain_journey *b)
{
	uint32_t x = a->first, y = b->first;

	if (b->fault || !a->frame != !b->frame)
		return false;
	for (; x != EXPLAIN_NONE && y != EXPLAIN_NONE; x = e->events[x].next, y = e->events[y].next)
		if (!same_hop(&e->events[x], &e->events[y]))
			return false;
	return x == y;
}

bool explain_fold_show(const struct explain *e, struct explain_fold *fold, uint32_t index)
{
	const struct explain_journey *j = &e->journeys[index];

	for (unsigned i = 0; i < EXPLAIN_SHAPES && !fold->verbose; i++) {
		if (!fold->shapes[i] || !explain_alike(e, &e->journeys[fold->shapes[i] - 1], j))
			continue;
		if (!fold->folded++)
			fold->first_frame = j->frame;
		fold->last_frame = j->frame;
		fold->bytes += explain_first_hop(e, j)->hop.before.payload_len;
		return false;
	}
	fold->shapes[fold->next++ % EXPLAIN_SHAPES] = index + 1;
	return true;
}

void explain_span(const struct explain *e, const struct explain_flow *f, uint32_t *from, uint32_t *to)
{
	uint32_t fault = e->journey_count;

	*from = 0;
	*to = e->journey_count;
	if (e->request.question != EXPLAIN_MISMATCH)
		return;
	for (uint32_t i = 0; i < e->journey_count; i++)
		if (e->journeys[i].fault && explain_concerns(explain_first_hop(e, &e->journeys[i]), f))
			fault = i;
	/* Journeys of several flows may lie between: count this flow's alone. */
	*to = fault;
	for (unsigned n = 0; *to < e->journey_count && n <= FAULT_AFTER; ++*to)
		n += explain_concerns(explain_first_hop(e, &e->journeys[*to]), f);
	*from = fault;
	for (unsigned n = 0; *from > 0 && n < FAULT_BEFORE; --*from)
		n += explain_concerns(explain_first_hop(e, &e->journeys[*from - 1]), f);
}

bool explain_concerns(const struct explain_event *ev, const struct explain_flow *f)
{
	return !f || explain_same_flow(&ev->flow, f);
}

/* --- the story ---------------------------------------------------------------------------------- */

struct story {
	const struct explain *e;
	const struct explain_style *style;
	const struct explain_flow *flow; /* NULL: all */
	uint64_t first_ns;
	struct explain_fold fold;
	uint64_t alone_ns; /* of what the lines before tell of, if that belonged to no packet; else TIME_NEVER */
	char where[EXPLAIN_WHERE_MAX]; /* of the line before */
	unsigned where_width;
};

static bool is_bad(const char *text)
{
	return strstr(text, "dropped:") || strstr(text, "fault") || strstr(text, "refused");
}

static void story_line(void *ctx, const char *where, const char *step, const char *text)
{
	struct story *s = ctx;
	bool again = strcmp(s->where, where) == 0;
	char left[EXPLAIN_WHERE_MAX + 32];

	snprintf(left, sizeof(left), "%-*s %-17s", (int)s->where_width, again ? "" : where, step);
	fprintf(s->style->out, "    %s%s%s %s%s%s\n", color(s->style, CYAN), left, color(s->style, PLAIN),
		is_bad(text) ? color(s->style, RED) : "", text, color(s->style, PLAIN));
	snprintf(s->where, sizeof(s->where), "%s", where);
}

static void print_time(const struct story *s, uint64_t now_ns)
{
	uint64_t since = now_ns > s->first_ns ? now_ns - s->first_ns : 0;

	fprintf(s->style->out, "%3" PRIu64 ".%06" PRIu64 "  ", since / NS_PER_S, since % NS_PER_S / NS_PER_US);
}

static void print_folded(struct story *s)
{
	struct explain_fold *f = &s->fold;
	char count[TEXT_NUMBER_MAX], bytes[TEXT_NUMBER_MAX];

	if (f->folded == 0)
		return;
	fprintf(s->style->out, "    ... %s %s of kinds shown above", text_count(f->folded, count),
		f->folded == 1 ? "packet" : "packets");
	if (f->folded > 1 && f->first_frame && f->last_frame)
		fprintf(s->style->out, ", frames %u to %u", f->first_frame, f->last_frame);
	else if (f->first_frame)
		fprintf(s->style->out, ", frame %u", f->first_frame);
	fprintf(s->style->out, ", %s of payload\n", text_bytes(f->bytes, bytes));
	f->folded = 0;
	f->bytes = 0;
}

static void story_journey(struct story *s, uint32_t index)
{
	const struct explain *e = s->e;
	const struct explain_journey *j = &e->journeys[index];
	const struct explain_event *first = explain_first_hop(e, j);
	const struct explain_sink sink = { .line = story_line, .ctx = s, .verbose = s->style->verbose };
	char origin[EXPLAIN_TEXT_MAX], segment[EXPLAIN_SEGMENT_TEXT], waited[TEXT_NUMBER_MAX];

	if (!explain_fold_show(e, &s->fold, index))
		return;
	print_folded(s);
	s->alone_ns = TIME_NEVER;
	explain_origin(e, j, origin);
	explain_segment_text(&first->hop, segment);
	print_time(s, first->now_ns);
	fprintf(s->style->out, "%s%s:%s %s\n", color(s->style, BOLD), origin, color(s->style, PLAIN), segment);
	s->where[0] = '\0';
	if (j->waited != EXPLAIN_NONE) {
		const struct explain_event *wait = &e->events[j->waited];

		fprintf(s->style->out, "    waited %s: %s\n", text_duration(first->now_ns - wait->now_ns, waited),
			wait->wait.text);
	}
	for (uint32_t i = j->first; i != EXPLAIN_NONE; i = e->events[i].next)
		if (e->events[i].kind == EXPLAIN_HOP)
			explain_tell(e, &e->events[i], &sink);
}

static bool still_waits(const struct explain *e, uint32_t event)
{
	for (uint32_t i = 0; i < e->waiting_count; i++)
		if (e->waiting[i] == event)
			return true;
	return false;
}

/* Asked by a packet whose journey is told. */
static bool was_asked(const struct explain *e, const struct control_op *op)
{
	for (uint32_t i = 0; i < e->event_count; i++)
		if (e->events[i].kind == EXPLAIN_ASKED && e->events[i].journey != EXPLAIN_NONE &&
		    e->events[i].control.op.serial == op->serial)
			return true;
	return false;
}

bool explain_stands_alone(const struct explain *e, uint32_t index)
{
	const struct explain_event *ev = &e->events[index];
	bool packet = e->request.question == EXPLAIN_PACKET;

	if (ev->journey != EXPLAIN_NONE)
		return false;
	switch ((enum explain_kind)ev->kind) {
	case EXPLAIN_WAITS:
		return still_waits(e, index);
	case EXPLAIN_READ:
		return true;
	case EXPLAIN_ANSWERED:
		return !packet || was_asked(e, &ev->control.op);
	case EXPLAIN_NOTICE:
		return !packet && ev->notice.kind != NOTICE_OFFLOADED && ev->notice.kind != NOTICE_OFFLOAD_FULL;
	case EXPLAIN_ASKED:
		return !packet;
	case EXPLAIN_HOP:
	case EXPLAIN_LEAVES:
		break;
	}
	return false;
}

/* What belongs to no packet; things of one moment stand together. */
static void story_alone(struct story *s, const struct explain_event *ev)
{
	const struct explain_sink sink = { .line = story_line, .ctx = s, .verbose = s->style->verbose };

	if (s->alone_ns != ev->now_ns) {
		print_time(s, ev->now_ns);
		fprintf(s->style->out, "between packets\n");
		s->where[0] = '\0';
	}
	explain_tell(s->e, ev, &sink);
	s->alone_ns = ev->now_ns;
}

static unsigned where_width(const struct config *config)
{
	size_t width = WHERE_WIDTH_MIN;

	for (unsigned i = 0; i < config->backend_count; i++)
		width = MAX(width, strlen("server ") + strlen(config->backends[i].name));
	return (unsigned)MIN(width, WHERE_WIDTH_MAX);
}

static void story_tell(struct story *s)
{
	const struct explain *e = s->e;
	uint32_t from, to, begin, end;

	s->where_width = where_width(e->config);
	explain_span(e, s->flow, &from, &to);
	s->alone_ns = TIME_NEVER;
	begin = from < e->journey_count ? e->journeys[from].first : 0;
	end = to < e->journey_count ? e->journeys[to].first : e->event_count;
	for (uint32_t i = from ? begin : 0; i < end; i++) {
		const struct explain_event *ev = &e->events[i];

		if (!explain_concerns(ev, s->flow))
			continue;
		if (ev->kind == EXPLAIN_HOP && e->journeys[ev->journey].first == i) {
			story_journey(s, ev->journey);
		} else if (explain_stands_alone(e, i)) {
			print_folded(s);
			story_alone(s, ev);
		}
	}
	print_folded(s);
}

/* --- the answer ---------------------------------------------------------------------------------- */

static void write_flow(const struct explain *e, const struct explain_style *style, const struct explain_flow *f,
		       uint64_t first_ns)
{
	const struct explain_verdict *v = explain_verdict_of(e, f);
	struct story s = {
		.e = e, .style = style, .flow = f, .first_ns = first_ns, .fold = { .verbose = style->verbose }
	};
	char client[ENDPOINT_TEXT_MAX];

	fprintf(style->out, "%sFlow %s-%u%s", color(style, BOLD), endpoint_format(f->client, client), f->k,
		color(style, PLAIN));
	if (v)
		fprintf(style->out, ": %s%s%s", outcome_key(v->outcome), v->text[0] ? ": " : "", v->text);
	fputs("\n\n", style->out);
	if (!style->quiet) {
		story_tell(&s);
		fputc('\n', style->out);
	}
	explain_ladder(e, style, f, first_ns);
}

static void write_packet(const struct explain *e, const struct explain_style *style, uint64_t first_ns)
{
	struct story s = { .e = e, .style = style, .first_ns = first_ns, .fold = { .verbose = true } };
	char client[ENDPOINT_TEXT_MAX];

	fprintf(style->out, "%sFrame %u%s", color(style, BOLD), e->request.frame, color(style, PLAIN));
	if (endpoint_word(e->frame_flow.client))
		fprintf(style->out, " of flow %s-%u", endpoint_format(e->frame_flow.client, client), e->frame_flow.k);
	fputs("\n\n", style->out);
	story_tell(&s);
	fputc('\n', style->out);
	if (e->journey_count)
		explain_ladder(e, style, NULL, first_ns);
	else if (e->event_count == 0)
		fputs("It was not played: its numbers belong to no connection of its client that is open.\n",
		      style->out);
}

static void write_drop(const struct story *s, const struct explain_event *ev)
{
	const struct explain_journey *j = &s->e->journeys[ev->journey];
	char where[EXPLAIN_WHERE_MAX], origin[EXPLAIN_TEXT_MAX], segment[EXPLAIN_SEGMENT_TEXT], a[ENDPOINT_TEXT_MAX],
		b[ENDPOINT_TEXT_MAX];

	explain_where(s->e, ev, where);
	explain_segment_text(&ev->hop, segment);
	if (j->frame)
		snprintf(origin, sizeof(origin), "frame %u", j->frame);
	else
		snprintf(origin, sizeof(origin), j->cause ? "made on frame %u" : "made here", j->cause);
	print_time(s, ev->now_ns);
	fprintf(s->style->out, "%s%s%s %s > %s %s\n    %s: %s%s%s (%s)\n", color(s->style, BOLD), origin,
		color(s->style, PLAIN), endpoint_format(ev->hop.before.src, a), endpoint_format(ev->hop.before.dst, b),
		segment, where, color(s->style, RED), drop_text(ev->hop.drop), color(s->style, PLAIN),
		drop_key(ev->hop.drop));
}

static void write_drops(const struct explain *e, const struct explain_style *style, const struct replay_result *r)
{
	const struct story s = { .e = e, .style = style, .first_ns = r->first_ns };
	uint64_t counts[DROP_COUNT] = { 0 }, total = 0;
	char count[TEXT_NUMBER_MAX];

	for (uint32_t i = 0; i < e->event_count; i++) {
		if (e->events[i].kind != EXPLAIN_HOP)
			continue;
		write_drop(&s, &e->events[i]);
		counts[e->events[i].hop.drop]++;
	}
	for (unsigned i = 0; i < DROP_COUNT; i++) {
		counts[i] += drop_on_the_way(i) ? 0 : r->world_drops[i]; /* for want of a packet: nobody saw those */
		total += counts[i];
	}
	if (total && e->event_count)
		fputc('\n', style->out);
	if (total)
		fprintf(style->out, "%s %s dropped.\n", text_count(total, count),
			total == 1 ? "packet was" : "packets were");
	else
		fputs("No packet was dropped.\n", style->out);
	for (unsigned i = 1; i < DROP_COUNT; i++)
		if (counts[i])
			fprintf(style->out, "  %10s  %-18s %s\n", text_count(counts[i], count), drop_key(i),
				drop_text(i));
}

static void write_asked_flows(const struct explain *e, const struct explain_style *style, const struct replay_result *r)
{
	uint64_t faulty = r->outcomes[OUTCOME_MISMATCHED] + r->outcomes[OUTCOME_INCOMPLETE];
	char why[EXPLAIN_TEXT_MAX], count[TEXT_NUMBER_MAX];

	for (unsigned i = 0; i < e->request.flow_count; i++) {
		if (i)
			fputc('\n', style->out);
		write_flow(e, style, &e->request.flows[i], r->first_ns);
	}
	if (e->request.question == EXPLAIN_MISMATCH && faulty > e->request.flow_count)
		fprintf(style->out, "\n%s more such flows are left out.\n",
			text_count(faulty - e->request.flow_count, count));
	if (e->request.question == EXPLAIN_MISMATCH && e->request.flow_count == 0)
		fputs("The oracle found fault with no flow.\n", style->out);
	if (e->request.question == EXPLAIN_FLOW && explain_why_not_offloaded(e, why))
		fprintf(style->out, "\nOffload: %s\n", why);
	if (e->request.question == EXPLAIN_FLOW && e->port_flows > 1)
		fprintf(style->out, "The client's port had %u connections; this was number %u, counted from 0.\n",
			e->port_flows, e->request.flows[0].k);
}

void explain_write(const struct explain *e, const struct explain_style *style, const struct replay_result *result)
{
	char why[EXPLAIN_TEXT_MAX], count[TEXT_NUMBER_MAX];

	switch (e->request.question) {
	case EXPLAIN_FLOW:
	case EXPLAIN_MISMATCH:
		write_asked_flows(e, style, result);
		break;
	case EXPLAIN_PACKET:
		write_packet(e, style, result->first_ns);
		break;
	case EXPLAIN_DROPS:
		write_drops(e, style, result);
		break;
	case EXPLAIN_WHY_NOT_OFFLOADED:
		if (explain_why_not_offloaded(e, why))
			fprintf(style->out, "%s\n", why);
		break;
	}
	if (e->omitted)
		fprintf(style->out, "%s later events are left out.\n", text_count(e->omitted, count));
}
