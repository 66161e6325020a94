/* SPDX-License-Identifier: BSD-2-Clause */
/* config.h: the whole configuration as plain structs. src/config/ fills them from YAML
 * (docs/configuration.md is the reference); rooms only read them.
 *
 * Sizes are bytes, durations nanoseconds, rates per second. Every number has a stated range;
 * config_load() refuses what lies outside, so the rooms need not check again. */
#ifndef MIRESGA_CONFIG_H
#define MIRESGA_CONFIG_H

#include <stdio.h>

#include "miresga/base.h"
#include "miresga/hash.h"
#include "miresga/packet.h"
#include "miresga/quirk.h"

#define CONFIG_NAME_MAX 64 /* with the terminator */
#define CONFIG_HOST_MAX 256
#define CONFIG_PATH_MAX 1024
#define CONFIG_FILE_SIZE_MAX (4u << 20)
#define CONFIG_NESTING_MAX 16
#define POOLS_MAX 32
#define RULES_MAX 256
/* No pool or backend. */
#define POOL_NONE 0xff

struct config_backend {
	char name[CONFIG_NAME_MAX];
	struct endpoint address;
	uint16_t weight;		 /* 1..256 */
	char interface[CONFIG_NAME_MAX]; /* live: leads there; "": as the kernel routes */
};

enum balance {
	BALANCE_ROUND_ROBIN, /* smooth weighted; one draw per (connection, pool) */
};

struct config_pool {
	char name[CONFIG_NAME_MAX];
	enum balance balance;
	uint16_t member_count;	       /* 1..BACKENDS_MAX */
	uint8_t members[BACKENDS_MAX]; /* indices into config.backends, no duplicates */
};

enum offload_mode {
	OFFLOAD_AUTO,	/* when a response's Content-Length reaches the threshold */
	OFFLOAD_ALWAYS, /* as soon as the backend is connected */
	OFFLOAD_NEVER,
};

/* First match in file order wins. Host compares case-insensitively without port and trailing dot. */
struct config_rule {
	char host[CONFIG_HOST_MAX]; /* "": any; "*.example.org": any name below it; else exact */
	char path[CONFIG_PATH_MAX]; /* "": any; compared without the query */
	bool path_is_prefix;
	uint8_t pool;
	enum offload_mode offload;
};

enum strictness {
	STRICTNESS_STRICT,  /* RFC 9112 to the letter */
	STRICTNESS_LENIENT, /* odd but unambiguous requests pass; ambiguous framing never does */
};

struct config_http {
	enum strictness strictness;
	uint32_t head_max; /* 256 B .. 64 KiB */
};

struct config_frontends {
	uint16_t count;	      /* 1..FRONTENDS_MAX */
	uint32_t flows_max;   /* per front-end, 1..16 Mi */
	uint32_t buffers;     /* reassembly buffers per front-end, 1..64 Ki */
	uint32_t buffer_size; /* >= http.head_max, at most 1 MiB */
};

enum isn_mode {
	ISN_COOKIE, /* DESIGN §3: keyed, timed, carries the client's options */
	ISN_CRC32,  /* as published (quirk P3) */
};

/* The Offloaded Connection Table's place in SRAM (paper §4.2, Table 1). capacity_compute() in switch.h says
 * how many connections that makes. */
struct config_geometry {
	uint8_t stages;		/* the table's, small tables arranged beside it; 1..20 */
	uint8_t blocks;		/* RAM blocks of 1,024 x 128 bits per stage, 1..80 */
	uint8_t word_blocks;	/* blocks side by side in one match word, 1..4 */
	uint8_t ghost_bits;	/* key bits that the hash address stands for, 0..10 */
	uint8_t version_bits;	/* 0..4 */
	bool entry_compression; /* one <CIP,CPort> entry serves both directions (Table 1's a) */
	bool backend_agent;	/* the agent shifts numbers, so that no 32-bit Δ is stored (c) */
	bool table_arrangement; /* small tables share stages; without, two stages are lost (b) */
};

