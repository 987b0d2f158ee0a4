# SPDX-License-Identifier: Apache-2.0
"""holos import: files, directories, virsh (the real one with libvirt's test driver, and
a fake one that misbehaves), other importers; what comes out passes holos validate."""

import os
import stat
import re
import shutil
import subprocess
import unittest

import holostest
from holostest import FAILED, HOST, OK, USAGE, FakeTest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.path.join(TOP, "tests", "data", "import")

DISK = """<devices><disk type='file' device='disk'><driver type='qcow2'/>
<source file='{image}'/><target dev='vda' bus='virtio'/></disk></devices>"""


class ImportTest(FakeTest):
    def domain(self, name, inside="", image=None):
        return (f"<domain type='kvm'><name>{name}</name><memory unit='GiB'>1</memory>"
                f"<vcpu>2</vcpu>{inside}{DISK.format(image=image or self.image)}</domain>\n")

    def write(self, name, text, dir=None):
        path = os.path.join(dir or self.work, name)
        with open(path, "wb") as f:
            f.write(text.encode() if isinstance(text, str) else text)
        return path

    def fake_virsh(self, script):
        """A virsh(1) of the test's own, first in PATH."""
        dir = os.path.join(self.dir, "bin")
        os.makedirs(dir, exist_ok=True)
        path = self.write("virsh", "#!/bin/sh\n" + script, dir)
        os.chmod(path, 0o755)
        self.env["PATH"] = dir + ":" + self.env["PATH"]

    def valid(self, yaml):
        """`holos validate` takes it; returns what it says."""
        path = self.write("holos.yaml", yaml)
        return self.ok("validate", "-f", path, "--json").json()


