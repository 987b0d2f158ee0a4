# SPDX-License-Identifier: Apache-2.0
"""The image store: pull, images, verify, rm, prune, holos.lock, and `up` on top of it."""

import gzip
import io
import json
import lzma
import os
import re
import shutil
import subprocess
import tarfile
import time
import unittest

from holostest import BUSY, FAILED, INVALID, OK, PROGRAM, USAGE, VERIFY
from imagetest import ImageTest, disk, sha256, sha512

DATA = disk()
NEW = disk(seed=2)
DEBIAN = "/bookworm/latest/debian-12-generic-amd64.qcow2"
SUMS = "/bookworm/latest/SHA512SUMS"


class Pull(ImageTest):
    def test_what_it_prints(self):
        self.put_debian(DATA)
        result = self.ok("pull", "debian")
        self.assertEqual(result.out, f"image: {self.base(DATA)}\nformat: qcow2\n")
        self.assertRegex(result.err, r"image debian:12: downloaded .*sha256:" + sha256(DATA)[:12])

    def test_several_and_json(self):
        self.put_debian(DATA)
        self.put_debian(NEW, 13, "trixie")
        got = self.ok("pull", "--json", "debian:12", "debian:13", "./base.qcow2").json()
        self.assertEqual([g["ref"] for g in got], ["debian:12", "debian:13", "./base.qcow2"])
        self.assertEqual([g["downloaded"] for g in got], [True, True, False])
        self.assertEqual(got[1]["digest"], "sha256:" + sha256(NEW))
        self.assertEqual(got[2]["image"], self.image)

    def test_two_names_one_download(self):
        """W40."""
        self.put_debian(DATA)
        self.ok("pull", "debian:12", "debian:bookworm")
        self.assertEqual(self.server.count(DEBIAN), 1)
        self.assertEqual(set(self.images()), {"debian:12", "debian:bookworm"})
        self.assertEqual(len(self.bases()), 1)

    def test_again_asks_and_downloads_nothing(self):
        self.put_debian(DATA)
        self.ok("pull", "debian")
        self.assertIn("is up to date", self.ok("pull", "debian").err)
        self.assertEqual(self.server.paths(), [SUMS, DEBIAN, SUMS])

    def test_a_new_one_leaves_the_old_one(self):
        """W7: the publisher rotates the file, and VMs stand on the old one."""
        self.put_debian(DATA)
        self.ok("pull", "debian")
        before = os.stat(self.base(DATA))
        self.put_debian(NEW)
        self.ok("pull", "debian")
        self.assert_base(NEW)
        after = os.stat(self.base(DATA))
        self.assertEqual((before.st_ino, before.st_mtime), (after.st_ino, after.st_mtime))
        self.assertEqual(self.images()["debian:12"]["digest"], "sha256:" + sha256(NEW))

    def test_one_failure_does_not_stop_the_others(self):
        self.put_debian(DATA)
        result = self.fails(FAILED, "pull", "debian:12", "debian:13", match="debian:13.*404")
        self.assertNotIn("debian:12: https", result.err)
        self.assert_base(DATA)

    def test_many_failures(self):
        """20 of them, and how many more."""
        refs = [self.server.url(f"/{i}.qcow2#sha256=") + "0" * 64 for i in range(25)]
        result = self.fails(FAILED, "pull", *refs, match="and 5 more")
        self.assertEqual(result.err.count("status 404"), 20)

    def test_unknown(self):
        self.fails(INVALID, "pull", "debain", match=['unknown image "debain"', 'did you mean "debian"'])
        self.fails(INVALID, "pull", "debian:99",
                   match=[r'unknown image "debian:99"', r"debian:12, debian:bookworm, debian:13"])

    def test_usage(self):
        self.fails(USAGE, "pull", "--all", "debian")

    def test_dated_name(self):
        """A checksum file with one line names the file that "latest" stands for."""
        env = {"HOLOS_MIRROR_OPENSUSE": self.server.url()}
        dir = "/distribution/leap/16.0/appliances/"
        short = "Leap-16.0-Minimal-VM.x86_64-Cloud.qcow2"
        dated = "Leap-16.0-Minimal-VM.x86_64-Cloud-Build16.2.qcow2"
        self.server.put(dir + short + ".sha256", f"{sha256(DATA)}  {dated}\n")
        self.server.put(dir + short, NEW)       # rotated already
        self.server.put(dir + dated, DATA)
        self.ok("pull", "opensuse", env=env)
        self.assert_base(DATA)
        self.assertEqual(self.server.count(dir + short), 0)
        del self.server.files[dir + dated]      # a mirror without the dated name
        self.server.put(dir + short, DATA)
        self.ok("images", "rm", "opensuse")
        self.ok("pull", "opensuse", env=env)
        self.assert_base(DATA)

    def test_each_distribution(self):
        """Every source finds image and checksum in its publisher's layout."""
        env = {}
        rows = self.ok("images", "--json").json()
        done = 0
        for row in rows:
            source = row["name"]
            if row["url"] is None or source == "arch":
                continue
            plugin = json.loads(self.ok("plugins", "show", f"image-{source}", "--json").out)
            self.assertEqual(plugin["state"], "ok")
            env["HOLOS_MIRROR_" + source.upper().replace("-", "_")] = self.server.url()
            data = disk(4 << 10 << 6, seed=done + 10)
            path = "/" + self._below_base(source, row["url"])
            self._put_sums(row, path, data)
            self.server.put(path, data)
            done += 1
            if row["default"]:
                self.ok("pull", row["ref"], env=env)
                self.assertEqual(self.images()[row["ref"]]["digest"], "sha256:" + sha256(data),
                                 row["ref"])
        self.assertGreater(done, 25)

    BASES = {
        "almalinux": "almalinux/", "alpine": "alpine/", "centos-stream": "centos/",
        "debian": "images/cloud/", "fedora": "fedora/linux/", "opensuse": "org/",
        "rocky": "pub/rocky/", "ubuntu": "com/",
    }

    def _below_base(self, source, url):
        return url.split(self.BASES[source], 1)[1] if source != "almalinux" else \
            url.split(".org/almalinux/", 1)[1]

    def _put_sums(self, row, path, data):
        dir, file = path.rsplit("/", 1)
        source = row["name"]
        bsd = f"# {file}: {len(data)} bytes\nSHA256 ({file}) = {sha256(data)}\n"
        if source == "fedora":
            version = re.search(r"Generic-(\d+-[\d.]+)\.(\w+)\.", file)
            name = f"Fedora-Cloud-{version[1]}-{version[2]}-CHECKSUM"
            text = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{bsd}" \
                   "-----BEGIN PGP SIGNATURE-----\n\niQIzBAEBCAAdFiEE\n-----END PGP SIGNATURE-----\n"
        elif source in ("rocky", "centos-stream"):
            name, text = file + {"rocky": ".CHECKSUM"}.get(source, ".SHA256SUM"), bsd
        elif source in ("debian", "alpine"):
            name = "SHA512SUMS" if source == "debian" else file + ".sha512"
            text = f"{sha512(data)}  {file}\n" if source == "debian" else sha512(data) + "\n"
        else:
            name = {"ubuntu": "SHA256SUMS", "almalinux": "CHECKSUM"}.get(source, file + ".sha256")
            text = f"{sha256(b'')} *other.img\n{sha256(data)} *{file}\n"
        self.server.put(f"{dir}/{name}", text)


