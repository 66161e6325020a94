/* SPDX-License-Identifier: BSD-2-Clause */
/* frontend_internal.h: what the files of the front-end share.
 *
 *   frontend.c   entry points: a packet, a reply of the control plane, a timer
 *   inbound.c    client packets -> events          outbound.c   backend packets -> events
 *   request.c    client stream: heads, matching, holding     response.c  backend stream: ends
 *   icmp.c       ICMP errors -> the backend concerned
 *   fsm.c        the transition table, and the one function that changes a state
 *   actions.c    what the cells of the table do
 *   splice.c     packets that we make or redirect   balance.c    backend of a pool
 *   flow_table.c the Full Connection Table          stream_buffer.c  reassembly */
#ifndef MIRESGA_FRONTEND_INTERNAL_H
#define MIRESGA_FRONTEND_INTERNAL_H

#include "flow.h"
#include "miresga/frontend.h"

/* X(NAME, "text"): what a cell of the transition table does. */
#define FSM_ACTIONS(X) \
	X(NOTHING, "-") \
	X(ACKNOWLEDGE, "acknowledge what we hold (a Nagle client waits for that)") \
	X(CONNECT, "special SYN to the chosen backend") \
	X(SPLICE, "deliver the cached request") \
	X(HOLD, "have the entry deleted; the request waits") \
	X(GO_ON, "assign the held request to the same backend") \
	X(MOVE, "reset the old backend, special SYN to the new one") \
	X(REFUSE, "reset the backend if there is one; answer with an error, if there is one, and FIN") \
	X(RESET_BACKEND, "RST to the backend") \
	X(RESET_BOTH, "RST to both ends") \
	X(RESET_AGAIN, "RST to both ends, whose first was lost") \
	X(OFFLOAD, "ask for an entry") \
	X(PULL_BACK, "have the entry deleted") \
	X(RETRY_SYN, "special SYN again") \
	X(RETRY_DATA, "first unacknowledged bytes again") \
	X(RETRY_HELD, "the same; and the client is asked what it has") \
	X(RETRY_REFUSAL, "error response again") \
	X(RESTART, "forget the old connection, begin the new one") \
	X(ABANDON, "acknowledge the client's FIN, RST to the backend: the held bytes are nobody's") \
	X(END, "the flow is over")
enum fsm_action {
#define X(name, text) ACTION_##name,
	FSM_ACTIONS(X)
#undef X
	FSM_ACTION_COUNT
};

/* The timestamps option on an ordinary segment, with its padding (RFC 7323 appendix A). */
#define TCP_TIMESTAMPS_PADDED 12

/* Cell kinds: 0 is a cell that nobody wrote; a test fails on any. */
enum fsm_cell_kind {
	CELL_UNWRITTEN,
	CELL_GO,      /* act, then change to `next` */
	CELL_STAY,    /* act, keep the state */
	CELL_ILLEGAL, /* classification never produces it: our own mistake */
};

struct fsm_cell {
	uint8_t kind, action, next;
};
extern const struct fsm_cell fsm_table[FSM_STATE_COUNT][FSM_EVENT_COUNT];
extern const uint8_t fsm_idle_class[FSM_STATE_COUNT];
const char *fsm_action_name(enum fsm_action a);

struct frontend {
	const struct config *config;
	struct packet_pool *pool;
	unsigned index;
	frontend_notice_fn *notice;
	void *notice_ctx;
	struct flow_table flows;
	struct stream_buffer_pool buffers;
	struct frontend_stats stats;
	uint32_t serial; /* of control operations */
	struct siphash_key cookie_key;
	bool may_move;				 /* the rules lead to more than one pool */
	int32_t credit[POOLS_MAX][BACKENDS_MAX]; /* smooth weighted round robin */
	uint16_t backend_slot[1024];		 /* endpoint -> backend + 1, open addressing */
};

/* What a returning handshake ACK proved (cookie.h). */
struct handshake {
	uint32_t client_isn, isn;
	struct syn_offer offer;
	bool has_timestamps;
};

/* What one call works on. */
struct work {
	struct frontend *fe;
	struct frontend_out *out;
	struct packet *packet; /* the packet at hand, or NULL in a timer */
	uint64_t now_ns;
	enum {
		CHECKSUM_UNREAD,
		CHECKSUM_RIGHT,
		CHECKSUM_WRONG
	} verdict;		    /* on the packet's TCP checksum */
	struct handshake handshake; /* for EVENT_HANDSHAKE and EVENT_REUSE */
};

/* fsm.c: the only function that changes f->state. */
void fsm_fire(struct work *w, struct flow *f, enum fsm_event event);

/* True while packets are passed on between the two ends (slow path). */
static inline bool flow_connected(const struct flow *f)
{
	return f->state >= FSM_COMPLETE && f->state <= FSM_CLOSING;
}

/* Bytes that a segment of ours may carry to an end that announced `mss` (0: nothing): options take
 * their part of it (RFC 6691 §2). Absurdly small ones are not obeyed. */
static inline uint16_t flow_payload_max(const struct flow *f, uint16_t mss)
{
	return (uint16_t)(MAX(mss > 0 ? mss : TCP_MSS_DEFAULT, 64) - (f->has_timestamps ? TCP_TIMESTAMPS_PADDED : 0));
}

