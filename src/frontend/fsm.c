/* SPDX-License-Identifier: BSD-2-Clause */
/* fsm.c: the front-end's state machine (paper §3.2, extended by what real connections do).
 *
 * One const table [state][event] -> {kind, action, next}. Guards run while a packet is
 * classified into an event (inbound.c, outbound.c, request.c); actions (actions.c) never choose
 * a state; fsm_fire() is the only place that changes one: it asserts, counts, notes. A packet may
 * fire several events in order (bytes, then FIN). Whether a packet itself is forwarded is not the
 * table's business: every state from COMPLETE to CLOSING splices.
 *
 *   NONE --HANDSHAKE--> INIT --REQUEST--> BACKEND_SYN --BACKEND_SYNACK--> COMPLETE <--> OFFLOADED
 *                                             ^                             |  ^
 *                                             +------HELD_MOVES------ HELD <+  |HELD_GOES_ON
 *                                                                      +-------+
 *   COMPLETE, OFFLOADED --CLIENT_FIN / BACKEND_FIN--> ... --> CLOSING --ALL_ACKED--> LINGER --IDLE--> NONE
 *   anything refused: REFUSING --ALL_ACKED--> LINGER */
#include "frontend_internal.h"

#define GO(act, to) \
	{ \
		.kind = CELL_GO, .action = ACTION_##act, .next = FSM_##to \
	}
#define STAY(act) \
	{ \
		.kind = CELL_STAY, .action = ACTION_##act \
	}
#define ILLEGAL \
	{ \
		.kind = CELL_ILLEGAL \
	}

/* Backend packets are classified only when they come from the flow's present backend. */
#define NO_BACKEND_EVENTS \
	[EVENT_BACKEND_SYNACK] = ILLEGAL, [EVENT_BACKEND_DATA] = ILLEGAL, [EVENT_BACKEND_FIN] = ILLEGAL, \
	[EVENT_BACKEND_RST] = ILLEGAL
#define NO_HELD_EVENTS \
	[EVENT_HELD_GOES_ON] = ILLEGAL, [EVENT_HELD_MOVES] = ILLEGAL, [EVENT_HELD_REFUSED] = ILLEGAL, \
	[EVENT_HELD_VOID] = ILLEGAL
/* Only COMPLETE asks (offload_ready()); only OFFLOADED is pulled back (request.c) or told (frontend_reply()). */
#define NO_ENTRY_EVENTS [EVENT_OFFLOAD] = ILLEGAL, [EVENT_PULL_BACK] = ILLEGAL, [EVENT_ENTRY_FULL] = ILLEGAL
#define NO_REQUEST_EVENTS \
	[EVENT_REQUEST] = ILLEGAL, [EVENT_REQUEST_HELD] = ILLEGAL, [EVENT_REQUEST_BAD] = ILLEGAL, \
	[EVENT_END_UNKNOWN] = ILLEGAL

