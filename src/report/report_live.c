/* SPDX-License-Identifier: BSD-2-Clause */
/* report_live.c: the counters of a live run. One table of figures feeds both the summary and the JSON document, so
 * that they cannot disagree; interfaces and backends are lists of their own length, refusals and drops are counted
 * by reason. In the summary, what is zero is left out unless it says something by being zero, or -v asks for it. */
#include "miresga/report_live.h"

#include <jansson.h>
#include <string.h>

#include "miresga/text.h"

#define LABEL_WIDTH 22
#define VALUE_WIDTH 12

enum figure_kind {
	FIGURE_ALWAYS,
	FIGURE_IF_NONZERO,
};

struct figure {
	const char *section, *key; /* of the document */
	enum figure_kind kind;
	uint64_t value;
	const char *label, *remark; /* of the summary */
};
#define FIGURES_MAX 32

static unsigned figures(const struct live_result *r, struct figure out[FIGURES_MAX])
{
	const struct switch_stats *s = &r->sw;
	const struct frontend_stats *f = &r->frontends;
	const struct figure all[] = {
		{ "switch", "packets", FIGURE_ALWAYS, s->packets, "packets", "through the pipeline" },
		{ "switch", "bytes", FIGURE_IF_NONZERO, s->bytes, "bytes", "of IPv4" },
		{ "switch", "syn_answered", FIGURE_ALWAYS, s->syn_answered, "handshakes answered", "" },
		{ "switch", "arp_answered", FIGURE_IF_NONZERO, s->arp_answered, "ARP requests answered",
		  "for the VIP" },
		{ "switch", "fast_path_packets", FIGURE_ALWAYS, s->fast_path_packets, "fast path packets", "" },
		{ "switch", "fast_path_bytes", FIGURE_ALWAYS, s->fast_path_bytes, "fast path bytes", "" },
		{ "switch", "to_frontend_packets", FIGURE_ALWAYS, s->to_frontend_packets, "packets to front-ends", "" },
		{ "switch", "routed_packets", FIGURE_IF_NONZERO, s->routed_packets, "packets routed",
		  "by longest prefix match" },
		{ "switch", "adds", FIGURE_ALWAYS, s->adds, "flows offloaded", "" },
		{ "switch", "deletes", FIGURE_IF_NONZERO, s->deletes, "entries deleted", "" },
		{ "switch", "add_full", FIGURE_IF_NONZERO, s->add_full, "not offloaded", "the table was full" },
		{ "switch", "entries", FIGURE_IF_NONZERO, s->entries, "entries left", "of flows that have not ended" },
		{ "switch", "entries_peak", FIGURE_IF_NONZERO, s->entries_peak, "entries at most", "at once" },
		{ "frontends", "flows_started", FIGURE_ALWAYS, f->flows_started, "flows", "" },
		{ "frontends", "flows_closed", FIGURE_ALWAYS, f->flows_closed, "closed", "" },
		{ "frontends", "flows_reset", FIGURE_IF_NONZERO, f->flows_reset, "reset", "" },
		{ "frontends", "flows_timed_out", FIGURE_IF_NONZERO, f->flows_timed_out, "timed out", "" },
		{ "frontends", "flows", FIGURE_IF_NONZERO, f->flows, "still there", "open, or lingering" },
		{ "frontends", "flows_peak", FIGURE_IF_NONZERO, f->flows_peak, "at most at once", "" },
		{ "frontends", "requests", FIGURE_ALWAYS, f->requests, "requests", "" },
		{ "frontends", "responses", FIGURE_IF_NONZERO, f->responses, "responses seen",
		  "the others went by the fast path" },
		{ "frontends", "moves", FIGURE_IF_NONZERO, f->moves, "moves", "of a connection to another backend" },
		{ "frontends", "retransmissions", FIGURE_IF_NONZERO, f->retransmissions, "retransmissions",
		  "by the front-ends" },
		{ "frontends", "buffers_peak", FIGURE_IF_NONZERO, f->buffers_peak, "buffers at most", "at once" },
		{ "ports", "no_neighbour", FIGURE_IF_NONZERO, r->no_neighbour, "no MAC address",
		  "frames whose next hop is not known" },
		{ "ports", "stray", FIGURE_IF_NONZERO, r->stray, "strays", "frames that are nobody's" },
	};

	_Static_assert(ARRAY_LEN(all) <= FIGURES_MAX, "room for all");
	memcpy(out, all, sizeof(all));
	return ARRAY_LEN(all);
}

