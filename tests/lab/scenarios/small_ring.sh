#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# small_ring.sh: 64 connections fetch files that are larger than the ring holds: what finds no place is lost on its way from
# the servers, the heads of responses too. Every connection still moves with each request, and none is reset.
cd "$(dirname "$0")/../../.." || exit 1
LAB_SIZES='1024 65536 1000000'
LAB_TOOLS='curl nginx sha256sum wrk'
LAB_LIVE='live: {interface: client0, ring: 64}'
. tests/lab/lab.sh

lab_up
lab_live_start
lab_wrk 64 "${LAB_LONG:+1}2"
lab_wrk_judge
lab_ok "$lab_requests verified responses on 64 connections that move"
lab_no_checksum_errors
lab_ok 'no wrong checksum'
lab_live_stop
lost=$(grep -o '"rx_lost": [0-9]*' $WORK/live.json | awk '{ n += $2 } END { print n + 0 }')
echo "# the rings were full for $lost frames"
[ "$lost" -gt 0 ] || echo '# so this shows nothing'
lab_done
