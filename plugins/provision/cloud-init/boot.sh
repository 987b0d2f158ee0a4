#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# boot.sh - brings the guest in line with its current seed, at every boot.
#
# Runs as root from the mounted seed, before cloud-init writes files or
# installs packages.  POSIX sh with coreutils or busybox.  Each step is
# independent: one that fails is reported and counted, the next ones run.
# May run any number of times with the same result.  It starts as few programs
# as it can: that is what takes its time in an emulated guest.
#
# Data, beside this script: facts (variables), hosts, environment, profile.sh, mounts
# (calls of volume and share, below).  What it reports is described in docs/steps.md.
#
# boot.sh hosts TIME LINES: called by holos while the guest runs: these are its
# neighbours from now on, as of that time.

set -u
umask 022
LC_ALL=C
PATH=${PATH:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
export LC_ALL PATH
root=${HOLOS_BOOT_ROOT-} # the tests run this against a tree of their own
seed=${0%/*}
work=$root/run/holos/boot
begin='# holos: begin'
end='# holos: end'
errors=0
first_error=
phase=
type=

# shellcheck disable=SC1091 # beside it
. "$seed/say.sh"

fail() {
	errors=$((errors + 1))
	[ $errors -gt 1 ] || first_error=$*
	say "error: $*"
}

one_line() {
	printf '%s' "$*" | tr '\n\t' '  ' | cut -c 1-300
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# ---- files ----------------------------------------------------------------

# Bring file $1 up to date: our block becomes the lines of file $2, or goes
# when there are none; all other lines stay.  A block without an end is none.
# $3 top: the block is put first, and when there was none before, the image's
# own lines for the local host are dropped, as ours replace them.
update() {
	[ -e "$1" ] || [ -s "$2" ] || return 0
	[ -e "$1" ] || : >>"$1" || { fail "cannot make ${1#"$root"}"; return; }
	if awk -v begin="$begin" -v end="$end" -v lines="$2" -v top="$3" '
		function block(  line, n) {
			while ((getline line <lines) > 0) {
				if (n++ == 0)
					print begin
				print line
			}
			if (n > 0)
				print end
		}
		function is_localhost(  i) {
			if ($1 == "127.0.1.1")
				return 1
			if ($1 !~ /^(127\.0\.0\.1|::1|fe00::0|ff00::0|ff02::[123])$/)
				return 0
			for (i = 2; i <= NF && $i !~ /^#/; i++)
				if ($i !~ /^(localhost|ip6-)/)
					return 0
			return 1
		}
		BEGIN {
			first = top == "top"
			while (first && (getline line <ARGV[1]) > 0)
				if (line == begin)
					first = 0
			close(ARGV[1])
			if (top == "top")
				block()
		}
		$0 == begin { printf "%s", held; held = ""; inside = 1; next }
		$0 == end { held = ""; inside = 0; next }
		inside { held = held $0 "\n"; next }
		first && is_localhost() { next }
		{ print }
		END {
			printf "%s", held
			if (top != "top")
				block()
		}' "$1" >"$work/new"; then
		install_file "$1" "$work/new"
	else
		fail "cannot read ${1#"$root"}"
	fi
}

# Replace file $1 by file $2, whole or not at all, unless they are the same.
install_file() {
	file=$1
	if [ -f "$file" ] && cmp -s "$2" "$file"; then
		return 0
	fi
	[ ! -L "$file" ] || file=$(readlink -f "$file")
	mode=$(stat -c %a "$file" 2>/dev/null) || mode=644
	if mkdir -p "${file%/*}" && cp "$2" "$file.holos" && chmod "$mode" "$file.holos" &&
	   mv -f "$file.holos" "$file"; then
		if have restorecon; then restorecon "$file"; fi
		return 0
	fi
	rm -f "$file.holos"
	fail "cannot write ${file#"$root"}"
	return 1
}

environment() {
	update "$root/etc/environment" "$seed/environment" bottom
	if [ -s "$seed/profile.sh" ]; then
		install_file "$root/etc/profile.d/holos.sh" "$seed/profile.sh"
	elif [ -e "$root/etc/profile.d/holos.sh" ]; then
		rm -f "$root/etc/profile.d/holos.sh"
	fi
}

# ---- mounts ---------------------------------------------------------------
#
# `mounts` is read twice.  Phase check finds each disk, formats it where that
# is due, and collects lines for fstab; then fstab is brought up to date and
# what it no longer has is unmounted; phase mount mounts.  In this order, as
# systemd unmounts at once what stands in the way of a line it still believes.

# Where virtio disk $1 is: sets disk, and spec as fstab shall call it.
find_disk() {
	disk=$root/dev/disk/by-id/virtio-$1
	spec=/dev/disk/by-id/virtio-$1
	[ -e "$disk" ] && return 0
	if have udevadm; then
		udevadm settle --timeout=30 --exit-if-exists="$disk" 2>/dev/null
		[ -e "$disk" ] && return 0
	fi
	spec=
	for file in "$root"/sys/block/*/serial; do
		[ -f "$file" ] || continue
		serial=
		read -r serial <"$file" # has no newline at its end: read fails, but reads
		if [ "$serial" = "$1" ]; then
			disk=${file%/serial}
			disk=$root/dev/${disk##*/}
			[ -e "$disk" ] && return 0
		fi
	done
	return 1
}

# What disk $1 holds: sets found to a file system's name, "empty" (nothing,
# and zeroes where anything would begin) or "unknown"; and uuid.
look_at() {
	found=unknown
	uuid=
	if have blkid; then
		about=$(blkid -p "$1" 2>/dev/null)
		case $? in
		0 | 2) ;;
		*) return ;; # 8: several things at once
		esac
		if [ -n "$about" ]; then
			case $about in
			*' TYPE="'*) found=${about#* TYPE=\"} found=${found%%\"*} ;;
			esac
			case $about in
			*' UUID="'*) uuid=${about#* UUID=\"} uuid=${uuid%%\"*} ;;
			esac
			return
		fi
	elif [ "$(dd if="$1" bs=2 skip=540 count=1 2>/dev/null |
		od -An -tx1 | tr -d ' \n')" = 53ef ]; then
		found=ext4 # the magic number that ext2, 3 and 4 share
		return
	fi
	if [ "$(dd if="$1" bs=65536 count=16 2>/dev/null | wc -c)" -eq 1048576 ] &&
	   [ "$(dd if="$1" bs=65536 count=16 2>/dev/null | tr -d '\000' | wc -c)" -eq 0 ]; then
		found=empty
	fi
}

