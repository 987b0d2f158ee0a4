# SPDX-License-Identifier: Apache-2.0
"""A made-up host below one directory (HOLOS_HOST_ROOT): sysfs, /dev/vfio, /etc/os-release."""

import os

PCI_IDS = """\
# a part of pci.ids
10de  NVIDIA Corporation
\t1b80  GP104 [GeForce GTX 1080]
\t\t1043 8655  a board
\t10f0  GP104 High Definition Audio Controller
8086  Intel Corporation
\t1533  I210 Gigabit Network Connection
C 03  Display controller
\t00  VGA compatible controller
"""


class FakeHost:
    def __init__(self, root):
        self.root = root
        os.makedirs(self.path("sys/bus/pci/devices"))
        os.makedirs(self.path("sys/kernel/iommu_groups"))
        os.makedirs(self.path("dev/vfio"))
        self.write("dev/vfio/vfio", "")
        self.write("usr/share/misc/pci.ids", PCI_IDS)

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def write(self, path, text):
        os.makedirs(os.path.dirname(self.path(path)), exist_ok=True)
        with open(self.path(path), "w") as f:
            f.write(text)

    def link(self, target, path):
        path = self.path(path)
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink(target, path)

    def device(self, address, kind="0x030000", ids="10de:1b80", driver=None, group=None):
        """A PCI device as sysfs shows it; again: changed."""
        base = f"sys/bus/pci/devices/{address}"
        vendor, _, device = ids.partition(":")
        self.write(f"{base}/class", f"{kind}\n")
        self.write(f"{base}/vendor", f"0x{vendor}\n")
        self.write(f"{base}/device", f"0x{device}\n")
        if driver:
            self.link(f"../../../../bus/pci/drivers/{driver}", f"{base}/driver")
        elif os.path.lexists(self.path(f"{base}/driver")):
            os.unlink(self.path(f"{base}/driver"))
        if group is not None:
            self.link(f"../../../kernel/iommu_groups/{group}", f"{base}/iommu_group")
            if driver == "vfio-pci":
                self.write(f"dev/vfio/{group}", "")

    def card(self, driver="vfio-pci"):
        """A graphics card with its sound, behind a bridge, in group 7; and a NIC in 8."""
        self.device("0000:00:01.0", "0x060400", "8086:1901", "pcieport", 7)
        self.device("0000:01:00.0", "0x030000", "10de:1b80", driver, 7)
        self.device("0000:01:00.1", "0x040300", "10de:10f0", driver, 7)
        self.device("0000:02:00.0", "0x020000", "8086:1533", "igb", 8)
