/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_attach.h: the agent of a real host: its programs on an interface, their maps under one folder of the BPF
 * file system, so that they outlive whoever attached them. docs/agent.md is for those who operate it. */
#ifndef MIRESGA_AGENT_ATTACH_H
#define MIRESGA_AGENT_ATTACH_H

#include "miresga/agent.h"

#define AGENT_BPFFS "/sys/fs/bpf"
#define AGENT_INTERFACE_MAX 16 /* IFNAMSIZ */
#define AGENT_ATTACH_ERROR_MAX 1536

/* Where the programs sit. */
enum agent_ingress_hook {
	AGENT_INGRESS_NONE,
	AGENT_INGRESS_NATIVE,
	AGENT_INGRESS_GENERIC,
};
enum agent_egress_hook {
	AGENT_EGRESS_NONE,
	AGENT_EGRESS_TCX,
	AGENT_EGRESS_CLSACT,
};

struct agent_host {
	const char *bpffs; /* mount point of a BPF file system */
	/* What the operator should know, though it is no error; may be NULL. */
	void (*note)(void *ctx, const char *text);
	void *ctx;
};

struct agent_attach_options {
	const char *interface;
	const struct config *config;
	bool generic; /* do not try native XDP */
	bool clsact;  /* do not try TCX */
	/* A first attachment leaves connections of the ports that are there already. Else it ends them: they may be
	 * those of an earlier agent, whose numbers nobody knows any more (docs/faults.md). */
	bool keep_connections;
};

/* What attaching did. */
struct agent_attached {
	bool upgraded;	/* the interface had an agent: its flows live on */
	unsigned ended; /* connections that were ended */
	enum agent_ingress_hook ingress;
	bool dispatched; /* ingress is in libxdp's dispatcher, beside others */
	enum agent_egress_hook egress;
};

/* Each returns 0, or -1 with what went wrong, and what can be done about it, in error. After a failed first
 * attachment nothing of it is left. */
int agent_attach(const struct agent_host *host, const struct agent_attach_options *options, struct agent_attached *done,
		 char error[AGENT_ATTACH_ERROR_MAX]);
/* Ends the connections that go through the agent, then removes what agent_attach() made, and nothing else. */
int agent_detach(const struct agent_host *host, const char *interface, char error[AGENT_ATTACH_ERROR_MAX]);

struct agent_program {
	uint32_t id;
	uint64_t run_ns, runs; /* 0 unless the kernel counts (kernel.bpf_stats_enabled) */
};

struct agent_status {
	char interface[AGENT_INTERFACE_MAX];
	bool gone; /* the interface that it was attached to is no more */
	enum agent_ingress_hook ingress;
	bool dispatched; /* ingress is in libxdp's dispatcher, beside others */
	enum agent_egress_hook egress;
	struct agent_program programs[2]; /* ingress, egress; the kernel does not count one in a dispatcher */
	struct agent_stats stats;	  /* entries_peak stays 0 */
	uint64_t gave_way;		  /* ended pairs that were removed for new ones, in a full map */
	uint64_t refused_failed;	  /* special SYNs whose pair the kernel did not make, though there was room */
	uint32_t entries_max, ended;	  /* of stats.entries so many have ended */
	unsigned port_count;
	uint16_t ports[AGENT_PORTS_MAX];
};
int agent_status_read(const struct agent_host *host, const char *interface, struct agent_status *out,
		      char error[AGENT_ATTACH_ERROR_MAX]);
/* The interfaces of this network namespace that have an agent, in order of their names. Returns how many of `max` it
 * wrote, or -1. */
int agent_interfaces(const struct agent_host *host, char (*names)[AGENT_INTERFACE_MAX], unsigned max,
		     char error[AGENT_ATTACH_ERROR_MAX]);

/* One pair of the map. Sequence numbers as in splice.h. */
struct agent_flow {
	struct endpoint client, local;
	const char *state; /* "announced", "ready", "ended" */
	uint32_t shown, delta;
	bool has_timestamps;
	uint32_t ts_offset;
	int client_wscale, server_wscale; /* -1: none */
	uint64_t idle_ns;
};
typedef void agent_flow_fn(void *ctx, const struct agent_flow *flow);
/* Calls `visit` for every pair, in no order. Pairs that come or go meanwhile may be missed. */
int agent_dump(const struct agent_host *host, const char *interface, agent_flow_fn *visit, void *ctx,
	       char error[AGENT_ATTACH_ERROR_MAX]);

#endif
