/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu.h: one core: a packet waits until it is free and takes its service time. */
#ifndef SIM_CPU_H
#define SIM_CPU_H

#include "fifo.h"
#include "miresga/world.h"

/* What may wait where the configuration sets no bound: as much as a packet ring holds. */
#define CPU_QUEUE_DEFAULT 4096u

struct cpu {
	const struct config_cpu *config;
	struct fifo jobs;   /* at_ns: when it is done, on the core's own clock; value: the caller's */
	uint64_t free_ns;   /* the core's clock, like the one above, stands still while it is paused */
	uint64_t behind_ns; /* how far that clock is behind */
	uint64_t paused_ns; /* since when, if paused */
	bool paused;
	bool armed;	 /* the caller's: somebody will ask at the right time */
	uint32_t number; /* the caller's */
	uint32_t factor; /* all takes so many times as long; 1: nothing is wrong */
	uint32_t limit;	 /* packets that may be here, or UINT32_MAX */
	struct cpu_stats stats;
};

enum cpu_answer {
	CPU_AT_ONCE, /* it costs nothing, and nothing is before it: the packet stays the caller's */
	CPU_WAITS,   /* taken */
	CPU_FULL,    /* counted; the packet stays the caller's */
};

void cpu_init(struct cpu *c, const struct config_cpu *config, uint32_t number);
/* Packets still here are the caller's business (cpu_drop). */
void cpu_fini(struct cpu *c);
/* `value` comes back with the packet. */
enum cpu_answer cpu_take(struct cpu *c, struct packet *p, uint32_t value, uint64_t now_ns);
/* When the first packet is done; TIME_NEVER if none is here, or the core is paused. */
uint64_t cpu_due(const struct cpu *c);
/* The first packet, if it is done by now; else NULL. */
struct packet *cpu_done(struct cpu *c, uint64_t now_ns, uint32_t *value);
/* Takes the packets of `value` out undone, in order. */
void cpu_drop(struct cpu *c, uint32_t value, struct packet_queue *dropped);
/* Other work, behind what is here; when it will be done, if no pause follows. */
uint64_t cpu_work(struct cpu *c, uint64_t cost_ns, uint64_t now_ns);
/* How long it has been busy so far; stats.busy_ns counts what waits, too. */
uint64_t cpu_busy(const struct cpu *c, uint64_t now_ns);
void cpu_pause(struct cpu *c, uint64_t now_ns);
void cpu_resume(struct cpu *c, uint64_t now_ns);

#endif
