/* SPDX-License-Identifier: BSD-2-Clause */
/* explain_segment.c: a frame's headers as numbers, and as a line of text like tcpdump's.
 *
 * Numbers are shown relative to the connection's beginning where that is known: the client's ISN
 * for its bytes, L for the server's as the client sees them. A segment that the agent has shifted
 * is shown in L space, so that one byte has one number all the way. */
#include <stdarg.h>
#include <stdio.h>

#include "explain_internal.h"

void explain_segment_parse(const uint8_t *frame, uint32_t len, struct explain_segment *s)
{
	struct packet p = { .data = (uint8_t *)(uintptr_t)frame, .len = len };
	enum drop_reason bad = headers_parse(&p);

	*s = (struct explain_segment){ .ip_proto = p.phv.ip_proto };
	if (bad != DROP_NONE || p.phv.ether_type != ETHERTYPE_IPV4)
		return;
	s->src = p.phv.src;
	s->dst = p.phv.dst;
	s->payload_len = p.phv.payload_len;
	s->tcp = p.phv.ip_proto == IP_PROTO_TCP && p.phv.l4_at;
	if (!s->tcp)
		return;
	s->seq = p.phv.seq;
	s->ack = p.phv.ack;
	s->window = p.phv.window;
	s->flags = p.phv.tcp_flags;
	tcp_options_parse(packet_tcp_options(&p), p.phv.tcp_options_len, &s->options);
	for (unsigned i = 0; i < 2u * s->options.sack_blocks; i++)
		s->sack[i] = load_be32(packet_tcp_options(&p) + s->options.sack_at + 2 + 4 * i);
}

struct line {
	char *text;
	size_t len;
};

static FORMAT_PRINTF(2, 3) void add(struct line *l, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(l->text + l->len, EXPLAIN_SEGMENT_TEXT - l->len, format, args);
	va_end(args);
	if (n > 0)
		l->len = MIN(l->len + (size_t)n, (size_t)EXPLAIN_SEGMENT_TEXT - 1);
}

static void add_flags(struct line *l, uint8_t flags)
{
	static const struct {
		uint8_t flag;
		char letter;
	} letters[] = {
		{ TCP_SYN, 'S' }, { TCP_FIN, 'F' }, { TCP_RST, 'R' }, { TCP_PSH, 'P' },
		{ TCP_URG, 'U' }, { TCP_ECE, 'E' }, { TCP_CWR, 'W' }, { TCP_ACK, '.' },
	};

	for (size_t i = 0; i < ARRAY_LEN(letters); i++)
		if (flags & letters[i].flag)
			add(l, "%c", letters[i].letter);
}

/* What the segment looks like in the client's view: the agent shifts the server's numbers on the way out. */
static const struct explain_segment *client_view(const struct explain_hop *h)
{
	return h->tap == TAP_STACK && !h->towards_server ? &h->after : &h->before;
}

static void add_numbers(struct line *l, const struct explain_hop *h, const struct explain_segment *s)
{
	/* At a server's stack the numbers toward it are the server's own. */
	bool from_client = h->from_client;
	bool servers = h->tap == TAP_STACK && h->towards_server;
	uint32_t own = 0, peer = 0;

	if (h->syn_seen && (h->connected || (s->flags & TCP_SYN))) {
		own = from_client ? h->client_isn : h->switch_isn;
		peer = from_client ? h->switch_isn : h->client_isn;
		if (!from_client && !h->connected)
			own = s->seq;
	}
	if (s->payload_len)
		add(l, " %u:%u (%u)", s->seq - own, s->seq - own + s->payload_len, s->payload_len);
	else
		add(l, " %u", s->seq - own);
	if ((s->flags & TCP_ACK) && servers)
		add(l, " ack %u (server's)", s->ack);
	else if (s->flags & TCP_ACK)
		add(l, " ack %u", s->ack - peer);
}

void explain_segment_label(const struct explain_hop *h, char text[EXPLAIN_SEGMENT_TEXT])
{
	const struct explain_segment *s = client_view(h);
	struct line l = { .text = text };

	text[0] = '\0';
	if (!s->tcp) {
		add(&l, s->ip_proto == IP_PROTO_ICMP ? "ICMP" : "no TCP");
		return;
	}
	add_flags(&l, s->flags);
	add_numbers(&l, h, s);
}

void explain_segment_text(const struct explain_hop *h, char text[EXPLAIN_SEGMENT_TEXT])
{
	const struct explain_segment *s = client_view(h);
	const struct tcp_options *o = &s->options;
	struct line l = { .text = text };

	explain_segment_label(h, text);
	l.len = strlen(text);
	if (!s->tcp)
		return;
	add(&l, " win %u", s->window);
	if (s->flags & TCP_SYN) {
		if (o->mss)
			add(&l, " mss %u", o->mss);
		if (o->wscale != TCP_WSCALE_NONE)
			add(&l, " wscale %u", o->wscale);
		if (o->sack_permitted)
			add(&l, " sackOK");
		if (o->tag_len)
			add(&l, " tag");
	}
	if (o->has_timestamps)
		add(&l, " ts %u/%u", o->tsval, o->tsecr);
	if (o->sack_blocks)
		add(&l, " sack %u", o->sack_blocks);
}
