/* SPDX-License-Identifier: BSD-2-Clause */
/* test_bpf_agent.c: the agent's BPF programs against the model, packet by packet.
 *
 * The verifier accepts the programs; then frame, fate and counters must be the same after every agent packet of the
 * project's captures, and after random ones made to reach every branch. Where the kernel's programs cannot be
 * loaded the tests say why, and pass. Frames that BPF_PROG_TEST_RUN does not take are kept from both sides. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "miresga/checksum.h"
#include "miresga/kernel_agent.h"
#include "miresga/prng.h"
#include "miresga/replay.h"
#include "miresga/seq.h"
#include "miresga/special_syn.h"
#include "miresga/tcp_options.h"

Suite *bpf_agent_suite(void);

#define RANDOM_PACKETS 100000
#define FLOWS 8

/* In a full map the model lets an ended pair give way, the kernel does not; so the map is never full of those. */
static const struct random_row {
	uint32_t packets, entries_max;
	uint64_t linger_ns;
} random_rows[] = {
	{ RANDOM_PACKETS / 2, 2 * FLOWS, NS_PER_S / 2 },
	{ RANDOM_PACKETS / 2, FLOWS - 2, 0 },
};

/* The kernel's agent, or NULL and the reason on stdout. */
static struct kernel_agent *kernel_agent_or_skip(const struct config *c, unsigned index)
{
	char error[KERNEL_AGENT_ERROR_MAX];
	struct kernel_agent *k = kernel_agent_create(c, index, error);

	if (!k)
		printf("skipped: %s\n", error);
	return k;
}

static void run_kernel(struct kernel_agent *k, struct packet *p, bool ingress, uint64_t now_ns)
{
	int error;

	if (kernel_agent_next_wake(k) <= now_ns)
		kernel_agent_sweep(k, now_ns);
	error = ingress ? kernel_agent_ingress(k, p, now_ns) : kernel_agent_egress(k, p, now_ns);
	ck_assert_msg(error == 0, "%u bytes: %s", p->len, strerror(-error));
}

static void print_frame(const char *who, const uint8_t *frame, uint32_t len)
{
	printf("%-7s", who);
	for (uint32_t i = 0; i < len && i < 160; i++)
		printf("%s%02x", i % 4 == 2 ? " " : "", frame[i]);
	printf("\n");
}

static void assert_same(const struct packet *model, const struct packet *kernel, const uint8_t *before, uint32_t len)
{
	if (model->fate == kernel->fate && model->len == kernel->len &&
	    memcmp(model->data, kernel->data, model->len) == 0)
		return;
	print_frame("before", before, len);
	print_frame("model", model->data, model->len);
	print_frame("kernel", kernel->data, kernel->len);
	ck_abort_msg("frames differ; fate %u and %u", model->fate, kernel->fate);
}

static void assert_same_stats(const struct agent_stats *model, const struct kernel_agent *k)
{
	struct agent_stats kernel;

	kernel_agent_stats(k, &kernel);
	ck_assert_uint_eq(kernel.translated_in, model->translated_in);
	ck_assert_uint_eq(kernel.translated_out, model->translated_out);
	ck_assert_uint_eq(kernel.special_syns, model->special_syns);
	ck_assert_uint_eq(kernel.renewed, model->renewed);
	ck_assert_uint_eq(kernel.bad_tags, model->bad_tags);
	ck_assert_uint_eq(kernel.refused_full, model->refused_full);
	ck_assert_uint_eq(kernel.removed_fin, model->removed_fin);
	ck_assert_uint_eq(kernel.removed_rst, model->removed_rst);
}

/* A replay in which every packet of an agent passes the kernel's as well. */
struct watch {
	const struct config *config;
	struct kernel_agent *kernel[BACKENDS_MAX];
	struct packet_pool *pool;
	bool skip;
	unsigned packets, too_long;
};

