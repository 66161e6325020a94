/* SPDX-License-Identifier: BSD-2-Clause */
/* live_guard.c: writes, loads and attaches the two BPF programs of an interface (live_guard.h).
 *
 * Both are one sequence of instructions, made for the addresses at hand, with other verdicts: so what the ring
 * takes is exactly what the stack does not get (ARP excepted: two answers with one MAC do no harm). Packet taps run
 * before TC, therefore the ring sees what TC drops. TC is reached by a TCX link: no qdisc is made or touched, other
 * programs run before or after it, and the link goes with its last descriptor.
 *
 * Plain bpf(2) calls: nothing here needs libbpf, clang or the kernel's newest headers.
 *
 * Refusals: frames that are not for this host (a promiscuous interface), and frames with a VLAN tag, are nobody's
 * here: a VLAN has an interface of its own. */
#include "miresga/live_guard.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Since Linux 6.6. */
#define ATTACH_TCX_INGRESS 46

enum {
	AT_TYPE = 12,
	AT_IP = 14,
	AT_IP_FRAG = AT_IP + 6,
	AT_IP_PROTO = AT_IP + 9,
	AT_IP_SRC = AT_IP + 12,
	AT_IP_DST = AT_IP + 16,
	AT_ARP_TARGET = AT_IP + 24,
};

#define PROGRAM_MAX (64 + LIVE_GUARD_LOCALS_MAX + 3 * BACKENDS_MAX)
/* Labels: a jump to one gets its offset when the program is complete. */
enum label {
	LABEL_NEXT,
	LABEL_PASS,
	LABEL_MATCH,
	LABEL_ARP,
	LABEL_COUNT,
};

struct program {
	struct bpf_insn insns[PROGRAM_MAX];
	uint8_t target[PROGRAM_MAX]; /* enum label */
	int16_t label_at[LABEL_COUNT];
	int count;
};

static void emit(struct program *p, struct bpf_insn insn, enum label target)
{
	MUST(p->count < PROGRAM_MAX);
	p->target[p->count] = (uint8_t)target;
	p->insns[p->count++] = insn;
}

static void label(struct program *p, enum label l)
{
	p->label_at[l] = (int16_t)p->count;
}

/* R0 = bytes of the frame at `at` [+ R7 bytes], in host order; a frame that is too short ends the program with 0,
 * which both hooks take for "not mine". R6 is the context. */
static void load(struct program *p, uint8_t size, bool indirect, int32_t at)
{
	emit(p,
	     (struct bpf_insn){ .code = (uint8_t)(BPF_LD | size | (indirect ? BPF_IND : BPF_ABS)),
				.src_reg = indirect ? BPF_REG_7 : 0,
				.imm = at },
	     LABEL_NEXT);
}

static void load_context(struct program *p, size_t offset)
{
	emit(p,
	     (struct bpf_insn){ .code = BPF_LDX | BPF_W | BPF_MEM,
				.dst_reg = BPF_REG_0,
				.src_reg = BPF_REG_6,
				.off = (int16_t)offset },
	     LABEL_NEXT);
}

static void compute(struct program *p, uint8_t operation, uint8_t reg, uint32_t value)
{
	emit(p,
	     (struct bpf_insn){
		     .code = (uint8_t)(BPF_ALU | operation | BPF_K), .dst_reg = reg & 15, .imm = (int32_t)value },
	     LABEL_NEXT);
}

static void copy(struct program *p, uint8_t to, uint8_t from)
{
	emit(p, (struct bpf_insn){ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = to & 15, .src_reg = from & 15 },
	     LABEL_NEXT);
}

static void jump(struct program *p, uint8_t condition, uint8_t reg, uint32_t value, enum label to)
{
	emit(p,
	     (struct bpf_insn){
		     .code = (uint8_t)(BPF_JMP32 | condition | BPF_K), .dst_reg = reg & 15, .imm = (int32_t)value },
	     to);
}

static void jump_always(struct program *p, enum label to)
{
	emit(p, (struct bpf_insn){ .code = BPF_JMP | BPF_JA }, to);
}

static void leave(struct program *p, int32_t verdict)
{
	compute(p, BPF_MOV, BPF_REG_0, (uint32_t)verdict);
	emit(p, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT }, LABEL_NEXT);
}

/* What is nobody's here, and the clients' side. */
static void write_clients(struct program *p, const struct live_guard *g, const struct live_lengths *lengths)
{
	copy(p, BPF_REG_6, BPF_REG_1);
	load_context(p, offsetof(struct __sk_buff, len));
	jump(p, BPF_JLT, BPF_REG_0, lengths->min, LABEL_PASS);
	jump(p, BPF_JGT, BPF_REG_0, lengths->max, LABEL_PASS);
	load_context(p, offsetof(struct __sk_buff, pkt_type));
	jump(p, BPF_JGT, BPF_REG_0, PACKET_BROADCAST, LABEL_PASS);
	load_context(p, offsetof(struct __sk_buff, vlan_present));
	jump(p, BPF_JNE, BPF_REG_0, 0, LABEL_PASS);
	load(p, BPF_H, false, AT_TYPE);
	if (g->clients)
		jump(p, BPF_JEQ, BPF_REG_0, ETHERTYPE_ARP, LABEL_ARP);
	jump(p, BPF_JNE, BPF_REG_0, ETHERTYPE_IPV4, LABEL_PASS);
	load(p, BPF_W, false, AT_IP_DST);
	if (g->clients)
		jump(p, BPF_JEQ, BPF_REG_0, be32_to(g->vip.addr), LABEL_MATCH);
}

