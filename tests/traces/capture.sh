#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# capture.sh [-o DIR] [NAME...]: makes the captures of this directory (all, or those named) anew, and with each its
# digests (flows/NAME.tsv) and its row of MANIFEST.tsv.  README.md says what is in them.
#
#   client namespace               router namespace              server namespace
#   10.77.2.11 - 10.77.2.40  c0 -- r0  10.77.2.1 | 10.77.1.1  r1 -- s0  10.77.1.10:80 (the VIP): nginx
#
# Each capture gets a lab of its own, made of namespaces that did not exist before, so that no connection, route metric
# or file position is left over from the one before.  Everything this script starts or creates is known by process id or
# by its unique name, and goes when the script ends, however it ends; nothing outside of its namespaces is touched.
#
# tcpdump listens on r1, the server's side of the router: every byte that the server sent passes there, also those that
# a faulty path loses later, and what the path has done to the client's packets is done.  It is also where a load
# balancer's backends are seen from.  Only "loss" is taken on r0, too: the same connections as the client saw them.

set -euo pipefail
export LC_ALL=C

readonly VIP=10.77.1.10:80
readonly SEED=20250428
HERE=$(cd "$(dirname "$0")" && pwd)
readonly HERE
readonly ALL="keepalive two_hosts sizes chunked parallel40 loss upload pipelined slow_head close_modes options gso
	probes port_reuse seq_wrap demo"

die()
{
	echo "capture.sh: $*" >&2
	exit 1
}

usage()
{
	echo "usage: capture.sh [-o DIR] [NAME...]" >&2
	echo "names: $(echo "$ALL" | tr -s '\n\t' ' ')" >&2
	exit 2
}

# ---- the lab -------------------------------------------------------------------------------------------------------

in_client() { ip netns exec "$NS-c" "$@"; }
in_router() { ip netns exec "$NS-r" "$@"; }
in_server() { ip netns exec "$NS-s" "$@"; }

stop() # PID SIGNAL
{
	kill "-$2" "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

wait_for() # FILE TEXT
{
	local i
	for ((i = 0; i < 200; i++)); do
		grep -qs -- "$2" "$1" && return
		sleep 0.02
	done
	cat "$1" >&2
	die "$2 never appeared in $1"
}

lab_down()
{
	local pid name
	for pid in "${PIDS[@]}"; do
		stop "$pid" TERM
	done
	PIDS=()
	for name in c r s; do
		ip netns del "$NS-$name" 2>/dev/null || true
	done
}

cleanup()
{
	local status=$?
	trap - EXIT
	trap '' INT TERM HUP
	lab_down
	rm -rf "$TMP"
	exit "$status"
}

# The receive buffers stay so small that no flow can fill a veth's backlog, 1,000 packets, and lose some there.
namespace() # c|r|s
{
	ip netns add "$NS-$1"
	ip netns exec "$NS-$1" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 \
		net.ipv4.tcp_congestion_control=reno net.ipv4.tcp_no_metrics_save=1 \
		net.ipv4.tcp_rmem='4096 131072 262144'
	ip -n "$NS-$1" link set lo up
}

# Offloads off: what is captured is what a wire carries, segments of at most the MSS with whole checksums.
offloads() # on|off
{
	local pair
	for pair in c:c0 r:r0 r:r1 s:s0; do
		ip netns exec "$NS-${pair%:*}" ethtool -K "${pair#*:}" tx "$1" sg "$1" tso "$1" gso "$1" gro off >/dev/null 2>&1
	done
}

# A veth queues what it receives on the sender's CPU; with two CPUs at it, one flow overtakes itself.
one_cpu()
{
	local pair
	for pair in c:c0 r:r0 r:r1 s:s0; do
		ip netns exec "$NS-${pair%:*}" tee "/sys/class/net/${pair#*:}/queues/rx-0/rps_cpus" >/dev/null <<<1
	done
}

lab_up()
{
	local i
	namespace c
	namespace r
	namespace s
	ip link add c0 netns "$NS-c" address 02:77:00:00:00:01 type veth \
		peer name r0 netns "$NS-r" address 02:77:00:00:00:02
	ip link add r1 netns "$NS-r" address 02:77:00:00:00:03 type veth \
		peer name s0 netns "$NS-s" address 02:77:00:00:00:04
	for i in $(seq 11 40); do
		ip -n "$NS-c" addr add "10.77.2.$i/24" dev c0
	done
	ip -n "$NS-r" addr add 10.77.2.1/24 dev r0
	ip -n "$NS-r" addr add 10.77.1.1/24 dev r1
	ip -n "$NS-s" addr add 10.77.1.10/24 dev s0
	ip -n "$NS-c" link set c0 up
	ip -n "$NS-r" link set r0 up
	ip -n "$NS-r" link set r1 up
	ip -n "$NS-s" link set s0 up
	ip -n "$NS-c" route add default via 10.77.2.1
	ip -n "$NS-s" route add default via 10.77.1.1
	in_router sysctl -q -w net.ipv4.ip_forward=1
	offloads off
	one_cpu
	nginx_up
}

# Takes the router's kernel out of the path and puts the faulty wire in: the endpoints address each other's frames.
wire_faulty() # DROP_PERMILLE HOLD_PERMILLE
{
	in_router sysctl -q -w net.ipv4.ip_forward=0
	ip -n "$NS-c" neigh replace 10.77.2.1 lladdr 02:77:00:00:00:04 dev c0 nud permanent
	ip -n "$NS-s" neigh replace 10.77.1.1 lladdr 02:77:00:00:00:01 dev s0 nud permanent
	ip netns exec "$NS-r" "$TMP/lossy_forwarder" r0 r1 "$SEED" "$1" "$2" 2>"$TMP/forwarder.log" &
	PIDS+=($!)
	wait_for "$TMP/forwarder.log" ready
}

# ---- the server ----------------------------------------------------------------------------------------------------

# Lines of 1,024 octets: they compress well, but none is like another, so that bytes out of place are noticed.
body() # HOST NAME LINES
{
	awk -v tag="$1 $2 seed $SEED" -v lines="$3" 'BEGIN {
		while (length(filler) < 1024)
			filler = filler tag " the quick brown fox jumps over the lazy dog "
		for (line = 0; line < lines; line++)
			print substr(sprintf("%08d %s", line, filler), 1, 1023)
	}' >"$TMP/www/$1/$2"
}

