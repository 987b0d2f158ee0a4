# SPDX-License-Identifier: Apache-2.0
"""kill -9 at system calls: of the command, of its whole group, of a child, of monitors and
QEMUs (support/faults.py says what must hold afterwards)."""

import faults

ALL = list(faults.SCENARIOS)
# At each of their system calls; of the others at each that changes something.
EVERY = ["up-fresh", "down", "recreate", "restart", "scale-up"]

if __name__ == "__main__":
    faults.main(
        plan=[(ALL, ["kill-change"], 4), (ALL, ["kill-group", "kill-child"], 1)],
        full_plan=[(EVERY, ["kill"], 0),
                   ([n for n in ALL if n not in EVERY], ["kill-change"], 0),
                   (ALL, ["kill-group", "kill-child"], 40)])
