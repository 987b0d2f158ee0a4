# SPDX-License-Identifier: Apache-2.0
"""What this host's QEMU, KVM and firmware mean for a start: found, missing, refused."""

import json
import os

import holostest
from fakehost import FakeHost
from holostest import HOST, INVALID, START, USAGE, FakeTest

ONE = "name: demo\nservices:\n  web:\n    image: ./base.qcow2\n"


class HostTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.host = FakeHost(os.path.join(self.dir, "host"))
        self.host.write("etc/os-release", "ID=debian\n")
        self.env["HOLOS_HOST_ROOT"] = self.host.root

    def one(self, rest=""):
        return self.compose(ONE + "".join(f"    {line}\n" for line in rest.splitlines()))

    def refused(self, *patterns, status=HOST, **kw):
        self.fails(status, "up", match=patterns, **kw)
        self.assertEqual(self.starts(), 0)
        self.assertEqual(self.instances("demo"), {})


class TraitTest(HostTest):
    def test_asked_once_per_program(self):
        probed = os.path.join(self.dir, "probed")
        self.env["FAKE_QEMU_PROBED"] = probed
        self.one()
        self.ok("up")
        self.ok("down")
        self.ok("up")
        self.assertEqual(self.read(probed), "probed\n")
        copy = os.path.join(self.dir, "qemu-copy")
        os.link(holostest.FAKE_QEMU, copy)
        self.ok("down")
        self.ok("up", env={"HOLOS_QEMU_SYSTEM": copy})
        self.assertEqual(self.read(probed), "probed\n" * 2)

    def test_a_damaged_cache_is_asked_again(self):
        self.one()
        self.ok("up")
        cache = os.path.join(self.state, "cache")
        (name,) = os.listdir(cache)
        good = self.read(cache, name)
        told = json.loads(good)
        part = [json.dumps({k: v for k, v in told.items() if k != left_out})
                for left_out in ("sandbox", "tcg", "major", "inode")]
        for bad in "", "{", "[]", '{"format": 99}', json.dumps({**told, "major": 5}), *part:
            with open(os.path.join(cache, name), "w") as f:
                f.write(bad)
            self.ok("down")
            self.ok("up")
            self.assertEqual(self.read(cache, name), good)

    def test_a_refusal_is_not_from_memory(self):
        """A part of QEMU may have been installed since; the program is the same."""
        self.one()
        self.ok("up", env={"FAKE_QEMU_LACKS": "virtio-9p-pci"})
        self.ok("down")
        self.one('volumes: ["./:/srv"]')
        self.ok("up")
        self.ok("down")
        cache = os.path.join(self.state, "cache")
        (name,) = os.listdir(cache)
        self.assertTrue(json.loads(self.read(cache, name))["shares"])

    def test_doctor_asks(self):
        self.one()
        self.ok("up", env={"FAKE_QEMU_VERSION": "7.1.0"})
        done = self.holos("doctor", "--json", env={"FAKE_QEMU_VERSION": "9.9.9"})
        found = {c["name"]: c["message"] for c in done.json()["checks"]}
        self.assertIn(": 9.9.9", found["qemu-system-x86_64"])

    def test_too_old(self):
        self.one()
        self.refused("QEMU 6.1.0, and holos needs 6.2 or newer",
                     env={"FAKE_QEMU_VERSION": "6.1.0"})

    def test_no_qemu(self):
        self.one()
        self.refused("/bin/true does not answer as QEMU does",
                     env={"HOLOS_QEMU_SYSTEM": "/bin/true"})

    def test_no_sandbox(self):
        self.one()
        lacks = {"FAKE_QEMU_LACKS": "sandbox"}
        self.refused(r"holos.yaml:3:\d+: web: .* was built without the seccomp sandbox",
                     "vm.sandbox: false", env=lacks)
        self.one("vm: {sandbox: false}")
        self.ok("up", env=lacks)
        self.assertEqual(self.option("web-0", "sandbox"), [])

    def test_no_shares(self):
        self.one('volumes: ["./:/srv"]')
        self.refused("directories of the host", "named volume",
                     env={"FAKE_QEMU_LACKS": "virtio-9p-pci"})

    def test_no_vfio(self):
        self.host.card()
        self.one('devices: [{pci: "01:00.0"}]')
        self.refused("vfio-pci", env={"FAKE_QEMU_LACKS": "vfio-pci"})

    def test_no_pvpanic(self):
        self.one()
        self.ok("up", env={"FAKE_QEMU_LACKS": "pvpanic-pci"})
        self.assertNotIn("pvpanic-pci", self.option("web-0", "device"))

    def test_sandboxed_without_default_devices(self):
        self.one("vm: {extra_args: [-device, virtio-vga]}")
        self.ok("up")
        argv = self.argv("web-0")
        self.assertIn("-nodefaults", argv)
        self.assertIn("-no-user-config", argv)
        self.assertTrue(self.option("web-0", "sandbox")[0].startswith("on,"))
        self.assertEqual(argv[-2:], ["-device", "virtio-vga"])  # last


