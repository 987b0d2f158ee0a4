# SPDX-License-Identifier: Apache-2.0
"""Faults that reviewers found: root disks, directories and running VMs that a
command destroyed or took for its own."""

import json
import os
import re
import shutil
import signal
import subprocess

import holostest
from holostest import FAILED, INVALID, OK, FakeTest

ONE = """
    name: demo
    services:
      web:
        image: ./base.qcow2
        stop_grace_period: 1s
"""
VOLUME = """        volumes: ["data:/data"]
    volumes: {data: {size: 64M}}
"""
LARGER = ONE + "        vm: {disk_size: 128M}\n"

WEB_AFTER_JOB = """
    name: demo
    services:
      web:
        image: ./base.qcow2
        depends_on: {job: {condition: service_completed_successfully}}
      job: {image: ./base.qcow2}
"""


class Base(FakeTest):
    def up_one(self):
        self.compose(ONE)
        self.ok("up")
        self.mark_disk("demo", "web-0")
        self.pid = self.instances("demo")["web-0"]["pid"]

    def assert_kept(self):
        self.assertTrue(self.disk_is_marked("demo", "web-0"), "the root disk is gone")

    def assert_goes_on(self):
        instance = self.instances("demo")["web-0"]
        self.assertEqual((instance["status"], instance["pid"]), ("running", self.pid))
        self.assertEqual(self.starts(), 1)
        self.assertEqual(self.qemu_log("powerdown"), [])
        self.assert_kept()

    def file(self, *parts):
        return os.path.join(self.instance_dir("demo", "web-0"), *parts)

    def overwrite(self, path, text):
        with open(path, "w") as f:
            f.write(text)


class JoinTest(Base):
    """While one `up` waits for a guest the project is free, and another joins."""

    def test_two_ups(self):
        self.compose(WEB_AFTER_JOB)
        self.behave("job-0", guest_poweroff_after_ms=2000)
        runs = []
        for said in r"(?m)^job-0: running", r"(?m)^job-0: already running":
            run = self.start("up")
            self.wait_for(lambda: re.search(said, run.output()[1]), said)
            runs.append(run)
        self.assertEqual(self.statuses("demo"), {"job-0": "running"})
        for run in runs:
            result = run.finish()
            self.assertEqual(result.status, OK, f"{result}")
        self.assert_statuses("demo", web_0="running", job_0="stopped")
        self.assertEqual((self.starts("web-0"), self.starts("job-0")), (1, 1))
        self.assertEqual(len(self.qemus()), 1, self.processes())
        self.assertEqual(len(self.monitors()), 1, self.processes())
        self.assertTrue(os.path.exists(self.root_disk("demo", "web-0")))


class UnreadableTest(Base):
    def test_nobody_knows_whether_it_lives(self):
        self.up_one()
        self.ok("stop")
        for target in "nowhere", "alive":
            with self.subTest(link_to=target):
                os.unlink(self.file("alive"))
                os.symlink(target, self.file("alive"))
                for args in ["up"], ["up", "--recreate"]:
                    self.fails(FAILED, *args, match="web-0.*alive")
                result = self.fails(FAILED, "down", match="web-0.*alive")
                self.assertNotIn("removed", result.out + result.err)
                self.assert_kept()
        self.assertEqual(self.starts(), 1)
        os.unlink(self.file("alive"))
        self.ok("up")
        self.assert_kept()

    def test_lost_launch_and_vm_records(self):
        self.up_one()
        self.ok("stop")
        for name in "launch.json", "vm.json":
            os.unlink(self.file(name))
        self.ok("up")
        self.assert_statuses("demo", web_0="running")
        self.assert_kept()


