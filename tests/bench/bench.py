# SPDX-License-Identifier: Apache-2.0
"""bench.py RELEASE DEV IMAGES DIR - runs what bench.sh made and prints the table.

DIR is private and holds the programs empty, spawn and calls.  Everything that is
started here carries HOLOS_BENCH in its environment and is ended at the end.
"""

import contextlib
import glob
import json
import os
import re
import resource
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

RELEASE, DEV, IMAGES, DIR = sys.argv[1:5]
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HOLOS = f"{RELEASE}/bin/holos"
WORKER = f"{RELEASE}/libexec/holos/holos-worker"
MONITOR = f"{RELEASE}/libexec/holos/holos-monitor"

MANY = 200      # instances of the big project
AMONG = 50      # VMs among which a monitor is weighed
BIG_ROUNDS = 3  # of up and down
COPIED = 10000  # files of a COPY
GUESTS = 3      # starts of the micro guest
RUN_MAX = 30    # seconds that one run of holos may take
COPY_MAX = 300  # the same where an emulated guest is built from a Dockerfile
ENTERS = 5      # of each way into a guest
ENTER_MIB = 32  # that go through it
EIGHT_MAX = 120 # the same where eight emulated guests boot meanwhile

BASE_ENV = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin:/usr/sbin:/sbin"),
    "HOME": DIR,
    "LANG": "C.UTF-8",
    "XDG_RUNTIME_DIR": DIR,
    "HOLOS_BENCH": DIR,
}
FAKE_ENV = {
    **BASE_ENV,
    "HOLOS_ACCEL": "tcg",
    "HOLOS_QEMU_SYSTEM": f"{DEV}/tests/fake-qemu",
    "HOLOS_QEMU_IMG": f"{DEV}/tests/fake-qemu-img",
    "FAKE_QEMU_BEHAVIOR": f"{DIR}/behavior",
}


class Skip(Exception):
    """A row that cannot be measured here, and why."""


class Failed(Exception):
    """Something did not work, whatever time it took."""


# ---- the table -----------------------------------------------------------------

def show(name, figure, target="", verdict="", note=""):
    line = f"{name:<46} {figure:>12}  {target:<12} {verdict:<6}"
    print(f"{line} {note}".rstrip(), flush=True)


def row(name, value, unit, limit=None, note="", digits=None):
    """One figure; `limit` is what it may be."""
    if digits is None:
        digits = 0 if value >= 100 else 1 if value >= 10 else 2
    target = "" if limit is None else f"<= {limit:g} {unit}".rstrip()
    verdict = "" if limit is None else "ok" if value <= limit else "over"
    show(name, f"{value:.{digits}f} {unit}".rstrip(), target, verdict, note)


# ---- running -------------------------------------------------------------------

def spawn(rounds, *commands, env=BASE_ENV):
    """Run the commands in turn; (wall ms, CPU ms, greatest RSS KiB) of each."""
    argv = [f"{DIR}/spawn", str(rounds)]
    for command in commands:
        argv += command + ["--"]
    out = subprocess.run(argv, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [(float(w) / 1000, float(c) / 1000, int(r))
            for w, c, r in (line.split() for line in out.splitlines())]


def holos(state, *args, env=FAKE_ENV, check=True, seconds=RUN_MAX):
    """Run holos to its end; seconds of wall time."""
    began = time.monotonic()
    try:
        done = subprocess.run([HOLOS, *args], env={**env, "HOLOS_STATE_DIR": state}, cwd=DIR,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              timeout=seconds)
    except subprocess.TimeoutExpired:
        if check:
            raise Failed(f"holos {args[0]} does not end within {seconds} s") from None
        return seconds
    took = time.monotonic() - began
    if check and done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("holos: ")]
        raise Failed(said[0] if said else f"holos {args[0]} ended with status {done.returncode}")
    return took


def processes():
    """{pid: command line} of everything that this bench started and that lives."""
    found, mark = {}, f"HOLOS_BENCH={DIR}".encode()
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            with open(f"/proc/{name}/environ", "rb") as f:
                if mark not in f.read().split(b"\0"):
                    continue
            with open(f"/proc/{name}/cmdline", "rb") as f:
                found[int(name)] = f.read().replace(b"\0", b" ").decode("utf-8", "replace")
    return found


