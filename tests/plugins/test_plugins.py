# SPDX-License-Identifier: Apache-2.0
"""`holos plugins`, plugins that are refused, the probes http and tcp, and what a
command that needs no plugin does not load."""

import os
import shutil

import holostest
from holostest import BUILD, FAILED, USAGE, FakeTest

INSTALLED = os.path.join(BUILD, "lib", "holos", "plugins", "1")
ZOO = os.path.join(BUILD, "tests", "zoo")


class ListTest(FakeTest):
    def test_list_and_show(self):
        listed = self.ok("plugins", "--json").json()
        known = {(p["kind"], p["name"]) for p in listed}
        self.assertLessEqual({("health", "http"), ("health", "tcp"), ("net", "user")}, known)
        for p in listed:
            self.assertEqual(p["state"], "ok", p)
            self.assertEqual(p["abi"], "1.0")
        table = self.ok("plugins").out
        self.assertRegex(table, r"(?m)^KIND +NAME +VERSION +ABI +STATE +FILE$")
        self.assertRegex(table, r"(?m)^health +http +1\.0 +1\.0 +ok +/")
        shown = self.ok("plugins", "show", "http").out
        self.assertRegex(shown, r"(?m)^abi: +1\.0$")
        self.assertRegex(shown, r"(?m)^file: +/.*holos-health-http\.(so|json)$")
        self.assertRegex(shown, r"(?m)^probe: +works here$")
        self.assertRegex(shown, r"(?m)^  path +string +what to ask for$")
        got = self.ok("plugins", "show", "health-http", "--json").json()
        self.assertEqual(got["probe"], "works here")
        self.assertIn("port", got["options"]["properties"])
        self.fails(FAILED, "plugins", "show", "nobody", match="no plugin \"nobody\"")
        self.fails(USAGE, "plugins", "frobnicate", match="there are: show")

    def test_refused_ones_are_listed(self):
        plugins = os.path.join(self.dir, "plugins")
        os.mkdir(plugins, 0o755)
        shutil.copy(os.path.join(ZOO, "holos-image-behave.so"), plugins)
        path = os.path.join(plugins, "holos-image-behave.json")
        text = self.ok("plugins", "manifest", os.path.join(plugins, "holos-image-behave.so")).out
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o644)
        self.env["HOLOS_PLUGIN_PATH"] = plugins

        def state():
            return [p for p in self.ok("plugins", "--json").json() if p["name"] == "behave"][0]

        self.assertEqual(state()["state"], "ok")
        os.chmod(path, 0o666)
        self.assertIn("is writable by others", state()["reason"])
        os.chmod(path, 0o644)
        os.chmod(plugins, 0o777)
        self.assertIn("is writable by others", state()["reason"])
        os.chmod(plugins, 0o755)
        os.chmod(self.dir, 0o777)
        self.assertIn("above a plugin directory, is writable by others", state()["reason"])
        os.chmod(self.dir, 0o700)
        with open(path, "w") as f:
            f.write(text.replace('"abi": "1.0"', '"abi": "2.0"'))
        self.assertIn("is built for plugin ABI 2, this holos speaks 1.0", state()["reason"])
        self.assertEqual(self.ok("plugins").status, 0)

    def test_a_missing_plugin_names_its_package(self):
        self.compose("""
            name: demo
            services: {web: {image: ./base.qcow2, networks: [lan]}}
            networks: {lan: {driver: multicas, subnet: 10.20.0.0/24}}
            """)
        result = self.holos("validate")
        self.assertNotEqual(result.status, 0)
        self.assertIn('no network plugin "multicas"', result.err)
        self.assertIn('did you mean "multicast"?', result.err)


class CheckTest(FakeTest):
    def test_default_plugins_keep_the_contract(self):
        # micro runs its builder for every reference: minutes, where nothing is cached.
        files = sorted(os.path.join(INSTALLED, f) for f in os.listdir(INSTALLED)
                       if f.endswith(".so") and f != "holos-image-micro.so")
        if files: # a static build has none
            self.ok("plugins", "check", *files, timeout=100)

    def test_broken_ones_do_not(self):
        for name, says in (
                ("image-abi2", "is built for plugin ABI 2"),
                ("image-constructor", "was killed by signal 11"),
                ("image-text", "it is none for this machine"),
                ("image-schema-keyword", 'keyword "pattern" is not understood'),
                ("image-init-hangs", "init did not finish"),
                ("image-behave", "option n has none")):
            with self.subTest(name):
                result = self.holos("plugins", "check", os.path.join(ZOO, f"holos-{name}.so"))
                self.assertEqual(result.status, FAILED)
                self.assertIn(says, result.out)
        self.fails(FAILED, "plugins", "check", "/nonexistent", match="cannot open /nonexistent")
        got = self.holos("plugins", "check", "--json", os.path.join(ZOO, "holos-image-abi2.so"))
        self.assertFalse(got.json()[0]["ok"])


