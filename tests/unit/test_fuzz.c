/* SPDX-License-Identifier: BSD-2-Clause */
/* test_fuzz.c: every fuzz target with every file of its corpus (tests/fuzz/), and with some thousand inputs that
 * random changes make of them: what a fuzzer found once stays found, without a fuzzer. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "miresga/prng.h"
#include "tests/fuzz/fuzz.h"

Suite *fuzz_suite(void);

#define INPUT_MAX 65536
#define CHANGED_PER_TARGET 2000

static const struct target {
	const char *name;
	int (*run)(const uint8_t *data, size_t size);
} targets[] = {
#define X(name) { #name, fuzz_##name },
	FUZZ_TARGETS(X)
#undef X
};

static size_t read_input(const char *dir, const char *name, uint8_t bytes[INPUT_MAX])
{
	char path[512];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	ck_assert_msg(f != NULL, "%s", path);
	len = fread(bytes, 1, INPUT_MAX, f);
	ck_assert_msg(feof(f) || len < INPUT_MAX, "%s is larger than %d bytes", path, INPUT_MAX);
	fclose(f);
	return len;
}

/* Runs a copy that ends where the input does, so that a sanitizer sees what is read behind it. */
static void run(const struct target *t, const uint8_t *bytes, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1);

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, bytes, len);
	ck_assert_int_eq(t->run(exact, len), 0);
	free(exact);
}

/* A few bytes changed, taken out or put in. */
static size_t change(struct prng *prng, uint8_t bytes[INPUT_MAX], size_t len)
{
	for (unsigned n = 1 + prng_below(prng, 4); n && len; n--) {
		size_t at = prng_below(prng, (uint32_t)len), count = 1 + prng_below(prng, 8);

		count = MIN(count, len - at);
		switch (prng_below(prng, 4)) {
		case 0:
			bytes[at] ^= (uint8_t)(1u << prng_below(prng, 8));
			break;
		case 1:
			bytes[at] = (uint8_t)prng_u32(prng);
			break;
		case 2:
			memmove(bytes + at, bytes + at + count, len - at - count);
			len -= count;
			break;
		default:
			count = MIN(count, INPUT_MAX - len);
			memmove(bytes + at + count, bytes + at, len - at);
			len += count;
		}
	}
	return len;
}

START_TEST(corpus)
{
	const struct target *t = &targets[_i];
	uint8_t *bytes = malloc(INPUT_MAX);
	char dir[128];
	struct dirent **names;
	struct prng prng;
	unsigned played = 0;
	int n;

	ck_assert_ptr_nonnull(bytes);
	prng_seed(&prng, 1 + (uint64_t)_i);
	snprintf(dir, sizeof(dir), "tests/fuzz/corpus/%s", t->name);
	n = scandir(dir, &names, NULL, alphasort);
	ck_assert_msg(n > 2, "%s is empty", dir);
	for (int i = 0; i < n; i++) {
		const unsigned changed = CHANGED_PER_TARGET / (unsigned)n;

		for (unsigned j = 0; names[i]->d_name[0] != '.' && j <= changed; j++, played++) {
			size_t len = read_input(dir, names[i]->d_name, bytes);

			run(t, bytes, j ? change(&prng, bytes, len) : len);
		}
		free(names[i]);
	}
	free(names);
	run(t, bytes, 0);
	ck_assert_uint_gt(played, 0);
	free(bytes);
}
END_TEST

Suite *fuzz_suite(void)
{
	Suite *s = suite_create("fuzz");
	TCase *tc = tcase_create("fuzz");

	tcase_add_loop_test(tc, corpus, 0, (int)ARRAY_LEN(targets));
	suite_add_tcase(s, tc);
	return s;
}
