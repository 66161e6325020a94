/* SPDX-License-Identifier: BSD-2-Clause */
/* json.c: the result of a replay as one document "miresga.replay/1". Names and meaning do not
 * change within a version; keys stand in a fixed order and every reason is listed, zero or not,
 * so that two equal runs give equal text (speed aside). Figures as struct replay_result has them. */
#include <jansson.h>

#include "miresga/report.h"

static void set(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* Text that came from outside, a path for instance, need not be UTF-8. Its other bytes become '?',
 * so that one odd name does not cost the whole document. */
static json_t *text_json(const char *text)
{
	json_t *string = json_string(text);
	char clean[1024];
	size_t n = 0;

	if (string)
		return string;
	for (; text[n] != '\0' && n + 1 < sizeof(clean); n++)
		clean[n] = (signed char)text[n] < 0 ? '?' : text[n];
	clean[n] = '\0';
	return json_string(clean);
}

/* Empty and absent texts are null. */
static void set_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, text && text[0] ? text_json(text) : json_null());
}

/* {"reason": count, ...} over an X-macro's names, without number 0, which means "none". */
static json_t *by_reason(const uint64_t *counts, unsigned count, const char *(*key)(unsigned))
{
	json_t *object = json_object();

	for (unsigned i = 1; i < count; i++)
		set(object, key(i), counts[i]);
	return object;
}

static const char *skip_name(unsigned i)
{
	return skip_key((enum skip_reason)i);
}

static const char *drop_name(unsigned i)
{
	return drop_key((enum drop_reason)i);
}

static const char *refusal_name(unsigned i)
{
	return refusal_key((enum refusal)i);
}

static json_t *trace_json(const struct replay_report *report)
{
	const struct replay_result *r = report->result;
	json_t *o = json_object(), *kinds = json_object();
	char vip[ENDPOINT_TEXT_MAX];

	set_text(o, "file", report->trace);
	set_text(o, "linktype", r->linktype);
	set_text(o, "vip", r->vip_found ? endpoint_format(r->vip, vip) : NULL);
	set(o, "packets", r->packets);
	set(o, "bytes", r->trace.bytes);
	set(o, "vip_packets", r->vip_packets);
	set(o, "flows", r->flows);
	set(o, "requests", r->requests);
	json_object_set_new(o, "skipped", by_reason(r->skipped_flows, SKIP_COUNT, skip_name));
	json_object_set_new(o, "skipped_packets", by_reason(r->skipped_packets, SKIP_COUNT, skip_name));
	for (unsigned i = 0; i < TRACE_KIND_COUNT; i++)
		set(kinds, trace_kind_key(i), r->trace.kinds[i]);
	json_object_set_new(o, "frames", kinds);
	set(o, "checksums_completed", r->trace.completed);
	set(o, "reassembled", r->trace.reassembled);
	set(o, "first_ns", r->first_ns);
	set(o, "last_ns", r->last_ns);
	set_text(o, "error", r->trace_error);
	return o;
}

static json_t *switch_json(const struct switch_stats *s)
{
	json_t *o = json_object();

	set(o, "packets", s->packets);
	set(o, "bytes", s->bytes);
	set(o, "syn_answered", s->syn_answered);
	set(o, "arp_answered", s->arp_answered);
	set(o, "fast_path_packets", s->fast_path_packets);
	set(o, "fast_path_bytes", s->fast_path_bytes);
	set(o, "to_frontend_packets", s->to_frontend_packets);
	set(o, "to_frontend_bytes", s->to_frontend_bytes);
	set(o, "routed_packets", s->routed_packets);
	set(o, "offloaded", s->adds);
	set(o, "deleted", s->deletes);
	set(o, "add_full", s->add_full);
	set(o, "add_exists", s->add_exists);
	set(o, "delete_missing", s->delete_missing);
	set(o, "cuckoo_moves", s->cuckoo_moves);
	set(o, "entries_peak", s->entries_peak);
	set(o, "control_depth_peak", s->control_depth_peak);
	json_object_set_new(o, "drops", by_reason(s->drops, DROP_COUNT, drop_name));
	return o;
}

static json_t *frontend_json(const struct frontend_stats *f)
{
	json_t *o = json_object();

	set(o, "packets", f->packets);
	set(o, "bytes", f->bytes);
	set(o, "requests", f->requests);
	set(o, "responses", f->responses);
	set(o, "flows", f->flows_started);
	set(o, "flows_closed", f->flows_closed);
	set(o, "flows_reset", f->flows_reset);
	set(o, "flows_timed_out", f->flows_timed_out);
	set(o, "flows_peak", f->flows_peak);
	set(o, "special_syns", f->special_syns);
	set(o, "retransmissions", f->retransmissions);
	set(o, "moves", f->moves);
	set(o, "offloads_asked", f->offloads_asked);
	set(o, "offloaded", f->offloads_effective);
	set(o, "offloads_full", f->offloads_full);
	set(o, "untouched", f->untouched);
	set(o, "buffers_peak", f->buffers_peak);
	json_object_set_new(o, "refused", by_reason(f->refused, REFUSAL_COUNT, refusal_name));
	json_object_set_new(o, "drops", by_reason(f->drops, DROP_COUNT, drop_name));
	return o;
}

