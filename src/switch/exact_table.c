/* SPDX-License-Identifier: BSD-2-Clause */
/* exact_table.c: a small exact-match table (open addressing, linear probing).
 *
 * Filled once when the switch is created, read ever after; nothing is removed. Never more than
 * half full, so that a miss ends soon. Refusals: none; a second value for a key is ignored, as
 * the configuration lists what counts first. */
#include "switch_internal.h"

void exact_init(struct exact_table *t)
{
	t->count = 0;
	for (uint32_t i = 0; i < EXACT_SLOTS; i++) {
		t->key[i] = 0;
		t->value[i] = EXACT_NONE;
	}
}

void exact_insert(struct exact_table *t, uint64_t key, uint16_t value)
{
	uint32_t i = exact_slot(key);

	MUST(value != EXACT_NONE && t->count <= EXACT_SLOTS / 2);
	for (; t->value[i] != EXACT_NONE; i = (i + 1) & (EXACT_SLOTS - 1))
		if (t->key[i] == key)
			return;
	t->key[i] = key;
	t->value[i] = value;
	t->count++;
}