class AccelTest(HostTest):
    def test_no_kvm_is_told_once(self):
        self.compose(ONE + "  db: {image: ./base.qcow2}\n")
        result = self.ok("up", env={"HOLOS_ACCEL": None})
        self.assertEqual(result.err.count("KVM is not used: this host offers no KVM"), 1)
        self.assertIn("kvm_intel or kvm_amd", result.err)
        self.assertEqual(self.option("web-0", "accel"), ["tcg,thread=multi"])

    def test_who_asked_for_tcg_is_told_nothing(self):
        self.one("vm: {accel: tcg}")
        result = self.ok("up", env={"HOLOS_ACCEL": None})
        self.assertNotIn("KVM", result.err)

    def test_kvm_that_was_asked_for_and_is_not_there(self):
        self.one("vm: {accel: kvm}")
        self.refused("web: vm.accel is kvm, and KVM does not work: this host offers no KVM",
                     "or let it be auto", env={"HOLOS_ACCEL": None})
        self.one()
        self.refused("HOLOS_ACCEL is kvm, and KVM does not work", env={"HOLOS_ACCEL": "kvm"})

    def test_the_environment_overrides_the_file(self):
        self.one("vm: {accel: kvm}")
        self.ok("up", env={"HOLOS_ACCEL": "tcg"})
        self.assertEqual(self.option("web-0", "accel"), ["tcg,thread=multi"])

    def test_nonsense(self):
        self.one()
        self.refused("HOLOS_ACCEL is \"warp\"", status=USAGE, env={"HOLOS_ACCEL": "warp"})

    def test_a_qemu_without_tcg(self):
        self.one()
        self.refused("KVM is not used: this host offers no KVM, and .* cannot emulate",
                     env={"HOLOS_ACCEL": None, "FAKE_QEMU_LACKS": "tcg-accel"})


