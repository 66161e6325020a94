/* SPDX-License-Identifier: BSD-2-Clause */
/* test_linklayer.c: link layers off, and the bounds of the datagram behind them. Every row is tried
 * whole, cut at every byte by the snapshot length, and ended at every byte, against a guard page;
 * and once through a file, so that libpcap's numbering of link types is tested too. */
#include <check.h>
#include <stdlib.h>

#include "../../src/io/datagram.h"
#include "capture.h"
#include "guard_page.h"

Suite *linklayer_suite(void);

#define MAC "020000000001 020000000002 "
#define DATAGRAM_LEN 47
#define PADDING 6
#define FRAME_ROOM 256

static const struct row {
	const char *name;
	uint32_t linktype; /* as it stands in the file */
	const char *head;  /* hexadecimal; LLLL: the length of all that follows without padding */
	enum trace_kind kind;
} rows[] = {
	{ "ethernet", 1, MAC "0800", TRACE_IPV4 },
	{ "ethernet with frame check sequence", 0x24000001, MAC "0800", TRACE_IPV4 },
	{ "vlan", 1, MAC "8100 0064 0800", TRACE_IPV4 },
	{ "qinq", 1, MAC "88a8 0064 8100 0065 0800", TRACE_IPV4 },
	{ "three tags, old and new", 1, MAC "9100 0064 88a8 0065 8100 0066 0800", TRACE_IPV4 },
	{ "mpls", 1, MAC "8847 00011140", TRACE_IPV4 },
	{ "mpls, three labels", 1, MAC "8847 00010040 00012040 00013140", TRACE_IPV4 },
	{ "multicast mpls in vlan", 1, MAC "8100 0064 8848 00010040 00011140", TRACE_IPV4 },
	{ "pppoe", 1, MAC "8864 11000001 LLLL 0021", TRACE_IPV4 },
	{ "pppoe, short protocol field", 1, MAC "8864 11000001 LLLL 21", TRACE_IPV4 },
	{ "pppoe in qinq", 1, MAC "88a8 0064 8100 0065 8864 11000001 LLLL 0021", TRACE_IPV4 },
	{ "mpls in pppoe", 1, MAC "8864 11000001 LLLL 0281 00011140", TRACE_IPV4 },
	{ "llc and snap", 1, MAC "LLLL aaaa03 000000 0800", TRACE_IPV4 },
	{ "llc, service access point of ip", 1, MAC "LLLL 060603", TRACE_IPV4 },
	{ "llc in vlan", 1, MAC "8100 0064 LLLL aaaa03 000000 0800", TRACE_IPV4 },
	{ "vlan in snap", 1, MAC "LLLL aaaa03 000000 8100 0064 0800", TRACE_IPV4 },
	{ "sll", 113, "0000 0001 0006 0200000000010000 0800", TRACE_IPV4 },
	{ "sll with vlan", 113, "0000 0001 0006 0200000000010000 8100 0064 0800", TRACE_IPV4 },
	{ "sll with llc", 113, "0000 0001 0006 0200000000010000 0004 aaaa03 000000 0800", TRACE_IPV4 },
	{ "sll2", 276, "0800 0000 00000001 0001 00 06 0200000000010000", TRACE_IPV4 },
	{ "raw 101", 101, "", TRACE_IPV4 },
	{ "raw 12", 12, "", TRACE_IPV4 },
	{ "raw 14", 14, "", TRACE_IPV4 },
	{ "raw ipv4", 228, "", TRACE_IPV4 },
	{ "null, little-endian", 0, "02000000", TRACE_IPV4 },
	{ "null, big-endian", 0, "00000002", TRACE_IPV4 },
	{ "loop, big-endian", 108, "00000002", TRACE_IPV4 },
	{ "loop, little-endian", 108, "02000000", TRACE_IPV4 },
	{ "ppp", 9, "0021", TRACE_IPV4 },
	{ "ppp in hdlc", 9, "ff03 0021", TRACE_IPV4 },
	{ "ppp, short protocol field", 9, "21", TRACE_IPV4 },
	{ "ppp in hdlc, short protocol field", 9, "ff03 21", TRACE_IPV4 },
	{ "ppp with mpls", 9, "0281 00011140", TRACE_IPV4 },
	{ "ppp that is cisco", 9, "0f00 0800", TRACE_IPV4 },
	{ "ppp serial", 50, "ff03 0021", TRACE_IPV4 },
	{ "ppp serial that is cisco", 50, "8f00 0800", TRACE_IPV4 },
	{ "ppp over ethernet alone", 51, "11000001 LLLL 0021", TRACE_IPV4 },
	{ "cisco hdlc", 104, "0f00 0800", TRACE_IPV4 },
	{ "cisco hdlc with mpls", 104, "0f00 8847 00011140", TRACE_IPV4 },
	{ "ipv6", 1, MAC "86dd", TRACE_IPV6 },
	{ "raw ipv6", 229, "", TRACE_IPV6 },
	{ "raw that begins with 6", 101, "60", TRACE_IPV6 },
	{ "raw that begins with 5", 101, "50", TRACE_OTHER },
	{ "ipv6 in null, darwin", 0, "1e000000", TRACE_IPV6 },
	{ "ipv6 in null, freebsd", 0, "0000001c", TRACE_IPV6 },
	{ "ipv6 in ppp", 9, "0057", TRACE_IPV6 },
	{ "ipv6 in mpls", 1, MAC "8847 00011140 60", TRACE_IPV6 },
	{ "arp", 1, MAC "0806", TRACE_ARP },
	{ "arp in vlan", 1, MAC "8100 0064 0806", TRACE_ARP },
	{ "lldp", 1, MAC "88cc", TRACE_OTHER },
	{ "pppoe discovery", 1, MAC "8863 11090000 0000", TRACE_OTHER },
	{ "pppoe of another version", 1, MAC "8864 12000001 LLLL 0021", TRACE_OTHER },
	{ "pppoe that promises too much", 1, MAC "8864 11000001 ffff 0021", TRACE_MALFORMED },
	{ "length that promises too much", 1, MAC "05dc aaaa03 000000 0800", TRACE_MALFORMED },
	{ "spanning tree", 1, MAC "LLLL 424203", TRACE_OTHER },
	{ "snap of another organisation", 1, MAC "LLLL aaaa03 00000c 0800", TRACE_OTHER },
	{ "snap with a length for a type", 1, MAC "LLLL aaaa03 000000 0010", TRACE_OTHER },
	{ "pseudo-wire under mpls", 1, MAC "8847 00011140 00000000", TRACE_OTHER },
	{ "lcp", 9, "ff03 c021", TRACE_OTHER },
	{ "slarp", 104, "8f00 8035", TRACE_OTHER },
	{ "sll without a type", 113, "0000 0338 0000 0000000000000000 0000", TRACE_OTHER },
	{ "another family", 0, "07000000", TRACE_OTHER },
};

