/* SPDX-License-Identifier: BSD-2-Clause */
/* live_port.h: one network interface as a port: frames out of packet rings, frames back in batches.
 *
 * AF_PACKET, TPACKET_V2 with PACKET_VNET_HDR: segments whose checksum is still partial and super-packets of
 * 64 KB pass as they are. A frame is changed where it lies in the ring and sent from there. */
#ifndef MIRESGA_LIVE_PORT_H
#define MIRESGA_LIVE_PORT_H

#include "miresga/live_guard.h"
#include "miresga/packet.h"

#define LIVE_ERROR_MAX 512

struct live_port_stats {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	uint64_t rx_lost;     /* by the kernel: the ring was full */
	uint64_t rx_too_long; /* frames that do not fit a place of the ring */
	uint64_t tx_full;     /* the interface took no more */
	uint64_t tx_too_long; /* larger than its MTU, and not to be cut */
	uint64_t tx_failed;   /* anything else */
};

/* A frame in the ring, valid until live_port_give_back(). */
struct live_frame {
	uint8_t *data;
	uint32_t len, room;
	bool checksum_partial;
};

struct live_port;
/* Opens `interface` for what `guard` matches. NULL, and in `error` what to do about it: no such interface, down,
 * not Ethernet, no privilege. `frames` is the number of super-packets that may wait. */
struct live_port *live_port_open(const char *interface, const struct live_guard *guard, unsigned frames,
				 char error[LIVE_ERROR_MAX]);
void live_port_close(struct live_port *p);
/* For poll(): one of them is readable when frames wait. */
#define LIVE_PORT_FDS 2
int live_port_fd(const struct live_port *p, unsigned which);
unsigned live_port_index(const struct live_port *p); /* the kernel's number of the interface */
const char *live_port_name(const struct live_port *p);
const uint8_t *live_port_mac(const struct live_port *p);

/* The next frame of the ring; false if none waits. */
bool live_port_take(struct live_port *p, struct live_frame *f);
/* Gives every frame taken so far back to the kernel. */
void live_port_give_back(struct live_port *p);

/* Queues a frame; `in_ring` if packet->data lies in a frame that a port's live_port_take() gave out: it is sent from
 * there, so it must stay until live_port_flush(). Other frames are copied. */
void live_port_send(struct live_port *p, const struct packet *packet, bool in_ring);
/* Sends what is queued. */
void live_port_flush(struct live_port *p);
/* What has befallen the interface or the last frame that could not be sent, once: an errno, or 0. */
int live_port_take_error(struct live_port *p);

/* Up to now. */
void live_port_stats(struct live_port *p, struct live_port_stats *out);

#endif
