/* SPDX-License-Identifier: BSD-2-Clause */
/* live_port.c: receive rings of packet sockets, and batches sent through one of them (live_port.h).
 *
 * Life of a frame: the kernel writes it, with a virtio_net_hdr before it, into the next place of the ring;
 * live_port_take() hands it out; the pipeline changes it where it lies; live_port_send() of the way out notes where
 * it begins; live_port_flush() has the kernel copy it into a new packet, header included; live_port_give_back()
 * frees the place. So bytes are copied by the kernel alone, once in and once out. What the pipeline makes itself is
 * small and is copied into `made`.
 *
 * The virtio_net_hdr says which checksum is partial and how a super-packet is to be cut. The pipeline keeps every
 * offset that it names, so it goes out as it came in; only a frame whose checksum has become a full one gets an empty
 * header.
 *
 * There are two rings, one for frames of ordinary length and one for super-packets: places of 64 KB for every
 * acknowledgement would be a ring that either is soon full or exceeds the CPU's cache. Each has its own socket, and the
 * filters divide the frames by length. Their order is that of arrival again when they are taken, by the time stamps of
 * the kernel. A place is an odd number of cache lines long, so that the headers of all frames do not compete for
 * the same sets of the cache.
 *
 * Nothing blocks: what the interface does not take at once is dropped and counted, as a switch does.
 *
 * Refusals: frames longer than an Ethernet header and 64 KiB (BIG TCP); sending more than the MTU, except for
 * super-packets; see live_guard.c for what does not even get into the ring. */
#define _GNU_SOURCE /* sendmmsg() */
#include "miresga/live_port.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "miresga/checksum.h"

#define CACHE_LINE 64u
/* The kernel puts the frame 76 bytes after the beginning; six more align its IP header. */
#define RING_RESERVE 6u
#define FRAME_HEADROOM 96u
#define LINES(bytes) (((bytes) + CACHE_LINE - 1) / CACHE_LINE)
#define PLACE_SIZE(len) (CACHE_LINE * (LINES(FRAME_HEADROOM + (len)) | 1u))
#define RING_BLOCK (1u << 20)
/* Ordinary: what is not larger than the MTU that most have. The kernel fills the places in turn: where they exceed the
 * cache, each packet pays for it. These 2 MB hold some milliseconds of packets. */
#define ORDINARY_MAX 1920u
#define ORDINARY_FRAMES 1024u

#define SEND_MAX 256u
#define MADE_SIZE (256u << 10)
#define SEND_BUFFER (64 << 20)

#define TCP_CHECK_AT 16

struct ring {
	int fd;
	uint32_t place_size;
	uint8_t *memory;
	size_t size;
	uint32_t frames, head, tail; /* tail: the oldest not given back */
	struct tpacket2_hdr **place;
};

enum ring_kind {
	RING_ORDINARY,
	RING_SUPER,
	RING_COUNT,
};
_Static_assert(RING_COUNT == LIVE_PORT_FDS, "as live_port.h says");

static const struct live_lengths ring_lengths[RING_COUNT] = {
	[RING_ORDINARY] = { 0, ORDINARY_MAX },
	[RING_SUPER] = { ORDINARY_MAX + 1, UINT32_MAX },
};

struct live_port {
	char name[IFNAMSIZ];
	int fd; /* to send through */
	int error;
	unsigned index, mtu;
	uint8_t mac[ETH_ADDR_LEN];
	struct ring rings[RING_COUNT];
	uint32_t queued;
	struct mmsghdr queue[SEND_MAX];
	struct iovec parts[SEND_MAX];
	uint32_t made_used;
	uint8_t *made;
	struct live_port_stats stats;
};

static struct live_port *fail(struct live_port *p, char error[LIVE_ERROR_MAX], const char *why)
{
	snprintf(error, LIVE_ERROR_MAX, "interface %s: %s", p->name, why);
	live_port_close(p);
	return NULL;
}

