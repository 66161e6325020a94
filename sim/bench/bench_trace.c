/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_trace.c: a capture in memory: HTTP/1.1 connections of one request each, fifty at a time, whose packets
 * alternate. Of ten responses seven have 1 KiB, two 10 KiB, one 100 KiB; every second segment is acknowledged.
 *
 * What a connection sends is a table of steps; the step DATA repeats until the response is out. Refusals: only those of
 * the machine (memory, a descriptor). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include <errno.h>
#include <pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench_internal.h"
#include "miresga/tcp_options.h"

#define AT_ONCE 50
#define STEP_NS (10 * NS_PER_US)
#define BODY_LONGEST (100u << 10)

static const char request[] = "GET /bench HTTP/1.1\r\nHost: bench.example\r\n\r\n";
#define REQUEST_LEN ((uint32_t)sizeof(request) - 1)

enum step {
	SYN,
	SYN_ACK,
	ACK,
	REQUEST,
	DATA,
	LAST_ACK,
	SERVER_FIN,
	CLIENT_FIN,
	FIN_ACK,
	DONE,
};
static const struct {
	bool server; /* sends it */
	uint8_t flags;
} steps[DONE] = {
	[SYN] = { false, TCP_SYN },
	[SYN_ACK] = { true, TCP_SYN | TCP_ACK },
	[ACK] = { false, TCP_ACK },
	[REQUEST] = { false, TCP_ACK | TCP_PSH },
	[DATA] = { true, TCP_ACK },
	[LAST_ACK] = { false, TCP_ACK },
	[SERVER_FIN] = { true, TCP_ACK | TCP_FIN },
	[CLIENT_FIN] = { false, TCP_ACK | TCP_FIN },
	[FIN_ACK] = { true, TCP_ACK },
};

struct connection {
	struct bench_flow flow;
	enum step step;
	uint32_t client_sent; /* as flow.sent: bytes of the stream, SYN and FIN included */
	uint32_t acknowledged;
	uint32_t response_len, response_sent;
	char head[64];
};

struct maker {
	struct packet_pool *pool;
	pcap_dumper_t *out;
	struct endpoint server;
	uint64_t now_ns;
	uint8_t body[BODY_LONGEST];
};

