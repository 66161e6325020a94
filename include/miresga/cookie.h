/* SPDX-License-Identifier: BSD-2-Clause */
/* cookie.h: the ISN cookie L, by which the switch stays stateless and the front-end verifies
 * the handshake before it makes any state (RFC 4987 §3.6).
 *
 *   bits 31..30  clock, 64 s steps modulo 4; ages 0..2 are valid
 *   bits 29..27  MSS class (cookie_mss_table)
 *   bits 26..23  window scale, 15 = none
 *   bit  22      SACK permitted
 *   bit  21      ECN
 *   bits 20..0   MAC: SipHash over the 4-tuple, the client's ISN, the clock and the bits above; never 0 */
#ifndef MIRESGA_COOKIE_H
#define MIRESGA_COOKIE_H

#include "miresga/base.h"
#include "miresga/hash.h"

/* What a client offered in its SYN, as far as the cookie can carry it. */
struct syn_offer {
	uint16_t mss;	/* 0 counts as 536; carried as the largest class not above it */
	uint8_t wscale; /* 0..14 or TCP_WSCALE_NONE */
	bool sack;
	bool ecn;
};

/* L for a SYN from `client` to `vip` with initial sequence number `client_isn`. */
uint32_t cookie_make(const struct siphash_key *key, struct endpoint client, struct endpoint vip, uint32_t client_isn,
		     const struct syn_offer *offer, uint64_t now_ns);
/* True if `cookie` is one that we made for that handshake at most two clock steps ago; then *offer is filled. */
bool cookie_check(const struct siphash_key *key, struct endpoint client, struct endpoint vip, uint32_t client_isn,
		  uint32_t cookie, uint64_t now_ns, struct syn_offer *offer);

/* Replaces *key by one that follows from it, one way: what the old key proved is proved no more. With it begins a new
 * incarnation of whoever verifies, which must not take a handshake for new that the one before has served already:
 * nothing in the packet would tell. `nonce` tells incarnations apart that begin with the same key. */
void cookie_key_renew(struct siphash_key *key, uint64_t nonce);

/* The published switch's ISN (quirk P3): CRC-32 over CIP and CPort. No secret, no clock, no server part. */
uint32_t cookie_unkeyed_isn(struct endpoint client);

#endif
