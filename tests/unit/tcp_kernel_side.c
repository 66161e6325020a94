/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_kernel_side.c: a TUN device in a network namespace of this process, and sockets of the kernel's TCP on it.
 *
 * No program is called and nothing outside the process changes: the namespace is entered by unshare(), the device gets
 * its address by ioctl(), and both end with the process. */
#define _GNU_SOURCE
#include "tcp_kernel_side.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "miresga/base.h"

static struct sockaddr_in address(uint32_t addr, uint16_t port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(addr),
		.sin_port = htons(port),
	};
}

/* ---- namespace and device ------------------------------------------------------------------------ */

static bool address_set(int s, struct ifreq *q, unsigned long request, uint32_t addr)
{
	struct sockaddr_in in = address(addr, 0);

	memcpy(&q->ifr_addr, &in, sizeof(in));
	return ioctl(s, request, q) == 0;
}

static bool device_up(int tun)
{
	struct ifreq q = { .ifr_name = "rig0" };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	q.ifr_flags = IFF_TUN | IFF_NO_PI;
	ok = s >= 0 && ioctl(tun, TUNSETIFF, &q) == 0 && address_set(s, &q, SIOCSIFADDR, KERNEL_SIDE_ADDR) &&
	     address_set(s, &q, SIOCSIFNETMASK, 0xffffff00);
	q.ifr_flags = IFF_UP | IFF_RUNNING;
	ok = ok && ioctl(s, SIOCSIFFLAGS, &q) == 0;
	if (s >= 0)
		close(s);
	return ok;
}

int kernel_side_open(char why[256])
{
	const char *fork = getenv("CK_FORK");
	int tun;

	if (fork && strcmp(fork, "no") == 0) {
		snprintf(why, 256, "CK_FORK=no: this process has to stay in its network namespace");
		return -1;
	}
	if (unshare(CLONE_NEWNET) != 0) {
		snprintf(why, 256, "no network namespace: %s (root is needed)", strerror(errno));
		return -1;
	}
	tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tun < 0 || !device_up(tun)) {
		snprintf(why, 256, "no TUN device: %s", strerror(errno));
		if (tun >= 0)
			close(tun);
		return -1;
	}
	return tun;
}

bool kernel_side_sysctl(const char *name, const char *value)
{
	char path[256];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = write(fd, value, strlen(value));
		close(fd);
	}
	return n == (ssize_t)strlen(value);
}

/* The `index`th word of a line, or NULL. */
static const char *word(const char *line, unsigned index)
{
	while (index-- > 0 && line) {
		line = strchr(line, ' ');
		line = line ? &line[1] : NULL;
	}
	return line;
}

/* Two lines for a group: the names, then the values. */
static uint64_t counter_in(const char *path, const char *group, const char *name)
{
	char names[8192], values[8192];
	uint64_t found = UINT64_MAX;
	FILE *f = fopen(path, "r");
	const char *at;

	while (f && found == UINT64_MAX && fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
		if (strncmp(names, group, strlen(group)) != 0 || names[strlen(group)] != ':')
			continue;
		for (unsigned i = 1; (at = word(names, i)); i++)
			if (strncmp(at, name, strlen(name)) == 0 && strcspn(at, " \n") == strlen(name) &&
			    word(values, i))
				found = strtoull(word(values, i), NULL, 10);
	}
	if (f)
		fclose(f);
	return found;
}

uint64_t kernel_side_counter(const char *group, const char *name)
{
	uint64_t n = counter_in("/proc/self/net/snmp", group, name);

	return n != UINT64_MAX ? n : counter_in("/proc/self/net/netstat", group, name);
}

/* ---- sockets -------------------------------------------------------------------------------------- */

static void number_set(int s, int level, int option, int value)
{
	MUST(setsockopt(s, level, option, &value, sizeof(value)) == 0);
}

int kernel_socket(uint16_t port)
{
	struct sockaddr_in here = address(KERNEL_SIDE_ADDR, port);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	MUST(s >= 0);
	/* Another default would do as well; with this one runs on different machines are alike. */
	(void)!setsockopt(s, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
	number_set(s, SOL_SOCKET, SO_REUSEADDR, 1);
	MUST(bind(s, (const struct sockaddr *)&here, sizeof(here)) == 0);
	return s;
}

int kernel_accept(int listener)
{
	return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int kernel_connect(int s, uint32_t addr, uint16_t port)
{
	struct sockaddr_in there = address(addr, port);

	return connect(s, (const struct sockaddr *)&there, sizeof(there)) == 0 ? 0 : errno;
}

bool kernel_connect_done(int s, int *error)
{
	struct pollfd p = { .fd = s, .events = POLLOUT };
	socklen_t len = sizeof(*error);

	return poll(&p, 1, 0) == 1 && getsockopt(s, SOL_SOCKET, SO_ERROR, error, &len) == 0;
}

void kernel_keepalive(int s, int idle, int count)
{
	number_set(s, SOL_SOCKET, SO_KEEPALIVE, 1);
	number_set(s, IPPROTO_TCP, TCP_KEEPIDLE, idle);
	number_set(s, IPPROTO_TCP, TCP_KEEPINTVL, 1);
	number_set(s, IPPROTO_TCP, TCP_KEEPCNT, count);
}

void kernel_linger_none(int s)
{
	struct linger none = { .l_onoff = 1 };

	MUST(setsockopt(s, SOL_SOCKET, SO_LINGER, &none, sizeof(none)) == 0);
}

static struct tcp_info kernel_info(int s)
{
	struct tcp_info info = { .tcpi_state = 0 };
	socklen_t len = sizeof(info);

	MUST(getsockopt(s, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
	return info;
}

int kernel_mss(int s)
{
	return (int)kernel_info(s).tcpi_snd_mss;
}

int kernel_unanswered(int s)
{
	return kernel_info(s).tcpi_probes;
}
