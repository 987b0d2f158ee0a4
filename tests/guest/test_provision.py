# SPDX-License-Identifier: Apache-2.0
"""Provisioning as a user sees it: what is done, and what fails, told without network."""

import os

import holostest
from holostest import GuestTest, TIMEOUT


class ProvisionTest(GuestTest):
    def test_done(self):
        """In their order: volume, file, environment, commands in one shell."""
        self.compose("""
            name: demo
            services:
              box:
                image: micro
                environment: {WORD: "it's"}
                volumes: ["data:/srv/data"]
                cloud_init:
                  write_files: [{path: /srv/data/file, content: "from the file\\n"}]
                  bootcmd: ["echo $WORD booted >>/boots"]
                  runcmd:
                    - X=$WORD; cd /srv/data
                    - [sh, -c, 'cat file >copy; echo "$0" >>copy', "a  b"]
                    - echo $X >>copy
            volumes: {data: {size: 64M}}
        """)
        up = self.ok("up", "--wait")
        self.assertRegex(up.err, "box-0: provisioning: ")
        self.assertEqual(self.sh("box-0", "cat /srv/data/copy"), "from the file\na  b\nit's\n")
        self.assertEqual(self.vm("box-0")["provision"]["state"], "done")
        self.assertRegex(self.ok("logs", "--provision").out, "(?m)Z provisioned$")
        self.ok("restart", "--wait")
        self.assertEqual(self.sh("box-0", "cat /srv/data/copy"), "from the file\na  b\nit's\n")
        self.assertEqual(self.sh("box-0", "cat /boots"), "it's booted\n" * 2)
        self.assertEqual(self.vm("box-0")["provision"]["state"], "done")

    def test_command_fails(self):
        self.compose("""
            name: demo
            services:
              box:
                image: micro
                cloud_init:
                  runcmd:
                    - "true"
                    - echo out; echo err >&2; (exit 7)
                    - echo yes >/after
        """)
        self.fails(TIMEOUT, "up", "--wait", match=[
            r"box-0: provisioning failed: runcmd 2 of 3: echo out; echo err >&2; \(exit 7\): exited "
            "with status 7", r"(?m)^  \| out\n  \| err$", "holos logs --provision -p demo box-0"])
        self.assertRegex(self.ok("logs", "--provision").out, "(?m)Z output: err$")
        self.wait_for(lambda: self.guest("box-0", "sh", "-c", "cat /after || true") == "yes\n",
                      "the next command was run, as cloud-init does", 60)

    def test_packages_on_micro(self):
        self.compose("""
            name: demo
            services:
              box: {image: micro, cloud_init: {packages: [nginx]}}
        """)
        self.fails(TIMEOUT, "up", "--wait",
                   match="provisioning failed: packages: the guest has no package manager")


if __name__ == "__main__":
    holostest.main()