const struct fsm_cell fsm_table[FSM_STATE_COUNT][FSM_EVENT_COUNT] = {
	/* No flow: only a verified handshake begins one. */
	[FSM_NONE] = {
		[EVENT_NONE] = ILLEGAL,
		[EVENT_HANDSHAKE] = GO(NOTHING, INIT),
		[EVENT_CLIENT_ACK] = ILLEGAL,
		[EVENT_CLIENT_DATA] = ILLEGAL,
		[EVENT_CLIENT_PART] = ILLEGAL,
		[EVENT_CLIENT_AGAIN] = ILLEGAL,
		NO_REQUEST_EVENTS,
		[EVENT_CLIENT_FIN] = ILLEGAL,
		[EVENT_CLIENT_RST] = ILLEGAL,
		NO_BACKEND_EVENTS,
		NO_ENTRY_EVENTS,
		NO_HELD_EVENTS,
		[EVENT_ALL_ACKED] = ILLEGAL,
		[EVENT_RETRY] = ILLEGAL,
		[EVENT_GIVE_UP] = ILLEGAL,
		[EVENT_IDLE] = ILLEGAL,
		[EVENT_REUSE] = ILLEGAL,
	},
	/* Collecting the first request head. */
	[FSM_INIT] = {
		[EVENT_NONE] = ILLEGAL,
		[EVENT_HANDSHAKE] = ILLEGAL,
		[EVENT_CLIENT_ACK] = STAY(NOTHING),      /* the handshake's ACK again, a window update */
		[EVENT_CLIENT_DATA] = STAY(ACKNOWLEDGE), /* out of order: a duplicate ACK tells the client */
		[EVENT_CLIENT_PART] = STAY(ACKNOWLEDGE), /* ours to deliver from now on */
		[EVENT_CLIENT_AGAIN] = STAY(ACKNOWLEDGE), /* our ACK was lost, or a keep-alive (RFC 9293 §3.8.4) */
		[EVENT_REQUEST] = GO(CONNECT, BACKEND_SYN),
		[EVENT_REQUEST_HELD] = ILLEGAL, /* nothing is spliced that it could wait for */
		[EVENT_REQUEST_BAD] = GO(REFUSE, REFUSING),
		[EVENT_END_UNKNOWN] = ILLEGAL,
		[EVENT_CLIENT_FIN] = GO(REFUSE, REFUSING), /* closed without a whole request */
		[EVENT_CLIENT_RST] = GO(END, LINGER),
		NO_BACKEND_EVENTS,
		NO_ENTRY_EVENTS,
		NO_HELD_EVENTS,
		[EVENT_ALL_ACKED] = ILLEGAL,
		[EVENT_RETRY] = ILLEGAL,
		[EVENT_GIVE_UP] = ILLEGAL,
		[EVENT_IDLE] = GO(RESET_BOTH, LINGER), /* not one byte came: nobody to answer */
		[EVENT_REUSE] = GO(RESTART, INIT),
	},
	/* Waiting for the backend's SYN-ACK; everything the client sends is buffered. */
	[FSM_BACKEND_SYN] = {
		[EVENT_NONE] = ILLEGAL,
		[EVENT_HANDSHAKE] = ILLEGAL,
		[EVENT_CLIENT_ACK] = STAY(NOTHING),
		[EVENT_CLIENT_DATA] = STAY(NOTHING),
		[EVENT_CLIENT_PART] = ILLEGAL,
		[EVENT_CLIENT_AGAIN] = STAY(RETRY_SYN), /* passive retransmission (paper, appendix C) */
		NO_REQUEST_EVENTS, /* reading goes on after the SYN-ACK */
		[EVENT_CLIENT_FIN] = ILLEGAL, /* remembered, forwarded after the request */
		[EVENT_CLIENT_RST] = GO(RESET_BACKEND, LINGER),
		[EVENT_BACKEND_SYNACK] = GO(SPLICE, COMPLETE),
		[EVENT_BACKEND_DATA] = ILLEGAL,
		[EVENT_BACKEND_FIN] = ILLEGAL,
		[EVENT_BACKEND_RST] = GO(REFUSE, REFUSING), /* 503 */
		NO_ENTRY_EVENTS,
		NO_HELD_EVENTS,
		[EVENT_ALL_ACKED] = ILLEGAL,
		[EVENT_RETRY] = STAY(RETRY_SYN),
		[EVENT_GIVE_UP] = GO(REFUSE, REFUSING), /* 504 */
		[EVENT_IDLE] = ILLEGAL, /* the retransmission timer rules here */
		[EVENT_REUSE] = GO(RESTART, INIT),
	},
	/* Slow path: the front-end rewrites addresses both ways. */
	[FSM_COMPLETE] = {
		[EVENT_NONE] = ILLEGAL,
		[EVENT_HANDSHAKE] = ILLEGAL,
		[EVENT_CLIENT_ACK] = STAY(NOTHING),
		[EVENT_CLIENT_DATA] = STAY(NOTHING),
		[EVENT_CLIENT_PART] = STAY(ACKNOWLEDGE),
		[EVENT_CLIENT_AGAIN] = STAY(NOTHING),
		[EVENT_REQUEST] = STAY(NOTHING),
		[EVENT_REQUEST_HELD] = GO(HOLD, HELD), /* two steps, the first: the entry's delete (paper §4.3) */
		[EVENT_REQUEST_BAD] = ILLEGAL, /* held until E, even if E is acknowledged already */
		[EVENT_END_UNKNOWN] = GO(RESET_BOTH, LINGER),
		[EVENT_CLIENT_FIN] = GO(PULL_BACK, CLIENT_FIN),
		[EVENT_CLIENT_RST] = GO(END, LINGER),
		[EVENT_BACKEND_SYNACK] = STAY(NOTHING), /* its retransmission: absorbed (F9) */
		[EVENT_BACKEND_DATA] = STAY(NOTHING),
		[EVENT_BACKEND_FIN] = GO(PULL_BACK, BACKEND_FIN),
		[EVENT_BACKEND_RST] = GO(END, LINGER),
		[EVENT_OFFLOAD] = GO(OFFLOAD, OFFLOADED),
		[EVENT_PULL_BACK] = ILLEGAL, /* request.c: there is nothing to pull back from */
		[EVENT_ENTRY_FULL] = ILLEGAL, /* frontend_reply(): the slow path has no entry to miss */
		NO_HELD_EVENTS,
		[EVENT_ALL_ACKED] = ILLEGAL,
		[EVENT_RETRY] = STAY(RETRY_DATA),
		[EVENT_GIVE_UP] = GO(RESET_BOTH, LINGER),
		[EVENT_IDLE] = GO(RESET_BOTH, LINGER),
		[EVENT_REUSE] = GO(RESTART, INIT),
	},
	/* Fast path: only payload of the client, SYN, FIN and RST still visit the front-end. */
	[FSM_OFFLOADED] = {
		[EVENT_NONE] = ILLEGAL,
		[EVENT_HANDSHAKE] = ILLEGAL,
		[EVENT_CLIENT_ACK] = STAY(NOTHING), /* the entry is not effective yet: we carry the flow */
		[EVENT_CLIENT_DATA] = STAY(NOTHING),
		[EVENT_CLIENT_PART] = ILLEGAL, /* PULL_BACK comes first */
		[EVENT_CLIENT_AGAIN] = STAY(NOTHING),
		[EVENT_REQUEST] = STAY(NOTHING),
		[EVENT_REQUEST_HELD] = GO(HOLD, HELD),
		[EVENT_REQUEST_BAD] = ILLEGAL,
		[EVENT_END_UNKNOWN] = GO(RESET_BOTH, LINGER),
		[EVENT_CLIENT_FIN] = GO(PULL_BACK, CLIENT_FIN),
		[EVENT_CLIENT_RST] = GO(END, LINGER),
		[EVENT_BACKEND_SYNACK] = STAY(NOTHING),
		[EVENT_BACKEND_DATA] = STAY(NOTHING),
		[EVENT_BACKEND_FIN] = GO(PULL_BACK, BACKEND_FIN),
		[EVENT_BACKEND_RST] = GO(END, LINGER),
		[EVENT_OFFLOAD] = ILLEGAL,
		[EVENT_PULL_BACK] = GO(PULL_BACK, COMPLETE),
		[EVENT_ENTRY_FULL] = GO(NOTHING, COMPLETE), /* stays on the slow path */
		NO_HELD_EVENTS,
		[EVENT_ALL_ACKED] = ILLEGAL,
		[EVENT_RETRY] = STAY(RETRY_DATA),
		[EVENT_GIVE_UP] = GO(RESET_BOTH, LINGER),
		[EVENT_IDLE] = GO(PULL_BACK, COMPLETE), /* the fast path may be busy: come back and look */
		[EVENT_REUSE] = GO(RESTART, INIT),
	},
	/* A request waits at c_limit; the old splice goes on below it. */
	[FSM_HELD] = {
		[EVENT_NONE] = ILLEGAL,
		[EVENT_HANDSHAKE] = ILLEGAL,
		[EVENT_CLIENT_ACK] = STAY(NOTHING),
		[EVENT_CLIENT_DATA] = STAY(NOTHING),
		[EVENT_CLIENT_PART] = STAY(ACKNOWLEDGE), /* it waits for E: the client need not */
		[EVENT_CLIENT_AGAIN] = STAY(NOTHING),
		[EVENT_REQUEST] = ILLEGAL, /* reading stops at the held request */
		[EVENT_REQUEST_HELD] = ILLEGAL,
		[EVENT_REQUEST_BAD] = ILLEGAL,
		[EVENT_END_UNKNOWN] = GO(RESET_BOTH, LINGER),
		[EVENT_CLIENT_FIN] = ILLEGAL, /* comes after the held request */
		[EVENT_CLIENT_RST] = GO(END, LINGER),
		[EVENT_BACKEND_SYNACK] = STAY(NOTHING),
		[EVENT_BACKEND_DATA] = STAY(NOTHING),
		[EVENT_BACKEND_FIN] = GO(NOTHING, BACKEND_FIN), /* the client sees the close and asks again */
		[EVENT_BACKEND_RST] = GO(END, LINGER),
		NO_ENTRY_EVENTS,
		[EVENT_HELD_GOES_ON] = GO(GO_ON, COMPLETE),
		[EVENT_HELD_MOVES] = GO(MOVE, BACKEND_SYN), /* two steps, the second */
		[EVENT_HELD_REFUSED] = GO(REFUSE, REFUSING),
		[EVENT_HELD_VOID] = ILLEGAL,
		[EVENT_ALL_ACKED] = ILLEGAL,
		[EVENT_RETRY] = STAY(RETRY_HELD),
		[EVENT_GIVE_UP] = GO(RESET_BOTH, LINGER),
		[EVENT_IDLE] = GO(RESET_BOTH, LINGER),
		[EVENT_REUSE] = GO(RESTART, INIT),
	},
	/* Half closed by the client: the response still flows (RFC 9293 §3.6.1). */
	[FSM_CLIENT_FIN] = {
		[EVENT_NONE] = ILLEGAL,
		[EVENT_HANDSHAKE] = ILLEGAL,
		[EVENT_CLIENT_ACK] = STAY(NOTHING),
		[EVENT_CLIENT_DATA] = STAY(NOTHING),
		[EVENT_CLIENT_PART] = ILLEGAL,
		[EVENT_CLIENT_AGAIN] = STAY(NOTHING),
		[EVENT_REQUEST] = STAY(NOTHING),
		[EVENT_REQUEST_HELD] = ILLEGAL,
		[EVENT_REQUEST_BAD] = ILLEGAL,
		[EVENT_END_UNKNOWN] = ILLEGAL,
		[EVENT_CLIENT_FIN] = ILLEGAL, /* due_event() tells it once; what comes again is no event */
		[EVENT_CLIENT_RST] = GO(END, LINGER),
		[EVENT_BACKEND_SYNACK] = STAY(NOTHING),
		[EVENT_BACKEND_DATA] = STAY(NOTHING),
		[EVENT_BACKEND_FIN] = GO(NOTHING, CLOSING),
		[EVENT_BACKEND_RST] = GO(END, LINGER),
		NO_ENTRY_EVENTS,
		NO_HELD_EVENTS,
		[EVENT_ALL_ACKED] = ILLEGAL,
		[EVENT_RETRY] = STAY(RETRY_DATA),
		[EVENT_GIVE_UP] = GO(RESET_BOTH, LINGER),
		[EVENT_IDLE] = GO(RESET_BOTH, LINGER),
		[EVENT_REUSE] = GO(RESTART, INIT),
	},
	/* Half closed by the backend: the client may still send. */
	[FSM_BACKEND_FIN] = {
		[EVENT_NONE] = ILLEGAL,
		[EVENT_HANDSHAKE] = ILLEGAL,
		[EVENT_CLIENT_ACK] = STAY(NOTHING),
		[EVENT_CLIENT_DATA] = STAY(NOTHING),
		[EVENT_CLIENT_PART] = STAY(NOTHING),
		[EVENT_CLIENT_AGAIN] = STAY(NOTHING),
		[EVENT_REQUEST] = STAY(NOTHING),
		[EVENT_REQUEST_HELD] = STAY(NOTHING), /* nobody left to answer on this connection: never delivered */
		[EVENT_REQUEST_BAD] = ILLEGAL,
		[EVENT_END_UNKNOWN] = ILLEGAL,
		[EVENT_CLIENT_FIN] = GO(NOTHING, CLOSING),
		[EVENT_CLIENT_RST] = GO(END, LINGER),
		[EVENT_BACKEND_SYNACK] = STAY(NOTHING),
		[EVENT_BACKEND_DATA] = STAY(NOTHING),
		[EVENT_BACKEND_FIN] = ILLEGAL, /* outbound_segment() tells it once */
		[EVENT_BACKEND_RST] = GO(END, LINGER),
		NO_ENTRY_EVENTS,
		[EVENT_HELD_GOES_ON] = ILLEGAL, /* it went before the FIN did */
		[EVENT_HELD_MOVES] = ILLEGAL,
		[EVENT_HELD_REFUSED] = ILLEGAL,
		[EVENT_HELD_VOID] = GO(ABANDON, LINGER),
		[EVENT_ALL_ACKED] = ILLEGAL,
		[EVENT_RETRY] = STAY(RETRY_DATA),
		[EVENT_GIVE_UP] = GO(RESET_BOTH, LINGER),
		[EVENT_IDLE] = GO(RESET_BOTH, LINGER),
		[EVENT_REUSE] = GO(RESTART, INIT),
	},
	/* Both FINs seen. */
	[FSM_CLOSING] = {
		[EVENT_NONE] = ILLEGAL,
		[EVENT_HANDSHAKE] = ILLEGAL,
		[EVENT_CLIENT_ACK] = STAY(NOTHING),
		[EVENT_CLIENT_DATA] = STAY(NOTHING),
		[EVENT_CLIENT_PART] = STAY(NOTHING),
		[EVENT_CLIENT_AGAIN] = STAY(NOTHING),
		[EVENT_REQUEST] = STAY(NOTHING),
		[EVENT_REQUEST_HELD] = STAY(NOTHING),
		[EVENT_REQUEST_BAD] = ILLEGAL,
		[EVENT_END_UNKNOWN] = ILLEGAL,
		[EVENT_CLIENT_FIN] = ILLEGAL, /* due_event() tells it once; what comes again is no event */
		[EVENT_CLIENT_RST] = GO(END, LINGER),
		[EVENT_BACKEND_SYNACK] = STAY(NOTHING),
		[EVENT_BACKEND_DATA] = STAY(NOTHING),
		[EVENT_BACKEND_FIN] = ILLEGAL, /* outbound_segment() tells it once */
		[EVENT_BACKEND_RST] = GO(END, LINGER),
		NO_ENTRY_EVENTS,
		NO_HELD_EVENTS,
		[EVENT_ALL_ACKED] = GO(END, LINGER),
		[EVENT_RETRY] = STAY(RETRY_DATA),
		[EVENT_GIVE_UP] = GO(RESET_BOTH, LINGER),
		[EVENT_IDLE] = GO(END, LINGER), /* the last ACK went by the fast path, or was lost */
		[EVENT_REUSE] = GO(RESTART, INIT),
	},
	/* The front-end is the server now. */
	[FSM_REFUSING] = {
		[EVENT_NONE] = ILLEGAL,
		[EVENT_HANDSHAKE] = ILLEGAL,
		[EVENT_CLIENT_ACK] = STAY(NOTHING),
		[EVENT_CLIENT_DATA] = STAY(ACKNOWLEDGE), /* taken and thrown away (RFC 9112 §9.6) */
		[EVENT_CLIENT_PART] = ILLEGAL,
		[EVENT_CLIENT_AGAIN] = STAY(ACKNOWLEDGE),
		NO_REQUEST_EVENTS,
		[EVENT_CLIENT_FIN] = STAY(ACKNOWLEDGE),
		[EVENT_CLIENT_RST] = GO(END, LINGER),
		NO_BACKEND_EVENTS,
		NO_ENTRY_EVENTS,
		NO_HELD_EVENTS,
		[EVENT_ALL_ACKED] = GO(END, LINGER),
		[EVENT_RETRY] = STAY(RETRY_REFUSAL),
		[EVENT_GIVE_UP] = GO(END, LINGER),
		[EVENT_IDLE] = GO(END, LINGER), /* the client never closed its half */
		[EVENT_REUSE] = GO(RESTART, INIT),
	},
	/* Over. Stray packets are still carried between the two ends until the linger time is up. */
	[FSM_LINGER] = {
		[EVENT_NONE] = ILLEGAL,
		[EVENT_HANDSHAKE] = ILLEGAL,
		[EVENT_CLIENT_ACK] = STAY(NOTHING),
		[EVENT_CLIENT_DATA] = STAY(NOTHING),
		[EVENT_CLIENT_PART] = STAY(RESET_AGAIN), /* nobody is left to deliver it to */
		[EVENT_CLIENT_AGAIN] = STAY(ACKNOWLEDGE), /* we were its server: our last ACK was lost */
		NO_REQUEST_EVENTS,
		[EVENT_CLIENT_FIN] = ILLEGAL, /* a stray FIN is one of the two, too */
		[EVENT_CLIENT_RST] = STAY(NOTHING),
		[EVENT_BACKEND_SYNACK] = STAY(NOTHING),
		[EVENT_BACKEND_DATA] = STAY(NOTHING),
		[EVENT_BACKEND_FIN] = STAY(NOTHING),
		[EVENT_BACKEND_RST] = STAY(NOTHING),
		NO_ENTRY_EVENTS,
		NO_HELD_EVENTS,
		[EVENT_ALL_ACKED] = ILLEGAL,
		[EVENT_RETRY] = ILLEGAL,
		[EVENT_GIVE_UP] = ILLEGAL,
		[EVENT_IDLE] = GO(END, NONE),
		[EVENT_REUSE] = GO(RESTART, INIT),
	},
};

