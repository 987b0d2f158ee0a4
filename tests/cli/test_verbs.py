# SPDX-License-Identifier: Apache-2.0
"""restart, kill, wait, port, stop -t, and down of a part of a project."""

import os

import holostest
from holostest import FAILED, INTERRUPTED, OK, START, TIMEOUT, USAGE, VERIFY, FakeTest

CHAIN = """
    name: demo
    services:
      db:
        image: ./base.qcow2
        stop_grace_period: 1s
        healthcheck: {test: ["CMD", "true"]}
      web:
        image: ./base.qcow2
        replicas: 2
        ports: ["80", "%d:443"]
        stop_grace_period: 1s
        depends_on: {db: {condition: service_healthy, restart: true}}
      other: {image: ./base.qcow2, stop_grace_period: 1s}
"""


class ChainTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.compose(CHAIN % holostest.PORTS.get(2))
        self.ok("up")

    def pids(self):
        return {n: i["pid"] for n, i in self.instances("demo").items()}

    def order(self, after):
        """Names in the order of their events since `after`: [(event, vm), ...]"""
        return [(e["event"], e["name"]) for e in self.qemu_log()[after:]
                if e["event"] in ("start", "exit")]


class RestartTest(ChainTest):
    def test_same_disk_same_ports_in_order(self):
        self.mark_disk("demo", "web-0")
        before, args = self.instances("demo"), self.argv("web-0")
        seen = len(self.qemu_log())
        os.unlink(os.path.join(self.work, "holos.yaml"))  # the record is enough
        self.ok("restart", "demo")
        after = self.instances("demo")
        for name, i in after.items():
            self.assertEqual(i["status"], "running")
            self.assertNotEqual(i["pid"], before[name]["pid"])
            self.assertEqual(i["ports"], before[name]["ports"])
            self.assertEqual(i["ssh_port"], before[name]["ssh_port"])
        self.assertEqual(self.argv("web-0"), args)
        self.assertTrue(self.disk_is_marked("demo", "web-0"))
        order = self.order(seen)
        for web in "web-0", "web-1":
            self.assertLess(order.index(("exit", web)), order.index(("exit", "db-0")))
            self.assertLess(order.index(("start", "db-0")), order.index(("start", web)))

    def test_a_changed_file_is_not_taken_up(self):
        path = os.path.join(self.work, "holos.yaml")
        text = self.read(path).replace("stop_grace_period: 1s\n", "vm: {vcpu: 4}\n")
        with open(path, "w") as f:
            f.write(text)
        self.ok("restart", "other")
        self.assertNotIn("4", self.option("other-0", "smp"))

    def test_dependents_that_ask_for_it_follow(self):
        before = self.pids()
        self.ok("restart", "db")
        after = self.pids()
        changed = {n for n in after if after[n] != before[n]}
        self.assertEqual(changed, {"db-0", "web-0", "web-1"})

    def test_no_deps(self):
        before = self.pids()
        result = self.ok("restart", "--no-deps", "db")
        after = self.pids()
        self.assertEqual({n for n in after if after[n] != before[n]}, {"db-0"})
        self.assertNotIn("still running", result.err)

    def test_dependents_that_are_down_stay_so(self):
        self.ok("stop", "web")
        self.ok("restart", "db")
        self.assert_statuses("demo", db_0="running", web_0="stopped", web_1="stopped",
                             other_0="running")

    def test_one_instance_and_one_that_is_stopped(self):
        before = self.pids()
        self.ok("stop", "other")
        self.ok("restart", "web-1", "other")
        after = self.pids()
        self.assertEqual({n for n in after if after[n] != before[n]}, {"web-1", "other-0"})
        self.assertGreater(after["other-0"], 0)

    def test_after_a_crash(self):
        self.kill_qemu("demo", "other-0")
        self.wait_status("demo", "other-0", "failed")
        self.ok("restart", "other")
        self.assertEqual(self.statuses("demo")["other-0"], "running")

    def test_unknown_service(self):
        before = self.pids()
        self.fails(FAILED, "restart", "wbe", match="did you mean \"web\"")
        self.assertEqual(self.pids(), before)

    def test_nothing_is_stopped_when_it_could_not_start_again(self):
        before = self.pids()
        with open(self.image, "ab") as f:  # QEMU would see another base
            f.write(b"x")
        self.fails(VERIFY, "restart", match=["base.qcow2", "changed"])
        self.assertEqual(self.pids(), before)

    def test_one_that_fails(self):
        """It fails those that need it and nothing else."""
        self.behave("db-0", fail_start=1)
        self.fails(START, "restart", match=["db-0"])
        self.assert_statuses("demo", db_0="failed", web_0="stopped", web_1="stopped",
                             other_0="running")

    def test_one_that_does_not_stop_is_no_reason_to_stay_down(self):
        """Its monitor refuses; the others come back."""
        path = self.instance_dir("demo", "db-0")
        os.rename(os.path.join(path, "monitor.sock"), os.path.join(path, "away"))
        result = self.holos("restart", "--no-deps", "db", "other", timeout=60)
        self.assertNotEqual(result.status, OK, f"{result}")
        self.assertEqual(self.statuses("demo")["other-0"], "running", f"{result}")
        os.rename(os.path.join(path, "away"), os.path.join(path, "monitor.sock"))

    def test_interrupted(self):
        self.behave("web-0", ignore_powerdown=1)
        self.ok("restart", "-t", "1", "web-0")
        run = self.start("restart", "web", "-t", "30")
        self.wait_status("demo", "web-0", "stopping")
        run.interrupt()
        result = run.finish()
        self.assertEqual(result.status, INTERRUPTED, f"{result}")
        self.assertRegex(result.err, "hint: .*again")
        self.ok("kill", "web")

    def test_wait(self):
        result = self.ok("restart", "--wait", "--wait-timeout", "10s")
        for name in "db-0: healthy", "web-1: ready", "other-0: ready":
            self.assertIn(name, result.err)

    def test_json(self):
        got = self.ok("restart", "other", "--json").json()
        self.assertEqual(got["name"], "demo")


