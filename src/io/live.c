/* SPDX-License-Identifier: BSD-2-Clause */
/* live.c: the host of a world whose clients and backends are real (live.h).
 *
 * One thread. A round takes what waits in the rings, at most ROUND_MAX frames of each; puts it into the world at the
 * client port, or on the wire of the backend that it came from; lets the world work until nothing is left in flight;
 * sends what came out; and gives the rings' places back. A packet descriptor of the host points into the ring, so a
 * forwarded frame is never copied here, and nothing is allocated. The world's time is the kernel's monotonic clock.
 *
 * Without work it looks on for `live.busy_poll`, then sleeps until a frame comes or a timer is due.
 *
 * MAC addresses: the model of the switch writes its own; here they get the real ones. A backend's, or its
 * gateway's, comes from the kernel's neighbour table, and is asked for again until it is known. A client's is the one
 * that its packets come from ("auto last hop"): there is no route to configure, and none to be wrong. Where the
 * table of clients is full, the oldest of four gives way; it comes back with that client's next packet.
 *
 * Invariants: after world_run() every descriptor of the host is free, and what it pointed to is queued or ended.
 * Refusals: no interface, no privilege, no route (live_open() says so); a frame whose next hop is not known is
 * dropped and counted. */
#define _GNU_SOURCE /* ppoll() */
#include "miresga/live.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "live_taps.h"
#include "miresga/hash.h"
#include "miresga/neighbour.h"
#include "miresga/world.h"

#define ROUND_MAX 64u
/* While a backend's MAC address is not known. */
#define RETRY_NS (NS_PER_S / 2)
#define SLEEP_MAX_NS NS_PER_S
/* How long live_open() waits for the backends to answer. */
#define PATIENCE_STEPS 20
#define PATIENCE_STEP_NS (50 * NS_PER_MS)

#define CLIENT_WAYS 4u
#define CLIENT_SETS 16384u
#define BACKEND_SLOTS 1024u

struct live_client {
	be32 address; /* 0: free */
	uint8_t mac[ETH_ADDR_LEN];
	uint8_t zero[2];
};

struct live_backend {
	struct live_port *port;
	struct neighbour_route route;
	bool known;
	uint8_t mac[ETH_ADDR_LEN];
};

struct live {
	const struct config *config;
	struct live_options options;
	struct world *world;
	struct live_taps *taps;
	int netlink;
	unsigned port_count;
	struct live_port *ports[LIVE_PORTS_MAX];
	int silences[LIVE_PORTS_MAX]; /* descriptors, -1: none */
	struct live_port *client_port;
	struct live_backend backends[BACKENDS_MAX];
	unsigned unknown;		      /* backends whose MAC address is not known */
	uint16_t backend_slot[BACKEND_SLOTS]; /* endpoint -> backend + 1, open addressing */
	struct live_client (*clients)[CLIENT_WAYS];
	uint32_t client_turn;
	uint64_t started_ns, retry_ns;
	uint64_t no_neighbour, stray;
	uint32_t used; /* of round */
	struct packet round[LIVE_PORTS_MAX * ROUND_MAX];
};

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void tell(const struct live *l, bool warning, const char *format, ...) FORMAT_PRINTF(3, 4);

static void tell(const struct live *l, bool warning, const char *format, ...)
{
	char text[LIVE_ERROR_MAX];
	va_list args;

	if (!l->options.tell)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	l->options.tell(l->options.tell_ctx, warning, text);
}

/* --- neighbours ---------------------------------------------------------------------------------- */

static void learn_client(struct live *l, be32 address, const uint8_t mac[ETH_ADDR_LEN])
{
	struct live_client *set = l->clients[hash_mix64((WIRE_FORCE uint32_t)address) % CLIENT_SETS];
	struct live_client *c = NULL;

	for (unsigned i = 0; i < CLIENT_WAYS && !c; i++)
		if (set[i].address == address || set[i].address == be32_from(0))
			c = &set[i];
	if (!c)
		c = &set[l->client_turn++ % CLIENT_WAYS];
	if (LIKELY(c->address == address && memcmp(c->mac, mac, ETH_ADDR_LEN) == 0))
		return;
	c->address = address;
	memcpy(c->mac, mac, ETH_ADDR_LEN);
}