static void connection_begin(struct connection *c, uint32_t i)
{
	static const uint32_t kib[10] = { 1, 1, 10, 1, 1, 100, 1, 10, 1, 1 };
	uint32_t body = kib[i % ARRAY_LEN(kib)] << 10;

	*c = (struct connection){ .flow = { .client = bench_client(i * 7), .client_isn = i << 16, .isn = ~(i << 14) } };
	snprintf(c->head, sizeof(c->head), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", body);
	c->response_len = (uint32_t)strlen(c->head) + body;
}

/* The next piece of the response: the head with what fits behind it, or a full segment. */
static uint32_t piece(const struct maker *m, const struct connection *c, uint8_t segment[BENCH_SEGMENT])
{
	uint32_t head_len = (uint32_t)strlen(c->head), len = MIN(c->response_len - c->response_sent, BENCH_SEGMENT);
	uint32_t head = c->response_sent ? 0 : head_len;

	memcpy(segment, c->head, head);
	memcpy(segment + head, m->body + (c->response_sent ? c->response_sent - head_len : 0), len - head);
	return len;
}

static int emit(struct maker *m, struct connection *c, const struct tcp_packet_spec *spec)
{
	struct packet *p = packet_make_tcp(m->pool, spec);
	struct pcap_pkthdr header;

	if (!p)
		return -1;
	header = (struct pcap_pkthdr){ .ts = { .tv_sec = (time_t)(m->now_ns / NS_PER_S),
					       .tv_usec = (suseconds_t)(m->now_ns % NS_PER_S / NS_PER_US) },
				       .caplen = p->len,
				       .len = p->len };
	pcap_dump((u_char *)m->out, &header, p->data);
	*(endpoint_equal(spec->src, m->server) ? &c->flow.sent : &c->client_sent) += packet_seq_len(p);
	packet_free(m->pool, p);
	m->now_ns += STEP_NS;
	return 0;
}

/* The client acknowledges every second segment in between. */
static void advance(struct connection *c, uint32_t len)
{
	if (c->step == DATA) {
		c->response_sent += len;
		if (c->response_sent < c->response_len)
			return;
	}
	c->step++;
}

static int connection_step(struct maker *m, struct connection *c)
{
	const struct tcp_options offer = { .mss = 1460, .wscale = 7, .sack_permitted = true };
	bool server = steps[c->step].server, syn = steps[c->step].flags & TCP_SYN;
	uint8_t options[TCP_OPTIONS_MAX], segment[BENCH_SEGMENT];
	struct tcp_packet_spec spec = {
		.src = server ? m->server : c->flow.client,
		.dst = server ? c->flow.client : m->server,
		.seq = server ? c->flow.isn + c->flow.sent : c->flow.client_isn + c->client_sent,
		.ack = server ? c->flow.client_isn + c->client_sent : c->flow.isn + c->flow.sent,
		.flags = steps[c->step].flags,
		.window = syn ? 65535 : 2048,
		.options = options,
		.payload = c->step == REQUEST ? (const void *)request : segment,
		.payload_len = c->step == REQUEST ? REQUEST_LEN : 0,
	};

	if (syn)
		spec.options_len = tcp_options_write(&offer, options);
	if (c->step == SYN)
		spec.ack = 0;
	if (c->step == DATA && c->response_sent - c->acknowledged >= 2 * BENCH_SEGMENT) {
		c->acknowledged = c->response_sent;
		spec.src = c->flow.client;
		spec.dst = m->server;
		spec.seq = c->flow.client_isn + c->client_sent;
		spec.ack = c->flow.isn + c->flow.sent;
		return emit(m, c, &spec);
	}
	if (c->step == DATA)
		spec.payload_len = piece(m, c, segment);
	advance(c, (uint32_t)spec.payload_len);
	return emit(m, c, &spec);
}

static int make_connections(struct maker *m, unsigned count)
{
	struct connection *open = calloc(AT_ONCE, sizeof(*open));
	unsigned begun = 0, busy = 1;
	int rc = open ? 0 : -1;

	for (unsigned i = 0; i < AT_ONCE && open; i++)
		open[i].step = DONE;
	while (!rc && busy > 0) {
		busy = 0;
		for (unsigned i = 0; i < AT_ONCE && !rc; i++) {
			if (open[i].step == DONE && begun < count)
				connection_begin(&open[i], begun++);
			if (open[i].step == DONE)
				continue;
			rc = connection_step(m, &open[i]);
			busy++;
		}
	}
	free(open);
	return rc;
}

/* Takes the stream over. */
static int write_capture(FILE *stream, unsigned connections)
{
	struct maker *m = calloc(1, sizeof(*m));
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, 65535);
	int rc = -1;

	if (m && dead) {
		m->pool = packet_pool_create(2, 0);
		m->server = endpoint_make(be32_from(0x0a00010a), be16_from(80));
		m->now_ns = BENCH_START_NS;
		memset(m->body, 'x', sizeof(m->body));
		m->out = pcap_dump_fopen(dead, stream);
	}
	if (m && m->out) {
		rc = m->pool ? make_connections(m, connections) : -1;
		rc = pcap_dump_flush(m->out) ? -1 : rc;
		pcap_dump_close(m->out);
	} else {
		fclose(stream);
	}
	if (m)
		packet_pool_free(m->pool);
	if (dead)
		pcap_close(dead);
	free(m);
	return rc;
}

int bench_trace_make(unsigned connections, char error[BENCH_ERROR_MAX])
{
	int fd = memfd_create("miresga-bench", MFD_CLOEXEC), copy = fd < 0 ? -1 : dup(fd);
	FILE *stream = copy < 0 ? NULL : fdopen(copy, "wb");

	errno = stream ? 0 : errno;
	if (stream && !write_capture(stream, connections))
		return fd;
	snprintf(error, BENCH_ERROR_MAX, "a trace in memory: %s", errno ? strerror(errno) : "out of memory");
	if (!stream && copy >= 0)
		close(copy);
	if (fd >= 0)
		close(fd);
	return -1;
}
