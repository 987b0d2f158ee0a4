# SPDX-License-Identifier: Apache-2.0
"""doctor: every check with its remedy, on made-up hosts."""

import os
import re

import holostest
from fakehost import FakeHost
from holostest import FAILED, INVALID, FakeTest

DEBIAN = "ID=debian\n"


class DoctorTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.host = FakeHost(os.path.join(self.dir, "host"))
        for name in "CODE", "VARS":
            self.host.write(f"usr/share/OVMF/OVMF_{name}_4M.fd", name)
        self.host.write("etc/os-release", DEBIAN)
        self.host.write("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:    4194304 kB\n")
        self.env["HOLOS_HOST_ROOT"] = self.host.root

    def checks(self, *args, status=0, **kw):
        result = self.holos("doctor", "--json", *args, **kw)
        self.assertEqual(result.status, status, f"{result}")
        report = result.json()
        self.assertEqual(report["os"], "linux")
        self.assertEqual(report["state_dir"], self.state)
        for check in report["checks"]:
            self.assertIn(check["status"], ("ok", "warn", "fail"))
            self.assertTrue(check["message"])
            if check["status"] != "ok":
                self.assertTrue(check["remedy"], check)
        return {c["name"]: c for c in report["checks"]}

    def fault(self, name, status, *words, **kw):
        check = self.checks(status=FAILED if status == "fail" else 0, **kw)[name]
        self.assertEqual(check["status"], status, check)
        for word in words:
            self.assertIn(word, check["message"] + "\n" + (check["remedy"] or ""))

    def test_all_well(self):
        checks = self.checks()
        self.assertEqual({n for n, c in checks.items() if c["status"] == "fail"}, set())
        self.assertLessEqual({"host os", "/dev/kvm", "qemu-system-x86_64", "qemu-img",
                              "cloud-init seed builder", "ssh", "OVMF firmware", "state dir"},
                             set(checks))
        self.assertIn("7.2.22", checks["qemu-system-x86_64"]["message"])
        self.assertEqual(checks["OVMF firmware"]["message"],
                         self.host.path("usr/share/OVMF/OVMF_CODE_4M.fd"))

    def test_text(self):
        result = self.ok("doctor", env={"HOLOS_ACCEL": None})
        lines = result.out.splitlines()
        self.assertRegex(lines[0], r"^holos doctor \(linux/\w+\)$")
        self.assertEqual(lines[1:3], [f"state dir: {self.state}", ""])
        self.assertRegex(lines[3], "^CHECK  +STATUS  DETAIL$")
        self.assertIn("/dev/kvm", result.out)
        # A made-up host has no KVM; what is to be done comes behind the table.
        self.assertRegex(result.out, r"(?m)^/dev/kvm +warn +absent: this host offers no KVM: No such")
        self.assertRegex(result.out, r"(?ms)^to do:\n.*^  /dev/kvm: switch on virtualisation")

    def test_no_qemu_names_the_packages_of_this_distribution(self):
        empty = os.path.join(self.dir, "empty")
        os.mkdir(empty)
        for release, qemu, img in (
                (DEBIAN, "sudo apt install qemu-system-x86", "sudo apt install qemu-utils"),
                ("ID=fedora\n", "sudo dnf install qemu-system-x86", "sudo dnf install qemu-img"),
                ("ID=arch\n", "sudo pacman -S qemu-base", "sudo pacman -S qemu-img"),
                ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "sudo zypper install qemu-x86",
                 "sudo zypper install qemu-tools"),
                ("ID=alpine\n", "sudo apk add qemu-system-x86_64", "sudo apk add qemu-img")):
            self.host.write("etc/os-release", release)
            checks = self.checks(status=FAILED, env={"HOLOS_QEMU_SYSTEM": None, "PATH": empty,
                                                     "HOLOS_QEMU_IMG": None})
            self.assertEqual(checks["qemu-system-x86_64"]["status"], "fail")
            self.assertTrue(checks["qemu-system-x86_64"]["remedy"].startswith(qemu), release)
            self.assertTrue(checks["qemu-img"]["remedy"].startswith(img), release)
        self.fails(FAILED, "doctor", match="doctor found failed checks",
                   env={"HOLOS_QEMU_SYSTEM": None, "PATH": empty})

    def test_faults(self):
        self.fault("qemu-system-x86_64", "fail", "QEMU 5.2.0", "6.2",
                   env={"FAKE_QEMU_VERSION": "5.2.0"})
        self.fault("qemu-system-x86_64", "fail", "does not answer", "/bin/true",
                   env={"HOLOS_QEMU_SYSTEM": "/bin/true"})
        self.fault("qemu-img", "fail", "status 1", env={"HOLOS_QEMU_IMG": "/bin/false"})
        self.fault("OVMF firmware", "fail", "HOLOS_OVMF_VARS",
                   env={"HOLOS_OVMF_CODE": "/etc/passwd"})
        self.fault("host os", "fail", "HOLOS_ARCH", "x86_64 or aarch64", env={"HOLOS_ARCH": "vax"})
        self.fault("/dev/kvm", "fail", "and HOLOS_ACCEL is kvm", env={"HOLOS_ACCEL": "kvm"})
        self.fault("/dev/kvm", "fail", "warp", env={"HOLOS_ACCEL": "warp"})
        self.fault("/dev/kvm", "ok", "HOLOS_ACCEL is tcg", env={"HOLOS_ACCEL": "tcg"})

    def test_a_qemu_without_the_sandbox(self):
        self.fault("qemu-system-x86_64", "warn", "without the sandbox", "vm.sandbox: false",
                   env={"FAKE_QEMU_LACKS": "sandbox"})

    def test_no_firmware(self):
        os.unlink(self.host.path("usr/share/OVMF/OVMF_VARS_4M.fd"))
        self.fault("OVMF firmware", "warn", "cannot find", "sudo apt install ovmf")

    def test_kvm_states(self):
        """Absent, broken; what this host really has is the unit test's."""
        auto = {"HOLOS_ACCEL": None}
        self.assertEqual(self.checks(env=auto)["/dev/kvm"]["state"], "absent")
        self.host.link("/dev/null", "dev/kvm")
        check = self.checks(env=auto)["/dev/kvm"]
        self.assertEqual((check["state"], check["status"]), ("broken", "warn"))
        self.assertIn("dmesg", check["remedy"])

    def test_state_directory(self):
        with open(os.path.join(self.dir, "file"), "w"):
            pass
        bad = os.path.join(self.dir, "file", "state")
        result = self.fails(FAILED, "doctor", "--state-dir", bad)
        self.assertRegex(result.out, r"(?m)^state dir +fail")
        self.assertIn("HOLOS_STATE_DIR", result.out)

    def test_refused_plugin(self):
        plugins = os.path.join(self.dir, "plugins")
        os.mkdir(plugins)
        with open(os.path.join(plugins, "holos-net-bad.json"), "w") as f:
            f.write("{")
        with open(os.path.join(plugins, "holos-net-bad.so"), "w"):
            pass
        self.fault("plugins", "warn", "1 of ", "net bad", env={"HOLOS_PLUGIN_PATH": plugins})

    def test_devices_and_memory_of_the_file(self):
        self.assertNotIn("devices", self.checks())
        self.host.card("nouveau")
        self.compose("""
            name: demo
            services:
              gpu: {image: ./base.qcow2, vm: {memory: 8G}, devices: [{pci: "01:00.0"}]}
        """)
        checks = self.checks(status=FAILED)
        self.assertEqual(checks["memory"]["status"], "warn")
        self.assertIn("8 GiB", checks["memory"]["message"])
        self.assertEqual(checks["devices"]["status"], "fail")
        text = self.fails(FAILED, "doctor").out
        self.assertIn("gpu: device 0000:01:00.0: its driver is nouveau", text)
        self.assertIn("driver_override", text)
        self.host.card()
        self.host.device("0000:01:00.1", "0x040300", "10de:10f0", None, 7)
        self.assertEqual(self.checks()["devices"]["status"], "warn")
        self.compose("""
            name: demo
            services:
              gpu: {image: ./base.qcow2, devices: [{pci: "01:00.0"}, {pci: "01:00.1"}]}
        """, name="both.yaml")
        self.host.card()
        self.assertEqual(self.checks("-f", "both.yaml")["devices"]["status"], "ok")

    def test_a_file_that_is_wrong(self):
        self.compose("services: {web: {imag: x}}")
        check = self.checks(status=FAILED)["compose file"]
        self.assertIn("holos.yaml:1:", check["message"])
        self.fails(INVALID, "doctor", "-f", "holos.yaml", match="imag")

    def test_nothing_is_booted_on_a_sick_host(self):
        result = self.fails(FAILED, "doctor", "--boot", match="nothing was booted",
                            env={"FAKE_QEMU_VERSION": "5.2.0"})
        self.assertNotIn("booting", result.out)

    def test_a_boot_that_fails_leaves_nothing(self):
        self.env["HOLOS_PLUGIN_PATH"] = ""
        result = self.holos("doctor", "--boot", "--json",
                            env={"HOLOS_MICRO_MIRROR": "http://127.0.0.1:9/", "PATH": "/nope"})
        self.assertNotEqual(result.status, 0)
        self.assertEqual(self.ps(), [])
        phases = result.json()["boot"]
        self.assertEqual(phases[-1]["status"], "fail", phases)
        self.assertTrue(re.search(r"boot: image: ", result.err), result.err)

    def test_ctrl_c_in_a_boot(self):
        """Told, with the status of an interrupt: the VM may be there by then."""
        bin, begun = os.path.join(self.dir, "bin"), os.path.join(self.dir, "begun")
        os.mkdir(bin)
        with open(os.path.join(bin, "apt-cache"), "w") as f:  # what makes the image asks it
            f.write(f"#!/bin/sh\n: >{begun}\nexec sleep 600\n")
        os.chmod(f.name, 0o755)
        self.env["PATH"] = bin + ":" + self.env["PATH"]
        run = self.start("doctor", "--boot", "--json")
        self.wait_for(lambda: os.path.exists(begun), "the image is being made", 30)
        run.interrupt()
        result = run.finish(20)
        self.assertEqual(result.status, holostest.INTERRUPTED, f"{result}")
        self.assertIn("holos: boot: image: interrupted\n", result.err)
        self.assertEqual(result.json()["boot"][-1]["status"], "fail")

    def test_usage(self):
        self.fails(holostest.USAGE, "doctor", "me")
        self.assertIn("--boot", self.ok("help", "doctor").out)


if __name__ == "__main__":
    holostest.main()
