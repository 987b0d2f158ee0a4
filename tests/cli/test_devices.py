# SPDX-License-Identifier: Apache-2.0
"""PCI devices of a made-up host: `devices`, and what `up` demands before it gives one to a VM."""

import os
import shutil

import holostest
from fakehost import FakeHost
from holostest import HOST, OK, FakeTest

FILE = """
    name: demo
    services:
      gpu:
        image: ./base.qcow2
        vm: {memory: 1G}
        devices: %s
"""
BOTH = '[{pci: "01:00.0"}, {pci: "0000:01:00.1"}]'


class DeviceTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.host = FakeHost(os.path.join(self.dir, "host"))
        for name in "CODE", "VARS":
            self.host.write(f"usr/share/OVMF/OVMF_{name}_4M.fd", name)
        self.env["HOLOS_HOST_ROOT"] = self.host.root


class ListTest(DeviceTest):
    def test_by_group_with_names(self):
        self.host.card()
        self.assertEqual(self.ok("devices").out, """\
IOMMU Group 7:
  0000:00:01.0  PCI Bridge  8086:1901  [pcieport]  Intel Corporation
  0000:01:00.0  VGA  10de:1b80  [vfio-pci]  NVIDIA Corporation GP104 [GeForce GTX 1080]
  0000:01:00.1  Audio  10de:10f0  [vfio-pci]  NVIDIA Corporation GP104 High Definition Audio Controller
IOMMU Group 8:
  0000:02:00.0  Ethernet  8086:1533  [igb]  Intel Corporation I210 Gigabit Network Connection
""")

    def test_gpus(self):
        self.host.card()
        self.assertEqual(self.ok("devices", "--gpu").out, """\
PCI           TYPE  VENDOR:DEVICE  DRIVER    IOMMU  NAME
0000:01:00.0  VGA   10de:1b80      vfio-pci  7      NVIDIA Corporation GP104 [GeForce GTX 1080]
""")

    def test_json(self):
        self.host.card()
        every = self.ok("devices", "--json").json()
        self.assertEqual([d["pci"] for d in every],
                         ["0000:00:01.0", "0000:01:00.0", "0000:01:00.1", "0000:02:00.0"])
        self.assertEqual(self.ok("devices", "--json", "--gpu").json(), [{
            "pci": "0000:01:00.0", "type": "VGA", "class": "0300", "id": "10de:1b80",
            "vendor_name": "NVIDIA Corporation", "name": "GP104 [GeForce GTX 1080]",
            "driver": "vfio-pci", "iommu_group": 7}])

    def test_a_host_with_nothing(self):
        result = self.ok("devices")
        self.assertEqual(result.out, "")
        self.assertIn("IOMMU of this host is off", result.err)
        self.assertEqual(self.ok("devices", "--gpu").out, "no GPUs found\n")
        self.assertEqual(self.ok("devices", "--json").json(), [])
        os.rmdir(self.host.path("sys/kernel/iommu_groups"))
        self.fails(HOST, "devices", match="is the IOMMU switched on")
        shutil.rmtree(self.host.path("sys"))
        self.assertEqual(self.ok("devices", "--gpu").out, "no GPUs found\n")

    def test_missing_and_damaged_files(self):
        self.host.card()
        base = self.host.path("sys/bus/pci/devices")
        os.unlink(f"{base}/0000:01:00.0/class")
        os.unlink(f"{base}/0000:01:00.0/vendor")
        self.host.write("sys/bus/pci/devices/0000:01:00.1/device", "no number\n")
        self.host.write("sys/bus/pci/devices/0000:01:00.1/class", "")
        self.host.link("../../nonsense", "sys/bus/pci/devices/0000:02:00.0/iommu_group")
        os.mkdir(f"{base}/0000:03:00.0")
        os.unlink(self.host.path("usr/share/misc/pci.ids"))
        self.assertEqual(self.ok("devices").out, """\
IOMMU Group 7:
  0000:00:01.0  PCI Bridge  8086:1901  [pcieport]
  0000:01:00.0  unknown  ????:1b80  [vfio-pci]
  0000:01:00.1  unknown  10de:????  [vfio-pci]
""")
        by_address = {d["pci"]: d for d in self.ok("devices", "--json").json()}
        self.assertEqual(by_address["0000:03:00.0"],
                         {"pci": "0000:03:00.0", "type": "unknown", "class": None,
                          "id": "????:????", "vendor_name": None, "name": None, "driver": None,
                          "iommu_group": None})
        self.assertIsNone(by_address["0000:02:00.0"]["iommu_group"])

    def test_names_are_looked_for_elsewhere_too(self):
        self.host.card()
        os.makedirs(self.host.path("usr/share/hwdata"))
        os.rename(self.host.path("usr/share/misc/pci.ids"),
                  self.host.path("usr/share/hwdata/pci.ids"))
        self.assertIn("GeForce", self.ok("devices").out)