class Compressed(ImageTest):
    def unpacked(self, packed, name="disk.qcow2.x"):
        ref = self.put_url(packed, f"/i/{name}")
        self.ok("pull", ref)
        self.assert_base(DATA)
        self.assertEqual(self.partial(), [])

    def test_xz(self):
        self.unpacked(lzma.compress(DATA))

    def test_gz(self):
        self.unpacked(gzip.compress(DATA))

    def test_zst(self):
        if not shutil.which("zstd"):
            self.skipTest("no zstd program to make one")
        self.unpacked(subprocess.run(["zstd", "-c"], input=DATA, capture_output=True).stdout)

    @staticmethod
    def tar(**files):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(name.replace("_", "."))
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return out.getvalue()

    def test_tar(self):
        self.unpacked(self.tar(README=b"read me", disk_qcow2=DATA))

    def test_tar_xz(self):
        self.unpacked(lzma.compress(self.tar(disk_raw=DATA, manifest_json=b"{}")))

    def test_zeroes_become_holes(self):
        raw = bytes(8 << 20) + DATA + bytes(8 << 20)
        self.ok("pull", self.put_url(gzip.compress(raw)))
        path = self.assert_base(raw, "raw")
        self.assertLess(os.stat(path).st_blocks * 512, 2 << 20)

    def refused(self, packed, match):
        self.fails(VERIFY, "pull", self.put_url(packed), match=match)
        self.assertEqual(self.bases(), [])

    def test_two_disks(self):
        self.refused(self.tar(a_qcow2=DATA, b_qcow2=DATA), "several disk images")

    def test_no_disk(self):
        self.refused(self.tar(README=b"read me"), "no disk image")

    def test_cut_off(self):
        self.refused(lzma.compress(DATA)[:-4000], "cannot unpack")

    def test_overlay_inside(self):
        self.refused(gzip.compress(disk(backing=512, backing_len=9)), "overlay on another file")


