#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# agent_upgrade.sh: the agents are attached again and again under load, in place: no connection notices. So it is if
# the attaching process is killed in the middle (the agent needs none to run), and it can be repeated then.
cd "$(dirname "$0")/../../.." || exit 1
LAB_SIZES='1024 65536 1000000'
LAB_TOOLS='curl nginx sha256sum wrk timeout'
. tests/lab/lab.sh

lab_up
lab_live_start
lab_wrk 64 100 &
load=$!
upgrades=0
killed=0
for round in 1 2 3 4 ${LAB_LONG:+$(seq 5 40)}; do
	for be in be1 be2; do
		lab_attach $be || lab_fail "upgrade $round of $be"
		grep -q 'agent upgraded, flows kept' $WORK/agent.out || lab_fail "upgrade $round of $be: $(cat $WORK/agent.out)"
		upgrades=$((upgrades + 1))
	done
done
lab_ok "$upgrades upgrades under load"
for ms in 2 5 10 20 30 40 50 60 80 100 120 150; do
	lab_in be1 timeout -s KILL "0.$(printf '%03d' "$ms")" "$BIN" agent --bpffs=$WORK/bpf-be1 attach eth0 \
		-f $WORK/live.yaml >/dev/null 2>&1 || killed=$((killed + 1))
done
[ $killed -gt 0 ] || lab_fail 'none was killed: this tests nothing'
lab_attach be1 || lab_fail 'attaching after that'
lab_ok "$killed attachments killed on their way, and one that completed"
kill -0 $load 2>/dev/null || lab_fail 'the load ended before: this tests nothing'
lab_wrk_stop
wait $load
lab_wrk_judge
lab_ok "meanwhile $lab_requests verified responses on 64 connections"
lab_live_stop
lab_done
