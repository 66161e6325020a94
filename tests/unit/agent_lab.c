/* SPDX-License-Identifier: BSD-2-Clause */
/* agent_lab.c: namespaces, a wire, a connection (agent_lab.h).
 *
 * Everything belongs to the process that libcheck forked for the test: namespaces, mounts and interfaces go with it.
 * Sockets belong to the namespace in which they were made, so one loop can serve both ends and the wire. */
#define _GNU_SOURCE /* setns(), unshare(), accept4() */
#include "agent_lab.h"

#include <arpa/inet.h>
#ifdef MIRESGA_BPF
#include <bpf/bpf.h>
#endif
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "miresga/checksum.h"
#include "miresga/packet.h"
#include "miresga/special_syn.h"
#include "miresga/tcp_options.h"

#ifdef MIRESGA_BPF
#define WITH_BPF true
#else
#define WITH_BPF false
#endif
#define STALLED_MS 3000
#define STALLS_MAX 5
#define VLAN_ID 5
#define FLOW_ISN 1000

enum side {
	SIDE_CLIENT,
	SIDE_SERVER,
	SIDE_COUNT
};

/* A TCP end: sends and receives a known number of bytes of a pattern. */
struct end {
	int fd;
	size_t sent, to_send, received, to_receive;
	bool closed; /* the other end's FIN was read */
	bool ended;  /* by a RST, or by its own host */
};

struct lab {
	struct lab_options options;
	struct config *config;
	struct agent_host host;
	char bpffs[64];
	int own_ns, ns[SIDE_COUNT];
	int wire[SIDE_COUNT]; /* the packet socket towards that side */
	int listener;
	struct end ends[SIDE_COUNT];
	unsigned large; /* large segments of the server so far */
	bool upgraded, forged, detached;
	uint8_t eth[ETH_HDR_LEN]; /* of the client's last segment, which ended at client_next */
	struct endpoint client;
	uint32_t client_next;
	uint8_t frame[sizeof(struct virtio_net_hdr) + FRAME_MAX + 64];
};

static int command(const char *format, ...) FORMAT_PRINTF(1, 2);
static int command(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return system(text);
}

static void must_run(int status, const char *what)
{
	ck_assert_msg(status == 0, "%s: status %d", what, status);
}

static void enter(int ns)
{
	ck_assert_msg(setns(ns, CLONE_NEWNET) == 0, "setns: %s", strerror(errno));
}

static int namespace_open(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY);

	ck_assert_int_ge(fd, 0);
	return fd;
}

/* One veth with its end here, the other in the test's namespace. */
static void side_make(struct lab *lab, enum side side)
{
	static const char *const names[] = { "cli", "srv" };
	const struct lab_options *o = &lab->options;
	const char *name = names[side];
	unsigned host = (unsigned)side + 1;

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	lab->ns[side] = namespace_open();
	must_run(command("ip link add %s type veth peer name mid%u netns /proc/%d/fd/%d && ip link set lo up", name,
			 host, getpid(), lab->own_ns),
		 "ip link");
	must_run(command("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 2>/dev/null; ip link set %s up", name),
		 "ip link");
	if (o->vlan)
		must_run(command("ip link add link %s name %s.%d type vlan id %d && ip link set %s.%d up", name, name,
				 VLAN_ID, VLAN_ID, name, VLAN_ID),
			 "ip link add vlan");
	must_run(o->vlan ? command("ip addr add 10.91.0.%u/24 dev %s.%d", host, name, VLAN_ID)
			 : command("ip addr add 10.91.0.%u/24 dev %s", host, name),
		 "ip addr");
	if (side == SIDE_SERVER && o->no_tso)
		must_run(command("ethtool -K %s tso off gso off >/dev/null", name), "ethtool");
	if (side == SIDE_SERVER && o->no_csum)
		must_run(command("ethtool -K %s tx off >/dev/null", name), "ethtool");
	enter(lab->own_ns);
	must_run(command("ip link set mid%u up", host), "ip link");
	/* As a NIC would: what has a partial checksum gets a complete one on its way out. */
	if (side == SIDE_CLIENT || !o->partial_in)
		must_run(command("ethtool -K mid%u tx off >/dev/null", host), "ethtool");
}

static int wire_open(unsigned host)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL)), on = 1, room = 32 << 20;
	char name[8];

	ck_assert_int_ge(fd, 0);
	snprintf(name, sizeof(name), "mid%u", host);
	at.sll_ifindex = (int)if_nametoindex(name);
	ck_assert_int_gt(at.sll_ifindex, 0);
	ck_assert_int_eq(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)), 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static void say(void *ctx, const char *text)
{
	(void)ctx;
	printf("note: %s\n", text);
}

