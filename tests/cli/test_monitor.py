# SPDX-License-Identifier: Apache-2.0
"""The monitor dies, QEMU dies, both die; adoption; strangers' processes (W10, W17)."""

import json
import os
import signal
import subprocess

import holostest
from holostest import FakeTest

ONE = """
    name: demo
    services:
      web:
        image: ./base.qcow2
        stop_grace_period: 1s
"""


class MonitorDeathTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.compose(ONE)
        self.ok("up")
        self.pid = self.instances("demo")["web-0"]["pid"]

    def kill_monitor(self):
        # A monitor that makes a child is two processes for a moment.
        self.wait_for(lambda: len(self.monitors()) == 1, "one monitor")
        monitor, = self.monitors()
        os.kill(monitor, signal.SIGKILL)
        self.wait_for(lambda: not holostest.alive(monitor), "the monitor is dead")

    def test_the_vm_goes_on(self):
        self.kill_monitor()
        self.assertTrue(holostest.alive(self.pid))
        instance = self.instances("demo")["web-0"]
        self.assertEqual((instance["status"], instance["pid"]), ("running", self.pid))
        self.ok("logs", "web-0")

    def test_stop_adopts(self):
        self.kill_monitor()
        self.ok("stop")
        self.assert_statuses("demo", web_0="stopped")
        self.assertFalse(holostest.alive(self.pid))
        self.assertEqual([e["event"] for e in self.qemu_log(vm="web-0")][-2:],
                         ["powerdown", "exit"], "it was not powered down gracefully")
        self.assertTrue(self.wait_until(lambda: not self.processes(), 2), self.processes())

    def test_up_adopts(self):
        self.kill_monitor()
        self.ok("up")
        self.assertEqual(self.instances("demo")["web-0"]["pid"], self.pid)
        self.assertEqual(self.starts(), 1)
        self.assertEqual(len(self.monitors()), 1)
        # The new monitor sees the end of a QEMU that is not its child.
        os.kill(self.pid, signal.SIGKILL)
        self.wait_status("demo", "web-0", "failed", 5)

    def test_down_adopts(self):
        self.kill_monitor()
        self.ok("down")
        self.assertFalse(holostest.alive(self.pid))
        self.assertEqual(self.ps(), [])

    def test_both_die(self):
        # A monitor that makes a child is two processes for a moment.
        self.wait_for(lambda: len(self.monitors()) == 1, "one monitor")
        monitor, = self.monitors()
        os.kill(monitor, signal.SIGKILL)
        os.kill(self.pid, signal.SIGKILL)
        self.wait_for(lambda: not self.processes(), "both are dead")
        self.assert_statuses("demo", web_0="failed")
        self.mark_disk("demo", "web-0")
        self.ok("up")
        self.assert_statuses("demo", web_0="running")
        self.assertTrue(self.disk_is_marked("demo", "web-0"))

    def test_zombies_are_not_alive(self):
        """As in a container whose PID 1 does not reap."""
        # A monitor that makes a child is two processes for a moment.
        self.wait_for(lambda: len(self.monitors()) == 1, "one monitor")
        monitor, = self.monitors()
        with self.zombies_stay():
            os.kill(monitor, signal.SIGKILL)
            os.kill(self.pid, signal.SIGKILL)
            self.wait_for(lambda: not holostest.alive(self.pid), "QEMU is a zombie")
            self.assertTrue(holostest.process_field(self.pid, "State").startswith("Z"))
            self.assert_statuses("demo", web_0="failed")
            self.ok("up")
            self.assert_statuses("demo", web_0="running")
            self.assertEqual(self.starts(), 2)
            self.ok("down")

    def test_qemu_dies(self):
        os.kill(self.pid, signal.SIGKILL)
        self.wait_status("demo", "web-0", "failed", 5)
        vm = self.read_json(self.instance_dir("demo", "web-0"), "vm.json")
        self.assertEqual((vm["exit"]["cause"], vm["exit"]["signal"]), ("signal", 9))
        self.assertTrue(self.wait_until(lambda: not self.processes(), 2),
                        "the monitor of a failed VM stays")

    def test_host_shutdown(self):
        """SIGTERM to everything at once: a clean end, not a failure, disks stay."""
        self.mark_disk("demo", "web-0")
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                pass  # the others' end was faster
        self.wait_for(lambda: not self.processes(), "everything ended")
        self.assertIn(self.statuses("demo")["web-0"], ("stopped", "failed"))
        self.ok("up")
        self.assertTrue(self.disk_is_marked("demo", "web-0"))

    def test_host_shutdown_with_a_policy(self):
        """Nothing is started again while everything is told to end."""
        self.ok("down")
        self.compose(ONE.replace("stop_grace", "restart: always\n        stop_grace"))
        self.ok("up")
        self.wait_for(lambda: len(self.monitors()) == 1, "one monitor")
        # QEMU first: its end is seen before the monitor is told of its own.
        for pid in [*self.qemus(), *self.monitors()]:
            os.kill(pid, signal.SIGTERM)
        self.wait_for(lambda: not self.processes(), "everything ended")
        self.assert_statuses("demo", web_0="stopped")
        self.ok("up")

    def test_frozen_monitor_holds_nobody_up(self):
        # A monitor that makes a child is two processes for a moment.
        self.wait_for(lambda: len(self.monitors()) == 1, "one monitor")
        monitor, = self.monitors()
        os.kill(monitor, signal.SIGSTOP)
        try:
            self.assertLess(self.ok("ps", timeout=5).seconds, 2)
            self.ok("logs", "web-0", timeout=5)
        finally:
            os.kill(monitor, signal.SIGCONT)

    def meet_an_ending_monitor(self, *args):
        """The command asks a monitor that learns at the same moment that its VM is gone."""
        # A monitor that makes a child is two processes for a moment.
        self.wait_for(lambda: len(self.monitors()) == 1, "one monitor")
        monitor, = self.monitors()
        os.kill(monitor, signal.SIGSTOP)
        try:
            os.kill(self.pid, signal.SIGKILL)
            self.wait_for(lambda: not holostest.alive(self.pid), "QEMU is dead")
            run = self.start(*args)
            self.wait_until(lambda: run.popen.poll() is not None, 0.5)
        finally:
            os.kill(monitor, signal.SIGCONT)
        result = run.finish(10)
        self.assertEqual(result.status, holostest.OK, f"{result}")

    def test_down_meets_an_ending_monitor(self):
        self.meet_an_ending_monitor("down")
        self.assertEqual(self.ps(), [])

    def test_stop_meets_an_ending_monitor(self):
        self.meet_an_ending_monitor("stop")
        self.assertIn(self.statuses("demo")["web-0"], ("stopped", "failed"))

    def test_up_meets_an_ending_monitor(self):
        self.mark_disk("demo", "web-0")
        self.meet_an_ending_monitor("up")
        self.assert_statuses("demo", web_0="running")
        self.assertTrue(self.disk_is_marked("demo", "web-0"))


