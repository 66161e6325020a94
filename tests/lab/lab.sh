#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# lab.sh: what the scenarios of the lab have in common. Each begins with
#
#   cd "$(dirname "$0")/../../.." && . tests/lab/lab.sh
#
# and so finds itself in a mount and a process namespace of its own: whatever ends it, Ctrl-C and kill -9 included, the
# kernel takes down all that it has put up. It prints TAP lines; exit status 0, 1 (a line "not ok" says what was
# wrong), or 77 where it cannot run, with the reason. MIRESGA_BINARY names the program; LAB_LONG=1 makes scenarios longer.
#
#   lab_up            namespaces, files, configuration, agents, nginx (lab_build, lab_configure, lab_serve)
#   lab_live_start    lab_live_stop
#   lab_fetch HOST FILE, lab_get HOST FILE CURL-OPTIONS, lab_fetch_all, lab_fetch_across, lab_wrk CONNECTIONS SECONDS
#   lab_ok TEXT, lab_fail TEXT, lab_skip TEXT, lab_done
#
# LAB_* in capitals are theirs to set before that; LAB_JSON= has live print its counters for people.

. tests/lab/net.sh

P=${LAB_PREFIX:-mlab}
BIN=${MIRESGA_BINARY:-build/miresga}
WORK=/run/netns/lab # a tmpfs that only this process and its children see
VIP=10.9.0.10
: "${LAB_SIZES:=1024 65536 1000000 10485760}"
: "${LAB_TOOLS:=curl nginx sha256sum}"
: "${LAB_NGINX_WORKERS:=1}"
# Of the configuration. The table of entries is as fast as the process is; a chip's is not (chip.sh).
: "${LAB_LIVE:=live: {interface: client0, ring: 1024\}}"
: "${LAB_SWITCH:=switch: {insertion_latency: 0us, insertion_rate: 1000M/s\}}"
: "${LAB_CONFIG:=}"
# The load balancer's CPU, and what nginx and the clients are started by.
LAB_LB_CPU=0
LAB_ENDS=${LAB_ENDS-}
lab_checks=0

lab_skip() {
	echo "1..0 # SKIP $*"
	exit 77
}

lab_ok() {
	lab_checks=$((lab_checks + 1))
	echo "ok $lab_checks - $*"
}

lab_fail() {
	lab_checks=$((lab_checks + 1))
	echo "not ok $lab_checks - $*"
	for lab_log in "$WORK"/live.err "$WORK"/agent.err "$WORK"/nginx.err "$WORK"/curl.err; do
		[ ! -s "$lab_log" ] || tail -n 20 "$lab_log" | sed "s/^/# ${lab_log##*/}: /"
	done
	exit 1
}

lab_done() {
	echo "1..$lab_checks"
}

# What is needed and not there, or nothing.
lab_missing() {
	for lab_tool in ip nsenter unshare taskset ethtool $LAB_TOOLS; do
		command -v "$lab_tool" >/dev/null 2>&1 || printf ' %s' "$lab_tool"
	done
}

# Before anything else: into namespaces of our own.
lab_enter() { # the scenario's operands
	[ "$(id -u)" = 0 ] || lab_skip 'the lab needs root'
	lab_miss=$(lab_missing)
	[ -z "$lab_miss" ] || lab_skip "not installed:$lab_miss ('make lab-deps' installs what the lab needs)"
	[ -x "$BIN" ] || lab_skip "there is no $BIN: 'make' builds it"
	unshare --mount --pid --fork true 2>/dev/null || lab_skip 'mount and process namespaces are not to be had'
	export LAB_INSIDE=1
	exec unshare --mount --pid --fork --kill-child --mount-proc --propagation private -- "$0" "$@"
}

lab_in() { # NAMESPACE COMMAND...; unlike `ip netns exec` it hides no mounts
	lab_ns=/run/netns/$P-$1
	shift
	nsenter --net="$lab_ns" -- "$@"
}

lab_mtu() { # MTU of all interfaces
	for lab_if in client:eth0 be1:eth0 be2:eth0 lb:client0 lb:be1 lb:be2; do
		ip -n "$P-${lab_if%:*}" link set "${lab_if#*:}" mtu "$1"
	done
}

# The namespaces, and the files: other bytes on either backend.
lab_build() {
	mkdir -p /run/netns
	mount -t tmpfs lab /run/netns 2>/dev/null || lab_skip 'mounting is not allowed'
	mkdir -m 755 $WORK
	net_up "$P" 2>$WORK/net.err || lab_skip "network namespaces or veth are not to be had: $(tail -n 2 $WORK/net.err)"
	# Whatever the host prefers: bbr paces, and what is measured then is the pacing.
	for lab_ns in $(net_names "$P"); do
		ip netns exec "$lab_ns" sh -c 'echo reno >/proc/sys/net/ipv4/tcp_congestion_control'
	done
	for lab_host in one two; do
		mkdir -m 755 $WORK/$lab_host
		for lab_size in $LAB_SIZES; do
			head -c "$lab_size" /dev/urandom >$WORK/$lab_host/"$lab_size"
			sha256sum <$WORK/$lab_host/"$lab_size" >$WORK/$lab_host/"$lab_size".sum
		done
	done
}

