# SPDX-License-Identifier: Apache-2.0
"""logs: which lines of which file, from when, and how they are shown."""

import os
import re
import resource
import struct
import subprocess
import time

import holostest
from holostest import PROGRAM, USAGE, FakeTest
from terminal import Terminal

THREE = """
    name: demo
    services:
      web: {image: ./base.qcow2, replicas: 2}
      db: {image: ./base.qcow2}
"""


class LogsTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.compose(THREE)
        self.ok("up")
        self.ok("kill")

    def write(self, instance, text, name="console.log"):
        with open(os.path.join(self.instance_dir("demo", instance), name), "w") as f:
            f.write(text)

    def note(self, instance, *notes):
        """What the monitor notes: (bytes, seconds ago)."""
        path = os.path.join(self.instance_dir("demo", instance), "console.times")
        with open(path, "wb") as f:
            for size, ago in notes:
                f.write(struct.pack("<Qq", size, int((time.time() - ago) * 1e9)))

    def test_a_part_for_each(self):
        self.write("web-0", "one\ntwo\n")
        self.write("web-1", "three\n")
        out = self.ok("logs", "-n", "1", "web").out
        self.assertEqual(out, "==> web-0 <==\ntwo\n\n==> web-1 <==\nthree\n\n")
        self.assertEqual(self.ok("logs", "--tail", "1", "web").out, out)
        self.assertEqual(self.ok("logs", "-n", "0", "web-1").out, "==> web-1 <==\n\n")

    def test_since_and_until(self):
        self.write("db-0", "old\nmiddle\nnew\n")
        self.note("db-0", (4, 3600), (11, 600), (15, 60))

        def lines(*args):
            return self.ok("logs", *args, "db-0").out.splitlines()[1:-1]

        self.assertEqual(lines("--since", "2h"), ["old", "middle", "new"])
        self.assertEqual(lines("--since", "30m"), ["middle", "new"])
        self.assertEqual(lines("--since", "5m"), ["new"])
        self.assertEqual(lines("--until", "30m"), ["old", "middle"])  # said in between
        self.assertEqual(lines("--until", "2h"), ["old"])
        self.assertEqual(lines("--since", "30m", "--until", "5m", "-n", "1"), ["new"])
        self.assertEqual(lines("--since", "30m", "-n", "1"), ["new"])
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 300))
        self.assertEqual(lines("--since", stamp), ["new"])
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S+05:30", time.gmtime(time.time() - 300 + 19800))
        self.assertEqual(lines("--since", stamp), ["new"])
        self.assertEqual(lines("--since", int(time.time() - 300)), ["new"])
        for form in "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M":  # by this host's clock
            stamp = time.strftime(form, time.localtime(time.time() - 300))
            self.assertEqual(lines("--since", stamp), ["new"])
        everything = ["old", "middle", "new"]
        for stamp in "9999-12-31T23:59:59Z", "2500-01-01", 1 << 62:  # more than 64 bits of ns
            self.assertEqual(lines("--until", stamp), everything)
            self.assertEqual(lines("--since", stamp), [])
        self.assertEqual(lines("--since", "0001-01-01T00:00:00Z"), everything)
        old = os.path.join(self.instance_dir("demo", "db-0"), "console.log")
        os.utime(old, (time.time() - 60, time.time() - 60))
        self.assertEqual(lines("--since", "10s"), [])

    def test_times(self):
        self.write("db-0", "old\nnew\n")
        self.note("db-0", (4, 3600), (8, 60))
        out = self.ok("logs", "-t", "db-0").out.splitlines()
        for line, ago in (out[1], 3600), (out[2], 60):
            stamp, text = line.split(" ")
            want = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() - ago))
            near = time.strftime("%Y-%m-%dT%H:%M", time.gmtime(time.time() - ago - 5))
            self.assertRegex(stamp, rf"^({want}|{near}):\d\dZ$")
        self.assertEqual(out[1].split()[1], "old")

    def test_the_monitor_notes_times(self):
        """From the start on, and at the end."""
        before = time.time()
        self.ok("start", "db")
        path = os.path.join(self.instance_dir("demo", "db-0"), "console.log")
        with open(path, "a") as f:
            f.write("while it runs\n")
        self.ok("kill", "db")
        with open(os.path.join(os.path.dirname(path), "console.times"), "rb") as f:
            notes = list(struct.iter_unpack("<Qq", f.read()))
        self.assertEqual(notes[-1][0], os.path.getsize(path))
        self.assertTrue(before - 1 < notes[-1][1] / 1e9 < time.time() + 1, notes)
        self.assertEqual([n[0] for n in notes], sorted(n[0] for n in notes))

    def test_other_files(self):
        self.write("db-0", "2026-01-01T00:00:00Z step: packages\n"
                           "2026-01-01T00:10:00Z error: no network\n  more of it\n",
                   "provision.log")
        self.write("db-0", "--- start 2026-01-01T00:00:00.5Z ---\nno such machine\n", "qemu.log")
        self.write("db-0", "holos-monitor: hello\n", "monitor.log")
        self.assertIn("error: no network", self.ok("logs", "--provision", "db").out)
        late = self.ok("logs", "--provision", "--since", "2026-01-01T00:05:00Z", "db").out
        self.assertEqual(late.splitlines()[1:-1],
                         ["2026-01-01T00:10:00Z error: no network", "  more of it"])
        self.assertIn("2026-01-01T00:00:00Z no such machine", self.ok("logs", "--qemu", "-t", "db").out)
        self.assertIn("holos-monitor: hello", self.ok("logs", "--monitor", "db").out)
        self.fails(USAGE, "logs", "--qemu", "--monitor", "db", match="one of them")
        os.unlink(os.path.join(self.instance_dir("demo", "db-0"), "provision.log"))
        self.assertIn("cannot read log", self.ok("logs", "--provision", "db").err)

    def test_wrong_times(self):
        self.fails(USAGE, "logs", "--since", "yesterday", match=["yesterday", "10m"])
        self.fails(USAGE, "logs", "-F", "--until", "1m", match="one of them")

    def test_on_a_terminal(self):
        """Names in colours, but nothing of the guest's own."""
        self.write("web-0", "\x1b[31mred\x1b[0m\n")
        self.write("web-1", "plain\n")
        for env, coloured in ({}, True), ({"NO_COLOR": "1"}, False):
            with Terminal(self, "logs", "-F", "web", env=env) as terminal:
                terminal.wait_for("plain")
                text = terminal.text()
                self.assertEqual("\x1b[" in text, coloured)
                bare = re.sub(r"\x1b\[\d+m", "", text)
                self.assertIn("web-0 | ^[[31mred^[[0m\r\n", bare)
                self.assertIn("web-1 | plain\r\n", bare)

    def test_ten_gigabytes(self):
        """Whatever the size, the same memory; and only what is asked for is read."""
        path = os.path.join(self.instance_dir("demo", "db-0"), "console.log")
        with open(path, "r+b") as f:
            f.seek(10 << 30)
            f.write(b"\n" + b"filler\n" * 100 + b"the end\n")
        self.note("db-0", (10 << 30, 60))

        def limit():
            resource.setrlimit(resource.RLIMIT_AS, (64 << 20, 64 << 20))

        for args in (["-n", "3"], ["-n", "3", "-t"], ["--since", "30s"]):
            with self.subTest(args=args):
                done = subprocess.run([PROGRAM, "logs", *args, "db-0"], env=self.env,
                                      cwd=self.work, stdout=subprocess.PIPE, preexec_fn=limit)
                self.assertEqual(done.returncode, 0)
                self.assertTrue(done.stdout.endswith(b"the end\n\n"), done.stdout[-50:])
                self.assertLess(len(done.stdout), 2000)
        first = subprocess.run(["/bin/sh", "-c", '"$0" logs -n all db-0 | head -c 100000 | wc -c',
                                PROGRAM], env=self.env, cwd=self.work, stdout=subprocess.PIPE)
        self.assertEqual(int(first.stdout), 100000)

    def test_a_line_without_end(self):
        self.write("db-0", "x" * 100000 + "\nlogin: ")
        out = self.ok("logs", "-t", "db-0").out
        self.assertEqual(out.count("x"), 100000)
        self.assertRegex(out, r"Z login: \n")


if __name__ == "__main__":
    holostest.main()
