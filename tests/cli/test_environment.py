# SPDX-License-Identifier: Apache-2.0
"""Where holos runs: no HOME, no TERM, odd locales, a stdout that is gone or full, a home
that cannot be written."""

import os
import shutil

import holostest
from holostest import FAILED, OK, PROGRAM, USAGE, FakeTest

ONE = """
    name: demo
    services:
      web: {image: ./base.qcow2}
"""
READING = [["ps"], ["ps", "-a"], ["ps", "--json"], ["images"], ["plugins"], ["volume", "ls"],
           ["help"], ["help", "up"], ["version"], ["version", "--json"], ["completion", "bash"],
           ["config"], ["config", "--schema"], ["validate"], ["logs", "web"], ["inspect", "web"],
           ["ssh-config"], ["up", "--dry-run"]]


class EnvironmentTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.compose(ONE)

    def sh(self, script, **kw):
        return self.spawn(["/bin/sh", "-c", script, PROGRAM], **kw).finish()

    def test_no_home_no_term_no_locale(self):
        bare = {"HOME": None, "TERM": None, "LANG": None, "USER": None}
        self.ok("up", env=bare)
        for args in READING:
            with self.subTest(args=args):
                self.ok(*args, env=bare)
        self.ok("kill", env=bare)
        self.ok("down", env=bare)

    def test_locales_change_nothing(self):
        want = self.ok("help", "up").out
        for locale in "C", "C.UTF-8", "de_DE.UTF-8", "tr_TR.UTF-8", "nonsense":
            env = {"LC_ALL": locale, "LANG": locale}
            self.assertEqual(self.ok("help", "up", env=env).out, want)
            self.ok("validate", env=env)
            self.assertIn("1h30m", self.fails(USAGE, "logs", "--since", "1h30mm", "x",
                                              env=env).err)

    def test_nobody_reads(self):
        """`holos ps | head -1`: what was wanted was had."""
        self.ok("up")
        for args in READING:
            with self.subTest(args=args):
                result = self.sh('{ "$0" %s; echo "status $?" >&2; } | true' % " ".join(args))
                self.assertIn("status 0", result.err)
                self.assertNotIn("cannot write", result.err)
        self.ok("kill")

    def test_a_full_disk_behind_stdout(self):
        self.ok("up")
        for args in READING:
            with self.subTest(args=args):
                result = self.sh('"$0" %s >/dev/full' % " ".join(args))
                self.assert_failed(result, FAILED, "standard output")
        self.ok("kill")

    def test_closed_descriptors(self):
        for script in '"$0" ps >&-', '"$0" ps 2>&-', '"$0" ps <&-', '"$0" up >&- 2>&- <&-':
            with self.subTest(script=script):
                self.assertEqual(self.sh(script).status, OK)
        self.assertEqual(self.statuses("demo"), {"web-0": "running"})
        self.ok("kill")

    def test_a_home_that_cannot_be_written(self):
        home = f"{self.dir}/home-ro"
        os.mkdir(home, 0o500)
        env = {"HOME": home, "HOLOS_STATE_DIR": None}
        if os.getuid() == 0:  # root may write anywhere but here
            env["HOLOS_STATE_DIR"] = "/proc/nonsense"
        for args in ["ps"], ["images"], ["validate"], ["config"]:
            with self.subTest(args=args):
                self.ok(*args, env=env)
        result = self.holos("up", env=env)
        self.assertNotEqual(result.status, OK)
        self.assertRegex(result.err, "nonsense|home-ro")
        shutil.rmtree(home)

    def test_a_directory_that_is_gone(self):
        gone = f"{self.dir}/gone"
        os.mkdir(gone)
        script = 'rmdir ../gone; "$0" ps; echo $?; "$0" up; echo $?'
        result = self.sh(script, cwd=gone)
        first, last = [int(line) for line in result.out.split() if line.isdigit()]
        self.assertEqual(first, OK)
        self.assertNotEqual(last, OK)


if __name__ == "__main__":
    holostest.main()
