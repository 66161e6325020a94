/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_fixture.c: the pipe between two stacks and the applications at its ends.
 *
 * The link owns both stacks and every packet on it. Packets are delivered by (due time, number), so that a run with the
 * same seed is the same run. */
#include "tcp_fixture.h"

#include <stdlib.h>

#define PORT_SERVER 80
#define PORT_CLIENT_TEST 4000
#define PIECE_MAX 4096u

struct endpoint host_endpoint(unsigned host)
{
	return endpoint_make(be32_from(0x0a000001 + host), be16_from(host ? PORT_SERVER : PORT_CLIENT_TEST));
}

uint8_t host_byte(unsigned host, uint64_t at)
{
	return (uint8_t)((at * 2654435761u) >> 11 ^ at >> 16 ^ host);
}

static unsigned host_number(const struct host *h)
{
	return (unsigned)(h - h->link->host);
}

static void host_finish(struct host *h)
{
	if (!h->c || h->shut || h->written < h->to_write || h->close == CLOSE_NEVER)
		return;
	if (h->close == CLOSE_AFTER_PEER && !h->events[TCP_EVENT_PEER_CLOSED])
		return;
	h->shut = true;
	tcp_shutdown(h->c, h->link->now_ns);
}

void host_write(struct host *h)
{
	uint8_t piece[PIECE_MAX];

	while (h->c && h->written < h->to_write) {
		uint64_t most = h->write_piece ? MIN(h->write_piece, PIECE_MAX) : PIECE_MAX;
		uint32_t want = (uint32_t)MIN(h->to_write - h->written, most), took;

		for (uint32_t i = 0; i < want; i++)
			piece[i] = host_byte(host_number(h), h->written + i);
		took = tcp_write(h->c, piece, want, false, h->link->now_ns);
		h->written += took;
		if (took < want)
			return;
	}
	host_finish(h);
}

void host_read(struct host *h)
{
	uint32_t budget = h->read_piece ? h->read_piece : UINT32_MAX, len;
	const uint8_t *data;

	while (h->c && budget && (len = tcp_peek(h->c, &data))) {
		len = MIN(len, budget);
		for (uint32_t i = 0; i < len; i++)
			h->wrong |= data[i] != host_byte(!host_number(h), h->read + i);
		h->read += len;
		budget -= len;
		tcp_consume(h->c, len, h->link->now_ns);
	}
}

struct tcp_info host_info(const struct host *h)
{
	struct tcp_info info = { 0 };

	if (h->c)
		tcp_info(h->c, &info);
	return info;
}

static void host_event(void *ctx, struct tcp *c, enum tcp_event e, uint64_t now_ns)
{
	struct host *h = ctx;

	h->events[e]++;
	if (e == TCP_EVENT_ACCEPTED) {
		ck_assert_ptr_null(h->c);
		h->c = c;
		tcp_set_user(c, h);
	}
	ck_assert_ptr_eq(h->c, c);
	ck_assert_uint_eq(now_ns, h->link->now_ns);
	if (e == TCP_EVENT_RESET || e == TCP_EVENT_TIMED_OUT || e == TCP_EVENT_ENDED) {
		h->c = NULL;
		return;
	}
	if (e == TCP_EVENT_CONNECTED || e == TCP_EVENT_ACCEPTED || e == TCP_EVENT_WRITABLE)
		host_write(h);
	if (e == TCP_EVENT_READABLE && !h->no_reading && !h->read_every_ns)
		host_read(h);
	if (e == TCP_EVENT_PEER_CLOSED)
		host_finish(h);
}

static void link_put(struct link *l, struct packet *p, uint64_t due_ns)
{
	ck_assert_uint_lt(l->count, LINK_SLOTS);
	l->flying[l->count++] = (struct flying){ .due_ns = due_ns, .number = l->number++, .p = p };
}

static void host_sends(void *ctx, struct packet *p, uint64_t now_ns)
{
	struct host *h = ctx;
	struct link *l = h->link;
	unsigned from = host_number(h);
	uint64_t due_ns = MAX(now_ns, l->busy_ns[from]) + l->packet_ns;

	l->sent++;
	l->busy_ns[from] = due_ns;
	due_ns += l->delay_ns;
	if ((l->filter && !l->filter(l, from, p)) || prng_below(&l->prng, 100) < l->faults.loss) {
		packet_free(l->pool, p);
		return;
	}
	if (prng_below(&l->prng, 100) < l->faults.reorder)
		due_ns += prng_below(&l->prng, (uint32_t)l->faults.reorder_ns);
	if (prng_below(&l->prng, 100) < l->faults.duplicate) {
		struct packet *copy = packet_alloc(l->pool, p->len);

		ck_assert_ptr_nonnull(copy);
		memcpy(copy->data, p->data, p->len);
		copy->phv = p->phv;
		link_put(l, copy, due_ns + prng_below(&l->prng, 1000000));
	}
	link_put(l, p, due_ns);
}

struct link *link_create(uint64_t seed, const struct tcp_settings *settings, uint32_t isn)
{
	struct link *l = calloc(1, sizeof(*l));

