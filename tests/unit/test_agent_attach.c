/* SPDX-License-Identifier: BSD-2-Clause */
/* test_agent_attach.c: the agent on real interfaces, between the kernel's own TCP on both ends (agent_lab.h): bytes,
 * checksums and counters are right with every offload on and off; attaching, upgrading and detaching leave behind
 * what they should. Where namespaces cannot be made the tests say why, and pass. */
#define _GNU_SOURCE /* unshare(), sched_setaffinity() */
#include <arpa/inet.h>
#include <check.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent_lab.h"

Suite *agent_attach_suite(void);

#define TRIES 100
#define TRY_MS 50

/* A lab as it is made for most, or NULL. */
static struct lab *lab_plain(struct config *c, bool clsact);

static void make_config(struct config *c)
{
	config_defaults(c);
	c->backend_count = 1;
	c->backends[0].address = endpoint_make(be32_from(0x0a5b0002), be16_from(LAB_PORT));
	c->agent.entries_max = 64;
	c->timeouts.linger_ns = 200 * NS_PER_MS;
}

static struct agent_status status_of(struct lab *lab)
{
	char error[AGENT_ATTACH_ERROR_MAX] = "";
	struct agent_status s;

	lab_server_enter(lab);
	ck_assert_msg(agent_status_read(lab_host(lab), "srv", &s, error) == 0, "%s", error);
	lab_server_leave(lab);
	return s;
}

/* Nobody here sweeps: the kernel's timer has to. */
static void wait_until_empty(struct lab *lab)
{
	for (unsigned i = 0; i < TRIES && status_of(lab).stats.entries; i++)
		poll(NULL, 0, TRY_MS);
	ck_assert_uint_eq(status_of(lab).stats.entries, 0);
}

/* What the wire was given takes its time to arrive. */
static void announce(struct lab *lab, uint16_t port)
{
	uint64_t before = status_of(lab).stats.ingress_packets;

	lab_announce(lab, port);
	for (unsigned i = 0; i < TRIES && status_of(lab).stats.ingress_packets == before; i++)
		poll(NULL, 0, TRY_MS / 10);
}

static const struct lab_row {
	const char *name;
	struct lab_options options;
} rows[] = {
	{ "native, offloads on", { .special = true, .shown = 0x12345678 } },
	{ "L near its end", { .special = true, .shown = 0xfffff000 } },
	{ "no TSO", { .special = true, .no_tso = true, .shown = 7 } },
	{ "no transmit checksums", { .special = true, .no_csum = true, .no_tso = true, .shown = 0x80000000 } },
	{ "partial checksums in", { .special = true, .partial_in = true, .shown = 99 } },
	{ "generic, clsact", { .special = true, .generic = true, .clsact = true, .shown = 0xdeadbeef } },
	{ "generic, clsact, no offloads",
	  { .special = true, .generic = true, .clsact = true, .no_csum = true, .no_tso = true, .shown = 0xdeadbeef } },
	{ "generic, partial checksums in", { .special = true, .generic = true, .partial_in = true, .shown = 99 } },
	{ "IPv4 options", { .special = true, .ip_options = true, .shown = 1 } },
	{ "VLAN", { .special = true, .vlan = true, .shown = 0x10203040 } },
	{ "VLAN, no offloads", { .special = true, .vlan = true, .no_csum = true, .no_tso = true, .shown = 5 } },
	{ "loss", { .special = true, .loss = 40, .shown = 0xfff00000 } },
	{ "a narrow wire", { .special = true, .mtu = 1000, .no_tso = true, .shown = 0x55555555 } },
	{ "upgraded in the middle", { .special = true, .upgrade = true, .shown = 0x01020304 } },
	{ "upgraded in the middle, clsact",
	  { .special = true, .upgrade = true, .generic = true, .clsact = true, .shown = 0x01020304 } },
	{ "a forged RST", { .special = true, .forged_reset = true, .shown = 0x7fffffff } },
	{ "not announced", { .shown = 1 } },
};

