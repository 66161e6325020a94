/* SPDX-License-Identifier: BSD-2-Clause */
/* test_rules.c: which rule a request falls under: hosts, wildcards, paths, order. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/http.h"

Suite *rules_suite(void);

struct rule_row {
	const char *rule_host, *rule_path;
	bool prefix;
	const char *host, *path;
	bool matches;
};

static const struct rule_row rule_rows[] = {
	{ "", "", false, "a", "/x", true },
	{ "", "", false, "", "*", true },
	{ "www.example.org", "", false, "www.example.org", "/", true },
	{ "www.example.org", "", false, "WWW.Example.ORG", "/", true },
	{ "WWW.example.org", "", false, "www.example.org", "/", true },
	{ "www.example.org", "", false, "www.example.org:8080", "/", true },
	{ "www.example.org", "", false, "www.example.org.", "/", true },
	{ "www.example.org", "", false, "www.example.org.:80", "/", true },
	{ "www.example.org", "", false, "www.example.org..", "/", false },
	{ "www.example.org", "", false, "www.example.orgx", "/", false },
	{ "www.example.org", "", false, "xwww.example.org", "/", false },
	{ "www.example.org", "", false, "", "/", false },
	{ "[::1]", "", false, "[::1]:80", "/", true },
	{ "[::1]", "", false, "[::1]", "/", true },
	{ "[::1]", "", false, "[::2]", "/", false },
	{ "a", "", false, "[", "/", false },
	{ "*.example.org", "", false, "a.example.org", "/", true },
	{ "*.example.org", "", false, "a.b.Example.org:80", "/", true },
	{ "*.example.org", "", false, "a.example.org.", "/", true },
	{ "*.example.org", "", false, "example.org", "/", false },
	{ "*.example.org", "", false, ".example.org", "/", false },
	{ "*.example.org", "", false, "aexample.org", "/", false },
	{ "*.example.org", "", false, "a.example.org.evil", "/", false },
	{ "*.example.org", "", false, "", "/", false },
	{ "", "/a", false, "h", "/a", true },
	{ "", "/a", false, "h", "/a?b=/c", true },
	{ "", "/a", false, "h", "/a/", false },
	{ "", "/a", false, "h", "/A", false },
	{ "", "/a", false, "h", "/%61", false },
	{ "", "/a", false, "h", "/", false },
	{ "", "/a/", true, "h", "/a/b", true },
	{ "", "/a/", true, "h", "/a/", true },
	{ "", "/a/", true, "h", "/a", false },
	{ "", "/a/", true, "h", "/a?/a/", false },
	{ "", "/a", true, "h", "/ab", true },
	{ "", "/", true, "h", "*", false },
	{ "", "*", false, "h", "*", true },
	{ "h", "/a", false, "g", "/a", false },
	{ "h", "/a", false, "h", "/b", false },
};

static void set_rule(struct config *c, unsigned i, const char *host, const char *path)
{
	snprintf(c->rules[i].host, sizeof(c->rules[i].host), "%s", host);
	snprintf(c->rules[i].path, sizeof(c->rules[i].path), "%s", path);
	c->rule_count = (uint16_t)(i + 1);
}

/* Exact copies without a terminator, so that a sanitizer sees a byte too many. */
static int match(const struct config *c, const char *host, const char *path)
{
	size_t host_len = strlen(host), path_len = strlen(path);
	char *h = malloc(host_len ? host_len : 1), *p = malloc(path_len ? path_len : 1);
	int rule;

	ck_assert(h && p);
	memcpy(h, host, host_len);
	memcpy(p, path, path_len);
	rule = rules_match(c, h, host_len, p, path_len);
	free(h);
	free(p);
	return rule;
}

static void check_rule(const struct rule_row *row)
{
	struct config *c = calloc(1, sizeof(*c));

	ck_assert_ptr_nonnull(c);
	set_rule(c, 0, row->rule_host, row->rule_path);
	c->rules[0].path_is_prefix = row->prefix;
	ck_assert_msg(match(c, row->host, row->path) == (row->matches ? 0 : -1), "rule %s%s, request %s %s",
		      row->rule_host, row->rule_path, row->host, row->path);
	free(c);
}

START_TEST(one_rule_matches_or_not)
{
	for (size_t i = 0; i < ARRAY_LEN(rule_rows); i++)
		check_rule(&rule_rows[i]);
}
END_TEST

START_TEST(first_match_wins)
{
	struct config *c = calloc(1, sizeof(*c));

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(match(c, "a.b", "/"), -1);
	set_rule(c, 0, "a.b", "/x");
	set_rule(c, 1, "*.b", "");
	set_rule(c, 2, "a.b", "");
	set_rule(c, 3, "", "/y");
	ck_assert_int_eq(match(c, "a.b", "/x"), 0);
	ck_assert_int_eq(match(c, "a.b", "/z"), 1);
	ck_assert_int_eq(match(c, "b", "/y"), 3);
	ck_assert_int_eq(match(c, "b", "/z"), -1);
	free(c);
}
END_TEST

Suite *rules_suite(void)
{
	Suite *s = suite_create("rules");
	TCase *tc = tcase_create("rules");

	tcase_add_test(tc, one_rule_matches_or_not);
	tcase_add_test(tc, first_match_wins);
	suite_add_tcase(s, tc);
	return s;
}
