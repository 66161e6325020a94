/* SPDX-License-Identifier: BSD-2-Clause */
/* world.h: one process: switch, front-ends and agents wired by packet rings, in virtual time.
 *
 * The world owns the components, the packet pool and every packet in flight. A host (replay,
 * later the simulator and the script runner) puts packets in at the client port and at the
 * servers' stacks, and gets what comes out there through hooks.
 *
 * Order: a FIFO of (ring, count) entries. Pushing to the ring of the newest entry extends it;
 * the world takes a run of packets of one ring as a batch. Components emit in packet order, so
 * what a run of n packets produces is what n runs of one produce: output never depends on the
 * batch size. Timers (control plane, front-ends, agents) fire between packets, by due time. */
#ifndef MIRESGA_WORLD_H
#define MIRESGA_WORLD_H

#include "miresga/agent.h"
#include "miresga/config.h"
#include "miresga/frontend.h"
#include "miresga/packet.h"
#include "miresga/switch.h"

/* Where packets can be seen. One packet ring in each direction of each. */
enum tap_kind {
	TAP_CLIENT,   /* between clients and switch */
	TAP_FRONTEND, /* between switch and front-end `index` */
	TAP_WIRE,     /* between switch and the agent of backend `index` */
	TAP_STACK,    /* between that agent and the server's stack */
};

struct world_hooks {
	void *ctx;
	/* A packet reached the clients / the stack of `backend`. Borrowed for the call. May inject. */
	void (*client_received)(void *ctx, struct packet *p, uint64_t now_ns);
	void (*server_received)(void *ctx, unsigned backend, struct packet *p, uint64_t now_ns);
	frontend_notice_fn *notice;
	/* Every packet that enters a ring's consumer, after that consumer has handled it: `frame` and
	 * `len` are a copy from before, `p` carries fate, drop, note and PHV of what happened. NULL: no taps. */
	void (*tap)(void *ctx, enum tap_kind kind, unsigned index, bool towards_server, const uint8_t *frame,
		    uint32_t len, const struct packet *p, uint64_t now_ns);
	/* An operation was asked for (`reply` NULL), or is answered: before the front-end hears of it. NULL: nobody
	 * listens. */
	void (*control)(void *ctx, const struct control_op *op, const struct control_reply *reply, uint64_t now_ns);
	/* It is time for the host's own work: what world_host_wake() named. NULL: never. */
	void (*wake)(void *ctx, uint64_t now_ns);
	/* The links, cores and faults of config->simulation are there; without, packets take no time. */
	bool simulated;
	/* Asked between batches and timers: true makes world_run() return at once, packets still in flight. */
	bool (*stop)(void *ctx);
};

struct world;
/* NULL if memory is short. config must outlive the world. */
struct world *world_create(const struct config *config, const struct world_hooks *hooks);
void world_free(struct world *w);

/* A packet for the host to fill and inject; NULL when the pool is empty. */
struct packet *world_packet(struct world *w, uint32_t len);
void world_release(struct world *w, struct packet *p);
/* Puts a packet on the ring from the clients / from the stack of `backend`; ownership passes. */
void world_client_sends(struct world *w, struct packet *p);
void world_server_sends(struct world *w, unsigned backend, struct packet *p);
/* Handles all packets until every ring is empty, then moves virtual time to `until_ns` (never
 * back), running every due timer on the way and emptying the rings after each. Not from a hook. */
void world_run(struct world *w, uint64_t until_ns);
uint64_t world_now(const struct world *w);
/* When the next timer is due; TIME_NEVER if none waits. */
uint64_t world_next_due(const struct world *w);
/* Puts a packet on the ring between switch and agent of `backend`, as if it came from elsewhere. */
void world_wire_carries(struct world *w, unsigned backend, bool towards_server, struct packet *p);
/* Asks the control plane as front-end op->frontend would; false if its queue is full. */
bool world_ask_control(struct world *w, const struct control_op *op);
/* The control plane does nothing for so long from now on; what waits goes on afterwards, in order. */
void world_stall_control(struct world *w, uint64_t for_ns);

/* When hooks.wake is to be called next; TIME_NEVER: not at all. The host is a component among others. */
void world_host_wake(struct world *w, uint64_t due_ns);
/* Takes `cost_ns` of the core of backend `index`'s host, after what it has to do already: when it is done. */
uint64_t world_server_work(struct world *w, unsigned index, uint64_t cost_ns);
/* Something goes wrong from now on, for fault->for_ns (at_ns does not count). */
void world_fault(struct world *w, const struct config_fault *fault);

/* What went through a link, one direction, and what the fault plan did. */
struct link_stats {
	uint64_t packets, bytes; /* that were put on it */
	uint64_t queue_drops, lost, duplicated, reordered, spikes, corrupted;
	uint64_t queue_peak; /* bytes */
};
struct cpu_stats {
	uint64_t packets, busy_ns, drops;
	uint32_t queue_peak;
};
/* Summed over all links of a kind. `tap`: TAP_CLIENT, TAP_FRONTEND or TAP_WIRE. */
void world_link_stats(const struct world *w, enum tap_kind tap, bool towards_server, struct link_stats *stats);
const struct cpu_stats *world_frontend_cpu(const struct world *w, unsigned index);
const struct cpu_stats *world_server_cpu(const struct world *w, unsigned index);
/* Events handled so far: packets that reached a consumer, and timers. */
uint64_t world_events(const struct world *w);

const struct config *world_config(const struct world *w);
struct packet_pool *world_pool(struct world *w);
struct switch_model *world_switch(struct world *w);
struct frontend *world_frontend(struct world *w, unsigned index);
struct agent *world_agent(struct world *w, unsigned index);
/* Drops that happened in the world itself (rings, pool), by reason. */
const uint64_t *world_drops(const struct world *w);
/* What is left: flows, table entries, waiting operations, agent entries, packets. 0 when all has ended. */
uint64_t world_leftovers(const struct world *w);

#endif
