/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_options.h: walking and writing TCP options (RFC 9293 §3.1, RFC 7323, RFC 2018, RFC 6994).
 *
 * tcp_options_parse() never reads beyond `len`. A malformed option ends the walk; what came
 * before it counts, as in Linux, and `malformed` says so. */
#ifndef MIRESGA_TCP_OPTIONS_H
#define MIRESGA_TCP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCPOPT_EOL 0
#define TCPOPT_NOP 1
#define TCPOPT_MSS 2
#define TCPOPT_WSCALE 3
#define TCPOPT_SACK_PERMITTED 4
#define TCPOPT_SACK 5
#define TCPOPT_TIMESTAMPS 8
#define TCPOPT_EXPERIMENT 253

#define TCP_OPTIONS_MAX 40
#define TCP_SACK_BLOCKS_MAX 4
/* RFC 7323 §2.3: a larger shift is taken as 14. */
#define TCP_WSCALE_MAX 14
/* The value of `wscale` when the option is absent (also its code in the ISN cookie). */
#define TCP_WSCALE_NONE 15
/* RFC 9293 §3.7.1: what a SYN without the option means. */
#define TCP_MSS_DEFAULT 536

/* Offsets count from the first option byte; 0 blocks or `has_` false means absent. */
struct tcp_options {
	uint16_t mss;	/* 0: absent */
	uint8_t wscale; /* 0..14, or TCP_WSCALE_NONE */
	bool sack_permitted;
	bool has_timestamps;
	uint8_t timestamps_at; /* of the kind byte; TSval stands at +2, TSecr at +6 */
	uint32_t tsval, tsecr;
	uint8_t sack_blocks; /* 0..4 */
	uint8_t sack_at;     /* of the kind byte; the edges follow at +2, 8 bytes a block */
	uint8_t tag_len;     /* experiment option's whole length, 0: absent */
	uint8_t tag_at;
	bool malformed;
};

void tcp_options_parse(const uint8_t *options, size_t len, struct tcp_options *out);

/* Writes MSS, SACK-permitted, timestamps, window scale (those present; no SACK blocks, no
 * experiment option) in Linux's order, padded with NOPs to a multiple of four. Returns the
 * length, at most 20. `out` has room for TCP_OPTIONS_MAX bytes. */
size_t tcp_options_write(const struct tcp_options *o, uint8_t *out);

#endif
