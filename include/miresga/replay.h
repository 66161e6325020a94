/* SPDX-License-Identifier: BSD-2-Clause */
/* replay.h: `miresga replay`: a recorded conversation played against the whole pipeline, in
 * virtual time, and the oracle's verdict on it (sim/replay/replay.c, sim/replay/replay_oracle.c). */
#ifndef MIRESGA_REPLAY_H
#define MIRESGA_REPLAY_H

#include "miresga/trace.h"
#include "miresga/world.h"

enum replay_speed {
	REPLAY_TOPSPEED, /* as fast as the machine can */
	REPLAY_TRACE,	 /* the wall clock follows the trace's */
};

/* For whoever wants to know everything (replay_observe.c). A packet, after its consumer has handled it. */
struct replay_sighting {
	struct endpoint client; /* zero: none of a flow of the trace */
	unsigned k;
	uint8_t tap; /* enum tap_kind: where the consumer took it from, as for world_hooks.tap */
	uint8_t index;
	bool towards_server;
	bool syn_seen, connected; /* the next two are known */
	uint32_t client_isn, switch_isn;
	bool faulty;	      /* the oracle has found fault with the flow by now */
	const uint8_t *frame; /* as it was before, `len` bytes */
	uint32_t len;
	const struct packet *packet; /* as it is now */
};

/* An operation on the switch's table: asked for, or (with `reply`) answered. */
struct replay_control {
	unsigned k; /* of the port's newest flow */
	const struct control_op *op;
	const struct control_reply *reply;
};

enum replay_event_kind {
	REPLAY_READ,	/* a frame of the trace; `text`: what it is, if it is not played at all */
	REPLAY_WAITS,	/* a frame cannot leave yet; `text`: for what */
	REPLAY_LEAVES,	/* a frame that waited leaves now */
	REPLAY_VERDICT, /* on a flow: `outcome`; `text`: the reason or NULL */
};
struct replay_event {
	struct endpoint client; /* zero: no flow */
	unsigned k;
	uint8_t kind;	 /* enum replay_event_kind */
	uint8_t outcome; /* enum outcome */
	uint32_t frame;
	const char *text;
};

/* Borrowed arguments; the functions must not inject. The deliveries that a sighting tells of have had their effect
 * already: what they let leave is told before. */
struct replay_observer {
	void *ctx;
	void (*sighting)(void *ctx, const struct replay_sighting *s, uint64_t now_ns);
	void (*notice)(void *ctx, const struct frontend_notice *n, unsigned k, uint64_t now_ns);
	void (*control)(void *ctx, const struct replay_control *c, uint64_t now_ns);
	void (*event)(void *ctx, const struct replay_event *e, uint64_t now_ns);
};

enum replay_mode {
	REPLAY_PACKETS,	 /* the recorded packets, when what caused them has arrived */
	REPLAY_SESSIONS, /* the recorded conversations, by TCP endpoints over the configured links */
};

struct replay_options {
	enum replay_mode mode;
	const char *trace;	    /* path or "-" */
	const char *filter;	    /* BPF expression or NULL */
	const struct endpoint *vip; /* NULL: the endpoint that answered most handshakes */
	enum replay_speed speed;
	enum trace_checksums checksums;
	agent_create_fn *agent;	 /* who does the agents' work; NULL: the model */
	const char *pcapng;	 /* -w, or NULL */
	const char *streams_dir; /* --streams, or NULL; made if missing */
	const char *flows_file;	 /* --flows, or NULL */
	/* Called now and then, for progress, in each pass over the trace; NULL: never. */
	void (*progress)(void *ctx, uint64_t bytes_read, uint64_t bytes_total, uint64_t packets);
	void *progress_ctx;
	const struct replay_observer *observer; /* or NULL */
	const volatile int *stop;		/* set by Ctrl-C: end early, with what there is; NULL: never */
};

/* X(NAME, "key", "text"): why a flow of the trace was not replayed. */
#define SKIP_REASONS(X) \
	X(NONE, "none", "replayed") \
	X(NO_HANDSHAKE, "no_handshake", "the trace does not hold its handshake") \
	X(SERVER_FIRST, "server_first", "the server speaks first") \
	X(NOT_VIP, "not_vip", "TCP, but not for the VIP") \
	X(IPV6, "ipv6", "IPv6") \
	X(NOT_TCP, "not_tcp", "not TCP over IPv4") \
	X(ADDRESS_CONFLICT, "address_conflict", "the client has a backend's address")
