/* SPDX-License-Identifier: BSD-2-Clause */
/* load.h: the passes over a configuration file. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H

#include "miresga/config_keys.h"
#include "tree.h"

struct loader {
	struct config *config;
	struct tree tree;
	struct problems problems;
};

/* Second pass (references.c): names, addresses and references between the parts. */
void loader_resolve(struct loader *l);

/* Part of it (simulation.c): what the world of `miresga sim` may not be. */
void loader_check_simulation(struct loader *l);

/* A problem at the place of a node. */
#define PROBLEM_AT(l, node, ...) problems_add(&(l)->problems, (node)->line, (node)->column, __VA_ARGS__)

/* What holds between keys of different sections. */
struct conflict {
	const char *path[2]; /* keys to blame, dotted; the first that the file has is the place */
	char text[PROBLEM_TEXT_MAX];
};
/* Number of conflicts that there can be; config_conflict(i) returns false if number i does not hold. */
#define CONFLICTS_MAX 2
bool config_conflict(const struct config *c, unsigned i, struct conflict *out);

/* Sets every preset of a section's own keys and of the sections within, but not of lists. */
void config_presets(const struct config_section *section, void *base);
/* Switches one quirk on, by its id, with what follows from it. False if there is none of that name. */
bool config_quirk_on(struct config *c, const char *id, size_t len);
/* The known ids, for messages. */
#define QUIRK_IDS_MAX 128
const char *config_quirk_ids(char buf[QUIRK_IDS_MAX]);

#endif
