#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
make demo: three small services in containers, profiled by `dockprof record` for ten seconds.

Where Docker is not to be had, the services run as plain processes and are profiled as targets by pid.
Everything started here ends here, on Ctrl-C as well; the profiles stay.

usage: demo.py DOCKPROF DIRECTORY	DIRECTORY gets the programs and the profiles
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "lib"))
sys.dont_write_bytecode = True

from docker_api import DockerApi, DockerError  # noqa: E402
from engine import Engine, EngineUnavailable  # noqa: E402

SERVICES = ("checkout", "search", "thumbnails")
DURATION = "10s"
PROJECT = "dockprof-demo"
# Names as in the source, and a frame for each function, leaves included.
FRAMES = ("-fno-omit-frame-pointer", "-mno-omit-leaf-frame-pointer", "-fno-ipa-cp", "-fno-ipa-sra")


def say(text):
    print(f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text, flush=True)


def build_services(directory):
    programs = {}
    for service in SERVICES:
        programs[service] = os.path.join(directory, service)
        subprocess.run(["gcc", "-static", "-O2", "-g0", *FRAMES, "-o",
                        programs[service], os.path.join(HERE, service + ".c")], check=True)
    return programs


class Containers:
    """The services in containers of the machine's engine, or of a private one."""

    def __init__(self, programs):
        self.engine, self.api = None, machine_engine()
        if self.api:
            say("Docker: the engine of this machine")
        else:
            self.engine = Engine(best_flavour())
            self.api = self.engine.api
            say("Docker: no engine answers here; a private one was started for the demo")
        self.containers, self.images = [], []
        try:
            for service, program in programs.items():
                self.start(service, program)
        except BaseException:
            self.close()
            raise

    def start(self, service, program):
        image = f"{PROJECT}-{service}:latest"
        self.api.import_image(image, {"/" + service: program})
        self.images.append(image)
        name = f"{PROJECT}-{service}-1"
        self.api.remove(name)
        self.containers.append(self.api.run(image, ["/" + service], name=name, labels={
            "com.docker.compose.project": PROJECT, "com.docker.compose.service": service}))

    def command(self, dockprof):
        names = [option for service in SERVICES
                 for option in ("--container", f"{PROJECT}-{service}-1")]
        command = [*dockprof, *names]
        return self.engine.enter(command) if self.engine else command

    def environment(self):
        return {"DOCKER_HOST": "unix://" + self.api.socket_path}

    def close(self):
        for container in self.containers:
            self.api.remove(container)
        for image in self.images:
            try:
                self.api.request("DELETE", f"/images/{image}")
            except DockerError:
                pass
        if self.engine:
            self.engine.close()


class Processes:
    """The services as processes, for a machine without Docker."""

    def __init__(self, programs, directory):
        self.running = {service: subprocess.Popen([program])
                        for service, program in programs.items()}
        self.config = os.path.join(directory, "targets.yml")
        targets = [{"__process_pid__": str(process.pid), "service_name": service}
                   for service, process in self.running.items()]
        with open(self.config, "w") as file:
            file.write("targets: " + json.dumps(targets) + "\n")

    def command(self, dockprof):
        return [*dockprof, "--config.file=" + self.config]

    def environment(self):
        return {}

    def close(self):
        for process in self.running.values():
            process.kill()
            process.wait()


def machine_engine():
    """The API of the engine that this machine runs, or None."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        return None
    api = DockerApi(host[len("unix://"):])
    return api if api.ping() else None


def best_flavour():
    with open("/proc/self/mounts") as mounts:
        types = {line.split()[1]: line.split()[2] for line in mounts}
    return "v2" if types.get("/sys/fs/cgroup") == "cgroup2" else "v1"


def start_services(programs, directory):
    try:
        return Containers(programs)
    except (EngineUnavailable, DockerError, OSError) as reason:
        say(f"Docker cannot run here ({reason}); the services run as processes instead")
        return Processes(programs, directory)


def record(dockprof, services, profiles):
    """Two recordings of the same ten seconds: one to read here, one as files. An exit code."""
    variables = {**os.environ, **services.environment()}
    shown = subprocess.Popen(services.command([dockprof, "record", "-d", DURATION]), env=variables,
                             stdin=subprocess.DEVNULL)
    files = subprocess.Popen(services.command([dockprof, "record", "-d", DURATION, "--format",
                                               "pprof", "-o", profiles + "/"]), env=variables,
                             stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return max(abs(shown.wait()), abs(files.wait()))
    except KeyboardInterrupt:
        # They had the same signal, and show what they gathered until then.
        return max(abs(shown.wait(10)), abs(files.wait(10)))


def say_files(profiles):
    say("\nThe profiles, to look at with `go tool pprof -http=: FILE` or on https://speedscope.app:")
    for name in sorted(os.listdir(profiles)):
        print("  " + os.path.relpath(os.path.join(profiles, name)))


def main():
    dockprof, directory = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    profiles = os.path.join(directory, "profiles")
    shutil.rmtree(profiles, ignore_errors=True)
    os.makedirs(profiles)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix=PROJECT + "-") as scratch:
        services = start_services(build_services(scratch), scratch)
        try:
            say(f"Profiling {', '.join(SERVICES)} for {DURATION} ...")
            status = record(dockprof, services, profiles)
        finally:
            services.close()
    if status == 0:
        say_files(profiles)
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
