#!/bin/sh
# pair.sh - two guests with two NICs each: they reach each other over socket multicast.
set -u
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

for n in 1 2; do
	seed "p$n" "$USER1" "version: 2
ethernets:
  a: {match: {macaddress: \"52:54:00:00:00:0$n\"}, set-name: eth0, dhcp4: true}
  b: {match: {macaddress: \"52:54:00:00:01:0$n\"}, set-name: eth1, addresses: [10.10.0.$((n + 1))/24]}"
	overlay "p$n"
	start "p$n" direct "$((PORT0 + 4 + n))" "$n" -netdev socket,id=n1,mcast=239.77.1.3:24298,localaddr=127.0.0.1 \
		-device "virtio-net-pci,netdev=n1,mac=52:54:00:00:01:0$n,romfile="
done
for n in 1 2; do wait_ssh "p$n" 120 || exit 1; done
is "1 pings 2 as a user" "$(on p1 'ping -c 3 -W 3 10.10.0.3 >/dev/null; echo $?')" 0
is "2 pings 1" "$(on p2 'ping -c 3 -W 3 10.10.0.2 >/dev/null; echo $?')" 0
is "full frames" "$(on p2 'ping -c 2 -s 1400 10.10.0.2 >/dev/null; echo $?')" 0
on p1 'sudo mkdir -p /srv && echo hello | sudo tee /srv/index.html >/dev/null && sudo httpd -h /srv'
is "http from one to the other" "$(on p2 'wget -q -O - http://10.10.0.2/')" hello
for n in 1 2; do
	qmp "p$n" system_powerdown
	wait_exit "p$n" 4
	ok $? "p$n stops"
done
result
