#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# test_boot.sh SHELL BOOT.SH - boot.sh in a tree of its own, with stubs for
# what touches the machine.  SHELL is dash (with the tools of this machine) or
# busybox (with its own tools).  Ends with the number of failed checks.

set -u
shell=$1
script=$2
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
root=$tmp/root
bin=$tmp/bin
failed=0
checks=0

command -v "$shell" >/dev/null || exit 77
# The only commands that boot.sh finds: what it may count on in a guest.
tools='awk chmod cat cmp cp cut dd grep head mkdir mv od readlink rm sed sh stat tail tr wc'
mkdir "$bin" "$tmp/tools"
for tool in $tools; do
	if [ "$shell" = busybox ]; then
		ln -s "$(command -v busybox)" "$tmp/tools/$tool"
	else
		ln -s "$(command -v "$tool")" "$tmp/tools/$tool"
	fi
done
shell_name=$shell
shell=$(command -v "$shell")
[ "$shell_name" = busybox ] && shell="$shell sh"

stub() { # NAME, body on stdin
	{ printf '#!/bin/sh\nroot=%s tmp=%s\n' "'$root'" "'$tmp'"
	  # shellcheck disable=SC2016 # for the stub to expand
	  printf 'PATH=/usr/sbin:/usr/bin:/sbin:/bin\nprintf "%%s\\n" "%s $*" | sed "s|$root||g" >>"$tmp/log"\n' "$1"
	  cat; } >"$bin/$1"
	chmod +x "$bin/$1"
}

# mount -t TYPE -o OPTIONS SOURCE TARGET
stub mount <<'END'
[ -e "$tmp/mount.fails" ] && { echo "mount: no"; exit 32; }
[ -e "$tmp/mount.first.fails" ] && { rm "$tmp/mount.first.fails"; echo "mount: no"; exit 32; }
target=$(printf %s "${6#"$root"}" | sed 's/\\/\\134/g; s/ /\\040/g')
case $4 in ro*) access=ro ;; *) access=rw ;; esac
printf '%s %s %s %s,relatime 0 0\n' "$5" "$target" "$2" "$access" >>"$root/proc/mounts"
[ ! -e "$tmp/mount.busy" ] || { echo "mount: busy"; exit 32; }
END
stub umount <<'END'
[ -e "$tmp/umount.fails" ] && { echo "umount: target is busy"; exit 32; }
target=$(printf %s "${1#"$root"}" | sed 's/\\/\\134/g; s/ /\\040/g')
awk -v t="$(printf %s "$target" | sed 's/\\/\\\\/g')" '$2 != t' "$root/proc/mounts" >"$tmp/m"
cat "$tmp/m" >"$root/proc/mounts"
END
stub mkfs.ext4 <<'END'
[ -e "$tmp/mkfs.fails" ] && { echo "mkfs.ext4: bad"; exit 1; }
for disk; do :; done
echo ext4 >"$(readlink -f "$disk").is"
printf x | dd of="$disk" conv=notrunc 2>/dev/null
END
stub modprobe </dev/null
stub udevadm </dev/null
stub resize2fs </dev/null
stub systemctl </dev/null
blkid_stub() {
	stub blkid <<'END'
is=$(readlink -f "$2").is
[ -e "$is" ] && read -r type <"$is" || exit 2
[ "$type" = several ] && exit 8
[ "$type" = gpt ] && { echo "$2: PTUUID=\"1\" PTTYPE=\"gpt\""; exit 0; }
echo "$2: LABEL=\"x\" UUID=\"u-$type\" VERSION=\"1.0\" SEC_TYPE=\"ext2\" TYPE=\"$type\" USAGE=\"filesystem\""
END
}

facts() { # INIT [INSTANCE]
	printf '%s\n' "instance='${2-web-0-1}'" made_at=1000 "init=$1" packages=0 "root_user='u'" \
		>"$tmp/seed/facts"
}

