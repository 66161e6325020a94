#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# parallel.sh: 64 connections at once, each alternating between hosts and files; every byte is compared.
cd "$(dirname "$0")/../../.." || exit 1
LAB_SIZES='1024 65536 1000000'
LAB_TOOLS='curl nginx sha256sum wrk'
. tests/lab/lab.sh

lab_up
lab_live_start
lab_wrk 64 "${LAB_LONG:+1}1"
lab_wrk_judge
lab_ok "$lab_requests verified responses on 64 connections that move"
lab_wrk 64 "${LAB_LONG:+1}1" close
lab_wrk_judge
lab_ok "$lab_requests verified responses, a connection each"
lab_no_checksum_errors
lab_ok 'no wrong checksum'
lab_live_stop
[ "$(lab_figure rx_lost)" = 0 ] || echo "# the ring was full for $(lab_figure rx_lost) frames"
lab_done
