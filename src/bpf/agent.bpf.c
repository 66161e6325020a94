/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* agent.bpf.c: the agent in the kernel: XDP on ingress, TC on egress, around splice.h.
 *
 * Who is translated, and for how long, is what src/agent/agent.c says, packet for packet; a test runs both side
 * by side. It has no quirks.
 *
 * Nobody in user space is needed to keep the map clean: one timer ticks (agent_start). Pairs that have ended go in
 * the order of agent_ended, which is that of their timeouts; all others are looked at from time to time. In a full map
 * the pair that ended first gives way. Entries are added to the queue when a pair ends and whenever one that has ended
 * is seen again, never taken out of the middle; what no longer holds is skipped. Where time is virtual, the timer is
 * not started: its host sweeps (kernel_agent.h).
 *
 * No packet makes the kernel allocate: maps are allocated in advance, and the timer when the agent is attached. A timer
 * for each pair would be an allocation for each flow, in a context that may not wait: Linux 6.18 fails it (-ENOMEM)
 * after some hundred flows in quick succession, with memory in plenty.
 *
 * A header is copied to scratch memory, changed there, and written back. So one body serves both hooks, frames
 * in fragments (xdp.frags, GSO) are no special case, and the verifier, which knows the scratch memory's size,
 * follows splice.h without bounds of packets. Linux copies for XDP since 5.18, when it got fragments; before, frames
 * are in one piece and are read directly. agent_has_frags says which code the verifier shall see. The pair's lock is
 * held while its numbers are used.
 *
 * Whatever is not ours passes untouched: XDP_PASS, TC_ACT_UNSPEC (the next program decides). */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "../agent/agent_maps.h"

#define INLINE static inline __attribute__((always_inline))

enum {
	ETH_TYPE_AT = 12,
	VLAN_TAGS_MAX = 2,
	VLAN_LEN = 4,
	IP_MIN = 20,
	IP_MAX = 60,
	TCP_MAX = 60,
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	/* header, the largest quoted IPv4 header, and what splice_icmp() may touch of the quoted segment */
	ICMP_MIN = 8,
	ICMP_SEEN = ICMP_MIN + IP_MAX + SPLICE_TCP_MIN,
	CLOCK_OF_TIMERS = 1, /* CLOCK_MONOTONIC, as bpf_ktime_get_ns() */
	EVICT_TRIES = 128,
	/* what one tick takes from the queue before it lets others run for a moment */
	TICK_STEPS = 64,
	TICK_AGAIN_NS = 50000,
	TICK_MIN_NS = 10000000,
	TICK_MAX_NS = 1000000000,
	WALK_MIN_NS = 100000000,
	E2BIG = 7,
	EBUSY = 16,
	TAG_LEN = 12,
	TAG_EXPERIMENT = 0x4d52,
	OPTION_EXPERIMENT = 253,
};

/* Set before loading: does this kernel have bpf_xdp_load_bytes() (5.18)? */
const volatile __u8 agent_has_frags = 1;

struct ipv4 {
	__u8 version_ihl, tos;
	__u16 total_len, id, frag;
	__u8 ttl, proto;
	__u16 check;
	__u32 src, dst;
};
_Static_assert(sizeof(struct ipv4) == IP_MIN, "wire format");

struct mac_pair {
	__u16 dst[3], src[3];
} __attribute__((aligned(4)));

/* Large enough for any offset that a byte can hold, and what is read from there. */
struct scratch {
	__u8 bytes[512];
	__u32 len; /* of the header in bytes[] */
	struct splice_options options;
	__u8 tag_at, tag_len; /* of the last experiment option; 0: none */
	__u16 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct agent_settings);
} agent_settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, AGENT_SERVICES_MAX);
	__type(key, struct agent_service);
	__type(value, __u32);
} agent_services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 102400);
	__type(key, struct splice_key);
	__type(value, struct agent_pair);
} agent_pairs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 102400);
	__uint(value_size, sizeof(struct agent_ended));
} agent_ended SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct agent_clock);
} agent_clock SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct agent_counters);
} agent_counters SEC(".maps");

