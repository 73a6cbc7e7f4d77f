#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small stand-in for a Pyroscope server: takes pushed profiles by the real server's rules.

usage: receiver.py [--port PORT]      prints its URL, runs until killed

As a module:

    with receiver.Receiver() as server:       # .url
        ...
        server.wait_for(lambda: server.select(service_name="web"), "a profile of web")
        server.behave("503", count=3)

POST /push.v1.PusherService/Push    as Pyroscope 2.0 with its defaults answers it
GET  /ready                         "ready"
GET  /test/profiles                 what was taken, as JSON
POST /test/behave                   {"mode": ..., "count": n, "seconds": s, "retry_after": s}

Modes, for `count` requests (0: until told otherwise):
    ok, STATUS ("401", "429", "503", ...), hang (no answer), delay (`seconds`, then as usual),
    reset (connection reset before the answer), midbody (reset in the middle of the request),
    cut (taken, but the answer ends halfway), short (a 503 that ends halfway), garbage (no HTTP),
    html (200 and a web page, as a captive portal has it; nothing is taken),
    refuse (nobody listens for `seconds`)
"""

import argparse
import collections
import gzip
import http.server
import json
import os
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pprof  # noqa: E402  (after the path is set)

PUSH = "/push.v1.PusherService/Push"
# The server's defaults; the flag of each is in the comment.
MODES = ("ok", "hang", "delay", "reset", "midbody", "cut", "short", "garbage", "html")
MAX_BODY = 256 << 20  # distributor.ingestion-body-limit-mb
MAX_PROFILE = 4 << 20  # validation.max-profile-size-bytes
MAX_SAMPLES = 16000  # validation.max-profile-stacktrace-samples
MAX_SAMPLE_LABELS = 100  # validation.max-profile-stacktrace-sample-labels
MAX_LABELS = 30  # validation.max-label-names-per-series
MAX_LABEL_NAME = 1024  # validation.max-length-label-name
MAX_LABEL_VALUE = 2048  # validation.max-length-label-value
NEWEST_S = 10 * 60  # validation.reject-newer-than
OLDEST_S = 60 * 60  # validation.reject-older-than

RAW_ANSWERS = {
    "short": b"HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\nhalf",
    "garbage": b"SSH-2.0-OpenSSH_9.2\r\n",
    "html": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>",
}

STATUS = {"invalid_argument": 400, "unauthenticated": 401, "permission_denied": 403,
          "resource_exhausted": 429, "unknown": 500, "internal": 500, "unavailable": 503}
CODES = {status: code for code, status in STATUS.items()}

Received = collections.namedtuple("Received", "labels profile at size headers")
Behaviour = collections.namedtuple("Behaviour", "mode count seconds retry_after")


class Refusal(Exception):
    """What the server answers instead of taking a profile."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def check_labels(pairs):
    """The series' labels as a dict, or Refusal."""
    labels = {}
    for raw_name, raw_value in pairs:
        try:
            name, value = raw_name.decode(), raw_value.decode()
        except UnicodeDecodeError as error:
            raise Refusal("invalid_argument", f"invalid label {raw_name!r}") from error
        if name in labels:
            raise Refusal("invalid_argument", f"duplicate label name {name!r}")
        if not name:
            raise Refusal("invalid_argument", "invalid label name ''")
        if len(raw_name) > MAX_LABEL_NAME:
            raise Refusal("invalid_argument", f"label name too long: {name[:80]!r}")
        if len(raw_value) > MAX_LABEL_VALUE:
            raise Refusal("invalid_argument", f"label value too long for {name!r}")
        labels[name] = value
    labels.setdefault("service_name", "unknown_service")
    if len(labels) > MAX_LABELS:
        raise Refusal("invalid_argument", f"{len(labels)} labels; limit {MAX_LABELS}")
    if not labels.get("__name__"):
        raise Refusal("invalid_argument", "invalid metric name")
    if not labels["service_name"]:
        raise Refusal("invalid_argument", "service name is not provided")
    return labels


