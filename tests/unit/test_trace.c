/* SPDX-License-Identifier: BSD-2-Clause */
/* test_trace.c: the reader over whole files: checksums, fragments, filters, numbering, time stamps,
 * standard input, rewinding, what is kept for a second reading, damage and messages; and over ../shared/traces where it
 * is present. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "capture.h"
#include "miresga/trace.h"

Suite *trace_suite(void);

#define LINKTYPE_ETHERNET 1
#define LINKTYPE_RAW 101
#define PLAIN (&containers[0])
#define FILE_HEADER_LEN 24
#define RECORD_HEADER_LEN 16

static const struct trace_options complete = { .checksums = TRACE_CHECKSUMS_COMPLETE };
/* Ways to read again: the file, what was kept, and the file after too little could be kept. */
static const struct trace_options rereadings[] = {
	{ .checksums = TRACE_CHECKSUMS_COMPLETE },
	{ .checksums = TRACE_CHECKSUMS_COMPLETE, .keep = UINT64_C(64) << 20 },
	{ .checksums = TRACE_CHECKSUMS_COMPLETE, .keep = 1 },
};
static const uint32_t some_time[2] = { 1700000000, 1 };

static struct trace_reader *open_bytes(const struct bytes *file, const struct trace_options *options)
{
	char path[32], error[TRACE_ERROR_MAX];
	struct trace_reader *t;

	capture_write(file, path);
	t = trace_open(path, options, error);
	unlink(path);
	ck_assert_msg(t != NULL, "%s", error);
	return t;
}

/* `count` datagrams of `len` bytes as raw IP, distinguishable by their content. */
static void put_datagrams(struct bytes *file, unsigned count, uint32_t len)
{
	uint8_t *ip = malloc(len);

	ck_assert_ptr_nonnull(ip);
	capture_begin(file, PLAIN, LINKTYPE_RAW);
	for (unsigned i = 0; i < count; i++) {
		datagram_build(ip, IP_PROTO_TCP, len, (uint8_t)i);
		capture_record(file, PLAIN, some_time, ip, len, len);
	}
	free(ip);
}

enum damage {
	SUM_RIGHT,
	SUM_OFF,    /* by one */
	SUM_ZERO,   /* never computed */
	SUM_PSEUDO, /* left to the network card: only the pseudo-header's sum */
};

static const struct checksum_row {
	const char *name;
	uint8_t proto;
	enum damage header, transport;
	bool super; /* total length 0 */
	bool wrong; /* must be completed */
} checksum_rows[] = {
	{ "all right", IP_PROTO_TCP, SUM_RIGHT, SUM_RIGHT, false, false },
	{ "tcp off by one", IP_PROTO_TCP, SUM_RIGHT, SUM_OFF, false, true },
	{ "tcp zero", IP_PROTO_TCP, SUM_RIGHT, SUM_ZERO, false, true },
	{ "tcp pseudo-header sum", IP_PROTO_TCP, SUM_RIGHT, SUM_PSEUDO, false, true },
	{ "header off by one", IP_PROTO_TCP, SUM_OFF, SUM_RIGHT, false, true },
	{ "header zero", IP_PROTO_TCP, SUM_ZERO, SUM_RIGHT, false, true },
	{ "both", IP_PROTO_TCP, SUM_ZERO, SUM_PSEUDO, false, true },
	{ "udp right", IP_PROTO_UDP, SUM_RIGHT, SUM_RIGHT, false, false },
	{ "udp off by one", IP_PROTO_UDP, SUM_RIGHT, SUM_OFF, false, true },
	{ "udp without a checksum", IP_PROTO_UDP, SUM_RIGHT, SUM_ZERO, false, false },
	{ "udp pseudo-header sum", IP_PROTO_UDP, SUM_RIGHT, SUM_PSEUDO, false, true },
	{ "super-packet", IP_PROTO_TCP, SUM_RIGHT, SUM_PSEUDO, true, true },
	{ "super-packet with right sums", IP_PROTO_TCP, SUM_RIGHT, SUM_RIGHT, true, true },
	{ "super-packet, header zero", IP_PROTO_TCP, SUM_ZERO, SUM_PSEUDO, true, true },
};

static void damage_sums(uint8_t *ip, uint32_t len, const struct checksum_row *row)
{
	size_t at = transport_check_at(ip);

	if (row->super)
		store_be16(ip + 2, 0);
	sum_header(ip);
	if (row->transport == SUM_OFF)
		store_be16(ip + at, (uint16_t)(load_be16(ip + at) + 1));
	else if (row->transport != SUM_RIGHT)
		store_be16(ip + at, row->transport == SUM_ZERO ? 0 : pseudo_sum(ip, len - 20));
	if (row->header == SUM_OFF)
		store_be16(ip + IPV4_CHECK_AT, (uint16_t)(load_be16(ip + IPV4_CHECK_AT) + 1));
	else if (row->header == SUM_ZERO)
		store_be16(ip + IPV4_CHECK_AT, 0);
}