class List(ImageTest):
    def test_columns(self):
        out = self.ok("images").out.splitlines()
        self.assertEqual(out[0].split(), "NAME TAG FORMAT OS VERIFY CACHED SIZE AGE".split())
        for line in (r"alpine \* +3.21 +qcow2 +openrc +sha512 +- +- +-",
                     r"arch \* +latest +qcow2 +systemd +sha256", r"debian \* +12 +qcow2",
                     r"debian +bookworm ", r"fedora \* +43 +qcow2", r"ubuntu \* +noble ",
                     r"ubuntu +24.04 ", r"ubuntu +22.04 ", r"ubuntu +26.04 ", r"debian +13 ",
                     r"micro \* +1 +qcow2 +micro +- ", r"rocky ", r"almalinux ", r"opensuse ",
                     r"centos-stream "):
            self.assertTrue(any(re.match(line, text) for text in out), line)

    def test_cached(self):
        self.put_debian(DATA)
        self.ok("pull", "debian")
        out = self.ok("images").out
        self.assertRegex(out, rf"debian \* +12 +qcow2 +systemd +sha512 +sha256:{sha256(DATA)[:12]} "
                              r"+256 KiB +(now|\d)")
        row = self.images()["debian:12"]
        self.assertEqual((row["size"], row["image"]), (len(DATA), self.base(DATA)))
        self.assertIsNone(row["used_by"])

    def test_needs_no_state_directory(self):
        self.ok("images")
        self.assertFalse(os.path.exists(self.state))

    def test_refresh(self):
        """What is new, and what has got another name."""
        env = {"HOLOS_MIRROR_ALPINE": self.server.url("/alpine")}
        self.put_debian(DATA)
        self.ok("pull", "debian")
        self.put_debian(NEW)
        dir = "/alpine/v3.21/releases/cloud/"
        name = "nocloud_alpine-3.21.{}-x86_64-bios-tiny-r0.qcow2"
        env["HOLOS_FETCH_RETRIES"] = "0"
        self.fails(FAILED, "pull", "alpine", match=["3.21.6.*404", "holos images --refresh"], env=env)
        newest = name.format(10)
        self.server.put(dir, "".join(f'<a href="{n}">x</a>' for n in (
            name.format(7), newest, newest + ".sha512", name.format(9),
            "nocloud_alpine-3.21.99-aarch64-uefi-tiny-r0.qcow2")))
        self.server.put(dir + newest, NEW)
        self.server.put(dir + newest + ".sha512", sha512(NEW))
        # Every other publisher is out of reach.
        others = {f"HOLOS_MIRROR_{n}": "https://localhost:1" for n in (
            "ALMALINUX", "ARCH", "CENTOS_STREAM", "FEDORA", "OPENSUSE", "ROCKY", "UBUNTU")}
        result = self.ok("images", "--refresh", env={**env, **others})
        self.assertIn(f"image alpine:3.21: its file is {newest} now", result.err)
        self.assertIn("there is a newer one: holos pull debian:12", result.err)
        self.assertRegex(result.err, r"warning: image ubuntu:noble: ")
        self.assertRegex(result.out, r"debian \* +12 .*\(old\)")
        self.ok("pull", "alpine", env=env)
        self.assert_base(NEW)


