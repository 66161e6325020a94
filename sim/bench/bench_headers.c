/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_headers.c: headers_parse() of full TCP segments with timestamps; frames and descriptors are as warm as the
 * caches keep 2,048 of them. */
#include <stdio.h>
#include <stdlib.h>

#include "bench_internal.h"

struct state {
	struct bench_frames frames;
	uint64_t refused;
};

static void destroy(void *state)
{
	struct state *s = state;

	if (!s)
		return;
	bench_frames_fini(&s->frames);
	free(s);
}

static void *create(const struct bench_options *o, char error[BENCH_ERROR_MAX])
{
	struct state *s = calloc(1, sizeof(*s));

	(void)o;
	if (s && !bench_frames_init(&s->frames))
		return s;
	free(s);
	snprintf(error, BENCH_ERROR_MAX, "out of memory");
	return NULL;
}

static void prepare(void *state, const struct bench *b)
{
	static const uint8_t body[BENCH_SEGMENT];
	static const uint8_t options[12] = { 1, 1, 8, 10 };
	struct state *s = state;

	if (s->frames.dressed_for == b)
		return;
	bench_frames_dress(&s->frames, b,
			   &(struct tcp_packet_spec){ .flags = TCP_ACK,
						      .window = 500,
						      .options = options,
						      .options_len = sizeof(options),
						      .payload = body,
						      .payload_len = BENCH_SEGMENT });
	for (unsigned i = 0; i < BENCH_PACKETS; i++)
		bench_frames_stamp(&s->frames, i, &(struct bench_stamp){ .src = bench_client(i), .seq = i });
}

static uint64_t work(void *state, const struct bench *b)
{
	struct state *s = state;

	(void)b;
	for (unsigned i = 0; i < BENCH_PACKETS; i++)
		s->refused += headers_parse(s->frames.packets[i]) != DROP_NONE;
	return BENCH_PACKETS;
}

static bool check(void *state, const struct bench *b, char error[BENCH_ERROR_MAX])
{
	const struct state *s = state;

	(void)b;
	if (s->refused)
		snprintf(error, BENCH_ERROR_MAX, "%llu frames were refused", (unsigned long long)s->refused);
	return !s->refused;
}

const struct bench_subject bench_headers = { create, destroy, prepare, work, check };
