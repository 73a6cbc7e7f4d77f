# SPDX-License-Identifier: Apache-2.0
"""
usage: stacks.py [--no-fail] [--only KIND,...] [--output DIR]

How many user stacks reach their root, and how many frames have a name: thirteen containers, each with
another kind of program, profiled by dockprof and then, on the same running load, by perf with frame
pointers and perf with DWARF. Exits with 1 where dockprof misses a goal.

What is stripped is there twice, as it is and with its debug file; names are asked of the latter. Which functions
have no name is told, and which package would have it.

STACKS_SECONDS (30): how long each is measured. DOCKPROF names the binary.
"""

import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "..", "lib")]

import report  # noqa: E402 (found through the path above)
from ground import BUILD_BENCH, ground, run_main  # noqa: E402
from judge import UNNAMED, is_rooted, share  # noqa: E402
from load import STACK_KINDS, Load  # noqa: E402

HZ = 499
ENOUGH = 200  # samples of a container, below which a share says little
ROOT_GOALS = {"python": 98, "node": 98, "java": None}  # of the others: 99.5
ROOT_GOAL, NAME_GOAL = 99.5, 95
NAMED_WITH = {"cxx": "cxx-debug", "redis": "redis-debug"}  # where the same has its debug file
PSEUDO = re.compile(r"^(.*)!sub_[0-9a-f]+$")  # a function of a stripped file, by its start: no name
UNNAMED_TOLD = 0.5  # percent of a container's frames

Quality = collections.namedtuple("Quality", "samples root named ends unnamed", defaults=((),))


def of_dockprof(run, load, seconds):
    """kind -> Quality, as the agent itself counts: the figures that its users see."""
    received = run.receiver()
    config = run.configure(received, interval="15s", rate=HZ)
    agent = run.agent("run", "--config.file=" + config)
    agent.wait_for_log("sampling all CPUs")
    time.sleep(seconds)
    qualities = {}
    time.sleep(15)  # the interval that the last ticks are in has ended
    for name in load.names():
        result = subprocess.run(run.command("explain", "--json", "--socket=" + run.socket, name),
                                capture_output=True, text=True, env=run.environment())
        if result.returncode:
            raise AssertionError(f"explain {name}: {result.stderr or result.stdout}"
                                 f"the agent's log:\n{agent.log()[-4000:]}")
        answer = json.loads(result.stdout)
        if answer.get("note"):
            raise AssertionError(f"explain did not ask the agent: {answer['note']}")
        container = answer["containers"][0]
        stacks = container["stacks"]
        root = stacks["userStacks"] - stacks["userStacksCut"]
        qualities[name] = Quality(stacks["userStacks"], share(root, stacks["userStacks"]),
                                  share(stacks["framesNamed"], stacks["frames"]), stacks["ends"],
                                  unnamed(received, name, container["modules"]))
    agent.stop()
    return qualities


def package_of(path):
    """The Debian package that has this machine's file, or None."""
    result = subprocess.run(["dpkg-query", "-S", path, path.removeprefix("/usr")],
                            capture_output=True, text=True)
    return result.stdout.split(":")[0] or None


def unnamed(received, service, modules):
    """What has no name in a container: (percent of all its frames, text), modules before their functions."""
    functions, frames = collections.Counter(), 0
    for profile in received.profiles(service):
        for names, ticks in profile.stacks:
            frames += ticks * len(names)
            for name in names:
                if PSEUDO.match(name) or UNNAMED.search(name):
                    functions[name] += ticks
    found = []
    for module in modules:
        base = os.path.basename(module["path"])
        part = share(module["frames"] - module["named"], sum(m["frames"] for m in modules))
        if not part or part < UNNAMED_TOLD:
            continue
        package = module["path"].startswith("/") and package_of(module["path"])
        found.append((part, f"{base}: {module['cause']}" + (
            f", its debug file: {package}-dbgsym of Debian's archive debian-debug" if package else "")))
        found += [(share(ticks, frames), "  " + name) for name, ticks in functions.most_common()
                  if name.startswith((base + "!", base + "+")) and
                  share(ticks, frames) >= UNNAMED_TOLD]
    return found


def containers_of_pids(load):
    """pid -> kind, of the processes that run now."""
    pids = {}
    for kind, container in zip(load.names(), load.containers):
        for directory in os.listdir("/proc"):
            if not directory.isdigit():
                continue
            try:
                with open(f"/proc/{directory}/cgroup") as file:
                    if container in file.read():
                        pids[int(directory)] = kind
            except OSError:
                continue
    return pids


def perf_samples(text):
    """(pid, [(function, module)] leaf first) of `perf script -F pid,ip,sym,dso`."""
    pid, frames = None, []
    for line in text:
        if not line.strip():
            if pid is not None and frames:
                yield pid, frames
            pid, frames = None, []
        elif line[0] not in " \t" or pid is None:
            match = re.match(r"\s*(\d+)", line)
            pid = int(match.group(1)) if match else None
        else:
            match = re.match(r"\s*[0-9a-f]+ (.*) \((.*)\)$", line.rstrip())
            if match:
                frames.append((match.group(1).split("+0x")[0], match.group(2)))
    if pid is not None and frames:
        yield pid, frames


