/* SPDX-License-Identifier: BSD-2-Clause */
/* sim.h: `miresga sim`: a whole world from a configuration: clients, servers, links and faults
 * around switch, front-ends and agents, in virtual time, under an oracle (sim/load/).
 *
 * Everything that a run needs is in struct config, its seed included: the same configuration gives
 * the same result, on every machine, whatever the batch size. */
#ifndef MIRESGA_SIM_H
#define MIRESGA_SIM_H

#include "miresga/world.h"

#define SIM_ERROR_MAX 512
#define SIM_TEXT_MAX 320

struct sim_options {
	agent_create_fn *agent;	 /* who does the agents' work; NULL: the model */
	const char *pcapng;	 /* -w, or NULL */
	bool taps;		 /* look at the checksums on every tap; implied by pcapng */
	uint64_t events_max;	 /* the run stops there: result->limit; 0: none */
	uint64_t violations_max; /* the run stops after so many; 0: it goes on */
	/* Called now and then; NULL: never. `until_ns` is the workload's end. */
	void (*progress)(void *ctx, uint64_t now_ns, uint64_t until_ns, uint64_t events);
	void *progress_ctx;
	const volatile int *stop; /* set by Ctrl-C: end early, with what there is; NULL: never */
};

/* X(NAME, "key", "text"): how a client's connection ended. */
#define SIM_OUTCOMES(X) \
	X(COMPLETED, "completed", "every response arrived, byte for byte") \
	X(REFUSED, "refused", "the front-end answered with an error response") \
	X(ABORTED, "aborted", "the client broke off, as its workload says") \
	X(SERVER_RESET, "server_reset", "the server broke off, as the workload says") \
	X(RESET, "reset", "reset by the load balancer or a server") \
	X(TIMED_OUT, "timed_out", "TCP gave up") \
	X(GAVE_UP, "gave_up", "the client waited too long for a response") \
	X(CLOSED, "closed", "closed by the server between two requests") \
	X(NOT_OPENED, "not_opened", "the client found no port") \
	X(CUT, "cut", "still busy long after the end of the run") \
	X(WRONG, "wrong", "broken off at a violation")
enum sim_outcome {
#define X(name, key, text) SIM_OUTCOME_##name,
	SIM_OUTCOMES(X)
#undef X
	SIM_OUTCOME_COUNT
};
const char *sim_outcome_key(enum sim_outcome o);
const char *sim_outcome_text(enum sim_outcome o);

/* X(NAME, "key", "text"): what must never be. */
#define SIM_VIOLATIONS(X) \
	X(RESPONSE_BYTES, "response_bytes", "a client got a byte that its server did not send") \
	X(REQUEST_BYTES, "request_bytes", "a server got a byte that its client did not send") \
	X(WRONG_BACKEND, "wrong_backend", "a request reached, or was answered by, a backend that no rule chose") \
	X(ORDER, "order", "requests or responses out of order") \
	X(TRUNCATED, "truncated", "a connection was closed as if complete in the middle of a response") \
	X(REFUSAL, "refusal", "an error response without a reason") \
	X(RESET, "reset", "a reset without a reason") \
	X(HANG, "hang", "a connection stood still without a reason") \
	X(STALL, "stall", "a client had to send something again though nothing was lost, late or slow") \
	X(TABLE, "table", "the switch had lost an entry that its front-end still counted on") \
	X(CHECKSUM, "checksum", "a wrong checksum though no link corrupts") \
	X(OPTIONS, "options", "a handshake offered an end what the other did not ask for") \
	X(LEFTOVER, "leftover", "something was left when all had ended and all timeouts had passed") \
	X(OVERRUN, "overrun", "the run did not end within its limit of events")
enum sim_violation_kind {
#define X(name, key, text) SIM_VIOLATION_##name,
	SIM_VIOLATIONS(X)
#undef X
	SIM_VIOLATION_COUNT
};
const char *sim_violation_key(enum sim_violation_kind k);
const char *sim_violation_text(enum sim_violation_kind k);

