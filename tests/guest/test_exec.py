# SPDX-License-Identifier: Apache-2.0
"""exec, cp and console in a real guest: busybox' tar, shell and login, dropbear's limits.

--full: a gigabyte, and a hundred at once.
"""

import hashlib
import os
import subprocess
import sys
import threading

import holostest
from holostest import GuestTest, PROGRAM
from terminal import Terminal

FULL = "--full" in sys.argv
if FULL:
    sys.argv.remove("--full")
SIZE = 1 << 30 if FULL else 64 << 20
AT_ONCE = 100 if FULL else 10
SLOW = 40 if FULL else 1  # an emulated guest ciphers some MiB in a second


class ExecTest(GuestTest):
    def test_it_all(self):
        """One guest for all of it: to boot one takes longer than the rest."""
        self.compose("""
            name: demo
            services:
              box: {image: micro}
            """)
        self.ok("up", "--wait")
        for part in self.terminal, self.trees, self.console_, self.stream, self.many:
            with self.subTest(part=part.__name__):
                part()

    def terminal(self):
        t = Terminal(self, "exec", "box-0", size=(100, 30))
        t.type("stty size\n")
        t.expect("30 100\r\n", 60)
        t.resize(120, 40)
        t.type("until [ \"$(stty size)\" = '40 120' ]; do sleep 0.1; done; echo re''sized; top\n")
        t.expect("resized", 60)
        t.expect("Load average", 60)
        t.type("q")
        t.type("sh -c 'echo be''gun; exec sleep 600'\n")
        t.expect("begun", 60)
        t.type("\x1a")
        t.expect("Stopped", 60)
        t.type("kill -9 %1; wait; echo en''ded\n")
        t.expect("ended", 60)
        t.type("exit 6\nexit 6\n")  # ash may still warn of a stopped job the first time
        t.finish(6, 60)

    def trees(self):
        tree = os.path.join(self.work, "tree")
        os.makedirs(f"{tree}/a b/empty")
        for name, data, mode in ("run", b"#!/bin/sh\n", 0o755), ("a b/secret", b"x", 0o600), \
                ("n" * 150, b"long", 0o644), ("big", os.urandom(3 << 20), 0o664):
            with open(f"{tree}/{name}", "wb") as f:
                f.write(data)
            os.chmod(f"{tree}/{name}", mode)
        os.symlink("../big", f"{tree}/a b/link")
        os.link(f"{tree}/big", f"{tree}/same")
        os.chmod(f"{tree}/a b", 0o770)
        os.utime(f"{tree}/big", (1, 1600000000))
        self.ok("cp", "tree", "box-0:")
        self.assertEqual(self.sh("box-0", 'cd tree && stat -c "%a %Y" big && stat -c %a "a b" && stat -c %h same'),
                         "664 1600000000\n770\n2\n")
        self.ok("cp", "box-0:tree", "back")
        self.assertEqual(self.look("tree"), self.look("back"))
        self.ok("cp", "box-0:tree/.", "back")
        self.assertEqual(self.look("tree"), self.look("back"))
        self.fails(holostest.FAILED, "cp", "tree/run", "box-0:/etc/",
                   match="box-0: tar: .*run.*: Permission denied")

    def look(self, name):
        top = os.path.join(self.work, name)
        out = subprocess.run(["find", ".", "-printf", "%P %y %m %T@ %s %n %l\n"], cwd=top, check=True,
                             capture_output=True, text=True).stdout
        lines = []
        for line in out.splitlines():
            name, kind, mode, time, size, links, target = line.rsplit(" ", 6)
            if kind == "d":
                size = links = ""
            # busybox makes links last, and touches what they are in.
            when = int(float(time)) if kind == "f" else ""
            lines.append((name, kind, mode, when, size, links, target))
        sums = subprocess.run("find . -type f -exec sha256sum {} + | sort", shell=True, cwd=top,
                              check=True, capture_output=True, text=True).stdout
        return sorted(lines), sums

    def console_(self):
        t = Terminal(self, "console", "box-0")
        t.expect("connected to the console", 60)
        t.expect("provisioned", 60)  # of the scrollback
        t.type("\r")
        t.expect("# ", 60)
        t.type("echo con''sole $(id -u)\r")
        t.expect("console 0", 60)
        t.type("\x1d")
        t.finish(0, 60)

    def stream(self):
        """Binary, both ways at once, with equal digests."""
        sent, got = hashlib.sha256(), hashlib.sha256()
        block = os.urandom(1 << 20)
        p = subprocess.Popen([PROGRAM, "exec", "-T", "box-0", "--", "cat"], cwd=self.work, env=self.env,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def feed():
            for i in range(SIZE >> 20):
                data = i.to_bytes(4, "big") + block[4:]
                sent.update(data)
                p.stdin.write(data)
            p.stdin.close()

        feeder = threading.Thread(target=feed)
        feeder.start()
        while data := p.stdout.read(1 << 20):
            got.update(data)
        feeder.join()
        p.stdout.close()
        self.assertEqual(p.wait(60), 0)
        self.assertEqual(got.hexdigest(), sent.hexdigest())

    def many(self):
        """More than dropbear takes before the login (5 of one address)."""
        runs = [self.start("exec", "-T", "-w", f"{60 * SLOW}s", "box-0", "echo", i)
                for i in range(AT_ONCE)]
        for i, run in enumerate(runs):
            result = run.finish(90 * SLOW)
            self.assertEqual((result.status, result.out), (0, f"{i}\n"), f"{result}")


if __name__ == "__main__":
    holostest.main()
