# SPDX-License-Identifier: Apache-2.0
"""The segment between VMs: names resolve, and nothing of it leaves loopback (W22)."""

import os
import select
import socket
import struct
import time

import holostest
from holostest import GuestTest

ETH_P_ALL = 3

THREE = """
    name: demo
    services:
      a: {image: micro}
      b: {image: micro, replicas: 2}
"""


class Capture:
    """Every frame of every interface of this network namespace, for a while."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE

    def frames(self, seconds):
        """(interface, destination address, whole frame) of what carries IPv4."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.socket], [], [], left)[0]:
                return
            data, address = self.socket.recvfrom(65536)
            if len(data) >= 34 and data[12:14] == b"\x08\x00":
                yield address[0], socket.inet_ntoa(data[30:34]), data
            else:
                yield address[0], "", data

    def close(self):
        self.socket.close()


class NetTest(GuestTest):
    def test_three_vms_reach_each_other_by_name(self):
        self.compose(THREE)
        try:
            capture = Capture()
            self.addCleanup(capture.close)
        except PermissionError:
            capture = None
        self.ok("up", "--wait")
        hosts = self.project("demo")["network"]["hosts"]
        names = ["a-0", "b-0", "b-1"]
        for source in names:
            for target in names + ["a", "b"]:
                self.guest(source, "ping", "-c", "1", "-w", "20", target)
        # A name leads to the address that holos says; one's own is 127.0.1.1.
        for source, name in ("a-0", "b-0"), ("a-0", "b-1"), ("b-0", "a-0"):
            out = self.guest(source, "ping", "-c", "1", "-w", "20", name)
            self.assertIn(f"({hosts[name]})", out)
        self.assertEqual(self.sh("b-1", "hostname").strip(), "b-1")
        if capture:
            self.check_capture(capture)

    def check_capture(self, capture):
        group = self.project("demo")["network"]["multicast_group"]
        macs = [bytes.fromhex(m.replace(":", "")) for m in self.macs()]
        seen = {}
        for interface, destination, data in capture.frames(1):
            if destination == group or any(mac in data for mac in macs):
                seen[interface] = seen.get(interface, 0) + 1
        self.assertIn("lo", seen, "the capture saw nothing at all: it proves nothing")
        self.assertEqual(set(seen), {"lo"}, "frames of the segment on other interfaces")

    def macs(self):
        for name in "a-0", "b-0", "b-1":
            launch = self.read_json(self.instance_dir("demo", name), "launch.json")
            for arg in launch["argv"]:
                if arg.startswith("virtio-net-pci"):
                    yield holostest.re.search(r"mac=([0-9a-f:]+)", arg)[1]


class NoRouteTest(GuestTest):
    """A host whose only interface is loopback: it did not start at all there."""

    def setUp(self):
        super().setUp()
        libc = holostest.ctypes.CDLL(None, use_errno=True)
        self.outside = os.open("/proc/self/ns/net", os.O_RDONLY)
        if libc.unshare(0x40000000):  # CLONE_NEWNET
            self.skipTest("may not make a network namespace")
        self.addCleanup(libc.setns, self.outside, 0)
        with socket.socket() as s:
            request = struct.pack("16sH14x", b"lo", 0x1)  # IFF_UP
            holostest.fcntl.ioctl(s, 0x8914, request)     # SIOCSIFFLAGS

    def test_two_vms(self):
        self.compose("name: demo\nservices:\n  a: {image: micro}\n  b: {image: micro}\n")
        self.ok("up", "--wait")
        self.guest("a-0", "ping", "-c", "1", "-w", "20", "b")


if __name__ == "__main__":
    holostest.main()
