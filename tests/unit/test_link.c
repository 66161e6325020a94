/* SPDX-License-Identifier: BSD-2-Clause */
/* test_link.c: a simulated link: time to the nanosecond, the queue, the fault
 * plan's statistics. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/checksum.h"
#include "sim/world/link.h"

Suite *link_suite(void);

#define PACKETS 100000u

struct bench {
	struct config_link config;
	struct link_model link;
	struct packet_pool *pool;
	struct packet *p;
};

static void bench_init(struct bench *b, struct config_link config, uint64_t seed)
{
	const struct tcp_packet_spec spec = {
		.src = endpoint_make(be32_from(0xc6336401), be16_from(40000)),
		.dst = endpoint_make(be32_from(0x0a00010a), be16_from(80)),
		.seq = 1,
		.ack = 2,
		.flags = TCP_ACK,
		.window = 1000,
		.payload = "GET / HTTP/1.1",
		.payload_len = 14,
	};

	b->config = config;
	link_model_init(&b->link, &b->config, seed, 5);
	b->pool = packet_pool_create(4, 0);
	ck_assert_ptr_nonnull(b->pool);
	b->p = packet_make_tcp(b->pool, &spec);
	ck_assert_ptr_nonnull(b->p);
}

static void bench_fini(struct bench *b)
{
	link_model_fini(&b->link);
	packet_pool_free(b->pool);
}

/* Puts `len` bytes on the link; those of the frame that it looks at are always
 * the same. */
static struct link_fate carry(struct bench *b, uint32_t len, uint64_t now_ns)
{
	struct link_fate fate;

	b->p->len = len;
	link_model_carry(&b->link, b->p, now_ns, &fate);
	if (fate.damaged)
		link_damage(b->p, fate.bit);
	return fate;
}

/* Back to back packets take what their bits take, not a nanosecond more or
 * less, at rates that divide nothing. */
START_TEST(test_rate)
{
	static const uint64_t rates[] = { 1000, 999999937, 10000000019, 100000000000, 7 };
	struct bench b;
	uint64_t bytes = 0;

	bench_init(&b, (struct config_link){ .rate = rates[_i], .delay_ns = 12345, .queue = UINT32_MAX }, 1);
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t len = 64 + i * 37 % 1451;
		struct link_fate fate = carry(&b, len, 1000);

		bytes += len;
		ck_assert_uint_eq(fate.drop, DROP_NONE);
		ck_assert_uint_eq(fate.arrives_ns,
				  1000 + 12345 + (uint64_t)((unsigned __int128)bytes * 8 * NS_PER_S / rates[_i]));
	}
	bench_fini(&b);
}
END_TEST

/* The line is idle: the time of one packet alone, whatever went before. */
START_TEST(test_idle)
{
	struct bench b;

	bench_init(&b, (struct config_link){ .rate = 3 * NS_PER_S, .delay_ns = 5 }, 1);
	for (uint64_t now = 0; now < 100000; now += 1000)
		ck_assert_uint_eq(carry(&b, 100, now).arrives_ns, now + 266 + 5);
	bench_fini(&b);
}
END_TEST