/* One for each direction. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct scratch);
} agent_scratch SEC(".maps");

/* A frame as far as it has been read. */
struct frame {
	void *ctx;
	enum splice_direction dir; /* a constant: each program gets its own code */
	struct scratch *scratch;
	struct agent_counters *counters;
	const struct agent_settings *settings;
	__u64 now_ns;
	__u32 src, dst; /* addresses as on the wire */
	__u32 l3_at, l4_at, l4_len, ihl;
	__u8 proto;
	_Bool fragment;
};

/* The frame at this offset, if `len` bytes are there in one piece. Offsets that a header can begin at are below 128. */
INLINE __u8 *frame_at(const struct frame *f, __u32 at, __u64 len)
{
	struct xdp_md *ctx = f->ctx;
	__u8 *p = (void *)(long)ctx->data;

	__asm__ volatile("" : "+r"(at));
	p += at & 127;
	return p + len > (__u8 *)(long)ctx->data_end ? 0 : p;
}

/* Copies between a frame in one piece and memory, by words and the bytes left over. */
INLINE long direct_copy(const struct frame *f, __u32 at, __u8 *bytes, __u64 len, _Bool to_frame)
{
	__u8 *end = (__u8 *)(long)((struct xdp_md *)f->ctx)->data_end, *p = frame_at(f, at, 0);
	__u64 i = 0;

	for (; p && i < ICMP_SEEN / 4 && 4 * i + 4 <= len; i++, p += 4) {
		if (p + 4 > end)
			return -1;
		if (to_frame)
			*(__u32 *)(void *)p = *(__u32 *)(void *)(bytes + 4 * i);
		else
			*(__u32 *)(void *)(bytes + 4 * i) = *(__u32 *)(void *)p;
	}
	for (i *= 4; p && i < ICMP_SEEN && i < len; i++, p++) {
		if (p + 1 > end)
			return -1;
		if (to_frame)
			*p = bytes[i];
		else
			bytes[i] = *p;
	}
	return p ? 0 : -1;
}

INLINE long frame_load(const struct frame *f, __u32 at, void *to, __u64 len)
{
	if (f->dir == SPLICE_EGRESS)
		return bpf_skb_load_bytes(f->ctx, at, to, (__u32)len);
	return agent_has_frags ? bpf_xdp_load_bytes(f->ctx, at, to, (__u32)len) : direct_copy(f, at, to, len, 0);
}

INLINE long frame_store(const struct frame *f, __u32 at, void *from, __u64 len)
{
	if (f->dir == SPLICE_EGRESS)
		return bpf_skb_store_bytes(f->ctx, at, from, (__u32)len, 0);
	return agent_has_frags ? bpf_xdp_store_bytes(f->ctx, at, from, (__u32)len) : direct_copy(f, at, from, len, 1);
}

/* True if min <= len <= max. Two comparisons that the compiler can neither make one of nor turn into "not 0", of which
 * verifiers before Linux 6.8 learn nothing: the verifier reads them. */
INLINE _Bool is_within(__u64 *len, __u64 min, __u64 max)
{
	__asm__ volatile("" : "+r"(*len));
	if (*len < min)
		return 0;
	__asm__ volatile("" : "+r"(*len));
	return *len <= max;
}

INLINE __u32 frame_len(const struct frame *f)
{
	const struct xdp_md *xdp = f->ctx;

	if (f->dir == SPLICE_EGRESS)
		return ((struct __sk_buff *)f->ctx)->len;
	return agent_has_frags ? (__u32)bpf_xdp_get_buff_len(f->ctx) : xdp->data_end - xdp->data;
}

/* Steps over up to two VLAN tags. False if this is not IPv4. */
INLINE _Bool parse_ethernet(struct frame *f)
{
	__u32 at = ETH_TYPE_AT;
	__u16 type = 0;

	if (frame_load(f, at, &type, sizeof(type)))
		return 0;
	for (int i = 0; i < VLAN_TAGS_MAX; i++) {
		if (type != __builtin_bswap16(0x8100) && type != __builtin_bswap16(0x88a8))
			break;
		at += VLAN_LEN;
		if (frame_load(f, at, &type, sizeof(type)))
			return 0;
	}
	f->l3_at = at + sizeof(type);
	return type == __builtin_bswap16(0x0800);
}

