#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# killed.sh: kill -9 of `miresga live`: nothing is left that would be in the way of the host or of the next one, which
# serves at once; clients of before get an error in time, and none of them another's bytes.
cd "$(dirname "$0")/../../.." || exit 1
LAB_SIZES='1024 65536 1000000'
LAB_TOOLS='curl nginx sha256sum wrk python3'
. tests/lab/lab.sh

reach() { # WHEN
	lab_in lb curl -sS -m 5 http://10.9.1.2/65536 2>$WORK/curl.err | lab_same one 65536 ||
		lab_fail "the host does not reach a backend $1"
}

lab_up
lab_live_start
lab_wrk 64 100 &
load=$!
sleep 0.5
kill -KILL "$LIVE"
wait "$LIVE" 2>/dev/null
reach 'while live is gone'
lab_live_start
reach 'beside the next one'
lab_fetch_all
lab_fetch_across 65536 1000000 1024
lab_ok 'the next one serves at once'
lab_wrk_stop
wait $load
! grep -q wrong $WORK/wrk.out || lab_fail "wrong bytes around the kill: $(cat $WORK/wrk.out)"
lab_ok "connections across the kill: $(sed -n 's/^verified: //p' $WORK/wrk.out), none wrong"
lab_wrk 64 1
lab_wrk_judge
lab_ok "after it: $lab_requests verified responses on 64 connections"
lab_live_stop
lab_done
