/* SPDX-License-Identifier: BSD-2-Clause */
/* control.c: operations on their way from the front-ends to the switch's control plane, and back.
 *
 * Invariants: a front-end's operations reach the control plane in the order in which it asked;
 * while deletes wait for a place in the queue, adds are refused, so none overtakes a delete.
 * A front-end that is paused hears of its answers when it runs again, before any packet; one that
 * is down never does, and is not there again before the last of its operations is answered
 * (fault.c), so that a new incarnation's serials cannot be taken for the old one's. */
#include "world_internal.h"

#include <stdlib.h>
#include <string.h>

void control_fini(struct world *w)
{
	free(w->overflow);
	for (unsigned i = 0; w->fronts && i < w->config->frontends.count; i++)
		free(w->fronts[i].late);
}

/* Keeps a delete that found no place. */
static bool overflow_keep(struct world *w, const struct control_op *op)
{
	struct control_op *grown;
	size_t room;

	if (w->overflow_count == w->overflow_room && w->overflow_head > w->overflow_count / 2) {
		w->overflow_count -= w->overflow_head;
		memmove(w->overflow, w->overflow + w->overflow_head, w->overflow_count * sizeof(*w->overflow));
		w->overflow_head = 0;
	}
	if (w->overflow_count == w->overflow_room) {
		room = w->overflow_room ? 2 * w->overflow_room : 256;
		grown = realloc(w->overflow, room * sizeof(*grown));
		if (!grown) {
			w->overflow_lost++;
			return false;
		}
		w->overflow = grown;
		w->overflow_room = room;
	}
	w->overflow[w->overflow_count++] = *op;
	return true;
}

bool world_submit(struct world *w, const struct control_op *op)
{
	bool waits;

	MUST(op->frontend < w->config->frontends.count);
	waits = w->overflow_head == w->overflow_count && switch_control_submit(w->sw, op, w->now_ns);

	if (!waits && op->kind == CONTROL_ADD)
		return false;
	if (waits || overflow_keep(w, op))
		w->fronts[op->frontend].ops_waiting++;
	return true;
}

static void world_tell_control(const struct world *w, const struct control_op *op, const struct control_reply *reply)
{
	if (w->hooks.control)
		w->hooks.control(w->hooks.ctx, op, reply, w->now_ns);
}

void world_ask(struct world *w, const struct control_op *op)
{
	world_tell_control(w, op, NULL);
	world_submit(w, op);
	timers_set(&w->timers, 0, switch_next_wake(w->sw));
}

void world_take_out(struct world *w, unsigned index)
{
	struct control_op ops[OPS_MAX];
	struct packet *p;
	unsigned count;

	for (;;) {
		while ((p = packet_queue_pop(&w->out.packets))) {
			p->cause = p->frame ? 0 : w->cause;
			world_send(w, link_frontend(index, LINK_FROM_FRONTEND), p);
		}
		count = w->out.op_count;
		if (!count)
			break;
		memcpy(ops, w->ops, count * sizeof(ops[0]));
		w->out.op_count = 0;
		for (unsigned i = 0; i < count; i++) {
			struct control_reply full = {
				.op = ops[i], .status = CONTROL_FULL, .asked_ns = w->now_ns, .applied_ns = w->now_ns
			};

			world_tell_control(w, &ops[i], NULL);
			if (!world_submit(w, &ops[i])) {
				world_tell_control(w, &ops[i], &full);
				frontend_reply(w->frontends[index], &full, &w->out, w->now_ns);
			}
			MUST(w->out.op_count + 2 <= OPS_MAX);
		}
		timers_set(&w->timers, 0, switch_next_wake(w->sw));
	}
	timers_set(&w->timers, 1 + index, frontend_next_wake(w->frontends[index]));
}

static void world_retry_overflow(struct world *w)
{
	while (w->overflow_head < w->overflow_count &&
	       switch_control_submit(w->sw, &w->overflow[w->overflow_head], w->now_ns))
		w->overflow_head++;
	if (w->overflow_head == w->overflow_count)
		w->overflow_head = w->overflow_count = 0;
}

/* Without memory the answer is lost, as on a connection that breaks; the front-end's timers heal it. */
static void keep_late_reply(struct front *f, const struct control_reply *reply)
{
	struct control_reply *grown;
	uint32_t room;

	if (f->late_count == f->late_room) {
		room = f->late_room ? 2 * f->late_room : 64;
		grown = realloc(f->late, room * sizeof(*grown));
		if (!grown)
			return;
		f->late = grown;
		f->late_room = room;
	}
	f->late[f->late_count++] = *reply;
}

static void world_reply(struct world *w, const struct control_reply *reply)
{
	unsigned index = reply->op.frontend;
	struct front *f = &w->fronts[index];

	f->ops_waiting--;
	world_tell_control(w, &reply->op, reply);
	if (f->down) {
		world_front_cleaned(w, index);
	} else if (f->paused) {
		keep_late_reply(f, reply);
	} else {
		frontend_reply(w->frontends[index], reply, &w->out, w->now_ns);
		world_take_out(w, index);
	}
}

void world_late_replies(struct world *w, unsigned index)
{
	struct front *f = &w->fronts[index];

	for (uint32_t i = 0; i < f->late_count; i++) {
		frontend_reply(w->frontends[index], &f->late[i], &w->out, w->now_ns);
		world_take_out(w, index);
	}
	f->late_count = 0;
}

void world_control(struct world *w)
{
	struct control_reply replies[REPLIES_MAX];
	unsigned count;

	do {
		count = switch_control_advance(w->sw, w->now_ns, replies, REPLIES_MAX);
		world_retry_overflow(w);
		for (unsigned i = 0; i < count; i++)
			world_reply(w, &replies[i]);
	} while (count);
	timers_set(&w->timers, 0, switch_next_wake(w->sw));
}

bool world_ask_control(struct world *w, const struct control_op *op)
{
	bool queued = world_submit(w, op);

	timers_set(&w->timers, 0, switch_next_wake(w->sw));
	return queued;
}

void world_stall_control(struct world *w, uint64_t for_ns)
{
	switch_control_stall(w->sw, for_ns > TIME_NEVER - w->now_ns ? TIME_NEVER : w->now_ns + for_ns);
	timers_set(&w->timers, 0, switch_next_wake(w->sw));
}
