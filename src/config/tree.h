/* SPDX-License-Identifier: BSD-2-Clause */
/* tree.h: a YAML document as a bounded tree of nodes that know their place in the file. */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include "problems.h"

enum node_kind {
	NODE_BAD, /* reported already: to be passed over in silence */
	NODE_SCALAR,
	NODE_LIST,
	NODE_MAPPING, /* children are key, value, key, value; the last value may be missing in a partial tree */
};

/* Links are indices into tree.nodes, 0: none. */
struct node {
	enum node_kind kind;
	unsigned line, column; /* from 1 */
	bool quoted;	       /* scalar: not plain */
	char *text;	       /* scalar: terminated, holds no other NUL */
	size_t len;
	uint32_t first, last, next;
};

#define TREE_NODES_MAX (1u << 16)
struct tree {
	struct node *nodes;
	uint32_t count, capacity;
	uint32_t root; /* 0: there is no document */
	bool partial;  /* reading ended early: what is missing may stand in the rest */
};

/* Reads one document. Problems are added to `p`; the tree holds what could be read. */
void tree_read(struct tree *t, const void *data, size_t len, struct problems *p);
void tree_free(struct tree *t);

static inline const struct node *tree_node(const struct tree *t, uint32_t index)
{
	return index ? &t->nodes[index] : NULL;
}

static inline const struct node *tree_first(const struct tree *t, const struct node *n)
{
	return tree_node(t, n->first);
}

static inline const struct node *tree_next(const struct tree *t, const struct node *n)
{
	return tree_node(t, n->next);
}

/* The value of the first key of that name, or NULL (also if `mapping` is none or NULL). */
const struct node *tree_find(const struct tree *t, const struct node *mapping, const char *key);
/* The same for a dotted path from the root. */
const struct node *tree_path(const struct tree *t, const char *path);

#endif
