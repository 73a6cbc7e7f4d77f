# SPDX-License-Identifier: Apache-2.0
"""Who else stands between an agent and its server: those who give tokens, proxies."""

import base64
import http.client
import http.server
import json
import os
import select
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse


class Peer:
    """An HTTP server in threads of this process."""

    def __init__(self, handler):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.server.peer = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class TokenHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        peer = self.server.peer
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        known = (form.get("client_secret") == [peer.secret] and
                 form.get("grant_type") == ["client_credentials"])
        answer = {"access_token": peer.give(), "expires_in": 3600} if known else {
            "error": "invalid_client", "error_description": "who are you?"}
        body = json.dumps(answer).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class TokenServer(Peer):
    """Gives tokens T1, T2, ... to who sends the secret in the form."""

    def __init__(self, secret):
        super().__init__(TokenHandler)
        self.secret = secret
        self.given = 0
        self._lock = threading.Lock()

    def give(self):
        with self._lock:
            self.given += 1
            return f"T{self.given}"


class ProxyHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def is_allowed(self):
        """Else it has been told so."""
        wanted = self.server.peer.authorization
        if wanted in (None, self.headers["Proxy-Authorization"]):
            return True
        self.send_response(407)
        self.send_header("Proxy-Authenticate", "Basic realm=proxy")
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def do_POST(self):
        """http://: the request as a whole."""
        peer = self.server.peer
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.is_allowed():
            return
        peer.note(self.path, dict(self.headers))
        onward = http.client.HTTPConnection("127.0.0.1", peer.port)
        onward.request("POST", urllib.parse.urlsplit(self.path).path, body, dict(self.headers))
        answer = onward.getresponse()
        text = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        onward.close()

    def do_CONNECT(self):
        """https://: bytes."""
        peer = self.server.peer
        if not self.is_allowed():
            return
        peer.note(self.path, dict(self.headers))
        self.close_connection = True
        with socket.create_connection(("127.0.0.1", peer.port)) as onward:
            self.send_response(200)
            self.end_headers()
            ends = {self.connection: onward, onward: self.connection}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    ends[end].sendall(data)


class Proxy(Peer):
    """Leads to one server, whatever it is asked for."""

    def __init__(self, server, user=None):
        super().__init__(ProxyHandler)
        self.authorization = user and "Basic " + base64.b64encode(user.encode()).decode()
        self.port = urllib.parse.urlsplit(server.url).port
        self.seen = []  # (target, headers)

    def note(self, target, headers):
        self.seen.append((target, headers))


class Http2Front:
    """nghttpx: TLS with HTTP/2 before a server; what it was asked is in `lines()`."""

    def __init__(self, server, certificate, key, directory):
        self.log = f"{directory}/nghttpx.log"
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
        self.process = subprocess.Popen([
            "nghttpx", "--conf=/dev/null", f"--frontend=127.0.0.1,{self.port}",
            f"--backend=127.0.0.1,{urllib.parse.urlsplit(server.url).port}", "--no-ocsp",
            "--single-process", "--workers=1", f"--accesslog-file={self.log}",
            "--accesslog-format=$remote_port $status $request",
            f"--errorlog-file={directory}/nghttpx.err", key, certificate],
            stderr=subprocess.DEVNULL)
        self.url = f"https://127.0.0.1:{self.port}"

    @staticmethod
    def there():
        return shutil.which("nghttpx", path=os.environ["PATH"] + ":/usr/sbin")

    def __enter__(self):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.05)
        raise AssertionError("nghttpx does not listen")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def lines(self):
        with open(self.log) as f:
            return [line.split(" ", 2) for line in f.read().splitlines()]
