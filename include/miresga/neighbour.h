/* SPDX-License-Identifier: BSD-2-Clause */
/* neighbour.h: asks the kernel (rtnetlink) which way leads to an address, and which MAC address is there. */
#ifndef MIRESGA_NEIGHBOUR_H
#define MIRESGA_NEIGHBOUR_H

#include "miresga/base.h"
#include "miresga/wire.h"

struct neighbour_route {
	unsigned ifindex;
	be32 next_hop; /* the address itself, or a gateway */
};

/* A socket to ask on, or a negative errno. */
int neighbour_open(void);
/* How `to` is reached, out of interface `ifindex` (0: any). 0, or a negative errno: -EADDRINUSE for an address of this
 * host, -ENETUNREACH. */
int neighbour_route(int fd, be32 to, unsigned ifindex, struct neighbour_route *out);
/* 0 and the MAC address; -ENOENT while the kernel does not know it. */
int neighbour_mac(int fd, unsigned ifindex, be32 address, uint8_t mac[ETH_ADDR_LEN]);
/* Has the kernel look for it (ARP), by sending a datagram that nobody waits for. */
void neighbour_provoke(const char *interface, be32 address);

#endif
