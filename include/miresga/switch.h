/* SPDX-License-Identifier: BSD-2-Clause */
/* switch.h: the programmable switch: stages over batches, tables, control plane.
 *
 *   ingress: parse -> arp -> key_extraction -> connection_query -> packet_steering -> forwarding
 *   egress : header_rewrite -> deparse
 *
 * The data plane only reads the tables (and sets hit bits); only the control plane changes them,
 * in order, at the configured rate and latency (paper §4.2, §4.3). */
#ifndef MIRESGA_SWITCH_H
#define MIRESGA_SWITCH_H

#include "miresga/config.h"
#include "miresga/control.h"
#include "miresga/packet.h"
#include "miresga/prng.h"

/* X(name, gress, "what it does"): the pipeline's stages in order; also names for taps, gdb, docs. */
#define SWITCH_STAGES(X) \
	X(parse, ingress, "headers into the PHV; unreadable frames are dropped") \
	X(arp, ingress, "answers ARP requests for the VIP") \
	X(key_extraction, ingress, "VIP Table and DIP Table I: direction and key <CIP,CPort>") \
	X(connection_query, ingress, "Offloaded Connection Table: hit and D index") \
	X(packet_steering, ingress, "ternary table: direction x flags x payload x hit -> action") \
	X(forwarding, ingress, "LB index, D index or LPM -> egress port") \
	X(header_rewrite, egress, "SYN-ACK reply, DIP Table II, VIP; RFC 1624 checksums") \
	X(deparse, egress, "MAC addresses and what leaves the port")

enum stage_id {
#define X(name, gress, text) STAGE_##name,
	SWITCH_STAGES(X)
#undef X
	STAGE_COUNT
};

struct switch_model;

/* A stage runs over the packets of a batch whose fate is still FATE_FORWARD. */
struct stage {
	const char *name;
	const char *gress;
	const char *text;
	void (*run)(struct switch_model *sw, struct batch *b, uint64_t now_ns);
};
/* The pipeline: one explicit array, STAGE_COUNT long, in run order. */
extern const struct stage switch_pipeline[STAGE_COUNT];

/* X(NAME, "text"): what the steering table can decide. */
#define STEERING_ACTIONS(X) \
	X(DROP, "drop") \
	X(REPLY_SYNACK, "answer with a SYN-ACK") \
	X(TO_FRONTEND, "to the front-end of the LB index") \
	X(FAST_TO_BACKEND, "fast path: rewrite to the D index's backend") \
	X(FAST_TO_CLIENT, "fast path: rewrite the source to the VIP") \
	X(ROUTE, "longest prefix match")
enum steering_action {
#define X(name, text) STEER_##name,
	STEERING_ACTIONS(X)
#undef X
	STEER_COUNT
};

/* One row of the ternary table: matches if ((packet's bits) & mask) == value; first match wins. */
struct steering_row {
	const char *name; /* short, unique: for explanations and coverage */
	uint16_t value, mask;
	uint8_t action; /* enum steering_action */
	uint8_t drop;	/* enum drop_reason if action is STEER_DROP */
};
/* Bits of the ternary key. */
#define STEER_KEY_SYN 0x0001
#define STEER_KEY_ACK 0x0002
#define STEER_KEY_FIN 0x0004
#define STEER_KEY_RST 0x0008
#define STEER_KEY_PAYLOAD 0x0010
#define STEER_KEY_HIT 0x0020
#define STEER_KEY_INBOUND 0x0040
#define STEER_KEY_OUTBOUND 0x0080
#define STEER_KEY_TCP 0x0100
#define STEER_KEY_ICMP_ERROR 0x0200
#define STEER_KEY_FROM_FRONTEND 0x0400
#define STEER_KEY_TO_VIP 0x0800 /* destination address, whatever the port */
#define STEER_KEY_FRAGMENT 0x1000
extern const struct steering_row switch_steering[];
extern const unsigned switch_steering_rows;
const char *switch_steering_action_text(enum steering_action a);

