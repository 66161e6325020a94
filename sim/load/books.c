/* SPDX-License-Identifier: BSD-2-Clause */
/* books.c: what the result says: latencies by size class, samples over time, and copies of the
 * components' books. What is reported per second, and the cores, are counted in the workload's time
 * only; latencies and outcomes are those of the whole run. */
#include <stdlib.h>
#include <string.h>

#include "load.h"

/* What a connection costs a server beside its buffers: a socket and what belongs to it, about that much in Linux. */
#define CONNECTION_MEMORY 4096u

static const struct {
	uint64_t bound;
	const char *key, *text;
} classes[] = {
#define X(name, bound, key, text) { bound, key, text },
	SIZE_CLASSES(X)
#undef X
};
#define CLASSES ARRAY_LEN(classes)
_Static_assert(CLASSES < SIM_CLASSES_MAX, "one more counts all");

static const char *const outcome_texts[][2] = {
#define X(name, key, text) [SIM_OUTCOME_##name] = { key, text },
	SIM_OUTCOMES(X)
#undef X
};

static const char *const violation_texts[][2] = {
#define X(name, key, text) [SIM_VIOLATION_##name] = { key, text },
	SIM_VIOLATIONS(X)
#undef X
};

const char *sim_outcome_key(enum sim_outcome o)
{
	return outcome_texts[o][0];
}

const char *sim_outcome_text(enum sim_outcome o)
{
	return outcome_texts[o][1];
}

const char *sim_violation_key(enum sim_violation_kind k)
{
	return violation_texts[k][0];
}

const char *sim_violation_text(enum sim_violation_kind k)
{
	return violation_texts[k][1];
}

int books_init(struct sim *sim)
{
	sim->histograms = calloc(CLASSES + 1, sizeof(*sim->histograms));
	return sim->histograms ? 0 : -1;
}

void books_fini(struct sim *sim)
{
	free(sim->histograms);
}

void books_response(struct sim *sim, const struct client *c, uint64_t latency_ns)
{
	struct sim_result *r = sim->result;
	uint64_t size = c->asked.size;
	unsigned i = 0;

	while (size > classes[i].bound)
		i++;
	histogram_add(&sim->histograms[i], latency_ns);
	histogram_add(&sim->histograms[CLASSES], latency_ns);
	sim->class_bytes[i] += size;
	sim->class_bytes[CLASSES] += size;
	if (sim->ending)
		return;
	r->responses++;
	r->response_bytes += size;
	sim->at_sample.responses++;
	sim->at_sample.bytes += size;
	if (c->offloaded) {
		r->offloaded_responses++;
		r->offloaded_bytes += size;
	}
}

void books_sample(struct sim *sim, uint64_t now_ns)
{
	const struct switch_stats *sw = switch_stats(world_switch(sim->world));
	struct sim_result *r = sim->result;

	if (r->sample_count == SIM_SAMPLES)
		return;
	sim->at_sample.time_ns = now_ns;
	sim->at_sample.entries = sw->entries;
	sim->at_sample.control_depth = sw->control_depth;
	sim->at_sample.connections = sim->active;
	r->samples[r->sample_count++] = sim->at_sample;
	sim->at_sample = (struct sim_sample){ .time_ns = 0 };
}

static void books_peaks(struct load_stack *stack)
{
	const struct tcp_stats *st = tcp_stack_stats(stack->tcp);
	struct sim_server *books = &stack->books;

	books->connections_peak = MAX(books->connections_peak, st->open_peak);
	books->memory_peak = MAX(books->memory_peak, st->buffered_peak + (uint64_t)st->open_peak * CONNECTION_MEMORY);
}

void books_close(struct sim *sim, uint64_t now_ns)
{
	const struct switch_stats *sw = switch_stats(world_switch(sim->world));
	struct sim_result *r = sim->result;

	r->duration_ns = now_ns;
	r->frontend_count = sim->config->frontends.count;
	r->backend_count = sim->config->backend_count;
	r->fast_path_packets = sw->fast_path_packets;
	r->fast_path_bytes = sw->fast_path_bytes;
	r->to_frontend_packets = sw->to_frontend_packets;
	r->to_frontend_bytes = sw->to_frontend_bytes;
	r->control_operations = sw->adds + sw->deletes + sw->add_full + sw->add_exists + sw->delete_missing;
	r->control_busy_ns = switch_control_busy(world_switch(sim->world), now_ns);
	r->control_depth_peak = sw->control_depth_peak;
	r->entries_peak = sw->entries_peak;
	for (unsigned i = 0; i < r->frontend_count; i++) {
		r->frontend_cpus[i] = *world_frontend_cpu(sim->world, i);
		r->frontend_busy_ns[i] = world_frontend_busy(sim->world, i);
	}
	for (unsigned i = 0; i < r->backend_count; i++) {
		books_peaks(&sim->servers[i]);
		r->servers[i] = sim->servers[i].books;
		r->servers[i].busy_ns = world_server_busy(sim->world, i);
	}
}

static void finish_classes(struct sim *sim)
{
	struct sim_result *r = sim->result;

	r->class_count = CLASSES + 1;
	for (unsigned i = 0; i <= CLASSES; i++) {
		const struct histogram *h = &sim->histograms[i];

		r->classes[i] = (struct sim_class){
			.key = i < CLASSES ? classes[i].key : "all",
			.text = i < CLASSES ? classes[i].text : "all",
			.count = h->count,
			.bytes = sim->class_bytes[i],
			.mean_ns = histogram_mean(h),
			.p50_ns = histogram_percentile(h, 50000),
			.p90_ns = histogram_percentile(h, 90000),
			.p99_ns = histogram_percentile(h, 99000),
			.p999_ns = histogram_percentile(h, 99900),
			.max_ns = h->max,
		};
	}
}

void books_stack(struct sim *sim, struct load_stack *stack)
{
	const struct tcp_stats *st = tcp_stack_stats(stack->tcp);

	sim->result->retransmitted += st->retransmitted;
	sim->result->timeouts += st->timeouts;
	books_peaks(stack);
}

void books_finish(struct sim *sim)
{
	struct sim_result *r = sim->result;

	finish_classes(sim);
	books_stack(sim, &sim->clients);
	r->virtual_ns = world_now(sim->world);
	r->events = world_events(sim->world);
	r->faults = *world_fault_stats(sim->world);
	r->sw = *switch_stats(world_switch(sim->world));
	memcpy(r->world_drops, world_drops(sim->world), sizeof(r->world_drops));
	for (unsigned tap = TAP_CLIENT; tap <= TAP_WIRE; tap++)
		for (unsigned up = 0; up < 2; up++)
			world_link_stats(sim->world, tap, up, &r->links[tap][up]);
	for (unsigned i = 0; i < r->frontend_count; i++) {
		const struct frontend_stats *f = frontend_stats(world_frontend(sim->world, i));

		for (unsigned d = 0; d < DROP_COUNT; d++)
			r->frontend_drops[d] += f->drops[d];
	}
	for (unsigned i = 0; i < r->backend_count; i++) {
		books_stack(sim, &sim->servers[i]);
		r->agent_refused += agent_stats(world_agent(sim->world, i))->refused_full;
	}
}
