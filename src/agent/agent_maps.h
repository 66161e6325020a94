/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* agent_maps.h: the contract between the agent's BPF programs and user space: keys and values of the maps.
 *
 * What a pair is (struct splice) and its key are splice.h's. Fixed widths, no hidden padding; a change of
 * any size here means that pinned maps of an older agent cannot be taken over.
 *
 *   agent_settings   array of 1   agent_settings, written by user space before the programs run
 *   agent_services   hash         agent_service → u32, the services that front-ends may announce flows for
 *   agent_pairs      hash         splice_key → agent_pair: seq map and diff map in one entry
 *   agent_ended      queue        agent_ended: pairs that have ended, in the order in which they go or give way
 *   agent_clock      array of 1   agent_clock: the timer that removes what is due
 *   agent_counters   per-CPU array of 1, summed up by user space */
#ifndef MIRESGA_AGENT_MAPS_H
#define MIRESGA_AGENT_MAPS_H

#include <linux/bpf.h>

#include "miresga/siphash.h"
#include "splice.h"

#define AGENT_SERVICES_MAX 256
/* A pair's last_ns is kept to this share of its timeout. */
#define AGENT_TOUCH_SHARE 64

struct agent_settings {
	struct siphash_key tag_key;
	__u64 now_ns;		/* virtual time of a host that has it, and sweeps; 0: the kernel's clock and timer */
	__u64 timeouts_ns[2];	/* of pairs that go on, of ended ones */
	__u32 announced_wscale; /* what the switch's SYN-ACK says */
	__u32 reserved;
};
_Static_assert(sizeof(struct agent_settings) == 48, "kernel/user contract");

/* As they stand on the wire. Address 0: any of the host's. */
struct agent_service {
	__u32 addr;
	__u16 port, zero;
};
_Static_assert(sizeof(struct agent_service) == 8, "kernel/user contract");

struct agent_pair {
	struct bpf_spin_lock lock; /* of what follows: ingress and egress may run on two CPUs */
	__u32 turn;		   /* counts its places in agent_ended; the last one holds */
	struct splice splice;
};
_Static_assert(sizeof(struct agent_pair) == 56, "kernel/user contract");

/* Room for entries that no longer hold, too: a pair that is seen while it lingers leaves one behind, at most
 * AGENT_TOUCH_SHARE times. In a full queue the oldest goes. */
#define AGENT_ENDED_MAX(entries_max) (2 * (entries_max) + 1024)

/* Holds while the pair is CLOSING and its turn and last_ns are still these. */
struct agent_ended {
	struct splice_key key;
	__u32 turn;
	__u64 last_ns;
};
_Static_assert(sizeof(struct agent_ended) == 24, "kernel/user contract");

struct agent_clock {
	struct bpf_timer timer;
	__u64 walked_ns; /* when all pairs were last looked at */
};
_Static_assert(sizeof(struct agent_clock) == 24, "kernel/user contract");

/* As in struct agent_stats, which says what they mean. */
struct agent_counters {
	__u64 ingress_packets, egress_packets;
	__u64 translated_in, translated_out;
	__u64 special_syns, renewed;
	__u64 bad_tags;
	__u64 refused_full;
	__u64 removed_fin, removed_rst, removed_idle;
	__u64 challenge_acks;
	__u64 gave_way;	      /* ended pairs that were removed early, for new ones in a full map */
	__u64 refused_failed; /* special SYNs that there was a place for, but the kernel did not make the pair */
};
_Static_assert(sizeof(struct agent_counters) == 112, "kernel/user contract");

#endif
