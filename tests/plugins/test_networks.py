# SPDX-License-Identifier: Apache-2.0
"""Network drivers that change the machine: journal, apply, undo, helpers, files."""

import json
import os
import shutil
import signal

import holostest
from holostest import BUILD, FAILED, FakeTest

PLUGINS = os.path.join(BUILD, "tests", "plugins")


class NetworkTest(FakeTest):
    def make_env(self):
        env = super().make_env()
        env["HOLOS_PLUGIN_PATH"] = getattr(self, "plugins", PLUGINS)
        return env

    def setUp(self):
        super().setUp()
        self.tap = os.path.join(self.dir, "tap")

    def stack(self, **options):
        options.setdefault("file", self.tap)
        self.file = self.compose(f"""
            name: demo
            services:
              web: {{image: ./base.qcow2, networks: [lan]}}
            networks:
              lan: {{driver: recorder, subnet: 10.20.0.0/24, options: {json.dumps(options)}}}
            """)

    def log(self):
        try:
            with open(self.tap + ".log") as f:
                return f.read().split()
        except FileNotFoundError:
            return []

    def journals(self):
        path = os.path.join(self.instance_dir("demo", "web-0"), "networks.json")
        if not os.path.exists(path):
            return None
        with open(path) as f:
            return json.load(f)["applied"]

    def kill_all(self):
        for name in "holos-monitor", "fake-qemu":
            for pid in self.processes_named(name):
                os.kill(pid, signal.SIGKILL)
        self.wait_for(lambda: not self.processes_named("holos-monitor") and
                      not self.processes_named("fake-qemu"), "the processes' end")

    def test_life(self):
        self.stack()
        self.ok("up")
        self.assertEqual(self.log(), ["journal", "apply"])
        self.assertTrue(os.path.exists(self.tap))
        self.assertEqual([(j["driver"], j["network"], j["nic"], j["journal"])
                          for j in self.journals()], [("recorder", "lan", "net1", self.tap)])
        conf = os.path.join(self.instance_dir("demo", "web-0"), "net-net1-conf")
        with open(conf) as f:
            self.assertEqual(f.read(), conf)
        self.assertEqual(os.stat(conf).st_mode & 0o777, 0o600)
        self.ok("stop")
        self.assertEqual(self.log()[2:], ["undo"])
        self.assertFalse(os.path.exists(self.tap))
        self.assertIsNone(self.journals())
        self.ok("stop")
        self.assertEqual(self.log()[3:], [], "undone twice")
        self.ok("start")
        self.assertEqual(self.log()[3:], ["journal", "apply"])
        self.ok("down")
        self.assertEqual(self.log()[5:], ["undo"])
        self.assertFalse(os.path.exists(self.tap))

    def test_the_guests_own_end(self):
        """No command comes: the monitor undoes it."""
        self.stack()
        self.behave("web-0", guest_poweroff_after_ms=300)
        self.ok("up")
        self.wait_for(lambda: not self.processes_named("holos-monitor"), "the VM's end")
        self.assertEqual(self.log(), ["journal", "apply", "undo"])
        self.assertFalse(os.path.exists(self.tap))
        self.assertIsNone(self.journals())
        self.assertEqual(self.instances("demo")["web-0"]["exit"]["cause"], "guest")
        self.ok("start")
        self.assertTrue(os.path.exists(self.tap))

    def test_the_guests_own_end_and_a_driver_that_fails(self):
        self.stack()
        self.behave("web-0", guest_poweroff_after_ms=300)
        self.ok("up")
        open(self.tap + ".stuck", "w").close()
        self.wait_for(lambda: not self.processes_named("holos-monitor"), "the VM's end")
        self.assertIsNotNone(self.journals(), "the journal is lost")
        self.assertIn("the tap is busy", self.instances("demo")["web-0"]["problem"])
        os.unlink(self.tap + ".stuck")
        self.ok("down")
        self.assertEqual(self.log()[2:], ["undo"])

    def test_a_restart_by_policy_keeps_its_network(self):
        self.stack()
        with open(self.file) as f:
            text = f.read()
        with open(self.file, "w") as f:
            f.write(text.replace("image: ./base.qcow2,", "image: ./base.qcow2, restart: always,"))
        self.behave("web-0", guest_poweroff_after_ms=300)
        self.ok("up")
        self.wait_for(lambda: self.instances("demo")["web-0"]["restarts"] >= 1, "a restart")
        self.assertEqual(self.log(), ["journal", "apply"])
        self.assertTrue(os.path.exists(self.tap))

    def test_restart(self):
        self.stack()
        self.ok("up")
        conf = self.log()
        self.ok("restart")
        self.assertEqual(self.log()[len(conf):], ["undo", "journal", "apply"])
        self.assertTrue(os.path.exists(self.tap), "it runs without its network")
        self.assertEqual([j["journal"] for j in self.journals()], [self.tap])
        self.ok("stop")
        self.assertFalse(os.path.exists(self.tap))
        self.ok("restart")  # without the compose file's word
        self.assertTrue(os.path.exists(self.tap), "it runs without its network")
        self.kill_all()
        self.ok("restart", "demo")
        self.assertTrue(os.path.exists(self.tap))
        self.ok("down")
        self.assertFalse(os.path.exists(self.tap))

    def test_restart_without_its_driver_stops_nothing(self):
        self.plugins = os.path.join(self.dir, "plugins")
        shutil.copytree(PLUGINS, self.plugins)
        self.env = self.make_env()
        self.stack()
        self.ok("up")
        os.rename(self.plugins, self.plugins + ".away")
        result = self.holos("restart")
        self.assertNotEqual(result.status, 0)
        self.assertIn("web-0: ", result.err)
        self.assertIn("recorder", result.err)
        self.assertTrue(self.processes_named("fake-qemu"), "it was stopped")
        self.assertNotIn("undo", self.log())
        os.rename(self.plugins + ".away", self.plugins)

    def test_recreate_keeps_what_could_not_be_undone(self):
        self.stack()
        self.ok("up")
        self.ok("stop")
        disk = os.path.join(self.instance_dir("demo", "web-0"), "root.qcow2")
        before = os.stat(disk).st_ino
        with open(os.path.join(self.work, "base.qcow2"), "ab") as f:
            f.write(b"another one")  # what only a new root disk takes up
        self.stack(fail="apply")
        open(self.tap + ".stuck", "w").close()
        result = self.holos("up", "--recreate")
        self.assertNotEqual(result.status, 0)
        self.assertEqual(os.stat(disk).st_ino, before, "the old root disk is lost")
        self.assertIsNotNone(self.journals(), "the journal is lost")
        os.unlink(self.tap + ".stuck")
        self.ok("down")
        self.assertFalse(os.path.exists(self.tap))

    def test_a_look_changes_nothing(self):
        self.stack()
        self.ok("validate")
        self.ok("config")
        self.assertEqual(self.log(), [])

    def test_helper(self):
        self.stack(helper=True)
        self.ok("up")
        sleepers = self.processes_named("sleep 600") or self.processes_named("/bin/sleep")
        self.assertEqual(len(sleepers), 1)
        self.ok("stop")
        self.assertFalse(self.processes_named("/bin/sleep"))

    def test_after_a_crash(self):
        self.stack()
        self.ok("up")
        self.kill_all()
        self.assertTrue(os.path.exists(self.tap))
        self.ok("up")
        self.assertEqual(self.log(), ["journal", "apply", "undo", "journal", "apply"])
        self.kill_all()
        self.ok("down")
        self.assertEqual(self.log()[5:], ["undo"])
        self.assertFalse(os.path.exists(self.tap))

    def test_apply_fails(self):
        self.stack(fail="apply")
        result = self.holos("up")
        self.assertNotEqual(result.status, 0)
        self.assertIn('network plugin "recorder": the tap is not ours', result.err)
        self.assertEqual(self.log(), ["journal", "apply", "undo"])
        self.assertFalse(os.path.exists(self.tap))
        self.assertFalse(self.processes_named("fake-qemu"))

    def test_apply_crashes(self):
        self.stack(fail="crash")
        result = self.holos("up")
        self.assertNotEqual(result.status, 0)
        self.assertIn('network plugin "recorder": apply crashed (signal 11', result.err)
        self.assertFalse(os.path.exists(self.tap))
        self.ok("down")

    def test_undo_fails_and_is_repeated(self):
        self.stack()
        self.ok("up")
        open(self.tap + ".stuck", "w").close()
        self.fails(FAILED, "down", match="the tap is busy")
        self.assertIsNotNone(self.journals(), "the journal is lost")
        self.assertFalse(self.processes_named("fake-qemu"))
        os.unlink(self.tap + ".stuck")
        self.ok("down")
        self.assertFalse(os.path.exists(self.tap))

    def test_the_driver_is_gone(self):
        self.plugins = os.path.join(self.dir, "plugins")
        shutil.copytree(PLUGINS, self.plugins)
        self.env = self.make_env()
        self.stack()
        self.ok("up")
        shutil.rmtree(self.plugins)
        result = self.ok("down")
        self.assertIn("is not undone", result.err)
        self.assertIn("holos-plugin-net-recorder", result.err)
        self.assertIn(self.tap, result.err)
        self.assertEqual(self.ps(), [])


if __name__ == "__main__":
    holostest.main()
