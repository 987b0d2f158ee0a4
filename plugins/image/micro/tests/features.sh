#!/bin/sh
# features.sh - one guest with two NICs and everything a seed may ask for: first boot,
# second boot with the same instance-id and a grown disk, shares, volume, host key, status.
# shellcheck disable=SC2016 # much of it is the guest's shell text
set -u
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

GZ=$(printf 'gzipped text\n' | gzip -9n | base64 -w 0)
mkdir -p "$T/rw" "$T/ro"
echo from-host >"$T/ro/file"
qemu-img create -q -f qcow2 "$T/vol.qcow2" 64M
qemu-img create -q -f qcow2 "$T/fs.qcow2" 64M
cat >"$T/boot.sh" <<'E'
set -eu
d=/dev/disk/by-id/virtio-vol-data
[ -e "$d" ] && readlink -f "$d" | grep -q '^/dev/vd'
if ! blkid "$d" >/dev/null; then mkfs.ext4 -q -L vol-data "$d"; fi
mkdir -p /data /mnt/rw /mnt/ro
mountpoint -q /data || mount -t ext4 "$d" /data
mountpoint -q /mnt/rw || mount -t 9p -o trans=virtio,version=9p2000.L tagrw /mnt/rw
mountpoint -q /mnt/ro || mount -t 9p -o trans=virtio,version=9p2000.L,ro tagro /mnt/ro
echo "boot $(ip -4 addr show dev lo | grep -c inet)" | sed 's/^/x/' >>/data/boots
echo tmp >/data/t && mv /data/t /data/t2
sync
E
NET2="$NET1
  nic1:
    match: {macaddress: \"52:54:00:00:01:01\"}
    set-name: eth1
    addresses: [10.10.0.2/24]
    mtu: 1400
    routes: [{to: 10.99.0.0/16, via: 10.10.0.1}]
    nameservers: {addresses: [10.10.0.53], search: [holos.internal]}
    dhcp4: false
    optional: true"
USER2="$USER1
  bogus_private: x
hostname: feat
users2: ignored
packages: [nothing]
ssh_authorized_keys: [\"ssh-ed25519 AAAAtop top\"]
groups: [staff, {ops: [user]}]
write_files:
  - {path: /etc/f-plain, content: \"a\\nb\\n\", permissions: '0640', owner: 'nobody:nogroup'}
  - {path: /a/b/f-b64, encoding: b64, content: aGVsbG8K}
  - {path: /etc/f-gz, encoding: gz+b64, content: $GZ}
  - {path: /etc/f-plain, append: true, content: \"c\\n\"}
  - {path: /home/user/f-defer, defer: true, owner: 'user:user', content: d}
  - {path: /etc/f-bin, content: !!binary aGVsbG8K}
  - {path: /etc/environment, content: \"HOLOS_X=\\\"a b\\\"\\n\"}
  - {path: /etc/f-order, append: true, content: \"write_files\\n\"}
bootcmd:
  - echo bootcmd >>/etc/f-order
  - [sh, -c, 'mkdir -p /run/s && mount -o ro \$(blkid -L cidata) /run/s && sh /run/s/boot.sh; s=\$?; umount /run/s; exit \$s']
runcmd:
  - echo runcmd >>/etc/f-order
  - [sh, -c, 'echo \"\$1\" >/etc/f-arg', x, 'one arg; \$HOME']
  - cd /tmp
  - pwd >/etc/f-pwd
fs_setup:
  - {label: fsdisk, filesystem: ext4, device: /dev/disk/by-id/virtio-fsdisk}
mounts:
  - [LABEL=fsdisk, /mnt/fs disk, ext4, 'defaults,nofail', '0', '2']
final_message: all done after \$UPTIME"

disks() {
	echo "-drive if=none,format=qcow2,file=$T/vol.qcow2,id=v0 -device virtio-blk-pci,drive=v0,serial=vol-data
-drive if=none,format=qcow2,file=$T/fs.qcow2,id=v1 -device virtio-blk-pci,drive=v1,serial=fsdisk
-virtfs local,path=$T/rw,mount_tag=tagrw,security_model=none -virtfs local,path=$T/ro,mount_tag=tagro,security_model=none,readonly=on
-netdev socket,id=n1,mcast=239.77.1.2:24299,localaddr=127.0.0.1 -device virtio-net-pci,netdev=n1,mac=52:54:00:00:01:01,romfile="
}

mkdir -p "$T/f.d" && cp "$T/boot.sh" "$T/f.d/"
seed f "$USER2" "$NET2"
overlay f 1G
printf '[127.0.0.1]:%s %s\n' "$((PORT0 + 1))" "$(cat "$T/host.pub")" >"$T/known"
STRICT=yes

# shellcheck disable=SC2046
start f direct "$((PORT0 + 1))" 1 $(disks)
wait_ssh f 90 || exit 1
is "host key is the seed's, cloud-init status --wait" "$(on f cloud-init status --wait)" "status: done"
is "hostname" "$(on f hostname)" feat
is "order" "$(on f cat /etc/f-order | tr '\n' ' ')" "bootcmd write_files runcmd "
is "write_files owner, mode, append" "$(on f 'stat -c %a:%U:%G /etc/f-plain; sudo cat /etc/f-plain' | tr '\n' ' ')" "644:root:root a b c "
is "write_files b64" "$(on f cat /a/b/f-b64)" hello
is "write_files gz+b64" "$(on f cat /etc/f-gz)" "gzipped text"
is "write_files !!binary" "$(on f cat /etc/f-bin)" hello
is "write_files defer, owner" "$(on f stat -c %U /home/user/f-defer)" user
is "runcmd argument list" "$(on f cat /etc/f-arg)" 'one arg; $HOME'
is "runcmd shares one shell" "$(on f cat /etc/f-pwd)" /tmp
is "home and .ssh modes" "$(on f 'stat -c %a:%U ~ ~/.ssh ~/.ssh/authorized_keys' | tr '\n' ' ')" "755:user 700:user 600:user "
is "top-level keys" "$(on f 'grep -c AAAAtop ~/.ssh/authorized_keys')" 1
is "groups" "$(on f 'id -Gn')" "user ops"
is "sudo" "$(on f 'sudo id -u; sudo -u nobody id -un; sudo -n sh -c "echo \$USER"' | tr '\n' ' ')" "0 nobody root "
is "environment of a session" "$(on f 'echo $HOLOS_X')" "a b"
is "exit status" "$(on f 'exit 7'; echo $?)" 7
is "argument with quotes" "$(on f "printf '%s|' 'a b' \"c'd\"")" "a b|c'd|"
is "pty and TERM" "$(sleep 4 | TERM=xterm ssh -tt -i "$T/id" -p "$((PORT0 + 1))" -o LogLevel=ERROR -o UserKnownHostsFile="$T/known" user@127.0.0.1 'tty; echo $TERM; stty rows 40 cols 100; stty size' | tr -d '\r' | tr '\n' ' ')" "/dev/pts/0 xterm 40 100 "
on f sleep 5 &
s1=$!
on f sleep 5 &
s2=$!
sleep 2
is "several sessions" "$(on f 'ps | grep -c "[s]leep 5"')" 2
wait "$s1" "$s2"
is "static address, mtu" "$(on f 'ip addr show eth1 | grep -c "inet 10.10.0.2/24"; cat /sys/class/net/eth1/mtu' | tr '\n' ' ')" "1 1400 "
is "route" "$(on f 'ip route | grep -c "10.99.0.0/16 via 10.10.0.1"')" 1
is "resolv.conf of both" "$(on f 'grep -c -e 10.10.0.53 -e 10.0.2.3 -e "search holos.internal" /etc/resolv.conf')" 3
is "hosts" "$(on f 'grep -c "127.0.1.1.*feat" /etc/hosts')" 1
is "ping as a user" "$(on f 'ping -c 1 -W 3 127.0.0.1 >/dev/null; echo $?')" 0
is "volume formatted and mounted by serial" "$(on f 'mountpoint -q /data && cat /data/boots && cat /data/t2' | tr '\n' ' ')" "xboot 1 tmp "
is "9p read" "$(on f cat /mnt/ro/file)" from-host
is "9p write" "$(on f 'echo guest | sudo tee /mnt/rw/out >/dev/null'; cat "$T/rw/out")" guest
is "9p read-only refuses" "$(on f 'sudo touch /mnt/ro/x 2>/dev/null; echo $?')" 1
is "fs_setup and mounts" "$(on f 'grep -c "/mnt/fs.040disk ext4" /proc/mounts; sudo blkid -L fsdisk; readlink /dev/disk/by-label/fsdisk' | sed 's/vd./vdX/' | tr '\n' ' ')" "1 /dev/vdX ../../vdX "
is "root file system grown" "$(on f "df -m / | awk 'NR == 2 { print (\$2 > 900) }'")" 1
is "tools" "$(on f 'for c in id hostname wget nc httpd ping tar stat top vi less stty ip mkfs.ext4 blkid mountpoint grep sed mv modprobe readlink sync resize2fs e2fsck su base64 timeout; do command -v $c >/dev/null || sudo sh -c "command -v $c" >/dev/null || echo -n "$c "; done')" ""
is "marker files" "$(on f 'test -e /var/lib/cloud/instance/boot-finished && test -e /run/cloud-init/result.json && echo yes')" yes
is "nothing asked for is hidden" "$(grep -c -e 'packages: not supported' -e 'users2: not known' -e 'all done after [0-9]' "$T/f.log")" 3
is "tar through a pipe" "$(tar -C "$T/ro" -c file | ssh -i "$T/id" -p "$((PORT0 + 1))" -o LogLevel=ERROR -o UserKnownHostsFile="$T/known" user@127.0.0.1 'mkdir -p x && tar -x -C x && tar -c -C x file' | tar -xO)" from-host

t=$(now)
qmp f system_powerdown
wait_exit f 3
ok $? "power button to exit: $(seconds "$t") s"

# again: same instance-id, a larger disk, another disk order
qemu-img resize -q "$T/f.qcow2" 2G
set -- -drive "if=none,format=qcow2,file=$T/f.qcow2,id=root2" -device virtio-blk-pci,drive=root2
mv "$T/f.qcow2" "$T/keep.qcow2" && qemu-img create -q -f qcow2 "$T/f.qcow2" 1M # takes the root's usual place
set -- -drive "if=none,format=qcow2,file=$T/keep.qcow2,id=root2" -device virtio-blk-pci,drive=root2
# shellcheck disable=SC2046
start f direct "$((PORT0 + 1))" 1 $(disks) "$@"
wait_ssh f 90 || exit 1
is "second boot, same host key" "$(on f cloud-init status --wait)" "status: done"
is "bootcmd again, runcmd and write_files not" "$(on f cat /etc/f-order | tr '\n' ' ')" "bootcmd write_files runcmd bootcmd "
is "volume kept" "$(on f 'cat /data/boots' | tr '\n' ' ')" "xboot 1 xboot 1 "
is "fstab mounted" "$(on f 'grep -c "/mnt/fs.040disk" /proc/mounts')" 1
is "grown again" "$(on f "df -m / | awk 'NR == 2 { print (\$2 > 1900) }'")" 1
is "keys not doubled" "$(on f 'grep -c . ~/.ssh/authorized_keys')" 2
t=$(now)
on f sudo poweroff
wait_exit f 5
ok $? "poweroff in the guest: $(seconds "$t") s"
result