/* R0 is the destination's address. */
static void write_backends(struct program *p, const struct live_guard *g)
{
	for (unsigned i = 0; i < g->local_count; i++)
		jump(p, BPF_JEQ, BPF_REG_0, be32_to(g->locals[i]), LABEL_PASS);
	load(p, BPF_B, false, AT_IP_PROTO);
	jump(p, BPF_JNE, BPF_REG_0, IP_PROTO_TCP, LABEL_PASS);
	load(p, BPF_H, false, AT_IP_FRAG);
	jump(p, BPF_JSET, BPF_REG_0, IP_OFFSET_MASK, LABEL_PASS);
	load(p, BPF_B, false, AT_IP);
	compute(p, BPF_AND, BPF_REG_0, 15);
	compute(p, BPF_LSH, BPF_REG_0, 2);
	copy(p, BPF_REG_7, BPF_REG_0);
	load(p, BPF_H, true, AT_IP);
	copy(p, BPF_REG_8, BPF_REG_0);
	load(p, BPF_W, false, AT_IP_SRC);
	for (unsigned i = 0; i < g->backend_count; i++) {
		jump(p, BPF_JNE, BPF_REG_0, be32_to(g->backends[i].addr), LABEL_NEXT);
		p->insns[p->count - 1].off = 1; /* over the next instruction */
		jump(p, BPF_JEQ, BPF_REG_8, be16_to(g->backends[i].port), LABEL_MATCH);
	}
}

/* `lengths` NULL: what TC drops; else what a ring takes. */
static void write_program(struct program *p, const struct live_guard *g, const struct live_lengths *lengths)
{
	const struct live_lengths any = { 0, UINT32_MAX };
	int32_t match = lengths ? -1 /* the whole frame */ : TC_ACT_SHOT, pass = lengths ? 0 : TC_ACT_UNSPEC;

	write_clients(p, g, lengths ? lengths : &any);
	write_backends(p, g);
	jump_always(p, LABEL_PASS);
	label(p, LABEL_ARP);
	if (lengths && g->clients) {
		load(p, BPF_W, false, AT_ARP_TARGET);
		jump(p, BPF_JEQ, BPF_REG_0, be32_to(g->vip.addr), LABEL_MATCH);
	}
	label(p, LABEL_PASS);
	leave(p, pass);
	label(p, LABEL_MATCH);
	leave(p, match);
	for (int i = 0; i < p->count; i++)
		if (p->target[i] != LABEL_NEXT)
			p->insns[i].off = (int16_t)(p->label_at[p->target[i]] - i - 1);
}

static int bpf(int command, union bpf_attr *attr, size_t size)
{
	long fd = syscall(__NR_bpf, command, attr, size);

	return fd < 0 ? -errno : (int)fd;
}

static int load_program(const struct program *p, uint32_t type)
{
	union bpf_attr attr = {
		.prog_type = type,
		.insns = (uintptr_t)p->insns,
		.insn_cnt = (uint32_t)p->count,
		.license = (uintptr_t) "Dual BSD/GPL",
		.prog_name = "miresga_live",
	};

	return bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
}

int live_guard_filter(const struct live_guard *g, const struct live_lengths *lengths)
{
	struct program p = { .count = 0 };

	write_program(&p, g, lengths);
	return load_program(&p, BPF_PROG_TYPE_SOCKET_FILTER);
}

int live_guard_silence(const struct live_guard *g, unsigned ifindex)
{
	struct program p = { .count = 0 };
	union bpf_attr attr = { .link_create.target_ifindex = ifindex, .link_create.attach_type = ATTACH_TCX_INGRESS };
	int program, link;

	write_program(&p, g, NULL);
	program = load_program(&p, BPF_PROG_TYPE_SCHED_CLS);
	if (program < 0)
		return program;
	attr.link_create.prog_fd = (uint32_t)program;
	link = bpf(BPF_LINK_CREATE, &attr, sizeof(attr));
	close(program); /* the link holds it */
	return link;
}

static be32 interface_address(const struct ifaddrs *a)
{
	struct sockaddr_in in;

	if (!a->ifa_addr || a->ifa_addr->sa_family != AF_INET)
		return be32_from(0);
	memcpy(&in, a->ifa_addr, sizeof(in));
	return (WIRE_FORCE be32)in.sin_addr.s_addr;
}

void live_guard_find_locals(struct live_guard *g)
{
	struct ifaddrs *all;

	g->local_count = 0;
	if (getifaddrs(&all))
		return;
	for (const struct ifaddrs *a = all; a && g->local_count < LIVE_GUARD_LOCALS_MAX; a = a->ifa_next) {
		be32 address = interface_address(a);

		if (address != be32_from(0) && address != g->vip.addr)
			g->locals[g->local_count++] = address;
	}
	freeifaddrs(all);
}

bool live_guard_vip_is_local(be32 vip)
{
	struct ifaddrs *all;
	bool found = false;

	if (getifaddrs(&all))
		return false;
	for (const struct ifaddrs *a = all; a; a = a->ifa_next)
		found |= interface_address(a) == vip;
	freeifaddrs(all);
	return found;
}
