#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# show.sh: `make lab`: downloads through the whole of it, in a table, and the counters of all who took part.
cd "$(dirname "$0")/../.." || exit 1
LAB_SIZES='1024 10240 65536 102400 1000000 10485760'
. tests/lab/lab.sh

bold=
plain=
[ ! -t 1 ] || {
	bold=$(printf '\033[1m')
	plain=$(printf '\033[0m')
}
wrong=0

title() {
	printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

row() {
	printf '  %-10s  %-16s  %-7s  %-10s  %-8s  %9s\n' "$@"
}

line() { # HOST FILE CONNECTION BACKEND SECONDS BODY
	if lab_same "$1" "$2" <"$6"; then
		same=ok
	else
		same=WRONG
		wrong=$((wrong + 1))
	fi
	[ "$4" = "$1" ] || wrong=$((wrong + 1))
	row "$2" "$1.example.org" "$4" "$3" "$same" "$(echo "$5" | awk '{ printf "%.2f ms", 1000 * $1 }')"
}

heading() {
	row bytes host backend connection sha256 time
}

downloads() {
	title 'Downloads, a connection each'
	heading
	for host in one two; do
		for size in $LAB_SIZES; do
			lab_get $host "$size" -D $WORK/head -o $WORK/body -w '%{time_total}' >$WORK/time 2>$WORK/curl.err
			line $host "$size" new "$(backend_in $WORK/head)" "$(cat $WORK/time)" $WORK/body
		done
	done
}

backend_in() { # FILE of a response head
	sed -n 's/^X-Backend: \([a-z]*\).*/\1/p' "$1" | head -n 1
}

# Requests that alternate between the hosts: all but the first move the connection to the other backend.
across() {
	title 'One connection, requests for both hosts in turn: it moves between the backends'
	heading
	# shellcheck disable=SC2086 # words
	lab_across_write $LAB_SIZES $LAB_SIZES
	lab_in client curl -K $WORK/across.curl >$WORK/across.out 2>$WORK/curl.err
	i=0
	while read -r connects host size backend seconds; do
		i=$((i + 1))
		[ "$connects" = 0 ] && connection=kept || connection=new
		[ "$connection" = kept ] || [ $i = 1 ] || wrong=$((wrong + 1))
		line "$host" "$size" "$connection" "$backend" "$seconds" "$WORK/across.$i"
	done <$WORK/across.out
	[ $i = 12 ] || wrong=$((wrong + 1))
}

lab_up
printf '%s\n' \
	'client 10.9.0.2 ── load balancer, VIP 10.9.0.10:80 ─┬─ be1 10.9.1.2: nginx, agent; serves one.example.org' \
	'                                                    └─ be2 10.9.2.2: nginx, agent; serves two.example.org'
LAB_JSON=
lab_live_start
downloads
across
lab_no_checksum_errors
for be in be1 be2; do
	title "The agent of $be"
	lab_agent $be status | sed 1d | grep -v 'not counted'
done
title 'The load balancer'
kill -TERM "$LIVE"
wait "$LIVE" || lab_fail "miresga live: exit status $?"
sed 's/^/  /' $WORK/live.json
printf '\n%s\n' 'All of it is taken down.'
[ $wrong = 0 ] || lab_fail "$wrong rows of the tables are not as they should be"
