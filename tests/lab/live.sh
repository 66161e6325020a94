#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# live.sh: `miresga live` between a real curl and two real nginx, each behind the real agent.
#
#   unshare --mount --pid --fork --kill-child --mount-proc tests/lab/live.sh CASE     from the top of the tree, as root
#
# In namespaces of its own for mounts and processes: whatever ends the script, the kernel takes everything down.
# Exit status 0; 77 and the reason where it cannot run; else 1 and what was wrong. MIRESGA_BINARY names the program.

. tests/lab/net.sh

P=mlive
BIN=${MIRESGA_BINARY:-build/miresga}
WORK=/mnt
VIP=10.9.0.10
SIZES='1024 65536 1000000 10485760'

skip() {
	echo "$*"
	exit 77
}

fail() {
	echo "live.sh: $*" >&2
	cat "$WORK"/live.err >&2 2>/dev/null
	exit 1
}

inside() { # NAMESPACE COMMAND...; unlike `ip netns exec` it hides no mounts
	inside_ns=$P-$1
	shift
	nsenter --net="/run/netns/$inside_ns" -- "$@"
}

prepare() {
	[ "$(id -u)" = 0 ] || skip 'not root'
	for tool in ip nsenter ethtool curl nginx sha256sum; do
		command -v $tool >/dev/null || skip "$tool is not installed"
	done
	mkdir -p /run/netns
	mount -t tmpfs lab $WORK 2>/dev/null || skip 'mounting is not allowed'
	mount -t tmpfs lab /run/netns || skip 'mounting is not allowed'
	net_up $P 2>/dev/null || skip 'network namespaces or veth are not to be had'
	mkdir $WORK/www
	for size in $SIZES; do
		head -c "$size" /dev/urandom >$WORK/www/"$size"
		sha256sum <$WORK/www/"$size" >$WORK/"$size".sum
	done
}

# A configuration: the lines given, and what all have in common.
configure() {
	cat >$WORK/live.yaml <<-END
		vip: $VIP:80
		backends:
		  - {name: one, address: 10.9.1.2:80}
		  - {name: two, address: 10.9.2.2:80}
		pools:
		  - {name: first, backends: [one]}
		  - {name: second, backends: [two]}
		rules:
		  - {host: one.example.org, pool: first}
		  - {host: two.example.org, pool: second}
		secret: 000102030405060708090a0b0c0d0e0f
		$1
	END
}

start_backends() {
	cat >$WORK/nginx.conf <<-END
		error_log $WORK/nginx.err;
		daemon off;
		events {}
		http {
			access_log off;
			client_body_temp_path $WORK/body;
			proxy_temp_path $WORK/proxy;
			fastcgi_temp_path $WORK/fastcgi;
			uwsgi_temp_path $WORK/uwsgi;
			scgi_temp_path $WORK/scgi;
			server {
				listen 80;
				root $WORK/www;
			}
		}
	END
	chmod 755 $WORK
	for be in be1 be2; do
		# Pins are named after the interface, so each backend has a BPF file system.
		mkdir $WORK/bpf-$be
		mount -t bpf bpf $WORK/bpf-$be || skip 'no BPF file system can be mounted'
		inside $be "$BIN" agent attach eth0 -f $WORK/live.yaml --bpffs=$WORK/bpf-$be >/dev/null 2>$WORK/agent.err ||
			skip "no agent: $(cat $WORK/agent.err)"
		inside $be nginx -c $WORK/nginx.conf -g "pid $WORK/$be.pid;" 2>>$WORK/nginx.err &
	done
}

start_live() { # OPTIONS...
	: >$WORK/live.err
	nsenter --net=/run/netns/$P-lb -- "$BIN" -j live -f $WORK/live.yaml "$@" >$WORK/live.json 2>$WORK/live.err &
	LIVE=$!
	for tries in $(seq 100); do
		grep -q 'live: ready' $WORK/live.err && return
		kill -0 "$LIVE" 2>/dev/null || fail "it ended at once (try $tries)"
		sleep 0.05
	done
	fail 'it does not get ready'
}

stop_live() {
	kill -TERM "$LIVE"
	wait "$LIVE" || fail "exit status $? after SIGTERM"
	grep -q '"schema": "miresga.live/1"' $WORK/live.json || fail 'no counters'
}

fetch() { # HOST SIZE
	inside client curl -sS -m 20 --retry 0 -H "Host: $1.example.org" "http://$VIP/$2" 2>$WORK/curl.err |
		sha256sum | cmp -s - $WORK/"$2".sum
}

fetch_all() {
	for host in one two; do
		for size in $SIZES; do
			fetch $host "$size" || fail "$size bytes of $host: $(cat $WORK/curl.err)"
		done
	done
}

