/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_hook.c: the agent's programs on an interface's hooks (agent_hook.h).
 *
 * Ingress is an XDP link: native where the driver can, else generic. XDP has one place. Where libxdp's dispatcher has
 * it, ours joins those that are in there (agent_dispatcher.h); where any other program has it, that one stays and we
 * refuse.
 *
 * Egress is a TCX link (Linux 6.6), which any number of programs can have. Before, it is a filter of clsact with a
 * priority and handle of its own; clsact is made if it is not there, and taken away if it was made here and
 * nobody else has put a filter into it.
 *
 * A link that is pinned is updated in place: no packet goes between the old program and the new. One whose
 * interface has gone (a new one may have its name) is replaced. */
#include "agent_hook.h"

#ifdef MIRESGA_BPF

#include "agent_dispatcher.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* BPF_TCX_EGRESS of Linux 6.6. */
#define ATTACH_TCX_EGRESS ((enum bpf_attach_type)47)
#define TCX_MAX 64
#define FILTER_PRIORITY 0x4d52
#define FILTER_HANDLE 0x4d52

static void program_name(uint32_t id, char out[BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	memcpy(out, "?", sizeof("?"));
	if (fd < 0)
		return;
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
		memcpy(out, info.name, sizeof(info.name));
	close(fd);
}

static uint32_t program_id(int fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* Does the interface run that program? Numbers of interfaces are not unique: each namespace has its own. */
static bool runs_xdp(const struct agent_place *place, uint32_t id)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	return bpf_xdp_query((int)place->ifindex, 0, &query) == 0 &&
	       (query.prog_id == id || query.drv_prog_id == id || query.skb_prog_id == id || query.hw_prog_id == id);
}

static bool runs_tcx(const struct agent_place *place, uint32_t id)
{
	uint32_t ids[TCX_MAX];
	LIBBPF_OPTS(bpf_prog_query_opts, query, .prog_ids = ids, .prog_cnt = TCX_MAX);
	bool runs = false;

	if (bpf_prog_query_opts((int)place->ifindex, ATTACH_TCX_EGRESS, &query))
		return false;
	for (uint32_t i = 0; i < query.prog_cnt && i < TCX_MAX; i++)
		runs |= ids[i] == id;
	return runs;
}

/* The pinned link, if it is still on this interface, with its program's id; else -1. */
static int link_open(const struct agent_place *place, const char *name, uint32_t *id)
{
	bool tcx = strcmp(name, AGENT_PIN_TCX) == 0;
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = agent_pin_open(place, name);

	if (fd < 0)
		return -1;
	/* XDP and TCX both tell the interface first; a library of before 6.6 knows only xdp.ifindex. */
	if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && place->ifindex && info.xdp.ifindex == place->ifindex &&
	    (tcx ? runs_tcx(place, info.prog_id) : runs_xdp(place, info.prog_id))) {
		*id = info.prog_id;
		return fd;
	}
	close(fd);
	return -1;
}

/* Updates the pinned link. Returns 0, 1 if there is none, or -1 with an error. */
static int link_update(const struct agent_place *place, const char *name, int program)
{
	uint32_t id;
	int fd = link_open(place, name, &id), failed;

	if (fd < 0) {
		agent_pin_remove(place, name);
		return 1;
	}
	failed = bpf_link_update(fd, program, NULL) ? errno : 0;
	close(fd);
	if (failed)
		return agent_refuse(place, "%s: the program cannot be put in the old one's place: %s%s",
				    place->interface, strerror(failed), agent_advice(failed));
	return 0;
}

static void link_detach(const struct agent_place *place, const char *name)
{
	int fd = agent_pin_open(place, name);

	if (fd >= 0) {
		bpf_link_detach(fd);
		close(fd);
	}
	agent_pin_remove(place, name);
}

