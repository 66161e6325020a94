/* SPDX-License-Identifier: BSD-2-Clause */
/* packet.h: the one packet descriptor, its pool, and batches.
 *
 * A descriptor is a buffer pointer, a length and the metadata that the pipeline needs; there is
 * no second, generic buffer beside it. Components borrow packets: they change the frame and the
 * metadata and set `fate`; whoever runs the component (the world) frees. New packets come from
 * the pool that the component was given. Nothing here allocates after packet_pool_create(). */
#ifndef MIRESGA_PACKET_H
#define MIRESGA_PACKET_H

#include "miresga/base.h"
#include "miresga/drop.h"
#include "miresga/wire.h"

/* Ports of the switch, and so the addresses of the packet rings. */
#define PORT_CLIENT 0
#define PORT_FRONTEND(i) (1 + (i))
#define FRONTENDS_MAX 256
#define PORT_BACKEND(j) (1 + FRONTENDS_MAX + (j))
#define BACKENDS_MAX 256
#define PORT_COUNT (1 + FRONTENDS_MAX + BACKENDS_MAX)

enum packet_direction {
	DIRECTION_NONE,	    /* neither to nor from the VIP */
	DIRECTION_INBOUND,  /* client to server */
	DIRECTION_OUTBOUND, /* server to client */
};

/* What the component that ran last decided. */
enum packet_fate {
	FATE_FORWARD, /* goes on: the switch set egress_port; elsewhere there is one way out */
	FATE_REPLY,   /* goes back where it came from (agent: RST for a refused special SYN) */
	FATE_ABSORB,  /* did its work and ends here, on purpose */
	FATE_DROP,    /* ends here, `drop` says why */
};

/* Packet header vector: what parsing found, in host order, with offsets from data[0].
 * Filled by headers_parse() at the entry of each component; stages add theirs. */
struct phv {
	uint16_t l3_at; /* IPv4 header (or ARP, see ether_type) */
	uint16_t l4_at; /* TCP/ICMP header; 0: none */
	uint16_t payload_at;
	uint16_t ether_type; /* after VLAN tags */
	uint32_t payload_len;
	uint8_t ip_proto;
	uint8_t tcp_flags;
	uint8_t tcp_options_len;
	bool fragment;
	struct endpoint src, dst; /* ports 0 unless TCP */
	uint32_t seq, ack;
	uint16_t window; /* as it stands in the header */
	/* stages of the switch */
	struct endpoint client; /* key <CIP,CPort> */
	uint8_t direction;	/* enum packet_direction */
	bool hit;		/* Offloaded Connection Table */
	uint8_t hit_d_index;	/* valid if hit */
	bool from_backend;	/* DIP Table I matched the source: source_d_index is valid */
	uint8_t source_d_index;
	uint8_t action;	      /* enum steering_action */
	uint8_t steering_row; /* index of the row that matched */
	uint8_t lb_index;     /* CRC-8 over the key */
};

#define PACKET_TRANSITIONS 4
/* What happened to the packet in the component that ran last, for taps and explanations. */
struct packet_note {
	uint8_t stage;	     /* switch: enum stage_id that decided */
	uint8_t backend;     /* front-end and agent */
	uint8_t transitions; /* front-end: FSM cells visited, at most PACKET_TRANSITIONS kept */
	bool translated;     /* agent: Δ applied */
	uint32_t delta;	     /* agent: S - L modulo 2^32 */
	struct packet_transition {
		uint8_t state, event, next;
	} transition[PACKET_TRANSITIONS];
	const char *remark; /* static string or NULL */
};

struct packet {
	uint8_t *data; /* first byte of the frame, 2 modulo 4, so that IP is aligned */
	uint32_t len;
	uint32_t room; /* bytes of the buffer from data on */
	uint16_t ingress_port, egress_port;
	uint8_t fate;	    /* enum packet_fate */
	uint8_t drop;	    /* enum drop_reason */
	uint8_t size_class; /* of the pool, or PACKET_OF_HOST */
	/* The TCP checksum field holds the sum of the pseudo-header alone (not complemented): whoever sends the frame
	 * completes it. Packets of real interfaces may be so, as long as they have crossed no wire. */
	bool checksum_partial;
	uint32_t frame;	   /* number in the trace, from 1; 0: made by the pipeline */
	uint32_t cut;	   /* payload bytes of that frame before this packet's (the host's) */
	uint32_t host_tag; /* the host's own; 0 in what the pipeline makes */
	uint32_t cause;	   /* frame 0: number of the frame at hand when it was made, 0: a timer's (the world's) */
	struct packet *next;
	struct phv phv;
	struct packet_note note;
};