START_TEST(connections)
{
	const struct lab_row *row = &rows[_i];
	struct config *c = malloc(sizeof(*c));
	struct agent_status s;
	struct lab *lab;

	ck_assert_ptr_nonnull(c);
	make_config(c);
	lab = lab_open(&row->options, c);
	if (lab) {
		lab_transfer(lab);
		s = status_of(lab);
		printf("%s: %llu translated in, %llu out, SACK recoveries %llu\n", row->name,
		       (unsigned long long)s.stats.translated_in, (unsigned long long)s.stats.translated_out,
		       (unsigned long long)lab_counter(lab, true, "TcpExt", "TCPSackRecovery"));
		ck_assert_uint_eq(lab_counter(lab, true, "Tcp", "InCsumErrors"), 0);
		ck_assert_uint_eq(lab_counter(lab, false, "Tcp", "InCsumErrors"), 0);
		/* Untranslated ones are discarded all. Where segments are lost, the two stacks alone, without an agent
		 * and without a special SYN, come to one such block in a third of the connections; else to none. */
		ck_assert_uint_le(lab_counter(lab, true, "TcpExt", "TCPSACKDiscard"),
				  row->options.loss || row->options.mtu ? 4 : 0);
		ck_assert_uint_eq(s.stats.special_syns, row->options.special);
		ck_assert_int_eq(s.stats.translated_in > 0, row->options.special);
		ck_assert_int_eq(s.stats.translated_out > 0, row->options.special);
		ck_assert_uint_eq(s.stats.removed_fin, row->options.special);
		ck_assert_uint_eq(s.stats.challenge_acks, row->options.forged_reset);
		if (row->options.loss)
			ck_assert_uint_gt(lab_counter(lab, true, "TcpExt", "TCPSackRecovery"), 0);
		wait_until_empty(lab);
	}
	lab_close(lab);
	free(c);
}
END_TEST

static struct lab *lab_plain(struct config *c, bool clsact)
{
	const struct lab_options options = { .special = true, .generic = clsact, .clsact = clsact, .shown = 42 };

	return lab_open(&options, c);
}

static int attach_again(struct lab *lab, const struct config *c, char error[AGENT_ATTACH_ERROR_MAX])
{
	const struct agent_attach_options options = { .interface = "srv", .config = c };
	struct agent_attached done;
	int rc;

	lab_server_enter(lab);
	rc = agent_attach(lab_host(lab), &options, &done, error);
	lab_server_leave(lab);
	return rc;
}

static void detach(struct lab *lab)
{
	char error[AGENT_ATTACH_ERROR_MAX] = "", names[1][AGENT_INTERFACE_MAX];

	lab_server_enter(lab);
	ck_assert_msg(agent_detach(lab_host(lab), "srv", error) == 0, "%s", error);
	ck_assert_int_eq(agent_interfaces(lab_host(lab), names, 1, error), 0);
	lab_server_leave(lab);
}

#define HAS_XDP "ip -d link show dev srv | grep -q xdp"
#define HAS_CLSACT "tc qdisc show dev srv | grep -q clsact"

/* With clsact (row 1) or without. */
START_TEST(detaching_leaves_nothing)
{
	struct config c;
	struct lab *lab;

	make_config(&c);
	lab = lab_plain(&c, _i);
	if (lab) {
		ck_assert_int_eq(lab_server_run(lab, HAS_XDP), 0);
		ck_assert_int_eq(lab_server_run(lab, HAS_CLSACT) == 0, status_of(lab).egress == AGENT_EGRESS_CLSACT);
		ck_assert(!_i || status_of(lab).egress == AGENT_EGRESS_CLSACT);
		detach(lab);
		ck_assert_int_ne(lab_server_run(lab, HAS_XDP), 0);
		ck_assert_int_ne(lab_server_run(lab, HAS_CLSACT), 0);
	}
	lab_close(lab);
}
END_TEST

/* clsact was made for us, but now somebody else has a filter there. */
START_TEST(filters_of_others_stay)
{
	struct config c;
	struct lab *lab;

	make_config(&c);
	lab = lab_plain(&c, true);
	if (lab && lab_server_run(lab, "tc filter add dev srv ingress prio 7 protocol ip u32 match u32 0 0 "
				       "classid 1:1 2>/dev/null") == 0) {
		detach(lab);
		ck_assert_int_eq(lab_server_run(lab, "tc filter show dev srv ingress | grep -q u32"), 0);
	} else if (lab) {
		printf("skipped: no u32 filters\n");
	}
	lab_close(lab);
}
END_TEST

