# SPDX-License-Identifier: Apache-2.0
"""The agent as a citizen of its machine: start, stop, reload, storms, and what it leaves behind."""

import json
import math
import signal
import time

from e2e import HZ, alone, flavours, timeout_s, wait_until

STORM = 500
WARM_UP = 50
AT_ONCE = 8


def test_start_says_what_matters(run, engine):
    """At most ten lines at the start: version, kernel, API, endpoint, how many are profiled."""
    engine.api.run(run.image(), ["/burn", "0"], name="one")
    agent, received = run.profiled()
    wait_until(lambda: received.ticks("one") > 0, "a first profile")
    lines = agent.log().splitlines()
    assert len(lines) <= 10, agent.log()
    for word in ("version=", "kernel=", "api=", received.url, "profiled=1"):
        assert word in agent.log(), f"{word} is not in\n{agent.log()}"


@alone
def test_first_profile_is_quick(run, engine):
    """The first profile arrives about a second after the start, whatever the interval."""
    engine.api.run(run.image(), ["/burn", "0"], name="busy")
    agent, received = run.profiled(interval="60s")
    wait_until(lambda: received.ticks("busy") > 0, "a first profile", 10)
    agent.wait_for_log("the first profiles were delivered")
    took = agent.logged_at("the first profiles were delivered") - agent.logged_at("starting")
    assert took < 1.5, f"{took} s"


def test_quiet_when_nothing_happens(run, engine):
    """In a steady state the log stays as it is."""
    engine.api.run(run.image(), ["/burn", "0"], name="steady")
    agent, received = run.profiled()
    wait_until(lambda: received.ticks("steady") > 200, "ticks")
    before = agent.log()
    time.sleep(8)
    assert agent.log() == before, agent.log()[len(before):]


def test_sigterm_delivers_the_last_interval(run, engine):
    """SIGTERM in the middle of an interval: what was sampled so far is delivered; exit 0."""
    container = engine.api.run(run.image("burn", variant="last"), ["/burn", "0"], name="last")
    agent, received = run.profiled(interval="60s")
    wait_until(lambda: received.ticks("last") > 0, "the early first profile")
    before, before_ns = received.ticks("last"), engine.cgroup_cpu_ns(container)
    time.sleep(3)
    used = engine.cgroup_cpu_ns(container) - before_ns
    assert agent.stop() == 0
    wait_until(lambda: received.ticks("last") - before > 0.9 * used * HZ * 1e-9 - 30, "the last interval", 5)


def test_sigterm_with_a_hanging_server(run):
    """A server that accepts and never answers: the exit takes less than five seconds."""
    received = run.receiver(hang=True)
    agent = run.local_agent(received.url)
    wait_until(lambda: received.connections() > 0, "a push")
    start = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - start < 5.5


def test_sighup(run, engine):
    """SIGHUP: new rules apply without losing an interval; a broken file changes nothing, says why."""
    container = engine.api.run(run.image("burn", variant="old"), ["/burn", "0"], name="old")
    agent, received = run.profiled()
    wait_until(lambda: received.ticks("old") > 100, "ticks under the old name")
    before_ns, before = engine.cgroup_cpu_ns(container), received.ticks("old")
    run.configure(received, rules=["{target_label: service_name, replacement: new}"])
    agent.signal(signal.SIGHUP)
    wait_until(lambda: received.ticks("new") > 100, "ticks under the new name")
    run.write("dockprof.yml", "relabel_configs:\n  - action: dorp\n")
    agent.signal(signal.SIGHUP)
    wait_until(lambda: "dorp" in agent.log(), "the mistake on the log")
    ticks = received.ticks("new")
    wait_until(lambda: received.ticks("new") > ticks + 100, "ticks after a broken file")
    expected = (engine.cgroup_cpu_ns(container) - before_ns) * HZ * 1e-9
    assert agent.stop() == 0
    both = received.ticks("old") + received.ticks("new") - before
    assert both > 0.95 * expected - 3 * math.sqrt(expected) / 2, (both, expected)
    assert received.services() == {"old", "new"}


def test_daemon_comes_later(run, engine):
    """The daemon is not up yet: the agent waits, says so once, and finds all when it is."""
    engine.stop()
    try:
        received = run.receiver()
        run.configure(received)
        agent = run.agent("run", "--config.file=" + run.path("dockprof.yml"))
        time.sleep(4)
        waiting = [line for line in agent.log().splitlines() if "waiting" in line]
        assert len(waiting) == 1, agent.log()
    finally:
        engine.start()
    engine.api.run(run.image(), ["/burn", "0"], name="later")
    wait_until(lambda: received.ticks("later") > 0, "ticks", 30)


def test_targets_are_what_docker_lists(run, engine):
    """targets --json names the running containers, and why others are not profiled."""
    running = {engine.api.run(run.image(), ["/burn", "0"], name=f"c{i}") for i in range(5)}
    config = run.write("drop.yml", "relabel_configs:\n  - {source_labels: "
                       "[__meta_docker_container_name], regex: /c0, action: drop}\n")
    result = run.dockprof("targets", "--json", "--config.file=" + config)
    assert result.returncode == 0, result.stderr
    targets = json.loads(result.stdout)
    active = {t["discoveredLabels"]["__meta_docker_container_id"] for t in targets["activeTargets"]}
    dropped = [t["discoveredLabels"]["__meta_docker_container_name"]
               for t in targets["droppedTargets"]]
    assert dropped == ["/c0"], dropped
    assert active | {engine.api.inspect("c0")["Id"]} == running


@alone
@timeout_s(600)
@flavours("any")
def test_storm(run, engine):
    """500 containers come and go: what runs afterwards is known within 2 s, and no more memory used."""
    agent, received = run.profiled()
    image = run.image("burn")
    engine.api.run(image, ["/burn", "0"], name="kept")
    wait_until(lambda: received.ticks("kept") > 100, "ticks")
    run.storm(engine, image, ["/burn", "1"], WARM_UP, AT_ONCE)
    time.sleep(3)
    memory, fds = agent.rss_kb(), len(agent.descriptors())
    run.storm(engine, image, ["/burn", "1"], STORM, AT_ONCE)
    late = engine.api.run(run.image("burn", variant="late"), ["/burn", "0"], name="late")
    wait_until(lambda: received.ticks("late") > 0, "ticks of a container after the storm", 3)
    engine.api.remove(late)
    time.sleep(3)
    before = len(received.all)
    wait_until(lambda: len(received.all) >= before + 2, "two more intervals")
    assert {profile.labels["service_name"] for profile in received.all[before:]} == {"kept"}
    wait_until(lambda: agent.descriptors().count("/burn") <= 2, "no files of containers that are gone", 20)
    # What runs beside the containers has files as well, and not always the same; connections stay open.
    assert len(agent.descriptors()) <= fds + STORM // 4, (fds, agent.descriptors())
    wait_until(lambda: agent.rss_kb() <= memory + 2048,
               f"{memory} kB of memory as before the storm and 2 MB", 20)
    assert agent.stop() == 0
