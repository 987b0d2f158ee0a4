# SPDX-License-Identifier: Apache-2.0
"""Faults that reviewers found: `run` and its file, odd surroundings of the
program, what a guest may send to a terminal."""

import os
import pty
import signal
import subprocess

import holostest
from holostest import FAILED, OK, PROGRAM, FakeTest

ONE = """
    name: demo
    services:
      web: {image: ./base.qcow2, stop_grace_period: 1s}
"""


class RunFileTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.file = os.path.join(self.state, "runs", "box", "holos.yaml")

    def test_a_failed_run_leaves_the_file_of_the_vm(self):
        self.ok("run", "--name", "box", "./base.qcow2")
        before = self.read(self.file)
        self.assertIn("base.qcow2", before)
        for image in "nosuch", "./nope.qcow2":
            with self.subTest(image=image):
                result = self.holos("run", "--name", "box", image)
                self.assertNotEqual(result.status, OK, f"{result}")
                self.assertEqual(self.read(self.file), before)
                self.assertEqual(self.statuses("box"), {"vm-0": "running"})
        self.ok("stop", "box")
        self.ok("start", "box")
        self.assertEqual(self.statuses("box"), {"vm-0": "running"})

    def test_a_failed_first_run_leaves_nothing(self):
        self.assertNotEqual(self.holos("run", "--name", "box", "nosuch").status, OK)
        self.assertFalse(os.path.exists(os.path.dirname(self.file)))

    def test_down_removes_it(self):
        self.ok("run", "--name", "box", "./base.qcow2")
        self.ok("down", "box")
        self.assertFalse(os.path.exists(os.path.dirname(self.file)))

    def test_name_of_a_compose_project(self):
        path = self.compose(ONE)
        self.ok("up")
        pid = self.instances("demo")["web-0"]["pid"]
        self.fails(FAILED, "run", "--name", "demo", "./base.qcow2", match=["demo", path])
        self.assertEqual(self.instances("demo")["web-0"]["pid"], pid)
        self.assertFalse(os.path.exists(os.path.join(self.state, "runs", "demo", "holos.yaml")))
        self.assertFalse(os.path.exists(os.path.join(self.state, "runs", "demo")))


class SurroundingsTest(FakeTest):
    def closed(self, *args):
        return self.spawn(["/bin/sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", PROGRAM,
                           *args]).finish()

    def test_closed_standard_descriptors(self):
        """Files that were opened as 0, 1 and 2 were written to by messages."""
        self.compose(ONE)
        self.assertEqual(self.closed("up").status, OK)
        self.assert_statuses("demo", web_0="running")
        self.assertEqual(self.closed("stop").status, OK)
        self.assert_statuses("demo", web_0="stopped")
        self.assertEqual(self.closed("up").status, OK)
        self.assertEqual(self.closed("down").status, OK)
        self.assertEqual(self.ps(), [])
        self.assertEqual(self.processes(), {})

    def test_ignored_hangup(self):
        self.compose(ONE)
        self.behave("web-0", start_delay_ms=1500)
        run = self.spawn(["/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh", PROGRAM, "up"])
        self.wait_for(lambda: self.qemu_log("start"), "QEMU was started")
        run.signal(signal.SIGHUP)
        result = run.finish()
        self.assertEqual(result.status, OK, f"{result}")
        self.assertGreater(result.seconds, 1.4)
        self.assert_statuses("demo", web_0="running")


class ConsoleTest(FakeTest):
    EVIL = b"a\xc2\x9b31mb\xc2\x90c\x9bd\x1b[31me \xc3\xa4\n"

    def setUp(self):
        super().setUp()
        self.compose(ONE)
        self.ok("up")
        self.ok("stop")
        with open(os.path.join(self.instance_dir("demo", "web-0"), "console.log"), "ab") as f:
            f.write(self.EVIL)

    def on_a_terminal(self, *args):
        master, slave = pty.openpty()
        run = self.spawn(["/bin/sh", "-c", 'exec "$@" >&0', "sh", PROGRAM, *args], stdin=slave)
        os.close(slave)
        data = b""
        try:
            while chunk := os.read(master, 4096):
                data += chunk
        except OSError:
            pass  # EIO: the last one closed it
        os.close(master)
        result = run.finish()
        self.assertEqual(result.status, OK, f"{result}")
        return data

    def test_terminal(self):
        """C1 control characters are commands to a terminal, too."""
        data = self.on_a_terminal("logs", "web")
        self.assertIn(b"31mb", data)
        self.assertIn("ä".encode(), data, "text was lost")
        for bad in b"\xc2\x9b", b"\xc2\x90", b"c\x9b", b"\x1b":
            self.assertNotIn(bad, data)

    def test_pipe(self):
        run = subprocess.run([PROGRAM, "logs", "web"], cwd=self.work, env=self.env,
                             stdout=subprocess.PIPE)
        self.assertEqual(run.returncode, OK)
        self.assertIn(self.EVIL, run.stdout)


if __name__ == "__main__":
    holostest.main()
