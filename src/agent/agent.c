/* SPDX-License-Identifier: BSD-2-Clause */
/* agent.c: the model of a backend's agent (agent.h; paper §4.1): who is translated, for how long.
 *
 * How numbers change is splice.h's business; here are the table of pairs, the special SYN's door,
 * and the end of a pair. Seq map and diff map share one entry: L is known from the special SYN on
 * (ANNOUNCED), Δ from the SYN-ACK on (READY).
 *
 * Life-cycle of a pair: a SYN without ACK for the backend's address that carries our tag, rightly
 * made, creates or renews it. The SYN-ACK that answers this very SYN makes it READY. A RST that
 * its receiver accepts, or both FINs acknowledged, marks it CLOSING; the removed_ counters move
 * then, but it goes on translating, so that stray retransmissions are not misunderstood, and is
 * reaped after timeouts.linger_ns without a packet (`entries` decreases then), or when its place is
 * needed. A pair that just falls silent is reaped after timeouts.established_ns. Both may take up
 * to 1/64 longer, never less. A special SYN for a CLOSING pair makes it new.
 *
 * Between a new special SYN and its SYN-ACK the pair has no Δ: what else passes in that time
 * belongs to the connection before, whose Δ is no longer known, and passes as it is; the
 * receivers' sequence checks deal with it. Of these only a RST that refuses the special SYN
 * concerns the pair.
 *
 * Invariants: every pair in use is in one hash chain and in one of two lists, `idle` or `linger`,
 * ordered by `last_ns` (all of a list have the same timeout, so who is moved goes to the end): what
 * is due stands in front, nothing is ever searched. `last_ns` is the time of a packet at most 1/64 of
 * the timeout before the last one. The order of removal depends on packets and times alone.
 *
 * Refusals: never a drop. Untagged SYNs, SYN-ACKs that answer no special SYN, the host's own
 * connections, other ports, unreadable frames pass untouched; so does a SYN with a wrong tag,
 * counted. With the table full of pairs that go on, a special SYN turns into a RST to the front-end. */
#include "miresga/agent.h"

#include <stdlib.h>

#include "miresga/checksum.h"
#include "miresga/special_syn.h"
#include "miresga/tcp_options.h"
#include "splice.h"

/* What quirk P2's SYN-ACK announces. */
#define WSCALE_AS_PUBLISHED 7
/* The time of a pair's last packet is kept to this share of its timeout. */
#define TOUCH_SHARE 64

enum {
	LIST_IDLE,
	LIST_LINGER,
	LIST_COUNT
};

/* Number 0 is no entry; the lists' heads stand behind the last one. */
struct entry {
	struct splice_key key;
	uint32_t chain; /* next of the bucket, or of the unused */
	struct splice splice;
};
_Static_assert(sizeof(struct entry) == 64, "one cache line");

/* Apart from the entries: moving one touches its neighbours. */
struct link {
	uint32_t prev, next;
};

struct agent_model {
	struct agent agent;
	struct entry *entries; /* 1..entries_max */
	struct link *links;
	uint32_t *buckets;
	uint32_t bucket_mask;
	uint32_t entries_max;
	uint32_t unused; /* given back; through chain */
	uint32_t fresh;	 /* highest number ever used */
	struct endpoint address;
	struct siphash_key tag_key;
	uint64_t timeouts_ns[LIST_COUNT];
	uint32_t quirks;
	uint8_t announced_wscale;
	struct agent_stats stats;
};

static bool has_quirk(const struct agent_model *a, enum quirk q)
{
	return a->quirks & QUIRK_BIT(q);
}

static uint32_t list_head(const struct agent_model *a, unsigned list)
{
	return a->entries_max + 1 + list;
}

static void list_remove(struct agent_model *a, uint32_t i)
{
	struct link *l = &a->links[i];

	a->links[l->prev].next = l->next;
	a->links[l->next].prev = l->prev;
}

static void list_append(struct agent_model *a, uint32_t i, unsigned list)
{
	uint32_t head = list_head(a, list), last = a->links[head].prev;

	a->links[i] = (struct link){ .prev = last, .next = head };
	a->links[last].next = i;
	a->links[head].prev = i;
}

