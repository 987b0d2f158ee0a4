#!/bin/sh
# build.sh - makes the micro guest from Debian packages, on the user's host.
#
#   build.sh --guest-init FILE --out DIR [--cache DIR] [--progress-fd N]
#   build.sh --key --guest-init FILE [--cache DIR]
#
# The first form writes DIR/disk.qcow2, DIR/kernel, DIR/initrd, DIR/cmdline and DIR/parts;
# the second prints the key under which the result may be cached.  Needs no root, no loop
# device and no network once the packages are in the cache directory.
set -eu
LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
export LC_ALL PATH
umask 022

ROOT_MIB=256
DISK_ID=686f6c6f
ROOT_UUID=686f6c6f-6d69-6372-6f00-000000000001
CMDLINE="root=PARTUUID=$DISK_ID-01 ro console=ttyS0,115200 loglevel=5 mitigations=off no_timer_check audit=0 panic=5"
EPOCH=${SOURCE_DATE_EPOCH:-1700000000}

# What the initramfs loads to reach the root, what every boot loads, and what waits on the
# disk until something asks for it.
EARLY="virtio_pci virtio_blk crc32c_generic ext4"
BOOT="virtio_net isofs button evdev virtio_rng virtio_balloon pvpanic-mmio pvpanic-pci"
DEMAND="9pnet_virtio 9p virtiofs overlay vfat nls_cp437 nls_ascii nls_iso8859-1 nls_utf8 loop virtio_console tun dummy veth bridge"

# guest path, package: copied from the host, or out of the package
FILES="/bin/busybox:busybox-static /usr/sbin/dropbear:dropbear-bin /usr/bin/dropbearkey:dropbear-bin
/usr/lib/dropbear/dropbearconvert:dropbear-bin /usr/bin/dbclient:dropbear-bin /sbin/mke2fs:e2fsprogs /sbin/resize2fs:e2fsprogs
/sbin/e2fsck:e2fsprogs"
PACKAGES="busybox-static dropbear-bin e2fsprogs"
LIBRARIES="libc6 libtomcrypt1 libtommath1 libcrypt1 zlib1g libext2fs2 libcom-err2 libblkid1 libuuid1 libgmp10"

init='' out='' cache='' fd='' key=''
script=$0
work=''

die() {
	printf 'build.sh: %s\n' "$*" >&2
	exit 1
}
need() { # PROGRAM PACKAGE
	command -v "$1" >/dev/null 2>&1 || die "needs $1 (package $2)"
}
progress() { # PERCENT TEXT
	[ -z "$fd" ] || printf '%s %s\n' "$1" "$2" >&"$fd"
}