# A fresh guest.
reset() {
	rm -rf "$root" "$tmp/log" "$tmp"/*.fails "$tmp/mount.busy" "$tmp/seed"
	mkdir -p "$root/etc" "$root/proc" "$root/dev/disk/by-id" "$root/sys/block" "$root/run" "$tmp/seed"
	: >"$root/dev/ttyS0"
	: >"$tmp/log"
	cp "$script" "${script%/*}/say.sh" "${script%/*}/first.sh" "$tmp/seed"
	facts systemd
	: >"$tmp/seed/runcmd"
	mkdir -p "$root/sys/class/virtio-ports/vport1p1"
	echo holos.provision >"$root/sys/class/virtio-ports/vport1p1/name"
	: >"$root/dev/vport1p1"
	printf '127.0.0.1 localhost\n127.0.1.1 web-0\n' >"$tmp/seed/hosts"
	: >"$tmp/seed/mounts"
	: >"$tmp/seed/environment"
	: >"$tmp/seed/profile.sh"
	echo 'LABEL=root / ext4 defaults 0 1' >"$root/etc/fstab"
	echo '/dev/vda1 / ext4 rw,relatime 0 0' >"$root/proc/mounts"
	printf '\text4\nnodev\t9p\nnodev\tvirtiofs\n' >"$root/proc/filesystems"
	blkid_stub
}

# disk NAME SERIAL [TYPE]: a disk with zeroes, or with a file system; by-id
# link unless SERIAL begins with "nolink-".
disk() {
	truncate -s 2M "$root/dev/$1"
	mkdir -p "$root/sys/block/$1"
	printf %s "${2#nolink-}" >"$root/sys/block/$1/serial"
	[ "$2" = "${2#nolink-}" ] && ln -s "../../$1" "$root/dev/disk/by-id/virtio-$2"
	[ $# -lt 3 ] || echo "$3" >"$root/dev/$1.is"
}

boot() { # sets status; what it said is in $root/dev/ttyS0
	: >"$tmp/log"
	[ ! -e "$root/dev/ttyS0" ] || : >"$root/dev/ttyS0"
	# Functions for what busybox has itself: it would prefer that to PATH.
	for stub in mount umount modprobe; do
		# shellcheck disable=SC2016 # for the function to expand
		printf '%s() { %s "$@"; }\n' $stub "$bin/$stub"
	done >"$tmp/functions"
	# shellcheck disable=SC2086,SC2016 # "/bin/busybox sh" is two words; its $0
	(cd / && exec env -i PATH="$bin:$tmp/tools" HOLOS_BOOT_ROOT="$root" \
		$shell -c ". $tmp/functions; . \"\$0\"" "$tmp/seed/boot.sh") >"$tmp/out" 2>"$tmp/err"
	status=$?
	[ ! -s "$tmp/err" ] || bad "stderr: $(cat "$tmp/err")"
}

bad() {
	failed=$((failed + 1))
	printf 'not ok: %s: %s\n' "$name" "$*"
}

check() { # EXPECTED ACTUAL
	checks=$((checks + 1))
	[ "$1" = "$2" ] || { bad "expected:"; printf '%s\n--- but it is:\n%s\n' "$1" "$2"; }
}

said() { check "$1" "$(sed 's/^holos: //' "$root/dev/ttyS0")"; }
ran() { check "$1" "$(grep -v -e '^blkid' -e '^udevadm' -e '^modprobe' -e '^resize2fs' "$tmp/log")"; }
status() { check "$1" "$status"; }
fstab() { check "$1" "$(sed -e '/^LABEL=root/d' "$root/etc/fstab")"; }

# ---- volumes: disk, steps -> what happens ---------------------------------

data="volume data vol-data /srv/data /srv/data"

name='fresh volume on an empty disk'
reset
disk vdc vol-data
echo "$data rw fresh ext4" >"$tmp/seed/mounts"
boot
status 0
ran "mkfs.ext4 -q -L vol-data /dev/disk/by-id/virtio-vol-data
mount -t ext4 -o rw /dev/disk/by-id/virtio-vol-data /srv/data"
said 'volume data formatted
volume data mounted
boot ok'
fstab '# holos: begin
/dev/disk/by-id/virtio-vol-data /srv/data ext4 defaults,nofail 0 2
# holos: end'
check yes "$([ -d "$root/srv/data" ] && echo yes)"
check '' "$(grep resize2fs "$tmp/log")"

name='the same once more: nothing to do'
cp "$root/etc/fstab" "$tmp/fstab"
boot
status 0
ran ''
said 'volume data mounted
boot ok'
check '' "$(diff "$tmp/fstab" "$root/etc/fstab")"

name='the same after a reboot, mark cleared'
echo '/dev/vda1 / ext4 rw 0 0' >"$root/proc/mounts"
echo "$data rw used ext4" >"$tmp/seed/mounts"
boot
ran 'mount -t ext4 -o rw /dev/disk/by-id/virtio-vol-data /srv/data'
check 'resize2fs /dev/disk/by-id/virtio-vol-data' "$(grep resize2fs "$tmp/log")"

name='mark not cleared (a lost report): never formatted again'
echo '/dev/vda1 / ext4 rw 0 0' >"$root/proc/mounts"
echo "$data rw fresh ext4" >"$tmp/seed/mounts"
boot
ran 'mount -t ext4 -o rw /dev/disk/by-id/virtio-vol-data /srv/data'

# TYPE|FIRST BYTES|MODE FRESH FS|WHAT IT SAYS, for disks that must not be formatted
while IFS='|' read -r type bytes want message; do
	name="not formatted: '$type' '$bytes' $want"
	reset
	disk vdc vol-data
	[ -z "$type" ] || echo "$type" >"$root/dev/vdc.is"
	[ -z "$bytes" ] || printf %s "$bytes" | dd of="$root/dev/vdc" bs=1 seek=300000 conv=notrunc 2>/dev/null
	echo "$data $want" >"$tmp/seed/mounts"
	boot
	status 1
	ran ''
	said "error: volume data: $message
boot failed: 1"
	fstab ''
done <<'END'
||rw used ext4|its disk is empty, and is not a new one to be written: not formatted
||ro fresh ext4|its disk is empty, and is not a new one to be written: not formatted
||rw fresh auto|its disk is empty, and is not a new one to be written: not formatted
|x|rw fresh ext4|its disk holds something that is no known file system: not touched
several||rw fresh ext4|its disk holds something that is no known file system: not touched
gpt||rw fresh ext4|its disk holds something that is no known file system: not touched
xfs||rw fresh ext4|its disk holds xfs, not ext4: not touched
ext3||rw used ext4|its disk holds ext3, not ext4: not touched
END

name='a disk shorter than what is looked at is not taken for empty'
reset
disk vdc vol-data
truncate -s 512K "$root/dev/vdc"
echo "$data rw fresh ext4" >"$tmp/seed/mounts"
boot
ran ''
status 1

name='read-only volume'
reset
disk vdc vol-data ext4
echo "$data ro used ext4" >"$tmp/seed/mounts"
boot
ran 'mount -t ext4 -o ro /dev/disk/by-id/virtio-vol-data /srv/data'
fstab '# holos: begin
/dev/disk/by-id/virtio-vol-data /srv/data ext4 ro,nofail 0 0
# holos: end'
check '' "$(grep resize2fs "$tmp/log")"

name='filesystem auto'
reset
disk vdc vol-data xfs
echo "$data rw used auto" >"$tmp/seed/mounts"
boot
ran 'mount -t xfs -o rw /dev/disk/by-id/virtio-vol-data /srv/data'

name='no udev: by serial in /sys, UUID in fstab'
reset
disk vdb other
disk vdc nolink-vol-data
echo "$data rw fresh ext4" >"$tmp/seed/mounts"
boot
status 0
check 'udevadm settle --timeout=30 --exit-if-exists=/dev/disk/by-id/virtio-vol-data' "$(grep udevadm "$tmp/log")"
ran 'mkfs.ext4 -q -L vol-data /dev/vdc
mount -t ext4 -o rw /dev/vdc /srv/data'
fstab '# holos: begin
UUID=u-ext4 /srv/data ext4 defaults,nofail 0 2
# holos: end'

name='no blkid: only ext and nothing are told apart'
reset
rm "$bin/blkid"
disk vdc vol-data
echo "$data rw fresh ext4" >"$tmp/seed/mounts"
boot
check 'mkfs.ext4 -q -L vol-data /dev/disk/by-id/virtio-vol-data' "$(grep mkfs "$tmp/log")"
reset
rm "$bin/blkid"
disk vdc vol-data
printf '\123\357' | dd of="$root/dev/vdc" bs=1 seek=1080 conv=notrunc 2>/dev/null
echo "$data rw fresh ext4" >"$tmp/seed/mounts"
boot
ran 'mount -t ext4 -o rw /dev/disk/by-id/virtio-vol-data /srv/data'

name='no disk'
reset
echo "$data rw fresh ext4" >"$tmp/seed/mounts"
boot
status 1
said 'error: volume data: there is no disk with serial vol-data
boot failed: 1'

name='mkfs fails: not mounted, not in fstab, the next volume is'
reset
disk vdc vol-data
disk vdd vol-b ext4
: >"$tmp/mkfs.fails"
printf '%s\n' "$data rw fresh ext4" "volume b vol-b /srv/b /srv/b rw used ext4" >"$tmp/seed/mounts"
boot
status 1
said 'error: volume data: cannot format it: mkfs.ext4: bad
volume b mounted
boot failed: 1'
fstab '# holos: begin
/dev/disk/by-id/virtio-vol-b /srv/b ext4 defaults,nofail 0 2
# holos: end'

name='mount fails: not in fstab'
reset
disk vdc vol-data ext4
: >"$tmp/mount.fails"
echo "$data rw used ext4" >"$tmp/seed/mounts"
boot
said 'error: volume data: cannot mount it at /srv/data: mount: no
boot failed: 1'
fstab ''

name='systemd mounted it meanwhile'
reset
disk vdc vol-data ext4
: >"$tmp/mount.busy"
echo "$data rw used ext4" >"$tmp/seed/mounts"
boot
status 0
said 'volume data mounted
boot ok'

name='target with space, quote and backslash'
reset
disk vdc vol-data ext4
cat >"$tmp/seed/mounts" <<'END'
volume 'data' 'vol-data' '/a b\c'\''d' '/a\040b\134c'\''d' rw used ext4
END
boot
ran "mount -t ext4 -o rw /dev/disk/by-id/virtio-vol-data /a b\\c'd"
fstab "# holos: begin
/dev/disk/by-id/virtio-vol-data /a\\040b\\134c'd ext4 defaults,nofail 0 2
# holos: end"
boot
ran ''
status 0

name='gone from the steps: unmounted, out of fstab'
: >"$tmp/seed/mounts"
mkdir -p "$root/run/systemd/system"
boot
ran "umount /a b\\c'd
systemctl daemon-reload"
fstab ''
status 0

name='two volumes change places'
reset
disk vdc vol-a ext4
disk vdd vol-b ext4
printf '%s\n' 'volume a vol-a /x /x rw used ext4' 'volume b vol-b /y /y rw used ext4' >"$tmp/seed/mounts"
boot
printf '%s\n' 'volume b vol-b /x /x rw used ext4' 'volume a vol-a /y /y rw used ext4' >"$tmp/seed/mounts"
boot
status 0
ran 'umount /x
mount -t ext4 -o rw /dev/disk/by-id/virtio-vol-b /x
umount /y
mount -t ext4 -o rw /dev/disk/by-id/virtio-vol-a /y'

name='becomes read-only'
printf '%s\n' 'volume b vol-b /x /x ro used ext4' 'volume a vol-a /y /y rw used ext4' >"$tmp/seed/mounts"
boot
ran 'umount /x
mount -t ext4 -o ro /dev/disk/by-id/virtio-vol-b /x'

name='cannot be unmounted'
: >"$tmp/umount.fails"
printf '%s\n' 'volume a vol-a /y /y rw used ext4' >"$tmp/seed/mounts"
boot
status 1
said 'error: cannot unmount /x, which the VM no longer has: umount: target is busy
volume a mounted
boot failed: 1'

# ---- shares ---------------------------------------------------------------

name='shares'
reset
printf '%s\n' "share 9p 'holos-1' '/srv/www' '/srv/www' ro" "share virtiofs 'holos-2' '/w' '/w' rw" >"$tmp/seed/mounts"
boot
status 0
ran 'mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000 holos-1 /srv/www
mount -t virtiofs -o rw holos-2 /w'
check '' "$(grep modprobe "$tmp/log")"
said 'share holos-1 mounted
share holos-2 mounted
boot ok'
fstab '# holos: begin
holos-1 /srv/www 9p ro,trans=virtio,version=9p2000.L,msize=512000,nofail 0 0
holos-2 /w virtiofs rw,nofail 0 0
# holos: end'
boot
ran ''

name='kernel that does not load the 9p transport by itself'
reset
: >"$tmp/mount.first.fails"
echo "share 9p t /w /w rw" >"$tmp/seed/mounts"
boot
status 0
check 'mount -t 9p -o rw,trans=virtio,version=9p2000.L,msize=512000 t /w
modprobe 9pnet_virtio
mount -t 9p -o rw,trans=virtio,version=9p2000.L,msize=512000 t /w' "$(cat "$tmp/log")"

name='kernel without 9p'
reset
: >"$tmp/mount.fails"
: >"$root/proc/filesystems"
echo "share 9p t /w /w rw" >"$tmp/seed/mounts"
boot
said "error: share t: cannot mount it at /w: the guest's kernel has no 9p
boot failed: 1"

# ---- files ----------------------------------------------------------------

name='hosts, first time'
reset
cat >"$root/etc/hosts" <<'END'
127.0.0.1 localhost localhost.localdomain
127.0.1.1 debian
::1 localhost ip6-localhost ip6-loopback
# the image's own
127.0.0.1 localhost alias
10.0.0.9 repo
END
boot
check '# holos: begin
127.0.0.1 localhost
127.0.1.1 web-0
# holos: end
# the image'"'"'s own
127.0.0.1 localhost alias
10.0.0.9 repo' "$(cat "$root/etc/hosts")"
check 644 "$(stat -c %a "$root/etc/hosts")"

name='hosts, later: our block changes, the rest stays'
echo '127.0.0.1 localhost # mine' >>"$root/etc/hosts"
echo '10.10.0.2 db' >>"$tmp/seed/hosts"
boot
check '# holos: begin
127.0.0.1 localhost
127.0.1.1 web-0
10.10.0.2 db
# holos: end
# the image'"'"'s own
127.0.0.1 localhost alias
10.0.0.9 repo
127.0.0.1 localhost # mine' "$(cat "$root/etc/hosts")"

name='hosts: same content is not written again'
before=$(stat -c %i "$root/etc/hosts")
boot
check "$before" "$(stat -c %i "$root/etc/hosts")"

name='a block that has lost its end loses no lines'
sed -i '/^# holos: end/d' "$root/etc/hosts"
boot
check 1 "$(grep -c '10.0.0.9 repo' "$root/etc/hosts")"
check 1 "$(grep -c '# mine' "$root/etc/hosts")"

name='a symlink is followed'
reset
mkdir "$root/etc/static"
echo '10.0.0.9 repo' >"$root/etc/static/hosts"
ln -s static/hosts "$root/etc/hosts"
boot
check yes "$([ -L "$root/etc/hosts" ] && echo yes)"
check 1 "$(grep -c repo "$root/etc/static/hosts")"
check 1 "$(grep -c web-0 "$root/etc/static/hosts")"

name='no environment: nothing is made'
reset
boot
check 'fstab hosts' "$(cd "$root/etc" && echo *)"

name='environment'
echo 'LANG=C' >"$root/etc/environment"
chmod 600 "$root/etc/environment"
echo 'A=1' >"$tmp/seed/environment"
echo "export A='1'" >"$tmp/seed/profile.sh"
boot
check 'LANG=C
# holos: begin
A=1
# holos: end' "$(cat "$root/etc/environment")"
check 600 "$(stat -c %a "$root/etc/environment")"
check "export A='1'" "$(cat "$root/etc/profile.d/holos.sh")"

name='environment, gone again'
: >"$tmp/seed/environment"
: >"$tmp/seed/profile.sh"
boot
check LANG=C "$(cat "$root/etc/environment")"
check '' "$(ls "$root/etc/profile.d")"

name='no serial port: the console; neither: only the log'
reset
rm "$root/dev/ttyS0"
: >"$root/dev/console"
boot
check 'holos: boot ok' "$(cat "$root/dev/console")"
check 'holos: boot ok' "$(cat "$tmp/out")"

# ---- the end of the first boot: first.sh --------------------------------------

# What the host was told over the port, and forget it.
told() {
	check "$1" "$(sed 's/^holos: //' "$root/dev/vport1p1")"
	: >"$root/dev/vport1p1"
}

first() { # sets status
	# shellcheck disable=SC2086,SC2016
	(cd / && exec env -i PATH="$bin:$tmp/tools" HOLOS_BOOT_ROOT="$root" \
		$shell "$root/run/holos/first.sh") >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
	[ ! -s "$tmp/err" ] || bad "stderr: $(cat "$tmp/err")"
}

name='first boot: commands, one after another'
reset
echo "export A='it'\\''s'" >"$tmp/seed/profile.sh"
cat >"$tmp/seed/runcmd" <<END
entry free 'one' 'echo "\$A" >$root/one; X=1; cd $root'
entry free 'two' 'echo \$X >two; set -- a'
END
boot
told 'first boot
boot ok'
check 'web-0-1
begun' "$(cat "$root/var/lib/holos/first-boot")"
first
status 0
told 'step: files and packages
step: runcmd 1 of 2: one
step: runcmd 2 of 2: two
provisioned'
check "it's 1" "$(cat "$root/one" "$root/two" | tr '\n' ' ' | sed 's/ $//')"
check 'web-0-1
done' "$(cat "$root/var/lib/holos/first-boot")"

name='later boots are told apart; another root disk is new'
boot
told 'boot
boot ok'
facts systemd web-0-2
boot
told 'first boot
boot ok'

name='a command that fails: told with its output, the others run'
reset
cat >"$tmp/seed/runcmd" <<END
entry free 'bad' 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do echo line \$i; done; false'
entry free 'worse' 'nothing-like-this 2>/dev/null'
entry free 'good' 'echo yes >$root/good'
END
boot
told 'first boot
boot ok'
first
status 1
check 'error: runcmd 1 of 3: bad: exited with status 1
output: line 3
output: line 22
runcmd failed
error: runcmd 2 of 3: worse: exited with status 127
runcmd failed' "$(sed 's/^holos: //' "$root/dev/vport1p1" |
	grep -e error -e 'line 3$' -e 'line 22' -e failed)"
check 20 "$(grep -c 'output: line' "$root/dev/vport1p1")"
check yes "$(cat "$root/good")"
: >"$root/dev/vport1p1"
boot
told 'boot
error: the first boot failed: runcmd 1 of 3: bad: exited with status 1
boot failed: 1'

# TEXT|WHAT IS TOLD: commands that end the shell
while IFS='|' read -r text want; do
	name="ends the shell: $text"
	reset
	printf "entry free 'it' '%s'\nentry free 'next' 'true'\n" "$text" >"$tmp/seed/runcmd"
	boot
	: >"$root/dev/vport1p1"
	first
	check "$want" "$(sed -n 's/^holos: //; /error/p; /^provisioned/p' "$root/dev/vport1p1")"
done <<'END'
exit 3|error: runcmd 1 of 2: it: ended them all with status 3
exit 0|provisioned
set -e; false|error: runcmd 1 of 2: it: ended them all with status 1
END

name='a syntax error is told with what the shell says of it'
reset
echo "entry free 'it' 'if then'" >"$tmp/seed/runcmd"
boot
first
check 1 "$(grep -c 'error: runcmd 1 of 1: it: ' "$root/dev/vport1p1")"
check 1 "$(grep -ci 'output: .*syntax error' "$root/dev/vport1p1")"

name='a daemon that keeps the output open does not hold it up'
reset
echo "entry free 'it' '/bin/sleep 1000 & echo \$! >$root/pid'" >"$tmp/seed/runcmd"
boot
: >"$root/dev/vport1p1"
first
status 0
kill "$(cat "$root/pid")"

name='what must succeed: nothing after it runs'
reset
cat >"$tmp/seed/runcmd" <<END
entry required 'build' 'echo "Dockerfile line 2: no" >$root/run/holos/told; exit 1'
entry free 'next' 'echo yes >$root/next'
END
boot
: >"$root/dev/vport1p1"
first
status 1
check no "$([ -e "$root/next" ] && echo yes || echo no)"
reset
cat >"$tmp/seed/runcmd" <<END
entry required 'build' '(exit 4)'
entry free 'next' 'echo yes >$root/next'
END
boot
: >"$root/dev/vport1p1"
first
told 'step: files and packages
error: runcmd 1 of 2: build: exited with status 4
runcmd failed'
check no "$([ -e "$root/next" ] && echo yes || echo no)"

name='without its volume no command runs'
reset
echo "entry free 'it' 'echo yes >$root/it'" >"$tmp/seed/runcmd"
echo "volume data vol-data /srv/data /srv/data rw fresh ext4" >"$tmp/seed/mounts"
boot
first
status 1
check no "$([ -e "$root/it" ] && echo yes || echo no)"
told 'first boot
error: volume data: there is no disk with serial vol-data
boot failed: 1
first boot failed: its commands do not run without its volumes and mounts'

name='a package that cloud-init cannot install'
reset
mkdir -p "$root/var/log"
echo 'old: Failed to install packages: [older]' >"$root/var/log/cloud-init.log"
echo "entry free 'it' 'echo yes >$root/it'" >"$tmp/seed/runcmd"
boot
: >"$root/dev/vport1p1"
echo "2026-01-01 00:00:00,1 - util.py[WARNING]: Failed to install packages: ['nosuch']" >>"$root/var/log/cloud-init.log"
echo 'E: Unable to locate package nosuch' >"$root/var/log/cloud-init-output.log"
first
status 1
told "step: files and packages
error: packages: Failed to install packages: ['nosuch']
output: E: Unable to locate package nosuch
files failed"
check no "$([ -e "$root/it" ] && echo yes || echo no)"

name='a module of cloud-init that failed'
reset
mkdir -p "$root/var/log"
boot
: >"$root/dev/vport1p1"
cat >"$root/var/log/cloud-init.log" <<'END'
2026-01-01 00:00:00,1 - util.py[WARNING]: Running module ntp (<module>) failed
2026-01-01 00:00:00,2 - util.py[WARNING]: Running module write-files-deferred (<module>) failed
2026-01-01 00:00:00,3 - util.py[DEBUG]: Running module write-files-deferred (<module>) failed
Traceback (most recent call last):
OSError: Unknown user or group: nobody2
2026-01-01 00:00:00,4 - handlers.py[DEBUG]: finish
END
first
status 1
check "error: cloud-init: module write-files-deferred failed
output: OSError: Unknown user or group: nobody2" "$(sed -n 's/^holos: //; /^error/p; /OSError/p' "$root/dev/vport1p1")"

name='complaints of the micro guest; no package manager'
reset
mkdir -p "$root/run/cloud-init"
echo 'write_files[0]: /x: no' >"$root/run/cloud-init/errors"
boot
: >"$root/dev/vport1p1"
first
told 'step: files and packages
error: write_files[0]: /x: no
output: write_files[0]: /x: no
files failed'
rm "$root/run/cloud-init/errors"
facts micro web-0-3
sed -i s/packages=0/packages=2/ "$tmp/seed/facts"
boot
: >"$root/dev/vport1p1"
first
told 'step: files and packages
error: packages: the guest has no package manager
files failed'

name='cut short while commands ran'
reset
boot
printf 'web-0-1\nrunning\n' >"$root/var/lib/holos/first-boot"
: >"$root/dev/vport1p1"
boot
status 1
told 'boot
error: the first boot was cut short while its commands ran
boot failed: 1'
facts micro # begins anew
boot
told 'first boot
boot ok'

# ---- hosts of a running guest ----------------------------------------------------

new_hosts() { # TIME LINES
	# shellcheck disable=SC2086
	(cd / && exec env -i PATH="$bin:$tmp/tools" HOLOS_BOOT_ROOT="$root" \
		$shell "$root/run/holos/boot.sh" hosts "$1" "$2") >"$tmp/out" 2>"$tmp/err"
	status=$?
	[ ! -s "$tmp/err" ] || bad "stderr: $(cat "$tmp/err")"
}

name='new hosts, as it runs and after a reboot with the old seed'
reset
echo '10.0.0.9 repo' >"$root/etc/hosts"
printf '\n10.10.0.2 web\n' >>"$tmp/seed/hosts"
boot
new_hosts 2000 '10.10.0.2 web
10.10.0.3 db'
status 0
want='# holos: begin
127.0.0.1 localhost
127.0.1.1 web-0

10.10.0.2 web
10.10.0.3 db
# holos: end
10.0.0.9 repo'
check "$want" "$(cat "$root/etc/hosts")"
boot
check "$want" "$(cat "$root/etc/hosts")"
sed -i s/made_at=1000/made_at=3000/ "$tmp/seed/facts"
boot
check 0 "$(grep -c db "$root/etc/hosts")"
check 1 "$(grep -c repo "$root/etc/hosts")"

name='doas where there is no sudo'
reset
boot
check no "$([ -e "$root/etc/doas.d" ] && echo yes || echo no)"
stub doas </dev/null
boot
rm "$bin/doas"
check 'permit nopass u as root' "$(cat "$root/etc/doas.d/holos.conf")"
check 600 "$(stat -c %a "$root/etc/doas.d/holos.conf")"

printf '%s: %d checks, %d failed\n' "$shell_name" "$checks" "$failed"
[ "$failed" -eq 0 ]
