# SPDX-License-Identifier: Apache-2.0
"""
usage: storm.py [--no-fail]

Two storms of containers against a running agent: how soon after each it knows exactly those
containers that `docker ps` lists, and what it holds then. The second storm must not add to memory
or file descriptors: what is held for a container is given back.

STORM_CONTAINERS (500): in each of the storms. DOCKPROF names the binary.
"""

import argparse
import concurrent.futures
import os
import re
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]

import report  # noqa: E402 (found through the path above)
from e2e import wait_until  # noqa: E402
from ground import BUILD_BENCH, ground, run_main  # noqa: E402

THREADS = 8
BURN_MS = "20"
STAYING = 10  # every tenth stays until the next storm
CATCH_UP_S = 2
GROWTH_PERCENT = 5
SOCKETS = 24  # connections to the engine and the server are kept for the next request
INTERVAL_S = 2
SETTLE_S = 4 * INTERVAL_S  # what is gone is kept for two intervals, for its last samples
TARGET = re.compile(r'component=targets msg="?target (came|went)"? .*\borigin=([0-9a-f]{64})')
ROWS = [
    report.Row("seconds", "seconds", None, 0),
    report.Row("containers", "containers running after it", None, 0),
    report.Row("catch_up_s", "end of the storm to targets = docker ps, s", CATCH_UP_S),
    report.Row("rss_mb", "resident memory, MB"),
    report.Row("rss_growth_percent", "  grown since the storm before, %", GROWTH_PERCENT),
    report.Row("rss_peak_mb", "resident memory, peak, MB"),
    report.Row("sockets", "sockets", SOCKETS, 0),
    report.Row("files", "other file descriptors", None, 0),
    report.Row("files_growth", "  more than after the storm before", 0, 0),
    report.Row("cpu_s", "CPU of the agent, s"),
]
# The first storm fills pools and caches.
ALWAYS = {"catch_up_s", "sockets"}
MUST = {"1st storm": ALWAYS, "2nd storm": ALWAYS | {"rss_growth_percent", "files_growth"}}


class Storm:
    def __init__(self, run):
        self.run = run
        self.api = run.engine.api
        self.image = run.image("burn", idle=run.shared.workload("idle"))
        self.stayed = []
        self.number = 0

    def measure(self, count):
        """What the agent holds before, after one storm, and after another of the same size."""
        received = self.run.receiver()
        config = self.run.configure(received, interval=f"{INTERVAL_S}s")
        agent = self.run.agent("run", "--config.file=" + config, "--log.level=debug")
        agent.wait_for_log("following the containers")
        time.sleep(SETTLE_S)
        columns = {"before": holdings(agent, None)}
        for title, before in (("1st storm", "before"), ("2nd storm", "1st storm")):
            figures = self.blow(count)
            figures["catch_up_s"] = self.catch_up(agent)
            time.sleep(SETTLE_S)
            columns[title] = {**figures, **holdings(agent, columns[before])}
        agent.stop()
        return columns

    def blow(self, count):
        """Starts and ends `count` containers, those that stayed before too."""
        self.number += 1
        begin_s = time.monotonic()
        leaving, self.stayed = self.stayed, []
        with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(self.api.remove, leaving))
            self.stayed = [c for c in pool.map(self.one, range(count)) if c]
        return {"seconds": time.monotonic() - begin_s, "containers": len(self.stayed)}

    def one(self, i):
        """The id, where it stays."""
        stays, ends_itself = i % STAYING == 0, i % 2 == 1
        command = ["/idle"] if stays else ["/burn", BURN_MS if ends_itself else "0"]
        container = self.api.run(self.image, command, name=f"storm-{self.number}-{i}")
        if stays:
            return container
        if ends_itself:
            self.api.wait(container)
        self.api.remove(container)
        return None

    def catch_up(self, agent):
        """Seconds until the agent's targets are what `docker ps` lists."""
        begin_s = time.monotonic()
        running = {container["Id"] for container in self.api.list()}
        assert running == set(self.stayed), "the storm itself went wrong"
        wait_until(lambda: targets(agent) == running, "targets equal docker ps", timeout=30)
        return time.monotonic() - begin_s


def targets(agent):
    """The ids of the containers the agent knows, as its debug log tells."""
    known = {}
    for state, container in TARGET.findall(agent.log()):
        known[container] = state == "came"
    return {container for container, living in known.items() if living}


def descriptors(pid):
    """(sockets, others) that a process has open."""
    links = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            links.append(os.readlink(f"/proc/{pid}/fd/{number}"))
        except OSError:
            continue  # closed since
    sockets = sum(link.startswith("socket:") for link in links)
    return sockets, len(links) - sockets


def least_descriptors(pid):
    """Some are open only for moments, others while a container that ended still has samples."""
    looks = []
    for _ in range(10):
        looks.append(descriptors(pid))
        time.sleep(0.1)
    return [min(kind) for kind in zip(*looks)]


def holdings(agent, before):
    with open(f"/proc/{agent.pid}/status") as status:
        peak_kb = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    sockets, files = least_descriptors(agent.pid)
    now = {"rss_mb": agent.rss_kb() / 1024, "rss_peak_mb": peak_kb / 1024, "sockets": sockets,
           "files": files, "cpu_s": time.clock_gettime_ns((~agent.pid << 3) | 2) / 1e9}
    if before:
        now["rss_growth_percent"] = 100 * (now["rss_mb"] / before["rss_mb"] - 1)
        now["files_growth"] = files - before["files"]
    return now


def missed_goals(columns):
    return [f"{column}: {text}" for column, keys in MUST.items() for row in ROWS if row.key in keys
            for text in [row.missed(columns[column])] if text]


def main():
    parser = argparse.ArgumentParser(description="The agent in a storm of containers.")
    parser.add_argument("--no-fail", action="store_true", help="exit 0 though a goal is missed")
    parser.add_argument("--output", metavar="DIR", default=BUILD_BENCH)
    options = parser.parse_args()
    count = int(os.environ.get("STORM_CONTAINERS", "500"))
    with ground("storm") as run:
        columns = Storm(run).measure(count)
    print(f"\n{count} containers started and stopped in each storm\n")
    print(report.table(ROWS, columns) + "\n")
    missed = missed_goals(columns)
    print("figures:", report.write_json(options.output, "storm.json",
                                        {"count": count, "columns": columns, "missed": missed}))
    return report.conclude(missed, options.no_fail)


if __name__ == "__main__":
    run_main(main)
