/* SPDX-License-Identifier: BSD-2-Clause */
/* packetdrill_play.c: plays a packetdrill script against an endpoint of tcp.h.
 *
 * As packetdrill does it: events are taken in order, each at its time after the one before; what the endpoint sends
 * waits in a queue and is compared with the next expected segment; 4 ms more or less are tolerated. A call that would
 * block goes on when it can; nothing but segments may come before its end. What is left in the queue at the end is not
 * looked at.
 *
 * A kernel's settings that a script takes for granted (MSS, window scale, buffers) are not wildcards: they are
 * derived from what the script expects and given to the endpoint, see settings_derive().
 *
 * Two freedoms, since scripts see the kernel above its segmentation offload: an expected segment larger than the MSS
 * is a run of segments, and PSH must stand at the end of what was written, while within it the kernel sets it where
 * its own buffers end. */
#include "packetdrill_play.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "miresga/tcp.h"

#define START_NS (UINT64_C(1000) * NS_PER_S)
#define TOLERANCE_NS (4 * NS_PER_MS)
#define ANY_TIME_NS (2 * NS_PER_S) /* how long "*" waits */
#define WAKES_MAX 10000
#define SENT_MAX 512
#define SOCKETS_MAX 8
#define PIECE_MAX 65536
#define CLIENT_PORT 40000
#define SERVER_PORT 8080

struct socket_model {
	bool used, taken; /* taken: accept() has returned it */
	bool listening;
	int fd;
	struct tcp *c;		      /* NULL: not connected (any more) */
	bool connected;		      /* by connect() */
	bool nonblocking, reset, eof; /* eof: the peer's FIN has come */
	bool shut_read, shut_write;   /* what shutdown() did; SHUT_RD is nothing that a stack knows of */
	uint64_t written, read;	      /* bytes */
};

struct sent {
	struct packet *packet;
	uint64_t ns;
};

struct play {
	const struct drill *script;
	const struct play_options *options;
	struct tcp_settings settings;
	struct packet_pool *pool;
	struct tcp_stack *stack;
	struct socket_model socket[SOCKETS_MAX];
	struct sent sent[SENT_MAX];
	unsigned sent_head, sent_tail;
	uint64_t now_ns;
	uint64_t event_ns; /* when the event before happened */
	/* the connection that segments belong to */
	uint16_t client_port;
	bool iss_known;
	uint32_t iss, drill_iss, drill_irs; /* the endpoint's first number; both as the script has them */
	bool active;			    /* the endpoint opens connections, the script's side only answers */
	uint32_t tsval_offset;
	bool tsval_known;
	uint64_t tsval_zero_ns; /* when the endpoint's clock would show the script's TSval 0; may wrap */
	const struct drill_call *blocked;
	unsigned call_progress; /* bytes that a blocked write() has already handed over */
	unsigned at;		/* event at hand */
	struct play_result *result;
};

static bool differ(struct play *p, const char *format, ...) FORMAT_PRINTF(2, 3);

/* The first difference counts. Always false. */
static bool differ(struct play *p, const char *format, ...)
{
	va_list args;

	if (p->result->as_written) {
		p->result->as_written = false;
		p->result->event = p->at;
		va_start(args, format);
		vsnprintf(p->result->why, sizeof(p->result->why), format, args);
		va_end(args);
	}
	return false;
}

/* Both directions carry bytes that follow from their position. */
static uint8_t byte_at(uint64_t position)
{
	return (uint8_t)(position * 131 ^ position >> 8);
}

static void bytes_fill(uint8_t *to, uint64_t position, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = byte_at(position + i);
}

static bool bytes_right(const uint8_t *bytes, uint64_t position, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != byte_at(position + i))
			return false;
	return true;
}

/* ---- the endpoint's settings ---------------------------------------------------------------------- */

/* The first expected window says how much the kernel's buffer took: it and what lies unread before it. */
static void derive_receive_buffer(struct play *p, const struct drill_segment *g, uint32_t read)
{
	uint32_t unread = g->ack > 1 ? g->ack - 1 - read : 0;

	p->settings.receive_buffer = ((uint32_t)g->win << (p->settings.wscale % TCP_WSCALE_NONE)) + unread;
}

