# SPDX-License-Identifier: Apache-2.0
"""What is there when a fault happens, and which command runs into it (faults.py)."""


# A service that another file no longer has; it depends on one that stays.
FORMER = """
          old:
            image: ./base.qcow2
            depends_on: [db]
            stop_grace_period: 5s"""


def three(memory=512, web="./base.qcow2", replicas=2, more=""):
    """A small project: a dependency, a volume, a bind mount, three VMs."""
    return f"""
        name: demo
        services:
          web:
            image: {web}
            replicas: {replicas}
            depends_on: [db]
            ports: ["80"]
            volumes: ["./bind:/srv"]
            stop_grace_period: 5s
            vm: {{memory: {memory}M}}
          db:
            image: ./base.qcow2
            volumes: ["data:/var/lib/data"]
            stop_grace_period: 5s{more}
        volumes:
          data: {{size: 64M}}
        """


THREE = ("db-0", "web-0", "web-1")
TWO = ("db-0", "web-0")


class Scenario:
    """verb: what runs into the fault.  before: what brought about the state it finds, with
    the compose file `was`.  keeps: whose root disks it must not touch.  up: what brings up
    what is wanted afterwards, down: what takes it away."""

    def __init__(self, verb, before=(), was=three(), now=None, keeps=THREE, wanted=THREE,
                 volume=True, up=("up",), down=("down",)):
        self.verb, self.before = verb, before
        self.was, self.now = was, now or was
        self.keeps, self.wanted, self.volume = keeps, wanted, volume
        self.up, self.down = up, down


SCENARIOS = {
    "up-fresh": Scenario(["up"]),
    "up-again": Scenario(["up"], [["up"], ["stop"]]),
    "up-running": Scenario(["up"], [["up"]]),
    "up-changed": Scenario(["up"], [["up"]], now=three(memory=256)),
    "recreate": Scenario(["up", "--recreate"], [["up"]], now=three(web="./other.qcow2"),
                         keeps=("db-0",), up=["up", "--recreate"]),
    "recreate-stopped": Scenario(["up", "--recreate"], [["up"], ["stop"]],
                                 now=three(web="./other.qcow2"), keeps=("db-0",),
                                 up=["up", "--recreate"]),
    "stop": Scenario(["stop"], [["up"]]),
    "restart": Scenario(["restart"], [["up"]]),
    "kill": Scenario(["kill"], [["up"]]),
    "scale-up": Scenario(["up"], [["up"]], was=three(replicas=1), now=three()),
    "scale-down": Scenario(["up", "--yes"], [["up"]], now=three(replicas=1), keeps=TWO,
                           wanted=TWO, up=["up", "--yes"]),
    "remove-orphans": Scenario(["up", "--remove-orphans"], [["up"]], was=three(replicas=1, more=FORMER),
                               now=three(replicas=1), keeps=TWO, wanted=TWO,
                               up=["up", "--remove-orphans"]),
    "recreate-yes": Scenario(["up", "--yes"], [["up"]], now=three(web="./other.qcow2"),
                             keeps=("db-0",), up=["up", "--yes"]),
    "start": Scenario(["start"], [["up"], ["stop"]]),
    "run": Scenario(["run", "--name", "demo", "./base.qcow2"], keeps=(), wanted=("vm-0",),
                    up=["run", "--name", "demo", "./base.qcow2"], down=["down", "demo"]),
    "down": Scenario(["down"], [["up"]], keeps=()),
    "down-volumes": Scenario(["down", "--volumes"], [["up"]], keeps=(), volume=False),
}
