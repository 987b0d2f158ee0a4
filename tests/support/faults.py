# SPDX-License-Identifier: Apache-2.0
"""Faults at chosen moments: the worlds in which they happen and what must hold after.

A *point* is one fault: a scenario (what is there, which command runs), a kind (what
goes wrong) and a moment (at which system call), written `SCENARIO/KIND/AT/PICK`.  Each
point runs in a world of its own: a state directory and a process that is the reaper of
all that is left behind.  After the fault, in every world:

  * the command, unless it was killed, ended with a sentence, and not by a crash;
  * `ps` tells the truth: what it says runs does, what runs it lists, and the locks agree;
  * every record can be read;
  * disks and volumes that nobody asked to remove are what they were;
  * `up` brings all up (every second point; the others go straight on to the next);
  * `down` leaves no process and no file but volumes, keys and images.

Points are chosen by a seed that is printed; a failed one is printed with the command
that repeats it alone.
"""

import argparse
import ctypes
import fcntl
import json
import os
import random
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import textwrap
import time
import traceback

import holostest
from holostest import BUILD, CRASH, FAKE_QEMU, FAKE_QEMU_IMG, INTERRUPTED, PROGRAM
from scenarios import SCENARIOS

SUPPORT = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.abspath(sys.argv[0])
FAULT_STEP = os.path.join(BUILD, "tests", "fault-step")
MARK = b"precious"
RUN_SECONDS = 60      # of one command; the machine may be busy
SETTLE_SECONDS = 20   # until what goes on by itself has come to rest
F_OFD_GETLK = 36      # fcntl.h
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Problem(Exception):
    """Something that must not be."""


class Run:
    """One command, started; `status` is set when it has ended (128 + signal if by one)."""

    def __init__(self, world, argv, env):
        self.world, self.argv = world, argv
        self.out_path, self.err_path = world.scratch("out"), world.scratch("err")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self.pid = os.posix_spawn(argv[0], argv, env, file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, self.out_path, flags, 0o600),
            (os.POSIX_SPAWN_OPEN, 2, self.err_path, flags, 0o600)])
        self.pidfd = os.pidfd_open(self.pid)  # now: another's wait() may reap it
        self.status = None

    def wait(self, seconds=RUN_SECONDS):
        try:
            if not select.select([self.pidfd], [], [], seconds)[0]:
                os.kill(self.pid, signal.SIGKILL)
                raise Problem(f"{self} does not end within {seconds} s")
        finally:
            os.close(self.pidfd)
        self.world.reap()
        status = (self.world.ended.pop(self.pid) if self.world.reaping
                  else os.waitpid(self.pid, 0)[1])
        self.status = (128 + os.WTERMSIG(status) if os.WIFSIGNALED(status)
                       else os.WEXITSTATUS(status))
        self.out, self.err = self._read(self.out_path), self._read(self.err_path)
        if CRASH.search(self.err):
            raise Problem(f"a program of ours crashed: {self}")
        if self.status - 128 in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE):
            raise Problem(f"crashed: {self}")
        return self

    @staticmethod
    def _read(path):
        with open(path, errors="backslashreplace") as f:
            return f.read()

    def __str__(self):
        text = f"$ {' '.join(self.argv)}"
        if self.status is not None:
            text += f"\n[exit status {self.status}]\n{self.out}{self.err}"
        return text


