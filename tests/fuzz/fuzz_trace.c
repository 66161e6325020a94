/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz_trace.c: input: a capture file; if its length is odd, checksums are kept.
 *
 * It is refused with a message, or read to its end or to where it is damaged: every datagram that comes out is
 * whole, its IPv4 header right, its bytes readable; the books agree with what came; and a second pass says the same. */
#define _GNU_SOURCE /* memfd_create() */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "miresga/checksum.h"
#include "miresga/hash.h"
#include "miresga/trace.h"

/* What a pass over the file came to. */
struct pass {
	uint64_t frames, kinds[TRACE_KIND_COUNT], completed, hash;
	int end;
};

static void check_datagram(const struct trace_packet *p, bool completes)
{
	const struct ipv4_hdr *ip = (const void *)p->ip;
	size_t ihl = (ip->version_ihl & 15) * 4u;

	MUST(p->len >= IPV4_HDR_MIN && p->len <= 65535);
	MUST(ip->version_ihl >> 4 == 4 && ihl >= IPV4_HDR_MIN && ihl <= p->len);
	MUST(be16_to(ip->total_len) == p->len);
	MUST(!completes || csum_sum(ip, ihl, 0) == 0xffff);
}

static uint64_t hash_bytes(uint64_t hash, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = hash_mix64(hash ^ bytes[i]);
	return hash;
}

static void take(struct pass *pass, const struct trace_packet *p, bool completes)
{
	MUST(p->kind < TRACE_KIND_COUNT && p->frame > pass->frames);
	pass->frames = p->frame;
	pass->kinds[p->kind]++;
	pass->completed += p->completed;
	pass->hash = hash_mix64(pass->hash ^ p->time_ns ^ (uint64_t)p->kind << 60);
	if (p->kind == TRACE_IPV4)
		check_datagram(p, completes);
	if (p->ip && (p->kind == TRACE_IPV4 || p->kind == TRACE_CUT))
		pass->hash = hash_bytes(pass->hash, p->ip, p->len);
}

static void read_pass(struct trace_reader *t, bool completes, struct pass *pass)
{
	const struct trace_stats *stats = trace_stats(t);
	struct trace_packet p;

	memset(pass, 0, sizeof(*pass));
	while ((pass->end = trace_next(t, &p)) == 1)
		take(pass, &p, completes);
	MUST(pass->end == 0 || trace_error(t)[0]);
	MUST(stats->frames == pass->frames && memcmp(stats->kinds, pass->kinds, sizeof(pass->kinds)) == 0);
	MUST(completes ? stats->completed == pass->completed : stats->completed == 0);
}

static void read_file(const char *path, enum trace_checksums checksums)
{
	const struct trace_options o = { .checksums = checksums };
	const bool completes = checksums == TRACE_CHECKSUMS_COMPLETE;
	char error[TRACE_ERROR_MAX] = "";
	struct trace_reader *t = trace_open(path, &o, error);
	struct pass first, again;

	if (!t) {
		MUST(strstr(error, path));
		return;
	}
	read_pass(t, completes, &first);
	MUST(trace_rewind(t) == 0);
	read_pass(t, completes, &again);
	MUST(memcmp(&first, &again, sizeof(first)) == 0);
	trace_close(t);
}

FUZZ_TARGET(trace)
{
	int fd = memfd_create("capture", MFD_CLOEXEC);
	char path[64];

	MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_file(path, size & 1 ? TRACE_CHECKSUMS_KEEP : TRACE_CHECKSUMS_COMPLETE);
	close(fd);
	return 0;
}
