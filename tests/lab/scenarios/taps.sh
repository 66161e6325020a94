#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# taps.sh: every tap in a file, which is a file also after the end by a signal.
cd "$(dirname "$0")/../../.." || exit 1
LAB_SIZES='1024 65536'
. tests/lab/lab.sh
LAB_LIVE_OPTIONS="-w $WORK/taps.pcapng"

lab_up
lab_live_start
lab_fetch one 65536 || lab_fail 'a download'
lab_live_stop
[ "$(head -c 4 $WORK/taps.pcapng | od -An -tx1 | tr -d ' ')" = 0a0d0d0a ] || lab_fail 'no pcapng file'
[ "$(wc -c <$WORK/taps.pcapng)" -gt 65536 ] || lab_fail 'the response is not in it'
lab_ok 'the response is in a pcapng file'
lab_done
