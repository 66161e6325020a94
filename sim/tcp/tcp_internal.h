/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_internal.h: one connection and its stack as the files of sim/tcp/tcp_*.c see them.
 *
 * Sequence numbers are 32 bits and compared by seq_*; offsets (`_at`) count the same numbers from the initial
 * sequence number without wrapping and index the interval sets. */
#ifndef SIM_TCP_INTERNAL_H
#define SIM_TCP_INTERNAL_H

#include "../world/timers.h"
#include "miresga/seq.h"
#include "miresga/siphash.h"
#include "miresga/tcp.h"
#include "miresga/tcp_options.h"
#include "ranges.h"

/* RFC 7323 §A: the timestamps option with its two NOPs. */
#define TCP_TIMESTAMPS_SPACE 12u
/* RFC 5681 §3.2, RFC 6675 §2. */
#define TCP_DUP_THRESHOLD 3u
/* Holes in a stream that are remembered; what would make more is as good as lost. */
#define TCP_HOLES_MAX 1024u

/* RFC 5961 §7, as Linux has it: between two answers to empty segments that do not fit, so that two ends that disagree
 * do not answer each other for ever. */
#define TCP_CHALLENGE_INTERVAL_NS (500 * NS_PER_MS)

/* What stands in the table of connections: a connection, or what is left of one in TIME-WAIT. */
struct tcp_node {
	struct tcp_node *next; /* of the same bucket */
	struct endpoint local, remote;
	bool waiting; /* it is a struct tcp_wait */
};

/* RFC 9293 §3.6.1: all that TIME-WAIT has to know. */
struct tcp_wait {
	struct tcp_node node;
	struct tcp_wait *older, *newer; /* by due time */
	uint64_t due_ns, since_ns;
	uint64_t challenge_ns; /* the next answer to an empty segment not before */
	uint32_t snd_nxt, rcv_nxt, rcv_wnd;
	uint32_t ts_recent, ts_offset;
	bool timestamps;
	uint8_t rcv_wscale;
	uint64_t time_wait_ns;
};

/* Bytes by sequence number modulo `size`, a power of two or 0. */
struct tcp_ring {
	uint8_t *bytes;
	uint32_t size;
};

struct tcp_send {
	uint32_t iss, una, nxt;
	uint32_t end;	    /* one past the last byte that was written; the FIN stands there */
	uint32_t wnd;	    /* as the peer announced it, scaled */
	uint32_t wl1, wl2;  /* RFC 9293 §3.3.1 */
	uint32_t wnd_max;   /* the largest that was announced: RFC 9293 §3.8.6.2.1, RFC 5961 §5.2 */
	uint32_t small_end; /* end of the last segment that was sent short (Minshall's form of Nagle's rule) */
	uint64_t una_at;
	struct tcp_ring ring; /* [una, end) */
	uint16_t mss;	      /* payload of a segment, timestamps deducted */
	uint8_t wscale;
	bool nagle;
	bool more;	 /* the last short segment waits */
	bool fin_wanted; /* nothing is written any more */
	bool full;	 /* the application waits for WRITABLE */
};

struct tcp_receive {
	uint32_t irs, nxt;
	uint32_t adv;	 /* right edge that was announced; never moves left */
	uint32_t wup;	 /* `nxt` in the last acknowledgement */
	uint32_t unread; /* bytes in order that the application has not used; they end at `nxt`, or the FIN before it */
	uint32_t mss;	 /* the largest segment seen: what "full-sized" means to delayed acknowledgements */
	uint64_t nxt_at;
	struct tcp_ring ring;  /* what is unread, and what lies behind holes */
	const uint8_t *direct; /* in an event: the last `direct_len` unread bytes are still in the packet */
	uint32_t direct_len;
	struct ranges ahead;		      /* behind holes, by offset */
	uint32_t recent[TCP_SACK_BLOCKS_MAX]; /* a byte of each of the intervals touched last, the newest first */
	uint32_t dsack_lo, dsack_hi;	      /* RFC 2883; equal: none */
	uint32_t fin;			      /* where it stands */
	uint8_t recents;
	uint8_t wscale;
	uint8_t quick; /* acknowledgements that are still sent at once, as Linux does at the start */
	bool fin_known;
	bool fin_taken;	   /* `nxt` is past it */
	bool delayed;	   /* an acknowledgement is owed */
	bool at_once;	   /* and may not wait */
	bool answering;	   /* request and response alternate: acknowledgements ride on data */
	uint64_t heard_ns; /* the last segment, for keep-alive */
	uint64_t data_ns;  /* the last one with a payload */
};

enum tcp_mode {
	TCP_MODE_OPEN,
	TCP_MODE_RECOVERY, /* RFC 6675, RFC 6582: after fast retransmit */
	TCP_MODE_LOSS,	   /* RFC 5681 §3.1: after a timeout */
};

