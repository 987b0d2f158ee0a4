# SPDX-License-Identifier: Apache-2.0
"""What the built programs and plugins link, export and ask of the loader.

Read with readelf(1) and nm(1): nothing is run.  HOLOS_LINK_BIN and its like are
the folders of the build.
"""

import os
import re
import subprocess
import unittest

# The C library, by whatever name, and the loader.
LIBC = re.compile(r"^(libc|libm|libdl|libpthread|librt|ld-linux[\w-]*|libc\.musl[\w-]*|ld-musl[\w-]*)\.so")

# docs/architecture.md, "What is linked where".
CORE = {"libyaml", "libjson-c", "libltdl"}
# The exec form of a Dockerfile is JSON, and so is an importer's model: nobody reads or
# writes JSON by hand here.
OWN = {"holos-provision-dockerfile.so": {"libjson-c"}, "holos-importer-virsh.so": {"libjson-c"}}
HEAVY = {"libssh", "libcurl", "libcrypto", "libssl", "libarchive", "libxml2"}


def run(*argv):
    env = dict(os.environ, LC_ALL="C")
    return subprocess.run(argv, capture_output=True, text=True, check=True, env=env).stdout


def needed(path):
    """The libraries that a file names, without the C library: "libyaml", ..."""
    names = re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-dW", path))
    return {re.sub(r"(-0)?\.so.*$", "", n) for n in names if not LIBC.match(n)}


def exports(path):
    return [line.split()[-1] for line in run("nm", "-D", "--defined-only", path).splitlines() if line]


def shared_objects(folder):
    if not os.path.isdir(folder):
        return []
    return sorted(os.path.join(folder, f) for f in os.listdir(folder) if f.endswith(".so"))


BIN = os.environ["HOLOS_LINK_BIN"]
LIBEXEC = os.environ["HOLOS_LINK_LIBEXEC"]
PLUGINS = shared_objects(os.environ["HOLOS_LINK_PLUGINS"])
MODULES = shared_objects(os.environ["HOLOS_LINK_MODULES"])
PROGRAMS = [os.path.join(BIN, "holos"), os.path.join(LIBEXEC, "holos-monitor"),
            os.path.join(LIBEXEC, "holos-worker"), os.path.join(LIBEXEC, "holos-copy")]
ALL = PROGRAMS + PLUGINS + MODULES


class Libraries(unittest.TestCase):
    def test_programs_start_light(self):
        for path in PROGRAMS[:2]:
            with self.subTest(path):
                self.assertLessEqual(needed(path), CORE)

    def test_worker_loads_and_knows_nothing_else(self):
        if os.environ.get("HOLOS_LINK_STATIC"):
            self.skipTest("plugins are linked into it")
        self.assertLessEqual(needed(PROGRAMS[2]), CORE)

    def test_copier_knows_tar_alone(self):
        self.assertLessEqual(needed(PROGRAMS[3]), {"libjson-c", "libarchive"})

    def test_plugins_bring_what_they_need(self):
        for path in PLUGINS:
            with self.subTest(path):
                self.assertLessEqual(needed(path) & CORE, OWN.get(os.path.basename(path), set()),
                                     "core's libraries are core's")

    def test_modules_are_why_they_exist(self):
        for path in MODULES:
            with self.subTest(path):
                self.assertTrue(needed(path) & HEAVY)


class Symbols(unittest.TestCase):
    def test_a_plugin_exports_one(self):
        for path in PLUGINS:
            name = re.sub(r"\.so$", "", os.path.basename(path)).replace("-", "_")
            with self.subTest(path):
                self.assertEqual(exports(path), [name + "_LTX_holos_plugin_v1"])

    def test_a_module_exports_one(self):
        for path in MODULES:
            with self.subTest(path):
                self.assertEqual(len(exports(path)), 1, exports(path))

    def test_programs_export_nothing_of_ours(self):
        for path in PROGRAMS:
            with self.subTest(path):
                ours = [s for s in exports(path) if not s.startswith("_")
                        and s.split("@")[0] not in ("stdout", "stderr", "stdin", "environ",
                                                    "optarg", "optind")]
                self.assertEqual(ours, [])


class Hardening(unittest.TestCase):
    def test_bound_at_the_start(self):
        for path in ALL:
            self.assertRegex(run("readelf", "-dW", path), r"BIND_NOW|\(FLAGS_1\).*\bNOW\b", path)
            self.assertIn("GNU_RELRO", run("readelf", "-lW", path), path)

    def test_position_independent(self):
        for path in ALL:
            self.assertRegex(run("readelf", "-hW", path), r"Type:\s+DYN", path)
            self.assertNotIn("TEXTREL", run("readelf", "-dW", path), path)

    def test_no_search_path_of_its_own(self):
        for path in ALL:
            self.assertNotRegex(run("readelf", "-dW", path), r"\((RPATH|RUNPATH)\)", path)

    def test_stack_is_no_code(self):
        for path in ALL:
            self.assertRegex(run("readelf", "-lW", path), r"GNU_STACK\s+(0x[0-9a-f]+\s+){5}RW\s", path)


class There(unittest.TestCase):
    """An empty folder would make all of the above pass."""

    def test_all_is_built(self):
        for path in PROGRAMS:
            self.assertTrue(os.path.exists(path), path)
        if not os.environ.get("HOLOS_LINK_STATIC"):
            self.assertTrue(PLUGINS)


if __name__ == "__main__":
    unittest.main()