/* Head and datagram into `frame`; returns the length. */
static uint32_t frame_build(const struct row *row, uint8_t *frame)
{
	uint32_t len = 0, length_at = 0;

	for (const char *c = row->head; *c; c++) {
		char pair[3] = { c[0], c[0] == ' ' ? '\0' : c[1], '\0' };

		if (*c == ' ')
			continue;
		if (*c == 'L') {
			length_at = len;
			frame[len++] = 0;
			frame[len++] = 0;
			c += 3;
			continue;
		}
		frame[len++] = (uint8_t)strtoul(pair, NULL, 16);
		c++;
	}
	datagram_build(frame + len, IP_PROTO_TCP, DATAGRAM_LEN, 3);
	len += DATAGRAM_LEN;
	if (length_at)
		store_be16(frame + length_at, (uint16_t)(len - length_at - 2));
	return len;
}

static enum trace_kind strip_and_measure(int number, struct frame_view *view, struct datagram *d)
{
	const struct link_layer *link = link_layer_find(number);
	enum trace_kind kind;

	ck_assert_ptr_nonnull(link);
	*d = (struct datagram){ 0 };
	kind = link->strip(view);
	return kind == TRACE_IPV4 ? datagram_measure(view, 0, d) : kind;
}

START_TEST(test_every_prefix)
{
	const struct row *row = &rows[_i];
	uint8_t frame[FRAME_ROOM];
	uint32_t full = frame_build(row, frame);
	struct guard guard;
	struct datagram d;

	ck_assert_int_eq(guard_init(&guard), 0);
	for (uint32_t n = 0; n <= full; n++) {
		struct frame_view cut = { guard_put(&guard, frame, n), n, full - n };
		struct frame_view ended = { cut.at, n, 0 };
		enum trace_kind of_cut = strip_and_measure((int)(row->linktype & 0xffff), &cut, &d);
		enum trace_kind of_ended = strip_and_measure((int)(row->linktype & 0xffff), &ended, &d);

		if (n == full) {
			ck_assert_msg(of_ended == row->kind, "%s: %s", row->name, trace_kind_key(of_ended));
		} else if (row->kind == TRACE_IPV4) {
			ck_assert_msg(of_cut == TRACE_CUT, "%s cut at %u: %s", row->name, n, trace_kind_key(of_cut));
			ck_assert_msg(of_ended == TRACE_MALFORMED, "%s ended at %u: %s", row->name, n,
				      trace_kind_key(of_ended));
		}
	}
	guard_fini(&guard);
}
END_TEST

