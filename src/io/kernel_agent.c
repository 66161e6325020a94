/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel_agent.c: loads the agent's BPF programs and runs single packets through them (kernel_agent.h).
 *
 * Life-cycle: the skeleton is opened, the pairs' map sized, both programs are loaded (the verifier has its say),
 * settings and the one service are written. Nothing is attached or pinned: all goes with the last descriptor.
 *
 * The programs say nothing but verdict and frame. What a note tells beyond that is concluded from the counters, which
 * nobody else moves, and from the pair as it stood before.
 *
 * BPF_PROG_TEST_RUN takes no more than a page. Of a longer frame the programs get the front, as if the segment
 * were its own last part: SEQ stands higher by what is missing. They look at no payload, and of SEQ and length
 * together only at their sum (splice_track_ingress(), _egress()); where SEQ alone counts, in SYN and RST, it stays.
 *
 * The sweep walks the whole map, so it is done only when something may be due: no pair that is not seen now is
 * due before what the last walk found, and a packet seen now makes nothing due before the shorter timeout.
 *
 * Refusals: a packet that the kernel does not run, for whatever reason, passes as it is; agent_trouble() says why. */
#include "miresga/kernel_agent.h"

#include <stdio.h>

#ifdef MIRESGA_BPF

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <stdlib.h>

#include "../agent/agent_maps.h"
#include "agent_object.h"
#include "miresga/checksum.h"

struct kernel_agent {
	struct agent agent;
	struct agent_object bpf;
	struct agent_counters *per_cpu; /* room for one of each CPU */
	int cpus;
	struct agent_settings settings;
	struct endpoint address;
	uint64_t wake_ns;
	uint64_t gave_way;  /* ended pairs that the programs have removed so far */
	uint64_t passed[2]; /* frames too short to run, by enum splice_direction */
	struct agent_stats stats;
	char trouble[AGENT_REFUSAL_MAX];
	uint8_t frame[KERNEL_AGENT_FRAME_MAX]; /* what the kernel hands back */
};

static struct kernel_agent *kernel_of(struct agent *agent)
{
	return (struct kernel_agent *)agent;
}

static const struct kernel_agent *kernel_of_const(const struct agent *agent)
{
	return (const struct kernel_agent *)agent;
}

static int settings_write(struct kernel_agent *a, uint64_t now_ns)
{
	const uint32_t zero = 0;

	if (a->settings.now_ns == now_ns)
		return 0;
	a->settings.now_ns = now_ns;
	return bpf_map_update_elem(bpf_map__fd(a->bpf.maps[AGENT_MAP_SETTINGS]), &zero, &a->settings, BPF_ANY);
}

static int load(struct kernel_agent *a, const struct config *config, bool plain)
{
	const struct agent_service service = {
		.addr = (WIRE_FORCE uint32_t)a->address.addr,
		.port = (WIRE_FORCE uint16_t)a->address.port,
	};
	const uint32_t one = 1;
	char log[AGENT_LOG_MAX];
	int error;

	error = agent_object_open(&a->bpf, config->agent.entries_max, plain);
	if (!error)
		error = agent_object_load(&a->bpf, log);
	if (!error)
		error = bpf_map_update_elem(bpf_map__fd(a->bpf.maps[AGENT_MAP_SERVICES]), &service, &one, BPF_ANY);
	return error ? error : settings_write(a, 1);
}

static void kernel_free(struct agent *agent)
{
	struct kernel_agent *a = kernel_of(agent);

	agent_object_close(&a->bpf);
	free(a->per_cpu);
	free(a);
}

static struct splice_key key_make(struct endpoint client, struct endpoint local)
{
	return (struct splice_key){
		.client_addr = (WIRE_FORCE uint32_t)client.addr,
		.local_addr = (WIRE_FORCE uint32_t)local.addr,
		.client_port = (WIRE_FORCE uint16_t)client.port,
		.local_port = (WIRE_FORCE uint16_t)local.port,
	};
}