static unsigned list_of(const struct splice *s)
{
	return s->flags & SPLICE_CLOSING ? LIST_LINGER : LIST_IDLE;
}

/* Puts the pair where its flags and the time say. */
static void entry_move(struct agent_model *a, uint32_t i, uint64_t now_ns)
{
	struct splice *s = &a->entries[i].splice;

	s->last_ns = now_ns;
	list_remove(a, i);
	list_append(a, i, list_of(s));
}

/* A packet of the pair was seen. Moving it touches its neighbours' memory, so it is not done for each. */
static void entry_touch(struct agent_model *a, uint32_t i, uint64_t now_ns)
{
	const struct splice *s = &a->entries[i].splice;

	if (now_ns - s->last_ns >= a->timeouts_ns[list_of(s)] / TOUCH_SHARE)
		entry_move(a, i, now_ns);
}

static struct splice_key key_make(struct endpoint client, struct endpoint local)
{
	return (struct splice_key){
		.client_addr = (WIRE_FORCE uint32_t)client.addr,
		.local_addr = (WIRE_FORCE uint32_t)local.addr,
		.client_port = (WIRE_FORCE uint16_t)client.port,
		.local_port = (WIRE_FORCE uint16_t)local.port,
	};
}

static bool key_equal(const struct splice_key *x, const struct splice_key *y)
{
	return x->client_addr == y->client_addr && x->client_port == y->client_port && x->local_addr == y->local_addr &&
	       x->local_port == y->local_port;
}

static inline uint32_t *bucket_of(const struct agent_model *a, const struct splice_key *key)
{
	uint64_t client = (uint64_t)key->client_addr << 16 | key->client_port;
	uint64_t local = (uint64_t)key->local_addr << 16 | key->local_port;

	return &a->buckets[hash_mix64(client ^ local << 16) & a->bucket_mask];
}

/* The pair's number, or 0. */
static inline uint32_t entry_find(const struct agent_model *a, const struct splice_key *key)
{
	uint32_t i = *bucket_of(a, key);

	while (i && !key_equal(&a->entries[i].key, key))
		i = a->entries[i].chain;
	return i;
}

/* A zeroed entry for a pair that has none, or 0 if all are in use. */
static uint32_t entry_insert(struct agent_model *a, const struct splice_key *key)
{
	uint32_t *bucket = bucket_of(a, key);
	uint32_t i = a->unused;

	if (i)
		a->unused = a->entries[i].chain;
	else if (a->fresh < a->entries_max)
		i = ++a->fresh;
	else
		return 0;
	a->entries[i] = (struct entry){ .key = *key, .chain = *bucket };
	*bucket = i;
	list_append(a, i, LIST_IDLE);
	a->stats.entries++;
	a->stats.entries_peak = MAX(a->stats.entries_peak, a->stats.entries);
	return i;
}

static void entry_remove(struct agent_model *a, uint32_t i)
{
	uint32_t *at = bucket_of(a, &a->entries[i].key);

	while (*at != i)
		at = &a->entries[*at].chain;
	*at = a->entries[i].chain;
	list_remove(a, i);
	a->entries[i].chain = a->unused;
	a->unused = i;
	a->stats.entries--;
}

/* As entry_insert(), but in a full table the pair that ended first gives way. */
static uint32_t entry_claim(struct agent_model *a, const struct splice_key *key)
{
	uint32_t head = list_head(a, LIST_LINGER), i = entry_insert(a, key);

	if (i || a->links[head].next == head)
		return i;
	entry_remove(a, a->links[head].next);
	return entry_insert(a, key);
}

static struct agent_model *model_of(struct agent *a)
{
	return (struct agent_model *)a;
}

static const struct agent_model *model_of_const(const struct agent *a)
{
	return (const struct agent_model *)a;
}

static void model_free(struct agent *agent)
{
	struct agent_model *a = model_of(agent);

	free(a->entries);
	free(a->links);
	free(a->buckets);
	free(a);
}

