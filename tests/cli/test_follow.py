# SPDX-License-Identifier: Apache-2.0
"""logs --follow: over restarts, rotation and new instances, to the end."""

import os
import shutil
import signal

import holostest
from holostest import OK, FakeTest

PAIR = """
    name: demo
    services:
      web: {image: ./base.qcow2, replicas: %d, stop_grace_period: 1s}
      db: {image: ./base.qcow2, stop_grace_period: 1s}
"""


class FollowTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.compose(PAIR % 1)
        self.ok("up")
        self.say("web-0", "\n")  # whatever was begun
        self.say("db-0", "\n")

    def say(self, instance, text):
        with open(os.path.join(self.instance_dir("demo", instance), "console.log"), "a") as f:
            f.write(text)

    def follow(self, *args):
        run = self.start("logs", "-F", *args)
        self.wait_for(lambda: holostest.process_field(run.pid, "State")[0] == "S" and
                      any("inotify" in os.readlink(f"/proc/{run.pid}/fd/{f}")
                          for f in os.listdir(f"/proc/{run.pid}/fd")), "it follows")
        return run

    def says(self, run, text):
        self.wait_for(lambda: text in run.output()[0], f"{text!r} is shown")

    def test_grows_and_says_who(self):
        run = self.follow()
        self.say("web-0", "from web\n")
        self.says(run, "from web\n")
        self.say("db-0", "from db\n")
        self.says(run, "db-0  | from db\n")
        self.say("db-0", "half a ")
        self.say("web-0", "a whole one\n")
        self.says(run, "web-0 | a whole one\n")
        self.say("db-0", "line\n")
        self.says(run, "db-0  | half a line\n")
        self.ok("down")
        self.assertEqual(run.finish().status, OK)

    def test_a_restart(self):
        run = self.follow("web")
        self.ok("restart", "web")
        self.say("web-0", "after the restart\n")
        self.says(run, "after the restart\n")
        self.assertNotIn("db-0", run.output()[0])
        self.ok("down")
        self.assertEqual(run.finish().status, OK)

    def test_ends_with_its_own_instances(self):
        run = self.follow("web-0")
        self.ok("down", "web")
        self.assertEqual(run.finish().status, OK)
        self.assertEqual(self.statuses("demo"), {"db-0": "running"})

    def test_rotation(self):
        """Copied and truncated, as the monitor does: nothing twice, nothing lost."""
        run = self.follow("web-0")
        path = os.path.join(self.instance_dir("demo", "web-0"), "console.log")
        for i in range(5):
            self.say("web-0", "filler\n" * 10000 + f"before {i}\n")  # it rotates what is long
            shutil.copyfile(path, path + ".1")
            os.truncate(path, 0)
            self.say("web-0", f"after {i}\n")
            self.says(run, f"after {i}\n")
        lines = run.output()[0].splitlines()
        self.assertEqual(run.output()[0].count("filler\n"), 50000)
        for i in range(5):
            self.assertEqual((lines.count(f"before {i}"), lines.count(f"after {i}")), (1, 1), i)

    def test_rotated_between_two_looks(self):
        """It was as long again as it had been: nothing seemed to have come."""
        run = self.follow("web-0")
        path = os.path.join(self.instance_dir("demo", "web-0"), "console.log")
        os.truncate(path, 0)
        self.say("web-0", "same 0\n")
        self.says(run, "same 0\n")
        os.kill(run.pid, signal.SIGSTOP)
        try:
            self.say("web-0", "between\n")
            shutil.copyfile(path, path + ".1")
            os.truncate(path, 0)
            self.say("web-0", "same 1\n")
        finally:
            os.kill(run.pid, signal.SIGCONT)
        self.says(run, "between\nsame 1\n")

    def test_a_root_disk_made_anew(self):
        run = self.follow("web")
        self.compose((PAIR % 1).replace("replicas", "cloud_init: {runcmd: [x]}, replicas"))
        self.ok("up", "--recreate", "web")
        self.say("web-0", "another disk\n")
        self.says(run, "another disk\n")
        self.assertIsNone(run.popen.poll())

    def test_a_new_replica(self):
        run = self.follow("web")
        self.compose(PAIR % 2)
        self.ok("up")
        self.say("web-1", "\na second one\n")
        self.says(run, "web-1 | a second one\n")

    def test_nobody_reads(self):
        read, write = os.pipe()
        run = holostest.subprocess.Popen([holostest.PROGRAM, "logs", "-F", "web"],
                                         env=self.env, cwd=self.work, stdout=write)
        os.close(write)
        os.read(read, 10)
        os.close(read)
        run.wait(10)


if __name__ == "__main__":
    holostest.main()
