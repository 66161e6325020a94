/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_table.c: where connections live: the table that demultiplexes, slots,
 * listeners, ports and initial sequence numbers.
 *
 * Life-cycle: tcp_new() takes a slot and a place in the table; tcp_detach()
 * gives up the place, tcp_release() the slot. In between a connection may be
 * out of the table: its end of the conversation is over, but its application
 * still reads. A pinned connection is released by its last tcp_unpin(), so an
 * event may close or abort what is being worked on.
 *
 * Invariants: slots never move; the order within a bucket is that of insertion
 * and decides nothing; buckets double when there are half as many nodes: a
 * chain is a miss of the cache for each of its nodes.
 *
 * Refusals: connections_max reached with nothing in TIME-WAIT; short memory. */
#include <stdlib.h>
#include <string.h>

#include "miresga/hash.h"
#include "tcp_internal.h"

#define SLOTS_PER_BLOCK 64u
#define BUCKETS_FIRST 64u

static uint32_t bucket_of(const struct tcp_stack *s, struct endpoint local, struct endpoint remote)
{
	return (uint32_t)hash_mix64(endpoint_word(local) * 3 + endpoint_word(remote)) & s->bucket_mask;
}

struct tcp *tcp_slot(const struct tcp_stack *s, uint32_t id)
{
	return &s->blocks[id / SLOTS_PER_BLOCK][id % SLOTS_PER_BLOCK];
}

bool tcp_table_init(struct tcp_stack *s)
{
	s->buckets = calloc(BUCKETS_FIRST, sizeof(struct tcp_node *));
	s->bucket_mask = BUCKETS_FIRST - 1;
	return s->buckets && !timers_init(&s->timers, SLOTS_PER_BLOCK);
}

static void free_listeners(struct tcp_stack *s)
{
	for (uint32_t i = 0; i < TCP_LISTENER_BUCKETS; i++) {
		for (struct tcp_listener *l = s->listeners[i], *next; l; l = next) {
			next = l->next;
			free(l);
		}
	}
}

void tcp_table_fini(struct tcp_stack *s)
{
	while (s->oldest)
		tcp_wait_remove(s, s->oldest);
	for (struct tcp_wait *w = s->spare, *next; w; w = next) {
		next = w->newer;
		free(w);
	}
	for (uint32_t i = 0; i < s->block_count * SLOTS_PER_BLOCK; i++)
		if (tcp_slot(s, i)->stack)
			tcp_release(tcp_slot(s, i));
	for (uint32_t i = 0; i < s->block_count; i++)
		free(s->blocks[i]);
	free(s->blocks);
	free(s->unused);
	free(s->buckets);
	free(s->port_turns);
	free_listeners(s);
	timers_fini(&s->timers);
}

struct tcp_node *tcp_table_find(const struct tcp_stack *s, struct endpoint local, struct endpoint remote)
{
	struct tcp_node *n = s->buckets[bucket_of(s, local, remote)];

	while (n && !(endpoint_equal(n->remote, remote) && endpoint_equal(n->local, local)))
		n = n->next;
	return n;
}

static void table_double(struct tcp_stack *s)
{
	uint32_t old = s->bucket_mask + 1;
	struct tcp_node **buckets = calloc(2 * (size_t)old, sizeof(*buckets)), **was = s->buckets;

	if (!buckets)
		return; /* longer chains */
	s->buckets = buckets;
	s->bucket_mask = 2 * old - 1;
	for (uint32_t i = 0; i < old; i++) {
		for (struct tcp_node *n = was[i], *next; n; n = next) {
			struct tcp_node **b = &buckets[bucket_of(s, n->local, n->remote)];

			next = n->next;
			n->next = *b;
			*b = n;
		}
	}
	free(was);
}

void tcp_table_add(struct tcp_stack *s, struct tcp_node *n)
{
	struct tcp_node **b;

	if (2 * (s->live + s->waits) > s->bucket_mask)
		table_double(s);
	b = &s->buckets[bucket_of(s, n->local, n->remote)];
	n->next = *b;
	*b = n;
}

