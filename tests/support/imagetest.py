# SPDX-License-Identifier: Apache-2.0
"""Base of the tests that download images, from a server of their own."""

import glob
import hashlib
import os
import random
import shutil
import struct
import tempfile

from holostest import FakeTest
from httpsserver import HttpsServer


def disk(size=256 << 10, seed=1, **fields):
    """A small qcow2 image of 64 MiB whose file has `size` bytes; fields change its head."""
    head = dict(magic=0x514649fb, version=3, backing=0, backing_len=0, bits=16, virtual=64 << 20,
                crypt=0, l1=1, l1_at=0x30000, refs_at=0x10000, refs=1, snapshots=0,
                snapshots_at=0, incompatible=0, compatible=0, autoclear=0, order=4, length=104)
    head.update(fields)
    data = bytearray(random.Random(seed).randbytes(size))
    data[:104] = struct.pack(">IIQIIQIIQQIIQQQQII", *head.values())
    return bytes(data)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def sha512(data):
    return hashlib.sha512(data).hexdigest()


class ImageTest(FakeTest):
    """With self.server; debian:12 and debian:13 come from it once they are put there."""

    certificate = "server"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificates = tempfile.mkdtemp(prefix="htc", dir="/tmp")
        cls.addClassCleanup(shutil.rmtree, cls.certificates)

    def setUp(self):
        self.server = HttpsServer(self.certificates, self.certificate)
        super().setUp()
        self.server.__enter__()
        self.addCleanup(self.server.close)

    def make_env(self):
        env = super().make_env()
        env.update(SSL_CERT_FILE=self.server.ca, HOLOS_MIRROR_DEBIAN=self.server.url(),
                   HOLOS_FETCH_RETRIES="1", HOLOS_FETCH_TIMEOUT="1s")
        return env

    def put_debian(self, data, number=12, name="bookworm", **orders):
        dir = f"/{name}/latest"
        file = f"debian-{number}-generic-amd64.qcow2"
        self.server.put(f"{dir}/{file}", data, **orders)
        self.server.put(f"{dir}/SHA512SUMS", f"{sha512(b'')}  other.qcow2\n{sha512(data)}  {file}\n")
        return f"{dir}/{file}"

    def put_url(self, data, path="/i/disk.qcow2", digest_of=None, **orders):
        """A reference to data at a URL, with its digest."""
        self.server.put(path, data, **orders)
        return self.server.url(path) + "#sha256=" + sha256(digest_of or data)

    def base(self, data, format="qcow2"):
        return os.path.join(self.state, "images", f"sha256-{sha256(data)}.{format}")

    def bases(self):
        return sorted(glob.glob(os.path.join(self.state, "images", "sha256-*")))

    def assert_base(self, data, format="qcow2"):
        path = self.base(data, format)
        with open(path, "rb") as f:
            self.assertEqual(f.read(), data)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o444)
        return path

    def partial(self):
        return glob.glob(os.path.join(self.state, "images", ".fetch", "*.part"))

    def mount_state(self, *options):
        """The state directory on a file system of its own, for root."""
        os.makedirs(self.state, 0o700, exist_ok=True)
        mounted = self.spawn(["mount", "-t", "tmpfs", "-o", ",".join(("mode=700", *options)),
                              "none", self.state]).finish()
        if mounted.status != 0:
            self.skipTest("no file system can be mounted here")
        self.addCleanup(shutil.rmtree, self.dir, True)
        self.addCleanup(os.system, f"umount -l {self.state}")

    def images(self, *args):
        """{reference: its object of `images --json`} of what is cached."""
        rows = self.ok("images", "--json", *args).json()
        return {r["ref"]: r for r in rows if r["cached"]}
