/* SPDX-License-Identifier: BSD-2-Clause */
/* link.c: when, and whether, a packet comes out at the other end of a link.
 *
 * A packet waits until the line is free, takes length * 8 / rate to be sent (the frame as it stands,
 * without preamble, FCS and gap) and `delay` to arrive. Fractions of a nanosecond are carried on
 * while the line stays busy, so n frames take exactly what their bits take, rounded down once.
 * What waits is counted in whole frames; a frame on the line waits no more. A frame that would have
 * to wait, and does not fit, is dropped at the tail. Without a rate nothing fills a queue.
 *
 * The fault plan draws, for every packet accepted, once per chance that is not zero, in one order
 * (loss, duplicate, reorder, spike, corrupt), from a generator of this link and direction alone:
 * what happens on one link never changes what happens on another. A lost packet has taken its
 * time of the line. A copy arrives when the packet should have. Only those that are drawn for
 * reordering leave the order, and others overtake them.
 *
 * Corruption flips one bit of the IP datagram, once: what is damaged already is left alone, since
 * two flips could cancel out in the checksum, which no single one does. Ethernet's own check would
 * have caught what happens on a wire; this is what the memory of a router does, and only TCP sees it. */
#include "link.h"

#include "miresga/checksum.h"

void link_model_init(struct link_model *l, const struct config_link *config, uint64_t seed, uint32_t number)
{
	*l = (struct link_model){ .config = config };
	prng_child(&l->prng, seed, "link", number);
}

void link_model_fini(struct link_model *l)
{
	fifo_fini(&l->waiting);
}

static bool draw(struct link_model *l, uint32_t chance)
{
	return chance && prng_below(&l->prng, CHANCE_ALWAYS) < chance;
}

/* Uniform in [1, bound]; beyond 2^32 ns the bias of the modulo is of no account. */
static uint64_t draw_ns(struct link_model *l, uint64_t bound)
{
	return bound ? 1 + prng_u64(&l->prng) % bound : 0;
}

bool link_spared(struct packet *p)
{
	const struct ipv4_hdr *ip;

	if (p->checksum_partial || headers_parse(p) != DROP_NONE || p->phv.ether_type != ETHERTYPE_IPV4)
		return false;
	ip = packet_ip(p);
	if (be16_to(csum_ipv4(ip, (size_t)(ip->version_ihl & 15) * 4)) != be16_to(ip->check))
		return false;
	if (p->phv.l4_at == 0 || p->phv.ip_proto != IP_PROTO_TCP)
		return true;
	return csum_tcp_right(ip, packet_tcp(p), (size_t)be16_to(ip->total_len) - (p->phv.l4_at - p->phv.l3_at));
}

static void corrupt(struct link_model *l, struct packet *p, struct link_fate *fate)
{
	uint32_t bit = prng_u32(&l->prng);

	if (!link_spared(p))
		return;
	fate->damaged = true;
	fate->bit = bit % (be16_to(packet_ip(p)->total_len) * 8u);
	l->stats.corrupted++;
}

void link_damage(struct packet *p, uint32_t bit)
{
	p->data[p->phv.l3_at + bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* What went on the line meanwhile waits no more. */
static void forget_sent(struct link_model *l, uint64_t now_ns)
{
	while (l->waiting.count && fifo_first(&l->waiting)->at_ns <= now_ns) {
		l->waiting_bytes -= fifo_first(&l->waiting)->value;
		fifo_pop(&l->waiting);
	}
}

/* Takes the line from start_ns on for `len` bytes; when the last bit is on it. */
static void occupy(struct link_model *l, uint64_t start_ns, uint32_t len)
{
	uint64_t rate = l->config->rate, parts;

	if (start_ns > l->free_ns)
		l->remainder = 0; /* the line was idle */
	l->free_ns = start_ns;
	if (!rate)
		return;
	parts = (uint64_t)len * 8 * NS_PER_S + l->remainder;
	l->free_ns += parts / rate;
	l->remainder = parts % rate;
}

/* False if there is no room, or no memory. */
static bool enqueue(struct link_model *l, uint32_t len, uint64_t start_ns)
{
	if (!fifo_push(&l->waiting, &(struct fifo_item){ .at_ns = start_ns, .value = len }))
		return false;
	l->waiting_bytes += len;
	l->stats.queue_peak = MAX(l->stats.queue_peak, l->waiting_bytes);
	return true;
}

void link_model_carry(struct link_model *l, struct packet *p, uint64_t now_ns, struct link_fate *fate)
{
	const struct config_link *c = l->config;
	uint64_t start_ns = MAX(now_ns, l->free_ns);
	bool lost, late;

	*fate = (struct link_fate){ .drop = DROP_NONE };
	l->stats.packets++;
	l->stats.bytes += p->len;
	forget_sent(l, now_ns);
	if (c->rate && start_ns > now_ns && l->waiting_bytes + p->len > c->queue) {
		l->stats.queue_drops++;
		fate->drop = DROP_QUEUE_FULL;
		return;
	}
	lost = draw(l, c->loss);
	fate->twice = draw(l, c->duplicate) && !lost;
	late = draw(l, c->reorder) && !lost;
	if (draw(l, c->spike)) {
		start_ns += c->spike_ns;
		l->stats.spikes++;
	}
	if (draw(l, c->corrupt) && !lost)
		corrupt(l, p, fate);
	if (c->rate && start_ns > now_ns && !enqueue(l, p->len, start_ns)) {
		l->stats.queue_drops++;
		fate->drop = DROP_QUEUE_FULL;
		return;
	}
	occupy(l, start_ns, p->len);
	fate->arrives_ns = fate->again_ns = l->free_ns + c->delay_ns;
	if (late)
		fate->arrives_ns += draw_ns(l, c->reorder_ns);
	if (lost)
		fate->drop = DROP_LINK_LOST;
	l->stats.lost += lost;
	l->stats.duplicated += fate->twice;
	l->stats.reordered += late;
}

void link_stats_add(struct link_stats *sum, const struct link_stats *stats)
{
	sum->packets += stats->packets;
	sum->bytes += stats->bytes;
	sum->queue_drops += stats->queue_drops;
	sum->lost += stats->lost;
	sum->duplicated += stats->duplicated;
	sum->reordered += stats->reordered;
	sum->spikes += stats->spikes;
	sum->corrupted += stats->corrupted;
	sum->queue_peak = MAX(sum->queue_peak, stats->queue_peak);
}
