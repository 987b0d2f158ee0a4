# SPDX-License-Identifier: Apache-2.0
"""Several commands at once."""

import re

import holostest
from holostest import OK, FakeTest

PAIR = """
    name: demo
    services:
      web: {image: ./base.qcow2, replicas: 3}
      db: {image: ./base.qcow2}
"""


class RaceTest(FakeTest):
    def test_two_ups(self):
        self.compose(PAIR)
        for _ in range(3):
            runs = [self.start("up"), self.start("up")]
            for run in runs:
                result = run.finish()
                self.assertEqual(result.status, OK, f"{result}")
            self.assert_statuses("demo", web_0="running", web_1="running", web_2="running",
                                 db_0="running")
            self.assertEqual(len(self.qemus()), 4, self.processes())
            self.assertEqual(len(self.monitors()), 4, self.processes())
            self.ok("down")

    def test_up_against_down(self):
        self.compose(PAIR)
        for _ in range(3):
            runs = [self.start("up"), self.start("down", "demo")]
            for run in runs:
                result = run.finish()
                self.assertIn(result.status, (OK, 1), f"{result}")
            ups = self.qemus()
            listed = [n for n, s in self.statuses("demo").items() if s == "running"]
            self.assertEqual(len(ups), len(listed), f"{self.processes()} {listed}")
            self.ok("down")
            self.assertTrue(self.wait_until(lambda: not self.processes(), 3), self.processes())

    def test_two_projects_and_their_ports(self):
        runs = []
        for name in "one", "two":
            path = self.compose(f"""
                name: {name}
                services: {{web: {{image: {self.image}, replicas: 3, ports: ["80", "81"]}}}}
                """, name=f"{name}/holos.yaml")
            runs.append(self.start("up", "-f", path))
        for run in runs:
            result = run.finish()
            self.assertEqual(result.status, OK, f"{result}")
        used = re.findall(r"hostfwd=tcp:127\.0\.0\.1:(\d+)-",
                          " ".join(" ".join(e["argv"]) for e in self.qemu_log("start")))
        listed = [str(p["host_port"]) for name in ("one", "two")
                  for i in self.instances(name).values() for p in i["ports"]]
        self.assertEqual(len(set(listed)), 12)
        self.assertLessEqual(set(listed), set(used))

    def test_two_projects_share_no_segment(self):
        for name in "one", "two":
            path = self.compose(f"name: {name}\nservices: {{web: {{image: {self.image}}}}}\n",
                                name=f"{name}/holos.yaml")
            self.ok("up", "-f", path)
        groups = {(p["network"]["multicast_group"], p["network"]["multicast_port"])
                  for p in self.ps()}
        self.assertEqual(len(groups), 2)

if __name__ == "__main__":
    holostest.main()
