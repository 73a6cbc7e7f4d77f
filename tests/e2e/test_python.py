# SPDX-License-Identifier: Apache-2.0
"""
Python in containers: every interpreter of the machine runs tests/data/python/busy.py, and each sample must show
Python's own root and the native one below it, with callbacks, generators and threads without the GIL at their places.
"""

import collections
import glob
import json
import os
import re
import shutil
import signal
import subprocess

from e2e import Skip, alone, check_can_sample, flavours, timeout_s, wait_until
from test_page import agent_with_page
from test_web import metrics

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAMS = os.path.join(os.path.dirname(HERE), "data", "python")
# What a container must see of the host's file system to run the host's interpreters.
SYSTEM = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache"]
WANTED_TICKS = 400
# What executes Python, and what it executes.
LOOP = r"_PyEval_EvalFrameDefault;(/\S+/)?busy\.py "


def interpreters():
    """Paths of the interpreters at hand: Debian's and pyenv's."""
    home = os.path.expanduser("~/.pyenv/versions")
    found = ["/usr/bin/python3"] if os.path.exists("/usr/bin/python3") else []
    found += sorted(glob.glob(home + "/3.*/bin/python3"))
    if not found:
        raise Skip("no python3 here")
    return found


def run_python(run, engine, command, name, root="", **config):
    """A container that runs a host's interpreter, in its own namespaces; or that of another system below `root`."""
    mounts = [path for path in SYSTEM if os.path.exists(root + path)]
    binds = [f"{os.path.realpath(root + path)}:{path}:ro" for path in mounts] + [f"{PROGRAMS}:{PROGRAMS}:ro"]
    if not command[0].startswith("/usr/"):
        installed = os.path.dirname(os.path.dirname(command[0]))
        binds.append(f"{installed}:{installed}:ro")
    container = engine.api.run(run.image("burn"), command, name=name, host={"Binds": binds}, **config)
    try:
        wait_until(lambda: "busy" in engine.api.logs(container), "the program runs")
    except AssertionError:
        raise AssertionError(engine.api.logs(container)) from None
    return container


def stacks_of(received, service, already):
    """[(frames, root first, without the comm; ticks)] of the profiles after the first `already`."""
    return [(names[-2::-1], ticks) for profile in received.profiles(service)[already:]
            for names, ticks in profile.stacks]


def is_python(frame):
    return re.match(r"(\S+\.py|<[^>]+>) ", frame) is not None


def has_python_root(frames):
    first = next((frame for frame in frames if is_python(frame)), "")
    return first.endswith(" <module>") or "_bootstrap" in first


def has_both_roots(frames):
    """Whether both roots are there, Python's above the native one."""
    return has_python_root(frames) and not is_python(frames[0])


def of_thread(stacks):
    """Those of the thread that busy.py starts."""
    return [(frames, ticks) for frames, ticks in stacks if any(re.match(r"start_thread$|clone", f) for f in frames[:4])]


def count(stacks):
    return sum(ticks for _, ticks in stacks)


def steady(received, service, threads=True):
    """
    The service's stacks once it is known what runs there, which the first ticks come before, and one profile after
    that: where tables are not loaded yet, deep stacks may be cut.
    """
    already = 0

    def known():
        nonlocal already
        already = len(received.profiles(service)) + 1
        stacks = stacks_of(received, service, 0)
        return any(map(has_both_roots, (s[0] for s in (of_thread(stacks) if threads else stacks))))

    def enough():
        stacks = stacks_of(received, service, already)
        return count(stacks) >= WANTED_TICKS and (not threads or count(of_thread(stacks)) >= WANTED_TICKS / 20)
    try:
        wait_until(known, "a stack with both roots", 60)
        wait_until(enough, "ticks of all threads", 60)
    except AssertionError as error:
        raise AssertionError(f"{error}; there were: {most(stacks_of(received, service, already))}") from None
    return stacks_of(received, service, already)


