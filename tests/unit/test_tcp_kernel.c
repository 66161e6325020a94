/* SPDX-License-Identifier: BSD-2-Clause */
/* test_tcp_kernel.c: the TCP endpoints against the kernel's TCP, over a TUN device in a namespace of each test's own.
 *
 * What both ends receive is compared byte for byte; the counters of both ends must show no checksum that was wrong but
 * where a bit was flipped, and no RST that was not meant. Faults are drawn from a seed. Time is real here, and only
 * here: what the endpoints do in which order may differ between two runs, what must come of it does not.
 *
 * Where there is no privilege or no TUN device, the tests pass, and the first says why. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "miresga/tcp_options.h"
#include "tcp_kernel_rig.h"

Suite *tcp_kernel_suite(void);

#define MB 1000000u
#define PORT 4000
#define LIMIT_MS 20000 /* only what fails takes that long */

/* ---- conditions ----------------------------------------------------------------------------------- */

static bool never(const struct rig *r)
{
	(void)r;
	return false;
}

static bool connected(const struct rig *r)
{
	return r->ours.connected && r->theirs.connected;
}

static bool transferred(const struct rig *r)
{
	return r->ours.received == r->theirs.to_send && r->theirs.received == r->ours.to_send;
}

static bool half(const struct rig *r)
{
	return r->ours.eof || r->theirs.eof;
}

static bool ended(const struct rig *r)
{
	return r->ended && r->theirs.eof;
}

static bool reset(const struct rig *r)
{
	return r->reset;
}

static bool timed_out(const struct rig *r)
{
	return r->timed_out;
}

static bool failed(const struct rig *r)
{
	return r->error != 0;
}

/* The kernel has acknowledged everything; a late ACK would draw a RST of its own. */
static bool settled(const struct rig *r)
{
	struct tcp_info info;

	tcp_info(r->c, &info);
	return info.unacked == 0 && r->waiting_count == 0;
}

static bool nothing_left(const struct rig *r)
{
	return tcp_stack_leftovers(r->stack) == 0;
}

static bool quiet(const struct rig *r)
{
	return r->waiting_count == 0;
}

/* ---- the course of a connection ------------------------------------------------------------------- */

/* False: skipped. */
static bool start(struct rig *r, const struct tcp_settings *settings)
{
	struct tcp_settings s;
	char why[256];

	tcp_settings_default(&s);
	return rig_open(r, settings ? settings : &s, 1, why);
}

static void establish(struct rig *r, bool we_connect)
{
	if (we_connect) {
		if (r->listener < 0)
			rig_kernel_listen(r);
		r->c = tcp_connect(r->stack, rig_stack_end(PORT), rig_kernel_end(RIG_PORT), NULL, rig_now());
		ck_assert_ptr_nonnull(r->c);
	} else {
		tcp_listen(r->stack, rig_stack_end(RIG_PORT), true);
		rig_kernel_connect(r, PORT);
	}
	ck_assert_msg(rig_run(r, connected, LIMIT_MS), "no connection: ours %d, the kernel's %d (errno %d)",
		      r->ours.connected, r->theirs.connected, r->error);
}

/* Both send `bytes` more, at once. */
static void transfer(struct rig *r, uint64_t bytes)
{
	r->ours.to_send += bytes;
	r->theirs.to_send += bytes;
	ck_assert_msg(rig_run(r, transferred, LIMIT_MS), "we have %lu of %lu bytes, the kernel %lu of %lu",
		      r->ours.received, r->theirs.to_send, r->theirs.received, r->ours.to_send);
	ck_assert(!r->ours.wrong && !r->theirs.wrong);
}

/* Our end closes first, or the kernel's. */
static void finish(struct rig *r, bool we_first)
{
	struct rig_party *first = we_first ? &r->ours : &r->theirs, *second = we_first ? &r->theirs : &r->ours;

	for (unsigned i = 0; i < ARRAY_LEN(r->wire); i++)
		r->wire[i].loss = r->wire[i].duplication = r->wire[i].reordering = r->wire[i].corruption = 0;
	/* What comes late after the end would draw a RST. */
	ck_assert(rig_run(r, quiet, LIMIT_MS));
	first->shut_when_sent = true;
	rig_run(r, never, 5);
	second->shut_when_sent = true;
	ck_assert_msg(rig_run(r, ended, LIMIT_MS), "no end: ours %d, the kernel's %d (errno %d)", r->ended,
		      r->theirs.eof, r->error);
}

