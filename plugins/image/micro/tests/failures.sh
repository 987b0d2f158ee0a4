#!/bin/sh
# failures.sh - seeds that are wrong or absent, failing commands, a script as user-data,
# reboot, a panic.
set -u
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname "$0")/lib.sh"

seed e "$USER1
bootcmd: ['true', 'exit 0']
runcmd:
  - echo before; false
  - [sh, -c, 'exit 3']
  - 'exit 5'" "network: {version: 2, ethernets: {eth0: {dhcp4: true}}}" "" CIDATA
overlay e
start e direct "$((PORT0 + 2))" 1
wait_ssh e 90 || exit 1
is "failing commands: status" "$(on e 'cloud-init status --wait; echo $?' | tr '\n' ' ')" "status: error 1 "
is "failing commands: console" "$(grep -c -e 'runcmd\[0\] failed with status 1' -e 'runcmd\[1\] failed with status 3' -e 'runcmd ended early with status 5' "$T/e.log")" 3
is "failing commands: log" "$(on e 'sudo grep -c -e before -e "runcmd.1. failed with status 3" /var/log/cloud-init-output.log')" 2
on e sudo reboot
sleep 2
wait_ssh e 90
ok $? "reboot in the guest"
is "after the reboot" "$(on e cloud-init status --wait)" "status: done"
qmp_event e GUEST_PANICKED 20
event=$!
sleep 1
on e 'sudo sh -c "echo c >/proc/sysrq-trigger"' 2>/dev/null &
wait "$event"
ok $? "a kernel panic reaches pvpanic"
kill "$(cat "$T/e.pid")" 2>/dev/null
wait_exit e 5

seed s "#!/bin/sh
echo script \$INSTANCE_ID; id -un" "$NET1"
overlay s
start s direct "$((PORT0 + 3))" 1
limit=$(($(date +%s) + 60))
until grep -q 'Cloud-init v' "$T/s.log" || [ "$(date +%s)" -gt "$limit" ]; do sleep 0.2; done
is "a script as user-data" "$(grep -c -e 'failed' -e 'ended early' "$T/s.log")" 0
qmp s system_powerdown
wait_exit s 5
ok $? "stops"

seed y "#cloud-config
users: [broken" "$NET1"
overlay y
start y bios "$((PORT0 + 4))" 1
limit=$(($(date +%s) + 90))
until grep -q 'Cloud-init v' "$T/y.log" || [ "$(date +%s)" -gt "$limit" ]; do sleep 0.2; done
is "broken YAML is named" "$(grep -c 'seed: user-data: line' "$T/y.log")" 1
qmp y system_powerdown
wait_exit y 5
ok $? "stops"
result
