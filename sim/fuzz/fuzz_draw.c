/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz_draw.c: the world of a seed.
 *
 * Every choice comes from a short list of values that matter: usual ones, and those at which
 * something gives way (a table of one place, a queue of one operation, a window scale of 0, a
 * response just at the threshold). Most worlds have little wrong with them, some have much: a
 * fault hides behind another one. Worlds are small, some hundred requests, so that many can be
 * run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/fuzz.h"
#include "miresga/prng.h"
#include "miresga/tcp.h"

#define VIP "10.0.1.10:80"
#define BACKENDS_DRAWN 5
#define POOLS_DRAWN 3
#define ROUND_TRIPS 8

struct draw {
	struct prng chance;
	struct config *c;
};

/* One of the values of an array. */
#define PICK(d, array) ((array)[prng_below(&(d)->chance, ARRAY_LEN(array))])

static uint32_t between(struct draw *d, uint32_t least, uint32_t most)
{
	return least + prng_below(&d->chance, most - least + 1);
}

static bool one_in(struct draw *d, uint32_t n)
{
	return prng_below(&d->chance, n) == 0;
}

/* --- the system ----------------------------------------------------------------------------- */

static void draw_backends(struct draw *d)
{
	struct config *c = d->c;
	char address[ENDPOINT_TEXT_MAX];

	c->backend_count = (uint16_t)between(d, 1, BACKENDS_DRAWN);
	for (unsigned i = 0; i < c->backend_count; i++) {
		struct config_backend *b = &c->backends[i];

		snprintf(b->name, sizeof(b->name), "web%u", i + 1);
		snprintf(address, sizeof(address), "198.19.7.%u:80", i + 1);
		MUST(!endpoint_parse(address, &b->address));
		b->weight = (uint16_t)(one_in(d, 4) ? between(d, 2, 5) : 1);
	}
}

static void draw_pools(struct draw *d)
{
	struct config *c = d->c;

	c->pool_count = (uint16_t)between(d, 1, POOLS_DRAWN);
	for (unsigned i = 0; i < c->pool_count; i++) {
		struct config_pool *p = &c->pools[i];

		snprintf(p->name, sizeof(p->name), "pool%u", i + 1);
		for (unsigned j = 0; j < c->backend_count; j++)
			if (!one_in(d, 3))
				p->members[p->member_count++] = (uint8_t)j;
		if (!p->member_count)
			p->members[p->member_count++] = (uint8_t)prng_below(&d->chance, c->backend_count);
	}
}

static void draw_rules(struct draw *d)
{
	static const enum offload_mode modes[] = { OFFLOAD_AUTO, OFFLOAD_AUTO, OFFLOAD_ALWAYS, OFFLOAD_NEVER };
	struct config *c = d->c;

	for (unsigned i = 0; i < c->pool_count; i++) {
		struct config_rule *r = &c->rules[c->rule_count++];

		snprintf(r->host, sizeof(r->host), "h%u.test", i + 1);
		r->pool = (uint8_t)i;
		r->offload = PICK(d, modes);
	}
	if (!one_in(d, 4))
		c->rules[c->rule_count++] = (struct config_rule){ .pool = 0, .offload = PICK(d, modes) };
}

static void draw_switch(struct draw *d)
{
	static const uint8_t scales[] = { 0, 2, 7, 7, 7, 10, 14 };
	static const uint16_t segments[] = { 536, 1000, 1460, 1460, 1460 };
	static const uint16_t windows[] = { 1460, 8192, 65535, 65535 };
	static const uint32_t rates[] = { 50, 1000, 200000, 200000 };
	static const uint64_t latencies[] = { 0, 50 * NS_PER_US, NS_PER_MS, NS_PER_MS, 80 * NS_PER_MS };
	static const uint32_t queues[] = { 1, 3, 64, 65536, 65536 };
	static const uint16_t batches[] = { 1, 7, 32, 256 };
	struct config_switch *sw = &d->c->sw;

	sw->wscale = PICK(d, scales);
	sw->mss = PICK(d, segments);
	sw->window = PICK(d, windows);
	sw->timestamps = one_in(d, 3);
	sw->ecn = one_in(d, 4);
	sw->insertion_rate = PICK(d, rates);
	sw->insertion_latency_ns = PICK(d, latencies);
	sw->control_queue = PICK(d, queues);
	sw->batch = PICK(d, batches);
}

