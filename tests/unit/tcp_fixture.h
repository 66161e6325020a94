/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_fixture.h: two TCP stacks joined by a pipe in virtual time, with an application at each end that writes a known
 * stream, reads and checks the other's, and closes as it is told. */
#ifndef TESTS_TCP_FIXTURE_H
#define TESTS_TCP_FIXTURE_H

#include <check.h>

#include "miresga/prng.h"
#include "miresga/seq.h"
#include "miresga/tcp.h"
#include "miresga/tcp_options.h"

#define LINK_SLOTS 4096
#define HOST_COUNT 2

enum host_close {
	CLOSE_NEVER,
	CLOSE_WHEN_WRITTEN, /* tcp_shutdown() after the last byte */
	CLOSE_AFTER_PEER,   /* ... but not before the peer's FIN */
};

/* One end. */
struct host {
	struct link *link;
	struct tcp_stack *stack;
	struct tcp *c; /* NULL: none, or it has ended */
	uint32_t isn;
	/* what it is to do */
	uint64_t to_write;
	uint64_t write_piece; /* at most so much a call; 0: all */
	uint64_t read_every_ns;
	uint32_t read_piece; /* 0: all there is */
	bool no_reading;
	enum host_close close;
	/* what has happened */
	uint64_t written, read;
	uint64_t next_read_ns;
	uint32_t events[TCP_EVENT_COUNT];
	uint32_t states; /* that it was seen in */
	bool shut, wrong;
};

struct flying {
	uint64_t due_ns, number;
	struct packet *p;
};

/* What the link does to packets; percentages. */
struct link_faults {
	unsigned loss, duplicate, reorder;
	uint64_t reorder_ns;
};

struct link {
	struct host host[HOST_COUNT];
	struct packet_pool *pool;
	struct prng prng;
	uint64_t now_ns, delay_ns, packet_ns; /* one way; and between packets of a direction */
	uint64_t busy_ns[HOST_COUNT];
	struct link_faults faults;
	struct flying flying[LINK_SLOTS];
	uint32_t count;
	uint64_t number, sent;
	/* false: the packet is lost. May be NULL. */
	bool (*filter)(struct link *l, unsigned from, const struct packet *p);
	void *filter_ctx;
};

struct endpoint host_endpoint(unsigned host);
/* `settings` NULL: the default ones, for both. `isn` 0: the stacks choose. */
struct link *link_create(uint64_t seed, const struct tcp_settings *settings, uint32_t isn);
/* Checks that nothing leaked. */
void link_free(struct link *l);
/* Host 0 connects to host 1, which listens. */
void link_connect(struct link *l);
/* Runs until nothing is due, or `until_ns`. */
void link_run(struct link *l, uint64_t until_ns);
/* As link_connect(), then until both have it. */
void link_establish(struct link *l);
/* The same event count, byte counts and no wrong byte; everything gone after TIME-WAIT. */
void link_check_complete(struct link *l);
/* Byte `at` of the stream that `host` writes. */
uint8_t host_byte(unsigned host, uint64_t at);
void host_write(struct host *h);
void host_read(struct host *h);
struct tcp_info host_info(const struct host *h);

#endif
