/* SPDX-License-Identifier: BSD-2-Clause */
/* datagram.c: bounds and checksums of IPv4 datagrams as captures hold them.
 *
 * datagram_measure() looks at the header where it lies, in libpcap's buffer; the other functions
 * work on the reader's own copy. Pure functions, no state.
 *
 * A sender's own capture sees packets before its network card has finished them: checksums that
 * are 0 or only the pseudo-header's sum, and super-packets of segmentation offload, some with a
 * total length of 0. The length of such a one is what the frame holds; it is usable whether or
 * not checksums are completed.
 * Refusals: version or header length that cannot be, a total length below the header or beyond
 * the frame, a super-packet that is empty, a fragment or above 65,535 bytes: TRACE_MALFORMED. */
#include "datagram.h"

#include "miresga/checksum.h"

#define UDP_HDR_LEN 8
#define TCP_CHECK_AT offsetof(struct tcp_hdr, check)
#define UDP_CHECK_AT 6

static struct ipv4_hdr *header(uint8_t *ip)
{
	return (struct ipv4_hdr *)(void *)ip;
}

enum trace_kind datagram_measure(const struct frame_view *v, uint32_t trailer, struct datagram *d)
{
	uint32_t whole = v->left + v->cut;
	uint16_t field;

	*d = (struct datagram){ .ip = NULL };
	if (v->left < IPV4_HDR_MIN)
		return view_short(v);
	d->ihl = (v->at[0] & 0x0f) * 4u;
	if (v->at[0] >> 4 != 4 || d->ihl < IPV4_HDR_MIN)
		return TRACE_MALFORMED;
	if (v->left < d->ihl)
		return view_short(v);
	d->len = load_be16(v->at + offsetof(struct ipv4_hdr, total_len));
	field = load_be16(v->at + offsetof(struct ipv4_hdr, frag));
	d->offset = (field & IP_OFFSET_MASK) * 8u;
	d->more = field & IP_FLAG_MF;
	if (d->len == 0) {
		d->super = true;
		d->len = whole > trailer ? whole - trailer : 0;
		if (d->len <= d->ihl || d->len > DATAGRAM_MAX || datagram_is_fragment(d))
			return TRACE_MALFORMED;
	}
	if (d->len < d->ihl || d->len > whole)
		return TRACE_MALFORMED;
	d->ip = v->at;
	d->captured = MIN(d->len, v->left);
	return d->captured < d->len ? TRACE_CUT : TRACE_IPV4;
}

void datagram_set_header(uint8_t *ip, uint32_t len, uint16_t fragment_field)
{
	struct ipv4_hdr *h = header(ip);
	be16 total = be16_from((uint16_t)len), frag = be16_from(fragment_field);

	h->check = csum_update16(h->check, h->total_len, total);
	h->check = csum_update16(h->check, h->frag, frag);
	h->total_len = total;
	h->frag = frag;
}

/* The sum over everything is all ones if the checksum is right. If not, taking the wrong field
 * out of that same sum gives the right one, so the payload is summed only once. */
static bool complete_transport(const struct ipv4_hdr *h, uint8_t *segment, uint32_t len, size_t check_at)
{
	uint32_t sum = csum_sum(segment, len, csum_pseudo_header(h, h->proto, len));
	uint16_t field;

	if (LIKELY(sum == 0xffff))
		return false;
	memcpy(&field, segment + check_at, sizeof(field));
	sum += (uint16_t)~field;
	sum = (sum & 0xffff) + (sum >> 16);
	field = (uint16_t)~sum;
	if (h->proto == IP_PROTO_UDP && field == 0)
		field = 0xffff;
	memcpy(segment + check_at, &field, sizeof(field));
	return true;
}

static bool complete_udp(const struct ipv4_hdr *h, uint8_t *segment, uint32_t room)
{
	uint32_t len;

	if (room < UDP_HDR_LEN || load_be16(segment + UDP_CHECK_AT) == 0)
		return false;
	len = load_be16(segment + 4);
	if (len < UDP_HDR_LEN || len > room)
		return false;
	return complete_transport(h, segment, len, UDP_CHECK_AT);
}

bool datagram_complete_checksums(uint8_t *ip, uint32_t len)
{
	struct ipv4_hdr *h = header(ip);
	uint32_t ihl = (h->version_ihl & 0x0f) * 4u, rest = len - ihl;
	bool wrong = csum_sum(ip, ihl, 0) != 0xffff;

	if (wrong)
		h->check = csum_ipv4(h, ihl);
	if (h->proto == IP_PROTO_TCP && rest >= TCP_HDR_MIN)
		wrong |= complete_transport(h, ip + ihl, rest, TCP_CHECK_AT);
	else if (h->proto == IP_PROTO_UDP)
		wrong |= complete_udp(h, ip + ihl, rest);
	return wrong;
}
