/* SPDX-License-Identifier: BSD-2-Clause */
/* pipeline.c: the switch: its stage array, its life-cycle, and the run of a batch.
 *
 * switch_create() takes all memory; then only switch_run() and the control plane touch the model.
 * Every packet of a batch leaves with a fate. Inside the pipeline, FATE_REPLY marks a packet that
 * was answered where it came in and skips what is left of the pipeline (the chip's
 * bypass_egress); outside it is forwarded like any other.
 *
 * Invariants: stages keep no state between batches but tables and counters, and treat each packet
 * on its own, so what leaves does not depend on how packets are batched. The switch leaves TTLs
 * alone: all its hops are one load balancer. Refusals: drop reasons, counted in stats.drops[]. */
#include "switch_internal.h"

#include <stdlib.h>

/* "MR" in the locally administered range; own: 02:4d:52:00:00:00. */
#define MAC_PREFIX 0x02, 0x4d, 0x52
#define MAC_NEIGHBOUR 0x01

const struct stage switch_pipeline[STAGE_COUNT] = {
#define X(name_, gress_, text_) \
	[STAGE_##name_] = { .name = #name_, .gress = #gress_, .text = text_, .run = stage_##name_##_run },
	SWITCH_STAGES(X)
#undef X
};

void switch_own_mac(uint8_t mac[ETH_ADDR_LEN])
{
	static const uint8_t own[ETH_ADDR_LEN] = { MAC_PREFIX, 0, 0, 0 };

	memcpy(mac, own, ETH_ADDR_LEN);
}

void switch_neighbour_mac(uint16_t port, uint8_t mac[ETH_ADDR_LEN])
{
	const uint8_t neighbour[ETH_ADDR_LEN] = { MAC_PREFIX, MAC_NEIGHBOUR, (uint8_t)(port >> 8), (uint8_t)port };

	memcpy(mac, neighbour, ETH_ADDR_LEN);
}

BREAKABLE void switch_drop(struct switch_model *sw, struct packet *p, enum stage_id stage, enum drop_reason why)
{
	packet_drop(p, why);
	p->note.stage = (uint8_t)stage;
	sw->stats.drops[why]++;
}

struct switch_model *switch_create(const struct config *config)
{
	struct capacity capacity;
	struct switch_model *sw;

	if (capacity_compute(&config->sw.geometry, &capacity) != 0)
		return NULL;
	sw = calloc(1, sizeof(*sw));
	if (!sw)
		return NULL;
	sw->config = config;
	tables_init(&sw->tables, config);
	steering_init(sw);
	if (connection_table_init(&sw->connections, &capacity) != 0 || control_plane_init(&sw->control, config) != 0) {
		switch_free(sw);
		return NULL;
	}
	return sw;
}

void switch_free(struct switch_model *sw)
{
	if (!sw)
		return;
	control_plane_fini(&sw->control);
	connection_table_fini(&sw->connections);
	free(sw);
}

BREAKABLE void switch_run(struct switch_model *sw, struct batch *b, uint64_t now_ns)
{
	MUST(b->count <= BATCH_MAX);
	for (uint32_t i = 0; i < b->count; i++) {
		struct packet *p = b->pkt[i];

		p->fate = FATE_FORWARD;
		p->drop = DROP_NONE;
		p->note = (struct packet_note){ 0 };
	}
	for (unsigned s = 0; s < STAGE_COUNT; s++)
		switch_pipeline[s].run(sw, b, now_ns);
	for (uint32_t i = 0; i < b->count; i++)
		if (UNLIKELY(b->pkt[i]->fate == FATE_REPLY))
			b->pkt[i]->fate = FATE_FORWARD;
}

int switch_lookup(const struct switch_model *sw, struct endpoint client)
{
	uint64_t key = connection_key(client);
	const uint64_t *entry = connection_find(&sw->connections, key, connection_hash(key));

	return entry ? connection_d_index(*entry) : -1;
}

bool switch_next_entry(const struct switch_model *sw, uint64_t *at, struct endpoint *client)
{
	return connection_table_next(&sw->connections, at, client);
}

unsigned switch_frontend_of(const struct switch_model *sw, struct endpoint client)
{
	return sw->tables.lb_port[hash_lb_index(client)] - PORT_FRONTEND(0);
}

void switch_set_cookie_key(struct switch_model *sw, unsigned frontend, const struct siphash_key *key)
{
	MUST(frontend < sw->config->frontends.count);
	sw->tables.cookie_key[frontend] = *key;
}

const struct switch_stats *switch_stats(const struct switch_model *sw)
{
	return &sw->stats;
}
