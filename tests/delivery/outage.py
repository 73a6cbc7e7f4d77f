#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server that is down for 24 hours, at 1,500 times the speed: intervals of 15 s take 10 ms, and an hour
(spool.max_age) 2.4 s. Memory has to be flat, the disk within its quota, and
what the server still takes delivered within a minute of its being back.

usage: outage.py
"""

import os
import shutil
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import feed  # noqa: E402  (after the path is set)
from receiver import Receiver  # noqa: E402

TARGETS, STACKS = 20, 100
INTERVALS, INTERVAL_MS, AFTERWARDS = 5760, 10, 10
QUOTA = 4 << 20


def resident_kb(pid):
    with open(f"/proc/{pid}/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def disk_bytes(directory):
    total = 0
    for root, _, files in os.walk(directory):
        for name in files:
            try:
                total += os.path.getsize(os.path.join(root, name))
            except FileNotFoundError:
                pass  # a segment that had to go
    return total


def main():
    directory = tempfile.mkdtemp(prefix="dockprof-outage-")
    with Receiver() as server:
        server.behave("503")
        write = (f"  spool: {{path: {directory}/spool, max_bytes: 4MiB, max_age: 2s400ms, "
                 "sync_period: 100ms}\n")
        path = feed.config(server.url, directory, spool=False, write=write)
        process = feed.start(path, targets=TARGETS, stacks=STACKS,
                             intervals=INTERVALS + AFTERWARDS, interval_ms=INTERVAL_MS,
                             settle_ms=60000)
        samples, stop = [], threading.Event()

        def watch():
            begin = time.monotonic()
            while not stop.wait(0.5):
                samples.append((time.monotonic() - begin, resident_kb(process.pid),
                                disk_bytes(f"{directory}/spool")))

        threading.Thread(target=watch, daemon=True).start()
        for line in process.stdout:  # this machine may be slower than the intervals
            if line.startswith(f"interval {INTERVALS - 1} "):
                break
        stop.set()
        server.behave("ok")
        back = time.monotonic()
        outcomes, _ = feed.finish(process)
        took = time.monotonic() - back
        outcome = outcomes[0].balanced()
    shutil.rmtree(directory, ignore_errors=True)
    settled = samples[len(samples) // 8:]
    rss = [s[1] for s in settled]
    disk = max(s[2] for s in settled)
    half = len(rss) // 2
    early, late = sum(rss[:half]) / half, sum(rss[half:]) / (len(rss) - half)
    print(f"outage: {INTERVALS} intervals of {TARGETS} targets: resident {early:.0f} KiB in the first "
          f"half, {late:.0f} KiB in the second (lowest {min(rss)}, highest {max(rss)}), disk at most "
          f"{disk} of {QUOTA} bytes, sent {outcome.sent[0]}, dropped {outcome.reasons()}, "
          f"all done {took:.1f} s after the server was back")
    sys.exit(not (late <= early * 1.05 and disk <= QUOTA and took < 60
                  and outcome.spooled[0] == 0 and outcome.sent[0] > 0))


if __name__ == "__main__":
    main()
