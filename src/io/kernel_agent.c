/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel_agent.c: loads the agent's BPF programs and runs single packets through them (kernel_agent.h).
 *
 * Life-cycle: the skeleton is opened, the pairs' map sized, both programs are loaded (the verifier has its say),
 * settings and the one service are written. Nothing is attached or pinned: all goes with the last descriptor.
 *
 * The sweep walks the whole map, so it is done only when something may be due: no pair that is not seen now is
 * due before what the last walk found, and a packet seen now makes nothing due before the shorter timeout. */
#include "miresga/kernel_agent.h"

#include <stdio.h>

#ifdef MIRESGA_BPF

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdlib.h>

#include "agent.skel.h"
#include "miresga/agent_maps.h"

/* As in agent.c: last_ns is kept to this share of the timeout. */
#define TOUCH_SHARE 64

struct kernel_agent {
	struct agent_bpf *bpf;
	struct agent_counters *per_cpu; /* room for one of each CPU */
	int cpus;
	struct agent_settings settings;
	uint64_t timeouts_ns[2]; /* of pairs that go on, of ended ones */
	uint64_t wake_ns, removed_idle;
	uint8_t index;
	uint8_t frame[KERNEL_AGENT_FRAME_MAX]; /* what the kernel hands back */
};

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
	return 0;
}

static int settings_write(struct kernel_agent *a, uint64_t now_ns)
{
	const uint32_t zero = 0;

	if (a->settings.now_ns == now_ns)
		return 0;
	a->settings.now_ns = now_ns;
	return bpf_map_update_elem(bpf_map__fd(a->bpf->maps.agent_settings), &zero, &a->settings, BPF_ANY);
}

static int load(struct kernel_agent *a, const struct config *config)
{
	const struct endpoint *address = &config->backends[a->index].address;
	const struct agent_service service = {
		.addr = (WIRE_FORCE uint32_t)address->addr,
		.port = (WIRE_FORCE uint16_t)address->port,
	};
	const uint32_t one = 1;
	int error;

	a->bpf = agent_bpf__open();
	if (!a->bpf)
		return -errno;
	error = bpf_map__set_max_entries(a->bpf->maps.agent_pairs, config->agent.entries_max);
	if (!error)
		error = agent_bpf__load(a->bpf);
	if (!error)
		error = bpf_map_update_elem(bpf_map__fd(a->bpf->maps.agent_services), &service, &one, BPF_ANY);
	return error ? error : settings_write(a, 1);
}

static struct kernel_agent *fail(struct kernel_agent *a, char error[KERNEL_AGENT_ERROR_MAX], const char *why,
				 const char *what)
{
	snprintf(error, KERNEL_AGENT_ERROR_MAX, "the kernel's agent: %s%s", why, what);
	kernel_agent_free(a);
	return NULL;
}

struct kernel_agent *kernel_agent_create(const struct config *config, unsigned index,
					 char error[KERNEL_AGENT_ERROR_MAX])
{
	const uint32_t of_agent = QUIRK_BIT(QUIRK_A1) | QUIRK_BIT(QUIRK_A3) | QUIRK_BIT(QUIRK_A7) | QUIRK_BIT(QUIRK_P2);
	struct kernel_agent *a;
	libbpf_print_fn_t print;
	int failed;

	MUST(index < config->backend_count);
	if (config->quirks & of_agent)
		return fail(NULL, error, "it has no quirks; ", "use the model for A1, A3, A7 and P2");
	a = calloc(1, sizeof(*a));
	if (!a)
		return fail(NULL, error, "out of memory", "");
	a->index = (uint8_t)index;
	a->cpus = libbpf_num_possible_cpus();
	a->per_cpu = calloc(a->cpus > 0 ? (size_t)a->cpus : 1, sizeof(*a->per_cpu));
	a->timeouts_ns[0] = config->timeouts.established_ns;
	a->timeouts_ns[1] = config->timeouts.linger_ns;
	a->wake_ns = TIME_NEVER;
	a->settings.tag_key = config->tag_key;
	a->settings.announced_wscale = config->sw.wscale;
	for (unsigned i = 0; i < 2; i++)
		a->settings.touch_ns[i] = a->timeouts_ns[i] / TOUCH_SHARE;
	if (a->cpus <= 0 || !a->per_cpu)
		return fail(a, error, "out of memory", "");
	print = libbpf_set_print(quiet);
	failed = load(a, config);
	libbpf_set_print(print);
	if (failed == -EPERM)
		return fail(a, error, "no permission to load BPF programs; ",
			    "run as root, or with CAP_BPF and CAP_NET_ADMIN");
	if (failed)
		return fail(a, error, "the kernel refused the programs: ", strerror(-failed));
	return a;
}

void kernel_agent_free(struct kernel_agent *a)
{
	if (!a)
		return;
	agent_bpf__destroy(a->bpf);
	free(a->per_cpu);
	free(a);
}

