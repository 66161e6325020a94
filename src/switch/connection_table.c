/* SPDX-License-Identifier: BSD-2-Clause */
/* connection_table.c: the Offloaded Connection Table: a cuckoo table laid out like the chip's.
 *
 * Placement: one bucket per match word (paper: five entries in 256 bits), buckets spread evenly
 * over the stages, one hash per stage, so a key has one candidate bucket in each stage. It decides
 * which keys fit. Index: a second, plain table of the same keys, which lookups read (see
 * switch_internal.h). An entry is one word: key <CIP,CPort> 48 bits, D index 8, hit and valid.
 *
 * Life-cycle: memory for the geometry's capacity, and for the search, is taken at creation. The
 * control plane adds and deletes, the data plane only finds, and sets hit bits.
 *
 * Invariants: a key stands at most once, in both views or in none; `entries` counts them; an add
 * either succeeds or leaves the table as it was. The index is never more than three quarters
 * full. All is deterministic: the first free slot of the first stage that has one, else the
 * shortest chain of moves in breadth-first order.
 *
 * Refusals: FULL when no chain of at most eight moves frees a slot within the 50,000 buckets that
 * the chip's driver has a search queue for, so the table can be full before every slot is taken;
 * EXISTS; MISSING. */
#include "switch_internal.h"

#include <stdlib.h>
#include <string.h>

#define CACHE_LINE 64

/* A full bucket of which a slot is wanted. A node of depth 0 is a candidate of the new key, any
 * other one of an entry in its parent's bucket. */
struct cuckoo_node {
	uint64_t *bucket;
	uint32_t parent;     /* index in the queue */
	uint8_t parent_slot; /* the entry that would move from there to here */
	uint8_t stage;
	uint8_t depth;
};