static void attach(struct lab *lab, bool again)
{
	const struct agent_attach_options options = {
		.interface = "srv",
		.config = lab->config,
		.generic = lab->options.generic,
		.clsact = lab->options.clsact,
	};
	char error[AGENT_ATTACH_ERROR_MAX] = "";
	struct agent_attached done;

	lab_server_enter(lab);
	ck_assert_msg(agent_attach(&lab->host, &options, &done, error) == 0, "%s", error);
	ck_assert_int_eq(done.upgraded, again);
	ck_assert_int_eq(done.ingress, lab->options.generic ? AGENT_INGRESS_GENERIC : AGENT_INGRESS_NATIVE);
	if (lab->options.clsact)
		ck_assert_int_eq(done.egress, AGENT_EGRESS_CLSACT);
	lab_server_leave(lab);
}

static void detach(struct lab *lab)
{
	char error[AGENT_ATTACH_ERROR_MAX] = "";

	lab_server_enter(lab);
	ck_assert_msg(agent_detach(&lab->host, "srv", error) == 0, "%s", error);
	lab_server_leave(lab);
	lab->detached = true;
}

struct lab *lab_open(const struct lab_options *options, struct config *config)
{
	struct lab *lab = calloc(1, sizeof(*lab));

	ck_assert_ptr_nonnull(lab);
	if (!WITH_BPF) {
		printf("skipped: built without the kernel's agent (make BPF=0)\n");
		free(lab);
		return NULL;
	}
	*lab = (struct lab){ .options = *options, .config = config };
	if (geteuid() != 0 || system("command -v ip ethtool >/dev/null 2>&1") != 0 ||
	    unshare(CLONE_NEWNS | CLONE_NEWNET)) {
		printf("skipped: needs root, ip and ethtool\n");
		free(lab);
		return NULL;
	}
	if (options->vlan && system("ip link add probe type veth && ip link add link probe name probe.5 type vlan id 5 "
				    "2>/dev/null") != 0) {
		printf("skipped: this kernel has no VLAN interfaces\n");
		free(lab);
		return NULL;
	}
	snprintf(lab->bpffs, sizeof(lab->bpffs), "/tmp/miresga-lab-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(lab->bpffs));
	lab->host = (struct agent_host){ .bpffs = lab->bpffs, .note = say };
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (mount("bpf", lab->bpffs, "bpf", 0, NULL)) {
		printf("skipped: no BPF file system: %s\n", strerror(errno));
		rmdir(lab->bpffs);
		free(lab);
		return NULL;
	}
	lab->own_ns = namespace_open();
	side_make(lab, SIDE_CLIENT);
	side_make(lab, SIDE_SERVER);
	for (unsigned side = 0; side < SIDE_COUNT; side++)
		lab->wire[side] = wire_open(side + 1);
	attach(lab, false);
	return lab;
}

void lab_close(struct lab *lab)
{
	if (!lab)
		return;
	umount(lab->bpffs);
	rmdir(lab->bpffs);
	free(lab);
}

const struct agent_host *lab_host(const struct lab *lab)
{
	return &lab->host;
}

void lab_server_enter(struct lab *lab)
{
	enter(lab->ns[SIDE_SERVER]);
}

void lab_server_leave(struct lab *lab)
{
	enter(lab->own_ns);
}

int lab_server_run(struct lab *lab, const char *text)
{
	int status;

	lab_server_enter(lab);
	status = command("%s", text);
	lab_server_leave(lab);
	return status;
}

uint64_t lab_counter(struct lab *lab, bool server, const char *group, const char *name)
{
	static const char *const files[] = { "/proc/thread-self/net/snmp", "/proc/thread-self/net/netstat" };
	char names[8192], values[8192], *at[2], *word[2];
	uint64_t found = UINT64_MAX;

	enter(lab->ns[server]);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		FILE *f = fopen(files[i], "r");

		ck_assert_ptr_nonnull(f);
		while (fgets(names, sizeof(names), f) && fgets(values, sizeof(values), f)) {
			if (strncmp(names, group, strlen(group)) != 0 || names[strlen(group)] != ':')
				continue;
			word[0] = strtok_r(names, " \n", &at[0]);
			word[1] = strtok_r(values, " \n", &at[1]);
			while (word[0] && word[1] && strcmp(word[0], name) != 0) {
				word[0] = strtok_r(NULL, " \n", &at[0]);
				word[1] = strtok_r(NULL, " \n", &at[1]);
			}
			if (word[0] && word[1])
				found = strtoull(word[1], NULL, 10);
		}
		fclose(f);
	}
	enter(lab->own_ns);
	ck_assert_msg(found != UINT64_MAX, "no counter %s %s", group, name);
	return found;
}