static void check_completed(const struct checksum_row *row, uint32_t len)
{
	uint8_t right[3000], recorded[3000];
	struct bytes file = { 0 };

	datagram_build(right, row->proto, len, 5);
	memcpy(recorded, right, len);
	damage_sums(recorded, len, row);
	capture_begin(&file, PLAIN, LINKTYPE_RAW);
	capture_record(&file, PLAIN, some_time, recorded, len, len);
	for (unsigned keep = 0; keep < 2; keep++) {
		const struct trace_options options = { .checksums = keep ? TRACE_CHECKSUMS_KEEP
									 : TRACE_CHECKSUMS_COMPLETE };
		struct trace_reader *t = open_bytes(&file, &options);
		size_t at = transport_check_at(right);
		struct trace_packet p;

		ck_assert_int_eq(trace_next(t, &p), 1);
		ck_assert_msg(p.kind == TRACE_IPV4, "%s: %s", row->name, trace_kind_key(p.kind));
		ck_assert_uint_eq(p.len, len);
		ck_assert_uint_eq(load_be16(p.ip + 2), len);
		ck_assert_msg(p.completed == (row->wrong && !keep), "%s of %u", row->name, len);
		ck_assert_uint_eq(trace_stats(t)->completed, row->wrong && !keep);
		if (keep) {
			ck_assert_mem_eq(p.ip + at, recorded + at, 2);
			if (!row->super)
				ck_assert_mem_eq(p.ip, recorded, len);
			else /* the sum moved with the length: as right or wrong as before */
				ck_assert_int_eq(plain_sum(p.ip, 20, 0) == 0xffff, row->header == SUM_RIGHT);
		} else {
			ck_assert_msg(sums_right(p.ip, p.len), "%s of %u", row->name, len);
			ck_assert_mem_eq(p.ip + 20, (row->wrong ? right : recorded) + 20, len - 20);
		}
		trace_close(t);
	}
	bytes_free(&file);
}

START_TEST(test_checksums)
{
	static const uint32_t lengths[] = { 40, 41, 60, 1499, 1500, 2999 };

	for (size_t i = 0; i < ARRAY_LEN(lengths); i++)
		check_completed(&checksum_rows[_i], lengths[i]);
}
END_TEST

/* A UDP checksum that comes out as 0 is sent as all ones (RFC 768). */
START_TEST(test_udp_zero_sum)
{
	uint8_t ip[60];
	struct bytes file = { 0 };
	struct trace_packet p;
	struct trace_reader *t;

	datagram_build(ip, IP_PROTO_UDP, sizeof(ip), 1);
	store_be16(ip + 58, 0);
	sum_transport(ip, sizeof(ip));
	store_be16(ip + 58, load_be16(ip + 26)); /* makes the sum all ones */
	store_be16(ip + 26, 0x1234);
	capture_begin(&file, PLAIN, LINKTYPE_RAW);
	capture_record(&file, PLAIN, some_time, ip, sizeof(ip), sizeof(ip));
	t = open_bytes(&file, &complete);
	ck_assert_int_eq(trace_next(t, &p), 1);
	ck_assert(p.completed);
	ck_assert_uint_eq(load_be16(p.ip + 26), 0xffff);
	ck_assert(sums_right(p.ip, p.len));
	trace_close(t);
	bytes_free(&file);
}
END_TEST