static const uint8_t *client_mac(const struct live *l, be32 address)
{
	const struct live_client *set = l->clients[hash_mix64((WIRE_FORCE uint32_t)address) % CLIENT_SETS];

	for (unsigned i = 0; i < CLIENT_WAYS; i++)
		if (set[i].address == address)
			return set[i].mac;
	return NULL;
}

/* Asks the kernel for those MAC addresses that are not known. */
static void find_backends(struct live *l)
{
	l->unknown = 0;
	for (unsigned i = 0; i < l->config->backend_count; i++) {
		struct live_backend *b = &l->backends[i];

		if (b->known)
			continue;
		b->known = neighbour_mac(l->netlink, b->route.ifindex, b->route.next_hop, b->mac) == 0;
		if (b->known)
			continue;
		l->unknown++;
		neighbour_provoke(live_port_name(b->port), b->route.next_hop);
	}
}

static void find_backends_again(struct live *l, uint64_t now_ns)
{
	if (LIKELY(l->unknown == 0) || now_ns < l->retry_ns)
		return;
	find_backends(l);
	l->retry_ns = now_ns + RETRY_NS;
}

static unsigned backend_hash(struct endpoint e)
{
	return (unsigned)(hash_mix64(endpoint_word(e)) % BACKEND_SLOTS);
}

/* Index of the backend with that address, or -1. */
static int backend_find(const struct live *l, struct endpoint e)
{
	for (unsigned at = backend_hash(e); l->backend_slot[at] > 0; at = (at + 1) % BACKEND_SLOTS) {
		unsigned i = l->backend_slot[at] - 1u;

		if (endpoint_equal(l->config->backends[i].address, e))
			return (int)i;
	}
	return -1;
}

/* --- what comes out of the world ------------------------------------------------------------------ */

static void send_on(struct live *l, struct live_port *port, struct packet *p, const uint8_t *mac)
{
	struct eth_hdr *eth = (void *)p->data;

	if (UNLIKELY(!mac)) {
		l->no_neighbour++;
		return;
	}
	memcpy(eth->dst, mac, ETH_ADDR_LEN);
	memcpy(eth->src, live_port_mac(port), ETH_ADDR_LEN);
	live_port_send(port, p, p->size_class == PACKET_OF_HOST);
}

static void client_received(void *ctx, struct packet *p, uint64_t now_ns)
{
	struct live *l = ctx;
	struct arp_hdr *arp = (void *)(p->data + p->phv.l3_at);
	uint8_t asker[ETH_ADDR_LEN];

	(void)now_ns;
	if (LIKELY(p->phv.ether_type == ETHERTYPE_IPV4)) {
		send_on(l, l->client_port, p, client_mac(l, packet_ip(p)->dst));
		return;
	}
	memcpy(arp->sender_hw, live_port_mac(l->client_port), ETH_ADDR_LEN);
	memcpy(asker, arp->target_hw, ETH_ADDR_LEN);
	send_on(l, l->client_port, p, asker);
}

static void wire_received(void *ctx, unsigned backend, struct packet *p, uint64_t now_ns)
{
	struct live *l = ctx;
	const struct live_backend *b = &l->backends[backend];

	(void)now_ns;
	send_on(l, b->port, p, b->known ? b->mac : NULL);
}

static void tapped(void *ctx, enum tap_kind kind, unsigned index, bool towards_server, const uint8_t *frame,
		   uint32_t len, const struct packet *p, uint64_t now_ns)
{
	struct live *l = ctx;

	(void)towards_server;
	live_taps_write(l->taps, live_taps_interface(l->taps, kind, index), frame, len, p, now_ns);
}

/* --- what goes in --------------------------------------------------------------------------------- */

