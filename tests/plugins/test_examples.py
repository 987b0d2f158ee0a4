# SPDX-License-Identifier: Apache-2.0
"""examples/plugins: built out of tree against the installed SDK, by CMake and by a
compiler with pkg-config; checked, and used."""

import json
import os
import shutil

from sdktest import SdkTest, TOP, holostest

EXAMPLES = os.path.join(TOP, "examples", "plugins")
NAMES = ["health-http", "health-tcp", "image-dir", "importer-quickemu", "net-none",
         "provision-script"]


class ExamplesTest(SdkTest):
    def check(self, directory):
        files = [os.path.join(directory, f"holos-{n}.so") for n in NAMES]
        self.run_ok("holos-plugin-check", *files)
        self.env["HOLOS_PLUGIN_PATH"] = directory
        listed = json.loads(self.run_ok("holos", "plugins", "--json"))
        mine = {f"{p['kind']}-{p['name']}" for p in listed
                if p["file"].startswith(directory) and p["state"] == "ok"}
        self.assertEqual(mine, set(NAMES))

    def test_with_a_compiler_and_pkg_config(self):
        out = os.path.join(self.dir, "out")
        self.run_ok(os.path.join(EXAMPLES, "build.sh"), out)
        self.check(out)
        self.use()

    def test_with_cmake(self):
        build = os.path.join(self.dir, "build")
        self.run_ok("cmake", "-S", EXAMPLES, "-B", build)
        self.run_ok("cmake", "--build", build)
        self.check(os.path.join(build, "lib", "holos", "plugins", "1"))
        self.run_ok("cmake", "--install", build, "--prefix", self.prefix)
        self.assertTrue(self.installed("holos-net-none.json"))

    def use(self):
        images = os.path.join(self.dir, "images")
        os.mkdir(images)
        shutil.copy(self.image, os.path.join(images, "small.qcow2"))
        with open(os.path.join(images, "text.qcow2"), "w") as f:
            f.write("not an image\n")
        self.env["HOLOS_IMAGE_DIR"] = images
        self.env["HOLOS_HEALTH_BYPASS"] = "1"
        self.compose("""
            name: demo
            services:
              web: {image: "dir:small", networks: [lan]}
            networks: {lan: {driver: none, subnet: 10.20.0.0/24}}
            """)
        shown = self.run_ok("holos", "plugins", "show", "dir")
        self.assertIn("works here", shown)
        with open(os.path.join(self.work, "mint.conf"), "w") as f:
            f.write('guest_os="linux"\ndisk_img="mint/disk.qcow2"\niso="mint.iso"\nram="2G"\n')
        done = self.run_any("holos", "import", "./mint.conf", "--from", "quickemu")
        self.assertEqual(done.status, 0, done.err)
        self.assertIn('root_disk: "./mint/disk.qcow2"', done.out)
        self.assertIn("mint: iso (line 3)", done.err)
        self.import_quickemu()

    def import_quickemu(self):
        """By its name, and by what the file looks like."""
        with open(os.path.join(self.work, "vm 1.conf"), "w") as f:
            f.write('guest_os="linux"\ndisk_img="vm 1/$disk.qcow2"\ndisk_img=\'a$b.qcow2\'\n'
                    'ram="4G"\nport_forwards=("2200:22")\niso="x.iso"\n')
        for args in ["--from", "quickemu", "vm 1.conf"], ["./vm 1.conf"]:
            done = self.run_any("holos", "import", *args)
            self.assertEqual(done.status, 0, f"{done}")
            self.assertIn("  vm-1:\n", done.out)
            self.assertIn('root_disk: "./a$$b.qcow2"\n', done.out)
            self.assertIn("warning: vm-1: iso (line 6): holos has nothing like it\n", done.err)
        done = self.run_any("holos", "import", "--from", "nosuch", "vm 1.conf")
        self.assertEqual(done.status, 4, f"{done}")


class QuickemuTest(SdkTest):
    """The importer on the test kit, with files as quickemu writes them."""

    PROGRAM = r"""
    #include <holos/testkit.h>
    #include <fcntl.h>
    #include <stdio.h>
    extern const struct holos_plugin *holos_importer_quickemu_LTX_holos_plugin_v1(void);
    int main(int argc, char **argv)
    {
        struct holos_testkit *kit =
            holos_testkit_new(holos_importer_quickemu_LTX_holos_plugin_v1());
        const struct holos_importer_ops *ops = holos_testkit_ops(kit, "quickemu");
        void *inst = holos_testkit_open(kit, "quickemu", NULL);
        holos_call *call = holos_testkit_call(kit);
        int fd = open(argv[1], O_RDONLY);
        (void)argc;
        if (ops->convert(inst, fd, argv[1], holos_testkit_importer_sink(kit), call,
                         holos_testkit_error(kit)) != HOLOS_OK) {
            puts(holos_testkit_message(kit));
            return 1;
        }
        puts(holos_testkit_result(kit));
        holos_testkit_free(kit);
        return 0;
    }
    """

    def setUp(self):
        super().setUp()
        source = os.path.join(self.dir, "main.c")
        self.program = os.path.join(self.dir, "main")
        with open(source, "w") as f:
            f.write(self.PROGRAM)
        flags = self.run_ok("pkg-config", "--cflags", "--libs", "holos-testkit-1").split()
        dir = os.path.join(EXAMPLES, "importer-quickemu")
        self.run_ok("cc", "-g", "-o", self.program, source, os.path.join(dir, "quickemu.c"),
                    os.path.join(dir, "conf.c"), *flags)

    def convert(self, text, name="ubuntu-22.04.conf"):
        path = os.path.join(self.work, name)
        with open(path, "w") as f:
            f.write(text)
        done = self.run_any(self.program, path)
        return done.status, done.out

    def test_a_vm(self):
        status, out = self.convert("""\
#!/usr/bin/quickemu --vm
guest_os="linux"
disk_img="ubuntu-22.04/disk.qcow2"   # in place
iso="ubuntu-22.04/ubuntu.iso"
disk_size=32G
ram="4G"
cpu_cores=2
port_forwards=("2200:22" '8080:80'
  "9000:90")
public_dir="$HOME/share"
boot='legacy'
""")
        self.assertEqual(status, 0, out)
        got = json.loads(out)
        self.assertEqual(got["model"], {"name": "ubuntu-22-04", "services": {"ubuntu-22-04": {
            "vm": {"root_disk": "./ubuntu-22.04/disk.qcow2", "memory": "4G", "vcpu": 2},
            "ports": ["2200:22", "8080:80", "9000:90"]}}})
        self.assertEqual([(x["line"], x["what"]) for x in got["lost"]],
                         [(4, "iso"), (10, "public_dir")])

    def test_what_it_refuses(self):
        for text, says in (("guest_os=linux\n", "names no disk_img"),
                           ("disk_img=a\nfor i in 1; do\n", ":2: it is no KEY=VALUE"),
                           ("disk_img=\"a\nb\"\n", ":1: it is no KEY=VALUE"),
                           ("disk_img=(a\n", "it is no KEY=VALUE"),
                           ("disk_img=$(rm -rf /)\n", "")):
            with self.subTest(text):
                status, out = self.convert(text)
                self.assertEqual(status, 1)
                self.assertIn(says, out)


if __name__ == "__main__":
    holostest.main()
