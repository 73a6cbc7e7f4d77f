# SPDX-License-Identifier: Apache-2.0
"""
compose/ as people use it: the image is built by a real engine from a Debian base (made here, since
nothing is pulled), and runs privileged and with the least capabilities beside a service to profile.
"""

import json
import os
import shutil
import subprocess

import e2e
from e2e import timeout_s, wait_until
from engine import Engine, EngineUnavailable, why_unavailable

COMPOSE = os.path.join(e2e.ROOT, "compose")
BASE = os.path.join(e2e.ROOT, ".cache", "debian-bookworm.tar")
MIRROR = "http://deb.debian.org/debian"
MAX_IMAGE = 20_000_000
SUBNET, GATEWAY = "10.89.64.0/24", "10.89.64.1"

OVERRIDE = """\
services:
  dockprof:
    volumes:
      - {socket}:/var/run/docker.sock:ro
    environment:
      PYROSCOPE_SERVER_ADDRESS: http://pyroscope:{port}
    extra_hosts:
      - pyroscope:{gateway}
    {runtime}
  shop:
    image: burn-shop
    command: [/burn, "0"]
networks:
  default:
    ipam:
      config:
        - subnet: {subnet}
          gateway: {gateway}
"""


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise e2e.Skip(f"{program} is not installed")