/* TCP too short for a header, UDP whose length does not fit: no sum can be right, none is written. */
START_TEST(test_no_place_for_a_sum)
{
	static const struct short_row {
		uint8_t proto;
		uint8_t len;
		uint16_t udp_len;
	} shorts[] = {
		{ IP_PROTO_TCP, 20, 0 }, { IP_PROTO_TCP, 39, 0 },  { IP_PROTO_UDP, 27, 7 },
		{ IP_PROTO_UDP, 40, 7 }, { IP_PROTO_UDP, 40, 21 }, { IP_PROTO_ICMP, 40, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(shorts); i++) {
		uint8_t ip[60];
		struct bytes file = { 0 };
		struct trace_packet p;
		struct trace_reader *t;

		datagram_build(ip, shorts[i].proto, sizeof(ip), 1);
		store_be16(ip + 2, shorts[i].len);
		store_be16(ip + 24, shorts[i].udp_len);
		sum_header(ip);
		capture_begin(&file, PLAIN, LINKTYPE_RAW);
		capture_record(&file, PLAIN, some_time, ip, shorts[i].len, shorts[i].len);
		t = open_bytes(&file, &complete);
		ck_assert_int_eq(trace_next(t, &p), 1);
		ck_assert_int_eq(p.kind, TRACE_IPV4);
		ck_assert(!p.completed);
		ck_assert_mem_eq(p.ip, ip, shorts[i].len);
		trace_close(t);
		bytes_free(&file);
	}
}
END_TEST

/* Fragments of one datagram between other frames; it comes out where the last one stands. */
START_TEST(test_fragments_in_place)
{
	static const struct fragment_row {
		uint16_t offset, len; /* len 0: a whole datagram */
		enum trace_kind want;
	} frames[] = {
		{ 0, 0, TRACE_IPV4 },	     { 1000, 480, TRACE_FRAGMENT }, { 0, 0, TRACE_IPV4 },
		{ 0, 1000, TRACE_FRAGMENT }, { 1480, 520, TRACE_IPV4 },	    { 1480, 520, TRACE_FRAGMENT },
	};
	uint8_t whole[2020], frame[2020];
	struct bytes file = { 0 };
	struct trace_packet p;
	struct trace_reader *t;

	datagram_build(whole, IP_PROTO_TCP, sizeof(whole), 9);
	store_be16(whole + 36, 0); /* the sum of the whole is wrong as well */
	store_be16(whole + 6, 0);
	sum_header(whole);
	capture_begin(&file, PLAIN, LINKTYPE_RAW);
	for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
		uint32_t len = frames[i].len ? 20u + frames[i].len : 60;

		datagram_build(frame, IP_PROTO_TCP, 60, 2);
		if (frames[i].len) {
			memcpy(frame, whole, 20);
			memcpy(frame + 20, whole + 20 + frames[i].offset, frames[i].len);
			store_be16(frame + 2, (uint16_t)len);
			store_be16(frame + 6, (uint16_t)(frames[i].offset / 8 |
							 (frames[i].offset + frames[i].len < 2000 ? IP_FLAG_MF : 0)));
			sum_header(frame);
		}
		capture_record(&file, PLAIN, (uint32_t[]){ 10 + (uint32_t)i, 0 }, frame, len, len);
	}
	t = open_bytes(&file, &rereadings[_i]);
	for (unsigned round = 0; round < 2; round++) {
		for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
			ck_assert_int_eq(trace_next(t, &p), 1);
			ck_assert_msg(p.kind == frames[i].want, "frame %zu: %s", i + 1, trace_kind_key(p.kind));
			ck_assert_uint_eq(p.frame, i + 1);
			ck_assert_uint_eq(p.time_ns, (10 + i) * NS_PER_S);
			ck_assert_uint_eq(trace_stats(t)->reassembled, i >= 4);
			ck_assert_int_eq(p.ip != NULL, p.kind == TRACE_IPV4);
			if (i != 4)
				continue;
			ck_assert_uint_eq(p.len, sizeof(whole));
			ck_assert(p.completed);
			ck_assert(sums_right(p.ip, p.len));
			ck_assert_mem_eq(p.ip + 38, whole + 38, sizeof(whole) - 38);
		}
		ck_assert_int_eq(trace_next(t, &p), 0);
		ck_assert_uint_eq(trace_stats(t)->reassembled, 1);
		ck_assert_uint_eq(trace_stats(t)->abandoned, 1); /* the fragment that came again */
		ck_assert_uint_eq(trace_stats(t)->kinds[TRACE_FRAGMENT], 3);
		ck_assert_int_eq(trace_rewind(t), 0);
	}
	trace_close(t);
	bytes_free(&file);
}
END_TEST

/* A frame cut by the snapshot length shows what there is of the datagram. */
START_TEST(test_cut)
{
	uint8_t ip[100];
	struct bytes file = { 0 };
	struct trace_packet p;
	struct trace_reader *t;

	datagram_build(ip, IP_PROTO_TCP, sizeof(ip), 1);
	capture_begin(&file, PLAIN, LINKTYPE_RAW);
	capture_record(&file, PLAIN, some_time, ip, 19, sizeof(ip));
	capture_record(&file, PLAIN, some_time, ip, 20, sizeof(ip));
	capture_record(&file, PLAIN, some_time, ip, 99, sizeof(ip));
	capture_record(&file, PLAIN, some_time, ip, 100, 60); /* more captured than there was */
	capture_record(&file, PLAIN, some_time, ip, 0, 0);
	t = open_bytes(&file, &complete);
	ck_assert_int_eq(trace_next(t, &p), 1);
	ck_assert_int_eq(p.kind, TRACE_CUT);
	ck_assert_ptr_null(p.ip);
	for (uint32_t n = 20; n < 100; n += 79) {
		ck_assert_int_eq(trace_next(t, &p), 1);
		ck_assert_int_eq(p.kind, TRACE_CUT);
		ck_assert_uint_eq(p.len, n);
		ck_assert_mem_eq(p.ip, ip, n);
	}
	ck_assert_int_eq(trace_next(t, &p), 1);
	ck_assert_int_eq(p.kind, TRACE_IPV4);
	ck_assert_int_eq(trace_next(t, &p), 1);
	ck_assert_int_eq(p.kind, TRACE_MALFORMED);
	ck_assert_int_eq(trace_next(t, &p), 0);
	trace_close(t);
	bytes_free(&file);
}
END_TEST