static json_t *backend_json(const struct replay_report *report, unsigned i)
{
	const struct config_backend *backend = &report->config->backends[i];
	const struct agent_stats *a = &report->result->backends[i];
	char address[ENDPOINT_TEXT_MAX];
	json_t *o = json_object();

	set_text(o, "name", backend->name);
	set_text(o, "address", endpoint_format(backend->address, address));
	set(o, "flows", report->result->backend_flows[i]);
	set(o, "requests", report->result->backend_requests[i]);
	set(o, "ingress_packets", a->ingress_packets);
	set(o, "egress_packets", a->egress_packets);
	set(o, "translated_in", a->translated_in);
	set(o, "translated_out", a->translated_out);
	set(o, "special_syns", a->special_syns);
	set(o, "renewed", a->renewed);
	set(o, "bad_tags", a->bad_tags);
	set(o, "refused_full", a->refused_full);
	set(o, "removed_fin", a->removed_fin);
	set(o, "removed_rst", a->removed_rst);
	set(o, "removed_idle", a->removed_idle);
	set(o, "entries_peak", a->entries_peak);
	return o;
}

static json_t *agent_json(const struct replay_result *r)
{
	json_t *o = json_object();
	uint64_t shortened = 0;

	for (unsigned i = 0; i < r->backend_count; i++)
		shortened += r->backends[i].shortened;
	set_text(o, "name", r->agent);
	set(o, "shortened", shortened);
	set_text(o, "error", r->agent_error);
	return o;
}

static json_t *findings_json(const struct replay_result *r)
{
	json_t *list = json_array();
	char client[ENDPOINT_TEXT_MAX];

	for (unsigned i = 0; i < MIN(r->finding_count, REPLAY_FINDINGS_MAX); i++) {
		const struct replay_finding *f = &r->findings[i];

		json_array_append_new(list, json_pack("{s:s, s:i, s:s, s:o}", "client",
						      endpoint_format(f->client, client), "k", (int)f->k, "outcome",
						      outcome_key(f->outcome), "text", text_json(f->text)));
	}
	return list;
}

static json_t *verify_json(const struct replay_result *r)
{
	json_t *o = json_object();
	uint64_t played = 0;

	for (unsigned i = 0; i < OUTCOME_COUNT; i++)
		played += i == OUTCOME_SKIPPED ? 0 : r->outcomes[i];
	json_object_set_new(o, "ok", json_boolean(!replay_failed(r)));
	set(o, "flows", played);
	for (unsigned i = 0; i < OUTCOME_COUNT; i++)
		set(o, outcome_key(i), r->outcomes[i]);
	json_object_set_new(o, "refused_by", by_reason(r->refused_by, REFUSAL_COUNT, refusal_name));
	set(o, "number_errors", r->number_errors);
	set(o, "checksum_errors", r->checksum_errors);
	set(o, "wrong_backend", r->wrong_backend);
	set(o, "blocked_packets", r->blocked_packets);
	set(o, "leaked", r->leaked);
	set(o, "timed_out", r->timed_out);
	json_object_set_new(o, "findings", findings_json(r));
	set_text(o, "output_error", r->output_error);
	return o;
}

int report_replay_json(FILE *out, const struct replay_report *report)
{
	const struct replay_result *r = report->result;
	json_t *document = json_object(), *frontends = json_array(), *backends = json_array();
	double rate = r->seconds > 0 ? (double)r->packets / r->seconds : 0;
	int rc;

	for (unsigned i = 0; i < r->frontend_count; i++)
		json_array_append_new(frontends, frontend_json(&r->frontends[i]));
	for (unsigned i = 0; i < r->backend_count; i++)
		json_array_append_new(backends, backend_json(report, i));
	json_object_set_new(document, "schema", json_string("miresga.replay/1"));
	json_object_set_new(document, "interrupted", json_boolean(r->interrupted));
	json_object_set_new(document, "trace", trace_json(report));
	json_object_set_new(document, "mode", json_string(r->sessions ? "session" : "packet"));
	json_object_set_new(document, "endpoints",
			    json_pack("{s:I, s:I, s:I}", "segments", (json_int_t)r->segments, "retransmitted",
				      (json_int_t)r->retransmitted, "timeouts", (json_int_t)r->timeouts));
	json_object_set_new(document, "switch", switch_json(&r->sw));
	json_object_set_new(document, "frontends", frontends);
	json_object_set_new(document, "backends", backends);
	json_object_set_new(document, "agent", agent_json(r));
	json_object_set_new(document, "world",
			    json_pack("{s:I, s:I, s:I, s:o}", "injected_client", (json_int_t)r->injected_client,
				      "injected_server", (json_int_t)r->injected_server, "virtual_ns",
				      (json_int_t)r->virtual_ns, "drops",
				      by_reason(r->world_drops, DROP_COUNT, drop_name)));
	json_object_set_new(document, "verify", verify_json(r));
	json_object_set_new(document, "speed",
			    json_pack("{s:f, s:f}", "seconds", r->seconds, "packets_per_second", rate));
	rc = json_dumpf(document, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
	json_decref(document);
	return rc || fputc('\n', out) == EOF || fflush(out) ? -1 : 0;
}