/* What must be so at the end of every test. */
static void audit(struct rig *r, uint64_t resets_of_kernel, uint64_t resets_of_ours)
{
	const struct tcp_stats *s = tcp_stack_stats(r->stack);

	ck_assert_uint_eq(kernel_side_counter("Tcp", "InCsumErrors"), r->wire[RIG_TO_KERNEL].corrupted);
	ck_assert_uint_eq(s->bad_checksums, r->wire[RIG_TO_STACK].corrupted);
	ck_assert_uint_eq(kernel_side_counter("Tcp", "OutRsts"), resets_of_kernel);
	ck_assert_uint_eq(s->resets_out, resets_of_ours);
	ck_assert(!r->ours.wrong && !r->theirs.wrong);
	ck_assert_uint_gt(r->wire[RIG_TO_KERNEL].passed, 0);
	rig_close(r);
}

START_TEST(where_it_runs)
{
	struct tcp_settings settings;
	struct rig r;
	char why[256];

	tcp_settings_default(&settings);
	if (!rig_open(&r, &settings, 1, why))
		printf("skipped: TCP against the kernel: %s\n", why);
	else
		rig_close(&r);
}
END_TEST

/* ---- bulk ----------------------------------------------------------------------------------------- */

enum option_side {
	BOTH,
	NOT_OURS,
	NOT_THEIRS
};

static const struct bulk {
	const char *name;
	uint32_t bytes;
	bool we_connect;
	uint16_t loss, duplication, reordering; /* per mille */
	uint8_t sack, timestamps, scale;	/* enum option_side: who lacks it */
	uint16_t mss;				/* 0: 1460 */
	uint32_t buffer;			/* of ours; 0: as it comes */
	uint16_t corruption;			/* per mille */
	const char *theirs;			/* the kernel's buffers, or NULL */
} bulks[] = {
	{ "clean, we connect", 10 * MB, true, .sack = BOTH },
	{ "clean, the kernel connects", 10 * MB, false, .sack = BOTH },
	{ "faults, we connect", 10 * MB, true, 10, 10, 20, .sack = BOTH },
	{ "faults, the kernel connects", 10 * MB, false, 10, 10, 20, .sack = BOTH },
	{ "heavy faults", 2 * MB, true, 30, 50, 100, .sack = BOTH },
	{ "the kernel refuses SACK", 3 * MB, true, 5, 10, 20, .sack = NOT_THEIRS },
	{ "we refuse SACK", 3 * MB, false, 5, 10, 20, .sack = NOT_OURS },
	{ "the kernel refuses timestamps", 3 * MB, true, 10, 10, 20, .timestamps = NOT_THEIRS },
	{ "we refuse timestamps", 3 * MB, false, 10, 10, 20, .timestamps = NOT_OURS },
	{ "the kernel refuses scaling", 3 * MB, true, .scale = NOT_THEIRS },
	{ "we refuse scaling", 3 * MB, false, .scale = NOT_OURS },
	{ "no option at all", 2 * MB, true, 5, 5, 5, .sack = NOT_THEIRS, .timestamps = NOT_THEIRS,
	  .scale = NOT_THEIRS },
	{ "MSS 536", 4 * MB, true, 2, 2, 2, .mss = 536 },
	{ "MSS 88", MB / 2, false, .mss = 88 },
	{ "a large buffer", 10 * MB, false, .buffer = 4 * MB },
	{ "bits flip", 3 * MB, true, .corruption = 10 },
	{ "small buffers", MB / 10, true, .buffer = 4096, .theirs = "4096 4096 8192" },
};

static struct tcp_settings bulk_settings(const struct bulk *b)
{
	struct tcp_settings s;

	tcp_settings_default(&s);
	s.sack = b->sack != NOT_OURS;
	s.timestamps = b->timestamps != NOT_OURS;
	s.mss = b->mss ? b->mss : 1460;
	if (b->buffer)
		s.receive_buffer = s.send_buffer = b->buffer;
	if (b->buffer > 2 * MB)
		s.wscale = 14;
	if (b->scale == NOT_OURS)
		s.wscale = TCP_WSCALE_NONE;
	return s;
}

