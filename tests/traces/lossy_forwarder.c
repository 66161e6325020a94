/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lossy_forwarder: an Ethernet wire with faults, for capture.sh.
 *
 * It copies every frame that arrives on one interface to the other, and back.  Of the IPv4 frames it drops some and
 * holds some back, so that the endpoints retransmit, and see (and report with SACK) gaps and reordering.  It exists
 * because many kernels come without the netem queueing discipline.
 *
 * What happens to the n-th IPv4 frame of a direction is a function of (seed, direction, n) alone; nothing here reads a
 * random source.  The very first one is always dropped: it belongs to a handshake, of which there are too few to leave
 * the loss of a SYN and of a SYN-ACK to chance.  A held frame leaves after HOLD_FRAMES later frames of its direction
 * have left, or after HOLD_MS, which stays well below Linux's least retransmission timeout of 200 ms: reordering is not
 * mistaken for loss.
 *
 * Life-cycle: open both packet sockets, poll until SIGINT or SIGTERM arrives (through a signalfd), send what is still
 * held, print the counts on stderr.  A frame is never altered, so the endpoints must do without checksum and
 * segmentation offloads; a frame longer than FRAME_MAX is refused: it is a segment that only offloading can make.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 1518
#define HELD_MAX 8
#define HOLD_FRAMES 4
#define HOLD_MS 15

struct held {
	uint8_t bytes[FRAME_MAX];
	size_t length;
	int frames_left;
	uint64_t due_ms;
};

/* One direction of the wire.  held[] is in arrival order; held_count says how many slots are in use. */
struct direction {
	int in;
	int out;
	uint64_t seed;
	uint64_t seen;
	uint64_t dropped;
	uint64_t reordered;
	int held_count;
	struct held held[HELD_MAX];
};

struct faults {
	unsigned drop_permille;
	unsigned hold_permille;
};

static void die(const char *what)
{
	fprintf(stderr, "lossy_forwarder: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) != 0)
		die("clock_gettime");
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* splitmix64's finaliser: frame n of a direction has its fate before it arrives.  Frame 0's is to be dropped. */
static unsigned permille(uint64_t seed, uint64_t n)
{
	uint64_t z = seed + n * UINT64_C(0x9e3779b97f4a7c15);

	if (n == 0)
		return 0;
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((z ^ (z >> 31)) % 1000);
}

static int open_interface(const char *name)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int on = 1;
	int fd;

	address.sll_ifindex = (int)if_nametoindex(name);
	if (address.sll_ifindex == 0)
		die(name);
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("socket");
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0)
		die("PACKET_IGNORE_OUTGOING");
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		die("bind");
	return fd;
}

static void emit(int fd, const uint8_t *bytes, size_t length)
{
	while (send(fd, bytes, length, 0) < 0) {
		if (errno != ENOBUFS && errno != EINTR && errno != EAGAIN)
			die("send");
	}
}

static void release(struct direction *d, int slot)
{
	emit(d->out, d->held[slot].bytes, d->held[slot].length);
	d->held_count--;
	memmove(&d->held[slot], &d->held[slot + 1], (size_t)(d->held_count - slot) * sizeof(d->held[0]));
}

/* A frame has left: those that waited for it come one nearer to leaving. */
static void count_down(struct direction *d)
{
	int slot = 0;

	while (slot < d->held_count) {
		if (--d->held[slot].frames_left <= 0)
			release(d, slot);
		else
			slot++;
	}
}

static void release_overdue(struct direction *d, uint64_t ms)
{
	int slot = 0;

	while (slot < d->held_count) {
		if (d->held[slot].due_ms <= ms)
			release(d, slot);
		else
			slot++;
	}
}

static void hold(struct direction *d, const uint8_t *bytes, size_t length)
{
	struct held *held = &d->held[d->held_count++];

	memcpy(held->bytes, bytes, length);
	held->length = length;
	held->frames_left = HOLD_FRAMES;
	held->due_ms = now_ms() + HOLD_MS;
	d->reordered++;
}

static bool is_ipv4(const uint8_t *bytes, size_t length)
{
	return length >= ETH_HLEN && bytes[12] == 0x08 && bytes[13] == 0x00;
}

static void receive(struct direction *d, const struct faults *faults)
{
	uint8_t bytes[FRAME_MAX + 1];
	ssize_t length = recv(d->in, bytes, sizeof(bytes), MSG_DONTWAIT);
	unsigned fate;

	if (length < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return;
		die("recv");
	}
	if ((size_t)length > FRAME_MAX) {
		fputs("lossy_forwarder: a frame larger than the link's: switch segmentation offload off\n", stderr);
		exit(1);
	}
	if (is_ipv4(bytes, (size_t)length)) {
		fate = permille(d->seed, d->seen++);
		if (fate < faults->drop_permille) {
			d->dropped++;
			return;
		}
		if (fate < faults->drop_permille + faults->hold_permille && d->held_count < HELD_MAX) {
			hold(d, bytes, (size_t)length);
			return;
		}
	}
	emit(d->out, bytes, (size_t)length);
	count_down(d);
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		die("sigprocmask");
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		die("signalfd");
	return fd;
}

static void forward(struct direction wire[2], const struct faults *faults)
{
	struct pollfd fds[3] = {
		{ .fd = wire[0].in, .events = POLLIN },
		{ .fd = wire[1].in, .events = POLLIN },
		{ .fd = open_signals(), .events = POLLIN },
	};

	while ((fds[2].revents & POLLIN) == 0) {
		if (poll(fds, 3, wire[0].held_count + wire[1].held_count > 0 ? 1 : -1) < 0 && errno != EINTR)
			die("poll");
		for (int i = 0; i < 2; i++) {
			if (fds[i].revents & POLLIN)
				receive(&wire[i], faults);
			release_overdue(&wire[i], now_ms());
		}
	}
	for (int i = 0; i < 2; i++)
		release_overdue(&wire[i], UINT64_MAX);
	close(fds[2].fd);
}

static uint64_t number(const char *text, uint64_t max)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || value > max) {
		fprintf(stderr, "lossy_forwarder: %s: not a number from 0 to %" PRIu64 "\n", text, max);
		exit(2);
	}
	return value;
}

int main(int argc, char **argv)
{
	struct direction *wire;
	struct faults faults;
	uint64_t seed;
	int fd[2];

	if (argc != 6) {
		fputs("usage: lossy_forwarder INTERFACE INTERFACE SEED DROP_PERMILLE HOLD_PERMILLE\n", stderr);
		return 2;
	}
	seed = number(argv[3], UINT64_MAX);
	faults.drop_permille = (unsigned)number(argv[4], 1000);
	faults.hold_permille = (unsigned)number(argv[5], 1000);
	wire = calloc(2, sizeof(wire[0]));
	if (wire == NULL)
		die("calloc");
	for (int i = 0; i < 2; i++)
		fd[i] = open_interface(argv[1 + i]);
	for (int i = 0; i < 2; i++) {
		wire[i].in = fd[i];
		wire[i].out = fd[1 - i];
		wire[i].seed = seed + (uint64_t)i * UINT64_C(0xd1342543de82ef95);
	}
	fputs("lossy_forwarder: ready\n", stderr);
	forward(wire, &faults);
	for (int i = 0; i < 2; i++) {
		fprintf(stderr, "%s to %s: %" PRIu64 " frames, %" PRIu64 " dropped, %" PRIu64 " held back\n",
			argv[1 + i], argv[2 - i], wire[i].seen, wire[i].dropped, wire[i].reordered);
		close(fd[i]);
	}
	free(wire);
	return 0;
}
