/* SPDX-License-Identifier: BSD-2-Clause */
/* explain_json.c: the answer as one document "miresga.explain/1": nothing is folded. Numbers are
 * those of the wire; times are nanoseconds since the trace's first frame. */
#include <jansson.h>

#include "explain_internal.h"

static void set(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* What came from outside need not be UTF-8. */
static void set_text(json_t *object, const char *key, const char *text)
{
	json_t *string = text && text[0] ? json_string(text) : NULL;

	json_object_set_new(object, key, string ? string : json_null());
}

static void set_endpoint(json_t *object, const char *key, struct endpoint e)
{
	char text[ENDPOINT_TEXT_MAX];

	set_text(object, key, endpoint_word(e) ? endpoint_format(e, text) : NULL);
}

static json_t *segment_json(const struct explain_segment *s)
{
	static const char letters[] = "FSRPAUEW";
	json_t *o = json_object();
	char flags[9] = "";
	size_t n = 0;

	set_endpoint(o, "src", s->src);
	set_endpoint(o, "dst", s->dst);
	if (!s->tcp)
		return o;
	for (unsigned i = 0; i < 8; i++)
		if (s->flags & 1u << i)
			flags[n++] = letters[i];
	flags[n] = '\0';
	set_text(o, "flags", flags);
	set(o, "seq", s->seq);
	set(o, "ack", s->ack);
	set(o, "len", s->payload_len);
	set(o, "win", s->window);
	if (s->options.has_timestamps) {
		set(o, "tsval", s->options.tsval);
		set(o, "tsecr", s->options.tsecr);
	}
	return o;
}

struct lines {
	json_t *list;
};

static void add_line(void *ctx, const char *where, const char *step, const char *text)
{
	struct lines *l = ctx;
	json_t *o = json_object();

	(void)where;
	set_text(o, "step", step);
	set_text(o, "text", text);
	json_array_append_new(l->list, o);
}

static json_t *lines_json(const struct explain *e, const struct explain_event *ev)
{
	struct lines l = { .list = json_array() };
	const struct explain_sink sink = { .line = add_line, .ctx = &l, .verbose = true };

	explain_tell(e, ev, &sink);
	return l.list;
}

static void add_steps(json_t *o, const struct packet_transition *steps, unsigned count)
{
	json_t *fsm = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(fsm,
				      json_pack("{s:s, s:s, s:s}", "state", fsm_state_name(steps[i].state), "event",
						fsm_event_name(steps[i].event), "next", fsm_state_name(steps[i].next)));
	if (count)
		json_object_set(o, "fsm", fsm);
	json_decref(fsm);
}

static void hop_decisions(json_t *o, const struct explain_hop *h)
{
	bool at_switch = h->tap == TAP_CLIENT				? h->towards_server
			 : h->tap == TAP_FRONTEND || h->tap == TAP_WIRE ? !h->towards_server
									: false;

	if (at_switch && h->phv.ether_type == ETHERTYPE_IPV4 && h->phv.steering_row < switch_steering_rows) {
		set_text(o, "steering_row", switch_steering[h->phv.steering_row].name);
		json_object_set_new(o, "hit", json_boolean(h->phv.hit));
	}
	add_steps(o, h->note.transition, h->note.transitions);
	if (h->note.translated)
		set(o, "delta", h->note.delta);
}

static json_t *hop_json(const struct explain *e, const struct explain_event *ev, uint64_t first_ns)
{
	static const char *const fates[] = { "forward", "reply", "absorb", "drop" };
	const struct explain_hop *h = &ev->hop;
	char where[EXPLAIN_WHERE_MAX];
	json_t *o = json_object();

	explain_where(e, ev, where);
	set_text(o, "where", where);
	set(o, "time_ns", ev->now_ns - first_ns);
	set_text(o, "fate", fates[h->fate % ARRAY_LEN(fates)]);
	set_text(o, "drop", h->drop ? drop_key(h->drop) : NULL);
	hop_decisions(o, h);
	json_object_set_new(o, "before", segment_json(&h->before));
	json_object_set_new(o, "after", segment_json(&h->after));
	json_object_set_new(o, "story", lines_json(e, ev));
	return o;
}

static json_t *journey_json(const struct explain *e, const struct explain_journey *j, uint64_t first_ns)
{
	const struct explain_event *first = explain_first_hop(e, j);
	json_t *o = json_object(), *hops = json_array();
	char origin[EXPLAIN_TEXT_MAX], client[ENDPOINT_TEXT_MAX + 16], address[ENDPOINT_TEXT_MAX];

	explain_origin(e, j, origin);
	snprintf(client, sizeof(client), "%s-%u", endpoint_format(first->flow.client, address), first->flow.k);
	set_text(o, "flow", endpoint_word(first->flow.client) ? client : NULL);
	set_text(o, "origin", origin);
	set(o, "frame", j->frame);
	set(o, "cause", j->cause);
	set(o, "from_payload_byte", j->cut);
	json_object_set_new(o, "fault", json_boolean(j->fault));
	set(o, "waited_ns", j->waited == EXPLAIN_NONE ? 0 : first->now_ns - e->events[j->waited].now_ns);
	set_text(o, "waited_for", j->waited == EXPLAIN_NONE ? NULL : e->events[j->waited].wait.text);
	for (uint32_t i = j->first; i != EXPLAIN_NONE; i = e->events[i].next)
		if (e->events[i].kind == EXPLAIN_HOP)
			json_array_append_new(hops, hop_json(e, &e->events[i], first_ns));
	json_object_set_new(o, "hops", hops);
	return o;
}

/* What belongs to no packet: answers of the control plane, timers, frames that are not played. */
static json_t *between_json(const struct explain *e, uint64_t first_ns)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < e->event_count; i++) {
		const struct explain_event *ev = &e->events[i];
		json_t *o;

		if (!explain_stands_alone(e, i))
			continue;
		o = json_object();
		set(o, "time_ns", ev->now_ns > first_ns ? ev->now_ns - first_ns : 0);
		if (ev->kind == EXPLAIN_NOTICE && ev->notice.kind == NOTICE_STEP)
			add_steps(o, &ev->notice.step, 1);
		json_object_set_new(o, "story", lines_json(e, ev));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *flows_json(const struct explain *e)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < e->verdict_count; i++) {
		const struct explain_verdict *v = &e->verdicts[i];
		json_t *o = json_object();

		set_endpoint(o, "client", v->flow.client);
		set(o, "k", v->flow.k);
		set_text(o, "outcome", outcome_key(v->outcome));
		set_text(o, "reason", v->text);
		json_array_append_new(list, o);
	}
	return list;
}

int explain_write_json(const struct explain *e, FILE *out, const struct replay_result *result)
{
	static const char *const questions[] = { "flow", "packet", "drops", "mismatch", "why_not_offloaded" };
	json_t *document = json_object(), *packets = json_array();
	char why[EXPLAIN_TEXT_MAX];
	int rc;

	for (uint32_t i = 0; i < e->journey_count; i++)
		if (e->journeys[i].first != EXPLAIN_NONE)
			json_array_append_new(packets, journey_json(e, &e->journeys[i], result->first_ns));
	set_text(document, "schema", "miresga.explain/1");
	set_text(document, "question", questions[e->request.question]);
	json_object_set_new(document, "found", json_boolean(explain_found(e)));
	json_object_set_new(document, "flows", flows_json(e));
	set_text(document, "offload", explain_why_not_offloaded(e, why) ? why : NULL);
	json_object_set_new(document, "packets", packets);
	json_object_set_new(document, "between", between_json(e, result->first_ns));
	set(document, "omitted", e->omitted);
	rc = json_dumpf(document, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(document);
	return rc || fputc('\n', out) == EOF || fflush(out) ? -1 : 0;
}
