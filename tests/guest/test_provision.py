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

    def test_user_data(self):
        self.compose("""
            name: demo
            services:
              box:
                image: micro
                cloud_init:
                  write_files: [{path: /ours, content: ours}]
                  runcmd: [echo first >>/order]
                  user_data:
                    hostname: other
                    users: [{name: guest2, shell: /bin/sh, uid: 1777}]
                    write_files: [{path: /theirs, content: "the\\x7fir", permissions: "0640"}]
                    runcmd: [echo second >>/order, [sh, -c, "echo third >>/order"]]
        """)
        up = self.ok("up", "--wait")
        self.assertRegex(up.err, "warning: .*user data: hostname is not taken: holos sets it")
        self.assertEqual(self.sh("box-0", "cat /order; hostname; id -u guest2; cat /ours"),
                         "first\nsecond\nthird\nbox-0\n1777\nours")
        self.assertEqual(self.sh("box-0", "sudo stat -c %a /theirs; sudo cat /theirs"),
                         "640\nthe\x7fir")

    def test_hosts_follow(self):
        """A guest that runs on learns of new neighbours, and knows them after its own reboot."""
        text = """
            name: demo
            services:
              box: {image: micro}
        """
        self.compose(text)
        self.ok("up", "--wait")
        self.sh("box-0", "echo 10.9.9.9 mine | sudo tee -a /etc/hosts")
        self.compose(text + "      extra: {image: micro, hostname: extra}\n")
        up = self.ok("up", "--wait")
        self.assertNotIn("learns of its new neighbours", up.err)
        known = "grep -c ' extra-0' /etc/hosts; grep -c box-0 /etc/hosts; grep mine /etc/hosts"
        self.assertEqual(self.sh("box-0", known), "1\n2\n10.9.9.9 mine\n")
        self.ok("up", "--wait") # nothing to tell
        boots = self.read(self.instance_dir("demo", "box-0"), "provision.log").count("Z boot ok")
        self.sh("box-0", "sudo reboot", status=None)
        self.wait_for(lambda: self.read(self.instance_dir("demo", "box-0"),
                                        "provision.log").count("Z boot ok") > boots,
                      "it has booted again", 120)
        self.ok("up", "--wait")
        self.assertEqual(self.sh("box-0", known), "1\n2\n10.9.9.9 mine\n")
        self.compose(text)
        self.ok("up", "--wait", "--remove-orphans")
        self.assertEqual(self.sh("box-0", "grep -c extra /etc/hosts || true"), "0\n")

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