	ck_assert_ptr_nonnull(l);
	l->pool = packet_pool_create(LINK_SLOTS, LINK_SLOTS / 16);
	l->delay_ns = 10 * NS_PER_MS;
	l->now_ns = 5 * NS_PER_S;
	prng_child(&l->prng, seed, "link", 0);
	for (unsigned i = 0; i < HOST_COUNT; i++) {
		struct host *h = &l->host[i];
		struct tcp_stack_options options = {
			.pool = l->pool,
			.connections_max = 16,
			.seed = seed + i,
			.isn = isn ? &h->isn : NULL,
			.ctx = h,
			.send = host_sends,
			.event = host_event,
		};

		h->link = l;
		h->isn = isn;
		h->close = CLOSE_WHEN_WRITTEN;
		if (settings)
			options.settings = *settings;
		else
			tcp_settings_default(&options.settings);
		h->stack = tcp_stack_create(&options);
		ck_assert_ptr_nonnull(h->stack);
	}
	return l;
}

void link_free(struct link *l)
{
	for (uint32_t i = 0; i < l->count; i++)
		packet_free(l->pool, l->flying[i].p);
	for (unsigned i = 0; i < HOST_COUNT; i++)
		tcp_stack_free(l->host[i].stack);
	ck_assert_uint_eq(packet_pool_used(l->pool), 0);
	packet_pool_free(l->pool);
	free(l);
}

void link_connect(struct link *l)
{
	ck_assert(tcp_listen(l->host[1].stack, host_endpoint(1), true));
	l->host[0].c = tcp_connect(l->host[0].stack, host_endpoint(0), host_endpoint(1), NULL, l->now_ns);
	ck_assert_ptr_nonnull(l->host[0].c);
}

/* Index of the packet that is due first; count if there is none. */
static uint32_t link_first(const struct link *l)
{
	uint32_t first = l->count;

	for (uint32_t i = 0; i < l->count; i++)
		if (first == l->count || l->flying[i].due_ns < l->flying[first].due_ns ||
		    (l->flying[i].due_ns == l->flying[first].due_ns && l->flying[i].number < l->flying[first].number))
			first = i;
	return first;
}

static void link_deliver(struct link *l, uint32_t i)
{
	struct packet *p = l->flying[i].p;
	struct host *h =
		&l->host[endpoint_equal(endpoint_make(p->phv.dst.addr, 0), endpoint_make(host_endpoint(1).addr, 0))];

	l->flying[i] = l->flying[--l->count];
	tcp_stack_input(h->stack, p, l->now_ns);
	packet_free(l->pool, p);
}

static void host_look(struct host *h)
{
	if (h->c)
		h->states |= 1u << host_info(h).state;
	if (h->c && h->read_every_ns && h->link->now_ns >= h->next_read_ns) {
		h->next_read_ns = h->link->now_ns + h->read_every_ns;
		host_read(h);
	}
}

void link_run(struct link *l, uint64_t until_ns)
{
	for (;;) {
		uint32_t first = link_first(l);
		uint64_t due = first < l->count ? l->flying[first].due_ns : TIME_NEVER, wake;

		for (unsigned i = 0; i < HOST_COUNT; i++) {
			host_look(&l->host[i]);
			if (l->host[i].c && l->host[i].read_every_ns)
				due = MIN(due, l->host[i].next_read_ns);
			wake = tcp_stack_next_wake(l->host[i].stack);
			due = MIN(due, wake);
		}
		if (due == TIME_NEVER || due > until_ns)
			break;
		l->now_ns = MAX(l->now_ns, due);
		if (first < l->count && l->flying[first].due_ns <= l->now_ns)
			link_deliver(l, first);
		for (unsigned i = 0; i < HOST_COUNT; i++)
			if (tcp_stack_next_wake(l->host[i].stack) <= l->now_ns)
				tcp_stack_timers(l->host[i].stack, l->now_ns);
	}
	if (until_ns != TIME_NEVER)
		l->now_ns = MAX(l->now_ns, until_ns);
}

void link_establish(struct link *l)
{
	link_connect(l);
	link_run(l, l->now_ns + 4 * l->delay_ns);
	ck_assert_ptr_nonnull(l->host[1].c);
}

void link_check_complete(struct link *l)
{
	for (unsigned i = 0; i < HOST_COUNT; i++) {
		const struct host *h = &l->host[i], *peer = &l->host[!i];

		ck_assert(!h->wrong);
		ck_assert_uint_eq(h->written, h->to_write);
		ck_assert_uint_eq(h->read, peer->to_write);
		ck_assert_uint_eq(h->events[TCP_EVENT_ENDED], 1);
		ck_assert_uint_eq(h->events[TCP_EVENT_RESET], 0);
		ck_assert_uint_eq(h->events[TCP_EVENT_TIMED_OUT], 0);
		ck_assert_uint_eq(h->events[TCP_EVENT_PEER_CLOSED], 1);
		ck_assert_ptr_null(h->c);
		ck_assert_uint_eq(tcp_stack_leftovers(h->stack), 0);
		ck_assert_uint_eq(tcp_stack_stats(h->stack)->buffered, 0);
		ck_assert_uint_eq(tcp_stack_stats(h->stack)->open, 0);
	}
}
