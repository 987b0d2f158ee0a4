# SPDX-License-Identifier: Apache-2.0
"""up, ps, stop, start, down, logs of healthy VMs."""

import os
import re
import stat
import time

import holostest
from holostest import FAILED, OK, PORTS, PROGRAM, USAGE, FakeTest

ONE = """
    name: demo
    services:
      web:
        image: ./base.qcow2
"""


class UpDownTest(FakeTest):
    def test_one_vm(self):
        port = PORTS.get()
        self.compose(ONE + f'        ports: ["{port}:80"]\n')
        up = self.ok("up")
        self.assertRegex(up.out, r"(?m)^project: +demo$")
        self.assertRegex(up.out, r"(?m)^service: +web \(1/1 running\)$")
        self.assertRegex(up.out, rf"(?m)^ +web-0 +running +\d+ .*{port}->80/tcp")
        self.assertEqual(self.get(port), "fake web-0")
        self.assert_statuses("demo", web_0="running")
        self.assertEqual((len(self.qemus()), len(self.monitors())), (1, 1))

        stop = self.ok("stop")
        self.assertRegex(stop.out, r"(?m)^service: +web \(0/1 running\)$")
        self.assert_statuses("demo", web_0="stopped")
        self.assertTrue(self.wait_until(lambda: not self.processes(), 2), self.processes())
        self.mark_disk("demo", "web-0")

        self.ok("start")
        self.assert_statuses("demo", web_0="running")
        self.assertTrue(self.disk_is_marked("demo", "web-0"), "start made a new root disk")
        self.assertEqual(self.get(port), "fake web-0")

        down = self.ok("down")
        self.assertRegex(down.out, r'project "demo" removed')
        self.assertEqual(self.ps(), [])
        self.assertFalse(os.path.exists(self.instance_dir("demo", "web-0")))
        self.assertTrue(self.wait_until(lambda: not self.processes(), 2), self.processes())

    def test_quiet_second_up(self):
        self.compose(ONE)
        self.ok("up")
        pid = self.instances("demo")["web-0"]["pid"]
        again = self.ok("up")
        self.assertEqual(self.instances("demo")["web-0"]["pid"], pid)
        self.assertEqual(self.starts(), 1)
        self.assertRegex(again.out, r"web \(1/1 running\)")

    def test_detached_option_is_accepted(self):
        self.compose(ONE)
        self.ok("up", "-d")
        self.assert_statuses("demo", web_0="running")

    def test_up_lets_go_of_its_output(self):
        """`holos up | cat` must end: no VM and no monitor keeps the pipe."""
        self.compose(ONE)
        run = self.spawn(["/bin/sh", "-c", '"$0" up 2>&1 | cat', PROGRAM])
        self.assertIn("project: demo", re.sub(" +", " ", run.finish(15).out))

    def test_down_of_nothing(self):
        for args in ["down", "nosuch"], ["down", "nosuch", "--volumes"]:
            result = self.ok(*args)
            self.assertIn("nosuch", result.err)
            self.assertEqual(result.out, "")
        self.compose(ONE)
        self.assertIn("demo", self.ok("down").err)

    def test_down_without_the_file_or_the_image(self):
        """W6: from the record alone."""
        path = self.compose(ONE)
        self.ok("up")
        os.unlink(path)
        os.unlink(self.image)
        self.assertRegex(self.ok("ps").out, r"(?m)^demo +web +1 +1")
        self.ok("logs", "demo")
        self.ok("stop", "demo")
        self.assert_statuses("demo", web_0="stopped")
        self.ok("down", "demo")
        self.assertEqual(self.ps(), [])

    def test_project_by_option(self):
        self.compose(ONE)
        self.ok("up")
        elsewhere = os.path.join(self.dir, "elsewhere")
        os.mkdir(elsewhere)
        self.ok("stop", "-p", "demo", cwd=elsewhere)
        self.ok("start", "--project", "demo", cwd=elsewhere)
        self.assert_statuses("demo", web_0="running")
        self.ok("down", "--project=demo", cwd=elsewhere)

    def test_private_files(self):
        self.compose(ONE)
        self.ok("up")
        for path in self.state, self.instance_dir("demo", "web-0"):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o700, path)
        key = os.path.join(self.state, "ssh", "demo", "id_ed25519")
        self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        self.assertTrue(self.read(key + ".pub").startswith("ssh-ed25519 "))
        public = self.read(key + ".pub")
        self.ok("down")
        self.assertEqual(self.read(key + ".pub"), public, "down took the key")

    def test_nothing_of_ours_is_left_in_tmp(self):
        self.compose(ONE)
        tmp = os.path.join(self.dir, "tmp")
        os.mkdir(tmp)
        self.ok("up", env={"TMPDIR": tmp})
        self.ok("down", env={"TMPDIR": tmp})
        self.assertEqual(os.listdir(tmp), [])


