/* SPDX-License-Identifier: BSD-2-Clause */
/* linklayer.c: takes link layers off a captured frame.
 *
 * One table row per link type of libpcap: number, name, function. Each function moves a
 * struct frame_view over its own header and hands on to the next one; they all meet in
 * strip_ethertype(), which loops over VLAN tags and LLC/SNAP, and in strip_ppp().
 *
 * Pure functions over borrowed bytes. Invariant: a function reads only the view's `left` bytes,
 * and every step makes the view shorter, so stacked headers cannot loop.
 * Refusals: a header that does not fit is TRACE_CUT if the snapshot length took the rest, and
 * TRACE_MALFORMED if the frame itself ends there; a payload length field that promises more than
 * the frame holds is TRACE_MALFORMED, as it is to a kernel; what is not IPv4, IPv6 or ARP is
 * TRACE_OTHER. */
#include "linklayer.h"

#include <pcap/pcap.h>

#define ETHERTYPE_QINQ_OLD 0x9100
#define ETHERTYPE_MPLS 0x8847
#define ETHERTYPE_MPLS_MULTICAST 0x8848
#define ETHERTYPE_PPPOE_SESSION 0x8864
/* IEEE 802.3 §3.2.6: up to here the field is a length and LLC follows; types start at 0x600. */
#define ETHERNET_LENGTH_MAX 1500

#define VLAN_TAG_LEN 4
#define MPLS_LABEL_LEN 4
#define PPPOE_HDR_LEN 6
#define LLC_HDR_LEN 3
#define SNAP_HDR_LEN 5
#define HDLC_HDR_LEN 4
#define NULL_HDR_LEN 4
#define SLL_HDR_LEN 16
#define SLL2_HDR_LEN 20
/* "802.2 LLC follows" in the protocol field of SLL and SLL2. */
#define SLL_PROTO_LLC 0x0004

#define PPP_PROTO_IPV4 0x0021
#define PPP_PROTO_IPV6 0x0057
#define PPP_PROTO_MPLS 0x0281
#define PPP_PROTO_MPLS_MULTICAST 0x0283

/* BSD loopback families: AF_INET is 2 everywhere, AF_INET6 is not. */
#define FAMILY_INET 2
#define FAMILY_INET6_LINUX 10
#define FAMILY_INET6_NETBSD 24
#define FAMILY_INET6_FREEBSD 28
#define FAMILY_INET6_DARWIN 30

static void skip(struct frame_view *v, uint32_t n)
{
	v->at += n;
	v->left -= n;
}

/* A header said that `n` bytes follow: what is behind them is padding. False if there are fewer. */
static bool limit(struct frame_view *v, uint32_t n)
{
	if (n > v->left + v->cut)
		return false;
	if (n <= v->left) {
		v->left = n;
		v->cut = 0;
	} else {
		v->cut = n - v->left;
	}
	return true;
}

/* The version nibble decides: raw IP, and MPLS below the last label (RFC 4928 §2). */
static enum trace_kind strip_ip(struct frame_view *v)
{
	if (v->left == 0)
		return view_short(v);
	switch (v->at[0] >> 4) {
	case 4:
		return TRACE_IPV4;
	case 6:
		return TRACE_IPV6;
	default:
		return TRACE_OTHER;
	}
}

/* RFC 3032 §2.1: a stack of labels; the S bit marks the last. */
static enum trace_kind strip_mpls(struct frame_view *v)
{
	bool bottom = false;

	while (!bottom) {
		if (v->left < MPLS_LABEL_LEN)
			return view_short(v);
		bottom = v->at[2] & 1;
		skip(v, MPLS_LABEL_LEN);
	}
	return strip_ip(v);
}

/* RFC 1661 §2 and RFC 1662 §3.1; address and control may be left out, and so may the protocol
 * field's leading zero byte (RFC 1661 §6.5: an odd first byte is a whole protocol field). */
static enum trace_kind strip_ppp(struct frame_view *v)
{
	uint16_t proto;