/* actions.c */
void action_run(struct work *w, struct flow *f, enum fsm_action action);
/* Begins the connection that w->handshake proved, in a new flow or over an old one. */
void flow_begin(struct work *w, struct flow *f);
/* After a packet, a reply or a timer: fires what has become due by it, until nothing is. */
void flow_settle(struct work *w, struct flow *f);
void notice_send(struct work *w, const struct flow *f, enum notice_kind kind, uint64_t delay_ns);
void notice_send_step(struct work *w, const struct flow *f, const struct packet_transition *step);
/* A valid RST has come: books, unless the flow was over already. */
void flow_reset_seen(struct work *w, struct flow *f);
/* Starts the retransmission timer at its first step unless it runs; stops it. */
void retry_start(struct work *w, struct flow *f);
void retry_stop(struct work *w, struct flow *f);

/* inbound.c, outbound.c: handle w->packet. */
void inbound_packet(struct work *w);
void outbound_packet(struct work *w, unsigned backend);

/* icmp.c: the same for what is not TCP. */
void icmp_packet(struct work *w);

/* request.c */
/* The packet at hand's stream bytes and FIN, in INIT, BACKEND_SYN or connected. Sets its fate. */
void request_segment(struct work *w, struct flow *f);
/* Reads on in the buffer as far as bytes are contiguous, assigns, delivers. True if it fired an event. */
bool request_continue(struct work *w, struct flow *f);
/* Sends buffered bytes below c_limit, and the FIN when its turn has come. */
void request_deliver(struct work *w, struct flow *f);
/* The retransmission timer has something to do: bytes are ours, or a request waits for what may have passed us by. */
bool request_timer_needed(const struct flow *f);
/* Repeats the first bytes, or the FIN, that are ours to deliver and that the backend has not acknowledged. */
void request_repeat(struct work *w, struct flow *f);
/* What the backend acknowledged by the fast path is not known here: has it say so again, if that matters. */
void request_ask_progress(struct work *w, struct flow *f);
/* The backend has acknowledged up to `ack`: lets go of buffered bytes. */
void request_acknowledged(struct work *w, struct flow *f, uint32_t ack);
/* The request cannot be served: answered at once, or when the responses before it have ended. */
void request_refuse(struct work *w, struct flow *f, enum refusal why);
/* Acknowledges to the client what is held and cannot be delivered yet: ours from now on. True if it did. */
bool request_acknowledge_held(struct work *w, struct flow *f);
/* The client has begun a request head on this connection and not ended it. */
bool request_unfinished(const struct flow *f);
/* End of the bytes that are ours to deliver to the present backend. */
uint32_t request_owed(const struct flow *f);
/* The number that the present backend expects next, as far as we sent: a RST with it is exact. */
uint32_t request_backend_next(const struct flow *f);
/* End of the contiguous client bytes that we hold or have passed on. */
uint32_t request_received(const struct flow *f);
void request_release_buffer(struct work *w, struct flow *f);

/* response.c */
void response_begin(struct work *w, struct flow *f, uint32_t first_byte);
/* A request went to the backend; its response is read with these AWAITED_ flags. */
void response_await(struct flow *f, uint8_t awaited);
/* The packet at hand's bytes. */
void response_segment(struct work *w, struct flow *f);
void response_release_buffer(struct work *w, struct flow *f);
/* What the client acknowledged by the fast path is not known here: has it say so again, if a request waits for it. */
void response_ask_progress(struct work *w, struct flow *f);
/* True if the end of every awaited response is known; then *end is E. */
bool response_end_known(const struct flow *f, uint32_t *end);

/* splice.c */
/* Of the packet at hand, when it came. */
bool checksum_ok(struct work *w);
/* False, and the packet is dropped, if it is damaged and the front-end would act on what it says: SYN, FIN and RST, an
 * ACK beyond `acked`, bytes beyond a gap behind `next`, timestamps, and anything while it holds bytes or a flow is not
 * merely carried. What is carried its receiver judges. */
bool packet_believed(struct work *w, const struct flow *f, uint32_t next, uint32_t acked);
/* Rewrites the packet at hand and sends it on. */
void forward_to_backend(struct work *w, struct flow *f);
/* The same for a segment without bytes, whose number must not lie beyond what the backend was sent. */
void forward_acknowledgement(struct work *w, struct flow *f);
void forward_to_client(struct work *w, struct flow *f);
void send_special_syn(struct work *w, struct flow *f);
/* A segment of our own; false if the pool is empty (the retransmission timer or the peer heals it). */
bool send_to_backend(struct work *w, struct flow *f, uint32_t seq, uint8_t flags, const void *data, size_t len);
bool send_to_client(struct work *w, struct flow *f, uint32_t seq, uint8_t flags, const char *text, size_t len);
/* Quirk F5: turns a FIN into a RST in place, payload and all. */
void fin_to_rst(struct packet *p);
/* RST to the flow's backend, with the exact next sequence number `seq` (RFC 5961 §3). */
void send_backend_reset(struct work *w, struct flow *f, uint32_t seq);

/* refusal.c */
unsigned refusal_status(enum refusal r); /* 0: no response, only a close or reset */
/* The request that is refused is known to be a HEAD: the response has no content. */
bool refusal_to_head(const struct flow *f);
enum refusal refusal_from_status(unsigned status);

/* balance.c */
unsigned balance_draw(struct frontend *fe, unsigned pool);

#endif
