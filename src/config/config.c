/* SPDX-License-Identifier: BSD-2-Clause */
/* config.c: what can be done with a configuration without a file: defaults, keys, changes from
 * the command line, and what follows from its numbers.
 *
 * Invariant: after config_defaults(), config_load() without errors, config_set() and
 * config_add_quirks() alike, every number is in its range, no conflict holds, and
 * `isn == ISN_CRC32` if and only if quirk P3 is on. */
#include <stdio.h>
#include <string.h>

#include "keys.h"
#include "load.h"
#include "miresga/nearest.h"
#include "miresga/prng.h"
#include "miresga/switch.h"
#include "value.h"

void config_presets(const struct config_section *section, void *base)
{
	for (unsigned i = 0; i < section->key_count; i++) {
		const struct config_key *key = &section->keys[i];

		if (key->kind == CONFIG_KIND_SECTION)
			config_presets(key->section, (uint8_t *)base + key->offset);
		else
			value_store_preset(key, base);
	}
}

const struct config_need *config_key_unmet(const struct config_key *key, const void *base)
{
	for (const struct config_need *n = key->needs; n && n->text; n++)
		if (!n->holds(base))
			return n;
	return NULL;
}

void config_defaults(struct config *c)
{
	memset(c, 0, sizeof(*c));
	config_presets(&config_root, c);
	config_derive_keys(c);
}

static uint64_t secret_part(const struct config *c, const char *label)
{
	return siphash(&c->secret, label, strlen(label));
}

void config_derive_keys(struct config *c)
{
	struct prng prng;

	if (c->has_secret) {
		c->cookie_key.k0 = secret_part(c, "cookie key 0");
		c->cookie_key.k1 = secret_part(c, "cookie key 1");
		c->tag_key.k0 = secret_part(c, "tag key 0");
		c->tag_key.k1 = secret_part(c, "tag key 1");
		return;
	}
	prng_child(&prng, c->seed, "cookie key", 0);
	c->cookie_key.k0 = prng_u64(&prng);
	c->cookie_key.k1 = prng_u64(&prng);
	prng_child(&prng, c->seed, "tag key", 0);
	c->tag_key.k0 = prng_u64(&prng);
	c->tag_key.k1 = prng_u64(&prng);
}

uint64_t config_longest_timeout(const struct config *c)
{
	const struct config_timeouts *t = &c->timeouts;
	/* rto + 2 rto + 4 rto + ..., the last expiry included (RFC 6298 §5.5). */
	uint64_t ladder = t->rto_ns * ((UINT64_C(1) << (t->retries + 1)) - 1);
	uint64_t interval = (NS_PER_S + c->sw.insertion_rate - 1) / c->sw.insertion_rate;
	uint64_t drain = c->sw.insertion_latency_ns + c->sw.control_queue * interval;

	/* An idle offloaded flow is first looked at on the slow path for another period. A flow can spend
	 * a ladder on its backend and another on closing, and an agent's entry outlives the front-end's
	 * flow by a closing and a linger of its own. */
	return t->request_ns + 2 * t->established_ns + 2 * (ladder + t->closing_ns + t->linger_ns) + drain;
}

bool config_conflict(const struct config *c, unsigned i, struct conflict *out)
{
	struct capacity capacity;

	switch (i) {
	case 0:
		*out = (struct conflict){ .path = { "switch.table", "switch" } };
		snprintf(out->text, sizeof(out->text),
			 "switch.table: this geometry holds not one entry (%u stages%s, %u blocks of which a word "
			 "takes %u)",
			 c->sw.geometry.stages,
			 c->sw.geometry.table_arrangement ? "" : ", two of them lost without table_arrangement",
			 c->sw.geometry.blocks, c->sw.geometry.word_blocks);
		return capacity_compute(&c->sw.geometry, &capacity) != 0;
	case 1:
		*out = (struct conflict){ .path = { "agent.secret_file", "secret" },
					  .text = "secret and agent.secret_file are two secrets: one of them must go" };
		return c->has_secret && c->agent.secret_file[0];
	default:
		MUST(i < CONFLICTS_MAX);
		return false;
	}
}

bool config_quirk_on(struct config *c, const char *id, size_t len)
{
	int quirk = quirk_from_id(id, len);

	if (quirk < 0)
		return false;
	c->quirks |= QUIRK_BIT(quirk);
	return true;
}

const char *config_quirk_ids(char buf[QUIRK_IDS_MAX])
{
	size_t at = 0;

	for (unsigned i = 0; i < QUIRK_COUNT; i++) {
		at += (size_t)snprintf(buf + at, QUIRK_IDS_MAX - at, "%s%s", i ? ", " : "", quirk_id(i));
		MUST(at < QUIRK_IDS_MAX);
	}
	return buf;
}

