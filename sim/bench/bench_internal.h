/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_internal.h: what the subjects of the benches share: their shape, frames to work on, a system to
 * set up. */
#ifndef BENCH_INTERNAL_H
#define BENCH_INTERNAL_H

#include "miresga/bench.h"
#include "miresga/config.h"
#include "miresga/packet.h"
#include "miresga/prng.h"

/* What is measured. All but work() is outside of the measured time. */
struct bench_subject {
	/* NULL and a message if it cannot be. */
	void *(*create)(const struct bench_options *o, char error[BENCH_ERROR_MAX]);
	void (*free)(void *state);
	/* Makes what the next work() uses up; NULL: nothing is. */
	void (*prepare)(void *state, const struct bench *b);
	/* Returns how many units it has done, at least 1, or 0: failed, check() says why. */
	uint64_t (*work)(void *state, const struct bench *b);
	/* False and a message if since the last call something else happened than what the bench is about; NULL: cannot
	 * be. */
	bool (*check)(void *state, const struct bench *b, char error[BENCH_ERROR_MAX]);
};
extern const struct bench_subject bench_switch, bench_frontend, bench_agent, bench_ring, bench_headers, bench_checksum,
	bench_tcp, bench_world, bench_replay;

/* Variants, by subject. */
enum {
	BENCH_SWITCH_IN,
	BENCH_SWITCH_OUT,
	BENCH_SWITCH_MISS,
	BENCH_SWITCH_SYN,
};
enum {
	BENCH_FRONTEND_IN,
	BENCH_FRONTEND_OUT,
};
enum {
	BENCH_AGENT_IN,
	BENCH_AGENT_IN_TIMESTAMPS,
	BENCH_AGENT_IN_SACK,
	BENCH_AGENT_OUT,
	BENCH_AGENT_OUT_TIMESTAMPS,
};
enum {
	BENCH_CHECKSUM_UPDATE,
	BENCH_CHECKSUM_SEGMENT,
};
enum {
	BENCH_TCP_OUT,
	BENCH_TCP_IN,
	BENCH_TCP_ACK,
};
enum {
	BENCH_REPLAY_READ,
	BENCH_REPLAY_PLAY,
};

#define BENCH_SEED 1
/* Virtual time at the start. */
#define BENCH_START_NS (UINT64_C(1700000000) * NS_PER_S)
/* Payload of a full segment, with timestamps. */
#define BENCH_SEGMENT 1448

/* A system of `backends` backends in one pool, which every request goes to and no response is offloaded from.
 * NULL if memory is short. free() it. */
struct config *bench_config(unsigned backends);

/* One connection, as who plays its ends needs it. */
struct bench_flow {
	struct endpoint client;
	uint32_t client_isn, isn; /* isn: of the other end, as seen here */
	uint32_t sent;		  /* by the other end: bytes of the stream */
};
/* Flow `i` has one client address out of many; no two have the same endpoint. */
struct endpoint bench_client(uint32_t i);

/* Frames that are restored again and again. */
#define BENCH_PACKETS 1024u
/* Beyond those, for handshakes. */
#define BENCH_PACKETS_SPARE 64
struct bench_frames {
	struct packet_pool *pool;
	struct packet *packets[BENCH_PACKETS];
	const struct bench *dressed_for;
	uint8_t head[ETH_HDR_LEN + IPV4_HDR_MIN + TCP_HDR_MAX];
	uint32_t head_len, len;
};
/* Returns 0, or -1 if memory is short. */
int bench_frames_init(struct bench_frames *f);
void bench_frames_fini(struct bench_frames *f);
/* From now on the frames are like this one: flags, window, options, and a payload of so many zeros. */
void bench_frames_dress(struct bench_frames *f, const struct bench *b, const struct tcp_packet_spec *like);
/* What differs between them. */
struct bench_stamp {
	struct endpoint src, dst;
	uint32_t seq, ack;
	uint16_t port; /* ingress */
};
/* Makes frame `i` anew, with right checksums, parsed, as it comes from the wire. */
void bench_frames_stamp(struct bench_frames *f, unsigned i, const struct bench_stamp *s);

/* The world of `bench world`, and the system of `bench replay`, as configuration files. */
extern const char bench_world_yaml[];
extern const char bench_replay_yaml[];
/* NULL and a message if it does not load. free() it. */
struct config *bench_config_load(const char *name, const char *yaml, char error[BENCH_ERROR_MAX]);

/* A capture of HTTP/1.1 connections, Ethernet, in memory: a descriptor to read it from the start, or -1 and a message.
 * close() it. */
int bench_trace_make(unsigned connections, char error[BENCH_ERROR_MAX]);

#endif
