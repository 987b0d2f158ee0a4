# SPDX-License-Identifier: Apache-2.0
"""holos install, uninstall: the unit (as systemd-analyze sees it), and what a fake
systemctl is asked and answers."""

import os
import shlex
import shutil
import unittest

import holostest
from holostest import FAILED, HOST, INVALID, PROGRAM, USAGE, FakeTest


class InstallTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.bin = os.path.join(self.dir, "bin")
        self.log = os.path.join(self.dir, "systemctl.log")
        self.units = os.path.join(self.home, ".config", "systemd", "user")
        self.unit = os.path.join(self.units, "holos-demo.service")
        os.mkdir(self.bin)
        self.env["PATH"] = self.bin + ":" + self.env["PATH"]
        self.systemctl("")
        self.fake("loginctl", "echo yes")
        self.file = self.compose(f"""
            name: demo
            services:
              web: {{image: {self.image}}}
            """)

    def fake(self, name, script):
        path = os.path.join(self.bin, name)
        with open(path, "w") as f:
            f.write("#!/bin/sh\n" + script + "\n")
        os.chmod(path, 0o755)

    def systemctl(self, script):
        self.fake("systemctl", f'echo "$*" >>{self.log}\n{script}')

    def asked(self):
        try:
            asked = self.read(self.log).splitlines()
            os.unlink(self.log)
            return asked
        except FileNotFoundError:
            return []

    def settings(self, text):
        """NAME -> its values, and the same for what no setting is."""
        found = {}
        for line in text.splitlines():
            if "=" in line and not line.startswith("#"):
                name, value = line.split("=", 1)
                found.setdefault(name, []).append(value)
        return found

    def dry(self, *args, **kw):
        return self.ok("install", "--dry-run", *args, **kw)


