/* SPDX-License-Identifier: BSD-2-Clause */
/* test_bpf_agent.c: the agent's BPF programs against the model, packet by packet.
 *
 * The verifier accepts the programs; then frame, fate and counters must be the same after every agent packet of the
 * project's captures, and after random ones made to reach every branch. Where the kernel's programs cannot be
 * loaded the tests say why, and pass. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "each_capture.h"
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

static const struct random_row {
	uint32_t packets, entries_max;
	uint64_t linger_ns;
	bool plain; /* what kernels before 5.18 get */
} random_rows[] = {
	{ RANDOM_PACKETS / 2, 2 * FLOWS, NS_PER_S / 2, false },
	{ RANDOM_PACKETS / 4, FLOWS - 2, 0, false },
	/* Full of ended pairs that may give way, in their order. */
	{ RANDOM_PACKETS / 2, FLOWS - 3, 20 * NS_PER_S, false },
	{ RANDOM_PACKETS / 4, FLOWS - 3, NS_PER_S / 2, true },
};

/* The kernel's agent, or NULL and the reason on stdout. */
static struct agent *kernel_agent_or_skip(const struct config *c, unsigned index, bool plain)
{
	char error[AGENT_REFUSAL_MAX];
	struct agent *k = plain ? kernel_agent_create_plain(c, index, error) : kernel_agent_create(c, index, error);

	if (!k)
		printf("skipped: %s\n", error);
	return k;
}

static void run_kernel(struct agent *k, struct packet *p, bool ingress, uint64_t now_ns)
{
	if (agent_next_wake(k) <= now_ns)
		agent_sweep(k, now_ns);
	if (ingress)
		agent_ingress(k, p, now_ns);
	else
		agent_egress(k, p, now_ns);
	ck_assert_msg(!agent_trouble(k), "%u bytes: %s", p->len, agent_trouble(k));
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
	const struct packet_note *m = &model->note, *k = &kernel->note;

	if (model->fate == kernel->fate && model->len == kernel->len &&
	    memcmp(model->data, kernel->data, model->len) == 0) {
		ck_assert_uint_eq(k->translated, m->translated);
		ck_assert_uint_eq(k->delta, m->delta);
		ck_assert_pstr_eq(k->remark, m->remark);
		return;
	}
	print_frame("before", before, len);
	print_frame("model", model->data, model->len);
	print_frame("kernel", kernel->data, kernel->len);
	ck_abort_msg("frames differ; fate %u and %u", model->fate, kernel->fate);
}

static void assert_same_stats(const struct agent_stats *model, const struct agent *k)
{
	struct agent_stats kernel = *agent_stats(k);

	kernel.shortened = model->shortened;
	ck_assert_mem_eq(&kernel, model, sizeof(kernel));
}

/* A replay in which every packet of an agent passes the kernel's as well. */
struct watch {
	const struct config *config;
	struct agent *kernel[BACKENDS_MAX];
	struct packet_pool *pool;
	bool skip;
	unsigned packets;
};

