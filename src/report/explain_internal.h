/* SPDX-License-Identifier: BSD-2-Clause */
/* explain_internal.h: what the parts of an explanation share.
 *
 *   explain_record.c   what is remembered of a replay: events, gathered into journeys
 *   explain_segment.c  a frame's headers as numbers, and as text
 *   explain_tell.c     what happened in one component, in words
 *   explain_story.c    the answer for people: journeys in order, like ones folded
 *   explain_ladder.c   the ladder diagram
 *   explain_why.c      why a flow was not offloaded
 *   explain_json.c     the answer for programs
 *
 * A journey is one packet on its way through the components: a frame of the trace (or a part of
 * one, if the front-end's move cut it), or a packet that the pipeline made. */
#ifndef REPORT_EXPLAIN_INTERNAL_H
#define REPORT_EXPLAIN_INTERNAL_H

#include "miresga/explain.h"
#include "miresga/http.h"
#include "miresga/tcp_options.h"

#define EXPLAIN_NONE UINT32_MAX
#define EXPLAIN_REQUEST_LINE 72

struct explain_segment {
	struct endpoint src, dst;
	uint32_t seq, ack, payload_len;
	uint16_t window;
	uint8_t flags;
	uint8_t ip_proto;
	bool tcp; /* else only what the IP header holds */
	struct tcp_options options;
	uint32_t sack[2 * TCP_SACK_BLOCKS_MAX];
};

/* A packet at one component. */
struct explain_hop {
	struct explain_segment before, after;
	struct phv phv;
	struct packet_note note;
	uint8_t tap, index, fate, drop;
	uint16_t egress_port;
	bool towards_server, from_client, syn_seen, connected;
	bool response; /* it holds the head of one: */
	uint8_t body;  /* enum http_body */
	uint16_t status;
	uint64_t body_length;
	uint32_t client_isn, switch_isn;
	char request[EXPLAIN_REQUEST_LINE]; /* the payload's first line, if it is HTTP's; else "" */
};

struct explain_wait {
	uint32_t frame;
	char text[REPLAY_TEXT_MAX];
};

struct explain_control {
	struct control_op op;
	uint8_t status;
	uint64_t delay_ns; /* since it was asked */
};

enum explain_kind {
	EXPLAIN_HOP,
	EXPLAIN_NOTICE,
	EXPLAIN_ASKED,	  /* of the control plane */
	EXPLAIN_ANSWERED, /* by it: the operation has taken effect, or failed */
	EXPLAIN_WAITS,
	EXPLAIN_LEAVES,
	EXPLAIN_READ, /* a frame that is not played, and why */
};

struct explain_event {
	uint64_t now_ns;
	struct explain_flow flow;
	uint8_t kind;
	uint32_t journey; /* that it belongs to, or EXPLAIN_NONE */
	uint32_t next;	  /* event of that journey, or EXPLAIN_NONE */
	union {
		struct explain_hop hop;
		struct frontend_notice notice;
		struct explain_control control;
		struct explain_wait wait;
	};
};

struct explain_journey {
	uint32_t frame, cause, cut;
	uint32_t first, last; /* events; the first one is a hop */
	uint32_t waited;      /* event, or EXPLAIN_NONE */
	bool fault;	      /* here the oracle first found fault with the flow */
};

struct explain_verdict {
	struct explain_flow flow;
	uint8_t outcome;
	char text[REPLAY_TEXT_MAX];
};

/* A packet in flight. */
struct explain_flight {
	const struct packet *packet;
	uint32_t journey;
};