/* In place: a structure that is returned is copied while its parts are still on their way to memory. */
static void segment_open(struct splice_segment *g, const struct packet *p)
{
	g->tcp = p->data + p->phv.l4_at;
	g->end = p->data + p->phv.payload_at + p->phv.payload_len;
	g->diff = 0;
}

static void segment_finish(struct packet *p, const struct splice_segment *g)
{
	struct tcp_hdr *tcp = packet_tcp(p);

	tcp->check = (WIRE_FORCE be16)splice_csum_apply((WIRE_FORCE uint16_t)tcp->check, g);
	p->phv.seq = be32_to(tcp->seq);
	p->phv.ack = be32_to(tcp->ack);
	p->phv.window = be16_to(tcp->window);
}

static void options_find(const struct agent_model *a, const struct splice_segment *g, struct splice_options *o)
{
	splice_options_find(g, o);
	if (has_quirk(a, QUIRK_A7)) {
		o->timestamps_at = 0;
		if (o->sack_at > TCP_HDR_MIN + 2 + 2) /* kind at option offset 0, 1 or 2 */
			o->sack_edges = 0;
	}
}

/* Tells the front-end at once that there is no place (RFC 9293 §3.10.7.1: what a closed port
 * answers), and not by silence: the special SYN turns round as a RST. */
static void turn_into_reset(struct packet *p)
{
	struct eth_hdr *eth = (void *)p->data;
	struct ipv4_hdr *ip = packet_ip(p);
	struct tcp_hdr *tcp = packet_tcp(p);
	size_t ihl = (ip->version_ihl & 15) * 4u;
	struct eth_hdr old_eth = *eth;
	struct ipv4_hdr old_ip = *ip;

	memcpy(eth->dst, old_eth.src, ETH_ADDR_LEN);
	memcpy(eth->src, old_eth.dst, ETH_ADDR_LEN);
	ip->src = old_ip.dst;
	ip->dst = old_ip.src;
	ip->total_len = be16_from((uint16_t)(ihl + TCP_HDR_MIN));
	ip->check = csum_ipv4(ip, ihl);
	*tcp = (struct tcp_hdr){
		.sport = p->phv.dst.port,
		.dport = p->phv.src.port,
		.ack = be32_from(seq_add(p->phv.seq, packet_seq_len(p))),
		.data_off = TCP_HDR_MIN / 4 << 4,
		.flags = TCP_RST | TCP_ACK,
	};
	tcp->check = csum_tcp(ip, tcp, TCP_HDR_MIN);
	p->len = p->phv.l4_at + TCP_HDR_MIN;
	MUST(headers_parse(p) == DROP_NONE);
	p->fate = FATE_REPLY;
	p->note.remark = AGENT_REMARK_FULL;
}

/* A special SYN whose tag is right. */
static void announce(struct agent_model *a, struct packet *p, uint8_t tag_at, uint64_t now_ns)
{
	struct splice_key key = key_make(p->phv.src, p->phv.dst);
	struct splice_segment g;
	uint32_t i = entry_find(a, &key);
	struct splice_options o;
	struct splice *s;
	bool ready;

	a->stats.special_syns++;
	segment_open(&g, p);
	if (!i)
		i = entry_claim(a, &key);
	if (!i) {
		a->stats.refused_full++;
		turn_into_reset(p);
		return;
	}
	s = &a->entries[i].splice;
	ready = s->flags & SPLICE_READY;
	p->note.remark = AGENT_REMARK_SYN_AGAIN;
	options_find(a, &g, &o);
	if (ready && has_quirk(a, QUIRK_A3)) {
		p->note.remark = "special SYN: old Δ kept (quirk A3)";
	} else if (splice_announce(s, &g, &o, a->announced_wscale)) {
		a->stats.renewed += ready;
		p->note.remark = ready ? AGENT_REMARK_SYN_RENEWS : AGENT_REMARK_SYN;
	}
	entry_move(a, i, now_ns);
	splice_plain_syn(&g, TCP_HDR_MIN + tag_at, &o);
	segment_finish(p, &g);
}

