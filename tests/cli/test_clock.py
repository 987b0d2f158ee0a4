# SPDX-License-Identifier: Apache-2.0
"""The wall clock jumps while VMs run: nothing waits by it."""

import os

import holostest
from holostest import FakeTest

YEAR = 365 * 24 * 3600


class ClockTest(FakeTest):
    def make_env(self):
        env = super().make_env()
        self.clock = os.path.join(self.dir, "clock")
        env["HOLOS_TEST_CLOCK"] = self.clock
        env["LD_PRELOAD"] = os.path.join(holostest.BUILD, "tests", "clockshift.so")
        env["ASAN_OPTIONS"] += ":verify_asan_link_order=0"
        return env

    def jump(self, seconds):
        with open(self.clock + ".new", "w") as f:
            f.write(str(seconds))
        os.rename(self.clock + ".new", self.clock)

    def revive(self):
        """Killed, it is back after a pause of less than a second, by its policy."""
        old = self.kill_qemu("demo", "web-0")
        self.wait_for(lambda: self.instances("demo")["web-0"]["pid"] not in (0, old),
                      "a new QEMU", 10)
        self.wait_status("demo", "web-0", "running", 10)

    def check_uptime(self):
        out = self.ok("ps").out
        self.assertNotRegex(out, r"\d{2,}h|\d+d|\d+y|-\d", "uptime goes by the wall clock")

    def test_back_and_forth(self):
        self.jump(0)
        self.compose("""
            name: demo
            services:
              web:
                image: ./base.qcow2
                restart: always
                stop_grace_period: 1s
                healthcheck: {test: "true", interval: 1s}
            """)
        self.ok("up", "--wait")
        for n, seconds in enumerate((20 * YEAR, -20 * YEAR, 0)):
            self.jump(seconds)
            self.check_uptime()
            self.revive()
            self.check_uptime()
            vm = self.read_json(self.instance_dir("demo", "web-0"), "vm.json")
            self.assertEqual(vm["restarts"], n + 1)
            if n == 0:
                self.assertGreater(vm["started_at"], "2040", "the clock did not jump")
        # Not even the grace period of a guest that does not listen.
        self.behave("web-0", ignore_powerdown=1)
        self.revive()
        run = self.start("stop")
        self.wait_for(lambda: self.qemu_log("powerdown", "web-0"), "the guest was asked")
        self.jump(-20 * YEAR)
        self.assertEqual(run.finish(10).status, 0)
        self.assert_statuses("demo", web_0="stopped")
        self.jump(20 * YEAR)
        self.ok("up", "--wait")


if __name__ == "__main__":
    holostest.main()