def most(stacks, number=12):
    """The stacks with the most ticks, for messages."""
    counted = collections.Counter()
    for frames, ticks in stacks:
        counted[";".join(f"{frame}:{frame.line}" if is_python(frame) else frame for frame in frames)] += ticks
    return "".join(f"\n{ticks:6} {stack}" for stack, ticks in counted.most_common(number))


def check_roots_and_patterns(stacks, *patterns):
    """In 99.5 % of the ticks there are Python's root and a native one below it; each pattern is in some stack."""
    rootless = [stack for stack in stacks if not has_both_roots(stack[0])]
    assert count(rootless) <= 0.005 * count(stacks), f"{count(rootless)} of {count(stacks)} ticks:{most(rootless)}"
    unnamed = [stack for stack in of_thread(stacks) if "busy.py without_gil" not in stack[0]]
    assert count(unnamed) <= 0.05 * count(of_thread(stacks)), f"its thread without its function:{most(unnamed)}"
    for pattern in patterns:
        if not any(re.search(pattern, ";".join(frames)) for frames, _ in stacks):
            parts = [stack for stack in stacks if re.search(pattern.split(";")[0], ";".join(stack[0]))]
            raise AssertionError(f"{pattern} is in none of {count(stacks)} ticks, of which {count(of_thread(stacks))} "
                                 f"are its thread's. What begins so:{most(parts)}\nAll:{most(stacks)}")


def stands_at_its_calls(frames):
    """Whether each function of busy.py is at a line that has the name of the next one in it."""
    with open(f"{PROGRAMS}/busy.py") as file:
        lines = ["", *file.read().splitlines()]
    own = [frame for frame in frames if frame.startswith("busy.py ")]
    return all(re.search(r"\b" + re.search(r"\w+", next_one.split()[1].split(".")[-1])[0], "".join(lines[frame.line:frame.line + 1]))
               for frame, next_one in zip(own, own[1:]))


def check_version(run, engine, received, name, interpreter, program=f"{PROGRAMS}/busy.py", patterns=(), **options):
    container = run_python(run, engine, [interpreter, program, "1000", "parent"], name, **options)
    stacks = steady(received, name)
    engine.api.remove(container)
    try:
        misplaced = [stack for stack in stacks if not stands_at_its_calls(stack[0])]
        assert count(misplaced) <= 0.005 * count(stacks), f"not at their calls, of {count(stacks)}:{most(misplaced)}"
        check_roots_and_patterns(
            stacks, r"busy\.py main;.*qsort.*;busy\.py (called_by_c\.<locals>\.)?<lambda>",
            r"busy\.py without_gil;.*deflate",
            r"busy\.py main;(busy\.py recursion;){21}busy\.py arithmetic",
            r"busy\.py in_generator;.*busy\.py numbers",
            r"busy\.py in_asyncio;.*busy\.py coroutine;.*busy\.py awaited;busy\.py arithmetic",
            r"busy\.py <module>;busy\.py in_child",
            r"busy\.py sorted_by_key;.*busy\.py (sorted_by_key\.<locals>\.)?<lambda>", *patterns)
    except AssertionError as error:
        raise AssertionError(f"{interpreter}: {error}") from None


@flavours("any")
@timeout_s(600)
def test_python_versions(run, engine):
    """In 99.5 % of the samples of each version there are Python's root and a native root below it."""
    pythons = interpreters()
    _agent, received = run.profiled(rate=297)
    for number, interpreter in enumerate(pythons):
        check_version(run, engine, received, f"python{number}", interpreter)


def debian_python():
    """The file of Debian's interpreter; its version is one that has a word of its own: 3.11 and 3.12."""
    path = os.path.realpath("/usr/bin/python3")
    if os.path.basename(path) not in ("python3.11", "python3.12"):
        raise Skip("no Debian python3.11 or python3.12 here")
    return path


