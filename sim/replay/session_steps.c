/* SPDX-License-Identifier: BSD-2-Clause */
/* session_steps.c: what each side of a recorded conversation says, and after what.
 *
 * Every segment that brings its stream further in order is one step: the side says its bytes up
 * to there, once it has what the segment acknowledged of the other's stream. So the order of the
 * conversation is the recording's, whatever the network does to it, and the time between a cause
 * and what follows it is the recorded think time. Retransmissions and bare ACKs are no steps: the
 * endpoints make their own.
 *
 * Refusals: memory. A step's bytes stay in their stream (sim/tcp/stream.h). */
#include <stdlib.h>

#include "session.h"

#define STEPS_FIRST 8u

bool steps_push(struct steps *q, const struct step *step)
{
	if (q->count == q->room) {
		uint32_t room = q->room ? 2 * q->room : STEPS_FIRST;
		struct step *v = malloc(room * sizeof(*v));

		if (!v)
			return false;
		for (uint32_t i = 0; i < q->count; i++)
			v[i] = q->v[(q->head + i) & (q->room - 1)];
		free(q->v);
		q->v = v;
		q->room = room;
		q->head = 0;
	}
	q->v[(q->head + q->count++) & (q->room - 1)] = *step;
	q->said = step->end;
	q->said_ns = step->at_ns;
	return true;
}

const struct step *steps_first(const struct steps *q)
{
	return q->count ? &q->v[q->head] : NULL;
}

void steps_pop(struct steps *q)
{
	q->head = (q->head + 1) & (q->room - 1);
	q->count--;
}

void steps_fini(struct steps *q)
{
	free(q->v);
	*q = (struct steps){ 0 };
}

bool steps_record(struct replay_flow *f, enum side side, const struct segment *s, uint64_t at_ns)
{
	enum side other = side == SIDE_CLIENT ? SIDE_SERVER : SIDE_CLIENT;
	const struct steps *theirs = &f->session->steps[other];
	struct steps *q = &f->session->steps[side];
	struct step step = {
		.end = ranges_head(&f->stream[side].known),
		.at_ns = at_ns,
		.caused_ns = at_ns,
	};
	int64_t ack = s->flags & TCP_ACK ? replay_flow_offset(f, other, s->ack) : 0;

	if (step.end <= MAX(q->said, 1)) /* the SYN is the handshake's affair */
		return true;
	if (ack > 0)
		step.after = MIN((uint64_t)ack, ranges_head(&f->stream[other].known));
	if (step.after && step.after == theirs->said)
		step.caused_ns = theirs->said_ns;
	return steps_push(q, &step);
}

bool steps_fill(struct replay_flow *f, enum side side, uint64_t at_ns)
{
	static const uint8_t zeros[4096];
	struct stream *stream = &f->stream[side];
	struct steps *q = &f->session->steps[side];
	struct step step = { .at_ns = at_ns, .caused_ns = at_ns };
	struct range gap;

	while (ranges_gap(&stream->known, 0, ranges_max(&stream->known), &gap))
		if (stream_record(stream, gap.lo, zeros, (uint32_t)MIN(gap.hi - gap.lo, sizeof(zeros))) != STREAM_OK)
			return false;
	step.end = ranges_max(&stream->known);
	step.after = q->count ? q->v[(q->head + q->count - 1) & (q->room - 1)].after : 0;
	return step.end <= MAX(q->said, 1) || steps_push(q, &step);
}
