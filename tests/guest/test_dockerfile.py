# SPDX-License-Identifier: Apache-2.0
"""A Dockerfile, run in a real guest: RUN, COPY of a tree, ENV, WORKDIR, USER (W31)."""

import hashlib
import os
import tarfile

import holostest
from holostest import GuestTest, TIMEOUT

DOCKERFILE = r"""
# escape=\
ARG NAME=world
FROM micro
ARG NAME
ENV GREETING="hello $NAME" PATH=/opt/bin:$PATH
WORKDIR /app
RUN pwd >where && \
    # a comment inside

    echo "$GREETING" >greeting
COPY tree/ tree
COPY --chown=nobody:nogroup --chmod=640 tree/file0 owned/
COPY tree/file1 renamed
RUN mkdir -p /opt/bin
COPY tree/file1 /opt/bin
COPY <<EOF conf
name=$NAME
EOF
COPY rootfs/ /
RUN <<EOF
echo "$MODE" >mode
EOF
RUN ["sh", "-c", "echo \"$0\" >exec", "a b"]
SHELL ["/bin/sh", "-e", "-c"]
RUN echo before; false; echo no >not-reached || true
"""

# What follows the failing RUN of DOCKERFILE is left out of the good one.
GOOD = DOCKERFILE.rsplit("RUN echo before", 1)[0] + r"""
USER nobody
RUN id -un >/tmp/who && echo "$HOME" >>/tmp/who
USER root
ADD archive.tar.gz unpacked/
RUN echo done >done
HEALTHCHECK --interval=1s --start-interval=1s --start-period=5m CMD test -f /app/done
"""


class BuildChecks:
    """What GOOD copies, and what is to be seen in a guest that was built by it."""

    def make_tree(self):
        tree = os.path.join(self.work, "tree")
        os.makedirs(os.path.join(tree, "deep", "er"))
        os.chmod(os.path.join(tree, "deep"), 0o711)
        for i in range(1000):
            with open(os.path.join(tree, "deep" if i % 2 else "", f"file{i}"), "w") as f:
                f.write(f"content {i}\n" * (i % 7))
        os.rename(os.path.join(tree, "deep", "file1"), os.path.join(tree, "file1"))
        with open(os.path.join(tree, "run me.sh"), "w") as f:
            f.write("#!/bin/sh\necho ran\n")
        os.chmod(os.path.join(tree, "run me.sh"), 0o755)
        os.symlink("file0", os.path.join(tree, "link"))
        os.symlink("/etc/passwd", os.path.join(tree, "deep", "outside"))
        with open(os.path.join(tree, "left-out.log"), "w") as f:
            f.write("no\n")
        with open(os.path.join(self.work, ".dockerignore"), "w") as f:
            f.write("**/*.log\n")
        # /usr/bin/bash is a link, /var/run is a link to a directory: it stays one.
        os.makedirs(os.path.join(self.work, "rootfs", "var", "run", "from-tree"))
        with open(os.path.join(self.work, "rootfs", "var", "run", "from-tree", "x"), "w") as f:
            f.write("x\n")
        with tarfile.open(os.path.join(self.work, "archive.tar.gz"), "w:gz") as t:
            for name in "file0", "file1":
                t.add(os.path.join(tree, name), os.path.join("tree", name))

    def built(self):
        """What to ask the guest, and what it has to answer: (name, script, answer) each."""
        yield from self.built_text()
        yield from self.built_tree()
        yield "ENV", 'echo "$GREETING/$MODE"', "hello world/it's on\n"

    @staticmethod
    def built_text():
        texts = {"where": "/app\n", "greeting": "hello world\n", "conf": "name=world\n",
                 "mode": "it's on\n", "exec": "a b\n", "renamed": "content 1\n",
                 "/opt/bin/file1": "content 1\n", "/tmp/who": "nobody\n/nonexistent\n",
                 "unpacked/tree/file1": "content 1\n"}
        yield ("texts", f"cd /app; for f in {' '.join(texts)}; do echo == $f; cat $f; done",
               "".join(f"== {name}\n{text}" for name, text in texts.items()))
        yield ("--chown --chmod", "stat -c %a:%U:%G /app/owned/file0", "640:nobody:nogroup\n")

    def built_tree(self):
        """Every file, with its mode and content, and nothing else."""
        root = os.path.join(self.work, "tree")
        due = []
        for d, dirs, files in os.walk(root):
            for name in dirs + files:
                path = os.path.join(d, name)
                shown = "./" + os.path.relpath(path, root)
                if os.path.islink(path):
                    due.append(f"link {shown}")
                elif os.path.isdir(path):
                    due.append(f"{os.stat(path).st_mode & 0o7777:o}:0:0 {shown}")
                elif not name.endswith(".log"):
                    due.append(f"{os.stat(path).st_mode & 0o7777:o}:0:0 {shown}")
                    with open(path, "rb") as f:
                        due.append(f"{hashlib.sha256(f.read()).hexdigest()}  {shown}")
        yield ("tree", "sudo sh -c 'cd /app/tree; { find . -type f | tr \"\\n\" \"\\0\" |"
               " xargs -0 sha256sum; find . ! -type l ! -name . | tr \"\\n\" \"\\0\" |"
               " xargs -0 stat -c \"%a:%u:%g %n\"; find . -type l | sed \"s/^/link /\"; } |"
               " LC_ALL=C sort'", "".join(line + "\n" for line in sorted(due)))
        yield ("links", "cd /app/tree; readlink link; readlink deep/outside; stat -c %a deep;"
               " './run me.sh'; readlink /var/run; cat /run/from-tree/x",
               "file0\n/etc/passwd\n711\nran\n/run\nx\n")


class DockerfileTest(BuildChecks, GuestTest):
    def setUp(self):
        super().setUp()
        self.make_tree()

    def write_project(self, dockerfile):
        with open(os.path.join(self.work, "Dockerfile"), "w") as f:
            f.write(dockerfile)
        self.compose("""
            name: demo
            services:
              box:
                dockerfile: ./Dockerfile
                environment: {MODE: "it's on"}
            """)

    def test_build(self):
        self.write_project(GOOD)
        self.ok("up", "--wait")
        for name, script, answer in self.built():
            with self.subTest(name=name):
                self.assertEqual(self.sh("box-0", script, timeout=120), answer)
        self.ok("stop")
        self.ok("start")
        self.ok("up", "--wait")
        self.assertEqual(self.sh("box-0", "cat /app/greeting"), "hello world\n")

    def test_failing_run(self):
        self.write_project(DOCKERFILE)
        with open(os.path.join(self.work, "holos.yaml"), "a") as f:
            f.write("    cloud_init: {runcmd: [touch /after]}\n")
        self.fails(TIMEOUT, "up", "--wait", match=[
            "provisioning failed: Dockerfile line 26: RUN echo before; false; echo no >not-reached"
            ".*: exited with status 1", r"(?m)^  \| before$"])
        log = self.ok("logs", "--provision", "-n", "all").out
        self.assertRegex(log, "(?m)Z build: Dockerfile line 7: WORKDIR /app$")
        self.assertRegex(log, "(?m)Z output: before$")
        # What comes after a build that failed would not find what it needs.
        self.assertEqual(self.sh("box-0", "ls /after 2>&1 || true").count("No such"), 1)
        self.assertEqual(self.sh("box-0", "ls /app/not-reached 2>&1 || true").count("No such"), 1)


if __name__ == "__main__":
    holostest.main()
