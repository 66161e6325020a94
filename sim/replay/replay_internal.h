/* SPDX-License-Identifier: BSD-2-Clause */
/* replay_internal.h: what the parts of the replay share: the flow, the run, and who does what.
 *
 *   replay.c          the run: reads the trace, moves time, collects the result
 *   replay_vip.c      which endpoint of a trace plays the VIP
 *   replay_flow.c     flows and their identity; queues of what cannot leave yet
 *   replay_client.c   the clients: recorded packets into the switch's sequence space
 *   replay_server.c   the servers: recorded packets out of the backends' stacks
 *   replay_serve.c    which backend serves which part of a flow; synthesised SYN-ACKs
 *   replay_oracle.c          what arrives at the endpoints, held against the recording
 *   replay_verdict.c  the outcome of a flow
 *   replay_output.c   --streams and --flows
 *   replay_taps.c     -w
 *   replay_observe.c  what an observer is told
 *   session*.c        the other mode: conversations instead of packets (session.h) */
#ifndef SIM_REPLAY_INTERNAL_H
#define SIM_REPLAY_INTERNAL_H

#include "../tcp/segment.h"
#include "../tcp/stream.h"
#include "miresga/prng.h"
#include "miresga/replay.h"

/* Who sends. A stream is named by its sender too. */
enum side {
	SIDE_CLIENT,
	SIDE_SERVER,
	SIDE_COUNT
};

/* Copies of recorded packets that cannot leave yet: of one flow, and of all. A flow that would
 * need more is given up. */
#define QUEUE_FLOW_MAX (UINT64_C(32) << 20)
#define QUEUE_ALL_MAX (UINT64_C(512) << 20)
/* A segment further away than this from what is recorded belongs to another connection. */
#define FOREIGN_DISTANCE (INT64_C(64) << 20)
/* Packets in flight beyond which drivers hold theirs back until the rings are empty. */
#define IN_FLIGHT_MAX 1024u
#define IN_FLIGHT_LARGE_MAX 256u
/* A power of two, far above what can be in flight. */
#define EXPECTATIONS 16384u

struct queued {
	struct queued *next;
	uint32_t frame;
	uint32_t len;
	bool sound;
	uint8_t ip[];
};

struct queue {
	struct queued *head, *tail;
	uint64_t count;
};

/* A backend's part of a flow: server stream from `base` on, client stream from `request` on. */
struct serving {
	uint64_t base, request;
	uint32_t isn;	  /* of the backend */
	uint32_t syn_seq; /* of the SYN that opened it */
	uint8_t backend;
	uint8_t client_wscale; /* as offered to the backend */
	bool base_known;
	bool answered; /* its SYN-ACK has left */
	/* Its clock minus the recorded one, as the agent sees it: what TSecr may be off by. */
	bool clock_known;
	uint32_t clock;
};

struct replay_flow {
	struct endpoint client;
	uint32_t number; /* of all flows, from 0 */
	unsigned k;
	struct replay_flow *older;	  /* the same client's flow before */
	struct replay_flow *next_waiting; /* of those to be tried when the rings are empty */
	bool is_waiting, dead;		  /* dead: nothing more is played */
	bool finished;			  /* the verdict is spoken */
	bool syn_seen, synack_seen, client_seen, data_seen, rst_seen;
	uint8_t skip, outcome, refusal;
	char *reason; /* of outcome; NULL: none */

	/* the recording */
	uint32_t isn[SIDE_COUNT];
	struct tcp_options syn, synack; /* their options */
	struct queued *synack_packet;
	struct queued *other_synack; /* the newest one with another ISN, as long as the client has not taken either */
	struct queued *syn_data;     /* the SYN, if it carried data that has not been sent again */
	struct stream stream[SIDE_COUNT];
	struct queue queue[SIDE_COUNT];
	uint64_t queued_bytes;
	uint32_t cut_sent; /* payload bytes of the server's next packet that have left */

	/* this run */
	bool connected;	     /* the client has a SYN-ACK */
	uint32_t switch_isn; /* L */
	uint64_t taken_over; /* client bytes before this offset were acknowledged by the front-end itself */
	bool timed_out;	     /* its front-end has let it go for an idle timeout */
	bool outlived;	     /* ... and the recording has more of it */
	bool held;	     /* a request for another backend is matched, its SYN has not come */
	bool yielding;	     /* the server may acknowledge less than recorded (flow_yield) */
	struct tcp_options switch_synack;
	uint32_t client_tsecr; /* recorded TSecr of the client's last packet that left */
	struct serving *served;
	unsigned served_count;
	char *fault; /* the first wrong number, as text */
	uint64_t requests, delivered[SIDE_COUNT];
	bool offloaded;
	uint64_t offload_delay_ns;
	uint64_t chosen[BACKENDS_MAX / 64]; /* backends that the rules chose */
	struct session *session;	    /* session mode, else NULL */
};

