/* SPDX-License-Identifier: BSD-2-Clause */
/* capacity.c: how many connections a geometry of SRAM holds (paper §4.2 and Table 1).
 *
 * A stage has RAM blocks of 1,024 words of 128 bits. An exact-match entry stores its key without
 * the "ghost" bits that its row address stands for, version bits, action data and one bit of
 * instruction. Table 1 comes out exactly for the paper's geometry:
 *
 *   a+b+c  51 bits, five in 256:       7 x 40 x 1,024 x 5 = 1,433,600
 *   a+c    two stages fewer:           5 x 40 x 1,024 x 5 = 1,024,000
 *   a+b    32-bit delta, three in 256: 7 x 40 x 1,024 x 3 =   860,160
 *   b+c    3.5 words a connection:     7 x 80 x 1,024 / 3.5 = 163,840
 *
 * The last row has no unique derivation: the paper does not give the fields of an uncompressed
 * entry, and every cost from 3.48 to 3.64 words prints as 0.16M. Ours follows from field widths.
 * A connection then needs one entry for each direction, each matching both endpoints (96 bits).
 * Action data above 32 bits does not fit beside the match and takes a slot of its own, rounded up
 * to a power of two. Inbound: server address, port and MAC, 96 bits -> 128. Outbound: VIP
 * address and port, 48 -> 64. With 91 match bits, one entry in each 128: 1 + 1 + 1 + 1/2 = 3.5.
 *
 * Pure arithmetic, bounds first. Refusal: -1 for a geometry outside what a chip can have, or
 * that holds not one entry. The result is whole match words: a multiple of entries_per_word. */
#include "switch_internal.h"

#define RAM_ROWS 1024
#define RAM_BITS 128
#define GHOST_BITS_MAX 10 /* 1,024 rows: the address has no more bits */
#define GROUPS_PER_BLOCK_MAX 5
#define WORD_BLOCKS_MAX 4
#define STAGES_LOST_WITHOUT_ARRANGEMENT 2

#define KEY_BITS 48 /* <CIP,CPort> */
#define KEY_BITS_UNCOMPRESSED 96
#define D_INDEX_BITS 8
#define DELTA_BITS 32
#define INSTRUCTION_BITS 1
#define ACTION_BITS_INBOUND 96
#define ACTION_BITS_OUTBOUND 48

/* Slots of action RAM are powers of two. */
static uint32_t action_slot_bits(uint32_t bits)
{
	uint32_t slot = 8;

	while (slot < bits)
		slot *= 2;
	return slot;
}

static uint32_t entry_bits(const struct config_geometry *g)
{
	uint32_t overhead = g->version_bits + INSTRUCTION_BITS;
	uint32_t ghost = MIN(g->ghost_bits, GHOST_BITS_MAX);

	if (!g->entry_compression)
		return KEY_BITS_UNCOMPRESSED - ghost + overhead;
	return KEY_BITS - ghost + overhead + D_INDEX_BITS + (g->backend_agent ? 0 : DELTA_BITS);
}

/* As a reduced fraction (Euclid). */
static void set_cost(struct capacity *out, uint32_t words, uint32_t connections)
{
	uint32_t a = words, b = connections;

	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	out->cost_words = words / a;
	out->cost_connections = connections / a;
}

/* `cost_words` RAM words hold `cost_connections` connections. */
static void cost(const struct config_geometry *g, struct capacity *out)
{
	uint32_t delta = g->backend_agent ? 0 : DELTA_BITS;
	uint32_t action;

	if (g->entry_compression) {
		set_cost(out, g->word_blocks, out->entries_per_word);
		return;
	}
	/* Two match words hold entries_per_word connections; their action data lies beside them. */
	action = action_slot_bits(ACTION_BITS_INBOUND + delta) + action_slot_bits(ACTION_BITS_OUTBOUND + delta);
	set_cost(out, 2 * RAM_BITS * (uint32_t)g->word_blocks + out->entries_per_word * action,
		 RAM_BITS * out->entries_per_word);
}

int capacity_compute(const struct config_geometry *g, struct capacity *out)
{
	uint32_t lost = g->table_arrangement ? 0 : STAGES_LOST_WITHOUT_ARRANGEMENT;
	uint64_t words;

	*out = (struct capacity){ 0 };
	if (g->stages > CONNECTION_STAGES_MAX || g->stages <= lost)
		return -1;
	if (g->word_blocks < 1 || g->word_blocks > WORD_BLOCKS_MAX || g->word_blocks > g->blocks)
		return -1;
	out->stages_used = g->stages - lost;
	out->entry_bits = entry_bits(g);
	out->word_bits = RAM_BITS * g->word_blocks;
	out->entries_per_word = MIN(out->word_bits / out->entry_bits, (uint32_t)GROUPS_PER_BLOCK_MAX * g->word_blocks);
	if (!out->entries_per_word)
		return -1;
	/* Compressed, a stage's blocks that make no whole word are lost; else action data takes them. */
	out->blocks_total = out->stages_used * g->blocks;
	if (g->entry_compression)
		out->blocks_total -= out->stages_used * (g->blocks % g->word_blocks);
	cost(g, out);
	words = (uint64_t)out->blocks_total * RAM_ROWS;
	out->connections = words * out->cost_connections / out->cost_words;
	out->connections -= out->connections % out->entries_per_word;
	return out->connections ? 0 : -1;
}
