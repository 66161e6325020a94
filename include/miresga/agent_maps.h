/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* agent_maps.h: the contract between the agent's BPF programs and user space: keys and values of the maps.
 *
 * What a pair is (struct splice) and its key are splice.h's. Fixed widths, no hidden padding; a change of
 * any size here means that pinned maps of an older agent cannot be taken over.
 *
 *   agent_settings   array of 1   agent_settings, written by user space before the programs run
 *   agent_services   hash         agent_service → u32, the services that front-ends may announce flows for
 *   agent_pairs      hash         splice_key → agent_pair: seq map and diff map in one entry
 *   agent_counters   per-CPU array of 1, summed up by user space */
#ifndef MIRESGA_AGENT_MAPS_H
#define MIRESGA_AGENT_MAPS_H

#include <linux/bpf.h>

#include "../../src/agent/splice.h"
#include "miresga/siphash.h"

#define AGENT_SERVICES_MAX 256

struct agent_settings {
	struct siphash_key tag_key;
	__u64 now_ns;		/* virtual time of a host that has it; 0: the kernel's monotonic clock */
	__u64 touch_ns[2];	/* last_ns is kept to this: of pairs that go on, of ended ones */
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
	struct bpf_spin_lock lock; /* of splice: ingress and egress may run on two CPUs */
	__u32 reserved;
	struct splice splice;
};
_Static_assert(sizeof(struct agent_pair) == 56, "kernel/user contract");

/* As in struct agent_stats, which says what they mean. */
struct agent_counters {
	__u64 ingress_packets, egress_packets;
	__u64 translated_in, translated_out;
	__u64 special_syns, renewed;
	__u64 bad_tags;
	__u64 refused_full;
	__u64 removed_fin, removed_rst;
};
_Static_assert(sizeof(struct agent_counters) == 80, "kernel/user contract");

#endif