/* The pair's numbers as they stand; false if there is none. */
static bool pair_read(const struct kernel_agent *a, const struct splice_key *key, struct splice *s)
{
	struct agent_pair pair;

	if (bpf_map_lookup_elem(bpf_map__fd(a->bpf.maps[AGENT_MAP_PAIRS]), key, &pair))
		return false;
	*s = pair.splice;
	return true;
}

/* What of a frame the programs are not given, and how its headers stood otherwise. */
struct shortening {
	uint32_t len;	/* of the frame; 0: it was not too long */
	uint32_t cut;	/* of the datagram */
	uint32_t moved; /* SEQ, by so much */
	be32 given_seq;
	be16 given_check, check;
};

/* SEQ moves and the checksum follows, right or wrong as it was. */
static void seq_move(struct packet *p, uint32_t by)
{
	struct tcp_hdr *tcp = packet_tcp(p);
	be32 to = be32_from(seq_add(be32_to(tcp->seq), by));

	tcp->check = csum_update32(tcp->check, tcp->seq, to);
	tcp->seq = to;
}

/* Where the frame cannot be read, the programs cannot either, and no field needs to fit. */
static void frame_shorten(struct packet *p, bool readable, struct shortening *s)
{
	uint32_t end = p->phv.payload_at + p->phv.payload_len;
	struct ipv4_hdr *ip = packet_ip(p);

	*s = (struct shortening){ 0 };
	if (p->len <= KERNEL_AGENT_FRAME_MAX)
		return;
	s->len = p->len;
	p->len = KERNEL_AGENT_FRAME_MAX;
	if (!readable || !p->phv.l4_at || end <= p->len)
		return;
	s->cut = end - p->len;
	ip->total_len = be16_from((uint16_t)(be16_to(ip->total_len) - s->cut));
	if (p->phv.ip_proto != IP_PROTO_TCP || p->phv.tcp_flags & (TCP_SYN | TCP_RST))
		return;
	s->moved = s->cut;
	s->check = packet_tcp(p)->check;
	seq_move(p, s->moved);
	s->given_seq = packet_tcp(p)->seq;
	s->given_check = packet_tcp(p)->check;
}

static void frame_lengthen(struct packet *p, const struct shortening *s)
{
	struct ipv4_hdr *ip = packet_ip(p);
	bool untouched;

	if (!s->len)
		return;
	p->len = s->len;
	if (s->cut)
		ip->total_len = be16_from((uint16_t)(be16_to(ip->total_len) + s->cut));
	if (!s->moved)
		return;
	untouched = packet_tcp(p)->seq == s->given_seq && packet_tcp(p)->check == s->given_check;
	seq_move(p, seq_sub(0, s->moved));
	if (untouched) /* there and back again may write a sum of 0 in its other form */
		packet_tcp(p)->check = s->check;
}

/* Runs the frame; the program's verdict or a negative errno. */
static int frame_run(struct kernel_agent *a, const struct bpf_program *program, struct packet *p, uint64_t now_ns)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = p->data, .data_size_in = p->len, .data_out = a->frame,
		    .data_size_out = sizeof(a->frame), .repeat = 1);
	int error = settings_write(a, now_ns);

	if (!error)
		error = bpf_prog_test_run_opts(bpf_program__fd(program), &options);
	if (error)
		return error;
	MUST(options.data_size_out <= p->room);
	memcpy(p->data, a->frame, options.data_size_out);
	p->len = options.data_size_out;
	return (int)(options.retval & INT32_MAX);
}

