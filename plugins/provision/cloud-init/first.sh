#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# first.sh - the runcmd entry: the end of the first boot.  boot.sh has put it into
# /run/holos.  Looks whether files and packages are there, then runs what
# `runcmd` beside it lists, one call of entry each, and tells how it went.
# These comments are left out of the seed.
#
# The commands share one shell, as cloud-init has it: a cd or a variable of one is
# seen by the next.  That shell is a child of this one (first.sh entries), which
# learns in any case how it ended.
# shellcheck shell=sh
set -u
root=${HOLOS_BOOT_ROOT-} # the tests run this against a tree of their own
dir=$root/run/holos
marker=$root/var/lib/holos/first-boot
out=$root/var/lib/holos/runcmd.out
# shellcheck disable=SC1091 # beside it
. "$dir/say.sh"
holos_port=
[ ! -f "$dir/port" ] || read -r holos_port <"$dir/port"

# How it went, for the boots that follow.
mark() {
	read -r instance <"$marker"
	printf '%s\n%s\n' "$instance" "$1" >"$marker.new" && mv -f "$marker.new" "$marker"
}

# PART ERROR [FILE]: the first error is what it is about.
failed() {
	say "error: $2"
	[ $# -lt 3 ] || say_output "$3"
	say "$1 failed"
	[ -e "$dir/failed" ] || printf '%s\n' "$2" >"$dir/failed"
	mark "failed $(head -n 1 "$dir/failed")"
}

# ---- the child ----------------------------------------------------------------

# required|free SHOWN TEXT
entry() {
	holos_n=$((holos_n + 1))
	holos_kind=$1
	holos_shown="runcmd $holos_n of $holos_total: $2"
	holos_text=$3
	set --
	[ "$holos_kind" = required ] || say "step: $holos_shown"
	printf '%s\n' "$holos_shown" >"$dir/at"
	: >"$out"
	if [ "$holos_kind" = required ]; then
		eval "$holos_text" # it tells by itself
		holos_status=$?
		[ $holos_status != 0 ] || return 0
		if [ -s "$dir/told" ]; then
			cat "$dir/told" >"$dir/failed"
			mark "failed $(cat "$dir/told")"
		else
			failed runcmd "$holos_shown: exited with status $holos_status"
		fi
		: >"$dir/ended"
		exit 1
	fi
	eval "$holos_text" >>"$out" 2>&1
	holos_status=$?
	cat "$out"
	[ $holos_status = 0 ] ||
		failed runcmd "$holos_shown: exited with status $holos_status" "$out"
	return 0
}

if [ "${1-}" = entries ]; then
	set +u
	# shellcheck disable=SC1091 # the compose file's environment
	[ ! -f "$root/etc/profile.d/holos.sh" ] || . "$root/etc/profile.d/holos.sh"
	holos_n=0
	holos_total=$(grep -c '^entry ' "$dir/runcmd")
	# shellcheck disable=SC1091 # the plugin writes it
	. "$dir/runcmd"
	: >"$dir/ended"
	exit 0
fi

# bootcmd TEXT STATUS: one of the user's commands of every boot failed.
if [ "${1-}" = bootcmd ]; then
	say "error: bootcmd $2: exited with status $3"
	say 'bootcmd failed'
	[ -e "$dir/failed" ] || printf 'bootcmd %s: exited with status %s\n' "$2" "$3" >"$dir/failed"
	exit 0
fi

# ---- what cloud-init has done --------------------------------------------------

# What cloud-init said since this boot began.
cloud_log() {
	since=0
	[ ! -f "$dir/log-size" ] || read -r since <"$dir/log-size"
	tail -c "+$((since + 1))" "$root/var/log/cloud-init.log" 2>/dev/null
}

# Did cloud-init fail with what the commands may need?  It goes on by itself.
check() {
	: >"$dir/log"
	if [ -s "$root/run/cloud-init/errors" ]; then # of the micro guest
		read -r line <"$root/run/cloud-init/errors"
		failed files "$line" "$root/run/cloud-init/errors"
		return 1
	fi
	cloud_log | grep -E 'Failed to install( the following)? packages' >"$dir/log"
	if [ -s "$dir/log" ]; then
		what=$(sed 's/^.*Failed to/Failed to/' "$dir/log" | head -n 1 | cut -c 1-200)
		failed files "packages: $what" "$root/var/log/cloud-init-output.log"
		return 1
	fi
	cloud_log | awk '
		/Running module (write|users|bootcmd|ssh|package)[-_a-z]* .*failed/ { found = 1 }
		found && /^[0-9-]+ [0-9:,]+ / && !/failed/ { exit }
		found { print }' >"$dir/log"
	if [ -s "$dir/log" ]; then
		what=$(sed -n 's/^.*Running module \([a-zA-Z_-]*\).*$/\1/p' "$dir/log" | head -n 1)
		failed files "cloud-init: module $what failed" "$dir/log"
		return 1
	fi
	# shellcheck disable=SC2154 # of facts
	[ "$packages" -gt 0 ] || return 0
	for tool in apt-get dnf yum zypper pacman apk; do
		! command -v $tool >/dev/null || return 0
	done
	failed files 'packages: the guest has no package manager'
	return 1
}

# shellcheck disable=SC1091 # the plugin writes it
. "$dir/facts"
if [ -s "$dir/boot.failed" ]; then
	say 'first boot failed: its commands do not run without its volumes and mounts'
	mark "failed $(head -n 1 "$dir/boot.failed")"
	exit 1
fi
say 'step: files and packages'
check || exit 1
mark running
sh "$dir/first.sh" entries
status=$?
if [ ! -e "$dir/ended" ] && [ $status != 0 ]; then
	failed runcmd "$(cat "$dir/at"): ended them all with status $status" "$out"
fi
if [ -e "$dir/failed" ]; then
	mark "failed $(head -n 1 "$dir/failed")"
	exit 1
fi
mark 'done'
say provisioned