class RecreateTest(Base):
    def test_old_qemu_cannot_be_stopped(self):
        """Its monitor is dead and no other can be had: what lives is told by locks alone."""
        self.up_one()
        monitor, = self.monitors()
        os.kill(monitor, signal.SIGKILL)
        self.wait_for(lambda: not holostest.alive(monitor), "the monitor is dead")
        launch, vm = self.read(self.file("launch.json")), self.read_json(self.file("vm.json"))
        self.overwrite(self.file("launch.json"), "{{{{")
        self.compose(LARGER)
        for state in "running", "stopped", None:
            with self.subTest(vm_json=state):
                if state:
                    self.overwrite(self.file("vm.json"), json.dumps(dict(vm, state=state)))
                else:
                    os.unlink(self.file("vm.json"))
                result = self.holos("up", "--recreate")
                self.assertNotEqual(result.status, OK, f"{result}")
                self.assertIn("web-0", result.err)
                self.assertEqual(self.qemus(), [self.pid])
                self.assertEqual(self.starts(), 1)
                self.assert_kept()
        self.overwrite(self.file("launch.json"), launch)
        self.overwrite(self.file("vm.json"), json.dumps(vm))
        self.compose(ONE)
        self.ok("up")
        self.assert_goes_on()

    def test_disk_size_below_the_base(self):
        self.up_one()
        self.compose(LARGER.replace("128M", "32M"))
        self.fails(INVALID, "up", "--recreate", match=r"holos\.yaml:6:.*disk_size.*smaller")
        self.assert_goes_on()

    def test_no_new_disk(self):
        self.up_one()
        self.compose(LARGER)
        result = self.holos("up", "--recreate", env={"FAKE_QEMU_IMG_FAIL": "root.qcow2"})
        self.assertNotEqual(result.status, OK, f"{result}")
        self.assertIn("web-0", result.err)
        self.assert_kept()
        self.compose(ONE)
        self.ok("up")
        self.assert_statuses("demo", web_0="running")
        self.assert_kept()
        self.compose(LARGER)
        self.ok("up", "--recreate")
        self.assertFalse(self.disk_is_marked("demo", "web-0"))

    def test_no_new_volume(self):
        """What fails after the new disk was made brings the old one back, too."""
        self.up_one()
        self.compose(LARGER + '        volumes: ["data:/srv"]\n    volumes: {data: {size: 1G}}\n')
        result = self.holos("up", "--recreate", env={"FAKE_QEMU_IMG_FAIL": "data.qcow2"})
        self.assertNotEqual(result.status, OK, f"{result}")
        self.assert_kept()

    def test_missing_root_disk(self):
        self.up_one()
        self.compose(ONE.replace("image: ./base.qcow2", "vm: {root_disk: ./nope.qcow2}"))
        self.fails(INVALID, "up", "--recreate", match="nope.qcow2")
        self.assert_goes_on()

    def test_one_shot(self):
        self.compose("""
            name: demo
            services:
              app:
                image: ./base.qcow2
                depends_on: {job: {condition: service_completed_successfully}}
              job: {image: ./base.qcow2}
            """)
        self.behave("job-0", guest_poweroff_after_ms=300)
        self.ok("up")
        self.mark_disk("demo", "job-0")
        self.ok("up")
        self.assertEqual(self.starts("job-0"), 1)
        self.ok("up", "--recreate", "job")
        self.assertEqual(self.starts("job-0"), 2)
        self.assertFalse(self.disk_is_marked("demo", "job-0"), "not afresh")
        self.assertEqual(self.starts("app-0"), 1)


class BadEditTest(Base):
    """What a start would trip over is found before the running VM is stopped."""

    def check(self, text, *patterns):
        self.up_one()
        self.compose(text)
        self.fails(INVALID, "up", match=list(patterns))
        self.assert_goes_on()

    def test_ipv6_port(self):
        self.check(ONE + '        ports: ["[::1]:8099:80"]\n', "::1")

    def test_file_as_bind_source(self):
        self.overwrite(os.path.join(self.work, "file"), "text")
        self.check(ONE + '        volumes: ["./file:/srv"]\n', r"holos\.yaml:6:", "file")

    def test_network_option(self):
        self.check(ONE + "    networks: {default: {options: {wrong: 1}}}\n", r"holos\.yaml:6:",
                   "wrong")

    def test_missing_volume_source(self):
        self.check(ONE + '        volumes: ["data:/srv"]\n    volumes: {data: {source: ./nope}}\n',
                   "data", "nope")


class OptionsTest(Base):
    def test_wrong_options(self):
        for text, line, word in (
                ("        healthcheck: {test: [CMD, x], options: {wrong: 1}}\n", 6, "wrong"),
                ("        healthcheck:\n          options: {test: 5}\n", 7, "test"),
                ("        healthcheck: {type: nosuch, test: [CMD, x]}\n", 6, "nosuch"),
                ("    networks:\n      default:\n        options: {wrong: 1}\n", 8, "wrong"),
                ("    networks:\n      default: {driver: nosuch}\n", 7, "nosuch")):
            for verb in "validate", "up":
                with self.subTest(verb=verb, text=text):
                    self.compose(ONE + text)
                    result = self.holos(verb)
                    self.assertNotEqual(result.status, OK, f"{result}")
                    self.assertRegex(result.err, rf"holos\.yaml:{line}:.*{word}", f"{result}")
        self.assertEqual(self.starts(), 0)