/* What the other side did not offer cannot be seen in a SYN-ACK; a SYN shows all. */
static void derive_from_syn(struct play *p, const struct drill_segment *syn, const struct drill_segment *g)
{
	struct tcp_settings *t = &p->settings;
	bool answer = g->flags & TCP_ACK;

	if (g->any_options)
		return;
	t->mss = g->parsed.mss ? g->parsed.mss : t->mss;
	if (!answer || syn->parsed.wscale != TCP_WSCALE_NONE)
		t->wscale = g->parsed.wscale;
	t->sack = g->parsed.sack_permitted || (answer && !syn->parsed.sack_permitted);
	t->timestamps = g->parsed.has_timestamps || (answer && !syn->parsed.has_timestamps);
}

static void derive_from_call(struct play *p, const struct drill_call *c)
{
	struct tcp_settings *t = &p->settings;

	if (strstr(c->args, "SO_SNDBUF") && c->set > 0)
		t->send_buffer = (uint32_t)c->set; /* getsockopt() comes last: the kernel's doubled value */
	if (strstr(c->args, "TCP_LINGER2"))
		t->fin_wait_ns = (uint64_t)c->set * NS_PER_S;
	if (strstr(c->args, "TCP_NODELAY"))
		t->nagle = false;
	/* A short write tells how large the kernel's buffer is. */
	if (strcmp(c->name, "write") == 0 && c->ret > 0 && c->ret < c->len)
		t->send_buffer = (uint32_t)c->ret;
}

static void settings_derive(struct play *p)
{
	const struct drill *s = p->script;
	const struct drill_segment *before = NULL;
	bool window_known = false, offered = false; /* offered: by a SYN, which shows all */
	uint32_t read = 0;

	tcp_settings_default(&p->settings);
	for (unsigned i = 0; i < s->count; i++) {
		const struct drill_event *e = &s->event[i];
		const struct drill_segment *g = &e->segment;

		if (e->kind == SCRIPT_CALL) {
			derive_from_call(p, &e->call);
			if (strncmp(e->call.name, "re", 2) == 0 && e->call.ret > 0)
				read += (uint32_t)e->call.ret;
			continue;
		}
		if (e->kind == SCRIPT_OUT && (g->flags & TCP_SYN)) {
			if (!offered && (before || !(g->flags & TCP_ACK)))
				derive_from_syn(p, before, g);
			offered |= !(g->flags & TCP_ACK);
		} else if (e->kind == SCRIPT_OUT && g->has_win && !(g->flags & TCP_RST) && !window_known) {
			derive_receive_buffer(p, g, read);
			window_known = true;
		}
		before = e->kind == SCRIPT_IN ? g : NULL;
	}
}

/* ---- the wire ------------------------------------------------------------------------------------- */

static void on_send(void *ctx, struct packet *packet, uint64_t now_ns)
{
	struct play *p = ctx;

	if (p->sent_tail == SENT_MAX) {
		differ(p, "the endpoint sent more than %d segments", SENT_MAX);
		packet_free(p->pool, packet);
		return;
	}
	if (headers_parse(packet) != DROP_NONE)
		differ(p, "the endpoint sent a frame that cannot be parsed");
	p->sent[p->sent_tail++] = (struct sent){ packet, now_ns };
}

static bool run_until(struct play *p, uint64_t until_ns, bool stop_when_sent)
{
	unsigned wakes = 0;
	uint64_t wake;

	while ((wake = tcp_stack_next_wake(p->stack)) <= until_ns) {
		if (stop_when_sent && p->sent_head < p->sent_tail)
			return true;
		if (wake > p->now_ns)
			p->now_ns = wake;
		tcp_stack_timers(p->stack, p->now_ns);
		if (++wakes == WAKES_MAX)
			return differ(p, "the endpoint's timers never rest");
	}
	if (stop_when_sent && p->sent_head < p->sent_tail)
		return true;
	if (until_ns > p->now_ns)
		p->now_ns = until_ns;
	return true;
}

static struct endpoint client_end(const struct play *p)
{
	return endpoint_make(be32_from(0xc0000201), be16_from(p->client_port));
}

