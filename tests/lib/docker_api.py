# SPDX-License-Identifier: Apache-2.0
"""The few requests of the Docker Engine API that the tests make, over its unix socket."""

import http.client
import io
import json
import socket
import tarfile
import urllib.parse

API = "/v1.41"


class DockerError(Exception):
    def __init__(self, status, message):
        super().__init__(f"Docker API: {status}: {message}")
        self.status = status


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("docker", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class DockerApi:
    def __init__(self, socket_path):
        self.socket_path = socket_path

    def request(self, method, path, body=None, query=None, timeout=60):
        """The parsed answer (bytes where it is not JSON); DockerError for a status from 400 on."""
        url = API + path + ("?" + urllib.parse.urlencode(query) if query else "")
        headers = {}
        if isinstance(body, (dict, list)):
            body, headers = json.dumps(body), {"Content-Type": "application/json"}
        connection = UnixConnection(self.socket_path, timeout)
        try:
            connection.request(method, url, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.status >= 400:
            raise DockerError(answer.status, data.decode(errors="replace").strip())
        if "json" in (answer.getheader("Content-Type") or "") and data:
            return json.loads(data.splitlines()[-1] if data.count(b"\n") > 1 else data)
        return data

    def ping(self):
        try:
            return self.request("GET", "/_ping", timeout=5) == b"OK"
        except (OSError, http.client.HTTPException, DockerError):
            return False

    def import_image(self, name, files):
        """An image of `files` (path inside -> path outside, or bytes); nothing is pulled."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as archive:
            for inside, source in files.items():
                if not isinstance(source, bytes):
                    with open(source, "rb") as file:
                        source = file.read()
                info = tarfile.TarInfo(inside.lstrip("/"))
                info.size, info.mode = len(source), 0o755
                archive.addfile(info, io.BytesIO(source))
        repo, _, tag = name.partition(":")
        self.request("POST", "/images/create", tar.getvalue(),
                     {"fromSrc": "-", "repo": repo, "tag": tag or "latest"})

    def create(self, image, command, name=None, labels=None, network="none", host=None, **config):
        """The new container's id. `host` and `config` go into HostConfig and Config as they are."""
        body = {"Image": image, "Cmd": command, "Labels": labels or {}, "StopTimeout": 1,
                "HostConfig": {"NetworkMode": network, **(host or {})}, **config}
        return self.request("POST", "/containers/create", body,
                            {"name": name} if name else None)["Id"]

    def run(self, image, command, **options):
        """Creates and starts; the id."""
        container = self.create(image, command, **options)
        self.act(container, "start")
        return container

    def act(self, container, action, **query):
        """start, stop, kill, restart, pause, unpause, rename, ..."""
        self.request("POST", f"/containers/{container}/{action}", query=query)

    def wait(self, container, timeout=120):
        """Waits for its end; the exit code."""
        return self.request("POST", f"/containers/{container}/wait", timeout=timeout)["StatusCode"]

    def inspect(self, container):
        return self.request("GET", f"/containers/{container}/json")

    def list(self, all_states=False):
        return self.request("GET", "/containers/json", query={"all": int(all_states)})

    def remove(self, container):
        try:
            self.request("DELETE", f"/containers/{container}", query={"force": 1, "v": 1})
        except DockerError as error:
            if error.status not in (404, 409):
                raise

    def logs(self, container):
        """What it wrote, stdout and stderr in one, without the stream's frame headers."""
        data = self.request("GET", f"/containers/{container}/logs",
                            query={"stdout": 1, "stderr": 1})
        text, at = b"", 0
        while at + 8 <= len(data):
            size = int.from_bytes(data[at + 4:at + 8], "big")
            text += data[at + 8:at + 8 + size]
            at += 8 + size
        return text.decode(errors="replace")
