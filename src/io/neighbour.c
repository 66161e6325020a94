/* SPDX-License-Identifier: BSD-2-Clause */
/* neighbour.c: route and neighbour lookups over rtnetlink (neighbour.h).
 *
 * One request, one answer, no dumps: RTM_GETROUTE resolves as the kernel itself would, RTM_GETNEIGH reads one entry
 * (Linux >= 5.0). Resolving is the kernel's: whoever has an entry in a state in which it may be used gets its MAC
 * address. */
#include "miresga/neighbour.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX 4096
#define PORT_DISCARD 9
#define PREFIX_WHOLE 32
/* States in which the MAC address is good. */
#define STATES_GOOD (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

struct request {
	struct nlmsghdr header;
	union {
		struct rtmsg route;
		struct ndmsg neighbour;
	} message;
	uint8_t attributes[64];
};

union answer {
	struct nlmsghdr header;
	uint8_t bytes[ANSWER_MAX];
};

static void request_begin(struct request *r, uint16_t type, uint32_t message_len)
{
	*r = (struct request){ .header = { .nlmsg_type = type,
					   .nlmsg_flags = NLM_F_REQUEST,
					   .nlmsg_len = (uint32_t)NLMSG_LENGTH(message_len) } };
}

static void request_add(struct request *r, uint16_t type, const void *value, uint16_t len)
{
	struct rtattr *a = (void *)((uint8_t *)r + NLMSG_ALIGN(r->header.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), value, len);
	r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + (uint32_t)RTA_SPACE(len);
	MUST(r->header.nlmsg_len <= sizeof(*r));
}

/* 0 and the answer, or a negative errno. */
static int ask(int fd, const struct request *r, union answer *a)
{
	ssize_t len = send(fd, r, r->header.nlmsg_len, 0);

	if (len >= 0)
		len = recv(fd, a, sizeof(*a), 0);
	if (len < 0)
		return -errno;
	if (!NLMSG_OK(&a->header, (size_t)len))
		return -EPROTO;
	if (a->header.nlmsg_type == NLMSG_ERROR)
		return ((struct nlmsgerr *)NLMSG_DATA(&a->header))->error;
	return 0;
}

/* The value of an attribute behind a message of `message_len` bytes; NULL if it is not there. */
static const void *find(union answer *a, uint32_t message_len, uint16_t type, size_t len)
{
	struct rtattr *at = (void *)((uint8_t *)NLMSG_DATA(&a->header) + NLMSG_ALIGN(message_len));
	size_t left = a->header.nlmsg_len - NLMSG_SPACE(message_len);

	for (; RTA_OK(at, left); at = RTA_NEXT(at, left))
		if (at->rta_type == type && RTA_PAYLOAD(at) >= len)
			return RTA_DATA(at);
	return NULL;
}

int neighbour_open(void)
{
	const struct timeval patience = { .tv_sec = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

int neighbour_route(int fd, be32 to, unsigned ifindex, struct neighbour_route *out)
{
	struct request r;
	union answer a;
	const void *value;
	int error;

	request_begin(&r, RTM_GETROUTE, sizeof(struct rtmsg));
	r.message.route = (struct rtmsg){ .rtm_family = AF_INET, .rtm_dst_len = PREFIX_WHOLE };
	request_add(&r, RTA_DST, &to, sizeof(to));
	if (ifindex)
		request_add(&r, RTA_OIF, &ifindex, sizeof(ifindex));
	error = ask(fd, &r, &a);
	if (error)
		return error;
	if (((struct rtmsg *)NLMSG_DATA(&a.header))->rtm_type == RTN_LOCAL)
		return -EADDRINUSE;
	value = find(&a, sizeof(struct rtmsg), RTA_OIF, sizeof(out->ifindex));
	if (!value)
		return -ENETUNREACH;
	memcpy(&out->ifindex, value, sizeof(out->ifindex));
	value = find(&a, sizeof(struct rtmsg), RTA_GATEWAY, sizeof(out->next_hop));
	memcpy(&out->next_hop, value ? value : &to, sizeof(out->next_hop));
	return 0;
}

int neighbour_mac(int fd, unsigned ifindex, be32 address, uint8_t mac[ETH_ADDR_LEN])
{
	struct request r;
	union answer a;
	const void *value;
	int error;

	request_begin(&r, RTM_GETNEIGH, sizeof(struct ndmsg));
	r.message.neighbour = (struct ndmsg){ .ndm_family = AF_INET, .ndm_ifindex = (int)ifindex };
	request_add(&r, NDA_DST, &address, sizeof(address));
	error = ask(fd, &r, &a);
	if (error)
		return error;
	value = find(&a, sizeof(struct ndmsg), NDA_LLADDR, ETH_ADDR_LEN);
	if (!value || !(((struct ndmsg *)NLMSG_DATA(&a.header))->ndm_state & STATES_GOOD))
		return -ENOENT;
	memcpy(mac, value, ETH_ADDR_LEN);
	return 0;
}

void neighbour_provoke(const char *interface, be32 address)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = (WIRE_FORCE uint16_t)be16_from(PORT_DISCARD),
		.sin_addr.s_addr = (WIRE_FORCE uint32_t)address,
	};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return;
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface)) == 0)
		(void)!sendto(fd, "", 0, 0, (const struct sockaddr *)&to, sizeof(to));
	close(fd);
}
