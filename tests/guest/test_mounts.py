# SPDX-License-Identifier: Apache-2.0
"""Bind mounts and a named volume, seen from inside (W2, W27, W28, W30)."""

import os
import stat

import holostest
from holostest import GuestTest


class MountTest(GuestTest):
    def setUp(self):
        super().setUp()
        for name in "rw", "ro":
            os.mkdir(os.path.join(self.work, name))
            with open(os.path.join(self.work, name, "from-host"), "w") as f:
                f.write(f"hello {name}\n")
        os.symlink("from-host", os.path.join(self.work, "ro", "link"))
        self.compose("""
            name: demo
            services:
              box:
                image: micro
                volumes:
                  - ./rw:/mnt/read-write
                  - ./ro:/mnt/read-only:ro
                  - a-volume-with-a-long-name:/mnt/data
                cloud_init:
                  runcmd:
                    - "mountpoint -q /mnt/data && echo mounted >/mnt/data/at-runcmd"
                    - "cat /mnt/read-only/from-host >/root/at-runcmd"
            volumes:
              a-volume-with-a-long-name: {size: 64M}
            """)

    def test_all(self):
        self.ok("up", "--wait")
        self.check_binds()
        self.check_volume_is_fresh()
        self.check_stop_and_start()
        self.check_down_and_up()

    def check_binds(self):
        self.assertEqual(self.guest("box-0", "cat", "/mnt/read-write/from-host"), "hello rw\n")
        self.assertEqual(self.guest("box-0", "cat", "/mnt/read-only/from-host"), "hello ro\n")
        self.assertEqual(self.guest("box-0", "readlink", "/mnt/read-only/link"), "from-host\n")
        self.assertEqual(self.guest("box-0", "cat", "/mnt/read-only/link"), "hello ro\n")
        self.sh("box-0", "sudo ln -s from-host /mnt/read-write/link")
        self.assertEqual(self.guest("box-0", "cat", "/mnt/read-write/link"), "hello rw\n")
        self.check_nothing_of_root()
        self.sh("box-0", "echo from guest | sudo tee /mnt/read-write/from-guest >/dev/null")
        self.assertEqual(self.read(self.work, "rw", "from-guest"), "from guest\n")
        self.sh("box-0", "echo no | sudo tee /mnt/read-only/from-guest", status=1)
        self.assertEqual(sorted(os.listdir(os.path.join(self.work, "ro"))),
                         ["from-host", "link"])
        with open(os.path.join(self.work, "rw", "later"), "w") as f:
            f.write("later\n")
        self.assertEqual(self.guest("box-0", "cat", "/mnt/read-write/later"), "later\n")

    def check_nothing_of_root(self):
        """Whoever runs holos: a guest's root makes no set-uid file of root on the host."""
        self.sh("box-0", "sudo cp /bin/busybox /mnt/read-write/su && "
                         "sudo chmod 4755 /mnt/read-write/su")
        st = os.stat(os.path.join(self.work, "rw", "su"))
        self.assertFalse(st.st_uid == 0 and st.st_mode & stat.S_ISUID, oct(st.st_mode))
        for name in "su", "dev":
            self.sh("box-0", f"sudo mknod /mnt/read-only/{name} c 1 3", status=1)

    def check_volume_is_fresh(self):
        mounts = self.sh("box-0", "grep ' /mnt/data ' /proc/mounts").split()
        self.assertEqual(mounts[2], "ext4")
        self.assertIn("rw", mounts[3].split(","))
        # Mounted before commands ran (W27), and the shares too.
        self.assertEqual(self.guest("box-0", "cat", "/mnt/data/at-runcmd"), "mounted\n")
        self.assertEqual(self.sh("box-0", "sudo cat /root/at-runcmd"), "hello ro\n")
        self.sh("box-0", "echo precious | sudo tee /mnt/data/file >/dev/null; sync")
        self.sh("box-0", "echo on root disk | sudo tee /root/file >/dev/null; sync")

    def check_stop_and_start(self):
        """Mounts are there after a reboot; commands of the first boot ran once."""
        self.sh("box-0", "sudo rm /mnt/data/at-runcmd")
        self.ok("stop")
        self.ok("start")
        self.ok("up", "--wait")
        self.assertEqual(self.guest("box-0", "cat", "/mnt/data/file"), "precious\n")
        self.assertEqual(self.guest("box-0", "cat", "/mnt/read-write/later"), "later\n")
        self.assertEqual(self.sh("box-0", "sudo cat /root/file"), "on root disk\n")
        self.sh("box-0", "test ! -e /mnt/data/at-runcmd")

    def check_down_and_up(self):
        self.ok("down")
        self.ok("up", "--wait")
        self.assertEqual(self.guest("box-0", "cat", "/mnt/data/file"), "precious\n")
        self.sh("box-0", "sudo test ! -e /root/file")


if __name__ == "__main__":
    holostest.main()