static void bulk_kernel(const struct bulk *b)
{
	ck_assert(b->sack != NOT_THEIRS || kernel_side_sysctl("tcp_sack", "0"));
	ck_assert(b->timestamps != NOT_THEIRS || kernel_side_sysctl("tcp_timestamps", "0"));
	ck_assert(b->scale != NOT_THEIRS || kernel_side_sysctl("tcp_window_scaling", "0"));
	ck_assert(!b->theirs ||
		  (kernel_side_sysctl("tcp_rmem", b->theirs) && kernel_side_sysctl("tcp_wmem", b->theirs)));
}

START_TEST(bulk)
{
	const struct bulk *b = &bulks[_i];
	struct tcp_settings s = bulk_settings(b);
	struct tcp_info info;
	struct rig r;

	if (!start(&r, &s))
		return;
	bulk_kernel(b);
	establish(&r, b->we_connect);
	tcp_info(r.c, &info);
	ck_assert_int_eq(info.sack, b->sack == BOTH);
	ck_assert_int_eq(info.timestamps, b->timestamps == BOTH);
	ck_assert_int_eq(info.snd_wscale != 0, b->scale == BOTH);
	ck_assert_uint_eq(info.mss, s.mss - (info.timestamps ? 12 : 0));
	for (unsigned i = 0; i < ARRAY_LEN(r.wire); i++) {
		r.wire[i].loss = b->loss;
		r.wire[i].duplication = b->duplication;
		r.wire[i].reordering = b->reordering;
		r.wire[i].corruption = b->corruption;
	}
	transfer(&r, b->bytes);
	finish(&r, _i % 2);
	if (b->loss || b->corruption)
		ck_assert_uint_gt(tcp_stack_stats(r.stack)->retransmitted, 0);
	else
		ck_assert_uint_eq(tcp_stack_stats(r.stack)->timeouts, 0);
	audit(&r, 0, 0);
}
END_TEST

/* ---- ends ----------------------------------------------------------------------------------------- */

START_TEST(half_closed)
{
	bool we_first = _i & 1;
	struct rig r;
	struct rig_party *first = we_first ? &r.ours : &r.theirs, *second = we_first ? &r.theirs : &r.ours;

	if (!start(&r, NULL))
		return;
	establish(&r, _i & 2);
	first->to_send = 10000;
	first->shut_when_sent = true;
	ck_assert(rig_run(&r, half, LIMIT_MS));
	ck_assert(second->eof && !first->eof && transferred(&r));
	second->to_send = MB;
	ck_assert(rig_run(&r, transferred, LIMIT_MS));
	ck_assert(!r.ended);
	finish(&r, we_first);
	ck_assert_uint_eq(tcp_stack_leftovers(r.stack), we_first);
	audit(&r, 0, 0);
}
END_TEST

/* Both FINs are on their way before either end sees the other's: RFC 9293 §3.6, case 3. */
START_TEST(closed_simultaneously)
{
	struct rig r;

	if (!start(&r, NULL))
		return;
	establish(&r, _i);
	transfer(&r, 5000);
	ck_assert(rig_run(&r, quiet, LIMIT_MS));
	r.wire[RIG_TO_KERNEL].held = r.wire[RIG_TO_STACK].held = true;
	r.ours.shut_when_sent = r.theirs.shut_when_sent = true;
	rig_run(&r, never, 5);
	r.wire[RIG_TO_STACK].held = false;
	rig_run(&r, never, 5);
	ck_assert_msg(r.states & 1u << TCP_CLOSING, "states seen: 0x%x", r.states);
	r.wire[RIG_TO_KERNEL].held = false;
	ck_assert(rig_run(&r, ended, LIMIT_MS));
	ck_assert_uint_eq(tcp_stack_leftovers(r.stack), 1);
	audit(&r, 0, 0);
}
END_TEST

