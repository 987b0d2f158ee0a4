# SPDX-License-Identifier: Apache-2.0
"""One writer per project, named to the next; readers are never held up."""

import fcntl
import os
import struct

import holostest
from holostest import BUSY, INTERRUPTED, OK, FakeTest

PAIR = """
    name: demo
    services:
      web: {image: ./base.qcow2, replicas: 3}
      db: {image: ./base.qcow2}
"""


class LockTest(FakeTest):
    def busy_up(self, ms=2500):
        """An `up` that holds the lock: it makes a root disk, slowly."""
        self.compose(PAIR)
        run = self.start("up", env={"FAKE_QEMU_IMG_DELAY_MS": ms})
        self.wait_for(lambda: self.qemu_img_log() or None, "qemu-img runs")
        return run

    def test_busy(self):
        run = self.busy_up()
        for args in (["up", "--no-wait"], ["stop", "demo", "--no-wait"],
                     ["down", "demo", "--lock-timeout", "200ms"]):
            with self.subTest(args=args):
                result = self.fails(BUSY, *args, match=["demo", rf"pid[= ]{run.pid}\b", r"\bup\b"])
                self.assertLess(result.seconds, 2)
                self.assertRegex(result.err, r"\d\d:\d\d:\d\d|\d+ ?s", "not since when")
        self.assertEqual(run.finish().status, OK)
        self.assertEqual(self.starts(), 4)

    def test_readers(self):
        run = self.busy_up()
        for args in ["ps"], ["ps", "--json"], ["ps", "-f", "holos.yaml"], ["validate"]:
            with self.subTest(args=args):
                self.assertLess(self.ok(*args).seconds, 1.5)
        self.assertIsNone(run.popen.poll(), "the lock was not held meanwhile")
        run.finish()

    def test_waiting_ends_with_the_holder(self):
        run = self.busy_up(1500)
        second = self.ok("up")
        self.assertEqual(run.finish().status, OK)
        self.assertEqual(self.starts(), 4)
        self.assertRegex(second.err, r"(?i)wait", "the wait was not told")

    def test_ctrl_c_ends_the_wait(self):
        run = self.busy_up(5000)
        for args in ["stop", "demo"], ["down", "demo"], ["kill", "demo"], ["restart", "demo"]:
            with self.subTest(args=args):
                second = self.start(*args)
                self.wait_for(lambda: "waiting" in second.output()[1], "the wait is told")
                second.interrupt()
                self.assertEqual(second.finish().status, INTERRUPTED)
                self.assertIsNone(run.popen.poll(), "it ended with the holder")
        run.popen.kill()
        run.popen.wait()

    def test_only_a_living_holder_is_named(self):
        self.compose(PAIR)
        self.ok("up")
        with open(os.path.join(self.state, "locks", "demo.lock"), "r+") as f:
            f.write("pid=1 verb=up started_at=2020-01-01T00:00:00Z pid_start=7\n")
            f.flush()
            lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1, 0)
            fcntl.fcntl(f, 37, lock)  # F_OFD_SETLK
            result = self.fails(BUSY, "stop", "demo", "--no-wait", match="holder unknown")
            self.assertNotIn("2020", result.err)

    def test_the_lock_of_a_killed_holder_is_free(self):
        run = self.busy_up()
        run.popen.kill()
        run.popen.wait()
        self.assertEqual(self.holos("up", "--no-wait").status, OK)
        self.assertEqual(self.starts(), 4)

    def test_other_projects_are_not_locked(self):
        run = self.busy_up()
        self.compose(f"name: other\nservices: {{web: {{image: {self.image}}}}}\n",
                     name="o/holos.yaml")
        self.assertEqual(self.holos("up", "--no-wait", "-f", "o/holos.yaml").status, OK)
        self.assertIsNone(run.popen.poll())
        run.finish()

if __name__ == "__main__":
    holostest.main()