static void ingress_syn(struct agent_model *a, struct packet *p, uint64_t now_ns)
{
	const uint8_t *options = packet_tcp_options(p), *tag;
	struct tcp_options o;

	tcp_options_parse(options, p->phv.tcp_options_len, &o);
	tag = options + o.tag_at;
	if (o.tag_len < 4 || load_be16(tag + 2) != SPECIAL_SYN_EXPERIMENT)
		return; /* somebody's own business, or another experiment (RFC 6994 §3) */
	if (!special_syn_check(&a->tag_key, p->phv.src, p->phv.dst, p->phv.seq, p->phv.ack, tag, o.tag_len)) {
		a->stats.bad_tags++;
		p->note.remark = AGENT_REMARK_BAD_TAG;
		return;
	}
	announce(a, p, o.tag_at, now_ns);
}

/* Notes the packet's time, and the end of the connection if that was it. */
static void entry_follow(struct agent_model *a, uint32_t i, enum splice_end end, uint64_t now_ns)
{
	struct splice *s = &a->entries[i].splice;

	if (LIKELY(end == SPLICE_GOES_ON) || s->flags & SPLICE_CLOSING || has_quirk(a, QUIRK_A1)) {
		entry_touch(a, i, now_ns);
		return;
	}
	s->flags |= SPLICE_CLOSING;
	a->stats.removed_fin += end == SPLICE_ENDED_FIN;
	a->stats.removed_rst += end == SPLICE_ENDED_RST;
	entry_move(a, i, now_ns);
}

static void seen_take(struct splice_seen *seen, const struct packet *p)
{
	seen->seq = p->phv.seq;
	seen->seq_len = packet_seq_len(p);
	seen->ack = p->phv.ack;
	seen->tcp_flags = p->phv.tcp_flags;
}

static void note_translated(struct packet *p, const struct splice *s)
{
	p->note.translated = true;
	p->note.delta = s->delta;
}

/* Returns true if an ICMP error was about one of our pairs and has been shifted. */
static bool translate_icmp(struct agent_model *a, struct packet *p, enum splice_direction dir)
{
	uint8_t *icmp = p->data + p->phv.l4_at, *end = p->data + p->phv.payload_at + p->phv.payload_len;
	struct splice_key key;
	uint32_t at = splice_icmp_find(icmp, end, dir, &key), i = at ? entry_find(a, &key) : 0;

	if (!i || !(a->entries[i].splice.flags & SPLICE_READY))
		return false;
	splice_icmp(&a->entries[i].splice, icmp, at, end, dir);
	note_translated(p, &a->entries[i].splice);
	p->note.remark = AGENT_REMARK_ICMP;
	return true; /* anybody can send one, so it does not count as a sign of life */
}

/* Parses a packet that arrives at either side. False if there is no transport header to look at. */
static bool receive(const struct agent_model *a, struct packet *p)
{
	p->fate = FATE_FORWARD;
	p->drop = DROP_NONE;
	p->note = (struct packet_note){ .backend = a->agent.index };
	return headers_parse(p) == DROP_NONE && p->phv.l4_at;
}

/* The pair that the packet may belong to; false if there is none to look for. */
static bool key_of(const struct agent_model *a, const struct packet *p, bool ingress, struct splice_key *key)
{
	const struct ipv4_hdr *ip = packet_ip(p);
	const struct tcp_hdr *tcp = packet_tcp(p);

	if (p->phv.ip_proto != IP_PROTO_TCP || p->len < (uint32_t)p->phv.l4_at + TCP_HDR_MIN)
		return false;
	*key = ingress ? key_make(endpoint_make(ip->src, tcp->sport), a->address)
		       : key_make(endpoint_make(ip->dst, tcp->dport), a->address);
	return true;
}

/* One after the other, so that the waits overlap: the buckets, their first pairs, and behind one that it is not the
 * next. */