/* clsact with a filter was there before us, and is there after us. */
START_TEST(clsact_of_others_stays)
{
	const char *const filter = "tc filter show dev srv egress | grep -q u32";
	struct agent_attach_options options = { .interface = "srv", .clsact = true };
	char error[AGENT_ATTACH_ERROR_MAX] = "";
	struct agent_attached done;
	struct config c;
	struct lab *lab;

	make_config(&c);
	options.config = &c;
	lab = lab_plain(&c, true);
	if (lab)
		detach(lab);
	if (lab && lab_server_run(lab, "tc qdisc add dev srv clsact && tc filter add dev srv egress prio 7 protocol ip "
				       "u32 match u32 1 0xffffffff at 16 classid 1:1 2>/dev/null") == 0) {
		lab_server_enter(lab);
		ck_assert_msg(agent_attach(lab_host(lab), &options, &done, error) == 0, "%s", error);
		lab_server_leave(lab);
		ck_assert_int_eq(done.egress, AGENT_EGRESS_CLSACT);
		lab_transfer(lab);
		ck_assert_uint_gt(status_of(lab).stats.translated_out, 0);
		detach(lab);
		ck_assert_int_eq(lab_server_run(lab, filter), 0);
		ck_assert_int_eq(lab_server_run(lab, HAS_CLSACT), 0);
	} else if (lab) {
		printf("skipped: no u32 filters\n");
	}
	lab_close(lab);
}
END_TEST

/* XDP has one place; a second agent stands for anybody's program: this one has another BPF file system, so it does not
 * know the first. */
START_TEST(programs_of_others_stay)
{
	char error[AGENT_ATTACH_ERROR_MAX] = "", dir[] = "/tmp/miresga-other-XXXXXX";
	const struct agent_host other = { .bpffs = dir };
	struct agent_attach_options options = { .interface = "srv" };
	struct agent_attached done;
	struct config c;
	struct lab *lab;
	int rc;

	make_config(&c);
	options.config = &c;
	lab = lab_plain(&c, false);
	if (lab) {
		uint32_t id = status_of(lab).programs[0].id;

		ck_assert_ptr_nonnull(mkdtemp(dir));
		ck_assert_int_eq(mount("bpf", dir, "bpf", 0, NULL), 0);
		lab_server_enter(lab);
		rc = agent_attach(&other, &options, &done, error);
		lab_server_leave(lab);
		ck_assert_int_eq(rc, -1);
		ck_assert_msg(strstr(error, "has an XDP program already: 'agent_ingress'"), "%s", error);
		ck_assert_msg(strstr(error, "take it off ('bpftool link detach id "), "%s", error);
		ck_assert_uint_eq(status_of(lab).programs[0].id, id);
		ck_assert_int_eq(rmdir(dir), -1); /* still mounted */
		umount(dir);
		rmdir(dir);
	}
	lab_close(lab);
}
END_TEST

START_TEST(other_shapes_are_refused)
{
	char error[AGENT_ATTACH_ERROR_MAX] = "";
	struct config c;
	struct lab *lab;

	make_config(&c);
	lab = lab_plain(&c, false);
	if (lab) {
		c.agent.entries_max *= 2;
		ck_assert_int_eq(attach_again(lab, &c, error), -1);
		ck_assert_msg(strstr(error, "agent.entries"), "%s", error);
		ck_assert_int_eq(status_of(lab).ingress, AGENT_INGRESS_NATIVE);
		ck_assert_uint_eq(status_of(lab).entries_max, 64);
	}
	lab_close(lab);
}
END_TEST

/* An upgrade changes the ports, too. */
START_TEST(ports_are_those_of_the_configuration)
{
	char error[AGENT_ATTACH_ERROR_MAX] = "";
	struct config c;
	struct lab *lab;

	make_config(&c);
	lab = lab_plain(&c, false);
	if (lab) {
		ck_assert_uint_eq(status_of(lab).port_count, 1);
		ck_assert_uint_eq(status_of(lab).ports[0], LAB_PORT);
		c.agent.port_count = 1;
		c.agent.ports[0] = 443;
		ck_assert_msg(attach_again(lab, &c, error) == 0, "%s", error);
		ck_assert_uint_eq(status_of(lab).port_count, 1);
		ck_assert_uint_eq(status_of(lab).ports[0], 443);
		announce(lab, 5000);
		ck_assert_uint_eq(status_of(lab).stats.special_syns, 0);
	}
	lab_close(lab);
}
END_TEST

