# SPDX-License-Identifier: Apache-2.0
"""holos console against the fake QEMU, whose serial line echoes and shows a prompt for each line."""

import fcntl
import os
import signal
import struct
import subprocess
import threading

import holostest
from holostest import BUSY, FAILED, INTERRUPTED, OK, USAGE, PROGRAM, FakeTest
from terminal import Terminal

F_OFD_SETLK = 37
# The last of what switches off what a guest may have switched on.
RESET = b"\x1b[?25h\x1b[0m"


class ConsoleTest(FakeTest):
    def up(self, extra=""):
        self.compose(f"""
            name: demo
            services:
              web: {{image: {self.image}, replicas: 2}}
            {extra}
            """)
        self.ok("up")

    def attach(self, *args, vm="web-0"):
        """On a terminal; before_answer is what was shown until the VM answered our carriage
        return, and from then on what is typed is the guest's."""
        t = Terminal(self, "console", *args)
        t.expect("connected to the console of")
        t.before_answer = t.expect(f"\r\r\n{vm} login: ")
        return t

    def detach(self, t):
        t.type("\x1d")
        self.assertIn(RESET, t.finish())


class TerminalTest(ConsoleTest):
    def test_scrollback_then_what_is_typed(self):
        self.up()
        t = self.attach("web-0")
        self.assertRegex(t.before_answer, b"(?s)SeaBIOS .fake.*web-0 login: ")
        t.type("root\r")
        t.expect("root\r\r\nweb-0 login: ")
        self.detach(t)

    def test_no_scrollback(self):
        self.up()
        t = self.attach("--tail", "0", "web-0")
        self.assertNotIn(b"SeaBIOS", t.before_answer)
        self.detach(t)

    def test_tail_counts_lines(self):
        self.behave(console_lines=50)
        self.up()
        t = self.attach("--tail", "3", "web-0")
        self.assertIn(b"line 50", t.before_answer)
        self.assertNotIn(b"line 47", t.before_answer)
        self.detach(t)

    def test_what_was_typed_before_the_keys_arrives(self):
        self.up()
        t = self.attach("--tail", "0", "web-0")
        t.type("last words\x1d and what is behind them")
        t.finish()
        self.wait_for(lambda: "last words" in self.log(), "the VM got it")
        self.assertNotIn("behind", self.log())

    def log(self, instance="web-0"):
        return self.read(self.instance_dir("demo", instance), "console.log")

    def test_other_keys(self):
        self.up()
        t = self.attach("--detach-keys", "ctrl-p,ctrl-q", "web-0")
        t.type("\x1d\x10x\r")  # neither the usual key, nor the first one alone
        t.expect(b"\x1d\x10x\r")
        t.type("\x10")
        t.type("\x11")
        t.finish()

    def test_keys_that_are_none(self):
        self.up()
        for keys in "", "ctrl-", "ctrl-1", "escape", "a,,b", ",".join("a" * 17):
            with self.subTest(keys=keys):
                self.fails(USAGE, "console", "--detach-keys", keys, "web-0", match="detach-keys")

    def test_a_signal_leaves_the_terminal_in_order(self):
        self.up()
        for number in signal.SIGTERM, signal.SIGHUP, signal.SIGINT:
            with self.subTest(number=number):
                t = self.attach("web-0")
                t.signal(number)
                self.assertIn(RESET, t.finish(INTERRUPTED))

    def test_the_end_of_the_vm(self):
        self.up()
        t = self.attach("web-0")
        self.kill_qemu("demo", "web-0")
        self.assertIn(b"the VM ended: web-0", t.finish())

    def test_old_escapes_are_harmless_new_ones_are_the_guests(self):
        self.up()
        with open(os.path.join(self.instance_dir("demo", "web-0"), "console.log"), "a") as f:
            f.write("\r\nold \x1b]0;owned\x07 title\r\n")
        t = self.attach("web-0")
        self.assertNotIn(b"\x1b", t.before_answer)
        self.assertIn(b"^[]0;owned", t.before_answer)
        t.type("\x1b[31m\r")
        t.expect("\x1b[31m")
        self.detach(t)