class FilesTest(ImportTest):
    def test_one_file(self):
        path = self.write("web.xml", self.domain("web"))
        done = self.ok("import", "--xml", path)
        self.assertEqual(done.err, "")
        got = self.valid(done.out)
        self.assertEqual(got["project"], "web")
        self.assertEqual([(s["name"], s["image"], s["vcpu"], s["memory_mb"])
                          for s in got["services"]], [("web", self.image, 2, 1024)])

    def test_what_is_imported_starts(self):
        done = self.ok("import", "--xml", "-", "--project", "demo",
                       input=self.domain("web", "<title>My web</title><cpu mode='host-model'>"
                                         "<feature policy='disable' name='hle'/></cpu>"))
        self.assertIn("cpu_model: host,hle=off\n", done.out)
        self.assertIn("  # My web\n  web:\n", done.out)
        self.write("holos.yaml", done.out)
        self.ok("up", cwd=self.work)
        self.assert_statuses("demo", **{"web-0": "running"})
        argv = self.argv("web-0")
        self.assertEqual(argv[argv.index("-smp") + 1], "2")
        self.assertEqual(argv[argv.index("-m") + 1], "1024")
        # Without KVM there is no "host", and its flags stay.
        self.assertEqual(argv[argv.index("-cpu") + 1], "max,hle=off")

    def test_to_a_file(self):
        path = self.write("web.xml", self.domain("Web 1"))
        out = os.path.join(self.work, "out.yaml")
        self.write("out.yaml", "old\n")
        done = self.ok("import", "--xml", path, "-o", out, "--project", "stack")
        self.assertEqual(done.out, "")
        self.assertIn('warning: web-1: renamed domain "Web 1" to "web-1"\n', done.err)
        self.assertIn(f"wrote {out} (1 service(s))\n", done.err)
        self.assertEqual(os.stat(out).st_mode & 0o777, 0o644)
        self.assertEqual(self.valid(self.read(out))["project"], "stack")

    def test_to_what_is_no_plain_file(self):
        """A link stays a link, a FIFO (as /dev/null is for root) is written to."""
        path = self.write("web.xml", self.domain("web"))
        self.write("real.yaml", "old\n")
        link = os.path.join(self.work, "link.yaml")
        os.symlink("real.yaml", link)
        self.ok("import", "--xml", path, "-o", link)
        self.assertTrue(os.path.islink(link))
        self.assertEqual(self.valid(self.read(self.work, "real.yaml"))["project"], "web")
        fifo = os.path.join(self.work, "fifo")
        os.mkfifo(fifo)
        fd = os.open(fifo, os.O_RDWR)
        self.addCleanup(os.close, fd)
        self.ok("import", "--xml", path, "-o", fifo)
        self.assertTrue(stat.S_ISFIFO(os.stat(fifo).st_mode))
        self.assertIn(b"name: web\n", os.read(fd, 65536))
        self.fails(FAILED, "import", "--xml", path, "-o", self.work, match="cannot write .*directory")

    def test_a_directory(self):
        dir = os.path.join(self.work, "qemu")
        os.makedirs(os.path.join(dir, "autostart"))
        os.makedirs(os.path.join(dir, "networks"))
        for name in "db", "web", "cache":
            self.write(f"{name}.xml", self.domain(name), dir)
        self.write("README", "no domain", dir)
        self.write("net.xml", "<network/>", os.path.join(dir, "networks"))
        os.symlink("../web.xml", os.path.join(dir, "autostart", "web.xml"))
        done = self.ok("import", "--xml", dir)
        got = self.valid(done.out)
        self.assertEqual(got["project"], "cache")
        self.assertEqual([s["name"] for s in got["services"]], ["cache", "db", "web"])
        config = self.ok("config", "-f", os.path.join(self.work, "holos.yaml"), "--json").json()
        self.assertEqual({n: s["restart"] for n, s in config["services"].items()},
                         {"cache": "no", "db": "no", "web": "unless-stopped"})

    def test_an_empty_directory(self):
        self.fails(FAILED, "import", "--xml", self.work, match="no \\*.xml.*/etc/libvirt/qemu|hint")

    def test_everything(self):
        """Comments and dollar signs come through, and the loader takes it all."""
        done = self.ok("import", "--xml", os.path.join(DATA, "everything.xml"))
        self.assertIn("  # Compiles things.\n  # Ask Jürgen before you stop it.\n"
                      "  # Not as it was:\n  # - renamed domain", done.out)
        self.assertEqual(done.out.count("\n  # - "),
                         done.err.count("warning: build-server: "))
        self.assertIn("image: /srv/vm/root.img\n", done.out)
        self.assertNotIn("to be mended", done.err)
        path = self.write("all.yaml", done.out)
        config = self.ok("config", "-f", path, "--json").json()
        volume = config["volumes"]["build-server-vdb"]
        self.assertEqual(volume["source"], "/srv/vm/data, and $$more.qcow2")
        self.assertEqual(config["services"]["build-server"]["restart"], "on-failure")
        self.assertGreater(done.err.count("warning: build-server: "), 80)

    def test_two_of_one_name(self):
        dir = os.path.join(self.work, "d")
        os.mkdir(dir)
        self.write("a.xml", self.domain("web 1"), dir)
        self.write("b.xml", self.domain("WEB-1"), dir)
        out = os.path.join(self.work, "out.yaml")
        self.fails(FAILED, "import", "--xml", dir, "-o", out, match='service "web-1" already')
        self.assertFalse(os.path.exists(out))

    def test_clashes_are_to_be_mended(self):
        """Two domains may share a device as long as one of them runs; two services may not."""
        dir = os.path.join(self.work, "d")
        os.mkdir(dir)
        gpu = ("<devices><hostdev mode='subsystem' type='pci' managed='no'><source><address "
               "domain='0' bus='1' slot='0' function='0'/></source></hostdev></devices>")
        self.write("a.xml", self.domain("a", gpu), dir)
        self.write("b.xml", self.domain("b", gpu), dir)
        done = self.ok("import", "--xml", dir)
        self.assertRegex(done.err, "warning: to be mended in the file: .*0000:01:00.0 is used by")
        self.assertIn("  b:\n", done.out)

    def test_comments_stay_comments(self):
        text = self.domain("web", "<description>one\u2028name: evil\u0085services: {}\n\n"
                                  "- last # line</description>")
        done = self.ok("import", "--xml", "-", input=text)
        self.assertEqual(self.valid(done.out)["project"], "web")
        self.assertIn("  # - last # line\n", done.out)

    def test_bad_xml(self):
        cases = {
            "": "is empty",
            "hello": "bad XML",
            "<domain>": "bad XML",
            "<network><name>n</name></network>": "root element is <network>",
            "<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>"
            "<domain><name>&x;</name></domain>": "document type",
            "<domain><name>\u6771</name></domain>": "no service can be called after",
            "<domain>" + "x" * 10_000_000 + "</domain>": "larger than 2 MiB",
            "x" * 20_000_000: "larger|more than",
        }
        for text, says in cases.items():
            with self.subTest(text[:60]):
                out = os.path.join(self.work, "out.yaml")
                result = self.holos("import", "--xml", "-", "-o", out, input=text)
                self.assertIn(result.status, (FAILED, holostest.INVALID), f"{result}")
                self.assertRegex(result.err, says)
                self.assertEqual(result.err.count("\nholos: ") + result.err.startswith("holos: "),
                                 1, f"{result}")
                self.assertFalse(os.path.exists(out))
        for bad in b"\xff\xfe\x00<\x00", b"<domain><name>\xc3\x28</name></domain>":
            with self.subTest(bad):
                result = self.holos("import", "--xml", "-", input=bad)
                self.assertIn(result.status, (FAILED, holostest.INVALID), f"{result}")

    def test_files_that_are_none(self):
        self.fails(FAILED, "import", "--xml", "/nowhere/a.xml", match="/nowhere/a.xml")
        fifo = os.path.join(self.work, "fifo.xml")
        os.mkfifo(fifo)
        result = self.holos("import", "--xml", fifo)
        self.assertNotEqual(result.status, OK, f"{result}")

    def test_usage(self):
        for args in [], ["--all", "web"], ["--xml", "a.xml", "web"], ["--xml", "a", "--all"], \
                ["--project", "No Name", "web"], ["--from", "other", "--all"], \
                ["--xml", "a.xml", "--connect", "test:///default"]:
            with self.subTest(args):
                self.fails(USAGE, "import", *args)


