/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz_agent.c: input: a row of gaps and packets, worked on by one agent with few places.
 *
 * A packet keeps its length and everything outside its transport header; the sum of its words stays; who is not
 * announced passes untouched; a refused special SYN comes back as a RST with right checksums; the map never
 * holds more than it may, and nothing once all timeouts have passed. */
#include "fuzz.h"
#include "miresga/agent.h"
#include "miresga/checksum.h"
#include "miresga/seq.h"
#include "miresga/special_syn.h"
#include "miresga/tcp_options.h"

#define FLOWS 4
#define ENTRIES_MAX 3
#define PACKETS_MAX 256
#define PAYLOAD_MAX 64

struct bench {
	struct fuzz_input in;
	struct config *config;
	struct packet_pool *pool;
	struct agent *agent;
	struct endpoint backend;
	uint64_t now_ns;
	struct flow {
		struct endpoint client;
		uint32_t c, l, s; /* initial sequence numbers */
	} flows[FLOWS];
};

/* Near a number that means something, or anything. */
static uint32_t number(struct bench *b, uint32_t n)
{
	uint8_t how = fuzz_u8(&b->in);

	return how == 0xff ? fuzz_u32(&b->in) : n + how % 8 * 13 - (how & 0x80 ? 20 : 0);
}

static struct packet *make_syn(struct bench *b, struct flow *f, uint8_t choices)
{
	uint8_t options[TCP_OPTIONS_MAX];
	struct tcp_packet_spec spec = { .src = f->client, .dst = b->backend, .flags = TCP_SYN, .options = options };

	f->c = number(b, f->c);
	f->l = number(b, f->l);
	spec.seq = f->c;
	spec.ack = f->l;
	spec.options_len = 4u * (choices % 8);
	spec.window = fuzz_u16(&b->in);
	fuzz_bytes(&b->in, options, spec.options_len);
	if (spec.options_len <= TCP_OPTIONS_MAX - SPECIAL_SYN_TAG_LEN) {
		special_syn_write(&b->config->tag_key, f->client, b->backend, spec.seq, spec.ack,
				  options + spec.options_len);
		spec.options_len += SPECIAL_SYN_TAG_LEN;
		if (choices & 8)
			options[spec.options_len - 1] ^= 1;
	}
	return packet_make_tcp(b->pool, &spec);
}

static struct packet *make_segment(struct bench *b, struct flow *f, bool ingress, uint8_t choices)
{
	uint8_t options[TCP_OPTIONS_MAX], payload[PAYLOAD_MAX];
	struct tcp_packet_spec spec = {
		.src = ingress ? f->client : b->backend,
		.dst = ingress ? b->backend : f->client,
		.options = options,
		.payload = payload,
	};

	spec.flags = fuzz_u8(&b->in);
	if (!ingress && spec.flags == (TCP_SYN | TCP_ACK))
		f->s = number(b, f->s);
	spec.seq = spec.flags & TCP_SYN ? f->s : number(b, (ingress ? f->c : f->s) + 1);
	spec.ack = number(b, (ingress ? f->l : f->c) + 1);
	spec.window = fuzz_u16(&b->in);
	spec.options_len = 4u * (choices % 11);
	spec.payload_len = choices & 16 ? fuzz_u8(&b->in) % PAYLOAD_MAX : 0;
	fuzz_bytes(&b->in, options, spec.options_len);
	memset(payload, 'x', sizeof(payload));
	return packet_make_tcp(b->pool, &spec);
}

/* An error that quotes a segment of the other direction, as much of it as the input wants. */
static struct packet *make_icmp(struct bench *b, struct flow *f, bool ingress, uint8_t choices)
{
	struct packet *quoted = make_segment(b, f, !ingress, choices), *p;
	uint32_t all = quoted->len - ETH_HDR_LEN, len = MIN(all, 20u + fuzz_u8(&b->in) % 64);
	struct ipv4_hdr *ip;
	uint8_t *icmp;

	p = packet_alloc(b->pool, ETH_HDR_LEN + IPV4_HDR_MIN + 8 + len);
	MUST(p);
	memcpy(p->data, quoted->data, ETH_HDR_LEN + IPV4_HDR_MIN);
	ip = (void *)(p->data + ETH_HDR_LEN);
	ip->proto = IP_PROTO_ICMP;
	ip->total_len = be16_from((uint16_t)(IPV4_HDR_MIN + 8 + len));
	icmp = p->data + ETH_HDR_LEN + IPV4_HDR_MIN;
	fuzz_bytes(&b->in, icmp, 4);
	icmp[0] = choices & 32 ? icmp[0] : 3;
	memset(icmp + 4, 0, 4);
	memcpy(icmp + 8, quoted->data + ETH_HDR_LEN, len);
	packet_free(b->pool, quoted);
	return p;
}

static struct packet *make_raw(struct bench *b)
{
	struct packet *p = packet_alloc(b->pool, fuzz_u8(&b->in));

	MUST(p);
	fuzz_bytes(&b->in, p->data, p->len);
	return p;
}

static struct packet *make(struct bench *b, bool ingress, uint8_t op)
{
	struct flow *f = &b->flows[op >> 1 & 3];
	uint8_t choices = fuzz_u8(&b->in);
	struct packet *p;