	if (v->left >= 2 && v->at[0] == 0xff && v->at[1] == 0x03)
		skip(v, 2);
	if (v->left == 0 || (v->left == 1 && v->at[0] == 0xff))
		return view_short(v);
	if (v->at[0] & 1) {
		proto = v->at[0];
		skip(v, 1);
	} else {
		if (v->left < 2)
			return view_short(v);
		proto = load_be16(v->at);
		skip(v, 2);
	}
	switch (proto) {
	case PPP_PROTO_IPV4:
		return TRACE_IPV4;
	case PPP_PROTO_IPV6:
		return TRACE_IPV6;
	case PPP_PROTO_MPLS:
	case PPP_PROTO_MPLS_MULTICAST:
		return strip_mpls(v);
	default:
		return TRACE_OTHER;
	}
}

/* RFC 2516 §4: version 1, type 1, code 0 for the session stage; the length covers the PPP part. */
static enum trace_kind strip_pppoe(struct frame_view *v)
{
	uint32_t len;

	if (v->left < PPPOE_HDR_LEN)
		return view_short(v);
	if (v->at[0] != 0x11 || v->at[1] != 0)
		return TRACE_OTHER;
	len = load_be16(v->at + 4);
	skip(v, PPPOE_HDR_LEN);
	if (!limit(v, len))
		return TRACE_MALFORMED;
	return strip_ppp(v);
}

/* IEEE 802.2 and RFC 1042. TRACE_IPV4 means: go on with *type. */
static enum trace_kind strip_llc(struct frame_view *v, uint16_t *type)
{
	const uint8_t *llc = v->at;

	if (v->left < LLC_HDR_LEN)
		return view_short(v);
	skip(v, LLC_HDR_LEN);
	if (llc[0] == 0x06 && llc[1] == 0x06 && llc[2] == 0x03) {
		*type = ETHERTYPE_IPV4; /* the SAP of IP itself */
		return TRACE_IPV4;
	}
	if (llc[0] != 0xaa || llc[1] != 0xaa || llc[2] != 0x03)
		return TRACE_OTHER;
	if (v->left < SNAP_HDR_LEN)
		return view_short(v);
	/* Only under OUI 00-00-00 is the protocol id an Ethernet type. */
	if (v->at[0] | v->at[1] | v->at[2])
		return TRACE_OTHER;
	*type = load_be16(v->at + 3);
	skip(v, SNAP_HDR_LEN);
	return *type > ETHERNET_LENGTH_MAX ? TRACE_IPV4 : TRACE_OTHER;
}

static enum trace_kind strip_ethertype(struct frame_view *v, uint16_t type)
{
	enum trace_kind kind;

	for (;;) {
		switch (type) {
		case ETHERTYPE_IPV4:
			return TRACE_IPV4;
		case ETHERTYPE_IPV6:
			return TRACE_IPV6;
		case ETHERTYPE_ARP:
			return TRACE_ARP;
		case ETHERTYPE_VLAN:
		case ETHERTYPE_QINQ:
		case ETHERTYPE_QINQ_OLD:
			if (v->left < VLAN_TAG_LEN)
				return view_short(v);
			type = load_be16(v->at + 2);
			skip(v, VLAN_TAG_LEN);
			break;
		case ETHERTYPE_MPLS:
		case ETHERTYPE_MPLS_MULTICAST:
			return strip_mpls(v);
		case ETHERTYPE_PPPOE_SESSION:
			return strip_pppoe(v);
		default:
			if (type > ETHERNET_LENGTH_MAX)
				return TRACE_OTHER;
			if (!limit(v, type))
				return TRACE_MALFORMED;
			kind = strip_llc(v, &type);
			if (kind != TRACE_IPV4)
				return kind;
		}
	}
}

static enum trace_kind strip_ethernet(struct frame_view *v)
{
	uint16_t type;

	if (v->left < ETH_HDR_LEN)
		return view_short(v);
	type = load_be16(v->at + 2 * ETH_ADDR_LEN);
	skip(v, ETH_HDR_LEN);
	return strip_ethertype(v, type);
}

