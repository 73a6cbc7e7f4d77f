# SPDX-License-Identifier: Apache-2.0
"""
usage: scale.py [--no-fail] [--only LOAD,...] [--output DIR]

What dockprof costs where there is much of something: containers, mappings of one process, code of one
program, processes. The program is never seen before it starts beside the running agent; the others run
when the agent starts. Exits with 1 where a goal is missed.

SCALE_SECONDS (60): how long each is measured, best a multiple of the collect interval of 15 s.
DOCKPROF names the binary, FIRST_PAGE the program made of first_page.c.
"""

import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]

import load as loads  # noqa: E402 (found through the path above)
import rows  # noqa: E402
from e2e import wait_until  # noqa: E402
from ground import run_main  # noqa: E402
from huge import huge  # noqa: E402
from judge import Judgement  # noqa: E402
from meter import Measured  # noqa: E402
from rows import row  # noqa: E402

INTERVAL_S = 15
SETTLE_S = 2 * INTERVAL_S
CONTAINERS, MAPPINGS, FILES, PROCESSES, BUSY = 100, 8000, 16, 5000, 2
TRIES = 20  # of a short measurement; the least counts

LIGHT, MANY, HUGE, CROWD = "light", "mappings", "huge", "crowd"


ROWS = [
    row(LIGHT, "all_percent", f"{CONTAINERS} containers of a light loop: CPU and BPF, % of a core", 0.5),
    row(LIGHT, "cpu_percent", "  CPU of the agent, % of one core"),
    row(LIGHT, "bpf_percent", "  BPF time, % of one core"),
    row(LIGHT, "rss_mb", "  resident memory, MB", 25, 1),
    row(LIGHT, "rss_peak_mb", "  resident memory, peak, MB", None, 1),
    row(LIGHT, "maps_mb", "  BPF maps, MB", None, 1),
    row(LIGHT, "start_cpu_s", f"  CPU of the first {SETTLE_S} s, s"),
    row(MANY, "all_percent", f"{MAPPINGS} mappings in a process: CPU and BPF, % of a core", 2),
    row(MANY, "start_cpu_s", f"  CPU of the first {SETTLE_S} s, s", 1),
    row(MANY, "rss_peak_mb", "  resident memory, peak, MB", 25, 1),
    row(MANY, "maps_mb", "  BPF maps, MB", 20, 1),
    row(MANY, "complete_percent", "  stacks that reach their root, %", least=99),
    row(HUGE, "first_page_ms", "a new program of 300 MB: CPU until a page is walkable, ms", 1),
    row(HUGE, "start_cpu_s", f"  CPU of its first {SETTLE_S} s, s", 2),
    row(HUGE, "all_percent", "  CPU and BPF after that, % of a core", 2),
    row(HUGE, "rss_mb", "  resident memory, MB", 25, 1),
    row(HUGE, "rss_peak_mb", "  resident memory, peak, MB", 100, 1),
    row(HUGE, "maps_mb", "  BPF maps, MB", 20, 1),
    row(HUGE, "complete_percent", "  stacks that reach their root, %", least=99),
    row(CROWD, "all_percent", f"{PROCESSES} processes: CPU and BPF, % of a core", 2),
    row(CROWD, "start_cpu_s", f"  CPU of the first {SETTLE_S} s, s", 1),
    row(CROWD, "rss_peak_mb", "  resident memory, peak, MB", 25, 1),
    row(CROWD, "maps_mb", "  BPF maps, MB", 20, 1),
    row(CROWD, "complete_percent", "  stacks that reach their root, %", least=99),
]


class Scale:
    def __init__(self, run, seconds):
        self.run = run
        self.seconds = seconds
        self.number = 0

    def start_agent(self):
        self.number += 1
        received = self.run.receiver()
        config = self.run.configure(received, interval=f"{INTERVAL_S}s")
        agent = Measured(self.run.command("run", "--config.file=" + config), self.run.environment(),
                         self.run.path(f"agent-{self.number}.log"))
        agent.wait_for_sampling()
        return agent, received

    def measure(self, kinds, ready=lambda load: True, seen=True):
        """seen: the load runs when the agent starts, else it starts when the agent has settled."""
        load = loads.Load(self.run.engine, self.run.directory, kinds)
        load.create()
        if seen:
            load.start()
            wait_until(lambda: ready(load), "the whole load", timeout=60)
        agent, received = self.start_agent()
        try:
            if not seen:
                time.sleep(SETTLE_S)
            before_s = 0 if seen else agent.cpu_s()
            if not seen:
                load.start()
            time.sleep(SETTLE_S)
            figures = {"start_cpu_s": agent.cpu_s() - before_s, **agent.window(self.seconds)}
            time.sleep(1)  # for the last interval to be sent
            load.check()
            agent.stop(signal.SIGTERM)
        finally:
            agent.kill()
            load.stop()
        figures["all_percent"] = figures["cpu_percent"] + (figures["bpf_percent"] or 0)
        unseen = set(load.names()) - received.services()
        if unseen:
            raise AssertionError(f"no profiles of {sorted(unseen)}; the agent's log: {agent.log()}")
        figures.update(Judgement(received, load.names()[0]).figures())
        return figures

    def light(self):
        return self.measure({f"light-{i}": loads.light for i in range(CONTAINERS)})

    def mappings(self):
        return self.measure(
            {"mappings": lambda directory: loads.mappings(directory, MAPPINGS, FILES)})

    def huge(self):
        program = huge()
        return {"first_page_ms": first_page_ms(program),
                **self.measure({"huge": lambda _: [program]}, seen=False)}

    def crowd(self):
        return self.measure(
            {"crowd": lambda directory: loads.crowd(directory, PROCESSES, BUSY)},
            ready=lambda load: "all are there" in self.run.engine.api.logs(load.containers[0]))


def first_page_ms(program):
    """CPU of a process that has read nothing yet until it has the rows of a page amidst the code."""
    with open(program, "rb") as file:
        entry = int.from_bytes(file.read(32)[24:], "little")
    middle = entry + os.path.getsize(program) // 3
    command = [os.environ["FIRST_PAGE"], program, f"{middle:x}"]
    return min(float(subprocess.run(command, check=True, capture_output=True).stdout)
               for _ in range(TRIES))


LOADS = {LIGHT: Scale.light, MANY: Scale.mappings, HUGE: Scale.huge, CROWD: Scale.crowd}


if __name__ == "__main__":
    run_main(lambda: rows.run("scale", "Costs of dockprof where there is much of something.", Scale, LOADS, ROWS))
