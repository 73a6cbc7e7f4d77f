# SPDX-License-Identifier: Apache-2.0
"""The log of an hour of ordinary life, with the hour made short: a clock that runs 40 times as fast."""

import http.server
import json
import os
import re
import shutil
import socketserver
import subprocess
import threading
import time

import e2e
from e2e import Skip, timeout_s, wait_until

SPEED = 40
LINES = 40  # fewer, in an hour
MINUTE = 60 / SPEED  # in seconds of ours


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, content_type="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Api-Version", "1.41")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    def address_string(self):
        return "client"


class Engine:
    """A Docker Engine that can be stopped and started; containers come and go as the test says."""

    def __init__(self, path):
        self.path, self.containers, self.streams, self.number = path, {}, [], 0
        self.lock = threading.Lock()
        self.start()

    def start(self):
        engine = self

        class Docker(Handler):
            def do_GET(self):
                if self.path == "/_ping":
                    self.answer(200, b"OK", "text/plain")
                elif "/containers/json" in self.path:
                    with engine.lock:
                        body = json.dumps(list(engine.containers.values()))
                    self.answer(200, body.encode())
                elif "/events" in self.path:
                    self.send_response(200)
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    self.wfile.flush()
                    ended = threading.Event()
                    with engine.lock:
                        engine.streams.append((self, ended))
                    ended.wait()
                    self.close_connection = True
                else:
                    self.answer(200, b"[]")

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        if os.path.exists(self.path):
            os.unlink(self.path)
        self.server = Server(self.path, Docker)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        with self.lock:
            streams, self.streams = self.streams, []
        for handler, ended in streams:
            handler.connection.close()
            ended.set()

    def emit(self, action, container):
        text = json.dumps({"Type": "container", "Action": action, "id": container["Id"],
                           "Actor": {"ID": container["Id"],
                                     "Attributes": {"name": container["Names"][0][1:]}},
                           "timeNano": time.time_ns()}) + "\n"
        chunk = f"{len(text):x}\r\n{text}\r\n".encode()
        with self.lock:
            for handler, _ in self.streams:
                try:
                    handler.wfile.write(chunk)
                    handler.wfile.flush()
                except (OSError, ValueError):
                    pass

    def run(self, name):
        self.number += 1
        container = {"Id": f"{self.number:064x}", "Names": ["/" + name], "Image": "i",
                     "ImageID": "sha256:0", "State": "running", "Labels": {}, "Ports": [],
                     "NetworkSettings": {"Networks": {}}}
        with self.lock:
            self.containers[container["Id"]] = container
        self.emit("start", container)
        return container

    def end(self, container):
        with self.lock:
            self.containers.pop(container["Id"], None)
        self.emit("die", container)


class Pyroscope:
    """Takes everything; can be away for a while."""

    def __init__(self):
        self.port, self.pushes = 0, 0
        self.start()

    def start(self):
        pyroscope = self

        class Push(Handler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                pyroscope.pushes += 1
                self.answer(200, b"{}")

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request, client_address):
                pass

            def process_request(self, request, client_address):
                pyroscope.connections.append(request)
                super().process_request(request, client_address)

        self.connections = []
        self.server = Server(("127.0.0.1", self.port), Push)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:
            try:
                connection.shutdown(2)
            except OSError:
                pass


def hurry(run):
    """The library that makes time pass faster."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if not compiler:
        raise Skip("no C compiler")
    library = run.path("hurry.so")
    source = os.path.join(e2e.ROOT, "tests", "e2e", "workloads", "hurry.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", f"-DSPEED={SPEED}", "-o", library, source],
                   check=True)
    return library


def live_an_hour(engine, server):
    """Deploys every two minutes, a container that restarts in a loop, two daemon restarts, a server away."""
    stable = [engine.run(f"shop-{i}") for i in range(10)]
    looping = engine.run("crashing")
    begun = time.monotonic()

    def until(minute):
        nonlocal looping
        while time.monotonic() - begun < minute * MINUTE:
            time.sleep(MINUTE / 6)
            engine.end(looping)
            looping = engine.run("crashing")
    for minute in range(2, 61, 2):
        until(minute)
        engine.end(stable.pop(0))
        stable.append(engine.run(f"shop-{minute + 10}"))
        if minute in (20, 44):
            engine.stop()
            time.sleep(MINUTE / 2)
            engine.start()
        if minute == 28:
            server.stop()
        if minute == 38:
            server.start()


@timeout_s(400)
def test_an_hour(run):
    """Fewer than 40 lines in an hour of deploys, crashes, daemon restarts and a server away; all readable."""
    e2e.check_can_sample()
    library = hurry(run)
    engine, server = Engine(run.path("docker.sock")), Pyroscope()
    run.later(engine.stop)
    run.later(server.stop)
    process = run.process("burn", "0")
    config = run.write("dockprof.yml", f"""\
docker_sd_configs:
  - host: unix://{engine.path}
targets:
  - {{__process_pid__: "{process.pid}", service_name: local}}
ebpf:
  sample_rate: 19
write:
  endpoint:
    - url: http://127.0.0.1:{server.port}
control:
  socket: {run.socket}
""")
    agent = run.agent("run", "--config.file=" + config, LD_PRELOAD=library)
    agent.wait_for_log("following the containers")
    live_an_hour(engine, server)
    pushes = server.pushes
    wait_until(lambda: server.pushes > pushes, "a push at the end of the hour")
    lines = agent.log().splitlines()
    stamps = [re.search(r"ts=\S+T(\d+):(\d+):(\d+)", line).groups() for line in (lines[0], lines[-1])]
    assert agent.process.poll() is None
    assert len(lines) < LINES, f"{len(lines)} lines, {stamps}:\n" + "\n".join(lines)
    told = {re.search(r'msg="([^"]*)"', line).group(1) for line in lines if 'msg="' in line}
    for part in ("lost the connection to the engine", "following the containers",
                 "profiles cannot be delivered", "profiles are delivered again",
                 "containers came and went"):
        assert any(part in message for message in told), (part, told)
    for message in told:
        # Sentences: words that a stranger knows, and no numbers of errors or addresses of ours.
        assert len(message.split()) >= 3, message
        assert not re.search(r"errno|0x[0-9a-f]|E[A-Z]{4,}|NULL|fd=", message), message
    assert all(len(line) < 700 for line in lines), lines
    print(f"     {len(lines)} lines in an hour")
