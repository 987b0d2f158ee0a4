# SPDX-License-Identifier: Apache-2.0
"""holos exec through a real SSH server: words, streams, terminals, status."""

import hashlib
import os
import shutil
import signal
import subprocess
import unittest

import holostest
from holostest import FAILED, HOLOS, PROGRAM, USAGE
from sshtest import SshTest
from terminal import Terminal

MANY = 40  # at once; the server takes 5 before they have logged in


class CommandTest(SshTest):
    def test_words_stay_words(self):
        self.up()
        words = ["a b", "", "c'd", '"e"', "$HOME", "*", "\\", "-n", "--", "x\ny", "ä", "`id`", ";"]
        out = self.ok("exec", "-T", "web-0", "printf", "<%s>", *words).out
        self.assertEqual(out, "".join(f"<{w}>" for w in words))

    def test_status(self):
        self.up()
        for status in 0, 1, 7, 125, 255:
            self.assertEqual(
                self.holos("exec", "-T", "web-0", "sh", "-c", f"exit {status}").status, status)
        self.assertEqual(self.holos("exec", "-T", "web-0", "sh", "-c", "kill -9 $$").status, 137)
        self.assertEqual(self.holos("exec", "-T", "web-0", "no-such-program").status, 127)

    def test_streams_are_two(self):
        self.up()
        result = self.ok("exec", "-T", "web-0", "sh", "-c", "echo out; echo err >&2")
        self.assertEqual((result.out, result.err), ("out\n", "err\n"))

    def test_environment_directory_user(self):
        self.up(extra=", environment: {FROM: file, BOTH: file}")
        out = self.ok("exec", "-T", "-e", "BOTH=option", "-e", "SPACE=a b", "--workdir", "/usr/bin",
                      "-u", "somebody", "web-0", "sh", "-c",
                      'echo "$FROM $BOTH $SPACE $PWD $USER"').out
        self.assertEqual(out, "file option a b /usr/bin somebody\n")
        self.fails(USAGE, "exec", "-e", "NOTHING", "web-0", "true", match="NAME=VALUE")
        self.assertNotEqual(
            self.holos("exec", "-T", "--workdir", "/nowhere", "web-0", "true").status, 0)

    def test_whom_is_meant(self):
        self.up(replicas=2)
        for args in ["web-1"], ["demo", "web-1"], ["--index", "1", "web"], ["-p", "demo", "web-1"]:
            with self.subTest(args=args):
                self.assertEqual(self.ok("exec", "-T", *args, "sh", "-c", "echo ${HOME##*/}").out,
                                 "web-1\n")
        self.assertEqual(self.ok("exec", "-T", "web", "sh", "-c", "echo ${HOME##*/}").out, "web-0\n")
        self.fails(HOLOS, "exec", "web-2", "true", match="web-2")
        self.fails(USAGE, "exec", "--index", "-1", "web", "true", match="--index")

    def test_users_that_cannot_be(self):
        self.up()
        for user in "", "-x", "a b", "a;b", "$(id)", "a'b":
            self.fails(USAGE, "exec", "-u", user, "web-0", "true", match="must be the name of a user")
        self.fails(USAGE, "cp", "-u", "", "web-0:x", ".", match="must be the name of a user")

    def test_another_server_is_refused(self):
        self.up()
        self.ok("exec", "-T", "web-0", "true")
        key = os.path.join(self.guest_home(), ".key")
        os.unlink(key)
        subprocess.run(["dropbearkey", "-t", "ed25519", "-f", key], check=True,
                       capture_output=True)
        result = self.fails(HOLOS, "exec", "-T", "web-0", "true",
                            match=["host key of web-0", "not connecting"])
        self.assertNotIn("waiting", result.err)

    def test_a_refused_user_is_not_waited_for(self):
        self.up()
        os.makedirs(self.dir + "/guest", exist_ok=True)
        self.ok("exec", "-T", "web-0", "true")
        os.unlink(os.path.join(self.guest_home(), ".ssh/authorized_keys"))
        result = self.fails(HOLOS, "exec", "-T", "web-0", "true", match=["refuses", "-u USER"])
        self.assertNotIn("waiting", result.err)

    def test_one_that_accepts_and_says_nothing(self):
        """It has a banner, and then goes to sleep: the wait is told nevertheless, and ends."""
        self.up()
        self.script("server", 'printf "SSH-2.0-x\\r\\n"\nexec sleep 30\n')
        run = self.start("exec", "-T", "-w", "1h", "web-0", "true")
        self.wait_for(lambda: "waiting up to 1h0m0s for sshd of web-0" in run.output()[1],
                      "the wait is told")
        run.interrupt()
        self.assertEqual(run.finish().status, holostest.INTERRUPTED)
        self.assertEqual(run.output()[1].count("waiting"), 1)

    def test_escapes_in_messages_are_harmless(self):
        self.up()
        self.script("server", 'printf "SSH-2.0-x\\r\\n\\033]0;owned\\007garbage\\r\\n"\n')
        result = self.fails(HOLOS, "exec", "-T", "-w", "0", "web-0", "true")
        self.assertNotIn("\x1b", result.err)


class RemovedTest(SshTest):
    """run --rm --exec, in a guest that answers."""

    def test_removed_whatever_the_status_is(self):
        """130 is the status of a shell in which Ctrl-C was pressed last, and ours as well."""
        for status in 0, 1, 2, 5, 7, 125, 130:
            with self.subTest(status=status):
                result = self.holos("run", "--rm", "--exec", "--name", "demo", "--user", "tester",
                                    self.image, "--", "sh", "-c", f"exit {status}", timeout=60)
                self.assertEqual(result.status, status, result.err)
                self.assertEqual(self.ps(), [])
                shutil.rmtree(os.path.join(self.dir, "guest"))


