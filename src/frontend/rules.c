/* SPDX-License-Identifier: BSD-2-Clause */
/* rules.c: which rule a request falls under.
 *
 * First match in file order wins. Hosts compare without regard to ASCII case, port and one trailing
 * dot; "*.example.org" stands for any name below example.org, at any depth, not for example.org
 * itself. Paths compare byte by byte as sent, without the query: nothing is decoded or normalised,
 * since the backend gets the very same bytes. A prefix is a prefix of bytes, not of segments. */
#include "miresga/http.h"

#include <string.h>

struct text {
	const char *at;
	size_t len;
};

/* Without port and trailing dot. The colons inside the brackets of an IP-literal are no port's. */
static struct text host_name(const char *host, size_t len)
{
	const char *bracket = len && host[0] == '[' ? memchr(host, ']', len) : NULL;
	size_t from = bracket ? (size_t)(bracket - host) : 0;
	const char *colon = len ? memchr(host + from, ':', len - from) : NULL;

	if (colon)
		len = (size_t)(colon - host);
	if (len && host[len - 1] == '.')
		len--;
	return (struct text){ host, len };
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool same_name(struct text a, struct text b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		if (lower(a.at[i]) != lower(b.at[i]))
			return false;
	}
	return true;
}

static bool host_matches(const char *rule, struct text host)
{
	struct text want;

	if (rule[0] == '\0')
		return true;
	if (rule[0] != '*')
		return same_name(host_name(rule, strlen(rule)), host);
	want = host_name(rule + 1, strlen(rule + 1)); /* from the dot on */
	if (host.len <= want.len)
		return false;
	return same_name(want, (struct text){ host.at + host.len - want.len, want.len });
}

static bool path_matches(const struct config_rule *rule, struct text path)
{
	size_t len = strlen(rule->path);

	if (len == 0)
		return true;
	if (rule->path_is_prefix ? path.len < len : path.len != len)
		return false;
	return memcmp(path.at, rule->path, len) == 0;
}

int rules_match(const struct config *c, const char *host, size_t host_len, const char *path, size_t path_len)
{
	struct text name = host_name(host, host_len);
	const char *query = path_len ? memchr(path, '?', path_len) : NULL;
	struct text plain = { path, query ? (size_t)(query - path) : path_len };

	for (int i = 0; i < c->rule_count; i++) {
		if (host_matches(c->rules[i].host, name) && path_matches(&c->rules[i], plain))
			return i;
	}
	return -1;
}
