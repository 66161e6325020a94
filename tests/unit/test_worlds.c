/* SPDX-License-Identifier: BSD-2-Clause */
/* test_worlds.c: `miresga fuzz`: worlds drawn from seeds, run under the oracle, shrunk (sim/fuzz/).
 *
 * That the oracle has teeth is shown by the table below: each behaviour of the published code,
 * switched on, is found within so many seeds, in worlds that are clean without it. Seeds that
 * once found something in an earlier room are among the clean ones, or in a table of their own. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "miresga/fuzz.h"

Suite *worlds_suite(void);

#ifdef __SANITIZE_ADDRESS__
#define CLEAN_SEEDS 200
#else
#define CLEAN_SEEDS 2000
#endif

static void complain(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	(void)ctx;
	fprintf(stderr, "%s:%u:%u: %s\n", file, line, column, message);
}

/* `base` NULL: none. */
static struct config *world_around(const struct config *base, uint64_t seed, const char *quirks)
{
	struct config *c = malloc(sizeof(*c));
	char error[256];

	ck_assert_ptr_nonnull(c);
	fuzz_draw(c, base, seed);
	if (quirks)
		ck_assert_int_eq(config_add_quirks(c, quirks, error, sizeof(error)), 0);
	return c;
}

static struct config *world_of(uint64_t seed, const char *quirks)
{
	return world_around(NULL, seed, quirks);
}

static char *printed(const struct config *c, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);

	ck_assert_ptr_nonnull(out);
	ck_assert_int_eq(config_print(c, false, out), 0);
	fclose(out);
	return text;
}

/* A seed is one world, everywhere; a world is a configuration that a file can hold. */
START_TEST(seed_is_a_world)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct config *a = world_of(seed, NULL), *b = world_of(seed, NULL),
			      *other = world_of(seed + 1000, NULL);
		struct config *loaded = malloc(sizeof(*loaded));
		size_t size = 0;
		char *text = printed(a, &size), *again;

		ck_assert_ptr_nonnull(loaded);
		ck_assert_msg(memcmp(a, b, sizeof(*a)) == 0, "seed %u is two worlds", (unsigned)seed);
		ck_assert_msg(memcmp(&a->simulation, &other->simulation, sizeof(a->simulation)) != 0, "%u",
			      (unsigned)seed);
		ck_assert_msg(config_load_memory(loaded, "world", text, size, complain, NULL) == 0, "seed %u:\n%s",
			      (unsigned)seed, text);
		again = printed(loaded, &size);
		ck_assert_str_eq(text, again);
		free(text);
		free(again);
		free(a);
		free(b);
		free(other);
		free(loaded);
	}
}
END_TEST

START_TEST(seeds_are_clean)
{
	const char *binary = getenv("MIRESGA_BINARY");
	char command[512], line[1024], all[16384] = "";
	FILE *out;
	int status;

	snprintf(command, sizeof(command), "'%s' fuzz --seeds 1..%d 2>&1", binary ? binary : "build/miresga",
		 CLEAN_SEEDS);
	out = popen(command, "r");
	ck_assert_ptr_nonnull(out);
	while (fgets(line, sizeof(line), out))
		strncat(all, line, sizeof(all) - strlen(all) - 1);
	status = pclose(out);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fputs(all, stderr); /* more than a message of libcheck may hold */
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	snprintf(line, sizeof(line), "All %d seeds clean.", CLEAN_SEEDS);
	ck_assert_msg(strstr(all, line) != NULL, "%s", all);
}
END_TEST

/* Seeds beyond those that failed once, and what they found. */
static const struct {
	uint64_t seed;
	const char *found;
} mended[] = {
	{ 248, "the ACK of E took the fast path while a request waited for it" },
	{ 392, "all of a response and its ACK took the fast path while a request waited for its end" },
	{ 1107, "an ACK from behind a long request that waits lies outside the server's window" },
	{ 1789, "a request after a reset that its client missed was carried to the old backend" },
	{ 4581, "an ACK from behind a long request that waits, the server gives up" },
	{ 17815, "the end of a chunked body across the border of what would be its next chunk" },
	{ 24741, "an ACK of a port's next connection was carried to the server of the one before" },
	{ 26272, "a refusal with a timestamp older than those that took the fast path" },
	{ 32485, "a first request after its front-end's death was answered anew, behind the old answer" },
	{ 35466, "oracle: it read the options of a SYN-ACK that a link had damaged" },
	{ 59509, "a first request after its front-end's death, its old answer half there" },
	{ 62257, "a damaged retransmission was taken over, and sent on with a right checksum" },
	{ 77423, "as 59509, in another world" },
	{ 91336, "an endpoint stored a segment that was 2^31 bytes out of its window" },
};

