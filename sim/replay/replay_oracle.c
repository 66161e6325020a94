/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_oracle.c: what reaches the endpoints, held against the recording.
 *
 * Bytes: every payload is put at its offset of its stream and compared there (stream.c). Numbers:
 * a packet that stems from a recorded one must show its endpoint the recorded ACK, SACK edges,
 * TSval, TSecr, flags and effective window, modulo the endpoint's offset and rounding down to its scale, at most
 * 65,535 << scale. What the pipeline makes itself (SYN-ACKs, retransmissions) is free in its
 * numbers, not in its bytes; a SYN-ACK may offer no option that the client did not, nor may a special SYN. Checksums
 * are verified from scratch wherever the cause's was right.
 *
 * The functions are the world's hooks: arrivals also release what waited for them. Packets of
 * connections that the trace does not have, or that are over, are not judged. */
#include <stdio.h>

#include "miresga/seq.h"
#include "replay_internal.h"

/* The expectation of a packet; NULL if it does not stem from a recorded one. */
static const struct expectation *expectation_of(const struct replay *r, const struct packet *p)
{
	const struct expectation *e = &r->expectations[p->host_tag % EXPECTATIONS];

	return p->host_tag && e->tag == p->host_tag ? e : NULL;
}

/* True unless a checksum of the segment that `p` is, or was, is wrong and should be right. */
static bool checksums_hold(const struct replay *r, const struct packet *p, const struct segment *s)
{
	const struct expectation *e = expectation_of(r, p);

	return (e && !e->sound) || segment_checksums_right(s->ip, s->tcp_at);
}

void replay_oracle_checksums(struct replay *r, const struct packet *p, const uint8_t *frame, uint32_t len)
{
	struct segment s;

	if (len >= ETH_HDR_LEN && load_be16(frame + ETH_HDR_LEN - 2) == ETHERTYPE_IPV4 &&
	    segment_parse(&s, frame + ETH_HDR_LEN, len - ETH_HDR_LEN) && !checksums_hold(r, p, &s))
		r->result->checksum_errors++;
}

/* What an endpoint is told about, in the recording's space. */
struct view {
	struct segment s;
	uint32_t ack_shift; /* subtract to get the recorded ACK */
	uint8_t scale;	    /* by which the endpoint reads the window */
	uint32_t clock;	    /* subtract to get the recorded TSecr */
	uint32_t own_clock; /* subtract to get the recorded TSval */
	bool raisable;	    /* the front-end may raise an ACK to what it has said itself: */
	uint32_t taken_over;
	const char *who;
};

/* The first number that differs: its name and both values. NULL: all hold. */
static const char *numbers_differ(const struct view *v, const struct expectation *e, uint32_t *want, uint32_t *got)
{
	uint32_t edges[2 * TCP_SACK_BLOCKS_MAX], window = (uint32_t)e->window << e->scale;

	if (v->s.flags & TCP_SYN)
		return NULL;
	*want = e->ack;
	*got = v->s.ack - v->ack_shift;
	if (e->has_ack && *want != *got && !(v->raisable && seq_lt(*want, *got) && seq_le(*got, v->taken_over)))
		return "ACK";
	*want = e->sack_blocks;
	*got = v->s.options.sack_blocks;
	if (e->has_ack && *want != *got)
		return "number of SACK blocks";
	segment_sack_edges(&v->s, edges);
	for (unsigned i = 0; e->has_ack && i < 2u * e->sack_blocks; i++) {
		*want = e->sack[i];
		*got = edges[i] - v->ack_shift;
		if (*want != *got)
			return "SACK edge";
	}
	*want = e->tsecr;
	*got = v->s.options.tsecr - v->clock;
	if (e->has_tsecr && *want != *got)
		return "TSecr";
	*want = e->tsval;
	*got = v->s.options.tsval - v->own_clock;
	if (e->has_tsval && *want != *got)
		return "TSval";
	*want = e->flags;
	*got = v->s.flags;
	if (*want != *got)
		return "flags";
	/* An open window is never told to be closed (agent/splice.h). */
	*want = MIN(MAX(window >> v->scale, window != 0), UINT16_MAX) << v->scale;
	*got = (uint32_t)v->s.window << v->scale;
	if (!(v->s.flags & TCP_RST) && *want != *got)
		return "window";
	return NULL;
}

static void check_numbers(struct replay *r, struct replay_flow *f, const struct packet *p, const struct view *v)
{
	const struct expectation *e = expectation_of(r, p);
	uint32_t want = 0, got = 0;
	const char *what;

	if (!e)
		return;
	what = numbers_differ(v, e, &want, &got);
	if (!what)
		return;
	r->result->number_errors++;
	verdict_fault(f, "frame %u reached the %s with %s %u, recorded %u", p->frame, v->who, what, got, want);
}

