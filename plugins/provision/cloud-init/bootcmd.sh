# SPDX-License-Identifier: Apache-2.0
#
# bootcmd.sh - the bootcmd entry: finds the current seed and runs boot.sh from
# it.  In a subshell, as cloud-init makes one script of all entries.  These
# comments are left out of the seed.
# shellcheck shell=sh
(
seed=
for label in cidata CIDATA; do
	[ -n "$seed" ] || [ ! -e /dev/disk/by-label/$label ] || seed=/dev/disk/by-label/$label
	[ -n "$seed" ] || seed=$(findfs LABEL=$label 2>/dev/null)
	[ -n "$seed" ] || seed=$(blkid -L $label 2>/dev/null)
done
dir=/run/holos/seed
if mkdir -p $dir && chmod 700 /run/holos && mount -t iso9660 -o ro "$seed" $dir; then
	sh $dir/holos/boot.sh
	status=$?
	umount $dir
	exit $status
fi
for tty in /dev/ttyS0 /dev/console; do
	[ -w $tty ] && { echo "holos: error: cannot mount the seed $seed" >$tty; } 2>/dev/null &&
		break
done
exit 1
)
