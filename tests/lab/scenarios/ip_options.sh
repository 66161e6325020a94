#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# ip_options.sh: a client whose packets carry IPv4 options: every offset behind the IP header is another one.
cd "$(dirname "$0")/../../.." || exit 1
LAB_SIZES='1024 65536 1000000'
LAB_TOOLS='curl nginx sha256sum python3'
. tests/lab/lab.sh

lab_up
lab_live_start
# four NOPs; router alert (RFC 2113); a time stamp option (RFC 791) with room for one, and an end of options
for options in 01010101 94040000 44080500000000000101010100000000; do
	for host in one two; do
		for size in $LAB_SIZES; do
			lab_in client tests/lab/peer.py get $VIP $host "$size" $options 2>$WORK/curl.err |
				lab_same $host "$size" || lab_fail "$size bytes of $host with the IP options $options"
		done
	done
	lab_ok "files of $LAB_SIZES bytes over both hosts with the IP options $options"
done
lab_no_checksum_errors
lab_offloads off
lab_in client tests/lab/peer.py get $VIP one 65536 94040000 2>$WORK/curl.err | lab_same one 65536 ||
	lab_fail 'with IP options and without offloads'
lab_no_checksum_errors
lab_ok 'the same without offloads; no wrong checksum'
lab_live_stop
lab_done
