# SPDX-License-Identifier: Apache-2.0
"""Progress: on terminals of several sizes, in tmux, as plain lines and as JSON."""

import json
import os
import re
import shutil
import subprocess
import termios

import holostest
from holostest import INTERRUPTED, PROGRAM, FakeTest
from terminal import Terminal

STACK = """
    name: demo
    services:
      web: {image: ./base.qcow2, replicas: %d, stop_grace_period: 1s}
"""


class TerminalTest(FakeTest):
    def up(self, *args, columns=80, rows=24, replicas=3, slow=0, **kw):
        self.compose(STACK % replicas)
        if slow:
            self.behave(qmp_delay_ms=slow)
        return Terminal(self, "up", *args, size=(columns, rows), **kw)

    def test_all_that_is_done_stays_and_nothing_else(self):
        for columns in 80, 200, 40:
            with self.subTest(columns=columns), self.up(columns=columns, slow=1500) as terminal:
                terminal.wait_for(r"web-2: starting")
                terminal.wait_for(r"\[\+\] 0 of 3 done")
                terminal.finish()
                lines = [re.sub(r"\x1b\[\d+m", "", line) for line in terminal.screen()]
                text = "\n".join(lines)
                for i in range(3):
                    self.assertEqual(len(re.findall(rf"(?m)^web-{i}: running \(", text)), 1, text)
                self.assertNotIn("starting", text)
                self.assertNotIn("[+]", text)
                self.assertIn("project: demo", text)
                self.ok("kill")
                self.ok("down")

    def test_seconds_are_counted(self):
        with self.up(replicas=1, slow=3500) as terminal:
            terminal.wait_for(r"web-0: starting  \(1s\)")
            terminal.wait_for(r"web-0: starting  \(2s\)")
            terminal.finish()

    def test_fifty_on_a_small_screen(self):
        """Never more lines than the screen has: what scrolled away could not be drawn again."""
        with self.up("--parallel", "50", replicas=50, rows=12, slow=2500) as terminal:
            terminal.wait_for(r"\.\.\. and \d+ more")
            terminal.finish(seconds=120)
            for up in re.findall(r"\x1b\[(\d+)A", terminal.text()):
                self.assertLess(int(up), 12)
            text = re.sub(r"\x1b\[\d+m", "", "\n".join(terminal.screen()))
            self.assertEqual(len(re.findall(r"(?m)^web-\d+: running \(", text)), 50, text)
            self.assertNotIn("starting", text)
        self.ok("kill")

    def test_resized_while_it_runs(self):
        with self.up(columns=100, slow=4000) as terminal:
            terminal.wait_for(r"\[\+\] 0 of 3")
            terminal.resize(30, 24)
            terminal.wait_for(r"\[\+\] 0 of 3")  # at once, not at the next second
            terminal.resize(90, 24)
            terminal.wait_for(r"\[\+\] 0 of 3")
            terminal.finish()

    def test_a_long_name_is_cut(self):
        name = "a" * 30
        self.compose(f"name: demo\nservices:\n  {name}: {{image: ./base.qcow2}}\n")
        self.behave(qmp_delay_ms=1500)
        with Terminal(self, "up", size=(24, 24)) as terminal:
            terminal.wait_for(r"a{20}\.\.\.")
            terminal.finish()

    def test_ctrl_c(self):
        with self.up(slow=60000) as terminal:
            before = termios.tcgetattr(terminal.master)
            terminal.wait_for(r"\[\+\] 0 of 3")
            terminal.type("\x03")
            terminal.finish(INTERRUPTED)
            self.assertEqual(termios.tcgetattr(terminal.master), before)
            text = "\n".join(terminal.screen())
            self.assertNotIn("[+]", text)
            self.assertIn("interrupted", text)
            self.assertNotIn("\x1b[?", terminal.text())  # no cursor hidden, no other screen
        self.ok("kill")

    def test_colours(self):
        for env, coloured in ({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True):
            with self.subTest(env=env), self.up(env=env) as terminal:
                terminal.finish()
                self.assertEqual("\x1b[32m" in terminal.text(), coloured, terminal.text())
            self.ok("kill")
            self.ok("down")

    def test_a_terminal_that_cannot(self):
        for term in "dumb", None:
            with self.up(env={"TERM": term}) as terminal:
                terminal.finish()
                self.assertNotIn("\x1b", terminal.text())
                self.assertIn("web-0: starting", terminal.text())
            self.ok("kill")
            self.ok("down")

    def test_in_tmux(self):
        """As somebody sees it, in a terminal that breaks lines anew when it is resized."""
        self.assertIsNotNone(shutil.which("tmux"), "tmux is not installed: ./dev setup")
        self.compose(STACK % 3)
        self.behave(qmp_delay_ms=3000)
        socket = os.path.join(self.dir, "tmux")

        def tmux(*args):
            return subprocess.run(["tmux", "-S", socket, "-f", "/dev/null", *args], check=True,
                                  env=self.env, cwd=self.work, stdout=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL).stdout.decode()

        tmux("new-session", "-d", "-x", "100", "-y", "30", f"{PROGRAM} up; echo ended:$?; cat")
        try:
            self.wait_for(lambda: "[+] 0 of 3 done" in tmux("capture-pane", "-p"), "it is drawn")
            tmux("resize-window", "-x", "25", "-y", "30")
            self.wait_for(lambda: "(2s)" in tmux("capture-pane", "-p"), "it is drawn again")
            tmux("resize-window", "-x", "100", "-y", "30")
            self.wait_for(lambda: "ended:0" in tmux("capture-pane", "-p"), "it ends", 30)
            shown = tmux("capture-pane", "-p")
            self.assertEqual(len(re.findall(r"(?m)^web-\d: running \(", shown)), 3, shown)
            self.assertNotIn("starting", shown)
            self.assertNotIn("[+]", shown)
        finally:
            tmux("kill-server")
        self.ok("kill")


class OtherFormsTest(FakeTest):
    def test_plain(self):
        self.compose(STACK % 2)
        err = self.ok("up").err
        self.assertNotIn("\x1b", err)
        self.assertRegex(err, r"(?m)^web-0: starting$")
        self.assertRegex(err, r"(?m)^web-0: running( \([\d.]+m?s\))?$")

    def test_json(self):
        self.compose(STACK % 2)
        events = [json.loads(line) for line in self.ok("up", "--progress", "json").err.splitlines()]
        running = [e for e in events if e.get("status") == "running"]
        self.assertEqual({e["id"] for e in running}, {"web-0", "web-1"})
        for e in running:
            self.assertEqual(e["event"], "phase")
            self.assertIsInstance(e["elapsed_ms"], int)

    def test_quiet(self):
        self.compose(STACK % 1)
        self.assertEqual(self.ok("up", "--progress", "quiet").err, "")

    def test_tty_without_a_terminal(self):
        self.compose(STACK % 1)
        err = self.ok("up", "--progress", "tty", env={"NO_COLOR": "1"}).err
        self.assertIn("web-0: running", err)


if __name__ == "__main__":
    holostest.main()