static struct endpoint server_end(void)
{
	return endpoint_make(be32_from(0xc6336401), be16_from(SERVER_PORT));
}

static bool blocked_go_on(struct play *p);

static void new_connection(struct play *p)
{
	p->client_port++;
	p->iss_known = p->tsval_known = false;
}

static bool play_in(struct play *p, const struct drill_event *e)
{
	const struct drill_segment *g = &e->segment;
	const struct drill_offsets offsets = { .sack = p->iss, .tsecr = p->tsval_offset };
	struct tcp_packet_spec spec = { .flags = g->flags, .window = g->win };
	uint8_t options[TCP_OPTIONS_MAX], payload[PIECE_MAX];
	struct packet *packet;

	if (!run_until(p, p->event_ns + e->after_ns, false))
		return false;
	if ((g->flags & TCP_SYN) && !p->active)
		new_connection(p);
	if (g->flags & TCP_SYN)
		p->drill_irs = g->seq;
	spec.src = client_end(p);
	spec.dst = server_end();
	spec.seq = p->options->remote_isn + g->seq - (g->flags & TCP_SYN ? g->seq : 0);
	spec.ack = g->flags & TCP_ACK ? p->iss + g->ack : 0;
	spec.options = options;
	spec.options_len = (size_t)drill_options_encode(g->options, &offsets, options);
	bytes_fill(payload, g->flags & TCP_SYN ? 0 : g->seq - 1, g->len);
	spec.payload = payload;
	spec.payload_len = g->len;
	packet = packet_make_tcp(p->pool, &spec);
	if (!packet)
		return differ(p, "no packet is left in the pool");
	tcp_stack_input(p->stack, packet, p->now_ns);
	packet_free(p->pool, packet);
	p->event_ns = p->now_ns;
	return blocked_go_on(p);
}

/* ---- comparing what was sent ---------------------------------------------------------------------- */

/* True if the endpoint is to differ here in this way. */
static bool leaves(const struct play *p, enum play_leave how)
{
	return p->options->leave == how && p->options->leave_event == p->at;
}

/* The endpoint's first numbers, seen for the first time. */
static void learn_from_syn_ack(struct play *p, const struct drill_segment *g, const struct sent *s)
{
	const struct packet *k = s->packet;
	struct tcp_options o;

	if (!p->iss_known) {
		p->iss = k->phv.seq;
		p->drill_iss = g->seq;
		p->iss_known = true;
	}
	tcp_options_parse(packet_tcp_options(k), k->phv.tcp_options_len, &o);
	if (!p->tsval_known && o.has_timestamps && g->parsed.has_timestamps) {
		p->tsval_offset = o.tsval - g->parsed.tsval;
		p->tsval_zero_ns = s->ns - g->parsed.tsval * NS_PER_MS;
		p->tsval_known = true;
	}
}

static void hex(const uint8_t *bytes, size_t len, char *out)
{
	out[0] = '\0';
	for (size_t i = 0; i < len; i++)
		snprintf(&out[2 * i], 3, "%02x", bytes[i]);
}

/* Byte for byte, with the script's order and padding; a TSval may be off by the tolerance. */
static bool options_match(struct play *p, const struct drill_segment *g, const struct packet *k)
{
	const struct drill_offsets offsets = {
		.sack = p->options->remote_isn,
		.tsval = p->tsval_offset,
	};
	uint8_t expected[TCP_OPTIONS_MAX], got[TCP_OPTIONS_MAX];
	char expected_hex[2 * TCP_OPTIONS_MAX + 1], got_hex[2 * TCP_OPTIONS_MAX + 1];
	struct tcp_options o, want;
	size_t len = k->phv.tcp_options_len;
	int expected_len;

	if (g->any_options)
		return true;
	expected_len = drill_options_encode(g->options, &offsets, expected);
	memcpy(got, packet_tcp_options(k), len);
	tcp_options_parse(got, len, &o);
	tcp_options_parse(expected, (size_t)expected_len, &want);
	if (o.has_timestamps && want.has_timestamps && o.timestamps_at == want.timestamps_at) {
		uint32_t later = o.tsval - want.tsval;

		if (later + TOLERANCE_NS / NS_PER_MS <= 2 * TOLERANCE_NS / NS_PER_MS)
			memcpy(&got[o.timestamps_at + 2], &expected[o.timestamps_at + 2], 4);
	}
	if (((size_t)expected_len == len && memcmp(expected, got, len) == 0) != leaves(p, PLAY_LEAVE_OPTIONS))
		return true;
	hex(expected, (size_t)expected_len, expected_hex);
	hex(got, len, got_hex);
	return differ(p, "options: expected <%s> = %s, got %s", g->options, expected_hex, got_hex);
}

