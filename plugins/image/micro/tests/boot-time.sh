#!/bin/sh
# boot-time.sh - seconds from QEMU's start to the end of a real `ssh true`, medians of 3,
# and from the power button to QEMU's exit; direct boot and BIOS.
set -u
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"
RUNS=${RUNS:-3}

for how in ${HOW:-direct bios}; do
	: >"$T/up"
	: >"$T/down"
	for i in $(seq "$RUNS"); do
		seed "b$how$i" "$USER1" "$NET1"
		overlay "b$how$i"
		t=$(now)
		start "b$how$i" "$how" "$PORT0" 1
		wait_ssh "b$how$i" 90 || exit 1
		seconds "$t" >>"$T/up"
		echo " (cpu $(cpu_seconds "b$how$i"))" >>"$T/up"
		t=$(now)
		qmp "b$how$i" system_powerdown
		wait_exit "b$how$i" 20 || { echo "no exit"; tail -n 5 "$T/b$how$i.log"; exit 1; }
		seconds "$t" >>"$T/down"
		echo >>"$T/down"
	done
	echo "$how: ssh after $(sort -n "$T/up" | sed -n "$(((RUNS + 1) / 2))p") s ($(tr '\n' ' ' <"$T/up")), power button to exit $(
		sort -n "$T/down" | sed -n "$(((RUNS + 1) / 2))p"
	) s ($(tr '\n' ' ' <"$T/down"))"
done