#ifdef MIRESGA_BPF

#define TCX_EGRESS ((enum bpf_attach_type)47)

int lab_tcx_of_others(struct lab *lab)
{
	static const struct bpf_insn next[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = -1 }, /* TCX_NEXT */
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int program, link;

	lab_server_enter(lab);
	program = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "other", "GPL", next, ARRAY_LEN(next), NULL);
	ck_assert_int_ge(program, 0);
	link = bpf_link_create(program, (int)if_nametoindex("srv"), TCX_EGRESS, NULL);
	ck_assert_int_ge(link, 0);
	close(program);
	lab_server_leave(lab);
	return link;
}

bool lab_tcx_is_there(int link)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(link, &info, &len) == 0 && info.xdp.ifindex;
}

#else

int lab_tcx_of_others(struct lab *lab)
{
	(void)lab;
	return -1;
}

bool lab_tcx_is_there(int link)
{
	return link < 0;
}

#endif

static uint8_t pattern(size_t i, enum side from)
{
	return (uint8_t)(i * 131 + (i >> 11) + from * 77);
}

/* The client's SYN becomes a special one. Its checksum was partial or complete; now it is complete. */
static size_t make_special(struct lab *lab, struct packet *p, size_t len)
{
	struct tcp_hdr *tcp = packet_tcp(p);
	struct ipv4_hdr *ip = packet_ip(p);
	uint8_t *end = (uint8_t *)tcp + TCP_HDR_MIN + p->phv.tcp_options_len;
	size_t tcp_len = TCP_HDR_MIN + p->phv.tcp_options_len + SPECIAL_SYN_TAG_LEN;

	special_syn_write(&lab->config->tag_key, p->phv.src, p->phv.dst, p->phv.seq, lab->options.shown, end);
	tcp->ack = be32_from(lab->options.shown);
	tcp->data_off = (uint8_t)(tcp_len / 4 << 4);
	ip->total_len = be16_from((uint16_t)(be16_to(ip->total_len) + SPECIAL_SYN_TAG_LEN));
	ip->check = (be16){ 0 };
	ip->check = csum_ipv4(ip, (ip->version_ihl & 15) * 4u);
	tcp->check = (be16){ 0 };
	tcp->check = csum_tcp(ip, tcp, tcp_len);
	memset(lab->frame, 0, sizeof(struct virtio_net_hdr));
	return len + SPECIAL_SYN_TAG_LEN;
}

static void wscale_replace(struct tcp_hdr *tcp, uint8_t *at, uint8_t wscale)
{
	be16 check = tcp->check;

	csum_replace(&check, at, &wscale, 1, (size_t)(at - (uint8_t *)tcp));
	tcp->check = check;
}