/* Name, MAC address, MTU, state. NULL, or what is wrong. */
static const char *find_interface(struct live_port *p)
{
	const int fd = p->fd;
	struct ifreq request = { 0 };

	p->index = if_nametoindex(p->name);
	if (!p->index)
		return "there is no such interface here; `ip link` lists them";
	memcpy(request.ifr_name, p->name, sizeof(p->name));
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		return strerror(errno);
	if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return "is not an Ethernet interface";
	memcpy(p->mac, request.ifr_hwaddr.sa_data, ETH_ADDR_LEN);
	if (ioctl(fd, SIOCGIFMTU, &request))
		return strerror(errno);
	p->mtu = (unsigned)request.ifr_mtu;
	if (ioctl(fd, SIOCGIFFLAGS, &request))
		return strerror(errno);
	if (!(request.ifr_flags & IFF_UP))
		return "is down; `ip link set IFACE up` brings it up";
	return NULL;
}

static int set(const struct ring *r, int option, int value)
{
	return setsockopt(r->fd, SOL_PACKET, option, &value, sizeof(value));
}

static int map_ring(struct ring *r, uint32_t len_max, unsigned frames)
{
	uint32_t place_size = PLACE_SIZE(len_max), per_block = RING_BLOCK / place_size;
	unsigned blocks = (frames + per_block - 1) / per_block;
	const struct tpacket_req request = {
		.tp_block_size = RING_BLOCK,
		.tp_block_nr = blocks,
		.tp_frame_size = place_size,
		.tp_frame_nr = blocks * per_block,
	};

	_Static_assert(CACHE_LINE % TPACKET_ALIGNMENT == 0, "as the kernel wants it");
	if (setsockopt(r->fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)))
		return -1;
	r->place_size = place_size;
	r->frames = request.tp_frame_nr;
	r->size = (size_t)blocks * RING_BLOCK;
	r->memory = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, 0);
	r->place = calloc(r->frames, sizeof(r->place[0]));
	if (r->memory == MAP_FAILED || !r->place)
		return -1;
	for (uint32_t i = 0; i < r->frames; i++)
		r->place[i] = (void *)(r->memory + (size_t)(i / per_block) * RING_BLOCK +
				       (size_t)(i % per_block) * place_size);
	return 0;
}

/* The filter is there before the socket is bound: nothing else ever gets in. */
static int attach_filter(const struct ring *r, const struct live_guard *guard, const struct live_lengths *lengths)
{
	int filter = live_guard_filter(guard, lengths), failed;

	if (filter < 0) {
		errno = -filter;
		return -1;
	}
	failed = setsockopt(r->fd, SOL_SOCKET, SO_ATTACH_BPF, &filter, sizeof(filter));
	close(filter);
	return failed;
}

static int bind_to(const struct ring *r, unsigned ifindex)
{
	const struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = (WIRE_FORCE __be16)be16_from(ETH_P_ALL),
		.sll_ifindex = (int)ifindex,
	};

	return bind(r->fd, (const struct sockaddr *)&address, sizeof(address));
}

/* Filter, ring, binding. 0, or -1 and errno. */
static int open_ring(struct live_port *p, enum ring_kind kind, const struct live_guard *guard, unsigned frames)
{
	const struct live_lengths *lengths = &ring_lengths[kind];
	struct ring *r = &p->rings[kind];

	if (attach_filter(r, guard, lengths) || set(r, PACKET_VERSION, TPACKET_V2) || set(r, PACKET_VNET_HDR, 1) ||
	    set(r, PACKET_RESERVE, RING_RESERVE) || set(r, PACKET_IGNORE_OUTGOING, 1))
		return -1;
	return map_ring(r, MIN(lengths->max, FRAME_MAX), frames) || bind_to(r, p->index) ? -1 : 0;
}

/* NULL, or what is wrong. */
static const char *open_sockets(struct live_port *p)
{
	for (unsigned i = 0; i < RING_COUNT; i++) {
		p->rings[i].fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
		if (p->rings[i].fd >= 0)
			continue;
		return errno == EPERM || errno == EACCES
			       ? "no permission for packet sockets; run as root, or with CAP_NET_RAW and CAP_NET_ADMIN"
			       : strerror(errno);
	}
	p->fd = p->rings[RING_SUPER].fd;
	return NULL;
}