/* Both SYNs are on their way: RFC 9293 §3.5, figure 7. */
START_TEST(opened_simultaneously)
{
	struct rig r;

	if (!start(&r, NULL))
		return;
	r.wire[RIG_TO_KERNEL].held = r.wire[RIG_TO_STACK].held = true;
	rig_kernel_connect(&r, PORT);
	r.c = tcp_connect(r.stack, rig_stack_end(RIG_PORT), rig_kernel_end(PORT), NULL, rig_now());
	ck_assert_ptr_nonnull(r.c);
	rig_run(&r, never, 5);
	r.wire[RIG_TO_KERNEL].held = r.wire[RIG_TO_STACK].held = false;
	ck_assert(rig_run(&r, connected, LIMIT_MS));
	transfer(&r, MB);
	finish(&r, true);
	audit(&r, 0, 0);
}
END_TEST

static void kernel_resets(struct rig *r)
{
	kernel_linger_none(r->fd);
	close(r->fd);
	r->fd = -1;
	ck_assert(rig_run(r, reset, LIMIT_MS));
	audit(r, 1, 0);
}

static void kernel_closes_with_unread_bytes(struct rig *r)
{
	r->theirs.paused = true;
	r->ours.to_send += 5000;
	rig_run(r, never, 20);
	close(r->fd);
	r->fd = -1;
	ck_assert(rig_run(r, reset, LIMIT_MS));
	audit(r, 1, 0);
}

static void we_abort(struct rig *r)
{
	tcp_abort(r->c, rig_now());
	r->c = NULL;
	ck_assert(rig_run(r, failed, LIMIT_MS));
	ck_assert_int_eq(r->error, ECONNRESET);
	ck_assert_uint_eq(tcp_stack_leftovers(r->stack), 0);
	audit(r, 0, 1);
}

static void we_close_with_unread_bytes(struct rig *r)
{
	r->ours.paused = true;
	r->theirs.to_send += 5000;
	rig_run(r, never, 20);
	tcp_close(r->c, rig_now());
	r->c = NULL;
	ck_assert(rig_run(r, failed, LIMIT_MS));
	ck_assert_int_eq(r->error, ECONNRESET);
	ck_assert_uint_eq(tcp_stack_leftovers(r->stack), 0);
	audit(r, 0, 1);
}

/* RFC 9293 §3.6.1: what comes after close() has nobody to go to. */
static void kernel_sends_after_our_close(struct rig *r)
{
	tcp_close(r->c, rig_now());
	r->c = NULL;
	rig_run(r, never, 5);
	ck_assert(r->theirs.eof);
	r->theirs.to_send += 1000;
	rig_run(r, never, 5);
	r->theirs.to_send += 1000; /* now it knows */
	ck_assert(rig_run(r, failed, LIMIT_MS));
	ck_assert(r->error == ECONNRESET || r->error == EPIPE);
	/* One for each time that the kernel sends it, which it does again if this process sleeps meanwhile. */
	ck_assert_uint_ge(tcp_stack_stats(r->stack)->resets_out, 1);
	audit(r, 0, tcp_stack_stats(r->stack)->resets_out);
}

/* FIN-WAIT-2 of a connection that nobody holds any more does not last. */
static void kernel_never_closes(struct rig *r)
{
	tcp_close(r->c, rig_now());
	r->c = NULL;
	ck_assert_uint_eq(tcp_stack_leftovers(r->stack), 1);
	ck_assert(rig_run(r, nothing_left, LIMIT_MS));
	ck_assert(r->theirs.eof);
	audit(r, 0, 0);
}

static void nothing_gets_through(struct rig *r)
{
	r->wire[RIG_TO_KERNEL].cut = r->wire[RIG_TO_STACK].cut = true;
	r->ours.to_send += 1000;
	ck_assert(rig_run(r, timed_out, LIMIT_MS));
	ck_assert_uint_eq(tcp_stack_leftovers(r->stack), 0);
	audit(r, 0, 0);
}

START_TEST(ends_hard)
{
	static void (*const ends[])(struct rig * r) = {
		kernel_resets,
		kernel_closes_with_unread_bytes,
		we_abort,
		we_close_with_unread_bytes,
		kernel_sends_after_our_close,
		kernel_never_closes,
		nothing_gets_through,
	};
	struct tcp_settings settings;
	struct rig r;

	tcp_settings_default(&settings);
	settings.fin_wait_ns = 100 * NS_PER_MS;
	settings.rto_min_ns = 10 * NS_PER_MS;
	settings.retries = 3;
	if (!start(&r, &settings))
		return;
	establish(&r, _i & 1);
	transfer(&r, 5000);
	ck_assert(rig_run(&r, settled, LIMIT_MS));
	ck_assert_uint_lt((size_t)_i / 2, ARRAY_LEN(ends));
	ends[_i / 2](&r);
}
END_TEST
#define ENDS 7