static void watch_sighting(void *ctx, const struct replay_sighting *s, uint64_t now_ns)
{
	bool ingress = s->tap == TAP_WIRE && s->towards_server, egress = s->tap == TAP_STACK && !s->towards_server;
	struct watch *w = ctx;
	struct packet *p;

	if (w->skip || (!ingress && !egress))
		return;
	if (s->len > KERNEL_AGENT_FRAME_MAX) {
		w->too_long++;
		return;
	}
	if (!w->kernel[s->index])
		w->kernel[s->index] = kernel_agent_or_skip(w->config, s->index);
	if (!w->kernel[s->index]) {
		w->skip = true;
		return;
	}
	p = packet_alloc(w->pool, s->len);
	ck_assert_ptr_nonnull(p);
	memcpy(p->data, s->frame, s->len);
	run_kernel(w->kernel[s->index], p, ingress, now_ns);
	assert_same(s->packet, p, s->frame, s->len);
	packet_free(w->pool, p);
	w->packets++;
}

static void report_error(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	(void)ctx;
	printf("%s:%u:%u: %s\n", file, line, column, message);
}

/* False if the kernel's agent is not to be had. */
static bool replay_both(const struct config *c, const char *path)
{
	struct watch w = { .config = c, .pool = packet_pool_create(4, 4) };
	const struct replay_observer observer = { .ctx = &w, .sighting = watch_sighting };
	const struct replay_options o = { .trace = path, .observer = &observer };
	struct replay_result result;
	char error[TRACE_ERROR_MAX] = "";

	ck_assert_ptr_nonnull(w.pool);
	ck_assert_msg(replay_run(c, &o, &result, error) == 0, "%s", error);
	for (unsigned i = 0; i < c->backend_count; i++) {
		if (w.kernel[i] && !w.too_long)
			assert_same_stats(&result.backends[i], w.kernel[i]);
		kernel_agent_free(w.kernel[i]);
	}
	if (!w.skip)
		printf("%s: %u packets the same, %u too long to try\n", path, w.packets, w.too_long);
	ck_assert(w.skip || w.packets > 0);
	replay_result_free(&result);
	packet_pool_free(w.pool);
	return !w.skip;
}

START_TEST(captures)
{
	const char *dir = getenv("MIRESGA_TRACES");
	struct config *c = malloc(sizeof(*c));
	struct dirent **names;
	bool goes_on = true;
	int n;

	ck_assert(dir && c);
	ck_assert_int_eq(config_load(c, "configs/paper.yaml", report_error, NULL), 0);
	n = scandir(dir, &names, NULL, alphasort);
	ck_assert_int_gt(n, 0);
	for (int i = 0; i < n; i++) {
		char path[512];

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		if (goes_on && strstr(path, ".pcap"))
			goes_on = replay_both(c, path);
		free(names[i]);
	}
	free(names);
	free(c);
}
END_TEST

/* What the random packets are about: connections whose numbers are right more often than not. */
struct flow {
	struct endpoint client;
	uint32_t c, l, s; /* initial sequence numbers */
	uint32_t client_next, server_next;
};

struct random_bench {
	struct config *config;
	struct packet_pool *pool;
	struct agent *model;
	struct kernel_agent *kernel;
	struct endpoint backend;
	struct prng prng;
	uint64_t now_ns;
	struct flow flows[FLOWS];
};

static uint32_t below(struct random_bench *b, uint32_t bound)
{
	return prng_below(&b->prng, bound);
}

static void flow_renew(struct random_bench *b, struct flow *f)
{
	f->c = below(b, 4) ? prng_u32(&b->prng) : UINT32_MAX - below(b, 20);
	f->l = below(b, 4) ? prng_u32(&b->prng) : UINT32_MAX - below(b, 20);
	f->s = below(b, 4) ? prng_u32(&b->prng) : UINT32_MAX - below(b, 20);
	f->client_next = f->c + 1;
	f->server_next = f->s + 1;
}

