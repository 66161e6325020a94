/* SPDX-License-Identifier: BSD-2-Clause */
/* pool.c: packets in two size classes, handed out last in first out.
 *
 * Life-cycle: packet_pool_create() takes all memory, packet_alloc()/packet_free() only move
 * descriptors between free lists and owners, packet_pool_free() gives everything back, packets
 * still out included. Last in, first out keeps the frames that were just written in the cache
 * and makes the addresses a run hands out repeatable.
 *
 * Invariants: the descriptor at index i always owns the frame at index i of its class; a free
 * descriptor has data == NULL, so freeing twice fails at once. Under AddressSanitizer the
 * frames of free packets and the gaps between frames may not be touched.
 *
 * Refusal: an empty pool answers NULL. */
#include <stdlib.h>

#include "miresga/packet.h"

#ifdef __SANITIZE_ADDRESS__ /* gcc */
#define POOL_GUARDED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) /* clang */
#define POOL_GUARDED
#endif
#endif
#ifdef POOL_GUARDED
#include <sanitizer/asan_interface.h>
#define FRAME_FORBID(p, len) __asan_poison_memory_region(p, len)
#define FRAME_PERMIT(p, len) __asan_unpoison_memory_region(p, len)
#else
#define FRAME_FORBID(p, len) ((void)(p), (void)(len))
#define FRAME_PERMIT(p, len) ((void)(p), (void)(len))
#endif

enum {
	CLASS_SMALL,
	CLASS_LARGE,
	CLASS_COUNT
};

/* Ethernet headers end 2 modulo 4, so frames start there to have IP aligned. */
#define FRAME_PAD 2
#define CACHE_LINE 64
#define SLOT_SIZE(room) (((room) + FRAME_PAD + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE)

struct pool_class {
	struct packet *packets; /* count */
	uint8_t *frames;	/* count slots of SLOT_SIZE(room) bytes */
	struct packet *unused;	/* of the first `touched`, through next */
	uint32_t count, room, touched;
};

struct packet_pool {
	struct pool_class classes[CLASS_COUNT];
	uint32_t used;
};

static bool class_init(struct pool_class *c, uint32_t count, uint32_t room)
{
	size_t frames_size = (size_t)count * SLOT_SIZE(room);

	c->count = count;
	c->room = room;
	if (!count)
		return true;
	/* Untouched pages cost nothing. */
	c->packets = calloc(count, sizeof(struct packet));
	c->frames = aligned_alloc(CACHE_LINE, frames_size);
	if (!c->packets || !c->frames)
		return false;
	FRAME_FORBID(c->frames, frames_size);
	return true;
}

struct packet_pool *packet_pool_create(uint32_t small_count, uint32_t large_count)
{
	struct packet_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	if (!class_init(&pool->classes[CLASS_SMALL], small_count, PACKET_SMALL) ||
	    !class_init(&pool->classes[CLASS_LARGE], large_count, FRAME_MAX)) {
		packet_pool_free(pool);
		return NULL;
	}
	return pool;
}

void packet_pool_free(struct packet_pool *pool)
{
	if (!pool)
		return;
	for (unsigned i = 0; i < CLASS_COUNT; i++) {
		struct pool_class *c = &pool->classes[i];

		if (c->frames)
			FRAME_PERMIT(c->frames, (size_t)c->count * SLOT_SIZE(c->room));
		free(c->packets);
		free(c->frames);
	}
	free(pool);
}

/* The packet that was freed last, or one that nobody has had yet. NULL: all are out. */
static struct packet *class_take(struct pool_class *c)
{
	struct packet *p = c->unused;

	if (LIKELY(p))
		c->unused = p->next;
	else if (c->touched < c->count)
		p = &c->packets[c->touched++];
	return p;
}

BREAKABLE struct packet *packet_alloc(struct packet_pool *pool, uint32_t len)
{
	uint8_t size_class = len <= PACKET_SMALL ? CLASS_SMALL : CLASS_LARGE;
	struct pool_class *c = &pool->classes[size_class];
	struct packet *p;

	MUST(len <= FRAME_MAX);
	p = class_take(c);
	if (!p && size_class == CLASS_SMALL) {
		size_class = CLASS_LARGE;
		c = &pool->classes[size_class];
		p = class_take(c);
	}
	if (!p)
		return NULL;
	pool->used++;
	*p = (struct packet){
		.data = c->frames + (size_t)(p - c->packets) * SLOT_SIZE(c->room) + FRAME_PAD,
		.len = len,
		.room = c->room,
		.size_class = size_class,
	};
	FRAME_PERMIT(p->data, p->room);
	return p;
}

BREAKABLE void packet_free(struct packet_pool *pool, struct packet *p)
{
	struct pool_class *c;

	if (!p)
		return;
	MUST(p->data);
	if (p->size_class == PACKET_OF_HOST) {
		p->data = NULL;
		return;
	}
	MUST(p->size_class < CLASS_COUNT);
	c = &pool->classes[p->size_class];
	MUST(p >= c->packets && p < c->packets + c->count);
	FRAME_FORBID(c->frames + (size_t)(p - c->packets) * SLOT_SIZE(c->room), SLOT_SIZE(c->room));
	p->data = NULL;
	p->next = c->unused;
	c->unused = p;
	pool->used--;
}

uint32_t packet_pool_used(const struct packet_pool *pool)
{
	return pool->used;
}