/* The newest flow of a client, found without a look at flows that are long over. */
struct flow_slot {
	struct endpoint client;
	struct replay_flow *flow; /* NULL: the slot is free */
};

/* What an endpoint must see of a recorded packet. */
struct expectation {
	uint32_t tag; /* that of the packet; slots are used again */
	uint8_t side; /* of the sender */
	bool sound, has_ack, has_tsecr, has_tsval;
	uint8_t flags; /* as sent */
	uint8_t sack_blocks;
	uint8_t scale; /* of `window`, in this run, at the sender */
	uint16_t window;
	uint32_t ack;	/* client: as recorded; server: as sent */
	uint32_t tsecr; /* as recorded */
	uint32_t tsval;
	uint32_t sack[2 * TCP_SACK_BLOCKS_MAX];
};

struct replay {
	const struct replay_options *options;
	struct replay_result *result;
	struct config *config; /* a copy, with the trace's VIP */
	struct world *world;
	struct trace_reader *trace;
	struct pcapng_writer *pcapng;
	struct sessions *sessions; /* session mode, else NULL */
	uint64_t now_ns;
	/* flows, in order of their start, and the newest of each client */
	struct replay_flow **flows;
	uint64_t flow_count, flow_room;
	struct flow_slot *table;
	uint64_t table_size, table_used;
	struct replay_flow *waiting_head, *waiting_tail;
	uint64_t queued_bytes;
	struct expectation *expectations; /* EXPECTATIONS slots */
	uint32_t next_tag;
	bool input_cut; /* the stop request ended a live source: what it gave is played */
	bool out_of_memory;
	char agent_error[AGENT_REFUSAL_MAX]; /* why there is none */
};

/* replay.c: true if the run ends early. */
bool replay_stopped(const struct replay *r);

/* replay_vip.c: the endpoint that answered the most handshakes; false if there is none. The trace is at its end after.
 */
bool replay_find_vip(struct replay *r, const volatile int *stop, struct endpoint *vip);
/* After so many packets of this pass over the trace. */
void replay_tell_progress(const struct replay *r, uint64_t packets);

/* replay_flow.c */
void replay_segment(struct replay *r, const struct segment *s);
struct replay_flow *replay_flow_find(const struct replay *r, struct endpoint client);
/* The flow of the notice: the one with that ISN, or the client's newest. */
struct replay_flow *replay_flow_find_isn(const struct replay *r, struct endpoint client, uint32_t isn);
/* Lets everything leave that can. */
void replay_flow_release(struct replay *r, struct replay_flow *f, enum side side);
/* Has the flow tried again when the rings are empty. */
void replay_flow_wait(struct replay *r, struct replay_flow *f);
/* With the rings empty: tries those flows, until no more of them moves. */
void replay_release_waiting(struct replay *r);
/* Nothing more of the flow is played. `reason` is copied, may be NULL. */
void replay_flow_give_up(struct replay *r, struct replay_flow *f, enum outcome outcome, const char *reason);
void replay_flow_skip(struct replay *r, struct replay_flow *f, enum skip_reason reason);
/* Little more is to come of the flow: has its delivered bytes written and their memory given back. */
void replay_flow_rest(struct replay *r, struct replay_flow *f);
/* Speaks the verdict and frees what only the playing needed. */
void replay_flow_finish(struct replay *r, struct replay_flow *f);
void replay_free_flows(struct replay *r);
/* Offset of a sequence number of `side`'s stream. */
int64_t replay_flow_offset(const struct replay_flow *f, enum side side, uint32_t seq);
/* True if `to` has received `side`'s stream through the segment's ACK (at most `through`) and SACK edges. If not,
 * *gap is the first part that is missing. */
bool replay_flow_has_seen(const struct replay_flow *f, enum side side, const struct segment *s, uint64_t through,
			  struct range *gap);
struct queued *queued_copy(const struct segment *s);
bool queued_parse(const struct queued *q, struct segment *s);
/* A packet with a copy of the segment's datagram, and an expectation to fill if `expect` is not NULL. NULL if too much
 * is in flight: the sender is starved. */