arguments() {
	while [ $# -gt 0 ]; do
		case $1 in
		--key) key=1 ;;
		--guest-init | --out | --cache | --progress-fd)
			[ $# -ge 2 ] || die "$1 needs a value"
			case $1 in
			--guest-init) init=$2 ;;
			--out) out=$2 ;;
			--cache) cache=$2 ;;
			*) fd=$2 ;;
			esac
			shift
			;;
		*) die "unknown argument $1" ;;
		esac
		shift
	done
	[ -n "$init" ] || die "--guest-init FILE is needed"
	if [ ! -f "$init" ] || [ ! -x "$init" ]; then die "$init: not an executable file"; fi
	[ -n "$key$out" ] || die "--out DIR is needed"
	case $fd in *[!0-9]*) die "--progress-fd $fd: not a number" ;; esac
	: "${cache:=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/holos/micro}"
	mkdir -p "$cache" || die "$cache: cannot be made"
	case $init in /*) ;; *) init=$PWD/$init ;; esac
	case $script in /*) ;; *) script=$PWD/$script ;; esac
	case $out in /* | '') ;; *) out=$PWD/$out ;; esac
	cache=$(cd "$cache" && pwd)
}

# What apt would install: the kernel package linux-image-amd64 stands for, on the first
# line, and the other parts.  apt takes a second to say: it is asked once, and its answer
# is kept until the package lists change, so the key is quick and the same before and
# after a build.
ask_apt() {
	c=$cache/candidates
	if [ ! -s "$c" ] || [ -n "$(find /var/lib/apt/lists -maxdepth 0 -newer "$c" 2>/dev/null)" ]; then
		need apt-cache apt
		# shellcheck disable=SC2086
		said=$(apt-cache show --no-all-versions linux-image-amd64 $PACKAGES $LIBRARIES 2>/dev/null |
			awk '$1 == "Package:" { p = $2 }
			$1 == "Version:" && p != "linux-image-amd64" { print p, $2 }
			$1 == "Depends:" && p == "linux-image-amd64" { gsub(/[(=),]/, " "); print $2, $3 }')
		case $said in
		linux-image-*) # written whole: others may read it
			new=$(mktemp "$c.XXXXXX")
			printf '%s\n' "$said" >"$new"
			mv "$new" "$c"
			;;
		*) [ -s "$c" ] || die "apt does not know linux-image-amd64 (run apt-get update as root)" ;;
		esac
	fi
	read -r kernel kernel_version <"$c"
}
candidate() { # PACKAGE: the version apt would fetch, or nothing
	sed -n "s/^$1 //p" "$cache/candidates" | head -n 1
}

installed() { # PACKAGE: its version here, or nothing
	dpkg-query -W -f '${db:Status-Abbrev} ${Version}\n' "$1" 2>/dev/null | sed -n 's/^.i *//p' | head -n 1
}
# "package version" of every part, sorted: as installed here, else as apt would fetch it
parts() {
	# shellcheck disable=SC2086
	have=$(dpkg-query -W -f '${Package} ${Version}\n' $PACKAGES $LIBRARIES 2>/dev/null | sed '/ $/d')
	{
		printf '%s %s\n' "$kernel" "$kernel_version"
		printf '%s\n' "$have"
		for p in $PACKAGES $LIBRARIES; do
			printf '%s\n' "$have" | grep -q "^$p " || sed -n "/^$p /p" "$cache/candidates"
		done
	} | sed '/^$/d' | sort -u
}

fetch() { # PACKAGE: sets deb
	v=$(candidate "$1")
	deb=$cache/$1_$(printf %s "$v" | sed 's/:/%3a/g')_amd64.deb
	[ -n "$v" ] && [ -s "$deb" ] && return 0
	need apt-get apt
	# apt checks the package against its signed list; it lands here only when whole
	mkdir -p "$work/fetch"
	(cd "$work/fetch" && apt-get -q -o APT::Sandbox::User=root download "$1${v:+=$v}") >"$work/apt.log" 2>&1 ||
		die "cannot download package $1: $(sed -n 's/^E: //p' "$work/apt.log" | head -n 1)"
	case $1 in linux-image-*) rm -f "$cache"/linux-image-*.deb ;; *) rm -f "$cache/$1"_*.deb ;; esac
	mv "$work/fetch/$1"_*.deb "$cache/"
	for deb in "$cache/$1"_*.deb; do [ -s "$deb" ] || die "package $1: apt-get download left no file"; done
}

# Programs of packages the host lacks, with the libraries those need and it lacks too.
host_or_package() {
	missing=''
	for f in $FILES; do
		[ -x "${f%%:*}" ] && { [ -n "$(installed "${f##*:}")" ] || ! command -v dpkg-query >/dev/null; } && continue
		case " $missing " in *" ${f##*:} "*) ;; *) missing="$missing ${f##*:}" ;; esac
	done
	[ -n "$missing" ] || return 0
	need dpkg-deb dpkg
	mkdir -p "$work/debs"
	for p in $missing; do
		progress 5 "fetching $p"
		fetch "$p"
		dpkg-deb -x "$deb" "$work/debs"
		for l in $(dpkg-deb -f "$deb" Depends Pre-Depends | sed 's/^[A-Za-z-]*: //; s/([^)]*)//g; s/|[^,]*//g; s/,/ /g'); do
			case $l in lib*) ;; *) continue ;; esac
			[ -z "$(installed "$l")" ] || continue
			fetch "$l"
			dpkg-deb -x "$deb" "$work/debs"
		done
	done
}

