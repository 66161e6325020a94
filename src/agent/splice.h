/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* splice.h: the rewrite itself, and the contract between kernel and user space about a spliced pair.
 *
 * This is the only place that shifts sequence numbers, acknowledgements, SACK edges, timestamps,
 * windows and the numbers inside ICMP errors. It compiles for user space (the agent model) and
 * for BPF (XDP on ingress, TC on egress) alike: no libc, no loops without a constant bound, every
 * access checked against `end` right before it is made. A BPF program calls splice_options_find() in
 * a global function, where the kernel's verifier follows the walk once (some 30,000 instructions) and
 * not once for each path of the caller.
 *
 * Names: L is the initial sequence number that the switch showed the client, S the server's own,
 * Δ = S - L. The client's and the front-end's view is "L space", the server's "S space".
 *
 *   ingress (to the server):   ACK += Δ, every SACK edge += Δ, TSecr += offset, window widened
 *   egress (from the server):  SEQ -= Δ, TSval -= offset, window rescaled
 *   ICMP errors:               the same numbers in the packet that the error quotes
 *
 * Checksums: changes are summed up in splice_segment.diff (RFC 1624); the host applies the sum
 * once, at the end, with splice_csum_apply() where the field holds a complete checksum (model,
 * XDP), or with bpf_l4_csum_replace(skb, at, 0, splice_csum_diff(), 0) in TC, where the field of
 * a CHECKSUM_PARTIAL packet holds only the pseudo-header's sum and must stay. A checksum that
 * was wrong stays wrong by the same amount. */
#ifndef MIRESGA_SPLICE_H
#define MIRESGA_SPLICE_H

#include "miresga/seq.h"

typedef __UINT8_TYPE__ splice_u8;
typedef __UINT16_TYPE__ splice_u16;
typedef __UINT32_TYPE__ splice_u32;
typedef __UINT64_TYPE__ splice_u64;

#define SPLICE_INLINE static inline __attribute__((always_inline))

/* A pair, as it stands on the wire: the key of the seq map and the diff map. */
struct splice_key {
	splice_u32 client_addr, local_addr;
	splice_u16 client_port, local_port;
};
_Static_assert(sizeof(struct splice_key) == 12, "kernel/user contract");

#define SPLICE_READY 0x0001	  /* Δ and server_wscale are known */
#define SPLICE_TS_ASKED 0x0002	  /* the special SYN carried the switch's TSval: ts_shown */
#define SPLICE_TS_READY 0x0004	  /* ts_offset is known */
#define SPLICE_CLIENT_FIN 0x0008  /* seen; it is the byte before client_next */
#define SPLICE_SERVER_FIN 0x0010  /* seen; it is the byte before server_next */
#define SPLICE_CLIENT_DONE 0x0020 /* the client's FIN is acknowledged */
#define SPLICE_SERVER_DONE 0x0040 /* the server's FIN is acknowledged */
#define SPLICE_CLOSING 0x0080	  /* ended; kept for stray retransmissions */
#define SPLICE_ANNOUNCED 0x0100	  /* client_isn and shown are known; always set in a pair in use */
#define SPLICE_PROVOKED 0x0200	  /* a challenge ACK is due */

#define SPLICE_WSCALE_NONE 15

/* What is known about a pair. Host order. */
struct splice {
	splice_u64 last_ns;	/* of its last packet */
	splice_u32 client_isn;	/* SEQ of the special SYN */
	splice_u32 shown;	/* L */
	splice_u32 delta;	/* Δ, if READY */
	splice_u32 ts_shown;	/* if TS_ASKED */
	splice_u32 ts_offset;	/* server's TSval - ts_shown, if TS_READY */
	splice_u32 client_next; /* end of what the client has sent */
	splice_u32 server_next; /* end of what the server has sent, S space; if READY */
	splice_u32 server_ack;	/* highest acknowledgement of the server */
	splice_u16 flags;
	splice_u8 client_wscale, server_wscale; /* 0..14, or NONE: not offered, refused */
	splice_u8 announced_wscale;		/* what the switch told the client, if that offered one */
	splice_u8 reserved[3];
};
_Static_assert(sizeof(struct splice) == 48, "kernel/user contract");