lab_configure() {
	cat >$WORK/live.yaml <<-END
		vip: $VIP:80
		backends:
		  - {name: one, address: 10.9.1.2:80}
		  - {name: two, address: 10.9.2.2:80}
		pools:
		  - {name: first, backends: [one]}
		  - {name: second, backends: [two]}
		  - {name: both, backends: [one, two]}
		rules:
		  - {host: one.example.org, pool: first}
		  - {host: two.example.org, pool: second}
		  - {pool: both}
		secret: 000102030405060708090a0b0c0d0e0f
		$LAB_LIVE
		$LAB_SWITCH
		$LAB_CONFIG
	END
}

lab_nginx_conf() { # HOST
	cat <<-END
		error_log $WORK/nginx.err;
		pid $WORK/nginx-$1.pid;
		daemon off;
		worker_processes $LAB_NGINX_WORKERS;
		events { worker_connections 1000; }
		http {
			access_log off;
			sendfile on;
			tcp_nopush on;
			keepalive_requests 1000000000;
			open_file_cache max=64;
			client_body_temp_path $WORK/$1-body;
			proxy_temp_path $WORK/$1-proxy;
			fastcgi_temp_path $WORK/$1-fastcgi;
			uwsgi_temp_path $WORK/$1-uwsgi;
			scgi_temp_path $WORK/$1-scgi;
			add_header X-Backend $1;
			server {
				listen 80 backlog=8192;
				root $WORK/$1;
			}
		}
	END
}

lab_agent() { # be1|be2 VERB OPTIONS...; pins are named after the interface, so each backend has a BPF file system
	lab_be=$1
	lab_verb=$2
	shift 2
	lab_in "$lab_be" "$BIN" agent "$lab_verb" --bpffs=$WORK/bpf-"$lab_be" "$@"
}

lab_attach() { # be1|be2
	lab_agent "$1" attach eth0 -f $WORK/live.yaml >$WORK/agent.out 2>$WORK/agent.err
}

