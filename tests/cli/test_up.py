# SPDX-License-Identifier: Apache-2.0
"""What `up` decides, tells (--dry-run), asks and applies to what runs."""

import contextlib
import os
import pty
import re
import select
import stat
import time

import holostest
from holostest import FAILED, INVALID, OK, PORTS, START, USAGE, FakeTest

BASE = """
name: demo
services:
  db:
    image: ./base.qcow2
  web:
    image: ./base.qcow2
    depends_on: [db]
"""


class UpTest(FakeTest):
    def plan(self, *args, status=OK, **kw):
        """{instance: its object of `up --dry-run --json`}."""
        result = self.holos("up", "--dry-run", "--json", *args, **kw)
        self.assertEqual(result.status, status, f"{result}")
        return {i["name"]: i for i in result.json()["instances"]}

    def actions(self, *args, **kw):
        return {n: i["action"] for n, i in self.plan(*args, **kw).items()}

    def pids(self):
        return {n: i["pid"] for n, i in self.instances("demo").items()}

    def launch(self, instance):
        return self.read_json(self.instance_dir("demo", instance), "launch.json")

    def record(self, instance):
        return self.read_json(self.instance_dir("demo", instance), "instance.json")


class DryRunTest(UpTest):
    def test_nothing_is_made(self):
        self.compose(BASE)
        self.assertEqual(self.actions(), {"db-0": "create", "web-0": "create"})
        self.assertFalse(os.path.exists(self.state))
        out = self.ok("up", "--dry-run").out
        self.assertRegex(out, r"(?m)^INSTANCE +ACTION +REASON$")
        self.assertRegex(out, r"(?m)^db-0 +create +it is not there yet$")

    def tree(self):
        found = {}
        for root, dirs, files in os.walk(self.state):
            for name in dirs + files:
                path = os.path.join(root, name)
                st = os.lstat(path)
                data = b""
                if stat.S_ISREG(st.st_mode) and not name.endswith((".log", ".qcow2")):
                    with open(path, "rb") as f:
                        data = f.read()
                found[path] = st.st_mode, data
        return found

    def test_nothing_is_changed(self):
        self.compose(BASE)
        self.ok("up")
        self.compose(BASE.replace("depends_on: [db]", "vm: {vcpu: 2}"))
        before, pids = self.tree(), self.pids()
        self.assertEqual(self.actions(), {"db-0": "keep", "web-0": "restart"})
        self.assertEqual(self.tree(), before)
        self.assertEqual(self.pids(), pids)

    def test_a_held_lock_does_not_matter(self):
        self.compose(BASE)
        self.ok("up")
        path = os.path.join(self.state, "locks", "demo.lock")
        with open(path, "r+b") as f:
            holostest.fcntl.fcntl(f, 37, holostest.ctypes.string_at(
                holostest.ctypes.addressof(FLOCK), holostest.ctypes.sizeof(FLOCK)))
            self.assertEqual(self.actions("--no-wait"), {"db-0": "keep", "web-0": "keep"})

    def test_reasons_and_places(self):
        self.compose(BASE)
        self.ok("up")
        port = PORTS.get()
        self.compose(f"""
            name: demo
            services:
              db:
                image: ./base.qcow2
                labels: {{team: a}}
                restart: always
              web:
                image: ./base.qcow2
                depends_on: [db]
                vm:
                  memory: 1G
                ports:
                  - "{port}:80"
                environment: {{DB_PASSWORD: topsecret, MODE: prod}}
                cloud_init:
                  write_files:
                    - path: /etc/app.conf
                      content: topsecret as well
              new: {{image: ./base.qcow2}}
            """)
        result = self.holos("up", "--dry-run")
        self.assertEqual(result.status, FAILED, f"{result}")
        for line in (r'db-0 +live +labels\.team: \(default\) -> "a" at \S*holos\.yaml:5:20',
                     r' +restart: \(default\) -> "always" at \S*holos\.yaml:6:14',
                     r"web-0 +restart \(waits for a recreate\) +cloud_init\.write_files\[0\]: .*"
                     r"at \S*holos\.yaml:17:11",
                     r" +vm\.memory_mb: \(default\) -> 1024 at \S*holos\.yaml:11:15",
                     r" +ports\[0\]: \(none\) -> .* at \S*holos\.yaml:13:9",
                     r" +environment\.DB_PASSWORD: \(default\) -> \(hidden\) at \S*yaml:14:32",
                     r"new-0 +create"):
            self.assertRegex(result.out, "(?m)^" + line, f"{result}")
        self.assertNotIn("topsecret", result.out + result.err)
        self.assertRegex(result.err, r"only a new root disk.*web.*\n.*--recreate")
        plan = self.plan("--no-recreate")
        self.assertEqual(plan["db-0"]["reasons"][0],
                         {"path": "labels.team", "was": "(default)", "is": '"a"',
                          "change": "live", "file": "holos.yaml", "line": 5, "column": 20})
        self.assertTrue(plan["web-0"]["waits_for_recreate"])
        self.assertTrue(plan["web-0"]["stops"])
        self.assertFalse(plan["web-0"]["destroys_root_disk"])
        plan = self.plan("--recreate")
        self.assertEqual(plan["web-0"]["action"], "recreate")
        self.assertTrue(plan["web-0"]["destroys_root_disk"])

    def test_places_in_an_override(self):
        self.compose(BASE)
        self.compose("services: {web: {vm: {vcpu: 2}}}\n", name="holos.override.yaml")
        self.ok("up", "-f", "holos.yaml")
        reason, = self.plan()["web-0"]["reasons"]
        self.assertEqual((os.path.basename(reason["file"]), reason["line"], reason["column"]),
                         ("holos.override.yaml", 1, 29))

    def test_it_refuses_as_up_would(self):
        port = PORTS.get()
        self.compose(BASE + f'    ports: ["{port}:80"]\n')
        with holostest.listening(port):
            self.plan(status=START)
        self.compose(BASE.replace("base", "gone"))
        self.plan(status=INVALID)
        self.compose(BASE.replace("image:", "imagee:", 1))
        self.fails(INVALID, "up", "--dry-run")
        self.compose(BASE)
        self.ok("up")
        other = self.compose(BASE, name="other/holos.yaml")
        os.link(self.image, os.path.join(self.work, "other", "base.qcow2"))
        self.fails(FAILED, "up", "--dry-run", "-f", other, match="--adopt")

    def test_an_image_that_would_be_made(self):
        self.compose("name: demo\nservices: {web: {image: micro}}\n")
        self.assertRegex(self.ok("up", "--dry-run").out, "image micro is not here.*web")
        self.assertEqual(self.ok("up", "--dry-run", "--json").json()["images"],
                         [{"service": "web", "image": "micro", "present": False}])
        self.assertFalse(os.path.exists(self.state))

    def test_states(self):
        self.compose(BASE)
        self.ok("up")
        self.ok("stop", "web")
        self.assertEqual(self.actions(), {"db-0": "keep", "web-0": "start"})
        self.assertEqual(self.actions("db"), {"db-0": "keep"})
        self.assertEqual(self.actions("--no-deps", "web"), {"web-0": "start"})
        self.compose("name: demo\nservices: {db: {image: ./base.qcow2}}\n")
        self.assertEqual(self.actions(), {"db-0": "keep", "web-0": "keep"})
        self.assertTrue(self.plan()["web-0"]["orphan"])
        self.assertEqual(self.actions("--remove-orphans"), {"db-0": "keep", "web-0": "remove"})


