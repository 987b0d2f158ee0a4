# SPDX-License-Identifier: Apache-2.0
"""The Debian image of the guest tests: what examples/build-image makes, made once.

It lies beside the micro image: in $HOLOS_TEST_IMAGES (as `./dev` sets it), else in the
build tree, under the name of the script's content.
"""

import fcntl
import glob
import hashlib
import os
import subprocess
import time

import holostest
from holostest import GuestTest

WAIT = 1200  # seconds for a boot on a machine that does something else as well

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "examples",
                      "build-image")


def make():
    """Path of the image; whoever comes second waits for the first."""
    store = os.environ.get("HOLOS_TEST_IMAGES") or os.path.join(holostest.BUILD, "tests", "guest")
    os.makedirs(store, mode=0o700, exist_ok=True)
    with open(SCRIPT, "rb") as f:
        path = os.path.join(store, f"debian-{hashlib.sha256(f.read()).hexdigest()[:12]}.qcow2")
    with open(os.path.join(store, "debian.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(path):
            for old in glob.glob(os.path.join(store, "debian-*.qcow2")):
                # Another test may stand on a younger one, made from another script.
                if os.stat(old).st_mtime < time.time() - 86400:
                    os.unlink(old)
            done = subprocess.run([SCRIPT, path], stdin=subprocess.DEVNULL, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode != 0:
                raise AssertionError(f"{SCRIPT} failed\n{done.stdout}")
    return path


class DebianTest(GuestTest):
    """The compose file of a test has it as ./debian.qcow2, with `cloud_init: {user: debian}`."""

    timeout = 300

    def setUp(self):
        image = make()
        super().setUp()
        os.symlink(image, os.path.join(self.work, "debian.qcow2"))

    def wait_up(self, verb):
        return self.ok(verb, "--wait", "--wait-timeout", f"{WAIT}s", timeout=WAIT + 60)

    def guest(self, instance, *command, timeout=WAIT, **kw):
        return super().guest(instance, *command, timeout=timeout, patience=f"{WAIT}s", **kw)

    def lines(self, script, instance="box-0"):
        return self.sh(instance, script).splitlines()
