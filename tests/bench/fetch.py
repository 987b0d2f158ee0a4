# SPDX-License-Identifier: Apache-2.0
"""fetch.py RELEASE DIR [MIB] - pull of one image over loopback TLS beside `curl -o`.

The server sends one random block again and again, so that neither its disk nor its
memory counts.  `holos pull` hashes, verifies, syncs and stores what it gets; curl only
writes it.  Runs alternate; a ratio is the median of those of neighbours, so that what
else the machine does meets both.  Rows:

  as fast as it goes   the server encrypts, the client decrypts and a third process
                       hashes, all at once.  The budget of 1.1 needs a CPU for each; with
                       fewer the hash (0.8 s of a CPU for 1 GiB) is added to the rest
  at PACE              the server sends what a link of 2 Gbit/s would
  curl, sync, sha256sum
                       what a user would do by hand for the same safety
  memory               the largest resident set of any process of holos
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

ROUNDS = 5
BLOCK = 1 << 20
PACE = 250 << 20  # bytes a second


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
                began = time.monotonic()
                paced = b" /paced/" in head
                for i in range(self.mib):
                    s.sendall(self.block if i else self.first)
                    early = began + (i + 1) * BLOCK / PACE - time.monotonic()
                    if paced and early > 0:
                        time.sleep(early)
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
    env = {"PATH": os.environ["PATH"], "HOME": dir, "HOLOS_STATE_DIR": f"{dir}/fetch",
           "SSL_CERT_FILE": f"{dir}/certs/ca.pem"}
    got = f"{dir}/fetched"

    def url(path):
        return f"https://localhost:{server.port}{path}"

    def pull(path="/disk.qcow2"):
        return [f"{release}/bin/holos", "pull", f"{url(path)}#sha256={server.sha256}"]

    def curl(path="/disk.qcow2"):
        return ["curl", "-sS", "--cacert", f"{dir}/certs/ca.pem", "-o", got, url(path)]

    def clean():
        shutil.rmtree(f"{dir}/fetch", ignore_errors=True)
        if os.path.exists(got):
            os.remove(got)

    def one(argv):
        clean()
        return timed(argv, env)

    def compare(ours, theirs, rounds=ROUNDS):
        """Median ratio, and medians of both, of runs that alternate."""
        pairs = [(one(ours), one(theirs)) for _ in range(rounds)]
        return (statistics.median(a / b for a, b in pairs),
                statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs))

    by_hand = ["sh", "-c", '"$@" && sync -d "$0" && sha256sum "$0"', got, *curl()]
    rows = {"plain": compare(pull(), curl()),
            "paced": compare(pull("/paced/disk.qcow2"), curl("/paced/disk.qcow2"), 3),
            "by hand": compare(pull(), by_hand)}
    clean()
    memory = peak_memory(pull(), env)
    clean()
    return rows, memory


def show(name, ratio, target, note):
    verdict = "ok" if ratio <= target else "over"
    print(f"{name:<46} {ratio:>12.2f}  {'<= ' + str(target):<12} {verdict:<6} {note}")


if __name__ == "__main__":
    mib = int(sys.argv[3]) if len(sys.argv) > 3 else 1024
    rows, memory = main(sys.argv[1], sys.argv[2], mib)
    size, cpus = f"{mib} MiB", os.cpu_count()
    for key, name, target in (("plain", f"pull of {size} / curl -o", 1.1),
                              ("paced", f"the same at {PACE >> 20} MiB/s", 1.1),
                              ("by hand", f"pull of {size} / curl, sync, sha256sum", 1.0)):
        ratio, ours, theirs = rows[key]
        note = f"{ours:.2f} s / {theirs:.2f} s"
        if key == "plain":
            note += f", {cpus} CPUs for 3 processes, load {os.getloadavg()[0]:.1f}"
        show(name, ratio, target, note)
    print(f"{'memory of a pull of ' + size:<46} {memory:>8.1f} MiB  {'<= 16 MiB':<12} "
          f"{'ok' if memory <= 16 else 'over':<6}")
