# SPDX-License-Identifier: Apache-2.0
"""`holos run`, `exec` on what does not run, `plugins`."""

import os
import re
import stat

import holostest
from holostest import FAILED, HOLOS, OK, PORTS, USAGE, FakeTest


class RunTest(FakeTest):
    def test_run(self):
        result = self.ok("run", "--name", "box", "./base.qcow2")
        self.assertRegex(result.out, r"(?m)^project: +box$")
        self.assertRegex(result.out, r"(?m)^service: +vm \(1/1 running\)$")
        self.assertIn("next steps:", result.out)
        for verb in "exec", "logs", "down":
            self.assertRegex(result.out, rf"holos {verb} box\b")
        path = os.path.join(self.state, "runs", "box", "holos.yaml")
        self.assertRegex(result.out, rf"(?m)^compose file: +{re.escape(path)}$")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(self.statuses("box"), {"vm-0": "running"})
        self.ok("validate", "-f", path)
        self.ok("stop", "box")      # W32: impossible before
        self.ok("start", "box")
        self.ok("down", "box")
        self.assertEqual(self.ps(), [])

    def test_name_from_the_image(self):
        name = os.path.join(self.work, "My_Image.qcow2")
        os.link(self.image, name)
        out = self.ok("run", name).out
        self.assertRegex(out, r"(?m)^project: +my-image-[0-9a-f]{6}$")

    def test_options(self):
        """W16: relative paths counted from the state directory."""
        port = PORTS.get()
        self.ok("run", "--name", "box", "--vcpu", "2", "--memory", "1G", "-p", f"{port}:80",
                "--user", "me", "./base.qcow2")
        self.assertEqual(self.option("vm-0", "smp")[0].split(",")[0], "2")
        self.assertEqual(self.option("vm-0", "m"), ["1024"])
        self.assertEqual(self.get(port), "fake vm-0")

    def test_memory_forms(self):
        for text, mb in ("512", "512"), ("512MB", "512"), ("2G", "2048"):
            with self.subTest(text=text):
                self.ok("run", "--name", "box", "--memory", text, "./base.qcow2")
                self.assertEqual(self.option("vm-0", "m"), [mb])
                self.ok("down", "box")

    def test_command_is_the_guests(self):
        self.ok("run", "--name", "box", "./base.qcow2", "--", "echo", "--name", "x")
        text = self.read(self.state, "runs", "box", "holos.yaml")
        self.assertIn("echo --name x", text)

    def test_mistakes_name_the_option(self):
        """Nobody who gave options knows of the file that is made of them."""
        for options, due in (
                (["-p", "8080:x"], '--port: "8080:x"'),
                (["-p", "80/sctp"], "--port: "),
                (["-v", "./x:relative"], "--volume: "),
                (["--device", "nonsense"], '--device: "nonsense"'),
                (["--pkg", "two words"], '--pkg: "two words"'),
                (["--image-os", "dos"], '--image-os: "dos"'),
                (["--dockerfile", "nosuch"], "--dockerfile: "),
                (["--vcpu", "0x"], "--vcpu 0x"),
                (["--memory", "64"], '--memory: "64"')):
            with self.subTest(options=options):
                result = self.holos("run", "--name", "box", *options, "./base.qcow2")
                self.assertEqual(result.status, USAGE, result.err)
                self.assertIn("holos: " + due, result.err)
                self.assertNotIn("holos.yaml", result.err)
                self.assertFalse(os.path.exists(os.path.join(self.state, "runs", "box")))

    def test_killed_before_there_was_a_project(self):
        """Its file would have stayed for ever: `down` knew of no project."""
        fault = [os.path.join(holostest.BUILD, "tests", "fault-step"), "--class", "change",
                 "--signal", "9"]
        where = os.path.join(self.state, "runs", "vm")
        for at in range(1, 200):
            run = self.spawn([*fault, "--at", str(at), "--", holostest.PROGRAM, "run", "--name",
                              "vm", self.image])
            run.popen.wait()
            if os.path.exists(os.path.join(where, "holos.yaml")):
                break
        self.assertEqual(self.ps(), [])
        self.assertTrue(os.path.exists(where))
        self.ok("down", "vm")
        self.assertFalse(os.path.exists(where))

    def test_unknown_image(self):
        result = self.holos("run", "debiann")
        self.assertNotEqual(result.status, OK)
        self.assertRegex(result.err, r"unknown image.*debiann|debiann.*unknown image")
        self.assertEqual(self.ps(), [])
        result = self.holos("run", "./gone.qcow2")
        self.assertNotEqual(result.status, OK)
        self.assertIn("gone.qcow2", result.err)

    def test_nothing_to_run(self):
        self.fails(USAGE, "run", match="image")

    def test_bad_user_writes_nothing(self):
        result = self.holos("run", "--name", "box", "--user", "Not OK", "./base.qcow2")
        self.assertNotEqual(result.status, OK)
        self.assertFalse(os.path.exists(os.path.join(self.state, "runs", "box")))


class ExecTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.compose("""
            name: demo
            services: {web: {image: ./base.qcow2, replicas: 2}}
            """)

    def test_stopped(self):
        self.ok("up")
        self.ok("stop")
        self.fails(HOLOS, "exec", "demo", "web-0", "true", match="web-0.*stopped")
        self.fails(HOLOS, "exec", "web-0", "true", match="web-0.*stopped")

    def test_unknown(self):
        self.ok("up")
        self.fails(HOLOS, "exec", "demo", "wbe-0", "true", match=["web-0", "web-1"])
        result = self.holos("exec", "nosuch", "web-0", "true")
        self.assertIn(result.status, (HOLOS, USAGE), f"{result}")
        self.assertIn("nosuch", result.err)

    def test_never_up(self):
        self.fails(HOLOS, "exec", "web-0", "true", match="web-0|demo")

    def test_guest_that_does_not_answer(self):
        self.behave(ssh="close")
        self.ok("up")
        result = self.fails(HOLOS, "exec", "-w", "1s", "web-0", "true", match="web-0")
        self.assertLess(result.seconds, 6)

    def test_guest_that_is_an_impostor(self):
        """It speaks SSH up to the banner: exec must end with an error, not hang."""
        self.behave(ssh="banner")
        self.ok("up")
        self.fails(HOLOS, "exec", "-w", "1s", "web-0", "true", match="web-0", timeout=30)


class PluginsTest(FakeTest):
    def test_list(self):
        out = self.ok("plugins").out
        self.assertRegex(out.splitlines()[0], r"KIND +NAME +VERSION")
        for kind, name in (("image", "file"), ("net", "user"), ("net", "multicast"),
                           ("health", "ssh"), ("health", "bypass"), ("provision", "cloud-init")):
            self.assertRegex(out, rf"(?m)^{kind} +{name} .*\bok\b")

    def test_json(self):
        got = self.ok("plugins", "--json").json()
        self.assertIn(("net", "user"), [(p["kind"], p["name"]) for p in got])
        for plugin in got:
            self.assertLessEqual({"kind", "name", "version", "abi", "file", "state"}, set(plugin))

    def test_an_unsafe_directory_is_refused(self):
        path = os.path.join(self.dir, "plugins")
        os.mkdir(path)
        for plugin in self.ok("plugins", "--json").json():
            if (plugin["kind"], plugin["name"]) == ("net", "user"):
                for name in plugin["file"], plugin["file"].replace(".so", ".json"):
                    holostest.shutil.copy(name, path)
        self.assertRegex(self.ok("plugins", env={"HOLOS_PLUGIN_PATH": path}).out, rf"ok +{path}")
        os.chmod(path, 0o777)
        result = self.holos("plugins", env={"HOLOS_PLUGIN_PATH": path})
        self.assertNotRegex(result.out, rf"ok +{path}")
        self.assertRegex(result.out + result.err, rf"refused.*{path}|{path}.*written by others")


class RemovedTest(FakeTest):
    """run --rm and --exec: nothing stays."""

    def run_it(self, *args, **kw):
        return self.start("run", "--user", "me", "--name", "try", *args, **kw)

    def gone(self):
        self.assertEqual(self.ps(), [])
        self.assertFalse(os.path.exists(f"{self.state}/runs/try"))
        self.assertTrue(self.wait_until(lambda: not self.processes(), 5), self.processes())

    def test_rm_waits_for_its_end(self):
        run = self.run_it("--rm", self.image)
        self.wait_status("try", "vm-0", "running")
        self.assertIsNone(run.popen.poll())
        self.kill_qemu("try", "vm-0")
        result = run.finish()
        self.assertEqual(result.status, 128 + 9, f"{result}")
        self.gone()

    def test_exec_waits_for_the_guest(self):
        """The fake guest lets nobody in; stdout is left to the command."""
        run = self.run_it("--rm", "--exec", self.image, "--", "true")
        self.wait_status("try", "vm-0", "running")
        self.assertIsNone(run.popen.poll())
        run.interrupt()
        self.assertEqual(run.popen.wait(20), holostest.INTERRUPTED)
        out, err = run.output()
        self.assertEqual(out, "")
        self.assertIn("holos down try removes it", err)
        self.assertNotIn("runcmd", self.read(self.state, "runs", "try", "holos.yaml"))
        self.ok("kill", "try")

    def test_exec_on_what_does_not_start(self):
        self.behave(fail_start=1)
        result = self.run_it("--rm", "--exec", self.image, "--", "true").finish(60)
        self.assertEqual(result.status, holostest.START, f"{result}")
        self.gone()

    def test_what_was_there_before_is_not_removed(self):
        """Its disk is of another day: --rm is for what the same command makes."""
        self.ok("run", "--user", "me", "--name", "try", self.image)
        for options in ["--rm", "--exec"], ["--rm"], ["--rm", "--adopt"]:
            self.fails(FAILED, "run", *options, "--user", "me", "--name", "try", self.image,
                       "--", "true", match=["there already", "--rm would remove it"])
        self.assertEqual(self.statuses("try"), {"vm-0": "running"})
        self.ok("kill", "try")

    def test_interrupted(self):
        run = self.run_it("--rm", self.image)
        self.wait_for(lambda: run.popen.poll() is not None or
                      self.statuses("try").get("vm-0") == "running", "it runs")
        run.interrupt()
        result = run.finish()
        self.assertEqual(result.status, holostest.INTERRUPTED, f"{result}")
        self.assertIn("holos down try", result.err)
        self.assertEqual(self.statuses("try"), {"vm-0": "running"})
        self.ok("kill", "try")

    def test_the_command_is_not_for_the_first_boot(self):
        self.fails(USAGE, "run", "--rm", "-d", self.image, match="contradict")
        self.fails(USAGE, "run", "--exec", "--detach", self.image, match="contradict")


if __name__ == "__main__":
    holostest.main()