enum skip_reason {
#define X(name, key, text) SKIP_##name,
	SKIP_REASONS(X)
#undef X
	SKIP_COUNT
};
const char *skip_key(enum skip_reason r);
const char *skip_text(enum skip_reason r);

/* X(NAME, "key", "text"): the verdict on a flow to the VIP. */
#define OUTCOMES(X) \
	X(BYTE_EXACT, "byte_exact", "both ends got exactly the recorded bytes") \
	X(REFUSED, "refused", "answered with an error by policy") \
	X(MISMATCHED, "mismatched", "an end got other bytes or numbers than recorded") \
	X(INCOMPLETE, "incomplete", "the recording could not be played to its end") \
	X(SKIPPED, "skipped", "not replayed")
enum outcome {
#define X(name, key, text) OUTCOME_##name,
	OUTCOMES(X)
#undef X
	OUTCOME_COUNT
};
const char *outcome_key(enum outcome o);

#define REPLAY_TEXT_MAX 256
/* The first thing that went wrong, for people. */
struct replay_finding {
	struct endpoint client;
	unsigned k;
	enum outcome outcome;
	char text[REPLAY_TEXT_MAX];
};
#define REPLAY_FINDINGS_MAX 32

struct replay_result {
	struct endpoint vip;
	bool vip_found; /* false: no handshake in the trace */
	bool interrupted;
	char trace_error[TRACE_ERROR_MAX];   /* "" or where the file is damaged; results hold up to there */
	char output_error[TRACE_ERROR_MAX];  /* "" or the first output that could not be written */
	char agent_error[AGENT_REFUSAL_MAX]; /* "" or why an agent has not done its work (agent_trouble()) */
	char linktype[64];
	/* trace */
	struct trace_stats trace;
	uint64_t packets;		      /* frames read */
	uint64_t vip_packets;		      /* TCP to or from the VIP */
	uint64_t flows;			      /* to the VIP, skipped ones included */
	uint64_t skipped_flows[SKIP_COUNT];   /* flows to the VIP */
	uint64_t skipped_packets[SKIP_COUNT]; /* packets that are not the VIP's TCP */
	uint64_t first_ns, last_ns;	      /* trace time */
	/* work */
	uint64_t injected_client, injected_server, blocked_packets;
	uint64_t requests;
	/* of the endpoints that hold the conversations anew; all zero in packet mode */
	bool sessions;
	uint64_t segments, retransmitted, timeouts;
	/* verdict */
	uint64_t outcomes[OUTCOME_COUNT];
	uint64_t refused_by[REFUSAL_COUNT];
	uint64_t number_errors;	  /* ACK, SACK, timestamps, flags, window or offers that an endpoint saw differently */
	uint64_t checksum_errors; /* on any tap, of packets whose cause had none */
	uint64_t wrong_backend;	  /* packets that reached a backend which the flow's rules did not choose */
	uint64_t leaked;	  /* world_leftovers() at the end */
	uint64_t timed_out;	  /* flows that only timeouts ended */
	unsigned finding_count;	  /* at most REPLAY_FINDINGS_MAX are kept */
	struct replay_finding findings[REPLAY_FINDINGS_MAX];
	/* wall clock */
	double seconds;
	uint64_t virtual_ns; /* from the first packet to the end */
	const char *agent;   /* who did the agents' work: "model" */
	/* copies of the components' books */
	struct switch_stats sw;
	uint64_t world_drops[DROP_COUNT];
	unsigned frontend_count, backend_count;
	struct frontend_stats *frontends; /* [frontend_count] */
	struct agent_stats *backends;	  /* [backend_count] */
	uint64_t *backend_requests;	  /* [backend_count] */
	uint64_t *backend_flows;	  /* [backend_count]: flows it served */
};

/* Runs a replay. Returns 0 and *result (free it with replay_result_free), or -1 and a message in
 * error if it could not start (trace missing, output not writable). The config's VIP is replaced
 * by the trace's. Whether the oracle found something: replay_failed(). */
int replay_run(const struct config *config, const struct replay_options *options, struct replay_result *result,
	       char error[TRACE_ERROR_MAX]);
void replay_result_free(struct replay_result *result);
/* True if a flow mismatched or stayed incomplete, a checksum broke, something leaked, the trace was damaged, an
 * output failed or an agent did. */
bool replay_failed(const struct replay_result *result);

#endif