/* A family of counters by reason; 0 is no reason. */
struct reasons {
	const char *section; /* of the document */
	unsigned count;
	uint64_t (*value)(const struct live_result *r, unsigned reason);
	const char *(*key)(unsigned reason);
	const char *(*text)(unsigned reason);
};

static uint64_t refused(const struct live_result *r, unsigned reason)
{
	return r->frontends.refused[reason];
}

static const char *refused_key(unsigned reason)
{
	return refusal_key((enum refusal)reason);
}

static const char *refused_text(unsigned reason)
{
	return refusal_text((enum refusal)reason);
}

static uint64_t dropped(const struct live_result *r, unsigned reason)
{
	return r->sw.drops[reason] + r->frontends.drops[reason] + r->world_drops[reason];
}

static const char *dropped_key(unsigned reason)
{
	return drop_key((enum drop_reason)reason);
}

static const char *dropped_text(unsigned reason)
{
	return drop_text((enum drop_reason)reason);
}

static const struct reasons refusals = { "refused", REFUSAL_COUNT, refused, refused_key, refused_text };
static const struct reasons drops = { "drops", DROP_COUNT, dropped, dropped_key, dropped_text };

static void row(const struct report_style *s, const char *label, uint64_t value, const char *remark)
{
	char count[TEXT_NUMBER_MAX];

	fprintf(s->out, "  %-*s %*s%s%s\n", LABEL_WIDTH, label, VALUE_WIDTH, text_count(value, count),
		remark[0] ? "   " : "", remark);
}

static void title(const struct report_style *s, const char *text)
{
	fprintf(s->out, "%s%s%s\n", s->color ? "\033[1m" : "", text, s->color ? "\033[0m" : "");
}

static void report_reasons(const struct report_style *s, const struct reasons *reasons, const struct live_result *r)
{
	for (unsigned i = 1; i < reasons->count; i++)
		if (reasons->value(r, i) > 0)
			row(s, reasons->key(i), reasons->value(r, i), reasons->text(i));
}

static void report_ports(const struct report_style *s, const struct live_result *r)
{
	char a[TEXT_NUMBER_MAX], b[TEXT_NUMBER_MAX], c[TEXT_NUMBER_MAX], d[TEXT_NUMBER_MAX];

	title(s, "Interfaces");
	fprintf(s->out, "  %-16s %12s %12s %12s %12s\n", "", "packets in", "bytes in", "packets out", "bytes out");
	for (unsigned i = 0; i < r->port_count; i++) {
		const struct live_port_stats *p = &r->ports[i].stats;

		fprintf(s->out, "  %-16s %12s %12s %12s %12s\n", r->ports[i].interface, text_count(p->rx_packets, a),
			text_bytes(p->rx_bytes, b), text_count(p->tx_packets, c), text_bytes(p->tx_bytes, d));
	}
	for (unsigned i = 0; i < r->port_count; i++) {
		const struct live_port_stats *p = &r->ports[i].stats;
		const char *name = r->ports[i].interface;

		if (p->rx_lost)
			row(s, name, p->rx_lost, "lost: the ring was full (live.ring)");
		if (p->rx_too_long)
			row(s, name, p->rx_too_long, "too long for a place of the ring");
		if (p->tx_full)
			row(s, name, p->tx_full, "not sent: it took no more");
		if (p->tx_too_long)
			row(s, name, p->tx_too_long, "not sent: longer than its MTU");
		if (p->tx_failed)
			row(s, name, p->tx_failed, "not sent: it was down");
	}
}

