# SPDX-License-Identifier: Apache-2.0
"""What an edited file does to running VMs: W1, W3, W5, W9, W12 of lessons.md."""

import os

import holostest
from holostest import FAILED, HOST, INVALID, OK, PORTS, USAGE, FakeTest

TWO = """
    name: demo
    services:
      web:
        image: ./base.qcow2
        depends_on: [db]
      db:
        image: ./base.qcow2
"""


class NothingToDoTest(FakeTest):
    def state_files(self):
        """What `up` writes, told by its inode: a file written again is another one."""
        found = {}
        for root, _, names in os.walk(self.state):
            for name in names:
                if name.endswith(".json") or name == "seed.iso":
                    path = os.path.join(root, name)
                    st = os.stat(path)
                    found[path] = (st.st_ino, st.st_mtime_ns)
        return found

    def test_second_up_writes_nothing(self):
        self.compose(TWO)
        self.ok("up")
        before = self.state_files()
        self.assertEqual(len([p for p in before if p.endswith("/instance.json")]), 2)
        self.assertIn(os.path.join(self.state, "projects", "demo.json"), before)
        self.ok("up")
        self.assertEqual(self.state_files(), before)

    def test_half_made_instance_is_made_again(self):
        """What a killed `up` left before the VM had its name was never a VM."""
        self.compose(TWO)
        left = os.path.join(self.state, "instances", "demo", ".new-web-0")
        os.makedirs(left, 0o700)
        with open(os.path.join(left, "root.qcow2"), "w") as f:
            f.write("half")
        self.fails(FAILED, "ps", "-f", "holos.yaml", match="not found")
        self.ok("up")
        self.assertFalse(os.path.exists(left))
        self.assertEqual(self.statuses("demo"), {"web-0": "running", "db-0": "running"})


class OthersAreLeftAloneTest(FakeTest):
    def test_start_of_one_service(self):
        """W1: it stopped and deleted every other service."""
        self.compose(TWO)
        self.ok("up")
        before = self.instances("demo")
        for name in "web-0", "db-0":
            self.mark_disk("demo", name)
        self.ok("stop", "web")
        self.assertEqual(self.statuses("demo"), {"web-0": "stopped", "db-0": "running"})
        self.ok("start", "web")
        after = self.instances("demo")
        self.assertEqual(after["db-0"]["pid"], before["db-0"]["pid"])
        self.assertEqual(after["web-0"]["status"], "running")
        for name in "web-0", "db-0":
            self.assertTrue(self.disk_is_marked("demo", name), name)

    def test_start_starts_what_it_depends_on(self):
        self.compose(TWO)
        self.ok("up")
        self.ok("stop")
        self.ok("start", "web")
        self.assertEqual(self.statuses("demo"), {"web-0": "running", "db-0": "running"})

    def test_start_of_a_dependency_starts_no_dependent(self):
        self.compose(TWO)
        self.ok("up")
        self.ok("stop")
        self.ok("start", "db")
        self.assertEqual(self.statuses("demo"), {"web-0": "stopped", "db-0": "running"})

    def test_stop_of_a_dependency_warns(self):
        self.compose(TWO)
        self.ok("up")
        self.assertIn("web", self.ok("stop", "db").err)
        self.assertEqual(self.statuses("demo"), {"web-0": "running", "db-0": "stopped"})

    def test_unknown_service(self):
        self.compose(TWO)
        self.ok("up")
        for verb in "start", "stop":
            result = self.holos(verb, "wbe")
            self.assertNotEqual(result.status, OK)
            self.assertRegex(result.err, r'wbe.*did you mean .*web', f"{result}")
        self.assertEqual(self.statuses("demo"), {"web-0": "running", "db-0": "running"})

    def test_failed_replica_does_not_cost_the_others(self):
        """W5."""
        port = PORTS.get(3)
        self.compose(f"""
            name: demo
            services:
              web: {{image: ./base.qcow2, replicas: 3, ports: ["{port}:80"]}}
            """)
        self.ok("up")
        self.ok("stop")
        for i in range(3):
            self.mark_disk("demo", f"web-{i}")
        with holostest.listening(port + 1):
            self.assertNotEqual(self.holos("start").status, OK)
        self.ok("start")
        self.assert_statuses("demo", web_0="running", web_1="running", web_2="running")
        for i in range(3):
            self.assertTrue(self.disk_is_marked("demo", f"web-{i}"), f"web-{i}")


