/* SPDX-License-Identifier: BSD-2-Clause */
/* explain.h: `miresga explain`: what happened to a packet or a flow in a replay, and why.
 *
 * An explanation is an observer of a replay (replay.h): create one with a question, run the replay
 * with its observer, have the answer written. It changes nothing of the replay. Bounded: of
 * EXPLAIN_EVENTS_MAX happenings that concern the question; what came later is only counted. */
#ifndef MIRESGA_EXPLAIN_H
#define MIRESGA_EXPLAIN_H

#include "miresga/replay.h"
#include "miresga/report.h"

#define EXPLAIN_EVENTS_MAX (1u << 18)

enum explain_question {
	EXPLAIN_FLOW,		   /* the story of one flow */
	EXPLAIN_PACKET,		   /* of one frame of the trace, and of what it caused */
	EXPLAIN_DROPS,		   /* every packet that the pipeline dropped */
	EXPLAIN_MISMATCH,	   /* of flows[]: their stories around the fault */
	EXPLAIN_WHY_NOT_OFFLOADED, /* of one flow */
};

struct explain_flow {
	struct endpoint client;
	unsigned k; /* which of the port's connections, from 0 */
};

struct explain_request {
	enum explain_question question;
	struct explain_flow flows[REPLAY_FINDINGS_MAX]; /* one, but for EXPLAIN_MISMATCH */
	unsigned flow_count;
	uint32_t frame; /* EXPLAIN_PACKET */
	bool sessions;	/* the replay's mode: endpoints send packets of their own, none is a frame of the file */
};

/* "IP:PORT" or "IP:PORT-K", as the flows of a replay are called; without K the port's first. Returns 0 or -1. */
int explain_flow_parse(const char *text, struct explain_flow *flow);

struct explain;
/* NULL if memory is short. `config` must outlive it. */
struct explain *explain_create(const struct config *config, const struct explain_request *request);
void explain_free(struct explain *e);
const struct replay_observer *explain_observer(const struct explain *e);
/* True if the replay held what was asked for: the flow, the frame, a drop, a fault. */
bool explain_found(const struct explain *e);

struct explain_style {
	FILE *out;
	bool color;
	bool quiet;	/* of a flow, the ladder diagram alone */
	bool verbose;	/* every packet by itself, and stages that did nothing */
	unsigned width; /* columns of the ladder diagram */
};
/* The answer for people. `result` is that of the replay. */
void explain_write(const struct explain *e, const struct explain_style *style, const struct replay_result *result);
/* One document "miresga.explain/1" and a newline. Returns 0, or -1 if it could not be made or written. */
int explain_write_json(const struct explain *e, FILE *out, const struct replay_result *result);

/* Why the flow was not offloaded, or that it was: one sentence. False if the flow was not seen. */
#define EXPLAIN_TEXT_MAX 1024
bool explain_why_not_offloaded(const struct explain *e, char text[EXPLAIN_TEXT_MAX]);

#endif