class QemuArgumentsTest(FakeTest):
    def test_arguments(self):
        port = PORTS.get()
        self.compose(f"""
            name: demo
            services:
              web:
                image: ./base.qcow2
                vm: {{vcpu: 3, memory: 1G, extra_args: [-rtc, base=utc]}}
                ports: ["{port}:80"]
            """)
        self.ok("up")
        argv = self.argv("web-0")
        for flag in "-nodefaults", "-no-user-config":
            self.assertIn(flag, argv)
        self.assertEqual(self.option("web-0", "smp")[0].split(",")[0], "3")
        self.assertEqual(self.option("web-0", "m"), ["1024"])
        self.assertEqual(self.option("web-0", "display"), ["none"])
        self.assertEqual(argv[-2:], ["-rtc", "base=utc"])
        self.assertIn("on", self.option("web-0", "sandbox")[0].split(","))
        self.assertRegex(" ".join(argv), r"-accel tcg,thread=multi\b")
        self.assertNotIn("-enable-kvm", argv)
        user, segment = self.option("web-0", "netdev")
        self.assertRegex(user, rf"^user,.*hostfwd=tcp:127\.0\.0\.1:{port}-:80,"
                               r"hostfwd=tcp:127\.0\.0\.1:\d+-:22$")
        self.assertRegex(segment, r"^socket,id=\w+,mcast=239\.\d+\.\d+\.\d+:\d+,"
                                  r"localaddr=127\.0\.0\.1$")
        macs = re.findall(r"mac=([0-9a-f:]+)", " ".join(argv))
        self.assertEqual(len(set(macs)), 2)
        for mac in macs:
            self.assertTrue(mac.startswith("52:54:"))
        drives = self.option("web-0", "drive")
        self.assertIn(f"file={self.root_disk('demo', 'web-0')}", drives[0].split(","))

    def test_no_descriptor_leaks_into_qemu(self):
        """Keys, locks and QMP stay with their owners; QEMU gets its life lock alone."""
        self.compose(ONE)
        self.ok("up")
        self.assertLessEqual(len(self.qemu_log("start")[0]["fds"]), 1)

    def test_commas_and_spaces_in_paths(self):
        self.state = os.path.join(self.dir, "a, b")
        self.env["HOLOS_STATE_DIR"] = self.state
        self.compose(ONE)
        self.ok("up")
        self.assert_statuses("demo", web_0="running")
        self.ok("down")