# One connection, both hosts: the second and third request move it.
fetch_across() {
	inside client curl -sS -m 20 -H 'Host: one.example.org' -o $WORK/a "http://$VIP/1000000" \
		--next -sS -m 20 -H 'Host: two.example.org' -o $WORK/b "http://$VIP/65536" \
		--next -sS -m 20 -H 'Host: one.example.org' -o $WORK/c "http://$VIP/1000000" -w '%{num_connects}\n' \
		>$WORK/connects 2>$WORK/curl.err || fail "across hosts: $(cat $WORK/curl.err)"
	sha256sum <$WORK/a | cmp -s - $WORK/1000000.sum || fail 'across hosts: other bytes, first'
	sha256sum <$WORK/b | cmp -s - $WORK/65536.sum || fail 'across hosts: other bytes, second'
	sha256sum <$WORK/c | cmp -s - $WORK/1000000.sum || fail 'across hosts: other bytes, third'
	grep -qx 0 $WORK/connects || fail 'across hosts: not one connection'
}

no_checksum_errors() {
	for ns in client be1 be2; do
		# InCsumErrors is the last column.
		errors=$(inside $ns cat /proc/self/net/snmp | sed -n 's/^Tcp: [0-9].* \([0-9]*\)$/\1/p')
		[ "$errors" = 0 ] || fail "$ns: $errors TCP segments with a wrong checksum"
	done
}

figure() { # NAME
	sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" $WORK/live.json | head -n 1
}

case_downloads() {
	start_live
	fetch_all
	fetch_across
	no_checksum_errors
	stop_live
	[ "$(figure requests)" = 11 ] || fail "$(figure requests) requests instead of 11"
	[ "$(figure moves)" = 2 ] || fail "$(figure moves) moves instead of 2"
	[ "$(figure fast_path_packets)" -gt 0 ] || fail 'nothing took the fast path'
}

case_offloads_off() {
	for ns in client be1 be2; do
		inside $ns ethtool -K eth0 tx off tso off gso off >/dev/null 2>&1 || skip 'ethtool cannot switch offloads off'
	done
	for dev in client0 be1 be2; do
		inside lb ethtool -K $dev tx off tso off gso off >/dev/null 2>&1
	done
	case_downloads
}

# The stack of the host has the VIP's address, and forwards: it must not get in the way, and does if it is let.
case_own_stack() {
	ip -n $P-lb addr add $VIP/32 dev client0
	ip netns exec $P-lb sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
	start_live
	fetch_all
	inside client curl -sS -m 5 "http://10.9.0.1/" >/dev/null 2>$WORK/curl.err &&
		fail 'something answers at an address of the host itself'
	grep -q '^curl: (7)' $WORK/curl.err || fail "the host's own addresses are silent too: $(cat $WORK/curl.err)"
	stop_live
	configure 'live: {interface: client0, silence: false}'
	start_live
	grep -q 'warning: live.silence is off' $WORK/live.err || fail 'no warning'
	fetch one 1024 && fail 'the stack of the host does not interfere: this test tests nothing'
	stop_live
}

# After a kill -9 nothing is left that would be in the way of the host or of the next one.
case_killed() {
	start_live
	fetch one 65536 || fail "before: $(cat $WORK/curl.err)"
	kill -KILL "$LIVE"
	wait "$LIVE" 2>/dev/null
	inside lb curl -sS -m 5 -o /dev/null http://10.9.1.2/1024 2>$WORK/curl.err ||
		fail "the host does not reach a backend any more: $(cat $WORK/curl.err)"
	start_live
	inside lb curl -sS -m 5 -o /dev/null http://10.9.1.2/1024 2>$WORK/curl.err ||
		fail "the host does not reach a backend beside it: $(cat $WORK/curl.err)"
	fetch_all
	stop_live
}

# Every tap in a file, which is a file also after Ctrl-C.
case_taps() {
	start_live -w $WORK/taps.pcapng
	fetch one 65536 || fail "$(cat $WORK/curl.err)"
	stop_live
	[ "$(head -c 4 $WORK/taps.pcapng | od -An -tx1 | tr -d ' ')" = 0a0d0d0a ] || fail 'no pcapng file'
	[ "$(wc -c <$WORK/taps.pcapng)" -gt 65536 ] || fail 'the response is not in it'
}

# An interface that is down for a moment is none the worse for it; one that has gone is an end, with counters.
case_interface_gone() {
	start_live
	fetch one 1024 || fail "before: $(cat $WORK/curl.err)"
	ip -n $P-lb link set client0 down
	sleep 1
	ip -n $P-lb link set client0 up
	fetch one 65536 || fail "after it was down: $(cat $WORK/curl.err)"
	ip -n $P-lb link del client0
	wait "$LIVE" && fail 'no failure'
	grep -q 'interface client0 has gone' $WORK/live.err || fail 'not said'
	[ "$(figure requests)" = 2 ] || fail "$(figure requests) requests instead of 2"
}

# A backend that comes late.
case_late_backend() {
	ip -n $P-be2 link set eth0 down
	start_live
	grep -q 'warning: backend two: nobody answers' $WORK/live.err || fail 'no warning of the absent backend'
	fetch one 65536 || fail "the present backend: $(cat $WORK/curl.err)"
	ip -n $P-be2 link set eth0 up
	ip -n $P-be2 route replace default via 10.9.2.1
	sleep 2
	fetch two 65536 || fail "the late backend: $(cat $WORK/curl.err)"
	stop_live
}

[ $# = 1 ] || skip 'usage: live.sh CASE'
prepare
configure 'live: {interface: client0}'
start_backends
"case_$1"
