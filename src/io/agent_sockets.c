/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_sockets.c: ends connections through the kernel's socket diagnosis (agent_sockets.h).
 *
 * A connection whose handshake the agent shifted, and which it shifts no more, is not merely dead: now and then S
 * falls into the client's window of L, and the client takes bytes for others (docs/faults.md). So it is ended where
 * it can be told: at the server's socket. The stack sends a RST, and what arrives later meets a port without a
 * connection, whose RST has the number that the client expects (RFC 9293 §3.10.7.1).
 *
 * SOCK_DESTROY needs CONFIG_INET_DIAG_DESTROY and CAP_NET_ADMIN. Sockets in TIME_WAIT have said all they have to say
 * and stay. IPv4 connections may belong to IPv6 sockets, so both families are asked. */
#ifdef MIRESGA_BPF

#include "agent_sockets.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../agent/agent_maps.h"

#define STATES_ASKED (~(1u << TCP_CLOSE | 1u << TCP_TIME_WAIT | 1u << TCP_LISTEN) & 0xffff)

struct request {
	struct nlmsghdr h;
	struct inet_diag_req_v2 diag;
};

/* An end of sockets. */
struct search {
	enum agent_sockets which;
	int pairs, services;
	int asking, ending; /* one socket is for answers to the dump alone */
	int ended, error;
};

static bool is_service(const struct search *s, uint16_t port)
{
	const struct agent_service service = { .port = port };
	uint32_t one;

	return bpf_map_lookup_elem(s->services, &service, &one) == 0;
}

static bool has_pair(const struct search *s, const struct splice_key *key)
{
	struct agent_pair pair;

	return bpf_map_lookup_elem(s->pairs, key, &pair) == 0 && !(pair.splice.flags & SPLICE_CLOSING);
}

static bool is_wanted(const struct search *s, const struct inet_diag_msg *m)
{
	unsigned at = m->idiag_family == AF_INET ? 0 : 3;
	const struct splice_key key = {
		.client_addr = m->id.idiag_dst[at],
		.local_addr = m->id.idiag_src[at],
		.client_port = m->id.idiag_dport,
		.local_port = m->id.idiag_sport,
	};

	if (at && (m->id.idiag_dst[0] || m->id.idiag_dst[1] || m->id.idiag_dst[2] != htonl(0xffff)))
		return false; /* not IPv4 in IPv6's clothes */
	if (s->which == AGENT_SOCKETS_STRAY)
		return is_service(s, key.local_port) && !has_pair(s, &key);
	return has_pair(s, &key) && (s->which == AGENT_SOCKETS_ANNOUNCED || !is_service(s, key.local_port));
}

static int request_send(int fd, uint16_t type, uint16_t flags, const struct inet_diag_req_v2 *diag)
{
	const struct request r = {
		.h = { .nlmsg_len = sizeof(r), .nlmsg_type = type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) },
		.diag = *diag,
	};

	return send(fd, &r, sizeof(r), 0) == (ssize_t)sizeof(r) ? 0 : -errno;
}

/* One that has ended by itself meanwhile is none. */
static void socket_end(struct search *s, const struct inet_diag_msg *m)
{
	const struct inet_diag_req_v2 diag = {
		.sdiag_family = m->idiag_family,
		.sdiag_protocol = IPPROTO_TCP,
		.id = m->id,
	};
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
		char rest[256];
	} answer;
	int error = request_send(s->ending, SOCK_DESTROY, NLM_F_ACK, &diag);

	if (!error && recv(s->ending, &answer, sizeof(answer), 0) < (ssize_t)NLMSG_LENGTH(sizeof(answer.e)))
		error = -EIO;
	if (!error)
		error = answer.e.error;
	s->ended += !error;
	if (error && error != -ENOENT)
		s->error = error;
}

/* Reads answers up to the last. */
static int answers_read(struct search *s)
{
	char answer[16384] __attribute__((aligned(NLMSG_ALIGNTO)));

	for (;;) {
		ssize_t n = recv(s->asking, answer, sizeof(answer), 0);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		for (struct nlmsghdr *h = (void *)answer; NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
			if (is_wanted(s, NLMSG_DATA(h)))
				socket_end(s, NLMSG_DATA(h));
		}
	}
}

static int family_search(struct search *s, uint8_t family)
{
	const struct inet_diag_req_v2 diag = {
		.sdiag_family = family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = STATES_ASKED,
	};
	int error = request_send(s->asking, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &diag);

	if (!error)
		error = answers_read(s);
	return error == -ENOENT ? 0 : error; /* a kernel without IPv6 */
}

static int diag_open(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

int agent_sockets_end(enum agent_sockets which, int pairs, int services)
{
	struct search s = {
		.which = which, .pairs = pairs, .services = services, .asking = diag_open(), .ending = diag_open()
	};
	int error = s.asking < 0 || s.ending < 0 ? -errno : 0;

	if (!error)
		error = family_search(&s, AF_INET);
	if (!error)
		error = family_search(&s, AF_INET6);
	if (s.asking >= 0)
		close(s.asking);
	if (s.ending >= 0)
		close(s.ending);
	if (!error)
		error = s.error;
	return error ? error : s.ended;
}

#endif
