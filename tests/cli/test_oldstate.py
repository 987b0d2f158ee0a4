# SPDX-License-Identifier: Apache-2.0
"""State of other versions of holos, and whose project it is."""

import json
import os

import holostest
from holostest import FAILED, HOST, OK, FakeTest


class Base(FakeTest):
    def setUp(self):
        super().setUp()
        self.path = self.make("one")
        self.ok("up", "-f", self.path)
        self.record = os.path.join(self.state, "projects", "one.json")
        self.web = self.instance_dir("one", "web-0")

    def make(self, where):
        return self.compose(f"""
            name: one
            services:
              db: {{image: {self.image}, stop_grace_period: 1s, volumes: ["data:/srv"]}}
              web: {{image: {self.image}, stop_grace_period: 1s, depends_on: [db]}}
            volumes: {{data: {{size: 1G}}}}
            """, name=f"{where}/holos.yaml")

    def rewrite(self, path, change):
        obj = self.read_json(path)
        change(obj)
        with open(path, "w") as f:
            json.dump(obj, f)


class OldTest(Base):
    """As the first holos wrote them: members that came later are missing."""

    def test_it_loads(self):
        def older(obj):
            self.assertEqual(obj["format"], 1)
            for name in "file", "dir", "console", "warning", "helpers", "reachable", "init":
                if name != "file" or "services" not in obj:
                    obj.pop(name, None)
            for service in obj.get("services", []):
                service.pop("dependencies")
        self.ok("stop", "one")
        for path in [self.record, os.path.join(self.state, "volumes", "one", "data.json")] + \
                [os.path.join(self.instance_dir("one", i), name)
                 for i in ("db-0", "web-0") for name in ("instance.json", "vm.json")]:
            self.rewrite(path, older)
        self.mark_disk("one", "web-0")
        self.assert_statuses("one", db_0="stopped", web_0="stopped")
        self.ok("start", "one")
        self.ok("restart", "one")
        order = [(e["event"], e["name"]) for e in self.qemu_log()]
        self.assertLess(order.index(("start", "db-0")), order.index(("start", "web-0")))
        self.ok("up", "-f", self.path)
        self.assertTrue(self.disk_is_marked("one", "web-0"))
        self.ok("stop", "one")
        self.ok("down", "one")

    def test_members_of_a_later_version_of_the_same_format(self):
        self.rewrite(self.record, lambda o: o.update(later={"x": [1]}))
        self.ok("restart", "one")
        self.ok("up", "-f", self.path)


class NewerTest(Base):
    def check(self, path, *what_changes):
        def newer(obj):
            obj["format"] = 99
        old = self.read(path)
        self.rewrite(path, newer)
        text = self.read(path)
        pids = {n: i["pid"] for n, i in self.instances("one").items()}
        for args in what_changes:
            with self.subTest(args=args):
                result = self.fails(HOST, *args)
                for word in path, "format 99", "knows 1", "newer":
                    self.assertIn(word, result.err.replace("\n", " "), f"{result}")
                self.assertEqual(self.read(path), text)
        self.assertEqual({n: i["pid"] for n, i in self.instances("one").items()}, pids)
        self.assertEqual(len(self.qemus()), 2)
        with open(path, "w") as f:
            f.write(old)

    CHANGES = (["stop", "one"], ["kill", "one"], ["restart", "one"], ["down", "one"],
               ["down", "one", "db"], ["volume", "rm", "-y", "-p", "one", "data"])

    def test_project(self):
        self.check(self.record, ["up", "-f", self.path], ["up", "-f", self.path, "--adopt"],
                   *self.CHANGES)

    def test_instance(self):
        self.check(os.path.join(self.web, "instance.json"), ["up", "-f", self.path],
                   ["start", "one"], *self.CHANGES)

    def test_vm(self):
        self.check(os.path.join(self.web, "vm.json"), ["up", "-f", self.path], *self.CHANGES)

    def test_launch(self):
        self.check(os.path.join(self.web, "launch.json"), ["restart", "one"])

    def test_volume(self):
        self.check(os.path.join(self.state, "volumes", "one", "data.json"),
                   ["volume", "rm", "-y", "-p", "one", "data"], ["down", "one", "--volumes"])


class IdentityTest(Base):
    """A project is its name and its compose file."""

    def check_refused(self, other):
        result = self.fails(FAILED, "up", "-f", other, match="--adopt")
        for path in self.path, other:
            self.assertIn(path, result.err)
        # Without -p, these take the file for what it says, too.
        for verb in "stop", "down", "restart", "kill":
            result = self.fails(FAILED, verb, "-f", other, match="-p NAME")
            self.assertIn(self.path, result.err)
        self.assertEqual(set(self.statuses("one").values()), {"running"})

    def test_another_file(self):
        self.check_refused(self.make("two"))

    def test_a_damaged_record_drops_no_check(self):
        with open(self.record, "w") as f:
            f.write("{")
        other = self.make("two")
        self.check_refused(other)
        os.unlink(self.record)
        self.check_refused(other)
        self.ok("up", "-f", self.path)
        self.assertEqual(self.starts(), 2)

    def test_adopted(self):
        other = self.make("two")
        id = self.read_json(self.record)["id"]
        self.ok("up", "-f", other, "--adopt")
        self.assertEqual(self.starts(), 2)
        self.assertEqual(self.read_json(self.record)["id"], id)
        self.ok("stop", "-f", other)
        self.fails(FAILED, "up", "-f", self.path, match=other)
        self.ok("down", "-p", "one")  # a name is a name

    def test_run_made(self):
        """What `run` made goes with its VM, whatever became of the record."""
        self.ok("run", "--name", "quick", "--user", "me", self.image)
        made = os.path.join(self.state, "runs", "quick")
        with open(os.path.join(self.state, "projects", "quick.json"), "w"):
            pass
        self.ok("down", "quick")
        self.assertFalse(os.path.exists(made))

    def test_each_damaged_record_is_kept(self):
        for text in "{", "[", "}":
            with open(self.record, "w") as f:
                f.write(text)
            self.ok("up", "-f", self.path)
        kept = [n for n in os.listdir(os.path.dirname(self.record)) if "damaged" in n]
        self.assertEqual(sorted(self.read(os.path.dirname(self.record), n) for n in kept),
                         sorted("{[}"))
        self.assertEqual(self.starts(), 2)


if __name__ == "__main__":
    holostest.main()