struct config_switch {
	struct config_geometry geometry;
	enum isn_mode isn;
	uint8_t wscale;		 /* announced window scale, 0..14; default 7 */
	uint16_t mss;		 /* announced MSS, 536..65495; default 1460 */
	uint16_t window;	 /* of the SYN-ACK, unscaled; default 65535 */
	bool timestamps;	 /* answer the client's timestamps option */
	bool ecn;		 /* accept an ECN-setup SYN */
	uint32_t insertion_rate; /* table operations per second, 1..1e9 */
	uint64_t insertion_latency_ns;
	uint32_t control_queue; /* operations that may wait, 1..16 Mi */
	uint16_t batch;		/* packets a stage sees at once, 1..BATCH_MAX */
};

#define AGENT_PORTS_MAX 64
struct config_agent {
	uint32_t entries_max; /* pairs per backend, 1..16 Mi; default 102,400 */
	uint16_t port_count;  /* 0: those of the backends */
	uint16_t ports[AGENT_PORTS_MAX];
	char secret_file[CONFIG_PATH_MAX]; /* "": none. config_read_secret() reads it */
};

/* What `miresga live` binds to. */
struct config_live {
	char interface[CONFIG_NAME_MAX]; /* towards the clients; "": none given */
	uint32_t ring;			 /* super-packets that may wait on an interface, 16..8192 */
	uint64_t busy_poll_ns;		 /* after the last frame, before it sleeps */
	bool silence;			 /* keep what is the switch's from the host's own stack */
};

struct config_timeouts {
	uint64_t request_ns;	 /* from the handshake, or a head's first byte, to the complete request head */
	uint64_t established_ns; /* idle, any connected state (RFC 5382 REQ-5: >= 2 h 4 min) */
	uint64_t closing_ns;	 /* after the first FIN, idle */
	uint64_t linger_ns;	 /* after the last ACK or a RST */
	uint64_t rto_ns;	 /* first retransmission by the front-end (RFC 6298: 1 s) */
	uint8_t retries;	 /* doublings before the front-end gives up, 0..15 */
};

/* Chances are parts per billion. */
#define CHANCE_ALWAYS 1000000000u

/* A simulated link; each direction by itself (sim/world/link.c). All zero: packets arrive at once. */
struct config_link {
	uint64_t rate;	   /* bits per second; 0: no limit */
	uint64_t delay_ns; /* propagation */
	uint64_t queue;	   /* bytes that may wait for the line; more is dropped */
	/* The fault plan: chance of each, per packet. */
	uint32_t loss;
	uint32_t duplicate; /* arrives twice */
	uint32_t reorder;   /* arrives later by up to reorder_ns, others overtake */
	uint32_t spike;	    /* the line stalls for spike_ns: this packet and all behind it */
	uint32_t corrupt;   /* one bit is flipped */
	uint64_t reorder_ns, spike_ns;
};

/* Service time of one core; a packet waits until the core is free. All zero: no time passes. */
struct config_cpu {
	uint64_t packet_ns;
	uint64_t kib_ns;     /* for every KiB of the packet, in proportion */
	uint64_t request_ns; /* servers: for every request */
	uint32_t queue;	     /* packets that may wait; more is dropped */
};

/* X(NAME, "key", "text"): what may go wrong in the system itself. `index`: which front-end or backend. */
#define SIM_FAULTS(X) \
	X(CONTROL_STALL, "control_stall", "the control plane does nothing") \
	X(CONTROL_SLOW, "control_slow", "table operations take `factor` times as long") \
	X(CONTROL_REORDER, "control_reorder", "operations on different keys overtake each other") \
	X(TABLE_FULL, "table_full", "the switch finds no place for an entry") \
	X(FRONTEND_KILL, "frontend_kill", "a front-end loses all it knows; what reaches it meanwhile is lost") \
	X(FRONTEND_PAUSE, "frontend_pause", \
	  "a front-end does nothing; what reaches it waits, as far as its queue goes") \
	X(AGENT_RESTART, "agent_restart", "an agent starts again with empty maps") \
	X(BACKEND_DEAD, "backend_dead", "a backend's host is silent") \
	X(BACKEND_SLOW, "backend_slow", "a backend's core takes `factor` times as long") \
	X(BACKEND_REFUSES, "backend_refuses", "a backend resets every SYN") \
	X(RING_FULL, "ring_full", "the rings into a front-end hold `factor` packets")