void report_live(const struct report_style *s, const struct config *config, const struct live_result *r)
{
	static const char *const titles[][2] = { { "switch", "Switch" }, { "frontends", "Front-ends" } };
	char ran[TEXT_NUMBER_MAX], count[TEXT_NUMBER_MAX];
	struct figure all[FIGURES_MAX];
	unsigned n = figures(r, all);

	if (!s->quiet) {
		report_ports(s, r);
		for (unsigned t = 0; t < ARRAY_LEN(titles); t++) {
			title(s, titles[t][1]);
			for (unsigned i = 0; i < n; i++)
				if (strcmp(all[i].section, titles[t][0]) == 0 &&
				    (all[i].kind == FIGURE_ALWAYS || all[i].value > 0 || s->verbose))
					row(s, all[i].label, all[i].value, all[i].remark);
		}
		title(s, "Backends");
		for (unsigned i = 0; i < config->backend_count; i++)
			row(s, config->backends[i].name, r->frontends.requests_by_backend[i], "requests");
		title(s, "Refused requests");
		report_reasons(s, &refusals, r);
		title(s, "Dropped packets");
		report_reasons(s, &drops, r);
		for (unsigned i = 0; i < n; i++)
			if (strcmp(all[i].section, "ports") == 0 && all[i].value > 0)
				row(s, all[i].label, all[i].value, all[i].remark);
		fputc('\n', s->out);
	}
	fprintf(s->out, "Ended after %s, %s requests.\n", text_duration(r->ran_ns, ran),
		text_count(r->frontends.requests, count));
}

static void set(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

static json_t *interfaces_json(const struct live_result *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->port_count; i++) {
		const struct live_port_stats *p = &r->ports[i].stats;
		json_t *o = json_object();

		json_object_set_new(o, "interface", json_string(r->ports[i].interface));
		set(o, "rx_packets", p->rx_packets);
		set(o, "rx_bytes", p->rx_bytes);
		set(o, "rx_lost", p->rx_lost);
		set(o, "rx_too_long", p->rx_too_long);
		set(o, "tx_packets", p->tx_packets);
		set(o, "tx_bytes", p->tx_bytes);
		set(o, "tx_full", p->tx_full);
		set(o, "tx_too_long", p->tx_too_long);
		set(o, "tx_failed", p->tx_failed);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *reasons_json(const struct reasons *reasons, const struct live_result *r)
{
	json_t *o = json_object();

	for (unsigned i = 1; i < reasons->count; i++)
		set(o, reasons->key(i), reasons->value(r, i));
	return o;
}

static json_t *section_json(json_t *document, const char *name)
{
	json_t *section = json_object_get(document, name);

	if (!section) {
		json_object_set_new(document, name, json_object());
		section = json_object_get(document, name);
	}
	return section;
}

int report_live_json(FILE *out, const struct config *config, const struct live_result *r)
{
	json_t *document = json_pack("{s:s, s:s, s:I, s:o}", "schema", "miresga.live/1", "config", config->file,
				     "ran_ns", (json_int_t)r->ran_ns, "interfaces", interfaces_json(r));
	json_t *backends = json_object();
	struct figure all[FIGURES_MAX];
	unsigned n = figures(r, all);
	int failed;

	for (unsigned i = 0; i < n; i++)
		set(section_json(document, all[i].section), all[i].key, all[i].value);
	for (unsigned i = 0; i < config->backend_count; i++)
		set(backends, config->backends[i].name, r->frontends.requests_by_backend[i]);
	json_object_set_new(document, "requests_by_backend", backends);
	json_object_set_new(section_json(document, "frontends"), refusals.section, reasons_json(&refusals, r));
	json_object_set_new(document, drops.section, reasons_json(&drops, r));
	failed = !document || json_dumpf(document, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER) ||
		 fputc('\n', out) == EOF;
	json_decref(document);
	return failed ? -1 : 0;
}