/* Puts the payload and the FIN where they belong. */
static void deliver(struct replay *r, struct replay_flow *f, enum side side, const struct segment *s, int64_t at)
{
	struct stream *stream = &f->stream[side];
	int64_t skip = at < 1 ? 1 - at : 0, end = at + s->payload_len;
	enum stream_result result = STREAM_OK;

	if (s->payload_len > skip)
		result = stream_deliver(stream, (uint64_t)(at + skip), s->ip + s->payload_at + skip,
					s->payload_len - (uint32_t)skip);
	if (result == STREAM_TOO_FAR)
		verdict_fault(f, "the %s got bytes far ahead of byte %llu", side ? "client" : "server",
			      (unsigned long long)stream_in_order(stream));
	if (s->flags & TCP_FIN) {
		if (end >= 0 && (uint64_t)end == stream->fin) {
			if (!ranges_add(&stream->received, stream->fin, stream->fin + 1))
				result = STREAM_NO_MEMORY;
		} else if (end < (int64_t)ranges_max(&stream->known)) {
			verdict_fault(f, "the %s got a FIN before byte %llu", side ? "client" : "server",
				      (unsigned long long)end);
		}
	}
	if (result == STREAM_NO_MEMORY)
		r->out_of_memory = true;
	output_streams(r, f, side, false);
}

/* Numbers far from the stream are another connection's: an earlier one's on the same port. */
static bool is_foreign(const struct replay_flow *f, enum side side, int64_t at)
{
	int64_t known = (int64_t)ranges_max(&f->stream[side].known);

	return at < -FOREIGN_DISTANCE || at > known + FOREIGN_DISTANCE;
}

/* The front-end has acknowledged bytes of its own accord: they are its to deliver. */
static void note_taken_over(struct replay_flow *f, const struct segment *s)
{
	int64_t ack = replay_flow_offset(f, SIDE_CLIENT, s->ack);

	if (ack > 0 && (uint64_t)ack <= ranges_max(&f->stream[SIDE_CLIENT].known))
		f->taken_over = MAX(f->taken_over, (uint64_t)ack);
}

/* Reads a packet that has reached `side`. Its flow, or NULL if it is none of ours to judge. */
static struct replay_flow *arrival(struct replay *r, enum side side, struct packet *p, struct view *v)
{
	struct replay_flow *f;

	if (headers_parse(p) != DROP_NONE || p->phv.ip_proto != IP_PROTO_TCP ||
	    !segment_parse(&v->s, p->data + p->phv.l3_at, p->len - p->phv.l3_at))
		return NULL;
	f = replay_flow_find(r, side == SIDE_CLIENT ? v->s.dst : v->s.src);
	v->who = side == SIDE_CLIENT ? "client" : "server";
	if (!checksums_hold(r, p, &v->s)) {
		r->result->checksum_errors++;
		if (f)
			verdict_fault(f, "a packet reached the %s with a wrong checksum", v->who);
	}
	return f && !f->dead && f->syn_seen ? f : NULL;
}

void replay_oracle_client_received(void *ctx, struct packet *p, uint64_t now_ns)
{
	struct replay *r = ctx;
	struct view v = { 0 };
	struct replay_flow *f = arrival(r, SIDE_CLIENT, p, &v);
	int64_t at;

	(void)now_ns;
	if (!f || !endpoint_equal(v.s.src, r->config->vip))
		return;
	if ((v.s.flags & TCP_SYN) && (v.s.flags & TCP_ACK)) {
		if (v.s.ack - f->isn[SIDE_CLIENT] == 1 && !client_connected(r, f, p))
			r->out_of_memory = true;
		replay_flow_release(r, f, SIDE_CLIENT);
		return;
	}
	at = stream_offset(&f->stream[SIDE_SERVER], v.s.seq - f->switch_isn);
	if (!f->connected || is_foreign(f, SIDE_SERVER, at) || (v.s.flags & TCP_RST))
		return;
	if (f->syn.wscale != TCP_WSCALE_NONE && f->switch_synack.wscale != TCP_WSCALE_NONE)
		v.scale = f->switch_synack.wscale;
	if (f->switch_synack.has_timestamps && f->synack.has_timestamps)
		v.own_clock = f->switch_synack.tsval - f->synack.tsval;
	v.raisable = true;
	v.taken_over = f->isn[SIDE_CLIENT] + (uint32_t)f->taken_over;
	check_numbers(r, f, p, &v);
	deliver(r, f, SIDE_SERVER, &v.s, at);
	if (!p->host_tag && (v.s.flags & TCP_ACK))
		note_taken_over(f, &v.s);
	replay_flow_release(r, f, SIDE_CLIENT);
	replay_flow_release(r, f, SIDE_SERVER);
}

