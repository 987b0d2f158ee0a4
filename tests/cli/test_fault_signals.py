# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C, SIGTERM and SIGHUP at system calls, once and twice; monitors and QEMUs killed
under a command's hands; all of it told to end at once, as when a host shuts down."""

import faults

ALL = list(faults.SCENARIOS)
ENDS = ["int", "int-twice", "term", "hup"]
VMS = ["kill-monitor", "kill-qemu", "kill-both", "kill-vms", "kill-all", "term-all"]

if __name__ == "__main__":
    faults.main(
        plan=[(ALL, ["int", "int-twice"], 1), (["up-fresh", "down"], ["term", "hup"], 1),
              (["up-again", "down", "up-changed"], VMS, 1)],
        full_plan=[(ALL, ENDS, 40), (ALL, VMS, 20)])
