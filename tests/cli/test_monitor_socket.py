# SPDX-License-Identifier: Apache-2.0
"""The monitor's socket: older and newer ones, hostile clients."""

import fcntl
import json
import os
import signal
import socket
import threading

import holostest
from holostest import FAILED, FakeTest

ONE = """
    name: demo
    services:
      web: {image: ./base.qcow2, stop_grace_period: 1s}
"""


class SocketTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.compose(ONE)
        self.ok("up")
        self.dir_of_vm = self.instance_dir("demo", "web-0")
        self.path = os.path.join(self.dir_of_vm, "monitor.sock")
        self.pid = self.instances("demo")["web-0"]["pid"]

    def monitor(self):
        # A monitor that makes a child is two processes for a moment.
        self.wait_for(lambda: len(self.monitors()) == 1, "one monitor")
        return self.monitors()[0]

    def dial(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(self.path)
        self.addCleanup(s.close)
        return s


class OtherVersionTest(SocketTest):
    """A monitor of another age, played by this test: it holds the lock and the socket."""

    def play(self, greeting, answer=None):
        monitor = self.monitor()
        os.kill(monitor, signal.SIGKILL)
        self.wait_for(lambda: not holostest.alive(monitor), "the monitor is dead")
        os.unlink(self.path)
        server = socket.socket(socket.AF_UNIX)
        server.bind(self.path)
        server.listen(8)
        alive = open(os.path.join(self.dir_of_vm, "alive"), "r+b")
        fcntl.lockf(alive, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
        vm = self.read_json(self.dir_of_vm, "vm.json")
        self.asked = []
        def serve():
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client, client.makefile("r") as f:
                    def say(message, client=client):
                        client.sendall(json.dumps(message).encode() + b"\n")
                    try:
                        say({**greeting, "vm": {**vm, "colour": {"of": ["the", "future"]}}})
                        for line in f:
                            request = json.loads(line)
                            self.asked.append(request["op"])
                            if answer and answer(request, say):
                                os.unlink(self.path)
                                server.close()
                                alive.close()
                                return
                    except OSError:
                        pass
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()

        def end():
            server.close()
            alive.close()
        self.addCleanup(end)
        return end

    def test_newer_one(self):
        """Unknown members, events and answers; its protocol's number is higher."""
        def answer(request, say):
            say({"event": "weather", "vm": 7})
            say({"id": 4711, "ok": True})
            if request["op"] != "stop":
                say({"id": request["id"], "ok": True, "extra": [1, 2]})
                return False
            os.kill(self.pid, signal.SIGKILL)
            self.wait_until(lambda: not holostest.alive(self.pid), 5)
            say({"id": request["id"], "ok": True, "how": "gently"})
            return True
        self.play({"holos-monitor": 2, "version": "9.9", "moon": "full"}, answer)
        self.ok("stop")
        self.assertIn("stop", self.asked)
        self.assertIn("subscribe", self.asked)

    def test_one_that_refuses(self):
        """What it does not know it says so, as an older monitor does."""
        def answer(request, say):
            say({"id": request["id"], "ok": False, "code": 2,
                 "error": "this monitor does not know that request"})
            return False
        end = self.play({"holos-monitor": 1, "version": "0.0.1"}, answer)
        self.fails(2, "stop", match="web-0.*does not know")
        self.assertTrue(holostest.alive(self.pid))
        end()

    def test_protocol_0(self):
        end = self.play({"holos-monitor": 0})
        self.fails(FAILED, "stop", match="web-0.*protocol 0")
        self.assertTrue(holostest.alive(self.pid))
        end()

    def test_no_monitor_at_all(self):
        end = self.play({"hello": "world"})
        self.fails(FAILED, "stop", match="web-0.*greet")
        self.assertTrue(holostest.alive(self.pid))
        end()


class HostileClientTest(SocketTest):
    """None of them costs anybody else anything."""

    def memory(self):
        """KiB; nothing under a sanitizer, which has much of its own."""
        with open(f"/proc/{self.monitor()}/maps") as f:
            if "libasan" in f.read():
                return 0
        with open(f"/proc/{self.monitor()}/smaps_rollup") as f:
            return sum(int(line.split()[1]) for line in f
                       if line.startswith(("Private_Clean", "Private_Dirty")))

    def test_memory_of_a_monitor(self):
        self.assertLess(self.memory(), 0.6 * 1024, "KiB of its own")

    def check(self):
        self.ok("ps")
        self.ok("stop", timeout=10)
        self.assert_statuses("demo", web_0="stopped")

    def test_says_nothing(self):
        clients = [self.dial() for _ in range(20)]
        self.check()
        for c in clients:
            c.close()

    def test_takes_every_place(self):
        clients = [self.dial() for _ in range(80)]
        self.check()
        for c in clients:
            c.close()

    def test_floods(self):
        before = self.memory()
        c = self.dial()
        c.settimeout(0.5)
        try:
            for _ in range(2000):
                c.sendall(b'{"id":1,"op":"status"}\n' * 200)
        except OSError:
            pass  # it was dropped, or nobody reads what it sends
        self.assertLess(self.memory() - before, 8192, "KiB more than before")
        self.check()

    def test_never_reads(self):
        """Every change of state goes to it, and to nobody's loss."""
        c = self.dial()
        c.sendall(b'{"id":1,"op":"subscribe"}\n')
        other = self.dial()
        with other.makefile("r") as answers:
            answers.readline()
            for i in range(400):
                op = ("pause", "cont")[i % 2]
                other.sendall(f'{{"id":{i},"op":"{op}"}}\n'.encode())
                while json.loads(answers.readline()).get("id") != i:
                    pass
        self.check()

    def test_half_a_line(self):
        for piece in b"{", b'{"op":"st', b"\0" * 100, b"\xff" * 1000:
            self.dial().sendall(piece)
        self.check()


if __name__ == "__main__":
    holostest.main()
