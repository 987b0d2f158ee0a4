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
        self.wait_up("up")
        self.wait_for(lambda: "holos: build failed" in self.console("box-0"), "its end", WAIT)
        log = self.console("box-0").replace("\r", "")
        self.assertIn("holos: error: Dockerfile line 3: RUN echo \"what it said\"; cat /srv/nothing: "
                      "exited with status 1\n", log)
        self.assertIn("holos: output: what it said\n", log)
        self.assertIn("holos: output: cat: /srv/nothing: No such file or directory\n", log)
        self.assertEqual(self.lines("ls -d /sys/firmware/efi; ls /srv; findmnt -no FSTYPE /srv/data"),
                         ["/sys/firmware/efi", "data", "first", "ext4"])


if __name__ == "__main__":
    holostest.main()
