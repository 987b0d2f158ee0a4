# SPDX-License-Identifier: Apache-2.0
"""What is on a seed, and what cloud-init and netplan say of it."""

import glob
import json
import os
import struct
import subprocess

SECTOR = 2048


def read_iso(path):
    """{name: bytes} of the files of an ISO 9660 image, by its Joliet names."""
    with open(path, "rb") as f:
        data = f.read()
    for at in range(16 * SECTOR, len(data), SECTOR):
        kind = data[at]
        if kind == 2 and data[at + 88:at + 90] == b"%/":
            break
        if kind == 255:
            raise ValueError(f"{path} has no Joliet names")
    files = {}
    _read_dir(data, data[at + 156:at + 190], "", files)
    return files


def _read_dir(data, record, prefix, files):
    start, = struct.unpack_from("<I", record, 2)
    size, = struct.unpack_from("<I", record, 10)
    at, end = start * SECTOR, start * SECTOR + size
    while at < end:
        length = data[at]
        if length == 0:
            at = (at // SECTOR + 1) * SECTOR
            continue
        entry = data[at:at + length]
        at += length
        raw = entry[33:33 + entry[32]]
        if raw in (b"\0", b"\1"):
            continue
        name = prefix + raw.decode("utf-16-be").split(";")[0]
        if entry[25] & 2:
            _read_dir(data, entry, name + "/", files)
        else:
            first, = struct.unpack_from("<I", entry, 2)
            size, = struct.unpack_from("<I", entry, 10)
            files[name] = data[first * SECTOR:first * SECTOR + size]


def cloud_config_schema(cache):
    """cloud-init's own schema of user-data, or None.

    From the installed package, else out of the distribution's: installed it would take
    hold of the machine's next boot.
    """
    where = "usr/lib/python3/dist-packages/cloudinit/config/schemas/schema-cloud-config-v1.json"
    os.makedirs(cache, exist_ok=True)
    for root in "/", os.path.join(cache, "x"):
        if os.path.exists(os.path.join(root, where)):
            with open(os.path.join(root, where)) as f:
                return json.load(f)
    if subprocess.run(["apt-get", "download", "cloud-init"], cwd=cache, capture_output=True,
                      timeout=120).returncode:
        return None
    deb = glob.glob(os.path.join(cache, "cloud-init_*.deb"))[0]
    subprocess.run(["dpkg-deb", "-x", deb, os.path.join(cache, "x")], check=True)
    return cloud_config_schema(cache)


def netplan_complains(text, root):
    """What `netplan generate` says against a network-config; None: nothing."""
    folder = os.path.join(root, "etc", "netplan")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "50-cloud-init.yaml")
    with open(path, "wb") as f:
        f.write(text)
    os.chmod(path, 0o600)
    done = subprocess.run(["netplan", "generate", "--root-dir", root], capture_output=True,
                          text=True, timeout=60)
    return done.stderr + done.stdout if done.returncode else None
