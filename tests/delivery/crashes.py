#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments under load, with a server that comes and goes.

usage: crashes.py COUNT

Each run goes on with the spool of the one before. At the end everything is delivered and compared with
what each run said it had sampled: per kill at most one interval (of all targets) is missing, what came
twice was in flight at the kill, no profile is wrong, and no spool had a damaged record but the one torn
at its end.
"""

import os
import random
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import feed  # noqa: E402  (after the path is set)
from receiver import Receiver  # noqa: E402

TARGETS, STACKS, INTERVAL_MS = 6, 10, 40
INTERVAL_VALUE = TARGETS * sum(1 + k % 3 for k in range(STACKS)) * 10000000
IN_FLIGHT = 16  # of endpoint.c
MODES = [("ok", {}), ("ok", {}), ("503", {}), ("reset", {}), ("delay", {"seconds": 0.1}), ("429", {}),
         ("hang", {})]


def run_and_kill(path, first, rng):
    """Numbers of the intervals that were handed over before the kill."""
    process = feed.start(path, targets=TARGETS, stacks=STACKS, intervals=1000,
                         interval_ms=INTERVAL_MS, first=first)
    time.sleep(rng.uniform(0.005, 0.35))
    process.send_signal(signal.SIGKILL)
    out, err = process.communicate()
    if process.returncode != -signal.SIGKILL:
        raise AssertionError(f"it ended by itself: {process.returncode} {err}")
    return [int(line.split()[1]) for line in out.splitlines()
            if line.startswith("interval ") and len(line.split()) == 3]


def compare(server, runs):
    """Raises where a kill cost more than it may."""
    values, times = feed.stacks(server.select())
    expected = {f"s{k}": (1 + k % 3) * 10000000 for k in range(STACKS)}
    by_interval = {}
    for leaf, value in values.items():
        interval, target, stack = leaf.split(".")
        if value % expected[stack]:
            raise AssertionError(f"{leaf} has the value {value}")
        counts = by_interval.setdefault(int(interval[1:]), {})
        counts.setdefault(target, set()).add(value // expected[stack])
    lost = twice = 0
    for intervals in runs:
        missing = duplicates = 0
        for number in intervals:
            counts = by_interval.get(number, {})
            for target in range(TARGETS):
                seen = counts.get(f"t{target}", {0})
                if len(seen) != 1:
                    raise AssertionError(f"a torn profile in interval {number}: {seen}")
                missing += seen == {0}
                duplicates += max(0, max(seen) - 1)
        if missing > TARGETS:
            raise AssertionError(f"{missing} profiles of one run are missing, an interval has "
                                 f"{TARGETS}; intervals {intervals}")
        lost += missing
        twice += duplicates
    return lost, twice


def campaign(count, directory):
    rng = random.Random(count)
    runs, first = [], 0
    with Receiver() as server:
        path = feed.config(server.url, directory, endpoint="      remote_timeout: 150ms\n")
        for _ in range(count):
            mode, arguments = rng.choice(MODES)
            server.behave(mode, **arguments)
            runs.append(run_and_kill(path, first, rng))
            first += 1000
        server.behave("ok")
        outcome, _ = feed.run(path, targets=TARGETS, stacks=STACKS, intervals=1,
                              interval_ms=10, settle_ms=120000, first=first)
        if outcome.spooled[feed.PROFILES] or outcome.dropped():
            raise AssertionError(f"not all came: {outcome.all}")
        if outcome.damaged > 1:
            raise AssertionError(f"{outcome.damaged} damaged records")
        if server.refusals:
            raise AssertionError(f"refused: {server.refusals[:3]}")
        lost, twice = compare(server, runs)
        if twice > IN_FLIGHT * count:
            raise AssertionError(f"{twice} profiles came twice, more than were in flight")
        handed = sum(len(run) for run in runs) * TARGETS
        return (f"{count} kills, {handed} profiles handed over: {lost} lost (at most {TARGETS} a "
                f"kill), {twice} came twice")


def main():
    directory = tempfile.mkdtemp(prefix="dockprof-crashes-")
    try:
        print("crashes:", campaign(int(sys.argv[1]), directory))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