/* The link that holds the program, or 0: then netlink does. */
static uint32_t link_of(uint32_t program)
{
	struct bpf_link_info info;
	uint32_t id = 0, len, found = 0;

	while (!found && bpf_link_get_next_id(id, &id) == 0) {
		int fd = bpf_link_get_fd_by_id(id);

		len = sizeof(info);
		memset(&info, 0, sizeof(info));
		if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == BPF_LINK_TYPE_XDP &&
		    info.prog_id == program)
			found = id;
		if (fd >= 0)
			close(fd);
	}
	return found;
}

/* The program on the hook; 0: none. */
static uint32_t hook_program(const struct agent_place *place, bool *generic)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);

	*generic = false;
	if (bpf_xdp_query((int)place->ifindex, 0, &query))
		return 0;
	*generic = query.skb_prog_id;
	return query.prog_id	   ? query.prog_id
	       : query.drv_prog_id ? query.drv_prog_id
	       : query.skb_prog_id ? query.skb_prog_id
				   : query.hw_prog_id;
}

static int dispatcher_refuse(const struct agent_place *place, uint32_t id)
{
	if (agent_dispatcher_is_built())
		return agent_refuse(
			place,
			"%s has libxdp's dispatcher (id %u), but what is in it cannot be read: it is of a newer "
			"libxdp, or its pins are not in %s/xdp (LIBXDP_BPFFS names another place). It stays. Take "
			"it off ('xdp-loader unload %s --all'), then try again",
			place->interface, id, AGENT_BPFFS, place->interface);
	return agent_refuse(
		place,
		"%s has libxdp's dispatcher (id %u), and this miresga was built without libxdp, so the agent "
		"cannot join or leave it. It stays. Build with libxdp-dev installed, or take it off ('xdp-loader "
		"unload %s --all'), then try again",
		place->interface, id, place->interface);
}

/* Says that somebody else has the hook, and how it is freed. */
static int occupied(const struct agent_place *place, uint32_t id, bool generic, const char *name)
{
	char how[64];
	uint32_t link = link_of(id);

	if (link)
		snprintf(how, sizeof(how), "bpftool link detach id %u", link);
	else
		snprintf(how, sizeof(how), "ip link set dev %s xdp%s off", place->interface, generic ? "generic" : "");
	return agent_refuse(
		place,
		"%s has an XDP program already: '%s' (id %u). It is not replaced, and an interface runs one "
		"XDP program only. Stop whoever put it there, or take it off ('%s'), then attach again; or "
		"attach the agent to another interface on the same way",
		place->interface, name, id, how);
}

int agent_ingress_ask(const struct agent_place *place, enum agent_ingress_way *way)
{
	char name[BPF_OBJ_NAME_LEN];
	uint32_t link_program, id;
	bool generic, dispatched;
	int fd = link_open(place, AGENT_PIN_XDP, &link_program);

	*way = AGENT_INGRESS_LINK;
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	id = hook_program(place, &generic);
	if (!id)
		return 0;
	program_name(id, name);
	if (strcmp(name, AGENT_DISPATCHER_NAME) != 0)
		return occupied(place, id, generic, name);
	if (!agent_dispatcher_is_readable(place))
		return dispatcher_refuse(place, id);
	*way = agent_ingress_find(place, &fd, &dispatched) == AGENT_INGRESS_NONE ? AGENT_INGRESS_JOIN
										 : AGENT_INGRESS_RENEW;
	if (fd >= 0)
		close(fd);
	return 0;
}

static int xdp_attach(const struct agent_place *place, int program, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
	int fd = bpf_link_create(program, (int)place->ifindex, BPF_XDP, &options);

	return fd < 0 ? -errno : fd;
}

enum agent_ingress_hook agent_ingress_find(const struct agent_place *place, int *program, bool *dispatched)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	uint32_t id;
	int fd = link_open(place, AGENT_PIN_XDP, &id);

	*dispatched = false;
	if (fd < 0) {
		enum agent_ingress_hook hook = agent_dispatcher_find(place, program);

		*dispatched = hook != AGENT_INGRESS_NONE;
		return hook;
	}
	close(fd);
	*program = bpf_prog_get_fd_by_id(id);
	if (bpf_xdp_query((int)place->ifindex, 0, &query) == 0 && query.skb_prog_id == id)
		return AGENT_INGRESS_GENERIC;
	return AGENT_INGRESS_NATIVE;
}