START_TEST(test_through_a_file)
{
	const struct row *row = &rows[_i];
	const struct container *c = &containers[_i % (int)ARRAY_LEN(containers)];
	const struct trace_options options = { 0 };
	uint8_t frame[FRAME_ROOM] = { 0 };
	uint32_t len = frame_build(row, frame), padded = len + PADDING;
	char path[32], error[TRACE_ERROR_MAX];
	struct trace_packet p;
	struct bytes file = { 0 };
	struct trace_reader *t;

	memset(frame + len, 0xee, PADDING);
	capture_begin(&file, c, row->linktype);
	capture_record(&file, c, (uint32_t[]){ 1000, 5 }, frame, padded, padded);
	capture_write(&file, path);
	t = trace_open(path, &options, error);
	unlink(path);
	ck_assert_msg(t != NULL, "%s: %s", row->name, error);
	ck_assert_int_eq(trace_next(t, &p), 1);
	ck_assert_msg(p.kind == row->kind, "%s in %s: %s", row->name, c->name, trace_kind_key(p.kind));
	ck_assert_uint_eq(p.frame, 1);
	ck_assert_uint_eq(p.time_ns, 1000 * NS_PER_S + 5 * c->unit_ns);
	if (p.kind == TRACE_IPV4) {
		ck_assert_uint_eq(p.len, DATAGRAM_LEN);
		ck_assert_mem_eq(p.ip, frame + len - DATAGRAM_LEN, DATAGRAM_LEN);
		ck_assert(!p.completed);
	}
	ck_assert_int_eq(trace_next(t, &p), 0);
	ck_assert_int_eq(trace_next(t, &p), 0);
	trace_close(t);
	bytes_free(&file);
}
END_TEST