/* As headers_parse(). False if there is no transport header to look at. */
INLINE _Bool parse_ipv4(struct frame *f)
{
	__u32 left = frame_len(f), total;
	struct ipv4 ip;
	__u16 frag;

	if (frame_load(f, f->l3_at, &ip, sizeof(ip)))
		return 0;
	left -= f->l3_at;
	f->ihl = (ip.version_ihl & 15) * 4u;
	total = __builtin_bswap16(ip.total_len);
	frag = __builtin_bswap16(ip.frag);
	if (ip.version_ihl >> 4 != 4 || f->ihl < IP_MIN || total > left || total < f->ihl || frag & 0x1fff)
		return 0;
	f->src = ip.src;
	f->dst = ip.dst;
	f->proto = ip.proto;
	f->fragment = frag >> 13 & 1;
	f->l4_at = f->l3_at + f->ihl;
	f->l4_len = total - f->ihl;
	return 1;
}

/* The TCP header with its options into scratch memory. */
INLINE _Bool load_tcp(struct frame *f)
{
	struct scratch *h = f->scratch;
	__u64 len;

	if (f->l4_len < SPLICE_TCP_MIN || frame_load(f, f->l4_at, h->bytes, SPLICE_TCP_MIN))
		return 0;
	len = (h->bytes[SPLICE_AT_DATA_OFF] >> 4) * 4u;
	if (len < SPLICE_TCP_MIN || len > f->l4_len)
		return 0;
	h->len = (__u32)len;
	if (len == SPLICE_TCP_MIN)
		return 1;
	len -= SPLICE_TCP_MIN;
	return is_within(&len, 4, TCP_MAX - SPLICE_TCP_MIN) &&
	       !frame_load(f, f->l4_at + SPLICE_TCP_MIN, h->bytes + SPLICE_TCP_MIN, len);
}

INLINE void store_tcp(const struct frame *f)
{
	__u64 len = f->scratch->len;

	if (is_within(&len, SPLICE_TCP_MIN, TCP_MAX))
		frame_store(f, f->l4_at, f->scratch->bytes, len);
}

INLINE struct splice_segment segment_of(struct scratch *h)
{
	return (struct splice_segment){ .tcp = h->bytes, .end = h->bytes + sizeof(h->bytes) };
}

/* Global functions: the verifier follows each once, whoever calls it. */
__attribute__((noinline)) int agent_options(struct scratch *h)
{
	struct splice_segment g;

	if (!h)
		return 0;
	g = segment_of(h);
	splice_options_find(&g, &h->options);
	return 0;
}

/* The last experiment option, as tcp_options_parse() finds it. */
__attribute__((noinline)) int agent_tag(struct scratch *h)
{
	__u32 at = SPLICE_TCP_MIN;

	if (!h)
		return 0;
	h->tag_at = h->tag_len = 0;
	for (__u32 i = 0; i < 40 && at < h->len; i++) {
		const __u8 *p = h->bytes + at;

		if (p[0] == 0)
			break;
		if (p[0] == 1) {
			at = splice_option_at(at + 1);
			continue;
		}
		if (at + 1 >= h->len || p[1] < 2 || at + p[1] > h->len)
			break;
		if (p[0] == OPTION_EXPERIMENT) {
			h->tag_at = (__u8)at;
			h->tag_len = p[1];
		}
		at = splice_option_at(at + p[1]);
	}
	return 0;
}

/* The changes' sum into the checksum, and the header back into the frame. In TC the field of a partial checksum
 * must stay, and only the kernel knows which it is. */
INLINE void segment_finish(const struct frame *f, const struct splice_segment *g)
{
	__u16 check;

	if (f->dir == SPLICE_INGRESS) {
		__builtin_memcpy(&check, f->scratch->bytes + SPLICE_AT_CHECK, sizeof(check));
		check = splice_csum_apply(check, g);
		__builtin_memcpy(f->scratch->bytes + SPLICE_AT_CHECK, &check, sizeof(check));
	}
	store_tcp(f);
	if (f->dir == SPLICE_EGRESS && g->diff)
		bpf_l4_csum_replace(f->ctx, f->l4_at + SPLICE_AT_CHECK, 0, splice_csum_diff(g), 0);
}

/* True if it is one of the services that flows are announced for. */
INLINE _Bool is_service(__u32 addr, __u16 port)
{
	struct agent_service service = { .addr = addr, .port = port };

	if (bpf_map_lookup_elem(&agent_services, &service))
		return 1;
	service.addr = 0;
	return bpf_map_lookup_elem(&agent_services, &service) != 0;
}

