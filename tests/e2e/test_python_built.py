# SPDX-License-Identifier: Apache-2.0
"""
Pythons in containers that the machine has not: those of Debian's next release, from its packages, fetched once; and
programs that PyInstaller made of a Python and busy.py.
"""

import contextlib
import os
import subprocess

import e2e
from e2e import Skip, flavours, run_bounded, timeout_s
from test_python import (PROGRAMS, check_version, count, has_python_root, most, run_python, stands_at_its_calls,
                         steady)

PYTHONS = os.path.join(e2e.ROOT, ".cache", "pythons")
BUILD_S = 180
TEST_S = 600  # with the building
NEWEST = ("3.14", "3.15")
BUNDLES = "pyinstaller"


def built(shared, kind):
    """The directory of what tests/lib/build-python makes of `kind`, made by the first who asks."""
    def build(path):
        os.makedirs(PYTHONS, exist_ok=True)
        code, said = run_bounded([os.path.join(e2e.ROOT, "tests", "lib", "build-python"), kind, PYTHONS], BUILD_S)
        if code is None:
            raise Skip(f"python {kind}: not within {BUILD_S} s")
        if code != 0:
            raise Skip(f"python {kind}: " + (said.strip().splitlines() or ["cannot be had"])[-1])
        os.symlink(os.path.join(PYTHONS, kind), path)
    return os.path.realpath(shared.built("python-" + kind, build))


def prepare(shared):
    for kind in (*NEWEST, BUNDLES):
        with contextlib.suppress(Skip):
            built(shared, kind)


def asked(directory, expressions, **variables):
    """What the Python there answers."""
    answer = subprocess.run([os.path.join(directory, "python"), "-c", f"import sys; print({expressions})"],
                            capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **variables})
    if answer.returncode != 0:
        raise Skip(f"{directory} does not run here: " + (answer.stderr.strip().splitlines() or [""])[-1])
    return answer.stdout.strip()


def root_of_release(directory):
    """Which version sid has depends on the day. One that is not released yet may still change what dockprof reads."""
    level, version = asked(directory, "sys.version_info.releaselevel, sys.version.split()[0]").split()
    if level != "final":
        raise Skip(f"Debian's python is {version}, no release")
    return os.path.join(directory, "root")


def check_newest(run, engine, kind):
    root = root_of_release(built(run.shared, kind))
    _agent, received = run.profiled(rate=297)
    name = "python" + kind
    check_version(run, engine, received, name, "/usr/bin/" + name, root=root)
    check_version(run, engine, received, "lib" + name, "/usr/bin/service", root=root, Env=["PYTHONHOME=/usr"])


@flavours("any")
@timeout_s(TEST_S)
def test_python_3_14(run, engine):
    """Debian sid's 3.14, and a program with its library: Python's root and a native root in 99.5 % of the samples."""
    check_newest(run, engine, "3.14")


@flavours("any")
@timeout_s(TEST_S)
def test_python_3_15(run, engine):
    """Debian sid's 3.15, and a program with its library: the same."""
    check_newest(run, engine, "3.15")


def check_bundle(run, engine, name, path):
    program = os.path.join(built(run.shared, BUNDLES), path)
    _agent, received = run.profiled(rate=297)
    # As images have it: the working directory is made, and what the one file unpacks goes there.
    check_version(run, engine, received, name, program, program="busy", WorkingDir="/tmp")


def root_with_jit(run, kind):
    directory = built(run.shared, kind)
    root = root_of_release(directory)
    if asked(directory, "sys._jit.is_enabled()", PYTHON_JIT="1") != "True":
        raise Skip(f"Debian's python{kind} was built without a JIT")
    return root


@flavours("any")
@timeout_s(TEST_S)
def test_python_jit(run, engine):
    """3.15 that compiles what it executes often: both roots in 99.5 % of the samples, through the generated code."""
    root = root_with_jit(run, "3.15")
    _agent, received = run.profiled(rate=297)
    check_version(run, engine, received, "jit", "/usr/bin/python3.15", root=root, Env=["PYTHON_JIT=1"],
                  patterns=[r"busy\.py arithmetic;\[anon\]"])


@flavours("any")
@timeout_s(TEST_S)
def test_python_old_jit(run, engine):
    """3.14's generated code may hide what called it: Python's frames are all there, and in their order."""
    root = root_with_jit(run, "3.14")
    _agent, received = run.profiled(rate=297)
    run_python(run, engine, ["/usr/bin/python3.14", f"{PROGRAMS}/busy.py", "1000"], "jit", root=root,
               Env=["PYTHON_JIT=1"])
    stacks = steady(received, "jit")
    bad = [stack for stack in stacks if not has_python_root(stack[0]) or not stands_at_its_calls(stack[0])]
    assert count(bad) <= 0.005 * count(stacks), f"{count(bad)} of {count(stacks)} ticks:{most(bad)}"
    assert any("busy.py arithmetic;[anon]" in ";".join(frames) for frames, _ in stacks), most(stacks)


@flavours("any")
@timeout_s(TEST_S)
def test_python_one_file(run, engine):
    """PyInstaller's one file, whose libpython is unpacked at its start: both roots in 99.5 % of the samples."""
    check_bundle(run, engine, "onefile", "worker")


@flavours("any")
@timeout_s(TEST_S)
def test_python_folder(run, engine):
    """PyInstaller's folder: the same."""
    check_bundle(run, engine, "folder", "folder/worker")
