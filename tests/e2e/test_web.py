# SPDX-License-Identifier: Apache-2.0
"""What the agent answers over HTTP: health, metrics, targets, profiles; and whom it refuses."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from e2e import (HZ, ROOT, Skip, alone, check_can_sample, flavours, promtool, timeout_s,
                 wait_until)
from received import Profile
from test_page import agent_with_page, free_port


def get(url, **headers):
    """(status, headers, body)"""
    request = urllib.request.Request(url, headers={k.replace("_", "-"): v for k, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def post(url):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def local_agent_with_page(run, extra="", **variables):
    """An agent without an engine: a busy process as its one target."""
    check_can_sample()
    process = run.process("burn", "0")
    address = f"127.0.0.1:{free_port()}"
    run.write("dockprof.yml", f"""\
targets:
  - {{__process_pid__: "{process.pid}", service_name: local}}
ebpf: {{collect_interval: 1s}}
write: {{file: {{directory: {run.path("profiles")}}}}}
web: {{listen_address: "{address}", enable_lifecycle: true}}
control: {{socket: {run.socket}}}
{extra}""")
    agent = run.agent("run", "--config.file=" + run.path("dockprof.yml"), **variables)
    agent.wait_for_log("page, metrics and API are served")
    return agent, "http://" + address


def metrics(url):
    """name{labels} -> value"""
    lines = get(url + "/metrics")[2].decode().splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line[0] != "#"}


def described(text):
    """Rows of docs/metrics.md for what a scrape says: {name: "| `name` | type | labels | meaning |"}."""
    rows = {}
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)", text, re.M))
    for name, help_text in re.findall(r"^# HELP (\S+) (.*)", text, re.M):
        series = re.findall(f"^{name}(?:_bucket)?{{(.*)}} ", text, re.M)
        labels = sorted({label for one in series for label in re.findall(r'(\w+)="', one)} - {"le"})
        rows[name] = f"| `{name}` | {types[name]} | {', '.join(labels)} | {help_text} |"
    return rows


@flavours("any")
def test_metrics_are_documented(run, engine):
    """docs/metrics.md has exactly the metrics that the agent has, with their types, labels and meanings."""
    engine.api.run(run.image(), ["/burn", "0"], name="kept")
    agent, received, url = agent_with_page(run)
    wait_until(lambda: received.ticks("kept") > 0, "ticks", 40)
    rows = wait_until(lambda: (lambda r: "service_name" in r["dockprof_service_samples_total"] and r)(
        described(get(url + "/metrics")[2].decode())), "a service")
    with open(os.path.join(ROOT, "docs", "metrics.md")) as file:
        written = {line.split("`")[1]: line.strip() for line in file if line.startswith("| `")}
    wrong = [row for name, row in rows.items() if written.get(name) != row]
    gone = sorted(set(written) - set(rows))
    assert not wrong and not gone, "docs/metrics.md lacks\n" + "\n".join(wrong) + f"\nand has {gone}"


def test_metrics(run):
    """Both formats; conservation holds in them; promtool has nothing to say (where it is to be had)."""
    agent, url = local_agent_with_page(run)
    wait_until(lambda: metrics(url).get("dockprof_rounds_total", 0) >= 3, "three rounds")
    status, headers, text = get(url + "/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4"), headers
    for name in ("pyroscope_ebpf_active_targets 1\n", "pyroscope_ebpf_profiling_sessions_total ",
                 "pyroscope_ebpf_profiling_sessions_failing_total 0\n",
                 'pyroscope_ebpf_pprofs_total{service_name="local"} ',
                 'pyroscope_fanout_latency_bucket{le="+Inf"} ', "process_resident_memory_bytes ",
                 'dockprof_targets{state="profiled"} 1\n'):
        assert name in text.decode(), f"{name!r} is not in\n{text.decode()}"
    values = metrics(url)
    assert values['dockprof_ticks_total{outcome="exported"}'] == values['dockprof_service_samples_total{service_name="local"}'] > 0
    named = [value for name, value in values.items() if name.startswith("dockprof_frames_named_total{")]
    assert sum(named) == values['dockprof_frames_total{named="true"}'] > 0
    assert values['dockprof_frames_named_total{source="symtab"}'] > 0, values
    if values["dockprof_process_events_ring_bytes"]:
        subprocess.run(["true"], check=True)
        wait_until(lambda: metrics(url)["dockprof_process_events_total"] > 0, "events of that process")
    assert abs(values["process_start_time_seconds"] - time.time()) < 120
    status, headers, text = get(url + "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text"), headers
    assert text.endswith(b"# EOF\n")
    checked = subprocess.run([promtool(), "check", "metrics"], input=get(url + "/metrics")[2],
                             capture_output=True, check=False)
    assert checked.returncode == 0 and not checked.stderr, checked.stderr.decode()


@flavours("any")
def test_targets_as_prometheus_has_them(run, engine):
    """/api/v1/targets: Prometheus' field names; kept and dropped ones; ?state= picks."""
    engine.api.run(run.image(), ["/burn", "0"], name="kept")
    engine.api.run(run.image(), ["/burn", "0"], name="unwanted")
    agent, received, url = agent_with_page(run, rules=[
        "{source_labels: [__meta_docker_container_name], regex: /unwanted, action: drop}"])
    wait_until(lambda: received.ticks("kept") > 0, "ticks", 40)
    answer = json.loads(get(url + "/api/v1/targets")[2])
    assert answer["status"] == "success"
    [active], [dropped] = answer["data"]["activeTargets"], answer["data"]["droppedTargets"]
    for field in ("discoveredLabels", "labels", "scrapePool", "scrapeUrl", "globalUrl", "lastError",
                  "lastScrape", "lastScrapeDuration", "health"):
        assert field in active, field
    assert active["labels"]["service_name"] == "kept" and active["health"] == "up"
    assert dropped["discoveredLabels"]["__meta_docker_container_name"] == "/unwanted"
    assert dropped["state"] == "dropped" and "rule 1 of 1" in dropped["reason"], dropped
    assert not json.loads(get(url + "/api/v1/targets?state=dropped")[2])["data"]["activeTargets"]
    info = json.loads(get(url + "/debug/info")[2])
    assert [t["service_name"] for t in info["targets"]] == ["kept"]
    assert any(f["symbol_count"] > 0 for f in info["session"]["elf_cache"]), info["session"]


