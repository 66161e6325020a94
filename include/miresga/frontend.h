/* SPDX-License-Identifier: BSD-2-Clause */
/* frontend.h: a front-end server: Full Connection Table, FSM, request matching, offload decisions.
 *
 * It sees packets for the VIP and from the backends, with the server's numbers already shifted
 * into the client's view (L space) by the agents; it rewrites addresses and ports only. */
#ifndef MIRESGA_FRONTEND_H
#define MIRESGA_FRONTEND_H

#include "miresga/config.h"
#include "miresga/control.h"
#include "miresga/packet.h"

/* X(NAME, "text") */
#define FSM_STATES(X) \
	X(NONE, "no flow") \
	X(INIT, "handshake verified; collecting the first request head") \
	X(BACKEND_SYN, "special SYN sent; the request is cached") \
	X(COMPLETE, "spliced; the front-end forwards both ways (slow path)") \
	X(OFFLOADED, "spliced; the switch forwards what needs no front-end") \
	X(HELD, "spliced; the next request waits: for the old response's end E, or for the entry to go") \
	X(CLIENT_FIN, "the client has closed its half") \
	X(BACKEND_FIN, "the backend has closed its half") \
	X(CLOSING, "both have closed; acknowledgements are outstanding") \
	X(REFUSING, "the front-end itself answers with an error response and FIN") \
	X(LINGER, "ended; kept for stray retransmissions")
enum fsm_state {
#define X(name, text) FSM_##name,
	FSM_STATES(X)
#undef X
	FSM_STATE_COUNT
};

/* X(NAME, "text"); guards are evaluated while a packet is classified into one of these. */
#define FSM_EVENTS(X) \
	X(NONE, "nothing happened") \
	X(HANDSHAKE, "verified ACK of the switch's SYN-ACK") \
	X(CLIENT_ACK, "inbound, no stream bytes: ACK, window update") \
	X(CLIENT_DATA, "inbound new bytes that complete no request head") \
	X(CLIENT_PART, "inbound bytes that cannot be delivered yet: ours to acknowledge") \
	X(CLIENT_AGAIN, "inbound bytes seen before: retransmission, keep-alive") \
	X(REQUEST, "a request head is complete; its backend is the flow's, or the flow has none yet") \
	X(REQUEST_HELD, "a request head is complete, but must wait") \
	X(REQUEST_BAD, "malformed, too large, unmatched or overdue request") \
	X(CLIENT_FIN, "the client's FIN went to the backend, or came before any request") \
	X(CLIENT_RST, "inbound RST with exactly the next sequence number") \
	X(BACKEND_SYNACK, "SYN-ACK of the flow's backend") \
	X(BACKEND_DATA, "outbound segment of the flow's backend") \
	X(BACKEND_FIN, "outbound FIN of the flow's backend") \
	X(BACKEND_RST, "outbound RST of the flow's backend") \
	X(OFFLOAD, "the response is an elephant, or the rule says always") \
	X(PULL_BACK, "the front-end must see both ways again: the entry goes") \
	X(ENTRY_FULL, "the switch had no place for the entry") \
	X(HELD_GOES_ON, "the entry is gone: the held request goes to the same backend") \
	X(HELD_MOVES, "the client has acknowledged E: the held request goes to another backend") \
	X(HELD_REFUSED, "the client has acknowledged E: the bad request is answered") \
	X(HELD_VOID, "both have closed: what the client sent last reaches nobody") \
	X(END_UNKNOWN, "a request must move, but E cannot be known") \
	X(ALL_ACKED, "both FINs are acknowledged") \
	X(RETRY, "the front-end's retransmission timer") \
	X(GIVE_UP, "the retransmission timer's last expiry") \
	X(IDLE, "the state's idle timeout") \
	X(REUSE, "verified handshake of a new connection on the same client port")
enum fsm_event {
#define X(name, text) EVENT_##name,
	FSM_EVENTS(X)
#undef X
	FSM_EVENT_COUNT
};

const char *fsm_state_name(enum fsm_state s);
const char *fsm_event_name(enum fsm_event e);
/* False for the cells of the transition table that classification never reaches. */
bool fsm_cell_exists(enum fsm_state s, enum fsm_event e);
/* Why no packet leads to a cell that exists; NULL if one may. */
const char *fsm_cell_unreachable(enum fsm_state s, enum fsm_event e);

