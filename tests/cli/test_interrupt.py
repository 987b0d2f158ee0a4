# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, SIGTERM and SIGHUP in the middle of a command (W4)."""

import os
import signal

import holostest
from holostest import INTERRUPTED, FakeTest

THREE = """
    name: demo
    services:
      web:
        image: ./base.qcow2
        replicas: 2
        depends_on: [db]
      db:
        image: ./base.qcow2
"""


class CtrlCTest(FakeTest):
    def begin(self, number=signal.SIGINT):
        """`up` waits for db-0, whose QEMU takes long to answer."""
        self.compose(THREE)
        self.behave("db-0", qmp_delay_ms=60000)
        run = self.start("up")
        self.wait_for(lambda: self.qemu_log("running", "db-0"), "QEMU of db-0 runs")
        run.signal(number)
        return run

    def test_in_the_middle_of_up(self):
        result = self.begin().finish(5)
        self.assertEqual(result.status, INTERRUPTED, f"{result}")
        self.assertRegex(result.err, "db-0")
        self.assertRegex(result.err, r"holos (up|down)", "it does not say how to go on or undo")
        self.assertEqual(self.statuses("demo")["db-0"], "starting")
        self.assertEqual(len(self.qemus()), 1)
        self.ok("down", timeout=40)
        self.assertEqual(self.ps(), [])
        self.assertTrue(self.wait_until(lambda: not self.processes(), 3), self.processes())

    def test_sigterm_and_sighup_are_the_same(self):
        for number in signal.SIGTERM, signal.SIGHUP:
            with self.subTest(signal=number):
                result = self.begin(number).finish(5)
                self.assertIn(result.status, (INTERRUPTED, 128 + number), f"{result}")
                self.assertEqual(self.statuses("demo")["db-0"], "starting")
                self.ok("down", timeout=40)
                os.unlink(self.qemu_log_path)

    def test_twice(self):
        run = self.begin()
        run.interrupt()
        self.assertIn(run.finish(2).status, (INTERRUPTED, -signal.SIGINT))
        self.ok("down", timeout=40)

    def test_go_on(self):
        self.compose(THREE)
        self.behave("db-0", qmp_delay_ms=2000)
        run = self.start("up")
        self.wait_for(lambda: self.qemu_log("running", "db-0"), "QEMU of db-0 runs")
        run.interrupt()
        run.finish(5)
        self.ok("up")
        self.assert_statuses("demo", web_0="running", web_1="running", db_0="running")
        self.assertEqual(self.starts("db-0"), 1, "the VM that was starting was started again")

    def test_during_stop(self):
        self.compose(THREE)
        self.behave("web-0", powerdown_delay_ms=1500)
        self.ok("up")
        run = self.start("stop")
        self.wait_for(lambda: self.qemu_log("powerdown", "web-0"), "web-0 powers down")
        run.interrupt()
        self.assertEqual(run.finish(5).status, INTERRUPTED)
        # Its monitor writes that down while QEMU is being told.
        self.wait_for(lambda: self.statuses("demo")["web-0"] in ("stopping", "stopped"),
                      "web-0 is being stopped")
        self.wait_status("demo", "web-0", "stopped")
        self.ok("up")
        self.assert_statuses("demo", web_0="running", web_1="running", db_0="running")

    def test_up_meets_a_stop_that_goes_on(self):
        """The command is gone, its order is not: up waits for the stop, then starts."""
        self.compose(THREE)
        self.behave("web-0", powerdown_delay_ms=1000)
        self.ok("up")
        run = self.start("stop")
        self.wait_for(lambda: self.qemu_log("powerdown", "web-0"), "web-0 powers down")
        run.popen.kill()
        run.popen.wait()
        self.ok("up")
        self.assert_statuses("demo", web_0="running", web_1="running", db_0="running")
        self.assertEqual(self.starts("web-0"), 2)

    def test_while_an_image_is_made(self):
        self.compose(THREE)
        run = self.start("up", env={"FAKE_QEMU_IMG_DELAY_MS": 5000})
        self.wait_for(self.qemu_img_log, "qemu-img runs")
        run.interrupt()
        self.assertEqual(run.finish(3).status, INTERRUPTED)
        self.assertTrue(self.wait_until(lambda: not self.processes(), 3), self.processes())
        self.ok("up")
        self.assert_statuses("demo", web_0="running", web_1="running", db_0="running")


class HostsTest(FakeTest):
    """Guests that run on are told of new neighbours at the end of `up`."""
    health_bypass = False

    def setUp(self):
        super().setUp()
        # It is healthy, and its SSH server never says a word: up waits 10 s for it.
        self.compose("""
            name: demo
            services:
              web:
                image: ./base.qcow2
                ports: ["8080"]
                healthcheck: {type: tcp, options: {port: 8080}, interval: 1s}
            """)
        self.ok("up", "--wait")

    def test_ctrl_c(self):
        run = self.start("up", "--scale", "web=2")
        self.wait_for(lambda: "web-1: running" in run.output()[1], "web-1 runs")
        run.interrupt()
        result = run.finish(8)
        self.assertEqual(result.status, INTERRUPTED, f"{result}")
        self.assertIn("1 VM learns of new neighbours when started next", result.err)
        self.assert_statuses("demo", web_0="running", web_1="running")

    def test_services_that_were_not_asked_for(self):
        self.compose("""
            name: demo
            services:
              web:
                image: ./base.qcow2
                ports: ["8080"]
                healthcheck: {type: tcp, options: {port: 8080}, interval: 1s}
              db: {image: ./base.qcow2}
            """)
        run = self.start("up", "db")
        self.wait_for(lambda: "db-0: running" in run.output()[1], "db-0 runs")
        run.interrupt()
        self.assertIn("1 VM learns of new neighbours when started next", run.finish(8).err)

    def test_a_guest_of_an_older_holos(self):
        """It cannot be told: its user is."""
        os.unlink(os.path.join(self.instance_dir("demo", "web-0"), "hosts"))
        self.assertIn("1 VM learns of new neighbours when started next",
                      self.ok("up", "--scale", "web=2").err)


if __name__ == "__main__":
    holostest.main()
