/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_object.c: opens and loads the agent's BPF object (agent_object.h).
 *
 * The object is one for all kernels since 5.15. What a kernel may lack is asked for here, once, and told to the
 * verifier by constants: bpf_xdp_load_bytes() came with fragments in XDP (5.18). Nothing is attached or pinned
 * here: all goes with the last descriptor.
 *
 * libbpf talks through one hook for the whole process. It is set while the object is opened and loaded, and put
 * back; what was said last is kept for the message. */
#ifdef MIRESGA_BPF

#include "agent_object.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <unistd.h>

#include "../agent/agent_maps.h"
#include "agent.skel.h"

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5)
#endif

#define START_TRIES 50
#define START_PAUSE_US 20000

const char *const agent_map_names[AGENT_MAP_COUNT] = {
	[AGENT_MAP_SETTINGS] = "agent_settings", [AGENT_MAP_SERVICES] = "agent_services",
	[AGENT_MAP_PAIRS] = "agent_pairs",	 [AGENT_MAP_ENDED] = "agent_ended",
	[AGENT_MAP_CLOCK] = "agent_clock",	 [AGENT_MAP_COUNTERS] = "agent_counters",
};

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

static bool kernel_has_frags(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_load_bytes, NULL) == 1;
}

int agent_object_open(struct agent_object *o, uint32_t entries_max, bool plain)
{
	libbpf_print_fn_t print = libbpf_set_print(quiet);
	struct agent_bpf *bpf = agent_bpf__open();
	int error = bpf ? 0 : -errno;

	*o = (struct agent_object){ .skeleton = bpf };
	if (bpf) {
		o->object = bpf->obj;
		o->ingress = bpf->progs.agent_ingress;
		o->egress = bpf->progs.agent_egress;
		o->start = bpf->progs.agent_start;
		o->maps[AGENT_MAP_SETTINGS] = bpf->maps.agent_settings;
		o->maps[AGENT_MAP_SERVICES] = bpf->maps.agent_services;
		o->maps[AGENT_MAP_PAIRS] = bpf->maps.agent_pairs;
		o->maps[AGENT_MAP_ENDED] = bpf->maps.agent_ended;
		o->maps[AGENT_MAP_CLOCK] = bpf->maps.agent_clock;
		o->maps[AGENT_MAP_COUNTERS] = bpf->maps.agent_counters;
		bpf->rodata->agent_has_frags = !plain && kernel_has_frags();
		error = bpf_map__set_max_entries(o->maps[AGENT_MAP_PAIRS], entries_max);
		if (!error)
			error = bpf_map__set_max_entries(o->maps[AGENT_MAP_ENDED], AGENT_ENDED_MAX(entries_max));
		if (!error && bpf->rodata->agent_has_frags)
			error = bpf_program__set_flags(o->ingress,
						       bpf_program__flags(o->ingress) | BPF_F_XDP_HAS_FRAGS);
	}
	libbpf_set_print(print);
	return error;
}

/* The last lines that are worth it: the verifier ends with its statistics. */
static void log_end(const char *all, char log[AGENT_LOG_MAX])
{
	size_t len = strlen(all), skip = len < AGENT_LOG_MAX ? 0 : len - AGENT_LOG_MAX + 1;

	snprintf(log, AGENT_LOG_MAX, "%s", all + skip);
}

int agent_object_load(struct agent_object *o, char log[AGENT_LOG_MAX])
{
	const size_t size = 1 << 20;
	libbpf_print_fn_t print = libbpf_set_print(quiet);
	char *all = calloc(2, size);
	int error;

	log[0] = '\0';
	if (all) {
		bpf_program__set_log_buf(o->ingress, all, size);
		bpf_program__set_log_buf(o->egress, all + size, size);
	}
	error = agent_bpf__load(o->skeleton);
	if (error && all)
		log_end(all[size] ? all + size : all, log);
	bpf_program__set_log_buf(o->ingress, NULL, 0);
	bpf_program__set_log_buf(o->egress, NULL, 0);
	free(all);
	libbpf_set_print(print);
	return error;
}

int agent_object_start(const struct agent_object *o)
{
	uint8_t frame[64] = { 0 };
	int failed = -ENOMEM;

	/* The kernel makes the timer without waiting for memory; a moment later there may be some. */
	for (unsigned i = 0; i < START_TRIES && failed == -ENOMEM; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = sizeof(frame), .repeat = 1);

		if (i)
			usleep(START_PAUSE_US);
		failed = bpf_prog_test_run_opts(bpf_program__fd(o->start), &options);
		if (!failed)
			failed = -(int)options.retval;
	}
	return failed;
}

void agent_object_close(struct agent_object *o)
{
	agent_bpf__destroy(o->skeleton);
	*o = (struct agent_object){ .object = NULL };
}

void agent_settings_make(struct agent_settings *s, const struct config *config)
{
	*s = (struct agent_settings){
		.tag_key = config->tag_key,
		.timeouts_ns = { config->timeouts.established_ns, config->timeouts.linger_ns },
		.announced_wscale = config->sw.wscale,
	};
}

#endif
