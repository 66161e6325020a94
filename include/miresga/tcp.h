/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp.h: TCP endpoints in virtual time (sim/tcp/): what stands at both ends of a simulated
 * connection. Client and server share the code; none of it knows of the load balancer.
 *
 * A stack is one host, or many: it answers for every local address that a connection or a
 * listener names. It is pure: packets in by tcp_stack_input(), out through `send`; time is an
 * argument; tcp_stack_next_wake() says when tcp_stack_timers() has work. It tells the
 * application what happened through `event`; the application reads and writes by calls, also
 * from within the event. One source of chance: the seed.
 *
 * RFC 9293 (state machine, windows, Nagle §3.7.4, persist §3.8.6.1, keep-alive §3.8.4), 7323 (scale, timestamps,
 * PAWS), 2018/6675 (SACK), 6298 (RTO), 5681/6582/6928 (NewReno, initial window 10), 5961 (challenge ACKs), 6191
 * (TIME-WAIT reuse), 1191/5927 (fragmentation needed). */
#ifndef MIRESGA_TCP_H
#define MIRESGA_TCP_H

#include "miresga/packet.h"

/* X(NAME, "as RFC 9293 §3.3.2 calls it") */
#define TCP_STATES(X) \
	X(CLOSED, "CLOSED") \
	X(SYN_SENT, "SYN-SENT") \
	X(SYN_RECEIVED, "SYN-RECEIVED") \
	X(ESTABLISHED, "ESTABLISHED") \
	X(FIN_WAIT_1, "FIN-WAIT-1") \
	X(FIN_WAIT_2, "FIN-WAIT-2") \
	X(CLOSE_WAIT, "CLOSE-WAIT") \
	X(CLOSING, "CLOSING") \
	X(LAST_ACK, "LAST-ACK") \
	X(TIME_WAIT, "TIME-WAIT")
enum tcp_state {
#define X(name, text) TCP_##name,
	TCP_STATES(X)
#undef X
	TCP_STATE_COUNT
};
const char *tcp_state_name(enum tcp_state s);

/* How connections of a stack behave; every one copies it when it starts. tcp_settings_default() is Linux's manner. */
struct tcp_settings {
	uint16_t mss;	       /* announced, and the most that is sent; 88..65495 */
	uint8_t wscale;	       /* offered, 0..14; TCP_WSCALE_NONE: no option */
	bool sack, timestamps; /* offered; used if both ends offer them */
	bool nagle; /* in Minshall's form, as Linux has it: only a short segment that is under way holds the next */
	uint32_t receive_buffer;			 /* bytes: the largest window that is announced */
	uint32_t send_buffer;				 /* bytes that tcp_write() takes beyond what is acknowledged */
	uint16_t initial_window;			 /* congestion window in segments (RFC 6928: 10) */
	uint64_t delayed_ack_ns;			 /* 0: every segment is acknowledged at once; 40 ms */
	uint64_t rto_initial_ns, rto_min_ns, rto_max_ns; /* 1 s; 200 ms (as in Linux the least that
								 is added to the round trip); 120 s */
	uint8_t syn_retries, retries;			 /* then TCP_EVENT_TIMED_OUT */
	uint64_t keepalive_ns;				 /* idle time before the first probe; 0: none */
	uint64_t keepalive_interval_ns;
	uint8_t keepalive_probes;
	uint64_t time_wait_ns; /* Linux: 60 s */
	uint64_t fin_wait_ns;  /* FIN-WAIT-2 of a closed connection; Linux: 60 s */
};
void tcp_settings_default(struct tcp_settings *s);

/* X(NAME, "text"). Exactly one of the last three comes, unless the application closes or aborts first; the pointer is
 * void after it, what is unread can be read within it. */
#define TCP_EVENTS(X) \
	X(CONNECTED, "the handshake is complete: active open") \
	X(ACCEPTED, "the handshake is complete: of a listener; tcp_set_user() may be called now") \
	X(READABLE, "there are more bytes in order") \
	X(WRITABLE, "the send buffer has room again, after tcp_write() took less than it was given") \
	X(PEER_CLOSED, "the peer's FIN is in order: what can still be read is the rest") \
	X(ALL_ACKED, "the peer has acknowledged everything written, and the FIN if one was sent") \
	X(RESET, "the last event: the peer reset the connection, or refused it") \
	X(TIMED_OUT, "the last event: retransmissions, probes or SYNs were in vain") \
	X(ENDED, "the last event: orderly end, everything was read (TIME-WAIT is the stack's own affair)")
enum tcp_event {
#define X(name, text) TCP_EVENT_##name,
	TCP_EVENTS(X)
#undef X
	TCP_EVENT_COUNT
};
const char *tcp_event_name(enum tcp_event e);

struct tcp; /* one connection; owned by the stack */
struct tcp_stack;