static void model_prefetch(const struct agent *agent, struct packet *const packets[], uint32_t count, bool ingress)
{
	const struct agent_model *a = model_of_const(agent);
	struct {
		struct splice_key key;
		const uint32_t *bucket;
	} sought[BATCH_MAX];
	uint32_t n = 0;

	for (uint32_t i = 0; i < count && n < BATCH_MAX; i++) {
		if (!key_of(a, packets[i], ingress, &sought[n].key))
			continue;
		sought[n].bucket = bucket_of(a, &sought[n].key);
		PREFETCH(sought[n++].bucket);
	}
	for (uint32_t i = 0; i < n; i++)
		PREFETCH(&a->entries[*sought[i].bucket]);
	for (uint32_t i = 0; i < n; i++) {
		const struct entry *first = &a->entries[*sought[i].bucket];

		if (*sought[i].bucket && !key_equal(&first->key, &sought[i].key))
			PREFETCH(&a->entries[first->chain]);
	}
}

static void model_ingress(struct agent *agent, struct packet *p, uint64_t now_ns)
{
	struct agent_model *a = model_of(agent);
	struct splice_segment g;
	struct splice_options o;
	struct splice_key key;
	struct splice_seen seen;
	struct splice *s;
	uint32_t i;

	a->stats.ingress_packets++;
	if (!receive(a, p))
		return;
	if (p->phv.ip_proto == IP_PROTO_ICMP) {
		a->stats.translated_in += translate_icmp(a, p, SPLICE_INGRESS);
		return;
	}
	if (!endpoint_equal(p->phv.dst, a->address))
		return;
	if (p->phv.tcp_flags & TCP_SYN) {
		if (!(p->phv.tcp_flags & TCP_ACK))
			ingress_syn(a, p, now_ns);
		return;
	}
	key = key_make(p->phv.src, p->phv.dst);
	i = entry_find(a, &key);
	if (!i)
		return;
	s = &a->entries[i].splice;
	seen_take(&seen, p);
	if (s->flags & SPLICE_READY) {
		segment_open(&g, p);
		options_find(a, &g, &o);
		splice_ingress(s, &g, &o);
		segment_finish(p, &g);
		a->stats.translated_in++;
		note_translated(p, s);
	}
	/* A fragment does not tell how long the segment is. */
	entry_follow(a, i, p->phv.fragment ? SPLICE_GOES_ON : splice_track_ingress(s, &seen), now_ns);
}

/* True if the SYN-ACK answers the pair's special SYN; then Δ is known, and a pair that had ended is none. */
static bool egress_synack(struct agent_model *a, struct packet *p, uint32_t i, const struct splice_segment *g,
			  uint64_t now_ns)
{
	struct splice *s = &a->entries[i].splice;
	bool was_ready = s->flags & SPLICE_READY;
	struct splice_options o;

	if (was_ready && has_quirk(a, QUIRK_A3))
		return true;
	options_find(a, g, &o);
	if (!splice_learn(s, g, &o))
		return false;
	entry_move(a, i, now_ns);
	p->note.remark = was_ready ? AGENT_REMARK_SYNACK_AGAIN : AGENT_REMARK_SYNACK;
	return true;
}

