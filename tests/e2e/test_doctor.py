# SPDX-License-Identifier: Apache-2.0
"""
dockprof doctor: each fault is induced for real, and doctor names it, how to mend it, and nothing else.
"""

import ctypes
import errno
import http.server
import json
import os
import shutil
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
import time

import e2e
from e2e import Skip, flavours

CONTAINER = {"Id": "c" * 64, "Names": ["/web"], "Image": "web", "ImageID": "sha256:0",
             "State": "running", "Labels": {}, "Ports": [],
             "NetworkSettings": {"Networks": {"bridge": {"NetworkID": "n", "IPAddress": "172.17.0.2"}}}}
PUSH = "/push.v1.PusherService/Push"
CHECKS = {
    "configuration", "kernel", "btf", "bpf_jit", "user_namespace", "pid_namespace", "cap_bpf", "cap_perfmon",
    "cap_sys_ptrace", "cap_dac_read_search", "cap_checkpoint_restore", "cap_syslog", "lockdown", "perf_sample_rate",
    "bpf", "perf_event_open", "cgroups", "sample", "docker_engine", "docker_events", "docker_networks", "targets",
    "server", "clock", "agent"}
OUTSIDE = 3  # exit code where the machine, the container or the engine lacks something


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=b"", content_type="application/json", **headers):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    def address_string(self):
        return "client"


