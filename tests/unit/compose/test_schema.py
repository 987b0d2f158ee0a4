#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema and the loader agree.

Files are made by walking the schema: each value is mostly what its place asks
for, sometimes something else.  What the schema refuses, the loader must refuse;
what the schema accepts, the loader must accept, unless all of its messages are
of the rules that only it can know (LOADER_ONLY, listed in docs/compose.md).

Usage: test_schema.py COMPOSE-TOOL [NUMBER [SEED]]
Exit status 77: no jsonschema here, skipped.
"""
import json
import random
import re
import subprocess
import sys
import tempfile

try:
    import jsonschema
except ImportError:
    print("python3-jsonschema is not installed")
    sys.exit(77)

LOADER_ONLY = [
    # a cloud-config of the user's
    r"is no key of cloud-config", r"user data: \S+ must be",
    # references
    r"no such service", r"none of the active profiles", r"cannot depend on itself", r"circular dependency",
    r"no volume of this name", r"no network of this name", r"named twice",
    r"must be the name of a service, or",
    # clashes and counts
    r"host port", r"guest port", r"the ranges must be", r"more than \d+ ports", r"is used by",
    r"is used twice", r"would be in \d+ VMs", r"mounted twice", r"two mounts at",
    r"cannot be in \d+ replicas", r"one disk cannot boot", r"instances, but subnet",
    r"overlaps", r"has this name", r"one service can use it", r"only be mounted read-only",
    # a service as a whole
    r"at least one service", r'"image" or "dockerfile" is missing', r"has an image as well",
    r"keeps its size", r"has no healthcheck", r'"test" is missing', r"CMD(-SHELL)? must be",
    r"the same as ", r"either shared or per_replica", r"one disk \(source\)",
    r"options of a bind mount on a volume", r'"subnet" is missing',
    # limits of numbers with units, addresses
    r"must be at least", r"must be at most", r"no IPv4 or IPv6", r"must be an IPv4 or IPv6",
    r"must be an IPv4 subnet", r"not the address of a subnet", r"must be a size like",
    r"is the most", r"must be shorter than", r"must be 0 to 65535", r"must be 1 to 65535", r"must be an absolute path in the guest",
    r"must not be the guest's root",
    # variables and files
    r"\(from \"", r"cannot open", r"user data must be", r"of the text:", r"\$\{", r"HOME is not",
    r"a variable's name is", r"a text (like|with)", r"is a directory", r"only ~/ is understood",
]
LOADER_ONLY = [re.compile(x) for x in LOADER_ONLY]

TEXTS = [
    "a", "web", "db", "web-1", "A b", "", "-x", "_", "debian:12", "./x", "/x", "x/../y", "~/x",
    "10G", "512M", "1.5GiB", "12", "0", "1K", "30s", "1m30s", "300ms", "1d", "30", "yes", "no",
    "on", "Off", "true", "auto", "kvm", "tcg", "qcow2", "raw", "systemd", "openrc", "tcp", "udp",
    "bind", "volume", "host", "ingress", "none", "restart", "always", "unless-stopped",
    "on-failure", "on-failure:3", "on-failure:x", "service_started", "service_healthy",
    "service_completed_successfully", "service_started_or_healthy", "8080:80", "80", "80/udp",
    "1-3:4-6", "127.0.0.1:81:81", "[::1]:82:82", "127.0.0.1::83", ":80", "80/sctp", "x:/x",
    "./x:/x:ro", "./x:/x:rx", "data:/data", "0000:01:00.0", "01:00.0", "1:2", "0644", "999",
    "0888", "root:root", "app", "a:b:c", "10.20.0.0/24", "10.0.0.0/7", "1.2.3.4", "::1", "KEY=v",
    "KEY", "name:1.2.3.4", "ssh", "tcp-check", "No!", "two\nlines", "tab\there", "\u00e4", "$X",
    "${X:-1}", "${X:-a}", "CMD", "NONE", "default", "data", "x y", "q35", "1_000", "0x10", "1e3",
]
KEYS = ["web", "db", "a-b", "Web", "x-note", "KEY", "default", "data", "a_b", "nope", "my.host"]


def junk(r, depth):
    kind = r.randrange(8)
    if kind == 0:
        return None
    if kind == 1:
        return r.choice([True, False])
    if kind == 2:
        return r.choice([-1, 0, 1, 2, 80, 128, 256, 257, 65535, 65536, 1048576, 10**12])
    if kind == 3:
        return r.choice([0.5, 1.5, -2.25])
    if kind == 4 and depth < 3:
        return [junk(r, depth + 1) for _ in range(r.randrange(3))]
    if kind == 5 and depth < 3:
        return {r.choice(KEYS): junk(r, depth + 1) for _ in range(r.randrange(3))}
    return r.choice(TEXTS)


def text_for(r, schema):
    if "pattern" not in schema:
        return r.choice(TEXTS)
    good = [t for t in TEXTS if re.search(schema["pattern"], t)]
    return r.choice(good or TEXTS)


def value(r, schema, depth=0):
    """Mostly what the schema asks for."""
    if r.random() < 0.03:
        return junk(r, depth)
    if "anyOf" in schema:
        choices = [c for c in schema["anyOf"] if c.get("type") != "null"]
        if r.random() < 0.05:
            choices = schema["anyOf"]
        return value(r, r.choice(choices), depth)
    if "enum" in schema:
        return r.choice(schema["enum"])
    kind = schema.get("type")
    if kind == "null":
        return None
    if kind == "boolean":
        return r.choice([True, False])
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", 0), schema.get("maximum", 10**6)
        return r.choice([low, high, min(low + 1, high), low - 1, high + 1, 80])
    if kind == "string":
        return text_for(r, schema)
    if kind == "array":
        return [value(r, schema["items"], depth + 1) for _ in range(r.randrange(4))]
    if kind == "object":
        return mapping(r, schema, depth)
    return junk(r, depth)


def mapping(r, schema, depth):
    known = schema.get("properties")
    out = {}
    if known is None:
        for _ in range(r.randrange(4)):
            key = r.choice(KEYS)
            out[key] = value(r, schema["additionalProperties"], depth + 1)
        return out
    for key in known:
        if key in schema.get("required", []) and r.random() < 0.97:
            out[key] = value(r, known[key], depth + 1)
        elif r.random() < (0.25 if depth > 1 else 0.6):
            out[key] = value(r, known[key], depth + 1)
    if r.random() < 0.05:
        out[r.choice(KEYS)] = junk(r, depth)
    return out


def document(r, schema):
    """A whole file, right in its outline, so that something can be right."""
    props = schema["properties"]
    service = props["services"]["anyOf"][0]["additionalProperties"]["anyOf"][0]
    names = r.sample(["web", "db", "a-b"], r.randrange(1, 3))
    doc = {"services": {}}
    for name in names:
        one = {"image": "debian:12"}
        for key in r.sample(sorted(service["properties"]), r.randrange(1, 4)):
            if key not in ("extends", "dockerfile"):
                one[key] = value(r, service["properties"][key], 2)
        doc["services"][name] = one
    for key in ("name", "volumes", "networks", "version"):
        if r.random() < 0.2:
            doc[key] = value(r, props[key], 1)
    if r.random() < 0.04:
        return value(r, schema)
    return doc


def main():
    tool = sys.argv[1]
    number = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 20260101
    r = random.Random(seed)
    schema = json.loads(subprocess.check_output([tool, "--schema"]))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    docs = {"%06d.yaml" % i: document(r, schema) for i in range(number)}
    for i, name in enumerate(docs):
        if not isinstance(docs[name], dict):
            docs[name] = {"services": docs[name]}
        docs[name].pop("include", None)  # would read other files
    with tempfile.TemporaryDirectory() as work:
        for name, doc in docs.items():
            with open("%s/%s" % (work, name), "w") as f:
                json.dump(doc, f)
        out = subprocess.check_output([tool, "--check", work], text=True)
    verdicts, current = {}, None
    for line in out.splitlines():
        if line.startswith("\t"):
            verdicts[current][1].append(line[1:])
        else:
            current, word = line.split(" ")
            verdicts[current] = (word == "ok", [])
    failed, good, both_bad, only = 0, 0, 0, 0
    for name, doc in docs.items():
        ok, messages = verdicts[name]
        errors = list(validator.iter_errors(doc))
        if not errors and ok:
            good += 1
        elif errors and not ok:
            both_bad += 1
        elif not errors and all(any(x.search(m) for x in LOADER_ONLY) for m in messages
                                if not re.match(r"and \d+ more", m)):
            only += 1
        else:
            failed += 1
            if failed <= 10:
                print(json.dumps(doc))
                print("  loader:", "accepts" if ok else messages)
                print("  schema:", [e.json_path + ": " + e.message[:200] for e in errors][:3]
                      or "accepts")
    print("%d files: %d right, %d wrong, %d wrong by rules of the loader alone, %d disagreements"
          % (number, good, both_bad, only, failed))
    # All three kinds must be there, or the test says nothing.
    enough = min(good, both_bad) > number // 10
    sys.exit(0 if failed == 0 and enough else 1)


main()
