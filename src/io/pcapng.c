/* SPDX-License-Identifier: BSD-2-Clause */
/* pcapng.c: writes pcapng (draft-ietf-opsawg-pcapng): one section header with the application's
 * name, an interface description per interface, an enhanced packet block per packet.
 *
 * Life: pcapng_open() writes the section header, pcapng_add_interface() the descriptions, then
 * packets; pcapng_close() flushes. Blocks are put together in one buffer that is written out
 * whenever the next block might not fit, so a system call moves some hundred kilobytes.
 *
 * Invariants: a block goes into the buffer whole; everything is little-endian and depends on the
 * arguments alone, so equal runs give equal files. The first error sticks: from then on nothing
 * is written, and what is on the disk ends within a block at worst.
 * Refusals: names and comments are not trusted to be text: what is not UTF-8 (RFC 3629) becomes
 * "?", and an option ends at 65,535 bytes, between two characters. */
#include "miresga/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "miresga/wire.h"

#define BLOCK_SECTION_HEADER 0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_ENHANCED_PACKET 6u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define VERSION_MAJOR 1
#define VERSION_MINOR 0
#define SECTION_LENGTH_UNKNOWN UINT64_MAX

#define OPT_END 0
#define OPT_COMMENT 1
#define OPT_IF_NAME 2
#define OPT_IF_DESCRIPTION 3
#define OPT_SHB_USERAPPL 4
#define OPT_IF_TSRESOL 9
#define OPTION_MAX 65535u

#define LINKTYPE_ETHERNET 1
#define TSRESOL_NANOSECONDS 9

#define BUFFER_SIZE (512u << 10)
/* Two texts at most, one frame, and the fixed parts. */
#define BLOCK_MAX (2 * (OPTION_MAX + 8) + FRAME_MAX + 128)
_Static_assert(BLOCK_MAX <= BUFFER_SIZE, "every block fits the empty buffer");

struct pcapng_writer {
	int fd;
	bool is_stdout;
	unsigned interfaces;
	uint64_t packets;
	uint32_t used;	/* bytes in buffer */
	uint32_t block; /* where the block being put together begins */
	char name[256];
	char error[PCAPNG_ERROR_MAX]; /* "": none */
	uint8_t buffer[BUFFER_SIZE];
};

static void fail(struct pcapng_writer *w, int number)
{
	if (!w->error[0])
		snprintf(w->error, sizeof(w->error), "%s: %s", w->name, strerror(number));
}

static void flush(struct pcapng_writer *w)
{
	for (uint32_t done = 0; done < w->used && !w->error[0];) {
		ssize_t put = write(w->fd, w->buffer + done, w->used - done);

		if (put >= 0)
			done += (uint32_t)put;
		else if (errno != EINTR)
			fail(w, errno);
	}
	w->used = 0;
}

static void put(struct pcapng_writer *w, const void *bytes, uint32_t len)
{
	memcpy(w->buffer + w->used, bytes, len);
	w->used += len;
}

static void put_u16(struct pcapng_writer *w, uint16_t v)
{
	put(w, &v, sizeof(v));
}

static void put_u32(struct pcapng_writer *w, uint32_t v)
{
	put(w, &v, sizeof(v));
}

/* Zeros up to a multiple of four; blocks begin at one. */
static void pad(struct pcapng_writer *w)
{
	static const uint8_t zeros[4];

	put(w, zeros, -w->used & 3);
}

