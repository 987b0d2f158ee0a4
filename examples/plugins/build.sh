#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build.sh OUTPUT_DIR - the examples with nothing but pkg-config and a compiler.
# PKG_CONFIG_PATH tells where holos-plugin-1.pc is.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
health=$here/../../plugins/health
out=$1
cc=${CC:-cc}
pkg=${PKG_CONFIG:-pkg-config}
holos=$($pkg --variable=holos holos-plugin-1)

plugin() { # KIND-NAME SOURCE...
	name=$1
	shift
	# shellcheck disable=SC2046
	$cc -O2 -Wall -Wextra -fPIC -fvisibility=hidden -I"$health/http" $($pkg --cflags holos-plugin-1) \
		$($pkg --variable=ldflags holos-plugin-1) -o "$out/holos-$name.so" "$@"
	chmod go-w "$out/holos-$name.so"
	"$holos" plugins manifest "$out/holos-$name.so" >"$out/holos-$name.json"
	chmod go-w "$out/holos-$name.json"
}

mkdir -p "$out"
chmod go-w "$out"
plugin image-dir "$here/image-dir/dir.c"
plugin net-none "$here/net-none/none.c"
plugin importer-quickemu "$here/importer-quickemu/quickemu.c" "$here/importer-quickemu/conf.c"
plugin provision-script "$here/provision-script/script.c"
plugin health-http "$health/http/http.c" "$health/http/answer.c" "$health/http/dial.c"
plugin health-tcp "$health/tcp/tcp.c" "$health/http/dial.c"