def named(part):
    return [pid for pid, text in processes().items() if part in text]


def wait_until(condition, seconds):
    """For what tells nobody that it is done."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def private_kib(pid):
    """What only this process has: what it would free by ending."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return sum(int(line.split()[1]) for line in f if line.startswith("Private_"))


def compose(name, text):
    """A compose file in a directory of its own; its path."""
    path = f"{DIR}/{name}.yaml"
    with open(path, "w") as f:
        f.write(text)
    return path


def services(name, count, replicas, extra="", head=""):
    """`count` services of `replicas` each on an image that is never booted."""
    lines = [f"name: {name}", *([head] if head else []), "services:"]
    for i in range(count):
        lines += [f"  s{i}:", "    image: ./base.qcow2", f"    replicas: {replicas}"]
        lines += [f"    {line}" for line in extra.splitlines()]
    return compose(name, "\n".join(lines) + "\n")


# ---- the rows ------------------------------------------------------------------

def needed(path):
    out = subprocess.run(["readelf", "-d", path], check=True, stdout=subprocess.PIPE,
                         text=True).stdout
    return sorted(re.findall(r"\(NEEDED\).*\[(.*)\]", out))


def libraries():
    allowed = re.compile(r"(libyaml-0|libjson-c|libltdl|libc)\.so\.\d+$")
    for path in HOLOS, MONITOR:
        libs = needed(path)
        verdict = "ok" if all(map(allowed.match, libs)) else "over"
        show(f"{os.path.basename(path)} needs", f"{len(libs)} libs", "yaml json-c", verdict,
             " ".join(libs))


def version():
    empty, ours = spawn(151, [f"{DIR}/empty"], [HOLOS, "version"])
    row("holos version, against an empty program", ours[0] / empty[0], "x", 1.5,
        note=f"{ours[0]:.2f} / {empty[0]:.2f} ms")
    row("holos version, resident set", ours[2] / 1024, "MiB", 2,
        note=f"empty program: {empty[2] / 1024:.2f}")


def validate():
    env = {**BASE_ENV, "HOLOS_STATE_DIR": f"{DIR}/none"}
    path = services("fifty", 50, 5)
    got, = spawn(21, [HOLOS, "validate", "-f", path], env=env)
    row("validate, 50 services of 5 replicas", got[0], "ms", 4, note=f"CPU {got[1]:.1f} ms")
    row("validate, resident set", got[2] / 1024, "MiB", 6)
    took = {}
    for count in 10, 100, 1000:
        path = services(f"v{count}", count, 1, head="networks: {default: {subnet: 10.10.0.0/20}}")
        took[count], = spawn(5 if count == 1000 else 11, [HOLOS, "validate", "-f", path], env=env)
        row(f"validate, {count} services", took[count][0], "ms",
            note=f"CPU {took[count][1]:.1f} ms, RSS {took[count][2] / 1024:.1f} MiB")
    # What a service costs among many, against what it costs among few.
    few = (took[100][1] - took[10][1]) / 90
    row("a service of 1000 against one of 100, CPU", (took[1000][1] - took[100][1]) / 900 / few,
        "x", 1.5)


def plugin_dir():
    found = glob.glob(f"{RELEASE}/lib*/**/holos-net-user.so", recursive=True)
    if not found:
        raise Failed("the release build has no plugin net-user")
    return os.path.dirname(found[0])


