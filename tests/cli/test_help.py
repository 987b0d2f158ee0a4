# SPDX-License-Identifier: Apache-2.0
"""What holos says of its verbs, byte by byte: help, and what is wrong with a command line.

golden/VERB.txt has what each verb prints.  After an intended change:
    HOLOS_GOLDEN_UPDATE=1 ... python3 tests/cli/test_help.py
and read the difference.
"""

import os
import re
import unicodedata

import holostest
from holostest import FakeTest

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
UPDATE = bool(os.environ.get("HOLOS_GOLDEN_UPDATE"))

# Beside `VERB --help`, `VERB --nonsense` and, where no operand is taken, `VERB surplus`.
MISTAKES = {
    "": [[], ["upp"], ["strat"], ["xyzzyplugh"], ["--jsno"], [""]],
    "up": [["--wiat"], ["--scale", "web"], ["--pull", "often"], ["--progress", "loud"], ["-f"],
           ["--no-recreate", "--yes"], ["--parallel", "0"], ["-f", "missing.yaml"], []],
    "run": [[], ["--name", "Not a name", "x"], ["--memory", "much", "x"], ["--vcpu", "x", "x"]],
    "stop": [["--timeout", "soon"], ["nosuch"]],
    "start": [["nosuch"]],
    "restart": [["--wait-timeout", "30"]],
    "kill": [["-s", "TERM"]],
    "wait": [["--timeout", "30"]],
    "down": [["--lock-timeout", "30"], ["../../etc"], ["nosuch"]],
    "ps": [["--filter", "colour=red"], ["--status", "tired"], ["--json=banana"], ["nosuch"]],
    "logs": [["-n", "-5"], ["-n", "many"], ["nosuch"]],
    "port": [[], ["--index", "x", "web"]],
    "exec": [[]],
    "cp": [[], ["a", "b"], ["a:x", "b:y"], ["a:x"], ["", "a:x"]],
    "console": [[], ["--tail", "-1", "x"], ["--detach-keys", "ctrl-5", "x"]],
    "config": [["web"]],
    "verify": [[], ["--all", "x"]],
    "images": [["rn"], ["rm"], ["prune", "x"], ["--all"]],
    "volume": [[], ["mv"], ["rm"]],
    "plugins": [["shwo"], ["show"], ["show", "nosuch"], ["check"]],
    "completion": [[], ["bush"], ["tcsh"]],
    "help": [["upp"], ["up", "down"]],
}
NO_OPERANDS = {"validate", "version"}


class GoldenTest(FakeTest):
    maxDiff = None

    def verbs(self):
        out = self.ok("__complete", "--", "").out
        return [line.split("\t")[0] for line in out.splitlines() if not line.startswith("-")]

    def transcript(self, verb):
        cases = list(MISTAKES.get(verb, []))
        if verb:
            cases = [["--help"], ["--nonsense"]] + cases
        else:
            cases = [["help"]] + cases
        if verb in NO_OPERANDS:
            cases.append(["surplus"])
        text = ""
        for case in cases:
            args = [verb] * bool(verb) + case
            result = self.holos(*args)
            shown = " ".join(a if re.match(r"[\w./=:-]+$", a) else repr(a) for a in args)
            text += f"$ holos {shown}".rstrip() + f"\n[{result.status}]\n{result.out}{result.err}\n"
        return text.replace(self.dir, "DIR")

    def test_every_verb(self):
        seen = set()
        for verb in ["", *self.verbs()]:
            with self.subTest(verb=verb):
                text = self.transcript(verb)
                path = os.path.join(GOLDEN, f"{verb or 'holos'}.txt")
                seen.add(os.path.basename(path))
                if UPDATE:
                    with open(path, "w", encoding="utf-8") as f:
                        f.write(text)
                self.assertTrue(os.path.exists(path), f"no {path}: see the top of this test")
                with open(path, encoding="utf-8") as f:
                    self.assertEqual(text, f.read())
        self.assertEqual(seen, set(os.listdir(GOLDEN)))

    def test_help_fits_a_terminal(self):
        for args in ["help"], *(["help", verb] for verb in self.verbs()):
            for line in self.ok(*args).out.splitlines():
                width = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
                self.assertLessEqual(width, 80, f"{args}: {line}")
                self.assertEqual(line, line.rstrip(), args)

    def test_each_verb_has_an_example_that_is_right(self):
        for verb in self.verbs():
            text = self.ok("help", verb).out
            self.assertIn("\nexamples:\n", text, verb)
            examples = text.split("\nexamples:\n")[1]
            self.assertIn(f"holos {verb}", examples, verb)
            # Its options are options of the verb.
            options = text.split("\noptions:\n")[-1].split("\nexamples:\n")[0]
            for line in re.findall(rf"(?m)^  .*?holos {verb}\b.*?(?:  |$)", examples):
                words = line.split(f"holos {verb}", 1)[1].split(" -- ")[0]
                for option in re.findall(r" (--?[a-z][a-z-]*)", words):
                    self.assertRegex(options, rf"(?<![\w-]){option}\b", f"{verb}: {line}")

    def test_every_place_is_known(self):
        """Completion knows what may stand for each operand and each value."""
        for verb in self.verbs():
            self.assertNotIn(":unknown", self.ok("__complete", "--", verb, "").out, verb)
            for option in re.findall(r"(?m)^ .{4}  --([a-z-]+) \S|^  -\w, --([a-z-]+) \S",
                                     self.ok("help", verb).out):
                name = "".join(option)
                out = self.ok("__complete", "--", verb, f"--{name}", "").out
                self.assertNotIn(":unknown", out, f"{verb} --{name}")


if __name__ == "__main__":
    holostest.main()
