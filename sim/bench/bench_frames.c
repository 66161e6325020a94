/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_frames.c: what benches work on: a system, its clients, and frames that are restored after they
 * were rewritten.
 *
 * Life-cycle: bench_frames_init() takes the packets, which stay out of the pool; dress() gives all of them
 * one shape, stamp() writes one frame's headers anew. Restoring copies one header and updates its checksums
 * (the payload is zeros, so it adds nothing to them): it must be cheap, since it is done before every
 * measured run. Nothing is refused. */
#include "bench_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "miresga/checksum.h"

#define PORTS_PER_ADDRESS 50000u

struct config *bench_config(unsigned backends)
{
	struct config *c = malloc(sizeof(*c));

	MUST(backends >= 1 && backends <= BACKENDS_MAX);
	if (!c)
		return NULL;
	config_defaults(c);
	c->vip = endpoint_make(be32_from(0x0a00010a), be16_from(80));
	c->seed = BENCH_SEED;
	config_derive_keys(c);
	c->backend_count = (uint16_t)backends;
	c->pool_count = 1;
	c->pools[0].member_count = (uint16_t)backends;
	for (unsigned i = 0; i < backends; i++) {
		c->backends[i].address = endpoint_make(be32_from(0xc6120001 + i), be16_from(80));
		c->backends[i].weight = 1;
		c->pools[0].members[i] = (uint8_t)i;
	}
	c->rule_count = 1;
	c->rules[0] = (struct config_rule){ .pool = 0, .offload = OFFLOAD_NEVER };
	return c;
}

struct endpoint bench_client(uint32_t i)
{
	return endpoint_make(be32_from(CLIENT_HOST_FIRST + i / PORTS_PER_ADDRESS),
			     be16_from((uint16_t)(1024 + i % PORTS_PER_ADDRESS)));
}

int bench_frames_init(struct bench_frames *f)
{
	*f = (struct bench_frames){ .pool = packet_pool_create(BENCH_PACKETS + BENCH_PACKETS_SPARE, 0) };
	if (!f->pool)
		return -1;
	for (unsigned i = 0; i < BENCH_PACKETS; i++) {
		f->packets[i] = packet_alloc(f->pool, PACKET_SMALL);
		MUST(f->packets[i]);
	}
	return 0;
}

void bench_frames_fini(struct bench_frames *f)
{
	packet_pool_free(f->pool);
}

void bench_frames_dress(struct bench_frames *f, const struct bench *b, const struct tcp_packet_spec *like)
{
	struct packet *p;

	if (f->dressed_for == b)
		return;
	p = packet_make_tcp(f->pool, like);
	MUST(p && p->len <= PACKET_SMALL);
	f->dressed_for = b;
	f->len = p->len;
	f->head_len = p->phv.payload_at;
	memcpy(f->head, p->data, f->head_len);
	packet_free(f->pool, p);
	for (unsigned i = 0; i < BENCH_PACKETS; i++)
		memset(f->packets[i]->data, 0, PACKET_SMALL);
}

void bench_frames_stamp(struct bench_frames *f, unsigned i, const struct bench_stamp *s)
{
	struct packet *p = f->packets[i];
	struct ipv4_hdr *ip = (void *)(p->data + ETH_HDR_LEN);
	struct tcp_hdr *tcp = (void *)(p->data + ETH_HDR_LEN + IPV4_HDR_MIN);
	const struct endpoint none = { 0 };

	memcpy(p->data, f->head, f->head_len);
	ip->src = s->src.addr;
	ip->dst = s->dst.addr;
	ip->check = csum_update32(csum_update32(ip->check, none.addr, ip->src), none.addr, ip->dst);
	tcp->sport = s->src.port;
	tcp->dport = s->dst.port;
	tcp->check = csum_update_endpoint(tcp->check, none, s->src, false);
	tcp->check = csum_update_endpoint(tcp->check, none, s->dst, false);
	tcp->seq = be32_from(s->seq);
	tcp->ack = be32_from(s->ack);
	tcp->check = csum_update32(csum_update32(tcp->check, none.addr, tcp->seq), none.addr, tcp->ack);
	p->len = f->len;
	p->ingress_port = s->port;
	MUST(headers_parse(p) == DROP_NONE);
}

struct load_error {
	char *text;
	bool told;
};

static void take_error(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	struct load_error *e = ctx;

	if (!e->told)
		snprintf(e->text, BENCH_ERROR_MAX, "%s:%u:%u: %s", file, line, column, message);
	e->told = true;
}

struct config *bench_config_load(const char *name, const char *yaml, char error[BENCH_ERROR_MAX])
{
	struct config *c = malloc(sizeof(*c));
	struct load_error e = { .text = error };

	if (c && !config_load_memory(c, name, yaml, strlen(yaml), take_error, &e))
		return c;
	if (!c)
		snprintf(error, BENCH_ERROR_MAX, "out of memory");
	free(c);
	return NULL;
}
