# SPDX-License-Identifier: Apache-2.0
"""
A private Docker Engine for the tests: its own data, its own containerd, its own mount and network
namespace, so that nothing of the machine's Docker, its bridges or its firewall is touched, and any
number of test runs can go on at once.

Two flavours. "v1" takes the machine's /sys/fs/cgroup as it is (one mount per controller); "v2" has
a cgroup2 mount in its place, as a machine booted with the unified hierarchy alone.

    test run ---stdin/stdout---> keeper (this file, in the namespaces)
                                   `- dockerd, containerd, shims, containers

The keeper is the parent of all of it (a child subreaper, so that shims cannot get away). It ends
when its stdin does, which happens however the test run ends, kill -9 included; then it kills what
descends from it, removes cgroups and the directory, and is gone.
"""

import ctypes
import glob
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from docker_api import DockerApi

READY_S = 60
STOP_S = 20
AT_ONCE = 8  # requests to the engine, where there are many
CGROUPS = "/sys/fs/cgroup"
PR_SET_CHILD_SUBREAPER = 36
CAP_SYS_RESOURCE = 24
CLONE_NEWNET = 0x40000000


class EngineUnavailable(Exception):
    """This machine cannot run such an engine; the text says why."""


def effective_capabilities():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1], 16) for line in status if line.startswith("CapEff"))


def mounted(fstype):
    with open("/proc/self/mounts") as mounts:
        return [line.split()[1] for line in mounts if line.split()[2] == fstype]


def why_unavailable(flavour):
    """The reason why this machine cannot run an engine of this flavour, or None."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("dockerd", "containerd", "runc", "unshare", "nsenter", "setpriv"):
        if not shutil.which(program):
            return f"{program} is not installed"
    if not effective_capabilities() >> 21 & 1:
        return "needs CAP_SYS_ADMIN"
    if flavour == "v1" and not any(path.startswith(CGROUPS) for path in mounted("cgroup")):
        return "this machine has no cgroup v1 controllers mounted"
    if flavour == "v2" and "\tcgroup2\n" not in open("/proc/filesystems").read():
        return "this kernel has no cgroup2"
    return None


class Engine:
    """host_network: without a network namespace of its own, for builds that download."""

    def __init__(self, flavour, host_network=False):
        reason = why_unavailable(flavour)
        if reason:
            raise EngineUnavailable(reason)
        self.flavour = flavour
        self.directory = tempfile.mkdtemp(prefix="dockprof-engine-")
        self.name = os.path.basename(self.directory)
        self.socket = os.path.join(self.directory, "docker.sock")
        self.host = "unix://" + self.socket
        self.images = set()
        self.api = DockerApi(self.socket)
        namespaces = ["--mount", "--propagation", "private"] + ([] if host_network else ["--net"])
        self.keeper = subprocess.Popen(
            ["unshare", *namespaces, sys.executable, os.path.abspath(__file__), self.directory,
             flavour, "host" if host_network else "own"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        try:
            self._expect("ready")
            self.start()
        except BaseException:
            self.close()
            raise

    def _expect(self, word):
        answer = self.keeper.stdout.readline().strip()
        if answer != word:
            raise EngineUnavailable(f"engine {self.flavour}: {answer or 'its keeper died'}")

    def _command(self, command):
        self.keeper.stdin.write(command + "\n")
        self.keeper.stdin.flush()
        self._expect("done")

    def start(self, *options):
        """Starts dockerd, with further command line options, and waits until it answers."""
        self._command(" ".join(["start", *options]))
        deadline = time.monotonic() + READY_S
        while not self.api.ping():
            if time.monotonic() > deadline:
                raise EngineUnavailable(f"dockerd does not answer; its log ends: {self.log_tail()}")
            time.sleep(0.05)

    def stop(self):
        """Stops dockerd alone, as systemd would; with --live-restore containers go on."""
        self._command("stop")

    def enter(self, command):
        """`command` as run inside the engine's mount namespace, killed when the test run dies."""
        return ["setpriv", "--pdeathsig", "KILL", "--", "nsenter", "-t", str(self.keeper.pid),
                "--mount", "--", *command]

    def enter_network(self, command):
        return ["setpriv", "--pdeathsig", "KILL", "--", "nsenter", "-t", str(self.keeper.pid),
                "--mount", "--net", "--", *command]

    def listen(self, address):
        """A listening socket in the engine's network, for a server that containers reach."""
        made = []

        def listen():
            with open(f"/proc/{self.keeper.pid}/ns/net") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.create_server((address, 0)))
        # A thread of its own: only that thread is moved, and the socket stays where it was made.
        thread = threading.Thread(target=listen)
        thread.start()
        thread.join()
        return made[0]

    def cgroup_of(self, container):
        """The directory of a running container's cgroup that accounts for its CPU time."""
        pid = self.api.inspect(container)["State"]["Pid"]
        with open(f"/proc/{pid}/cgroup") as file:
            paths = {line.split(":")[1]: line.rstrip("\n").split(":", 2)[2] for line in file}
        if self.flavour == "v1":
            return f"{CGROUPS}/cpuacct{paths['cpuacct']}"
        return f"/proc/{self.keeper.pid}/root{CGROUPS}{paths['']}"

    def cgroup_cpu_ns(self, container):
        """The CPU time of a running container, as its cgroup counts it."""
        directory = self.cgroup_of(container)
        if self.flavour == "v1":
            with open(f"{directory}/cpuacct.usage") as file:
                return int(file.read())
        with open(f"{directory}/cpu.stat") as file:
            return next(int(l.split()[1]) * 1000 for l in file if l.startswith("usage_usec"))

    def remove_containers(self):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda c: self.api.remove(c["Id"]), self.api.list(all_states=True)))

    def log_tail(self, lines=5):
        try:
            with open(os.path.join(self.directory, "dockerd.log"), errors="replace") as log:
                return " | ".join(log.read().splitlines()[-lines:])
        except OSError as error:
            return str(error)

    def close(self):
        """Ends it and waits until the keeper has removed everything."""
        self.keeper.stdin.close()
        self.keeper.wait()
        self.keeper.stdout.close()


