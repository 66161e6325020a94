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
 * batch size. Timers (control plane, front-ends, agents) fire between packets, by due time.
 *
 * With hooks.simulated, packets between clients, switch, front-ends and agents first cross a link (rate, delay, queue,
 * fault plan), then wait for the core of the front-end; between agent and stack for the server's. Both are events:
 * (virtual time, insertion number). What is due at one moment: the events in that order, then the timers by (time, id),
 * where ids are the control plane, the front-ends, the agents, the host. Each is handled with all that follows from it
 * at that moment before the next. Same configuration, same seed: the same bytes at the same nanoseconds. */
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
	/* Set: the agents are somewhere else, the world has none of its own. A packet left for the wire to `backend`;
	 * what comes from there enters by world_wire_carries(). Borrowed for the call. */
	void (*wire_received)(void *ctx, unsigned backend, struct packet *p, uint64_t now_ns);
	/* Makes the agent of config->backends[index], or returns NULL: then there will be no world, and the host knows
	 * why. Not set: agent_create(). */
	struct agent *(*agent)(void *ctx, const struct config *config, unsigned index);
	frontend_notice_fn *notice;
	/* Every packet that enters a ring's consumer, after that consumer has handled it: `frame` and
	 * `len` are a copy from before, `p` carries fate, drop, note and PHV of what happened. Also one that finds its
	 * ring full (DROP_RING_FULL): that consumer never sees it. NULL: no taps. */
	void (*tap)(void *ctx, enum tap_kind kind, unsigned index, bool towards_server, const uint8_t *frame,
		    uint32_t len, const struct packet *p, uint64_t now_ns);
	/* An operation was asked for (`reply` NULL), or is answered: before the front-end hears of it. NULL: nobody
	 * listens. */
	void (*control)(void *ctx, const struct control_op *op, const struct control_reply *reply, uint64_t now_ns);
	/* The agent of `backend` has started again, with empty maps (SIM_FAULT_AGENT_RESTART). Numbers that it does not
	 * know any more would go out as they are: the stack must forget its connections on the service's port, without
	 * a word, and answer what comes for them as RFC 9293 §3.10.7.1 says (a RST with the sequence number that is
	 * acknowledged: the client's own numbers, hence right). May be NULL. */
	void (*agent_restarted)(void *ctx, unsigned backend, uint64_t now_ns);
	/* A link, a queue, or who is down, takes a packet of `client`: it is lost, or will be thrown away for its
	 * checksum (as a rule). NULL: nobody listens. */
	void (*lost)(void *ctx, struct endpoint client, uint64_t now_ns);
	/* The agent of a backend was given a SYN, FIN or RST of `client` in which a link has flipped a bit: no agent
	 * verifies checksums, so the pair may have begun or ended by it. NULL: nobody listens. */
	void (*agent_misled)(void *ctx, struct endpoint client, uint64_t now_ns);
	/* It is time for the host's own work: what world_host_wake() named. NULL: never. */
	void (*wake)(void *ctx, uint64_t now_ns);
	/* The links, cores and faults of config->simulation are there; without, packets take no time. */
	bool simulated;
	/* Asked between batches and timers: true makes world_run() return at once, packets still in flight. */
	bool (*stop)(void *ctx);
};

struct world;
/* NULL if memory is short, or hooks->agent has failed. config must outlive the world. */
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
/* The same between switch and front-end `index`; `towards_frontend`: to be handled by it. */
void world_frontend_carries(struct world *w, unsigned index, bool towards_frontend, struct packet *p);
/* Asks the control plane as front-end op->frontend would; false if its queue is full. */
bool world_ask_control(struct world *w, const struct control_op *op);
/* The control plane does nothing for so long from now on; what waits goes on afterwards, in order. */
void world_stall_control(struct world *w, uint64_t for_ns);

/* When hooks.wake is to be called next; TIME_NEVER: not at all. The host is a component among others. */
void world_host_wake(struct world *w, uint64_t due_ns);
/* Takes `cost_ns` of the core of backend `index`'s host, after what it has to do already: when it is done. */
uint64_t world_server_work(struct world *w, unsigned index, uint64_t cost_ns);
/* Something goes wrong from now on, for fault->for_ns (at_ns does not count). From a hook other than `wake`: after all
 * that happens at this moment. */
void world_fault(struct world *w, const struct config_fault *fault);
/* Whom a fault's index counts. */
enum fault_place {
	FAULT_OF_SWITCH, /* nobody: there is one */
	FAULT_OF_FRONTEND,
	FAULT_OF_BACKEND,
};
enum fault_place world_fault_place(enum sim_fault what);
/* Ends the faults of that kind before their time, or those that have none. Not from a hook other than `wake`. */
void world_heal(struct world *w, enum sim_fault what, unsigned index);
/* The stack of `backend` shall reset every SYN (SIM_FAULT_BACKEND_REFUSES). */
bool world_backend_refuses(const struct world *w, unsigned backend);

/* What faults have done. */
struct world_fault_stats {
	uint64_t begun[SIM_FAULT_COUNT];
	uint64_t ignored;	     /* more at a time than there is room for */
	uint64_t flows_lost;	     /* of front-ends that were killed */
	uint64_t entries_deleted;    /* of the switch, that they left behind */
	uint64_t agent_entries_lost; /* of agents that were restarted */
};
const struct world_fault_stats *world_fault_stats(const struct world *w);

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
/* How long the cores have been busy so far; the books' busy_ns counts what waits, too. */
uint64_t world_frontend_busy(const struct world *w, unsigned index);
uint64_t world_server_busy(const struct world *w, unsigned index);
/* Events handled so far: packets that reached a consumer, and timers. */
uint64_t world_events(const struct world *w);

const struct config *world_config(const struct world *w);
struct packet_pool *world_pool(struct world *w);
struct switch_model *world_switch(struct world *w);
struct frontend *world_frontend(struct world *w, unsigned index);
/* NULL if the world has no agents. */
struct agent *world_agent(struct world *w, unsigned index);
/* Drops that happened in the world itself (rings, pool), by reason. */
const uint64_t *world_drops(const struct world *w);
/* What is left: flows, table entries, waiting operations, agent entries, packets. 0 when all has ended. */
uint64_t world_leftovers(const struct world *w);

#endif