/* Adds up the CPUs' books; what user space keeps itself stays. */
static void stats_take(struct kernel_agent *a)
{
	const uint32_t zero = 0;
	const struct agent_stats *own = &a->stats;
	struct agent_stats s = {
		.ingress_packets = a->passed[SPLICE_INGRESS],
		.egress_packets = a->passed[SPLICE_EGRESS],
		.removed_idle = own->removed_idle,
		.shortened = own->shortened,
		.entries = own->entries,
		.entries_peak = own->entries_peak,
	};
	uint64_t gave_way = 0;

	if (bpf_map_lookup_elem(bpf_map__fd(a->bpf.maps[AGENT_MAP_COUNTERS]), &zero, a->per_cpu))
		return;
	for (int i = 0; i < a->cpus; i++) {
		const struct agent_counters *c = &a->per_cpu[i];

		s.ingress_packets += c->ingress_packets;
		s.egress_packets += c->egress_packets;
		s.translated_in += c->translated_in;
		s.translated_out += c->translated_out;
		s.special_syns += c->special_syns;
		s.renewed += c->renewed;
		s.bad_tags += c->bad_tags;
		s.refused_full += c->refused_full;
		s.removed_fin += c->removed_fin;
		s.removed_rst += c->removed_rst;
		s.challenge_acks += c->challenge_acks;
		gave_way += c->gave_way;
	}
	s.entries -= (uint32_t)(gave_way - a->gave_way);
	a->gave_way = gave_way;
	a->stats = s;
}

static struct splice_key key_of(const struct packet *p, enum splice_direction dir)
{
	struct splice_key key = dir == SPLICE_INGRESS ? key_make(p->phv.src, p->phv.dst)
						      : key_make(p->phv.dst, p->phv.src);

	if (p->phv.ip_proto == IP_PROTO_ICMP && p->phv.l4_at)
		splice_icmp_find(p->data + p->phv.l4_at, p->data + p->phv.payload_at + p->phv.payload_len, dir, &key);
	return key;
}

static const char *remark_of(const struct packet *p, const struct agent_stats *was, const struct agent_stats *is,
			     bool was_ready)
{
	bool translated = is->translated_in + is->translated_out != was->translated_in + was->translated_out;

	if (is->refused_full != was->refused_full)
		return AGENT_REMARK_FULL;
	if (is->renewed != was->renewed)
		return AGENT_REMARK_SYN_RENEWS;
	if (is->special_syns != was->special_syns)
		return was_ready ? AGENT_REMARK_SYN_AGAIN : AGENT_REMARK_SYN;
	if (is->bad_tags != was->bad_tags)
		return AGENT_REMARK_BAD_TAG;
	if (translated && p->phv.ip_proto == IP_PROTO_ICMP)
		return AGENT_REMARK_ICMP;
	if (translated && p->phv.tcp_flags & TCP_SYN)
		return was_ready ? AGENT_REMARK_SYNACK_AGAIN : AGENT_REMARK_SYNACK;
	return NULL;
}

/* What happened, told as the model tells it. */
static void note_take(struct kernel_agent *a, struct packet *p, enum splice_direction dir, const struct splice *was)
{
	struct splice_key key = key_of(p, dir);
	struct agent_stats before = a->stats;
	struct splice s;

	stats_take(a);
	if (a->stats.special_syns - before.special_syns > a->stats.refused_full - before.refused_full &&
	    !(was->flags & SPLICE_ANNOUNCED)) {
		a->stats.entries++;
		a->stats.entries_peak = MAX(a->stats.entries_peak, a->stats.entries);
	}
	p->note.remark = remark_of(p, &before, &a->stats, was->flags & SPLICE_READY);
	if (a->stats.translated_in + a->stats.translated_out == before.translated_in + before.translated_out ||
	    !pair_read(a, &key, &s))
		return;
	p->note.translated = true;
	p->note.delta = s.delta;
}