/* Where what the application has written ends, as a number of the script. */
static uint32_t end_of_written(const struct play *p)
{
	uint64_t written = 0;

	for (unsigned i = 0; i < SOCKETS_MAX; i++)
		if (p->socket[i].used && p->socket[i].written > written)
			written = p->socket[i].written;
	return (uint32_t)written + 1;
}

/* `done` bytes of the expected segment were sent before this one. */
static bool sent_matches(struct play *p, const struct drill_segment *g, uint32_t done, const struct packet *k)
{
	bool syn = g->flags & TCP_SYN, last = done + k->phv.payload_len >= g->len;
	uint32_t seq = k->phv.seq - p->iss + (syn ? p->drill_iss : 0);
	uint32_t ack = k->phv.ack - p->options->remote_isn + (syn ? p->drill_irs : 0);
	uint32_t end = g->seq + done + k->phv.payload_len;
	uint8_t flags = k->phv.tcp_flags, expected = g->flags;

	if (!last)
		expected &= (uint8_t) ~(TCP_PSH | TCP_FIN);
	if (g->len > 0 && end != end_of_written(p)) {
		expected &= (uint8_t)~TCP_PSH;
		flags &= (uint8_t)~TCP_PSH;
	}
	if (seq != g->seq + done || k->phv.payload_len > g->len - done)
		return differ(p, "expected %u:%u, got %u:%u", g->seq + done, g->seq + g->len, seq,
			      seq + k->phv.payload_len);
	if (flags != expected)
		return differ(p, "flags of %u:%u: expected 0x%02x, got 0x%02x", seq, end, expected, flags);
	if ((flags & TCP_ACK) && ack != g->ack)
		return differ(p, "ACK field: expected %u, got %u", g->ack, ack);
	if (!(flags & TCP_ACK) && k->phv.ack != 0)
		return differ(p, "ACK field: expected 0 without the flag, got %u", k->phv.ack);
	if (g->has_win && k->phv.window != g->win)
		return differ(p, "window: expected %u, got %u", g->win, k->phv.window);
	if (!syn && !bytes_right(packet_payload(k), seq - 1, k->phv.payload_len))
		return differ(p, "%u:%u does not carry what was written", seq, end);
	return options_match(p, g, k);
}

static bool in_time(struct play *p, const struct drill_event *e, uint64_t sent_ns)
{
	uint64_t from = p->event_ns + e->after_ns - MIN(e->after_ns, TOLERANCE_NS);
	uint64_t until = p->event_ns + e->until_ns + TOLERANCE_NS;
	bool right = e->any_time || (sent_ns >= from && sent_ns <= until);

	if (right == !leaves(p, PLAY_LEAVE_TIME))
		return true;
	return differ(p, "expected after %.4f s, sent after %.4f s", (double)e->after_ns / 1e9,
		      ((double)sent_ns - (double)p->event_ns) / 1e9);
}

static void sent_drop(struct play *p)
{
	packet_free(p->pool, p->sent[p->sent_head++].packet);
}

/* The segments that make up the expected one. */
static bool play_segments(struct play *p, const struct drill_event *e, uint64_t until)
{
	const struct drill_segment *g = &e->segment;
	uint32_t done = 0;

	do {
		struct sent *s = &p->sent[p->sent_head];
		uint64_t sent_ns;

		if (!run_until(p, until, true))
			return false;
		if (p->sent_head == p->sent_tail)
			return differ(p, "expected %u:%u, got nothing within its time", g->seq + done, g->seq + g->len);
		sent_ns = s->ns;
		if (done == 0 && !in_time(p, e, sent_ns))
			return false;
		if (done == 0 && (g->flags & TCP_SYN))
			learn_from_syn_ack(p, g, s);
		if (!sent_matches(p, g, done, s->packet))
			return false;
		if (s->packet->phv.payload_len == 0 && done < g->len)
			return differ(p, "expected data %u:%u, got an empty segment", g->seq + done, g->seq + g->len);
		done += s->packet->phv.payload_len;
		sent_drop(p);
		p->event_ns = sent_ns;
	} while (done < g->len);
	return true;
}