/* The packet ends here. A function of its own, where a debugger can stop on every drop. */
void packet_drop(struct packet *p, enum drop_reason why);

static inline struct ipv4_hdr *packet_ip(const struct packet *p)
{
	return (struct ipv4_hdr *)(void *)(p->data + p->phv.l3_at);
}

static inline struct tcp_hdr *packet_tcp(const struct packet *p)
{
	return (struct tcp_hdr *)(void *)(p->data + p->phv.l4_at);
}

static inline uint8_t *packet_tcp_options(const struct packet *p)
{
	return p->data + p->phv.l4_at + TCP_HDR_MIN;
}

static inline uint8_t *packet_payload(const struct packet *p)
{
	return p->data + p->phv.payload_at;
}

/* Length in sequence space: payload, and one each for SYN and FIN. */
static inline uint32_t packet_seq_len(const struct packet *p)
{
	return p->phv.payload_len + !!(p->phv.tcp_flags & TCP_SYN) + !!(p->phv.tcp_flags & TCP_FIN);
}

/* Parses Ethernet, up to two VLAN tags, IPv4, TCP or ICMP into p->phv and clears the rest of it.
 * Returns DROP_NONE, or why the frame cannot be read. ARP and non-TCP parse as far as they go;
 * trailing bytes after the IPv4 total length are no payload. A later fragment has no L4. */
enum drop_reason headers_parse(struct packet *p);

/* True if a parsed packet's TCP checksum is right, or partial: then its bytes have crossed no wire. */
bool packet_checksum_right(const struct packet *p);

/* An intrusive FIFO of packets (through `next`). */
struct packet_queue {
	struct packet *head, *tail;
	uint32_t count;
};

static inline void packet_queue_push(struct packet_queue *q, struct packet *p)
{
	p->next = NULL;
	if (q->tail)
		q->tail->next = p;
	else
		q->head = p;
	q->tail = p;
	q->count++;
}

static inline struct packet *packet_queue_pop(struct packet_queue *q)
{
	struct packet *p = q->head;

	if (!p)
		return NULL;
	q->head = p->next;
	if (!q->head)
		q->tail = NULL;
	q->count--;
	p->next = NULL;
	return p;
}

#define BATCH_MAX 256
struct batch {
	uint32_t count;
	struct packet *pkt[BATCH_MAX];
};

/* Pool: two size classes, full-size Ethernet frames (PACKET_SMALL bytes) and 64 KiB frames. */
#define PACKET_SMALL 1920
/* In size_class: descriptor and frame are the host's own; packet_free() does nothing but clear `data`. */
#define PACKET_OF_HOST 0xff
struct packet_pool;
/* `small_count` and `large_count` packets; NULL if memory is short. */
struct packet_pool *packet_pool_create(uint32_t small_count, uint32_t large_count);
void packet_pool_free(struct packet_pool *pool);
/* A packet with room for `len` bytes (at most FRAME_MAX), len set, metadata zero, frame bytes
 * undefined; a large one stands in when no small one is left. NULL when the pool is empty. */
struct packet *packet_alloc(struct packet_pool *pool, uint32_t len);
void packet_free(struct packet_pool *pool, struct packet *p);
/* Packets handed out and not freed. */
uint32_t packet_pool_used(const struct packet_pool *pool);

/* What a TCP packet of our own needs. Addresses and ports in wire order, the rest in host order. */
struct tcp_packet_spec {
	struct endpoint src, dst;
	uint32_t seq, ack;
	uint8_t flags;
	uint8_t tos;
	uint16_t window;
	const uint8_t *options;
	size_t options_len; /* multiple of 4, at most 40 */
	const void *payload;
	size_t payload_len;
};
/* Builds Ethernet (zero MACs: the switch's deparser writes them), IPv4 (DF, TTL 64, id 0) and
 * TCP with correct checksums, parsed. NULL when the pool is empty. */
struct packet *packet_make_tcp(struct packet_pool *pool, const struct tcp_packet_spec *spec);

#endif