class FirmwareTest(HostTest):
    def descriptor(self, name, stem, features, machine="pc-q35-*", arch="x86_64"):
        for part in "code", "vars":
            self.host.write(f"fw/{stem}.{part}", f"{stem} {part}")
        self.host.write(f"usr/share/qemu/firmware/{name}.json", """{
            "interface-types": ["uefi"], "mapping": {"device": "flash",
            "executable": {"filename": "/fw/%s.code", "format": "raw"},
            "nvram-template": {"filename": "/fw/%s.vars", "format": "raw"}},
            "targets": [{"architecture": "%s", "machines": ["%s"]}],
            "features": [%s], "tags": []}""" % (stem, stem, arch, machine, features))

    def flash(self):
        return [d for d in self.option("web-0", "drive") if d.startswith("if=pflash")]

    def test_missing(self):
        self.one("vm: {uefi: true}")
        self.refused(r"holos.yaml:3:\d+: web: cannot find UEFI firmware for x86_64",
                     "sudo apt install ovmf")

    def test_variables_are_the_vms_own_and_stay(self):
        self.descriptor("60-plain", "plain", "")
        self.one("vm: {uefi: true}\nreplicas: 2")
        self.ok("up")
        for vm in "web-0", "web-1":
            own = os.path.join(self.instance_dir("demo", vm), "OVMF_VARS.fd")
            self.assertEqual(self.read(own), "plain vars")
            with open(own, "w") as f:
                f.write(f"of {vm}")
        self.assertIn(self.host.path("fw/plain.code"), self.flash()[0])
        self.assertIn("readonly=on", self.flash()[0])
        self.assertIn("web-0/OVMF_VARS.fd", self.flash()[1])
        self.ok("stop")
        self.ok("up")
        for vm in "web-0", "web-1":
            self.assertEqual(self.read(self.instance_dir("demo", vm), "OVMF_VARS.fd"), f"of {vm}")
        # The one disk to boot from is said; else UEFI goes and asks the network.
        self.assertIn("virtio-blk-pci,drive=root,bootindex=1", self.option("web-0", "device"))

    def test_secure_boot(self):
        self.descriptor("40-secure", "secure",
                        '"secure-boot", "enrolled-keys", "requires-smm"')
        self.descriptor("60-plain", "plain", "")
        self.one("vm: {secure_boot: true}")
        self.ok("up")
        self.assertIn("fw/secure.code", self.flash()[0])
        self.assertIn("smm=on", self.option("web-0", "machine")[0])
        self.assertIn("driver=cfi.pflash01,property=secure,value=on",
                      self.option("web-0", "global"))
        # A root disk stays with what it was made for.
        self.one("vm: {uefi: true}")
        self.fails(1, "up", match="recreate")
        self.ok("up", "--recreate", "web")
        self.assertIn("fw/plain.code", self.flash()[0])
        self.assertNotIn("smm", self.option("web-0", "machine")[0])

    def test_secure_boot_on_the_wrong_machine(self):
        self.descriptor("40-secure", "secure", '"secure-boot", "enrolled-keys"')
        self.one("vm: {secure_boot: true, machine: pc}")
        self.refused("secure_boot needs the machine q35, and vm.machine is pc", status=INVALID)

    def test_no_secure_firmware(self):
        self.descriptor("60-plain", "plain", "")
        self.one("vm: {secure_boot: true}")
        self.refused("cannot find UEFI firmware with secure boot for x86_64")

    def test_aarch64(self):
        """Emulated here; every VM boots by UEFI there."""
        self.descriptor("60-arm", "arm", "", "virt-*", "aarch64")
        arm = {"HOLOS_ARCH": "aarch64", "HOLOS_ACCEL": None}
        self.one()
        result = self.ok("up", env=arm)
        self.assertIn("KVM runs guests of the host's own architecture only", result.err)
        self.assertEqual(self.option("web-0", "machine"), ["virt,gic-version=max"])
        self.assertEqual(self.option("web-0", "cpu"), ["max,pauth-impdef=on"])
        self.assertIn("fw/arm.code", self.flash()[0])
        self.ok("down")
        os.unlink(self.host.path("fw/arm.vars"))
        self.fails(HOST, "up", match=["cannot find UEFI firmware for aarch64", "qemu-efi-aarch64"],
                   env=arm)
        self.fails(HOST, "up", match=["cannot find qemu-system-aarch64 in PATH",
                                      "sudo apt install qemu-system-arm"],
                   env={**arm, "HOLOS_QEMU_SYSTEM": None, "PATH": "/nope"})


class RefusalTest(HostTest):
    """QEMU's own words, and which argument of the file they mean."""

    def said(self, message, rest, *patterns):
        self.one(rest)
        self.behave("web-0", fail_start=1, message=message)
        result = self.fails(START, "up", match=patterns)
        self.ok("down")
        return result

    def test_extra_arguments(self):
        self.one("vm: {extra_args: [-frobnicate]}")
        self.fails(START, "up", match=["-frobnicate: invalid option",
                                       r"hint: it means services.web.vm.extra_args\[0\] \(.*holos.yaml:5\)"])
        self.ok("down")
        self.said("-device nonsense: 'nonsense' is not a valid device model name",
                  "vm: {extra_args: [-device, virtio-vga, -device, nonsense]}",
                  "-device nonsense: 'nonsense' is not a valid device model name",
                  r"services.web.vm.extra_args\[2\]")

    def test_fields(self):
        self.said("unsupported machine type", "vm: {machine: pdp11}", "unsupported machine type",
                  "see services.web.vm.machine")
        self.said("unable to find CPU model 'vax'", "vm: {cpu_model: vax}", "vm.cpu_model")

    def test_no_idea(self):
        result = self.said("no luck today", "", "no luck today")
        self.assertNotIn("hint:", result.err.partition("no luck")[2].partition("holos:")[0])


if __name__ == "__main__":
    holostest.main()
