/* SPDX-License-Identifier: BSD-2-Clause */
/* load.c: a configuration file into struct config.
 *
 * Life-cycle of a load: read the bytes (bounded), make the tree, first pass over the tree by the
 * tables of keys.c, second pass over references (references.c), conflicts between sections, keys.
 * Every pass goes on after an error, so that one run shows all of them; what follows from an
 * error that has been reported is not reported again.
 *
 * Invariants: element i of a list in the file is element i of the array, also after errors; the
 * passes recurse as deep as the tables nest, never as deep as the file. */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/nearest.h"
#include "value.h"

#define SECTION_KEYS_MAX 16

/* What a node is, for "found ...". */
static const char *found(const struct node *n, char buf[QUOTE_MAX])
{
	if (n->kind == NODE_LIST)
		return "a list";
	if (n->kind == NODE_MAPPING)
		return "a mapping";
	if (n->len == 0 && !n->quoted)
		return "nothing";
	return config_quote(buf, n->text, n->len);
}

static const char *article(enum config_kind kind)
{
	switch (kind) {
	case CONFIG_KIND_BOOLEAN:
	case CONFIG_KIND_SECRET:
		return "";
	case CONFIG_KIND_POOL:
		return "the ";
	case CONFIG_KIND_INTEGER:
	case CONFIG_KIND_ADDRESS:
		return "an ";
	default:
		return "a ";
	}
}

static void wrong_type(struct loader *l, const struct config_key *key, const struct node *n)
{
	char q[QUOTE_MAX];

	if (n->kind != NODE_BAD)
		PROBLEM_AT(l, n, "%s: expected %s%s, found %s", key->name, article(key->kind),
			   config_kind_text(key->kind), found(n, q));
}

/* Finds the places of a key that was written in the wrong section: the first and the last. */
struct elsewhere {
	const char *word;
	char path[2][CONFIG_KEY_PATH_MAX];
};

static void look_elsewhere(void *ctx, const char *path, const struct config_key *key)
{
	struct elsewhere *e = ctx;

	if (strcmp(key->name, e->word) == 0)
		memcpy(e->path[e->path[0][0] != '\0'], path, strlen(path) + 1);
}

static void unknown_key(struct loader *l, const struct config_section *section, const struct node *n)
{
	struct elsewhere elsewhere = { .word = n->text };
	char known[PROBLEM_TEXT_MAX / 2] = "", q[QUOTE_MAX];
	struct nearest nearest;
	size_t at = 0;

	config_quote(q, n->text, n->len);
	nearest_init(&nearest, n->text);
	for (unsigned i = 0; i < section->key_count; i++)
		nearest_offer(&nearest, section->keys[i].name);
	if (nearest.best) {
		PROBLEM_AT(l, n, "unknown key %s; did you mean \"%s\"?", q, nearest.best);
		return;
	}
	config_keys_walk(look_elsewhere, &elsewhere);
	if (elsewhere.path[0][0]) {
		PROBLEM_AT(l, n, "unknown key %s here; did you mean %s%s%s?", q, elsewhere.path[0],
			   elsewhere.path[1][0] ? " or " : "", elsewhere.path[1]);
		return;
	}
	for (unsigned i = 0; i < section->key_count && at < sizeof(known); i++)
		at += (size_t)snprintf(known + at, sizeof(known) - at, "%s%s", i ? ", " : "", section->keys[i].name);
	PROBLEM_AT(l, n, "unknown key %s; %s has %s", q, section->title, known);
}

static void load_scalar(struct loader *l, const struct config_key *key, const struct node *n, void *base)
{
	struct value_text v = { .text = n->text, .len = n->len, .quoted = n->quoted };
	char message[VALUE_MESSAGE_MAX];

	if (n->kind != NODE_SCALAR || (n->len == 0 && !n->quoted)) {
		wrong_type(l, key, n);
		return;
	}
	if (!value_store(key, &v, base, message)) {
		PROBLEM_AT(l, n, "%s: %s", key->name, message);
		return;
	}
	if (key->kind == CONFIG_KIND_PATH_PREFIX)
		((struct config_rule *)base)->path_is_prefix = true;
	if (key->kind == CONFIG_KIND_SECRET)
		((struct config *)base)->has_secret = true;
}

static void load_quirks(struct loader *l, const struct config_key *key, const struct node *n)
{
	char q[QUOTE_MAX], ids[QUIRK_IDS_MAX];

	if (n->kind == NODE_SCALAR && strcmp(n->text, "all") == 0) {
		l->config->quirks = QUIRKS_ALL;
		return;
	}
	if (n->kind != NODE_LIST) {
		wrong_type(l, key, n);
		return;
	}
	for (const struct node *i = tree_first(&l->tree, n); i; i = tree_next(&l->tree, i)) {
		if (i->kind == NODE_LIST || i->kind == NODE_MAPPING)
			PROBLEM_AT(l, i, "%s: expected an id, found %s", key->name, found(i, q));
		else if (i->kind == NODE_SCALAR && !config_quirk_on(l->config, i->text, i->len))
			PROBLEM_AT(l, i, "unknown quirk %s; there are %s", config_quote(q, i->text, i->len),
				   config_quirk_ids(ids));
	}
}