static void draw_rest(struct draw *d)
{
	static const uint64_t thresholds[] = { 1, 1000, 8192, 65536, 65536 };
	static const uint32_t flows[] = { 2, 16, 4096, 4096, 4096 };
	static const uint32_t buffers[] = { 1, 8, 1024, 1024, 1024 };
	static const uint32_t entries[] = { 2, 16, 102400, 102400, 102400 };
	static const uint64_t requests[] = { NS_PER_S, 10 * NS_PER_S, 60 * NS_PER_S };
	static const uint64_t idles[] = { 5 * NS_PER_S, 60 * NS_PER_S, 7440 * NS_PER_S };
	/* Shorter than a retransmission, a request that comes again would begin anew (docs/faults.md). */
	static const uint64_t lingers[] = { 5 * NS_PER_S, 10 * NS_PER_S, 60 * NS_PER_S };
	static const uint64_t first_retries[] = { 200 * NS_PER_MS, NS_PER_S, NS_PER_S };
	struct config *c = d->c;

	c->frontends.count = (uint16_t)between(d, 1, 3);
	c->frontends.flows_max = PICK(d, flows);
	c->frontends.buffers = PICK(d, buffers);
	c->http.strictness = one_in(d, 2) ? STRICTNESS_STRICT : STRICTNESS_LENIENT;
	c->offload_threshold = PICK(d, thresholds);
	c->agent.entries_max = PICK(d, entries);
	c->timeouts.request_ns = PICK(d, requests);
	c->timeouts.established_ns = PICK(d, idles);
	c->timeouts.closing_ns = PICK(d, idles);
	c->timeouts.linger_ns = PICK(d, lingers);
	c->timeouts.rto_ns = PICK(d, first_retries);
	c->timeouts.retries = (uint8_t)between(d, 1, 6);
}

/* --- the world around it -------------------------------------------------------------------- */

/* How much is wrong with the links of this world: none, little, much. */
static const uint32_t mischief[][4] = {
	{ 0 },
	{ 0, 0, 0, CHANCE_ALWAYS / 500 },
	{ 0, CHANCE_ALWAYS / 1000, CHANCE_ALWAYS / 50, CHANCE_ALWAYS / 20 },
	{ 0, CHANCE_ALWAYS / 100, CHANCE_ALWAYS / 10, CHANCE_ALWAYS / 5 },
};

static void draw_link(struct draw *d, struct config_link *l, const uint32_t chances[4])
{
	static const uint64_t rates[] = { 0, 10000000, 100000000, 1000000000, 10000000000 };
	static const uint64_t delays[] = { 0, 10 * NS_PER_US, 300 * NS_PER_US, 5 * NS_PER_MS, 60 * NS_PER_MS };
	static const uint64_t queues[] = { 65600, 200000, 1 << 20, 1 << 20 };
	static const uint64_t later[] = { 20 * NS_PER_US, 2 * NS_PER_MS, 40 * NS_PER_MS };
	uint32_t *const chance[] = { &l->loss, &l->duplicate, &l->reorder, &l->spike, &l->corrupt };

	l->rate = PICK(d, rates);
	l->delay_ns = PICK(d, delays);
	l->queue = PICK(d, queues);
	l->reorder_ns = PICK(d, later);
	l->spike_ns = 5 * PICK(d, later);
	for (unsigned i = 0; i < ARRAY_LEN(chance); i++)
		*chance[i] = chances[prng_below(&d->chance, 4)];
	l->spike /= 10;
	l->corrupt /= 4;
}

static void draw_core(struct draw *d, struct config_cpu *cpu)
{
	static const uint64_t packets[] = { 0, 0, 200, 3000, 20000 };
	static const uint64_t kibs[] = { 0, 0, 100, 1000 };
	static const uint64_t requests[] = { 0, 10 * NS_PER_US, NS_PER_MS };
	static const uint32_t queues[] = { 16, 512, 4096, 4096 };

	cpu->packet_ns = PICK(d, packets);
	cpu->kib_ns = PICK(d, kibs);
	cpu->request_ns = PICK(d, requests);
	cpu->queue = PICK(d, queues);
}

