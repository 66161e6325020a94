/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_serve.c: which backend serves which part of a flow.
 *
 * The first SYN at a backend's stack opens the first part: it is answered with the recorded
 * SYN-ACK (by replay_server.c, in its turn). A SYN at another stack, or at the same one with
 * another SEQ, means that the front-end moved the connection: a new part begins, answered at once
 * with a synthesised SYN-ACK: recorded options, an ISN of its own from the run's seed. Its place
 * in the client's stream is the SYN's SEQ + 1; its place in the server's stream is where the new
 * agent continues: the L' that its Δ belongs to, read from the agent when the handshake is over.
 *
 * Invariants: the parts of a flow stand in the order in which they were opened; the first one
 * begins at byte 1 of both streams and has the recorded ISN. */
#include <stdlib.h>

#include "replay_internal.h"

/* More moves than this in one connection are a loop. */
#define SERVINGS_MAX 65536u
/* The smallest MSS that a cookie can tell. */
#define MSS_CLASS_MIN 216u

static bool serving_add(struct replay_flow *f, const struct serving *new)
{
	struct serving *grown;

	/* Room is a power of two, so it is full exactly then. */
	if (!(f->served_count & (f->served_count - 1))) {
		size_t room = f->served_count ? 2u * f->served_count : 1;

		grown = f->served_count < SERVINGS_MAX ? realloc(f->served, room * sizeof(*grown)) : NULL;
		if (!grown)
			return false;
		f->served = grown;
	}
	f->served[f->served_count++] = *new;
	return true;
}

/* The recorded SYN-ACK from part `sv`, made to answer the SYN that opened it. */
static void serve_synack(struct replay *r, struct replay_flow *f, struct serving *sv)
{
	struct segment s;
	struct packet *p;

	if (!f->synack_packet || !queued_parse(f->synack_packet, &s))
		return;
	s.frame = 0;
	p = replay_packet(r, &s, NULL);
	if (!p)
		return; /* the front-end asks again */
	segment_set_source(&s, p, r->config->backends[sv->backend].address);
	segment_set_seq(&s, p, sv->isn);
	segment_set_ack(&s, p, sv->syn_seq + 1);
	/* Its clock goes on where the client has last seen the recorded one: near enough for PAWS (RFC 7323 §5). */
	if (sv != &f->served[0] && f->switch_synack.has_timestamps)
		segment_set_tsval(&s, p, f->client_tsecr);
	world_server_sends(r->world, sv->backend, p);
	sv->answered = true;
	r->result->injected_server++;
}

/* The special SYN speaks for the client: it offers nothing that the client's own SYN did not, and takes no longer
 * segments; less than the cookie's smallest class it cannot say (net/cookie.c). */
static void serve_check_offer(struct replay *r, struct replay_flow *f, const struct tcp_options *offer)
{
	const char *extra = options_unasked(&f->syn, offer);

	if (!extra && offer->mss > MAX(f->syn.mss ? f->syn.mss : TCP_MSS_DEFAULT, MSS_CLASS_MIN))
		extra = "a larger MSS";
	if (!extra)
		return;
	r->result->number_errors++;
	verdict_fault(f, "a server's SYN offers %s, which the client's SYN did not", extra);
}

void serve_syn(struct replay *r, struct replay_flow *f, unsigned backend, const struct packet *p)
{
	struct serving *last = f->served_count ? &f->served[f->served_count - 1] : NULL;
	struct serving new = { .backend = (uint8_t)backend, .syn_seq = p->phv.seq, .base = 1, .request = 1 };
	struct tcp_options offer;
	struct prng chance;

	if (last && last->backend == backend && last->syn_seq == p->phv.seq) {
		if (last->answered) /* a retransmission */
			serve_synack(r, f, last);
		return;
	}
	tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &offer);
	serve_check_offer(r, f, &offer);
	new.client_wscale = offer.wscale;
	f->held = false;
	if (last) {
		prng_child(&chance, r->config->seed, "replay backend", f->number);
		for (unsigned i = 0; i < f->served_count; i++)
			new.isn = prng_u32(&chance);
		new.request = (uint64_t)MAX(replay_flow_offset(f, SIDE_CLIENT, p->phv.seq + 1), 1);
	} else {
		new.base_known = new.clock_known = true;
		if (!ranges_add(&f->stream[SIDE_CLIENT].received, 0, 1))
			r->out_of_memory = true;
	}
	if (!serving_add(f, &new))
		r->out_of_memory = true;
	else if (last)
		serve_synack(r, f, &f->served[f->served_count - 1]);
	r->result->backend_flows[backend]++;
}

/* By now the agent has seen the SYN-ACK, so its Δ is that of this part: L' = ISN - Δ stands one before the part's first
 * byte in the client's view. */
static void serving_place(struct replay *r, struct replay_flow *f, struct serving *sv)
{
	uint32_t delta;
	int64_t base;

	if (!agent_lookup(world_agent(r->world, sv->backend), f->client, &delta))
		return;
	base = stream_offset(&f->stream[SIDE_SERVER], sv->isn - delta + 1 - f->switch_isn);
	if (base < 1)
		return;
	sv->base = (uint64_t)base;
	sv->base_known = true;
}

struct serving *serving_of(struct replay *r, struct replay_flow *f, unsigned backend)
{
	for (unsigned i = f->served_count; i-- > 0;) {
		struct serving *sv = &f->served[i];

		if (sv->backend != backend)
			continue;
		if (i == 0)
			sv->isn = f->isn[SIDE_SERVER];
		else if (!sv->base_known)
			serving_place(r, f, sv);
		return sv;
	}
	return NULL;
}

unsigned serving_at(const struct replay_flow *f, uint64_t at)
{
	unsigned found = 0;

	for (unsigned i = 1; i < f->served_count; i++)
		if (f->served[i].base_known && f->served[i].base <= at)
			found = i;
	return found;
}

uint8_t serving_scale(const struct replay_flow *f, const struct serving *sv)
{
	return sv->client_wscale != TCP_WSCALE_NONE && f->synack.wscale != TCP_WSCALE_NONE ? f->synack.wscale : 0;
}
