# SPDX-License-Identifier: Apache-2.0
"""The same image by UEFI, and a RUN that fails in it."""

import os

import holostest
from debianimage import WAIT, DebianTest

DOCKERFILE = """\
FROM ./debian.qcow2
RUN echo first >/srv/first
RUN echo "what it said"; cat /srv/nothing
RUN touch /srv/never
"""


class UefiTest(DebianTest):
    def test_boot(self):
        with open(os.path.join(self.work, "Dockerfile"), "w") as f:
            f.write(DOCKERFILE)
        self.compose("""
            name: demo
            services:
              box:
                dockerfile: ./Dockerfile
                vm: {memory: 1G, cpus: 2, uefi: true}
                volumes: ["data:/srv/data"]
                cloud_init: {user: debian}
            volumes: {data: {size: 64M}}
            """)
        result = self.fails(holostest.TIMEOUT, "up", "--wait", "--wait-timeout", f"{WAIT}s",
                            timeout=WAIT + 60)
        self.assertRegex(result.err, "provisioning failed: Dockerfile line 3: RUN echo .*: "
                         "exited with status 1")
        self.assertIn("what it said\n", result.err)
        self.assertIn("cat: /srv/nothing: No such file or directory\n", result.err)
        self.assertEqual(self.lines("ls -d /sys/firmware/efi; ls /srv; findmnt -no FSTYPE /srv/data"),
                         ["/sys/firmware/efi", "data", "first", "ext4"])


if __name__ == "__main__":
    holostest.main()
