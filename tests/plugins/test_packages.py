# SPDX-License-Identifier: Apache-2.0
"""What packagers get: core alone, and core with each single package, each in a
clean root of dpkg's."""

import glob
import json
import os
import re
import subprocess

import holostest
from holostest import BUILD, HOST, FakeTest

HEAVY = re.compile(r"libssh|libcurl|libarchive|libxml2|libssl")
ONLY = {"holos-guest": "libssh", "holos-fetch": "libcurl",
        "holos-plugin-provision-cloud-init": "libarchive",
        "holos-plugin-importer-virsh": "libxml2"}


class PackagesTest(FakeTest):
    timeout = 60

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.packages = {}
        done = subprocess.run(["cpack"], cwd=BUILD, capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stdout + done.stderr)
        for path in glob.glob(os.path.join(BUILD, "packages", "*.deb")):
            cls.packages[cls.field(path, "Package")] = path

    @staticmethod
    def field(path, name):
        # Not run(): it would miss a child that the harness reaped.
        with subprocess.Popen(["dpkg-deb", "-f", path, name], stdout=subprocess.PIPE,
                              text=True) as child:
            return child.stdout.read().strip()

    def install(self, *names):
        """A root with these packages and nothing else; libraries are this machine's."""
        root = os.path.join(self.dir, "root-" + names[-1])
        for d in "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log":
            os.makedirs(os.path.join(root, d))
        open(os.path.join(root, "var/lib/dpkg/status"), "w").close()
        done = self.spawn(["dpkg", "--root=" + root, "--force-depends", "--force-not-root",
                           "-i", *[self.packages[n] for n in names]],
                          cwd=self.work, env=self.env).finish(60)
        self.assertEqual(done.status, 0, done.err)
        return root

    def run_in(self, root, *args):
        program = os.path.join(root, "usr", "bin", "holos")
        return self.spawn([program, *args], cwd=self.work, env=self.env).finish(60)

    def listed(self, root):
        done = self.run_in(root, "plugins", "--json")
        self.assertEqual(done.status, 0, done.err)
        return {f"{p['kind']}-{p['name']}": p for p in json.loads(done.out)}

    def test_names_and_dependencies(self):
        self.assertLessEqual({"holos", "holos-core", "holos-guest", "holos-plugin-dev",
                              "holos-plugin-net-user", "holos-plugin-health-http"},
                             set(self.packages))
        for name, path in self.packages.items():
            depends = self.field(path, "Depends")
            heavy = set(HEAVY.findall(depends))
            if name not in ONLY:
                self.assertEqual(heavy, set(), f"{name}: {depends}")
            else:
                self.assertIn(ONLY[name], heavy, f"{name}: {depends}")
            if name.startswith("holos-plugin-") and name != "holos-plugin-dev":
                self.assertIn("holos-plugin-abi-1", depends)
                self.assertNotIn("holos-core", depends)
        self.assertEqual(self.field(self.packages["holos-core"], "Provides"), "holos-plugin-abi-1")
        meta = self.field(self.packages["holos"], "Depends")
        for name in self.packages:
            if name not in ("holos", "holos-plugin-dev"):
                self.assertIn(name, meta)

    def test_core_alone(self):
        root = self.install("holos-core")
        self.assertEqual(self.run_in(root, "version").status, 0)
        self.assertEqual(self.listed(root), {})
        self.compose("""
            name: demo
            services: {web: {image: micro}}
            """)
        done = self.run_in(root, "validate")
        self.assertNotEqual(done.status, 0)
        self.assertIn("holos-plugin-image-micro", done.err)
        self.compose("""
            name: demo
            services: {web: {image: ./base.qcow2}}
            """)
        done = self.run_in(root, "up")
        self.assertEqual(done.status, HOST, done.err)
        self.assertRegex(done.err, r"holos-plugin-(image-file|net-user|net-multicast|"
                                      r"provision-cloud-init), not installed")

    def test_core_and_each_plugin(self):
        for name in sorted(self.packages):
            if not name.startswith("holos-plugin-") or name == "holos-plugin-dev":
                continue
            with self.subTest(name):
                plugin = name[len("holos-plugin-"):]
                root = self.install("holos-core", name)
                got = self.listed(root)
                self.assertEqual(set(got), {plugin})
                self.assertEqual(got[plugin]["state"], "ok")
                self.assertEqual(got[plugin]["package"], name)
                done = self.run_in(root, "plugins", "show", plugin)
                self.assertEqual(done.status, 0, done.err)
                self.assertRegex(done.out, r"(?m)^probe: +works here$")
                done = self.run_in(root, "plugins", "check", got[plugin]["file"])
                self.assertEqual(done.status, 0, done.out)


if __name__ == "__main__":
    holostest.main()
