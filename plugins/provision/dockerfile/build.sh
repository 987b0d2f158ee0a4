#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# build.sh - the beginning of the script that runs a Dockerfile in the guest;
# what the Dockerfile says follows as calls of these functions.  These comments
# are left out.
# shellcheck shell=sh
set -u
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root
export PATH HOME
state=/var/lib/holos
context=
line=0
text=
dir=/
user=
exec 9<"$state/build.lines"

root=
holos_port=
# shellcheck disable=SC1091 # what the seed brought; a seed of another plugin may not
if [ -f /run/holos/say.sh ]; then
	. /run/holos/say.sh
	read -r holos_port </run/holos/port
else
	say() { printf 'holos: %s\n' "$*"; }
	say_output() { tail -n 20 "$1"; }
fi

have() {
	command -v "$1" >/dev/null 2>&1
}

# The end of it: why, and the last lines of what the step said.
die() {
	say "error: Dockerfile line $line: $text: $*"
	say_output "$state/build.out"
	say 'build failed'
	[ ! -d /run/holos ] || printf 'Dockerfile line %s: %s: %s\n' "$line" "$text" "$*" >/run/holos/told
	exit 1
}

# The instruction that comes now; build.lines has its line and how it reads.
at() {
	read -r line text <&9
	: >"$state/build.out"
	say "build: Dockerfile line $line: $text"
}

# A line of passwd or group: FILE NAME-OR-NUMBER.  A name goes before a number.
entry() {
	found=$(awk -F: -v k="$2" '$1 == k { print; exit }' "$1")
	[ -n "$found" ] || found=$(awk -F: -v k="$2" '$3 == k { print; exit }' "$1")
	if [ -z "$found" ] && have getent; then
		found=$(getent "${1##*/}" "$2")
	fi
	[ -n "$found" ]
}

# USER[:GROUP] with the rule for a missing group (login or same): sets name uid
# gid home.
resolve() {
	name=
	home=/
	if entry /etc/passwd "${1%%:*}"; then
		name=${found%%:*}
		uid=$(printf '%s' "$found" | cut -d : -f 3)
		gid=$(printf '%s' "$found" | cut -d : -f 4)
		home=$(printf '%s' "$found" | cut -d : -f 6)
	else
		uid=${1%%:*}
		gid=0
		case $uid in *[!0-9]* | '') die "the guest has no user \"$uid\"" ;; esac
	fi
	case $1 in
	*:*)
		if entry /etc/group "${1#*:}"; then
			gid=$(printf '%s' "$found" | cut -d : -f 3)
		else
			gid=${1#*:}
			case $gid in *[!0-9]* | '') die "the guest has no group \"$gid\"" ;; esac
		fi
		;;
	*) [ "$2" = login ] || gid=$uid ;;
	esac
}

# One command line for sh, as $user, in $dir.
as_user() {
	cd "$dir" || exit 1
	# shellcheck disable=SC1091 # the compose file's environment, where it has one
	[ ! -f "$state/build.env" ] || . "$state/build.env"
	[ -n "$name" ] || [ -n "$user" ] || exec sh -c "$1"
	if [ -n "$name" ] && [ "$login" = "$gid" ]; then
		exec su -s /bin/sh "$name" -c "$1"
	fi
	if setpriv --reuid=0 --regid=0 --clear-groups true 2>/dev/null; then
		HOME=$home exec setpriv --reuid="$uid" --regid="$gid" --clear-groups sh -c "$1"
	fi
	echo "USER $user: is no login of the guest, and without setpriv (util-linux) only those can be had"
	exit 1
}

run() {
	name=
	login=
	if [ -n "$user" ]; then
		resolve "$user" login
		[ -z "$name" ] || { entry /etc/passwd "$name" && login=$(printf '%s' "$found" | cut -d : -f 4); }
	fi
	# Not through a pipe: what it leaves in the background would hold that open.
	(as_user "$1") >"$state/build.out" 2>&1 </dev/null
	status=$?
	cat "$state/build.out"
	[ "$status" = 0 ] || die "exited with status $status"
}

# A script of its own, with the interpreter that its first line names.
run_script() {
	{ printf '%s' "$1" >"$state/build.step" && chmod 755 "$state/build.step"; } ||
		die 'cannot write it'
	run "exec $state/build.step"
}

