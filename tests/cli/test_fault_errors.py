# SPDX-License-Identifier: Apache-2.0
"""System calls of the command that fail: a full disk, a broken one, a read-only one, no
descriptors, no processes; one call, or all of the kind from then on."""

import faults

ALL = list(faults.SCENARIOS)
KINDS = ["nospace", "io", "readonly", "files", "again", "fork", "memory"]
STICKY = ["nospace-on", "io-on", "readonly-on", "files-on"]

if __name__ == "__main__":
    faults.main(
        plan=[(["up-fresh", "up-changed", "recreate-stopped", "down"], KINDS + STICKY, 1)],
        full_plan=[(["up-fresh", "down", "up-changed", "recreate"], KINDS + STICKY, 0),
                   (ALL, KINDS + STICKY, 10)])
