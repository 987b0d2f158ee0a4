# SPDX-License-Identifier: Apache-2.0
"""ps: columns, filters, and that nothing can hold it up."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import unittest

import holostest
from holostest import FAILED, HOST, OK, PROGRAM, USAGE, FakeTest

STACK = """
    name: demo
    services:
      db: {image: ./base.qcow2, healthcheck: {test: ["CMD", "true"]}}
      web: {image: ./base.qcow2, replicas: 3, ports: ["%d:80"]}
"""

# Of the contract, section 2.3.
PROJECT = {"name", "spec_hash", "services", "network", "updated_at"}
NETWORK = {"multicast_group", "multicast_port", "subnet", "hosts"}
SERVICE = {"name", "desired_replicas", "instances"}
INSTANCE = {"name", "index", "pid", "status", "work_dir", "overlay_path", "seed_path", "log_path",
            "serial_path", "qmp_path", "ports", "last_started", "last_exit_time"}
PORT = {"name", "host_port", "guest_port", "protocol"}


class Base(FakeTest):
    def setUp(self):
        super().setUp()
        self.port = holostest.PORTS.get(3)
        self.compose(STACK % self.port)
        self.ok("up")

    def rows(self, *args):
        lines = self.ok("ps", *args).out.splitlines()
        at = [lines[0].index(word) for word in lines[0].split()]
        cut = [[line[a:b].strip() for a, b in zip(at, at[1:] + [None])] for line in lines]
        return [dict(zip(cut[0], row)) for row in cut[1:]]


class TableTest(Base):
    def test_services(self):
        db, web = self.rows()
        self.assertEqual(list(web)[:5], ["PROJECT", "SERVICE", "DESIRED", "RUNNING", "PORTS"])
        self.assertEqual((web["DESIRED"], web["RUNNING"], web["PORTS"], web["ADDRESS"]),
                         ("3", "3", f"{self.port}-{self.port + 2}->80/tcp", "10.10.0.3-5"))
        self.assertEqual((db["HEALTH"], db["ADDRESS"], db["NOTES"]),
                         ("1 healthy", "10.10.0.2", "-"))
        self.assertRegex(db["UPTIME"], r"^\d+(s|m\d+s)$")

    def test_instances_and_why_they_ended(self):
        self.kill_qemu("demo", "web-1")
        self.wait_status("demo", "web-1", "failed")
        self.ok("stop", "web-2")
        rows = {r["INSTANCE"]: r for r in self.rows("-a")}
        self.assertEqual(list(rows["db-0"]), ["PROJECT", "INSTANCE", "STATE", "HEALTH", "UPTIME",
                                              "ADDRESS", "PORTS", "NOTES"])
        self.assertEqual((rows["db-0"]["STATE"], rows["db-0"]["HEALTH"]), ("running", "healthy"))
        self.assertEqual((rows["web-0"]["ADDRESS"], rows["web-0"]["PORTS"]),
                         ("10.10.0.3", f"{self.port}->80/tcp"))
        self.assertEqual((rows["web-1"]["STATE"], rows["web-1"]["UPTIME"]), ("failed", "-"))
        self.assertRegex(rows["web-1"]["NOTES"], r"killed by signal 9 \(Killed\), \d+s ago")
        self.assertRegex(rows["web-2"]["NOTES"], r"^\d+s ago$")
        web = self.rows()[1]
        self.assertEqual(web["RUNNING"], "1")
        self.assertRegex(web["NOTES"], r"web-1 failed: .*signal 9.*; web-2 stopped \d+s ago")

    def test_a_replica_too_many_keeps_its_address(self):
        self.holos("up", "--scale", "web=2")
        rows = {r["INSTANCE"]: r for r in self.rows("-a")}
        self.assertEqual(rows["web-2"]["ADDRESS"], "10.10.0.5")
        self.assertEqual(rows["web-1"]["ADDRESS"], "10.10.0.4")

    def test_exit_status_of_qemu(self):
        self.behave("web-0", die_after_ms=1500, die_status=3)
        self.ok("restart", "web-0")
        self.wait_status("demo", "web-0", "failed")
        self.assertIn("status 3", self.rows("-a")[1]["NOTES"])

    def test_names(self):
        self.assertEqual(self.ok("ps", "-q", "demo").out, "db-0\nweb-0\nweb-1\nweb-2\n")
        self.assertEqual(self.ok("ps", "-q").out.splitlines()[0], "demo db-0")
        self.assertEqual(self.ok("ps", "--services").out, "db\nweb\n")
        self.assertEqual(self.ok("ps", "web", "-q").out, "web-0\nweb-1\nweb-2\n")
        self.assertEqual(self.ok("ps", "demo", "web-1", "-q", cwd="/").out, "web-1\n")
        self.fails(FAILED, "ps", "wbe", match="did you mean \"web\"")

    def test_filters(self):
        self.ok("stop", "web-1")
        self.assertEqual(self.ok("ps", "-q", "demo", "--filter", "status=stopped").out, "web-1\n")
        self.assertEqual(self.ok("ps", "-q", "demo", "--status", "stopped", "--status",
                                 "running").out, "db-0\nweb-0\nweb-1\nweb-2\n")
        self.assertEqual(self.ok("ps", "-q", "demo", "--filter", "health=healthy").out, "db-0\n")
        got = self.ok("ps", "--json", "--status", "stopped").json()
        self.assertEqual([(s["name"], [i["name"] for i in s["instances"]])
                          for s in got[0]["services"]], [("web", ["web-1"])])
        self.assertEqual(self.ok("ps", "--json", "--status", "failed").json(), [])
        self.assertEqual(self.ok("ps", "--services", "--status", "stopped").out, "web\n")
        self.fails(USAGE, "ps", "--status", "up", match=["up", "running"])
        self.fails(USAGE, "ps", "--filter", "name=web", match="status=STATE")

    def columns(self, width, *args):
        """Lines of ps on a terminal of this width."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
        done = subprocess.run([PROGRAM, "ps", *args], env=self.env, cwd=self.work,
                              stdout=slave)
        self.assertEqual(done.returncode, OK)
        os.close(slave)
        text = b""
        try:
            while chunk := os.read(master, 65536):
                text += chunk
        except OSError:
            pass
        os.close(master)
        return text.decode().splitlines()

    def test_terminal_width(self):
        wide = self.columns(200)
        self.assertEqual(max(map(len, self.columns(50))), 50)
        self.assertTrue(self.columns(50)[1].endswith("..."))
        self.assertEqual([line[:47] for line in self.columns(50)], [line[:47] for line in wide])
        self.assertEqual(self.columns(50, "--no-trunc"), wide)


