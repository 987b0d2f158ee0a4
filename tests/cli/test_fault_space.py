# SPDX-License-Identifier: Apache-2.0
"""The state directory on a file system that is full, becomes full, or is read-only.

A point is CASE/ROUND/CHOICE.  Each worker has mounts of its own (as root, or as root of a
user namespace of its own)."""

import ctypes
import os
import random

import faults
from faults import Problem
from holostest import PROGRAM
from scenarios import THREE, three

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
VERBS = [["up"], ["stop"], ["start"], ["down"], ["up", "--recreate"], ["down", "--volumes"]]


def own_mounts():
    """A mount namespace for this process and all that it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWNS | (CLONE_NEWUSER if uid else 0)):
        raise OSError(ctypes.get_errno(), "unshare")
    if uid:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"),
                           ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as f:
                f.write(text)
    mount(libc, b"none", b"/", None, 0x44000, None)  # MS_REC | MS_PRIVATE


def mount(libc, what, where, kind, flags, data):
    if libc.mount(what, where, kind, flags, data):
        raise OSError(ctypes.get_errno(), "mount")


def ready(world):
    """A small file system for the state directory, once for the worker."""
    if not os.path.ismount(world.state):
        world.wipe()
        own_mounts()
        os.mkdir(world.state, 0o700)
        mount(ctypes.CDLL(None, use_errno=True), b"none", world.state.encode(), b"tmpfs", 0,
              b"size=16m,mode=0700")
    world.wipe()


def filler(world):
    return os.path.join(world.state, "filler")


def fill(world, leave):
    """Take all room but `leave` bytes."""
    fs = os.statvfs(world.state)
    with open(filler(world), "ab") as f:
        size = f.tell() + fs.f_bavail * fs.f_frsize - leave
        try:
            os.posix_fallocate(f.fileno(), 0, max(size, 1))
        except OSError:
            pass  # somebody else took the rest


def sane(run):
    if run.status not in range(9) or (run.status and "holos: " not in run.err):
        raise Problem(f"exit status {run.status}: {run}")


def full(world, choice, before):
    """Full from the start, but for some bytes."""
    rng = random.Random(choice)
    if before:
        world.ok("up")
        world.mark()
        if rng.randrange(2):
            world.ok("stop")
    fill(world, rng.choice((0, 4096, 20480, 65536, 300000, 1200000)))
    verb = VERBS[choice % len(VERBS)]
    run = world.run(*verb)
    sane(run)
    if before and verb[0] in ("down", "stop") and run.status:
        raise Problem(f"a full disk keeps it from its work: {run}")
    finish(world, verb)


def fills(world, choice, before):
    """Full at a moment in the middle of a command."""
    rng = random.Random(choice)
    if before:
        world.ok("up")
        world.mark()
    verb = VERBS[choice % len(VERBS)]
    run = world.start(*verb)
    world.pause(rng.randrange(80))
    fill(world, rng.choice((0, 0, 4096, 65536)))
    sane(run.wait())
    finish(world, verb)


def finish(world, verb):
    world.settle_when_full()
    if verb != ["down"] and verb != ["down", "--volumes"]:
        world.check_disks(() if "--recreate" in verb else THREE)
    os.unlink(filler(world))
    world.settle()
    world.check_records()
    world.ok("up")
    world.check_up(THREE, late=10)  # a record that had no room is tried again
    world.ok("down", "--volumes")
    world.check_gone(volumes=True)


def read_only(world, choice, before):
    """For the command; the monitors, which are there already, may write."""
    if before:
        world.ok("up")
        world.mark()
    was = world.ps()
    script = ('mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"')
    verb = (VERBS + [["ps"], ["logs", "demo"]])[choice % (len(VERBS) + 2)]
    run = faults.Run(world, ["/usr/bin/unshare", "-m", "/bin/sh", "-c", script, "sh", world.state,
                             PROGRAM, *verb], world.env).wait()
    sane(run)
    if verb[0] in ("ps", "logs") and run.status and before:
        raise Problem(f"reading needs no writing: {run}")
    if verb[0] not in ("ps", "logs") and not run.status and (before or verb[0] == "up"):
        raise Problem(f"it cannot have worked: {run}")
    if run.status and before and "ead-only" not in run.err:
        raise Problem(f"it does not say why: {run}")
    if {n: i["pid"] for n, i in world.ps().items()} != {n: i["pid"] for n, i in was.items()}:
        raise Problem("a VM is not what it was")
    with open(filler(world), "w"):
        pass
    finish(world, ["ps"])


CASES = {
    "full": lambda w, c: full(w, c, False), "full-up": lambda w, c: full(w, c, True),
    "fills": lambda w, c: fills(w, c, False), "fills-up": lambda w, c: fills(w, c, True),
    "read-only": lambda w, c: read_only(w, c, False),
    "read-only-up": lambda w, c: read_only(w, c, True),
}


def try_space(world, point):
    case, _, choice = point.split("/")
    ready(world)
    world.compose(three())
    CASES[case](world, int(choice))
    world.check_sanitizers()


if __name__ == "__main__":
    options = faults.options()
    rng = random.Random(options.seed)
    faults.run_points(options, [f"{case}/{n}/{rng.randrange(1000)}" for case in CASES
                                for n in range(60 if options.full else 4)], try_space)
