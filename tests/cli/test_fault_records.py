# SPDX-License-Identifier: Apache-2.0
"""Everything in the state directory damaged in every way: no verb crashes, hangs, or
touches anything outside, and another project is never hidden.

A point is RECORD/DAMAGE/STATE: which file, what became of it, and whether the VMs of
the project run (up), are stopped (down), or run without their monitors (alone)."""

import hashlib
import json
import os
import random
import signal
import socket
import stat

import faults
from faults import Problem
from scenarios import three

RECORDS = {
    "project": "projects/demo.json",
    "instance": "instances/demo/web-0/instance.json",
    "launch": "instances/demo/web-0/launch.json",
    "vm": "instances/demo/web-0/vm.json",
    "volume": "volumes/demo/data.json",
}
FILES = {
    **RECORDS,
    "alive": "instances/demo/web-0/alive",
    "host-key": "instances/demo/web-0/ssh_host_ed25519_key",
    "host-pub": "instances/demo/web-0/ssh_host_ed25519_key.pub",
    "seed": "instances/demo/web-0/seed.iso",
    "root": "instances/demo/web-0/root.qcow2",
    "disk": "volumes/demo/data.qcow2",
    "console": "instances/demo/web-0/console.log",
    "monitor-log": "instances/demo/web-0/monitor.log",
    "qemu-log": "instances/demo/web-0/qemu.log",
    "monitor-sock": "instances/demo/web-0/monitor.sock",
    "qmp-sock": "instances/demo/web-0/qmp.sock",
    "key": "ssh/demo/id_ed25519",
    "pub": "ssh/demo/id_ed25519.pub",
    "lock": "locks/demo.lock",
    "removing": "instances/demo/.removing-web-0-0",
    "removing-tmp": "instances/demo/web-0/vm.json.tmp.1",
    "tmp": "projects/demo.json.tmp.1",
    "extra": "instances/demo/web-7",
}
DIRECTORIES = {
    "web-0": "instances/demo/web-0",
    "instances-demo": "instances/demo",
    "volumes-demo": "volumes/demo",
    "ssh-demo": "ssh/demo",
    "projects": "projects",
    "instances": "instances",
    "locks": "locks",
}
CONTENTS = ["empty", "binary", "brackets", "array", "deep", "number", "nul", "huge", "huge-text",
            "other"]
PLACES = ["missing", "link-file", "link-same", "link-dir", "link-nowhere", "link-loop", "dir",
          "full-dir", "fifo", "socket", "device", "hardlink", "mode", "owner"]
HOSTILE = ["OUTSIDE/precious", "../../../o/precious", "/", "", "x" * 70000, "\x1b[31mred", "-rf",
           "a/../b", "web-1", "demo2", -1, 0, 1, 2 ** 63, 2 ** 31, 1e300, 0.5, True, None, [], {},
           [None], {"a": [[]]}]
SAMPLE = 33
# Those that went wrong once.
ALWAYS = ["host-key/fifo/up", "console/link-file/up", "console/fifo/up", "console/device/up",
          "monitor-log/fifo/up", "monitor-log/hardlink/up", "qemu-log/fifo/down",
          "qemu-log/hardlink/up", "lock/hardlink/up", "root/link-same/down",
          "disk/link-same/down", "instances/link-dir/up", "instances-demo/fifo/down"]
STATES = ["up", "down", "alone"]
VERBS = [["ps"], ["ps", "--json"], ["logs", "demo"], ["stop", "demo"], ["up"],
         ["down", "demo"], ["down", "demo", "--volumes"]]


def leaves(value, path=()):
    """The paths of all members and elements, inner ones too."""
    items = (value.items() if isinstance(value, dict)
             else enumerate(value) if isinstance(value, list) else ())
    for key, inner in items:
        yield (*path, key)
        yield from leaves(inner, (*path, key))


def put(value, path, new):
    if len(path) == 1:
        value[path[0]] = new
    else:
        put(value[path[0]], path[1:], new)


def outside(world):
    return os.path.join(world.dir, "o")


def fingerprint(path):
    """Names, kinds, owners and contents of all below it."""
    found = []
    for root, dirs, names in os.walk(path):
        dirs.sort()
        for name in sorted(dirs + names):
            full = os.path.join(root, name)
            st = os.lstat(full)
            data = b""
            if stat.S_ISREG(st.st_mode):
                with open(full, "rb") as f:
                    data = f.read()
            found.append((full, st.st_mode, st.st_uid, st.st_size,
                          hashlib.sha256(data).hexdigest()))
    return found


def make_outside(world):
    """What must be as it was, whatever the records say."""
    top = outside(world)
    os.makedirs(os.path.join(top, "dir", "web-0"), exist_ok=True)
    for name in ("precious", "root.qcow2", "dir/file", "dir/root.qcow2", "dir/data.qcow2",
                 "dir/web-0/root.qcow2", "dir/id_ed25519", "dir/demo.json", "dir/vm.json.tmp.1"):
        with open(os.path.join(top, name), "w") as f:
            f.write("data of " + name)
    return top


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        os.rename(path, path.rstrip("/") + "-away")
    elif os.path.lexists(path):
        os.unlink(path)


