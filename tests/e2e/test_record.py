# SPDX-License-Identifier: Apache-2.0
"""dockprof record: what it gives back, in each format, without a server or a configuration."""

import json
import os
import signal
import time
import xml.etree.ElementTree

from e2e import check_can_sample, timeout_s, wait_until
from received import Profile


def two_containers(run, engine):
    check_can_sample()
    for name in ("left", "right"):
        engine.api.run(run.image("burn", variant=name), ["/burn", "0"], name=name)


def test_record_text(run, engine):
    """For a person: each service with its hottest functions and a flame graph; lines that sum up."""
    two_containers(run, engine)
    result = run.dockprof("record", "-d", "2s")
    assert result.returncode == 0, result.stderr
    for word in ("left", "right", "crush_left", "crush_right", "FUNCTION"):
        assert word in result.stdout, f"{word} is not in\n{result.stdout}"
    assert "2 containers on the CPU" in result.stderr, result.stderr
    assert "\x1b" not in result.stdout, "colours, though this is no terminal"


def test_record_folded(run, engine):
    """One stack a line, the service first; each service's stacks are its own."""
    two_containers(run, engine)
    lines = run.dockprof("record", "-d", "2s", "--format", "folded").stdout.splitlines()
    crushed = [line for line in lines if "crush_" in line]
    assert len(crushed) >= 2, lines
    for line in crushed:
        service = line.split(";")[0]
        assert f"crush_{service}" in line, line
        assert int(line.rsplit(" ", 1)[1]) > 0


def test_record_json(run, engine):
    """An array of services with labels, frames and stacks."""
    two_containers(run, engine)
    services = json.loads(run.dockprof("record", "-d", "2s", "-F", "199", "--format", "json").stdout)
    assert {s["labels"]["service_name"] for s in services} == {"left", "right"}
    for service in services:
        assert service["periodNanos"] == 1_000_000_000 // 199
        assert service["ticks"] == sum(stack["ticks"] for stack in service["stacks"]) > 0


def test_record_pprof_files(run, engine):
    """With a directory, a pprof file for each service; with a file, one for all, told apart by roots."""
    two_containers(run, engine)
    directory = run.path("profiles") + "/"
    result = run.dockprof("record", "-d", "2s", "--format", "pprof", "-o", directory)
    assert sorted(os.listdir(directory)) == ["left.pb.gz", "right.pb.gz"], result.stderr
    for name in ("left", "right"):
        with open(f"{directory}{name}.pb.gz", "rb") as file:
            profile = Profile({}, file.read())
        assert any(f"crush_{name}" in stack for stack, _ in profile.stacks), profile.stacks
    result = run.dockprof("record", "-d", "2s", "--format", "pprof", "-o", run.path("all.pb.gz"))
    with open(run.path("all.pb.gz"), "rb") as file:
        profile = Profile({}, file.read())
    roots = {stack[-1] for stack, _ in profile.stacks}
    assert roots == {"left", "right"}, roots
    assert "crush_left" in result.stderr and "crush_right" in result.stderr, result.stderr


def test_record_pictures(run, engine):
    """svg, html and speedscope: for all services in one file, or each in its own."""
    two_containers(run, engine)
    run.dockprof("record", "-d", "2s", "--format", "speedscope", "-o", run.path("all.json"))
    with open(run.path("all.json")) as file:
        scope = json.load(file)
    assert {p["name"] for p in scope["profiles"]} == {"left", "right"}
    names = [frame["name"] for frame in scope["shared"]["frames"]]
    for profile in scope["profiles"]:
        assert len(profile["samples"]) == len(profile["weights"]) > 0
        assert sum(profile["weights"]) == profile["endValue"]
        assert any(names[i] == "crush_" + profile["name"] for stack in profile["samples"] for i in stack)
    directory = run.path("pictures") + "/"
    result = run.dockprof("record", "-d", "2s", "--format", "svg", "-o", directory)
    assert sorted(os.listdir(directory)) == ["left.svg", "right.svg"], result.stderr
    for name in ("left", "right"):
        titles = [t.text for t in xml.etree.ElementTree.parse(f"{directory}{name}.svg").iter()
                  if t.tag.endswith("title")]
        assert any(t.startswith(f"crush_{name} (") for t in titles), titles
    run.dockprof("record", "-d", "2s", "--format", "html", "-o", run.path("all.html"))
    with open(run.path("all.html")) as file:
        page = file.read()
    data = page.split('id="dockprof-data">')[1].split("</script>")[0]
    assert {s["service"] for s in json.loads(data)["services"]} == {"left", "right"}


def test_record_one_container(run, engine):
    """--container takes one of them; a name that nothing answers to is told with those there are."""
    two_containers(run, engine)
    result = run.dockprof("record", "-d", "2s", "--container", "left", "--format", "folded")
    assert "crush_left" in result.stdout and "crush_right" not in result.stdout
    result = run.dockprof("record", "-d", "2s", "--container", "lift")
    assert result.returncode == 1 and "lift" in result.stderr and "right" in result.stderr, result


@timeout_s(60)
def test_record_interrupted(run, engine):
    """Ctrl-C ends it and keeps what was gathered."""
    two_containers(run, engine)
    agent = run.agent("record", "-d", "10m", "--format", "folded", "-o", run.path("out.folded"))
    agent.wait_for_log("recording for 10m")
    time.sleep(2)
    agent.signal(signal.SIGINT)
    assert agent.process.wait(20) == 0, agent.log()
    with open(run.path("out.folded")) as file:
        assert "crush_left" in file.read()


def test_targets_by_pid_in_a_followed_file(run):
    """file_sd_configs: a process named in a file is profiled once the file names it."""
    check_can_sample()
    received = run.receiver()
    process = run.process("burn", "0")
    sets = run.write("targets.yml", "[]\n")
    config = run.write("dockprof.yml", f"""\
file_sd_configs:
  - files: ["{sets}"]
ebpf: {{collect_interval: 1s}}
write: {{endpoint: [{{url: "{received.url}"}}]}}
""")
    agent = run.agent("run", "--config.file=" + config)
    agent.wait_for_log("sampling all CPUs")
    time.sleep(1.5)
    assert not received.services(), received.services()
    run.write("targets.yml", f'- {{__process_pid__: "{process.pid}", service_name: by-pid}}\n')
    wait_until(lambda: received.ticks("by-pid") > 20, "ticks of the process")
    run.write("targets.yml", "[]\n")
    time.sleep(2.5)
    ticks = received.ticks("by-pid")
    time.sleep(2)
    assert received.ticks("by-pid") == ticks
