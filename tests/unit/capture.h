/* SPDX-License-Identifier: BSD-2-Clause */
/* capture.h: small captures made byte by byte, for the tests of src/io/. Checksums here are summed
 * the plain way, independent of the code under test. */
#ifndef TESTS_CAPTURE_H
#define TESTS_CAPTURE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "miresga/base.h"
#include "miresga/wire.h"

#define IPV4_CHECK_AT 10
#define TCP_CHECK_AT 16
#define UDP_CHECK_AT 6

struct bytes {
	uint8_t *data;
	size_t len, room;
};

static inline void bytes_put(struct bytes *b, const void *from, size_t len)
{
	if (b->len + len > b->room) {
		b->room = 2 * (b->len + len);
		b->data = realloc(b->data, b->room);
		ck_assert_ptr_nonnull(b->data);
	}
	if (len)
		memcpy(b->data + b->len, from, len);
	b->len += len;
}

static inline void bytes_free(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){ 0 };
}

/* What a capture's file header says. */
struct container {
	const char *name;
	uint32_t magic;
	bool swapped;
	uint32_t unit_ns; /* of the time stamps' second field */
};

static const struct container containers[] = {
	{ "little-endian microseconds", 0xa1b2c3d4, false, 1000 },
	{ "little-endian nanoseconds", 0xa1b23c4d, false, 1 },
	{ "big-endian microseconds", 0xa1b2c3d4, true, 1000 },
	{ "big-endian nanoseconds", 0xa1b23c4d, true, 1 },
};

static inline void capture_u32(struct bytes *b, const struct container *c, uint32_t v)
{
	v = c->swapped ? __builtin_bswap32(v) : v;
	bytes_put(b, &v, sizeof(v));
}

static inline void capture_begin(struct bytes *b, const struct container *c, uint32_t linktype)
{
	capture_u32(b, c, c->magic);
	capture_u32(b, c, c->swapped ? 4u | 2u << 16 : 2u | 4u << 16); /* two 16-bit fields */
	if (c->swapped) {
		const uint8_t version[] = { 0, 2, 0, 4 };

		memcpy(b->data + b->len - 4, version, 4);
	}
	capture_u32(b, c, 0);
	capture_u32(b, c, 0);
	capture_u32(b, c, 262144);
	capture_u32(b, c, linktype);
}

/* A record whose first `caplen` of `len` bytes were captured. */
static inline void capture_record(struct bytes *b, const struct container *c, const uint32_t time[2], const void *frame,
				  uint32_t caplen, uint32_t len)
{
	capture_u32(b, c, time[0]);
	capture_u32(b, c, time[1]);
	capture_u32(b, c, caplen);
	capture_u32(b, c, len);
	bytes_put(b, frame, caplen);
}

/* Writes a temporary file; `path` needs 32 bytes. The caller unlinks it. */
static inline void capture_write(const struct bytes *b, char path[32])
{
	int fd;

	snprintf(path, 32, "/tmp/miresga-test.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	for (size_t done = 0; done < b->len;) {
		ssize_t put = write(fd, b->data + done, b->len - done);

		ck_assert_int_gt(put, 0);
		done += (size_t)put;
	}
	close(fd);
}

/* RFC 1071, as its §1 says it, in host order and not inverted. */
static inline uint16_t plain_sum(const uint8_t *p, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static inline uint16_t pseudo_sum(const uint8_t *ip, size_t len)
{
	return plain_sum(ip + 12, 8, (uint32_t)(ip[9] + len));
}

static inline size_t transport_check_at(const uint8_t *ip)
{
	return (ip[0] & 15) * 4u + (ip[9] == IP_PROTO_UDP ? UDP_CHECK_AT : TCP_CHECK_AT);
}

static inline void sum_header(uint8_t *ip)
{
	store_be16(ip + IPV4_CHECK_AT, 0);
	store_be16(ip + IPV4_CHECK_AT, (uint16_t)~plain_sum(ip, (ip[0] & 15) * 4u, 0));
}

static inline void sum_transport(uint8_t *ip, size_t len)
{
	size_t ihl = (ip[0] & 15) * 4u, at = transport_check_at(ip);

	store_be16(ip + at, 0);
	store_be16(ip + at, (uint16_t)~plain_sum(ip + ihl, len - ihl, pseudo_sum(ip, len - ihl)));
}

/* Every checksum of a whole datagram is right; a UDP checksum of 0 counts as right. */
static inline bool sums_right(const uint8_t *ip, size_t len)
{
	size_t ihl = (ip[0] & 15) * 4u;

	if (plain_sum(ip, ihl, 0) != 0xffff)
		return false;
	if (ip[9] == IP_PROTO_UDP && load_be16(ip + ihl + UDP_CHECK_AT) == 0)
		return true;
	return plain_sum(ip + ihl, len - ihl, pseudo_sum(ip, len - ihl)) == 0xffff;
}

/* A TCP or UDP datagram of `len` bytes from 10.0.0.1:1000 to 10.0.1.10:80, all sums right. */
static inline void datagram_build(uint8_t *ip, uint8_t proto, size_t len, uint8_t fill)
{
	static const uint8_t header[] = { 0x45, 0, 0,  0, 0x12, 0x34, 0x40, 0, 64, IP_PROTO_TCP,
					  0,	0, 10, 0, 0,	1,    10,   0, 1,  10 };

	memcpy(ip, header, sizeof(header));
	ip[9] = proto;
	store_be16(ip + 2, (uint16_t)len);
	for (size_t i = 20; i < len; i++)
		ip[i] = (uint8_t)(fill + 7 * i + i / 251);
	store_be16(ip + 20, 1000);
	store_be16(ip + 22, 80);
	if (proto == IP_PROTO_TCP)
		ip[32] = 0x50;
	else
		store_be16(ip + 24, (uint16_t)(len - 20));
	sum_header(ip);
	sum_transport(ip, len);
}

/* A path below the shared data: $MIRESGA_SHARED or ../shared. False, and a line that says so, if
 * it is not there. */
static inline bool shared_path(const char *what, char *path, size_t room)
{
	const char *root = getenv("MIRESGA_SHARED");

	snprintf(path, room, "%s/%s", root ? root : "../shared", what);
	if (access(path, R_OK) == 0)
		return true;
	printf("skipped: %s is not there\n", path);
	return false;
}

#endif