START_TEST(test_no_limit)
{
	struct bench b;

	bench_init(&b, (struct config_link){ .delay_ns = 7 }, 1);
	for (uint32_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(carry(&b, 1500, 10).arrives_ns, 17);
	ck_assert_uint_eq(b.link.stats.queue_drops, 0);
	ck_assert_uint_eq(b.link.stats.queue_peak, 0);
	bench_fini(&b);
}
END_TEST

/* One frame on the line, two in the queue of 3,000 bytes, the next is dropped;
 * a microsecond per 1,000 bits. */
START_TEST(test_queue)
{
	struct bench b;

	bench_init(&b, (struct config_link){ .rate = NS_PER_S, .queue = 3000 }, 1);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(carry(&b, 1500, 0).arrives_ns, (i + 1) * 12000);
	ck_assert_uint_eq(carry(&b, 1500, 0).drop, DROP_QUEUE_FULL);
	ck_assert_uint_eq(carry(&b, 60, 11999).drop, DROP_QUEUE_FULL);
	/* the second one goes onto the line */
	ck_assert_uint_eq(carry(&b, 1500, 12000).arrives_ns, 48000);
	ck_assert_uint_eq(carry(&b, 60, 12000).drop, DROP_QUEUE_FULL);
	ck_assert_uint_eq(b.link.stats.queue_peak, 3000);
	ck_assert_uint_eq(b.link.stats.queue_drops, 3);
	ck_assert_uint_eq(b.link.stats.packets, 7);
	/* all gone */
	ck_assert_uint_eq(carry(&b, 1500, 48000).arrives_ns, 60000);
	bench_fini(&b);
}
END_TEST

/* Without a queue a packet that finds the line busy is lost, and one that finds
 * it idle is not. */
START_TEST(test_no_queue)
{
	struct bench b;

	bench_init(&b, (struct config_link){ .rate = NS_PER_S }, 1);
	ck_assert_uint_eq(carry(&b, 1500, 0).drop, DROP_NONE);
	ck_assert_uint_eq(carry(&b, 60, 11999).drop, DROP_QUEUE_FULL);
	ck_assert_uint_eq(carry(&b, 1500, 12000).drop, DROP_NONE);
	bench_fini(&b);
}
END_TEST

/* Within five standard deviations of n packets with chance p, in parts per
 * billion. */
static void assert_binomial(uint64_t got, uint64_t n, uint32_t chance)
{
	double p = chance / 1e9, mean = (double)n * p, variance = mean * (1 - p);
	double off = (double)got - mean;

	ck_assert_msg(off * off <= 25 * variance, "%llu of %llu, expected about %.0f", (unsigned long long)got,
		      (unsigned long long)n, mean);
}

static const struct plan {
	struct config_link config;
	uint64_t seed;
} plans[] = {
	{ { .loss = 20000000 }, 1 },
	{ { .duplicate = 10000000 }, 2 },
	{ { .reorder = 50000000, .reorder_ns = 1000000 }, 3 },
	{ { .spike = 1000000, .spike_ns = 50000 }, 4 },
	{ { .corrupt = 30000000 }, 5 },
	{ { .loss = 500000000, .duplicate = 500000000, .reorder = 500000000, .corrupt = 500000000, .reorder_ns = 10 },
	  6 },
	{ { .loss = CHANCE_ALWAYS }, 7 },
	{ { .duplicate = CHANCE_ALWAYS, .reorder = CHANCE_ALWAYS, .reorder_ns = 1 }, 8 },
};

/* Each chance is what it says, packets come late by what it says, and what went
 * in comes out or is counted. */
START_TEST(test_plan)
{
	const struct plan *plan = &plans[_i];
	const struct config_link *c = &plan->config;
	const struct link_stats *s;
	uint64_t arrived = 0, lost = 0, twice = 0, late = 0, kept;
	uint8_t frame[128];
	struct bench b;

	bench_init(&b, *c, plan->seed);
	memcpy(frame, b.p->data, b.p->len);
	s = &b.link.stats;
	for (uint64_t i = 0; i < PACKETS; i++) {
		uint64_t now = i * 100000;
		struct link_fate fate;

		memcpy(b.p->data, frame, b.p->len);
		fate = carry(&b, b.p->len, now);
		lost += fate.drop == DROP_LINK_LOST;
		arrived += fate.drop == DROP_NONE;
		twice += fate.twice;
		late += fate.drop == DROP_NONE && fate.arrives_ns > now;
		if (fate.drop == DROP_NONE && !c->spike) {
			ck_assert_uint_ge(fate.arrives_ns, now);
			ck_assert_uint_le(fate.arrives_ns, now + c->reorder_ns);
			ck_assert_uint_eq(fate.again_ns, now);
		}
	}
	kept = PACKETS - lost;
	ck_assert_uint_eq(s->packets, PACKETS);
	ck_assert_uint_eq(s->packets, arrived + s->lost + s->queue_drops);
	ck_assert_uint_eq(s->lost, lost);
	ck_assert_uint_eq(s->duplicated, twice);
	ck_assert_uint_eq(s->reordered + s->spikes, late);
	assert_binomial(lost, PACKETS, c->loss);
	assert_binomial(twice, kept, c->duplicate);
	assert_binomial(s->reordered, kept, c->reorder);
	assert_binomial(s->spikes, PACKETS, c->spike);
	assert_binomial(s->corrupted, kept, c->corrupt);
	bench_fini(&b);
}
END_TEST

/* The packet that draws the spike, and all behind it, wait; then the line is as
 * before. */
START_TEST(test_spike)
{
	struct bench b;

	bench_init(&b, (struct config_link){ .delay_ns = 10, .spike = CHANCE_ALWAYS, .spike_ns = 1000 }, 1);
	ck_assert_uint_eq(carry(&b, 100, 0).arrives_ns, 1010);
	b.config.spike = 0;
	ck_assert_uint_eq(carry(&b, 100, 999).arrives_ns, 1010);
	ck_assert_uint_eq(carry(&b, 100, 1000).arrives_ns, 1010);
	ck_assert_uint_eq(carry(&b, 100, 1001).arrives_ns, 1011);
	bench_fini(&b);
}
END_TEST

static unsigned bits_that_differ(const uint8_t *a, const uint8_t *b, uint32_t len)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < len; i++)
		n += (unsigned)__builtin_popcount(a[i] ^ b[i]);
	return n;
}