site() # HOST
{
	mkdir -p "$TMP/www/$1"
	body "$1" 1k.txt 1
	body "$1" 10k.txt 10
	body "$1" 64k.txt 64
	body "$1" 100k.txt 100
	body "$1" 1m.txt 1024
	body "$1" 10m.txt 10240
	cat >"$TMP/www/$1/page.txt" <<-PAGE
		head of $1
		<!--# include virtual="/1k.txt" -->between<!--# include virtual="/10k.txt" -->
		<!--# include virtual="/64k.txt" -->tail of $1
	PAGE
	find "$TMP/www/$1" -type f -exec touch -d @1700000000 {} +
}

nginx_host() # HOST
{
	cat <<-CONF
		server {
			listen $VIP;
			server_name $1;
			root $TMP/www/$1;
			location /ssi/ { alias $TMP/www/$1/; ssi on; ssi_types text/plain; }
			location /trickle/ { alias $TMP/www/$1/; ssi on; ssi_types text/plain; limit_rate 64k; }
			location /gzip/ { alias $TMP/www/$1/; gzip on; gzip_types text/plain; gzip_min_length 1; }
			location /limit/ { alias $TMP/www/$1/; keepalive_requests 3; }
			location /idle/ { alias $TMP/www/$1/; keepalive_timeout 1s; }
			location /upload { proxy_pass http://127.0.0.1:8080; }
		}
	CONF
}

nginx_conf()
{
	cat <<-CONF
		daemon off;
		user nobody nogroup;
		worker_processes 1;
		pid $TMP/nginx.pid;
		error_log $TMP/nginx.log;
		events { worker_connections 512; }
		http {
			default_type text/plain;
			access_log off;
			keepalive_timeout 60s;
			client_max_body_size 16m;
			client_body_temp_path $TMP/nginx.body;
			proxy_temp_path $TMP/nginx.proxy;
			fastcgi_temp_path $TMP/nginx.fastcgi;
			uwsgi_temp_path $TMP/nginx.uwsgi;
			scgi_temp_path $TMP/nginx.scgi;
			$(nginx_host a.example)
			$(nginx_host b.example)
			server {
				listen 127.0.0.1:8080;
				location / { return 200 "\$request_method with \$content_length octets\n"; }
			}
		}
	CONF
}

nginx_up()
{
	nginx_conf >"$TMP/nginx.conf"
	ip netns exec "$NS-s" nginx -c "$TMP/nginx.conf" -e "$TMP/nginx.log" >"$TMP/nginx.out" 2>&1 &
	PIDS+=($!)
	local i
	for ((i = 0; i < 200; i++)); do
		in_server curl -s -o "$TMP/hello" "http://$VIP/1k.txt" && return
		sleep 0.02
	done
	cat "$TMP/nginx.out" "$TMP/nginx.log" >&2
	die "nginx does not answer"
}

# ---- the tap -------------------------------------------------------------------------------------------------------

tap_start() # INTERFACE FILE
{
	ip netns exec "$NS-r" tcpdump -n -i "$1" -s 0 -B 65536 -Z root --immediate-mode -U -w "$2" \
		'tcp port 80 and host 10.77.1.10' 2>"$2.log" &
	TAPS+=("$!:$2")
	PIDS+=($!)
	wait_for "$2.log" 'listening on'
}

# tcpdump drops what it has not read yet when it is stopped, so the files must have ceased to grow.
taps_stop()
{
	local tap size before=-1
	while sleep 0.5 && size=$(cat "${TAPS[@]#*:}" | wc -c) && [ "$size" -ne "$before" ]; do
		before=$size
	done
	for tap in "${TAPS[@]}"; do
		stop "${tap%%:*}" INT
		grep -q '^0 packets dropped by kernel' "${tap#*:}.log" || die "tcpdump lost packets: ${tap#*:}"
	done
	TAPS=()
}

count() # FILE FILTER
{
	tshark -n -r "$1" -Y "$2" -T fields -e frame.number 2>/dev/null | wc -l
}

# The capture must show what it is for.  Most of it is the kernels' doing, so it is looked for, not taken for granted.
expect() # NAME LEAST FILTER
{
	local n
	n=$(count "$TMP/$1.pcap" "$3")
	[ "$n" -ge "$2" ] || die "$1: $n packets match '$3', wanted at least $2"
	printf '  %-12s %6d  %s\n' "$1" "$n" "$3"
}

expect_none() # NAME FILTER
{
	local n
	n=$(count "$TMP/$1.pcap" "$2")
	[ "$n" -eq 0 ] || die "$1: $n packets match '$2', wanted none"
}

# At least LEAST connections that ask for both hosts.
expect_switch() # NAME LEAST
{
	local n
	n=$(tshark -n -r "$TMP/$1.pcap" -Y http.request -T fields -e tcp.stream -e http.host 2>/dev/null |
		awk '/a\.example/ { a[$1] } /b\.example/ { b[$1] } END { for (s in a) n += s in b; print n + 0 }')
	[ "$n" -ge "$2" ] || die "$1: $n connections ask for both hosts, wanted $2"
	printf '  %-12s %6d  connections ask for both hosts\n' "$1" "$n"
}

# Puts a finished capture into place.  One that is large for the tree is kept as .gz; the Makefile unpacks it.
keep() # NAME gz|plain WHAT...
{
	local name=$1 form=$2 file=$1.pcap rows
	shift 2
	[ "$name" = gso ] || [ "$(bad_checksums "$TMP/$name.pcap")" -eq 0 ] || die "$name: bad checksums"
	[[ $name == loss* ]] || expect_none "$name" tcp.analysis.out_of_order
	mkdir -p "$OUT/flows"
	"$HERE/digests.py" --tshark "$VIP" "$TMP/$name.pcap" >"$TMP/flows.tsv" || die "$name: digests disagree"
	rm -f "$OUT/$name.pcap" "$OUT/$name.pcap.gz"
	if [ "$form" = gz ]; then
		gzip -9 -n "$TMP/$name.pcap"
		file=$name.pcap.gz
	fi
	cp "$TMP/$file" "$OUT/$file"
	cp "$TMP/flows.tsv" "$OUT/flows/$name.tsv"
	rows=$(awk -F'\t' 'NR > 1 { n++; exact += $9 } END { printf "%d\t%d", n, exact }' "$TMP/flows.tsv")
	[ -e "$OUT/MANIFEST.tsv" ] || printf 'file\tvip\tflows\texact_flows\twhat\n' >"$OUT/MANIFEST.tsv"
	awk -F'\t' -v name="$name" '$1 != name ".pcap" && $1 != name ".pcap.gz"' "$OUT/MANIFEST.tsv" >"$TMP/manifest"
	printf '%s\t%s\t%s\t%s\n' "$file" "$VIP" "$rows" "$*" >>"$TMP/manifest"
	{ head -n 1 "$TMP/manifest"; tail -n +2 "$TMP/manifest" | sort; } >"$OUT/MANIFEST.tsv"
	echo "$file: ${rows/$'\t'/ flows, exact: }, $(stat -c %s "$OUT/$file") octets"
}

# ---- the clients ---------------------------------------------------------------------------------------------------

# curl from client address 10.77.2.N; hosts are named by a Host field so that one connection can serve both.
fetch() # N ARGUMENTS...
{
	local n=$1
	shift
	in_client curl -sS -o "$TMP/fetched.$BASHPID" --interface "10.77.2.$n" "$@"
}

# Appends to the array NEXT one more operation on the same connection.
next() # HOST PATH ARGUMENTS...
{
	local host=$1 path=$2
	shift 2
	[ ${#NEXT[@]} -eq 0 ] || NEXT+=(--next)
	NEXT+=(-sS -o "$TMP/fetched.$BASHPID" --interface "10.77.2.$CLIENT" -H "Host: $host" "$@" "http://$VIP$path")
}

# Sends what next() gathered, as one curl with one connection.
go()
{
	in_client curl "${NEXT[@]}"
	NEXT=()
}

# A load of wrk's: CONNECTIONS of them from 10.77.2.N for a second, each pausing between requests.
wrk_load() # N CONNECTIONS
{
	cat >"$TMP/wrk.lua" <<-'LUA'
		local n = 0
		function delay() return 150 end
		function request()
			n = n + 1
			wrk.headers["Host"] = (n % 5 == 0) and "b.example" or "a.example"
			return wrk.format("GET", (n % 12 == 0) and "/10k.txt" or "/1k.txt")
		end
	LUA
	in_client ip route replace default via 10.77.2.1 src "10.77.2.$1"
	ip netns exec "$NS-c" wrk -t 1 -c "$2" -d 1s -s "$TMP/wrk.lua" "http://$VIP/" >"$TMP/wrk.$1.out" 2>&1 &
	LOADS+=($!)
	PIDS+=($!)
	sleep 0.1
}

loads_wait()
{
	local pid
	for pid in "${LOADS[@]}"; do
		wait "$pid" || die "a client failed"
	done
	LOADS=()
}

odd_client() # SCENARIO
{
	in_client "$HERE/odd_client.py" "$1"
}

# ---- the captures --------------------------------------------------------------------------------------------------

make_keepalive()
{
	local i
	tap_start r1 "$TMP/keepalive.pcap"
	CLIENT=11
	for i in $(seq 1 8); do
		next a.example "/1k.txt?$i"
	done
	next a.example /10k.txt -I
	next a.example /10k.txt -H 'Range: bytes=100-4999'
	next a.example /10k.txt -H 'If-Modified-Since: Tue, 14 Nov 2023 22:13:20 GMT'
	next a.example /absent.txt
	next a.example /64k.txt
	next a.example /1k.txt
	go
	CLIENT=12
	for i in $(seq 1 12); do
		next b.example "/1k.txt?$i"
	done
	go
	taps_stop
	expect keepalive 26 http.request
	expect keepalive 1 'http.response.code == 304'
	expect keepalive 1 'http.response.code == 206'
	expect keepalive 1 'http.response.code == 404'
	keep keepalive plain "2 keep-alive connections, 14 and 12 requests: GET, HEAD, 206, 304, 404, 64 KiB"
}

make_two_hosts()
{
	local i
	tap_start r1 "$TMP/two_hosts.pcap"
	CLIENT=11
	for i in 1 2 3 4; do
		next a.example "/1k.txt?$i"
		next b.example "/10k.txt?$i"
	done
	go
	CLIENT=12
	next a.example /64k.txt
	next b.example /64k.txt
	next a.example /1k.txt
	go
	CLIENT=13
	next b.example /100k.txt
	next b.example /100k.txt
	next a.example /1k.txt
	next b.example /1k.txt
	go
	taps_stop
	expect_switch two_hosts 3
	expect two_hosts 4 'http.content_length >= 65536'
	keep two_hosts gz "3 connections that ask a.example and b.example in turn: small ones," \
		"64 KiB from each, two of 100 KiB before the switch"
}

make_sizes()
{
	local size
	tap_start r1 "$TMP/sizes.pcap"
	for size in 1k 10k 64k 100k 1m 10m; do
		fetch 11 -H 'Host: a.example' "http://$VIP/$size.txt"
	done
	CLIENT=12
	for size in 1k 10k 64k 100k 1m; do
		next b.example "/$size.txt"
	done
	go
	taps_stop
	expect sizes 1 'http.content_length == 10485760'
	expect sizes 2 'http.content_length == 1048576'
	expect sizes 7000 'tcp.len == 1448'
	keep sizes gz "1 KiB, 10 KiB, 64 KiB, 100 KiB, 1 MiB and 10 MiB: 6 connections from a.example," \
		"then all but the last on one connection from b.example"
}

make_chunked()
{
	tap_start r1 "$TMP/chunked.pcap"
	CLIENT=11
	next a.example /ssi/page.txt
	next b.example /ssi/page.txt
	next a.example /1k.txt
	next a.example /gzip/64k.txt -H 'Accept-Encoding: gzip'
	next b.example /gzip/1k.txt -H 'Accept-Encoding: gzip'
	next b.example /ssi/page.txt -I
	go
	fetch 12 -H 'Host: b.example' "http://$VIP/trickle/page.txt"
	fetch 13 --http1.0 -H 'Host: a.example' "http://$VIP/ssi/page.txt"
	taps_stop
	expect chunked 5 'http.transfer_encoding == "chunked" && http.response.code == 200'
	expect_switch chunked 1
	keep chunked gz "chunked responses: server-side includes (75 KiB), gzip, one paced by the server;" \
		"the same page in HTTP/1.0, ended by the close"
}

make_parallel40()
{
	local n
	tap_start r1 "$TMP/parallel40.pcap"
	for n in 21 22 23 24; do
		wrk_load "$n" 10
	done
	loads_wait
	taps_stop
	expect parallel40 40 'tcp.flags.syn == 1 && tcp.flags.ack == 0'
	expect parallel40 200 http.request
	expect_switch parallel40 8
	[ "$(concurrency "$TMP/parallel40.pcap")" -ge 40 ] || die "parallel40: fewer than 40 at once"
	keep parallel40 gz "wrk: 40 connections at the same time, 10 from each of 4 addresses, both hosts; and the 4" \
		"connections by which each wrk first tries the server, without a request"
}

# The most connections open at once, from the first SYN of each to its first FIN or RST.
concurrency() # FILE
{
	tshark -n -r "$1" -Y 'tcp.flags.syn == 1 || tcp.flags.fin == 1 || tcp.flags.reset == 1' -T fields \
		-e tcp.stream -e tcp.flags.syn 2>/dev/null | awk '
		$2 == 1 && !seen[$1]++ { if (++open > most) most = open }
		$2 == 0 && !done[$1]++ { open-- }
		END { print most + 0 }'
}

make_loss()
{
	local i
	wire_faulty 30 30
	tap_start r0 "$TMP/loss_client.pcap"
	tap_start r1 "$TMP/loss.pcap"
	for i in $(seq 1 24); do
		fetch $((10 + i)) --local-port $((40000 + i)) -H 'Host: a.example' "http://$VIP/1k.txt" &
		LOADS+=($!)
	done
	loads_wait
	CLIENT=11
	next a.example /1m.txt
	next b.example /64k.txt
	next b.example /upload --data-binary "@$TMP/www/a.example/100k.txt"
	next a.example /1k.txt
	go
	in_client sysctl -q -w net.ipv4.tcp_timestamps=0
	fetch 12 -H 'Host: b.example' "http://$VIP/100k.txt"
	in_client sysctl -q -w net.ipv4.tcp_sack=0
	fetch 13 -H 'Host: a.example' "http://$VIP/100k.txt"
	sleep 2
	taps_stop
	expect loss 1 'tcp.flags.syn == 1 && tcp.flags.ack == 1 && tcp.analysis.retransmission'
	expect loss_client 1 'tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.analysis.retransmission'
	expect loss 20 'tcp.analysis.retransmission || tcp.analysis.fast_retransmission'
	expect loss 20 'tcp.options.sack_le && ip.src != 10.77.1.10'
	expect loss 3 'tcp.options.sack_le && ip.src == 10.77.1.10'
	expect loss 3 'tcp.analysis.out_of_order && ip.dst == 10.77.1.10'
	expect loss 1 'tcp.options.sack.dsack'
	expect loss_client 10 'tcp.analysis.out_of_order && ip.src == 10.77.1.10'
	expect loss_client 10 'tcp.analysis.lost_segment && ip.src == 10.77.1.10'
	keep loss gz "3 % of the packets lost and 3 % reordered, either way; 24 small connections, 1 MiB, a switch of" \
		"host, a POST of 100 KiB, one flow without timestamps, one without SACK; seen at the server's side"
	keep loss_client gz "the connections of loss, seen at the client's side"
	same_flows loss loss_client
}

# Both sides of the faulty wire must have seen the same streams.
same_flows() # NAME NAME
{
	local name
	for name in "$@"; do
		awk -F'\t' '$9 == 1 && NR > 1 { print $1, $3, $7, $8 }' "$OUT/flows/$name.tsv" | sort >"$TMP/$name.streams"
	done
	cmp "$TMP/$1.streams" "$TMP/$2.streams" || die "$1 and $2 hold different streams"
}

make_upload()
{
	local www=$TMP/www/a.example
	tap_start r1 "$TMP/upload.pcap"
	CLIENT=11
	next a.example /upload --data-binary "@$www/1k.txt"
	next a.example /upload --data-binary "@$www/100k.txt"
	next b.example /upload --data-binary "@$www/10k.txt"
	next b.example /1k.txt
	go
	CLIENT=12
	next a.example /upload --data-binary "@$www/64k.txt" -H 'Transfer-Encoding: chunked' -H 'Expect:'
	next b.example /upload --data-binary "@$www/1k.txt" -H 'Transfer-Encoding: chunked' -H 'Expect:'
	next a.example /1k.txt
	go
	CLIENT=13
	next a.example /upload --data-binary "@$www/10k.txt" -H 'Expect: 100-continue'
	next b.example /upload --data-binary "@$www/64k.txt" -H 'Expect: 100-continue' -H 'Transfer-Encoding: chunked'
	next a.example /10k.txt
	go
	taps_stop
	expect upload 2 'http.response.code == 100'
	expect upload 3 'http.request && http.transfer_encoding == "chunked"'
	expect upload 7 'http.request.method == "POST"'
	expect_switch upload 3
	keep upload gz "POST bodies of 1 KiB to 100 KiB: with Content-Length, chunked, with Expect: 100-continue;" \
		"both hosts on each connection"
}

make_pipelined()
{
	tap_start r1 "$TMP/pipelined.pcap"
	odd_client pipelined
	taps_stop
	expect pipelined 3 'tcp.len > 250 && tcp.dstport == 80'
	expect_switch pipelined 3
	keep pipelined gz "pipelined requests: 6 in one segment, 6 for two hosts in one segment, one for the other host" \
		"during a 100 KiB response, heads cut anywhere, POST and GET together, with a half-close"
}

make_slow_head()
{
	tap_start r1 "$TMP/slow_head.pcap"
	odd_client slow_head
	taps_stop
	expect slow_head 41 'tcp.len == 1 && tcp.dstport == 80'
	expect slow_head 8 'tcp.len == 9 && tcp.dstport == 80'
	expect slow_head 1 'tcp.len == 1448 && tcp.dstport == 80'
	expect slow_head 3 'tcp.len == 20 && ip.src == 10.77.2.13'
	expect_switch slow_head 1
	keep slow_head plain "request heads in pieces: 9 octets per 30 ms, octet by octet, under Nagle's algorithm, a pause" \
		"inside the final CRLF CRLF, a head of 3 KiB"
}

make_close_modes()
{
	tap_start r1 "$TMP/close_modes.pcap"
	odd_client close_modes
	taps_stop
	expect close_modes 3 'tcp.flags.reset == 1 && tcp.dstport == 80'
	expect close_modes 2 'http.request.version == "HTTP/1.0"'
	expect close_modes 1 'tcp.flags.fin == 1 && tcp.len > 0 && tcp.srcport == 43004'
	expect close_modes 11 'tcp.flags.syn == 1 && tcp.flags.ack == 0'
	keep close_modes gz "11 connections that end in other ways: HTTP/1.0 with and without keep-alive," \
		"Connection: close, client half-close (FIN with the request, FIN after it), reset in a response," \
		"close without reading, reset when idle, keepalive_requests, keepalive_timeout, one without a request"
}

# What one side refuses to negotiate.  Each variant has its own client address, so that the flows are told apart.
make_options()
{
	local n=11 knob
	tap_start r1 "$TMP/options.pcap"
	variant $n
	for knob in timestamps sack window_scaling; do
		in_client sysctl -q -w "net.ipv4.tcp_$knob=0"
		variant $((++n))
		in_client sysctl -q -w "net.ipv4.tcp_$knob=1"
	done
	for knob in timestamps sack window_scaling; do
		in_server sysctl -q -w "net.ipv4.tcp_$knob=0"
		variant $((++n))
		in_server sysctl -q -w "net.ipv4.tcp_$knob=1"
	done
	in_client sysctl -q -w net.ipv4.tcp_timestamps=0 net.ipv4.tcp_sack=0 net.ipv4.tcp_window_scaling=0
	variant $((++n))
	in_client sysctl -q -w net.ipv4.tcp_timestamps=1 net.ipv4.tcp_sack=1 net.ipv4.tcp_window_scaling=1
	in_client sysctl -q -w net.ipv4.tcp_ecn=1
	variant $((++n))
	in_client ip route replace default via 10.77.2.1 advmss 536
	variant $((++n))
	taps_stop
	expect options 1 'tcp.flags.syn == 1 && ip.src == 10.77.2.12 && !tcp.options.timestamp'
	expect options 1 'tcp.flags.syn == 1 && ip.src == 10.77.2.13 && !tcp.options.sack_perm'
	expect options 1 'tcp.flags.syn == 1 && ip.src == 10.77.2.14 && !tcp.options.wscale'
	expect options 1 'tcp.flags.syn == 1 && ip.dst == 10.77.2.15 && !tcp.options.timestamp'
	expect options 1 'tcp.flags.syn == 1 && ip.dst == 10.77.2.16 && !tcp.options.sack_perm'
	expect options 1 'tcp.flags.syn == 1 && ip.dst == 10.77.2.17 && !tcp.options.wscale'
	expect options 1 'tcp.flags.syn == 1 && ip.src == 10.77.2.18 && tcp.hdr_len == 24'
	expect options 1 'tcp.flags.syn == 1 && ip.src == 10.77.2.19 && tcp.flags.ece == 1 && tcp.flags.cwr == 1'
	expect options 1 'tcp.flags.syn == 1 && ip.src == 10.77.2.20 && tcp.options.mss_val == 536'
	keep options gz "10 flows, .11 to .20: all options; without timestamps, SACK, window scaling (first the client" \
		"refuses, then the server); the client with MSS alone; asking for ECN; with an MSS of 536"
}

variant() # N
{
	CLIENT=$1
	next a.example /64k.txt
	next b.example /upload --data-binary "@$TMP/www/a.example/10k.txt"
	go
}

make_gso()
{
	offloads on
	tap_start r1 "$TMP/gso.pcap"
	fetch 11 -H 'Host: a.example' "http://$VIP/1m.txt"
	CLIENT=12
	next a.example /100k.txt
	next b.example /upload --data-binary "@$TMP/www/a.example/100k.txt"
	next b.example /64k.txt
	go
	taps_stop
	expect gso 10 'tcp.len > 1460 && ip.src == 10.77.1.10'
	expect gso 1 'tcp.len > 1460 && ip.dst == 10.77.1.10'
	expect gso 1 'ip.len > 40000'
	[ "$(bad_checksums "$TMP/gso.pcap")" -ge 10 ] || die "gso: the checksums are whole"
	keep gso gz "segmentation and checksum offload on: segments of up to 64 KiB with partial checksums; 1 MiB," \
		"100 KiB, 64 KiB, a POST of 100 KiB, a switch of host"
}

bad_checksums() # FILE
{
	tshark -n -o tcp.check_checksum:TRUE -r "$1" -Y 'tcp.checksum.status == "Bad"' -T fields -e frame.number \
		2>/dev/null | wc -l
}

make_probes()
{
	tap_start r1 "$TMP/probes.pcap"
	odd_client probes
	taps_stop
	expect probes 1 tcp.analysis.zero_window
	expect probes 2 'tcp.analysis.keep_alive && ip.src == 10.77.1.10'
	expect probes 2 'tcp.analysis.keep_alive && ip.src == 10.77.2.12'
	expect_switch probes 1
	keep probes plain "a reader that stops: zero window, its probes, window updates; an idle client's keep-alive probes," \
		"then the other host"
}

make_port_reuse()
{
	tap_start r1 "$TMP/port_reuse.pcap"
	odd_client port_reuse
	taps_stop
	expect port_reuse 5 'tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.srcport == 45001'
	keep port_reuse plain "one client port, 5 connections: the server closed 3, the client reset 2 (k is 0 to 4)"
}

make_seq_wrap()
{
	tap_start r1 "$TMP/seq_wrap.pcap"
	odd_client seq_wrap
	taps_stop
	expect seq_wrap 4 'tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.seq_raw > 4294900000'
	expect seq_wrap 8 'tcp.dstport == 80 && tcp.len > 0 && tcp.seq_raw < 100000'
	expect_switch seq_wrap 3
	keep seq_wrap gz "client sequence numbers that pass 2^32: in a request head, between requests, in a body, right" \
		"after the SYN"
}

# One of the demo's twelve clients, which begin one after the other and then go on together.
demo_client() # N
{
	CLIENT=$1
	case $1 in
	11 | 12 | 13 | 14)
		fetch "$1" -H 'Host: a.example' "http://$VIP/1k.txt"
		fetch "$1" -H 'Host: b.example' "http://$VIP/1k.txt"
		fetch "$1" --http1.0 -H 'Host: b.example' "http://$VIP/10k.txt"
		return
		;;
	15 | 16 | 17)
		next a.example "/1k.txt?$1"
		next b.example "/1k.txt?$1"
		next a.example /absent.txt
		;;
	18)
		next a.example /64k.txt
		next b.example /1k.txt
		;;
	19) next a.example /1m.txt ;;
	20) next b.example /1m.txt ;;
	21)
		next a.example /upload --data-binary "@$TMP/www/a.example/10k.txt"
		next a.example /gzip/64k.txt -H 'Accept-Encoding: gzip'
		;;
	22) next b.example /10k.txt ;;
	esac
	go
}

