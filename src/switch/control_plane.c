/* SPDX-License-Identifier: BSD-2-Clause */
/* control_plane.c: the only way to change the Offloaded Connection Table.
 *
 * Operations wait in one FIFO ring of bounded size and take effect strictly in order, each at
 * the later of (asked + latency) and (effect of the one before + 1 s / rate). A delete that was queued
 * before an add of the same key therefore takes effect before it (paper §4.3). The data plane
 * sees nothing until then; every operation gets a reply with the time of its effect, which does
 * not depend on when the host happens to call switch_control_advance().
 *
 * Refusals: a full ring refuses to queue; FULL, EXISTS and MISSING are told in the reply.
 *
 * Trouble (a simulation asks for it): the operations take longer, overtake one another as long as
 * their keys differ, or the table says that it is full.
 *
 * Quirk C3: as published, the driver collects what arrives within a tick of 100 µs, applies the
 * adds of a tick before its deletes, and reports success whatever happened. */
#include "switch_internal.h"

#include <stdlib.h>

#define C3_TICK_NS (100 * NS_PER_US)
#define OVERTAKEN_MAX 16

int control_plane_init(struct control_plane *c, const struct config *config)
{
	const struct config_switch *s = &config->sw;

	MUST(s->insertion_rate > 0 && s->control_queue > 0);
	*c = (struct control_plane){
		.size = s->control_queue,
		.latency_ns = s->insertion_latency_ns,
		/* rounded up: never faster than the rate */
		.interval_ns = (NS_PER_S + s->insertion_rate - 1) / s->insertion_rate,
		.quirk_c3 = config_has_quirk(config, QUIRK_C3),
	};
	c->ring = calloc(c->size, sizeof(*c->ring));
	return c->ring ? 0 : -1;
}

void control_plane_fini(struct control_plane *c)
{
	free(c->ring);
	c->ring = NULL;
}

static uint32_t slowness(const struct control_plane *c)
{
	return c->trouble.slow ? c->trouble.slow : 1;
}

/* The i-th operation that waits. */
static struct control_waiting *waiting(const struct control_plane *c, uint32_t i)
{
	return &c->ring[((uint64_t)c->head + i) % c->size];
}

/* Quirk C3: brings the newest operation, an add, before the deletes of its tick. */
static void overtake_deletes(struct control_plane *c)
{
	struct control_waiting add = *waiting(c, c->count - 1);
	uint32_t at = c->count - 1;

	for (; at > 0; at--) {
		const struct control_waiting *before = waiting(c, at - 1);

		if (before->op.kind != CONTROL_DELETE || before->ready_ns != add.ready_ns)
			break;
		*waiting(c, at) = *before;
	}
	*waiting(c, at) = add;
}

/* Trouble: the newest operation overtakes a number of those that wait, none of its own key. Each keeps the time
 * before which it does not take effect. */
static void overtake_some(struct control_plane *c)
{
	struct control_waiting newest = *waiting(c, c->count - 1);
	uint32_t at = c->count - 1, steps = prng_below(c->trouble.reorder, OVERTAKEN_MAX + 1);

	for (; at > 0 && steps > 0; at--, steps--) {
		const struct control_waiting *before = waiting(c, at - 1);

		if (endpoint_equal(before->op.client, newest.op.client))
			break;
		*waiting(c, at) = *before;
	}
	*waiting(c, at) = newest;
}

BREAKABLE bool switch_control_submit(struct switch_model *sw, const struct control_op *op, uint64_t now_ns)
{
	struct control_plane *c = &sw->control;
	uint64_t sent_ns = c->quirk_c3 ? (now_ns / C3_TICK_NS + 1) * C3_TICK_NS : now_ns;

	MUST(op->kind == CONTROL_ADD || op->kind == CONTROL_DELETE);
	if (c->count == c->size)
		return false;
	*waiting(c, c->count++) = (struct control_waiting){
		.op = *op,
		.asked_ns = now_ns,
		.ready_ns = sent_ns + c->latency_ns * slowness(c),
	};
	if (c->quirk_c3 && op->kind == CONTROL_ADD)
		overtake_deletes(c);
	else if (c->trouble.reorder)
		overtake_some(c);
	sw->stats.control_depth = c->count;
	sw->stats.control_depth_peak = MAX(sw->stats.control_depth_peak, c->count);
	return true;
}

uint64_t switch_next_wake(const struct switch_model *sw)
{
	const struct control_plane *c = &sw->control;

	return c->count ? MAX(waiting(c, 0)->ready_ns, c->free_ns) : TIME_NEVER;
}

uint64_t switch_control_busy(const struct switch_model *sw, uint64_t now_ns)
{
	const struct control_plane *c = &sw->control;

	return c->busy_ns - (c->busy_until_ns > now_ns ? c->busy_until_ns - now_ns : 0);
}

void switch_control_stall(struct switch_model *sw, uint64_t until_ns)
{
	sw->control.free_ns = MAX(sw->control.free_ns, until_ns);
}

void switch_control_trouble(struct switch_model *sw, const struct control_trouble *trouble)
{
	sw->control.trouble = *trouble;
}

static enum control_status apply_add(struct switch_model *sw, const struct control_op *op)
{
	struct switch_stats *st = &sw->stats;
	bool full = sw->control.trouble.full && switch_lookup(sw, op->client) < 0;
	enum control_status status = full ? CONTROL_FULL
					  : connection_table_add(&sw->connections, op->client, op->d_index);

	st->adds += status == CONTROL_OK;
	st->add_full += status == CONTROL_FULL;
	st->add_exists += status == CONTROL_EXISTS;
	st->cuckoo_moves = sw->connections.moves;
	st->entries = sw->connections.entries;
	st->entries_peak = MAX(st->entries_peak, st->entries);
	return status;
}

static enum control_status apply_delete(struct switch_model *sw, const struct control_op *op)
{
	enum control_status status = connection_table_delete(&sw->connections, op->client);

	sw->stats.deletes += status == CONTROL_OK;
	sw->stats.delete_missing += status == CONTROL_MISSING;
	sw->stats.entries = sw->connections.entries;
	return status;
}

unsigned switch_control_advance(struct switch_model *sw, uint64_t now_ns, struct control_reply *replies, unsigned max)
{
	struct control_plane *c = &sw->control;
	unsigned done = 0;

	for (; done < max; done++) {
		const struct control_waiting *w = waiting(c, 0);
		uint64_t due_ns = switch_next_wake(sw);
		enum control_status status;

		if (!c->count || due_ns > now_ns)
			break;
		status = w->op.kind == CONTROL_ADD ? apply_add(sw, &w->op) : apply_delete(sw, &w->op);
		replies[done] = (struct control_reply){
			.op = w->op,
			.status = c->quirk_c3 ? CONTROL_OK : (uint8_t)status,
			.asked_ns = w->asked_ns,
			.applied_ns = due_ns,
		};
		c->free_ns = c->busy_until_ns = due_ns + c->interval_ns * slowness(c);
		c->busy_ns += c->interval_ns * slowness(c);
		c->head = (c->head + 1) % c->size;
		c->count--;
	}
	sw->stats.control_depth = c->count;
	return done;
}
