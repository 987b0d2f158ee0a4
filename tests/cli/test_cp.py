# SPDX-License-Identifier: Apache-2.0
"""holos cp through a real SSH server and this host's tar."""

import io
import os
import stat
import subprocess
import tarfile

import holostest
from holostest import FAILED, INTERRUPTED, PROGRAM, USAGE
from sshtest import SshTest
from terminal import Terminal

MODES = 0o7777


def look(path):
    """What cp keeps of a tree: {name: (type and mode, size or target, time)}."""
    found = {}
    for folder, dirs, names in os.walk(path):
        for name in [*dirs, *names, "."]:
            full = os.path.normpath(os.path.join(folder, name))
            st = os.lstat(full)
            what = os.readlink(full) if stat.S_ISLNK(st.st_mode) else st.st_size
            if stat.S_ISREG(st.st_mode):
                with open(full, "rb") as f:
                    what = f.read()
            elif stat.S_ISDIR(st.st_mode):
                what = None
            found[os.path.relpath(full, path)] = (st.st_mode & ~0o7000, what, int(st.st_mtime))
    return found


class CpTest(SshTest):
    def setUp(self):
        super().setUp()
        self.far = os.path.join(self.dir, "far")  # what the "guest" has
        os.mkdir(self.far)

    def tree(self, path):
        os.makedirs(f"{path}/sub/empty")
        os.makedirs(f"{path}/closed")
        self.write(f"{path}/sub/a b", "spaces")
        self.write(f"{path}/-x", "dash")
        self.write(f"{path}/ä\n*", "odd")
        self.write(f"{path}/" + "n" * 200, "long")
        self.write(f"{path}/big", os.urandom(300000))
        self.write(f"{path}/closed/in", "in")
        self.write(f"{path}/program", "#!/bin/sh\n")
        os.chmod(f"{path}/program", 0o4755)
        os.chmod(f"{path}/sub/a b", 0o600)
        os.symlink("../big", f"{path}/sub/link")
        os.symlink("/nowhere", f"{path}/dangling")
        os.link(f"{path}/big", f"{path}/sub/hard")
        for at, name in enumerate(["sub/a b", "sub/link", "sub/empty", "sub", "closed", "big", "."]):
            os.utime(f"{path}/{name}", (1, 1600000000 + at), follow_symlinks=False)
        os.chmod(f"{path}/closed", 0o500)
        return path

    @staticmethod
    def write(path, data=""):
        with open(path, "wb") as f:
            f.write(data.encode() if isinstance(data, str) else data)
        return path

    @staticmethod
    def text(path):
        with open(path) as f:
            return f.read()


class TreeTest(CpTest):
    def test_both_ways(self):
        self.up()
        here = self.tree(f"{self.work}/t")
        self.ok("cp", "t", f"web-0:{self.far}/new")
        self.assertEqual(look(f"{self.far}/new"), look(here))
        self.ok("cp", f"web-0:{self.far}/new", "back")
        self.assertEqual(look(f"{self.work}/back"), look(here))
        self.assertEqual(os.stat(f"{self.work}/back/sub/hard").st_nlink, 2)
        self.assertEqual(os.stat(f"{self.work}/back/program").st_mode & MODES, 0o755)

    def test_again_over_itself(self):
        self.up()
        here = self.tree(f"{self.work}/t")
        for _ in range(2):
            self.ok("cp", "t/.", f"web-0:{self.far}")
            self.ok("cp", f"web-0:{self.far}", "back")
        self.assertEqual(look(f"{self.work}/back/far"), look(f"{self.far}"))
        self.assertEqual({k: v for k, v in look(self.far).items() if k != "."},
                         {k: v for k, v in look(here).items() if k != "."})

    def test_stream(self):
        self.up()
        self.tree(f"{self.far}/t")
        p = subprocess.run([PROGRAM, "cp", f"web-0:{self.far}/t", "-"], env=self.env, cwd=self.work,
                           capture_output=True, timeout=60)
        self.assertEqual(p.returncode, 0, p.stderr)
        with tarfile.open(fileobj=io.BytesIO(p.stdout)) as tar:
            self.assertIn("./t/sub/a b", tar.getnames())
        os.mkdir(f"{self.far}/u")
        self.ok("cp", "-", f"web-0:{self.far}/u", input=p.stdout)
        self.assertEqual(look(f"{self.far}/u/t"), look(f"{self.far}/t"))
        self.fails(FAILED, "cp", "-", f"web-0:{self.far}/none", input=p.stdout,
                   match="no such directory")

    def test_every_replica_or_the_first(self):
        self.up(replicas=2)
        self.write(f"{self.work}/f", "x")
        self.ok("cp", "f", "web:g")
        self.assertEqual([self.text(f"{self.guest_home(i)}/g") for i in ("web-0", "web-1")],
                         ["x", "x"])
        self.ok("cp", "--index", "1", "f", "web:one")
        self.assertEqual([os.path.exists(f"{self.guest_home(i)}/one") for i in ("web-0", "web-1")],
                         [False, True])
        self.write(f"{self.guest_home('web-0')}/g", "first")
        self.ok("cp", "web:g", "got")
        self.assertEqual(self.text(f"{self.work}/got"), "first")
        self.fails(USAGE, "cp", "-", "web:", input="", match="--index")