class World:
    """A state directory, a working directory, and the processes below this one."""

    project = "demo"

    def __init__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(holostest.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")
        self.dir = tempfile.mkdtemp(prefix="hf", dir="/tmp")
        self.state = os.path.join(self.dir, "s")
        self.work = os.path.join(self.dir, "w")
        self.ended = {}
        self.runs = 0
        self.marked = set()
        for name in "w", "w/bind", "h", "h/run", "b", "r":
            os.mkdir(os.path.join(self.dir, name), 0o700)
        os.chdir(self.work)
        subprocess.run([FAKE_QEMU_IMG, "create", "-q", "-f", "qcow2", "base.qcow2", "64M"],
                       check=True, env={"PATH": os.environ["PATH"]})
        shutil.copy("base.qcow2", "other.qcow2")
        self.env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "HOME": os.path.join(self.dir, "h"),
            "XDG_RUNTIME_DIR": os.path.join(self.dir, "h/run"),
            "HOLOS_STATE_DIR": self.state,
            "HOLOS_ACCEL": "tcg",
            "HOLOS_QEMU_SYSTEM": FAKE_QEMU,
            "HOLOS_QEMU_IMG": FAKE_QEMU_IMG,
            "HOLOS_HEALTH_BYPASS": "1",
            "FAKE_QEMU_BEHAVIOR": os.path.join(self.dir, "b"),
            # A traced program cannot look for leaks; the other runs do.
            "ASAN_OPTIONS": f"detect_leaks=0:log_path={self.dir}/sanitizer",
            "UBSAN_OPTIONS": f"log_path={self.dir}/sanitizer",
        }
        for name in "HOLOS_PLUGIN_PATH", "HOLOS_MODULE_DIR":
            if name in os.environ:
                self.env[name] = os.environ[name]

    def close(self):
        self.kill_all()
        os.chdir("/")
        if os.environ.get("HOLOS_TEST_KEEP"):
            print(f"kept: {self.dir}", file=sys.stderr)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def scratch(self, name):
        self.runs += 1
        return os.path.join(self.dir, "r", f"{self.runs % 64}-{name}")

    # --- processes

    reaping = True  # False: as under a PID 1 that is late

    def reap(self):
        while self.reaping:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.ended[pid] = status

    def processes(self):
        """{pid: argv} of what lives below this process."""
        self.reap()
        found, todo = {}, [os.getpid()]
        while todo:
            pid = todo.pop()
            try:
                with open(f"/proc/{pid}/task/{pid}/children") as f:
                    children = [int(c) for c in f.read().split()]
            except OSError:
                continue
            todo += children
            for child in children:
                if holostest.alive(child):
                    found[child] = self.argv(child)
        return found

    @staticmethod
    def argv(pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                return [a.decode("utf-8", "replace") for a in f.read().split(b"\0")]
        except OSError:
            return [""]

    def named(self, name):
        return {pid: argv for pid, argv in self.processes().items()
                if os.path.basename(argv[0]) == name}

    def kill_all(self):
        end = time.monotonic() + 10
        while (left := self.processes()) and time.monotonic() < end:
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.005)

    # --- commands

    def start(self, *args, fault=None, env=None):
        argv = [PROGRAM, *args]
        if fault:
            self.report = self.scratch("report")
            argv = [FAULT_STEP, *fault, "--root", str(os.getpid()), "--report", self.report,
                    "--", *argv]
        return Run(self, argv, {**self.env, **(env or {})})

    def run(self, *args, seconds=RUN_SECONDS, **kw):
        return self.start(*args, **kw).wait(seconds)

    def ok(self, *args, **kw):
        run = self.run(*args, **kw)
        if run.status != 0:
            raise Problem(f"must succeed: {run}")
        return run

    @staticmethod
    def pause(milliseconds):
        """Let a chosen time go by: what happens at that moment is the test."""
        if milliseconds:
            time.sleep(milliseconds / 1000)

    def counted(self):
        """(system calls of the class, faults that were brought about) of the last one."""
        with open(self.report) as f:
            return [int(n) for n in f.read().split()]

    def compose(self, text, name="holos.yaml"):
        with open(os.path.join(self.work, name), "w") as f:
            f.write(textwrap.dedent(text).lstrip("\n"))

    # --- what holds

    def instance_dir(self, instance):
        return os.path.join(self.state, "instances", self.project, instance)

    def root(self, instance):
        return os.path.join(self.instance_dir(instance), "root.qcow2")

    @property
    def volume(self):
        return os.path.join(self.state, "volumes", self.project, "data.qcow2")

    @staticmethod
    def _is_marked(path):
        try:
            with open(path, "rb") as f:
                f.seek(-len(MARK), os.SEEK_END)
                return f.read() == MARK
        except (FileNotFoundError, OSError):
            return False

    def mark(self):
        """Write into every disk that has none yet what only destruction takes away."""
        paths = [self.volume] if os.path.exists(self.volume) else []
        base = os.path.join(self.state, "instances", self.project)
        if os.path.isdir(base):
            paths += [self.root(n) for n in os.listdir(base) if os.path.exists(self.root(n))]
        for path in paths:
            if not self._is_marked(path):
                with open(path, "ab") as f:
                    f.write(MARK)
        self.marked |= set(paths)

    def check_disks(self, instances, volume=True):
        lost = [n for n in instances
                if self.root(n) in self.marked and not self._is_marked(self.root(n))]
        if volume and self.volume in self.marked and not self._is_marked(self.volume):
            lost.append("volume data")
        if lost:
            raise Problem(f"lost: {', '.join(lost)}")
        if not os.path.exists(os.path.join(self.work, "bind", "file")):
            raise Problem("lost: a file of a bind mount")

    @staticmethod
    def lock_held(path, byte):
        try:
            with open(path, "rb") as f:
                query = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
                answer = fcntl.fcntl(f, F_OFD_GETLK, query)
                return struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK
        except FileNotFoundError:
            return False

    def ps(self):
        """{instance: its object} of the project, {} when it is not known."""
        run = self.ok("ps", "--json")
        for project in json.loads(run.out):
            if project["name"] == self.project:
                return {i["name"]: i for s in project["services"] for i in s["instances"]}
        return {}

    def settle_when_full(self):
        """On a full disk a monitor cannot write what it knows: `ps` may be late, but no
        QEMU and no monitor may be unknown."""
        end = time.monotonic() + SETTLE_SECONDS
        while text := "; ".join(t for t in self.untrue().split("; ") if "not listed" in t
                                and not t.startswith("QEMU ")):
            if time.monotonic() > end:
                raise Problem(f"on a full disk: {text}")
            time.sleep(0.01)

    def untrue(self):
        """What `ps` says that is not so, as text; "" when all is true."""
        listed = self.ps()
        said = []
        live = self.processes()
        qemus = {pid for pid, argv in live.items() if os.path.basename(argv[0]) == "fake-qemu"}
        for name, i in listed.items():
            alive = os.path.join(i["work_dir"], "alive")
            if i["pid"] and i["pid"] not in qemus:
                said.append(f"{name} is {i['status']} with pid {i['pid']}, which is no QEMU")
            if i["status"] in ("running", "paused", "stopping") and not i["pid"]:
                said.append(f"{name} is {i['status']} without a pid")
            if i["status"] in ("running", "paused") and not self.lock_held(alive, 1):
                said.append(f"{name} is {i['status']} and nobody holds QEMU's lock")
            if i["status"] in ("stopped", "failed", "created") and self.lock_held(alive, 1):
                said.append(f"{name} is {i['status']} and QEMU's lock is held")
        for pid in qemus - {i["pid"] for i in listed.values()}:
            said.append(f"QEMU {pid} is not listed")
        dirs = {i["work_dir"] for i in listed.values()}
        for pid, argv in live.items():
            if os.path.basename(argv[0]) == "holos-monitor" and argv[1] not in dirs:
                said.append(f"monitor {pid} of {argv[1]} is not listed")
            if os.path.basename(argv[0]) in ("holos", "holos-worker", "fake-qemu-img"):
                said.append(f"{pid} {' '.join(argv)} is left")
        base = os.path.join(self.state, "instances", self.project)
        for name in os.listdir(base) if os.path.isdir(base) else []:
            if re.fullmatch(r"[a-z]+-\d+", name) and name not in listed:
                said.append(f"{name} is there and not listed")
        return "; ".join(said)

    def settle(self):
        """Wait until `ps` tells the truth."""
        end = time.monotonic() + SETTLE_SECONDS
        while text := self.untrue():
            if time.monotonic() > end:
                raise Problem(f"ps does not tell the truth: {text}")
            time.sleep(0.01)

    def check_records(self):
        for root, _, names in os.walk(self.state):
            for name in names:
                # (argv.json is the fake QEMU's diary.)
                if name.endswith(".json") and name != "argv.json" and "/.removing-" not in root:
                    with open(os.path.join(root, name)) as f:
                        try:
                            json.load(f)
                        except ValueError as e:
                            raise Problem(f"record {root}/{name}: {e}") from e

    def check_up(self, wanted, late=0):
        """late: seconds that a monitor may need to write it down."""
        self.settle()
        end = time.monotonic() + late
        while True:
            got = {n: i["status"] for n, i in self.ps().items()}
            if got == dict.fromkeys(wanted, "running") or time.monotonic() >= end:
                break
            time.sleep(0.01)
        if got != dict.fromkeys(wanted, "running"):
            raise Problem(f"not all is up: {got}")
        live = self.processes().values()
        for program in "fake-qemu", "holos-monitor":
            n = sum(os.path.basename(argv[0]) == program for argv in live)
            if n != len(wanted):
                raise Problem(f"{n} times {program} for {len(wanted)} VMs")

    # What `down` leaves on purpose.
    KEPT = re.compile(r"locks/[^/]+\.lock|ssh/[^/]+/id_ed25519(\.pub)?|images/(index\.json|\.states/[0-9a-f]{32}|\.use|\.make|\.lock|sha256-.*)"
                      r"|volumes/demo/data\.(qcow2|json)|cache/qemu-[0-9a-f]+\.json")

    def check_gone(self, volumes=False):
        end = time.monotonic() + SETTLE_SECONDS
        while left := self.processes():
            if time.monotonic() > end:
                raise Problem(f"processes are left: {left}")
            time.sleep(0.005)
        if listed := self.ps():
            raise Problem(f"listed after down: {list(listed)}")
        for root, dirs, names in os.walk(self.state):
            for name in names:
                path = os.path.relpath(os.path.join(root, name), self.state)
                if not self.KEPT.fullmatch(path) or (volumes and path.startswith("volumes/")):
                    raise Problem(f"a file is left after down: {path}")
            if root == os.path.join(self.state, "instances") and dirs:
                raise Problem(f"a directory is left after down: instances/{dirs[0]}")
        self.marked = {p for p in self.marked if p == self.volume and not volumes}

    def wipe(self):
        """Begin anew, whatever is there."""
        self.kill_all()
        for name in os.listdir(self.state) if os.path.isdir(self.state) else []:
            subprocess.run(["rm", "-rf", os.path.join(self.state, name)], check=True)
        self.marked = set()
        with open(os.path.join(self.work, "bind", "file"), "w") as f:
            f.write("data")
        for name in os.listdir(os.path.join(self.dir, "b")):
            os.unlink(os.path.join(self.dir, "b", name))

    def check_sanitizers(self):
        for name in os.listdir(self.dir):
            if name.startswith("sanitizer"):
                with open(os.path.join(self.dir, name)) as f:
                    raise Problem(f"a sanitizer complains: {f.read()[:4000]}")


