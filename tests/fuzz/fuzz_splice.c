/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz_splice.c: input: one byte of choices, what is known about a pair, then a TCP segment or an ICMP error.
 *
 * The rewrite of splice.h touches the fields it is for and no others; the sum of all 16-bit words, and so a
 * checksum's being right or wrong by some amount, stays; and the rewrite with the opposite Δ gives the bytes back. */
#include "fuzz.h"
#include "miresga/checksum.h"
#include "src/agent/splice.h"

#define SEGMENT_MAX 2048

/* May the byte at `at` of the TCP header change? */
struct allowed {
	bool at[SEGMENT_MAX];
};

static void allow(struct allowed *a, size_t at, size_t len)
{
	for (size_t i = at; i < at + len && i < SEGMENT_MAX; i++)
		a->at[i] = true;
}

/* The same sum: 0 and 0xffff are one in one's complement. */
static bool same_sum(const uint8_t *one, const uint8_t *other, size_t len)
{
	return csum_sum(one, len, 0) % 0xffff == csum_sum(other, len, 0) % 0xffff;
}

static void check_bytes(const uint8_t *before, const uint8_t *after, size_t len, const struct allowed *a)
{
	for (size_t i = 0; i < len; i++)
		MUST(before[i] == after[i] || a->at[i]);
	MUST(same_sum(before, after, len));
}

static void allow_direction(struct allowed *a, enum splice_direction dir, const struct splice_options *o)
{
	memset(a, 0, sizeof(*a));
	allow(a, SPLICE_AT_CHECK, 2);
	allow(a, SPLICE_AT_WINDOW, 2);
	allow(a, dir == SPLICE_INGRESS ? SPLICE_AT_ACK : SPLICE_AT_SEQ, 4);
	if (dir == SPLICE_INGRESS)
		allow(a, o->sack_at, 4u * o->sack_edges);
	if (o->timestamps_at)
		allow(a, o->timestamps_at + (dir == SPLICE_INGRESS ? 4u : 0u), 4);
}

static void rewrite(const struct splice *s, uint8_t *tcp, size_t len, enum splice_direction dir)
{
	struct splice_segment g = { .tcp = tcp, .end = tcp + len };
	struct splice_options o;
	uint16_t check;

	splice_options_find(&g, &o);
	if (dir == SPLICE_INGRESS)
		splice_ingress(s, &g, &o);
	else
		splice_egress(s, &g, &o);
	memcpy(&check, tcp + SPLICE_AT_CHECK, sizeof(check));
	check = splice_csum_apply(check, &g);
	memcpy(tcp + SPLICE_AT_CHECK, &check, sizeof(check));
}

/* There and back, checksums of 0 in either form. */
static void check_back(const struct splice *s, const uint8_t *before, uint8_t *after, size_t len,
		       enum splice_direction dir)
{
	struct splice inverse = *s;

	inverse.delta = seq_sub(0, s->delta);
	inverse.ts_offset = seq_sub(0, s->ts_offset);
	rewrite(&inverse, after, len, dir);
	MUST(memcmp(before, after, SPLICE_AT_CHECK) == 0);
	MUST(memcmp(before + SPLICE_AT_CHECK + 2, after + SPLICE_AT_CHECK + 2, len - SPLICE_AT_CHECK - 2) == 0);
	MUST(same_sum(before, after, len));
}

static void check_segment(const struct splice *s, const uint8_t *bytes, size_t len, enum splice_direction dir)
{
	struct splice_segment g;
	struct splice_options o;
	struct splice plain = *s;
	struct allowed allowed;
	uint8_t *tcp = fuzz_frame(bytes, len);

	g = (struct splice_segment){ .tcp = tcp, .end = tcp + len };
	splice_options_find(&g, &o);
	allow_direction(&allowed, dir, &o);
	rewrite(s, tcp, len, dir);
	check_bytes(bytes, tcp, len, &allowed);
	/* A window that is cut cannot come back; so without scaling. */
	plain.client_wscale = SPLICE_WSCALE_NONE;
	memcpy(tcp, bytes, len);
	rewrite(&plain, tcp, len, dir);
	check_back(&plain, bytes, tcp, len, dir);
	fuzz_frame_free(tcp);
}

static void check_icmp(const struct splice *s, const uint8_t *bytes, size_t len, enum splice_direction dir)
{
	struct splice inverse = *s;
	struct splice_key key;
	uint8_t *icmp = fuzz_frame(bytes, len), *end = icmp + len;
	uint32_t at = splice_icmp_find(icmp, end, dir, &key);

	inverse.delta = seq_sub(0, s->delta);
	MUST(at == 0 || (at >= 28 && at + 8 <= len));
	if (at) {
		splice_icmp(s, icmp, at, end, dir);
		MUST(same_sum(bytes, icmp, len));
		MUST(memcmp(bytes, icmp, 2) == 0 && memcmp(bytes + 4, icmp + 4, at) == 0);
		splice_icmp(&inverse, icmp, at, end, dir);
		MUST(same_sum(bytes, icmp, len));
		MUST(memcmp(bytes + 4, icmp + 4, MIN(len - 4, at + SPLICE_AT_CHECK - 4u)) == 0);
	}
	fuzz_frame_free(icmp);
}

FUZZ_TARGET(splice)
{
	struct fuzz_input in = { data, data + size };
	uint8_t choices = fuzz_u8(&in), scales = fuzz_u8(&in);
	enum splice_direction dir = choices & 1 ? SPLICE_EGRESS : SPLICE_INGRESS;
	const struct splice s = {
		.delta = fuzz_u32(&in),
		.ts_offset = fuzz_u32(&in),
		.flags = SPLICE_ANNOUNCED | SPLICE_READY | (choices & 2 ? SPLICE_TS_READY : 0),
		.client_wscale = scales & 15,
		.server_wscale = scales >> 4,
		.announced_wscale = (choices >> 4) % 15,
	};
	size_t len = MIN(fuzz_left(&in), (size_t)SEGMENT_MAX);

	if (len < SPLICE_TCP_MIN)
		return 0;
	if (choices & 4)
		check_icmp(&s, in.at, len, dir);
	else
		check_segment(&s, in.at, len, dir);
	return 0;
}