/* The switch, and not the server, tells the client the window scale. */
static void show_wscale(struct lab *lab, struct packet *p)
{
	const struct virtio_net_hdr *vnet = (const void *)lab->frame;
	struct tcp_hdr *tcp = packet_tcp(p);
	struct tcp_options o;
	uint8_t *options = (uint8_t *)tcp + TCP_HDR_MIN, wscale = lab->config->sw.wscale;

	tcp_options_parse(options, p->phv.tcp_options_len, &o);
	for (size_t i = 0; i + 2 < p->phv.tcp_options_len && o.wscale != 15; i++) {
		if (options[i] != TCPOPT_WSCALE || options[i + 1] != 3 || options[i + 2] != o.wscale)
			continue;
		if (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
			options[i + 2] = wscale;
		else
			wscale_replace(tcp, &options[i + 2], wscale);
		return;
	}
}

/* Tells the server that its segment does not fit (RFC 1191), quoting it as it came by here: in L space. */
static void tell_mtu(struct lab *lab, const struct packet *p)
{
	const uint8_t *ip = p->data + p->phv.l3_at;
	uint8_t out[sizeof(struct virtio_net_hdr) + ETH_HDR_LEN + IPV4_HDR_MIN + 8 + 28] = { 0 };
	uint8_t *eth = out + sizeof(struct virtio_net_hdr), *icmp = eth + ETH_HDR_LEN + IPV4_HDR_MIN;
	struct ipv4_hdr *mine = (void *)(eth + ETH_HDR_LEN);

	memcpy(eth, p->data + ETH_ADDR_LEN, ETH_ADDR_LEN);
	memcpy(eth + ETH_ADDR_LEN, p->data, ETH_ADDR_LEN);
	memcpy(eth + 2 * ETH_ADDR_LEN, (const uint8_t[]){ 8, 0 }, 2);
	*mine = (struct ipv4_hdr){
		.version_ihl = 0x45,
		.total_len = be16_from(IPV4_HDR_MIN + 8 + 28),
		.ttl = 64,
		.proto = IP_PROTO_ICMP,
		.src = ((const struct ipv4_hdr *)(const void *)ip)->dst,
		.dst = ((const struct ipv4_hdr *)(const void *)ip)->src,
	};
	mine->check = csum_ipv4(mine, IPV4_HDR_MIN);
	icmp[0] = 3;
	icmp[1] = 4;
	store_be16(icmp + 6, (uint16_t)lab->options.mtu);
	memcpy(icmp + 8, ip, 28);
	store_be16(icmp + 2, __builtin_bswap16((uint16_t)~csum_sum(icmp, 8 + 28, 0)));
	ck_assert_int_eq(write(lab->wire[SIDE_SERVER], out, sizeof(out)), sizeof(out));
}

/* What the wire does to a frame before it passes it on; 0: it does not. */
static size_t wire_change(struct lab *lab, enum side from, size_t len)
{
	const struct lab_options *o = &lab->options;
	uint8_t *frame = lab->frame + sizeof(struct virtio_net_hdr);
	struct packet p = { .data = frame, .len = (uint32_t)len, .room = FRAME_MAX };

	if (headers_parse(&p) != DROP_NONE || p.phv.ip_proto != IP_PROTO_TCP || !o->special)
		return len;
	if (from == SIDE_CLIENT) {
		memcpy(lab->eth, frame, sizeof(lab->eth));
		lab->client = p.phv.src;
		lab->client_next = p.phv.seq + packet_seq_len(&p);
	}
	if (from == SIDE_CLIENT)
		return (p.phv.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN ? make_special(lab, &p, len) : len;
	if (p.phv.tcp_flags & TCP_SYN)
		show_wscale(lab, &p);
	if (len < 500)
		return len;
	lab->large++;
	if (o->mtu && len > o->mtu + ETH_HDR_LEN) {
		tell_mtu(lab, &p);
		return 0;
	}
	return o->loss && lab->large % o->loss == 0 ? 0 : len;
}

/* A frame whose tag the kernel has taken out gets it back. */
static size_t tag_again(const struct msghdr *m, uint8_t *frame, size_t len)
{
	struct virtio_net_hdr *vnet = (void *)(frame - sizeof(*vnet));

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, c)) {
		const struct tpacket_auxdata *aux = (const void *)CMSG_DATA(c);

		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
		    !(aux->tp_status & TP_STATUS_VLAN_VALID))
			continue;
		memmove(frame + 16, frame + 12, len - 12);
		store_be16(frame + 12, ETH_P_8021Q);
		store_be16(frame + 14, aux->tp_vlan_tci);
		if (vnet->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
			vnet->csum_start += 4;
		vnet->hdr_len += vnet->gso_type ? 4 : 0;
		return len + 4;
	}
	return len;
}

/* Copies one frame. False if there is none. */
static bool wire_step(struct lab *lab, enum side from)
{
	char control[256] __attribute__((aligned(8)));
	struct iovec io = { .iov_base = lab->frame, .iov_len = sizeof(lab->frame) - SPECIAL_SYN_TAG_LEN - 4 };
	struct msghdr m = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	ssize_t n = recvmsg(lab->wire[from], &m, 0);
	size_t len;

	if (n <= (ssize_t)sizeof(struct virtio_net_hdr))
		return false;
	len = tag_again(&m, lab->frame + sizeof(struct virtio_net_hdr), (size_t)n - sizeof(struct virtio_net_hdr));
	len = wire_change(lab, from, len);
	if (len && write(lab->wire[!from], lab->frame, sizeof(struct virtio_net_hdr) + len) < 0)
		ck_assert_msg(errno == ENOBUFS || errno == EAGAIN, "wire: %s", strerror(errno));
	return true;
}