class UnitTest(InstallTest):
    def test_user_unit(self):
        done = self.dry("-f", self.file)
        first, text = done.out.split("\n", 1)
        self.assertEqual(first, f"# would write to: {self.unit}")
        got = self.settings(text)
        self.assertEqual(got["Description"], ["holos project demo"])
        self.assertEqual(got["Type"], ["oneshot"])
        self.assertEqual(got["RemainAfterExit"], ["yes"])
        self.assertEqual(got["KillMode"], ["process"])
        self.assertEqual(got["Restart"], ["no"])
        self.assertEqual(got["WantedBy"], ["default.target"])
        self.assertNotIn("network-online", text)
        self.assertNotIn("User", got)
        program = os.path.realpath(PROGRAM)
        self.assertEqual(got["ExecStart"], [f"{program} up --no-recreate --state-dir {self.state} "
                                            f"-f {self.file} -p demo"])
        self.assertEqual(got["ExecStop"], [f"{program} stop --state-dir {self.state} -p demo"])
        self.assertNotIn("down", text)
        self.assertFalse(os.path.exists(self.units))
        self.assertEqual(self.asked(), [])

    def test_system_unit(self):
        got = self.settings(self.dry("--system", "--user", "vms", "--state-dir", "/srv/holos",
                                     cwd=self.work).out)
        self.assertEqual(got["User"], ["vms"])
        self.assertEqual(got["WantedBy"], ["multi-user.target"])
        self.assertEqual(got["After"], ["network-online.target"])
        self.assertEqual(got["Wants"], ["network-online.target"])
        self.assertIn(" --state-dir /srv/holos ", got["ExecStart"][0])
        self.assertIn("/etc/systemd/system/holos-demo.service",
                      self.dry("--system", cwd=self.work).out)

    def test_times(self):
        self.compose(f"""
            name: demo
            services:
              db: {{image: {self.image}, stop_grace_period: 2m}}
              web:
                image: {self.image}
                replicas: 5
                healthcheck: {{test: "true", start_period: 10m, interval: 10s, timeout: 5s,
                              retries: 4}}
            """)
        got = self.settings(self.dry(cwd=self.work).out)
        self.assertEqual(got["TimeoutStopSec"], [str(60 + 120 + 2 * 30)])
        self.assertEqual(got["TimeoutStartSec"], [str(300 + 600 + 4 * 15)])

    def test_environment(self):
        self.env.update(HOLOS_ACCEL="tcg", HOLOS_API_TOKEN="hunter2", HOLOS_SSH_KEY="hunter3",
                        HOLOS_db_password="hunter4", HOLOS_DB_PASS="hunter5",
                        HOLOS_HEALTH_BYPASS="1",
                        HOLOS_PROFILES="a,b", HOLOS_TEST_ID="x", HOLOS_QEMU_IMG="./qemu-img",
                        HOLOS_ODD='say "hi" $HOME 100% \\n', OTHER="x")
        done = self.dry(cwd=self.work)
        got = self.settings(done.out)["Environment"]
        self.assertIn('"HOLOS_ACCEL=tcg"', got)
        self.assertIn('"HOLOS_PROFILES=a,b"', got)
        self.assertIn('"HOLOS_HEALTH_BYPASS=1"', got)
        self.assertIn(f'"HOLOS_QEMU_IMG={self.work}/qemu-img"', got)
        self.assertIn('"HOLOS_ODD=say \\"hi\\" $HOME 100%% \\\\n"', got)
        for absent in "hunter", "HOLOS_STATE_DIR", "HOLOS_TEST_ID", "OTHER":
            self.assertNotIn(absent, done.out)
        for name in "HOLOS_API_TOKEN", "HOLOS_SSH_KEY", "HOLOS_db_password", "HOLOS_DB_PASS":
            self.assertIn(f"warning: {name} is not carried", done.err)

    def test_variables_of_the_shell(self):
        self.compose(f"""
            name: demo
            services:
              web: {{image: {self.image}, labels: {{a: "$TAG", b: "${{OTHER:-x}}"}}}}
            """)
        self.env["TAG"] = "12"
        done = self.dry(cwd=self.work)
        self.assertIn("warning: ${TAG} comes from this shell", done.err)
        self.assertNotIn("OTHER", done.err)

    def test_options_are_carried(self):
        other = self.compose("services: {web: {labels: {a: b}}}", "more.yaml")
        self.compose("A=b\n", "vars.env")
        got = self.settings(self.dry("-f", "holos.yaml", "-f", "more.yaml", "--env-file", "vars.env",
                                     "--profile", "x", "-p", "named", cwd=self.work).out)
        self.assertTrue(got["ExecStart"][0].endswith(
            f" -f {self.file} -f {other} -p named --env-file {self.work}/vars.env --profile x"))
        self.assertTrue(got["ExecStop"][0].endswith(" -p named"))

    def test_the_override_file_counts(self):
        self.compose("services: {web: {labels: {a: b}}}", "holos.override.yaml")
        got = self.settings(self.dry(cwd=self.work).out)
        self.assertIn(f"-f {self.file} -f {self.work}/holos.override.yaml", got["ExecStart"][0])

    def test_what_is_refused(self):
        self.fails(USAGE, "install", "--system", "--user", "vms", cwd=self.work,
                   match=["--state-dir", "vms"])
        self.fails(USAGE, "install", "--user", "vms", cwd=self.work, match="--system")
        self.fails(USAGE, "install", "--system", "--user", "No Body", "--state-dir", "/x",
                   cwd=self.work, match="No Body")
        self.fails(USAGE, "install", "-f", "-", "-p", "demo", input=self.read(self.file),
                   match="standard input")
        self.fails(USAGE, "install", "surplus", cwd=self.work, match="surplus")
        self.compose("services: {web: {}}")
        self.fails(INVALID, "install", cwd=self.work, match="image")
        self.assertFalse(os.path.exists(self.unit))

    def test_paths_that_no_unit_can_name(self):
        file = self.compose(self.read(self.file), dir=os.path.join(self.work, "new\nline"))
        self.fails(FAILED, "install", "-f", file, match="control character")
        dir = os.path.join(self.work, 'a"b')
        os.mkdir(dir)
        # Found beside itself: plugins are not needed to install.
        shutil.copy(PROGRAM, os.path.join(dir, "holos"))
        done = self.spawn([os.path.join(dir, "holos"), "install", "-f", self.file]).finish()
        self.assert_failed(done, FAILED, "quotes or backslashes")