enum sim_fault {
#define X(name, key, text) SIM_FAULT_##name,
	SIM_FAULTS(X)
#undef X
	SIM_FAULT_COUNT
};
#define FAULTS_MAX 32
struct config_fault {
	enum sim_fault what;
	uint16_t index;
	uint64_t at_ns;	 /* from the start */
	uint64_t for_ns; /* afterwards all is as before; 0: to the end of the run */
	uint32_t factor;
};

enum arrival {
	ARRIVAL_CLOSED,	 /* a number of connections, each followed by the next */
	ARRIVAL_POISSON, /* connections at a mean rate, whatever becomes of them */
};
enum sizes {
	SIZES_FIXED,
	SIZES_TABLE,	 /* the paper's Traffic 1-3 */
	SIZES_LOGNORMAL, /* median and sigma */
	SIZES_FILE,	 /* empirical: a size a line */
};
#define BODY_MAX (UINT64_C(1) << 36)
#define SIZES_MAX 16
struct config_size {
	uint64_t bytes;
	uint32_t share; /* of the sum of all shares, 1..1e6 */
};
#define WORKLOADS_MAX 8
#define HOSTS_MAX 8
/* Clients of one kind: what they ask for, and how they behave (sim/load/). */
struct config_workload {
	char name[CONFIG_NAME_MAX];
	enum arrival arrival;
	uint32_t connections; /* closed: at once; Poisson: at once at most, more are counted as missed */
	uint64_t rate;	      /* Poisson: connections per second */
	uint32_t requests;    /* per connection, 1..1e6 */
	uint32_t pipeline;    /* requests sent before the first is answered, 1..64 */
	uint64_t think_ns;    /* between a response and the next request */
	uint16_t host_count;  /* 0: a Host that no rule need name */
	char hosts[HOSTS_MAX][CONFIG_HOST_MAX]; /* a request draws one */
	char path[CONFIG_PATH_MAX];		/* prefix of the paths; default "/" */
	enum sizes sizes;
	uint64_t size;		    /* fixed, or the lognormal's median; bytes of a response's body, at most BODY_MAX */
	uint32_t sigma_thousandths; /* lognormal */
	uint16_t size_count;
	struct config_size table[SIZES_MAX];
	char size_file[CONFIG_PATH_MAX];
	uint64_t upload;	       /* bytes of each request's body; 0: GET */
	uint32_t upload_chance;	       /* requests that have one */
	uint32_t chunked, until_close; /* responses framed so; the others have a Content-Length */
	uint32_t early;		       /* responses to an upload that do not wait for its end */
	uint32_t abort;		       /* clients that reset in the middle of a response */
	uint32_t half_close;	       /* clients that send FIN after their last request */
	uint32_t server_reset;	       /* responses that the server ends by a RST */
	uint32_t plain;		       /* clients without window scale, SACK and timestamps */
	uint32_t slow_reader;	       /* clients that read at read_rate */
	uint64_t read_rate;	       /* bits per second */
	uint64_t timeout_ns;	       /* a client gives up after so long without a byte of a response that is due */
	uint64_t delay_ns;	       /* the server waits so long before it answers */
};

/* Does every connection end with its first response? */
static inline bool workload_all_until_close(const struct config_workload *w)
{
	return w->until_close == CHANCE_ALWAYS && w->chunked == 0;
}

/* Nobody thinks behind the last request of a connection, or between two that go together. */
static inline uint64_t workload_think_ns(const struct config_workload *w)
{
	return w->requests > w->pipeline && !workload_all_until_close(w) ? w->think_ns : 0;
}

