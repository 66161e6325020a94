#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# bystanders.sh: what is not the load balancer's passes as if neither it nor the agents were there: a session of the ssh
# kind, health checks straight to the servers, connections that a backend opens itself, all while others are served.
cd "$(dirname "$0")/../../.." || exit 1
LAB_SIZES='1024 65536 1000000'
LAB_TOOLS='curl nginx sha256sum wrk python3'
. tests/lab/lab.sh

session() { # NAMESPACE ADDRESS PORT WHAT
	lab_in "$1" tests/lab/peer.py session "$2" "$3" 100 2>$WORK/curl.err || lab_fail "$4"
	lab_ok "$4: 100 lines"
}

checks() { # NAMESPACE HOST ADDRESS
	for size in $LAB_SIZES $LAB_SIZES; do
		lab_in "$1" curl -sS -m 5 "http://$3/$size" 2>$WORK/curl.err | lab_same "$2" "$size" ||
			lab_fail "$1 gets $size bytes straight from $3"
	done
}

lab_up
lab_live_start
lab_in be1 tests/lab/peer.py echo 10.9.1.2 22 &
lab_in lb tests/lab/peer.py echo 10.9.1.1 8022 &
lab_await 'an echo' lab_in lb tests/lab/peer.py session 10.9.1.2 22 1
lab_await 'an echo' lab_in be1 tests/lab/peer.py session 10.9.1.1 8022 1
lab_wrk 16 100 &
load=$!
session lb 10.9.1.2 22 'a session to port 22 of a backend'
session be1 10.9.1.1 8022 'a connection that a backend opened'
checks lb one 10.9.1.2
checks lb two 10.9.2.2
checks be1 one 10.9.1.2
lab_ok 'health checks straight to port 80 of both backends, and of one by itself'
lab_wrk_stop
wait $load
lab_wrk_judge
lab_ok "meanwhile $lab_requests verified responses through the load balancer"
for be in be1 be2; do
	[ "$(lab_agent_figure $be bad_tags)" = 0 ] || lab_fail "$be: the agent took something for a special SYN"
	[ "$(lab_agent_figure $be translated_in)" -lt "$(lab_agent_figure $be ingress_packets)" ] ||
		lab_fail "$be: the agent has seen no bystander"
done
lab_no_checksum_errors
lab_ok 'no wrong checksum, no wrong tag'
lab_live_stop
lab_done
