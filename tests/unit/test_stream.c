/* SPDX-License-Identifier: BSD-2-Clause */
/* test_stream.c: interval sets (sim/tcp/ranges.h), recorded and delivered streams (sim/tcp/stream.h), and
 * edits of recorded segments (sim/tcp/segment.h). */
#include "miresga/hash.h"
#include "replay_fixture.h"
#include "sim/tcp/ranges.h"
#include "sim/tcp/segment.h"
#include "sim/tcp/stream.h"

Suite *stream_suite(void);

#define SPACE 200

static uint64_t members(const bool *member, uint64_t lo, uint64_t hi)
{
	uint64_t count = 0;

	for (; lo < hi; lo++)
		count += member[lo];
	return count;
}

/* Random intervals against a bit per member. */
START_TEST(test_ranges)
{
	uint64_t state = 7;

	for (unsigned round = 0; round < 200; round++) {
		struct ranges r = { 0 };
		bool member[SPACE + 1] = { false };

		for (unsigned step = 0; step < 40; step++) {
			uint64_t lo, hi, at, from;
			struct range gap;

			state = hash_mix64(state + 1);
			lo = state % SPACE;
			hi = MIN(lo + (state >> 20) % 12, SPACE);
			ck_assert(ranges_add(&r, lo, hi));
			for (at = lo; at < hi; at++)
				member[at] = true;
			from = (state >> 40) % SPACE;
			for (at = from; at < SPACE && member[at]; at++)
				;
			ck_assert_uint_eq(ranges_end(&r, from), at);
			ck_assert(ranges_cover(&r, from, at));
			ck_assert_int_eq(ranges_gap(&r, from, SPACE, &gap), at < SPACE);
			ck_assert_int_eq(ranges_at(&r, from, &gap), at > from);
			ck_assert(at == from || (gap.lo <= from && gap.hi == at));
			ck_assert_uint_eq(ranges_count(&r, lo, hi), hi - lo);
			ck_assert_uint_eq(ranges_count(&r, from, SPACE), members(member, from, SPACE));
			if (ranges_gap(&r, from, SPACE, &gap)) {
				ck_assert_uint_eq(gap.lo, at);
				for (; at < SPACE && !member[at]; at++)
					;
				ck_assert_uint_eq(gap.hi, at);
			}
		}
		for (uint32_t i = 1; i < r.count; i++)
			ck_assert_uint_lt(r.v[i - 1].hi, r.v[i].lo);
		for (uint64_t left; (left = ranges_count(&r, 0, SPACE));) {
			struct range first = r.v[0];

			ranges_drop_first(&r);
			ck_assert_uint_eq(ranges_count(&r, 0, SPACE), left - (first.hi - first.lo));
		}
		ck_assert_uint_eq(r.count, 0);
		ranges_fini(&r);
	}
}
END_TEST

START_TEST(test_ranges_bound)
{
	struct ranges r = { 0 };

	for (uint64_t i = 0; i < RANGES_MAX; i++)
		ck_assert(ranges_add(&r, 2 * i, 2 * i + 1));
	ck_assert(!ranges_add(&r, 2 * RANGES_MAX, 2 * RANGES_MAX + 1));
	ck_assert(ranges_add(&r, 0, 2 * RANGES_MAX)); /* what merges fits */
	ck_assert_uint_eq(r.count, 1);
	ranges_fini(&r);
}
END_TEST

static void fill(uint8_t *bytes, uint64_t at, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)hash_mix64(at + i);
}

/* Takes what is in order, checks it, and returns how much that was. */
static uint64_t take_all(struct stream *s)
{
	uint64_t total = 0, len;
	const uint8_t *data;

	while ((len = stream_peek(s, &data))) {
		for (uint64_t i = 0; i < len; i++)
			ck_assert_uint_eq(data[i], (uint8_t)hash_mix64(s->taken + i));
		stream_take(s, len);
		total += len;
	}
	return total;
}