static void draw_faults(struct draw *d)
{
	static const uint64_t lasts[] = { NS_PER_MS, 30 * NS_PER_MS, 400 * NS_PER_MS, 3 * NS_PER_S };
	static const uint32_t factors[] = { 1, 2, 10, 100 };
	struct config_simulation *s = &d->c->simulation;

	s->fault_count = (uint16_t)(one_in(d, 2) ? 0 : between(d, 1, 4));
	for (unsigned i = 0; i < s->fault_count; i++) {
		struct config_fault *f = &s->faults[i];
		bool frontend;

		f->what = (enum sim_fault)prng_below(&d->chance, SIM_FAULT_COUNT);
		frontend = f->what == SIM_FAULT_FRONTEND_KILL || f->what == SIM_FAULT_FRONTEND_PAUSE ||
			   f->what == SIM_FAULT_RING_FULL;
		if (f->what >= SIM_FAULT_FRONTEND_KILL)
			f->index = (uint16_t)prng_below(&d->chance,
							frontend ? d->c->frontends.count : d->c->backend_count);
		f->at_ns = prng_below(&d->chance, (uint32_t)s->duration_ns);
		f->for_ns = PICK(d, lasts);
		f->factor = PICK(d, factors);
	}
}

/* Hosts that rules name, and sometimes one that none does. */
static void draw_hosts(struct draw *d, struct config_workload *w)
{
	const struct config *c = d->c;
	unsigned count = between(d, 1, 3);

	for (unsigned i = 0; i < count; i++) {
		const struct config_rule *r = &c->rules[prng_below(&d->chance, c->rule_count)];
		char *host = w->hosts[w->host_count++];

		if (one_in(d, 12))
			snprintf(host, CONFIG_HOST_MAX, "nobody.test");
		else if (r->host[0] == '*')
			snprintf(host, CONFIG_HOST_MAX, "x%.*s", CONFIG_HOST_MAX - 3, &r->host[1]);
		else
			snprintf(host, CONFIG_HOST_MAX, "%s", r->host[0] ? r->host : "any.test");
	}
}

static void draw_sizes(struct draw *d, struct config_workload *w)
{
	static const uint64_t usual[] = { 0, 1, 500, 1460, 8191, 8192, 40000, 65535, 65536, 150000 };

	w->sizes = one_in(d, 2) ? SIZES_FIXED : SIZES_TABLE;
	w->size = PICK(d, usual);
	w->size_count = (uint16_t)between(d, 2, 4);
	for (unsigned i = 0; i < w->size_count; i++)
		w->table[i] = (struct config_size){ .bytes = PICK(d, usual), .share = between(d, 1, 9) };
	if (one_in(d, 20))
		w->size = 1000000;
}

/* With some chance, a behaviour of some of the clients. */
static uint32_t sometimes(struct draw *d)
{
	static const uint32_t shares[] = { CHANCE_ALWAYS / 10, CHANCE_ALWAYS / 2, CHANCE_ALWAYS };

	return one_in(d, 4) ? PICK(d, shares) : 0;
}

static void draw_workload(struct draw *d, struct config_workload *w, unsigned number)
{
	static const uint64_t uploads[] = { 1, 300, 9000, 70000 };
	static const uint64_t thinks[] = { NS_PER_MS, 10 * NS_PER_MS, 200 * NS_PER_MS };
	static const uint64_t delays[] = { 0, 0, 2 * NS_PER_MS, 300 * NS_PER_MS };
	static const uint64_t patience[] = { 10 * NS_PER_S, 60 * NS_PER_S, 60 * NS_PER_S };

	config_workload_defaults(w);
	snprintf(w->name, sizeof(w->name), "load%u", number + 1);
	w->arrival = one_in(d, 2) ? ARRIVAL_CLOSED : ARRIVAL_POISSON;
	w->connections = between(d, 1, w->arrival == ARRIVAL_CLOSED ? 8 : 40);
	w->rate = w->arrival == ARRIVAL_POISSON ? between(d, 20, 400) : 0;
	w->requests = one_in(d, 2) ? 1 : between(d, 2, 8);
	w->pipeline = one_in(d, 3) ? between(d, 2, 4) : 1;
	w->think_ns = PICK(d, thinks);
	draw_hosts(d, w);
	draw_sizes(d, w);
	w->upload = PICK(d, uploads);
	w->upload_chance = sometimes(d);
	w->chunked = sometimes(d);
	w->until_close = sometimes(d) / 4;
	w->early = sometimes(d);
	w->abort = sometimes(d) / 2;
	w->half_close = sometimes(d);
	w->server_reset = sometimes(d) / 4;
	w->plain = sometimes(d);
	w->slow_reader = sometimes(d);
	w->read_rate = between(d, 1, 20) * UINT64_C(1000000);
	w->delay_ns = PICK(d, delays);
	w->timeout_ns = PICK(d, patience);
	if (w->arrival == ARRIVAL_CLOSED && workload_think_ns(w) == 0)
		w->delay_ns = MAX(w->delay_ns, NS_PER_MS); /* something must take time */
}