@flavours("any")
def test_ready_says_why_not(run, engine):
    """503 with the reason while the engine is out of reach, 200 afterwards; healthy all the time."""
    engine.stop()
    try:
        check_can_sample()
        received = run.receiver()
        run.configure(received)
        url = f"http://127.0.0.1:{free_port()}"
        agent = run.agent("run", "--config.file=" + run.path("dockprof.yml"), "--web.listen-address=" + url[7:])
        agent.wait_for_log("page, metrics and API are served")
        wait_until(lambda: b"engine" in get(url + "/-/ready")[2], "a reason")
        status, _, body = get(url + "/-/ready")
        assert status == 503 and any(engine.host in r for r in json.loads(body)["reasons"]), body
        assert get(url + "/-/healthy")[0] == 200
    finally:
        engine.start()
    wait_until(lambda: get(url + "/-/ready")[0] == 200, "ready", 40)


@timeout_s(350)  # the first time, go builds its pprof
def test_profile_of_the_next_seconds(run):
    """/debug/profile: a pprof of just these seconds, whole; go tool pprof reads it by its address."""
    agent, url = local_agent_with_page(run)
    status, headers, data = get(url + "/debug/profile?seconds=2&container=local")
    assert status == 200, data
    profile = Profile({}, data)
    assert any("crush" in stack for stack, _ in profile.stacks), profile.stacks
    # As many as the process got of the CPU in these seconds, and not those before.
    assert 0 < profile.ticks <= 2.5 * HZ, profile.ticks
    assert get(url + "/debug/profile?seconds=0")[0] == 400
    assert get(url + "/debug/profile?seconds=1&container=nobody")[0] == 404
    if not shutil.which("go"):
        raise Skip("go is not installed; everything else of this test passed")
    top = subprocess.run(["go", "tool", "pprof", "-top", url + "/debug/profile?seconds=1&container=local"],
                         capture_output=True, text=True, timeout=280, check=False,
                         env={**os.environ, "PPROF_TMPDIR": run.directory})
    assert top.returncode == 0 and "crush" in top.stdout, top.stdout + top.stderr


