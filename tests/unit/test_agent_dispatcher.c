/* SPDX-License-Identifier: BSD-2-Clause */
/* test_agent_dispatcher.c: the agent beside other XDP programs, in libxdp's dispatcher (agent_lab.h): it joins, its
 * flows live over an upgrade and over what others do there, and it leaves alone. The others are xdp-tools' own. Where
 * there are none, or the kernel takes no programs that extend others, the tests say why, and pass. */
#define _GNU_SOURCE
#include <check.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "agent_lab.h"

#ifdef MIRESGA_BPF
#include <bpf/bpf.h>
#include <linux/if_link.h>

#include "src/io/agent_dispatcher.h"
#endif

Suite *agent_dispatcher_suite(void);

#define TRIES 100
#define TRY_MS 5
#define OTHER "/usr/lib/*/bpf/xsk_def_xdp_prog.o"
#define IN_DISPATCHER "xdp-loader status srv | grep -q "

#ifdef MIRESGA_BPF

static void make_config(struct config *c)
{
	config_defaults(c);
	c->backend_count = 1;
	c->backends[0].address = endpoint_make(be32_from(0x0a5b0002), be16_from(LAB_PORT));
	c->agent.entries_max = 64;
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

static int attach(struct lab *lab, const struct config *c, struct agent_attached *done,
		  char error[AGENT_ATTACH_ERROR_MAX])
{
	const struct agent_attach_options options = { .interface = "srv", .config = c };
	int rc;

	lab_server_enter(lab);
	rc = agent_attach(lab_host(lab), &options, done, error);
	lab_server_leave(lab);
	return rc;
}

static void detach(struct lab *lab)
{
	char error[AGENT_ATTACH_ERROR_MAX] = "";

	lab_server_enter(lab);
	ck_assert_msg(agent_detach(lab_host(lab), "srv", error) == 0, "%s", error);
	lab_server_leave(lab);
}

/* A lab whose server has xdp-filter in a dispatcher, and no agent; or NULL. */
static struct lab *lab_with_filter(const struct lab_options *options, struct config *c)
{
	const char *missing = NULL;
	struct lab *lab;

	make_config(c);
	lab = lab_open(options, c);
	if (!lab)
		return NULL;
	detach(lab);
	/* libxdp's pins go with the lab's file system, the locks of its tools with that. */
	setenv("LIBXDP_BPFFS", lab_host(lab)->bpffs, 1);
	ck_assert_int_eq(mount("tmpfs", "/run", "tmpfs", 0, NULL), 0);
	if (!agent_dispatcher_is_built())
		missing = "built without libxdp";
	else if (system("command -v xdp-filter xdp-loader >/dev/null 2>&1") != 0)
		missing = "no xdp-filter and xdp-loader (xdp-tools)";
	else if (lab_server_run(lab, options->generic ? "xdp-filter load srv -m skb" : "xdp-filter load srv") != 0)
		missing = "xdp-filter cannot be loaded";
	else if (lab_server_run(lab, "ip -d link show dev srv | grep -q xdp_dispatcher") != 0)
		missing = "this kernel takes no programs that extend others, so libxdp makes no dispatcher";
	if (!missing)
		return lab;
	printf("skipped: %s\n", missing);
	umount("/run");
	lab_close(lab);
	return NULL;
}

static void lab_with_filter_close(struct lab *lab)
{
	if (lab)
		umount("/run");
	lab_close(lab);
}

/* A flow is announced, and ours sees it. */
static void announce(struct lab *lab, uint16_t port)
{
	uint64_t before = status_of(lab).stats.special_syns;

	lab_announce(lab, port);
	for (unsigned i = 0; i < TRIES && status_of(lab).stats.special_syns == before; i++)
		poll(NULL, 0, TRY_MS);
	ck_assert_uint_eq(status_of(lab).stats.special_syns, before + 1);
}

/* A program of others comes, and goes again. */
static void others_come_and_go(struct lab *lab, bool generic)
{
	uint32_t id = status_of(lab).programs[0].id;

	ck_assert_int_eq(
		lab_server_run(lab, generic ? "xdp-loader load -m skb srv " OTHER : "xdp-loader load srv " OTHER), 0);
	ck_assert_int_eq(lab_server_run(lab, IN_DISPATCHER "xsk_def_prog"), 0);
	ck_assert(status_of(lab).dispatched);
	ck_assert_uint_eq(status_of(lab).programs[0].id, id);
	announce(lab, 5000);
	ck_assert_int_eq(lab_server_run(lab, "xdp-loader unload srv -i $(xdp-loader status srv | "
					     "awk '/xsk_def_prog/ { print $4 }')"),
			 0);
	ck_assert_int_ne(lab_server_run(lab, IN_DISPATCHER "xsk_def_prog"), 0);
	ck_assert(status_of(lab).dispatched);
	announce(lab, 5001);
}

/* A connection goes through filter and agent, whose program is replaced in the middle. Row 1: generic XDP. */
START_TEST(it_joins_and_leaves)
{
	const struct lab_options options = { .special = true, .upgrade = true, .generic = _i, .shown = 0xfff00000 };
	char error[AGENT_ATTACH_ERROR_MAX] = "";
	struct agent_attached done;
	struct agent_status s;
	struct config c;
	struct lab *lab = lab_with_filter(&options, &c);

	if (lab) {
		ck_assert_msg(attach(lab, &c, &done, error) == 0, "%s", error);
		ck_assert(done.dispatched && !done.upgraded);
		ck_assert_int_eq(done.ingress, _i ? AGENT_INGRESS_GENERIC : AGENT_INGRESS_NATIVE);
		ck_assert_int_eq(lab_server_run(lab, IN_DISPATCHER "'=> *60 *agent_ingress .* XDP_PASS'"), 0);
		s = status_of(lab);
		lab_transfer(lab);
		ck_assert_uint_ne(status_of(lab).programs[0].id, s.programs[0].id);
		s = status_of(lab);
		ck_assert(s.dispatched);
		ck_assert_uint_gt(s.stats.translated_in, 0);
		ck_assert_uint_gt(s.stats.translated_out, 0);
		ck_assert_uint_eq(lab_counter(lab, true, "Tcp", "InCsumErrors"), 0);
		ck_assert_uint_eq(lab_counter(lab, true, "TcpExt", "TCPChallengeACK"), 0);
		/* The filter goes before, and has counted them all. */
		ck_assert_int_eq(lab_server_run(lab, "[ $(xdp-filter status | awk '/XDP_PASS/ { print $2; exit }') "
						     "-gt 200 ]"),
				 0);
		others_come_and_go(lab, _i);
		detach(lab);
		ck_assert_int_ne(lab_server_run(lab, IN_DISPATCHER "agent_ingress"), 0);
		ck_assert_int_eq(lab_server_run(lab, IN_DISPATCHER "xdpfilt"), 0);
	}
	lab_with_filter_close(lab);
}
END_TEST

/* The last one in it takes the dispatcher away, and that is all. */
START_TEST(it_stays_alone)
{
	const struct lab_options options = { .special = true, .shown = 42 };
	char error[AGENT_ATTACH_ERROR_MAX] = "";
	struct agent_attached done;
	struct config c;
	struct lab *lab = lab_with_filter(&options, &c);

	if (lab) {
		ck_assert_msg(attach(lab, &c, &done, error) == 0, "%s", error);
		ck_assert_int_eq(lab_server_run(lab, "xdp-filter unload srv"), 0);
		ck_assert(status_of(lab).dispatched);
		ck_assert_msg(attach(lab, &c, &done, error) == 0, "%s", error);
		ck_assert(done.dispatched && done.upgraded);
		lab_transfer(lab);
		ck_assert_uint_gt(status_of(lab).stats.translated_in, 0);
		detach(lab);
		ck_assert_int_ne(lab_server_run(lab, "ip -d link show dev srv | grep -q xdp"), 0);
	}
	lab_with_filter_close(lab);
}
END_TEST

/* Somebody empties the dispatcher, ours included: that is told, and attaching again mends it. */
START_TEST(it_is_thrown_out)
{
	const struct lab_options options = { .special = true, .shown = 42 };
	char error[AGENT_ATTACH_ERROR_MAX] = "";
	struct agent_attached done;
	struct config c;
	struct lab *lab = lab_with_filter(&options, &c);

	if (lab) {
		ck_assert_msg(attach(lab, &c, &done, error) == 0, "%s", error);
		ck_assert_int_eq(lab_server_run(lab, "xdp-loader unload srv --all"), 0);
		ck_assert_int_eq(status_of(lab).ingress, AGENT_INGRESS_NONE);
		ck_assert(!status_of(lab).dispatched);
		ck_assert_msg(attach(lab, &c, &done, error) == 0, "%s", error);
		ck_assert(!done.dispatched && done.upgraded);
		ck_assert_int_eq(status_of(lab).ingress, AGENT_INGRESS_NATIVE);
		announce(lab, 5000);
		detach(lab);
		ck_assert_int_ne(lab_server_run(lab, "ip -d link show dev srv | grep -q xdp"), 0);
	}
	lab_with_filter_close(lab);
}
END_TEST

/* Who looks for libxdp's pins at another place finds none, and must not forget a program that runs. */
START_TEST(it_is_not_forgotten)
{
	const struct lab_options options = { .special = true, .shown = 42 };
	char error[AGENT_ATTACH_ERROR_MAX] = "";
	struct agent_attached done;
	struct config c;
	struct lab *lab = lab_with_filter(&options, &c);

	if (lab) {
		setenv("MIRESGA_FS", lab_host(lab)->bpffs, 1);
		ck_assert_msg(attach(lab, &c, &done, error) == 0, "%s", error);
		ck_assert_int_eq(lab_server_run(lab, "LIBXDP_BPFFS=/nowhere $MIRESGA_BINARY agent detach srv "
						     "--bpffs $MIRESGA_FS 2>&1 | grep -q 'cannot be read'"),
				 0);
		ck_assert(status_of(lab).dispatched);
		announce(lab, 5000);
		detach(lab);
		ck_assert_int_ne(lab_server_run(lab, IN_DISPATCHER "agent_ingress"), 0);
	}
	lab_with_filter_close(lab);
}
END_TEST

/* A program that looks like a dispatcher, but has no components that libxdp could read. Needs neither xdp-tools nor
 * extensions. */
START_TEST(what_cannot_be_read_stays)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	const struct lab_options options = { .special = true, .shown = 42 };
	char error[AGENT_ATTACH_ERROR_MAX] = "";
	struct agent_attached done;
	struct config c;
	struct lab *lab;
	int program;

	make_config(&c);
	lab = lab_open(&options, &c);
	if (lab) {
		detach(lab);
		program = bpf_prog_load(BPF_PROG_TYPE_XDP, AGENT_DISPATCHER_NAME, "GPL", pass, ARRAY_LEN(pass), NULL);
		ck_assert_int_ge(program, 0);
		lab_server_enter(lab);
		ck_assert_int_eq(bpf_xdp_attach((int)if_nametoindex("srv"), program, XDP_FLAGS_DRV_MODE, NULL), 0);
		lab_server_leave(lab);
		ck_assert_int_eq(attach(lab, &c, &done, error), -1);
		ck_assert_msg(strstr(error, "srv has libxdp's dispatcher"), "%s", error);
		ck_assert_msg(strstr(error, agent_dispatcher_is_built() ? "cannot be read" : "built without libxdp"),
			      "%s", error);
		ck_assert_msg(strstr(error, "'xdp-loader unload srv --all'"), "%s", error);
		ck_assert_int_eq(lab_server_run(lab, "ip -d link show dev srv | grep -q xdp_dispatcher"), 0);
	}
	lab_close(lab);
}
END_TEST

#endif

Suite *agent_dispatcher_suite(void)
{
	Suite *s = suite_create("agent_dispatcher");
	TCase *tc = tcase_create("agent_dispatcher");

#ifdef MIRESGA_BPF
	tcase_add_loop_test(tc, it_joins_and_leaves, 0, 2);
	tcase_add_test(tc, it_stays_alone);
	tcase_add_test(tc, it_is_thrown_out);
	tcase_add_test(tc, it_is_not_forgotten);
	tcase_add_test(tc, what_cannot_be_read_stays);
#endif
	suite_add_tcase(s, tc);
	return s;
}
