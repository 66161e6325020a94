/* SPDX-License-Identifier: BSD-2-Clause */
/* cpu.c: service in order of arrival by one core.
 *
 * The end of a packet's service is known when it arrives: the end of the one before, or now, plus
 * its cost. The times are those of a clock of the core's own, which stands still while the core is
 * paused; so a pause, however long, changes nothing but the distance between the two clocks.
 * What is being served does not wait; the bound is for what does.
 *
 * Refusals: a full queue, or no memory for it. */
#include "cpu.h"

void cpu_init(struct cpu *c, const struct config_cpu *config, uint32_t number)
{
	*c = (struct cpu){ .config = config, .number = number, .factor = 1, .limit = UINT32_MAX };
}

void cpu_fini(struct cpu *c)
{
	fifo_fini(&c->jobs);
}

static uint64_t cpu_clock(const struct cpu *c, uint64_t now_ns)
{
	return (c->paused ? c->paused_ns : now_ns) - c->behind_ns;
}

static bool is_full(const struct cpu *c)
{
	uint32_t queue = c->config->queue ? c->config->queue : CPU_QUEUE_DEFAULT;

	return c->jobs.count > queue || c->jobs.count >= c->limit;
}

enum cpu_answer cpu_take(struct cpu *c, struct packet *p, uint32_t value, uint64_t now_ns)
{
	uint64_t clock_ns = cpu_clock(c, now_ns), start_ns = MAX(clock_ns, c->free_ns), cost_ns;

	cost_ns = (c->config->packet_ns + c->config->kib_ns * p->len / 1024) * c->factor;
	if (!c->paused && !c->jobs.count && start_ns + cost_ns == clock_ns && c->limit > 0) {
		c->stats.packets++;
		return CPU_AT_ONCE;
	}
	if (is_full(c) ||
	    !fifo_push(&c->jobs, &(struct fifo_item){ .at_ns = start_ns + cost_ns, .packet = p, .value = value })) {
		c->stats.drops++;
		return CPU_FULL;
	}
	c->free_ns = start_ns + cost_ns;
	c->stats.packets++;
	c->stats.busy_ns += cost_ns;
	c->stats.queue_peak = MAX(c->stats.queue_peak, c->jobs.count);
	return CPU_WAITS;
}

uint64_t cpu_due(const struct cpu *c)
{
	return c->jobs.count && !c->paused ? fifo_first(&c->jobs)->at_ns + c->behind_ns : TIME_NEVER;
}

struct packet *cpu_done(struct cpu *c, uint64_t now_ns, uint32_t *value)
{
	struct packet *p;

	if (cpu_due(c) > now_ns)
		return NULL;
	p = fifo_first(&c->jobs)->packet;
	*value = fifo_first(&c->jobs)->value;
	fifo_pop(&c->jobs);
	return p;
}

void cpu_drop(struct cpu *c, uint32_t value, struct packet_queue *dropped)
{
	/* Once around, so that the others keep their order. */
	for (uint32_t i = c->jobs.count; i > 0; i--) {
		struct fifo_item item = *fifo_first(&c->jobs);

		fifo_pop(&c->jobs);
		if (item.value != value) {
			MUST(fifo_push(&c->jobs, &item));
			continue;
		}
		packet_queue_push(dropped, item.packet);
		c->stats.drops++;
	}
}

uint64_t cpu_work(struct cpu *c, uint64_t cost_ns, uint64_t now_ns)
{
	c->free_ns = MAX(cpu_clock(c, now_ns), c->free_ns) + cost_ns * c->factor;
	c->stats.busy_ns += cost_ns * c->factor;
	return c->free_ns + c->behind_ns;
}

uint64_t cpu_busy(const struct cpu *c, uint64_t now_ns)
{
	uint64_t clock_ns = cpu_clock(c, now_ns), ahead_ns = c->free_ns > clock_ns ? c->free_ns - clock_ns : 0;

	/* What lies ahead of it has no gaps. */
	return c->stats.busy_ns - MIN(ahead_ns, c->stats.busy_ns);
}

void cpu_pause(struct cpu *c, uint64_t now_ns)
{
	MUST(!c->paused);
	c->paused = true;
	c->paused_ns = now_ns;
}

void cpu_resume(struct cpu *c, uint64_t now_ns)
{
	MUST(c->paused);
	c->paused = false;
	c->behind_ns += now_ns - c->paused_ns;
}
