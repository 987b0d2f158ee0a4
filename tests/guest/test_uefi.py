# SPDX-License-Identifier: Apache-2.0
"""UEFI for real: OVMF starts a GRUB, secure boot refuses the same one, aarch64 gets to its
shell; and doctor --boot."""

import os
import shutil
import subprocess
import unittest

import holostest
from holostest import GuestTest

MODULES = "normal echo halt memdisk tar"
GRUB = """\
echo "guest: started by $grub_platform"
halt
"""
FILE = """
    name: demo
    services:
      a: {image: ./disk.raw, image_format: raw, vm: {%s, memory: 256M}}
"""


class UefiTest(GuestTest):
    def setUp(self):
        super().setUp()
        for program in "grub-mkstandalone", "mformat":
            if not shutil.which(program):
                raise unittest.SkipTest(f"no {program} here")

    def run_tool(self, *argv):
        subprocess.run(argv, cwd=self.work, check=True, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)

    def make_disk(self):
        """A FAT disk with the one file that UEFI looks for by itself."""
        with open(os.path.join(self.work, "grub.cfg"), "w") as f:
            f.write(GRUB)
        self.run_tool("grub-mkstandalone", "-O", "x86_64-efi", "-o", "BOOTX64.EFI",
                      f"--install-modules={MODULES}", f"--modules={MODULES}", "--locales=",
                      "--fonts=", "--themes=", "boot/grub/grub.cfg=grub.cfg")
        with open(os.path.join(self.work, "disk.raw"), "wb") as f:
            f.truncate(16 << 20)
        self.run_tool("mformat", "-i", "disk.raw", "::")
        self.run_tool("mmd", "-i", "disk.raw", "::/EFI", "::/EFI/BOOT")
        self.run_tool("mcopy", "-i", "disk.raw", "BOOTX64.EFI", "::/EFI/BOOT/")

    def variables(self):
        with open(os.path.join(self.instance_dir("demo", "a-0"), "OVMF_VARS.fd"), "rb") as f:
            return f.read()

    def test_boots_and_is_refused_by_secure_boot(self):
        self.make_disk()
        self.compose(FILE % "uefi: true")
        self.ok("up")
        self.ok("wait", "demo", timeout=100)
        self.assertIn("guest: started by efi", self.console("a-0"))
        self.assertIn("powered off by the guest", self.vm("a-0")["exit"]["message"])
        # What the firmware wrote is this VM's, and there at the next start.
        kept = self.variables()
        self.assertIn("Boot0001".encode("utf-16-le"), kept)
        self.ok("start", "demo")
        self.ok("wait", "demo", timeout=100)
        self.assertEqual(self.console("a-0").count("guest: started by efi"), 2)
        self.assertEqual(len(self.variables()), len(kept))
        self.ok("down")

        self.compose(FILE % "secure_boot: true")
        self.ok("up")
        self.wait_for(lambda: "Access Denied" in self.console("a-0"), "secure boot refuses", 90)
        self.assertNotIn("guest: started", self.console("a-0"))
        self.ok("kill", "demo")


class ArmTest(GuestTest):
    def test_aarch64_gets_to_the_shell_of_its_firmware(self):
        if not shutil.which("qemu-system-aarch64"):
            raise unittest.SkipTest("no qemu-system-aarch64 here")
        self.env["HOLOS_ARCH"] = "aarch64"
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "disk.qcow2", "64M"],
                       cwd=self.work, check=True)
        self.compose("name: demo\nservices: {a: {image: ./disk.qcow2, vm: {vcpu: 2}}}")
        self.ok("up")
        self.wait_for(lambda: "Shell>" in self.console("a-0"), "the firmware's shell", 100)
        self.ok("kill", "demo")


class DoctorTest(GuestTest):
    def test_boot(self):
        result = self.holos("doctor", "--boot", "--json", timeout=300)
        self.assertEqual(result.status, holostest.OK, f"{result}")
        phases = result.json()["boot"]
        self.assertEqual([p["phase"] for p in phases],
                         ["image", "start", "answer", "command", "down"])
        self.assertEqual({p["status"] for p in phases}, {"ok"}, phases)
        self.assertEqual(self.ps(), [])


if __name__ == "__main__":
    holostest.main()