static int link_attach(const struct agent_place *place, int program, bool generic)
{
	int updated = link_update(place, AGENT_PIN_XDP, program), fd = -EOPNOTSUPP, rc;

	if (updated <= 0)
		return updated;
	if (!generic) {
		fd = xdp_attach(place, program, XDP_FLAGS_DRV_MODE);
		if (fd < 0)
			agent_note(
				place,
				"%s: the driver takes no native XDP (%s); generic XDP is used, which is slower. An MTU "
				"above a page needs a driver with fragments in XDP and Linux 5.18; LRO must be off",
				place->interface, strerror(-fd));
	}
	if (fd < 0)
		fd = xdp_attach(place, program, XDP_FLAGS_SKB_MODE);
	if (fd < 0)
		return agent_refuse(place, "%s: no XDP program can be attached: %s%s", place->interface, strerror(-fd),
				    agent_advice(-fd));
	rc = agent_pin_make(place, AGENT_PIN_XDP, fd);
	close(fd);
	agent_pin_remove(place, AGENT_PIN_COMPONENT); /* of a dispatcher that is no more */
	return rc;
}

int agent_ingress_attach(const struct agent_place *place, enum agent_ingress_way way, int program, bool generic)
{
	switch (way) {
	case AGENT_INGRESS_JOIN:
		return 0;
	case AGENT_INGRESS_RENEW:
		return agent_dispatcher_renew(place, program);
	case AGENT_INGRESS_LINK:
		break;
	}
	return link_attach(place, program, generic);
}

static bool is_pinned(const struct agent_place *place, const char *name)
{
	int fd = agent_pin_open(place, name);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

int agent_ingress_detach(const struct agent_place *place)
{
	char name[BPF_OBJ_NAME_LEN] = "";
	bool generic;
	uint32_t id = is_pinned(place, AGENT_PIN_COMPONENT) ? hook_program(place, &generic) : 0;

	if (id)
		program_name(id, name);
	/* Then ours may be in there, and would go on without its pairs. */
	if (strcmp(name, AGENT_DISPATCHER_NAME) == 0 && !agent_dispatcher_is_readable(place))
		return dispatcher_refuse(place, id);
	if (agent_dispatcher_leave(place))
		return -1;
	link_detach(place, AGENT_PIN_XDP);
	return 0;
}

/* The id of the program in our place of clsact; 0: there is none. */
static uint32_t filter_find(const struct agent_place *place)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)place->ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);

	return bpf_tc_query(&hook, &options) ? 0 : options.prog_id;
}

enum agent_egress_hook agent_egress_find(const struct agent_place *place, int *program)
{
	uint32_t id;
	int fd = link_open(place, AGENT_PIN_TCX, &id);

	if (fd >= 0) {
		close(fd);
		*program = bpf_prog_get_fd_by_id(id);
		return AGENT_EGRESS_TCX;
	}
	*program = agent_pin_open(place, AGENT_PIN_CLSACT);
	if (*program >= 0 && place->ifindex && filter_find(place) == program_id(*program))
		return AGENT_EGRESS_CLSACT;
	if (*program >= 0)
		close(*program);
	*program = -1;
	return AGENT_EGRESS_NONE;
}

