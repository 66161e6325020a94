#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# offloads_off.sh: no checksum and no segmentation is left to the interfaces: every checksum that agent and switch
# have changed is looked at by the receiver.
cd "$(dirname "$0")/../../.." && . tests/lab/lab.sh

lab_up
lab_offloads off
lab_live_start
lab_fetch_all
lab_fetch_across 65536 1000000 1024 65536
lab_ok "files of $LAB_SIZES bytes over both hosts, and across hosts"
lab_no_checksum_errors
lab_ok 'TcpInCsumErrors is 0 everywhere'
lab_live_stop
lab_done
