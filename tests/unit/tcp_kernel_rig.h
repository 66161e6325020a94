/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_kernel_rig.h: an endpoint of tcp.h and the kernel's own TCP at the two ends of a wire, which is a TUN device in
 * a network namespace of this process, with faults on it. One connection at a time; time is real. */
#ifndef TESTS_TCP_KERNEL_RIG_H
#define TESTS_TCP_KERNEL_RIG_H

#include "miresga/prng.h"
#include "miresga/tcp.h"
#include "tcp_kernel_side.h"

#define RIG_STACK_ADDR 0x0a4d0002 /* 10.77.0.2 */
#define RIG_ROUTER_ADDR 0x0a4d00fe
#define RIG_PORT 80
#define RIG_WAITING_MAX 4096
#define RIG_PATTERN 65521 /* prime: no power of two shifts it onto itself */
#define RIG_PIECE 65536

enum rig_direction {
	RIG_TO_KERNEL,
	RIG_TO_STACK,
};

struct rig_wire {
	uint16_t loss, duplication, reordering, corruption; /* per mille */
	bool held;					    /* packets wait until this is false */
	bool cut;					    /* nothing passes */
	uint32_t mtu;					    /* not 0: larger datagrams draw "fragmentation needed" */
	uint64_t passed, lost, too_big, corrupted;
};

/* The application on either end: what it has to send, and what became of the connection. */
struct rig_party {
	uint64_t to_send, sent, received;
	bool shut_when_sent; /* half-close after to_send bytes */
	bool shut;
	bool paused;	     /* does not read */
	bool connected, eof; /* eof: the other end's FIN has come */
	bool wrong;	     /* received other bytes than were sent */
};

struct rig {
	int tun;
	struct packet_pool *pool;
	struct tcp_stack *stack;
	struct prng prng;
	struct rig_wire wire[2];
	struct rig_waiting {
		struct packet *packet; /* NULL: free */
		uint64_t due_ns, number;
		enum rig_direction direction;
	} waiting[RIG_WAITING_MAX];
	unsigned waiting_count;
	uint64_t numbers;
	struct rig_party ours, theirs;
	struct tcp *c; /* NULL: none yet, or not any more */
	bool reset, timed_out, ended;
	unsigned states;  /* that ours was seen in, a bit each */
	uint32_t tsval;	  /* the last that the kernel sent */
	int listener, fd; /* the kernel's sockets; -1: none */
	bool connecting;
	int error;				  /* of fd */
	uint8_t pattern[RIG_PATTERN + RIG_PIECE]; /* what both send */
};

/* False, and why: no privilege, no TUN device; then nothing has to be closed. The process is in another network
 * namespace from here on. */
bool rig_open(struct rig *r, const struct tcp_settings *settings, uint64_t seed, char why[256]);
void rig_close(struct rig *r);
uint64_t rig_now(void);
struct endpoint rig_stack_end(uint16_t port);
struct endpoint rig_kernel_end(uint16_t port);
/* The kernel listens, or connects to our RIG_PORT from `port` (0: any). */
void rig_kernel_listen(struct rig *r);
void rig_kernel_connect(struct rig *r, uint16_t port);
/* Forgets the connection that was; ours is not closed, the kernel's socket is. */
void rig_forget(struct rig *r);

/* Runs until `done`, or false after `ms`. */
bool rig_run(struct rig *r, bool (*done)(const struct rig *r), unsigned ms);
/* A segment that neither end has sent, put onto the wire behind its faults. */
void rig_inject(struct rig *r, enum rig_direction direction, const struct tcp_packet_spec *spec);

#endif
