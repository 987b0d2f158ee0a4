#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""foreign.py FROM TO: copy an ELF file and mark it as of another machine."""
import os
import platform
import sys

X86_64, AARCH64 = 62, 183

with open(sys.argv[1], "rb") as f:
    data = bytearray(f.read())
other = X86_64 if platform.machine() == "aarch64" else AARCH64
data[18:20] = other.to_bytes(2, sys.byteorder)
with open(sys.argv[2], "wb") as f:
    f.write(data)
os.chmod(sys.argv[2], 0o644)