class PlaceTest(CpTest):
    """Where things go, as docker cp has it; the same rules both ways."""

    def both(self, case):
        self.up()
        for to_guest in True, False:
            with self.subTest(to_guest=to_guest):
                a = f"{self.dir}/a{to_guest:d}"
                b = f"{self.dir}/b{to_guest:d}"
                os.makedirs(f"{a}/d/deep")
                os.makedirs(f"{b}/there")
                self.write(f"{a}/f", "file")
                self.write(f"{a}/d/in", "in")
                self.write(f"{b}/old", "old")
                os.symlink("d", f"{a}/dl")
                os.symlink("f", f"{a}/fl")
                os.symlink("there", f"{b}/tl")

                def cp(source, destination, *options, status=0, match=()):
                    args = [f"{a}/{source}", f"{b}/{destination}"]
                    args[to_guest] = "web-0:" + args[to_guest]
                    if status:
                        return self.fails(status, "cp", *options, *args, match=match)
                    return self.ok("cp", *options, *args)

                case(cp, b)

    def test_file(self):
        def case(cp, b):
            cp("f", "new")
            cp("f", "old")
            cp("f", "there")
            cp("f", "there/")
            cp("f", "there/other")
            for name in "new", "old", "there/f", "there/other":
                self.assertEqual(self.text(f"{b}/{name}"), "file", name)
            cp("f", "none/", status=FAILED, match="no such directory")
            cp("f", "none/x", status=FAILED, match="no such directory")
            cp("f", "old/", status=FAILED, match="no directory")
            cp("f/", "new", status=FAILED, match="no directory")
            cp("none", "new", status=FAILED, match="[nN]o such file")
            self.assertEqual(sorted(os.listdir(b)), ["new", "old", "there", "tl"])
        self.both(case)

    def test_directory(self):
        def case(cp, b):
            cp("d", "new")
            self.assertEqual(sorted(os.listdir(f"{b}/new")), ["deep", "in"])
            cp("d", "new")
            self.assertEqual(sorted(os.listdir(f"{b}/new")), ["d", "deep", "in"])
            cp("d/.", "there")
            self.assertEqual(sorted(os.listdir(f"{b}/there")), ["deep", "in"])
            cp("d/", "slash/")
            self.assertEqual(sorted(os.listdir(f"{b}/slash")), ["deep", "in"])
            cp("d/.", "dot")
            self.assertEqual(sorted(os.listdir(f"{b}/dot")), ["deep", "in"])
            cp("d", "old", status=FAILED, match="is no directory")
            cp("d", "none/x", status=FAILED, match="no such directory")
            self.assertEqual(self.text(f"{b}/old"), "old")
        self.both(case)

    def test_links(self):
        def case(cp, b):
            cp("fl", "l1")
            cp("dl", "l2")
            self.assertEqual([os.readlink(f"{b}/l1"), os.readlink(f"{b}/l2")], ["f", "d"])
            cp("fl", "f1", "-L")
            cp("dl", "d1", "-L")
            cp("dl/", "d2")
            cp("dl/.", "d3")
            self.assertFalse(os.path.islink(f"{b}/f1"))
            self.assertEqual(self.text(f"{b}/f1"), "file")
            for name in "d1", "d2", "d3":
                self.assertEqual(sorted(os.listdir(f"{b}/{name}")), ["deep", "in"], name)
            cp("f", "tl")  # one that the user names is followed
            self.assertEqual(self.text(f"{b}/there/f"), "file")
        self.both(case)

    def test_a_link_of_the_guests_is_not_written_through(self):
        self.up()
        self.write(f"{self.dir}/f", "the guest's")
        self.write(f"{self.work}/precious", "mine")
        os.symlink(f"{self.work}/precious", f"{self.dir}/l")
        result = self.ok("cp", f"web-0:{self.dir}/l", "got")
        self.assertRegex(result.err, r"/l is a link to .*/precious, and so is the copy \(-L")
        self.assertNotIn("link", self.ok("cp", f"web-0:{self.dir}/f", "got").err)
        self.assertEqual(self.text(f"{self.work}/precious"), "mine")
        self.assertEqual(self.text(f"{self.work}/got"), "the guest's")
        self.assertFalse(os.path.islink(f"{self.work}/got"))
        os.symlink("nowhere", f"{self.work}/dangling")
        os.mkdir(f"{self.dir}/tree")
        for name in "precious", "dangling":
            self.fails(FAILED, "cp", f"web-0:{self.dir}/tree", name, match="is no directory")
        self.fails(FAILED, "cp", f"web-0:{self.dir}/f", "dangling/", match="is no directory")

    def test_relative_is_the_home(self):
        self.up()
        self.write(f"{self.work}/f", "x")
        self.ok("cp", "f", "web-0:")
        self.ok("cp", "f", "web-0:-n")
        self.assertEqual(self.text(f"{self.guest_home()}/f"), "x")
        self.ok("cp", "web-0:-n", ".")
        self.ok("cp", "web-0:./f", "./web-0:f")
        self.assertEqual(sorted(os.listdir(self.work)),
                         ["-n", "base.qcow2", "f", "holos.yaml", "web-0:f"])