START_TEST(test_filter)
{
	static const struct filter_row {
		const char *filter;
		uint64_t shown; /* bit per frame */
	} filters[] = {
		{ NULL, 0x1f }, { "", 0x1f }, { "tcp port 80", 0x15 }, { "udp", 0x0a }, { "tcp port 81", 0 },
	};
	uint8_t ip[60];
	struct bytes file = { 0 };

	capture_begin(&file, PLAIN, LINKTYPE_RAW);
	for (unsigned i = 0; i < 5; i++) {
		datagram_build(ip, i % 2 ? IP_PROTO_UDP : IP_PROTO_TCP, sizeof(ip), (uint8_t)i);
		capture_record(&file, PLAIN, some_time, ip, sizeof(ip), sizeof(ip));
	}
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		const struct trace_options options = { .filter = filters[i].filter, .keep = rereadings[_i].keep };
		struct trace_reader *t = open_bytes(&file, &options);

		for (unsigned round = 0; round < 2; round++) {
			struct trace_packet p;
			uint64_t shown = 0;

			while (trace_next(t, &p) == 1) {
				shown |= UINT64_C(1) << (p.frame - 1);
				ck_assert_uint_eq(trace_stats(t)->hidden,
						  p.frame - (uint64_t)__builtin_popcountll(shown));
			}
			ck_assert_uint_eq(shown, filters[i].shown);
			ck_assert_uint_eq(trace_stats(t)->frames, 5);
			ck_assert_int_eq((int)trace_stats(t)->hidden, 5 - __builtin_popcountll(shown));
			ck_assert_int_eq(trace_rewind(t), 0);
		}
		trace_close(t);
	}
	bytes_free(&file);
}
END_TEST

static const struct time_row {
	uint32_t seconds, part;
	uint64_t want_us, want_ns; /* what a file of microseconds and one of nanoseconds mean */
} time_rows[] = {
	{ 0, 0, 0, 0 },
	{ 1, 999999, 1999999000, 1000999999 },
	{ 0x7fffffff, 1, 2147483647 * NS_PER_S + 1000, 2147483647 * NS_PER_S + 1 },
	{ 0x80000000, 0, 2147483648 * NS_PER_S, 2147483648 * NS_PER_S }, /* 2038 is not the end */
	{ 0xffffffff, 0, 4294967295 * NS_PER_S, 4294967295 * NS_PER_S },
	{ 5, 1000000, 6 * NS_PER_S - 1, 5 * NS_PER_S + 1000000 },
	{ 5, 1000000000, 6 * NS_PER_S - 1, 6 * NS_PER_S - 1 },
	{ 5, 0x80000000, 6 * NS_PER_S - 1, 6 * NS_PER_S - 1 }, /* negative, if sign-extended */
};

START_TEST(test_times)
{
	for (size_t i = 0; i < ARRAY_LEN(containers); i++) {
		const struct time_row *row = &time_rows[_i];
		struct bytes file = { 0 };
		struct trace_packet p;
		struct trace_reader *t;
		uint64_t want = containers[i].unit_ns == 1 ? row->want_ns : row->want_us;

		/* libpcap itself multiplies the part by 1,000, in 32 bits: what overflows there is not ours */
		if (containers[i].unit_ns != 1 && row->part > INT32_MAX / 1000)
			continue;
		capture_begin(&file, &containers[i], LINKTYPE_RAW);
		capture_record(&file, &containers[i], (uint32_t[]){ row->seconds, row->part }, "", 0, 0);
		t = open_bytes(&file, &complete);
		ck_assert_int_eq(trace_next(t, &p), 1);
		ck_assert_uint_eq(p.time_ns, want);
		trace_close(t);
		bytes_free(&file);
	}
}
END_TEST

/* What cannot be opened, and what the message must say. */
static const struct open_row {
	const char *name;
	const char *bytes; /* hexadecimal */
	const char *filter;
	const char *message;
} open_rows[] = {
	{ "empty", "", NULL, "the file is empty" },
	{ "text", "48656c6c6f2c20776f726c6421", NULL, "not a readable capture: " },
	{ "three bytes", "d4c3b2", NULL, "not a readable capture: truncated" },
	{ "file header cut", "d4c3b2a1020004000000", NULL, "not a readable capture: truncated" },
	{ "gzip", "1f8b0800", NULL, "is gzip-compressed; use zcat FILE | … -" },
	{ "zstd", "28b52ffd00", NULL, "is zstd-compressed; use zstdcat FILE | … -" },
	{ "xz", "fd377a585a00", NULL, "is xz-compressed; use xzcat FILE | … -" },
	{ "bzip2", "425a6839", NULL, "is bzip2-compressed; use bzcat FILE | … -" },
	{ "wireless", "d4c3b2a1020004000000000000000000000004007f000000", NULL,
	  "link type 127 (IEEE802_11_RADIO) is not supported" },
	{ "link type of nobody", "d4c3b2a10200040000000000000000000000040097000000", NULL,
	  "link type 151 (unknown) is not supported" },
	{ "filter", "d4c3b2a1020004000000000000000000000004006500000000", "tcp prot 80", "filter \"tcp prot 80\": " },
	{ "filter that matches nothing", "d4c3b2a10200040000000000000000000000040065000000", "tcp and udp",
	  "filter \"tcp and udp\": expression rejects all packets" },
};

