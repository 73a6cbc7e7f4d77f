# SPDX-License-Identifier: Apache-2.0
"""dockprof top: who uses the CPU, in a pipe and on a terminal."""

import os
import pty
import subprocess

import e2e
from e2e import flavours


def on_terminal(run, *arguments, **variables):
    """What it writes to a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(run.command(*arguments), stdout=slave, stderr=subprocess.PIPE,
                               stdin=subprocess.DEVNULL, env=run.environment(**variables))
    os.close(slave)
    text = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        text += data
    os.close(master)
    assert process.wait(20) == 0, process.stderr.read()
    process.stderr.close()
    return text.decode()


@flavours("any")
def test_table(run, engine):
    """Two tables in a pipe: the busy container first, with its hot function, without escapes."""
    e2e.check_can_sample()
    engine.api.run(run.image("burn"), ["/burn", "0"], name="busy")
    engine.api.run(run.image("burn"), ["/burn", "1"], name="short")
    result = run.dockprof("top", "-n", "2", "-d", "1s")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("SERVICE") == 2 and "\x1b" not in result.stdout, result.stdout
    last = result.stdout.split("SERVICE")[-1].splitlines()
    assert last[1].startswith("busy") and "crush" in last[1], result.stdout
    percent = float(last[1].split()[2])
    assert 3 < percent < 110, last  # other work may take its CPU away


@flavours("any")
def test_terminal(run, engine):
    """On a terminal each table replaces the one before; NO_COLOR is respected."""
    e2e.check_can_sample()
    engine.api.run(run.image("burn"), ["/burn", "0"], name="busy")
    text = on_terminal(run, "top", "-n", "2", "-d", "1s")
    assert text.count("\x1b[H\x1b[J") == 2 and "\x1b[1m" in text, text
    text = on_terminal(run, "top", "-n", "1", "-d", "1s", NO_COLOR="1")
    assert "\x1b[1m" not in text and "busy" in text, text


def test_mistakes(run):
    """A count or an interval that is none: one line, exit 2."""
    for arguments in (["-n", "x"], ["-d", "1ms"], ["-d", "soon"]):
        result = run.dockprof("top", *arguments)
        assert result.returncode == 2 and len(result.stderr.splitlines()) == 1, result