/* One frame of each direction. */
static bool wire_both(struct lab *lab)
{
	bool moved = wire_step(lab, SIDE_CLIENT);

	return wire_step(lab, SIDE_SERVER) || moved;
}

/* Of a connection, by the other end or by its own host. */
static bool is_end(int error)
{
	return error == ECONNRESET || error == ECONNABORTED;
}

/* Receives and sends what it can. */
static bool end_step(struct end *e, enum side side, bool may_end)
{
	uint8_t buf[16384];
	ssize_t n = e->fd < 0 || e->closed || e->ended ? -1 : recv(e->fd, buf, sizeof(buf), MSG_DONTWAIT);
	size_t chunk;
	bool moved = n >= 0;

	/* Asserting costs a system call. */
	for (ssize_t i = 0; i < n; i++, e->received++)
		if (buf[i] != pattern(e->received, !side))
			ck_abort_msg("byte %zu of the %s is wrong", e->received,
				     side == SIDE_CLIENT ? "client" : "server");
	e->closed |= n == 0;
	e->ended |= n < 0 && may_end && is_end(errno);
	if (n < 0 && e->fd >= 0 && !e->closed && !e->ended && errno != EAGAIN)
		ck_abort_msg("recv: %s", strerror(errno));
	if (e->fd < 0 || e->ended || e->sent == e->to_send || (side == SIDE_SERVER && e->received < e->to_receive))
		return moved;
	chunk = MIN(sizeof(buf), e->to_send - e->sent);
	for (size_t i = 0; i < chunk; i++)
		buf[i] = pattern(e->sent + i, side);
	n = send(e->fd, buf, chunk, MSG_DONTWAIT | MSG_NOSIGNAL);
	e->ended |= n < 0 && may_end && is_end(errno);
	if (n < 0 && !e->ended && errno != EAGAIN)
		ck_abort_msg("send: %s", strerror(errno));
	e->sent += n > 0 ? (size_t)n : 0;
	if (e->sent == e->to_send)
		shutdown(e->fd, SHUT_WR);
	return moved || n > 0;
}

/* A segment of a flow that nobody but the agent hears of: its MAC addresses are nobody's. */
static void flow_give(struct lab *lab, uint16_t port, uint8_t flags)
{
	static const struct virtio_net_hdr nothing;
	struct packet_pool *pool = packet_pool_create(1, 0);
	uint8_t tag[SPECIAL_SYN_TAG_LEN];
	const struct tcp_packet_spec spec = {
		.src = endpoint_make(be32_from(0x0a5b0001), be16_from(port)),
		.dst = lab->config->backends[0].address,
		.flags = flags,
		.seq = flags & TCP_SYN ? FLOW_ISN : FLOW_ISN + 1,
		.ack = flags & TCP_SYN ? lab->options.shown : 0,
		.options = tag,
		.options_len = flags & TCP_SYN ? sizeof(tag) : 0,
	};
	struct packet *p;

	ck_assert_ptr_nonnull(pool);
	special_syn_write(&lab->config->tag_key, spec.src, spec.dst, spec.seq, spec.ack, tag);
	p = packet_make_tcp(pool, &spec);
	memcpy(lab->frame, &nothing, sizeof(nothing));
	memcpy(lab->frame + sizeof(nothing), p->data, p->len);
	/* Where the other side has no room for more, it will have. */
	while (write(lab->wire[SIDE_SERVER], lab->frame, sizeof(nothing) + p->len) < 0) {
		if (errno != ENOBUFS && errno != EAGAIN)
			ck_abort_msg("wire: %s", strerror(errno));
		poll(NULL, 0, 1);
	}
	packet_pool_free(pool);
}

void lab_announce(struct lab *lab, uint16_t port)
{
	flow_give(lab, port, TCP_SYN);
}

void lab_reset(struct lab *lab, uint16_t port)
{
	flow_give(lab, port, TCP_RST);
}

static void forge_reset(struct lab *lab)
{
	static const struct virtio_net_hdr nothing;
	struct packet_pool *pool = packet_pool_create(1, 0);
	const struct tcp_packet_spec spec = {
		.src = lab->client,
		.dst = lab->config->backends[0].address,
		.flags = TCP_RST,
		.seq = lab->client_next + 1000,
	};
	struct packet *p;

	ck_assert_ptr_nonnull(pool);
	p = packet_make_tcp(pool, &spec);
	memcpy(p->data, lab->eth, sizeof(lab->eth));
	memcpy(lab->frame, &nothing, sizeof(nothing));
	memcpy(lab->frame + sizeof(nothing), p->data, p->len);
	ck_assert_int_gt(write(lab->wire[SIDE_SERVER], lab->frame, sizeof(nothing) + p->len), 0);
	packet_pool_free(pool);
	lab->forged = true;
}