struct packet *replay_packet(struct replay *r, const struct segment *s, struct expectation **expect);

/* replay_client.c, replay_server.c */
enum release {
	RELEASE_SENT,
	RELEASE_WAITS,	 /* for something to arrive */
	RELEASE_STARVED, /* of packet buffers */
};
/* True if the packet's causes are not there yet; then `why`, if not NULL, becomes a text. */
bool client_waits(const struct replay_flow *f, const struct segment *s, char why[REPLAY_TEXT_MAX]);
bool server_waits(const struct replay_flow *f, const struct segment *s, char why[REPLAY_TEXT_MAX]);
/* Sends the packet if it does not wait. */
enum release client_send(struct replay *r, struct replay_flow *f, const struct segment *s);
enum release server_send(struct replay *r, struct replay_flow *f, const struct segment *s);
/* The SYN-ACK `p` reached the client; false if memory is short. */
bool client_connected(struct replay *r, struct replay_flow *f, const struct packet *p);

/* What the switch may answer to a client that offered `asked`, and what a server may be offered in its name: nothing
 * more (RFC 7323 §2.2, §3.2; RFC 2018 §2). NULL if that was kept to. */
const char *options_unasked(const struct tcp_options *asked, const struct tcp_options *answer);

/* replay_serve.c */
/* The SYN `p` reached the stack of `backend`. */
void serve_syn(struct replay *r, struct replay_flow *f, unsigned backend, const struct packet *p);
/* The newest part of the flow that `backend` serves; NULL if it serves none. */
struct serving *serving_of(struct replay *r, struct replay_flow *f, unsigned backend);
/* Index of the part that holds offset `at` of the server's stream. The flow is being served. */
unsigned serving_at(const struct replay_flow *f, uint64_t at);
uint8_t serving_scale(const struct replay_flow *f, const struct serving *sv);

/* replay_oracle.c: hooks of the world */
void replay_oracle_client_received(void *ctx, struct packet *p, uint64_t now_ns);
void replay_oracle_server_received(void *ctx, unsigned backend, struct packet *p, uint64_t now_ns);
void replay_oracle_notice(void *ctx, const struct frontend_notice *n, uint64_t now_ns);
/* Checks the frame of a packet between the components, and counts. */
void replay_oracle_checksums(struct replay *r, const struct packet *p, const uint8_t *frame, uint32_t len);

/* replay_verdict.c */
void verdict_speak(struct replay *r, struct replay_flow *f);
/* Where the playing stopped: the head of a queue and what it waits for. */
bool verdict_blocked(const struct replay_flow *f, char text[REPLAY_TEXT_MAX]);
void verdict_fault(struct replay_flow *f, const char *format, ...) FORMAT_PRINTF(2, 3);

/* replay_output.c: each returns 0, or -1 and a message. */
int output_prepare(const struct replay_options *o, char error[TRACE_ERROR_MAX]);
/* Appends what has been delivered in order, if there is enough of it or `all`. */
void output_streams(struct replay *r, struct replay_flow *f, enum side side, bool all);
void output_flows(struct replay *r);
void output_failed(struct replay *r, const char *path);

/* replay_taps.c */
int replay_taps_open(struct replay *r, char error[TRACE_ERROR_MAX]);
void replay_taps_hook(void *ctx, enum tap_kind kind, unsigned index, bool towards_server, const uint8_t *frame,
		      uint32_t len, const struct packet *p, uint64_t now_ns);

/* replay_observe.c: hooks of the world, and what the replay itself tells; nothing without an observer. */
void observe_tap(void *ctx, enum tap_kind kind, unsigned index, bool towards_server, const uint8_t *frame, uint32_t len,
		 const struct packet *p, uint64_t now_ns);
void observe_notice(void *ctx, const struct frontend_notice *n, uint64_t now_ns);
void observe_control(void *ctx, const struct control_op *op, const struct control_reply *reply, uint64_t now_ns);
/* A frame has been read; `s` is its segment if it is the VIP's TCP, else NULL. */
void observe_read(struct replay *r, const struct trace_packet *p, const struct segment *s);
void observe_waits(struct replay *r, const struct replay_flow *f, enum side side, const struct segment *s);
void observe_leaves(struct replay *r, const struct replay_flow *f, uint32_t frame);
void observe_verdict(struct replay *r, const struct replay_flow *f);

#endif
