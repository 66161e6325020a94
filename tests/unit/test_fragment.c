/* SPDX-License-Identifier: BSD-2-Clause */
/* test_fragment.c: reassembly, one row per fragment; every order, overlaps, bounds, age. */
#include <check.h>
#include <stdlib.h>

#include "../../src/io/fragment.h"
#include "capture.h"
#include "guard_page.h"

Suite *fragment_suite(void);

/* The datagram that the rows take their fragments from: payload bytes, and its header's. */
#define PAYLOAD 60
#define IHL 24

struct fixture {
	struct fragment_table *table;
	struct guard guard;
	uint8_t whole[65536];
	uint8_t fragment[65536];
	uint8_t out[DATAGRAM_MAX];
	uint32_t out_len;
};

static void fixture_init(struct fixture *f)
{
	f->table = fragment_table_create();
	ck_assert_ptr_nonnull(f->table);
	ck_assert_int_eq(guard_init(&f->guard), 0);
	f->out_len = 0;
	datagram_build(f->whole + 4, IP_PROTO_TCP, 20 + PAYLOAD, 1);
	/* four bytes of options: no operation */
	memmove(f->whole, f->whole + 4, 20);
	memset(f->whole + 20, 1, 4);
	f->whole[0] = 0x46;
	store_be16(f->whole + 2, IHL + PAYLOAD);
	sum_header(f->whole);
}

static void fixture_fini(struct fixture *f)
{
	fragment_table_free(f->table);
	guard_fini(&f->guard);
}

struct piece {
	uint16_t offset; /* bytes of payload, multiple of 8 */
	uint16_t len;
	bool more;
	bool other; /* content that differs */
	enum trace_kind want;
};

/* The fragment of f->whole as its own datagram, against the guard page. */
static enum trace_kind add(struct fixture *f, const struct piece *p, uint16_t id, uint64_t now_ns)
{
	uint8_t *fragment = f->fragment;
	struct frame_view view = { .left = IHL + p->len };
	struct datagram d;

	memcpy(fragment, f->whole, IHL);
	memcpy(fragment + IHL, f->whole + IHL + p->offset, p->len);
	if (p->other)
		fragment[IHL + p->len - 1] ^= 1;
	store_be16(fragment + 2, (uint16_t)view.left);
	store_be16(fragment + 4, id);
	store_be16(fragment + 6, (uint16_t)(p->offset / 8 | (p->more ? IP_FLAG_MF : 0)));
	sum_header(fragment);
	view.at = guard_put(&f->guard, fragment, view.left);
	ck_assert_int_eq(datagram_measure(&view, 0, &d), TRACE_IPV4);
	ck_assert(datagram_is_fragment(&d));
	return fragment_add(f->table, &d, now_ns, f->out, &f->out_len);
}

/* What came out is the datagram with no fragment field and the right sum. */
static void check_out(const struct fixture *f, uint32_t payload)
{
	ck_assert_uint_eq(f->out_len, IHL + payload);
	ck_assert_uint_eq(load_be16(f->out + 2), IHL + payload);
	ck_assert_uint_eq(load_be16(f->out + 6), 0);
	ck_assert_uint_eq(plain_sum(f->out, IHL, 0), 0xffff);
	ck_assert_mem_eq(f->out + 12, f->whole + 12, IHL - 12);
	ck_assert_mem_eq(f->out + IHL, f->whole + IHL, payload);
}

#define HELD TRACE_FRAGMENT
#define BAD TRACE_FRAGMENT_BAD
#define DONE TRACE_IPV4
#define PIECES_MAX 6

