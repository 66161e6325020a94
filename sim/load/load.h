/* SPDX-License-Identifier: BSD-2-Clause */
/* load.h: what the parts of a simulation share.
 *
 *   sim.c       the run: makes the world, moves time, collects the result
 *   client.c    HTTP clients on one TCP stack
 *   server.c    HTTP servers, a TCP stack each
 *   judge.c    what must never be; which ends of a connection have a reason
 *   books.c     histograms, samples, the result's figures
 *   exchange.c  requests and responses as functions of the seed */
#ifndef SIM_LOAD_H
#define SIM_LOAD_H

#include "agenda.h"
#include "exchange.h"
#include "histogram.h"
#include "miresga/prng.h"
#include "miresga/sim.h"
#include "miresga/tcp.h"

/* Kinds of items on the agenda. */
enum agenda_kind {
	AGENDA_STACK,	/* struct load_stack: its TCP timers */
	AGENDA_CLIENT,	/* struct client */
	AGENDA_SERVING, /* struct serving */
	AGENDA_ARRIVAL, /* struct arrivals */
	AGENDA_FAULT,	/* struct planned_fault */
	AGENDA_SAMPLE,	/* struct sim */
};

struct sim;

/* One TCP stack and where it stands in the world. */
struct load_stack {
	struct agenda_item item; /* first */
	struct sim *sim;
	struct tcp_stack *tcp;
	unsigned backend; /* servers: which */
	bool refuses;	  /* SYNs, at present */
	uint32_t starts;
	struct sim_server books;
};

/* A place for one connection of a workload; used by one after the other. */
struct client {
	struct agenda_item item; /* first */
	struct client *next;	 /* free, or in the same bucket by address */
	struct tcp *tcp;	 /* NULL: no connection */
	struct endpoint local;
	uint32_t connection;
	uint8_t workload;
	struct connection_plan plan;
	bool connected, mapped;
	bool offloaded; /* the switch has an entry for it, as the front-end says */
	bool last;	/* the last request is sent, or on its way */
	bool writing;	/* a request is on its way into the send buffer */
	bool half_closed;
	bool peer_closed;
	bool let_go;		 /* the front-end has, after a timeout */
	uint64_t lost_ns;	 /* when one of its packets was lost last; 0: never */
	bool entry;		 /* the front-end was told that the switch has one for it */
	bool given_up;		 /* its server has, and resets */
	bool misled;		 /* an agent may have been, by a damaged segment of this address */
	uint8_t refusal;	 /* the front-end's; enum refusal */
	uint32_t sent, answered; /* requests; `writing` counts as sent */
	uint64_t started_ns, progress_ns;
	uint64_t acked;	   /* is_heard() */
	uint64_t heard_ns; /* when that was found true last; 0: never */
	uint64_t gate_ns;  /* no request is sent before */
	uint64_t slow_ns;  /* slow readers: up to where time has been turned into bytes */
	/* the request being written */
	struct exchange request;
	uint64_t write_at;
	/* the response being read */
	struct exchange asked;
	bool expecting; /* `asked` is made */
	uint8_t start_len;
	uint16_t status, backend;
	uint16_t last_pool, last_backend; /* of the response before */
	uint64_t read_at;
	struct message response; /* once its start is known */
	char start[RESPONSE_START];
	char head[RESPONSE_HEAD_MAX];
	uint64_t begun_ns[]; /* of requests, by number modulo the workload's pipeline */
};

/* Where a response stands. */
enum serving_phase {
	PHASE_READING, /* the request's body comes first */
	PHASE_WORKING, /* until ready_ns */
	PHASE_WRITING,
	PHASE_WRITTEN,
};

/* A connection at a server. */
struct serving {
	struct agenda_item item; /* first */
	struct serving *older;	 /* of all that were made */
	struct load_stack *stack;
	struct serving *next; /* free */
	struct tcp *tcp;
	struct endpoint client;
	bool busy;     /* an exchange has begun, and not both its halves are over */
	uint8_t phase; /* enum serving_phase */
	bool known;    /* `connection` and `number` are */
	bool peer_closed;
	uint32_t connection, number; /* of the newest request */
	struct exchange x;
	uint64_t upload_at;
	uint64_t ready_ns, progress_ns;
	uint64_t acked; /* is_heard() */
	struct message response;
	uint64_t write_at;
	char head[RESPONSE_HEAD_MAX];
	uint32_t part_len; /* of a head that came in pieces */
	char *part;	   /* REQUEST_HEAD_MAX bytes */
};

/* Did the workload want the server to break off one of the responses that are due? Or the one before: of a short one
 * all may have arrived. */
bool client_reset_planned(const struct sim *sim, const struct client *c);
/* Does one of its links flip bits? */
bool sim_links_corrupt(const struct config_simulation *s);
/* True if the peer has acknowledged more than when this was last asked. */
bool is_heard(const struct tcp *tcp, uint64_t *acked);

