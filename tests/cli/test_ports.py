# SPDX-License-Identifier: Apache-2.0
"""Host ports: taken ones, races, which are kept (W18)."""

import os
import re

import holostest
from holostest import FAILED, HOST, OK, PORTS, START, FakeTest


class FixedPortTest(FakeTest):
    def test_taken(self):
        port = PORTS.get()
        self.compose(f"""
            name: demo
            services:
              web: {{image: ./base.qcow2, ports: ["{port}:80"]}}
              db: {{image: ./base.qcow2}}
            """)
        with holostest.listening(port):
            result = self.holos("up")
        self.assertIn(result.status, (FAILED, HOST, START), f"{result}")
        self.assertRegex(result.err, rf"\b{port}\b")
        self.assertRegex(result.err, rf"pid {os.getpid()}\b|{os.getpid()}", "the holder is not named")
        self.assertEqual(self.starts(), 0, "something was started")
        self.assertEqual(self.processes(), {})
        self.ok("up")
        self.assertEqual(self.get(port), "fake web-0")

    def test_taken_on_another_address_only(self):
        port = PORTS.get()
        self.compose(f"""
            name: demo
            services: {{web: {{image: ./base.qcow2, ports: ["127.0.0.2:{port}:80"]}}}}
            """)
        with holostest.listening(port):
            self.ok("up")
            self.assertEqual(self.get(port, "127.0.0.2"), "fake web-0")

    def test_our_own_running_vm_is_no_conflict(self):
        port = PORTS.get()
        text = f"""
            name: demo
            services: {{web: {{image: ./base.qcow2, ports: ["{port}:80"]}}}}
            """
        self.compose(text)
        self.ok("up")
        self.ok("up")
        self.assertEqual(self.starts(), 1)
        self.compose(text.replace("}}", ", vm: {memory: 1G}}}", 1))
        self.ok("up")
        self.assertEqual(self.get(port), "fake web-0")
        self.assertEqual(self.starts(), 2)

    def test_lost_between_check_and_start(self):
        port = PORTS.get()
        self.behave("web-0", refuse_port=port)
        self.compose(f"""
            name: demo
            services: {{web: {{image: ./base.qcow2, ports: ["{port}:80"]}}}}
            """)
        self.fails(START, "up", match=["web-0", rf"\b{port}\b"])
        self.assertTrue(self.wait_until(lambda: not self.processes(), 2), self.processes())

    def test_udp(self):
        port = PORTS.get()
        self.compose(f"""
            name: demo
            services:
              a: {{image: ./base.qcow2, ports: ["{port}:53/udp"]}}
              b: {{image: ./base.qcow2, ports: ["{port}:53/tcp"]}}
            """)
        self.ok("up")
        self.assertRegex(" ".join(self.argv("a-0")), rf"hostfwd=udp:127\.0\.0\.1:{port}-:53")
        self.assertEqual(self.get(port), "fake b-0")

    def test_every_address(self):
        port = PORTS.get()
        self.compose(f"""
            name: demo
            services: {{web: {{image: ./base.qcow2, ports: ["0.0.0.0:{port}:80"]}}}}
            """)
        self.ok("up")
        self.assertEqual(self.get(port, "127.0.0.3"), "fake web-0")

    def test_ipv6_is_refused_by_name(self):
        self.compose("""
            name: demo
            services: {web: {image: ./base.qcow2, ports: ["[::1]:8080:80"]}}
            """)
        result = self.holos("up")
        self.assertNotEqual(result.status, OK)
        self.assertRegex(result.err, r"::1", f"{result}")
        self.assertRegex(result.err, r"user", f"{result}")
        self.assertEqual(self.starts(), 0)