class JsonTest(Base):
    def test_the_contract(self):
        project, = self.ps()
        self.assertLessEqual(PROJECT, set(project))
        self.assertLessEqual(NETWORK, set(project["network"]))
        for service in project["services"]:
            self.assertLessEqual(SERVICE, set(service))
            for instance in service["instances"]:
                self.assertLessEqual(INSTANCE, set(instance))
                self.assertTrue(os.path.exists(instance["overlay_path"]))
                for port in instance["ports"]:
                    self.assertLessEqual(PORT, set(port))

    def test_root_disk_of_the_users(self):
        mine = os.path.join(self.work, "mine.qcow2")
        holostest.shutil.copy(self.image, mine)
        path = self.compose("""
            name: own
            services: {web: {vm: {root_disk: ../mine.qcow2}}}
            """, name="own/holos.yaml")
        self.ok("up", "-f", path)
        self.assertEqual(self.instances("own")["web-0"]["overlay_path"], mine)
        self.ok("down", "own")
        self.assertTrue(os.path.exists(mine))


class UnhinderedTest(Base):
    def test_held_lock(self):
        with open(os.path.join(self.state, "locks", "demo.lock"), "r+") as f:
            fcntl.lockf(f, fcntl.LOCK_EX)
            fcntl.flock(f, fcntl.LOCK_EX)
            self.assertEqual(len(self.rows("-a")), 4)

    def test_stopped_monitor_and_qemu(self):
        vm = self.read_json(self.instance_dir("demo", "web-0"), "vm.json")
        for pid in vm["monitor_pid"], vm["pid"]:
            os.kill(pid, signal.SIGSTOP)
        try:
            result = self.ok("ps", "--json", timeout=5)
            self.assertEqual(self.statuses("demo")["web-0"], "running", f"{result}")
        finally:
            for pid in vm["monitor_pid"], vm["pid"]:
                os.kill(pid, signal.SIGCONT)

    def test_nothing_is_written(self):
        def tree():
            found = {}
            for root, dirs, files in os.walk(self.state):
                for name in dirs + files:
                    st = os.lstat(os.path.join(root, name))
                    found[os.path.join(root, name)] = (st.st_ino, st.st_mtime_ns, st.st_size)
            return found
        before = tree()
        for args in ["ps"], ["ps", "-a"], ["ps", "--json"], ["ps", "-f", "holos.yaml"], \
                ["volume", "ls"], ["port", "web"], ["logs", "web"]:
            self.ok(*args)
        self.assertEqual(tree(), before)

    @unittest.skipIf(os.geteuid() != 0, "only root can become somebody else")
    def test_somebody_elses(self):
        os.chmod(self.dir, 0o755)
        result = self.spawn(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                             PROGRAM, "ps"], cwd="/").finish()
        self.assert_failed(result, HOST, f"{self.state} belongs to user 0, not to you")
        self.assertEqual(len(result.err.splitlines()), 2, f"{result}")  # and a hint


if __name__ == "__main__":
    holostest.main()