class Flock(holostest.ctypes.Structure):
    _fields_ = [("l_type", holostest.ctypes.c_short), ("l_whence", holostest.ctypes.c_short),
                ("l_start", holostest.ctypes.c_long), ("l_len", holostest.ctypes.c_long),
                ("l_pid", holostest.ctypes.c_int)]


FLOCK = Flock(holostest.fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)  # F_OFD_SETLK is 37


class LiveTest(UpTest):
    CHANGED = BASE.replace("  web:\n    image: ./base.qcow2\n", """\
  web:
    image: ./base.qcow2
    labels: {team: shop}
    restart: on-failure:3
    stop_grace_period: 7s
    healthcheck: {test: "true", retries: 9}
""")

    def test_what_runs_takes_it_up(self):
        self.compose(BASE)
        self.ok("up")
        before = self.pids()
        self.compose(self.CHANGED)
        self.assertEqual(self.actions(), {"db-0": "keep", "web-0": "live"})
        result = self.ok("up")
        self.assertIn("web-0: updated as it runs", result.err)
        self.assertEqual(self.pids(), before)
        self.assertEqual(self.starts(), 2)
        web = self.instances("demo")["web-0"]
        self.assertEqual(web["stop_grace_period_sec"], 7)
        self.assertEqual(web["labels"], {"team": "shop"})
        self.wait_for(lambda: self.instances("demo")["web-0"]["health"] == "healthy", "healthy")
        launch = self.launch("web-0")
        self.assertEqual(launch["health"]["retries"], 9)
        self.assertEqual(self.actions(), {"db-0": "keep", "web-0": "keep"})
        self.kill_qemu("demo", "web-0")  # and the monitor knows of the new policy
        self.wait_for(lambda: self.starts("web-0") == 2, "restarted by its policy")

    def test_back_again(self):
        self.compose(self.CHANGED)
        self.ok("up")
        before = self.pids()
        self.compose(BASE)
        self.ok("up")
        self.assertEqual(self.pids(), before)
        web = self.instances("demo")["web-0"]
        self.assertEqual((web["health"], web["labels"]), ("none", {}))
        self.kill_qemu("demo", "web-0")
        self.wait_status("demo", "web-0", "failed")
        self.assertEqual(self.starts("web-0"), 1)

    def test_dependents_wait_for_the_new_healthcheck(self):
        self.compose(BASE)
        self.ok("up", "db")
        self.compose(BASE.replace("image: ./base.qcow2\n",
                                  'image: ./base.qcow2\n    healthcheck: {test: "true"}\n', 1))
        err = self.ok("up").err
        self.assertLess(err.index("db-0: healthy"), err.index("web-0: starting"))
        self.assertEqual(self.starts("db-0"), 1)

    def test_what_its_monitor_need_not_know(self):
        """Labels: nothing is said to the monitor, and nothing known is forgotten."""
        self.compose(BASE)
        self.ok("up")
        path = os.path.join(self.instance_dir("demo", "web-0"), "launch.json")
        before = os.stat(path).st_mtime_ns
        self.compose(BASE + "    labels: {a: b}\n")
        self.assertIn("web-0: updated as it runs", self.ok("up").err)
        self.assertEqual(os.stat(path).st_mtime_ns, before)
        self.assertEqual(self.instances("demo")["web-0"]["labels"], {"a": "b"})
        self.assertEqual(self.actions(), {"db-0": "keep", "web-0": "keep"})

    def test_another_policy_leaves_health_alone(self):
        text = BASE + '    healthcheck: {test: "true", interval: 1h}\n'
        self.compose(text)
        self.ok("up", "--wait")
        vm = self.read_json(self.instance_dir("demo", "web-0"), "vm.json")
        self.compose(text + "    restart: always\n")
        self.ok("up")
        now = self.read_json(self.instance_dir("demo", "web-0"), "vm.json")
        self.assertEqual({k: now[k] for k in now if k.startswith("health")},
                         {k: vm[k] for k in vm if k.startswith("health")})
        self.assertEqual(self.launch("web-0")["restart"]["policy"], "always")

    def test_an_older_monitor(self):
        """It has no "reload": nothing is lost, the next start takes it up."""
        self.compose(BASE)
        self.ok("up")
        path = os.path.join(self.instance_dir("demo", "web-0"), "launch.json")
        launch = self.read_json(path)
        self.compose(self.CHANGED)
        with open(path, "w") as f:  # "for another VM now": refused as well
            f.write(holostest.json.dumps(dict(launch, uuid="0" * 8 + launch["uuid"][8:])))
        self.holos("up")
        self.assertEqual(self.starts("web-0"), 1)
        self.assertEqual(self.actions()["web-0"], "live")


