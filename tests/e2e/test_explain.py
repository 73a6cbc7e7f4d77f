# SPDX-License-Identifier: Apache-2.0
"""dockprof explain: every state of the table, told by a running agent and without one."""

import json
import math
import re
import shutil
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import e2e
from e2e import Skip, flavours, wait_until

RULES = ("{source_labels: [__meta_docker_container_name], regex: /unwanted, action: drop}",)


def states(run, *arguments):
    """name -> entry, of all containers, as the agent tells."""
    result = run.dockprof("explain", "--json", "--socket=" + run.socket, *arguments)
    assert result.returncode == 0, result.stderr
    return {c["name"]: c for c in json.loads(result.stdout)["containers"]}


def asked(run):
    """The same in a millisecond: straight from the control socket."""
    with socket.socket(socket.AF_UNIX) as client, client.makefile("rb") as answer:
        client.connect(run.socket)
        client.sendall(b"explain json\n")
        answer.readline()
        return {c["name"]: c for c in json.load(answer)["containers"]}


def explained(run, word):
    result = run.dockprof("explain", word, "--json", "--socket=" + run.socket)
    assert result.returncode == 0, (result.stdout, result.stderr)
    return json.loads(result.stdout)["containers"]


def await_state(run, name, state, timeout=60):
    wait_until(lambda: states(run).get(name, {}).get("state") == state,
               f"{name} is {state}", timeout)
    return states(run)[name]


def asleep(engine, container):
    """Waits until its first process is busybox, and sleeps: starting it takes CPU time as well."""
    def sleeps():
        with open(f"/proc/{engine.api.inspect(container)['State']['Pid']}/stat") as stat:
            return "(busybox) S" in stat.read()
    wait_until(sleeps, f"{container} sleeps")


def test_states(run, engine):
    """Profiled, idle, dropped, paused, exited, no key, no process: each container has its one state."""
    image, sleep = run.image("burn"), ["/busybox", "sleep", "1000"]
    busy = engine.api.run(image, ["/burn", "0"], name="busy",
                          labels={"com.docker.compose.service": "api"})
    engine.api.run(run.image(busybox=run.busybox()), sleep, name="sleeper")
    engine.api.run(image, ["/burn", "0"], name="unwanted")
    engine.api.run(image, ["/burn", "0"], name="resting")
    asleep(engine, "sleeper")
    received = run.receiver()
    config = run.configure(received, rules=RULES)
    with open(config, "a") as file:
        file.write('targets:\n  - {service_name: nobody}\n'
                   '  - {service_name: gone, __process_pid__: "4194303"}\n')
    e2e.check_can_sample()
    run.agent("run", "--config.file=" + config).wait_for_log("following the containers")
    await_state(run, "resting", "profiled")
    engine.api.run(run.image(busybox=run.busybox()), sleep, name="short")
    wait_until(lambda: "short" in states(run), "the agent knows the container that came later")
    engine.api.act("short", "kill")
    engine.api.act("resting", "pause")
    entry = await_state(run, "busy", "profiled")
    assert entry["service"] == "api" and entry["samples"] > 0, entry
    assert await_state(run, "resting", "paused")["samples"] > 0
    assert f"{config}:" in await_state(run, "unwanted", "dropped")["reason"]
    entry = await_state(run, "sleeper", "idle")
    assert re.search(r"it used \d+ ms of CPU", entry["reason"]) and not entry["samples"], entry
    await_state(run, "short", "exited")
    await_state(run, "nobody", "no_key")
    assert "no process 4194303" in await_state(run, "gone", "not_resolved")["reason"]
    for word in ("busy", "api", busy[:6], "/busy"):
        assert [c["name"] for c in explained(run, word)] == ["busy"], word
    engine.api.act("resting", "unpause")
    await_state(run, "resting", "profiled")


@flavours("any")
def test_self_starting_not_sampled(run, engine):
    """The agent's own container; one that just came; one that is charged CPU time of which no sample tells."""
    image, sleep = run.image(busybox=run.busybox()), ["/busybox", "sleep", "1000"]
    for name in ("home", "haunted"):
        engine.api.run(image, sleep, name=name)
        asleep(engine, name)
    e2e.check_can_sample()
    received = run.receiver()
    config = run.configure(received, interval="60s")
    # As a process of the container `home`, by its cgroup.
    agent = run.agent("run", "--config.file=" + config, inside=(
        "sh", "-c", f'echo $$ >"$0/cgroup.procs" && exec "$@"', engine.cgroup_of("home")))
    agent.wait_for_log("following the containers")
    entry = await_state(run, "home", "self")
    assert "this is dockprof itself" in entry["reason"] and "profile_self" in entry["advice"], entry
    # Its first round is half a second away at least, and may well find samples of its start.
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(engine.api.run, image, sleep, name="late")
        late = wait_until(lambda: asked(run).get("late"), "the container that just came", interval=0.01)
        started.result()
    assert late["state"] == "starting" and "it was just found" in late["reason"], late
    # Nobody samples the agent itself, wherever it is; so its CPU time makes `haunted` a mystery.
    run.configure(received, interval="1s")
    agent.signal(signal.SIGHUP)
    agent.wait_for_log("new configuration in force")
    await_state(run, "haunted", "idle")
    with open(engine.cgroup_of("haunted") + "/cgroup.procs", "w") as procs:
        procs.write(str(agent.pid))

    def haunted():
        for _ in range(50):
            entry = asked(run)["haunted"]
        return entry["state"] == "not_sampled" and states(run)["haunted"]
    entry = wait_until(haunted, "haunted is not sampled", 60)
    assert "but no sample arrived" in entry["reason"] and "doctor" in entry["advice"], entry


