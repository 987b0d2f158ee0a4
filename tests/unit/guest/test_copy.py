# SPDX-License-Identifier: Apache-2.0
"""holos-copy unpack on tar streams that no honest tar makes: nothing may be written outside.

HOLOS_COPY is the program.
"""

import io
import os
import socket
import stat
import struct
import subprocess
import tarfile
import tempfile
import threading
import unittest

COPY = os.environ["HOLOS_COPY"]
MESSAGE = struct.Struct("=IIQQ1024s")  # struct copier_message
BIG = 1 << 62


def entry(name, data=b"", kind=tarfile.REGTYPE, **fields):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.mode = kind, len(data), 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def folder(name, **fields):
    return entry(name, kind=tarfile.DIRTYPE, **{"mode": 0o755, **fields})


def link(name, target, kind=tarfile.SYMTYPE):
    return entry(name, kind=kind, linkname=target)


def stream(*entries, form=tarfile.GNU_FORMAT):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


class Unpack(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory(prefix="holos-copy-")
        self.addCleanup(work.cleanup)
        self.outside = os.path.join(work.name, "outside")
        self.top = os.path.join(work.name, "top")
        os.mkdir(self.outside)
        os.mkdir(self.top)
        with open(f"{self.outside}/file", "w") as f:
            f.write("precious")
        os.link(f"{self.outside}/file", f"{self.top}/mine")
        os.symlink(self.outside, f"{self.top}/out")

    def run_copy(self, *args, data=b""):
        """Its status and what it says is wrong."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            p = subprocess.Popen([COPY, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 pass_fds=[3, theirs.fileno()],
                                 preexec_fn=lambda: os.dup2(theirs.fileno(), 3, inheritable=True))
            theirs.close()
            said = []
            reader = threading.Thread(target=self.read_messages, args=(ours, said))
            reader.start()
            out, _ = p.communicate(data, timeout=60)
            reader.join()
        self.out = out
        return p.returncode, said

    @staticmethod
    def read_messages(sock, said):
        while message := sock.recv(4096):
            kind, _, _, _, text = MESSAGE.unpack(message)
            if kind != 1:
                said.append(text.split(b"\0")[0].decode(errors="replace"))

    def unpack(self, data, name="new", how="tree"):
        return self.run_copy("unpack", how, self.top, name, data=data)

    def check_outside(self):
        self.assertEqual(os.listdir(self.outside), ["file"])
        with open(f"{self.outside}/file") as f:
            self.assertEqual(f.read(), "precious")
        self.assertEqual(stat.S_IMODE(os.stat(self.outside).st_mode), 0o755)
        for path, _, names in os.walk(self.top):
            self.assertFalse([n for n in names if n.startswith(".holos-copy")], path)

    def refuses(self, match, *entries, name="new", how="tree", data=None):
        status, said = self.unpack(data if data is not None else stream(*entries), name, how)
        self.assertEqual(status, 1, said)
        self.assertRegex("\n".join(said), match)
        self.check_outside()

    def takes(self, *entries, name="new", how="tree"):
        status, said = self.unpack(stream(*entries), name, how)
        self.assertEqual((status, said), (0, []))
        self.check_outside()


class Names(Unpack):
    def test_names_that_lead_out(self):
        for name in ("/etc/holos-was-here", "../x", "./../x", "a/../../x", "a/..", "..",
                     self.outside + "/x", "//x", "a/" + "../" * 40 + "x"):
            for make in entry, folder:
                with self.subTest(name=name, make=make.__name__):
                    self.refuses("refused.*leads out", folder("."), make(name))
        self.assertEqual(sorted(os.listdir(self.top)), ["mine", "new", "out"])

    def test_in_pax_headers_too(self):
        info, data = entry("innocent", b"x")
        info.pax_headers = {"path": "../x"}
        self.refuses("leads out", data=stream((info, data), form=tarfile.PAX_FORMAT))

    def test_utf8_in_pax_headers(self):
        status, said = self.unpack(stream(entry("ä" * 120, b"x"), form=tarfile.PAX_FORMAT))
        self.assertEqual((status, said), (0, []))
        self.assertEqual(os.listdir(f"{self.top}/new"), ["ä" * 120])

    def test_odd_but_harmless(self):
        self.takes(folder("./"), entry(".//a/./b//c", b"x"), entry("...", b"y"))
        self.assertEqual(sorted(os.listdir(f"{self.top}/new")), ["...", "a"])
        self.assertTrue(os.path.isfile(f"{self.top}/new/a/b/c"))

    def test_too_long(self):
        self.refuses("File name too long", entry("a" * 300))
        self.refuses("or is too long", entry("a/" * 2500 + "b"))

    def test_the_top_as_a_file(self):
        self.refuses("a directory was asked for", entry(".", b"x"))
        self.refuses("a directory was asked for", link("./", self.outside))

    def test_one_file_means_one(self):
        self.refuses("one file was asked for: b", entry("a", b"x"), entry("b", b"y"), how="file")
        self.refuses("one file was asked for", folder("a"), how="file")
        self.takes(entry("../../whatever".replace("../", ""), b"x"), how="file", name="f")
        self.assertEqual(sorted(os.listdir(self.top)), ["f", "mine", "new", "out"])


class Links(Unpack):
    def test_link_then_through_it(self):
        for target in self.outside, "../../outside", "..", ".", "/":
            for last in entry("d/x", b"y"), folder("d/x"), link("d/x", "z"), link("d/x", "./a", tarfile.LNKTYPE):
                with self.subTest(target=target, last=last[0].type):
                    self.refuses("link or a file is where", folder("."), entry("a", b"1"),
                                 link("d", target), last)

    def test_one_that_was_there(self):
        self.refuses("link or a file is where", entry("out/x", b"y"), name=".")
        self.refuses("link or a file is where", folder("out"), name=".")
        self.refuses("link or a file is where", folder("."), name="out")

    def test_a_file_replaces_a_link_and_does_not_follow(self):
        self.takes(entry("out", b"y"), name=".")
        self.assertFalse(os.path.islink(f"{self.top}/out"))

    def test_a_file_replaces_a_name_and_not_its_content(self):
        self.takes(entry("mine", b"overwritten"), name=".")
        self.takes(entry("mine", b"again", mode=0o777), name=".")

    def test_hard_links_stay_inside(self):
        for target in (self.outside + "/file", "../outside/file", "../../outside/file", "..", ".",
                       "/etc/passwd"):
            with self.subTest(target=target):
                self.refuses("hard link to what was not asked for|leads out", folder("."),
                             link("h", target, tarfile.LNKTYPE))
        self.refuses("link or a file is where", link("h", "out/file", tarfile.LNKTYPE), name=".")
        self.refuses("no file", link("s", f"{self.outside}/file"),
                     link("h", "s", tarfile.LNKTYPE))
        self.refuses("No such file", link("h", "none", tarfile.LNKTYPE))
        self.refuses("not asked for", link("h", "mine", tarfile.LNKTYPE), how="file", name="h")

    def test_hard_link_and_then_its_content(self):
        """The second name's new content must not reach the first one's file."""
        self.takes(link("h", "mine", tarfile.LNKTYPE), entry("h", b"new"), name=".")

    def test_links_as_they_are(self):
        self.takes(folder("."), link("l", "/etc/passwd"), entry("a", b"1"),
                   link("h", "./a", tarfile.LNKTYPE))
        self.assertEqual(os.readlink(f"{self.top}/new/l"), "/etc/passwd")
        self.assertEqual(os.stat(f"{self.top}/new/h").st_ino, os.stat(f"{self.top}/new/a").st_ino)


class Kinds(Unpack):
    def test_devices_are_left_out(self):
        for kind in tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE:
            with self.subTest(kind=kind):
                self.refuses("dev is left out", folder("."),
                             entry("dev", kind=kind, devmajor=1, devminor=3), entry("f", b"x"))
                self.assertEqual(os.listdir(f"{self.top}/new"), ["f"])

    def test_no_set_id_bits(self):
        self.takes(folder(".", mode=0o7755), entry("f", b"x", mode=0o6755))
        self.assertEqual(stat.S_IMODE(os.stat(f"{self.top}/new/f").st_mode), 0o755)
        self.assertEqual(stat.S_IMODE(os.stat(f"{self.top}/new").st_mode), 0o755)

    def test_closed_directories(self):
        self.takes(folder(".", mode=0o500, mtime=1), folder("a", mode=0, mtime=2), entry("a/b", b"x"))
        self.assertEqual(stat.S_IMODE(os.stat(f"{self.top}/new/a").st_mode), 0)
        self.assertEqual(os.stat(f"{self.top}/new/a").st_mtime, 2)
        os.chmod(f"{self.top}/new/a", 0o700)

    def test_directory_and_file_do_not_replace_each_other(self):
        self.refuses("Is a directory", folder("a"), entry("a/b", b"x"), entry("a", b"y"))
        self.refuses("link or a file is where", entry("c", b"y"), folder("c"))

    def test_times_that_are_none(self):
        for mtime in -BIG, BIG, -1, 0:
            with self.subTest(mtime=mtime):
                status, _ = self.unpack(stream(entry("f", b"x", mtime=mtime)))
                self.assertIn(status, (0, 1))
                self.check_outside()


class OneFile(Unpack):
    def test_a_link_where_a_file_is_due(self):
        """What is written to that name next would go where the guest wants it."""
        way = link("f", f"{self.outside}/file")
        self.refuses("a file was asked for, and this is a link", way, how="file")
        self.assertFalse(os.path.lexists(f"{self.top}/new"))
        self.takes(way, how="link")
        self.assertEqual(os.readlink(f"{self.top}/new"), f"{self.outside}/file")
        self.takes(entry("f", b"x"), how="file")
        self.assertFalse(os.path.islink(f"{self.top}/new"))

    def test_nothing_at_all(self):
        for how in "file", "link", "tree":
            self.refuses("sent nothing", data=b"\0" * 1024, how=how)


class Memory(Unpack):
    def test_a_directory_without_end(self):
        """It takes nothing on the disk, and took the host's memory as long as it was sent."""
        one = folder("/".join(["d" * 250] * 16))[0].tobuf(tarfile.GNU_FORMAT)
        status, said = self.unpack(folder(".")[0].tobuf(tarfile.GNU_FORMAT) + one * 40000)
        self.assertEqual((status, len(said)), (1, 1))
        self.assertRegex(said[0], "too many directories")


class Sizes(Unpack):
    def test_more_than_comes(self):
        whole = stream(folder("."), entry("f", b"x" * 100000), entry("g", b"y"))
        for cut in 600, 1024, 1025, 50000, 101500:
            with self.subTest(cut=cut):
                status, said = self.unpack(whole[:cut])
                self.assertEqual(status, 1, said)
                self.check_outside()

    def test_a_giant(self):
        for size in 1 << 40, BIG:
            info, _ = entry("f")
            info.size = size
            with self.subTest(size=size):
                self.refuses("stream ended in f|damaged|too large", data=info.tobuf(tarfile.GNU_FORMAT))

    def test_a_sparse_giant(self):
        info, _ = entry("f")
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                            "GNU.sparse.name": "f", "GNU.sparse.realsize": str(BIG)}
        block = f"1\n{BIG - 1}\n1\n".encode().ljust(512, b"\0") + b"x" * 512
        info.size = len(block)
        status, _ = self.unpack(info.tobuf(tarfile.PAX_FORMAT) + block + b"\0" * 1024)
        self.assertEqual(status, 1)
        self.check_outside()

    def test_holes_stay_holes(self):
        size = 64 << 20
        info, _ = entry("f")
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                            "GNU.sparse.name": "f", "GNU.sparse.realsize": str(size)}
        block = f"1\n{size - 512}\n512\n".encode().ljust(512, b"\0") + b"x" * 512
        info.size = len(block)
        status, said = self.unpack(info.tobuf(tarfile.PAX_FORMAT) + block + b"\0" * 1024)
        self.assertEqual((status, said), (0, []))
        st = os.stat(f"{self.top}/new/f")
        self.assertEqual(st.st_size, size)
        self.assertLess(st.st_blocks * 512, 1 << 20)

    def test_no_tar(self):
        for data in b"x" * 5000, b"HTTP/1.1 400 Bad Request\r\n" * 100, os.urandom(100000):
            self.refuses("damaged", data=data)

    def test_endless_header(self):
        """A name of a gigabyte costs an error, not the memory."""
        info, _ = entry("././@LongLink", kind=b"L")
        info.size = 1 << 30
        self.refuses("damaged", data=info.tobuf(tarfile.GNU_FORMAT) + b"a" * (8 << 20))

    def test_complaints_are_bounded(self):
        many = [entry(f"d{i}", kind=tarfile.CHRTYPE) for i in range(2000)]
        status, said = self.unpack(stream(*many))
        self.assertEqual((status, len(said)), (1, 100))


class Usage(Unpack):
    def test_by_hand(self):
        for args in [], ["pack"], ["unpack", "tree", "x"], ["pack", "file", "x"], ["x", "y", "z", "u"]:
            with self.subTest(args=args):
                self.assertEqual(self.run_copy(*args)[0], 2)

    def test_pack_and_unpack(self):
        with open(f"{self.outside}/grows", "w") as f:
            f.write("x" * 1000)
        status, said = self.run_copy("pack", "tree", self.outside)
        self.assertEqual((status, said), (0, []))
        status, said = self.unpack(self.out)
        self.assertEqual((status, said), (0, []))
        self.assertEqual(sorted(os.listdir(f"{self.top}/new")), ["file", "grows"])


if __name__ == "__main__":
    unittest.main()