/* The program's verdict, or -1 where there is none. */
static int kernel_run(struct kernel_agent *a, struct packet *p, enum splice_direction dir, uint64_t now_ns)
{
	static const uint32_t len_min[] = {
		[SPLICE_INGRESS] = KERNEL_AGENT_INGRESS_MIN,
		[SPLICE_EGRESS] = KERNEL_AGENT_EGRESS_MIN,
	};
	bool readable = headers_parse(p) == DROP_NONE;
	struct splice_key key = key_of(p, dir);
	struct splice was = { 0 };
	struct shortening shortening;
	uint32_t len;
	int verdict;

	p->fate = FATE_FORWARD;
	p->drop = DROP_NONE;
	p->note = (struct packet_note){ .backend = a->agent.index };
	if (p->len < len_min[dir]) {
		a->passed[dir]++;
		stats_take(a);
		return -1;
	}
	if (p->phv.tcp_flags & TCP_SYN)
		pair_read(a, &key, &was);
	frame_shorten(p, readable, &shortening);
	a->stats.shortened += shortening.len > 0;
	len = p->len;
	verdict = frame_run(a, dir == SPLICE_INGRESS ? a->bpf.ingress : a->bpf.egress, p, now_ns);
	if (p->len == len)
		frame_lengthen(p, &shortening);
	headers_parse(p);
	if (verdict >= 0)
		note_take(a, p, dir, &was);
	else if (!a->trouble[0])
		snprintf(a->trouble, sizeof(a->trouble), "the kernel's agent: a frame of %u bytes was not run: %s",
			 p->len, strerror(-verdict));
	if (a->stats.entries)
		a->wake_ns = MIN(a->wake_ns, now_ns + MIN(a->settings.timeouts_ns[0], a->settings.timeouts_ns[1]));
	return verdict;
}

static void kernel_ingress(struct agent *agent, struct packet *p, uint64_t now_ns)
{
	int verdict = kernel_run(kernel_of(agent), p, SPLICE_INGRESS, now_ns);

	if (verdict == XDP_TX)
		p->fate = FATE_REPLY;
	else if (verdict >= 0 && verdict != XDP_PASS)
		p->fate = FATE_DROP;
}

static void kernel_egress(struct agent *agent, struct packet *p, uint64_t now_ns)
{
	int verdict = kernel_run(kernel_of(agent), p, SPLICE_EGRESS, now_ns);

	if (verdict >= 0 && verdict != (TC_ACT_UNSPEC & INT32_MAX))
		p->fate = FATE_DROP;
}

/* The maps are the kernel's: there is nothing to fetch from here. */
static void kernel_prefetch(const struct agent *agent, struct packet *const packets[], uint32_t count, bool ingress)
{
	(void)agent, (void)packets, (void)count, (void)ingress;
}

static uint64_t kernel_next_wake(const struct agent *agent)
{
	return kernel_of_const(agent)->wake_ns;
}

/* Entries that no longer hold leave the queue's front. */
static void trim_ended(struct kernel_agent *a)
{
	int queue = bpf_map__fd(a->bpf.maps[AGENT_MAP_ENDED]), pairs = bpf_map__fd(a->bpf.maps[AGENT_MAP_PAIRS]);
	struct agent_ended ended;
	struct agent_pair pair;

	while (!bpf_map_lookup_elem(queue, NULL, &ended)) {
		if (!bpf_map_lookup_elem(pairs, &ended.key, &pair) && pair.splice.flags & SPLICE_CLOSING &&
		    pair.turn == ended.turn && pair.splice.last_ns == ended.last_ns)
			return;
		bpf_map_lookup_and_delete_elem(queue, NULL, &ended);
	}
}

static void kernel_sweep(struct agent *agent, uint64_t now_ns)
{
	struct kernel_agent *a = kernel_of(agent);
	int map = bpf_map__fd(a->bpf.maps[AGENT_MAP_PAIRS]);
	struct splice_key key, next;
	uint64_t wake_ns = TIME_NEVER;
	struct splice s;

	for (bool more = !bpf_map_get_next_key(map, NULL, &next); more;) {
		key = next;
		more = !bpf_map_get_next_key(map, &key, &next); /* before the key may go */
		if (pair_read(a, &key, &s)) {
			bool closing = s.flags & SPLICE_CLOSING;
			uint64_t timeout_ns = a->settings.timeouts_ns[closing];
			uint64_t due_ns = s.last_ns + timeout_ns + timeout_ns / AGENT_TOUCH_SHARE;

			if (due_ns > now_ns) {
				wake_ns = MIN(wake_ns, due_ns);
			} else if (!bpf_map_delete_elem(map, &key)) {
				a->stats.removed_idle += !closing;
				a->stats.entries--;
			}
		}
	}
	trim_ended(a);
	a->wake_ns = wake_ns;
}

