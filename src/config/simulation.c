/* SPDX-License-Identifier: BSD-2-Clause */
/* simulation.c: worlds that cannot be: part of the second pass over a configuration. What one key
 * alone must be stands in keys_simulation.c; here is what keys must be together: a fault at a
 * front-end that there is, a distribution with its numbers, addresses that do not meet. */
#include <stdlib.h>
#include <string.h>

#include "keys.h"
#include "load.h"
#include "miresga/size_file.h"
#include "miresga/wire.h"

/* The key of an element, or the element itself where the key is missing. */
static const struct node *place_of(struct loader *l, const struct node *element, const char *section, const char *key)
{
	const struct node *within = section ? tree_find(&l->tree, element, section) : element;
	const struct node *n = tree_find(&l->tree, within, key);

	return n ? n : within ? within : element;
}

static void check_fault(struct loader *l, const struct node *n, const struct config_fault *f)
{
	static const struct {
		bool frontends, backends;
	} concerns[SIM_FAULT_COUNT] = {
		[SIM_FAULT_FRONTEND_KILL] = { .frontends = true },  [SIM_FAULT_FRONTEND_PAUSE] = { .frontends = true },
		[SIM_FAULT_RING_FULL] = { .frontends = true },	    [SIM_FAULT_AGENT_RESTART] = { .backends = true },
		[SIM_FAULT_BACKEND_DEAD] = { .backends = true },    [SIM_FAULT_BACKEND_SLOW] = { .backends = true },
		[SIM_FAULT_BACKEND_REFUSES] = { .backends = true },
	};
	bool frontends = concerns[f->what].frontends;
	unsigned count = frontends ? l->config->frontends.count : l->config->backend_count;

	if ((frontends || concerns[f->what].backends) && f->index >= count && !l->tree.partial)
		PROBLEM_AT(l, place_of(l, n, NULL, "index"), "index: there is no %s %u; they count from 0 to %u",
			   frontends ? "front-end" : "backend", f->index, count - 1);
}

static void check_sizes(struct loader *l, const struct node *n, const struct config_workload *w)
{
	const struct node *place = place_of(l, n, "responses", "sizes");
	char error[SIZE_FILE_ERROR_MAX];
	uint64_t *sizes;
	uint32_t count;

	if (w->sizes == SIZES_TABLE && w->size_count == 0)
		PROBLEM_AT(l, place, "sizes: table needs a list of sizes in `table`");
	if (w->sizes == SIZES_LOGNORMAL && w->size == 0)
		PROBLEM_AT(l, place_of(l, n, "responses", "size"), "size: the median of a lognormal is not 0");
	if (w->sizes != SIZES_FILE)
		return;
	if (!w->size_file[0]) {
		PROBLEM_AT(l, place, "sizes: file needs the name of one in `file`");
		return;
	}
	sizes = size_file_read(w->size_file, &count, error);
	if (!sizes)
		PROBLEM_AT(l, place_of(l, n, "responses", "file"), "file: %s", error);
	free(sizes);
}

/* Was something within the node refused already? What follows from that is not reported again. */
static bool has_problem(const struct loader *l, const struct node *n)
{
	const struct node *end = n;

	while ((end->kind == NODE_LIST || end->kind == NODE_MAPPING) && end->last)
		end = tree_node(&l->tree, end->last);
	return problems_within(&l->problems, (const unsigned[]){ n->line, n->column },
			       (const unsigned[]){ end->line, end->column });
}

static void check_needs(struct loader *l, const struct config_section *section, const struct node *mapping,
			const uint8_t *base);

static void check_elements(struct loader *l, const struct config_key *key, const struct node *list, const uint8_t *base)
{
	const struct node *n = list->kind == NODE_LIST ? tree_first(&l->tree, list) : NULL;
	uint16_t count;

	memcpy(&count, base + key->count_offset, sizeof(count));
	for (unsigned i = 0; n && i < count; i++, n = tree_next(&l->tree, n))
		if (!has_problem(l, n))
			check_needs(l, key->section, n, base + key->offset + (size_t)i * key->width);
}

/* Keys that stand there for nothing; as deep as the tables nest. */
static void check_needs(struct loader *l, const struct config_section *section, const struct node *mapping,
			const uint8_t *base)
{
	const struct node *v;

	if (!mapping || mapping->kind != NODE_MAPPING)
		return;
	for (const struct node *k = tree_first(&l->tree, mapping); k; k = v ? tree_next(&l->tree, v) : NULL) {
		const struct config_key *key = k->kind == NODE_SCALAR ? config_key_find(section, k->text) : NULL;
		const struct config_need *unmet = key ? config_key_unmet(key, base) : NULL;

		v = tree_next(&l->tree, k);
		if (!v || !key)
			continue;
		if (unmet)
			PROBLEM_AT(l, v, "%s: has no effect without %s", key->name, unmet->text);
		else if (key->kind == CONFIG_KIND_LIST)
			check_elements(l, key, v, base);
		else if (key->kind == CONFIG_KIND_SECTION && !has_problem(l, v))
			check_needs(l, key->section, v, base + key->offset);
	}
}

