# SPDX-License-Identifier: Apache-2.0
"""Commands that race: on one project, and of two projects for the same ports.

A point is RACE/ROUND/DELAY: the second command starts DELAY ms after the first."""

import json
import random
import re

import faults
import holostest
from faults import Problem
from scenarios import THREE, three

TWO = """
    name: {name}
    services:
      web: {{image: ./base.qcow2, replicas: {n}, ports: [{ports}], stop_grace_period: 5s}}
    """

# name: (what was done before, the two commands, statuses either may end with)
ONE_PROJECT = {
    "up-up": ([], ["up"], ["up"], (0,)),
    "up-down": ([], ["up"], ["down"], (0, 1)),
    "down-up": ([["up"]], ["down"], ["up"], (0, 1)),
    "up-down-volumes": ([], ["up"], ["down", "--volumes"], (0, 1)),
    "up-stop": ([["up"], ["stop"]], ["up"], ["stop"], (0, 1, 6)),
    "stop-up": ([["up"]], ["stop"], ["up"], (0, 1, 6)),
    "stop-start": ([["up"]], ["stop"], ["start"], (0, 1, 6)),
    "up-restart": ([["up"], ["stop"]], ["up"], ["restart"], (0, 1, 6)),
    "restart-up": ([["up"]], ["restart"], ["up"], (0, 1, 6)),
    "restart-down": ([["up"]], ["restart"], ["down"], (0, 1, 6)),
    "kill-up": ([["up"]], ["kill"], ["up"], (0, 1, 6)),
    "stop-stop": ([["up"]], ["stop"], ["stop"], (0,)),
    "down-down": ([["up"]], ["down"], ["down"], (0,)),
    "stop-down": ([["up"]], ["stop"], ["down"], (0, 1)),
    "recreate-up": ([["up"]], ["up", "--recreate"], ["up"], (0, 1)),
    "recreate-down": ([["up"]], ["up", "--recreate"], ["down"], (0, 1)),
}
TWO_PROJECTS = ["fixed", "ephemeral"]


def check(run, allowed):
    if run.status not in allowed:
        raise Problem(f"exit status {run.status}: {run}")
    if run.status and "holos: " not in run.err:
        raise Problem(f"failed without a sentence: {run}")


def converge(world, text=three()):
    world.settle()
    world.check_records()
    world.compose(text)
    world.ok("up")
    world.check_up(THREE)
    world.ok("down", "--volumes")
    world.check_gone(volumes=True)


def race(world, name, delay):
    before, first, second, allowed = ONE_PROJECT[name]
    world.compose(three())
    for command in before:
        world.ok(*command)
    text = three(web="./other.qcow2") if name.startswith("recreate") else three()
    world.compose(text)
    runs = [world.start(*first)]
    world.pause(delay)
    runs.append(world.start(*second))
    for run in runs:
        check(run.wait(), allowed)
    if name.startswith("recreate"):
        world.ok("up", "--recreate")
    converge(world, text)


def other_project(world):
    run = world.ok("ps", "--json")
    return [p for p in json.loads(run.out) if p["name"] == "two"]


def race_for_ports(world, kind, delay):
    first = holostest.PORTS.get() if kind == "fixed" else 0
    n = 1 if kind == "fixed" else 2
    ports = f'"{first}:80"' if kind == "fixed" else '"80", "81", "82"'
    world.compose(TWO.format(name="demo", n=n, ports=ports))
    world.compose(TWO.format(name="two", n=n, ports=ports), "two.yaml")
    runs = [world.start("up")]
    world.pause(delay)
    runs.append(world.start("up", "-f", "two.yaml"))
    for run in runs:
        check(run.wait(), (0,) if kind == "ephemeral" else (0, 6))
    if kind == "fixed":
        if runs[0].status == 0 and runs[1].status == 0:
            raise Problem(f"both have port {first}")
        if runs[0].status and runs[1].status:
            raise Problem(f"neither has port {first}:\n{runs[0]}\n{runs[1]}")
        loser = runs[0] if runs[0].status else runs[1]
        if not re.search(rf"\b{first}\b", loser.err):
            raise Problem(f"the port is not named: {loser}")
    else:
        vms = [i for p in json.loads(world.ok("ps", "--json").out)
               for s in p["services"] for i in s["instances"]]
        used = [p["host_port"] for i in vms for p in i["ports"]] + [i["ssh_port"] for i in vms]
        if len(used) != 16 or len(set(used)) != 16:
            raise Problem(f"ports: {used}")
    world.ok("down", "two")
    if other_project(world):
        raise Problem("the other project is left")
    if kind == "fixed":
        world.ok("up")
        world.check_up(("web-0",))
    world.ok("down")
    world.run("down", "two")
    converge(world)


def try_race(world, point):
    name, _, delay = point.split("/")
    world.wipe()
    if name in TWO_PROJECTS:
        race_for_ports(world, name, int(delay))
    else:
        race(world, name, int(delay))
    world.check_sanitizers()


if __name__ == "__main__":
    options = faults.options()
    rng = random.Random(options.seed)
    names = [n for n in [*ONE_PROJECT, *TWO_PROJECTS]
             if not options.scenario or n in options.scenario]
    faults.run_points(options, [f"{name}/{n}/{rng.choice((0, 0, rng.randrange(100)))}"
                                for name in names
                                for n in range(100 if options.full else 10)], try_race)
