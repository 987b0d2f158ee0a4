# SPDX-License-Identifier: Apache-2.0
"""A monitor that is suspended: commands give up after 15 s and say what to do."""

import os
import signal

import holostest
from holostest import TIMEOUT, FakeTest


class SuspendedTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.compose("""
            name: demo
            services:
              web: {image: ./base.qcow2, stop_grace_period: 1s}
            """)
        self.ok("up")

    def refuse(self, *args):
        # A monitor that makes a child is two processes for a moment.
        self.wait_for(lambda: len(self.monitors()) == 1, "one monitor")
        monitor, = self.monitors()
        os.kill(monitor, signal.SIGSTOP)
        try:
            self.fails(TIMEOUT, *args, timeout=40,
                       match=["web-0", rf"pid {monitor}\b", f"kill -CONT {monitor}"])
            self.assert_statuses("demo", web_0="running")
        finally:
            os.kill(monitor, signal.SIGCONT)
        self.ok("stop")
        self.assertEqual(self.qemu_log("powerdown", "web-0")[-1]["event"], "powerdown")
        self.assert_statuses("demo", web_0="stopped")

    def test_stop(self):
        self.refuse("stop")

    def test_up(self):
        self.compose("""
            name: demo
            services:
              web: {image: ./base.qcow2, stop_grace_period: 1s, vm: {cpus: 2}}
            """)
        self.refuse("up")

    def test_up_with_nothing_to_do(self):
        """The VM runs, whatever its monitor does."""
        monitor, = self.monitors()
        os.kill(monitor, signal.SIGSTOP)
        try:
            self.assertIn("already running", self.ok("up").err)
        finally:
            os.kill(monitor, signal.SIGCONT)

    def test_restart(self):
        self.refuse("restart")

    def test_wait(self):
        self.refuse("wait")


if __name__ == "__main__":
    holostest.main()
