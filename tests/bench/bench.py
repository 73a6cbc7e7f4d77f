# SPDX-License-Identifier: Apache-2.0
"""
usage: bench.py [--no-fail] [--only TOOL,...] [--output DIR]

What it costs to profile a machine with six busy containers at 97 Hz: dockprof, perf, bcc and
another profiler of your choice, one after the other on the same running load, in one table; then,
without that load, how long a person waits for the first profile. Exits with 1 where dockprof
misses a goal.

BENCH_SECONDS (60): how long each is measured, after SETTLE_S in which it starts and gets to know
what runs; best a multiple of the collect interval of 15 s, so that it holds whole intervals.
DOCKPROF names the binary. PEER is the command line, for sh, of another profiler that is to be
measured as well: it samples all CPUs at 97 Hz in the foreground and ends at SIGINT. Where it is
OpenTelemetry's, the goal for a tick is as much higher as that one takes longer than PEER_TICK_US.
"""

import argparse
import glob
import os
import platform
import shutil
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]

import discovery  # noqa: E402 (found through the path above)
import report  # noqa: E402
from ground import BUILD_BENCH, ground, run_main  # noqa: E402
from load import Load  # noqa: E402
from meter import Measured, bpf_run_time_statistics  # noqa: E402

HZ = "97"
SETTLE_S = 20
PEER_TICK_US = 32.7  # of OpenTelemetry's profiler, where the goals were set
ROWS = [
    report.Row("tick_us", "BPF time per tick, us", 10),
    report.Row("bpf_percent", "BPF time, % of one core"),
    report.Row("cpu_percent", "CPU of the tool, % of one core", 0.3),
    report.Row("rss_mb", "resident memory, MB", 15, 1),
    report.Row("rss_anon_mb", "  of it anonymous, MB", None, 1),
    report.Row("rss_peak_mb", "resident memory, peak, MB", None, 1),
    report.Row("maps_mb", "BPF maps, MB", 12, 1),
    report.Row("sampling_s", "start to the first tick, s"),
    report.Row("start_cpu_s", f"CPU from start to {SETTLE_S} s after that, s"),
    report.Row("first_profile_s", "start to the first profile, s", 1),
    report.Row("end_cpu_s", "CPU from stop to exit, s"),
    report.Row("ticks_per_s", "ticks a second, all CPUs", None, 1),
    report.Row("exported_per_s", "  of them in profiles of the load", None, 1),
]
NOTES = """\
dropped: dockprof with a rule that drops every container: what a tick costs that is not wanted
peer: what PEER names; a tick's goal is then in proportion to its tick
perf samples in the kernel without BPF and names nothing until `perf report`
bcc counts in the kernel and names everything when it ends, from what then still runs"""


def for_this_machine(rows, columns, reference_us=PEER_TICK_US):
    """A goal in microseconds is too much for a slower machine: there, with a peer, it is a share of that one's."""
    peer_us = columns.get("peer", {}).get("tick_us")
    if not peer_us:
        return rows
    return [report.Row(row.key, row.title, round(row.limit * max(1, peer_us / reference_us), 1))
            if row.key == "tick_us" else row for row in rows]


class Unavailable(Exception):
    """This tool cannot run here; the text says why."""


class Bench:
    def __init__(self, run, seconds):
        self.run = run
        self.seconds = seconds
        self.count = 0

    def measure(self, command, stop_signal):
        """(figures, when it was started): one column of the table."""
        self.count += 1
        tool = Measured(command, self.run.environment(), self.run.path(f"tool-{self.count}.log"))
        try:
            figures = {"sampling_s": tool.wait_for_sampling()}
            self.settle()
            figures["start_cpu_s"] = tool.cpu_s()
            figures.update(tool.window(self.seconds))
            before_end = tool.cpu_s()
            figures["end_cpu_s"] = tool.stop(stop_signal) - before_end
            return figures, tool.start_s
        finally:
            tool.kill()

    def settle(self):
        time.sleep(SETTLE_S)

    def dockprof(self, rules=(), ebpf=""):
        received = self.run.receiver()
        config = self.run.configure(received, rules, interval="15s", ebpf=ebpf)
        command = self.run.command("run", "--config.file=" + config)
        figures, start_s = self.measure(command, signal.SIGTERM)
        if received.all:
            figures["first_profile_s"] = received.all[0].arrived_s - start_s
        lived_s = time.monotonic() - start_s
        figures["exported_per_s"] = sum(profile.ticks for profile in received.all) / lived_s
        figures["services"] = sorted(received.services())
        return figures

    def dropped(self):
        return self.dockprof(
            ["{action: drop, source_labels: [__meta_docker_container_id], regex: .+}"])

    def perf(self):
        program = shutil.which("perf")
        if not program:
            raise Unavailable("perf is not installed (linux-perf)")
        command = [program, "record", "-F", HZ, "-g", "-a", "-o", self.run.path("perf.data")]
        return self.measure(command, signal.SIGINT)[0]

    def bcc(self):
        command = [*headers_for_bcc(), *bcc_program(), "-F", HZ, "-f"]
        return self.measure(command, signal.SIGINT)[0]

    def peer(self):
        if not os.environ.get("PEER"):
            raise Unavailable("PEER names no other profiler")
        return self.measure(["sh", "-c", "exec " + os.environ["PEER"]], signal.SIGINT)[0]