struct live_port *live_port_open(const char *interface, const struct live_guard *guard, unsigned frames,
				 char error[LIVE_ERROR_MAX])
{
	struct live_port *p = calloc(1, sizeof(*p));
	const int send_buffer = SEND_BUFFER;
	const char *wrong;

	if (!p) {
		snprintf(error, LIVE_ERROR_MAX, "interface %s: out of memory", interface);
		return NULL;
	}
	for (unsigned i = 0; i < RING_COUNT; i++)
		p->rings[i] = (struct ring){ .fd = -1, .memory = MAP_FAILED };
	snprintf(p->name, sizeof(p->name), "%s", interface);
	wrong = open_sockets(p);
	if (!wrong)
		wrong = find_interface(p);
	if (wrong)
		return fail(p, error, wrong);
	p->made = malloc(MADE_SIZE);
	if (!p->made)
		return fail(p, error, "out of memory");
	if (open_ring(p, RING_ORDINARY, guard, ORDINARY_FRAMES) || open_ring(p, RING_SUPER, guard, frames))
		return fail(
			p, error,
			errno == EPERM
				? "no permission to load BPF programs; run as root, or with CAP_BPF and CAP_NET_ADMIN"
				: strerror(errno));
	setsockopt(p->fd, SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer, sizeof(send_buffer));
	return p;
}

void live_port_close(struct live_port *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < RING_COUNT; i++) {
		struct ring *r = &p->rings[i];

		if (r->memory != MAP_FAILED)
			munmap(r->memory, r->size);
		if (r->fd >= 0)
			close(r->fd);
		free(r->place);
	}
	free(p->made);
	free(p);
}

int live_port_fd(const struct live_port *p, unsigned which)
{
	return p->rings[which].fd;
}

unsigned live_port_index(const struct live_port *p)
{
	return p->index;
}

const char *live_port_name(const struct live_port *p)
{
	return p->name;
}

const uint8_t *live_port_mac(const struct live_port *p)
{
	return p->mac;
}

static struct virtio_net_hdr *header_of(uint8_t *frame)
{
	return (void *)(frame - sizeof(struct virtio_net_hdr));
}

/* The ring's next frame, or NULL. */
static const struct tpacket2_hdr *waiting(const struct ring *r)
{
	const struct tpacket2_hdr *h = r->place[r->head % r->frames];

	if (r->head - r->tail == r->frames || !(__atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER))
		return NULL;
	return h;
}

static bool is_older(const struct tpacket2_hdr *a, const struct tpacket2_hdr *b)
{
	return a->tp_sec != b->tp_sec ? a->tp_sec < b->tp_sec : a->tp_nsec <= b->tp_nsec;
}

/* The ring whose next frame is the oldest; NULL if none waits. Whoever sees a frame sees all that came before it, if he
 * looks after that; hence the second look. */
static struct ring *oldest(struct live_port *p)
{
	const struct tpacket2_hdr *ordinary = waiting(&p->rings[RING_ORDINARY]);
	const struct tpacket2_hdr *super = waiting(&p->rings[RING_SUPER]);

	if (super && !ordinary)
		ordinary = waiting(&p->rings[RING_ORDINARY]);
	if (!super)
		return ordinary ? &p->rings[RING_ORDINARY] : NULL;
	return &p->rings[ordinary && is_older(ordinary, super) ? RING_ORDINARY : RING_SUPER];
}

bool live_port_take(struct live_port *p, struct live_frame *f)
{
	for (struct ring *r = oldest(p); r; r = oldest(p)) {
		struct tpacket2_hdr *h = r->place[r->head++ % r->frames];

		if (h->tp_snaplen < h->tp_len) {
			p->stats.rx_too_long++;
			continue;
		}
		PREFETCH(r->place[r->head % r->frames]);
		f->data = (uint8_t *)h + h->tp_mac;
		f->len = h->tp_snaplen;
		f->room = r->place_size - h->tp_mac;
		f->checksum_partial = header_of(f->data)->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
		p->stats.rx_packets++;
		p->stats.rx_bytes += f->len;
		return true;
	}
	return false;
}

