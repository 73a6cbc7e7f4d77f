# SPDX-License-Identifier: Apache-2.0
"""
usage: python_cost.py [--no-fail] [--containers N] [--only TOOL,...] [--output DIR]

What it costs to profile Python at 97 Hz: the Python container of the mix (bench.py) alone, or several of
it, profiled by dockprof, by dockprof without Python's frames, by py-spy (one for each process, with native
frames), by perf and by PEER (see bench.py), one after the other on the same load. Exits with 1 where
dockprof misses a goal; goals are for one container.

BENCH_SECONDS (60): how long each is measured, after a time in which it gets to know what runs; best a
multiple of the collect interval of 15 s. PY_SPY, DOCKPROF name the binaries, BENCH_LOAD a Python that
runs the load, instead of the one that runs this.
"""

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]

import report  # noqa: E402 (found through the path above)
from bench import (  # noqa: E402
    HZ, PEER_TICK_US, SETTLE_S, Bench, Unavailable, for_this_machine)
from ground import BUILD_BENCH, ground, run_main  # noqa: E402
from load import INSIDE, Load, source, tool  # noqa: E402
from meter import Measured, bpf_run_time_statistics, memory_kb  # noqa: E402

PEER_ON_PYTHON = 1.25  # OpenTelemetry's tick on this load to that on the mix, measured side by side
ROWS = [
    report.Row("tick_us", "BPF time per tick of a busy CPU, us", 12),
    report.Row("bpf_percent", "BPF time, % of one core"),
    report.Row("cpu_percent", "CPU of the tool, % of one core", 0.1),
    report.Row("rss_mb", "resident memory, MB", None, 1),
    report.Row("ticks_per_s", "ticks a second, all CPUs", None, 1),
    report.Row("load_percent", "CPU that the load got, % of all", None, 1),
]
NOTES = """\
py-spy stops the process for each sample: what the load does not get then; it reads processes outside of containers
perf samples in the kernel and names nothing until `perf report`; it knows no Python functions"""


def python(directory):
    shutil.copy(source("documents.py"), directory)
    return [tool(os.environ.get("BENCH_LOAD", sys.executable)), f"{INSIDE}/documents.py"]


class PythonBench(Bench):
    def __init__(self, run, seconds, load):
        super().__init__(run, seconds)
        self.load = load

    def load_cpu_s(self):
        return sum(self.run.engine.cgroup_cpu_ns(container) for container in self.load.containers) / 1e9

    def measure(self, command, stop_signal):
        begin_s, cpu_s = time.monotonic(), self.load_cpu_s()
        figures, start_s = super().measure(command, stop_signal)
        wall_s = time.monotonic() - begin_s
        busy_cpus = (self.load_cpu_s() - cpu_s) / wall_s
        figures["load_percent"] = 100 * busy_cpus / os.cpu_count()
        if figures.get("tick_us"):  # some tick on idle CPUs as well
            figures["tick_us"] *= figures["ticks_per_s"] / (int(HZ) * busy_cpus)
        return figures, start_s

    def settle(self):
        """This load hardly enters the kernel; what a tool reads for its first frame there is not of the steady state."""
        cgroup = self.run.engine.cgroup_of(self.load.containers[0])
        command = 'echo $$ > "$0/cgroup.procs" && exec timeout 1 dd if=/dev/zero of=/dev/null bs=1M'
        if subprocess.run(["sh", "-c", command, cgroup], check=False).returncode != 124:
            raise Unavailable("no process of the container could enter the kernel")
        super().settle()

    def native(self):
        return self.dockprof(ebpf="  python_enabled: false\n")

    def py_spy(self):
        program = os.environ.get("PY_SPY") or shutil.which("py-spy")
        if not program or not os.path.exists(program):
            raise Unavailable("py-spy is not there (pip install py-spy)")
        for container in self.load.containers:
            self.run.engine.api.act(container, "pause")
        with contextlib.ExitStack() as ending:
            for container in self.load.containers:
                ending.callback(self.run.engine.api.act, container, "unpause")
            return self.py_spy_of(program, ending)

    def py_spy_of(self, program, ending):
        """Of the same programs outside of containers: it cannot read the native frames of those within."""
        environment, load, tools = self.run.environment(), [], []
        for number, service in enumerate(self.load.services):
            command = [word.replace(INSIDE, self.run.directory) for word in service.command]
            load.append(Measured(command, environment, self.run.path(f"load-{number}.log")))
            ending.callback(load[-1].kill)
        time.sleep(1)
        for number, process in enumerate(load):
            command = [program, "record", "--native", "--rate", HZ, "--format", "raw", "--pid", str(process.pid),
                       "--output", self.run.path(f"spy-{number}")]
            tools.append(Measured(command, environment, self.run.path(f"spy-{number}.log")))
            ending.callback(tools[-1].kill)
        time.sleep(SETTLE_S)
        begin_s, before = time.monotonic(), [process.cpu_s() for process in tools + load]
        time.sleep(self.seconds)
        seconds = time.monotonic() - begin_s
        for process in tools + load:
            if process.ended():
                raise Unavailable("py-spy or its load ended: " + process.log()[-500:])
        used = [process.cpu_s() - old for process, old in zip(tools + load, before)]
        return {
            "cpu_percent": 100 * sum(used[:len(tools)]) / seconds,
            "rss_mb": sum(memory_kb(process.pid)["VmRSS"] for process in tools) / 1024,
            "load_percent": 100 * sum(used[len(tools):]) / seconds / os.cpu_count(),
        }