START_TEST(nobody_listens)
{
	struct rig r;

	if (!start(&r, NULL))
		return;
	r.c = tcp_connect(r.stack, rig_stack_end(PORT), rig_kernel_end(RIG_PORT), NULL, rig_now());
	ck_assert(rig_run(&r, reset, LIMIT_MS));
	rig_forget(&r);
	rig_kernel_connect(&r, PORT);
	ck_assert(rig_run(&r, failed, LIMIT_MS));
	ck_assert_int_eq(r.error, ECONNREFUSED);
	ck_assert_uint_eq(tcp_stack_leftovers(r.stack), 0);
	audit(&r, 1, 1);
}
END_TEST

START_TEST(syn_is_lost)
{
	struct tcp_settings settings;
	struct rig r;

	tcp_settings_default(&settings);
	settings.rto_initial_ns = 30 * NS_PER_MS;
	if (!start(&r, &settings))
		return;
	/* The SYN the first time, the SYN-ACK the second. */
	r.wire[_i ? RIG_TO_STACK : RIG_TO_KERNEL].cut = true;
	rig_kernel_listen(&r);
	r.c = tcp_connect(r.stack, rig_stack_end(PORT), rig_kernel_end(RIG_PORT), NULL, rig_now());
	rig_run(&r, never, 10);
	r.wire[RIG_TO_KERNEL].cut = r.wire[RIG_TO_STACK].cut = false;
	ck_assert(rig_run(&r, connected, LIMIT_MS));
	transfer(&r, MB / 10);
	finish(&r, true);
	audit(&r, 0, 0);
}
END_TEST

/* ---- windows and probes --------------------------------------------------------------------------- */

static bool we_probe(const struct rig *r)
{
	return tcp_stack_stats(r->stack)->probes >= 3;
}

static bool kernel_probes(const struct rig *r)
{
	(void)r;
	return kernel_side_counter("TcpExt", "TCPWinProbe") >= 1;
}

/* RFC 9293 §3.8.6.1 */
START_TEST(window_closes)
{
	bool ours = _i & 1;
	struct tcp_settings settings;
	struct tcp_info info;
	struct rig r;
	struct rig_party *reader = ours ? &r.ours : &r.theirs, *writer = ours ? &r.theirs : &r.ours;

	tcp_settings_default(&settings);
	settings.rto_min_ns = 20 * NS_PER_MS;
	if (!start(&r, &settings))
		return;
	ck_assert(kernel_side_sysctl("tcp_rmem", "4096 65536 131072"));
	establish(&r, _i & 2);
	reader->paused = true;
	writer->to_send = 3 * MB;
	ck_assert(rig_run(&r, ours ? kernel_probes : we_probe, LIMIT_MS));
	tcp_info(r.c, &info);
	ck_assert_uint_eq(ours ? info.rcv_wnd : info.snd_wnd, 0);
	ck_assert_uint_lt(writer->sent, writer->to_send);
	reader->paused = false;
	ck_assert(rig_run(&r, transferred, LIMIT_MS));
	finish(&r, true);
	audit(&r, 0, 0);
}
END_TEST

static bool we_keep_alive(const struct rig *r)
{
	return tcp_stack_stats(r->stack)->keepalives >= 4;
}

static bool kernel_keeps_alive(const struct rig *r)
{
	(void)r;
	return kernel_side_counter("TcpExt", "TCPKeepAlive") >= 1;
}

START_TEST(we_ask_whether_it_is_alive)
{
	struct tcp_settings settings;
	struct rig r;

	tcp_settings_default(&settings);
	settings.keepalive_ns = settings.keepalive_interval_ns = 30 * NS_PER_MS;
	settings.keepalive_probes = 3;
	if (!start(&r, &settings))
		return;
	establish(&r, _i);
	ck_assert(rig_run(&r, we_keep_alive, LIMIT_MS));
	transfer(&r, 5000);
	ck_assert(!r.timed_out);
	r.wire[RIG_TO_STACK].cut = true;
	ck_assert(rig_run(&r, timed_out, LIMIT_MS));
	audit(&r, 0, 1); /* as Linux: the peer may be there, but cut off */
}
END_TEST