class MistakeTest(CpTest):
    def test_usage(self):
        self.fails(USAGE, "cp", match="source and a destination")
        self.fails(USAGE, "cp", "a", "b", match="must be in a VM")
        self.fails(USAGE, "cp", "a", "b", "c", match='"c"')
        self.fails(USAGE, "cp", "w-0:a", "w-1:b", match=["not between VMs", "holos cp w-0:a - |"])
        self.fails(USAGE, "cp", ":a", "b", match="missing")
        self.fails(USAGE, "cp", "", "w:b", match="empty")

    def test_failures_name_the_file(self):
        self.up()
        self.tree(f"{self.work}/t")
        os.mkfifo(f"{self.work}/t/fifo")
        result = self.fails(FAILED, "cp", "t", f"web-0:{self.far}/x",
                            match="t/fifo is left out: it is a FIFO")
        self.assertTrue(os.path.exists(f"{self.far}/x/sub/a b"), result.err)
        os.makedirs(f"{self.far}/y/sub/a b/dir")
        self.fails(FAILED, "cp", "t/.", f"web-0:{self.far}/y", match=r"web-0: tar: .*sub/a b")
        os.makedirs(f"{self.work}/z/sub/a b/dir")
        self.fails(FAILED, "cp", f"web-0:{self.far}/x/.", "z",
                   match=f"cannot write .*/z/sub/a b: Is a directory")

    def test_devices_are_not_replaced(self):
        self.up()
        self.write(f"{self.far}/f", "x")
        os.mkfifo(f"{self.work}/fifo")
        self.fails(FAILED, "cp", f"web-0:{self.far}/f", "fifo", match="not replaced")
        self.assertTrue(stat.S_ISFIFO(os.stat(f"{self.work}/fifo").st_mode))

    def test_an_escape_in_a_name(self):
        self.up()
        os.makedirs(f"{self.work}/t")
        os.mkfifo(f"{self.work}/t/a\x1b]0;owned\x07")
        result = self.fails(FAILED, "cp", "t/.", f"web-0:{self.far}", match="owned")
        self.assertNotIn("\x1b", result.err)