static void model_egress(struct agent *agent, struct packet *p, uint64_t now_ns)
{
	struct agent_model *a = model_of(agent);
	struct splice_options o = { 0 };
	struct splice_segment g;
	struct splice_key key;
	struct splice_seen seen;
	struct splice *s;
	uint32_t i;

	a->stats.egress_packets++;
	if (!receive(a, p))
		return;
	if (p->phv.ip_proto == IP_PROTO_ICMP) {
		a->stats.translated_out += translate_icmp(a, p, SPLICE_EGRESS);
		return;
	}
	if (!endpoint_equal(p->phv.src, a->address) || (p->phv.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		return;
	key = key_make(p->phv.dst, p->phv.src);
	i = entry_find(a, &key);
	if (!i)
		return;
	s = &a->entries[i].splice;
	seen_take(&seen, p);
	segment_open(&g, p);
	if (p->phv.tcp_flags & TCP_SYN && !egress_synack(a, p, i, &g, now_ns))
		return;
	if (s->flags & SPLICE_READY) {
		if (s->flags & SPLICE_TS_READY) /* else no option of this direction matters */
			options_find(a, &g, &o);
		splice_egress(s, &g, &o);
		segment_finish(p, &g);
		a->stats.translated_out++;
		note_translated(p, s);
	}
	if (!p->phv.fragment)
		a->stats.challenge_acks += splice_is_challenge(s, &seen);
	entry_follow(a, i, p->phv.fragment ? SPLICE_GOES_ON : splice_track_egress(s, &seen), now_ns);
}

/* When the list's first pair is due. */
static uint64_t list_due(const struct agent_model *a, unsigned list)
{
	uint32_t first = a->links[list_head(a, list)].next;

	if (first == list_head(a, list) || has_quirk(a, QUIRK_A1))
		return TIME_NEVER;
	return a->entries[first].splice.last_ns + a->timeouts_ns[list] + a->timeouts_ns[list] / TOUCH_SHARE;
}

static uint64_t model_next_wake(const struct agent *agent)
{
	const struct agent_model *a = model_of_const(agent);

	return MIN(list_due(a, LIST_IDLE), list_due(a, LIST_LINGER));
}

static void model_sweep(struct agent *agent, uint64_t now_ns)
{
	struct agent_model *a = model_of(agent);

	for (; list_due(a, LIST_LINGER) <= now_ns;)
		entry_remove(a, a->links[list_head(a, LIST_LINGER)].next);
	for (; list_due(a, LIST_IDLE) <= now_ns; a->stats.removed_idle++)
		entry_remove(a, a->links[list_head(a, LIST_IDLE)].next);
}

static const struct agent_stats *model_stats(const struct agent *agent)
{
	return &model_of_const(agent)->stats;
}

static bool model_lookup(const struct agent *agent, struct endpoint client, uint32_t *delta)
{
	const struct agent_model *a = model_of_const(agent);
	struct splice_key key = key_make(client, a->address);
	uint32_t i = entry_find(a, &key);

	if (!i || !(a->entries[i].splice.flags & SPLICE_READY))
		return false;
	*delta = a->entries[i].splice.delta;
	return true;
}

static const char *model_trouble(const struct agent *agent)
{
	(void)agent;
	return NULL;
}

static const struct agent_ops model_ops = {
	.name = "model",
	.free = model_free,
	.prefetch = model_prefetch,
	.ingress = model_ingress,
	.egress = model_egress,
	.next_wake = model_next_wake,
	.sweep = model_sweep,
	.stats = model_stats,
	.lookup = model_lookup,
	.trouble = model_trouble,
};

struct agent *agent_create(const struct config *config, unsigned index)
{
	struct agent_model *a = calloc(1, sizeof(*a));
	uint32_t max = config->agent.entries_max, buckets = 1;

	MUST(index < config->backend_count && max >= 1);
	if (!a)
		return NULL;
	/* Two chains a pair: the second pair of a chain is a line that nobody has prefetched. */
	while (buckets < 2 * max)
		buckets *= 2;
	a->agent = (struct agent){ .ops = &model_ops, .index = (uint8_t)index };
	a->entries_max = max;
	a->bucket_mask = buckets - 1;
	a->entries = aligned_alloc(sizeof(struct entry), ((size_t)max + 1) * sizeof(struct entry));
	a->links = calloc((size_t)max + 1 + LIST_COUNT, sizeof(struct link));
	a->buckets = calloc(buckets, sizeof(uint32_t));
	if (!a->entries || !a->links || !a->buckets) {
		model_free(&a->agent);
		return NULL;
	}
	for (unsigned list = 0; list < LIST_COUNT; list++)
		a->links[list_head(a, list)] = (struct link){ list_head(a, list), list_head(a, list) };
	a->address = config->backends[index].address;
	a->tag_key = config->tag_key;
	a->timeouts_ns[LIST_IDLE] = config->timeouts.established_ns;
	a->timeouts_ns[LIST_LINGER] = config->timeouts.linger_ns;
	a->quirks = config->quirks;
	a->announced_wscale = config_has_quirk(config, QUIRK_P2) ? WSCALE_AS_PUBLISHED : config->sw.wscale;
	return &a->agent;
}