def base_image():
    """A tar of Debian 12 as the official image has it, made once."""
    if os.path.exists(BASE):
        return BASE
    need("debootstrap")
    os.makedirs(os.path.dirname(BASE), exist_ok=True)
    root = BASE + ".root"
    shutil.rmtree(root, ignore_errors=True)
    try:
        made = subprocess.run(["debootstrap", "--variant=minbase", "bookworm", root, MIRROR],
                              capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise e2e.Skip("debootstrap: " + (made.stdout.strip().splitlines() or ["failed"])[-1])
        subprocess.run(["tar", "-C", root, "-cf", BASE + ".new", "."], check=True)
        os.rename(BASE + ".new", BASE)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return BASE


def prepare(shared):
    """The path of the saved image, built by the first who asks."""
    return shared.built("dockprof-image.tar", build_image)


def build_image(path):
    e2e.need_root()
    need("docker")
    base = base_image()
    flavour = next((f for f in ("v1", "v2") if not why_unavailable(f)), None)
    if not flavour:
        raise e2e.Skip(why_unavailable("v2"))
    try:
        engine = Engine(flavour, host_network=True)
    except EngineUnavailable as reason:
        raise e2e.Skip(str(reason)) from None
    try:
        build_image_with(engine, base, path)
    finally:
        engine.close()


def build_image_with(engine, base, path):
    environment = {**os.environ, "DOCKER_HOST": engine.host, "DOCKER_BUILDKIT": "0"}

    def docker(*arguments):
        done = subprocess.run(["docker", *arguments], env=environment, cwd=e2e.ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, f"docker {arguments[0]}: {done.stdout[-3000:]}"
        return done.stdout

    docker("import", base, "debian:bookworm")
    docker("build", "--network", "host", "-f", "compose/Dockerfile", "-t", "dockprof",
           "--build-arg", "COMMIT=tested", ".")
    docker("save", "-o", path, "dockprof")


def load(engine, path):
    with open(path, "rb") as image:
        engine.api.request("POST", "/images/load", image.read(), timeout=120)


class Stack:
    """The compose file with `files` on top, its Pyroscope replaced by a receiver of ours."""

    def __init__(self, run, engine, *files, runtime=None):
        need("docker-compose")
        e2e.check_can_sample()
        load(engine, prepare(run.shared))
        engine.api.import_image("burn-shop:latest", {"/burn": run.shared.workload("burn", "shop")})
        self.received = run.receiver(listener=engine.listen("0.0.0.0"))
        override = run.write("override.yml", OVERRIDE.format(
            socket=engine.socket, port=self.received.port, gateway=GATEWAY, subnet=SUBNET,
            runtime=f"runtime: {runtime}" if runtime else ""))
        self.command = ["docker-compose", "--project-name", "e2e"]
        for file in (os.path.join(COMPOSE, "docker-compose.yml"), *files, override):
            self.command += ["-f", file]
        self.environment = {**os.environ, "DOCKER_HOST": engine.host}
        self.engine = engine
        run.later(lambda: self.compose("down", "--volumes", "--timeout", "2"))
        self.compose("up", "--no-build", "--no-deps", "--detach", "dockprof", "shop")

    def compose(self, *arguments):
        done = subprocess.run([*self.command, *arguments], env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        assert done.returncode == 0, f"docker-compose {arguments[0]}: {done.stdout[-2000:]}"
        return done.stdout

    def container(self, service):
        """The inspected container of a service, however this compose names it."""
        for container in self.engine.api.list(all_states=True):
            if container["Labels"].get("com.docker.compose.service") == service:
                return self.engine.api.inspect(container["Id"])
        raise AssertionError(f"no container of the service {service}")

    def explain(self, *words):
        """What `docker exec dockprof dockprof explain` says, as people call it."""
        done = subprocess.run(["docker", "exec", self.container("dockprof")["Id"], "dockprof", "explain", *words],
                              env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def check(self):
        """Profiles of `shop` arrive, with its functions' names and kernel functions' too."""
        agent = self.container("dockprof")["Id"]

        def arrived():
            assert self.engine.api.inspect(agent)["State"]["Running"]
            return self.received.ticks("shop") > 300
        try:
            wait_until(arrived, "300 ticks of the service shop", 60)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.engine.api.logs(agent)}") from None
        functions = self.received.functions("shop")
        assert "crush_shop" in functions, functions
        assert self.received.services() == {"shop"}, self.received.services()
        return functions


@timeout_s(900)
def test_image(run, engine):
    """The image is built on Debian 12, is smaller than 20 MB, and its program says its version and commit."""
    path = prepare(run.shared)
    load(engine, path)
    size = engine.api.request("GET", "/images/dockprof/json")["Size"]
    assert size < MAX_IMAGE, f"{size} bytes"
    assert os.path.getsize(path) < MAX_IMAGE * 1.1
    container = engine.api.run("dockprof", ["--version"])
    assert engine.api.wait(container) == 0, engine.api.logs(container)
    assert "tested" in engine.api.logs(container)


@timeout_s(900)
def test_privileged(run, engine):
    """The compose file as it is: the services beside dockprof are profiled under their names."""
    stack = Stack(run, engine)
    stack.check()
    text = stack.explain("shop")
    assert 'profiled as "shop"' in text and "/burn" in text and "delivery" in text, text
    states = {c["service"] or c["name"]: c["state"]
              for c in json.loads(stack.explain("--json"))["containers"]}
    assert sorted(states.values()) == ["profiled", "self"] and states["shop"] == "profiled", states


@timeout_s(900)
def test_least_privilege(run, engine):
    """The same with the capabilities that docker-compose.least-privilege.yml lists, and no other."""
    version = int(engine.api.request("GET", "/version")["Version"].split(".")[0])
    name = os.path.join(COMPOSE, "docker-compose.least-privilege.yml")
    with open(name) as file:
        text = file.read()
    runtime = None
    if version < 23:
        lines = [line for line in text.splitlines()
                 if not line.strip().startswith(("- PERFMON", "- CHECKPOINT_RESTORE"))]
        text = "\n".join(lines).replace("- BPF", "- SYS_ADMIN") + "\n"
        runtime = "modern"
    stack = Stack(run, engine, run.write("least.yml", text), runtime=runtime)
    stack.check()
    inspected = stack.container("dockprof")
    with open(f"/proc/{inspected['State']['Pid']}/status") as status:
        capabilities = next(int(l.split()[1], 16) for l in status if l.startswith("CapEff"))
    listed = text.count("      - ") and json.dumps(inspected["HostConfig"]["CapAdd"])
    assert not inspected["HostConfig"]["Privileged"]
    assert bin(capabilities).count("1") == 6, (hex(capabilities), listed)