class PsTest(FakeTest):
    def test_empty(self):
        self.assertEqual(self.ok("ps").out, "no running projects\n")
        result = self.ok("ps", "--json")
        self.assertEqual(result.json(), [])

    def test_table(self):
        self.compose(ONE)
        self.ok("up")
        lines = self.ok("ps").out.splitlines()
        self.assertEqual(lines[0].split()[:4], ["PROJECT", "SERVICE", "DESIRED", "RUNNING"])
        self.assertEqual(lines[1].split()[:4], ["demo", "web", "1", "1"])

    def test_json_keeps_the_contract(self):
        port = PORTS.get()
        self.compose(f"""
            name: demo
            services:
              web:
                image: ./base.qcow2
                ports: ["{port}:80"]
                stop_grace_period: 7s
            """)
        self.ok("up")
        project, = self.ps()
        self.assertLessEqual({"name", "spec_hash", "services", "network", "updated_at"},
                             set(project))
        self.assertLessEqual({"multicast_group", "multicast_port", "subnet", "hosts"},
                             set(project["network"]))
        service, = project["services"]
        self.assertLessEqual({"name", "desired_replicas", "instances"}, set(service))
        instance, = service["instances"]
        self.assertLessEqual(
            {"name", "index", "pid", "status", "work_dir", "overlay_path", "seed_path", "log_path",
             "serial_path", "qmp_path", "ports", "ssh_port", "last_started", "last_exit_time",
             "stop_grace_period_sec"}, set(instance))
        self.assertEqual(instance["name"], "web-0")
        self.assertEqual(instance["index"], 0)
        self.assertEqual(instance["status"], "running")
        self.assertEqual(instance["stop_grace_period_sec"], 7)
        self.assertEqual(instance["last_exit_time"], "0001-01-01T00:00:00Z")
        for name in "overlay_path", "seed_path", "log_path", "serial_path", "qmp_path":
            self.assertTrue(os.path.exists(instance[name]), f"{name}: {instance[name]}")
        self.assertEqual(instance["ports"], [dict(instance["ports"][0], name="port-0",
                                                  host_port=port, guest_port=80, protocol="tcp")])
        self.assertEqual(self.qemu_log("start")[0]["pid"], instance["pid"])
        self.assertEqual(service["desired_replicas"], 1)
        # Scripts grep it: "key": value, two spaces deep.
        self.assertRegex(self.ok("ps", "--json").out, r'(?m)^    "name": "demo",$')

        self.ok("stop")
        instance = self.instances("demo")["web-0"]
        self.assertEqual((instance["pid"], instance["status"]), (0, "stopped"))
        self.assertNotEqual(instance["last_exit_time"], "0001-01-01T00:00:00Z")

    def test_by_file(self):
        self.compose(ONE)
        self.ok("up")
        self.compose(ONE.replace("demo", "second"), name="b/holos.yaml")
        os.link(self.image, os.path.join(self.work, "b", "base.qcow2"))
        self.ok("up", "-f", "b/holos.yaml")
        self.assertEqual([p["name"] for p in self.ps()], ["demo", "second"])
        self.assertEqual([p["name"] for p in self.ps("-f", "b/holos.yaml")], ["second"])
        self.assertEqual([p["name"] for p in self.ps("-p", "demo")], ["demo"])


class ProgramsTest(FakeTest):
    def test_relative(self):
        """Found from here, and executed from the VM's directory."""
        os.symlink(holostest.FAKE_QEMU, os.path.join(self.work, "qemu"))
        os.symlink(holostest.FAKE_QEMU_IMG, os.path.join(self.work, "qemu-img"))
        self.compose("name: demo\nservices: {web: {image: ./base.qcow2}}\n")
        self.ok("up", env={"HOLOS_QEMU_SYSTEM": "./qemu", "HOLOS_QEMU_IMG": "./qemu-img"})
        self.assertEqual(self.statuses("demo"), {"web-0": "running"})
        self.ok("restart", "demo", cwd="/")
        self.ok("down", "demo", cwd="/")
        self.ok("up", env={"PATH": ".:" + self.env["PATH"], "HOLOS_QEMU_SYSTEM": "qemu",
                           "HOLOS_QEMU_IMG": "qemu-img"})


class LogsTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.compose("""
            name: demo
            services:
              web: {image: ./base.qcow2, replicas: 2}
              db: {image: ./base.qcow2}
            """)

    def test_last_lines(self):
        self.behave("web-0", console_lines=100)
        self.ok("up")
        out = self.ok("logs", "web-0", "-n", "3").out
        self.assertIn("==> web-0 <==", out)
        self.assertIn("line 100", out)
        self.assertNotIn("line 90", out)
        self.assertIn("line 60", self.ok("logs", "web-0").out)
        self.assertNotIn("line 30", self.ok("logs", "web-0").out)

    def test_which(self):
        self.ok("up")
        self.assertEqual(re.findall("==> (.*) <==", self.ok("logs", "web").out),
                         ["web-0", "web-1"])
        self.assertEqual(re.findall("==> (.*) <==", self.ok("logs", "demo").out),
                         ["db-0", "web-0", "web-1"])
        self.assertEqual(re.findall("==> (.*) <==", self.ok("logs", "demo", "db").out), ["db-0"])
        self.assertEqual(re.findall("==> (.*) <==", self.ok("logs", "demo", "web-1").out),
                         ["web-1"])

    def test_unknown(self):
        self.ok("up")
        result = self.holos("logs", "wbe-0")
        self.assertIn(result.status, (FAILED, USAGE), f"{result}")
        self.assertRegex(result.err, "wbe-0.*did you mean .*web-0")
        self.assertEqual(result.out, "")

    def test_hostile_console(self):
        """A guest writes what it likes; a huge log costs no memory."""
        self.ok("up")
        log = os.path.join(self.instance_dir("demo", "web-0"), "console.log")
        with open(log, "ab") as f:
            f.truncate(3 << 30)
            f.seek(0, 2)
            f.write(b"\n\0\xff\xfe no newline at the end")
        result = self.ok("logs", "web-0", "-n", "1")
        self.assertLess(result.seconds, 5)
        self.assertIn("no newline at the end", result.out)


