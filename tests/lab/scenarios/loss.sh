#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# loss.sh: a path between the clients and the load balancer that loses 1 % of the packets and lets 2 % arrive late.
# It is a wire of the lab's own, lossy_forwarder.c: many kernels come without netem.
cd "$(dirname "$0")/../../.." || exit 1
LAB_SIZES='1024 65536 1000000 10485760'
LAB_TOOLS='curl nginx sha256sum cc'
. tests/lab/lab.sh

# client eth0 -- path near, path far -- client0 lb
insert_wire() {
	cc -std=gnu11 -O2 -o $WORK/wire tests/traces/lossy_forwarder.c || lab_skip 'no C compiler that works'
	ip netns add "$P-path"
	ip -n "$P-lb" link set client0 name near netns "$P-path"
	ip -n "$P-path" link add far type veth peer name client0 netns "$P-lb"
	ip -n "$P-path" link set near up
	ip -n "$P-path" link set far up
	ip -n "$P-lb" addr add 10.9.0.1/24 dev client0
	ip -n "$P-lb" link set client0 up
	net_rps "$P-lb" client0 1
	# The wire knows frames of ordinary length only, and whole checksums.
	for end in client:eth0 lb:client0 be1:eth0 be2:eth0; do
		lab_in "${end%:*}" ethtool -K "${end#*:}" tx off tso off gso off gro off >/dev/null 2>&1
	done
	for end in be1 be2; do
		lab_in lb ethtool -K $end tso off gso off gro off >/dev/null 2>&1
	done
	nsenter --net=/run/netns/"$P"-path -- $WORK/wire near far 1 10 20 2>$WORK/wire.err &
	wire=$!
}

lab_up
insert_wire
lab_live_start
lab_await 'the way to the load balancer' lab_get one 1024 -o $WORK/probe
for round in 1 2 ${LAB_LONG:+$(seq 3 20)}; do
	lab_fetch_all
	lab_fetch_across 1000000 65536 1024 1000000 1024
done
lab_ok "files of $LAB_SIZES bytes over both hosts, and across hosts, $round times"
lab_no_checksum_errors
lab_live_stop
lab_ok 'no wrong checksum'
kill -TERM $wire
wait $wire
sed 's/^/# /' $WORK/wire.err
awk '{ dropped += $6; held += $8 } END { exit dropped < 20 || held < 20 }' $WORK/wire.err ||
	lab_fail 'the wire has lost nothing: this tests nothing'
lab_ok 'the wire has lost packets, and changed their order'
lab_done
