# SPDX-License-Identifier: Apache-2.0
"""How a real VM ends: our power button, its own poweroff, a panic, a reboot."""

import contextlib
import os
import signal

import holostest
from holostest import GuestTest


class PowerTest(GuestTest):
    def up(self, extra=""):
        self.compose(f"""
            name: demo
            services:
              box:
                image: micro
                stop_grace_period: 30s
                {extra}
            """)
        self.ok("up", "--wait")

    def test_graceful_stop_keeps_what_was_written(self):
        self.up()
        # Not synced: only an orderly shutdown writes it out in time.
        self.sh("box-0", "echo kept | sudo tee /root/file >/dev/null")
        result = self.ok("stop")
        self.assertLess(result.seconds, 20, "powered down by force")
        self.assertEqual(self.vm("box-0")["exit"]["cause"], "stopped")
        self.assert_statuses("demo", box_0="stopped")
        self.ok("start")
        self.ok("up", "--wait")
        self.assertEqual(self.sh("box-0", "sudo cat /root/file"), "kept\n")
        boot = self.sh("box-0", "cat /proc/sys/kernel/random/boot_id")
        self.sh("box-0", "echo more | sudo tee -a /root/file >/dev/null")
        self.ok("restart", "--wait")
        self.assertNotEqual(self.sh("box-0", "cat /proc/sys/kernel/random/boot_id"), boot)
        self.assertEqual(self.sh("box-0", "sudo cat /root/file"), "kept\nmore\n")

    def test_the_guests_own_poweroff(self):
        self.up("restart: on-failure")
        self.assertIn("status: done", self.guest("box-0", "cloud-init", "status", "--wait"))
        self.holos("exec", "-T", "demo", "box-0", "sudo", "poweroff", timeout=60)
        self.wait_status("demo", "box-0", "stopped", 30)
        ended = self.vm("box-0")["exit"]
        self.assertEqual((ended["cause"], ended["status"]), ("guest", 0))
        self.assertTrue(self.wait_until(lambda: not self.processes(), 3), self.processes())

    def test_a_reboot_is_no_exit(self):
        self.up()
        pid = self.instances("demo")["box-0"]["pid"]
        boots = self.sh("box-0", "cat /proc/sys/kernel/random/boot_id")
        self.holos("exec", "-T", "demo", "box-0", "sudo", "reboot", timeout=60)
        self.wait_for(lambda: self.try_boot_id() not in (None, boots), "the guest is back", 60)
        self.assertEqual(self.instances("demo")["box-0"]["pid"], pid)
        self.assert_statuses("demo", box_0="running")

    def try_boot_id(self):
        result = self.holos("exec", "-T", "-w", "5s", "demo", "box-0", "cat",
                            "/proc/sys/kernel/random/boot_id", timeout=30)
        return result.out if result.status == 0 else None

    def test_a_kernel_panic_is_a_failure(self):
        """pvpanic tells of it; the restart policy takes it for the failure that it is."""
        self.up("restart: on-failure")
        first = self.instances("demo")["box-0"]["pid"]
        # It never answers: the guest is gone before the command is.
        run = self.start("exec", "-T", "demo", "box-0", "sudo", "sh", "-c",
                         "echo c >/proc/sysrq-trigger")
        self.wait_for(lambda: self.vm("box-0")["restarts"] == 1, "a restart by the policy", 40)
        self.assertEqual(self.vm("box-0")["exit"]["cause"], "panic")
        self.wait_for(lambda: self.instances("demo")["box-0"]["pid"] not in (0, first),
                      "a new QEMU runs", 20)
        self.assertRegex(self.console("box-0"), "Kernel panic")
        run.signal(signal.SIGTERM)
        run.finish(40)

    def test_host_shutdown(self):
        """SIGTERM to everything at once, as systemd does it: what was synced is there."""
        self.up()
        self.sh("box-0", "echo kept | sudo tee /root/file >/dev/null; sync")
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):  # the others' end was faster
                os.kill(pid, signal.SIGTERM)
        self.wait_for(lambda: not self.processes(), "everything ended", 40)
        self.assertIn(self.statuses("demo")["box-0"], ("stopped", "failed"))
        self.ok("start")
        self.ok("up", "--wait")
        self.assertEqual(self.sh("box-0", "sudo cat /root/file"), "kept\n")

    def test_killed_qemu_is_revived(self):
        self.up("restart: on-failure")
        first = self.instances("demo")["box-0"]["pid"]
        os.kill(first, signal.SIGKILL)
        self.wait_for(lambda: self.instances("demo")["box-0"]["pid"] not in (0, first),
                      "a new QEMU runs", 20)
        self.ok("up", "--wait")
        self.assertEqual(self.guest("box-0", "hostname").strip(), "box-0")


if __name__ == "__main__":
    holostest.main()
