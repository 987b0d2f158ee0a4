# SPDX-License-Identifier: Apache-2.0
"""fetch.py RELEASE DIR [MIB] - pull of one image over loopback TLS beside `curl -o`.

The server sends one random block again and again, so that neither its disk nor its
memory counts.  `holos pull` hashes, verifies, syncs and stores what it gets; curl only
writes it.  Runs alternate; figures are medians.  Prints two rows: the ratio of times,
and the largest resident set of any process of holos.
"""

import hashlib
import os
import random
import shutil
import ssl
import statistics
import struct
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "support"))

from httpsserver import make_certificates  # noqa: E402
import socket  # noqa: E402

ROUNDS = 3
BLOCK = 1 << 20


def qcow2_head():
    head = struct.pack(">IIQIIQIIQQIIQQQQII", 0x514649fb, 3, 0, 0, 16, 64 << 20, 0, 1, 0x30000,
                       0x10000, 1, 0, 0, 0, 0, 0, 4, 104)
    return head + bytes(512 - len(head))


class Server:
    """One file of `mib` blocks, on any path."""

    def __init__(self, dir, mib):
        make_certificates(dir)
        self.block = random.Random(1).randbytes(BLOCK)
        self.first = qcow2_head() + self.block[512:]
        self.mib = mib
        digest = hashlib.sha256(self.first)
        for _ in range(mib - 1):
            digest.update(self.block)
        self.sha256 = digest.hexdigest()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(dir, "server.pem"), os.path.join(dir, "server.key"))
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            with self.context.wrap_socket(client, server_side=True) as s:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = s.recv(4096)
                    if not piece:
                        return
                    head += piece
                s.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
                          % (self.mib * BLOCK))
                s.sendall(self.first)
                for _ in range(self.mib - 1):
                    s.sendall(self.block)
        except OSError:
            pass


def timed(argv, env):
    began = time.monotonic()
    subprocess.run(argv, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - began


def peak_memory(argv, env):
    """The largest VmHWM of the process and what it starts, in MiB."""
    peak, seen = 0, {}
    run = subprocess.Popen(argv, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while run.poll() is None:
        for pid in {run.pid, *children(run.pid)}:
            try:
                with open(f"/proc/{pid}/status") as f:
                    text = f.read()
            except OSError:
                continue
            if "VmHWM:" in text:
                seen[pid] = int(text.split("VmHWM:")[1].split()[0])
        peak = max([peak, *seen.values()])
        time.sleep(0.005)
    if run.returncode:
        raise SystemExit("holos pull failed")
    return peak / 1024


def children(pid):
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as f:
                for child in f.read().split():
                    found += [int(child), *children(int(child))]
    except OSError:
        pass
    return found


def main(release, dir, mib=1024):
    server = Server(os.path.join(dir, "certs"), mib)
    url = f"https://localhost:{server.port}/disk.qcow2"
    env = {"PATH": os.environ["PATH"], "HOME": dir, "HOLOS_STATE_DIR": f"{dir}/fetch",
           "SSL_CERT_FILE": f"{dir}/certs/ca.pem"}
    pull = [f"{release}/bin/holos", "pull", f"{url}#sha256={server.sha256}"]
    curl = ["curl", "-sS", "--cacert", f"{dir}/certs/ca.pem", "-o", f"{dir}/fetched", url]
    ours, theirs, pairs = [], [], []

    def clean():
        shutil.rmtree(f"{dir}/fetch", ignore_errors=True)
        if os.path.exists(f"{dir}/fetched"):
            os.remove(f"{dir}/fetched")

    for _ in range(ROUNDS):
        clean()
        theirs.append(timed(curl, env))
        clean()
        ours.append(timed(pull, env))
        pairs.append(ours[-1] / theirs[-1])
    clean()
    memory = peak_memory(pull, env)
    clean()
    return {"mib": mib, "pull_s": statistics.median(ours), "curl_s": statistics.median(theirs),
            "ratio": statistics.median(ours) / statistics.median(theirs), "memory_mib": memory}


if __name__ == "__main__":
    got = main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1024)
    size = f"{got['mib']} MiB"
    print(f"{'pull of ' + size + ' / curl -o':<46} {got['ratio']:>12.2f}  {'<= 1.1':<12} "
          f"{'ok' if got['ratio'] <= 1.1 else 'over':<6} "
          f"{got['pull_s']:.2f} s / {got['curl_s']:.2f} s")
    print(f"{'memory of a pull of ' + size:<46} {got['memory_mib']:>8.1f} MiB  {'<= 16 MiB':<12} "
          f"{'ok' if got['memory_mib'] <= 16 else 'over':<6}")