class EphemeralPortTest(FakeTest):
    ONE = """
        name: demo
        services: {web: {image: ./base.qcow2, ports: ["80"]}}
        """

    def ports(self):
        i = self.instances("demo")["web-0"]
        return i["ports"][0]["host_port"], i["ssh_port"]

    def test_lost_race_is_retried(self):
        first = PORTS.get(5)
        self.compose(self.ONE)
        with holostest.listening(first):
            self.ok("up", env={"HOLOS_TEST_EPHEMERAL_PORTS":
                               ",".join(str(first + i) for i in range(5))})
        self.assert_statuses("demo", web_0="running")
        used = self.ports()
        self.assertNotIn(first, used)
        self.assertEqual(len(set(used)), 2)
        self.assertEqual(self.get(used[0]), "fake web-0")

    def test_every_attempt_is_the_monitors(self):
        """The guest has not run by then; its monitor stays and tells the new number."""
        first = PORTS.get(2)
        self.compose(self.ONE)
        with holostest.listening(first):
            up = self.ok("up", env={"HOLOS_TEST_EPHEMERAL_PORTS": f"{first},{first + 1}"})
        self.assertRegex(up.err, "warning: .*web-0.*another")
        self.assertEqual(self.starts(), 2)
        self.assertEqual(len(self.read(self.instance_dir("demo", "web-0"), "monitor.log")
                             .split("was taken")), 2)
        used = self.ports()
        self.ok("stop")
        self.ok("start")
        self.assertEqual(self.ports(), used, "the new ones are kept")

    def test_none_that_a_later_service_wants(self):
        fixed = PORTS.get(5)
        self.compose(f"""
            name: demo
            services:
              a: {{image: ./base.qcow2, ports: ["80"]}}
              b: {{image: ./base.qcow2, replicas: 2, ports: ["{fixed}:80"]}}
              c: {{image: ./base.qcow2, ports: ["{fixed + 2}-{fixed + 3}:80"]}}
            """)
        self.ok("up", env={"HOLOS_TEST_EPHEMERAL_PORTS":
                           ",".join(str(fixed + i) for i in range(5))})
        a = self.instances("demo")["a-0"]
        self.assertEqual(a["ports"][0]["host_port"], fixed + 4)
        self.assertNotIn(a["ssh_port"], range(fixed, fixed + 5))
        self.assertEqual([self.get(fixed + i) for i in range(3)],
                         ["fake b-0", "fake b-1", "fake c-0"])

    def test_taken_for_a_moment_only(self):
        """Free again when one looks: it was lost all the same."""
        first = PORTS.get(4)
        self.behave("web-0", refuse_port=first, first_starts=1)
        self.compose(self.ONE)
        self.ok("up", env={"HOLOS_TEST_EPHEMERAL_PORTS":
                           ",".join(str(first + i) for i in range(4))})
        self.assert_statuses("demo", web_0="running")
        self.assertNotIn(first, self.ports())
        self.assertEqual(self.starts(), 2)

    def test_a_fixed_port_keeps_its_number_in_a_retry(self):
        fixed, first = PORTS.get(), PORTS.get(3)
        self.compose(f"""
            name: demo
            services: {{web: {{image: ./base.qcow2, ports: ["{fixed}:80"]}}}}
            """)
        with holostest.listening(first):
            self.ok("up", env={"HOLOS_TEST_EPHEMERAL_PORTS":
                               f"{first},{first + 1},{first + 2}"})
        self.assertEqual(self.ports()[0], fixed)
        self.assertNotEqual(self.ports()[1], first)
        self.assertEqual(self.get(fixed), "fake web-0")

    def test_kept_over_a_restart(self):
        self.compose(self.ONE)
        self.ok("up")
        before = self.ports()
        self.ok("stop")
        self.ok("start")
        self.assertEqual(self.ports(), before)
        self.ok("stop")
        with holostest.listening(before[0]):
            self.ok("start")
            self.assertNotEqual(self.ports()[0], before[0])
            self.assertEqual(self.ports()[1], before[1])

    def test_ps_shows_what_qemu_has(self):
        self.compose(self.ONE)
        self.ok("up")
        forwards = re.findall(r"hostfwd=tcp:127\.0\.0\.1:(\d+)-:(\d+)", " ".join(self.argv("web-0")))
        self.assertEqual({int(g): int(h) for h, g in forwards},
                         {80: self.ports()[0], 22: self.ports()[1]})


if __name__ == "__main__":
    holostest.main()