class LoggingTest(FakeTest):
    def test_rotation(self):
        """logging.options of the file, as Docker has them: console.log counts."""
        self.compose("""
            name: demo
            services:
              web:
                image: ./base.qcow2
                logging: {driver: json-file, options: {max-size: 8k, max-file: "2"}}
            """)
        self.behave("web-0", console_lines=400)
        self.ok("up")
        for _ in range(3):
            self.ok("stop")
            self.ok("start")
        where = self.instance_dir("demo", "web-0")
        kept = [n for n in sorted(os.listdir(where)) if n.startswith("console.log")]
        self.assertEqual(kept, ["console.log", "console.log.1"])
        self.assertGreater(os.stat(os.path.join(where, kept[1])).st_size, 8192)

    def test_wrong_ones(self):
        for text, rule in (("driver: syslog", "local"), ("options: {max-size: big}", "size"),
                           ("options: {max-size: 1k}", "4"), ("options: {max-file: 0}", "1"),
                           ("options: {max-files: 3}", "max-file")):
            self.compose(f"""
                name: demo
                services: {{web: {{image: ./base.qcow2, logging: {{{text}}}}}}}
                """)
            self.fails(holostest.INVALID, "validate", match=[r"holos.yaml:2:\d+", rule])


class IdentityTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.compose(ONE)
        self.ok("up")
        self.vm_path = os.path.join(self.instance_dir("demo", "web-0"), "vm.json")

    def stranger(self):
        """A process of somebody else: not marked, not ours to end."""
        child = subprocess.Popen(["sleep", "60"], env={"PATH": "/usr/bin:/bin"})
        self._running[child.pid] = holostest.Running(self, ["sleep"], child, None, None)
        return child

    def test_recycled_pid(self):
        """W10: a process that took the pid was shown as running, and killed."""
        for pid in list(self.processes()):
            os.kill(pid, signal.SIGKILL)
        self.wait_for(lambda: not self.processes(), "all dead")
        stranger = self.stranger()
        vm = self.read_json(self.vm_path)
        vm.update(state="running", pid=stranger.pid, monitor_pid=stranger.pid)
        with open(self.vm_path, "w") as f:
            json.dump(vm, f)
        self.assertNotEqual(self.statuses("demo")["web-0"], "running")
        self.ok("stop")
        self.ok("down")
        self.assertIsNone(stranger.poll(), "a stranger's process was killed")

    def test_another_vm_on_the_socket(self):
        """Adoption checks the UUID: a QEMU that is not ours is not signalled."""
        # A monitor that makes a child is two processes for a moment.
        self.wait_for(lambda: len(self.monitors()) == 1, "one monitor")
        monitor, = self.monitors()
        os.kill(monitor, signal.SIGKILL)
        pid = self.instances("demo")["web-0"]["pid"]
        os.kill(pid, signal.SIGKILL)
        self.wait_for(lambda: not self.processes(), "all dead")
        qmp = os.path.join(self.instance_dir("demo", "web-0"), "qmp.sock")
        other = self.spawn([holostest.FAKE_QEMU, "-name", "other", "-uuid",
                            "99999999-9999-9999-9999-999999999999",
                            "-chardev", f"socket,id=qmp,path={qmp},server=on,wait=off",
                            "-mon", "chardev=qmp,mode=control"])
        self.wait_for(lambda: self.qemu_log("running", "other"), "the other QEMU runs")
        self.ok("stop")
        self.assertIsNone(other.popen.poll(), "somebody else's VM was stopped")
        self.assertEqual(self.qemu_log("powerdown", "other"), [])
        other.signal(signal.SIGTERM)
        other.finish(5)


if __name__ == "__main__":
    holostest.main()
