# SPDX-License-Identifier: Apache-2.0
"""The ground that the other tests stand on: what the engines and workloads promise."""

import os


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
