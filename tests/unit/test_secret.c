/* SPDX-License-Identifier: BSD-2-Clause */
/* test_secret.c: agent.secret_file and agent.ports: what is taken, and what is refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "miresga/config.h"

Suite *secret_suite(void);

#define HEAD \
	"vip: 10.0.1.10:80\n" \
	"backends: [{name: web1, address: 198.18.0.1:80}]\n" \
	"pools: [{name: web, backends: [web1]}]\n" \
	"rules: [{pool: web}]\n"

static void keep_error(void *ctx, const char *file, unsigned line, unsigned column, const char *message)
{
	(void)file, (void)line, (void)column;
	snprintf(ctx, 256, "%s", message);
}

static int load(struct config *c, const char *name, const char *text, char error[256])
{
	error[0] = '\0';
	return config_load_memory(c, name, text, strlen(text), keep_error, error);
}

static const struct {
	const char *text; /* of the file */
	mode_t mode;
	const char *error; /* a part; NULL: it is taken */
} files[] = {
	{ "00112233445566778899aabbccddeeff\n", 0600, NULL },
	{ "00112233445566778899AABBCCDDEEFF", 0640, NULL },
	{ "00112233445566778899aabbccddeeff\n", 0644, "chmod o= the file" },
	{ "00112233445566778899aabbccddeef\n", 0600, "expected 32 hex digits, found 31" },
	{ "", 0600, "expected 32 hex digits, found 0" },
	{ "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 0600,
	  "expected 32 hex digits" },
	{ "secret: 00112233445566778899aabb\n", 0600, "expected 32 hex digits" },
};

START_TEST(secret_files)
{
	char folder[] = "/tmp/miresga-secret-XXXXXX", path[64], name[64], error[512], problem[256];
	struct config *c = calloc(1, sizeof(*c)), *same = calloc(1, sizeof(*same));
	FILE *f;
	int rc;

	ck_assert(c && same && mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/key", folder);
	snprintf(name, sizeof(name), "%s/miresga.yaml", folder);
	f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(files[_i].text, f);
	ck_assert_int_eq(fchmod(fileno(f), files[_i].mode), 0);
	fclose(f);
	/* beside the configuration */
	ck_assert_msg(load(c, name, HEAD "agent: {secret_file: key}\n", problem) == 0, "%s", problem);
	rc = config_read_secret(c, error, sizeof(error));
	ck_assert_int_eq(rc, files[_i].error ? -1 : 0);
	if (files[_i].error) {
		ck_assert_msg(strstr(error, files[_i].error) && strstr(error, path), "%s", error);
	} else {
		load(same, "same.yaml", HEAD "secret: 00112233445566778899aabbccddeeff\n", problem);
		ck_assert(c->has_secret);
		ck_assert_mem_eq(&c->tag_key, &same->tag_key, sizeof(c->tag_key));
	}
	unlink(path);
	rmdir(folder);
	free(c);
	free(same);
}
END_TEST

static const struct {
	const char *text, *error;
} rows[] = {
	{ "agent: {ports: [80, 65535]}", NULL },
	{ "agent: {ports: [0]}", "is out of range (1 to 65535)" },
	{ "agent: {ports: [65536]}", "out of range" },
	{ "agent: {ports: 80}", "ports: expected a list" },
	{ "agent: {ports: []}", "ports: the list is empty" },
	{ "agent: {ports: [http]}", "expected an integer" },
	{ "agent: {secret_file: key}\nsecret: 00112233445566778899aabbccddeeff",
	  "secret and agent.secret_file are two secrets" },
};

START_TEST(keys)
{
	struct config *c = calloc(1, sizeof(*c));
	char text[512], error[256];

	ck_assert_ptr_nonnull(c);
	snprintf(text, sizeof(text), HEAD "%s\n", rows[_i].text);
	ck_assert_int_eq(load(c, "test.yaml", text, error), rows[_i].error ? 1 : 0);
	if (rows[_i].error) {
		ck_assert_msg(strstr(error, rows[_i].error) != NULL, "%s", error);
	} else {
		ck_assert_uint_eq(c->agent.port_count, 2);
		ck_assert_uint_eq(c->agent.ports[1], 65535);
	}
	free(c);
}
END_TEST

Suite *secret_suite(void)
{
	Suite *s = suite_create("secret");
	TCase *tc = tcase_create("secret");

	tcase_add_loop_test(tc, secret_files, 0, ARRAY_LEN(files));
	tcase_add_loop_test(tc, keys, 0, ARRAY_LEN(rows));
	suite_add_tcase(s, tc);
	return s;
}