#define ALL_ASSIGNED "everything up to the client's FIN is the backend's, and nothing follows a FIN: "
#define NOTHING_OWED \
	"entered when the backend has acknowledged what is ours, and nothing becomes ours before PULL_BACK: "

/* Cells that are written because their event is ordinary, although the marks of a flow in that state
 * rule it out. Unlike an illegal cell each does no harm, should the argument be wrong. */
static const struct {
	uint8_t state, event;
	const char *reason;
} unreachable[] = {
	{ FSM_OFFLOADED, EVENT_RETRY, NOTHING_OWED "no timer runs" },
	{ FSM_OFFLOADED, EVENT_GIVE_UP, NOTHING_OWED "no timer runs" },
	{ FSM_CLIENT_FIN, EVENT_CLIENT_DATA, ALL_ASSIGNED "bytes that still come count as seen before" },
	{ FSM_CLIENT_FIN, EVENT_REQUEST, ALL_ASSIGNED "no head is left to read" },
	{ FSM_CLOSING, EVENT_CLIENT_DATA, ALL_ASSIGNED "bytes that still come count as seen before" },
	{ FSM_CLOSING, EVENT_CLIENT_PART, ALL_ASSIGNED "no half a head can wait" },
	{ FSM_CLOSING, EVENT_REQUEST, ALL_ASSIGNED "no head is left to read" },
	{ FSM_CLOSING, EVENT_REQUEST_HELD, ALL_ASSIGNED "no head is left to read" },
};