# ---- kinds of faults ------------------------------------------------------------------

class Kind:
    """How fault-step is told, and what the command may do after it."""

    def __init__(self, name, class_="all", signal_=None, to="self", sticky=False, twice=0):
        self.name, self.class_, self.signal = name, class_, signal_
        self.to, self.sticky, self.twice = to, sticky, twice

    def options(self, at, pick):
        options = ["--class", self.class_, "--at", str(at), "--pick", str(pick)]
        if self.twice:
            options += ["--at", str(at + self.twice)]
        if self.signal:
            options += ["--signal", str(int(self.signal)), "--to", self.to]
        else:
            options += ["--error"] + (["--sticky"] if self.sticky else [])
        return options

    @property
    def kills_command(self):
        return self.signal == signal.SIGKILL and self.to in ("self", "group", "all")

    def check(self, run):
        """What it said and how it ended."""
        if self.kills_command:
            return
        allowed = {*range(9), holostest.HOLOS}
        if self.signal and self.signal != signal.SIGKILL:
            # Before the handlers are there, and the second time, it ends by the signal.
            allowed |= {INTERRUPTED, 128 + self.signal}
        if run.status not in allowed:
            raise Problem(f"exit status {run.status}: {run}")
        if run.status in allowed - {0} and run.status < 126 and "holos: " not in run.err:
            raise Problem(f"failed without a sentence: {run}")