static void load_section(struct loader *l, const struct config_section *section, const struct node *n, void *base);

static void load_list(struct loader *l, const struct config_key *key, const struct node *n, uint8_t *base)
{
	uint16_t count = 0;
	char q[QUOTE_MAX];

	if (n->kind != NODE_LIST) {
		wrong_type(l, key, n);
		return;
	}
	if (!n->first && !l->tree.partial)
		PROBLEM_AT(l, n, "%s: the list is empty", key->name);
	for (const struct node *i = tree_first(&l->tree, n); i; i = tree_next(&l->tree, i)) {
		void *element = base + key->offset + (size_t)count * key->width;

		if (count == key->max) {
			PROBLEM_AT(l, i, "%s: more than %llu elements", key->name, (unsigned long long)key->max);
			break;
		}
		count++;
		config_presets(key->section, element);
		if (i->kind == NODE_MAPPING)
			load_section(l, key->section, i, element);
		else if (i->kind != NODE_BAD)
			PROBLEM_AT(l, i, "%s is a mapping, found %s", key->section->title, found(i, q));
	}
	memcpy(base + key->count_offset, &count, sizeof(count));
}

/* A list of scalars, each a value of a kind of its own. */
static void load_scalars(struct loader *l, const struct config_key *key, const struct node *n, uint8_t *base)
{
	bool ports = key->kind == CONFIG_KIND_PORTS;
	uint16_t count = 0;

	if (n->kind != NODE_LIST) {
		wrong_type(l, key, n);
		return;
	}
	if (!n->first && !l->tree.partial)
		PROBLEM_AT(l, n, "%s: the list is empty", key->name);
	for (const struct node *i = tree_first(&l->tree, n); i; i = tree_next(&l->tree, i)) {
		const struct config_key one = { .name = key->name,
						.kind = ports ? CONFIG_KIND_INTEGER : CONFIG_KIND_HOST,
						.offset = key->offset + count * key->width,
						.width = key->width,
						.min = ports ? 1 : 0,
						.max = ports ? 65535 : 0 };

		if (count == key->max) {
			PROBLEM_AT(l, i, "%s: more than %llu elements", key->name, (unsigned long long)key->max);
			break;
		}
		count++;
		load_scalar(l, &one, i, base);
	}
	memcpy(base + key->count_offset, &count, sizeof(count));
}

/* Any scalar or list of scalars will do here; the second pass looks the names up. */
static void load_reference(struct loader *l, const struct config_key *key, const struct node *n)
{
	char q[QUOTE_MAX];

	if (key->kind == CONFIG_KIND_POOL) {
		if (n->kind != NODE_SCALAR || n->len == 0)
			wrong_type(l, key, n);
		return;
	}
	if (n->kind != NODE_LIST) {
		wrong_type(l, key, n);
		return;
	}
	if (!n->first && !l->tree.partial)
		PROBLEM_AT(l, n, "%s: the list is empty", key->name);
	for (const struct node *i = tree_first(&l->tree, n); i; i = tree_next(&l->tree, i))
		if (i->kind == NODE_LIST || i->kind == NODE_MAPPING)
			PROBLEM_AT(l, i, "%s: expected the name of a backend, found %s", key->name, found(i, q));
}

static void load_value(struct loader *l, const struct config_key *key, const struct node *n, void *base)
{
	switch (key->kind) {
	case CONFIG_KIND_SECTION:
		if (n->kind == NODE_MAPPING)
			load_section(l, key->section, n, (uint8_t *)base + key->offset);
		else
			wrong_type(l, key, n);
		break;
	case CONFIG_KIND_LIST:
		load_list(l, key, n, base);
		break;
	case CONFIG_KIND_POOL:
	case CONFIG_KIND_MEMBERS:
		load_reference(l, key, n);
		break;
	case CONFIG_KIND_HOSTS:
	case CONFIG_KIND_PORTS:
		load_scalars(l, key, n, base);
		break;
	case CONFIG_KIND_QUIRKS:
		load_quirks(l, key, n);
		break;
	default:
		load_scalar(l, key, n, base);
		break;
	}
}

