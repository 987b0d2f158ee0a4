# SPDX-License-Identifier: Apache-2.0
"""The man pages and the tables they are made from say the same, and mandoc likes them."""

import glob
import os
import re
import shutil
import subprocess

import holostest
from holostest import BUILD, FakeTest

MAN = os.path.join(BUILD, "share", "man")
SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


class ManTest(FakeTest):
    def page(self, name):
        """As it is read."""
        path = os.path.join(MAN, f"man{name[-1]}", name)
        self.assertIsNotNone(shutil.which("mandoc"), "mandoc is not installed: ./dev setup")
        done = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=200", path],
                              stdout=subprocess.PIPE, check=True)
        return re.sub(r".\x08", "", done.stdout.decode())

    def verbs(self):
        out = self.ok("__complete", "--", "").out
        return [line.split("\t")[0] for line in out.splitlines() if not line.startswith("-")]

    def test_mandoc_has_nothing_to_say(self):
        pages = [p for p in glob.glob(MAN + "/*/*") if not os.path.islink(p)]
        self.assertGreater(len(pages), 7)
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual(done.stdout.decode(), "")

    def test_every_verb_and_option(self):
        overview = self.page("holos.1")
        for verb in self.verbs():
            self.assertRegex(overview, rf"(?m)^ +{verb}$")
            text = self.page(f"holos-{verb}.1")
            part = text.split(f"\nHOLOS {verb}\n")[1].split("\nHOLOS ")[0]
            flat = " ".join(part.split())
            help_ = self.ok("help", verb).out
            options = help_.split("\noptions:\n")[-1].split("\nexamples:\n")
            for left in re.findall(r"(?m)^  (-\w, |    )(--[a-z-]+ ?[^ \n]*)", options[0]):
                with self.subTest(verb=verb, option=left[1]):
                    self.assertIn("".join(left).strip(), flat)
            for example in re.findall(r"(?m)^  (\S.*?)(?:  .*)?$", options[1]):
                self.assertIn(example, part)
            usage = help_.splitlines()[0].replace("usage: ", "").strip()
            self.assertIn(usage, " ".join(text.split()))

    def test_every_key_of_the_compose_file(self):
        text = " ".join(self.page("holos.yaml.5").split())
        schema = self.ok("config", "--schema").json()
        keys = []

        def walk(node):
            if isinstance(node, dict):
                for key, value in node.get("properties", {}).items():
                    keys.append((key, value["description"]))
                for value in node.values():
                    walk(value)
            elif isinstance(node, list):
                for value in node:
                    walk(value)

        walk(schema)
        self.assertGreater(len(keys), 80)
        for key, description in keys:
            with self.subTest(key=key):
                self.assertIn(f"{key}: ", text)
                self.assertIn(description.replace("`", ""), text)

    def test_every_variable_of_the_environment(self):
        text = self.page("holos.1")
        for path in glob.glob(SOURCES + "/core/**/*.c", recursive=True) + \
                glob.glob(SOURCES + "/cli/*.c"):
            with open(path) as f:
                for name in re.findall(r'getenv\("(HOLOS_[A-Z_]+|NO_COLOR)"\)', f.read()):
                    if "_TEST_" not in name:
                        self.assertIn(name, text, path)

    def test_every_exit_status(self):
        text = self.page("holos.1").split("EXIT STATUS")[1].split("ENVIRONMENT")[0]
        with open(SOURCES + "/core/base/error.h") as f:
            source = f.read()
        codes = {int(n) for n in re.findall(r"ERR_[A-Z]+ = (\d+)", source)}
        self.assertIn(130, codes)
        self.assertEqual({int(n) for n in re.findall(r"(?m)^ +(\d+)$", text)}, codes | {0})


if __name__ == "__main__":
    holostest.main()