def check_profile(data, now):
    """The decoded profile, or Refusal."""
    try:
        plain = pprof.decompress(data, MAX_PROFILE)
    except pprof.Malformed as error:
        code = "invalid_argument" if "uncompressed" in str(error) else "unknown"
        raise Refusal(code, str(error)) from error
    try:
        profile = pprof.Profile(plain)
    except pprof.Malformed as error:
        raise Refusal("invalid_argument", str(error)) from error
    if not profile.sample_types:
        raise Refusal("invalid_argument", "empty profile")
    age = now - profile.time_nanos / 1e9
    if profile.time_nanos > 0 and not -NEWEST_S <= age <= OLDEST_S:
        raise Refusal("invalid_argument", f"profile is {age:.0f} s old, outside the window")
    if len(profile.samples) > MAX_SAMPLES:
        raise Refusal("invalid_argument", f"{len(profile.samples)} samples; limit {MAX_SAMPLES}")
    if any(len(sample.labels) > MAX_SAMPLE_LABELS for sample in profile.samples):
        raise Refusal("invalid_argument", "too many sample labels")
    if any("-" in name for name, _ in profile.sample_types):
        raise Refusal("invalid_argument", "sample type contains -")
    if profile.period_type is None:
        # The real server crashes in the request instead: it reads the period type unchecked.
        raise Refusal("internal", "no period_type")
    return profile


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "receiver"

    def setup(self):
        super().setup()
        self.server.receiver.note_connection(1)

    def finish(self):
        self.server.receiver.note_connection(-1)
        super().finish()

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", content_type="application/proto", **headers):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(body)

    def answer_json(self, status, value, **headers):
        self.answer(status, json.dumps(value).encode(), "application/json", **headers)

    def refuse(self, code, message, status=None, **headers):
        self.answer_json(status or STATUS[code], {"code": code, "message": message}, **headers)

    def do_GET(self):
        if self.path == "/ready":
            self.answer(200, b"ready\n", "text/plain")
        elif self.path == "/test/profiles":
            self.answer_json(200, self.server.receiver.summary())
        else:
            self.answer(404, b"404 page not found\n", "text/plain")

    def do_POST(self):
        size = int(self.headers.get("Content-Length") or 0)
        if size > MAX_BODY:
            self.close_connection = True
            self.refuse("resource_exhausted", f"message size {size} is larger than {MAX_BODY}")
            return
        receiver = self.server.receiver
        if self.path == receiver.prefix + PUSH and receiver.mode() == "midbody":
            self.rfile.read(size // 2)
            receiver.next_behaviour()
            self.reset()
            return
        body = self.rfile.read(size)
        if len(body) < size:
            self.close_connection = True
        elif self.path == "/test/behave":
            receiver.behave(**json.loads(body))
            self.answer_json(200, {})
        elif self.path == receiver.prefix + PUSH:
            self.push(body)
        else:
            self.answer(404, b"404 page not found\n", "text/plain")

    def push(self, body):
        receiver = self.server.receiver
        behaviour = receiver.next_behaviour()
        if behaviour.mode == "hang":
            receiver.stopping.wait()
            self.close_connection = True
        elif behaviour.mode in ("reset", "midbody"):
            self.reset()
        elif behaviour.mode in RAW_ANSWERS:
            self.wfile.write(RAW_ANSWERS[behaviour.mode])
            self.close_connection = True
        elif behaviour.mode.isdigit():
            status = int(behaviour.mode)
            wait = behaviour.retry_after
            headers = {} if wait is None else {"Retry_After": wait}
            self.refuse(CODES.get(status, "unknown"), "as told to", status, **headers)
        else:
            if behaviour.mode == "delay":
                receiver.stopping.wait(behaviour.seconds)
            self.take(body, cut=behaviour.mode == "cut")

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()
        # What the handler still writes to must not fail.
        self.wfile = open(os.devnull, "wb")

    def take(self, body, cut):
        receiver = self.server.receiver
        if self.headers.get("Content-Type") != "application/proto":
            self.answer(415, b"", "text/plain", Accept_Post="application/proto")
            return
        try:
            self.authenticate()
            receiver.take(self.decode(body), dict(self.headers))
        except Refusal as refusal:
            receiver.note_refusal(str(refusal))
            self.refuse(refusal.code, str(refusal))
            return
        if cut:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            self.close_connection = True
            return
        self.answer(200)

    def authenticate(self):
        receiver = self.server.receiver
        if receiver.authorization and self.headers.get("Authorization") != receiver.authorization:
            raise Refusal("unauthenticated", "invalid credentials")
        if receiver.multitenancy and not self.headers.get("X-Scope-OrgID"):
            raise Refusal("unauthenticated", "no org id")

    def decode(self, body):
        if self.headers.get("Connect-Protocol-Version", "1") != "1":
            raise Refusal("invalid_argument", "connect-protocol-version must be 1")
        try:
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            return pprof.Message(body).messages(1)
        except (pprof.Malformed, OSError) as error:
            raise Refusal("invalid_argument", f"unmarshal message: {error}") from error


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # a client that went away, or one that was reset on purpose


class Receiver:
    """The server, in threads of this process."""

    def __init__(self, port=0, prefix="", multitenancy=False, authorization=None, clock=time.time,
                 tls=None):
        self.prefix = prefix  # of the push path, as behind a proxy
        self.multitenancy = multitenancy
        self.authorization = authorization  # the header's exact value
        self.clock = clock
        self.tls = tls  # an ssl.SSLContext
        self.received = []
        self.refusals = []  # what it had against profiles
        self.requests = 0  # pushes, whatever became of them
        self.connections = self.most_connections = 0  # at the same time
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._behaviour = Behaviour("ok", 0, 0, None)
        self._port = port
        self._open()

    def _open(self):
        self._server = Server(("127.0.0.1", self._port), Handler)
        self._server.receiver = self
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True,
                                                       do_handshake_on_connect=False)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _close(self):
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def url(self):
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self._port}{self.prefix}"

    def close(self):
        self.stopping.set()
        self._close()

    def behave(self, mode="ok", count=0, seconds=0, retry_after=None):
        if mode == "refuse":
            threading.Thread(target=self._refuse, args=(seconds,), daemon=True).start()
            return
        if mode not in MODES and not mode.isdigit():
            raise ValueError(f"no mode {mode!r}")
        with self._lock:
            self._behaviour = Behaviour(mode, count, seconds, retry_after)

    def _refuse(self, seconds):
        self._close()
        if not self.stopping.wait(seconds):
            self._open()

    def mode(self):
        with self._lock:
            return self._behaviour.mode

    def next_behaviour(self):
        with self._lock:
            self.requests += 1
            behaviour = self._behaviour
            if behaviour.count == 1:
                self._behaviour = Behaviour("ok", 0, 0, None)
            elif behaviour.count > 1:
                self._behaviour = behaviour._replace(count=behaviour.count - 1)
            return behaviour

    def note_connection(self, change):
        with self._lock:
            self.connections += change
            self.most_connections = max(self.most_connections, self.connections)

    def note_refusal(self, message):
        with self._lock:
            self.refusals.append(message)

    def take(self, series, headers):
        """Like the server, keeps the good series of a request even if another one is refused."""
        refusal = None if series else Refusal("invalid_argument", "no profiles received")
        for one in series:
            try:
                self._take_series(one, headers)
            except Refusal as error:
                refusal = refusal or error
        if refusal:
            raise refusal

    def _take_series(self, series, headers):
        try:
            pairs = [(pair.bytes(1), pair.bytes(2)) for pair in series.messages(1)]
            profiles = [sample.bytes(1) for sample in series.messages(2)]
        except pprof.Malformed as error:
            raise Refusal("invalid_argument", f"unmarshal message: {error}") from error
        if not profiles:
            raise Refusal("invalid_argument", "no profiles received")
        now = self.clock()
        taken = [(check_profile(data, now), len(data)) for data in profiles]
        labels = check_labels(pairs)
        with self._lock:
            self.received += [Received(labels, profile, now, size, headers)
                              for profile, size in taken]

    def select(self, **labels):
        """What was received under these labels."""
        with self._lock:
            return [r for r in self.received
                    if all(r.labels.get(name) == value for name, value in labels.items())]

    def ticks(self, **labels):
        return sum(r.profile.ticks() for r in self.select(**labels))

    def services(self):
        with self._lock:
            return sorted({r.labels["service_name"] for r in self.received})

    def wait_for(self, condition, what, timeout=30):
        deadline = time.monotonic() + timeout
        while True:
            answer = condition()
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise AssertionError(f"after {timeout} s still not: {what}; services "
                                     f"{self.services()}, refused {self.refusals[-3:]}")
            time.sleep(0.05)

    def summary(self):
        with self._lock:
            received = list(self.received)
            return {
                "requests": self.requests,
                "refusals": self.refusals,
                "profiles": [{
                    "labels": r.labels,
                    "time": r.profile.time_nanos / 1e9,
                    "duration": r.profile.duration_nanos / 1e9,
                    "period": r.profile.period,
                    "total": r.profile.total(),
                    "bytes": r.size,
                    "stacks": dict(r.profile.folded()),
                } for r in received],
            }


def main():
    parser = argparse.ArgumentParser(description="takes pushed profiles as Pyroscope does")
    parser.add_argument("--port", type=int, default=0)
    with Receiver(parser.parse_args().port) as receiver:
        print(receiver.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
