/* SPDX-License-Identifier: BSD-2-Clause */
/* test_special_syn.c: only the holder of the key announces a flow, and only that one. */
#include <check.h>

#include "miresga/special_syn.h"
#include "miresga/tcp_options.h"

Suite *special_syn_suite(void);

/* What is changed between writing and checking. */
enum change {
	NOTHING,
	KEY,
	CLIENT_ADDR,
	CLIENT_PORT,
	BACKEND_ADDR,
	BACKEND_PORT,
	SEQ,
	ACK,
	LENGTH,
	CHANGE_COUNT
};

START_TEST(covers_everything)
{
	enum change what = (enum change)_i;
	struct siphash_key key = { 3, 4 };
	struct endpoint client = endpoint_make(be32_from(0x01020304), be16_from(5));
	struct endpoint backend = endpoint_make(be32_from(0x06070809), be16_from(10));
	uint32_t seq = 0xffffffff, ack = 0x80000000;
	uint8_t tag[SPECIAL_SYN_TAG_LEN];

	special_syn_write(&key, client, backend, seq, ack, tag);
	key.k1 += what == KEY;
	client.addr ^= what == CLIENT_ADDR ? be32_from(1) : 0;
	client.port ^= what == CLIENT_PORT ? be16_from(1) : 0;
	backend.addr ^= what == BACKEND_ADDR ? be32_from(1) : 0;
	backend.port ^= what == BACKEND_PORT ? be16_from(1) : 0;
	seq += what == SEQ;
	ack += what == ACK;
	ck_assert_int_eq(special_syn_check(&key, client, backend, seq, ack, tag, sizeof(tag) - (what == LENGTH)),
			 what == NOTHING);
}
END_TEST

START_TEST(every_bit_counts)
{
	const struct siphash_key key = { 3, 4 };
	const struct endpoint client = endpoint_make(be32_from(1), be16_from(2));
	const struct endpoint backend = endpoint_make(be32_from(3), be16_from(4));
	uint8_t tag[SPECIAL_SYN_TAG_LEN];

	special_syn_write(&key, client, backend, 5, 6, tag);
	ck_assert_uint_eq(tag[0], TCPOPT_EXPERIMENT);
	ck_assert_uint_eq(tag[1], SPECIAL_SYN_TAG_LEN);
	ck_assert_uint_eq(load_be16(tag + 2), SPECIAL_SYN_EXPERIMENT);
	for (unsigned bit = 0; bit < 8 * sizeof(tag); bit++) {
		tag[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert(!special_syn_check(&key, client, backend, 5, 6, tag, sizeof(tag)));
		tag[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert(special_syn_check(&key, client, backend, 5, 6, tag, sizeof(tag)));
}
END_TEST

Suite *special_syn_suite(void)
{
	Suite *s = suite_create("special_syn");
	TCase *t = tcase_create("special_syn");

	tcase_add_loop_test(t, covers_everything, 0, CHANGE_COUNT);
	tcase_add_test(t, every_bit_counts);
	suite_add_tcase(s, t);
	return s;
}