/* Length of the UTF-8 character at s, which ends with a NUL; 0 if it is none (RFC 3629 §4). */
static unsigned character_len(const unsigned char *s)
{
	/* Leading byte from..to, length, and the range of the second byte. */
	static const struct {
		uint8_t from, to, len, second_from, second_to;
	} forms[] = {
		{ 0x00, 0x7f, 1, 0, 0 },       { 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
		{ 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf },
		{ 0xf0, 0xf0, 4, 0x90, 0xbf }, { 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
	};
	size_t i = 0;

	while (i < ARRAY_LEN(forms) && (s[0] < forms[i].from || s[0] > forms[i].to))
		i++;
	if (i == ARRAY_LEN(forms))
		return 0;
	if (forms[i].len > 1 && (s[1] < forms[i].second_from || s[1] > forms[i].second_to))
		return 0;
	for (unsigned k = 2; k < forms[i].len; k++) {
		if (s[k] < 0x80 || s[k] > 0xbf)
			return 0;
	}
	return forms[i].len;
}

static void put_text(struct pcapng_writer *w, uint16_t code, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t length_at, len = 0;
	uint16_t stored;

	if (!text || !*text)
		return;
	put_u16(w, code);
	length_at = w->used;
	put_u16(w, 0);
	while (*s) {
		unsigned n = character_len(s);

		if (len + MAX(n, 1u) > OPTION_MAX)
			break;
		put(w, n ? (const void *)s : "?", MAX(n, 1u));
		len += MAX(n, 1u);
		s += MAX(n, 1u);
	}
	stored = (uint16_t)len;
	memcpy(w->buffer + length_at, &stored, sizeof(stored));
	pad(w);
}

/* Makes room and opens a block; false after an error. */
static bool block_begin(struct pcapng_writer *w, uint32_t type)
{
	if (w->error[0])
		return false;
	if (w->used + BLOCK_MAX > sizeof(w->buffer))
		flush(w);
	w->block = w->used;
	put_u32(w, type);
	put_u32(w, 0);
	return true;
}

static void block_end(struct pcapng_writer *w)
{
	uint32_t len = w->used - w->block + (uint32_t)sizeof(len);

	put_u32(w, len);
	memcpy(w->buffer + w->block + sizeof(len), &len, sizeof(len));
}

static void put_section_header(struct pcapng_writer *w, const char *application)
{
	const uint64_t length = SECTION_LENGTH_UNKNOWN;

	if (!block_begin(w, BLOCK_SECTION_HEADER))
		return;
	put_u32(w, BYTE_ORDER_MAGIC);
	put_u16(w, VERSION_MAJOR);
	put_u16(w, VERSION_MINOR);
	put(w, &length, sizeof(length));
	put_text(w, OPT_SHB_USERAPPL, application);
	put_u32(w, OPT_END);
	block_end(w);
}

struct pcapng_writer *pcapng_open(const char *path, const char *application, char error[PCAPNG_ERROR_MAX])
{
	struct pcapng_writer *w = malloc(sizeof(*w));
	size_t len = strlen(path);

	if (!w) {
		snprintf(error, PCAPNG_ERROR_MAX, "%s: out of memory", path);
		return NULL;
	}
	memset(w, 0, offsetof(struct pcapng_writer, buffer));
	w->is_stdout = strcmp(path, "-") == 0;
	/* The end of an overlong path is the part that tells files apart. */
	snprintf(w->name, sizeof(w->name), "%s",
		 w->is_stdout ? "standard output" : path + (len < sizeof(w->name) ? 0 : len - sizeof(w->name) + 1));
	w->fd = w->is_stdout ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (w->fd < 0) {
		fail(w, errno);
		memcpy(error, w->error, PCAPNG_ERROR_MAX);
		free(w);
		return NULL;
	}
	put_section_header(w, application);
	return w;
}

unsigned pcapng_add_interface(struct pcapng_writer *w, const char *name, const char *description)
{
	const uint8_t resolution = TSRESOL_NANOSECONDS;

	MUST(w->packets == 0);
	if (block_begin(w, BLOCK_INTERFACE)) {
		put_u16(w, LINKTYPE_ETHERNET);
		put_u16(w, 0);
		put_u32(w, 0); /* no snapshot length */
		put_text(w, OPT_IF_NAME, name);
		put_text(w, OPT_IF_DESCRIPTION, description);
		put_u16(w, OPT_IF_TSRESOL);
		put_u16(w, sizeof(resolution));
		put(w, &resolution, sizeof(resolution));
		pad(w);
		put_u32(w, OPT_END);
		block_end(w);
	}
	return w->interfaces++;
}

void pcapng_write(struct pcapng_writer *w, unsigned interface, uint64_t time_ns, const void *frame, uint32_t len,
		  const char *comment)
{
	MUST(interface < w->interfaces);
	MUST(len <= FRAME_MAX);
	if (!block_begin(w, BLOCK_ENHANCED_PACKET))
		return;
	put_u32(w, interface);
	put_u32(w, (uint32_t)(time_ns >> 32));
	put_u32(w, (uint32_t)time_ns);
	put_u32(w, len);
	put_u32(w, len);
	put(w, frame, len);
	pad(w);
	if (comment && *comment) {
		put_text(w, OPT_COMMENT, comment);
		put_u32(w, OPT_END);
	}
	block_end(w);
	w->packets++;
}

const char *pcapng_error(const struct pcapng_writer *w)
{
	return w->error[0] ? w->error : NULL;
}

uint64_t pcapng_packets(const struct pcapng_writer *w)
{
	return w->packets;
}

int pcapng_close(struct pcapng_writer *w, char error[PCAPNG_ERROR_MAX])
{
	int result;

	if (!w)
		return 0;
	flush(w);
	if (!w->is_stdout && close(w->fd) < 0)
		fail(w, errno);
	result = w->error[0] ? -1 : 0;
	if (result < 0 && error)
		memcpy(error, w->error, PCAPNG_ERROR_MAX);
	free(w);
	return result;
}
