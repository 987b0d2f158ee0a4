# SPDX-License-Identifier: Apache-2.0
"""Debian with cloud-init and systemd, as examples/build-image makes it: one first boot and
one restart, and everything that is to be seen in them."""

import functools
import http.server
import os
import subprocess
import threading

import holostest
import test_dockerfile
from debianimage import WAIT, DebianTest
from holostest import PORTS

# Every instruction that is supported; the service answers with what ENV and WORKDIR say.
DOCKERFILE = test_dockerfile.GOOD.replace("FROM micro", "FROM ./debian.qcow2").split(
    "HEALTHCHECK")[0] + r"""
LABEL note="nobody reads it"
COPY --chmod=755 <<'EOF' /opt/bin/serve
#!/bin/sh
echo "$(id -un) $GREETING $MODE $*" >/tmp/served
exec python3 -m http.server --directory "$1" "$2"
EOF
HEALTHCHECK --interval=10s --start-interval=3s --start-period=20m --timeout=30s \
    CMD test "$(cat /app/done)" = done && curl -fs http://127.0.0.1:8000/greeting
USER nobody
ENTRYPOINT ["/opt/bin/serve"]
CMD [".", "8000"]
"""

COMPOSE = r"""
    name: demo
    services:
      box:
        dockerfile: ./Dockerfile
        dockerfile_cmd: service
        vm: {memory: 1G, cpus: 2, disk_size: 5G}
        environment: {MODE: "it's on", HASH: 'a#b "c"'}
        ports: ["SERVICE_PORT:8000"]
        volumes:
          - ./rw:/mnt/read-write
          - "./ro:/mnt/read only:ro"
          - data:/srv/data
        cloud_init:
          user: debian
          packages: [holos-test]
          write_files:
            - path: /etc/apt/sources.list
              content: "deb [trusted=yes] http://10.0.2.2:APT_PORT/ ./\n"
            - {path: /etc/test/before-packages, content: "written before\n"}
            - {path: /etc/test/secret, content: "$HOME is text\n", permissions: "0600"}
            - {path: /opt/games/scores, content: "1\n", permissions: "2640", owner: "games:nogroup"}
            - {path: /home/debian/notes/mine, content: "2\n", owner: "debian:debian"}
          runcmd:
            - "holos-test >/srv/data/by-runcmd; cat /app/done >>/srv/data/by-runcmd"
            - [sh, -c, 'echo "$0" >>/srv/data/by-runcmd', "two  words"]
    volumes:
      data: {size: 64M}
"""

POSTINST = """#!/bin/sh
# What a database's package does: it puts its first data where the volume has to be already.
mountpoint -q /srv/data && echo "from postinst" >/srv/data/by-postinst
cat /etc/test/before-packages >>/srv/data/by-postinst
"""


