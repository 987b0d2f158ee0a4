# SPDX-License-Identifier: Apache-2.0
"""`holos validate`: what it prints of a good file and says of a bad one."""

import os
import re

import holostest
from holostest import FAILED, INVALID, USAGE, FakeTest

GOOD = """
    name: demo
    services:
      web:
        image: ./base.qcow2
        replicas: 2
        depends_on: [db]
        ports: ["8080:80"]
      db:
        image: ./base.qcow2
        vm: {vcpu: 2, memory: 1G}
        volumes: ["data:/var/lib/db"]
    volumes:
      data: {size: 1G}
    """


class GoodTest(FakeTest):
    def test_text(self):
        self.compose(GOOD)
        out = self.ok("validate").out
        self.assertRegex(out, r"(?m)^project: +demo$")
        self.assertRegex(out, r"(?m)^spec_hash: +[0-9a-f]{64}$")
        self.assertRegex(out, r"(?m)^services: +2$")
        self.assertRegex(out, r"(?m)^order: +\[db web\]$")
        self.assertRegex(out, r"(?m)^db +base\.qcow2 +1 +2 +1024MB")
        self.assertRegex(out, r"(?m)^network: +10\.10\.0\.0/24")
        hosts = re.findall(r"(?m)^  (\S+) -> (\S+)$", out)
        self.assertEqual(dict(hosts)["db"], dict(hosts)["db-0"])
        self.assertEqual({n for n, _ in hosts}, {"db", "db-0", "web", "web-0", "web-1"})
        self.assertEqual(out, self.ok("validate").out, "the output is not stable")

    def test_json(self):
        self.compose(GOOD)
        got = self.ok("validate", "--json").json()
        self.assertEqual(got["project"], "demo")
        self.assertEqual(got["order"], ["db", "web"])
        self.assertRegex(got["spec_hash"], "^[0-9a-f]{64}$")

    def test_a_comment_changes_no_hash(self):
        self.compose(GOOD)
        first = self.ok("validate", "--json").json()["spec_hash"]
        self.compose("# a comment\n" + GOOD.replace("name: demo", "name:   'demo'  # the same"))
        self.assertEqual(self.ok("validate", "--json").json()["spec_hash"], first)
        self.compose(GOOD.replace("8080:80", "8081:80"))
        self.assertNotEqual(self.ok("validate", "--json").json()["spec_hash"], first)

    def test_needs_nothing_of_the_host(self):
        self.compose(GOOD)
        self.ok("validate", env={"HOLOS_QEMU_SYSTEM": "/nope", "HOLOS_QEMU_IMG": "/nope"})
        self.assertFalse(os.path.exists(self.state), "validate made the state directory")

    def test_file_is_found_in_parents(self):
        self.compose(GOOD)
        below = os.path.join(self.work, "a", "b")
        os.makedirs(below)
        self.assertRegex(self.ok("validate", cwd=below).out, r"project: +demo")

    def test_yml_and_named_file(self):
        self.compose(GOOD, name="holos.yml")
        self.assertRegex(self.ok("validate").out, r"project: +demo")
        self.compose(GOOD.replace("demo", "other"), name="x/other.yaml")
        os.link(self.image, os.path.join(self.work, "x", "base.qcow2"))
        for args in ["-f", "x/other.yaml"], ["--file=x/other.yaml"], ["-fx/other.yaml"]:
            with self.subTest(args=args):
                self.assertRegex(self.ok("validate", *args).out, r"project: +other")

    def test_name_from_the_directory(self):
        self.compose(GOOD.replace("name: demo", ""))
        self.assertRegex(self.ok("validate").out, r"project: +w\b")
        self.assertRegex(self.ok("validate", "-p", "renamed").out, r"project: +renamed")


