/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_client.c: the clients: recorded packets into the sequence space that the switch chose.
 *
 * The first SYN-ACK that the client gets decides L, the window scale and the timestamps of this
 * run. From then on a recorded ACK and its SACK edges move by L - S, TSecr by the distance of the
 * two servers' clocks if the switch negotiated timestamps, and the window field is encoded anew
 * if scaling was negotiated otherwise than in the recording. Everything else leaves as recorded.
 *
 * A SYN's data is never acknowledged by the switch (RFC 7413 §4.2 allows that); a client whose
 * recorded server had taken it does not send it again, so the driver does, as a segment of its
 * own before the client's next packet, which may wait for the answer. */
#include <stdio.h>
#include <stdlib.h>

#include "replay_internal.h"

const char *options_unasked(const struct tcp_options *asked, const struct tcp_options *answer)
{
	if (answer->wscale != TCP_WSCALE_NONE && asked->wscale == TCP_WSCALE_NONE)
		return "window scale";
	if (answer->sack_permitted && !asked->sack_permitted)
		return "SACK";
	if (answer->has_timestamps && !asked->has_timestamps)
		return "timestamps";
	return NULL;
}

bool client_connected(struct replay *r, struct replay_flow *f, const struct packet *p)
{
	const char *extra;

	if (f->connected)
		return true; /* the first one counts */
	tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &f->switch_synack);
	extra = options_unasked(&f->syn, &f->switch_synack);
	if (extra) {
		r->result->number_errors++;
		verdict_fault(f, "the SYN-ACK offers %s, which the client's SYN did not", extra);
	}
	f->connected = true;
	f->switch_isn = p->phv.seq;
	return ranges_add(&f->stream[SIDE_SERVER].received, 0, 1);
}

/* The client's scale by the recording's negotiation, and by this run's (RFC 7323 §2.2). */
static uint8_t client_scale(const struct replay_flow *f, uint8_t server_wscale)
{
	return f->syn.wscale != TCP_WSCALE_NONE && server_wscale != TCP_WSCALE_NONE ? f->syn.wscale : 0;
}

static void client_edit(struct replay_flow *f, const struct segment *s, struct packet *p, struct expectation *e)
{
	uint32_t shift = f->switch_isn - f->isn[SIDE_SERVER]; /* L - S */
	uint32_t window = (uint32_t)s->window << client_scale(f, f->synack.wscale);
	uint8_t scale = client_scale(f, f->switch_synack.wscale);

	e->scale = scale;
	e->window = (uint16_t)MIN(window >> scale, UINT16_MAX);
	if (e->window != s->window)
		segment_set_window(s, p, e->window);
	if (!(s->flags & TCP_ACK))
		return;
	e->has_ack = true;
	e->ack = s->ack;
	segment_set_ack(s, p, s->ack + shift);
	e->sack_blocks = s->options.sack_blocks;
	segment_sack_edges(s, e->sack);
	segment_shift_sack(s, p, shift);
	e->has_tsecr = s->options.has_timestamps;
	e->tsecr = s->options.tsecr;
	if (e->has_tsecr)
		f->client_tsecr = e->tsecr;
	if (f->switch_synack.has_timestamps && f->synack.has_timestamps)
		segment_shift_tsecr(s, p, f->switch_synack.tsval - f->synack.tsval);
}

/* Sends the SYN's data again, in front of the client's next packet `s`. False if starved. */
static bool client_send_syn_data(struct replay *r, struct replay_flow *f, const struct segment *s)
{
	struct expectation none;
	struct segment syn, bare;
	struct packet *p;
	uint8_t *datagram;

	MUST(queued_parse(f->syn_data, &syn));
	if (syn.payload_len + s->payload_at > UINT16_MAX)
		return true;
	datagram = malloc(s->payload_at + syn.payload_len);
	if (!datagram) {
		r->out_of_memory = true;
		return true;
	}
	/* The next packet's headers, the SYN's payload; segment_cut() completes length and checksums. */
	memcpy(datagram, s->ip, s->payload_at);
	memcpy(datagram + s->payload_at, syn.ip + syn.payload_at, syn.payload_len);
	bare = *s;
	bare.ip = datagram;
	bare.len = s->payload_at + syn.payload_len;
	bare.payload_len = syn.payload_len;
	bare.flags = TCP_ACK;
	bare.ack = f->isn[SIDE_SERVER] + 1;
	bare.frame = 0;
	bare.sound = true;
	p = replay_packet(r, &bare, NULL);
	free(datagram);
	if (!p)
		return false;
	client_edit(f, &bare, p, &none);
	((struct tcp_hdr *)(void *)(p->data + ETH_HDR_LEN + bare.tcp_at))->flags = TCP_ACK | TCP_PSH;
	segment_set_seq(&bare, p, f->isn[SIDE_CLIENT] + 1);
	segment_cut(&bare, p, 0, bare.payload_len);
	world_client_sends(r->world, p);
	r->result->injected_client++;
	return true;
}

/* What the packet waits for: NULL for nothing, "" for bytes from gap->lo on. */
static const char *client_cause(const struct replay_flow *f, const struct segment *s, struct range *gap)
{
	if ((s->flags & TCP_SYN) && !(s->flags & TCP_ACK))
		return NULL;
	if (!f->syn_seen)
		return "the client's SYN, which the trace does not hold";
	if (!(s->flags & TCP_ACK))
		return NULL;
	if (!f->synack_seen)
		return "the server's SYN-ACK, which the trace does not hold";
	if (!f->connected)
		return "a SYN-ACK";
	return replay_flow_has_seen(f, SIDE_SERVER, s, STREAM_NONE, gap) ? NULL : "";
}

bool client_waits(const struct replay_flow *f, const struct segment *s, char why[REPLAY_TEXT_MAX])
{
	struct range gap = { 0, 0 };
	const char *cause = client_cause(f, s, &gap);

	if (why && cause && *cause)
		snprintf(why, REPLAY_TEXT_MAX, "frame %u of the client waits for %s", s->frame, cause);
	else if (why && cause)
		snprintf(why, REPLAY_TEXT_MAX, "frame %u of the client waits for server byte %llu", s->frame,
			 (unsigned long long)gap.lo);
	return cause != NULL;
}

enum release client_send(struct replay *r, struct replay_flow *f, const struct segment *s)
{
	struct expectation *e;
	struct packet *p;

	if (f->syn_data && f->connected && f->synack_seen && !(s->flags & (TCP_SYN | TCP_RST))) {
		/* A client that starts at its first byte sends the data again itself. */
		if (replay_flow_offset(f, SIDE_CLIENT, s->seq) > 1 && !client_send_syn_data(r, f, s))
			return RELEASE_STARVED;
		free(f->syn_data);
		f->syn_data = NULL;
	}
	if (client_waits(f, s, NULL))
		return RELEASE_WAITS;
	p = replay_packet(r, s, &e);
	if (!p)
		return RELEASE_STARVED;
	e->side = SIDE_CLIENT;
	if (!(s->flags & TCP_SYN))
		client_edit(f, s, p, e);
	world_client_sends(r->world, p);
	r->result->injected_client++;
	return RELEASE_SENT;
}