static const struct row {
	const char *name;
	struct piece pieces[PIECES_MAX]; /* up to the first of length 0 without `more` */
	uint16_t payload;		 /* of what comes out; 0: nothing does */
	uint64_t abandoned;
} rows[] = {
	{ "in order", { { 0, 24, true, false, HELD }, { 24, 36, false, false, DONE } }, PAYLOAD, 0 },
	{ "backwards", { { 24, 36, false, false, HELD }, { 0, 24, true, false, DONE } }, PAYLOAD, 0 },
	{ "last one is a single byte", { { 0, 56, true, false, HELD }, { 56, 1, false, false, DONE } }, 57, 0 },
	{ "first again",
	  { { 0, 24, true, false, HELD }, { 0, 24, true, false, HELD }, { 24, 36, false, false, DONE } },
	  PAYLOAD,
	  0 },
	{ "last again",
	  { { 24, 36, false, false, HELD }, { 24, 36, false, false, HELD }, { 0, 24, true, false, DONE } },
	  PAYLOAD,
	  0 },
	{ "overlap, same content", { { 0, 32, true, false, HELD }, { 16, 44, false, false, DONE } }, PAYLOAD, 0 },
	{ "inside another",
	  { { 0, 40, true, false, HELD }, { 8, 16, true, false, HELD }, { 40, 20, false, false, DONE } },
	  PAYLOAD,
	  0 },
	{ "overlap, other content", { { 0, 32, true, true, HELD }, { 16, 44, false, false, BAD } }, 0, 0 },
	{ "duplicate, other content",
	  { { 0, 24, true, false, HELD }, { 0, 24, true, true, BAD }, { 24, 36, false, false, BAD } },
	  0,
	  0 },
	{ "last again, other content", { { 24, 36, false, false, HELD }, { 24, 36, false, true, BAD } }, 0, 0 },
	{ "two ends, second farther", { { 24, 16, false, false, HELD }, { 40, 16, false, false, BAD } }, 0, 0 },
	{ "two ends, second nearer", { { 40, 16, false, false, HELD }, { 24, 16, false, false, BAD } }, 0, 0 },
	{ "data beyond the end", { { 24, 16, false, false, HELD }, { 40, 16, true, false, BAD } }, 0, 0 },
	{ "end before data", { { 40, 16, true, false, HELD }, { 24, 16, false, false, BAD } }, 0, 0 },
	{ "not a multiple of eight", { { 0, 20, true, false, BAD } }, 0, 0 },
	{ "empty", { { 0, 0, true, false, BAD } }, 0, 0 },
	{ "first missing", { { 8, 16, true, false, HELD }, { 24, 36, false, false, HELD } }, 0, 1 },
	{ "last missing", { { 0, 24, true, false, HELD }, { 24, 24, true, false, HELD } }, 0, 1 },
	{ "hole", { { 0, 24, true, false, HELD }, { 32, 28, false, false, HELD } }, 0, 1 },
	{ "beyond 64 KiB", { { 65528, 8, false, false, BAD } }, 0, 0 },
	{ "up to the last byte of what fits, without header room", { { 65512, 3, false, false, HELD } }, 0, 1 },
	{ "one byte more", { { 65512, 4, false, false, BAD } }, 0, 0 },
};

START_TEST(test_row)
{
	const struct row *row = &rows[_i];
	struct fixture f;
	enum trace_kind kind = TRACE_FRAGMENT;

	fixture_init(&f);
	for (const struct piece *p = row->pieces; p < row->pieces + PIECES_MAX && (p->len || p->more); p++) {
		kind = add(&f, p, 7, NS_PER_S);
		ck_assert_msg(kind == p->want, "%s, piece %zu: %s", row->name, (size_t)(p - row->pieces),
			      trace_kind_key(kind));
	}
	ck_assert_msg((kind == TRACE_IPV4) == (row->payload > 0), "%s", row->name);
	if (row->payload)
		check_out(&f, row->payload);
	fragment_flush(f.table);
	ck_assert_msg(fragment_abandoned(f.table) == row->abandoned, "%s", row->name);
	fixture_fini(&f);
}
END_TEST

/* Four fragments in each of their 24 orders, and each order with one of them doubled. */
START_TEST(test_orders)
{
	static const struct piece four[] = {
		{ 0, 16, true, false, HELD },
		{ 16, 8, true, false, HELD },
		{ 24, 24, true, false, HELD },
		{ 48, 12, false, false, HELD },
	};
	struct fixture f;

	fixture_init(&f);
	for (unsigned code = 0; code < 24 * 4; code++) {
		unsigned order[4] = { 0, 1, 2, 3 }, c = code / 4;

		for (unsigned i = 0; i < 4; i++) {
			unsigned pick = i + c % (4 - i), t = order[i];

			c /= 4 - i;
			order[i] = order[pick];
			order[pick] = t;
		}
		for (unsigned i = 0; i < 4; i++) {
			enum trace_kind kind = add(&f, &four[order[i]], (uint16_t)code, 0);

			ck_assert_int_eq(kind, i == 3 ? TRACE_IPV4 : TRACE_FRAGMENT);
			if (i < 3 && i == code % 4)
				ck_assert_int_eq(add(&f, &four[order[i]], (uint16_t)code, 0), TRACE_FRAGMENT);
		}
		check_out(&f, PAYLOAD);
	}
	fragment_flush(f.table);
	ck_assert_uint_eq(fragment_abandoned(f.table), 0);
	fixture_fini(&f);
}
END_TEST