/* No more connections than the clients have ports. */
static void fit_ports(struct config_simulation *s)
{
	uint64_t room = (uint64_t)s->client_hosts * s->client_ports, sum = UINT64_MAX;

	while (sum > room) {
		sum = 0;
		for (unsigned i = 0; i < s->workload_count; i++)
			sum += s->workloads[i].connections;
		for (unsigned i = 0; i < s->workload_count && sum > room; i++)
			s->workloads[i].connections = (s->workloads[i].connections + 1) / 2;
	}
}

static void draw_world(struct draw *d)
{
	static const uint64_t durations[] = { 20 * NS_PER_MS, 100 * NS_PER_MS, 300 * NS_PER_MS };
	static const uint32_t hosts[] = { 1, 2, 16 };
	static const uint32_t ports[] = { 50, 200, TCP_PORTS_MAX };
	struct config_simulation *s = &d->c->simulation;
	const uint32_t *chances = mischief[prng_below(&d->chance, ARRAY_LEN(mischief))];

	memset(s, 0, sizeof(*s));
	s->duration_ns = PICK(d, durations);
	s->client_hosts = PICK(d, hosts);
	s->client_ports = PICK(d, ports);
	draw_link(d, &s->client_link, chances);
	draw_link(d, &s->frontend_link, chances);
	draw_link(d, &s->backend_link, chances);
	draw_core(d, &s->frontend_cpu);
	draw_core(d, &s->server_cpu);
	s->workload_count = (uint16_t)between(d, 1, 2);
	for (unsigned i = 0; i < s->workload_count; i++)
		draw_workload(d, &s->workloads[i], i);
	fit_ports(s);
	draw_faults(d);
	/* Who connects late shall have the time to ask, too. */
	s->duration_ns += ROUND_TRIPS *
			  (s->client_link.delay_ns + s->frontend_link.delay_ns + s->backend_link.delay_ns);
}

/* In a calm world, one in eight, nothing is lost, late or slow: there is no excuse for anything. */
static void make_calm(struct config *c)
{
	struct config_simulation *s = &c->simulation;
	struct config_link *const links[] = { &s->client_link, &s->frontend_link, &s->backend_link };

	for (unsigned i = 0; i < ARRAY_LEN(links); i++)
		*links[i] = (struct config_link){
			.rate = links[i]->rate >= 1000000000 ? links[i]->rate : 0,
			.delay_ns = MIN(links[i]->delay_ns, 300 * NS_PER_US),
			.queue = 1 << 20,
			.reorder_ns = links[i]->reorder_ns,
			.spike_ns = links[i]->spike_ns,
		};
	s->frontend_cpu = (struct config_cpu){ .packet_ns = MIN(s->frontend_cpu.packet_ns, 200), .queue = 4096 };
	s->server_cpu = (struct config_cpu){ .packet_ns = MIN(s->server_cpu.packet_ns, 200), .queue = 4096 };
	memset(s->faults, 0, sizeof(s->faults));
	s->fault_count = 0;
	for (unsigned i = 0; i < c->rule_count; i++)
		c->rules[i].pool = 0;
	c->pool_count = 1;
	memset(&c->pools[1], 0, sizeof(c->pools) - sizeof(c->pools[0]));
}

void fuzz_draw(struct config *c, const struct config *base, uint64_t seed)
{
	struct draw d = { .c = c };

	prng_child(&d.chance, seed, "fuzz", 0);
	if (base) {
		*c = *base;
	} else {
		config_defaults(c);
		snprintf(c->file, sizeof(c->file), "seed %llu", (unsigned long long)seed);
		MUST(!endpoint_parse(VIP, &c->vip));
		draw_backends(&d);
		draw_pools(&d);
		draw_rules(&d);
		draw_switch(&d);
		draw_rest(&d);
	}
	c->seed = seed;
	config_derive_keys(c);
	draw_world(&d);
	prng_child(&d.chance, seed, "fuzz calm", 0);
	if (!base && one_in(&d, 8))
		make_calm(c);
}
