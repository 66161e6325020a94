#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deps.sh [--check] GROUP...: finds what is missing of the packages that a group needs and
# installs it through apt-get, after printing the command. GROUP: build, bpf, xdp (optional:
# libxdp, for the agent to join its dispatcher), test, lab, versus (what tests/lab/compare compares with), tidy.
# --check only says what is missing. Where there is no apt-get, the list is printed and that is all.
set -euo pipefail

# group, kind, what to look for, Debian package that has it
table() {
	cat <<-'END'
	build command CC                      gcc
	build command make                    make
	build command pkg-config              pkg-config
	build command gzip                    gzip
	build header  stdio.h                 libc6-dev
	build header  pcap/pcap.h             libpcap-dev
	build header  yaml.h                  libyaml-dev
	build header  jansson.h               libjansson-dev
	build header  check.h                 check
	build file    LLHTTP_SOURCE/llhttp.c  node-llhttp
	bpf   command BPF_CLANG               clang
	bpf   command BPFTOOL                 bpftool
	bpf   header  bpf/libbpf.h            libbpf-dev
	bpf   header  libelf.h                libelf-dev
	xdp   header  xdp/libxdp.h            libxdp-dev
	test  command xdp-loader              xdp-tools
	test  command tshark                  tshark
	test  command python3                 python3
	test  command gdb                     gdb
	test  command mandoc                  mandoc
	test  command zsh                     zsh
	lab   command nginx                   nginx-light
	lab   command curl                    curl
	lab   command wrk                     wrk
	lab   command ip                      iproute2
	lab   command ethtool                 ethtool
	lab   command unshare                 util-linux
	lab   command python3                 python3
	versus command haproxy                haproxy
	tidy  command clang                   clang
	tidy  command clang-format            clang-format
	tidy  command cppcheck                cppcheck
	tidy  command sparse                  sparse
	tidy  command shellcheck              shellcheck
	END
}

cc=${CC:-gcc}

have() { # kind what
	case $1 in
	command) command -v "$2" >/dev/null 2>&1 ;;
	file) [ -e "$2" ] ;;
	header)
		if command -v "${cc%% *}" >/dev/null 2>&1; then
			# shellcheck disable=SC2086 # CC may carry flags
			echo "#include <$2>" | $cc -E -x c - >/dev/null 2>&1
		else
			[ -e "/usr/include/$2" ]
		fi
		;;
	esac
}

missing() { # GROUP...
	local group kind what package
	table | while read -r group kind what package; do
		[[ " $* " == *" $group "* ]] || continue
		what=${what/#LLHTTP_SOURCE/${LLHTTP_SOURCE:-/usr/share/llhttp}}
		what=${what/#BPF_CLANG/${BPF_CLANG:-clang}}
		what=${what/#BPFTOOL/${BPFTOOL:-/usr/sbin/bpftool}}
		if [ "$what" = CC ]; then
			what=${cc%% *}
			# Debian calls the package as the command, gcc-12 and clang-16 included.
			[ "$what" = cc ] || package=${what##*/}
		fi
		have "$kind" "$what" </dev/null || echo "$package"
	done | sort -u
}

install_packages() { # PACKAGE...
	local sudo=()
	[ "$(id -u)" = 0 ] || sudo=(sudo)
	echo "Missing packages: $*"
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "There is no apt-get here. Install the equivalents of these Debian packages and try again." >&2
		return 1
	fi
	if [ ${#sudo[@]} -gt 0 ] && ! command -v sudo >/dev/null 2>&1; then
		echo "Run as root: apt-get install -y --no-install-recommends $*" >&2
		return 1
	fi
	echo "\$ ${sudo[*]:+${sudo[*]} }apt-get update && ${sudo[*]:+${sudo[*]} }apt-get install -y --no-install-recommends $*"
	# A package list that cannot be refreshed may still be good enough.
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update ||
		echo "apt-get update failed; trying with the package lists that are there." >&2
	"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"
}

check_only=no
if [ "${1:-}" = --check ]; then
	check_only=yes
	shift
fi
for group in "${@:-none}"; do
	case $group in
	build | bpf | xdp | test | lab | versus | tidy) ;;
	*)
		echo "usage: tools/deps.sh [--check] build|bpf|xdp|test|lab|versus|tidy..." >&2
		exit 2
		;;
	esac
done
mapfile -t packages < <(missing "$@")
[ ${#packages[@]} -gt 0 ] || exit 0
if [ $check_only = yes ]; then
	echo "Missing packages: ${packages[*]}" >&2
	case " $* " in
	*" lab "*) echo "'make lab-deps' installs them." >&2 ;;
	*) echo "'make deps' installs them." >&2 ;;
	esac
	exit 1
fi
install_packages "${packages[@]}"
mapfile -t packages < <(missing "$@")
if [ ${#packages[@]} -gt 0 ]; then
	echo "Still missing after the installation: ${packages[*]}" >&2
	exit 1
fi
