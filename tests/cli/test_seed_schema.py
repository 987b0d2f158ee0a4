# SPDX-License-Identifier: Apache-2.0
"""More than 100 compose files: cloud-init's schema accepts each user-data that comes of
them, netplan each network-config, and each text arrives as it was written."""

import itertools
import os
import shutil
import unittest

import holostest
import seedtools
from holostest import BUILD, FakeTest

try:
    import jsonschema
    import yaml
except ImportError:
    jsonschema = None

TEXTS = ["plain", "yes", "0644", "1e3", "with: colon", "# no comment", "tab\there", " leading",
         "trailing ", "it's \"quoted\"", "two\nlines\n", "no newline\nat the end", "\n\nempty first",
         "ünïcödé ☃ 𝄞", "{flow: [1, 2]}", "- dash", "&anchor *alias !tag", "%percent @at `tick`",
         "back\\slash \\n", "very " * 400, "~", "null", "=", "<<", "12:34:56", "0x1F", "$HOME ${X}"]

CLOUD = [
    {},
    {"packages": ["nginx", "postgresql=15"]},
    {"runcmd": ["echo hi", ["sh", "-c", "echo $0", "a b"], "cat <<E\n x: y\nE\n"]},
    {"bootcmd": ["echo early", ["modprobe", "dummy"]]},
    {"ssh_authorized_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@host"]},
    {"user": "admin"},
    {"user": "root"},
    {"user_data": {"timezone": "Europe/Vienna", "ntp": {"enabled": True},
                   "package_upgrade": False, "locale": "de_AT.UTF-8"}},
    {"user_data": {"users": ["default", {"name": "other", "groups": ["adm"], "uid": 2000}],
                   "groups": ["staff2", {"ops": ["other"]}]}},
    {"user_data": {"write_files": [{"path": "/gz", "encoding": "b64", "content": "YQ=="},
                                   {"path": "/app", "append": True, "content": "x\n",
                                    "permissions": "0600", "owner": "root:root"}]}},
    {"user_data": {"runcmd": ["echo theirs", ["true"]], "packages": ["vim", ["curl", "7.88"]],
                   "bootcmd": ["true"], "package_update": False}},
    {"user_data": {"apt": {"sources": {"x": {"source": "deb http://example.org/ a b"}}},
                   "ssh_pwauth": True, "power_state": {"mode": "poweroff", "timeout": 30}}},
    {"user_data": {"mounts": [["tmpfs", "/scratch", "tmpfs", "defaults", "0", "0"]],
                   "swap": {"filename": "/swap", "size": 1048576}, "final_message": "up: $UPTIME"}},
]

NETWORKS = [
    "networks: {default: {subnet: 10.99.0.0/16}}", "networks: {back: {subnet: 10.98.0.0/24}}",
    "networks: {a: {subnet: 10.97.0.0/24}, b: {subnet: 10.96.1.0/24}}",
]


def corpus():
    """(compose file as an object, the texts that must arrive)"""
    for text in TEXTS:
        yield {"cloud_init": {"write_files": [{"path": "/t", "content": text}],
                              "runcmd": [["echo", text]]}, "environment": {"T": text}}, text
    for cloud, os_, network in itertools.product(CLOUD, ("systemd", "openrc"), NETWORKS):
        service = {"cloud_init": dict(cloud), "image_os": os_}
        service["cloud_init"].setdefault("user", "someone")
        if network.startswith("networks: {back"):
            service["networks"] = ["default", "back"]
        elif network.startswith("networks: {a"):
            service["networks"] = ["a", "b"]
        yield {**service, "top": network}, None


@unittest.skipUnless(jsonschema, "needs python3-jsonschema and python3-yaml")
class SeedSchemaTest(FakeTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.schema = seedtools.cloud_config_schema(os.path.join(BUILD, "tests", "cloud-init"))
        if cls.schema is None:
            raise unittest.SkipTest("cloud-init's package cannot be had")
        cls.validator = jsonschema.Draft4Validator(cls.schema)

    def seed_of(self, service):
        """The seed of a compose file; its QEMU ends at once, so that nothing is to be ended."""
        top = service.pop("top", "")
        service["image"] = "./base.qcow2"
        service["cloud_init"].setdefault("user", "someone")
        with open(os.path.join(self.work, "holos.yaml"), "w") as f:
            f.write("name: demo\n" + top + "\n")
            yaml.safe_dump({"services": {"web": service}}, f, allow_unicode=True)
        self.holos("up", timeout=40)
        seed = seedtools.read_iso(os.path.join(self.instance_dir("demo", "web-0"), "seed.iso"))
        self.ok("down", "demo", timeout=40)
        return seed

    def check(self, seed):
        config = yaml.safe_load(seed["user-data"])
        self.assertTrue(seed["user-data"].startswith(b"#cloud-config\n"))
        errors = [f"{'.'.join(map(str, e.path))}: {e.message[:300]}"
                  for e in self.validator.iter_errors(config)]
        self.assertEqual(errors, [])
        self.assertEqual(config["hostname"], "web-0")
        self.assertIs(config["manage_etc_hosts"], False)
        self.assertTrue(config["users"][0]["ssh_authorized_keys"])
        if shutil.which("netplan"):
            self.assertIsNone(seedtools.netplan_complains(seed["network-config"],
                                                          os.path.join(self.dir, "netplan")))
        return config

    def test_corpus(self):
        self.behave(fail_start=1, message="enough")
        files = list(corpus())
        self.assertGreaterEqual(len(files), 100)
        for i, (service, text) in enumerate(files):
            with self.subTest(file=i, service=str(service)[:300]):
                config = self.check(self.seed_of(service))
                if text is not None:
                    self.assertEqual(config["write_files"][0]["content"], text)
                for key in service["cloud_init"].get("user_data", {}):
                    if key not in ("runcmd", "bootcmd", "packages", "write_files", "users"):
                        self.assertEqual(config[key], service["cloud_init"]["user_data"][key])


if __name__ == "__main__":
    holostest.main()
