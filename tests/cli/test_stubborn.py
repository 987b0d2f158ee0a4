# SPDX-License-Identifier: Apache-2.0
"""VMs that do not go when they are told (W11: SIGKILL was not waited for)."""

import os

import holostest
from holostest import FakeTest

ONE = """
    name: demo
    services:
      web:
        image: ./base.qcow2
        stop_grace_period: 1s
"""


class StubbornTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.compose(ONE)

    def events(self):
        return [e["event"] for e in self.qemu_log(vm="web-0")]

    def test_ignores_the_power_button(self):
        self.behave("web-0", ignore_powerdown=1)
        self.ok("up")
        result = self.ok("stop")
        self.assertGreater(result.seconds, 0.9)
        self.assertLess(result.seconds, 5)
        self.assertEqual(self.events(), ["start", "running", "powerdown", "quit", "exit"])
        self.assert_statuses("demo", web_0="stopped")
        vm = self.read_json(self.instance_dir("demo", "web-0"), "vm.json")
        self.assertEqual(vm["exit"]["cause"], "stopped")

    def test_grace_is_given(self):
        self.behave("web-0", powerdown_delay_ms=500)
        self.ok("up")
        self.ok("stop")
        self.assertEqual(self.events(), ["start", "running", "powerdown", "exit"])

    def test_ignores_everything_but_sigkill(self):
        self.behave("web-0", ignore_powerdown=1, ignore_quit=1, ignore_sigterm=1)
        self.ok("up")
        pid = self.instances("demo")["web-0"]["pid"]
        self.ok("down", timeout=40)
        self.assertFalse(holostest.alive(pid))
        self.assertEqual(self.ps(), [])
        self.assertFalse(os.path.exists(self.instance_dir("demo", "web-0")))

    def test_answers_no_command(self):
        self.behave("web-0", hang_commands=1)
        # Whether such a VM counts as started is not said; that it goes away is.
        run = self.start("up")
        self.wait_for(lambda: self.qemu_log("running"), "QEMU runs", 10)
        if not self.wait_until(lambda: run.popen.poll() is not None, 2):
            run.interrupt()
        run.finish(10)
        self.ok("down", timeout=40)
        self.assertTrue(self.wait_until(lambda: not self.processes(), 3), self.processes())
        self.assertEqual(self.ps(), [])

    def test_stop_twice_at_once(self):
        self.behave("web-0", powerdown_delay_ms=700)
        self.ok("up")
        first = self.start("stop")
        second = self.start("stop")
        self.assertEqual((first.finish().status, second.finish().status), (0, 0))
        self.assert_statuses("demo", web_0="stopped")

if __name__ == "__main__":
    holostest.main()
