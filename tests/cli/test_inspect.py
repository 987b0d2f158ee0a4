# SPDX-License-Identifier: Apache-2.0
"""inspect and ssh-config: what is known of VMs, for programs."""

import shutil
import subprocess

import holostest
from holostest import FAILED, PROGRAM, FakeTest

STACK = """
    name: demo
    services:
      web: {image: ./base.qcow2, replicas: 2, ports: ["80"], labels: {a: b}}
      db: {image: ./base.qcow2, cloud_init: {user: alice}}
"""


class InspectTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.compose(STACK)
        self.ok("up")

    def test_inspect(self):
        every = self.ok("inspect").json()
        self.assertEqual([v["name"] for v in every], ["db-0", "web-0", "web-1"])
        one, = self.ok("inspect", "web-1", "--json").json()
        self.assertEqual(one, every[2])
        listed = self.instances("demo")["web-1"]
        self.assertEqual({k: one[k] for k in listed}, listed)
        self.assertEqual((one["project"], one["service"]), ("demo", "web"))
        self.assertEqual([n["network"] for n in one["nics"]], ["external", "default"])
        self.assertRegex(one["uuid"], "^[0-9a-f-]{36}$")
        self.assertEqual(one["base"], self.image)
        self.assertGreater(one["monitor_pid"], 0)
        self.assertEqual(one["logs"]["console"], one["log_path"])
        self.assertEqual(len(self.ok("inspect", "web").json()), 2)
        self.assertEqual(self.ok("inspect", "-q", "demo").out.split(), ["db-0", "web-0", "web-1"])
        self.fails(FAILED, "inspect", "wbe", match=["wbe", "did you mean"])

    def test_ssh_config(self):
        text = self.ok("ssh-config", "demo", "db").out
        self.assertEqual(text.count("Host "), 1)
        entry, = self.ok("ssh-config", "--json", "db-0").json()
        self.assertEqual((entry["user"], entry["host"]), ("alice", "127.0.0.1"))
        self.assertEqual(entry["port"], self.instances("demo")["db-0"]["ssh_port"])
        self.assertTrue(entry["host_key"].startswith("ssh-ed25519 AAAA"))
        self.assertIn(f"Port {entry['port']}\n", text)
        self.assertEqual(self.ok("ssh-config").out.count("Host "), 3)
        path = f"{self.work}/ssh.conf"
        with open(path, "w") as f:
            f.write(self.ok("ssh-config").out)
        # ssh itself understands it.
        self.assertIsNotNone(shutil.which("ssh"), "ssh is not installed: ./dev setup")
        done = subprocess.run(["ssh", "-F", path, "-G", "db-0.demo"], stdout=subprocess.PIPE,
                              check=True)
        got = dict(line.split(" ", 1) for line in done.stdout.decode().splitlines() if " " in line)
        self.assertEqual(got["port"], str(entry["port"]))
        self.assertEqual(got["user"], "alice")
        self.assertEqual(got["identityfile"], entry["identity_file"])
        self.assertEqual(got["stricthostkeychecking"], "true")
        self.assertEqual(got["knownhostscommand"],
                         f"/bin/echo db-0.demo.holos {entry['host_key']}")


if __name__ == "__main__":
    holostest.main()
