# SPDX-License-Identifier: Apache-2.0
"""The graph of `up`: conditions, failures, restarts that follow, ports that change
hands, parallelism and what took the time."""

import json
import re

import holostest
from holostest import FAILED, OK, PORTS, START, TIMEOUT, FakeTest


def services(**members):
    """A compose file of services that all have the same image."""
    lines = ["name: demo", "services:"]
    for name, text in members.items():
        lines.append(f"  {name}: {{image: ./base.qcow2{', ' if text else ''}{text}}}")
    return "\n".join(lines) + "\n"


class GraphTest(FakeTest):
    def write(self, **members):
        self.compose(services(**members))

    def pids(self):
        return {n: i["pid"] for n, i in self.instances("demo").items()}

    def order(self, result, *lines):
        """These lines of stderr come one after the other."""
        at = -1
        for line in lines:
            found = re.compile(rf"(?m)^{line}").search(result.err, at + 1)
            self.assertTrue(found, f"no {line!r} after that\n{result}")
            at = found.start()


class DependencyTest(GraphTest):
    def test_conditions(self):
        self.behave("job-0", guest_poweroff_after_ms=600)
        self.write(a='healthcheck: {test: "true"}', job="",
                   b="depends_on: {a: {condition: service_healthy}}",
                   c="depends_on: {job: {condition: service_completed_successfully}}",
                   d="depends_on: {a: {condition: service_started}}")
        result = self.ok("up")
        self.order(result, "a-0: healthy", "b-0: starting")
        self.order(result, "a-0: running", "d-0: starting")
        self.order(result, "job-0: completed", "c-0: starting")

    def test_no_deps(self):
        self.write(db="", web="depends_on: [db]")
        self.ok("up", "--no-deps", "web")
        self.assertEqual(self.statuses("demo"), {"web-0": "running"})
        self.ok("up", "web")
        self.assertEqual(self.statuses("demo"), {"db-0": "running", "web-0": "running"})

    def test_named_services_and_what_they_need(self):
        self.write(db="", web="depends_on: [db]", other="")
        self.ok("up", "web")
        self.assertEqual(self.statuses("demo"), {"db-0": "running", "web-0": "running"})

    def test_failures_stay_in_their_branch(self):
        self.behave("db-0", fail_start=1)
        self.write(db="", app="depends_on: [db]", web="depends_on: [app]", other="",
                   top="depends_on: [other]")
        result = self.fails(START, "up", match=[
            "(?m)^app-0: not started: it needs db, which failed$",
            "(?m)^web-0: not started: it needs app, which was not started$",
            "not started because of db-0: app, web$|not started because of db-0: app, web\n"])
        self.assertRegex(result.err, "(?m)^holos: db-0: ")
        statuses = self.statuses("demo")
        self.assertEqual((statuses["other-0"], statuses["top-0"]), ("running", "running"))
        self.assertNotIn("app-0", statuses)

    def test_required_false(self):
        """Its failure is a warning for who depends on it."""
        self.behave("db-0", fail_start=1)
        self.write(db="", web="depends_on: {db: {condition: service_started, required: false}}")
        result = self.ok("up", "web")
        self.assertRegex(result.err, "warning: web-0 goes on without db-0, which failed")
        self.assertEqual(self.statuses("demo")["web-0"], "running")
        self.fails(START, "up", match="holos: db-0")  # asked for by itself, it is a failure

    def test_required_false_in_any_condition(self):
        self.behave("job-0", die_after_ms=100, die_status=1)
        self.write(job="", web="depends_on: {job: {condition: service_completed_successfully, "
                               "required: false}}")
        self.ok("up", "web")
        self.assertEqual(self.statuses("demo")["web-0"], "running")

    def test_one_shot_runs_once(self):
        self.behave("job-0", guest_poweroff_after_ms=600)
        self.write(job="", web="depends_on: {job: {condition: service_completed_successfully}}")
        self.ok("up")
        self.ok("up")
        self.ok("up", "job")
        self.assertEqual(self.starts("job-0"), 1)
        self.ok("up", "--recreate", "job")
        self.assertEqual(self.starts("job-0"), 2)
        self.assertEqual(self.starts("web-0"), 1)
        self.wait_status("demo", "job-0", "stopped")
        self.ok("start", "job")
        self.assertEqual(self.starts("job-0"), 3)