class Verify(ImageTest):
    def damage(self, data):
        path = self.base(data)
        os.chmod(path, 0o644)
        with open(path, "r+b") as f:
            f.seek(70000)
            f.write(b"rot")
        os.chmod(path, 0o444)

    def test_offline(self):
        """W47, W6."""
        self.put_debian(DATA)
        self.ok("pull", "debian")
        self.server.close()
        line = f"debian:12: verified sha256:{sha256(DATA)[:16]} {self.base(DATA)}\n"
        self.assertEqual(self.ok("verify", "--all").out, line)
        self.assertEqual(self.ok("verify", "debian").out, line)

    def test_empty_store(self):
        self.assertEqual(self.ok("verify", "--all").out, "")
        self.assertEqual(self.ok("verify", "debian").out, "debian:12: skipped (not cached)\n")
        self.assertIn("skipped (a local file", self.ok("verify", "./base.qcow2").out)
        self.fails(USAGE, "verify")
        self.fails(USAGE, "verify", "--all", "debian")
        self.fails(INVALID, "verify", "debain", match="did you mean")

    def test_damaged(self):
        self.put_debian(DATA)
        self.put_debian(NEW, 13, "trixie")
        self.ok("pull", "debian:12", "debian:13")
        self.damage(DATA)
        result = self.fails(VERIFY, "verify", "--all", match="1 of 2 images is damaged")
        self.assertRegex(result.out, r"debian:12: damaged .*; set aside\n")
        self.assertRegex(result.out, r"debian:13: verified ")
        self.assertFalse(os.path.exists(self.base(DATA)))
        self.ok("pull", "debian:12")
        self.assert_base(DATA)

    def test_damaged_under_vms(self):
        self.put_debian(DATA)
        self.compose("""
            name: demo
            services: {web: {image: "debian:12"}}
        """)
        self.ok("up")
        self.damage(DATA)
        result = self.fails(VERIFY, "verify", "--json", "debian:12")
        got = result.json()[0]
        self.assertEqual((got["verdict"], got["used_by"], got["set_aside"]),
                         ("damaged", "demo/web-0", False))
        self.assertTrue(os.path.exists(self.base(DATA)))
        self.ok("stop")
        self.fails(VERIFY, "verify", "debian:12", match="hint")
        self.assertFalse(os.path.exists(self.base(DATA)))

    def test_damaged_while_the_store_is_in_use(self):
        """Who is about to use it has not written down that he does."""
        self.put_debian(DATA)
        self.ok("pull", "debian")
        os.chmod(self.base(DATA), 0o644)
        with open(self.base(DATA), "r+b") as f:
            f.write(b"x")
        self.put_debian(NEW, 13, "trixie", stall=1000)
        run = self.start("pull", "debian:13", env={"HOLOS_FETCH_TIMEOUT": "30s"})
        self.wait_for(self.partial, "the download has begun")
        result = self.fails(VERIFY, "verify", "--all")
        self.assertIn("kept: the store is in use", result.out)
        self.assertEqual(self.bases(), [self.base(DATA)])
        run.interrupt()
        run.finish()

    def test_read_only_store(self):
        self.mount_state()
        self.put_debian(DATA)
        self.ok("pull", "debian")
        self.assertEqual(os.system(f"mount -o remount,ro {self.state}"), 0)
        self.assertIn("verified", self.ok("verify", "--all").out)
        self.assertIn("debian:12", self.images())
        self.fails(FAILED, "images", "prune", match="Read-only file system")


