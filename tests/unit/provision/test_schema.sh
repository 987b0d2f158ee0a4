#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# test_schema.sh MAKESEED STEPS-DIR - cloud-init accepts the user-data, and
# its network code the network-config, of every steps/*.json.  Skipped where
# cloud-init or isoinfo is missing (CLOUD_INIT names another program).

set -u
makeseed=$1
steps=$2
cloud_init=${CLOUD_INIT:-cloud-init}
command -v "$cloud_init" >/dev/null || exit 77
command -v isoinfo >/dev/null || exit 77
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

for json in "$steps"/*.json; do
	name=${json##*/}
	if ! "$makeseed" "$json" "$steps/host_key" "$tmp/seed.iso"; then
		echo "not ok: $name: no seed"
		failed=1
		continue
	fi
	isoinfo -R -x /user-data -i "$tmp/seed.iso" >"$tmp/user-data"
	if ! "$cloud_init" schema --config-file "$tmp/user-data" >"$tmp/out" 2>&1 ||
	   ! grep -q '^Valid' "$tmp/out"; then
		echo "not ok: $name: user-data"
		cat "$tmp/out"
		failed=1
	fi
	isoinfo -R -x /network-config -i "$tmp/seed.iso" >"$tmp/network-config"
	if [ -s "$tmp/network-config" ] &&
	   ! "$cloud_init" devel net-convert -p "$tmp/network-config" -k yaml -d "$tmp/net" \
		-D debian -O netplan >"$tmp/out" 2>&1; then
		echo "not ok: $name: network-config"
		cat "$tmp/out"
		failed=1
	fi
done
exit $failed