static void load_section(struct loader *l, const struct config_section *section, const struct node *n, void *base)
{
	unsigned seen[SECTION_KEYS_MAX] = { 0 }; /* line of each key */
	const struct node *k, *v;
	char q[QUOTE_MAX];

	MUST(section->key_count <= SECTION_KEYS_MAX);
	for (k = tree_first(&l->tree, n); k; k = v ? tree_next(&l->tree, v) : NULL) {
		const struct config_key *key = k->kind == NODE_SCALAR ? config_key_find(section, k->text) : NULL;

		v = tree_next(&l->tree, k);
		if (k->kind == NODE_LIST || k->kind == NODE_MAPPING)
			PROBLEM_AT(l, k, "a key is a word, found %s", found(k, q));
		if (k->kind != NODE_SCALAR)
			continue;
		if (!key) {
			unknown_key(l, section, k);
			continue;
		}
		if (seen[key - section->keys]) {
			PROBLEM_AT(l, k, "duplicate key \"%s\"; the first is on line %u", key->name,
				   seen[key - section->keys]);
			continue;
		}
		seen[key - section->keys] = k->line;
		if (v)
			load_value(l, key, v, base);
	}
	for (unsigned i = 0; i < section->key_count; i++)
		if (section->keys[i].mandatory && !seen[i] && !l->tree.partial)
			PROBLEM_AT(l, n, "missing key \"%s\": %s needs it", section->keys[i].name, section->title);
}

static void check_conflicts(struct loader *l)
{
	struct conflict conflict;
	const struct node *n;

	for (unsigned i = 0; i < CONFLICTS_MAX; i++) {
		if (!config_conflict(l->config, i, &conflict))
			continue;
		n = tree_path(&l->tree, conflict.path[0]);
		if (!n)
			n = tree_path(&l->tree, conflict.path[1]);
		if (n)
			PROBLEM_AT(l, n, "%s", conflict.text);
	}
}

/* P3 and `isn: crc32` are one behaviour under two names: each switches the other on. */
static void unite_isn(struct loader *l)
{
	const struct node *isn = tree_path(&l->tree, "switch.isn");
	struct config *c = l->config;

	if (config_has_quirk(c, QUIRK_P3)) {
		if (isn && c->sw.isn == ISN_COOKIE && isn->kind == NODE_SCALAR && strcmp(isn->text, "cookie") == 0)
			PROBLEM_AT(l, isn, "isn: cookie contradicts quirk P3, which is crc32");
		c->sw.isn = ISN_CRC32;
	}
	if (c->sw.isn == ISN_CRC32)
		c->quirks |= QUIRK_BIT(QUIRK_P3);
}

static void load_root(struct loader *l)
{
	const struct node *root = tree_node(&l->tree, l->tree.root);
	char q[QUOTE_MAX];

	if (!root || (root->kind == NODE_SCALAR && root->len == 0)) {
		if (!l->tree.partial)
			problems_add(&l->problems, 1, 1,
				     "the file is empty; a configuration has vip, backends, pools "
				     "and rules");
		return;
	}
	if (root->kind != NODE_MAPPING) {
		if (root->kind != NODE_BAD)
			PROBLEM_AT(l, root, "a configuration is a mapping of keys to values, found %s", found(root, q));
		return;
	}
	load_section(l, &config_root, root, l->config);
	loader_resolve(l);
	unite_isn(l);
	check_conflicts(l);
}

int config_load_memory(struct config *c, const char *name, const void *data, size_t len, config_error_fn *report,
		       void *ctx)
{
	struct loader l = { .config = c };
	int errors;

	config_defaults(c);
	snprintf(c->file, sizeof(c->file), "%s", name);
	if (len > CONFIG_FILE_SIZE_MAX) {
		report(ctx, name, 0, 0, "larger than 4 MiB: not a configuration");
		return 1;
	}
	tree_read(&l.tree, data, len, &l.problems);
	load_root(&l);
	tree_free(&l.tree);
	errors = problems_tell(&l.problems, name, report, ctx);
	config_derive_keys(c);
	return errors;
}

/* Reads what there is, at most one byte more than allowed. Returns the length, or -1 with errno. */
static long read_all(const char *file, char *buf)
{
	bool is_stdin = strcmp(file, "-") == 0;
	FILE *f = is_stdin ? stdin : fopen(file, "rb");
	long len = -1;
	size_t got;
	int why;

	if (!f)
		return -1;
	errno = 0;
	got = fread(buf, 1, CONFIG_FILE_SIZE_MAX + 1, f);
	why = errno ? errno : EIO;
	if (!ferror(f))
		len = (long)got;
	if (!is_stdin)
		fclose(f);
	errno = why;
	return len;
}

int config_load(struct config *c, const char *file, config_error_fn *report, void *ctx)
{
	const char *name = strcmp(file, "-") == 0 ? "<stdin>" : file;
	char *buf = malloc(CONFIG_FILE_SIZE_MAX + 1);
	int errors = 1;
	long len;

	len = buf ? read_all(file, buf) : -1;
	if (len < 0)
		report(ctx, name, 0, 0, buf ? strerror(errno) : "out of memory");
	else
		errors = config_load_memory(c, name, buf, (size_t)len, report, ctx);
	free(buf);
	return errors;
}
