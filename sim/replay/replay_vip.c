/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_vip.c: which endpoint of a trace plays the VIP: the one that answered the most handshakes.
 *
 * One pass over the trace. A SYN is remembered until a SYN-ACK answers it; the answering endpoint
 * then scores once, however often either is repeated. Of several with the same score the one that
 * answered first wins. A damaged end of the trace is the second pass's to report. */
#include <stdlib.h>

#include "replay_internal.h"

/* A hash table of 128-bit keys; values count. Never shrinks. */
struct tally_entry {
	uint64_t a, b;
	uint64_t value; /* 0: an unused place */
	uint64_t order;
};

struct tally {
	struct tally_entry *v;
	uint64_t size, used;
};

#define TALLY_FIRST 1024u

static struct tally_entry *tally_place(const struct tally *t, uint64_t a, uint64_t b)
{
	uint64_t at = hash_mix64(a ^ hash_mix64(b)) & (t->size - 1);

	while (t->v[at].value && (t->v[at].a != a || t->v[at].b != b))
		at = (at + 1) & (t->size - 1);
	return &t->v[at];
}

/* The place of a key, for the caller to give a value; NULL if memory is short. */
static struct tally_entry *tally_get(struct tally *t, uint64_t a, uint64_t b)
{
	struct tally_entry *e;

	if (2 * t->used >= t->size) {
		struct tally grown = { .size = t->size ? 2 * t->size : TALLY_FIRST, .used = t->used };

		grown.v = calloc(grown.size, sizeof(*grown.v));
		if (!grown.v)
			return NULL;
		for (uint64_t i = 0; i < t->size; i++)
			if (t->v[i].value)
				*tally_place(&grown, t->v[i].a, t->v[i].b) = t->v[i];
		free(t->v);
		*t = grown;
	}
	e = tally_place(t, a, b);
	if (!e->value) {
		e->a = a;
		e->b = b;
		e->order = t->used++;
	}
	return e;
}

/* What is remembered of a pair: its last SYN's SEQ and one of the first two, or the ACK of a
 * SYN-ACK that a capture shows before its SYN. */
#define SYN_OPEN (UINT64_C(1) << 32)
#define SYN_ANSWERED (UINT64_C(2) << 32)
#define SYNACK_EARLY (UINT64_C(4) << 32)

/* A SYN-ACK may acknowledge data that came with the SYN (RFC 7413). */
static bool answers(uint32_t ack, uint32_t isn)
{
	return ack - isn - 1 <= UINT16_MAX;
}

/* The handshake of a pair is whole: its server scores. False if memory is short. */
static bool vip_score(struct tally *servers, struct tally_entry *pair, uint32_t isn, struct endpoint server)
{
	struct tally_entry *e = tally_get(servers, endpoint_word(server), 0);

	pair->value = SYN_ANSWERED | isn;
	if (e)
		e->value++;
	return e != NULL;
}

/* False if memory is short. */
static bool vip_count(struct tally *pairs, struct tally *servers, const struct segment *s)
{
	bool synack = s->flags & TCP_ACK;
	struct tally_entry *e;

	if (!(s->flags & TCP_SYN) || (s->flags & TCP_RST))
		return true;
	e = synack ? tally_get(pairs, endpoint_word(s->dst), endpoint_word(s->src))
		   : tally_get(pairs, endpoint_word(s->src), endpoint_word(s->dst));
	if (!e)
		return false;
	if (!synack) {
		if ((e->value & SYNACK_EARLY) && answers((uint32_t)e->value, s->seq))
			return vip_score(servers, e, s->seq, s->dst);
		if ((uint32_t)e->value != s->seq || !(e->value & SYN_ANSWERED))
			e->value = SYN_OPEN | s->seq;
		return true;
	}
	if ((e->value & SYN_OPEN) && answers(s->ack, (uint32_t)e->value))
		return vip_score(servers, e, (uint32_t)e->value, s->src);
	if (!(e->value & (SYN_OPEN | SYN_ANSWERED)))
		e->value = SYNACK_EARLY | s->ack;
	return true;
}

/* Most frames open no connection; those need not be parsed. */
static bool may_be_syn(const struct trace_packet *p)
{
	uint32_t flags_at = (p->ip[0] & 15) * 4u + (uint32_t)offsetof(struct tcp_hdr, flags);

	return flags_at < p->len && (p->ip[flags_at] & TCP_SYN);
}

bool replay_find_vip(struct replay *r, const volatile int *stop, struct endpoint *vip)
{
	struct tally pairs = { 0 }, servers = { 0 };
	const struct tally_entry *best = NULL;
	uint64_t packets = 0;
	struct trace_packet p;
	struct segment s;

	while (!(stop && *stop) && trace_next(r->trace, &p) == 1) {
		replay_tell_progress(r, ++packets);
		if (p.kind == TRACE_IPV4 && may_be_syn(&p) && segment_parse(&s, p.ip, p.len) &&
		    !vip_count(&pairs, &servers, &s))
			break;
	}
	for (uint64_t i = 0; i < servers.size; i++) {
		const struct tally_entry *e = &servers.v[i];

		if (e->value &&
		    (!best || e->value > best->value || (e->value == best->value && e->order < best->order)))
			best = e;
	}
	if (best)
		memcpy(vip, &best->a, sizeof(*vip));
	free(pairs.v);
	free(servers.v);
	return best != NULL;
}
