/* SPDX-License-Identifier: BSD-2-Clause */
/* flow_table.c: the Full Connection Table: chained hash over <CIP,CPort>, flows from one array,
 * timers as one FIFO per timeout.
 *
 * All flows of a timer list wait equally long, so a refreshed flow goes to the list's end and
 * the head is always due first: constant time, no scan, and no order that depends on hashing. */
#include "flow.h"

#include <stdlib.h>
#include <string.h>

int flow_table_init(struct flow_table *t, uint32_t max)
{
	uint32_t buckets = 1;

	memset(t, 0, sizeof(*t));
	while (buckets < max)
		buckets *= 2;
	t->flows = aligned_alloc(FLOW_LINE, max * sizeof(*t->flows)); /* untouched pages cost nothing */
	t->buckets = malloc(buckets * sizeof(*t->buckets));
	if (!t->flows || !t->buckets) {
		flow_table_fini(t);
		return -1;
	}
	memset(t->buckets, 0xff, buckets * sizeof(*t->buckets));
	t->bucket_mask = buckets - 1;
	t->max = max;
	t->free = FLOW_NONE;
	for (unsigned i = 0; i < TIMER_LISTS; i++)
		t->timers[i] = (struct timer_list){ .head = FLOW_NONE, .tail = FLOW_NONE };
	return 0;
}

void flow_table_fini(struct flow_table *t)
{
	free(t->flows);
	free(t->buckets);
	memset(t, 0, sizeof(*t));
}

static uint32_t *bucket_of(const struct flow_table *t, struct endpoint client)
{
	return &t->buckets[hash_mix64(endpoint_word(client)) & t->bucket_mask];
}

void flow_prefetch_bucket(const struct flow_table *t, struct endpoint client)
{
	PREFETCH(bucket_of(t, client));
}

/* The first flow of a chain is nearly always the one. */
void flow_prefetch(const struct flow_table *t, struct endpoint client)
{
	uint32_t i = *bucket_of(t, client);

	for (size_t line = 0; i != FLOW_NONE && line < FLOW_HOT_LINES; line++)
		PREFETCH((const char *)&t->flows[i] + line * FLOW_LINE);
}

void flow_prefetch_neighbours(const struct flow_table *t, struct endpoint client)
{
	uint32_t i = *bucket_of(t, client);

	if (i == FLOW_NONE || t->flows[i].idle.list == 0)
		return;
	if (t->flows[i].idle.prev != FLOW_NONE)
		PREFETCH(&t->flows[t->flows[i].idle.prev]);
	if (t->flows[i].idle.next != FLOW_NONE)
		PREFETCH(&t->flows[t->flows[i].idle.next]);
}

struct flow *flow_find(const struct flow_table *t, struct endpoint client)
{
	for (uint32_t i = *bucket_of(t, client); i != FLOW_NONE; i = t->flows[i].chain)
		if (endpoint_equal(t->flows[i].client, client))
			return &t->flows[i];
	return NULL;
}

/* Flows that were never used stand at the array's end, so that untouched memory stays untouched;
 * removed ones come back through the free list. */
struct flow *flow_add(struct flow_table *t, struct endpoint client)
{
	uint32_t *bucket = bucket_of(t, client);
	struct flow *f;

	if (t->free != FLOW_NONE) {
		f = &t->flows[t->free];
		t->free = f->chain;
	} else if (t->peak < t->max) {
		f = &t->flows[t->peak];
	} else {
		return NULL;
	}
	memset(f, 0, sizeof(*f));
	t->count++;
	t->peak = MAX(t->peak, t->count);
	f->client = client;
	f->chain = *bucket;
	*bucket = (uint32_t)(f - t->flows);
	return f;
}

static void timer_unlink(struct flow_table *t, struct flow *f, size_t which)
{
	struct flow_timer *timer = (struct flow_timer *)(void *)((char *)f + which);
	struct timer_list *l = &t->timers[timer->list];
	uint32_t *from_prev = &l->head, *from_next = &l->tail;

	if (timer->list == 0)
		return;
	if (timer->prev != FLOW_NONE)
		from_prev = &((struct flow_timer *)(void *)((char *)&t->flows[timer->prev] + which))->next;
	if (timer->next != FLOW_NONE)
		from_next = &((struct flow_timer *)(void *)((char *)&t->flows[timer->next] + which))->prev;
	*from_prev = timer->next;
	*from_next = timer->prev;
	if (l->head == FLOW_NONE)
		t->waiting &= ~(UINT32_C(1) << timer->list);
	timer->list = 0;
}

/* `which` is the offset of the timer inside struct flow; a list holds one kind of timer only. */
static void timer_set(struct flow_table *t, struct flow *f, size_t which, unsigned list, uint64_t now_ns)
{
	struct flow_timer *timer = (struct flow_timer *)(void *)((char *)f + which);
	struct timer_list *l = &t->timers[list];
	uint32_t self = (uint32_t)(f - t->flows);

	timer_unlink(t, f, which);
	if (list == 0)
		return;
	timer->list = (uint8_t)list;
	timer->due_ns = now_ns + l->timeout_ns;
	timer->prev = l->tail;
	timer->next = FLOW_NONE;
	if (l->tail != FLOW_NONE)
		((struct flow_timer *)(void *)((char *)&t->flows[l->tail] + which))->next = self;
	else
		l->head = self;
	l->tail = self;
	t->waiting |= UINT32_C(1) << list;
}

void flow_idle_set(struct flow_table *t, struct flow *f, unsigned list, uint64_t now_ns)
{
	timer_set(t, f, offsetof(struct flow, idle), list, now_ns);
}

void flow_retry_set(struct flow_table *t, struct flow *f, unsigned list, uint64_t now_ns)
{
	timer_set(t, f, offsetof(struct flow, retry), list, now_ns);
}

static uint64_t list_due(const struct flow_table *t, unsigned list)
{
	uint32_t i = t->timers[list].head;

	if (i == FLOW_NONE)
		return TIME_NEVER;
	return list < IDLE_CLASSES ? t->flows[i].idle.due_ns : t->flows[i].retry.due_ns;
}

uint64_t flow_timers_next(const struct flow_table *t)
{
	uint64_t next = TIME_NEVER;

	for (uint32_t lists = t->waiting; lists; lists &= lists - 1) {
		uint64_t due = list_due(t, (unsigned)__builtin_ctz(lists));

		next = MIN(next, due);
	}
	return next;
}

struct flow *flow_timer_due(const struct flow_table *t, unsigned list, uint64_t now_ns)
{
	return list_due(t, list) <= now_ns && t->timers[list].head != FLOW_NONE ? &t->flows[t->timers[list].head]
										: NULL;
}

void flow_remove(struct flow_table *t, struct flow *f)
{
	uint32_t self = (uint32_t)(f - t->flows), *link = bucket_of(t, f->client);

	timer_unlink(t, f, offsetof(struct flow, idle));
	timer_unlink(t, f, offsetof(struct flow, retry));
	while (*link != self) {
		MUST(*link != FLOW_NONE);
		link = &t->flows[*link].chain;
	}
	*link = f->chain;
	f->chain = t->free;
	t->free = self;
	t->count--;
}