static const struct agent_stats *kernel_stats(const struct agent *agent)
{
	return &kernel_of_const(agent)->stats;
}

static bool kernel_lookup(const struct agent *agent, struct endpoint client, uint32_t *delta)
{
	const struct kernel_agent *a = kernel_of_const(agent);
	struct splice_key key = key_make(client, a->address);
	struct splice s;

	if (!pair_read(a, &key, &s) || !(s.flags & SPLICE_READY))
		return false;
	*delta = s.delta;
	return true;
}

static const char *kernel_trouble(const struct agent *agent)
{
	const char *trouble = kernel_of_const(agent)->trouble;

	return trouble[0] ? trouble : NULL;
}

static const struct agent_ops kernel_ops = {
	.name = "kernel",
	.free = kernel_free,
	.prefetch = kernel_prefetch,
	.ingress = kernel_ingress,
	.egress = kernel_egress,
	.next_wake = kernel_next_wake,
	.sweep = kernel_sweep,
	.stats = kernel_stats,
	.lookup = kernel_lookup,
	.trouble = kernel_trouble,
};

static struct agent *fail(struct kernel_agent *a, char error[AGENT_REFUSAL_MAX], const char *why, const char *what)
{
	snprintf(error, AGENT_REFUSAL_MAX, "the kernel's agent: %s%s", why, what);
	if (a)
		kernel_free(&a->agent);
	return NULL;
}

static struct agent *create(const struct config *config, unsigned index, bool plain, char error[AGENT_REFUSAL_MAX])
{
	const uint32_t of_agent = QUIRK_BIT(QUIRK_A1) | QUIRK_BIT(QUIRK_A3) | QUIRK_BIT(QUIRK_A7) | QUIRK_BIT(QUIRK_P2);
	struct kernel_agent *a;
	int failed;

	MUST(index < config->backend_count);
	if (config->quirks & of_agent)
		return fail(NULL, error, "it has no quirks; ", "use the model for A1, A3, A7 and P2");
	a = calloc(1, sizeof(*a));
	if (!a)
		return fail(NULL, error, "out of memory", "");
	a->agent = (struct agent){ .ops = &kernel_ops, .index = (uint8_t)index };
	a->address = config->backends[index].address;
	a->cpus = libbpf_num_possible_cpus();
	a->per_cpu = calloc(a->cpus > 0 ? (size_t)a->cpus : 1, sizeof(*a->per_cpu));
	a->wake_ns = TIME_NEVER;
	agent_settings_make(&a->settings, config);
	if (a->cpus <= 0 || !a->per_cpu)
		return fail(a, error, "out of memory", "");
	failed = load(a, config, plain);
	if (failed == -EPERM)
		return fail(a, error, "no permission to load BPF programs; ",
			    "run as root, or with CAP_BPF and CAP_NET_ADMIN");
	if (failed)
		return fail(a, error, "the kernel refused the programs: ", strerror(-failed));
	return &a->agent;
}

struct agent *kernel_agent_create(const struct config *config, unsigned index, char error[AGENT_REFUSAL_MAX])
{
	return create(config, index, false, error);
}

struct agent *kernel_agent_create_plain(const struct config *config, unsigned index, char error[AGENT_REFUSAL_MAX])
{
	return create(config, index, true, error);
}

#else

struct agent *kernel_agent_create(const struct config *config, unsigned index, char error[AGENT_REFUSAL_MAX])
{
	(void)config, (void)index;
	snprintf(error, AGENT_REFUSAL_MAX, "the kernel's agent: built without it (make BPF=0)");
	return NULL;
}

struct agent *kernel_agent_create_plain(const struct config *config, unsigned index, char error[AGENT_REFUSAL_MAX])
{
	return kernel_agent_create(config, index, error);
}

#endif