START_TEST(test_open_errors)
{
	const struct open_row *row = &open_rows[_i];
	const struct trace_options options = { .filter = row->filter };
	char path[32], error[TRACE_ERROR_MAX] = "";
	struct bytes file = { 0 };

	for (const char *c = row->bytes; *c; c += 2) {
		char pair[3] = { c[0], c[1], '\0' };
		uint8_t byte = (uint8_t)strtoul(pair, NULL, 16);

		bytes_put(&file, &byte, 1);
	}
	capture_write(&file, path);
	ck_assert_msg(trace_open(path, &options, error) == NULL, "%s", row->name);
	unlink(path);
	ck_assert_msg(strncmp(error, path, strlen(path)) == 0 && strncmp(error + strlen(path), ": ", 2) == 0, "%s: %s",
		      row->name, error);
	ck_assert_msg(strstr(error, row->message) == error + strlen(path) + 2, "%s: %s", row->name, error);
	bytes_free(&file);
}
END_TEST

START_TEST(test_no_file)
{
	char error[TRACE_ERROR_MAX], path[1000];

	ck_assert_ptr_null(trace_open("/nonexistent/x.pcap", &complete, error));
	ck_assert_str_eq(error, "/nonexistent/x.pcap: No such file or directory");
	ck_assert_ptr_null(trace_open("/tmp", &complete, error));
	ck_assert_str_eq(error, "/tmp: Is a directory");
	/* A long path keeps its end, and the reason. */
	memset(path, 'd', sizeof(path));
	memcpy(path + sizeof(path) - 6, ".pcap", 6);
	ck_assert_ptr_null(trace_open(path, &complete, error));
	ck_assert_ptr_nonnull(strstr(error, "ddd.pcap: File name too long"));
}
END_TEST

/* Damage behind two good frames: they come out, then the message, again and again. */
static const struct damage_row {
	const char *name;
	size_t keep; /* of the third record */
	uint32_t caplen;
	const char *message;
} damage_rows[] = {
	{ "header cut", 7, 60, "truncated dump file; tried to read 16 header bytes, only got 7" },
	{ "frame cut", 16 + 59, 60, "truncated dump file; tried to read 60 captured bytes, only got 59" },
	{ "frame missing", 16, 60, "truncated dump file" },
	{ "absurd length", 16 + 60, 0xffffffff, "invalid packet capture length" },
	{ "half the address space", 16 + 60, 0x7fffffff, "invalid packet capture length" },
};

static void check_damage(const struct damage_row *row, const struct trace_options *options)
{
	char path[32], error[TRACE_ERROR_MAX], prefix[64];
	struct bytes file = { 0 };
	struct trace_packet p;
	struct trace_reader *t;
	size_t third;

	put_datagrams(&file, 3, 60);
	third = file.len - RECORD_HEADER_LEN - 60;
	memcpy(file.data + third + 8, &row->caplen, 4);
	file.len = third + row->keep;
	capture_write(&file, path);
	t = trace_open(path, options, error);
	ck_assert_ptr_nonnull(t);
	snprintf(prefix, sizeof(prefix), "%s: frame 3: ", path);
	for (unsigned round = 0; round < 2; round++) {
		ck_assert_int_eq(trace_next(t, &p), 1);
		ck_assert_int_eq(trace_next(t, &p), 1);
		ck_assert_uint_eq(p.frame, 2);
		for (unsigned again = 0; again < 2; again++) {
			ck_assert_int_eq(trace_next(t, &p), -1);
			ck_assert_msg(strncmp(trace_error(t), prefix, strlen(prefix)) == 0, "%s", trace_error(t));
			ck_assert_msg(strstr(trace_error(t), row->message) == trace_error(t) + strlen(prefix), "%s",
				      trace_error(t));
		}
		ck_assert_uint_eq(trace_stats(t)->frames, 2);
		ck_assert_int_eq(trace_rewind(t), 0);
		ck_assert_str_eq(trace_error(t), "");
	}
	trace_close(t);
	unlink(path);
	bytes_free(&file);
}

START_TEST(test_damage)
{
	for (size_t i = 0; i < ARRAY_LEN(rereadings); i++)
		check_damage(&damage_rows[_i], &rereadings[i]);
}
END_TEST

/* More than stdio's buffer, so that what is cut off while reading is not there any more. */
#define BIG_COUNT 1000
#define BIG_LEN 1500

START_TEST(test_shrinking_file)
{
	static const off_t ends[] = {
		FILE_HEADER_LEN + 500 * (RECORD_HEADER_LEN + BIG_LEN),	     /* between two frames */
		FILE_HEADER_LEN + 500 * (RECORD_HEADER_LEN + BIG_LEN) + 100, /* within one */
	};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char path[32], error[TRACE_ERROR_MAX];
		struct bytes file = { 0 };
		struct trace_packet p;
		struct trace_reader *t;
		int result, count = 1;

		put_datagrams(&file, BIG_COUNT, BIG_LEN);
		capture_write(&file, path);
		t = trace_open(path, &complete, error);
		ck_assert_ptr_nonnull(t);
		ck_assert_uint_eq(trace_stats(t)->file_bytes, file.len);
		ck_assert_int_eq(trace_next(t, &p), 1);
		ck_assert_int_eq(truncate(path, ends[i]), 0);
		while ((result = trace_next(t, &p)) == 1)
			count++;
		ck_assert_int_eq(result, -1);
		ck_assert_int_eq(count, 500);
		ck_assert_ptr_nonnull(strstr(trace_error(t), ": frame 501: "));
		ck_assert_ptr_nonnull(
			strstr(trace_error(t), i ? "truncated dump file" : "became shorter while it was read"));
		trace_close(t);
		unlink(path);
		bytes_free(&file);
	}
}
END_TEST

