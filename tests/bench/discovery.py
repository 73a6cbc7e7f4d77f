# SPDX-License-Identifier: Apache-2.0
"""
How long a person waits for the first profile: after starting the agent together with the services
as `compose up` does, and after starting one more container beside a running agent. The collect
interval is the default one, 15 s.
"""

import statistics
import threading
import time

import report
from e2e import wait_until

SERVICES = 3
LATER = 5
PAUSE_S = 5  # between two of the later ones; longer than the agent's gap between early rounds
ROWS = [
    report.Row("agent_to_first_s", "start of the agent to the first profile, s", 1),
    report.Row("up_to_first_s", "up to the first profile, s"),
    report.Row("up_to_all_s", f"up to a profile of each of {SERVICES} services, s"),
    report.Row("start_to_profile_s", f"start of a container to its profile, median of {LATER}, s"),
    report.Row("start_to_profile_max_s", "the slowest of them, s"),
]


def arrival_s(received, service):
    """When the first profile of a service arrived, or None."""
    profiles = received.profiles(service)
    return profiles[0].arrived_s if profiles else None


def wait_for(received, service):
    return wait_until(lambda: arrival_s(received, service), f"a profile of {service}", timeout=40)


def create(run, name):
    return run.engine.api.create(run.image("burn"), ["/burn", "0"], name=name)


def up(run, received, config):
    """Starts everything at once, as compose does; the figures, and the agent."""
    names = [f"service-{i}" for i in range(SERVICES)]
    containers = [create(run, name) for name in names]
    starts = [threading.Thread(target=run.engine.api.act, args=(container, "start"))
              for container in containers]
    begin_s = time.monotonic()
    for start in starts:
        start.start()
    agent_s = time.monotonic()
    agent = run.agent("run", "--config.file=" + config)
    arrivals = [wait_for(received, name) for name in names]
    for start in starts:
        start.join()
    for container in containers:
        run.engine.api.remove(container)
    return agent, {"agent_to_first_s": min(arrivals) - agent_s,
                   "up_to_first_s": min(arrivals) - begin_s,
                   "up_to_all_s": max(arrivals) - begin_s}


def one_more(run, received, name):
    """Seconds from the engine's word that it runs until its profile is there."""
    container = create(run, name)
    run.engine.api.act(container, "start")
    started_s = time.monotonic()
    latency_s = wait_for(received, name) - started_s
    run.engine.api.remove(container)
    return latency_s


def measure(run):
    print("measuring the time to the first profile ...", flush=True)
    received = run.receiver()
    config = run.configure(received, interval="15s")
    agent, figures = up(run, received, config)
    latencies = []
    for i in range(LATER):
        time.sleep(PAUSE_S)
        latencies.append(one_more(run, received, f"later-{i}"))
    agent.stop()
    return {**figures, "start_to_profile_s": statistics.median(latencies),
            "start_to_profile_max_s": max(latencies)}
