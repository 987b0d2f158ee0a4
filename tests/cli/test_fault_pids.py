# SPDX-License-Identifier: Apache-2.0
"""Pids that are another's by now, zombies, and clocks that jump: a stranger's process is
never signalled, the dead do not run, and the time of day decides nothing.

A point is CASE/ROUND/CHOICE."""

import contextlib
import json
import os
import random
import signal
import subprocess
import time

import faults
from faults import Problem
from holostest import BUILD
from scenarios import THREE, three

VERBS = [["stop"], ["down"], ["up"], ["start"], ["up", "--recreate"], ["down", "--volumes"]]
JUMPS = [-20 * 365 * 86400, -86400, -3600, 1, 3600, 86400, 13 * 365 * 86400,
         -int(time.time()), 40 * 365 * 86400]


class Stranger:
    """A process that is none of ours; it notes each signal that it gets."""

    def __init__(self, world):
        self.log = world.scratch("stranger")
        self.popen = subprocess.Popen(
            ["/bin/sh", "-c", "for s in HUP INT QUIT USR1 USR2 TERM; do "
             f"trap \"echo $s >> {self.log}\" $s; done; echo ready > {self.log}; "
             "while :; do read x; done"], stdin=subprocess.PIPE, env={"PATH": "/bin:/usr/bin"})
        self.pid = self.popen.pid
        while not os.path.exists(self.log) or not os.path.getsize(self.log):
            time.sleep(0.001)

    @property
    def start(self):
        with open(f"/proc/{self.pid}/stat") as f:
            return int(f.read().rsplit(")", 1)[1].split()[19])

    def check(self):
        with open(self.log) as f:
            said = f.read().split()
        if not os.path.exists(f"/proc/{self.pid}") or said != ["ready"]:
            raise Problem(f"a stranger's process was signalled: {said}")

    def end(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.stdin.close()


def rewrite(world, **members):
    for name in THREE:
        path = os.path.join(world.instance_dir(name), "vm.json")
        with open(path) as f:
            record = json.load(f)
        record.update(members)
        with open(path, "w") as f:
            json.dump(record, f)


def kill_named(world, *programs):
    """Until none is seen: one whose parent just died may have been overlooked."""
    end = time.monotonic() + faults.SETTLE_SECONDS
    while (found := [p for name in programs for p in world.named(name)]) \
            and time.monotonic() < end:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def finish(world):
    world.settle()
    world.ok("up")
    world.check_up(THREE)
    world.ok("down", "--volumes")


def recycled(world, choice, claim):
    """The VMs died with their monitors; their records name somebody else's process."""
    world.ok("up")
    kill_named(world, "holos-monitor", "fake-qemu")
    stranger = Stranger(world)
    try:
        start = stranger.start if claim == "exact" else stranger.start + 1
        rewrite(world, state="running", pid=stranger.pid, pid_start=start,
                monitor_pid=stranger.pid, monitor_start=start,
                helpers=[{"name": "switch", "pid": stranger.pid,
                          "pid_start": stranger.start + 1}])
        listed = world.ps()
        if any(i["status"] == "running" or i["pid"] for i in listed.values()):
            raise Problem(f"ps takes a stranger for a VM: {listed}")
        run = world.run(*VERBS[choice % len(VERBS)])
        if run.status:
            raise Problem(f"must succeed: {run}")
        stranger.check()
        finish(world)
        stranger.check()
    finally:
        stranger.end()


def adopted(world, choice, qmp):
    """QEMU lives, its monitor does not, and its record names a stranger."""
    world.ok("up")
    kill_named(world, "holos-monitor")
    stranger = Stranger(world)
    try:
        rewrite(world, pid=stranger.pid, pid_start=stranger.start)
        if not qmp:
            for name in THREE:
                os.unlink(os.path.join(world.instance_dir(name), "qmp.sock"))
        run = world.run(*VERBS[choice % 2])
        stranger.check()
        if qmp and run.status:
            raise Problem(f"must succeed: {run}")
        if not qmp:  # nothing proves which process it is: it must stay, and be told of
            if run.status == 0 or "holos: " not in run.err:
                raise Problem(f"must fail with a sentence: {run}")
            if len(world.named("fake-qemu")) != 3 or len(world.ps()) != 3:
                raise Problem("a VM was lost")
        if qmp:
            finish(world)
        stranger.check()
    finally:
        stranger.end()


def zombies(world, choice):
    """As under a PID 1 that reaps late: QEMU and monitor are dead and still there."""
    world.ok("up")
    pids = [*world.named("holos-monitor"), *world.named("fake-qemu")]
    world.reaping = False
    try:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            end = time.monotonic() + 10
            while faults.holostest.alive(pid) and time.monotonic() < end:
                time.sleep(0.001)
        listed = world.ps()
        if any(i["status"] == "running" or i["pid"] for i in listed.values()):
            raise Problem(f"ps takes zombies for VMs: {listed}")
        world.ok(*VERBS[choice % len(VERBS)])
    finally:
        world.reaping = True
    world.mark()
    finish(world)


def clock(world, choice):
    """The time of day jumps while commands and monitors are at work."""
    path = os.path.join(world.dir, "clock")
    rng = random.Random(choice)
    env = {"LD_PRELOAD": os.path.join(BUILD, "tests", "fake-clock.so"), "FAKE_CLOCK": path,
           "ASAN_OPTIONS": world.env["ASAN_OPTIONS"] + ":verify_asan_link_order=0"}

    def jump():
        with open(path + ".new", "w") as f:
            f.write(str(rng.choice(JUMPS)))
        os.rename(path + ".new", path)

    jump()
    for verb in ["up"], ["ps"], ["stop"], ["start"], ["up"], ["ps", "--json"]:
        run = world.start(*verb, env=env)
        for _ in range(rng.randrange(4)):
            world.pause(rng.randrange(30))
            jump()
        if run.wait().status:
            raise Problem(f"the clock jumped, and it failed: {run}")
        if verb == ["up"]:
            world.check_up(THREE)
        jump()
    if world.run("down", "--volumes", env=env).status:
        raise Problem("down fails")


def try_pids(world, point):
    case, _, choice = point.split("/")
    world.wipe()
    world.compose(three())
    choice = int(choice)
    if case.startswith("recycled-"):
        recycled(world, choice, case[9:])
    elif case.startswith("adopted-"):
        adopted(world, choice, case == "adopted-qmp")
    elif case == "zombies":
        zombies(world, choice)
    else:
        clock(world, choice)
    world.check_sanitizers()


if __name__ == "__main__":
    options = faults.options()
    rng = random.Random(options.seed)
    cases = ["recycled-exact", "recycled-later", "adopted-qmp", "adopted-blind", "zombies", "clock"]
    faults.run_points(options, [f"{case}/{n}/{rng.randrange(1000)}" for case in cases
                                for n in range(40 if options.full else 3)], try_pids)