struct sim_violation {
	enum sim_violation_kind kind;
	uint64_t time_ns;
	struct endpoint client;	 /* zero: none */
	char text[SIM_TEXT_MAX]; /* expected and got */
};
#define SIM_VIOLATIONS_KEPT 32

/* Latencies in nanoseconds, from sending a request (the first of a connection: from opening it) to its response's last
 * byte. */
struct sim_class {
	const char *key, *text;
	uint64_t count, bytes;
	uint64_t mean_ns, p50_ns, p90_ns, p99_ns, p999_ns, max_ns;
};
#define SIM_CLASSES_MAX 8 /* the last one counts all */

#define SIM_SAMPLES 60
/* The state at `time_ns`; responses and bytes since the sample before. */
struct sim_sample {
	uint64_t time_ns, responses, bytes;
	uint32_t entries, control_depth, connections;
};

struct sim_server {
	uint64_t requests, accepted, responses;
	uint64_t busy_ns;     /* of its core */
	uint64_t memory_peak; /* bytes: TCP buffers and connections at their peak */
	uint32_t connections_peak;
};

struct sim_result {
	bool interrupted, limit; /* limit: of events or violations */
	char output_error[SIM_ERROR_MAX];
	uint64_t duration_ns; /* of the workload, as far as the run came */
	uint64_t virtual_ns;  /* until all timeouts had passed */
	uint64_t events;
	/* in the workload's time */
	uint64_t responses, response_bytes, request_bytes; /* bytes: of bodies */
	uint64_t offloaded_responses;			   /* of flows that the switch carried */
	uint64_t offloaded_bytes;			   /* of their bodies */
	uint64_t fast_path_packets, fast_path_bytes;	   /* as in struct switch_stats */
	uint64_t to_frontend_packets, to_frontend_bytes;
	/* of the whole run */
	uint64_t connections, missed; /* missed: arrivals beyond `connections` */
	uint64_t outcomes[SIM_OUTCOME_COUNT];
	unsigned class_count;
	struct sim_class classes[SIM_CLASSES_MAX];
	unsigned sample_count;
	struct sim_sample samples[SIM_SAMPLES];
	/* violations: the first ones, and how many of each kind */
	uint64_t violations[SIM_VIOLATION_COUNT];
	uint64_t violation_count;
	unsigned kept;
	struct sim_violation violation[SIM_VIOLATIONS_KEPT];
	/* books */
	struct switch_stats sw;
	uint64_t world_drops[DROP_COUNT];
	uint64_t frontend_drops[DROP_COUNT]; /* of all front-ends */
	uint64_t refused[REFUSAL_COUNT];
	uint64_t agent_refused;
	struct link_stats links[3][2]; /* [TAP_CLIENT..TAP_WIRE][towards the servers] */
	unsigned frontend_count, backend_count;
	/* cores, in the workload's time */
	struct cpu_stats frontend_cpus[FRONTENDS_MAX];
	uint64_t frontend_busy_ns[FRONTENDS_MAX];
	uint64_t control_operations, control_busy_ns;
	uint32_t control_depth_peak, entries_peak;
	struct sim_server servers[BACKENDS_MAX];
	/* of the whole run */
	uint64_t verified;		  /* packets whose checksums were looked at, on all taps */
	uint64_t retransmitted, timeouts; /* by the endpoints */
	struct world_fault_stats faults;
};

/* Returns 0 and *result, or -1 and a message if the world could not be made or an output not be opened. */
int sim_run(const struct config *config, const struct sim_options *options, struct sim_result *result,
	    char error[SIM_ERROR_MAX]);
/* Of the whole run, those behind the workload's time included. */
uint64_t sim_responses(const struct sim_result *result);
/* True if the oracle found something, or an output could not be written. */
bool sim_failed(const struct sim_result *result);

#endif
