# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests have in hand: workloads, agents, waiting, and words for asserting."""

import contextlib
import datetime
import fcntl
import glob
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from received import Received

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
DOCKPROF = os.environ.get("DOCKPROF", os.path.join(ROOT, "build", "dockprof"))
HZ = 97
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")


class Skip(Exception):
    """The machine cannot do this; the text says why."""


def flavours(*names):
    """Limits a test that takes an engine to these flavours."""
    def mark(function):
        function.flavours = names
        return function
    return mark


def timeout_s(seconds):
    def mark(function):
        function.timeout_s = seconds
        return function
    return mark


def alone(function):
    """A test that claims how long something takes, or how much memory: no other runs beside it."""
    function.alone = True
    return function


@contextlib.contextmanager
def only_one(path):
    """Of all workers one at a time is in here."""
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_bounded(command, seconds):
    """
    Runs it with all that it starts, which ends with it: (exit code, None where it took too long; what it said to
    stderr).
    """
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
                                   start_new_session=True)
        code = None
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = process.wait(seconds)
        finally:
            if code is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        said.seek(0)
        return code, said.read()


def wait_until(condition, what, timeout=20, interval=0.05):
    """Waits for a truthy answer and returns it; what: for the message where it never comes."""
    deadline = time.monotonic() + timeout
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout} s still not: {what}")
        time.sleep(interval)


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def promtool():
    """The program's path: installed, or what `make deps-check` fetched."""
    path = shutil.which("promtool", path=os.environ["PATH"] + ":" + os.path.join(ROOT, ".cache"))
    if not path:
        raise Skip("promtool is not installed")
    return path


def check_can_sample():
    """Skips where this process may not load BPF programs or open perf events on all CPUs."""
    need_root()
    with open("/proc/self/status") as status:
        capabilities = next(int(l.split()[1], 16) for l in status if l.startswith("CapEff"))
    if not (capabilities >> 21 & 1 or capabilities >> 39 & 1 and capabilities >> 38 & 1):
        raise Skip("needs CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON")
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        raise Skip("this kernel has no BTF")


