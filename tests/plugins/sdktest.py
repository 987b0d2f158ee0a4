# SPDX-License-Identifier: Apache-2.0
"""What the tests of the SDK share: an installation to build against."""

import os
import subprocess

import holostest
from holostest import BUILD, FakeTest


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

    def run_ok(self, *argv, cwd=None, **kw):
        done = subprocess.run(argv, env=self.env, cwd=cwd or self.work, capture_output=True,
                              text=True, umask=0o022, **kw)
        self.assertEqual(done.returncode, 0,
                         f"$ {' '.join(argv)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done.stdout

    def installed(self, name):
        return next(os.path.join(path, name) for path, _, files in os.walk(self.prefix)
                    if name in files)


TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
__all__ = ["SdkTest", "TOP", "holostest"]