class OrderTest(FakeTest):
    def test_dependencies_start_first_and_stop_last(self):
        self.compose("""
            name: demo
            services:
              web: {image: ./base.qcow2, depends_on: [app]}
              app: {image: ./base.qcow2, depends_on: [db]}
              db: {image: ./base.qcow2}
            """)
        self.behave(qmp_delay_ms=100)
        self.ok("up")
        log = {(e["name"], e["event"]): e["time"] for e in self.qemu_log()}
        self.assertGreater(log["app-0", "start"], log["db-0", "running"] + 0.09)
        self.assertGreater(log["web-0", "start"], log["app-0", "running"] + 0.09)
        self.ok("down")
        log = {(e["name"], e["event"]): e["time"] for e in self.qemu_log()}
        self.assertGreater(log["app-0", "powerdown"], log["web-0", "exit"])
        self.assertGreater(log["db-0", "powerdown"], log["app-0", "exit"])

    def test_independent_services_start_and_stop_in_parallel(self):
        services = "".join(f"\n      s{i}: {{image: ./base.qcow2}}" for i in range(4))
        self.compose(f"name: demo\nservices:{services}\n")
        self.behave(qmp_delay_ms=1500, powerdown_delay_ms=1500)
        result = self.ok("up")
        self.assertLess(result.seconds, 4.5, "one after the other would be 6 s")
        begin = time.monotonic()
        self.ok("down")
        self.assertLess(time.monotonic() - begin, 4.5)

    def test_replicas(self):
        port = PORTS.get(3)
        self.compose(f"""
            name: demo
            services:
              web: {{image: ./base.qcow2, replicas: 3, ports: ["{port}:80", "81"]}}
            """)
        self.ok("up")
        self.assert_statuses("demo", web_0="running", web_1="running", web_2="running")
        for i in range(3):
            self.assertEqual(self.get(port + i), f"fake web-{i}")
        used = [p["host_port"] for i in self.instances("demo").values() for p in i["ports"]]
        used += [i["ssh_port"] for i in self.instances("demo").values()]
        self.assertEqual(len(set(used)), 9)
        hosts = self.project("demo")["network"]["hosts"]
        self.assertEqual(hosts["web"], hosts["web-0"])
        self.assertEqual(len({hosts[f"web-{i}"] for i in range(3)}), 3)

    def test_root_disks_are_made_by_one_qemu_img_call(self):
        self.compose("name: demo\nservices: {web: {image: ./base.qcow2, replicas: 4}}\n")
        self.ok("up")
        creates = [c for c in self.qemu_img_log() if c[1] == "create"]
        self.assertEqual(len(creates), 1, creates)
        first = self.read(self.root_disk("demo", "web-0"))
        for i in range(1, 4):
            self.assertEqual(self.read(self.root_disk("demo", f"web-{i}")), first)


class EndTest(FakeTest):
    def test_status_is_zero_with_a_terminal_or_without(self):
        self.compose(ONE)
        result = self.ok("up", "--progress", "plain")
        self.assertRegex(result.err, "web-0")
        self.assertEqual(self.ok("down", "--progress", "quiet").err, "")
        self.assertEqual(result.status, OK)


if __name__ == "__main__":
    holostest.main()