class EditTest(FakeTest):
    def up_and_mark(self, text):
        self.compose(text)
        self.ok("up")
        self.before = self.instances("demo")
        for name in self.before:
            self.mark_disk("demo", name)

    def assert_marked(self, *names):
        for name in names or self.before:
            self.assertTrue(self.disk_is_marked("demo", name), f"root disk of {name} is gone")

    def assert_untouched(self, name):
        self.assertEqual(self.instances("demo")[name]["pid"], self.before[name]["pid"])

    def test_a_comment(self):
        """W3."""
        self.up_and_mark(TWO)
        self.compose("    # new\n" + TWO + "    x-note: something\n")
        self.ok("up")
        self.assert_marked()
        self.assert_untouched("web-0")
        self.assert_untouched("db-0")
        self.assertEqual(self.starts(), 2)

    def test_one_more_replica(self):
        self.up_and_mark(TWO)
        self.compose(TWO.replace("depends_on: [db]", "depends_on: [db]\n        replicas: 2"))
        self.ok("up")
        self.assertEqual(self.statuses("demo"),
                         {"web-0": "running", "web-1": "running", "db-0": "running"})
        self.assert_marked()
        self.assert_untouched("web-0")
        self.assert_untouched("db-0")

    def test_one_more_service(self):
        self.up_and_mark(TWO)
        addresses = self.project("demo")["network"]["hosts"]
        self.compose(TWO + "      aaa:\n        image: ./base.qcow2\n")
        self.ok("up")
        self.assert_marked()
        self.assert_untouched("web-0")
        self.assert_untouched("db-0")
        self.assertEqual(self.statuses("demo")["aaa-0"], "running")
        now = self.project("demo")["network"]["hosts"]
        self.assertEqual({n: now[n] for n in addresses}, addresses, "an address moved")

    def test_a_port_restarts_with_the_same_disk(self):
        port = PORTS.get()
        self.up_and_mark(TWO)
        self.compose(TWO.replace("depends_on: [db]",
                                 f'depends_on: [db]\n        ports: ["{port}:80"]'))
        self.ok("up")
        self.assertNotEqual(self.instances("demo")["web-0"]["pid"], self.before["web-0"]["pid"])
        self.assert_marked()
        self.assert_untouched("db-0")
        self.assertEqual(self.get(port), "fake web-0")

    def test_more_memory_restarts_with_the_same_disk(self):
        self.up_and_mark(TWO)
        self.compose(TWO.replace("depends_on: [db]", "depends_on: [db]\n        vm: {memory: 2G}"))
        self.ok("up")
        self.assertEqual(self.option("web-0", "m"), ["2048"])
        self.assert_marked()
        self.assert_untouched("db-0")

    RECREATED = TWO.replace("depends_on: [db]",
                            "depends_on: [db]\n        cloud_init: {packages: [nginx]}")

    def test_recreate_is_refused_without_a_word(self):
        self.up_and_mark(TWO)
        self.compose(self.RECREATED + "      extra:\n        image: ./base.qcow2\n")
        result = self.fails(FAILED, "up", match=["web", "--recreate"])
        self.assert_marked()
        self.assert_untouched("web-0")
        self.assert_untouched("db-0")
        self.assertEqual(self.statuses("demo")["extra-0"], "running", f"{result}")
        self.assertEqual(self.ok("up", "--no-recreate").status, OK)
        self.assert_marked()

    def test_recreate(self):
        self.up_and_mark(TWO)
        self.compose(self.RECREATED)
        self.ok("up", "--recreate")
        self.assertFalse(self.disk_is_marked("demo", "web-0"))
        self.assert_marked("db-0")
        self.assert_untouched("db-0")
        self.assertEqual(self.statuses("demo"), {"web-0": "running", "db-0": "running"})

    def test_recreate_of_one_service_among_those_started(self):
        self.up_and_mark(TWO)
        self.compose(TWO.replace("base.qcow2", "base.qcow2\n        cloud_init: {packages: [vim]}"))
        self.fails(USAGE, "up", "db", "--recreate=web", match="web.*would not be started")
        self.fails(FAILED, "up", "--recreate=wab", match="wab.*did you mean.*web")
        self.assert_marked()
        self.assert_untouched("web-0")
        self.fails(FAILED, "up", "--recreate=web", match="db")
        self.assertFalse(self.disk_is_marked("demo", "web-0"))
        self.assert_marked("db-0")
        self.ok("up", "web", "--recreate", "db")  # names come before and after options
        self.assertFalse(self.disk_is_marked("demo", "db-0"))

    def test_nothing_is_destroyed_before_everything_was_checked(self):
        """W3: destroy, then find that qemu-img or a port is missing."""
        self.up_and_mark(TWO)
        self.compose(self.RECREATED)
        self.fails(HOST, "up", "--recreate", env={"HOLOS_QEMU_IMG": "/nope/qemu-img"},
                   match="/nope/qemu-img")
        self.assert_marked()
        self.assert_untouched("web-0")
        port = PORTS.get()
        with holostest.listening(port):
            self.compose(self.RECREATED.replace(
                "depends_on: [db]", f'depends_on: [db]\n        ports: ["{port}:80"]'))
            self.assertNotEqual(self.holos("up", "--recreate").status, OK)
        self.assert_marked()
        self.assert_untouched("web-0")

    def test_a_broken_file_touches_nothing(self):
        self.up_and_mark(TWO)
        self.compose(TWO.replace("image: ./base.qcow2", "imagee: ./base.qcow2", 1))
        for verb in "up", "start":
            self.fails(INVALID, verb)
        self.assert_untouched("web-0")
        self.assert_marked()

    def test_orphans_are_named_and_kept(self):
        self.up_and_mark(TWO)
        self.compose("""
            name: demo
            services:
              db:
                image: ./base.qcow2
            """)
        self.assertRegex(self.ok("up").err, r"(?i)warning: .*\bweb")
        self.assert_untouched("web-0")
        self.assert_marked()


