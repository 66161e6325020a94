/* SPDX-License-Identifier: BSD-2-Clause */
/* replay.c: `miresga replay`: the run.
 *
 * One pass over the trace (and one before, to find the VIP if none was given). Virtual time is
 * the trace's, made monotone: for each packet the world runs to its time, the packet joins its
 * flow (replay_flow.c) and leaves if its causes are there; then the world runs until its rings
 * are empty, which may release more. After the last packet the world runs on for the longest
 * timeout, and then nothing may be left in it.
 *
 * Whatever ends the run early (Ctrl-C, a damaged trace, a full disk, no memory): every flow gets
 * its verdict on what was played, and every output its end. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "miresga/pcapng.h"
#include "session.h"

#define PROGRESS_EVERY 4096u
/* Of the trace, for the second pass; a longer one is read twice. */
#define KEPT_MAX (UINT64_C(256) << 20)

static double wall_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool replay_stopped(const struct replay *r)
{
	return (r->options->stop && *r->options->stop && !r->input_cut) || r->out_of_memory;
}

/* Lets the wall clock catch up with the trace's. */
static void replay_pace(const struct replay *r, double started)
{
	double ahead;

	while (!replay_stopped(r)) {
		ahead = (double)(r->now_ns - r->result->first_ns) / 1e9 - (wall_seconds() - started);
		if (ahead <= 0)
			return;
		ahead = MIN(ahead, 0.1); /* a signal may come */
		nanosleep(&(struct timespec){ .tv_nsec = (long)(ahead * 1e9) }, NULL);
	}
}

static bool checksums_right(const struct replay *r, const struct segment *s)
{
	return r->options->checksums == TRACE_CHECKSUMS_COMPLETE || segment_checksums_right(s->ip, s->tcp_at);
}

/* Counts a frame that is not the VIP's TCP; true if it is. */
static bool replay_sort(struct replay *r, const struct trace_packet *p, struct segment *s)
{
	uint64_t *skipped = r->result->skipped_packets;
	bool to_vip;

	if (p->kind == TRACE_IPV6)
		skipped[SKIP_IPV6]++;
	if (p->kind == TRACE_ARP || p->kind == TRACE_OTHER)
		skipped[SKIP_NOT_TCP]++;
	if (p->kind != TRACE_IPV4)
		return false; /* fragments and damage are in the trace's own books */
	if (!segment_parse(s, p->ip, p->len)) {
		skipped[SKIP_NOT_TCP]++;
		return false;
	}
	to_vip = endpoint_equal(s->dst, r->config->vip);
	if (to_vip == endpoint_equal(s->src, r->config->vip)) { /* neither, or the VIP with itself */
		skipped[SKIP_NOT_VIP]++;
		return false;
	}
	s->frame = (uint32_t)p->frame;
	s->sound = checksums_right(r, s);
	return true;
}

void replay_tell_progress(const struct replay *r, uint64_t packets)
{
	const struct replay_options *o = r->options;

	if (o->progress && (o->speed == REPLAY_TRACE || packets % PROGRESS_EVERY == 0))
		o->progress(o->progress_ctx, trace_stats(r->trace)->bytes, trace_stats(r->trace)->file_bytes, packets);
}

static void replay_packets(struct replay *r)
{
	struct replay_result *result = r->result;
	double started = wall_seconds();
	struct trace_packet p;
	struct segment s;
	int got = 0;

	while (!replay_stopped(r) && (got = trace_next(r->trace, &p)) == 1) {
		if (!result->packets++)
			result->first_ns = p.time_ns;
		r->now_ns = MAX(r->now_ns, p.time_ns);
		replay_tell_progress(r, result->packets);
		if (!replay_sort(r, &p, &s)) {
			observe_read(r, &p, NULL);
			continue;
		}
		result->vip_packets++;
		if (r->options->speed == REPLAY_TRACE)
			replay_pace(r, started);
		world_run(r->world, r->now_ns);
		if (r->sessions && result->vip_packets == 1)
			sessions_start(r);
		replay_segment(r, &s);
		observe_read(r, &p, &s);
		world_run(r->world, r->now_ns);
		replay_release_waiting(r);
		if (r->sessions)
			sessions_catch_up(r);
	}
	result->last_ns = r->now_ns;
	/* A signal cuts a read short too: that is no damage. */
	if (got < 0 && !replay_stopped(r))
		snprintf(result->trace_error, sizeof(result->trace_error), "%s", trace_error(r->trace));
}

