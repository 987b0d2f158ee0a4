# SPDX-License-Identifier: Apache-2.0
"""A QEMU that does not talk: its deadline is 30 s, so Ctrl-C ends the waits here."""

import holostest
from holostest import FakeTest

ONE = """
    name: demo
    services:
      web:
        image: ./base.qcow2
        stop_grace_period: 1s
"""


class SilentTest(FakeTest):
    """A QEMU that never answers QMP; its deadline is 30 s, so Ctrl-C ends the wait."""

    def check(self, **orders):
        self.compose(ONE)
        self.behave("web-0", **orders)
        run = self.start("up")
        self.wait_for(lambda: self.qemu_log("running"), "QEMU runs", 10)
        self.assertFalse(self.wait_until(lambda: run.popen.poll() is not None, 1),
                         "up did not wait for QMP")
        self.assert_statuses("demo", web_0="starting")
        run.interrupt()
        self.assertEqual(run.finish(5).status, holostest.INTERRUPTED)
        self.ok("down", timeout=40)
        self.assertEqual(self.ps(), [])
        self.assertTrue(self.wait_until(lambda: not self.processes(), 3), self.processes())

    def test_accepts_and_says_nothing(self):
        self.check(hang_qmp=1)

    def test_makes_no_socket(self):
        self.check(no_qmp=1)

if __name__ == "__main__":
    holostest.main()