class FakeVirshTest(ImportTest):
    def test_names(self):
        self.write("web.xml", self.domain("web"))
        self.write("db.xml", self.domain("db"))
        self.fake_virsh(f'''
echo "$*" >>{self.dir}/virsh.log
[ "$1" = -c ] && shift 2
case "$*" in
"list --all --name") printf 'db\\nweb\\n\\n' ;;
"list --all --name --autostart") printf 'db\\n\\n' ;;
"dumpxml web"|"dumpxml db") cat {self.work}/$2.xml ;;
*) exit 9 ;;
esac
''')
        got = self.valid(self.ok("import", "--connect", "qemu:///system", "web").out)
        self.assertEqual([s["name"] for s in got["services"]], ["web"])
        log = self.read(os.path.join(self.dir, "virsh.log")).splitlines()
        self.assertIn("-c qemu:///system dumpxml web", log)
        os.unlink(os.path.join(self.dir, "virsh.log"))
        done = self.ok("import", "--all")
        self.assertEqual(self.valid(done.out)["project"], "db")
        self.assertEqual(done.out.count("restart: unless-stopped"), 1)
        self.assertIn("dumpxml db", self.read(os.path.join(self.dir, "virsh.log")).splitlines())

    def test_a_file_that_is_there_is_meant(self):
        """Without ./ its name was asked of libvirt, when it can be told from a domain's."""
        self.fake_virsh(f'echo "$*" >>{self.dir}/virsh.log; exit 1')
        self.write("web.xml", self.domain("fromfile"))
        self.assertEqual(self.valid(self.ok("import", "web.xml").out)["project"], "fromfile")
        self.assertFalse(os.path.exists(f"{self.dir}/virsh.log"))
        self.write("web", self.domain("fromfile"))
        self.fails(FAILED, "import", "web")
        self.fails(FAILED, "import", "--connect", "qemu:///system", "web.xml")
        self.fails(FAILED, "import", "gone.xml")
        self.assertEqual(len(self.read(f"{self.dir}/virsh.log").splitlines()), 3)

    def test_its_complaint_is_told(self):
        self.fake_virsh('echo "error: failed to connect" >&2; echo "error: no socket" >&2; exit 1')
        out = os.path.join(self.work, "out.yaml")
        for args in ["web"], ["--all"]:
            result = self.fails(
                FAILED, "import", *args, "-o", out,
                match="exited with status 1: error: failed to connect error: no socket")
            self.assertNotIn("warning", result.err)
        self.assertFalse(os.path.exists(out))

    def test_one_that_fails_fails_all(self):
        self.write("web.xml", self.domain("web"))
        self.fake_virsh(f'''
case "$*" in
list*autostart) exit 1 ;;
"dumpxml web") cat {self.work}/web.xml ;;
*) echo "error: no domain $2" >&2; exit 1 ;;
esac
''')
        out = os.path.join(self.work, "out.yaml")
        result = self.fails(FAILED, "import", "web", "gone", "-o", out,
                            match='domain "gone": .*no domain gone')
        self.assertIn("warning: cannot tell which domains start with the host", result.err)
        self.assertFalse(os.path.exists(out))

    def test_a_flood_is_bounded(self):
        self.fake_virsh('[ "$1" = dumpxml ] || exit 0; yes "<a/>" | head -c 3000000')
        self.fails(FAILED, "import", "web", match="larger than")

    def test_without_virsh(self):
        self.env["PATH"] = os.path.join(self.dir, "nothing")
        self.fails(HOST, "import", "web", match="libvirt-clients")

    def test_no_domains(self):
        self.fake_virsh("exit 0")
        self.fails(FAILED, "import", "--all", match="knows no domains")


