# SPDX-License-Identifier: Apache-2.0
"""What a guest tells of its making: `up --wait`, its exit status, `logs --provision`.

The fake QEMU has no guest; the tests write into the port's pipe themselves."""

import os

import holostest
from holostest import FakeTest, OK, TIMEOUT


class ProvisionTest(FakeTest):
    health_bypass = False

    def setUp(self):
        super().setUp()
        # Ports answer at once: healthy as far as the probe can tell.
        self.compose("""
            name: demo
            services:
              web:
                image: ./base.qcow2
                ports: ["8080"]
                healthcheck: {type: tcp, options: {port: 8080}, interval: 1s}
        """)

    def say(self, *lines, vm="web-0", status="running"):
        """As the guest would, through QEMU."""
        path = os.path.join(self.instance_dir("demo", vm), "provision.out")
        self.wait_for(lambda: os.path.exists(path) and self.statuses("demo").get(vm) == status,
                      f"{vm} is up")
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, "".join(f"holos: {line}\n" for line in lines).encode())
        os.close(fd)

    def vm(self, name="web-0"):
        return self.read_json(self.instance_dir("demo", name), "vm.json")

    def test_waits_until_provisioned(self):
        up = self.start("up", "--wait")
        self.say("first boot", "step: runcmd 1 of 1: make it")
        self.wait_for(lambda: "runcmd 1 of 1: make it" in up.output()[1], "the step is shown")
        self.assertIsNone(up.popen.poll())
        self.say("provisioned")
        done = up.finish()
        self.assertEqual(done.status, OK, f"{done}")
        self.assertRegex(done.err, "web-0: provisioning: runcmd 1 of 1: make it")
        self.assertRegex(self.ok("logs", "--provision").out, r"(?m)^\S+Z step: runcmd 1 of 1")

    def test_failure_ends_it(self):
        up = self.start("up", "--wait")
        self.say("first boot", "step: runcmd 1 of 2: false",
                 "error: runcmd 1 of 2: false: exited with status 1", "output: it broke",
                 "output: \x1b[31mred", "runcmd failed")
        result = up.finish()
        self.assert_failed(result, TIMEOUT, [
            r"web-0: provisioning failed: runcmd 1 of 2: false: exited with status 1",
            r"(?m)^  \| it broke$", r"(?m)^  \| \?\[31mred$", r"holos logs --provision -p demo web-0"])
        self.assertEqual(self.vm()["provision"]["state"], "failed")
        # It stays so: the guest is not what the file says.
        self.fails(TIMEOUT, "up", "--wait", match="runcmd 1 of 2: false: exited with status 1")
        self.ok("up") # nobody waits
        self.assertRegex(self.ok("ps").out,
                         "web-0 running: provisioning failed: runcmd 1 of 2: false: exited with "
                         "status 1")
        vm = self.instances("demo")["web-0"]
        self.assertEqual((vm["provision"], vm["provision_detail"]),
                         ("failed", "runcmd 1 of 2: false: exited with status 1"))
        log = self.ok("logs", "--provision", "-n", "all", "web").out
        self.assertIn("output: it broke", log)
        self.assertNotIn("\x1b", log)

    def test_dependents_do_not_start(self):
        self.compose("""
            name: demo
            services:
              web:
                image: ./base.qcow2
                ports: ["8080"]
                healthcheck: {type: tcp, options: {port: 8080}, interval: 1s}
              app: {image: ./base.qcow2, depends_on: [web]}
        """)
        up = self.start("up")
        self.say("first boot", "error: packages: no", "files failed")
        self.assert_failed(up.finish(), TIMEOUT, ["provisioning failed: packages: no",
                                                  "not started because of web-0: app"])
        self.assertEqual(self.starts("app-0"), 0)

    def test_does_not_use_up_retries(self):
        """What makes it healthy may come with the provisioning."""
        # The guest speaks before anything can be probed.
        self.behave(ports="close", start_delay_ms=1000)
        self.compose("""
            name: demo
            services:
              web:
                image: ./base.qcow2
                ports: ["8080"]
                healthcheck: {type: http, options: {port: 8080}, interval: 50ms, retries: 1}
        """)
        up = self.start("up", "--wait")
        self.say("first boot", status="starting")
        self.wait_for(lambda: self.vm().get("health_detail"), "a probe has failed")
        self.assertEqual(self.vm()["health"], "starting")
        self.assertIsNone(up.popen.poll())
        self.say("provisioned")
        self.assert_failed(up.finish(), TIMEOUT, "unhealthy")

    def test_of_restart(self):
        up = self.start("up", "--wait")
        self.say("first boot", "provisioned")
        self.assertEqual(up.finish().status, OK)
        again = self.start("restart", "--wait", "-t", "1")
        self.wait_for(lambda: self.starts("web-0") == 2, "it starts again")
        self.say("boot", "error: volume data: no", "boot failed: 1")
        self.assert_failed(again.finish(), TIMEOUT, "provisioning failed: volume data: no")


if __name__ == "__main__":
    holostest.main()
