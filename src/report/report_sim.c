/* SPDX-License-Identifier: BSD-2-Clause */
/* report_sim.c: the summary of a simulation for people. What happened over time is drawn as columns, a character a
 * sample. The last line is the verdict, with the command that runs the same world again. */
#include "miresga/report_sim.h"

#include <stdarg.h>
#include <string.h>

#include "rows.h"

#define REMARK_MAX 512

static uint64_t per_second(uint64_t n, uint64_t duration_ns)
{
	return duration_ns ? (uint64_t)((unsigned __int128)n * NS_PER_S / duration_ns) : 0;
}

static void report_world(const struct report_style *s, const struct sim_report *report)
{
	const struct sim_result *r = report->result;
	char remark[REMARK_MAX], number[TEXT_NUMBER_MAX], other[TEXT_NUMBER_MAX];

	snprintf(remark, sizeof(remark), "%s, seed %llu", report->config->file,
		 (unsigned long long)report->config->seed);
	section(s, "World", remark);
	snprintf(remark, sizeof(remark), "of virtual time; %s until every timeout had passed",
		 text_duration(r->virtual_ns, other));
	row_text(s, "duration", text_duration(r->duration_ns, number), remark);
	row(s, ROW_ALWAYS, "events", r->events, "packets at a component, and timers");
	row(s, ROW_ALWAYS, "connections", r->connections, "that clients opened");
	row(s, ROW_IF_NONZERO, "arrivals missed", r->missed, "every place was taken");
	for (unsigned i = 0; i < SIM_OUTCOME_COUNT; i++) {
		snprintf(remark, sizeof(remark), "%s", sim_outcome_text(i));
		row(s, ROW_IF_NONZERO, i ? "  of these" : "completed", r->outcomes[i], remark);
	}
	row(s, ROW_IF_NONZERO, "packets verified", r->verified, "their checksums, on every link and at every stack");
	section(s, "Throughput", "while the clients asked");
	snprintf(remark, sizeof(remark), "%s responses", text_count(r->responses, other));
	row(s, ROW_ALWAYS, "responses per second", per_second(r->responses, r->duration_ns), remark);
	snprintf(remark, sizeof(remark), "of bodies; %s in all", text_bytes(r->response_bytes, other));
	row_text(s, "bytes per second", text_bytes(per_second(r->response_bytes, r->duration_ns), number), remark);
	row_text(s, "uploaded", text_bytes(r->request_bytes, number), "requests with their bodies");
	snprintf(remark, sizeof(remark), "%s of bodies' bytes",
		 text_share(r->offloaded_bytes, r->response_bytes, other));
	row_text(s, "responses offloaded", text_share(r->offloaded_responses, r->responses, number), remark);
	snprintf(remark, sizeof(remark), "%s of bytes",
		 text_share(r->fast_path_bytes, r->fast_path_bytes + r->to_frontend_bytes, other));
	row_text(s, "fast path packets",
		 text_share(r->fast_path_packets, r->fast_path_packets + r->to_frontend_packets, number), remark);
}

static void report_latency(const struct report_style *s, const struct sim_result *r)
{
	char t[7][TEXT_NUMBER_MAX];

	section(s, "Latency", "from the request, a connection's first from its opening, to the last byte");
	fprintf(s->out, "  %-13s %9s %10s %10s %10s %10s %10s %10s\n", "body", "responses", "mean", "p50", "p90", "p99",
		"p99.9", "max");
	for (unsigned i = 0; i < r->class_count; i++) {
		const struct sim_class *c = &r->classes[i];

		if (c->count == 0 && !s->verbose)
			continue;
		fprintf(s->out, "  %-13s %9s %10s %10s %10s %10s %10s %10s\n", c->text, text_count(c->count, t[0]),
			text_duration(c->mean_ns, t[1]), text_duration(c->p50_ns, t[2]), text_duration(c->p90_ns, t[3]),
			text_duration(c->p99_ns, t[4]), text_duration(c->p999_ns, t[5]),
			text_duration(c->max_ns, t[6]));
	}
}

/* One row of the samples: which of their figures. */
enum series {
	SERIES_RESPONSES,
	SERIES_BYTES,
	SERIES_CONNECTIONS,
	SERIES_ENTRIES,
	SERIES_CONTROL,
};

static uint64_t series_value(const struct sim_result *r, enum series which, unsigned i)
{
	const struct sim_sample *p = &r->samples[i];
	uint64_t since = p->time_ns - (i ? r->samples[i - 1].time_ns : 0);

	switch (which) {
	case SERIES_RESPONSES:
		return per_second(p->responses, since);
	case SERIES_BYTES:
		return per_second(p->bytes, since);
	case SERIES_CONNECTIONS:
		return p->connections;
	case SERIES_ENTRIES:
		return p->entries;
	default:
		return p->control_depth;
	}
}

