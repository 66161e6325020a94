/* SPDX-License-Identifier: BSD-2-Clause */
/* flow.h: one connection in the Full Connection Table, and the table itself.
 *
 * A flow joins two half-streams. Client bytes keep their sequence numbers all the way, server
 * bytes arrive here already in the client's view (L space), so one number space per direction
 * is enough. For client bytes the marks are, in order:
 *
 *   c_start <= c_una <= c_limit <= c_fed          (c_nxt: highest end seen, anywhere)
 *
 *   [c_start, c_limit)  assigned to the present backend: whole request heads and their bodies
 *   [c_limit, c_fed)    the parser has seen them, but the head they belong to is not complete
 *                       or waits (FSM_HELD)
 *
 * A body of known length moves c_limit beyond what has arrived: its bytes need no reading. A
 * very long one does so in steps of FLOW_BODY_STEP, at most one and a half of them ahead of what was
 * seen; with a window (FLOW_WINDOW_MAX) behind it comparisons stay within 2^31. */
#ifndef MIRESGA_FLOW_H
#define MIRESGA_FLOW_H

#include "miresga/cookie.h"
#include "miresga/frontend.h"
#include "miresga/http.h"
#include "miresga/tcp_options.h"
#include "stream_buffer.h"

#define FLOW_NONE UINT32_MAX
#define FLOW_BODY_STEP (UINT32_C(1) << 29)
/* How far from what was seen last a segment may lie: the largest window there is (RFC 7323). */
#define FLOW_WINDOW_MAX (UINT32_C(1) << 30)
/* What lies so near to the next expected byte is taken for the flow's own without asking whether it proves a handshake;
 * so is, less near, what does not begin as a request does. The ISN of a port's next connection is hardly ever that
 * near: it moves on by a MiB in 67 ms (Linux) to 4 s (RFC 6528 §3). */
#define FLOW_NEAR (UINT32_C(1) << 20)
#define FLOW_LESS_NEAR (UINT32_C(1) << 24)

/* Idle timeouts, one FIFO each: all its flows have the same timeout, so that the head is due first. */
enum idle_class {
	IDLE_OFF,
	IDLE_REQUEST,
	IDLE_ESTABLISHED,
	IDLE_CLOSING,
	IDLE_LINGER,
	IDLE_CLASSES,
};

/* Retransmission: one FIFO per backoff step. */
#define RETRY_STEPS_MAX 16
#define TIMER_LISTS (IDLE_CLASSES + RETRY_STEPS_MAX)

struct flow_timer {
	uint32_t prev, next; /* flow indices */
	uint64_t due_ns;
	uint8_t list; /* index of the timer list, 0: none */
};

/* The switch's entry for this flow, as far as we asked. */
enum entry_state {
	ENTRY_NONE,
	ENTRY_ADDING,
	ENTRY_PRESENT,
	ENTRY_DELETING,
};

/* Why the request at c_limit waits (FSM_HELD). */
enum held_kind {
	HELD_NOTHING,
	HELD_FOR_ENTRY, /* same backend; its response must be seen, so the entry goes first */
	HELD_TO_MOVE,	/* for backend `held_backend`, once E is acknowledged */
	HELD_TO_REFUSE, /* to be answered with `refusal`, once E is acknowledged */
};

/* A request whose response has not ended: what its response must be read with. */
#define AWAITED_HEAD 0x01
#define AWAITED_CONNECT 0x02
#define AWAITED_OFFLOAD_SHIFT 4 /* enum offload_mode */
#define AWAITED_MAX 64

/* Follows the backend's byte stream to know where responses end. */
struct response_tracker {
	struct stream_buffer *early; /* segments ahead of `next`, while on the slow path */
	uint64_t body_left;	     /* of a body, beyond `next`: added step by step */
	uint32_t next;		     /* next byte to read, L space; beyond it while a body of known length runs */
	bool lost;		     /* framing unknown from here on: E cannot be known */
	bool begun;		     /* inside a response */
	uint8_t first, count;	     /* ring of awaited requests */
	uint8_t awaited[AWAITED_MAX];
	struct http_response http;
};

/* What every packet that is merely carried on reads or writes comes first: FLOW_HOT_LINES cache lines. Neighbours in a
 * timer list write to the first one. */
#define FLOW_LINE 64
#define FLOW_HOT_LINES 3