/* Runs one packet; the program's verdict or a negative errno. */
static int run(struct kernel_agent *a, const struct bpf_program *program, struct packet *p, uint64_t now_ns)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = p->data, .data_size_in = p->len, .data_out = a->frame,
		    .data_size_out = sizeof(a->frame), .repeat = 1);
	int error;

	p->fate = FATE_FORWARD;
	p->drop = DROP_NONE;
	p->note = (struct packet_note){ .backend = a->index };
	if (p->len > KERNEL_AGENT_FRAME_MAX)
		return -EMSGSIZE;
	error = settings_write(a, now_ns);
	if (!error)
		error = bpf_prog_test_run_opts(bpf_program__fd(program), &options);
	if (error)
		return error;
	MUST(options.data_size_out <= p->room);
	memcpy(p->data, a->frame, options.data_size_out);
	p->len = options.data_size_out;
	headers_parse(p);
	a->wake_ns = MIN(a->wake_ns, now_ns + MIN(a->timeouts_ns[0], a->timeouts_ns[1]));
	return (int)(options.retval & INT32_MAX);
}

int kernel_agent_ingress(struct kernel_agent *a, struct packet *p, uint64_t now_ns)
{
	int verdict = run(a, a->bpf->progs.agent_ingress, p, now_ns);

	if (verdict < 0)
		return verdict;
	if (verdict == XDP_TX)
		p->fate = FATE_REPLY;
	else if (verdict != XDP_PASS)
		p->fate = FATE_DROP;
	return 0;
}

int kernel_agent_egress(struct kernel_agent *a, struct packet *p, uint64_t now_ns)
{
	int verdict = run(a, a->bpf->progs.agent_egress, p, now_ns);

	if (verdict < 0)
		return verdict;
	if (verdict != (TC_ACT_UNSPEC & INT32_MAX))
		p->fate = FATE_DROP;
	return 0;
}

uint64_t kernel_agent_next_wake(const struct kernel_agent *a)
{
	return a->wake_ns;
}

void kernel_agent_sweep(struct kernel_agent *a, uint64_t now_ns)
{
	int map = bpf_map__fd(a->bpf->maps.agent_pairs);
	struct splice_key key, next;
	uint64_t wake_ns = TIME_NEVER;
	struct agent_pair pair;

	for (bool more = !bpf_map_get_next_key(map, NULL, &next); more;) {
		key = next;
		more = !bpf_map_get_next_key(map, &key, &next); /* before the key may go */
		if (!bpf_map_lookup_elem(map, &key, &pair)) {
			bool closing = pair.splice.flags & SPLICE_CLOSING;
			uint64_t timeout_ns = a->timeouts_ns[closing];
			uint64_t due_ns = pair.splice.last_ns + timeout_ns + timeout_ns / TOUCH_SHARE;

			if (due_ns > now_ns)
				wake_ns = MIN(wake_ns, due_ns);
			else if (!bpf_map_delete_elem(map, &key))
				a->removed_idle += !closing;
		}
	}
	a->wake_ns = wake_ns;
}

static uint32_t count_pairs(const struct kernel_agent *a)
{
	int map = bpf_map__fd(a->bpf->maps.agent_pairs);
	struct splice_key key;
	uint32_t count = 0;

	for (void *from = NULL; !bpf_map_get_next_key(map, from, &key); from = &key)
		count++;
	return count;
}

void kernel_agent_stats(const struct kernel_agent *a, struct agent_stats *out)
{
	const uint32_t zero = 0;

	*out = (struct agent_stats){ .removed_idle = a->removed_idle, .entries = count_pairs(a) };
	if (bpf_map_lookup_elem(bpf_map__fd(a->bpf->maps.agent_counters), &zero, a->per_cpu))
		return;
	for (int i = 0; i < a->cpus; i++) {
		const struct agent_counters *c = &a->per_cpu[i];

		out->ingress_packets += c->ingress_packets;
		out->egress_packets += c->egress_packets;
		out->translated_in += c->translated_in;
		out->translated_out += c->translated_out;
		out->special_syns += c->special_syns;
		out->renewed += c->renewed;
		out->bad_tags += c->bad_tags;
		out->refused_full += c->refused_full;
		out->removed_fin += c->removed_fin;
		out->removed_rst += c->removed_rst;
	}
}

#else

struct kernel_agent *kernel_agent_create(const struct config *config, unsigned index,
					 char error[KERNEL_AGENT_ERROR_MAX])
{
	(void)config, (void)index;
	snprintf(error, KERNEL_AGENT_ERROR_MAX, "the kernel's agent: built without it (make BPF=0)");
	return NULL;
}

void kernel_agent_free(struct kernel_agent *a)
{
	(void)a;
}

/* There is no agent to call these with. */
int kernel_agent_ingress(struct kernel_agent *a, struct packet *p, uint64_t now_ns)
{
	(void)a, (void)p, (void)now_ns;
	MUST(false);
	return -1;
}

int kernel_agent_egress(struct kernel_agent *a, struct packet *p, uint64_t now_ns)
{
	return kernel_agent_ingress(a, p, now_ns);
}

uint64_t kernel_agent_next_wake(const struct kernel_agent *a)
{
	(void)a;
	return TIME_NEVER;
}

void kernel_agent_sweep(struct kernel_agent *a, uint64_t now_ns)
{
	(void)a, (void)now_ns;
}

void kernel_agent_stats(const struct kernel_agent *a, struct agent_stats *out)
{
	(void)a;
	*out = (struct agent_stats){ 0 };
}

#endif