/* The filter has looked at the headers already; here they only tell where the frame is from. */
static int classify(const struct live *l, const struct live_port *port, const struct live_frame *f)
{
	const struct ipv4_hdr *ip = (const void *)(f->data + ETH_HDR_LEN);
	uint32_t ihl;

	if (f->len < ETH_HDR_LEN + IPV4_HDR_MIN)
		return -1;
	if (port == l->client_port &&
	    (ip->dst == l->config->vip.addr || load_be16(f->data + ETH_HDR_LEN - 2) == ETHERTYPE_ARP))
		return PORT_CLIENT;
	ihl = (ip->version_ihl & 15) * 4u;
	if (f->len < ETH_HDR_LEN + ihl + sizeof(be16))
		return -1;
	return PORT_BACKEND(0) +
	       backend_find(l, endpoint_make(ip->src, be16_from(load_be16((const uint8_t *)ip + ihl))));
}

static void put_in(struct live *l, struct live_port *port, const struct live_frame *f)
{
	const struct eth_hdr *eth = (const void *)f->data;
	const struct ipv4_hdr *ip = (const void *)(f->data + ETH_HDR_LEN);
	int from = classify(l, port, f);
	struct packet *p;

	if (UNLIKELY(from < 0 || from == PORT_BACKEND(0) - 1)) {
		l->stray++;
		return;
	}
	MUST(l->used < ARRAY_LEN(l->round));
	p = &l->round[l->used++];
	*p = (struct packet){
		.data = f->data,
		.len = f->len,
		.room = f->room,
		.size_class = PACKET_OF_HOST,
		.checksum_partial = f->checksum_partial,
	};
	if (from == PORT_CLIENT) {
		if (be16_to(eth->type) == ETHERTYPE_IPV4)
			learn_client(l, ip->src, eth->src);
		world_client_sends(l->world, p);
	} else {
		world_wire_carries(l->world, (unsigned)(from - PORT_BACKEND(0)), false, p);
	}
}

/* --- the loop ------------------------------------------------------------------------------------- */

static void flush(struct live *l)
{
	for (unsigned i = 0; i < l->port_count; i++)
		live_port_flush(l->ports[i]);
	for (unsigned i = 0; i < l->port_count; i++)
		live_port_give_back(l->ports[i]);
	for (uint32_t i = 0; i < l->used; i++)
		MUST(!l->round[i].data);
	l->used = 0;
}

/* One round. Returns the number of frames that it took. */
static uint32_t round_run(struct live *l, uint64_t now_ns)
{
	struct live_frame f;
	uint32_t taken = 0;

	world_run(l->world, now_ns); /* what timers send goes first; and now it is now */
	for (unsigned i = 0; i < l->port_count; i++)
		for (uint32_t n = 0; n < ROUND_MAX && live_port_take(l->ports[i], &f); n++, taken++)
			put_in(l, l->ports[i], &f);
	if (taken)
		world_run(l->world, now_ns);
	flush(l);
	return taken;
}

static void sleep_until_work(struct live *l, uint64_t now_ns)
{
	uint64_t due_ns = world_next_due(l->world), wait_ns = SLEEP_MAX_NS;
	struct pollfd fds[LIVE_PORT_FDS * LIVE_PORTS_MAX];
	struct timespec timeout;

	if (l->unknown)
		wait_ns = RETRY_NS;
	if (due_ns < now_ns + wait_ns)
		wait_ns = due_ns > now_ns ? due_ns - now_ns : 0;
	timeout = (struct timespec){ .tv_sec = (time_t)(wait_ns / NS_PER_S), .tv_nsec = (long)(wait_ns % NS_PER_S) };
	for (unsigned i = 0; i < LIVE_PORT_FDS * l->port_count; i++)
		fds[i] = (struct pollfd){ .fd = live_port_fd(l->ports[i / LIVE_PORT_FDS], i % LIVE_PORT_FDS),
					  .events = POLLIN };
	ppoll(fds, LIVE_PORT_FDS * l->port_count, &timeout, NULL);
}

/* An interface that has gone is an end; one that is down may come back. */
static int check_interfaces(struct live *l, char error[LIVE_ERROR_MAX])
{
	char name[IF_NAMESIZE];

	for (unsigned i = 0; i < l->port_count; i++) {
		live_port_take_error(l->ports[i]);
		if (!if_indextoname(live_port_index(l->ports[i]), name)) {
			snprintf(error, LIVE_ERROR_MAX, "interface %s has gone", live_port_name(l->ports[i]));
			return -1;
		}
	}
	return 0;
}

