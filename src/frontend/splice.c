/* SPDX-License-Identifier: BSD-2-Clause */
/* splice.c: packets that the front-end redirects, and those that it makes.
 *
 * Redirecting changes one address and port, with incremental checksums (RFC 1624); sequence
 * numbers are the agents' business, but for an ACK that falls behind one of ours. What we make ourselves carries the
 * client's own numbers toward a backend, and the L space's toward the client. */
#include "frontend_internal.h"
#include "miresga/checksum.h"
#include "miresga/special_syn.h"
#include "miresga/tcp_options.h"

#include <string.h>

bool checksum_ok(struct work *w)
{
	if (w->verdict == CHECKSUM_UNREAD)
		w->verdict = packet_checksum_right(w->packet) ? CHECKSUM_RIGHT : CHECKSUM_WRONG;
	return w->verdict == CHECKSUM_RIGHT;
}

bool packet_believed(struct work *w, const struct flow *f, uint32_t next, uint32_t acked)
{
	const struct phv *v = &w->packet->phv;
	bool carried = (f->state == FSM_COMPLETE || f->state == FSM_OFFLOADED) && !f->buffer && !f->has_timestamps;
	bool news = v->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST) || seq_gt(v->seq, next) || seq_gt(v->ack, acked);

	if ((carried && !news) || checksum_ok(w))
		return true;
	packet_drop(w->packet, DROP_BAD_CHECKSUM);
	return false;
}

static void rewrite(struct packet *p, struct endpoint *phv, be32 *addr, be16 *port, struct endpoint to)
{
	struct ipv4_hdr *ip = packet_ip(p);
	struct tcp_hdr *tcp = packet_tcp(p);

	ip->check = csum_update32(ip->check, *addr, to.addr);
	tcp->check = csum_update_endpoint(tcp->check, endpoint_make(*addr, *port), to, p->checksum_partial);
	*addr = to.addr;
	*port = to.port;
	*phv = to;
}

static void emit(struct work *w, struct packet *p)
{
	p->fate = FATE_FORWARD;
	packet_queue_push(&w->out->packets, p);
}

void forward_to_backend(struct work *w, struct flow *f)
{
	struct packet *p = w->packet;
	be32 addr;
	be16 port;

	memcpy(&addr, &packet_ip(p)->dst, sizeof(addr));
	memcpy(&port, &packet_tcp(p)->dport, sizeof(port));
	rewrite(p, &p->phv.dst, &addr, &port, w->fe->config->backends[f->backend].address);
	packet_ip(p)->dst = addr;
	packet_tcp(p)->dport = port;
	emit(w, p);
}

/* What we have acknowledged ourselves stays so: a client drops segments whose ACK lies further back than its largest
 * window (RFC 5961 §5.2), and it may have sent us more than that. */
static void keep_acknowledged(struct packet *p, const struct flow *f)
{
	be32 ack = be32_from(f->c_owed), was;
	struct tcp_hdr *tcp = packet_tcp(p);

	if (!(p->phv.tcp_flags & TCP_ACK) || !seq_lt(f->c_una, f->c_owed) || !seq_lt(p->phv.ack, f->c_owed))
		return;
	memcpy(&was, &tcp->ack, sizeof(was));
	if (!p->checksum_partial) /* which holds the pseudo-header alone */
		tcp->check = csum_update32(tcp->check, was, ack);
	memcpy(&tcp->ack, &ack, sizeof(ack));
	p->phv.ack = f->c_owed;
}

/* A client whose bytes wait here counts on from behind them. A backend that has not got them would find that
 * outside its window, and throw the acknowledgement away with it (RFC 9293 §3.10.7.4). */
void forward_acknowledgement(struct work *w, struct flow *f)
{
	struct packet *p = w->packet;
	struct tcp_hdr *tcp = packet_tcp(p);
	uint32_t next = request_backend_next(f);
	be32 seq = be32_from(next);

	if (seq_gt(p->phv.seq, next) && seq_le(p->phv.seq, f->c_nxt)) {
		if (!p->checksum_partial)
			tcp->check = csum_update32(tcp->check, tcp->seq, seq);
		tcp->seq = seq;
		p->phv.seq = next;
	}
	forward_to_backend(w, f);
}

void forward_to_client(struct work *w, struct flow *f)
{
	struct packet *p = w->packet;
	be32 addr;
	be16 port;

	keep_acknowledged(p, f);
	memcpy(&addr, &packet_ip(p)->src, sizeof(addr));
	memcpy(&port, &packet_tcp(p)->sport, sizeof(port));
	rewrite(p, &p->phv.src, &addr, &port, w->fe->config->vip);
	packet_ip(p)->src = addr;
	packet_tcp(p)->sport = port;
	emit(w, p);
}