START_TEST(kernel_asks_whether_we_are_alive)
{
	struct rig r;

	if (!start(&r, NULL))
		return;
	establish(&r, true);
	kernel_keepalive(r.fd, 1, 1);
	ck_assert(rig_run(&r, kernel_keeps_alive, LIMIT_MS));
	rig_run(&r, never, 5);
	ck_assert_int_eq(kernel_unanswered(r.fd), 0);
	transfer(&r, 5000);
	finish(&r, true);
	audit(&r, 0, 0);
}
END_TEST

/* ---- RFC 5961: blind attacks ---------------------------------------------------------------------- */

static const struct blind {
	const char *name;
	uint8_t flags;
	int32_t seq_off, ack_off; /* from what the victim expects */
	uint32_t payload;
} blinds[] = {
	{ "RST in the window (§3.2)", TCP_RST, 100, 0, 0 },
	{ "SYN in the window (§4.2)", TCP_SYN, 100, 0, 0 },
	{ "SYN far away (§4.2)", TCP_SYN, 0x40000000, 0, 0 },
	{ "data that acknowledges what was not sent (§5.2)", TCP_ACK, 0, 0x10000000, 100 },
	{ "data that acknowledges the distant past (§5.2)", TCP_ACK, 0, -0x70000000, 100 },
};

START_TEST(blind_attack)
{
	const struct blind *b = &blinds[_i / 2];
	bool to_us = _i % 2;
	static const uint8_t junk[100];
	struct tcp_packet_spec spec = { .flags = b->flags, .window = 1000, .payload = junk, .payload_len = b->payload };
	uint64_t ours, theirs;
	struct tcp_info info;
	struct rig r;

	if (!start(&r, NULL))
		return;
	establish(&r, _i & 2);
	transfer(&r, 5000);
	ck_assert(rig_run(&r, settled, LIMIT_MS));
	tcp_info(r.c, &info);
	spec.src = to_us ? info.remote : info.local;
	spec.dst = to_us ? info.local : info.remote;
	spec.seq = (to_us ? info.rcv_nxt : info.snd_nxt) + (uint32_t)b->seq_off;
	spec.ack = b->flags & TCP_ACK ? (to_us ? info.snd_nxt : info.rcv_nxt) + (uint32_t)b->ack_off : 0;
	ours = tcp_stack_stats(r.stack)->challenge_acks;
	theirs = kernel_side_counter("TcpExt", "TCPChallengeACK");
	rig_inject(&r, to_us ? RIG_TO_STACK : RIG_TO_KERNEL, &spec);
	rig_run(&r, never, 5);
	if (to_us)
		ck_assert_msg(tcp_stack_stats(r.stack)->challenge_acks == ours + 1, "%s", b->name);
	else
		ck_assert_msg(kernel_side_counter("TcpExt", "TCPChallengeACK") == theirs + 1, "%s", b->name);
	ck_assert(!r.reset && r.error == 0);
	transfer(&r, 5000);
	finish(&r, true);
	audit(&r, 0, 0);
}
END_TEST

/* RFC 7323 §5: an old duplicate in the window. */
START_TEST(segment_is_from_the_past)
{
	uint8_t options[12] = { 1, 1, TCPOPT_TIMESTAMPS, 10 };
	struct tcp_packet_spec spec = { .flags = TCP_ACK, .window = 1000, .payload = "junk", .payload_len = 4 };
	struct tcp_info info;
	struct rig r;

	if (!start(&r, NULL))
		return;
	establish(&r, false);
	transfer(&r, 5000);
	ck_assert(rig_run(&r, settled, LIMIT_MS));
	tcp_info(r.c, &info);
	spec.src = info.remote;
	spec.dst = info.local;
	spec.seq = info.rcv_nxt;
	spec.ack = info.snd_nxt;
	store_be32(&options[4], r.tsval - 10000);
	spec.options = options;
	spec.options_len = sizeof(options);
	rig_inject(&r, RIG_TO_STACK, &spec);
	rig_run(&r, never, 5);
	ck_assert_uint_eq(tcp_stack_stats(r.stack)->paws_dropped, 1);
	transfer(&r, 5000);
	finish(&r, true);
	audit(&r, 0, 0);
}
END_TEST