# A program of the host (or of a fetched package) into the guest, with its libraries.
LIBDIRS="lib/x86_64-linux-gnu usr/lib/x86_64-linux-gnu"
put() { # PATH
	src=$1
	for d in "$work/debs$1" "$work/debs/usr$1"; do [ -e "$d" ] && src=$d; done
	[ -e "$src" ] || die "$1 is in no package"
	mkdir -p "$root${1%/*}"
	cp -L "$src" "$root$1"
	chmod 755 "$root$1"
	lp=''
	for d in $LIBDIRS; do [ ! -d "$work/debs/$d" ] || lp=$lp:$work/debs/$d; done
	LD_LIBRARY_PATH=${lp#:} ldd "$src" 2>/dev/null >"$work/ldd" || return 0 # a static program
	! grep -q 'not found' "$work/ldd" || die "$1: $(sed -n 's/^[[:space:]]*\([^ ]*\) => not found.*/\1/p' "$work/ldd" | head -n 1) is missing"
	sed -n 's/.*=> \(\/[^ ]*\).*/\1/p; s/^[[:space:]]*\(\/lib64[^ ]*\).*/\1/p' "$work/ldd" | while read -r l; do
		d=$root/lib/x86_64-linux-gnu
		case $l in /lib64/*) d=$root/lib64 ;; esac
		[ -e "$d/${l##*/}" ] || cp -L "$l" "$d/"
	done
}

unpack_kernel() {
	need dpkg-deb dpkg
	need xz xz-utils
	progress 10 "fetching $kernel"
	fetch "$kernel"
	progress 25 "unpacking $kernel"
	mkdir "$work/k"
	m='./lib/modules/*/kernel'
	dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/k" --wildcards './boot/vmlinuz-*' './lib/modules/*/modules.*' \
		"$m/fs/*" "$m/lib/*" "$m/crypto/*" "$m/arch/x86/crypto/*" "$m/net/9p/*" "$m/net/core/*" "$m/net/bridge/*" "$m/net/802/*" "$m/net/llc/*" \
		"$m/drivers/virtio/*" "$m/drivers/block/*" "$m/drivers/net/*.ko" "$m/drivers/char/*" "$m/drivers/acpi/*" \
		"$m/drivers/input/*" "$m/drivers/misc/pvpanic/*" "$m/drivers/cdrom/*" || die "cannot unpack $deb"
	version=$(ls "$work/k/lib/modules")
	"$init" payload "$work"/k/boot/vmlinuz-* >"$work/payload"
	xz -dc --single-stream "$work/payload" >"$work/kernel" 2>/dev/null || die "the kernel of $kernel is not xz-compressed"
	depmod -b "$work/k" "$version" 2>/dev/null || die "depmod failed on $kernel"
}

modules_of() { # NAME...: files, dependencies first
	for m; do
		modprobe -S "$version" -d "$work/k" --show-depends "$m" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p'
	done | awk '!seen[$0]++'
}

make_initrd() {
	mkdir "$work/m"
	# shellcheck disable=SC2086
	modules_of $EARLY >"$work/early"
	set -- "$work/initrd" "init=$init"
	while read -r f; do
		"$init" unsign "$f" "$work/m/${f##*/}"
		printf '%s\n' "${f##*/}" >>"$work/m/order"
		set -- "$@" "m/${f##*/}=$work/m/${f##*/}"
	done <"$work/early"
	"$init" mkcpio "$@" "m/order=$work/m/order"
}