class IdentityTest(FakeTest):
    def test_same_name_other_file(self):
        """W9: `up` of another directory destroyed the VMs of the first."""
        first = self.compose(TWO, name="one/holos.yaml")
        second = self.compose(TWO, name="two/holos.yaml")
        for d in "one", "two":
            os.link(self.image, os.path.join(self.work, d, "base.qcow2"))
        self.ok("up", "-f", first)
        self.mark_disk("demo", "web-0")
        result = self.fails(FAILED, "up", "-f", second, match=[first, second])
        self.assertRegex(result.err, "--adopt")
        self.assertTrue(self.disk_is_marked("demo", "web-0"))
        self.assertEqual(self.starts(), 2)
        self.ok("up", "-f", first)
        self.assertEqual(self.starts(), 2)

    def test_adopt_moves_it(self):
        first = self.compose(TWO, name="one/holos.yaml")
        os.link(self.image, os.path.join(self.work, "one", "base.qcow2"))
        self.ok("up", "-f", first)
        self.mark_disk("demo", "web-0")
        os.rename(os.path.join(self.work, "one"), os.path.join(self.work, "two"))
        second = os.path.join(self.work, "two", "holos.yaml")
        self.fails(FAILED, "up", "-f", second)
        self.ok("up", "-f", second, "--adopt", "--no-recreate")
        self.assertTrue(self.disk_is_marked("demo", "web-0"))
        self.assertEqual(self.starts(), 2)

    def test_run_does_not_take_a_projects_name(self):
        self.compose(TWO)
        self.ok("up")
        self.mark_disk("demo", "web-0")
        result = self.holos("run", "--name", "demo", "./base.qcow2")
        self.assertNotEqual(result.status, OK)
        self.assertIn("demo", result.err)
        self.assertTrue(self.disk_is_marked("demo", "web-0"))


class DiskTest(FakeTest):
    def test_smaller_than_the_image(self):
        """W12: the guest saw a truncated disk."""
        self.compose("""
            name: demo
            services: {web: {image: ./base.qcow2, vm: {disk_size: 32M}}}
            """)
        result = self.holos("up")
        self.assertIn(result.status, (FAILED, INVALID), f"{result}")
        self.assertRegex(result.err, r"(?i)disk.size.*(33554432|32 ?M)")
        self.assertEqual(self.starts(), 0)

    def test_larger(self):
        self.compose("""
            name: demo
            services: {web: {image: ./base.qcow2, vm: {disk_size: 128M}}}
            """)
        self.ok("up")
        info = holostest.subprocess.run(
            [holostest.FAKE_QEMU_IMG, "info", "--output=json", self.root_disk("demo", "web-0")],
            capture_output=True, text=True)
        self.assertEqual(holostest.json.loads(info.stdout)["virtual-size"], 128 << 20)

    def test_an_image_that_changed_under_its_vms(self):
        """W7: overlays on a replaced base are silent corruption."""
        self.compose("name: demo\nservices: {web: {image: ./base.qcow2}}\n")
        self.ok("up")
        self.ok("stop")
        os.rename(self.image, self.image + ".old")
        holostest.shutil.copy(self.image + ".old", self.image)
        result = self.holos("start")
        self.assertNotEqual(result.status, OK, f"{result}")
        self.assertRegex(result.err, r"base\.qcow2.*changed")
        self.assertEqual(self.starts(), 1)


if __name__ == "__main__":
    holostest.main()
