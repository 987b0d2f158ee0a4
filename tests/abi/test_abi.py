# SPDX-License-Identifier: Apache-2.0
"""The promise of ABI 1: plugins and headers of released minors go on working.

For every minor N that was released, tests/abi/1.N has its headers, its constants
and a plugin of its time; sdk/abi/1.N.abi is what abidw said of it (freeze.sh).
"""

import glob
import os
import platform
import re
import shutil
import subprocess
import tempfile
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NOW = os.path.join(TOP, "sdk", "include")
RELEASED = sorted(glob.glob(os.path.join(TOP, "tests", "abi", "1.*")))
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
CC = os.environ.get("CC", "cc")


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True)


class AbiTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="ha")
        self.addCleanup(shutil.rmtree, self.dir)

    def compile(self, *argv):
        done = run(*argv)
        self.assertEqual(done.returncode, 0, " ".join(argv) + "\n" + done.stderr)

    def path(self, name):
        return os.path.join(self.dir, name)

    def json_c(self):
        return run("pkg-config", "--cflags", "--libs", "json-c").stdout.split()

    def test_there_is_a_released_minor(self):
        self.assertTrue(RELEASED)

    def test_headers_stand_alone(self):
        compilers = [(c, *std) for c, std in ((CC, ("c", "c11")), ("clang-14", ("c", "c11")),
                     ("c++", ("c++", "c++17")), ("clang++-14", ("c++", "c++17")))
                     if shutil.which(c)]
        self.assertTrue(any(lang == "c" for _, lang, _ in compilers))
        for header in sorted(os.listdir(os.path.join(NOW, "holos"))):
            for compiler, lang, std in compilers:
                with self.subTest(header=header, compiler=compiler):
                    source = self.path("one." + lang)
                    with open(source, "w") as f:
                        f.write(f"#include <holos/{header}>\n#include <holos/{header}>\n"
                                "int holos_nothing(void);\n")
                    self.compile(compiler, "-x", lang, f"-std={std}", *STRICT, "-I", NOW,
                                 "-fsyntax-only", source)

    def test_constants_and_offsets(self):
        for released in RELEASED:
            with self.subTest(released):
                program = self.path("constants")
                self.compile(CC, "-std=c11", "-I", NOW, "-o", program,
                             os.path.join(released, "constants.c"))
                self.assertEqual(run(program).returncode, 0)

    def test_old_and_new_together(self):
        """{old, new headers} of the plugin with {old, new headers} of the host."""
        kit = [os.path.join(TOP, "sdk", "testkit", f) for f in ("testkit.c", "tables.c")]
        host = os.path.join(TOP, "tests", "abi", "host.c")
        flags = ["-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Werror", "-g"]
        for released in RELEASED:
            old = os.path.join(released, "include")
            for plugin_headers in old, NOW:
                for host_headers in old, NOW:
                    with self.subTest(plugin=plugin_headers, host=host_headers):
                        plugin, program = self.path("plugin.o"), self.path("host")
                        self.compile(CC, *flags, "-I", plugin_headers, "-c", "-o", plugin,
                                     os.path.join(released, "plugin.c"))
                        # testkit.h is in the tree of today alone.
                        self.compile(CC, *flags, "-I", host_headers, "-I", NOW, "-o", program,
                                     host, *kit, plugin, *self.json_c())
                        done = run(program)
                        self.assertEqual(done.returncode, 0, done.stderr)

    def probe(self, minor, include=NOW):
        out = self.path("probe.so")
        self.compile(CC, "-std=c11", "-g", "-O0", "-fPIC", "-shared",
                     f"-DHOLOS_ABI_TARGET={minor}", "-I", include, "-o", out,
                     os.path.join(TOP, "tests", "abi", "probe.c"))
        return out

    def abidiff(self, minor, probe):
        kept = os.path.join(TOP, "sdk", "abi", f"1.{minor}.abi")
        return run("abidiff", kept, probe)

    def minors(self):
        self.assertEqual(platform.machine(), "x86_64", "sdk/abi is of that machine")
        self.assertTrue(shutil.which("abidiff"), "install abigail-tools")
        return [int(r.rsplit(".", 1)[1]) for r in RELEASED]

    def test_abidiff_gate(self):
        for minor in self.minors():
            with self.subTest(minor):
                done = self.abidiff(minor, self.probe(minor))
                self.assertEqual(done.returncode, 0, done.stdout)

    def test_the_gate_notices(self):
        """Inserted fields, retyped ones, changed signatures, each in a copy of the headers."""
        changes = (("plugin.h", r"(\tconst char \*id;  )", r"\tuint32_t inserted;\n\1"),
                   ("guest.h", r"uint32_t ssh_port;", r"uint64_t ssh_port;"),
                   ("health.h", r"holos_call \*call, holos_error \*err\);\n};",
                    r"holos_error *err, holos_call *call);\n};"))
        for minor in self.minors():
            for header, pattern, new in changes:
                with self.subTest(minor=minor, header=header):
                    copy = self.path("include")
                    shutil.rmtree(copy, ignore_errors=True)
                    shutil.copytree(NOW, copy)
                    name = os.path.join(copy, "holos", header)
                    with open(name) as f:
                        text = f.read()
                    changed = re.sub(pattern, new, text, count=1)
                    self.assertNotEqual(changed, text, "the pattern is out of date")
                    with open(name, "w") as f:
                        f.write(changed)
                    done = self.abidiff(minor, self.probe(minor, copy))
                    self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