/* X(NAME, "key", "text"): why a flow got an error response or a reset from the front-end. */
#define REFUSALS(X) \
	X(NONE, "none", "not refused") \
	X(MALFORMED, "malformed", "malformed request (400)") \
	X(TOO_LARGE, "too_large", "request head too large (431)") \
	X(NO_RULE, "no_rule", "no rule matches the request (404)") \
	X(VERSION, "version", "HTTP version not supported (505)") \
	X(NOT_IMPLEMENTED, "not_implemented", "transfer coding not implemented (501)") \
	X(REQUEST_TIMEOUT, "request_timeout", "no complete request in time (408)") \
	X(BACKEND_REFUSED, "backend_refused", "the backend reset the special SYN (503)") \
	X(BACKEND_TIMEOUT, "backend_timeout", "the backend did not answer the special SYN (504)") \
	X(END_UNKNOWN, "end_unknown", "request for another backend, end of the response before it unknown (reset)")
enum refusal {
#define X(name, key, text) REFUSAL_##name,
	REFUSALS(X)
#undef X
	REFUSAL_COUNT
};
const char *refusal_key(enum refusal r);
const char *refusal_text(enum refusal r);

/* What a front-end tells whoever keeps the books; never needed to forward a packet. */
enum notice_kind {
	NOTICE_REQUEST,	  /* a request head was matched: pool, backend (also for the first) */
	NOTICE_CONNECTED, /* SYN-ACK of `backend` */
	NOTICE_REFUSED,	  /* `refusal` */
	NOTICE_OFFLOADED, /* the entry took effect; delay_ns since it was asked */
	NOTICE_OFFLOAD_FULL,
	NOTICE_CLOSED,	  /* flow gone after both FINs or a RST */
	NOTICE_TIMED_OUT, /* flow gone by an idle timeout or after the last retry */
	NOTICE_STEP,	  /* `step`: a cell of the FSM visited on no packet, but a timer or a control plane's answer */
};
struct frontend_notice {
	struct endpoint client;
	uint32_t client_isn; /* which of the port's connections */
	uint8_t kind;
	uint8_t pool, backend, refusal;
	uint8_t rule, offload; /* of the request: index, and that rule's enum offload_mode */
	uint64_t delay_ns;
	struct packet_transition step;
};
typedef void frontend_notice_fn(void *ctx, const struct frontend_notice *notice, uint64_t now_ns);

struct frontend_stats {
	uint64_t packets, bytes;      /* received; IPv4 total length */
	uint64_t requests, responses; /* heads seen */
	uint64_t flows_started, flows_closed, flows_reset, flows_timed_out;
	uint32_t flows, flows_peak;
	uint64_t special_syns, retransmissions, moves;
	uint64_t offloads_asked, offloads_effective, offloads_full;
	uint64_t untouched; /* outbound without a flow, sent back for LPM */
	uint64_t refused[REFUSAL_COUNT];
	uint64_t drops[DROP_COUNT];
	uint64_t transitions[FSM_STATE_COUNT][FSM_EVENT_COUNT];
	uint64_t requests_by_backend[BACKENDS_MAX];
	uint32_t buffers_used, buffers_peak;
};

struct frontend;

/* What a call produced, in order; the caller empties both queues. */
struct frontend_out {
	struct packet_queue packets; /* for the switch */
	struct control_op *ops;	     /* for the control plane, room for ops_max */
	unsigned op_count, ops_max;
};

/* NULL if memory is short. `notice` may be NULL. config and pool must outlive the front-end. */
struct frontend *frontend_create(const struct config *config, unsigned index, struct packet_pool *pool,
				 frontend_notice_fn *notice, void *notice_ctx);
void frontend_free(struct frontend *fe);
/* Handshakes are verified by this key from now on; before, by config->cookie_key. The switch must have the same. */
void frontend_set_cookie_key(struct frontend *fe, const struct siphash_key *key);
/* Handles one packet. Afterwards its fate is FORWARD (it is in out->packets), ABSORB or DROP
 * (the caller frees it). At most two operations are added to out->ops: needs two places. */
void frontend_packet(struct frontend *fe, struct packet *p, struct frontend_out *out, uint64_t now_ns);
/* Prefetches what frontend_packet() will look up for the packets of a batch; only a hint, by phv.client. */
void frontend_prefetch(const struct frontend *fe, struct packet *const packets[], uint32_t count);
/* The control plane's answer to one of our operations. */
void frontend_reply(struct frontend *fe, const struct control_reply *reply, struct frontend_out *out, uint64_t now_ns);
/* When frontend_timers() has work; TIME_NEVER if never. */
uint64_t frontend_next_wake(const struct frontend *fe);
/* Runs what is due by `now_ns`, until out->ops has less than two places left. */
void frontend_timers(struct frontend *fe, struct frontend_out *out, uint64_t now_ns);
const struct frontend_stats *frontend_stats(const struct frontend *fe);
/* The state of the client's flow; FSM_NONE if it has none here. */
enum fsm_state frontend_flow_state(const struct frontend *fe, struct endpoint client);

#endif
