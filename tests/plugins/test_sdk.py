# SPDX-License-Identifier: Apache-2.0
"""docs/plugins.md: every command of it, against the installed SDK."""

import os
import re

from sdktest import SdkTest, TOP, holostest


class DocumentTest(SdkTest):
    health_bypass = False

    def test_every_command(self):
        with open(os.path.join(TOP, "docs", "plugins.md")) as f:
            blocks = re.findall(r"(?ms)^```sh\n(.*?)^```$", f.read())
        self.assertGreater(len(blocks), 6)
        # One shell, as the reader has it.  The micro image needs a real QEMU.
        script = "set -eux\n" + "".join(blocks).replace("image: micro", f"image: {self.image}")
        out = self.run_ok("sh", "-c", script)
        for said in ("1.0\n", "ok  ", "health     hello", "works here", "100% tests passed"):
            self.assertIn(re.sub(r" +", " ", said), re.sub(r" +", " ", out))
        self.assertNotIn("FAIL", out)
        self.assertEqual(sorted(os.listdir(os.path.join(self.home, ".local/lib/holos/plugins"))),
                         ["holos-health-hello.json", "holos-health-hello.so"])

    def test_man_pages_are_installed(self):
        for page in "holos-plugin.7", "holos-plugin-api.3", "holos-plugin-check.1":
            with open(self.installed(page)) as f:
                self.assertIn('.TH "' + page.rsplit(".", 1)[0], f.read())


if __name__ == "__main__":
    holostest.main()