# Agents and servers.
lab_serve() {
	for lab_be in be1 be2; do
		mkdir $WORK/bpf-$lab_be
		mount -t bpf bpf $WORK/bpf-$lab_be || lab_skip 'no BPF file system can be mounted'
		lab_attach $lab_be || lab_skip "no agent: $(cat $WORK/agent.err)"
	done
	for lab_pair in be1:one be2:two; do
		lab_nginx_conf ${lab_pair#*:} >$WORK/nginx-${lab_pair#*:}.conf
		# shellcheck disable=SC2086 # words
		lab_in ${lab_pair%:*} $LAB_ENDS nginx -c $WORK/nginx-${lab_pair#*:}.conf 2>>$WORK/nginx.err &
	done
	for lab_pair in be1:10.9.1.2 be2:10.9.2.2; do
		lab_await "nginx of ${lab_pair%:*}" \
			lab_in ${lab_pair%:*} curl -s -m 1 -o /dev/null http://${lab_pair#*:}/1024
	done
}

lab_up() {
	lab_build
	lab_configure
	lab_serve
}

# Within ten seconds or so.
lab_await() { # WHAT COMMAND...
	lab_what=$1
	shift
	lab_try=0
	until "$@" >/dev/null 2>&1; do
		lab_try=$((lab_try + 1))
		[ $lab_try -lt 200 ] || lab_fail "waited in vain: $lab_what"
		sleep 0.05
	done
}

lab_live_start() { # LAB_LIVE_OPTIONS
	: >$WORK/live.err
	# shellcheck disable=SC2086 # words
	# Not by lab_in: what is to be killed is the program itself.
	taskset -c $LAB_LB_CPU nsenter --net=/run/netns/"$P"-lb -- "$BIN" ${LAB_JSON--j} live -f $WORK/live.yaml ${LAB_LIVE_OPTIONS-} \
		>$WORK/live.json 2>$WORK/live.err &
	LIVE=$!
	lab_await 'miresga live is ready' grep -q 'live: ready' $WORK/live.err
}

lab_live_stop() {
	kill -TERM "$LIVE"
	wait "$LIVE" || lab_fail "miresga live: exit status $? after SIGTERM"
	grep -q '"schema": "miresga.live/1"' $WORK/live.json || lab_fail 'miresga live printed no counters'
}

lab_figure() { # NAME: a counter of live, after its end
	sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" $WORK/live.json | head -n 1
}

lab_agent_figure() { # be1|be2 NAME: a counter of that agent, now
	lab_agent "$1" -j status eth0 2>/dev/null | sed -n "s/.*\"$2\": \([0-9]*\).*/\1/p" | head -n 1
}

# The same bytes that the server has.
lab_same() { # HOST FILE, on standard input
	sha256sum | cmp -s - $WORK/"$1"/"$2".sum
}

lab_get() { # HOST FILE CURL OPTIONS...
	lab_host=$1
	lab_file=$2
	shift 2
	lab_in client curl -sS -m 30 -H "Host: $lab_host.example.org" "$@" "http://$VIP/$lab_file"
}

lab_fetch() { # HOST FILE
	lab_get "$1" "$2" 2>$WORK/curl.err | lab_same "$1" "$2"
}

lab_fetch_all() {
	for lab_host in one two; do
		for lab_size in $LAB_SIZES; do
			lab_fetch $lab_host "$lab_size" || lab_fail "other bytes: $lab_size of $lab_host"
		done
	done
}

# Requests on one connection, for one host, then for the other: curl's orders in across.curl. It prints connections that
# were opened, host, file, backend, seconds for each, and writes the bodies to across.1 and so on.
lab_across_write() { # FILE...
	lab_i=0
	for lab_size; do
		lab_i=$((lab_i + 1))
		[ $((lab_i % 2)) = 1 ] && lab_host=one || lab_host=two
		[ $lab_i = 1 ] || echo next
		printf '%s\n' silent show-error 'max-time = 30' "header = \"Host: $lab_host.example.org\"" \
			"url = \"http://$VIP/$lab_size\"" "output = \"$WORK/across.$lab_i\"" \
			"write-out = \"%{num_connects} $lab_host $lab_size %header{x-backend} %{time_total}\\n\""
	done >$WORK/across.curl
}

# All but the first move the connection.
lab_fetch_across() { # FILE...
	lab_across_write "$@"
	lab_in client curl -K $WORK/across.curl >$WORK/across.out 2>$WORK/curl.err || lab_fail 'across hosts: curl failed'
	lab_i=0
	while read -r lab_connects lab_host lab_size _; do
		lab_i=$((lab_i + 1))
		lab_same "$lab_host" "$lab_size" <$WORK/across.$lab_i ||
			lab_fail "across hosts: other bytes, request $lab_i ($lab_host, $lab_size)"
		[ $lab_i = 1 ] || [ "$lab_connects" = 0 ] || lab_fail "across hosts: request $lab_i opened a connection"
	done <$WORK/across.out
	[ $lab_i = $# ] || lab_fail "across hosts: $lab_i responses instead of $#"
}

lab_no_checksum_errors() {
	for lab_ns in client be1 be2; do
		# InCsumErrors is the last column.
		lab_errors=$(lab_in $lab_ns cat /proc/self/net/snmp | sed -n 's/^Tcp: [0-9].* \([0-9]*\)$/\1/p')
		[ "$lab_errors" = 0 ] || lab_fail "$lab_ns: $lab_errors TCP segments with a wrong checksum"
	done
}

# wrk over both hosts and all files of LAB_SIZES, every byte of every response compared. What it prints is in wrk.out.
lab_wrk() { # CONNECTIONS SECONDS [keep|close]
	# shellcheck disable=SC2086 # words
	lab_in client $LAB_ENDS wrk -t 1 -c "$1" -d "$2" --timeout 20 -s tests/lab/mixed.lua "http://$VIP/" -- $WORK \
		"${3:-keep}" $LAB_SIZES >$WORK/wrk.out 2>&1
}

# Ends the one that runs in the background; it reports what it has until then.
lab_wrk_stop() {
	ip netns pids "$P-client" | xargs -r kill -INT
}

# What the last lab_wrk has to say for itself; sets lab_requests.
lab_wrk_judge() {
	lab_requests=$(sed -n 's/^verified: \([0-9]*\) .*/\1/p' $WORK/wrk.out)
	[ "${lab_requests:-0}" -gt 0 ] || lab_fail "wrk: no response: $(cat $WORK/wrk.out)"
	if grep -qE 'Socket errors|Non-2xx|wrong' $WORK/wrk.out; then
		lab_fail "wrk: $(grep -E 'Socket errors|Non-2xx|wrong' $WORK/wrk.out | tr '\n' ' ')"
	fi
}

# Offloads of all interfaces.
lab_offloads() { # on|off
	for lab_if in client:eth0 be1:eth0 be2:eth0 lb:client0 lb:be1 lb:be2; do
		lab_in "${lab_if%:*}" ethtool -K "${lab_if#*:}" tx "$1" tso "$1" gso "$1" >/dev/null 2>&1 ||
			lab_skip "ethtool cannot switch offloads $1"
	done
}

[ -n "${LAB_INSIDE-}" ] || lab_enter "$@"
# The first process of its namespace is deaf to what it does not ask for.
trap 'exit 130' INT
trap 'exit 143' TERM
