/* SPDX-License-Identifier: BSD-2-Clause */
/* script_build.c: the packets that a script sends.
 *
 * Complete frames with right checksums, unless the script wants a wrong one. An unbound symbol in
 * the sequence number of a server's SYN-ACK is chosen here, from the configuration's seed:
 * everywhere else it is a mistake of the script, and says so. */
#include "script_internal.h"

#include <stdlib.h>
#include <string.h>

#include "miresga/checksum.h"
#include "miresga/prng.h"
#include "miresga/special_syn.h"
#include "miresga/tcp_options.h"

#define QUOTED_TCP 8 /* RFC 792 */
#define FILLING "abcdefghijklmnopqrstuvwxyz0123456789"

struct building {
	struct script_values *values;
	const struct script_event *event;
	const struct script_client *seq_space, *ack_space;
	struct script_ends ends;
	FILE *error;
	bool failed;
};

static uint32_t value_of(struct building *b, const struct script_expr *e, const struct script_client *space)
{
	unsigned missing;
	uint32_t n = 0;

	if (script_evaluate(b->values, e, space, &n, &missing) < 0 && !b->failed) {
		b->failed = true;
		fprintf(b->error, "%s has no value yet", b->values->script->symbols[e->terms[missing].symbol]);
	}
	return n;
}

/* S of a SYN-ACK, if the script leaves it to us. */
static void choose_isn(struct building *b)
{
	const struct script_expr *e = &b->event->packet.seq;
	const struct script *s = b->values->script;
	struct prng prng;

	if (!(b->event->packet.flags & TCP_SYN) || e->any || e->count != 1 || b->values->of[e->terms[0].symbol].bound)
		return;
	prng_child(&prng, s->config->seed, s->symbols[e->terms[0].symbol], b->event->line);
	script_agree(b->values, e, NULL, prng_u32(&prng));
}

static size_t write_sack(struct building *b, const struct script_tcp_option *o, uint8_t *out)
{
	for (unsigned i = 0; i < o->count; i++)
		store_be32(out + 2 + 4 * i, value_of(b, &o->values[i], b->ack_space));
	return 2 + 4u * o->count;
}

static size_t write_tag(const struct building *b, const struct script_tcp_option *o, uint32_t seq, uint32_t ack,
			uint8_t *out)
{
	special_syn_write(&b->values->script->config->tag_key, b->ends.src, b->ends.dst, seq, ack, out);
	if (o->kind == SCRIPT_OPTION_BADTAG)
		out[SPECIAL_SYN_TAG_LEN - 1] ^= 1;
	return SPECIAL_SYN_TAG_LEN;
}

/* One option; returns its length. */
static size_t write_option(struct building *b, const struct script_tcp_option *o, const struct tcp_packet_spec *spec,
			   uint8_t *out)
{
	size_t len = 2;

	out[0] = script_tcp_option_names[o->kind].byte;
	switch (o->kind) {
	case SCRIPT_OPTION_NOP:
	case SCRIPT_OPTION_EOL:
		return 1;
	case SCRIPT_OPTION_MSS:
		len = 4;
		store_be16(out + 2, (uint16_t)value_of(b, &o->values[0], NULL));
		break;
	case SCRIPT_OPTION_WSCALE:
		len = 3;
		out[2] = (uint8_t)value_of(b, &o->values[0], NULL);
		break;
	case SCRIPT_OPTION_SACK:
		len = write_sack(b, o, out);
		break;
	case SCRIPT_OPTION_TIMESTAMPS:
		len = 10;
		store_be32(out + 2, value_of(b, &o->values[0], NULL));
		store_be32(out + 6, value_of(b, &o->values[1], NULL));
		break;
	case SCRIPT_OPTION_TAG:
	case SCRIPT_OPTION_BADTAG:
		return write_tag(b, o, spec->seq, spec->ack, out);
	default:
		break;
	}
	out[1] = (uint8_t)len;
	return len;
}

static size_t write_options(struct building *b, const struct tcp_packet_spec *spec, uint8_t out[TCP_OPTIONS_MAX])
{
	const struct script_packet *p = &b->event->packet;
	uint8_t one[2 * TCP_OPTIONS_MAX];
	size_t len = 0, n;

	for (unsigned i = 0; i < p->option_count; i++) {
		n = write_option(b, &p->options[i], spec, one);
		if (len + n > TCP_OPTIONS_MAX) {
			if (!b->failed)
				fprintf(b->error, "the options are longer than %d bytes", TCP_OPTIONS_MAX);
			b->failed = true;
			return 0;
		}
		memcpy(out + len, one, n);
		len += n;
	}
	while (len % 4)
		out[len++] = TCPOPT_NOP;
	return len;
}

static uint8_t *make_payload(const struct script_packet *p)
{
	uint8_t *bytes = malloc(p->len + 1u);

	for (uint32_t i = 0; bytes && i < p->len; i++)
		bytes[i] = i < p->text_len ? p->text[i] : (uint8_t)FILLING[i % (sizeof(FILLING) - 1)];
	return bytes;
}

static struct packet *build_tcp(struct world *w, struct building *b)
{
	const struct script_packet *p = &b->event->packet;
	uint8_t options[TCP_OPTIONS_MAX], *payload = make_payload(p);
	struct tcp_packet_spec spec = {
		.src = b->ends.src,
		.dst = b->ends.dst,
		.flags = p->flags,
		.payload = payload,
		.payload_len = p->len,
		.options = options,
	};
	struct packet *out = NULL;