/* A removed file stays readable, and can be rewound from anywhere. */
START_TEST(test_rewind)
{
	struct bytes file = { 0 };
	struct trace_packet p;
	struct trace_reader *t;
	uint64_t first = 0;

	put_datagrams(&file, BIG_COUNT, BIG_LEN);
	t = open_bytes(&file, &rereadings[_i]);
	for (unsigned stop_after = 0; stop_after <= BIG_COUNT + 1; stop_after += 143) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < stop_after; i++)
			trace_next(t, &p);
		ck_assert_int_eq(trace_rewind(t), 0);
		ck_assert_uint_eq(trace_stats(t)->frames, 0);
		while (trace_next(t, &p) == 1) {
			for (uint32_t i = 0; i < p.len; i++)
				sum = sum * 31 + p.ip[i];
			if (!rereadings[_i].keep)
				memset(p.ip, 0xff, p.len); /* it is ours to write to */
		}
		ck_assert_uint_eq(trace_stats(t)->frames, BIG_COUNT);
		ck_assert_uint_eq(trace_stats(t)->bytes, file.len);
		first = stop_after ? first : sum;
		ck_assert_uint_eq(sum, first);
		ck_assert_int_eq(trace_rewind(t), 0);
	}
	trace_close(t);
	bytes_free(&file);
}
END_TEST

/* A file that is gone when it is to be read again: `keep` bytes for a megabyte and a half of datagrams. */
START_TEST(test_kept)
{
	static const struct kept_row {
		uint64_t keep;
		unsigned first; /* frames of the first reading; the file has BIG_COUNT */
		bool again;	/* they come again */
	} rows[] = {
		{ UINT64_C(8) << 20, BIG_COUNT + 1, true },
		{ UINT64_C(8) << 20, BIG_COUNT, false }, /* nobody has seen the end */
		{ UINT64_C(2) << 20, BIG_COUNT + 1, true },
		{ UINT64_C(1) << 20, BIG_COUNT + 1, false },
		{ 0, BIG_COUNT + 1, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct trace_options options = { .keep = rows[i].keep };
		char path[32], error[TRACE_ERROR_MAX];
		struct bytes file = { 0 };
		struct trace_packet p;
		struct trace_reader *t;

		put_datagrams(&file, BIG_COUNT, BIG_LEN);
		capture_write(&file, path);
		t = trace_open(path, &options, error);
		ck_assert_ptr_nonnull(t);
		for (unsigned n = 0; n < rows[i].first; n++)
			trace_next(t, &p);
		ck_assert_int_eq(truncate(path, 0), 0);
		ck_assert_msg((trace_rewind(t) == 0) == rows[i].again, "row %zu: %s", i, trace_error(t));
		for (unsigned n = 0; n < BIG_COUNT && rows[i].again; n++) {
			ck_assert_int_eq(trace_next(t, &p), 1);
			ck_assert_uint_eq(p.frame, n + 1);
			ck_assert_uint_eq(p.len, BIG_LEN);
			ck_assert_mem_eq(p.ip,
					 file.data + FILE_HEADER_LEN + n * (RECORD_HEADER_LEN + BIG_LEN) +
						 RECORD_HEADER_LEN,
					 BIG_LEN);
		}
		ck_assert_int_eq(trace_next(t, &p), rows[i].again ? 0 : -1);
		trace_close(t);
		unlink(path);
		bytes_free(&file);
	}
}
END_TEST

/* Standard input as a pipe that holds a small capture; gives back what it was before. */
static int stdin_to_pipe(const struct bytes *file)
{
	int ends[2], before = dup(STDIN_FILENO);

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], file->data, file->len), (ssize_t)file->len);
	close(ends[1]);
	ck_assert_int_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	close(ends[0]);
	return before;
}

static void stdin_restore(int before)
{
	if (before >= 0) {
		dup2(before, STDIN_FILENO);
		close(before);
	}
}

static unsigned count_frames(struct trace_reader *t)
{
	struct trace_packet p;
	unsigned n = 0;

	while (trace_next(t, &p) == 1)
		n++;
	return n;
}