class StreamTest(SshTest):
    def test_binary_both_ways(self):
        self.up()
        data = os.urandom(8 << 20) + bytes(range(256)) * 16
        p = subprocess.run([PROGRAM, "exec", "-T", "web-0", "--", "cat"], env=self.env, cwd=self.work,
                           input=data, capture_output=True, timeout=60)
        self.assertEqual((p.returncode, p.stderr), (0, b""))
        self.assertEqual(hashlib.sha256(p.stdout).digest(), hashlib.sha256(data).digest())

    def test_end_of_input_arrives_while_output_goes_on(self):
        self.up()
        result = self.ok("exec", "-T", "web-0", "sh", "-c", "cat >/dev/null; echo after", input="x")
        self.assertEqual(result.out, "after\n")

    def test_reader_that_goes_away(self):
        self.up()
        run = self.spawn(["/bin/sh", "-c", f'"{PROGRAM}" exec -T web-0 -- yes | head -n 1'])
        self.assertEqual(run.finish().out, "y\n")

    def test_signals_reach_the_command(self):
        self.up()
        for number in signal.SIGTERM, signal.SIGINT, signal.SIGUSR1:
            with self.subTest(number=number):
                p = subprocess.Popen([PROGRAM, "exec", "-T", "web-0", "sh", "-c",
                                      "echo ready; exec sleep 60"], env=self.env, cwd=self.work,
                                     stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
                self.assertEqual(p.stdout.readline(), b"ready\n")
                p.send_signal(number)
                self.assertEqual(p.wait(timeout=20), 128 + number)
                p.stdout.close()


class ManyTest(SshTest):
    """More at once than the server takes: connections that are dropped before the login."""

    def server(self):
        # A tenth of the connections gets in at first.
        return """
            n=$(mktemp -u XXXXXX | tr -d 'a-zA-Z' | cut -c1)
            [ -e "$0.all" ] || [ "${n:-9}" = 0 ] || exit 0
            """ + super().server()

    def test_dropped_connections_are_retried(self):
        self.up()
        runs = [self.start("exec", "-T", "web-0", "sh", "-c", f"echo {i}") for i in range(MANY)]
        with open(f"{self.dir}/server.all", "w"):
            pass
        for i, run in enumerate(runs):
            result = run.finish(60)
            self.assertEqual((result.status, result.out), (0, f"{i}\n"), result.err)

    def test_not_without_patience(self):
        self.up()
        self.script("server", "exit 0\n")
        result = self.fails(HOLOS, "exec", "-T", "-w", "0", "web-0", "true", match="cannot reach web-0")
        self.assertNotIn("waiting", result.err)
        result = self.fails(HOLOS, "exec", "-T", "-w", "1s", "web-0", "true", match="cannot reach web-0")
        self.assertLess(result.seconds, 15)


@unittest.skipIf(os.geteuid() != 0, "a server that is not root cannot give a terminal away")
class TerminalTest(SshTest):
    def test_size_keys_and_job_control(self):
        self.up()
        t = Terminal(self, "exec", "web-0", size=(100, 30))
        t.type("PS1='>> '; stty size; echo $TERM\n")
        t.expect("30 100\r\nxterm\r\n")
        t.resize(120, 40)
        t.type("stty size\n")
        t.expect("40 120\r\n")  # the prompt may come before it
        # The command says itself that it has the terminal.
        t.type("sh -c 'echo be''gun; exec sleep 600'\n")
        t.expect("begun\r\n")
        t.type("\x1a")  # Ctrl-Z
        t.expect("Stopped")
        t.type("kill -9 %1; wait; echo en''ded\n")
        t.expect("ended\r\n")
        t.type("sh -c 'echo be''gun; exec sleep 600'\n")
        t.expect("begun\r\n")
        t.type("\x03")
        t.type("printf '\\033[31mred\\n'; exit 6\n")
        t.expect("\x1b[31mred")
        self.assertNotIn(b"\x1b[?25h", t.finish(6))

    def test_tty_is_refused_or_forced(self):
        self.up()
        self.assertEqual(self.holos("exec", "-T", "web-0", "test", "-t", "1").status, 1)
        self.assertEqual(self.holos("exec", "-t", "web-0", "test", "-t", "1").status, 0)
        t = Terminal(self, "exec", "-T", "web-0", "test", "-t", "1")
        t.finish(1)

    def test_a_cut_connection_leaves_the_terminal_in_order(self):
        self.up()
        t = Terminal(self, "exec", "web-0", "sh", "-c", "printf '\\033[?1049h'; echo here; sleep 600")
        t.expect("here")
        self.kill_qemu("demo", "web-0")
        for pid in self.processes_named("dropbear"):
            os.kill(pid, signal.SIGKILL)
        self.assertIn(b"\x1b[?25h", t.finish(HOLOS))


class NotRunningTest(SshTest):
    def test_stopped(self):
        self.up()
        self.ok("stop")
        self.fails(HOLOS, "exec", "web-0", "true", match=["is stopped", "holos start"])
        self.fails(FAILED, "cp", "web-0:x", ".", match=["is stopped", "holos start"])


if __name__ == "__main__":
    holostest.main()
