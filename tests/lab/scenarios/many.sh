#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# many.sh: 10,000 connections, one request each; ports are used again meanwhile. Afterwards nothing is left: no pair in the
# agents, no flow in the front-ends, no entry in the switch.
cd "$(dirname "$0")/../../.." || exit 1
LAB_SIZES='1024 65536'
LAB_TOOLS='curl nginx sha256sum wrk'
LAB_CONFIG='timeouts: {linger: 1s, request: 2s, closing: 2s, established: 3s}'
. tests/lab/lab.sh

few_ports() {
	ip netns exec "$P-client" sh -c 'echo 20000 23000 >/proc/sys/net/ipv4/ip_local_port_range'
}

ended_by_fin() {
	lab_agent_figure be1 removed_fin >$WORK/a
	lab_agent_figure be2 removed_fin >$WORK/b
	echo $(($(cat $WORK/a) + $(cat $WORK/b)))
}

empty() {
	[ "$(lab_agent_figure be1 entries)" = 0 ] && [ "$(lab_agent_figure be2 entries)" = 0 ]
}

lab_up
few_ports
lab_live_start
requests=0
rounds=0
while [ $requests -lt "${LAB_LONG:+2}10000" ]; do
	rounds=$((rounds + 1))
	[ $rounds -le 60 ] || lab_fail "only $requests connections in $rounds seconds"
	lab_wrk 64 1 close
	lab_wrk_judge
	requests=$((requests + lab_requests))
done
lab_ok "$requests verified responses, a connection each, from 3,000 ports"
[ "$(ended_by_fin)" -ge 10000 ] || lab_fail "only $(ended_by_fin) connections"
[ "$(lab_agent_figure be1 refused_full)" = 0 ] || lab_fail 'flows were refused'
lab_ok "$(ended_by_fin) connections ended by FIN, none was refused"
lab_await 'empty maps' empty
lab_ok 'no pair is left in the agents'
sleep 4 # the timeouts of what wrk has left behind, and then linger
lab_live_stop
[ "$(lab_figure entries)" = 0 ] || lab_fail "$(lab_figure entries) entries are left in the switch"
[ "$(lab_figure flows)" = 0 ] || lab_fail "$(lab_figure flows) flows are left"
lab_ok 'no flow and no entry is left in the load balancer'
lab_done