/* A TCP segment under the knife. */
struct splice_segment {
	splice_u8 *tcp;	 /* header; its first 20 bytes are readable */
	splice_u8 *end;	 /* nothing from here on is touched */
	splice_u64 diff; /* sum of changes so far; start with 0 */
};

/* Offsets count from the TCP header's first byte; 0: absent. */
struct splice_options {
	splice_u8 sack_at, sack_edges; /* first edge; number of edges, 2 a block */
	splice_u8 timestamps_at;       /* TSval; TSecr at +4 */
	splice_u8 wscale;	       /* or NONE */
};

enum splice_direction {
	SPLICE_INGRESS,
	SPLICE_EGRESS
};
/* What splice_track() found. */
enum splice_end {
	SPLICE_GOES_ON,
	SPLICE_ENDED_FIN,
	SPLICE_ENDED_RST
};

/* TCP and ICMP as far as needed here; BPF programs do not see wire.h. */
enum {
	SPLICE_AT_SEQ = 4,
	SPLICE_AT_ACK = 8,
	SPLICE_AT_DATA_OFF = 12,
	SPLICE_AT_FLAGS = 13,
	SPLICE_AT_WINDOW = 14,
	SPLICE_AT_CHECK = 16,
	SPLICE_TCP_MIN = 20,
	SPLICE_FIN = 0x01,
	SPLICE_SYN = 0x02,
	SPLICE_RST = 0x04,
	SPLICE_ACK = 0x10,
};

SPLICE_INLINE splice_u16 splice_get16(const splice_u8 *p)
{
	splice_u16 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}