@unittest.skipUnless(shutil.which("virsh"), "libvirt-clients is not installed")
class LibvirtTest(ImportTest):
    """The real virsh with libvirt's test driver, which needs no daemon."""

    def setUp(self):
        super().setUp()
        self.env["LIBVIRT_DEFAULT_URI"] = "test:///default"

    def test_default(self):
        done = self.ok("import", "--connect", "test:///default", "test")
        self.assertIn("image: /guest/diskimage1\n", done.out)
        self.assertIn("interface (type=network, network=default) not imported", done.err)
        self.fails(FAILED, "import", "--connect", "test:///default", "nosuch", match="nosuch")

    def test_twenty_domains(self):
        domains = "".join(
            self.domain(f"vm {n:02}", "<devices><interface type='user'/></devices>").replace(
                "<domain type='kvm'>", "<domain type='test'><os><type>hvm</type></os>")
            for n in range(20))
        path = self.write("node.xml", f"<node>{domains}</node>")
        listed = subprocess.run(["virsh", "-c", f"test://{path}", "list", "--all", "--name"],
                                capture_output=True, text=True, env=self.env)
        self.assertEqual(len(listed.stdout.split("\n")), 22, listed.stderr)
        done = self.ok("import", "--connect", f"test://{path}", "--all", timeout=60)
        got = self.valid(done.out)
        self.assertEqual([s["name"] for s in got["services"]],
                         [f"vm-{n:02}" for n in range(20)])
        self.assertEqual(got["project"], "vm-00")
        self.fails(holostest.INVALID, "import", "--xml", path, match="test://FILE")

    def test_every_command_of_the_page(self):
        """docs/migrating-from-libvirt.md, in one shell."""
        with open(os.path.join(TOP, "docs", "migrating-from-libvirt.md")) as f:
            blocks = re.findall(r"(?ms)^```sh\n(.*?)^```$", f.read())
        self.assertGreater(len(blocks), 7)
        other = os.path.join(self.work, "db.qcow2")
        shutil.copy(self.image, other)
        node = (self.domain("web") + self.domain("db", image=other)).replace(
            "<domain type='kvm'>", "<domain type='test'><os><type>hvm</type></os>")
        self.env["LIBVIRT_DEFAULT_URI"] = "test://" + self.write("node.xml", f"<node>{node}</node>")
        script = "set -eu\nholos() { %s \"$@\"; }\n%s" % (holostest.PROGRAM, "".join(blocks))
        done = self.spawn(["/bin/sh", "-c", script], cwd=self.work).finish(60)
        self.assertEqual(done.status, 0, f"{done}")
        self.assertIn("service: web (1/1 running)", done.out)
        self.assertIn('project "web" removed', done.out)
        self.assertIn("# would write to:", done.out)
        for name in "farm.yaml", "saved.yaml", "web/holos.yaml":
            self.assertIn("services:\n", self.read(os.path.join(self.work, name)))


if __name__ == "__main__":
    holostest.main()
