#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What delivery costs: CPU and memory per pushed MiB, and the encoder beside a generated one.

usage: push.py ENCODE_PROGRAM	FEEDER= names the made-up agent
"""

import json
import os
import resource
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "delivery"))
import feed  # noqa: E402  (after the path is set)
import pprof  # noqa: E402
from receiver import MAX_PROFILE, MAX_SAMPLES, Receiver  # noqa: E402

MILLION = 1000000
# What cutting a profile into parts may add to the profile itself: those that wait (max_pending_bytes, 16 MiB),
# the part under construction, and a number for each location.
PARTS_MAX_KIB = 48 * 1024


def children():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def pushed(spool):
    """CPU seconds, MiB sent, MiB before compression, highest resident KiB."""
    with tempfile.TemporaryDirectory() as directory, Receiver() as server:
        path = feed.config(server.url, directory, spool)
        before = children()
        outcome, _ = feed.run(path, targets=20, stacks=2000, depth=30, intervals=10,
                              interval_ms=100, settle_ms=120000)
        seconds = children() - before
        plain = sum(r.profile.size for r in server.select())
        return seconds, outcome.sent[feed.BYTES] / 2**20, plain / 2**20, outcome.max_rss_kb


class Scales(Receiver):
    """Takes everything and keeps only how large it was."""

    def __init__(self):
        super().__init__()
        self.parts = []  # (bytes, samples)

    def take(self, series, headers):
        for one in series:
            for sample in one.messages(2):
                plain = pprof.decompress(sample.bytes(1), 2 * MAX_PROFILE)
                self.parts.append((len(plain), len(pprof.Message(plain).all[2])))


def million():
    """A million stacks in one interval: how many parts, the largest, memory for the profile and beside it."""
    with tempfile.TemporaryDirectory() as directory, Scales() as server:
        path = feed.config(server.url, directory)
        before = children()
        outcome, _ = feed.run(path, targets=1, stacks=MILLION, depth=8, intervals=1,
                              interval_ms=10, settle_ms=300000)
        sizes = [size for size, _ in server.parts]
        result = {"cpu_s": round(children() - before, 2), "parts": len(sizes),
                  "largest_bytes": max(sizes), "most_samples": max(n for _, n in server.parts),
                  "samples": sum(n for _, n in server.parts),
                  "profile_kib": outcome.built_kb, "beside_kib": outcome.peak_kb - outcome.built_kb}
        fine = (outcome.sent[feed.VALUE] == outcome.sampled and result["samples"] == MILLION and
                result["largest_bytes"] <= MAX_PROFILE and result["most_samples"] <= MAX_SAMPLES and
                result["beside_kib"] <= PARTS_MAX_KIB)
        return result, fine


def main():
    encode = json.loads(subprocess.run([sys.argv[1]], check=True, capture_output=True).stdout)
    seconds, sent, plain, rss = pushed(False)
    parts, fine = million()
    result = {
        "million": parts,
        "encode": encode,
        "push": {"cpu_ms_per_mib_sent": round(1000 * seconds / sent, 1),
                 "cpu_ms_per_mib_plain": round(1000 * seconds / plain, 1),
                 "mib_sent": round(sent, 2), "mib_plain": round(plain, 2), "resident_kib": rss},
    }
    print(f"encode 10,000 stacks: {encode['ours_ms']} ms, generated encoder {encode['generated_ms']} "
          f"ms (and {encode['generated_tree_ms']} ms for its tree), gzip {encode['gzip_ms']} ms")
    print(f"pushed {sent:.1f} MiB ({plain:.1f} before compression): "
          f"{result['push']['cpu_ms_per_mib_plain']} ms CPU a MiB, making them up included; "
          f"{rss // 1024} MiB resident")
    print(f"a million stacks: {parts['parts']} parts of at most {parts['most_samples']} samples and "
          f"{parts['largest_bytes']} bytes; {parts['profile_kib'] // 1024} MiB resident with the profile, "
          f"at most {parts['beside_kib'] // 1024} MiB more until it is sent")
    os.makedirs("build/bench", exist_ok=True)
    with open("build/bench/push.json", "w") as f:
        json.dump(result, f, indent=1)
    sys.exit(encode["ours_ms"] > encode["generated_ms"] or not fine)


if __name__ == "__main__":
    main()
