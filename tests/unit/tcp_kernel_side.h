/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_kernel_side.h: a TUN device in a network namespace of this process, and sockets of the kernel's TCP on it. Apart
 * from whatever includes miresga/tcp.h, since the system's <netinet/tcp.h> has the same names for other things. */
#ifndef TESTS_TCP_KERNEL_SIDE_H
#define TESTS_TCP_KERNEL_SIDE_H

#include <stdbool.h>
#include <stdint.h>

#define KERNEL_SIDE_ADDR 0x0a4d0001 /* 10.77.0.1, of a /24 */

/* Moves the process into a new network namespace and makes the device; both end with the process. The descriptor of
 * the device, not blocking; -1 and why: no privilege, no TUN. */
int kernel_side_open(char why[256]);
/* net.ipv4.NAME; false if this kernel has none of the name, or does not take the value. */
bool kernel_side_sysctl(const char *name, const char *value);
/* A counter of /proc/net/snmp or netstat, as "Tcp", "InCsumErrors"; UINT64_MAX if there is none. */
uint64_t kernel_side_counter(const char *group, const char *name);

/* A socket that does not block, with reno, bound to the port unless that is 0. */
int kernel_socket(uint16_t port);
int kernel_accept(int listener);
/* An errno, 0 or EINPROGRESS. */
int kernel_connect(int s, uint32_t addr, uint16_t port);
/* False while it goes on; then *error is the outcome. */
bool kernel_connect_done(int s, int *error);
/* Probes after `idle` seconds, then every second, `count` times. */
void kernel_keepalive(int s, int idle, int count);
/* close() will reset. */
void kernel_linger_none(int s);
/* The most that it puts into a segment now. */
int kernel_mss(int s);
/* Probes that it has sent since it heard from the other end. */
int kernel_unanswered(int s);

#endif