struct switch_stats {
	uint64_t packets, bytes;
	uint64_t syn_answered, arp_answered;
	uint64_t fast_path_packets, fast_path_bytes; /* forwarded without a front-end; IPv4 total length */
	uint64_t to_frontend_packets, to_frontend_bytes;
	uint64_t routed_packets;
	uint64_t adds, deletes; /* that took effect */
	uint64_t add_full, add_exists, delete_missing;
	uint64_t cuckoo_moves;
	uint32_t entries, entries_peak;
	uint32_t control_depth, control_depth_peak;
	uint64_t drops[DROP_COUNT];
	uint64_t steering_hits[64]; /* by row */
};

/* NULL if memory is short, or the geometry holds nothing. *config must outlive the switch. */
struct switch_model *switch_create(const struct config *config);
void switch_free(struct switch_model *sw);

/* Runs the whole pipeline over the batch: sets fate, drop, egress_port, note of each packet, in
 * place. Fates are FORWARD (egress_port is set) and DROP. The PHV then tells of the packet as it came,
 * only its offsets are those of the frame that leaves. Packets have room for 128 bytes at least.
 * The batch must be processed at one time `now_ns`, with all control operations that are
 * due by then applied (switch_control_advance). */
void switch_run(struct switch_model *sw, struct batch *b, uint64_t now_ns);

/* Queues an operation at `now_ns`; false if the control queue is full (nothing happened). */
bool switch_control_submit(struct switch_model *sw, const struct control_op *op, uint64_t now_ns);
/* When the next operation takes effect; TIME_NEVER if none waits. */
uint64_t switch_next_wake(const struct switch_model *sw);
/* How long it has been busy with operations by `now_ns`, which is not before the last one took effect. */
uint64_t switch_control_busy(const struct switch_model *sw, uint64_t now_ns);
/* No operation takes effect before `until_ns`: the driver is busy, or its CPU is. */
void switch_control_stall(struct switch_model *sw, uint64_t until_ns);
/* Applies operations due by `now_ns`, at most `max`, in order; writes their replies. Returns how many. */
unsigned switch_control_advance(struct switch_model *sw, uint64_t now_ns, struct control_reply *replies, unsigned max);

/* What is wrong with the control plane; all zero: nothing. */
struct control_trouble {
	uint32_t slow;	      /* latency and time per operation are so many times as long; 0 is 1 */
	bool full;	      /* no add finds a place */
	struct prng *reorder; /* an operation overtakes some that wait, but none of its own key; NULL: none */
};
/* From now on. *trouble->reorder must live as long as this lasts. */
void switch_control_trouble(struct switch_model *sw, const struct control_trouble *trouble);

/* Looks a key up without touching hit bits: D index, or -1. */
int switch_lookup(const struct switch_model *sw, struct endpoint client);
/* One entry after the other, in no order that means anything; *at begins as 0. False: there are no more. */
bool switch_next_entry(const struct switch_model *sw, uint64_t *at, struct endpoint *client);
/* Index of the front-end whose clients include this one. */
unsigned switch_frontend_of(const struct switch_model *sw, struct endpoint client);
/* From now on the SYNs of that front-end's clients are answered with cookies of this key; before, config->cookie_key.
 */
void switch_set_cookie_key(struct switch_model *sw, unsigned frontend, const struct siphash_key *key);
const struct switch_stats *switch_stats(const struct switch_model *sw);

/* Capacity (Table 1): what the geometry holds, step by step. */
struct capacity {
	uint32_t stages_used; /* after the loss for missing table arrangement */
	uint32_t entry_bits;  /* stored per entry: key - ghost + version + action + instruction */
	uint32_t entries_per_word;
	uint32_t word_bits;
	uint32_t blocks_total;
	uint32_t cost_words, cost_connections; /* so many RAM words hold so many connections (5 in 2; 2 in 7) */
	uint64_t connections;		       /* a multiple of entries_per_word */
};
/* Returns 0, or -1 if the geometry holds not one entry, or is not one that config.h allows. */
int capacity_compute(const struct config_geometry *g, struct capacity *out);

#endif