SPLICE_INLINE splice_u32 splice_get32(const splice_u8 *p)
{
	splice_u32 v;

	__builtin_memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

/* Adds a change of stored words to the sum. In odd places the bytes weigh the other way round:
 * modulo 2^16 - 1 a shift by eight bits swaps them. */
SPLICE_INLINE void splice_diff_add(struct splice_segment *g, splice_u32 from, splice_u32 to, splice_u32 at)
{
	splice_u64 sum = (splice_u64)(splice_u32)~from + to;
	splice_u32 d = (splice_u32)sum + (splice_u32)(sum >> 32);

	g->diff += (splice_u64)d << 8 * (at & 1);
}

SPLICE_INLINE void splice_put16(struct splice_segment *g, splice_u32 at, splice_u16 value)
{
	splice_u8 *field = g->tcp + at;
	splice_u16 from, to = __builtin_bswap16(value);

	if (field + sizeof(to) > g->end)
		return;
	__builtin_memcpy(&from, field, sizeof(from));
	__builtin_memcpy(field, &to, sizeof(to));
	splice_diff_add(g, from, to, at);
}

SPLICE_INLINE void splice_put32(struct splice_segment *g, splice_u32 at, splice_u32 value)
{
	splice_u8 *field = g->tcp + at;
	splice_u32 from, to = __builtin_bswap32(value);

	if (field + sizeof(to) > g->end)
		return;
	__builtin_memcpy(&from, field, sizeof(from));
	__builtin_memcpy(field, &to, sizeof(to));
	splice_diff_add(g, from, to, at);
}

SPLICE_INLINE void splice_shift32(struct splice_segment *g, splice_u32 at, splice_u32 by)
{
	if (g->tcp + at + sizeof(splice_u32) <= g->end)
		splice_put32(g, at, seq_add(splice_get32(g->tcp + at), by));
}

/* The sum of changes as 32 bits, as bpf_l4_csum_replace() takes it. */
SPLICE_INLINE splice_u32 splice_csum_diff(const struct splice_segment *g)
{
	splice_u64 d = (g->diff & 0xffffffff) + (g->diff >> 32);

	return (splice_u32)d + (splice_u32)(d >> 32);
}

/* RFC 1624 eqn. 3 on the stored value of a complete checksum. */
SPLICE_INLINE splice_u16 splice_csum_apply(splice_u16 check, const struct splice_segment *g)
{
	splice_u32 d = splice_csum_diff(g);
	splice_u32 sum = (splice_u16)~check + (d & 0xffff) + (d >> 16);

	sum = (sum & 0xffff) + (sum >> 16);
	return (splice_u16) ~(sum + (sum >> 16));
}

/* Takes in one option that stands at offset `at` from the TCP header and is `len` long. */
SPLICE_INLINE void splice_option_take(const struct splice_segment *g, splice_u32 at, splice_u32 len,
				      struct splice_options *o)
{
	const splice_u8 *p = g->tcp + at;

	if (p[0] == 5 && len >= 10 && (len - 2) % 8 == 0) { /* RFC 2018 §3 */
		o->sack_at = (splice_u8)(at + 2);
		o->sack_edges = (splice_u8)((len - 2) / 4);
	} else if (p[0] == 8 && len == 10) { /* RFC 7323 §3.2 */
		o->timestamps_at = (splice_u8)(at + 2);
	} else if (p[0] == 3 && len == 3 && p + 3 <= g->end) { /* RFC 7323 §2.2, §2.3 */
		o->wscale = p[2] > 14 ? 14 : p[2];
	}
}

/* An offset of an option, known to the verifier as any number below 64 and to the compiler not at
 * all: so all paths through the walk below are one, and not as many as there are layouts. */
SPLICE_INLINE splice_u32 splice_option_at(splice_u32 at)
{
	__asm__ volatile("" : "+r"(at));
	return at & 63;
}

/* Finds the options that matter. Malformed ones end the walk, as in Linux. (tcp_options.h walks
 * in the same way with everything at hand; here the kernel's verifier has to follow.) */
SPLICE_INLINE void splice_options_find(const struct splice_segment *g, struct splice_options *o)
{
	splice_u32 at = SPLICE_TCP_MIN, stop = (g->tcp[SPLICE_AT_DATA_OFF] >> 4) * 4u;

	o->sack_at = o->sack_edges = o->timestamps_at = 0;
	o->wscale = SPLICE_WSCALE_NONE;
	/* Nearly every segment carries nothing, or begins with timestamps as RFC 7323 appendix A lays them out. */
	if (stop >= SPLICE_TCP_MIN + 12 && g->tcp + SPLICE_TCP_MIN + 12 <= g->end &&
	    splice_get32(g->tcp + SPLICE_TCP_MIN) == 0x0101080a) {
		o->timestamps_at = SPLICE_TCP_MIN + 4;
		at += 12;
	}
	for (splice_u32 i = 0; i < 40 && at < stop; i++) {
		const splice_u8 *p = g->tcp + at;

		if (p + 1 > g->end || p[0] == 0)
			return;
		if (p[0] == 1) {
			at = splice_option_at(at + 1);
			continue;
		}
		if (p + 2 > g->end || p[1] < 2 || at + p[1] > stop)
			return;
		splice_option_take(g, at, p[1], o);
		at = splice_option_at(at + p[1]);
	}
}

/* The window field for a peer that scales by `theirs` when the sender scales by `ours`. An open
 * window never becomes 0: its owner, who has closed nothing, would send no update, and the peer
 * would live on probes. A peer that sends up to a unit too much has that trimmed, and sends it again. */
SPLICE_INLINE splice_u16 splice_window(splice_u16 window, splice_u8 ours, splice_u8 theirs)
{
	splice_u32 w = (splice_u32)window << ours >> theirs;

	if (w == 0 && window != 0)
		return 1;
	return w > 65535 ? 65535 : (splice_u16)w;
}

/* From L space to S space. The pair is READY, the segment no SYN. */
SPLICE_INLINE void splice_ingress(const struct splice *s, struct splice_segment *g, const struct splice_options *o)
{
	if (g->tcp[SPLICE_AT_FLAGS] & SPLICE_ACK) { /* without it ACK, SACK and TSecr mean nothing */
		splice_shift32(g, SPLICE_AT_ACK, s->delta);
		for (splice_u32 i = 0; i < 8 && i < o->sack_edges; i++)
			splice_shift32(g, o->sack_at + 4 * i, s->delta);
		if (s->flags & SPLICE_TS_READY && o->timestamps_at)
			splice_shift32(g, o->timestamps_at + 4, s->ts_offset);
	}
	/* A server that refused scaling reads the field as bytes, but the client scales it. */
	if (s->client_wscale != SPLICE_WSCALE_NONE && s->client_wscale && s->server_wscale == SPLICE_WSCALE_NONE)
		splice_put16(g, SPLICE_AT_WINDOW,
			     splice_window(splice_get16(g->tcp + SPLICE_AT_WINDOW), s->client_wscale, 0));
}

/* From S space to L space. The pair is READY. */
SPLICE_INLINE void splice_egress(const struct splice *s, struct splice_segment *g, const struct splice_options *o)
{
	splice_u8 server = s->server_wscale == SPLICE_WSCALE_NONE ? 0 : s->server_wscale;

	splice_shift32(g, SPLICE_AT_SEQ, seq_sub(0, s->delta));
	if (s->flags & SPLICE_TS_READY && o->timestamps_at)
		splice_shift32(g, o->timestamps_at, seq_sub(0, s->ts_offset));
	/* RFC 7323 §2.2: the window of a SYN is never scaled; a client that offered no scaling was
	 * announced none. */
	if (!(g->tcp[SPLICE_AT_FLAGS] & SPLICE_SYN) && s->client_wscale != SPLICE_WSCALE_NONE &&
	    server != s->announced_wscale)
		splice_put16(g, SPLICE_AT_WINDOW,
			     splice_window(splice_get16(g->tcp + SPLICE_AT_WINDOW), server, s->announced_wscale));
}

/* Makes a plain SYN of a special one: blanks the tag of 12 bytes at `tag_at` with NOPs, clears
 * the ACK field and TSecr, which a SYN does not have. */
SPLICE_INLINE void splice_plain_syn(struct splice_segment *g, splice_u32 tag_at, const struct splice_options *o)
{
	for (splice_u32 i = 0; i < 3; i++)
		splice_put32(g, tag_at + 4 * i, 0x01010101);
	splice_put32(g, SPLICE_AT_ACK, 0);
	if (o->timestamps_at)
		splice_put32(g, o->timestamps_at + 4, 0);
}

/* Takes a special SYN into the seq map. Returns true if it is a new announcement: Δ is unknown
 * from now on. The same SYN again (the front-end's retransmission, a duplicate on the wire) changes
 * nothing once the server has answered, since it will not send its SYN-ACK again; before, what it
 * says replaces what a copy that the server refused, or never got whole, may have said. */
SPLICE_INLINE _Bool splice_announce(struct splice *s, const struct splice_segment *g, const struct splice_options *o,
				    splice_u8 announced_wscale)
{
	splice_u32 isn = splice_get32(g->tcp + SPLICE_AT_SEQ), shown = splice_get32(g->tcp + SPLICE_AT_ACK);
	const splice_u8 *tsecr = g->tcp + o->timestamps_at + 4;

	if (s->flags & SPLICE_READY && s->client_isn == isn && s->shown == shown)
		return 0;
	s->client_isn = isn;
	s->shown = shown;
	s->delta = s->server_next = 0;
	s->ts_shown = s->ts_offset = 0;
	s->client_next = s->server_ack = seq_add(isn, 1);
	s->flags = SPLICE_ANNOUNCED;
	s->client_wscale = o->wscale;
	s->server_wscale = SPLICE_WSCALE_NONE;
	s->announced_wscale = announced_wscale;
	if (o->timestamps_at && tsecr + 4 <= g->end) {
		s->ts_shown = splice_get32(tsecr);
		s->flags |= SPLICE_TS_ASKED;
	}
	return 1;
}

/* Takes a SYN-ACK of the server into the diff map, before it is rewritten. Returns true if it
 * answers the pair's special SYN. The same S again changes nothing, so that the timestamps'
 * offset stays; another S is another incarnation of the server's socket: Δ is renewed. */
SPLICE_INLINE _Bool splice_learn(struct splice *s, const struct splice_segment *g, const struct splice_options *o)
{
	splice_u32 isn = splice_get32(g->tcp + SPLICE_AT_SEQ);
	const splice_u8 *tsval = g->tcp + o->timestamps_at;

	if (splice_get32(g->tcp + SPLICE_AT_ACK) != seq_add(s->client_isn, 1))
		return 0;
	if (s->flags & SPLICE_READY && isn == seq_add(s->shown, s->delta))
		return 1;
	s->delta = seq_sub(isn, s->shown);
	s->server_next = seq_add(isn, 1);
	s->client_next = s->server_ack = seq_add(s->client_isn, 1);
	s->server_wscale = o->wscale;
	s->flags = SPLICE_ANNOUNCED | SPLICE_READY | (s->flags & SPLICE_TS_ASKED);
	if (s->flags & SPLICE_TS_ASKED && o->timestamps_at && tsval + 4 <= g->end) {
		s->ts_offset = splice_get32(tsval) - s->ts_shown;
		s->flags |= SPLICE_TS_READY;
	}
	return 1;
}

/* A segment as splice_track() needs it, numbers as its sender wrote them. */
struct splice_seen {
	splice_u32 seq, seq_len, ack; /* seq_len counts SYN and FIN (RFC 9293 §3.4) */
	splice_u8 tcp_flags;
};

/* Notes that a sender, whose FIN and its acknowledgement are the bits `fin` and `done`, has sent
 * up to `end`. What comes after a FIN proves that it was none. */
SPLICE_INLINE void splice_track_sent(struct splice *s, splice_u32 *next, splice_u32 end, _Bool is_fin, splice_u16 bits)
{
	splice_u16 fin = bits & (SPLICE_CLIENT_FIN | SPLICE_SERVER_FIN);

	if (seq_gt(end, *next)) {
		*next = end;
		s->flags &= (splice_u16)~bits;
	}
	if (is_fin && end == *next)
		s->flags |= fin;
}

SPLICE_INLINE enum splice_end splice_track_end(struct splice *s)
{
	const splice_u16 both = SPLICE_CLIENT_DONE | SPLICE_SERVER_DONE;

	return (s->flags & both) == both ? SPLICE_ENDED_FIN : SPLICE_GOES_ON;
}

/* Notes that the client's segment is one that the server answers with a challenge ACK, which tells a wrong Δ
 * (RFC 5961 §3.2, §5): a RST that is not exactly at RCV.NXT, an acknowledgement of what was never sent. Others that
 * come before the answer change nothing: a NIC hands over many at once. */
SPLICE_INLINE void splice_provoke(struct splice *s, _Bool provoked)
{
	if (provoked)
		s->flags |= SPLICE_PROVOKED;
}

/* True if the server's segment, not yet tracked, is a challenge ACK: a bare one that answers a provocation, or
 * one where a SYN-ACK was due (RFC 5961 §4: the special SYN met the socket of an older connection). */
SPLICE_INLINE _Bool splice_is_challenge(struct splice *s, const struct splice_seen *seen)
{
	_Bool due = s->flags & SPLICE_PROVOKED || !(s->flags & SPLICE_READY);

	if (!due || seen->seq_len || (seen->tcp_flags & (SPLICE_ACK | SPLICE_RST)) != SPLICE_ACK)
		return 0;
	s->flags &= (splice_u16)~SPLICE_PROVOKED;
	return !(s->flags & SPLICE_READY) || seen->seq == s->server_next;
}

/* Follows the client far enough to see the end of the connection. What it says is believed only
 * as far as the server would: RST at exactly RCV.NXT (RFC 5961 §3.2), which is what the server
 * acknowledged last or what the client has sent, and data within the largest window ahead. */
SPLICE_INLINE enum splice_end splice_track_ingress(struct splice *s, const struct splice_seen *seen)
{
	splice_u32 end = seq_add(seen->seq, seen->seq_len);

	if (seen->tcp_flags & SPLICE_RST) {
		_Bool exact = seen->seq == s->server_ack || seen->seq == s->client_next;

		splice_provoke(s, !exact && s->flags & SPLICE_READY);
		return exact ? SPLICE_ENDED_RST : SPLICE_GOES_ON;
	}
	if (!(s->flags & SPLICE_READY))
		return SPLICE_GOES_ON;
	splice_provoke(s, seen->tcp_flags & SPLICE_ACK && seq_gt(seq_add(seen->ack, s->delta), s->server_next));
	if (seq_in(end, s->server_ack, (1u << 30) + 1)) /* RFC 7323 §2.3: windows end at 2^30 */
		splice_track_sent(s, &s->client_next, end, seen->tcp_flags & SPLICE_FIN,
				  SPLICE_CLIENT_FIN | SPLICE_CLIENT_DONE);
	if (s->flags & SPLICE_SERVER_FIN && seen->tcp_flags & SPLICE_ACK &&
	    seq_add(seen->ack, s->delta) == s->server_next)
		s->flags |= SPLICE_SERVER_DONE;
	return splice_track_end(s);
}

/* Follows the server, whose stack is trusted. A RST that is no answer to the special SYN while Δ
 * is unknown belongs to an earlier connection of the pair. */
SPLICE_INLINE enum splice_end splice_track_egress(struct splice *s, const struct splice_seen *seen)
{
	if (!(s->flags & SPLICE_READY))
		return seen->tcp_flags & SPLICE_RST && seen->tcp_flags & SPLICE_ACK &&
				       seen->ack == seq_add(s->client_isn, 1)
			       ? SPLICE_ENDED_RST
			       : SPLICE_GOES_ON;
	if (seen->tcp_flags & SPLICE_RST)
		return seq_le(seen->seq, s->server_next) ? SPLICE_ENDED_RST : SPLICE_GOES_ON;
	splice_track_sent(s, &s->server_next, seq_add(seen->seq, seen->seq_len), seen->tcp_flags & SPLICE_FIN,
			  SPLICE_SERVER_FIN | SPLICE_SERVER_DONE);
	if (seen->tcp_flags & SPLICE_ACK) {
		s->server_ack = seq_max(s->server_ack, seen->ack);
		s->client_next = seq_max(s->client_next, s->server_ack);
		if (s->flags & SPLICE_CLIENT_FIN && seen->ack == s->client_next)
			s->flags |= SPLICE_CLIENT_DONE;
	}
	return splice_track_end(s);
}

/* Looks for a quoted TCP segment in an ICMP error: at least its first 8 bytes (RFC 792). On
 * ingress the server sent it, on egress it was sent to the server. Returns its offset from the
 * ICMP header and fills *key, or 0. */
SPLICE_INLINE splice_u32 splice_icmp_find(const splice_u8 *icmp, const splice_u8 *end, enum splice_direction dir,
					  struct splice_key *key)
{
	const splice_u8 *ip = icmp + 8;
	splice_u32 ihl;

	if (ip + 20 > end || (icmp[0] != 3 && icmp[0] != 11 && icmp[0] != 12))
		return 0;
	ihl = (ip[0] & 15) * 4u;
	if (ip[0] >> 4 != 4 || ihl < 20 || ip[9] != 6 || splice_get16(ip + 6) & 0x1fff || ip + ihl + 8 > end)
		return 0;
	__builtin_memcpy(&key->local_addr, ip + (dir == SPLICE_INGRESS ? 12 : 16), 4);
	__builtin_memcpy(&key->client_addr, ip + (dir == SPLICE_INGRESS ? 16 : 12), 4);
	__builtin_memcpy(&key->local_port, ip + ihl + (dir == SPLICE_INGRESS ? 0 : 2), 2);
	__builtin_memcpy(&key->client_port, ip + ihl + (dir == SPLICE_INGRESS ? 2 : 0), 2);
	return 8 + ihl;
}

/* Shifts the numbers of the quoted segment at `tcp_at`, so that the receiver of the error finds
 * what it sent (RFC 5927 §4.1: Linux drops errors whose SEQ is not in flight): on ingress SEQ
 * into S space, on egress ACK into L space where it is quoted; the client's own SEQ never moved.
 * A quoted checksum follows. Updates the ICMP checksum, which is never offloaded. */
SPLICE_INLINE void splice_icmp(const struct splice *s, splice_u8 *icmp, splice_u32 tcp_at, splice_u8 *end,
			       enum splice_direction dir)
{
	struct splice_segment g = { .tcp = icmp + tcp_at, .end = end };
	splice_u16 check;

	if (dir == SPLICE_INGRESS)
		splice_shift32(&g, SPLICE_AT_SEQ, s->delta);
	else if (g.tcp + SPLICE_AT_FLAGS + 1 <= end && g.tcp[SPLICE_AT_FLAGS] & SPLICE_ACK)
		splice_shift32(&g, SPLICE_AT_ACK, seq_sub(0, s->delta));
	if (g.tcp + SPLICE_AT_CHECK + 2 <= end) {
		__builtin_memcpy(&check, g.tcp + SPLICE_AT_CHECK, sizeof(check));
		splice_put16(&g, SPLICE_AT_CHECK, __builtin_bswap16(splice_csum_apply(check, &g)));
	}
	if (icmp + 4 <= end) {
		__builtin_memcpy(&check, icmp + 2, sizeof(check));
		check = splice_csum_apply(check, &g);
		__builtin_memcpy(icmp + 2, &check, sizeof(check));
	}
}

#endif