struct explain {
	const struct config *config;
	struct explain_request request;
	struct replay_observer observer;
	struct explain_event *events;
	uint32_t event_count, event_room;
	struct explain_journey *journeys;
	uint32_t journey_count, journey_room;
	struct explain_flight *flights;
	uint32_t flight_count, flight_room;
	uint32_t *waiting; /* events: of frames that wait at this moment */
	uint32_t waiting_count, waiting_room;
	uint32_t *open; /* events: operations asked for and not answered */
	uint32_t open_count, open_room;
	/* Events of a front-end whose packet's hop is about to be told, and frames that a delivery let leave. */
	uint32_t pending, pending_count;
	uint32_t last_frontend_hop; /* event that operations asked now belong to, or EXPLAIN_NONE */
	struct explain_verdict *verdicts;
	uint32_t verdict_count, verdict_room;
	bool faulty[REPLAY_FINDINGS_MAX];
	/* The line that an unfinished request head of `head_flow` began with. */
	struct explain_flow head_flow;
	char head[EXPLAIN_REQUEST_LINE];
	bool frame_read, frame_seen, head_request; /* the newest request is a HEAD */
	struct explain_flow frame_flow;		   /* EXPLAIN_PACKET: that of the frame */
	uint32_t frame_seq, frame_seq_end;
	unsigned port_flows; /* EXPLAIN_FLOW: connections that the port has had */
	uint64_t omitted;
	bool out_of_memory;
};

/* explain_record.c */
bool explain_same_flow(const struct explain_flow *a, const struct explain_flow *b);
/* Index among request.flows, or -1. */
int explain_asked_flow(const struct explain *e, const struct explain_flow *f);
const struct explain_verdict *explain_verdict_of(const struct explain *e, const struct explain_flow *f);
const struct explain_event *explain_first_hop(const struct explain *e, const struct explain_journey *j);

/* explain_segment.c */
void explain_segment_parse(const uint8_t *frame, uint32_t len, struct explain_segment *s);
#define EXPLAIN_SEGMENT_TEXT 192
/* Like tcpdump: "P. 1:80 (79) ack 1 win 502"; numbers relative to the ISNs where those are known. */
void explain_segment_text(const struct explain_hop *h, char text[EXPLAIN_SEGMENT_TEXT]);
/* The same without window and options, for arrows. */
void explain_segment_label(const struct explain_hop *h, char text[EXPLAIN_SEGMENT_TEXT]);

/* explain_tell.c: calls `line` for each thing worth a line. `step` is a stage's or the like's name, or "". */
struct explain_sink {
	void (*line)(void *ctx, const char *where, const char *step, const char *text);
	void *ctx;
	bool verbose;
};
void explain_tell(const struct explain *e, const struct explain_event *ev, const struct explain_sink *sink);
#define EXPLAIN_WHERE_MAX (CONFIG_NAME_MAX + 16)
/* Who handled the packet: "switch", "fe0", "agent web1", "client", "server web1". */
void explain_where(const struct explain *e, const struct explain_event *ev, char text[EXPLAIN_WHERE_MAX]);
/* "frame 4", "made by fe0 when frame 4 came". */
void explain_origin(const struct explain *e, const struct explain_journey *j, char text[EXPLAIN_TEXT_MAX]);

/* explain_story.c */
/* The same components did the same with both, and no number of interest changed. */
bool explain_alike(const struct explain *e, const struct explain_journey *a, const struct explain_journey *b);

/* Which journeys are worth showing. Zero it, with `verbose` set. */
#define EXPLAIN_SHAPES 8
struct explain_fold {
	bool verbose;
	uint32_t shapes[EXPLAIN_SHAPES]; /* journeys shown, + 1 */
	unsigned next;
	uint32_t folded; /* journeys since the last one shown */
	uint32_t first_frame, last_frame;
	uint64_t bytes;
};
/* True if journey `index` is to be shown; else it has been counted in. */
bool explain_fold_show(const struct explain *e, struct explain_fold *fold, uint32_t index);
/* Journeys [*from, *to) that the answer is about, of flow `f` (NULL: of all). */
void explain_span(const struct explain *e, const struct explain_flow *f, uint32_t *from, uint32_t *to);
/* The event belongs to no packet's journey, and the answer tells of it. */
bool explain_stands_alone(const struct explain *e, uint32_t index);
bool explain_concerns(const struct explain_event *ev, const struct explain_flow *f);

/* explain_ladder.c */
void explain_ladder(const struct explain *e, const struct explain_style *style, const struct explain_flow *f,
		    uint64_t first_ns);

#endif