class OtherProjectTest(Base):
    def test_the_same_name_from_another_file(self):
        self.up_one()
        mine = os.path.join(self.work, "holos.yaml")
        other = os.path.join(self.work, "other")
        theirs = self.compose(ONE.replace("./base", "../base"), dir=other)
        for args in ["stop"], ["stop", "web"], ["down"], ["down", "--volumes"], ["up"]:
            with self.subTest(args=args):
                self.fails(FAILED, *args, cwd=other, match=[mine, theirs])
                self.assert_goes_on()
        self.ok("stop", "-p", "demo", cwd=other)
        self.assert_statuses("demo", web_0="stopped")
        self.ok("down", "-p", "demo", cwd=other)
        self.assertEqual(self.ps(), [])

    def other_up(self, text):
        os.mkdir(os.path.join(self.work, "o"))
        path = self.compose(text, name="o/holos.yaml")
        self.ok("up", "-f", path)

    def test_logs_of_a_service_that_is_a_project_elsewhere(self):
        self.up_one()
        self.other_up("name: web\nservices: {box: {image: ../base.qcow2}}\n")
        out = self.ok("logs", "web").out
        self.assertIn("==> web-0 <==", out)
        self.assertNotIn("box-0", out)
        self.assertIn("==> box-0 <==", self.ok("logs", "web", cwd="/").out)

    def test_start_of_another_project(self):
        self.up_one()
        self.other_up("name: other\nservices: {box: {image: ../base.qcow2}}\n")
        self.ok("stop", "other")
        self.ok("start", "-p", "other")
        self.assert_statuses("other", box_0="running")
        self.assertEqual(self.starts("web-0"), 1)

    def test_exec_in_a_replica_that_is_not_there(self):
        """With one VM its name may be left out: this is a wrong name all the same."""
        self.up_one()
        self.fails(holostest.HOLOS, "exec", "demo", "web-9", "true", match="web-9.*not found")

    def test_a_record_that_names_a_disk_outside(self):
        self.up_one()
        self.ok("stop")
        outside = os.path.join(self.dir, "outside.qcow2")
        shutil.copy(self.image, outside)
        record = self.read_json(self.file("instance.json"))
        self.overwrite(self.file("instance.json"),
                       json.dumps(dict(record, root=outside)))
        self.fails(FAILED, "up", match=["web-0", outside])
        self.assertEqual(self.starts(), 1)
        self.assertNotIn(outside, str(self.qemu_img_log()))
        self.ok("down")
        self.assertTrue(os.path.exists(outside))

    def test_restart_with_a_link_as_root_disk(self):
        """What `start` refuses, and before anything is stopped."""
        self.up_one()
        disk, outside = self.file("root.qcow2"), os.path.join(self.dir, "outside.qcow2")
        os.rename(disk, outside)
        os.symlink(outside, disk)
        self.fails(FAILED, "restart", match=["web-0", "must be a plain file"])
        os.unlink(disk)
        self.fails(FAILED, "restart", match=["web-0", "No such file"])
        os.rename(outside, disk)
        self.assert_goes_on()
        self.ok("restart")

    def test_restart_without_its_volume(self):
        self.compose(ONE + VOLUME)
        self.ok("up")
        pid = self.instances("demo")["web-0"]["pid"]
        disk = os.path.join(self.state, "volumes", "demo", "data.qcow2")
        outside = os.path.join(self.dir, "outside.qcow2")
        os.rename(disk, outside)
        self.fails(FAILED, "restart", match=["web-0: volume \"data\"", "No such file"])
        os.symlink(outside, disk)
        self.fails(FAILED, "restart", match=["web-0: volume \"data\"", "must be a plain file"])
        self.assertEqual(self.instances("demo")["web-0"]["pid"], pid, "it was stopped")
        self.ok("stop")
        result = self.fails(FAILED, "up", match=["must be a plain file"])
        self.assertNotIn("web-0: web-0:", result.err)
        os.unlink(disk)
        os.rename(outside, disk)
        self.ok("restart")

    def test_the_record_of_another_project(self):
        self.up_one()
        self.other_up("name: other\nservices: {web: {image: ../base.qcow2}}\n")
        self.ok("stop", "demo")
        self.ok("stop", "other")
        shutil.copy(os.path.join(self.instance_dir("other", "web-0"), "instance.json"),
                    self.file("instance.json"))
        self.fails(FAILED, "up", match=["web-0", "other"])
        self.assertEqual(self.starts(), 2)
        self.assert_kept()


class FormatTest(Base):
    """A guest can write a qcow2 header, which names files of the host, on a raw disk."""

    def setUp(self):
        super().setUp()
        self.raw = os.path.join(self.work, "disk.raw")
        shutil.copy(self.image, self.raw)

    def drive(self, vm, path):
        found, = [d for d in self.option(vm, "drive") if path in d]
        return found

    def test_root_disk(self):
        self.compose("name: demo\nservices: {web: {vm: {root_disk: ./disk.raw}}}\n")
        for _ in range(2):
            self.ok("up")
            self.assertRegex(self.drive("web-0", self.raw), r"\bformat=raw\b")
            self.ok("stop")

    def test_overlay_as_root_disk(self):
        overlay = os.path.join(self.work, "over.qcow2")
        subprocess.run([holostest.FAKE_QEMU_IMG, "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b",
                        self.image, overlay], check=True)
        self.compose("name: demo\nservices: {web: {vm: {root_disk: ./over.qcow2}}}\n")
        self.fails(INVALID, "up", match=["over.qcow2", "backing"])
        self.assertEqual(self.starts(), 0)

    def test_volume(self):
        self.compose(ONE + '        volumes: ["data:/srv"]\n    volumes: {data: {source: '
                     "./disk.raw}}\n")
        self.ok("up")
        self.assertRegex(self.drive("web-0", self.raw), r"\bformat=raw\b")


if __name__ == "__main__":
    holostest.main()
