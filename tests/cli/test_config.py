# SPDX-License-Identifier: Apache-2.0
"""`holos config`: the resolved model and its parts."""

import json
import os

import holostest
from holostest import FAILED, FakeTest, INVALID

FILE = """
    name: demo
    services:
      web:
        image: ./base.qcow2
        replicas: 2
        ports: ["${PORT:-8080}:80"]
        environment: {GREETING: "${GREETING}"}
        volumes: ["data:/data"]
        depends_on: [db]
      db:
        image: ./base.qcow2
        healthcheck: {test: "true", interval: 1m30s}
    volumes:
      data: {size: 2G, shared: true}
    """.replace('"data:/data"', '"data:/data:ro"')


class ConfigTest(FakeTest):
    def setUp(self):
        super().setUp()
        self.compose(FILE)
        self.env_var = {"GREETING": "hello $you"}

    def test_loads_again_to_the_same(self):
        first = self.ok("config", env=self.env_var).out
        os.makedirs(os.path.join(self.work, "again"))
        again = os.path.join(self.work, "again", "holos.yaml")
        with open(again, "w") as f:
            f.write(first)
        self.assertEqual(self.ok("config", "-f", again).out, first)
        self.assertIn("hello", first)

    def test_json(self):
        model = json.loads(self.ok("config", "--json", env=self.env_var).out)
        self.assertEqual(model["services"]["web"]["replicas"], 2)
        self.assertEqual(model["services"]["web"]["ports"][0]["published"], "8080")
        self.assertEqual(model["services"]["db"]["healthcheck"]["interval"], "1m30s")

    def test_lists(self):
        self.assertEqual(self.ok("config", "--services").out, "db\nweb\n")
        self.assertEqual(self.ok("config", "--volumes").out, "data\n")
        self.assertEqual(json.loads(self.ok("config", "--images", "--json").out), ["./base.qcow2"])

    def test_hash_follows_the_meaning(self):
        before = dict(line.split() for line in self.ok("config", "--hash").out.splitlines())
        self.assertEqual(set(before), {"web", "db"})
        self.compose(FILE.replace("replicas: 2", "replicas: 3") + "# a comment\n")
        self.assertEqual(self.ok("config", "--hash", "web").out.split()[1], before["web"])
        self.compose(FILE.replace("8080", "8081"))
        after = dict(line.split() for line in self.ok("config", "--hash").out.splitlines())
        self.assertNotEqual(after["web"], before["web"])
        self.assertEqual(after["db"], before["db"])
        self.fails(FAILED, "config", "--hash", "wbe", match="wbe")

    def test_variables_say_where_they_come_from(self):
        with open(os.path.join(self.work, ".env"), "w") as f:
            f.write("PORT=9090\n")
        rows = json.loads(self.ok("config", "--variables", "--json", env=self.env_var).out)
        got = {r["name"]: (r["value"], r["from"]) for r in rows}
        self.assertEqual(got["GREETING"], ("hello $you", "environment"))
        self.assertEqual(got["PORT"][0], "9090")
        self.assertIn(".env", got["PORT"][1])

    def test_no_interpolate(self):
        self.assertIn("${PORT:-8080}", self.ok("config", "--no-interpolate").out)

    def test_schema(self):
        schema = json.loads(self.ok("config", "--schema").out)
        self.assertEqual(schema["$schema"], "https://json-schema.org/draft/2020-12/schema")
        self.assertIn("services", schema["properties"])

    def test_quiet(self):
        self.assertEqual(self.ok("config", "-q", env=self.env_var).out, "")
        self.compose(FILE.replace("replicas", "replica"))
        result = self.fails(INVALID, "config", "-q", match="did you mean.*replicas")
        self.assertRegex(result.err, r"holos\.yaml:\d+:\d+: ")


if __name__ == "__main__":
    holostest.main()