class Remove(ImageTest):
    def setUp(self):
        super().setUp()
        self.put_debian(DATA)
        self.compose("""
            name: demo
            services: {web: {image: "debian:12"}}
        """)

    def test_rm(self):
        self.ok("pull", "debian:12", "debian:bookworm")
        self.assertEqual(self.ok("images", "rm", "debian:bookworm").out,
                         "removed: debian:bookworm\nfreed: 0 B\n")
        self.assert_base(DATA)
        self.assertIn("freed: 256 KiB", self.ok("images", "rm", "debian").out)
        self.assertEqual(self.bases(), [])
        self.fails(FAILED, "images", "rm", "debian", match="is not in the store")
        self.fails(USAGE, "images", "rm")
        self.fails(USAGE, "images", "remove", "x")

    def test_rm_by_digest(self):
        self.ok("pull", "debian:12")
        self.fails(FAILED, "images", "rm", "sha256:00000000", match="no image")
        self.fails(USAGE, "images", "rm", "sha256:0000")
        self.ok("images", "rm", "sha256:" + sha256(DATA)[:12])
        self.assertEqual(self.bases(), [])

    def test_what_a_vm_stands_on_stays(self):
        self.ok("up")
        self.ok("stop")
        self.fails(FAILED, "images", "rm", "debian", match="is used by demo/web-0")
        self.fails(FAILED, "images", "rm", "sha256:" + sha256(DATA)[:12], match="is used by")
        self.ok("images", "prune", "--all")
        self.put_debian(NEW)
        self.ok("pull", "debian")       # the VM's base has no reference now
        self.ok("images", "prune", "--all")
        self.assertEqual(self.bases(), [self.base(DATA)])
        self.ok("start")
        self.ok("down")
        self.assertIn(sha256(DATA), self.ok("images", "prune").out)
        self.assertEqual(self.bases(), [])

    def test_prune_keeps_what_a_reference_leads_to(self):
        self.ok("pull", "debian")
        self.assertEqual(self.ok("images", "prune").out, "freed: 0 B\n")
        self.assert_base(DATA)

    def test_prune_takes_given_up_downloads(self):
        self.put_debian(DATA, cut=100000)
        self.fails(FAILED, "pull", "debian", env={"HOLOS_FETCH_RETRIES": "0"})
        self.ok("images", "prune")
        self.assertEqual(len(self.partial()), 1)
        os.utime(self.partial()[0], (0, 0))
        self.ok("images", "prune")
        self.assertEqual(self.partial(), [])

    def test_prune_takes_caches(self):
        """What a source kept to make its image again, after a week; --all: now."""
        cache = os.path.join(self.state, "images", ".cache-micro")
        for args, age, stays in ((["prune"], 0, True), (["prune"], 8, False),
                                 (["prune", "--all"], 0, False)):
            with self.subTest(args=args, age=age):
                os.makedirs(os.path.join(cache, "below"), exist_ok=True)
                with open(os.path.join(cache, "below", "package.deb"), "wb") as f:
                    f.write(bytes(1 << 20))
                then = time.time() - age * 24 * 3600
                os.utime(cache, (then, then))
                out = self.ok("images", *args).out
                self.assertEqual(os.path.exists(cache), stays)
                self.assertRegex(out, r"freed: 0 B" if stays else r"freed: 1(\.\d+)? MiB")

    def share(self, other):
        """Another state directory with this one's store; an env for it."""
        os.makedirs(os.path.join(self.state, "images"), 0o700, exist_ok=True)
        os.mkdir(other, 0o700)
        os.symlink(os.path.join(self.state, "images"), os.path.join(other, "images"))
        return {"HOLOS_STATE_DIR": other}

    def test_a_store_of_two_state_directories(self):
        """Each looks for the VMs of the other."""
        other = os.path.join(self.dir, "other")
        env = self.share(other)
        self.ok("up", env=env)
        self.addCleanup(self.holos, "down", env=env)
        self.ok("stop", env=env)
        self.fails(FAILED, "images", "rm", "debian", match="is used by demo/web-0")
        self.ok("images", "prune", "--all")
        self.assert_base(DATA)
        self.assertEqual(self.images()["debian:12"]["used_by"], "demo/web-0")
        self.ok("down", env=env)
        self.ok("up")
        self.ok("stop")
        self.fails(FAILED, "images", "rm", "debian", match="is used by demo/web-0", env=env)
        self.ok("images", "prune", "--all", env=env)
        self.assert_base(DATA)

    def test_a_state_directory_that_is_away(self):
        """Its disk may not be mounted now: what it may use stays."""
        other = os.path.join(self.dir, "other")
        self.ok("pull", "debian", env=self.share(other))
        os.rename(other, other + ".away")
        self.fails(FAILED, "images", "rm", "debian", match=f"the state directory {other}")
        result = self.ok("images", "prune", "--all")
        self.assertRegex(result.err, "warning: .*all of them stay.*images/.states/")
        self.assert_base(DATA)
        os.unlink(re.search(r"remove (\S+)\)", result.err)[1])
        self.ok("images", "prune", "--all")
        self.assertEqual(self.bases(), [])

    def test_a_name_of_a_state_directory_that_cannot_be_read(self):
        """Nobody knows whose VMs it tells of: all bases stay."""
        self.ok("pull", "debian", env=self.share(os.path.join(self.dir, "other")))
        states = os.path.join(self.state, "images", ".states")
        for name in os.listdir(states):
            path = os.path.join(states, name)
            os.unlink(path)
            os.symlink("/nowhere", path)  # as a file of another user's is: root reads all
        self.fails(FAILED, "images", "rm", "debian", match="which cannot be read")
        self.assertRegex(self.ok("images", "prune", "--all").err,
                         "warning: .*images/.states/.*cannot be read: all of them stay")
        self.assert_base(DATA)
        shutil.rmtree(states)
        os.symlink("/nowhere", states)
        self.assertRegex(self.ok("images", "prune", "--all").err, "warning: .*all of them stay")
        self.assert_base(DATA)
        os.unlink(states)
        self.ok("images", "prune", "--all")
        self.assertEqual(self.bases(), [])

    def test_prune_waits_for_nobody(self):
        """Who is about to use a base holds the store."""
        self.put_debian(DATA, stall=1000)
        run = self.start("pull", "debian", env={"HOLOS_FETCH_TIMEOUT": "30s"})
        self.wait_for(self.partial, "the download has begun")
        self.fails(BUSY, "images", "prune", match="about to use images")
        run.interrupt()
        run.finish()

    def test_a_store_of_several_names(self):
        """A VM's base stays, whatever the state directory is called today."""
        self.ok("up")
        self.ok("stop")
        link = os.path.join(self.dir, "link")
        os.symlink(self.state, link)
        self.fails(FAILED, "images", "rm", "debian", "--state-dir", link, match="demo/web-0")
        self.ok("images", "prune", "--all", "--state-dir", link)
        self.assert_base(DATA)

    def test_rm_all_names_of_one_at_once(self):
        self.ok("pull", "debian:12", "debian:bookworm")
        self.assertIn("freed: 256 KiB", self.ok("images", "rm", "debian:12", "debian:bookworm").out)
        self.assertEqual(self.bases(), [])
        self.fails(FAILED, "images", "rm", "debian", "debian", match="is not in the store")

    def test_prune_takes_leftovers(self):
        """What verify set aside, and what lies beside a disk that is not there."""
        self.ok("up")
        self.ok("stop")
        os.chmod(self.base(DATA), 0o644)
        with open(self.base(DATA), "r+b") as f:
            f.write(b"x")
        self.fails(VERIFY, "verify", "--all")
        aside = os.path.join(self.state, "images", "damaged-" + os.path.basename(self.base(DATA)))
        kernel = os.path.join(self.state, "images", "sha256-" + "0" * 64 + ".kernel")
        with open(kernel, "w") as f:
            f.write("x")
        self.ok("images", "prune")
        self.assertTrue(os.path.exists(aside), "a VM is on it")
        self.assertFalse(os.path.exists(kernel))
        self.ok("down")
        self.assertIn("freed: 256 KiB", self.ok("images", "prune").out)
        self.assertFalse(os.path.exists(aside))

    def test_an_index_that_cannot_be_read(self):
        """It is not an empty one."""
        self.ok("pull", "debian")
        index = os.path.join(self.state, "images", "index.json")
        os.unlink(index)
        os.symlink("index.json", index)
        self.fails(FAILED, "images", "prune", match="images/index.json")
        self.fails(FAILED, "pull", "debian", match="images/index.json")
        self.assert_base(DATA)

    def test_unreadable_record_protects_all(self):
        self.ok("up")
        self.ok("stop")
        with open(os.path.join(self.instance_dir("demo", "web-0"), "instance.json"), "w") as f:
            f.write("rubbish")
        self.fails(FAILED, "images", "rm", "debian", match="cannot be read")
        self.ok("images", "prune", "--all")
        self.assert_base(DATA)


