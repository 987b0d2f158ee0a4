#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# static.sh SOURCE_DIR - programs with every plugin linked in pass the tests of ring cli
# (HOLOS_STATIC_PLUGINS=all), and there is no plugin file that they could have used.
set -eu
cd "$1"
cmake --preset static >/dev/null
cmake --build build/static >/dev/null
if find build/static/lib/holos/plugins -name '*.so' | grep .; then
	echo "a static build has plugin files" >&2
	exit 1
fi
ctest --test-dir build/static -L '^cli$' -j "$(nproc)" --output-on-failure
