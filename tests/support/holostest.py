# SPDX-License-Identifier: Apache-2.0
"""Base of the tests that run the real programs (rings cli and guest).

A test gets a state directory, a home and a working directory of its own, all
under one short path (a unix socket's path has 107 bytes), and runs the programs
of the build tree named by $HOLOS_BUILD or `--build DIR`.

Every process that a test starts carries HOLOS_TEST_ID in its environment, and
orphans become children of the test, which is a subreaper: so at the end of each
test `tearDown` knows that nothing is left, whatever session or group it is in.

FakeTest runs against fake-qemu and fake-qemu-img, GuestTest against QEMU.

HOLOS_TEST_KEEP=1 keeps the directories and names them; HOLOS_PROGRAM tests another
`holos` than the build tree's.
"""

import contextlib
import ctypes
import fcntl
import glob
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
import urllib.request
import weakref

PR_SET_CHILD_SUBREAPER = 36

# Exit statuses of holos (holos.md section 1).
OK, FAILED, USAGE, INVALID, HOST, BUSY, START, TIMEOUT, VERIFY = range(9)
HOLOS, INTERRUPTED = 125, 130

# What no program of ours may ever say.
CRASH = re.compile(r"AddressSanitizer|LeakSanitizer|runtime error:|Assertion .* failed|"
                   r"Traceback \(most recent|double free|stack smashing")


def _build_dir():
    if "--build" in sys.argv:
        at = sys.argv.index("--build")
        path = sys.argv[at + 1]
        del sys.argv[at:at + 2]
    else:
        path = os.environ.get("HOLOS_BUILD")
    if not path:
        sys.exit("set HOLOS_BUILD, or give --build DIR: the build tree to test")
    return os.path.abspath(path)


BUILD = _build_dir()
PROGRAM = os.environ.get("HOLOS_PROGRAM", os.path.join(BUILD, "bin", "holos"))
FAKE_QEMU = os.path.join(BUILD, "tests", "fake-qemu")
FAKE_QEMU_IMG = os.path.join(BUILD, "tests", "fake-qemu-img")


class Popen(subprocess.Popen):
    """A child that HolosTest.reap() knows of, so that it never takes its exit status away.

    To block SIGCHLD around a start would not do: the signal goes to another thread
    then, and Python runs its handler in the main one all the same.
    """
    starting = 0
    by_pid = weakref.WeakValueDictionary()
    _lock = threading.Lock()

    def __init__(self, *args, **kw):
        with Popen._lock:
            Popen.starting += 1
        try:
            super().__init__(*args, **kw)
            Popen.by_pid[self.pid] = self
        finally:
            with Popen._lock:
                Popen.starting -= 1


subprocess.Popen = Popen


class Result:
    """One finished run of a program."""

    def __init__(self, argv, status, out, err, seconds):
        self.argv, self.status, self.out, self.err = argv, status, out, err
        self.seconds = seconds

    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return (f"$ {' '.join(self.argv)}\n[exit status {self.status} after {self.seconds:.2f} s]\n"
                f"--- stdout\n{self.out}--- stderr\n{self.err}---")


class Running:
    """A program that goes on while the test does something else."""

    def __init__(self, test, argv, popen, out, err):
        self.test, self.argv, self.popen = test, argv, popen
        self._out, self._err = out, err
        self.pid = popen.pid
        self.started = time.monotonic()

    def signal(self, number):
        self.popen.send_signal(number)

    def interrupt(self):
        """Ctrl-C."""
        self.signal(signal.SIGINT)

    def output(self):
        return self._read(self._out), self._read(self._err)

    @staticmethod
    def _read(file):
        size = os.fstat(file.fileno()).st_size
        return os.pread(file.fileno(), size, 0).decode("utf-8", "backslashreplace")

    def finish(self, timeout=20):
        try:
            status = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            out, err = self.output()
            self.popen.kill()
            self.popen.wait()
            self.test.fail(f"{' '.join(self.argv)} does not end within {timeout} s\n"
                           f"--- stdout\n{out}--- stderr\n{err}---{self.test.evidence()}")
        out, err = self.output()
        result = Result(self.argv, status, out, err, time.monotonic() - self.started)
        self.test.check_sane(result)
        return result


