# SPDX-License-Identifier: Apache-2.0
"""holos completion, in the real shells, at their own prompts."""

import os
import shutil

import holostest
from holostest import PROGRAM, FakeTest
from terminal import Terminal

COMPOSE = """
    name: demo
    services:
      web:
        image: ./base.qcow2
        replicas: 2
      database:
        image: ./base.qcow2
      extra:
        image: ./base.qcow2
        profiles: [debug]
"""


class CompletionTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.compose(COMPOSE)
        os.mkdir(f"{self.work}/directory")
        os.mkdir(f"{self.dir}/bin")
        os.symlink(PROGRAM, f"{self.dir}/bin/holos")
        self.env["PATH"] = f"{self.dir}/bin:{self.env['PATH']}"

    def shell(self, name):
        path = shutil.which(name)
        self.assertIsNotNone(path, f"{name} is not installed: ./dev setup")
        return path

    def words(self, *args):
        return [line.split("\t")[0] for line in self.ok("__complete", "--", *args).out.splitlines()]


class WordsTest(CompletionTest):
    """What is proposed, without a shell."""

    def test_verbs_and_options(self):
        self.assertEqual(self.words("val"), ["validate"])
        self.assertNotIn("__complete", self.words(""))
        self.assertIn("--version", self.words("-"))
        self.assertEqual(self.words("up", "--wait-"), ["--wait-timeout"])
        self.assertEqual(self.words("up", "web", "--remove"), ["--remove-orphans"])
        self.assertEqual(self.words("nosuch", ""), [])
        self.assertEqual(self.words("up", "--nosuch", ""), [])
        self.assertEqual(self.words(), self.words(""))

    def test_values(self):
        self.assertEqual(self.words("up", "--pull", ""), ["always", "missing", "never"])
        self.assertEqual(self.words("up", "--pull=a"), ["--pull=always"])
        self.assertEqual(self.words("up", "-f", ""), [":files"])
        self.assertEqual(self.words("ps", "--state-dir", ""), [":dirs"])
        self.assertEqual(self.words("up", "--profile", ""), ["debug"])
        self.assertEqual(self.words("up", "--timeou"), [])

    def test_names_of_the_file_and_of_the_state(self):
        self.assertEqual(self.words("up", ""), ["web", "database", "extra"])
        self.assertEqual(self.words("ps", "-p", ""), [])
        self.ok("up")
        self.assertEqual(self.words("ps", "-p", ""), ["demo"])
        self.assertEqual(sorted(self.words("logs", "web")), ["web", "web-0", "web-1"])
        self.assertEqual(sorted(self.words("logs", "demo", "")),
                         ["database", "database-0", "extra", "web", "web-0", "web-1"])
        elsewhere = self.holos("__complete", "--", "port", "-p", "demo", "data", cwd=self.dir)
        self.assertEqual(elsewhere.out.splitlines(), ["database\tservice", "database-0\trunning"])
        self.assertEqual(elsewhere.err, "")
        self.ok("down")

    def test_images_plugins_subcommands(self):
        images = self.words("run", "debian:1")
        self.assertIn("debian:13", images)
        self.assertEqual(images[-1], ":files")
        self.assertIn("debian", self.words("plugins", "show", "deb"))
        self.assertEqual(self.words("volume", ""), ["ls", "rm"])
        self.assertEqual(self.words("volume", "l"), ["ls"])
        self.assertEqual(self.words("completion", ""), ["bash", "zsh", "fish"])
        self.assertEqual(self.words("help", "resta"), ["restart"])

    def test_the_guests_words_are_not_ours(self):
        self.assertEqual(self.words("run", "debian:13", "--na"), [])
        self.assertEqual(self.words("up", "--", "--wa"), [])

    def test_nothing_is_written(self):
        for place in (["up", ""], ["run", ""], ["logs", ""], ["volume", "rm", ""]):
            self.words(*place)
        self.assertFalse(os.path.exists(self.state))

    def test_a_broken_file_proposes_nothing(self):
        self.compose("services: [")
        result = self.ok("__complete", "--", "up", "")
        self.assertEqual((result.out, result.err), ("", ""))


class ShellTest(CompletionTest):
    """The key is pressed."""

    CASES = [
        ("holos vali", "holos validate "),
        ("holos up --remo", "holos up --remove-orphans "),
        ("holos up data", "holos up database "),
        ("holos up --pull alw", "holos up --pull always "),
        ("holos up --pull=alw", "holos up --pull=always "),
        ("holos run debian:bookw", "holos run debian:bookworm "),
        ("holos up -f holos.y", "holos up -f holos.yaml "),
        ("holos ps --state-dir direc", "holos ps --state-dir directory/"),
        ("holos restart --json web --no-d", "holos restart --json web --no-deps "),
    ]

    def bash(self):
        terminal = Terminal(self, "--norc", "--noprofile", "-i", program=self.shell("bash"),
                            size=(200, 24))
        terminal.type(". <(holos completion bash); bind 'set enable-bracketed-paste off'\r")
        return terminal

    def complete(self, terminal, typed, wanted):
        terminal.type(typed + "\t")
        # The rest is written behind what was typed, perhaps with colours between.
        terminal.wait_for(wanted.rstrip("/ ")[len(typed):])
        terminal.type("\x15")  # Ctrl-U: the line goes
        terminal.type("echo done:$((40+2))\r")
        terminal.wait_for("done:42")

    def test_bash(self):
        with self.bash() as terminal:
            for typed, wanted in self.CASES:
                with self.subTest(typed=typed):
                    self.complete(terminal, typed, wanted)

    def test_bash_knows_more_than_one(self):
        with self.bash() as terminal:
            terminal.type("holos st\t\t")
            terminal.wait_for("start +stop")

    def test_zsh(self):
        with Terminal(self, "-f", "-i", program=self.shell("zsh"), size=(200, 24)) as terminal:
            terminal.type("autoload -Uz compinit; compinit -u -D; . <(holos completion zsh)\r")
            for typed, wanted in self.CASES:
                with self.subTest(typed=typed):
                    self.complete(terminal, typed, wanted)

    def test_zsh_as_an_autoloaded_function(self):
        os.mkdir(f"{self.work}/functions")
        with open(f"{self.work}/functions/_holos", "w") as f:
            f.write(self.ok("completion", "zsh").out)
        with Terminal(self, "-f", "-i", program=self.shell("zsh"), size=(200, 24)) as terminal:
            terminal.type("fpath=($PWD/functions $fpath); autoload -Uz compinit; compinit -u -D\r")
            self.complete(terminal, "holos vali", "holos validate")
            self.complete(terminal, "holos up data", "holos up database")

    def test_fish(self):
        for typed, wanted in self.CASES:
            with self.subTest(typed=typed):
                script = f"holos completion fish | source; complete -C '{typed}'"
                run = self.spawn([self.shell("fish"), "--no-config", "-c", script])
                result = run.finish()
                self.assertEqual((result.status, result.err), (0, ""), f"{result}")
                words = [line.split("\t")[0] for line in result.out.splitlines()]
                self.assertIn(wanted.split()[-1], words)


if __name__ == "__main__":
    holostest.main()