static void watch_sighting(void *ctx, const struct replay_sighting *s, uint64_t now_ns)
{
	bool ingress = s->tap == TAP_WIRE && s->towards_server, egress = s->tap == TAP_STACK && !s->towards_server;
	struct watch *w = ctx;
	struct packet *p;

	if (w->skip || (!ingress && !egress))
		return;
	if (!w->kernel[s->index])
		w->kernel[s->index] = kernel_agent_or_skip(w->config, s->index, false);
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

/* False if the kernel's agent is not to be had. */
static bool replay_both(const struct config *c, const char *path)
{
	struct watch w = { .config = c, .pool = packet_pool_create(4, 4) };
	const struct replay_observer observer = { .ctx = &w, .sighting = watch_sighting };
	const struct replay_options o = { .trace = path, .observer = &observer };
	struct replay_result result;
	char error[TRACE_ERROR_MAX] = "";
	uint64_t shortened = 0;

	ck_assert_ptr_nonnull(w.pool);
	ck_assert_msg(replay_run(c, &o, &result, error) == 0, "%s", error);
	for (unsigned i = 0; i < c->backend_count; i++) {
		if (w.kernel[i])
			shortened += agent_stats(w.kernel[i])->shortened;
		agent_free(w.kernel[i]);
	}
	if (shortened)
		printf("%s: %u packets, of these shortened for the kernel: %llu\n", path, w.packets,
		       (unsigned long long)shortened);
	replay_result_free(&result);
	packet_pool_free(w.pool);
	return !w.skip;
}

START_TEST(captures)
{
	each_capture(replay_both);
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
	struct agent *kernel;
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
	b->kernel = kernel_agent_or_skip(b->config, 0, row->plain);
	b->model = agent_create(b->config, 0);
	ck_assert_ptr_nonnull(b->model);
	return b->kernel;
}

static void random_fini(struct random_bench *b)
{
	agent_free(b->kernel);
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

/* Has both agents work on it. Takes the packet. */
static void step_with(struct random_bench *b, struct packet *model, bool ingress)
{
	struct packet *kernel = packet_alloc(b->pool, model->len);
	uint8_t before[PACKET_SMALL];

	memcpy(before, model->data, model->len);
	memcpy(kernel->data, before, model->len);
	agent_sweep(b->kernel, b->now_ns);
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

static void random_step(struct random_bench *b)
{
	bool ingress = below(b, 2);
	struct packet *p = random_packet(b, ingress);

	random_dress(b, p, ingress ? KERNEL_AGENT_INGRESS_MIN : KERNEL_AGENT_EGRESS_MIN);
	b->now_ns += below(b, 50) ? below(b, 1000000) : below(b, 2 * NS_PER_S);
	step_with(b, p, ingress);
}

START_TEST(random_packets)
{
	const struct random_row *row = &random_rows[_i];
	struct random_bench b;

	if (random_init(&b, row, 5 + (unsigned)_i)) {
		for (unsigned i = 0; i < row->packets; i++)
			random_step(&b);
		assert_same_stats(agent_stats(b.model), b.kernel);
		printf("%u random packets the same; translated: %llu in, %llu out; refused: %llu; challenge ACKs: "
		       "%llu\n",
		       row->packets, (unsigned long long)agent_stats(b.model)->translated_in,
		       (unsigned long long)agent_stats(b.model)->translated_out,
		       (unsigned long long)agent_stats(b.model)->refused_full,
		       (unsigned long long)agent_stats(b.model)->challenge_acks);
	}
	random_fini(&b);
}
END_TEST

/* A flow with Δ, timestamps and scaling, as random_init() leaves it with one. */
static bool flow_opened(struct random_bench *b)
{
	static const uint8_t options[] = { 2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 9, 9, 1, 3, 3, 9 };
	struct flow *f = &b->flows[0];
	uint8_t tagged[sizeof(options) + SPECIAL_SYN_TAG_LEN];
	struct tcp_packet_spec syn = { .src = f->client,
				       .dst = b->backend,
				       .flags = TCP_SYN,
				       .seq = f->c,
				       .ack = f->l,
				       .options = tagged,
				       .options_len = sizeof(tagged) };
	struct tcp_packet_spec synack = { .src = b->backend,
					  .dst = f->client,
					  .flags = TCP_SYN | TCP_ACK,
					  .seq = f->s,
					  .ack = f->c + 1,
					  .window = 60000,
					  .options = options,
					  .options_len = sizeof(options) };
	uint32_t delta;

	memcpy(tagged, options, sizeof(options));
	special_syn_write(&b->config->tag_key, f->client, b->backend, f->c, f->l, tagged + sizeof(options));
	step_with(b, packet_make_tcp(b->pool, &syn), true);
	step_with(b, packet_make_tcp(b->pool, &synack), false);
	return agent_lookup(b->model, f->client, &delta);
}

/* A segment of the opened flow. */
static struct packet *flow_segment(struct random_bench *b, bool ingress, const uint8_t *options, size_t options_len)
{
	struct flow *f = &b->flows[0];
	const struct tcp_packet_spec spec = {
		.src = ingress ? f->client : b->backend,
		.dst = ingress ? b->backend : f->client,
		.flags = TCP_ACK,
		.seq = ingress ? f->client_next : f->server_next,
		.ack = ingress ? f->l + 1 : f->client_next,
		.window = 40000,
		.options = options,
		.options_len = options_len,
		.payload = "payload",
		.payload_len = 7,
	};

	return packet_make_tcp(b->pool, &spec);
}

/* What layouts are made of: NOP, end, everything that matters in each of its lengths, and what does not. */
static const uint8_t pieces[][2] = {
	{ TCPOPT_NOP, 1 },
	{ TCPOPT_EOL, 1 },
	{ TCPOPT_MSS, 4 },
	{ TCPOPT_WSCALE, 3 },
	{ TCPOPT_TIMESTAMPS, 10 },
	{ TCPOPT_SACK, 10 },
	{ TCPOPT_SACK, 18 },
	{ TCPOPT_SACK, 26 },
	{ TCPOPT_SACK, 34 },
	{ TCPOPT_SACK, 7 },
	{ TCPOPT_TIMESTAMPS, 9 },
	{ 77, 2 },
	{ 77, 40 },
	{ 77, 0 },
};

/* Puts one piece down if there is room, else as much of it as there is. */
static size_t piece_put(const uint8_t piece[2], uint8_t options[TCP_OPTIONS_MAX], size_t at)
{
	size_t len = MAX(piece[1], 1), room = TCP_OPTIONS_MAX - at;

	for (size_t i = 0; i < len && i < room; i++)
		options[at + i] = (uint8_t)(i == 0 ? piece[0] : i == 1 ? piece[1] : 17 * i + at);
	return at + MIN(len, room);
}

/* Every row of three pieces, begun at each offset modulo four, in both directions. */
START_TEST(option_layouts)
{
	const struct random_row row = { .entries_max = FLOWS, .linger_ns = NS_PER_S };
	const size_t n = ARRAY_LEN(pieces);
	struct random_bench b;
	unsigned count = 0;

	if (random_init(&b, &row, 99)) {
		ck_assert(flow_opened(&b));
		for (size_t i = 0; i < 4 * n * n * n; i++) {
			uint8_t options[TCP_OPTIONS_MAX];
			size_t at = i % 4;

			memset(options, TCPOPT_NOP, sizeof(options));
			at = piece_put(pieces[i / 4 % n], options, at);
			at = piece_put(pieces[i / 4 / n % n], options, at);
			at = piece_put(pieces[i / 4 / n / n], options, at);
			step_with(&b, flow_segment(&b, i & 1, options, (at + 3) / 4 * 4), i & 1);
			step_with(&b, flow_segment(&b, !(i & 1), options, (at + 3) / 4 * 4), !(i & 1));
			count += 2;
		}
		assert_same_stats(agent_stats(b.model), b.kernel);
		printf("%u option layouts the same\n", count);
	}
	random_fini(&b);
}
END_TEST

/* Cuts a packet with every kind of header to `len`; `fields`: the length field of IPv4 believes it. */
static struct packet *truncated(struct random_bench *b, bool ingress, uint32_t len, bool fields)
{
	static const uint8_t options[] = { 1, 1, 8, 10, 0,  0,	0,  7,	0,  0,	9,  9,	5,  26, 1,  2,	3,  4,	5,
					   6, 7, 8, 9,	10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24 };
	static const uint8_t tags[] = { 0x81, 0, 0, 5, 0x88, 0xa8, 0, 9 };
	uint8_t nops[12], padded[TCP_OPTIONS_MAX] = { 0 };
	struct packet *p;
	struct ipv4_hdr *ip;

	memset(nops, 1, sizeof(nops));
	memcpy(padded, options, sizeof(options));
	p = flow_segment(b, ingress, padded, sizeof(padded));
	insert(p, ETH_HDR_LEN + IPV4_HDR_MIN, nops, sizeof(nops));
	ip = (void *)(p->data + ETH_HDR_LEN);
	ip->version_ihl = 0x40 | (5 + sizeof(nops) / 4);
	ip->total_len = be16_from((uint16_t)(p->len - ETH_HDR_LEN));
	ip->check = csum_ipv4(ip, IPV4_HDR_MIN + sizeof(nops));
	if (fields)
		ip->total_len = be16_from((uint16_t)(len - ETH_HDR_LEN - sizeof(tags)));
	insert(p, 2 * ETH_ADDR_LEN, tags, sizeof(tags));
	p->len = MIN(len, p->len);
	return p;
}

START_TEST(truncations)
{
	const struct random_row row = { .entries_max = FLOWS, .linger_ns = NS_PER_S };
	struct random_bench b;
	struct packet *p;
	unsigned count = 0;

	if (random_init(&b, &row, 98)) {
		ck_assert(flow_opened(&b));
		for (unsigned i = 0; i < 4; i++) {
			bool ingress = i & 1, fields = i & 2;
			uint32_t whole, len = ingress ? KERNEL_AGENT_INGRESS_MIN : KERNEL_AGENT_EGRESS_MIN;

			p = truncated(&b, ingress, PACKET_SMALL, false);
			whole = p->len;
			packet_free(b.pool, p);
			for (; len <= whole; len++, count++)
				step_with(&b, truncated(&b, ingress, len, fields && len > 42), ingress);
		}
		assert_same_stats(agent_stats(b.model), b.kernel);
		printf("%u truncated packets the same\n", count);
	}
	random_fini(&b);
}
END_TEST

Suite *bpf_agent_suite(void)
{
	Suite *s = suite_create("bpf_agent");
	TCase *tc = tcase_create("bpf_agent");

	tcase_add_test(tc, captures);
	tcase_add_test(tc, option_layouts);
	tcase_add_test(tc, truncations);
	tcase_add_loop_test(tc, random_packets, 0, ARRAY_LEN(random_rows));
	suite_add_tcase(s, tc);
	return s;
}
