/* SPDX-License-Identifier: BSD-2-Clause */
/* header_rewrite.c: stage 7 (egress): addresses of the fast path, and the SYN-ACK reply.
 *
 * Fast path, inbound: destination := DIP Table II[D index]; outbound: source := VIP. IPv4 and TCP
 * checksums move by RFC 1624, so one that was wrong stays wrong.
 *
 * A SYN becomes its own SYN-ACK in place. The switch keeps no state: its ISN L is a cookie of what
 * the client offered, the same for a retransmitted SYN. The reply offers only what the client
 * offered, with one exception: MSS always stands in it, since that option is no negotiation; a
 * client that sent none may still be told ours (RFC 9293 §3.7.1, MAY-3). SYN data is not
 * acknowledged and no Fast Open cookie echoed, so the client sends it again (RFC 7413 §4.1).
 * IPv4 options are not reflected. Packets have room for the longest reply (switch.h).
 *
 * A switch verifies no TCP checksum. The reply's are those of an RFC 1624 update of all fields
 * that changed; we compute the right one and add the SYN's error, which is the same number. So a
 * broken SYN draws a broken SYN-ACK, which nobody accepts. Refusals: none. */
#include "../switch_internal.h"
#include "miresga/checksum.h"
#include "miresga/cookie.h"
#include "miresga/seq.h"
#include "miresga/tcp_options.h"

#define REPLY_TTL 64
/* Quirk P2: what the published switch offers to everybody. */
#define P2_MSS 1460
#define P2_WSCALE 7
/* Our timestamp clock: one tick a millisecond, read every eight seconds, so that the SYN-ACKs of
 * one handshake mostly agree. */
#define TIMESTAMP_STEP_NS (8 * NS_PER_S)

/* RFC 1624 for an endpoint that changes; the TCP checksum covers the address by its pseudo-header. */
static void update_checksums(struct packet *p, struct endpoint from, struct endpoint to)
{
	struct ipv4_hdr *ip = packet_ip(p);
	struct tcp_hdr *tcp = packet_tcp(p);

	ip->check = csum_update32(ip->check, from.addr, to.addr);
	tcp->check = csum_update_endpoint(tcp->check, from, to, p->checksum_partial);
}

static void rewrite_destination(struct packet *p, struct endpoint to)
{
	update_checksums(p, p->phv.dst, to);
	packet_ip(p)->dst = to.addr;
	packet_tcp(p)->dport = to.port;
}

static void rewrite_source(struct packet *p, struct endpoint to)
{
	update_checksums(p, p->phv.src, to);
	packet_ip(p)->src = to.addr;
	packet_tcp(p)->sport = to.port;
}

/* TSval: an offset per client and VIP (RFC 7323 §5.4 asks for no common clock) plus time, so that
 * it never falls for one client. Never 0, which to many a stack means that there is nothing to echo. */
static uint32_t timestamp_value(const struct config *config, struct endpoint client, uint64_t now_ns)
{
	struct {
		uint64_t client, vip;
		char label[8]; /* apart from everything else that this key signs */
	} covered = { endpoint_word(client), endpoint_word(config->vip), "TSval" };
	uint64_t ticks = now_ns / TIMESTAMP_STEP_NS * (TIMESTAMP_STEP_NS / NS_PER_MS);

	uint32_t value = (uint32_t)(siphash(&config->cookie_key, &covered, sizeof(covered)) + ticks);

	return value ? value : 1;
}

static void choose_options(const struct config *config, const struct tcp_options *offered, uint32_t tsval,
			   struct tcp_options *reply)
{
	*reply = (struct tcp_options){ .mss = config->sw.mss, .wscale = TCP_WSCALE_NONE };
	if (config_has_quirk(config, QUIRK_P2)) {
		reply->mss = P2_MSS;
		reply->wscale = P2_WSCALE;
		reply->sack_permitted = true;
		return;
	}
	if (offered->wscale != TCP_WSCALE_NONE)
		reply->wscale = config->sw.wscale;
	reply->sack_permitted = offered->sack_permitted;
	if (config->sw.timestamps && offered->has_timestamps) {
		reply->has_timestamps = true;
		reply->tsval = tsval;
		reply->tsecr = offered->tsval;
	}
}

static uint32_t choose_isn(const struct switch_model *sw, const struct packet *p, const struct tcp_options *offered,
			   bool ecn, uint64_t now_ns)
{
	const struct config *config = sw->config;
	const struct syn_offer offer = {
		.mss = offered->mss,
		.wscale = offered->wscale,
		.sack = offered->sack_permitted,
		.ecn = ecn,
	};

	if (config->sw.isn == ISN_CRC32 || config_has_quirk(config, QUIRK_P3))
		return cookie_unkeyed_isn(p->phv.src);
	return cookie_make(&sw->tables.cookie_key[switch_frontend_of(sw, p->phv.src)], p->phv.src, p->phv.dst,
			   p->phv.seq, &offer, now_ns);
}

