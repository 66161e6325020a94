/* SPDX-License-Identifier: BSD-2-Clause */
/* special_syn.h: the special SYN's tag. Only a front-end can make it, the agent checks it and
 * blanks it with NOPs. TCP option 253 (RFC 6994): kind, length 12, experiment id, SipHash-64
 * over client endpoint, backend endpoint, SEQ and ACK. */
#ifndef MIRESGA_SPECIAL_SYN_H
#define MIRESGA_SPECIAL_SYN_H

#include "miresga/base.h"
#include "miresga/hash.h"

#define SPECIAL_SYN_TAG_LEN 12
#define SPECIAL_SYN_EXPERIMENT 0x4d52 /* "MR" */

/* Writes the twelve option bytes. */
void special_syn_write(const struct siphash_key *key, struct endpoint client, struct endpoint backend, uint32_t seq,
		       uint32_t ack, uint8_t out[SPECIAL_SYN_TAG_LEN]);
/* `option` points at the kind byte, `len` is its length byte's value. */
bool special_syn_check(const struct siphash_key *key, struct endpoint client, struct endpoint backend, uint32_t seq,
		       uint32_t ack, const uint8_t *option, size_t len);

#endif
