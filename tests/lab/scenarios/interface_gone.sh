#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# interface_gone.sh: an interface that is down for a moment is none the worse for it; one that has gone is an end, with
# counters. A backend that comes late is found.
cd "$(dirname "$0")/../../.." || exit 1
LAB_SIZES='1024 65536'
. tests/lab/lab.sh

lab_up
ip -n "$P-be2" link set eth0 down
lab_live_start
grep -q 'warning: backend two: nobody answers' $WORK/live.err || lab_fail 'no warning of the absent backend'
lab_fetch one 65536 || lab_fail 'the present backend'
ip -n "$P-be2" link set eth0 up
ip -n "$P-be2" route replace default via 10.9.2.1
lab_await 'the late backend' lab_get two 1024 -m 1 -o $WORK/probe
lab_fetch two 65536 || lab_fail 'the late backend'
lab_ok 'a backend that comes late is warned of, and found'
ip -n "$P-lb" link set client0 down
sleep 1
ip -n "$P-lb" link set client0 up
lab_fetch one 65536 || lab_fail 'after the interface was down'
lab_ok 'an interface that was down goes on'
ip -n "$P-lb" link del client0
wait "$LIVE" && lab_fail 'an interface that has gone is no failure'
grep -q 'interface client0 has gone' $WORK/live.err || lab_fail 'that the interface has gone is not said'
[ "$(lab_figure requests)" -ge 4 ] || lab_fail 'no counters'
lab_ok 'an interface that has gone is the end, with counters'
lab_done
