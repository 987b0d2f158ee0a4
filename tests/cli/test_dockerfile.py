# SPDX-License-Identifier: Apache-2.0
"""Dockerfiles on the host's side: what is refused, what the hash covers, what a start writes."""

import os
import re

import holostest
from holostest import INVALID, USAGE, FakeTest


class DockerfileTest(FakeTest):
    def setUp(self):
        super().setUp()
        os.makedirs(os.path.join(self.work, "app", "src"))
        self.write("app/src/main.c", "int main;\n")
        self.write("app/src/left.log", "no\n")
        self.write("app/.dockerignore", "**/*.log\n")
        self.dockerfile("RUN make\nCOPY src /app\n")
        self.compose("""
            name: demo
            services:
              web:
                image: ./base.qcow2
                dockerfile: ./app/Dockerfile
            """)

    def write(self, name, text):
        with open(os.path.join(self.work, name), "w") as f:
            f.write(text)

    def dockerfile(self, text):
        self.write("app/Dockerfile", text)

    def hash(self):
        return self.ok("config", "--hash", "web").out.split()[1]

    def context(self, instance="web-0"):
        return os.path.join(self.instance_dir("demo", instance), "context.img")

    def test_mistakes_have_a_place(self):
        for text, due in (("FROM a\nEXPOSE 80\n", "2: EXPOSE is not supported"),
                          ("COPY ../x /y\n", "1: COPY ../x: escapes the build context"),
                          ("COPY nosuch /y\n", "1: COPY nosuch: no such file in "),
                          ("CMD x\n", "1: CMD is not run by itself"),
                          ("FORM a\n", '1: unknown instruction "FORM"'),
                          ("RUN a\0b\n", "a NUL byte")):
            for verb in ("validate",), ("config", "--hash"), ("up",):
                with self.subTest(text=text, verb=verb):
                    self.dockerfile(text)
                    result = self.holos(*verb)
                    self.assertEqual(result.status, INVALID, result.err)
                    self.assertRegex(result.err, r"(?m)^holos: holos.yaml:5:17: services.web"
                                     r".dockerfile: \S+/app/Dockerfile: ?" + re.escape(due))
        self.assertEqual(self.ps(), [])

    def test_all_mistakes_at_once(self):
        self.write("app/Second", "VOLUME /x\n")
        self.dockerfile("EXPOSE 1\n")
        self.compose("""
            name: demo
            services:
              a: {image: ./base.qcow2, dockerfile: ./app/Dockerfile}
              b: {image: ./base.qcow2, dockerfile: ./app/Second}
              c: {dockerfile: ./app/Third}
            """)
        result = self.holos("validate")
        self.assertEqual(result.status, INVALID)
        self.assertIn("app/Third", result.err)
        self.write("app/Third", "RUN x\n")
        result = self.holos("validate")
        self.assertIn("EXPOSE", result.err)
        self.assertIn("VOLUME", result.err)
        self.dockerfile("RUN x\n")
        self.write("app/Second", "RUN x\n")
        result = self.holos("validate")
        self.assertEqual(result.status, INVALID)
        self.assertIn('services.c: "image" is missing, and the Dockerfile has no FROM', result.err)

    def test_many_mistakes(self):
        """Of 30 broken Dockerfiles twenty are told, in the file's order."""
        lines = []
        for i in reversed(range(30)):
            self.write(f"app/D{i:02}", "EXPOSE 1\n")
            lines.append(f"  s{i:02}: {{image: ./base.qcow2, dockerfile: ./app/D{i:02}}}\n")
        self.compose("name: demo\nservices:\n" + "".join(lines))
        result = self.holos("validate")
        self.assertEqual(result.status, INVALID)
        told = re.findall(r"(?m)^holos: holos\.yaml:(\d+):", result.err)
        self.assertEqual(told, [str(3 + i) for i in range(20)], result.err)
        self.assertRegex(result.err, r"(?m)^holos: and 10 more$")

    def test_ignore_file_must_be_a_file(self):
        """A FIFO reads as empty: what shall stay out would be copied."""
        path = os.path.join(self.work, "app", ".dockerignore")
        os.unlink(path)
        os.mkfifo(path)
        result = self.holos("validate")
        self.assertEqual(result.status, INVALID, result.err)
        self.assertIn(".dockerignore: is no file", result.err)

    def test_hash_covers_what_is_copied(self):
        first = self.hash()
        main = os.path.join(self.work, "app", "src", "main.c")

        def changes(what, expected=True):
            with self.subTest(what=what):
                self.assertEqual(self.hash() != first, expected)

        self.write("app/src/main.c", "int niam;\n")
        changes("content")
        self.write("app/src/main.c", "int main;\n")
        changes("content, back again", False)
        os.chmod(main, 0o755)
        changes("mode")
        os.chmod(main, 0o644)
        os.utime(main, (1, 1))
        changes("time", False)
        self.write("app/src/new", "")
        changes("a new file")
        os.unlink(os.path.join(self.work, "app", "src", "new"))
        os.symlink("main.c", os.path.join(self.work, "app", "src", "link"))
        changes("a new link")
        os.unlink(os.path.join(self.work, "app", "src", "link"))
        self.write("app/src/left.log", "other\n")
        changes("what is left out", False)
        self.dockerfile("# a comment\n\nRUN make\nCOPY src /app\nLABEL a=b\n")
        changes("a comment", False)
        self.dockerfile("RUN make install\nCOPY src /app\n")
        changes("a command")
        self.dockerfile("RUN make\nCOPY src /opt\n")
        changes("a target")
        self.dockerfile("ENV A=b\nRUN make\nCOPY src /app\n")
        changes("a variable")

    def test_digests_are_remembered(self):
        """A file of a context is read once, and a damaged memory is none."""
        self.ok("up")
        main = os.path.join(self.work, "app", "src", "main.c")
        old = 1_000_000_000
        os.utime(main, (old, old))
        first = self.hash()
        folder = os.path.join(self.state, "digests")
        os.makedirs(folder, mode=0o700, exist_ok=True)
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "wb") as f:
                f.write(b"\x00nonsense\n1:2 3\n" * 100)
        self.assertEqual(self.hash(), first)

    def test_up_writes_the_context_once(self):
        self.ok("up")
        path = self.context()
        was = os.stat(path)
        self.assertEqual(was.st_mode & 0o777, 0o600)
        with open(path, "rb") as f:
            data = f.read()
        self.assertIn(b"unpack() {", data[:65536])
        self.assertIn(b"int main;\n", data)
        self.assertNotIn(b"left.log", data)
        argv = self.argv("web-0")
        self.assertIn("virtio-blk-pci,drive=context,serial=holos-context", argv)
        self.assertIn(f"id=context,if=none,format=raw,readonly=on,file={path}", argv)
        with open(os.path.join(self.instance_dir("demo", "web-0"), "seed.iso"), "rb") as f:
            seed = f.read()
        self.assertIn(b"/var/lib/holos/build.sh", seed)
        self.assertNotIn(b"int main;", seed)
        self.ok("stop")
        self.ok("start")
        self.assertEqual(os.stat(path).st_mtime_ns, was.st_mtime_ns)
        self.ok("down")
        self.assertFalse(os.path.exists(path))

    def test_without_copies_there_is_no_context(self):
        self.dockerfile("RUN x\n")
        self.ok("up")
        self.assertFalse(os.path.exists(self.context()))
        self.assertNotIn("serial=holos-context", " ".join(self.argv("web-0")))

    def test_a_change_needs_a_new_root_disk(self):
        self.ok("up")
        self.write("app/src/main.c", "int other;\n")
        result = self.holos("up")
        self.assertEqual(result.status, 1, result.err)
        self.assertIn("dockerfile", result.err)
        self.ok("up", "--recreate", "web")
        with open(self.context(), "rb") as f:
            self.assertIn(b"int other;\n", f.read())

    def test_from_and_healthcheck(self):
        self.dockerfile("FROM ./base.qcow2\nHEALTHCHECK --interval=7s --retries=2 CMD true\n")
        self.compose("""
            name: demo
            services:
              web: {dockerfile: ./app/Dockerfile}
              own:
                dockerfile: ./app/Dockerfile
                healthcheck: {test: "false", interval: 9s}
              off: {dockerfile: ./app/Dockerfile, healthcheck: {disable: true}}
            """)
        self.assertEqual(self.ok("config", "--images").out, "./base.qcow2\n")
        self.ok("up")
        health = [self.read_json(self.instance_dir("demo", f"{s}-0"), "launch.json").get("health")
                  for s in ("web", "own", "off")]
        self.assertEqual(health[0]["interval_ns"], 7_000_000_000)
        self.assertEqual(health[0]["retries"], 2)
        self.assertEqual(health[1]["interval_ns"], 9_000_000_000)
        self.assertFalse(health[2])

    def test_waiting_for_health_that_never_comes(self):
        self.dockerfile("FROM ./base.qcow2\n")
        self.compose("""
            name: demo
            services:
              db: {dockerfile: ./app/Dockerfile}
              web: {image: ./base.qcow2, depends_on: {db: {condition: service_healthy}}}
            """)
        result = self.holos("validate")
        self.assertEqual(result.status, INVALID)
        self.assertIn("waits for it to be healthy, but it has no healthcheck", result.err)

    def test_cmd_as_a_service(self):
        self.dockerfile('ENV PORT=80\nCMD ["serve", "it"]\n')
        self.compose("""
            name: demo
            services:
              web: {image: ./base.qcow2, dockerfile: ./app/Dockerfile, dockerfile_cmd: service}
            """)
        self.ok("up")
        with open(os.path.join(self.instance_dir("demo", "web-0"), "seed.iso"), "rb") as f:
            self.assertIn(b"exec 'serve' 'it'", f.read())

    def test_run(self):
        self.ok("run", "--name", "box", "--dockerfile", "app/Dockerfile", "./base.qcow2")
        path = os.path.join(self.instance_dir("box", "vm-0"), "context.img")
        with open(path, "rb") as f:
            self.assertIn(b"int main;\n", f.read())
        self.ok("down", "box")
        self.dockerfile("EXPOSE 1\n")
        result = self.holos("run", "--name", "box", "--dockerfile", "app/Dockerfile",
                            "./base.qcow2")
        self.assertEqual(result.status, USAGE, result.err)
        self.assertIn("holos: --dockerfile: ", result.err)
        self.assertNotIn("holos.yaml", result.err)


if __name__ == "__main__":
    holostest.main()