root_modules() {
	md=lib/modules/$version
	mkdir -p "$root/lib/micro"
	# shellcheck disable=SC2086
	modules_of $BOOT >"$work/boot.all"
	grep -vxFf "$work/early" "$work/boot.all" >"$work/boot" || :
	# shellcheck disable=SC2086
	modules_of $EARLY $BOOT $DEMAND >"$work/all"
	while read -r f; do
		d=$root/${f#"$work/k/"}
		mkdir -p "${d%/*}"
		"$init" unsign "$f" "$d"
	done <"$work/all"
	sed "s|^$work/k/lib|..|" "$work/boot" >"$root/lib/micro/order"
	cp "$work/k/$md/modules.builtin" "$work/k/$md/modules.builtin.modinfo" "$root/$md/" 2>/dev/null || :
	: >"$root/$md/modules.order"
	depmod -b "$root" "$version" 2>/dev/null
	rm -f "$root/$md"/*.bin "$root/$md/modules.order" "$root/$md/modules.symbols" "$root/$md/modules.builtin.modinfo"
}

text() { # PATH MODE, content from stdin
	mkdir -p "$root${1%/*}"
	cat >"$root$1"
	chmod "$2" "$root$1"
}

root_programs() {
	for f in $FILES; do put "${f%%:*}"; done
	"$init" unping "$root/bin/busybox" "$work/busybox"
	mv "$work/busybox" "$root/bin/busybox"
	chmod 755 "$root/bin/busybox"
	ln -s ../lib/dropbear/dropbearconvert "$root/usr/bin/dropbearconvert"
	ln -s dbclient "$root/usr/bin/ssh"
	for t in ext2 ext3 ext4; do
		ln -s mke2fs "$root/sbin/mkfs.$t"
		ln -s e2fsck "$root/sbin/fsck.$t"
	done
	for a in $("$root/bin/busybox" --list); do
		case $a in busybox | mke2fs | init | linuxrc | dpkg* | rpm* | udhcpc | poweroff | halt | reboot | modprobe | pinf | pinf6) continue ;; esac
		ln -s busybox "$root/bin/$a"
	done
	for a in poweroff halt reboot modprobe udhcpc mkdosfs; do ln -s ../bin/busybox "$root/sbin/$a"; done
	ln -s mkdosfs "$root/sbin/mkfs.vfat"
	cp "$init" "$root/sbin/micro-init"
	cp "$init" "$root/usr/bin/sudo"
	chmod 755 "$root/sbin/micro-init"
	chmod 4755 "$root/usr/bin/sudo"
	for a in init blkid udevadm shutdown; do ln -s micro-init "$root/sbin/$a"; done
	for a in bash mountpoint; do ln -s ../sbin/micro-init "$root/bin/$a"; done
	for a in cloud-init nohup; do ln -s ../../sbin/micro-init "$root/usr/bin/$a"; done
	ln -s ../../../sbin/micro-init "$root/usr/lib/micro/udhcpc"
	for a in sh env; do ln -s ../../bin/busybox "$root/usr/bin/$a"; done
	ln -s ../../bin/bash "$root/usr/bin/bash"
	for a in ping ping6; do ln -s ../usr/bin/sudo "$root/bin/$a"; done # set-user-ID, see ping.c
}

root_files() {
	text /etc/passwd 644 <<-'E'
		root:x:0:0:root:/root:/bin/sh
		nobody:x:65534:65534:nobody:/nonexistent:/bin/false
	E
	text /etc/group 644 <<-'E'
		root:x:0:
		tty:x:5:
		nogroup:x:65534:
	E
	text /etc/shadow 600 <<-'E'
		root:*:19000:0:99999:7:::
		nobody:*:19000:0:99999:7:::
	E
	printf '/bin/sh\n/bin/ash\n/bin/bash\n/usr/bin/bash\n' | text /etc/shells 644
	printf 'passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n' | text /etc/nsswitch.conf 644
	printf 'micro\n' | text /etc/hostname 644
	printf '127.0.0.1\tlocalhost\n' | text /etc/hosts 644
	text /etc/fstab 644 </dev/null
	text /etc/resolv.conf 644 </dev/null
	printf 'ID=micro\nID_LIKE=debian\nNAME=micro\nPRETTY_NAME="holos micro guest"\n' | text /etc/os-release 644
	text /etc/profile 644 <<-'E'
		# sessions of every user; /etc/profile.d is holos's and the user's
		export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
		if [ "$(id -u)" = 0 ]; then PS1='\h:\w# '; else PS1='\h:\w\$ '; fi
		for f in /etc/profile.d/*.sh; do [ -r "$f" ] && . "$f"; done
		unset f
	E
	mkdir -p "$root/etc/profile.d"
	chmod 1777 "$root/tmp" "$root/var/tmp"
	chmod 700 "$root/root"
}

make_root() {
	root=$work/root
	mkdir "$root"
	for d in bin sbin lib/x86_64-linux-gnu lib64 usr/bin usr/sbin usr/lib/micro usr/local/bin usr/local/sbin etc/dropbear \
		etc/ssh etc/micro dev proc sys run tmp root home mnt media opt srv var/log var/lib/cloud var/tmp var/cache; do
		mkdir -p "$root/$d"
	done
	ln -s /run "$root/var/run"
	ln -s /proc/self/mounts "$root/etc/mtab"
	root_programs
	root_modules
	root_files
	find "$root" -exec touch -h -d "@$EPOCH" {} +
}

make_disk() {
	printf '%s\n' "$CMDLINE" >"$work/cmdline"
	offset=$("$init" mkdisk "$work/kernel" "$work/initrd" "$work/cmdline" "$work/disk.raw" "$ROOT_MIB" "$DISK_ID")
	E2FSPROGS_FAKE_TIME=$EPOCH mke2fs -q -F -t ext4 -b 4096 -i 16384 -L holos-micro -U "$ROOT_UUID" -m 0 -J size=16 \
		-E "offset=$offset,nodiscard,root_owner=0:0,lazy_itable_init=1,hash_seed=$ROOT_UUID,resize=268435456,lazy_journal_init=1" \
		-d "$root" "$work/disk.raw" "${ROOT_MIB}M" 2>"$work/mke2fs.log" || die "mke2fs: $(head -n 1 "$work/mke2fs.log")"
	if [ "$(id -u)" != 0 ]; then
		# mke2fs records the builder as the owner: everything becomes root's
		need debugfs e2fsprogs
		(cd "$root" && find . ! -path . | sed 's|^\.\(.*\)|sif "\1" uid 0\nsif "\1" gid 0|') >"$work/owners"
		E2FSPROGS_FAKE_TIME=$EPOCH debugfs -w -f "$work/owners" "$work/disk.raw?offset=$offset" >/dev/null 2>"$work/debugfs.log" ||
			die "debugfs: $(sed -n 2p "$work/debugfs.log")"
	fi
	progress 80 "packing the disk"
	qemu-img convert -c -W -m 4 -O qcow2 "$work/disk.raw" "$work/disk.qcow2" || die "qemu-img failed"
}

deliver() {
	mkdir -p "$out" || die "$out: cannot be made"
	parts >"$work/parts"
	dd if="$work/kernel" of="$work/kernel.sparse" bs=64k conv=sparse status=none
	mv "$work/kernel.sparse" "$work/kernel"
	# by way of temporary names: nobody sees half a file
	for f in kernel initrd cmdline parts disk.qcow2; do
		cp --sparse=always "$work/$f" "$out/.$f.new"
		chmod 644 "$out/.$f.new"
	done
	for f in kernel initrd cmdline parts disk.qcow2; do mv "$out/.$f.new" "$out/$f"; done
}

arguments "$@"
need dpkg-query dpkg
ask_apt
if [ -n "$key" ]; then
	need sha256sum coreutils
	{ parts && cat "$init" "$script"; } | sha256sum | cut -d ' ' -f 1
	exit 0
fi
need mke2fs e2fsprogs
need modprobe kmod
need depmod kmod
need qemu-img qemu-utils
work=$(mktemp -d "${TMPDIR:-/tmp}/holos-micro.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
progress 0 "starting"
unpack_kernel
host_or_package
progress 45 "collecting programs"
make_initrd
make_root
progress 60 "making the disk"
make_disk
progress 95 "writing the result"
deliver
progress 100 "done"