static bool random_init(struct random_bench *b, const struct random_row *row, uint64_t seed)
{
	*b = (struct random_bench){
		.config = calloc(1, sizeof(struct config)),
		.pool = packet_pool_create(8, 0),
		.backend = endpoint_make(be32_from(0x0a000002), be16_from(8080)),
		.now_ns = 1000 * NS_PER_S,
	};
	ck_assert(b->config && b->pool);
	prng_seed(&b->prng, seed);
	config_defaults(b->config);
	b->config->backend_count = 1;
	b->config->backends[0].address = b->backend;
	b->config->agent.entries_max = row->entries_max;
	b->config->timeouts.established_ns = 20 * NS_PER_S;
	b->config->timeouts.linger_ns = row->linger_ns;
	b->config->sw.wscale = (uint8_t)below(b, 15);
	for (unsigned i = 0; i < FLOWS; i++) {
		b->flows[i].client = endpoint_make(be32_from(0xc0a80000 + i / 2), be16_from((uint16_t)(40000 + i)));
		flow_renew(b, &b->flows[i]);
	}
	b->kernel = kernel_agent_or_skip(b->config, 0);
	b->model = agent_create(b->config, 0);
	ck_assert_ptr_nonnull(b->model);
	return b->kernel;
}

static void random_fini(struct random_bench *b)
{
	kernel_agent_free(b->kernel);
	agent_free(b->model);
	packet_pool_free(b->pool);
	free(b->config);
}

/* Options of any layout, some malformed; their length is a multiple of four. */
static size_t random_options(struct random_bench *b, uint8_t out[TCP_OPTIONS_MAX], size_t max)
{
	static const uint8_t kinds[] = { 0, 1, 1, 1, 2, 3, 4, 5, 5, 5, 8, 8, 253, 77 };
	size_t at = 0, len = 4 * below(b, (uint32_t)max / 4 + 1);

	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)prng_u32(&b->prng);
	if (below(b, 3) == 0 && len >= 12) { /* RFC 7323 appendix A */
		store_be32(out, 0x0101080a);
		at = 12;
	}
	while (at < len && below(b, 50)) {
		uint8_t kind = kinds[below(b, sizeof(kinds))], size = 2;

		if (kind == TCPOPT_EOL && below(b, 4))
			kind = TCPOPT_NOP;
		out[at++] = kind;
		if (kind <= TCPOPT_NOP || at == len)
			continue;
		size = kind == TCPOPT_MSS ? 4 : kind == TCPOPT_WSCALE ? 3 : kind == TCPOPT_TIMESTAMPS ? 10 : size;
		size = kind == TCPOPT_SACK ? (uint8_t)(2 + 8 * below(b, 5)) : size;
		size = kind > 76 ? (uint8_t)(2 + below(b, 12)) : size;
		out[at] = below(b, 20) ? size : (uint8_t)below(b, 45);
		at += out[at] < 2 ? 1 : out[at] - 1u;
	}
	return len;
}

/* A number near `n`, most often that. */
static uint32_t near(struct random_bench *b, uint32_t n)
{
	return below(b, 4) ? n : below(b, 4) ? n + below(b, 3000) - 1500 : prng_u32(&b->prng);
}

static struct packet *random_syn(struct random_bench *b, struct flow *f)
{
	uint8_t options[TCP_OPTIONS_MAX];
	struct tcp_packet_spec spec = { .src = f->client, .dst = b->backend, .flags = TCP_SYN, .window = 1000 };

	if (below(b, 3) == 0)
		flow_renew(b, f);
	spec.seq = f->c;
	spec.ack = f->l;
	spec.options = options;
	spec.options_len = random_options(b, options, TCP_OPTIONS_MAX - SPECIAL_SYN_TAG_LEN);
	spec.flags |= below(b, 10) ? 0 : (uint8_t)prng_u32(&b->prng);
	if (below(b, 4)) /* what is random in front would hide the tag too often */
		memset(options, TCPOPT_NOP, spec.options_len);
	if (below(b, 2) && spec.options_len >= 16)
		memcpy(options,
		       (const uint8_t[]){ 3, 3, (uint8_t)below(b, 16), 1, 1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 9, 9 }, 16);
	if (below(b, 20)) {
		special_syn_write(&b->config->tag_key, f->client, b->backend, spec.seq, spec.ack,
				  options + spec.options_len);
		if (below(b, 10) == 0)
			options[spec.options_len + below(b, SPECIAL_SYN_TAG_LEN)] ^= (uint8_t)(1 << below(b, 8));
		spec.options_len += SPECIAL_SYN_TAG_LEN;
	}
	return packet_make_tcp(b->pool, &spec);
}