class Up(ImageTest):
    def setUp(self):
        super().setUp()
        self.put_debian(DATA)
        self.file = self.compose("""
            name: demo
            services:
              a: {image: debian}
              b: {image: "debian:bookworm"}
        """)

    def test_downloads_what_is_missing(self):
        self.ok("up")
        self.assertEqual(self.server.count(DEBIAN), 1)
        self.assert_statuses("demo", a_0="running", b_0="running")

    def test_cached_needs_no_network(self):
        """W6: validate, up, stop, start, down, ps."""
        self.ok("pull", "debian:12", "debian:bookworm")
        self.server.close()
        for args in (["validate"], ["up"], ["ps"], ["stop"], ["start"], ["down"], ["up"]):
            self.ok(*args)

    def test_pull_policies(self):
        self.fails(FAILED, "up", "--pull", "never", match=["not in the store", "holos pull"])
        self.assertEqual(self.ps(), [])
        self.ok("up", "--pull", "missing")
        asked = self.server.count(SUMS)
        self.ok("down")
        self.ok("up", "--pull", "never")
        self.assertEqual(self.server.count(SUMS), asked)
        self.ok("down")
        self.put_debian(NEW)
        self.ok("up", "--pull", "always")
        self.assertEqual(self.read_json(self.instance_dir("demo", "a-0"), "instance.json")["base"],
                         self.base(NEW))
        self.fails(USAGE, "up", "--pull", "sometimes", match="always, missing or never")

    def test_always_leaves_running_vms(self):
        self.ok("up")
        self.put_debian(NEW)
        self.ok("up", "--pull", "always")
        self.assertEqual(self.read_json(self.instance_dir("demo", "a-0"), "instance.json")["base"],
                         self.base(DATA))

    def test_failed_download_stops_nothing(self):
        self.ok("up")
        self.compose("""
            name: demo
            services:
              a: {image: "debian:13"}
              b: {image: "debian:bookworm"}
        """)
        result = self.holos("up", "--recreate")
        self.assertNotEqual(result.status, OK)
        self.assertRegex(result.err, r"debian-13.*404|SHA512SUMS.*404")
        self.assert_statuses("demo", a_0="running", b_0="running")

    def test_a_kernel_that_uefi_cannot_start(self):
        """An image with a kernel of its own, like micro; EFI programs begin with MZ."""
        def write(path, text):
            with open(path, "w") as f:
                f.write(text)
            return path

        for name in "HOLOS_OVMF_CODE", "HOLOS_OVMF_VARS":
            self.env[name] = write(os.path.join(self.dir, name), name)
        self.compose("name: demo\nservices:\n  a: {image: debian, vm: {uefi: true}}\n")
        self.ok("pull", "debian")
        for role in "initrd", "cmdline":
            write(self.base(DATA, role), role)
        kernel = write(self.base(DATA, "kernel"), "\x1f\x8b compressed")
        self.fails(INVALID, "up", match=[r"holos.yaml:3:\d+: services.a.image: image debian has a "
                                         "kernel that UEFI cannot start", "leave vm.uefi"])
        self.assertEqual(self.starts(), 0)
        # Before the VM that runs is touched.
        self.compose("name: demo\nservices:\n  a: {image: debian}\n")
        self.ok("up")
        self.compose("name: demo\nservices:\n  a: {image: debian, vm: {uefi: true}}\n")
        self.fails(INVALID, "up", "--recreate", match="UEFI cannot start")
        self.assert_statuses("demo", a_0="running")
        self.assertEqual(self.starts("a-0"), 1)
        self.ok("down")
        write(kernel, "MZ and so on")
        self.ok("up")
        self.assertEqual(self.option("a-0", "kernel"), [kernel])
        self.assertEqual(len([d for d in self.option("a-0", "drive") if "if=pflash" in d]), 2)

    def test_no_share_in_its_kernel(self):
        sums, path = "/10/images/x86_64/", "Rocky-10-GenericCloud-Base.latest.x86_64.qcow2"
        self.server.put(sums + path, NEW)
        self.server.put(sums + path + ".CHECKSUM", f"SHA256 ({path}) = {sha256(NEW)}\n")
        self.compose("""
            name: demo
            services: {web: {image: rocky, volumes: ["./:/srv"]}}
        """)
        self.fails(INVALID, "up", match="its kernel has no 9p",
                   env={"HOLOS_MIRROR_ROCKY": self.server.url()})

    @unittest.skipUnless(shutil.which("strace"), "no strace here")
    def test_cached_opens_no_socket_and_hashes_nothing(self):
        self.ok("pull", "debian:12", "debian:bookworm")
        for args in (["validate"], ["images"], ["up"], ["ps"]):
            with self.subTest(args=args):
                log = os.path.join(self.dir, "trace")
                run = self.spawn(["strace", "-f", "-qq", "-o", log, "-e",
                                  "trace=connect,openat,socket", PROGRAM, *args])
                if args == ["up"]:  # its VMs are traced until they end
                    self.wait_for(lambda: "running" in self.statuses("demo").values() and
                                  "project: demo" in run.output()[0], "it is up", 60)
                    self.ok("down", timeout=60)
                result = run.finish(60)
                self.assertEqual(result.status, OK, f"{result}")
                calls = self.read(log)
                self.assertIn("openat", calls)
                self.assertNotRegex(calls, r"connect\(.*AF_INET")
                self.assertNotIn("holos-fetch.so", calls)
                if args != ["up"]:  # which tries whether ports are free, and starts QEMU
                    self.assertNotIn("AF_INET", calls)
                    self.assertNotIn("images/sha256-", calls)


