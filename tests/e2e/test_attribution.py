# SPDX-License-Identifier: Apache-2.0
"""
Each sample under the right service_name, none under a wrong one, nothing missing.

Each container runs a program of its own, whose hot function carries the container's name
("crush_web" in the container "web"), so that a sample under the wrong name shows.

How many there must be follows from the CPU time that the program counted from main() on, or the
cgroup. A container uses some more, in runc before main(), so that there may be more, but not in the
program. A tick takes a
sample of who runs just then: a container that shares its CPU is met by chance, n times with a
standard deviation of sqrt(n * (1 - its share of the CPUs)), and a machine that runs tests is never
idle. Three such deviations are granted; ticks are taken at RATE instead of 97 a second, which makes
them small beside the shares asked for, and leaves the losses, which are spans of time, as they are.
"""

import calendar
import math
import time

from e2e import timeout_s, wait_until

RATE = 499
SHORT_RUNS = 25
RUNC_NS = 300_000_000  # what a container uses before its program's main(), at most, on a busy machine


def burner(run, name, **files):
    """The image of a container whose hot function is crush_NAME."""
    return run.image("burn", variant=name, **files)


def seconds_of(timestamp):
    """The seconds of "2026-01-02T03:04:05.123456789Z" since 1970."""
    whole, _, rest = timestamp.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float("0." + (rest or "0"))


class Usage:
    """CPU time that must show as ticks: `ns`, and how likely a tick met it, for the noise."""

    def __init__(self):
        self.ns = self.runs = self.variance = 0

    def add(self, cpu_ns, wall_ns, threads=1):
        share = min(1.0, cpu_ns / max(wall_ns * threads, 1))
        self.ns += cpu_ns
        self.runs += 1
        self.variance += cpu_ns * RATE / 1e9 * (1 - share) + 1

    def ticks(self):
        return self.ns * RATE / 1e9

    def noise(self):
        return 3 * math.sqrt(self.variance)


def finished(engine, container, usage=None, threads=1):
    """Waits for a burn to end and adds what it used."""
    usage = usage or Usage()
    assert engine.api.wait(container) == 0, engine.api.logs(container)
    state = engine.api.inspect(container)["State"]
    wall = seconds_of(state["FinishedAt"]) - seconds_of(state["StartedAt"])
    last = engine.api.logs(container).strip().splitlines()[-1]
    usage.add(int(last.split("cpu_ns ")[1]), wall * 1e9, threads)
    return usage


class Meter:
    """What a container that runs on uses from here to stop()."""

    def __init__(self, engine, container):
        self.engine, self.container = engine, container
        self.from_ns, self.from_time = engine.cgroup_cpu_ns(container), time.monotonic_ns()

    def stop(self):
        usage = Usage()
        usage.add(self.engine.cgroup_cpu_ns(self.container) - self.from_ns,
                  time.monotonic_ns() - self.from_time)
        return usage


def check_ticks(received, service, usage, least, more_ns=0):
    """
    At least the share `least` of what the usage implies; no more of them in the program than it used, and no more
    beside it than runc may have. more_ns: what the program used besides.
    """
    expected, noise = usage.ticks(), usage.noise()
    floor = least * expected - noise
    deadline = time.monotonic() + 10
    while received.ticks(service) < floor and time.monotonic() < deadline:
        time.sleep(0.1)
    got, inside = received.ticks(service), received.functions(service)["crush_" + service]
    share = (f"{service}: {got} ticks, {inside} in the program, are {got / expected:.1%} of the {expected:.0f} "
             f"expected (by chance +-{noise:.0f})")
    assert got >= floor, share
    assert inside <= expected + noise + more_ns * RATE / 1e9, share
    assert got - inside <= noise + usage.runs * RUNC_NS * RATE / 1e9, share


def check_names(received, *services):
    """These services and no other; each with its own hot function only."""
    assert received.services() == set(services), received.services()
    for service in services:
        hot = {name for name in received.functions(service) if name.startswith("crush_")}
        assert hot == {"crush_" + service}, f"{service} has samples of {hot}"


def burn_alone(run, engine, received, name, milliseconds, least=0.99, **options):
    """Runs one burner to its end and checks its ticks."""
    container = engine.api.run(burner(run, name), ["/burn", str(milliseconds)], name=name, **options)
    check_ticks(received, name, finished(engine, container), least)