static struct packet *random_synack(struct random_bench *b, const struct flow *f)
{
	uint8_t options[TCP_OPTIONS_MAX];
	const struct tcp_options o = {
		.mss = 1460,
		.wscale = (uint8_t)below(b, 16),
		.has_timestamps = below(b, 2),
		.tsval = prng_u32(&b->prng),
	};
	const struct tcp_packet_spec spec = {
		.src = b->backend,
		.dst = f->client,
		.flags = TCP_SYN | TCP_ACK,
		.seq = near(b, f->s),
		.ack = below(b, 10) ? f->c + 1 : near(b, f->c + 1),
		.window = 64000,
		.options_len = tcp_options_write(&o, options),
		.options = options,
	};

	return packet_make_tcp(b->pool, &spec);
}

/* Any segment but a SYN, of either side. */
static struct packet *random_segment(struct random_bench *b, struct flow *f, bool ingress)
{
	static const uint8_t flags[] = { TCP_ACK,	    TCP_ACK, TCP_ACK | TCP_PSH, TCP_ACK | TCP_FIN, TCP_RST,
					 TCP_RST | TCP_ACK, 0 };
	uint32_t *next = ingress ? &f->client_next : &f->server_next;
	uint8_t options[TCP_OPTIONS_MAX], payload[200];
	struct tcp_packet_spec spec = {
		.src = ingress ? f->client : b->backend,
		.dst = ingress ? b->backend : f->client,
		.flags = below(b, 40) ? flags[below(b, below(b, 3) ? 4 : sizeof(flags))] : (uint8_t)prng_u32(&b->prng),
		.seq = near(b, *next),
		.ack = near(b, ingress ? f->server_next - f->s + f->l : f->client_next),
		.window = below(b, 2) ? (uint16_t)below(b, 200) : (uint16_t)prng_u32(&b->prng),
		.options = options,
		.payload = payload,
		.payload_len = below(b, 2) ? below(b, sizeof(payload)) : 0,
	};

	memset(payload, 'x', sizeof(payload));
	spec.options_len = random_options(b, options, TCP_OPTIONS_MAX);
	if (spec.seq == *next)
		*next += (uint32_t)spec.payload_len + !!(spec.flags & TCP_FIN);
	return packet_make_tcp(b->pool, &spec);
}

/* An error about a segment that went the other way. */
static struct packet *random_icmp(struct random_bench *b, struct flow *f, bool ingress)
{
	static const uint8_t types[] = { 3, 3, 11, 12, 8 };
	struct packet *quoted = random_segment(b, f, !ingress), *p;
	uint32_t whole = quoted->len - ETH_HDR_LEN, len = below(b, 3) ? 28 : 20 + below(b, whole - 20);
	struct ipv4_hdr *ip;
	uint8_t *icmp;

	p = packet_alloc(b->pool, ETH_HDR_LEN + IPV4_HDR_MIN + 8 + len);
	memcpy(p->data, quoted->data, ETH_HDR_LEN + IPV4_HDR_MIN);
	ip = (void *)(p->data + ETH_HDR_LEN);
	ip->proto = IP_PROTO_ICMP;
	ip->total_len = be16_from((uint16_t)(IPV4_HDR_MIN + 8 + len));
	ip->check = csum_ipv4(ip, IPV4_HDR_MIN);
	icmp = p->data + ETH_HDR_LEN + IPV4_HDR_MIN;
	memset(icmp, 0, 8);
	icmp[0] = types[below(b, sizeof(types))];
	icmp[1] = 4;
	memcpy(icmp + 8, quoted->data + ETH_HDR_LEN, len);
	store_be16(icmp + 2, __builtin_bswap16((uint16_t)~csum_sum(icmp, 8 + len, 0)));
	packet_free(b->pool, quoted);
	return p;
}

/* Makes room of `len` bytes at `at`. */
static void insert(struct packet *p, uint32_t at, const uint8_t *bytes, uint32_t len)
{
	ck_assert_uint_le(p->len + len, p->room);
	memmove(p->data + at + len, p->data + at, p->len - at);
	memcpy(p->data + at, bytes, len);
	p->len += len;
}