static uint64_t *alloc_words(size_t words)
{
	size_t bytes = (words * sizeof(uint64_t) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	uint64_t *p = aligned_alloc(CACHE_LINE, bytes);

	if (p)
		memset(p, 0, bytes);
	return p;
}

int connection_table_init(struct connection_table *t, const struct capacity *capacity)
{
	uint64_t buckets = capacity->connections / capacity->entries_per_word;
	uint32_t first = 0, index_size = 8;

	*t = (struct connection_table){
		.stages = capacity->stages_used,
		.slots = capacity->entries_per_word,
		.capacity = buckets * capacity->entries_per_word,
	};
	MUST(t->stages >= 1 && t->stages <= CONNECTION_STAGES_MAX && buckets >= t->stages);
	while (1u << t->stride_log2 < t->slots)
		t->stride_log2++;
	for (uint32_t s = 0; s < t->stages; s++) {
		t->stage[s].first = first;
		t->stage[s].buckets = (uint32_t)(buckets / t->stages + (s < buckets % t->stages));
		first += t->stage[s].buckets;
	}
	while (index_size - index_size / 4 < t->capacity)
		index_size *= 2;
	t->index_mask = index_size - 1;
	t->index = alloc_words(index_size);
	t->placed = alloc_words((size_t)buckets << t->stride_log2);
	t->queue = malloc(CUCKOO_QUEUE_MAX * sizeof(*t->queue));
	if (!t->index || !t->placed || !t->queue) {
		connection_table_fini(t);
		return -1;
	}
	return 0;
}

void connection_table_fini(struct connection_table *t)
{
	free(t->index);
	free(t->placed);
	free(t->queue);
	t->index = NULL;
	t->placed = NULL;
	t->queue = NULL;
}

/* The candidate bucket of stage `s`: each stage hashes on its own, by both halves of one hash combined
 * (Kirsch and Mitzenmacher 2006) and scaled to the stage's size. */
static uint64_t *candidate(const struct connection_table *t, uint64_t hash, uint32_t s)
{
	uint32_t h = (uint32_t)hash + s * ((uint32_t)(hash >> 32) | 1);
	uint32_t bucket = t->stage[s].first + (uint32_t)(((uint64_t)h * t->stage[s].buckets) >> 32);

	return t->placed + ((size_t)bucket << t->stride_log2);
}

/* The slot of a bucket that holds exactly `word`: a placed key, or 0 for a free slot. */
static uint64_t *bucket_find(const struct connection_table *t, uint64_t *bucket, uint64_t word)
{
	for (uint32_t i = 0; i < t->slots; i++)
		if (bucket[i] == word)
			return &bucket[i];
	return NULL;
}

/* Where `key` is placed, and in which stage; NULL if it is not. */
static uint64_t *placed_find(const struct connection_table *t, uint64_t key, uint32_t *stage)
{
	uint64_t hash = connection_hash(key), *slot;

	for (uint32_t s = 0; s < t->stages; s++) {
		slot = bucket_find(t, candidate(t, hash, s), key | CONNECTION_VALID);
		*stage = s;
		if (slot)
			return slot;
	}
	return NULL;
}

/* Moves the entries on the way from `node` to its root, the first of them (slot `slot` of `node`) to
 * `to`. Returns the root's slot that has become free. */
static uint64_t *move_chain(struct connection_table *t, const struct cuckoo_node *node, uint32_t slot, uint64_t *to)
{
	for (;;) {
		*to = node->bucket[slot];
		to = &node->bucket[slot];
		*to = 0;
		t->moves++;
		if (!node->depth)
			return to;
		slot = node->parent_slot;
		node = &t->queue[node->parent];
	}
}

/* Looks for a place to which an entry of queue[at] can move, and appends the full buckets that it
 * finds instead. Returns a free slot of the root, or NULL. */
static uint64_t *expand(struct connection_table *t, uint32_t at, uint32_t *count)
{
	const struct cuckoo_node *node = &t->queue[at];

	for (uint32_t slot = 0; slot < t->slots; slot++) {
		uint64_t hash = connection_hash(node->bucket[slot] & CONNECTION_KEY_MASK);

		for (uint32_t s = 0; s < t->stages; s++) {
			uint64_t *bucket = candidate(t, hash, s), *to;

			if (s == node->stage)
				continue;
			to = bucket_find(t, bucket, 0);
			if (to)
				return move_chain(t, node, slot, to);
			if (*count == CUCKOO_QUEUE_MAX)
				return NULL;
			t->queue[(*count)++] = (struct cuckoo_node){
				.bucket = bucket,
				.parent = at,
				.parent_slot = (uint8_t)slot,
				.stage = (uint8_t)s,
				.depth = (uint8_t)(node->depth + 1),
			};
		}
	}
	return NULL;
}

/* A free slot for a key, by moving others if need be; NULL when full. The chain found first is a
 * shortest one, so it passes no bucket twice and its moves do not disturb one another. */
static uint64_t *make_place(struct connection_table *t, uint64_t hash)
{
	uint32_t count = 0;

	if (t->entries == t->capacity)
		return NULL;
	for (uint32_t s = 0; s < t->stages; s++) {
		uint64_t *bucket = candidate(t, hash, s), *slot = bucket_find(t, bucket, 0);

		if (slot)
			return slot;
		t->queue[count++] = (struct cuckoo_node){ .bucket = bucket, .stage = (uint8_t)s };
	}
	for (uint32_t at = 0; at < count && count < CUCKOO_QUEUE_MAX && t->queue[at].depth < CUCKOO_MOVES_MAX; at++) {
		uint64_t *slot = expand(t, at, &count);

		if (slot)
			return slot;
	}
	return NULL;
}

enum control_status connection_table_add(struct connection_table *t, struct endpoint client, uint8_t d_index)
{
	uint64_t key = connection_key(client), hash = connection_hash(key), at = hash & t->index_mask;
	uint64_t *slot;

	if (connection_find(t, key, hash))
		return CONTROL_EXISTS;
	slot = make_place(t, hash);
	if (!slot)
		return CONTROL_FULL;
	*slot = key | CONNECTION_VALID;
	while (t->index[at])
		at = (at + 1) & t->index_mask;
	t->index[at] = key | (uint64_t)d_index << CONNECTION_D_SHIFT | CONNECTION_VALID;
	t->entries++;
	return CONTROL_OK;
}

/* Closes the gap at `gap` of the index: whatever the probe of a key behind it would pass moves up
 * (Knuth, TAOCP 3, 6.4 algorithm R). */
static void index_remove(struct connection_table *t, uint64_t gap)
{
	uint64_t mask = t->index_mask;

	for (uint64_t i = (gap + 1) & mask; t->index[i]; i = (i + 1) & mask) {
		uint64_t home = connection_hash(t->index[i] & CONNECTION_KEY_MASK) & mask;

		if (((i - home) & mask) < ((i - gap) & mask))
			continue;
		t->index[gap] = t->index[i];
		gap = i;
	}
	t->index[gap] = 0;
}

enum control_status connection_table_delete(struct connection_table *t, struct endpoint client)
{
	uint64_t key = connection_key(client), *entry = connection_find(t, key, connection_hash(key)), *slot;
	uint32_t stage;

	if (!entry)
		return CONTROL_MISSING;
	slot = placed_find(t, key, &stage);
	MUST(slot && t->entries > 0);
	*slot = 0;
	index_remove(t, (uint64_t)(entry - t->index));
	t->entries--;
	return CONTROL_OK;
}

bool connection_table_take_hit(struct connection_table *t, struct endpoint client)
{
	uint64_t key = connection_key(client), *entry = connection_find(t, key, connection_hash(key));
	bool hit = entry && *entry & CONNECTION_HIT;

	if (hit)
		*entry &= ~CONNECTION_HIT;
	return hit;
}

bool connection_table_next(const struct connection_table *t, uint64_t *at, struct endpoint *client)
{
	while (*at <= t->index_mask) {
		uint64_t key = t->index[(*at)++];

		if (!key)
			continue;
		key &= CONNECTION_KEY_MASK;
		memcpy(client, &key, sizeof(*client));
		return true;
	}
	return false;
}

int connection_table_stage(const struct connection_table *t, struct endpoint client)
{
	uint32_t stage;

	return placed_find(t, connection_key(client), &stage) ? (int)stage : -1;
}