class Repository(http.server.ThreadingHTTPServer):
    """An apt repository on loopback: holos-test, which needs holos-test-data."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder)
        self.package("holos-test", {"/usr/bin/holos-test": "#!/bin/sh\ncat /usr/share/holos-test\n"},
                     depends="holos-test-data", postinst=POSTINST)
        self.package("holos-test-data", {"/usr/share/holos-test": "data\n"})
        packages = subprocess.run(["dpkg-scanpackages", "--multiversion", "."], cwd=folder,
                                  check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        with open(os.path.join(folder, "Packages"), "wb") as f:
            f.write(packages.stdout)
        super().__init__(("127.0.0.1", 0), functools.partial(self.Handler, directory=folder))
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def package(self, name, files, depends="", postinst=None):
        root = os.path.join(self.folder, "." + name)
        control = (f"Package: {name}\nVersion: 1.0\nArchitecture: all\nMaintainer: test\n"
                   f"Description: test\n" + (f"Depends: {depends}\n" if depends else ""))
        files = {**files, "/DEBIAN/control": control}
        if postinst:
            files["/DEBIAN/postinst"] = postinst
        for path, text in files.items():
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            with open(root + path, "w") as f:
                f.write(text)
            os.chmod(root + path, 0o755 if text.startswith("#!") else 0o644)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", root,
                        os.path.join(self.folder, f"{name}.deb")], check=True,
                       stdout=subprocess.DEVNULL)

    def close(self):
        self.shutdown()
        self.server_close()


class FirstBootTest(test_dockerfile.BuildChecks, DebianTest):
    def setUp(self):
        super().setUp()
        repository = Repository(os.path.join(self.dir, "repository"))
        self.addCleanup(repository.close)
        for name in "rw", "ro":
            os.mkdir(os.path.join(self.work, name))
            with open(os.path.join(self.work, name, "from-host"), "w") as f:
                f.write(f"hello {name}\n")
        self.make_tree()
        with open(os.path.join(self.work, "Dockerfile"), "w") as f:
            f.write(DOCKERFILE)
        self.port = PORTS.get()
        self.compose(COMPOSE.replace("SERVICE_PORT", str(self.port))
                     .replace("APT_PORT", str(repository.server_port)))

    def test_first_boot_and_restart(self):
        self.wait_up("up")
        self.look([*self.first_boot(), *self.built(), *self.every_boot()])
        self.check_host()
        boot = self.sh("box-0", "sudo rm /srv/data/by-runcmd /tmp/served; echo 2 | sudo tee"
                       " /srv/data/kept >&2; cat /proc/sys/kernel/random/boot_id")
        self.wait_up("restart")
        self.look([*self.every_boot(),
                   ("not twice", "ls /srv/data; cat /srv/data/kept", "by-postinst\nkept\nlost+found\n2\n"),
                   ("boot", "test $(cat /proc/sys/kernel/random/boot_id) != " + boot, "")])
        self.check_host()
        self.check_changed_host_key()

    def first_boot(self):
        """What to ask, and what is to be answered."""
        yield "cloud-init", "cloud-init status --wait", "\nstatus: done\n"
        yield ("cloud-init accepts all", "sudo cloud-init schema --system 2>&1 | tail -n 1;"
               " ! sudo grep -E 'WARNING|ERROR|Traceback' /var/log/cloud-init.log",
               "Valid cloud-config: system userdata\n")
        yield ("nothing failed", "systemctl --failed --no-legend --plain 'cloud-*' 'holos-*' 'ssh*'"
               " 'srv-*' 'mnt-*'", "")
        yield ("files", "sudo stat -c '%a %U %G %n' /etc/test/secret /opt/games/scores"
               " /home/debian/notes/mine; sudo cat /etc/test/secret; cat /etc/hostname",
               "600 root root /etc/test/secret\n2640 games nogroup /opt/games/scores\n"
               "644 debian debian /home/debian/notes/mine\n$HOME is text\nbox-0\n")
        # The volume, then files, packages, the Dockerfile, runcmd (W27).
        yield ("order", "cat /srv/data/by-postinst /srv/data/by-runcmd",
               "from postinst\nwritten before\ndata\ndone\ntwo  words\n")

    def every_boot(self):
        for shell in "", "bash -lc 'exec \"$0\" \"$@\"'", "sudo -i":
            yield (f"environment, {shell}", f"{shell} printenv MODE HASH GREETING",
                   "it's on\na#b \"c\"\nhello world\n")
        yield ("CMD as a unit of systemd", "systemctl is-active holos-cmd; systemctl is-enabled"
               " holos-cmd; cat /tmp/served", "active\nenabled\nnobody hello world it's on . 8000\n")
        # Both directions, also after a restart (W2).
        yield ("bind mounts", "cat /mnt/read-write/from-host '/mnt/read only/from-host';"
               " cat /proc/sys/kernel/random/uuid | sudo tee /mnt/read-write/from-guest >/dev/null;"
               " echo no | sudo tee '/mnt/read only/from-guest' >/dev/null 2>&1 || echo refused",
               "hello rw\nhello ro\nrefused\n")
        yield ("mounts", "findmnt -no FSTYPE '/mnt/read only'; findmnt -no FSTYPE /srv/data;"
               " grep -c '/mnt/read' /etc/fstab", "9p\next4\n2\n")
        yield "disk_size", "test $(findmnt -bno SIZE /) -gt 4500000000", ""
        yield ("hosts", "getent hosts box | tr -s ' '; grep -c '^# holos: begin' /etc/hosts;"
               " grep -c ^nameserver /etc/resolv.conf",
               f"{self.project('demo')['network']['hosts']['box-0']} box box-0\n1\n1\n")

    def look(self, checks):
        """One login for all: it takes seconds in an emulated guest.  Each is told apart."""
        script = "".join(f"echo '=== {i}'; ({script}) 2>&1 || echo status $?\n"
                         for i, (_, script, _) in enumerate(checks))
        answers = self.sh("box-0", script, timeout=WAIT).split("=== ")[1:]
        self.assertEqual(len(answers), len(checks))
        for (name, script, due), answer in zip(checks, answers):
            with self.subTest(check=name):
                self.assertEqual(answer.split("\n", 1)[1], due, script)

    def check_host(self):
        """What the guest wrote is there, and nothing where it may not; the service answers."""
        self.assertRegex(self.read(self.work, "rw", "from-guest"), r"^[0-9a-f-]{36}\n$")
        os.unlink(os.path.join(self.work, "rw", "from-guest"))
        self.assertEqual(os.listdir(os.path.join(self.work, "ro")), ["from-host"])
        self.assertEqual(self.fetch(self.port, path="greeting"), "hello world\n")

    def check_changed_host_key(self):
        """Who answers with another key than the one that holos gave is not the guest."""
        self.sh("box-0", "sudo sh -c 'cd /etc/ssh; rm ssh_host_*; ssh-keygen -q -t ed25519"
                " -N \"\" -f ssh_host_ed25519_key; systemctl restart ssh'")
        result = self.holos("exec", "-T", "-w", f"{WAIT}s", "demo", "box-0", "echo", "hello",
                            timeout=WAIT)
        self.assertNotEqual(result.status, 0)
        self.assertEqual(result.out, "")
        self.assertRegex(result.err, r"host key of box-0 .* is SHA256:.* not connecting")


if __name__ == "__main__":
    holostest.main()
