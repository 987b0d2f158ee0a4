# SPDX-License-Identifier: Apache-2.0
#
# say.sh - how the guest's scripts tell the host: on the virtio-serial port of
# holos, and on the console.  Read by the others.  These comments are left out of
# the seed.
# shellcheck shell=sh

holos_port=

# Find the port.  It appears a moment after its driver, without an event that a
# shell could wait for.
find_port() {
	if [ ! -d "$root/sys/class/virtio-ports" ] && command -v modprobe >/dev/null; then
		modprobe virtio_console 2>/dev/null
	fi
	there=
	for file in "$root"/sys/bus/virtio/devices/*/device; do
		[ -f "$file" ] || continue
		id=
		read -r id <"$file"
		[ "$id" != 0x0003 ] || there=yes
	done
	tries=0
	while [ $tries -lt 50 ]; do
		for file in "$root"/sys/class/virtio-ports/*/name; do
			[ -f "$file" ] || continue
			id=
			read -r id <"$file"
			[ "$id" = holos.provision ] || continue
			file=${file%/name}
			holos_port=$root/dev/${file##*/}
			[ ! -w "$holos_port" ] || return
		done
		holos_port=
		[ -n "$there" ] || return
		tries=$((tries + 1))
		sleep 0.1
	done
}

# One line for the host alone.
tell() {
	[ -z "$holos_port" ] || { printf 'holos: %s\n' "$*" >>"$holos_port"; } 2>/dev/null
}

# One line for the host, the console and the log.
say() {
	tell "$@"
	for tty in "$root/dev/ttyS0" "$root/dev/console"; do
		[ -w "$tty" ] && { printf 'holos: %s\n' "$*" >>"$tty"; } 2>/dev/null && break
	done
	printf 'holos: %s\n' "$*"
}

# The last lines of file $1, for the error that was told last.
say_output() {
	[ -s "$1" ] || return 0
	tail -n 20 "$1" | cut -c 1-300 | while IFS= read -r line; do
		say "output: $line"
	done
}
