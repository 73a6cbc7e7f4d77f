# SPDX-License-Identifier: Apache-2.0
"""What every bench stands on: a private engine, and a scratch directory for one run."""

import contextlib
import os
import signal
import sys

import e2e
from engine import Engine, EngineUnavailable, why_unavailable

BUILD_BENCH = os.path.join(e2e.ROOT, "build", "bench")


def run_main(main):
    """Exits with what main() returns, with 3 where this machine cannot run the bench at all."""
    # So that `finally` runs however it is ended, and children start with SIGINT as it should be.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sys.exit(main())
    except (e2e.Skip, EngineUnavailable) as reason:
        print(f"SKIP the bench: {reason}")
        sys.exit(3)


@contextlib.contextmanager
def ground(name):
    """An e2e.Run on an engine of its own: cgroup v1 where the machine has it."""
    e2e.check_can_sample()
    engine = Engine("v2" if why_unavailable("v1") else "v1")
    try:
        with e2e.Shared() as shared:
            run = e2e.Run(shared, name)
            run.use_engine(engine)
            try:
                yield run
            finally:
                run.close(failed=False)
    finally:
        engine.close()