START_TEST(test_stdin_pipe)
{
	const struct trace_options spooled = { .spool = true };
	struct bytes file = { 0 };
	char error[TRACE_ERROR_MAX];
	struct trace_reader *t;
	int before;

	put_datagrams(&file, 7, 60);
	before = stdin_to_pipe(&file);
	t = trace_open("-", &complete, error);
	stdin_restore(before);
	ck_assert_msg(t != NULL, "%s", error);
	ck_assert_int_eq(trace_rewind(t), 0); /* nothing has been read yet */
	ck_assert_uint_eq(count_frames(t), 7);
	ck_assert_uint_eq(trace_stats(t)->file_bytes, 0);
	ck_assert_int_eq(trace_rewind(t), -1);
	ck_assert_str_eq(trace_error(t), "standard input: is not seekable and cannot be read twice");
	ck_assert_uint_eq(count_frames(t), 0);
	trace_close(t);

	before = stdin_to_pipe(&file);
	t = trace_open("-", &spooled, error);
	stdin_restore(before);
	ck_assert_msg(t != NULL, "%s", error);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(count_frames(t), 7);
		ck_assert_uint_eq(trace_stats(t)->file_bytes, file.len);
		ck_assert_int_eq(trace_rewind(t), 0);
	}
	trace_close(t);

	before = stdin_to_pipe(&file);
	setenv("TMPDIR", "/nonexistent", 1);
	t = trace_open("-", &spooled, error);
	unsetenv("TMPDIR");
	stdin_restore(before);
	ck_assert_ptr_null(t);
	ck_assert_ptr_nonnull(strstr(error, "standard input: cannot keep a copy in /nonexistent/"));
	ck_assert_ptr_nonnull(strstr(error, "No such file or directory"));
	bytes_free(&file);
}
END_TEST

/* Standard input redirected from a file, with something in front of the capture. */
START_TEST(test_stdin_file)
{
	const struct trace_options spooled = { .spool = true };
	struct bytes file = { 0 };
	char path[32], error[TRACE_ERROR_MAX];
	int before = dup(STDIN_FILENO), fd;
	struct trace_reader *t;

	bytes_put(&file, "in front", 8);
	put_datagrams(&file, 7, 60);
	capture_write(&file, path);
	fd = open(path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(lseek(fd, 8, SEEK_SET), 8);
	dup2(fd, STDIN_FILENO);
	close(fd);
	t = trace_open("-", &spooled, error);
	stdin_restore(before);
	unlink(path);
	ck_assert_msg(t != NULL, "%s", error);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(count_frames(t), 7);
		ck_assert_uint_eq(trace_stats(t)->bytes, file.len - 8);
		ck_assert_int_eq(trace_rewind(t), 0);
	}
	trace_close(t);
	bytes_free(&file);
}
END_TEST

START_TEST(test_names)
{
	struct bytes file = { 0 };
	struct trace_reader *t;
	int number = -1;

	capture_begin(&file, PLAIN, LINKTYPE_ETHERNET);
	t = open_bytes(&file, &complete);
	ck_assert_str_eq(trace_linktype(t, &number), "Ethernet");
	ck_assert_int_eq(number, 1);
	trace_close(t);
	bytes_free(&file);
	ck_assert_str_eq(trace_kind_key(TRACE_IPV4), "ipv4");
	ck_assert_str_eq(trace_kind_key(TRACE_MALFORMED), "malformed");
}
END_TEST

/* Two digests over a trace: of the datagrams, and of their time stamps. */
struct digest {
	uint64_t datagrams, times, count;
};

static struct digest digest_of(const char *path)
{
	const uint64_t prime = UINT64_C(1099511628211);
	char error[TRACE_ERROR_MAX];
	struct trace_reader *t = trace_open(path, &complete, error);
	struct digest d = { 0 };
	struct trace_packet p;

	ck_assert_msg(t != NULL, "%s", error);
	while (trace_next(t, &p) == 1) {
		if (p.kind != TRACE_IPV4)
			continue;
		d.count++;
		for (uint32_t i = 0; i < p.len; i++)
			d.datagrams = (d.datagrams ^ p.ip[i]) * prime;
		d.datagrams = (d.datagrams ^ p.len) * prime;
		d.times = (d.times ^ p.time_ns / NS_PER_US) * prime;
	}
	ck_assert_str_eq(trace_error(t), "");
	trace_close(t);
	return d;
}

/* One capture in many containers and link layers is one sequence of datagrams. */
START_TEST(test_shared_derived)
{
	char dir[512], base[512], path[1024];
	struct digest want;
	struct dirent *entry;
	unsigned files = 0;
	DIR *d;

	if (!shared_path("traces/real/pcap2har_fhs.pcap", base, sizeof(base)) ||
	    !shared_path("traces/derived", dir, sizeof(dir)))
		return;
	want = digest_of(base);
	ck_assert_uint_eq(want.count, 101);
	d = opendir(dir);
	ck_assert_ptr_nonnull(d);
	while ((entry = readdir(d))) {
		struct digest got;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		got = digest_of(path);
		files++;
		ck_assert_msg(got.count == want.count && got.datagrams == want.datagrams, "%s", path);
		/* Simple packet blocks have no time, and powers of two do not hit whole microseconds. */
		if (!strstr(path, "simple_packet") && !strstr(path, "pow2"))
			ck_assert_msg(got.times == want.times, "%s: times", path);
	}
	closedir(d);
	ck_assert_uint_ge(files, 25);
}
END_TEST

