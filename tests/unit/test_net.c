/* SPDX-License-Identifier: BSD-2-Clause */
/* test_net.c: checksums, hashes, chance, sequence arithmetic, endpoints, names. */
#include <check.h>
#include <stdlib.h>

#include "miresga/base.h"
#include "miresga/checksum.h"
#include "miresga/drop.h"
#include "miresga/hash.h"
#include "miresga/prng.h"
#include "miresga/quirk.h"
#include "miresga/seq.h"

Suite *net_suite(void);

/* RFC 1071 §4.1 done naively, in host order. */
static uint16_t naive_sum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void fill_random(struct prng *r, uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)prng_u32(r);
}

START_TEST(checksum_known)
{
	/* The example of RFC 1071 §3, and headers whose checksums were computed elsewhere. */
	static const uint8_t rfc1071[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	static const uint8_t ip[] = { 0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
				      0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7 };

	ck_assert_uint_eq(__builtin_bswap16(csum_sum(rfc1071, sizeof(rfc1071), 0)), 0xddf2);
	ck_assert_uint_eq(be16_to(csum_ipv4((const void *)ip, sizeof(ip))), 0xb861);
	ck_assert_uint_eq(csum_sum(NULL, 0, 0), 0);
	ck_assert_uint_eq(csum_sum(NULL, 0, 0xffffffff), 0xffff);
}
END_TEST

START_TEST(checksum_sum_matches_naive)
{
	static uint8_t data[70000];
	struct prng r;

	prng_seed(&r, 1);
	fill_random(&r, data, sizeof(data));
	for (size_t at = 0; at < 8; at++)
		for (size_t len = 0; len < 300; len++)
			ck_assert_uint_eq(__builtin_bswap16(csum_sum(data + at, len, 0)), naive_sum(data + at, len));
	ck_assert_uint_eq(__builtin_bswap16(csum_sum(data, 65535, 0)), naive_sum(data, 65535));
	memset(data, 0xff, sizeof(data));
	ck_assert_uint_eq(csum_sum(data, 65534, 0), 0xffff);
}
END_TEST

START_TEST(checksum_tcp_with_pseudo_header)
{
	uint8_t segment[TCP_HDR_MIN + 5] = { 0x1f, 0x90, 0x00, 0x50, 1, 2, 3, 4, 0, 0, 0, 0, 0x50 };
	struct ipv4_hdr ip = { .src = be32_from(0x0a000001), .dst = be32_from(0x0a000102) };
	struct tcp_hdr *tcp = (void *)segment;
	uint8_t whole[12 + sizeof(segment)] = { 10, 0, 0, 1, 10, 0, 1, 2, 0, IP_PROTO_TCP, 0, sizeof(segment) };

	memcpy(segment + TCP_HDR_MIN, "hello", 5);
	memcpy(whole + 12, segment, sizeof(segment));
	tcp->check = be16_from(0xdead); /* must not enter the sum */
	ck_assert_uint_eq(be16_to(csum_tcp(&ip, tcp, sizeof(segment))), (uint16_t)~naive_sum(whole, sizeof(whole)));
	tcp->check = csum_tcp(&ip, tcp, sizeof(segment));
	memcpy(whole + 12, segment, sizeof(segment));
	ck_assert_uint_eq(naive_sum(whole, sizeof(whole)), 0xffff);
	for (unsigned bit = 0; bit < sizeof(segment) * 8; bit++) {
		ck_assert(csum_tcp_right(&ip, tcp, sizeof(segment)));
		segment[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert(!csum_tcp_right(&ip, tcp, sizeof(segment)));
		segment[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	/* The two ways to write the same number. */
	store_be16(segment + 4, (uint16_t)(load_be16(segment + 4) + be16_to(tcp->check)));
	tcp->check = csum_tcp(&ip, tcp, sizeof(segment));
	ck_assert(be16_to(tcp->check) == 0 || be16_to(tcp->check) == 0xffff);
	tcp->check = be16_from((uint16_t)~be16_to(tcp->check));
	ck_assert(csum_tcp_right(&ip, tcp, sizeof(segment)));
}
END_TEST

START_TEST(checksum_incremental_equals_scratch)
{
	uint8_t data[64], with[16];
	struct prng r;

	prng_seed(&r, 2);
	for (unsigned round = 0; round < 20000; round++) {
		size_t len = prng_below(&r, sizeof(with) + 1), at = prng_below(&r, sizeof(data) - sizeof(with));
		uint16_t error = round & 1 ? 0 : (uint16_t)prng_u32(&r); /* a wrong one stays as wrong as it was */
		be16 check;

		fill_random(&r, data, sizeof(data));
		fill_random(&r, with, sizeof(with));
		if (round % 7 == 0)
			memset(with, round % 2 ? 0xff : 0, sizeof(with));
		check = be16_from((uint16_t)~naive_sum(data, sizeof(data)));
		check = csum_update16(check, 0, be16_from(error));
		csum_replace(&check, data + at, with, len, at);
		ck_assert_mem_eq(data + at, with, len);
		ck_assert_uint_eq(be16_to(csum_update16(check, be16_from(error), 0)),
				  (uint16_t)~naive_sum(data, sizeof(data)));
	}
}
END_TEST

START_TEST(checksum_update32_equals_scratch)
{
	uint8_t data[16];
	struct prng r;

	prng_seed(&r, 3);
	for (unsigned round = 0; round < 20000; round++) {
		size_t at = 2 * prng_below(&r, 7);
		uint32_t from, to = prng_u32(&r);
		be16 check;

		fill_random(&r, data, sizeof(data));
		from = load_be32(data + at);
		check = be16_from((uint16_t)~naive_sum(data, sizeof(data)));
		check = csum_update32(check, be32_from(from), be32_from(to));
		store_be32(data + at, to);
		ck_assert_uint_eq(be16_to(check), (uint16_t)~naive_sum(data, sizeof(data)));
	}
}
END_TEST

START_TEST(siphash_reference_vectors)
{
	/* vectors_sip64 of the reference implementation: key 00..0f, message 00 01 02 ... */
	static const uint64_t want[] = {
		UINT64_C(0x726fdb47dd0e0e31), UINT64_C(0x74f839c593dc67fd), UINT64_C(0x0d6c8009d9a94f5a),
		UINT64_C(0x85676696d7fb7e2d), UINT64_C(0xcf2794e0277187b7), UINT64_C(0x18765564cd99a68d),
		UINT64_C(0xcbc9466e58fee3ce), UINT64_C(0xab0200f58b01d137), UINT64_C(0x93f5f5799a932462),
		UINT64_C(0x9e0082df0ba9e4b0), UINT64_C(0x7a5dbbc594ddb9f3), UINT64_C(0xf4b32f46226bada7),
		UINT64_C(0x751e8fbc860ee5fb), UINT64_C(0x14ea5627c0843d90), UINT64_C(0xf723ca908e7af2ee),
		UINT64_C(0xa129ca6149be45e5),
	};
	const struct siphash_key key = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };
	uint8_t message[16];

	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		ck_assert_uint_eq(siphash(&key, message, i), want[i]);
}
END_TEST

static uint8_t naive_crc8(const uint8_t *p, size_t len)
{
	unsigned crc = 0;

	while (len--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = (crc << 1 ^ (crc & 0x80 ? 0x07 : 0)) & 0xff;
	}
	return (uint8_t)crc;
}

START_TEST(crc_check_values)
{
	struct prng r;

	ck_assert_uint_eq(hash_crc32("123456789", 9), 0xcbf43926);
	ck_assert_uint_eq(hash_crc32("", 0), 0);
	ck_assert_uint_eq(naive_crc8((const uint8_t *)"123456789", 9), 0xf4); /* CRC-8/SMBUS */
	prng_seed(&r, 4);
	for (unsigned i = 0; i < 10000; i++) {
		uint8_t bytes[6];
		struct endpoint e = { 0 };

		fill_random(&r, bytes, sizeof(bytes));
		memcpy(&e.addr, bytes, 4);
		memcpy(&e.port, bytes + 4, 2);
		ck_assert_uint_eq(hash_lb_index(e), naive_crc8(bytes, sizeof(bytes)));
	}
}
END_TEST

START_TEST(prng_reference_values)
{
	/* xoshiro256** from state {1, 2, 3, 4}; splitmix64 from 1234567. */
	static const uint64_t xoshiro[] = { 11520,
					    0,
					    1509978240,
					    UINT64_C(1215971899390074240),
					    UINT64_C(1216172134540287360),
					    UINT64_C(607988272756665600) };
	static const uint64_t splitmix[] = { UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
					     UINT64_C(9817491932198370423), UINT64_C(4593380528125082431) };
	struct prng p = { { 1, 2, 3, 4 } };

	for (size_t i = 0; i < ARRAY_LEN(xoshiro); i++)
		ck_assert_uint_eq(prng_u64(&p), xoshiro[i]);
	prng_seed(&p, 1234567);
	for (size_t i = 0; i < ARRAY_LEN(splitmix); i++)
		ck_assert_uint_eq(p.s[i], splitmix[i]);
}
END_TEST

START_TEST(prng_children_are_independent)
{
	struct prng a, again, others[4];

	prng_child(&a, 7, "link", 0);
	prng_child(&again, 7, "link", 0);
	prng_child(&others[0], 7, "link", 1);
	prng_child(&others[1], 8, "link", 0);
	prng_child(&others[2], 7, "lin", 0);
	prng_child(&others[3], 7, "server", 0);
	ck_assert_mem_eq(&a, &again, sizeof(a));
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		ck_assert_mem_ne(&a, &others[i], sizeof(a));
}
END_TEST

START_TEST(prng_below_is_uniform)
{
	static const uint32_t bounds[] = { 1, 2, 3, 10, 255, 0x80000001, 0xffffffff };
	unsigned seen[10] = { 0 };
	struct prng p;

	prng_seed(&p, 5);
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
		for (unsigned n = 0; n < 1000; n++)
			ck_assert_uint_lt(prng_below(&p, bounds[i]), bounds[i]);
	for (unsigned n = 0; n < 100000; n++)
		seen[prng_below(&p, 10)]++;
	for (size_t i = 0; i < 10; i++)
		ck_assert(seen[i] > 9500 && seen[i] < 10500);
}
END_TEST

static const struct seq_row {
	uint32_t a, b;
	int diff;
} seq_rows[] = {
	{ 0, 0, 0 },
	{ 1, 0, 1 },
	{ 0, 1, -1 },
	{ 0, 0xffffffff, 1 },
	{ 0xffffffff, 0, -1 },
	{ 100, 0xfffffff0, 116 },
	{ 0x7fffffff, 0, 0x7fffffff },
	{ 0x80000000, 0, INT32_MIN },
};

START_TEST(seq_wraps)
{
	const struct seq_row *r = &seq_rows[_i];

	ck_assert_int_eq(seq_diff(r->a, r->b), r->diff);
	ck_assert_int_eq(seq_lt(r->a, r->b), r->diff < 0);
	ck_assert_int_eq(seq_le(r->a, r->b), r->diff <= 0);
	ck_assert_int_eq(seq_gt(r->a, r->b), r->diff > 0);
	ck_assert_int_eq(seq_ge(r->a, r->b), r->diff >= 0);
	ck_assert_uint_eq(seq_max(r->a, r->b), r->diff > 0 ? r->a : r->b);
	ck_assert_uint_eq(seq_min(r->a, r->b), r->diff < 0 ? r->a : r->b);
	ck_assert_uint_eq(seq_sub(seq_add(r->a, r->b), r->b), r->a);
	ck_assert(seq_in(r->a, r->a, 1));
	ck_assert(!seq_in(r->a, r->a, 0));
	ck_assert(!seq_in(r->a - 1, r->a, 100));
	ck_assert(seq_in(r->a + 99, r->a, 100));
	ck_assert(!seq_in(r->a + 100, r->a, 100));
}
END_TEST

static const struct endpoint_row {
	const char *text;
	uint32_t addr;
	uint16_t port; /* 0: must be refused */
} endpoint_rows[] = {
	{ "10.0.1.10:80", 0x0a00010a, 80 },
	{ "0.0.0.0:1", 0, 1 },
	{ "255.255.255.255:65535", 0xffffffff, 65535 },
	{ "128.0.0.1:8080", 0x80000001, 8080 },
	{ "", 0, 0 },
	{ "10.0.1.10", 0, 0 },
	{ "10.0.1.10:", 0, 0 },
	{ "10.0.1.10:0", 0, 0 },
	{ "10.0.1.10:65536", 0, 0 },
	{ "10.0.1.10:99999999999999999999", 0, 0 },
	{ "10.0.1.10:80 ", 0, 0 },
	{ " 10.0.1.10:80", 0, 0 },
	{ "10.0.1.10:080", 0, 0 },
	{ "10.0.01.10:80", 0, 0 },
	{ "10.0.1.256:80", 0, 0 },
	{ "10.0.1:80", 0, 0 },
	{ "10.0.1.10.1:80", 0, 0 },
	{ "10..1.10:80", 0, 0 },
	{ "10.0.1.-1:80", 0, 0 },
	{ "10.0.1.+1:80", 0, 0 },
	{ "0x0a.0.1.10:80", 0, 0 },
	{ "localhost:80", 0, 0 },
};

START_TEST(endpoint_text)
{
	const struct endpoint_row *r = &endpoint_rows[_i];
	const struct endpoint before = endpoint_make(be32_from(42), be16_from(42));
	struct endpoint e = before;
	char text[ENDPOINT_TEXT_MAX];

	if (!r->port) {
		ck_assert_int_eq(endpoint_parse(r->text, &e), -1);
		ck_assert(endpoint_equal(e, before));
		return;
	}
	ck_assert_int_eq(endpoint_parse(r->text, &e), 0);
	ck_assert_uint_eq(be32_to(e.addr), r->addr);
	ck_assert_uint_eq(be16_to(e.port), r->port);
	ck_assert_ptr_eq(endpoint_format(e, text), text);
	ck_assert_str_eq(text, r->text);
}
END_TEST

START_TEST(names_are_complete_and_unique)
{
	for (int i = 0; i < DROP_COUNT; i++) {
		ck_assert_uint_gt(strlen(drop_text((enum drop_reason)i)), 0);
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(drop_key((enum drop_reason)i), drop_key((enum drop_reason)j));
	}
	ck_assert_str_eq(drop_key(DROP_BAD_COOKIE), "bad_cookie");
	for (int i = 0; i < QUIRK_COUNT; i++) {
		const char *id = quirk_id((enum quirk)i);

		ck_assert_uint_gt(strlen(quirk_text((enum quirk)i)), 0);
		ck_assert_int_eq(quirk_from_id(id, strlen(id)), i);
	}
	ck_assert_int_eq(quirk_from_id("f10,P3", 3), QUIRK_F10);
	ck_assert_int_eq(quirk_from_id("F1", 2), -1);
	ck_assert_int_eq(quirk_from_id("F55", 3), -1);
	ck_assert_int_eq(quirk_from_id("", 0), -1);
}
END_TEST

START_TEST(must_aborts)
{
	MUST(1 + 1 == 3);
}
END_TEST

Suite *net_suite(void)
{
	Suite *s = suite_create("net");
	TCase *t = tcase_create("net");

	tcase_add_test(t, checksum_known);
	tcase_add_test(t, checksum_sum_matches_naive);
	tcase_add_test(t, checksum_tcp_with_pseudo_header);
	tcase_add_test(t, checksum_incremental_equals_scratch);
	tcase_add_test(t, checksum_update32_equals_scratch);
	tcase_add_test(t, siphash_reference_vectors);
	tcase_add_test(t, crc_check_values);
	tcase_add_test(t, prng_reference_values);
	tcase_add_test(t, prng_children_are_independent);
	tcase_add_test(t, prng_below_is_uniform);
	tcase_add_loop_test(t, seq_wraps, 0, (int)ARRAY_LEN(seq_rows));
	tcase_add_loop_test(t, endpoint_text, 0, (int)ARRAY_LEN(endpoint_rows));
	tcase_add_test(t, names_are_complete_and_unique);
	tcase_add_test_raise_signal(t, must_aborts, 6); /* SIGABRT */
	suite_add_tcase(s, t);
	return s;
}