struct tcp_congestion {
	uint32_t cwnd, ssthresh; /* bytes */
	uint32_t credit;	 /* bytes acknowledged towards the next segment of congestion avoidance */
	uint32_t recover;	 /* RFC 6582: `nxt` when the loss was noticed */
	uint32_t lost_to;	 /* not in OPEN: what is not SACKed before here is lost */
	uint32_t resent_to;	 /* not in OPEN: ... and before here has been sent again */
	struct ranges sacked;	 /* RFC 6675 §3, by offset */
	uint32_t sacked_bytes;	 /* in `sacked`; without SACK what duplicate ACKs stand for */
	uint32_t prr_delivered, prr_out, prr_flight; /* RFC 6937 */
	uint32_t dup_acks;
	uint8_t mode;
	bool limited;	 /* it was cwnd that held the last sending */
	bool recovering; /* `recover` still holds back a fast retransmit (RFC 6582 §3.2) */
};

struct tcp_rtt {
	uint64_t srtt_ns, var_ns, rto_ns; /* srtt 0: no sample yet */
	uint64_t started_ns;		  /* of the segment that is timed */
	uint32_t end;			  /* of that segment */
	bool timing;
	uint8_t backoff;
};

struct tcp {
	struct tcp_node node;
	struct tcp_stack *stack;
	void *user;
	const struct tcp_settings *settings; /* the stack's, or its own copy */
	uint32_t id;			     /* of the slot, and in the heap of timers */
	uint8_t state;
	uint8_t pins; /* calls on the stack that still use it */
	bool dead;    /* released when the last pin goes */
	bool passive;
	bool told;		       /* the application knows it */
	bool closed;		       /* the application has left */
	bool detached;		       /* not in the table any more */
	bool sack, timestamps, scaled; /* agreed */
	uint16_t pending;	       /* events, a bit each */
	uint8_t retransmits, probes;
	uint32_t ts_recent, ts_offset;
	uint64_t ts_recent_ns;
	uint64_t rexmit_ns, delack_ns, keepalive_ns, linger_ns; /* due times, TIME_NEVER */
	uint64_t due_ns;					/* in the heap: never later than the earliest of them */
	uint64_t sent_ns;					/* the last data segment */
	uint64_t challenge_ns;					/* the next challenge ACK not before */
	bool persisting;					/* rexmit_ns is the persist timer */
	struct tcp_send snd;
	struct tcp_receive rcv;
	struct tcp_congestion cc;
	struct tcp_rtt rtt;
};

struct tcp_listener {
	struct endpoint local;
	struct tcp_listener *next;
};

/* The memory of a ring that is not in use. */
struct tcp_spare_ring {
	struct tcp_spare_ring *next;
};

#define TCP_LISTENER_BUCKETS 64u

struct tcp_stack {
	struct tcp_stack_options options;
	struct tcp_stats stats;
	struct siphash_key isn_key, ts_key, port_key;
	/* By address and peer, open addressing; a power of two, at most half full. */
	struct tcp_port_turn *port_turns;
	uint32_t port_turn_count, port_turn_room;
	struct timers timers;
	/* slots of connections */
	struct tcp **blocks;
	uint32_t block_count, slot_count;
	uint32_t *unused;
	uint32_t unused_count;
	uint32_t live, waits;
	/* the table */
	struct tcp_node **buckets;
	uint32_t bucket_mask;
	struct tcp_listener *listeners[TCP_LISTENER_BUCKETS];
	struct tcp_wait *oldest, *newest, *spare;
	struct tcp_spare_ring *rings; /* of the smallest size */
	uint32_t ring_count;
	uint8_t *scratch; /* a segment that wraps in its ring */
};

/* A segment that has just arrived, in host order. */
struct tcp_arrival {
	struct endpoint local, remote;
	uint32_t seq, end; /* SYN and FIN included in `end` */
	uint32_t ack, window;
	const uint8_t *data;
	uint32_t len;
	uint8_t flags;
	bool stale; /* PAWS */
	struct tcp_options options;
	const uint8_t *option_bytes;
	uint64_t now_ns;
};

/* tcp_table.c */
bool tcp_table_init(struct tcp_stack *s);
void tcp_table_fini(struct tcp_stack *s);
struct tcp_node *tcp_table_find(const struct tcp_stack *s, struct endpoint local, struct endpoint remote);
void tcp_table_add(struct tcp_stack *s, struct tcp_node *n);
void tcp_table_remove(struct tcp_stack *s, const struct tcp_node *n);
/* A connection in the table, everything else at its start. NULL: no place. Evicts the oldest TIME-WAIT for it. */
struct tcp *tcp_new(struct tcp_stack *s, struct endpoint local, struct endpoint remote,
		    const struct tcp_settings *settings);