/* Every kind is counted once, and a second reading says the same. */
static void read_twice(const char *path, const struct trace_options *options)
{
	char error[TRACE_ERROR_MAX];
	struct trace_reader *t = trace_open(path, options, error);
	struct trace_stats first;
	uint64_t positions[2] = { 0 };

	ck_assert_msg(t != NULL, "%s", error);
	for (unsigned round = 0; round < 2; round++) {
		struct trace_packet p;
		uint64_t sum = 0;

		while (trace_next(t, &p) == 1) {
			positions[round] += trace_stats(t)->bytes;
			if (p.kind == TRACE_IPV4)
				ck_assert_msg(p.len >= 20 && load_be16(p.ip + 2) == p.len, "%s: frame %llu", path,
					      (unsigned long long)p.frame);
		}
		for (unsigned k = 0; k < TRACE_KIND_COUNT; k++)
			sum += trace_stats(t)->kinds[k];
		ck_assert_uint_eq(sum, trace_stats(t)->frames);
		if (round == 0)
			first = *trace_stats(t);
		ck_assert_msg(memcmp(&first, trace_stats(t), sizeof(first)) == 0, "%s: second reading", path);
		ck_assert_int_eq(trace_rewind(t), 0);
	}
	ck_assert_uint_eq(positions[0], positions[1]);
	trace_close(t);
}

START_TEST(test_shared_real)
{
	char dir[512], path[1024];
	struct dirent *entry;
	DIR *d;

	if (!shared_path("traces/real", dir, sizeof(dir)))
		return;
	d = opendir(dir);
	ck_assert_ptr_nonnull(d);
	while ((entry = readdir(d))) {
		if (!strstr(entry->d_name, ".pcap"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		for (size_t i = 0; i < ARRAY_LEN(rereadings); i++)
			read_twice(path, &rereadings[i]);
	}
	closedir(d);
}
END_TEST

/* The manifest's seventh column: how many frames libpcap reads, "-" if it does not open the file. */
static void check_hostile(const char *path, const char *expected)
{
	char error[TRACE_ERROR_MAX];
	struct trace_reader *t = trace_open(path, &complete, error);
	struct trace_packet p;
	char got[24];

	if (!t) {
		/* Refused by libpcap, or a link type that carries no IPv4 here. */
		ck_assert_msg(strcmp(expected, "-") == 0 || strstr(error, "is not supported"), "%s", error);
		ck_assert_msg(strncmp(error, path, MIN(strlen(path), 100)) == 0, "%s", error);
		return;
	}
	while (trace_next(t, &p) == 1)
		;
	snprintf(got, sizeof(got), "%llu", (unsigned long long)trace_stats(t)->frames);
	ck_assert_msg(strcmp(got, expected) == 0, "%s: %s frames instead of %s", path, got, expected);
	trace_close(t);
}

START_TEST(test_shared_hostile)
{
	char dir[512], manifest[512], path[1024], line[4096];
	unsigned files = 0;
	FILE *f;

	if (!shared_path("traces/hostile/MANIFEST.tsv", manifest, sizeof(manifest)) ||
	    !shared_path("traces/hostile", dir, sizeof(dir)))
		return;
	f = fopen(manifest, "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
	while (fgets(line, sizeof(line), f)) {
		char *rest = line, *file = strsep(&rest, "\t"), *expected = NULL;

		for (unsigned i = 0; i < 6; i++)
			expected = strsep(&rest, "\t");
		ck_assert_ptr_nonnull(expected);
		snprintf(path, sizeof(path), "%s/%s", dir, file);
		check_hostile(path, expected);
		files++;
	}
	fclose(f);
	ck_assert_uint_gt(files, 0);
}
END_TEST

Suite *trace_suite(void)
{
	Suite *s = suite_create("trace");
	TCase *tc = tcase_create("trace"), *shared = tcase_create("shared traces");

	tcase_add_loop_test(tc, test_checksums, 0, ARRAY_LEN(checksum_rows));
	tcase_add_test(tc, test_udp_zero_sum);
	tcase_add_test(tc, test_no_place_for_a_sum);
	tcase_add_loop_test(tc, test_fragments_in_place, 0, ARRAY_LEN(rereadings));
	tcase_add_test(tc, test_cut);
	tcase_add_loop_test(tc, test_filter, 0, ARRAY_LEN(rereadings));
	tcase_add_loop_test(tc, test_times, 0, ARRAY_LEN(time_rows));
	tcase_add_loop_test(tc, test_open_errors, 0, ARRAY_LEN(open_rows));
	tcase_add_test(tc, test_no_file);
	tcase_add_loop_test(tc, test_damage, 0, ARRAY_LEN(damage_rows));
	tcase_add_test(tc, test_shrinking_file);
	tcase_add_loop_test(tc, test_rewind, 0, ARRAY_LEN(rereadings));
	tcase_add_test(tc, test_kept);
	tcase_add_test(tc, test_stdin_pipe);
	tcase_add_test(tc, test_stdin_file);
	tcase_add_test(tc, test_names);
	suite_add_tcase(s, tc);
	tcase_set_timeout(shared, 120);
	tcase_add_test(shared, test_shared_derived);
	tcase_add_test(shared, test_shared_real);
	tcase_add_test(shared, test_shared_hostile);
	suite_add_tcase(s, shared);
	return s;
}