@unittest.skipUnless(shutil.which("systemd-analyze"), "systemd is not installed")
class AnalyzeTest(InstallTest):
    """systemd's own word on it."""

    def verify(self, *args, dir=None, program=PROGRAM):
        unit_dir = os.path.join(self.dir, "units")
        os.makedirs(unit_dir, exist_ok=True)
        self.env["HOLOS_TEST_UNIT_DIR"] = unit_dir
        done = self.spawn([program, "install", *args], cwd=dir or self.work).finish()
        self.assertEqual(done.status, 0, f"{done}")
        unit = os.path.join(unit_dir, "holos-demo.service")
        scope = "--system" if "--system" in args else "--user"
        checked = self.spawn(["systemd-analyze", "verify", "--man=no", scope, unit]).finish(60)
        self.assertEqual((checked.status, checked.err), (0, ""), f"{checked}\n{self.read(unit)}")
        return self.settings(self.read(unit))

    def test_plain(self):
        self.verify()
        self.verify("--system")
        self.verify("--system", "--user", "games", "--state-dir", "/srv/x")

    def test_odd_paths(self):
        for name in "a b", "100%", "50%n $HOME it's", 'say "hi"; back\\slash #1', \
                "-ünïcode a=b:c {x} *":
            with self.subTest(name):
                dir = os.path.join(self.work, name)
                self.compose(self.read(self.file), dir=dir)
                got = self.verify("--state-dir", "./state", dir=dir)
                # sh takes words apart as systemd does, but for the dollar signs.
                line = got["ExecStart"][0].replace("$$", "\\$")
                words = [w.replace("\\$", "$").replace("%%", "%") for w in shlex.split(line)]
                self.assertEqual(words[words.index("-f") + 1], os.path.join(dir, "holos.yaml"))
                self.assertEqual(words[words.index("--state-dir") + 1],
                                 os.path.join(dir, "state"))

    def test_odd_program(self):
        for name in "a b;c #d", "100% $HOME":
            with self.subTest(name):
                program = os.path.join(self.dir, name, "holos")
                os.mkdir(os.path.dirname(program))
                shutil.copy(PROGRAM, program)
                self.verify(program=program)


class SystemctlTest(InstallTest):
    def test_install(self):
        done = self.ok("install", cwd=self.work)
        self.assertEqual(done.out, f"installed user unit: {self.unit}\n"
                         "to activate at boot: systemctl --user enable --now holos-demo.service\n")
        self.assertEqual(done.err, "")
        self.assertEqual(os.stat(self.unit).st_mode & 0o777, 0o644)
        self.assertEqual(self.asked(), ["--user daemon-reload"])
        # Again: the same, without remains.
        self.ok("install", cwd=self.work)
        self.assertEqual(os.listdir(self.units), ["holos-demo.service"])

    def test_enable(self):
        done = self.ok("install", "--enable", cwd=self.work)
        self.assertEqual(done.out, f"installed user unit: {self.unit}\n")
        self.assertEqual(self.asked(),
                         ["--user daemon-reload", f"--user enable --now {self.unit}"])

    def test_system(self):
        self.env["HOLOS_TEST_UNIT_DIR"] = os.path.join(self.dir, "system")
        done = self.ok("install", "--system", "--enable", cwd=self.work)
        unit = os.path.join(self.dir, "system", "holos-demo.service")
        self.assertEqual(done.out, f"installed system unit: {unit}\n")
        self.assertIn("warning: its VMs run as root", done.err)
        self.assertEqual(self.asked(), ["daemon-reload", f"enable --now {unit}"])
        done = self.ok("uninstall", "--system", "-p", "demo")
        self.assertEqual(done.out, f"removed system unit: {unit}\n")
        self.assertEqual(self.asked(), ["disable --now holos-demo.service", "daemon-reload"])

    def test_enable_that_fails(self):
        self.systemctl('case "$*" in *enable*) echo "Job failed." >&2; exit 1 ;; esac')
        result = self.fails(FAILED, "install", "--enable", cwd=self.work,
                            match=r"is written and not enabled: .*exited with status 1: Job failed\.")
        self.assertNotIn("installed", result.out)
        self.assertTrue(os.path.exists(self.unit))

    def test_systemd_that_does_not_run(self):
        self.systemctl('echo "Failed to connect to bus" >&2; exit 1')
        done = self.ok("install", cwd=self.work)
        self.assertIn("installed user unit", done.out)
        self.assertIn("warning: systemctl --user daemon-reload exited with status 1: Failed to "
                      "connect to bus", done.err)
        self.fails(FAILED, "install", "--enable", cwd=self.work, match="not enabled")

    def test_without_systemctl(self):
        self.env["PATH"] = self.bin
        os.unlink(os.path.join(self.bin, "systemctl"))
        done = self.ok("install", cwd=self.work)
        self.assertIn("systemctl is not installed", done.err)
        self.assertTrue(os.path.exists(self.unit))
        self.fails(HOST, "install", "--enable", cwd=self.work, match="not installed")

    def test_lingering(self):
        self.fake("loginctl", "echo no")
        done = self.ok("install", cwd=self.work)
        self.assertIn("note: lingering is off", done.err)
        self.assertRegex(done.err, "loginctl enable-linger [a-z]")
        self.env["HOLOS_TEST_UNIT_DIR"] = os.path.join(self.dir, "system")
        self.assertNotIn("linger", self.ok("install", "--system", cwd=self.work).err)

    def test_uninstall(self):
        self.ok("install", cwd=self.work)
        self.asked()
        done = self.ok("uninstall", cwd=self.work)
        self.assertEqual(done.out, f"removed user unit: {self.unit}\n")
        self.assertEqual(self.asked(), ["--user disable --now holos-demo.service",
                                        "--user daemon-reload"])
        self.assertFalse(os.path.exists(self.unit))
        done = self.ok("uninstall", "--name", "demo")
        self.assertIn("nothing to remove", done.err)
        self.assertEqual(self.asked(), [])

    def test_uninstall_needs_no_file(self):
        self.ok("install", cwd=self.work)
        os.unlink(self.file)
        self.ok("uninstall", "demo")
        self.assertFalse(os.path.exists(self.unit))

    def test_uninstall_that_fails(self):
        self.ok("install", cwd=self.work)
        self.systemctl('case "$*" in *disable*) echo "Job failed." >&2; exit 1 ;; esac')
        self.fails(FAILED, "uninstall", cwd=self.work,
                   match=r"removed user unit .*, but: .*Job failed")
        self.assertFalse(os.path.exists(self.unit))

    def put(self, text):
        os.makedirs(self.units, exist_ok=True)
        with open(self.unit, "w") as f:
            f.write(text)

    def test_a_unit_of_somebody_else(self):
        for text in "[Service]\nExecStart=/bin/true\n", "":
            self.put(text)
            self.fails(FAILED, "install", "--enable", cwd=self.work,
                       match=["holos-demo.service is there, and not of holos's making", "-p NAME"])
            self.fails(FAILED, "uninstall", cwd=self.work, match="not of holos's making")
            self.assertEqual(self.read(self.unit), text)
        os.unlink(self.unit)
        os.symlink("/dev/null", self.unit)  # as systemctl mask does
        self.fails(FAILED, "install", cwd=self.work, match="whether the unit is one of holos")
        self.assertTrue(os.path.islink(self.unit))
        self.assertEqual(self.asked(), [])

    def test_a_unit_of_the_predecessor(self):
        """Its stop is `holos down`: it is replaced, and never stopped (W8)."""
        self.put("# generated by holos\n# again: holos install\n[Service]\n"
                 f"ExecStart=/usr/bin/holos up --state-dir {self.state} -f {self.file}\n"
                 f"ExecStop=/usr/bin/holos down --state-dir {self.state} demo\n")
        self.fails(FAILED, "uninstall", cwd=self.work,
                   match=["remove root disks", "holos install first"])
        self.assertEqual(self.asked(), [])
        self.assertTrue(os.path.exists(self.unit))
        self.ok("install", cwd=self.work)
        self.assertNotIn("holos down", self.read(self.unit))
        self.ok("uninstall", cwd=self.work)
        self.assertFalse(os.path.exists(self.unit))

    def test_uninstall_usage(self):
        self.fails(USAGE, "uninstall", "--name", "../../etc/passwd")
        self.fails(USAGE, "uninstall", "a", "b", match="b")


