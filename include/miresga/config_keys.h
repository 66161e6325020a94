/* SPDX-License-Identifier: BSD-2-Clause */
/* config_keys.h: every key that a configuration file may hold, as data: where it stands, what it
 * takes, its range, its default, what it means. The loader reads files by these tables,
 * config_defaults() takes the defaults from them, docs/configuration.md is tested against them,
 * and shell completion can be made from them. */
#ifndef MIRESGA_CONFIG_KEYS_H
#define MIRESGA_CONFIG_KEYS_H

#include "miresga/base.h"

/* X(NAME, "as the documentation calls it") */
#define CONFIG_KINDS(X) \
	X(SECTION, "mapping") \
	X(LIST, "list of mappings") \
	X(INTEGER, "integer") \
	X(SIZE, "size") \
	X(DURATION, "duration") \
	X(RATE, "rate") \
	X(BIT_RATE, "bit rate") \
	X(CHANCE, "chance") \
	X(DECIMAL, "decimal") \
	X(BOOLEAN, "true or false") \
	X(CHOICE, "choice") \
	X(ADDRESS, "address") \
	X(NAME, "name") \
	X(HOST, "host") \
	X(HOSTS, "list of hosts") \
	X(PORTS, "list of integers") \
	X(PATH, "path") \
	X(PATH_PREFIX, "path") \
	X(FILE, "file") \
	X(POOL, "name of a pool") \
	X(MEMBERS, "list of backends' names") \
	X(QUIRKS, "list of ids, or all") \
	X(SECRET, "32 hex digits")
enum config_kind {
#define X(name, text) CONFIG_KIND_##name,
	CONFIG_KINDS(X)
#undef X
	CONFIG_KIND_COUNT
};
const char *config_kind_text(enum config_kind k);

struct config_key {
	const char *name;
	enum config_kind kind;
	bool mandatory;
	uint32_t offset;	    /* of the field in the section's struct */
	uint32_t width;		    /* of the field; LIST, HOSTS: of one element */
	uint32_t count_offset;	    /* LIST, MEMBERS, HOSTS: of the uint16_t that counts the elements */
	uint64_t min, max;	    /* numbers in base units; LIST, MEMBERS, HOSTS: elements; 0, 0: no range */
	const char *preset;	    /* the default, as one would write it; NULL: none */
	const char *const *choices; /* CHOICE: in the order of the enum, NULL ends */
	const struct config_section *section; /* SECTION, LIST */
	const struct config_need *needs;      /* without which it has no effect; NULL: none */
	const char *help;
};

/* What other keys must say so that one has an effect. An array of them ends with a `text` of NULL. */
struct config_need {
	bool (*holds)(const void *base); /* the struct that holds the key's own field */
	const char *text;		 /* "sizes: table" */
};
/* The first of the key's needs that does not hold, or NULL. */
const struct config_need *config_key_unmet(const struct config_key *key, const void *base);

struct config_section {
	const char *title; /* what one of these is: "a backend" */
	const struct config_key *keys;
	unsigned key_count;
};

/* The whole file; its struct is struct config. */
extern const struct config_section config_root;

/* The key of `section` with that name, or NULL. */
const struct config_key *config_key_find(const struct config_section *section, const char *name);
/* The range as people write it ("256B to 64KiB"), or "" if the key has none. Returns buf. */
#define CONFIG_RANGE_MAX 80
char *config_key_range(const struct config_key *key, char buf[CONFIG_RANGE_MAX]);

/* Calls `visit` for every key, parents first, with its dotted path ("switch.table.stages"; a list
 * has brackets: "backends[].name"). */
#define CONFIG_KEY_PATH_MAX 64
typedef void config_visit_fn(void *ctx, const char *path, const struct config_key *key);
void config_keys_walk(config_visit_fn *visit, void *ctx);

#endif
