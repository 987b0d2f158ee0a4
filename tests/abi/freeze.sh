#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# freeze.sh MINOR - keep the headers of ABI 1.MINOR, and what abidw says of them, for the
# gates in test_abi.py.  Done once, when that minor is released; never for a released one.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
minor=$1
to=$top/tests/abi/1.$minor/include/holos
mkdir -p "$to"
for h in "$top"/sdk/include/holos/*.h; do
	case $h in
	*/testkit.h) ;; # not part of the ABI
	*) cp "$h" "$to/" ;;
	esac
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${CC:-cc}" -std=c11 -g -O0 -fPIC -shared -DHOLOS_ABI_TARGET="$minor" -I"$top/sdk/include" \
	-o "$work/probe.so" "$top/tests/abi/probe.c"
mkdir -p "$top/sdk/abi"
abidw --no-corpus-path --no-comp-dir-path --no-show-locs --out-file "$top/sdk/abi/1.$minor.abi" "$work/probe.so"