/* Types below Ethernet's range mean something else where no 802.3 length can stand. */
static enum trace_kind strip_type_only(struct frame_view *v, uint16_t type)
{
	return type > ETHERNET_LENGTH_MAX ? strip_ethertype(v, type) : TRACE_OTHER;
}

static enum trace_kind strip_cooked(struct frame_view *v, uint32_t hdr_len, uint32_t proto_at)
{
	enum trace_kind kind;
	uint16_t type;

	if (v->left < hdr_len)
		return view_short(v);
	type = load_be16(v->at + proto_at);
	skip(v, hdr_len);
	if (type == SLL_PROTO_LLC) {
		kind = strip_llc(v, &type);
		if (kind != TRACE_IPV4)
			return kind;
	}
	return strip_type_only(v, type);
}

static enum trace_kind strip_sll(struct frame_view *v)
{
	return strip_cooked(v, SLL_HDR_LEN, 14);
}

static enum trace_kind strip_sll2(struct frame_view *v)
{
	return strip_cooked(v, SLL2_HDR_LEN, 0);
}

/* DLT_NULL has the capturing host's byte order, DLT_LOOP the network's; files mix them up, and a
 * family is a small number, so the order shows. */
static enum trace_kind strip_null(struct frame_view *v)
{
	uint32_t family;

	if (v->left < NULL_HDR_LEN)
		return view_short(v);
	family = load_be32(v->at);
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	skip(v, NULL_HDR_LEN);
	switch (family) {
	case FAMILY_INET:
		return TRACE_IPV4;
	case FAMILY_INET6_LINUX:
	case FAMILY_INET6_NETBSD:
	case FAMILY_INET6_FREEBSD:
	case FAMILY_INET6_DARWIN:
		return TRACE_IPV6;
	default:
		return TRACE_OTHER;
	}
}

/* Cisco HDLC: address, control, Ethernet type. */
static enum trace_kind strip_hdlc(struct frame_view *v)
{
	uint16_t type;

	if (v->left < HDLC_HDR_LEN)
		return view_short(v);
	type = load_be16(v->at + 2);
	skip(v, HDLC_HDR_LEN);
	return strip_type_only(v, type);
}

/* libpcap's PPP and PPP_SERIAL hold either kind; the Cisco addresses are no PPP protocols. */
static enum trace_kind strip_serial(struct frame_view *v)
{
	if (v->left > 0 && (v->at[0] == 0x0f || v->at[0] == 0x8f))
		return strip_hdlc(v);
	return strip_ppp(v);
}

static enum trace_kind strip_nothing(struct frame_view *v)
{
	(void)v;
	return TRACE_IPV4;
}

static enum trace_kind strip_ipv6(struct frame_view *v)
{
	(void)v;
	return TRACE_IPV6;
}

const struct link_layer *link_layer_find(int number)
{
	/* DLT_RAW is 12 or 14 by platform and 101 in files; libpcap maps 101, old files hold any. */
	static const struct link_layer table[] = {
		{ DLT_NULL, "BSD loopback (NULL)", strip_null },
		{ DLT_EN10MB, "Ethernet", strip_ethernet },
		{ DLT_PPP, "PPP", strip_serial },
		{ 12, "raw IP", strip_ip },
		{ 14, "raw IP", strip_ip },
		{ 101, "raw IP", strip_ip },
		{ DLT_PPP_SERIAL, "PPP over serial", strip_serial },
		{ DLT_PPP_ETHER, "PPP over Ethernet", strip_pppoe },
		{ DLT_C_HDLC, "Cisco HDLC", strip_hdlc },
		{ DLT_LOOP, "OpenBSD loopback (LOOP)", strip_null },
		{ DLT_LINUX_SLL, "Linux cooked v1 (SLL)", strip_sll },
		{ DLT_IPV4, "raw IPv4", strip_nothing },
		{ DLT_IPV6, "raw IPv6", strip_ipv6 },
		{ DLT_LINUX_SLL2, "Linux cooked v2 (SLL2)", strip_sll2 },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].number == number)
			return &table[i];
	}
	return NULL;
}
