# SPDX-License-Identifier: Apache-2.0
"""The fakes and the harness themselves: a test that leans on them must not lie."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

import holostest
from holostest import FAKE_QEMU, FAKE_QEMU_IMG, PORTS, FakeTest


class Qmp:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(path)
        self.file = self.sock.makefile("rwb")

    def receive(self):
        line = self.file.readline()
        return json.loads(line) if line else None

    def send(self, command, **arguments):
        message = {"execute": command}
        if arguments:
            message["arguments"] = {k.replace("_", "-"): v for k, v in arguments.items()}
        self.file.write(json.dumps(message).encode())
        self.file.flush()

    def call(self, command, **arguments):
        self.send(command, **arguments)
        while True:
            answer = self.receive()
            if answer is None or "event" not in answer:
                return answer

    def negotiate(self):
        greeting = self.receive()
        assert "QMP" in greeting, greeting
        assert self.call("qmp_capabilities") == {"return": {}}
        return self

    def event(self, name):
        while True:
            message = self.receive()
            if message is None or message.get("event") == name:
                return message

    def close(self):
        self.file.close()
        self.sock.close()


class FakeOnly(FakeTest):
    has_programs = False

    def qemu(self, *extra, name="web-0", env=None):
        self.qmp_path = os.path.join(self.dir, "qmp.sock")
        self.serial_path = os.path.join(self.dir, "serial.sock")
        self.console = os.path.join(self.dir, "console.log")
        return self.spawn(
            [FAKE_QEMU, "-name", name, "-nodefaults", "-machine", "q35,accel=tcg",
             "-chardev", f"socket,id=qmp,path={self.qmp_path},server=on,wait=off",
             "-mon", "chardev=qmp,mode=control",
             "-chardev", f"socket,id=console0,path={self.serial_path},server=on,wait=off,"
             f"logfile={self.console},logappend=on",
             "-serial", "chardev:console0", *extra], env=env)

    def connect(self):
        self.wait_for(lambda: self.qemu_log("running"), "the fake runs", 5)
        qmp = Qmp(self.qmp_path)
        self.addCleanup(qmp.close)
        return qmp


class FakeQemuTest(FakeOnly):
    def test_version(self):
        result = self.spawn([FAKE_QEMU, "--version"]).finish()
        self.assertRegex(result.out, r"^QEMU emulator version 7\.2\.22")

    def test_powerdown(self):
        run = self.qemu("-uuid", "11111111-2222-3333-4444-555555555555")
        qmp = self.connect().negotiate()
        self.assertEqual(qmp.call("query-status")["return"]["status"], "running")
        self.assertEqual(qmp.call("query-uuid")["return"]["UUID"],
                         "11111111-2222-3333-4444-555555555555")
        self.assertEqual(qmp.call("query-name")["return"]["name"], "web-0")
        self.assertEqual(qmp.call("no-such")["error"]["class"], "CommandNotFound")
        qmp.send("system_powerdown")
        self.assertIsNotNone(qmp.event("POWERDOWN"))
        self.assertEqual(qmp.event("SHUTDOWN")["data"],
                         {"guest": True, "reason": "guest-shutdown"})
        self.assertEqual(run.finish(5).status, 0)
        self.assertFalse(os.path.exists(self.qmp_path))
        self.assertEqual([e["event"] for e in self.qemu_log()],
                         ["start", "running", "powerdown", "exit"])

    def test_quit_reset_stop_cont(self):
        run = self.qemu()
        qmp = self.connect().negotiate()
        qmp.send("system_reset")
        self.assertEqual(qmp.event("RESET")["data"]["guest"], False)
        qmp.send("stop")
        self.assertIsNotNone(qmp.event("STOP"))
        qmp.receive()
        self.assertEqual(qmp.call("query-status")["return"]["status"], "paused")
        qmp.call("cont")
        self.assertTrue(qmp.call("query-status")["return"]["running"])
        qmp.send("quit")
        self.assertEqual(qmp.event("SHUTDOWN")["data"]["reason"], "host-qmp-quit")
        self.assertEqual(qmp.receive(), {"return": {}})
        self.assertEqual(run.finish(5).status, 0)

    def test_negotiation_comes_first_and_garbage_is_answered(self):
        self.qemu()
        qmp = self.connect()
        qmp.receive()
        self.assertEqual(qmp.call("query-status")["error"]["class"], "CommandNotFound")
        qmp.file.write(b"nonsense}")
        qmp.file.flush()
        self.assertEqual(qmp.receive()["error"]["class"], "GenericError")
        self.assertEqual(qmp.call("qmp_capabilities"), {"return": {}})

    def test_a_second_client_waits_for_the_first(self):
        self.qemu()
        first = self.connect().negotiate()
        second = Qmp(self.qmp_path)
        self.addCleanup(second.close)
        second.sock.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            second.sock.recv(1)
        first.close()
        second.sock.settimeout(5)
        self.assertIn(b"QMP", second.sock.recv(1000))

    def test_sigterm(self):
        run = self.qemu()
        qmp = self.connect().negotiate()
        run.signal(signal.SIGTERM)
        self.assertEqual(qmp.event("SHUTDOWN")["data"]["reason"], "host-signal")
        self.assertEqual(run.finish(5).status, 0)

    def test_serial(self):
        self.behave("web-0", console_lines=5)
        self.qemu()
        self.connect()
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(self.serial_path)
            s.sendall(b"hello\r")
            data = b""
            while b"login:" not in data:
                data += s.recv(1000)
        self.assertTrue(data.startswith(b"hello\r"))
        log = self.read(self.console)
        self.assertIn("Booting web-0", log)
        self.assertIn("line 5", log)
        self.assertTrue(log.endswith("web-0 login: "))

    def test_forwards(self):
        port = PORTS.get(3)
        self.behave("web-0", ssh="banner")
        run = self.qemu("-netdev", f"user,id=net0,hostfwd=tcp:127.0.0.1:{port}-:80,"
                        f"hostfwd=udp:127.0.0.1:{port}-:53,hostfwd=tcp:127.0.0.1:{port + 1}-:22")
        qmp = self.connect().negotiate()
        self.assertEqual(self.get(port), "fake web-0")
        with socket.create_connection(("127.0.0.1", port + 1), 5) as s:
            self.assertEqual(s.recv(100), b"SSH-2.0-fake\r\n")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.sendto(b"?", ("127.0.0.1", port))
            self.assertEqual(s.recv(100), b"fake web-0\n")
        rule = f"tcp:127.0.0.1:{port + 2}-:81"
        answer = qmp.call("human-monitor-command", command_line=f"hostfwd_add net0 {rule}")
        self.assertEqual(answer, {"return": ""})
        self.assertEqual(self.get(port + 2), "fake web-0")
        answer = qmp.call("human-monitor-command", command_line=f"hostfwd_add net0 {rule}")
        self.assertIn("Could not set up host forwarding rule", answer["return"])
        answer = qmp.call("human-monitor-command",
                          command_line=f"hostfwd_remove net0 tcp:127.0.0.1:{port + 2}")
        self.assertIn("removed", answer["return"])
        run.signal(signal.SIGTERM)
        run.finish(5)

    def test_taken_port(self):
        port = PORTS.get()
        with holostest.listening(port):
            result = self.qemu("-netdev", f"user,id=n,hostfwd=tcp:127.0.0.1:{port}-:80").finish(5)
        self.assertEqual(result.status, 1)
        self.assertEqual(result.err, f"qemu-system-x86_64: -netdev user,id=n,hostfwd=tcp:127.0.0.1:"
                         f"{port}-:80: Could not set up host forwarding rule "
                         f"'tcp:127.0.0.1:{port}-:80'\n")

    def test_image_locks(self):
        """As QEMU's: one writer and no reader beside it; readers together."""
        drive = ["-drive", f"if=virtio,format=qcow2,file={self.image}"]
        readonly = ["-drive", f"if=virtio,format=qcow2,readonly=on,file={self.image}"]
        first = self.spawn([FAKE_QEMU, "-name", "a-0", *drive])
        self.wait_for(lambda: self.qemu_log("running", "a-0"), "the fake runs", 5)
        second = self.spawn([FAKE_QEMU, "-name", "b-0", *drive]).finish(5)
        self.assertEqual(second.status, 1)
        self.assertIn('Failed to get "write" lock', second.err)
        third = self.spawn([FAKE_QEMU, "-name", "c-0", *readonly]).finish(5)
        self.assertIn('Failed to get shared "write" lock', third.err)
        first.signal(signal.SIGKILL)
        first.finish(5)
        readers = [self.spawn([FAKE_QEMU, "-name", n, *readonly]) for n in ("d-0", "e-0")]
        for name in "d-0", "e-0":
            self.wait_for(lambda: self.qemu_log("running", name), "a reader runs", 5)
        for run in readers:
            run.signal(signal.SIGTERM)
            run.finish(5)

    def test_refusals(self):
        missing = os.path.join(self.dir, "missing.qcow2")
        long = "/tmp/" + "x" * 120
        for args, message in (
                (["-foo"], "-foo: invalid option"),
                (["-drive", f"if=virtio,file={missing}"], f"Could not open '{missing}'"),
                (["-virtfs", f"local,path={missing},mount_tag=t,security_model=none"],
                 "cannot initialize fsdev 't'"),
                (["-chardev", f"socket,id=x,path={long},server=on"], "is too long")):
            with self.subTest(args=args):
                result = self.qemu(*args).finish(5)
                self.assertEqual(result.status, 1)
                self.assertIn(message, result.err)
                self.assertFalse(os.path.exists(self.qmp_path))

    def test_commas_in_paths(self):
        name = os.path.join(self.dir, "a,b=c.qcow2")
        os.link(self.image, name)
        run = self.qemu("-drive", "if=virtio,file=" + name.replace(",", ",,"))
        self.connect()
        run.signal(signal.SIGTERM)
        self.assertEqual(run.finish(5).status, 0)

    def test_arguments_are_logged(self):
        self.qemu("-m", "128")
        self.connect()
        self.assertIn("-m", self.argv("web-0"))
        self.assertEqual(json.loads(self.read(self.dir, "argv.json")), self.argv("web-0"))
        self.assertEqual(self.qemu_log("start")[0]["cwd"], os.path.realpath(self.work))