	switch (op >> 3 & 7) {
	case 0:
		return make_raw(b);
	case 1:
		return make_icmp(b, f, ingress, choices);
	case 2:
	case 3:
		p = ingress ? make_syn(b, f, choices) : make_segment(b, f, false, choices);
		break;
	default:
		p = make_segment(b, f, ingress, choices);
	}
	if (choices & 64) /* any byte of the headers */
		p->data[fuzz_u8(&b->in) % p->len] ^= fuzz_u8(&b->in);
	return p;
}

static bool same_sum(const uint8_t *one, const uint8_t *other, size_t len)
{
	return csum_sum(one, len, 0) % 0xffff == csum_sum(other, len, 0) % 0xffff;
}

static void check_forwarded(const struct packet *p, const uint8_t *before, uint32_t len, bool announced)
{
	const struct phv *v = &p->phv;
	uint32_t end = v->payload_at + v->payload_len;

	MUST(p->len == len);
	if (!p->note.translated && !announced) {
		MUST(memcmp(p->data, before, len) == 0);
		return;
	}
	MUST(v->l4_at && end <= len);
	MUST(memcmp(p->data, before, v->l4_at) == 0);
	MUST(memcmp(p->data + end, before + end, len - end) == 0);
	MUST(same_sum(p->data + v->l4_at, before + v->l4_at, end - v->l4_at));
	if (v->ip_proto == IP_PROTO_TCP)
		MUST(memcmp(p->data + v->payload_at, before + v->payload_at, v->payload_len) == 0);
}

static void check_refused(const struct packet *p, const struct phv *asked)
{
	size_t l4_len = p->phv.payload_at + p->phv.payload_len - p->phv.l4_at;

	MUST(p->phv.tcp_flags == (TCP_RST | TCP_ACK) && p->phv.payload_len == 0);
	MUST(endpoint_equal(p->phv.src, asked->dst) && endpoint_equal(p->phv.dst, asked->src));
	MUST(p->phv.ack == seq_add(asked->seq, asked->payload_len + 1 + !!(asked->tcp_flags & TCP_FIN)));
	MUST(packet_ip(p)->check == csum_ipv4(packet_ip(p), (size_t)(p->phv.l4_at - p->phv.l3_at)));
	MUST(packet_tcp(p)->check == csum_tcp(packet_ip(p), packet_tcp(p), l4_len));
}

/* Works on a frame with nothing readable behind its end. */
static void work(struct bench *b, const struct packet *made, bool ingress)
{
	uint64_t special_syns = agent_stats(b->agent)->special_syns;
	uint8_t *frame = fuzz_frame(made->data, made->len);
	struct packet p = { .data = frame, .len = made->len, .room = made->len };
	struct packet asked = { .data = made->data, .len = made->len, .room = made->room };

	headers_parse(&asked);
	p.phv = asked.phv;
	agent_prefetch(b->agent, &(struct packet *){ &p }, 1, ingress);
	if (ingress)
		agent_ingress(b->agent, &p, b->now_ns);
	else
		agent_egress(b->agent, &p, b->now_ns);
	MUST(p.fate == FATE_FORWARD || (ingress && p.fate == FATE_REPLY));
	if (p.fate == FATE_FORWARD)
		check_forwarded(&p, made->data, made->len, agent_stats(b->agent)->special_syns != special_syns);
	else
		check_refused(&p, &asked.phv);
	MUST(agent_stats(b->agent)->entries <= ENTRIES_MAX);
	fuzz_frame_free(frame);
}

static void step(struct bench *b)
{
	uint8_t op = fuzz_u8(&b->in);
	bool ingress = op & 1;
	struct packet *made;

	if (op & 0x80)
		b->now_ns += fuzz_u8(&b->in) * (op & 0x40 ? 10 * NS_PER_S : NS_PER_MS);
	if (agent_next_wake(b->agent) <= b->now_ns)
		agent_sweep(b->agent, b->now_ns);
	MUST(agent_next_wake(b->agent) > b->now_ns);
	made = make(b, ingress, op);
	MUST(made);
	work(b, made, ingress);
	packet_free(b->pool, made);
}

FUZZ_TARGET(agent)
{
	struct bench b = {
		.in = { data, data + size },
		.config = malloc(sizeof(struct config)),
		.pool = packet_pool_create(4, 0),
		.backend = endpoint_make(be32_from(0x0a000002), be16_from(8080)),
		.now_ns = 1000 * NS_PER_S,
	};

	MUST(b.config && b.pool);
	config_defaults(b.config);
	b.config->backend_count = 1;
	b.config->backends[0].address = b.backend;
	b.config->agent.entries_max = ENTRIES_MAX;
	b.config->sw.wscale = fuzz_u8(&b.in) % 15;
	b.agent = agent_create(b.config, 0);
	MUST(b.agent);
	for (unsigned i = 0; i < FLOWS; i++)
		b.flows[i].client = endpoint_make(be32_from(0xc0a80001), be16_from((uint16_t)(40000 + i)));
	for (unsigned n = 0; n < PACKETS_MAX && fuzz_left(&b.in); n++)
		step(&b);
	b.now_ns += 2 * config_longest_timeout(b.config);
	agent_sweep(b.agent, b.now_ns);
	MUST(agent_stats(b.agent)->entries == 0 && agent_next_wake(b.agent) == TIME_NEVER);
	MUST(packet_pool_used(b.pool) == 0);
	agent_free(b.agent);
	packet_pool_free(b.pool);
	free(b.config);
	return 0;
}