static bool play_out(struct play *p, const struct drill_event *e)
{
	uint64_t until = p->event_ns + (e->any_time ? ANY_TIME_NS : e->until_ns + TOLERANCE_NS);

	if (leaves(p, PLAY_LEAVE_MISSING)) {
		if (!run_until(p, until, true))
			return false;
		p->event_ns += e->after_ns;
		return p->sent_head == p->sent_tail || differ(p, "a segment that is not expected to come");
	}
	if (leaves(p, PLAY_LEAVE_EXTRA) && run_until(p, until, true) && p->sent_head < p->sent_tail)
		sent_drop(p);
	return play_segments(p, e, until);
}

/* ---- calls ---------------------------------------------------------------------------------------- */

enum call_result {
	CALL_DONE,
	CALL_BLOCKED,
	CALL_WRONG, /* told by differ() */
};

static struct socket_model *socket_of(struct play *p, int fd)
{
	for (unsigned i = 0; i < SOCKETS_MAX; i++)
		if (p->socket[i].used && p->socket[i].taken && p->socket[i].fd == fd)
			return &p->socket[i];
	return NULL;
}

static struct socket_model *socket_new(struct play *p)
{
	for (unsigned i = 0; i < SOCKETS_MAX; i++)
		if (!p->socket[i].used) {
			p->socket[i] = (struct socket_model){ .used = true };
			return &p->socket[i];
		}
	differ(p, "more than %d sockets", SOCKETS_MAX);
	return NULL;
}

static enum call_result returned(struct play *p, const struct drill_call *c, long ret)
{
	if (ret == c->ret)
		return CALL_DONE;
	differ(p, "%s(%s): expected %ld, got %ld", c->name, c->args, c->ret, ret);
	return CALL_WRONG;
}

static enum call_result call_nothing(struct play *p, const struct drill_call *c)
{
	(void)p;
	(void)c;
	return CALL_DONE;
}

static enum call_result call_socket(struct play *p, const struct drill_call *c)
{
	struct socket_model *m = socket_new(p);

	if (!m)
		return CALL_WRONG;
	m->fd = (int)c->ret;
	m->taken = true;
	return CALL_DONE;
}

static enum call_result call_listen(struct play *p, const struct drill_call *c)
{
	struct socket_model *m = socket_of(p, c->fd);

	if (!m)
		return returned(p, c, -1);
	m->listening = true;
	return returned(p, c, tcp_listen(p->stack, server_end(), true) ? 0 : -1);
}

static enum call_result call_accept(struct play *p, const struct drill_call *c)
{
	const struct socket_model *listener = socket_of(p, c->fd);

	for (unsigned i = 0; i < SOCKETS_MAX; i++) {
		struct socket_model *m = &p->socket[i], *old = socket_of(p, (int)c->ret);

		if (!m->used || m->taken)
			continue;
		/* Scripts may use a number again without a close(). */
		if (old)
			old->fd = -1;
		m->taken = true;
		m->fd = (int)c->ret;
		return c->ret >= 0 ? CALL_DONE : returned(p, c, 0);
	}
	return listener && listener->nonblocking ? returned(p, c, -1) : CALL_BLOCKED;
}

static enum call_result call_connect(struct play *p, const struct drill_call *c)
{
	struct socket_model *m = socket_of(p, c->fd);

	if (!m)
		return returned(p, c, -1);
	if (!m->c && !m->reset) {
		p->active = true;
		new_connection(p);
		m->c = tcp_connect(p->stack, server_end(), client_end(p), NULL, p->now_ns);
	}
	if (m->reset || m->connected || !m->c)
		return returned(p, c, m->connected ? 0 : -1);
	return m->nonblocking ? returned(p, c, -1) : CALL_BLOCKED;
}