KINDS = {k.name: k for k in [
    Kind("kill", signal_=signal.SIGKILL),
    Kind("kill-change", "change", signal_=signal.SIGKILL),
    Kind("kill-group", "change", signal_=signal.SIGKILL, to="group"),
    Kind("kill-child", "change", signal_=signal.SIGKILL, to="child"),
    Kind("kill-monitor", signal_=signal.SIGKILL, to="monitor"),
    Kind("kill-qemu", signal_=signal.SIGKILL, to="qemu"),
    Kind("kill-both", signal_=signal.SIGKILL, to="both"),
    Kind("kill-vms", signal_=signal.SIGKILL, to="vms"),
    Kind("kill-all", signal_=signal.SIGKILL, to="all"),
    Kind("term-all", signal_=signal.SIGTERM, to="all"),
    Kind("int", signal_=signal.SIGINT),
    Kind("int-twice", signal_=signal.SIGINT, twice=25),
    Kind("term", signal_=signal.SIGTERM),
    Kind("hup", signal_=signal.SIGHUP),
    Kind("nospace", "ENOSPC"),
    Kind("nospace-on", "ENOSPC", sticky=True),
    Kind("io", "EIO"),
    Kind("io-on", "EIO", sticky=True),
    Kind("readonly", "EROFS"),
    Kind("readonly-on", "EROFS", sticky=True),
    Kind("files", "EMFILE"),
    Kind("files-on", "EMFILE", sticky=True),
    Kind("again", "EINTR"),
    Kind("fork", "EAGAIN"),
    Kind("memory", "ENOMEM"),
]}