/* What an IPv4 header may say, in a frame that holds `captured` of `whole` bytes. */
static const struct bounds_row {
	const char *name;
	uint8_t version_ihl;
	uint16_t total_len, fragment_field;
	uint32_t captured, whole, trailer;
	enum trace_kind kind;
	uint32_t len; /* if TRACE_IPV4 */
} bounds_rows[] = {
	{ "plain", 0x45, 60, 0, 60, 60, 0, TRACE_IPV4, 60 },
	{ "padded", 0x45, 60, 0, 64, 64, 0, TRACE_IPV4, 60 },
	{ "padding cut", 0x45, 60, 0, 60, 64, 0, TRACE_IPV4, 60 },
	{ "datagram cut", 0x45, 60, 0, 59, 64, 0, TRACE_CUT, 0 },
	{ "header only", 0x45, 20, 0, 20, 20, 0, TRACE_IPV4, 20 },
	{ "longest header", 0x4f, 60, 0, 60, 60, 0, TRACE_IPV4, 60 },
	{ "header longer than the frame", 0x4f, 59, 0, 59, 59, 0, TRACE_MALFORMED, 0 },
	{ "options cut", 0x4f, 60, 0, 59, 60, 0, TRACE_CUT, 0 },
	{ "version 6", 0x65, 60, 0, 60, 60, 0, TRACE_MALFORMED, 0 },
	{ "header of 16 bytes", 0x44, 60, 0, 60, 60, 0, TRACE_MALFORMED, 0 },
	{ "total length below the header", 0x46, 23, 0, 60, 60, 0, TRACE_MALFORMED, 0 },
	{ "total length beyond the frame", 0x45, 61, 0, 60, 60, 0, TRACE_MALFORMED, 0 },
	{ "total length beyond a cut frame", 0x45, 65, 0, 60, 64, 0, TRACE_MALFORMED, 0 },
	{ "fragment", 0x45, 60, IP_FLAG_MF | 8, 60, 60, 0, TRACE_IPV4, 60 },
	{ "super-packet", 0x45, 0, 0, 3000, 3000, 0, TRACE_IPV4, 3000 },
	{ "super-packet with trailer", 0x45, 0, 0, 3000, 3000, 4, TRACE_IPV4, 2996 },
	{ "super-packet cut", 0x45, 0, 0, 2999, 3000, 0, TRACE_CUT, 0 },
	{ "super-packet that is a fragment", 0x45, 0, IP_FLAG_MF, 3000, 3000, 0, TRACE_MALFORMED, 0 },
	{ "empty super-packet", 0x45, 0, 0, 20, 20, 0, TRACE_MALFORMED, 0 },
	{ "super-packet of trailer alone", 0x45, 0, 0, 20, 20, 40, TRACE_MALFORMED, 0 },
	{ "largest super-packet", 0x45, 0, 0, 65535, 65535, 0, TRACE_IPV4, 65535 },
	{ "super-packet above 64 KiB", 0x45, 0, 0, 65536, 65536, 0, TRACE_MALFORMED, 0 },
	{ "frame of 4 GiB", 0x45, 60, 0, 60, UINT32_MAX, 0, TRACE_IPV4, 60 },
};

START_TEST(test_bounds)
{
	const struct bounds_row *row = &bounds_rows[_i];
	struct guard guard;
	struct datagram d;
	uint8_t *ip = calloc(1, row->captured);
	struct frame_view view = { .left = row->captured, .cut = row->whole - row->captured };
	enum trace_kind kind;

	ck_assert_ptr_nonnull(ip);
	ip[0] = row->version_ihl;
	store_be16(ip + 2, row->total_len);
	store_be16(ip + 6, row->fragment_field);
	ck_assert_int_eq(guard_init(&guard), 0);
	view.at = guard_put(&guard, ip, row->captured);
	kind = datagram_measure(&view, row->trailer, &d);
	ck_assert_msg(kind == row->kind, "%s: %s", row->name, trace_kind_key(kind));
	if (kind == TRACE_CUT)
		ck_assert_int_eq(d.ip != NULL, row->captured >= (row->version_ihl & 15) * 4u);
	if (kind == TRACE_IPV4) {
		ck_assert_uint_eq(d.len, row->len);
		ck_assert_uint_eq(d.captured, row->len);
		ck_assert_int_eq(d.super, row->total_len == 0);
		ck_assert_int_eq(datagram_is_fragment(&d), row->fragment_field != 0);
	}
	guard_fini(&guard);
	free(ip);
}
END_TEST

Suite *linklayer_suite(void)
{
	Suite *s = suite_create("linklayer");
	TCase *tc = tcase_create("linklayer");

	tcase_add_loop_test(tc, test_every_prefix, 0, ARRAY_LEN(rows));
	tcase_add_loop_test(tc, test_through_a_file, 0, ARRAY_LEN(rows));
	tcase_add_loop_test(tc, test_bounds, 0, ARRAY_LEN(bounds_rows));
	suite_add_tcase(s, tc);
	return s;
}
