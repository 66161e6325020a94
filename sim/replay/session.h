/* SPDX-License-Identifier: BSD-2-Clause */
/* session.h: replay's other mode: the recorded conversations, re-enacted by TCP endpoints.
 *
 *   session_steps.c   what each side says, and after what: from the recording
 *   session.c         one conversation in this run: its endpoints, and how far they are
 *   session_run.c     the endpoints' stacks in the world, and time
 *
 * Bytes, their order and the think times are the recording's; segmentation, windows and
 * retransmission are the endpoints' own (sim/tcp/), over the links and faults of the configuration. */
#ifndef SIM_REPLAY_SESSION_H
#define SIM_REPLAY_SESSION_H

#include "../world/timers.h"
#include "miresga/tcp.h"
#include "replay_internal.h"

/* What a side says at once: its stream up to `end`, FIN included. */
struct step {
	uint64_t end;
	uint64_t after; /* once it has the other's stream before this offset */
	/* In the recording: when it was said, and when it had what it waits for. */
	uint64_t at_ns, caused_ns;
};

/* A queue of them. All zero is the empty one. */
struct steps {
	struct step *v;
	uint32_t head, count, room; /* v[head .. head + count), modulo room, a power of two */
	uint64_t said;		    /* end of the newest */
	uint64_t said_ns;	    /* its at_ns */
};

enum session_phase {
	SESSION_WAITS, /* for the conversation before it on the same port */
	SESSION_OPEN,
	SESSION_OVER, /* neither side says anything more */
};

struct session {
	enum session_phase phase;
	struct steps steps[SIDE_COUNT];
	uint64_t reset_ns[SIDE_COUNT]; /* recorded time of this side's RST; 0: none */
	struct replay_flow *successor; /* waits for the port, since successor_ns */
	uint64_t successor_ns;
	/* This run: each side's endpoint, NULL if it has none (any more). */
	struct tcp *end[SIDE_COUNT];
	bool connected[SIDE_COUNT];
	uint64_t written[SIDE_COUNT];	/* of its own stream: given to the endpoint */
	uint64_t read[SIDE_COUNT];	/* of the other's stream: taken from the endpoint */
	uint64_t caused_ns[SIDE_COUNT]; /* when it last got something, or said what it had no cause for */
	unsigned backend;		/* of the server's endpoint */
	uint32_t iss;			/* of the client */
	uint64_t backlog;		/* recorded bytes that have not arrived */
	const char *broken;		/* what ended it before its time, or NULL */
};

/* The stacks, and the times at which sessions have something to say. */
struct sessions {
	struct tcp_stack *clients;
	struct tcp_stack *servers[BACKENDS_MAX];
	struct session_host {
		struct replay *replay;
		unsigned backend;
	} hosts[BACKENDS_MAX];
	struct timers due;   /* when a session has something to say, by number of the flow */
	struct timers wakes; /* of the servers' stacks, then the clients', of `due`, of the next fault */
	uint64_t started_ns; /* faults count from here */
	uint32_t faults;     /* bit i: fault i of the configuration has begun */
	uint64_t pending;    /* steps that have not been said */
	uint64_t backlog;    /* sum of the sessions' */
};

/* session_steps.c: false if memory is short. */
bool steps_push(struct steps *q, const struct step *step);
const struct step *steps_first(const struct steps *q);
void steps_pop(struct steps *q);
void steps_fini(struct steps *q);
/* A segment has been recorded: makes a step of what is new in order. */
bool steps_record(struct replay_flow *f, enum side side, const struct segment *s, uint64_t at_ns);
/* The recording is at its end: what its holes hid is said as zeros. */
bool steps_fill(struct replay_flow *f, enum side side, uint64_t at_ns);

/* session.c */
/* A segment of the flow has been recorded. */
void session_record(struct replay *r, struct replay_flow *f, enum side side, const struct segment *s);
/* Says what is due. */
void session_advance(struct replay *r, struct replay_flow *f);
void session_event(struct replay *r, struct replay_flow *f, enum side side, enum tcp_event e);
/* The server's side of the flow has come up on `backend`; false if it is none of ours. */
bool session_accept(struct replay *r, struct replay_flow *f, unsigned backend, struct tcp *c);
/* The recording of the flow is at its end. */
void session_fill(struct replay *r, struct replay_flow *f);
/* The host of the server's endpoint has forgotten it. */
void session_forget_server(struct replay_flow *f);
/* Lets go of the endpoints. */
void session_end(struct replay *r, struct replay_flow *f);
void session_free(struct replay_flow *f);

/* session_run.c */
/* The stacks. 0, or -1 if memory is short. */
int sessions_open(struct replay *r);
void sessions_close(struct replay *r);
/* The stacks have been called: the world learns when their timers are due. */
void sessions_ran(struct replay *r);
/* Has session_advance() called at `due_ns`; TIME_NEVER: not by time. */
void sessions_wake(struct replay *r, const struct replay_flow *f, uint64_t due_ns);
/* How the flow's client behaves: what its recorded SYN offers, else as any other. */
void sessions_settings(const struct replay_flow *f, struct tcp_settings *settings);
/* The first packet of the trace is due. */
void sessions_start(struct replay *r);
/* Lets the world go on while more has been recorded than should be kept. */
void sessions_catch_up(struct replay *r);
/* The recording is at its end: lets everything be said and arrive, as far as it can. */
void sessions_finish(struct replay *r);
/* Hooks of the world. */
void sessions_client_received(void *ctx, struct packet *p, uint64_t now_ns);
void sessions_server_received(void *ctx, unsigned backend, struct packet *p, uint64_t now_ns);
void sessions_run(void *ctx, uint64_t now_ns);
void sessions_agent_restarted(void *ctx, unsigned backend, uint64_t now_ns);

#endif