class RestartFollowsTest(GraphTest):
    RESTART = "depends_on: {%s: {condition: service_started, restart: true}}"

    def up(self):
        self.write(db="", app=self.RESTART % "db", web=self.RESTART % "app",
                   plain="depends_on: [db]")
        self.ok("up")
        self.before = self.pids()
        self.write(db="vm: {vcpu: 2}", app=self.RESTART % "db", web=self.RESTART % "app",
                   plain="depends_on: [db]")

    def assert_restarted(self, *names):
        now = self.pids()
        self.assertEqual({n for n in now if now[n] != self.before[n]}, set(names))

    def test_dependents_follow(self):
        self.up()
        plan = self.ok("up", "--dry-run", "--json").json()["instances"]
        reasons = {i["name"]: i["reasons"] for i in plan if i["action"] == "restart"}
        self.assertEqual({n: r[0]["path"] for n, r in reasons.items()},
                         {"db-0": "vm.vcpu", "app-0": "depends_on.db.restart",
                          "web-0": "depends_on.app.restart"})
        self.assertEqual(reasons["app-0"][0]["line"], 4)
        result = self.ok("up")
        self.assert_restarted("db-0", "app-0", "web-0")
        self.order(result, "db-0: running", "app-0: stopping", "app-0: running", "web-0: stopping")
        self.before = self.pids()
        self.ok("up")
        self.assert_restarted()

    def test_not_named(self):
        self.up()
        result = self.ok("up", "db")
        self.assert_restarted("db-0")
        self.assertRegex(result.err, "warning: app depends on db with restart: true.*not named")

    def test_recreate_counts_and_a_start_does_not(self):
        self.up()
        self.write(db="cloud_init: {packages: [x]}", app=self.RESTART % "db",
                   web=self.RESTART % "app", plain="depends_on: [db]")
        self.ok("up", "--recreate")
        self.assert_restarted("db-0", "app-0", "web-0")
        self.ok("stop", "db")
        self.before = self.pids()
        self.ok("up")
        self.assert_restarted("db-0")


class PortsChangeHandsTest(GraphTest):
    def swap(self, first="", second=""):
        a, b = PORTS.get(), PORTS.get()
        self.write(web=f'ports: ["{a}:80"]{first}', app=f'ports: ["{b}:80"]{second}', other="")
        self.ok("up")
        for name in "web-0", "app-0":
            self.mark_disk("demo", name)
        before = self.pids()
        self.write(web=f'ports: ["{b}:80"]{first}', app=f'ports: ["{a}:80"]{second}', other="")
        result = self.ok("up")
        self.assertEqual(self.get(a), "fake app-0", f"{result}")
        self.assertEqual(self.get(b), "fake web-0", f"{result}")
        for name in "web-0", "app-0":
            self.assertTrue(self.disk_is_marked("demo", name))
            self.assertEqual(self.starts(name), 2)
        self.assertEqual(self.pids()["other-0"], before["other-0"])

    def test_two_swap(self):
        self.swap()

    def test_two_swap_that_depend_on_each_other(self):
        self.swap(second=", depends_on: [web]")

    def test_handed_on_in_a_ring_of_replicas(self):
        p = PORTS.get(6)
        self.write(a=f'replicas: 2, ports: ["{p}:80"]', b=f'replicas: 2, ports: ["{p + 2}:80"]',
                   c=f'replicas: 2, ports: ["{p + 4}:80"], depends_on: [a]')
        self.ok("up")
        self.write(a=f'replicas: 2, ports: ["{p + 2}:80"]',
                   b=f'replicas: 2, ports: ["{p + 4}:80"]',
                   c=f'replicas: 2, ports: ["{p}:80"], depends_on: [a]')
        self.ok("up", "--parallel", "1")
        for i, name in enumerate(("c-0", "c-1", "a-0", "a-1", "b-0", "b-1")):
            self.assertEqual(self.get(p + i), f"fake {name}")

    def test_nothing_is_stopped_when_it_cannot_be_done(self):
        a, b, taken = PORTS.get(), PORTS.get(), PORTS.get()
        self.write(web=f'ports: ["{a}:80"]', app=f'ports: ["{b}:80"]')
        self.ok("up")
        before = self.pids()
        self.write(web=f'ports: ["{b}:80"]', app=f'ports: ["{a}:80", "{taken}:81"]')
        with holostest.listening(taken):
            self.fails(START, "up", match=str(taken))
        self.assertEqual(self.pids(), before)

    def test_who_keeps_it_is_named(self):
        a = PORTS.get()
        self.write(web=f'ports: ["{a}:80"]', app="")
        self.ok("up")
        before = self.pids()
        self.write(web="", app=f'ports: ["{a}:80"]')
        self.fails(START, "up", "app", match=rf"{a}.*web-0 of this project")
        self.assertEqual(self.pids(), before)
        self.ok("up")
        self.assertEqual(self.get(a), "fake app-0")

    def test_an_ephemeral_port_is_not_kept_for_another(self):
        """The new owner's fixed port was, by chance, somebody's SSH port."""
        port = PORTS.get()
        self.write(web="", app="")
        self.ok("up", "web", env={"HOLOS_TEST_EPHEMERAL_PORTS": port})
        self.assertEqual(self.instances("demo")["web-0"]["ssh_port"], port)
        self.write(web="vm: {vcpu: 2}", app=f'ports: ["{port}:80"]')
        self.ok("up")
        self.assertEqual(self.get(port), "fake app-0")
        self.assertNotEqual(self.instances("demo")["web-0"]["ssh_port"], port)