def damage(world, record, how):
    """Bring it about; False when there is nothing to be damaged so."""
    path = os.path.join(world.state, {**FILES, **DIRECTORIES}[record])
    top = outside(world)
    old = b""
    if os.path.isfile(path):
        with open(path, "rb") as f:
            old = f.read()
    if how.startswith("cut-"):
        write(path, old[:int(how[4:])])
    elif how.startswith("leaf-"):
        _, leaf, value = how.split("-")
        record = json.loads(old)
        new = HOSTILE[int(value)]
        if isinstance(new, str):
            new = new.replace("OUTSIDE", top)
        paths = list(leaves(record))
        put(record, paths[int(leaf) % len(paths)], new)
        write(path, json.dumps(record).encode())
    elif how == "huge":
        remove(path)
        write(path, b"")
        os.truncate(path, 100 << 20)
    elif how == "huge-text":
        remove(path)
        write(path, b'{"format": 1, "x": "' + b"y" * (100 << 20))
    elif how in CONTENTS:
        remove(path)
        write(path, {
            "empty": b"", "binary": bytes(range(256)) * 64, "brackets": b"{{{{", "array": b"[]",
            "deep": b'{"format":1,"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
            "number": b'{"format":1e999}', "nul": b'{"format":1,"name":"de\\u0000mo"}',
            "other": old.replace(b"demo", b"other")}[how])
    elif how == "mode":
        if not os.path.lexists(path):
            return False
        os.chmod(path, 0)
    elif how == "owner":
        if os.geteuid() or not os.path.lexists(path):
            return False
        os.chown(path, 65534, 65534, follow_symlinks=False)
    elif how == "device" and os.geteuid():
        return False
    else:
        remove(path)
        if how == "link-file":
            os.symlink(os.path.join(top, "precious"), path)
        elif how == "link-same":
            write(os.path.join(top, "same"), old)
            os.symlink(os.path.join(top, "same"), path)
        elif how == "link-dir":
            os.symlink(os.path.join(top, "dir"), path)
        elif how == "link-nowhere":
            os.symlink(os.path.join(top, "made-by-holos"), path)
        elif how == "link-loop":
            os.symlink(os.path.basename(path), path)
        elif how == "dir":
            os.mkdir(path)
        elif how == "full-dir":
            os.mkdir(path)
            os.symlink(os.path.join(top, "dir"), os.path.join(path, "link"))
            write(os.path.join(path, "file"), b"x")
        elif how == "fifo":
            os.mkfifo(path)
        elif how == "socket":
            where = os.getcwd()
            os.chdir(os.path.dirname(path))  # its name must be short
            with socket.socket(socket.AF_UNIX) as s:
                s.bind(os.path.basename(path))
            os.chdir(where)
        elif how == "device":
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))  # zero: without end
        elif how == "hardlink":
            os.link(os.path.join(top, "precious"), path)
    return True


def check_verb(run):
    if run.status not in (0, 1, 2, 3, 4, 5, 6, 7, 8):
        raise Problem(f"exit status {run.status}: {run}")
    if run.status and "holos: " not in run.err:
        raise Problem(f"failed without a sentence: {run}")
    if len(run.err) > 50000 or "\x1b" in run.err or ("logs" not in run.argv and "\x1b" in run.out):
        raise Problem(f"it says too much, or what a terminal would obey: {run.argv} "
                      f"{run.err[:500]!r} {run.out[:500]!r}")


def other_vm(world):
    """(pid, disk marked) of the project that nobody touches."""
    run = world.ok("ps", "--json")
    for project in json.loads(run.out):
        if project["name"] == "other":
            vm = project["services"][0]["instances"][0]
            return vm["pid"] if vm["status"] == "running" else None
    raise Problem(f"another project is hidden: {run}")


def try_record(world, point):
    record, how, state = point.split("/")
    world.wipe()
    top = make_outside(world)
    world.compose(three().replace("demo", "other").replace("replicas: 2", "replicas: 1"),
                  "other.yaml")
    world.ok("up", "-f", "other.yaml", "db")
    world.compose(three())
    world.ok("up")
    if state == "down":
        world.ok("stop")
    pid = other_vm(world)
    disk = os.path.join(world.state, "instances/other/db-0/root.qcow2")
    with open(disk, "ab") as f:
        f.write(faults.MARK)
    if state == "alone":
        for monitor, argv in world.named("holos-monitor").items():
            if "/other/" not in argv[1]:
                os.kill(monitor, signal.SIGKILL)
    if not damage(world, record, how):
        return
    before = fingerprint(top)
    hidden = record in ("projects", "instances", "locks")  # what both projects need
    for verb in VERBS:
        check_verb(world.run(*verb, seconds=30))
        if fingerprint(top) != before:
            raise Problem(f"after {verb} outside is not what it was: "
                          f"{set(before) ^ set(fingerprint(top))}")
        if not hidden and other_vm(world) != pid:
            raise Problem(f"after {verb} the other project's VM is not what it was")
        if not world._is_marked(disk) and not os.path.exists(disk.replace(
                "instances/", "instances-away/")):
            raise Problem(f"after {verb} the other project's disk is not what it was")
    world.check_sanitizers()


def points(o):
    rng = random.Random(o.seed)
    found = []
    for state in STATES:
        for name in FILES:
            hows = PLACES + CONTENTS
            if name in RECORDS and o.full:
                hows = hows + [f"cut-{n}" for n in range(0, 1600, 23)]
                hows += [f"leaf-{leaf}-{v}" for leaf in range(0, 60, 2)
                         for v in rng.sample(range(len(HOSTILE)), 2)]
            elif name in RECORDS:
                hows = rng.sample(hows, 2)
                hows += [f"cut-{rng.randrange(1600)}"]
                hows += [f"leaf-{rng.randrange(60)}-{rng.randrange(len(HOSTILE))}"]
            else:
                hows = hows if o.full else rng.sample(hows, 1)
            found += [f"{name}/{how}/{state}" for how in hows]
        for name in DIRECTORIES:
            hows = PLACES if o.full else rng.sample(PLACES, 1)
            found += [f"{name}/{how}/{state}" for how in hows]
    return found if o.full else ALWAYS + rng.sample(found, SAMPLE)


if __name__ == "__main__":
    options = faults.options()
    faults.run_points(options, points(options), try_record)
