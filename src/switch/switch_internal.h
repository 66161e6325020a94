/* SPDX-License-Identifier: BSD-2-Clause */
/* switch_internal.h: what the files of the switch share: tables, control plane, the model itself.
 * Nobody but src/switch and its tests includes it. */
#ifndef SWITCH_INTERNAL_H
#define SWITCH_INTERNAL_H

#include "miresga/switch.h"

/* --- exact-match table: DIP Table I, and the prefixes of the LPM table ------------------------ */

#define EXACT_SLOTS 1024 /* a power of two, more than twice what is ever inserted */
#define EXACT_NONE 0xffff
struct exact_table {
	uint64_t key[EXACT_SLOTS];
	uint16_t value[EXACT_SLOTS]; /* EXACT_NONE: free */
	uint32_t count;
};
void exact_init(struct exact_table *t);
/* The first value of a key stays. At most EXACT_SLOTS / 2 keys. */
void exact_insert(struct exact_table *t, uint64_t key, uint16_t value);

static inline uint32_t exact_slot(uint64_t key)
{
	return (uint32_t)hash_mix64(key) & (EXACT_SLOTS - 1);
}

/* The key's value, or EXACT_NONE. */
static inline uint16_t exact_find(const struct exact_table *t, uint64_t key)
{
	uint32_t i = exact_slot(key);

	while (t->value[i] != EXACT_NONE && t->key[i] != key)
		i = (i + 1) & (EXACT_SLOTS - 1);
	return t->value[i];
}

/* --- longest prefix match -------------------------------------------------------------------- */

#define LPM_NO_ROUTE EXACT_NONE
/* A route that says: to nobody. */
#define LPM_REJECT (EXACT_NONE - 1)
struct lpm_table {
	struct exact_table prefixes;
	uint8_t lengths[33]; /* those in use, longest first */
	uint8_t length_count;
};
void lpm_init(struct lpm_table *t);
/* `length` 0..32; bits of `addr` beyond it do not matter. `port` is below LPM_REJECT, or LPM_REJECT. */
void lpm_insert(struct lpm_table *t, be32 addr, unsigned length, uint16_t port);
/* The port of the longest matching prefix; LPM_NO_ROUTE if none matches or the route rejects. */
uint16_t lpm_lookup(const struct lpm_table *t, be32 addr);

/* --- VIP Table, DIP Tables I and II, LB index -------------------------------------------------- */

struct switch_tables {
	struct endpoint vip;		       /* VIP Table: its one row */
	struct exact_table dip_one;	       /* DIP Table I: source endpoint and ingress port -> D index */
	struct endpoint dip_two[BACKENDS_MAX]; /* DIP Table II: D index -> endpoint */
	uint16_t lb_port[256];		       /* LB index -> port of a front-end */
	struct siphash_key cookie_key[FRONTENDS_MAX];
	struct exact_table dip_port; /* DIP: endpoint -> port, for backends that share an address */
	struct lpm_table lpm;
};
void tables_init(struct switch_tables *t, const struct config *config);
/* D index of the backend `src` that sits behind `ingress_port`, or EXACT_NONE. */
uint16_t tables_source_backend(const struct switch_tables *t, struct endpoint src, uint16_t ingress_port);

/* Where `dst` is reached: a backend by address and port, all else by longest prefix match on the
 * address. LPM_NO_ROUTE if nowhere. */
uint16_t tables_route(const struct switch_tables *t, struct endpoint dst);

static inline bool port_is_frontend(uint16_t port)
{
	return port >= PORT_FRONTEND(0) && port < PORT_BACKEND(0);
}

/* --- Offloaded Connection Table ---------------------------------------------------------------- */

#define CONNECTION_STAGES_MAX 20
/* What the chip's driver does for one insertion. */
#define CUCKOO_MOVES_MAX 8
#define CUCKOO_QUEUE_MAX 50000
#define CONNECTION_KEY_MASK UINT64_C(0x0000ffffffffffff)
#define CONNECTION_D_SHIFT 48
#define CONNECTION_HIT (UINT64_C(1) << 62)
#define CONNECTION_VALID (UINT64_C(1) << 63)

struct connection_stage {
	uint32_t first, buckets;
};

struct cuckoo_node;
/* Two views of the same keys. `placed`: where each stands in the chip; it decides what fits, only the
 * control plane reads it. `index`: what a lookup finds. The chip searches all its stages at once, a
 * processor would wait for a cache line per stage; the index takes one. */
