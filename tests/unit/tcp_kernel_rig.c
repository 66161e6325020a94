/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_kernel_rig.c: an endpoint of tcp.h and the kernel's own TCP at the two ends of one wire.
 *
 * The wire is a TUN device in a network namespace that the process moves into; it ends with the process. What the
 * kernel sends is read from the device, suffers the wire's faults, and is the endpoint's input; the other way likewise.
 * Everything happens in one thread: rig_run() turns the wheel, both applications included. Both send bytes that follow
 * from their position, and compare what they receive with that.
 *
 * Faults are drawn from a seed, but time is real: two runs are alike, not the same. */
#define _GNU_SOURCE
#include "tcp_kernel_rig.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "miresga/checksum.h"
#include "miresga/tcp_options.h"

#define REORDER_NS (2 * NS_PER_MS)
#define TURNS_MIN 4 /* even if the machine takes the time for itself */
#define BURST 64    /* packets read from the device between two looks at the rest */

uint64_t rig_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

struct endpoint rig_stack_end(uint16_t port)
{
	return endpoint_make(be32_from(RIG_STACK_ADDR), be16_from(port));
}

struct endpoint rig_kernel_end(uint16_t port)
{
	return endpoint_make(be32_from(KERNEL_SIDE_ADDR), be16_from(port));
}

static void on_send(void *ctx, struct packet *p, uint64_t now_ns);
static void on_event(void *ctx, struct tcp *c, enum tcp_event e, uint64_t now_ns);
static void pattern_fill(struct rig *r);

bool rig_open(struct rig *r, const struct tcp_settings *settings, uint64_t seed, char why[256])
{
	struct tcp_stack_options o = {
		.connections_max = 8,
		.seed = seed,
		.settings = *settings,
		.ctx = r,
		.send = on_send,
		.event = on_event,
	};

	memset(r, 0, sizeof(*r));
	r->tun = r->listener = r->fd = -1;
	prng_child(&r->prng, seed, "rig", 0);
	pattern_fill(r);
	r->tun = kernel_side_open(why);
	if (r->tun < 0)
		return false;
	r->pool = o.pool = packet_pool_create(2 * RIG_WAITING_MAX, 16);
	r->stack = r->pool ? tcp_stack_create(&o) : NULL;
	MUST(r->stack);
	return true;
}

