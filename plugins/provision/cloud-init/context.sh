# SPDX-License-Identifier: Apache-2.0
#
# context.sh - the functions at the beginning of the context disk.  Whoever reads
# it sets $context to the disk; a table, tree(), follows.  These comments are left
# out.
# shellcheck shell=sh
# shellcheck disable=SC2154 # set by tree() and by the reader

# SKIP BLOCKS BYTES: a part of the disk.
part() {
	dd if="$context" bs=65536 skip="$1" count="$2" 2>/dev/null | head -c "$3"
}

# N DIR [UID:GID]: tree N into a directory, which is made.  Directories that are
# there stay what they are, links to directories too.
unpack() {
	made=
	[ -d "$2" ] || made=yes
	mkdir -p "$2" || return 1
	tree "$1" || return 1
	(
		cd "$2" || exit 1
		# shellcheck disable=SC2086 # three words each
		{
			[ -z "$dirs" ] || part $dirs | xargs -0 mkdir -p || exit 1
			[ -z "$files" ] || part $files | tar -x -p -f - || exit 1
			[ -z "$3" ] || [ -z "$all" ] || part $all | xargs -0 chown -h "$3" || exit 1
			set -- $modes
		}
		while [ $# -ge 4 ]; do
			part "$2" "$3" "$4" | xargs -0 chmod "$1" || exit 1
			shift 4
		done
	) || return 1
	[ -z "$made" ] || [ -z "$3" ] || chown "$3" "$2"
}