struct flow {
	/* Full Connection Table */
	struct endpoint client;
	uint32_t chain;	       /* next flow in the hash bucket, or in the free list */
	uint8_t state;	       /* enum fsm_state; changed by fsm_fire() only */
	uint8_t backend;       /* of the present splice; meaningless before BACKEND_SYN */
	uint8_t entry;	       /* enum entry_state */
	uint8_t entry_backend; /* whose packets it carries */
	struct flow_timer idle;
	bool tunnel;	    /* after 101 or CONNECT: bytes are not HTTP any more */
	bool wait_response; /* CONNECT or Upgrade: what follows is read only after the response's head */
	bool has_timestamps;
	bool has_backend; /* `backend` is, or was last, spliced */
	bool ended;	  /* closed or reset in order: nobody needs to be told any more */
	bool entry_seen;  /* an entry has been effective: some outbound bytes may have passed us by */
	bool c_fin_seen, c_fin_sent;
	bool s_fin_seen;
	bool s_unseen;	   /* an entry has been effective on this connection: bytes have passed us by */
	bool want_offload; /* decided, waits until nothing is owed */
	uint8_t offload;   /* enum offload_mode of the request matched last */
	uint8_t held;	   /* enum held_kind */
	uint8_t refusal;   /* enum refusal */
	uint8_t retry_step;
	uint16_t c_window; /* as last sent, scaled by offer.wscale */
	uint16_t s_mss;

	/* client half */
	uint32_t c_start, c_una, c_limit, c_fed, c_nxt;
	uint32_t c_sent;      /* of the buffer: sent to the backend up to here */
	uint32_t c_owed;      /* acknowledged to the client by us: ours to deliver up to here */
	uint32_t c_ack;	      /* highest ACK the client sent: its RCV.NXT */
	uint32_t c_fin;	      /* sequence number of the FIN, if c_fin_seen */
	uint64_t c_body_left; /* of a body, beyond c_limit: assigned step by step */
	struct stream_buffer *buffer;

	/* server half, L space */
	uint32_t s_start; /* first byte of the present backend's stream (E, or L + 1) */
	uint32_t s_nxt;	  /* highest end seen; the highest sent unless s_unseen */
	uint32_t s_fin;
	uint32_t client_isn, isn; /* isn: L of the handshake */
	uint32_t c_tsval, c_tsecr, s_tsval;
	struct response_tracker response;

	/* what is needed when something changes */
	struct flow_timer retry;
	uint32_t entry_serial;
	uint32_t entry_isn; /* client_isn of the connection that the entry was asked for */
	struct http_request request;
	uint8_t held_backend, held_pool, held_rule; /* of the request being matched or held */
	uint8_t held_awaited;
	uint16_t last_backend; /* of the splice before, index + 1; 0: none */
	struct syn_offer offer;
	uint32_t refuse_start;	    /* REFUSING: first byte of our own response, L space */
	uint32_t refuse_len;	    /* its length without FIN */
	uint16_t chosen[POOLS_MAX]; /* backend drawn per pool + 1, 0: not yet drawn */
} __attribute__((aligned(FLOW_LINE)));
_Static_assert(offsetof(struct flow, response.awaited) <= (size_t)FLOW_HOT_LINES * FLOW_LINE, "the hot part");
_Static_assert(offsetof(struct flow, c_start) <= FLOW_LINE, "timers of neighbours touch one line");

struct timer_list {
	uint32_t head, tail;
	uint64_t timeout_ns;
};

struct flow_table {
	struct flow *flows;
	uint32_t *buckets;
	uint32_t bucket_mask;
	uint32_t free, count, peak, max;
	struct timer_list timers[TIMER_LISTS];
	uint32_t waiting; /* a bit for each list that is not empty */
};
_Static_assert(TIMER_LISTS <= 32, "flow_table.waiting");

/* Returns 0, or -1 if memory is short. */
int flow_table_init(struct flow_table *t, uint32_t max);
void flow_table_fini(struct flow_table *t);
struct flow *flow_find(const struct flow_table *t, struct endpoint client);
/* A zeroed flow under that key (which must be free); NULL when the table is full. */
struct flow *flow_add(struct flow_table *t, struct endpoint client);
void flow_remove(struct flow_table *t, struct flow *f);
/* In this order, for all packets of a batch each time: where the flow stands, the flow, its neighbours in time. */
void flow_prefetch_bucket(const struct flow_table *t, struct endpoint client);
void flow_prefetch(const struct flow_table *t, struct endpoint client);
void flow_prefetch_neighbours(const struct flow_table *t, struct endpoint client);

/* (Re)starts a timer on a list, at the list's end; list 0 stops it. */
void flow_idle_set(struct flow_table *t, struct flow *f, unsigned list, uint64_t now_ns);
void flow_retry_set(struct flow_table *t, struct flow *f, unsigned list, uint64_t now_ns);
/* Earliest due time of all lists. */
uint64_t flow_timers_next(const struct flow_table *t);
/* The flow at the head of `list` if it is due, else NULL. */
struct flow *flow_timer_due(const struct flow_table *t, unsigned list, uint64_t now_ns);

#endif