/* `right` with the error of `had`, which should have been `wanted`. */
static be16 keep_error(be16 right, be16 had, be16 wanted)
{
	return had == wanted ? right : csum_update16(right, had, wanted);
}

/* Writes IPv4 and TCP header of the reply over those of the SYN; `tcp` is complete but for its
 * checksum, with `options_len` bytes of options behind it. */
static void write_reply(struct packet *p, struct tcp_hdr tcp, const uint8_t *options, size_t options_len)
{
	struct ipv4_hdr *ip = packet_ip(p);
	size_t ihl = (ip->version_ihl & 15) * 4u, header = TCP_HDR_MIN + options_len;
	be16 ip_had = ip->check, ip_wanted = csum_ipv4(ip, ihl), tcp_had = packet_tcp(p)->check;
	be16 tcp_wanted = csum_tcp(ip, packet_tcp(p), be16_to(ip->total_len) - ihl);

	MUST(p->room >= p->phv.l3_at + IPV4_HDR_MIN + header);
	*ip = (struct ipv4_hdr){
		.version_ihl = 4 << 4 | IPV4_HDR_MIN / 4,
		.total_len = be16_from((uint16_t)(IPV4_HDR_MIN + header)),
		.frag = be16_from(IP_FLAG_DF), /* RFC 6864 §4.1: atomic, so id 0 is allowed */
		.ttl = REPLY_TTL,
		.proto = IP_PROTO_TCP,
		.src = p->phv.dst.addr,
		.dst = p->phv.src.addr,
	};
	ip->check = keep_error(csum_ipv4(ip, IPV4_HDR_MIN), ip_had, ip_wanted);
	p->phv.l4_at = (uint16_t)(p->phv.l3_at + IPV4_HDR_MIN);
	p->phv.payload_at = (uint16_t)(p->phv.l4_at + header);
	p->phv.tcp_options_len = (uint8_t)options_len;
	p->phv.payload_len = 0;
	*packet_tcp(p) = tcp;
	memcpy(packet_tcp_options(p), options, options_len);
	/* A partial one has crossed no wire yet; the reply gets its own. */
	if (p->checksum_partial)
		tcp_had = tcp_wanted;
	p->checksum_partial = false;
	packet_tcp(p)->check = keep_error(csum_tcp(ip, packet_tcp(p), header), tcp_had, tcp_wanted);
}

static void reply_synack(struct switch_model *sw, struct packet *p, uint64_t now_ns)
{
	const struct config *config = sw->config;
	const uint8_t setup = TCP_ECE | TCP_CWR;
	struct tcp_options offered, reply;
	uint8_t options[TCP_OPTIONS_MAX];
	size_t options_len;
	bool ecn;

	tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &offered);
	/* RFC 3168 §6.1.1: an ECN-setup SYN has both flags, the SYN-ACK that accepts it ECE alone. */
	ecn = config->sw.ecn && (p->phv.tcp_flags & setup) == setup;
	choose_options(config, &offered, timestamp_value(config, p->phv.src, now_ns), &reply);
	options_len = tcp_options_write(&reply, options);
	write_reply(p,
		    (struct tcp_hdr){
			    .sport = p->phv.dst.port,
			    .dport = p->phv.src.port,
			    .seq = be32_from(choose_isn(sw, p, &offered, ecn, now_ns)),
			    .ack = be32_from(seq_add(p->phv.seq, 1)),
			    .data_off = (uint8_t)((TCP_HDR_MIN + options_len) / 4 << 4),
			    .flags = TCP_SYN | TCP_ACK | (ecn ? TCP_ECE : 0),
			    .window = be16_from(config->sw.window), /* never scaled in a SYN: RFC 7323 §2.2 */
		    },
		    options, options_len);
	sw->stats.syn_answered++;
}

static void rewrite(struct switch_model *sw, struct packet *p, uint64_t now_ns)
{
	switch ((enum steering_action)p->phv.action) {
	case STEER_FAST_TO_BACKEND:
		rewrite_destination(p, sw->tables.dip_two[p->phv.hit_d_index]);
		break;
	case STEER_FAST_TO_CLIENT:
		rewrite_source(p, sw->tables.vip);
		break;
	case STEER_REPLY_SYNACK:
		reply_synack(sw, p, now_ns);
		break;
	case STEER_DROP:
	case STEER_TO_FRONTEND:
	case STEER_ROUTE:
	case STEER_COUNT:
		break;
	}
}

BREAKABLE void stage_header_rewrite_run(struct switch_model *sw, struct batch *b, uint64_t now_ns)
{
	for (uint32_t i = 0; i < b->count; i++)
		if (b->pkt[i]->fate == FATE_FORWARD)
			rewrite(sw, b->pkt[i], now_ns);
}
