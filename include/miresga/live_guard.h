/* SPDX-License-Identifier: BSD-2-Clause */
/* live_guard.h: which frames of an interface are the switch's, as BPF: what the packet ring takes, and
 * what the host's own stack must not see, because it would answer or forward it.
 *
 * The switch's are: on the clients' side, IPv4 for the VIP's address and ARP requests for it; on the
 * backends' side, TCP from the address and port of a backend, unless it is for an address of this host.
 * Everything else is the host's: ssh, its own connections to the backends, other ARP. */
#ifndef MIRESGA_LIVE_GUARD_H
#define MIRESGA_LIVE_GUARD_H

#include "miresga/packet.h"

#define LIVE_GUARD_LOCALS_MAX 64

/* What one interface leads to: the clients, backends, or both. */
struct live_guard {
	struct endpoint vip;
	bool clients; /* they are behind this interface */
	unsigned backend_count;
	struct endpoint backends[BACKENDS_MAX]; /* those behind this interface */
	unsigned local_count;
	be32 locals[LIVE_GUARD_LOCALS_MAX]; /* addresses of this host, without the VIP */
};

/* Fills in the addresses of this host. */
void live_guard_find_locals(struct live_guard *g);
/* True if this host has the VIP's address itself, so that its stack would answer at it. */
bool live_guard_vip_is_local(be32 vip);

/* Of frames, with their Ethernet header. */
struct live_lengths {
	uint32_t min, max;
};
/* The socket filter for frames of these lengths: descriptor of a loaded program, or a negative errno. */
int live_guard_filter(const struct live_guard *g, const struct live_lengths *lengths);
/* Keeps what the filter takes from the host's stack, for as long as the descriptor that it returns is open: it goes
 * with the process, whatever ends it. A negative errno: -EINVAL or -EOPNOTSUPP where the kernel has no TCX (< 6.6). */
int live_guard_silence(const struct live_guard *g, unsigned ifindex);

#endif