struct connection_table {
	uint64_t *index; /* key, D index, hit, valid; linear probing, 0: free */
	uint32_t index_mask;
	uint32_t entries;
	uint64_t capacity;
	uint64_t moves;
	uint64_t *placed; /* key, valid; buckets of 2^stride_log2 words, of which `slots` hold entries */
	uint32_t stages;
	uint32_t slots;
	uint32_t stride_log2;
	struct connection_stage stage[CONNECTION_STAGES_MAX];
	struct cuckoo_node *queue;
};

/* 0, or -1 if memory is short. */
int connection_table_init(struct connection_table *t, const struct capacity *capacity);
void connection_table_fini(struct connection_table *t);
/* CONTROL_OK, CONTROL_EXISTS or CONTROL_FULL. */
enum control_status connection_table_add(struct connection_table *t, struct endpoint client, uint8_t d_index);
/* CONTROL_OK or CONTROL_MISSING. */
enum control_status connection_table_delete(struct connection_table *t, struct endpoint client);
/* Reads and clears a key's hit bit, for ageing; false also if the key is not there. */
bool connection_table_take_hit(struct connection_table *t, struct endpoint client);
/* The next key at or behind place *at of the index, and moves *at behind it; false at the end. */
bool connection_table_next(const struct connection_table *t, uint64_t *at, struct endpoint *client);
/* The stage in which the chip holds a key; -1 if it does not. */
int connection_table_stage(const struct connection_table *t, struct endpoint client);

static inline uint64_t connection_key(struct endpoint client)
{
	return endpoint_word(client) & CONNECTION_KEY_MASK;
}

static inline uint64_t connection_hash(uint64_t key)
{
	return hash_mix64(key);
}

/* For batches: all prefetched first, then all found. `hash` is connection_hash(key). */
static inline void connection_prefetch(const struct connection_table *t, uint64_t hash)
{
	PREFETCH(&t->index[hash & t->index_mask]);
}

/* The index's entry of `key`, or NULL. */
static inline uint64_t *connection_find(const struct connection_table *t, uint64_t key, uint64_t hash)
{
	for (uint64_t i = hash & t->index_mask; t->index[i]; i = (i + 1) & t->index_mask)
		if ((t->index[i] & CONNECTION_KEY_MASK) == key)
			return &t->index[i];
	return NULL;
}

static inline uint8_t connection_d_index(uint64_t entry)
{
	return (uint8_t)(entry >> CONNECTION_D_SHIFT);
}

/* --- control plane ------------------------------------------------------------------------------ */

struct control_waiting {
	struct control_op op;
	uint64_t asked_ns;
	uint64_t ready_ns; /* not before this time, whatever the rate */
};

struct control_plane {
	struct control_waiting *ring;
	uint32_t size, head, count;
	uint64_t latency_ns, interval_ns;
	uint64_t free_ns; /* the driver is busy until then, or stalled */
	uint64_t busy_ns; /* it has been with what took effect, the last operation's whole time included */
	uint64_t busy_until_ns;
	bool quirk_c3;
	struct control_trouble trouble;
};

/* 0, or -1 if memory is short. */
int control_plane_init(struct control_plane *c, const struct config *config);
void control_plane_fini(struct control_plane *c);

/* --- the switch ---------------------------------------------------------------------------------- */

#define STEER_KEY_BITS 13

struct switch_model {
	const struct config *config;
	struct switch_tables tables;
	struct connection_table connections;
	struct control_plane control;
	struct switch_stats stats;
	/* The ternary table expanded: the row that matches each possible key. */
	uint8_t steering[1 << STEER_KEY_BITS];
};

/* Locally administered MAC addresses: the switch's own, and the neighbour's on each port. */
void switch_own_mac(uint8_t mac[ETH_ADDR_LEN]);
void switch_neighbour_mac(uint16_t port, uint8_t mac[ETH_ADDR_LEN]);

/* Drops with the counter and the stage that decided. */
void switch_drop(struct switch_model *sw, struct packet *p, enum stage_id stage, enum drop_reason why);
/* Sender and receiver of the TCP segment that an ICMP error quotes; false if `p` is no such error (RFC 5508: ports are
 * in the first 8 bytes). */
bool switch_quoted_tcp(const struct packet *p, struct endpoint *sender, struct endpoint *receiver);
/* Fills sw->steering from switch_steering[]. */
void steering_init(struct switch_model *sw);

#define X(name, gress, text) void stage_##name##_run(struct switch_model *sw, struct batch *b, uint64_t now_ns);
SWITCH_STAGES(X)
#undef X

#endif
