# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the command line at a sample of moments; every system call is tried by a
test of its own."""

import os
import signal

import holostest
from holostest import OK, FakeTest

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


class KillTest(FakeTest):
    MOMENTS_MS = (2, 5, 8, 12, 20, 30, 45, 70, 120, 250)
    # The next command meets monitors that are about to end.
    EARLY_MS = (2, 3, 4, 5, 8, 12, 15, 20) * 2

    def kill_at(self, ms, *args):
        run = self.start(*args)
        self.wait_until(lambda: run.popen.poll() is not None, ms / 1000)
        if run.popen.poll() is None:
            os.kill(run.pid, signal.SIGKILL)
        run.popen.wait()
        return run

    def test_up(self):
        self.compose(THREE)
        for ms in self.MOMENTS_MS:
            with self.subTest(ms=ms):
                self.kill_at(ms, "up")
                for instance in self.instances("demo").values():
                    if instance["status"] == "running":
                        self.assertTrue(holostest.alive(instance["pid"]))
                self.ok("up")
                self.assert_statuses("demo", web_0="running", web_1="running", db_0="running")
                self.assertEqual(len(self.qemus()), 3, self.processes())
                self.ok("down")
                self.assertEqual(self.ps(), [])
                self.assertTrue(self.wait_until(lambda: not self.processes(), 3),
                                self.processes())

    def test_up_then_down(self):
        self.compose(THREE)
        for ms in self.MOMENTS_MS:
            with self.subTest(ms=ms):
                self.kill_at(ms, "up")
                self.ok("down", "demo")
                self.assertEqual(self.ps(), [])
                self.assertTrue(self.wait_until(lambda: not self.processes(), 3),
                                self.processes())
                left = os.path.join(self.state, "instances", "demo")
                self.assertFalse(os.path.exists(left) and os.listdir(left))

    def test_down_of_a_project_that_was_only_begun(self):
        """Killed while it made its keys or its record: `down` knows no project, and leaves
        no piece of a private key."""
        self.compose(THREE)
        self.ok("up")
        self.ok("down")
        left = [os.path.join(self.state, *path) for path in
                (("ssh", "demo", "id_ed25519.tmp.4711"), ("projects", "demo.json.tmp.4711"))]
        for path in left:
            with open(path, "w") as f:
                f.write("half")
        self.ok("down")
        self.assertEqual([path for path in left if os.path.exists(path)], [])
        self.assertTrue(os.path.exists(os.path.join(self.state, "ssh", "demo", "id_ed25519")))

    def test_down(self):
        self.compose(THREE)
        for ms in self.EARLY_MS:
            with self.subTest(ms=ms):
                self.ok("up")
                self.kill_at(ms, "down")
                status = self.holos("ps", "--json")
                self.assertEqual(status.status, OK, f"{status}")
                self.ok("down", "demo")
                self.assertEqual(self.ps(), [])
                self.assertTrue(self.wait_until(lambda: not self.processes(), 3),
                                self.processes())

    def test_stop_keeps_disks(self):
        self.compose(THREE)
        self.ok("up")
        for name in "web-0", "web-1", "db-0":
            self.mark_disk("demo", name)
        for ms in self.EARLY_MS:
            with self.subTest(ms=ms):
                self.kill_at(ms, "stop")
                self.ok("up")
                for name in "web-0", "web-1", "db-0":
                    self.assertTrue(self.disk_is_marked("demo", name), name)
                self.assertEqual(len(self.qemus()), 3)

if __name__ == "__main__":
    holostest.main()