/* The second table: which idle timeout each state has (config.h, struct config_timeouts). */
const uint8_t fsm_idle_class[FSM_STATE_COUNT] = {
	[FSM_NONE] = IDLE_OFF,
	[FSM_INIT] = IDLE_REQUEST,
	[FSM_BACKEND_SYN] = IDLE_OFF, /* bounded by the retransmission timer */
	[FSM_COMPLETE] = IDLE_ESTABLISHED,
	[FSM_OFFLOADED] = IDLE_ESTABLISHED,
	[FSM_HELD] = IDLE_ESTABLISHED,
	[FSM_CLIENT_FIN] = IDLE_CLOSING,
	[FSM_BACKEND_FIN] = IDLE_CLOSING,
	[FSM_CLOSING] = IDLE_CLOSING,
	[FSM_REFUSING] = IDLE_CLOSING,
	[FSM_LINGER] = IDLE_LINGER,
};

static const char *const state_names[FSM_STATE_COUNT] = {
#define X(name, text) #name,
	FSM_STATES(X)
#undef X
};

static const char *const event_names[FSM_EVENT_COUNT] = {
#define X(name, text) #name,
	FSM_EVENTS(X)
#undef X
};

static const char *const action_names[FSM_ACTION_COUNT] = {
#define X(name, text) #name,
	FSM_ACTIONS(X)
#undef X
};

