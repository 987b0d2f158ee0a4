# SPDX-License-Identifier: Apache-2.0
"""A terminal with a program of ours in it, for tests of what people type."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

from holostest import PROGRAM


class Terminal:
    """`holos ARGS` on a pseudo terminal.  It is the program's controlling terminal, and the
    test has it open as well, so that its modes can be read after the program ended."""

    def __init__(self, test, *args, size=(100, 30), env=None, stdin=None, stdout=None):
        self.test, self.seen = test, b""
        self.master, self.slave = pty.openpty()
        test.addCleanup(os.close, self.master)
        test.addCleanup(os.close, self.slave)
        self.resize(*size)
        self.before = termios.tcgetattr(self.slave)
        self.popen = subprocess.Popen(
            [PROGRAM, *map(str, args)], cwd=test.work, start_new_session=True,
            env={**test.env, "TERM": "xterm", **(env or {})},
            stdin=self.slave if stdin is None else stdin,
            stdout=self.slave if stdout is None else stdout, stderr=self.slave,
            preexec_fn=lambda: fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0), pass_fds=[self.slave])
        test.addCleanup(self._end)

    def _end(self):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text if isinstance(text, bytes) else text.encode())

    def _read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        self.seen += os.read(self.master, 65536)
        return True

    def expect(self, text, seconds=20):
        """Wait until this was printed; returns what came before, and forgets both."""
        wanted = text if isinstance(text, bytes) else text.encode()
        end = time.monotonic() + seconds
        while wanted not in self.seen:
            if not self._read(max(0, end - time.monotonic())):
                self.test.fail(f"no {wanted!r} within {seconds} s in {self.seen!r}"
                               f"{self.test.evidence()}")
        before, self.seen = self.seen.split(wanted, 1)
        return before

    def finish(self, status=0, seconds=20):
        """Its end; returns what it printed that no expect() has taken.  The terminal must be as
        it was."""
        end = time.monotonic() + seconds
        while self.popen.poll() is None:
            if time.monotonic() > end:
                self.test.fail(f"it does not end within {seconds} s: {self.seen!r}")
            self._read(0.05)
        while self._read(0):
            pass
        self.test.assertEqual(self.popen.returncode, status, self.seen)
        self.test.assertEqual(termios.tcgetattr(self.slave), self.before, "the terminal's modes")
        return self.seen

    def signal(self, number=signal.SIGTERM):
        self.popen.send_signal(number)
