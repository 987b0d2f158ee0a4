# SPDX-License-Identifier: Apache-2.0
"""Health gates, waiting, and guests that do not answer."""

import holostest
from holostest import START, TIMEOUT, FakeTest

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


class BypassTest(FakeTest):
    def test_gate_opens(self):
        self.compose(PAIR)
        self.ok("up")
        self.assert_statuses("demo", web_0="running", db_0="running")
        health = {n: i["health"] for n, i in self.instances("demo").items()}
        self.assertEqual(health, {"web-0": "none", "db-0": "healthy"})

    def test_wait(self):
        self.compose(PAIR)
        self.ok("up", "--wait", "--wait-timeout", "10s")
        self.assertEqual(self.instances("demo")["db-0"]["health"], "healthy")

    def test_test_none_and_disable(self):
        for check in "{test: NONE}", "{disable: true}":
            with self.subTest(check=check):
                self.compose(f"""
                    name: demo
                    services: {{db: {{image: ./base.qcow2, healthcheck: {check}}}}}
                    """)
                self.ok("up")
                self.assertEqual(self.instances("demo")["db-0"]["health"], "none")
                self.ok("down")


class UnreachableTest(FakeTest):
    health_bypass = False

    def check(self, how):
        self.behave("db-0", ssh=how)
        self.compose(PAIR)
        result = self.fails(TIMEOUT, "up", "--wait", "--wait-timeout", "2s",
                            match=["db-0"], timeout=15)
        self.assertGreater(result.seconds, 1.5)
        self.assertLess(result.seconds, 8)
        # What failed is the wait: the VM goes on and is recorded.
        self.assertEqual(self.statuses("demo")["db-0"], "running", f"{result}")
        self.assertEqual(self.instances("demo")["db-0"]["health"], "starting")
        self.assertEqual(self.starts("web-0"), 0)
        self.assertIn("db-0 login:", result.err, "the console's last lines are not shown")
        self.assertRegex(result.err, r"holos logs\b.*")

    def test_silent(self):
        self.check("silent")

    def test_hangs_up(self):
        self.check("close")

    def test_banner_and_nothing_more(self):
        self.check("banner")

    def test_wait_without_healthcheck_means_ssh(self):
        self.behave("web-0", ssh="close")
        self.compose("name: demo\nservices: {web: {image: ./base.qcow2}}\n")
        self.ok("up")
        self.fails(TIMEOUT, "up", "--wait", "--wait-timeout", "2s", match="web-0")
        self.assert_statuses("demo", web_0="running")

    def test_readers_are_not_blocked_meanwhile(self):
        """W14: logs, exec, ps -f waited for the lock until the wait was over."""
        self.behave("db-0", ssh="close")
        self.compose(PAIR)
        run = self.start("up")
        self.wait_for(lambda: self.statuses("demo").get("db-0") == "running", "db-0 runs")
        for args in (["ps"], ["ps", "-f", "holos.yaml"], ["logs", "db-0"], ["logs", "demo"]):
            result = self.ok(*args, timeout=3)
            self.assertLess(result.seconds, 2, args)
        # Writers are not held up either: the lock is for the change, not for the wait.
        self.ok("stop", "web", "--no-wait", timeout=5)
        self.assertIsNone(run.popen.poll())
        run.interrupt()
        self.assertEqual(run.finish(5).status, holostest.INTERRUPTED)

    def test_death_ends_the_wait(self):
        """W35: the full budget was burned."""
        self.behave("db-0", ssh="close", die_after_ms=700, die_status=5, die_message="ouch")
        self.compose(PAIR)
        result = self.holos("up", timeout=15)
        self.assertIn(result.status, (START, TIMEOUT), f"{result}")
        self.assertIn("ouch", result.err)
        self.assertLess(result.seconds, 6)

if __name__ == "__main__":
    holostest.main()