void tcp_table_remove(struct tcp_stack *s, const struct tcp_node *n)
{
	struct tcp_node **at = &s->buckets[bucket_of(s, n->local, n->remote)];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
}

/* Another block of slots, none of them used. */
static bool slots_grow(struct tcp_stack *s)
{
	uint32_t first = s->block_count * SLOTS_PER_BLOCK, count = first + SLOTS_PER_BLOCK;
	struct tcp **blocks = realloc(s->blocks, (s->block_count + 1) * sizeof(*blocks));
	uint32_t *unused = realloc(s->unused, count * sizeof(*unused));
	struct tcp *block = calloc(SLOTS_PER_BLOCK, sizeof(*block));

	s->blocks = blocks ? blocks : s->blocks;
	s->unused = unused ? unused : s->unused;
	if (!blocks || !unused || !block || timers_grow(&s->timers, count)) {
		free(block);
		return false;
	}
	s->blocks[s->block_count++] = block;
	for (uint32_t i = count; i > first; i--)
		s->unused[s->unused_count++] = i - 1;
	return true;
}

struct tcp *tcp_new(struct tcp_stack *s, struct endpoint local, struct endpoint remote,
		    const struct tcp_settings *settings)
{
	struct tcp_settings *own = NULL;
	struct tcp *c;
	uint32_t id;

	if (s->live + s->waits >= s->options.connections_max) {
		if (!s->oldest)
			return NULL;
		tcp_wait_remove(s, s->oldest);
	}
	if (!s->unused_count && !slots_grow(s))
		return NULL;
	if (settings) {
		own = malloc(sizeof(*own));
		if (!own)
			return NULL;
		*own = *settings;
	}
	id = s->unused[--s->unused_count];
	c = tcp_slot(s, id);
	*c = (struct tcp){
		.node = { .local = local, .remote = remote },
		.stack = s,
		.settings = own ? own : &s->options.settings,
		.id = id,
		.rexmit_ns = TIME_NEVER,
		.delack_ns = TIME_NEVER,
		.keepalive_ns = TIME_NEVER,
		.linger_ns = TIME_NEVER,
		.due_ns = TIME_NEVER,
	};
	s->live++;
	tcp_table_add(s, &c->node);
	s->stats.open++;
	s->stats.open_peak = MAX(s->stats.open_peak, s->stats.open);
	return c;
}

void tcp_detach(struct tcp *c)
{
	if (c->detached)
		return;
	c->detached = true;
	tcp_table_remove(c->stack, &c->node);
	c->rexmit_ns = c->delack_ns = c->keepalive_ns = c->linger_ns = TIME_NEVER;
}

void tcp_pin(struct tcp *c)
{
	c->pins++;
}

void tcp_unpin(struct tcp *c)
{
	c->pins--;
	if (c->dead)
		tcp_release(c);
}

void tcp_release(struct tcp *c)
{
	struct tcp_stack *s = c->stack;

	c->dead = true;
	tcp_detach(c);
	if (c->pins)
		return;
	tcp_count_buffered(s, -(int64_t)c->rcv.unread - (int64_t)tcp_snd_bytes(c));
	tcp_receive_drop(c);
	tcp_ring_free(s, &c->snd.ring);
	ranges_fini(&c->cc.sacked);
	if (c->settings != &s->options.settings)
		free((void *)(uintptr_t)c->settings);
	timers_set(&s->timers, c->id, TIME_NEVER);
	s->unused[s->unused_count++] = c->id;
	c->stack = NULL;
	s->live--;
	s->stats.open--;
}

static struct tcp_listener **listener_find(const struct tcp_stack *s, struct endpoint local)
{
	uint64_t h = hash_mix64(endpoint_word(local));
	struct tcp_listener *const *at = &s->listeners[h % TCP_LISTENER_BUCKETS];

	while (*at && !endpoint_equal((*at)->local, local))
		at = &(*at)->next;
	return (struct tcp_listener **)(uintptr_t)at;
}

bool tcp_listening(const struct tcp_stack *s, struct endpoint local)
{
	return *listener_find(s, local);
}