# Make an ext4 on $disk for volume $1 with serial $2.
format() {
	if have mkfs.ext4; then
		mkfs=mkfs.ext4
	elif have mke2fs; then
		mkfs='mke2fs -t ext4'
	else
		fail "volume $1: the image has no mkfs.ext4: install e2fsprogs in it"
		return 1
	fi
	# shellcheck disable=SC2086 # a command and its options
	if ! text=$($mkfs -q -L "$(printf '%.16s' "$2")" "$disk" 2>&1); then
		fail "volume $1: cannot format it: $(one_line "$text")"
		return 1
	fi
	look_at "$disk"
	formatted=$disk
	say "volume $1 formatted"
}

# Let the mounted ext4 on $disk of volume $1 fill its disk.
grow() {
	have resize2fs || return 0
	text=$(resize2fs "$disk" 2>&1) || fail "volume $1: cannot grow it: $(one_line "$text")"
}

# volume NAME SERIAL TARGET ESCAPED ro|rw fresh|used FILESYSTEM
volume() {
	n=$((n + 1))
	if [ "$phase" = mount ]; then
		eval "what=\$what_$n"
		# shellcheck disable=SC2154 # set by eval
		[ -n "$what" ] || return
		eval "disk=\$disk_$n type=\$type_$n"
		if mount_at "volume $1" "$type" "$disk" "$5" "$3" "$4" "$5"; then
			printf '%s\n' "$what" >>"$work/fstab.done"
			say "volume $1 mounted"
			[ "$type$5" = ext4rw ] && [ "$disk" != "$formatted" ] && grow "$1"
		fi
		return
	fi
	eval "what_$n="
	if ! find_disk "$2"; then
		fail "volume $1: there is no disk with serial $2"
		return
	fi
	look_at "$disk"
	case $found in
	empty)
		if [ "$5$6$7" = rwfreshext4 ]; then
			format "$1" "$2" || return
		else
			text='its disk is empty, and is not a new one to be written'
			fail "volume $1: $text: not formatted"
			return
		fi
		;;
	unknown)
		text='its disk holds something that is no known file system'
		fail "volume $1: $text: not touched"
		return
		;;
	esac
	if [ "$7" != auto ] && [ "$found" != "$7" ]; then
		fail "volume $1: its disk holds $found, not $7: not touched"
		return
	fi
	[ -n "$spec" ] || [ -z "$uuid" ] || spec=UUID=$uuid
	[ -n "$spec" ] || spec=${disk#"$root"}
	if [ "$5" = ro ]; then
		line="$spec $4 $found ro,nofail 0 0"
	else
		line="$spec $4 $found defaults,nofail 0 2"
	fi
	printf '%s\n' "$line" >>"$work/fstab.check"
	eval "what_$n=\$line disk_$n=\$disk type_$n=\$found"
}

