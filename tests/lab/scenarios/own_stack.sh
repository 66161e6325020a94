#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# own_stack.sh: the load balancer's host has the VIP's address itself, and forwards: its TCP/IP must not get in the way,
# and does if it is let.
cd "$(dirname "$0")/../../.." || exit 1
LAB_SIZES='1024 65536 1000000'
. tests/lab/lab.sh

lab_up
ip -n "$P-lb" addr add $VIP/32 dev client0
ip netns exec "$P-lb" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'
lab_live_start
lab_fetch_all
lab_ok 'it serves although its host has the VIP, and forwards'
lab_in client curl -sS -m 5 "http://10.9.0.1/" >/dev/null 2>$WORK/curl.err &&
	lab_fail 'something answers at an address of the host itself'
grep -q '^curl: (7)' $WORK/curl.err || lab_fail "the host's own addresses are silent too"
lab_ok "the host's own addresses answer for themselves"
lab_live_stop
LAB_LIVE='live: {interface: client0, silence: false}'
lab_configure
lab_live_start
grep -q 'warning: live.silence is off' $WORK/live.err || lab_fail 'no warning'
lab_get one 1024 -m 2 2>/dev/null | lab_same one 1024 &&
	lab_fail 'the stack of the host does not interfere: this tests nothing'
lab_live_stop
lab_ok 'without live.silence it warns, and the host interferes'
lab_done