static bool make_and_emit(struct work *w, const struct tcp_packet_spec *spec)
{
	struct packet *p = packet_make_tcp(w->fe->pool, spec);

	if (!p) {
		w->fe->stats.drops[DROP_NO_PACKET]++;
		return false;
	}
	emit(w, p);
	return true;
}

/* The client's window in bytes, as a SYN must say it: unscaled (RFC 7323 §2.2). */
static uint16_t unscaled_window(const struct flow *f)
{
	uint32_t shift = f->offer.wscale == TCP_WSCALE_NONE ? 0 : f->offer.wscale;
	uint32_t window = (uint32_t)f->c_window << shift;

	return (uint16_t)MIN(window, 65535);
}

BREAKABLE void send_special_syn(struct work *w, struct flow *f)
{
	const struct config *c = w->fe->config;
	struct endpoint backend = c->backends[f->backend].address;
	uint32_t seq = seq_sub(f->c_start, 1), ack = seq_sub(f->s_start, 1);
	uint8_t options[TCP_OPTIONS_MAX];
	struct tcp_options o = {
		.mss = f->offer.mss,
		.wscale = f->offer.wscale,
		.sack_permitted = f->offer.sack,
		.has_timestamps = f->has_timestamps,
		.tsval = f->c_tsval,
		.tsecr = f->c_tsecr,
	};
	size_t len;

	if (config_has_quirk(c, QUIRK_F10))
		o = (struct tcp_options){ .mss = 1460, .wscale = 9, .sack_permitted = true };
	len = tcp_options_write(&o, options);
	special_syn_write(&c->tag_key, f->client, backend, seq, ack, options + len);
	make_and_emit(w, &(struct tcp_packet_spec){
				 .src = f->client,
				 .dst = backend,
				 .seq = seq,
				 .ack = ack,
				 .flags = TCP_SYN | (f->offer.ecn ? TCP_ECE | TCP_CWR : 0),
				 .window = config_has_quirk(c, QUIRK_F10) ? f->c_window : unscaled_window(f),
				 .options = options,
				 .options_len = len + SPECIAL_SYN_TAG_LEN,
			 });
	w->fe->stats.special_syns++;
}

/* Once negotiated, every segment carries timestamps (RFC 7323 §3.2). */
static size_t timestamps_option(const struct flow *f, uint32_t tsval, uint32_t tsecr, uint8_t out[TCP_OPTIONS_MAX])
{
	struct tcp_options o = { .wscale = TCP_WSCALE_NONE, .has_timestamps = true, .tsval = tsval, .tsecr = tsecr };

	return f->has_timestamps ? tcp_options_write(&o, out) : 0;
}

bool send_to_backend(struct work *w, struct flow *f, uint32_t seq, uint8_t flags, const void *data, size_t len)
{
	uint8_t options[TCP_OPTIONS_MAX];

	return make_and_emit(w, &(struct tcp_packet_spec){
					.src = f->client,
					.dst = w->fe->config->backends[f->backend].address,
					.seq = seq,
					.ack = f->c_ack,
					.flags = flags,
					.window = f->c_window,
					.options = options,
					.options_len = timestamps_option(f, f->c_tsval, f->c_tsecr, options),
					.payload = data,
					.payload_len = len,
				});
}

bool send_to_client(struct work *w, struct flow *f, uint32_t seq, uint8_t flags, const char *text, size_t len)
{
	const struct config *c = w->fe->config;
	uint32_t shift = f->offer.wscale == TCP_WSCALE_NONE ? 0 : c->sw.wscale;
	uint32_t held = f->buffer ? stream_buffer_last(f->buffer) - f->buffer->base : 0;
	uint32_t window = (c->frontends.buffer_size - held) >> shift;
	uint8_t options[TCP_OPTIONS_MAX];

	return make_and_emit(w, &(struct tcp_packet_spec){
					.src = c->vip,
					.dst = f->client,
					.seq = seq,
					.ack = f->state == FSM_REFUSING ? f->c_nxt : request_received(f),
					.flags = flags,
					.window = (uint16_t)MIN(window, 65535),
					.options = options,
					.options_len = timestamps_option(f, f->s_tsval, f->c_tsval, options),
					.payload = text,
					.payload_len = len,
				});
}

void send_backend_reset(struct work *w, struct flow *f, uint32_t seq)
{
	send_to_backend(w, f, seq, TCP_RST, NULL, 0);
}

BREAKABLE void fin_to_rst(struct packet *p)
{
	struct tcp_hdr *tcp = packet_tcp(p);
	be16 before, after;

	memcpy(&before, &tcp->data_off, sizeof(before));
	tcp->flags = (uint8_t)((tcp->flags & ~TCP_FIN) | TCP_RST);
	memcpy(&after, &tcp->data_off, sizeof(after));
	if (!p->checksum_partial)
		tcp->check = csum_update16(tcp->check, before, after);
	p->phv.tcp_flags = tcp->flags;
}