class Ports:
    """Host ports that no other test takes meanwhile.

    They lie below the kernel's ephemeral range; each is reserved for the life
    of this process by an abstract unix socket of its number.
    """

    def __init__(self):
        self._held = []

    def _reserve(self, port):
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0holostest-port-{port}")
        except OSError:
            mark.close()
            return False
        self._held.append(mark)
        return True

    @staticmethod
    def _free(port):
        for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
            with socket.socket(socket.AF_INET, kind) as s:
                try:
                    s.bind(("127.0.0.1", port))
                except OSError:
                    return False
        return True

    def get(self, count=1):
        """The first of `count` free ports in a row."""
        while True:
            first = random.randrange(20000, 32000 - count)
            if all(self._reserve(p) and self._free(p) for p in range(first, first + count)):
                return first


PORTS = Ports()


def listening(port, host="127.0.0.1"):
    """A socket that holds the port; the caller closes it."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, port))
    s.listen()
    return s


def process_field(pid, name):
    """A line of /proc/PID/status, or None."""
    try:
        with open(f"/proc/{pid}/status") as f:
            for line in f:
                if line.startswith(name + ":"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return None


def alive(pid):
    """True for a process that runs; a zombie does not."""
    state = process_field(pid, "State")
    return state is not None and state[0] not in "ZX"


class HolosTest(unittest.TestCase):
    maxDiff = None
    timeout = 20       # of one run, seconds
    has_programs = True

    @classmethod
    def setUpClass(cls):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
        if cls.has_programs and not os.access(PROGRAM, os.X_OK):
            raise AssertionError(f"{PROGRAM} is not there: build first")

    # --- life of one test

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="ht", dir="/tmp")
        self.addCleanup(self._remove_dir)
        self.id = f"{os.getpid()}-{os.path.basename(self.dir)}"
        self.state = os.path.join(self.dir, "s")
        self.work = os.path.join(self.dir, "w")
        self.home = os.path.join(self.dir, "h")
        for path in self.work, self.home:
            os.mkdir(path)
        os.mkdir(os.path.join(self.home, "run"), 0o700)
        self.env = self.make_env()
        self._running = {}
        self._reap_held = False
        self._old_sigchld = signal.signal(signal.SIGCHLD, lambda *_: self.reap())
        self.addCleanup(signal.signal, signal.SIGCHLD, self._old_sigchld)

    def make_env(self):
        env = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin:/usr/sbin:/sbin"),
            "LANG": "C.UTF-8",
            "HOME": self.home,
            "XDG_CONFIG_HOME": os.path.join(self.home, ".config"),
            "XDG_CACHE_HOME": os.path.join(self.home, ".cache"),
            "XDG_DATA_HOME": os.path.join(self.home, ".local/share"),
            "XDG_STATE_HOME": os.path.join(self.home, ".local/state"),
            "XDG_RUNTIME_DIR": os.path.join(self.home, "run"),
            "HOLOS_STATE_DIR": self.state,
            "HOLOS_TEST_ID": self.id,
        }
        for name in "HOLOS_PLUGIN_PATH", "HOLOS_MODULE_DIR":
            if name in os.environ:
                env[name] = os.environ[name]
        # A sanitizer's report of a monitor or a worker would be lost with its log.
        for name in "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS":
            options = os.environ.get(name)
            env[name] = (options + ":" if options else "") + f"log_path={self.dir}/sanitizer"
        return env

    def tearDown(self):
        self._release_reaping()
        try:
            for run in self._running.values():
                if run.popen.poll() is None:
                    run.popen.kill()
                    run.popen.wait()
            if self.has_programs:
                self._take_down_all()
        finally:
            left = self._leftovers(seconds=3)
            for pid, text in left.items():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.wait_until(lambda: not self.processes(), 5)
            self.reap()
        reports = [self.read(path) for path in glob.glob(f"{self.dir}/sanitizer*")]
        if reports:
            self.fail("a sanitizer complains:\n" + "\n".join(reports)[:20000])
        if left:
            self.fail("processes are left: " + "; ".join(left.values()))

    def _take_down_all(self):
        """A test need not tidy up; that tidying up works is tested all the same."""
        listed = self.holos("ps", "--json")
        if listed.status == OK:
            for project in listed.json():
                down = self.holos("down", project["name"], "--volumes", timeout=40)
                if down.status:
                    self.fail(f"the test's own tidying up failed\n{down}")

    def _leftovers(self, seconds):
        self.wait_until(lambda: not self.processes(), seconds)
        return self.processes()

    def _remove_dir(self):
        for root, dirs, _ in os.walk(self.dir):
            for name in dirs:
                path = os.path.join(root, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o700)
        if os.environ.get("HOLOS_TEST_KEEP"):
            print(f"kept: {self.dir}", file=sys.stderr)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    # --- processes

    def processes(self):
        """PIDs (zombies not counted) of what this test started and its command lines."""
        found = {}
        mark = f"HOLOS_TEST_ID={self.id}".encode()
        mine = {r.pid for r in self._running.values()}
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) in mine or int(name) == os.getpid():
                continue
            marked, text = False, "(ending)"
            # A process that ends has lost its memory (ESRCH) while it still holds its locks.
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/environ", "rb") as f:
                    marked = mark in f.read().split(b"\0")
                with open(f"/proc/{name}/cmdline", "rb") as f:
                    text = f.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
            # A program that clears its environment is still our orphan.
            if (marked or process_field(name, "PPid") == str(os.getpid())) and alive(name):
                found[int(name)] = f"{name} {text[:200]}"
        return found

    def processes_named(self, part):
        return [pid for pid, text in self.processes().items() if part in text]

    def reap(self):
        """Collect orphans that ended; children of Popen are left to it."""
        while not self._reap_held and not Popen.starting:
            try:
                info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if info is None:
                return
            known = Popen.by_pid.get(info.si_pid)
            if known is not None and known.returncode is None:
                if known.poll() is None:
                    return  # Popen.wait() is at it
            else:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(info.si_pid, os.WNOHANG)

    @contextlib.contextmanager
    def zombies_stay(self):
        """As under a PID 1 that reaps late."""
        self._reap_held = True
        try:
            yield
        finally:
            self._release_reaping()

    def _release_reaping(self):
        self._reap_held = False
        self.reap()

    def spawn(self, argv, cwd=None, env=None, stdin=None):
        out = tempfile.TemporaryFile(dir=self.dir)
        err = tempfile.TemporaryFile(dir=self.dir)
        full = dict(self.env)
        for name, value in (env or {}).items():
            if value is None:
                full.pop(name, None)
            else:
                full[name] = str(value)
        # Files, not pipes: what outlives the program must not hold up the test.
        popen = Popen(argv, cwd=cwd or self.work, env=full, stdout=out, stderr=err,
                      stdin=stdin or subprocess.DEVNULL)
        run = Running(self, argv, popen, out, err)
        self._running[popen.pid] = run
        self.reap()
        self.addCleanup(out.close)
        self.addCleanup(err.close)
        return run

    # --- running holos

    def start(self, *args, **kw):
        """Start `holos ARGS` and return at once."""
        return self.spawn([PROGRAM, *[str(a) for a in args]], **kw)

    def holos(self, *args, timeout=None, input=None, **kw):
        stdin = None
        if input is not None:
            stdin = tempfile.TemporaryFile(dir=self.dir)
            stdin.write(input.encode() if isinstance(input, str) else input)
            stdin.seek(0)
        try:
            return self.start(*args, stdin=stdin, **kw).finish(timeout or self.timeout)
        finally:
            if stdin:
                stdin.close()

    def ok(self, *args, **kw):
        """Run holos; it must succeed."""
        result = self.holos(*args, **kw)
        self.assertEqual(result.status, OK, f"{result}")
        return result

    def fails(self, status, *args, match=None, **kw):
        """Run holos; it must end with this status, and say why (regex) on stderr."""
        result = self.holos(*args, **kw)
        self.assert_failed(result, status, match)
        return result

    def assert_failed(self, result, status, match=None):
        self.assertEqual(result.status, status, f"{result}")
        said = [line for line in result.err.splitlines() if line.startswith("holos: ")]
        self.assertTrue(said, f"no line of stderr starts with 'holos: '\n{result}")
        for pattern in [match] if isinstance(match, str) else match or []:
            self.assertRegex(result.err, pattern, f"{result}")

    def evidence(self):
        """The last words of every VM: its directory is gone when one reads the report."""
        text = ""
        for folder, _, names in sorted(os.walk(os.path.join(self.state, "instances"))):
            for name in sorted({"vm.json", "monitor.log", "qemu.log", "console.log"} & set(names)):
                with open(os.path.join(folder, name), "rb") as f:
                    f.seek(max(0, os.fstat(f.fileno()).st_size - 3000))
                    text += f"\n--- {os.path.basename(folder)}/{name}\n"
                    text += f.read().decode("utf-8", "backslashreplace")
        return text

    def check_sane(self, result):
        if CRASH.search(result.err):
            self.fail(f"a program of ours crashed\n{result}")
        if result.status < 0 and -result.status not in (signal.SIGKILL, signal.SIGTERM):
            self.fail(f"killed by signal {-result.status}\n{result}")

    # --- files

    def compose(self, text, name="holos.yaml", dir=None):
        """Write a compose file (indentation is taken off); returns its path."""
        path = os.path.join(dir or self.work, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(textwrap.dedent(text).lstrip("\n"))
        return path

    def instance_dir(self, project, instance):
        return os.path.join(self.state, "instances", project, instance)

    def read(self, *parts):
        with open(os.path.join(*parts), errors="backslashreplace") as f:
            return f.read()

    def read_json(self, *parts):
        return json.loads(self.read(*parts))

    # --- state as a user sees it

    def ps(self, *args):
        return self.ok("ps", "--json", *args).json()

    def project(self, name):
        for project in self.ps():
            if project["name"] == name:
                return project
        return None

    def instances(self, name):
        """{instance name: its object of `ps --json`}; {} for an unknown project."""
        project = self.project(name) or {"services": []}
        return {i["name"]: i for s in project["services"] or [] for i in s["instances"]}

    def statuses(self, name):
        return {n: i["status"] for n, i in self.instances(name).items()}

    def assert_statuses(self, project, **want):
        """web_0="running" stands for instance web-0; all instances are to be named."""
        self.assertEqual(self.statuses(project),
                         {name.replace("_", "-"): status for name, status in want.items()})

    # --- waiting

    @staticmethod
    def wait_until(condition, seconds):
        """True as soon as the condition holds, False when the time is over.

        For what has no event that a test could wait for.
        """
        end = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                return False
            time.sleep(0.01)

    def wait_for(self, condition, what, seconds=10):
        value = self.wait_until(condition, seconds)
        if not value:
            self.fail(f"after {seconds} s still not: {what}\nps: {self.holos('ps', '--json').out}"
                      if self.has_programs else f"after {seconds} s still not: {what}")
        return value

    def wait_status(self, project, instance, status, seconds=10):
        self.wait_for(lambda: self.statuses(project).get(instance) == status,
                      f"{instance} is {status}", seconds)


class FakeTest(HolosTest):
    """Against the fakes: no KVM, no guest, no network; health is bypassed unless
    a test says otherwise."""

    health_bypass = True

    def setUp(self):
        super().setUp()
        os.mkdir(self.behavior_dir)
        self.image = os.path.join(self.work, "base.qcow2")
        made = subprocess.run([FAKE_QEMU_IMG, "create", "-f", "qcow2", self.image, "64M"],
                              env={"PATH": self.env["PATH"]})
        self.assertEqual(made.returncode, 0)

    def make_env(self):
        env = super().make_env()
        self.behavior_dir = os.path.join(self.dir, "b")
        self.qemu_log_path = os.path.join(self.dir, "qemu.jsonl")
        self.qemu_img_log_path = os.path.join(self.dir, "qemu-img.jsonl")
        env.update(
            HOLOS_ACCEL="tcg",
            HOLOS_QEMU_SYSTEM=FAKE_QEMU,
            HOLOS_QEMU_IMG=FAKE_QEMU_IMG,
            FAKE_QEMU_LOG=self.qemu_log_path,
            FAKE_QEMU_BEHAVIOR=self.behavior_dir,
            FAKE_QEMU_IMG_LOG=self.qemu_img_log_path,
        )
        if self.health_bypass:
            env["HOLOS_HEALTH_BYPASS"] = "1"
        return env

    def behave(self, vm="default", **orders):
        """Orders for the next start of a VM (behavior.c); none: an ordinary one."""
        path = os.path.join(self.behavior_dir, f"{vm}.conf")
        with open(path + ".new", "w") as f:
            for key, value in orders.items():
                f.write(f"{key}={int(value) if isinstance(value, bool) else value}\n")
        os.rename(path + ".new", path)

    @staticmethod
    def _json_lines(path):
        try:
            with open(path) as f:
                return [json.loads(line) for line in f]
        except FileNotFoundError:
            return []

    def qemu_log(self, event=None, vm=None):
        return [e for e in self._json_lines(self.qemu_log_path)
                if event in (None, e["event"]) and vm in (None, e["name"])]

    def qemu_img_log(self):
        return self._json_lines(self.qemu_img_log_path)

    def starts(self, vm=None):
        """How many QEMUs were started."""
        return len(self.qemu_log("start", vm))

    def argv(self, vm):
        """The arguments of the last start of a VM."""
        found = self.qemu_log("start", vm)
        self.assertTrue(found, f"no QEMU was started for {vm}")
        return found[-1]["argv"]

    def option(self, vm, name):
        """All values of one QEMU option."""
        argv = self.argv(vm)
        return [argv[i + 1] for i, a in enumerate(argv[:-1]) if a == "-" + name]

    def root_disk(self, project, instance):
        return os.path.join(self.instance_dir(project, instance), "root.qcow2")

    def mark_disk(self, project, instance, text="precious"):
        """Write into the root disk's tail what only destruction can take away."""
        with open(self.root_disk(project, instance), "ab") as f:
            f.write(text.encode())

    def disk_is_marked(self, project, instance, text="precious"):
        try:
            with open(self.root_disk(project, instance), "rb") as f:
                return f.read().endswith(text.encode())
        except FileNotFoundError:
            return False

    def kill_qemu(self, project, instance, number=signal.SIGKILL):
        pid = self.instances(project)[instance]["pid"]
        self.assertGreater(pid, 1)
        os.kill(pid, number)
        return pid

    def monitors(self):
        return self.processes_named("holos-monitor")

    def qemus(self):
        return self.processes_named("fake-qemu ")

    def get(self, port, host="127.0.0.1"):
        """What a forwarded port says."""
        with socket.create_connection((host, port), timeout=5) as s:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
            data = b""
            while chunk := s.recv(4096):
                data += chunk
        return data.decode().split("\r\n\r\n", 1)[1].strip()