/* One bit, behind the Ethernet header, each of them sometimes; damaged packets
 * are not damaged again, lest two flips make a right checksum of wrong bytes.
 */
START_TEST(test_corrupt)
{
	uint8_t frame[128], hit[128 * 8] = { 0 };
	struct bench b;
	uint32_t len;

	bench_init(&b, (struct config_link){ .corrupt = CHANCE_ALWAYS }, 1);
	len = b.p->len;
	memcpy(frame, b.p->data, len);
	for (unsigned round = 0; round < 20000; round++) {
		memcpy(b.p->data, frame, len);
		carry(&b, len, round);
		ck_assert_uint_eq(bits_that_differ(frame, b.p->data, len), 1);
		for (uint32_t bit = 0; bit < len * 8; bit++)
			hit[bit] |= (frame[bit / 8] ^ b.p->data[bit / 8]) >> bit % 8 & 1;
		carry(&b, len, round);
		ck_assert_uint_eq(bits_that_differ(frame, b.p->data, len), 1);
	}
	for (uint32_t bit = 0; bit < len * 8; bit++)
		ck_assert_uint_eq(hit[bit], bit >= ETH_HDR_LEN * 8);
	ck_assert_uint_eq(b.link.stats.corrupted, 20000);
	bench_fini(&b);
}
END_TEST

/* Frames that are no TCP, or that end early, are left alone or hurt, but
 * nothing beyond them is. */
START_TEST(test_corrupt_anything)
{
	struct bench b;
	uint32_t len;

	bench_init(&b, (struct config_link){ .corrupt = CHANCE_ALWAYS }, 1);
	len = b.p->len;
	for (uint32_t n = 0; n <= len; n++) {
		carry(&b, n, 0);
		ck_assert_uint_eq(b.link.stats.corrupted, n == len);
	}
	bench_fini(&b);
}
END_TEST

/* A hash of all that the link decided in 2,000 packets. */
static uint64_t history(uint64_t seed, uint32_t number)
{
	const struct config_link c = { .rate = 1000000000,
				       .queue = 20000,
				       .loss = 100000000,
				       .reorder = 100000000,
				       .reorder_ns = 5000,
				       .duplicate = 100000000,
				       .spike = 10000000,
				       .spike_ns = 30000 };
	uint64_t hash = 0;
	struct bench b;

	bench_init(&b, c, seed);
	link_model_init(&b.link, &b.config, seed, number);
	for (uint32_t i = 0; i < 2000; i++) {
		struct link_fate fate = carry(&b, 100 + i % 1000, i * 4000);

		hash = hash_mix64(hash + fate.arrives_ns + 2 * fate.drop + fate.twice);
	}
	bench_fini(&b);
	return hash;
}

START_TEST(test_seeds)
{
	ck_assert_uint_eq(history(1, 1), history(1, 1));
	ck_assert_uint_ne(history(1, 1), history(2, 1));
	ck_assert_uint_ne(history(1, 1), history(1, 2));
}
END_TEST

Suite *link_suite(void)
{
	Suite *s = suite_create("link");
	TCase *tc = tcase_create("link");

	tcase_add_loop_test(tc, test_rate, 0, 5);
	tcase_add_test(tc, test_idle);
	tcase_add_test(tc, test_no_limit);
	tcase_add_test(tc, test_queue);
	tcase_add_test(tc, test_no_queue);
	tcase_add_loop_test(tc, test_plan, 0, ARRAY_LEN(plans));
	tcase_add_test(tc, test_spike);
	tcase_add_test(tc, test_corrupt);
	tcase_add_test(tc, test_corrupt_anything);
	tcase_add_test(tc, test_seeds);
	suite_add_tcase(s, tc);
	return s;
}
