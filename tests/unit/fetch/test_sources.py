# SPDX-License-Identifier: Apache-2.0
"""What the distributions' sources serve, on x86_64 and on aarch64, against sources.txt.

`test_sources.py --write` writes the file anew.
"""

import glob
import json
import os
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "sources.txt")


def served(path):
    text = subprocess.run([os.environ["HOLOS_WORKER"], "--describe", path], check=True,
                          capture_output=True, text=True).stdout
    for iface in json.loads(text)["interfaces"]:
        for image in iface.get("serves") or []:
            if image["url"]:
                yield (image["arch"], image["ref"], image["user"], image["url"], image["digest_url"])


def lines():
    out = []
    for folder in os.environ["HOLOS_PLUGINS"], os.environ["HOLOS_AARCH64"]:
        for path in sorted(glob.glob(f"{folder}/holos-image-*.so")):
            for arch, ref, user, url, digest in served(path):
                out.append(f"{arch} {ref} {user}")
                out += [f"    {u}" for u in url.split()]
                out += [f"    = {u}" for u in digest.split()]
    return out


class Sources(unittest.TestCase):
    maxDiff = None

    def test_as_written_down(self):
        with open(GOLDEN) as f:
            self.assertEqual(lines(), f.read().splitlines())


if __name__ == "__main__":
    if "--write" in sys.argv:
        with open(GOLDEN, "w") as f:
            f.write("\n".join(lines()) + "\n")
    else:
        unittest.main()