int config_add_quirks(struct config *c, const char *list, char *error, size_t error_size)
{
	uint32_t before = c->quirks;
	char ids[QUIRK_IDS_MAX], q[QUOTE_MAX];

	if (strcmp(list, "all") == 0) {
		c->quirks = QUIRKS_ALL;
		c->sw.isn = ISN_CRC32;
		return 0;
	}
	for (const char *s = list;; s++) {
		size_t len = strcspn(s, ",");

		if (!config_quirk_on(c, s, len)) {
			c->quirks = before;
			snprintf(error, error_size, "unknown quirk %s; there are %s, and all", config_quote(q, s, len),
				 config_quirk_ids(ids));
			return -1;
		}
		s += len;
		if (!*s)
			break;
	}
	if (config_has_quirk(c, QUIRK_P3))
		c->sw.isn = ISN_CRC32;
	return 0;
}

/* Which key a path that does not exist was meant to be. */
struct path_guess {
	struct nearest nearest;
	const char *word; /* the path */
	char best[CONFIG_KEY_PATH_MAX];
};

static void guess_path(void *ctx, const char *path, const struct config_key *key)
{
	struct path_guess *g = ctx;
	const char *before = g->nearest.best;

	if (strcmp(key->name, g->word) == 0)
		g->nearest.distance_max = 0; /* the last part of the path alone: no better guess */
	else
		nearest_offer(&g->nearest, path);
	if (strcmp(key->name, g->word) != 0 && g->nearest.best == before)
		return;
	memcpy(g->best, path, strlen(path) + 1);
	g->nearest.best = g->best;
}

/* Finds the key and the section's struct that it is in; NULL if the path leads nowhere or into a list. */
static const struct config_key *key_at(struct config *c, const char *path, void **base)
{
	const struct config_section *section = &config_root;
	const struct config_key *key;
	char word[CONFIG_KEY_PATH_MAX];

	*base = c;
	for (;;) {
		size_t len = strcspn(path, ".");

		if (len >= sizeof(word))
			return NULL;
		memcpy(word, path, len);
		word[len] = '\0';
		key = config_key_find(section, word);
		if (!key || !path[len])
			return key;
		if (key->kind != CONFIG_KIND_SECTION)
			return NULL;
		section = key->section;
		*base = (uint8_t *)*base + key->offset;
		path += len + 1;
	}
}

/* After a change: what follows from the new value. */
static void settle(struct config *c, const struct config_key *key, const void *field)
{
	if (field == &c->sw.isn)
		c->quirks = c->sw.isn == ISN_CRC32 ? c->quirks | QUIRK_BIT(QUIRK_P3) : c->quirks & ~QUIRK_BIT(QUIRK_P3);
	if (key->kind == CONFIG_KIND_SECRET)
		c->has_secret = true;
	config_derive_keys(c);
}

int config_set(struct config *c, const char *path, const char *value, char *error, size_t error_size)
{
	struct value_text v = { .text = value, .len = strlen(value) };
	char message[VALUE_MESSAGE_MAX], q[QUOTE_MAX];
	struct conflict conflict;
	const struct config_key *key;
	uint8_t before[sizeof(struct siphash_key)];
	uint8_t *field;
	void *base;

	key = key_at(c, path, &base);
	if (!key) {
		struct path_guess guess = { .word = path };

		nearest_init(&guess.nearest, path);
		config_keys_walk(guess_path, &guess);
		snprintf(error, error_size, "unknown key %s%s%s%s", config_quote(q, path, strlen(path)),
			 guess.nearest.best ? "; did you mean \"" : "", guess.nearest.best ? guess.best : "",
			 guess.nearest.best ? "\"?" : "");
		return -1;
	}
	if (!value_is_plain(key->kind)) {
		snprintf(error, error_size, "%s is a %s; only the file can set it", path, config_kind_text(key->kind));
		return -1;
	}
	field = (uint8_t *)base + key->offset;
	MUST(key->width <= sizeof(before));
	memcpy(before, field, key->width);
	if (!value_store(key, &v, base, message)) {
		snprintf(error, error_size, "%s: %s", path, message);
		return -1;
	}
	for (unsigned i = 0; i < CONFLICTS_MAX; i++) {
		if (!config_conflict(c, i, &conflict))
			continue;
		memcpy(field, before, key->width);
		snprintf(error, error_size, "%s: %s", path, conflict.text);
		return -1;
	}
	settle(c, key, field);
	return 0;
}

void config_workload_defaults(struct config_workload *w)
{
	const struct config_key *workloads = config_key_find(&config_simulation_section, "workloads");

	memset(w, 0, sizeof(*w));
	config_presets(workloads->section, w);
}

int config_parse_duration(const char *text, uint64_t *ns, char *error, size_t error_size)
{
	static const struct config_key key = { .kind = CONFIG_KIND_DURATION,
					       .width = sizeof(*ns),
					       .max = 168 * 3600 * NS_PER_S };
	const struct value_text v = { .text = text, .len = strlen(text) };
	char message[VALUE_MESSAGE_MAX];

	if (value_store(&key, &v, ns, message))
		return 0;
	snprintf(error, error_size, "%s", message);
	return -1;
}