/* Every timeout passes; then the verdicts. */
static void replay_finish(struct replay *r)
{
	struct replay_result *result = r->result;

	result->interrupted = r->options->stop && *r->options->stop;
	if (r->sessions) {
		sessions_finish(r);
		r->now_ns = world_now(r->world);
	}
	if (result->packets && !replay_stopped(r)) {
		r->now_ns += config_longest_timeout(r->config);
		world_run(r->world, r->now_ns);
		replay_release_waiting(r);
		result->leaked = world_leftovers(r->world);
	}
	result->virtual_ns = result->packets ? world_now(r->world) - result->first_ns : 0;
	for (uint64_t i = 0; i < r->flow_count; i++)
		replay_flow_finish(r, r->flows[i]);
	if (r->out_of_memory && !result->output_error[0])
		snprintf(result->output_error, sizeof(result->output_error), "out of memory");
}

/* Copies the components' books into the result. */
static int replay_books(struct replay *r)
{
	struct replay_result *result = r->result;
	unsigned frontends = r->config->frontends.count, backends = r->config->backend_count;

	result->frontend_count = frontends;
	result->backend_count = backends;
	result->frontends = calloc(frontends, sizeof(*result->frontends));
	result->backends = calloc(backends, sizeof(*result->backends));
	result->backend_requests = calloc(backends, sizeof(*result->backend_requests));
	result->backend_flows = calloc(backends, sizeof(*result->backend_flows));
	return result->frontends && result->backends && result->backend_requests && result->backend_flows ? 0 : -1;
}

static void replay_collect(struct replay *r)
{
	struct replay_result *result = r->result;
	int number;

	result->trace = *trace_stats(r->trace);
	snprintf(result->linktype, sizeof(result->linktype), "%s", trace_linktype(r->trace, &number));
	result->sw = *switch_stats(world_switch(r->world));
	memcpy(result->world_drops, world_drops(r->world), sizeof(result->world_drops));
	for (unsigned i = 0; i < result->frontend_count; i++)
		result->frontends[i] = *frontend_stats(world_frontend(r->world, i));
	for (unsigned i = 0; i < result->backend_count; i++) {
		const struct agent *agent = world_agent(r->world, i);

		result->backends[i] = *agent_stats(agent);
		result->agent = agent->ops->name;
		if (agent_trouble(agent) && !result->agent_error[0])
			snprintf(result->agent_error, sizeof(result->agent_error), "%s", agent_trouble(agent));
	}
}

/* The VIP by option or by the trace. Returns -1 and a message on error. */
static int replay_choose_vip(struct replay *r, char error[TRACE_ERROR_MAX])
{
	struct replay_result *result = r->result;
	char address[ENDPOINT_TEXT_MAX];

	result->vip = r->config->vip;
	if (r->options->vip) {
		result->vip = *r->options->vip;
		result->vip_found = true;
	} else {
		result->vip_found = replay_find_vip(r, r->input_cut ? NULL : r->options->stop, &result->vip);
		if (trace_rewind(r->trace)) {
			snprintf(error, TRACE_ERROR_MAX, "%s", trace_error(r->trace));
			return -1;
		}
	}
	r->config->vip = result->vip;
	for (unsigned i = 0; i < r->config->backend_count; i++) {
		const struct config_backend *b = &r->config->backends[i];

		if (b->address.addr != result->vip.addr)
			continue;
		snprintf(error, TRACE_ERROR_MAX, "%s: backend %s has the address of the trace's server %s",
			 r->config->file, b->name, endpoint_format(result->vip, address));
		return -1;
	}
	return 0;
}