/* Addresses of simulated clients: RFC 6598's, which no real one has. */
#define CLIENT_HOST_FIRST 0x64400001u
struct config_simulation {
	uint64_t duration_ns;  /* of the workload; what is open then may end */
	uint32_t client_hosts; /* addresses that the clients have, 1..65,536, from CLIENT_HOST_FIRST on */
	uint32_t client_ports; /* of each of them, 1..TCP_PORTS_MAX */
	struct config_link client_link, frontend_link, backend_link;
	struct config_cpu frontend_cpu, server_cpu;
	uint16_t fault_count;
	struct config_fault faults[FAULTS_MAX];
	uint16_t workload_count;
	struct config_workload workloads[WORKLOADS_MAX];
};

struct config {
	char file[256]; /* as named on the command line */
	struct endpoint vip;
	uint16_t backend_count; /* 1..BACKENDS_MAX */
	struct config_backend backends[BACKENDS_MAX];
	uint16_t pool_count; /* 1..POOLS_MAX */
	struct config_pool pools[POOLS_MAX];
	uint16_t rule_count; /* 1..RULES_MAX */
	struct config_rule rules[RULES_MAX];
	struct config_frontends frontends;
	struct config_http http;
	uint64_t offload_threshold; /* bytes of Content-Length; default 64 KiB */
	struct config_switch sw;
	struct config_agent agent;
	struct config_timeouts timeouts;
	struct config_live live;
	struct config_simulation simulation;
	uint32_t quirks; /* QUIRK_BIT()s */
	uint64_t seed;
	bool has_secret;
	struct siphash_key secret; /* of the file, if has_secret */
	/* Keys of cookie and tag; derived from the secret, or from the seed if there is none. */
	struct siphash_key cookie_key, tag_key;
};

static inline bool config_has_quirk(const struct config *c, enum quirk q)
{
	return c->quirks & QUIRK_BIT(q);
}

/* An upper bound of how long anything outlives the last packet: every timeout that can follow another
 * (request, retransmissions, idle, closing, linger, the control queue's drain) once in its chain. After
 * this much silence everything must be gone. */
uint64_t config_longest_timeout(const struct config *c);

/* Clears *c and fills in every default that does not need a VIP, backend, pool or rule; derives the keys. */
void config_defaults(struct config *c);
/* The same for one kind of clients: all but its name. */
void config_workload_defaults(struct config_workload *w);
/* Derives cookie_key and tag_key from c->secret, or from c->seed if there is none. To be called again after a change
 * of the seed. */
void config_derive_keys(struct config *c);

/* Takes the secret from agent.secret_file, if that is given (relative: from where the configuration lies), and derives
 * the keys; what deals with real packets calls it. Returns 0, or -1 with a message in error. */
int config_read_secret(struct config *c, char *error, size_t error_size);

/* Called once for every error, in file order; line and column (in characters) from 1, 0 where there is none. `file` is
 * the name as given, "<stdin>" for "-". */
typedef void config_error_fn(void *ctx, const char *file, unsigned line, unsigned column, const char *message);
/* Reads `file` ("-": stdin) into *c. Returns the number of errors reported; *c is usable only if 0. */
int config_load(struct config *c, const char *file, config_error_fn *report, void *ctx);
/* The same for `len` bytes in memory; `name` stands for the file. */
int config_load_memory(struct config *c, const char *name, const void *data, size_t len, config_error_fn *report,
		       void *ctx);

/* Writes the keys that differ from their defaults, or all, as a file that loads to the same. Returns 0, or -1 if
 * writing failed (errno). */
int config_print(const struct config *c, bool all, FILE *out);

/* What the command line changes. Each returns 0, or -1 with a message in error and *c as it was.
 *
 * Switches quirks on: "F5,P3" or "all"; P3 is the same as `switch.isn: crc32`. */
int config_add_quirks(struct config *c, const char *list, char *error, size_t error_size);
/* Sets one key outside of the lists by its dotted path: "switch.table.stages", "7". */
int config_set(struct config *c, const char *path, const char *value, char *error, size_t error_size);
/* A duration as the file would have it ("60s"), at most 168h. */
int config_parse_duration(const char *text, uint64_t *ns, char *error, size_t error_size);

#endif
