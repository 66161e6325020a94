/* SPDX-License-Identifier: BSD-2-Clause */
/* wire.h: protocol headers as they stand on the wire, big-endian types, and byte access.
 * be16/be32 are distinct under sparse (make tidy), so a missing conversion is an error there. */
#ifndef MIRESGA_WIRE_H
#define MIRESGA_WIRE_H

#include <stdint.h>
#include <string.h>

#ifdef __CHECKER__
#define WIRE_BITWISE __attribute__((bitwise))
#define WIRE_FORCE __attribute__((force))
#else
#define WIRE_BITWISE
#define WIRE_FORCE
#endif
typedef uint16_t WIRE_BITWISE be16;
typedef uint32_t WIRE_BITWISE be32;

static inline be16 be16_from(uint16_t v)
{
	return (WIRE_FORCE be16)__builtin_bswap16(v);
}

static inline be32 be32_from(uint32_t v)
{
	return (WIRE_FORCE be32)__builtin_bswap32(v);
}

static inline uint16_t be16_to(be16 v)
{
	return __builtin_bswap16((WIRE_FORCE uint16_t)v);
}

static inline uint32_t be32_to(be32 v)
{
	return __builtin_bswap32((WIRE_FORCE uint32_t)v);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "be16/be32 are written for little-endian hosts");

/* Unaligned big-endian reads and writes in host order. */
static inline uint16_t load_be16(const void *p)
{
	be16 v;

	memcpy(&v, p, sizeof(v));
	return be16_to(v);
}

static inline uint32_t load_be32(const void *p)
{
	be32 v;

	memcpy(&v, p, sizeof(v));
	return be32_to(v);
}

static inline void store_be16(void *p, uint16_t v)
{
	be16 w = be16_from(v);

	memcpy(p, &w, sizeof(w));
}

static inline void store_be32(void *p, uint32_t v)
{
	be32 w = be32_from(v);

	memcpy(p, &w, sizeof(w));
}

#define ETH_ADDR_LEN 6
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8
#define ETHERTYPE_IPV6 0x86dd

struct eth_hdr {
	uint8_t dst[ETH_ADDR_LEN];
	uint8_t src[ETH_ADDR_LEN];
	be16 type;
} __attribute__((packed));

struct vlan_hdr {
	be16 tci;
	be16 type;
} __attribute__((packed));

/* ARP for Ethernet and IPv4 (RFC 826). */
#define ARP_OP_REQUEST 1
#define ARP_OP_REPLY 2
struct arp_hdr {
	be16 hw_type;
	be16 proto_type;
	uint8_t hw_len;
	uint8_t proto_len;
	be16 op;
	uint8_t sender_hw[ETH_ADDR_LEN];
	be32 sender_ip;
	uint8_t target_hw[ETH_ADDR_LEN];
	be32 target_ip;
} __attribute__((packed));

#define IP_PROTO_ICMP 1
#define IP_PROTO_TCP 6
#define IP_PROTO_UDP 17
#define IP_FLAG_DF 0x4000
#define IP_FLAG_MF 0x2000
#define IP_OFFSET_MASK 0x1fff
struct ipv4_hdr {
	uint8_t version_ihl;
	uint8_t tos;
	be16 total_len;
	be16 id;
	be16 frag;
	uint8_t ttl;
	uint8_t proto;
	be16 check;
	be32 src;
	be32 dst;
} __attribute__((packed));

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20
#define TCP_ECE 0x40
#define TCP_CWR 0x80
struct tcp_hdr {
	be16 sport;
	be16 dport;
	be32 seq;
	be32 ack;
	uint8_t data_off; /* upper four bits: header length in 32-bit words */
	uint8_t flags;
	be16 window;
	be16 check;
	be16 urgent;
} __attribute__((packed));

#define ICMP_UNREACHABLE 3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER 12
struct icmp_hdr {
	uint8_t type;
	uint8_t code;
	be16 check;
	be32 rest;
} __attribute__((packed));

#define ETH_HDR_LEN 14
#define IPV4_HDR_MIN 20
#define TCP_HDR_MIN 20
#define TCP_HDR_MAX 60
/* Ethernet header plus the largest IPv4 datagram: what a GSO super-packet can be. */
#define FRAME_MAX (ETH_HDR_LEN + 65535)

_Static_assert(sizeof(struct eth_hdr) == ETH_HDR_LEN, "wire format");
_Static_assert(sizeof(struct arp_hdr) == 28, "wire format");
_Static_assert(sizeof(struct ipv4_hdr) == IPV4_HDR_MIN, "wire format");
_Static_assert(sizeof(struct tcp_hdr) == TCP_HDR_MIN, "wire format");

/* An IPv4 address and port as they stand on the wire. The key <CIP,CPort> of the paper is the
 * client's endpoint. Compare with endpoint_equal; `zero` keeps the eight bytes comparable. */
struct endpoint {
	be32 addr;
	be16 port;
	uint16_t zero;
};
_Static_assert(sizeof(struct endpoint) == 8, "one word");

static inline struct endpoint endpoint_make(be32 addr, be16 port)
{
	return (struct endpoint){ .addr = addr, .port = port };
}

static inline uint64_t endpoint_word(struct endpoint e)
{
	uint64_t w;

	memcpy(&w, &e, sizeof(w));
	return w;
}

static inline _Bool endpoint_equal(struct endpoint a, struct endpoint b)
{
	return endpoint_word(a) == endpoint_word(b);
}

/* "255.255.255.255:65535" and its terminator. Returns buf. */
#define ENDPOINT_TEXT_MAX 22
char *endpoint_format(struct endpoint e, char buf[ENDPOINT_TEXT_MAX]);
/* Parses "a.b.c.d:port"; port 1..65535. Returns 0, or -1 and leaves *e alone. */
int endpoint_parse(const char *text, struct endpoint *e);

#endif