INLINE struct splice_key key_of(const struct frame *f)
{
	struct splice_key key;
	__u16 sport, dport;

	__builtin_memcpy(&sport, f->scratch->bytes, sizeof(sport));
	__builtin_memcpy(&dport, f->scratch->bytes + 2, sizeof(dport));
	key.client_addr = f->dir == SPLICE_INGRESS ? f->src : f->dst;
	key.local_addr = f->dir == SPLICE_INGRESS ? f->dst : f->src;
	key.client_port = f->dir == SPLICE_INGRESS ? sport : dport;
	key.local_port = f->dir == SPLICE_INGRESS ? dport : sport;
	return key;
}

INLINE struct splice_seen seen_of(const struct frame *f)
{
	const __u8 *tcp = f->scratch->bytes;
	__u8 flags = tcp[SPLICE_AT_FLAGS];

	return (struct splice_seen){
		.seq = splice_get32(tcp + SPLICE_AT_SEQ),
		.seq_len = f->l4_len - f->scratch->len + !!(flags & SPLICE_SYN) + !!(flags & SPLICE_FIN),
		.ack = splice_get32(tcp + SPLICE_AT_ACK),
		.tcp_flags = flags,
	};
}

/* SipHash over what special_syn_write() covers. */
INLINE _Bool tag_right(const struct agent_settings *settings, const struct splice_key *key, const struct scratch *h)
{
	struct {
		struct agent_service client, local;
		__u32 seq, ack;
	} covered = {
		.client = { .addr = key->client_addr, .port = key->client_port },
		.local = { .addr = key->local_addr, .port = key->local_port },
		.seq = splice_get32(h->bytes + SPLICE_AT_SEQ),
		.ack = splice_get32(h->bytes + SPLICE_AT_ACK),
	};
	const __u8 *tag = h->bytes + h->tag_at;
	__u64 hash;

	_Static_assert(sizeof(covered) == 24, "no padding may enter the hash");
	if (h->tag_len != TAG_LEN)
		return 0;
	hash = siphash_inline(&settings->tag_key, &covered, sizeof(covered));
	return splice_get32(tag + 4) == (__u32)(hash >> 32) && splice_get32(tag + 8) == (__u32)hash;
}

/* What a packet did to its pair: noted under the lock, carried out behind it. */
struct follow {
	enum splice_end end;
	struct agent_ended ended; /* its new place in the queue; turn 0: none */
};

/* A pair's timeout, with what its last_ns may lag behind. */
INLINE __u64 timeout_of(const struct agent_settings *settings, _Bool closing)
{
	__u64 ns = settings->timeouts_ns[closing ? 1 : 0];

	return ns + ns / AGENT_TOUCH_SHARE;
}

/* Under the lock: the pair's time is now. */
INLINE void pair_move(const struct frame *f, struct agent_pair *pair, struct follow *followed)
{
	pair->splice.last_ns = f->now_ns;
	if (!(pair->splice.flags & SPLICE_CLOSING))
		return;
	followed->ended.turn = ++pair->turn;
	followed->ended.last_ns = f->now_ns;
}

/* Behind the lock. */
INLINE void pair_settle(const struct frame *f, const struct splice_key *key, struct follow *followed)
{
	f->counters->removed_fin += followed->end == SPLICE_ENDED_FIN;
	f->counters->removed_rst += followed->end == SPLICE_ENDED_RST;
	if (followed->ended.turn) {
		followed->ended.key = *key;
		bpf_map_push_elem(&agent_ended, &followed->ended, BPF_EXIST);
	}
}

/* Does the queue's entry tell the pair's last place? */
INLINE _Bool ended_holds(const struct agent_ended *ended)
{
	const struct agent_pair *pair = bpf_map_lookup_elem(&agent_pairs, &ended->key);

	return pair && pair->splice.flags & SPLICE_CLOSING && pair->turn == ended->turn &&
	       pair->splice.last_ns == ended->last_ns;
}

/* In a full map the pair that ended first gives way. 0 if none has ended. Global: see agent_options(). */
__attribute__((noinline)) int agent_make_room(void)
{
	__u32 zero = 0;
	struct agent_counters *counters = bpf_map_lookup_elem(&agent_counters, &zero);
	struct agent_ended ended;

	for (int i = 0; counters && i < EVICT_TRIES && !bpf_map_pop_elem(&agent_ended, &ended); i++) {
		if (!ended_holds(&ended) || bpf_map_delete_elem(&agent_pairs, &ended.key))
			continue;
		counters->gave_way++;
		return 1;
	}
	return 0;
}

