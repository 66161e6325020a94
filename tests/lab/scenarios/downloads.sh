#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# downloads.sh: the SHA-256 of every download, over both hosts and on one connection that alternates between them.
cd "$(dirname "$0")/../../.." && . tests/lab/lab.sh

lab_up
lab_live_start
lab_fetch_all
lab_ok "files of $LAB_SIZES bytes over both hosts"
lab_fetch_across 1000000 65536 1024 10485760 1024 1000000 65536
lab_ok 'one connection, seven requests that alternate between the hosts'
lab_no_checksum_errors
lab_live_stop
[ "$(lab_figure requests)" = 15 ] || lab_fail "$(lab_figure requests) requests instead of 15"
[ "$(lab_figure moves)" = 6 ] || lab_fail "$(lab_figure moves) moves instead of 6"
[ "$(lab_figure fast_path_packets)" -gt 0 ] || lab_fail 'nothing took the fast path'
lab_ok 'counted: 15 requests, 6 moves, packets on the fast path, no wrong checksum'
lab_done
