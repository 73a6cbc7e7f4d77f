# SPDX-License-Identifier: Apache-2.0
"""
The load of the benchmarks: containers that are busy all the time. KINDS are six of the kinds that
matter to a profiler: C with and without frame pointers, an interpreter, two virtual machines, Go.
STACK_KINDS are what makes stacks hard to walk; *-debug are stripped programs with their debug files. Beyond these: what is many or large (scale.py), and what
lives briefly (life.py).

Runtimes are those of this machine, lent to the containers read-only; nothing is pulled. Where one
is missing, a shell loop takes its place, and the report names it.
"""

import collections
import glob
import os
import re
import shutil
import subprocess
import sys

WORKLOADS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "workloads")
IMAGE = "bench:latest"
INSIDE = "/load"  # where the built programs are in the containers
CALLS = ["-fomit-frame-pointer", "-fno-optimize-sibling-calls"]  # all calls are on the stack
SHELL_LOOP = ["/bin/sh", "-c", "i=0; while :; do i=$((i + 1)); done"]

# name: also the container's. missing: what this machine lacks for it, or None.
Service = collections.namedtuple("Service", "name command missing")


# Where gdb and dockprof look for debug files; of redis, tests/lib/build-debug-files made them.
DEBUG = "/usr/lib/debug"
REDIS_DEBUG = os.path.join(WORKLOADS, "..", "..", "..", ".cache", "debug", "current", DEBUG[1:])


class Missing(Exception):
    """A runtime that this machine lacks."""


class Lending(list):
    """A command, and what its container is lent beside what all are: by the paths it has there."""

    def __init__(self, command, lent):
        super().__init__(command)
        self.lent = lent


def tool(name):
    path = shutil.which(name)
    if not path:
        raise Missing(name)
    return os.path.realpath(path)


def tool_of_user(name):
    """By the name it was found under: rustup's programs are one file with many names."""
    path = shutil.which(name)
    if not path:
        raise Missing(name)
    return path


def build(command, **environment):
    subprocess.run(command, check=True, env={**os.environ, **environment})


def source(name):
    return os.path.join(WORKLOADS, name)


def compiled_c(name, directory, *flags):
    build([tool("gcc"), "-O2", *flags, "-o", os.path.join(directory, name), source(name + ".c")])
    return [f"{INSIDE}/{name}"]


def deep(directory):
    return compiled_c("deep", directory, "-fno-omit-frame-pointer")


def sorting(directory):
    return compiled_c("sorting", directory, "-fomit-frame-pointer")


def python(directory):
    shutil.copy(source("documents.py"), directory)
    return [os.path.realpath(sys.executable), f"{INSIDE}/documents.py"]


def node(directory):
    shutil.copy(source("documents.js"), directory)
    return [tool("node"), f"{INSIDE}/documents.js"]


def java(directory):
    build([tool("javac"), "-d", directory, source("Orders.java")])
    return [tool("java"), "-Xmx64m", "-cp", INSIDE, "Orders"]


def go(directory):
    build([tool("go"), "build", "-o", os.path.join(directory, "orders"), source("orders.go")],
          HOME=os.environ.get("HOME", directory), CGO_ENABLED="0")
    return [f"{INSIDE}/orders"]


def calls(directory):
    return compiled_c("calls", directory, *CALLS)


def musl(directory):
    build([tool("musl-gcc"), "-O2", *CALLS, "-static", "-o",
           os.path.join(directory, "calls-musl"), source("calls.c")])
    return [f"{INSIDE}/calls-musl"]


def threads(directory):
    return compiled_c("threads", directory, "-pthread")


def cxx(directory):
    build([tool("g++"), "-O2", "-o", os.path.join(directory, "exceptions"),
           source("exceptions.cc")])
    return [f"{INSIDE}/exceptions"]


def debug_path(program):
    """Where its debug file is beneath DEBUG."""
    notes = subprocess.run(["readelf", "-n", program], capture_output=True, text=True).stdout
    match = re.search(r"Build ID: ([0-9a-f]{2})([0-9a-f]+)", notes)
    if not match:
        raise Missing(f"the build id of {program}")
    return os.path.join(".build-id", match[1], match[2] + ".debug")


def cxx_debug(directory):
    """
    The same with its runtime linked in, stripped, and its debug file. Of Debian's libgcc_s, which is stripped as well, most
    machines have no debug file.
    """
    program = os.path.join(directory, "exceptions-stripped")
    build([tool("g++"), "-O2", "-static-libgcc", "-static-libstdc++", "-Wl,--build-id", "-o", program,
           source("exceptions.cc")])
    files = os.path.join(directory, "debug-cxx")
    debug = os.path.join(files, debug_path(program))
    os.makedirs(os.path.dirname(debug))
    build(["objcopy", "--only-keep-debug", program, debug])
    build(["strip", program])
    return Lending([f"{INSIDE}/exceptions-stripped"], {DEBUG: files})


def rust(directory):
    build([tool_of_user("rustc"), "-O", "-C", "force-frame-pointers=no", "-o",
           os.path.join(directory, "words"), source("words.rs")])
    return [f"{INSIDE}/words"]