class LifeTest(InstallTest):
    """The unit's commands, as systemd would run them: a stop keeps disks."""

    def test_start_and_stop(self):
        got = self.settings(self.dry(cwd=self.work).out)
        start, stop = (shlex.split(got[k][0]) for k in ("ExecStart", "ExecStop"))
        for _ in range(2):
            done = self.spawn(start, cwd="/").finish(30)
            self.assertEqual(done.status, 0, f"{done}")
            self.assert_statuses("demo", **{"web-0": "running"})
            if _ == 0:
                self.mark_disk("demo", "web-0")
            self.assertTrue(self.disk_is_marked("demo", "web-0"))
            done = self.spawn(stop, cwd="/").finish(30)
            self.assertEqual(done.status, 0, f"{done}")
            self.assert_statuses("demo", **{"web-0": "stopped"})
        self.assertTrue(self.disk_is_marked("demo", "web-0"))

    def test_a_changed_file_destroys_nothing(self):
        got = self.settings(self.dry(cwd=self.work).out)
        start = shlex.split(got["ExecStart"][0])
        self.assertEqual(self.spawn(start, cwd="/").finish(30).status, 0)
        self.mark_disk("demo", "web-0")
        self.compose(f"""
            name: demo
            services:
              web: {{image: {self.image}, cloud_init: {{runcmd: [date]}}}}
            """)
        done = self.spawn(start, cwd="/").finish(30)
        self.assertEqual(done.status, 0, f"{done}")
        self.assertTrue(self.disk_is_marked("demo", "web-0"))


if __name__ == "__main__":
    holostest.main()