static void report_series(const struct report_style *s, const struct sim_result *r, enum series which,
			  const char *label)
{
	static const char *const columns[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	const uint64_t steps = ARRAY_LEN(columns) - 1;
	uint64_t most = 0;
	char count[TEXT_NUMBER_MAX];

	for (unsigned i = 0; i < r->sample_count; i++)
		most = MAX(most, series_value(r, which, i));
	fprintf(s->out, "  %-14s ", label);
	for (unsigned i = 0; i < r->sample_count; i++) {
		uint64_t v = series_value(r, which, i);

		/* Something is never drawn as nothing. */
		fputs(columns[most ? (unsigned)(((unsigned __int128)v * steps + most - 1) / most) : 0], s->out);
	}
	fprintf(s->out, " %s\n", which == SERIES_BYTES ? text_bytes(most, count) : text_count(most, count));
}

static void report_samples(const struct report_style *s, const struct sim_result *r)
{
	if (r->sample_count == 0)
		return;
	section(s, "Over time", "from left to right; the figure is the highest column's");
	report_series(s, r, SERIES_RESPONSES, "responses/s");
	report_series(s, r, SERIES_BYTES, "bytes/s");
	report_series(s, r, SERIES_CONNECTIONS, "connections");
	report_series(s, r, SERIES_ENTRIES, "table entries");
	report_series(s, r, SERIES_CONTROL, "control queue");
}

static void report_cores(const struct report_style *s, const struct sim_report *report)
{
	const struct sim_result *r = report->result;
	char name[CONFIG_NAME_MAX + 16], share[TEXT_NUMBER_MAX], remark[REMARK_MAX], a[TEXT_NUMBER_MAX],
		b[TEXT_NUMBER_MAX];

	section(s, "Cores", "busy, while the clients asked");
	snprintf(remark, sizeof(remark), "%s operations; at most %s waiting, %s entries",
		 text_count(r->control_operations, share), text_count(r->control_depth_peak, a),
		 text_count(r->entries_peak, b));
	row_text(s, "control plane", text_share(r->control_busy_ns, r->duration_ns, share), remark);
	for (unsigned i = 0; i < r->frontend_count; i++) {
		snprintf(name, sizeof(name), "front-end %u", i);
		snprintf(remark, sizeof(remark), "%s packets", text_count(r->frontend_cpus[i].packets, a));
		row_text(s, name, text_share(r->frontend_busy_ns[i], r->duration_ns, share), remark);
	}
	for (unsigned i = 0; i < r->backend_count; i++) {
		const struct sim_server *v = &r->servers[i];

		if (v->requests == 0 && !s->verbose)
			continue;
		snprintf(remark, sizeof(remark), "%s requests; %s of memory at most", text_count(v->requests, a),
			 text_bytes(v->memory_peak, b));
		row_text(s, report->config->backends[i].name, text_share(v->busy_ns, r->duration_ns, share), remark);
	}
}

/* What got lost, and where. */
static void report_losses(const struct report_style *s, const struct sim_result *r)
{
	static const char *const names[] = {
		[TAP_CLIENT] = "client", [TAP_FRONTEND] = "front-end", [TAP_WIRE] = "backend"
	};
	struct link_stats all[ARRAY_LEN(names)] = { { 0 } };
	char label[64], count[TEXT_NUMBER_MAX];

	section(s, "Trouble", "on the links, in the components, by the fault plan");
	row(s, ROW_ALWAYS, "retransmissions", r->retransmitted, "segments that clients and servers sent again");
	row(s, ROW_IF_NONZERO, "TCP timeouts", r->timeouts, "of their retransmission timers");
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		for (unsigned up = 0; up < 2; up++) {
			const struct link_stats *l = &r->links[i][up];

			all[i].lost += l->lost;
			all[i].queue_drops += l->queue_drops;
			all[i].duplicated += l->duplicated;
			all[i].reordered += l->reordered;
			all[i].spikes += l->spikes;
			all[i].corrupted += l->corrupted;
		}
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(label, sizeof(label), "%s links", names[i]);
		row(s, ROW_IF_NONZERO, label, all[i].queue_drops, "dropped: the queue was full");
		row(s, ROW_IF_NONZERO, label, all[i].lost, "lost");
		row(s, ROW_IF_NONZERO, label, all[i].duplicated, "duplicated");
		row(s, ROW_IF_NONZERO, label, all[i].reordered, "overtaken");
		row(s, ROW_IF_NONZERO, label, all[i].spikes, "delay spikes");
		row(s, ROW_IF_NONZERO, label, all[i].corrupted, "corrupted");
	}
	for (unsigned i = DROP_NONE + 1; i < DROP_COUNT; i++) {
		uint64_t n = r->sw.drops[i] + r->world_drops[i] + r->frontend_drops[i];

		if (n)
			row_text(s, drop_key(i), text_count(n, count), drop_text(i));
	}
	for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++)
		row(s, ROW_IF_NONZERO, refusal_key(i), r->refused[i], "connections that a front-end refused");
}