class HostileTest(CpTest):
    """A guest whose tar is not tar.  More of what it may send is in tests/unit/guest."""

    def server(self):
        os.makedirs(f"{self.dir}/bin")
        self.script("shell", f'PATH={self.dir}/bin:$PATH exec /bin/sh "$@"\n')
        return f"export FAKE_SHELL={self.dir}/shell\n" + super().server()

    def tar(self, script):
        os.rename(self.script("tar", script), f"{self.dir}/bin/tar")

    def test_half_a_file(self):
        self.up()
        self.write(f"{self.far}/f", b"x" * 5000000)
        os.mkdir(f"{self.work}/d")
        self.write(f"{self.work}/d/f", "before")
        self.tar('/usr/bin/tar "$@" | head -c 3000000; exit 1\n')
        self.fails(FAILED, "cp", f"web-0:{self.far}/f", "d", match="stream ended in f")
        self.assertEqual(os.listdir(f"{self.work}/d"), ["f"])
        self.assertEqual(self.text(f"{self.work}/d/f"), "before")

    def test_no_tar_at_all(self):
        self.up()
        self.write(f"{self.far}/f", "x")
        self.tar("exit 3\n")
        self.fails(FAILED, "cp", f"web-0:{self.far}/f", ".", match="tar in web-0 ended with status 3")
        self.write(f"{self.work}/g", os.urandom(3000000))
        self.fails(FAILED, "cp", "g", f"web-0:{self.far}/", match="tar in web-0 ended with status 3")

    def test_complaints_are_bounded_and_harmless(self):
        self.up()
        self.write(f"{self.far}/f", "x")
        self.tar("yes \"$(printf '\\033]0;owned\\007')\" | head -n 100000 >&2; exit 1\n")
        result = self.fails(FAILED, "cp", f"web-0:{self.far}/f", ".", match="web-0: .*owned")
        self.assertNotIn("\x1b", result.err)
        self.assertLess(len(result.err.splitlines()), 30)

    def test_a_shell_that_says_too_much(self):
        self.up()
        self.script("shell", "exec yes\n")
        self.fails(FAILED, "cp", "web-0:x", ".", match="says too much")
        self.script("shell", "echo $RANDOM\n")
        self.fails(FAILED, "cp", "web-0:x", ".", match="does not say what web-0:x is")

    def test_more_than_was_asked_for(self):
        self.up()
        self.write(f"{self.far}/f", "x")
        os.symlink(self.far, f"{self.work}/out")
        self.tar(f"cd {self.far}; echo y >g; exec /usr/bin/tar -cf - f g\n")
        self.fails(FAILED, "cp", f"web-0:{self.far}/f", "got", match="one file was asked for")
        self.assertFalse(os.path.exists(f"{self.work}/g"))


class ShowTest(CpTest):
    def test_progress_on_a_terminal(self):
        self.up()
        self.write(f"{self.work}/f", os.urandom(3000000))
        t = Terminal(self, "cp", "f", f"web-0:{self.far}/f")
        said = t.finish()
        self.assertRegex(said, rb"2\.9 ?MiB, 1 file, .*/s\x1b\[K\r\n$")
        t = Terminal(self, "cp", "-q", "f", f"web-0:{self.far}/f")
        self.assertEqual(t.finish(), b"")

    def test_no_stream_on_a_terminal(self):
        self.up()
        Terminal(self, "cp", "web-0:x", "-").finish(USAGE)
        Terminal(self, "cp", "-", "web-0:").finish(USAGE)

    def test_interrupted(self):
        self.up()
        with open(f"{self.far}/f", "wb") as f:
            f.truncate(1 << 40)
        t = Terminal(self, "cp", f"web-0:{self.far}/f", "got")
        t.expect("MiB")
        t.type("\x03")
        self.assertIn(b"interrupted", t.finish(INTERRUPTED))
        self.assertEqual(sorted(os.listdir(self.work)), ["base.qcow2", "holos.yaml"])


if __name__ == "__main__":
    holostest.main()
