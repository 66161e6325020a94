/* SPDX-License-Identifier: BSD-2-Clause */
/* simulation.c: worlds that cannot be: part of the second pass over a configuration. What one key
 * alone must be stands in keys_simulation.c; here is what keys must be together: a fault at a
 * front-end that there is, a distribution with its numbers, addresses that do not meet. */
#include <stdlib.h>
#include <string.h>

#include "load.h"
#include "miresga/size_file.h"

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
	const struct config *c = l->config;
	unsigned count = concerns[f->what].frontends  ? c->frontends.count
			 : concerns[f->what].backends ? c->backend_count
						      : 1;
	const char *what = concerns[f->what].frontends	? "front-end"
			   : concerns[f->what].backends ? "backend"
							: "switch";

	if (f->index >= count && !l->tree.partial)
		PROBLEM_AT(l, place_of(l, n, NULL, "index"), "index: there is no %s %u; they count from 0 to %u", what,
			   f->index, count - 1);
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

/* Is there anything that takes time on the way of every request? */
static bool takes_time(const struct config_simulation *s, const struct config_workload *w)
{
	const struct config_link *links[] = { &s->client_link, &s->frontend_link, &s->backend_link };
	const struct config_cpu *cores[] = { &s->frontend_cpu, &s->server_cpu };
	/* Nobody thinks behind the last request of a connection. */
	uint64_t sum = (w->requests > 1 ? w->think_ns : 0) + w->delay_ns + s->server_cpu.request_ns;

	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		sum += links[i]->delay_ns + links[i]->rate;
	for (size_t i = 0; i < ARRAY_LEN(cores); i++)
		sum += cores[i]->packet_ns + cores[i]->kib_ns;
	return sum > 0;
}

static void check_workload(struct loader *l, const struct node *n, const struct config_workload *w)
{
	const struct node *hosts = tree_find(&l->tree, n, "hosts");

	if (w->arrival == ARRIVAL_POISSON && w->rate == 0)
		PROBLEM_AT(l, place_of(l, n, NULL, "arrival"), "arrival: poisson needs a rate");
	if (w->arrival == ARRIVAL_CLOSED && w->rate > 0)
		PROBLEM_AT(l, place_of(l, n, NULL, "rate"), "rate: only arrival: poisson has one");
	/* It would go round for ever at one moment. */
	if (w->arrival == ARRIVAL_CLOSED && !takes_time(&l->config->simulation, w))
		PROBLEM_AT(l, place_of(l, n, NULL, "arrival"),
			   "arrival: a closed loop needs something that takes time: a link with a delay or a rate, a "
			   "core, "
			   "a think time between requests");
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
}
