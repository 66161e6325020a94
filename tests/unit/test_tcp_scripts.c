/* SPDX-License-Identifier: BSD-2-Clause */
/* test_tcp_scripts.c: the TCP endpoints by scripts of our own, in packetdrill's syntax.
 *
 * They are about what the vectors of test_tcp_packetdrill.c have no event lists of: active open, the ends of a
 * connection that meet each other, and retransmission over a long time. What is expected is what the RFCs say, cited at
 * each. As there, each is played with initial sequence numbers of the other side far from and just below 2^32. */
#include <check.h>

#include "miresga/base.h"
#include "packetdrill_play.h"

Suite *tcp_scripts_suite(void);

#define SYN_OPTIONS "<mss 1460,nop,nop,sackOK,nop,wscale 7>"
#define PEER_OPTIONS "<mss 1000,nop,nop,sackOK,nop,wscale 8>"
#define CONNECT_BEGIN \
	"+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3", "+0 connect(3, ..., ...) = 0", "+0 > S 0:0(0) " SYN_OPTIONS
#define CONNECT CONNECT_BEGIN, "+.1 < S. 0:0(0) ack 1 win 60000 " PEER_OPTIONS, "+0 > . 1:1(0) ack 1"
#define CONNECT_REFUSED \
	"+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3", "+0 connect(3, ..., ...) = -1", "+0 > S 0:0(0) " SYN_OPTIONS