def calls():
    done = subprocess.run([f"{DIR}/calls", WORKER, plugin_dir(),
                           f"{TOP}/examples/hello/holos.yaml",
                           f"{TOP}/tests/unit/provision/steps/host_key"],
                          env=BASE_ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failed(done.stderr.strip())
    got = dict(line.split() for line in done.stdout.splitlines())
    ms = {key[:-3]: float(value) / 1000 for key, value in got.items() if key.endswith("_us")}
    row("first plugin call (starts the worker)", ms["first_call"], "ms", 3,
        note=f"fastest {ms['fastest_first']:.2f} ms")
    row("further plugin call", ms["further_call"], "ms", 0.2, digits=3)
    row("seed of a VM, CPU", ms["seed_worker"] + ms["seed_caller"], "ms", 0.5,
        note=f"worker {ms['seed_worker']:.2f} + caller {ms['seed_caller']:.2f}")
    row("KVM probe", ms["kvm_probe"], "ms", note=f"verdict: {got['kvm_verdict']}")


def weigh(name, extra, ready):
    """Private KiB of the monitors of AMONG VMs and of their workers: two medians."""
    state = f"{DIR}/s"
    path = services(name, AMONG, 1, extra)
    try:
        holos(state, "up", "-f", path)
        if not wait_until(ready, 20):
            raise Failed("the monitors are not as far as expected after 20 s")
        monitors = [private_kib(pid) for pid in named("holos-monitor")]
        # Each worker is two processes: its keeper, and the one that plugins run in.
        both = [private_kib(pid) for pid in named("holos-worker")]
        workers = [2 * sum(both) / len(both)] if both else []
    finally:
        holos(state, "down", "-f", path, check=False)
    return statistics.median(monitors), statistics.median(workers) if workers else 0


def has_mapped(pid, part):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/maps") as f:
            return part in f.read()
    return False


def memory():
    alone, _ = weigh("plain", "", lambda: True)
    row(f"monitor, private, one among {AMONG}", alone / 1024, "MiB", 0.6)

    def probing():
        workers = named("holos-worker")
        return sum(has_mapped(p, "/libssh.so") for p in workers) == AMONG

    with open(f"{DIR}/behavior/default.conf", "w") as f:
        f.write("ssh=silent\n")
    try:
        monitor, worker = weigh("probed", "healthcheck: {test: [CMD, 'true'], interval: 1s}\n",
                                probing)
    finally:
        os.unlink(f"{DIR}/behavior/default.conf")
    row("monitor and its SSH probe, private", (monitor + worker) / 1024, "MiB", 2.5,
        note=f"{monitor / 1024:.2f} + {worker / 1024:.2f}")


def cpu_of(name):
    """Seconds of CPU that the living processes of this name have used."""
    total = 0
    for pid in named(name):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/schedstat") as f:
            total += int(f.read().split()[0]) / 1e9
    return total


def plain(vms):
    """Seconds that as many processes take that only start and end, on all CPUs."""
    monitor, qemu = spawn(21, [MONITOR, "--version"], [FAKE_ENV["HOLOS_QEMU_SYSTEM"], "--version"])
    return vms * (monitor[0] + qemu[0]) / 1000 / os.cpu_count()


def up_and_down(vms, state, rounds, env=FAKE_ENV):
    """Medians over some rounds: seconds of up, its CPU without QEMU's, seconds of down;
    then (wall ms, CPU ms, RSS KiB) of an up with nothing to do and of ps."""
    per = 5 if vms >= 5 else 1
    path = services(f"many{vms}", vms // per, per)
    ups, cpus, downs, idle, asked = [], [], [], None, None
    env = {**env, "HOLOS_STATE_DIR": state}
    for i in range(rounds):
        try:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            ups.append(holos(state, "up", "-f", path, "--progress", "quiet", env=env))
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime +
                        cpu_of("holos-monitor"))
            if i == 0:
                idle, = spawn(11, [HOLOS, "up", "-f", path, "--progress", "quiet"], env=env)
                asked, = spawn(21, [HOLOS, "ps"], env=env)
        finally:
            downs.append(holos(state, "down", "-f", path, "--progress", "quiet", env=env,
                               check=False))
    return statistics.median(ups), statistics.median(cpus), statistics.median(downs), idle, asked


def many():
    each = {}
    for vms in 1, 10, 50, MANY:
        floor = plain(vms)
        up, cpu, down, idle, asked = up_and_down(vms, f"{DIR}/s", BIG_ROUNDS)
        big = vms == MANY
        each[vms] = up
        row(f"up of {vms}, fake QEMU", up, "s", 1.0 if big else None,
            note=f"{up / floor:.1f} x plain processes ({floor:.2f} s); {up / vms * 1000:.1f} ms each")
        row(f"up of {vms}, CPU without QEMU's", cpu, "s", 1.5 if big else None)
        row(f"up of {vms} that run already", idle[0], "ms", 60 if big else None,
            note=f"CPU {idle[1]:.0f} ms, RSS {idle[2] / 1024:.1f} MiB")
        row(f"ps of {vms}", asked[0], "ms", 5 if big else None,
            note=f"CPU {asked[1]:.1f} ms, RSS {asked[2] / 1024:.1f} MiB")
        row(f"down of {vms}, fake QEMU", down, "s", 1.0 if big else None)
    # A line through 10 and 50, continued.
    line = each[50] + (each[50] - each[10]) / 40 * (MANY - 50)
    row(f"up of {MANY} against the line of 10 and 50", each[MANY] / line, "x", 1.25)


def in_memory():
    """The same without a disk's part in it."""
    if not os.path.isdir("/dev/shm"):
        raise Skip("no /dev/shm")
    state = tempfile.mkdtemp(prefix="hb", dir="/dev/shm")
    try:
        floor = plain(MANY)
        up, cpu, down, _, _ = up_and_down(MANY, state, BIG_ROUNDS)
    finally:
        shutil.rmtree(state, ignore_errors=True)
    row(f"up of {MANY}, state in memory", up, "s", 1.0,
        note=f"{up / floor:.1f} x plain processes; CPU without QEMU's {cpu:.2f} s")
    row(f"down of {MANY}, state in memory", down, "s", 1.0)


def real_qemu_img():
    program = shutil.which("qemu-img")
    if not program:
        raise Skip("no qemu-img")
    up, _, _, _, _ = up_and_down(MANY, f"{DIR}/s", BIG_ROUNDS,
                                 {**FAKE_ENV, "HOLOS_QEMU_IMG": program})
    row(f"up of {MANY}, real qemu-img", up, "s", 1.5)


def count_syncs(vms):
    """Calls of fsync and its like by `up` and by `down` of so many VMs, all processes."""
    state, log = f"{DIR}/s", f"{DIR}/strace.{vms}"
    path = services(f"sync{vms}", vms, 1)
    argv = ["strace", "-f", "-o", log, "-e", "trace=fsync,fdatasync,syncfs,sync,sync_file_range",
            "-e", "signal=none", HOLOS, "up", "-f", path, "--progress", "quiet"]
    trace = subprocess.Popen(argv, env={**FAKE_ENV, "HOLOS_STATE_DIR": state}, cwd=DIR,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def lines():
        with contextlib.suppress(OSError):
            with open(log) as f:
                return f.read().splitlines()
        return []

    def up_ended():
        # The first line is of the first process, unless nothing was synced at all.
        all_lines = lines()
        return trace.poll() is not None or (
            all_lines and any(line.startswith(all_lines[0].split()[0]) and "+++ exited" in line
                              for line in all_lines))

    try:
        if not wait_until(up_ended, 60):
            raise Failed("holos up under strace does not end within 60 s")
        up = sum("sync" in line and "resumed" not in line for line in lines())
    finally:
        holos(state, "down", "-f", path, check=False)
        # The monitors it followed are gone, and so is it.
        try:
            trace.wait(20)
        except subprocess.TimeoutExpired:
            trace.kill()
            trace.wait()
    all_syncs = sum("sync" in line and "resumed" not in line for line in lines())
    return up, all_syncs - up


def syncs():
    if not shutil.which("strace"):
        raise Skip("strace is not installed")
    few, more = count_syncs(5), count_syncs(25)
    row("fsyncs of a VM's first start", (more[0] - few[0]) / 20, "", 5,
        note=f"{few[0]} for 5 VMs, {more[0]} for 25")
    row("fsyncs of its monitor's end", (more[1] - few[1]) / 20, "")


def guest_state(name):
    """A state directory with the images of IMAGES, and the environment to use it."""
    if not glob.glob(f"{IMAGES}/images/*.qcow2"):
        raise Skip(f"no micro image in {IMAGES} (./dev demo makes it)")
    if not shutil.which("qemu-system-x86_64"):
        raise Skip("no qemu-system-x86_64")
    state = f"{DIR}/{name}"
    os.makedirs(f"{state}/images", 0o700)
    for path in glob.glob(f"{IMAGES}/images/*"):
        link_or_copy(path, f"{state}/images/{os.path.basename(path)}")
    return state, {**BASE_ENV, "HOLOS_ACCEL": "tcg", "HOLOS_STATE_DIR": state}


def guest():
    """From the monitor's start, and from QEMU's, to the first SSH login, under TCG."""
    state, env = guest_state("g")
    path = compose("guest", "name: guest\nservices:\n  vm: {image: micro, vm: {memory_mb: 128}}\n")
    from_start, from_run = [], []
    for _ in range(GUESTS):
        seen = {}
        try:
            up = subprocess.Popen([HOLOS, "up", "-f", path, "--wait", "--wait-timeout", f"{RUN_MAX}s",
                                   "--progress", "json"], env=env, cwd=DIR, text=True,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            why = "holos up failed"
            for line in up.stderr:
                if line.startswith("{"):
                    seen.setdefault(json.loads(line).get("status"), time.monotonic())
                elif line.startswith("holos: "):
                    why = line.strip()
            if up.wait():
                raise Failed(why)
        finally:
            holos(state, "down", "-f", path, env=env, check=False)
        from_start.append(seen["ready"] - seen["starting"])
        from_run.append(seen["ready"] - seen["running"])
    row("micro guest: start of QEMU to SSH, TCG", statistics.median(from_start), "s", 10,
        note=f"{statistics.median(from_run):.2f} s from the event \"running\"; "
             f"of {GUESTS}: {' '.join(f'{t:.2f}' for t in from_start)}")


COPY_DOCKERFILE = """\
FROM micro
COPY Dockerfile /srv/
RUN cut -d ' ' -f 1 /proc/uptime >/srv/times
COPY tree /srv/tree
RUN cd /srv; cut -d ' ' -f 1 /proc/uptime >>times; tar -cf plain.tar tree; mkdir plain; sync
RUN cd /srv; cut -d ' ' -f 1 /proc/uptime >>times; tar -xf plain.tar -C plain; \\
    cut -d ' ' -f 1 /proc/uptime >>times; touch done
HEALTHCHECK --interval=1s --start-interval=1s --start-period=5m CMD test -e /srv/done
"""


def copied_on_host(context):
    """Seconds that COPY adds to `up`, and those of tar."""
    plain = compose("nocopy", "name: nocopy\nservices:\n  vm: {image: ./base.qcow2}\n")
    copying = compose("copy", "name: copy\nservices:\n  vm:\n    image: ./base.qcow2\n"
                      f"    dockerfile: {context}/Dockerfile\n")
    ups = {}
    for path in (plain, copying) * 3:
        ups.setdefault(path, []).append(holos(f"{DIR}/c", "up", "-f", path))
        holos(f"{DIR}/c", "down", "-f", path)
    tars = []
    for _ in range(3):
        began = time.monotonic()
        subprocess.run(["tar", "-cf", f"{DIR}/tree.tar", "tree"], cwd=context, check=True)
        tars.append(time.monotonic() - began)
    return (statistics.median(ups[copying]) - statistics.median(ups[plain]),
            statistics.median(tars))


def copied_in_guest(context):
    """The same inside: seconds of the COPY there, and of tar."""
    state, env = guest_state("k")
    path = compose("copied", "name: copied\nservices:\n  vm:\n    vm: {disk_size: 1G}\n"
                   f"    dockerfile: {context}/Dockerfile\n")
    try:
        holos(state, "up", "-f", path, "--wait", "--wait-timeout", f"{COPY_MAX}s", env=env,
              seconds=COPY_MAX)
        said = subprocess.run([HOLOS, "exec", "-T", "copied", "vm-0", "cat", "/srv/times"], cwd=DIR,
                              env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
    finally:
        holos(state, "down", "-f", path, env=env, check=False)
    times = [float(line) for line in said.split()]
    return times[1] - times[0], times[3] - times[2]


def copy():
    """COPY of many files, from the host's into the guest's tree, against plain tar."""
    context = f"{DIR}/context"
    for i in range(COPIED):
        if i % 100 == 0:
            os.makedirs(f"{context}/tree/{i // 100}")
        with open(f"{context}/tree/{i // 100}/file{i}", "w") as f:
            f.write(f"content of file {i}\n" * (i % 100))
    with open(f"{context}/Dockerfile", "w") as f:
        f.write(COPY_DOCKERFILE)
    ours, tar = copied_on_host(context)
    row(f"COPY of {COPIED} files on the host, over tar", ours - tar, "s",
        note=f"{ours:.2f} - {tar:.2f} s")
    inside, plain_tar = copied_in_guest(context)
    row("the same in the guest, over tar, TCG", inside - plain_tar, "s",
        note=f"{inside:.2f} - {plain_tar:.2f} s")
    row("both", ours - tar + inside - plain_tar, "s", 2)
def ssh_to(state, project, instance):
    """The command line of ssh(1) for a guest."""
    folder = f"{state}/instances/{project}/{instance}"
    with open(f"{folder}/launch.json") as f:
        port = json.load(f)["ssh_port"]
    with open(f"{folder}/ssh_host_ed25519_key.pub") as f, open(f"{DIR}/known_hosts", "w") as to:
        to.write(f"[127.0.0.1]:{port} {f.read()}")
    with open(f"{state}/projects/{project}.json") as f:
        user = next(s["login_user"] for s in json.load(f)["services"])
    return ["ssh", "-F", "none", "-o", "ControlMaster=no", "-o", "BatchMode=yes",
            "-o", "LogLevel=ERROR", "-o", f"UserKnownHostsFile={DIR}/known_hosts",
            "-o", "IdentitiesOnly=yes", "-i", f"{state}/ssh/{project}/id_ed25519",
            "-p", str(port), f"{user}@127.0.0.1"]


def timed(argv, env, feed=None):
    """Seconds of one run; `feed`: a command whose output it reads."""
    began = time.monotonic()
    source = subprocess.Popen(feed, stdout=subprocess.PIPE) if feed else None
    done = subprocess.run(argv, env=env, cwd=DIR, stdin=source.stdout if source else subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if source:
        source.stdout.close()
        source.wait()
    if done.returncode:
        raise Failed(f"{argv[0]}: {done.stderr.strip() or done.returncode}")
    return time.monotonic() - began


def entering():
    """exec and cp against ssh(1) to the same guest, in turn, under TCG."""
    if not shutil.which("ssh"):
        raise Skip("no ssh")
    state, env = guest_state("x")
    path = compose("enter", "name: enter\nservices:\n  vm: {image: micro, vm: {memory_mb: 256}}\n")
    size = f"{ENTER_MIB << 20}"
    with open(f"{DIR}/payload", "wb") as f:
        f.write(os.urandom(ENTER_MIB << 20))
    try:
        holos(state, "up", "-f", path, "--wait", "--progress", "quiet", env=env, seconds=EIGHT_MAX)
        ssh = ssh_to(state, "enter", "vm-0")
        ours = [HOLOS, "exec", "-T", "enter", "vm-0", "--"]
        feed = ["cat", f"{DIR}/payload"]
        cases = {
            "exec true": (ours + ["true"], ssh + ["true"], None, 1.3),
            "exec, from the guest": (ours + ["head", "-c", size, "/dev/zero"],
                                     ssh + [f"head -c {size} /dev/zero"], None, 1 / 0.9),
            "exec, to the guest": (ours + ["sh", "-c", "cat >/dev/null"],
                                   ssh + ["cat >/dev/null"], feed, 1 / 0.9),
            "cp, to the guest": ([HOLOS, "cp", "-q", f"{DIR}/payload", "vm-0:/tmp/x", "-p", "enter"],
                                 ssh + ["cat >/tmp/x"], feed, 1 / 0.9),
            "cp, from the guest": ([HOLOS, "cp", "-q", "vm-0:/tmp/x", f"{DIR}/back", "-p", "enter"],
                                   ssh + ["cat /tmp/x"], None, 1 / 0.9),
        }
        for name, (mine, theirs, stdin, limit) in cases.items():
            mine_s, theirs_s = [], []
            for _ in range(ENTERS):
                theirs_s.append(timed(theirs, env, stdin))
                mine_s.append(timed(mine, env, None if mine[1] == "cp" else stdin))
            a, b = statistics.median(mine_s), statistics.median(theirs_s)
            row(f"{name}, against ssh", a / b, "x", limit, note=f"{a:.2f} / {b:.2f} s")
    finally:
        holos(state, "down", "-f", path, env=env, check=False)


def qmp_running(path, deadline):
    """Wait until the QEMU behind this socket says that its guest runs; a connection to it."""
    while True:
        if time.monotonic() > deadline:
            raise Failed("a QEMU of the shell script does not run")
        sock = socket.socket(socket.AF_UNIX)
        try:
            sock.connect(path)
            break
        except OSError:
            sock.close()
            time.sleep(0.002)
    talk = sock.makefile("rw")
    talk.readline()
    for command in "qmp_capabilities", "query-status":
        talk.write(json.dumps({"execute": command}) + "\n")
        talk.flush()
        answer = {}
        while "return" not in answer:
            answer = json.loads(talk.readline())
    if answer["return"].get("status") != "running":
        raise Failed("a QEMU of the shell script is not running")
    return sock, talk


def by_script(launches):
    """Start the same command lines in parallel from a shell script; seconds until all run."""
    script = f"{DIR}/start.sh"
    with open(script, "w") as f:
        for launch in launches:
            f.write(shlex.join([launch["program"], *launch["argv"][1:]]) + " &\n")
    sockets = [f"{launch['dir']}/qmp.sock" for launch in launches]
    for path in sockets:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    began = time.monotonic()
    subprocess.run(["sh", script], env=BASE_ENV, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    talks = [qmp_running(path, began + EIGHT_MAX) for path in sockets]
    took = time.monotonic() - began
    for sock, talk in talks:
        talk.write('{"execute": "quit"}\n')
        talk.flush()
        with contextlib.suppress(ConnectionError):
            while talk.readline():
                pass
        sock.close()
    return took


def eight():
    """up of 8 real VMs against a shell script with the same 8 command lines, in turn."""
    state, env = guest_state("e")
    path = compose("eight", "name: eight\nservices:\n"
                   "  vm: {image: micro, replicas: 8, vm: {memory_mb: 128}}\n")
    ups, scripts = [], []
    try:
        for _ in range(GUESTS):
            # As new each time; what it started is then started again by the script.
            ups.append(holos(state, "up", "-f", path, "--progress", "quiet", env=env,
                             seconds=EIGHT_MAX))
            holos(state, "kill", "-f", path, env=env)
            launches = []
            for file in sorted(glob.glob(f"{state}/instances/eight/*/launch.json")):
                with open(file) as f:
                    launches.append({**json.load(f), "dir": os.path.dirname(file)})
            scripts.append(by_script(launches))
            holos(state, "down", "-f", path, env=env)
    finally:
        holos(state, "down", "-f", path, env=env, check=False)
    up, script = statistics.median(ups), statistics.median(scripts)
    row("up of 8 real VMs, against a shell script", up / script, "x", 1.15,
        note=f"{up:.2f} / {script:.2f} s, TCG")


def link_or_copy(src, dst):
    """Images never change and may be shared; the index is ours."""
    try:
        if not os.path.basename(src).startswith("sha256-"):
            raise OSError
        os.link(src, dst)
    except OSError:
        shutil.copy2(src, dst)


# ---- the whole -----------------------------------------------------------------

def end_all():
    for sig in signal.SIGTERM, signal.SIGKILL:
        for pid in processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sig)
        if wait_until(lambda: not processes(), 5):
            return


def main():
    began = time.monotonic()
    os.mkdir(f"{DIR}/behavior")
    subprocess.run([f"{DEV}/tests/fake-qemu-img", "create", "-f", "qcow2", f"{DIR}/base.qcow2",
                    "64M"], env=BASE_ENV, check=True, stdout=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    load, failed = os.getloadavg()[0], False
    wanted = os.environ.get("BENCH_PARTS", "").split()
    parts = [part for part in (libraries, version, validate, calls, memory, many, in_memory,
                               real_qemu_img, syncs, copy, eight, guest, entering)
             if not wanted or part.__name__ in wanted]
    show("", "median", "target")
    try:
        for part in parts:
            try:
                part()
            except Skip as why:
                show(part.__name__, "skipped", note=str(why))
            except Failed as why:
                failed = True
                show(part.__name__, "FAILED", note=str(why))
    finally:
        end_all()
    print(f"({os.cpu_count()} CPUs, load {load:.1f} before; {time.monotonic() - began:.0f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
