# SPDX-License-Identifier: Apache-2.0
"""
usage: life.py [--no-fail] [--only LOAD,...] [--output DIR]

Programs that live briefly: never seen ones of 200 ms, a known one of 200 ms, and 1,000 processes a
second of 10 ms. How many of their stacks reach the root, whether all are their container's and have
names, and what that takes. Exits with 1 where a goal is missed.

LIFE_SECONDS (60): how long each is measured. DOCKPROF names the binary.
"""

import os
import re
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]

import load as loads  # noqa: E402 (found through the path above)
import rows  # noqa: E402
from docker_api import UnixConnection  # noqa: E402
from ground import run_main  # noqa: E402
from judge import Judgement, share  # noqa: E402
from meter import Measured  # noqa: E402
from rows import row  # noqa: E402

HZ = 97
INTERVAL_S = 15  # the default; what ended is kept for one at most: after that memory must not grow
CPU_MS, AT_ONCE = 200, 2
SWARM_PER_S, SWARM_CPU_MS, SWARM_WALL_MS = 1000, 0.1, 10
MARK = b"a mark to vary"
BUILD_ID = b"\4\0\0\0\x14\0\0\0\3\0\0\0GNU\0"
TICKS = re.compile(r'^dockprof_ticks(?:_lost)?_total\{(?:outcome|reason)="(\w+)"\} (\S+)$', re.M)
ACCOUNTED = {"exported", "filtered"}

FRESH, KNOWN, SWARM = "fresh", "known", "swarm"


ROWS = [
    row(FRESH, "complete_percent", "never seen programs of 200 ms: stacks that reach their root, %",
        least=80),
    row(FRESH, "attributed_percent", "  ticks that are some container's, %", least=100),
    row(FRESH, "account_percent", "  ticks beside the kernel's account of the container, %", least=95),
    row(FRESH, "leaf_percent", "  ticks whose leaf is named, %"),
    row(FRESH, "cpu_percent", "  CPU of the agent, % of one core"),
    row(KNOWN, "complete_percent", "a known program of 200 ms: stacks that reach their root, %", least=95),
    row(KNOWN, "attributed_percent", "  ticks that are some container's, %", least=100),
    row(KNOWN, "account_percent", "  ticks beside the kernel's account of the container, %", least=95),
    row(KNOWN, "leaf_percent", "  ticks whose leaf is named, %"),
    row(KNOWN, "cpu_percent", "  CPU of the agent, % of one core"),
    row(SWARM, "per_s", f"short processes, {SWARM_PER_S} a second: reached, a second", None, 0),
    row(SWARM, "attributed_percent", "  ticks that are some container's, %", least=100),
    row(SWARM, "account_percent", "  ticks beside the kernel's account of the container, %", least=95),
    row(SWARM, "comm_percent", "  ticks with the process's name, %", least=99),
    row(SWARM, "leaf_percent", "  ticks whose leaf is named, %", least=95),
    row(SWARM, "complete_percent", "  stacks that reach their root, %"),
    row(SWARM, "rss_growth_percent", f"  memory grown since its first {2 * INTERVAL_S} s, %", 5),
    row(SWARM, "rss_peak_mb", "  resident memory, peak, MB", 25, 1),
    row(SWARM, "cpu_percent", "  CPU of the agent, % of one core"),
    row(SWARM, "bpf_percent", "  BPF time, % of one core"),
]


def vary(program, number):
    """The same program with another constant and another build id."""
    at = program.index(BUILD_ID) + len(BUILD_ID)
    varied = program[:at] + number.to_bytes(20, "little") + program[at + 20:]
    return varied.replace(MARK, b"number %07d" % number)