int live_run(struct live *l, char error[LIVE_ERROR_MAX])
{
	uint64_t busy_ns = clock_ns(), checked_ns = busy_ns;

	l->started_ns = busy_ns;
	while (!*l->options.stop) {
		uint64_t now_ns = clock_ns();

		find_backends_again(l, now_ns);
		if (now_ns - checked_ns > NS_PER_S) {
			checked_ns = now_ns;
			if (check_interfaces(l, error))
				return -1;
		}
		if (round_run(l, now_ns))
			busy_ns = now_ns;
		else if (now_ns - busy_ns >= l->config->live.busy_poll_ns)
			sleep_until_work(l, now_ns);
	}
	return 0;
}

/* --- set-up --------------------------------------------------------------------------------------- */

static struct live *fail(struct live *l, char error[LIVE_ERROR_MAX], const char *format, ...) FORMAT_PRINTF(3, 4);

static struct live *fail(struct live *l, char error[LIVE_ERROR_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, LIVE_ERROR_MAX, format, args);
	va_end(args);
	live_close(l);
	return NULL;
}

/* The interface that leads to each backend. NULL, or -1 and a message. */
static int find_route(struct live *l, unsigned index, char error[LIVE_ERROR_MAX])
{
	const struct config_backend *b = &l->config->backends[index];
	struct live_backend *to = &l->backends[index];
	char address[ENDPOINT_TEXT_MAX];
	unsigned ifindex = 0;
	int number;

	if (b->interface[0] && !(ifindex = if_nametoindex(b->interface))) {
		snprintf(error, LIVE_ERROR_MAX, "backend %s: there is no interface %s here; `ip link` lists them",
			 b->name, b->interface);
		return -1;
	}
	number = neighbour_route(l->netlink, b->address.addr, ifindex, &to->route);
	endpoint_format(b->address, address);
	if (number == -EADDRINUSE)
		snprintf(error, LIVE_ERROR_MAX,
			 "backend %s: %s is an address of this host; a backend is another one, with its agent", b->name,
			 address);
	else if (number)
		snprintf(error, LIVE_ERROR_MAX,
			 "backend %s: no route to %s (%s); add one, or name backends[].interface", b->name, address,
			 strerror(-number));
	return number ? -1 : 0;
}

/* What each interface leads to; the clients' is the first. Returns how many, or -1 and a message. */
static int gather_guards(struct live *l, struct live_guard *guards, char error[LIVE_ERROR_MAX])
{
	unsigned ifindex[LIVE_PORTS_MAX] = { if_nametoindex(l->config->live.interface) };
	unsigned count = 1;

	for (unsigned i = 0; i < l->config->backend_count; i++) {
		unsigned at = 0;

		if (find_route(l, i, error))
			return -1;
		while (at < count && ifindex[at] != l->backends[i].route.ifindex)
			at++;
		if (at == LIVE_PORTS_MAX) {
			snprintf(error, LIVE_ERROR_MAX, "the backends are behind more than %d interfaces",
				 LIVE_PORTS_MAX - 1);
			return -1;
		}
		ifindex[at] = l->backends[i].route.ifindex;
		count = MAX(count, at + 1);
		guards[at].backends[guards[at].backend_count++] = l->config->backends[i].address;
	}
	for (unsigned i = 0; i < count; i++) {
		guards[i].vip = l->config->vip;
		guards[i].clients = i == 0;
		live_guard_find_locals(&guards[i]);
	}
	return (int)count;
}

/* Opens the ports, `guards` says for what. 0, or -1 and a message. */
static int open_ports(struct live *l, const struct live_guard *guards, unsigned count, char error[LIVE_ERROR_MAX])
{
	char name[IF_NAMESIZE];

	for (unsigned i = 0; i < count; i++) {
		unsigned ifindex = 0;

		for (unsigned j = 0; i > 0 && j < l->config->backend_count && !ifindex; j++)
			if (endpoint_equal(l->config->backends[j].address, guards[i].backends[0]))
				ifindex = l->backends[j].route.ifindex;
		if (i > 0 && !if_indextoname(ifindex, name)) {
			snprintf(error, LIVE_ERROR_MAX, "interface %u has gone", ifindex);
			return -1;
		}
		l->ports[i] = live_port_open(i == 0 ? l->config->live.interface : name, &guards[i],
					     l->config->live.ring, error);
		if (!l->ports[i])
			return -1;
		l->port_count = i + 1;
	}
	l->client_port = l->ports[0];
	for (unsigned j = 0; j < l->config->backend_count; j++)
		for (unsigned i = 0; i < count; i++)
			if (live_port_index(l->ports[i]) == l->backends[j].route.ifindex)
				l->backends[j].port = l->ports[i];
	return 0;
}