/* More flows than places: refused, counted, and nothing of those that have one is lost. Then the timer removes them. */
START_TEST(full_and_idle)
{
	struct agent_status s;
	struct config c;
	struct lab *lab;

	make_config(&c);
	c.agent.entries_max = 4;
	c.timeouts.established_ns = 3 * NS_PER_S;
	lab = lab_plain(&c, false);
	if (lab) {
		for (uint16_t i = 0; i < 6; i++)
			announce(lab, (uint16_t)(5000 + i));
		s = status_of(lab);
		ck_assert_uint_eq(s.stats.special_syns, 6);
		ck_assert_uint_eq(s.stats.refused_full, 2);
		ck_assert_uint_eq(s.stats.entries, 4);
		wait_until_empty(lab);
		ck_assert_uint_eq(status_of(lab).stats.removed_idle, 4);
	}
	lab_close(lab);
}
END_TEST

#define MANY 50000u
#define FIRST_PORT 1024u

/* Announces every second one, on a CPU of its own. */
static void announce_half(struct lab *lab, unsigned half)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(half, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus); /* else both on the only one */
	for (unsigned i = half; i < MANY; i += 2)
		lab_announce(lab, (uint16_t)(FIRST_PORT + i));
}

static void wait_for_syns(struct lab *lab, uint64_t syns)
{
	for (unsigned i = 0; i < TRIES && status_of(lab).stats.special_syns < syns; i++)
		poll(NULL, 0, TRY_MS);
	ck_assert_uint_eq(status_of(lab).stats.special_syns, syns);
}

/* As many flows at once, from two CPUs, as a host may have, and with them all memory that the kernel needs for them. */
START_TEST(many_at_once)
{
	struct agent_status s;
	struct config c;
	struct lab *lab;
	pid_t child;
	int status;

	make_config(&c);
	c.agent.entries_max = 2 * MANY;
	lab = lab_plain(&c, false);
	if (lab) {
		child = fork();
		ck_assert_int_ge(child, 0);
		if (child == 0) {
			announce_half(lab, 1);
			_exit(0);
		}
		announce_half(lab, 0);
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_int_eq(status, 0);
		wait_for_syns(lab, MANY);
		s = status_of(lab);
		ck_assert_uint_eq(s.stats.refused_full, 0);
		ck_assert_uint_eq(s.refused_failed, 0);
		ck_assert_uint_eq(s.stats.entries, MANY);
	}
	lab_close(lab);
}
END_TEST

/* Thousands of flows that end, one after the other, through a map with 64 places: none is refused. Half of them begin
 * anew on the same port, so that what the queue knows about them no longer holds. */
START_TEST(many_through_a_small_map)
{
	const unsigned flows = 10000;
	struct agent_status s;
	struct config c;
	struct lab *lab;

	make_config(&c);
	c.timeouts.linger_ns = 2 * NS_PER_S;
	lab = lab_plain(&c, _i);
	if (lab) {
		for (unsigned i = 0; i < flows; i++) {
			uint16_t port = (uint16_t)(FIRST_PORT + i / 2 + i % 2 * 7);

			lab_announce(lab, port);
			lab_reset(lab, port);
		}
		wait_for_syns(lab, flows);
		s = status_of(lab);
		ck_assert_uint_eq(s.stats.refused_full, 0);
		ck_assert_uint_eq(s.refused_failed, 0);
		ck_assert_uint_eq(s.stats.removed_rst, flows);
		ck_assert_uint_gt(s.gave_way, 0);
		ck_assert_uint_le(s.stats.entries, 64);
		wait_until_empty(lab);
	}
	lab_close(lab);
}
END_TEST

