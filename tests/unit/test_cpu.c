/* SPDX-License-Identifier: BSD-2-Clause */
/* test_cpu.c: one core: who is served when, what waits, what a pause and other
 * work do. */
#include <check.h>
#include <stdlib.h>

#include "sim/world/cpu.h"

Suite *cpu_suite(void);

struct bench {
	struct config_cpu config;
	struct cpu cpu;
	struct packet p[8]; /* never looked at but for their length */
};

static void bench_init(struct bench *b, struct config_cpu config)
{
	*b = (struct bench){ .config = config };
	cpu_init(&b->cpu, &b->config, 3);
	for (unsigned i = 0; i < ARRAY_LEN(b->p); i++)
		b->p[i].len = 1024;
}

static void assert_done(struct bench *b, unsigned i, uint64_t at_ns)
{
	uint32_t value;

	ck_assert_uint_eq(cpu_due(&b->cpu), at_ns);
	ck_assert_ptr_null(cpu_done(&b->cpu, at_ns - 1, &value));
	ck_assert_ptr_eq(cpu_done(&b->cpu, at_ns, &value), &b->p[i]);
	ck_assert_uint_eq(value, i);
}

/* 100 ns a packet and 50 ns a KiB: one after the other, at once when idle. */
START_TEST(test_service)
{
	struct bench b;

	bench_init(&b, (struct config_cpu){ .packet_ns = 100, .kib_ns = 50, .queue = 10 });
	ck_assert_uint_eq(cpu_due(&b.cpu), TIME_NEVER);
	b.p[1].len = 512;
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(cpu_take(&b.cpu, &b.p[i], i, 1000), CPU_WAITS);
	assert_done(&b, 0, 1150);
	assert_done(&b, 1, 1275);
	assert_done(&b, 2, 1425);
	ck_assert_int_eq(cpu_take(&b.cpu, &b.p[3], 3, 5000), CPU_WAITS);
	assert_done(&b, 3, 5150);
	ck_assert_uint_eq(b.cpu.stats.packets, 4);
	ck_assert_uint_eq(b.cpu.stats.busy_ns, 575);
	ck_assert_uint_eq(b.cpu.stats.queue_peak, 3);
	ck_assert_uint_eq(cpu_busy(&b.cpu, 5000), 425);
	ck_assert_uint_eq(cpu_busy(&b.cpu, 5149), 574);
	ck_assert_uint_eq(cpu_busy(&b.cpu, 9000), 575);
	cpu_fini(&b.cpu);
}
END_TEST

/* What costs nothing passes, unless something is before it. */
START_TEST(test_free)
{
	struct bench b;

	bench_init(&b, (struct config_cpu){ .queue = 0 });
	ck_assert_int_eq(cpu_take(&b.cpu, &b.p[0], 0, 10), CPU_AT_ONCE);
	ck_assert_uint_eq(cpu_work(&b.cpu, 90, 10), 100);
	ck_assert_int_eq(cpu_take(&b.cpu, &b.p[0], 0, 20), CPU_WAITS);
	ck_assert_int_eq(cpu_take(&b.cpu, &b.p[1], 1, 100), CPU_WAITS);
	assert_done(&b, 0, 100);
	assert_done(&b, 1, 100);
	ck_assert_int_eq(cpu_take(&b.cpu, &b.p[2], 2, 100), CPU_AT_ONCE);
	cpu_fini(&b.cpu);
}
END_TEST

/* One is served, `queue` wait. */
START_TEST(test_full)
{
	struct bench b;

	bench_init(&b, (struct config_cpu){ .packet_ns = 10, .queue = 2 });
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(cpu_take(&b.cpu, &b.p[i], i, 0), CPU_WAITS);
	ck_assert_int_eq(cpu_take(&b.cpu, &b.p[3], 3, 9), CPU_FULL);
	ck_assert_uint_eq(b.cpu.stats.drops, 1);
	assert_done(&b, 0, 10);
	ck_assert_int_eq(cpu_take(&b.cpu, &b.p[4], 4, 10), CPU_WAITS);
	assert_done(&b, 1, 20);
	assert_done(&b, 2, 30);
	assert_done(&b, 4, 40);
	b.cpu.limit = 0;
	ck_assert_int_eq(cpu_take(&b.cpu, &b.p[5], 5, 100), CPU_FULL);
	cpu_fini(&b.cpu);
}
END_TEST

/* A pause in the middle of a packet's service: the rest of it follows
 * afterwards, and what came meanwhile after that. */
START_TEST(test_pause)
{
	struct bench b;

	bench_init(&b, (struct config_cpu){ .packet_ns = 100, .queue = 10 });
	cpu_take(&b.cpu, &b.p[0], 0, 0);
	cpu_pause(&b.cpu, 30);
	ck_assert_uint_eq(cpu_due(&b.cpu), TIME_NEVER);
	cpu_take(&b.cpu, &b.p[1], 1, 500);
	cpu_resume(&b.cpu, 1030);
	assert_done(&b, 0, 1100);
	assert_done(&b, 1, 1200);
	/* again, and while it is idle */
	cpu_pause(&b.cpu, 2000);
	cpu_take(&b.cpu, &b.p[2], 2, 2500);
	cpu_resume(&b.cpu, 3000);
	assert_done(&b, 2, 3100);
	ck_assert_uint_eq(cpu_work(&b.cpu, 5, 4000), 4005);
	cpu_fini(&b.cpu);
}
END_TEST

START_TEST(test_slow)
{
	struct bench b;

	bench_init(&b, (struct config_cpu){ .packet_ns = 100, .queue = 10 });
	b.cpu.factor = 7;
	cpu_take(&b.cpu, &b.p[0], 0, 0);
	ck_assert_uint_eq(cpu_work(&b.cpu, 10, 0), 770);
	b.cpu.factor = 1;
	cpu_take(&b.cpu, &b.p[1], 1, 0);
	assert_done(&b, 0, 700);
	assert_done(&b, 1, 870);
	cpu_fini(&b.cpu);
}
END_TEST

/* Some packets are taken out undone; the others keep their order and their
 * times. */
START_TEST(test_drop)
{
	struct packet_queue q = { .count = 0 };
	struct bench b;

	bench_init(&b, (struct config_cpu){ .packet_ns = 10, .queue = 10 });
	for (unsigned i = 0; i < 4; i++)
		cpu_take(&b.cpu, &b.p[i], i % 2 ? 9 : i, 0);
	cpu_drop(&b.cpu, 9, &q);
	ck_assert_uint_eq(q.count, 2);
	ck_assert_ptr_eq(packet_queue_pop(&q), &b.p[1]);
	ck_assert_ptr_eq(packet_queue_pop(&q), &b.p[3]);
	ck_assert_uint_eq(b.cpu.stats.drops, 2);
	assert_done(&b, 0, 10);
	assert_done(&b, 2, 30);
	cpu_fini(&b.cpu);
}
END_TEST

Suite *cpu_suite(void)
{
	Suite *s = suite_create("cpu");
	TCase *tc = tcase_create("cpu");

	tcase_add_test(tc, test_service);
	tcase_add_test(tc, test_free);
	tcase_add_test(tc, test_full);
	tcase_add_test(tc, test_pause);
	tcase_add_test(tc, test_slow);
	tcase_add_test(tc, test_drop);
	suite_add_tcase(s, tc);
	return s;
}
