# lib.sh - sourced by the micro guest's tests: seeds, QEMU, ssh, QMP.
#
# MICRO is the builder's output directory, T the test's scratch directory.  A QEMU is known
# by its name (pid in $T/NAME.pid); only those started here are ever ended.
# shellcheck shell=sh disable=SC2034

: "${MICRO:?set MICRO to the directory build.sh wrote}"
T=$(mktemp -d "${TMPDIR:-/tmp}/micro-test.XXXXXX")
PORT0=${PORT0:-24200}
fails=0
names=''

for p in qemu-system-x86_64 qemu-img genisoimage ssh ssh-keygen python3; do
	command -v "$p" >/dev/null || { echo "skip: needs $p"; exit 77; }
done

finish() {
	for n in $names; do kill "$(cat "$T/$n.pid")" 2>/dev/null; done
	if [ -n "${KEEP:-}" ]; then echo "kept $T"; else rm -rf "$T"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

ssh-keygen -q -t ed25519 -N '' -C user -f "$T/id"
ssh-keygen -q -t ed25519 -N '' -C host -f "$T/host"

now() { date +%s%N; }
seconds() { # SINCE: with two decimals
	echo "$(($(now) - $1))" | awk '{printf "%.2f", $1 / 1e9}'
}
indent() { sed "s/^/$1/"; }

seed() { # NAME USER-DATA NETWORK-CONFIG [IID] [LABEL]
	mkdir -p "$T/$1.d"
	printf 'instance-id: %s\nlocal-hostname: %s\n' "${4:-iid-$1}" "$1" >"$T/$1.d/meta-data"
	printf '%s\n' "$2" >"$T/$1.d/user-data"
	printf '%s\n' "$3" >"$T/$1.d/network-config"
	genisoimage -quiet -V "${5:-cidata}" -J -r -o "$T/$1.iso" "$T/$1.d"
}
overlay() { # NAME [SIZE]
	qemu-img create -q -f qcow2 -b "$MICRO/disk.qcow2" -F qcow2 "$T/$1.qcow2" ${2:+"$2"}
}

# start NAME direct|bios PORT N [QEMU OPTION ...]: N makes the MAC addresses
start() {
	name=$1 how=$2 port=$3 n=$4
	shift 4
	if [ "$how" = direct ]; then
		set -- -kernel "$MICRO/kernel" -initrd "$MICRO/initrd" -append "$(cat "$MICRO/cmdline")" "$@"
	fi
	qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max -smp 1 -m 128 -nodefaults -no-user-config -display none \
		-chardev "file,id=ser,path=$T/$name.log" -serial chardev:ser -qmp "unix:$T/$name.qmp,server=on,wait=off" \
		-device virtio-rng-pci -device virtio-balloon-pci -device pvpanic \
		-drive "if=none,format=raw,readonly=on,file=$T/$name.iso,id=seed" -device virtio-blk-pci,drive=seed \
		-drive "if=none,format=qcow2,file=$T/$name.qcow2,id=root" -device virtio-blk-pci,drive=root,bootindex=1 \
		-netdev "user,id=n0,hostfwd=tcp:127.0.0.1:$port-:22" \
		-device "virtio-net-pci,netdev=n0,mac=52:54:00:00:00:0$n,romfile=" "$@" 2>"$T/$name.err" &
	echo $! >"$T/$name.pid"
	: >>"$T/$name.log"
	echo "$port" >"$T/$name.port"
	names="$names $name"
}
running() { kill -0 "$(cat "$T/$1.pid")" 2>/dev/null; }

on() { # NAME COMMAND ...
	name=$1
	shift
	ssh -i "$T/id" -p "$(cat "$T/$name.port")" -o BatchMode=yes -o ConnectTimeout=5 -o LogLevel=ERROR \
		-o "UserKnownHostsFile=$T/known" -o "StrictHostKeyChecking=${STRICT:-no}" user@127.0.0.1 "$@" </dev/null
}
# QEMU's user network accepts at once and retries its own connect to the guest ever more
# slowly: a connection made too early answers late.  So: many short ones until one greets.
wait_banner() { # NAME LIMIT
	python3 - "$(cat "$T/$1.port")" "$2" <<-'E'
		import socket, sys, time
		end = time.monotonic() + float(sys.argv[2])
		while time.monotonic() < end:
		    try:
		        with socket.create_connection(('127.0.0.1', int(sys.argv[1])), 1) as s:
		            s.settimeout(0.4)
		            if s.recv(4) == b'SSH-': sys.exit(0)
		    except OSError: time.sleep(0.05)
		sys.exit(1)
	E
}
cpu_seconds() { # NAME: what QEMU used so far
	awk '{sub(/.*\) /, ""); split($0, f, " "); printf "%.1f", (f[12] + f[13]) / 100}' "/proc/$(cat "$T/$1.pid")/stat"
}
wait_ssh() { # NAME LIMIT
	wait_banner "$1" "$2"
	limit=$(($(date +%s) + $2))
	until on "$1" true 2>/dev/null; do
		if ! running "$1" || [ "$(date +%s)" -gt "$limit" ]; then
			echo "no ssh to $1; its console:"
			tail -n 30 "$T/$1.log"
			cat "$T/$1.err"
			return 1
		fi
		sleep 0.05
	done
}
wait_exit() { # NAME LIMIT
	limit=$(($(now) + $2 * 1000000000))
	while running "$1"; do
		[ "$(now)" -lt "$limit" ] || return 1
		sleep 0.02
	done
}
qmp() { # NAME COMMAND
	python3 - "$T/$1.qmp" "$2" <<-'E'
		import socket, sys
		s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); f = s.makefile('rw')
		f.readline()
		for c in 'qmp_capabilities', sys.argv[2]:
		    f.write('{"execute": "%s"}\n' % c); f.flush()
		    while 'return' not in f.readline(): pass
	E
}

# waits in the background for a QMP event; wait for its pid
qmp_event() { # NAME EVENT LIMIT
	python3 - "$T/$1.qmp" "$2" "$3" <<-'E' &
		import socket, sys
		s = socket.socket(socket.AF_UNIX); s.settimeout(float(sys.argv[3])); s.connect(sys.argv[1]); f = s.makefile('rw')
		f.readline(); f.write('{"execute": "qmp_capabilities"}\n'); f.flush()
		for line in f:
		    if '"%s"' % sys.argv[2] in line: sys.exit(0)
		sys.exit(1)
	E
}
ok() { # TEXT, after the test command: ok $? TEXT
	st=$1
	shift
	if [ "$st" = 0 ]; then echo "ok   $*"; else echo "FAIL $*"; fails=$((fails + 1)); fi
}
is() { # TEXT GOT WANTED
	if [ "$2" = "$3" ]; then echo "ok   $1"; else
		echo "FAIL $1: got '$2', wanted '$3'"
		fails=$((fails + 1))
	fi
}
result() {
	echo "$fails failed"
	[ "$fails" = 0 ]
}

NET1='version: 2
ethernets:
  nic0:
    match: {macaddress: "52:54:00:00:00:01"}
    set-name: eth0
    dhcp4: true'
USER1="#cloud-config
users:
  - name: user
    shell: /bin/bash
    sudo: ALL=(ALL) NOPASSWD:ALL
    ssh_authorized_keys: [\"$(cat "$T/id.pub")\"]
ssh_keys:
  ed25519_private: |
$(indent '    ' <"$T/host")
  ed25519_public: $(cat "$T/host.pub")"