workdir() {
	dir=$1
	[ ! -d "$dir" ] || return 0
	mkdir -p "$dir" || die "cannot make $dir"
	[ -n "$user" ] || return 0
	resolve "$user" login
	chown "$uid:$gid" "$dir" || die "cannot give $dir to $user"
}

# The disk with what is copied begins with the functions that read it.
open_context() {
	[ -z "$context" ] || return 0
	context=/dev/disk/by-id/virtio-holos-context
	if [ ! -e "$context" ]; then
		for file in /sys/block/*/serial; do
			[ -f "$file" ] || continue
			serial=
			read -r serial <"$file"
			[ "$serial" != holos-context ] || context=/dev/$(basename "${file%/serial}")
		done
	fi
	[ -e "$context" ] || die 'the disk with the files to copy is not there'
	dd if="$context" bs=65536 count=4 2>/dev/null | tr -d '\000' >"$state/context.sh"
	# shellcheck disable=SC1091 # written by the seed plugin
	. "$state/context.sh"
}

owner_of() {
	owner=
	[ -n "$1" ] || return 0
	resolve "$1" same
	owner=$uid:$gid
}

# N TARGET OWNER: tree N into a directory.
copy_into() {
	open_context
	owner_of "$3"
	unpack "$1" "$2" "$owner" 2>"$state/build.out" || die "cannot copy to $2"
}

# N TARGET NAME OWNER: the one file of tree N, to TARGET or into that directory.
copy_file() {
	[ ! -d "$2" ] || { copy_into "$1" "$2" "$4"; return; }
	open_context
	owner_of "$4"
	case $2 in /*/*) above=${2%/*} ;; *) above=/ ;; esac
	part=${above%/}/.holos-copy
	rm -rf "$part"
	{ mkdir -p "$above" && mkdir "$part" && unpack "$1" "$part" "$owner" &&
		mv -f "$part/$3" "$2" && rmdir "$part"; } 2>"$state/build.out" ||
		die "cannot copy to $2"
}

# N TARGET NAME OWNER FILE: what the archive holds; one that tar cannot read is a
# file like others (FILE: where that goes).
add_archive() {
	open_context
	rm -rf "$state/add"
	unpack "$1" "$state/add" '' || die 'cannot read it'
	# Not every tar finds out by itself how an archive is compressed.
	for compressed in '' -z -j -J --zstd; do
		# shellcheck disable=SC2086 # none or one
		tar $compressed -tf "$state/add/$3" >/dev/null 2>&1 || continue
		# shellcheck disable=SC2086
		{ mkdir -p "$2" && tar $compressed -xpf "$state/add/$3" -C "$2"; } \
			2>"$state/build.out" || die "cannot unpack it to $2"
		rm -rf "$state/add"
		return
	done
	rm -rf "$state/add"
	copy_file "$1" "$5" "$3" "$4"
}

# CMD as a service of the guest's init; $state/cmd.sh is what it runs.
service() {
	name=root
	uid=0
	gid=0
	[ -z "$user" ] || resolve "$user" login
	if [ -d /run/systemd/system ]; then
		cat >/etc/systemd/system/holos-cmd.service <<-EOF
			[Unit]
			Description=CMD of the Dockerfile
			Wants=network-online.target
			After=network-online.target

			[Service]
			User=$uid
			Group=$gid
			ExecStart=/bin/sh $state/cmd.sh
			Restart=on-failure

			[Install]
			WantedBy=multi-user.target
		EOF
		{ systemctl daemon-reload && systemctl enable holos-cmd.service &&
			systemctl start --no-block holos-cmd.service; } >"$state/build.out" 2>&1 ||
			die 'cannot make it a systemd service'
	elif have openrc-run; then
		cat >/etc/init.d/holos-cmd <<-EOF
			#!/sbin/openrc-run
			description="CMD of the Dockerfile"
			command=/bin/sh
			command_args=$state/cmd.sh
			command_background=true
			command_user=$uid:$gid
			pidfile=/run/holos-cmd.pid
			depend() {
				after net
			}
		EOF
		{ chmod 755 /etc/init.d/holos-cmd && rc-update add holos-cmd default &&
			rc-service holos-cmd start; } >"$state/build.out" 2>&1 ||
			die 'cannot make it an OpenRC service'
	else
		die 'the guest has neither systemd nor OpenRC to run it as a service'
	fi
}