make_demo()
{
	local n
	tap_start r1 "$TMP/demo.pcap"
	for n in $(seq 11 22); do
		demo_client "$n" &
		LOADS+=($!)
		sleep 0.01
	done
	loads_wait
	taps_stop
	expect demo 20 'tcp.flags.syn == 1 && tcp.flags.ack == 0'
	expect demo 28 http.request
	expect demo 3 'http.content_length >= 65536'
	expect_switch demo 4
	keep demo gz "20 connections from 12 addresses, 28 requests of both hosts: three elephants (64 KiB, 1 MiB," \
		"1 MiB), switches of host, a POST, a chunked response"
}

# ---- the run -------------------------------------------------------------------------------------------------------

capture() # NAME
{
	lab_up
	"make_$1"
	lab_down
}

OUT=$HERE
while getopts o: option; do
	case $option in
	o) OUT=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ "$(id -u)" -eq 0 ] || { echo "capture.sh: needs root, to make network namespaces and to capture" >&2; exit 2; }
missing=()
for tool in awk cc curl ethtool gzip ip nginx python3 sysctl tcpdump tshark wrk; do
	command -v "$tool" >/dev/null || missing+=("$tool")
done
[ ${#missing[@]} -eq 0 ] || { echo "capture.sh: not installed: ${missing[*]}" >&2; exit 2; }

read -r -a names <<<"$(echo "$ALL" | tr '\n\t' '  ')"
for name in "$@"; do
	[[ " ${names[*]} " == *" $name "* ]] || { echo "capture.sh: no capture is called $name" >&2; usage; }
done
[ $# -eq 0 ] || names=("$@")

NS=miresga-$$
PIDS=() TAPS=() LOADS=() NEXT=()
CLIENT=11
TMP=$(mktemp -d)
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
chmod 755 "$TMP"
mkdir -p "$OUT"
cc -std=gnu11 -O2 -Wall -Wextra -o "$TMP/lossy_forwarder" "$HERE/lossy_forwarder.c"
site a.example
site b.example
for name in "${names[@]}"; do
	capture "$name"
done
