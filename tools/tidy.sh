#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# tidy.sh: everything about the source that a machine can judge without running it. Each check
# below is one function; all run, and any that found something makes the whole fail.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

cc=${CC:-gcc}
pkg_config=${PKG_CONFIG:-pkg-config}
includes=(-Iinclude -isystem "${LLHTTP_INCLUDE:-/usr/share/include}")
core=(src/net src/packet src/switch src/frontend src/agent)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

mapfile -t c_files < <(find src sim tests -name '*.c' ! -path 'src/bpf/*' | sort)
mapfile -t h_files < <(find include src sim tests -name '*.h' | sort)
mapfile -t public_headers < <(cd include && find miresga -name '*.h' | sort)
mapfile -t scripts < <(grep -rlE --include='*' '^#!.*\b(ba|da)?sh\b' tools tests .ci 2>/dev/null | sort)
mapfile -t texts < <(find . -path ./.git -prune -o -path ./build -prune -o -path ./tests/fuzz/corpus -prune -o -type f \
	! -name '*.gz' ! -name '*.pcap' ! -name '*.pcapng' -print | sort)
read -ra packages <<<"$("$pkg_config" --cflags libpcap yaml-0.1 jansson check 2>/dev/null)"

check_format() {
	clang-format --dry-run -Werror "${c_files[@]}" "${h_files[@]}"
}

# What every .c and .h begins with.
check_licence_lines() {
	local file bad=0
	for file in "${c_files[@]}" "${h_files[@]}"; do
		head -n 1 "$file" | grep -q 'SPDX-License-Identifier: ' && continue
		echo "$file:1: no SPDX line"
		bad=1
	done
	return $bad
}

# Each public header alone, twice, and all of them in both orders.
check_headers() {
	local flags=(-std=gnu11 -Wall -Wextra -Werror -fsyntax-only "${includes[@]}") h bad=0
	for h in "${public_headers[@]}"; do
		printf '#include "%s"\n#include "%s"\n' "$h" "$h" >"$scratch/header.c"
		"$cc" "${flags[@]}" "$scratch/header.c" || { echo "include/$h does not compile alone"; bad=1; }
	done
	printf '#include "%s"\n' "${public_headers[@]}" >"$scratch/order.c"
	sort -r "$scratch/order.c" >"$scratch/reverse.c"
	"$cc" "${flags[@]}" "$scratch/order.c" "$scratch/reverse.c" || bad=1
	return $bad
}

check_cppcheck() {
	cppcheck --quiet --std=c11 --language=c -j2 --error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability \
		--suppress=missingIncludeSystem --suppress='*:/usr/*' -D__linux__ -D__x86_64__ \
		-D__BYTE_ORDER__=1234 -D__ORDER_LITTLE_ENDIAN__=1234 \
		-Iinclude -isrc/bpf src sim
}

# Big-endian types are distinct only under sparse (wire.h). What it says of system headers is not ours.
check_sparse() {
	local file
	for file in "${c_files[@]}"; do
		case $file in tests/*) continue ;; esac
		sparse -std=gnu11 -Wno-decl -Wno-non-pointer-null -DMIRESGA_VERSION='"0"' "${includes[@]}" \
			"${packages[@]}" "$file" 2>&1
	done | grep -E '^(src|sim|include)/' >"$scratch/sparse"
	cat "$scratch/sparse"
	[ ! -s "$scratch/sparse" ]
}

check_function_length() {
	awk 'FNR == 1 { start = 0 }
		/^[A-Za-z_].*\)[ ]*$/ { name = $0 }
		/^\{/ { start = FNR }
		/^\}/ { if (start && FNR - start > 70) { printf "%s:%d: %d lines: %s\n", FILENAME, start, FNR - start, name; bad = 1 }
			start = 0 }
		END { exit bad }' "${c_files[@]}" "${h_files[@]}"
}

# Calls, not words: comments and strings may say what they like, hence the preprocessor.
calls_in() { # PATTERN FILE...
	local pattern=$1
	shift
	awk -v pattern="(^|[^A-Za-z0-9_.>\"])(${pattern})[ ]*\\\\(" '
		FNR == 1 { comment = 0 }
		{ line = $0; gsub(/"([^"\\]|\\.)*"/, "\"\"", line) }
		comment && line ~ /\*\// { sub(/.*\*\//, "", line); comment = 0 }
		comment { next }
		{ gsub(/\/\*.*\*\//, "", line) }
		line ~ /\/\*/ { sub(/\/\*.*/, "", line); comment = 1 }
		line ~ pattern { printf "%s:%d: %s\n", FILENAME, FNR, $0; bad = 1 }
		END { exit bad }' "$@"
}

check_banned_calls() {
	local bad=0 core_files
	mapfile -t core_files < <(find "${core[@]}" -name '*.[ch]' ! -path '*/core.h' | sort)
	calls_in 'strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|rand|srand|random|srandom' \
		"${c_files[@]}" "${h_files[@]}" || bad=1
	[ ${#core_files[@]} = 0 ] ||
		calls_in 'time|clock|gettimeofday|clock_gettime|fopen|open|socket|getenv|system|sleep|usleep|nanosleep' \
			"${core_files[@]}" || { echo "(the core takes time and chance as arguments, and touches no file)"; bad=1; }
	return $bad
}

check_shell() {
	shellcheck "${scripts[@]}"
}

check_whitespace() {
	local bad=0 file
	grep -nIE '[[:blank:]]+$' "${texts[@]}" && bad=1
	grep -nIE '\b(TODO|FIXME|XXX)\b' "${c_files[@]}" "${h_files[@]}" Makefile && bad=1
	for file in "${texts[@]}"; do
		[ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] || { echo "$file: no newline at the end"; bad=1; }
	done
	return $bad
}

failed=()
for check in format licence_lines headers cppcheck sparse function_length banned_calls shell whitespace; do
	if "check_$check" >"$scratch/out" 2>&1; then
		printf '%-16s ok\n' "$check"
	else
		printf '%-16s FAILED\n' "$check"
		sed 's/^/    /' "$scratch/out"
		failed+=("$check")
	fi
done
[ ${#failed[@]} = 0 ]
