/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_stack.c: a stack: its creation, packets in, timers.
 *
 * Packets are checked here (IP and TCP checksums, no fragments: the world's
 * links make none) and find their connection, its remains in TIME-WAIT, or a
 * listener; what finds nothing draws a RST. The other files of this room:
 *   tcp_table.c       who is there; slots, listeners, ports, initial sequence
 * numbers tcp_input.c       a segment's arrival, tcp_ack.c its acknowledgement,
 * tcp_icmp.c a router's complaint tcp_output.c      what to send next
 *   tcp_congestion.c  how much of it, and what is lost; tcp_rtt.c the round
 * trip tcp_timers.c      what is due tcp_buffer.c      bytes that wait
 *   tcp_time_wait.c   what is left of a connection
 *   tcp_event.c, tcp_user.c  towards the application, and from it
 *
 * Refusal: tcp_stack_create() answers NULL when memory is short. */
#include <stdlib.h>

#include "miresga/hash.h"
#include "miresga/prng.h"
#include "segment.h"
#include "tcp_internal.h"

#define MSS_LARGEST 65495u

struct tcp_stack *tcp_stack_create(const struct tcp_stack_options *options)
{
	struct tcp_stack *s = calloc(1, sizeof(*s));
	struct siphash_key *key;
	struct prng prng;

	MUST(options->connections_max > 0);
	if (!s)
		return NULL;
	s->options = *options;
	s->scratch = malloc(MSS_LARGEST);
	if (!tcp_table_init(s) || !s->scratch) {
		tcp_stack_free(s);
		return NULL;
	}
	prng_child(&prng, options->seed, "tcp", 0);
	for (key = &s->isn_key; key <= &s->port_key; key++) {
		key->k0 = prng_u64(&prng);
		key->k1 = prng_u64(&prng);
	}
	return s;
}

void tcp_stack_free(struct tcp_stack *s)
{
	if (!s)
		return;
	tcp_table_fini(s);
	tcp_rings_fini(s);
	free(s->scratch);
	free(s);
}

void tcp_start(struct tcp *c, uint32_t iss)
{
	const be32 addresses[2] = { c->node.local.addr, c->node.remote.addr };

	c->snd.iss = c->snd.una = c->snd.nxt = iss;
	c->snd.end = c->snd.small_end = iss + 1;
	c->snd.nagle = c->settings->nagle;
	c->cc.recover = iss;
	/* RFC 7323 §7.1: one clock for all connections of two hosts, so that RFC 6191
	 * works, and nobody else's. */
	c->ts_offset = (uint32_t)siphash(&c->stack->ts_key, addresses, sizeof(addresses));
	tcp_rtt_start(c);
}

static void deliver(struct tcp_stack *s, struct tcp_arrival *a)
{
	struct tcp_node *n = tcp_table_find(s, a->local, a->remote);
	const uint32_t *after = NULL;
	uint32_t old_nxt;

	if (n && !n->waiting) {
		tcp_input_connection((struct tcp *)n, a);
		return;
	}
	if (n) {
		if (!tcp_wait_input(s, (struct tcp_wait *)n, a, &old_nxt))
			return;
		after = &old_nxt;
	}
	if (tcp_listening(s, a->local)) {
		tcp_input_listen(s, a, after);
		return;
	}
	s->stats.refused += (a->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
	tcp_send_refusal(s, a);
}

void tcp_stack_input(struct tcp_stack *s, struct packet *p, uint64_t now_ns)
{
	struct tcp_arrival a;

	if (headers_parse(p) != DROP_NONE || !p->phv.l4_at || p->phv.fragment)
		return;
	if (p->phv.ip_proto == IP_PROTO_ICMP) {
		tcp_icmp(s, p, now_ns);
		return;
	}
	if (p->phv.ip_proto != IP_PROTO_TCP)
		return;
	if (!p->checksum_partial && !segment_checksums_right(p->data + p->phv.l3_at, p->phv.l4_at - p->phv.l3_at)) {
		s->stats.bad_checksums++;
		return;
	}
	a = (struct tcp_arrival){
		.local = p->phv.dst,
		.remote = p->phv.src,
		.seq = p->phv.seq,
		.end = p->phv.seq + packet_seq_len(p),
		.ack = p->phv.ack,
		.window = p->phv.window,
		.data = packet_payload(p),
		.len = p->phv.payload_len,
		.flags = p->phv.tcp_flags,
		.option_bytes = packet_tcp_options(p),
		.now_ns = now_ns,
	};
	tcp_options_parse(a.option_bytes, p->phv.tcp_options_len, &a.options);
	s->stats.segments_in++;
	s->stats.bytes_in += a.len;
	deliver(s, &a);
}

uint64_t tcp_stack_next_wake(const struct tcp_stack *s)
{
	return MIN(timers_due(&s->timers), s->oldest ? s->oldest->due_ns : TIME_NEVER);
}

void tcp_stack_timers(struct tcp_stack *s, uint64_t now_ns)
{
	tcp_wait_expire(s, now_ns);
	while (timers_due(&s->timers) <= now_ns)
		tcp_timers_fire(tcp_slot(s, timers_first(&s->timers)), now_ns);
}

const struct tcp_stats *tcp_stack_stats(const struct tcp_stack *s)
{
	return &s->stats;
}

uint32_t tcp_stack_leftovers(const struct tcp_stack *s)
{
	return s->live + s->waits;
}
