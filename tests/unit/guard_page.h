/* SPDX-License-Identifier: BSD-2-Clause */
/* guard_page.h: memory that ends against a page nobody may touch, so that a parser that reads
 * one byte too far dies in the test instead of being lucky. */
#ifndef TESTS_GUARD_PAGE_H
#define TESTS_GUARD_PAGE_H

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define GUARD_ROOM 131072 /* usable bytes before the guard page */
#define GUARD_SIZE 65536  /* at least one page everywhere */

struct guard {
	uint8_t *base;
};

static inline int guard_init(struct guard *g)
{
	void *m = mmap(NULL, GUARD_ROOM + GUARD_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED)
		return -1;
	g->base = m;
	return mprotect(g->base + GUARD_ROOM, GUARD_SIZE, PROT_NONE);
}

static inline void guard_fini(struct guard *g)
{
	munmap(g->base, GUARD_ROOM + GUARD_SIZE);
}

/* A copy of `len` bytes whose end is the guard page. */
static inline uint8_t *guard_put(struct guard *g, const void *data, size_t len)
{
	uint8_t *at = g->base + GUARD_ROOM - len;

	if (len)
		memcpy(at, data, len);
	return at;
}

#endif
