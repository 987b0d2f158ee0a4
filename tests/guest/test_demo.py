# SPDX-License-Identifier: Apache-2.0
"""examples/hello, as `./dev demo` shows it: the whole path in one stack."""

import os
import re
import shutil

import holostest
from holostest import PORTS, GuestTest

EXAMPLE = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "hello")


class DemoTest(GuestTest):
    def test_hello(self):
        stack = os.path.join(self.work, "hello")
        shutil.copytree(EXAMPLE, stack)
        # Other tests run beside this one: the same file with ports that are free.
        port = PORTS.get(2)
        path = os.path.join(stack, "holos.yaml")
        text = self.read(path)
        self.assertRegex(text, r"\b8080:")
        with open(path, "w") as f:
            f.write(re.sub(r"\b8080:", f"{port}:", text))

        up = self.ok("up", cwd=stack)
        project, = self.ps()
        name = project["name"]
        instances = self.instances(name)
        self.assertEqual({n: i["status"] for n, i in instances.items()},
                         {"db-0": "running", "web-0": "running", "web-1": "running"})
        self.assertEqual(instances["db-0"]["health"], "healthy", f"{up}")

        # db was healthy before a web started.
        vm = {n: self.vm(n, name) for n in instances}
        for web in "web-0", "web-1":
            self.assertGreaterEqual(vm[web]["started_at"], vm["db-0"]["health_since"])

        self.ok("up", "--wait", "--wait-timeout", "60s", cwd=stack)
        bodies = [self.wait_for(lambda p=p: self.try_fetch(p), f"port {p} answers", 30)
                  for p in (port, port + 1)]
        self.assertEqual(bodies, [f"hello from db, served by web-{i}\n" for i in range(2)])

        # They ask db for each visitor.
        self.guest("db-0", "sh", "-c", "echo another value | sudo tee /srv/db/value", project=name)
        self.assertEqual(self.fetch(port), "another value, served by web-0\n")

        self.assertEqual(self.guest("db-0", "hostname", project=name).strip(), "db-0")
        self.assertEqual(self.guest("web-1", "printf", "%s|", "a b", "c", project=name), "a b|c|")
        self.guest("web-0", "sh", "-c", "exit 7", project=name, status=7)
        self.assertIn("==> db-0 <==", self.ok("logs", name).out)
        self.assertRegex(self.ok("ps").out, rf"(?m)^{name} +db +1 +1")

        self.ok("down", cwd=stack)
        self.assertEqual(self.ps(), [])
        self.assertTrue(self.wait_until(lambda: not self.processes(), 3), self.processes())

    def try_fetch(self, port):
        try:
            return self.fetch(port)
        except OSError:
            return None


if __name__ == "__main__":
    holostest.main()