void live_port_give_back(struct live_port *p)
{
	for (unsigned i = 0; i < RING_COUNT; i++) {
		struct ring *r = &p->rings[i];

		for (; r->tail != r->head; r->tail++)
			__atomic_store_n(&r->place[r->tail % r->frames]->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	}
}

/* A frame of our own that exceeds the MTU becomes a super-packet, for the kernel to cut. */
static void make_super_packet(const struct live_port *p, const struct packet *packet, uint8_t *frame,
			      struct virtio_net_hdr *header)
{
	struct ipv4_hdr *ip = (void *)(frame + packet->phv.l3_at);
	struct tcp_hdr *tcp = (void *)(frame + packet->phv.l4_at);
	unsigned headers = packet->phv.payload_at - packet->phv.l3_at;
	uint32_t sum = csum_sum(&ip->src, 2 * sizeof(ip->src), 0);

	if (packet->len - packet->phv.l3_at <= p->mtu || packet->phv.ip_proto != IP_PROTO_TCP || headers >= p->mtu)
		return;
	sum += __builtin_bswap16(IP_PROTO_TCP);
	sum += __builtin_bswap16((uint16_t)(packet->len - packet->phv.l4_at));
	tcp->check = (WIRE_FORCE be16)csum_sum(NULL, 0, sum);
	*header = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (WIRE_FORCE __virtio16)packet->phv.payload_at,
		.gso_size = (WIRE_FORCE __virtio16)(uint16_t)(p->mtu - headers),
		.csum_start = (WIRE_FORCE __virtio16)packet->phv.l4_at,
		.csum_offset = (WIRE_FORCE __virtio16)(uint16_t)TCP_CHECK_AT,
	};
}

/* Copies a frame behind a header of its own. Returns the header. */
static uint8_t *copy_made(struct live_port *p, const struct packet *packet)
{
	const size_t header = sizeof(struct virtio_net_hdr);
	uint8_t *to;

	if (p->made_used + header + packet->len > MADE_SIZE)
		live_port_flush(p);
	to = p->made + p->made_used;
	memset(to, 0, header);
	memcpy(to + header, packet->data, packet->len);
	make_super_packet(p, packet, to + header, (void *)to);
	p->made_used += (uint32_t)(header + packet->len + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
	return to;
}

void live_port_send(struct live_port *p, const struct packet *packet, bool in_ring)
{
	uint8_t *from;

	if (p->queued == SEND_MAX)
		live_port_flush(p);
	if (in_ring) {
		struct virtio_net_hdr *header = header_of(packet->data);

		if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM && !packet->checksum_partial)
			*header = (struct virtio_net_hdr){ 0 };
		from = (uint8_t *)header;
	} else {
		from = copy_made(p, packet);
	}
	p->parts[p->queued] = (struct iovec){ from, sizeof(struct virtio_net_hdr) + packet->len };
	p->queue[p->queued].msg_hdr = (struct msghdr){ .msg_iov = &p->parts[p->queued], .msg_iovlen = 1 };
	p->queued++;
}

static void count_sent(struct live_port *p, uint32_t from, uint32_t count)
{
	p->stats.tx_packets += count;
	for (uint32_t i = from; i < from + count; i++)
		p->stats.tx_bytes += p->parts[i].iov_len - sizeof(struct virtio_net_hdr);
}

static void count_refused(struct live_port *p, int error)
{
	if (error == EAGAIN || error == ENOBUFS) {
		p->stats.tx_full++;
	} else if (error == EMSGSIZE) {
		p->stats.tx_too_long++;
	} else {
		p->stats.tx_failed++;
		p->error = error;
	}
}

void live_port_flush(struct live_port *p)
{
	uint32_t done = 0;

	while (done < p->queued) {
		int sent = sendmmsg(p->fd, p->queue + done, p->queued - done, MSG_DONTWAIT);

		if (sent > 0) {
			count_sent(p, done, (uint32_t)sent);
			done += (uint32_t)sent;
		} else if (errno != EINTR) {
			count_refused(p, errno);
			done++; /* the next one may have a better fate */
		}
	}
	p->queued = 0;
	p->made_used = 0;
}

int live_port_take_error(struct live_port *p)
{
	int error = p->error;

	p->error = 0;
	for (unsigned i = 0; i < RING_COUNT; i++) {
		int pending = 0;
		socklen_t len = sizeof(pending);

		/* Reading it clears it: poll() would return for ever. */
		if (getsockopt(p->rings[i].fd, SOL_SOCKET, SO_ERROR, &pending, &len) == 0 && pending)
			error = pending;
	}
	return error;
}

void live_port_stats(struct live_port *p, struct live_port_stats *out)
{
	for (unsigned i = 0; i < RING_COUNT; i++) {
		struct tpacket_stats since_last = { 0 };
		socklen_t len = sizeof(since_last);

		if (getsockopt(p->rings[i].fd, SOL_PACKET, PACKET_STATISTICS, &since_last, &len) == 0)
			p->stats.rx_lost += since_last.tp_drops;
	}
	*out = p->stats;
}
