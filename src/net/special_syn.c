/* SPDX-License-Identifier: BSD-2-Clause */
/* special_syn.c: the tag by which a front-end announces a flow to an agent (special_syn.h).
 *
 * Stateless and bound to one SYN: client, backend, SEQ and ACK are covered, so a tag that leaks
 * announces no other flow. Refused: any other length, experiment id or hash. */
#include "miresga/special_syn.h"

#include "miresga/tcp_options.h"

void special_syn_write(const struct siphash_key *key, struct endpoint client, struct endpoint backend, uint32_t seq,
		       uint32_t ack, uint8_t out[SPECIAL_SYN_TAG_LEN])
{
	struct {
		uint64_t client, backend;
		uint32_t seq, ack;
	} covered = {
		.client = endpoint_word(client),
		.backend = endpoint_word(backend),
		.seq = seq,
		.ack = ack,
	};
	uint64_t hash;

	_Static_assert(sizeof(covered) == 24, "no padding may enter the hash");
	hash = siphash(key, &covered, sizeof(covered));
	out[0] = TCPOPT_EXPERIMENT;
	out[1] = SPECIAL_SYN_TAG_LEN;
	store_be16(out + 2, SPECIAL_SYN_EXPERIMENT);
	store_be32(out + 4, (uint32_t)(hash >> 32));
	store_be32(out + 8, (uint32_t)hash);
}

bool special_syn_check(const struct siphash_key *key, struct endpoint client, struct endpoint backend, uint32_t seq,
		       uint32_t ack, const uint8_t *option, size_t len)
{
	uint8_t want[SPECIAL_SYN_TAG_LEN];

	if (len != SPECIAL_SYN_TAG_LEN)
		return false;
	special_syn_write(key, client, backend, seq, ack, want);
	return memcmp(option, want, sizeof(want)) == 0;
}