class BehaviorTest(FakeOnly):
    def test_fail_start(self):
        self.behave("web-0", fail_start=3, message="no luck today")
        result = self.qemu().finish(5)
        self.assertEqual((result.status, result.err), (3, "qemu-system-x86_64: no luck today\n"))

    def test_first_starts(self):
        self.behave("web-0", fail_start=3, first_starts=1)
        self.assertEqual(self.qemu().finish(5).status, 3)
        run = self.qemu()
        self.connect()
        run.signal(signal.SIGTERM)
        self.assertEqual(run.finish(5).status, 0)

    def test_default_and_by_name(self):
        self.behave(fail_start=4)
        self.behave("web-0", fail_start=5)
        self.assertEqual(self.qemu().finish(5).status, 5)
        self.assertEqual(self.qemu(name="db-0").finish(5).status, 4)

    def test_a_spelling_mistake_is_seen(self):
        self.behave("web-0", dye_after_ms=3)
        result = self.qemu().finish(5)
        self.assertEqual(result.status, 1)
        self.assertIn("dye_after_ms", result.err)

    def test_die_later(self):
        self.behave("web-0", die_after_ms=200, die_status=9, die_message="ouch")
        result = self.qemu().finish(5)
        self.assertEqual(result.status, 9)
        self.assertGreater(result.seconds, 0.19)
        self.assertIn("ouch", result.err)

    def test_die_by_signal(self):
        self.behave("web-0", die_after_ms=10, die_signal=9)
        self.assertEqual(self.qemu().finish(5).status, -9)

    def test_silent_monitors(self):
        for orders in {"hang_qmp": 1}, {"no_qmp": 1}:
            with self.subTest(orders):
                self.behave("web-0", **orders)
                before = self.starts()
                run = self.qemu()
                self.wait_for(lambda: len(self.qemu_log("running")) > before, "runs", 5)
                if "no_qmp" in orders:
                    self.assertFalse(os.path.exists(self.qmp_path))
                else:
                    qmp = self.connect()
                    qmp.sock.settimeout(0.2)
                    with self.assertRaises(TimeoutError):
                        qmp.sock.recv(1)
                run.signal(signal.SIGTERM)
                run.finish(5)

    def test_hang_commands(self):
        self.behave("web-0", hang_commands=1)
        self.qemu()
        qmp = self.connect().negotiate()
        qmp.send("query-status")
        qmp.sock.settimeout(0.2)
        with self.assertRaises(TimeoutError):
            qmp.sock.recv(1)

    def test_garbage(self):
        for how in "greeting", "flood":
            with self.subTest(how):
                self.behave("web-0", garbage_qmp=how)
                run = self.qemu()
                qmp = self.connect()
                with self.assertRaises(ValueError):
                    json.loads(qmp.sock.recv(100))
                run.signal(signal.SIGTERM)
                run.finish(5)
                os.unlink(self.qemu_log_path)

    def test_guest_decides(self):
        for orders, reason in (({"guest_poweroff_after_ms": 300}, "guest-shutdown"),
                               ({"guest_panic_after_ms": 300}, "guest-panic")):
            with self.subTest(orders):
                self.behave("web-0", **orders)
                run = self.qemu()
                qmp = self.connect().negotiate()
                event = qmp.event("SHUTDOWN")
                self.assertEqual(event["data"], {"guest": True, "reason": reason})
                self.assertEqual(run.finish(5).status, 0)
                os.unlink(self.qemu_log_path)

    def test_deaf(self):
        self.behave("web-0", ignore_powerdown=1, ignore_quit=1, ignore_sigterm=1)
        run = self.qemu()
        qmp = self.connect().negotiate()
        qmp.call("system_powerdown")
        qmp.call("quit")
        run.signal(signal.SIGTERM)
        self.wait_for(lambda: self.qemu_log("signal"), "SIGTERM arrived", 5)
        self.assertIsNone(run.popen.poll())
        run.signal(signal.SIGKILL)
        self.assertEqual(run.finish(5).status, -9)

    def test_io_error_pauses(self):
        self.behave("web-0", io_error_after_ms=300)
        self.qemu()
        qmp = self.connect().negotiate()
        self.assertTrue(qmp.event("BLOCK_IO_ERROR")["data"]["nospace"])
        self.assertIsNotNone(qmp.event("STOP"))
        self.assertEqual(qmp.call("query-status")["return"]["status"], "io-error")

    def test_ssh_and_ports(self):
        port = PORTS.get(2)
        for orders, wants in (({"ssh": "close", "ports": "close"}, b""),
                              ({"ssh": "silent", "ports": "silent"}, None)):
            with self.subTest(orders):
                self.behave("web-0", **orders)
                run = self.qemu("-netdev", f"user,id=net0,hostfwd=tcp:127.0.0.1:{port}-:80,"
                                f"hostfwd=tcp:127.0.0.1:{port + 1}-:22")
                self.connect()
                for p in port, port + 1:
                    with socket.create_connection(("127.0.0.1", p), 5) as s:
                        s.settimeout(0.2)
                        try:
                            got = s.recv(10)
                        except TimeoutError:
                            got = None
                        self.assertEqual(got, wants)
                run.signal(signal.SIGTERM)
                run.finish(5)
                os.unlink(self.qemu_log_path)