/* How many filters of anybody clsact has, in both directions; -1 if that cannot be told. */
static int filter_count(const struct agent_place *place, uint32_t parent)
{
	struct {
		struct nlmsghdr h;
		struct tcmsg tc;
	} ask = {
		.h = { .nlmsg_len = sizeof(ask),
		       .nlmsg_type = RTM_GETTFILTER,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)place->ifindex, .tcm_parent = parent },
	};
	char answer[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), count = 0;
	bool more = fd >= 0 && send(fd, &ask, sizeof(ask), 0) == (ssize_t)sizeof(ask);

	if (!more)
		count = -1;
	while (more) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);

		more = n > 0;
		if (!more)
			count = -1;
		for (struct nlmsghdr *h = (void *)answer; n > 0 && NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n)) {
			more = more && h->nlmsg_type != NLMSG_DONE && h->nlmsg_type != NLMSG_ERROR;
			count += h->nlmsg_type == RTM_NEWTFILTER;
		}
	}
	if (fd >= 0)
		close(fd);
	return count;
}

/* Removes clsact if we made it and nobody has anything in it. */
static void qdisc_remove(const struct agent_place *place)
{
	LIBBPF_OPTS(bpf_tc_hook, both, .ifindex = (int)place->ifindex, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	int made = agent_pin_open(place, AGENT_PIN_QDISC);

	if (made < 0)
		return;
	close(made);
	agent_pin_remove(place, AGENT_PIN_QDISC);
	if (place->ifindex && filter_count(place, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)) == 0 &&
	    filter_count(place, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)) == 0)
		bpf_tc_hook_destroy(&both);
}

/* Pins the program under that name instead of what was there. */
static int pin_renew(const struct agent_place *place, const char *name, int program)
{
	agent_pin_remove(place, name);
	return agent_pin_make(place, name, program);
}

static int clsact_attach(const struct agent_place *place, int program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)place->ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY, .prog_fd = program);
	uint32_t there = filter_find(place);
	int old, error;

	if (there && agent_egress_find(place, &old) != AGENT_EGRESS_CLSACT)
		return agent_refuse(place,
				    "%s: the egress filter with priority %d and handle 0x%x is not ours; it stays",
				    place->interface, FILTER_PRIORITY, FILTER_HANDLE);
	if (there)
		close(old);
	error = bpf_tc_hook_create(&hook);
	if ((error == 0 || is_pinned(place, AGENT_PIN_QDISC)) && pin_renew(place, AGENT_PIN_QDISC, program))
		return -1;
	if (error && error != -EEXIST)
		return agent_refuse(place, "%s: clsact cannot be added: %s%s", place->interface, strerror(-error),
				    agent_advice(-error));
	options.flags = there ? BPF_TC_F_REPLACE : 0;
	error = bpf_tc_attach(&hook, &options);
	if (error)
		return agent_refuse(place, "%s: the egress filter cannot be added: %s%s", place->interface,
				    strerror(-error), agent_advice(-error));
	return pin_renew(place, AGENT_PIN_CLSACT, program);
}

int agent_egress_attach(const struct agent_place *place, int program, bool clsact, enum agent_egress_hook *hook)
{
	int updated = link_update(place, AGENT_PIN_TCX, program), fd, rc;

	*hook = AGENT_EGRESS_TCX;
	if (updated <= 0)
		return updated;
	/* Where a filter of ours is, it stays one: both would translate twice. */
	if (!clsact && !is_pinned(place, AGENT_PIN_CLSACT)) {
		fd = bpf_link_create(program, (int)place->ifindex, ATTACH_TCX_EGRESS, NULL);
		if (fd >= 0) {
			rc = agent_pin_make(place, AGENT_PIN_TCX, fd);
			close(fd);
			return rc;
		}
	}
	*hook = AGENT_EGRESS_CLSACT;
	return clsact_attach(place, program);
}

void agent_egress_detach(const struct agent_place *place)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)place->ifindex, .attach_point = BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .handle = FILTER_HANDLE, .priority = FILTER_PRIORITY);
	int program;

	link_detach(place, AGENT_PIN_TCX);
	if (agent_egress_find(place, &program) == AGENT_EGRESS_CLSACT)
		bpf_tc_detach(&hook, &options);
	if (program >= 0)
		close(program);
	agent_pin_remove(place, AGENT_PIN_CLSACT);
	qdisc_remove(place);
}

#endif