def test_text(run, engine):
    """The text has labels, rules, processes and samples; a typo gets a suggestion and exit code 1."""
    engine.api.run(run.image("burn"), ["/burn", "0"], name="busy",
                   labels={"evil": "\x1b[31m\nred", "com.docker.compose.service": "api"})
    run.profiled(rules=("{target_label: team, replacement: shop}", *RULES))
    await_state(run, "busy", "profiled")
    result = run.dockprof("explain", "busy", "--socket=" + run.socket)
    assert result.returncode == 0, result.stderr
    for text in ('profiled as "api"', "discovered labels", "__meta_docker_container_name=\"/busy\"",
                 '+ team="shop"', "changes nothing", "final labels", "processes", "burn",
                 "modules", "delivery", "\\x1b[31m\\nred"):
        assert text in result.stdout, f"{text!r} is not in\n{result.stdout}"
    assert "\x1b" not in result.stdout
    result = run.dockprof("explain", "bsuy", "--socket=" + run.socket)
    assert result.returncode == 1 and "did you mean busy?" in result.stdout, result.stdout


def test_proof(run, engine):
    """The sampled CPU time of a busy container is that of the kernel's account, within 5 % and what chance does."""
    engine.api.run(run.image("burn"), ["/burn", "0"], name="busy")
    run.profiled()
    wait_until(lambda: states(run)["busy"]["cpu"]["kernelSeconds"] > 6, "6 s of CPU", 60)
    cpu = states(run)["busy"]["cpu"]
    # Who shares its CPU is met by chance: of n ticks, n times its share.
    share = min(1, cpu["kernelSeconds"] / cpu["windowSeconds"])
    chance = 3 * math.sqrt((1 - share) / (cpu["kernelSeconds"] * e2e.HZ))
    assert cpu["verdict"] == "agrees" and abs(cpu["ratio"] - 1) < 0.05 + chance, (cpu, chance)


@flavours("any")
def test_stripped(run, engine):
    """A program without symbols: explain names the file, the cause and what to do."""
    stripped = shutil.copy(run.shared.workload("burn"), run.path("burn"))
    if not shutil.which("strip"):
        raise Skip("strip is not installed")
    subprocess.run(["strip", stripped], check=True)
    engine.api.import_image("stripped:latest", {"/burn": stripped})
    engine.api.run("stripped:latest", ["/burn", "0"], name="stripped")
    run.profiled()
    wait_until(lambda: states(run)["stripped"]["samples"] > 200, "200 samples")
    entry = explained(run, "stripped")[0]
    module = next(m for m in entry["modules"] if m["path"] == "/burn")
    assert module["cause"] == "stripped" and module["named"] == 0, module
    assert any("/burn" in t["what"] and "strip" in t["advice"] for t in entry["troubles"]), entry


@flavours("any")
def test_others(run, engine):
    """A container that the filters leave out is foreign; with the daemon away, unreachable."""
    run.image("burn")
    received = run.receiver()
    config = run.configure(received)
    with open(config) as file:
        text = file.read().replace("ebpf:", "    filters: [{name: name, values: [mine]}]\nebpf:", 1)
    run.write("dockprof.yml", text)
    e2e.check_can_sample()
    agent = run.agent("run", "--config.file=" + config)
    agent.wait_for_log("following the containers")
    other = engine.api.run(run.image("burn"), ["/burn", "0"], name="other")
    entry = await_state(run, other[:12], "foreign", 30)
    assert "docker_sd_configs" in entry["advice"], entry


@flavours("any")
def test_daemon_away(run, engine):
    """An idle container of a daemon that stopped is unreachable, with the reason."""
    engine.stop()
    engine.start("--live-restore")
    try:
        engine.api.run(run.image(busybox=run.busybox()), ["/busybox", "sleep", "1000"],
                       name="sleeper")
        run.profiled()
        await_state(run, "sleeper", "idle")
        engine.stop()
        entry = await_state(run, "sleeper", "unreachable")
        assert engine.host in entry["reason"] and "doctor" in entry["advice"], entry
    finally:
        engine.start()


@flavours("any")
def test_without_an_agent(run, engine):
    """Nobody runs: it looks for two seconds itself, and says so; without rights, without samples."""
    e2e.check_can_sample()
    engine.api.run(run.image("burn"), ["/burn", "0"], name="busy")
    config = run.configure(run.receiver(), rules=RULES)
    result = run.dockprof("explain", "busy", "--json", "--config.file=" + config)
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert "look of 2 seconds" in answer["note"], answer["note"]
    assert answer["containers"][0]["state"] == "profiled", answer
    prefix = ("setpriv", "--bounding-set", "-bpf,-sys_admin,-perfmon", "--inh-caps", "-all", "--")
    result = run.dockprof("explain", "busy", "--json", "--config.file=" + config, inside=prefix)
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert "nothing can be sampled here" in answer["note"], answer["note"]
    assert answer["containers"][0]["state"] == "starting", answer


def test_no_agent_at_the_socket(run):
    """--socket names an agent that is not there: one line, exit code 1."""
    result = run.dockprof("explain", "--socket=" + run.path("none.sock"))
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1, result.stderr
    assert "none.sock" in result.stderr