TOOLS = {"dockprof": PythonBench.dockprof, "native only": PythonBench.native, "py-spy": PythonBench.py_spy,
         "perf": PythonBench.perf, "peer": PythonBench.peer}


def measure_all(bench, names):
    """(tool -> figures, tool -> why it was left out)."""
    columns, skipped = {}, {}
    for name in names:
        print(f"measuring {name} for {bench.seconds} s ...", flush=True)
        try:
            columns[name] = TOOLS[name](bench)
        except Unavailable as reason:
            skipped[name] = str(reason)
        bench.load.check()
    return columns, skipped


def main():
    parser = argparse.ArgumentParser(description="Costs of profiling Python, beside py-spy's and perf's.")
    parser.add_argument("--no-fail", action="store_true", help="exit 0 though a goal is missed")
    parser.add_argument("--only", metavar="TOOL,...", default=",".join(TOOLS))
    parser.add_argument("--output", metavar="DIR", default=BUILD_BENCH)
    parser.add_argument("--containers", type=int, default=1, metavar="N", help="that are busy (1)")
    options = parser.parse_args()
    seconds = int(os.environ.get("BENCH_SECONDS", "60"))
    with ground("python") as run, bpf_run_time_statistics():
        load = Load(run.engine, run.directory, {f"python-{number}": python for number in range(options.containers)})
        load.start()
        columns, skipped = measure_all(PythonBench(run, seconds, load), options.only.split(","))
        load.stop()
    rows = for_this_machine(ROWS, columns, PEER_ON_PYTHON * PEER_TICK_US)
    print(f"\n{HZ} Hz on {os.cpu_count()} CPUs, {seconds} s each, {options.containers} busy "
          f"{load.services[0].command[0]}\n\n"
          + report.table(rows, columns) + "\n\n" + NOTES)
    for name, reason in skipped.items():
        print(f"SKIP {name}: {reason}")
    missed = [text for text in (row.missed(columns.get("dockprof", {})) for row in rows) if text]
    print("figures:", report.write_json(options.output, "python.json", {
        "hz": int(HZ), "seconds": seconds, "containers": options.containers, "tools": columns,
        "skipped": skipped, "missed": missed}))
    return report.conclude(missed, options.no_fail)


if __name__ == "__main__":
    run_main(main)
