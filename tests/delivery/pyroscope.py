#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Against real Pyroscope servers: what was sampled is pushed, and asked back of them by labels and time, stack by
stack; what they did not take while they were away comes afterwards.

usage: pyroscope.py PROGRAM...	FEEDER= names the made-up agent

Each PROGRAM is a Pyroscope server, of the first or the second major version. It is started here, listens on
127.0.0.1 only, and keeps its data in a directory of ours.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import feed  # noqa: E402  (after the path is set)
from connections import equal  # noqa: E402

TICK_NS = 10000000  # feeder.c
# The first query of a new version 2 may see nothing for two minutes.
PATIENCE_S = 240
RINGS = ("compactor.ring.instance-addr", "distributor.ring.instance-addr", "ingester.lifecycler.addr",
         "overrides-exporter.ring.instance-addr", "query-frontend.instance-addr",
         "query-scheduler.ring.instance-addr", "store-gateway.sharding-ring.instance-addr",
         "segment-writer.lifecycler.addr", "memberlist.bind-addr", "memberlist.advertise-addr")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def poll(ask, want, what):
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            got = ask()
        except OSError as error:  # not ready, or its answer is an error
            got = error
        if got == want:
            return
        if time.monotonic() > end:
            raise AssertionError(f"{what}: {str(got)[:300]} is not {str(want)[:300]}")
        time.sleep(2)


