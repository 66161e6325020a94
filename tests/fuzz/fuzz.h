/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz.h: what every fuzz target shares. A target is one file with one function
 *
 *   FUZZ_TARGET(name) { ... size bytes at data ...; return 0; }
 *
 * In a fuzzer's build (make fuzz; FUZZ_ALONE) that is LLVMFuzzerTestOneInput(), which libFuzzer and AFL both call; in
 * the test runner it is fuzz_name(), played with the files of corpus/name/. A target says what must hold by MUST(). */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/base.h"

/* X(name): one file tests/fuzz/fuzz_name.c each. */
#define FUZZ_TARGETS(X) \
	X(headers) \
	X(http) \
	X(config) \
	X(trace) \
	X(splice) \
	X(agent)

#ifdef FUZZ_ALONE
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#define FUZZ_TARGET(name) int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
#else
#define X(name) int fuzz_##name(const uint8_t *data, size_t size);
FUZZ_TARGETS(X)
#undef X
#define FUZZ_TARGET(name) int fuzz_##name(const uint8_t *data, size_t size)
#endif

/* The input as a row of numbers; 0 where it has ended. */
struct fuzz_input {
	const uint8_t *at, *end;
};

static inline size_t fuzz_left(const struct fuzz_input *in)
{
	return (size_t)(in->end - in->at);
}

static inline uint8_t fuzz_u8(struct fuzz_input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static inline uint16_t fuzz_u16(struct fuzz_input *in)
{
	uint16_t high = fuzz_u8(in);

	return (uint16_t)(high << 8 | fuzz_u8(in));
}

static inline uint32_t fuzz_u32(struct fuzz_input *in)
{
	uint32_t high = fuzz_u16(in);

	return high << 16 | fuzz_u16(in);
}

/* Copies up to `len` bytes, fills up with zeros. */
static inline void fuzz_bytes(struct fuzz_input *in, uint8_t *out, size_t len)
{
	size_t n = MIN(len, fuzz_left(in));

	memcpy(out, in->at, n);
	memset(out + n, 0, len - n);
	in->at += n;
}

/* Frames as packets hold them: so that the IPv4 header is aligned, with nothing readable behind the end. */
#define FUZZ_ALIGN 2
static inline uint8_t *fuzz_frame(const uint8_t *bytes, size_t len)
{
	uint8_t *block = malloc(FUZZ_ALIGN + len);

	MUST(block);
	if (len)
		memcpy(block + FUZZ_ALIGN, bytes, len);
	return block + FUZZ_ALIGN;
}

static inline void fuzz_frame_free(uint8_t *frame)
{
	free(frame - FUZZ_ALIGN);
}

#endif