/* Takes one entry from the queue's front, with its pair if that is due. False if there is none to take. A special SYN
 * that renews the pair at this very moment is lost with it; the front-end sends another. */
INLINE _Bool ended_take(__u64 now_ns, __u64 linger_ns)
{
	struct agent_ended ended;

	if (bpf_map_peek_elem(&agent_ended, &ended) || (ended.last_ns + linger_ns > now_ns && ended_holds(&ended)) ||
	    bpf_map_pop_elem(&agent_ended, &ended))
		return 0;
	if (!ended_holds(&ended))
		return 1;
	/* Not what was looked at: another CPU has taken that one. */
	if (ended.last_ns + linger_ns > now_ns)
		bpf_map_push_elem(&agent_ended, &ended, BPF_EXIST);
	else
		bpf_map_delete_elem(&agent_pairs, &ended.key);
	return 1;
}

/* A walk over all pairs. */
struct walk {
	__u64 now_ns, timeouts_ns[2];
};

/* Removes the pair if it is due. Ended ones go by the queue, but for those whose entry got lost in a full one. */
static long pair_visit(void *map, struct splice_key *key, struct agent_pair *pair, struct walk *w)
{
	__u32 zero = 0;
	struct agent_counters *counters = bpf_map_lookup_elem(&agent_counters, &zero);
	_Bool closing = pair->splice.flags & SPLICE_CLOSING;

	if (pair->splice.last_ns + (closing ? w->timeouts_ns[1] : w->timeouts_ns[0]) > w->now_ns ||
	    bpf_map_delete_elem(map, key) || !counters)
		return 0;
	counters->removed_idle += !closing;
	return 0;
}

INLINE __u64 bounded(__u64 ns, __u64 min, __u64 max)
{
	return ns < min ? min : ns > max ? max : ns;
}

static int clock_ticks(void *map, __u32 *key, struct agent_clock *clock)
{
	__u32 zero = 0, taken = 0;
	struct agent_settings *settings = bpf_map_lookup_elem(&agent_settings, &zero);
	__u64 idle_ns, linger_ns;
	struct walk w;

	(void)map, (void)key;
	if (!settings)
		return 0;
	idle_ns = settings->timeouts_ns[0];
	linger_ns = settings->timeouts_ns[1];
	w = (struct walk){ bpf_ktime_get_ns(), { timeout_of(settings, 0), timeout_of(settings, 1) } };
	while (taken < TICK_STEPS && ended_take(w.now_ns, w.timeouts_ns[1]))
		taken++;
	if (w.now_ns - clock->walked_ns >= bounded(idle_ns / AGENT_TOUCH_SHARE, WALK_MIN_NS, ~0ull)) {
		clock->walked_ns = w.now_ns;
		bpf_for_each_map_elem(&agent_pairs, pair_visit, &w, 0);
	}
	if (linger_ns > idle_ns)
		linger_ns = idle_ns;
	bpf_timer_start(&clock->timer,
			taken == TICK_STEPS ? TICK_AGAIN_NS
					    : bounded(linger_ns / AGENT_TOUCH_SHARE, TICK_MIN_NS, TICK_MAX_NS),
			0);
	return 0;
}

/* Run once by whoever attaches, never attached itself: from then on the timer ticks, with this object's code. Returns 0
 * or an errno. */
SEC("xdp")
int agent_start(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct agent_clock *clock = bpf_map_lookup_elem(&agent_clock, &zero);
	long error = clock ? bpf_timer_init(&clock->timer, &agent_clock, CLOCK_OF_TIMERS) : -E2BIG;

	(void)ctx;
	if (clock && (!error || error == -EBUSY))
		error = bpf_timer_set_callback(&clock->timer, clock_ticks);
	if (clock && !error)
		error = bpf_timer_start(&clock->timer, 0, 0);
	return (int)-error;
}

/* The pair of a special SYN, made if there is none; NULL, and a reason, if it cannot be. Before Linux 6.4 only the
 * lower half of what the update returns is its result. */
