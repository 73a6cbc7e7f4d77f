# SPDX-License-Identifier: Apache-2.0
"""A server that takes what dockprof pushes, and says in ticks and names what arrived."""

import gzip
import http.server
import socket
import threading
import time
from collections import Counter

PUSH = "/push.v1.PusherService/Push"


def fields(data):
    """(number, value) of each field of a protobuf message: an int, or bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value
    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 2:
            size = varint()
            if at + size > len(data):
                raise ValueError("a field ends behind its message")
            yield key >> 3, data[at:at + size]
            at += size
        else:
            raise ValueError(f"wire type {key & 7} is in none of these messages")


def packed(data):
    """The numbers of a packed repeated field."""
    value = shift = 0
    for byte in data:
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0


def numbers(value):
    return [value] if isinstance(value, int) else list(packed(value))


class Frame(str):
    """The name of a function, with the line that its call stood at, or 0."""

    def __new__(cls, name, line):
        frame = super().__new__(cls, name)
        frame.line = line
        return frame


class Profile:
    """
    One pprof with the labels of its series: `ticks`, and `stacks` as (frames leaf first, ticks).
    arrived_s: when its push arrived, on the monotonic clock. data: the pprof as it came.
    """

    def __init__(self, labels, data):
        self.labels = labels
        self.data = data
        self.arrived_s = None
        strings, functions, locations, samples, period = [], {}, {}, [], 1
        for number, value in fields(gzip.decompress(data)):
            if number == 2:
                samples.append(dict(self.sample(value)))
            elif number == 4:
                location = self.location(value)
                locations[location[0]] = location[1]
            elif number == 5:
                function = dict(fields(value))
                functions[function[1]] = function.get(2, 0)
            elif number == 6:
                strings.append(value.decode())
            elif number == 12:
                period = value
        self.stacks = []
        for sample in samples:
            names = [Frame(strings[functions[function]], line) for location in sample[1]
                     for function, line in locations[location]]
            ticks, rest = divmod(sample[2][0], period)
            if rest:
                raise ValueError(f"{sample[2][0]} ns are no multiple of the period {period}")
            self.stacks.append((names, ticks))
        self.ticks = sum(ticks for _, ticks in self.stacks)

    @staticmethod
    def sample(data):
        merged = {1: [], 2: []}
        for number, value in fields(data):
            if number in merged:
                merged[number] += numbers(value)
        return merged

    @staticmethod
    def location(data):
        identity, functions = 0, []
        for number, value in fields(data):
            if number == 1:
                identity = value
            elif number == 4:
                line = dict(fields(value))
                functions.append((line[1], line.get(2, 0)))
        return identity, functions


def series(data):
    """The profiles of a push.v1.PushRequest."""
    for _, message in fields(data):
        labels, raw = {}, []
        for number, value in fields(message):
            if number == 1:
                pair = dict(fields(value))
                labels[pair[1].decode()] = pair.get(2, b"").decode()
            elif number == 2:
                raw += [v for n, v in fields(value) if n == 1]
        for profile in raw:
            yield Profile(labels, profile)


class Received:
    """
    status: what every push is answered with. hang: take connections and never answer. listener: a
    socket to take connections from, instead of one on 127.0.0.1.
    """

    def __init__(self, status=200, hang=False, listener=None):
        self.status = status
        self.lock = threading.Lock()
        self.all = []
        self.errors = []
        self.accepted = 0
        listener = listener or socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.listener = listener
        if hang:
            self.held = []
            threading.Thread(target=self.hold, daemon=True).start()
            return
        self.server = http.server.ThreadingHTTPServer(("", 0), self.handler(),
                                                      bind_and_activate=False)
        self.server.socket.close()
        self.server.socket = listener
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def hold(self):
        while True:
            try:
                self.held.append(self.listener.accept())
            except OSError:
                return
            self.accepted += 1

    def handler(self):
        received = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = received.push(self.path, self.headers, body)
                self.send_response(status)
                self.send_header("Content-Type", "application/proto")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        return Handler

    def push(self, path, headers, body):
        """The status to answer with. What the real server would refuse is kept in `errors`."""
        now_s = time.monotonic()
        if self.status != 200:
            return self.status
        try:
            if path != PUSH or headers["Content-Type"] != "application/proto":
                raise ValueError(f"a push to {path} as {headers['Content-Type']}")
            if headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            profiles = list(series(body))
        except (ValueError, LookupError, OSError) as error:
            with self.lock:
                self.errors.append(repr(error))
            return 400
        for profile in profiles:
            profile.arrived_s = now_s
        with self.lock:
            self.all += profiles
        return 200

    def close(self):
        if hasattr(self, "server"):
            self.server.shutdown()
        self.listener.close()

    def connections(self):
        return self.accepted

    def profiles(self, service):
        with self.lock:
            assert not self.errors, self.errors
            return [p for p in self.all if p.labels.get("service_name") == service]

    def services(self):
        with self.lock:
            return {profile.labels.get("service_name") for profile in self.all if profile.ticks}

    def ticks(self, service):
        return sum(profile.ticks for profile in self.profiles(service))

    def functions(self, service):
        """Function name -> ticks that it was on the stack."""
        found = Counter()
        for profile in self.profiles(service):
            for names, ticks in profile.stacks:
                for name in set(names):
                    found[name] += ticks
        return found