static const struct own {
	const char *name; /* and where it is written */
	const char *lines[32];
} scripts[] = {
	{ "active open, we close first (RFC 9293 §3.5, §3.6 case 1)",
	  { CONNECT, "+0 write(3, ..., 1000) = 1000", "+0 > P. 1:1001(1000) ack 1", "+.1 < . 1:1(0) ack 1001 win 1000",
	    "+0 close(3) = 0", "+0 > F. 1001:1001(0) ack 1", "+.1 < . 1:1(0) ack 1002 win 1000",
	    "+.1 < F. 1:1(0) ack 1002 win 1000", "+0 > . 1002:1002(0) ack 2", "+.5 < F. 1:1(0) ack 1002 win 1000",
	    "+0 > . 1002:1002(0) ack 2" } },
	{ "active open, the other end closes first (§3.6 case 2)",
	  { CONNECT, "+.1 < F. 1:1(0) ack 1 win 1000", "+0 > . 1:1(0) ack 2", "+0 read(3, ..., 1000) = 0",
	    "+.1 close(3) = 0", "+0 > F. 1:1(0) ack 2", "+.1 < . 2:2(0) ack 2 win 1000",
	    "+.1 < . 2:2(0) ack 2 win 1000", "+0 > R 2:2(0)" } },
	{ "SYNs are repeated after 1, 2, 4 seconds (RFC 6298 §2.1, §5.5)",
	  { CONNECT_BEGIN, "+1 > S 0:0(0) " SYN_OPTIONS, "+2 > S 0:0(0) " SYN_OPTIONS, "+4 > S 0:0(0) " SYN_OPTIONS,
	    "+.1 < S. 0:0(0) ack 1 win 60000 " PEER_OPTIONS, "+0 > . 1:1(0) ack 1" } },
	{ "SYN-ACKs likewise",
	  { "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3", "+0 listen(3, 1) = 0",
	    "+0 < S 0:0(0) win 60000 " PEER_OPTIONS, "+0 > S. 0:0(0) ack 1 " SYN_OPTIONS,
	    "+1 > S. 0:0(0) ack 1 " SYN_OPTIONS, "+2 > S. 0:0(0) ack 1 " SYN_OPTIONS, "+.5 < . 1:1(0) ack 1 win 1000",
	    "+0 accept(3, ..., ...) = 4", "+0 write(4, ..., 100) = 100", "+0 > P. 1:101(100) ack 1" } },
	{ "refused (§3.10.7.3)",
	  { CONNECT_REFUSED, "+.1 < R. 0:0(0) ack 1 win 0", "+.1 < S. 0:0(0) ack 1 win 60000 " PEER_OPTIONS,
	    "+0 > R 1:1(0)" } },
	{ "RSTs that acknowledge nothing, or something else, refuse nothing (§3.10.7.3)",
	  { CONNECT_BEGIN, "+.1 < R 0:0(0) win 0", "+0 < R. 0:0(0) ack 2 win 0",
	    "+.1 < S. 0:0(0) ack 1 win 60000 " PEER_OPTIONS, "+0 > . 1:1(0) ack 1" } },
	{ "a SYN-ACK for another connection draws a RST, the right one counts (§3.10.7.3)",
	  { CONNECT_BEGIN, "+.1 < S. 0:0(0) ack 1000 win 60000 " PEER_OPTIONS, "+0 > R 1000:1000(0)",
	    "+.1 < S. 0:0(0) ack 1 win 60000 " PEER_OPTIONS, "+0 > . 1:1(0) ack 1" } },
	{ "closed before the SYN-ACK (§3.10.4): it draws a RST",
	  { "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3", "+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0",
	    "+0 connect(3, ..., ...) = -1", "+0 > S 0:0(0) " SYN_OPTIONS, "+.1 close(3) = 0",
	    "+.1 < S. 0:0(0) ack 1 win 60000 " PEER_OPTIONS, "+0 > R 1:1(0)" } },
	{ "simultaneous open (§3.5 figure 7)",
	  { CONNECT_BEGIN, "+.1 < S 0:0(0) win 60000 " PEER_OPTIONS, "+0 > S. 0:0(0) ack 1 " SYN_OPTIONS,
	    "+.1 < S. 0:0(0) ack 1 win 60000 " PEER_OPTIONS, "+0 write(3, ..., 100) = 100",
	    "+0 > P. 1:101(100) ack 1" } },
	{ "simultaneous close (§3.6 case 3)",
	  { CONNECT, "+0 close(3) = 0", "+0 > F. 1:1(0) ack 1", "+.1 < F. 1:1(0) ack 1 win 1000", "+0 > . 2:2(0) ack 2",
	    "+.1 < . 2:2(0) ack 2 win 1000" } },
	{ "data after close() draws a RST (§3.6.1)",
	  { CONNECT, "+0 close(3) = 0", "+0 > F. 1:1(0) ack 1", "+.1 < . 1:1(0) ack 2 win 1000",
	    "+.1 < P. 1:101(100) ack 2 win 1000", "+0 > R. 2:2(0) ack 1" } },
	{ "a FIN that is lost is repeated (RFC 6298 §5.4-5.5)",
	  { CONNECT, "+0 close(3) = 0", "+0 > F. 1:1(0) ack 1", "+.300 > F. 1:1(0) ack 1", "+.600 > F. 1:1(0) ack 1",
	    "+.1 < . 1:1(0) ack 2 win 1000" } },
	{ "Nagle's rule (§3.7.4): the second short segment waits for the first",
	  { CONNECT, "+0 write(3, ..., 100) = 100", "+0 > P. 1:101(100) ack 1", "+0 write(3, ..., 100) = 100",
	    "+0 write(3, ..., 100) = 100", "+.1 < . 1:1(0) ack 101 win 1000", "+0 > P. 101:301(200) ack 1" } },
	{ "a window that was closed is announced when the application reads (§3.8.6.2.2)",
	  { CONNECT, "+0 < . 1:1025(1024) ack 1 win 1000", "+0 > . 1:1(0) ack 1025",
	    "+0 < . 1025:2049(1024) ack 1 win 1000", "+0 > . 1:1(0) ack 2049 win 0", "+.1 read(3, ..., 4096) = 2048",
	    "+0 > . 1:1(0) ack 2049", "+.1 < P. 2049:2561(512) ack 1 win 1000", "+0~+.040 > . 1:1(0) ack 2561" } },
	{ "what lies beyond the window is cut off and acknowledged at once (§3.10.7.4)",
	  { CONNECT, "+0 < . 1:1025(1024) ack 1 win 1000", "+0 > . 1:1(0) ack 1025 win 8",
	    "+0 < . 1025:4097(3072) ack 1 win 1000", "+0 > . 1:1(0) ack 2049 win 0",
	    "+.1 < . 2049:2050(1) ack 1 win 1000", "+0 > . 1:1(0) ack 2049 win 0" } },
	{ "a closed window is probed with an old number (§3.8.6.1), what it opens for is sent",
	  { CONNECT_BEGIN, "+.1 < S. 0:0(0) ack 1 win 1000 " PEER_OPTIONS, "+0 > . 1:1(0) ack 1",
	    "+0 write(3, ..., 2000) = 2000", "+0 > . 1:1001(1000) ack 1", "+.1 < . 1:1(0) ack 1001 win 0",
	    "+.300 > . 1000:1000(0) ack 1", "+.1 < . 1:1(0) ack 1001 win 0", "+.500 > . 1000:1000(0) ack 1",
	    "+.1 < . 1:1(0) ack 1001 win 100", "+0 > P. 1001:2001(1000) ack 1" } },
};

static const struct play_options variants[] = {
	{ .remote_isn = 1000000, .seed = 1 },
	{ .remote_isn = UINT32_MAX, .seed = 2 },
};

START_TEST(own_script)
{
	static struct drill s;
	struct play_result result;
	char why[256];

	for (size_t v = 0; v < ARRAY_LEN(variants); v++) {
		ck_assert_msg(drill_read(&s, scripts[_i].name, scripts[_i].lines, why), "%s", why);
		drill_play(&s, &variants[v], &result);
		ck_assert_msg(result.as_written, "%s: '%s': %s", s.name, scripts[_i].lines[result.event], result.why);
		drill_free(&s);
	}
}
END_TEST

Suite *tcp_scripts_suite(void)
{
	Suite *s = suite_create("tcp_scripts");
	TCase *tc = tcase_create("scripts");

	tcase_add_loop_test(tc, own_script, 0, (int)ARRAY_LEN(scripts));
	suite_add_tcase(s, tc);
	return s;
}