def go_stripped(directory):
    build([tool("go"), "build", "-ldflags=-s -w", "-o", os.path.join(directory, "orders-stripped"),
           source("orders.go")], HOME=os.environ.get("HOME", directory), CGO_ENABLED="0")
    return [f"{INSIDE}/orders-stripped"]


def redis(directory):
    """The distribution's, stripped, with a client that keeps it busy."""
    server, client = tool("redis-server"), tool("redis-benchmark")
    return ["/bin/sh", "-c", f"{server} --save '' --daemonize yes >/dev/null; sleep 1; "
            f"exec {client} -q -l -t get,set,lpush,zadd,mset >/dev/null"]


def redis_debug(directory):
    """With the debug file of Debian's build."""
    command, name = redis(directory), debug_path(tool("redis-server"))
    if not os.path.exists(os.path.join(REDIS_DEBUG, name)):
        raise Missing("redis-server's debug file (make debug-files, or redis-tools-dbgsym)")
    return Lending(command, {DEBUG: os.path.realpath(REDIS_DEBUG)})


def light(directory):
    shutil.copy(source("light.py"), directory)
    return [os.path.realpath(sys.executable), f"{INSIDE}/light.py"]


def mappings(directory, count, files):
    """`count` executable mappings of `files` shared objects."""
    compiled_c("mappings", directory)
    first = os.path.join(directory, "piece-0.so")
    build([tool("gcc"), "-O2", "-fomit-frame-pointer", "-shared", "-fPIC", "-o", first,
           source("piece.c")])
    for i in range(1, files):
        shutil.copy(first, os.path.join(directory, f"piece-{i}.so"))
    return [f"{INSIDE}/mappings", str(count), *(f"{INSIDE}/piece-{i}.so" for i in range(files))]


def crowd(directory, count, busy):
    program = compiled_c("crowd", directory, *CALLS)
    return [*program, str(count), str(busy)]


def brief(directory):
    """A program that lives as briefly as it is told."""
    return compiled_c("brief", directory, *CALLS)


def swarm(directory, rate, command):
    """`command` again and again, `rate` times a second."""
    return [*compiled_c("swarm", directory), str(rate), *command]


STACK_KINDS = {"c-calls": calls, "c-threads": threads, "c-musl-static": musl, "cxx": cxx, "cxx-debug": cxx_debug,
               "rust": rust, "go": go, "go-stripped": go_stripped, "redis": redis,
               "redis-debug": redis_debug, "python": python, "node": node, "java": java}

KINDS = {"c-frame-pointers": deep, "c-optimised": sorting, "python": python, "node": node,
         "java": java, "go": go}


def lent_directories(commands):
    """What the programs need of this machine, by the paths they have on it."""
    lent = {path: os.path.realpath(path) for path in ("/usr", "/bin", "/lib", "/lib64")
            if os.path.isdir(path)}
    lent.update((path, path) for path in glob.glob("/etc/java-*"))
    for program, *_ in commands:
        prefix = os.path.dirname(os.path.dirname(program))
        if not program.startswith((INSIDE, *lent)):
            lent[prefix] = prefix
    return lent


class Load:
    """Services on an engine, one of each kind; they run from start() to stop()."""

    def __init__(self, engine, directory, kinds=None):
        self.engine = engine
        self.containers = []
        self.services = [self._service(name, kind, directory)
                         for name, kind in (kinds or KINDS).items()]
        lent = lent_directories(service.command for service in self.services)
        lent[INSIDE] = directory
        self.binds = [f"{outside}:{inside}:ro" for inside, outside in lent.items()]
        engine.api.import_image(IMAGE, {"/README": b"What runs here is lent by the host.\n"})

    @staticmethod
    def _service(name, kind, directory):
        try:
            return Service(name, kind(directory), None)
        except Missing as missing:
            return Service(name, SHELL_LOOP, str(missing))

    def names(self):
        return [service.name for service in self.services]

    def replaced(self):
        return [f"{service.name} is a shell loop: {service.missing} is missing"
                for service in self.services if service.missing]

    def create(self):
        """Creates the containers; start() then only has to start them."""
        self.containers = [
            self.engine.api.create(IMAGE, service.command, name=service.name,
                                   host={"Binds": self.binds + self._lent_to(service)})
            for service in self.services]

    @staticmethod
    def _lent_to(service):
        return [f"{outside}:{inside}:ro"
                for inside, outside in getattr(service.command, "lent", {}).items()]

    def start(self):
        if not self.containers:
            self.create()
        for container in self.containers:
            self.engine.api.act(container, "start")

    def check(self):
        """Fails where one of them is not running: the figures would not be comparable."""
        for service, container in zip(self.services, self.containers):
            if not self.engine.api.inspect(container)["State"]["Running"]:
                raise AssertionError(f"{service.name} ended: {self.engine.api.logs(container)}")

    def stop(self):
        for container in self.containers:
            self.engine.api.remove(container)
        self.containers = []
