# SPDX-License-Identifier: Apache-2.0
"""Does tests/check-layers find what it is there to find?"""

import os
import subprocess
import sys
import tempfile
import unittest

CHECK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../check-layers")


def check(files):
    """The output of check-layers on a tree of these files, and its exit status."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                f.write(text)
        p = subprocess.run([sys.executable, CHECK, root], capture_output=True, text=True,
                           check=False)
    return p.stdout, p.returncode


class Layers(unittest.TestCase):
    def good(self, files):
        self.assertEqual(check(files), ("", 0))

    def bad(self, path, line, says):
        out, status = check({path: "/* first */\n" + line + "\n", "core/base/error.h": ""})
        self.assertEqual(status, 1)
        self.assertTrue(out.startswith(path + ":2: "), out)
        self.assertIn(says, out)

    def test_downwards_is_allowed(self):
        self.good({
            "core/base/a.c": "#include <base/b.h>\n#include <stdio.h>\n#include <sys/stat.h>\n",
            "core/compose/a.c": "#include <base/b.h>\n#include <yaml.h>\n",
            "core/plan/a.c": "#include <compose/a.h>\n",
            "core/engine/a.c": "#include <state/a.h>\n#include <monitor/a.h>\n",
            "core/guest/a.c": '#include "b.h"\n#include <libssh/libssh.h>\n',
            "core/guest/b.h": "",
            "core/plugin/a.c": "#include <holos/plugin.h>\n#include <guest/guest.h>\n",
            "core/plugin/worker/a.c": "# include <ltdl.h>\n",
            "cli/a.c": "#include <engine/keys.h>\n#include <cli.h>\n",
            "plugins/net/x/a.c": '#include <holos/net.h>\n#include "b.h"\n',
            "plugins/net/x/b.h": "",
        })

    def test_upwards_is_not(self):
        self.bad("core/base/a.c", "#include <compose/a.h>", "base must not include compose")
        self.bad("core/compose/a.h", "#include <plan/a.h>", "compose must not include plan")
        self.bad("core/vm/a.c", "  #  include <engine/a.h> // x", "vm must not include engine")
        self.bad("core/monitor/a.c", "#include <engine/a.h>", "monitor must not")
        self.bad("core/engine/a.c", "#include <cli/a.h>", "engine must not include cli")
        self.bad("core/engine/a.c", "#include <cli.h>", "only cli")

    def test_plan_is_pure(self):
        for other in ("state", "vm", "plugin", "guest"):
            self.bad("core/plan/a.c", "#include <%s/a.h>" % other, "plan must not")

    def test_neighbours(self):
        self.bad("core/state/a.c", "#include <vm/a.h>", "state must not include vm")
        self.bad("core/guest/a.c", "#include <plugin/a.h>", "guest must not include plugin")

    def test_plugins_know_the_sdk_alone(self):
        self.bad("plugins/net/x/a.c", "#include <base/error.h>", "nothing of core")
        self.bad("plugins/net/x/a.c", '#include "../../core/base/error.h"', "not beside it")
        self.bad("sdk/include/holos/a.h", "#include <base/error.h>", "nothing of core")

    def test_libraries(self):
        self.bad("core/plugin/a.c", "#include <ltdl.h>", "ltdl.h is for")
        self.bad("core/engine/a.c", "#include <libssh/libssh.h>", "libssh/libssh.h is for")
        self.bad("cli/a.c", "#include <yaml.h>", "yaml.h is for")
        self.bad("core/vm/a.c", "#include <curl/curl.h>", "curl/curl.h is for")
        self.bad("core/state/a.c", "#include <openssl/evp.h>", "openssl/evp.h is for")

    def test_quotes_mean_beside(self):
        self.bad("core/base/a.c", '#include "nowhere.h"', "not beside it")
        self.bad("core/base/a.c", '#include "../base/error.h"', "not beside it")

    def test_new_folders_are_placed_first(self):
        out, status = check({"core/misc/a.c": ""})
        self.assertEqual((out, status), ("core/misc/a.c: core/misc is no layer\n", 1))

    def test_nothing_to_check_is_no_success(self):
        self.assertEqual(check({"README": ""})[1], 1)


if __name__ == "__main__":
    unittest.main()
