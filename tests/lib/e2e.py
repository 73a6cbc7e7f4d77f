# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests have in hand: workloads, agents, waiting, and words for asserting."""

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
DOCKPROF = os.environ.get("DOCKPROF", os.path.join(ROOT, "build", "dockprof"))
HZ = 97


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


def check_can_sample():
    """Skips where this process may not load BPF programs or open perf events on all CPUs."""
    if os.geteuid() != 0:
        raise Skip("needs root for BPF")
    with open("/proc/self/status") as status:
        capabilities = next(int(l.split()[1], 16) for l in status if l.startswith("CapEff"))
    if not (capabilities >> 21 & 1 or capabilities >> 39 & 1 and capabilities >> 38 & 1):
        raise Skip("needs CAP_SYS_ADMIN, or CAP_BPF and CAP_PERFMON")
    if not os.path.exists("/sys/kernel/btf/vmlinux"):
        raise Skip("this kernel has no BTF")


class Shared:
    """What all tests of a run share: compiled workloads."""

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="dockprof-e2e-")
        self.built = {}
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)

    def workload(self, name):
        """The static program made of tests/e2e/workloads/NAME.c."""
        if name not in self.built:
            compiler = shutil.which("gcc") or shutil.which("cc")
            if not compiler:
                raise Skip("no C compiler for the workloads")
            program = os.path.join(self.directory, name)
            subprocess.run(
                [compiler, "-static", "-O2", "-g0", "-fno-omit-frame-pointer", "-pthread", "-o",
                 program, os.path.join(ROOT, "tests", "e2e", "workloads", name + ".c")], check=True)
            self.built[name] = program
        return self.built[name]


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

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Run:
    """One test's things. All of them end with the test."""

    def __init__(self, shared, name):
        self.shared = shared
        self.directory = tempfile.mkdtemp(prefix=name + "-", dir=shared.directory)
        self.engine = None
        self.agents = []
        self.closing = []

    def use_engine(self, engine):
        self.engine = engine
        return engine

    def workload(self, name="burn"):
        return self.shared.workload(name)

    def image(self, name="burn", **files):
        """The name of an image with /NAME (and `files`: name -> path) in the test's engine."""
        images = getattr(self.engine, "images", None)
        if images is None:
            images = self.engine.images = set()
        if name not in images:
            contents = {"/" + name: self.workload(name)}
            contents.update({"/" + inside: path for inside, path in files.items()})
            self.engine.api.import_image(name + ":latest", contents)
            images.add(name)
        return name + ":latest"

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

    def command(self, *arguments):
        command = [DOCKPROF, *arguments]
        return self.engine.enter(command) if self.engine else ["setpriv", "--pdeathsig", "KILL",
                                                               "--", *command]

    def dockprof(self, *arguments, stdin=None, timeout=60, prefix=(), **variables):
        """Runs it to its end; a CompletedProcess with text."""
        return subprocess.run([*prefix, *self.command(*arguments)], input=stdin, text=True,
                              capture_output=True, timeout=timeout, check=False,
                              env=self.environment(**variables))

    def agent(self, *arguments, **variables):
        """Starts `dockprof ARGUMENTS...`; it is killed at the end of the test."""
        log = self.path(f"dockprof-{len(self.agents)}.log")
        agent = Agent(self.command(*arguments), self.environment(**variables), log)
        self.agents.append(agent)
        return agent

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