def make_fresh(directory, count):
    """A command that runs `count` programs, each different from all others, AT_ONCE at a time."""
    loads.brief(directory)
    with open(os.path.join(directory, "brief"), "rb") as file:
        program = file.read()
    for i in range(count):
        path = os.path.join(directory, f"line-{i % AT_ONCE}", f"fresh-{i}")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(vary(program, i))
        os.chmod(path, 0o755)
    return in_lines(f"for program in {loads.INSIDE}/line-$line/*; do $program {CPU_MS}; done; "
                    "exec sleep 1000")


def make_known(directory):
    loads.brief(directory)
    return in_lines(f"while :; do {loads.INSIDE}/brief {CPU_MS}; done")


def in_lines(script):
    """The script AT_ONCE times side by side, with $line."""
    return ["/bin/sh", "-c", " ".join(f"(line={i}; {script}) &" for i in range(AT_ONCE)) + " wait"]


class Life:
    def __init__(self, run, seconds):
        self.run = run
        self.seconds = seconds

    def start_agent(self, name):
        received = self.run.receiver()
        config = self.run.configure(received, interval=f"{INTERVAL_S}s")
        with open(config, "a") as file:
            file.write(f"web:\n  listen_address: unix:{self.run.path('web.sock')}\n")
        agent = Measured(self.run.command("run", "--config.file=" + config), self.run.environment(),
                         self.run.path(f"{name}.log"))
        agent.wait_for_sampling()
        time.sleep(2)
        return agent, received

    def ticks(self):
        """What became of the ticks so far, as the agent's metrics tell."""
        connection = UnixConnection(self.run.path("web.sock"), timeout=10)
        try:
            connection.request("GET", "/metrics", headers={"Host": "localhost"})
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        ticks = {what: float(count) for what, count in TICKS.findall(text)}
        if not ACCOUNTED <= set(ticks):
            raise AssertionError(f"no ticks in the metrics: {text[:2000]}")
        return ticks

    def measure(self, name, kind, comms):
        load = loads.Load(self.run.engine, self.run.directory, {name: kind})
        agent, received = self.start_agent(name)
        try:
            load.start()
            first_s = min(INTERVAL_S, self.seconds / 4)
            time.sleep(first_s)
            first = agent.window(first_s)
            figures = agent.window(self.seconds - 2 * first_s)
            load.check()
            account_ns = self.run.engine.cgroup_cpu_ns(load.containers[0])
            said = self.run.engine.api.logs(load.containers[0]).split()
            load.stop()
            time.sleep(INTERVAL_S + 1)  # the interval of its end is sent
            figures.update(attributed(self.ticks()))
            agent.stop(signal.SIGTERM)
        finally:
            agent.kill()
            load.stop()
        figures.update(Judgement(received, name, comms).figures())
        figures["said"] = said
        figures["account_percent"] = share(figures["ticks"] / HZ, account_ns / 1e9)
        figures["rss_growth_percent"] = 100 * (figures["rss_mb"] / first["rss_mb"] - 1)
        return figures

    def fresh(self):
        count = int(AT_ONCE * self.seconds * 1000 / CPU_MS)
        return self.measure(FRESH, lambda directory: make_fresh(directory, count), set())

    def known(self):
        return self.measure(KNOWN, make_known, {"brief"})

    def swarm(self):
        def kind(directory):
            return loads.swarm(directory, SWARM_PER_S, [
                *loads.brief(directory), str(SWARM_CPU_MS), str(SWARM_WALL_MS)])
        figures = self.measure(SWARM, kind, {"brief", "swarm"})
        started = [int(line) for line in figures.pop("said")]
        figures["per_s"] = started[-1] / len(started)
        return figures


def attributed(ticks):
    """unknown, and what was lost, are ticks of containers that nobody got."""
    astray = sum(count for what, count in ticks.items() if what not in ACCOUNTED)
    return {"attributed_percent": share(ticks["exported"], ticks["exported"] + astray)}


LOADS = {FRESH: Life.fresh, KNOWN: Life.known, SWARM: Life.swarm}


if __name__ == "__main__":
    run_main(lambda: rows.run("life", "Programs that live briefly.", Life, LOADS, ROWS))
