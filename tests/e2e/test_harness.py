# SPDX-License-Identifier: Apache-2.0
"""The ground that the other tests stand on: what the engines, workloads and helpers promise."""

import os

from e2e import Skip, run_bounded, wait_until
from test_python_built import root_of_release


def cpu_ns(engine, container):
    """What burn says at its end."""
    assert engine.api.wait(container) == 0, engine.api.logs(container)
    return int(engine.api.logs(container).split("cpu_ns ")[1])


def test_workload_burns_what_it_is_told(run, engine):
    """A workload uses the CPU time that it is told to use, in threads and processes as well."""
    image = run.image()
    for arguments in (["300"], ["300", "3"], ["300", "1", "10"]):
        used = cpu_ns(engine, engine.api.run(image, ["/burn", *arguments]))
        assert 295_000_000 < used < 360_000_000, (arguments, used)


def test_cgroups_are_of_the_flavour(run, engine):
    """A container's cgroups are those of the engine's flavour, and their CPU time can be read."""
    container = engine.api.run(run.image(), ["/burn", "0"])
    pid = engine.api.inspect(container)["State"]["Pid"]
    with open(f"/proc/{pid}/cgroup") as file:
        lines = [line for line in file if container in line]
    if engine.flavour == "v2":
        assert [line.split(":")[0] for line in lines] == ["0"], lines
    else:
        assert any(":cpuacct:" in line or ",cpuacct:" in line for line in lines), lines
    assert engine.cgroup_cpu_ns(container) > 0


def test_engine_restarts(run, engine):
    """A stopped daemon answers no more, a started one has its containers again."""
    container = engine.api.create(run.image(), ["/burn", "0"], name="kept")
    engine.stop()
    assert not engine.api.ping()
    engine.start()
    assert engine.api.inspect("kept")["Id"] == container
    assert os.path.exists(engine.socket)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_what_takes_too_long_ends_with_its_children(run):
    """A program that is given up is killed with what it has started, and what it has said is there."""
    with open(run.write("pid", "")) as file:
        code, said = run_bounded(["sh", "-c", f"sleep 100 & echo $! > {file.name}; echo begun >&2; wait"], 1)
        child = int(file.read())
    assert code is None and said == "begun\n", (code, said)
    wait_until(lambda: not alive(child), "its child has ended")
    assert run_bounded(["sh", "-c", "echo no >&2; exit 3"], 10) == (3, "no\n")


def reason_of_skip(function, *arguments):
    try:
        function(*arguments)
    except Skip as reason:
        return str(reason)
    return None


def test_what_cannot_be_made_is_tried_once(run):
    """What a run cannot make for its tests it tries once: all tests that want it have the same reason."""
    tries = []

    def build(path):
        tries.append(path)
        raise Skip("no network")
    assert [reason_of_skip(run.shared.built, "harness", build) for _ in range(2)] == ["no network"] * 2
    assert len(tries) == 1, tries


def test_sids_python_has_to_be_a_release(run):
    """The next version's candidates, which may be in sid on any day, are left out; its releases are not."""
    for says, reason in (("final 3.15.2", None), ("candidate 3.15.0rc3", "Debian's python is 3.15.0rc3, no release")):
        os.chmod(run.write("python", f"#!/bin/sh\necho {says}\n"), 0o755)
        assert reason_of_skip(root_of_release, run.directory) == reason, says