class Daemon(socketserver.ThreadingUnixStreamServer):
    """A Docker Engine with one container, or a socket proxy in front of one that forbids some paths."""

    daemon_threads = True

    def __init__(self, path, api="1.41", forbidden=(), html=False):
        class Handler(Quiet):
            def do_GET(self):
                if html:
                    self.answer(200, b"<html>nginx</html>", "text/html")
                elif any(word in self.path for word in forbidden):
                    self.answer(403, b"Forbidden", "text/plain")
                elif self.path == "/_ping":
                    self.answer(200, b"OK", "text/plain", Api_Version=api)
                elif "/containers/json" in self.path:
                    self.answer(200, json.dumps([CONTAINER]).encode())
                elif "/events" in self.path:
                    self.send_response(200)
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    self.wfile.flush()
                    time.sleep(20)
                else:
                    self.answer(200, b"[]")

        super().__init__(path, Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass


class Server(socketserver.ThreadingTCPServer):
    """A Pyroscope as far as an empty push sees it."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, status=200, body=b"{}", content_type="application/json", clock=None,
                 hang=False, certificate=None, password=None):
        class Handler(Quiet):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if hang:
                    time.sleep(20)
                if password and self.headers.get("Authorization") != password:
                    self.answer(401, b"no", "text/plain")
                elif self.path != PUSH:
                    self.answer(404, b"404 page not found", "text/plain")
                else:
                    self.answer(status, body, content_type)

            def date_time_string(self, timestamp=None):
                return clock or super().date_time_string(timestamp)

        super().__init__(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = "%s://127.0.0.1:%d" % ("https" if certificate else "http",
                                          self.server_address[1])
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        pass


class Surroundings:
    """Everything in order; a test spoils one thing."""

    def __init__(self, run):
        e2e.check_can_sample()
        self.run = run
        self.socket = run.path("docker.sock")
        self.extra = ""
        self.prefix = []
        self.before = None
        self.daemon = self.server = None

    def start(self, daemon=None, server=None):
        if daemon is not False:
            self.daemon = Daemon(self.socket, **(daemon or {}))
            self.run.later(self.daemon.close)
        self.server = Server(**(server or {}))
        self.run.later(self.server.close)
        self.url = self.server.url
        return self

    def examine(self, *options):
        config = self.run.write("dockprof.yml", f"""\
docker_sd_configs:
  - host: unix://{self.socket}
write:
  endpoint:
    - url: {self.url}
{self.extra}""")
        result = self.run.dockprof("doctor", "--json", "--config.file=" + config, *options,
                                   prefix=self.prefix, before=self.before)
        assert result.stdout, result.stderr
        return result.returncode, json.loads(result.stdout)["checks"]

    def expect(self, found, *words, code=OUTSIDE):
        """`found`, which is one id or several by one cause, and nothing else; the texts have all words."""
        found = {found} if isinstance(found, str) else set(found)
        exit_code, checks = self.examine("--quick")
        bad = [c for c in checks if c["outcome"] in ("warn", "fail")]
        assert {c["id"] for c in bad} == found, bad
        assert exit_code == code, (exit_code, bad)
        text = " ".join(c["text"] + " " + c["fix"] for c in bad)
        assert all(c["fix"] for c in bad), bad
        for word in words:
            assert word in text, (word, text)


def sound(run, **parts):
    return Surroundings(run).start(**parts)


def without(*capabilities):
    """A prefix: root with all capabilities but these (and SYS_ADMIN, which has some of them inside)."""
    names = ",".join("-" + c for c in ("sys_admin", *capabilities))
    return ["setpriv", "--bounding-set", names, "--"]


def in_mounts(script):
    """A prefix: after this shell script, in a mount namespace of its own."""
    return ["unshare", "--mount", "sh", "-c", script + ' && exec "$@"', "sh"]


def over(run, path, text):
    """A prefix: the file `path` says `text`."""
    source = run.write("over", text)
    return in_mounts(f"mount --bind {source} {path}")


def test_all_is_well(run):
    """Nothing is wrong: only passes, exit 0; the text has a line for each and no colours in a pipe."""
    s = sound(run)
    exit_code, checks = s.examine()
    assert exit_code == 0 and {c["outcome"] for c in checks} == {"pass"}, checks
    assert {c["id"] for c in checks} == CHECKS, {c["id"] for c in checks} ^ CHECKS
    text = run.dockprof("doctor", "--config.file=" + run.path("dockprof.yml")).stdout
    assert text.count("\npass") == len(checks) - 1 and "\x1b" not in text, text
    assert f"{len(checks)} passed, 0 warnings, 0 failed" in text, text


@flavours("any")
def test_with_a_real_engine(run, engine):
    """Against a real Docker Engine with a container, all is well too."""
    engine.api.run(run.image("burn"), ["/burn", "0"], name="busy")
    s = Surroundings(run)
    s.socket = engine.socket
    s.start(daemon=False)
    exit_code, checks = s.examine()
    assert exit_code == 0, checks
    assert any(c["id"] == "docker_engine" and "1 containers" in c["text"] for c in checks), checks


def test_old_kernel(run):
    """Fault 1: a kernel that says it is 2.6."""
    s = sound(run)
    s.prefix = ["setarch", "--uname-2.6", "--"]
    s.expect("kernel", "2.6", "5.10")


def test_no_btf(run):
    """Fault 2: no BTF."""
    s = sound(run)
    s.prefix = in_mounts("mount -t tmpfs none /sys/kernel/btf")
    s.expect("btf", "CONFIG_DEBUG_INFO_BTF=y")


def test_jit_off(run):
    """Fault 3: the BPF JIT is off: a warning, exit 0."""
    s = sound(run)
    s.prefix = over(run, "/proc/sys/net/core/bpf_jit_enable", "0\n")
    s.expect("bpf_jit", "net.core.bpf_jit_enable=1", code=0)


def test_capabilities(run):
    """Faults 4 to 9: each capability, removed alone, is named with its compose line."""
    for name, needed in (("bpf", True), ("perfmon", True), ("sys_ptrace", False),
                         ("dac_read_search", False), ("checkpoint_restore", False),
                         ("syslog", False)):
        s = sound(run)
        s.prefix = without(name)
        s.expect("cap_" + name, f"cap_add: [{name.upper()}]", code=OUTSIDE if needed else 0)
        s.daemon.close()
        os.unlink(s.socket)


SYSTEM_CALLS = {"x86_64": {"bpf": 321, "perf_event_open": 298},
                "aarch64": {"bpf": 280, "perf_event_open": 241}}


def forbid(call, error):
    """A seccomp filter, as an engine's profile would be, that answers so to a system call."""
    number = SYSTEM_CALLS[os.uname().machine][call]

    def install():
        code = [(0x20, 0, 0, 0),  # load the system call's number
                (0x15, 1, 0, number), (0x06, 0, 0, 0x7fff0000), (0x06, 0, 0, 0x00050000 | error)]
        program = b"".join(struct.pack("HBBI", *instruction) for instruction in code)
        buffer = ctypes.create_string_buffer(program)
        header = struct.pack("HxxxxxxP", len(code), ctypes.addressof(buffer))
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(38, 1, 0, 0, 0)
        if libc.prctl(22, 2, ctypes.create_string_buffer(header), 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "seccomp")
    return install


def test_seccomp(run):
    """Faults 10 and 11: a seccomp profile that forbids bpf(2), or perf_event_open(2)."""
    for call in ("bpf", "perf_event_open"):
        s = sound(run)
        s.before = forbid(call, errno.EPERM)
        s.expect(call, "seccomp:unconfined")
        s.daemon.close()
        os.unlink(s.socket)


def test_paranoid(run):
    """Fault 37: Debian's perf_event_paranoid of 3, which answers EACCES to all but SYS_ADMIN."""
    s = sound(run)
    s.before = forbid("perf_event_open", errno.EACCES)
    s.prefix = over(run, "/proc/sys/kernel/perf_event_paranoid", "3\n") + without()
    s.expect("perf_event_paranoid", "kernel.perf_event_paranoid=2", "SYS_ADMIN")


def test_no_cgroups(run):
    """Fault 38: the host's cgroups are out of sight: a warning, exit 0."""
    s = sound(run)
    s.prefix = in_mounts("mount -t tmpfs none /proc/1 && mount -t tmpfs none /sys/fs/cgroup")
    s.expect("cgroups", "cgroup: host", code=0)


def test_pid_namespace(run):
    """Fault 12: a pid namespace of its own."""
    s = sound(run)
    s.prefix = ["unshare", "--pid", "--fork", "--mount-proc"]
    s.expect("pid_namespace", "pid: host")


def test_user_namespace(run):
    """Fault 13: a user namespace, as rootless Docker has it."""
    s = sound(run)
    s.prefix = ["unshare", "--user", "--map-root-user"]
    s.expect("user_namespace", "userns_mode: host")


def test_lockdown(run):
    """Fault 14: a kernel locked down for confidentiality."""
    s = sound(run)
    file = run.write("lockdown", "none integrity [confidentiality]\n")
    s.prefix = in_mounts("mount -t tmpfs none /sys/kernel/security && "
                         f"cp {file} /sys/kernel/security/lockdown")
    s.expect("lockdown", "lockdown=integrity")


def test_sample_rate(run):
    """Fault 15: the kernel has lowered its limit of samples below the configured rate."""
    s = sound(run)
    s.prefix = over(run, "/proc/sys/kernel/perf_event_max_sample_rate", "50\n")
    s.expect("perf_sample_rate", "perf_event_max_sample_rate", "97")


def test_no_socket(run):
    """Fault 16: the Docker socket is not there."""
    sound(run, daemon=False).expect("docker_socket", "volumes:")


def test_no_permission(run):
    """Fault 17: the Docker socket may not be used: root without the right to override file modes."""
    s = sound(run)
    os.chown(s.socket, 65534, 65534)
    os.chmod(s.socket, 0o600)
    s.prefix = ["setpriv", "--bounding-set", "-dac_override", "--"]
    s.expect("docker_permission", "as root")


def test_no_daemon(run):
    """Fault 18: the socket is there, and nobody listens."""
    s = sound(run, daemon=False)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(s.socket)
    listener.close()
    s.expect("docker_daemon", "start the Docker Engine")


def test_old_api(run):
    """Fault 19: an engine that speaks an API from before 1.24."""
    sound(run, daemon={"api": "1.18"}).expect("docker_api", "1.18", "1.24")


def test_no_engine(run):
    """Fault 20: something else answers at the socket."""
    sound(run, daemon={"html": True}).expect("docker_engine", "Docker")


def test_proxy(run):
    """Faults 21 to 23: a socket proxy that forbids containers; events; networks."""
    s = sound(run, daemon={"forbidden": ["/containers/json"]})
    s.expect("docker_access", "CONTAINERS=1")
    s.daemon.close()
    os.unlink(s.socket)
    s = sound(run, daemon={"forbidden": ["/events"]})
    s.expect("docker_events", "EVENTS=1", code=0)
    s.daemon.close()
    os.unlink(s.socket)
    s = sound(run, daemon={"forbidden": ["/networks"]})
    s.expect("docker_networks", "NETWORKS=1", code=0)


def test_port_closed(run):
    """Fault 24: nobody listens at the server's port."""
    s = sound(run)
    s.url = "http://127.0.0.1:9"
    s.expect("server_port", "127.0.0.1:9", code=1)


def test_unknown_name(run):
    """Fault 25: the server's name does not exist."""
    s = sound(run)
    s.url = "http://pyroscope.invalid:4040"
    s.expect("server_name", "pyroscope.invalid", code=1)


def test_wrong_password(run):
    """Fault 26: a wrong password; fault 27: none at all."""
    s = sound(run, server={"password": "Basic bWU6cmlnaHQ="})
    s.expect("server_credentials", "PYROSCOPE_BASIC_AUTH_PASSWORD", code=1)
    s.extra = "      basic_auth: {username: me, password: wrong}\n"
    s.expect("server_credentials", "correct user and password", code=1)
    s.extra = "      basic_auth: {username: me, password: right}\n"
    exit_code, checks = s.examine("--quick")
    assert exit_code == 0 and any("with these credentials" in c["text"] for c in checks), checks


def test_hanging_server(run):
    """Fault 28: a server that accepts and does not answer."""
    sound(run, server={"hang": True}).expect("server_timeout", "hangs", code=1)


def test_no_pyroscope(run):
    """Fault 29: another web server; fault 30: one that is not ready."""
    s = sound(run)
    s.url += "/grafana"
    s.expect("server_kind", "Pyroscope", code=1)
    s.daemon.close()
    os.unlink(s.socket)
    sound(run, server={"status": 503}).expect("server_ready", "503", code=1)


def test_tenant(run):
    """Fault 31: a server with tenants, and none is configured."""
    sound(run, server={"status": 401, "body": b'{"code":"unauthenticated","message":"no org id"}'}
          ).expect("server_tenant", "tenant_id", code=1)


def test_tls(run):
    """Fault 32: a certificate that nobody vouches for."""
    if not shutil.which("openssl"):
        raise Skip("openssl is not installed")
    pem = run.path("server.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                    "-subj", "/CN=127.0.0.1", "-keyout", pem, "-out", pem + ".crt"],
                   check=True, capture_output=True)
    with open(pem, "a") as file, open(pem + ".crt") as certificate:
        file.write(certificate.read())
    sound(run, server={"certificate": pem}).expect("server_tls", "ca_file", code=1)


def test_clock(run):
    """Fault 33: the server's clock and ours are years apart."""
    sound(run, server={"clock": "Mon, 01 Jan 2018 00:00:00 GMT"}
          ).expect("clock", "NTP", code=1)


def test_configuration(run):
    """Fault 34: a mistake in the file, told with its place."""
    s = sound(run)
    s.extra = "relabel_configs:\n  - action: dorp\n"
    s.expect("configuration", "dockprof.yml:", "dorp", code=1)


def test_rules_drop_all(run):
    """Fault 35: the rules drop every container: a warning that names the rule."""
    s = sound(run)
    s.extra = ("relabel_configs:\n"
               "  - {source_labels: [__meta_docker_container_name], regex: /other, action: keep}\n")
    s.expect("targets", "1 of 1 are dropped at", "dockprof.yml:7", code=0)


def test_directory(run):
    """Fault 36: profiles are to be kept where nothing can be written."""
    s = sound(run)
    where = run.path("kept")
    os.mkdir(where)
    s.extra = f"  file: {{directory: {where}}}\n"
    s.prefix = in_mounts(f"mount -t tmpfs -o ro none {where}")
    s.expect("directory", where, "volume", code=1)