static enum call_result call_read(struct play *p, const struct drill_call *c)
{
	struct socket_model *m = socket_of(p, c->fd);
	const uint8_t *data;
	uint32_t n;
	long total = 0;

	if (!m)
		return returned(p, c, -1);
	while (m->c && total < c->len && (n = tcp_peek(m->c, &data)) > 0) {
		n = MIN(n, (uint32_t)(c->len - total));
		if (!bytes_right(data, m->read, n)) {
			differ(p, "read() gave bytes that were not sent");
			return CALL_WRONG;
		}
		m->read += n;
		total += n;
		tcp_consume(m->c, n, p->now_ns);
	}
	if (total > 0)
		return returned(p, c, total);
	if (m->reset)
		return returned(p, c, -1);
	if (m->eof || m->shut_read || !m->c)
		return returned(p, c, 0);
	return m->nonblocking ? returned(p, c, -1) : CALL_BLOCKED;
}

static enum call_result call_write(struct play *p, const struct drill_call *c)
{
	struct socket_model *m = socket_of(p, c->fd);
	uint8_t bytes[PIECE_MAX];
	uint32_t want = (uint32_t)c->len - p->call_progress, took;

	if (!m || !m->c || m->shut_write)
		return returned(p, c, -1);
	if (want > sizeof(bytes)) {
		differ(p, "a write of %u bytes", want);
		return CALL_WRONG;
	}
	bytes_fill(bytes, m->written, want);
	took = tcp_write(m->c, bytes, want, false, p->now_ns);
	m->written += took;
	if (m->nonblocking)
		return returned(p, c, (long)took);
	p->call_progress += took;
	return p->call_progress < c->len ? CALL_BLOCKED : returned(p, c, (long)p->call_progress);
}

static enum call_result call_shutdown(struct play *p, const struct drill_call *c)
{
	struct socket_model *m = socket_of(p, c->fd);
	bool both = strstr(c->args, "SHUT_RDWR") != NULL;

	if (!m || !m->c)
		return returned(p, c, -1);
	m->shut_read |= both || !strstr(c->args, "SHUT_WR");
	if (both || strstr(c->args, "SHUT_WR")) {
		m->shut_write = true;
		tcp_shutdown(m->c, p->now_ns);
	}
	return returned(p, c, 0);
}

static enum call_result call_close(struct play *p, const struct drill_call *c)
{
	struct socket_model *m = socket_of(p, c->fd);

	if (!m)
		return returned(p, c, -1);
	if (m->c)
		tcp_close(m->c, p->now_ns);
	if (m->listening)
		tcp_listen(p->stack, server_end(), false);
	*m = (struct socket_model){ .used = false };
	return returned(p, c, 0);
}

static enum call_result call_getsockopt(struct play *p, const struct drill_call *c)
{
	const struct socket_model *m = socket_of(p, c->fd);
	struct tcp_info info;

	if (!strstr(c->args, "TCP_MAXSEG") || !m || !m->c)
		return CALL_DONE;
	tcp_info(m->c, &info);
	if (info.mss == c->set)
		return CALL_DONE;
	differ(p, "TCP_MAXSEG: expected %ld, got %u", c->set, info.mss);
	return CALL_WRONG;
}

static enum call_result call_fcntl(struct play *p, const struct drill_call *c)
{
	struct socket_model *m = socket_of(p, c->fd);

	if (m)
		m->nonblocking = strstr(c->args, "O_NONBLOCK") != NULL;
	return CALL_DONE;
}

static enum call_result call_run(struct play *p, const struct drill_call *c)
{
	static const struct {
		const char *name;
		enum call_result (*run)(struct play *p, const struct drill_call *c);
	} calls[] = {
		{ "socket", call_socket },
		{ "setsockopt", call_nothing }, /* settings_derive() has seen to it */
		{ "bind", call_nothing },
		{ "listen", call_listen },
		{ "accept", call_accept },
		{ "connect", call_connect },
		{ "read", call_read },
		{ "recv", call_read },
		{ "write", call_write },
		{ "send", call_write },
		{ "shutdown", call_shutdown },
		{ "close", call_close },
		{ "getsockopt", call_getsockopt },
		{ "fcntl", call_fcntl },
	};

	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		if (strcmp(calls[i].name, c->name) == 0)
			return calls[i].run(p, c);
	differ(p, "no such call: %s", c->name);
	return CALL_WRONG;
}

