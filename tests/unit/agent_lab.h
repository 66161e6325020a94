/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_lab.h: a client and a server in network namespaces of their own, with the kernel's TCP on both ends, and the
 * test itself as the wire between them:
 *
 *   client namespace                 the test's namespace                server namespace
 *     cli 10.91.0.1  ── veth ──  mid1  ══ copies frames ══  mid2  ── veth ──  srv 10.91.0.2 (the agent)
 *
 * The wire makes the client's SYN a special one, as switch and front-end together would: from then on the client
 * lives in L space, and nobody but the agent under test translates. It can also lose segments, and be too narrow. */
#ifndef AGENT_LAB_H
#define AGENT_LAB_H

#include <stdbool.h>
#include <stdint.h>

#include "miresga/agent_attach.h"

#define LAB_PORT 8080
#define LAB_UP 300000u
#define LAB_DOWN 3000000u

struct lab_options {
	bool special;	   /* the SYN is announced to the agent */
	bool generic;	   /* XDP */
	bool clsact;	   /* TC */
	bool no_tso;	   /* server: no TSO and GSO */
	bool no_csum;	   /* server: checksums in software, complete when the agent sees them */
	bool partial_in;   /* what reaches the server may have partial checksums */
	bool ip_options;   /* of the client */
	bool vlan;	   /* tagged on the wire */
	unsigned loss;	   /* every so manieth large segment of the server is lost */
	unsigned mtu;	   /* of the wire towards the client, told by ICMP; 0: no limit */
	bool forged_reset; /* a RST in the client's name arrives that does not fit (RFC 5961 §3.2) */
	bool upgrade;	   /* the agent is attached again in the middle */
	bool detach;	   /* it is detached in the middle, and the connection ends */
	uint32_t shown;	   /* L */
};

struct lab;
/* NULL, and why on stdout, where it cannot be had: no root, no ip(8), no BPF. */
struct lab *lab_open(const struct lab_options *options, struct config *config);
void lab_close(struct lab *lab);
/* One connection: LAB_UP bytes there, LAB_DOWN bytes back, both closed in order, unless the agent is detached: then
 * reset. Aborts the test if a byte is wrong. */
void lab_transfer(struct lab *lab);
/* Announces a flow of that client port that never gets any further. */
void lab_announce(struct lab *lab, uint16_t port);
/* The client resets it. */
void lab_reset(struct lab *lab, uint16_t port);
/* Runs a command in the server's namespace; its status. */
int lab_server_run(struct lab *lab, const char *command);
/* Calls made there, by those who need a namespace: between enter and leave. */
void lab_server_enter(struct lab *lab);
void lab_server_leave(struct lab *lab);
/* A counter of /proc/net/snmp or netstat ("Tcp", "InCsumErrors"), of server or client. */
uint64_t lab_counter(struct lab *lab, bool server, const char *group, const char *name);
/* Puts a TCX program that does nothing behind those on the server's way out; its link. */
int lab_tcx_of_others(struct lab *lab);
/* Is it still on an interface? */
bool lab_tcx_is_there(int link);
const struct agent_host *lab_host(const struct lab *lab);

#endif