static void report_faults(const struct report_style *s, const struct sim_report *report)
{
	static const char *const texts[] = {
#define X(name, key, text) [SIM_FAULT_##name] = text,
		SIM_FAULTS(X)
#undef X
	};
	const struct config_simulation *c = &report->config->simulation;
	const struct world_fault_stats *f = &report->result->faults;
	char at[TEXT_NUMBER_MAX], length[TEXT_NUMBER_MAX];

	if (c->fault_count == 0)
		return;
	section(s, "Faults", "");
	for (unsigned i = 0; i < c->fault_count; i++)
		fprintf(s->out, "  at %s for %s: %s (index %u, factor %u)\n", text_duration(c->faults[i].at_ns, at),
			c->faults[i].for_ns ? text_duration(c->faults[i].for_ns, length) : "the rest",
			texts[c->faults[i].what], c->faults[i].index, c->faults[i].factor);
	row(s, ROW_IF_NONZERO, "flows lost", f->flows_lost, "of front-ends that were killed");
	row(s, ROW_IF_NONZERO, "entries deleted", f->entries_deleted, "of the switch, that they left behind");
	row(s, ROW_IF_NONZERO, "agent entries lost", f->agent_entries_lost, "of agents that were restarted");
}

static void report_violations(const struct report_style *s, const struct sim_result *r)
{
	char client[ENDPOINT_TEXT_MAX], count[TEXT_NUMBER_MAX];

	if (r->violation_count == 0)
		return;
	section(s, "Violations", "");
	for (unsigned i = 0; i < SIM_VIOLATION_COUNT; i++)
		row(s, ROW_IF_NONZERO, sim_violation_key(i), r->violations[i], sim_violation_text(i));
	for (unsigned i = 0; i < r->kept; i++) {
		const struct sim_violation *v = &r->violation[i];

		fprintf(s->out, "  %llu.%09llu %s %s: %s\n", (unsigned long long)(v->time_ns / NS_PER_S),
			(unsigned long long)(v->time_ns % NS_PER_S),
			endpoint_word(v->client) ? endpoint_format(v->client, client) : "-", sim_violation_key(v->kind),
			v->text);
	}
	if (r->violation_count > r->kept)
		fprintf(s->out, "  and %s more\n", text_count(r->violation_count - r->kept, count));
}

void report_sim_verdict(const struct sim_report *report, char text[REPORT_VERDICT_MAX])
{
	const struct sim_result *r = report->result;
	char count[TEXT_NUMBER_MAX], other[TEXT_NUMBER_MAX];
	const char *stopped = r->interrupted ? "Interrupted. " : r->limit ? "Stopped at a limit. " : "";

	if (r->violation_count > 0)
		snprintf(text, REPORT_VERDICT_MAX,
			 "%sFAILED: %s violation%s in %s connections; again: miresga sim -f %s --seed=%llu%s", stopped,
			 text_count(r->violation_count, count), r->violation_count == 1 ? "" : "s",
			 text_count(r->connections, other), report->config->file,
			 (unsigned long long)report->config->seed, report->again);
	else if (r->output_error[0])
		snprintf(text, REPORT_VERDICT_MAX, "%sFAILED: an output could not be written.", stopped);
	else
		snprintf(text, REPORT_VERDICT_MAX, "%sNo violation in %s connections with %s responses.", stopped,
			 text_count(r->connections, count), text_count(sim_responses(r), other));
}

void report_sim(const struct report_style *style, const struct sim_report *report)
{
	const struct sim_result *r = report->result;
	char verdict[REPORT_VERDICT_MAX];

	if (!style->quiet) {
		report_world(style, report);
		report_latency(style, r);
		report_samples(style, r);
		report_cores(style, report);
		report_losses(style, r);
		report_faults(style, report);
		report_violations(style, r);
		fputc('\n', style->out);
	}
	report_sim_verdict(report, verdict);
	fprintf(style->out, "%s%s%s\n",
		color(style, sim_failed(r)		  ? "\033[1;31m"
			     : r->interrupted || r->limit ? "\033[1;33m"
							  : "\033[1;32m"),
		verdict, color(style, "\033[0m"));
}