class GuestTest(HolosTest):
    """Against QEMU and the micro image: holos itself finds out how to run them.

    The image is made once per build tree, by holos, in a state directory of its
    own; each test gets the image store as hard links.
    """

    timeout = 120
    store = os.path.join(BUILD, "tests", "guest")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not shutil.which("qemu-system-x86_64"):
            raise unittest.SkipTest("no qemu-system-x86_64 here")

    def setUp(self):
        super().setUp()
        os.makedirs(self.store, mode=0o700, exist_ok=True)
        with open(os.path.join(self.store, "lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not os.path.exists(os.path.join(self.store, "made")):
                self._make_image()
        os.mkdir(self.state, 0o700)
        # A lock with another name is refused.
        shutil.copytree(os.path.join(self.store, "state", "images"),
                        os.path.join(self.state, "images"), copy_function=os.link,
                        ignore=shutil.ignore_patterns(".lock", ".make", ".use"))

    def make_env(self):
        env = super().make_env()
        env["XDG_CACHE_HOME"] = os.path.join(self.store, "cache")
        for name in "HOLOS_ACCEL", "HOLOS_QEMU_SYSTEM", "HOLOS_QEMU_IMG":
            if name in os.environ:
                env[name] = os.environ[name]
        return env

    def _make_image(self):
        state = os.path.join(self.store, "state")
        env = {"HOLOS_STATE_DIR": state}
        shutil.rmtree(state, ignore_errors=True)
        self.ok("run", "--name", "make", "micro", env=env, timeout=400)
        self.ok("down", "make", env=env, timeout=60)
        with open(os.path.join(self.store, "made"), "w"):
            pass

    def guest(self, instance, *command, timeout=60, status=OK, project="demo", patience="1m"):
        """Run a command in the guest; returns its stdout.  status None: whatever comes of it."""
        result = self.holos("exec", "-T", "-w", patience, project, instance, *command,
                            timeout=timeout)
        if status is not None:
            self.assertEqual(result.status, status, f"{result}")
        return result.out

    def sh(self, instance, script, **kw):
        return self.guest(instance, "sh", "-c", script, **kw)

    def vm(self, instance, project="demo"):
        """What the monitor wrote about a VM."""
        return self.read_json(self.instance_dir(project, instance), "vm.json")

    def console(self, instance, project="demo"):
        return self.read(self.instance_dir(project, instance), "console.log")

    def fetch(self, port, host="127.0.0.1", path=""):
        with urllib.request.urlopen(f"http://{host}:{port}/{path}", timeout=20) as answer:
            return answer.read().decode()


def main():
    unittest.main(verbosity=2)
