/* SPDX-License-Identifier: BSD-2-Clause */
/* fragment.c: reassembly of IPv4 datagrams (RFC 791 §3.2) in a table of fixed size.
 *
 * Life of an entry: FREE; OPEN from the first fragment of <source, destination, id, protocol>;
 * FREE again when the datagram is complete, too old, or the oldest while a place is needed; BAD
 * when fragments contradict each other, and then it refuses all that follow until it is too old
 * (as RFC 5722 §4 demands for IPv6: an overlap discards the whole datagram).
 *
 * Invariants: `have` has a bit for each 8 bytes that are in `data`; `bytes` counts them; nothing
 * in `data` lies beyond `reach`; `end`, once known, is never below `reach`. The table's memory is
 * taken once. Entries are looked through in their own order, so the outcome never depends on
 * addresses.
 * Refusals (BAD): an empty fragment, one that is not the last and no multiple of 8 bytes, one
 * beyond 64 KiB, two ends, data beyond the end, overlap with other content. Same content again is
 * fine. */
#include "fragment.h"

#include <stdlib.h>

#define UNIT 8u
#define UNITS_MAX (65536 / UNIT)
#define IPV4_HDR_MAX 60

enum entry_state {
	ENTRY_FREE,
	ENTRY_OPEN,
	ENTRY_BAD,
};

struct entry {
	enum entry_state state;
	be32 src, dst;
	be16 id;
	uint8_t proto;
	uint64_t serial; /* age by arrival */
	uint64_t first_ns;
	uint32_t bytes; /* payload bytes held */
	uint32_t reach; /* one beyond the last byte held */
	uint32_t end;	/* payload length, 0: the last fragment is missing */
	uint32_t ihl;	/* 0: the first fragment is missing */
	uint8_t header[IPV4_HDR_MAX];
	uint64_t have[UNITS_MAX / 64];
};

struct fragment_table {
	uint64_t serial;
	uint64_t abandoned;
	struct entry entries[FRAGMENT_DATAGRAMS_MAX];
	uint8_t data[FRAGMENT_DATAGRAMS_MAX][UNITS_MAX * UNIT];
};

struct fragment_table *fragment_table_create(void)
{
	/* 16 MiB of which only what fragments really fill is ever touched. */
	struct fragment_table *t = malloc(sizeof(*t));

	if (!t)
		return NULL;
	t->serial = t->abandoned = 0;
	for (size_t i = 0; i < FRAGMENT_DATAGRAMS_MAX; i++)
		t->entries[i].state = ENTRY_FREE;
	return t;
}

void fragment_table_free(struct fragment_table *t)
{
	free(t);
}

static void give_up(struct fragment_table *t, struct entry *e)
{
	t->abandoned += e->state == ENTRY_OPEN;
	e->state = ENTRY_FREE;
}

void fragment_flush(struct fragment_table *t)
{
	for (size_t i = 0; i < FRAGMENT_DATAGRAMS_MAX; i++)
		give_up(t, &t->entries[i]);
}

void fragment_table_reset(struct fragment_table *t)
{
	fragment_flush(t);
	t->serial = 0;
	t->abandoned = 0;
}

uint64_t fragment_abandoned(const struct fragment_table *t)
{
	return t->abandoned;
}

static bool belongs(const struct entry *e, const struct ipv4_hdr *h)
{
	return e->state != ENTRY_FREE && e->src == h->src && e->dst == h->dst && e->id == h->id && e->proto == h->proto;
}

/* A trace's time may step back: then nothing is too old. */
static bool too_old(const struct entry *e, uint64_t now_ns)
{
	return e->state != ENTRY_FREE && now_ns > e->first_ns && now_ns - e->first_ns > FRAGMENT_TIMEOUT_NS;
}

static struct entry *find_or_open(struct fragment_table *t, const struct ipv4_hdr *h, uint64_t now_ns)
{
	struct entry *place = &t->entries[0];

	for (size_t i = 0; i < FRAGMENT_DATAGRAMS_MAX; i++) {
		struct entry *e = &t->entries[i];

		if (too_old(e, now_ns))
			give_up(t, e);
		if (belongs(e, h))
			return e;
		if (place->state != ENTRY_FREE && (e->state == ENTRY_FREE || e->serial < place->serial))
			place = e;
	}
	give_up(t, place);
	*place = (struct entry){
		.state = ENTRY_OPEN,
		.src = h->src,
		.dst = h->dst,
		.id = h->id,
		.proto = h->proto,
		.serial = ++t->serial,
		.first_ns = now_ns,
	};
	return place;
}

static bool bounds_fit(struct entry *e, const struct datagram *d, uint32_t len)
{
	uint32_t stop = d->offset + len;

	if (len == 0 || (d->more && len % UNIT) || stop > DATAGRAM_MAX - IPV4_HDR_MIN)
		return false;
	if (e->end && stop > e->end)
		return false;
	if (!d->more) {
		if ((e->end && stop != e->end) || e->reach > stop)
			return false;
		e->end = stop;
	}
	e->reach = MAX(e->reach, stop);
	return true;
}

/* Copies what is new; false if what is there already differs. */
static bool store(struct entry *e, uint8_t *data, const struct datagram *d, uint32_t len)
{
	const uint8_t *from = d->ip + d->ihl;

	for (uint32_t at = 0; at < len; at += UNIT) {
		uint32_t unit = (d->offset + at) / UNIT, n = MIN(UNIT, len - at);
		uint64_t bit = UINT64_C(1) << (unit % 64);

		if (e->have[unit / 64] & bit) {
			if (memcmp(data + d->offset + at, from + at, n) != 0)
				return false;
			continue;
		}
		memcpy(data + d->offset + at, from + at, n);
		e->have[unit / 64] |= bit;
		e->bytes += n;
	}
	return true;
}

static void deliver(struct entry *e, const uint8_t *data, uint8_t *out, uint32_t *out_len)
{
	uint16_t field;

	*out_len = e->ihl + e->end;
	memcpy(out, e->header, e->ihl);
	memcpy(out + e->ihl, data, e->end);
	field = load_be16(out + offsetof(struct ipv4_hdr, frag));
	datagram_set_header(out, *out_len, field & (uint16_t) ~(IP_FLAG_MF | IP_OFFSET_MASK));
	e->state = ENTRY_FREE;
}

enum trace_kind fragment_add(struct fragment_table *t, const struct datagram *d, uint64_t now_ns, uint8_t *out,
			     uint32_t *out_len)
{
	uint32_t len = d->len - d->ihl;
	struct ipv4_hdr h;
	struct entry *e;
	uint8_t *data;

	memcpy(&h, d->ip, sizeof(h));
	e = find_or_open(t, &h, now_ns);
	data = t->data[e - t->entries];
	if (e->state == ENTRY_BAD || !bounds_fit(e, d, len) || !store(e, data, d, len)) {
		e->state = ENTRY_BAD;
		return TRACE_FRAGMENT_BAD;
	}
	if (d->offset == 0 && e->ihl == 0) {
		e->ihl = d->ihl;
		memcpy(e->header, d->ip, d->ihl);
	}
	if (e->ihl == 0 || e->end == 0 || e->bytes != e->end)
		return TRACE_FRAGMENT;
	if (e->ihl + e->end > DATAGRAM_MAX) {
		e->state = ENTRY_BAD;
		return TRACE_FRAGMENT_BAD;
	}
	deliver(e, data, out, out_len);
	return TRACE_IPV4;
}