# share TYPE TAG TARGET ESCAPED ro|rw
share() {
	n=$((n + 1))
	options=$5
	[ "$1" = virtiofs ] || options=$5,trans=virtio,version=9p2000.L,msize=512000
	line="$2 $4 $1 $options,nofail 0 0"
	if [ "$phase" = check ]; then
		printf '%s\n' "$line" >>"$work/fstab.check"
		return
	fi
	if mount_at "share $2" "$1" "$2" "$options" "$3" "$4" "$5"; then
		printf '%s\n' "$line" >>"$work/fstab.done"
		say "share $2 mounted"
	fi
}

# What is mounted on $1 (as /proc/mounts spells it): sets source and access
# ("rw" or "ro"), both empty when nothing is.
mounted_at() {
	source=
	access=
	hash=$1
	case $1 in
	*'#'*) hash=$(printf '%s' "$1" | sed 's/#/\\043/g') ;; # Linux 6.1 and newer
	esac
	while read -r from on _ with _; do
		if [ "$on" = "$1" ] || [ "$on" = "$hash" ]; then
			source=$from
			access=${with%%,*}
		fi
	done <"$root/proc/mounts"
}

same_source() {
	[ "$1" = "$2" ] || { [ -e "$1" ] && [ "$(readlink -f "$1")" = "$(readlink -f "$2")" ]; }
}

# mount_at NAME TYPE SOURCE OPTIONS TARGET ESCAPED ro|rw
mount_at() {
	mounted_at "$6"
	if [ -n "$source" ]; then
		same_source "$source" "$3" && [ "$access" = "$7" ] && return 0
		if ! text=$(umount "$root$5" 2>&1); then
			text=$(one_line "$text")
			fail "$1: $source is mounted at $5 and cannot be unmounted: $text"
			return 1
		fi
	fi
	if [ ! -d "$root$5" ] && ! text=$(mkdir -p "$root$5" 2>&1); then
		fail "$1: cannot make $5: $(one_line "$text")"
		return 1
	fi
	text=$(mount -t "$2" -o "$4" "$3" "$root$5" 2>&1) && return 0
	if [ "$2" = 9p ] && have modprobe; then
		# Kernels before 5.17 do not load the transport by themselves.
		modprobe 9pnet_virtio 2>/dev/null
		text=$(mount -t "$2" -o "$4" "$3" "$root$5" 2>&1) && return 0
	fi
	mounted_at "$6" # systemd may have been faster
	[ -n "$source" ] && same_source "$source" "$3" && [ "$access" = "$7" ] && return 0
	if ! grep -qw "$2" "$root/proc/filesystems"; then
		text="the guest's kernel has no $2"
	fi
	fail "$1: cannot mount it at $5: $(one_line "$text")"
	return 1
}

# Unmount what our block of fstab still has and file $1 has not, last mounted
# first.
unmount_stale() {
	[ -f "$root/etc/fstab" ] || return 0
	awk -v begin="$begin" -v end="$end" -v lines="$1" '
		BEGIN { while ((getline line <lines) > 0) now[line] = 1 }
		$0 == begin { n = 0; inside = 1; next }
		$0 == end && inside { for (; n > 0; n--) print old[n]; inside = 0; next }
		inside && !($0 in now) { old[++n] = $0 }' "$root/etc/fstab" >"$work/fstab.stale"
	while read -r _ escaped _; do
		stale=yes
		mounted_at "$escaped"
		[ -n "$source" ] || continue
		grep -qF " $escaped " "$1" && continue # mount_at decides about the target
		target=$(printf '%b' "$(printf '%s' "$escaped" | sed 's/\\\([0-7]\)/\\0\1/g')")
		if ! text=$(umount "$root$target" 2>&1); then
			text=$(one_line "$text")
			fail "cannot unmount $target, which the VM no longer has: $text"
		fi
	done <"$work/fstab.stale"
}