/* Recorded in one order, delivered in another, taken now and then. */
START_TEST(test_stream_exact)
{
	static uint8_t bytes[3000];
	struct stream s;
	struct range gap;
	uint64_t state = 3, taken = 0;
	const uint64_t end = 1 + 200000;

	stream_init(&s);
	ck_assert(ranges_add(&s.known, 0, 1) && ranges_add(&s.received, 0, 1));
	for (uint64_t at = 1; at < end; at += 1000) {
		fill(bytes, at, 1000);
		ck_assert_int_eq(stream_record(&s, at, bytes, 1000), STREAM_OK);
	}
	ck_assert_int_eq(stream_record_fin(&s, end), STREAM_OK);
	while (stream_in_order(&s) < end) {
		uint64_t at, from = stream_in_order(&s);
		uint32_t len;

		state = hash_mix64(state + 1);
		at = MIN(from + state % 5000, end - 1);
		if (state >> 60 == 0)
			at = from;
		len = (uint32_t)MIN(1 + (state >> 30) % 3000, end - at);
		fill(bytes, at, len);
		ck_assert_int_eq(stream_deliver(&s, at, bytes, len), STREAM_OK);
		if (state >> 50 & 1)
			taken += take_all(&s);
	}
	taken += take_all(&s);
	ck_assert_uint_eq(taken, end - 1);
	ck_assert_uint_eq(s.mismatch, STREAM_NONE);
	ck_assert(!stream_complete(&s, &gap) && gap.lo == end);
	ck_assert(ranges_add(&s.received, end, end + 1));
	ck_assert(stream_complete(&s, &gap));
	ck_assert_uint_le(s.ring_size, 1 << 18);
	stream_fini(&s);
}
END_TEST

/* The first byte that differs is found wherever it is, and so is one that was never recorded. */
START_TEST(test_stream_differs)
{
	static const uint64_t wrong[] = { 1, 2, 4095, 4096, 4097, 9000 };
	static uint8_t bytes[9000];

	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		struct stream s;

		stream_init(&s);
		fill(bytes, 1, sizeof(bytes));
		ck_assert_int_eq(stream_record(&s, 1, bytes, sizeof(bytes)), STREAM_OK);
		bytes[wrong[i] - 1] ^= 0x40;
		ck_assert_int_eq(stream_deliver(&s, 1, bytes, sizeof(bytes)), STREAM_OK);
		ck_assert_uint_eq(s.mismatch, wrong[i]);
		ck_assert_uint_eq(s.expected ^ s.got, 0x40);
		stream_fini(&s);
		stream_init(&s);
		ck_assert_int_eq(stream_record(&s, 1, bytes, (uint32_t)wrong[i] - 1), STREAM_OK);
		ck_assert_int_eq(stream_deliver(&s, 1, bytes, sizeof(bytes)), STREAM_OK);
		ck_assert_uint_eq(s.mismatch, wrong[i]);
		ck_assert_uint_eq(s.expected, s.got);
		stream_fini(&s);
	}
}
END_TEST

START_TEST(test_stream_bounds)
{
	struct stream s;

	stream_init(&s);
	ck_assert_int_eq(stream_record(&s, STREAM_SPAN_MAX, (const uint8_t *)"ab", 2), STREAM_TOO_FAR);
	ck_assert_int_eq(stream_record_fin(&s, STREAM_SPAN_MAX + 2), STREAM_TOO_FAR);
	ck_assert_uint_eq(s.known.count, 0);
	stream_fini(&s);
}
END_TEST

/* A stream that rests holds no bytes, and goes on when more come. */
START_TEST(test_stream_rests)
{
	const uint8_t *text = (const uint8_t *)"abcdef";
	struct stream s;

	stream_init(&s);
	ck_assert(ranges_add(&s.known, 0, 1) && ranges_add(&s.received, 0, 1));
	ck_assert(stream_empty(&s));
	ck_assert_int_eq(stream_record(&s, 1, text, 3), STREAM_OK);
	ck_assert(!stream_empty(&s));
	ck_assert_int_eq(stream_deliver(&s, 1, text, 3), STREAM_OK);
	stream_take(&s, 3);
	ck_assert(stream_empty(&s));
	stream_drop(&s);
	ck_assert_ptr_null(s.ring);
	ck_assert_int_eq(stream_record(&s, 4, text + 3, 3), STREAM_OK);
	ck_assert_int_eq(stream_deliver(&s, 1, text, 6), STREAM_OK);
	ck_assert_uint_eq(s.mismatch, STREAM_NONE);
	ck_assert_uint_eq(stream_waiting(&s), 3);
	stream_take(&s, 3);
	ck_assert_int_eq(stream_record_fin(&s, 7), STREAM_OK); /* a FIN is no byte */
	ck_assert(stream_empty(&s));
	stream_fini(&s);
}
END_TEST

