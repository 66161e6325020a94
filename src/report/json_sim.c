/* SPDX-License-Identifier: BSD-2-Clause */
/* json_sim.c: the result of a simulation as one document "miresga.sim/1". Keys stand in a fixed order, every reason is
 * listed, zero or not, and nothing is taken from the wall clock: equal runs give equal text. Times are nanoseconds. */
#include "miresga/json_number.h"
#include "miresga/report_sim.h"

static void set(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

static json_t *classes_json(const struct sim_result *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->class_count; i++) {
		const struct sim_class *c = &r->classes[i];
		json_t *o = json_object();

		json_object_set_new(o, "class", json_string(c->key));
		set(o, "responses", c->count);
		set(o, "bytes", c->bytes);
		set(o, "mean_ns", c->mean_ns);
		set(o, "p50_ns", c->p50_ns);
		set(o, "p90_ns", c->p90_ns);
		set(o, "p99_ns", c->p99_ns);
		set(o, "p999_ns", c->p999_ns);
		set(o, "max_ns", c->max_ns);
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *samples_json(const struct sim_result *r)
{
	json_t *o = json_object(), *time = json_array(), *responses = json_array(), *bytes = json_array();
	json_t *connections = json_array(), *entries = json_array(), *depth = json_array();

	for (unsigned i = 0; i < r->sample_count; i++) {
		const struct sim_sample *s = &r->samples[i];

		json_array_append_new(time, json_integer((json_int_t)s->time_ns));
		json_array_append_new(responses, json_integer((json_int_t)s->responses));
		json_array_append_new(bytes, json_integer((json_int_t)s->bytes));
		json_array_append_new(connections, json_integer(s->connections));
		json_array_append_new(entries, json_integer(s->entries));
		json_array_append_new(depth, json_integer(s->control_depth));
	}
	json_object_set_new(o, "time_ns", time);
	json_object_set_new(o, "responses", responses);
	json_object_set_new(o, "bytes", bytes);
	json_object_set_new(o, "connections", connections);
	json_object_set_new(o, "table_entries", entries);
	json_object_set_new(o, "control_queue", depth);
	return o;
}

static json_t *cores_json(const struct sim_report *report)
{
	const struct sim_result *r = report->result;
	json_t *o = json_object(), *frontends = json_array(), *servers = json_array();

	set(o, "control_operations", r->control_operations);
	set(o, "control_busy_ns", r->control_busy_ns);
	set(o, "control_queue_peak", r->control_depth_peak);
	set(o, "table_entries_peak", r->entries_peak);
	for (unsigned i = 0; i < r->frontend_count; i++) {
		json_t *f = json_object();

		set(f, "busy_ns", r->frontend_busy_ns[i]);
		set(f, "packets", r->frontend_cpus[i].packets);
		set(f, "drops", r->frontend_cpus[i].drops);
		set(f, "queue_peak", r->frontend_cpus[i].queue_peak);
		json_array_append_new(frontends, f);
	}
	for (unsigned i = 0; i < r->backend_count; i++) {
		const struct sim_server *v = &r->servers[i];
		json_t *b = json_object();

		json_object_set_new(b, "name", json_string(report->config->backends[i].name));
		set(b, "busy_ns", v->busy_ns);
		set(b, "requests", v->requests);
		set(b, "responses", v->responses);
		set(b, "accepted", v->accepted);
		set(b, "connections_peak", v->connections_peak);
		set(b, "memory_peak", v->memory_peak);
		json_array_append_new(servers, b);
	}
	json_object_set_new(o, "frontends", frontends);
	json_object_set_new(o, "servers", servers);
	return o;
}

static json_t *link_json(const struct link_stats *l)
{
	json_t *o = json_object();

	set(o, "packets", l->packets);
	set(o, "bytes", l->bytes);
	set(o, "queue_drops", l->queue_drops);
	set(o, "queue_peak", l->queue_peak);
	set(o, "lost", l->lost);
	set(o, "duplicated", l->duplicated);
	set(o, "reordered", l->reordered);
	set(o, "spikes", l->spikes);
	set(o, "corrupted", l->corrupted);
	return o;
}

static json_t *trouble_json(const struct sim_result *r)
{
	static const char *const names[] = {
		[TAP_CLIENT] = "client", [TAP_FRONTEND] = "frontend", [TAP_WIRE] = "backend"
	};
	json_t *o = json_object(), *links = json_object(), *drops = json_object(), *refused = json_object();

	set(o, "retransmissions", r->retransmitted);
	set(o, "tcp_timeouts", r->timeouts);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		json_t *both = json_object();

		json_object_set_new(both, "to_clients", link_json(&r->links[i][0]));
		json_object_set_new(both, "to_servers", link_json(&r->links[i][1]));
		json_object_set_new(links, names[i], both);
	}
	for (unsigned i = DROP_NONE + 1; i < DROP_COUNT; i++)
		set(drops, drop_key(i), r->sw.drops[i] + r->world_drops[i] + r->frontend_drops[i]);
	for (unsigned i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++)
		set(refused, refusal_key(i), r->refused[i]);
	json_object_set_new(o, "links", links);
	json_object_set_new(o, "drops", drops);
	json_object_set_new(o, "refused", refused);
	return o;
}

static json_t *faults_json(const struct sim_result *r)
{
	static const char *const keys[] = {
#define X(name, key, text) [SIM_FAULT_##name] = key,
		SIM_FAULTS(X)
#undef X
	};
	json_t *o = json_object(), *begun = json_object();

	for (unsigned i = 0; i < SIM_FAULT_COUNT; i++)
		set(begun, keys[i], r->faults.begun[i]);
	json_object_set_new(o, "begun", begun);
	set(o, "flows_lost", r->faults.flows_lost);
	set(o, "entries_deleted", r->faults.entries_deleted);
	set(o, "agent_entries_lost", r->faults.agent_entries_lost);
	return o;
}

static json_t *violations_json(const struct sim_result *r)
{
	json_t *o = json_object(), *list = json_array(), *kinds = json_object();
	char client[ENDPOINT_TEXT_MAX];

	for (unsigned i = 0; i < SIM_VIOLATION_COUNT; i++)
		set(kinds, sim_violation_key(i), r->violations[i]);
	for (unsigned i = 0; i < r->kept; i++) {
		const struct sim_violation *v = &r->violation[i];
		json_t *one = json_object();

		json_object_set_new(one, "kind", json_string(sim_violation_key(v->kind)));
		set(one, "time_ns", v->time_ns);
		json_object_set_new(one, "client",
				    endpoint_word(v->client) ? json_string(endpoint_format(v->client, client))
							     : json_null());
		json_object_set_new(one, "text", json_string(v->text));
		json_array_append_new(list, one);
	}
	set(o, "count", r->violation_count);
	json_object_set_new(o, "kinds", kinds);
	json_object_set_new(o, "first", list);
	return o;
}

static json_t *document_json(const struct sim_report *report)
{
	const struct sim_result *r = report->result;
	json_t *o = json_object(), *outcomes = json_object();
	char verdict[REPORT_VERDICT_MAX];

	json_object_set_new(o, "schema", json_string("miresga.sim/1"));
	json_object_set_new(o, "seed", json_number(report->config->seed));
	report_sim_verdict(report, verdict);
	json_object_set_new(o, "verdict", json_string(verdict));
	json_object_set_new(o, "failed", json_boolean(sim_failed(r)));
	json_object_set_new(o, "interrupted", json_boolean(r->interrupted));
	set(o, "duration_ns", r->duration_ns);
	set(o, "virtual_ns", r->virtual_ns);
	set(o, "events", r->events);
	set(o, "connections", r->connections);
	set(o, "missed", r->missed);
	set(o, "packets_verified", r->verified);
	for (unsigned i = 0; i < SIM_OUTCOME_COUNT; i++)
		set(outcomes, sim_outcome_key(i), r->outcomes[i]);
	json_object_set_new(o, "outcomes", outcomes);
	set(o, "responses", r->responses);
	set(o, "response_bytes", r->response_bytes);
	set(o, "request_bytes", r->request_bytes);
	set(o, "offloaded_responses", r->offloaded_responses);
	set(o, "offloaded_bytes", r->offloaded_bytes);
	set(o, "fast_path_packets", r->fast_path_packets);
	set(o, "fast_path_bytes", r->fast_path_bytes);
	set(o, "to_frontend_packets", r->to_frontend_packets);
	set(o, "to_frontend_bytes", r->to_frontend_bytes);
	json_object_set_new(o, "latency", classes_json(r));
	json_object_set_new(o, "samples", samples_json(r));
	json_object_set_new(o, "cores", cores_json(report));
	json_object_set_new(o, "trouble", trouble_json(r));
	json_object_set_new(o, "faults", faults_json(r));
	json_object_set_new(o, "violations", violations_json(r));
	return o;
}

int report_sim_json(FILE *out, const struct sim_report *report)
{
	json_t *document = document_json(report);
	int rc = document ? json_number_write(document, out, JSON_INDENT(2)) : -1;

	json_decref(document);
	return rc || fputc('\n', out) == EOF ? -1 : 0;
}