class ParallelTest(GraphTest):
    def most_at_once(self, result):
        now = most = 0
        for line in result.err.splitlines():
            now += bool(re.match(r"\S+: starting$", line))
            now -= bool(re.match(r"\S+: running", line))
            most = max(most, now)
        return most

    def test_it_is_honoured(self):
        self.behave(start_delay_ms=150)
        self.write(**{f"s{i}": "" for i in range(6)})
        self.assertEqual(self.most_at_once(self.ok("up", "--parallel", "1")), 1)
        self.ok("stop")
        self.assertEqual(self.most_at_once(self.ok("up", "--parallel", "3")), 3)
        self.ok("stop")
        self.assertEqual(self.most_at_once(self.ok("up", "--parallel", "64")), 6)
        for bad in "0", "-1", "4097", "x":
            self.fails(holostest.USAGE, "up", "--parallel", bad, match="--parallel")


class PathTest(GraphTest):
    LINE = r"(?m)^db \d+(\.\d)?m?s -> app \d+(\.\d)?m?s; \d+(\.\d)?m?s in all, " \
           r"\d+(\.\d)?m?s one by one$"

    def test_told_when_somebody_waited(self):
        self.behave("db-0", start_delay_ms=200)
        self.write(db="", quick="", app="depends_on: [db, quick]")
        result = self.ok("up")
        self.assertRegex(result.err, self.LINE)
        self.assertNotRegex(self.ok("up").err, "one by one")
        self.ok("stop", "app")
        self.assertNotRegex(self.ok("up").err, "one by one")  # one level was started
        self.assertNotRegex(self.ok("up", "--progress", "quiet").err, "one by one")

    def test_a_dependency_that_is_ready_late(self):
        """What counts is when it was as far as the other one asked for."""
        self.behave("db-0", qmp_delay_ms=100)
        self.behave("app-0", start_delay_ms=300)
        self.write(db='healthcheck: {test: "true"}',
                   app="depends_on: {db: {condition: service_started}}")
        self.assertRegex(self.ok("up", "--wait").err, self.LINE)

    def test_as_an_event(self):
        self.write(db="", app="depends_on: [db]")
        result = self.ok("up", "--progress", "json")
        events = [json.loads(line) for line in result.err.splitlines()]
        path, = [e for e in events if e.get("status") == "critical-path"]
        self.assertRegex(path["text"], self.LINE)


class WaitTest(GraphTest):
    health_bypass = False

    def test_timeout_names_who_and_who_was_not_started(self):
        self.behave(ssh="close")
        self.write(db='healthcheck: {test: "true", interval: 1s}', app="depends_on: [db]", other="")
        result = self.fails(TIMEOUT, "up", "--wait-timeout", "2s", match=["db-0", "app-0"])
        self.assertRegex(result.err, r"db-0: failed.*not healthy in time", f"{result}")
        self.assertRegex(result.err, r"app-0: failed.*not started in time", f"{result}")
        self.assertEqual(self.statuses("demo")["db-0"], "running")


if __name__ == "__main__":
    holostest.main()