class OneAtATimeTest(ConsoleTest):
    def test_the_second_is_told_of_the_first(self):
        self.up()
        t = self.attach("web-0")
        said = self.fails(BUSY, "console", "web-0", match=[
            'console of "web-0" is busy', rf"pid={t.popen.pid} verb=console", "holos logs -F"]).err
        self.assertNotIn("lock-timeout", said)
        other = self.attach("web-1", vm="web-1")
        self.detach(other)
        self.detach(t)
        self.detach(self.attach("web-0"))

    def test_killed_holder_leaves_nothing_behind(self):
        self.up()
        t = self.attach("web-0")
        t.signal(signal.SIGKILL)
        t.popen.wait()
        self.detach(self.attach("web-0"))

    def test_works_while_the_project_is_busy(self):
        self.up()
        lock = os.path.join(self.state, "locks", "demo.lock")
        with open(lock, "r+b") as f:
            fcntl.fcntl(f, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1, 0))
            self.detach(self.attach("web-0"))

    def test_a_lock_file_that_is_none(self):
        self.up()
        path = os.path.join(self.instance_dir("demo", "web-0"), "console.lock")
        os.symlink(f"{self.work}/elsewhere", path)
        self.fails(FAILED, "console", "web-0", match="console.lock")
        self.assertFalse(os.path.exists(f"{self.work}/elsewhere"))


class PipeTest(ConsoleTest):
    """Neither side is a terminal."""

    def console(self, *args, stdin):
        return subprocess.Popen([PROGRAM, "console", *args], env=self.env, cwd=self.work,
                                stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def read_until(self, p, text):
        seen = b""
        timer = threading.Timer(20, p.kill)
        timer.start()
        while text not in seen:
            byte = os.read(p.stdout.fileno(), 1)
            self.assertTrue(byte, f"ended before {text!r}: {seen!r}")
            seen += byte
        timer.cancel()
        return seen

    def end(self, p, status):
        _, err = p.communicate(timeout=20)
        self.assertEqual(p.returncode, status, err)
        return err

    def test_bytes_pass_as_they_are(self):
        self.up()
        p = self.console("--tail", "0", "web-0", stdin=subprocess.PIPE)
        p.stdin.write(b"a\x1d\x00\xff\x1b[0mz\r")
        p.stdin.flush()
        self.assertEqual(self.read_until(p, b"z\r"), b"a\x1d\x00\xff\x1b[0mz\r")
        self.read_until(p, b"login: ")
        p.send_signal(signal.SIGTERM)
        self.assertEqual(self.end(p, INTERRUPTED), b"")

    def test_end_of_input_ends_nothing(self):
        self.up()
        p = self.console("web-0", stdin=subprocess.DEVNULL)
        self.read_until(p, b"login: ")
        self.assertIsNone(p.poll())
        self.kill_qemu("demo", "web-0")
        self.end(p, OK)

    def test_without_input(self):
        self.up()
        p = self.console("--no-stdin", "web-0", stdin=subprocess.PIPE)
        self.read_until(p, b"login: ")
        p.stdin.write(b"unheard\r")
        p.stdin.flush()
        self.kill_qemu("demo", "web-0")
        self.end(p, OK)
        self.assertNotIn("unheard", self.read(self.instance_dir("demo", "web-0"), "console.log"))

    def test_nobody_reads(self):
        self.up()
        p = self.console("web-0", stdin=subprocess.DEVNULL)
        self.read_until(p, b"login: ")
        p.stdout.close()
        self.assertEqual(p.wait(timeout=20), OK)
        p.stderr.close()


class MistakeTest(ConsoleTest):
    def test_a_full_disk(self):
        """What was printed before could not be written: it waited on as if it had been."""
        self.up()
        log = os.path.join(self.instance_dir("demo", "web-0"), "console.log")
        self.wait_for(lambda: os.path.getsize(log), "it printed")
        run = self.spawn(["/bin/sh", "-c",
                          f'exec "{PROGRAM}" console --no-stdin --tail all web-0 >/dev/full'])
        result = run.finish()
        self.assertEqual(result.status, FAILED)
        self.assertIn("cannot write to standard output", result.err)

    def test_what_is_not_there(self):
        self.fails(FAILED, "console", "-p", "demo", "web-0", match="not up")
        self.up()
        self.fails(FAILED, "console", "web-7", match=["web-7", "did you mean"])
        self.fails(USAGE, "console", match="needs the name")
        self.fails(USAGE, "console", "demo", match="which one")
        self.fails(USAGE, "console", "web-0", "sh", match='"sh"')
        self.fails(USAGE, "console", "--tail", "-1", "web-0", match="--tail")
        self.ok("stop", "web-1")
        self.fails(FAILED, "console", "web-1", match=["is stopped", "holos start"])

    def test_names(self):
        self.up()
        for args in ["demo", "web-1"], ["--index", "1", "web"], ["-p", "demo", "web-1"]:
            with self.subTest(args=args):
                self.detach(self.attach(*args, vm="web-1"))


if __name__ == "__main__":
    holostest.main()
