# SPDX-License-Identifier: Apache-2.0
"""A terminal with a program in it: what people type, and what they see."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unicodedata

from holostest import PROGRAM, Popen


class Terminal:
    """`holos ARGS`, or another program, on a pseudo terminal.  It is the program's controlling
    terminal, and the test has it open as well, so that its modes can be read after the program
    ended.

    `raw` is all that came; screen() is what is to be seen: enough of a terminal for programs
    that write lines and move the cursor up.
    """

    def __init__(self, test, *args, program=PROGRAM, size=(100, 30), env=None, stdin=None,
                 stdout=None):
        self.test, self.raw, self.taken = test, b"", 0
        self.master, self.slave = pty.openpty()
        test.addCleanup(os.close, self.master)
        test.addCleanup(os.close, self.slave)
        self.resize(*size)
        self.before = termios.tcgetattr(self.slave)
        full = {**test.env, "TERM": "xterm"}
        for name, value in (env or {}).items():
            full.pop(name, None) if value is None else full.__setitem__(name, value)
        self.popen = Popen(
            [program, *map(str, args)], cwd=test.work, start_new_session=True, env=full,
            stdin=self.slave if stdin is None else stdin,
            stdout=self.slave if stdout is None else stdout, stderr=self.slave,
            preexec_fn=lambda: fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0), pass_fds=[self.slave])
        test.addCleanup(self.close)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()

    def resize(self, columns, rows):
        self.columns = columns
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text if isinstance(text, bytes) else text.encode())

    def signal(self, number=signal.SIGTERM):
        self.popen.send_signal(number)

    def text(self):
        return self.raw.decode("utf-8", "backslashreplace")

    def _read(self, seconds):
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        self.raw += os.read(self.master, 65536)
        return True

    def wait_for(self, pattern, seconds=20):
        """Until what no such wait has taken has the pattern; returns what came before."""
        start, end = self.taken, time.monotonic() + seconds
        while True:
            found = re.compile(pattern.encode()).search(self.raw, start)
            if found:
                self.taken = found.end()
                return self.raw[start:found.start()]
            left = end - time.monotonic()
            if left <= 0 or (not self._read(min(left, 1)) and self.popen.poll() is not None
                             and not self._read(0)):
                self.test.fail(f"no {pattern!r} within {seconds} s in {self.raw[start:]!r}"
                               f"{self.test.evidence()}")

    def expect(self, text, seconds=20):
        """The same for a text."""
        return self.wait_for(re.escape(text if isinstance(text, str) else text.decode()), seconds)

    def finish(self, status=0, seconds=30):
        """Its end; returns what it printed that no wait has taken.  The terminal must be as it
        was."""
        end = time.monotonic() + seconds
        while self.popen.poll() is None:
            if time.monotonic() > end:
                self.test.fail(f"it does not end within {seconds} s: {self.raw[self.taken:]!r}")
            self._read(0.05)
        while self._read(0):
            pass
        self.test.assertEqual(self.popen.returncode, status, self.raw[self.taken:])
        self.test.assertEqual(termios.tcgetattr(self.slave), self.before, "the terminal's modes")
        return self.raw[self.taken:]

    def screen(self):
        """All lines, also those that went out at the top, as they are at the end."""
        lines, row, col = [[]], 0, 0
        for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.|\n", self.text(), re.S):
            while row >= len(lines):
                lines.append([])
            line = lines[row]
            if token == "\n":
                row += 1
            elif token == "\r":
                col = 0
            elif token[0] != "\x1b":
                wide = unicodedata.east_asian_width(token) in "WF"
                if unicodedata.combining(token):
                    continue
                if col + 1 + wide > self.columns:
                    row, col = row + 1, 0
                    while row >= len(lines):
                        lines.append([])
                    line = lines[row]
                line.extend(" " * (col - len(line)))
                line[col:col + 1 + wide] = [token] + [""] * wide
                col += 1 + wide
            elif token[-1] == "A":
                row = max(0, row - int(token[2:-1] or 1))
            elif token == "\x1b[J":
                del line[col:], lines[row + 1:]
            elif token == "\x1b[K":
                del line[col:]
        return ["".join(line).rstrip() for line in lines]
