/* SPDX-License-Identifier: BSD-2-Clause */
/* references.c: the second pass over a configuration: names are unique and references lead
 * somewhere.
 *
 * It works on the tree again, for the places, beside the arrays that the first pass filled:
 * element i of a list is element i of its array. Names are compared as they stand in the file, so
 * that a name that the first pass refused does not make every reference to it an error too. When
 * the file could be read in part only, a name may stand in the rest: no reference is reported. */
#include <string.h>

#include "load.h"
#include "miresga/nearest.h"

/* The names of a list's elements, by index; NULL where there is none. */
struct names {
	const struct node *name[BACKENDS_MAX];
	unsigned count;
	bool exists; /* the list is there and has an element */
};
_Static_assert(BACKENDS_MAX >= POOLS_MAX, "struct names holds either");

static bool is_text(const struct node *n)
{
	return n && n->kind == NODE_SCALAR && n->len > 0;
}

/* Collects the names of `key`'s list and reports those that are there twice. */
static void names_collect(struct loader *l, const char *key, const char *what, unsigned max, struct names *names)
{
	const struct node *list = tree_path(&l->tree, key);
	char q[QUOTE_MAX];

	names->count = 0;
	names->exists = list && list->kind == NODE_LIST && list->first;
	if (!names->exists)
		return;
	for (const struct node *i = tree_first(&l->tree, list); i && names->count < max; i = tree_next(&l->tree, i)) {
		const struct node *n = tree_find(&l->tree, i, "name");

		if (!is_text(n))
			n = NULL;
		for (unsigned j = 0; n && j < names->count; j++) {
			if (!names->name[j] || strcmp(n->text, names->name[j]->text) != 0)
				continue;
			PROBLEM_AT(l, n, "duplicate name %s; line %u has a %s of that name",
				   config_quote(q, n->text, n->len), names->name[j]->line, what);
			break;
		}
		names->name[names->count++] = n;
	}
}

/* Index of the element that `n` names, or -1 after having said that there is none. */
static int names_find(struct loader *l, const struct names *names, const struct node *n, const char *what)
{
	struct nearest nearest;
	char q[QUOTE_MAX], best[QUOTE_MAX];

	for (unsigned i = 0; i < names->count; i++)
		if (names->name[i] && strcmp(names->name[i]->text, n->text) == 0)
			return (int)i;
	if (l->tree.partial || !names->exists)
		return -1;
	nearest_init(&nearest, n->text);
	for (unsigned i = 0; i < names->count; i++)
		if (names->name[i])
			nearest_offer(&nearest, names->name[i]->text);
	config_quote(q, n->text, n->len);
	if (nearest.best)
		PROBLEM_AT(l, n, "there is no %s %s; did you mean %s?", what, q,
			   config_quote(best, nearest.best, strlen(nearest.best)));
	else
		PROBLEM_AT(l, n, "there is no %s %s", what, q);
	return -1;
}

static void resolve_members(struct loader *l, const struct names *backends, const struct node *list,
			    struct config_pool *pool)
{
	unsigned line[BACKENDS_MAX] = { 0 }; /* of each backend in this pool */
	char q[QUOTE_MAX];

	for (const struct node *i = tree_first(&l->tree, list); i; i = tree_next(&l->tree, i)) {
		int index;

		if (i->kind != NODE_SCALAR)
			continue;
		index = names_find(l, backends, i, "backend");
		if (index < 0)
			continue;
		if (line[index]) {
			PROBLEM_AT(l, i, "backend %s is in this pool already, on line %u",
				   config_quote(q, i->text, i->len), line[index]);
			continue;
		}
		line[index] = i->line;
		pool->members[pool->member_count++] = (uint8_t)index;
	}
}

static void resolve_pools(struct loader *l, const struct names *backends)
{
	const struct node *list = tree_path(&l->tree, "pools");
	const struct node *i = list && list->kind == NODE_LIST ? tree_first(&l->tree, list) : NULL;

	for (unsigned at = 0; i && at < l->config->pool_count; at++, i = tree_next(&l->tree, i)) {
		const struct node *members = tree_find(&l->tree, i, "backends");

		if (members && members->kind == NODE_LIST)
			resolve_members(l, backends, members, &l->config->pools[at]);
	}
}

/* Which of two nodes stands behind the other in the file. */
static const struct node *later(const struct node *a, const struct node *b)
{
	if (a->line != b->line)
		return a->line > b->line ? a : b;
	return a->column > b->column ? a : b;
}

static void resolve_rules(struct loader *l, const struct names *pools)
{
	const struct node *list = tree_path(&l->tree, "rules");
	const struct node *i = list && list->kind == NODE_LIST ? tree_first(&l->tree, list) : NULL;

	for (unsigned at = 0; i && at < l->config->rule_count; at++, i = tree_next(&l->tree, i)) {
		const struct node *path = tree_find(&l->tree, i, "path");
		const struct node *prefix = tree_find(&l->tree, i, "path_prefix");
		const struct node *pool = tree_find(&l->tree, i, "pool");
		int index = is_text(pool) ? names_find(l, pools, pool, "pool") : -1;

		l->config->rules[at].pool = index < 0 ? POOL_NONE : (uint8_t)index;
		if (path && prefix)
			PROBLEM_AT(l, later(path, prefix), "a rule has path or path_prefix, not both");
	}
}

/* Packets tell backends apart, and from the VIP, by address and port. */
static void check_addresses(struct loader *l)
{
	const struct node *list = tree_path(&l->tree, "backends");
	const struct node *i = list && list->kind == NODE_LIST ? tree_first(&l->tree, list) : NULL;
	const struct node *place[BACKENDS_MAX];
	const struct config *c = l->config;

	for (unsigned at = 0; i && at < c->backend_count; at++, i = tree_next(&l->tree, i)) {
		struct endpoint address = c->backends[at].address;
		const struct node *n = tree_find(&l->tree, i, "address");

		place[at] = n;
		if (!n || endpoint_word(address) == 0)
			continue;
		if (endpoint_equal(address, c->vip))
			PROBLEM_AT(l, n, "a backend cannot have the VIP's address");
		for (unsigned j = 0; j < at; j++) {
			if (!endpoint_equal(address, c->backends[j].address))
				continue;
			PROBLEM_AT(l, n, "the backend on line %u has this address already", place[j]->line);
			break;
		}
	}
}

void loader_resolve(struct loader *l)
{
	struct names backends, pools, workloads;

	names_collect(l, "backends", "backend", BACKENDS_MAX, &backends);
	names_collect(l, "pools", "pool", POOLS_MAX, &pools);
	check_addresses(l);
	resolve_pools(l, &backends);
	resolve_rules(l, &pools);
	names_collect(l, "simulation.workloads", "workload", WORKLOADS_MAX, &workloads);
	loader_check_simulation(l);
}