INLINE struct agent_pair *pair_claim(const struct frame *f, const struct splice_key *key, int *error)
{
	struct agent_pair fresh = { 0 }, *pair = bpf_map_lookup_elem(&agent_pairs, key);

	if (pair)
		return pair;
	fresh.splice.last_ns = f->now_ns;
	*error = (int)bpf_map_update_elem(&agent_pairs, key, &fresh, BPF_NOEXIST);
	if (*error == -E2BIG && agent_make_room())
		*error = (int)bpf_map_update_elem(&agent_pairs, key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&agent_pairs, key);
}

INLINE __u16 sum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)((sum & 0xffff) + (sum >> 16));
}

/* The checksums of the RST in scratch memory: an IPv4 header of `ihl` bytes at 0, 20 bytes of TCP at IP_MAX. */
__attribute__((noinline)) int agent_reset_sums(struct scratch *h, __u32 ihl)
{
	__u32 ip_sum = 0, tcp_sum = 0;
	__u16 word, *words;

	if (!h)
		return 0;
	words = (__u16 *)(void *)h->bytes;
	for (__u32 i = 0; i < IP_MAX / 2; i++)
		if (i < ihl / 2)
			ip_sum += words[i];
	word = (__u16)~sum_fold(ip_sum);
	words[5] = word;
	tcp_sum = words[6] + words[7] + words[8] + words[9];
	tcp_sum += __builtin_bswap16(PROTO_TCP) + __builtin_bswap16(SPLICE_TCP_MIN);
	for (__u32 i = 0; i < SPLICE_TCP_MIN / 2; i++)
		tcp_sum += words[IP_MAX / 2 + i];
	words[(IP_MAX + SPLICE_AT_CHECK) / 2] = (__u16)~sum_fold(tcp_sum);
	return 0;
}

/* The RST's TCP header at IP_MAX of scratch memory. */
INLINE void reset_tcp(const struct frame *f, const struct splice_key *key, __u32 ack)
{
	__u8 *tcp = f->scratch->bytes + IP_MAX;

	__builtin_memset(tcp, 0, SPLICE_TCP_MIN);
	__builtin_memcpy(tcp, &key->local_port, sizeof(__u16));
	__builtin_memcpy(tcp + 2, &key->client_port, sizeof(__u16));
	ack = __builtin_bswap32(ack);
	__builtin_memcpy(tcp + SPLICE_AT_ACK, &ack, sizeof(ack));
	tcp[SPLICE_AT_DATA_OFF] = SPLICE_TCP_MIN / 4 << 4;
	tcp[SPLICE_AT_FLAGS] = SPLICE_RST | SPLICE_ACK;
}

/* The map is full: the special SYN turns round as a RST, as turn_into_reset() of the model. */
INLINE int refuse(const struct frame *f, const struct splice_key *key, _Bool full)
{
	struct splice_seen seen = seen_of(f);
	__u8 *bytes = f->scratch->bytes;
	struct mac_pair mac, turned;
	__u64 ihl = f->ihl;
	__u16 total;

	if (full)
		f->counters->refused_full++;
	else
		f->counters->refused_failed++;
	if (!is_within(&ihl, IP_MIN, IP_MAX) || frame_load(f, f->l3_at, bytes, ihl) ||
	    frame_load(f, 0, &mac, sizeof(mac)))
		return XDP_PASS;
	__builtin_memcpy(bytes + 12, &key->local_addr, sizeof(__u32));
	__builtin_memcpy(bytes + 16, &key->client_addr, sizeof(__u32));
	total = __builtin_bswap16((__u16)(ihl + SPLICE_TCP_MIN));
	__builtin_memcpy(bytes + 2, &total, sizeof(total));
	bytes[10] = bytes[11] = 0;
	turned = (struct mac_pair){ { mac.src[0], mac.src[1], mac.src[2] }, { mac.dst[0], mac.dst[1], mac.dst[2] } };
	reset_tcp(f, key, seq_add(seen.seq, seen.seq_len));
	agent_reset_sums(f->scratch, (__u32)ihl);
	if (frame_store(f, f->l3_at, bytes, ihl) || frame_store(f, f->l4_at, bytes + IP_MAX, SPLICE_TCP_MIN) ||
	    frame_store(f, 0, &turned, sizeof(turned)))
		return XDP_PASS;
	return bpf_xdp_adjust_tail(f->ctx, (int)(f->l4_at + SPLICE_TCP_MIN - frame_len(f))) ? XDP_DROP : XDP_TX;
}

