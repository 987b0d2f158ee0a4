# SPDX-License-Identifier: Apache-2.0
"""What the compose file says is what the guest has: files, order, environment, disk, host key."""

import holostest
from holostest import GuestTest


class FirstBootTest(GuestTest):
    def test_all(self):
        self.compose(r"""
            name: demo
            services:
              box:
                image: micro
                vm: {disk_size: 700M}
                hostname: box.example.org
                environment: {MODE: "it's on", HASH: 'a#b "c"', PRICE: "$$HOME & 5$$"}
                extra_hosts: ["gateway:10.0.2.2"]
                cloud_init:
                  write_files:
                    - {path: /etc/test/secret, content: "$HOME is text\n", permissions: "0600"}
                    - {path: /opt/scores, content: "1\n", permissions: "2640", owner: "nobody:nogroup"}
                    - {path: "/opt/a name", content: "no newline, 'quotes' \\ and \"more\""}
                  bootcmd: ["echo bootcmd >>/order"]
                  runcmd:
                    - "test -s /etc/test/secret && echo runcmd >>/order"
                    - [sh, -c, 'echo "$0" >>/order', "two  words"]
            """)
        self.ok("up", "--wait")
        # Its last command may be under way still.
        self.wait_for(lambda: "two" in self.sh("box-0", "cat /order"), "the end of runcmd", 60)
        self.check_files()
        self.assertEqual(self.sh("box-0", "cat /order"), "bootcmd\nruncmd\ntwo  words\n")
        self.assertEqual(self.sh("box-0", "echo \"$MODE|$HASH|$PRICE\""),
                         "it's on|a#b \"c\"|$HOME & 5$\n")
        self.assertEqual(self.sh("box-0", "hostname; grep -E 'gateway|127.0.1.1' /etc/hosts"),
                         "box\n127.0.1.1 box.example.org box\n10.0.2.2 gateway\n")
        kib = self.sh("box-0", "df -k / | awk 'NR == 2 { print $2 }'")
        self.assertGreater(int(kib), 500 << 10, "the file system did not grow")
        self.check_changed_host_key()

    def check_files(self):
        self.assertEqual(
            self.sh("box-0", "sudo stat -c '%a %U:%G %n' /etc/test /etc/test/secret /opt/scores"
                    " '/opt/a name'; sudo cat /etc/test/secret; cat '/opt/a name'"),
            "755 root:root /etc/test\n600 root:root /etc/test/secret\n"
            "2640 nobody:nogroup /opt/scores\n644 root:root /opt/a name\n$HOME is text\n"
            "no newline, 'quotes' \\ and \"more\"")

    def check_changed_host_key(self):
        """Who answers with another key than the one that holos gave is not the guest."""
        self.sh("box-0", "sudo sh -c 'cd /etc/dropbear && rm dropbear_ed25519_host_key &&"
                " dropbearkey -t ed25519 -f dropbear_ed25519_host_key >/dev/null &&"
                " old=$(cat /var/run/dropbear.pid) && kill $old &&"
                " { while kill -0 $old 2>/dev/null; do :; done;"
                " dropbear -p 22 -r /etc/dropbear/dropbear_ed25519_host_key; }'")
        result = self.holos("exec", "-T", "demo", "box-0", "echo", "hello", timeout=90)
        self.assert_failed(result, holostest.HOLOS,
                           r"host key of box-0 .* is SHA256:.* expects .*not connecting")
        self.assertEqual(result.out, "")


if __name__ == "__main__":
    holostest.main()