struct tcp *tcp_slot(const struct tcp_stack *s, uint32_t id);
/* Out of the table; packets do not find it any more. */
void tcp_detach(struct tcp *c);
/* The memory goes, at the latest when the last pin does. */
void tcp_release(struct tcp *c);
void tcp_pin(struct tcp *c);
void tcp_unpin(struct tcp *c);
bool tcp_listening(const struct tcp_stack *s, struct endpoint local);
/* An ephemeral port, RFC 6056 algorithm 3 with a counter for each address and peer: all others come before one comes
 * again. False: none, or short memory. */
bool tcp_port_choose(struct tcp_stack *s, struct endpoint *local, struct endpoint remote, uint64_t now_ns);
/* RFC 6528. `after`: a connection of the same addresses ended there (RFC 6191), or NULL. */
uint32_t tcp_isn_choose(struct tcp_stack *s, const struct tcp_node *n, const uint32_t *after, uint64_t now_ns);

/* tcp_time_wait.c */
/* What is left of `c`, which leaves the table. */
void tcp_wait_enter(struct tcp *c, uint64_t now_ns);
void tcp_wait_remove(struct tcp_stack *s, struct tcp_wait *w);
/* A segment for it. True: a SYN that may open the connection anew; `w` is gone then, *snd_nxt says where it ended. */
bool tcp_wait_input(struct tcp_stack *s, struct tcp_wait *w, const struct tcp_arrival *a, uint32_t *snd_nxt);
/* RFC 6191 for an active open: may the pair be used now? */
bool tcp_wait_reusable(const struct tcp_stack *s, const struct tcp_wait *w, uint64_t now_ns);
void tcp_wait_expire(struct tcp_stack *s, uint64_t now_ns);

/* tcp_buffer.c */
bool tcp_ring_reserve(struct tcp_stack *s, struct tcp_ring *r, uint32_t from, uint32_t used, uint32_t need);
void tcp_ring_put(struct tcp_ring *r, uint32_t at, const uint8_t *data, uint32_t len);
void tcp_ring_free(struct tcp_stack *s, struct tcp_ring *r);
/* The memory of rings that were given back. */
void tcp_rings_fini(struct tcp_stack *s);
/* `len` bytes from `at` on, in one piece: in the ring, or copied to `scratch`. */
const uint8_t *tcp_ring_get(const struct tcp_ring *r, uint32_t at, uint32_t len, uint8_t *scratch);
/* The payload of a segment: what is new and in the window is kept, the rest is dropped. */
void tcp_receive_data(struct tcp *c, const struct tcp_arrival *a);
/* What an event left in the packet goes into the ring. False: no memory. */
bool tcp_receive_keep(struct tcp *c);
void tcp_receive_drop(struct tcp *c);
void tcp_count_buffered(struct tcp_stack *s, int64_t by);
/* RFC 2018 §4, RFC 2883: at most `max` blocks as pairs of edges. Returns how many. */
unsigned tcp_receive_blocks(const struct tcp *c, uint32_t edges[2 * TCP_SACK_BLOCKS_MAX], unsigned max);

/* tcp_stack.c */
/* With this initial sequence number. */
void tcp_start(struct tcp *c, uint32_t iss);

/* tcp_input.c */
/* Payload of a segment, timestamps included. */
void tcp_set_mss(struct tcp *c, uint32_t mss);
void tcp_input_connection(struct tcp *c, struct tcp_arrival *a);
/* A SYN for a listener. `after`: where a connection in TIME-WAIT ended, or NULL. */
void tcp_input_listen(struct tcp_stack *s, const struct tcp_arrival *a, const uint32_t *after);

/* tcp_ack.c: the fifth check. False: the segment is dropped. */
bool tcp_ack(struct tcp *c, const struct tcp_arrival *a);

/* tcp_icmp.c */
void tcp_icmp(struct tcp_stack *s, const struct packet *p, uint64_t now_ns);

/* tcp_event.c: what the application hears */
void tcp_event_note(struct tcp *c, enum tcp_event e);
/* Tells what was noted, in order. The connection may be dead afterwards. */
void tcp_event_dispatch(struct tcp *c, uint64_t now_ns);
/* The connection ends with this event. */
void tcp_end(struct tcp *c, enum tcp_event e, uint64_t now_ns);
/* The orderly end: both directions are through. The application hears of it when it has read everything. */
void tcp_end_orderly(struct tcp *c, uint64_t now_ns);
/* After a segment or a timer has been worked on: tells what was noted, sends what may be sent, sets the timers. */
void tcp_settle(struct tcp *c, uint64_t now_ns);

