# SPDX-License-Identifier: Apache-2.0
"""Conditions of depends_on, and restart policies."""

import re

import holostest
from holostest import OK, FakeTest

PAIR = """
    name: demo
    services:
      web:
        image: ./base.qcow2
        depends_on: [db]
      db:
        image: ./base.qcow2
        healthcheck:
          test: ["CMD", "true"]
          interval: 1s
          timeout: 1s
          retries: 2
"""


class ConditionTest(FakeTest):
    def test_completed_successfully(self):
        self.compose("""
            name: demo
            services:
              app:
                image: ./base.qcow2
                depends_on: {init: {condition: service_completed_successfully}}
              init: {image: ./base.qcow2}
            """)
        self.behave("init-0", guest_poweroff_after_ms=500)
        self.ok("up")
        log = {(e["name"], e["event"]): e["time"] for e in self.qemu_log()}
        self.assertGreater(log["app-0", "start"], log["init-0", "exit"])
        self.assert_statuses("demo", init_0="stopped", app_0="running")
        self.ok("up")
        self.assertEqual(self.starts("init-0"), 1, "a one-shot that completed ran again")

    def test_completed_badly(self):
        self.compose("""
            name: demo
            services:
              app:
                image: ./base.qcow2
                depends_on: {init: {condition: service_completed_successfully}}
              init: {image: ./base.qcow2}
            """)
        self.behave("init-0", guest_panic_after_ms=300)
        result = self.holos("up")
        self.assertNotEqual(result.status, OK)
        self.assertRegex(result.err, "init-0")
        self.assertEqual(self.starts("app-0"), 0)

    def test_started_does_not_wait_for_health(self):
        self.compose(PAIR.replace("depends_on: [db]",
                                  "depends_on: {db: {condition: service_started}}"))
        self.behave("db-0", ssh="close")
        self.ok("up", env={"HOLOS_HEALTH_BYPASS": None})
        self.assert_statuses("demo", web_0="running", db_0="running")


class RestartPolicyTest(FakeTest):
    def test_on_failure(self):
        self.behave("web-0", die_after_ms=300, die_status=1, first_starts=2, after_query=1)
        self.compose("""
            name: demo
            services: {web: {image: ./base.qcow2, restart: on-failure}}
            """)
        self.ok("up")
        self.wait_for(lambda: self.starts() == 3, "two restarts", 10)
        self.wait_status("demo", "web-0", "running")
        self.ok("stop")
        self.assert_statuses("demo", web_0="stopped")
        self.assertFalse(self.wait_until(lambda: self.starts() > 3, 0.7), "stopped, and restarted")

    def test_a_guests_poweroff_is_no_failure(self):
        self.behave("web-0", guest_poweroff_after_ms=200)
        self.compose("""
            name: demo
            services: {web: {image: ./base.qcow2, restart: on-failure}}
            """)
        self.ok("up")
        self.wait_status("demo", "web-0", "stopped", 5)
        self.assertFalse(self.wait_until(lambda: self.starts() > 1, 0.7))

    def pauses(self):
        """Milliseconds, as the monitor's log has them."""
        log = self.read(self.instance_dir("demo", "web-0"), "monitor.log")
        return [int(ms) for ms in re.findall(r"starting again in (\d+) ms", log)]

    def test_back_off(self):
        """100 ms, doubled each time; from the start again after 10 s up."""
        self.behave("web-0", die_after_ms=20, die_status=1, after_query=1)
        self.compose("""
            name: demo
            services: {web: {image: ./base.qcow2, restart: unless-stopped}}
            """)
        self.ok("up")
        self.wait_for(lambda: len(self.pauses()) >= 3, "three restarts", 20)
        self.behave("web-0", die_after_ms=10500, die_status=1, after_query=1)
        seen = len(self.pauses())
        # The start that is under way may still have the old orders.
        self.wait_for(lambda: 100 in self.pauses()[seen:], "a short pause again", 40)
        pauses = self.pauses()
        first = pauses.index(100, 1)
        self.assertEqual(pauses[:first], [100 << i for i in range(first)])
        self.ok("stop")
        self.assert_statuses("demo", web_0="stopped")

    def test_stop_during_the_pause(self):
        self.behave("web-0", die_after_ms=20, die_status=1, after_query=1)
        self.compose("""
            name: demo
            services: {web: {image: ./base.qcow2, restart: always}}
            """)
        self.ok("up")
        self.wait_for(lambda: len(self.pauses()) >= 5, "a long pause", 20)
        self.ok("stop", timeout=5)
        self.assert_statuses("demo", web_0="stopped")
        starts = self.starts()
        self.assertFalse(self.wait_until(lambda: self.starts() > starts, 2), "it came back")

    def test_bounded(self):
        self.behave("web-0", die_after_ms=100, die_status=1, after_query=1)
        self.compose("""
            name: demo
            services: {web: {image: ./base.qcow2, restart: "on-failure:2"}}
            """)
        self.holos("up")
        self.wait_status("demo", "web-0", "failed", 10)
        self.assertEqual(self.starts(), 3)

if __name__ == "__main__":
    holostest.main()
