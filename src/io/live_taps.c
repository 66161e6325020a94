/* SPDX-License-Identifier: BSD-2-Clause */
/* live_taps.c: `miresga live -w`: one interface per tap: the client side, each front-end, each backend's wire.
 *
 * The comment says why a packet was dropped, or what the component that saw it remarked. Frames are as the kernel
 * hands them over: super-packets, and TCP checksums that are partial, which Wireshark finds wrong; the comment says so.
 * Time stamps are the wall clock's: the offset to the monotonic one is taken once. */
#include "live_taps.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "miresga/pcapng.h"

#define COMMENT_MAX 256

struct live_taps {
	struct pcapng_writer *file;
	unsigned frontends;
	uint64_t epoch_ns; /* of the monotonic clock's 0 */
};

_Static_assert(LIVE_ERROR_MAX >= PCAPNG_ERROR_MAX, "one buffer for both");

static uint64_t read_clock(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

struct live_taps *live_taps_open(const struct config *config, const char *path, char error[LIVE_ERROR_MAX])
{
	struct live_taps *t = calloc(1, sizeof(*t));
	char name[CONFIG_NAME_MAX + 16], address[ENDPOINT_TEXT_MAX];

	if (!t) {
		snprintf(error, LIVE_ERROR_MAX, "%s: out of memory", path);
		return NULL;
	}
	t->file = pcapng_open(path, "miresga live", error);
	if (!t->file) {
		free(t);
		return NULL;
	}
	t->frontends = config->frontends.count;
	t->epoch_ns = read_clock(CLOCK_REALTIME) - read_clock(CLOCK_MONOTONIC);
	pcapng_add_interface(t->file, "client", "between clients and switch");
	for (unsigned i = 0; i < t->frontends; i++) {
		snprintf(name, sizeof(name), "fe%u", i);
		pcapng_add_interface(t->file, name, "between switch and front-end");
	}
	for (unsigned i = 0; i < config->backend_count; i++) {
		snprintf(name, sizeof(name), "be %s wire", config->backends[i].name);
		pcapng_add_interface(t->file, name, endpoint_format(config->backends[i].address, address));
	}
	return t;
}

unsigned live_taps_interface(const struct live_taps *t, enum tap_kind kind, unsigned index)
{
	switch (kind) {
	case TAP_CLIENT:
		return 0;
	case TAP_FRONTEND:
		return 1 + index;
	default:
		return 1 + t->frontends + index;
	}
}

void live_taps_write(struct live_taps *t, unsigned interface, const uint8_t *frame, uint32_t len,
		     const struct packet *p, uint64_t now_ns)
{
	char comment[COMMENT_MAX];

	snprintf(comment, sizeof(comment), "%s%s%s%s", p->size_class == PACKET_OF_HOST ? "" : "made here; ",
		 p->checksum_partial ? "checksum partial; " : "", p->fate == FATE_DROP ? "dropped: " : "",
		 p->fate == FATE_DROP ? drop_text((enum drop_reason)p->drop)
		 : p->note.remark     ? p->note.remark
				      : "");
	pcapng_write(t->file, interface, t->epoch_ns + now_ns, frame, len, comment);
}

uint64_t live_taps_packets(const struct live_taps *t)
{
	return pcapng_packets(t->file);
}

int live_taps_close(struct live_taps *t, char error[LIVE_ERROR_MAX])
{
	int failed;

	if (!t)
		return 0;
	failed = pcapng_close(t->file, error);
	free(t);
	return failed;
}