class Shared:
    """What all tests of a run share, whichever worker runs them: compiled workloads."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="dockprof-e2e-")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)

    def workload(self, name, variant=None):
        """The static program made of tests/e2e/workloads/NAME.c; its hot function is crush_VARIANT."""
        label = f"{name}-{variant}" if variant else name
        return self.built(label, lambda path: self.compile(path, name, variant))

    def built(self, label, build):
        """The path of what build(path) makes, once; where that raises Skip, all who ask later hear the same."""
        path = os.path.join(self.directory, label)
        with only_one(path + ".lock"):
            if os.path.exists(path + ".skip"):
                with open(path + ".skip") as file:
                    raise Skip(file.read())
            if not os.path.exists(path):
                try:
                    build(path + ".new")
                except Skip as reason:
                    with open(path + ".skip", "w") as file:
                        file.write(str(reason))
                    raise
                os.rename(path + ".new", path)
        return path

    @staticmethod
    def compile(path, name, variant):
        compiler = shutil.which("gcc") or shutil.which("cc")
        if not compiler:
            raise Skip("no C compiler for the workloads")
        renamed = [f"-Dcrush=crush_{variant}"] if variant else []
        subprocess.run(
            [compiler, "-static", "-O2", "-g0", "-fno-omit-frame-pointer",
             "-mno-omit-leaf-frame-pointer", "-pthread", *renamed,
             "-o", path, os.path.join(ROOT, "tests", "e2e", "workloads", name + ".c")],
            check=True)


class Agent:
    """A running dockprof; its stderr goes to a file."""

    def __init__(self, command, environment, log_path):
        self.log_path = log_path
        with open(log_path, "w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True,
                                            stdin=subprocess.DEVNULL, env=environment)
        self.pid = self.process.pid

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def wait_for_log(self, text, timeout=20):
        def found():
            if self.process.poll() is not None and text not in self.log():
                raise AssertionError(f"dockprof ended ({self.process.returncode}): {self.log()}")
            return text in self.log()
        wait_until(found, f"{text!r} in dockprof's log", timeout)

    def logged_at(self, text):
        """The time of the first line with `text`, in seconds since 1970."""
        line = next(line for line in self.log().splitlines() if text in line)
        stamp = line.split("ts=")[1].split()[0]
        return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, timeout=20):
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def rss_kb(self):
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def descriptors(self):
        """What its file descriptors are of."""
        paths = []
        for path in glob.glob(f"/proc/{self.pid}/fd/*"):
            with contextlib.suppress(OSError):
                paths.append(os.readlink(path))
        return paths


class Run:
    """One test's things. All of them end with the test."""

    def __init__(self, shared, name):
        self.shared = shared
        self.directory = tempfile.mkdtemp(prefix=name + "-", dir=shared.directory)
        # Of the agent, for `explain`; short, because the kernel takes 107 bytes.
        self.socket = os.path.join(shared.directory, self.directory[-8:] + ".sock")
        self.engine = None
        self.program = DOCKPROF
        self.agents = []
        self.closing = []

    def use_engine(self, engine):
        self.engine = engine
        return engine

    def image(self, name="burn", variant=None, **files):
        """The name of an image with /NAME (and `files`: name -> path) in the test's engine."""
        tag = "-".join([name, *([variant] if variant else []), *sorted(files)]) + ":latest"
        if tag not in self.engine.images:
            contents = {"/" + name: self.shared.workload(name, variant)}
            contents.update({"/" + inside: path for inside, path in files.items()})
            self.engine.api.import_image(tag, contents)
            self.engine.images.add(tag)
        return tag

    def busybox(self):
        """The path of a static busybox."""
        path = shutil.which("busybox")
        if not path:
            raise Skip("busybox is not installed")
        return path

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)
        return self.path(name)

    def later(self, close):
        """Called at the end of the test, last first."""
        self.closing.append(close)

    def environment(self, **variables):
        environment = {"PATH": os.environ["PATH"], "HOME": self.directory, **variables}
        if self.engine:
            environment.setdefault("DOCKER_HOST", self.engine.host)
        return {name: value for name, value in environment.items() if value is not None}

    def public(self):
        """Lets every user reach this test's directory, and the program in it."""
        for directory in (self.shared.directory, self.directory):
            os.chmod(directory, 0o755)
        self.program = shutil.copy(DOCKPROF, self.directory)

    def command(self, *arguments, inside=()):
        """inside: a command before the program, in the namespaces of the engine."""
        command = [*inside, self.program, *arguments]
        return self.engine.enter(command) if self.engine else ["setpriv", "--pdeathsig", "KILL",
                                                               "--", *command]

    def dockprof(self, *arguments, stdin=None, timeout=60, prefix=(), inside=(), before=None,
                 **variables):
        """Runs it to its end; a CompletedProcess with text. before: called in its process first."""
        return subprocess.run([*prefix, *self.command(*arguments, inside=inside)], input=stdin, text=True,
                              capture_output=True, timeout=timeout, check=False,
                              preexec_fn=before, env=self.environment(**variables))

    def agent(self, *arguments, inside=(), **variables):
        """
        Starts `dockprof ARGUMENTS...`; it is killed at the end of the test. Agents of other tests run beside it, so
        where neither the configuration nor an argument says where its page is, it is at any free port.
        """
        if arguments[0] == "run" and not self.says_where_its_page_is(arguments):
            arguments = [*arguments, "--web.listen-address=127.0.0.1:0"]
        log = self.path(f"dockprof-{len(self.agents)}.log")
        agent = Agent(self.command(*arguments, inside=inside), self.environment(**variables), log)
        self.agents.append(agent)
        return agent

    @staticmethod
    def says_where_its_page_is(arguments):
        with open(next(a for a in arguments if a.startswith("--config.file=")).split("=", 1)[1]) as file:
            return re.search("^web:", file.read(), re.M) or any(a.startswith("--web.listen") for a in arguments)

    def receiver(self, **options):
        """A server that takes pushes and keeps to Pyroscope's rules; see Received."""
        received = Received(**options)
        self.later(received.close)
        return received

    def configure(self, received, rules=(), interval="1s", rate=HZ, ebpf=""):
        """Writes dockprof.yml: this engine's containers through these rules to this receiver; ebpf: lines of YAML."""
        text = f"""\
docker_sd_configs:
  - host: {self.engine.host}
ebpf:
  collect_interval: {interval}
  sample_rate: {rate}
{ebpf}write:
  endpoint:
    - url: {received.url}
control:
  socket: {self.socket}
"""
        if rules:
            text += "relabel_configs:\n" + "".join(f"  - {rule}\n" for rule in rules)
        return self.write("dockprof.yml", text)

    def profiled(self, **configuration):
        """(agent, received): an agent that profiles the engine's containers, once it is at it."""
        check_can_sample()
        received = self.receiver()
        config = self.configure(received, **configuration)
        agent = self.agent("run", "--config.file=" + config)
        agent.wait_for_log("sampling all CPUs")
        agent.wait_for_log("following the containers")
        return agent, received

    def process(self, workload, *arguments):
        """A workload outside of any container."""
        process = subprocess.Popen([self.shared.workload(workload), *arguments])
        self.later(lambda: (process.kill(), process.wait()))
        return process

    def local_agent(self, url):
        """An agent without an engine: a busy process as its one target, pushed to `url`."""
        check_can_sample()
        process = self.process("burn", "0")
        config = self.write("dockprof.yml", f"""\
targets:
  - {{__process_pid__: "{process.pid}", service_name: local}}
ebpf:
  collect_interval: 1s
write:
  endpoint:
    - url: {url}
control:
  socket: {self.socket}
""")
        agent = self.agent("run", "--config.file=" + config)
        agent.wait_for_log("sampling all CPUs")
        return agent

    def storm(self, engine, image, command, count, at_once):
        """Starts `count` containers to their end and removes them, `at_once` at a time."""
        def one(number):
            container = engine.api.run(image, command, name=f"storm{number}")
            engine.api.wait(container)
            engine.api.remove(container)
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(one, range(count)))

    def evidence(self):
        """For the report of a failure: how the agents' logs end."""
        text = ""
        for path in sorted(glob.glob(self.path("dockprof-*.log"))):
            with open(path, errors="replace") as log:
                lines = log.read().splitlines()[-25:]
            text += f"\n{os.path.basename(path)} ends:\n" + "\n".join("  " + l for l in lines)
        return text

    def close(self, failed):
        for agent in self.agents:
            agent.kill()
        for close in reversed(self.closing):
            close()
        if failed and os.environ.get("E2E_KEEP"):
            kept = tempfile.mkdtemp(prefix="dockprof-kept-")
            shutil.copytree(self.directory, kept, dirs_exist_ok=True)
            print(f"     kept: {kept}")
        shutil.rmtree(self.directory, ignore_errors=True)