/* A SYN for one of our services: if it is special and the tag is right, the pair is announced. */
INLINE int ingress_syn(const struct frame *f, const struct splice_key *key)
{
	struct splice_segment g = segment_of(f->scratch);
	struct follow followed = { 0 };
	struct agent_pair *pair;
	_Bool ready, renewed;
	__u8 announced_wscale;
	int error = 0;

	agent_tag(f->scratch);
	if (f->scratch->tag_len < 4 || splice_get16(f->scratch->bytes + f->scratch->tag_at + 2) != TAG_EXPERIMENT)
		return XDP_PASS;
	if (!tag_right(f->settings, key, f->scratch)) {
		f->counters->bad_tags++;
		return XDP_PASS;
	}
	f->counters->special_syns++;
	pair = pair_claim(f, key, &error);
	if (!pair)
		return refuse(f, key, error == -E2BIG);
	agent_options(f->scratch);
	announced_wscale = (__u8)f->settings->announced_wscale;
	bpf_spin_lock(&pair->lock);
	ready = pair->splice.flags & SPLICE_READY;
	renewed = splice_announce(&pair->splice, &g, &f->scratch->options, announced_wscale);
	pair_move(f, pair, &followed);
	bpf_spin_unlock(&pair->lock);
	pair_settle(f, key, &followed);
	f->counters->renewed += ready && renewed;
	splice_plain_syn(&g, f->scratch->tag_at, &f->scratch->options);
	segment_finish(f, &g);
	return XDP_PASS;
}

/* Notes the packet's time, and the end of the connection if that was it; under the pair's lock. As entry_follow():
 * what is nearly up to date is not written. */
INLINE void pair_follow(const struct frame *f, struct agent_pair *pair, struct follow *followed,
			const __u64 touch_ns[2])
{
	_Bool closing = pair->splice.flags & SPLICE_CLOSING;

	if (followed->end == SPLICE_GOES_ON || closing) {
		followed->end = SPLICE_GOES_ON;
		if (f->now_ns - pair->splice.last_ns >= (closing ? touch_ns[1] : touch_ns[0]))
			pair_move(f, pair, followed);
		return;
	}
	pair->splice.flags |= SPLICE_CLOSING;
	pair_move(f, pair, followed);
}

INLINE void ingress_tcp(const struct frame *f, const struct splice_key *key, struct agent_pair *pair)
{
	struct splice_segment g = segment_of(f->scratch);
	struct splice_seen seen = seen_of(f);
	struct splice *s = &pair->splice;
	__u64 touch_ns[2] = { f->settings->timeouts_ns[0] / AGENT_TOUCH_SHARE,
			      f->settings->timeouts_ns[1] / AGENT_TOUCH_SHARE };
	struct follow followed = { 0 };
	_Bool ready;

	agent_options(f->scratch);
	bpf_spin_lock(&pair->lock);
	ready = s->flags & SPLICE_READY;
	if (ready)
		splice_ingress(s, &g, &f->scratch->options);
	followed.end = f->fragment ? SPLICE_GOES_ON : splice_track_ingress(s, &seen);
	pair_follow(f, pair, &followed, touch_ns);
	bpf_spin_unlock(&pair->lock);
	pair_settle(f, key, &followed);
	if (!ready)
		return;
	f->counters->translated_in++;
	segment_finish(f, &g);
}

INLINE void egress_tcp(const struct frame *f, const struct splice_key *key, struct agent_pair *pair)
{
	struct splice_segment g = segment_of(f->scratch);
	struct splice_seen seen = seen_of(f);
	struct splice *s = &pair->splice;
	__u64 touch_ns[2] = { f->settings->timeouts_ns[0] / AGENT_TOUCH_SHARE,
			      f->settings->timeouts_ns[1] / AGENT_TOUCH_SHARE };
	struct follow followed = { 0 };
	_Bool ready = 0, challenge = 0;

	agent_options(f->scratch);
	bpf_spin_lock(&pair->lock);
	/* A SYN-ACK that answers no special SYN is not ours. */
	if (!(seen.tcp_flags & SPLICE_SYN) || splice_learn(s, &g, &f->scratch->options)) {
		if (seen.tcp_flags & SPLICE_SYN)
			pair_move(f, pair, &followed);
		ready = s->flags & SPLICE_READY;
		if (ready)
			splice_egress(s, &g, &f->scratch->options);
		challenge = !f->fragment && splice_is_challenge(s, &seen);
		followed.end = f->fragment ? SPLICE_GOES_ON : splice_track_egress(s, &seen);
		pair_follow(f, pair, &followed, touch_ns);
	}
	bpf_spin_unlock(&pair->lock);
	pair_settle(f, key, &followed);
	f->counters->challenge_acks += challenge;
	if (!ready)
		return;
	f->counters->translated_out++;
	segment_finish(f, &g);
}