# What follows runs in the keeper.

RUNTIME = """#!/bin/sh
# runc, after an edit of the bundle that it is given, or of the process to be run in a container.
file=./config.json
for argument; do
	[ "$previous" = --bundle ] && file=$argument/config.json
	[ "$previous" = --process ] && file=$argument
	previous=$argument
done
[ -f "$file" ] && sed -i '@EDIT@' "$file"
exec runc "$@"
"""
# For a machine that lacks CAP_SYS_RESOURCE: a privileged container asks for all capabilities and
# fails where one is not to be had.
LIMITED = 's/"CAP_SYS_RESOURCE",//g; s/,"CAP_SYS_RESOURCE"//g'
# Engines before 23 do not know the capabilities that CAP_SYS_ADMIN was split into; with this
# runtime who asks for the old one gets the new ones, and not the old.
MODERN = 's/"CAP_SYS_ADMIN"/"CAP_BPF","CAP_PERFMON","CAP_CHECKPOINT_RESTORE"/g'


class Keeper:
    def __init__(self, directory, flavour, network):
        self.directory = directory
        self.name = os.path.basename(directory)
        self.daemon = None
        self.options = [
            "--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec",
            "--pidfile", f"{directory}/dockerd.pid", "--host", f"unix://{directory}/docker.sock",
            "--cgroup-parent", "/" + self.name, "--iptables=false", "--ip6tables=false",
            "--shutdown-timeout", "1"]
        if network == "host":
            self.options += ["--bridge", "none"]
        else:
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        if flavour == "v2":
            self.mount_cgroup2()
        # Sockets of shims, which would stay behind.
        os.makedirs("/run/containerd", exist_ok=True)
        mount("tmpfs", "/run/containerd")
        edit = "" if effective_capabilities() >> CAP_SYS_RESOURCE & 1 else LIMITED
        self.add_runtime("limited", edit)
        self.add_runtime("modern", f"{edit}; {MODERN}")
        self.options += ["--default-runtime", "limited"] if edit else []

    def add_runtime(self, name, edit):
        path = f"{self.directory}/runtime-{name}"
        with open(path, "w") as file:
            file.write(RUNTIME.replace("@EDIT@", edit))
        os.chmod(path, 0o755)
        self.options += ["--add-runtime", f"{name}={path}"]

    def mount_cgroup2(self):
        if CGROUPS in mounted("cgroup2"):
            return
        subprocess.run(["umount", "-R", "-l", CGROUPS], check=False, stderr=subprocess.DEVNULL)
        mount("cgroup2", CGROUPS)

    def start(self, options):
        with open(f"{self.directory}/dockerd.log", "a") as log:
            self.daemon = subprocess.Popen(["dockerd", *self.options, *options], stdout=log,
                                           stderr=log, stdin=subprocess.DEVNULL)

    def stop(self):
        self.daemon.terminate()
        try:
            self.daemon.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()

    def serve(self):
        say("ready")
        for line in sys.stdin:
            command, *options = line.split()
            if command == "start":
                self.start(options)
            else:
                self.stop()
            say("done")

    def close(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.kill()
        while kill_descendants():
            reap()
            time.sleep(0.01)
        for root in {CGROUPS, *mounted("cgroup"), *mounted("cgroup2")}:
            remove_cgroup(os.path.join(root, self.name))
        with open("/proc/self/mounts") as mounts:
            below = [line.split()[1] for line in mounts if line.split()[1].startswith(self.directory)]
        for path in reversed(below):
            subprocess.run(["umount", "-l", path], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(self.directory, ignore_errors=True)


def say(word):
    try:
        print(word, flush=True)
    except BrokenPipeError:
        pass


def mount(fstype, path):
    subprocess.run(["mount", "-t", fstype, fstype, path], check=True)


def parents():
    """pid -> parent's pid of all processes."""
    table = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path, errors="replace") as stat:
                text = stat.read()
        except OSError:
            continue
        state, parent = text[text.rindex(")") + 2:].split()[:2]
        if state not in "ZX":
            table[int(path.split("/")[2])] = int(parent)
    return table


def kill_descendants():
    """Whether there were any. Called again until there are none: one may fork while we look."""
    table = parents()
    found = {os.getpid()}
    while True:
        more = {pid for pid, parent in table.items() if parent in found} - found
        if not more:
            break
        found |= more
    found.discard(os.getpid())
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return bool(found)


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def remove_cgroup(path):
    for directory, _, _ in os.walk(path, topdown=False):
        for _ in range(50):
            try:
                os.rmdir(directory)
                break
            except OSError:
                time.sleep(0.02)


def main():
    directory, flavour, network = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        keeper = Keeper(directory, flavour, network)
    except (OSError, subprocess.CalledProcessError) as error:
        say(f"cannot set up: {error}")
        shutil.rmtree(directory, ignore_errors=True)
        return
    try:
        keeper.serve()
    finally:
        keeper.close()


if __name__ == "__main__":
    main()
