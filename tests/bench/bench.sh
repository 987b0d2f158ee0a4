#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# bench.sh RELEASE_BUILD_DIR DEV_BUILD_DIR [STATE_DIR] - the figures of speed and size.
#
# The programs measured are those of the release build; the dev build lends the
# stand-ins for QEMU and qemu-img.  STATE_DIR (else $HOLOS_STATE_DIR, else
# build/state, where ./dev demo keeps its own) has the micro image for the row
# with a real guest; without one that row is skipped.  BENCH_PARTS names the parts to
# run ("many syncs"; the functions of bench.py, and "fetch"), else all run.  Figures are medians; what
# belongs together is run in turn; nothing here fails because it was slow, only
# because it did not work.
set -eu
if [ $# -lt 2 ] || [ $# -gt 3 ]; then
	echo "usage: bench.sh RELEASE_BUILD_DIR DEV_BUILD_DIR [STATE_DIR]" >&2
	exit 2
fi
top=$(cd "$(dirname "$0")/../.." && pwd)
release=$(cd "$1" && pwd)
dev=$(cd "$2" && pwd)
images=${3:-${HOLOS_STATE_DIR:-$top/build/state}}
cc=${CC:-cc}

# Socket paths have 107 bytes: the directory's name is short.
dir=$(mktemp -d /tmp/hbXXXXXX)
trap 'rm -rf "$dir"' EXIT
table=
stop() { # STATUS; the table's program ends all that it started
	[ -z "$table" ] || kill "$table" 2>/dev/null || :
	[ -z "$table" ] || wait "$table" || :
	exit "$1"
}
trap 'stop 130' INT
trap 'stop 143' TERM

flags="-std=gnu11 -O2 -D_GNU_SOURCE -I$top/core -I$top/sdk/include"
# shellcheck disable=SC2046,SC2086
{
	$cc $flags -o "$dir/empty" "$top/tests/bench/empty.c"
	$cc $flags -static -o "$dir/spawn" "$top/tests/bench/spawn.c"
	$cc $flags -o "$dir/calls" "$top/tests/bench/calls.c" "$release/core/libholos-core.a" \
		"$release/core/base/libholos-base.a" $(pkg-config --libs yaml-0.1 json-c)
}
python3 -B "$top/tests/bench/bench.py" "$release" "$dev" "$images" "$dir" &
table=$!
wait "$table"
case " ${BENCH_PARTS:-fetch} " in
*" fetch "*)
	python3 -B "$top/tests/bench/fetch.py" "$release" "$dir" &
	table=$!
	wait "$table"
	;;
esac