def test_before_and_after(run, engine):
    """Containers that ran before dockprof and ones that start after it are both profiled."""
    early = engine.api.run(burner(run, "early"), ["/burn", "0"], name="early")
    agent, received = run.profiled(rate=RATE)
    meter = Meter(engine, early)
    burn_alone(run, engine, received, "late", 1500)
    usage = meter.stop()
    assert agent.stop() == 0
    check_ticks(received, "early", usage, 0.99, more_ns=1_500_000_000)
    check_names(received, "early", "late")


def test_short_lives(run, engine):
    """Containers that live for 300 ms of CPU time: at least 95 % of their ticks."""
    agent, received = run.profiled(rate=RATE)
    total = Usage()
    for _ in range(SHORT_RUNS):
        container = engine.api.run(burner(run, "brief"), ["/burn", "300"], name="brief")
        finished(engine, container, total)
        engine.api.remove(container)
    assert agent.stop() == 0
    check_ticks(received, "brief", total, 0.95)
    check_names(received, "brief")


def test_one_second(run, engine):
    """From one second of CPU time on: at least 99 % of the ticks, in threads and children too."""
    agent, received = run.profiled(rate=RATE)
    kinds = {"single": ["1"], "threads": ["4"], "children": ["1", "20"]}
    total = {name: Usage() for name in kinds}
    for _ in range(3):
        for name, arguments in kinds.items():
            container = engine.api.run(burner(run, name), ["/burn", "1000", *arguments], name=name)
            finished(engine, container, total[name], int(arguments[0]))
            engine.api.remove(container)
    assert agent.stop() == 0
    for name, usage in total.items():
        check_ticks(received, name, usage, 0.99)
    check_names(received, *kinds)


def test_dropped_by_a_rule(run, engine):
    """A container that a rule drops leaves no sample anywhere; its neighbour all of its own."""
    _, received = run.profiled(rate=RATE, rules=[
        "{source_labels: [__meta_docker_container_name], regex: /secret, action: drop}"])
    secret = engine.api.run(burner(run, "secret"), ["/burn", "0"], name="secret")
    burn_alone(run, engine, received, "open", 1500)
    assert engine.cgroup_cpu_ns(secret) > 500_000_000
    check_names(received, "open")


def test_renamed(run, engine):
    """After a rename samples go under the new name, and those before it stay under the old."""
    agent, received = run.profiled(rate=RATE)
    container = engine.api.run(burner(run, "first"), ["/burn", "0"], name="first")
    wait_until(lambda: received.ticks("first") > RATE, "ticks under the first name")
    meter = Meter(engine, container)
    engine.api.act(container, "rename", name="second")
    wait_until(lambda: received.ticks("second") > RATE, "ticks under the second name")
    before = received.ticks("first")
    time.sleep(2.5)
    assert received.ticks("first") == before
    usage = meter.stop()
    assert agent.stop() == 0
    both = received.ticks("first") + received.ticks("second")
    assert both >= 0.99 * usage.ticks() - usage.noise(), (both, usage.ticks())
    assert received.services() == {"first", "second"}, received.services()


def test_without_a_network(run, engine):
    """network_mode none, another container's network, and a bridge: all are targets alike."""
    _, received = run.profiled(rate=RATE)
    engine.api.run(burner(run, "owner"), ["/burn", "0"], name="owner", network="bridge")
    burn_alone(run, engine, received, "lonely", 1000, network="none")
    burn_alone(run, engine, received, "guest", 1000, network="container:owner")
    check_names(received, "owner", "lonely", "guest")


def test_ten_restarts(run, engine):
    """Ten restarts of one container, with the same id: nothing is missing of any of its lives."""
    agent, received = run.profiled(rate=RATE)
    container = engine.api.create(burner(run, "phoenix"), ["/burn", "500"], name="phoenix")
    total = Usage()
    for _ in range(10):
        engine.api.act(container, "start")
        finished(engine, container, total)
    assert agent.stop() == 0
    check_ticks(received, "phoenix", total, 0.97)
    check_names(received, "phoenix")


def test_cgroup_parent(run, engine):
    """docker --cgroup-parent: another place in the hierarchy, the same name."""
    parent = f"/{engine.name}/deep/er"
    _, received = run.profiled(rate=RATE)
    burn_alone(run, engine, received, "child", 1000, host={"CgroupParent": parent})
    check_names(received, "child")


