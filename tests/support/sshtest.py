# SPDX-License-Identifier: Apache-2.0
"""VMs of the fake QEMU with a real SSH server: dropbear, with the VM's host key and the
project's user key, and this host's programs behind it.

Every login is the caller's, with a home of the VM's own (tests/unit/guest/fake_passwd.c).
"""

import os
import shutil
import stat
import textwrap
import unittest

from holostest import BUILD, FakeTest

FAKE_PASSWD = os.path.join(BUILD, "tests", "test-fake-passwd.so")


class SshTest(FakeTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for program in "dropbear", "dropbearconvert":
            if not shutil.which(program, path="/usr/sbin:/usr/bin"):
                raise unittest.SkipTest(f"no {program} here")

    def setUp(self):
        super().setUp()
        self.behave(ssh_run=self.script("server", self.server()))

    def script(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write("#!/bin/sh\n" + textwrap.dedent(text))
        os.chmod(path, stat.S_IRWXU)
        return path

    def server(self):
        """What answers a connection to port 22 of VM $1."""
        return f"""
            vm={self.state}/instances/demo/$1 home={self.dir}/guest/$1
            if [ ! -d "$home" ]; then
                new=$(mktemp -d {self.dir}/newXXXXXX)
                mkdir -p "$new/.ssh" {self.dir}/guest
                cp {self.state}/ssh/demo/id_ed25519.pub "$new/.ssh/authorized_keys"
                dropbearconvert openssh dropbear "$vm/ssh_host_ed25519_key" "$new/.key" 2>/dev/null
                mv -T "$new" "$home" 2>/dev/null || rm -rf "$new"
            fi
            export LD_PRELOAD={FAKE_PASSWD} FAKE_HOME=$home
            exec /usr/sbin/dropbear -i -r "$home/.key" 2>>{self.dir}/sshd.log
            """

    def guest_home(self, instance="web-0"):
        return os.path.join(self.dir, "guest", instance)

    def up(self, replicas=1, extra=""):
        self.compose(f"""
            name: demo
            services:
              web: {{image: {self.image}, replicas: {replicas}, cloud_init: {{user: tester}}{extra}}}
            """)
        self.ok("up")
