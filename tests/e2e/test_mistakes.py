# SPDX-License-Identifier: Apache-2.0
"""What is wrong around dockprof: one clear message for each, and the exit code that goes with it."""

import http.server
import json
import os
import shutil
import socketserver
import subprocess
import threading
import time

import e2e
from e2e import wait_until

USAGE, ENVIRONMENT = 2, 3


def one_message(result, *words, code):
    """It ended with `code` and a single line on stderr, which has all the words."""
    lines = result.stderr.splitlines()
    assert result.returncode == code, (result.returncode, result.stderr)
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0], f"{word!r} is not in {lines[0]!r}"


class FakeDaemon(socketserver.ThreadingUnixStreamServer):
    """Answers all requests of the Docker API alike."""

    daemon_threads = True

    def __init__(self, path, status, headers, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

            def address_string(self):
                return "unix"

        super().__init__(path, Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()


def test_no_socket(run):
    """targets without a daemon: says which socket is not there; exit 3."""
    result = run.dockprof("targets", DOCKER_HOST="unix:///nonexistent/docker.sock")
    one_message(result, "/nonexistent/docker.sock", code=ENVIRONMENT)


def test_no_permission(run):
    """targets as a user who may not use the socket: says so; exit 3."""
    e2e.need_root()
    run.public()
    path = run.path("docker.sock")
    daemon = FakeDaemon(path, 200, {}, b"OK")
    run.later(daemon.close)
    os.chmod(path, 0o600)
    result = run.dockprof("targets", DOCKER_HOST="unix://" + path, prefix=e2e.AS_NOBODY)
    one_message(result, path, "ermission", code=ENVIRONMENT)


def test_api_too_old(run):
    """A daemon that speaks API 1.18 at most: says which and what is needed; exit 3."""
    path = run.path("docker.sock")
    body = json.dumps({"ApiVersion": "1.18", "MinAPIVersion": "1.12", "Version": "1.6.2"}).encode()
    daemon = FakeDaemon(path, 200, {"Api-Version": "1.18", "Content-Type": "application/json"}, body)
    run.later(daemon.close)
    result = run.dockprof("targets", DOCKER_HOST="unix://" + path)
    one_message(result, "1.18", "1.24", code=ENVIRONMENT)


def test_not_root(run):
    """record as an ordinary user: says what it needs; exit 3."""
    e2e.need_root()
    config = run.write("config.yml", "targets: [{__process_pid__: \"1\", service_name: init}]\n")
    run.public()
    result = run.dockprof("record", "-d", "1s", "--config.file=" + config, prefix=e2e.AS_NOBODY)
    one_message(result, "root", code=ENVIRONMENT)


def test_no_host_pids(run):
    """In a pid namespace of its own: names the line of the compose file that is missing; exit 3."""
    e2e.check_can_sample()
    config = run.write("config.yml", "targets: [{__process_pid__: \"1\", service_name: init}]\n")
    result = run.dockprof("record", "-d", "1s", "--config.file=" + config,
                          prefix=["unshare", "--pid", "--fork", "--mount-proc"])
    one_message(result, 'pid: "host"', code=ENVIRONMENT)


def test_no_btf(run):
    """A kernel without BTF: says so and what that means; exit 3."""
    e2e.check_can_sample()
    config = run.write("config.yml", "targets: [{__process_pid__: \"1\", service_name: init}]\n")
    hide = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"'
    result = run.dockprof("record", "-d", "1s", "--config.file=" + config,
                          prefix=["unshare", "--mount", "sh", "-c", hide, "sh"])
    one_message(result, "BTF", code=ENVIRONMENT)


def test_mistakes_in_the_file(run):
    """check tells all mistakes of a file with line and column in one run; run refuses it; exit 2."""
    path = run.write("config.yml", """\
docker_sd_configs:
  - host: unix:///var/run/docker.sock
    refresh_intervall: 60s
relabel_configs:
  - source_labels: [__meta_docker_container_name]
    regex: "(web"
    action: keep
ebpf:
  collect_interval: 15 seconds
""")
    result = run.dockprof("check", "--config.file=" + path)
    assert result.returncode == USAGE, result
    told = result.stdout + result.stderr
    for place, word in (("3:5", "refresh_interval"), ("6:12", "(web"), ("9:21", "15 seconds")):
        line = [line for line in told.splitlines() if line.startswith(f"{path}:{place}:")]
        assert len(line) == 1 and word in line[0], (place, told)
    refused = run.dockprof("run", "--config.file=" + path)
    assert refused.returncode == USAGE, refused
    assert refused.stderr.count(path) == 3, refused.stderr


def test_a_right_file(run):
    """check has nothing to say against the examples that are shipped; exit 0."""
    examples = os.path.join(e2e.ROOT, "compose", "relabel-examples")
    paths = [os.path.join(e2e.ROOT, "compose", "dockprof.yml")]
    paths += [os.path.join(examples, name) for name in sorted(os.listdir(examples))]
    assert len(paths) > 5
    for path in paths:
        result = run.dockprof("check", "--config.file=" + path)
        assert result.returncode == 0, (path, result.stdout, result.stderr)


def test_unreachable_server(run):
    """A server that is not up: said once, sampling goes on, the exit is quick and clean."""
    agent = run.local_agent("http://127.0.0.1:9")
    wait_until(lambda: "127.0.0.1:9" in agent.log() and "delivered" in agent.log(), "the message")
    time.sleep(4)
    lines = [line for line in agent.log().splitlines() if "cannot be delivered" in line]
    assert len(lines) == 1, agent.log()
    start = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - start < 5


def test_unauthorized(run):
    """A server that answers 401: said once, with the status and what to look at."""
    received = run.receiver(status=401)
    agent = run.local_agent(received.url)
    wait_until(lambda: "401" in agent.log(), "the message about 401")
    time.sleep(3)
    lines = [line for line in agent.log().splitlines() if "401" in line]
    assert len(lines) == 1, lines


def test_hostile_labels(run, engine):
    """Labels with newlines, escape codes, 1 MB, odd bytes and another's id break neither log, server nor neighbour."""
    agent, received = run.profiled(rules=[
        "{source_labels: [__meta_docker_container_label_evil], target_label: evil}",
        "{regex: __meta_docker_container_label_(.+), action: labelmap}"])
    evil = {"evil": "x\n level=error msg=\"forged\" \x1b[31m\x1b]0;title\x07 \u202e\u2028",
            "huge": "A" * (1 << 20), "a\nb\x1b[2J": "key", "": "empty", "\u00fc.\u4e16": "\ud7ff"}
    image = run.image("burn", variant="hostile")
    innocent = engine.api.run(run.image("burn", variant="innocent"), ["/burn", "1500"],
                              name="innocent")
    evil |= {"__container_id__": innocent, "__process_pid__": "1"}
    hostile = engine.api.run(image, ["/burn", "1500"], name="hostile", labels=evil)
    for container in (hostile, innocent):
        assert engine.api.wait(container) == 0
    wait_until(lambda: received.ticks("innocent") > 100 and received.ticks("hostile") > 100,
               "ticks of both")
    assert agent.process.poll() is None, agent.log()
    log = agent.log()
    assert "\x1b" not in log and "\u202e" not in log and "AAAAAAAAAA" * 50 not in log, log
    for line in log.splitlines():
        assert line.startswith(("ts=", "time=", "level=")), line
        assert len(line) < 4096, line
    for profile in received.profiles("hostile"):
        for name, value in profile.labels.items():
            assert len(name) <= 1024 and len(value) <= 2048, name


def test_bad_arguments(run):
    """Mistakes on the command line: named in the first line of a few, what to write; exit 2."""
    for arguments, word in ((["nonsense"], "nonsense"), (["record", "-d", "soon"], "soon"),
                            (["record", "--format", "bmp"], "folded"), (["run", "--wrong"], "--wrong"),
                            (["run", "--log.level=loud"], "debug")):
        result = run.dockprof(*arguments)
        assert result.returncode == USAGE, (arguments, result)
        lines = result.stderr.splitlines()
        assert 1 <= len(lines) <= 3 and word in lines[0], (arguments, lines)


def test_full_disk(run):
    """record into a full file system: says so, exit 1, and leaves no half of a file."""
    e2e.check_can_sample()
    if not shutil.which("unshare"):
        raise e2e.Skip("unshare is not installed")
    config = run.write("config.yml", "targets: [{__process_pid__: \"%d\", service_name: us}]\n"
                       % os.getpid())
    full = 'mount -t tmpfs -o size=4k none /mnt && head -c 4096 /dev/zero >/mnt/full && exec "$@"'
    result = run.dockprof("record", "-d", "1s", "--config.file=" + config, "--format", "json", "-o",
                          "/mnt/out.json", prefix=["unshare", "--mount", "sh", "-c", full, "sh"])
    assert result.returncode == 1, (result.returncode, result.stderr)
    assert "/mnt/out.json" in result.stderr and "No space" in result.stderr, result.stderr
    assert subprocess.run(["test", "-e", "/mnt/out.json"], check=False).returncode == 1