def prepare(world, scenario):
    """The state that the scenario's command finds."""
    world.compose(scenario.was)
    for command in scenario.before:
        world.ok(*command)
    world.mark()
    world.compose(scenario.now)


def count(world, scenario, kind):
    """How many moments there are."""
    world.wipe()
    prepare(world, scenario)
    options = ["--class", kind.class_]
    run = world.run(*scenario.verb, fault=options)
    if run.status != 0:
        raise Problem(f"fails without a fault: {run}")
    calls = world.counted()[0]
    world.ok(*scenario.down, "--volumes")
    return calls


def try_point(world, point):
    name, kind_name, at, pick = point.split("/")
    scenario, kind = SCENARIOS[name], KINDS[kind_name]
    prepare(world, scenario)
    run = world.run(*scenario.verb, fault=kind.options(int(at), int(pick)))
    kind.check(run)
    world.settle()
    world.check_records()
    world.check_disks(scenario.keeps, scenario.volume)
    if (int(at) + int(pick)) % 2 == 0:
        world.ok(*scenario.up)
        world.check_up(scenario.wanted)
        world.check_disks(scenario.keeps, scenario.volume)
        world.mark()
        world.ok(*scenario.down)
        world.check_gone()
        world.check_disks((), scenario.volume)
    world.ok(*scenario.down, "--volumes")
    world.check_gone(volumes=True)
    world.check_sanitizers()


# ---- many of them ----------------------------------------------------------------------