static bool blocked_go_on(struct play *p)
{
	enum call_result result;

	if (!p->blocked)
		return true;
	result = call_run(p, p->blocked);
	if (result != CALL_BLOCKED)
		p->blocked = NULL;
	return result != CALL_WRONG;
}

/* Times of calls are not in the list; where the next expected segment shows a TSval, that tells. */
static uint64_t call_time(const struct play *p)
{
	const struct drill *s = p->script;
	unsigned out = drill_find(s, SCRIPT_OUT, p->at), in = drill_find(s, SCRIPT_IN, p->at);
	const struct drill_segment *g = &s->event[out].segment;

	if (!p->tsval_known || out >= in || out == s->count || !g->parsed.has_timestamps)
		return p->event_ns;
	return MAX(p->event_ns, p->tsval_zero_ns + g->parsed.tsval * NS_PER_MS);
}

static bool play_call(struct play *p, const struct drill_event *e)
{
	enum call_result result;

	if (p->blocked)
		return differ(p, "%s() while %s() blocks", e->call.name, p->blocked->name);
	if (!run_until(p, MAX(call_time(p), p->event_ns + e->after_ns), false))
		return false;
	p->event_ns = p->now_ns;
	p->call_progress = 0;
	result = call_run(p, &e->call);
	if (result == CALL_BLOCKED)
		p->blocked = &e->call;
	return result != CALL_WRONG;
}

/* ---- the whole ------------------------------------------------------------------------------------ */

static void on_event(void *ctx, struct tcp *c, enum tcp_event e, uint64_t now_ns)
{
	struct play *p = ctx;
	struct socket_model *m = NULL;

	(void)now_ns;
	if (e == TCP_EVENT_ACCEPTED) {
		m = socket_new(p);
		if (m)
			m->c = c;
		return;
	}
	for (unsigned i = 0; i < SOCKETS_MAX && !m; i++)
		if (p->socket[i].used && p->socket[i].c == c)
			m = &p->socket[i];
	if (!m)
		return;
	m->connected |= e == TCP_EVENT_CONNECTED;
	if (e == TCP_EVENT_PEER_CLOSED)
		m->eof = true;
	if (e == TCP_EVENT_RESET || e == TCP_EVENT_TIMED_OUT)
		m->reset = true;
	if (m->reset || e == TCP_EVENT_ENDED)
		m->c = NULL;
}

static bool play_event(struct play *p, const struct drill_event *e)
{
	static bool (*const plays[])(struct play * p, const struct drill_event *e) = {
		[SCRIPT_IN] = play_in,
		[SCRIPT_OUT] = play_out,
		[SCRIPT_CALL] = play_call,
	};

	return plays[e->kind](p, e);
}

void drill_play(const struct drill *s, const struct play_options *o, struct play_result *result)
{
	struct play p = {
		.script = s,
		.options = o,
		.now_ns = START_NS,
		.event_ns = START_NS,
		.client_port = CLIENT_PORT,
		.result = result,
	};
	struct tcp_stack_options options = {
		.connections_max = 16, .seed = o->seed, .send = on_send, .event = on_event
	};

	*result = (struct play_result){ .as_written = true };
	settings_derive(&p);
	p.pool = packet_pool_create(2 * SENT_MAX, 16);
	options.pool = p.pool;
	options.settings = p.settings;
	options.ctx = &p;
	p.stack = p.pool ? tcp_stack_create(&options) : NULL;
	if (!p.stack)
		differ(&p, "memory is short");
	for (p.at = 0; p.at < s->count && result->as_written; p.at++)
		play_event(&p, &s->event[p.at]);
	if (p.blocked)
		differ(&p, "%s(%s) never returned", p.blocked->name, p.blocked->args);
	while (p.sent_head < p.sent_tail)
		sent_drop(&p);
	tcp_stack_free(p.stack);
	if (p.pool && packet_pool_used(p.pool) > 0)
		differ(&p, "%u packets have leaked", packet_pool_used(p.pool));
	packet_pool_free(p.pool);
}