/* An ICMP error about one of our pairs has the numbers that it quotes shifted. */
INLINE void translate_icmp(const struct frame *f)
{
	__u64 len = f->l4_len < ICMP_SEEN ? f->l4_len : ICMP_SEEN;
	__u8 *icmp = f->scratch->bytes;
	struct agent_pair *pair;
	struct splice_key key;
	struct splice s;
	__u32 tcp_at;

	if (!is_within(&len, ICMP_MIN, ICMP_SEEN) || frame_load(f, f->l4_at, icmp, len))
		return;
	tcp_at = splice_icmp_find(icmp, icmp + len, f->dir, &key);
	pair = tcp_at ? bpf_map_lookup_elem(&agent_pairs, &key) : 0;
	if (!pair)
		return;
	bpf_spin_lock(&pair->lock);
	s.flags = pair->splice.flags;
	s.delta = pair->splice.delta;
	bpf_spin_unlock(&pair->lock);
	if (!(s.flags & SPLICE_READY))
		return;
	splice_icmp(&s, icmp, tcp_at & 127, icmp + len, f->dir);
	if (frame_store(f, f->l4_at, icmp, len))
		return;
	if (f->dir == SPLICE_INGRESS)
		f->counters->translated_in++;
	else
		f->counters->translated_out++;
}

/* Reads a frame that arrives at either hook. True if it is TCP; ICMP errors are done with. */
INLINE _Bool receive(struct frame *f)
{
	__u32 zero = 0, dir = f->dir;

	f->scratch = bpf_map_lookup_elem(&agent_scratch, &dir);
	f->counters = bpf_map_lookup_elem(&agent_counters, &zero);
	f->settings = bpf_map_lookup_elem(&agent_settings, &zero);
	if (!f->scratch || !f->counters || !f->settings)
		return 0;
	f->now_ns = f->settings->now_ns;
	if (!f->now_ns)
		f->now_ns = bpf_ktime_get_ns();
	if (f->dir == SPLICE_INGRESS)
		f->counters->ingress_packets++;
	else
		f->counters->egress_packets++;
	if (!parse_ethernet(f) || !parse_ipv4(f))
		return 0;
	if (f->proto == PROTO_ICMP)
		translate_icmp(f);
	return f->proto == PROTO_TCP && load_tcp(f);
}

/* The flag that lets it see fragments is set where the kernel knows it. */
SEC("xdp")
int agent_ingress(struct xdp_md *ctx)
{
	struct frame f = { .ctx = ctx, .dir = SPLICE_INGRESS };
	struct agent_pair *pair;
	struct splice_key key;
	__u8 flags;

	if (!receive(&f))
		return XDP_PASS;
	key = key_of(&f);
	flags = f.scratch->bytes[SPLICE_AT_FLAGS];
	if (!is_service(key.local_addr, key.local_port))
		return XDP_PASS;
	if (flags & SPLICE_SYN)
		return flags & SPLICE_ACK ? XDP_PASS : ingress_syn(&f, &key);
	pair = bpf_map_lookup_elem(&agent_pairs, &key);
	if (pair)
		ingress_tcp(&f, &key, pair);
	return XDP_PASS;
}

SEC("tc")
int agent_egress(struct __sk_buff *ctx)
{
	struct frame f = { .ctx = ctx, .dir = SPLICE_EGRESS };
	struct agent_pair *pair;
	struct splice_key key;

	if (!receive(&f))
		return TC_ACT_UNSPEC;
	key = key_of(&f);
	if ((f.scratch->bytes[SPLICE_AT_FLAGS] & (SPLICE_SYN | SPLICE_ACK)) == SPLICE_SYN ||
	    !is_service(key.local_addr, key.local_port))
		return TC_ACT_UNSPEC;
	pair = bpf_map_lookup_elem(&agent_pairs, &key);
	if (pair)
		egress_tcp(&f, &key, pair);
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
