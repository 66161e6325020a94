/* SPDX-License-Identifier: BSD-2-Clause */
/* live.h: the switch and the front-ends on real network interfaces, in real time. The agents are on the backends
 * (`miresga agent attach`). The same world as that of replay and simulation, with another host. */
#ifndef MIRESGA_LIVE_H
#define MIRESGA_LIVE_H

#include "miresga/frontend.h"
#include "miresga/live_port.h"
#include "miresga/switch.h"

#define LIVE_PORTS_MAX 64

struct live_options {
	const char *pcapng; /* every packet on every tap; NULL: no */
	/* One line that whoever runs it should read: what has been bound, a backend that does not answer. */
	void (*tell)(void *ctx, bool warning, const char *text);
	void *tell_ctx;
	const volatile int *stop; /* becomes true: live_run() returns */
};

struct live_result {
	uint64_t ran_ns;
	unsigned port_count;
	struct live_result_port {
		char interface[16];
		struct live_port_stats stats;
	} ports[LIVE_PORTS_MAX];
	uint64_t no_neighbour; /* frames whose next hop's MAC address is not known */
	uint64_t stray;	       /* frames that belong to nobody that we know */
	uint64_t pcapng_packets;
	char output_error[LIVE_ERROR_MAX]; /* of the pcapng file; "": none */
	struct switch_stats sw;
	/* Of all, added up, but for transitions; flows_peak and buffers_peak: the sums of their peaks. */
	struct frontend_stats frontends;
	uint64_t world_drops[DROP_COUNT];
};

struct live;
/* Binds the interfaces that config->live and the backends name. NULL, and in `error` what to do about it. */
struct live *live_open(const struct config *config, const struct live_options *options, char error[LIVE_ERROR_MAX]);
/* Carries packets until *options->stop is set. 0, or -1 and a message: the interfaces are lost. */
int live_run(struct live *l, char error[LIVE_ERROR_MAX]);
void live_result(struct live *l, struct live_result *out);
/* Takes everything down that live_open() put up. Accepts NULL. */
void live_close(struct live *l);

#endif
