# SPDX-License-Identifier: Apache-2.0
"""QEMU that is missing, refuses, dies or says nonsense: the right message, the
right exit status, nothing left behind."""

import os
import time

import holostest
from holostest import HOST, INVALID, OK, START, FakeTest

ONE = """
    name: demo
    services:
      web:
        image: ./base.qcow2
        stop_grace_period: 1s
"""


class NoQemuTest(FakeTest):
    def check(self, status, *patterns, **env):
        self.compose(ONE)
        self.fails(status, "up", env=env, match=list(patterns))
        self.assertEqual(self.starts(), 0)
        self.assertEqual(self.processes(), {})
        self.assertFalse(os.path.exists(self.root_disk("demo", "web-0")))
        return self.statuses("demo")

    def test_missing(self):
        self.check(HOST, "/nope/qemu-system", HOLOS_QEMU_SYSTEM="/nope/qemu-system")

    def test_not_on_the_path(self):
        empty = os.path.join(self.dir, "empty")
        os.mkdir(empty)
        self.check(HOST, "qemu-system-x86_64", HOLOS_QEMU_SYSTEM=None, PATH=empty)

    def test_not_executable(self):
        path = os.path.join(self.dir, "qemu")
        with open(path, "w") as f:
            f.write("#!/bin/sh\n")
        os.chmod(path, 0o644)
        self.check(HOST, path, HOLOS_QEMU_SYSTEM=path)

    def test_a_directory(self):
        self.check(HOST, self.home, HOLOS_QEMU_SYSTEM=self.home)

    def test_no_qemu_img(self):
        self.check(HOST, "/nope/qemu-img", HOLOS_QEMU_IMG="/nope/qemu-img")

    def test_broken_program(self):
        """Executable, and the kernel refuses it."""
        path = os.path.join(self.dir, "qemu")
        with open(path, "wb") as f:
            f.write(b"\x7fELF nonsense")
        os.chmod(path, 0o755)
        self.compose(ONE)
        result = self.holos("up", env={"HOLOS_QEMU_SYSTEM": path})
        self.assertIn(result.status, (HOST, START), f"{result}")
        self.assertIn(path, result.err)


class NoDeviceTest(FakeTest):
    def test_no_dev_null(self):
        """It ended with status 125 and not a word."""
        run = self.spawn([os.path.join(holostest.BUILD, "tests", "fault-step"), "--class", "EROFS",
                          "--at", "1", "--error", "--", holostest.PROGRAM, "ps"]).finish()
        self.assert_failed(run, holostest.HOLOS, "/dev/null")


class RefusalTest(FakeTest):
    def test_fails_at_start(self):
        self.behave("web-0", fail_start=3, message="no luck today")
        self.compose(ONE)
        result = self.fails(START, "up", match=["web-0", "no luck today"])
        self.assertLess(result.seconds, 5)
        self.assert_statuses("demo", web_0="failed")
        self.assertTrue(self.wait_until(lambda: not self.processes(), 2), self.processes())
        vm = self.read_json(self.instance_dir("demo", "web-0"), "vm.json")
        self.assertEqual((vm["exit"]["cause"], vm["exit"]["status"]), ("qemu", 3))
        self.assertIn("no luck today", vm["exit"]["message"])

    def test_then_it_works(self):
        self.behave("web-0", fail_start=1, message="no luck today")
        self.compose(ONE)
        self.fails(START, "up")
        self.behave("web-0")
        self.ok("up")
        self.assert_statuses("demo", web_0="running")

    def test_bad_extra_argument(self):
        self.compose(ONE + "        vm: {extra_args: [-frobnicate]}\n")
        self.fails(START, "up", match="-frobnicate: invalid option")

    def test_branches(self):
        """A failed service fails its dependents and nothing else."""
        self.compose("""
            name: demo
            services:
              bad: {image: ./base.qcow2}
              dependent: {image: ./base.qcow2, depends_on: [bad]}
              good: {image: ./base.qcow2}
            """)
        self.behave("bad-0", fail_start=1, message="no luck today")
        result = self.fails(START, "up", match=["bad-0", "no luck today", "dependent"])
        status = self.statuses("demo")
        self.assertEqual(status["good-0"], "running", f"{result}")
        self.assertEqual(status["bad-0"], "failed")
        self.assertNotEqual(status.get("dependent-0"), "running")
        self.assertEqual(self.starts("dependent-0"), 0)

    def test_log_of_the_failure_is_kept(self):
        """W34: qemu.log was out of reach and truncated at each start."""
        self.behave("web-0", fail_start=1, message="first trouble")
        self.compose(ONE)
        self.fails(START, "up")
        self.behave("web-0", fail_start=1, message="second trouble")
        self.fails(START, "up")
        log = self.read(self.instance_dir("demo", "web-0"), "qemu.log")
        self.assertIn("first trouble", log)
        self.assertIn("second trouble", log)