def offset_of(path, symbol):
    """Where in the file the data of an exported symbol is."""
    def lines(option):
        return subprocess.run(["readelf", option, "-W", path], capture_output=True, text=True,
                              check=True).stdout.splitlines()
    address = next(int(line.split()[1], 16) for line in lines("--dyn-syms")
                   if line.split()[-1:] == [symbol])
    for line in lines("-l"):
        match = re.match(r"\s+LOAD\s+(0x\w+) (0x\w+) 0x\w+ (0x\w+)", line)
        if match:
            offset, start, size = (int(number, 16) for number in match.groups())
            if start <= address < start + size:
                return address - start + offset
    raise AssertionError(f"{path} has no {symbol}")


def run_copy(run, engine, name, patch=None):
    """A container that runs Debian's interpreter as /service; patch: (offset, bytes)."""
    path = shutil.copy(debian_python(), run.path(name))
    if patch:
        with open(path, "r+b") as file:
            file.seek(patch[0])
            file.write(patch[1])
    binds = [f"{path}:{path}:ro" for path in SYSTEM + [PROGRAMS] if os.path.exists(path)]
    engine.api.run(run.image("burn"), ["/service", f"{PROGRAMS}/busy.py", "1000"], name=name,
                   Env=["PYTHONHOME=/usr"], host={"Binds": [*binds, f"{path}:/service:ro"]})


def explained(run, name, *arguments):
    result = run.dockprof("explain", name, "--socket=" + run.socket, *arguments)
    assert result.returncode == 0, (result.stdout, result.stderr)
    return result.stdout


@flavours("any")
def test_python_renamed(run, engine):
    """Under another name it is recognised by what it exports; a version that is not known stays native, and says so."""
    version = offset_of(debian_python(), "Py_Version") + 2
    agent, received, url = agent_with_page(run, arguments=["--log.level=debug"])
    run_copy(run, engine, "renamed")
    run_copy(run, engine, "unknown", (version, b"\x63"))
    wait_until(lambda: received.functions("renamed")["busy.py main"] > 20, "Python's frames", 30)
    wait_until(lambda: received.functions("unknown")["_PyEval_EvalFrameDefault"] > 100, "native frames", 30)
    assert not any(is_python(name) for name in received.functions("unknown"))
    for name, state in (("renamed", "walked"), ("unknown", "unknown")):
        answer = json.loads(explained(run, name, "--json"))["containers"][0]
        process = answer["processes"][0]
        assert (process["language"], process["languageState"]) == ("python", state), process
    native = [(frames, ticks) for frames, ticks in stacks_of(received, "unknown", 0)
              if any(frame.startswith("_PyEval_") for frame in frames)]
    cut = [stack for stack in native if not re.match(r"_start$|.*clone3?$", stack[0][0])]
    assert not cut, cut
    text = explained(run, "unknown")
    assert "runs python of a version that is not known: 3.99" in text and "(unknown: native" in text, text
    told = [line for line in agent.log().splitlines() if "a version that is not known" in line]
    assert len(told) == 1 and "version=3.99" in told[0], told
    values = metrics(url)
    assert values["dockprof_interpreter_unsupported_total"] == 1, values
    assert not any(value for name, value in values.items() if name.startswith("dockprof_ticks_lost")), values


@flavours("any")
def test_python_embedded(run, engine):
    """Python in uWSGI, loaded by a plugin and forked into workers: both roots in 99.5 % of the samples."""
    plugin = os.path.realpath("/usr/lib/uwsgi/plugins/python3_plugin.so")
    if not os.path.exists(plugin):
        raise Skip("no uWSGI with Python here (uwsgi-plugin-python3)")
    _agent, received = run.profiled(rate=297)
    run_python(run, engine, ["/usr/bin/uwsgi-core", "--plugin", plugin, "--socket", "/socket", "--master",
                             "--processes", "2", "--enable-threads", "--pyargv", "1000",
                             "--python-worker-override", f"{PROGRAMS}/busy.py"], "uwsgi")
    stacks = steady(received, "uwsgi")
    check_roots_and_patterns(stacks, r"main;.*uwsgi_.*;busy\.py <module>;busy\.py main;",
                             r"(start_thread|clone3?);.*_bootstrap;.*busy\.py without_gil;.*deflate")


