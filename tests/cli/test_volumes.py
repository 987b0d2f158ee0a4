# SPDX-License-Identifier: Apache-2.0
"""Named volumes and bind mounts, as far as they show outside the guest."""

import os
import pty
import subprocess

import holostest
from holostest import BUSY, FAILED, INVALID, OK, PROGRAM, USAGE, FakeTest

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
        drive, = [d for d in self.option("db-0", "drive") if "id=vol-" in d]
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


class StoreTest(FakeTest):
    """holos volume ls, rm."""

    def setUp(self):
        super().setUp()
        self.compose("""
            name: demo
            services:
              db: {image: ./base.qcow2, volumes: ["data:/srv"], stop_grace_period: 1s}
              web: {image: ./base.qcow2, replicas: 2, volumes: ["own:/srv"], stop_grace_period: 1s}
            volumes:
              data: {size: 2G}
              own: {size: 1G, per_replica: true}
            """)
        self.ok("up")

    def names(self, *args):
        return [v["name"] for v in self.ok("volume", "ls", "--json", *args).json()]

    def test_ls(self):
        got = self.ok("volume", "ls", "--json").json()
        self.assertEqual([(v["project"], v["name"], v["size"], v["in_use_by"]) for v in got],
                         [("demo", "data", 2 << 30, "db-0"), ("demo", "own.0", 1 << 30, "web-0"),
                          ("demo", "own.1", 1 << 30, "web-1")])
        for v in got:
            self.assertGreater(v["used"], 0)
            self.assertRegex(v["last_written"], r"^20\d\d-\d\d-\d\dT")
        lines = self.ok("volume", "ls").out.splitlines()
        self.assertRegex(lines[1], r"^demo +data +2 GiB +[\d.]+ KiB +db-0 +20\S+Z$")
        self.assertEqual(self.ok("volume", "ls", "-q").out, "data\nown.0\nown.1\n")
        self.ok("down")
        got = self.ok("volume", "ls", "--json", cwd="/").json()
        self.assertEqual([v["in_use_by"] for v in got], [None] * 3)
        self.assertEqual(self.names("-p", "other"), [])

    def test_rm_of_one_in_use(self):
        self.fails(FAILED, "volume", "rm", "-y", "data", match=["data", "db-0", "running"])
        self.ok("stop")
        self.fails(FAILED, "volume", "rm", "-y", "data", match=["data", "db-0", "stopped"])
        self.fails(FAILED, "volume", "rm", "-y", "own", match=["own.0", "web-0"])
        self.assertEqual(self.names(), ["data", "own.0", "own.1"])
        self.ok("down", "db")
        self.ok("volume", "rm", "-y", "data")
        self.assertEqual(self.names(), ["own.0", "own.1"])
        self.ok("down", "web-1")
        self.fails(FAILED, "volume", "rm", "-y", "own", match=["own.0", "web-0"])
        self.ok("volume", "rm", "-y", "own.1")
        self.assertEqual(self.names(), ["own.0"])

    def test_rm_of_a_project_that_is_down(self):
        self.ok("down")
        self.ok("volume", "rm", "-y", "-p", "demo", "own", cwd="/")
        self.assertEqual(self.names(), ["data"])
        self.assertEqual(os.listdir(os.path.join(self.state, "volumes", "demo")),
                         ["data.json", "data.qcow2"])
        self.fails(FAILED, "volume", "rm", "-y", "-p", "demo", "dat", match='did you mean "data"')

    def test_nobody_to_ask(self):
        self.ok("down")
        self.fails(USAGE, "volume", "rm", "data", match=["data", "-y"])
        self.assertIn("data", self.names())
        self.fails(USAGE, "volume", "rm")
        self.fails(USAGE, "volume", "prune")
        self.fails(USAGE, "volume")

    def answer(self, text):
        master, slave = pty.openpty()
        run = subprocess.Popen([PROGRAM, "volume", "rm", "data"], env=self.env, cwd=self.work,
                               stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        shown = b""
        while b"[y/N]" not in shown:
            shown += os.read(master, 4096)
        os.write(master, text)
        status = run.wait(20)
        os.close(master)
        self.assertIn(b"remove volume data of project", shown)
        return status

    def test_question(self):
        self.ok("down")
        for text in b"n\n", b"\n", b"yess\n", b"\x04":
            self.assertEqual(self.answer(text), FAILED)
            self.assertIn("data", self.names())
        self.assertEqual(self.answer(b"y\n"), OK)
        self.assertNotIn("data", self.names())

    def test_a_damaged_instance_may_use_it(self):
        with open(os.path.join(self.instance_dir("demo", "web-0"), "instance.json"), "w"):
            pass
        self.ok("down", "db")
        self.fails(FAILED, "volume", "rm", "-y", "data", match=["data", "web-0", "damaged"])
        self.assertIn("data", self.names())

    def test_busy(self):
        self.ok("down")
        self.compose(f"name: demo\nservices: {{x: {{image: {self.image}}}}}\n")
        seen = len(self.qemu_img_log())
        run = self.start("up", env={"FAKE_QEMU_IMG_DELAY_MS": 1500})
        self.wait_for(lambda: len(self.qemu_img_log()) > seen, "it is locked")
        self.fails(BUSY, "volume", "rm", "-y", "data", "--no-wait", match=rf"pid={run.pid} verb=up")
        run.finish()

    def test_smaller(self):
        path = os.path.join(self.work, "holos.yaml")
        text = self.read(path).replace("data: {size: 2G}", "data: {size: 1G}")
        with open(path, "w") as f:
            f.write(text)
        self.ok("stop", "db")
        self.fails(INVALID, "up", match=["data", "2 GiB", "1 GiB"])


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
