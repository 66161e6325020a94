/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_checksum.c: the incremental update of a checksum for a 32-bit field (RFC 1624), each on the result of the one
 * before, and a full segment's TCP checksum from scratch. */
#include <stdio.h>
#include <stdlib.h>

#include "bench_internal.h"
#include "miresga/checksum.h"

#define UPDATES 65536u
#define SEGMENTS 512u

struct state {
	struct packet_pool *pool;
	struct packet *packet;
	be16 check;
	uint64_t wrong;
};

static void destroy(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	packet_pool_free(s->pool);
	free(s);
}

static void *create(const struct bench_options *o, char error[BENCH_ERROR_MAX])
{
	struct state *s = calloc(1, sizeof(*s));
	uint8_t body[BENCH_SEGMENT];

	(void)o;
	for (unsigned i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 7 + 1);
	if (s)
		s->pool = packet_pool_create(1, 0);
	if (s && s->pool) {
		s->packet = packet_make_tcp(s->pool, &(struct tcp_packet_spec){ .src = bench_client(0),
										.dst = bench_client(1),
										.flags = TCP_ACK,
										.payload = body,
										.payload_len = sizeof(body) });
		s->check = packet_tcp(s->packet)->check;
		return s;
	}
	destroy(s);
	snprintf(error, BENCH_ERROR_MAX, "out of memory");
	return NULL;
}

static uint64_t update(struct state *s)
{
	be16 check = s->check;

	for (uint32_t i = 0; i < UPDATES; i++)
		check = csum_update32(check, be32_from(i), be32_from(i * 2654435761u));
	s->check = check;
	return UPDATES;
}

static uint64_t compute(struct state *s)
{
	const struct tcp_hdr *tcp = packet_tcp(s->packet);

	for (unsigned i = 0; i < SEGMENTS; i++)
		s->wrong += csum_tcp(packet_ip(s->packet), tcp, TCP_HDR_MIN + BENCH_SEGMENT) != tcp->check;
	return SEGMENTS;
}

static uint64_t work(void *state, const struct bench *b)
{
	return b->variant == BENCH_CHECKSUM_UPDATE ? update(state) : compute(state);
}

static bool check(void *state, const struct bench *b, char error[BENCH_ERROR_MAX])
{
	const struct state *s = state;

	(void)b;
	if (s->wrong)
		snprintf(error, BENCH_ERROR_MAX, "%llu checksums were wrong", (unsigned long long)s->wrong);
	return !s->wrong;
}

const struct bench_subject bench_checksum = { .create = create, .free = destroy, .work = work, .check = check };