static bool is_done(const struct lab *lab)
{
	const struct end *c = &lab->ends[SIDE_CLIENT], *s = &lab->ends[SIDE_SERVER];

	if (lab->options.detach)
		return c->ended && s->ended;
	return c->closed && s->closed && c->received == LAB_DOWN && s->received == LAB_UP;
}

static void wait_for_more(struct lab *lab, unsigned *stalls)
{
	struct pollfd fds[] = {
		{ .fd = lab->wire[0], .events = POLLIN },
		{ .fd = lab->wire[1], .events = POLLIN },
		{ .fd = lab->ends[0].closed ? -1 : lab->ends[0].fd, .events = POLLIN },
		{ .fd = lab->ends[1].fd < 0   ? lab->listener
			: lab->ends[1].closed ? -1
					      : lab->ends[1].fd,
		  .events = POLLIN },
	};

	if (poll(fds, ARRAY_LEN(fds), STALLED_MS) == 0)
		(*stalls)++;
	ck_assert_msg(*stalls < STALLS_MAX, "stalled: client sent %zu, received %zu; server sent %zu, received %zu",
		      lab->ends[0].sent, lab->ends[0].received, lab->ends[1].sent, lab->ends[1].received);
}

static int socket_in(struct lab *lab, enum side side)
{
	int fd;

	enter(lab->ns[side]);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	enter(lab->own_ns);
	ck_assert_int_ge(fd, 0);
	return fd;
}

static void connection_begin(struct lab *lab)
{
	static const uint8_t nops[] = { 1, 1, 1, 0 };
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(LAB_PORT) };
	struct end *client = &lab->ends[SIDE_CLIENT];
	int on = 1;

	inet_pton(AF_INET, "10.91.0.2", &at.sin_addr);
	lab->listener = socket_in(lab, SIDE_SERVER);
	ck_assert_int_eq(setsockopt(lab->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
	ck_assert_int_eq(bind(lab->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	ck_assert_int_eq(listen(lab->listener, 1), 0);
	*client = (struct end){ .fd = socket_in(lab, SIDE_CLIENT), .to_send = LAB_UP, .to_receive = LAB_DOWN };
	if (lab->options.ip_options)
		ck_assert_int_eq(setsockopt(client->fd, IPPROTO_IP, IP_OPTIONS, nops, sizeof(nops)), 0);
	lab->ends[SIDE_SERVER] = (struct end){ .fd = -1, .to_send = LAB_DOWN, .to_receive = LAB_UP };
	ck_assert(connect(client->fd, (struct sockaddr *)&at, sizeof(at)) == 0 || errno == EINPROGRESS);
}

/* True once the client's socket is more than on its way. */
static bool is_connected(struct end *client)
{
	struct pollfd p = { .fd = client->fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof(error);

	if (poll(&p, 1, 0) != 1)
		return false;
	getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	ck_assert_msg(error == 0, "connect: %s", strerror(error));
	return true;
}

void lab_transfer(struct lab *lab)
{
	struct end *client = &lab->ends[SIDE_CLIENT], *server = &lab->ends[SIDE_SERVER];
	bool connected = false;
	unsigned stalls = 0;

	connection_begin(lab);
	while (!is_done(lab)) {
		bool moved = wire_both(lab);

		connected = connected || is_connected(client);
		if (server->fd < 0)
			server->fd = accept4(lab->listener, NULL, NULL, SOCK_NONBLOCK);
		moved |= connected && end_step(client, SIDE_CLIENT, lab->detached);
		moved |= end_step(server, SIDE_SERVER, lab->detached);
		if (lab->options.forged_reset && !lab->forged && server->received > LAB_UP / 2)
			forge_reset(lab);
		if (lab->options.upgrade && !lab->upgraded && client->received > LAB_DOWN / 2) {
			lab->upgraded = true;
			attach(lab, true);
		}
		if (lab->options.detach && !lab->detached && client->received > LAB_DOWN / 2)
			detach(lab);
		if (!moved)
			wait_for_more(lab, &stalls);
	}
	close(client->fd);
	close(server->fd);
	close(lab->listener);
	/* The last acknowledgements. */
	for (unsigned quiet = 0; quiet < 3; quiet++)
		while (wire_both(lab))
			quiet = 0;
}