struct tcp_stats {
	uint64_t segments_in, segments_out, bytes_in, bytes_out; /* payload, retransmissions included */
	uint64_t retransmitted, fast_recoveries, timeouts, probes, keepalives;
	uint64_t duplicates;   /* segments with nothing new in them */
	uint64_t out_of_order; /* segments behind a hole */
	uint64_t challenge_acks, resets_in, resets_out, bad_checksums, paws_dropped;
	uint64_t connections, accepted, refused, reset, timed_out;
	uint32_t open, open_peak;	  /* connections that have not ended, TIME-WAIT not counted */
	uint64_t buffered, buffered_peak; /* bytes in send and receive buffers */
};

/* Ephemeral ports: Linux's range, from 32,768 on; RFC 6056 §3.2 would have a larger one. */
#define TCP_PORTS_MAX 28232u

struct tcp_stack_options {
	struct packet_pool *pool;
	uint32_t connections_max; /* TIME-WAIT included: the oldest of these goes when there is no other place */
	uint32_t ports;		  /* how many tcp_connect() chooses from for each local address; 0: all */
	uint64_t seed;		  /* of initial sequence numbers, timestamps' offsets, ephemeral ports */
	struct tcp_settings settings;
	const uint32_t *isn; /* every connection's initial sequence number, for tests; NULL: RFC 6528 */
	void *ctx;
	/* A packet for the wire; ownership passes. Ethernet addresses are zero, checksums right. Must not call the
	 * stack: what it would answer arrives later. */
	void (*send)(void *ctx, struct packet *p, uint64_t now_ns);
	void (*event)(void *ctx, struct tcp *c, enum tcp_event e, uint64_t now_ns);
};
/* NULL if memory is short. */
struct tcp_stack *tcp_stack_create(const struct tcp_stack_options *options);
void tcp_stack_free(struct tcp_stack *s);
/* One packet from the wire; borrowed. Verifies checksums; what is for no connection and no listener draws a RST
 * (RFC 9293 §3.10.7.1) unless it is one. */
void tcp_stack_input(struct tcp_stack *s, struct packet *p, uint64_t now_ns);
/* TIME_NEVER if nothing waits. */
uint64_t tcp_stack_next_wake(const struct tcp_stack *s);
void tcp_stack_timers(struct tcp_stack *s, uint64_t now_ns);
const struct tcp_stats *tcp_stack_stats(const struct tcp_stack *s);
/* Connections that still hold memory, TIME-WAIT included. */
uint32_t tcp_stack_leftovers(const struct tcp_stack *s);

/* Accepts connections to `local`; `accepting` false: SYNs draw a RST from now on. */
bool tcp_listen(struct tcp_stack *s, struct endpoint local, bool accepting);
/* Active open with the stack's settings, or `settings` if not NULL. Port 0 in `local`: the stack chooses one that is
 * free for that remote, or reuses one in TIME-WAIT (RFC 6191). NULL: no place, or the pair is in use. */
struct tcp *tcp_connect(struct tcp_stack *s, struct endpoint local, struct endpoint remote,
			const struct tcp_settings *settings, uint64_t now_ns);
void tcp_set_user(struct tcp *c, void *user);
void *tcp_user(const struct tcp *c);
/* Takes up to `len` bytes into the send buffer; returns how many. `more`: more will follow at once, so a last short
 * segment waits. */
uint32_t tcp_write(struct tcp *c, const void *data, uint32_t len, bool more, uint64_t now_ns);
/* Bytes in order: pointer to the next piece, and its length (0: none). Borrowed until the next call. */
uint32_t tcp_peek(const struct tcp *c, const uint8_t **data);
/* The application has used `len` bytes of them: the window opens. */
void tcp_consume(struct tcp *c, uint32_t len, uint64_t now_ns);
/* FIN after what is written. Reading goes on. */
void tcp_shutdown(struct tcp *c, uint64_t now_ns);
/* The application is through with it: FIN after what is written; what arrives from now on draws a RST (RFC 9293
 * §3.6.1), unread bytes a RST at once (RFC 2525 §2.17). No event comes any more; the pointer is void. */
void tcp_close(struct tcp *c, uint64_t now_ns);
/* RST. No event comes any more; the pointer is void. */
void tcp_abort(struct tcp *c, uint64_t now_ns);
/* As setsockopt() would, on an open connection. */
void tcp_set_nagle(struct tcp *c, bool on, uint64_t now_ns);

struct tcp_info {
	enum tcp_state state;
	struct endpoint local, remote;
	uint32_t iss, irs, snd_una, snd_nxt, rcv_nxt;
	uint32_t cwnd, ssthresh, snd_wnd, rcv_wnd; /* bytes */
	uint16_t mss;				   /* that is sent at most */
	uint64_t srtt_ns, rto_ns;
	uint32_t unsent, unacked, unread; /* bytes */
	uint64_t written, read;		  /* bytes since the start */
	bool sack, timestamps;
	uint8_t snd_wscale, rcv_wscale;
};
void tcp_info(const struct tcp *c, struct tcp_info *info);

#endif