class BadTest(FakeTest):
    def bad(self, text, *patterns, status=INVALID, args=()):
        self.compose(text)
        result = self.fails(status, "validate", *args, match=list(patterns))
        self.assertEqual(result.out, "")
        return result

    def test_no_file(self):
        result = self.holos("validate")
        self.assertIn(result.status, (FAILED, USAGE, INVALID), f"{result}")
        self.assertRegex(result.err, r"holos\.yaml.*" + re.escape(self.work))
        named = self.holos("validate", "-f", "nope.yaml")
        self.assertIn(named.status, (FAILED, USAGE, INVALID), f"{named}")
        self.assertIn("nope.yaml", named.err)

    def test_broken_yaml(self):
        self.bad("services: [\n", r"holos\.yaml:\d+:\d+")
        self.bad("services:\n\tweb: {}\n", r"holos\.yaml:2:1", "(?i)tab")
        self.bad("", r"holos\.yaml", "(?i)empty")

    def test_unknown_key(self):
        self.bad("""
            name: demo
            services:
              web:
                image: ./base.qcow2
                replica: 2
            """, r"holos\.yaml:5:5", r"services\.web\.replica", "did you mean .*replicas")

    def test_all_mistakes_in_one_run(self):
        result = self.bad("""
            name: demo
            services:
              web:
                image: ./base.qcow2
                replicas: -1
                ports: ["80:99999"]
              Bad_Name:
                image: ./base.qcow2
            """, r"holos\.yaml:5:15", r"holos\.yaml:6:\d+.*99999", r"holos\.yaml:7:3.*Bad_Name")
        self.assertGreaterEqual(len(result.err.splitlines()), 3)

    def test_missing_image(self):
        self.bad("services: {web: {image: ./gone.qcow2}}\n", r"gone\.qcow2")
        self.bad("services: {web: {image: mikro}}\n", "unknown image .?mikro", "did you mean .*micro")
        self.bad("services: {web: {}}\n", "web", "image")

    def test_many_missing_images(self):
        """Twenty mistakes are told, in the file's order, whoever finds them."""
        lines = [f"  s{i:02}: {{image: ./gone{i:02}.qcow2}}\n" for i in reversed(range(50))]
        self.compose("name: demo\nservices:\n" + "".join(lines))
        result = self.holos("validate")
        self.assertEqual(result.status, INVALID)
        told = re.findall(r"(?m)^holos: holos\.yaml:(\d+):\d+: services\.s\d+\.image", result.err)
        self.assertEqual(told, [str(3 + i) for i in range(20)], result.err)
        self.assertRegex(result.err, r"(?m)^holos: and 30 more$")

    def test_cycle(self):
        self.bad("""
            services:
              a: {image: ./base.qcow2, depends_on: [b]}
              b: {image: ./base.qcow2, depends_on: [c]}
              c: {image: ./base.qcow2, depends_on: [a]}
            """, "(?i)circular", r"\ba\b.*\bb\b.*\bc\b")

    def test_unknown_dependency(self):
        self.bad("""
            services:
              web: {image: ./base.qcow2, depends_on: [databse]}
              database: {image: ./base.qcow2}
            """, r"holos\.yaml:2:\d+", "databse", "did you mean .*database")

    def test_port_clash_between_services(self):
        """W18: only QEMU found it before."""
        self.bad("""
            services:
              a: {image: ./base.qcow2, replicas: 2, ports: ["8080:80"]}
              b: {image: ./base.qcow2, ports: ["8081:80"]}
            """, "8081", r"\ba\b.*\bb\b|\bb\b.*\ba\b")

    def test_volume_in_two_instances(self):
        """W29."""
        self.bad("""
            services:
              a: {image: ./base.qcow2, replicas: 2, volumes: ["data:/data"]}
            volumes: {data: {}}
            """, "data", "per_replica|shared")

    def test_duplicate_key(self):
        self.bad("""
            services:
              a: {image: ./base.qcow2}
              a: {image: ./base.qcow2}
            """, r"holos\.yaml:3:3", "(?i)duplicate|twice|already")

    def test_bomb(self):
        lines = ["x-a: &a [x, x, x, x, x, x, x, x, x, x]"]
        for i in range(10):
            lines.append(f"x-{chr(98 + i)}: &{chr(98 + i)} [" +
                         ", ".join([f"*{chr(97 + i)}"] * 10) + "]")
        result = self.bad("\n".join(lines) + "\nservices: {a: {image: ./base.qcow2}}\n",
                          r"holos\.yaml")
        self.assertLess(result.seconds, 5)
        self.bad("services: " + "[" * 200000 + "\n", r"holos\.yaml")

    def test_too_many_instances(self):
        self.bad("""
            services:
              a: {image: ./base.qcow2, replicas: 200}
              b: {image: ./base.qcow2, replicas: 54}
            """, "253")
        self.bad("services: {a: {image: ./base.qcow2, replicas: 257}}\n", "256")

    def test_mount_tag_and_names(self):
        self.bad("name: Not_A_Name\nservices: {a: {image: ./base.qcow2}}\n", "Not_A_Name")

    def test_missing_plugin(self):
        self.bad("""
            services: {a: {image: ./base.qcow2}}
            networks: {default: {driver: carrierpigeon}}
            """, "carrierpigeon", "(?i)not installed", "plugin")


if __name__ == "__main__":
    holostest.main()