static struct agent *replay_make_agent(void *ctx, const struct config *config, unsigned index)
{
	struct replay *r = ctx;

	return r->options->agent(config, index, r->agent_error);
}

static int replay_open(struct replay *r, char error[TRACE_ERROR_MAX])
{
	const struct replay_options *o = r->options;
	struct trace_options trace = {
		.filter = o->filter,
		.checksums = o->checksums,
		.spool = !strcmp(o->trace, "-") && !o->vip,
		.keep = o->vip ? 0 : KEPT_MAX,
	};
	struct world_hooks hooks = {
		.ctx = r,
		.client_received = replay_oracle_client_received,
		.server_received = replay_oracle_server_received,
		.notice = replay_oracle_notice,
		.agent = o->agent ? replay_make_agent : NULL,
		.tap = o->pcapng ? replay_taps_hook : NULL,
	};

	if (o->mode == REPLAY_SESSIONS) {
		hooks.client_received = sessions_client_received;
		hooks.server_received = sessions_server_received;
		hooks.wake = sessions_run;
		hooks.agent_restarted = sessions_agent_restarted;
		hooks.simulated = true;
	}
	if (o->observer) {
		hooks.notice = observe_notice;
		hooks.control = observe_control;
		hooks.tap = observe_tap;
	}
	r->trace = trace_open(o->trace, &trace, error);
	r->input_cut = trace.spool && o->stop && *o->stop;
	if (!r->trace || replay_choose_vip(r, error) || output_prepare(o, error) ||
	    (o->pcapng && replay_taps_open(r, error)))
		return -1;
	r->expectations = calloc(EXPECTATIONS, sizeof(*r->expectations));
	r->world = world_create(r->config, &hooks);
	if (!r->expectations || !r->world || replay_books(r) || (o->mode == REPLAY_SESSIONS && sessions_open(r))) {
		snprintf(error, TRACE_ERROR_MAX, "%s", r->agent_error[0] ? r->agent_error : "out of memory");
		return -1;
	}
	return 0;
}

static void replay_close_outputs(struct replay *r)
{
	char error[PCAPNG_ERROR_MAX];

	output_flows(r);
	if (pcapng_close(r->pcapng, error) && !r->result->output_error[0])
		snprintf(r->result->output_error, sizeof(r->result->output_error), "%s", error);
	r->pcapng = NULL;
}

int replay_run(const struct config *config, const struct replay_options *options, struct replay_result *result,
	       char error[TRACE_ERROR_MAX])
{
	struct replay r = { .options = options, .result = result, .config = malloc(sizeof(*r.config)) };
	double started;
	int rc = -1;

	*result = (struct replay_result){ 0 };
	if (!r.config) {
		snprintf(error, TRACE_ERROR_MAX, "out of memory");
		return -1;
	}
	*r.config = *config;
	if (!replay_open(&r, error)) {
		started = wall_seconds();
		replay_packets(&r);
		replay_finish(&r);
		result->seconds = wall_seconds() - started;
		replay_collect(&r);
		replay_close_outputs(&r);
		rc = 0;
	} else {
		replay_result_free(result);
	}
	pcapng_close(r.pcapng, NULL);
	sessions_close(&r);
	replay_free_flows(&r);
	world_free(r.world);
	trace_close(r.trace);
	free(r.expectations);
	free(r.config);
	return rc;
}

void replay_result_free(struct replay_result *result)
{
	free(result->frontends);
	free(result->backends);
	free(result->backend_requests);
	free(result->backend_flows);
	result->frontends = NULL;
	result->backends = NULL;
	result->backend_requests = NULL;
	result->backend_flows = NULL;
}

bool replay_failed(const struct replay_result *result)
{
	return result->outcomes[OUTCOME_MISMATCHED] || result->outcomes[OUTCOME_INCOMPLETE] ||
	       result->checksum_errors || result->number_errors || result->wrong_backend || result->leaked ||
	       result->trace_error[0] || result->output_error[0] || result->agent_error[0];
}