class PendingRecreateTest(UpTest):
    def setUp(self):
        super().setUp()
        self.compose(BASE)
        self.ok("up")
        self.mark_disk("demo", "web-0")
        self.before = self.pids()

    PACKAGES = BASE + "    cloud_init: {packages: [nginx]}\n"

    def test_the_rest_is_done(self):
        """Also what the same service can take up without a new root disk."""
        self.compose(self.PACKAGES + "    vm: {vcpu: 2}\n    labels: {a: b}\n")
        self.fails(FAILED, "up", match=r"new root disk.*web \(cloud_init\.packages")
        self.assertEqual(self.option("web-0", "smp")[0].split(",")[0], "2")
        self.assertTrue(self.disk_is_marked("demo", "web-0"))
        self.assertEqual(self.starts("web-0"), 2)
        result = self.ok("up", "--no-recreate")
        self.assertRegex(result.err, r"warning: .*new root disk.*web")
        self.assertEqual(self.starts("web-0"), 2)  # nothing is left but the recreate
        self.compose(self.PACKAGES + "    vm: {vcpu: 2}\n    labels: {a: c}\n")
        self.fails(FAILED, "up")
        self.assertEqual(self.instances("demo")["web-0"]["labels"], {"a": "c"})
        self.assertEqual(self.starts("web-0"), 2)

    def test_firmware_is_that_of_the_root_disk(self):
        self.compose(BASE + "    vm: {vcpu: 2, uefi: true}\n")
        result = self.fails(FAILED, "up", match="vm.uefi")
        self.assertNotIn("pflash", " ".join(self.argv("web-0")), f"{result}")
        self.assertEqual(self.option("web-0", "smp")[0].split(",")[0], "2")

    def test_another_image(self):
        """A stopped VM starts on what it was made from."""
        self.ok("stop", "web")
        self.compose(BASE.replace("  web:\n    image: ./base", "  web:\n    image: ./other") +
                     "  extra: {image: ./base.qcow2}\n  needs: {image: ./base.qcow2, "
                     "depends_on: [web]}\n")
        os.link(self.image, os.path.join(self.work, "other.qcow2"))
        self.fails(FAILED, "up", match="new root disk.*web.*image")
        self.assertEqual(self.statuses("demo")["web-0"], "running")
        self.assertEqual(self.statuses("demo")["needs-0"], "running")
        self.assertTrue(self.disk_is_marked("demo", "web-0"))

    def test_image_file_written_again(self):
        """A stopped VM cannot start on it; a running one and the others go on."""
        copy = os.path.join(self.work, "copy.qcow2")
        text = BASE + "  own: {image: ./copy.qcow2, replicas: 2}\n"
        holostest.shutil.copy(self.image, copy)
        self.compose(text)
        self.ok("up")
        self.ok("stop", "own-1")
        os.unlink(copy)
        holostest.shutil.copy(self.image, copy)
        self.compose(text + "  extra: {image: ./base.qcow2}\n")
        self.fails(FAILED, "up", match=r"own-1: .*new root disk.*copy\.qcow2")
        statuses = self.statuses("demo")
        self.assertEqual((statuses["own-0"], statuses["own-1"], statuses["extra-0"]),
                         ("running", "stopped", "running"))
        self.ok("up", "--recreate", "own")
        self.assertEqual(self.statuses("demo")["own-1"], "running")

    def test_stuck(self):
        """Another root disk altogether: it fails its dependents and nobody else."""
        self.compose(BASE.replace("depends_on: [db]", "depends_on: [db]\n    vm: {root_disk: ./own."
                                                      "raw}").replace(
            "  web:\n    image: ./base.qcow2", "  web:") +
            "  other: {image: ./base.qcow2}\n  needs: {image: ./base.qcow2, depends_on: [web]}\n")
        with open(os.path.join(self.work, "own.raw"), "wb") as f:
            f.truncate(1 << 20)
        self.ok("stop", "web")
        result = self.fails(FAILED, "up", match=["web-0: .*new root disk: .*vm.root_disk|"
                                                 "web-0.*image", "not started because of web-0: "
                                                                 "needs"])
        statuses = self.statuses("demo")
        self.assertEqual((statuses["web-0"], statuses["other-0"]), ("stopped", "running"),
                         f"{result}")
        self.assertNotIn("needs-0", statuses)
        self.assertTrue(self.disk_is_marked("demo", "web-0"))