class Lock(ImageTest):
    def setUp(self):
        super().setUp()
        self.put_debian(DATA)
        self.compose("""
            name: demo
            services:
              a: {image: debian}
              b: {image: ./base.qcow2}
        """)
        self.lock = os.path.join(self.work, "holos.lock")

    def test_written_and_obeyed(self):
        self.assertIn(f"wrote {self.lock}", self.ok("pull", "--all").err)
        lock = self.read_json(self.lock)
        self.assertEqual(lock["images"]["debian:12"], {
            "url": self.server.url(DEBIAN), "digest": "sha256:" + sha256(DATA),
            "size": len(DATA), "format": "qcow2"})
        self.assertEqual(set(lock["images"]), {"debian:12", "./base.qcow2"})
        self.ok("up", "--locked")
        self.ok("up", "--locked")
        self.ok("down")
        self.put_debian(NEW)                # published since
        self.ok("up", "--locked")
        self.assertEqual(self.read_json(self.instance_dir("demo", "a-0"), "instance.json")["base"],
                         self.base(DATA))

    def test_on_another_machine(self):
        """The lock brings the same bytes, from where they were."""
        self.ok("pull")
        shutil.rmtree(self.state)
        self.server.put(SUMS, "nonsense")   # it is not asked
        self.ok("up", "--locked")
        self.assert_base(DATA)

    def test_two_projects_at_once(self):
        """One reference, two locks, two downloads: each gets its own bytes."""
        slow = {"delay": 0.1, "times": 1}
        files = []
        for name, data in ("one", DATA), ("two", NEW):
            path = f"/{name}/debian.qcow2"
            self.server.put(path, data, **slow)
            files.append(self.compose(f"""
                name: {name}
                services: {{a: {{image: debian}}}}
            """, dir=os.path.join(self.work, name)))
            with open(os.path.join(self.work, name, "holos.lock"), "w") as f:
                json.dump({"format": 1, "images": {"debian:12": {
                    "url": self.server.url(path), "digest": "sha256:" + sha256(data),
                    "size": len(data), "format": "qcow2"}}}, f)
        for _ in range(2):  # the second time from the store
            runs = [self.start("up", "--locked", "-f", f) for f in files]
            for run in runs:
                result = run.finish()
                self.assertEqual(result.status, OK, f"{result}")
            for name, data in ("one", DATA), ("two", NEW):
                record = self.read_json(self.instance_dir(name, "a-0"), "instance.json")
                self.assertEqual(record["base"], self.base(data))
        self.assertEqual([self.server.count(f"/{n}/debian.qcow2") for n in ("one", "two")], [1, 1])

    def test_several_services_one_download(self):
        self.compose("""
            name: demo
            services: {a: {image: debian}, b: {image: debian}, c: {image: "debian:12"}}
        """)
        self.ok("pull")
        shutil.rmtree(self.state)
        before = self.server.count(DEBIAN)
        self.ok("up", "--locked")
        self.assertEqual(self.server.count(DEBIAN), before + 1)

    def test_other_bytes_are_refused(self):
        self.ok("pull")
        shutil.rmtree(self.state)
        self.put_debian(NEW)
        self.fails(VERIFY, "up", "--locked", match="is not what its publisher says")
        self.assertEqual(self.bases(), [])
        self.assertEqual(self.ps(), [])

    def test_update(self):
        self.ok("pull")
        self.put_debian(NEW)
        self.ok("pull")
        self.assertEqual(self.read_json(self.lock)["images"]["debian:12"]["digest"],
                         "sha256:" + sha256(DATA))
        self.ok("pull", "--update")
        self.assertEqual(self.read_json(self.lock)["images"]["debian:12"]["digest"],
                         "sha256:" + sha256(NEW))

    def test_a_running_vm_on_other_bytes(self):
        self.ok("up")
        self.put_debian(NEW)
        self.ok("pull", "--update")
        self.fails(VERIFY, "up", "--locked", match=r"a-0: .*holos\.lock wants sha256:")

    def test_a_local_file_that_changed(self):
        self.ok("pull")
        with open(self.image, "ab") as f:
            f.write(b"\0")
        self.fails(VERIFY, "up", "--locked", match=r"b-0: .*\./base\.qcow2")

    def test_not_locked(self):
        self.fails(FAILED, "up", "--locked", match=["holos.lock", "holos pull"])
        self.ok("pull")
        self.compose("""
            name: demo
            services: {a: {image: "debian:13"}}
        """)
        self.put_debian(NEW, 13, "trixie")
        self.fails(VERIFY, "up", "--locked", match=r'"debian:13" is not in .*holos\.lock')

    def test_compressed(self):
        packed = gzip.compress(DATA, mtime=0)
        ref = self.put_url(packed)
        self.compose(f"""
            name: demo
            services: {{a: {{image: "{ref}"}}}}
        """)
        self.ok("pull")
        entry = self.read_json(self.lock)["images"][ref]
        self.assertEqual((entry["digest"], entry["download"]),
                         ("sha256:" + sha256(DATA), "sha256:" + sha256(packed)))
        shutil.rmtree(self.state)
        self.ok("up", "--locked")
        self.assert_base(DATA)

    def test_damaged_lock(self):
        for text in "", "{}", "[1]", '{"format": 7, "images": {}}', "rubbish":
            with open(self.lock, "w") as f:
                f.write(text)
            with self.subTest(text=text):
                for command in ("up", "--locked"), ("pull",):
                    result = self.fails(FAILED, *command, match=r"holos\.lock")
                    self.assertIn("hint: holos pull --update writes it anew\n", result.err)
        self.ok("pull", "--update")


if __name__ == "__main__":
    unittest.main()