class LaterDeathTest(FakeTest):
    def test_dies_after_400_ms(self):
        """W17: it was reported as running with exit 0 and stayed so."""
        self.behave("web-0", die_after_ms=400, die_status=9, die_message="ouch, my disk")
        self.compose(ONE)
        self.holos("up")
        self.wait_status("demo", "web-0", "failed", 5)
        vm = self.read_json(self.instance_dir("demo", "web-0"), "vm.json")
        self.assertEqual((vm["exit"]["cause"], vm["exit"]["status"]), ("qemu", 9))
        self.assertIn("ouch, my disk", vm["exit"]["message"])
        self.assertRegex(self.ok("ps").out, r"(?m)^demo +web +1 +0")
        self.assertTrue(self.wait_until(lambda: not self.processes(), 2), self.processes())
        self.behave("web-0")
        self.mark_disk("demo", "web-0")
        self.ok("up")
        self.assert_statuses("demo", web_0="running")
        self.assertTrue(self.disk_is_marked("demo", "web-0"))

    def test_killed_from_outside(self):
        self.compose(ONE)
        self.ok("up")
        pid = self.kill_qemu("demo", "web-0")
        self.wait_status("demo", "web-0", "failed", 5)
        vm = self.read_json(self.instance_dir("demo", "web-0"), "vm.json")
        self.assertEqual((vm["exit"]["cause"], vm["exit"]["signal"]), ("signal", 9))
        self.assertEqual(self.instances("demo")["web-0"]["pid"], 0)
        self.assertFalse(holostest.alive(pid))

    def test_guest_powers_off(self):
        self.behave("web-0", guest_poweroff_after_ms=300)
        self.compose(ONE)
        self.ok("up")
        self.wait_status("demo", "web-0", "stopped", 5)
        vm = self.read_json(self.instance_dir("demo", "web-0"), "vm.json")
        self.assertEqual((vm["exit"]["cause"], vm["exit"]["status"]), ("guest", 0))

    def test_guest_panics(self):
        self.behave("web-0", guest_panic_after_ms=300)
        self.compose(ONE)
        self.ok("up")
        self.wait_status("demo", "web-0", "failed", 5)
        vm = self.read_json(self.instance_dir("demo", "web-0"), "vm.json")
        self.assertEqual(vm["exit"]["cause"], "panic")

    def test_accelerator_fails(self):
        """It was "paused", which nothing but a reset could end, and `up --wait` waited."""
        self.behave("web-0", internal_error_after_ms=300)
        self.compose(ONE)
        self.ok("up")
        self.wait_status("demo", "web-0", "failed", 5)
        vm = self.read_json(self.instance_dir("demo", "web-0"), "vm.json")
        self.assertEqual(vm["exit"]["cause"], "qemu")
        self.assertIn("internal error of its accelerator", vm["exit"]["message"])

    def test_guest_reboots(self):
        self.behave("web-0", guest_reset_after_ms=200)
        self.compose(ONE)
        self.ok("up")
        time.sleep(0.5)
        self.assert_statuses("demo", web_0="running")
        self.assertEqual(self.starts(), 1)

    def test_host_disk_full_pauses(self):
        self.behave("web-0", io_error_after_ms=200)
        self.compose(ONE)
        self.ok("up")
        self.wait_status("demo", "web-0", "paused", 5)
        vm = self.read_json(self.instance_dir("demo", "web-0"), "vm.json")
        self.assertIn(vm["paused_cause"], ("no-space", "io-error"))
        self.ok("start")
        self.wait_status("demo", "web-0", "running", 2)
        self.assertEqual(self.starts(), 1)
        self.ok("down")

    def test_dies_during_a_wait_for_it(self):
        """W35: the whole budget was burned."""
        self.behave("db-0", die_after_ms=300, die_status=1, qmp_delay_ms=5000,
                    die_message="ouch, my disk")
        self.compose("""
            name: demo
            services:
              web: {image: ./base.qcow2, depends_on: [db]}
              db: {image: ./base.qcow2}
            """)
        result = self.fails(START, "up", match=["db-0", "ouch, my disk"])
        self.assertLess(result.seconds, 4)


class NonsenseTest(FakeTest):
    def test_garbage_for_a_greeting(self):
        self.behave("web-0", garbage_qmp="greeting")
        self.compose(ONE)
        self.fails(START, "up", match=["web-0", "QMP"])
        self.assertTrue(self.wait_until(lambda: not self.processes(), 2), self.processes())
        self.assert_statuses("demo", web_0="failed")

    def test_a_line_without_end(self):
        self.behave("web-0", garbage_qmp="flood")
        self.compose(ONE)
        result = self.fails(START, "up", match="web-0")
        self.assertLess(result.seconds, 10)
        self.assertTrue(self.wait_until(lambda: not self.processes(), 2), self.processes())

    def test_garbage_later(self):
        """QEMU goes on though its monitor talks nonsense: the VM must not be lost."""
        self.behave("web-0", garbage_qmp="later")
        self.compose(ONE)
        self.holos("up")
        self.ok("down", timeout=30)
        self.assertTrue(self.wait_until(lambda: not self.processes(), 2), self.processes())


class LongPathTest(FakeTest):
    def test_socket_path(self):
        """W21: it failed inside QEMU."""
        deep = os.path.join(self.dir, "d" * 90)
        self.compose(ONE)
        result = self.holos("up", env={"HOLOS_STATE_DIR": deep})
        self.assertIn(result.status, (INVALID, HOST), f"{result}")
        self.assertRegex(result.err, r"(?i)socket.*10[78]|10[78].*socket|too long")
        self.assertRegex(result.err, r"\bweb\b")
        self.assertIn(deep[:40], result.err, "it does not say which path is too long")
        self.assertEqual(self.starts(), 0)
        self.assertEqual(self.processes(), {})
        self.assertEqual(self.holos("down", "demo", env={"HOLOS_STATE_DIR": deep}).status, OK)


if __name__ == "__main__":
    holostest.main()
