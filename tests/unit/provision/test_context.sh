#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# test_context.sh SHELL MAKESEED - the context disk, written by the plugin and
# read by the script it begins with, under a shell that a guest may have (dash
# with the tools of this machine, busybox with its own).
set -u
shell=$1
makeseed=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

command -v "$shell" >/dev/null || exit 77
tools=$PATH
if [ "$shell" = busybox ]; then
	mkdir "$tmp/bin"
	for tool in dd head mkdir tar xargs chmod chown tr; do
		ln -s "$(command -v busybox)" "$tmp/bin/$tool"
	done
	shell="busybox sh"
	tools=$tmp/bin:$PATH
fi

check() { # WHAT EXPECTED GOT
	[ "$2" = "$3" ] && return
	printf 'FAIL %s\n  expected: %s\n  got:      %s\n' "$1" "$2" "$3"
	failed=$((failed + 1))
}

# ---- a context ------------------------------------------------------------------
c=$tmp/context
mkdir -p "$c/tree/sub dir/deep" "$c/tree/empty" "$c/tree/lib"
long=$(printf 'x%.0s' $(seq 1 180))
mkdir "$c/tree/$long"
echo one >"$c/tree/one"
echo two >"$c/tree/sub dir/two"
echo three >"$c/tree/sub dir/deep/it's \$three"
echo four >"$c/tree/$long/$long"
echo lib >"$c/tree/lib/new"
: >"$c/tree/nothing"
head -c 300000 /dev/zero | tr '\000' 'z' >"$c/tree/big"
ln -s one "$c/tree/link"
ln -s /nowhere "$c/tree/dangling"
chmod 750 "$c/tree/one"
chmod 4711 "$c/tree/big"
chmod 700 "$c/tree/empty"

python3 - "$c/tree" >"$tmp/steps.json" <<'END'
import json, os, sys
root = sys.argv[1]
entries = []
for d, dirs, files in os.walk(root):
    for n in sorted(dirs + files):
        p = os.path.join(d, n)
        e = {"path": os.path.relpath(p, root)}
        if os.path.islink(p):
            e.update(type="link", to=os.readlink(p))
        else:
            e["mode"] = os.stat(p).st_mode & 0o7777
            if os.path.isdir(p):
                e["type"] = "dir"
            else:
                e["from"] = os.path.relpath(p, os.path.dirname(root))
        entries.append(e)
print(json.dumps({"format": 1, "instance_id": "i", "hostname": "h", "user": {"name": "u"},
                  "context": os.path.dirname(root),
                  "copies": [{"entries": entries},
                             {"entries": [{"path": "text", "content": "a\nb", "mode": 0o600}]},
                             {"entries": []}]}))
END

"$makeseed" "$tmp/steps.json" - "$tmp/seed" 1 "$tmp/disk" || exit 1

# ---- as a guest -------------------------------------------------------------------
# A guest's link to a directory stays one (/lib), a file in the way is replaced.
mkdir -p "$tmp/out/usr/lib"
ln -s usr/lib "$tmp/out/lib"
echo old >"$tmp/out/one"
cat >"$tmp/run" <<'END'
context=$1
out=$2
owner=$3
dd if="$context" bs=65536 count=4 2>/dev/null | tr -d '\000' >"$context.sh"
. "$context.sh"
unpack 0 "$out" "$owner" || exit 1
unpack 1 "$out/made/for it" "$owner" || exit 1
unpack 2 "$out/none" "$owner" || exit 1
unpack 3 "$out/none" "$owner" && exit 1
exit 0
END
PATH=$tools $shell "$tmp/run" "$tmp/disk" "$tmp/out" "$(id -u):$(id -g)"
check unpack 0 $?
check 'a link stays' usr/lib "$(readlink "$tmp/out/lib")"
check 'and leads on' lib "$(cat "$tmp/out/usr/lib/new")"
check text "a
b" "$(cat "$tmp/out/made/for it/text")"
check 'its mode' 600 "$(stat -c %a "$tmp/out/made/for it/text")"
check 'an empty one' '' "$(ls -A "$tmp/out/none")"
rm -rf "$tmp/out/made" "$tmp/out/none" "$tmp/out/usr" "$tmp/out/lib"
mkdir "$tmp/out/lib"
echo lib >"$tmp/out/lib/new"
describe() { (cd "$1" && find . ! -name . -printf '%M %p %l\n' | sort); }
check 'modes and links' "$(describe "$c/tree")" "$(describe "$tmp/out")"
check content '' "$(diff -r --no-dereference "$c/tree" "$tmp/out")"
check times "$(stat -c %Y "$c/tree/big")" "$(stat -c %Y "$tmp/out/big")"

# ---- what is wrong ------------------------------------------------------------------
refused() { # WHAT ENTRY
	printf '{"format": 1, "instance_id": "i", "hostname": "h", "user": {"name": "u"}, "context": "%s", "copies": [{"entries": [%s]}]}' \
		"$c" "$2" >"$tmp/bad.json"
	"$makeseed" "$tmp/bad.json" - "$tmp/seed" 1 "$tmp/disk" 2>/dev/null
	check "$1" 1 $?
}
for bad in /etc/passwd ../x a/../b ./x a//b a/; do
	refused "from $bad" "{\"path\": \"x\", \"from\": \"$bad\"}"
	refused "path $bad" "{\"path\": \"$bad\", \"from\": \"tree/one\"}"
done
ln -s /etc/passwd "$c/outside"
refused 'a link is not followed' '{"path": "outside"}'
refused 'no file' '{"path": "tree"}'
exit $failed