class ProbeTest(FakeTest):
    health_bypass = False

    def stack(self, kind, options, ports='["80"]'):
        self.compose(f"""
            name: demo
            services:
              web:
                image: ./base.qcow2
                ports: {ports}
                healthcheck:
                  type: {kind}
                  options: {options}
                  interval: 1s
                  timeout: 2s
                  retries: 1
            """)

    def health(self):
        i = self.instances("demo")["web-0"]
        return i["health"]

    def test_healthy(self):
        for kind, options in (("http", "{}"), ("http", "{path: /index.html, match: fake}"),
                              ("http", "{status: 200, method: HEAD}"),
                              ("tcp", "{port: 80, hold_ms: 100}"),
                              ("tcp", '{port: 80, send: "GET / HTTP/1.0\\r\\n\\r\\n", expect: fake}')):
            with self.subTest(kind=kind, options=options):
                self.stack(kind, options)
                self.ok("up", "--wait", "--wait-timeout", "10s")
                self.assertEqual(self.health(), "healthy")
                self.ok("down")

    def test_not_healthy(self):
        for kind, options, says in (
                ("http", "{match: tomato}", "/ answered 200 without \"tomato\" in it"),
                ("http", "{status: 404}", "/ answered 200, not 404"),
                ("tcp", '{port: 80, send: "GET / HTTP/1.0\\r\\n\\r\\n", expect: tomato}',
                 "did not say \"tomato\"")):
            with self.subTest(kind=kind, options=options):
                self.stack(kind, options)
                result = self.holos("up", "--wait", "--wait-timeout", "10s")
                self.assertEqual(result.status, holostest.TIMEOUT)
                self.assertIn(says, result.err)
                self.ok("down")

    def test_a_port_that_is_not_published(self):
        self.stack("http", "{port: 81}")
        result = self.holos("up", "--wait", "--wait-timeout", "10s")
        self.assertNotEqual(result.status, 0)
        self.assertIn("not published", result.err)

    def test_options_are_checked_in_the_file(self):
        self.stack("http", "{prot: 80}")
        self.fails(holostest.INVALID, "validate", match='unknown option; did you mean "port"')


    def test_all_are_told_and_20_shown(self):
        services = "".join(f"  s{i}: {{image: ./base.qcow2, healthcheck: {{type: tomato}}}}\n"
                           for i in range(23))
        self.compose("name: demo\nservices:\n" + services)
        for verb in "validate", "up":
            with self.subTest(verb):
                result = self.holos(verb)
                self.assertEqual(result.err.count('"tomato"'), 20, result.err)
                self.assertIn("and 3 more", result.err)


class LoadsNothingTest(FakeTest):
    """A command that needs no plugin starts no worker and maps no plugin."""

    def traced(self, *args):
        trace = os.path.join(self.dir, "trace")
        argv = ["strace", "-f", "-qq", "-e", "trace=execve,openat,open", "-o", trace,
                holostest.PROGRAM, *args]
        done = self.spawn(argv, cwd=self.work, env=self.env).finish()
        with open(trace) as f:
            return done, f.read()

    def test_no_worker_and_no_plugin(self):
        self.compose("""
            name: demo
            services: {web: {image: ./base.qcow2}}
            """)
        self.ok("up")
        for args in (["ps"], ["version"], ["help"], ["plugins"], ["config"], ["logs"],
                     ["validate"]):
            with self.subTest(args):
                done, text = self.traced(*args)
                self.assertEqual(done.status, 0, done.err)
                self.assertIn("execve(", text)
                opened = [line for line in text.splitlines() if ".so\"" in line and
                          "/plugins/1/" in line]
                if args != ["plugins"]: # which looks whether the file is there and safe
                    self.assertEqual(opened, [])
                self.assertNotIn("holos-worker\"", text)

    def test_plugin_code_is_in_the_worker_alone(self):
        done, text = self.traced("plugins", "show", "http")
        self.assertEqual(done.status, 0, done.err)
        self.assertIn("probe:    works here", done.out)
        cli = text.split()[0]
        self.assertIn("holos-worker\"", text)
        for line in text.splitlines():
            # libltdl is what loads plugins.
            self.assertFalse(line.split()[0] == cli and "libltdl" in line, line)


if __name__ == "__main__":
    holostest.main()
