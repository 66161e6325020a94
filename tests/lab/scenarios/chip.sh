#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# chip.sh: with the latency of a chip's table, entries are late to come and late to go: downloads are whole all the
# same, also on connections that go back and forth between the hosts faster than entries are deleted.
cd "$(dirname "$0")/../../.." || exit 1
LAB_SWITCH='switch: {insertion_latency: 1ms, insertion_rate: 200k/s}'
. tests/lab/lab.sh

lab_up
lab_live_start
lab_fetch_all
lab_ok "files of $LAB_SIZES bytes over both hosts"
lab_fetch_across 1000000 65536 1024 10485760 1024 1000000 65536 1024 1024 1024 65536 65536 65536 1024
lab_ok 'one connection, fourteen requests that alternate between the hosts'
lab_live_stop
lab_done