def of_perf(run, load, seconds, mode):
    program = shutil.which("perf")
    if not program:
        return {}
    data = run.path("perf.data")
    subprocess.run([program, "record", "-q", "-F", str(HZ), "-a", "--call-graph", mode, "-o", data,
                    "--", "sleep", str(seconds)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    pids = containers_of_pids(load)
    counts = collections.defaultdict(lambda: [0, 0, 0, 0])  # samples, root, frames, named
    script = subprocess.Popen([program, "script", "-i", data, "-F", "pid,ip,sym,dso"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              errors="replace")
    for pid, frames in perf_samples(script.stdout):
        kind = pids.get(pid)
        user = [frame for frame in frames if not frame[1].startswith("[kernel")]
        if not kind or not user:
            continue
        count = counts[kind]
        count[0] += 1
        count[1] += is_rooted([name for name, _ in user])
        count[2] += len(frames)
        count[3] += sum(name != "[unknown]" for name, _ in frames)
    script.wait()
    return {kind: Quality(c[0], share(c[1], c[0]), share(c[3], c[2]), {})
            for kind, c in counts.items()}


def cell(value):
    return "-" if value is None else f"{value:.1f}"


def show(load, ours, perf_fp, perf_dwarf, seconds):
    lines = [["", "samples", "root %", "named %", "perf fp: root %", "named %",
              "perf dwarf: root %", "named %", "other ends"]]
    for name in load.names():
        own, fp, dwarf = (table.get(name, Quality(0, None, None, {}))
                          for table in (ours, perf_fp, perf_dwarf))
        others = ", ".join(f"{end} {count}" for end, count in own.ends.items() if end != "root")
        lines.append([name, str(own.samples), cell(own.root), cell(own.named), cell(fp.root),
                      cell(fp.named), cell(dwarf.root), cell(dwarf.named), others])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    print(f"\n{HZ} Hz, {seconds} s each")
    for line in lines:
        print("  ".join(text.ljust(width) if i in (0, len(line) - 1) else text.rjust(width)
                        for i, (text, width) in enumerate(zip(line, widths))).rstrip())
    print(f"\nwithout a name, in percent of all frames, where it is {UNNAMED_TOLD} or more:")
    for name in load.names():
        for part, text in ours[name].unnamed:
            print(f"{name:<{widths[0]}}  {part:5.1f}  {text}")
    print()


def named_elsewhere(load):
    """name -> the same with its debug file, where that is there; else it is judged as it is."""
    there = {service.name for service in load.services if not service.missing}
    return {name: other for name, other in NAMED_WITH.items() if name in there and other in there}


def missed_goals(load, ours):
    missed = []
    for service in load.services:
        quality = ours[service.name]
        root_goal = ROOT_GOALS.get(service.name, ROOT_GOAL)
        if service.missing:
            continue
        if quality.samples < ENOUGH:
            missed.append(f"{service.name}: {quality.samples} samples, at least {ENOUGH}")
        elif root_goal and quality.root < root_goal:
            missed.append(f"{service.name}: {quality.root:.2f} % reach the root, at least "
                          f"{root_goal}")
        elif root_goal and service.name not in named_elsewhere(load) and quality.named < NAME_GOAL:
            missed.append(f"{service.name}: {quality.named:.1f} % named, at least {NAME_GOAL}")
    return missed


def main():
    parser = argparse.ArgumentParser(description="Complete stacks, beside perf's.")
    parser.add_argument("--no-fail", action="store_true", help="exit 0 though a goal is missed")
    parser.add_argument("--only", metavar="KIND,...", default=",".join(STACK_KINDS))
    parser.add_argument("--output", metavar="DIR", default=BUILD_BENCH)
    options = parser.parse_args()
    seconds = int(os.environ.get("STACKS_SECONDS", "30"))
    kinds = {name: STACK_KINDS[name] for name in options.only.split(",")}
    with ground("stacks") as run:
        load = Load(run.engine, run.directory, kinds)
        load.start()
        time.sleep(3)
        ours = of_dockprof(run, load, seconds)
        load.check()
        perf_fp = of_perf(run, load, min(seconds, 10), "fp")
        perf_dwarf = of_perf(run, load, min(seconds, 5), "dwarf,16384")
        load.stop()
    show(load, ours, perf_fp, perf_dwarf, seconds)
    for text in load.replaced():
        print(f"SKIP {text}")
    for name, other in named_elsewhere(load).items():
        if ours[name].named < NAME_GOAL:
            print(f"{name} is stripped: {ours[name].named:.1f} % named; judged by {other}")
    missed = missed_goals(load, ours)
    print("figures:", report.write_json(options.output, "stacks.json", {
        "hz": HZ, "seconds": seconds, "replaced": load.replaced(), "missed": missed,
        "dockprof": {name: quality._asdict() for name, quality in ours.items()},
        "perf_fp": {name: quality._asdict() for name, quality in perf_fp.items()},
        "perf_dwarf": {name: quality._asdict() for name, quality in perf_dwarf.items()}}))
    return report.conclude(missed, options.no_fail)


if __name__ == "__main__":
    run_main(main)