static bool host_forwards(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_forward", "re");
	int c = f ? fgetc(f) : '0';

	if (f)
		fclose(f);
	return c == '1';
}

/* Only an address of its own, or forwarding, makes the stack take notice of the switch's packets. */
static void silence_stack(struct live *l, const struct live_guard *guards)
{
	bool local = live_guard_vip_is_local(l->config->vip.addr);

	for (unsigned i = 0; i < l->port_count && l->config->live.silence; i++) {
		l->silences[i] = live_guard_silence(&guards[i], live_port_index(l->ports[i]));
		if (l->silences[i] < 0 && (local || host_forwards()))
			tell(l, true,
			     "interface %s: this host's own stack cannot be kept from %s (%s; Linux >= 6.6 can); have "
			     "it "
			     "drop them, as docs/live.md says, or it resets the connections",
			     live_port_name(l->ports[i]), i == 0 ? "packets for the VIP" : "the backends' packets",
			     strerror(-l->silences[i]));
	}
	if (!l->config->live.silence && (local || host_forwards()))
		tell(l, true, "live.silence is off, and this host %s: its own stack may interfere",
		     local ? "has the VIP's address" : "forwards packets");
}

/* Waits a moment for the backends; those that stay away are looked for again while it runs. */
static void await_backends(struct live *l)
{
	const struct timespec step = { .tv_nsec = PATIENCE_STEP_NS };
	char hop[ENDPOINT_TEXT_MAX];

	find_backends(l);
	for (unsigned i = 0; l->unknown && i < PATIENCE_STEPS && !*l->options.stop; i++) {
		nanosleep(&step, NULL);
		find_backends(l);
	}
	for (unsigned i = 0; i < l->config->backend_count; i++) {
		const struct live_backend *b = &l->backends[i];

		if (b->known)
			continue;
		endpoint_format(endpoint_make(b->route.next_hop, be16_from(0)), hop);
		hop[strcspn(hop, ":")] = '\0';
		tell(l, true, "backend %s: nobody answers for %s on %s yet: is it up? Its packets are lost until then",
		     l->config->backends[i].name, hop, live_port_name(b->port));
	}
}

static int bind_all(struct live *l, char error[LIVE_ERROR_MAX])
{
	struct live_guard *guards = calloc(LIVE_PORTS_MAX, sizeof(*guards));
	int count = guards ? gather_guards(l, guards, error) : -1, failed = -1;

	if (!guards)
		snprintf(error, LIVE_ERROR_MAX, "out of memory");
	if (count > 0)
		failed = open_ports(l, guards, (unsigned)count, error);
	if (!failed)
		silence_stack(l, guards);
	free(guards);
	return failed;
}

static int create_world(struct live *l)
{
	struct world_hooks hooks = { .ctx = l, .client_received = client_received, .wire_received = wire_received };

	if (l->taps)
		hooks.tap = tapped;
	l->world = world_create(l->config, &hooks);
	return l->world ? 0 : -1;
}

static void tell_ready(const struct live *l)
{
	char vip[ENDPOINT_TEXT_MAX], names[256] = "";

	for (unsigned i = 1; i < l->port_count; i++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i > 1 ? ", " : "",
			 live_port_name(l->ports[i]));
	if (!l->config->has_secret)
		tell(l, true,
		     "no secret is configured: anybody can make valid tags; agent.secret_file names a file with one");
	tell(l, false, "ready: %s on %s; backends on %s", endpoint_format(l->config->vip, vip),
	     live_port_name(l->client_port), names[0] ? names : live_port_name(l->client_port));
}

