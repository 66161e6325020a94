/* SPDX-License-Identifier: BSD-2-Clause */
/* tables.c: VIP Table, DIP Tables I and II, LB index table and routes, from the configuration.
 *
 * Filled once by switch_create(), only read by the data plane. DIP Table I is keyed by the
 * source endpoint *and* the ingress port: whoever forges a backend's address at the client port is
 * no backend. Routes: /32 per backend, everything else to the clients; the VIP itself is the
 * switch's own address and is routed to nobody (forwarding.c has one exception). Backends may share
 * an address, so what names a port is routed by it; what names none goes to the first of them. */
#include "switch_internal.h"

static uint64_t dip_one_key(struct endpoint src, uint16_t ingress_port)
{
	src.zero = ingress_port;
	return endpoint_word(src);
}

uint16_t tables_source_backend(const struct switch_tables *t, struct endpoint src, uint16_t ingress_port)
{
	return exact_find(&t->dip_one, dip_one_key(src, ingress_port));
}

uint16_t tables_route(const struct switch_tables *t, struct endpoint dst)
{
	uint16_t port = exact_find(&t->dip_port, endpoint_word(dst));

	return port != EXACT_NONE ? port : lpm_lookup(&t->lpm, dst.addr);
}

void tables_init(struct switch_tables *t, const struct config *config)
{
	MUST(config->backend_count <= BACKENDS_MAX);
	MUST(config->frontends.count >= 1 && config->frontends.count <= FRONTENDS_MAX);
	t->vip = config->vip;
	exact_init(&t->dip_one);
	exact_init(&t->dip_port);
	lpm_init(&t->lpm);
	for (uint16_t j = 0; j < config->backend_count; j++) {
		struct endpoint dip = config->backends[j].address;

		exact_insert(&t->dip_one, dip_one_key(dip, PORT_BACKEND(j)), j);
		exact_insert(&t->dip_port, endpoint_word(dip), PORT_BACKEND(j));
		t->dip_two[j] = dip;
		lpm_insert(&t->lpm, dip.addr, 32, PORT_BACKEND(j));
	}
	lpm_insert(&t->lpm, t->vip.addr, 32, LPM_REJECT);
	lpm_insert(&t->lpm, be32_from(0), 0, PORT_CLIENT);
	for (unsigned i = 0; i < config->frontends.count; i++)
		t->cookie_key[i] = config->cookie_key;
	/* A contiguous spread: each front-end has a run of LB indices, none more than one longer. */
	for (unsigned i = 0; i < ARRAY_LEN(t->lb_port); i++)
		t->lb_port[i] = (uint16_t)PORT_FRONTEND(i * config->frontends.count / ARRAY_LEN(t->lb_port));
}
