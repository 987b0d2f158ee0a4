# SPDX-License-Identifier: Apache-2.0
"""Named volumes and bind mounts, as far as they show outside the guest."""

import os

import holostest
from holostest import INVALID, OK, FakeTest

ONE = """
    name: demo
    services:
      db:
        image: ./base.qcow2
        volumes: ["data:/var/lib/db"]
    volumes:
      data: {size: 2G}
"""


class VolumeTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.volume = os.path.join(self.state, "volumes", "demo", "data.qcow2")

    def mark(self, text="precious"):
        with open(self.volume, "ab") as f:
            f.write(text.encode())

    def marked(self):
        with open(self.volume, "rb") as f:
            return f.read().endswith(b"precious")

    def size(self):
        done = holostest.subprocess.run([holostest.FAKE_QEMU_IMG, "info", "--output=json",
                                         self.volume], capture_output=True, text=True)
        return holostest.json.loads(done.stdout)["virtual-size"]

    def test_made_once_and_kept(self):
        self.compose(ONE)
        self.ok("up")
        self.assertEqual(self.size(), 2 << 30)
        self.mark()
        self.ok("down")
        self.assertTrue(self.marked(), "down took the volume")
        self.ok("up")
        self.assertTrue(self.marked(), "up made it anew")
        self.ok("stop")
        self.ok("start")
        self.assertTrue(self.marked())

    def test_down_volumes(self):
        self.compose(ONE)
        self.ok("up")
        self.ok("down", "--volumes")
        self.assertFalse(os.path.exists(self.volume))

    def test_down_volumes_of_a_project_that_is_down(self):
        self.compose(ONE)
        self.ok("up")
        self.ok("down")
        self.assertTrue(os.path.exists(self.volume))
        self.ok("down", "demo", "--volumes")
        self.assertFalse(os.path.exists(self.volume))

    def test_arguments(self):
        self.compose(ONE)
        self.ok("up")
        drive, = [d for d in self.option("db-0", "drive") if "if=none" in d]
        self.assertRegex(drive, r"\bid=vol-data\b")
        self.assertRegex(" ".join(self.option("db-0", "device")),
                         r"virtio-blk-pci,drive=vol-data,serial=vol-data\b")

    def test_long_names_fit_virtios_serial(self):
        """W28: cut to 20 bytes, the disk was never found in the guest."""
        name = "a-name-that-is-longer-than-a-serial"
        self.compose(ONE.replace("data", name))
        self.ok("up")
        devices = " ".join(self.option("db-0", "device"))
        serial = holostest.re.search(r"serial=([^, ]+)", devices)[1]
        self.assertLessEqual(len(serial), 20)
        self.ok("down")
        self.ok("up")
        self.assertIn(f"serial={serial}", " ".join(self.option("db-0", "device")))

    def test_grow_and_never_shrink(self):
        self.compose(ONE)
        self.ok("up")
        self.mark_disk("demo", "db-0")
        self.compose(ONE.replace("2G", "3G"))
        self.ok("up")
        self.assertEqual(self.size(), 3 << 30)
        self.assertTrue(self.disk_is_marked("demo", "db-0"), "a larger volume cost a root disk")
        self.compose(ONE.replace("2G", "1G"))
        result = self.holos("up")
        self.assertNotEqual(result.status, OK)
        self.assertRegex(result.err, "data")
        self.assertEqual(self.size(), 3 << 30)

    def test_a_disk_of_the_users_own(self):
        mine = os.path.join(self.work, "mine.qcow2")
        holostest.shutil.copy(self.image, mine)
        self.compose(ONE.replace("{size: 2G}", "{source: ./mine.qcow2}"))
        self.ok("up")
        self.assertIn(mine, " ".join(self.option("db-0", "drive")))
        self.ok("down", "--volumes")
        self.assertTrue(os.path.exists(mine), "holos deleted a disk of the user's")

    def test_failed_creation(self):
        self.compose(ONE)
        result = self.holos("up", env={"FAKE_QEMU_IMG_FAIL": "data"})
        self.assertNotEqual(result.status, OK)
        self.assertRegex(result.err, "data")
        self.assertFalse(os.path.exists(self.volume), "half a volume is left")
        self.ok("up")


class BindTest(FakeTest):
    def test_arguments(self):
        os.mkdir(os.path.join(self.work, "www"))
        self.compose("""
            name: demo
            services:
              web:
                image: ./base.qcow2
                volumes: ["./www:/srv/a-rather-long-path/to/the/files/of/www:ro"]
            """)
        result = self.holos("up")
        if result.status == INVALID:
            # Only image entries say whether their kernel has 9p; a local file has none.
            self.assertRegex(result.err, "9p")
            return
        self.assertEqual(result.status, OK, f"{result}")
        share, = self.option("web-0", "virtfs")
        self.assertIn(f"path={self.work}/www", share)
        self.assertIn("readonly=on", share)
        tag = holostest.re.search("mount_tag=([^,]+)", share)[1]
        self.assertLess(len(tag), 32)

    def test_missing_source_of_a_long_form(self):
        self.compose("""
            name: demo
            services:
              web:
                image: ./base.qcow2
                volumes:
                  - {type: bind, source: ./nope, target: /srv, bind: {create_host_path: false}}
            """)
        result = self.holos("up")
        self.assertNotEqual(result.status, OK)
        self.assertIn("nope", result.err)
        self.assertEqual(self.starts(), 0)


if __name__ == "__main__":
    holostest.main()