class SilentTest(FakeTest):
    health_bypass = False

    def test_wait_timeout(self):
        self.compose("name: demo\nservices: {web: {image: ./base.qcow2}}\n")
        self.behave("web-0", ssh="silent")
        self.ok("up")
        result = self.fails(TIMEOUT, "restart", "--wait", "--wait-timeout", "500ms",
                            match=["web-0: not healthy in time", "holos logs"])
        self.assertLess(result.seconds, 10)
        self.assertEqual(self.statuses("demo"), {"web-0": "running"})


class OneShotTest(FakeTest):
    def test_work_that_is_done_is_not_done_again(self):
        self.compose("""
            name: demo
            services:
              job: {image: ./base.qcow2}
              web:
                image: ./base.qcow2
                depends_on: {job: {condition: service_completed_successfully}}
            """)
        self.behave("job-0", guest_poweroff_after_ms=100)
        self.ok("up")
        self.ok("restart")
        self.assertEqual((self.starts("job-0"), self.starts("web-0")), (1, 2))
        self.ok("restart", "job")  # asked for by name
        self.assertEqual(self.starts("job-0"), 2)


class StopTest(ChainTest):
    def test_timeout(self):
        self.behave("other-0", ignore_powerdown=1)
        path = os.path.join(self.work, "holos.yaml")
        with open(path) as f:
            text = f.read().replace("other: {image: ./base.qcow2, stop_grace_period: 1s}",
                                    "other: {image: ./base.qcow2, stop_grace_period: 10m}")
        with open(path, "w") as f:
            f.write(text)
        self.ok("down", "other-0")
        self.ok("up")
        self.ok("stop", "-t", "1", "other")
        self.ok("start", "other")
        self.ok("stop", "--timeout", "500ms", "other")
        self.assertEqual(self.statuses("demo")["other-0"], "stopped")
        self.fails(USAGE, "stop", "-t", "soon", match=["soon", "seconds"])

    def test_running_dependents_are_told(self):
        result = self.ok("stop", "db")
        self.assertRegex(result.err, "warning: web-0 is still running and depends on db")
        self.assertEqual(self.statuses("demo")["web-0"], "running")

    def test_kill(self):
        self.behave("other-0", ignore_powerdown=1)
        self.ok("restart", "other", "-t", "0")
        seen = len(self.qemu_log())
        self.ok("kill", "other")
        events = [e["event"] for e in self.qemu_log()[seen:]]
        self.assertNotIn("powerdown", events)
        vm = self.read_json(self.instance_dir("demo", "other-0"), "vm.json")
        self.assertEqual((vm["state"], vm["exit"]["cause"]), ("stopped", "stopped"))
        self.assertEqual(self.statuses("demo")["web-0"], "running")
        self.ok("kill", "-s", "SIGKILL", "web-0")
        self.fails(USAGE, "kill", "-s", "HUP", "web", match=["HUP", "KILL", "holos stop"])
        self.assertEqual(self.statuses("demo")["web-1"], "running")

    def test_kill_all_by_the_project_name(self):
        self.ok("kill", "demo", cwd="/")
        self.assertEqual(set(self.statuses("demo").values()), {"stopped"})


