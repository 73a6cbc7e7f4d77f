# SPDX-License-Identifier: Apache-2.0
"""Runs the feeder (feeder.c) and reads what it says."""

import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

FEEDER = os.environ.get("FEEDER", "build/tests/feeder")
PROFILES, BYTES, VALUE = 0, 1, 2
DROPPED = "dropped_"


class Outcome:
    """What became of everything at one endpoint; balanced() is the promise of this project."""

    def __init__(self, text):
        self.all = json.loads(text)

    def __getattr__(self, name):
        return self.all[name]

    def dropped(self, unit=VALUE):
        return sum(value[unit] for name, value in self.all.items() if name.startswith(DROPPED))

    def reasons(self):
        return {name[len(DROPPED):]: value[PROFILES] for name, value in self.all.items()
                if name.startswith(DROPPED)}

    def balanced(self):
        for unit in (PROFILES, BYTES, VALUE):
            came = self.added[unit] + self.recovered[unit]
            went = self.sent[unit] + self.waiting[unit] + self.spooled[unit] + self.dropped(unit)
            if came != went:
                raise AssertionError(f"{came} came and {went} went (unit {unit}): {self.all}")
        if self.added[VALUE] != self.sampled:
            raise AssertionError(f"{self.sampled} sampled, {self.added[VALUE]} handed over")
        if self.waiting[PROFILES]:
            raise AssertionError(f"still in memory after the end: {self.waiting}")
        return self


def config(url, directory, spool=True, endpoint="", write=""):
    """A configuration as the agent reads it; its path."""
    fd, path = tempfile.mkstemp(suffix=".yml", dir=directory)
    with os.fdopen(fd, "w") as f:
        f.write(f"write:\n  endpoint:\n    - url: {url}\n      min_backoff_period: 50ms\n"
                f"      max_backoff_period: 200ms\n{endpoint}{write}")
        if spool:
            f.write(f"  spool: {{path: {directory}/spool, sync_period: 100ms}}\n")
    return path


def start(path, environment=None, **numbers):
    command = [FEEDER, path] + [f"{name}={value}" for name, value in numbers.items()]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=dict(os.environ, **(environment or {})))


def finish(process):
    """Outcomes by endpoint, and what it told on stderr."""
    out, err = process.communicate(timeout=600)
    if process.returncode:
        raise AssertionError(f"feeder ended with {process.returncode}: {err[-2000:]}")
    return [Outcome(line) for line in out.splitlines() if line.startswith("{")], err


def run(path, environment=None, **numbers):
    outcomes, err = finish(start(path, environment, **numbers))
    return outcomes[0].balanced(), err


def stacks(received):
    """Value by leaf, of everything received, and how often each profile came."""
    values, times = {}, {}
    for one in received:
        for sample in one.profile.samples:
            leaf = sample.names[-1]
            values[leaf] = values.get(leaf, 0) + sample.values[0]
        key = (one.labels["service_name"], one.profile.time_nanos)
        times[key] = times.get(key, 0) + 1
    return values, times
