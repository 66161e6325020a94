/* SPDX-License-Identifier: BSD-2-Clause */
/* connection_query.c: stage 4, the Offloaded Connection Table: hit, D index, hit bit.
 *
 * The cache lines of a whole batch are fetched before the first key is compared, so that the batch
 * waits for memory once and not once per packet.
 *
 * An outbound packet hits only if its own backend is the one that the entry names: what a
 * connection's old backend still sends after a move must be seen by the front-end. Refusals: none. */
#include "../switch_internal.h"

static bool has_entry_to_query(const struct packet *p)
{
	return p->fate == FATE_FORWARD && p->phv.direction != DIRECTION_NONE && p->phv.ip_proto == IP_PROTO_TCP;
}

static void query(const struct connection_table *t, struct packet *p, uint64_t hash)
{
	uint64_t *entry = connection_find(t, connection_key(p->phv.client), hash);

	if (!entry)
		return;
	if (p->phv.direction == DIRECTION_OUTBOUND && p->phv.source_d_index != connection_d_index(*entry))
		return;
	p->phv.hit = true;
	p->phv.hit_d_index = connection_d_index(*entry);
	/* Written only if it changes, so that the line stays clean. */
	if (!(*entry & CONNECTION_HIT))
		*entry |= CONNECTION_HIT;
}

BREAKABLE void stage_connection_query_run(struct switch_model *sw, struct batch *b, uint64_t now_ns)
{
	const struct connection_table *t = &sw->connections;
	struct packet *queried[BATCH_MAX];
	uint64_t hash[BATCH_MAX];
	uint32_t n = 0;

	(void)now_ns;
	for (uint32_t i = 0; i < b->count; i++) {
		if (!has_entry_to_query(b->pkt[i]))
			continue;
		queried[n] = b->pkt[i];
		hash[n] = connection_hash(connection_key(b->pkt[i]->phv.client));
		connection_prefetch(t, hash[n++]);
	}
	for (uint32_t i = 0; i < n; i++)
		query(t, queried[i], hash[i]);
}
