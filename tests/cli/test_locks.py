# SPDX-License-Identifier: Apache-2.0
"""One writer per project, named to the next; readers are never held up."""

import holostest
from holostest import BUSY, OK, FakeTest

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
