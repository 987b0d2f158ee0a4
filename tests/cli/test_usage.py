# SPDX-License-Identifier: Apache-2.0
"""The command line itself: help, version, mistakes (holos.md section 1)."""

import holostest
from holostest import FAILED, OK, PROGRAM, USAGE, FakeTest

VERBS = "up run down ps start stop exec console cp logs validate plugins version help".split()


class HelpTest(FakeTest):
    def test_help_lists_every_verb(self):
        for args in ["help"], ["--help"], ["-h"]:
            with self.subTest(args=args):
                result = self.ok(*args)
                self.assertTrue((result.out + result.err).startswith(
                    "holos - docker compose for KVM"), f"{result}")
                for verb in VERBS:
                    self.assertRegex(result.out + result.err, rf"(?m)^\s+(holos )?{verb}\b")

    def test_help_of_each_verb(self):
        for verb in VERBS:
            with self.subTest(verb=verb):
                by_option = self.ok(verb, "--help")
                self.assertRegex(by_option.out, rf"holos {verb}\b", f"{by_option}")
                self.assertEqual(self.ok("help", verb).out, by_option.out)
                self.assertEqual(self.ok(verb, "-h").out, by_option.out)

    def test_help_names_the_options(self):
        text = self.ok("up", "--help").out
        for option in "--file", "--project", "--state-dir", "--recreate":
            self.assertIn(option, text)

    def test_version(self):
        result = self.ok("version")
        self.assertRegex(result.out, r"^holos \d+\.\d+\.\d+")
        self.assertEqual(self.ok("--version").out, result.out)
        short = self.ok("version", "--short").out
        self.assertRegex(short, r"^\d+\.\d+\.\d+\S*\n$")
        self.assertEqual(self.ok("version", "--json").json()["version"], short.strip())


class MistakeTest(FakeTest):
    def test_nothing_asked(self):
        result = self.holos()
        self.assertEqual(result.status, USAGE, f"{result}")
        self.assertEqual(result.out, "")
        self.assertIn("holos - docker compose for KVM", result.err)

    def test_unknown_verb(self):
        for wrong, right in ("upp", "up"), ("strat", "start"), ("validat", "validate"):
            with self.subTest(wrong=wrong):
                self.fails(USAGE, wrong, match=[rf"{wrong}", rf"did you mean .*\b{right}\b"])
        self.assertNotIn("did you mean", self.fails(USAGE, "xyzzyplugh").err)

    def test_unknown_option(self):
        self.fails(USAGE, "ps", "--jsn", match=["--jsn", r"did you mean .*--json"])
        self.fails(USAGE, "up", "--frobnicate", match="--frobnicate")
        self.fails(USAGE, "up", "-%", match="%")

    def test_option_without_its_value(self):
        self.fails(USAGE, "up", "-f", match="-f")
        self.fails(USAGE, "ps", "--state-dir", match="--state-dir")

    def test_value_where_none_is_taken(self):
        self.fails(USAGE, "ps", "--json=banana", match="--json")

    def test_surplus_operands(self):
        for args in ["version", "now"], ["validate", "this"], ["plugins", "all", "of", "them"]:
            with self.subTest(args=args):
                self.fails(USAGE, *args, match=args[1])

    def test_bad_numbers_and_durations(self):
        self.fails(USAGE, "logs", "-n", "-5", "demo", match="-5")
        self.fails(USAGE, "logs", "-n", "many", "demo", match="many")
        self.fails(USAGE, "down", "--lock-timeout", "30", "demo", match=["30", "30s"])
        self.fails(USAGE, "down", "--lock-timeout", "-3s", "demo", match="-3s")

    def test_hostile_names(self):
        for name in "../../etc", "a/b", "A", "x" * 64, "-", ".", "":
            with self.subTest(name=name):
                self.fails(USAGE, "down", "--", name)

    def test_old_spelling_of_long_options(self):
        self.assertEqual(self.ok("ps", "-json").json(), [])
        self.assertEqual(self.ok("ps", f"-state-dir={self.dir}/other", "--json").json(), [])

    def test_options_after_operands(self):
        self.ok("down", "demo", "--no-wait")
        self.ok("down", "demo", "--state-dir", f"{self.dir}/other")


class OutputTest(FakeTest):
    def test_results_that_cannot_be_written_are_a_failure(self):
        result = self.spawn(["/bin/sh", "-c", 'exec "$0" version >/dev/full', PROGRAM]).finish()
        self.assert_failed(result, FAILED, "No space left|standard output|stdout")

    def test_reader_that_goes_away(self):
        result = self.spawn(["/bin/sh", "-c", '"$0" help | true', PROGRAM]).finish()
        self.assertEqual(result.status, OK)

    def test_reading_verbs_write_nothing(self):
        self.ok("ps")
        self.ok("ps", "--json")
        self.ok("plugins")
        self.assertFalse(holostest.os.path.exists(self.state))


if __name__ == "__main__":
    holostest.main()