/* Two namespaces, one BPF file system, interfaces of the same name and number. */
START_TEST(namespaces_share_nothing)
{
	char error[AGENT_ATTACH_ERROR_MAX] = "", names[2][AGENT_INTERFACE_MAX];
	struct agent_attach_options options = { .interface = "srv" };
	struct agent_attached done;
	struct config c;
	struct lab *lab;
	unsigned index;

	make_config(&c);
	options.config = &c;
	lab = lab_plain(&c, _i);
	options.generic = options.clsact = _i;
	if (lab) {
		uint32_t id = status_of(lab).programs[0].id;

		lab_server_enter(lab);
		index = if_nametoindex("srv");
		ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
		ck_assert_int_eq(agent_interfaces(lab_host(lab), names, 2, error), 0);
		snprintf(error, sizeof(error), "ip link add srv index %u type veth peer name other index %u", index,
			 index + 1);
		ck_assert_int_eq(system(error), 0);
		ck_assert_uint_eq(if_nametoindex("srv"), index);
		ck_assert_int_eq(agent_status_read(lab_host(lab), "srv", &(struct agent_status){ 0 }, error), -1);
		ck_assert_msg(agent_attach(lab_host(lab), &options, &done, error) == 0, "%s", error);
		ck_assert(!done.upgraded);
		ck_assert_int_eq(agent_interfaces(lab_host(lab), names, 2, error), 1);
		ck_assert_int_eq(system(HAS_XDP), 0);
		ck_assert_msg(agent_detach(lab_host(lab), "srv", error) == 0, "%s", error);
		ck_assert_int_ne(system(HAS_XDP), 0);
		lab_server_leave(lab);
		ck_assert_uint_eq(status_of(lab).programs[0].id, id);
		ck_assert_int_eq(lab_server_run(lab, HAS_XDP), 0);
	}
	lab_close(lab);
}
END_TEST

/* What a namespace leaves behind when it goes with its interfaces is removed by the next attachment, whose it may be.
 */
START_TEST(folders_of_gone_namespaces_go)
{
	char error[AGENT_ATTACH_ERROR_MAX] = "", count[128];
	struct agent_attach_options options = { .interface = "srv" };
	struct agent_attached done;
	struct config c;
	struct lab *lab;

	make_config(&c);
	options.config = &c;
	lab = lab_plain(&c, false);
	if (lab) {
		lab_server_enter(lab);
		ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
		ck_assert_int_eq(system("ip link add srv type veth peer name other"), 0);
		ck_assert_msg(agent_attach(lab_host(lab), &options, &done, error) == 0, "%s", error);
		snprintf(count, sizeof(count), "[ $(ls %s/miresga | wc -l) = 2 ]", lab_host(lab)->bpffs);
		ck_assert_int_eq(system(count), 0);
		lab_server_leave(lab);
		snprintf(count, sizeof(count), "[ $(ls %s/miresga | wc -l) = 1 ]", lab_host(lab)->bpffs);
		for (unsigned i = 0; i < TRIES && system(count) != 0; i++) { /* namespaces take their time to go */
			poll(NULL, 0, TRY_MS);
			ck_assert_msg(attach_again(lab, &c, error) == 0, "%s", error);
		}
		ck_assert_int_eq(system(count), 0);
	}
	lab_close(lab);
}
END_TEST

/* A connection within the server's namespace, to one of the agent's ports. */
static void connection_make(struct lab *lab, int fds[3])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };

	at.sin_port = htons(LAB_PORT);
	lab_server_enter(lab);
	for (unsigned i = 0; i < 2; i++)
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(fds[0], (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(fds[0], 1), 0);
	ck_assert_int_eq(connect(fds[1], (struct sockaddr *)&at, sizeof(at)), 0);
	fds[2] = accept(fds[0], NULL, NULL);
	ck_assert_int_ge(fds[2], 0);
	lab_server_leave(lab);
}

/* Who knows what an agent before this one told their clients? Row 1: the operator does. */
START_TEST(older_connections_are_ended)
{
	struct agent_attach_options options = { .interface = "srv", .keep_connections = _i };
	char error[AGENT_ATTACH_ERROR_MAX] = "", byte;
	struct agent_attached done;
	struct config c;
	struct lab *lab;
	int fds[3];

	make_config(&c);
	options.config = &c;
	lab = lab_plain(&c, false);
	if (lab) {
		connection_make(lab, fds);
		ck_assert_msg(attach_again(lab, &c, error) == 0, "%s", error);
		ck_assert_int_eq(write(fds[2], "a", 1), 1); /* an upgrade ends none */
		ck_assert_int_eq(read(fds[1], &byte, 1), 1);
		detach(lab); /* and detaching none that has no pair */
		ck_assert_int_eq(write(fds[2], "b", 1), 1);
		ck_assert_int_eq(read(fds[1], &byte, 1), 1);
		lab_server_enter(lab);
		ck_assert_msg(agent_attach(lab_host(lab), &options, &done, error) == 0, "%s", error);
		lab_server_leave(lab);
		ck_assert_uint_eq(done.ended, !_i);
		ck_assert_int_eq(write(fds[2], "c", 1), _i ? 1 : -1);
		ck_assert_int_eq(read(fds[1], &byte, 1), _i ? 1 : -1);
	}
	lab_close(lab);
}
END_TEST

