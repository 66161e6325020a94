/* SPDX-License-Identifier: BSD-2-Clause */
/* world_internal.h: what the files of the engine share.
 *
 *   world.c     creation, the run loop, what a host asks
 *   traffic.c   packets: links, cores, rings, and the components that consume them
 *   control.c   operations on their way to the control plane and back
 *   fault.c     what goes wrong
 *   events.c timers.c    what happens when          link.c cpu.c fifo.c    what takes time */
#ifndef SIM_WORLD_INTERNAL_H
#define SIM_WORLD_INTERNAL_H

#include "cpu.h"
#include "events.h"
#include "link.h"
#include "miresga/ring.h"
#include "miresga/world.h"
#include "timers.h"

#define LINK_SLOTS 4096u
#define OPS_MAX 64
#define REPLIES_MAX 64

enum link_kind {
	LINK_FROM_CLIENT, /* into the switch */
	LINK_TO_CLIENT,	  /* to the host */
	LINK_FROM_FRONTEND,
	LINK_TO_FRONTEND,
	LINK_FROM_WIRE, /* agent to switch */
	LINK_TO_WIRE,	/* switch to agent */
	LINK_FROM_STACK,
	LINK_TO_STACK, /* to the host */
};

/* A ring and what consumes it. */
struct link {
	struct ring ring;
	uint8_t kind; /* enum link_kind */
	uint8_t tap;  /* enum tap_kind */
	bool towards_server;
	uint16_t index;
	uint16_t ingress_port;	  /* of what the consumer gets from here */
	uint32_t ring_max;	  /* packets that it may hold while a fault says so; LINK_SLOTS */
	struct link_model *model; /* what a packet goes through before; NULL: nothing */
	struct cpu *cpu;	  /* then it waits for this core; NULL: none */
};

struct run {
	uint32_t link;
	uint32_t count;
};

/* enum of struct event */
enum world_event {
	WORLD_ARRIVES, /* `packet` at the end of link `where` */
	WORLD_SERVED,  /* core `where` is done with a packet (cpu.h: number) */
	WORLD_FAULT,   /* the fault of number `where` begins */
	WORLD_HEALED,  /* it ends */
};

/* A front-end's machine. */
struct front {
	struct cpu cpu;
	bool down, paused;
	bool cleaning; /* its outage is over, its old entries are being deleted */
	struct siphash_key cookie_key;
	uint32_t ops_waiting; /* operations of its, or for it, that have not been answered */
	/* Answers that came while it was paused, oldest first. */
	struct control_reply *late;
	uint32_t late_count, late_room;
};

/* A backend's machine. */
struct host {
	struct cpu cpu;
	bool dead, refuses;
};

/* FAULTS_MAX of the configuration, and as many that a host thinks of. */
#define WORLD_FAULTS_MAX (2 * FAULTS_MAX)
struct active_fault {
	struct config_fault fault;
	uint32_t number; /* of all that were ever asked for, from 1; 0: the place is free */
	bool begun;
};

struct world {
	const struct config *config;
	struct world_hooks hooks;
	/* Packets pass link models and cores, and may meet a component that is down; else straight onto the rings. */
	bool timed;
	bool inside; /* a component is at work: faults wait */
	uint64_t now_ns;
	uint64_t handled; /* events */
	struct packet_pool *pool;
	struct switch_model *sw;
	struct frontend *frontends[FRONTENDS_MAX];
	struct agent *agents[BACKENDS_MAX];
	struct front *fronts;
	struct host *hosts;
	struct link *links;
	struct link_model *models; /* by link, for those that have one */
	uint32_t link_count;
	struct run *runs;
	uint32_t run_mask;	     /* of a power of two */
	uint32_t run_head, run_tail; /* free-running */
	struct timers timers;	     /* 0: control plane, then front-ends, agents, the host */
	struct events events;
	struct frontend_out out;
	struct control_op ops[OPS_MAX];
	/* Deletes that found the control queue full, oldest first from overflow_head on. */
	struct control_op *overflow;
	size_t overflow_head, overflow_count, overflow_room;
	uint64_t overflow_lost; /* deletes lost because memory is short: their entries stay */
	uint64_t drops[DROP_COUNT];
	uint32_t cause; /* of what a front-end makes now; struct packet */
	/* Copies of a batch's frames for the tap; NULL without one. */
	uint8_t *copies;
	uint32_t copy_len[BATCH_MAX];
	struct batch batch;
	/* fault.c */
	struct active_fault faults[WORLD_FAULTS_MAX];
	uint32_t last_fault; /* number */
	struct world_fault_stats fault_stats;
	struct prng reorder_prng; /* of CONTROL_REORDER */
};

/* Ids of the timers. */
static inline uint32_t timer_agent(const struct world *w, unsigned index)
{
	return 1u + w->config->frontends.count + index;
}

static inline uint32_t timer_host(const struct world *w)
{
	return 1u + w->config->frontends.count + w->config->backend_count;
}

/* The links stand in a fixed order: the two of the client, then per front-end, then per backend. */
static inline uint32_t link_frontend(unsigned index, enum link_kind kind)
{
	return 2 + 2 * index + (kind - LINK_FROM_FRONTEND);
}

static inline uint32_t link_backend(const struct world *w, unsigned index, enum link_kind kind)
{
	return 2 + 2u * w->config->frontends.count + 4 * index + (kind - LINK_FROM_WIRE);
}

static inline bool world_stopped(const struct world *w)
{
	return UNLIKELY(w->hooks.stop && w->hooks.stop(w->hooks.ctx));
}

/* world.c */
struct agent *world_make_agent(const struct world *w, unsigned index);

/* traffic.c */
int traffic_init(struct world *w);
void traffic_fini(struct world *w);
/* A packet of one component is on its way to another; ownership passes. */
void world_send(struct world *w, uint32_t link, struct packet *p);
/* It ends on its way over link `at`. */
void world_drop(struct world *w, uint32_t at, struct packet *p, enum drop_reason why);
/* Until every ring is empty. */
void world_drain(struct world *w);
void world_arrived(struct world *w, const struct event *e);
void world_served(struct world *w, const struct event *e);
/* Sees to it that a core's next packet is asked for when it is done. */
void world_arm(struct world *w, struct cpu *cpu);

/* control.c */
void control_fini(struct world *w);
/* Takes over what a front-end has put into w->out, answers to its refused adds included. */
void world_take_out(struct world *w, unsigned index);
/* Applies every operation that is due, and tells who asked. */
void world_control(struct world *w);
/* Asks the control plane; what finds no place is refused (adds) or kept (deletes). */
bool world_submit(struct world *w, const struct control_op *op);
/* The same in the name of a front-end, and tells the host. */
void world_ask(struct world *w, const struct control_op *op);
/* The front-end runs again: what it was answered meanwhile. */
void world_late_replies(struct world *w, unsigned index);

/* fault.c */
void world_fault_begins(struct world *w, const struct event *e);
void world_fault_ends(struct world *w, const struct event *e);
/* An operation has been answered, and its front-end is down. */
void world_front_cleaned(struct world *w, unsigned index);

#endif
