/* SPDX-License-Identifier: BSD-2-Clause */
/* cookie.c: the ISN cookie L (RFC 4987 §3.6; layout in cookie.h).
 *
 * Stateless: whoever has the key can check what another one made. The MAC covers the whole clock
 * count, not only its two bits on the wire, so that a cookie does not come alive again every
 * 256 s. Refused: another 4-tuple or client ISN, age above two steps, any changed bit. A cookie
 * changes with the client's ISN, but is the same for a retransmitted SYN within a clock step. */
#include "miresga/cookie.h"

#include "miresga/tcp_options.h"

#define CLOCK_STEP_NS (64 * NS_PER_S)
#define CLOCK_MASK UINT64_C(3)
#define CLOCK_SHIFT 30
#define AGE_MAX 2
#define MSS_SHIFT 27
#define MSS_MASK 7
#define WSCALE_SHIFT 23
#define WSCALE_MASK 15
#define SACK_BIT (UINT32_C(1) << 22)
#define ECN_BIT (UINT32_C(1) << 21)
#define MAC_MASK (ECN_BIT - 1)

/* The largest class not above the client's offer is carried, so the server never sends more than
 * the client takes (below the first class excepted, which no real path needs).
 * 216: tiny radio links; 536: the default of RFC 9293 §3.7.1; 1200, 1360, 1400: tunnels and
 * mobile networks; 1440: IPv6 translated to IPv4, VXLAN and the like; 1460: Ethernet; 8960: jumbo
 * frames and loopback. */
static const uint16_t cookie_mss_table[MSS_MASK + 1] = { 216, 536, 1200, 1360, 1400, 1440, 1460, 8960 };

/* What makes the handshake of a cookie. */
struct handshake {
	struct endpoint client, vip;
	uint32_t client_isn;
};

static uint32_t cookie_mac(const struct siphash_key *key, const struct handshake *h, uint64_t step, uint32_t bits)
{
	struct {
		uint64_t client, vip, step;
		uint32_t client_isn, bits;
	} covered = {
		.client = endpoint_word(h->client),
		.vip = endpoint_word(h->vip),
		.step = step,
		.client_isn = h->client_isn,
		.bits = bits,
	};
	uint32_t mac;

	_Static_assert(sizeof(covered) == 32, "no padding may enter the hash");
	mac = (uint32_t)siphash(key, &covered, sizeof(covered)) & MAC_MASK;
	return mac ? mac : 1;
}

static uint32_t mss_class(uint16_t mss)
{
	uint32_t i = MSS_MASK;

	if (!mss)
		mss = TCP_MSS_DEFAULT;
	while (i && cookie_mss_table[i] > mss)
		i--;
	return i;
}

uint32_t cookie_make(const struct siphash_key *key, struct endpoint client, struct endpoint vip, uint32_t client_isn,
		     const struct syn_offer *offer, uint64_t now_ns)
{
	const struct handshake h = { .client = client, .vip = vip, .client_isn = client_isn };
	uint64_t step = now_ns / CLOCK_STEP_NS;
	uint32_t bits = (uint32_t)(step & CLOCK_MASK) << CLOCK_SHIFT;

	MUST(offer->wscale <= TCP_WSCALE_NONE);
	bits |= mss_class(offer->mss) << MSS_SHIFT;
	bits |= (uint32_t)offer->wscale << WSCALE_SHIFT;
	bits |= offer->sack ? SACK_BIT : 0;
	bits |= offer->ecn ? ECN_BIT : 0;
	return bits | cookie_mac(key, &h, step, bits);
}

bool cookie_check(const struct siphash_key *key, struct endpoint client, struct endpoint vip, uint32_t client_isn,
		  uint32_t cookie, uint64_t now_ns, struct syn_offer *offer)
{
	const struct handshake h = { .client = client, .vip = vip, .client_isn = client_isn };
	uint64_t step = now_ns / CLOCK_STEP_NS;
	uint64_t age = (step - (cookie >> CLOCK_SHIFT)) & CLOCK_MASK;
	uint32_t bits = cookie & ~MAC_MASK;

	if (age > AGE_MAX)
		return false;
	if ((cookie & MAC_MASK) != cookie_mac(key, &h, step - age, bits))
		return false;
	offer->mss = cookie_mss_table[cookie >> MSS_SHIFT & MSS_MASK];
	offer->wscale = cookie >> WSCALE_SHIFT & WSCALE_MASK;
	offer->sack = cookie & SACK_BIT;
	offer->ecn = cookie & ECN_BIT;
	return true;
}

void cookie_key_renew(struct siphash_key *key, uint64_t nonce)
{
	struct {
		uint64_t nonce;
		char label[8]; /* apart from everything else that this key signs */
	} covered = { nonce, "renew k0" };
	struct siphash_key next;

	next.k0 = siphash(key, &covered, sizeof(covered));
	covered.label[7] = '1';
	next.k1 = siphash(key, &covered, sizeof(covered));
	*key = next;
}

uint32_t cookie_unkeyed_isn(struct endpoint client)
{
	return hash_crc32(&client, sizeof(client.addr) + sizeof(client.port));
}