class AskTest(UpTest):
    """On a terminal."""

    def on_terminal(self, answer, *args):
        """Run `holos ARGS` with stdin and stderr on a terminal; returns (status, text)."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        out = open(os.path.join(self.dir, "out"), "w+")
        self.addCleanup(out.close)
        popen = holostest.subprocess.Popen(
            [holostest.PROGRAM, *args], cwd=self.work, env=self.env, stdin=slave,
            stdout=out, stderr=slave, start_new_session=True)
        run = holostest.Running(self, args, popen, out, out)
        self._running[popen.pid] = run
        os.close(slave)
        text, asked, end = "", False, time.monotonic() + 40
        while time.monotonic() < end:
            ready, _, _ = select.select([master], [], [], 0.2)
            if ready:
                try:
                    data = os.read(master, 4096)
                except OSError:  # EIO: the last one closed its end
                    break
                if not data:
                    break
                text += data.decode("utf-8", "replace")
            if not asked and "[y/N]" in text:
                asked = True
                self.during()
                if answer is None:
                    run.interrupt()
                else:
                    os.write(master, answer.encode())
        return popen.wait(20), text.replace("\r", "")

    def during(self):
        """While the question stands, nothing is locked and nothing was stopped."""
        self.asked_pids = self.pids()
        self.ok("stop", "--no-wait", "db")

    def setUp(self):
        super().setUp()
        self.compose(BASE)
        self.ok("up")
        self.mark_disk("demo", "web-0")
        self.before = self.pids()
        self.compose(BASE + "    cloud_init: {packages: [nginx]}\n")

    def test_yes(self):
        status, text = self.on_terminal("y\n", "up")
        self.assertEqual(status, OK, text)
        self.assertRegex(text, r"web-0 gets a new root disk: cloud_init\.packages: .*nginx")
        self.assertEqual(self.asked_pids, self.before)
        self.assertFalse(self.disk_is_marked("demo", "web-0"))
        self.assert_statuses("demo", db_0="running", web_0="running")

    def test_no(self):
        for answer in "n\n", "\n", "\4":
            with self.subTest(answer=answer):
                status, text = self.on_terminal(answer, "up")
                self.assertEqual(status, FAILED, text)
                self.assertTrue(self.disk_is_marked("demo", "web-0"))
                self.assertEqual(self.pids()["web-0"], self.before["web-0"])
                self.assertEqual(self.statuses("demo")["db-0"], "running")

    def test_interrupt(self):
        status, text = self.on_terminal(None, "up")
        self.assertEqual(status, holostest.INTERRUPTED, text)
        self.assertTrue(self.disk_is_marked("demo", "web-0"))

    def test_one_question_for_all(self):
        self.compose(BASE + "    replicas: 2\n    cloud_init: {packages: [nginx]}\n")
        self.ok("up", "--no-recreate")
        self.compose(BASE + "    cloud_init: {packages: [nginx, vim]}\n")
        status, text = self.on_terminal("yes\n", "up")
        self.assertEqual(status, OK, text)
        self.assertRegex(text, "web-0 gets a new root disk")
        self.assertRegex(text, "web-1 is removed")
        self.assertEqual(text.count("[y/N]"), 1)
        self.assert_statuses("demo", db_0="running", web_0="running")

    def test_not_asked_when_it_is_said(self):
        for option in "--recreate", "--yes":
            self.compose(BASE + f"    cloud_init: {{packages: [nginx], runcmd: [{option}]}}\n")
            self.mark_disk("demo", "web-0")
            status, text = self.on_terminal("n\n", "up", option)
            self.assertEqual(status, OK, text)
            self.assertNotIn("[y/N]", text)
            self.assertFalse(self.disk_is_marked("demo", "web-0"))
        self.compose(BASE + "    cloud_init: {packages: [other]}\n")
        status, text = self.on_terminal("n\n", "up", "--no-recreate")
        self.assertNotIn("[y/N]", text)

    def test_not_asked_when_it_cannot_be_done(self):
        port = PORTS.get()
        self.compose(BASE + f'    cloud_init: {{packages: [x]}}\n    ports: ["{port}:80"]\n')
        with holostest.listening(port):
            status, text = self.on_terminal("y\n", "up")
        self.assertEqual(status, START, text)
        self.assertNotIn("[y/N]", text)

    def test_yes_without_a_terminal(self):
        self.ok("up", "-y")
        self.assertFalse(self.disk_is_marked("demo", "web-0"))
        self.fails(USAGE, "up", "--yes", "--no-recreate", match="contradict")


class ScaleTest(UpTest):
    def up3(self):
        self.compose(BASE)
        self.ok("up", "--scale", "web=3")
        self.assert_statuses("demo", db_0="running", web_0="running", web_1="running",
                             web_2="running")
        for i in range(3):
            self.mark_disk("demo", f"web-{i}")

    def test_up_and_down(self):
        self.up3()
        before = self.pids()
        self.fails(FAILED, "up", "--scale=web=2", match=["web-2", "--yes"])
        reason, = self.plan("--scale=web=2", status=FAILED)["web-2"]["reasons"]
        self.assertEqual((reason["was"], reason["is"]), ("3", "2"))  # not what was wanted last
        self.assertEqual(self.pids(), before)
        self.ok("up", "--scale=web=2", "--no-recreate")
        self.assertEqual(self.pids(), before)
        result = self.ok("up", "--scale=web=2", "-y")
        self.assertEqual(self.pids(), {n: before[n] for n in ("db-0", "web-0", "web-1")},
                         f"{result}")
        for i in range(2):
            self.assertTrue(self.disk_is_marked("demo", f"web-{i}"))
        self.assertFalse(os.path.exists(self.instance_dir("demo", "web-2")))
        # A later one follows the file.
        self.assertEqual({n: i["action"] for n, i in self.plan("-y").items()},
                         {"db-0": "keep", "web-0": "keep", "web-1": "remove"})
        self.ok("up", "--yes")
        self.assert_statuses("demo", db_0="running", web_0="running")
        self.assertTrue(self.disk_is_marked("demo", "web-0"))

    def test_to_none(self):
        self.up3()
        self.ok("up", "--scale", "web=0", "-y")
        self.assert_statuses("demo", db_0="running")
        self.ok("up", "--scale", "db=0", "-y")  # what depends on nobody waits for nobody
        self.assert_statuses("demo", web_0="running")

    def test_volumes_of_a_replica_are_kept(self):
        self.compose("""
            name: demo
            services: {web: {image: ./base.qcow2, volumes: ["data:/data"]}}
            volumes: {data: {per_replica: true}}
            """)
        self.ok("up", "--scale", "web=2")
        volumes = os.path.join(self.state, "volumes", "demo")
        disks = sorted(n for n in os.listdir(volumes) if n.endswith(".qcow2"))
        self.assertEqual(len(disks), 2)
        self.ok("up", "-y")
        self.assert_statuses("demo", web_0="running")
        self.assertEqual(sorted(n for n in os.listdir(volumes) if n.endswith(".qcow2")), disks)

    def test_it_is_checked(self):
        port = PORTS.get(2)
        self.compose(BASE + f'    ports: ["{port}:80"]\n  x: {{image: ./base.qcow2, '
                            f'ports: ["{port + 1}:80"]}}\n')
        self.fails(INVALID, "up", "--scale", "web=2", match=str(port + 1))
        for bad in "web=257", "web=-1", "web=x", "web", "=2", "web=":
            self.fails(USAGE, "up", "--scale", bad, match=r"0 to 256")
        self.fails(FAILED, "up", "--scale", "wbe=2", match=r'wbe.*did you mean "web"')
        self.compose(BASE)
        self.fails(USAGE, "up", "--scale", "web=2", "db", match="--scale web")
        self.assertEqual(self.ps(), [])

    def test_replicas_of_the_file(self):
        self.compose(BASE + "    replicas: 2\n")
        self.ok("up")
        self.compose(BASE)
        result = self.fails(FAILED, "up", match="web-1")
        self.assertIn("web-1", self.statuses("demo"), f"{result}")
        self.ok("up", "db")  # of services that are not named nothing is removed or missed
        self.ok("up", "--yes")
        self.assertNotIn("web-1", self.statuses("demo"))


class OrphanTest(UpTest):
    def test_removed_when_asked_to(self):
        self.compose(BASE)
        self.ok("up")
        self.mark_disk("demo", "db-0")
        self.compose("name: demo\nservices: {db: {image: ./base.qcow2}}\n")
        self.assertRegex(self.ok("up", "--yes").err, r"warning: web-0: .*--remove-orphans")
        self.assertEqual(self.statuses("demo")["web-0"], "running")
        result = self.ok("up", "--remove-orphans")
        self.assertIn("web-0: removed", result.err)
        self.assert_statuses("demo", db_0="running")
        self.assertEqual(self.starts("db-0"), 1)
        self.assertTrue(self.disk_is_marked("demo", "db-0"))
        self.assertEqual([s["name"] for s in self.project("demo")["services"]], ["db"])

    def test_a_profile_that_is_off_makes_no_orphans(self):
        self.compose(BASE + "    profiles: [more]\n")
        self.ok("up", "--profile", "more")
        result = self.ok("up", "--remove-orphans")
        self.assertNotIn("web-0", result.err)
        self.assert_statuses("demo", db_0="running", web_0="running")

    def test_their_ports_are_free_for_others(self):
        port = PORTS.get()
        self.compose(f'name: demo\nservices: {{old: {{image: ./base.qcow2, '
                     f'ports: ["{port}:80"]}}}}\n')
        self.ok("up")
        self.compose(f'name: demo\nservices: {{new: {{image: ./base.qcow2, '
                     f'ports: ["{port}:80"]}}}}\n')
        self.fails(START, "up", match=f"{port}.*old-0")
        self.assertEqual(self.statuses("demo"), {"old-0": "running"})
        self.ok("up", "--remove-orphans")
        self.assertEqual(self.statuses("demo"), {"new-0": "running"})
        self.assertEqual(self.get(port), "fake new-0")


class AdoptTest(UpTest):
    def test_what_run_made(self):
        self.ok("run", "--name", "demo", "./base.qcow2")
        self.mark_disk("demo", "vm-0")
        before = self.pids()
        self.compose("name: demo\nservices: {vm: {image: ./base.qcow2}}\n")
        self.fails(FAILED, "up", match="--adopt")
        self.ok("up", "--adopt")
        self.assertEqual(self.pids(), before)
        self.assertFalse(os.path.exists(os.path.join(self.state, "runs", "demo")))
        self.ok("up")
        self.ok("down")
        self.assertEqual(self.ps(), [])

    def test_by_run(self):
        self.compose("name: demo\nservices: {vm: {image: ./base.qcow2}}\n")
        self.ok("up")
        before = self.pids()
        self.fails(FAILED, "run", "--name", "demo", "./base.qcow2", match="--adopt")
        self.assertFalse(os.path.exists(os.path.join(self.state, "runs", "demo")))
        self.ok("run", "--name", "demo", "--adopt", "./base.qcow2")
        self.assertEqual(self.pids(), before)
        self.fails(FAILED, "up", match="--adopt")
        self.ok("down", "demo")
        self.assertFalse(os.path.exists(os.path.join(self.state, "runs", "demo")))

    def test_run_again_says_yes(self):
        self.ok("run", "--name", "box", "./base.qcow2")
        self.mark_disk("box", "vm-0")
        self.fails(FAILED, "run", "--name", "box", "--pkg", "vim", "./base.qcow2", match="root disk")
        self.assertTrue(self.disk_is_marked("box", "vm-0"))
        self.ok("run", "--name", "box", "--yes", "--pkg", "vim", "./base.qcow2")
        self.assertFalse(self.disk_is_marked("box", "vm-0"))

    def from_stdin(self, *args, cwd=None):
        with open(os.path.join(self.work, "text.yaml"), "w") as f:
            f.write("services: {web: {image: " + self.image + "}}\n")
        with open(os.path.join(self.work, "text.yaml")) as f:
            return self.spawn([holostest.PROGRAM, "up", "-f", "-", "-p", "demo", *args],
                              stdin=f, cwd=cwd).finish()

    def test_standard_input(self):
        """The directory counts."""
        other = os.path.join(self.work, "other")
        os.mkdir(other)
        self.assertEqual(self.from_stdin().status, OK)
        self.assertEqual(self.from_stdin().status, OK)
        before = self.pids()
        refused = self.from_stdin(cwd=other)
        self.assertEqual(refused.status, FAILED)
        self.assertRegex(refused.err, re.escape(self.work) + r".*" + re.escape(other))
        self.assertEqual(self.from_stdin("--adopt", cwd=other).status, OK)
        self.assertEqual(self.from_stdin().status, FAILED)
        path = self.compose("name: demo\nservices: {web: {image: " + self.image + "}}\n")
        self.fails(FAILED, "up", "-f", path, match="--adopt")
        self.ok("up", "-f", path, "--adopt")
        self.assertEqual(self.pids(), before)


if __name__ == "__main__":
    holostest.main()
