#!/bin/sh
# fuzz.sh [TARGET] [SECONDS] - run a libFuzzer target (all: each in turn) for some time, 60 s
# unless told, under ASan and UBSan.  Findings are left in build/fuzz/findings.
set -eu
target=${1:-compose} seconds=${2:-60}
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$top/build/fuzz
[ -f "$top/tests/fuzz/$target.c" ] || {
	echo "fuzz: no target $target; there are: $(cd "$top/tests/fuzz" && printf '%s ' *.dict | sed 's/\.dict//g')" >&2
	exit 2
}
cmake -S "$top" -B "$build" -G Ninja -DCMAKE_C_COMPILER=clang-14 -DCMAKE_BUILD_TYPE=RelWithDebInfo \
	-DHOLOS_FUZZ=ON -DHOLOS_SANITIZE=address,undefined >/dev/null
cmake --build "$build" --target "fuzz-$target" >/dev/null
mkdir -p "$build/corpus-$target" "$build/findings"
set -- "$build/corpus-$target" "$top/tests/fuzz/corpus/$target"
[ "$target" != compose ] || set -- "$@" "$top/tests/data/compose/good" "$top/tests/data/compose/bad"
exec "$build/tests/fuzz-$target" -max_total_time="$seconds" -dict="$top/tests/fuzz/$target.dict" \
	-artifact_prefix="$build/findings/" "$@"
