# SPDX-License-Identifier: Apache-2.0
"""
The load of the benchmark: six containers, all busy all the time, of the kinds that matter to a
profiler: C with and without frame pointers, an interpreter, two virtual machines, Go.

Runtimes are those of this machine, lent to the containers read-only; nothing is pulled. Where one
is missing, a shell loop takes its place, and the report names it.
"""

import collections
import glob
import os
import shutil
import subprocess
import sys

WORKLOADS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "workloads")
IMAGE = "bench:latest"
INSIDE = "/load"  # where the built programs are in the containers
SHELL_LOOP = ["/bin/sh", "-c", "i=0; while :; do i=$((i + 1)); done"]

# name: also the container's. missing: what this machine lacks for it, or None.
Service = collections.namedtuple("Service", "name command missing")


class Missing(Exception):
    """A runtime that this machine lacks."""


def tool(name):
    path = shutil.which(name)
    if not path:
        raise Missing(name)
    return os.path.realpath(path)


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
    """The six services on an engine; they run from start() to stop()."""

    def __init__(self, engine, directory):
        self.engine = engine
        self.containers = []
        self.services = [self._service(name, kind, directory) for name, kind in KINDS.items()]
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
                                   host={"Binds": self.binds}) for service in self.services]

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