	choose_isn(b);
	spec.seq = value_of(b, &p->seq, b->seq_space);
	spec.ack = p->has_ack ? value_of(b, &p->ack, b->ack_space) : 0;
	spec.window = p->has_window ? (uint16_t)value_of(b, &p->window, NULL) : 65535;
	spec.options_len = write_options(b, &spec, options);
	if (!b->failed && payload)
		out = packet_make_tcp(world_pool(w), &spec);
	free(payload);
	return out;
}

/* An Ethernet and an IPv4 header; the rest is zero. */
static struct packet *build_datagram(struct world *w, const struct building *b, uint8_t proto, uint32_t len)
{
	struct packet *p = world_packet(w, ETH_HDR_LEN + IPV4_HDR_MIN + len);
	struct ipv4_hdr *ip;

	if (!p)
		return NULL;
	memset(p->data, 0, p->len);
	store_be16(p->data + 2 * ETH_ADDR_LEN, ETHERTYPE_IPV4);
	ip = (void *)(p->data + ETH_HDR_LEN);
	*ip = (struct ipv4_hdr){
		.version_ihl = 4 << 4 | IPV4_HDR_MIN / 4,
		.total_len = be16_from((uint16_t)(IPV4_HDR_MIN + len)),
		.ttl = 64,
		.proto = proto,
		.src = b->ends.src.addr,
		.dst = b->ends.dst.addr,
	};
	ip->check = csum_ipv4(ip, IPV4_HDR_MIN);
	return p;
}

static struct packet *build_udp(struct world *w, const struct building *b)
{
	uint32_t len = 8 + b->event->packet.len;
	struct packet *p = build_datagram(w, b, IP_PROTO_UDP, len);
	uint8_t *udp;

	if (!p)
		return NULL;
	udp = p->data + ETH_HDR_LEN + IPV4_HDR_MIN; /* without a checksum, as RFC 768 allows */
	store_be16(udp, be16_to(b->ends.src.port));
	store_be16(udp + 2, be16_to(b->ends.dst.port));
	store_be16(udp + 4, (uint16_t)len);
	return p;
}

/* Quotes what its receiver is supposed to have sent. */
static struct packet *build_icmp(struct world *w, struct building *b)
{
	const struct script_packet *say = &b->event->packet;
	uint32_t quoted = say->seq.any ? 0 : IPV4_HDR_MIN + QUOTED_TCP, len = sizeof(struct icmp_hdr) + quoted;
	struct packet *p = build_datagram(w, b, IP_PROTO_ICMP, len);
	struct ipv4_hdr *ip;
	struct icmp_hdr *icmp;
	uint8_t *tcp;

	if (!p)
		return NULL;
	icmp = (void *)(p->data + ETH_HDR_LEN + IPV4_HDR_MIN);
	icmp->type = say->icmp_type;
	icmp->code = say->icmp_code;
	icmp->rest = be32_from(say->mtu);
	if (quoted) {
		ip = (void *)(icmp + 1);
		tcp = (uint8_t *)(ip + 1);
		*ip = (struct ipv4_hdr){
			.version_ihl = 4 << 4 | IPV4_HDR_MIN / 4,
			.total_len = be16_from(1500),
			.frag = be16_from(IP_FLAG_DF),
			.ttl = 60,
			.proto = IP_PROTO_TCP,
			.src = b->ends.quoted_src.addr,
			.dst = b->ends.quoted_dst.addr,
		};
		ip->check = csum_ipv4(ip, IPV4_HDR_MIN);
		store_be16(tcp, be16_to(b->ends.quoted_src.port));
		store_be16(tcp + 2, be16_to(b->ends.quoted_dst.port));
		store_be32(tcp + 4, value_of(b, &say->seq, b->seq_space));
	}
	icmp->check = (WIRE_FORCE be16)(uint16_t)~csum_sum(icmp, len, 0);
	return p;
}

/* What the script wants to be wrong. */
static void spoil(struct packet *p, const struct script_packet *say)
{
	struct ipv4_hdr *ip = (void *)(p->data + ETH_HDR_LEN);
	uint8_t *l4 = p->data + ETH_HDR_LEN + IPV4_HDR_MIN;
	unsigned check_at = say->form == SCRIPT_TCP ? offsetof(struct tcp_hdr, check)
						    : offsetof(struct icmp_hdr, check);

	if (say->fragment) {
		ip->frag = be16_from(IP_FLAG_MF);
		ip->check = csum_ipv4(ip, IPV4_HDR_MIN);
	}
	if (say->bad_checksum && say->form != SCRIPT_UDP)
		store_be16(l4 + check_at, load_be16(l4 + check_at) ^ 0x0100);
}

struct packet *script_build(struct world *w, struct script_values *v, const struct script_event *e, FILE *error)
{
	const struct script_client *client = &v->script->clients[e->client];
	bool towards_server = script_sent_towards_server(v->script, e), tcp = e->packet.form == SCRIPT_TCP;
	struct building b = {
		.values = v,
		.event = e,
		.seq_space = towards_server == tcp ? client : NULL,
		.ack_space = towards_server ? NULL : client,
		.ends = script_ends_of(v->script, e, towards_server),
		.error = error,
	};
	struct packet *p;

	if (tcp)
		p = build_tcp(w, &b);
	else if (e->packet.form == SCRIPT_UDP)
		p = build_udp(w, &b);
	else
		p = build_icmp(w, &b);
	if (p && b.failed) {
		world_release(w, p);
		return NULL;
	}
	if (!p) {
		if (!b.failed)
			fputs("the packet pool is empty", error);
		return NULL;
	}
	spoil(p, &e->packet);
	p->host_tag = e->line;
	return p;
}
