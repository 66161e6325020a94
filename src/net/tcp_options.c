/* SPDX-License-Identifier: BSD-2-Clause */
/* tcp_options.c: one walk over TCP options, and the options of a SYN of our own.
 *
 * Life-cycle: none, pure functions. Refusals: an option whose length is below two or leads out of
 * the header ends the walk (`malformed`); an option of a known kind with an impossible length is
 * stepped over, as Linux does; of options that come twice the last one counts, as in Linux. */
#include "miresga/tcp_options.h"

#include <string.h>

#include "miresga/wire.h"

#define MSS_LEN 4
#define WSCALE_LEN 3
#define SACK_PERMITTED_LEN 2
#define TIMESTAMPS_LEN 10
#define SACK_BLOCK_LEN 8

/* One option of kind `o[0]` and length `len`, standing at offset `at`, entirely readable. */
static void take_option(const uint8_t *o, uint8_t len, uint8_t at, struct tcp_options *out)
{
	switch (o[0]) {
	case TCPOPT_MSS:
		if (len == MSS_LEN)
			out->mss = load_be16(o + 2);
		break;
	case TCPOPT_WSCALE:
		if (len == WSCALE_LEN) /* RFC 7323 §2.3: more than 14 is taken as 14 */
			out->wscale = o[2] > TCP_WSCALE_MAX ? TCP_WSCALE_MAX : o[2];
		break;
	case TCPOPT_SACK_PERMITTED:
		if (len == SACK_PERMITTED_LEN)
			out->sack_permitted = true;
		break;
	case TCPOPT_TIMESTAMPS:
		if (len == TIMESTAMPS_LEN) {
			out->has_timestamps = true;
			out->timestamps_at = at;
			out->tsval = load_be32(o + 2);
			out->tsecr = load_be32(o + 6);
		}
		break;
	case TCPOPT_SACK:
		if (len > 2 && (len - 2) % SACK_BLOCK_LEN == 0) {
			out->sack_blocks = (uint8_t)((len - 2) / SACK_BLOCK_LEN);
			out->sack_at = at;
		}
		break;
	case TCPOPT_EXPERIMENT:
		out->tag_len = len;
		out->tag_at = at;
		break;
	default:
		break;
	}
}

void tcp_options_parse(const uint8_t *options, size_t len, struct tcp_options *out)
{
	size_t at = 0;

	memset(out, 0, sizeof(*out));
	out->wscale = TCP_WSCALE_NONE;
	if (len > TCP_OPTIONS_MAX)
		len = TCP_OPTIONS_MAX;
	while (at < len && options[at] != TCPOPT_EOL) {
		if (options[at] == TCPOPT_NOP) {
			at++;
			continue;
		}
		if (at + 1 >= len || options[at + 1] < 2 || options[at + 1] > len - at) {
			out->malformed = true;
			return;
		}
		take_option(options + at, options[at + 1], (uint8_t)at, out);
		at += options[at + 1];
	}
}

size_t tcp_options_write(const struct tcp_options *o, uint8_t *out)
{
	uint8_t *p = out;

	if (o->mss) {
		p[0] = TCPOPT_MSS;
		p[1] = MSS_LEN;
		store_be16(p + 2, o->mss);
		p += MSS_LEN;
	}
	if (o->sack_permitted || o->has_timestamps) {
		p[0] = o->sack_permitted && o->has_timestamps ? TCPOPT_SACK_PERMITTED : TCPOPT_NOP;
		p[1] = o->sack_permitted && o->has_timestamps ? SACK_PERMITTED_LEN : TCPOPT_NOP;
		p += 2;
	}
	if (o->has_timestamps) {
		p[0] = TCPOPT_TIMESTAMPS;
		p[1] = TIMESTAMPS_LEN;
		store_be32(p + 2, o->tsval);
		store_be32(p + 6, o->tsecr);
		p += TIMESTAMPS_LEN;
	} else if (o->sack_permitted) {
		p[0] = TCPOPT_SACK_PERMITTED;
		p[1] = SACK_PERMITTED_LEN;
		p += SACK_PERMITTED_LEN;
	}
	if (o->wscale != TCP_WSCALE_NONE) {
		p[0] = TCPOPT_NOP;
		p[1] = TCPOPT_WSCALE;
		p[2] = WSCALE_LEN;
		p[3] = o->wscale;
		p += 1 + WSCALE_LEN;
	}
	return (size_t)(p - out);
}