bool tcp_listen(struct tcp_stack *s, struct endpoint local, bool accepting)
{
	struct tcp_listener **at = listener_find(s, local), *l = *at;

	if (accepting && !l) {
		l = malloc(sizeof(*l));
		if (!l)
			return false;
		*l = (struct tcp_listener){ .local = local };
		*at = l;
	} else if (!accepting && l) {
		*at = l->next;
		free(l);
	}
	return true;
}

#define PORT_FIRST 32768u
#define PORT_TURNS_FIRST 16u

/* Whose turn it is among the ports of one address towards one peer. */
struct tcp_port_turn {
	uint64_t words[2]; /* address, peer; a peer of 0: the place is free */
	uint32_t next;	   /* port of all, the one that was tried longest ago */
};

static struct tcp_port_turn *turn_place(struct tcp_port_turn *turns, uint32_t room, const uint64_t words[2])
{
	uint32_t i = (uint32_t)hash_mix64(words[0] * 3 + words[1]) & (room - 1);

	while (turns[i].words[1] && memcmp(turns[i].words, words, sizeof(turns[i].words)) != 0)
		i = (i + 1) & (room - 1);
	return &turns[i];
}

static bool turns_grow(struct tcp_stack *s)
{
	uint32_t room = s->port_turn_room ? 2 * s->port_turn_room : PORT_TURNS_FIRST;
	struct tcp_port_turn *turns = calloc(room, sizeof(*turns));

	if (!turns)
		return false;
	for (uint32_t i = 0; i < s->port_turn_room; i++)
		if (s->port_turns[i].words[1])
			*turn_place(turns, room, s->port_turns[i].words) = s->port_turns[i];
	free(s->port_turns);
	s->port_turns = turns;
	s->port_turn_room = room;
	return true;
}

/* The first of them is drawn from the addresses. NULL: short memory. */
static struct tcp_port_turn *turn_find(struct tcp_stack *s, struct endpoint local, struct endpoint remote,
				       uint32_t ports)
{
	uint64_t words[2] = { endpoint_word(local), endpoint_word(remote) };
	struct tcp_port_turn *t;

	if (2 * s->port_turn_count >= s->port_turn_room && !turns_grow(s))
		return NULL;
	t = turn_place(s->port_turns, s->port_turn_room, words);
	if (!t->words[1]) {
		memcpy(t->words, words, sizeof(words));
		t->next = (uint32_t)(siphash(&s->port_key, words, sizeof(words)) % ports);
		s->port_turn_count++;
	}
	return t;
}

bool tcp_port_choose(struct tcp_stack *s, struct endpoint *local, struct endpoint remote, uint64_t now_ns)
{
	uint32_t ports = s->options.ports ? s->options.ports : TCP_PORTS_MAX;
	struct tcp_port_turn *turn = turn_find(s, *local, remote, ports);

	for (uint32_t i = 0; turn && i < ports; i++) {
		const struct tcp_node *n;

		local->port = be16_from((uint16_t)(PORT_FIRST + turn->next));
		turn->next = (turn->next + 1) % ports;
		n = tcp_table_find(s, *local, remote);
		if (!n || (n->waiting && tcp_wait_reusable(s, (const struct tcp_wait *)n, now_ns)))
			return true;
	}
	return false;
}

/* As Linux: far enough beyond what the old connection may still have under way.
 */
#define ISN_BEYOND_WAIT 65537u
#define ISN_TICK_SHIFT 6

uint32_t tcp_isn_choose(struct tcp_stack *s, const struct tcp_node *n, const uint32_t *after, uint64_t now_ns)
{
	uint64_t words[2] = { endpoint_word(n->local), endpoint_word(n->remote) };
	uint32_t isn = (uint32_t)siphash(&s->isn_key, words, sizeof(words)) + (uint32_t)(now_ns >> ISN_TICK_SHIFT);

	if (s->options.isn)
		isn = *s->options.isn;
	if (after && !seq_gt(isn, *after))
		isn = seq_add(*after, ISN_BEYOND_WAIT);
	return isn;
}
