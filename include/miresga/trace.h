/* SPDX-License-Identifier: BSD-2-Clause */
/* trace.h: reads a capture through libpcap and hands out plain IPv4 datagrams.
 *
 * Link layers (Ethernet with VLAN, QinQ, MPLS, PPPoE; SLL, SLL2, RAW, IPV4, NULL/LOOP, PPP,
 * C-HDLC, PPPoE) are taken off; IPv4 fragments are reassembled; padding after the total length
 * is cut; checksums that offloading or anonymising left wrong are completed and counted. */
#ifndef MIRESGA_TRACE_H
#define MIRESGA_TRACE_H

#include "miresga/base.h"
#include "miresga/wire.h"

/* X(NAME, "key", "text"): what a frame of the trace turned out to be. */
#define TRACE_KINDS(X) \
	X(IPV4, "ipv4", "IPv4 datagram, complete") \
	X(FRAGMENT, "fragment", "IPv4 fragment, held until its datagram is complete") \
	X(FRAGMENT_BAD, "fragment_bad", "IPv4 fragment that overlaps, exceeds 64 KiB or came too many at once") \
	X(IPV6, "ipv6", "IPv6") \
	X(ARP, "arp", "ARP") \
	X(OTHER, "other", "another network protocol") \
	X(CUT, "cut", "cut short by the snapshot length") \
	X(MALFORMED, "malformed", "headers do not fit the frame")
enum trace_kind {
#define X(name, key, text) TRACE_##name,
	TRACE_KINDS(X)
#undef X
	TRACE_KIND_COUNT
};
const char *trace_kind_key(enum trace_kind k);

struct trace_packet {
	uint64_t frame;	  /* number in the file, from 1 (of the last fragment, if reassembled); counts frames that a
			     filter hides too where libpcap tells */
	uint64_t time_ns; /* as recorded; not necessarily monotone */
	enum trace_kind kind;
	uint8_t *ip;	/* TRACE_IPV4: the datagram, total_len bytes, valid until the next call; writable.
			   TRACE_CUT: what was captured of it, at least the header, or NULL */
	uint32_t len;	/* of what `ip` points to, 20..65535 */
	bool completed; /* a checksum was wrong and has been completed */
};

enum trace_checksums {
	TRACE_CHECKSUMS_COMPLETE,
	TRACE_CHECKSUMS_KEEP,
};

struct trace_options {
	const char *filter; /* BPF expression or NULL */
	enum trace_checksums checksums;
	bool spool; /* the source is not seekable and trace_rewind() will be called: keep a copy in an unlinked
		       temporary file */
	/* trace_rewind() will be called: up to so many bytes of memory for what the first reading hands out. If it
	 * fits, that is handed out again (as the caller has left it) and not read again. */
	uint64_t keep;
};

struct trace_stats {
	uint64_t frames; /* read from the file */
	uint64_t hidden; /* of these, by the filter */
	uint64_t bytes;	 /* of the file read so far, now and then; of frames, if the source is not seekable */
	uint64_t kinds[TRACE_KIND_COUNT];
	uint64_t completed; /* datagrams whose IPv4, TCP or UDP checksum was completed */
	uint64_t reassembled;
	uint64_t abandoned;  /* datagrams given up, because fragments stayed away or too many were open */
	uint64_t file_bytes; /* size of the file, 0 if unknown; for progress */
};

#define TRACE_ERROR_MAX 512
struct trace_reader;
/* Opens `path` ("-": stdin). NULL and a message that names the file on error (missing, not a
 * capture, unknown link type by name and number, bad filter). */
struct trace_reader *trace_open(const char *path, const struct trace_options *options, char error[TRACE_ERROR_MAX]);
void trace_close(struct trace_reader *t);
/* Next frame: 1 and *p; 0 at the end; -1 where the file is damaged or vanished: trace_error()
 * then says what, with file and frame number; everything before it was handed out. */
int trace_next(struct trace_reader *t, struct trace_packet *p);
const char *trace_error(const struct trace_reader *t);
/* Back to the first frame. Returns 0, or -1 and trace_error(). Statistics start again. */
int trace_rewind(struct trace_reader *t);
const struct trace_stats *trace_stats(const struct trace_reader *t);
/* "Ethernet", and pcap_datalink()'s number. */
const char *trace_linktype(const struct trace_reader *t, int *number);

#endif