/* The least that a packet of TCP is: a core's cost by the KiB is rounded down, and may be none for it. */
#define PACKET_LEAST (sizeof(struct eth_hdr) + sizeof(struct ipv4_hdr) + sizeof(struct tcp_hdr))

/* Is there anything that takes time on the way of every request? */
static bool takes_time(const struct config_simulation *s, const struct config_workload *w)
{
	const struct config_link *links[] = { &s->client_link, &s->frontend_link, &s->backend_link };
	const struct config_cpu *cores[] = { &s->frontend_cpu, &s->server_cpu };
	uint64_t sum = workload_think_ns(w) + w->delay_ns + s->server_cpu.request_ns;

	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		sum += links[i]->delay_ns + links[i]->rate;
	for (size_t i = 0; i < ARRAY_LEN(cores); i++)
		sum += cores[i]->packet_ns + cores[i]->kib_ns * PACKET_LEAST / 1024;
	return sum > 0;
}

/* A closed loop in which nothing takes time would go round for ever at one moment. */
static void check_time(struct loader *l, const struct node *n, const struct config_workload *w)
{
	static const char *const paths[] = { "simulation.cores.frontend.kib", "simulation.cores.server.kib" };
	const struct config_simulation *s = &l->config->simulation;
	const uint64_t kib_ns[] = { s->frontend_cpu.kib_ns, s->server_cpu.kib_ns };

	/* What is wrong elsewhere may be just what would take time. */
	if (w->arrival != ARRIVAL_CLOSED || takes_time(s, w) || has_problem(l, tree_path(&l->tree, "simulation")))
		return;
	PROBLEM_AT(l, place_of(l, n, NULL, "arrival"),
		   "arrival: a closed loop needs something that takes time: a link with a delay or a rate, a core, a "
		   "think time between requests");
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		if (kib_ns[i])
			PROBLEM_AT(l, tree_path(&l->tree, paths[i]),
				   "kib: takes no time for a packet of %zu bytes, the shortest: less than 1ns",
				   PACKET_LEAST);
}

static void check_workload(struct loader *l, const struct node *n, const struct config_workload *w)
{
	const struct node *hosts = tree_find(&l->tree, n, "hosts");

	if (w->arrival == ARRIVAL_POISSON && w->rate == 0 && !has_problem(l, n))
		PROBLEM_AT(l, place_of(l, n, NULL, "arrival"), "arrival: poisson needs a rate");
	check_time(l, n, w);
	if (w->upload_chance > 0 && w->upload == 0)
		PROBLEM_AT(l, place_of(l, n, "uploads", "chance"), "chance: uploads of 0 bytes are none; set size too");
	if (hosts && hosts->kind == NODE_LIST)
		for (const struct node *h = tree_first(&l->tree, hosts); h; h = tree_next(&l->tree, h))
			if (h->kind == NODE_SCALAR && h->text[0] == '*')
				PROBLEM_AT(l, h, "hosts: a request names one host, without a wildcard");
	check_sizes(l, n, w);
}

static bool is_client(const struct config *c, struct endpoint e)
{
	return be32_to(e.addr) - CLIENT_HOST_FIRST < c->simulation.client_hosts;
}

/* What the clients need: addresses of their own, and a port for each connection. */
static void check_clients(struct loader *l, const struct node *simulation)
{
	const struct config *c = l->config;
	uint64_t connections = 0;
	bool meets = is_client(c, c->vip);

	for (unsigned i = 0; i < c->backend_count; i++)
		meets |= is_client(c, c->backends[i].address);
	for (unsigned i = 0; i < c->simulation.workload_count; i++)
		connections += c->simulation.workloads[i].connections;
	if (meets)
		PROBLEM_AT(l, place_of(l, simulation, NULL, "clients"),
			   "clients: the VIP or a backend has one of their addresses, which are 100.64.0.1 and the "
			   "%u behind it",
			   c->simulation.client_hosts - 1);
	if (connections > (uint64_t)c->simulation.client_hosts * c->simulation.client_ports)
		PROBLEM_AT(l, place_of(l, simulation, NULL, "clients"),
			   "clients: %llu connections at once need more addresses: %u fit on each",
			   (unsigned long long)connections, c->simulation.client_ports);
}

void loader_check_simulation(struct loader *l)
{
	const struct node *simulation = tree_path(&l->tree, "simulation");
	const struct node *faults = tree_find(&l->tree, simulation, "faults");
	const struct node *workloads = tree_find(&l->tree, simulation, "workloads");
	const struct config_simulation *s = &l->config->simulation;
	const struct node *n;

	if (!simulation || simulation->kind != NODE_MAPPING)
		return;
	n = faults && faults->kind == NODE_LIST ? tree_first(&l->tree, faults) : NULL;
	for (unsigned i = 0; n && i < s->fault_count; i++, n = tree_next(&l->tree, n))
		check_fault(l, n, &s->faults[i]);
	n = workloads && workloads->kind == NODE_LIST ? tree_first(&l->tree, workloads) : NULL;
	for (unsigned i = 0; n && i < s->workload_count; i++, n = tree_next(&l->tree, n))
		check_workload(l, n, &s->workloads[i]);
	check_clients(l, simulation);
	if (!l->tree.partial)
		check_needs(l, &config_simulation_section, simulation, (const uint8_t *)s);
}