class Server:
    """One Pyroscope, started and stopped as often as one likes, with the same data."""

    def __init__(self, program, directory):
        self.program, self.directory = program, directory
        # All of them, as version 2 keeps its own addresses in its data.
        self.port, self.grpc, self.raft, self.gossip = (free_port() for _ in range(4))
        self.process = None
        self.url = f"http://127.0.0.1:{self.port}"
        done = subprocess.run([program, "-help-all"], capture_output=True, text=True, check=False)
        self.known = done.stdout + done.stderr

    def options(self):
        d = self.directory
        wanted = {name: "127.0.0.1" for name in RINGS}
        wanted.update({
            "server.http-listen-address": "127.0.0.1", "server.http-listen-port": self.port,
            "server.grpc-listen-address": "127.0.0.1", "server.grpc-listen-port": self.grpc,
            "memberlist.bind-port": self.gossip, "usage-stats.enabled": "false",
            "metastore.address": f"localhost:{self.grpc}",
            "query-backend.address": f"localhost:{self.grpc}",
            "metastore.raft.bind-address": f"localhost:{self.raft}",
            "metastore.raft.advertise-address": f"localhost:{self.raft}",
            "metastore.raft.server-id": f"localhost:{self.raft}",
            "self-profiling.disable-push": "true", "storage.backend": "filesystem",
            "storage.filesystem.dir": f"{d}/store", "pyroscopedb.data-path": f"{d}/db",
            "compactor.data-dir": f"{d}/compactor", "architecture.storage": "v2"})
        return [f"-{name}={value}" for name, value in wanted.items() if f"-{name}" in self.known]

    def start(self):
        with open(f"{self.directory}/log", "ab") as log:
            self.process = subprocess.Popen([self.program, *self.options()], stdout=log, stderr=log,
                                            cwd=self.directory)
        poll(self.is_ready, True, "ready")

    def is_ready(self):
        if self.process.poll() is not None:
            with open(f"{self.directory}/log", errors="replace") as log:
                raise AssertionError(f"the server ended: {log.read()[-1000:]}")
        with urllib.request.urlopen(self.url + "/ready", timeout=5) as answer:
            return b"ready" in answer.read()

    def stop(self):
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def ask(self, method, begin, end, selector):
        query = {"profileTypeID": "process_cpu:cpu:nanoseconds:cpu:nanoseconds",
                 "labelSelector": selector, "start": int(begin * 1000), "end": int(end * 1000)}
        request = urllib.request.Request(f"{self.url}/querier.v1.QuerierService/{method}",
                                         data=json.dumps(query).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def total(self, begin, selector, end=None):
        answer = self.ask("SelectMergeStacktraces", begin, end or time.time() + 60, selector)
        return int(answer.get("flamegraph", {}).get("total", 0))

    def leaves(self, begin, selector):
        """Value by leaf."""
        p = self.ask("SelectMergeProfile", begin, time.time() + 60, selector)
        strings = p.get("stringTable", [])
        functions = {f["id"]: strings[int(f["name"])] for f in p.get("function", [])}
        locations = {place["id"]: functions[place["line"][0]["functionId"]]
                     for place in p.get("location", [])}
        values = {}
        for sample in p.get("sample", []):
            leaf = locations[sample["locationId"][0]]
            values[leaf] = values.get(leaf, 0) + int(sample["value"][0])
        return values


def every_stack_by_labels_and_time(server, directory):
    begin = time.time() - 5
    path = feed.config(server.url, directory, write="  external_labels: {env: stacks}\n")
    outcome, _ = feed.run(path, targets=3, stacks=50, intervals=4, interval_ms=1500, settle_ms=60000)
    equal(outcome.sent[feed.VALUE], outcome.sampled, "delivered is sampled")
    for target in range(3):
        service = f'service_name="service{target}"'
        want = {f"i{i}.t{target}.s{s}": (1 + s % 3) * TICK_NS for i in range(4) for s in range(50)}
        poll(lambda q=f'{{{service}, env="stacks"}}': server.total(begin, q), outcome.sampled // 3,
             f"all of service{target}")
        poll(lambda q=f'{{{service}, env="stacks"}}': server.leaves(begin, q), want,
             f"stacks of service{target}")
        equal(server.total(begin - 3000, f"{{{service}}}", begin - 1000), 0, "before it")
        equal(server.total(begin, f'{{{service}, env="none"}}'), 0, "under another label")
    return f"3 services, 600 stacks, {outcome.sampled} ns"


def replicas_with_equal_labels(server, directory):
    begin = time.time() - 5
    path = feed.config(server.url, directory, False, write="  external_labels: {service_name: same}\n")
    outcome, _ = feed.run(path, targets=5, stacks=50, intervals=2, interval_ms=1000, settle_ms=60000)
    poll(lambda: server.total(begin, '{service_name="same"}'), outcome.sampled, "replicas")
    return f"{outcome.sent[feed.PROFILES]} profiles of one series"


def a_profile_in_parts(server, directory):
    begin = time.time() - 5
    path = feed.config(server.url, directory, write="  external_labels: {service_name: big}\n")
    outcome, _ = feed.run(path, targets=1, stacks=60000, depth=12, intervals=1, interval_ms=100,
                          settle_ms=120000)
    equal(outcome.sent[feed.VALUE], outcome.sampled, "delivered is sampled")
    poll(lambda: server.total(begin, '{service_name="big"}'), outcome.sampled, "60,000 stacks")
    return f"60,000 stacks in {outcome.sent[feed.PROFILES]} parts"


def replay_after_an_outage(server, directory):
    begin = time.time() - 5
    server.stop()
    path = feed.config(server.url, directory, write="  external_labels: {service_name: outage}\n")
    away, _ = feed.run(path, targets=5, stacks=200, intervals=4, interval_ms=500, drain_ms=500)
    equal(away.spooled[feed.VALUE], away.sampled, "spooled is sampled")
    server.start()
    back, _ = feed.run(path, targets=5, stacks=200, intervals=1, interval_ms=500, settle_ms=120000,
                       first=4)
    equal(back.recovered, away.spooled, "recovered is spooled")
    equal(back.sent[feed.VALUE], away.sampled + back.sampled, "sent is all")
    poll(lambda: server.total(begin, '{service_name="outage"}'), away.sampled + back.sampled, "replayed")
    return f"{back.recovered[feed.PROFILES]} profiles came afterwards"


TESTS = (every_stack_by_labels_and_time, replicas_with_equal_labels, a_profile_in_parts,
         replay_after_an_outage)


def try_all(program):
    """How many passed, how many failed."""
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="dockprof-pyroscope-", ignore_cleanup_errors=True) as directory:
        server = Server(program, directory)
        name = os.path.basename(program)
        try:
            server.start()
            for test in TESTS:
                try:
                    print(f"ok   {name} {test.__name__}: "
                          f"{test(server, tempfile.mkdtemp(dir=directory))}", flush=True)
                    passed += 1
                except Exception:  # whatever it is, the others are run
                    print(f"FAIL {name} {test.__name__}\n{traceback.format_exc()}", flush=True)
                    failed += 1
        finally:
            server.stop()
    return passed, failed


def main():
    if not sys.argv[1:]:
        print("SKIP: no server: make check-pyroscope PYROSCOPE='/path/to/pyroscope ...'")
    results = [try_all(program) for program in sys.argv[1:]]
    passed, failed = (sum(column) for column in zip(*results)) if results else (0, 0)
    print(f"pyroscope: {passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