def worker(points, results, o, try_):
    # Whatever ends the test, nothing of it stays.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    world = World()
    try:
        world.wipe()
        for point in points:
            began = time.monotonic()
            try:
                try_(world, point)
                problem = None
            except Problem as e:
                problem = str(e)
            except Exception:
                problem = traceback.format_exc()
            if problem:
                print(f"\nFAILED {point}\n{problem}\nrepeat: HOLOS_BUILD={BUILD} "
                      f"PYTHONPATH={SUPPORT} python3 {SCRIPT} --only {point}", flush=True)
                if os.environ.get("HOLOS_TEST_KEEP"):
                    shutil.copytree(world.state, f"{world.dir}/kept-{point.replace('/', '-')}",
                                    symlinks=True, ignore=shutil.ignore_patterns("*.sock"))
                try:
                    world.wipe()
                except Exception:
                    problem += "\nand then: " + traceback.format_exc()
            if o.verbose:
                print(f"{point} {time.monotonic() - began:.2f} s", flush=True)
            results.write(json.dumps([point, problem]) + "\n")
            results.flush()
    finally:
        world.close()


def in_parallel(points, o, try_):
    """Try all points; (those that failed, how many were tried)."""
    jobs = max(1, min(o.jobs, len(points)))
    files, pids = [], []
    for i in range(jobs):
        results = tempfile.TemporaryFile("w+")
        files.append(results)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                worker(points[i::jobs], results, o, try_)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        pids.append(pid)
    failed, done = [], 0
    for pid, results in zip(pids, files):
        _, status = os.waitpid(pid, 0)
        results.seek(0)
        for line in results:
            done += 1
            point, problem = json.loads(line)
            if problem:
                failed.append(point)
        if status:
            print(f"a worker ended with status {status}")
    return failed, done


def choose(rng, names, kinds, share):
    """Points of the scenarios and kinds: `share` moments of each, all when it is 0."""
    points = []
    world = World()
    try:
        for name in names:
            calls = {}
            for kind in kinds:
                class_ = KINDS[kind].class_
                if class_ not in calls:
                    calls[class_] = count(world, SCENARIOS[name], KINDS[kind])
                n = calls[class_]
                if share == 0 or share >= n:
                    chosen = range(1, n + 1)
                else:
                    # One of each stretch: nowhere a gap.
                    edges = [1 + n * i // share for i in range(share + 1)]
                    chosen = [rng.randrange(edges[i], edges[i + 1]) for i in range(share)]
                points += [f"{name}/{kind}/{at}/{rng.randrange(8)}" for at in chosen]
    finally:
        world.close()
    return points


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true", help="all, not a sample")
    parser.add_argument("--seed", type=int, help="default: 1 for the sample, any for --full")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", action="append", metavar="POINT", help="repeat this one")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--scenario", action="append", help="these alone")
    parser.add_argument("--kind", action="append", help="these alone")
    o = parser.parse_args()
    if o.seed is None:
        o.seed = int.from_bytes(os.urandom(3), "big") if o.full else 1
    return o


def run_points(o, points, try_=try_point):
    """Try them, or those of --only, and exit."""
    points = o.only or points
    print(f"seed {o.seed}, {len(points)} points", flush=True)
    began = time.monotonic()
    failed, done = in_parallel(points, o, try_)
    print(f"{done} of {len(points)} points tried, {len(failed)} failed, "
          f"{time.monotonic() - began:.0f} s")
    sys.exit(1 if failed or done != len(points) else 0)


def main(plan, full_plan):
    """Each plan: [(scenarios, kinds, moments of each; 0: every one)]."""
    o = options()
    rng = random.Random(o.seed)
    points = []
    for names, kinds, share in full_plan if o.full else plan:
        if not o.only:
            points += choose(rng, [n for n in names if not o.scenario or n in o.scenario],
                             [k for k in kinds if not o.kind or k in o.kind], share)
    run_points(o, points)
