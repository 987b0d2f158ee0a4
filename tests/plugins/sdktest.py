# SPDX-License-Identifier: Apache-2.0
"""What the tests of the SDK share: an installation to build against."""

import os
import sys

import holostest
from holostest import BUILD, FakeTest


UNBLOCKED = ("import os, signal, sys; signal.pthread_sigmask(signal.SIG_SETMASK, []); "
             "os.umask(0o022); os.execvp(sys.argv[1], sys.argv[1:])")


class SdkTest(FakeTest):
    """self.prefix: holos and its SDK, installed."""

    timeout = 120

    def setUp(self):
        super().setUp()
        self.prefix = os.path.join(self.dir, "prefix")
        self.run_ok("cmake", "--install", BUILD, "--prefix", self.prefix)
        lib = next(path for path, _, files in os.walk(self.prefix) if "holos-plugin-1.pc" in files)
        self.env["PKG_CONFIG_PATH"] = lib
        self.env["CMAKE_PREFIX_PATH"] = self.prefix
        self.env["PATH"] = os.path.join(self.prefix, "bin") + ":" + self.env["PATH"]

    def run_any(self, *argv):
        """Any program, as holostest runs ours: its harness reaps what it does not know.
        SIGCHLD is blocked in what it starts, and cmake waits for it."""
        command = [sys.executable, "-c", UNBLOCKED, *argv]
        return self.spawn(command, cwd=self.work, env=self.env).finish(self.timeout)

    def run_ok(self, *argv):
        done = self.run_any(*argv)
        self.assertEqual(done.status, 0,
                         f"$ {' '.join(argv)}\n{done.out[-4000:]}\n{done.err[-4000:]}")
        return done.out

    def installed(self, name):
        return next(os.path.join(path, name) for path, _, files in os.walk(self.prefix)
                    if name in files)


TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
__all__ = ["SdkTest", "TOP", "holostest"]