const char *fsm_state_name(enum fsm_state s)
{
	return state_names[s];
}

const char *fsm_event_name(enum fsm_event e)
{
	return event_names[e];
}

bool fsm_cell_exists(enum fsm_state s, enum fsm_event e)
{
	return fsm_table[s][e].kind == CELL_GO || fsm_table[s][e].kind == CELL_STAY;
}

const char *fsm_cell_unreachable(enum fsm_state s, enum fsm_event e)
{
	for (size_t i = 0; i < ARRAY_LEN(unreachable); i++)
		if (unreachable[i].state == s && unreachable[i].event == e)
			return unreachable[i].reason;
	return NULL;
}

const char *fsm_action_name(enum fsm_action a)
{
	return action_names[a];
}

/* Notes the transition on the packet at hand, for taps and explanations; without one, tells it. */
static void note_transition(struct work *w, const struct flow *f, enum fsm_event event, enum fsm_state next)
{
	const struct packet_transition step = { .state = f->state, .event = (uint8_t)event, .next = (uint8_t)next };
	struct packet *p = w->packet;

	if (!p) {
		notice_send_step(w, f, &step);
		return;
	}
	if (p->note.transitions < PACKET_TRANSITIONS)
		p->note.transition[p->note.transitions++] = step;
	p->note.backend = f->backend;
}

/* A request must be complete within its time, however slowly it trickles: that timer is not
 * restarted by what comes (a slow-request attack would live on it). All others measure silence. */
static void restart_idle(struct work *w, struct flow *f, enum fsm_event event)
{
	unsigned list = fsm_idle_class[f->state];

	if (f->state == FSM_COMPLETE && request_unfinished(f))
		list = IDLE_REQUEST;
	if (list != IDLE_REQUEST || f->idle.list != IDLE_REQUEST || event == EVENT_REUSE)
		flow_idle_set(&w->fe->flows, f, list, w->now_ns);
}

BREAKABLE void fsm_fire(struct work *w, struct flow *f, enum fsm_event event)
{
	const struct fsm_cell *cell = &fsm_table[f->state][event];
	enum fsm_state next = cell->kind == CELL_GO ? cell->next : f->state;

	MUST(cell->kind == CELL_GO || cell->kind == CELL_STAY);
	w->fe->stats.transitions[f->state][event]++;
	note_transition(w, f, event, next);
	f->state = (uint8_t)next;
	restart_idle(w, f, event);
	action_run(w, f, cell->action);
}