class UpTest(DeviceTest):
    def refused(self, devices, *patterns):
        """Nothing was made or started."""
        self.compose(FILE % devices)
        result = self.fails(HOST, "up", match=patterns)
        self.assertEqual(self.starts(), 0)
        self.assertFalse(os.path.exists(self.instance_dir("demo", "gpu-0")))
        return result

    def test_arguments(self):
        self.host.card()
        self.compose(FILE % '[{pci: "01:00.0", rom_file: "./rom,1.rom"}, {pci: "01:00.1"}]')
        with open(os.path.join(self.work, "rom,1.rom"), "w"):
            pass
        self.ok("up", "-f", os.path.join(self.work, "holos.yaml"), cwd="/")
        rom = os.path.join(self.work, "rom,,1.rom")
        self.assertEqual([d for d in self.option("gpu-0", "device") if d.startswith("vfio")],
                         [f"vfio-pci,host=0000:01:00.0,romfile={rom}",
                          "vfio-pci,host=0000:01:00.1"])
        drives = [d for d in self.option("gpu-0", "drive") if "pflash" in d]
        self.assertEqual(len(drives), 2)  # devices mean UEFI
        self.assertIn(self.host.path("usr/share/OVMF/OVMF_CODE_4M.fd"), drives[0])

    def test_no_such_device(self):
        self.host.card()
        self.refused('[{pci: "05:00.0"}]', r"holos.yaml:6:\d+: gpu: device 0000:05:00.0: there is "
                     "no such PCI device", "hint: holos devices lists")

    def test_iommu_off(self):
        self.host.device("0000:01:00.0", driver="nouveau")
        result = self.refused('[{pci: "01:00.0"}]', "IOMMU of this host is off",
                              "intel_iommu=on")
        self.assertNotIn("nouveau", result.err)  # first things first

    def test_in_no_group(self):
        self.host.card()
        self.host.device("0000:09:00.0", driver="nvme")
        self.refused('[{pci: "09:00.0"}]', "in no IOMMU group")

    def test_wrong_driver(self):
        self.host.card("nouveau")
        self.refused(BOTH, "0000:01:00.0: its driver is nouveau",
                     "echo 0000:01:00.0 | sudo tee "
                     "/sys/bus/pci/devices/0000:01:00.0/driver/unbind && "
                     "echo 0000:01:00.0 | sudo tee /sys/bus/pci/drivers_probe",
                     "0000:01:00.1: its driver is nouveau")  # both, in one run

    def test_no_driver(self):
        self.host.card(None)
        result = self.refused(BOTH, "it has no driver", "driver_override")
        self.assertNotIn("unbind", result.err)

    def test_the_rest_of_the_group_is_the_hosts(self):
        self.host.card()
        self.host.device("0000:01:00.1", "0x040300", "10de:10f0", "snd_hda_intel", 7)
        self.refused('[{pci: "01:00.0"}]', r"0000:01:00.1 \(Audio 10de:10f0\) is in the same "
                     "IOMMU group 7, and the host uses it with the driver snd_hda_intel",
                     "echo vfio-pci | sudo tee /sys/bus/pci/devices/0000:01:00.1/driver_override")

    def test_a_part_of_the_group_is_a_warning(self):
        self.host.card()
        self.compose(FILE % '[{pci: "01:00.0"}]')
        result = self.ok("up")
        self.assertIn("0000:01:00.1 (Audio 10de:10f0) of the same IOMMU group 7 is not given",
                      result.err)
        self.assertNotIn("00:01.0", result.err.replace("0000:01", ""))  # the bridge is nobody's

    def test_no_node(self):
        self.host.card()
        os.unlink(self.host.path("dev/vfio/7"))
        self.refused(BOTH, "there is no /dev/vfio/7", "modprobe vfio-pci")

    def test_two_services_in_one_group(self):
        self.host.card()
        self.compose("""
            name: demo
            services:
              a: {image: ./base.qcow2, devices: [{pci: "01:00.0"}]}
              b: {image: ./base.qcow2, devices: [{pci: "01:00.1"}]}
        """)
        self.fails(HOST, "up", match="devices of a and b are in one IOMMU group, 7")
        self.assertEqual(self.starts(), 0)
        self.compose("""
            name: demo
            services:
              a: {image: ./base.qcow2, devices: [{pci: "01:00.0"}]}
              c: {image: ./base.qcow2}
        """)
        self.ok("up")

    def test_memory_that_may_not_be_locked(self):
        self.host.card()
        self.compose(FILE % BOTH)
        limited = ["prlimit", "--memlock=1048576", "setpriv", "--bounding-set=-ipc_lock",
                   holostest.PROGRAM, "up"]
        result = self.spawn(limited).finish(self.timeout)
        self.assert_failed(result, HOST, [r"locked, 1.1 GiB, and you may lock 1 MiB \(ulimit -l\)",
                                          r"memlock 1114112", "LimitMEMLOCK"])
        self.assertEqual(self.starts(), 0)
        self.assertEqual(self.holos("up").status, OK)

    def test_services_without_devices_do_not_care(self):
        shutil.rmtree(self.host.path("sys"))
        self.compose('services: {web: {image: ./base.qcow2}}\nname: demo')
        self.ok("up")

    def test_devices_are_checked_before_anything_stops(self):
        self.host.card()
        self.compose(FILE % BOTH)
        self.ok("up")
        self.mark_disk("demo", "gpu-0")
        self.compose(FILE % '[{pci: "05:00.0"}]')
        pid = self.instances("demo")["gpu-0"]["pid"]
        self.fails(HOST, "up", match="no such PCI device")
        self.assertEqual(self.instances("demo")["gpu-0"]["pid"], pid)
        self.assertTrue(self.disk_is_marked("demo", "gpu-0"))


if __name__ == "__main__":
    holostest.main()