/* The agent goes while a connection runs: both ends are told, by a RST that is still shifted. */
START_TEST(detaching_ends_what_it_shifted)
{
	const struct lab_options options = {
		.special = true, .detach = true, .generic = _i, .clsact = _i, .shown = 0xfff00000
	};
	struct config c;
	struct lab *lab;

	make_config(&c);
	lab = lab_open(&options, &c);
	if (lab) {
		lab_transfer(lab);
		ck_assert_int_ne(lab_server_run(lab, HAS_XDP), 0);
		/* The first RST counted: nothing had to be asked again. */
		ck_assert_uint_eq(lab_counter(lab, false, "TcpExt", "TCPChallengeACK"), 0);
	}
	lab_close(lab);
}
END_TEST

/* TCX programs of others, before and behind ours: all stay, and the bytes are right. */
START_TEST(tcx_of_others_stays)
{
	char error[AGENT_ATTACH_ERROR_MAX] = "";
	struct config c;
	struct lab *lab;
	int others[2];

	make_config(&c);
	lab = lab_plain(&c, false);
	if (lab && status_of(lab).egress == AGENT_EGRESS_TCX) {
		others[0] = lab_tcx_of_others(lab);
		detach(lab);
		ck_assert_msg(attach_again(lab, &c, error) == 0, "%s", error);
		others[1] = lab_tcx_of_others(lab);
		lab_transfer(lab);
		ck_assert_uint_gt(status_of(lab).stats.translated_out, 0);
		for (unsigned i = 0; i < 2; i++)
			ck_assert(lab_tcx_is_there(others[i]));
		detach(lab);
		for (unsigned i = 0; i < 2; i++)
			ck_assert(lab_tcx_is_there(others[i]));
	} else if (lab) {
		printf("skipped: no TCX\n");
	}
	lab_close(lab);
}
END_TEST

static void flow_count(void *ctx, const struct agent_flow *f)
{
	unsigned *count = ctx;

	ck_assert_str_eq(f->state, "announced");
	ck_assert_uint_eq(f->shown, 42);
	ck_assert_uint_eq(be16_to(f->client.port), 5000);
	++*count;
}

START_TEST(pairs_are_listed)
{
	char error[AGENT_ATTACH_ERROR_MAX] = "";
	unsigned count = 0;
	struct config c;
	struct lab *lab;

	make_config(&c);
	lab = lab_plain(&c, false);
	if (lab) {
		announce(lab, 5000);
		lab_server_enter(lab);
		ck_assert_msg(agent_dump(lab_host(lab), "srv", flow_count, &count, error) == 0, "%s", error);
		lab_server_leave(lab);
		ck_assert_uint_eq(count, 1);
	}
	lab_close(lab);
}
END_TEST

Suite *agent_attach_suite(void)
{
	Suite *s = suite_create("agent_attach");
	TCase *tc = tcase_create("agent_attach");

	tcase_add_loop_test(tc, connections, 0, ARRAY_LEN(rows));
	tcase_add_loop_test(tc, detaching_leaves_nothing, 0, 2);
	tcase_add_test(tc, filters_of_others_stay);
	tcase_add_test(tc, programs_of_others_stay);
	tcase_add_test(tc, other_shapes_are_refused);
	tcase_add_test(tc, ports_are_those_of_the_configuration);
	tcase_add_test(tc, full_and_idle);
	tcase_add_test(tc, pairs_are_listed);
	tcase_add_test(tc, many_at_once);
	tcase_add_loop_test(tc, many_through_a_small_map, 0, 2);
	tcase_add_loop_test(tc, namespaces_share_nothing, 0, 2);
	tcase_add_test(tc, folders_of_gone_namespaces_go);
	tcase_add_loop_test(tc, older_connections_are_ended, 0, 2);
	tcase_add_loop_test(tc, detaching_ends_what_it_shifted, 0, 2);
	tcase_add_test(tc, tcx_of_others_stays);
	tcase_add_test(tc, clsact_of_others_stays);
	suite_add_tcase(s, tc);
	return s;
}