def test_profiles_of_the_past(run):
    """/api/v1/profile: the same ticks in every format."""
    agent, url = local_agent_with_page(run)
    wait_until(lambda: metrics(url).get("dockprof_history_intervals", 0) >= 3, "three intervals")
    until = int(time.time() * 1000)
    asked = f"{url}/api/v1/profile?service=local&until={until}&format="
    folded = get(asked + "folded")[2].decode().splitlines()
    ticks = sum(int(line.rsplit(" ", 1)[1]) for line in folded)
    assert ticks > 0 and any("crush" in line for line in folded), folded
    profile = Profile({}, get(asked + "pprof")[2])
    assert profile.ticks == ticks, (profile.ticks, ticks)
    scope = json.loads(get(asked + "speedscope")[2])["profiles"][0]
    assert scope["endValue"] == sum(scope["weights"]) == ticks * (10**9 // HZ)
    assert f"{ticks} samples" in get(asked + "svg")[2].decode()
    tree = json.loads(get(f"{url}/api/v1/flamegraph?service=local&until={until}")[2])
    assert sum(tree["nodes"][2::3]) == tree["ticks"] == ticks
    assert get(asked + "xml")[0] == 400
    assert get(url + "/api/v1/profile?format=svg")[0] == 400
    assert json.loads(get(url + "/api/v1/flamegraph?service=nobody")[2])["ticks"] == 0


def test_strangers_are_refused(run):
    """Other hosts (DNS rebinding), other sites, other methods, requests that are none."""
    agent, url = local_agent_with_page(run)
    assert get(url + "/", Host="evil.example.com")[0] == 403
    assert get(url + "/", Host="dockprof:4041")[0] == 200
    assert get(url + "/api/v1/targets", Origin="http://evil.example.com")[0] == 403
    assert get(url + "/metrics", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors")[0] == 403
    assert post(url + "/metrics")[0] == 405
    assert get(url + "/-/reload")[0] == 405
    assert get(url + "/nothing")[0] == 404
    assert get(url + "/" + "a" * 9000)[0] == 431
    policy = get(url + "/")[1]["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy, policy


def test_reload_over_http(run):
    """POST /-/reload applies a good file and keeps the old one at a bad one; forbidden unless enabled."""
    agent, url = local_agent_with_page(run)
    with open(run.path("dockprof.yml")) as file:
        good = file.read()
    run.write("dockprof.yml", good + "ebfp: {}\n")
    status, body = post(url + "/-/reload")
    assert status == 500 and b"mistakes" in body, body
    assert metrics(url)["dockprof_config_last_reload_successful"] == 0
    run.write("dockprof.yml", good.replace("service_name: local", "service_name: renamed"))
    assert post(url + "/-/reload")[0] == 200
    wait_until(lambda: metrics(url).get('pyroscope_ebpf_pprofs_total{service_name="renamed"}'), "the new name")
    run.write("dockprof.yml", good.replace("enable_lifecycle: true", "enable_lifecycle: false"))
    agent.signal(signal.SIGHUP)
    wait_until(lambda: post(url + "/-/reload")[0] == 403, "that it is forbidden")


def test_a_reload_that_fails_changes_nothing(run):
    """A good file that the machine cannot follow (DOCKER_HOST): targets and destination stay as they were."""
    agent, url = local_agent_with_page(run, DOCKER_HOST="ssh://nobody@nowhere")
    with open(run.path("dockprof.yml")) as file:
        good = file.read()
    run.write("dockprof.yml", re.sub("targets:\n.*\n", "", good).replace(run.path("profiles"), run.path("others")))
    status, body = post(url + "/-/reload")
    assert status == 500 and b"Docker environment" in body, body
    assert "the configuration in force stays" in agent.log(), agent.log()
    name = 'pyroscope_ebpf_pprofs_total{service_name="local"}'
    sent = metrics(url).get(name, 0)
    wait_until(lambda: metrics(url).get(name, 0) >= sent + 2, "more profiles")
    before = set(os.listdir(run.path("profiles")))
    wait_until(lambda: set(os.listdir(run.path("profiles"))) - before, "more files")
    assert not os.path.exists(run.path("others")) or not os.listdir(run.path("others"))
    run.write("dockprof.yml", good)
    assert post(url + "/-/reload")[0] == 200


def test_no_secret_is_shown(run):
    """What the file says is secret is in no answer at all."""
    canary = "hunter2canary"
    extra = f"""\
docker_sd_configs:
  - host: tcp://127.0.0.1:1
    basic_auth: {{username: me, password: {canary}}}
    http_headers: {{X-Key: {{secrets: [{canary}]}}}}
"""
    agent, url = local_agent_with_page(run, extra)
    wait_until(lambda: metrics(url).get("dockprof_rounds_total", 0) >= 1, "a round")
    config = json.loads(get(url + "/api/v1/status/config")[2])["data"]["yaml"]
    assert "password: <secret>" in config and "127.0.0.1:1" in config, config
    for path in ("/", "/metrics", "/-/ready", "/api/v1/targets", "/api/v1/containers",
                 "/api/v1/status/config", "/debug/info"):
        assert canary.encode() not in get(url + path)[2], path
    assert canary not in agent.log()


def test_an_address_in_use_is_one_line(run):
    """Somebody listens there already: one line says so, profiling goes on, and later it works."""
    check_can_sample()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        process = run.process("burn", "0")
        run.write("dockprof.yml", f"""\
targets: [{{__process_pid__: "{process.pid}", service_name: local}}]
ebpf: {{collect_interval: 1s}}
write: {{file: {{directory: {run.path("profiles")}}}}}
web: {{listen_address: "{address}"}}
control: {{socket: {run.socket}}}
""")
        agent = run.agent("run", "--config.file=" + run.path("dockprof.yml"))
        agent.wait_for_log("no page and no metrics")
        wait_until(lambda: len(os.listdir(run.path("profiles"))) >= 3, "profiles")
        lines = [line for line in agent.log().splitlines() if "component=web" in line]
        assert len(lines) == 1 and address in lines[0] and "in use" in lines[0], agent.log()
    agent.wait_for_log("page, metrics and API are served")
    assert get(f"http://{address}/-/healthy")[0] == 200


@alone
def test_slow_clients_disturb_nothing(run):
    """200 clients that dawdle: others are answered at once, and no tick of the sampler is lost."""
    agent, url = local_agent_with_page(run)
    for _ in range(os.cpu_count()):  # an idle one does not tick
        run.process("burn", "0")
    wait_until(lambda: metrics(url).get("dockprof_rounds_total", 0) >= 2, "two rounds")
    host, port = url[7:].split(":")
    before = metrics(url)
    slow = []
    start = time.monotonic()
    worst = 0
    while time.monotonic() - start < 6:
        while len(slow) < 200:
            client = socket.create_connection((host, int(port)))
            client.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n")
            slow.append(client)
        for client in slow[:]:
            try:
                client.send(b"X-Slow: yes\r\n")
            except OSError:
                client.close()
                slow.remove(client)
        asked = time.monotonic()
        assert get(url + "/-/healthy")[0] == 200
        worst = max(worst, time.monotonic() - asked)
        time.sleep(0.2)
    for client in slow:
        client.close()
    after = metrics(url)
    assert worst < 1, worst
    assert after["dockprof_web_connections"] <= 64
    lost = [name for name in after if name.startswith("dockprof_ticks_lost") and after[name] != before[name]]
    assert not lost, lost
    seconds = after["dockprof_last_round_timestamp_seconds"] - before["dockprof_last_round_timestamp_seconds"]
    ticks = sum(after[n] - before[n] for n in after if n.startswith("dockprof_ticks_total"))
    expected = seconds * HZ * os.cpu_count()
    assert abs(ticks - expected) < 0.1 * expected, (ticks, expected)


def test_a_spool_that_a_reload_takes_away_is_told(run):
    """One line says how many profiles are left and where, and the metrics add up; put back, they are delivered."""
    received = run.receiver()
    received.status = 503
    endpoint = f'write: {{endpoint: [{{name: far, url: "{received.url}", max_backoff_period: 1s}}]'
    agent, url = local_agent_with_page(run)
    with open(run.path("dockprof.yml")) as file:
        rest = re.sub("write:.*\n", "", file.read())

    def reload(end):
        run.write("dockprof.yml", f"{rest}{endpoint}{end}\n")
        assert post(url + "/-/reload")[0] == 200

    def count(what):
        return metrics(url).get(f'dockprof_write_profiles_{what}', 0)

    with_spool = f', spool: {{path: {run.path("spool")}}}}}'
    reload(with_spool)
    wait_until(lambda: count('spooled{endpoint="far"}') >= 2, "profiles on disk")
    reload("}")
    agent.wait_for_log("the configuration has a spool no more")
    line = next(line for line in agent.log().splitlines() if "a spool no more" in line)
    now = metrics(url)  # all at once: an interval may end at any time

    def told(what):
        return now.get(f"dockprof_write_profiles_{what}", 0)

    left = told('dropped_total{endpoint="far",reason="left"}')
    assert f'left="{left:.0f} profiles in {run.path("spool")}/127_0_0_1_' in line and left >= 2, line
    counts = [told(f'{what}{{endpoint="far"}}') for what in
              ("added_total", "recovered_total", "sent_total", "waiting", "spooled")]
    assert counts[0] + counts[1] == counts[2] + counts[3] + counts[4] + left, (counts, left)
    received.status = 200
    reload(with_spool)
    wait_until(lambda: count('recovered_total{endpoint="far"}') == left, "the profiles found again")
    wait_until(lambda: count('spooled{endpoint="far"}') == 0, "all delivered")


# And the kernel cannot do it beside the agent: then this is what there is.
SLOW_SYNC = """
#include "without_aio.h"
#include <unistd.h>
int fsync(int fd) { (void)fd; sleep(2); return 0; }
int fdatasync(int fd) { (void)fd; sleep(2); return 0; }
"""


def cpu_s(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0]) / 1e9


@alone
def test_a_slow_disk_costs_no_tick(run):
    """The server refuses and the disk takes 2 s for each sync: every tick is counted, and delivered in the end."""
    check_can_sample()
    busy, received = run.process("burn", "0"), run.receiver()
    received.status = 503
    library, address = run.path("slow.so"), f"127.0.0.1:{free_port()}"
    subprocess.run(["gcc", "-shared", "-fPIC", "-I", os.path.join(ROOT, "tests", "lib"), "-o", library,
                    run.write("slow.c", SLOW_SYNC)], check=True)
    config = run.write("dockprof.yml", f"""\
targets:
  - {{__process_pid__: "{busy.pid}", service_name: local}}
ebpf: {{collect_interval: 1s, sample_rate: {HZ}}}
write:
  endpoint: [{{url: "{received.url}", max_backoff_period: 1s}}]
  spool: {{path: {run.path("spool")}}}
web: {{listen_address: "{address}"}}
control: {{socket: {run.socket}}}
""")
    agent = run.agent("run", "--config.file=" + config, LD_PRELOAD=library)
    agent.wait_for_log("sampling all CPUs")
    before = cpu_s(busy.pid)
    time.sleep(4)
    received.status = 200
    used = cpu_s(busy.pid) - before
    wait_until(lambda: received.ticks("local") > 0.95 * used * HZ - 30, "what was sampled meanwhile")
    values = metrics("http://" + address)
    # Process events have less room than ticks: how many fit depends on what else this machine does.
    lost = {name: n for name, n in values.items() if n and ("_lost_total" in name or "_dropped_total" in name)
            and "process_events" not in name}
    assert not lost, lost