class DownTest(ChainTest):
    def test_a_service(self):
        self.ok("down", "web")
        self.assert_statuses("demo", db_0="running", other_0="running")
        self.assertFalse(os.path.exists(self.instance_dir("demo", "web-0")))
        self.assertEqual({s["name"] for s in self.project("demo")["services"]},
                         {"db", "web", "other"})
        self.ok("up")
        self.assertEqual(self.starts("web-0"), 2)
        self.assertEqual(self.starts("db-0"), 1)

    def test_a_project_and_a_service(self):
        result = self.ok("down", "demo", "db", cwd="/")
        self.assertIn("still running and depends on db", result.err)
        self.assertNotIn("db-0", self.statuses("demo"))

    def test_volumes_are_of_the_project(self):
        self.fails(USAGE, "down", "-v", "web", match=["--volumes", "web"])
        self.assertEqual(self.statuses("demo")["web-0"], "running")

    def test_what_is_not_there(self):
        for args in ["nope"], ["-p", "nope"], ["nope", "--volumes"]:
            result = self.ok("down", *args)
            self.assertIn("nope", result.err)
            self.assertEqual(result.out, "")
        self.assertFalse(self.ok("down", "nope", "--json").json()["removed"])
        self.assertEqual(len(self.instances("demo")), 4)

    def test_json(self):
        self.assertEqual(self.ok("down", "--json").json(),
                         {"project": "demo", "removed": True, "names": []})

    def test_instance_of_a_damaged_record(self):
        with open(os.path.join(self.state, "projects", "demo.json"), "w"):
            pass
        self.ok("down", "demo", "other-0")
        self.assertNotIn("other-0", self.statuses("demo"))
        self.assertEqual(self.statuses("demo")["db-0"], "running")


class WaitTest(ChainTest):
    def test_until_they_are_down(self):
        run = self.start("wait", "web")
        self.ok("stop", "web-0")
        self.wait_for(lambda: "web-0" in run.output()[0], "web-0 is told")
        self.assertIsNone(run.popen.poll())
        self.kill_qemu("demo", "web-1")
        result = run.finish()
        self.assertEqual(result.status, 137, f"{result}")  # of the last
        self.assertEqual(result.out.splitlines()[0],
                         'instance "web-0" exited with status code 0 (stopped)')
        self.assertRegex(result.out.splitlines()[1], r"web-1.* 137 \(.*killed by signal 9")

    def test_one_that_is_down(self):
        self.ok("stop", "other")
        self.assertEqual(self.ok("wait", "other", "--json").json(), [
            {"instance": "other-0", "service": "other", "status": 0, "cause": "stopped",
             "message": "stopped"}])

    def test_it_takes_no_lock_and_sees_a_removal(self):
        run = self.start("wait", "demo", "other", cwd="/")
        self.wait_for(lambda: os.listdir(f"/proc/{run.pid}/fd"), "it runs")
        self.ok("down", "demo", "--no-wait")
        self.assertEqual(run.finish().status, OK)

    def test_timeout(self):
        self.fails(TIMEOUT, "wait", "other", "--timeout", "200ms", match="other-0 is still running")

    def test_down_project(self):
        run = self.start("wait", "--down-project", "other")
        self.ok("stop", "other")
        self.assertEqual(run.finish(40).status, OK)
        self.assertIsNone(self.project("demo"))

    def test_restart_policy(self):
        """Down for good, not for a moment."""
        path = self.compose(f"""
            name: again
            services: {{web: {{image: {self.image}, restart: "on-failure:1"}}}}
            """, name="again/holos.yaml")
        self.ok("up", "-f", path)
        run = self.start("wait", "again")
        old = self.kill_qemu("again", "web-0")
        self.wait_for(lambda: self.instances("again")["web-0"]["pid"] not in (0, old), "restarted")
        self.assertIsNone(run.popen.poll())
        self.kill_qemu("again", "web-0")
        self.assertEqual(run.finish().status, 137)

    def test_interrupted(self):
        run = self.start("wait", "other")
        self.wait_for(lambda: any("socket" in os.readlink(f"/proc/{run.pid}/fd/{f}")
                                  for f in os.listdir(f"/proc/{run.pid}/fd")), "it waits")
        run.interrupt()
        self.assertEqual(run.finish().status, INTERRUPTED)
        self.assertEqual(self.statuses("demo")["other-0"], "running")


class PortTest(ChainTest):
    def test_port(self):
        ports = {p["guest_port"]: p["host_port"]
                 for p in self.instances("demo")["web-1"]["ports"]}
        self.assertEqual(self.ok("port", "web-1", "80").out, f"127.0.0.1:{ports[80]}\n")
        self.assertEqual(self.ok("port", "--index", "1", "web", "443/tcp").out,
                         f"127.0.0.1:{ports[443]}\n")
        self.assertEqual(self.ok("port", "demo", "web-1", cwd="/").out,
                         f"80/tcp -> 127.0.0.1:{ports[80]}\n443/tcp -> 127.0.0.1:{ports[443]}\n")
        self.assertEqual([p["host_port"] for p in self.ok("port", "web-1", "80", "--json").json()],
                         [ports[80]])

    def test_none(self):
        self.fails(FAILED, "port", "web", "81", match=["web-0", "81/tcp", "443/tcp"])
        self.fails(FAILED, "port", "web", "80", "--protocol", "udp", match="80/udp")
        self.fails(FAILED, "port", "wbe", "80", match="wbe")
        self.fails(USAGE, "port", "web", "http", match="http")
        self.fails(USAGE, "port")


if __name__ == "__main__":
    holostest.main()