class FakeImgTest(FakeOnly):
    def img(self, *args, env=None, status=0):
        result = self.spawn([FAKE_QEMU_IMG, *args], env=env).finish(5)
        self.assertEqual(result.status, status, f"{result}")
        return result

    def test_create_and_info(self):
        self.img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", self.image, "o.qcow2", "1G")
        info = self.img("info", "--output=json", "o.qcow2").json()
        self.assertEqual(info["virtual-size"], 1 << 30)
        self.assertEqual(info["format"], "qcow2")
        self.assertEqual(info["full-backing-filename"], self.image)
        self.assertEqual(info["backing-filename-format"], "qcow2")
        chain = self.img("info", "--output=json", "--backing-chain", "o.qcow2").json()
        self.assertEqual([i["virtual-size"] for i in chain], [1 << 30, 64 << 20])
        self.assertEqual(len(self.qemu_img_log()), 3)

    def test_resize(self):
        self.img("create", "-f", "qcow2", "v.qcow2", "10M")
        self.img("resize", "v.qcow2", "20M")
        self.assertEqual(self.img("info", "--output=json", "v.qcow2").json()["virtual-size"],
                         20 << 20)
        self.assertIn("--shrink", self.img("resize", "v.qcow2", "5M", status=1).err)

    def test_failures(self):
        self.assertIn("No such file", self.img("info", "--output=json", "nope", status=1).err)
        self.assertIn("backing image", self.img(
            "create", "-f", "qcow2", "-F", "qcow2", "-b", "/nope", "o.qcow2", status=1).err)
        self.img("create", "-f", "qcow2", "data.qcow2", "1M",
                 env={"FAKE_QEMU_IMG_FAIL": "data"}, status=1)
        self.img("create", "-f", "qcow2", "root.qcow2", "1M", env={"FAKE_QEMU_IMG_FAIL": "data"})
        self.assertIn("qcow2 format", self.img("info", "-f", "qcow2", "/etc/hostname",
                                               status=1).err)

    def test_files_are_real(self):
        real = "/usr/bin/qemu-img"
        if not os.access(real, os.X_OK):
            self.skipTest("no qemu-img here")
        self.img("create", "-f", "qcow2", "-F", "qcow2", "-b", self.image, "o.qcow2", "700G")
        for command in (["check"], ["info", "--backing-chain"]):
            done = subprocess.run([real, *command, "o.qcow2"], cwd=self.work, capture_output=True,
                                  text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class HarnessTest(FakeOnly):
    def leave(self, code):
        """A child that leaves a grandchild in a session of its own."""
        self.spawn([sys.executable, "-c", textwrap_start(code)]).finish(10)

    def test_leftovers_are_found(self):
        for env in "dict(os.environ)", "{}":
            with self.subTest(env=env):
                self.leave(f"subprocess.Popen(['sleep', '60'], start_new_session=True, env={env})")
                left = self.processes()
                self.assertEqual(len(left), 1, left)
                self.assertIn("sleep 60", list(left.values())[0])
                os.kill(list(left)[0], signal.SIGKILL)
                self.assertTrue(self.wait_until(lambda: not self.processes(), 5))

    def test_orphans_are_reaped_or_held(self):
        self.leave("print(subprocess.Popen(['sleep', '60'], start_new_session=True).pid)")
        pid = list(self.processes())[0]
        with self.zombies_stay():
            os.kill(pid, signal.SIGKILL)
            self.assertTrue(self.wait_until(
                lambda: holostest.process_field(pid, "State").startswith("Z"), 5))
            time.sleep(0.05)
            self.assertTrue(holostest.process_field(pid, "State").startswith("Z"))
            self.assertFalse(holostest.alive(pid))
        self.assertTrue(self.wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 5))

    def test_statuses_are_kept(self):
        """Python takes a child that somebody else reaped for one that ended with 0."""
        over = threading.Event()
        thread = threading.Thread(target=over.wait)  # another one for SIGCHLD to go to
        thread.start()
        try:
            for _ in range(100):
                self.assertEqual(self.spawn(["false"]).finish(10).status, 1)
                self.assertEqual(subprocess.run(["false"]).returncode, 1)
        finally:
            over.set()
            thread.join()

    def test_ports_are_not_given_twice(self):
        first = PORTS.get(5)
        other = holostest.Ports()
        self.assertFalse(other._reserve(first + 4))


def textwrap_start(code):
    return f"import os, subprocess\n{code}"


if __name__ == "__main__":
    unittest.main(verbosity=2)