/* A backend that came later has a clock of its own; the first TSecr that it sees tells which. */
static uint32_t clock_of(const struct replay *r, const struct replay_flow *f, struct serving *sv,
			 const struct packet *p, const struct segment *s)
{
	const struct expectation *e = expectation_of(r, p);

	if (!f->switch_synack.has_timestamps)
		return 0;
	if (!sv->clock_known && e && e->has_tsecr) {
		sv->clock_known = true;
		sv->clock = s->options.tsecr - e->tsecr;
	}
	return sv->clock;
}

/* The rules chose the backend for the flow, or it is told that a flow before on the same port is over. */
static bool is_chosen(const struct replay_flow *f, unsigned backend, const struct segment *s)
{
	do {
		if (f->chosen[backend / 64] & UINT64_C(1) << backend % 64)
			return true;
		f = f->older;
	} while (f && (s->flags & TCP_RST));
	return false;
}

void replay_oracle_server_received(void *ctx, unsigned backend, struct packet *p, uint64_t now_ns)
{
	struct replay *r = ctx;
	struct view v = { 0 };
	struct replay_flow *f = arrival(r, SIDE_SERVER, p, &v);
	struct serving *sv;
	int64_t at;

	(void)now_ns;
	if (!f)
		return;
	if (!is_chosen(f, backend, &v.s)) {
		r->result->wrong_backend++;
		verdict_fault(f, "a packet reached %s, which no rule chose", r->config->backends[backend].name);
	}
	if ((v.s.flags & TCP_SYN) && !(v.s.flags & TCP_ACK)) {
		serve_syn(r, f, backend, p);
		replay_flow_release(r, f, SIDE_SERVER);
		return;
	}
	sv = serving_of(r, f, backend);
	at = replay_flow_offset(f, SIDE_CLIENT, v.s.seq);
	if (!sv || is_foreign(f, SIDE_CLIENT, at) || (v.s.flags & TCP_RST))
		return;
	/* ISN + 1 stands for byte `base` here, and recorded S + base for it there. */
	v.ack_shift = sv->isn + 1 - (f->isn[SIDE_SERVER] + (uint32_t)sv->base);
	if (sv->client_wscale != TCP_WSCALE_NONE && f->synack.wscale != TCP_WSCALE_NONE)
		v.scale = sv->client_wscale;
	v.clock = clock_of(r, f, sv, p, &v.s);
	check_numbers(r, f, p, &v);
	deliver(r, f, SIDE_CLIENT, &v.s, at);
	replay_flow_release(r, f, SIDE_SERVER);
}

/* Nobody's policy: the recording has no answer of a server, or the front-end did not take what the client sent. NULL:
 * the refusal is one by policy. */
static const char *why_no_refusal(const struct replay_flow *f, enum refusal refusal)
{
	if (refusal == REFUSAL_BACKEND_TIMEOUT)
		return "no server answered the special SYN";
	if (refusal == REFUSAL_REQUEST_TIMEOUT && f->taken_over < ranges_max(&f->stream[SIDE_CLIENT].known))
		return "the front-end has not taken all of the request";
	return NULL;
}

static bool is_member(const struct config_pool *pool, unsigned backend)
{
	for (unsigned i = 0; i < pool->member_count; i++)
		if (pool->members[i] == backend)
			return true;
	return false;
}

void replay_oracle_notice(void *ctx, const struct frontend_notice *n, uint64_t now_ns)
{
	struct replay *r = ctx;
	struct replay_flow *f = replay_flow_find_isn(r, n->client, n->client_isn);
	const char *why;

	(void)now_ns;
	if (n->kind == NOTICE_TIMED_OUT)
		r->result->timed_out++;
	if (!f)
		return;
	switch (n->kind) {
	case NOTICE_REQUEST:
		f->requests++;
		if (is_member(&r->config->pools[n->pool], n->backend))
			f->chosen[n->backend / 64] |= UINT64_C(1) << n->backend % 64;
		r->result->requests++;
		r->result->backend_requests[n->backend]++;
		f->held = f->served_count && f->served[f->served_count - 1].backend != n->backend;
		if (f->held)
			replay_flow_wait(r, f);
		break;
	case NOTICE_REFUSED:
		if (f->dead)
			break;
		f->refusal = n->refusal;
		why = why_no_refusal(f, n->refusal);
		replay_flow_give_up(r, f, why ? OUTCOME_INCOMPLETE : OUTCOME_REFUSED,
				    why ? why : refusal_key(n->refusal));
		break;
	case NOTICE_OFFLOADED:
		if (!f->offloaded)
			f->offload_delay_ns = n->delay_ns;
		f->offloaded = true;
		break;
	case NOTICE_TIMED_OUT:
		f->timed_out = true;
		replay_flow_rest(r, f);
		break;
	case NOTICE_CLOSED:
		replay_flow_rest(r, f);
		break;
	default:
		break;
	}
}