def bcc_program():
    for name in ("profile-bpfcc", "/usr/share/bcc/tools/profile"):
        if shutil.which(name):
            return [shutil.which(name)]
    raise Unavailable("bcc's profile is not installed (bpfcc-tools)")


def headers_for_bcc():
    """
    bcc compiles its program when it starts and wants the headers of the running kernel. Where these
    are not there, those of another kernel do: `profile` reads no structure of the kernel but its
    context. They are put in place in a mount namespace of its own.
    """
    if os.path.isdir(f"/lib/modules/{platform.release()}/build"):
        return []
    builds = sorted(glob.glob("/usr/src/linux-headers-*-" + debian_architecture()))
    if not builds:
        raise Unavailable("bcc's profile needs kernel headers "
                          f"(linux-headers-{debian_architecture()})")
    build = builds[-1]
    common = build.removesuffix(debian_architecture()) + "common"
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", """
mkdir -p /lib/modules
mount -t tmpfs tmpfs /lib/modules
mkdir "/lib/modules/$(uname -r)"
ln -s "$1" "/lib/modules/$(uname -r)/build"
ln -s "$2" "/lib/modules/$(uname -r)/source"
shift 2
exec "$@"
""", "sh", build, common]


def debian_architecture():
    return {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]


TOOLS = {"dockprof": Bench.dockprof, "dropped": Bench.dropped, "perf": Bench.perf,
         "bcc": Bench.bcc, "peer": Bench.peer}


def measure_all(run, load, seconds, names):
    """(tool -> figures, tool -> why it was left out)."""
    bench, columns, skipped = Bench(run, seconds), {}, {}
    for name in names:
        print(f"measuring {name} for {seconds} s ...", flush=True)
        try:
            columns[name] = TOOLS[name](bench)
        except Unavailable as reason:
            skipped[name] = str(reason)
        load.check()
    return columns, skipped


def missed_goals(load, columns, waits):
    missed = [row.missed(figures) for rows, figures in
              ((for_this_machine(ROWS, columns), columns.get("dockprof", {})), (discovery.ROWS, waits))
              for row in rows]
    unseen = set(load.names()) - set(columns.get("dockprof", {}).get("services", []))
    return [text for text in missed if text] + [f"no profile of {name}" for name in sorted(unseen)]


def show(load, columns, skipped, waits, seconds):
    print(f"\n{HZ} Hz on {os.cpu_count()} CPUs, Linux {platform.release()}, {seconds} s each, "
          f"all CPUs busy with the containers {', '.join(load.names())}")
    for text in load.replaced():
        print(f"  {text}")
    print("\n" + report.table(for_this_machine(ROWS, columns), columns) + "\n")
    print(NOTES)
    for name, reason in skipped.items():
        print(f"SKIP {name}: {reason}")
    print("\n" + report.table(discovery.ROWS, {"dockprof": waits}) + "\n")


def main():
    parser = argparse.ArgumentParser(description="Costs of dockprof beside those of other profilers.")
    parser.add_argument("--no-fail", action="store_true", help="exit 0 though a goal is missed")
    parser.add_argument("--only", metavar="TOOL,...", default=",".join(TOOLS))
    parser.add_argument("--output", metavar="DIR", default=BUILD_BENCH)
    options = parser.parse_args()
    seconds = int(os.environ.get("BENCH_SECONDS", "60"))
    with ground("bench") as run, bpf_run_time_statistics():
        load = Load(run.engine, run.directory)
        load.start()
        columns, skipped = measure_all(run, load, seconds, options.only.split(","))
        load.stop()
        waits = discovery.measure(run)
    show(load, columns, skipped, waits, seconds)
    missed = missed_goals(load, columns, waits)
    print("figures:", report.write_json(options.output, "bench.json", {
        "hz": int(HZ), "seconds": seconds, "load": load.names(), "replaced": load.replaced(),
        "tools": columns, "first_profile": waits, "skipped": skipped, "missed": missed}))
    return report.conclude(missed, options.no_fail)


if __name__ == "__main__":
    run_main(main)