def test_nested_cgroups(run, engine):
    """Processes that a privileged container moves into cgroups of its own still belong to it."""
    agent, received = run.profiled(rate=RATE)
    busybox = run.busybox()
    hierarchy = "/sys/fs/cgroup" if engine.flavour == "v2" else "/sys/fs/cgroup/memory"
    script = (f"mkdir -p {hierarchy}/inner/most && "
              f"echo 0 > {hierarchy}/inner/most/cgroup.procs && exec /burn 1500")
    container = engine.api.run(
        burner(run, "nesting", busybox=busybox), ["/busybox", "sh", "-c",
        "PATH=/bin; alias mkdir='/busybox mkdir'; /busybox mkdir -p /bin; "
        "/busybox --install -s /bin; mount -o remount,rw /sys/fs/cgroup; " + script],
        name="nesting", host={"Privileged": True})
    usage = finished(engine, container)
    assert agent.stop() == 0
    check_ticks(received, "nesting", usage, 0.99)
    check_names(received, "nesting")


@timeout_s(120)
def test_daemon_restart(run, engine):
    """A restart of the daemon, containers living on: sampling goes on and new ones are found."""
    engine.stop()
    engine.start("--live-restore")
    run.later(lambda: (engine.stop(), engine.start()))
    agent, received = run.profiled(rate=RATE)
    survivor = engine.api.run(burner(run, "survivor"), ["/burn", "0"], name="survivor")
    wait_until(lambda: received.ticks("survivor") > RATE, "ticks before the restart")
    meter = Meter(engine, survivor)
    engine.stop()
    from_ticks = received.ticks("survivor")
    wait_until(lambda: received.ticks("survivor") > from_ticks + RATE, "ticks without a daemon")
    engine.start("--live-restore")
    burn_alone(run, engine, received, "newcomer", 1000)
    usage = meter.stop()
    assert agent.stop() == 0
    check_ticks(received, "survivor", usage, 0.99, more_ns=5_000_000_000)
    check_names(received, "survivor", "newcomer")


def test_daemon_restart_kills(run, engine):
    """A restart of the daemon that kills the containers: the same id comes back, all is found."""
    agent, received = run.profiled(rate=RATE)
    container = engine.api.run(burner(run, "again"), ["/burn", "0"], name="again")
    wait_until(lambda: received.ticks("again") > RATE, "ticks before the restart")
    engine.stop()
    engine.start()
    before = received.ticks("again")
    engine.api.act(container, "start")
    wait_until(lambda: received.ticks("again") > before + RATE, "ticks after the restart")
    assert agent.stop() == 0
    check_names(received, "again")


def test_pause(run, engine):
    """A paused container has no samples, after unpause it has them again."""
    agent, received = run.profiled(rate=RATE)
    container = engine.api.run(burner(run, "sleeper"), ["/burn", "0"], name="sleeper")
    wait_until(lambda: received.ticks("sleeper") > RATE, "ticks before the pause")
    engine.api.act(container, "pause")
    time.sleep(2.5)
    paused = received.ticks("sleeper")
    time.sleep(2)
    assert received.ticks("sleeper") == paused
    engine.api.act(container, "unpause")
    meter = Meter(engine, container)
    wait_until(lambda: received.ticks("sleeper") > paused + 2 * RATE, "ticks after the pause")
    usage = meter.stop()
    assert agent.stop() == 0
    after = received.ticks("sleeper") - paused
    assert after >= 0.99 * usage.ticks() - usage.noise(), (after, usage.ticks())
    check_names(received, "sleeper")


@timeout_s(120)
def test_neighbours(run, engine):
    """Twelve busy containers at once on few CPUs: every tick under its own container's name."""
    agent, received = run.profiled(rate=RATE)
    names = [f"tenant{i}" for i in range(12)]
    containers = {name: engine.api.run(burner(run, name), ["/burn", "500", "2"], name=name)
                  for name in names}
    total = Usage()
    for container in containers.values():
        finished(engine, container, total, threads=2)
    assert agent.stop() == 0
    ticks = sum(received.ticks(name) for name in names)
    assert ticks >= 0.98 * total.ticks() - total.noise(), (ticks, total.ticks())
    check_names(received, *names)