/* ---- path MTU, TIME-WAIT -------------------------------------------------------------------------- */

#define PATH_MTU 1000u

/* RFC 1191, RFC 5927: a router in the middle of the connection takes only smaller packets from now on. */
START_TEST(path_gets_narrow)
{
	struct tcp_info info;
	struct rig r;

	if (!start(&r, NULL))
		return;
	establish(&r, _i);
	transfer(&r, MB / 10);
	r.wire[RIG_TO_KERNEL].mtu = r.wire[RIG_TO_STACK].mtu = PATH_MTU;
	transfer(&r, MB);
	tcp_info(r.c, &info);
	ck_assert_uint_eq(info.mss, PATH_MTU - 40 - (info.timestamps ? 12 : 0));
	ck_assert_int_eq(kernel_mss(r.fd), (int)info.mss);
	ck_assert_uint_gt(r.wire[RIG_TO_KERNEL].too_big, 0);
	ck_assert_uint_gt(r.wire[RIG_TO_STACK].too_big, 0);
	finish(&r, true);
	audit(&r, 0, 0);
}
END_TEST

/* The same four addresses again, while one end is in TIME-WAIT: RFC 6191, and RFC 9293 §3.6.1 without timestamps. */
static const struct again {
	const char *name;
	bool we_connect, we_close_first, timestamps;
	unsigned wait_ms; /* RFC 6191 §2, as Linux: our own end only when the timestamp has moved on */
} agains[] = {
	{ "we wait, the kernel connects", false, true, true, 0 },
	{ "we wait, the kernel connects, no timestamps", false, true, false, 0 },
	{ "the kernel waits, we connect", true, false, true, 0 },
	{ "the kernel waits, we connect, no timestamps", true, false, false, 0 },
	{ "we wait, we connect", true, true, true, 1100 },
};

START_TEST(port_is_used_again)
{
	const struct again *a = &agains[_i];
	struct tcp_settings settings;
	struct rig r;

	tcp_settings_default(&settings);
	settings.timestamps = a->timestamps;
	if (!start(&r, &settings))
		return;
	for (unsigned i = 0; i < 2; i++) {
		rig_run(&r, never, i * a->wait_ms);
		establish(&r, a->we_connect);
		transfer(&r, 5000);
		finish(&r, a->we_close_first);
		ck_assert_uint_eq(tcp_stack_leftovers(r.stack), a->we_close_first);
		rig_forget(&r);
	}
	audit(&r, 0, 0);
}
END_TEST

Suite *tcp_kernel_suite(void)
{
	Suite *s = suite_create("tcp_kernel");
	TCase *tc = tcase_create("kernel");

	tcase_add_test(tc, where_it_runs);
	tcase_add_loop_test(tc, bulk, 0, (int)ARRAY_LEN(bulks));
	tcase_add_loop_test(tc, half_closed, 0, 4);
	tcase_add_loop_test(tc, closed_simultaneously, 0, 2);
	tcase_add_test(tc, opened_simultaneously);
	tcase_add_loop_test(tc, ends_hard, 0, 2 * ENDS);
	tcase_add_test(tc, nobody_listens);
	tcase_add_loop_test(tc, syn_is_lost, 0, 2);
	tcase_add_loop_test(tc, window_closes, 0, 4);
	tcase_add_loop_test(tc, we_ask_whether_it_is_alive, 0, 2);
	tcase_add_test(tc, kernel_asks_whether_we_are_alive);
	tcase_add_loop_test(tc, blind_attack, 0, 2 * (int)ARRAY_LEN(blinds));
	tcase_add_test(tc, segment_is_from_the_past);
	tcase_add_loop_test(tc, path_gets_narrow, 0, 2);
	tcase_add_loop_test(tc, port_is_used_again, 0, (int)ARRAY_LEN(agains));
	suite_add_tcase(s, tc);
	return s;
}