/* tcp_output.c */
void tcp_output(struct tcp *c, uint64_t now_ns);
/* Sends a short segment even so, if the window has room for a byte. False: it has not. */
bool tcp_output_forced(struct tcp *c, uint64_t now_ns);
/* The first segment that is not acknowledged, again. */
void tcp_output_head(struct tcp *c, uint64_t now_ns);
void tcp_send_syn(struct tcp *c, uint64_t now_ns);
void tcp_send_ack(struct tcp *c, uint64_t now_ns);
/* An acknowledgement is owed: now, or when it may wait no longer (RFC 9293 §3.8.6.3, RFC 5681 §4.2). */
void tcp_output_ack(struct tcp *c, uint64_t now_ns);
/* RFC 9293 §3.8.4, §3.8.6.1: an old sequence number, which draws an acknowledgement. */
void tcp_send_probe(struct tcp *c, uint64_t now_ns);
void tcp_send_reset(struct tcp *c, uint64_t now_ns);
/* RFC 5961: at most one in TCP_CHALLENGE_INTERVAL_NS. */
void tcp_send_challenge(struct tcp *c, uint64_t now_ns);
/* RFC 9293 §3.10.7.1. */
void tcp_send_refusal(struct tcp_stack *s, const struct tcp_arrival *a);
/* An acknowledgement of a connection in TIME-WAIT. */
void tcp_send_wait_ack(struct tcp_stack *s, const struct tcp_wait *w, uint64_t now_ns);
/* The window would move by enough to say so (RFC 9293 §3.8.6.2.2). */
bool tcp_window_worth_telling(const struct tcp *c);
void tcp_window_start(struct tcp *c);
uint32_t tcp_timestamp(uint32_t offset, uint64_t now_ns);
/* True if a FIN stands in what was sent. */
static inline bool tcp_fin_sent(const struct tcp *c)
{
	return c->snd.fin_wanted && seq_gt(c->snd.nxt, c->snd.end);
}

/* tcp_congestion.c */
struct tcp_news {
	uint32_t acked;	 /* cumulatively */
	uint32_t sacked; /* newly */
	uint32_t flight; /* before it */
	uint32_t sacked_before;
	bool duplicate; /* RFC 5681 §2 */
};
void tcp_congestion_start(struct tcp *c);
void tcp_congestion_ack(struct tcp *c, const struct tcp_news *news);
void tcp_congestion_timeout(struct tcp *c);
/* Everything in flight is sent again, but nothing of it was congestion: the path takes only smaller segments. */
void tcp_congestion_resend(struct tcp *c);
void tcp_congestion_idle(struct tcp *c, uint64_t now_ns);
/* Takes SACK blocks into the scoreboard; returns the bytes that are new there. */
uint32_t tcp_sack_received(struct tcp *c, const struct tcp_arrival *a);
/* Bytes in the network, RFC 6675 §4 SetPipe. */
uint32_t tcp_pipe(const struct tcp *c);
/* RFC 6675 §4 NextSeg rule 1: the first piece that is lost and was not sent again; at most `max` bytes. */
bool tcp_lost_piece(const struct tcp *c, uint32_t max, uint32_t *seq, uint32_t *len);

/* tcp_rtt.c */
void tcp_rtt_start(struct tcp *c);
void tcp_rtt_time(struct tcp *c, uint32_t end, uint64_t now_ns);
void tcp_rtt_ack(struct tcp *c, const struct tcp_arrival *a);
void tcp_rtt_backoff(struct tcp *c);
/* RFC 6298 with its backoff. */
uint64_t tcp_rto(const struct tcp *c);

/* tcp_timers.c */
/* Puts the earliest due time into the heap. */
void tcp_timers_arm(struct tcp *c);
/* Retransmission or persist, as what was sent and what waits ask for. */
void tcp_timers_output(struct tcp *c, uint64_t now_ns);
void tcp_timers_fire(struct tcp *c, uint64_t now_ns);

static inline uint64_t tcp_snd_at(const struct tcp *c, uint32_t seq)
{
	return c->snd.una_at + (uint64_t)(int64_t)seq_diff(seq, c->snd.una);
}

static inline uint64_t tcp_rcv_at(const struct tcp *c, uint32_t seq)
{
	return c->rcv.nxt_at + (uint64_t)(int64_t)seq_diff(seq, c->rcv.nxt);
}

/* Bytes that were written and are not acknowledged. */
static inline uint32_t tcp_snd_bytes(const struct tcp *c)
{
	uint32_t first = c->snd.una == c->snd.iss ? c->snd.iss + 1 : c->snd.una;

	return seq_gt(first, c->snd.end) ? 0 : c->snd.end - first;
}

static inline uint32_t tcp_flight(const struct tcp *c)
{
	return c->snd.nxt - c->snd.una;
}

#endif
