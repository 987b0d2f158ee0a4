# SPDX-License-Identifier: Apache-2.0
"""Damaged, hostile, foreign and read-only state (W13, W15, W20; crash rules)."""

import glob
import json
import os
import signal
import subprocess

import holostest
from holostest import FAILED, HOST, OK, PROGRAM, FakeTest

DAMAGE = {
    "empty": b"",
    "truncated": None,  # half of what was there
    "binary": bytes(range(256)) * 4,
    "no JSON": b"{{{{",
    "an array": b"[]",
    "wrong types": b'{"format":1,"name":[],"services":7,"state":{},"uuid":5,"instance":[1]}',
    "deep": b'{"format":1,"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "huge number": b'{"format":1e999}',
    "NUL inside": b'{"format":1,"name":"de\\u0000mo"}',
}


class Base(FakeTest):
    def up(self, name):
        path = self.compose(f"""
            name: {name}
            services: {{web: {{image: {self.image}, stop_grace_period: 1s}}}}
            """, name=f"{name}/holos.yaml")
        self.ok("up", "-f", path)
        return path

    def damage(self, path, data):
        with open(path, "rb") as f:
            old = f.read()
        with open(path, "wb") as f:
            f.write(old[:len(old) // 2] if data is None else data)
        return old

    def record(self, project):
        return os.path.join(self.state, "projects", f"{project}.json")


class DamagedProjectTest(Base):
    def test_another_project_is_never_hidden(self):
        """W13: one truncated file made bare `ps` fail for all."""
        self.up("one")
        self.up("two")
        for what, data in DAMAGE.items():
            with self.subTest(what):
                old = self.damage(self.record("one"), data)
                result = self.ok("ps", "--json")
                self.assertIn("two", [p["name"] for p in result.json()])
                self.assertEqual(self.statuses("two"), {"web-0": "running"})
                self.assertRegex(result.err, "one", "the damage is not told")
                self.assertIn("two", self.ok("ps").out)
                with open(self.record("one"), "wb") as f:
                    f.write(old)

    def test_a_record_that_could_not_be_read_is_not_damaged(self):
        """It was set aside, and with it what only it knew."""
        path = self.up("one")
        text = self.read_json(self.record("one"))["id"]
        step = [os.path.join(holostest.BUILD, "tests", "fault-step"), "--class", "EIO", "--error"]
        failed = 0
        for at in range(1, 70):
            run = self.spawn([*step, "--at", str(at), "--", PROGRAM, "up", "-f", path]).finish()
            failed += run.status != OK
            self.assertLessEqual(set(os.listdir(os.path.join(self.state, "projects"))),
                                 {"one.json", "one.brief"}, f"{at} {run}")
        self.assertGreater(failed, 5)
        self.assertEqual(self.read_json(self.record("one"))["id"], text)
        self.ok("up", "-f", path)

    def test_instances_that_cannot_be_listed(self):
        path = self.up("one")
        self.up("two")
        where = os.path.join(self.state, "instances", "one")
        os.rename(where, where + "-away")
        os.mkfifo(where)
        result = self.ok("ps", "--json")
        self.assertEqual(self.statuses("two"), {"web-0": "running"})
        self.assertRegex(result.err, "one", "the damage is not told")
        for args in ["up", "-f", path], ["down", "one"], ["stop", "one"]:
            self.fails(FAILED, *args, match="one")
        os.unlink(where)
        os.rename(where + "-away", where)
        self.assertEqual(self.statuses("one"), {"web-0": "running"})

    def test_it_is_rebuilt_from_its_instances(self):
        path = self.up("one")
        self.mark_disk("one", "web-0")
        pid = self.instances("one")["web-0"]["pid"]
        self.damage(self.record("one"), None)
        self.assertEqual(self.statuses("one"), {"web-0": "running"})
        self.ok("up", "-f", path)
        self.assertEqual(self.instances("one")["web-0"]["pid"], pid)
        self.assertEqual(self.starts(), 1)
        self.assertTrue(self.disk_is_marked("one", "web-0"))
        json.loads(self.read(self.record("one")))

    def test_down_works(self):
        for what in "empty", "binary", "truncated":
            with self.subTest(what):
                self.up("one")
                self.damage(self.record("one"), DAMAGE[what])
                self.ok("down", "one")
                self.assertEqual(self.ps(), [])
                self.assertTrue(self.wait_until(lambda: not self.processes(), 3),
                                self.processes())

    def test_missing_record(self):
        self.up("one")
        os.unlink(self.record("one"))
        self.assertEqual(self.statuses("one"), {"web-0": "running"})
        self.ok("down", "one")
        self.assertEqual(self.processes(), {})


class DamagedInstanceTest(Base):
    def test_vm_record(self):
        """Nothing is lost but knowledge; liveness is a lock."""
        self.up("one")
        self.up("two")
        path = os.path.join(self.instance_dir("one", "web-0"), "vm.json")
        for what, data in DAMAGE.items():
            with self.subTest(what):
                old = self.damage(path, data)
                result = self.ok("ps", "--json")
                self.assertEqual(self.statuses("two"), {"web-0": "running"})
                self.assertIn("one", [p["name"] for p in result.json()])
                with open(path, "wb") as f:
                    f.write(old)
        self.damage(path, b"")
        self.ok("down", "one")
        self.assertEqual([p["name"] for p in self.ps()], ["two"])
        self.assertEqual(len(self.qemus()), 1)

    def test_instance_record(self):
        self.up("one")
        self.mark_disk("one", "web-0")
        path = os.path.join(self.instance_dir("one", "web-0"), "instance.json")
        if not os.path.exists(path):
            self.skipTest("no instance.json in this layout")
        for what, data in DAMAGE.items():
            with self.subTest(what):
                old = self.damage(path, data)
                self.ok("ps", "--json")
                for args in [], ["-a"]:
                    self.assertRegex(self.ok("ps", *args).out, "web-0.*instance.json")
                with open(path, "wb") as f:
                    f.write(old)
                self.assertNotIn("instance.json", self.ok("ps", "-a").out)
        self.damage(path, b"")
        # Also a monitor that takes the VM over does not vouch for it.
        pid = self.read_json(self.instance_dir("one", "web-0"), "vm.json")["monitor_pid"]
        os.kill(pid, signal.SIGKILL)
        self.holos("stop", "one")
        self.assertRegex(self.ok("ps", "-a").out, "web-0.*instance.json")
        self.ok("down", "one")
        self.assertTrue(self.wait_until(lambda: not self.processes(), 3), self.processes())

    def test_launch_record(self):
        path = self.up("one")
        self.ok("stop", "one")
        self.damage(os.path.join(self.instance_dir("one", "web-0"), "launch.json"), b"{")
        self.ok("up", "-f", path)
        self.assertEqual(self.statuses("one"), {"web-0": "running"})


class HostileTest(Base):
    def test_paths_outside_the_state_directory(self):
        """W11: `rm -rf` of a path that stood in a file."""
        precious = os.path.join(self.dir, "precious")
        os.mkdir(precious)
        with open(os.path.join(precious, "file"), "w") as f:
            f.write("data")
        self.up("one")
        directory = self.instance_dir("one", "web-0")
        for name in glob.glob(directory + "/*.json") + [self.record("one")]:
            text = self.read(name)
            with open(name, "w") as f:
                f.write(text.replace(directory, precious))
        self.holos("ps", "--json")
        self.holos("stop", "one")
        self.holos("down", "one", "--volumes")
        self.assertEqual(self.read(precious, "file"), "data")

    def test_symlinks(self):
        precious = os.path.join(self.dir, "precious")
        os.mkdir(precious)
        with open(os.path.join(precious, "root.qcow2"), "w") as f:
            f.write("data")
        self.up("one")
        os.symlink(precious, self.instance_dir("one", "web-7"))
        os.symlink(precious, os.path.join(self.instance_dir("one", "web-0"), "link"))
        self.ok("ps", "--json")
        self.holos("down", "one")
        self.assertEqual(self.read(precious, "root.qcow2"), "data")
        with_link = self.instance_dir("one", "web-7")
        if os.path.islink(with_link):
            os.unlink(with_link)

    def test_strange_names(self):
        self.up("one")
        for name in "..json", "A.json", "x" * 100 + ".json", "one.json.tmp", "-.json", "a b.json":
            with open(os.path.join(self.state, "projects", name), "w") as f:
                f.write("{}")
        os.mkdir(os.path.join(self.state, "instances", "Not A Name"))
        os.mkfifo(os.path.join(self.state, "projects", "fifo.json"))
        result = self.ok("ps", "--json", timeout=5)
        self.assertIn("one", [p["name"] for p in result.json()])
        os.unlink(os.path.join(self.state, "projects", "fifo.json"))

    def test_newer_format(self):
        """Refused with a sentence, untouched; still seen by ps."""
        path = self.up("one")
        record = self.read_json(self.record("one"))
        record["format"] = 99
        text = json.dumps(record)
        with open(self.record("one"), "w") as f:
            f.write(text)
        result = self.holos("up", "-f", path)
        self.assertNotEqual(result.status, OK, f"{result}")
        self.assertRegex(result.err, "(?i)newer")
        self.assertEqual(self.read(self.record("one")), text)
        self.assertEqual(len(self.qemus()), 1)
        record["format"] = 1
        with open(self.record("one"), "w") as f:
            json.dump(record, f)

    def test_foreign_record(self):
        """Of the existing implementation: listed, not changed."""
        os.makedirs(os.path.join(self.state, "projects"), mode=0o700)
        os.chmod(self.state, 0o700)
        text = json.dumps({
            "name": "old", "spec_hash": "0" * 64, "services": [{
                "name": "web", "desired_replicas": 1, "instances": [{
                    "name": "web-0", "index": 0, "pid": os.getpid(), "status": "running",
                    "work_dir": self.work, "overlay_path": self.image, "seed_path": "",
                    "log_path": "", "serial_path": "", "qmp_path": "", "ports": [],
                    "last_started": "2024-01-01T00:00:00Z",
                    "last_exit_time": "0001-01-01T00:00:00Z"}]}],
            "network": {"multicast_group": "239.1.2.3", "multicast_port": 12345,
                        "subnet": "10.10.0.0/24", "hosts": {}},
            "updated_at": "2024-01-01T00:00:00Z"}, indent=2)
        with open(self.record("old"), "w") as f:
            f.write(text)
        os.makedirs(self.instance_dir("old", "web-0"))
        self.assertIn("old", self.ok("ps").out)
        self.assertRegex(self.ok("ps", "-a").out, "web-0 .*another implementation")
        self.assertEqual(self.ok("ps", "--json").json()[0]["name"], "old")
        path = self.compose(f"name: old\nservices: {{web: {{image: {self.image}}}}}\n")
        for args in ["up", "-f", path], ["down", "old"], ["stop", "old"]:
            with self.subTest(args=args):
                result = self.holos(*args)
                self.assertNotEqual(result.status, OK, f"{result}")
                self.assertIn("old", result.err)
        self.assertEqual(self.read(self.record("old")), text)
        self.assertTrue(os.path.exists(self.image))
        os.unlink(self.record("old"))


class StateDirTest(Base):
    def test_relative(self):
        """W20: it was stored as given, and useless from another directory."""
        self.compose(f"name: one\nservices: {{web: {{image: {self.image}}}}}\n")
        env = {"HOLOS_STATE_DIR": "rel"}
        self.ok("up", env=env)
        where = {"HOLOS_STATE_DIR": os.path.join(self.work, "rel")}
        got = self.ok("ps", "--json", env=where, cwd="/").json()
        instance = got[0]["services"][0]["instances"][0]
        self.assertEqual(instance["status"], "running")
        for name in "work_dir", "overlay_path", "log_path", "qmp_path":
            self.assertTrue(os.path.isabs(instance[name]), instance[name])
        self.ok("stop", "one", env=where, cwd="/")
        self.ok("up", "-f", os.path.join(self.work, "holos.yaml"), env=where, cwd="/")
        self.ok("down", "one", env=where, cwd="/")

    def test_option_beats_environment(self):
        self.compose(f"name: one\nservices: {{web: {{image: {self.image}}}}}\n")
        other = os.path.join(self.dir, "o")
        self.ok("up", "--state-dir", other)
        self.assertEqual(self.ps(), [])
        self.ok("down", "one", "--state-dir", other)

    def read_only(self, *args):
        """Run holos where the state directory cannot be written, root or not."""
        if os.geteuid():
            for root, _, _ in os.walk(self.state):
                os.chmod(root, 0o500)
            try:
                return self.holos(*args)
            finally:
                for root, _, _ in os.walk(self.state):
                    os.chmod(root, 0o700)
        script = ('mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && '
                  'exec "$@"')
        return self.spawn(["unshare", "-m", "/bin/sh", "-c", script, "sh", self.state, PROGRAM,
                           *args]).finish()

    def test_reading_verbs_on_a_read_only_directory(self):
        """W15."""
        self.up("one")
        probe = subprocess.run(["unshare", "-m", "true"], capture_output=True)
        if os.geteuid() == 0 and probe.returncode:
            self.skipTest("no mount namespaces here")
        for args in ["ps"], ["ps", "--json"], ["logs", "one"], ["ps", "-p", "one"]:
            with self.subTest(args=args):
                result = self.read_only(*args)
                self.assertEqual(result.status, OK, f"{result}")
        self.assertIn('"running"', self.read_only("ps", "--json").out)

    def test_changing_verbs_on_a_read_only_directory(self):
        path = self.up("one")
        self.ok("stop", "one")
        result = self.read_only("up", "-f", path)
        self.assertIn(result.status, (FAILED, HOST), f"{result}")
        self.assertRegex(result.err, "(?i)read-only|permission")
        self.assertIn(self.state, result.err)
        self.assertEqual(self.starts(), 1)
        self.assertEqual(self.statuses("one"), {"web-0": "stopped"})

    def test_a_file_in_its_place(self):
        path = os.path.join(self.dir, "file")
        with open(path, "w"):
            pass
        for args in ["ps"], ["down", "one"]:
            result = self.holos(*args, env={"HOLOS_STATE_DIR": path})
            self.assertIn(result.status, (FAILED, HOST), f"{result}")
            self.assertIn(path, result.err)

    def test_links_for_its_directories(self):
        """What is large may lie elsewhere; records must not."""
        self.up("one")
        self.ok("stop", "one")
        for name, allowed in ("instances", False), ("projects", False), ("volumes", True):
            with self.subTest(name):
                path = os.path.join(self.state, name)
                os.rename(path, path + "-there")
                os.symlink(name + "-there", path)
                if allowed:
                    self.ok("stop", "one")
                else:
                    self.fails(FAILED, "stop", "one", match=[path, "link"])
                os.unlink(path)
                os.rename(path + "-there", path)

    def test_others_may_not_write_it(self):
        self.up("one")
        os.chmod(self.state, 0o777)
        self.fails(HOST, "stop", "one", match=[self.state, "chmod"])
        os.chmod(self.state, 0o700)


if __name__ == "__main__":
    holostest.main()