/* IPv4 options, VLAN tags, fragments, trailing bytes, truncation, noise. */
static void random_dress(struct random_bench *b, struct packet *p, uint32_t len_min)
{
	static const uint8_t tags[] = { 0x81, 0, 0, 5, 0x88, 0xa8, 0, 9, 0x81, 0, 0, 7 };
	uint8_t nops[40];
	struct ipv4_hdr *ip = (void *)(p->data + ETH_HDR_LEN);

	memset(nops, 1, sizeof(nops));
	if (below(b, 5) == 0) {
		uint32_t len = 4 * (1 + below(b, 10));

		insert(p, ETH_HDR_LEN + IPV4_HDR_MIN, nops, len);
		ip->version_ihl = (uint8_t)(0x40 | (5 + len / 4));
		ip->total_len = be16_from((uint16_t)(be16_to(ip->total_len) + len));
		ip->check = csum_ipv4(ip, IPV4_HDR_MIN + len);
	}
	if (below(b, 30) == 0)
		ip->frag = be16_from((uint16_t)(below(b, 2) ? IP_FLAG_MF : prng_u32(&b->prng)));
	if (below(b, 10) == 0)
		insert(p, p->len, nops, 1 + below(b, sizeof(nops) - 1));
	if (below(b, 30) == 0)
		p->data[ETH_HDR_LEN + below(b, p->len - ETH_HDR_LEN)] ^= (uint8_t)(1 << below(b, 8));
	if (below(b, 5) == 0)
		insert(p, 2 * ETH_ADDR_LEN, tags, 4 * (1 + below(b, 3)));
	if (below(b, 30) == 0)
		p->len = len_min + below(b, p->len - len_min);
	else if (below(b, 30) == 0 && p->len > 60) { /* length fields believe it too */
		ip->total_len = be16_from((uint16_t)(be16_to(ip->total_len) - below(b, 40)));
	}
}

static struct packet *random_packet(struct random_bench *b, bool ingress)
{
	struct flow *f = &b->flows[below(b, FLOWS)];
	uint32_t kind = below(b, 20);

	if (kind < 3)
		return ingress ? random_syn(b, f) : random_synack(b, f);
	return kind == 3 ? random_icmp(b, f, ingress) : random_segment(b, f, ingress);
}

static void random_step(struct random_bench *b)
{
	bool ingress = below(b, 2);
	struct packet *model = random_packet(b, ingress), *kernel;
	uint8_t before[PACKET_SMALL];

	random_dress(b, model, ingress ? KERNEL_AGENT_INGRESS_MIN : KERNEL_AGENT_EGRESS_MIN);
	memcpy(before, model->data, model->len);
	kernel = packet_alloc(b->pool, model->len);
	memcpy(kernel->data, before, model->len);
	b->now_ns += below(b, 50) ? below(b, 1000000) : below(b, 2 * NS_PER_S);
	kernel_agent_sweep(b->kernel, b->now_ns);
	agent_sweep(b->model, b->now_ns);
	run_kernel(b->kernel, kernel, ingress, b->now_ns);
	if (ingress)
		agent_ingress(b->model, model, b->now_ns);
	else
		agent_egress(b->model, model, b->now_ns);
	assert_same(model, kernel, before, kernel->len);
	packet_free(b->pool, model);
	packet_free(b->pool, kernel);
}

START_TEST(random_packets)
{
	const struct random_row *row = &random_rows[_i];
	struct random_bench b;

	if (random_init(&b, row, 5 + (unsigned)_i)) {
		for (unsigned i = 0; i < row->packets; i++)
			random_step(&b);
		assert_same_stats(agent_stats(b.model), b.kernel);
		printf("%u random packets the same; translated: %llu in, %llu out; refused: %llu\n", row->packets,
		       (unsigned long long)agent_stats(b.model)->translated_in,
		       (unsigned long long)agent_stats(b.model)->translated_out,
		       (unsigned long long)agent_stats(b.model)->refused_full);
	}
	random_fini(&b);
}
END_TEST

Suite *bpf_agent_suite(void)
{
	Suite *s = suite_create("bpf_agent");
	TCase *tc = tcase_create("bpf_agent");

	tcase_add_test(tc, captures);
	tcase_add_loop_test(tc, random_packets, 0, ARRAY_LEN(random_rows));
	suite_add_tcase(s, tc);
	return s;
}