START_TEST(mended_stays_mended)
{
	struct sim_result *result = malloc(sizeof(*result));
	struct config *c = world_of(mended[_i].seed, NULL);

	ck_assert_ptr_nonnull(result);
	ck_assert_msg(!fuzz_try(c, result), "seed %u found once: %s; now: %s", (unsigned)mended[_i].seed,
		      mended[_i].found, result->violation[0].text);
	free(result);
	free(c);
}
END_TEST

/* Quirk, and the seeds that it takes to find it; what shows only where connections move between two pools is looked for
 * in such a system. Of C3 its silence about failures is found; a front-end has one operation on a key under way at a
 * time, so that an order within a batch harms nobody here: tests/scenarios/quirk_c3_with.pkt shows that. */
static const struct {
	const char *quirk, *base;
	uint64_t seeds;
} teeth[] = {
	{ "P2", NULL, 50 },
	{ "P3", NULL, 50 },
	{ "F5", NULL, 50 },
	{ "F8", NULL, 200 },
	{ "F10", NULL, 50 },
	{ "A1", NULL, 50 },
	{ "A3", "configs/paper.yaml", 300 },
	{ "A7", NULL, 50 },
	{ "C3", NULL, 300 },
};

/* The world fails with the quirk, and not without it. */
static bool is_found(const struct config *base, uint64_t seed, const char *quirk, struct sim_result *result)
{
	struct config *with = world_around(base, seed, quirk), *without = world_around(base, seed, NULL);
	bool found = fuzz_try(with, result) && !fuzz_try(without, result);

	free(with);
	free(without);
	return found;
}

START_TEST(quirk_is_found)
{
	struct sim_result *result = malloc(sizeof(*result));
	struct config *base = NULL;
	uint64_t seed = 1;

	if (teeth[_i].base) {
		base = malloc(sizeof(*base));
		ck_assert_ptr_nonnull(base);
		ck_assert_int_eq(config_load(base, teeth[_i].base, complain, NULL), 0);
	}
	ck_assert_ptr_nonnull(result);
	while (seed <= teeth[_i].seeds && !is_found(base, seed, teeth[_i].quirk, result))
		seed++;
	ck_assert_msg(seed <= teeth[_i].seeds, "%s is not found in %u seeds", teeth[_i].quirk,
		      (unsigned)teeth[_i].seeds);
	free(result);
	free(base);
}
END_TEST

static bool fails_alike(void *ctx, const struct config *c)
{
	struct sim_result *result = ctx, *got = malloc(sizeof(*got));
	bool alike;

	ck_assert_ptr_nonnull(got);
	alike = fuzz_try(c, got) && got->violation[0].kind == result->violation[0].kind;
	if (alike)
		*result = *got;
	free(got);
	return alike;
}

/* What is shrunk still fails, in the same way, is no larger, and can be run from a file. */
START_TEST(shrinking_keeps_the_failure)
{
	struct sim_result *result = malloc(sizeof(*result)), *rerun = malloc(sizeof(*rerun));
	const struct fuzz_shrink how = { .runs_max = 300, .fails = fails_alike, .ctx = result };
	struct config *c = NULL, *before = malloc(sizeof(*before)), *loaded = malloc(sizeof(*loaded));
	enum sim_violation_kind kind;
	uint64_t seed = 0, events;
	size_t size = 0;
	char *text;

	ck_assert(result && rerun && before && loaded);
	do {
		free(c);
		c = world_of(++seed, "F5");
	} while (!fuzz_try(c, result) || c->simulation.workload_count < 2);
	*before = *c;
	kind = result->violation[0].kind;
	events = result->events;
	ck_assert_uint_gt(fuzz_shrink(c, &how), 0);
	ck_assert_int_eq(result->violation[0].kind, kind);
	ck_assert_uint_lt(result->events, events);
	ck_assert_uint_lt(c->simulation.workload_count, before->simulation.workload_count);
	ck_assert_uint_le(c->simulation.fault_count, before->simulation.fault_count);
	text = printed(c, &size);
	ck_assert_msg(config_load_memory(loaded, "shrunk", text, size, complain, NULL) == 0, "%s", text);
	ck_assert(fuzz_try(loaded, rerun));
	ck_assert_int_eq(rerun->violation[0].kind, kind);
	ck_assert_str_eq(rerun->violation[0].text, result->violation[0].text);
	free(text);
	free(result);
	free(rerun);
	free(before);
	free(loaded);
	free(c);
}
END_TEST

Suite *worlds_suite(void)
{
	Suite *s = suite_create("worlds");
	TCase *t = tcase_create("worlds");

	tcase_add_test(t, seed_is_a_world);
	tcase_add_test(t, seeds_are_clean);
	tcase_add_loop_test(t, mended_stays_mended, 0, sizeof(mended) / sizeof(mended[0]));
	tcase_add_loop_test(t, quirk_is_found, 0, sizeof(teeth) / sizeof(teeth[0]));
	tcase_add_test(t, shrinking_keeps_the_failure);
	suite_add_tcase(s, t);
	return s;
}