void rig_close(struct rig *r)
{
	const int fds[] = { r->tun, r->listener, r->fd };

	for (unsigned i = 0; i < RIG_WAITING_MAX && r->pool; i++)
		if (r->waiting[i].packet)
			packet_free(r->pool, r->waiting[i].packet);
	tcp_stack_free(r->stack);
	packet_pool_free(r->pool);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* ---- the wire ------------------------------------------------------------------------------------- */

static void deliver(struct rig *r, enum rig_direction direction, struct packet *p)
{
	struct tcp_options o;

	r->wire[direction].passed++;
	if (direction == RIG_TO_STACK) {
		if (headers_parse(p) == DROP_NONE) {
			tcp_options_parse(packet_tcp_options(p), p->phv.tcp_options_len, &o);
			r->tsval = o.has_timestamps ? o.tsval : r->tsval;
			tcp_stack_input(r->stack, p, rig_now());
		}
	} else if (write(r->tun, p->data + ETH_HDR_LEN, p->len - ETH_HDR_LEN) < 0) {
		r->wire[direction].lost++;
	}
	packet_free(r->pool, p);
}

static void wait_for(struct rig *r, enum rig_direction direction, struct packet *p, uint64_t due_ns)
{
	for (unsigned i = 0; i < RIG_WAITING_MAX; i++)
		if (!r->waiting[i].packet) {
			r->waiting[i] = (struct rig_waiting){ p, due_ns, r->numbers++, direction };
			r->waiting_count++;
			return;
		}
	r->wire[direction].lost++;
	packet_free(r->pool, p);
}

static struct packet *copy_of(struct rig *r, const struct packet *p)
{
	struct packet *copy = packet_alloc(r->pool, p->len);

	if (copy)
		memcpy(copy->data, p->data, p->len);
	return copy;
}

/* The router's word to the sender of `p` (RFC 792, RFC 1191 §4): its header and the first 8 bytes behind. */
static void fragmentation_needed(struct rig *r, enum rig_direction direction, const struct packet *p)
{
	const uint8_t *ip = p->data + ETH_HDR_LEN;
	size_t quoted = MIN((size_t)(ip[0] & 15) * 4 + 8, p->len - ETH_HDR_LEN), len = IPV4_HDR_MIN + 8 + quoted;
	struct packet *answer = packet_alloc(r->pool, (uint32_t)(ETH_HDR_LEN + len));
	uint8_t *icmp;
	struct ipv4_hdr head = {
		.version_ihl = 0x45,
		.total_len = be16_from((uint16_t)len),
		.ttl = 64,
		.proto = IP_PROTO_ICMP,
		.src = be32_from(RIG_ROUTER_ADDR),
	};
	uint16_t sum;

	if (!answer)
		return;
	memset(answer->data, 0, answer->len);
	store_be16(answer->data + 12, ETHERTYPE_IPV4);
	memcpy(&head.dst, ip + 12, 4);
	head.check = csum_ipv4(&head, IPV4_HDR_MIN);
	memcpy(answer->data + ETH_HDR_LEN, &head, sizeof(head));
	icmp = answer->data + ETH_HDR_LEN + IPV4_HDR_MIN;
	icmp[0] = ICMP_UNREACHABLE;
	icmp[1] = 4;
	store_be16(icmp + 6, (uint16_t)r->wire[direction].mtu);
	memcpy(icmp + 8, ip, quoted);
	sum = (uint16_t)~csum_sum(icmp, 8 + quoted, 0);
	memcpy(icmp + 2, &sum, 2);
	wait_for(r, direction == RIG_TO_KERNEL ? RIG_TO_STACK : RIG_TO_KERNEL, answer, 0);
}

/* A bit of the payload, so that it is the checksum of TCP that has to notice. */
static void corrupt(struct rig *r, enum rig_direction direction, struct packet *p)
{
	uint32_t at = ETH_HDR_LEN + IPV4_HDR_MIN + TCP_HDR_MAX;

	if (p->len <= at)
		return;
	p->data[at + prng_below(&r->prng, p->len - at)] ^= (uint8_t)(1u << prng_below(&r->prng, 8));
	r->wire[direction].corrupted++;
}

/* A packet enters the wire; ownership passes. */
static void enter(struct rig *r, enum rig_direction direction, struct packet *p)
{
	struct rig_wire *w = &r->wire[direction];
	uint64_t due = 0;
	struct packet *twin;

	if (w->mtu && p->len - ETH_HDR_LEN > w->mtu) {
		w->too_big++;
		fragmentation_needed(r, direction, p);
		packet_free(r->pool, p);
		return;
	}
	if (w->cut || prng_below(&r->prng, 1000) < w->loss) {
		w->lost++;
		packet_free(r->pool, p);
		return;
	}
	twin = prng_below(&r->prng, 1000) < w->duplication ? copy_of(r, p) : NULL;
	if (twin)
		wait_for(r, direction, twin, 0);
	if (prng_below(&r->prng, 1000) < w->corruption)
		corrupt(r, direction, p);
	if (prng_below(&r->prng, 1000) < w->reordering)
		due = rig_now() + REORDER_NS;
	wait_for(r, direction, p, due);
}

static void on_send(void *ctx, struct packet *p, uint64_t now_ns)
{
	(void)now_ns;
	enter(ctx, RIG_TO_KERNEL, p);
}

void rig_inject(struct rig *r, enum rig_direction direction, const struct tcp_packet_spec *spec)
{
	struct packet *p = packet_make_tcp(r->pool, spec);

	MUST(p);
	deliver(r, direction, p);
}

/* False: there is more. */
static bool read_device(struct rig *r)
{
	uint8_t bytes[RIG_PIECE];
	ssize_t n = 1;

	for (unsigned i = 0; i < BURST && (n = read(r->tun, bytes, sizeof(bytes))) > 0; i++) {
		struct packet *p = packet_alloc(r->pool, ETH_HDR_LEN + (uint32_t)n);

		MUST(p);
		memset(p->data, 0, ETH_HDR_LEN);
		store_be16(p->data + 12, ETHERTYPE_IPV4);
		memcpy(p->data + ETH_HDR_LEN, bytes, (size_t)n);
		enter(r, RIG_TO_STACK, p);
	}
	return n <= 0;
}

/* The packet that is due and came first, or NULL. */
static struct rig_waiting *first_due(struct rig *r, uint64_t now)
{
	struct rig_waiting *first = NULL;

	for (unsigned i = 0, seen = 0; i < RIG_WAITING_MAX && seen < r->waiting_count; i++) {
		struct rig_waiting *w = &r->waiting[i];

		seen += w->packet != NULL;
		if (w->packet && w->due_ns <= now && !r->wire[w->direction].held &&
		    (!first || w->number < first->number))
			first = w;
	}
	return first;
}

static void deliver_due(struct rig *r)
{
	struct rig_waiting *w;

	while ((w = first_due(r, rig_now()))) {
		struct packet *p = w->packet;

		w->packet = NULL;
		r->waiting_count--;
		deliver(r, w->direction, p);
	}
}

/* ---- the applications ----------------------------------------------------------------------------- */

static void pattern_fill(struct rig *r)
{
	for (size_t i = 0; i < sizeof(r->pattern); i++)
		r->pattern[i] = (uint8_t)(((i % RIG_PATTERN) * UINT64_C(0x9e3779b97f4a7c15)) >> 40);
}

/* RIG_PIECE bytes from any position can be had from here. */
static const uint8_t *pattern_at(const struct rig *r, uint64_t position)
{
	return &r->pattern[position % RIG_PATTERN];
}

static void party_receives(const struct rig *r, struct rig_party *party, const uint8_t *data, size_t len)
{
	for (size_t n; len > 0; data += n, len -= n) {
		n = MIN(len, (size_t)RIG_PIECE);
		if (memcmp(data, pattern_at(r, party->received), n) != 0)
			party->wrong = true;
		party->received += n;
	}
}

static void ours_reads(struct rig *r)
{
	const uint8_t *data;
	uint32_t n;

	while (r->c && !r->ours.paused && (n = tcp_peek(r->c, &data)) > 0) {
		party_receives(r, &r->ours, data, n);
		tcp_consume(r->c, n, rig_now());
	}
}

static void ours_writes(struct rig *r)
{
	struct rig_party *o = &r->ours;
	uint32_t took = 1;

	while (r->c && o->connected && took > 0 && o->sent < o->to_send) {
		took = tcp_write(r->c, pattern_at(r, o->sent), (uint32_t)MIN(o->to_send - o->sent, (uint64_t)RIG_PIECE),
				 false, rig_now());
		o->sent += took;
	}
	if (r->c && o->connected && o->shut_when_sent && !o->shut && o->sent == o->to_send) {
		o->shut = true;
		tcp_shutdown(r->c, rig_now());
	}
}

static void on_event(void *ctx, struct tcp *c, enum tcp_event e, uint64_t now_ns)
{
	struct rig *r = ctx;

	(void)now_ns;
	if (e == TCP_EVENT_ACCEPTED)
		r->c = c;
	if (c != r->c)
		return;
	r->ours.connected |= e == TCP_EVENT_ACCEPTED || e == TCP_EVENT_CONNECTED;
	r->ours.eof |= e == TCP_EVENT_PEER_CLOSED;
	r->reset |= e == TCP_EVENT_RESET;
	r->timed_out |= e == TCP_EVENT_TIMED_OUT;
	r->ended |= e == TCP_EVENT_ENDED;
	if (e == TCP_EVENT_READABLE || e == TCP_EVENT_PEER_CLOSED)
		ours_reads(r);
	if (r->reset || r->timed_out || r->ended)
		r->c = NULL;
}

void rig_kernel_listen(struct rig *r)
{
	r->listener = kernel_socket(RIG_PORT);
	MUST(listen(r->listener, 4) == 0);
}

void rig_kernel_connect(struct rig *r, uint16_t port)
{
	r->fd = kernel_socket(port);
	r->error = kernel_connect(r->fd, RIG_STACK_ADDR, RIG_PORT);
	r->connecting = r->error == EINPROGRESS;
	if (r->connecting)
		r->error = 0;
}

void rig_forget(struct rig *r)
{
	static const struct rig_party none;

	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	r->connecting = false;
	r->error = 0;
	r->c = NULL;
	r->reset = r->timed_out = r->ended = false;
	r->states = 0;
	r->ours = r->theirs = none;
}

static void theirs_connects(struct rig *r)
{
	if (r->listener >= 0 && r->fd < 0) {
		r->fd = kernel_accept(r->listener);
		r->theirs.connected = r->fd >= 0;
	}
	if (r->connecting && kernel_connect_done(r->fd, &r->error)) {
		r->connecting = false;
		r->theirs.connected = r->error == 0;
	}
}

static void theirs_reads(struct rig *r)
{
	uint8_t bytes[RIG_PIECE];
	ssize_t n = 1;

	while (!r->theirs.paused && !r->theirs.eof && !r->error && n > 0) {
		n = read(r->fd, bytes, sizeof(bytes));
		if (n > 0)
			party_receives(r, &r->theirs, bytes, (size_t)n);
		else if (n == 0)
			r->theirs.eof = true;
		else if (errno != EAGAIN)
			r->error = errno;
	}
}

static void theirs_writes(struct rig *r)
{
	struct rig_party *t = &r->theirs;
	ssize_t n = 1;

	while (!t->shut && !r->error && n > 0 && t->sent < t->to_send) {
		n = send(r->fd, pattern_at(r, t->sent), (size_t)MIN(t->to_send - t->sent, (uint64_t)RIG_PIECE),
			 MSG_NOSIGNAL);
		if (n > 0)
			t->sent += (uint64_t)n;
		else if (errno != EAGAIN)
			r->error = errno;
	}
	if (t->shut_when_sent && !t->shut && t->sent == t->to_send) {
		t->shut = true;
		shutdown(r->fd, SHUT_WR);
	}
}

/* ---- the wheel ------------------------------------------------------------------------------------ */

static void turn(struct rig *r)
{
	bool all = read_device(r);
	struct tcp_info info;

	deliver_due(r);
	/* Not before what has arrived meanwhile: the machine may be busy with other things. */
	if (all && tcp_stack_next_wake(r->stack) <= rig_now())
		tcp_stack_timers(r->stack, rig_now());
	theirs_connects(r);
	if (r->fd >= 0 && r->theirs.connected) {
		theirs_reads(r);
		theirs_writes(r);
	}
	ours_reads(r);
	ours_writes(r);
	deliver_due(r);
	if (r->c) {
		tcp_info(r->c, &info);
		r->states |= 1u << info.state;
	}
}

/* Until something happens, at most a millisecond: the applications are looked at in between. */
static void rest(const struct rig *r)
{
	struct pollfd p = { .fd = r->tun, .events = POLLIN };
	uint64_t wake = MIN(tcp_stack_next_wake(r->stack), rig_now() + NS_PER_MS), now = rig_now();
	struct timespec t = { .tv_nsec = wake > now ? (long)(wake - now) : 0 };

	ppoll(&p, 1, &t, NULL);
}

bool rig_run(struct rig *r, bool (*done)(const struct rig *r), unsigned ms)
{
	uint64_t until = rig_now() + ms * NS_PER_MS;

	for (unsigned turns = 0; !done(r); turns++) {
		if (turns >= TURNS_MIN && rig_now() > until)
			return false;
		turn(r);
		if (!done(r))
			rest(r);
	}
	return true;
}