/* Offsets go on past 2^32, and a little behind stays behind. */
START_TEST(test_stream_offset)
{
	struct stream s;

	stream_init(&s);
	s.taken = (UINT64_C(5) << 32) - 10;
	ck_assert(ranges_add(&s.known, 0, s.taken));
	ck_assert_int_eq(stream_offset(&s, 0xfffffff0), (INT64_C(5) << 32) - 16);
	ck_assert_int_eq(stream_offset(&s, 3), (INT64_C(5) << 32) + 3);
	stream_fini(&s);
}
END_TEST

/* Every edit leaves right checksums right and wrong ones wrong. */
START_TEST(test_segment_edits)
{
	const struct row row = C(0, PSH | ACK, 1, 1, .data = "0123456789", .tsval = 9, .tsecr = 8, .sack = { 50, 60 });
	struct packet_pool *pool = packet_pool_create(1, 0);
	uint8_t ip[2048];

	for (unsigned sound = 0; sound < 2; sound++) {
		uint32_t len = row_datagram(&row, isn_rows[1], ip), edges[8];
		struct packet *p = packet_alloc(pool, ETH_HDR_LEN + len);
		struct segment s, t;

		ip[len - 1] ^= (uint8_t)(sound ? 0 : 1);
		ck_assert(segment_parse(&s, ip, len));
		s.sound = sound;
		ck_assert_int_eq(segment_checksums_right(ip, s.tcp_at), sound);
		memcpy(p->data + ETH_HDR_LEN, ip, len);
		segment_set_source(&s, p, endpoint_of("203.0.113.9:1234"));
		segment_set_seq(&s, p, 77);
		segment_set_ack(&s, p, 88);
		segment_set_window(&s, p, 99);
		segment_shift_sack(&s, p, 1000);
		segment_shift_tsecr(&s, p, 500);
		segment_set_tsval(&s, p, 4);
		ck_assert_int_eq(segment_checksums_right(p->data + ETH_HDR_LEN, s.tcp_at), sound);
		segment_cut(&s, p, 3, 7);
		ck_assert_int_eq(segment_checksums_right(p->data + ETH_HDR_LEN, s.tcp_at), sound);
		ck_assert(segment_parse(&t, p->data + ETH_HDR_LEN, p->len - ETH_HDR_LEN));
		segment_sack_edges(&t, edges);
		ck_assert(t.seq == 80 && t.ack == 88 && t.window == 99 && t.options.tsecr == 508 &&
			  t.options.tsval == 4);
		ck_assert_uint_eq(edges[0], isn_rows[1].server + 1050);
		ck_assert(t.payload_len == 4 && !memcmp(t.ip + t.payload_at, "3456", 4));
		ck_assert_uint_eq(t.flags, ACK);
		packet_free(pool, p);
	}
	packet_pool_free(pool);
}
END_TEST

/* Every prefix of a segment is refused, or read without touching what is not there. */
START_TEST(test_segment_prefixes)
{
	const struct row row = C(0, SYN, 0, 0, .data = "abc", .mss = 1460, .wscale = 8, .tsval = 1);
	uint8_t ip[2048], *exact;
	uint32_t len = row_datagram(&row, isn_rows[0], ip);
	struct segment s;

	for (uint32_t n = 0; n <= len; n++) {
		exact = malloc(n ? n : 1);
		ck_assert_ptr_nonnull(exact);
		memcpy(exact, ip, n);
		ck_assert_int_eq(segment_parse(&s, exact, n), n == len);
		free(exact);
	}
	ck_assert_uint_eq(s.payload_len, 3);
}
END_TEST

Suite *stream_suite(void)
{
	Suite *s = suite_create("stream");
	TCase *tc = tcase_create("stream");

	tcase_add_test(tc, test_ranges);
	tcase_add_test(tc, test_ranges_bound);
	tcase_add_test(tc, test_stream_exact);
	tcase_add_test(tc, test_stream_differs);
	tcase_add_test(tc, test_stream_bounds);
	tcase_add_test(tc, test_stream_rests);
	tcase_add_test(tc, test_stream_offset);
	tcase_add_test(tc, test_segment_edits);
	tcase_add_test(tc, test_segment_prefixes);
	suite_add_tcase(s, tc);
	return s;
}