struct arrivals {
	struct agenda_item item; /* first */
	struct sim *sim;
	unsigned workload;
	struct quantiles *gaps; /* Poisson */
	struct prng prng;
	struct client *free;
};

struct planned_fault {
	struct agenda_item item; /* first */
	const struct config_fault *fault;
};

struct sim {
	struct agenda_item sample; /* first */
	const struct config *config;
	const struct sim_options *options;
	struct sim_result *result;
	struct world *world;
	struct pcapng_writer *pcapng;
	struct exchange_plan plan;
	struct agenda agenda;
	struct load_stack clients;
	struct load_stack *servers; /* [backend_count] */
	struct arrivals arrivals[WORKLOADS_MAX];
	struct planned_fault faults[FAULTS_MAX];
	char agent_error[AGENT_REFUSAL_MAX]; /* why there is none */
	char *client_memory[WORKLOADS_MAX];  /* `connections` clients each */
	size_t client_size[WORKLOADS_MAX];
	struct client **by_address;
	uint32_t by_address_mask;
	struct serving *free_servings, *newest_serving;
	uint32_t connections, active; /* made; clients with a connection */
	uint64_t patience_ns;	      /* how long a client may be silent or wait, and a server for it */
	uint32_t connections_max;     /* of a stack */
	bool ending;		      /* no new requests */
	bool out_of_memory, stopped;
	uint64_t stop_calls;
	struct histogram *histograms; /* by size class, then all */
	uint64_t class_bytes[SIM_CLASSES_MAX];
	struct sim_sample at_sample; /* sums since the last sample */
	uint64_t server_timeouts;    /* TCP of a server gave up */
};

/* client.c */
int clients_init(struct sim *sim, char error[SIM_ERROR_MAX]);
void clients_fini(struct sim *sim);
/* Sets the first connections going. */
void clients_start(struct sim *sim);
/* The workload's time is over: what waits for its next request ends. */
void clients_end(struct sim *sim, uint64_t now_ns);
/* Breaks off what is open, long after that. */
void clients_cut(struct sim *sim, uint64_t now_ns);
void client_event(void *stack, struct tcp *c, enum tcp_event e, uint64_t now_ns);
void client_timer(struct sim *sim, struct client *c, uint64_t now_ns);
void arrival_timer(struct arrivals *a, uint64_t now_ns);
struct client *client_find(const struct sim *sim, struct endpoint address);

/* server.c */
void server_event(void *stack, struct tcp *c, enum tcp_event e, uint64_t now_ns);
void serving_timer(struct serving *s, uint64_t now_ns);
/* The stack has lost its connections. */
void servings_forget(struct load_stack *stack);
void servings_fini(struct sim *sim);

/* judge.c */
void judge_violation(struct sim *sim, enum sim_violation_kind kind, struct endpoint client, const char *format, ...)
	FORMAT_PRINTF(4, 5);
/* The client's connection ended so; counts it as a violation if nothing explains it. */
void judge_ended(struct sim *sim, const struct client *c, enum sim_outcome outcome, uint64_t now_ns);
/* The response's start names status and backend; false: a violation. */
bool judge_response_start(struct sim *sim, struct client *c);
/* The server's patience with its client has ended. */
void judge_given_up(struct sim *sim, const struct serving *s, uint64_t now_ns);
/* The request is for one who may have it; false: a violation. */
bool judge_request(struct sim *sim, const struct serving *s, const struct exchange *x);
/* A packet has reached an end: if it is a SYN or SYN-ACK, what does it offer? */
void judge_handshake(struct sim *sim, const struct packet *p, bool at_client);
void judge_notice(void *sim, const struct frontend_notice *n, uint64_t now_ns);
/* world_hooks.control, world_hooks.lost, world_hooks.agent_misled */
void judge_control(void *sim, const struct control_op *op, const struct control_reply *reply, uint64_t now_ns);
void judge_lost(void *sim, struct endpoint client, uint64_t now_ns);
void judge_misled(void *sim, struct endpoint client, uint64_t now_ns);
void judge_sweep(struct sim *sim);

/* books.c */
int books_init(struct sim *sim);
void books_fini(struct sim *sim);
void books_response(struct sim *sim, const struct client *c, uint64_t latency_ns);
void books_sample(struct sim *sim, uint64_t now_ns);
/* The workload's time is over: what is reported in relation to it. */
void books_close(struct sim *sim, uint64_t now_ns);
/* Takes over what a stack has counted, before it goes. */
void books_stack(struct sim *sim, struct load_stack *stack);
void books_finish(struct sim *sim);

/* sim.c: an item on the agenda; memory that is short ends the run. */
void sim_schedule(struct sim *sim, struct agenda_item *item, uint64_t due_ns);

#endif