def stands_on_its_stack(frames, owner):
    """Whether the frames of m_* are below all that greenlet's code leads to, and those of a_* and b_* above."""
    switch = [i for i, frame in enumerate(frames) if "greenlet" in frame and not is_python(frame)]
    own = [i for i, frame in enumerate(frames) if frame.startswith("greenlets.py ")]
    if owner == "m":
        return not switch or own[-1] < switch[0]
    return bool(switch) and own[0] > switch[0]


@flavours("any")
def test_python_greenlets(run, engine):
    """Greenlets: no stack has the functions of two, and each stands on its own side of the switch."""
    if not os.path.exists("/usr/lib/python3/dist-packages/greenlet"):
        raise Skip("no python3-greenlet here")
    _agent, received = run.profiled(rate=297)
    run_python(run, engine, [debian_python(), f"{PROGRAMS}/greenlets.py"], "greenlets")
    seen, wrong = collections.Counter(), collections.Counter()
    for frames, ticks in steady(received, "greenlets", threads=False):
        text = ";".join(frames)
        owners = set(re.findall(r"greenlets\.py (?:[^;]*\.)?([abm])_", text))
        assert len(owners) <= 1, text
        for owner in owners:
            seen[owner] += ticks
            wrong[text] += 0 if stands_on_its_stack(frames, owner) else ticks
    assert all(seen[owner] > 20 for owner in "abm"), seen
    # Between two instructions of a switch there is no telling.
    assert sum(wrong.values()) <= 0.03 * sum(seen.values()), wrong.most_common(5)


@alone
@flavours("any")
def test_python_short(run, engine):
    """A program that lives for two seconds has the names of its functions, though the interval is longer."""
    check_can_sample()
    python = interpreters()[0]
    _agent, received = run.profiled(interval="5s")
    container = run_python(run, engine, [python, f"{PROGRAMS}/busy.py", "2"], "short")
    assert engine.api.wait(container) == 0, engine.api.logs(container)
    wait_until(lambda: received.ticks("short") > 40, "its profiles", 30)
    functions = received.functions("short")
    assert functions["busy.py main"] > 10, functions.most_common(20)
    assert functions["[python]"] <= 0.05 * received.ticks("short"), functions.most_common(20)


@flavours("any")
def test_python_options(run, engine):
    """python_enabled: false leaves the native frames; this and the other options hold from a reload on."""
    python = interpreters()[0]
    received = run.receiver()
    check_can_sample()

    def configure(**options):
        return run.configure(received, ebpf="".join(f"  python_{name}: {value}\n" for name, value in options.items()))

    agent = run.agent("run", "--config.file=" + configure(enabled="false"))
    agent.wait_for_log("following the containers")
    run_python(run, engine, [python, f"{PROGRAMS}/busy.py", "1000"], "plain")
    wait_until(lambda: received.functions("plain")["_PyEval_EvalFrameDefault"] > 20, "native frames", 30)
    assert not any(is_python(name) for name in received.functions("plain"))

    def reload(**options):
        configure(**options)
        agent.signal(signal.SIGHUP)

    def stacks():
        return [";".join(frames) for frames, _ in stacks_of(received, "plain", 0)]

    reload(enabled="true")
    wait_until(lambda: received.functions("plain")["busy.py main"] > 20, "Python's frames after a reload")
    assert not any(re.search(LOOP, stack) for stack in stacks())
    reload(full_file_path="true", internal_frames="true")
    wait_until(lambda: received.functions("plain")[f"{PROGRAMS}/busy.py main"] > 20, "full paths after a reload")
    assert any(re.search(LOOP, stack) for stack in stacks()), [s for s in stacks() if "/busy.py" in s][:5]
    reload(enabled="false")
    native = len(wait_until(lambda: received.profiles("plain"), "profiles"))
    wait_until(lambda: any(not any(map(is_python, frames)) for frames, _ in stacks_of(received, "plain", native + 1)),
               "native frames alone after a reload")
