# SPDX-License-Identifier: Apache-2.0
"""A bench of several loads, each measured alone: one table of all their figures beside their goals."""

import argparse
import os
import platform

import report
from ground import BUILD_BENCH, ground
from meter import bpf_run_time_statistics


def row(load, key, title, *goal, **more):
    """A Row of one load's figure `key`."""
    return report.Row(f"{load}_{key}", title, *goal, **more)


def run(name, description, bench, loads, rows):
    """
    The main() of a bench: bench(run, seconds) makes the object whose methods `loads` (name -> method)
    measure; <NAME>_SECONDS says how long each is. The exit code.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--no-fail", action="store_true", help="exit 0 though a goal is missed")
    parser.add_argument("--only", metavar="LOAD,...", default=",".join(loads))
    parser.add_argument("--output", metavar="DIR", default=BUILD_BENCH)
    options = parser.parse_args()
    seconds = int(os.environ.get(name.upper() + "_SECONDS", "60"))
    figures = {}
    with ground(name) as ground_run, bpf_run_time_statistics():
        measured = bench(ground_run, seconds)
        for load in options.only.split(","):
            print(f"measuring {load} for {seconds} s ...", flush=True)
            figures[load] = loads[load](measured)
    column = {f"{load}_{key}": value for load, own in figures.items() for key, value in own.items()}
    rows = [r for r in rows if r.key.split("_")[0] in figures]
    print(f"\n{os.cpu_count()} CPUs, Linux {platform.release()}, {seconds} s each\n")
    print(report.table(rows, {"dockprof": column}) + "\n")
    missed = [text for text in (r.missed(column) for r in rows) if text]
    print("figures:", report.write_json(options.output, name + ".json", {
        "seconds": seconds, "loads": figures, "missed": missed}))
    return report.conclude(missed, options.no_fail)