mounts() {
	stale=
	formatted=
	: >"$work/fstab.check"
	: >"$work/fstab.done"
	phase=check n=0
	# shellcheck disable=SC1091 # the plugin writes it
	. "$seed/mounts"
	unmount_stale "$work/fstab.check"
	update "$root/etc/fstab" "$work/fstab.check" bottom
	if [ -n "$stale" ] && [ -d "$root/run/systemd/system" ]; then
		systemctl daemon-reload
	fi
	phase=mount n=0 before=$errors
	# shellcheck disable=SC1091
	. "$seed/mounts"
	# What could not be mounted does not stay in fstab.
	[ "$errors" = "$before" ] || update "$root/etc/fstab" "$work/fstab.done" bottom
}

# ---- hosts ----------------------------------------------------------------
#
# What came while the guest ran is newer than its seed, until holos starts the VM
# anew: each says of what time it is.

hosts() {
	kept=$root/var/lib/holos/hosts
	from=$seed/hosts
	if [ -f "$kept" ]; then
		read -r _ id time <"$kept"
		# shellcheck disable=SC2154 # of facts
		if [ "$id" = "$instance" ] && [ "$time" -gt "$made_at" ] 2>/dev/null; then
			tail -n +2 "$kept" >"$work/hosts"
			from=$work/hosts
		fi
	fi
	update "$root/etc/hosts" "$from" top
}

# TIME LINES: the neighbours; its own lines are those of the seed, up to an empty one.
new_hosts() {
	kept=$root/var/lib/holos/hosts
	if mkdir -p "$root/var/lib/holos" &&
	   { printf '# %s %s\n' "$instance" "$1" && sed '/^$/,$d' "$seed/hosts" &&
		printf '\n%s\n' "$2"; } >"$kept.new" && mv -f "$kept.new" "$kept"; then
		hosts
	else
		fail 'cannot keep the hosts'
	fi
	[ "$errors" = 0 ]
}

# ---- who is root ------------------------------------------------------------

# cloud-init cares for sudo alone.
may_be_root() {
	# shellcheck disable=SC2154 # of facts
	[ -n "$root_user" ] && have doas && ! have sudo || return 0
	printf 'permit nopass %s as root\n' "$root_user" >"$work/doas"
	install_file "$root/etc/doas.d/holos.conf" "$work/doas"
	chmod 600 "$root/etc/doas.d/holos.conf"
}

# ---- which boot it is ---------------------------------------------------------

# The first boot of this instance is over when first.sh has marked it so.  Its
# commands are not run again when it was cut short (but by the micro guest).
which_boot() {
	marker=$root/var/lib/holos/first-boot
	id=
	state=
	[ ! -f "$marker" ] || { read -r id; read -r state; } <"$marker"
	# shellcheck disable=SC2154 # of facts
	case $id/$state/$init in
	"$instance/done/"*)
		tell boot
		return
		;;
	"$instance/failed "*)
		tell boot
		fail "the first boot failed: ${state#failed }"
		return
		;;
	"$instance/running/micro") ;;
	"$instance/running/"*)
		tell boot
		fail 'the first boot was cut short while its commands ran'
		return
		;;
	esac
	tell 'first boot'
	first=yes
	{ mkdir -p "$root/var/lib/holos" && printf '%s\nbegun\n' "$instance" >"$marker"; } ||
		fail "cannot write ${marker#"$root"}"
}

# What is needed when the seed is not mounted any more.
keep() {
	run=$root/run/holos
	rm -f "$run/failed" "$run/told" "$run/ended" "$run/at" "$run/boot.failed"
	cp "$seed/boot.sh" "$seed/say.sh" "$seed/first.sh" "$seed/runcmd" "$seed/facts" \
		"$seed/hosts" "$run" || fail "cannot fill $run"
	printf '%s\n' "$holos_port" >"$run/port"
	size=0
	[ ! -f "$root/var/log/cloud-init.log" ] || size=$(wc -c <"$root/var/log/cloud-init.log")
	echo $((size)) >"$run/log-size"
}

first=
if ! mkdir -p "$work"; then
	fail "cannot make $work"
	say "boot failed: $errors"
	exit 1
fi
# shellcheck disable=SC1091 # the plugin writes it
. "$seed/facts"
if [ "${1-}" = hosts ]; then
	new_hosts "$2" "$3"
	exit
fi
find_port
which_boot
keep
hosts
mounts
environment
may_be_root
if [ "$errors" -gt 0 ]; then
	[ -z "$first" ] || printf '%s\n' "$first_error" >"$root/run/holos/boot.failed"
	say "boot failed: $errors"
	exit 1
fi
say 'boot ok'