/* The largest datagram there is: 65,535 bytes with this header; eight more do not fit. */
START_TEST(test_largest)
{
	const uint16_t most = DATAGRAM_MAX - IHL, step = 8192;
	struct fixture f;
	enum trace_kind kind = TRACE_FRAGMENT;

	fixture_init(&f);
	for (size_t i = IHL; i < sizeof(f.whole); i++)
		f.whole[i] = (uint8_t)(i * 31 + i / 256);
	for (uint32_t at = 0; at < most; at += step) {
		struct piece p = { (uint16_t)at, (uint16_t)MIN(step, most - at), at + step < most, false, HELD };

		kind = add(&f, &p, 1, 0);
	}
	ck_assert_int_eq(kind, TRACE_IPV4);
	check_out(&f, most);
	/* 65,515 bytes of payload would do with a header of 20 bytes, but this one has 24. */
	for (uint32_t at = 0; at < 65515; at += step) {
		struct piece p = { (uint16_t)at, (uint16_t)MIN(step, 65515 - at), at + step < 65515, false, HELD };

		kind = add(&f, &p, 2, 0);
	}
	ck_assert_int_eq(kind, TRACE_FRAGMENT_BAD);
	fixture_fini(&f);
}
END_TEST

START_TEST(test_age)
{
	static const struct piece first = { 0, 24, true, false, HELD }, last = { 24, 36, false, false, HELD };
	static const struct age_row {
		uint64_t first_ns, last_ns;
		enum trace_kind want;
	} ages[] = {
		{ 0, 0, TRACE_IPV4 },
		{ NS_PER_S, NS_PER_S + FRAGMENT_TIMEOUT_NS, TRACE_IPV4 },
		{ NS_PER_S, NS_PER_S + FRAGMENT_TIMEOUT_NS + 1, TRACE_FRAGMENT },
		{ 100 * NS_PER_S, 1, TRACE_IPV4 }, /* time steps back */
		{ 0, UINT64_MAX, TRACE_FRAGMENT },
	};

	for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
		struct fixture f;

		fixture_init(&f);
		ck_assert_int_eq(add(&f, &first, 9, ages[i].first_ns), TRACE_FRAGMENT);
		ck_assert_int_eq(add(&f, &last, 9, ages[i].last_ns), ages[i].want);
		ck_assert_uint_eq(fragment_abandoned(f.table), ages[i].want == TRACE_FRAGMENT);
		fixture_fini(&f);
	}
}
END_TEST

/* One datagram more than there is room for: the oldest goes, and only that. */
START_TEST(test_too_many)
{
	static const struct piece first = { 0, 24, true, false, HELD }, last = { 24, 36, false, false, HELD };
	struct fixture f;

	fixture_init(&f);
	for (uint16_t id = 0; id <= FRAGMENT_DATAGRAMS_MAX; id++)
		ck_assert_int_eq(add(&f, &first, id, 0), TRACE_FRAGMENT);
	ck_assert_uint_eq(fragment_abandoned(f.table), 1);
	for (uint16_t id = 1; id <= FRAGMENT_DATAGRAMS_MAX; id++)
		ck_assert_int_eq(add(&f, &last, id, 0), TRACE_IPV4);
	ck_assert_int_eq(add(&f, &last, 0, 0), TRACE_FRAGMENT);
	fragment_table_reset(f.table);
	ck_assert_uint_eq(fragment_abandoned(f.table), 0);
	ck_assert_int_eq(add(&f, &first, 0, 0), TRACE_FRAGMENT);
	fixture_fini(&f);
}
END_TEST

Suite *fragment_suite(void)
{
	Suite *s = suite_create("fragment");
	TCase *tc = tcase_create("fragment");

	tcase_add_loop_test(tc, test_row, 0, ARRAY_LEN(rows));
	tcase_add_test(tc, test_orders);
	tcase_add_test(tc, test_largest);
	tcase_add_test(tc, test_age);
	tcase_add_test(tc, test_too_many);
	suite_add_tcase(s, tc);
	return s;
}