struct live *live_open(const struct config *config, const struct live_options *options, char error[LIVE_ERROR_MAX])
{
	struct live *l = calloc(1, sizeof(*l));

	if (!l)
		return fail(l, error, "out of memory");
	l->config = config;
	l->options = *options;
	memset(l->silences, -1, sizeof(l->silences));
	l->netlink = neighbour_open();
	l->clients = calloc(CLIENT_SETS, sizeof(l->clients[0]));
	if (!l->clients)
		return fail(l, error, "out of memory");
	if (l->netlink < 0)
		return fail(l, error, "netlink: %s", strerror(-l->netlink));
	if (!config->live.interface[0])
		return fail(l, error,
			    "%s: live.interface is missing: the network interface towards the clients, as in\n"
			    "  live: {interface: eth0}",
			    config->file);
	for (unsigned i = 0; i < config->backend_count; i++) {
		unsigned at = backend_hash(config->backends[i].address);

		while (l->backend_slot[at] > 0)
			at = (at + 1) % BACKEND_SLOTS;
		l->backend_slot[at] = (uint16_t)(i + 1);
	}
	if (bind_all(l, error)) {
		live_close(l);
		return NULL;
	}
	await_backends(l);
	if (options->pcapng && !(l->taps = live_taps_open(config, options->pcapng, error))) {
		live_close(l);
		return NULL;
	}
	if (create_world(l))
		return fail(l, error, "out of memory");
	tell_ready(l);
	return l;
}

static void add_frontend(struct frontend_stats *sum, const struct frontend_stats *one)
{
	sum->packets += one->packets;
	sum->bytes += one->bytes;
	sum->requests += one->requests;
	sum->responses += one->responses;
	sum->flows_started += one->flows_started;
	sum->flows_closed += one->flows_closed;
	sum->flows_reset += one->flows_reset;
	sum->flows_timed_out += one->flows_timed_out;
	sum->flows += one->flows;
	sum->flows_peak += one->flows_peak;
	sum->special_syns += one->special_syns;
	sum->retransmissions += one->retransmissions;
	sum->moves += one->moves;
	sum->offloads_asked += one->offloads_asked;
	sum->offloads_effective += one->offloads_effective;
	sum->offloads_full += one->offloads_full;
	sum->untouched += one->untouched;
	sum->buffers_used += one->buffers_used;
	sum->buffers_peak += one->buffers_peak;
	for (unsigned i = 0; i < REFUSAL_COUNT; i++)
		sum->refused[i] += one->refused[i];
	for (unsigned i = 0; i < DROP_COUNT; i++)
		sum->drops[i] += one->drops[i];
	for (unsigned i = 0; i < BACKENDS_MAX; i++)
		sum->requests_by_backend[i] += one->requests_by_backend[i];
}

void live_result(struct live *l, struct live_result *out)
{
	*out = (struct live_result){ .ran_ns = clock_ns() - l->started_ns,
				     .port_count = l->port_count,
				     .no_neighbour = l->no_neighbour,
				     .stray = l->stray,
				     .sw = *switch_stats(world_switch(l->world)) };
	for (unsigned i = 0; i < l->port_count; i++) {
		snprintf(out->ports[i].interface, sizeof(out->ports[i].interface), "%s", live_port_name(l->ports[i]));
		live_port_stats(l->ports[i], &out->ports[i].stats);
	}
	for (unsigned i = 0; i < l->config->frontends.count; i++)
		add_frontend(&out->frontends, frontend_stats(world_frontend(l->world, i)));
	memcpy(out->world_drops, world_drops(l->world), sizeof(out->world_drops));
	if (l->taps) {
		out->pcapng_packets = live_taps_packets(l->taps);
		live_taps_close(l->taps, out->output_error);
		l->taps = NULL;
	}
}

void live_close(struct live *l)
{
	if (!l)
		return;
	world_free(l->world);
	live_taps_close(l->taps, NULL);
	for (unsigned i = 0; i < LIVE_PORTS_MAX; i++) {
		if (l->silences[i] >= 0)
			close(l->silences[i]);
		live_port_close(l->ports[i]);
	}
	if (l->netlink >= 0)
		close(l->netlink);
	free(l->clients);
	free(l);
}
