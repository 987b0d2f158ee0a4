# SPDX-License-Identifier: Apache-2.0
"""A program on a pseudo-terminal, and what a person would see on it."""

import fcntl
import os
import re
import select
import signal
import struct
import termios
import time
import unicodedata

from holostest import Popen


class Terminal:
    """Runs argv with a terminal as its three descriptors, in a session of its own.

    `raw` is all that came; screen() is what is to be seen: enough of a terminal for
    programs that write lines and move the cursor up.
    """

    def __init__(self, test, argv, columns=80, rows=24, env=None, stdout=None):
        self.test, self.raw = test, b""
        self.columns, self.rows = columns, rows
        self.master, slave = os.openpty()
        self.resize(columns, rows, tell=False)
        full = {**test.env, "TERM": "xterm"}
        for name, value in (env or {}).items():
            full.pop(name, None) if value is None else full.__setitem__(name, value)

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.popen = Popen(argv, cwd=test.work, env=full, stdin=slave,
                           stdout=slave if stdout is None else stdout, stderr=slave,
                           preexec_fn=take_terminal)
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()
        if self.master is not None:
            os.close(self.master)
            self.master = None

    def resize(self, columns, rows, tell=True):
        self.columns, self.rows = columns, rows
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:
            self.popen.send_signal(signal.SIGWINCH)

    def send(self, text):
        os.write(self.master, text.encode())

    def _read(self, seconds):
        ready, _, _ = select.select([self.master], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # nobody has the other side any more
            return False
        self.raw += data
        return bool(data)

    def text(self):
        return self.raw.decode("utf-8", "backslashreplace")

    def wait_for(self, pattern, seconds=20):
        """Until what came after the last such wait has the pattern."""
        start = getattr(self, "_seen", 0)
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern.encode(), self.raw[start:])
            if found:
                self._seen = start + found.end()
                return found
            left = end - time.monotonic()
            if left <= 0 or (not self._read(min(left, 1)) and self.popen.poll() is not None
                             and not self._read(0)):
                self.test.fail(f"no {pattern!r} on the terminal:\n{self.text()[-3000:]}")

    def finish(self, seconds=30):
        end = time.monotonic() + seconds
        while self.popen.poll() is None:
            if time.monotonic() > end:
                self.test.fail(f"does not end:\n{self.text()[-3000:]}")
            self._read(0.1)
        while self._read(0):
            pass
        return self.popen.returncode

    def screen(self, columns=None):
        """All lines, also those that went out at the top, as they are at the end."""
        columns = columns or self.columns
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
                if col + 1 + wide > columns:
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
